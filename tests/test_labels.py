"""A table of labels whose bytes are damaged is refused in one line, wherever the damage is."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from saetext.errors import LabelError
from saetext.features.labels import FeatureLabel, FeatureLabels

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
