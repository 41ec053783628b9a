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
from saetext.features import detectors
from saetext.features.detectors import LEAST, NEAR, Detector, of_such_length, score, similarities
from saetext.features.places import Shown, places
from saetext.features.profile import Related, ShadedContext
from saetext.features.shading import Piece, shade
from saetext.features.subject import Subject
from saetext.io.strict_json import dumps
from saetext.text.function_words import only_function_words
from saetext.text.passages import word_bounds
from saetext.text.words import parts

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
_STEM = 6  # first letters that two forms of a word share, without their endings
_ENDINGS = ("ing", "ed", "es", "e")
LEVELS = ("top", "above", "below")
_EACH = {"top": 4, "above": 3, "below": 2}  # contexts of each level
_TRIED = 60  # documents looked at for those of a level, where texts repeat
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
    topic : bool
        Whether it says what a text is about. Searches do not rank by topics.
    documents : int or None
        How many documents of the corpus have it; None without a corpus, and where the documents are so long
        that what looks at whole texts sees too much.
    share : float or None
        The same as a share.
    """

    name: str
    title: str
    description: str
    score: float | None
    threshold: float
    topic: bool = False
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
        probability; of a word, how many features at it speak for the property.
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
    known = _known(subject)
    if not known or not query.strip():
        return []
    found = _by_words(known, query) if embed is None else _by_meaning(known, query, embed)
    about = {detector.name for detector in known} - {d.name for d in detectors.shipped(subject.sae)}
    counts = _counts(subject, [detector for detector, _ in found])
    return [
        Property(d.name, d.title, d.description, said, d.threshold, d.name in about, *counts.get(d.name, ()))
        for d, said in found
    ]


def property_profile(subject: Subject, name: str, *, width: int = 200) -> PropertyProfile:
    """Describe one property.

    Parameters
    ----------
    subject : Subject
        Its SAE; contexts come from its corpus, and are left out without one.
    name : str
        Which property: its name or title, as :func:`find_properties` and ``saetext detector list`` say.
    width : int
        Characters shown of each document.

    Raises
    ------
    InputError
        If there is none of that name; the message has names that come close.

    Examples
    --------
    >>> from saetext.features import open_subject, property_profile
    >>> property_profile(open_subject("embedded"), "refusal").title
    'refusing a request'
    """
    detector = _named(subject, name)
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


def _known(subject: Subject) -> tuple[Detector, ...]:
    return detectors.shipped(subject.sae, topics=True)


def _named(subject: Subject, name: str) -> Detector:
    known = {detector.name: detector for detector in _known(subject)}
    asked = name.strip().casefold()
    for detector in known.values():
        if asked in (detector.name.casefold(), detector.title.casefold()):
            return detector
    if not known:
        raise InputError(f"{name!r} is no number of a feature, and {subject.name} has no named properties")
    said = {title.casefold(): d.name for d in known.values() for title in (d.title, d.name)}
    close = difflib.get_close_matches(name.casefold(), said, n=3, cutoff=0.5)
    near = ", ".join(dict.fromkeys(said[each] for each in close))
    more = f"near it: {near}" if near else f"there are {', '.join(sorted(known))}"
    raise InputError(f"{name!r} is neither the number of a feature nor a property; {more}")


def _counts(subject: Subject, wanted: Sequence[Detector]) -> dict[str, tuple[int, float]]:
    """Return how many documents have each property, and the share; without those that cannot be told."""
    corpus = subject.corpus
    if corpus is None or not wanted:
        return {}
    told = of_such_length([corpus], wanted, subject.sae.name)
    least = np.array([detector.threshold for detector in told], np.float32)
    have = (score(corpus, told, subject.sae.name) >= least).sum(0).tolist()
    n = max(corpus.n_documents, 1)
    return {detector.name: (count, count / n) for detector, count in zip(told, have, strict=True)}


def _by_meaning(known: Sequence[Detector], query: str, embed: Embed) -> list[tuple[Detector, float | None]]:
    cosine = similarities(query, known, embed)
    order = np.argsort(-cosine, kind="stable")
    near = [at for place, at in enumerate(order) if cosine[at] >= (LEAST if place else NEAR)]
    return [(known[at], float(cosine[at])) for at in near]


def _by_words(known: Sequence[Detector], query: str) -> list[tuple[Detector, float | None]]:
    wanted = _stems(query)
    return [(d, None) for d in known if wanted and wanted <= _stems(f"{d.title} {d.description} {d.name}")]


def _stems(text: str) -> set[str]:
    return {_stem(word) for word in parts(text) if not only_function_words([word])}


def _stem(word: str) -> str:
    """Return what forms of a word share: "tables" and "table", "praising" and "praise"."""
    if word.endswith("ies") and len(word) > 4:
        word = f"{word[:-3]}y"
    ending = next((end for end in _ENDINGS if word.endswith(end) and len(word) - len(end) > 3), "")
    if not ending and word.endswith("s") and not word.endswith("ss") and len(word) > 3:
        ending = "s"
    return word[: len(word) - len(ending)][:_STEM]


def _in_corpus(
    corpus: CorpusLike, sae: str, detector: Detector, width: int, notes: list[str]
) -> dict[str, Any]:
    """Count the documents that have it, and cut contexts out of some."""
    probability = score(corpus, [detector], sae)[:, 0]
    has = probability >= np.float32(detector.threshold)
    told = of_such_length([corpus], [detector], sae)
    counted = {"documents": corpus.n_documents, "support": int(has.sum()) if told else None}
    try:
        chosen = _chosen(corpus, probability, has)
    except InputError as error:
        notes.append(str(error))
        return counted
    term = ("property", detector.title)
    where = places([corpus], sae, {row: [term] for row, _, _ in chosen})
    contexts = (
        ShadedContext(
            str(document["id"]), float(probability[row]), level,
            _pieces(document, where.get((row, term)), width), True,
        )
        for row, level, document in chosen
    )  # fmt: skip
    return {**counted, "contexts": tuple(contexts)}


def _chosen(
    corpus: CorpusLike, probability: NDArray[np.float32], has: NDArray[np.bool_]
) -> list[tuple[int, str, Mapping[str, Any]]]:
    """Return row, level and document of those shown, the most probable first; of equal texts one."""
    order = np.argsort(-probability, kind="stable")
    above, below = order[has[order]].tolist(), order[~has[order] & (probability[order] > 0)].tolist()
    seen: set[str] = set()
    rows: set[int] = set()
    found: list[tuple[int, str, Mapping[str, Any]]] = []
    for level, there in (("top", above), ("above", above[::-1]), ("below", below)):
        for row in there[:_TRIED]:
            if sum(each[1] == level for each in found) == _EACH[level]:
                break
            if row in rows:  # the ends of a short list have met
                break
            document = corpus.document(row)
            if document["text"] is None:
                raise InputError(f"{corpus.path} was encoded with --no-text: there is no text to show")
            if document["text"] not in seen:
                seen.add(document["text"])
                rows.add(row)
                found.append((row, level, document))
    return sorted(found, key=lambda each: (LEVELS.index(each[1]), -probability[each[0]], each[0]))


def _pieces(document: Mapping[str, Any], shown: Shown | None, width: int) -> tuple[Piece, ...]:
    """Return what is around the place where the property shows, and how many features speak at a word.

    Marks of punctuation, and words with fewer than half as many as the word that says most, are not shaded.
    """
    text, start, end = document["text"], document["token_start"], document["token_end"]
    if shown is None or shown.token(document) >= len(start):
        return shade(text, [], (0, 0), width)
    at: dict[tuple[int, int], float] = {}
    for token in (token for _, token in shown.features if token < len(start)):
        word = word_bounds(text, int(start[token]), int(end[token]))
        at[word] = at.get(word, 0.0) + 1.0
    words = {word: count for word, count in at.items() if any(map(str.isalnum, text[slice(*word)]))}
    at = words or at
    least = max(at.values(), default=0.0) / 2
    token = shown.token(document)
    middle = word_bounds(text, int(start[token]), int(end[token]))
    return shade(
        text, [(*word, count) for word, count in sorted(at.items()) if count >= least], middle, width
    )
