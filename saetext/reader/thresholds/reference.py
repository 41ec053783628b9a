"""A sample of reference text by the hash of what is read: the same in any order of the rows, in one pass.

Memory is bounded by the sample, not by the source. Not for: tokenising it, or what is measured on it.
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from saetext.documents import Document
from saetext.errors import InputError
from saetext.reader.thresholds.request import MOST_DOCUMENTS as MOST_DOCUMENTS

#: No tokenizer makes fewer tokens of ordinary text, so that the documents kept fill the budget.
CHARACTERS_PER_TOKEN = 16
TELL_EVERY = 1000  # documents


@dataclass(frozen=True)
class Sample:
    """Documents drawn from a source by their hash.

    Iterating yields each text once, in the order of the hashes, before any text comes a second time; a text
    is a document's text or turns, and its prompt. Metadata are left out.

    Attributes
    ----------
    texts : tuple of (Document, int)
        The different texts in the order of their hashes, and how often each was read.
    read : int
        Documents of the source that were read.
    ended : bool
        Whether the source ended before the bound on reading.
    whole : bool
        Whether every document that was read is in the sample.
    """

    texts: tuple[tuple[Document, int], ...]
    read: int
    ended: bool
    whole: bool

    @property
    def distinct(self) -> int:
        """Number of different texts."""
        return len(self.texts)

    def __iter__(self) -> Iterator[Document]:
        """Yield the documents."""
        left = list(self.texts)
        while left:
            yield from (document for document, _ in left)
            left = [(document, times - 1) for document, times in left if times > 1]


def sample(
    documents: Iterable[Document],
    n_tokens: int,
    role: str,
    *,
    max_documents: int = MOST_DOCUMENTS,
    on_read: Callable[[int], None] | None = None,
) -> Sample:
    """Return the documents with the smallest hashes, enough of them for ``n_tokens`` counted tokens.

    One pass. How many tokens a document has is estimated from below, by its counted characters, so that the
    sample has more than are needed: take from its beginning. The order of ``documents`` does not matter.

    Parameters
    ----------
    n_tokens : int
        At most so many different texts are held in memory.
    role : str
        Whose turns of a chat count.
    max_documents : int
        Where reading stops. What follows has no part in the sample.
    on_read : callable, optional
        Called with the number of documents read so far, once in a thousand.

    Raises
    ------
    InputError
        If ``n_tokens`` or ``max_documents`` is below 1.
    """
    if n_tokens < 1 or max_documents < 1:
        raise InputError("a sample needs at least 1 token and at least 1 document: raise the bound")
    smallest = _Smallest(n_tokens)
    read = 0
    for document in documents:
        read += 1
        smallest.add(_hash(document), _least_tokens(document, role), document)
        if on_read is not None and read % TELL_EVERY == 0:
            on_read(read)
        if read == max_documents:
            break
    return Sample(smallest.texts(), read, ended=read < max_documents, whole=smallest.whole)


class _Smallest:
    """Keeps the texts with the smallest hashes: the fewest whose tokens fill a budget."""

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._tokens = 0
        self._heap: list[tuple[int, int]] = []  # (-hash, tokens): the largest hash is on top
        self._kept: dict[int, tuple[Document, int]] = {}
        self.whole = True

    def add(self, key: int, tokens: int, document: Document) -> None:
        """Take note of a document. A text that is dropped once is never wanted again, so counts are exact."""
        if key in self._kept:
            kept, times = self._kept[key]
            self._kept[key] = kept, times + 1
            return
        if self._tokens >= self._budget and key > -self._heap[0][0]:
            self.whole = False
            return
        self._kept[key] = _bare(document), 1
        heapq.heappush(self._heap, (-key, tokens))
        self._tokens += tokens
        while self._tokens - self._heap[0][1] >= self._budget:
            negative, fewer = heapq.heappop(self._heap)
            del self._kept[-negative]
            self._tokens -= fewer
            self.whole = False

    def texts(self) -> tuple[tuple[Document, int], ...]:
        """Return what was kept, by ascending hash."""
        return tuple(self._kept[key] for key in sorted(self._kept))


def _bare(document: Document) -> Document:
    # position and metadata of a text that repeats would depend on the order
    return Document(
        document.id, document.text, document.prompt, document.messages, {}, document.position, document.where
    )


def _hash(document: Document) -> int:
    """Return 128 bits of all that the model reads; other samples and halves use other bits."""
    content = repr((document.text, document.prompt, document.messages)).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(content, digest_size=16, person=b"reference").digest(), "big")


def _least_tokens(document: Document, role: str) -> int:
    characters = len(document.text)
    if document.messages is not None:
        characters = sum(len(m.content) for m in document.messages if role in ("all", m.role))
    return max(1, characters // CHARACTERS_PER_TOKEN)
