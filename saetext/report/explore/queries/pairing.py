"""What goes together in one set of documents, as one asks in the explorer: :func:`saetext.correlate`.

Not for: pages (:mod:`saetext.report.explore.rooms.pairs`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from saetext.analysis.cooccurrence import CorrelateResult, correlate
from saetext.errors import InputError
from saetext.features.labels import FeatureLabels
from saetext.io.progress import OnProgress
from saetext.report.explore.queries.choosing import Chosen
from saetext.report.html.pair_gathering import pair_page
from saetext.report.html.pair_model import PairPage

if TYPE_CHECKING:
    from saetext.reader.reader import Reader

TOP = 60  # pairs of each kind
_FEWEST = 20  # documents of which pairs are counted
#: What tells a pair of features from the others; where the second is no feature, its name does.
FEATURES: tuple[str, ...] = ("feature_a", "feature_b")


@dataclass(frozen=True)
class Question:
    """Which documents, which SAE, and a column within whose values pairs are counted (None for none)."""

    chosen: Chosen
    sae: str
    within: str | None = None

    def options(self) -> dict[str, Any]:
        """Return the keywords of :func:`saetext.correlate`."""
        within = {} if self.within is None else {"within": self.within}
        return {"names": (self.chosen.name,), "sae": self.sae, "top": TOP, **within}

    def asked(self, labels: FeatureLabels) -> dict[str, Any]:
        """Return what the answer depends on, in plain JSON types."""
        corpus = self.chosen.corpus
        return {
            "labels": labels.checksum,
            "set": [self.chosen.name, corpus.fingerprint, str(corpus.path)],
            **self.options(),
        }

    @property
    def title(self) -> str:
        """What is done, for who waits."""
        return f"Looking for pairs in {self.chosen.name}"


@dataclass(frozen=True, eq=False)
class Pairs:
    """What came of it: the result, its page, and the rows of the page's cards in their order."""

    question: Question
    result: CorrelateResult
    page: PairPage

    def keys(self) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
        """Return for each card which columns of its row tell it from the others, and what they have."""
        found = [(listed_key(finding.row), finding.row) for finding in self.page.listed]
        found += [(features_key(finding.row), finding.row) for finding in self.page.findings]
        return [(columns, tuple(str(row[column]) for column in columns)) for columns, row in found]


def pairs(
    question: Question,
    labels: FeatureLabels,
    reader: Reader | None = None,
    on_progress: OnProgress | None = None,
) -> Pairs:
    """Look for pairs.

    Parameters
    ----------
    question : Question
        What is asked.
    labels : FeatureLabels
        What features are called.
    reader : Reader, optional
        Reads the passages again, to shade every token.
    on_progress : callable, optional
        Gets a :class:`saetext.io.progress.Progress` as the work goes on.

    Raises
    ------
    InputError
        If there are too few documents, or there is no such column.
    """
    corpus = question.chosen.corpus
    if corpus.n_documents < _FEWEST:
        raise InputError(
            f"pairs are counted in at least {_FEWEST} documents, and these are {corpus.n_documents}"
        )
    result = correlate(corpus, labels=labels, on_progress=on_progress, **question.options())
    page = pair_page(
        result, [corpus], labels, reader=reader, findings=TOP, lines=TOP, on_progress=on_progress
    )
    return Pairs(question, result, page)


def listed_key(row: Mapping[str, object]) -> tuple[str, ...]:
    """Return the columns that tell a row of the list from the others: a feature's number, not its label."""
    a, b = (f"feature_{end}" if row.get(f"feature_{end}") is not None else f"name_{end}" for end in "ab")
    return ("kind_a", a, "kind_b", b)


def features_key(row: Mapping[str, object]) -> tuple[str, ...]:
    """Return the columns that tell a pair of features from the others."""
    return FEATURES if row.get("feature_b") is not None else (*FEATURES, "label_b")
