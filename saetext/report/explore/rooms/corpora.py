"""The room Corpora: what is loaded, what weakens it, its columns and lengths.

Not for: the documents themselves (read.py).
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from saetext.report.explore.drawing import asked_of, loaded_of, page
from saetext.report.explore.queries.about import Lengths, about_corpus, columns_of, lengths_of
from saetext.report.explore.room import Room


def corpora(request: Request) -> Response:
    """Show every corpus, from its manifest; what has to be counted comes after that."""
    loaded = loaded_of(request)
    told = [about_corpus(name, corpus) for name, corpus in loaded.corpora.items()]
    return page(request, "corpora.html.j2", title="Corpora", corpora=told, sets=loaded.sets)


def columns(request: Request) -> Response:
    """Show lengths and columns of one corpus."""
    asked, loaded = asked_of(request), loaded_of(request)
    name = loaded.name_of(asked.text("corpus", longest=500))
    corpus = loaded.corpus(name)
    lengths = lengths_of(corpus)
    return page(
        request,
        "columns.html.j2",
        title=f"Columns of {name}",
        name=name,
        at=asked.number("at", 1, 1, 10_000),
        lengths=lengths,
        bars=_bars(lengths),
        columns=columns_of(corpus),
    )


def _bars(lengths: Lengths) -> list[tuple[float, float, float, float, str]]:
    """Return a bar for each bin, in a box 1000 x 100; a bin with few documents can be seen too."""
    most, wide = max(lengths.counts) or 1, 1000 / len(lengths.counts)
    bars = []
    for at, count in enumerate(lengths.counts):
        tall = max(100 * count / most, 1.0) if count else 0.0
        last = at == len(lengths.counts) - 1
        to = (
            f"{lengths.edges[at]:,} or more"
            if last
            else f"{lengths.edges[at]:,} to {lengths.edges[at + 1] - 1:,}"
        )
        bars.append(
            (
                round(at * wide, 2),
                round(100 - tall, 2),
                round(wide * 0.92, 2),
                round(tall, 2),
                f"{to}: {count:,}",
            )
        )
    return bars


ROOM = Room("corpora", "Corpora", (Route("/corpora", corpora), Route("/columns", columns)))
