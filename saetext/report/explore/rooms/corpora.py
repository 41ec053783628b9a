"""The room Corpora: what is loaded, what weakens it, its columns and lengths.

Not for: the documents themselves (read.py).
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from saetext.report.explore.drawing import loaded_of, page
from saetext.report.explore.queries.about import about_corpus
from saetext.report.explore.room import Room


def corpora(request: Request) -> Response:
    """Show every corpus."""
    loaded = loaded_of(request)
    told = [about_corpus(name, corpus) for name, corpus in loaded.corpora.items()]
    return page(request, "corpora.html.j2", title="Corpora", corpora=told, sets=loaded.sets)


ROOM = Room("corpora", "Corpora", (Route("/corpora", corpora),))
