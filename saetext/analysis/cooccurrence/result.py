"""What a correlation returns. Not for: computing or drawing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from saetext.analysis.base import Result, Row

if TYPE_CHECKING:
    import polars as pl

#: Columns of the table, in this order.
COLUMNS = (
    "feature_a", "label_a", "feature_b", "label_b", "n_a", "n_b", "n_ab", "npmi", "npmi_raw", "lift", "phi",
    "p", "q", "same_phrase", "label_similarity", "confirmed", "snippet",
    "residual", "npmi_low", "npmi_high", "expected", "lift_adjusted", "phi_adjusted",
    "p_b_given_a", "p_a_given_b",
    "rho", "rho_low", "rho_high", "rho_raw", "decoder_cosine", "npmi_confirm", "rho_confirm", "q_confirm",
    "npmi_pooled", "rho_pooled", "reversed", "hidden", "group", "community", "label_score_a", "label_score_b",
    "name_a", "fits_a", "name_b", "fits_b",
)  # fmt: skip
#: Columns of the list of what goes together, in this order.
FOUND = (
    "name", "kind", "name_a", "name_b", "kind_a", "kind_b", "n_a", "n_b", "n_ab", "expected", "npmi",
    "lift_adjusted", "p_b_given_a", "p_a_given_b", "q", "npmi_confirm", "q_confirm", "confirmed", "topic",
    "members", "n_members", "snippet",
)  # fmt: skip


@dataclass(frozen=True)
class Meeting:
    """A document that has both of a pair, or two that have one each, and where.

    Attributes
    ----------
    place_a, place_b : (corpus, document, strength, peak) or None
        Which corpus, which of its documents, how strong the feature is there and at which token it peaks;
        None where that side is a value of a column.
    """

    place_a: tuple[int, int, float, int] | None
    place_b: tuple[int, int, float, int] | None


@dataclass(frozen=True)
class Marked:
    """A line of text with both concepts' words: pieces of kind ``""``, ``"a"``, ``"b"``, ``"ab"``."""

    pieces: tuple[tuple[str, str], ...]

    def marked(self) -> str:
        """Return the line with «a» and ‹b› between marks."""
        around = {"": "{}", "a": "«{}»", "b": "‹{}›", "ab": "«‹{}›»", "|": "{}"}
        return "".join(around[kind].format(text) for text, kind in self.pieces)


@dataclass(frozen=True)
class Shown:
    """A line of one document: the document's id, and the words with both marked."""

    document: str
    line: Marked


@dataclass(frozen=True, eq=False, repr=False)
class CorrelateResult(Result):
    """Pairs of concepts that are in one document more or less often than chance.

    ``table`` has, a row a pair (N documents, or pairs of documents):

    - ``feature_a``, ``label_a``, ``feature_b``, ``label_b``; where the second is a value of a column,
      ``feature_b`` is null and the label is ``column = value``;
    - ``n_a``, ``n_b``, ``n_ab``: documents with the one, the other, both; ``expected``, how many would have
      both by chance among documents of equal length;
    - ``npmi``, against ``expected``, with ``npmi_low``, ``npmi_high`` (bootstrap, 95 %), and ``npmi_raw``,
      against ``n_a * n_b / N``; ``lift`` and ``phi`` are raw too (from the four counts alone),
      ``lift_adjusted`` and ``phi_adjusted`` against ``expected``; ``p_b_given_a`` and ``p_a_given_b`` are
      shares of documents;
    - ``p`` two-sided, ``q`` over all eligible pairs; ``npmi_confirm`` and ``q_confirm`` from the half that
      was not used to find the pair, null if it was not found on the first half; ``confirmed``;
    - ``residual``, the residual association: NPMI (or rho) times the share that does not follow from what
      the two go with otherwise (:func:`saetext.analysis.cooccurrence.redundancy.explained`);
    - ``same_phrase``, the share of the documents with both in which the two peak within two tokens;
      ``label_similarity``, ``decoder_cosine``; ``hidden``, why the pair is redundant, or null;
    - for a number: ``rho`` (rank correlation among documents of equal length) with ``rho_low``,
      ``rho_high``, ``rho_raw``, ``rho_confirm``, instead of NPMI;
    - ``npmi_pooled`` or ``rho_pooled``, without the column given to ``within``, and ``reversed``, whether its
      sign differs;
    - ``group``, the row (from 0, among all rows) that leads pairs of the same two concepts, itself if alone;
      ``community``, from 1, the largest first;
    - ``label_score_a``, ``label_score_b``; ``snippet``, words of a document with both marked «so» and ‹so›;
    - ``name_a``, ``name_b``, what reports call the two: the label if it fits these texts, else the words at
      the feature's peaks; ``fits_a``, ``fits_b``, whether it does, null for values, for features of later
      pairs (their name is the label, unchecked), and where texts are not stored.

    First what occurs together more often than by chance, then what occurs less. In both, significant rows
    come before others; those whose two names say something before those of which nothing can be read; then
    by the bound of the interval that is nearest to chance, times the share of the association that is
    residual, times .85 if the other half did not confirm it. Members of a group follow their leader.

    Attributes
    ----------
    evidence : mapping
        Row to where its examples are.
    lines : mapping
        Row to its snippet in pieces.
    communities : tuple of tuple of int
        Names of the concepts of each community, the largest first.
    found : polars.DataFrame or None
        What goes together in words that anyone can read, each thing once, the best evidence first: pairs of
        words, marks of format, properties and themes. Columns are :data:`FOUND`: ``name`` is both names,
        ``kind`` is ``word``, ``format``, ``property``, ``theme`` or ``mixed``; ``n_a`` to ``q_confirm`` and
        ``confirmed`` mean what they mean in ``table``; ``topic`` is a theme that both are of, or what covers
        and explains both, else null; ``members`` are pairs that go away among documents alike in having both.
        None with a second corpus, a column or ``to``, or where texts are not stored.
    found_examples : mapping
        Row of ``found`` to lines of a few documents that have both, the snippet's first.
    """

    evidence: Mapping[int, tuple[Meeting, ...]] = field(default_factory=dict)
    lines: Mapping[int, Marked] = field(default_factory=dict)
    communities: tuple[tuple[str, ...], ...] = ()
    found: pl.DataFrame | None = None
    found_examples: Mapping[int, tuple[Shown, ...]] = field(default_factory=dict)

    @property
    def found_lines(self) -> Mapping[int, Marked]:
        """The first example of each row of ``found``."""
        return {at: shown[0].line for at, shown in self.found_examples.items()}

    def lists(self) -> dict[str, pl.DataFrame]:
        """Return the tables that JSON has beside the rows: the first ``top`` of the list."""
        if self.found is None:
            return {}
        top = self.params["top"]
        return {"findings": self.found if top is None else self.found.head(top)}

    def listed(self) -> pl.DataFrame | None:
        """Return the list of pairs, each under its simplest names; None where it is empty."""
        listed = super().listed()
        return None if listed is None or listed.is_empty() else listed

    def _leaders(self, rows: Sequence[Row]) -> list[int]:
        """Pairs of the same two concepts stand behind the one that leads them."""
        return [row["group"] for row in rows]

    @property
    def n_significant(self) -> int:
        """Number of pairs with q < .05, shown or not."""
        return int(self.metrics["significant"])

    @property
    def n_confirmed(self) -> int:
        """Number of pairs that were confirmed, among those kept."""
        return int(self.metrics["confirmed"])
