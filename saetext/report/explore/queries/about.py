"""What is known of a corpus as a whole: how it was read, warnings, lengths, its columns with their values.

Each is worked out once for a corpus, and kept. Not for: single documents (documents.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

import numpy as np

from saetext.corpus import Corpus
from saetext.corpus.frame import FIXED_COLUMNS
from saetext.corpus.notices import corpus_warnings
from saetext.documents.rejects import describe_rejects
from saetext.report.explore.kept import Kept
from saetext.report.explore.queries.conditions import column_of

_BINS = 40
_VALUES = 12  # of a column, listed
_LONGEST = 3000  # bytes of a condition in an address
_SMALL = 20_000  # documents whose columns are counted in no time
_lengths: Kept[Lengths] = Kept(64)
_columns: Kept[tuple[Column, ...]] = Kept(64)


@dataclass(frozen=True)
class AboutSae:
    """One SAE of a corpus: where it reads, how many features it has, how many a document has on average."""

    name: str
    origin: str
    hook: str
    features: int
    per_document: float


@dataclass(frozen=True)
class About:
    """A corpus at a glance.

    ``where`` is its path or URL, ``rejected`` says in words what could not be read.
    """

    name: str
    where: str
    documents: int
    tokens: int
    model: str
    saes: tuple[AboutSae, ...]
    rejected: str
    stores_text: bool
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Lengths:
    """Documents by their tokens: ``counts[i]`` from ``edges[i]`` to below ``edges[i + 1]``.

    Documents longer than the last edge are counted in the last bin.
    """

    least: int
    median: float
    most: int
    edges: tuple[int, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Column:
    """One column: its type, documents without a value, distinct values, and the most frequent of them.

    ``values`` has each as it is shown, its documents, and the condition that picks them; empty where almost
    every document has its own. ``low`` and ``high`` are the ends of numbers and dates.
    """

    name: str
    kind: str
    missing: int
    distinct: int
    values: tuple[tuple[str, int, str], ...] = ()
    low: str = ""
    high: str = ""


def about_corpus(name: str, corpus: Corpus) -> About:
    """Return a corpus at a glance, from its manifest alone."""
    counts = corpus.manifest.counts
    documents = counts["documents"]
    saes = tuple(
        AboutSae(s.name, s.origin, s.hook, s.d_sae, counts["entries"][s.name] / max(documents, 1))
        for s in corpus.spec.saes
    )
    return About(
        name=name,
        where=corpus.elsewhere or str(corpus.path),
        documents=documents,
        tokens=counts["tokens"],
        model=corpus.spec.model,
        saes=saes,
        rejected=describe_rejects(counts["rejects"]) or "",
        stores_text=corpus.stores_text,
        warnings=tuple(corpus_warnings(corpus)),
    )


def lengths_of(corpus: Corpus) -> Lengths:
    """Return how long the documents are; the last bin takes in the longest hundredth."""
    return _lengths.get((corpus.path, corpus.fingerprint), lambda: _measure(corpus))


def _measure(corpus: Corpus) -> Lengths:
    tokens = corpus.n_tokens
    if not len(tokens):
        return Lengths(0, 0, 0, (0, 1), (0,))
    high = max(int(np.quantile(tokens, 0.99)), 1)
    step = -(-(high + 1) // _BINS)
    edges = np.arange(0, high + 1 + step, step)
    counts = np.bincount(np.minimum(tokens // step, len(edges) - 2), minlength=len(edges) - 1)
    return Lengths(
        int(tokens.min()),
        float(np.median(tokens)),
        int(tokens.max()),
        tuple(edges.tolist()),
        tuple(counts.tolist()),
    )


def columns_of(corpus: Corpus) -> tuple[Column, ...]:
    """Return what the columns of metadata hold, counted over all documents."""
    return _columns.get((corpus.path, corpus.fingerprint), lambda: _every(corpus))


def columns_if_known(corpus: Corpus) -> tuple[Column, ...]:
    """Return the same where it takes no time: of small corpora, and of those that were counted before."""
    if corpus.n_documents <= _SMALL or (corpus.path, corpus.fingerprint) in _columns:
        return columns_of(corpus)
    return ()


def _every(corpus: Corpus) -> tuple[Column, ...]:
    frame = corpus.documents
    names = [name for name in frame.collect_schema() if name not in FIXED_COLUMNS]
    return tuple(_column(corpus, name) for name in names)


def _column(corpus: Corpus, name: str) -> Column:
    values = column_of(corpus, name)
    values = values if corpus.selection is None else values.gather(corpus.selection)
    kind, missing = values.dtype, values.null_count()
    there = values.drop_nulls()
    counted = there.value_counts(sort=True, name="documents")
    distinct = counted.height
    low = high = ""
    if len(there) and (kind.is_numeric() or kind.is_temporal()):
        low, high = str(there.min()), str(there.max())
    listed: tuple[tuple[str, int, str], ...] = ()
    if distinct <= _VALUES or (counted.height and counted["documents"][min(distinct, 4) - 1] > 1):
        top = counted.sort(["documents", name], descending=[True, False]).head(_VALUES)
        listed = tuple(
            (str(value), int(n), condition(name, value))
            for value, n in zip(top[name].to_list(), top["documents"].to_list(), strict=True)
        )
    return Column(
        name, _KINDS.get(str(kind).partition("(")[0], str(kind)), missing, distinct, listed, low, high
    )


_KINDS = {
    "String": "text",
    "Int64": "whole numbers",
    "Float64": "numbers",
    "Boolean": "true or false",
    "Date": "dates",
    "Datetime": "times",
}


def condition(column: str, value: object) -> str:
    """Return the condition on a column that picks one value, as ``--where`` has it.

    Empty where there is none, or it is too long for an address.
    """
    found = _condition(column, value)
    return found if len(quote(found, errors="replace")) <= _LONGEST else ""


def both(where: str, other: str) -> str:
    """Return the condition that is true where two are; ``other`` if the first is empty.

    Empty where ``other`` is, or together they are too long for an address.
    """
    found = f"({where}) AND ({other})" if where and other else other
    return found if len(quote(found, errors="replace")) <= _LONGEST else ""


def _condition(column: str, value: object) -> str:
    import datetime as dt

    name = '"' + column.replace('"', '""') + '"'
    match value:
        case bool():
            return f"{name} = {'TRUE' if value else 'FALSE'}"
        case float() if not np.isfinite(value):
            return ""
        case int() | float():
            return f"{name} = {value!r}"
        case str():
            return f"{name} = '" + value.replace("'", "''") + "'"
        case dt.datetime():
            return f"{name} = TIMESTAMP '{value:%Y-%m-%d %H:%M:%S.%f}'" if value.tzinfo is None else ""
        case dt.date():
            return f"{name} = DATE '{value.isoformat()}'"
        case _:
            return ""
