"""A chat as its model's template writes it, with the place of every turn in it.

Not for: rendering within bounds (:mod:`saetext.reader.chat_template`), or what of a chat counts
(:mod:`saetext.reader.tokenization`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from saetext.errors import ReaderError

# Some templates write today's date into the context; the numbers must not depend on the day.
_NO_TODAY = "{%- macro strftime_now(format) -%}26 Jul 2024{%- endmacro -%}"


@dataclass(frozen=True)
class Unreadable:
    """Why a document cannot be read by this tokenizer."""

    reason: str
    detail: str


def render_chat(
    tokenizer: Any, turns: Sequence[tuple[str, str]], *, answer: bool = False
) -> tuple[str, list[tuple[int, int]]] | Unreadable:
    """Return a chat as the template writes it, and where each turn's content stands in it.

    The template is rendered once with markers in place of the contents. Putting the contents back must give
    what the template makes of the real chat; then the places are known exactly, whatever the contents say.

    Parameters
    ----------
    tokenizer : transformers tokenizer
        With a chat template.
    turns : sequence of (str, str)
        Role and content of each turn.
    answer : bool
        Whether the template opens the assistant's turn at the end (``add_generation_prompt``).

    Returns
    -------
    str, list of (int, int)
        The chat, and code points ``begin:end`` of each turn's content; or why it cannot be written.

    Raises
    ------
    ReaderError
        If the template is too long, or needs more work than a chat can need.
    """
    contents = [content for _, content in turns]
    markers = [f"\ue000{i}\ue001" for i in range(len(turns))]
    if any("\ue000" in c for c in contents):
        return Unreadable("chat template", "the text contains the private-use character U+E000")
    roles = [role for role, _ in turns]
    template = tokenizer.get_chat_template()
    if "strftime_now" in template:
        template = _NO_TODAY + template

    def write(texts: Sequence[str]) -> str:
        messages = [{"role": r, "content": t} for r, t in zip(roles, texts, strict=True)]
        given = {
            **tokenizer.special_tokens_map,
            "date_string": "26 Jul 2024",
            "add_generation_prompt": answer,
        }
        from saetext.reader import chat_template  # late: it needs transformers

        return chat_template.render(template, messages, given, name=str(tokenizer.name_or_path))

    try:
        skeleton, real = write(markers), write(contents)
    except ReaderError:
        raise
    except Exception as error:  # a template is foreign code
        return Unreadable("chat template", " ".join(str(error).split())[:200])
    # most templates write contents as they are, others strip them
    for shown in (contents, [c.strip() for c in contents]):
        filled = _fill(skeleton, markers, shown)
        if filled is not None and filled[0] == real:
            return filled
    return Unreadable("chat template", "the template rewrites the turns, so that they cannot be found again")


def _fill(
    skeleton: str, markers: Sequence[str], contents: Sequence[str]
) -> tuple[str, list[tuple[int, int]]] | None:
    """Replace the markers by the contents and return the contents' places; None if a marker is missing."""
    pieces: list[str] = []
    places: list[tuple[int, int]] = []
    at = length = 0
    for marker, content in zip(markers, contents, strict=True):
        found = skeleton.find(marker, at)
        if found < 0:
            return None
        pieces += [skeleton[at:found], content]
        length += found - at
        places.append((length, length + len(content)))
        length += len(content)
        at = found + len(marker)
    pieces.append(skeleton[at:])
    return "".join(pieces), places
