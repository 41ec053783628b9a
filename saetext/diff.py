"""What differs between two sets of documents: one exact test a feature, on how often it is present.

Two sets are two corpora of one reader, or two values of a column of one corpus. When their rows pair one to
one (two models answered the same prompts) the test is McNemar's on the pairs, otherwise Fisher's. Not for:
what a difference is due to; longer documents have more of most features, and nothing here adjusts for that.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext import stats
from saetext.errors import InputError
from saetext.evidence import Example, printable, strongest
from saetext.known_labels import labels_for
from saetext.labels import FeatureLabels
from saetext.pairing import Names, Pairs, as_text, columns, find_pairs
from saetext.protocols import CorpusLike, Ints
from saetext.result import Result, Source
from saetext.spec import ReaderSpec, require_comparable

if TYPE_CHECKING:
    import polars as pl
    from scipy.sparse import csr_matrix

Floats = NDArray[np.float64]

ALPHA = 0.05  # false-discovery rate below which a row counts as significant
LEVEL = 0.95  # confidence level of the intervals
LENGTH_RATIO = 1.25  # of median tokens; from there on the result says that it is not adjusted for length
_GROUP_ENTRIES = 1 << 24  # entries of A held while B streams past to count pairs: about 130 MB


@dataclass(frozen=True, eq=False)
class DiffResult(Result):
    """The features that were tested, significant ones first.

    ``table`` has, a row a feature: ``feature``; ``label``; ``rate_a`` and ``rate_b``, the share of documents
    in which it is present; ``diff``, which is ``rate_a - rate_b``, with its 95 % interval ``ci_low``,
    ``ci_high``; ``p`` and the Benjamini-Hochberg ``q`` over all features tested; ``n_a`` and ``n_b``, the
    number of documents in which it is present; ``snippet_a`` and ``snippet_b``, the strongest example in
    each set with the word marked «so», null where there is none. Rows with q < .05 come first, by size of
    the difference, then the others by p.

    Attributes
    ----------
    evidence : mapping
        Feature to its example in A and in B, for the rows that have snippets.
    """

    evidence: Mapping[int, tuple[Example | None, Example | None]] = field(default_factory=dict)

    @property
    def names(self) -> Names:
        """What the two sets are called."""
        return self.params["a"], self.params["b"]

    @property
    def paired(self) -> bool:
        """Whether the rows were paired one to one."""
        return self.metrics["pairs"] is not None

    @property
    def n_significant(self) -> int:
        """Number of features with q < .05, shown or not."""
        return int(self.metrics["significant"])


def diff(
    a: CorpusLike,
    b: CorpusLike,
    *,
    pair_on: str | None = None,
    tap: str | None = None,
    min_support: int | None = None,
    top: int | None = None,
    seed: int = 0,
    names: Names = ("a", "b"),
    snippets: bool | int = True,
    labels: FeatureLabels | None = None,
) -> DiffResult:
    """Test every feature for a difference in how often it is present in two sets of documents.

    Parameters
    ----------
    a, b : Corpus
        The sets, read by comparable readers.
    pair_on : str, optional
        Column on which rows pair one to one; rows without a partner are left out. By default ``prompt_id``
        or ``prompt`` is used if it is unique in each set and at least 90 % of the larger one has a partner;
        an empty string never pairs.
    tap : str, optional
        Which tap; needed only when there are several.
    min_support : int, optional
        Documents of both sets together in which a feature must be present to be tested; by default 5 or
        0.05 % of them, whichever is more.
    top : int, optional
        Rows to keep, all by default. Tests and q are over all features with support.
    seed : int
        Recorded in the result; nothing here is random.
    names : tuple of str
        What to call the sets.
    snippets : bool or int
        Whether rows get their snippets, or how many of the first rows do.
    labels : FeatureLabels, optional
        What to call the features; by default the labels of A, see :func:`saetext.known_labels.labels_for`.

    Returns
    -------
    DiffResult

    Raises
    ------
    IncompatibleError
        If different readers made the sets.
    InputError
        If a set is empty, a column is missing, or a key repeats or pairs nothing.
    """
    name = a.spec.tap(tap).name
    require_comparable(a.spec, b.spec, name, names=names)
    for label, corpus in zip(names, (a, b), strict=True):
        if corpus.n_documents == 0:
            raise InputError(f"{label} ({corpus.path}) has no documents; both sets need some")
    if top is not None and top < 0:
        raise InputError(f"the number of rows to keep must be at least 0, not {top}")

    pairs, notes = find_pairs(a, b, pair_on, names)
    notes += _numerics_notes(a.spec, b.spec, names)
    kept_a, kept_b = (pairs.kept_a, pairs.kept_b) if pairs else (None, None)
    lengths = _median_tokens(a, kept_a), _median_tokens(b, kept_b)
    if max(lengths) >= LENGTH_RATIO * max(min(lengths), 1):
        notes.append(
            f"the median document has {lengths[0]:g} tokens in {names[0]} and {lengths[1]:g} in {names[1]}: "
            "longer documents have more of most features, and these rates are not adjusted for length"
        )
    d_sae = a.spec.tap(name).d_sae
    counts = _Counts(
        features=np.arange(d_sae),
        x_a=_support(a, name, kept_a, d_sae),
        x_b=_support(b, name, kept_b, d_sae),
        n_a=len(pairs) if pairs else a.n_documents,
        n_b=len(pairs) if pairs else b.n_documents,
        both=_together(a, b, name, pairs, d_sae) if pairs else None,
    )
    if min_support is None:
        min_support = max(5, -(-(counts.n_a + counts.n_b) // 2000))
    tested = counts.take(counts.x_a + counts.x_b >= max(min_support, 1))
    numbers, order = _test(tested)
    n_significant = int((numbers["q"] < ALPHA).sum())
    if not len(order):
        notes.append(f"no feature is present in {min_support} or more documents, so nothing was tested")
    elif not numbers["diff"].any():
        notes.append("every feature is equally frequent in both sets: are they the same documents?")

    shown = order[:top]
    features = tested.features[shown]
    illustrated = features if snippets is True else features[: max(int(snippets), 0)]
    found = [
        strongest(corpus, name, illustrated, kept, d_sae)
        for corpus, kept in ((a, kept_a), (b, kept_b))
    ]  # fmt: skip
    for label, corpus, examples in zip(names, (a, b), found, strict=True):
        if examples is None:
            notes.append(f"the texts of {label} ({corpus.path}) are not stored, so it has no snippets")
    examples_a, examples_b = (examples or {} for examples in found)
    evidence = {f: (examples_a.get(f), examples_b.get(f)) for f in illustrated.tolist()}

    if labels is None:
        labels = labels_for(a, name)
    else:
        labels.require_for(a.spec.tap(name))
    table = _table(features, labels, {key: column[shown] for key, column in numbers.items()}, evidence)
    params = {
        "a": names[0],
        "b": names[1],
        "tap": name,
        "pair_on": pairs.column if pairs else None,
        "test": "McNemar exact" if pairs else "Fisher exact",
        "interval": "Newcombe hybrid score, paired" if pairs else "Newcombe hybrid score",
        "level": LEVEL,
        "alpha": ALPHA,
        "min_support": int(min_support),
        "top": top,
        "seed": seed,
    }
    metrics = {
        "documents_a": a.n_documents,
        "documents_b": b.n_documents,
        "pairs": len(pairs) if pairs else None,
        "median_tokens_a": lengths[0],
        "median_tokens_b": lengths[1],
        "features": d_sae,
        "tested": len(order),
        "significant": n_significant,
    }
    sources = tuple(Source(label, str(c.path), c.fingerprint) for label, c in zip(names, (a, b), strict=True))
    return DiffResult("diff", table, params, metrics, tuple(notes), sources, evidence)


def diff_by(
    corpus: CorpusLike,
    column: str,
    values: Sequence[str] | None = None,
    *,
    pair_on: str | None = None,
    tap: str | None = None,
    min_support: int | None = None,
    top: int | None = None,
    seed: int = 0,
    snippets: bool | int = True,
    labels: FeatureLabels | None = None,
) -> DiffResult:
    """Compare the documents of one corpus that have one value in a column with those that have another.

    Parameters
    ----------
    corpus : Corpus
        The documents.
    column : str
        A column of them.
    values : sequence of str, optional
        The two values, A's first, as text. May be left out if the column has exactly two; then they are
        taken in alphabetical order.
    pair_on, tap, min_support, top, seed, snippets, labels
        As :func:`diff`.

    Returns
    -------
    DiffResult

    Raises
    ------
    InputError
        If there is no such column, or it does not have those two values; the message lists what it has.
    """
    if column not in columns(corpus):
        raise InputError(f"no column {column!r} in {corpus.path}; its columns: {', '.join(columns(corpus))}")
    value = as_text(corpus, column)
    counts = corpus.documents.select(value.alias("value")).drop_nulls().group_by("value").len()
    present: dict[str, int] = dict(
        counts.sort("len", "value", descending=[True, False]).collect().iter_rows()
    )
    listing = ", ".join(f"{text} ({n})" for text, n in list(present.items())[:10]) or "none, it is empty"
    if len(present) > 10:
        listing += f" and {len(present) - 10} more"
    chosen = [str(v) for v in values] if values else sorted(present)
    if len(chosen) != 2 or chosen[0] == chosen[1]:
        raise InputError(f"two values of {column} are compared; it has: {listing}")
    for text in chosen:
        if text not in present:
            raise InputError(f"no document has {column} = {text!r}; it has: {listing}")
    a, b = (corpus.select(value == text) for text in chosen)
    result = diff(
        a, b, pair_on=pair_on, tap=tap, min_support=min_support, top=top, seed=seed,
        names=(chosen[0], chosen[1]), snippets=snippets, labels=labels,
    )  # fmt: skip
    sources = tuple(dataclasses.replace(s, where=f"{column} = {s.name}") for s in result.sources)
    return dataclasses.replace(result, params={**result.params, "by": column}, sources=sources)


@dataclass(frozen=True, eq=False)
class _Counts:
    """Presence counts of features: documents of each set, and of both sides of a pair where rows pair."""

    features: Ints
    x_a: Ints
    x_b: Ints
    n_a: int
    n_b: int
    both: Ints | None

    def take(self, which: NDArray[np.bool_]) -> _Counts:
        both = None if self.both is None else self.both[which]
        return _Counts(self.features[which], self.x_a[which], self.x_b[which], self.n_a, self.n_b, both)


def _test(counts: _Counts) -> tuple[dict[str, NDArray[Any]], Ints]:
    """Return the numeric columns of the table and the order of its rows."""
    x_a, x_b, n_a, n_b = counts.x_a, counts.x_b, counts.n_a, counts.n_b
    if counts.both is None:
        low, high = stats.newcombe(x_a, n_a, x_b, n_b, LEVEL)
        p = stats.fisher_exact_p(x_a, n_a, x_b, n_b)
    else:
        only_a, only_b = x_a - counts.both, x_b - counts.both
        low, high = stats.newcombe_paired(counts.both, only_a, only_b, n_a, LEVEL)
        p = stats.mcnemar_exact_p(only_a, only_b)
    q = stats.benjamini_hochberg(p)
    rate_a, rate_b = x_a / n_a, x_b / n_b
    difference = rate_a - rate_b
    numbers = {
        "rate_a": rate_a, "rate_b": rate_b, "diff": difference, "ci_low": low, "ci_high": high,
        "p": p, "q": q, "n_a": x_a, "n_b": x_b,
    }  # fmt: skip
    significant, size = q < ALPHA, np.abs(difference)
    # Significant rows by size, the others by p: among those a large difference is mostly noise.
    keys = (counts.features, np.where(significant, p, -size), np.where(significant, -size, p), ~significant)
    return numbers, np.lexsort(keys)


def _median_tokens(corpus: CorpusLike, kept: NDArray[np.bool_] | None) -> float:
    tokens = corpus.documents.select("n_tokens").collect()["n_tokens"].to_numpy()
    return float(np.median(tokens if kept is None else tokens[kept]))


def _support(corpus: CorpusLike, tap: str, keep: NDArray[np.bool_] | None, d_sae: int) -> Ints:
    """Return int64[d_sae]: in how many (kept) documents each feature is present."""
    counts = np.zeros(d_sae, np.int64)
    for rows, block in corpus.blocks("binary", tap):
        if keep is not None and not keep[rows].all():
            block = block[np.flatnonzero(keep[rows])]
        counts += np.bincount(block.indices, minlength=d_sae)
    return counts


def _together(a: CorpusLike, b: CorpusLike, tap: str, pairs: Pairs, d_sae: int) -> Ints:
    """Return int64[d_sae]: in how many pairs each feature is present on both sides.

    A is held in groups of blocks while B streams past each group: memory is one group and one block,
    whatever order the partners come in.
    """
    counts = np.zeros(d_sae, np.int64)
    slot = np.full(a.n_documents + 1, -1, np.int64)  # row of the group; the last one is for "no partner"
    for group_rows, group in _groups(a, tap, pairs.kept_a):
        slot[group_rows] = np.arange(len(group_rows))
        for rows, block in b.blocks("binary", tap):
            place = slot[pairs.partner_of_b[rows]]
            here = np.flatnonzero(place >= 0)
            if len(here):
                shared = group[place[here]].multiply(block[here]).tocsr()
                counts += np.bincount(shared.indices, minlength=d_sae)
        slot[group_rows] = -1
    return counts


def _groups(corpus: CorpusLike, tap: str, wanted: NDArray[np.bool_]) -> Iterator[tuple[Ints, csr_matrix]]:
    """Yield the wanted rows of a corpus, several blocks at a time."""
    from scipy import sparse

    rows: list[Ints] = []
    held: list[csr_matrix] = []
    entries = 0

    def flush() -> tuple[Ints, csr_matrix]:
        return np.concatenate(rows), sparse.vstack(held, format="csr")

    for positions, block in corpus.blocks("binary", tap):
        mine = np.flatnonzero(wanted[positions])
        rows.append(positions[mine])
        held.append(block[mine])
        entries += held[-1].nnz
        if entries >= _GROUP_ENTRIES:
            yield flush()
            rows, held, entries = [], [], 0
    if rows:
        yield flush()


def _numerics_notes(a: ReaderSpec, b: ReaderSpec, names: Names) -> list[str]:
    left, right = a.numerics, b.numerics
    differing = [
        f"{field_name} {getattr(left, field_name)} in {names[0]}, {getattr(right, field_name)} in {names[1]}"
        for field_name in ("model_dtype", "sae_dtype", "device")
        if getattr(left, field_name) != getattr(right, field_name)
    ]
    versions = [
        f"{package} {left.versions.get(package)} in {names[0]}, {right.versions.get(package)} in {names[1]}"
        for package in sorted({*left.versions, *right.versions})
        if left.versions.get(package) != right.versions.get(package)
    ]
    if not differing and not versions:
        return []
    return [
        "the sets were read with different numerics, which can flip presences that lie close to a floor: "
        + "; ".join(differing + versions)
    ]


def _table(
    features: Ints,
    labels: FeatureLabels,
    numbers: Mapping[str, NDArray[Any]],
    evidence: Mapping[int, tuple[Example | None, Example | None]],
) -> pl.DataFrame:
    import polars as pl

    def snippets(side: int) -> pl.Series:
        examples = [evidence.get(feature, (None, None))[side] for feature in features.tolist()]
        return pl.Series([example and example.snippet.marked() for example in examples], dtype=pl.String)

    texts = {"snippet_a": snippets(0), "snippet_b": snippets(1)}
    named = {
        "label": pl.Series([printable(labels.label(f)) for f in features.tolist()], dtype=pl.String),
        "label_score": pl.Series([labels.score(f) for f in features.tolist()], dtype=pl.Float32),
    }
    return pl.DataFrame({"feature": features, **named, **numbers, **texts})
