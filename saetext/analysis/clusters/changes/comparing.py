"""The same clusters in several sets, such as months: how large each is in each set, and what changed.

One clustering is fitted to all sets together, or all are placed in clusters that were fitted earlier. Not
for: what differs inside of a cluster (:mod:`saetext.analysis.differences`), or one corpus along a date
(:mod:`saetext.analysis.clusters.changes.over_time`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.base import Source
from saetext.analysis.clusters import run
from saetext.analysis.clusters.already_fitted import already_fitted
from saetext.analysis.clusters.changes.pairing import Units, paired_shares, shared_keys, units_among, units_of
from saetext.analysis.clusters.changes.table import changes_table
from saetext.analysis.clusters.request import ClusterRequest, CompareRequest, PredictRequest
from saetext.analysis.clusters.result import ClusterResult
from saetext.corpus.joined import Joined
from saetext.corpus.protocol import CorpusLike, Ints
from saetext.corpus.spec import require_comparable
from saetext.encoding.opening import as_corpora, names_of
from saetext.errors import InputError, refuse_unused
from saetext.io.request import verb_of_many
from saetext.stats.multiple import benjamini_hochberg
from saetext.stats.shares import SetShares, compare_shares
from saetext.text.near_copies import near_copies
from saetext.text.one_line import many, quoted

if TYPE_CHECKING:
    from saetext.analysis.clusters.model import ClusterModel
    from saetext.encoding.opening import AnyCorpus

ALPHA = 0.05
MOST_SETS = 50
ONLY = 0.05  # share in the other sets, relative to that in one, up to which a cluster is only in that one
_SET_BY_SET = ("where", "clusters", "sample")  # options by which documents were selected, set by set
_EVEN = 0.01  # by which the fitted part of sets may differ for all their documents to be counted


@verb_of_many(CompareRequest)
def compare(corpora: tuple[AnyCorpus, ...], request: CompareRequest) -> ClusterResult:
    """Cluster several sets together, and say which clusters are larger in one of them.

    Parameters
    ----------
    corpora : Corpus, path, or what can be encoded
        Two sets or more, read by comparable readers.

    Returns
    -------
    ClusterResult
        Of all documents. ``changes`` has a row a cluster, and ``documents`` the column ``set``.

    Raises
    ------
    IncompatibleError
        If different readers made the corpora.
    InputError
        If there are fewer than two sets or too many, one is empty, or pairs are asked for that there are not.

    Examples
    --------
    >>> import saetext
    >>> from saetext.analysis.clusters import compare
    >>> pile = saetext.Corpus.open("gentle.corpus")
    >>> sets = pile.select("n_tokens < 100"), pile.select("n_tokens >= 100")
    >>> found = compare(*sets, names=["short", "long"], min_cluster_size=8, top=3)
    >>> found.changes.columns[:4], found.changes.height == found.n_clusters + 1
    (['cluster', 'name', 'set', 'change'], True)
    """
    asked = _opened(corpora, request)
    joined, model = asked.joined, request.model
    side = joined.side
    units = None if request.pair_on is None else units_of(joined.sets, asked.names, request.pair_on)
    result = _clustered(joined, request)
    counted, notes = _counted(result, side, asked.names)
    if units is not None and request.pair_on is not None:
        units = units_among(units, counted, side, asked.names, request.pair_on)
        counted = units.live
    cluster = result.documents["cluster"].to_numpy()
    k = result.n_clusters
    counts, totals = _count(cluster, side, counted, k, len(asked.names))
    if not totals.all():
        raise InputError(f"no documents of {asked.names[int(totals.argmin())]} are left to compare")
    shares = counts / np.maximum(totals, 1)
    found, shares = _tested(cluster, side, counted, units, counts, totals, shares, request)
    q = benjamini_hochberg(found.p)
    copied = near_copies(_texts(joined, counted))
    copies = _largest_copy(cluster, side, counted, copied, shares, asked.names)
    once = None if units is not None else _counted_once(cluster, side, counted, copied, k, len(asked.names))
    import polars as pl

    names = [*result.table["name"].to_list(), None]
    changes = changes_table(
        [*range(1, k + 1), 0], names, asked.names, counts, shares, found, q,
        only_in=_only_in(found, q, shares, counts, asked.names), copies=copies, once=once,
    )  # fmt: skip
    notes += _pair_notes(joined, asked.names, units, request)
    notes += asked.notes
    table = result.documents.select(
        "row", "id", pl.Series("set", np.array(asked.names)[side].tolist(), dtype=pl.String),
        pl.exclude("row", "id"),
    )  # fmt: skip
    metrics = {
        **result.metrics,
        "sets": dict(zip(asked.names, joined.sizes, strict=True)),
        "counted": {name: int(n) for name, n in zip(asked.names, totals.tolist(), strict=True)},
        "changed": int((q[:-1] < ALPHA).sum()),
    }
    params = {
        **result.params, "sets": list(asked.names), "pair_on": request.pair_on,
        **{name: value for name, value in request.params().items() if name in _SET_BY_SET},
        "design": "independent" if units is None else units.kind,
    }  # fmt: skip
    if model is not None:
        notes.append("what is new is in none of these clusters: look at how many documents are in none")
    return dataclasses.replace(
        result, documents=table, params=params, metrics=metrics, notes=(*notes, *result.notes),
        sources=asked.sources, changes=changes,
    )  # fmt: skip


def joined_of(corpora: Sequence[AnyCorpus], request: CompareRequest) -> Joined:
    """Return the documents that :func:`compare` looks at, with the column ``set``."""
    return _opened(corpora, request).joined


@dataclass(frozen=True, eq=False)
class _Asked:
    joined: Joined
    names: tuple[str, ...]
    sources: tuple[Source, ...]
    notes: list[str]


def _opened(corpora: Sequence[AnyCorpus], request: CompareRequest) -> _Asked:
    """Open the sets; what cannot be compared is refused before anything is fitted."""
    if request.over is not None:
        raise InputError("over is for one corpus: compare sets, or look at one over time")
    if not 2 <= len(corpora) <= MOST_SETS:
        raise InputError(f"2 to {MOST_SETS} sets are compared, and {len(corpora)} were given")
    if request.model is not None:
        settled = sorted(set(ClusterRequest.option_names()) - set(PredictRequest.option_names()))
        told = {name for name, value in request.changed(*settled).items() if value or value is False}
        refuse_unused(
            "the model's clusters are as they were fitted; leave it out, or the model",
            **dict.fromkeys(sorted(told), True),
        )
    if request.pair_on is not None and len(corpora) != 2:
        raise InputError(f"documents of two sets make pairs, and these are {len(corpora)}: leave out pair_on")
    opened: list[CorpusLike] = as_corpora(corpora)
    names = tuple(request.names or names_of(corpora) or _unnamed(opened))
    if len(names) != len(opened) or len(set(names)) != len(names):
        raise InputError(f"every set needs a name of its own: {len(opened)} sets, names {', '.join(names)}")
    sae = opened[0].spec.sae(request.sae).name if request.model is None else request.model.sae
    for corpus, name in zip(opened[1:], names[1:], strict=True):
        require_comparable(opened[0].spec, corpus.spec, sae, names=(names[0], name))
    sets = [request.chosen(corpus, name) for corpus, name in zip(opened, names, strict=True)]
    for corpus, name in zip(sets, names, strict=True):
        if not corpus.n_documents:
            raise InputError(f"{name} ({corpus.path}) has no documents; every set needs some")
    sources = tuple(
        Source.of(corpus, name, condition=request.where) for corpus, name in zip(sets, names, strict=True)
    )
    own, notes = _own(request.model, sets, names)
    again = [i for i, one in enumerate(sets) if one.fingerprint in [o.fingerprint for o in sets[:i]]]
    if again:
        raise InputError(f"{names[again[0]]} is the same corpus as another set: nothing can have changed")
    return _Asked(Joined(sets, names, own), names, sources, notes)


def _unnamed(opened: Sequence[CorpusLike]) -> list[str]:
    stems = [corpus.path.name.removesuffix(".corpus") for corpus in opened]
    return stems if len(set(stems)) == len(stems) else [f"set {i + 1}" for i in range(len(stems))]


def _own(
    model: ClusterModel | None, sets: Sequence[CorpusLike], names: Sequence[str]
) -> tuple[Ints | None, list[str]]:
    """Return which fitted document each document is, so that none votes for where it goes itself."""
    if model is None:
        return None, []
    own, notes = already_fitted(model, list(sets)), []
    for fitted, name in zip(own, names, strict=True):
        if (number := int((fitted >= 0).sum())) == 0:
            continue
        of, each = f"{many(number, 'document')} of {name}", "these were"
        if number == len(fitted):
            of, each = name, "each of its documents was"
        notes.append(f"the clusters were fitted to {of}: {each} placed by the others, as new ones are")
    return np.concatenate(own), notes


def _clustered(joined: Joined, request: CompareRequest) -> ClusterResult:
    name = " and ".join(joined.names) if len(joined.names) < 4 else f"{len(joined.names)} sets"
    selected = dict.fromkeys(_SET_BY_SET) | {"name": name}
    kind = ClusterRequest if request.model is None else PredictRequest
    given = {option: getattr(request, option) for option in kind.option_names()} | selected
    if request.model is not None:
        return run.predict(request.model, joined, **given | {"seed": 0})
    return run.cluster(joined, **given)


def _counted(result: ClusterResult, side: Ints, names: Sequence[str]) -> tuple[NDArray[np.bool_], list[str]]:
    """Return which documents are counted: all, or those that were fitted where sets differ in their part.

    A fitted document and a placed one are not equally often in a cluster; where all of a set were fitted and
    few of another, that difference would pass for a change.
    """
    placed = result.documents["placed"].to_numpy()
    if result.params.get("model") is not None or not placed.any():
        return np.ones(len(side), bool), []
    part = [1 - float(placed[side == s].mean()) for s in range(len(names))]
    fitted = ", ".join(f"{int((~placed & (side == s)).sum()):,} of {names[s]}" for s in range(len(names)))
    if max(part) - min(part) <= _EVEN:
        return np.ones(len(side), bool), [
            f"fitted to {fitted}, drawn at random; the others were placed by them"
        ]
    return ~placed, [
        f"fitted to {fitted}, drawn at random so that no set outweighs the others; shares and changes are of "
        "these documents, the others were placed by them"
    ]


def _count(
    cluster: NDArray[Any], side: Ints, counted: NDArray[np.bool_], k: int, sets: int
) -> tuple[Ints, Ints]:
    """Return int64[k + 1, sets], the last row for no cluster, and the totals."""
    code = cluster[counted].astype(np.int64) * sets + side[counted]
    counts = np.bincount(code, minlength=(k + 1) * sets).reshape(k + 1, sets)
    counts = np.concatenate([counts[1:], counts[:1]])
    return counts, counts.sum(0)


def _tested(
    cluster: NDArray[Any],
    side: Ints,
    counted: NDArray[np.bool_],
    units: Units | None,
    counts: Ints,
    totals: Ints,
    shares: NDArray[np.float64],
    request: CompareRequest,
) -> tuple[SetShares, NDArray[np.float64]]:
    if units is None:
        return compare_shares(counts, totals), shares
    return paired_shares(cluster, side, counted, units, len(counts) - 1, request.seed)


def _only_in(
    found: SetShares, q: NDArray[np.float64], shares: NDArray[np.float64], counts: Ints, names: Sequence[str]
) -> list[str | None]:
    """Return of each cluster the set that it is only in, or nearly: by more than chance."""
    only: list[str | None] = []
    for row in range(len(q)):
        most = int(shares[row].argmax())
        rest = np.delete(shares[row], most).max()
        new = q[row] < ALPHA and rest <= ONLY * shares[row, most] and row < len(q) - 1
        only.append(names[most] if new else None)
    return only


def _texts(joined: Joined, counted: NDArray[np.bool_]) -> list[str | None]:
    import polars as pl

    there = joined.documents.collect_schema().names()
    if "text" not in there:
        return [None] * int(counted.sum())
    texts = joined.documents.select(pl.col("text").str.slice(0, 4000)).collect()["text"]
    return list(texts.filter(pl.Series(counted)).to_list())


def _largest_copy(
    cluster: NDArray[Any],
    side: Ints,
    counted: NDArray[np.bool_],
    copied: Ints,
    shares: NDArray[np.float64],
    names: Sequence[str],
) -> list[tuple[int, str | None]]:
    """Return how many documents of a cluster are one text, in the set where it has its largest share."""
    mine, theirs = cluster[counted], side[counted]
    found: list[tuple[int, str | None]] = []
    for row in range(len(shares) - 1):
        at = int(shares[row].argmax())
        inside = copied[(mine == row + 1) & (theirs == at)]
        found.append((int(np.bincount(inside).max()), names[at]) if len(inside) else (0, None))
    return [*found, (0, None)]


def _counted_once(
    cluster: NDArray[Any], side: Ints, counted: NDArray[np.bool_], copied: Ints, k: int, sets: int
) -> tuple[SetShares, NDArray[np.float64]]:
    """Return the comparison in which texts that are one, nearly word for word, count once in each set."""
    rows = np.flatnonzero(counted)
    _, first = np.unique(np.stack([side[rows], copied]), axis=1, return_index=True)
    kept = np.zeros(len(side), bool)
    kept[rows[first]] = True
    counts, totals = _count(cluster, side, kept, k, sets)
    found = compare_shares(counts, totals)
    return found, benjamini_hochberg(found.p)


def _pair_notes(
    joined: Joined, names: Sequence[str], units: Units | None, request: CompareRequest
) -> list[str]:
    if units is not None:
        return list(units.notes)
    if (shared := shared_keys(joined.sets)) is None:
        return []
    column, number = shared
    return [
        f"{many(number, 'document')} of {quoted(names[0], 30)} share their {column} with others: all "
        f"were taken as independent, which repeated prompts are not; --pair-on {column} compares within each"
    ]
