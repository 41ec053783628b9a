"""What tests of pages share: hostile text, what a browser would make of a page, and a real browser.

A helper for tests, not a test. Import the fixture ``driver`` and mark tests with ``needs_browser``.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

HOSTILE = (
    "</style></script><script>window.pwned=1;alert(1)</script><img src=//evil.example/x onerror=alert(1)>"
    "{{ 7*7 }}\x1b[31m\u202e&\"'"
)


class Page(HTMLParser):
    """What a browser would make of a page: its elements, text and marked tokens."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.marked: list[tuple[str, str]] = []
        self._open: list[str] = []
        self._mark = ""
        self.feed(html)
        assert self._open == [], "every element is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "mark":
            self._mark = str(dict(attrs)["class"])
        if tag not in ("meta", "input", "link", "br"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        if tag == "mark":
            self._mark = ""

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self._open):
            self.text += data
        if self._mark and data.strip():
            self.marked.append((data, self._mark))

    def count(self, tag: str, name: str = "") -> int:
        return sum(t == tag and name in ["", *str(a.get("class")).split(" ")] for t, a in self.tags)


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
MISSING = [name for name, path in (("Chromium", CHROMIUM), ("chromedriver", DRIVER)) if path is None]
needs_browser = pytest.mark.skipif(bool(MISSING), reason=f"no {' and no '.join(MISSING)} on the path")

SHOTS = os.environ.get("SAETEXT_SHOTS")  # a folder: then screenshots of the page go there


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    folder = tmp_path_factory.mktemp("chromium")
    for argument in (
        *("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run"),
        *("--disable-background-networking", "--window-size=1200,900", f"--user-data-dir={folder}"),
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with webdriver.Chrome(options, webdriver.ChromeService(DRIVER)) as browser:
        yield browser


def open_html(driver: Any, folder: Path, html: str) -> None:
    """Open a page in a window of the usual size and theme, with nothing stored and nothing reported."""
    path = folder / "page.html"
    path.write_text(html, "utf-8")
    for kind in ("browser", "performance"):
        driver.get_log(kind)
    driver.set_window_size(1200, 900)
    dark(driver, False)
    driver.get(path.as_uri())
    driver.execute_script("try { localStorage.clear(); } catch {}")
    driver.get(path.as_uri())


def asked_for(driver: Any) -> list[str]:
    """Return the addresses that were asked for since the page was opened, but the browser's own."""
    events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    asked = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    return [url for url in asked if not url.startswith(("chrome:", "data:"))]


def dark(driver: Any, on: bool) -> None:
    features = [{"name": "prefers-color-scheme", "value": "dark" if on else "light"}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def press(driver: Any, *keys: str) -> None:
    from selenium.webdriver import ActionChains

    ActionChains(driver).send_keys(*keys).perform()


def choose(driver: Any, control: str, value: str) -> None:
    from selenium.webdriver.support.select import Select

    Select(driver.find_element("id", control)).select_by_value(value)


def focused(driver: Any) -> str:
    return str(driver.execute_script("return document.activeElement.id"))


def count(driver: Any) -> str:
    return str(driver.find_element("id", "count").text)


CONTRAST = """
const rgba = (text) => { const n = text.match(/[\\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n; };
const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
  .map((v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
  .reduce((sum, v, at) => sum + v * [.2126, .7152, .0722][at], 0);
const ground = (element) => {
  const layers = [];
  for (let at = element; at; at = at.parentElement) layers.push(rgba(getComputedStyle(at).backgroundColor));
  const over = (under, [r, g, b, a]) => [r, g, b].map((v, i) => v * a + under[i] * (1 - a));
  return layers.reverse().reduce(over, [255, 255, 255]);
};
const poor = [];
for (const element of document.querySelectorAll("body *")) {
  const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  if (!own || !element.checkVisibility() || element.closest("svg, script, .skip, .off, .scale")) continue;
  const one = light(rgba(getComputedStyle(element).color)), other = light(ground(element));
  const ratio = (Math.max(one, other) + .05) / (Math.min(one, other) + .05);
  const what = `${element.tagName}.${element.className} ${element.textContent.slice(0, 30)}`;
  if (ratio < 4.5) poor.push(`${ratio.toFixed(2)} ${what}`);
}
return [...new Set(poor)];
"""


# every shade gets words
ALL_SHADES = """
for (const [at, side] of ["a", "b"].entries())
  for (const mark of document.querySelectorAll(`.scale.${side} mark`)) {
    const copy = mark.cloneNode();
    copy.textContent = "word";
    document.querySelectorAll("blockquote")[at].append(copy);
  }
"""
