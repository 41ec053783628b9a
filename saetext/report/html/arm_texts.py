"""Texts of several arms by prompt, as a page of arms takes them. Not for: figures of the arms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from saetext.report.console.lines import figure
from saetext.text.passages import printable

if TYPE_CHECKING:
    import polars as pl


def texts_by_prompt(texts: pl.DataFrame, arms: Sequence[str]) -> list[dict[str, Any]]:
    """Return each prompt with the texts of each arm, in the order of the arms."""
    place = {name: at for at, name in enumerate(arms)}
    found: dict[int, dict[str, Any]] = {}
    for text in texts.to_dicts():
        prompt = found.setdefault(
            text["prompt"], {"text": printable(text["prompt_text"]), "arms": [[] for _ in arms]}
        )
        prompt["arms"][place[text["arm"]]].append(
            {"text": printable(text["text"]), "changed": text["changed"], "nll": figure(text["nll"], ".2f")}
        )
    return [found[number] for number in sorted(found)]
