"""Read, for relabelling, the features that come to the first screen of comparisons most often.

    python benchmarks/chat_texts.py -o own.jsonl --documents 3000
    python benchmarks/label_screen.py read ../shared/data own.jsonl -o work/
    python benchmarks/label_screen.py sheets work/ -o sheets/ --most 1500
    (each with --reader embedded for the default reader; without, smollm2)

``read`` encodes texts of many sets with the reader and keeps every activation of every token; half of the
documents (and whole sets) are kept apart for scoring (``held``). ``sheets`` ranks features by how often they
are in the first rows of comparisons of two of the sets, and writes sheets of 50 features: contexts from the
feature's whole range above its threshold, strongest first, one a document, and near misses; the label that
there is; and the regular expression that agrees best with the feature on single tokens (phi). Labels are then
written by a reader of the sheets (``label_amend.py`` puts them into the table). What edits of one sentence
and single emoji do is in ``label_emoji.py``. Not for: blind scores (``label_blind.py``).
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
from label_reading import Read, occurrences, open_reader, read
from label_texts import Sourced

from saetext.documents import Document
from saetext.features.known_labels import shipped_labels
from saetext.features.labels import FeatureLabel
from saetext.reader.shipped import READERS, Shipped, by_name

PART = 100  # documents
LONGEST = 800  # characters of a text: more documents, rather than long ones
# set: file, filter, columns of prompt and text, documents of each half
READ = {
    "arena answers": ("sae_corpus", "source", "arena_hard_outputs", None, 130),
    "reviews": ("sae_corpus", "source", "movie_reviews", None, 50),
    "masc": ("sae_corpus", "source", "masc", None, 60),
    "novels": ("sae_corpus", "source", "novels", None, 30),
    "peps": ("sae_corpus", "source", "python_peps", None, 30),
    "tuned": ("selfinstruct_outputs", "stage", "tuned", "prompt", 90),
    "base": ("selfinstruct_outputs", "stage", "base", "prompt", 90),
    "prompts": ("user_prompts", "licence", "Apache-2.0", None, 110),
    "dialogue": ("self_dialogue", None, None, None, 60),
    "comments": ("goemotions", None, None, None, 150),
    "sums": ("gsm8k_train", None, None, None, 60),
    "films": ("imdb_counterfactual", None, None, None, 60),
    "intents": ("banking77", None, None, None, 80),
}
# for ranking and scoring only: their licences do not let what ships be made from them
HELD = {
    "gpt4": ("alpaca_eval_outputs", "model", "gpt4_1106_preview", "prompt", 60),
    "alpaca": ("alpaca_eval_outputs", "model", "alpaca-7b", "prompt", 60),
    "news": ("ag_news_test", None, None, None, 80),
    "requests": ("politeness", None, None, None, 80),
    "reasoning": ("reasoning_sentences", None, None, None, 100),
    "headlines": ("clickbait", None, None, None, 100),
    "articles": ("onestop_levels", None, None, None, 40),
    "opinions": ("global_opinions_eval", None, None, None, 40),
}
EDITS = {
    "emoji": lambda t: re.sub(r"([.!?])(?= |$)", r"\1 😊", t, count=2),
    "angry emoji": lambda t: re.sub(r"([.!?])(?= |$)", r"\1 😡", t, count=2),
    "capitals": lambda t: re.sub(r"\b(and|the|you|very|not|is)\b", lambda m: m[0].upper(), t),
    "blank lines": lambda t: re.sub(r"([.!?]) (?=[A-Z])", r"\1\n\n", t),
    "single lines": lambda t: re.sub(r"([.!?]) (?=[A-Z])", r"\1\n", t),
    "bullets": lambda t: "- " + re.sub(r"([.!?]) (?=[A-Z])", r"\1\n- ", t),
    "numbered": lambda t: "\n".join(f"{i}. {s}" for i, s in enumerate(re.split(r"(?<=[.!?]) ", t), 1)),
    "bold": lambda t: re.sub(r"\b(\w{7,})\b", r"**\1**", t, count=3),
    "headings": lambda t: "## Advice\n\n" + t,
    "lower case": str.lower,
}
PATTERNS = {
    "emoji": r"[\U0001F000-\U0001FAFF☀-➿⭐️‍]+",
    "non-ASCII letter": r"[^\W\d_a-zA-Z]+",
    "one line break": r"(?<!\n)\n(?!\n)",
    "blank line": r"\n\n+",
    "line break after .!?": r"(?<=[.!?])\n+",
    "line break after colon": r"(?<=:)\n+",
    "list mark - or *": r"(?m)^ *[-*•](?= )",
    "number of a list item": r"(?m)^ *\d+(?=[.)] )",
    "dot of a list number": r"(?m)(?<=^\d)[.)](?= )",
    "first word of list item": r"(?m)(?<=^[-*•] )\S+|(?<=^\d[.)] )\S+",
    "first word of a line": r"(?m)(?<=\n)[^\W\d_]+",
    "first word of the text": r"\A\S+",
    "bold **": r"\*\*+",
    "word after opening **": r"(?<= \*\*)\w+|(?<=\n\*\*)\w+",
    "heading #": r"(?m)^#+",
    "word in capitals": r"\b[A-Z]{2,}\b",
    "capitalised word inside a sentence": r"(?<=[a-z,] )[A-Z][a-z]+",
    "capital I": r"\bI\b",
    "digit": r"\d+",
    "four digits": r"\b\d{4}\b",
    "straight double quote": r'"',
    "curly double quote": "[“”]",
    "curly apostrophe": "[’‘]",
    "straight apostrophe form": r"(?<=\w)'\w+",
    "backticks": r"`+",
    "indentation": r"(?m)^ {2,}|^\t+|(?<=\n) {2,}",
    "question mark": r"\?",
    "exclamation mark": "!",
    "full stop": r"\.(?=\s|$)",
    "colon": ":",
    "semicolon": ";",
    "comma": ",",
    "opening bracket": r"[(\[{]",
    "closing bracket": r"[)\]}]",
    "dash": "[–—]| - |--",
    "hyphen in a word": r"(?<=\w)-(?=\w)",
    "ellipsis": r"…|\.\.\.",
    "slash": "/",
    "table bar |": r"\|",
    "equals sign": "=",
    "first word of a sentence": r"(?<=[.!?] )[A-Z]\w*",
    "first word after comma": r"(?<=, )\w+",
    "dollar, euro, percent": r"[$€£%]",
    "web address": r"(?:https?:|www\.)\S+",
    "last token": r"\S\Z",
}
BEFORE, AFTER = 75, 30  # characters shown: a causal model has seen only what stands before, an encoder all


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    reading = commands.add_parser("read")
    reading.add_argument("data", type=Path)
    reading.add_argument("own", type=Path, help="what chat_texts.py wrote")
    reading.add_argument("-o", "--output", type=Path, required=True)
    reading.add_argument("--share", type=float, default=1.0, help="of the documents of each set")
    reading.set_defaults(run=_read)
    sheets = commands.add_parser("sheets")
    sheets.add_argument("work", type=Path)
    sheets.add_argument("-o", "--output", type=Path, required=True)
    sheets.add_argument("--most", type=int, default=1500)
    sheets.add_argument("--per-sheet", type=int, default=50)
    sheets.add_argument("--present", type=int, default=8)
    sheets.set_defaults(run=_sheets)
    for command in (reading, sheets):
        command.add_argument("--reader", default="smollm2", choices=[shipped.name for shipped in READERS])
    args = parser.parse_args()
    args.run(args)


def shipped_reader(name: str) -> Shipped:
    """Return the shipped reader of this name."""
    found = by_name(name)
    assert found is not None
    return found


def _read(args: argparse.Namespace) -> None:
    args.output.mkdir(parents=True, exist_ok=True)
    reader = open_reader(args.reader)
    mixed = {
        name: [texts[i] for i in np.random.default_rng(half).permutation(len(texts))]
        for name, half in (("read", 0), ("held", 1))
        for texts in [list(sourced(args.data, args.own, half, args.share))]
    }
    longest = max(map(len, mixed.values()))
    for first in range(0, longest, PART):  # in parts: what is read can be used at once
        for name, texts in mixed.items():
            path = args.output / f"{name}-{first:05d}.npz"
            if (some := texts[first : first + PART]) and not path.exists():
                beside = path.with_suffix(".part")
                write_part(beside, read(reader, some))
                beside.rename(path)


ARRAYS = ("document", "start", "end", "words", "token", "feature", "value", "bounds")


def write_part(path: Path, part: Read) -> None:
    """Write what was read, as arrays; lists of texts as JSON in one of them."""
    arrays = {name: getattr(part, name) for name in ARRAYS} | {"words": part.words.astype(str)}
    told = {name: np.array(json.dumps(getattr(part, name))) for name in ("texts", "registers", "reach")}
    with path.open("wb") as file:
        np.savez(file, **arrays, **told)


def read_part(path: Path) -> Read:
    """Read what :func:`write_part` wrote."""
    with np.load(path, allow_pickle=False) as there:
        texts, registers, reach = (json.loads(str(there[name])) for name in ("texts", "registers", "reach"))
        return Read(texts, registers, reach=tuple(reach), **{name: there[name] for name in ARRAYS})


def kept(work: Path, name: str, d_sae: int) -> Read:
    """Return the parts that there are as one."""
    parts = [read_part(path) for path in sorted(work.glob(f"{name}-*.npz"))]
    tokens = np.cumsum([0] + [len(part.document) for part in parts])
    documents = np.cumsum([0] + [len(part.texts) for part in parts])
    token = np.concatenate([part.token + n for part, n in zip(parts, tokens, strict=False)])
    feature = np.concatenate([part.feature for part in parts])
    value = np.concatenate([part.value for part in parts])
    order = np.lexsort((value, feature))
    return Read(
        texts=[text for part in parts for text in part.texts],
        registers=[register for part in parts for register in part.registers],
        document=np.concatenate([part.document + n for part, n in zip(parts, documents, strict=False)]),
        start=np.concatenate([part.start for part in parts]),
        end=np.concatenate([part.end for part in parts]),
        words=np.concatenate([part.words for part in parts]),
        token=token[order],
        feature=feature[order],
        value=value[order],
        bounds=np.searchsorted(feature[order], np.arange(d_sae + 1)),
    )


def sourced(data: Path, own: Path, half: int, share: float) -> Iterator[Sourced]:
    """Yield the texts to read (``half`` 0) or to rank and score with (1); no document is in both."""
    for name, (file, column, value, prompt, count) in (READ | (HELD if half else {})).items():
        count = int(count * share * (0.5 if half and name in READ else 1))
        frame = pl.read_parquet(data / f"{file}.parquet")
        frame = frame if column is None else frame.filter(pl.col(column) == value)
        frame = frame.with_row_index("row").filter(pl.col("row") % 2 == half)
        for i, row in enumerate(frame.sample(min(count, len(frame)), seed=5).iter_rows(named=True)):
            yield _sourced(name, i, row["text"], row.get(prompt) if prompt else None)
    rows = [json.loads(line) for line in own.read_text("utf-8").splitlines()][half::2]
    for i, row in enumerate(rows[: int((300, 150)[half] * share)]):
        yield _sourced("own", i, row["text"], row["prompt"])
    for side in ("gentle", "brisk"):
        lines = Path(f"examples/{side}.jsonl").read_text("utf-8").splitlines()
        for i, line in enumerate(lines[half::2][: int((60, 30)[half] * share)]):
            row = json.loads(line)
            yield _sourced(side, i, row["text"], row["prompt"])
            if side == "gentle" and i < 24 * share:
                for edit, change in EDITS.items():
                    yield _sourced(edit, i, change(row["text"][:400]), row["prompt"])


def _sourced(name: str, number: int, text: str, prompt: str | None) -> Sourced:
    prompt = prompt if prompt and len(prompt) < LONGEST else None
    return Sourced(name, Document(f"{name}:{number}", text[:LONGEST], prompt, None, {}, number, ""))


def presence(told: Read, thresholds: np.ndarray) -> np.ndarray:
    """bool[documents, features]: where a feature is above its threshold."""
    present = np.zeros((len(told.texts), len(thresholds)), bool)
    above = told.value > thresholds[told.feature]
    present[told.document[told.token[above]], told.feature[above]] = True
    return present


def leading(present: np.ndarray, sets: np.ndarray, first: int = 60) -> np.ndarray:
    """Return for each feature how much it leads comparisons of two of the sets: the mean over pairs of sets
    of 1 / (5 + its rank), where it is among the ``first`` by the z of the difference of shares."""
    names = sorted(set(sets.tolist()))
    shares = {name: present[sets == name].mean(0) for name in names}
    counts = {name: int((sets == name).sum()) for name in names}
    total = np.zeros(present.shape[1])
    pairs = list(itertools.combinations(names, 2))
    # one text and an edit of it, or two models' answers to the same prompts, are what is compared most
    heavy = {"gentle", *EDITS}
    for a, b in pairs:
        both = (shares[a] * counts[a] + shares[b] * counts[b]) / (counts[a] + counts[b])
        error = np.sqrt(both * (1 - both) * (1 / counts[a] + 1 / counts[b])) + 0.02
        order = np.argsort(-np.abs(shares[a] - shares[b]) / error, kind="stable")[:first]
        close = ({a, b} <= heavy and "gentle" in (a, b)) or {a, b} in ({"gentle", "brisk"}, {"tuned", "base"})
        total[order] += (8 if close else 1) / (5 + np.arange(first))
    return total / len(pairs)


def patterns(told: Read) -> dict[str, np.ndarray]:
    """Return for each pattern on which tokens it is."""
    texts = np.flatnonzero(np.r_[True, told.document[1:] != told.document[:-1]])
    ends = np.r_[texts[1:], len(told.document)]
    found = {name: np.zeros(len(told.document), bool) for name in PATTERNS}
    for text, first, last in zip(told.texts, texts, ends, strict=True):
        start, end = told.start[first:last], told.end[first:last]
        for name, pattern in PATTERNS.items():
            inside = np.zeros(len(text) + 1, np.int64)
            for match in re.finditer(pattern, text):
                inside[match.start() + 1 : match.end() + 1] = 1
            counts = np.cumsum(inside)
            found[name][first:last] = counts[np.minimum(end, len(text))] > counts[start]
    return found


def agreement(told: Read, thresholds: np.ndarray, features: list[int]) -> dict[int, list[str]]:
    """Return the two patterns with the largest phi with each feature, with precision and recall."""
    on = patterns(told)
    n = len(told.document)
    totals = {name: int(where.sum()) for name, where in on.items()}
    words = {}
    for feature in features:
        tokens, values = told.of(feature)
        tokens = tokens[values > thresholds[feature]]
        rows = []
        for name, where in on.items():
            both, mine, its = int(where[tokens].sum()), len(tokens), totals[name]
            if both:
                phi = (both * n - mine * its) / np.sqrt(float(mine) * its * (n - mine) * (n - its) + 1)
                rows.append((phi, f"{name} phi {phi:.2f} prec {both / mine:.2f} rec {both / its:.2f}"))
        words[feature] = [text for phi, text in sorted(rows, reverse=True)[:2] if phi > 0.12]
    return words


def _sheets(args: argparse.Namespace) -> None:
    args.output.mkdir(parents=True, exist_ok=True)
    shipped = shipped_reader(args.reader)
    calibration, labels = shipped.load_calibration(), shipped_labels(shipped)
    assert labels is not None
    thresholds = calibration.thresholds
    told, held = (kept(args.work, name, len(thresholds)) for name in ("read", "held"))
    both = np.concatenate([presence(told, thresholds), presence(held, thresholds)])
    score = leading(both, np.array([*told.registers, *held.registers]))
    score += 1e-4 * both.mean(0)  # then by how common they are
    order = np.argsort(-score, kind="stable")[: args.most].tolist()
    (args.output / "order.json").write_text(json.dumps(order))
    agreeing = agreement(told, thresholds, order)
    after = AFTER if args.reader == "smollm2" else BEFORE
    places, rng = occurrences(told.words), np.random.default_rng(3)
    for number, first in enumerate(range(0, len(order), args.per_sheet)):
        blocks = [
            block(told, f, float(thresholds[f]), labels[f], agreeing[f], args.present, places, rng, after)
            for f in order[first : first + args.per_sheet]
        ]
        (args.output / f"sheet-{number:02d}.txt").write_text("\n".join(blocks), encoding="utf-8")


def block(
    told: Read,
    feature: int,
    threshold: float,
    label: FeatureLabel,
    agreeing: list[str],
    count: int,
    places: dict[str, np.ndarray],
    rng: np.random.Generator,
    after: int,
) -> str:
    """Return what a reader sees of a feature, with ``after`` characters behind a token."""
    tokens, values = told.of(feature)
    above = np.flatnonzero(values > threshold)
    mixed = rng.permutation(above)
    seen: dict[str, int] = {}
    documents: set[int] = set()
    texts: set[str] = set()
    chosen = []
    for i in [*above[:1].tolist(), *mixed[:2000].tolist()]:
        document = int(told.document[tokens[i]])
        source = "gentle" if told.registers[document] in EDITS else told.registers[document]
        shown = (
            marked(told, int(tokens[i]), AFTER).replace("⏎", "").lower()[-45:-20]
        )  # edits are of the same texts
        if document in documents or shown in texts or seen.get(source, 0) >= 2:
            continue
        documents.add(document)
        texts.add(shown)
        seen[source] = seen.get(source, 0) + 1
        chosen.append(i)
        if len(chosen) == count:
            break
    tops = [str(told.words[t]) for t in tokens[above[:60]]]
    common = sorted(set(tops), key=lambda w: -tops.count(w))[:6]
    head = f"#{feature} [{label.label}] n={len(above)} top: {' '.join(common)}"
    lines = [" | ".join([head, *agreeing])]
    peak = float(values[0]) if len(values) else 1.0
    for i in sorted(chosen, key=lambda i: -values[i]):
        lines.append(f"{values[i] / peak:.1f} {marked(told, int(tokens[i]), after)}")
    firing = set(tokens.tolist())
    for word in common[:2]:
        for token in rng.permutation(places.get(word, np.empty(0, np.int64)))[:20].tolist():
            if firing.isdisjoint(range(token - 2, token + 3)):
                lines.append(f"NOT {marked(told, token, after)}")
                break
    return "\n".join(lines)


def marked(told: Read, token: int, reach: int) -> str:
    """Return a token with what stands around it (``reach`` characters behind), line breaks as arrows."""
    text = told.texts[told.document[token]]
    start, end = int(told.start[token]), int(told.end[token])
    start += text[start:end].startswith(" ") and end - start > 1
    before, after = text[max(0, start - BEFORE) : start], text[end : end + reach]
    return f"{before}«{text[start:end]}»{after}".replace("\n", "⏎").replace("\t", "→")


if __name__ == "__main__":
    main()
