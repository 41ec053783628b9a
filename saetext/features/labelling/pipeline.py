"""The verb ``saetext.label``: labels for a corpus's features by any method, and scores for them.

Not for: the methods themselves (their modules), or the files labels are kept in (the command line chooses).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from saetext.corpus.protocol import CorpusLike
from saetext.encoding.opening import as_corpus
from saetext.errors import InputError, LabelError, refuse_unused
from saetext.features.contexts import gather, random_passages, trials
from saetext.features.labelling.request import MIN_SUPPORT as MIN_SUPPORT
from saetext.features.labelling.request import LabelRequest
from saetext.features.labelling.score import Embeds, Score, score_by_embedding, with_scores
from saetext.features.labels import FeatureLabel, FeatureLabels, identity
from saetext.io.progress import OnProgress
from saetext.io.request import verb
from saetext.text.one_line import about

if TYPE_CHECKING:
    from saetext.encoding.opening import AnyCorpus
    from saetext.io.llm import ChatClient

_BY_READING = "reading"


@dataclass(frozen=True, repr=False)
class Labelled:
    """Labels that were made, features that have none with the reason, and notes for the reader."""

    labels: FeatureLabels
    failures: dict[int, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def __repr__(self) -> str:
        return about(self, f"{len(self.labels):,} labels, {len(self.failures):,} features without")


def supported(corpus: CorpusLike, sae: str | None = None, min_support: int = MIN_SUPPORT) -> list[int]:
    """Return the features present in at least ``min_support`` documents, most frequent first."""
    spec = corpus.spec.sae(sae)
    support = np.zeros(spec.d_sae, np.int64)
    for block in corpus.rows(spec.name):
        support += np.bincount(block.feature, minlength=spec.d_sae)
    order = np.argsort(-support, kind="stable")
    return [int(f) for f in order if support[f] >= max(min_support, 1)]


def selected(corpus: CorpusLike, request: LabelRequest) -> list[int] | None:
    """Return the features that a request names or limits to the most frequent; None if it does neither."""
    named = None if request.features is None else list(request.features)
    if request.limit is None:
        return named
    return (named or supported(corpus, request.sae, request.min_support))[: request.limit]


@verb(LabelRequest)
def label(corpus: AnyCorpus, request: LabelRequest) -> Labelled:
    """Make labels for a corpus's features.

    Contexts come from one half of the documents; the other half is for :func:`score`.

    Parameters
    ----------
    corpus : Corpus, path, or what can be encoded
        Whose features; ``words`` and ``llm`` need its texts.

    Raises
    ------
    InputError
        If there is no such method or feature, the texts are not stored, or an argument is of another method.
    LabelError
        If published labels or a file cannot be had.
    EndpointError
        If the language model's endpoint cannot be used.

    Examples
    --------
    >>> import saetext
    >>> made = saetext.label(saetext.Corpus.open("gentle.corpus"), method="words", features=[334])
    >>> print(made.labels.label(334))
    the phrase "i'm sorry"
    """
    file, neuronpedia_id = request.file, request.neuronpedia_id
    if file is not None:
        refuse_unused("labels are read from a file; leave it out", method=request.method)
    method = request.method or "words"
    _require_used(None if file is not None else method, request)
    opened: CorpusLike = as_corpus(corpus)
    spec = opened.spec.sae(request.sae)
    features = selected(opened, request)
    notes: list[str] = []
    failures: dict[int, str] = {}
    if features is not None and (wrong := [f for f in features if not 0 <= f < spec.d_sae]):
        raise InputError(f"there is no feature {wrong[0]}: {spec.origin} has features 0 to {spec.d_sae - 1}")
    rows: list[FeatureLabel]
    if file is not None:
        from saetext.features.labelling.importing import from_file

        imported = from_file(Path(file), spec.d_sae)
        rows, notes = imported.labels, imported.notes
    elif method == "neuronpedia":
        from saetext.features.labelling.neuronpedia import published

        if neuronpedia_id is None:
            raise LabelError(f"{spec.origin} has no Neuronpedia id: no labels are published for it")
        rows = published(neuronpedia_id, spec.d_sae)
    else:
        chosen = features if features is not None else supported(opened, spec.name, request.min_support)
        rows, failures = _from_contexts(opened, spec.name, chosen, request)
    if features is not None:
        rows = [row for row in rows if row.feature in set(features)]
    about = {**identity(spec), "date": dt.date.today().isoformat()}
    return Labelled(FeatureLabels.from_rows(rows, about), failures, notes)


def _require_used(method: str | None, request: LabelRequest) -> None:
    """Refuse arguments of other methods than the one used (None: a file)."""
    # the most frequent features are chosen by their support
    counted = request.limit is not None and request.features is None
    min_support = None if counted or request.min_support == MIN_SUPPORT else request.min_support
    if method != "llm":
        refuse_unused("a language model is asked with method='llm' alone", client=request.client)
    if method != "neuronpedia":
        refuse_unused(
            "published labels are fetched with method='neuronpedia' alone",
            neuronpedia_id=request.neuronpedia_id,
        )
    if method not in ("words", "llm"):
        refuse_unused(
            "it is of the contexts that labels are made from, and these labels exist",
            **request.changed("seed"),
        )
        refuse_unused(
            "labels that exist are taken whatever documents have the feature; choose features instead",
            min_support=min_support,
        )
    if request.features is not None:
        refuse_unused("the features are named; leave out one of the two", min_support=min_support)


def score(
    corpus: CorpusLike,
    labels: FeatureLabels,
    *,
    sae: str | None = None,
    features: Sequence[int] | None = None,
    client: ChatClient | None = None,
    embedder: Embeds | None = None,
    per_side: int = 8,
    seed: int = 0,
    on_progress: OnProgress | None = None,
) -> Labelled:
    """Return ``labels`` with scores from the half of the corpus that labels are not made from.

    By a language model if ``client`` is given, else by an embedding. Features active in too few documents
    there keep the score they had and are named in ``failures``.

    Raises
    ------
    IncompatibleError
        If the labels are of another reader.
    EndpointError
        If the endpoint cannot be used.
    """
    if client is not None:
        refuse_unused("a language model scores the labels; leave out one of the two", embedder=embedder)
    spec = corpus.spec.sae(sae)
    labels.require_for(spec)
    wanted = [f for f in (features if features is not None else supported(corpus, sae)) if f in labels]
    found = trials(corpus, spec.name, wanted, per_side=per_side, seed=seed)
    failures = {f: "active in too few documents to score" for f in wanted if f not in found}
    scores: dict[int, Score]
    if client is not None:
        from saetext.features.labelling.by_llm import score_by_llm

        scores, failed = score_by_llm(labels, found, client, on_progress)
        failures |= failed
    else:
        if embedder is None:
            from saetext.reader.sentences import Embedder

            embedder = Embedder.load()
        scores = score_by_embedding(labels, found, embedder, on_progress)
    return Labelled(with_scores(labels, scores), failures)


def merged(old: FeatureLabels, new: FeatureLabels, *, replace: bool = False) -> tuple[FeatureLabels, int]:
    """Return ``old`` with ``new`` added, and how many labels of ``old`` were kept against new ones.

    A label made by reading, or one with a better score than the new one has, stays unless ``replace``.
    """
    taken, kept = [], 0
    for row in new:
        before = old.get(row.feature)
        if before is not None and not replace and _outranks(before, row):
            kept += 1
        else:
            taken.append(row)
    return old.updated(taken, new.about), kept


def _outranks(before: FeatureLabel, row: FeatureLabel) -> bool:
    if before.source == _BY_READING and row.source != _BY_READING:
        return True
    return before.score is not None and (row.score or 0.0) < before.score and before.source != row.source


def _from_contexts(
    corpus: CorpusLike, sae: str, features: list[int], request: LabelRequest
) -> tuple[list[FeatureLabel], dict[int, str]]:
    calibration = corpus.calibration(sae)
    if request.method == "llm":
        from saetext.features.labelling.by_llm import label_by_llm

        if request.client is None:
            raise InputError("labels by a language model need an endpoint: --base-url and --model")
        found: dict[int, Any] = gather(corpus, sae, features, seed=request.seed, half="make")
        words = {f: calibration.top_words(f) for f in features}
        return label_by_llm(found, request.client, top_words=words, on_progress=request.on_progress)
    from saetext.features.labelling.words import CONTEXTS, label_by_words

    found = gather(corpus, sae, features, per_level=CONTEXTS, seed=request.seed, half="make")
    density = {f: float(calibration.density[f]) for f in features}
    passages = random_passages(corpus, seed=request.seed, half="make")
    rows = label_by_words(found, density, {f: calibration.top_words(f) for f in features}, passages)
    named = {row.feature for row in rows}
    return rows, {
        f: "active in no document of the half that labels are made from" for f in features if f not in named
    }
