"""Sets of documents as an address names them: a corpus or a saved set, a condition, and what is left out.

Not for: saved sets (:class:`saetext.report.explore.loaded.Loaded`), or comparing them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.differences.having import documents_having
from saetext.corpus import Corpus
from saetext.errors import InputError
from saetext.io.progress import OnProgress
from saetext.report.explore.queries.packed import PackedRows
from saetext.text.one_line import one_line, quoted

if TYPE_CHECKING:
    from saetext.report.explore.loaded import Loaded

REST = "*rest"  # what stands for all other documents of the corpus of the other set
KINDS = ("where", "word", "format", "property", "theme", "feature")
_MOST = 12  # things left out at once
_LONGEST_NAME = 60


@dataclass(frozen=True, eq=False)
class Chosen:
    """A set of documents, and how it was chosen, so that it can be chosen again.

    Attributes
    ----------
    name : str
        What it is called on pages.
    corpus : Corpus
        A corpus or a view of one: the documents.
    home : str
        The name of the corpus that is open.
    where : str
        The condition, empty for none.
    rows : int64 array or None
        Of a saved set its rows in the whole corpus, before the condition; None for all rows.
    """

    name: str
    corpus: Corpus
    home: str
    where: str = ""
    rows: NDArray[np.int64] | None = None

    @cached_property
    def packed(self) -> PackedRows | None:
        """The rows in little room, made once: all findings of one comparison keep the same."""
        return None if self.rows is None else PackedRows.of(self.rows)


@dataclass(frozen=True)
class Without:
    """What documents are left out for: a condition on metadata, or what a finding is about.

    Attributes
    ----------
    kind : str
        One of :data:`KINDS`: ``where`` for a condition, else the kind of a finding.
    term : str
        The condition, or the finding's term; of a feature its number.
    """

    kind: str
    term: str

    @property
    def key(self) -> str:
        """How an address has it."""
        return f"{self.kind}:{self.term}"


def without_of(text: str) -> tuple[Without, ...]:
    """Read what is left out from an address: a line each, ``theme:cooking``, each once.

    Raises
    ------
    InputError
        If a line has no kind that is known, or there are too many.
    """
    found = []
    for line in filter(None, (line.strip() for line in text.split("\n"))):
        kind, _, term = line.partition(":")
        if kind not in KINDS or not term.strip():
            raise InputError(
                f"what is left out is KIND:TERM with one of {', '.join(KINDS)}, not {quoted(line)}"
            )
        if kind == "feature" and not (term.strip().isascii() and term.strip().isdigit()):
            raise InputError(f"a feature is left out by its number, not {quoted(term)}")
        found.append(Without(kind, term.strip()))
    if len(found) > _MOST:
        raise InputError(f"at most {_MOST} things are left out at once, not {len(found)}")
    return tuple(dict.fromkeys(found))


def address_of(without: Sequence[Without]) -> str:
    """Return what an address says of what is left out."""
    return "\n".join(one.key.replace("\n", " ") for one in without)


def choose(loaded: Loaded, what: str, where: str = "") -> Chosen:
    """Return the documents of a corpus or a saved set for which a condition holds.

    Parameters
    ----------
    loaded : Loaded
        What is open.
    what : str
        A corpus's name or a saved set's; the first corpus if empty.
    where : str
        A condition on metadata, see :mod:`saetext.corpus.where`.

    Raises
    ------
    InputError
        If there is no such corpus, set or column, or no document is left.
    """
    saved = {one.name: one for one in loaded.sets}
    where = where.strip()
    if what in saved:
        one = saved[what]
        home, rows = one.corpus, one.rows
    else:
        home, rows = loaded.name_of(what or None), None
    view = loaded.view(what or home, where or None)  # kept: a condition is looked up once, not on each page
    name = what or home
    if not view.n_documents:
        raise InputError(f"no document of {one_line(name, 40)} has {one_line(where, 80)}")
    if where:
        name = f"{name} where {where}"
    return Chosen(one_line(name, _LONGEST_NAME), view, home, where, rows)


def rest_of(loaded: Loaded, chosen: Chosen, where: str = "") -> Chosen:
    """Return all documents of a set's corpus that are not in the set, for which a condition holds.

    Raises
    ------
    InputError
        If there are none.
    """
    whole = choose(loaded, chosen.home, where)
    n = whole.corpus.manifest.n_documents
    others = np.ones(n, bool)
    others[_rows(chosen.corpus, n)] = False
    rows = _rows(whole.corpus, n)
    rows = rows[others[rows]]
    if not len(rows):
        raise InputError(
            f"{one_line(chosen.name, 40)} is all of {one_line(chosen.home, 40)}: there is no rest"
        )
    name = "the rest" + (f" where {whole.where}" if whole.where else "")
    return Chosen(
        one_line(name, _LONGEST_NAME),
        whole.corpus.whole.select(rows),
        chosen.home,
        whole.where,
        np.flatnonzero(others),
    )


def example_of(corpus: Corpus) -> str:
    """Return a condition that fits a corpus, for who does not know how to write one."""
    import polars as pl

    texts = [
        name
        for name, kind in corpus.documents.collect_schema().items()
        if kind == pl.String and name not in ("id", "text", "prompt") and name.isidentifier()
    ]
    for name in sorted(texts, key=lambda name: name.endswith("_id")):
        value = corpus.select(range(min(1, corpus.n_documents))).documents.select(name).collect()[name]
        if len(value) and value[0] is not None and len(value[0]) <= 30:
            quoted_value = value[0].replace("'", "''")
            return f"{name} = '{quoted_value}'"
    return "n_tokens > 100"


def groupings_of(corpus: Corpus) -> list[str]:
    """Return the columns of texts or truth values whose few values may be told apart."""
    import polars as pl

    kinds = corpus.documents.collect_schema().items()
    reserved = ("row", "id", "text", "prompt", "n_tokens", "n_unknown")
    return [name for name, kind in kinds if kind in (pl.String, pl.Boolean) and name not in reserved]


def row_in_whole(corpus: Corpus, row: int | None) -> int | None:
    """Return the row that a document of a view has in its whole corpus."""
    return row if row is None or corpus.selection is None else int(corpus.selection[row])


def _rows(corpus: Corpus, n: int) -> NDArray[np.int64]:
    return np.arange(n) if corpus.selection is None else corpus.selection


def leave_out(
    sets: Sequence[Corpus],
    without: Sequence[Without],
    sae: str,
    *,
    pair_on: str | None = None,
    on_progress: OnProgress | None = None,
) -> list[Corpus]:
    """Return the sets without the documents that have some things: one after the other, in their order.

    Each is decided on the documents that the ones before it left, as the finding was that it came from.

    Parameters
    ----------
    sets : sequence of Corpus
        The sets; whether a document has a theme is decided on all of them together, as in a comparison.
    without : sequence of Without
        What documents are left out for.
    sae : str
        On which SAE.
    pair_on : str, optional
        As in the comparison.
    on_progress : callable, optional
        Gets a :class:`saetext.io.progress.Progress` while texts are read through.

    Raises
    ------
    InputError
        If a set has no documents left, or there is no such term.
    """
    left = list(sets)
    for number, one in enumerate(without, start=1):
        if one.kind == "where":
            having = _where(left, one.term)
        else:
            having = documents_having(left, sae, one.kind, one.term, pair_on=pair_on, on_progress=on_progress)
        if any(has.all() for has in having):
            told = ", ".join(quoted(one.term) for one in without[:number])
            raise InputError(f"no document is left of a set without {told}: leave out less")
        left = [
            corpus.select(~has) if has.any() else corpus for corpus, has in zip(left, having, strict=True)
        ]
    return left


def _where(sets: Sequence[Corpus], condition: str) -> list[NDArray[np.bool_]]:
    found = []
    for corpus in sets:
        view = corpus.select(condition)
        n = corpus.manifest.n_documents
        found.append(np.isin(_rows(corpus, n), _rows(view, n), assume_unique=True))
    return found
