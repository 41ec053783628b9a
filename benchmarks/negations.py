"""Whether a search keeps to what is not wanted: "polite but not apologising", on sets with known truth.

    python benchmarks/negations.py --data ../shared/data --to DIR [--quick] [--split test]

Questions are ``NEGATIVE`` of ``retrieval_queries.py``. Right is a document that has the property and not what
is unwanted. Compared: the whole sentence as one question (in double quotes), what is wanted alone, and both
parts as a search takes them. Average precision, and the shares of right documents and of unwanted ones among
the first 20.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from common import environment, save, say
from retrieval import Methods, measures, open_pools, options
from retrieval_data import relevant
from retrieval_queries import NEGATIVE

FIRST = 20


def main() -> None:
    from saetext.analysis.search.negation import split_negation

    args = options(__doc__, "negations.json").parse_args()
    asked = [each for each in NEGATIVE[args.split == "test" :: 2] if each[0] in args.pools]
    used = list(dict.fromkeys(each[0] for each in asked))
    searchers = open_pools(args.data, args.to, used, quick=args.quick)
    methods = {pool: Methods(searcher) for pool, (_, searcher) in searchers.items()}
    rows: list[dict[str, Any]] = []
    for pool, query, name, without, pattern in asked:
        table, _ = searchers[pool]
        has = relevant(table, name)
        texts = table["text"].to_list()
        bad = (
            relevant(table, without)
            if without
            else np.array([re.search(pattern, text, re.IGNORECASE) is not None for text in texts])
        )
        wanted, _ = split_negation(query)
        ways = {"as one question": f'"{query}"', "what is wanted alone": f'"{wanted}"', "both parts": query}
        row: dict[str, Any] = {"pool": pool, "query": query, "right": int((has & ~bad).sum())}
        for way, text in ways.items():
            order = methods[pool].hybrid(text)
            row[way] = {
                "map": round(measures(order, has & ~bad)["map"], 4),
                "right in 20": round(float((has & ~bad)[order[:FIRST]].mean()), 3),
                "unwanted in 20": round(float(bad[order[:FIRST]].mean()), 3),
            }
        rows.append(row)
    mean = {
        way: {m: round(float(np.mean([row[way][m] for row in rows])), 4) for m in rows[0][way]}
        for way in ("as one question", "what is wanted alone", "both parts")
    }
    say(args.split, [[way, str(figures)] for way, figures in mean.items()])
    save(args.save, args.split, {"environment": environment(), "mean": mean, "questions": rows})


if __name__ == "__main__":
    main()
