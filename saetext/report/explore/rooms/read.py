"""The room Read: documents under conditions, searched, judged, shaded by a feature or a theme; one whole.

Not for: which documents these are, or their passages (queries/).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from saetext.corpus import Corpus
from saetext.errors import CorpusError, InputError
from saetext.features.labels import FeatureLabels
from saetext.report.explore.asked import Asked
from saetext.report.explore.drawing import asked_of, loaded_of, page
from saetext.report.explore.loaded import Loaded
from saetext.report.explore.putting import drawer_of
from saetext.report.explore.queries.documents import ORDERS, listed, looked_for
from saetext.report.explore.queries.passages import Entry, Look, entry_of, known_again, whole_of
from saetext.report.explore.queries.searching import (
    NOT_JUDGED,
    FoundPage,
    Question,
    found_by,
    is_found,
    judged_of,
    turned,
)
from saetext.report.explore.queries.shades import Shade, shade_of_words, themes_of
from saetext.report.explore.room import Room
from saetext.report.explore.rooms.search_put import PAGE, is_put
from saetext.text.passages import printable

BY = ("words", "property", "example")
_TOKENS = 8_000  # tokens that are read again without asking
_AT_ONCE = 20_000  # documents whose texts are read through before the page is answered


@dataclass(frozen=True)
class Chosen:
    """What the query string of a page about documents chooses."""

    loaded: Loaded
    name: str
    sae: str
    where: str
    corpus: Corpus
    labels: FeatureLabels
    shade: Shade | None

    @classmethod
    def of(cls, loaded: Loaded, asked: Asked) -> Chosen:
        """Return it.

        Raises
        ------
        InputError
            If there is no such corpus, SAE or feature, or the condition is none.
        """
        name = loaded.name_of(asked.text("corpus", longest=500))
        sae, where = asked.text("sae", longest=500), asked.text("where", longest=5000)
        shaded, was = asked.text("shade", longest=200), asked.text("was", longest=500)
        if was in loaded.choices and was != name:  # another was chosen: what it does not have is left off
            sae, where, shaded = _moved(loaded, was, name, sae, where, shaded)
        sae = loaded.sae(name, sae)
        corpus = loaded.view(name, where)
        labels = loaded.labels(name, sae)
        shade = shade_of_words(corpus, sae, labels, shaded)
        return cls(loaded, name, sae, where, corpus, labels, shade)

    def reading_again(self, entries: Sequence[Entry]) -> str:
        """Return whether every token of some documents will be shaded: ``by itself``, ``if asked``, or empty.

        It is empty where that is done, or cannot be. Where it would take long, somebody has to ask.
        """
        if not self.loaded.reads or not any(entry.there and not entry.again for entry in entries):
            return ""
        most = _TOKENS if self.loaded.reads_fast(self.name) else 0
        return "by itself" if sum(entry.tokens for entry in entries) <= most else "if asked"

    def look(self, shade: Shade | None, *, again: bool, words: str = "") -> Look:
        """Return through what documents are looked at; with ``again``, the reader is loaded."""
        reader = self.loaded.reader(self.name) if again and shade is not None else None
        return Look(self.corpus, self.sae, self.labels, shade, reader, words)

    def question(self, asked: Asked) -> Question | None:
        """Return what is searched for by property or example; None for a text as it is written, or nothing.

        What was judged counts for the search that it was judged in, of which ``fitted`` has the words.

        Raises
        ------
        InputError
            If documents are judged that are none, or in no such search.
        """
        by, words = asked.choice("by", BY), asked.text("q")
        more, less = asked.text("more"), asked.text("less")
        fitted = asked.text("fitted", longest=5000)
        if fitted and fitted != f"{self.name} {by} {words}":
            more = less = ""
            for name in ("more", "less"):
                asked.values.pop(name, None)
        if not words or by == "words":
            if more or less:
                raise InputError("more and less go with a search as property or like document")
            return None
        judged = judged_of(self.corpus, more, less) if more or less else NOT_JUDGED
        return Question(self.corpus, self.sae, self.labels, by, words, judged)

    @property
    def common(self) -> dict[str, Any]:
        """What every template about documents shows."""
        return {
            "names": self.loaded.choices,
            "name": self.name,
            "saes": self.loaded.corpus(self.name).saes,
            "sae": self.sae,
            "where": self.where,
            "shade": self.shade,
            "columns": [
                c for c in self.corpus.documents.collect_schema() if c not in ("text", "prompt", "row")
            ],
        }


def _moved(loaded: Loaded, was: str, name: str, sae: str, where: str, shade: str) -> tuple[str, str, str]:
    """Return SAE, condition and shade as far as another corpus has them."""
    old, new = loaded.corpus(was), loaded.corpus(name)
    if where:
        try:
            loaded.view(name, where)
        except InputError:
            where = ""
    kept = sae if sae in new.saes else ""
    before, now = old.spec.sae(loaded.sae(was, sae)), new.spec.sae(kept or new.saes[0])
    return kept, where, shade if before.weights_sha256 == now.weights_sha256 else ""


def read(request: Request) -> Response:
    """Show a page of documents."""
    asked = asked_of(request)
    chosen = Chosen.of(loaded_of(request), asked)
    by, words = asked.choice("by", BY), asked.text("q")
    order = asked.choice("order", ORDERS)
    number = asked.number("page", 1, 1, 10_000_000)
    wait = asked.number("wait", 0, 0, 1) == 1
    question = chosen.question(asked)
    first = (number - 1) * PAGE
    late = not wait and _takes_long(chosen, question, words, first)
    found: FoundPage | None = None
    entries: Sequence[Entry] = ()
    total, shade = 0, chosen.shade
    if not late:
        rows: Sequence[int]
        if question is not None:
            found = found_by(question, first, PAGE)
            rows, total, shade = found.rows, found.found, shade or found.shade
        else:
            every = listed(chosen.corpus, chosen.sae, words, shade, order)
            rows, total = every[first : first + PAGE].tolist(), len(every)
        look = chosen.look(shade, again=wait and len(rows) > 0, words="" if question is not None else words)
        if look.reader is None and shade is not None and known_again(look, rows):
            look = chosen.look(shade, again=True)
        entries = [entry_of(look, row) for row in rows]
    again = "" if wait else chosen.reading_again(entries)
    return page(
        request,
        "read.html.j2",
        title=f"Read {chosen.name}",
        **chosen.common,
        used=shade,
        by=by,
        ways=BY,
        words=words,
        order=order,
        orders=ORDERS,
        entries=entries,
        found=found,
        searching=question is not None,
        fitted=f"{chosen.name} {by} {words}",
        judged=[] if question is None else _judged(question),
        turned=None if question is None else partial(turned, question.judged),
        put=question is not None and bool(found) and is_put(drawer_of(request), chosen, question),
        late=late,
        again=again,
        why_not=chosen.loaded.why_no_reader(chosen.name) if wait else "",
        total=total,
        documents=chosen.loaded.view(chosen.name).n_documents,
        first=first + 1,
        last=min(first + PAGE, total),
        number=number,
        pages=-(-total // PAGE),
        themes=themes_of(chosen.corpus, chosen.sae),
    )


def _takes_long(chosen: Chosen, question: Question | None, words: str, first: int) -> bool:
    """Return whether the page is shown before what was searched for is found."""
    if question is not None:
        return not is_found(question, first, PAGE)
    return bool(words) and chosen.corpus.n_documents > _AT_ONCE and not looked_for(chosen.corpus, words)


def _judged(question: Question) -> list[tuple[int, str, str]]:
    """Return the documents that were judged: row, id, and on which side."""
    whole, judged = question.corpus.whole, question.judged
    sides = {"more": judged.more, "less": judged.less}
    return [(row, printable(whole[row].id), side) for side, rows in sides.items() for row in rows]


def document(request: Request) -> Response:
    """Show one document whole, by its row or its id, with its features beside it."""
    asked = asked_of(request)
    chosen = Chosen.of(loaded_of(request), asked)
    corpus = chosen.corpus.whole
    row = asked.maybe_number("row")
    if row is None:
        row = int(corpus[asked.text("id")].row)
    elif row >= corpus.n_documents:
        raise CorpusError(f"{chosen.name} has no row {row:,}; rows are 0 to {corpus.n_documents - 1:,}")
    low, high = asked.maybe_number("from"), asked.maybe_number("to")
    at = (low, high) if low is not None and high is not None and low < high else None
    wait = asked.number("wait", 0, 0, 1) == 1
    look = chosen.look(chosen.shade, again=wait)
    if chosen.shade is not None and look.reader is None and known_again(look, [row]):
        look = chosen.look(chosen.shade, again=True)
    entry = whole_of(look, row, at)
    return page(
        request,
        "document.html.j2",
        title=entry.id or f"Document {row}",
        **chosen.common,
        entry=entry,
        again="" if wait or chosen.shade is None else chosen.reading_again([entry]),
        why_not=chosen.loaded.why_no_reader(chosen.name) if wait else "",
        themes=themes_of(corpus, chosen.sae),
        before=row - 1 if row > 0 else None,
        after=row + 1 if row + 1 < corpus.n_documents else None,
    )


ROOM = Room("read", "Read", (Route("/read", read), Route("/document", document)))
