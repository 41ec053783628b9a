"""Whether a search gets better when documents shown are called right or wrong, and how long that takes.

    python benchmarks/feedback.py --data ../shared/data --to DIR [--quick] [--split test]

Properties and phrasings are those of ``retrieval.py``. A user is simulated: of the first ten documents up to
three that have the property are called right (``--more``) and up to two that have not are called wrong
(``--less``), the first of each. Then average precision over all documents but those judged, before and after.
Questions of which nothing right is among the first ten are counted apart: only wrong documents can be named.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np
from common import environment, save, say
from retrieval import LEAST, Floats, interval, measures, open_pools, options
from retrieval_data import properties, relevant
from retrieval_queries import WHOLE

if TYPE_CHECKING:
    from saetext.analysis.search import Searcher

RIGHT, WRONG, SHOWN = 3, 2, 10


def judged(searcher: Searcher, text: str, truth: np.ndarray) -> dict[str, Any] | None:
    """Average precision before and after, on documents that were not judged; None if none are left."""
    from saetext.analysis.search.in_words import search_in_words
    from saetext.analysis.search.judging import Judged
    from saetext.analysis.search.paging import order
    from saetext.analysis.search.rankings import Reach
    from saetext.analysis.search.refitting import Found, refit
    from saetext.analysis.search.request import SearchRequest

    n = len(truth)
    answer = search_in_words(searcher, text, SearchRequest(mode="hybrid", depth=n))
    first = Found(order(answer.rankings, answer.mode, None, answer.combined), answer.because, ())
    shown = first.order.rows[:SHOWN].tolist()
    right = tuple(row for row in shown if truth[row])[:RIGHT]
    wrong = tuple(row for row in shown if not truth[row])[:WRONG]
    left = np.ones(n, bool)
    left[[*right, *wrong]] = False
    if not truth[left].any():
        return None
    started = time.perf_counter()
    again = refit(searcher, first, Judged(right, wrong), Reach(n, None))
    took = time.perf_counter() - started
    new = np.cumsum(left) - 1  # numbers among the documents left
    before, after = first.order.rows[left[first.order.rows]], again.order.rows
    then, now = measures(new[before], truth[left]), measures(new[after], truth[left])
    return {
        "right": len(right), "wrong": len(wrong), "ms": 1000 * took, "before": then["map"],
        "after": now["map"], "p10 before": then["p10"], "p10 after": now["p10"],
    }  # fmt: skip


def told(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Means, with an interval of the difference over questions."""
    difference: Floats = np.array([row["after"] - row["before"] for row in rows])
    named = [m for m in rows[0] if m not in ("pool", "query")]
    means = {m: round(float(np.mean([row[m] for row in rows])), 4) for m in named}
    return {
        "questions": len(rows), **means, "map gained": round(float(difference.mean()), 4),
        "interval": interval(difference), "better": int((difference > 0).sum()),
        "ms median": round(float(np.median([row["ms"] for row in rows])), 1),
    }  # fmt: skip


def main() -> None:
    args = options(__doc__, "feedback.json").parse_args()
    searchers = open_pools(args.data, args.to, args.pools, quick=args.quick)
    rows = []
    for each in properties():
        if each.split != args.split or each.pool not in args.pools:
            continue
        table, searcher = searchers[each.pool]
        truth = relevant(table, each.name)
        if truth.sum() < LEAST:
            continue
        for text in each.phrasings:
            if (one := judged(searcher, text, truth)) is not None:
                rows.append({"pool": each.pool, "query": text, **one})
    kinds = {
        "something right": [row for row in rows if row["right"]],
        "nothing right": [row for row in rows if not row["right"]],
        "whole pools, something right": [row for row in rows if row["right"] and row["pool"] in WHOLE],
    }
    found = {kind: told(each) for kind, each in kinds.items() if each}
    say(args.split, [[kind, str(figures)] for kind, figures in found.items()])
    save(args.save, args.split, {"environment": environment(), **found})


if __name__ == "__main__":
    main()
