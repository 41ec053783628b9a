"""A row a document for people and spreadsheets: where it is, its text, and the columns of its corpus.

No cell holds JSON. Not for: the table that is kept with clusters (:mod:`saetext.analysis.clusters.tables`).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from saetext.analysis.clusters.result import ClusterResult
from saetext.analysis.export import atomically, write_text
from saetext.corpus.no_column import CLUSTER_COLUMNS
from saetext.corpus.protocol import CorpusLike
from saetext.errors import InputError
from saetext.io.csv_text import BOM, csv_of
from saetext.io.extras import require
from saetext.io.json_file import loads
from saetext.io.xlsx_file import require_fits, write_xlsx
from saetext.text.one_line import one_line

if TYPE_CHECKING:
    import polars as pl

SUFFIXES = (".csv", ".xlsx", ".parquet")
_OWN = ("probability", "outlier", "x", "y", "exemplar", "placed")
_KEYS = 50  # of a column of records
_LEFT_OUT = ("row", "id", "text", "prompt", "n_unknown")


def require_sheet(path: Path) -> None:
    """Raise :class:`InputError` unless a file's name says how it is written, and it can be."""
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(
            f"a file of documents ends in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}, not {path.name}"
        )
    if path.suffix.lower() == ".xlsx":
        require("xlsxwriter", "files", f"writing {path.name}", error=InputError)


def documents_sheet(result: ClusterResult, corpus: CorpusLike) -> tuple[pl.DataFrame, list[str]]:
    """Return a row a document, and what was left out.

    Parameters
    ----------
    result : ClusterResult
        The clusters.
    corpus : Corpus
        The documents that were clustered, in their order.

    Returns
    -------
    table : DataFrame
        ``id``, ``set`` (where sets were compared), ``cluster`` (0: none), ``cluster_name``, ``probability``,
        ``outlier``, ``x``, ``y``, ``exemplar``, ``placed``, ``text``, ``prompt``, ``n_tokens`` and the
        corpus's columns. Lists of values are joined by ``; ``, records have a column for each key.
    notes : list of str

    Raises
    ------
    InputError
        If the corpus has other documents.
    """
    import polars as pl

    where = result.documents
    known = corpus.documents.collect()
    if known.height != where.height or not known["id"].cast(pl.String).equals(where["id"].alias("id")):
        raise InputError(f"{corpus.path} has other documents than the clusters")
    notes: list[str] = []
    first = ["id", *(["set"] if "set" in where.columns else []), "cluster", "name", *_OWN]
    table = where.select(first).rename({"name": "cluster_name"})
    added = set(table.columns)
    columns = [known[name] for name in ("text", "prompt") if name in known.columns]
    for name in known.columns:
        ours = name == "set" or (name in CLUSTER_COLUMNS and _has_clusters(corpus))
        if name in _LEFT_OUT or (ours and name in added):
            continue
        plain = _plain(known[name], notes)
        columns += [column.alias(_free(column.name, added)) for column in plain]
    return table.hstack([column for column in columns if not _empty_text(column)]), notes


def write_documents(
    result: ClusterResult,
    corpus: CorpusLike,
    path: str | Path,
    *,
    raw: bool = False,
    bom: bool = False,
    overwrite: bool = False,
) -> list[str]:
    """Write a row a document as CSV, Excel or Parquet, by the file's name, and return notes.

    Parameters
    ----------
    result, corpus
        As for :func:`documents_sheet`.
    path : path
        Ends in .csv, .xlsx or .parquet.
    raw : bool
        Keep CSV cells that a spreadsheet takes for formulas as they are.
    bom : bool
        Begin CSV with a byte order mark.
    overwrite : bool
        Whether the file may exist.

    Raises
    ------
    InputError
        If the name has another ending, the file exists or cannot be written, or the rows are too many for
        Excel.
    """
    path = Path(path)
    require_sheet(path)
    kind = path.suffix.lower()
    if kind == ".xlsx":
        require_fits(result.documents.height, path)
    table, notes = documents_sheet(result, corpus)
    if kind == ".csv":
        write_text(path, (BOM if bom else "") + csv_of(table, raw=raw), overwrite=overwrite)
    elif kind == ".parquet":
        atomically(path, table.write_parquet, overwrite)
    else:
        cut: list[int] = []
        atomically(path, lambda beside: cut.append(write_xlsx(table, beside, sheet="documents")), overwrite)
        if cut[0]:
            notes.append(f"{cut[0]:,} cells were cut at 32,767 characters, the most that Excel has")
    return notes


def _empty_text(column: pl.Series) -> bool:
    return column.name in ("text", "prompt") and column.null_count() == column.len()


def _has_clusters(corpus: CorpusLike) -> bool:
    return any(getattr(one, "columns_from", ()) for one in getattr(corpus, "sets", [corpus]))


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name = f"meta.{name}"
    taken.add(name)
    return name


def _plain(column: pl.Series, notes: list[str]) -> list[pl.Series]:
    """Return a column as plain ones: lists and records, which a corpus stores as JSON, are taken apart."""
    import polars as pl

    if column.dtype.is_nested() or column.dtype in (pl.Binary, pl.Duration):
        notes.append(f"column {one_line(column.name, 40)} is left out: it holds no plain values")
        return []
    values = _parsed(column)
    if values is None:
        return [column]
    if all(value is None or (isinstance(value, list) and _flat(value)) for value in values):
        told = [None if value is None else "; ".join(map(_told, value)) for value in values]
        return [pl.Series(column.name, told, dtype=pl.String)]
    keys = list(dict.fromkeys(key for value in values if isinstance(value, dict) for key in value))
    records = all(value is None or (isinstance(value, dict) and _flat(value.values())) for value in values)
    if not records or len(keys) > _KEYS:
        notes.append(f"column {one_line(column.name, 40)} is left out: its values are nested")
        return []
    return [
        pl.Series(f"{column.name}.{key}", [None if v is None else v.get(key) for v in values], strict=False)
        for key in keys
    ]


def _parsed(column: pl.Series) -> list[Any] | None:
    """Return the values of a column of JSON lists and records; None if it has others."""
    import polars as pl

    if column.dtype != pl.String or column.null_count() == column.len():
        return None
    if not column.drop_nulls().str.contains(r"^\s*[\[{]").all():
        return None
    try:
        return [None if text is None else loads(text) for text in column]
    except ValueError:
        return None


def _flat(values: Any) -> bool:
    return not any(isinstance(value, list | dict) for value in values)


def _told(value: Any) -> str:
    return "" if value is None else str(value)
