"""Prompts to intervene on: what is asked, what was answered so far, and the columns that came with it.

Not for: tokens (:mod:`saetext.intervene.cases`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from saetext.documents import Document, DocumentSource, Reject, open_documents
from saetext.documents.guess import PROMPT_NAMES, TEXT_NAMES
from saetext.documents.record import Columns
from saetext.errors import InputError
from saetext.text.one_line import quoted

#: What prompts can be given as: one text, several, a file, or documents.
Given = str | Path | Iterable[Any]


@dataclass(frozen=True)
class Row:
    """One prompt.

    Attributes
    ----------
    id : str
        Of its row, or its number.
    prompt : str or tuple of dict
        A text, or turns with ``role`` and ``content`` that end with the user's.
    answer : str
        What the model has answered so far; empty for nothing.
    meta : dict
        The other columns.
    """

    id: str
    prompt: str | tuple[Mapping[str, str], ...]
    answer: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)


def rows_of(
    given: Given, *, text: str | None = None, id: str | None = None, prompt: str | None = None
) -> list[Row]:
    """Return prompts one by one.

    A text beside a prompt is the answer so far; a text alone is the prompt. A chat that ends with turns of
    the assistant's ends with the answer so far. Where only ``prompt`` is named, an answer is a column that
    is called ``text``, ``output``, ``response`` or the like.

    Parameters
    ----------
    given : str, path, or iterable
        One prompt, a file of them (a path), texts, mappings or documents, or a series, frame, table or
        dataset.
    text, id, prompt : str, optional
        Columns; guessed.

    Raises
    ------
    InputError
        If there is none, or a row cannot be used.
    """
    if isinstance(given, Sequence) and _are_rows(given):
        return list(given)
    rows = []
    for item in _documents(given, text, id, prompt):
        if isinstance(item, Reject):
            raise InputError(f"{item.where} cannot be used: {item.reason} ({item.detail})")
        rows.append(_row(item))
    if not rows:
        raise InputError("there is no prompt")
    return rows


def asked_in(
    given: Given, *, text: str | None = None, id: str | None = None, prompt: str | None = None
) -> list[Row]:
    """Return prompts whose answers are not looked at, and may be missing: they are written anew.

    Parameters
    ----------
    given : str, path, or iterable
        As for :func:`rows_of`.
    text, prompt : str, optional
        The column with the prompts, either; guessed.
    id : str, optional
        A column; guessed.

    Raises
    ------
    InputError
        If both are named, there is no prompt, or a row has none.
    """
    if text and prompt:
        raise InputError(
            f"{quoted(prompt)} and {quoted(text)} are both named for what is asked, and answers are not "
            "looked at: name the column with the prompts alone"
        )
    if named := text or prompt:
        return rows_of(given, text=named, id=id, prompt="")
    if isinstance(given, Iterator):
        given = list(given)
    found = None if _are_rows(given) else _documents(given, None, id, None)
    if isinstance(found, DocumentSource) and found is not given and (column := found.columns.prompt):
        with contextlib.suppress(InputError):  # of a shape that has no such column
            return rows_of(given, text=column, id=id, prompt="")
    return rows_of(given if found is None else found, id=id)


def _are_rows(given: Given) -> bool:
    return isinstance(given, Sequence) and bool(given) and all(isinstance(item, Row) for item in given)


def _documents(
    given: Given, text: str | None, id: str | None, prompt: str | None
) -> Iterable[Document | Reject]:
    if isinstance(given, DocumentSource):
        return given
    source: Any = [given] if isinstance(given, str) else given
    if isinstance(source, Iterator):  # it is read twice
        source = list(source)
    if isinstance(source, Sequence) and all(isinstance(item, Document) for item in source):
        return list(source)
    columns: dict[str, Any] = {"text": text, "id": id, "prompt": prompt}
    try:
        found = open_documents(source, **columns)
    except InputError:
        if text is not None or prompt == "":
            raise
        for name in (prompt,) if prompt else PROMPT_NAMES:  # prompts alone
            with contextlib.suppress(InputError):
                return open_documents(source, text=name, id=id, prompt="")
        raise
    if text is None and prompt and not _is_answer(found.columns):
        return open_documents(source, text=prompt, id=id, prompt="")
    return found


def _is_answer(columns: Columns) -> bool:
    """Whether the text beside a prompt is called one; another column of words may be a topic."""
    return columns.text is None or columns.text.casefold() in TEXT_NAMES


def _row(document: Document) -> Row:
    if document.messages is None:
        if document.prompt is None:
            return Row(document.id, document.text, "", document.meta)
        return Row(document.id, document.prompt, document.text, document.meta)
    turns = [{"role": turn.role, "content": turn.content} for turn in document.messages]
    answers: list[str] = []
    while turns and turns[-1]["role"] == "assistant":
        answers.insert(0, turns.pop()["content"])
    if not turns:
        raise InputError(f"{document.where}: {quoted(document.id)} is an answer to nothing")
    return Row(document.id, tuple(turns), "\n\n".join(answers), document.meta)
