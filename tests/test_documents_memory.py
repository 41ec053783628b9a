"""Texts that are in memory already: lists, and objects of pandas, Polars, Arrow and datasets."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from saetext.documents import Document, Reject, open_documents
from saetext.documents.texts import documents_in, texts_in
from saetext.errors import InputError

TEXTS = ["one text", "another", "a third one"]


def rows(source: Any, **options: Any) -> list[tuple[Any, ...]]:
    """Return (id, text, meta) of every document of a source; a reject is (reason,)."""
    return [
        (d.id, d.text, d.meta) if isinstance(d, Document) else (d.reason,)
        for d in open_documents(source, **options)
    ]


PLAIN = [("0", "one text", {}), ("1", "another", {}), ("2", "a third one", {})]


@pytest.mark.parametrize(
    "source",
    [
        TEXTS,
        tuple(TEXTS),
        pd.Series(TEXTS),
        pd.Series(TEXTS, index=[7, 8, 9]),  # an index without a name is none of ours
        pl.Series(TEXTS),
        pa.chunked_array([TEXTS[:1], TEXTS[1:]]),
        pa.array(TEXTS),
    ],
    ids=["list", "tuple", "pandas", "pandas with an index", "polars", "chunked array", "array"],
)
def test_texts_alone_get_row_numbers_as_ids(source: Any) -> None:
    opened = open_documents(source)
    assert opened.columns.text == "text" and opened.columns.id is None
    assert opened.restartable and opened.n_rows == 3
    assert rows(source) == PLAIN


def test_an_iterator_of_texts_is_read_once() -> None:
    def stream() -> Iterator[str]:
        yield from TEXTS

    opened = open_documents(stream())
    assert [d.text for d in opened if isinstance(d, Document)] == TEXTS
    with pytest.raises(InputError, match="only once"):
        iter(opened)


def test_a_series_name_becomes_the_text_column() -> None:
    assert open_documents(pd.Series(TEXTS, name="reply")).columns.text == "reply"
    assert open_documents(pl.Series("reply", TEXTS)).columns.text == "reply"
    named = pd.Series(TEXTS, name="reply", index=pd.Index(["a", "b", "c"], name="who"))
    assert rows(named) == [(id, text, {"who": w}) for (id, text, _), w in zip(PLAIN, "abc", strict=True)]
    assert [r[0] for r in rows(named, id="who")] == ["a", "b", "c"]


def test_a_pandas_frame_is_read_by_value() -> None:
    frame = pd.DataFrame(
        {
            "text": ["x y", None, "z"],
            "n": [1, 2, 3],
            "share": [0.5, float("nan"), 1.0],
            "when": pd.to_datetime(["2024-01-02", None, "2024-03-04"]),
            "ok": [True, False, True],
            5: ["p", "q", "r"],
        },
        index=pd.Index(["i", "j", "k"], name="id"),
    )
    found = rows(frame)
    assert found[0] == (
        "i",
        "x y",
        {"n": 1, "share": 0.5, "when": dt.datetime(2024, 1, 2), "ok": True, "5": "p"},
    )
    assert found[1] == ("null text",)
    assert found[2][0] == "k" and found[2][2]["share"] == 1.0
    assert [type(v) for v in found[0][2].values()] == [int, float, dt.datetime, bool, str]


def test_pandas_columns_can_be_named_and_mixed() -> None:
    frame = pd.DataFrame({"body": ["a b", "c d"], "anything": [1, "two"], "key": [3.0, 4.0]})
    assert rows(frame, text="body", id="key") == [
        ("3", "a b", {"anything": 1}),
        ("4", "c d", {"anything": "two"}),
    ]
    # many indexes, and a column of the same name as the index wins
    many = frame.set_index(["anything", "key"])
    assert rows(many, text="body", id="key") == rows(frame, text="body", id="key")
    twice = pd.DataFrame([["a", "b"]], columns=["text", "text"])
    with pytest.raises(InputError, match="two columns named 'text'"):
        open_documents(twice)


def test_a_pandas_frame_reads_in_pieces_and_again() -> None:
    frame = pd.DataFrame({"text": [f"t{i}" for i in range(700)]})
    opened = open_documents(frame)
    for _ in range(2):
        assert [d.id for d in opened] == [str(i) for i in range(700)]  # type: ignore[union-attr]
    assert opened.progress() == 1.0


def test_arrow_batches_are_a_table() -> None:
    batch = pa.RecordBatch.from_pydict({"text": TEXTS, "kind": ["a", "b", "c"]})
    assert rows(batch) == [(id, text, {"kind": k}) for (id, text, _), k in zip(PLAIN, "abc", strict=True)]


def test_a_dataset_of_hugging_face_is_read_as_it_is_selected() -> None:
    whole = datasets.Dataset.from_dict({"text": TEXTS, "n": [1, 2, 3], "raw": [b"\x00", b"\x01", b"\x02"]})
    numbered = [(id, text, {"n": n}) for (id, text, _), n in zip(PLAIN, (1, 2, 3), strict=True)]
    assert rows(whole) == numbered
    some = whole.select([2, 0])
    assert rows(some) == [("0", "a third one", {"n": 3}), ("1", "one text", {"n": 1})]
    assert open_documents(some).n_rows == 2
    assert rows(whole.with_format("numpy")) == rows(whole)
    splits = datasets.DatasetDict({"train": whole, "test": whole})
    with pytest.raises(InputError, match=r"several splits .*\['train'\]"):
        open_documents(splits)
    streamed = whole.remove_columns("raw").to_iterable_dataset()
    assert rows(streamed) == numbered


def test_what_is_no_text_among_texts_is_rejected() -> None:
    found = list(open_documents(["fine", None, 3, {"text": "a dict"}, ""]))
    assert [d.reason if isinstance(d, Reject) else d.text for d in found] == [
        "fine",
        "null text",
        "not text",
        "not text",
        "empty text",
    ]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (np.array("x"), "got a ndarray"),
        (np.array([["a", "b"]]), "there are 2"),
        (5, "got an int"),
        (None, "got null"),
        (b"bytes", "got a bytes"),
        ({"text": ["a"]}, "got a dict"),
        ([1, 2], "an int, neither a text nor a dict"),
        ([], "has no rows"),
        (pd.Series([], dtype=object), "has no rows"),
        (pd.Series([1, 2]), "not text"),
        (pl.Series("n", [1, 2]), "not text"),
        (pd.DataFrame({"n": [1, 2]}), "cannot tell which column"),
    ],
    ids=str,
)
def test_wrong_sources_are_refused_in_one_line(source: Any, message: str) -> None:
    with pytest.raises(InputError) as caught:
        found = list(open_documents(source))
        raise InputError("; ".join(r.reason for r in found if isinstance(r, Reject)))
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA], ids=str)
@pytest.mark.parametrize("wrapped", [list, tuple, iter], ids=lambda kind: kind.__name__)
def test_a_missing_first_text_does_not_change_what_the_rest_is(missing: Any, wrapped: Any) -> None:
    found = list(open_documents(wrapped([missing, "a b", "c d"])))
    assert [type(one) for one in found] == [Reject, Document, Document]
    with pytest.raises(InputError, match="text 0 is missing"):
        texts_in(wrapped([missing, "a", "b"]))
    assert [d.text for d in documents_in(wrapped([missing, "a b"]))] == ["a b"]


@pytest.mark.parametrize("wrapped", [list, iter], ids=lambda kind: kind.__name__)
def test_nothing_but_missing_texts_is_not_nothing(wrapped: Any) -> None:
    assert rows(wrapped([None, None])) == [("null text",)] * 2
    with pytest.raises(InputError, match="text 0 is missing"):
        texts_in(wrapped([None]))
    with pytest.raises(InputError, match="no document"):
        list(documents_in(wrapped([None])))
    assert texts_in(wrapped([])) == [] and list(documents_in(wrapped([]))) == []
    made = Document("a", "one text", None, None, {}, 0, "row 0")
    assert list(documents_in(wrapped([made]))) == [made]


@pytest.mark.parametrize("kind", ["U", object])
def test_an_array_of_one_column_is_texts(kind: Any) -> None:
    column = np.array(TEXTS, dtype=kind)[:, None]
    assert rows(column) == PLAIN and open_documents(column).restartable
    assert texts_in(column) == TEXTS
