"""Which concepts travel together: pairs of features, of features of two corpora, or a feature and a column.

Not for: the parts, each of which has a module of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.base import Source
from saetext.analysis.circular import circular_notes
from saetext.analysis.cooccurrence.against_number import correlate_with_number, length_notes
from saetext.analysis.cooccurrence.asked import Target, target_of, told_to, wanted
from saetext.analysis.cooccurrence.context import Context
from saetext.analysis.cooccurrence.descriptions.listing import list_of
from saetext.analysis.cooccurrence.held import ALPHA
from saetext.analysis.cooccurrence.items import Items
from saetext.analysis.cooccurrence.lengths import value_length_notes
from saetext.analysis.cooccurrence.pairs import find_pairs
from saetext.analysis.cooccurrence.request import CorrelateRequest
from saetext.analysis.cooccurrence.result import CorrelateResult
from saetext.analysis.cooccurrence.room import reserve
from saetext.analysis.cooccurrence.rows import make_rows
from saetext.analysis.cooccurrence.sides import require_features, sides_of
from saetext.analysis.cooccurrence.streaming import CHANCE
from saetext.analysis.cooccurrence.tables import Found, make_table
from saetext.corpus.notices import warn_of
from saetext.corpus.protocol import CorpusLike
from saetext.encoding.opening import as_corpora, names_of, short_names
from saetext.errors import InputError, refuse_unused
from saetext.features.known_labels import labels_for
from saetext.features.labels import FeatureLabels
from saetext.io.memory import Bound
from saetext.io.progress import Stages
from saetext.io.request import verb_of_one_or_two
from saetext.io.shelf import Shelf

if TYPE_CHECKING:
    from saetext.encoding.opening import AnyCorpus


@verb_of_one_or_two(CorrelateRequest)
def correlate(corpus: AnyCorpus, across: AnyCorpus | None, request: CorrelateRequest) -> CorrelateResult:
    """Find pairs that are in one document more or less often than chance, among documents of equal length.

    Parameters
    ----------
    corpus : Corpus, path, or what can be encoded
        The documents; feature a of each pair is theirs.
    across : as corpus, optional
        A second corpus with a document for each: feature b is of these (prompts against answers).

    Returns
    -------
    CorrelateResult

    Raises
    ------
    InputError
        If a column is missing, nothing pairs, no feature has the support, or nothing matches ``to``.

    Examples
    --------
    >>> import saetext
    >>> result = saetext.correlate(saetext.Corpus.open("gentle.corpus"), top=1)
    >>> result.table.select("label_a", "label_b").row(0)
    ('writing', 'the word "all"')
    """
    if across is not None and request.column is not None:
        raise InputError("b is either a second corpus or a column; choose one")
    _require_what_is_used(across, request)
    context, target, only, notes = _prepared(corpus, across, request)
    left, rare, always = context.features(0, None if across is None and target is None else only)
    require_features(context, left, only, notes)
    metrics: dict[str, Any] = {
        "documents": context.corpora[0].n_documents, "rows": len(context.rows),
        "features": context.corpora[0].spec.sae(context.saes[0]).d_sae,
        "eligible_features": len(left), "rare": rare, "always": always,
        "strata": int(context.rows.stratum.max()) + 1,
        "median_tokens": float(np.median(context.length())),
    }  # fmt: skip
    found = _found(context, left, target, only, notes, metrics)
    notes += found.notes
    done = make_table(found, context)
    metrics.update(done.metrics)
    listed = list_of(context) if across is None and target is None and only is None else None
    if listed is not None:
        metrics.update(listed.metrics)
        notes += listed.notes
    return CorrelateResult(
        "correlate", done.table, _params(context, only), metrics, (*notes, *done.notes), _sources(context),
        done.evidence, done.lines, done.communities, None if listed is None else listed.table,
        {} if listed is None else listed.examples,
    )  # fmt: skip


def _require_what_is_used(across: AnyCorpus | None, request: CorrelateRequest) -> None:
    """Refuse options that would change nothing."""
    if across is None:
        refuse_unused(
            "it is for two corpora; name the second with across",
            **request.changed("pair_on", "across_sae", "across_labels"),
        )
    n = 1 + (across is not None)
    if isinstance(request.names, str) or (request.names is not None and len(request.names) != n):
        raise InputError(f"names are a list with one name for each corpus, not {request.names!r}")


def _prepared(
    corpus: AnyCorpus, across: AnyCorpus | None, request: CorrelateRequest
) -> tuple[Context, Target | None, NDArray[np.bool_] | None, list[str]]:
    """Return what every step looks at, the column, the features asked for, and notes."""
    tell = Stages(request.on_progress)
    given = [corpus] if across is None else [corpus, across]
    corpora: list[CorpusLike] = as_corpora(given)
    corpora[0] = first = request.selected(corpora[0])
    saes = [
        c.spec.sae(sae).name
        for c, sae in zip(corpora, (request.sae, request.across_sae or request.sae), strict=False)
    ]
    paths = [corpus.path for corpus in corpora]
    names = list(request.names) if request.names else names_of(given) or short_names(paths)
    for name, c in zip(names, corpora, strict=False):
        if not c.n_documents:
            raise InputError(f"{name} ({c.path}) has no documents")
    warn_of(*corpora)
    labels = _labels(request, corpora, saes)
    bound = Bound.of(request.memory)
    tell.within(bound.bytes)
    tell("reading", 0, 0)
    target = None if request.column is None else target_of(first, request.column)
    if target is not None and target.number is not None:
        changed = request.changed(
            "max_similarity", "max_cosine", "max_same_phrase", "min_joint", "order", "bootstrap"
        )
        refuse_unused(
            f"{request.column} is a number, with which features have rank correlations, not pairs; "
            "leave it out",
            **changed,
        )
    if target is not None and target.number is None:
        refuse_unused(
            f"values of {request.column} have neither labels nor directions nor words; leave it out",
            **request.changed("max_similarity", "max_cosine", "max_same_phrase"),
        )
    rows = make_rows(
        corpora, names, pair_on=request.pair_on, within=request.within, group=request.group,
        sample=request.sample, seed=request.seed, known=None if target is None else target.known,
    )  # fmt: skip
    notes = [*circular_notes(first, request.column), *rows.notes, *(() if target is None else target.notes)]
    support = max(5, -(-len(rows) // 2000)) if request.min_support is None else request.min_support
    only, told = wanted(request.to, labels[0], first.spec.sae(saes[0]).d_sae)
    shelf = Shelf(bound)
    sizes = [c.spec.sae(sae).d_sae for c, sae in zip(corpora, saes, strict=True)]
    if target is not None:
        sizes.append(0 if target.number is not None else len(target.values))
    alone = target is None and across is None and only is not None
    picked = int(only.sum()) if alone and only is not None else None
    reserve(shelf, rows, sizes[0], sizes[-1], two=len(sizes) > 1, picked=picked)
    context = Context(corpora, saes, names, labels, rows, support, request, tell, shelf)
    return context, target, only, notes + told


def _labels(request: CorrelateRequest, corpora: list[CorpusLike], saes: list[str]) -> list[FeatureLabels]:
    known = [request.labels_of(corpora[0], saes[0])]
    if len(corpora) > 1:
        second = request.across_labels
        if second is None:
            second = labels_for(corpora[1], saes[1])
        second.require_for(corpora[1].spec.sae(saes[1]))
        known.append(second)
    return known


def _found(
    context: Context,
    left: Items,
    target: Target | None,
    only: NDArray[np.bool_] | None,
    notes: list[str],
    metrics: dict[str, Any],
) -> Found:
    """Return the pairs with their numbers, of whichever kind was asked for."""
    if target is not None and target.number is not None:
        number = target.number[context.rows.take[0]]
        found = correlate_with_number(context, left, number, metrics)
        notes += length_notes(context, number, metrics)
        return found
    if target is not None:
        notes += value_length_notes(context, target, metrics)
    items = sides_of(context, left, target, only)
    found = find_pairs(context, items, metrics)
    metrics["eligible_items_b"] = len(items.other)
    return found


def _params(context: Context, only: NDArray[np.bool_] | None) -> dict[str, Any]:
    """Return what was asked for, as it was resolved."""
    second = context.across
    return {
        "corpus": context.names[0],
        "across": context.names[1] if second else None,
        **context.request.params(),
        "top": context.request.most,
        "to": told_to(only),
        "sae": context.saes[0],
        "across_sae": context.saes[1] if second else None,
        "min_support": context.support,
        "min_expected": CHANCE,
        "alpha": ALPHA,
    }


def _sources(context: Context) -> tuple[Source, ...]:
    named = zip(context.names, context.corpora, strict=False)
    return tuple(Source.of(c, name) for name, c in named)
