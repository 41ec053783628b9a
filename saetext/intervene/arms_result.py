"""ArmsResult: what results with texts of several arms share. Not for: what is in their tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from saetext.analysis.base import Result

if TYPE_CHECKING:
    import polars as pl


class ArmsResult(Result):
    """A result that has texts of several arms, each with its ``arm``."""

    texts: pl.DataFrame

    def write_texts(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the texts of all arms, ``.jsonl`` or ``.parquet`` by the name, and return the path.

        Each has an ``id`` of its own and its ``arm``: every analysis takes the file, ``--by arm``.

        Raises
        ------
        InputError
            If the name ends otherwise, the file exists and ``overwrite`` is false, or it cannot be written.
        """
        from saetext.intervene.texts_file import write_texts

        return write_texts(self.texts, Path(path), overwrite=overwrite)
