"""Random passages of a corpus, whatever features they have: how common words are there.

The measure of a feature's own words must be the same whichever other features are looked at with it. Not for:
places with and without a feature (gathering.py).
"""

from __future__ import annotations

import math

import numpy as np

from saetext.corpus.protocol import CorpusLike
from saetext.features.contexts.sampling import BACKGROUND, LONGEST_TEXT, backdrop, flat, shuffled
from saetext.text.passages import snippet

_PER_DOCUMENT = 16  # of a small corpus: more would be the same words again


def random_passages(corpus: CorpusLike, *, width: int = 160, seed: int = 0, half: str = "all") -> list[str]:
    """Return passages at random places of random documents.

    Parameters
    ----------
    corpus : Corpus
        Where to look; documents without a stored text have none.
    width : int
        Most characters of a passage.
    seed : int
        Decides on documents and places.
    half : {"all", "make", "score"}
        Which documents: all, or one of two halves.

    Returns
    -------
    list of str
        About 4,000, but at most 16 of a document; the same for the same corpus, width, seed and half.
    """
    kept, priority = shuffled(corpus, seed, half)
    chosen = backdrop(kept, priority)
    texts = corpus.documents.select("text").collect()["text"].gather(chosen).to_list()
    each = min(math.ceil(BACKGROUND / max(len(chosen), 1)), _PER_DOCUMENT)
    rng = np.random.default_rng([seed, 2])
    found = []
    for text, places in zip(texts, rng.random((len(chosen), each)), strict=True):
        if not text or not text.strip():
            continue
        short = flat(text[:LONGEST_TEXT])
        for place in (places * len(short)).astype(int).tolist():
            found.append(snippet(short, [place], [place + 1], 0, width).marked("", ""))
    return found
