"""``saetext expression``: features by examples, both axes clustered."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from saetext.errors import InputError
from saetext.intervene.expression.request import ExpressionRequest
from saetext.io.request import option
from saetext_cli.analysing import finish, write_table
from saetext_cli.common import colored, encoding, note, require_new, waiting, width
from saetext_cli.declared import expanded
from saetext_cli.options import PageOutput
from saetext_cli.outputs import all_or_none


@dataclass(frozen=True, kw_only=True)
class MatrixOutput(PageOutput):
    """Output with a page and a picture."""

    png: Path | None = option(
        "Write a picture of the matrix (png, svg or pdf).", default=None, metavar="FILE", group="Output"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.png is not None and self.png.suffix.lower() not in (".png", ".svg", ".pdf"):
            raise InputError("a picture's name ends in .png, .svg or .pdf")

    @property
    def files(self) -> tuple[Path | None, ...]:
        """What will be written."""
        return (*super().files, self.png)


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command(
        "expression",
        epilog="Example: saetext expression attribution.json --by topic --html matrix.html --png matrix.png",
    )(expanded(expression))


def expression(
    attribution: Annotated[
        Path, typer.Argument(metavar="ATTRIBUTION", help="A file that saetext attribute -o wrote.")
    ],
    request: ExpressionRequest,
    output: MatrixOutput,
) -> None:
    """Put the strongest features of all examples side by side: what holds everywhere, what only some share.

    A matrix of features by examples, as of genes by samples: each attribution over the feature's 99th
    percentile, both axes clustered. With --by, features that are strongest in examples of one value more
    often than in others are tested (Fisher, Benjamini-Hochberg).
    """
    for path in output.files:
        require_new(path)
    with waiting("clustering"):
        from saetext.intervene.expression.run import expression as compute
        from saetext.report.console.expression import render_expression

        found = compute(attribution, **request.keywords())
    with all_or_none(*output.files):
        write_table(found, output.parquet)
        if output.html is not None:
            found.to_html(output.html)
            note(f"wrote {output.html}")
        if output.png is not None:
            from saetext.report.html.matrix_picture import write_matrix_picture

            write_matrix_picture(found, output.png)
            note(f"wrote {output.png}")
    finish(found, output, lambda: render_expression(found, width(), colored(), encoding=encoding()))
