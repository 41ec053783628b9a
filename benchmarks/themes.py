"""Check the shipped themes, and whether the theme that ought to win tells a class of texts from the rest.

    python benchmarks/themes.py                   the file: canonical, of this SAE, each feature in its place
    python benchmarks/themes.py DATA --work DIR   and the checks on labelled texts (Parquet files of a folder)

A check takes one class of a data set and asks which themes are present in more of its documents than of the
rest (z of two proportions; thresholds from all documents of the data set). It is a hit if one of the themes
named beforehand is among the first three. ``SEEN`` checks were looked at while the themes were made.
``HELD_OUT`` ones were written down first and then run. Texts of goemotions, ag_news_test, self_dialogue,
user_prompts and clickbait had served before, without their classes, to see where features peak and which
texts have most of a theme; those of banking77, onestop_levels, politeness and reasoning_sentences had not.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from common import RESULTS, environment, save

import saetext
from saetext.features import Themes, theme_presence
from saetext.features.known_labels import shipped_labels
from saetext.reader.shipped import EMBEDDED
from saetext.stats import benjamini_hochberg, fisher_exact_p

FIRST = 3  # places that count as a hit
PER_CLASS = 100  # documents of a class
SPLITS = 100  # random halves of each data set
CHARACTERS = 1500  # of a document
#: The column with the class, of each data set.
DATA = {
    "goemotions": "primary",
    "ag_news_test": "label",
    "self_dialogue": "topic",
    "onestop_levels": "label",
    "banking77": "label",
    "user_prompts": "label",
    "politeness": "label",
    "reasoning_sentences": "label",
    "clickbait": "label",
}
#: Data set, class, the themes of which one should lead.
SEEN = (
    ("goemotions", "fear", "fear"),
    ("goemotions", "gratitude", "thanks"),
    ("goemotions", "anger", "anger"),
    ("goemotions", "sadness", "sadness"),
    ("goemotions", "pride", "pride"),
    ("goemotions", "nervousness", "fear"),
    ("goemotions", "disgust", "criticism"),
    ("goemotions", "love", "love likes"),
    ("goemotions", "remorse", "apology"),
    ("ag_news_test", "Sports", "sport-games"),
    ("ag_news_test", "Business", "business banking economy money"),
    ("self_dialogue", "music", "music"),
    ("self_dialogue", "harry_potter", "fiction-worlds books"),
    ("self_dialogue", "comedy", "laughter-comedy"),
    ("self_dialogue", "nfl_football", "sport-games"),
)
HELD_OUT = (
    ("goemotions", "curiosity", "questions"),
    ("goemotions", "surprise", "surprise-strangeness"),
    ("goemotions", "joy", "joy"),
    ("goemotions", "confusion", "not-knowing questions"),
    ("goemotions", "optimism", "wishes-hopes"),
    ("goemotions", "admiration", "praise"),
    ("goemotions", "amusement", "laughter-comedy"),
    ("ag_news_test", "World", "war-weapons government countries death"),
    ("ag_news_test", "Sci/Tech", "computers-internet science"),
    ("self_dialogue", "star_wars", "fiction-worlds"),
    ("self_dialogue", "fashion", "clothes"),
    ("self_dialogue", "baseball", "sport-games"),
    ("self_dialogue", "horror", "fear"),
    ("onestop_levels", "advanced", "literary exposition"),
    ("banking77", "age_limit", "men-women-children days-years"),
    ("banking77", "country_support", "countries"),
    ("banking77", "passcode_forgotten", "security thinking"),
    ("banking77", "verify_my_identity", "security"),
    ("banking77", "fiat_currency_support", "money banking"),
    ("banking77", "change_pin", "change"),
    ("user_prompts", "writing_cooking_recipe", "food"),
    ("user_prompts", "code_generation", "programming-terms code-punctuation"),
    ("user_prompts", "math_reasoning", "mathematics word-problems"),
    ("user_prompts", "writing_legal_document", "law"),
    ("user_prompts", "writing_song_lyrics", "music"),
    ("politeness", "polite", "thanks"),
    ("reasoning_sentences", "uncertainty-estimation", "hedging"),
    ("reasoning_sentences", "example-testing", "word-problems mathematics numbers-percent examples"),
    ("clickbait", "clickbait", "second-person"),
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--work", type=Path)
    parser.add_argument("--seen-only", action="store_true")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS / "themes.json")
    args = parser.parse_args()
    themes = Themes.load("embedded")
    if faults := faults_of(themes, EMBEDDED.themes_path):
        sys.exit("\n".join(faults))
    print(f"{len(themes)} themes of {sum(len(t.features) for t in themes)} places; the file is consistent")
    if args.data is None:
        return
    found: dict[str, Any] = {"environment": environment(), "themes": len(themes)}
    for name, checks in (("seen", SEEN), ("held_out", () if args.seen_only else HELD_OUT)):
        rows = [
            check(themes, presence(themes, args.data, args.work, data), data, *rest) for data, *rest in checks
        ]
        hits, first = sum(r["place"] <= FIRST for r in rows), sum(r["place"] == 1 for r in rows)
        print(f"{name}: {hits} of {len(rows)} among the first {FIRST}, {first} first")
        found[name] = {"checks": len(rows), "hits": hits, "first": first, "rows": rows}
    splits = {data: null_splits(presence(themes, args.data, args.work, data)[0]) for data in _KNOWN}
    print(f"random halves, of {SPLITS} of each data set those with any theme at q < .05: {splits}")
    found["null"] = {"splits": SPLITS, "with_any": splits}
    save(args.output, "themes", found)


def faults_of(themes: Themes, path: Path) -> list[str]:
    """Say what is wrong with a file of themes of the embedded reader, a line each."""
    faults = []
    if path.read_bytes() != themes.text().encode():
        faults.append("the file is not as Themes.write writes it")
    labels = shipped_labels()
    if labels is None or labels.about["weights_sha256"] != themes.made_for.get("weights_sha256"):
        faults.append("the themes are not of the SAE that the labels are of")
    times = Counter(feature for theme in themes for feature in theme.features)
    rest = set(themes.named("other").features)
    faults += [f"feature {f} is in {n} themes" for f, n in sorted(times.items()) if n > 2]
    faults += [f"feature {f} is in 'other' and in a theme" for f in sorted(rest & times.keys())]
    d_sae = themes.made_for["d_sae"]
    faults += [f"feature {f} is nowhere" for f in range(d_sae) if f not in times and f not in rest]
    faults += [
        f"{t.id} has no description of one sentence" for t in themes if not t.description.endswith(".")
    ]
    return faults


_KNOWN: dict[str, tuple[np.ndarray, np.ndarray]] = {}


def presence(themes: Themes, folder: Path, work: Path | None, data: str) -> tuple[np.ndarray, np.ndarray]:
    """Return bool[documents, themes] and the class of each document, of a sample of a data set."""
    if data not in _KNOWN:
        column = DATA[data]
        frame = pl.read_parquet(folder / f"{data}.parquet")
        if data == "goemotions":
            frame = frame.filter((pl.col("n_labels") == 1) & (pl.col("primary") != "neutral"))
        if data == "user_prompts":
            frame = frame.filter(pl.col("source") == "autoj_scenario")
        if data == "politeness":
            frame = frame.filter(pl.col("label") != "neutral")
        parts = frame.partition_by(column, maintain_order=True)
        frame = pl.concat([part.sample(min(PER_CLASS, len(part)), seed=1) for part in parts])
        frame = frame.select("id", pl.col("text").str.slice(0, CHARACTERS), pl.col(column).alias("class"))
        where = None if work is None else work / f"themes-{data}.corpus"
        known = where is not None and (where / "manifest.json").is_file()
        corpus = saetext.Corpus.open(where) if known and where else saetext.encode(frame, where)
        classes = corpus.documents.select("class").collect()["class"].to_numpy()
        _KNOWN[data] = theme_presence([corpus], None, themes).toarray() > 0, classes
    return _KNOWN[data]


def null_splits(present: np.ndarray, splits: int = SPLITS, seed: int = 0) -> int:
    """Return in how many random halves any theme differs (Fisher's exact test, q < .05)."""
    rng = np.random.default_rng(seed)
    n = len(present)
    found = 0
    for _ in range(splits):
        first = rng.permutation(n) < n // 2
        p = fisher_exact_p(present[first].sum(0), n // 2, present[~first].sum(0), n - n // 2)
        found += bool((benjamini_hochberg(p) < 0.05).any())
    return found


def check(
    themes: Themes, known: tuple[np.ndarray, np.ndarray], data: str, value: str, wanted: str
) -> dict[str, Any]:
    """Rank the themes by how much more often they are present in a class than in the rest."""
    present, classes = known
    mine = classes == value
    n_a, n_b = int(mine.sum()), int((~mine).sum())
    rate_a, rate_b, rate = present[mine].mean(0), present[~mine].mean(0), present.mean(0)
    z = (rate_a - rate_b) / np.sqrt(np.maximum(rate * (1 - rate), 1e-12) * (1 / n_a + 1 / n_b))
    order = np.argsort(-z, kind="stable")
    names = [themes[i].id for i in order]
    place = 1 + min(names.index(id) for id in wanted.split())
    leading = [
        {"theme": themes[i].id, "class": round(float(rate_a[i]), 3), "rest": round(float(rate_b[i]), 3)}
        for i in order[:FIRST]
    ]
    told = ", ".join(f"{r['theme']} {100 * r['class']:.0f}/{100 * r['rest']:.0f}" for r in leading)
    print(
        f"{'hit ' if place <= FIRST else 'miss'} {place:>3}  {data} {value} ({n_a}): {told}; wanted {wanted}"
    )
    return {
        "data": data,
        "class": value,
        "n": n_a,
        "wanted": wanted.split(),
        "place": place,
        "leading": leading,
    }


if __name__ == "__main__":
    main()
