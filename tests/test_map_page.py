"""The map as a page: hostile text stays text, nothing remote, the data is what it was, any size is sane."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
import re
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from map_factory import a_map, synthetic
from page_helpers import HOSTILE, Page

from saetext.report.html import map_page
from saetext.report.html.map_model import MapColumn, MapPage
from saetext.report.html.map_page import render_map_page
from saetext.report.html.map_places import DARK, LIGHT
from saetext.report.html.parts import _file

ODD = '"><img onerror=alert(1)>\x07\u2067 \u0301'
BREAKOUT = "</script><!--<script>\u2028\u2029]]>&lt;/script&gt;&#60;"
LIBRARY = "/* the library */"
whole_library = map_page._library.__wrapped__  # not kept


@pytest.fixture(autouse=True, scope="module")
def light() -> Iterator[None]:
    """Take another text for the library, which has four million letters."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(map_page, "_library", lambda: LIBRARY)
        yield


def blocks(html: str) -> list[tuple[str, str]]:
    """Return each script element's attributes and content as a browser would cut them."""
    return re.findall(r"<script([^>]*)>(.*?)</script", html, re.DOTALL | re.IGNORECASE)


def data_of(html: str) -> dict[str, Any]:
    [(_, content)] = [one for one in blocks(html) if "json" in one[0]]
    data = json.loads(content)
    assert isinstance(data, dict)
    return data


def numbers(text: str, kind: str) -> list[float]:
    raw = base64.b64decode(text, validate=True)
    return list(struct.unpack(f"<{len(raw) // 4}{kind}", raw))


def unpacked(text: str) -> Any:
    return json.loads(zlib.decompress(base64.b64decode(text, validate=True)).decode())


@pytest.mark.parametrize("hostile", [HOSTILE, ODD, BREAKOUT])
def test_hostile_text_stays_text(hostile: str) -> None:
    html = render_map_page(a_map(hostile))
    plain, page = Page(render_map_page(a_map())), Page(html)
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in plain.tags]
    for (tag, attributes), (_, expected) in zip(page.tags, plain.tags, strict=True):
        assert attributes == expected, "no attribute holds a text"
        assert not any(name.startswith("on") or name in ("style", "src") for name in attributes)
    content = [one for attributes, one in blocks(html) if "json" in attributes]
    assert len(content) == 1 and not set("<>&\u2028\u2029") & set(content[0]) and content[0].isascii()
    data = data_of(html)
    shown = data["clusters"][1]["name"].removeprefix("second ")
    assert not set("\x1b\x07\u202e\u2067") & set(shown)
    for part in ("title", "sentence", "first", "feature", "near", "word", "doc", "before", "about", "figure"):
        assert f"{part} {shown}" in page.text, part
    for part in ("kind", "stars", "note", "fact", "value", "shading", "second"):
        assert f"{part} {shown}" in page.text, part
    ids, beginnings = unpacked(data["texts"])
    assert ids[3] == f"id3 {shown}" and beginnings[4] == f"begins4 {shown}"
    assert "49" not in page.text.replace("{{ 7*7 }}", "")


def test_nothing_is_fetched_and_only_our_style_and_scripts_count() -> None:
    html = render_map_page(a_map(HOSTILE))
    page = Page(html)
    [policy] = [a["content"] for t, a in page.tags if t == "meta" and "http-equiv" in a]
    [style] = re.findall("<style>(.*?)</style>", html, re.DOTALL)
    scripts = [content for attributes, content in blocks(html) if not attributes]
    assert scripts[0] == LIBRARY and len(scripts) == 2
    digests = [
        base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() for content in (style, *scripts)
    ]
    assert policy == (
        f"default-src 'none'; style-src 'sha256-{digests[0]}'; script-src 'sha256-{digests[2]}' "
        f"'sha256-{digests[1]}'; img-src data:; base-uri 'none'; form-action 'none'"
    )
    for word in (
        "url(",
        "@import",
        "http",
        "innerHTML",
        "outerHTML",
        "insertAdjacent",
        "eval(",
        "document.write",
    ):
        assert word not in style + scripts[1], word
    links = [str(a[n]) for _, a in page.tags for n in ("href", "src", "srcset", "data", "action") if n in a]
    anchors = [str(a["id"]) for _, a in page.tags if "id" in a]
    assert len(anchors) == len(set(anchors)) and {link[1:] for link in links} <= set(anchors)
    named = [str(a[n]) for _, a in page.tags for n in ("aria-labelledby", "aria-describedby") if n in a]
    assert set(named) <= set(anchors)


def test_the_data_is_what_it_was() -> None:
    page = a_map()
    data = data_of(render_map_page(page))
    assert data["points"] == 5
    assert numbers(data["x"], "f") == page.x.tolist() and numbers(data["y"], "f") == page.y.tolist()
    assert numbers(data["cluster"], "i") == [1, 1, 1, 2, 0]
    assert numbers(data["probability"], "f") == page.probability.tolist()
    assert unpacked(data["texts"]) == [list(page.ids), list(page.beginnings)]
    assert data["clusters"] == [
        {"number": 1, "name": "first plain", "size": 3, "colour": 0, "at": [0.5, 0.25]},
        {"number": 2, "name": "second plain", "size": 1, "colour": 1, "at": [5, 5]},
    ]
    kind, stars = data["columns"]
    assert kind == {"name": "kind plain", "values": ["one plain", "two"], "code": kind["code"]}
    assert numbers(kind["code"], "i") == [0, 1, 0, -1, 1]
    assert stars["name"] == "stars plain"
    np.testing.assert_array_equal(np.array(numbers(stars["number"], "f")), page.columns[1].number)
    [block] = data["documents"]
    expected = [[["whole plain ", 0], ["strong", 7]], [["fires plain", 3.5]], "prompt plain"]
    assert unpacked(block) == [expected] * 5


def test_documents_are_packed_some_at_a_time() -> None:
    page = synthetic(600, 3, documents=True)
    data = data_of(render_map_page(page))
    held = [unpacked(block) for block in data["documents"]]
    assert data["together"] == 256 and [len(block) for block in held] == [256, 256, 88]
    for row in (0, 255, 256, 599):
        pieces = held[row // 256][row % 256][0]
        assert "".join(text for text, _ in pieces) == "".join(p.text for p in page.documents[row].pieces)


def test_cards_say_it_without_the_script() -> None:
    html = render_map_page(a_map())
    page = Page(html)
    text = re.sub(r"\s+", " ", page.text)
    for part in (
        *("2 clusters", "1 document in no cluster"),
        *("first plain 3 60.0 %", "second plain 1 20.0 %"),
        *("feature plain 41.2 % 3.1 %", "not labelled 100.0 % 0.0 %"),
        *("Compared with near plain", "word plain"),
        *("… before plain firing", "about plain figure plain", "Caveats", "note plain"),
        *("How this was made", "The map needs JavaScript", "shading plain"),
    ):
        assert part in text, part
    assert page.count("details") == 2 and page.count("noscript") == 1
    widths = [a["width"] for t, a in page.tags if t == "rect" and a["class"] in ("inside", "outside")]
    assert widths[:5] == ["60.00%", "41.20%", "3.10%", "100.00%", "0.00%"]
    assert page.marked == [("fi", "s8"), ("ring", "s4")]
    rows = [a["data-row"] for _, a in page.tags if "data-row" in a]
    assert rows == ["1"]


@pytest.mark.parametrize(
    ("page", "shown"),
    [
        (synthetic(0, 0), "There are no documents to draw"),
        (synthetic(1, 0), "No clusters"),
        (synthetic(1, 1), "1 cluster"),
        (synthetic(900, 300), "300 clusters"),
        (a_map(beginnings=[""] * 5, ids=[""] * 5, documents=()), "2 clusters"),
        (a_map(x=np.full(5, np.nan, np.float32)), "2 clusters"),
        (a_map("ש" * 900), "2 clusters"),
    ],
)
def test_edges(page: MapPage, shown: str) -> None:
    html = render_map_page(page)
    read = Page(html)
    assert shown in re.sub(r"\s+", " ", read.text)
    data = data_of(html)
    assert data["points"] == len(page.x) and len(data["clusters"]) == len(page.clusters)
    assert read.count("details") == len(page.clusters)
    for _, attributes in read.tags:
        assert not any(re.search(r"\b(nan|inf|None)\b", value or "") for value in attributes.values())
    if not len(page.x):
        assert LIBRARY not in html and read.count("select") == 0


def test_clusters_that_are_not_listed_are_none() -> None:
    page = a_map(cluster=np.array([1, 1, 77, 2, -3], np.int32))
    assert "2 documents in no cluster" in re.sub(r"\s+", " ", Page(render_map_page(page)).text)


def test_a_map_whose_parts_do_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="but 2 of beginnings"):
        render_map_page(a_map(beginnings=["", ""]))


@settings(deadline=None, max_examples=15)
@given(st.text(max_size=60))
def test_any_text_makes_a_page(text: str) -> None:
    html = render_map_page(a_map(text))
    assert Page(html).count("details") == 2
    assert len(unpacked(data_of(html)["texts"][:])) == 2
    html.encode()


def test_odd_numbers() -> None:
    feature = dataclasses.replace(a_map().clusters[0].features[0], inside=np.nan, outside=7.0)
    cluster = dataclasses.replace(a_map().clusters[0], features=(feature,), share=np.inf, nearest=())
    html = render_map_page(a_map(clusters=(cluster,)))
    assert not re.search(r"\b(nan|inf|NaN|Infinity)\b", html[html.index("<main>") : html.index("<footer>")])
    column = MapColumn("n", number=np.full(5, np.nan, np.float32))
    assert data_of(render_map_page(a_map(columns=(column,))))["columns"][0]["name"] == "n"


def test_the_style_sheet_has_the_pictures_colours() -> None:
    style = _file("map.css")
    for palette, times in ((LIGHT, 1), (DARK, 2)):
        for at, colour in enumerate(palette):
            assert style.count(f"--p{at}: {colour};") == times


def contrast(one: str, other: str) -> float:
    def light(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_colours_can_be_told_from_the_ground_and_each_other() -> None:
    for palette, ground in ((LIGHT, "#ffffff"), (DARK, "#1e2024")):
        assert min(contrast(colour, ground) for colour in palette) >= 3
        places = np.array([[int(c[at : at + 2], 16) for at in (1, 3, 5)] for c in palette])
        away = np.linalg.norm(places[:, None] - places[None], axis=2) + 999 * np.eye(len(palette))
        assert away.min() > 35


def test_the_library_cannot_leave_its_element(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    text = whole_library()
    assert "</script" not in text.lower() and "<!--" not in text and "sourceMappingURL" not in text
    assert "\r" not in text
    assert "Permission to use, copy, modify" in text and len(text) > 1_000_000
    # one that had them
    folder = tmp_path / "nbextension" / "static"
    folder.mkdir(parents=True)
    (folder / "index.js").write_text('a="</SCRIPT><!--";\n//# sourceMappingURL=index.js.map\n', "utf-8")

    class Found:
        origin = str(tmp_path / "__init__.py")

    monkeypatch.setattr(map_page, "find_spec", lambda _: Found)
    assert whole_library().strip() == r'a="<\/SCRIPT><\!--";'


@pytest.mark.slow
def test_a_hundred_thousand_points_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(map_page, "_library", whole_library)
    page = synthetic(100_000, 60)
    assert sum(map(len, page.beginnings)) > 14_000_000 and len(page.columns) == 3
    html = render_map_page(page)
    assert len(html.encode()) < 40e6
    data = data_of(html)
    assert numbers(data["x"], "f") == page.x.tolist()
    assert unpacked(data["texts"])[1] == list(page.beginnings)
