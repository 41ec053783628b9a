"""profile: what one feature is, as data: its label, how often it is active, where, and with what.

Not for: drawing (:mod:`saetext.report.console.features`, :mod:`saetext.report.html.feature_page`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext.corpus.protocol import CorpusLike
from saetext.errors import InputError, ReaderError
from saetext.features.contexts import Context, gather
from saetext.features.labels import FeatureLabel
from saetext.features.shading import Piece, firing, read_again, shade
from saetext.features.subject import Subject
from saetext.io.strict_json import dumps
from saetext.text.passages import word_bounds

if TYPE_CHECKING:
    from saetext.reader.reader import Reader

LEVELS = ("top", "middle", "weak")
BINS = (16, 40)  # of a histogram, from few documents to many
_LEAST_TOGETHER = 3  # documents that two features share, below which their similarity is an accident


@dataclass(frozen=True)
class ShadedContext:
    """A place where the feature is active: the document, its maximum there, and the words around that.

    ``level`` is ``top``, ``middle`` or ``weak``; ``whole`` says that every token of the pieces was read
    again, not only the one where the feature peaks.
    """

    document: str
    value: float
    level: str
    pieces: tuple[Piece, ...]
    whole: bool


@dataclass(frozen=True)
class Histogram:
    """Documents by the feature's maximum in them: ``counts[i]`` from ``edges[i]`` to ``edges[i + 1]``."""

    edges: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Related:
    """Another feature with its similarity: phi over documents, or the cosine of the directions."""

    feature: int
    label: str
    label_score: float | None
    similarity: float


@dataclass(frozen=True)
class Profile:
    """What is known of one feature; what is not known is None or empty.

    Attributes
    ----------
    feature : int
        Its index.
    of : str
        The reader or corpus, as the user called it.
    sae, hook : str
        The SAE it belongs to, and where that reads.
    name : str
        The label's text, or ``feature N``.
    label : FeatureLabel or None
        The label with its score and source.
    density : float or None
        Share of reference tokens with an activation above zero.
    threshold : float or None
        Activation a token must exceed.
    documents, support : int or None
        Documents in the corpus, and how many have the feature.
    token_density : float or None
        Share of the corpus's tokens above the threshold.
    histogram : Histogram or None
        Of its maxima in the documents that have it.
    contexts : tuple of ShadedContext
        Strongest, typical and weakest places.
    together : tuple of Related
        Features found in the same documents, by phi.
    nearest : tuple of Related
        Features with the most similar decoder directions, by cosine.
    full : float or None
        Largest activation on reference text, where words have the darkest shade; None if there is none.
    page : str or None
        Address on Neuronpedia.
    notes : tuple of str
        What to know before believing it, one line each.
    """

    feature: int
    of: str
    sae: str
    hook: str
    name: str
    label: FeatureLabel | None = None
    density: float | None = None
    threshold: float | None = None
    documents: int | None = None
    support: int | None = None
    token_density: float | None = None
    histogram: Histogram | None = None
    contexts: tuple[ShadedContext, ...] = ()
    together: tuple[Related, ...] = ()
    nearest: tuple[Related, ...] = ()
    full: float | None = None
    page: str | None = None
    notes: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Return one strict JSON object."""
        whole = {"kind": "feature", **dataclasses.asdict(self)}
        return dumps(whole)


def profile(
    subject: Subject,
    feature: int,
    *,
    reader: Reader | None = None,
    per_level: int = 4,
    width: int = 200,
    related: int = 6,
    seed: int = 0,
) -> Profile:
    """Describe one feature.

    Parameters
    ----------
    subject : Subject
        Whose feature; contexts, histogram and companions come from its corpus, and are left out without one.
    feature : int
        Its index.
    reader : Reader, optional
        Reads the few texts shown again, to shade each token; without it only the stored peaks are marked.
    per_level : int
        Contexts shown of each level.
    width : int
        Characters shown around each peak.
    related : int
        Features listed next to it, of each kind.
    seed : int
        Of the choice among documents.

    Raises
    ------
    InputError
        If there is no such feature.
    """
    subject.require(feature)
    notes: list[str] = []
    found: dict[str, Any] = {}
    if subject.corpus is not None:
        found = _in_corpus(subject, subject.corpus, feature, related)
        if not found["support"]:
            notes.append(f"the feature is present in none of the {found['documents']:,} documents")
        else:
            try:
                found["contexts"] = _contexts(
                    subject, subject.corpus, feature, reader, per_level, width, seed
                )
            except InputError as error:  # no text is stored
                notes.append(str(error))
        if any(not c.whole for c in found.get("contexts", ())):
            which = "some texts" if reader is not None else "tokens"
            notes.append(f"{which} could not be read again: only the stored peak is shaded")
    else:
        notes.append("to see texts, name a corpus that was encoded with this reader")
    try:
        found["nearest"] = _nearest(subject, feature, related)
    except (ReaderError, OSError) as error:
        notes.append(f"features with similar directions are not shown: {error}")
    label, calibration = subject.labels.get(feature), subject.calibration
    density = label.density if label is not None else None
    if density is None and calibration is not None:
        density = float(calibration.density[feature])
    return Profile(
        feature=feature,
        of=subject.name,
        sae=subject.sae.origin,
        hook=subject.sae.hook,
        name=subject.labels.label(feature),
        label=label,
        density=density,
        threshold=float(calibration.thresholds[feature]) if calibration is not None else None,
        full=(float(calibration.maxima[feature]) or None) if calibration is not None else None,
        page=subject.page(feature),
        notes=tuple(notes),
        **found,
    )


def _in_corpus(subject: Subject, corpus: CorpusLike, feature: int, related: int) -> dict[str, Any]:
    """Count in one pass over the entries: support, tokens, maxima and companions."""
    import polars as pl

    d_sae = subject.sae.d_sae
    frequency, shared = np.zeros(d_sae, np.int64), np.zeros(d_sae, np.int64)
    maxima: list[NDArray[np.float32]] = []
    tokens = 0
    for rows in corpus.rows(subject.sae.name):
        frequency += np.bincount(rows.feature, minlength=d_sae)
        at = np.flatnonzero(rows.feature == feature)
        if not len(at):
            continue
        maxima.append(rows.value[at])
        tokens += int(rows.count[at].sum())
        here = rows.take(np.searchsorted(rows.indptr, at, side="right") - 1)
        shared += np.bincount(here.feature, minlength=d_sae)
    n_tokens = corpus.documents.select(pl.col("n_tokens").sum()).collect().item() or 0
    together = phi(shared, frequency, int(frequency[feature]), corpus.n_documents)
    together[feature], together[shared < _LEAST_TOGETHER] = -1, -1
    return {
        "documents": corpus.n_documents,
        "support": int(frequency[feature]),
        "token_density": tokens / max(n_tokens, 1),
        "histogram": _histogram(np.concatenate(maxima)) if maxima else None,
        "together": _related(subject, together, related),
    }


def phi(
    shared: NDArray[np.int64], frequency: NDArray[np.int64], support: int, documents: int
) -> NDArray[np.float64]:
    """Return the correlation over documents of each feature's presence with one feature's.

    Parameters
    ----------
    shared, frequency : int64[n]
        Documents with both features, and with the other one.
    support, documents : int
        Documents with the one feature, and in all.

    Returns
    -------
    float64[n]
        0 where either is in no document or in all.
    """
    f = frequency.astype(np.float64)
    spread = f * (documents - f) * support * (documents - support)
    above = documents * shared.astype(np.float64) - f * support
    return np.divide(above, np.sqrt(spread), out=np.zeros(len(f)), where=spread > 0)


def _histogram(maxima: NDArray[np.float32]) -> Histogram:
    low, high = float(maxima.min()), float(maxima.max())
    bins = int(np.clip(4 * np.sqrt(len(maxima)), *BINS))
    counts, edges = np.histogram(maxima.astype(np.float64), bins, (low, high if high > low else low + 1))
    return Histogram(tuple(edges.tolist()), tuple(counts.tolist()))


def _nearest(subject: Subject, feature: int, related: int) -> tuple[Related, ...]:
    decoder = subject.load_encoder().decoder.cpu().numpy()
    norms = np.linalg.norm(decoder, axis=1)
    cosine = decoder @ decoder[feature] / np.maximum(norms * norms[feature], 1e-30)
    cosine = np.nan_to_num(cosine.astype(np.float64))
    cosine[feature] = -1
    return _related(subject, cosine, related)


def _related(subject: Subject, similarity: NDArray[np.float64], n: int) -> tuple[Related, ...]:
    """Return the ``n`` features of greatest similarity above zero, ties in order of index."""
    order = np.lexsort((np.arange(len(similarity)), -similarity))[:n]
    labels = subject.labels
    return tuple(
        Related(f, labels.label(f), labels.score(f), float(similarity[f]))
        for f in order.tolist()
        if similarity[f] > 0
    )


def _contexts(
    subject: Subject,
    corpus: CorpusLike,
    feature: int,
    reader: Reader | None,
    per_level: int,
    width: int,
    seed: int,
) -> tuple[ShadedContext, ...]:
    name = subject.sae.name
    gathered = gather(corpus, name, [feature], per_level=per_level, width=width, seed=seed)[feature]
    shown = []
    for level in LEVELS:
        of_level: Sequence[Context] = getattr(gathered, level)
        for context in of_level:
            document = corpus.document(context.row)
            rows = document["entries"][name]
            peak = int(rows.peak[np.flatnonzero(rows.feature == feature)[0]])
            values = firing(read_again(reader, name, document), feature, peak, context.value)
            start, end = document["token_start"], document["token_end"]
            whole = values is not None
            if values is None:
                bounds = word_bounds(document["text"], int(start[peak]), int(end[peak]))
                spans = [(*bounds, context.value)]
            else:
                spans = [(int(start[o]), int(end[o]), values[o]) for o in sorted(values)]
            focus = (int(start[peak]), int(end[peak]))
            pieces = shade(document["text"], spans, focus, width)
            shown.append(ShadedContext(context.document, context.value, level, pieces, whole))
    return tuple(shown)
