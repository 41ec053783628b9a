"""Reading the examples of a map again, one by one and in batches: CPU seconds, and that both are the same.

    python benchmarks/map_examples.py CORPUS [--clusters 80] [--each 5]

The documents are drawn at random, with six features of each: what a map of so many clusters reads. Time does
not depend on which documents or features those are, but on their length.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import common
import numpy as np

RESULTS = common.RESULTS / "map_examples.json"
_FEATURES = 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--clusters", type=int, default=80)
    parser.add_argument("--each", type=int, default=5)
    parser.add_argument("-o", "--output", type=Path, default=RESULTS)
    args = parser.parse_args()
    common.save(args.output, args.corpus.stem, measured(args.corpus, args.clusters * args.each))


def measured(path: Path, n: int) -> dict[str, Any]:
    """Return CPU seconds of both ways over ``n`` documents, and how much their shades differ at most."""
    from saetext import Corpus, Reader
    from saetext.report.html.passages import PassageBuilder

    corpus = Corpus.open(path)
    sae = corpus.spec.sae(None).name
    reader = Reader.from_spec(corpus.spec, {sae: corpus.calibration(sae)})
    rows = np.random.default_rng(0).permutation(corpus.n_documents)[:n].tolist()
    fired: dict[int, list[tuple[int, float, int]]] = {}
    for row in rows:
        one = corpus.document(row)["entries"][sae]
        best = np.argsort(-one.value, kind="stable")[:_FEATURES]
        fired[row] = [(int(one.feature[i]), float(one.value[i]), int(one.peak[i])) for i in best]
    found, seconds = [], []
    for together in (False, True):
        builder = PassageBuilder([corpus], [sae], [reader])
        begun = time.process_time()
        if together:
            builder.read_ahead(0, {row: [f for f, _, _ in some] for row, some in fired.items()})
        spans = [builder.spans(0, row, f, v, p, 1.0) for row, some in fired.items() for f, v, p in some]
        seconds.append(time.process_time() - begun)
        found.append(spans)
    apart = max(
        abs(a[2] - b[2]) for one, other in zip(*found, strict=True) for a, b in zip(one, other, strict=True)
    )
    tokens = corpus.documents.select("n_tokens").collect()["n_tokens"].to_numpy()[rows]
    result = {
        "documents": n,
        "tokens": int(tokens.sum()),
        "one_by_one_cpu_s": round(seconds[0], 2),
        "in_batches_cpu_s": round(seconds[1], 2),
        "largest_difference": float(apart),
    }
    common.say(f"examples of a map, {path.stem}", [[key, value] for key, value in result.items()])
    return {**common.environment(), **result}


if __name__ == "__main__":
    main()
