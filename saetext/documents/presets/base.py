"""Preset: how rows of one known shape are read. Not for: which one fits (``registry``)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from saetext.documents.chat import Note, answers, asked
from saetext.documents.paths import at, has
from saetext.documents.reading import BadRow, Row, shorten
from saetext.documents.record import EMPTY_TEXT, FAILED

Given = Mapping[str, Any]


@dataclass(frozen=True)
class Preset:
    """One shape of rows.

    Attributes
    ----------
    name : str
        What wrote them: ``OpenAI batch output``.
    fits : callable
        Whether a row has the shape; it has to be cheap.
    read : callable
        Gets a row and a function that is told the kinds of parts that are not read; returns the documents
        in it, as mappings, or a :class:`BadRow`.
    reads : str
        Where the text is, for people.
    text, messages, prompt, id : str or None
        Columns of what ``read`` returns.
    refuses : callable or None
        Gets the first rows that fit, and returns why such a file cannot be read, or None.
    unless : callable or None
        Gets the first rows, and returns whether they are something else, though most of them fit.
    filtered : str or None
        A column of which one value alone is kept, the first: lm-evaluation-harness writes each sample once
        for each filter.
    """

    name: str
    fits: Callable[[Given], bool]
    read: Callable[[Given, Note], Iterable[Row]]
    reads: str
    text: str | None = "text"
    messages: str | None = None
    prompt: str | None = None
    id: str | None = None
    refuses: Callable[[Sequence[Given]], str | None] | None = None
    unless: Callable[[Sequence[Given]], bool] | None = None
    filtered: str | None = None


def declared(
    name: str,
    *,
    has_all: Sequence[str],
    text: str,
    prompt: str | None = None,
    id: str | None = None,
    meta: Mapping[str, str] | None = None,
    failed: Callable[[Given], str | None] | None = None,
    fits: Callable[[Given], bool] | None = None,
    keep: bool = True,
    reads: str | None = None,
) -> Preset:
    """Return a preset that is said by its paths alone.

    Parameters
    ----------
    has_all : sequence of str
        Paths that a row has.
    text, prompt, id : str
        Paths to what was answered (a text, its parts, or several samples), asked, and what a row is called.
    meta : mapping
        Further columns by their paths; one that ends in ``*`` gives all the plain values there.
    failed : callable, optional
        Returns the error of a row that has no answer.
    fits : callable, optional
        A further test.
    keep : bool
        Whether the other plain values of the row become columns too.
    reads : str, optional
        The path to the text itself, where ``text`` is what holds it.
    """

    def fit(row: Given) -> bool:
        return all(has(row, path) for path in has_all) and (fits is None or fits(row))

    def read(row: Given, note: Note) -> list[Row]:
        error = None if failed is None else failed(row)
        if error is not None:
            return [BadRow(FAILED, shorten(error))]
        more = columns(row, meta or {}, keep)
        if id is not None and (value := at(row, id)) is not None:
            more[_leaf(id)] = value
        if prompt is not None and (question := asked(at(row, prompt))) is not None:
            more["prompt"] = question
        return samples(answers(at(row, text), note), more, reads or text)

    return Preset(
        name,
        fit,
        read,
        reads or text,
        prompt="prompt" if prompt else None,
        id=None if id is None else _leaf(id),
    )


def samples(texts: Sequence[str], more: Mapping[str, Any], where: str) -> list[Row]:
    """Return a document for each text, numbered where there are several; a :class:`BadRow` for none."""
    if not texts:
        return [BadRow(EMPTY_TEXT, f"there is no text at {where}")]
    if len(texts) == 1:
        return [{**more, "text": texts[0]}]
    return [{**more, "text": text, "sample": number} for number, text in enumerate(texts)]


def columns(row: Given, meta: Mapping[str, str], keep: bool = True) -> dict[str, Any]:
    """Return the columns of a row: its own plain values, and those at the paths in ``meta``."""
    found = {str(name): value for name, value in row.items() if plain(value)} if keep else {}
    for name, path in meta.items():
        if path.endswith("*") and not path.endswith("[*]"):
            inner = at(row, path[:-1].rstrip(".")) if path != "*" else row
            if isinstance(inner, Mapping):
                found |= {f"{name}{key}": value for key, value in inner.items() if plain(value)}
        elif plain(value := at(row, path)):
            found[name] = value
    return found


def plain(value: object) -> bool:
    """Whether a value can be a column: a text, a number, true or false."""
    return isinstance(value, str | int | float) and value != ""


def said(error: Any) -> str | None:
    """Return what an error says, as one text; None if it is none."""
    if error in (None, "", {}, [], False):
        return None
    if isinstance(error, str):
        return error
    if isinstance(error, Mapping):
        if isinstance(error.get("error"), Mapping):
            return said(error["error"])
        kind = error.get("type") or error.get("code") or error.get("status")
        message = error.get("message") or error.get("detail")
        return ": ".join(str(part) for part in (kind, message) if part) or shorten(str(dict(error)))
    return shorten(str(error))


def _leaf(path: str) -> str:
    return path.replace("]", "").replace("[", ".").split(".")[-1]
