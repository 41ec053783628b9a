"""Correlations as a page: hostile text stays text, nothing remote, nothing lost, no number that is none."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import math
import re
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from page_helpers import HOSTILE, Page

from saetext.report.html.network_picture import LONGEST, WIDTH, network_picture, shortened
from saetext.report.html.pair_model import (
    Network,
    Node,
    PairExample,
    PairFinding,
    PairPage,
)
from saetext.report.html.pair_page import render_pair_page
from saetext.report.html.passages import Passage, Piece

ODD = '"><img onerror=alert(1)>\x07\u2067 \u0301'
COLUMNS = (
    *("label_a", "label_b", "feature_a", "feature_b", "n_a", "n_b", "n_ab", "npmi", "npmi_low", "npmi_high"),
    *("npmi_raw", "npmi_pooled", "npmi_confirm", "q", "q_confirm", "lift", "lift_adjusted", "phi", "rho"),
    *("rho_low", "rho_high", "rho_raw", "p_b_given_a", "p_a_given_b", "same_phrase", "label_similarity"),
    *("decoder_cosine", "confirmed", "reversed", "hidden", "within"),
)


def a_row(text: str = "plain", **more: object) -> dict[str, object]:
    row: dict[str, object] = {
        "label_a": f"left {text}", "label_b": f"right {text}", "feature_a": 7, "feature_b": 12345,
        "n_a": 1412, "n_b": 100, "n_ab": 60, "npmi": 0.4312, "npmi_low": 0.38, "npmi_high": 0.476,
        "npmi_raw": 0.47, "npmi_pooled": -0.126, "npmi_confirm": 0.41, "q": 3e-9, "q_confirm": 0.0012,
        "lift": 2.81, "lift_adjusted": 3.24, "phi": 0.214, "p_b_given_a": 0.0425, "p_a_given_b": 0.6,
        "same_phrase": 0.12, "label_similarity": 0.31, "decoder_cosine": -0.05, "confirmed": True,
        "reversed": True, "hidden": f"hidden {text}", "unheard of": text,
    }  # fmt: skip
    return row | more


def a_row_of_list(text: str = "plain") -> dict[str, object]:
    return {
        "name": f"one {text} + two {text}", "name_a": f"one {text}", "name_b": f"two {text}",
        "kind_a": "word", "kind_b": "theme", "n_a": 30, "n_b": 40, "n_ab": 20, "expected": 6.04,
        "npmi": 0.6, "lift_adjusted": 3.3, "p_b_given_a": 0.667, "p_a_given_b": 0.5, "q": 1e-7,
        "npmi_confirm": 0.5, "q_confirm": 2e-4, "confirmed": True, "topic": f"topic {text}",
        "members": [f"like {text}"], "n_members": 1,
    }  # fmt: skip


def a_passage(text: str) -> Passage:
    pieces = (
        Piece(f"… before {text}\n\n"),
        Piece("fi", 1.0),
        Piece("ring", 0.0, 0.5),
        Piece("both", 0.25, 1.0),
        Piece(""),
        Piece(f" after {text}"),
    )
    return Passage(f"doc {text}", pieces, f"set {text}")


def a_page(text: str = "plain", **more: object) -> PairPage:
    passage = a_passage(text)
    findings = (
        PairFinding(
            a_row(text),
            (a_row(f"member {text}"),),
            (PairExample((passage,), f"prompt {text}", f"told {text}"), PairExample((passage, passage))),
            f"says {text}",
            f"means {text}",
        ),
        PairFinding(
            a_row(
                f"second {text}", npmi=-0.2, lift_adjusted=0.309, confirmed=False, reversed=None, hidden=None
            )
        ),
    )
    nodes = (Node(f"node {text}", 0.1, 0.2, 0.5, 0), Node(f"other {text}", 0.9, 0.2, 1.0, 11))
    whole = PairPage(
        f"title {text}",
        (f"sentence {text}",),
        findings,
        Network(nodes, ((0, 1, 0.5, 1), (1, 0, 0.2, 0)), (f"community {text}",), f"remark {text}"),
        (f"note {text}",),
        {f"fact {text}": f"value {text}", "within": f"column {text}"},
        f"shading {text}",
    )
    return dataclasses.replace(whole, **more)  # type: ignore[arg-type]


def with_list(text: str = "plain") -> PairPage:
    examples = (PairExample((a_passage(text),)), PairExample((a_passage(text),)))
    of_list = PairFinding(a_row_of_list(text), (), examples, also=(f"like {text}",))
    return a_page(text, listed=(of_list,))


def of_rows(*rows: dict[str, object]) -> PairPage:
    return PairPage("t", (), [PairFinding(row, (row,)) for row in rows])


def seen(page: PairPage) -> str:
    return re.sub(r"\s+", " ", Page(render_pair_page(page)).text)


def test_a_pair_of_the_list_has_a_card_before_those_of_features() -> None:
    page = Page(render_pair_page(with_list()))
    text = re.sub(r"\s+", " ", page.text)
    assert text.index("one plain") < text.index("left plain")
    card = text[text.index("one plain") : text.index("Pairs of features")]
    for told in ("two plain", "q 1×10⁻⁷", "6.0 texts", "word and theme", "topic plain"):
        assert told in card, told
    for told in ("also: like plain", "3.3 times", "1 more example", "before plain"):
        assert told in card, told
    assert "no interval" not in card and "decoder" not in card
    # the network's line goes to the card of its pair of features, the second
    [link] = [attributes for tag, attributes in page.tags if tag == "a" and attributes.get("class") == "edge"]
    assert link["href"] == "#f2"


@pytest.mark.parametrize("made", [a_page, with_list])
@pytest.mark.parametrize("hostile", [HOSTILE, ODD])
def test_hostile_text_stays_text(hostile: str, made: Callable[..., PairPage]) -> None:
    plain, page = Page(render_pair_page(made())), Page(render_pair_page(made(hostile)))
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags]
    for (tag, attributes), (_, expected) in zip(page.tags, plain.tags, strict=True):
        moved = {"x", "y", "text-anchor"} if tag == "text" else set()  # a longer name of the picture
        assert {k: v for k, v in attributes.items() if k not in moved} == {
            k: v for k, v in expected.items() if k not in moved
        }, "no attribute holds a text"
        assert attributes.keys() == expected.keys()
        assert not any(name.startswith("on") or name in ("style", "src") for name in attributes)
    shown = "".join(c for c in hostile.replace("\x1b", " ").replace("\x07", " ") if c not in "\u202e\u2067")
    shown = re.sub("  +", " ", shown)
    for part in (
        *("left", "right", "hidden", "left member", "left second", "before", "doc", "set", "prompt", "told"),
        *(
            "says",
            "means",
            "title",
            "sentence",
            "node",
            "other",
            "community",
            "remark",
            "note",
            "fact",
            "value",
        ),
        *("column", "shading", "after"),
    ):
        assert f"{part} {shown}" in page.text, part
    assert "49" not in page.text.replace("{{ 7*7 }}", "")
    assert not set("\x1b\x07\u202e\u2067") & set(page.text) and f"unheard of {shown}" not in page.text


def test_nothing_is_fetched_and_only_our_style_and_script_count() -> None:
    html = render_pair_page(a_page(HOSTILE))
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
    assert set(named) <= set(anchors)
    assert all(re.fullmatch("[a-z]+(-[a-z]+)?[0-9]*", name) for name in anchors)


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=80))
def test_any_text_makes_a_page(text: str) -> None:
    page = Page(render_pair_page(a_page(text)))
    assert page.count("article") == 2
    page.text.encode()


@settings(deadline=None, max_examples=80)
@given(
    st.lists(
        st.dictionaries(st.sampled_from(COLUMNS), st.floats() | st.integers(-9, 9) | st.none()), max_size=4
    )
)
def test_any_numbers_make_a_page(rows: list[dict[str, object]]) -> None:
    page = Page(render_pair_page(of_rows(*rows)))
    for _, attributes in page.tags:
        assert not any(re.search(r"\b(nan|inf|None)\b", value or "") for value in attributes.values())
    places = [
        str(a[n])
        for t, a in page.tags
        if t in ("rect", "circle", "line")
        for n in ("x", "cx", "x1")
        if n in a
    ]
    assert all(0 <= float(place.rstrip("%")) <= 100 for place in places)


def test_numbers() -> None:
    text = seen(a_page())
    for part in (
        *(".43 NPMI", ".38 to .48"),
        *("together 3.2 times as often as by chance", "together 0.31 times as often"),
        *("1,412 texts", "4.2 %", "of them have B", "100 texts", "60.0 %", "of them have A", "60 texts"),
        *("q 3×10⁻⁹", "lift 2.8", "phi .21", "not adjusted for length .47", "in the same phrase 12.0 %"),
        *("label similarity .31", "decoder cosine −.05", "features 7 and 12345", "−.20 NPMI"),
        "confirmed on the held-out half .41, q .001",
        "not confirmed on the held-out half",
        "opposite sign within column plain pooled −.13",
        "hidden plain",
        "1 more pair of these two concepts",
        "1 more example",
        "Less often together than chance",
    ):
        assert part in text, part


def test_a_rank_correlation() -> None:
    row = {
        "label_a": "apologies", "feature_a": 5, "label_b": "stars", "rho": -0.314, "rho_low": -0.4,
        "rho_high": -0.21, "rho_raw": -0.35, "q": 0.02, "n_a": 301,
    }  # fmt: skip
    page = Page(render_pair_page(of_rows(row)))
    text = re.sub(r"\s+", " ", page.text)
    for part in (
        *("−.31 rank correlation", "−.40 to −.21", "B tends to be lower where A is stronger", "301 texts"),
        *("q .020", "not adjusted for length −.35", "feature 5"),
    ):
        assert part in text, part
    assert "Less often" not in text and "−.31 NPMI" not in text and "lift" not in text
    assert page.count("svg", "bar") == 0


@pytest.mark.parametrize(
    ("column", "value", "shown"),
    [
        ("lift_adjusted", None, "together 2.8 times"), ("lift_adjusted", math.inf, "together 2.8 times"),
        ("lift_adjusted", 0.0, "never together"), ("lift_adjusted", 12345.6, "together 12,346 times"),
        ("lift_adjusted", 9.96, "together 10 times"), ("lift_adjusted", 1.01, "about as often as by chance"),
        ("lift_adjusted", 1e-7, "together under 0.001 times"), ("lift_adjusted", 99.6, "together 100 times"),
        ("npmi", np.float32(1.0), "1.00 NPMI"), ("npmi", -0.001, ".00 NPMI"), ("npmi", -1.0, "−1.00 NPMI"),
        ("npmi_low", None, "no interval"), ("label_a", None, "feature 7"),
        ("feature_b", None, "feature 7 Nothing"),
        ("within", "model", "opposite sign within model"), ("npmi_confirm", math.nan, "half q .001"),
        ("same_phrase", None, "in the same phrase –"), ("decoder_cosine", math.nan, "decoder cosine –"),
    ],
)  # fmt: skip
def test_odd_numbers(column: str, value: object, shown: str) -> None:
    text = seen(a_page(findings=[PairFinding(a_row(**{column: value}))]))
    assert shown in text and not re.search(r"\b(nan|inf|None)\b", text)


@pytest.mark.parametrize("nothing", [None, math.nan, ...])
def test_nothing_known(nothing: object) -> None:
    row = {} if nothing is ... else dict.fromkeys(COLUMNS, nothing)
    html = render_pair_page(of_rows(row))
    body = html[html.index("<body>") : html.index("<script>")]
    assert not re.search(r"\b(none|nan|inf)\b", Page(body[6:]).text.lower().replace("nothing", ""))
    assert Page(html).count("circle") == 0 and "not labelled" in html and "badge" not in body


def test_an_empty_page() -> None:
    page = Page(render_pair_page(PairPage("Nothing", (), (), Network((), ()))))
    assert page.count("article") == 0 and page.count("circle") == 0 and page.count("input") == 3
    assert "No two concepts were found" in page.text and page.count("script") == 1


def test_attracted_pairs_come_first_under_the_numbers_they_have() -> None:
    rows = [
        a_row(npmi=-0.3),
        a_row(npmi=0.2),
        a_row(npmi=None, rho=-0.5),
        a_row(npmi=None, lift_adjusted=0.2),
    ]
    page = Page(render_pair_page(of_rows(*rows)))
    cards = [(a["id"], "data-apart" in a) for t, a in page.tags if t == "article"]
    assert cards == [("f2", False), ("f3", False), ("f1", True), ("f4", True)]
    assert "Less often" not in seen(of_rows(a_row()))


def test_bars_overlap_as_the_documents_do() -> None:
    page = Page(render_pair_page(of_rows(a_row(n_a=60, n_b=50, n_ab=10))))
    bars = [(a["x"], a["width"]) for t, a in page.tags if t == "rect" and a["class"] == "fill"]
    assert bars == [("0.00%", "60.00%"), ("50.00%", "50.00%"), ("50.00%", "10.00%")]
    for impossible in ({"n_ab": 170}, {"n_a": -1}, {"n_a": 0, "n_b": 0, "n_ab": 0}):
        assert Page(render_pair_page(of_rows(a_row(**impossible)))).count("rect") == 0


def test_words_are_marked_by_side_and_strength() -> None:
    page = Page(render_pair_page(a_page()))
    assert page.marked[-9:] == [("fi", "a s8"), ("ring", "b s4"), ("both", "ab s8")] * 3
    strengths = ((0.0, math.nan), (0.3, 0.0), (0.3, -1.0), (0.001, 0.0), (7.0, 0.3), (math.inf, 0.5))
    pieces = tuple(Piece(str(at), a, b) for at, (a, b) in enumerate(strengths))
    example = PairExample((Passage("d", pieces),))
    page = Page(
        render_pair_page(
            a_page(
                findings=[
                    PairFinding({}, (), (example, PairExample(()))),
                ]
            )
        )
    )
    assert page.marked[-4:] == [("12", "a s2"), ("3", "a s1"), ("4", "ab s8"), ("5", "b s4")]
    assert "more example" not in page.text


def test_the_network_leads_to_cards() -> None:
    nodes = tuple(Node(f"concept {at}", at / 3, 0.5, 0.5, at) for at in range(4))
    edges = ((0, 1, 0.9, 1), (1, 2, 0.5, 2), (2, 3, 0.1, 0), (0, 3, 0.1, 99), (0, 9, 1.0, 1), (2, 2, 1.0, 1))
    page = Page(render_pair_page(a_page(network=Network((*nodes, Node("c", 0, 0, 0, 23)), edges))))
    drawn = [(t, a) for t, a in page.tags if str(a.get("class")).startswith("edge")]
    assert [(t, a.get("href"), a["data-ends"]) for t, a in drawn] == [
        ("a", "#f1", "0 1"), ("a", "#f2", "1 2"), ("g", None, "2 3"), ("g", None, "0 3"),
    ]  # fmt: skip
    assert drawn[1][1]["class"] == "edge apart" and page.count("g", "c3") == 2
    widths = [float(str(a["stroke-width"])) for t, a in page.tags if "stroke-width" in a]
    assert widths[0] > widths[1] > widths[2]
    assert "concept 0 – concept 1: together 3.2 times as often as by chance, NPMI .43" in page.text


def boxes(network: Network) -> list[tuple[float, float, float]]:
    """Return a name's left and right end, about, and its middle line."""
    found = []
    for node in network_picture(network, {})["nodes"]:
        wide = 7.0 * len(node["name"])
        left = float(node["name_x"]) - wide * {"start": 0, "middle": 0.5, "end": 1}[node["anchor"]]
        found.append((left, left + wide, float(node["name_y"])))
    return found


def test_names_stay_in_the_picture_and_apart() -> None:
    places = [(x / 4, y / 3) for x in range(5) for y in range(4)]
    network = Network(tuple(Node(f"a concept of the {x} {y}", x, y, 0.5, 0) for x, y in places), ())
    found = boxes(network)
    height = network_picture(network, {})["height"]
    assert all(left >= 0 and right <= WIDTH and 0 < y < height for left, right, y in found)
    assert not any(
        one[0] < other[1] and other[0] < one[1] and abs(one[2] - other[2]) < 14
        for at, one in enumerate(found)
        for other in found[:at]
    )


@pytest.mark.parametrize("place", [math.nan, math.inf, -3.0, 7.0])
def test_odd_places_and_sizes(place: float) -> None:
    network = Network(
        (Node("W" * 300, place, place, place, -1), Node("", 0.5, 0.5, 0, 0)), ((0, 1, place, 0),)
    )
    picture = network_picture(network, {})
    assert not re.search("nan|inf", str(picture)) and picture["nodes"][0]["colour"] == "none"
    assert picture["nodes"][1]["title"] == "not labelled"
    assert all(left >= -1e-6 and right <= WIDTH for left, right, _ in boxes(network))


@pytest.mark.parametrize(
    ("label", "short"),
    [
        ("short", "short"), ("x" * 28, "x" * 28), ("x" * 29, "x" * 27 + "…"),
        ("bare imperatives at the start of a sentence", "bare imperatives at the…"),
        ("acknowledging, how, someone, feels", "acknowledging, how…"),
    ],
)  # fmt: skip
def test_names_are_shortened(label: str, short: str) -> None:
    assert shortened(label) == short and len(short) <= LONGEST


def test_size() -> None:
    pieces = tuple(Piece("word ", at % 9 / 9, at % 7 / 7) for at in range(300))
    example = PairExample((Passage("one", pieces), Passage("two", pieces)), "prompt")
    findings = [PairFinding(a_row(), (a_row(),) * 3, (example,) * 4)] * 60
    assert len(render_pair_page(a_page(findings=findings)).encode()) < 7_000_000
