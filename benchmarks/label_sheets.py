"""What a labeller of a reader's features reads, and the held-out trials that score the labels.

    python benchmarks/label_sheets.py ../shared/data/sae_corpus.parquet -o sheets/
    python benchmarks/label_sheets.py ../shared/data/sae_corpus.parquet -o sheets/ \\
        --reader smollm2 --answers answers.jsonl --own own.jsonl

Writes ``sheets/sheet-NNN.txt`` (contexts of ``--per-sheet`` features each: strong ones, ones from the whole
range above the threshold, weak ones, and near misses that hold one of the feature's words without firing),
``trials.jsonl`` (for ``--scored`` random features, passages of documents that no sheet shows; no activations)
and ``truth.jsonl`` (which of them fire). Places of a trial where a feature fires are drawn from all tokens
above its threshold, one a document: strong ones are as rare there as they are in texts. ``label_table.py``
turns the answers into the shipped table. Not for: labels of other readers, see ``saetext label``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from label_reading import Read, occurrences, open_reader, read
from label_texts import Sourced, in_turn, of_chats, of_registers, within

from saetext.corpus.calibration import Calibration
from saetext.features.known_labels import reader_labels
from saetext.reader.reader import Reader

_LOOKED_AT = 3000  # places of a level at most: a dense feature has half a million


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("texts", type=Path)
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--reader", default="embedded", help="a name, or a directory with an SAE")
    parser.add_argument("--answers", type=Path, help="for smollm2: what smollm2_answers.py wrote")
    parser.add_argument("--own", type=Path, help="for smollm2: what chat_texts.py wrote")
    parser.add_argument("--tokens", type=int, default=700_000, help="for the sheets, as many kinds as can be")
    parser.add_argument("--held-out", type=int, default=200_000, help="tokens for the trials")
    parser.add_argument("--per-sheet", type=int, default=128)
    parser.add_argument("--strong", type=int, default=5)
    parser.add_argument("--present", type=int, default=4, help="from the whole range above the threshold")
    parser.add_argument("--weak", type=int, default=2, help="below the threshold")
    parser.add_argument("--near", type=int, default=3, help="near misses")
    parser.add_argument(
        "--reach", type=int, nargs=2, default=(75, 75), help="characters shown before and after a word"
    )
    parser.add_argument(
        "--with-labels", action="store_true", help="show the label that there is, to correct it"
    )
    parser.add_argument("--by-density", action="store_true", help="the commonest features first")
    parser.add_argument("--scored", type=int, default=200)
    parser.add_argument(
        "--per-side", type=int, default=6, help="trials of a feature that fire, and that do not"
    )
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    args.output.mkdir(parents=True)
    reader = open_reader(args.reader)
    shown, held_out = _texts(args)
    reach = (args.reach[0], args.reach[1])
    _trials(read(reader, held_out, reach), reader, args)
    _sheets(read(reader, shown, reach), reader, args)


def _texts(args: argparse.Namespace) -> tuple[list[Sourced], list[Sourced]]:
    """Return the texts of the sheets, and those of the trials."""
    if args.answers is not None:
        seen, unseen = (
            in_turn(of_chats(args.texts, args.answers, args.own, split, args.seed))
            for split in ("train", "valid")
        )
        return within(seen, args.tokens), within(unseen, args.held_out)
    found = in_turn(of_registers(args.texts, args.seed))
    both = within(found, args.tokens + args.held_out)
    order = np.random.default_rng(args.seed).permutation(len(both))
    mixed = [both[i] for i in order]
    shown = within(mixed, args.tokens)
    return shown, mixed[len(shown) :]


def _calibration(reader: Reader) -> Calibration:
    [calibration] = reader.calibrations.values()
    return calibration


def _sheets(read: Read, reader: Reader, args: argparse.Namespace) -> None:
    calibration = _calibration(reader)
    d_sae = len(calibration)
    rng = np.random.default_rng(args.seed)
    places = occurrences(read.words)
    labels = reader_labels(reader.spec.sae(), calibration) if args.with_labels else ()
    told = {label.feature: f"label: {label.label}: {label.description}" for label in labels}
    # the commonest first: they matter most where not all are labelled
    order = np.argsort(-calibration.density, kind="stable") if args.by_density else np.arange(d_sae)
    for number, first in enumerate(range(0, d_sae, args.per_sheet)):
        blocks = []
        for feature in order[first : first + args.per_sheet].tolist():
            tokens, values = read.of(feature)
            top_words = calibration.top_words(feature)
            lines = [f"### {feature}   fires on {100 * calibration.density[feature]:.3f} % of tokens"]
            lines.append("words: " + ", ".join(top_words))
            lines += [told[feature]] if feature in told else []
            peak = float(values[0]) if len(values) else 1.0
            for name, rows in _levels(
                read, tokens, values, float(calibration.thresholds[feature]), args, rng
            ).items():
                lines += [f"{name} {values[i] / peak:.2f}: {read.passage(tokens[i], True)}" for i in rows]
            for token in _near(read, set(tokens.tolist()), top_words, places, rng)[: args.near]:
                lines.append(f"NOT: {read.passage(token, True)}")
            blocks.append("\n".join(lines))
        text = "\n\n".join(blocks) + "\n"
        (args.output / f"sheet-{number:03d}.txt").write_text(text, encoding="utf-8")


def _levels(
    read: Read,
    tokens: np.ndarray,
    values: np.ndarray,
    threshold: float,
    args: argparse.Namespace,
    rng: np.random.Generator,
) -> dict[str, list[int]]:
    """Return places among a feature's tokens, strongest first: each document once, few of one register."""
    seen: set[int] = set()
    registers: dict[str, int] = {}

    def take(candidates: np.ndarray, count: int, most: int) -> list[int]:
        chosen = []
        for i in candidates[:_LOOKED_AT].tolist() if count else ():
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
    strong = take(np.arange(len(values)), args.strong, 3)
    middle = take(rng.permutation(above), args.present, 5)
    weak = take(rng.permutation(below), args.weak, 99)
    return {"strong": strong, "present": sorted(middle), "weak": sorted(weak)}


def _near(
    read: Read,
    firing: set[int],
    top_words: list[str],
    places: dict[str, np.ndarray],
    rng: np.random.Generator,
) -> list[int]:
    found: list[int] = []
    for word in top_words[:4]:
        for token in rng.permutation(places.get(word, np.empty(0, np.int64)))[:30].tolist():
            # not another piece of a word that fires
            if firing.isdisjoint(range(token - 3, token + 4)):
                found.append(token)
                break
    return found[:3]


def _trials(read: Read, reader: Reader, args: argparse.Namespace) -> None:
    calibration = _calibration(reader)
    rng = np.random.default_rng(args.seed + 7)
    places = occurrences(read.words)
    shown, truth = [], []
    scored = 0
    for feature in rng.permutation(len(calibration)).tolist():
        tokens, values = read.of(feature)
        above = rng.permutation(np.flatnonzero(values > calibration.thresholds[feature]))
        _, once = np.unique(read.document[tokens[above]], return_index=True)
        present = above[once]
        if len(present) < args.per_side:
            continue
        fires = [read.passage(tokens[i], False) for i in rng.permutation(present)[: args.per_side]]
        firing = np.zeros(len(read.words), bool)
        firing[tokens] = True
        # half of the others hold one of the feature's words, where there are such
        candidates = _near(read, set(tokens.tolist()), calibration.top_words(feature), places, rng)
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
    for name, table in (("trials", shown), ("truth", truth)):
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in table)
        (args.output / f"{name}.jsonl").write_text(lines, encoding="utf-8")


if __name__ == "__main__":
    main()
