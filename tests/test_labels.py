"""Labels are looked up by value and fast; a table whose bytes are damaged is refused in one line."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from saetext.errors import LabelError
from saetext.features.labels import KINDS, FeatureLabel, FeatureLabels

ROWS = [
    FeatureLabel(i, f"label {i}", "a sentence", "topic", "words", 0.5, "embedding", 8, 0.1, ("a",), ("«x»",))
    for i in range(30)
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "labels.parquet"
    FeatureLabels.from_rows(ROWS, {"sae": "mine"}).write(path)
    return path


def test_flipped_bytes_and_cut_files(path: Path) -> None:
    whole, draw, refused = path.read_bytes(), random.Random(0), 0
    for trial in range(1500):
        damaged = bytearray(whole)
        for _ in range(draw.choice((1, 1, 4))):
            damaged[draw.randrange(len(damaged))] = draw.randrange(256)
        path.write_bytes(damaged[: draw.randrange(len(damaged))] if trial % 5 == 0 else damaged)
        try:
            list(FeatureLabels.read(path))
        except LabelError as error:
            refused += 1
            assert "\n" not in str(error)
    assert refused > 1000


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ('{"version": "one"}', "not a table of labels"),
        ('{"version": null}', "not a table of labels"),
        ('{"version": [1]}', "not a table of labels"),
        ("{}", "not a table of labels"),
        ("[1]", "not a table of labels"),
        ('"x"', "not a table of labels"),
        ("{", "not a table of labels"),
        ('{"version": 2}', "of version 2: upgrade saetext"),
    ],
)
def test_a_note_that_is_none_of_ours(path: Path, about: str, message: str) -> None:
    table = pq.read_table(pa.BufferReader(path.read_bytes()))
    pq.write_table(table.replace_schema_metadata({"saetext.labels": about}), path)
    with pytest.raises(LabelError, match=message):
        FeatureLabels.read(path)


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("feature", pa.array([None, *range(1, 30)], pa.int32())),
        ("feature", pa.array([-1, *range(1, 30)], pa.int32())),
        ("feature", pa.array([5, 5, *range(6, 34)], pa.int32())),
        ("label", pa.array([None] * 30, pa.string())),
        ("label", pa.array([" "] * 30)),
        ("kind", pa.array(["odd"] * 30)),
        ("score", pa.array(["much"] * 30)),
    ],
)
def test_columns_that_say_what_none_may(path: Path, column: str, values: pa.Array) -> None:
    table = pq.read_table(pa.BufferReader(path.read_bytes()))
    pq.write_table(table.set_column(table.schema.get_field_index(column), column, values), path)
    with pytest.raises(LabelError):
        list(FeatureLabels.read(path))


def _many(n: int) -> FeatureLabels:
    """Rows whose every value tells where it comes from; nulls and empty lists in turn."""
    return FeatureLabels.from_rows(
        FeatureLabel(
            3 * i, f"label {i}", f"sentence {i}", KINDS[i % len(KINDS)], "words",
            None if i % 3 == 0 else i / n, None if i % 3 == 0 else "embedding", None if i % 3 == 0 else i,
            None if i % 4 == 0 else i / n / 2, tuple(f"w{i}-{k}" for k in range(i % 5)),
            tuple(f"«s{i}-{k}»" for k in range(i % 3)),
        )
        for i in range(n)
    )  # fmt: skip


def test_a_looked_up_label_is_the_row_of_the_table() -> None:
    labels = _many(50)
    # in pieces and cut out of a longer table: places in a column are not places in its memory
    pieces = FeatureLabels(pa.concat_tables([labels.table.slice(0, 20), labels.table.slice(20)]).slice(7, 30))
    assert len(pieces) == 30 and pieces.get(0) is None and pieces.get(22) is None
    for at, row in enumerate(pieces.table.to_pylist()):
        lists = {name: tuple(row[name]) for name in ("top_words", "snippets")}
        expected = FeatureLabel(**{**row, **lists})
        assert pieces.get(row["feature"]) == pieces[row["feature"]] == list(pieces)[at] == expected
    assert FeatureLabels.from_rows([]).get(0) is None and list(FeatureLabels.from_rows([])) == []


def test_looking_up_every_label_costs_little_more_than_reading_the_table() -> None:
    labels = _many(65_536)
    began = time.process_time()  # whatever else the machine does
    rows = labels.table.to_pylist()
    read = time.process_time() - began
    began = time.process_time()
    found = [labels.get(3 * i) for i in range(65_536)]
    passed = time.process_time() - began
    assert [row.label for row in found if row is not None] == [row["label"] for row in rows]
    # 2.4 times as long; cutting each row out of the Arrow table took 130 times
    assert passed < 15 * read
