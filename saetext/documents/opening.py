"""Whatever documents are read from -> a reader of its rows: files of every format, several, pipes, memory.

Not for: the formats themselves, or what the rows mean (``source``).
"""

from __future__ import annotations

import glob
import io
import os
import stat
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, Final
from zipfile import ZipInfo

from saetext.documents import databases, sheets
from saetext.documents.archives import Archive, LogArchive, is_archive, is_log
from saetext.documents.columnar import ArrowReader, ParquetReader, open_saved_dataset
from saetext.documents.decoding import SUFFIXES
from saetext.documents.delimited import DelimitedText, require_delimiter
from saetext.documents.json_text import JsonArray, JsonLines, JsonValues, holds_json_lines, kind_of_json
from saetext.documents.memory import expected, open_in_memory
from saetext.documents.pipes import open_stream
from saetext.documents.reading import RowReader, display_name
from saetext.documents.records import JsonObject
from saetext.documents.remote import fetch, is_remote, shown_url
from saetext.documents.several import SeveralFiles, natural
from saetext.documents.text import ByteSource, TextLines, TextReader, WholeText
from saetext.documents.words import name_words, word_set
from saetext.errors import InputError, refuse_unused
from saetext.io.opener import open_regular

FORMATS: Final = ("jsonl", "json", "csv", "tsv", "txt", "lines", "parquet", "arrow", "dataset", "zip", "eval",
                  "sheet", "sqlite", "duckdb")  # fmt: skip
_TEXT_FORMATS: Final = ("jsonl", "json", "csv", "tsv", "txt", "lines")
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
_SHOWN: Final = (
    ".jsonl .ndjson .json .csv .tsv .txt .parquet .pq .arrow .feather .ipc .zip .eval "
    ".xlsx .ods .sqlite .duckdb"
)
_NAMED_TABLES: Final = ("sheet", "sqlite", "duckdb")  # --records names one
_DATA: Final = ("jsonl", "json", "csv", "tsv", "parquet", "arrow")
_LOOKED_AT: Final = 1000  # files in folders of a folder
_ABOUT: Final = ("readme", "license")
#: JSON files beside the shards of a data set that are about it.
_DESCRIBES: Final = word_set("info infos config metadata schema stats state package")


@dataclass(frozen=True)
class Manner:
    """How a file is to be read, where the user says so.

    Attributes
    ----------
    format : str or None
        One of :data:`FORMATS`.
    delimiter, encoding : str or None
        Of delimited text; of any text.
    records : str or None
        Path to the rows in a JSON file that is one object.
    """

    format: str | None = None
    delimiter: str | None = None
    encoding: str | None = None
    records: str | None = None

    def given(self) -> dict[str, str]:
        """Return what was said, but the format."""
        parts = {"delimiter": self.delimiter, "encoding": self.encoding, "records": self.records}
        return {name: value for name, value in parts.items() if value is not None}


def manner_of(format: str | None, delimiter: str | None, encoding: str | None, records: str | None) -> Manner:
    """Return how to read, checked.

    Raises
    ------
    InputError
        If a format is unknown, or a delimiter is none.
    """
    if format is not None:
        format = format.lower().removesuffix(".gz").lstrip(".")
        format = _BY_SUFFIX.get(f".{format}", format)
        if format not in FORMATS:
            raise InputError(f"format {format!r} is unknown; choose one of {', '.join(FORMATS)}")
    mark = None if delimiter is None else require_delimiter(delimiter)
    return Manner(format, mark, encoding, records)


def open_reader(source: Any, manner: Manner) -> RowReader:
    """Return a reader of what a user gave.

    Raises
    ------
    InputError
        If nothing can be read from it.
    """
    if isinstance(source, str) and source == "-":
        if sys.stdin is None or getattr(sys.stdin, "closed", False):
            raise InputError("cannot read standard input: it is closed; name a file instead")
        stdin = ByteSource(sys.stdin.buffer, "standard input", encoding=manner.encoding)
        return _text_reader(stdin, manner.format or "jsonl", manner)
    if isinstance(source, str | os.PathLike):
        return _named_reader(os.fspath(source), manner)
    if isinstance(source, list | tuple) and source and all(isinstance(item, os.PathLike) for item in source):
        return _several([Path(item) for item in source], manner, f"{len(source)} files")
    reader = open_in_memory(source)
    if reader is not None:
        refuse_unused(
            "it is for files, and these texts are in memory; leave it out",
            format=manner.format,
            **manner.given(),
        )
        return reader
    if hasattr(source, "read"):
        return _file_object_reader(source, manner)
    raise expected(source)


def _named_reader(name: str, manner: Manner) -> RowReader:
    if is_remote(name) and not os.path.lexists(name):
        reader = _path_reader(fetch(name, _holds_rows), manner)
        reader.name = shown_url(name)
        return reader
    path = Path(name)
    if glob.has_magic(name) and not os.path.lexists(name):
        found = _fitting(name)
        if not found:
            raise InputError(f"no file fits {name}")
        return _several(found, manner, display_name(path))
    return _path_reader(path, manner)


def _fitting(pattern: str) -> list[Path]:
    """Return the files that a pattern stands for, ``part-9`` before ``part-10``."""
    found = {Path(each) for each in glob.iglob(pattern, recursive=True)}  # noqa: PTH207 # several ** repeat
    return sorted((each for each in found if each.is_file()), key=_by_name)


def _by_name(path: Path) -> list[tuple[int, int, str]]:
    return natural(os.fsencode(path).decode("utf-8", "replace"))


def _several(paths: Sequence[Path], manner: Manner, name: str) -> RowReader:
    if len(paths) == 1:
        return _path_reader(paths[0], manner)
    empty = [path for path in paths if path.is_file() and not path.stat().st_size]
    full = [path for path in paths if path not in empty]
    readers = [_path_reader(path, manner) for path in full]
    if not readers:
        raise InputError(f"{name}: every file is empty")
    several = SeveralFiles(name, readers, list(map(os.fspath, full)))
    several.notices += _empty_ones(list(map(display_name, empty)))
    return several


def _empty_ones(names: Sequence[str]) -> tuple[str, ...]:
    return (f"empty: {', '.join(names[:3])}{' ...' if len(names) > 3 else ''}",) if names else ()


def _path_reader(path: Path, manner: Manner) -> RowReader:
    try:
        info = path.stat()
    except FileNotFoundError:
        raise InputError(f"no such file: {path}") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{str(path)[:200]!r} cannot be opened: {error}") from error
    try:
        if stat.S_ISDIR(info.st_mode):
            return _folder_reader(path, manner)
        if not stat.S_ISREG(info.st_mode):  # a named pipe, or a shell's <(...)
            format = manner.format or (_format_of(path) if path.suffix else "jsonl")
            return _text_reader(
                ByteSource(open_stream(path), str(path), encoding=manner.encoding), format, manner
            )
        format = manner.format or _format_of(path)
        if info.st_size == 0:
            raise InputError(f"{path} is empty")
        if format == "dataset":
            raise InputError(f"{path} is a file; format 'dataset' means a directory saved by datasets")
        if format in ("zip", "eval"):
            return _archive_reader(path, manner)
        if format not in _TEXT_FORMATS:
            named = ("delimiter", "encoding") if format in _NAMED_TABLES else ()
            _refuse_manner(manner, f"{display_name(path)} is read as {format}, which is no text", *named)
        if format == "sheet":
            return sheets.SheetReader(path, manner.records)
        if format in ("sqlite", "duckdb"):
            return _database_reader(path, format, manner.records)
        if format == "parquet":
            return ParquetReader(path)
        if format == "arrow":
            return ArrowReader(display_name(path), [path])
        return _text_reader(ByteSource(path, display_name(path), encoding=manner.encoding), format, manner)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error


def _database_reader(path: Path, format: str, records: str | None) -> RowReader:
    """Return the reader of a database as it is written, whatever the file is called (both have ``.db``)."""
    with open_regular(path) as file:
        found = databases.kind_of_database(file.read(16))
    if found is None:
        raise InputError(f"{display_name(path)} is no {'DuckDB' if format == 'duckdb' else 'SQLite'} file")
    if found == "duckdb":
        return databases.DuckReader(path, records)
    return databases.SqliteReader(path, records)


def _refuse_manner(manner: Manner, why: str, *names: str) -> None:
    """Refuse what was said about reading, or the parts that are named, where it would change nothing."""
    given = manner.given()
    refuse_unused(f"{why}; leave it out", **{name: given.get(name) for name in names or given})


def data_files(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return the files of texts in a folder, or in its ``data``, that are of one kind, and those left out.

    JSON files that describe a data set (``dataset_infos.json``) do not count beside others.

    Raises
    ------
    InputError
        If there are files of several kinds.
    """
    for place in (folder, folder / "data"):
        if not place.is_dir():
            continue
        kinds: dict[str, list[Path]] = {}
        for path in sorted(place.iterdir(), key=_by_name):
            kind = _known_format(path)
            if kind is not None and not path.name.startswith((".", "_")) and path.is_file():
                kinds.setdefault(kind, []).append(path)
        rows = {kind: paths for kind, paths in kinds.items() if kind in _DATA}
        texts = [path for path in kinds.get("txt", []) if path.stem.lower() not in _ABOUT]
        chosen = rows or ({"txt": texts} if texts else {})
        if len(chosen) > 1 and "json" in chosen:
            chosen["json"] = [path for path in chosen["json"] if not _DESCRIBES & set(name_words(path.stem))]
            chosen = {kind: paths for kind, paths in chosen.items() if paths}
        if len(chosen) > 1:
            names = ", ".join(f"{len(paths)} {kind}" for kind, paths in chosen.items())
            raise InputError(f"{folder} holds files of several kinds ({names}); name them by a pattern")
        for paths in chosen.values():
            taken = {*paths}
            others = [path for each in kinds.values() for path in each if path not in taken]
            return paths, [path for path in others if path.stem.lower() not in _ABOUT]
    return [], []


def _folder_reader(path: Path, manner: Manner) -> RowReader:
    # a link that leads nowhere is a saved dataset that is damaged, no folder of shards
    saved = any(os.path.lexists(path / name) for name in ("state.json", "dataset_dict.json"))
    files, left = ([], []) if saved or manner.format == "dataset" else data_files(path)
    if not files and not saved and manner.format != "dataset" and (pattern := _deeper(path)):
        raise InputError(
            f"{path} is a directory without files of texts; there are some in its folders: name them by a "
            f"pattern, such as '{pattern}'"
        )
    if not files:
        _refuse_manner(manner, f"{display_name(path.resolve())} is read as a saved dataset, which is no text")
        return open_saved_dataset(path.resolve())
    reader = _several(files, manner, display_name(path.resolve()))
    if left:
        names = ", ".join(map(display_name, left[:3]))
        reader.notices += (f"left out: {names}{' ...' if len(left) > 3 else ''}; name them to read them",)
    return reader


def _deeper(folder: Path) -> str | None:
    """Return a pattern for the files of texts in the folders of a folder, if some are soon found."""
    for found in islice(folder.glob("*/**/*"), _LOOKED_AT):
        hidden = any(part.startswith(".") for part in found.relative_to(folder).parts)
        if _known_format(found) in _DATA and not hidden and found.is_file():
            packed = found.suffix.lower() in SUFFIXES
            return f"{folder}/**/*{''.join(found.suffixes[-2:] if packed else found.suffixes[-1:])}"
    return None


def _archive_reader(path: Path, manner: Manner) -> RowReader:
    if not is_archive(path):
        raise InputError(f"{display_name(path)} is no zip archive")
    archive = Archive(path)
    infos = archive.members
    if is_log(infos):
        _refuse_manner(manner, f"{archive.name} is a log of inspect_ai")
        return LogArchive(archive)
    known = [(info, _known_format(Path(info.filename))) for info in infos]
    texts = [(info, kind) for info, kind in known if kind in _TEXT_FORMATS and info.file_size]
    main = [item for item in texts if PurePosixPath(item[0].filename).name == "conversations.json"]
    rows = main or [item for item in texts if item[1] != "txt"] or texts
    if not rows:
        names = ", ".join(info.filename for info in infos[:3]) or "nothing"
        raise InputError(
            f"{archive.name} holds no file of texts ({names}); unpack it and name the file"
        )
    readers: list[RowReader] = [
        _text_reader(archive.source(info, manner.encoding), str(kind), manner) for info, kind in rows
    ]
    reader = readers[0] if len(readers) == 1 else _members_of(archive, readers, [info for info, _ in rows])
    kinds = {kind for _, kind in rows}
    empty = [info.filename for info, kind in known if kind in kinds and not info.file_size]
    reader.notices += _empty_ones(empty)
    return reader


def _holds_rows(path: Path) -> bool:
    """Whether a file, by its name, may be one of rows: no readme, no hidden file."""
    return _known_format(path) not in (None, "txt") and not path.name.startswith((".", "_"))


def _members_of(archive: Archive, readers: Sequence[RowReader], infos: Sequence[ZipInfo]) -> SeveralFiles:
    return SeveralFiles(archive.name, readers, [f"{archive.name}:{info.filename}" for info in infos])


def _known_format(path: Path) -> str | None:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    packed = bool(suffixes) and suffixes[-1] in SUFFIXES
    suffix = (suffixes[:-1] if packed else suffixes)[-1:] or [""]
    format = _BY_SUFFIX.get(suffix[0])
    return None if packed and format not in _TEXT_FORMATS else format


def _format_of(path: Path) -> str:
    if path.suffix.lower() == ".numbers":
        raise InputError(f"{display_name(path)} is a spreadsheet of Numbers: export it as CSV or Excel")
    format = _known_format(path)
    if format is None:
        raise InputError(
            f"cannot tell the format of {display_name(path)}; saetext reads {_SHOWN}, the text formats also "
            f"with {' '.join(SUFFIXES)}, and saved datasets: name it with --format ({', '.join(FORMATS)})"
        )
    return format


def _file_object_reader(file: Any, manner: Manner) -> RowReader:
    if isinstance(file, io.TextIOBase):
        raise InputError("the file object yields text; open it in binary mode ('rb')")
    name = getattr(file, "name", None)
    path = Path(name) if isinstance(name, str) else None
    format = manner.format or (_format_of(path) if path is not None and path.suffix else "jsonl")
    rewind = bool(getattr(file, "seekable", lambda: False)())
    shown = display_name(path) if path else "stream"
    return _text_reader(ByteSource(file, shown, rewind=rewind, encoding=manner.encoding), format, manner)


def _text_reader(source: ByteSource, format: str, manner: Manner) -> RowReader:
    if manner.delimiter is not None and format not in ("csv", "tsv", "txt"):
        raise InputError(f"{source.name} is read as {format}, which has no delimiter: say --format csv")
    if format in ("jsonl", "json"):
        return _json_reader(source, format, manner)
    _refuse_manner(manner, f"{source.name} is read as {format}, and it is for JSON", "records")
    if format in ("csv", "tsv"):
        return DelimitedText(source, format, manner.delimiter)
    if format == "lines":
        return TextLines(source)
    if format == "txt":
        return _plain_reader(source, manner)
    raise InputError(f"{source.name} is a stream: {format} has to be read from a file by its path")


def _json_reader(source: ByteSource, format: str, manner: Manner) -> TextReader:
    """Return the reader of JSON as it is written, whatever the file is called."""
    kind = kind_of_json(source) if source.restartable else "lines" if format == "jsonl" else "array"
    if manner.records is not None:
        if kind == "lines":
            _refuse_manner(manner, f"{source.name} holds an object a line, which are its rows", "records")
        return JsonObject(source, manner.records)
    if kind == "line":
        kind = "lines" if format == "jsonl" else "object"
    if not source.restartable:
        return JsonLines(source) if format == "jsonl" else JsonArray(source)
    if format == "json" and (kind == "array" or (kind == "lines" and not holds_json_lines(source))):
        return JsonArray(source)
    if format == "jsonl" and kind == "lines":
        return JsonLines(source)
    makers: Mapping[str, Callable[[ByteSource], TextReader]] = {
        "lines": JsonLines,
        "array": JsonArray,
        "object": JsonObject,
        "values": JsonValues,
    }
    reader = makers[kind](source)
    told = {
        "lines": "holds one object a line: read as JSON Lines",
        "array": "holds one array: read as JSON",
        "values": "holds objects over several lines: read one after another",
    }
    if kind in told:
        reader.notices += (f"{source.name} {told[kind]}",)
    return reader


def _plain_reader(source: ByteSource, manner: Manner) -> RowReader:
    """Return the reader of a .txt file: one text, unless it is Excel's "Unicode text", a table in UTF-16."""
    if manner.delimiter is not None:
        return DelimitedText(source, "tsv", manner.delimiter)
    reader = WholeText(source)
    if manner.format is not None or not source.restartable:
        return reader
    head = source.head(1 << 16).decode("utf-8", "replace")
    lines = [line for line in head.splitlines()[:50] if line.strip()]
    tabs = lines[0].count("\t") if lines else 0
    looks_table = tabs > 0 and sum(line.count("\t") == tabs for line in lines) >= 0.3 * len(lines)
    if looks_table and source.marked() == "utf-16":
        table = DelimitedText(source, "tsv")
        table.notices += (f"{source.name} holds a table as Excel writes it: read as TSV",)
        return table
    if len(lines) > 1:
        tsv = ", and --format tsv reads it as a table" if looks_table else ""
        tsv = ", and --format jsonl reads its rows" if lines[0].startswith('{"') else tsv
        reader.notices += (f"read as one document; --format lines reads one from each line{tsv}",)
    return reader


def stamped_files(source: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield the files that a name, a pattern or a folder stands for, so that their content can be stamped."""
    name = os.fspath(source)
    path = Path(name)
    if glob.has_magic(name) and not os.path.lexists(name):
        yield from _fitting(name)
    elif path.is_dir():
        yield from sorted(each for each in path.rglob("*") if each.is_file())
    elif path.is_file():
        yield path
