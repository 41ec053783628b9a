"""Shapes: the quick answer is that of the slow one, which names the field."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saetext.corpus.shapes import MANIFEST
from saetext.io import shape as shapes
from saetext.io.shape import (
    Anything,
    Either,
    Flag,
    List,
    Maybe,
    Number,
    Record,
    Shape,
    Table,
    Text,
    Unfit,
    Whole,
    check,
    fits,
)  # fmt: skip

SCALARS = st.sampled_from(
    [
        Anything(), Whole(), Whole(1, 3), Number(), Number(0, 1), Number(0, above=True), Text(), Text(3),
        Text(least=1), Text(pattern="a+"), Text(choices=("a", "bb")), Flag(),
    ]
)  # fmt: skip
NAMES = st.sampled_from(["a", "b", "bb", ""])


def larger(inner: st.SearchStrategy[Shape]) -> st.SearchStrategy[Shape]:
    fields = st.dictionaries(NAMES, inner, max_size=2)
    return st.one_of(
        inner.map(Maybe),
        st.lists(inner, min_size=1, max_size=2).map(lambda two: Either(tuple(two))),
        st.builds(List, inner, st.integers(0, 1), st.integers(1, 3)),
        st.builds(Table, inner, st.sampled_from([Text(), Text(1), Text(pattern="a+")])),
        st.builds(Record, fields, fields, st.booleans()),
    )


VALUES = st.recursive(
    st.sampled_from([None, True, 0, 1, 4, -1, 2**70, 0.5, 1.0, float("inf"), float("nan")])
    | st.sampled_from(["", "a", "aaaa", "bb"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


@given(st.recursive(SCALARS, larger, max_leaves=5), VALUES)
def test_the_quick_answer_is_that_of_the_slow_one(shape: Shape, value: Any) -> None:
    try:
        assert shapes._check_slowly(shape, value, "") is value
    except Unfit as slow:
        assert not fits(shape, value)
        with pytest.raises(Unfit) as told:
            check(shape, value)
        assert str(told.value) == str(slow)
    else:
        assert fits(shape, value) and check(shape, value) is value


def test_a_whole_file_is_checked_without_naming_its_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 10,000 shards, naming each field took four times as long as reading the file."""

    def never(*given: Any) -> None:
        raise AssertionError("a field was named")

    monkeypatch.setattr(shapes, "_check_slowly", never)
    whole = {
        "schema": "1.1", "spec": {}, "cards": {"a": {"bytes": 1, "xxh3_128": "0"}}, "stores_text": True,
        "rejects": {"bytes": 0, "xxh3_128": "0"}, "shards": [{}, {}], "runs": [{"plan": {}}], "created": "",
        "updated": "", "extra": {},
    }  # fmt: skip
    assert check(MANIFEST, whole) is whole
    with pytest.raises(AssertionError, match="a field was named"):
        check(MANIFEST, {**whole, "stores_text": 1})
