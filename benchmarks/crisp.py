"""How crisp the best single feature is for what a chat shows: emoji, marks of format, refusals, openings.

    python benchmarks/crisp.py DATA --reader embedded --reader DIR

Each phenomenon is a regular expression. The feature is chosen by AUC on half of the prompts and measured on
the other half, on the largest activation in a text (0 where there is none). Texts are whole, of at most 900
characters, from sets that no shipped SAE was trained on; answers are read after their prompts. ``length`` is
the AUC of the number of characters alone. Not for: what is in the middle of a longer text.
"""

from __future__ import annotations

import argparse
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from common import RESULTS, environment, save, say
from probes import rank_auc
from readers import activations, shown
from scipy.sparse import csr_matrix

from saetext.documents import Document
from saetext.reader.reader import Reader

SHORTEST, LONGEST = 30, 900  # characters of a text
LONGEST_PROMPT = 300
EACH = 60  # texts with a phenomenon that are drawn
MIXED = 500  # texts that are drawn whatever they have
FEWEST = 40  # with fewer texts a phenomenon is left out

PHENOMENA: dict[str, str] = {
    "emoji": "[\U0001f300-\U0001faff\u2600-\u27bf]",
    "bold": r"\*\*[^*\n]+\*\*",
    "list with - or *": r"(?m)^ *[-*•] \S",
    "numbered list": r"(?m)^ *\d+[.)] \S",
    "heading": r"(?m)^#{1,4} \S",
    "code fence": r"(?m)^ *```",
    "inline code": r"(?<!`)`[^`\n]+`(?!`)",
    "line break": r"\n",
    "blank line": r"\n\s*\n",
    "all capitals": r"\b[A-Z]{4,}\b",
    "lower case at the start": r"\A\s*[a-z]",
    "question at the end": r"\?[\"')]*\s*\Z",
    "exclamation": r"!",
    "refusal": r"(?i)\b(?:can't|cannot|can not|unable to|not able to|won't) (?:\w+ )?(?:help|assist|provide|"
    r"fulfil|comply|answer|create|generate|access|support|do that)",
    "apology": r"(?i)\bsorry\b|apolog",
    "opening: sure": r"\A\s*(?:Sure|Certainly|Of course|Absolutely)\b",
    "let me know": r"(?i)\blet me know\b",
    "as an AI": r"(?i)\bas an? (?:AI|artificial|large language|language) ",
    "unfortunately": r"(?i)\bunfortunately\b",
    "wait": r"(?i)(?:^|[.!?\n] *)wait\b",
    "but": r"(?m)(?:^|[.!?] )But\b",
    "let me": r"(?i)\blet me (?!know)",
    "digits": r"\d",
    "quotation": r"\"[^\"\n]{3,}\"|“[^”\n]{3,}”",
    "link": r"https?://|www\.",
    "table": r"(?m)^ *\|.*\|.*\|",
}


def pool(data: Path) -> pl.DataFrame:
    """Return all texts of fitting length, each once: ``text``, ``prompt`` (or null) and ``group``."""
    prompt = pl.when(pl.col("prompt").str.len_chars() <= LONGEST_PROMPT).then(pl.col("prompt"))
    parts = [
        pl.read_parquet(data / f"{name}.parquet").select(
            "text", prompt.alias("prompt"), pl.col("prompt_id").cast(pl.String).alias("group")
        )
        for name in ("alpaca_eval_outputs", "selfinstruct_outputs")
    ]
    for name, group in (("reasoning_sentences", "prompt_id"), ("goemotions", "id"), ("politeness", "id")):
        frame = pl.read_parquet(data / f"{name}.parquet")
        none = pl.lit(None, pl.String).alias("prompt")
        parts.append(frame.select("text", none, pl.col(group).cast(pl.String).alias("group")))
    fitting = pl.col("text").str.len_chars().is_between(SHORTEST, LONGEST)
    return pl.concat(parts).filter(fitting).unique("text", keep="first", maintain_order=True)


def truths(texts: Sequence[str]) -> dict[str, np.ndarray]:
    """Return bool[texts] of every phenomenon; a curly apostrophe is as a straight one."""
    compiled = {name: re.compile(pattern) for name, pattern in PHENOMENA.items()}
    plain = [text.replace("’", "'") for text in texts]
    return {name: np.array([p.search(t) is not None for t in plain]) for name, p in compiled.items()}


def drawn(known: dict[str, np.ndarray], each: int, mixed: int, seed: int = 0) -> np.ndarray:
    """Return rows: ``each`` with every phenomenon, and ``mixed`` whatever they have."""
    rng = np.random.default_rng(seed)
    size = len(next(iter(known.values())))
    taken = set(rng.permutation(size)[:mixed].tolist())
    for truth in known.values():
        taken.update(rng.permutation(np.flatnonzero(truth))[:each].tolist())
    return np.array(sorted(taken))


def scored(values: csr_matrix, truth: np.ndarray, first: np.ndarray) -> dict[str, Any]:
    """Choose the feature with the largest AUC among the texts of ``first`` and measure it on the others."""
    best = int(rank_auc(values[first].toarray(), truth[first]).argmax())
    column = values[~first][:, [best]].toarray()
    return {"feature": best, "auc": round(float(rank_auc(column, truth[~first])[0]), 3)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Read with every reader, choose and measure, print, save."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--reader", action="append", required=True, help="several times for several")
    parser.add_argument("--each", type=int, default=EACH, help="texts drawn for each phenomenon")
    parser.add_argument("--mixed", type=int, default=MIXED, help="texts drawn beside them")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS / "crisp.json")
    args = parser.parse_args(arguments)
    frame = pool(args.data)
    rows = drawn(truths(frame["text"].to_list()), args.each, args.mixed)
    frame = frame[rows]
    texts = frame["text"].to_list()
    documents = [
        Document(str(i), text, prompt, None, {}, i, "")
        for i, (text, prompt) in enumerate(frame.select("text", "prompt").iter_rows())
    ]
    first = np.array([zlib.crc32(group.encode()) % 2 == 0 for group in frame["group"]])
    fewest = min(FEWEST, args.each)
    known = {
        name: truth
        for name, truth in truths(texts).items()
        if truth.sum() >= fewest
        and all(len(set(half.tolist())) == 2 for half in (truth[first], truth[~first]))
    }
    left_out = [name for name in PHENOMENA if name not in known]
    lengths = np.array([[len(text)] for text in texts], float)[~first]
    base = {name: round(float(rank_auc(lengths, t[~first])[0]), 3) for name, t in known.items()}
    found: dict[str, dict[str, Any]] = {}
    for name in args.reader:
        read = activations(Reader(name), documents)
        mine = {what: scored(read.values, truth, first) for what, truth in known.items()}
        found[shown(name)] = mine
        mean = round(float(np.mean([row["auc"] for row in mine.values()])), 3)
        result = {
            "texts": len(texts),
            "tokens": read.tokens,
            "left_out": left_out,
            "mean_auc": mean,
            "with_it": {what: int(truth.sum()) for what, truth in known.items()},
            "length_auc": base,
            "phenomena": mine,
        }
        save(args.output, shown(name), {**environment(), **result})
    table: list[list[object]] = [["phenomenon", "texts", "length", *found]]
    table += [[w, int(known[w].sum()), base[w], *(each[w]["auc"] for each in found.values())] for w in known]
    say(f"AUC of the best single feature, {len(texts):,} texts", table)


if __name__ == "__main__":
    main()
