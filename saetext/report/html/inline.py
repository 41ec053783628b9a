"""A result's page inside a notebook: in a frame of its own, where it can reach nothing of the notebook.

Not for: the table that a notebook shows of every result (:mod:`saetext.report.html.notebook`).
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from saetext.corpus.protocol import CorpusLike
from saetext.errors import InputError
from saetext.intervene.expression.result import ExpressionResult
from saetext.report.html.matrix_page import render_matrix_page
from saetext.report.html.notebook import to_html
from saetext.report.html.pages import page_text
from saetext.text.one_line import about, one_line

if TYPE_CHECKING:
    from saetext.analysis.base import Result
    from saetext.features.labels import FeatureLabels
    from saetext.reader.reader import Reader

_LEAST, _MOST = 100, 5000  # pixels


@dataclass(frozen=True, repr=False)
class InlinePage:
    """What a notebook shows as a page, and a terminal as one line.

    Attributes
    ----------
    html : str
        The page, whole; or the table, where the kind of result has no page.
    height : int
        Of the frame, in pixels; 0 for a table, which needs none.
    title : str
        What it is of, for who cannot see it.
    """

    html: str
    height: int
    title: str

    def __repr__(self) -> str:
        return about(self, f"{self.title}, {len(self.html.encode()):,} bytes of HTML; a notebook shows it")

    def _repr_html_(self) -> str:
        """Return a frame with the page; its scripts run, but without the notebook's origin."""
        if not self.height:
            return self.html
        page = html.escape(_with_own_base(self.html), quote=True)
        return (
            f'<iframe sandbox="allow-scripts" title="{html.escape(one_line(self.title), quote=True)}" '
            f'style="width:100%;height:{self.height}px;border:0;background:white" srcdoc="{page}"></iframe>'
        )


def _with_own_base(page: str) -> str:
    """Return a page whose links to its own parts (``#f3``) stay in the frame, and do not load the notebook.

    A page in a frame has the notebook's address as its base. The base stands before the page's policy, which
    allows no other after it.
    """
    before, head, after = page.partition("<head>")
    return f'{before}{head}<base href="about:srcdoc">{after}' if head else page


def shown_inline(
    result: Result,
    sets: Sequence[CorpusLike] | None = None,
    *,
    labels: FeatureLabels | None = None,
    reader: Reader | None = None,
    height: int = 800,
) -> InlinePage:
    """Return a result's page for a notebook, see :meth:`saetext.analysis.base.Result.show`."""
    if not _LEAST <= height <= _MOST:
        raise InputError(f"the height of a page is {_LEAST} to {_MOST:,} pixels, not {height}")
    title = one_line(repr(result).strip("<>"), 120)
    if isinstance(result, ExpressionResult):
        return InlinePage(render_matrix_page(result), height, title)
    page = page_text(result, sets, labels=labels, reader=reader)
    return InlinePage(page, height, title) if page is not None else InlinePage(to_html(result), 0, title)
