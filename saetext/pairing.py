"""Which rows of two sets belong together: the answers of two models to the same prompt, say.

Not for: several answers per prompt; a key that repeats within a set is reported, not averaged.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saetext.errors import InputError
from saetext.protocols import CorpusLike, Ints

if TYPE_CHECKING:
    import polars as pl

PAIR_COLUMNS = ("prompt_id", "prompt")  # tried in this order when no column is named
PAIR_OVERLAP = 0.9  # share of the larger set that must find a partner before pairing happens by itself

Names = tuple[str, str]


@dataclass(frozen=True, eq=False)
class Pairs:
    """Rows ``a[i]`` and ``b[i]`` belong together; every row of a set occurs at most once.

    Attributes
    ----------
    column : str
        What they were paired on.
    a, b : int64 arrays of one length
        Positions in the two sets, increasing in ``a``.
    n_a, n_b : int
        Sizes of the two sets.
    """

    column: str
    a: Ints
    b: Ints
    n_a: int
    n_b: int

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.a)

    @cached_property
    def kept_a(self) -> NDArray[np.bool_]:
        """bool[n_a]: rows of A that have a partner."""
        return np.isin(np.arange(self.n_a), self.a)

    @cached_property
    def kept_b(self) -> NDArray[np.bool_]:
        """bool[n_b]: rows of B that have a partner."""
        return np.isin(np.arange(self.n_b), self.b)

    @cached_property
    def partner_of_b(self) -> Ints:
        """int64[n_b]: position in A of each row's partner, -1 where there is none."""
        partner = np.full(self.n_b, -1, np.int64)
        partner[self.b] = self.a
        return partner


def find_pairs(
    a: CorpusLike, b: CorpusLike, pair_on: str | None, names: Names
) -> tuple[Pairs | None, list[str]]:
    """Pair rows one to one on the column that was named, or on one that plainly pairs them.

    Parameters
    ----------
    a, b : Corpus
        The sets.
    pair_on : str or None
        A column; None looks for one (``prompt_id``, else ``prompt``) that is unique in each set and finds a
        partner for at least 90 % of the larger set; an empty string never pairs.
    names : tuple of str
        What to call the sets.

    Returns
    -------
    pairs : Pairs or None
        None where rows do not pair.
    notes : list of str
        What was decided and left out, one line each.

    Raises
    ------
    InputError
        If a column was named that is missing, repeats a key within a set, or pairs nothing.
    """
    if pair_on == "":
        return None, []
    if pair_on is not None:
        return _named(a, b, pair_on, names)
    for column in PAIR_COLUMNS:
        if not all(column in columns(corpus) for corpus in (a, b)):
            continue
        keys_a, keys_b = _keys(a, b, column)
        repeated = _repeats(a, column, keys_a, names[0]) or _repeats(b, column, keys_b, names[1])
        if repeated:
            return None, [f"{repeated}; rows were not paired, answers to one prompt count as independent"]
        pairs = _join(column, keys_a, keys_b, a, b)
        if len(pairs) >= PAIR_OVERLAP * max(a.n_documents, b.n_documents):
            left = a.n_documents + b.n_documents - 2 * len(pairs)
            rest = f"; {left} without a partner were left out" if left else ""
            return pairs, [f"rows pair one to one on {column}, so they were paired{rest}"]
        if len(pairs):
            return None, [f"{len(pairs)} rows share their {column}; pair on {column} to compare those alone"]
    return None, []


def columns(corpus: CorpusLike) -> list[str]:
    """Return the names of the columns of a corpus's documents."""
    return corpus.documents.collect_schema().names()


def as_text(corpus: CorpusLike, column: str) -> pl.Expr:
    """Return a column as text.

    Raises
    ------
    InputError
        If it holds lists, records or bytes.
    """
    import polars as pl

    dtype = corpus.documents.collect_schema()[column]
    if dtype.is_nested() or dtype == pl.Binary:
        raise InputError(f"column {column!r} of {corpus.path} is {dtype}; choose one of text or numbers")
    return pl.col(column).cast(pl.String)


def _named(a: CorpusLike, b: CorpusLike, column: str, names: Names) -> tuple[Pairs, list[str]]:
    for name, corpus in zip(names, (a, b), strict=True):
        if column not in columns(corpus):
            listing = ", ".join(columns(corpus))
            raise InputError(f"no column {column!r} in {name} ({corpus.path}); its columns: {listing}")
    keys_a, keys_b = _keys(a, b, column)
    repeated = _repeats(a, column, keys_a, names[0]) or _repeats(b, column, keys_b, names[1])
    if repeated:
        raise InputError(f"{repeated}; rows pair one to one only if every key occurs once in each set")
    pairs = _join(column, keys_a, keys_b, a, b)
    if not len(pairs):
        raise InputError(f"no {column} of {names[0]} occurs in {names[1]}, so no rows pair")
    left_a, left_b = a.n_documents - len(pairs), b.n_documents - len(pairs)
    if not left_a and not left_b:
        return pairs, []
    left_out = f"{left_a} of {names[0]}, {left_b} of {names[1]}"
    return pairs, [f"rows without a partner on {column} were left out: {left_out}"]


def _keys(a: CorpusLike, b: CorpusLike, column: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return (row, h1, h2) of the rows that have a key.

    128 bits of hash stand for a key: prompts may be long, and those of all rows are held at once.
    """
    import polars as pl

    text_a, text_b = as_text(a, column), as_text(b, column)
    types = [corpus.documents.collect_schema()[column] for corpus in (a, b)]
    if types[0] != types[1] and all(t.is_numeric() for t in types) and any(t.is_float() for t in types):
        text_a = text_b = pl.col(column).cast(pl.Float64)  # 1 and 1.0 are one key

    def hashed(corpus: CorpusLike, key: pl.Expr) -> pl.DataFrame:
        null, first, second = key.is_null().alias("null"), key.hash(1).alias("h1"), key.hash(2).alias("h2")
        frame = corpus.documents.select(null, first, second).with_row_index("row")
        return frame.filter(~pl.col("null")).drop("null").collect()

    return hashed(a, text_a), hashed(b, text_b)


def _repeats(corpus: CorpusLike, column: str, keys: pl.DataFrame, name: str) -> str:
    """Say in words which key repeats; empty if none does."""
    import polars as pl

    counts = keys.group_by("h1", "h2").agg(pl.col("row").min(), pl.len().alias("times"))
    repeats = counts.filter(pl.col("times") > 1).sort("row").head(1)
    if not repeats.height:
        return ""
    row, times = int(repeats["row"][0]), int(repeats["times"][0])
    example = repr(corpus.documents.slice(row, 1).select(column).collect().item())
    shown = example if len(example) <= 60 else example[:57] + "...'"
    return f"{column} repeats in {name}: {shown} occurs {times} times"


def _join(column: str, keys_a: pl.DataFrame, keys_b: pl.DataFrame, a: CorpusLike, b: CorpusLike) -> Pairs:
    joined = keys_a.join(keys_b, on=["h1", "h2"], suffix="_b").sort("row")
    rows_a, rows_b = (joined[key].to_numpy().astype(np.int64) for key in ("row", "row_b"))
    return Pairs(column, rows_a, rows_b, a.n_documents, b.n_documents)
