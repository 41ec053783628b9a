"""Look at one text or document: its strongest features on the words, as data to print or to serialise.

Not for: printing (:mod:`saetext.report.console.reading`) or comparing documents.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from saetext.corpus.calibration import Calibration
from saetext.corpus.notices import warn_of
from saetext.documents.rejects import describe_rejects
from saetext.errors import InputError
from saetext.features.evidence import Hit
from saetext.features.known_labels import labels_for, reader_labels
from saetext.features.labels import FeatureLabels
from saetext.features.present import ranking
from saetext.io.provided import provided
from saetext.io.strict_json import dumps
from saetext.text.one_line import about, one_line
from saetext.text.passages import Segment, Span, highlights, word_bounds

if TYPE_CHECKING:
    from saetext.corpus import Corpus
    from saetext.reader.reader import Reader
    from saetext.reader.tokenization import Prepared, Unreadable


@dataclass(frozen=True, repr=False)
class Look:
    """A text with its strongest features.

    Attributes
    ----------
    title : str
        One line above it.
    segments : list of Segment
        The text, cut where features are active.
    hits : list of Hit
        The features, strongest first relative to their thresholds.
    """

    title: str
    segments: Sequence[Segment]
    hits: Sequence[Hit]

    def __repr__(self) -> str:
        return about(self, f"{one_line(self.title, 100)}; {', '.join(hit.label for hit in self.hits)}")

    def __str__(self) -> str:
        """Return what ``saetext read`` prints, without colours."""
        return provided("text_of_look")(self.segments, self.hits, 100, False, title=self.title)

    def to_json(self) -> str:
        """Return one JSON object: kind, text, and a row per feature."""
        rows = [
            {
                "feature": h.feature,
                "label": h.label,
                "label_score": h.label_score,
                "value": h.value,
                "word": h.word,
            }
            for h in self.hits
        ]
        text = "".join(s.text for s in self.segments)
        return dumps({"kind": "read", "text": text, "rows": rows})


def look_at_text(
    reader: Reader,
    text: str,
    *,
    sae: str | None = None,
    top: int | None = 12,
    labels: str | os.PathLike[str] | None = None,
) -> Look:
    """Read ``text`` and return its ``top`` features, each on every word where it exceeds its threshold.

    Raises
    ------
    InputError
        If there is nothing to read.
    """
    return reader.read(text).look(0, sae=sae, top=top, labels=labels)


def look_at(
    reader: Reader,
    prepared: Prepared | Unreadable,
    *,
    sae: str | None = None,
    top: int | None = 12,
    labels: str | os.PathLike[str] | None = None,
) -> Look:
    """Return a prepared text with its ``top`` features, see :func:`look_at_text`."""
    from saetext.reader.tokenization import Unreadable

    if isinstance(prepared, Unreadable) or not prepared.text.strip():
        raise InputError("there is no text to read")
    name = reader.spec.sae(sae).name
    calibration = reader.calibrations[name] if reader.calibrated else None
    entries = reader.token_entries(prepared, name)
    thresholds = (
        calibration.thresholds
        if calibration is not None
        else np.zeros(reader.saes[name].encoder.d_sae, np.float32)
    )
    above = entries.value > thresholds[entries.feature]
    feature, value, ordinal = entries.feature[above], entries.value[above], entries.ordinal[above]
    order = ranking(feature, value, calibration)
    chosen = list(dict.fromkeys(feature[order].tolist()))[: top or None]
    spans = [
        Span(int(prepared.start[o]), int(prepared.end[o]), int(f), float(v))
        for f, v, o in zip(feature, value, ordinal, strict=True)
        if int(f) in set(chosen)
    ]
    title = f"{reader.name}: {prepared.n_tokens} tokens, {len(set(feature.tolist()))} features present"
    named = reader_labels(reader.spec.sae(name), calibration, labels)
    return _look(title, prepared.text, spans, chosen, named, calibration)


def look_at_document(
    corpus: Corpus,
    id: str | int,
    *,
    sae: str | None = None,
    top: int | None = 12,
    labels: str | os.PathLike[str] | None = None,
) -> Look:
    """Return a stored document with its ``top`` features, each on the token where it peaks; no model needed.

    Raises
    ------
    CorpusError
        If there is no such document.
    InputError
        If the corpus stores no texts.
    """
    name = corpus.spec.sae(sae).name
    document = corpus.document(id)
    if document["text"] is None:
        raise InputError(f"{corpus.path} was encoded with --no-text: there is no text to show")
    calibration = corpus.calibration(name)
    row = document["entries"][name]
    order = ranking(row.feature, row.value, calibration)[: top or None]
    start, end = document["token_start"], document["token_end"]
    spans = [
        Span(int(start[row.peak[i]]), int(end[row.peak[i]]), int(row.feature[i]), float(row.value[i]))
        for i in order
    ]
    meta = ", ".join(f"{k} {v}" for k, v in document["meta"].items() if v is not None)
    title = f"{document['id']}: {document['n_tokens']} tokens, {len(row.feature)} features present"
    chosen = [int(row.feature[i]) for i in order]
    named = labels_for(corpus, name, labels)
    return _look(f"{title} ({meta})" if meta else title, document["text"], spans, chosen, named, calibration)


def _look(
    title: str,
    text: str,
    spans: list[Span],
    chosen: Sequence[int],
    labels: FeatureLabels,
    calibration: Calibration | None,
) -> Look:
    words: dict[int, tuple[float, str]] = {}
    for span in spans:
        if span.feature not in words or span.value > words[span.feature][0]:
            start, end = word_bounds(text, span.start, span.end)
            words[span.feature] = (span.value, text[start:end])
    full = np.zeros(max(chosen, default=0) + 1) if calibration is None else calibration.maxima
    hits = [Hit(f, labels.label(f), *words[f], labels.score(f), float(full[f])) for f in chosen]
    return Look(title, highlights(text, spans), hits)


def describe(corpus: Corpus) -> dict[str, Any]:
    """Return the facts of a corpus for ``saetext info``, JSON types only; warn of what weakens its use."""
    warn_of(corpus)
    spec, counts, sizes = corpus.spec, corpus.manifest.counts, corpus.sizes()
    numerics = spec.numerics
    columns = {k: str(v) for k, v in corpus.documents.collect_schema().items()}
    return {
        "corpus": getattr(corpus, "elsewhere", None) or str(corpus.path),
        "documents": counts["documents"],
        "tokens": counts["tokens"],
        "rejected": describe_rejects(counts["rejects"]) or "none",
        "reader": f"{spec.model} (window {spec.window}, {numerics.model_dtype} on {numerics.device})",
        "SAEs": [
            f"{t.name}: {t.origin} at {t.hook}, {t.d_sae:,} features, "
            + (
                f"thresholds at the {t.threshold_percentile:g}th percentile"
                if t.threshold_percentile is not None
                else "no thresholds"
            )
            + (f", no activations above a norm of {t.norm_limit:g}" if t.norm_limit is not None else "")
            for t in spec.saes
        ],
        "per document": {
            sae: f"{counts['entries'][sae] / max(1, counts['documents']):.1f} features" for sae in corpus.saes
        },
        "columns": columns,
        "texts": "stored" if corpus.manifest.stores_text else "not stored",
        "size": f"{sizes['total'] / 1e6:,.1f} MB, {sizes['kb_per_100_tokens']:.2f} kB per 100 tokens",
        "fingerprint": corpus.fingerprint,
    }
