"""The texts of all arms as one file that every analysis takes. Not for: the tables of a result."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from saetext.analysis.export import atomically
from saetext.errors import InputError

if TYPE_CHECKING:
    import polars as pl

_BESIDE = ("prompt", "prompt_text", "text", "finish")  # in other columns, or not for an analysis
_SUFFIXES = (".jsonl", ".parquet")


def require_name(path: Path) -> None:
    """Raise :class:`InputError` unless texts can be written under this name."""
    if path.suffix.lower() not in _SUFFIXES:
        raise InputError(f"texts are written as .jsonl or .parquet, not {path.name!r}")


def write_texts(texts: pl.DataFrame, path: Path, *, overwrite: bool = False) -> Path:
    """Write texts with an ``id`` each; see :meth:`saetext.intervene.result.SteerResult.write_texts`."""
    require_name(path)
    rows = rows_of(texts)
    if path.suffix.lower() == ".parquet":
        return atomically(path, rows.write_parquet, overwrite)
    return atomically(path, rows.write_ndjson, overwrite)


def rows_of(texts: pl.DataFrame) -> pl.DataFrame:
    """Return texts with an ``id`` each, and a ``prompt_id`` that pairs the arms' texts."""
    import polars as pl

    name = pl.format("{}-{}-{}", pl.col("prompt"), pl.col("sample"), pl.col("arm"))
    pair = pl.format("{}-{}", pl.col("prompt"), pl.col("sample"))
    measures = [column for column in texts.columns if column not in _BESIDE]
    return texts.rename({"prompt_text": "asked"}).select(
        name.alias("id"), pair.alias("prompt_id"), pl.col("asked").alias("prompt"), "text", *measures
    )
