"""Documents of a corpus as one page of a static copy: shaded, searched and narrowed without a server.

Everything is in the page, so that it works from a disk: a browser lets such a page read no other file. It
holds a bounded part of a corpus and says which. Not for: the table of features (``copied_features.py``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saetext.corpus import Corpus
from saetext.features.labels import FeatureLabels
from saetext.report.explore.queries.passages import Entry, Look, whole_of
from saetext.report.html.parts import draw
from saetext.text.passages import printable

MOST_DOCUMENTS = 1_000
MOST_CHARACTERS = 4_000  # of one text
MOST_IN_ALL = 2_000_000  # characters of all texts
FEATURES = 8  # shaded and named, of each document
_COLUMNS = 8
_VALUE = 60  # characters of a column's value
_PROMPT = 400


@dataclass(frozen=True, eq=False)
class Documents:
    """The documents of a page.

    Attributes
    ----------
    shown : list of dict
        What is shown of each.
    rows : frozenset of int
        Their rows in the corpus.
    marked : mapping of int to int
        In how many of them each feature is marked.
    told : str
        Which they are, in a sentence.
    """

    shown: list[dict[str, Any]] = field(repr=False)
    rows: frozenset[int] = field(repr=False)
    marked: Mapping[int, int] = field(repr=False)
    told: str = ""


def documents_of(corpus: Corpus, sae: str, labels: FeatureLabels) -> Documents:
    """Return the documents of a page.

    Each has its columns, its prompt and its text, in which the words are shaded where its most telling
    features are strongest; the features stand below it.
    """
    rows = spread(corpus.n_documents, MOST_DOCUMENTS)
    look = Look(corpus, sae, labels, None, None, "")
    shown: list[dict[str, Any]] = []
    counts: Counter[int] = Counter()
    characters = 0
    for row in rows.tolist():
        one = _document(whole_of(look, row, most=FEATURES))
        characters += sum(len(part["text"]) for part in one["parts"])
        if characters > MOST_IN_ALL and shown:
            break
        shown.append(one)
        counts.update(chip["feature"] for chip in one["chips"])
    told = _told(len(shown), len(rows), corpus.n_documents)
    return Documents(shown, frozenset(one["row"] for one in shown), counts, told)


def texts_page(
    corpus: Corpus, documents: Documents, name: str, *, pages: str = "", paged: Collection[int] = frozenset()
) -> str:
    """Return the page; ``paged`` are the features that have a page of their own in the folder ``pages``."""
    return draw(
        "explore/copied_texts.html.j2",
        ("base.css", "explore/collected.css", "explore/copied.css"),
        ("explore/copied_texts.js",),
        name=printable(name),
        told=documents.told,
        documents=documents.shown,
        longest=f"{MOST_CHARACTERS:,}",
        features=FEATURES,
        stored=corpus.stores_text,
        pages=pages,
        paged=" ".join(map(str, sorted(paged))),
    )


def spread(documents: int, most: int) -> NDArray[np.int64]:
    """Return rows, all of them or ``most`` that lie evenly between the first and the last.

    >>> spread(3, 5).tolist(), spread(10, 4).tolist()
    ([0, 1, 2], [0, 3, 6, 9])
    """
    if documents <= most:
        return np.arange(documents, dtype=np.int64)
    return np.arange(most, dtype=np.int64) * (documents - 1) // max(most - 1, 1)


def _told(shown: int, wanted: int, documents: int) -> str:
    if shown == documents:
        return f"All {shown:,} documents." if shown != 1 else "One document."
    some = f"{shown:,} of {documents:,} documents"
    if shown == wanted:
        return f"{some}, evenly from the first to the last; the others are left out."
    return f"{some}; the others are left out, since the texts are long."


def _document(entry: Entry) -> dict[str, Any]:
    parts, left = _beginning(entry)
    return {
        "row": entry.row,
        "id": entry.id,
        "tokens": f"{entry.tokens:,}",
        "prompt": _cut(entry.prompt, _PROMPT),
        "columns": [(_cut(name, _VALUE), _cut(value, _VALUE)) for name, value, _ in entry.columns[:_COLUMNS]],
        "parts": parts,
        "left": f"{left:,}" if left else "",
        "chips": [
            {"feature": chip.feature, "label": _cut(chip.label, 90), "word": _cut(chip.word, _VALUE)}
            for chip in entry.chips
        ],
        "features": " ".join(str(chip.feature) for chip in entry.chips),
    }


def _beginning(entry: Entry) -> tuple[Sequence[Mapping[str, Any]], int]:
    """Return a text's first characters as parts, and how many are left out."""
    parts: list[dict[str, Any]] = []
    room = MOST_CHARACTERS
    left = 0
    for part in entry.parts:
        if len(part.text) > room:
            left += len(part.text) - room
        if room and part.text:
            parts.append(
                {
                    "text": part.text[:room],
                    "shade": part.shade,
                    "told": _cut(part.told, 300),
                    "line": part.line,
                }
            )
        room = max(room - len(part.text), 0)
    return parts, left


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
