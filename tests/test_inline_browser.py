"""A page in a notebook's frame, in a real browser: its links stay within it, and nothing is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from page_helpers import asked_for, driver, needs_browser, open_html
from test_diff_page import a_page

from saetext.report.html.differences import render_diff_page
from saetext.report.html.inline import InlinePage

__all__ = ["driver"]  # the fixture
pytestmark = needs_browser

POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'"


def notebook(inline: InlinePage) -> str:
    return f'<!doctype html><title>notebook</title><p id="own">notebook</p>{inline._repr_html_()}'


def within(driver: Any, true: Any) -> None:
    from selenium.webdriver.support.wait import WebDriverWait

    WebDriverWait(driver, 5).until(lambda _: true())


@pytest.mark.parametrize("kind", ["a page that is made", "a page without scripts"])
def test_a_link_within_the_page_stays_within_it(driver: Any, tmp_path: Path, kind: str) -> None:
    if kind == "a page that is made":
        shown = InlinePage(render_diff_page(a_page()), 300, "t")
    else:
        filling = "<p>word</p>" * 300
        shown = InlinePage(
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n<title>t</title></head>\n'
            f'<body><a href="#f3">go</a>{filling}<p id="f3">there</p></body></html>',
            300, "t",
        )  # fmt: skip
    open_html(driver, tmp_path, notebook(shown))
    asked_for(driver)
    driver.switch_to.frame(0)
    link = driver.find_element("css selector", 'a[href^="#"]')
    target = link.get_dom_attribute("href")[1:]
    driver.execute_script("arguments[0].focus()", link)
    link.send_keys("\n")
    assert not driver.find_elements("id", "own"), "the notebook was loaded into its own frame"
    assert driver.find_elements("id", target)
    assert driver.execute_script("return location.href") == f"about:srcdoc#{target}"
    if kind == "a page without scripts":
        within(driver, lambda: driver.execute_script("return scrollY") > 3000)
    assert asked_for(driver) == []
    driver.switch_to.default_content()
    assert driver.find_elements("id", "own")
