"""Texts of several arms under each other, each beside its arm's name. Not for: figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from saetext.report.console.lines import styled
from saetext.text.one_line import many
from saetext.text.passages import printable

if TYPE_CHECKING:
    import polars as pl
    from rich.console import Console
    from rich.text import Text


_PROMPTS = 3  # shown with their texts


def print_prompts(console: Console, texts: pl.DataFrame, kinds: Sequence[str]) -> None:
    """Print the first prompts with the first text of each arm of some kinds, and how many more there are."""
    rows = texts.to_dicts()
    prompts = sorted({text["prompt"] for text in rows})
    for prompt in prompts[:_PROMPTS]:
        own = [t for t in rows if t["prompt"] == prompt and t["sample"] == 0 and t["kind"] in kinds]
        console.print()
        print_line(console, styled(printable(" ".join(own[0]["prompt_text"].split())), "bold"))
        print_arms(console, own)
    if len(prompts) > _PROMPTS:
        console.print()
        console.print(styled(f"and {many(len(prompts) - _PROMPTS, 'prompt')} more", "dim"))


def print_line(console: Console, line: Text) -> None:
    """Print a line that ends at the window's edge."""
    line.truncate(console.width, overflow="ellipsis")
    console.print(line)


def print_arms(console: Console, texts: Sequence[Mapping[str, Any]]) -> None:
    """Print texts under each other, each beside the name of its arm."""
    from rich.text import Text

    wide = max(len(printable(text["arm"])) for text in texts)
    room = max(console.width - wide - 3, 20)
    for text in texts:
        shown = Text(printable(" ".join(text["text"].split())) or "(nothing)")
        name = printable(text["arm"])
        for number, part in enumerate(shown.wrap(console, room)):
            lead = f"{name if not number else '':<{wide}} │ "
            console.print(styled(lead, "dim").append_text(part), soft_wrap=True)
