"""Rows, writers of every format and readable outcomes, shared by the tests of saetext.documents."""

from __future__ import annotations

import csv
import gzip
import io
import json
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from saetext.documents import REASONS, Document, Reject

ROWS = [
    {"id": "a", "text": "One line.", "n": 1, "score": 0.5, "good": True, "label": "x"},
    {
        "id": "b",
        "text": 'Quotes ", commas,\nand a line break',
        "n": -2,
        "score": 2.0,
        "good": False,
        "label": None,
    },
    {"id": "c", "text": "Ünïcode 漢字 🙂", "n": 3, "score": 1e-7, "good": True, "label": "z"},
]
CHAT = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]


def jsonl_bytes(rows: list, newline: str = "\n") -> bytes:
    return "".join(json.dumps(row) + newline for row in rows).encode()


def jsonl(path: Path, rows: list, newline: str = "\n") -> Path:
    path.write_bytes(jsonl_bytes(rows, newline))
    return path


def csv_bytes(rows: list[dict], delimiter: str = ",") -> bytes:
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def outcome(source) -> tuple[list, list]:
    items = list(source)
    assert [item.position for item in items] == list(range(len(items)))
    assert all(
        item.reason in REASONS and "\n" not in item.detail for item in items if isinstance(item, Reject)
    )
    return [i for i in items if isinstance(i, Document)], [i for i in items if isinstance(i, Reject)]


def documents(source) -> list[Document]:
    good, bad = outcome(source)
    assert bad == []
    return good


def content(source) -> list[tuple]:
    return [(d.position, d.id, d.text, d.prompt, d.meta) for d in documents(source)]


def reasons(source) -> list[str]:
    return [item.reason if isinstance(item, Reject) else "ok" for item in source]


def expected(rows: list[dict]) -> list[tuple]:
    """What the rows mean, without any of the code under test."""
    return [
        (i, row["id"], row["text"], None, {k: v for k, v in row.items() if k not in ("id", "text")})
        for i, row in enumerate(rows)
    ]


def write_stream(path: Path, table: pa.Table, batch: int = 2) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=batch)


def write_file(path: Path, table: pa.Table) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=2)


WRITERS = {
    "a.jsonl": jsonl,
    "a.ndjson": jsonl,
    "polars.ndjson": lambda p, rows: pl.DataFrame(rows).write_ndjson(p),
    "a.json": lambda p, rows: p.write_bytes(json.dumps(rows).encode()),
    "indented.json": lambda p, rows: p.write_bytes(json.dumps(rows, indent=2, ensure_ascii=False).encode()),
    "a.csv": lambda p, rows: p.write_bytes(csv_bytes(rows)),
    "polars.csv": lambda p, rows: pl.DataFrame(rows).write_csv(p),
    "a.tsv": lambda p, rows: p.write_bytes(csv_bytes(rows, "\t")),
    "a.jsonl.gz": lambda p, rows: p.write_bytes(
        b"".join(gzip.compress(json.dumps(r).encode() + b"\n") for r in rows)  # several gzip members
    ),
    "a.json.gz": lambda p, rows: p.write_bytes(gzip.compress(json.dumps(rows).encode())),
    "a.CSV.GZ": lambda p, rows: p.write_bytes(gzip.compress(csv_bytes(rows))),
    "zipped.jsonl": lambda p, rows: p.write_bytes(gzip.compress(jsonl_bytes(rows).rstrip())),
    "a.parquet": lambda p, rows: pq.write_table(pa.Table.from_pylist(rows), p, row_group_size=2),
    "polars.pq": lambda p, rows: pl.DataFrame(rows).write_parquet(p),
    "stream.arrow": lambda p, rows: write_stream(p, pa.Table.from_pylist(rows)),
    "file.arrow": lambda p, rows: write_file(p, pa.Table.from_pylist(rows)),
    "polars.feather": lambda p, rows: pl.DataFrame(rows).write_ipc(p, compression="zstd"),
    "polars.ipc": lambda p, rows: pl.DataFrame(rows).write_ipc_stream(p),
}
