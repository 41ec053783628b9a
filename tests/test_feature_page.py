"""One feature as a page and in the terminal: hostile text stays text, nothing remote, nothing lost."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from page_helpers import HOSTILE, Page

from saetext.features.labels import FeatureLabel
from saetext.features.profile import Histogram, Profile, Related, ShadedContext
from saetext.features.shading import Piece
from saetext.report.console.features import render_found, render_profile
from saetext.report.html.feature_page import render_page

BAD = ("Cc", "Cf", "Cs")


def a_profile(text: str = "plain", **more: object) -> Profile:
    label = FeatureLabel(
        7,
        f"label {text}",
        f"says {text}",
        "style",
        f"llm:{text}",
        0.87,
        f"llm:{text}",
        16,
        0.012,
        (text, "und"),
    )
    contexts = tuple(
        ShadedContext(
            f"doc {text}",
            value,
            level,
            (
                Piece("…"),
                Piece(f"before {text} "),
                Piece("fi", value),
                Piece("ring", value / 2),
                Piece(" after"),
            ),
            True,
        )
        for value, level in ((9.0, "top"), (5.0, "middle"), (1.0, "weak"))
    )
    related = (Related(3, f"other {text}", 0.5, 0.9), Related(4, "unscored", None, 0.1))
    whole = Profile(
        7,
        f"{text}.corpus",
        f"sae {text}",
        "blocks.4.hook_resid_pre",
        label.label,
        label,
        density=0.012,
        threshold=1.5,
        documents=1000,
        support=400,
        token_density=0.003,
        histogram=Histogram((1.0, 2.0, 3.0, 4.0), (3, 0, 12)),
        contexts=contexts,
        together=related,
        nearest=related,
        page="https://www.neuronpedia.org/gpt2-small/8-res-jb/7",
        notes=(f"note {text}",),
    )
    return dataclasses.replace(whole, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["plain", HOSTILE])
def test_the_page_holds_everything_and_runs_nothing(text: str) -> None:
    page = Page(render_page(a_profile(text)))
    assert {tag for tag, _ in page.tags} <= {
        *("html", "head", "meta", "title", "style", "body", "header", "main", "footer", "section", "p", "h1"),
        *("h2", "span", "a", "figure", "figcaption", "svg", "rect", "ol", "li", "q", "mark", "div", "table"),
        *("thead", "tbody", "tr", "th", "td"),
    }
    for _, attributes in page.tags:
        assert not any(name.startswith("on") or name in ("style", "src") for name in attributes)
    shown = text.replace("\x1b", " ").replace("\u202e", "")
    for part in (f"label {shown}", f"says {shown}", f"before {shown}", f"doc {shown}", f"other {shown}"):
        assert part in page.text
    assert f"note {shown}" in page.text and f"{shown}.corpus" in page.text and ".87" in page.text
    assert "present in 400 of 1,000 documents (40.0 %)" in page.text
    assert "49" not in page.text.replace("{{ 7*7 }}", "")
    assert "\x1b" not in page.text and "\u202e" not in page.text


def test_tokens_are_shaded_by_activation() -> None:
    page = Page(render_page(a_profile()))
    assert page.marked == [
        ("fi", "s8"), ("ring", "s4"), ("fi", "s4"), ("ring", "s2"), ("fi", "s1"), ("ring", "s1")
    ]  # fmt: skip
    titles = [a["title"] for tag, a in page.tags if tag == "mark"]
    assert titles[:2] == ["9.00", "4.50"]
    bars = [a for tag, a in page.tags if tag == "rect"]
    assert len(bars) == 2 and float(str(bars[0]["height"])) == pytest.approx(96 * 3 / 12)


def test_nothing_is_fetched_and_only_our_style_counts() -> None:
    html = render_page(a_profile(HOSTILE))
    page = Page(html)
    [policy] = [a["content"] for t, a in page.tags if t == "meta" and "http-equiv" in a]
    style = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    assert style is not None and policy is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in policy and "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "url(" not in style[1] and "@import" not in style[1] and "http" not in style[1]
    links = [a[name] for _, a in page.tags for name in ("href", "src", "srcset", "data") if name in a]
    assert links == ["https://www.neuronpedia.org/gpt2-small/8-res-jb/7"]
    assert "prefers-color-scheme: dark" in style[1]


def test_a_bare_feature_has_a_page() -> None:
    bare = Profile(7, "embedded", "embedded", "hook", "feature 7")
    page = Page(render_page(bare))
    assert "not labelled" in page.text and "figure" not in {tag for tag, _ in page.tags}
    assert "not labelled" in render_profile(bare)


@settings(deadline=None)
@given(st.text(max_size=80))
def test_any_text_makes_a_page(text: str) -> None:
    Page(render_page(a_profile(text)))


# ---- terminal ----------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.text(max_size=80), st.sampled_from([30, 60, 100, 140]), st.booleans())
def test_the_terminal_gets_no_control_characters(text: str, width: int, color: bool) -> None:
    from rich.cells import cell_len

    shown = render_profile(a_profile(text, page=None), width, color)
    plain = re.sub(r"\x1b\[[\d;]*m", "", shown) if color else shown
    assert not [c for c in plain if unicodedata.category(c) in BAD and c not in "\n\u200c\u200d"]
    assert max(cell_len(line) for line in plain.splitlines()) <= max(width, 40)


def test_words_are_marked_without_colours_and_shaded_with() -> None:
    plain = render_profile(a_profile(), 100)
    assert "before plain «firing» after  doc plain" in plain and "\x1b" not in plain
    coloured = render_profile(a_profile(), 100, True)
    assert "48;5;214mfi\x1b" in coloured and "«" not in coloured
    assert "in the same documents" in plain and "  0.90       3  other plain .50" in plain
    assert "label plain .87" in plain and "█" in plain and "Note: note plain" in plain


def test_ascii_terminals() -> None:
    shown = render_profile(a_profile(page=None), 100, encoding="ascii")
    shown.encode("ascii")
    assert "#" in shown and "[firing]" in shown and "?" not in shown


def test_what_was_found() -> None:
    rows = [
        {"feature": 12, "label": f"a {HOSTILE}", "score": 0.612, "density": 0.0034, "label_score": 0.9},
        {"feature": 4000, "label": "b", "score": 0.5, "density": None, "label_score": None},
    ]
    shown = render_found(rows, 60, notes=["by words"])
    lines = shown.splitlines()
    assert lines[1].startswith("    0.61      12  0.34 %  a </style>") and len(lines[1]) == 60
    assert lines[2] == "    0.50    4000       ?  b" and lines[-1] == "Note: by words"
    assert "\x1b" not in shown
    assert "No label" in render_found([])
