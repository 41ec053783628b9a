"""Which rows of several sets belong together: the answers of models to the same prompt, the texts of a user.

Not for: what that means for a test, see :mod:`saetext.analysis.differences.design`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import NDArray

from saetext.corpus.no_column import no_column
from saetext.corpus.protocol import CorpusLike, Ints
from saetext.errors import InputError

if TYPE_CHECKING:
    import polars as pl

_C = TypeVar("_C", bound=CorpusLike)

_WHOLE = 2.0**63  # floats from here on are no 64-bit integers
PAIR_COLUMNS = ("prompt_id", "prompt")  # tried in this order when no column is named


def columns(corpus: CorpusLike) -> list[str]:
    """Return the names of the columns of a corpus's documents."""
    return corpus.documents.collect_schema().names()


def require_column(corpus: CorpusLike, column: str, name: str = "") -> None:
    """Raise :class:`InputError` that lists the columns there are, unless ``column`` is one of them."""
    there = columns(corpus)
    if column not in there:
        raise no_column(column, there, f"{name} ({corpus.path})" if name else str(corpus.path))


def as_text(corpus: CorpusLike, column: str) -> pl.Expr:
    """Return a column as text.

    Raises
    ------
    InputError
        If it holds lists, records, bytes or durations.
    """
    import polars as pl

    dtype = corpus.documents.collect_schema()[column]
    if dtype.is_nested() or dtype in (pl.Binary, pl.Duration):
        raise InputError(f"column {column!r} of {corpus.path} is {dtype}; choose one of text or numbers")
    return pl.col(column).cast(pl.String)


def as_key(corpus: CorpusLike, column: str) -> pl.Expr:
    """Return a column as texts that are equal where its values are: 1, 1.0 and the text ``1`` are one value.

    Whole numbers become their decimals, however large: two of 19 digits that differ in the last would be one
    as floats.

    Raises
    ------
    InputError
        As :func:`as_text`.
    """
    import polars as pl

    text = as_text(corpus, column)
    dtype = corpus.documents.collect_schema()[column]
    if dtype.is_decimal():
        return (
            pl.when(text.str.contains(".", literal=True))
            .then(text.str.strip_chars_end("0").str.strip_chars_end("."))
            .otherwise(text)
        )
    if not dtype.is_float():
        return text
    value = pl.col(column).cast(pl.Float64)
    whole = (value == value.round()) & (value.abs() < _WHOLE)
    return (
        pl.when(whole)
        .then(value.cast(pl.Int64, strict=False).cast(pl.String))
        .otherwise(value.cast(pl.String))
    )


def of_value(corpus: _C, column: str, text: str) -> _C:
    """Return a view of the documents whose value of a column, as text, is this.

    Raises
    ------
    InputError
        If there is no such column, or it is not text or numbers.
    """
    require_column(corpus, column)
    return corpus.select(as_text(corpus, column) == text)


def keys(corpora: Sequence[CorpusLike], column: str) -> list[Ints]:
    """Number the values of a column alike in several sets.

    Parameters
    ----------
    corpora : sequence of Corpus
        Sets that have the column.
    column : str
        Text or numbers, as :func:`as_key` has them.

    Returns
    -------
    list of int64 arrays
        For each document of each set the number of its value, from 0 in order of appearance; -1 for null.
    """
    import polars as pl

    texts = [as_key(corpus, column) for corpus in corpora]
    # 128 bits of hash stand for a value: prompts may be long, and those of all rows are held at once
    frames = [
        corpus.documents.select(
            text.is_null().alias("null"), text.hash(1).alias("h1"), text.hash(2).alias("h2")
        )
        .with_columns(set=pl.lit(number, pl.Int32))
        .collect()
        for number, (corpus, text) in enumerate(zip(corpora, texts, strict=True))
    ]
    table = pl.concat(frames).with_row_index("row")
    first = table.filter(~pl.col("null")).group_by("h1", "h2").agg(pl.col("row").min().alias("first"))
    first = first.sort("first").with_row_index("key").select("h1", "h2", pl.col("key").cast(pl.Int64))
    joined = table.join(first, on=["h1", "h2"], how="left", maintain_order="left")
    number = joined.select(pl.when("null").then(-1).otherwise(pl.col("key"))).to_series().to_numpy()
    sizes = np.cumsum([frame.height for frame in frames])[:-1]
    return [part.astype(np.int64) for part in np.split(number, sizes)]


def copies(corpora: Sequence[CorpusLike]) -> Ints:
    """Number the documents of several sets so that copies share a number.

    Copies have the same text and, where prompts are stored, the same prompt: an answer of one word to two
    prompts is two answers. Where no texts are stored every document is its own.

    Parameters
    ----------
    corpora : sequence of Corpus
        Sets, whose documents follow one another.

    Returns
    -------
    int64[n]
        The number of each document's text, from 0.
    """
    total = sum(corpus.n_documents for corpus in corpora)
    own = np.arange(total, dtype=np.int64)
    if not all("text" in columns(corpus) for corpus in corpora):
        return own
    text = np.concatenate(keys(corpora, "text"))
    unknown = text < 0
    code = np.where(unknown, text.max(initial=-1) + 1 + own, text)
    if all("prompt" in columns(corpus) for corpus in corpora):
        prompt = np.concatenate(keys(corpora, "prompt"))
        _, code = np.unique(np.stack([code, prompt]), axis=1, return_inverse=True)
    found: Ints = np.unique(code, return_inverse=True)[1].reshape(-1).astype(np.int64)
    return found


def united(a: Ints, b: Ints) -> Ints:
    """Number rows alike that are connected by either code, through any number of others."""
    from scipy import sparse
    from scipy.sparse import csgraph

    _, one = np.unique(a, return_inverse=True)
    _, two = np.unique(b, return_inverse=True)
    n = int(one.max(initial=-1)) + 1
    size = n + int(two.max(initial=-1)) + 1
    graph = sparse.csr_matrix((np.ones(len(a), np.int8), (one, n + two)), shape=(size, size))
    found: Ints = csgraph.connected_components(graph, directed=False)[1][one].astype(np.int64)
    return found


def half_of(blocks: Ints, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Choose whole blocks at random that hold at most half of the units.

    Parameters
    ----------
    blocks : int64[n_units]
        The block of each unit, from 0; units of a block stay together.
    rng : Generator
        Draws one permutation of the blocks.

    Returns
    -------
    bool[n_blocks]
        The chosen ones; where each unit is its own block, exactly half of them, rounded down.
    """
    size = np.bincount(blocks)
    room = len(blocks) // 2
    chosen = np.zeros(len(size), bool)
    for block in rng.permutation(len(size)).tolist():
        if size[block] <= room:  # one that is too large is passed over, not the end
            chosen[block] = True
            room -= int(size[block])
    return chosen


def example(corpus: CorpusLike, column: str, row: int) -> str:
    """Return the value of a row as it is shown in a message."""
    shown = repr(corpus.documents.slice(row, 1).select(column).collect().item())
    return shown if len(shown) <= 60 else shown[:57] + "...'"
