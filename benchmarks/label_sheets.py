"""What a labeller of the embedded reader's features reads, and the held-out trials that score the labels.

    python benchmarks/label_sheets.py ../shared/data/sae_corpus.parquet -o sheets/

Writes ``sheets/sheet-NN.txt`` (contexts of ``--per-sheet`` features each: strong, middling and weak ones, and
near misses that hold one of the feature's words without firing), ``trials.jsonl`` (for ``--scored`` random
features, passages of documents that no sheet shows; no activations) and ``truth.jsonl`` (which of them fire).
``label_table.py`` turns the answers into the shipped table. Not for: other readers, see ``saetext label``.
"""

from __future__ import annotations

import argparse
import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from rich.progress import Progress

from saetext.documents import Document
from saetext.reader.reader import Reader
from saetext.reader.thresholds.estimation import token_words
from saetext.reader.tokenization import Prepared
from saetext.text.passages import printable, word_bounds

REACH = 75  # characters shown on either side of a word
_KINDS = (np.int32, np.int16, np.float32)
_COLUMNS = ["text", "split", "register"]


@dataclass
class Read:
    """Tokens of documents that were read, and their activations above zero, sorted by feature and value."""

    texts: list[str]
    registers: list[str]
    document: np.ndarray
    start: np.ndarray
    end: np.ndarray
    words: np.ndarray
    token: np.ndarray
    feature: np.ndarray
    value: np.ndarray
    bounds: np.ndarray

    def of(self, feature: int) -> tuple[np.ndarray, np.ndarray]:
        """Return tokens and values of a feature, strongest first."""
        mine = slice(self.bounds[feature], self.bounds[feature + 1])
        return self.token[mine][::-1], self.value[mine][::-1]

    def passage(self, token: int, mark: bool) -> str:
        """Return the words around a token on one line."""
        text = self.texts[self.document[token]]
        start, end = word_bounds(text, int(self.start[token]), int(self.end[token]))
        before, after = text[max(0, start - REACH) : start], text[end : end + REACH]
        before = before[before.find(" ") + 1 :] if start > REACH else before
        after = after[: after.rfind(" ")] if len(after) == REACH and " " in after else after
        word = f"«{text[start:end]}»" if mark else text[start:end]
        flat = (before + word + after).replace("\n", " ⏎ ")
        return printable(flat).strip()

    def span(self, token: int) -> tuple[int, int]:
        """Return the first and last token of :meth:`passage`."""
        mine = self.document == self.document[token]
        first = int(np.argmax(mine))
        last = first + int(mine[first:].argmin() or len(mine) - first)
        near = np.arange(first, last)
        inside = (self.end[near] > self.start[token] - REACH) & (self.start[near] < self.end[token] + REACH)
        return int(near[inside][0]), int(near[inside][-1])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("texts", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument(
        "--documents", type=int, default=3600, help="for the sheets, as many registers as can be"
    )
    parser.add_argument("--held-out", type=int, default=1200, help="documents for the trials")
    parser.add_argument("--per-sheet", type=int, default=128)
    parser.add_argument("--scored", type=int, default=200)
    parser.add_argument(
        "--per-side", type=int, default=6, help="trials of a feature that fire, and that do not"
    )
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    args.output.mkdir(parents=True)
    reader = Reader.load()
    frame = pl.read_parquet(args.texts, columns=_COLUMNS).filter(pl.col("split") == "train")
    # registers in turn, so that the large ones do not drown the small
    frame = frame.sample(fraction=1, shuffle=True, seed=args.seed).with_columns(
        turn=pl.int_range(pl.len()).over("register")
    )
    frame = frame.sort("turn", "register").head(args.documents + args.held_out)
    frame = frame.sample(fraction=1, shuffle=True, seed=args.seed + 1)
    _sheets(_read(reader, frame.head(args.documents)), reader, args)
    _trials(_read(reader, frame.tail(args.held_out)), reader, args)


def _sheets(read: Read, reader: Reader, args: argparse.Namespace) -> None:
    calibration = reader.calibrations["embedded"]
    d_sae = len(calibration)
    rng = np.random.default_rng(args.seed)
    occurrences = _occurrences(read.words)
    for number, first in enumerate(range(0, d_sae, args.per_sheet)):
        blocks = []
        for feature in range(first, min(first + args.per_sheet, d_sae)):
            tokens, values = read.of(feature)
            top_words = calibration.top_words(feature)
            lines = [f"### {feature}   fires on {100 * calibration.density[feature]:.3f} % of tokens"]
            lines.append("words: " + ", ".join(top_words))
            peak = float(values[0]) if len(values) else 1.0
            for name, rows in _levels(
                read, tokens, values, float(calibration.thresholds[feature]), rng
            ).items():
                lines += [f"{name} {values[i] / peak:.2f}: {read.passage(tokens[i], True)}" for i in rows]
            for token in _near(read, set(tokens.tolist()), top_words, occurrences, rng):
                lines.append(f"NOT: {read.passage(token, True)}")
            blocks.append("\n".join(lines))
        text = "\n\n".join(blocks) + "\n"
        (args.output / f"sheet-{number:02d}.txt").write_text(text, encoding="utf-8")


def _levels(
    read: Read, tokens: np.ndarray, values: np.ndarray, threshold: float, rng: np.random.Generator
) -> dict[str, list[int]]:
    """Return places among a feature's tokens, strongest first: each document once, few of one register."""
    seen: set[int] = set()
    registers: dict[str, int] = {}

    def take(candidates: np.ndarray, count: int, most: int) -> list[int]:
        chosen = []
        for i in candidates.tolist():
            document = int(read.document[tokens[i]])
            register = read.registers[document]
            if document in seen or registers.get(register, 0) >= most:
                continue
            seen.add(document)
            registers[register] = registers.get(register, 0) + 1
            chosen.append(i)
            if len(chosen) == count:
                break
        return chosen

    above = np.flatnonzero(values > threshold)
    below = np.flatnonzero(values <= threshold)
    strong = take(np.arange(len(values)), 5, 3)
    middle = take(rng.permutation(above), 4, 5)
    weak = take(rng.permutation(below), 2, 99)
    return {"strong": strong, "present": sorted(middle), "weak": sorted(weak)}


def _near(
    read: Read,
    firing: set[int],
    top_words: list[str],
    occurrences: dict[str, np.ndarray],
    rng: np.random.Generator,
) -> list[int]:
    found: list[int] = []
    for word in top_words[:4]:
        for token in rng.permutation(occurrences.get(word, np.empty(0, np.int64)))[:30].tolist():
            # not another piece of a word that fires
            if firing.isdisjoint(range(token - 3, token + 4)):
                found.append(token)
                break
    return found[:3]


def _trials(read: Read, reader: Reader, args: argparse.Namespace) -> None:
    calibration = reader.calibrations["embedded"]
    rng = np.random.default_rng(args.seed + 7)
    occurrences = _occurrences(read.words)
    shown, truth = [], []
    scored = 0
    for feature in rng.permutation(len(calibration)).tolist():
        tokens, values = read.of(feature)
        _, once = np.unique(read.document[tokens], return_index=True)
        present = np.sort(once)[values[np.sort(once)] > calibration.thresholds[feature]]
        if len(present) < args.per_side:
            continue
        fires = [read.passage(tokens[i], False) for i in rng.permutation(present)[: args.per_side]]
        firing = np.zeros(len(read.words), bool)
        firing[tokens] = True
        # half of the others hold one of the feature's words, where there are such
        candidates = _near(read, set(tokens.tolist()), calibration.top_words(feature), occurrences, rng)
        candidates += rng.integers(0, len(read.words), 60).tolist()
        silent = []
        for token in candidates:
            low, high = read.span(token)
            if not firing[low : high + 1].any():
                silent.append(read.passage(token, False))
            if len(silent) == args.per_side:
                break
        rows = [(text, True) for text in fires] + [(text, False) for text in silent]
        order = rng.permutation(len(rows))
        shown.append({"feature": feature, "passages": [rows[i][0] for i in order]})
        truth.append({"feature": feature, "fires": [rows[i][1] for i in order]})
        scored += 1
        if scored == args.scored:
            break
    for name, rows in (("trials", shown), ("truth", truth)):
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        (args.output / f"{name}.jsonl").write_text(lines, encoding="utf-8")


def _occurrences(words: np.ndarray) -> dict[str, np.ndarray]:
    order = np.argsort(words, kind="stable")
    names, starts = np.unique(words[order], return_index=True)
    return dict(zip(names.tolist(), np.split(order, starts[1:]), strict=True))


def _read(reader: Reader, frame: pl.DataFrame) -> Read:
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    tables: list[Prepared] = []
    kept: list[int] = []
    done = 0
    with Progress() as bar:
        task = bar.add_task("reading", total=len(frame))
        for first in range(0, len(frame), 128):
            texts = frame["text"][first : first + 128].to_list()
            documents = [Document(str(i), t, None, None, {}, i, "") for i, t in enumerate(texts)]
            prepared = reader.tokens.prepare(documents)
            good = [i for i, p in enumerate(prepared) if isinstance(p, Prepared)]
            readable = [p for p in prepared if isinstance(p, Prepared)]
            starts = np.cumsum([0] + [p.n_tokens for p in readable]) + done
            for batch, saes in reader.entries(readable):
                place = starts[batch.rows] + batch.ordinals
                token, feature, value = saes["embedded"]
                # copies: an entry's tensor is a view of a whole block's
                columns = (place[token.numpy()], feature.numpy(), value.numpy())
                at, which, strength = (np.array(c, k) for c, k in zip(columns, _KINDS, strict=True))
                parts.append((at, which, strength))
            tables += readable
            kept += [first + i for i in good]
            done = int(starts[-1])
            bar.update(task, completed=first + len(texts))
    token, feature, value = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    order = np.lexsort((value, feature))
    words = [re.sub(r"\s+", " ", w)[:40] for p in tables for w in token_words(p.text, p.start, p.end)]
    return Read(
        texts=[p.text for p in tables],
        registers=[frame["register"][i] for i in kept],
        document=np.repeat(np.arange(len(tables)), [p.n_tokens for p in tables]),
        start=np.concatenate([p.start for p in tables]),
        end=np.concatenate([p.end for p in tables]),
        words=np.array(words),
        token=token[order],
        feature=feature[order],
        value=value[order],
        bounds=np.searchsorted(feature[order], np.arange(len(reader.calibrations["embedded"]) + 1)),
    )


if __name__ == "__main__":
    main()
