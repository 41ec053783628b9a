"""A comparison as a page: hostile text stays text, nothing remote, nothing lost, no number that is none."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import math
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from page_helpers import HOSTILE, Page

from saetext.report.html.differences import render_diff_page
from saetext.report.html.page_model import DiffPage, Finding, HeatMap, SideBySide, Table
from saetext.report.html.passages import Passage, Piece

COLUMNS = (
    *("feature", "label", "label_score", "n_a", "n_b", "rate_a", "rate_b", "diff", "ci_low", "ci_high"),
    *("odds_ratio", "p", "q", "auc", "adjusted_diff", "adjusted_q", "explained_by_length", "diff_confirm"),
    *("q_confirm", "confirmed", "group", "snippet_a", "snippet_b", "auc_low", "auc_high", "adjusted_low"),
    *("adjusted_high", "early_diff"),
)  # fmt: skip


def a_row(text: str = "plain", **more: object) -> dict[str, object]:
    row: dict[str, object] = {
        "feature": 7, "label": f"label {text}", "label_score": 0.87, "n_a": 412, "n_b": 100,
        "rate_a": 0.412, "rate_b": 0.1, "diff": 0.312, "ci_low": 0.25, "ci_high": 0.374, "odds_ratio": 6.31,
        "p": 1e-12, "q": 3e-9, "auc": 0.66, "auc_low": 0.6, "auc_high": 0.71, "adjusted_diff": -0.0123,
        "adjusted_low": -0.05, "adjusted_high": 0.02, "adjusted_q": 0.4126, "explained_by_length": "yes",
        "diff_confirm": 0.29, "q_confirm": 0.0012, "confirmed": True, "group": f"group {text}",
        "snippet_a": f"left {text}", "snippet_b": f"right {text}", "early_diff": 0.2, "unheard of": text,
    }  # fmt: skip
    return row | more


def a_passage(text: str) -> Passage:
    pieces = (Piece(f"before {text}\n\n"), Piece("fi", 1.0), Piece("ring", 0.5), Piece(""), Piece(" after"))
    return Passage(f"doc {text}", pieces, cut_before=True, cut_after=True)


def a_page(text: str = "plain", **more: object) -> DiffPage:
    pair = SideBySide(a_passage(text), a_passage(text), f"prompt {text}")
    one = SideBySide(a_passage(text), None)
    findings = (
        Finding(a_row(text), (a_row(f"member {text}"),), (pair, one), f"says {text}"),
        Finding(a_row(text, diff=-0.2, ci_low=-0.3, ci_high=-0.1, confirmed=False, label=f"second {text}")),
    )
    whole = DiffPage(
        f"title {text}",
        (f"first {text}", f"other {text}"),
        (f"sentence {text}",),
        findings,
        (Table(f"table {text}", (f"column {text}", "n"), ((f"cell {text}", "1,234"),), f"remark {text}"),),
        HeatMap(f"heat {text}", (f"hot {text}",), (f"set {text}", "B"), ((0.37, math.nan),), f"warm {text}"),
        (f"note {text}",),
        {f"fact {text}": f"value {text}"},
        f"shading {text}",
    )
    return dataclasses.replace(whole, **more)  # type: ignore[arg-type]


def test_hostile_text_stays_text() -> None:
    plain, page = Page(render_diff_page(a_page())), Page(render_diff_page(a_page(HOSTILE)))
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags]
    for (_, attributes), (_, expected) in zip(page.tags, plain.tags, strict=True):
        assert attributes == expected, "no attribute holds a text"
        assert not any(name.startswith("on") or name in ("style", "src") for name in attributes)
    shown = HOSTILE.replace("\x1b", " ").replace("\u202e", "")
    for part in (
        *("label", "group", "left", "right", "before", "doc", "prompt", "says", "second", "label member"),
        *("title", "first", "other", "sentence", "table", "column", "cell", "remark", "heat", "hot", "set"),
        *("warm", "note", "fact", "value", "shading"),
    ):
        assert f"{part} {shown}" in page.text, part
    assert "49" not in page.text.replace("{{ 7*7 }}", "")
    assert "\x1b" not in page.text and "\u202e" not in page.text and f"unheard of {shown}" not in page.text


def test_nothing_is_fetched_and_only_our_style_and_script_count() -> None:
    html = render_diff_page(a_page(HOSTILE))
    page = Page(html)
    [policy] = [a["content"] for t, a in page.tags if t == "meta" and "http-equiv" in a]
    digests = []
    for tag in ("style", "script"):
        [content] = re.findall(f"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        digests.append(base64.b64encode(hashlib.sha256(content.encode()).digest()).decode())
        for word in ("url(", "@import", "http", "innerHTML", "eval", "document.write"):
            assert word not in content, word
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digests[0]}'; script-src 'sha256-{digests[1]}'; "
        "base-uri 'none'; form-action 'none'"
    )
    links = [str(a[n]) for _, a in page.tags for n in ("href", "src", "srcset", "data", "action") if n in a]
    anchors = [str(a["id"]) for _, a in page.tags if "id" in a]
    assert len(anchors) == len(set(anchors)) and {link[1:] for link in links} <= set(anchors)
    named = [str(a[n]) for _, a in page.tags for n in ("aria-labelledby", "aria-describedby") if n in a]
    assert set(named) <= set(anchors) and all(
        re.fullmatch("[a-z]+(-[a-z]+)?[0-9]*", name) for name in anchors
    )


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=80))
def test_any_text_makes_a_page(text: str) -> None:
    page = Page(render_diff_page(a_page(text)))
    assert page.count("article") == 2
    page.text.encode()


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.dictionaries(st.sampled_from(COLUMNS), st.floats() | st.integers(-9, 9) | st.none()), max_size=4
    )
)
def test_any_numbers_make_a_page(rows: list[dict[str, object]]) -> None:
    html = render_diff_page(DiffPage("t", ("A", "B"), (), [Finding(row, (row,)) for row in rows]))
    for _, attributes in Page(html).tags:
        assert not any(re.search(r"\b(nan|inf|None)\b", value or "") for value in attributes.values())


def test_numbers() -> None:
    page = Page(render_diff_page(a_page()))
    text = re.sub(r"\s+", " ", page.text)
    for part in (
        *("+31.2", "+25.0 to +37.4", "41.2 %", "412 texts", "6.31", "3×10⁻⁹", ".66 (.60 to .71)", ".87"),
        *(
            "−1.2 (−5.0 to +2.0), q .413",
            "explained by length",
            "+20.0",
            "−20.0",
            "−30.0 to −10.0",
            "1,234",
            "37",
        ),
        "confirmed on the held-out half +29.0, q .001",
        "not confirmed on the held-out half",
        "1 more feature of this concept",
        "1 more example",
    ):
        assert part in text, part
    numeric = [a for t, a in page.tags if t == "td" and a.get("class") == "number"]
    assert len(numeric) == 5 and page.count("td", "h4") == 1


@pytest.mark.parametrize(
    ("column", "value", "shown"),
    [
        ("odds_ratio", math.inf, "∞"), ("odds_ratio", math.nan, "–"), ("odds_ratio", 0.0, "0"),
        ("odds_ratio", 12345.6, "12,346"), ("q", 0.0, "< 10⁻⁹⁹"), ("q", 1.0, "1"), ("q", 0.0009999, ".001"),
        ("q", 0.05, ".050"), ("q", np.float32(0.25), ".250"), ("diff", 0.0031, "+0.31"), ("diff", 0.0, "0.0"),
        ("diff", -1e-9, "0.00"), ("diff", np.float64(-0.5), "−50.0"), ("rate_a", 0.0004, "0.04 %"),
        ("auc", 1.0, "1.00"), ("label", None, "feature 7"),
        ("explained_by_length", "unclear", "cannot tell whether length explains it"),
    ],
)  # fmt: skip
def test_odd_numbers(column: str, value: object, shown: str) -> None:
    page = a_page(findings=[Finding(a_row(**{column: value}))])
    text = Page(render_diff_page(page)).text
    assert f"{shown}" in text and not re.search(r"\b(nan|inf|None)\b", text)


@pytest.mark.parametrize("nothing", [None, math.nan, ...])
def test_nothing_known(nothing: object) -> None:
    row = {} if nothing is ... else dict.fromkeys(COLUMNS, nothing)
    page = a_page(findings=[Finding(row, (row,))], heat_map=None)
    html = render_diff_page(page)
    body = html[html.index("<body>") : html.index("<script>")]
    assert not re.search(r"\b(none|nan|inf)\b", Page(body[6:]).text.lower().replace("nothing", ""))
    assert Page(html).count("circle") == 0 and "not labelled" in html


def test_an_empty_page() -> None:
    page = Page(render_diff_page(DiffPage("Nothing", ("A", "B"), (), ())))
    assert page.count("article") == 0 and page.count("circle") == 0 and page.count("input") == 3
    assert "No difference" in page.text and page.count("script") == 1


def test_tokens_are_shaded() -> None:
    page = Page(render_diff_page(a_page()))
    assert page.marked[-6:] == [("fi", "s8"), ("ring", "s4")] * 3
    strengths = (0.0, 0.001, 0.3, 0.3, math.nan, 7.0)
    pieces = tuple(Piece(str(at), strength) for at, strength in enumerate(strengths))
    example = SideBySide(None, Passage("d", pieces))
    page = Page(render_diff_page(a_page(findings=[Finding({}, (), (example,))])))
    assert page.marked[-3:] == [("1", "s1"), ("23", "s2"), ("5", "s8")]


def test_the_plot() -> None:
    rows = [a_row(diff=0.4 - at / 100, ci_low=None, ci_high=math.nan, confirmed=at < 45) for at in range(50)]
    page = Page(render_diff_page(a_page(findings=[Finding(row) for row in rows])))
    assert page.count("div", "tip") == 40 and "The first 40 of 45" in page.text
    page = Page(render_diff_page(a_page(findings=[Finding(row) for row in rows], plottable=273)))
    assert "The first 40 of 273" in page.text  # some have no card
    for rows in ([a_row(confirmed=None)], [a_row(confirmed=True), a_row(confirmed=None)]):
        assert Page(render_diff_page(a_page(findings=[Finding(r) for r in rows]))).count("div", "tip") == 1
    page = Page(render_diff_page(a_page(findings=[Finding(a_row(confirmed=False))])))
    assert page.count("div", "tip") == 0 and "No difference was confirmed" in page.text
    places = [
        str(a[n]) for t, a in page.tags if t in ("line", "circle") for n in ("x1", "x2", "cx") if n in a
    ]
    assert places and all(0 <= float(place.rstrip("%")) <= 100 for place in places)


def test_two_thousand_findings_keep_the_page_small() -> None:
    """A finding with a line takes some 500 bytes, one with a card and no passage 2,800."""
    also = ("first person (I, me, my)", "the phrase “I am so”")
    lines = [Finding(a_row(label=f"phrase {at}"), also=also, brief=True) for at in range(2000)]
    made = [len(render_diff_page(a_page(findings=lines[:n])).encode()) for n in (0, 2000)]
    assert made[1] - made[0] < 1_300_000


def test_size() -> None:
    tokens = tuple(Piece("word ", 0.01 + at % 9 / 9) for at in range(300))
    example = SideBySide(Passage("one", tokens), Passage("two", tokens), "prompt")
    findings = [Finding(a_row(), (a_row(),) * 3, (example,) * 4)] * 60
    assert len(render_diff_page(a_page(findings=findings)).encode()) < 5_000_000
