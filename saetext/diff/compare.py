"""What differs between two sets of documents: every feature tested, adjusted for length, confirmed, grouped.

Two sets are two corpora of one reader, or two values of a column of one corpus. Not for: more than two sets
(:mod:`saetext.diff.many`) or what plain words would find (:mod:`saetext.diff.families`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext.diff.design import Design, make_design
from saetext.diff.entries import Entries, gather, support
from saetext.diff.result import COLUMNS, DiffResult, Family, Names
from saetext.diff.testing import ALPHA, LEVEL, Adjusting, Sums, measure, numbers, order
from saetext.errors import InputError
from saetext.evidence import Example, printable, strongest
from saetext.groups import Selection, concept_groups
from saetext.known_labels import labels_for
from saetext.labels import FeatureLabels
from saetext.opening import as_corpora, as_corpus, names_of
from saetext.pairing import as_text, columns
from saetext.protocols import CorpusLike, Ints
from saetext.result import Source
from saetext.spec import ReaderSpec, require_comparable
from saetext.strata import LEAST_OVERLAP, MOST_BINS, bins, column_bins, crossed

if TYPE_CHECKING:
    import polars as pl

    from saetext.opening import AnyCorpus

LENGTH_RATIO = 1.25  # of median tokens; from there on the result says that lengths differ
_EARLY = 0.1  # quantile of a set's lengths: nearly all of its documents have so many tokens

TESTS = {
    "independent": "Fisher exact",
    "paired": "McNemar exact",
    "by prompt": "Cochran-Mantel-Haenszel",
    "by group": "permutation of groups, Student's t",
}
INTERVALS = {
    "independent": "Newcombe hybrid score",
    "paired": "Newcombe hybrid score, paired",
    "by prompt": "Wald, clustered by key",
    "by group": "Wald, clustered by group",
}


@dataclass(frozen=True, eq=False)
class Compared:
    """Two sides of some corpora, counted and tested; what every kind of diff is made from."""

    sets: Sequence[CorpusLike]
    tap: str
    design: Design
    length: Adjusting
    control: Adjusting | None
    early: int
    min_support: int
    d_sae: int
    features: Ints
    columns: dict[str, NDArray[Any]]
    support: Ints
    n_tokens: NDArray[np.int64]

    def entries(self) -> Sequence[Entries]:
        """Gather the entries of the tested features again."""
        live = self.design.side >= 0
        parts = gather(self.sets, self.tap, self.features, self.support, live, self.early)
        return list(parts)


def diff(
    a: AnyCorpus,
    b: AnyCorpus,
    *,
    pair_on: str | None = None,
    group: str | None = None,
    control: str | Sequence[str] | None = None,
    tap: str | None = None,
    min_support: int | None = None,
    top: int | None = 20,
    seed: int = 0,
    names: Names | None = None,
    snippets: bool | int = True,
    labels: FeatureLabels | None = None,
    plain: bool = True,
    null: int = 0,
    sample: int | None = None,
    without: NDArray[np.bool_] | None = None,
    on_progress: Callable[[str], None] | None = None,
) -> DiffResult:
    """Test every feature for a difference in how often it is present in two sets of documents.

    Parameters
    ----------
    a, b : Corpus, path, or what can be encoded
        The sets, read by comparable readers; see :func:`saetext.opening.as_corpora` on files and texts.
    pair_on : str, optional
        Column on which rows belong together; rows without a partner are left out. Keys that occur once in
        each set make pairs (McNemar), keys that repeat make strata (Cochran-Mantel-Haenszel). By default
        ``prompt_id`` or ``prompt`` is used if at least 90 % of each set find a partner; an empty string
        never pairs.
    group : str, optional
        Column of documents that are not independent of each other (users, conversations): groups that are in
        one set each are exchanged as wholes, groups in both sets are strata.
    control : str or sequence of str, optional
        Columns to adjust for like for length: numbers in quantiles, anything else by value.
    tap : str, optional
        Which tap; needed only when there are several.
    min_support : int, optional
        Documents of both sets together in which a feature must be present to be tested; by default 5 or
        0.05 % of them, whichever is more.
    top : int, optional
        Findings to keep, None for all: a concept group with all its members is one. Tests and q are over
        all features with support.
    seed : int
        For the split into halves, the samples for groups and plain words, and the null check.
    names : tuple of str, optional
        What to call the sets; by default the names of their files, or "a" and "b".
    snippets : bool or int
        Whether rows get their snippets, or how many of the first rows do.
    labels : FeatureLabels, optional
        What to call the features; by default the labels of A, see :func:`saetext.known_labels.labels_for`.
    plain : bool
        Whether to run the same tests on plain words and counts of format, and linear models of each family.
    null : int
        How many times to repeat the tests with shuffled labels.
    sample : int, optional
        Compare a random choice of at most so many documents, whole pairs or groups of them.
    without : bool array, optional
        Rows to leave out, those of A first (for a judge who must not know them).
    on_progress : callable, optional
        Called with what is being done.

    Returns
    -------
    DiffResult

    Raises
    ------
    IncompatibleError
        If different readers made the sets.
    InputError
        If a set is empty, a column is missing, or a key pairs nothing.
    """
    say = on_progress or (lambda _: None)
    names = names or _names((a, b))
    sets: list[CorpusLike] = as_corpora((a, b))
    one, other = sets
    name = one.spec.tap(tap).name
    require_comparable(one.spec, other.spec, name, names=names)
    _require_documents(sets, names)
    if top is not None and top < 0:
        raise InputError(f"the number of findings to keep must be at least 0, not {top}")
    if null < 0:
        raise InputError(f"the number of times to shuffle must be at least 0, not {null}")
    controls = [control] if isinstance(control, str) else list(control or ())
    side = np.repeat(np.array([0, 1], np.int8), [one.n_documents, other.n_documents])
    design = make_design(sets, side, names, pair_on=pair_on, group=group, seed=seed)
    if sample is not None:
        design = sampled(design, sample, seed)
    if without is not None:
        design = design.without(without)
    say("counting")
    done = compare(sets, name, design, names, controls=controls, min_support=min_support)
    notes = [*design.notes, *_numerics_notes(one.spec, other.spec, names), *_length_notes(done, names)]
    at = order(done.columns, done.features)
    n_significant = int((done.columns["q"] < ALPHA).sum())
    if not len(at):
        notes.append(f"no feature is present in {done.min_support} or more documents, so nothing was tested")
    elif not done.columns["diff"].any():
        notes.append("every feature is equally frequent in both sets: are they the same documents?")

    say("grouping")
    leaders = _leaders(done, at, n_significant, seed)
    n_found = max(n_significant, int(done.columns["confirmed"].sum()))
    n_groups = len(np.unique(leaders[:n_found]))
    at, leaders = _together(at, done.features, leaders, top)
    features = done.features[at]

    say("looking for examples")
    illustrated = features if snippets is True else features[: max(int(snippets), 0)]
    evidence = _evidence(done, sets, names, illustrated, notes)
    if labels is None:
        labels = labels_for(one, name)
    else:
        labels.require_for(one.spec.tap(name))
    shown = {key: column[at] for key, column in done.columns.items()}
    table = _table(features, labels, shown, evidence, leaders)

    families: tuple[Family, ...] = ()
    if plain:
        from saetext.diff.families import compare_families

        families, told = compare_families(done, names, seed=seed, on_progress=say)
        notes += told
    check = None
    if null:
        from saetext.diff.null import null_check

        say("shuffling labels")
        check = null_check(done.entries, design, null, seed, lambda i, n: say(f"shuffling labels {i}/{n}"))
        notes.append(check.describe())
    params = {
        "a": names[0],
        "b": names[1],
        "tap": name,
        "design": design.kind,
        "pair_on": design.column if design.kind in ("paired", "by prompt") else None,
        "group": design.column if group else None,
        "control": controls or None,
        "test": TESTS[design.kind],
        "interval": INTERVALS[design.kind],
        "level": LEVEL,
        "alpha": ALPHA,
        "min_support": done.min_support,
        "early_tokens": done.early,
        "top": top,
        "sample": sample,
        "seed": seed,
    }
    rows = [design.rows(s) for s in (0, 1)]
    metrics: dict[str, Any] = {
        "documents_a": one.n_documents,
        "documents_b": other.n_documents,
        "compared_a": rows[0],
        "compared_b": rows[1],
        "pairs": rows[0] if design.kind == "paired" else None,
        "units": None if design.kind == "independent" else design.n_units,
        "median_tokens_a": _median(done, 0),
        "median_tokens_b": _median(done, 1),
        "length_overlap": done.length.overlap,
        "features": done.d_sae,
        "tested": len(done.features),
        "significant": n_significant,
        "confirmed": int(done.columns["confirmed"].sum()),
        "findings": n_groups,
        "families": {
            f.name: {
                "tested": f.tested, "significant": f.significant, "confirmed": f.confirmed, "auc": f.auc
            }
            for f in families
        },
        "null": dataclasses.asdict(check) if check else None,
    }  # fmt: skip
    sources = tuple(Source(label, str(c.path), c.fingerprint) for label, c in zip(names, sets, strict=True))
    return DiffResult(
        "diff", table, params, metrics, tuple(notes), sources, evidence, families, check, design=design
    )


def _names(sources: Sequence[object]) -> Names:
    found = names_of(sources)
    return ("a", "b") if found is None else (found[0], found[1])


def diff_by(
    corpus: AnyCorpus, column: str, values: Sequence[str] | None = None, **settings: Any
) -> DiffResult:
    """Compare the documents of one corpus that have one value in a column with those that have another.

    Parameters
    ----------
    corpus : Corpus, path, or what can be encoded
        The documents.
    column : str
        A column of them.
    values : sequence of str, optional
        The two values, A's first, as text. May be left out if the column has exactly two; then they are
        taken in alphabetical order.
    **settings
        As :func:`diff`, but for ``names``.

    Returns
    -------
    DiffResult

    Raises
    ------
    InputError
        If there is no such column, or it does not have those two values; the message lists what it has.
    """
    chosen, (a, b) = split_by(as_corpus(corpus), column, values, exactly=2)
    result = diff(a, b, names=(chosen[0], chosen[1]), **settings)
    sources = tuple(dataclasses.replace(s, where=f"{column} = {s.name}") for s in result.sources)
    return dataclasses.replace(result, params={**result.params, "by": column}, sources=sources)


def split_by(
    corpus: CorpusLike, column: str, values: Sequence[str] | None, exactly: int | None = None
) -> tuple[list[str], list[CorpusLike]]:
    """Return the values of a column that are compared, and a view of the documents of each.

    Raises
    ------
    InputError
        If there is no such column, or it does not have those values (``exactly`` so many, if given).
    """
    import polars as pl

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
    if exactly == 2 and (len(chosen) != 2 or chosen[0] == chosen[1]):
        raise InputError(f"two values of {column} are compared; it has: {listing}")
    if len(chosen) < 2 or len(set(chosen)) < len(chosen):
        raise InputError(f"two or more different values of {column} are compared; it has: {listing}")
    for text in chosen:
        if text not in present:
            raise InputError(f"no document has {column} = {text!r}; it has: {listing}")
    return chosen, [corpus.select(pl.col(column).cast(pl.String) == text) for text in chosen]


def compare(
    sets: Sequence[CorpusLike],
    tap: str,
    design: Design,
    names: Sequence[str],
    *,
    controls: Sequence[str] = (),
    min_support: int | None = None,
) -> Compared:
    """Count and test every feature with support."""
    d_sae = sets[0].spec.tap(tap).d_sae
    live = design.side >= 0
    n_tokens = np.concatenate(
        [c.documents.select("n_tokens").collect()["n_tokens"].to_numpy().astype(np.int64) for c in sets]
    )
    length = Adjusting.by(bins(n_tokens.astype(np.float64), live), design)
    code = np.zeros(len(live), np.int32)
    for column in controls:
        code = crossed(code, column_bins(sets, names, column, live))
    if code.max(initial=0) >= MOST_BINS:
        raise InputError(
            f"{', '.join(controls)} make {code.max() + 1:,} combinations of values, more than {MOST_BINS} "
            "can be compared within; control for fewer columns"
        )
    control = Adjusting.by(code, design)
    early = [int(np.quantile(n_tokens[design.side == s], _EARLY)) for s in (0, 1) if design.rows(s)]
    counts = support(sets, tap, live, d_sae)
    if min_support is None:
        min_support = max(5, -(-int(live.sum()) // 2000))
    features = np.flatnonzero(counts >= max(min_support, 1))
    first = max(1, min(early, default=1))
    sums: Sums = measure(gather(sets, tap, features, counts, live, first), design, length, control)
    tested = numbers(sums, design, length, control if controls else None)
    return Compared(
        sets, tap, design, length, control if controls else None, first, int(min_support), d_sae, features,
        tested, counts, n_tokens,
    )  # fmt: skip


def sampled(design: Design, sample: int, seed: int) -> Design:
    """Return a design of at most ``sample`` documents.

    Raises
    ------
    InputError
        If that is less than two.
    """
    if sample < 2:
        raise InputError(f"a sample has at least 2 documents, not {sample}")
    return design if (design.side >= 0).sum() <= sample else design.without(~design.within(sample, seed))


def _require_documents(sets: Sequence[CorpusLike], names: Sequence[str]) -> None:
    for label, corpus in zip(names, sets, strict=True):
        if corpus.n_documents == 0:
            raise InputError(f"{label} ({corpus.path}) has no documents; both sets need some")


def _leaders(done: Compared, at: Ints, n_significant: int, seed: int) -> Ints:
    """Return the leader of each row, in the order of rows; rows that differ by chance stay alone."""
    from saetext.reader.directions import decoder_of

    found = at[: max(n_significant, int(done.columns["confirmed"].sum()))]
    leaders = done.features[at].copy()
    if len(found) > 1:
        starts = np.cumsum([0] + [c.n_documents for c in done.sets])
        selections = [
            Selection(corpus, np.flatnonzero(done.design.side[low:high] >= 0))
            for corpus, low, high in zip(done.sets, starts, starts[1:], strict=False)
        ]
        sign = np.sign(done.columns["diff"][found]).astype(np.int64)
        decoder = decoder_of(done.sets[0].spec, done.tap)
        leaders[: len(found)] = concept_groups(
            selections, done.tap, done.features[found], sign=sign, decoder=decoder, seed=seed
        )
    return leaders


def _together(at: Ints, features: Ints, leaders: Ints, top: int | None) -> tuple[Ints, Ints]:
    """Put members behind their leaders and keep the first ``top`` groups; return rows and leaders."""
    rank = {int(feature): place for place, feature in enumerate(features[at].tolist())}
    place = np.array([rank[leader] for leader in leaders.tolist()], np.int64)
    arranged = np.lexsort((np.arange(len(at)), place))
    at, leaders, place = at[arranged], leaders[arranged], place[arranged]
    groups = np.unique(place)
    if top is not None and top < len(groups):
        keep = place < groups[top]
        at, leaders = at[keep], leaders[keep]
    return at, leaders


def _evidence(
    done: Compared, sets: Sequence[CorpusLike], names: Names, features: Ints, notes: list[str]
) -> Mapping[int, tuple[Example | None, Example | None]]:
    starts = np.cumsum([0] + [c.n_documents for c in sets])
    found = []
    for label, corpus, low, high in zip(names, sets, starts, starts[1:], strict=False):
        kept = done.design.side[low:high] >= 0
        examples = strongest(corpus, done.tap, features, kept, done.d_sae)
        if examples is None:
            notes.append(f"the texts of {label} ({corpus.path}) are not stored, so it has no snippets")
        found.append(examples or {})
    return {f: (found[0].get(f), found[1].get(f)) for f in features.tolist()}


def _median(done: Compared, side: int) -> float:
    return float(np.median(done.n_tokens[done.design.side == side])) if done.design.rows(side) else 0.0


def _length_notes(done: Compared, names: Names) -> list[str]:
    lengths = _median(done, 0), _median(done, 1)
    if max(lengths) < LENGTH_RATIO * max(min(lengths), 1):
        return []
    note = (
        f"the median document has {lengths[0]:g} tokens in {names[0]} and {lengths[1]:g} in {names[1]}, and "
        "longer documents have more of most features: see which differences remain at equal length"
    )
    if done.length.overlap < LEAST_OVERLAP:
        note += (
            f"; only {100 * done.length.overlap:.0f} % of the documents have a length that both sets have, "
            "so length cannot be told from the rest"
        )
    return [note]


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
    found: Mapping[str, NDArray[Any]],
    evidence: Mapping[int, tuple[Example | None, Example | None]],
    leaders: Ints,
) -> pl.DataFrame:
    import polars as pl

    def snippets(side: int) -> pl.Series:
        examples = [evidence.get(feature, (None, None))[side] for feature in features.tolist()]
        return pl.Series([example and example.snippet.marked() for example in examples], dtype=pl.String)

    data: dict[str, Any] = {
        "feature": features,
        "label": pl.Series([printable(labels.label(f)) for f in features.tolist()], dtype=pl.String),
        "label_score": pl.Series([labels.score(f) for f in features.tolist()], dtype=pl.Float32),
        "group": leaders,
        "snippet_a": snippets(0),
        "snippet_b": snippets(1),
        **as_columns(found),
    }
    rest = [name for name in data if name not in COLUMNS]
    return pl.DataFrame({name: data[name] for name in (*COLUMNS, *rest)})


def as_columns(found: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Return the numeric columns as Polars series: NaN is null, verdicts are text."""
    import polars as pl

    columns: dict[str, Any] = {}
    for name, column in found.items():
        if column.dtype == object:
            columns[name] = pl.Series(column.tolist(), dtype=pl.String)
        elif column.dtype.kind == "f":
            columns[name] = pl.Series(column).fill_nan(None)
        else:
            columns[name] = column
    return columns
