"""Several sets: each against the rest, as one table and one features x sets matrix.

Not for: two sets (:mod:`saetext.diff.compare`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from saetext import stats
from saetext.diff.compare import INTERVALS, TESTS, Compared, as_columns, compare, sampled, split_by
from saetext.diff.design import make_design
from saetext.diff.testing import ALPHA, LEVEL
from saetext.errors import InputError
from saetext.evidence import Example, printable, strongest
from saetext.groups import Selection, concept_groups
from saetext.known_labels import labels_for
from saetext.labels import FeatureLabels
from saetext.opening import as_corpora, as_corpus, names_of
from saetext.protocols import CorpusLike, Ints
from saetext.result import Result, Source
from saetext.spec import require_comparable

if TYPE_CHECKING:
    import polars as pl

    from saetext.opening import AnyCorpus

Against = Literal["union", "mean", "max"]
MOST_SETS = 50


@dataclass(frozen=True, eq=False, repr=False)
class SetsResult(Result):
    """How each of several sets differs from the rest.

    ``table`` has a row for each feature and set: ``feature``, ``label``, ``label_score``, ``set``; ``n`` and
    ``rate``, the documents of the set with the feature and their share; ``rate_rest``, the share in all
    other sets together; ``diff``, ``ci_low``, ``ci_high``, ``odds_ratio``, ``p``, ``auc``, the
    length-adjusted columns and those of confirmation as in :class:`saetext.diff.DiffResult`, for the set
    against the union of the others; ``q`` over all features and sets; ``diff_mean`` and ``diff_max``, the
    rate less the mean and the maximum of the other sets' rates; ``group``; ``snippet``.

    Rows that are confirmed come first, then other significant ones, each by size of the chosen difference
    (``params["against"]``) and those that length explains last.

    Attributes
    ----------
    rates : polars.DataFrame
        ``feature``, ``label`` and the rate in each set, for the features of the table in its order.
    evidence : mapping
        (feature, set) to its strongest example there, for the features of the table in all sets.
    """

    rates: pl.DataFrame = field(kw_only=True)
    evidence: Mapping[tuple[int, str], Example | None] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        """What the sets are called."""
        return tuple(self.params["sets"])


def diff_sets(
    sets: Sequence[AnyCorpus],
    *,
    names: Sequence[str] | None = None,
    against: Against = "union",
    pair_on: str | None = None,
    group: str | None = None,
    control: str | Sequence[str] | None = None,
    tap: str | None = None,
    min_support: int | None = None,
    top: int | None = 20,
    sample: int | None = None,
    seed: int = 0,
    labels: FeatureLabels | None = None,
    on_progress: Callable[[str], None] | None = None,
) -> SetsResult:
    """Compare each of several sets with the others.

    Parameters
    ----------
    sets : sequence of Corpus, path, or what can be encoded
        Two to fifty sets, read by comparable readers.
    names : sequence of str, optional
        What to call them; by default the names of their files. Sets that have none need names.
    against : {"union", "mean", "max"}
        What a set's rate is compared with when rows are ranked: the rate in all others together (which is
        what is tested), the mean of the others' rates, or the largest of them.
    pair_on, group, control, tap, min_support, labels, sample, seed, on_progress
        As :func:`saetext.diff.diff`. Answers to the same prompts are compared within each prompt.
    top : int, optional
        Findings (feature and set, a concept group once) to keep; None for all.

    Returns
    -------
    SetsResult

    Raises
    ------
    IncompatibleError, InputError
        As :func:`saetext.diff.diff`.
    """
    import polars as pl

    say = on_progress or (lambda _: None)
    names = names or names_of(sets)
    if names is None:
        raise InputError("every set needs a name of its own: give names=[...]")
    if not 2 <= len(sets) <= MOST_SETS:
        raise InputError(f"2 to {MOST_SETS} sets are compared, not {len(sets)}")
    if len(set(names)) != len(sets):
        raise InputError("every set needs a name of its own")
    if against not in get_args(Against):
        raise InputError(f"unknown comparison {against!r}; choose one of {', '.join(get_args(Against))}")
    if top is not None and top < 0:
        raise InputError(f"the number of findings to keep must be at least 0, not {top}")
    opened: list[CorpusLike] = as_corpora(sets)
    name = opened[0].spec.tap(tap).name
    for other, label in zip(opened[1:], names[1:], strict=True):
        require_comparable(opened[0].spec, other.spec, name, names=(names[0], label))
    for label, corpus in zip(names, opened, strict=True):
        if not corpus.n_documents:
            raise InputError(f"{label} ({corpus.path}) has no documents; every set needs some")
    controls = [control] if isinstance(control, str) else list(control or ())
    owner = np.repeat(np.arange(len(opened)), [c.n_documents for c in opened])
    done: list[Compared] = []
    told: dict[str, list[str]] = {}
    for number, label in enumerate(names):
        say(f"comparing {label} with the others")
        side = np.where(owner == number, 0, 1).astype(np.int8)
        design = make_design(opened, side, names, pair_on=pair_on, group=group, seed=seed)
        if sample is not None:
            design = sampled(design, sample, seed)
        done.append(compare(opened, name, design, names, controls=controls, min_support=min_support))
        for note in design.notes:
            told.setdefault(note, []).append(label)
    table, features, rates = _long(done, owner, names)
    q = stats.benjamini_hochberg(table["p"])
    table["q"] = q
    size = table[{"union": "diff", "mean": "diff_mean", "max": "diff_max"}[against]]
    ranked = np.maximum(size, 0) if against == "max" else np.abs(size)
    notes = [n if len(which) == len(opened) else f"{', '.join(which)}: {n}" for n, which in told.items()]
    found = (q < ALPHA) | table["confirmed"]
    explained = found & (table["explained_by_length"] == "yes")
    by_size, by_p = np.where(found, -ranked, table["p"]), np.where(found, table["p"], -ranked)
    at = np.lexsort((table["feature"], by_p, by_size, explained, ~found, ~table["confirmed"]))
    say("grouping")
    leaders = _leaders(done[0], opened, at, table, found, seed)
    at, leaders, n_findings = _arranged(at, leaders, table, top)
    labels = _labels(labels, opened[0], name)
    say("looking for examples")
    evidence = _evidence(done, opened, name, names, table, at)
    shown = {key: column[at] for key, column in table.items() if key not in ("feature", "set")}
    set_names = [names[i] for i in table["set"][at]]
    feature = table["feature"][at]
    examples = [evidence.get((f, s)) for f, s in zip(feature.tolist(), set_names, strict=True)]
    frame = pl.DataFrame(
        {
            "feature": feature,
            "label": pl.Series([printable(labels.label(f)) for f in feature.tolist()], dtype=pl.String),
            "label_score": pl.Series([labels.score(f) for f in feature.tolist()], dtype=pl.Float32),
            "set": pl.Series(set_names, dtype=pl.String),
            **as_columns(shown),
            "group": leaders,
            "snippet": pl.Series([e and e.snippet.marked() for e in examples], dtype=pl.String),
        }
    )
    place = {int(f): i for i, f in enumerate(features.tolist())}
    once = list(dict.fromkeys(feature.tolist()))
    matrix = pl.DataFrame(
        {
            "feature": pl.Series(once, dtype=pl.Int64),
            "label": pl.Series([printable(labels.label(f)) for f in once], dtype=pl.String),
            **{
                label: pl.Series([float(rates[place[f], i]) for f in once], dtype=pl.Float64)
                for i, label in enumerate(names)
            },
        }
    )
    designs = [c.design for c in done]
    first = designs[0]
    params = {
        "sets": list(names), "tap": name, "against": against, "design": first.kind,
        "pair_on": first.column if first.kind in ("paired", "by prompt") else None,
        "group": first.column if group else None, "control": controls or None, "level": LEVEL, "alpha": ALPHA,
        "test": TESTS[first.kind], "interval": INTERVALS[first.kind],
        "min_support": done[0].min_support, "top": top, "sample": sample, "seed": seed,
    }  # fmt: skip
    metrics = {
        "documents": {label: c.n_documents for label, c in zip(names, opened, strict=True)},
        "tested": len(features),
        "significant": int((q < ALPHA).sum()),
        "confirmed": int(table["confirmed"].sum()),
        "findings": n_findings,
        "confirmed_by_set": {
            label: int(table["confirmed"][table["set"] == i].sum()) for i, label in enumerate(names)
        },
    }
    sources = tuple(Source(label, str(c.path), c.fingerprint) for label, c in zip(names, opened, strict=True))
    return SetsResult(
        "diff_sets", frame, params, metrics, tuple(notes), sources, rates=matrix, evidence=evidence
    )


def diff_sets_by(
    corpus: AnyCorpus, column: str, values: Sequence[str] | None = None, **settings: Any
) -> SetsResult:
    """Compare the documents of one corpus by the values of a column; all of them unless some are named.

    Raises
    ------
    InputError
        As :func:`saetext.diff.diff_by`.
    """
    chosen, views = split_by(as_corpus(corpus), column, values)
    result = diff_sets(views, names=chosen, **settings)
    sources = tuple(dataclasses.replace(s, where=f"{column} = {s.name}") for s in result.sources)
    return dataclasses.replace(result, params={**result.params, "by": column}, sources=sources)


def _long(
    done: Sequence[Compared], owner: Ints, names: Sequence[str]
) -> tuple[dict[str, NDArray[Any]], Ints, NDArray[np.float64]]:
    """Return the long table's columns, the features that were tested in all, and features x sets rates."""
    features = done[0].features
    for other in done[1:]:
        features = np.intersect1d(features, other.features)
    rates = np.zeros((len(features), len(names)))
    parts: list[dict[str, NDArray[Any]]] = []
    for number, compared in enumerate(done):
        where = np.searchsorted(compared.features, features)
        columns = {key: column[where] for key, column in compared.columns.items()}
        rates[:, number] = columns["rate_a"]
        columns["feature"], columns["set"] = features, np.full(len(features), number)
        parts.append(columns)
    for number, columns in enumerate(parts):
        others = np.delete(rates, number, axis=1)
        columns["diff_mean"] = rates[:, number] - others.mean(1)
        columns["diff_max"] = rates[:, number] - others.max(1)
    table = {key: np.concatenate([p[key] for p in parts]) for key in parts[0]}
    table["n"], table["rate"], table["rate_rest"] = table.pop("n_a"), table.pop("rate_a"), table.pop("rate_b")
    del table["n_b"], table["early_diff"]
    first = ("feature", "set", "n", "rate", "rate_rest", "diff", "ci_low", "ci_high", "diff_mean", "diff_max")
    return {key: table[key] for key in (*first, *(k for k in table if k not in first))}, features, rates


def _leaders(
    compared: Compared,
    sets: Sequence[CorpusLike],
    at: Ints,
    table: dict[str, NDArray[Any]],
    found: NDArray[np.bool_],
    seed: int,
) -> Ints:
    """Return the leading feature of each row, groups being formed among the features of found rows."""
    from saetext.reader.directions import decoder_of

    rows = at[found[at]]
    features = table["feature"][at].copy()
    unique = np.array(list(dict.fromkeys(table["feature"][rows].tolist())), np.int64)
    if len(unique) < 2:
        return features
    selections = [Selection(c, np.arange(c.n_documents)) for c in sets]
    decoder = decoder_of(sets[0].spec, compared.tap)
    leads = concept_groups(selections, compared.tap, unique, decoder=decoder, seed=seed)
    lead = dict(zip(unique.tolist(), leads.tolist(), strict=True))
    return np.array([lead.get(int(f), int(f)) for f in features], np.int64)


def _arranged(
    at: Ints, leaders: Ints, table: dict[str, NDArray[Any]], top: int | None
) -> tuple[Ints, Ints, int]:
    """Put the rows of one concept group, set and sign together; keep the first ``top`` of those."""
    sign = np.sign(table["diff"][at]).astype(int)
    key = list(zip(leaders.tolist(), table["set"][at].tolist(), sign.tolist(), strict=True))
    rank = {k: i for i, k in reversed(list(enumerate(key)))}
    place = np.array([rank[k] for k in key], np.int64)
    arranged = np.lexsort((np.arange(len(at)), place))
    at, leaders, place = at[arranged], leaders[arranged], place[arranged]
    groups = np.unique(place)
    if top is not None and top < len(groups):
        keep = place < groups[top]
        at, leaders = at[keep], leaders[keep]
    return at, leaders, len(groups)


def _labels(labels: FeatureLabels | None, corpus: CorpusLike, tap: str) -> FeatureLabels:
    if labels is None:
        return labels_for(corpus, tap)
    labels.require_for(corpus.spec.tap(tap))
    return labels


def _evidence(
    done: Sequence[Compared],
    sets: Sequence[CorpusLike],
    tap: str,
    names: Sequence[str],
    table: dict[str, NDArray[Any]],
    at: Ints,
) -> dict[tuple[int, str], Example | None]:
    found: dict[tuple[int, str], Example | None] = {}
    start = 0
    # of all sets, since a finding about one is shown beside an example of the others
    wanted = np.unique(table["feature"][at])
    for number, (label, corpus) in enumerate(zip(names, sets, strict=True)):
        kept = done[number].design.side[start : start + corpus.n_documents] >= 0
        start += corpus.n_documents
        examples = strongest(corpus, tap, wanted, kept, done[0].d_sae) or {}
        found |= {(int(f), label): examples.get(int(f)) for f in wanted}
    return found
