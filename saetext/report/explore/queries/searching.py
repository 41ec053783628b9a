"""Documents found by a description or by examples, fitted to documents that were judged, a page at a time.

Not for: a text as it is written (documents.py), or the search itself (:mod:`saetext.analysis.search`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from saetext.analysis.search.judging import Judged, written
from saetext.analysis.search.request import SearchRequest
from saetext.analysis.search.result import SearchResult
from saetext.analysis.search.searcher import Searcher
from saetext.corpus import Corpus
from saetext.errors import InputError
from saetext.features.labels import FeatureLabels
from saetext.report.explore.kept import Kept
from saetext.report.explore.queries.shades import Shade
from saetext.report.explore.running import RUNNING
from saetext.text.one_line import quoted

_ROW = "row:"  # before the number of a document whose id is no text to type
_FEATURES = 12  # of a search, shaded and named
_MOST = 100  # documents that are judged on either side
_ROWS = re.compile(r"[0-9]{1,9}(?:,[0-9]{1,9})*")
NOT_JUDGED = Judged()
_searchers: Kept[Searcher] = Kept(4)
_first: Kept[SearchResult] = Kept(4)  # first pages, which are fitted to what is judged; each holds a searcher
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


@dataclass(frozen=True)
class Question:
    """What is searched for, and where.

    Attributes
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
    judged : Judged
        Documents called right or wrong, to which the search is fitted.
    """

    corpus: Corpus
    sae: str
    labels: FeatureLabels
    by: str
    asked: str
    judged: Judged = NOT_JUDGED

    @property
    def key(self) -> tuple[object, ...]:
        """What tells it from others, without what was judged."""
        corpus = self.corpus
        return (corpus.path, corpus.fingerprint, self.sae, self.labels.checksum, self.by, self.asked)

    @property
    def options(self) -> dict[str, list[str]]:
        """The options of :func:`saetext.search` that say the same, but for the words of a description.

        Raises
        ------
        CorpusError
            If there is no such document.
        """
        whole = self.corpus.whole
        sides = {"more": self.judged.more, "less": self.judged.less}
        told = {name: [written(whole[row].id) for row in rows] for name, rows in sides.items() if rows}
        return {"like": _ids(whole, self.asked), **told} if self.by == "example" else told


def judged_of(corpus: Corpus, more: str, less: str) -> Judged:
    """Return which documents an address calls right and wrong: rows with commas between them, ``3,8``.

    Raises
    ------
    InputError
        If they are no rows of the corpus, too many, or one is called both.
    """
    n = corpus.manifest.n_documents
    sides = []
    for name, given in (("more", more), ("less", less)):
        if given and not _ROWS.fullmatch(given):
            raise InputError(f"{name} is rows of documents with commas between them, not {quoted(given)}")
        rows = tuple(sorted({int(row) for row in given.split(",") if row}))  # the order judged says nothing
        if len(rows) > _MOST:
            raise InputError(f"{name} has {len(rows):,} documents; at most {_MOST} are judged on either side")
        if rows and max(rows) >= n:
            raise InputError(f"{name} has row {max(rows):,}; rows are 0 to {n - 1:,}")
        sides.append(rows)
    if both := set(sides[0]) & set(sides[1]):
        raise InputError(f"row {min(both):,} cannot be both in more and in less")
    return Judged(*sides)


def turned(judged: Judged, row: int, side: str) -> Mapping[str, str]:
    """Return ``more`` and ``less`` of the address on which a document is called so, or not any longer."""
    sides = {"more": list(judged.more), "less": list(judged.less)}
    there = row in sides[side]
    for rows in sides.values():
        if row in rows:
            rows.remove(row)
    if not there:
        sides[side].append(row)
    return {name: ",".join(map(str, rows)) for name, rows in sides.items()}


def is_found(question: Question, offset: int, top: int) -> bool:
    """Return whether a page of a search is known already, or is fitted at once, so that it costs little."""
    if (*question.key, question.judged, offset, top) in _pages:
        return True
    return bool(question.judged) and (*question.key, top) in _first


def found_by(question: Question, offset: int, top: int) -> FoundPage:
    """Return a page of documents, best first; those that were judged are left out.

    Parameters
    ----------
    question : Question
        What is searched for.
    offset, top : int
        Documents before the page, and on it.

    Raises
    ------
    InputError
        If nothing answers.
    CorpusError
        If there is no document of an id.
    """
    key = (*question.key, question.judged, offset, top)
    return _pages.get(key, lambda: _search(question, offset, top))


def _search(question: Question, offset: int, top: int) -> FoundPage:
    corpus, labels, judged = question.corpus, question.labels, question.judged
    if judged or not offset:
        result = _first.get((*question.key, top), lambda: _answer(question, 0, top))
    else:
        result = _answer(question, offset, top)
    notes = result.notes  # the page says itself to what it was fitted
    if judged:
        told = question.options
        with RUNNING:
            result = result.refine(told.get("more", []), told.get("less", []), top=top, offset=offset)
    table = result.table
    rows = table["row"].to_list()
    if corpus.selection is not None:
        rows = corpus.selection[rows].tolist()
    terms: list[tuple[int, str, float]] = []
    if result.query is not None:
        weighted = {term.feature: term.weight for clause in result.query.asked for term in clause.terms}
        ordered = sorted(weighted.items(), key=lambda item: -item[1])[:_FEATURES]
        terms = [(f, labels.label(f), w) for f, w in ordered if w > 0]
    shade = Shade("", "what the search went by", tuple(f for f, _, _ in terms)) if terms else None
    scores = tuple(float(score) for score in table["score"].to_list())
    return FoundPage(tuple(rows), scores, int(result.metrics["found"]), shade, tuple(terms), tuple(notes))


def _answer(question: Question, offset: int, top: int) -> SearchResult:
    """Return a page of the search without what was judged."""
    corpus, sae, labels = question.corpus, question.sae, question.labels
    searcher = _searchers.get(
        (corpus.whole.path, corpus.fingerprint, sae, labels.checksum),
        lambda: Searcher(corpus, sae=sae, labels=labels),
    )
    with RUNNING:
        if question.by == "property":
            return searcher.answer(question.asked, SearchRequest(top=top, offset=offset))
        like = _ids(corpus.whole, question.asked)
        return searcher.answer(None, SearchRequest(like=like, top=top, offset=offset))


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
