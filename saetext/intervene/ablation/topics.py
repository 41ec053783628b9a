"""Topics: the units of ablation's statistics, and on which of them features are chosen and tested.

Not for: choosing (:mod:`saetext.intervene.ablation.choosing`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np

from saetext.errors import InputError
from saetext.io.warning import warn
from saetext.text.one_line import quoted

if TYPE_CHECKING:
    from saetext.intervene.rows import Row
    from saetext.reader.causal import CausalModel
    from saetext.reader.prompts import Prompt


@dataclass(frozen=True)
class Asked:
    """One prompt as the model gets it.

    Attributes
    ----------
    row : Row
    prompt : Prompt
    topic : str
        The unit that it belongs to.
    """

    row: Row
    prompt: Prompt
    topic: str

    @property
    def given(self) -> Any:
        """What the row asks: a text, or turns."""
        return self.row.prompt if isinstance(self.row.prompt, str) else [dict(t) for t in self.row.prompt]

    @property
    def shown(self) -> str:
        """The text of what is asked last."""
        if isinstance(self.row.prompt, str):
            return self.row.prompt
        return str(self.row.prompt[-1].get("content", ""))


def asked_of(
    model: CausalModel, rows: Sequence[Row], by: str | None, system: str | None, raw: bool
) -> list[Asked]:
    """Return prompts with their topics; one that stands twice is used once.

    Raises
    ------
    InputError
        If a prompt cannot be used, or has no topic.

    Warns
    -----
    SaetextWarning
        If a prompt stands twice: its texts would be the same.
    """
    found: dict[bytes, Asked] = {}
    for row in rows:
        topic = topic_of(row, by)
        plain = row.prompt if isinstance(row.prompt, str) else [dict(turn) for turn in row.prompt]
        try:
            prompt = model.encode_prompt(plain, system=system, raw=raw)
        except InputError as error:
            raise InputError(f"prompt {quoted(row.id, 40)}: {error}") from None
        found.setdefault(prompt.ids.tobytes(), Asked(row, prompt, topic or row.id))
    if again := len(rows) - len(found):
        told = "1 prompt stands" if again == 1 else f"{again:,} prompts stand"
        warn(f"{told} there again: each is used once")
    return list(found.values())


def topic_of(row: Row, by: str | None) -> str | None:
    """Return the topic of a prompt by a column; None where there is no such column to go by.

    Raises
    ------
    InputError
        If the prompt has no such column, or nothing in it.
    """
    if by is None:
        return None
    if by not in row.meta:
        listed = ", ".join(map(quoted, list(row.meta)[:10])) or "none"
        raise InputError(
            f"prompt {quoted(row.id, 40)} has no column {quoted(by, 40)} for --by; columns: {listed}"
        )
    value = row.meta[by]
    if value is None or str(value) == "":
        raise InputError(f"prompt {quoted(row.id, 40)} has no {quoted(by, 40)}: --by needs one for each")
    return str(value)


@dataclass(frozen=True)
class Split:
    """On which topics features are chosen, and on which they are tested.

    Attributes
    ----------
    how : str
        ``named`` (nothing is chosen), ``half``, ``attribution`` (its topics choose, the others test),
        ``apart`` (it is about none of the topics tested), or ``none``.
    choose, test : tuple of str
        Topics; in ``choose`` those of the attribution.
    """

    how: str
    choose: tuple[str, ...]
    test: tuple[str, ...]


def split_of(topics: Sequence[str], attributed: Sequence[str | None], how: str, seed: int) -> Split:
    """Return on which topics features are chosen and tested.

    Parameters
    ----------
    topics : sequence of str
        Of the prompts.
    attributed : sequence of str or None
        Of the examples of the attribution; None where it is none of the prompts'.
    how : {"auto", "half", "none"}
        ``auto``: where the attribution is about none of these topics, all are tested; where it leaves out at
        least half of them, these are tested; else half by the seed.
    seed : int

    Raises
    ------
    InputError
        If nothing is left to choose or to test on.
    """
    every = tuple(dict.fromkeys(topics))
    known = {topic for topic in attributed if topic is not None}
    if how == "none":
        return Split("none", tuple(sorted(known)), every)
    if how == "auto" and not known & set(every):
        return Split("apart", (), every)
    if how == "auto" and 2 * len(rest := [topic for topic in every if topic not in known]) >= len(every):
        return Split("attribution", tuple(topic for topic in every if topic in known), tuple(rest))
    if len(every) < 2:
        raise InputError(
            f"there is one topic, {quoted(every[0], 40)}: choosing on one half and testing on the other "
            "needs two; name features by number, or --split none"
        )
    order = np.random.default_rng(seed).permutation(len(every))
    chosen = {every[at] for at in order[: len(every) // 2].tolist()}
    if not chosen & known:
        raise InputError(
            "the attribution is about none of the topics on which features are chosen: make it of all "
            "prompts, or --split auto"
        )
    half = tuple(topic for topic in every if topic in chosen)
    return Split("half", half, tuple(topic for topic in every if topic not in chosen))


def attributed_topics(
    tokens: Mapping[int, tuple[str, ...]],
    ids: Sequence[str],
    meta: Sequence[Mapping[str, Any]],
    asked: Sequence[Asked],
    by: str | None,
    model: CausalModel,
) -> tuple[list[str | None], list[int | None]]:
    """Say which prompts the examples of an attribution are of.

    An example is of a prompt if its tokens begin with the prompt's; else of the topic in its column, or of
    the prompt of the same id: doubtful cases count as known, so that they are not tested on.

    Returns
    -------
    topics : list of str or None
        The topic of each example.
    lengths : list of int or None
        The tokens of each example's prompt, where it is one of those given.
    """
    by_tokens = {_tokens(model, one): one for one in asked}
    lengths_tried = sorted({len(one.prompt) for one in asked}, reverse=True)
    by_id = {one.row.id: one.topic for one in asked}
    topics: list[str | None] = []
    lengths: list[int | None] = []
    for number, (name, row) in enumerate(zip(ids, meta, strict=True)):
        mine = tokens.get(number, ())
        match = next((one for n in lengths_tried if (one := by_tokens.get(mine[:n])) is not None), None)
        lengths.append(None if match is None else len(match.prompt))
        if by is not None and row.get(by) is not None:
            topics.append(str(row[by]))
        else:
            topics.append(by_id.get(name) if match is None else match.topic)
    return topics, lengths


def _tokens(model: CausalModel, one: Asked) -> tuple[str, ...]:
    return tuple(model.tokenizer.decode([int(token)]) for token in one.prompt.ids)
