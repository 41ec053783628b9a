"""A text as a file that the browser saves. Not for: pages."""

from __future__ import annotations

import re

from starlette.responses import Response

_KINDS = {
    "html": "text/html",
    "csv": "text/csv",
    "json": "application/json",
    "md": "text/markdown",
    "zip": "application/zip",
    "py": "text/x-python",
}
_LONGEST = 60


def download(content: str | bytes, name: str, ending: str) -> Response:
    """Return an answer that is saved under a name, of which only plain letters and digits are kept."""
    headers = {"content-disposition": f'attachment; filename="{plain(name)}.{ending}"'}
    kind = _KINDS[ending] + ("; charset=utf-8" if isinstance(content, str) else "")
    return Response(content, media_type=kind, headers=headers)


def plain(name: str) -> str:
    """Return a name for a file: letters, digits and hyphens."""
    return re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:_LONGEST].strip("-") or "saetext"
