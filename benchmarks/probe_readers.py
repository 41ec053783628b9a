"""Linear probes and best single features of several readers on 24 properties, and of all side by side.

    python benchmarks/probe_readers.py DATA --reader embedded --reader DIR

The 18 properties of ``representations.py`` and six further ones (``probe_data.py``), the same texts and
splits for every reader. Features are the largest activations above zero. ``side by side`` has the features of
all readers as columns. Not for: other representations (``representations.py``).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import probe_data
import probes
from common import RESULTS, environment, save, say
from readers import activations, documents_of, shown
from scipy.sparse import csr_matrix, hstack

from saetext.reader.reader import Reader

TOGETHER = "side by side"


def main(arguments: Sequence[str] | None = None) -> None:
    """Read with every reader, probe, print, save."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument("--reader", action="append", required=True, help="several times for several")
    parser.add_argument("--per-side", type=int, default=300, help="texts with and without a property")
    parser.add_argument("--characters", type=int, default=1000, help="of a text, from its beginning")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS / "probe_readers.json")
    args = parser.parse_args(arguments)
    texts = probe_data.load(args.data, per_side=args.per_side, further=True, characters=args.characters)
    documents = documents_of(texts.texts)
    settings = {"texts": len(documents), "per_side": args.per_side, "characters": args.characters}
    values: dict[str, csr_matrix] = {}
    tokens: dict[str, int] = {}
    for name in args.reader:
        read = activations(Reader(name), documents)
        values[shown(name)], tokens[shown(name)] = read.values, read.tokens
    if len(values) > 1:
        values[TOGETHER] = hstack(list(values.values())).tocsr()
    rows = []
    for name, x in values.items():
        found = probes.score(x, texts.tasks)
        told = {"mean_auc": found.means, "linear": dict(found.linear), "single": dict(found.single)}
        size = {"features": x.shape[1], "features_per_text": round(x.nnz / x.shape[0], 1)}
        save(args.output, name, {**environment(), **settings, "tokens": tokens.get(name), **size, **told})
        rows.append([name, found.means["linear"], found.means["single"], size["features_per_text"]])
        print(*rows[-1], flush=True)
    head = ["features of", "linear probe", "best single", "features a text"]
    say(f"mean test AUC over {len(texts.tasks)} properties", [head, *rows])


if __name__ == "__main__":
    main()
