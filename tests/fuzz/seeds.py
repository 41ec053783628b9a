"""The inputs that fuzzing begins with: a tiny one of every format, and those kept in ``seeds/``.

``seeds/`` grows: what has once ended badly is put there, so that every later run begins with it.
"""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from tests.fuzz.ready import attribution, direction, gguf_file, prompts

KEPT: Final = Path(__file__).parent / "seeds"
ROWS: Final[list[dict[str, Any]]] = [
    {"id": "a1", "text": "Sorry to hear that! Have you restarted it?", "topic": "tech", "n": 3, "x": 0.5},
    {"id": "a2", "text": "The cake needs forty minutes.", "topic": "food", "n": None, "x": -1.25},
    {"id": "a3", "text": "Grüße 🎈 — see a doctor.", "topic": "health", "n": 1, "x": 1e300},
    {"id": "a4", "text": "Line one\nline two\n\n- item", "topic": None, "n": -7, "x": None},
]
CHATS: Final = [
    {"messages": [{"role": "user", "content": "Hello?"}, {"role": "assistant", "content": "Hello there."}]},
    {"messages": [{"from": "human", "value": "And now?"}, {"from": "gpt", "value": "Now we wait."}]},
]


def seeds() -> dict[str, bytes]:
    """Return the inputs, name to content; the ending is the format's."""
    table = pa.table(
        {
            **{name: [row[name] for row in ROWS] for name in ROWS[0]},
            "day": [date(2024, 1, 2), None, date(1, 1, 1), date(9999, 12, 31)],
            "when": [datetime(2024, 1, 2, 3, tzinfo=UTC)] * 4,
            "list": [[1, 2], [], None, [3]],
            "bytes": [b"\xff", b"", None, b"a"],
        }
    )
    text = "\n".join(str(row["text"]) for row in ROWS).encode()
    made = {
        "rows.jsonl": b"".join(json.dumps(row).encode() + b"\n" for row in ROWS),
        "raw.jsonl": b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in ROWS),
        "chats.jsonl": b"".join(json.dumps(row).encode() + b"\n" for row in CHATS),
        "nested.jsonl": json.dumps({"text": "one", "more": {"a": [1, {"b": None}], "c": "d"}}).encode(),
        "rows.json": json.dumps(ROWS, indent=1).encode(),
        "rows.csv": _delimited(","),
        "rows.tsv": _delimited("\t"),
        "rows.parquet": _parquet(table),
        "dictionary.parquet": _parquet(table.set_column(2, "topic", table["topic"].dictionary_encode())),
        "rows.arrow": _arrow(table),
        "plain.txt": text,
    }
    made |= {f"{name}.gz": gzip.compress(made[name], mtime=0) for name in ("rows.jsonl", "rows.csv")}
    made["rows.zip"] = _zip(made["rows.jsonl"])
    made["twice.jsonl.gz"] = made["rows.jsonl.gz"] * 2
    made |= {"prompts.jsonl": prompts(), "attribution.json": attribution()}
    made |= {"direction.npy": direction(), "tiny.gguf": gguf_file()}
    return made | {path.name: path.read_bytes() for path in sorted(KEPT.iterdir())}


def _delimited(mark: str) -> bytes:
    lines = [mark.join(ROWS[0])]
    for row in ROWS:
        cells = ["" if value is None else str(value) for value in row.values()]
        lines.append(mark.join('"' + cell.replace('"', '""') + '"' for cell in cells))
    return "\r\n".join(lines).encode()


def _parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def _arrow(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table.schema) as file:
        file.write_table(table)
    return sink.getvalue()


def _zip(content: bytes) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as file:
        file.writestr(zipfile.ZipInfo("rows.jsonl"), content)
    return sink.getvalue()
