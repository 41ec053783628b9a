"""How many of 500 common nouns have a feature of their own, for each reader given.

    python benchmarks/nouns.py DATA --reader embedded --reader DIR

Passages are single sentences of texts that no shipped SAE was trained on. Each noun of ``nouns.txt`` has
passages with it (singular or plural, whole word), half of them to choose the feature and half to measure it.
A feature is present above its reader's threshold. Its phi is that of a pile where a share p of the passages
has the noun: with the rates t of presence with it, f without it and q = pt + (1 - p)f in all,
(t - f) sqrt(p(1 - p) / (q(1 - q))). Shares are a half and a hundredth: at a half, a feature of a whole
topic will do; at a hundredth it must be nearly the noun's own. Not for: words with several meanings, which
count as one noun.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from common import RESULTS, environment, save, say
from readers import activations, documents_of, shown
from scipy.sparse import csr_matrix

from saetext.reader.reader import Reader

LIST = Path(__file__).with_name("nouns.txt")
SOURCES = ("alpaca_eval_outputs", "ag_news_test", "imdb_counterfactual", "nltk_properties", "onestop_levels")
SHORTEST, LONGEST = 40, 180  # characters of a passage
BARS = (0.3, 0.5, 0.7)
SHARES = (0.5, 0.01)  # of the passages that have a noun


@dataclass(frozen=True)
class Noun:
    """A noun with the forms that count as it."""

    name: str
    forms: tuple[str, ...]


def plural(word: str) -> str:
    """Return the regular plural."""
    if re.search(r"[^aeiou]y$", word):
        return word[:-1] + "ies"
    return word + ("es" if re.search(r"(?:s|x|z|ch|sh|o)$", word) and not word.endswith("eo") else "s")


def nouns(path: Path = LIST) -> list[Noun]:
    """Return the list, in its order."""
    found = []
    for line in path.read_text("utf-8").splitlines():
        if line and not line.startswith("#"):
            word, _, other = line.partition(" ")
            forms = (word,) if other == "-" else (word, other or plural(word))
            found.append(Noun(word, forms))
    return found


def passages(texts: Sequence[str]) -> list[str]:
    """Return the different sentences of a fitting length, in order."""
    kept: dict[str, None] = {}
    for text in texts:
        for sentence in re.split(r"(?<=[.!?])\s+|\n+", text):
            if SHORTEST <= len(sentence) <= LONGEST:
                kept[sentence.strip()] = None
    return list(kept)


def having(known: Sequence[Noun], texts: Sequence[str]) -> list[list[int]]:
    """Return, of each noun, the texts that have it."""
    owner = {form: at for at, noun in enumerate(known) for form in noun.forms}
    found: list[list[int]] = [[] for _ in known]
    for row, text in enumerate(texts):
        for at in sorted({owner[w] for w in re.findall(r"[a-z]+", text.lower()) if w in owner}):
            found[at].append(row)
    return found


def drawn(found: Sequence[Sequence[int]], each: int) -> list[int]:
    """Return rows of which every noun has at least ``each``, or all that there are, rarest noun first."""
    taken: set[int] = set()
    for rows in sorted(found, key=len):
        missing = each - sum(row in taken for row in rows)
        taken.update([row for row in rows if row not in taken][: max(missing, 0)])
    return sorted(taken)


def weighted_phi(present: csr_matrix, truth: np.ndarray, share: float = 0.5) -> np.ndarray:
    """Return the phi of every feature with ``truth``, were ``truth`` a ``share`` of the texts.

    Parameters
    ----------
    present : csr_matrix bool[texts, features]
    truth : bool[texts]
    """
    with_it = np.asarray(present[truth].sum(0), float).ravel() / truth.sum()
    without = np.asarray(present[~truth].sum(0), float).ravel() / (~truth).sum()
    rate = share * with_it + (1 - share) * without
    spread = np.sqrt(np.maximum(rate * (1 - rate), 0) / (share * (1 - share)))
    return np.divide(with_it - without, spread, out=np.zeros_like(rate), where=spread > 0)


def scored(
    present: csr_matrix, truths: Sequence[np.ndarray], share: float = 0.5, seed: int = 0
) -> list[tuple[int, float]]:
    """Return, of each noun, the feature with the largest phi on one half and its phi on the other."""
    found = []
    halves = np.random.default_rng(seed)
    for truth in truths:
        first = np.zeros(len(truth), bool)
        for side in (True, False):  # as many of either class in both halves
            rows = halves.permutation(np.flatnonzero(truth == side))
            first[rows[: len(rows) // 2]] = True
        best = int(weighted_phi(present[first], truth[first], share).argmax())
        found.append((best, float(weighted_phi(present[~first][:, [best]], truth[~first], share)[0])))
    return found


def sample(data: Path, each: int, limit: int | None) -> tuple[list[Noun], list[str], list[np.ndarray]]:
    """Return the nouns, the passages that are read, and where each noun is in them."""
    texts = [t for name in SOURCES for t in pl.read_parquet(data / f"{name}.parquet")["text"].to_list()]
    order = np.random.default_rng(0).permutation(len(texts))
    kept = passages([texts[i] for i in order])
    known = nouns()[:limit]
    rows = drawn(having(known, kept), each)
    chosen = [kept[row] for row in rows]
    truths = []
    for mine in having(known, chosen):
        truth = np.zeros(len(chosen), bool)
        truth[mine] = True
        truths.append(truth)
    short = [n.name for n, t in zip(known, truths, strict=True) if t.sum() < each]
    if short:
        raise SystemExit(f"fewer than {each} passages with: {', '.join(short)}")
    return known, chosen, truths


def summary(found: Sequence[tuple[int, float]]) -> dict[str, Any]:
    """Return how many nouns reach each bar, and the median."""
    phi = np.array([value for _, value in found])
    reached = {f"phi at least {bar}": int((phi >= bar).sum()) for bar in BARS}
    return {**reached, "median": round(float(np.median(phi)), 3), "mean": round(float(phi.mean()), 3)}


def main(arguments: Sequence[str] | None = None) -> None:
    """Read with every reader, choose and measure, print, save."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--reader", action="append", required=True, help="several times for several")
    parser.add_argument("--passages", type=int, default=20, help="with each noun, at least")
    parser.add_argument("--limit", type=int, help="only so many nouns")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS / "nouns.json")
    args = parser.parse_args(arguments)
    known, texts, truths = sample(args.data, args.passages, args.limit)
    print(f"{len(known)} nouns, {len(texts):,} passages")
    rows = []
    for name in args.reader:
        read = activations(Reader(name), documents_of(texts))
        present = (read.present > 0).astype(np.float32).tocsr()
        result = {"nouns": len(known), "passages": len(texts), "tokens": read.tokens}
        for share in SHARES:
            found = scored(present, truths, share)
            told = summary(found)
            each = {
                n.name: {"feature": f, "phi": round(phi, 3)} for n, (f, phi) in zip(known, found, strict=True)
            }
            result[f"share {share}"] = {**told, "each": each}
            rows.append([shown(name), share, *told.values()])
        save(args.output, shown(name), {**environment(), **result})
    say("nouns with a feature", [["reader", "share", *told], *rows])


if __name__ == "__main__":
    main()
