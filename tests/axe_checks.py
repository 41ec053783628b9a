"""axe-core on a page that a browser shows: what screen readers, keyboards and weak eyes would stumble over.

A helper for tests, not a test. The script is that of the package axe-playwright-python, of which nothing else
is used: it is read, not imported, and Playwright need not be there. Without it such tests are skipped.
"""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from page_helpers import SHOTS, dark

PACKAGE = "axe_playwright_python"
#: Width and whether dark: a desk and a phone, by day and by night.
VIEWS = ((1280, False), (1280, True), (390, False), (390, True))
#: By day all rules of WCAG 2.2 AA and of good practice, by night those of colours: nothing else changes then.
BY_DAY = {
    "type": "tag",
    "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
}
BY_NIGHT = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
#: Style sheets from elsewhere are not fetched (``preload``): no page has one, and every page forbids them.
RUN = """
const [only, but, done] = arguments;
const excused = (rule, node) => but[rule] && document.querySelector(node.target.at(-1))?.matches(but[rule]);
axe.run(document, {runOnly: only, resultTypes: ["violations"], preload: false}).then(
  ({violations, passes}) => done({
    passed: passes.map((rule) => rule.id),
    faults: violations.flatMap((rule) => rule.nodes.filter((node) => !excused(rule.id, node)).map((node) =>
      `${rule.id} (${rule.impact}): ${node.target.join(" ")}: ${node.html.slice(0, 160)}: `
      + node.failureSummary.replaceAll("\\n", " "))),
  }),
  (error) => done({passed: [], faults: [`axe failed: ${error}`]}));
"""


@functools.cache
def script() -> str:
    """Return the text of axe-core, or skip the test."""
    found = importlib.util.find_spec(PACKAGE)
    if found is None or not found.submodule_search_locations:
        pytest.skip(f"{PACKAGE.replace('_', '-')} is not installed")
    return Path(found.submodule_search_locations[0], "axe.min.js").read_text("utf-8")


def checked(
    driver: Any, rules: Mapping[str, Any] = BY_DAY, but: Mapping[str, str] | None = None
) -> tuple[list[str], set[str]]:
    """Return the faults of the page as it is now, and the rules that something on it kept.

    ``but`` has, for a rule, a selector of the elements that need not keep it.
    """
    text = script()
    driver.set_script_timeout(120)
    if not driver.execute_script("return Boolean(window.axe)"):
        driver.execute_script(text)
    found = driver.execute_async_script(RUN, rules, but or {})
    return found["faults"], set(found["passed"])


def resized(driver: Any, width: int) -> None:
    view = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", view)


def accessible(driver: Any, name: str, but: Mapping[str, str] | None = None) -> None:
    """See that axe finds no fault on the page in any view, and that it looked."""
    try:
        for width, night in VIEWS:
            resized(driver, width)
            dark(driver, night)
            if SHOTS:
                theme = "dark" if night else "light"
                driver.save_screenshot(str(Path(SHOTS) / f"axe-{name}-{width}-{theme}.png"))
            faults, passed = checked(driver, BY_NIGHT if night else BY_DAY, but)
            assert not faults, "\n".join([f"{name}, {width} px, {'dark' if night else 'light'}:", *faults])
            looked = {"color-contrast"} if night else {"color-contrast", "document-title", "region"}
            assert looked <= passed, (name, width, night)
    finally:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        dark(driver, False)
