"""Which tokens statistics are taken over: those of the vocabulary, each alone, or those of texts as they are.

Not for: what is measured on them (:mod:`saetext.features.activity.measuring`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from saetext.corpus import Corpus
from saetext.documents import Document, DocumentSource, Reject
from saetext.documents.rejects import describe_rejects, nothing_readable
from saetext.errors import InputError
from saetext.io.progress import Meter

if TYPE_CHECKING:
    from saetext.reader.reader import Reader
    from saetext.reader.tokenization import Prepared
    from saetext.reader.vocabulary import Vocabulary

Texts = Corpus | DocumentSource | Iterable[str | Document]

_TOKENS = 8192  # of the vocabulary at a time
_DOCUMENTS = 64  # at a time


def of_vocabulary(vocabulary: Vocabulary, meter: Meter) -> Iterator[list[Prepared]]:
    """Yield the tokens of a vocabulary, each a text of its own, many at a time."""
    from saetext.reader.vocabulary import alone

    for start in range(0, len(vocabulary), _TOKENS):
        ids = vocabulary.ids[start : start + _TOKENS]
        meter.begin((start + len(ids)) / len(vocabulary), len(ids))
        yield alone(ids)


class TextTokens:
    """The counted tokens of texts, in their contexts, as a corpus of them would count.

    Attributes
    ----------
    name : str
        Of the texts.
    role : str
        Whose turns of a chat count.
    read : int
        Texts that were read so far.
    rejected : Counter of str
        Rows that could not be, by reason.

    Raises
    ------
    InputError
        If a corpus stores no texts, or something in a list is no text.
    """

    def __init__(self, texts: Texts) -> None:
        self.read = 0
        self.rejected: Counter[str] = Counter()
        self.name, self.role = "texts", "assistant"
        self._source: DocumentSource | None = None
        self._items: Iterator[Document | Reject]
        if isinstance(texts, Corpus):
            self.name = str(texts.path)
            if not texts.manifest.stores_text:
                raise InputError(f"{texts.path} was encoded with --no-text: name the file of its texts")
            self._total, self._items = texts.n_documents, _stored(texts)
        elif isinstance(texts, DocumentSource):
            self.name, self.role, self._source = texts.name, texts.role, texts
            self._total, self._items = 0, iter(texts)
        else:
            from saetext.reader.reading import as_documents

            documents = as_documents(texts)[0]
            self._total, self._items = len(documents), iter(documents)

    def chunks(self, reader: Reader, meter: Meter) -> Iterator[list[Prepared]]:
        """Yield all texts that can be read, some at a time.

        Raises
        ------
        InputError
            At the end, if there was none.
        """
        from saetext.reader.reading import without_blanks
        from saetext.reader.tokenization import Prepared

        while items := list(islice(self._items, _DOCUMENTS)):
            documents = [item for item in items if isinstance(item, Document)]
            self.rejected.update(item.reason for item in items if isinstance(item, Reject))
            prepared: list[Prepared] = []
            for one in without_blanks(reader.tokens.prepare(documents, self.role)):
                if isinstance(one, Prepared):
                    prepared.append(one)
                else:
                    self.rejected[one.reason] += 1
            self.read += len(prepared)
            meter.begin(self._share(), sum(one.n_tokens for one in prepared))
            yield prepared
            meter.end(len(prepared), len(items) - len(prepared))
        if not self.read:
            raise nothing_readable(self.name, self.rejected)

    def _share(self) -> float | None:
        if self._source is not None:
            return self._source.progress()
        return (self.read + self.rejected.total()) / self._total if self._total else None

    @property
    def notes(self) -> Sequence[str]:
        """What to know of rows that could not be read."""
        return [describe_rejects(self.rejected)] if self.rejected else []


def _stored(corpus: Corpus) -> Iterator[Document]:
    """Yield a corpus's documents as they are stored: the turns before the counted ones are one prompt."""
    at = 0
    for frame in corpus.frames(["id", "text", "prompt"]):
        for id, text, prompt in frame.iter_rows():
            yield Document(id, text, prompt, None, {}, at, f"document {id}")
            at += 1
