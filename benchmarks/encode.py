"""How fast saetext encodes, against its own ceiling and against code written by hand; memory and disk.

    python benchmarks/encode.py                     everything, some fifteen minutes on two cores
    python benchmarks/encode.py --only embedded     one section; the others stay in the results file
    python benchmarks/encode.py --quick -o quick    tiny settings, to see that it works
    python benchmarks/encode.py --device cuda       a 2B-sized model with a wide SAE on a GPU, nothing else
    python benchmarks/encode.py --device cpu --size tiny -o tiny    the same code on the processor, in seconds

Sections: ``embedded`` and ``gpt2`` (speed), ``memory``, ``disk``, ``command`` (start-up times); ``gemma2``
with ``--device`` alone. What each measures is said in README.md beside this file. Speeds of one section are
measured in turn, several times, in
one run; read the ratios, for the tokens per second depend on what else the machine does.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import common
from by_hand import ByHand, fastest_by_hand, multiply_adds, require_same
from on_device import SIZES, on_device, require_device
from on_device import show as show_device
from readers import shown

if TYPE_CHECKING:
    import torch

    from saetext.reader.reader import Reader

TARGET_OF_CEILING = 0.85
TARGET_AGAINST_BY_HAND = 3.0
TARGET_GROWTH = 0.10
ID_BYTES = 16
TARGET_HELP, TARGET_INFO, TARGET_OPEN = 0.4, 1.0, 0.1


# ---- (a) the ceiling and (b) saetext ---------------------------------------------------------------------


class Batches:
    """The batches that saetext makes of these texts, shard by shard, with their sizes."""

    def __init__(self, reader: Reader, texts: Sequence[str], shard_rows: int) -> None:
        import torch

        from saetext.reader.batches import Batcher
        from saetext.reader.tokenization import Prepared

        self.all: list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = []
        documents = common.documents_of(texts)
        for start in range(0, len(documents), shard_rows):
            prepared = reader.tokens.prepare(documents[start : start + shard_rows])
            batcher = Batcher(reader.tokens, reader._batcher.budget)
            for group in reversed(batcher.groups([p for p in prepared if isinstance(p, Prepared)])):
                batch = batcher.build(group)
                ids, mask, positions = map(torch.from_numpy, (batch.ids, batch.mask, batch.positions))
                self.all.append((ids, mask, positions))
        self.counted = sum(len(positions) for _, _, positions in self.all)
        self.padded = sum(ids.numel() for ids, _, _ in self.all)  # special tokens included
        self.attended = sum(ids.numel() * ids.shape[1] for ids, _, _ in self.all)

    @property
    def padding(self) -> float:
        """Tokens that are computed and not counted, as a share of those that are."""
        return round(self.padded / self.counted - 1, 3)


class Ceiling:
    """(a): the truncated forward pass and the SAE's product alone, on saetext's own batches, made before.

    Tokens, padding and batches are ready; nothing is compared with a threshold, pooled or written. The
    products go to memory that is already there, which is the fastest that plain torch offers.
    """

    def __init__(self, reader: Reader, batches: Batches) -> None:
        import torch

        (sae,) = reader.saes.values()
        self.model, self.hook, self.weight = reader.model, sae.encoder.hook, sae.encoder._weight
        self.batches = batches.all
        largest = max(len(positions) for _, _, positions in self.batches)
        self.out = torch.empty(largest * self.weight.shape[1])

    def __call__(self) -> None:
        import torch

        for ids, mask, positions in self.batches:
            states = self.model.hidden(ids, mask)[self.hook]
            x = states.reshape(-1, states.shape[-1]).index_select(0, positions).float()
            shape = (len(x), self.weight.shape[1])
            torch.mm(x, self.weight, out=self.out[: shape[0] * shape[1]].view(shape))


def encoder_run(reader: Reader, source: Path, target: Path, shard_rows: int) -> Callable[[], None]:
    """Return (b): ``saetext.encode`` from a file to a corpus on disk, the reader being loaded."""
    from saetext.encoding.encoder import encode

    fresh = itertools.count()

    def run() -> None:
        encode(source, target / f"{next(fresh)}.corpus", reader=reader, shard_rows=shard_rows)

    return run


# ---- sections --------------------------------------------------------------------------------------------


def embedded(args: argparse.Namespace, work: Path) -> dict[str, Any]:
    """(a) and (b) with the reader that ships, or another one."""
    from saetext.reader.reader import Reader

    reader = Reader(args.reader, dtype=args.dtype, device="cpu")
    texts = common.varied_texts(args.documents)
    common.write_jsonl(work / "texts.jsonl", texts)
    batches = Batches(reader, texts, args.shard_rows)
    ceiling = Ceiling(reader, batches)
    ours = encoder_run(reader, work / "texts.jsonl", work, args.shard_rows)
    warm_up(reader, texts)
    times = common.interleaved({"a ceiling": ceiling, "b saetext": ours}, args.repeats or 9)
    result = {
        "settings": {
            "documents": len(texts),
            "tokens": batches.counted,
            "shard_rows": args.shard_rows,
            "dtype": reader.model.dtype,
            "repeats": args.repeats or 9,
            "window": reader.tokens.window,
            "token_budget": reader._batcher.budget,
        },
        "speed": {name: t.summary(batches.counted) for name, t in times.items()},
        "of_ceiling": in_time(times["a ceiling"], times["b saetext"]),
        "padding": batches.padding,
    }
    show_speed(f"{args.reader} reader", result)
    return result


def gpt2(args: argparse.Namespace, work: Path) -> dict[str, Any]:
    """(a), (b) and (c) with a random model of GPT-2 small's size."""
    from saetext.reader.reader import Reader
    from saetext.reader.thresholds.estimation import calibrate

    size = common.TINY if args.quick else common.GPT2_SMALL
    texts = common.varied_texts(args.gpt2_documents, seed=1)
    common.make_model(work / "model", size)
    common.make_sae(work / "sae", work / "model", size, texts[: max(8, len(texts) // 3)])
    common.write_jsonl(work / "texts.jsonl", texts)
    reader = Reader.load_local(work / "sae", work / "model", dtype="float32", device="cpu")
    reader = calibrate(reader, common.documents_of(texts), reference="the texts themselves")
    batches = Batches(reader, texts, args.shard_rows)
    ceiling = Ceiling(reader, batches)
    ours = encoder_run(reader, work / "texts.jsonl", work, args.shard_rows)
    hand = ByHand(work / "model", work / "sae", size)
    warm_up(reader, texts)

    search = fastest_by_hand(hand, texts[:8], args.batch_sizes)
    best, by_length = min(search, key=lambda how: search[how])
    ordered = sorted(texts, key=len) if by_length else texts
    runs: dict[str, Callable[[], object]] = {
        "a ceiling": ceiling,
        "b saetext": ours,
        "c by hand": lambda: hand(ordered, best),
        "c by hand, without stop_at_layer": lambda: hand(ordered, best, stop=False),
    }
    times = common.interleaved(runs, args.repeats or 5)
    same = require_same(hand(texts, best), work / "0.corpus", reader)

    tokens = batches.counted
    padded, attended = hand.padded(ordered, best)
    work_of = {
        "b saetext": multiply_adds(size, size.layer, batches.padded, batches.attended, tokens),
        "c by hand": multiply_adds(size, size.layer, padded, attended, padded),
        "c by hand, without stop_at_layer": multiply_adds(
            size, size.layers, padded, attended, padded, unembedded=padded
        ),
    }
    against = {
        name: {
            **in_time(times[name], times["b saetext"]),
            "multiply_adds": round(work_of[name] / work_of["b saetext"], 3),
        }
        for name in work_of
        if name.startswith("c")
    }
    # what a shard of usual size would have; there are too few texts here for batches of like length
    full = Batches(reader, common.varied_texts(args.shard_rows), args.shard_rows)
    (calibration,) = reader.calibrations.values()
    result = {
        "settings": {
            "documents": len(texts),
            "tokens": tokens,
            "shard_rows": args.shard_rows,
            "dtype": "float32",
            "repeats": args.repeats or 5,
            "model": vars(size),
            "hook": size.hook,
            "l0": round(calibration.about["l0"], 1),
            "token_budget": reader._batcher.budget,
            "by_hand": f"batches of {best}, {'sorted by length' if by_length else 'in file order'}",
            "layers_run": {"a, b, c": size.layer, "c without stop_at_layer": size.layers},
        },
        "speed": {name: t.summary(tokens) for name, t in times.items()},
        "of_ceiling": in_time(times["a ceiling"], times["b saetext"]),
        "times_faster_than": against,
        "multiply_adds_per_token": {name: round(w / tokens / 1e6, 2) for name, w in work_of.items()},
        "padding": {
            "b": batches.padding,
            "c": round(padded / tokens - 1, 3),
            "b, in a shard of usual size": full.padding,
        },
        "by_hand_search_seconds": {
            f"{n}{', sorted by length' if by_length else ''}": t for (n, by_length), t in search.items()
        },
        "same_result": same,
    }
    show_speed(f"random GPT-2 ({size.layers} x {size.width}), SAE {size.features:,} at {size.hook}", result)
    return result


def memory(args: argparse.Namespace, work: Path) -> dict[str, Any]:
    """Peak memory of child processes that encode a small and a large file of short documents."""
    model = common.make_model(work / "model", common.TINY)
    sae = common.make_sae(work / "sae", model, common.TINY, common.varied_texts(40))
    sizes = [n // 50 for n in (5_000, 50_000)] if args.quick else [5_000, 50_000]
    peaks: dict[int, int] = {}
    tokens: dict[int, int] = {}
    for n in [sizes[0], *sizes]:  # the first one only compiles and calibrates
        common.write_short_texts(work / f"{n}.jsonl", n)
        target = work / f"{n}-{len(peaks)}.corpus"
        found = json.loads(
            child("--encode-child", sae, model, work / f"{n}.jsonl", target, cache=work / "cache").stdout
        )
        peaks[n], tokens[n] = found["peak_bytes"], found["tokens"]
        shutil.rmtree(target)
    small, large = sizes
    growth = (peaks[large] - ID_BYTES * large) / (peaks[small] - ID_BYTES * small) - 1
    result = {
        "settings": {"model": vars(common.TINY), "shard_rows": 1024},
        "peak_mb": {str(n): round(peaks[n] / 1e6, 1) for n in sizes},
        "tokens": {str(n): tokens[n] for n in sizes},
        "growth_less_16_bytes_a_document": round(growth, 4),
        "bytes_per_further_document": round((peaks[large] - peaks[small]) / (large - small), 1),
        "target": TARGET_GROWTH,
    }
    rows = [(f"{n:,} documents", tokens[n], "tokens", peaks[n] / 1e6, "MB peak") for n in sizes]
    met = verdict(growth <= TARGET_GROWTH, "within 10 %")
    common.say("memory", [*rows, ("growth", f"{growth:+.1%}", met)])
    return result


def disk(args: argparse.Namespace, work: Path) -> dict[str, Any]:
    """Kilobytes on disk per 100 tokens, by part, with the reader that ships."""
    from saetext.encoding.encoder import encode
    from saetext.reader.reader import Reader

    reader = Reader.load(dtype=args.dtype, device="cpu")
    count = 4 if args.quick else 150
    example = [json.loads(line) for path in common.EXAMPLES for line in path.read_text("utf-8").splitlines()]
    common.write_jsonl(work / "short.jsonl", [row["text"] for row in example[: 2 * count]])
    common.write_jsonl(work / "long.jsonl", common.varied_texts(count, answers=(4, 8)))
    rows, result = [], {}
    for name in ("short", "long"):
        corpus = encode(work / f"{name}.jsonl", work / f"{name}.corpus", reader=reader)
        counts = corpus.manifest.counts
        tokens, documents, entries = counts["tokens"], counts["documents"], sum(counts["entries"].values())
        parts = {"docs": 0, "features": 0, "cards": 0, "other": 0}
        for path in (work / f"{name}.corpus").rglob("*"):
            if path.is_file():
                part = path.relative_to(work / f"{name}.corpus").parts[0]
                parts[part if part in parts else "other"] += path.stat().st_size
        per = {part: round(size / 1000 / tokens * 100, 3) for part, size in parts.items()}
        grows = round(per["docs"] + per["features"], 3)
        result[name] = {
            "documents": documents,
            "tokens": tokens,
            "entries": entries,
            "kb_per_100_tokens": grows,
            "parts_kb_per_100_tokens": per,
            "calibration_kb": round(parts["cards"] / 1000, 1),
        }
        size = f"{tokens / documents:,.0f} tokens a document, {entries / tokens:.2f} entries a token"
        rows.append((f"{name} ({size})", grows, "kB per 100 tokens", per["features"], "of it features"))
    common.say("disk, embedded reader (without the calibration, which is there once)", rows)
    return result


def command(args: argparse.Namespace, work: Path) -> dict[str, Any]:
    """Start-up of the command line, and opening a large corpus."""
    sys.path.insert(0, str(common.ROOT))
    from tests.corpus_factory import make_big_corpus

    n = 2_000 if args.quick else 100_000
    path = work / "big.corpus"
    make_big_corpus(path, n)
    script = Path(sys.executable).with_name("saetext")
    saetext = [str(script)] if script.exists() else [sys.executable, "-m", "saetext_cli.main"]
    opening = (
        "import sys, time\nfrom saetext.corpus import Corpus\nstarted = time.perf_counter()\n"
        "corpus = Corpus.open(sys.argv[1])\nassert len(corpus)\nprint(time.perf_counter() - started)"
    )
    times: dict[str, list[float]] = {"help": [], "info": [], "open": []}
    for _ in range(1 + 5):  # the first one fills the disk cache
        times["help"].append(wall([*saetext, "--help"]))
        times["info"].append(wall([*saetext, "info", str(path)]))
        opened = [sys.executable, "-c", opening, str(path)]
        done = subprocess.run(opened, capture_output=True, text=True, check=True)
        times["open"].append(float(done.stdout))
    median = {name: round(statistics.median(t[1:]), 4) for name, t in times.items()}
    targets = {"help": TARGET_HELP, "info": TARGET_INFO, "open": TARGET_OPEN}
    named = {"help": "saetext --help", "info": "saetext info", "open": "Corpus.open, imports done"}
    common.say(
        f"command line, corpus of {n:,} documents (median of 5)",
        [
            (named[k], median[k], "s", verdict(median[k] < targets[k], f"under {targets[k]} s"))
            for k in ("help", "info", "open")
        ],
    )
    return {
        "settings": {"documents": n, "shards": -(-n // 1000)},
        "seconds": median,
        "targets": targets,
        "every_run": {name: [round(s, 4) for s in t[1:]] for name, t in times.items()},
    }


def gemma2(args: argparse.Namespace, work: Path) -> dict[str, Any]:
    """The forward pass alone and what saetext makes of it, on one device."""
    result = on_device(args, work, encoder_run, peak_memory)
    show_device(result, args.size)
    return result


SECTIONS = {f.__name__: f for f in (memory, command, disk, embedded, gpt2)}


# ---- helpers ---------------------------------------------------------------------------------------------


def warm_up(reader: Reader, texts: Sequence[str]) -> None:
    """Compile the kernels and touch the weights."""
    reader.read(common.documents_of(texts[:4]))


def in_time(slow: common.Timing, fast: common.Timing) -> dict[str, float]:
    """Return how many times as fast ``fast`` is: by round, fastest run to fastest run, and in CPU time."""
    return {
        **common.ratios(slow.wall, fast.wall),
        "of_fastest_runs": round(min(slow.wall) / min(fast.wall), 3),
        "cpu_time": common.ratios(slow.cpu, fast.cpu)["median"],
    }


def verdict(good: bool, target: str) -> str:
    """Return ``target: met`` or ``target: missed``."""
    return f"{target}: {'met' if good else 'MISSED'}"


def show_speed(title: str, result: dict[str, Any]) -> None:
    """Print a section's speeds and ratios."""
    settings = result["settings"]
    rows = [(name, s["tokens_per_second"], "tokens/s") for name, s in result["speed"].items()]
    common.say(f"{title}: {settings['documents']} documents, {settings['tokens']:,} tokens", rows)
    share = result["of_ceiling"]
    met = verdict(share["median"] >= TARGET_OF_CEILING, f"{TARGET_OF_CEILING} or better")
    ratios: list[tuple[object, ...]] = [("b / a", share["median"], spread(share), met, "")]
    for name, r in result.get("times_faster_than", {}).items():
        met = verdict(r["median"] >= TARGET_AGAINST_BY_HAND, "3 or better") if name == "c by hand" else ""
        ratios.append((f"b / {name}", r["median"], spread(r), met, f"{r['multiply_adds']} x multiply-adds"))
    common.say("ratios of speed: median, range", ratios)


def spread(r: dict[str, float]) -> str:
    """Return a ratio's range."""
    return f"{r['low']} to {r['high']}; fastest runs {r['of_fastest_runs']}, CPU time {r['cpu_time']}"


def wall(arguments: Sequence[str]) -> float:
    """Return the seconds a command takes."""
    started = time.perf_counter()
    subprocess.run(arguments, check=True, capture_output=True)
    return time.perf_counter() - started


def child(*arguments: object, cache: Path) -> subprocess.CompletedProcess[str]:
    """Run this file again, with a cache of its own."""
    environment = {**os.environ, "SAETEXT_CACHE": str(cache)}
    return subprocess.run(
        [sys.executable, __file__, *map(str, arguments)],
        env=environment, check=True, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


def encode_child(sae: Path, model: Path, source: Path, target: Path) -> None:
    """Encode in this process and print its peak memory."""
    from saetext.encoding.encoder import encode
    from saetext.reader.reader import Reader

    corpus = encode(source, target, reader=Reader.load_local(sae, model, dtype="float32", device="cpu"))
    print(json.dumps({"peak_bytes": peak_memory(), "tokens": corpus.manifest.counts["tokens"]}))


def peak_memory() -> int:
    """Return this process's largest resident set in bytes.

    Linux hands the parent's peak on to ``ru_maxrss`` of a child that it starts; ``VmHWM`` is the child's own.
    """
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        unit = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the sections asked for, print their tables, save their figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=SECTIONS, metavar="SECTION")
    parser.add_argument("--device", help="cpu, cuda or cuda:N: the section gemma2 there, and no other")
    parser.add_argument("--size", choices=SIZES, default="2b", help="of the model of gemma2")
    parser.add_argument("--gemma2-documents", type=int, help="default: 1,024; with --size tiny 16")
    parser.add_argument("-o", "--output", type=Path, default=common.RESULTS / "encode.json")
    parser.add_argument("--quick", action="store_true", help="tiny settings; the figures mean nothing")
    parser.add_argument("--repeats", type=int, help="default: 9 for the embedded reader, 5 for GPT-2")
    parser.add_argument("--documents", type=int, default=150, help="for the embedded reader")
    parser.add_argument("--gpt2-documents", type=int, default=20)
    parser.add_argument("--shard-rows", type=int, default=1024)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[1, 2, 4, 8], help="tried by (c)")
    parser.add_argument("--reader", default="embedded", help="of that section: a name or a directory")
    parser.add_argument("--dtype", default="float32", help="of the embedded reader's language model")
    parser.add_argument("--threads", type=int, help="of torch; default: as torch chooses")
    parser.add_argument("--encode-child", nargs=4, type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    if args.encode_child:
        encode_child(*args.encode_child)
        return
    if args.quick:
        args.repeats, args.documents, args.gpt2_documents, args.batch_sizes = 2, 8, 10, [2]
        args.shard_rows = 64
    if args.threads:
        import torch

        torch.set_num_threads(args.threads)
    sections: dict[str, Callable[[argparse.Namespace, Path], dict[str, Any]]]
    sections = {name: SECTIONS[name] for name in args.only or SECTIONS}
    if args.device:
        if args.only:
            parser.error("--device has a section of its own: leave --only out")
        sections = {f"gemma2: {args.size} on {require_device(args.device).type}": gemma2}
    for name, section in sections.items():
        environment = common.environment()
        with tempfile.TemporaryDirectory(prefix="saetext-bench-") as folder:
            result = section(args, Path(folder))
        saved = f"{name}: {shown(args.reader)}" if args.reader != "embedded" else name
        common.save(args.output, saved, {**environment, **result})
    print(f"\nsaved {', '.join(sections)}")


if __name__ == "__main__":
    main()
