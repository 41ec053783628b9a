"""Where a property or a theme shows in a document, against counting by hand."""

from __future__ import annotations

import numpy as np
import pytest
from cluster_factory import Stored
from hypothesis import given, settings
from hypothesis import strategies as st

import saetext
from saetext.corpus.rows import PooledRows
from saetext.features import places as module
from saetext.features.places import REACH, Parts, Shown, places

TERM = ("theme", "t")


def block(entries: list[tuple[int, float, int]]) -> PooledRows:
    """One document with (feature, value, peak)."""
    feature, value, peak = (
        (list(column) for column in zip(*entries, strict=True)) if entries else ([], [], [])
    )
    strong, at = np.array(value, np.float32), np.array(peak, np.int32)
    indptr = np.array([0, len(entries)], np.int64)
    return PooledRows(indptr, np.array(feature, np.int32), strong, strong, np.ones_like(at), at, at)


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(
        st.integers(0, 9), st.tuples(st.floats(0.125, 4.0, width=16), st.integers(0, 40)), max_size=8
    ),
    st.lists(st.floats(0.25, 2.0, width=16), min_size=4, max_size=4),
)
def test_the_place_is_where_most_is_added(found: dict[int, tuple[float, int]], weights: list[float]) -> None:
    parts = Parts(np.array([1, 3, 5, 7]), np.array(weights), np.array([2.0, 2.0, 1.0, 0.5]))
    entries = [(f, *found[f]) for f in sorted(found)]
    adds = {
        peak_of: weights[i] * min(value / parts.scales[i], 1)
        for i, f in enumerate([1, 3, 5, 7])
        for peak_of, (value, _) in [(f, found.get(f, (0.0, 0)))]
        if f in found
    }
    got = module._place(block(entries), 0, parts)
    if not adds:
        assert got is None
        return
    around = {f: sum(add for g, add in adds.items() if abs(found[f][1] - found[g][1]) <= REACH) for f in adds}
    most = max(around.values())
    assert got is not None and len(set(got.features)) == len(got.features)
    assert [adds[f] for f, _ in got.features] == sorted((adds[f] for f, _ in got.features), reverse=True)
    best = [f for f in around if around[f] == pytest.approx(most)]
    passages = {f: {(g, found[g][1]) for g in adds if abs(found[f][1] - found[g][1]) <= REACH} for f in best}
    mine = [near for near in passages.values() if near == set(got.features)]
    assert mine, "one of the passages where most is added"
    at = {token: sum(adds[f] for f, peak in mine[0] if peak == token) for _, token in mine[0]}
    assert set(got.tokens) == set(at) and len(got.tokens) == len(at)
    assert [at[token] for token in got.tokens] == pytest.approx(sorted(at.values(), reverse=True))


def test_rows_of_several_sets_follow_one_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        module, "parts_of", lambda *_: {TERM: Parts(np.array([0, 2]), np.ones(2), np.ones(2))}
    )
    a, b = Stored(np.array([[1.0, 0, 0], [0, 1, 0]])), Stored(np.array([[0, 0, 1.0], [0, 0, 0]]))
    wanted = {row: [TERM, ("theme", "unknown")] for row in range(4)}
    assert set(places((a, b), "main", wanted)) == {(0, TERM), (2, TERM)}
    assert places((a, b), "main", {}) == {}


def test_a_word_is_marked_before_a_sign() -> None:
    """Features peak at full stops, too, which show nothing."""
    document = {"text": "It rains. Wet!", "token_start": [0, 3, 8, 10, 13], "token_end": [2, 8, 9, 13, 14]}
    assert Shown((2, 4, 3, 1), ()).token(document) == 3
    assert Shown((4, 2), ()).token(document) == 4, "there is no word"
    assert Shown((7, 1), ()).token(document) == 1 and Shown((7,), ()).token(document) == 7


def test_a_planted_theme_is_shown_at_its_words() -> None:
    rng = np.random.default_rng(1)
    plain = ("We walked along the river and talked about the garden for an hour.", "The train was on time.")
    planted = "The court heard the lawsuit, and the judge ruled for the defendant."
    texts = [plain[i % 2] + f" It was day {i}." for i in range(120)]
    mine = [f"{text} {planted}" if rng.random() < 0.5 else text for text in texts]
    a = saetext.encode([{"id": str(i), "text": text} for i, text in enumerate(mine)])
    b = saetext.encode([{"id": str(i), "text": text} for i, text in enumerate(texts)])
    result = saetext.diff(a, b, names=("a", "b"))
    assert result.found is not None
    law = ("theme", "Law and courts")
    with_it = int(np.flatnonzero([planted in text for text in mine])[0])
    [token] = places((a, b), a.saes[0], {with_it: [law]}).values()
    begin = mine[with_it].index(planted)
    assert (
        begin <= a.document(with_it)["token_start"][token.token(a.document(with_it))] < begin + len(planted)
    )
    shown = [row["snippet_a"] for row in result.found.to_dicts() if row["kind"] in ("theme", "property")]
    assert all(text is None or "«" in text for text in shown)
