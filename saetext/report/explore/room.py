"""Room: one part of the explorer, with its pages. Not for: which rooms there are (rooms/__init__.py)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.routing import BaseRoute


@dataclass(frozen=True)
class Room:
    """A part of the explorer.

    Attributes
    ----------
    name : str
        The path of its first page, below the token: ``read``. Addresses in pages are relative, so pages are
        one step deep: ``/read``, ``/feature``.
    title : str
        What the navigation calls it.
    routes : sequence of Route
        Its pages; functions that take a request. What is no ``async def`` runs in a thread of its own.
    """

    name: str
    title: str
    routes: Sequence[BaseRoute]
