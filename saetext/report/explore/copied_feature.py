"""Single features of a corpus, each on a page of a static copy: passages, histogram, words, what is near.

A bounded number of features, those that tell most. A page needs no script. Not for: the table of all
(``copied_features.py``), or the explorer's page of one (``rooms/features.py``), which asks as one clicks.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from saetext.corpus import Corpus
from saetext.features.labels import FeatureLabels
from saetext.report.explore.queries import feature as one
from saetext.report.explore.queries.counts import calibration_of, counts_of
from saetext.report.explore.queries.features import features_of
from saetext.report.explore.queries.naming import WRONG
from saetext.report.explore.queries.passages import Entry, Look, entry_of
from saetext.report.explore.queries.shades import Shade, themes_of
from saetext.report.html.parts import draw
from saetext.text.passages import printable

MOST = 200  # features with a page
_WIDTH = 240  # characters of a passage
_WORDS = 12
_STYLES = ("base.css", "explore/collected.css", "explore/copied.css", "explore/copied_feature.css")


@dataclass(frozen=True)
class Beside:
    """What a page of a feature leads to; addresses are relative to the page.

    Attributes
    ----------
    table : str
        The table of features.
    read : str
        The page with documents; empty if there is none.
    rows : collection of int
        The documents that it has.
    marked : mapping of int to int
        In how many of them each feature is marked.
    features : tuple of int
        The features that have a page, in the table's order.
    """

    table: str
    read: str = ""
    rows: Collection[int] = frozenset()
    marked: Mapping[int, int] = field(default_factory=dict, repr=False)
    features: tuple[int, ...] = field(default=(), repr=False)


def with_pages(corpus: Corpus, sae: str, labels: FeatureLabels) -> tuple[int, ...]:
    """Return the features that get a page: the most telling, as the table begins with them."""
    found = features_of(corpus, sae, labels, words="", sort="telling", turned=False, absent=False)
    return tuple(found[:MOST].tolist())


def file_of(feature: int) -> str:
    """Return the file name of a feature's page."""
    return f"{feature}.html"


def feature_pages(
    corpus: Corpus, sae: str, labels: FeatureLabels, name: str, beside: Beside, sets: Mapping[str, Corpus]
) -> Iterator[tuple[int, str]]:
    """Yield the features of ``beside``, each with its page.

    Parameters
    ----------
    corpus : Corpus
    sae : str
    labels : FeatureLabels
    name : str
        What the corpus is called.
    beside : Beside
    sets : mapping
        Corpora in which the share of documents is told, by name.
    """
    for at, feature in enumerate(beside.features):
        near = [
            beside.features[other] if 0 <= other < len(beside.features) else None
            for other in (at - 1, at + 1)
        ]
        steps = [
            (word, file_of(other), printable(labels.label(other)))
            for word, other in zip(("Before", "Next"), near, strict=True)
            if other is not None
        ]
        yield feature, _page(corpus, sae, labels, name, feature, beside, sets, steps)


def _page(
    corpus: Corpus,
    sae: str,
    labels: FeatureLabels,
    name: str,
    feature: int,
    beside: Beside,
    sets: Mapping[str, Corpus],
    steps: list[tuple[str, str, str]],
) -> str:
    known, calibration = labels.get(feature), calibration_of(corpus, sae)
    spec = corpus.spec.sae(sae)
    look = Look(corpus, sae, labels, Shade(str(feature), labels.label(feature), (feature,)))
    support, documents = int(counts_of(corpus, sae).support[feature]), corpus.n_documents
    words, looked_at = one.words_of(corpus, sae, feature)
    together, counted = one.together_with(corpus, sae, feature, labels)
    nearest = one.nearest_to(corpus, sae, feature, labels)
    density = float(calibration.density[feature]) if known is None or known.density is None else known.density
    wrong = known is not None and known.source == WRONG
    top = known.top_words if known is not None and known.top_words else calibration.top_words(feature)
    return draw(
        "explore/copied_feature.html.j2",
        _STYLES,
        (),
        up="../",
        name=printable(name),
        number=feature,
        label=printable(labels.label(feature)),
        score="" if known is None or known.score is None else f"{known.score:.2f}".lstrip("0"),
        description="" if known is None else printable(known.description),
        wrong=wrong,
        source="" if known is None or wrong else printable(known.source),
        sae=printable(sae),
        hook=printable(spec.hook),
        density=share_of(density),
        threshold=f"{float(calibration.thresholds[feature]):.2f}",
        themes=[printable(theme.name) for theme in themes_of(corpus, sae) if feature in theme.features],
        support=f"{support:,} of {documents:,} documents",
        share=share_of(support / max(documents, 1)),
        bars=one.histogram_of(corpus, sae, feature),
        bands=[
            (band.capitalize(), [_passage(entry_of(look, row, width=_WIDTH), beside) for row in rows])
            for band, rows in one.bands_of(corpus, sae, feature)
        ],
        top_words=[printable(word) for word in top[:_WORDS]],
        words=words,
        looked_at=f"{looked_at:,}",
        together=_near(together, beside),
        counted=f"{counted:,}",
        nearest=None if nearest is None else _near(nearest, beside),
        sets=[_set(each) for each in one.in_sets(dict(sets), sae, feature)],
        steps=steps,
        table=beside.table,
        read=beside.read,
        marked=beside.marked.get(feature, 0) if beside.read else 0,
    )


def _passage(entry: Entry, beside: Beside) -> dict[str, Any]:
    there = beside.read and entry.row in beside.rows
    return {
        "id": entry.id,
        "link": f"{beside.read}#d={entry.row}" if there else "",
        "value": "" if entry.value is None else f"{entry.value:.2f}",
        "parts": entry.parts,
    }


def _near(found: list[one.Near], beside: Beside) -> list[dict[str, str]]:
    """Return near features; those that have a page lead to it."""
    return [
        {
            "label": each.label,
            "feature": str(each.feature),
            "link": file_of(each.feature) if each.feature in beside.features else "",
            "similarity": f"{each.similarity:.2f}".lstrip("0"),
        }
        for each in found
    ]


def _set(found: one.InSet) -> dict[str, Any]:
    return {
        "name": printable(found.name),
        "having": f"{found.having:,} of {found.documents:,}",
        "share": share_of(found.share),
        "interval": f"{share_of(found.low)} to {share_of(found.high)}",
        "low": round(100 * found.low, 2),
        "wide": round(100 * (found.high - found.low), 2),
        "at": round(max(100 * found.share - 0.4, 0), 2),
    }


def share_of(share: float) -> str:
    """Return a share in percent, with two digits that count where it is small.

    >>> share_of(0.5), share_of(0.0312), share_of(0.00012), share_of(0)
    ('50\\xa0%', '3.1\\xa0%', '0.012\\xa0%', '0\\xa0%')
    """
    percent = 100 * share
    digits = 0 if percent >= 10 or percent == 0 else 1 if percent >= 1 else 2 if percent >= 0.1 else 3
    return f"{percent:.{digits}f}\u00a0%"
