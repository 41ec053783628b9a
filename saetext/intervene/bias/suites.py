"""Suites: prompts before a pronoun, what is likelier there, and of whom they speak; built in or from a file.

Not for: running a model (:mod:`saetext.intervene.bias.scoring`).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from saetext.documents import Document, open_documents
from saetext.errors import InputError
from saetext.intervene.bias.request import SUITES
from saetext.intervene.bias.words import (
    FEMALE_FACTS,
    MALE_FACTS,
    PROFESSIONS,
    PRONOUNS,
    SCHEMAS,
    TEMPLATES,
)
from saetext.text.one_line import quoted

Measure = Literal["gap", "resolution", "fact"]
_PUBLISHED = re.compile(r"(?P<o>[^.]+)\.(?P<p>[^.]+)\.(?P<a>[01])\.(?P<g>male|female|neutral)(?:\.txt)?")
_PLACE = re.compile(r"\$(NOM|POSS|ACC)_PRONOUN")
_OWN = re.compile(r"\{(nom|poss|acc)\}")


@dataclass(frozen=True)
class Item:
    """A prompt and two ways to go on, of which a model finds one likelier.

    Attributes
    ----------
    suite : str
        Where it comes from.
    measure : {"gap", "resolution", "fact"}
        The pronoun after a profession; who a pronoun is taken for; the pronoun that follows from meaning.
    unit : str
        What was drawn independently: the profession, or the sentence.
    group : str
        Items whose values are added, times their weights, before anything else.
    prompt : str
    first, second : str
        What goes on, with its space: of a man and of a woman, or the occupation and the participant.
    weight : float
        Of a fact: -1 where the second is right.
    stereotype : float or None
        Of the profession: larger, more men.
    """

    suite: str
    measure: Measure
    unit: str
    group: str
    prompt: str
    first: str = " he"
    second: str = " she"
    weight: float = 1.0
    stereotype: float | None = None


@dataclass(frozen=True)
class Split:
    """Items to find features with, and items to measure on; no unit of bias is in both."""

    find: tuple[Item, ...]
    measure: tuple[Item, ...]


def items_of(suites: Sequence[str]) -> list[Item]:
    """Return the items of suites by name or file, and those that should stay.

    Facts are those of the files, or the built-in ones where no file has any.

    Raises
    ------
    InputError
        If a file cannot be read or used, or there is no item.
    """
    found: list[Item] = []
    for suite in suites:
        if suite == "professions":
            found += _professions()
        elif suite == "winogender":
            found += _schemas()
        else:
            found += _from_file(suite)
    if not any(item.measure == "gap" for item in found):
        raise InputError(f"nothing to measure in {', '.join(suites)}: a suite needs prompts before a pronoun")
    if not any(item.measure == "fact" for item in found):
        found += _facts()
    return found


def split_of(items: Sequence[Item], seed: int) -> Split:
    """Return half of the professions to find features with; the other half, and all facts, to measure on.

    Raises
    ------
    InputError
        If there is only one profession.
    """
    units = sorted({item.unit for item in items if item.measure != "fact"}, key=lambda u: _drawn(u, seed))
    if len(units) < 2:
        raise InputError(
            f"there is only one profession, {units[0]!r}: features are found on half of them and measured on "
            "the others"
        )
    aside = set(units[: len(units) // 2])
    find = tuple(item for item in items if item.measure == "gap" and item.unit in aside)
    if not find:  # the half has resolutions alone
        raise InputError("half of the professions have no prompt before a pronoun: give another --seed")
    measure = tuple(item for item in items if item.measure == "fact" or item.unit not in aside)
    return Split(find, measure)


def _drawn(unit: str, seed: int) -> str:
    return hashlib.sha256(f"{seed} {unit}".encode("utf-8", "surrogatepass")).hexdigest()


# ---- built in ------------------------------------------------------------------------------------------


def _professions() -> list[Item]:
    return [
        Item(
            "professions", "gap", name, f"{name} {number}", template.format(profession=name), stereotype=value
        )
        for name, value in PROFESSIONS.items()
        for number, template in enumerate(TEMPLATES)
    ]


def _facts() -> list[Item]:
    return [
        Item("facts", "fact", prompt, prompt, prompt, weight=weight)
        for weight, prompts in ((1.0, MALE_FACTS), (-1.0, FEMALE_FACTS))
        for prompt in prompts
    ]


def _schemas() -> list[Item]:
    found: list[Item] = []
    for occupation, participant, *sentences in SCHEMAS:
        for number, sentence in enumerate(sentences):
            place = _OWN.search(sentence)
            assert place is not None
            filled = sentence.replace("{o}", occupation).replace("{p}", participant)
            found += _schema(
                "winogender", occupation, participant, f"{occupation} {number}",
                tuple(_filled(_OWN, filled, i) for i in (0, 1)),
                PROFESSIONS.get(occupation),
            )  # fmt: skip
    return found


def _filled(places: re.Pattern[str], text: str, side: int) -> str:
    """Put pronouns in their places: of a man (0) or of a woman (1)."""
    return places.sub(lambda found: PRONOUNS[found[1].lower()][side], text)


def _schema(
    suite: str,
    occupation: str,
    participant: str,
    group: str,
    pair: tuple[str, ...],
    stereotype: float | None,
) -> list[Item]:
    """Return the prompt before the pronoun, and the two that ask who the pronoun is."""
    man, woman = (sentence.split(" ") for sentence in pair)
    at = next((i for i, (a, b) in enumerate(zip(man, woman, strict=False)) if a != b), None)
    if at is None or at == 0 or len(man) != len(woman):
        raise InputError(f"{suite}: the two sentences of {quoted(group)} do not differ in a pronoun alone")
    bare = [re.sub(r"\W+$", "", words[at]) for words in (man, woman)]
    gap = Item(
        suite, "gap", occupation, group, " ".join(man[:at]), f" {bare[0]}", f" {bare[1]}", 1.0, stereotype
    )
    if participant == "someone":
        return [gap]
    return [gap] + [
        Item(
            suite, "resolution", occupation, f"{group} who",
            f'{sentence} The word "{pronoun}" refers to the',
            f" {occupation}", f" {participant}", weight, stereotype,
        )
        for sentence, pronoun, weight in zip(pair, bare, (1.0, -1.0), strict=True)
    ]  # fmt: skip


# ---- files ---------------------------------------------------------------------------------------------


def _from_file(name: str) -> list[Item]:
    path = Path(name)
    if not path.exists():
        raise InputError(f"there is no suite {quoted(name)}: name {' or '.join(SUITES)}, or a file")
    rows = _rows(path)
    if not rows:
        raise InputError(f"{path} has no sentence: the suite is empty")
    columns = set(rows[0][1])
    if {"occupation(0)", "participant(1)"} <= columns:
        return _templates(path, rows)
    if any(_PUBLISHED.fullmatch(id) for id, _ in rows):
        return _sentences(path, rows)
    return [_row(path, number, row) for number, (_, row) in enumerate(rows, 1)]


def _rows(path: Path) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the id and the columns of each row; the text is called ``text`` whatever its column is."""
    found: list[tuple[str, Mapping[str, Any]]] = []
    source = None
    for column in ("sentence", "prompt", "text"):
        try:
            source = open_documents(path, text=column, prompt="", messages="")
            break
        except InputError as error:
            if column == "text":
                raise InputError(
                    f"{path} is no suite ({error}): it needs a column prompt, text or sentence"
                ) from None
    assert source is not None
    for item in source:
        if not isinstance(item, Document):
            raise InputError(f"{item.where} cannot be used: {item.reason} ({item.detail})")
        id = str(item.meta.get("sentid", item.id))
        found.append((id, {**item.meta, "text": item.text}))
    return found


def _templates(path: Path, rows: Iterable[tuple[str, Mapping[str, Any]]]) -> list[Item]:
    """Read the published ``templates.tsv``: one row for each sentence, with places for the words."""
    found: list[Item] = []
    for number, (_, row) in enumerate(rows, 1):
        occupation, participant = str(row["occupation(0)"]), str(row["participant(1)"])
        text = str(row["text"]).replace("$OCCUPATION", occupation).replace("$PARTICIPANT", participant)
        if not _PLACE.search(text):
            raise InputError(f"{path}, row {number}: there is no $NOM_PRONOUN, $POSS_PRONOUN or $ACC_PRONOUN")
        pair = tuple(_filled(_PLACE, text, i) for i in (0, 1))
        found += _schema(path.stem, occupation, participant, f"{occupation} {number}", pair, None)
    return found


def _sentences(path: Path, rows: Iterable[tuple[str, Mapping[str, Any]]]) -> list[Item]:
    """Read the published sentences: ``occupation.participant.answer.gender`` and the text of each."""
    pairs: dict[tuple[str, str, str], dict[str, Mapping[str, Any]]] = {}
    for id, row in rows:
        if match := _PUBLISHED.fullmatch(id):
            pairs.setdefault((match["o"], match["p"], match["a"]), {})[match["g"]] = row
    found: list[Item] = []
    for (occupation, participant, answer), both in pairs.items():
        if participant == "someone" or not {"male", "female"} <= set(both):
            continue  # the same sentence with the participant left open
        women = _number(both["male"].get("bls_pct_female"))
        stereotype = None if women is None else 1 - women / 50
        pair = (str(both["male"]["text"]), str(both["female"]["text"]))
        found += _schema(path.stem, occupation, participant, f"{occupation} {answer}", pair, stereotype)
    if not found:
        raise InputError(f"{path} has no sentence in both its male and its female form")
    return found


def _row(path: Path, number: int, row: Mapping[str, Any]) -> Item:
    """Read a row of a suite of one's own: text (or prompt), unit, first, second, kind, right, stereotype."""
    kind = str(row.get("kind") or "bias")
    if kind not in ("bias", "fact"):
        raise InputError(f"{path}, row {number}: kind is bias or fact, not {quoted(kind)}")
    text = str(row["text"]).rstrip()
    first, second = (
        str(row.get(name) or default) for name, default in (("first", " he"), ("second", " she"))
    )
    right = str(row.get("right") or "first")
    if kind == "fact" and right not in ("first", "second"):
        raise InputError(f"{path}, row {number}: right is first or second, not {quoted(right)}")
    if kind == "bias" and not row.get("unit"):
        raise InputError(f"{path}, row {number}: column unit says which profession the sentence is about")
    weight = -1.0 if kind == "fact" and right == "second" else 1.0
    return Item(
        path.stem, "fact" if kind == "fact" else "gap", str(row.get("unit") or text), f"{number}", text,
        first, second, weight, _number(row.get("stereotype")),
    )  # fmt: skip


def _number(value: Any) -> float | None:
    try:
        return None if value is None else float(value)
    except (TypeError, ValueError):
        return None
