"""A page in a notebook's frame, in a real browser: its links stay within it, and nothing is asked for."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

import pytest
from page_helpers import asked_for, driver, needs_browser, open_html
from test_report import make_result

from saetext.report.html.inline import InlinePage

__all__ = ["driver"]  # the fixture
pytestmark = needs_browser

POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'"


def notebook(inline: InlinePage) -> str:
    return f'<!doctype html><title>notebook</title><p id="own">notebook</p>{inline._repr_html_()}'


@pytest.mark.parametrize("kind", ["a page that is made", "a page without scripts"])
def test_a_link_within_the_page_stays_within_it(driver: Any, tmp_path: Path, kind: str) -> None:
    if kind == "a page that is made":
        shown = make_result().show(height=300)
    else:
        shown = InlinePage(
            f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{html.escape(POLICY)}">\n<title>t</title>'
            '</head>\n<body><a href="#f3">go</a><div style="height:4000px"></div><p id="f3">there</p></body></html>',
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
        assert driver.execute_script("return scrollY") > 3000
    assert asked_for(driver) == []
    driver.switch_to.default_content()
    assert driver.find_elements("id", "own")
