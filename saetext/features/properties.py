"""Properties beside features: the detectors that words ask for, and one of them looked at in texts.

Not for: probabilities of all documents (:mod:`saetext.features.detectors`) or drawing
(:mod:`saetext.report.console.properties`).
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saetext.corpus.protocol import CorpusLike
from saetext.errors import InputError
from saetext.features.detectors import LEAST, NEAR, Detector, score, shipped
from saetext.features.passage_sums import passage_sums
from saetext.features.profile import Related, ShadedContext
from saetext.features.shading import shade
from saetext.features.subject import Subject
from saetext.io.strict_json import dumps
from saetext.text.function_words import only_function_words
from saetext.text.passages import word_bounds
from saetext.text.words import parts

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
_STEM = 6  # first letters that two forms of a word share
_AROUND = 12  # tokens on either side of the place that stands for a text that is looked at whole
LEVELS = ("top", "above", "below")
_EACH = {"top": 4, "above": 3, "below": 2}  # contexts of each level
_WEIGHTS = 8  # features shown with their weights


@dataclass(frozen=True)
class Property:
    """A property that words ask for.

    Attributes
    ----------
    name, title, description : str
        As of its detector.
    score : float or None
        Cosine similarity of the words and its title or description; None where words were compared.
    threshold : float
        Probability from which on a text has it.
    documents : int or None
        How many documents of the corpus have it; None without a corpus.
    share : float or None
        The same as a share.
    """

    name: str
    title: str
    description: str
    score: float | None
    threshold: float
    documents: int | None = None
    share: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return it in JSON types."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class PropertyProfile:
    """What is known of one property; what is not known is None or empty.

    Attributes
    ----------
    name, title, description : str
        As of its detector.
    of, sae : str
        The reader or corpus, as the user called it, and the SAE.
    reach : int
        Tokens on either side of the place that is looked at; 0 where the whole text is.
    threshold : float
        Probability from which on a text has it.
    auc : dict
        Set of texts to the AUC there, as shipped.
    weights : tuple of Related
        Features with the largest weights; ``similarity`` is the weight.
    n_features : int
        How many features have a weight.
    documents, support : int or None
        Documents in the corpus, and how many have the property.
    contexts : tuple of ShadedContext
        The most probable documents, those just above and just below the threshold. ``value`` is the
        probability, and words are shaded by what features at them add to the score.
    notes : tuple of str
        What to know before believing it, one line each.
    """

    name: str
    title: str
    description: str
    of: str
    sae: str
    reach: int
    threshold: float
    auc: dict[str, float]
    weights: tuple[Related, ...]
    n_features: int
    documents: int | None = None
    support: int | None = None
    contexts: tuple[ShadedContext, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Return one strict JSON object."""
        return dumps({"kind": "property", **dataclasses.asdict(self)})


def detectors_of(subject: Subject, *, topics: bool = True) -> tuple[Detector, ...]:
    """Return the detectors that come with saetext for the subject's SAE; often none."""
    mine = (subject.sae.weights_sha256, subject.sae.d_sae)
    return tuple(d for d in shipped(topics=topics) if (d.weights_sha256, d.d_sae) == mine)


def find_properties(subject: Subject, query: str, embed: Embed | None = None) -> list[Property]:
    """Return the properties that words ask for, most similar first.

    Parameters
    ----------
    subject : Subject
        Whose; with a corpus, it is counted how many of its documents have each.
    query : str
        What is looked for.
    embed : callable, optional
        Texts to float32[n, d], rows of length 1. The property most similar in its title or its description
        is found if the cosine is at least .45, and all from .6 on. Without it words are compared: a property
        is found if all words but function words stand in its title and description, in any form.

    Returns
    -------
    list of Property
        Empty where the SAE has no detectors.

    Examples
    --------
    >>> from saetext.features import find_properties, open_subject
    >>> [each.name for each in find_properties(open_subject("embedded"), "refusing a request")]
    ['refusal']
    """
    known = detectors_of(subject)
    if not known or not query.strip():
        return []
    found = _by_words(known, query) if embed is None else _by_meaning(known, query, embed)
    counts: list[int | None] = [None] * len(found)
    corpus = subject.corpus
    if corpus is not None and found:
        probability = score(corpus, [detector for detector, _ in found], subject.sae.name)
        least = np.array([detector.threshold for detector, _ in found], np.float32)
        counts = (probability >= least).sum(0).tolist()
    n = max(corpus.n_documents, 1) if corpus is not None else 1
    return [
        Property(
            d.name, d.title, d.description, said, d.threshold, count, None if count is None else count / n
        )
        for (d, said), count in zip(found, counts, strict=True)
    ]


def property_named(subject: Subject, name: str, own: Sequence[Detector] = ()) -> Detector:
    """Return a detector of the subject's SAE by its name.

    Raises
    ------
    InputError
        If there is none of that name; the message has names that come close.
    """
    known = {detector.name: detector for detector in (*detectors_of(subject), *own)}
    if name in known:
        return known[name]
    if not known:
        raise InputError(f"{name!r} is no number of a feature, and {subject.name} has no named properties")
    said = {title.casefold(): d.name for d in known.values() for title in (d.title, d.name)}
    close = difflib.get_close_matches(name.casefold(), said, n=3, cutoff=0.5)
    near = ", ".join(dict.fromkeys(said[each] for each in close))
    more = f"near it: {near}" if near else f"there are {', '.join(sorted(known))}"
    raise InputError(f"{name!r} is neither the number of a feature nor a property; {more}")


def property_profile(subject: Subject, detector: Detector, *, width: int = 200) -> PropertyProfile:
    """Describe one property.

    Parameters
    ----------
    subject : Subject
        Its SAE; contexts come from its corpus, and are left out without one.
    detector : Detector
        Which property.
    width : int
        Characters shown of each document.

    Raises
    ------
    IncompatibleError
        If the detector is of another SAE.
    """
    detector.require_for(subject.sae)
    order = np.argsort(-detector.weights, kind="stable")[:_WEIGHTS]
    told = [(int(detector.features[i]), float(detector.weights[i])) for i in order]
    labels, notes, found = subject.labels, [], {}
    if subject.corpus is None:
        notes.append("to see texts, name a corpus that was encoded with this reader")
    else:
        found = _in_corpus(subject.corpus, subject.sae.name, detector, width, notes)
    if not detector.reach:
        notes.append(
            "it looks at whole texts: probabilities of long ones, from about 370 words on, are too high"
        )
    return PropertyProfile(
        detector.name, detector.title, detector.description, subject.name, subject.sae.origin,
        detector.reach, detector.threshold, dict(detector.auc),
        tuple(Related(f, labels.label(f), labels.score(f), w) for f, w in told if w > 0),
        len(detector.features), **found, notes=tuple(notes),
    )  # fmt: skip


def _by_meaning(known: Sequence[Detector], query: str, embed: Embed) -> list[tuple[Detector, float | None]]:
    said = [*(d.title for d in known), *(d.description for d in known)]
    vectors = embed([query, *said])
    cosine = (vectors[1:] @ vectors[0]).reshape(2, len(known)).max(0)
    order = np.argsort(-cosine, kind="stable")
    near = [at for place, at in enumerate(order) if cosine[at] >= (LEAST if place else NEAR)]
    return [(known[at], float(cosine[at])) for at in near]


def _by_words(known: Sequence[Detector], query: str) -> list[tuple[Detector, float | None]]:
    wanted = _stems(query)
    return [(d, None) for d in known if wanted and wanted <= _stems(f"{d.title} {d.description} {d.name}")]


def _stems(text: str) -> set[str]:
    return {word[:_STEM] for word in parts(text) if not only_function_words([word])}


def _in_corpus(
    corpus: CorpusLike, sae: str, detector: Detector, width: int, notes: list[str]
) -> dict[str, Any]:
    """Count the documents that have it, and cut contexts out of some."""
    probability = score(corpus, [detector], sae)[:, 0]
    has = probability >= np.float32(detector.threshold)
    contexts: list[ShadedContext] = []
    for level, rows in _chosen(probability, has).items():
        for row in rows:
            document = corpus.document(row)
            if document["text"] is None:
                notes.append(f"{corpus.path} was encoded with --no-text: there is no text to show")
                return {"documents": corpus.n_documents, "support": int(has.sum())}
            words, place = _words_at(document, sae, detector)
            pieces = shade(document["text"], words, place, width)
            contexts.append(ShadedContext(str(document["id"]), float(probability[row]), level, pieces, True))
    return {"documents": corpus.n_documents, "support": int(has.sum()), "contexts": tuple(contexts)}


def _chosen(probability: NDArray[np.float32], has: NDArray[np.bool_]) -> dict[str, list[int]]:
    """Return rows of each level: the most probable, those just above the threshold, those just below it."""
    order = np.argsort(-probability, kind="stable").tolist()
    above = [row for row in order if has[row]]
    below = [row for row in order if not has[row] and probability[row] > 0]
    top = above[: _EACH["top"]]
    rest = above[len(top) :]
    return {"top": top, "above": rest[max(len(rest) - _EACH["above"], 0) :], "below": below[: _EACH["below"]]}


def _words_at(
    document: Mapping[str, Any], sae: str, detector: Detector
) -> tuple[list[tuple[int, int, float]], tuple[int, int]]:
    """Return the words around the best place with what features add there, and the word in its middle."""
    entries, text = document["entries"][sae], document["text"]
    start, end = document["token_start"], document["token_end"]
    weight, scale = np.zeros(detector.d_sae), np.ones(detector.d_sae)
    weight[detector.features], scale[detector.features] = detector.weights, detector.scales
    mine = np.flatnonzero((weight[entries.feature] != 0) & (entries.peak >= 0))
    peak, feature = entries.peak[mine].astype(np.int64), entries.feature[mine]
    adds = weight[feature] * np.minimum(entries.value[mine] / scale[feature], 1.0)
    reach = detector.reach or _AROUND
    sums = passage_sums(np.zeros(len(peak), np.int64), peak, adds, reach)
    place = int(peak[np.lexsort((peak, -sums))[0]]) if len(peak) else 0
    at: dict[tuple[int, int], float] = {}
    for token, more in zip(peak.tolist(), adds.tolist(), strict=True):
        if more > 0 and abs(token - place) <= reach:
            word = word_bounds(text, int(start[token]), int(end[token]))
            at[word] = at.get(word, 0.0) + more
    middle = word_bounds(text, int(start[place]), int(end[place])) if len(start) else (0, 0)
    return [(*word, more) for word, more in sorted(at.items())], middle
