"""The texts behind a rule: new documents that show it most, if possible such whose old partner does not.

Not for: which rules are broken, or how examples are drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from saetext.analysis.checking.figures import Baseline
from saetext.analysis.checking.sides import Sides
from saetext.analysis.differences.examples import leading
from saetext.analysis.differences.excerpts import spans_of
from saetext.corpus.protocol import CorpusLike
from saetext.features.places import places
from saetext.text.passages import Snippet, printable, snippet

if TYPE_CHECKING:
    from scipy.sparse import csc_matrix

MOST = 3  # texts of a rule
WIDTH = 140  # characters of each
_REACH = 4 * WIDTH
_PLACED = {"detector": "property", "property": "property", "theme": "theme"}


def examples(
    sides: Sides,
    matrix: csc_matrix,
    column: int,
    kind: str,
    terms: Sequence[str],
    direction: str,
    most: int = MOST,
) -> list[dict[str, str]]:
    """Choose documents that show what changed.

    Parameters
    ----------
    sides : Sides
        Both sets.
    matrix : csc_matrix
        float[rows of both, columns], above 0 where present.
    column : int
        Which column.
    kind : str
        Of a subject or of a finding.
    terms : sequence of str
        The mark, the title of the detector or theme, the phrases, or the feature's number.
    direction : str
        After a ``rise`` new documents are shown, after a ``fall`` old ones, if they are there.
    most : int
        How many.

    Returns
    -------
    list of dict
        ``set``, ``id`` and ``text``, one line with the place marked «so».
    """
    part = slice(*matrix.indptr[column : column + 2])
    rows, values = matrix.indices[part].astype(np.int64), matrix.data[part]
    lead = 0 if direction == "rise" else 1
    if lead == 1 and isinstance(sides.old, Baseline):
        return []
    start = 0 if lead == 0 else sides.new.n_documents
    corpus: Any = sides.new if lead == 0 else sides.old
    chosen = rows[leading(sides.design, rows, values, lead)][:most] - start
    return [
        {"set": sides.names[lead], **_shown(corpus, sides.sae, int(row), kind, terms)}
        for row in chosen.tolist()
    ]


def longest(sides: Sides, direction: str, most: int = MOST) -> list[dict[str, str]]:
    """Choose the longest new documents, or the shortest."""
    new = np.flatnonzero(sides.design.side[: sides.new.n_documents] == 0)
    order = np.argsort(sides.tokens[new], kind="stable")
    chosen = new[order[::-1] if direction == "rise" else order][:most]
    return [
        {"set": sides.names[0], **_shown(sides.new, sides.sae, int(row), "length", ())}
        for row in chosen.tolist()
    ]


def _shown(corpus: CorpusLike, sae: str, row: int, kind: str, terms: Sequence[str]) -> dict[str, str]:
    document = corpus.document(row)
    text = document.get("text")
    line = "(its text is not stored)" if text is None else _line(corpus, sae, row, kind, terms, document)
    return {"id": printable(str(document["id"])), "text": line}


def _line(
    corpus: CorpusLike, sae: str, row: int, kind: str, terms: Sequence[str], document: Mapping[str, Any]
) -> str:
    text = str(document["text"])
    if kind in _PLACED:
        placed = (_PLACED[kind], terms[0])
        found = places([corpus], sae, {row: [placed]}).get((row, placed))
        token = found.token(document) if found else None
    else:
        token = _peak(corpus, sae, row, int(terms[0])) if kind == "feature" else None
    if token is not None and token < len(document["token_start"]):
        return snippet(text, document["token_start"], document["token_end"], token, WIDTH).marked()
    of = "word" if kind in ("words", "word") else kind
    for term in terms:
        spans = spans_of(text, of, term)
        # of marks it is whole lines that have them: to mark a long one as a whole would say nothing
        if spans and (of == "word" or spans[0][1] - spans[0][0] < WIDTH // 2):
            return _around(text, *spans[0])
        if spans:
            return _beginning(text[spans[0][0] : spans[0][1]])
    return _beginning(text)


def _peak(corpus: CorpusLike, sae: str, row: int, feature: int) -> int | None:
    """Return the token where a feature is strongest in a document."""
    start = 0
    for block in corpus.rows(sae):
        if row < start + len(block):
            part = slice(*block.indptr[row - start : row - start + 2].tolist())
            at = np.flatnonzero(block.feature[part] == feature)
            return int(block.peak[part][at[0]]) if len(at) else None
        start += len(block)
    return None


def _around(text: str, start: int, end: int) -> str:
    before, after = text[max(start - _REACH, 0) : start], text[end : end + _REACH]
    return (
        Snippet(
            ("…" if start > _REACH else "") + printable(before).lstrip(),
            printable(text[start:end]),
            printable(after).rstrip() + ("…" if end + _REACH < len(text) else ""),
        )
        .fit(WIDTH)
        .marked()
    )


def _beginning(text: str) -> str:
    line = printable(text[:_REACH]).strip()
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…"
