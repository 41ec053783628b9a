"""Documents found by a description or by examples: a page of a search, and the features it went by.

Not for: a text as it is written (documents.py), or the search itself (:mod:`saetext.analysis.search`).
"""

from __future__ import annotations

from dataclasses import dataclass

from saetext.analysis.search.request import SearchRequest
from saetext.analysis.search.searcher import Searcher
from saetext.corpus import Corpus
from saetext.errors import InputError
from saetext.features.labels import FeatureLabels
from saetext.report.explore.kept import Kept
from saetext.report.explore.queries.shades import Shade
from saetext.report.explore.running import RUNNING

_ROW = "row:"  # before the number of a document whose id is no text to type
_FEATURES = 12  # of a search, shaded and named
_searchers: Kept[Searcher] = Kept(4)
_pages: Kept[FoundPage] = Kept(128)


@dataclass(frozen=True)
class FoundPage:
    """One page of a search.

    Attributes
    ----------
    rows : tuple of int
        Of the whole corpus, best first.
    scores : tuple of float
        What they are ordered by.
    found : int
        How many there are to page through.
    shade : Shade or None
        The features it went by, strongest first; None for a search by meaning alone.
    terms : tuple of (int, str, float)
        Each of them with its label and weight.
    notes : tuple of str
        What to know about it.
    """

    rows: tuple[int, ...]
    scores: tuple[float, ...]
    found: int
    shade: Shade | None
    terms: tuple[tuple[int, str, float], ...]
    notes: tuple[str, ...]


def _key(
    corpus: Corpus, sae: str, labels: FeatureLabels, by: str, asked: str, offset: int, top: int
) -> tuple[object, ...]:
    return (corpus.path, corpus.fingerprint, sae, labels.checksum, by, asked, offset, top)


def is_found(
    corpus: Corpus, sae: str, labels: FeatureLabels, by: str, asked: str, offset: int, top: int
) -> bool:
    """Return whether a page of a search is known already, so that it costs nothing."""
    return _key(corpus, sae, labels, by, asked, offset, top) in _pages


def found_by(
    corpus: Corpus, sae: str, labels: FeatureLabels, by: str, asked: str, offset: int, top: int
) -> FoundPage:
    """Return a page of documents, best first.

    Parameters
    ----------
    corpus : Corpus
        The corpus, or a view whose documents alone are found.
    sae : str
        Whose features.
    labels : FeatureLabels
        What they are called.
    by : str
        ``property``: a description of what texts say or how; ``example``: ids of documents with commas
        between them, or rows: ``row:12``.
    asked : str
        The description or the ids.
    offset, top : int
        Documents before the page, and on it.

    Raises
    ------
    InputError
        If nothing answers.
    CorpusError
        If there is no document of an id.
    """
    key = _key(corpus, sae, labels, by, asked, offset, top)
    return _pages.get(key, lambda: _search(corpus, sae, labels, by, asked, offset, top))


def _search(
    corpus: Corpus, sae: str, labels: FeatureLabels, by: str, asked: str, offset: int, top: int
) -> FoundPage:
    whole = corpus.whole
    searcher = _searchers.get(
        (whole.path, corpus.fingerprint, sae, labels.checksum),
        lambda: Searcher(corpus, sae=sae, labels=labels),
    )
    with RUNNING:
        if by == "property":
            result = searcher.answer(asked, SearchRequest(top=top, offset=offset))
        else:
            result = searcher.answer(None, SearchRequest(like=_ids(whole, asked), top=top, offset=offset))
    rows = result.table["row"].to_list()
    if corpus.selection is not None:
        rows = corpus.selection[rows].tolist()
    terms: list[tuple[int, str, float]] = []
    if result.query is not None:
        weighted = {term.feature: term.weight for clause in result.query.asked for term in clause.terms}
        ordered = sorted(weighted.items(), key=lambda item: -item[1])[:_FEATURES]
        terms = [(f, labels.label(f), w) for f, w in ordered if w > 0]
    shade = Shade("", "what the search went by", tuple(f for f, _, _ in terms)) if terms else None
    scores = tuple(float(score) for score in result.table["score"].to_list())
    return FoundPage(
        tuple(rows), scores, int(result.metrics["found"]), shade, tuple(terms), tuple(result.notes)
    )


def _ids(corpus: Corpus, asked: str) -> list[str]:
    """Return the ids that are named."""
    named = [asked] if asked in corpus else [part.strip() for part in asked.split(",") if part.strip()]
    if not named:
        raise InputError("name a document by its id, or several with commas")
    ids = []
    for one in named:
        row = one.removeprefix(_ROW)
        by_row = one.startswith(_ROW) and row.isascii() and row.isdigit() and one not in corpus
        ids.append(corpus[int(row[:12])].id if by_row else one)
    return ids
