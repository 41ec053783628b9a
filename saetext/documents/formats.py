"""Formats by their names and by files' names. Not for: opening files (``opening``), or what is in a folder
(``folders``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from saetext.documents import databases, sheets
from saetext.documents.decoding import SUFFIXES
from saetext.documents.reading import display_name
from saetext.errors import InputError

FORMATS: Final = ("jsonl", "json", "csv", "tsv", "txt", "lines", "parquet", "arrow", "dataset", "zip", "eval",
                  "sheet", "sqlite", "duckdb")  # fmt: skip
TEXT_FORMATS: Final = ("jsonl", "json", "csv", "tsv", "txt", "lines")
_BY_SUFFIX: Final = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".txt": "txt",
    ".md": "txt",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".arrow": "arrow",
    ".feather": "arrow",
    ".ipc": "arrow",
    ".zip": "zip",
    ".eval": "eval",
    **dict.fromkeys(sheets.SUFFIXES, "sheet"),
    **dict.fromkeys(databases.SQLITE, "sqlite"),
    **dict.fromkeys(databases.DUCKDB, "duckdb"),
}
_ENDINGS: Final = frozenset((*_BY_SUFFIX, *SUFFIXES, ".corpus"))
_SHOWN: Final = (
    ".jsonl .ndjson .json .csv .tsv .txt .parquet .pq .arrow .feather .ipc .zip .eval "
    ".xlsx .ods .sqlite .duckdb"
)
NAMED_TABLES: Final = ("sheet", "sqlite", "duckdb")  # --records names one
DATA: Final = ("jsonl", "json", "csv", "tsv", "parquet", "arrow")


def named_format(name: str) -> str:
    """Return the format that a user named, by its name or as a file ends.

    Raises
    ------
    InputError
        If it is unknown.
    """
    name = name.lower().removesuffix(".gz").lstrip(".")
    name = _BY_SUFFIX.get(f".{name}", name)
    if name not in FORMATS:
        raise InputError(f"format {name!r} is unknown; choose one of {', '.join(FORMATS)}")
    return name


def holds_rows(path: Path) -> bool:
    """Whether a file, by its name, may be one of rows: no readme, no hidden file."""
    return known_format(path) not in (None, "txt") and not path.name.startswith((".", "_"))


def known_format(path: Path) -> str | None:
    """Return the format that a file's name tells; None if it tells none that is known."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = bool(suffixes) and suffixes[-1] in SUFFIXES
    suffix = (suffixes[:-1] if packed else suffixes)[-1:] or [""]
    format = _BY_SUFFIX.get(suffix[0])
    return None if packed and format not in TEXT_FORMATS else format


def bare_name(name: str) -> str:
    """Return a file's name without the endings that tell what kind of file it is, and without ``.corpus``.

    A dot that is part of the name stays, so that two versions of a model keep two names.

    Examples
    --------
    >>> from saetext.documents.formats import bare_name
    >>> bare_name("vicuna-7b-v1.5.jsonl.gz.corpus"), bare_name("notes.txt"), bare_name(".jsonl")
    ('vicuna-7b-v1.5', 'notes', '.jsonl')
    """
    path = Path(name)
    while path.suffix.lower() in _ENDINGS:
        path = Path(path.stem)
    return path.name


def format_of(path: Path) -> str:
    """Return the format that a file's name tells.

    Raises
    ------
    InputError
        If it tells none.
    """
    if path.suffix.lower() == ".numbers":
        raise InputError(f"{display_name(path)} is a spreadsheet of Numbers: export it as CSV or Excel")
    format = known_format(path)
    if format is None:
        raise InputError(
            f"cannot tell the format of {display_name(path)}; saetext reads {_SHOWN}, the text formats also "
            f"with {' '.join(SUFFIXES)}, and saved datasets: name it with --format ({', '.join(FORMATS)})"
        )
    return format
