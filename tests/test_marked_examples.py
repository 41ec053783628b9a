"""Places that show words, marks, properties and themes: found in texts, and marked on pages."""

from __future__ import annotations

import re
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import saetext
from saetext.analysis.differences.excerpts import _WHOLE, Finder, _excerpt, _Pair, spans_of
from saetext.report.html.gathering import diff_page
from saetext.text.marks import LONGER, MARKS, mark_matrix

TEXT = "Here are some key things:\n- a b\n- c d\n- e f\n\nHope this helps! Let me know if you have questions."


@pytest.mark.parametrize(
    ("kind", "term", "expected"),
    [
        ("format", "bullet list", ["- a b\n- c d\n- e f"]),
        ("format", "colon at the end of the first line", ["Here are some key things:"]),
        ("format", "exclamation mark", ["Hope this helps! Let me know if you have questions."]),
        ("format", "offer of help at the end", ["Hope this helps! Let me know if you have questions."]),
        ("format", 'the opening "Here are some"', ["Here are some"]),
        ("format", "more words than the median document", []),
        ("format", "no such mark", []),
        ("word", "key things", ["key things"]),
        ("word", "C D", ["c d"]),
        ("word", "thing", []),
        ("theme", "Travel", []),
    ],
)
def test_known_places(kind: str, term: str, expected: list[str]) -> None:
    assert [TEXT[low:high] for low, high in spans_of(TEXT, kind, term)] == expected


@pytest.mark.parametrize(
    ("term", "shown"),
    [
        ('the opening "Here"', "«Here» are some key things:"),
        ('the opening "Here are some"', "«Here are some» key things:"),
        ("bullet list", "- a b ↵ - c d ↵ - e f ↵ Hope this helps!"),
        ("offer of help at the end", "Hope this helps! Let me know"),
    ],
)
def test_an_example_shows_more_than_the_word_itself(term: str, shown: str) -> None:
    lead = SimpleNamespace(kind="format", key=term)
    assert _excerpt(TEXT, lead).startswith(shown)
    assert len(_excerpt(TEXT * 9, lead)) <= 83


def test_a_short_piece_at_the_end_is_shown_with_what_goes_before() -> None:
    lead = SimpleNamespace(kind="format", key="question mark")
    found = _excerpt("The train was late and nobody at the station could tell us why.\n\nWhy?", lead)
    assert found.endswith("could tell us why. ↵ Why?") and len(found) <= 81


def test_a_long_line_is_looked_at_in_sentences() -> None:
    text = "We went out. " * 30 + "Was it cold? " + "We came back. " * 30
    [(low, high)] = spans_of(text, "format", "question mark")
    assert text[low:high] == "Was it cold?"


_MARKS = ("bullet list", "list", "bold", "question mark", "exclamation mark", "parenthesis", "heading")


@settings(max_examples=60, deadline=None)
@given(st.text(st.sampled_from("ab -*#`?!()\n.1"), max_size=120), st.sampled_from(_MARKS))
def test_what_is_marked_has_the_mark(text: str, mark: str) -> None:
    spans = spans_of(text, "format", mark)
    assert spans == sorted(spans) and all(0 <= low < high <= len(text) for low, high in spans)
    assert all(first[1] <= second[0] for first, second in pairwise(spans))
    for low, high in spans:
        found = mark_matrix([text[low:high]])
        assert found.matrix[0, found.names.index(mark)] > 0


def _page(**options: object) -> tuple[saetext.DiffResult, list[object]]:
    plain = ("We walked along the river and talked about the garden.", "The train was on time today.")
    texts = [plain[i % 2] + f" It was day {i}." for i in range(80)]
    law = (
        "The court heard a lawsuit.", "An attorney spoke.", "He was sentenced to prison.",
        "A jury convicted him.", "The judge dismissed it.", "Her lawyer appealed.", "They signed a contract.",
    )  # fmt: skip
    bullets, rain = "\n- one thing\n- two things", "Unfortunately it rained."
    mine = [
        text + bullets * (i % 3 > 0) + "\n" + f"{law[i % 7]} " * (i % 5 > 0) + rain * (i % 2)
        for i, text in enumerate(texts)
    ]
    a = saetext.encode([{"id": str(i), "text": text} for i, text in enumerate(mine)])
    b = saetext.encode([{"id": str(i), "text": text} for i, text in enumerate(texts)])
    result = saetext.diff(a, b, names=("a", "b"), pair_on="id", **options)
    labels = saetext.FeatureLabels.from_rows([])
    return result, list(diff_page(result, (a, b), labels).findings)


def test_the_page_marks_the_places_of_every_kind() -> None:
    result, findings = _page()
    assert result.found is not None and result.marked
    seen = set()
    for finding in findings:
        row = finding.row
        if row["kind"] == "feature" or row["diff"] <= 0:
            continue
        assert 1 <= len(finding.examples) <= 3, row["name"]
        for example in finding.examples:
            assert example.a is not None and example.b is not None  # of one pair
            assert example.a.document == example.b.document
            assert not any(piece.strength for piece in example.b.pieces)
            strong = "".join(piece.text for piece in example.a.pieces if piece.strength)
            if row["kind"] == "word":
                words = re.findall(r"\w+", str(row["term"]).lower())
                assert all(word in strong.lower() for word in words)
            if row["kind"] == "format" and row["name"] == "bullet list":
                assert "- one thing\n- two things" in strong
            if row["kind"] in ("property", "theme"):
                assert strong and "feature " in example.told
            seen.add(row["kind"])
    assert {"word", "format"} <= seen and seen & {"property", "theme"}
    assert "marked" not in result.to_json()


def test_sets_that_share_no_prompts_both_show_what_both_have() -> None:
    """A page that shows nothing of one side would say that it has nothing of it."""
    texts = [f"We walked along the river on day {i}." for i in range(120)]
    then = ("rain came", "boats left", "cows slept", "snow fell", "bells rang", "dogs barked", "guests ate")
    said = [f"{text} Unfortunately {then[i % 7]}." for i, text in enumerate(texts)]
    plain = [f"{text} Then the {then[i % 7]}." for i, text in enumerate(texts)]
    mine = [said[i] if i % 4 else plain[i] for i in range(120)]
    other = [plain[i] if i % 10 else said[i] for i in range(120)]
    a, b = saetext.encode(mine), saetext.encode(other)
    result = saetext.diff(a, b, names=("a", "b"))
    (found,) = [sides for (_, _, term), sides in result.marked.items() if term == "Unfortunately"]
    assert len(found) == 3
    for one, two in found:
        assert one is not None and two is not None
        for side, corpus in ((one, a), (two, b)):
            text = corpus.document(side.row)["text"]
            assert [text[low:high] for low, high in side.spans] == ["Unfortunately"]


def test_a_partner_without_it_is_preferred_and_one_that_has_it_says_so() -> None:
    side, unit = np.repeat([0, 1], 5), np.tile(np.arange(5), 2)
    design = SimpleNamespace(kind="paired", side=side, unit=np.where(np.arange(10) == 9, 7, unit))
    counted = SimpleNamespace(sets=(), sae="")
    finder = Finder(SimpleNamespace(design=design, rows=np.arange(10), counted=counted, texts=None), [])  # type: ignore[arg-type]
    has = np.ones(10, bool)
    has[5 + 3] = False
    assert finder._with_partner(3, has) == _Pair(3, 8)
    assert finder._with_partner(2, has) == _Pair(2, 7, both=True)
    assert finder._with_partner(4, has) == _Pair(4, None)  # nobody answers its prompt


def test_marks_of_whole_texts_are_marks() -> None:
    assert {LONGER, *MARKS} >= _WHOLE


def test_nothing_is_marked_without_snippets() -> None:
    result, _ = _page(snippets=False)
    assert not result.marked
