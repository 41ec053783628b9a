"""Tables of SQLite and DuckDB files, opened for reading only. Not for: servers; export a query of those."""

from __future__ import annotations

import re
import sqlite3
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import pyarrow as pa

from saetext.documents.columnar import BatchReader
from saetext.documents.reading import BadRow, NumberedRow, RowReader, display_name, shorten
from saetext.documents.record import UNDECODABLE
from saetext.errors import InputError
from saetext.io.extras import require
from saetext.io.opener import open_regular, require_regular

SQLITE: Final = (".sqlite", ".sqlite3", ".db", ".db3")
DUCKDB: Final = (".duckdb", ".ddb")
_SQLITE_MAGIC: Final = b"SQLite format 3\x00"
_BATCH: Final = 256
#: Steps of SQLite's machine between two looks at whether the user wants to stop.
_STEPS: Final = 100_000


def kind_of_database(head: bytes) -> str | None:
    """Return which database a file's first 16 bytes are of: ``"sqlite"``, ``"duckdb"`` or None."""
    if head.startswith(_SQLITE_MAGIC):
        return "sqlite"
    return "duckdb" if head[8:12] == b"DUCK" else None


def _is_query(records: str) -> bool:
    first = records.split(maxsplit=1)[:1]
    return bool(first) and first[0].casefold() in ("select", "with", "from") and len(records.split()) > 1


#: A string, a name, a comment (first group), or anything else, one mark at a time.
_PARTS: Final = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|(--[^\n]*|/\*.*?\*/)|.""", re.S)


def _inner(query: str) -> str:
    """Return a query without the semicolon and the comments at its end, to stand in brackets."""
    end = 0
    for part in _PARTS.finditer(query):
        if part[1] is None and part[0] != ";" and not part[0].isspace():
            end = part.end()
    return f"({query[:end]}\n)"


def _name(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


class _Tables:
    """Which rows of a database are meant: a table, a view, or what a query finds."""

    name: str

    @abstractmethod
    def _tables(self) -> Mapping[str, str]:
        """Return the names of tables and views, each as it is shown and as SQL has it."""

    def _source(self, records: str | None) -> str:
        """Return what stands after FROM."""
        if records is not None and _is_query(records):
            return _inner(records)
        tables = self._tables()
        names = list(tables)
        listed = ", ".join(shorten(each, 40) for each in names[:10]) + (" ..." if len(names) > 10 else "")
        if records is not None:
            if records not in names:
                raise InputError(f"{self.name} has no table {records!r} ({listed or 'it has none'})")
            return tables[records]
        if not names:
            raise InputError(f"{self.name} has no table")
        if len(names) > 1:
            raise InputError(
                f"{self.name} has several tables ({listed}): name one with --records, or a query: "
                f'--records "select * from {names[0]}"'
            )
        return tables[names[0]]


class SqliteReader(_Tables, RowReader):
    """A table, a view or a query of an SQLite file.

    Raises
    ------
    InputError
        If the file is damaged, or it is not clear which table is meant.
    """

    format = "sqlite"

    def __init__(self, path: Path, records: str | None = None) -> None:
        self.name = display_name(path)
        self._path = path
        self._done = 0
        self._shadows: frozenset[str] | None = None
        self._plain: set[str] = set()
        self.size_bytes = require_regular(path).st_size
        if (missing := _missing(path)) > 0:
            raise InputError(f"{self.name} is damaged: its last {missing:,} bytes are missing")
        try:
            self._from = self._source(records)
            with closing(self._open()) as connection:
                found = connection.execute(f"select * from {self._from} limit 0")
                names = [str(column[0]) for column in found.description]
                if self._from.startswith('"'):
                    [(self.n_rows,)] = connection.execute(f"select count(*) from {self._from}")
        except (sqlite3.Error, UnicodeError) as error:
            raise InputError(f"{self.name} cannot be read as SQLite: {_told(error)}") from error
        if len(set(names)) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise InputError(
                f"{self.name} has two columns named {twice!r}: name one in the query, AS another"
            )
        self.columns = tuple(names)

    def _order(self, connection: sqlite3.Connection) -> str:
        """Return what asks for the rows of a table as they were put in, whichever columns are read.

        Views, queries, virtual tables and tables without row ids have an order of their own.
        """
        if self._from not in self._plain:
            return ""
        taken = {name.casefold() for name in self.columns or ()}
        for name in ("rowid", "_rowid_", "oid"):
            if name not in taken:
                try:
                    connection.execute(f"select {name} from {self._from} limit 0")
                except sqlite3.Error:
                    return ""
                return f" order by {name}"
        return ""

    def _open(self) -> sqlite3.Connection:
        uri = f"file:{quote(str(self._path.resolve()))}?mode=ro"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None)
        connection.execute("pragma query_only = on")
        connection.execute("pragma trusted_schema = off")
        if self._shadows is None:  # asked before the query is held to reading
            self._shadows = _shadows(connection)
        connection.set_authorizer(_only_reads)
        connection.set_progress_handler(lambda: 0, _STEPS)  # lets Python see Ctrl-C
        connection.text_factory = _text
        return connection

    def _tables(self) -> Mapping[str, str]:
        asked = (
            "select name, type, sql from sqlite_master where type in ('table', 'view') "
            "and name not like 'sqlite\\_%' escape '\\' order by name"
        )
        with closing(self._open()) as connection:
            found = [(str(name), kind, str(sql)) for name, kind, sql in connection.execute(asked)]
        found = [each for each in found if each[0] not in (self._shadows or ())]
        virtual = re.compile(r"\s*create\s+virtual\b", re.I)
        self._plain = {_name(name) for name, kind, sql in found if kind == "table" and not virtual.match(sql)}
        return {name: _name(name) for name, *_ in found}

    def rows(self, columns: Sequence[str] | None = None) -> Iterator[NumberedRow]:
        """Yield the rows of a table as they were put in, others in the order that SQLite gives them."""
        wanted = list((self.columns or ()) if columns is None else columns)
        asked = f"select {', '.join(map(_name, wanted)) or '1'} from {self._from}"
        self._done = 0
        try:
            with closing(self._open()) as connection:
                for number, values in enumerate(connection.execute(asked + self._order(connection)), 1):
                    self._done = number
                    bad = next((n for n, v in zip(wanted, values, strict=False) if v is _UNREADABLE), None)
                    if bad is not None:
                        yield (
                            number,
                            BadRow(UNDECODABLE, f"column {bad!r} holds bytes that are no valid text"),
                        )
                    else:
                        yield number, dict(zip(wanted, values, strict=False))
        except sqlite3.Error as error:
            raise InputError(f"{self.name} cannot be read further: {_told(error)}") from error

    def progress(self) -> float | None:
        """Return the share of the rows yielded, if their number is known."""
        return min(1.0, self._done / self.n_rows) if self.n_rows else None


def _shadows(connection: sqlite3.Connection) -> frozenset[str]:
    """Return the tables in which virtual ones keep what they hold; none before SQLite 3.37."""
    if sqlite3.sqlite_version_info < (3, 37):
        return frozenset()
    return frozenset(str(row[1]) for row in connection.execute("pragma table_list") if row[2] == "shadow")


def _missing(path: Path) -> int:
    """Return how many bytes a file lacks of the pages that its header counts; SQLite reads on without them.

    The header's places are those of https://www.sqlite.org/fileformat2.html, section 1.3.
    """
    with open_regular(path) as file:
        head = file.read(100)
    if len(head) < 100:
        return 100 - len(head)
    size, pages = int.from_bytes(head[16:18], "big"), int.from_bytes(head[28:32], "big")
    if head[24:28] != head[92:96]:  # written by a version that does not count its pages
        return 0
    return (65_536 if size == 1 else size) * pages - path.stat().st_size


def _told(error: Exception) -> str:
    what = shorten(str(error))
    return "the query may only read this file" if what == "not authorized" else what


class _Unreadable:
    """Stands for a text that is not UTF-8."""


_UNREADABLE: Final = _Unreadable()


def _text(raw: bytes) -> str | _Unreadable:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return _UNREADABLE


def _only_reads(action: int, first: str | None, second: str | None, *_: Any) -> int:
    """Allow what reads: no other file is attached, nothing is written, no extension is loaded.

    A virtual table of full text says what it is by a change of the schema in memory (the file is opened for
    reading only), and asks whether the file has changed.
    """
    if (action, first) == (sqlite3.SQLITE_UPDATE, "sqlite_master"):
        return sqlite3.SQLITE_OK
    if (action, first, second) == (sqlite3.SQLITE_PRAGMA, "data_version", None):
        return sqlite3.SQLITE_OK
    allowed = (sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE)
    if action in allowed or (action == sqlite3.SQLITE_FUNCTION and first != "load_extension"):
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_DENY


class DuckReader(_Tables, BatchReader):
    """A table, a view or a query of a DuckDB file, where the package ``duckdb`` is installed.

    Other files cannot be read by the query, and nothing is installed or loaded.

    Raises
    ------
    InputError
        If the file is damaged or in use, or it is not clear which table is meant.
    """

    format = "duckdb"

    def __init__(self, path: Path, records: str | None = None) -> None:
        super().__init__(display_name(path))
        require("duckdb", "duckdb", f"reading {self.name}", error=InputError)
        self._path = path
        self.size_bytes = require_regular(path).st_size
        import duckdb

        self._problems = (duckdb.Error, pa.lib.ArrowException)
        try:
            self._from = self._source(records)
            with closing(self._open()) as connection:
                self._huge = _huge(connection.sql(f"select * from {self._from} limit 0"))
                empty = connection.sql(f"select * from {self._from} limit 0").to_arrow_table()
                [n_rows] = connection.execute(f"select count(*) from {self._from}").fetchone()
        except self._problems as error:
            raise InputError(f"{self.name} cannot be read as DuckDB: {shorten(str(error))}") from error
        self._describe(empty.schema, n_rows)

    def _open(self) -> Any:
        import duckdb

        return duckdb.connect(
            str(self._path),
            read_only=True,
            config={
                "enable_external_access": False,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "lock_configuration": True,
            },
        )

    def _tables(self) -> Mapping[str, str]:
        asked = (
            "select table_schema, table_name from information_schema.tables "
            "where table_catalog = current_database() "
            "and table_schema not in ('information_schema', 'pg_catalog') "
            "order by table_schema <> 'main', 1, 2"
        )
        with closing(self._open()) as connection:
            found = connection.execute(asked).fetchall()
        return {
            name if schema == "main" else f"{schema}.{name}": f"{_name(schema)}.{_name(name)}"
            for schema, name in found
        }

    def _batches(self, stack: ExitStack, columns: list[str]) -> Iterator[pa.RecordBatch]:
        names = ", ".join(
            f"cast({_name(name)} as varchar) as {_name(name)}" if name in self._huge else _name(name)
            for name in columns
        )
        connection = stack.enter_context(closing(self._open()))
        try:
            found = connection.sql(f"select {names or '1'} from {self._from}").to_arrow_reader(_BATCH)
            for batch in found:
                for at, name in enumerate(columns):
                    if name in self._huge:
                        batch = batch.set_column(at, name, _decimals(batch.column(at)))
                yield batch
        except self._problems as error:
            raise InputError(f"{self.name} is damaged: {shorten(str(error))}") from error


def _huge(found: Any) -> frozenset[str]:
    """Return the columns of 128-bit integers, sums among them, which Arrow would get as floats."""
    kinds = zip(found.columns, map(str, found.types), strict=True)
    return frozenset(name for name, kind in kinds if kind in ("HUGEINT", "UHUGEINT"))


def _decimals(column: pa.Array) -> pa.Array:
    values = [None if value is None else Decimal(value) for value in column.to_pylist()]
    return pa.array(values, pa.decimal256(39))
