"""The page of an expression matrix in a real browser: nothing runs or is asked for, it fits, rows open."""

from __future__ import annotations

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
    asked_for,
    dark,
    driver,
    focused,
    needs_browser,
    open_html,
    press,
)
from test_expression import planted

from saetext.intervene.attribution import AttributionResult
from saetext.intervene.expression import expression
from saetext.report.html.matrix_page import render_matrix_page

__all__ = ["driver"]  # the fixture
pytestmark = needs_browser

LABELS = {
    1: "first word of a list item, and the line break before it",
    10: "kitchens, cooking and food, loosely also restaurants and what is eaten there with friends",
    11: "the word “and” between the last two things that are listed",
    12: "names of towns",
    20: "full stop at the end of an answer",
    21: "planets, moons and other bodies in the sky",
    22: "numbers",
}
WIDTHS = (390, 800, 1280)


def a_page(examples: int = 60, *, text: str = "", by: str | None = "topic") -> str:
    """A matrix as it is made, or one in which every text is ``text``."""
    made = planted(examples=examples, text=text or "word")
    if text:
        made = AttributionResult(**{**vars(made), "labels": dict.fromkeys(range(200), text)})
    else:
        meta = tuple({"topic": ("the kitchen", "the night sky")[n % 2], "n": n} for n in range(examples))
        ids = [f"{('kitchen', 'sky')[n % 2]}-{n:02d}" for n in range(examples)]
        words = ["Here", " are", " three", " things", ":", "\n", "-", " pans"]
        made = AttributionResult(
            **{
                **vars(made),
                "labels": LABELS,
                "meta": meta,
                "prompts": made.prompts.with_columns(id=pl.Series(ids)),
                "tokens": made.tokens.with_columns(
                    token=pl.Series(words)[np.arange(made.tokens.height) % len(words)]
                ),
                "params": {**made.params, "metric": 'logit(" ") - logit("\\n")'},
            }
        )
    return render_matrix_page(expression(made, take=4 if text else 5, by=by))


@pytest.fixture
def opened(driver: Any, tmp_path: Path) -> Iterator[Any]:
    open_html(driver, tmp_path, a_page())
    yield driver
    assert driver.get_log("browser") == []


def narrowed(driver: Any, width: int, height: int = 900) -> None:
    """Show the page in a width that a window of the browser itself cannot have."""
    view = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", view)


def test_it_loads_whole_and_asks_for_nothing(opened: Any, tmp_path: Path) -> None:
    assert asked_for(opened) == [(tmp_path / "page.html").as_uri()] * 2  # opened twice
    cells = opened.execute_script(
        "return [...document.querySelectorAll('.scroll path')].map(p => p.getAttribute('d'))"
    )
    assert sum(d.count("M") for d in cells) > 300
    size = opened.execute_script(
        "const r = document.querySelector('.scroll path').getBoundingClientRect(); return [r.width, r.height]"
    )
    assert min(size) > 10


def test_each_name_stands_beside_its_row(opened: Any) -> None:
    for width in WIDTHS:
        narrowed(opened, width)
        far = opened.execute_script(
            """
            const svg = document.querySelector(".scroll svg").getBoundingClientRect();
            return [...document.querySelectorAll(".names li")].map((row, at) => {
              const place = row.getBoundingClientRect();
              return Math.abs((place.top + place.bottom) / 2 - (svg.top + 18 + 14 * at + 6.5));
            });
            """
        )
        assert len(far) >= 7 and max(far) < 2, (width, far)
    opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_hostile_texts_do_nothing(driver: Any, tmp_path: Path) -> None:
    open_html(driver, tmp_path, a_page(text=HOSTILE))
    for element in driver.find_elements("css selector", "details"):
        driver.execute_script("arguments[0].open = true", element)
    assert driver.execute_script("return window.pwned") is None
    assert driver.find_elements("css selector", "img, script") == []
    assert asked_for(driver) == [(tmp_path / "page.html").as_uri()] * 2
    assert "{{ 7*7 }}" in driver.find_element("tag name", "body").text
    assert driver.get_log("browser") == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("text", ["", "W" * 200, "long words of a label " * 12])
def test_nothing_overflows(driver: Any, tmp_path: Path, width: int, text: str) -> None:
    open_html(driver, tmp_path, a_page(text=text))
    narrowed(driver, width)
    try:
        driver.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
        assert driver.execute_script("return document.documentElement.scrollWidth") <= width
        wide = driver.execute_script(
            """
            const within = document.querySelector(".scroll");
            return [...document.querySelectorAll("body *")].filter(e => !within.contains(e) || e === within)
              .filter(e => e.checkVisibility() && !e.closest(".skip, .names a"))
              .filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML);
            """
        )
        assert wide == []
        cells = driver.execute_script("return document.querySelector('.scroll').clientWidth")
        assert cells >= 0.4 * width, "names leave the matrix its room"
        columns = driver.execute_script(
            "return [...document.querySelectorAll('td')].map(e => e.getBoundingClientRect().width)"
        )
        assert columns and min(columns) > (24 if width > 640 else 0.8 * width)
    finally:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert driver.get_log("browser") == []


def test_rows_open_to_tokens(opened: Any) -> None:
    """A row's name leads to its card, and opens it; so does a click on the card's own line, and a key."""
    from selenium.webdriver import Keys

    name = opened.find_element("css selector", ".names a")
    target = str(name.get_attribute("href")).partition("#")[2]
    card = opened.find_element("id", target)
    assert not card.is_displayed()
    name.click()
    assert card.is_displayed() and card.find_element("css selector", "blockquote mark").is_displayed()
    top = card.rect["y"] - opened.execute_script("return scrollY")
    assert 0 <= top < 900
    other = opened.find_elements("css selector", "details summary")[1]
    passages = opened.find_elements("css selector", "details")[1].find_elements("tag name", "figure")
    assert passages and not passages[0].is_displayed()
    other.click()
    assert passages[0].is_displayed() and len(passages) == 4
    opened.execute_script("document.querySelectorAll('details summary')[2].focus()")
    press(opened, Keys.ENTER)
    assert opened.find_elements("css selector", "details")[2].get_attribute("open")
    opened.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
    marks = opened.find_elements("css selector", "mark")
    assert all(re.fullmatch(r"[+-]\d\.\d{3}", str(mark.get_attribute("title"))) for mark in marks)
    assert {"↵"} <= {mark.text.strip() for mark in marks}


def test_keys_reach_the_features_and_the_matrix(driver: Any, tmp_path: Path) -> None:
    from selenium.webdriver import Keys
    from selenium.webdriver.support.ui import WebDriverWait

    open_html(driver, tmp_path, a_page(examples=200))
    press(driver, Keys.TAB)
    assert driver.execute_script("return document.activeElement.className") == "skip"
    press(driver, Keys.ENTER)
    assert focused(driver) == "features"
    driver.execute_script("document.querySelector('.scroll').focus()")
    press(driver, Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    WebDriverWait(driver, 10).until(  # a browser scrolls when it next draws
        lambda found: found.execute_script("return document.querySelector('.scroll').scrollLeft") > 0
    )


def test_a_feature_without_a_label_has_its_number_once(opened: Any) -> None:
    lines = [element.text for element in opened.find_elements("css selector", "summary")]
    assert any(re.match(r"22 numbers among", line) for line in lines)
    bare = [line for line in lines if line.startswith("feature ")]
    assert bare and all(re.match(r"feature \d+ among", line) for line in bare)
    opened.execute_script("document.querySelector('details').open = true")
    assert "the kitchen (30)" in opened.find_element("tag name", "table").text


def test_themes_are_readable(opened: Any) -> None:
    opened.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
    opened.execute_script(
        """
        const quote = document.querySelector("blockquote");
        for (const side of "ab") for (let step = 1; step < 9; step++) {
          const mark = document.createElement("mark");
          mark.className = `${side}${step}`;
          mark.textContent = "word";
          quote.append(mark, " ");
        }
        """
    )
    assert opened.execute_script(CONTRAST) == []
    dark(opened, True)
    assert opened.execute_script(CONTRAST) == []
    dark(opened, False)


def test_screenshots(opened: Any, tmp_path: Path) -> None:
    for width, theme in ((1280, "light"), (1280, "dark"), (390, "light")):
        dark(opened, theme == "dark")
        opened.execute_script("document.querySelectorAll('details').forEach((d, at) => d.open = at < 2)")
        narrowed(opened, width, 700)  # low, or the height of a page is at least the window's
        narrowed(opened, width, opened.execute_script("return document.documentElement.scrollHeight"))
        path = Path(SHOTS or tmp_path) / f"matrix-{width}-{theme}.png"
        assert opened.save_screenshot(str(path))
    dark(opened, False)
    opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
