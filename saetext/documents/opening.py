"""Whatever documents are read from -> a reader of its rows: files of every format, several, pipes, memory.

Not for: the formats themselves, or what the rows mean (``source``).
"""

from __future__ import annotations

import glob
import io
import os
import re
import stat
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final
from zipfile import ZipInfo

from saetext.documents import databases, sheets
from saetext.documents.archives import Archive, LogArchive, is_archive, is_log
from saetext.documents.columnar import ArrowReader, ParquetReader, open_saved_dataset
from saetext.documents.delimited import DelimitedText, require_delimiter
from saetext.documents.folders import data_files, deeper_pattern, fitting
from saetext.documents.formats import (
    NAMED_TABLES,
    TEXT_FORMATS,
    format_of,
    holds_rows,
    known_format,
    named_format,
)
from saetext.documents.json_text import JsonArray, JsonLines, JsonValues, holds_json_lines, kind_of_json
from saetext.documents.memory import expected, open_in_memory
from saetext.documents.pipes import open_stream
from saetext.documents.reading import RowReader, display_name
from saetext.documents.records import JsonObject
from saetext.documents.remote import fetch, is_remote, shown_url
from saetext.documents.several import SeveralFiles
from saetext.documents.text import ByteSource, TextLines, TextReader, WholeText
from saetext.errors import InputError, refuse_unused
from saetext.io.opener import open_regular
from saetext.io.urls import url_of

_DATASET: Final = re.compile(r"[\w-]+/[\w-]+")  # OWNER/NAME, as nobody calls a file


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
    mark = None if delimiter is None else require_delimiter(delimiter)
    return Manner(None if format is None else named_format(format), mark, encoding, records)


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
        return _several_named(source, manner)
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
        return _fetched_reader(name, manner)
    path = Path(name)
    if glob.has_magic(name) and not os.path.lexists(name):
        found = fitting(name)
        if not found:
            raise InputError(f"no file fits {name}")
        return _several(found, manner, display_name(path))
    return _path_reader(path, manner)


def _fetched_reader(url: str, manner: Manner) -> RowReader:
    """Return the reader of what is elsewhere, called by its URL; its version tells when it changes."""
    found = fetch(url, holds_rows)
    if found.files is None:
        reader = _path_reader(found.path, manner)
        reader.name = shown_url(url)
    else:
        reader = _several(found.files, manner, shown_url(url))
    reader.version = found.version
    return reader


def _several_named(items: Sequence[os.PathLike[str]], manner: Manner) -> RowReader:
    """Return the reader of files one after another; a URL, as a path, may be among them."""
    paths, versions = [], []
    for item in items:
        url = url_of(item)
        if url is None:
            paths.append(Path(item))
            continue
        found = fetch(url, holds_rows)
        paths += [found.path] if found.files is None else found.files
        versions.append(found.version)
    reader = _several(paths, manner, f"{len(paths)} files")
    if versions:
        reader.version = None if None in versions else " ".join(map(str, versions))
    return reader


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
        hint = f"; a dataset of Hugging Face is hf://datasets/{path}" if _DATASET.fullmatch(str(path)) else ""
        raise InputError(f"no such file: {path}{hint}") from None
    except (OSError, ValueError) as error:
        raise InputError(f"{str(path)[:200]!r} cannot be opened: {error}") from error
    try:
        if stat.S_ISDIR(info.st_mode):
            return _folder_reader(path, manner)
        if not stat.S_ISREG(info.st_mode):  # a named pipe, or a shell's <(...)
            format = manner.format or (format_of(path) if path.suffix else "jsonl")
            return _text_reader(
                ByteSource(open_stream(path), str(path), encoding=manner.encoding), format, manner
            )
        format = manner.format or format_of(path)
        if info.st_size == 0:
            raise InputError(f"{path} is empty")
        if format == "dataset":
            raise InputError(f"{path} is a file; format 'dataset' means a directory saved by datasets")
        if format in ("zip", "eval"):
            return _archive_reader(path, manner)
        if format not in TEXT_FORMATS:
            named = ("delimiter", "encoding") if format in NAMED_TABLES else ()
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


def _folder_reader(path: Path, manner: Manner) -> RowReader:
    # a link that leads nowhere is a saved dataset that is damaged, no folder of shards
    saved = any(os.path.lexists(path / name) for name in ("state.json", "dataset_dict.json"))
    files, left = ([], []) if saved or manner.format == "dataset" else data_files(path)
    if not files and not saved and manner.format != "dataset" and (pattern := deeper_pattern(path)):
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


def _archive_reader(path: Path, manner: Manner) -> RowReader:
    if not is_archive(path):
        raise InputError(f"{display_name(path)} is no zip archive")
    archive = Archive(path)
    infos = archive.members
    if is_log(infos):
        _refuse_manner(manner, f"{archive.name} is a log of inspect_ai")
        return LogArchive(archive)
    known = [(info, known_format(Path(info.filename))) for info in infos]
    texts = [(info, kind) for info, kind in known if kind in TEXT_FORMATS and info.file_size]
    main = [item for item in texts if PurePosixPath(item[0].filename).name == "conversations.json"]
    rows = main or [item for item in texts if item[1] != "txt"] or texts
    if not rows:
        names = ", ".join(info.filename for info in infos[:3]) or "nothing"
        raise InputError(f"{archive.name} holds no file of texts ({names}); unpack it and name the file")
    readers: list[RowReader] = [
        _text_reader(archive.source(info, manner.encoding), str(kind), manner) for info, kind in rows
    ]
    reader = readers[0] if len(readers) == 1 else _members_of(archive, readers, [info for info, _ in rows])
    kinds = {kind for _, kind in rows}
    empty = [info.filename for info, kind in known if kind in kinds and not info.file_size]
    reader.notices += _empty_ones(empty)
    return reader


def _members_of(archive: Archive, readers: Sequence[RowReader], infos: Sequence[ZipInfo]) -> SeveralFiles:
    return SeveralFiles(archive.name, readers, [f"{archive.name}:{info.filename}" for info in infos])


def _file_object_reader(file: Any, manner: Manner) -> RowReader:
    if isinstance(file, io.TextIOBase):
        raise InputError("the file object yields text; open it in binary mode ('rb')")
    name = getattr(file, "name", None)
    path = Path(name) if isinstance(name, str) else None
    format = manner.format or (format_of(path) if path is not None and path.suffix else "jsonl")
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
