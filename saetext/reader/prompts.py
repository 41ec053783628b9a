"""Prompts of a model that writes: token ids, and what stands at each position.

What a position is follows from where it stands, never from its token: ``<|im_start|>`` is the BOS of SmolLM2
and opens every turn. Not for: texts that are read (:mod:`saetext.reader.tokenization`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saetext.errors import InputError, ReaderError
from saetext.reader.chats import Unreadable, render_chat
from saetext.reader.written import encode_rendered, special_names

Messages = Sequence[Mapping[str, str]]

#: What stands at a position that belongs to no turn's content: see :attr:`Prompt.turn`.
TEMPLATE, BOS = -1, -2


@dataclass(frozen=True)
class Prompt:
    """What a model is given to go on from.

    Attributes
    ----------
    text : str
        As the tokenizer got it: for a chat, as the template writes it, special tokens included.
    ids : int64[n]
        Token ids, BOS included where the template or the tokenizer puts one.
    turn : int32[n]
        For each position the number of the turn whose content it is (a plain text is turn 0),
        :data:`TEMPLATE` for what the template wrote and for special tokens, :data:`BOS` for the BOS position.
    roles : tuple of str
        The role of each turn; of a plain text ``text``.
    """

    text: str
    ids: NDArray[np.int64]
    turn: NDArray[np.int32]
    roles: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def bos(self) -> NDArray[np.bool_]:
        """Where BOS stands: at the first position or nowhere."""
        return self.turn == BOS

    @property
    def template(self) -> NDArray[np.bool_]:
        """Where the template's own tokens stand."""
        return self.turn == TEMPLATE

    def content(self, role: str | None = None) -> NDArray[np.bool_]:
        """Return where content stands: of any turn, or of the turns of one role."""
        turns = [i for i, r in enumerate(self.roles) if role in (None, r)]
        return np.isin(self.turn, turns)


def plain_prompt(tokenizer: Any, text: str) -> Prompt:
    """Return a text as a prompt, with the special tokens that the tokenizer puts in front of a text.

    Names of special tokens in it are such tokens, so that a prompt may be written in a template's own words.

    Raises
    ------
    InputError
        If there is no token.
    """
    backend = tokenizer.backend_tokenizer
    bare = backend.encode(text, add_special_tokens=False).ids
    prefix = _prefix(backend)
    ids = np.array([*prefix, *bare], np.int64)
    turn = np.zeros(len(ids), np.int32)
    turn[: len(prefix)] = TEMPLATE
    turn[np.isin(ids, _special_ids(tokenizer))] = TEMPLATE
    return _made(tokenizer, text, ids, turn, ("text",))


def chat_prompt(tokenizer: Any, prompt: str | Messages, system: str | None, model: str) -> Prompt:
    """Return a chat as a prompt, in the words of the model's chat template, with the assistant's turn opened.

    The name of a special token that somebody wrote is text: a user ends no turn with it.

    Parameters
    ----------
    tokenizer : transformers tokenizer
    prompt : str or sequence of mappings
        What the user says, or turns with ``role`` and ``content``.
    system : str or None
        A system prompt; without one the template may put its own.
    model : str
        Name of the model, for messages.

    Raises
    ------
    InputError
        If the model has no chat template, or the turns are none that it can answer.
    ReaderError
        If the template cannot write them.
    """
    if not tokenizer.chat_template:
        raise InputError(f"{model} has no chat template: give plain text with --raw (in Python raw=True)")
    turns = _turns(prompt, system)
    rendered = render_chat(tokenizer, turns, answer=True)
    if isinstance(rendered, Unreadable):
        raise ReaderError(f"the chat template of {model} cannot write these turns: {rendered.detail}")
    text, places = rendered
    encoded, offsets = encode_rendered(tokenizer.backend_tokenizer, special_names(tokenizer), text, places)
    ids = encoded.astype(np.int64)
    turn = np.full(len(ids), TEMPLATE, np.int32)
    for number, (begin, end) in enumerate(places):
        turn[(offsets[:, 0] < end) & (offsets[:, 1] > begin)] = number
    turn[np.isin(ids, _special_ids(tokenizer))] = TEMPLATE  # an unknown token is one, too
    return _made(tokenizer, text, ids, turn, tuple(role for role, _ in turns))


def _turns(prompt: str | Messages, system: str | None) -> list[tuple[str, str]]:
    given: Messages = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
    turns = [] if system is None else [("system", system)]
    for message in given:
        role, content = message.get("role"), message.get("content")
        if not isinstance(role, str) or not isinstance(content, str):
            raise InputError("a turn of a prompt has a role and a content, both text")
        if role == "system" and system is not None:
            raise InputError("a system prompt is given twice: among the turns, and beside them")
        turns.append((role, content))
    if not turns or turns[-1][0] != "user":
        raise InputError("nothing to answer: the last turn of a prompt is the user's")
    if not turns[-1][1].strip():
        raise InputError("a prompt is empty")
    return turns


def _made(
    tokenizer: Any, text: str, ids: NDArray[np.int64], turn: NDArray[np.int32], roles: tuple[str, ...]
) -> Prompt:
    if not len(ids):
        raise InputError("a prompt is empty")
    if ids[0] == tokenizer.bos_token_id:
        turn[0] = BOS
    return Prompt(text, ids, turn, roles)


def _prefix(backend: Any) -> list[int]:
    """Return the special tokens that the tokenizer puts in front of a text, from what it does to a word."""
    bare = backend.encode("a", add_special_tokens=False).ids
    full = backend.encode("a", add_special_tokens=True).ids
    at = next((i for i in range(len(full)) if full[i : i + len(bare)] == bare), 0) if bare else 0
    return list(full[:at])


def _special_ids(tokenizer: Any) -> list[int]:
    special = set(tokenizer.all_special_ids)
    special.update(i for i, token in tokenizer.added_tokens_decoder.items() if token.special)
    return sorted(i for i in special if i is not None)
