"""Gauges: what measures a finding in new texts, apart from the SAE that is edited.

A word is looked for, a mark is counted, and properties, themes and features are read by the reader that the
corpora were read with. Not for: whether an edit moves them (:mod:`saetext.intervene.causes.judging`).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
from numpy.typing import NDArray

from saetext.errors import InputError, SaetextWarning
from saetext.features.detectors import presence, shipped
from saetext.features.theme_counts import theme_matrix
from saetext.features.themes import Themes
from saetext.intervene.causes.spans import opening_of, spans_in
from saetext.text.marks import LONGER, mark_matrix

if TYPE_CHECKING:
    from saetext.corpus.protocol import CorpusLike
    from saetext.corpus.spec import SaeSpec
    from saetext.intervene.causes.compared import Finding
    from saetext.io.progress import OnProgress
    from saetext.reader.reader import Reader

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Gauge:
    """What measures a finding.

    Attributes
    ----------
    finding : Finding
    told : str
        What is measured, in words.
    read : bool
        Whether the corpora's reader has to read the texts.
    independent : bool
        Whether it does without the SAE that is edited.
    words : tuple of str
        Of a feature that is measured by its words: these.
    """

    finding: Finding
    told: str
    read: bool
    independent: bool
    words: tuple[str, ...] = ()


def gauge_of(finding: Finding, *, same_sae: bool) -> Gauge:
    """Return what measures a finding.

    Parameters
    ----------
    finding : Finding
    same_sae : bool
        Whether the corpora were read with the SAE that is edited. Then a feature is measured by its words,
        if it has any.
    """
    kind = finding.kind
    if kind in ("word", "format"):
        told = f"texts that have {finding.name}" if kind == "word" else f"texts with {finding.name}"
        return Gauge(finding, told, False, True)
    if kind == "feature" and same_sae and finding.words:
        told = f"texts that have one of its words: {', '.join(finding.words)}"
        return Gauge(finding, told, False, True, finding.words)
    told = {
        "property": "texts with this property, by its detector",
        "theme": "features of this theme in a text",
        "feature": f"texts with feature {finding.feature} of the corpora's reader",
    }[kind]
    return Gauge(finding, told, True, not same_sae)


class Measurer:
    """Measures findings in texts; each different text once.

    Parameters
    ----------
    gauges : sequence of Gauge
    reader : callable
        Loads the reader of the corpora; called when a gauge needs it.
    sae : str or None
        Which of its SAEs.
    median : float
        Number of words beyond which a text counts as long.
    on_progress : callable, optional
    """

    def __init__(
        self,
        gauges: Sequence[Gauge],
        reader: Callable[[], Reader],
        sae: str | None,
        median: float,
        on_progress: OnProgress | None = None,
    ) -> None:
        self.gauges, self.sae, self.median = list(gauges), sae, median
        self._reader, self._on_progress = reader, on_progress
        self._loaded: Reader | None = None
        self._known: dict[str, Floats] = {}

    def __call__(self, texts: Sequence[str]) -> Floats:
        """Return float64[texts, gauges]: what each gauge says of each text."""
        new = list(dict.fromkeys(text for text in texts if text not in self._known))
        if new:
            table = np.zeros((len(new), len(self.gauges)))
            corpus = self._corpus(new) if any(g.read for g in self.gauges) else None
            for column, gauge in enumerate(self.gauges):
                if gauge.read:
                    if corpus is not None:  # a text without tokens shows nothing
                        there = corpus.documents.select("id").collect()["id"].cast(int).to_list()
                        table[there, column] = _read(corpus, gauge, self.sae)
                else:
                    table[:, column] = [self._plain(gauge, text) for text in new]
            self._known.update(zip(new, table, strict=True))
        return (
            np.stack([self._known[text] for text in texts]) if len(texts) else np.zeros((0, len(self.gauges)))
        )

    def _plain(self, gauge: Gauge, text: str) -> float:
        finding = gauge.finding
        if gauge.words:
            return float(any(spans_in(text, "word", word) for word in gauge.words))
        if finding.kind == "word":
            return float(bool(spans_in(text, "word", str(finding.term))))
        if finding.term == LONGER:
            return float(len(text.split()) > self.median)
        opening = opening_of(str(finding.term))
        if opening is not None:
            return float(bool(spans_in(text, "opening", opening)))
        marks = mark_matrix([text], most_openings=0)
        if finding.term not in marks.names:
            raise InputError(f"there is no mark of format {finding.term!r}: another version made the diff")
        return float(marks.matrix[0, marks.names.index(finding.term)] > 0)

    def _corpus(self, texts: Sequence[str]) -> CorpusLike | None:
        from saetext.encoding.encoder import encode

        rows = [{"id": str(at), "text": text} for at, text in enumerate(texts) if text.strip()]
        if not rows:
            return None
        if self._loaded is None:
            self._loaded = self._reader()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SaetextWarning)  # of texts without tokens
            found: Any = encode(
                rows, None, reader=self._loaded, id="id", text="text", prompt="",
                on_progress=self._on_progress,
            )  # fmt: skip
        return found


def _read(corpus: CorpusLike, gauge: Gauge, sae: str | None) -> Floats:
    """Return float64[documents]: what the reader says of a finding."""
    finding = gauge.finding
    if finding.kind == "feature":
        return _of_feature(corpus, int(finding.feature or 0), sae)
    if finding.kind == "property":
        detectors = [d for d in shipped(corpus.spec, sae, topics=True) if d.title == finding.term]
        if not detectors:
            raise InputError(f"there is no detector of {finding.term!r}: another version made the diff")
        return np.asarray(presence(corpus, detectors, sae).toarray()[:, 0] > 0, np.float64)
    themes = Themes.for_spec(corpus.spec, sae) or ()
    own = [theme for theme in themes if theme.name == finding.term]
    if not own:
        raise InputError(f"there is no theme {finding.term!r}: another version made the diff")
    return np.asarray(theme_matrix(corpus, sae, own).toarray()[:, 0], np.float64)


def _of_feature(corpus: CorpusLike, feature: int, sae: str | None) -> Floats:
    found, start = np.zeros(corpus.n_documents), 0
    for block in corpus.rows(sae):
        owner = np.repeat(np.arange(len(block)), np.diff(block.indptr))
        found[start + owner[block.feature == feature]] = 1.0
        start += len(block)
    return found


def same_sae(spec: SaeSpec, weights_sha256: str) -> bool:
    """Return whether corpora were read with an SAE of these weights."""
    return spec.weights_sha256 == weights_sha256
