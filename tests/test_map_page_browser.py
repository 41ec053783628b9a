"""The map in a real browser: nothing of strangers' runs; pointing, search, colours, keys, themes work."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from map_factory import a_map, in_levels, synthetic
from page_helpers import CONTRAST, HOSTILE, SHOTS, asked_for, choose, dark, driver, needs_browser, press

from saetext.report.html.map_model import MapColumn, MapPage
from saetext.report.html.map_page import render_map_page

__all__ = ["driver"]  # the fixture
pytestmark = needs_browser

POINTS = 700
# what Chromium says of drawing without a graphics card
EXPECTED = ("GL Driver Message", "software WebGL")


def until(true: Callable[[], object], seconds: float = 100.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.03)


def said(driver: Any) -> list[str]:
    """Return what the browser reported."""
    entries = [str(entry["message"]) for entry in driver.get_log("browser")]
    return [entry for entry in entries if not any(part in entry for part in EXPECTED)]


def open_map(driver: Any, folder: Path, page: MapPage, *, width: int = 1200) -> None:
    path = folder / "page.html"
    path.write_text(render_map_page(page), "utf-8")
    for kind in ("browser", "performance"):
        driver.get_log(kind)
    view = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", view)
    dark(driver, False)
    driver.get(path.as_uri())
    driver.execute_script("try { localStorage.clear(); } catch {}")
    driver.execute_script("document.querySelector('input[name=theme][value=auto]').click()")
    if len(page.x):
        until(lambda: driver.execute_script("return document.getElementById('stage').dataset.drawn"))


@pytest.fixture
def opened(driver: Any, tmp_path: Path) -> Iterator[Any]:
    """Open a map of blobs, and see afterwards that nothing was reported."""
    open_map(driver, tmp_path, synthetic(POINTS, 14, documents=True))
    yield driver
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert said(driver) == []


def text(driver: Any, selector: str) -> str:
    return str(driver.find_element("css selector", selector).text)


def shown(driver: Any, selector: str) -> int:
    script = (
        "return [...document.querySelectorAll(arguments[0])]"
        ".filter(e => e.checkVisibility({ visibilityProperty: true })).length"
    )
    return int(driver.execute_script(script, selector))


def counted(driver: Any) -> str:
    return text(driver, "#count")


def colours(driver: Any) -> set[str]:
    """Return about which colours are on the map, as a screenshot of it has them."""
    import base64
    import io

    from PIL import Image

    box = driver.execute_script(
        "const r = document.getElementById('stage').getBoundingClientRect();"
        "return { x: r.x + scrollX, y: r.y + scrollY, width: r.width, height: r.height, scale: 1 }"
    )
    driver.execute_script("document.getElementById('names').style.visibility = 'hidden'")
    shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"clip": box})["data"]
    driver.execute_script("document.getElementById('names').style.visibility = ''")
    image = np.asarray(Image.open(io.BytesIO(base64.b64decode(shot))).convert("RGB"))
    inner = image[60:-60, 5:-60].reshape(-1, 3) // 24
    found, times = np.unique(inner, axis=0, return_counts=True)
    return {str(tuple(colour)) for colour, n in zip(found.tolist(), times.tolist(), strict=True) if n >= 12}


def on_map(driver: Any) -> tuple[float, float]:
    """Return where on the window a point is that is at the middle of the first cluster."""
    left, upper = driver.execute_script(
        "const b = [...document.querySelectorAll('.names button')].find(e => e.dataset.cluster === '0');"
        "const r = b.getBoundingClientRect(); return [r.left + r.width / 2, r.bottom]"
    )
    return left, upper


def mouse(driver: Any, kind: str, x: float, y: float, **more: Any) -> None:
    driver.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": kind, "x": x, "y": y, **more})


def to_a_point(driver: Any) -> tuple[float, float]:
    """Move the mouse until it is at a document."""
    x, y = on_map(driver)
    for step in range(60):
        at = x + 5 * (step % 8) - 20, y + 4 + 5 * (step // 8)
        mouse(driver, "mouseMoved", *at)
        if shown(driver, "#tip"):
            return at
    raise AssertionError("no point there")


def clicked(driver: Any, x: float, y: float) -> None:
    mouse(driver, "mousePressed", x, y, button="left", clickCount=1)
    mouse(driver, "mouseReleased", x, y, button="left", clickCount=1)


def test_a_hostile_page_runs_and_fetches_nothing(driver: Any, tmp_path: Path) -> None:
    from selenium.common.exceptions import NoAlertPresentException

    hostile = f'{HOSTILE}"><img src=x onerror=window.pwned=1></title><svg onload=window.pwned=1><b>$x$'
    open_map(driver, tmp_path, a_map(hostile))
    for name in ("0", "1", "probability"):
        choose(driver, "colour", name)
    driver.execute_script("document.querySelector('.card summary').click()")
    driver.execute_script("document.querySelector('[data-row] + .link').click()")
    until(lambda: shown(driver, "#panel"))
    assert "whole </style></script>" in text(driver, "#panel") and "<b>$x$" in text(driver, "#panel")
    assert "<img" in driver.execute_script("return document.querySelector('.names bdi').textContent")
    press(driver, "/", "script")
    until(lambda: shown(driver, "#results button") == 3)  # of the cluster
    x, y = driver.execute_script(
        "const r = document.getElementById('stage').getBoundingClientRect(); return [r.left, r.top]"
    )
    mouse(driver, "mouseMoved", x + 10, y + 10)
    with pytest.raises(NoAlertPresentException):
        _ = driver.switch_to.alert.text
    assert driver.execute_script("return window.pwned === undefined && document.images.length === 0")
    assert said(driver) == []
    asked = [url for url in asked_for(driver) if not url.startswith("blob:")]  # what its script makes
    assert asked and {Path(url).name for url in asked} == {"page.html"}


def test_the_map_is_drawn_in_the_clusters_colours(opened: Any) -> None:
    until(lambda: len(colours(opened)) > 8)
    assert counted(opened) == f"{POINTS} documents"
    assert shown(opened, ".names button") >= 8
    overlaps = opened.execute_script(
        "const all = [...document.querySelectorAll('.names button:not(.away)')]"
        ".map(e => e.getBoundingClientRect());"
        "return all.flatMap((a, i) => all.slice(0, i).filter(b => a.left < b.right && b.left < a.right"
        " && a.top < b.bottom && b.top < a.bottom)).length"
    )
    assert overlaps == 0


def test_pointing_and_a_click_open_a_document(opened: Any) -> None:
    from selenium.webdriver import Keys

    at = to_a_point(opened)
    tip = text(opened, "#tip").split("\n")
    assert tip[0].startswith("document-") and len(tip) == 3
    clicked(opened, *at)
    until(lambda: shown(opened, "#panel"))
    panel = text(opened, "#panel")
    assert tip[0] in panel and tip[1] in panel and tip[2][:60] in panel
    for part in (
        "Tell me about it.",
        "Strongest features",
        "amounts and measures",
        "source",
        "words",
        "year",
    ):
        assert part in panel, part
    assert shown(opened, "#panel mark") == 1
    press(opened, Keys.ESCAPE)
    assert not shown(opened, "#panel")


def test_clusters_from_card_and_map(opened: Any) -> None:
    from selenium.webdriver import Keys

    opened.execute_script("document.querySelector('#c2 summary').click()")
    size = text(opened, "#c2 .size").split()[0]
    assert counted(opened) == f"{size} of {POINTS} documents"
    assert opened.execute_script("return document.querySelector('.names .picked').title") == text(
        opened, "#c2 .name"
    )
    time.sleep(0.6)  # it flies there
    left, upper = opened.execute_script(
        "const r = document.querySelector('.names .picked').getBoundingClientRect();"
        "const s = document.getElementById('stage').getBoundingClientRect();"
        "return [(r.left + r.width / 2 - s.left) / s.width, (r.top - s.top) / s.height]"
    )
    assert 0.2 < left < 0.8 and 0.2 < upper < 0.8
    press(opened, Keys.ESCAPE)
    assert counted(opened) == f"{POINTS} documents" and not shown(opened, "details[open]")
    opened.find_element("id", "all").click()
    time.sleep(0.6)
    box = opened.execute_script(
        "const r = document.querySelector('.names button[data-cluster=\"2\"]').getBoundingClientRect();"
        "return [r.left + r.width / 2, r.top + r.height / 2]"
    )
    clicked(opened, *box)
    assert opened.execute_script("return [...document.querySelectorAll('details[open]')].map(e => e.id)") == [
        "c3"
    ]


def test_the_search(opened: Any) -> None:
    from selenium.webdriver import Keys

    page = synthetic(POINTS, 14)
    names = {c.number: c.name for c in page.clusters}
    expected = [
        row
        for row in range(POINTS)
        if "goalkeeper"
        in f"{page.ids[row]} {page.beginnings[row]} {names.get(int(page.cluster[row]), '')}".lower()
    ]
    press(opened, "/", "GoalKeeper")
    until(lambda: counted(opened) == f"{len(expected)} of {POINTS} documents")
    assert len(expected) > 30 and shown(opened, "#results button") == 30
    first = opened.find_element("css selector", "#results button")
    assert first.text.split("\n")[0] == page.ids[expected[0]]
    hits = sum(page.cluster[expected] == 1)
    assert text(opened, "#c1 .hits") == f"{hits} found"
    first.click()
    until(lambda: shown(opened, "#panel"))
    assert page.ids[expected[0]] in text(opened, "#panel")
    press(opened, Keys.ESCAPE)
    assert not shown(opened, "#panel") and "of" in counted(opened)
    press(opened, Keys.ESCAPE)
    assert counted(opened) == f"{POINTS} documents"
    press(opened, "/", "python tracebacks")
    size = text(opened, "#c4 .size").split()[0]
    until(lambda: counted(opened) == f"{size} of {POINTS} documents")
    press(opened, " nonesuch")
    until(lambda: shown(opened, "#nothing"))
    press(opened, Keys.ESCAPE)
    assert shown(opened, ".card") == 14


def test_colour_by(opened: Any) -> None:
    page = synthetic(POINTS, 14)
    choose(opened, "colour", "0")
    lines = text(opened, "#legend").split("\n")
    assert lines[0] == "source" and len(opened.find_elements("css selector", "#legend button")) == 14
    codes = page.columns[0].code
    assert codes is not None
    counts = np.bincount(codes[codes >= 0])
    assert str(counts.max()) in lines[2] or str(counts.max()) in lines[1]
    assert "other" in lines and "unknown" in lines
    opened.find_element("css selector", "#legend button").click()
    assert counted(opened) == f"{counts.max()} of {POINTS} documents"
    choose(opened, "colour", "1")
    assert counted(opened) == f"{POINTS} documents"
    legend = text(opened, "#legend")
    values = page.columns[1].number
    assert values is not None
    assert "words" in legend and f"{int(np.isnan(values).sum())} unknown" in legend
    choose(opened, "colour", "probability")
    assert text(opened, "#legend").split() == ["probability", "0", "1"]
    choose(opened, "colour", "cluster")
    assert not shown(opened, "#legend")


def test_zooming_shows_more_names(driver: Any, tmp_path: Path) -> None:
    open_map(driver, tmp_path, synthetic(2000, 60))
    names = (
        "return [...document.querySelectorAll('.names button:not(.away)')]"
        ".map(e => e.getBoundingClientRect().x)"
    )
    before = driver.execute_script(names)
    assert 5 < len(before) < 60
    x, y = driver.execute_script(
        "const r = document.getElementById('stage').getBoundingClientRect();"
        "return [r.left + r.width / 2, r.top + r.height / 2]"
    )
    first_two = "[...document.querySelectorAll('.names button')].slice(0, 2)"
    apart = f"return {first_two}.map(e => e.style.transform).join()"
    first = driver.execute_script(apart)
    mouse(driver, "mouseWheel", x, y, deltaX=0, deltaY=-400)
    until(lambda: driver.execute_script(apart) != first)
    mouse(driver, "mousePressed", x, y, button="left")
    for step in range(5):
        mouse(driver, "mouseMoved", x + 20 * step, y, button="left", buttons=1)
    mouse(driver, "mouseReleased", x + 80, y, button="left")
    assert not shown(driver, "#panel")  # it was no click
    time.sleep(0.1)
    moved = driver.execute_script(apart)
    driver.execute_script("document.getElementById('stage').focus()")
    press(driver, "+")
    until(lambda: driver.execute_script(apart) != moved)
    driver.find_element("id", "all").click()
    time.sleep(0.8)
    assert driver.execute_script(names) == pytest.approx(before, abs=1)
    assert said(driver) == []


def test_keys_and_theme(opened: Any) -> None:
    press(opened, "j", "j", "k")
    assert opened.execute_script("return document.activeElement.parentElement.id") == "c1"
    ground = colours(opened)
    opened.execute_script("document.querySelector('input[name=theme][value=dark]').click()")
    # edges of points blend into colours that both themes have; most are of one alone
    until(lambda: 2 * len(colours(opened) & ground) < min(len(colours(opened)), len(ground)))
    assert len(colours(opened) - ground) > 8 and len(ground - colours(opened)) > 8


@pytest.mark.parametrize("width", [400, 1200])
@pytest.mark.parametrize("words", ["", "W" * 200])
def test_it_fits_every_width(driver: Any, tmp_path: Path, width: int, words: str) -> None:
    open_map(driver, tmp_path, a_map(words) if words else synthetic(300, 9), width=width)
    driver.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
    wide = driver.execute_script("return document.documentElement.scrollWidth")
    assert wide <= width
    if SHOTS and not words:
        driver.save_screenshot(str(Path(SHOTS) / f"map-{width}.png"))


@pytest.mark.parametrize(
    "page",
    [
        synthetic(0, 0),
        synthetic(1, 0),
        synthetic(1, 1),
        synthetic(900, 300),
        a_map(beginnings=[""] * 5, documents=()),
        a_map(x=np.full(5, np.nan, np.float32)),
        a_map("שלום עולם " * 9),
        a_map(columns=(MapColumn("n", number=np.full(5, np.nan, np.float32)),)),
    ],
    ids=["none", "one", "one cluster", "300", "no texts", "nowhere", "rtl", "unknown"],
)
def test_edges(driver: Any, tmp_path: Path, page: MapPage) -> None:
    open_map(driver, tmp_path, page)
    if len(page.x):
        for name in ("probability", "0") if page.columns else ():
            choose(driver, "colour", name)
        press(driver, "/", "x")
    assert said(driver) == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_contrast(opened: Any, theme: str) -> None:
    dark(opened, theme == "dark")
    opened.execute_script("document.querySelector('#c1 summary').click()")
    until(lambda: shown(opened, "#c1 mark"))
    assert opened.execute_script(CONTRAST) == []


@pytest.mark.slow
def test_a_hundred_thousand_points(driver: Any, tmp_path: Path) -> None:
    open_map(driver, tmp_path, synthetic(100_000, 60))
    drawn = float(driver.execute_script("return document.getElementById('stage').dataset.drawn"))
    took = driver.execute_async_script(
        """
const done = arguments[0], stage = document.getElementById('stage'), times = [];
stage.focus();
const press = (key) => document.dispatchEvent(new KeyboardEvent('keydown', { key }));
let last = performance.now(), n = 0;
const step = () => {
  const now = performance.now();
  times.push(now - last);
  last = now;
  press(n % 2 ? 'ArrowLeft' : 'ArrowRight');
  if (n++ < 30) requestAnimationFrame(() => setTimeout(step)); else done(times.slice(1));
};
step();
"""
    )
    print(f"drawn after {drawn:.0f} ms, frames of panning: {np.round(took).astype(int).tolist()} ms")
    assert np.median(took[-10:]) < 1000  # on a processor that others use too
    assert said(driver) == []


# ---- levels: coarse names far out, fine ones near ---------------------------------------------------------


def named(driver: Any) -> list[str]:
    """Return the names that are on the map."""
    return list(
        driver.execute_script(
            "return [...document.querySelectorAll('.names button:not(.away) bdi')].map(e => e.textContent)"
        )
    )


def faults(driver: Any) -> list[str]:
    """Return names that are cut by the edge of the map, cut themselves, or over another or over a button."""
    return list(
        driver.execute_script(
            """
            const stage = document.getElementById('stage').getBoundingClientRect();
            const all = [...document.querySelectorAll('.names button:not(.away)')];
            const fixed = ['zoom', 'crumbs', 'count'].map(id => document.getElementById(id));
            const boxes = [...all, ...fixed].filter(e => !e.hidden).map(e => [e, e.getBoundingClientRect()]);
            const found = [];
            for (const [at, element] of all.entries()) {
              const box = boxes[at][1], text = element.querySelector('bdi');
              if (box.left < stage.left || box.right > stage.right
                  || box.top < stage.top || box.bottom > stage.bottom)
                found.push('over the edge: ' + element.textContent);
              if (text.scrollHeight > text.clientHeight + 1 || text.scrollWidth > text.clientWidth + 1)
                found.push('cut: ' + element.textContent);
              for (const [other, around] of boxes.slice(at + 1))
                if (box.left < around.right && around.left < box.right
                    && box.top < around.bottom && around.top < box.bottom)
                  found.push(element.textContent + ' over ' + (other.id || other.textContent));
            }
            return found;
            """
        )
    )


@pytest.mark.parametrize("width", [390, 1200])
def test_drill_down_from_groups_to_parts_and_back(driver: Any, tmp_path: Path, width: int) -> None:
    from selenium.webdriver import Keys

    page = in_levels(synthetic(POINTS, 14))
    group, cluster = page.levels[0].parts[0], page.clusters[0]
    inner = [c for c in page.clusters if page.group_of(c.number) == group]
    open_map(driver, tmp_path, page, width=width)
    driver.execute_script("document.getElementById('farther').click()")
    until(lambda: {p.name for p in page.levels[0].parts} >= set(named(driver)) != set())
    assert faults(driver) == []
    heading = "return [...document.querySelectorAll('#cards .group button')].map(e => e.textContent)"
    assert driver.execute_script(heading) == [p.name for p in page.levels[0].parts]
    driver.execute_script("document.querySelector('#cards .group button').click()")
    until(lambda: set(named(driver)) & {c.name for c in inner})
    assert counted(driver) == f"{group.size} of {POINTS} documents"
    assert shown(driver, ".card") == len(inner) and group.name not in named(driver)
    time.sleep(0.6)
    assert faults(driver) == []
    driver.execute_script("document.querySelector('#c1 summary').click()")
    until(lambda: {f"part {p} of the first" for p in (1, 2, 3)} & set(named(driver)))
    assert cluster.name not in named(driver) and counted(driver) == f"{cluster.size} of {POINTS} documents"
    assert driver.execute_script("return document.getElementById('crumbs').textContent") == (
        f"All › {group.name} › {cluster.name}"
    )
    driver.execute_script("document.querySelector('#c1 .parts button').click()")
    part = page.levels[2].parts[0]
    until(lambda: counted(driver) == f"{part.size} of {POINTS} documents")
    time.sleep(0.6)
    assert faults(driver) == []
    for size in (cluster.size, group.size):  # the keyboard goes up again, a level at a time
        press(driver, Keys.ESCAPE)
        assert counted(driver) == f"{size} of {POINTS} documents"
    press(driver, Keys.ESCAPE)
    assert counted(driver) == f"{POINTS} documents" and not shown(driver, "#crumbs")
    assert said(driver) == []


@pytest.mark.parametrize("width", [390, 1200])
def test_no_name_is_cut_or_over_another(driver: Any, tmp_path: Path, width: int) -> None:
    page = synthetic(900, 24)
    long = [f"{c.name}, and a few words more on that · Sleep and tiredness" for c in page.clusters]
    clusters = [dataclasses.replace(c, name=name) for c, name in zip(page.clusters, long, strict=True)]
    open_map(driver, tmp_path, dataclasses.replace(page, clusters=clusters), width=width)
    assert len(named(driver)) >= 4 and faults(driver) == []
    for _ in range(3):
        before = driver.execute_script("return document.getElementById('stage').dataset.frames")
        driver.execute_script("document.getElementById('nearer').click()")
        until(
            lambda: driver.execute_script("return document.getElementById('stage').dataset.frames") != before
        )
        time.sleep(0.5)
        assert faults(driver) == []
