"""Sides: the two conditions under which a model writes, by system prompt or by an edit, and texts under each.

Not for: edits that test a feature (:mod:`saetext.intervene.causes.trial`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import saetext.reader.stack  # noqa: F401 - says what is missing

from saetext.errors import InputError
from saetext.intervene.controls import Arm
from saetext.intervene.edit import Change, FeatureEdit
from saetext.intervene.effects import likelihood
from saetext.intervene.handles import handles_of
from saetext.intervene.positions import positions_of
from saetext.intervene.request import SteerRequest
from saetext.intervene.strength import strengths_of
from saetext.intervene.writing import Writer, Written
from saetext.reader.continuing import Readings

if TYPE_CHECKING:
    from saetext.corpus import Corpus
    from saetext.intervene.causes.request import WhyRequest
    from saetext.intervene.controls import Kind
    from saetext.intervene.generator import Generator
    from saetext.io.progress import OnProgress
    from saetext.reader.prompts import Messages, Prompt

_SYSTEM = ("system", "system_prompt")  # columns that hold a side's system prompt
_KEPT = 4096  # tokens of each side's prompts that are read once for all arms


@dataclass(frozen=True)
class Side:
    """A condition under which the model writes.

    Attributes
    ----------
    key : str
        ``a`` or ``b``.
    name : str
        What the set is called.
    system : str or None
        System prompt.
    changes : tuple of Change
        Edit.
    told : str
        Both in words.
    """

    key: str
    name: str
    system: str | None = None
    changes: tuple[Change, ...] = ()
    told: str = ""


@dataclass(frozen=True)
class SideAsks:
    """How texts of one side are written; what :class:`saetext.intervene.writing.Writer` reads."""

    positions: str
    samples: int
    max_new_tokens: int
    temperature: float
    top_p: float
    repetition_penalty: float
    system: str | None
    raw: bool
    seed: int
    batch: int
    on_progress: OnProgress | None


def sides_of(
    request: WhyRequest, names: tuple[str, str], generator: Generator, corpora: Sequence[Corpus] = ()
) -> tuple[Side, Side] | None:
    """Return how the model wrote both sides, None where nobody says so.

    What is asked for comes first, then a column of the corpora that holds one system prompt for each side.

    Raises
    ------
    InputError
        If both sides are written in the same way, or an edit cannot be made.
    """
    systems = systems_of(request, corpora)
    if systems is None:
        return None
    if request.system is not None:
        systems = request.system, request.system
    edits = tuple(_changes(texts, generator, request) for texts in (request.edit_a, request.edit_b))
    told = [_told(system, own) for system, own in
            zip(systems, (request.edit_a, request.edit_b), strict=True)]  # fmt: skip
    if told[0] == told[1]:
        raise InputError(f"A and B are written in the same way ({told[0]}): there is nothing to look into")
    return (
        Side("a", names[0], systems[0], edits[0], told[0]),
        Side("b", names[1], systems[1], edits[1], told[1]),
    )


def systems_of(request: WhyRequest, corpora: Sequence[Corpus] = ()) -> tuple[str | None, str | None] | None:
    """Return each side's system prompt, from what is asked for or the corpora; None if nobody says how."""
    if request.stated:
        return request.system_a, request.system_b
    found = tuple(system_in(corpus) for corpus in corpora)
    if len(found) != 2 or not any(found) or found[0] == found[1] or request.raw:
        return None
    return found


def system_in(corpus: Corpus) -> str | None:
    """Return the one system prompt that a corpus's documents have in a column; None if there is none."""
    columns = corpus.documents.collect_schema().names()
    for name in _SYSTEM:
        if name in columns:
            values = corpus.documents.select(name).collect()[name].unique().to_list()
            if len(values) == 1 and isinstance(values[0], str) and values[0].strip():
                return values[0]
    return None


def combined(first: Sequence[Change], then: Sequence[Change]) -> tuple[Change, ...]:
    """Return the edit of a side and one that tests a feature, as one.

    A feature that the side adds to is set to 0 where it is taken out, and added to once where it is turned
    up.
    """
    by_feature = {change.feature: change for change in then if change.feature is not None}
    found = []
    for change in first:
        other = by_feature.pop(change.feature, None) if change.feature is not None else None
        if other is None:
            found.append(change)
        elif other.op == "add":
            found.append(dataclasses.replace(other, value=other.value + change.value))
        else:
            assert other.feature is not None
            found.append(Change(other.feature, "set", 0.0, other.direction))
    return (*found, *by_feature.values(), *(change for change in then if change.feature is None))


class Pen:
    """Writes texts under the conditions of both sides, for some of the prompts.

    Parameters
    ----------
    generator : Generator
    prompts : sequence of str or turns
    request : WhyRequest
    seed : int
        Of the sampling: other texts than those the findings come from need another one.
    """

    def __init__(
        self, generator: Generator, prompts: Sequence[str | Messages], request: WhyRequest, seed: int
    ) -> None:
        self.generator, self.given, self.request, self.seed = generator, list(prompts), request, seed
        self._readings: dict[str, Readings] = {}  # of each side: every arm is judged after the same prompts

    def prompts(self, side: Side) -> list[Prompt]:
        """Return the prompts as the model gets them."""
        return self._writer(side, Arm("unedited", "base")).prompts

    def write(
        self, side: Side, changes: Sequence[Change] = (), name: str = "unedited", kind: Kind = "base"
    ) -> list[Written]:
        """Return the texts of a side under its own edit and another one."""
        arm = Arm(name, kind, changes=combined(side.changes, changes))
        return self._writer(side, arm).arm(arm)

    def likelihood(self, side: Side, texts: Sequence[Written]) -> list[float | None]:
        """Return the mean negative log-likelihood of texts by the model as it writes on a side, in nats."""
        prompts = self.prompts(side)
        model, sae, where = self.generator.model, self.generator.sae, self.request.positions

        def edits(some: Sequence[Prompt]) -> dict[str, FeatureEdit]:
            return {self.generator.hook: FeatureEdit(side.changes, positions_of(where, some), sae)}

        return likelihood(
            model, [prompts[text.prompt] for text in texts], [text.ids for text in texts],
            self._readings.setdefault(side.key, Readings(_KEPT)), edits if side.changes else None,
        )  # fmt: skip

    def _writer(self, side: Side, arm: Arm) -> Writer:
        names = [field.name for field in dataclasses.fields(SideAsks)]
        options: dict[str, Any] = {name: getattr(self.request, name) for name in names}
        asks = SideAsks(**{**options, "system": side.system, "seed": self.seed})
        return Writer(self.generator, self.given, asks, [arm], judged=False)


def _changes(texts: Sequence[str], generator: Generator, request: WhyRequest) -> tuple[Change, ...]:
    if not texts:
        return ()
    asked = SteerRequest(features=list(texts), doses="1")
    place = generator.model.path
    handles, _ = handles_of(generator, asked, strengths_of(generator, place, None, request.on_progress))
    return tuple(handle.change(1.0, "add") for handle in handles)


def _told(system: str | None, edit: Sequence[str]) -> str:
    parts = [] if system is None else [f"system prompt “{system}”"]
    parts += [f"edit {', '.join(edit)}"] if edit else []
    return " and ".join(parts) or "no system prompt"
