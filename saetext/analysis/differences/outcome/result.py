"""What ``diff --outcome`` returns. Not for: computing or drawing it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from saetext.analysis.base import Result
from saetext.text.one_line import about

if TYPE_CHECKING:
    import polars as pl

#: Columns of the list of findings, in this order.
COLUMNS = (
    "name", "kind", "n", "rate", "effect", "ci_low", "ci_high", "q", "confirmed", "raw", "raw_low",
    "raw_high", "raw_q", "within", "within_q", "length", "prompt", "effect_confirm", "q_confirm", "term",
    "feature", "members", "n_members", "snippet", "snippet_without", "label", "words", "fits", "telling",
)  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class OutcomeFamily:
    """What one kind of description has to do with the outcome.

    Attributes
    ----------
    name : str
        ``features``, ``words``, ``format``, ``properties`` or ``themes``.
    tested, significant, confirmed : int
        How many were tested, have q < .05, and hold on the half that was not used to find them.
    table : polars.DataFrame
        A row for each that was tested, the strongest first: ``term`` (of features ``feature``) and the
        numbers of :class:`OutcomeResult` with ``p``.
    """

    name: str
    tested: int
    significant: int
    confirmed: int
    table: pl.DataFrame

    def __repr__(self) -> str:
        counts = f"{self.tested:,} tested, {self.significant:,} significant, {self.confirmed:,} confirmed"
        return about(self, f"{self.name}, {counts}")


@dataclass(frozen=True, eq=False, repr=False)
class OutcomeResult(Result):
    """What goes with an outcome, each finding under the simplest description that carries it.

    Of an outcome with two values all effects are shares of documents (.12 is 12 percentage points), of a
    number they are in its own units. ``table`` has a row a finding, the strongest first:

    - ``name`` and ``kind``, as in the findings of a diff; ``n`` documents have it, a share of ``rate``;
    - ``effect``, how much more of the outcome documents have that have the finding, at equal length and
      within prompts (least squares), with its 95 % interval ``ci_low``, ``ci_high`` (robust to documents of
      one prompt being alike); ``q`` (within its kind); ``confirmed``, whether it was found on one half and
      again on the other, there with ``effect_confirm`` and ``q_confirm``;
    - ``raw``, the plain difference between documents with and without it, with ``raw_low``, ``raw_high`` and
      ``raw_q``; ``within``, the difference within prompts and at equal controls, whatever the length, with
      ``within_q``;
    - ``length``, whether length explains ``within``; ``prompt``, whether prompts and controls explain
      ``raw``: "yes" if less than half is left, "no" if at least half is, "unclear" if the data cannot tell;
      null where there is nothing to explain;
    - ``term`` or ``feature``, ``members``, ``n_members``, ``label``, ``words``, ``fits`` and ``telling``, as
      in the findings of a diff;
    - ``snippet``, an example that has it, the place marked «so», from a document with more of the outcome if
      the effect is above 0 and with less otherwise; ``snippet_without``, a document of the other kind without
      it and of the same prompt, where they are compared within prompts; null for features.

    Attributes
    ----------
    families : tuple of OutcomeFamily
        All that was tested, by kind.
    gone : mapping
        ``length`` and ``prompt`` to the names of marks, words, properties and themes that go with the outcome
        before adjusting and whose effect that explains, the largest first.
    """

    families: tuple[OutcomeFamily, ...] = ()
    gone: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    _naming: ClassVar[tuple[str, ...]] = ("name",)

    @property
    def binary(self) -> bool:
        """Whether effects are shares of documents."""
        return self.params["yes"] is not None

    @property
    def pairs(self) -> bool:
        """Whether two answers in one row were compared, of which one won."""
        return self.params.get("columns") is not None

    @property
    def outcome(self) -> str:
        """What the outcome is called: its column, with the value that counts as yes."""
        column, yes = self.params["outcome"], self.params["yes"]
        return column if yes is None or self.pairs else f"{column} = {yes}"
