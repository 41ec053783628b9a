"""A text as a file that the browser saves. Not for: pages."""

from __future__ import annotations

import re

from starlette.responses import Response

_KINDS = {
    "html": "text/html",
    "csv": "text/csv",
    "json": "application/json",
    "md": "text/markdown",
    "py": "text/x-python",
}
_LONGEST = 60


def download(text: str, name: str, ending: str) -> Response:
    """Return an answer that is saved under a name, of which only plain letters and digits are kept."""
    plain = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[:_LONGEST].strip("-") or "saetext"
    headers = {"content-disposition": f'attachment; filename="{plain}.{ending}"'}
    return Response(text, media_type=f"{_KINDS[ending]}; charset=utf-8", headers=headers)
