"""The page of an evaluated shift in a real browser: nothing runs or is asked for, it fits, it can be read."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from page_helpers import CONTRAST, HOSTILE, SHOTS, asked_for, dark, driver, needs_browser, open_html
from shift_factory import GROUPS
from test_matrix_page_browser import WIDTHS, narrowed
from test_shift_shown import evaluated

from saetext.report.html.shift_page import render_shift_page

__all__ = ["driver"]  # the fixture
pytestmark = needs_browser


def a_page(group: str = "north") -> str:
    """The page of an evaluation, one of whose groups is called ``group``."""
    made = evaluated()
    old = f"north {HOSTILE}"
    put = {old: group}
    return render_shift_page(
        dataclasses.replace(
            made,
            groups=made.groups.with_columns(pl.col("group").replace(put)),
            across=made.across.with_columns(pl.col("group").replace(put), pl.col("shift").replace(put)),
            features=made.features.with_columns(
                pl.col("group").replace(put),
                label=pl.lit("questions and what is asked" if group == "north" else group),
            ),
            notes=tuple(note for note in made.notes if group != "north" or HOSTILE not in note),
        )
    )


@pytest.fixture
def opened(driver: Any, tmp_path: Path) -> Iterator[Any]:
    open_html(driver, tmp_path, a_page())
    yield driver
    assert driver.get_log("browser") == []


def test_it_loads_whole_and_asks_for_nothing(opened: Any, tmp_path: Path) -> None:
    assert asked_for(opened) == [(tmp_path / "page.html").as_uri()] * 2  # opened twice
    tables = opened.find_elements("css selector", "table")
    assert len(tables) >= 4 and all(table.is_displayed() for table in tables)
    for row in evaluated().table.to_dicts():
        [line] = [e for e in tables[0].find_elements("tag name", "tr") if e.text.startswith(row["arm"])]
        assert f"{row['alignment']:.3f}" in line.text


def test_each_group_s_own_cell_is_marked_and_each_column_shaded(opened: Any) -> None:
    cells = opened.execute_script(
        """
        return [...document.querySelectorAll(".across tbody tr")].map(row =>
          [...row.querySelectorAll("td")].map(cell => [
            Number(cell.textContent), cell.classList.contains("own"), getComputedStyle(cell).backgroundColor,
          ]));
        """
    )
    n = len(GROUPS)
    assert len(cells) == n and all(len(row) == n for row in cells)
    assert [[own for _, own, _ in row] for row in cells] == [[i == j for j in range(n)] for i in range(n)]
    for j in range(n):
        column = sorted((row[j] for row in cells), key=lambda cell: cell[0])
        if column[0][0] < column[-1][0]:
            assert column[0][2] != column[-1][2]


def test_hostile_names_do_nothing(driver: Any, tmp_path: Path) -> None:
    open_html(driver, tmp_path, a_page(HOSTILE))
    assert driver.execute_script("return window.pwned") is None
    assert driver.find_elements("css selector", "img, script, iframe") == []
    assert asked_for(driver) == [(tmp_path / "page.html").as_uri()] * 2
    assert "{{ 7*7 }}" in driver.find_element("tag name", "body").text
    assert driver.get_log("browser") == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("group", ["north", "W" * 200, "people who live in the far north " * 6])
def test_nothing_overflows(driver: Any, tmp_path: Path, width: int, group: str) -> None:
    """Tables that are wider than the window scroll by themselves; the page does not."""
    open_html(driver, tmp_path, a_page(group))
    narrowed(driver, width)
    try:
        assert driver.execute_script("return document.documentElement.scrollWidth") <= width
        wide = driver.execute_script(
            """
            return [...document.querySelectorAll("body *")].filter(e => e.checkVisibility())
              .filter(e => !e.closest(".wide") || e.matches(".wide"))
              .filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.tagName);
            """
        )
        assert wide == []
        hidden = driver.execute_script(
            """
            return [...document.querySelectorAll(".wide")]
              .filter(e => e.scrollWidth > e.clientWidth && getComputedStyle(e).overflowX !== "auto").length;
            """
        )
        assert hidden == 0
    finally:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert driver.get_log("browser") == []


def test_themes_are_readable(opened: Any) -> None:
    assert opened.execute_script(CONTRAST) == []
    dark(opened, True)
    assert opened.execute_script(CONTRAST) == []
    dark(opened, False)


def test_screenshots(opened: Any, tmp_path: Path) -> None:
    for width, theme in ((1280, "light"), (1280, "dark"), (390, "light")):
        dark(opened, theme == "dark")
        narrowed(opened, width, 700)
        narrowed(opened, width, opened.execute_script("return document.documentElement.scrollHeight"))
        path = Path(SHOTS or tmp_path) / f"shift-{width}-{theme}.png"
        assert opened.save_screenshot(str(path))
    dark(opened, False)
    opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
