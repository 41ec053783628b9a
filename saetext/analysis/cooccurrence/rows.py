"""Which rows are counted: documents of one corpus, or of two side by side, in strata and halves.

The rows of the half that discovers come first. Not for: counting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from saetext.corpus.keys import PAIR_COLUMNS, columns, copies, half_of, keys, require_column, united
from saetext.corpus.protocol import CorpusLike, Ints
from saetext.corpus.strata import MOST, ROWS, bins
from saetext.errors import InputError

FEWEST = 40  # rows or groups from which on halves are worth having
_WITHIN = 5  # rows of a bin of length within a value of a column
_OURS = {"row", "text", "n_tokens", "n_unknown"}  # columns that pair nothing
_ACROSS = 5  # bins of length of each of two corpora


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows, those of the first half first.

    Attributes
    ----------
    take : sequence of int64[n]
        Of each corpus, the document that each row is.
    half_rows : int
        How many rows are of the first half; 0 where there are too few to split.
    stratum : int32[n]
        Rows that are alike in length, and in the column within which is compared.
    by_length : int32[n]
        Rows that are alike in length alone.
    group : int32[n] or None
        Rows of one group are not independent.
    notes : tuple of str
        What was decided and left out.
    """

    take: tuple[Ints, ...]
    half_rows: int
    stratum: NDArray[np.int32]
    by_length: NDArray[np.int32]
    group: NDArray[np.int32] | None
    notes: tuple[str, ...]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.stratum)


def make_rows(
    corpora: Sequence[CorpusLike],
    names: Sequence[str],
    *,
    pair_on: str | None = None,
    within: str | None = None,
    group: str | None = None,
    known: NDArray[np.bool_] | None = None,
    sample: int | None = None,
    seed: int = 0,
) -> Rows:
    """Choose and order the rows.

    Parameters
    ----------
    corpora : sequence of Corpus
        One, or two to put side by side.
    names : sequence of str
        What to call them.
    pair_on : str, optional
        With two corpora, the column that tells which documents belong together; by default that of
        ``prompt_id``, ``prompt`` and ``id`` (unless ids are row numbers) on which most find a partner. A key
        may occur several times in one of them: its rows then count as a group.
    within : str, optional
        Column of the first corpus; rows are compared within each of its values.
    group : str, optional
        Column of the first corpus; rows of one value stay together in a half.
    known : bool array, optional
        Documents of the first corpus to choose from.
    sample : int, optional
        At most so many rows.
    seed : int
        For the sample and the halves.

    Raises
    ------
    InputError
        If a column is missing, or nothing pairs, or there are not two rows.
    """
    notes: list[str] = []
    take: tuple[Ints, ...]
    rng = np.random.default_rng([seed, 11])
    for column in (within, group):
        if column:
            require_column(corpora[0], column, names[0])
    if len(corpora) == 2:
        take, repeated = _aligned(corpora, names, pair_on, notes)
    else:
        take, repeated = (np.arange(corpora[0].n_documents, dtype=np.int64),), None
    if known is not None:
        keep = known[take[0]]
        take = tuple(t[keep] for t in take)
        repeated = None if repeated is None else repeated[keep]
    if within:
        value = keys([corpora[0]], within)[0][take[0]]
        if missing := int((value < 0).sum()):
            notes.append(f"{missing:,} rows without a {within} were left out")
            take = tuple(t[value >= 0] for t in take)
            repeated = None if repeated is None else repeated[value >= 0]
    code = None if not group else keys([corpora[0]], group)[0][take[0]]
    if code is not None and (missing := int((code < 0).sum())):
        notes.append(f"{missing:,} rows without a {group} were left out")
        take = tuple(t[code >= 0] for t in take)
        repeated = None if repeated is None else repeated[code >= 0]
        code = code[code >= 0]
    if code is None:
        code = repeated
    elif repeated is not None:
        code = united(code, repeated)
    n = len(take[0])
    unit = np.arange(n) if code is None else np.unique(code, return_inverse=True)[1]
    if sample is not None and sample < n:
        mixed = rng.permutation(int(unit.max(initial=-1)) + 1)
        size = np.bincount(unit)[mixed]
        chosen = mixed[np.cumsum(size) <= sample]
        keep = np.isin(unit, chosen if len(chosen) else mixed[:1])
        take, unit = tuple(t[keep] for t in take), np.unique(unit[keep], return_inverse=True)[1]
        notes.append(f"a sample of {int(keep.sum()):,} of {n:,} documents")
        n = len(take[0])
    if n < 2:
        raise InputError(
            f"{n} {'document' if n == 1 else 'documents'} to look at: correlations need 2, and some dozens "
            "to find any"
        )
    n_units = int(unit.max()) + 1
    half_rows = 0
    block = _together(unit, [copies([c])[t] for c, t in zip(corpora, take, strict=True)])
    if block.max() + 1 >= FEWEST and (late := half_of(block, rng)[block][unit]).any():
        order = np.argsort(late, kind="stable")
        take, unit = tuple(t[order] for t in take), unit[order]
        half_rows = int((~late).sum())
    else:
        notes.append("too few rows to confirm anything on a second half")
    lengths = [_n_tokens(c)[t] for c, t in zip(corpora, take, strict=True)]
    everyone = np.zeros(n, np.int32)
    by_length = everyone
    for tokens in lengths:
        by_length = nested(by_length, tokens, MOST if len(corpora) == 1 else _ACROSS)
    stratum = by_length
    if within:
        value = keys([corpora[0]], within)[0][take[0]]
        _, start = np.unique(value, return_inverse=True)
        if start.max() == 0:
            raise InputError(f"every row has the same {within}, so there is nothing to compare within")
        if np.bincount(start).max() < 2:
            raise InputError(f"every value of {within} occurs once, so nothing can be compared within it")
        stratum = start.astype(np.int32)
        for tokens in lengths:
            stratum = nested(stratum, tokens, MOST if len(corpora) == 1 else _ACROSS, _WITHIN)
        typical = float(np.median(np.bincount(start)[start]))
        if typical < 2 * _WITHIN:
            notes.append(
                f"most values of {within} have fewer than {2 * _WITHIN} documents, so within them length is "
                "not held equal"
            )
    codes = unit.astype(np.int32) if n_units < n else None
    return Rows(take, half_rows, stratum, by_length, codes, tuple(notes))


def _together(unit: Ints, texts: Sequence[Ints]) -> Ints:
    """Return the block of each unit: those that share a text stay in one half, or it would confirm itself.

    Blocks are numbered in the order of their first unit. Rows of two corpora are copies where both texts are.
    """
    _, text = np.unique(np.stack(list(texts)), axis=1, return_inverse=True)
    joined = united(unit, text.reshape(-1))
    _, first = np.unique(unit, return_index=True)
    found, at, block = np.unique(joined[first], return_index=True, return_inverse=True)
    rank = np.empty(len(found), np.int64)
    rank[np.argsort(at)] = np.arange(len(found))
    result: Ints = rank[block]
    return result


def nested(
    code: NDArray[np.int32], values: NDArray[np.float64], most: int, least: int = ROWS
) -> NDArray[np.int32]:
    """Return bins of a number within each bin of ``code``: quantiles, some ``least`` rows in each."""
    out = np.zeros(len(code), np.int32)
    order = np.argsort(code, kind="stable")
    cuts = np.flatnonzero(np.diff(code[order])) + 1
    following = 0
    for rows in np.split(order, cuts):
        inner = np.zeros(len(rows), np.int32)
        if len(rows) >= 2 * least:
            inner = bins(values[rows], np.ones(len(rows), bool), most, least)
        out[rows] = following + inner
        following += int(inner.max(initial=0)) + 1
    return out


def _n_tokens(corpus: CorpusLike) -> NDArray[np.float64]:
    return corpus.documents.select("n_tokens").collect()["n_tokens"].to_numpy().astype(np.float64)


def _numbered(corpus: CorpusLike) -> bool:
    """Whether a corpus's ids are no more than row numbers."""
    ids = corpus.documents.select("id").collect()["id"]
    first = str(ids[0]) if len(ids) else ""
    return first.isdecimal() and ids.to_list() == [str(int(first) + k) for k in range(len(ids))]


def _aligned(
    corpora: Sequence[CorpusLike], names: Sequence[str], pair_on: str | None, notes: list[str]
) -> tuple[tuple[Ints, Ints], Ints | None]:
    """Return the documents of each corpus side by side, and what groups rows that share one."""
    a, b = corpora
    if pair_on:
        for name, corpus in zip(names, corpora, strict=True):
            require_column(corpus, pair_on, name)
        tried = [pair_on]
    else:
        tried = [c for c in (*PAIR_COLUMNS, "id") if all(c in columns(x) for x in corpora)]
        if "id" in tried and all(_numbered(corpus) for corpus in corpora):
            tried.remove("id")  # ids that are row numbers pair whatever stands in one row
    shares = {}
    for column in tried:
        found = keys(corpora, column)
        shared = np.intersect1d(found[0][found[0] >= 0], found[1][found[1] >= 0])
        shares[column] = max((float(np.isin(x, shared).mean()) if len(x) else 0.0) for x in found)
    column = max(shares, key=lambda c: shares[c], default="")
    share = shares.get(column, 0.0)
    if not share:
        told = pair_on or "id, prompt_id or prompt"
        common = sorted(set(columns(a)) & set(columns(b)) - _OURS)
        raise InputError(
            f"no {told} of {names[0]} occurs in {names[1]}, so no documents belong together; columns of "
            f"both: {', '.join(common) or 'none'}"
        )
    if not pair_on and share < 0.9:
        raise InputError(
            f"only {100 * share:.0f} % of the documents find a partner on {column}; name the column that "
            "pairs them with --pair-on"
        )
    left, right = keys(corpora, column)
    take, group = _joined(left, right, names, column)
    left_out = [c.n_documents - len(np.unique(t)) for c, t in zip(corpora, take, strict=True)]
    told = "" if pair_on else ", so they were paired"
    notes.append(f"{len(take[0]):,} rows of {names[0]} and {names[1]} belong together on {column}{told}")
    if any(left_out):
        notes.append(
            f"documents without a partner on {column} were left out: {left_out[0]:,} of {names[0]}, "
            f"{left_out[1]:,} of {names[1]}"
        )
    if group is not None:
        notes.append(f"{column} repeats, so rows that share one count as a group and stay in one half")
    return take, group


def _joined(
    left: Ints, right: Ints, names: Sequence[str], column: str
) -> tuple[tuple[Ints, Ints], Ints | None]:
    """Join on keys, of which one side at least has each once."""
    size = int(max(left.max(initial=-1), right.max(initial=-1))) + 1
    counts = [np.bincount(x[x >= 0], minlength=size) for x in (left, right)]
    if ((counts[0] > 1) & (counts[1] > 1)).any():
        many = int(((counts[0] > 1) & (counts[1] > 1)).sum())
        raise InputError(
            f"{many:,} values of {column} repeat in both {names[0]} and {names[1]}, so it is not clear which "
            "documents belong together; choose a column that is unique in one of them"
        )
    group = None
    if counts[0].max(initial=0) <= 1:  # each row of B finds its A
        place = np.full(size, -1)
        place[left[left >= 0]] = np.flatnonzero(left >= 0)
        rows = np.flatnonzero(right >= 0)
        rows = rows[place[right[rows]] >= 0]
        take, key = (place[right[rows]], rows), right[rows]
    else:
        place = np.full(size, -1)
        place[right[right >= 0]] = np.flatnonzero(right >= 0)
        rows = np.flatnonzero(left >= 0)
        rows = rows[place[left[rows]] >= 0]
        take, key = (rows, place[left[rows]]), left[rows]
    if len(key) and np.bincount(key).max() > 1:
        group = key
    return take, group
