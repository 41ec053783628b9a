"""axe-core on every kind of report page, made of plain and of hostile results."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
import test_ablate_shown
import test_bias_shown
import test_diff_page
import test_diff_page_browser
import test_feature_page
import test_heads_page_browser
import test_matrix_page_browser
import test_outcome
import test_pair_page
import test_pair_page_browser
import test_shift_page_browser
import test_steer_shown
import test_why_shown
from axe_checks import BY_NIGHT, accessible, checked, script
from map_factory import a_map, synthetic
from page_helpers import HOSTILE, driver, needs_browser, open_html
from test_map_page_browser import until

import saetext
from saetext.report.html.ablate_page import render_ablate_page
from saetext.report.html.bias_page import render_bias_page
from saetext.report.html.differences import render_diff_page
from saetext.report.html.feature_page import render_page
from saetext.report.html.heads_page import render_heads_page
from saetext.report.html.map_page import render_map_page
from saetext.report.html.outcome_page import render_outcome_page
from saetext.report.html.page_model import DiffPage
from saetext.report.html.pair_model import PairPage
from saetext.report.html.pair_page import render_pair_page
from saetext.report.html.steer_page import render_steer_page
from saetext.report.html.why_page import render_why_page

__all__ = ["driver"]  # the fixture
pytestmark = [needs_browser, pytest.mark.slow]
Page = TypeVar("Page", DiffPage, PairPage)


def few(page: Page) -> Page:
    """Return a page with its first findings: what axe does takes long, and the others are built alike."""
    return dataclasses.replace(page, findings=page.findings[:2])  # type: ignore[call-arg]


#: Every page that a command writes: its name and what makes it.
PAGES: dict[str, Callable[[], str]] = {
    "diff": lambda: render_diff_page(few(test_diff_page_browser.realistic_page())),
    "diff-hostile": lambda: render_diff_page(test_diff_page.a_page(HOSTILE)),
    "pairs": lambda: render_pair_page(few(test_pair_page_browser.realistic_page())),
    "pairs-hostile": lambda: render_pair_page(test_pair_page.a_page(HOSTILE)),
    "map": lambda: render_map_page(synthetic(200, 6, documents=True)),
    "map-hostile": lambda: render_map_page(a_map(HOSTILE)),
    "feature": lambda: render_page(test_feature_page.a_profile()),
    "feature-hostile": lambda: render_page(test_feature_page.a_profile(HOSTILE)),
    "steer": lambda: render_steer_page(test_steer_shown.result()),
    "why": lambda: render_why_page(test_why_shown.result()),
    "bias": lambda: render_bias_page(test_bias_shown.dampened()),
    "ablate": lambda: render_ablate_page(test_ablate_shown.result()),
    "matrix": lambda: test_matrix_page_browser.a_page(),
    "matrix-hostile": lambda: test_matrix_page_browser.a_page(text=HOSTILE),
    "shift": lambda: test_shift_page_browser.a_page(),
    "heads": lambda: render_heads_page(test_heads_page_browser.large()),
    "outcome": lambda: render_outcome_page(test_outcome.of_rows()[0]),
}


#: What need not keep a rule, and why.
BUT = {
    # rows of a drawing, 14 px high; the feature's own line below opens the same card and is large enough
    "matrix": {"target-size": ".names a"},
    "matrix-hostile": {"target-size": ".names a"},
}


@pytest.mark.parametrize("name", PAGES)
def test_axe_finds_nothing_on_a_report(driver: Any, tmp_path: Path, name: str) -> None:
    script()  # before anything is computed
    open_html(driver, tmp_path, PAGES[name]())
    if name.startswith("map"):
        until(lambda: driver.execute_script("return document.getElementById('stage').dataset.drawn"))
    accessible(driver, name, BUT.get(name))


FAULTY = """<!doctype html><html lang="en"><head><title>faulty</title></head><body><main><h1>A page</h1>
<p style="color: #bbb; background: #fff">faint</p><img src="data:,"><input><a href="#x"></a></main>
</body></html>"""


def test_axe_finds_what_is_wrong(driver: Any, tmp_path: Path) -> None:
    open_html(driver, tmp_path, FAULTY)
    faults, passed = checked(driver)
    assert {fault.split(" ")[0] for fault in faults} == {"color-contrast", "image-alt", "label", "link-name"}
    assert "document-title" in passed
    faults, _ = checked(driver, BY_NIGHT)
    assert {fault.split(" ")[0] for fault in faults} == {"color-contrast"}
    faults, _ = checked(driver, but={"image-alt": "img", "label": "select"})
    assert {fault.split(" ")[0] for fault in faults} == {"color-contrast", "label", "link-name"}


def test_every_page_that_is_written_is_looked_at() -> None:
    """A page that is new in the package has to be named here."""
    folder = Path(saetext.__file__).parent / "report/templates"
    whole = {path.name for path in folder.glob("*.j2") if "<!doctype" in path.read_text("utf-8")}
    whole |= {path.name for path in folder.glob("*.j2") if '{% extends "page.html.j2" %}' in path.read_text()}
    assert whole - {"page.html.j2"} == {f"{name}.html.j2" for name in PAGES if "-" not in name}
