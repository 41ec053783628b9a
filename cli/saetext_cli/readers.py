"""``saetext readers``: what can be used as a reader."""

from __future__ import annotations

import json
from collections import Counter
from typing import Annotated

import typer

from saetext_cli.columns import columns
from saetext_cli.common import note, result, waiting, width


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("readers", epilog="Example: saetext readers gemma-2-2b layer_12 16k")(readers)


def readers(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[WORD]...", help="Words in the reader's name or its model's."),
    ] = None,
    top: Annotated[
        int, typer.Option("--top", help="Up to how many are listed one by one; 0 for all.", min=0)
    ] = 40,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object with all of them.")] = False,
) -> None:
    """List what can be used as a reader: saetext's own, and every SAE that SAELens knows."""
    with waiting("reading SAELens's directory"):
        from saetext.reader.registry import entries

        found = list(entries(words or []))
    if as_json:
        rows = [
            {"reader": e.reader, "model": e.model, "hook": e.hook, "width": e.width, "release": e.release}
            for e in found
        ]
        result(json.dumps({"kind": "readers", "params": {"words": words or []}, "metrics": {}, "rows": rows}))
        return
    if not found:
        note(f"no reader has {' and '.join(map(repr, words or []))} in its name or its model's")
        return
    lines: list[tuple[str, ...]]
    if not top or len(found) <= top:
        lines = [("reader", "model", "hook", "features")]
        lines += [(e.reader, e.model, e.hook or "?", e.width or "?") for e in found]
    else:
        counts = Counter(e.release for e in found)
        models = {e.release: e.model for e in found}
        lines = [("release", "model", "SAEs")]
        lines += [(release, models[release], f"{n:,}") for release, n in counts.items()]
        note(f"{len(found):,} readers in {len(counts):,} releases; name some words to see them one by one")
    result("".join(f"{line}\n" for line in columns(lines, width())))
