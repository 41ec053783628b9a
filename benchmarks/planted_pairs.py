"""How often ``correlate`` finds ten planted texts with two unrelated features among 1,000 real ones.

Each repetition draws 1,000 documents and two features that a twentieth of them at most have, that hardly meet
and that are alike in neither label nor direction; ten texts that carry both are added: each is another
document with the one feature, as long as it is, into which a sentence with the other is put. Run:
``python benchmarks/planted_pairs.py TEXTS [--repeats N]`` (TEXTS a file, or a corpus of the embedded reader).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from common import environment, save

PLANTED = 10
DOCUMENTS = 1000


class Planted:
    """Rows of a corpus, and documents of it with one entry of another document put in."""

    def __init__(self, corpus: Any, rows: np.ndarray, joined: list[tuple[int, int]], put: int) -> None:
        self._corpus, self._rows, self._joined, self._put = corpus, rows, joined, put
        self.path, self.spec, self.fingerprint = corpus.path, corpus.spec, corpus.fingerprint
        self.n_documents = len(rows) + len(joined)

    @property
    def documents(self) -> Any:
        """The rows, then the documents into which the second feature is put, under ids of their own."""
        import polars as pl

        taken = [*self._rows.tolist(), *(a for a, _ in self._joined)]
        names = pl.Series("id", [f"d{i}" for i in range(len(taken))])
        return self._corpus.documents.collect()[taken].with_columns(names).lazy()

    def rows(self, sae: str | None) -> Any:
        """Yield the rows, then those into which the second feature is put, at the end."""
        from saetext.corpus.rows import PooledRows

        whole = next(_whole(self._corpus, sae))
        yield whole.take(self._rows)
        tokens = self._corpus.n_tokens
        for a, b in self._joined:
            base, donor = (whole.take([row]) for row in (a, b))
            one = donor.feature == self._put
            feature = np.concatenate([base.feature, donor.feature[one]])
            value = np.concatenate([base.value, donor.value[one]])
            peak = np.concatenate([base.peak, donor.peak[one] + int(tokens[a])])
            order = np.lexsort((-value, feature))
            feature, first = np.unique(feature[order], return_index=True)
            value, peak = value[order][first], peak[order][first].astype(np.int32)
            ones = np.ones(len(feature), np.int32)
            indptr = np.array([0, len(feature)], np.int64)
            yield PooledRows(indptr, feature.astype(np.int32), value, value, ones, peak, peak)

    def document(self, row: int) -> Any:
        """Return a row's document; of a planted one the text of both, the second after the first."""
        n = len(self._rows)
        if row < n:
            return self._corpus.document(int(self._rows[row]))
        base, donor = (self._corpus.document(at) for at in self._joined[row - n])
        after = len(base["text"]) + 1
        ends = {key: np.concatenate([base[key], donor[key] + after]) for key in ("token_start", "token_end")}
        return {**base, "id": f"d{row}", "text": f"{base['text']} {donor['text']}", **ends}

    def blocks(self, pooling: str, sae: str | None) -> Any:
        """Yield positions and matrix of the rows, as ``Corpus.blocks`` does; the planted ones one by one."""
        from saetext.corpus.shard import matrix

        d_sae = self.spec.sae(sae).d_sae
        tokens = self.documents.collect()["n_tokens"].to_numpy()
        start = 0
        for rows in self.rows(sae):
            at = np.arange(start, start + len(rows))
            start += len(rows)
            match pooling:
                case "binary":
                    data = np.ones(rows.n_entries, np.float32)
                case "mean":
                    each = np.maximum(tokens[at], 1).astype(np.float32)
                    data = rows.total / np.repeat(each, np.diff(rows.indptr))
                case _:
                    data = {"max": rows.value, "total": rows.total, "count": rows.count}[pooling]
            yield at, matrix(data, rows.feature, rows.indptr, (len(rows), d_sae))

    def select(self, expr: Any) -> Any:
        """Return these documents; nothing is selected here."""
        return self

    def calibration(self, sae: str | None) -> Any:
        """Return the corpus's calibration."""
        return self._corpus.calibration(sae)


def _whole(corpus: Any, sae: str | None) -> Any:
    from saetext.corpus.rows import PooledRows

    if not hasattr(corpus, "_held"):
        corpus._held = PooledRows.concatenate(list(corpus.rows(sae)))
    yield corpus._held


def main() -> None:
    """Plant pairs, look for them, and save how often they are found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("texts", type=Path)
    parser.add_argument("--repeats", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    from saetext import Corpus, correlate, encode
    from saetext.features.known_labels import labels_for
    from saetext.features.label_index import LabelIndex
    from saetext.reader.directions import decoder_of

    path = args.texts
    if not path.is_dir():
        path = path.with_suffix(".corpus")
        if not path.exists():
            encode(args.texts, path)
    corpus = Corpus.open(path)
    sae = corpus.saes[0]
    labels, decoder = labels_for(corpus, sae), decoder_of(corpus.spec, sae)
    assert decoder is not None
    present = corpus.csr("binary").tocsc()
    index = LabelIndex(labels)
    rng = np.random.default_rng(args.seed)
    found = []
    for repeat in range(args.repeats):
        rows = np.sort(rng.choice(corpus.n_documents, DOCUMENTS, replace=False))
        a, b = _unrelated(present, rows, labels, index, decoder, rng)
        joined = _texts(present, rows, a, b, rng)
        started = time.perf_counter()
        planted = Planted(corpus, rows, joined, b)
        result = correlate(planted, snippets=False, bootstrap=0, top=None, seed=repeat)
        seconds = time.perf_counter() - started
        table = result.table
        rank = next(
            (
                at
                for at, row in enumerate(table.iter_rows(named=True), start=1)
                if {row["feature_a"], row["feature_b"]} == {a, b}
            ),
            None,
        )
        by: dict[str, int | None] = {"npmi": None, "residual": None}
        if rank is not None:
            for name in by:
                values = table[name].to_numpy()
                by[name] = int((values > values[rank - 1]).sum()) + 1
        ranks_of = {f"rank_by_{name}": value for name, value in by.items()}
        confirmed = None if rank is None else table["confirmed"][rank - 1]
        found.append(
            {"features": [a, b], "rank": rank, **ranks_of, "of": table.height, "confirmed": confirmed,
             "seconds": round(seconds, 2)}
        )  # fmt: skip
        print(repeat, found[-1], labels.label(a), "+", labels.label(b), flush=True)
    hits = [f for f in found if f["rank"] is not None]
    ranks, residual = (sorted(f[f"rank_by_{by}"] for f in hits) for by in ("npmi", "residual"))
    summary = {
        "documents": DOCUMENTS, "planted": PLANTED, "repeats": len(found), "recall": len(hits) / len(found),
        "confirmed": sum(bool(f["confirmed"]) for f in hits) / len(found),
        "median_rank_by_npmi": float(np.median(ranks)) if ranks else None,
        "among_the_first_20_by_npmi": sum(r <= 20 for r in ranks) / len(found),
        "median_rank_by_residual": float(np.median(residual)) if residual else None,
        "among_the_first_20_by_residual": sum(r <= 20 for r in residual) / len(found),
        "median_rows": float(np.median([f["of"] for f in found])),
    }  # fmt: skip
    print(summary)
    out = Path(__file__).parent / "results" / "planted_pairs.json"
    save(out, args.texts.stem, {"environment": environment(), **summary, "each": found})


def _unrelated(
    present: Any, rows: np.ndarray, labels: Any, index: Any, decoder: Any, rng: Any
) -> tuple[int, int]:
    """Draw two features that are in 1 to 5 % of the rows, hardly meet, and are unlike each other."""
    here = present[rows]
    counts = np.diff(here.indptr)
    pool = np.flatnonzero((counts >= 10) & (counts <= 50) & (np.diff(present.indptr) - counts >= PLANTED))
    while True:
        a, b = (int(f) for f in rng.choice(pool, 2, replace=False))
        together = len(np.intersect1d(here[:, [a]].indices, here[:, [b]].indices))
        x, y = index.vectors([a, b])
        u, v = decoder[a], decoder[b]
        cosine = float(u @ v / np.linalg.norm(u) / np.linalg.norm(v))
        if together <= 1 and float(x @ y) < 0.3 and abs(cosine) < 0.2:
            return a, b


def _texts(present: Any, rows: np.ndarray, a: int, b: int, rng: Any) -> list[tuple[int, int]]:
    """Choose ten documents with each of the two that are not among the rows."""
    chosen = []
    for feature in (a, b):
        have = np.setdiff1d(present[:, [feature]].indices, rows)
        chosen.append(rng.choice(have, PLANTED, replace=False).tolist())
    return list(zip(*chosen, strict=True))


if __name__ == "__main__":
    main()
