"""Reading: what a reader made of some texts, as a table and with the words marked.

Not for: running the model (:mod:`saetext.reader.reader`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from saetext.corpus.rows import PooledRows
from saetext.documents import Document
from saetext.documents.reading import kind_of
from saetext.documents.record import EMPTY_TEXT
from saetext.documents.texts import is_frame, texts_in
from saetext.errors import InputError
from saetext.io.frames import as_pandas
from saetext.io.provided import provided
from saetext.reader.tokenization import Prepared, Unreadable
from saetext.text.one_line import about, quoted

if TYPE_CHECKING:
    import polars as pl

    from saetext.reader.reader import Reader


@dataclass(frozen=True, eq=False, repr=False)
class Reading:
    """What a reader made of some texts.

    ``len(reading)`` is the number of texts; ``reading[i]`` and iteration give each with its strongest
    features on the words (:class:`saetext.features.inspect.Look`), which is what ``saetext read`` shows;
    ``print(reading[0])`` prints it.

    Attributes
    ----------
    prepared : list of Prepared or Unreadable
        One per text, in order.
    rows : dict of SAE name to PooledRows
        One row per *readable* text, in order.
    """

    prepared: list[Prepared | Unreadable]
    rows: dict[str, PooledRows]
    _reader: Reader = field(kw_only=False)

    @property
    def readable(self) -> list[Prepared]:
        """The documents that have rows."""
        return [p for p in self.prepared if isinstance(p, Prepared)]

    @cached_property
    def table(self) -> pl.DataFrame:
        """The features present in each text, a row each, the most telling of a text first.

        ``text`` is the number of the text, from 0; the other columns are those of
        :func:`saetext.features.present.present`.
        """
        found: pl.DataFrame = provided("features_of_reading")(self, self._reader)
        return found

    def to_pandas(self) -> Any:
        """Return :attr:`table` as a pandas frame."""
        return as_pandas(self.table)

    def look(self, index: int, *, sae: str | None = None, top: int | None = 12, labels: Any = None) -> Any:
        """Return a text with its ``top`` features, each on every word where it is above its threshold.

        Parameters
        ----------
        index : int
            Which text; negative from the end.
        sae : str, optional
            Which SAE, if there are several.
        top : int or None
            Number of features to show; 0 and None for all.
        labels : path, optional
            A table of labels to use; by default the reader's own.

        Raises
        ------
        InputError
            If there is no such text, or nothing in it to read.
        """
        at = index + len(self) if index < 0 else index
        if not 0 <= at < len(self):
            raise InputError(f"there is no text {index}; texts are 0 to {len(self) - 1}")
        return provided("look_at_text")(self._reader, self.prepared[at], sae=sae, top=top, labels=labels)

    def __len__(self) -> int:
        """Return the number of texts."""
        return len(self.prepared)

    def __getitem__(self, index: int) -> Any:
        """Return a text with its strongest features, see :meth:`look`."""
        return self.look(index, sae=next(iter(self._reader.saes)))

    def __iter__(self) -> Iterator[Any]:
        """Yield the texts with their strongest features."""
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        n = len(self.prepared)
        found = sum(rows.n_entries for rows in self.rows.values())
        first = next((p.text for p in self.readable), "")
        return about(
            self,
            f"{n:,} text{'s' if n != 1 else ''} ({quoted(first, 40)}{', ...' if n > 1 else ''}) "
            f"by {quoted(self._reader.name, 40)}, {found:,} features present",
        )


def as_documents(texts: str | Iterable[str | Document]) -> tuple[list[Document], bool]:
    """Return texts as documents numbered from 0, and whether they were texts; documents stay as they are.

    Raises
    ------
    InputError
        If something among them is neither a string nor a document, or no valid Unicode.
    """
    if isinstance(texts, str):
        texts = [texts]
    elif isinstance(texts, bytes | bytearray) or not (is_frame(texts) or isinstance(texts, Iterable)):
        raise InputError(f"expected a text or a list of texts, got {kind_of(texts)}")
    # iterated, a frame gives the names of its columns
    given = texts_in(texts) if is_frame(texts) else list(texts)
    if all(isinstance(text, Document) for text in given) and given:
        return given, False  # type: ignore[return-value]  # they are all documents
    return [_document(text, at) for at, text in enumerate(given)], True


def without_blanks(prepared: Iterable[Prepared | Unreadable]) -> list[Prepared | Unreadable]:
    """Return texts with those that are whitespace alone as unreadable; some tokenizers have tokens for it."""
    return [
        Unreadable(EMPTY_TEXT, "whitespace alone") if isinstance(p, Prepared) and not p.text.strip() else p
        for p in prepared
    ]


def _document(text: object, at: int) -> Document:
    if not isinstance(text, str):
        raise InputError(f"text {at} is {kind_of(text)}; expected a string")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError("the text is not valid Unicode (undecodable bytes)") from error
    return Document(str(at), text, None, None, {}, at, f"text {at}")
