"""``saetext attribute``: which features, at which positions, a model's next word comes from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from saetext.intervene.attribution.request import AttributeRequest
from saetext.io.request import option
from saetext_cli.analysing import finish, write_table
from saetext_cli.common import colored, convert_first, encoding, note, require_new, waiting, width
from saetext_cli.declared import expanded
from saetext_cli.meters import progress_bar
from saetext_cli.options import Columns, Output, Running
from saetext_cli.outputs import all_or_none


@dataclass(frozen=True, kw_only=True)
class SavedOutput(Output):
    """Output with a file that holds everything."""

    output: Path | None = option(
        "Write everything to a JSON file, which saetext expression reads.",
        default=None,
        metavar="FILE",
        flags=("--output", "-o"),
        group="Output",
    )

    @property
    def files(self) -> tuple[Path | None, ...]:
        """What will be written."""
        return (*super().files, self.output)


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command(
        "attribute",
        epilog="Examples: saetext attribute smollm2 prompts.jsonl "
        """--metric 'logprob("Yes") - logprob("No")' -o attribution.json; """
        r"""saetext attribute smollm2 prompts.jsonl --metric 'logit("<|im_end|>") - logit("\n")' """
        "--at last-item --write 60 --method ig",
    )(expanded(attribute))


def attribute(
    model: Annotated[
        str,
        typer.Argument(metavar="MODEL", help="A language model that writes: smollm2, a name, a directory."),
    ],
    prompts: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Prompts; a text beside one, or a chat's last turn, is the answer so far.",
        ),
    ],
    request: AttributeRequest,
    columns: Columns,
    running: Running,
    output: SavedOutput,
) -> None:
    """Say which features, at which positions, a metric of a model's next word comes from.

    Every active feature gets an attribution: its activation times the metric's gradient. The strongest are
    verified: each is taken out alone and the model runs again. So are others drawn at random, which bounds
    what was missed. The SAE's error is held fixed and has a row of its own at each position.
    """
    for path in output.files:
        require_new(path)
    from saetext.intervene.rows import rows_of

    rows = rows_of(prompts, text=columns.text_column, id=columns.id_column, prompt=columns.prompt_column)
    convert_first(model)
    with waiting("loading the model"):
        from saetext.intervene.attribution.run import attribute as compute
        from saetext.intervene.subject import open_subject
        from saetext.report.console.attribution import render_attribution

        subject = open_subject(model, request.sae, device=running.device, dtype=running.dtype)
    with progress_bar("attributing") as show:
        asked = request.replace(sae=None, on_progress=show)  # the subject has it
        found = compute(subject, rows, **asked.keywords())
    with all_or_none(*output.files):
        write_table(found, output.parquet)
        if output.output is not None:
            found.save(output.output)
            note(f"wrote {output.output}")
    finish(found, output, lambda: render_attribution(found, width(), colored(), encoding=encoding()))
