"""What a diff returns. Not for: computing or drawing it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from saetext.analysis.base import Result, Row
from saetext.analysis.differences.design import Design
from saetext.analysis.differences.examples import MarkedExamples
from saetext.features.evidence import Example
from saetext.text.one_line import about

if TYPE_CHECKING:
    import polars as pl

    from saetext.analysis.differences.hypotheses import Hypothesis

#: A feature's example in each set.
Evidence = tuple[Example | None, ...]

#: Columns of the table of two sets, in this order; ``control_*`` and ``explained_by_control`` follow where
#: there is one.
COLUMNS = (
    "feature", "label", "label_score", "n_a", "n_b", "rate_a", "rate_b", "diff", "ci_low", "ci_high",
    "odds_ratio", "p", "q", "auc", "adjusted_diff", "adjusted_q", "explained_by_length", "diff_confirm",
    "q_confirm", "confirmed", "group", "snippet_a", "snippet_b",
    "auc_low", "auc_high", "adjusted_low", "adjusted_high", "adjusted_odds_ratio", "early_diff",
)  # fmt: skip


#: Columns of the list of findings, in this order.
FOUND = (
    "name", "kind", "rate_a", "rate_b", "diff", "ci_low", "ci_high", "q", "confirmed", "length", "term",
    "feature", "members", "n_members", "snippet_a", "snippet_b", "n_a", "n_b", "odds_ratio", "auc", "auc_low",
    "auc_high", "adjusted_diff", "adjusted_low", "adjusted_high", "adjusted_q", "diff_confirm", "q_confirm",
    "label", "words", "fits", "telling",
)  # fmt: skip
#: Columns of the list of findings of several sets.
FOUND_OF_SEVERAL = (
    "name", "kind", "set", "rate", "rate_rest", "rates", "diff", "ci_low", "ci_high", "q", "confirmed",
    "length", "term", "feature", "members", "n_members", "snippet", "snippet_rest", "n", "odds_ratio", "auc",
    "auc_low", "auc_high", "adjusted_diff", "adjusted_low", "adjusted_high", "adjusted_q", "diff_confirm",
    "q_confirm", "label", "words", "fits", "telling",
)  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class Family:
    """What one kind of description finds: the reader's features, plain words, counts of format, or themes.

    Attributes
    ----------
    name : str
        ``features``, ``words``, ``format`` or ``themes``.
    tested, significant, confirmed : int
        How many were tested, have q < .05, and hold on the half that was not used to find them. Of several
        sets each is tested in each set: the last two count differences.
    auc : float or None
        How well a linear model of the family, fitted on the first half, separates the sets on the second;
        None for more than two sets.
    table : polars.DataFrame or None
        As the result's table with ``term`` instead of feature and label; None for the features themselves.
    """

    name: str
    tested: int
    significant: int
    confirmed: int
    auc: float | None
    table: pl.DataFrame | None = None

    def __repr__(self) -> str:
        auc = "no AUC" if self.auc is None else f"AUC {self.auc:.2f}"
        counts = f"{self.tested:,} tested, {self.significant:,} significant, {self.confirmed:,} confirmed"
        return about(self, f"{self.name}, {counts}, {auc}")


@dataclass(frozen=True)
class NullCheck:
    """How much is found when the labels A and B are shuffled, as many times as there are entries."""

    significant: tuple[int, ...]
    confirmed: tuple[int, ...]

    def describe(self) -> str:
        """Say it in one sentence."""
        n = len(self.confirmed)
        some = sum(c > 0 for c in self.confirmed)
        mean = sum(self.significant) / n
        return (
            f"with the labels shuffled {n} times, {mean:.1f} features on average have q < .05, "
            f"and {some} of {n} times any is confirmed"
        )


@dataclass(frozen=True, eq=False, repr=False)
class DiffResult(Result):
    """The features that were tested, confirmed ones first: how two sets differ, or each of several sets.

    ``table`` has for two sets, a row a feature:

    - ``feature``, ``label``, ``label_score``;
    - ``n_a``, ``n_b``, the documents in which it is present, ``rate_a``, ``rate_b``, their share, and
      ``diff``, which is ``rate_a - rate_b``, with its 95 % interval ``ci_low``, ``ci_high``;
    - ``odds_ratio`` (may be infinite; of pairs those in A only by those in B only), ``p`` and the
      Benjamini-Hochberg ``q`` over all features tested;
    - ``auc``, how often a random document of A has it more strongly than one of B (ties half), with
      ``auc_low``, ``auc_high``;
    - ``adjusted_diff``, the difference between documents of the same length (Mantel-Haenszel over bins of
      token count; within pairs and prompts least squares with a curve of log length), with
      ``adjusted_low``, ``adjusted_high``, ``adjusted_q`` and ``adjusted_odds_ratio``;
      ``explained_by_length``, which is "yes" if less than half of the difference remains, "no" if at least
      half does, "unclear" if the data cannot tell (:func:`saetext.stats.explained`), null if there is no
      significant difference; ``early_diff``, the difference within the first tokens that nearly all
      documents have;
    - ``diff_confirm`` and ``q_confirm``, from the half of the data that was not used to find it, null if
      it was not found on the first half; ``confirmed``;
    - ``group``, the feature that leads its concept group (itself if alone);
    - ``snippet_a`` and ``snippet_b``, an example in each set with the word marked «so», null where there is
      none. Where rows share a prompt both are of one prompt: one that only the set with the larger rate
      answers with the feature if there is any, and then the other set's is null. Otherwise each is the
      strongest of its set, but never the same words for both.

    For more sets it has a row for each feature and set, which is compared with all others together:

    - ``feature``, ``label``, ``label_score`` and ``set``;
    - ``n`` and ``rate``, the documents of the set with the feature and their share, and ``rate_rest``, the
      share in all other sets together; ``diff`` and everything that is tested or adjusted is as for two
      sets, with ``q`` over all features and sets;
    - ``diff_mean`` and ``diff_max``, the rate less the mean and the largest of the other sets' rates;
    - ``group``, and ``snippet`` of the set.

    Confirmed rows come first, then the other significant ones, each by size of the difference and those that
    length explains last, then the rest by p; members of a concept group follow their leader. The size is that
    of ``diff``; for more than two sets ``params["against"]`` says which of the three differences.

    Attributes
    ----------
    rates : polars.DataFrame
        ``feature``, ``label`` and the rate in each set by its name, for the features of the table in its
        order.
    evidence : mapping
        Feature to its example in each set (None where there is none), for the rows that have snippets; of
        more than two sets the strongest of each.
    families : tuple of Family
        What plain words and format counts find beside the features; empty where that was not asked for.
    found : polars.DataFrame or None
        What differs under the simplest description that carries it, the strongest first and those that
        length explains last; None where only features were asked for. Its columns for two sets:

        - ``name``, and ``kind``: ``format``, ``word``, ``property``, ``theme`` or ``feature``;
        - ``rate_a``, ``rate_b``, ``diff``, ``ci_low``, ``ci_high``, ``q`` (within its kind) and
          ``confirmed``, as in ``table``; ``length`` is ``explained_by_length``;
        - ``feature``, and ``term``, null for features: what it is in its family's table;
        - ``members``, the names of descriptions whose difference goes away among documents that are alike
          in this one, and of features of its concept group, the strongest twelve; ``n_members``, how many
          there are;
        - ``snippet_a`` and ``snippet_b``, an example; of words and features the place is marked «so»;
        - ``n_a`` to ``q_confirm``, as in ``table``;
        - of features ``label``, ``words``, up to four words that set its peaks in these texts apart from
          what is around them, and ``fits``, whether the label describes what it does here (null where texts
          are not stored). ``name`` is a label that fits, of its own or of another feature of its concept
          group, else the words;
        - ``telling``, whether the name says something to who has not seen the texts: not of function words,
          punctuation, forms of words, loose labels and features without words. Sentences name those last.

        For more sets, each is compared with all others together: the strongest finding of each set comes
        first, then the second of each. ``set`` says whose, ``rate`` and ``rate_rest`` are its rate and that
        of all others together, ``rates`` the rate in each set by its name, ``snippet`` and ``snippet_rest``
        an example of the set and of another one, and ``q`` is over all sets.
    marked : mapping
        Examples of the first findings but features: (set, or empty of two sets; kind; term) to pairs of
        documents with the places that show it, for pages.
    null : NullCheck or None
        What is found with shuffled labels, where that was asked for; None for more than two sets.
    hypotheses : tuple of Hypothesis
        What a language model made of the findings, where that was asked for; empty for more than two sets.
    design : Design or None
        Which rows of two sets were compared with which; None for more.
    """

    rates: pl.DataFrame | None = None
    evidence: Mapping[int, Evidence] = field(default_factory=dict)
    families: tuple[Family, ...] = ()
    found: pl.DataFrame | None = None
    marked: MarkedExamples = field(default_factory=dict)
    null: NullCheck | None = None
    hypotheses: tuple[Hypothesis, ...] = ()
    design: Design | None = None

    def lists(self) -> dict[str, pl.DataFrame]:
        """Return the tables that JSON has beside the rows: the first ``top`` findings."""
        if self.found is None:
            return {}
        top = self.params["top"]
        return {"findings": self.found if top is None else self.found.head(top)}

    def listed(self) -> pl.DataFrame | None:
        """Return the list of findings; None where it is empty for several sets: then features are shown."""
        listed = super().listed()
        return None if listed is not None and self.several and listed.is_empty() else listed

    def _leaders(self, rows: Sequence[Row]) -> list[int]:
        """Members of a concept group stand behind its leader.

        Of more than two sets they are left out: a feature leads in some sets and not in others.
        """
        if self.several:
            return [at if row["group"] == row["feature"] else -1 for at, row in enumerate(rows)]
        place = {row["feature"]: at for at, row in enumerate(rows)}
        return [place.get(row["group"], -1) for row in rows]

    def rates_by_feature(self) -> dict[int, tuple[float, ...]]:
        """Return the rate of each feature of the table in each set, in the order of the sets."""
        if self.rates is None:
            return {}
        rates = self.rates.select(self.names).rows()
        return dict(zip(self.rates["feature"].to_list(), rates, strict=True))

    @property
    def several(self) -> bool:
        """Whether more than two sets are compared, each with all others."""
        return "sets" in self.params

    @property
    def names(self) -> tuple[str, ...]:
        """What the sets are called."""
        if self.several:
            return tuple(self.params["sets"])
        return self.params["a"], self.params["b"]

    @property
    def paired(self) -> bool:
        """Whether the rows of two sets were paired one to one."""
        return self.metrics.get("pairs") is not None

    @property
    def n_significant(self) -> int:
        """Number of rows with q < .05, shown or not."""
        return int(self.metrics["significant"])

    @property
    def n_confirmed(self) -> int:
        """Number of rows that were confirmed, shown or not."""
        return int(self.metrics["confirmed"])
