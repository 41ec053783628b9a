"""The page of attention heads: on the terminal, as bytes, and in a real browser."""

from __future__ import annotations

import base64
import dataclasses
import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from page_helpers import (
    CONTRAST,
    HOSTILE,
    SHOTS,
    Page,
    asked_for,
    choose,
    dark,
    driver,
    needs_browser,
    open_html,
    press,
)
from test_attend import TEXT, saved
from test_causal import load
from test_matrix_page_browser import narrowed

from saetext.intervene.heads import AttendResult, attend
from saetext.report.console.heads import render_heads
from saetext.report.html.heads_page import MOST_BYTES, fitting, packed, render_heads_page

__all__ = ["driver"]  # the fixture
WIDTHS = (390, 800, 1280)


@functools.cache
def result() -> AttendResult:
    made: AttendResult = attend(load(saved("planted")), TEXT, probes=4, sentences=8)
    return made


def large(layers: int = 30, heads: int = 9, n: int = 17, token: str = "harbour") -> AttendResult:
    """A result of a size as SmolLM2's, with patterns that are random."""
    draw = np.random.default_rng(0)
    weight = np.tril(draw.exponential(1, (layers, heads, n, n)) ** 3)
    rows = layers * heads
    table = {
        name: pl.Series(draw.random(rows)) if dtype == pl.Float64 else None
        for name, dtype in result().table.schema.items()
    }
    table["layer"], table["head"] = (
        pl.Series(np.repeat(np.arange(layers), heads)),
        pl.Series([*range(heads)] * layers),
    )
    return dataclasses.replace(
        result(),
        table=pl.DataFrame(table, schema=result().table.schema),
        metrics={**result().metrics, "layers": layers, "heads": heads, "tokens": n},
        tokens=pl.DataFrame({"position": range(n), "token": [f" {token}"] * n}),
        patterns=(weight / weight.sum(-1, keepdims=True)).astype(np.float32),
    )


# --- on the terminal, and as bytes --------------------------------------------------------------------------


def test_the_terminal_shows_the_best_heads_of_each_score() -> None:
    text = render_heads(result(), 100)
    assert all(len(line) <= 100 for line in text.splitlines())
    blocks = text.split("\n\n")
    [block] = [block for block in blocks if block.startswith("induction")]
    row = result().best("induction", 1).row(0, named=True)
    assert block.splitlines()[3].split() == ["1.0", f"{row['induction']:.2f}", f"{row['induction_null']:.2f}"]
    assert f"even attention: {result().metrics['uniform']['induction']:.2f}" in block
    assert "note: " in text and "4 heads in 2 layers" in text
    assert "\x1b[" in render_heads(result(), 100, True)
    assert max(map(len, render_heads(result(), 40).splitlines())) <= 40
    render_heads(result(), 100, encoding="ascii").encode("ascii")
    hostile = dataclasses.replace(result(), params={**result().params, "model": f"m\x1b[31m\u202e{HOSTILE}"})
    assert "\x1b" not in render_heads(hostile, 100) and "\u202e" not in render_heads(hostile, 100)


def test_patterns_are_in_the_page_to_a_255th(tmp_path: Path) -> None:
    html = render_heads_page(result())
    page = Page(html)
    data = json.loads(re.search(r'id="data">(.*?)</script>', html, re.S).group(1))  # type: ignore[union-attr]
    n, values = data["n"], np.frombuffer(base64.b64decode(data["patterns"]), np.uint8)
    assert n == result().tokens.height and len(values) == 4 * n * (n + 1) // 2
    lower = np.tril_indices(n)
    expected = result().patterns.reshape(4, n, n)[:, lower[0], lower[1]].ravel()
    np.testing.assert_allclose(values / 255, expected, atol=0.5 / 255 + 1e-6)
    assert page.count("button", "head") == 4 and page.count("button", "token") == n
    assert result().to_html(tmp_path / "heads.html").read_text("utf-8") == html


def test_a_page_is_bounded_and_says_so() -> None:
    patterns = np.zeros((26, 16, 128, 128), np.float32)
    kept, before = fitting(patterns)
    n = kept.shape[-1]
    assert before == 128 and 26 * 16 * n * (n + 1) // 2 <= MOST_BYTES < 26 * 16 * (n + 1) * (n + 2) // 2
    assert len(packed(kept)) <= MOST_BYTES * 4 / 3 + 4
    assert fitting(patterns[:2, :2])[1] == 0
    html = render_heads_page(large(26, 16, 128))
    assert f"the page shows the first {n} of 128 tokens" in html and len(html) < 2_600_000


def test_hostile_tokens_are_text() -> None:
    made = large(1, 2, 5, token=HOSTILE)
    page = Page(render_heads_page(dataclasses.replace(made, notes=(HOSTILE,))))
    assert page.count("script") == 2 and page.count("img") == 0
    policy = next(str(a["content"]) for t, a in page.tags if a.get("http-equiv"))
    assert policy.startswith("default-src 'none'; style-src 'sha256-") and "unsafe" not in policy
    assert not any("style" in attributes for _, attributes in page.tags)


# --- in a browser -------------------------------------------------------------------------------------------


@pytest.fixture
def opened(driver: Any, tmp_path: Path) -> Iterator[Any]:
    open_html(driver, tmp_path, render_heads_page(large()))
    yield driver
    assert driver.get_log("browser") == []


def shown(driver: Any) -> tuple[str, str]:
    return driver.find_element("id", "name").text, driver.find_element("id", "figures").text


def pixels(driver: Any) -> list[int]:
    """The opacity of the large pattern's cells, row by row."""
    found: list[int] = driver.execute_script(
        """
        const c = document.getElementById("pattern"), copy = document.createElement("canvas");
        copy.width = c.width; copy.height = c.height;
        const context = copy.getContext("2d", { willReadFrequently: true });
        context.drawImage(c, 0, 0);
        const d = context.getImageData(0, 0, c.width, c.height).data;
        return [...d].filter((_, at) => at % 4 === 3);
        """
    )
    return found


@needs_browser
def test_it_loads_whole_and_asks_for_nothing(opened: Any, tmp_path: Path) -> None:
    assert asked_for(opened) == [(tmp_path / "page.html").as_uri()] * 2  # opened twice
    assert len(opened.find_elements("css selector", ".head canvas")) == 270
    assert opened.find_element("id", "explorer").is_displayed()


@needs_browser
def test_a_head_shows_its_pattern_on_hover_focus_and_click(opened: Any) -> None:
    from selenium.webdriver import ActionChains, Keys

    made = large()
    buttons = opened.find_elements("css selector", ".head")
    for at in (0, 5, 40):
        ActionChains(opened).move_to_element(buttons[at]).perform()
        assert shown(opened)[0] == f"Head {at // 9}.{at % 9}"
        row = made.table.row(at, named=True)
        assert f"induction {row['induction']:.2f} (control {row['induction_null']:.2f})" in shown(opened)[1]
        values = np.rint(np.sqrt(np.rint(made.patterns[at // 9, at % 9] * 255) / 255) * 255)
        np.testing.assert_allclose(np.array(pixels(opened)).reshape(17, 17), np.tril(values), atol=1)
    buttons[3].click()  # stays
    ActionChains(opened).move_to_element(buttons[12]).perform()
    assert shown(opened)[0] == "Head 0.3"
    buttons[3].click()  # and is let go
    ActionChains(opened).move_to_element(buttons[12]).perform()
    assert shown(opened)[0] == "Head 1.3"
    opened.execute_script("arguments[0].focus()", buttons[20])
    assert shown(opened)[0] == "Head 2.2"
    press(opened, Keys.TAB)
    assert shown(opened)[0] == "Head 2.3"


@needs_browser
def test_tokens_are_shaded_by_what_the_chosen_one_attends_to(opened: Any) -> None:
    made = large()
    tokens = opened.find_elements("css selector", ".token")
    opened.execute_script("arguments[0].focus()", opened.find_elements("css selector", ".head")[0])
    opened.execute_script("arguments[0].focus()", tokens[6])
    told = [token.get_attribute("title") for token in tokens]
    assert told[7:] == [""] * 10
    for at in range(7):
        share = round(float(made.patterns[0, 0, 6, at]) * 255) / 255
        assert told[at].startswith(f"{share * 100:.0f} % of the attention")
    pressed = [token.get_attribute("aria-pressed") for token in tokens]
    assert pressed.count("true") == 1 and pressed[6] == "true"


@needs_browser
def test_the_score_chooses_shades_and_the_best_head(opened: Any) -> None:
    made = large()
    for number, score in enumerate(("previous_token", "duplicate_token", "induction", "name_mover")):
        choose(opened, "score", str(number))
        over = (made.table[score] - made.table[f"{score}_null"]).to_numpy()
        scale = over.max() if score == "name_mover" else 1.0
        steps = np.where(over > 0, np.maximum(1, np.rint(8 * np.minimum(over / scale, 1))), 0)
        classes = [e.get_attribute("class") for e in opened.find_elements("css selector", ".head")]
        assert [int((re.findall(r"s(\d)", c) or [0])[0]) for c in classes] == steps.astype(int).tolist()
        assert shown(opened)[0] == "Head {}.{}".format(*divmod(int(over.argmax()), 9))


@needs_browser
def test_hostile_texts_do_nothing(driver: Any, tmp_path: Path) -> None:
    made = large(2, 2, 5, token=HOSTILE)
    params = {**made.params, "model": HOSTILE}
    open_html(driver, tmp_path, render_heads_page(dataclasses.replace(made, params=params, notes=(HOSTILE,))))
    assert driver.execute_script("return window.pwned") is None
    assert driver.find_elements("css selector", "img, iframe") == []
    assert asked_for(driver) == [(tmp_path / "page.html").as_uri()] * 2
    assert driver.get_log("browser") == []


@needs_browser
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("heads", [9, 32])
def test_nothing_overflows(driver: Any, tmp_path: Path, width: int, heads: int) -> None:
    open_html(driver, tmp_path, render_heads_page(large(12, heads, 20, token="W" * 200)))
    narrowed(driver, width)
    try:
        assert driver.execute_script("return document.documentElement.scrollWidth") <= width
        wide = driver.execute_script(
            """
            return [...document.querySelectorAll("body *")].filter(e => e.checkVisibility())
              .filter(e => !e.closest(".scroll, .skip") || e.matches(".scroll"))
              .filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.tagName);
            """
        )
        assert wide == []
        assert driver.execute_script("return document.getElementById('pattern').clientWidth") >= 250
    finally:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert driver.get_log("browser") == []


@needs_browser
def test_themes_are_readable(opened: Any) -> None:
    assert opened.execute_script(CONTRAST) == []
    dark(opened, True)
    assert opened.execute_script(CONTRAST) == []
    dark(opened, False)


@needs_browser
def test_without_a_script_the_best_heads_are_there(driver: Any, tmp_path: Path) -> None:
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        path = tmp_path / "page.html"
        path.write_text(render_heads_page(large()), "utf-8")
        driver.get(path.as_uri())
        assert not driver.find_element("id", "explorer").is_displayed()
        assert len(driver.find_elements("css selector", "#best table")) == 4
        assert "Patterns need JavaScript" in driver.find_element("tag name", "main").text
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


@needs_browser
def test_screenshots(opened: Any, tmp_path: Path) -> None:
    for width, theme in ((1280, "light"), (1280, "dark"), (390, "light")):
        dark(opened, theme == "dark")
        narrowed(opened, width, 700)
        narrowed(opened, width, opened.execute_script("return document.documentElement.scrollHeight"))
        assert opened.save_screenshot(str(Path(SHOTS or tmp_path) / f"heads-{width}-{theme}.png"))
    dark(opened, False)
    opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
