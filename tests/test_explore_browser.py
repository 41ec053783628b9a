"""The explorer in a real browser: reading, shading, features, labels; mouse and keys, light, dark, small."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from explore_app import serving
from found_element import Found
from page_helpers import CONTRAST, HOSTILE, SHOTS, asked_for, dark, driver, focused, needs_browser, press

from saetext.corpus import Corpus
from saetext.features.labels import FeatureLabels
from saetext.report.explore.loaded import Loaded

__all__ = ["driver"]  # the fixture
pytestmark = needs_browser


@pytest.fixture(scope="module")
def corpora(encoded_examples: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Corpus]:
    """The examples, copied: labels are written into them."""
    home = tmp_path_factory.mktemp("explored")
    copies = {}
    for name in ("gentle", "brisk"):
        [found] = encoded_examples.rglob(f"{name}*.corpus")
        shutil.copytree(found, home / f"{name}.corpus")
        copies[name] = Corpus.open(home / f"{name}.corpus")
    return copies


@pytest.fixture(scope="module")
def base(corpora: dict[str, Corpus]) -> Iterator[str]:
    with serving(Loaded(corpora, reads=False)) as address:
        yield address


@pytest.fixture
def at(driver: Any, base: str) -> Iterator[Callable[[str], Any]]:
    """Open a page of the explorer; see afterwards that nothing was reported and nobody else was asked."""
    size(driver, 1280, 900)
    dark(driver, False)
    for kind in ("browser", "performance"):
        driver.get_log(kind)

    def go(url: str) -> Any:
        driver.get(base + url)
        settled(driver)
        return driver

    yield go
    assert [url for url in asked_for(driver) if not url.startswith(base)] == []
    assert [entry["message"] for entry in driver.get_log("browser")] == []
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def size(driver: Any, width: int, height: int) -> None:
    view = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", view)


def until(true: Callable[[], object], seconds: float = 30.0) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.03)


def settled(driver: Any) -> None:
    waits = "return document.querySelectorAll('[data-load], [aria-busy=true]').length"
    until(lambda: not driver.execute_script(waits))


def all_of(driver: Any, selector: str) -> list[Any]:
    return driver.find_elements("css selector", selector)  # type: ignore[no-any-return]


def one_of(driver: Any, selector: str) -> Any:
    return driver.find_element("css selector", selector)


def text_of(driver: Any, selector: str) -> str:
    """Return the text of the first such element, which may be replaced meanwhile."""
    return str(driver.execute_script("return document.querySelector(arguments[0])?.innerText", selector))


def test_a_text_is_searched_shaded_and_opened_to_its_words(at: Any) -> None:
    driver = at("read?corpus=gentle")
    press(driver, "/")
    press(driver, "SORRY\n")
    until(lambda: "q=SORRY" in driver.current_url)
    settled(driver)
    documents = all_of(driver, ".documents > li")
    assert 1 < len(documents) < 20
    assert one_of(driver, "#result-count").get_attribute("textContent").split()[0] == str(len(documents))
    field = one_of(driver, "input[name=shade]")
    field.send_keys("sorry\n")
    until(lambda: "shade=sorry" in driver.current_url)
    settled(driver)
    marked = all_of(driver, ".documents mark")
    assert marked and any("sorry" in mark.text.lower() for mark in marked)
    press(driver, "\ue00c")  # Escape leaves the field
    press(driver, "j")
    press(driver, "j")
    press(driver, "k")
    assert "finance" in driver.execute_script("return document.activeElement.innerText") or marked
    identity = driver.execute_script("return document.activeElement.querySelector('[data-open]').innerText")
    press(driver, "\n")
    until(lambda: "/document?" in driver.current_url)
    settled(driver)
    assert one_of(driver, "h1").text == identity
    assert all_of(driver, "#text mark") and all_of(driver, "#features tbody tr")
    driver.back()
    value = "return document.querySelector('input[name=q]')?.value"
    until(lambda: driver.execute_script(value) == "SORRY")


def test_back_and_reload_show_what_the_address_says(at: Any) -> None:
    driver = at("read?corpus=gentle")
    first = text_of(driver, ".documents [data-open]")
    press(driver, "n")
    until(lambda: "page=2" in driver.current_url)
    settled(driver)
    second = text_of(driver, ".documents [data-open]")
    assert second != first
    driver.refresh()
    settled(driver)
    assert text_of(driver, ".documents [data-open]") == second
    driver.back()
    until(lambda: text_of(driver, ".documents [data-open]") == first)


def test_a_condition_that_is_none_is_said_and_nothing_is_lost(at: Any) -> None:
    driver = at("read?corpus=gentle")
    Found(driver, "input[name=where]").send_keys("nonsense = 3\n")
    until(lambda: all_of(driver, "#failed"))
    assert "nonsense" in one_of(driver, "#failed").text
    assert all_of(driver, ".documents > li") and "where" not in driver.current_url
    driver.get_log("browser")  # Chromium reports the status 400


def test_a_passage_has_a_link(at: Any) -> None:
    driver = at("document?corpus=gentle&row=3")
    driver.execute_script(
        "const piece = document.querySelector('#text [data-from]').firstChild;"
        "getSelection().setBaseAndExtent(piece, 2, piece, 6);"
    )
    button = one_of(driver, "#link-passage")
    until(lambda: "selection" in button.text)
    link = button.get_attribute("data-copy")
    assert "from=2&to=6" in link
    driver.get(link)
    settled(driver)
    here = driver.execute_script(
        "return [...document.querySelectorAll('.here')].map(e => e.textContent).join('')"
    )
    text = driver.execute_script("return document.getElementById('text').textContent")
    assert here == text[2:6]
    # what is selected by elements, and beyond the text, is counted as well
    get = "const text = document.getElementById('text'), range = document.createRange(); "
    bounds = driver.execute_script(
        get + "return [...text.children].map(e => [Number(e.dataset.from), Number(e.dataset.to)])"
    )
    assert len(bounds) > 3
    for select, (low, high) in (
        ("range.selectNodeContents(text)", (0, bounds[-1][1])),
        ("range.selectNodeContents(text.children[1])", bounds[1]),
        ("range.setStart(text.children[1], 0); range.setEndAfter(text)", (bounds[1][0], bounds[-1][1])),
    ):
        driver.execute_script(
            f"{get}{select}; getSelection().removeAllRanges(); getSelection().addRange(range);"
        )
        link = f"from={low}&to={high}"
        until(lambda link=link: link in one_of(driver, "#link-passage").get_attribute("data-copy"), 5)


def test_what_a_search_found_is_judged_by_mouse_and_keys_and_taken_back(at: Any) -> None:
    """The list is fitted, the address has what was judged, and the button keeps the focus."""
    driver = at("read?corpus=gentle&by=property&q=an+apology&wait=1")
    first = [entry.text for entry in all_of(driver, ".documents [data-open]")]
    Found(driver, ".documents > li:nth-child(2) .judging [role=button]:last-child").click()
    Found(driver, ".judged li")
    assert "less=" in driver.current_url and "more=" not in driver.current_url
    assert text_of(driver, "#judged-title").startswith("Refitted with 0 wanted, 1 unwanted.")
    assert first[1] not in [entry.text for entry in all_of(driver, ".documents [data-open]")]
    assert driver.switch_to.active_element.get_attribute("aria-pressed") == "true"
    wanted = Found(driver, ".documents > li:first-child .judging [role=button]")
    driver.execute_script("arguments[0].focus()", wanted.element)
    press(driver, " ")
    until(lambda: "more=" in driver.current_url)
    assert text_of(driver, "#judged-title").startswith("Refitted with 1 wanted, 1 unwanted.")
    assert driver.switch_to.active_element.text == "more like this"
    Found(driver, "[name=where]").send_keys("topic = 'travel'\n")
    until(lambda: "where=" in driver.current_url)
    assert "more=" in driver.current_url and "fitted=" not in driver.current_url
    driver.back()
    until(lambda: "where=" not in driver.current_url)
    Found(driver, ".judged [aria-pressed=true]").click()
    until(lambda: "more=" not in driver.current_url)
    Found(driver, "#judged-title a").click()
    until(lambda: not all_of(driver, ".judged"))
    assert [entry.text for entry in all_of(driver, ".documents [data-open]")] == first
    field = Found(driver, "[data-search]")
    field.clear()
    field.send_keys("recipes\n")
    until(lambda: "q=recipes" in driver.current_url)
    settled(driver)
    assert not all_of(driver, ".judged")


def test_features_are_searched_as_one_types_and_opened(at: Any) -> None:
    driver = at("features?corpus=gentle")
    press(driver, "/")
    press(driver, "sorry")
    until(lambda: "q=sorry" in driver.current_url)
    settled(driver)
    assert driver.execute_script("return document.activeElement.name") == "q"  # it is still being typed in
    labels = [one.text for one in all_of(driver, "tbody [data-open]")]
    assert labels and len(labels) < 30
    choose = "const s = document.querySelector('select[name=corpus]'); s.value = 'brisk'; "
    driver.execute_script(choose + "s.dispatchEvent(new Event('change', {bubbles: true}))")
    until(lambda: "corpus=brisk" in driver.current_url)
    assert text_of(driver, "h1") == "Features of brisk"
    driver.back()
    until(lambda: text_of(driver, "h1") == "Features of gentle")
    settled(driver)
    Found(driver, "th a[href*='sort=documents']").click()
    until(lambda: "sort=documents" in driver.current_url)
    settled(driver)
    assert one_of(driver, "th[aria-sort]").text.startswith("documents")
    Found(driver, "tbody [data-open]").click()
    until(lambda: "/feature?" in driver.current_url)
    settled(driver)
    assert len(all_of(driver, ".contexts li")) >= 3
    assert all_of(driver, ".contexts mark") and len(all_of(driver, "#near li")) > 2
    before = one_of(driver, ".contexts").text
    bars = all_of(driver, ".histogram a")
    driver.execute_script(
        "arguments[0].dispatchEvent(new MouseEvent('click', {bubbles: true, cancelable: true}))", bars[0]
    )
    until(lambda: "low=" in driver.current_url)
    settled(driver)
    assert one_of(driver, ".contexts").text != before


def test_a_label_is_renamed_everywhere_at_once_and_marked_wrong(at: Any, corpora: dict[str, Corpus]) -> None:
    driver = at("feature?corpus=gentle&feature=334")
    driver.switch_to.new_window("tab")
    other = driver.current_window_handle
    driver = at("read?corpus=brisk&shade=334&order=strongest")
    driver.switch_to.window(driver.window_handles[0])
    Found(driver, ".rename summary").click()
    field = one_of(driver, "#label")
    field.clear()
    field.send_keys(f"saying sorry {HOSTILE.split('{')[0]}\n")
    until(lambda: all_of(driver, "#kept"))
    settled(driver)
    assert one_of(driver, "h1").text.startswith("saying sorry </style>")
    assert driver.execute_script("return window.pwned") is None
    for corpus in corpora.values():
        assert FeatureLabels.read(corpus.path / "labels.parquet").label(334).startswith("saying sorry")
    driver.switch_to.window(other)
    driver.refresh()
    settled(driver)
    assert "saying sorry" in one_of(driver, ".shading").text
    driver.close()
    driver.switch_to.window(driver.window_handles[0])
    Found(driver, ".rename summary").click()
    Found(driver, "button[value=wrong]").click()
    until(lambda: all_of(driver, ".note.warn"))
    assert "was marked as wrong" in one_of(driver, ".note.warn").text
    Found(driver, ".rename summary").click()
    Found(driver, "button[value=restore]").click()
    until(lambda: not all_of(driver, ".note.warn"))
    settled(driver)
    assert one_of(driver, "h1").text.startswith("sorry, pardon and sympathy")


def test_keys_are_listed_and_lead_to_the_rooms(at: Any) -> None:
    driver = at("corpora")
    press(driver, "?")
    until(lambda: driver.execute_script("return document.getElementById('keys').open"))
    assert "next, previous entry" in one_of(driver, "#keys").text
    press(driver, "\ue00c")
    until(lambda: not driver.execute_script("return document.getElementById('keys').open"))
    press(driver, "3")
    until(lambda: "/features" in driver.current_url)
    settled(driver)
    press(driver, "\t")
    assert driver.execute_script("return document.activeElement.className") == "skip"
    press(driver, "\n")
    assert focused(driver) == "main"


PAGES = (
    "corpora",
    "read?corpus=gentle&shade=334&order=strongest",
    "document?corpus=gentle&row=3",
    "features?corpus=gentle",
)
PAGES += ("features?corpus=gentle&show=themes", "feature?corpus=gentle&feature=334&by=topic", "read?page=x")


@pytest.mark.parametrize("page", PAGES)
def test_pages_can_be_read_in_both_themes_on_every_screen(at: Any, driver: Any, page: str) -> None:
    for width, on in ((1280, False), (1280, True), (390, False), (3840, False)):
        size(driver, width, 844)
        dark(driver, on)
        at(page)
        spare = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert driver.execute_script(spare) <= 0, width
        assert driver.execute_script(CONTRAST) == [], (width, on)
        if SHOTS:
            name = "".join(c if c.isalnum() else "-" for c in page)
            driver.save_screenshot(f"{SHOTS}/explore-{name}-{width}-{'dark' if on else 'light'}.png")
    unnamed = (
        "return [...document.querySelectorAll('input:not([type=hidden]), select, button')]"
        ".filter(e => !e.closest('label') && !e.textContent.trim() && !e.ariaLabel).map(e => e.outerHTML)"
    )
    assert driver.execute_script(unnamed) == []
    ids = driver.execute_script("return [...document.querySelectorAll('[id]')].map(e => e.id)")
    assert len(ids) == len(set(ids))
    assert [int(h.tag_name[1]) for h in all_of(driver, "h1, h2, h3")].count(1) == 1
    if page.endswith("=x"):
        driver.get_log("browser")  # Chromium reports the status 400


def test_without_script_there_are_links_and_forms(driver: Any, base: str) -> None:
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        driver.get(f"{base}read?corpus=gentle")
        Found(driver, "input[name=q]").send_keys("kettle")
        Found(driver, "form.ask button").click()
        until(lambda: "q=kettle" in driver.current_url)
        assert all_of(driver, ".documents > li")
        driver.get(f"{base}feature?corpus=brisk&feature=12")
        Found(driver, ".rename summary").click()
        Found(driver, "#label").send_keys(" and more")
        Found(driver, "button[value=rename]").click()
        until(lambda: all_of(driver, "#kept"))
        assert one_of(driver, "h1").text.split(" .")[0].find("and more") > 0
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
