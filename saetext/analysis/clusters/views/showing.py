"""Which view is shown, and what is said of the others: between a request and the looking.

Not for: the looking (:mod:`saetext.analysis.clusters.views.looking`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from saetext.analysis.clusters.drawn import drawn
from saetext.analysis.clusters.validation import known_labels
from saetext.analysis.clusters.views.looking import (
    EMBEDDING,
    FEWEST,
    View,
    Views,
    look,
    require_embeddings,
    several,
    view_axis,
)
from saetext.analysis.clusters.views.themes import THEMED
from saetext.corpus.joined import Joined
from saetext.corpus.protocol import CorpusLike
from saetext.errors import InputError
from saetext.io.progress import Say

if TYPE_CHECKING:
    from saetext.analysis.clusters.request import ClusterRequest


def looked_at(corpus: CorpusLike, sae: str, request: ClusterRequest, say: Say) -> Views | None:
    """Look at a pile as asked: through all views, through one, or not at all.

    Raises
    ------
    InputError
        If a view is asked for and there are too few documents, or it cannot be had.
    """
    rows, _ = drawn(corpus, request)
    n = len(rows)
    unseen = isinstance(corpus, Joined)  # changes are shown of several sets, and views would be in no line
    if request.view is None and (
        unseen or not request.looks or n < FEWEST or not several(corpus, sae, request, n)
    ):
        return None
    if n < FEWEST:
        fitted = " to fit" if n < corpus.n_documents else ""
        raise InputError(
            f"{n:,} documents{fitted} are too few to look at by views: there should be {FEWEST} or more; "
            + ("raise --fit-on, or leave out --view" if fitted else "leave out --view")
        )
    if request.view == EMBEDDING:
        require_embeddings(corpus, n)
    if request.view is not None and request.view in THEMED:
        view_axis(corpus.spec, sae, request.view)
    return look(corpus, sae, request, rows, say, None if request.looks else request.view)


def shown_view(seen: Views | None, request: ClusterRequest) -> View | None:
    """Return the view whose groups are shown; None for clusters of all features by density."""
    if seen is None or request.view is None:
        return None
    return seen.recommended if request.view == "recommended" else seen.named(request.view)


def view_metrics(
    corpus: CorpusLike, seen: Views | None, shown: View | None, request: ClusterRequest
) -> dict[str, Any]:
    """Return ``views``, a row each, the best first, ``recommended``, ``shown_view``, ``views_documents``."""
    if seen is None:
        return {}
    truth = None if request.truth is None else known_labels(corpus, request.truth).gather(seen.rows)

    def told(view: View) -> dict[str, Any]:
        return view.row() | ({} if truth is None else _scored(view, truth))

    return {
        "views": [told(view) for view in seen.views],
        "shown_view": None if shown is None else told(shown),
        "recommended": None if seen.recommended is None else seen.recommended.name,
        "views_documents": len(seen.rows),
    }


def view_notes(seen: Views | None, shown: View | None, wanted: str | None, looked: bool) -> list[str]:
    """Say where no view shows groups, or the one that is shown does not."""
    if seen is None:
        return []
    if looked and seen.recommended is None:
        note = (
            "no view shows groups that are found again in other documents: the pile is one cloud, and its "
            "clusters are parts of it"
        )
        return [note if wanted != "recommended" else f"{note} (shown: clusters of all features)"]
    if shown is not None and not shown.n_clusters:
        return [
            f"no structure by {shown.name}: the groups are hardly more stable than those of shuffled "
            f"features ({shown.found.shuffled:.2f})"
        ]
    return []


def _scored(view: View, truth: Any) -> dict[str, float | None]:
    """Return how well the groups of the sample agree with known labels; None without any label."""
    from sklearn import metrics

    known = truth.is_not_null().to_numpy()
    if known.sum() < 2:
        return {"ari": None, "nmi": None}
    labels, groups = truth.filter(np.asarray(known)).to_numpy(), view.groups[known]
    return {
        "ari": float(metrics.adjusted_rand_score(labels, groups)),
        "nmi": float(metrics.normalized_mutual_info_score(labels, groups)),
    }
