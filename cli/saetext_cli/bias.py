"""``saetext bias``: features that carry gender, dampened."""

from __future__ import annotations

from typing import Annotated

import typer

from saetext.intervene.bias.request import BiasRequest
from saetext_cli.analysing import finish, write_table
from saetext_cli.common import colored, convert_first, encoding, note, require_new, width
from saetext_cli.declared import expanded
from saetext_cli.meters import progress_bar
from saetext_cli.options import PageOutput
from saetext_cli.outputs import all_or_none


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command(
        "bias",
        epilog="Examples: saetext bias smollm2 --find --dampen 1,.5,0 --suite winogender,professions "
        "--html bias.html; saetext bias smollm2 --features 12,34 --suite my-sentences.jsonl",
    )(expanded(bias))


def bias(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="A language model that writes: smollm2, a name, a directory."),
    ],
    request: BiasRequest,
    output: PageOutput,
) -> None:
    """Find features that carry gender, dampen them, and say which bias falls and what stays.

    Features are found on half of the professions, in three ways, and measured on the other half. Beside the
    doses stand each finder's features alone, matched features, random directions and a plain instruction.
    What must stay is told too: factual gender ("my mother said that she"), the likelihood of neutral text.
    Interrupted, the same command resumes.
    """
    from saetext.intervene.bias.suites import items_of

    for path in output.files:
        require_new(path)
    items_of(request.suites)  # before a model is loaded
    convert_first(model)
    from saetext.intervene.bias.run import bias as compute
    from saetext.report.console.bias import render_bias

    with progress_bar("loading the model") as show:
        found = compute(model, **request.replace(on_progress=show).keywords())
    with all_or_none(*output.files):
        write_table(found, output.parquet)
        if output.html is not None:
            found.to_html(output.html)
            note(f"wrote {output.html}")
    finish(found, output, lambda: render_bias(found, width(), colored(), encoding=encoding()))
