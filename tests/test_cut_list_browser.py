"""A list cut to its first findings, in a real browser: the filter searches all, and a button shows them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from found_element import Found
from page_helpers import (
    CONTRAST,
    HOSTILE,
    SHOTS,
    asked_for,
    choose,
    count,
    dark,
    driver,
    needs_browser,
    open_html,
    press,
)
from test_diff_page import a_row
from test_diff_page_browser import realistic_page
from test_pair_page_browser import realistic_page as realistic_pairs

from saetext.report.html.differences import render_diff_page
from saetext.report.html.page_model import DiffPage, Finding
from saetext.report.html.pair_page import render_pair_page

__all__ = ["driver"]  # the fixture
pytestmark = needs_browser

OPENED, CARDS, LISTED, TOTAL = 5, 12, 60, 77
SHOWN = "[...document.querySelectorAll('.card')].filter((card) => card.offsetParent).map((card) => card.id)"


def small(at: int) -> Finding:
    """Return a finding that has a line: those of odd numbers are confirmed, and the last is the largest."""
    diff = -0.9 if at == LISTED - 1 else 0.03 / (at + 1)
    row = a_row(
        label=f"smaller difference {at + 1}", kind="word", label_score=None, diff=diff, ci_low=diff - 0.01,
        ci_high=diff + 0.01, confirmed=at % 2 == 0, explained_by_length="no", adjusted_diff=None, group="",
    )  # fmt: skip
    return Finding(row, also=(f"the phrase “so {at + 1} it is”",) if at % 3 else (), brief=True)


def cut_page(**more: Any) -> DiffPage:
    page = realistic_page()
    lines = [small(at) for at in range(CARDS, LISTED)]
    whole = dataclasses.replace(page, findings=[*page.findings, *lines], opened=OPENED, total=TOTAL)
    return dataclasses.replace(whole, **more)


@pytest.fixture
def opened(driver: Any, tmp_path: Path) -> Iterator[Any]:
    open_html(driver, tmp_path, render_diff_page(cut_page()))
    yield driver
    assert driver.get_log("browser") == []
    assert {Path(url).name for url in asked_for(driver)} == {"page.html"}


def shown(driver: Any) -> list[str]:
    return list(driver.execute_script(f"return {SHOWN}"))


def first(n: int) -> list[str]:
    return [f"f{number}" for number in range(1, n + 1)]


def test_the_cut_is_said_at_the_list_and_a_button_shows_all(opened: Any) -> None:
    from selenium.webdriver import Keys

    assert shown(opened) == first(OPENED)
    assert count(opened) == f"{OPENED} of {TOTAL} shown; the filter searches all on this page"
    left = Found(opened, "#left").text
    assert left.startswith(f"{TOTAL - LISTED} of the {TOTAL} findings are not on this page")
    assert Found(opened, "#rest").text == Found(opened, "#more").text == f"Show all {LISTED}"
    # the list follows the count, and the button stands between them, for who uses no mouse too
    opened.execute_script("document.getElementById('sort').focus()")
    for _ in range(9):
        press(opened, Keys.TAB)
        if opened.execute_script("return document.activeElement.id") == "more":
            break
    press(opened, Keys.ENTER)
    assert shown(opened) == first(LISTED) and count(opened) == f"{LISTED} of {TOTAL} shown"
    assert opened.execute_script("return document.activeElement.id") == "more"
    assert Found(opened, "#more").text == f"Show the first {OPENED}"
    assert not opened.find_element("id", "rest").is_displayed()
    press(opened, Keys.SPACE)
    assert shown(opened) == first(OPENED)


def test_after_the_button_at_the_end_one_reads_on(opened: Any) -> None:
    from selenium.webdriver import Keys

    opened.execute_script("document.getElementById('rest').focus()")
    press(opened, Keys.ENTER)
    assert len(shown(opened)) == LISTED
    assert opened.execute_script("return document.activeElement.id") == f"f{OPENED + 1}"
    press(opened, "j")
    assert opened.execute_script("return document.activeElement.id") == f"f{OPENED + 2}"


def test_the_filter_searches_what_is_not_shown(opened: Any) -> None:
    from selenium.webdriver import Keys

    press(opened, "/", "difference 37")
    assert shown(opened) == ["f37"] and count(opened) == f"1 of {TOTAL} shown"
    line = Found(opened, "#f37").text
    assert "smaller difference 37" in line and "+0.08 · A 41.2 % · B 10.0 % · q 3×10⁻⁹ · confirmed" in line
    press(opened, Keys.ESCAPE, "so 41 it")  # a name that says the same
    assert shown(opened) == ["f41"]
    press(opened, Keys.ESCAPE, "smaller")  # a search is not cut
    assert len(shown(opened)) == LISTED - CARDS
    assert not opened.find_element("id", "more").is_displayed()
    press(opened, Keys.ESCAPE)
    assert shown(opened) == first(OPENED)


def test_what_is_cut_is_what_comes_last_as_it_is_sorted(opened: Any) -> None:
    choose(opened, "sort", "size")
    assert shown(opened)[0] == f"f{LISTED}" and len(shown(opened)) == OPENED
    choose(opened, "sort", "given")
    assert shown(opened) == first(OPENED)
    opened.find_element("id", "confirmed").click()
    sure = 10 + (LISTED - CARDS) // 2
    assert count(opened).startswith(f"{OPENED} of the {sure} that match, of {TOTAL}, shown; the filter")
    Found(opened, "#rest").click()
    assert len(shown(opened)) == sure


def test_what_leads_to_a_finding_shows_it(opened: Any) -> None:
    assert opened.find_elements("css selector", ".lines .off") == [], "what is cut is no less found"
    opened.find_element("css selector", '.lines a[href="#f8"]').click()
    assert "f8" in shown(opened) and opened.execute_script("return document.activeElement.id") == "f8"
    opened.refresh()
    assert shown(opened) == first(OPENED)
    opened.execute_script("location.hash = '#f44'")
    Found(opened, "#f44")
    assert opened.execute_script("return document.activeElement.id") == "f44"


def test_without_a_script_all_is_there(opened: Any) -> None:
    opened.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        opened.refresh()
        lines = opened.find_elements("css selector", ".card.brief")
        assert len(lines) == LISTED - CARDS and lines[-1].is_displayed()
        assert count(opened) == f"{LISTED} of {TOTAL} shown"
        assert not opened.find_element("id", "more").is_displayed()
    finally:
        opened.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_a_page_that_shows_all_has_no_button(driver: Any, tmp_path: Path) -> None:
    open_html(driver, tmp_path, render_diff_page(cut_page(opened=None, total=0)))
    assert shown(driver) == first(LISTED) and count(driver) == f"{LISTED} of {LISTED} shown"
    assert not any(driver.find_element("id", name).is_displayed() for name in ("more", "rest"))
    assert driver.find_elements("id", "left") == []


def test_hostile_lines_run_nothing(driver: Any, tmp_path: Path) -> None:
    lines = [dataclasses.replace(small(at), also=(HOSTILE,)) for at in range(30)]
    lines = [dataclasses.replace(one, row={**one.row, "label": HOSTILE, "kind": HOSTILE}) for one in lines]
    open_html(driver, tmp_path, render_diff_page(cut_page(findings=lines)))
    Found(driver, "#more").click()
    assert len(shown(driver)) == 30 and HOSTILE[:20] in Found(driver, "#f20").text
    assert driver.execute_script("return window.pwned === undefined && document.images.length === 0")
    assert {Path(url).name for url in asked_for(driver)} == {"page.html"}


@pytest.mark.parametrize("width", [390, 1200])
def test_lines_are_readable_on_a_telephone_and_a_desktop(opened: Any, width: int, tmp_path: Path) -> None:
    size = {"width": width, "height": 844, "deviceScaleFactor": 1, "mobile": False}
    opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        opened.execute_script("document.getElementById('findings').scrollIntoView()")
        for shade in (False, True):
            dark(opened, shade)
            opened.save_screenshot(str(Path(SHOTS or tmp_path) / f"cut-{width}-{shade}.png"))
        Found(opened, "#more").click()
        assert opened.execute_script("return document.documentElement.scrollWidth") <= width
        for shade in (True, False):
            dark(opened, shade)
            assert opened.execute_script(CONTRAST) == []
            opened.execute_script("document.getElementById('f13').scrollIntoView()")
            opened.save_screenshot(str(Path(SHOTS or tmp_path) / f"all-{width}-{shade}.png"))
    finally:
        opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_each_part_of_a_page_of_pairs_is_cut(driver: Any, tmp_path: Path) -> None:
    page = realistic_pairs()
    avoided = [one for one in page.findings if one.row.get("npmi", 0.0) < 0]  # type: ignore[operator]
    attracted = [one for one in page.findings if one not in avoided]
    lines = [
        dataclasses.replace(
            attracted[0], members=(), examples=(), brief=True,
            row={**attracted[0].row, "label_a": f"weaker {at}", "name_a": None},
        )
        for at in range(40)
    ]  # fmt: skip
    findings = [*attracted, *lines, *avoided]
    page = dataclasses.replace(page, findings=findings, opened=2, total=len(findings))
    open_html(driver, tmp_path, render_pair_page(page))
    # what is cut is still drawn in the network
    assert driver.find_elements("css selector", ".edge.off") == []
    far = len(attracted) + len(lines)
    assert shown(driver) == ["f1", "f2", f"f{far + 1}", f"f{far + 2}"]
    assert count(driver) == f"{len(shown(driver))} of {len(findings)} shown; the filter searches all"
    press(driver, "/", "weaker 31")
    assert shown(driver) == [f"f{len(attracted) + 32}"] and "together" in Found(driver, ".card.brief").text
    driver.execute_script("document.getElementById('filter').value = ''")
    choose(driver, "sort", "q")
    Found(driver, "#rest").click()
    assert len(shown(driver)) == len(findings)
    assert Found(driver, "#more").text == "Show the first 2 of each"
    assert driver.get_log("browser") == []
