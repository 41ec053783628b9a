"""A static copy in a real browser, from the disk and from a plain web server: read, searched and sorted."""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axe_checks import accessible
from found_element import Found
from page_helpers import CONTRAST, HOSTILE, asked_for, dark, driver, needs_browser
from test_explore import hostile
from test_explore_browser import all_of, one_of, size, text_of, until

from saetext.corpus import Corpus
from saetext.report.explore.copying import write_copy
from saetext.report.explore.loaded import Loaded
from saetext.report.explore.queries.counts import counts_of

__all__ = ["driver", "hostile"]  # the fixtures
pytestmark = needs_browser


class Quiet(SimpleHTTPRequestHandler):
    """Serves files and says nothing."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def gentle(explored_examples: Path) -> Corpus:
    return Corpus.open(explored_examples / "examples" / "gentle.jsonl.corpus")


@pytest.fixture(scope="module")
def copy(gentle: Corpus, hostile: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copied") / "copy"
    corpora = {"gentle": gentle, f"worse {HOSTILE}": hostile}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("saetext.report.explore.copied_feature.MOST", 4)
        return write_copy(Loaded(corpora, reads=False), folder, kinds=("read", "features", "themes")).parent


@pytest.fixture(params=["disk", "server"])
def base(request: pytest.FixtureRequest, copy: Path) -> Iterator[str]:
    if request.param == "disk":
        yield f"{copy.as_uri()}/"
        return
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=copy)) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join(10)


@pytest.fixture
def at(driver: Any, base: str) -> Iterator[Any]:
    """Open the first page; see afterwards that nothing was reported and no file elsewhere was asked for."""
    size(driver, 1280, 900)
    dark(driver, False)
    for kind in ("browser", "performance"):
        driver.get_log(kind)
    driver.get(base + "index.html")
    yield driver
    assert [url for url in asked_for(driver) if not url.startswith(base)] == []
    assert driver.execute_script("return window.pwned") is None
    told = [entry["message"] for entry in driver.get_log("browser")]
    assert [line for line in told if "favicon" not in line] == []  # which a browser asks a server for
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def seen(driver: Any, selector: str) -> list[Any]:
    """Return the elements that are shown, asking once: a table has 2,000 lines."""
    shown = "return [...document.querySelectorAll(arguments[0])].filter(one => one.checkVisibility())"
    return list(driver.execute_script(shown, selector))


def test_documents_are_read_searched_and_narrowed_to_a_feature(at: Any, gentle: Corpus) -> None:
    driver = at
    driver.find_element("link text", "Read gentle").click()
    assert text_of(driver, "#count") == "150 of 150 documents"
    assert len(seen(driver, "#documents > li")) == 25
    first = seen(driver, "#documents > li")[0]
    assert gentle.ids[0].as_py() in first.text and first.find_elements("css selector", "blockquote mark")
    Found(driver, "#more").click()
    assert len(seen(driver, "#documents > li")) == 50
    Found(driver, "#search").send_keys("SORRY")
    texts = [gentle.whole.document(row)["text"] for row in range(gentle.n_documents)]
    prompts = [gentle.whole.document(row)["prompt"] or "" for row in range(gentle.n_documents)]
    wanted = sum("sorry" in f"{text}\n{asked}".lower() for text, asked in zip(texts, prompts, strict=True))
    until(lambda: text_of(driver, "#count") == f"{wanted} of 150 documents")
    assert 1 < wanted < 25 and len(seen(driver, "#documents > li")) == wanted
    one_of(driver, "#search").clear()
    Found(driver, "#search").send_keys("nothing like this")
    until(lambda: text_of(driver, "#count").startswith("0 of"))
    one_of(driver, "#search").clear()
    Found(driver, "#search").send_keys(" ")
    until(lambda: text_of(driver, "#count").startswith("150 of"))
    chip = seen(driver, ".chips a")[0]
    href, label = chip.get_attribute("href"), chip.text
    feature = re.search(r"#f=(\d+)$", href)[1]  # type: ignore[index]
    chip.click()
    until(lambda: label in text_of(driver, "#count"))
    having = all_of(driver, f'#documents > li[data-features~="{feature}"]')
    assert text_of(driver, "#count").startswith(f"{len(having)} of 150 ")
    assert all(one.find_elements("css selector", ".chips a.on") for one in seen(driver, "#documents > li"))
    Found(driver, "#whole").click()
    assert text_of(driver, "#count").startswith("150 of") and "#f=" not in driver.current_url


def test_features_are_sorted_searched_and_lead_to_documents(at: Any, gentle: Corpus) -> None:
    driver = at
    driver.find_element("link text", "Features of gentle").click()
    assert text_of(driver, "#count") == "2,000 of 2,000 features" and len(seen(driver, "tbody tr")) == 100
    present = int((counts_of(gentle, gentle.saes[0]).support > 0).sum())
    assert f"{present:,} of 4,096 features" in text_of(driver, ".summary")
    assert "others are left out" in text_of(driver, ".summary")
    documents = (
        "return [...document.querySelectorAll('tbody tr:not([hidden]) [data-name=documents]')]"
        ".map(cell => Number(cell.dataset.is))"
    )
    Found(driver, "th[data-by=documents] button").click()
    shown = driver.execute_script(documents)
    assert shown == sorted(shown, reverse=True) and shown[0] > shown[-1]
    assert one_of(driver, "th[data-by=documents]").get_attribute("aria-sort") == "descending"
    Found(driver, "th[data-by=documents] button").click()
    shown = driver.execute_script(documents)
    assert shown == sorted(shown) and one_of(driver, "[aria-sort]").get_attribute("aria-sort") == "ascending"
    Found(driver, "th[data-by=label] button").click()
    labels = [one.text.lower() for one in seen(driver, "tbody td.label bdi")]
    assert len(labels) == 100 and labels[0] <= labels[50] <= labels[-1]
    Found(driver, "#search").send_keys("Sorry")
    until(lambda: not text_of(driver, "#count").startswith("2,000"))
    rows = seen(driver, "tbody tr")
    assert rows and all("sorry" in row.text.lower() for row in rows)
    assert text_of(driver, "#count").startswith(f"{len(rows)} of")
    link = one_of(driver, "tbody tr:not([hidden]) td.label a.soft")
    told = int(link.text.split()[0])
    link.click()
    until(lambda: "#f=" in driver.current_url)
    assert text_of(driver, "#count").startswith(f"{told} of 150 documents have this")


def test_a_feature_leads_to_its_page_and_its_passages_to_documents(at: Any, gentle: Corpus) -> None:
    driver = at
    driver.find_element("link text", "Features of gentle").click()
    first = one_of(driver, "tbody td.label a:not(.soft)")
    label, address = first.text, first.get_attribute("href")
    first.click()
    until(lambda: driver.current_url == address)
    assert text_of(driver, "h1").startswith(label)
    feature = int(re.search(r"(\d+)\.html$", address)[1])  # type: ignore[index]
    support = len(gentle.postings(gentle.saes[0]).documents(feature)[0])
    assert f"{support} of 150 documents have it" in text_of(driver, "header")
    assert len(all_of(driver, ".contexts blockquote mark")) >= 5
    document = one_of(driver, ".contexts a")
    name = document.text
    document.click()
    until(lambda: "#d=" in driver.current_url)
    assert text_of(driver, "#count").startswith("1 of 150")
    assert [one.text for one in seen(driver, "#documents > li h2")] == [name]
    Found(driver, "#whole").click()
    assert len(seen(driver, "#documents > li")) == 25
    driver.get(driver.current_url.split("#")[0] + f"#f={feature}")
    driver.refresh()
    page = one_of(driver, "#page")
    assert page.is_displayed() and page.get_attribute("href") == address
    driver.back()


def test_themes_are_searched_and_lead_to_features(at: Any) -> None:
    driver = at
    driver.find_element("link text", "Themes of gentle").click()
    assert text_of(driver, "#count") == "146 of 146 themes"
    one_of(driver, "#search").send_keys("asking for pardon")
    until(lambda: text_of(driver, "#count") == "1 of 146 themes")
    assert "Apology and regret" in text_of(driver, "tbody tr:not([hidden])")
    one_of(driver, "#search").clear()
    one_of(driver, "#search").send_keys(" ")
    until(lambda: text_of(driver, "#count").startswith("146"))
    Found(driver, '[data-by="features here"] button').click()
    numbers = [int(one.get_attribute("data-is")) for one in seen(driver, "tbody td.number")]
    assert numbers == sorted(numbers, reverse=True) and numbers[0] > numbers[-1]


PAGES = (
    *("index", "Read gentle", "Read worse", "Features of gentle", "Features of worse", "Themes of gentle"),
    *("one of gentle", "one of worse"),
)
SEVERAL = "document.querySelectorAll('#documents > li, tbody tr')"


@pytest.mark.slow
@pytest.mark.parametrize("base", ["disk"], indirect=True)
@pytest.mark.parametrize("page", PAGES)
def test_every_page_can_be_read(at: Any, page: str) -> None:
    driver = at
    if page.startswith("one"):
        driver.find_element("partial link text", page.replace("one", "Features")).click()
        Found(driver, "tbody td.label a:not(.soft)").click()
    elif page != "index":
        driver.find_element("partial link text", page).click()
        # axe takes long over what repeats
        driver.execute_script(f"for (const one of [...{SEVERAL}].slice(6)) one.remove()")
    for width, on in ((1280, False), (1280, True), (390, False), (390, True)):
        size(driver, width, 844)
        dark(driver, on)
        spare = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert driver.execute_script(spare) <= 0, (width, on)
        assert driver.execute_script(CONTRAST) == [], (width, on)
    assert driver.find_elements("css selector", "img, iframe") == []
    accessible(driver, f"copy-{page.replace(' ', '-')}")


def test_without_a_script_all_is_there(driver: Any, copy: Path, gentle: Corpus) -> None:
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        [read] = copy.glob("*-read-gentle.html")
        driver.get(read.as_uri())
        assert not one_of(driver, "#search").is_displayed()
        assert len(all_of(driver, "#documents > li")) == gentle.n_documents
        [features] = copy.glob("*-features-gentle.html")
        driver.get(features.as_uri())
        assert len(all_of(driver, "tbody tr")) == 2000
        [themes] = copy.glob("*-themes-gentle.html")
        driver.get(themes.as_uri())
        assert len(all_of(driver, "tbody tr")) == 146
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_texts_of_a_copy_are_those_of_the_corpus(driver: Any, copy: Path, gentle: Corpus) -> None:
    [read] = copy.glob("*-read-gentle.html")
    driver.get(read.as_uri())
    texts = driver.execute_script(
        "return [...document.querySelectorAll('#documents blockquote')].map(e => e.textContent)"
    )
    expected = [gentle.whole.document(row)["text"] for row in np.arange(gentle.n_documents).tolist()]
    assert texts == expected
