"""``saetext diff --why``: after a diff, whether features of the model that wrote both drive its findings.

Not for: a diff that was saved (``saetext why``).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from saetext.io.request import Request, option
from saetext_cli.common import convert_first, note, require_new, result
from saetext_cli.meters import progress_bar

if TYPE_CHECKING:
    from saetext.analysis.differences import DiffResult
    from saetext.intervene.causes.result import WhyResult
    from saetext_cli.options import PageOutput

_WHY = "Why"


@dataclass(frozen=True, kw_only=True)
class DiffWhy(Request):
    """Which model wrote both sets, and how."""

    why: str | None = option(
        "Look into the findings with the model that wrote both sets, as saetext why does, which has more "
        "options.",
        default=None,
        metavar="MODEL",
        group=_WHY,
    )
    system_a: str | None = option(
        "System prompt under which it wrote the first set.", default=None, metavar="TEXT", group=_WHY
    )
    system_b: str | None = option(
        "System prompt under which it wrote the second set.", default=None, metavar="TEXT", group=_WHY
    )

    def require(self, output: PageOutput, sets: int) -> None:
        """Raise an error of usage where options do not go together, or a page is there already."""
        if self.why is None:
            for name in ("system_a", "system_b"):
                if getattr(self, name) is not None:
                    raise typer.BadParameter(f"--{name.replace('_', '-')} goes with --why")
        elif sets > 2:
            raise typer.BadParameter("--why looks into a diff of two sets: compare two of them")
        elif output.as_csv:
            raise typer.BadParameter("--why has more than one table: print --json")
        elif output.html is not None:
            require_new(page_of(output.html))

    def look(self, found: DiffResult) -> WhyResult | None:
        """Return what drives the findings, None where that was not asked."""
        if self.why is None:
            return None
        convert_first(self.why)
        from saetext.intervene.causes.run import why

        with progress_bar("loading the model") as show:
            made: WhyResult = why(
                found, self.why, system_a=self.system_a, system_b=self.system_b, on_progress=show
            )
        return made


def page_of(page: Path) -> Path:
    """Return where the second page goes: beside the diff's."""
    return page.with_name(f"{page.stem}.why{page.suffix}")


def write_second_page(found: WhyResult | None, path: Path | None) -> None:
    """Write the page beside the diff's, if there is one, and say so."""
    if found is not None and path is not None:
        note(f"wrote {found.to_html(page_of(path))}")


def print_both(diff: DiffResult, found: WhyResult) -> None:
    """Print both as one JSON object: the diff's, its findings with their verdicts, and all under ``why``."""
    from saetext.analysis.export import as_object
    from saetext.io.strict_json import dumps
    from saetext.report.console.causes_below import Causes

    for line in (*diff.notes, *found.notes):
        note(f"note: {line}")
    whole, causes = as_object(diff), Causes(found)
    of = "findings" if "findings" in whole else "rows"
    whole[of] = [{**row, "why": causes.of(row)} for row in whole[of]]
    result(dumps({**whole, "why": as_object(found)}))
