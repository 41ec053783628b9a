"""The document in which a feature is strongest, with the words that make it so.

Not for: cutting and marking a text (:mod:`saetext.text.passages`), or drawing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saetext.corpus.protocol import CorpusLike, Ints
from saetext.text.passages import Snippet, snippet


@dataclass(frozen=True)
class Example:
    """The document in which a feature is strongest.

    Attributes
    ----------
    row : int
        Its position in the set.
    document : str
        Its id.
    value : float
        The feature's maximum activation there.
    snippet : Snippet
        The words around the token where it is reached.
    """

    row: int
    document: str
    value: float
    snippet: Snippet


@dataclass(frozen=True)
class Hit:
    """A feature found in a text: its label, strength, the word where it is strongest, the label's score.

    ``full`` is its largest activation on reference text; 0 where that is not known.
    """

    feature: int
    label: str
    value: float
    word: str
    label_score: float | None = None
    full: float = 0.0


def strongest(
    corpus: CorpusLike, sae: str, features: Ints, kept: NDArray[np.bool_] | None, d_sae: int
) -> dict[int, Example] | None:
    """Return, for each feature, its strongest document with the words that made it so.

    Parameters
    ----------
    corpus : Corpus
        Where to look; its pooled rows are streamed once.
    sae : str
        Which SAE.
    features : int64[n]
        Features wanted.
    kept : bool[n_documents], optional
        Documents that may be shown.
    d_sae : int
        Number of features of the SAE.

    Returns
    -------
    dict or None
        Feature to example (the earliest document on a tie), without features that are present nowhere; None
        if the corpus stores no texts.
    """
    if not len(features):
        return {}
    wanted = np.zeros(d_sae, bool)
    wanted[features] = True
    value, row = np.full(d_sae, -np.inf, np.float32), np.full(d_sae, -1, np.int64)
    peak = np.zeros(d_sae, np.int64)
    start = 0
    for block in corpus.rows(sae):
        owner = start + np.repeat(np.arange(len(block)), np.diff(block.indptr))
        start += len(block)
        take = wanted[block.feature] if kept is None else wanted[block.feature] & kept[owner]
        entries = np.flatnonzero(take)
        entries = entries[np.lexsort((owner[entries], -block.value[entries], block.feature[entries]))]
        found, first = np.unique(block.feature[entries], return_index=True)
        best = entries[first]
        better = block.value[best] > value[found]
        found, best = found[better], best[better]
        value[found], row[found], peak[found] = block.value[best], owner[best], block.peak[best]

    examples: dict[int, Example] = {}
    document: Mapping[str, Any] = {}
    at, untold = -1, 0
    for feature in features[np.argsort(row[features], kind="stable")].tolist():
        if row[feature] < 0:
            continue
        if row[feature] != at:
            at = int(row[feature])
            document = corpus.document(at)
        if document["text"] is None:
            untold += 1
            continue
        words = snippet(document["text"], document["token_start"], document["token_end"], int(peak[feature]))
        examples[feature] = Example(at, str(document["id"]), float(value[feature]), words)
    return None if untold and not examples else examples
