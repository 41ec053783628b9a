"""How often a diff finds something between two random halves of one pile of texts, where there is nothing.

    python benchmarks/null_splits.py one.corpus [more.corpus ...] [--splits 200]

Prints the share of splits in which any feature has q < .05, and in which any is confirmed: at most 5 % of
either is as it should be. With ``--list`` words, marks, properties and themes are tested too, as for the list
of findings: false discovery is controlled within each kind, so that any of the five kinds may be found more
often. Two answers to one prompt never fall into different halves.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, environment, save, say
from rich.progress import track

from saetext.analysis.differences.contrast import contrast
from saetext.analysis.differences.design import make_design
from saetext.analysis.differences.families import compare_families
from saetext.analysis.differences.testing import ALPHA
from saetext.corpus import Corpus
from saetext.corpus.keys import PAIR_COLUMNS, columns, keys


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpora", type=Path, nargs="+")
    parser.add_argument("--splits", type=int, default=200)
    parser.add_argument("--list", action="store_true", help="test all kinds of descriptions")
    parser.add_argument("--out", type=Path, default=RESULTS / "null_splits.json")
    args = parser.parse_args()
    runs = [_splits(path, args.splits, every_kind=args.list) for path in args.corpora]
    say(
        f"{args.splits} random splits each",
        [["corpus", "documents", "tested", "any q < .05", "any confirmed", "features q < .05, mean"]]
        + [
            [
                r["corpus"], r["documents"], r["tested"], f"{100 * r['any_significant']:.1f} %",
                f"{100 * r['any_confirmed']:.1f} %", r["mean_significant"],
            ]
            for r in runs
        ],
    )  # fmt: skip
    save(args.out, "splits", {**environment(), "splits": args.splits, "runs": runs})


def _splits(path: Path, times: int, *, every_kind: bool = False) -> dict[str, Any]:
    corpus = Corpus.open(path)
    column = next((c for c in PAIR_COLUMNS if c in columns(corpus)), None)
    unit = np.arange(len(corpus)) if column is None else keys([corpus], column)[0]
    rng = np.random.default_rng(0)
    significant, confirmed, tested = [], [], 0
    by_kind: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for seed in track(range(times), path.name):
        second = np.zeros(unit.max() + 2, np.int8)
        second[rng.permutation(unit.max() + 1)[: (unit.max() + 1) // 2]] = 1
        side = second[unit]
        design = make_design([corpus], side, [path.name], pair_on="", seed=seed)
        found = contrast([corpus], corpus.saes[0], design, [path.name])
        tested = len(found.features)
        if every_kind:
            families = compare_families([found], seed=seed)[0].tested
            for family in families:
                by_kind[family.name].append((family.significant, family.confirmed))
            significant.append(sum(family.significant for family in families))
            confirmed.append(sum(family.confirmed for family in families))
        else:
            significant.append(int((found.columns["q"] < ALPHA).sum()))
            confirmed.append(int(found.columns["confirmed"].sum()))
    kinds = {name: np.array(counts) for name, counts in by_kind.items()}
    return {
        "corpus": path.name.removesuffix(".corpus"),
        "documents": len(corpus),
        "tested": tested,
        "any_significant": float(np.mean(np.array(significant) > 0)),
        "any_confirmed": float(np.mean(np.array(confirmed) > 0)),
        "mean_significant": round(float(np.mean(significant)), 2),
        "kinds": {
            name: {
                "any_significant": float((n[:, 0] > 0).mean()),
                "any_confirmed": float((n[:, 1] > 0).mean()),
            }
            for name, n in kinds.items()
        },
    }


if __name__ == "__main__":
    main()
