"""The rooms Compare, Map and Collect in a real browser: a difference is opened, a set is drawn around."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from corpus_factory import make_corpus
from explore_app import serving
from found_element import Found
from page_helpers import CONTRAST, SHOTS, asked_for, dark, driver, needs_browser
from planted import WORD, WRITES
from planted import planted as planted_model
from tiny_reader import some_rows

from saetext.corpus import Corpus
from saetext.encoding.encoder import encode
from saetext.errors import InputError
from saetext.reader.reader import Reader
from saetext.report.explore.jobs import Job, state_of
from saetext.report.explore.loaded import Loaded
from saetext.report.explore.queries.mapping import Map, Question
from saetext.report.explore.writers import Writers

__all__ = ["driver"]  # the fixture
pytestmark = needs_browser
LONG = 300.0  # seconds: a comparison compiles its loops first


@pytest.fixture(scope="module")
def corpora(explored_examples: Path) -> dict[str, Corpus]:
    return {
        name: Corpus.open(explored_examples / "examples" / f"{name}.jsonl.corpus")
        for name in ("gentle", "brisk")
    }


@pytest.fixture(scope="module")
def base(corpora: dict[str, Corpus]) -> Iterator[str]:
    patch = pytest.MonkeyPatch()
    patch.setattr("saetext.report.explore.rooms.map.mapped", planted)
    with serving(Loaded(corpora, reads=False)) as address:
        yield address
    patch.undo()


def planted(question: Question, labels: object, on_progress: object = None) -> Map:
    """A map whose places are known: group 1 on the left, group 2 on the right."""
    import polars as pl

    from saetext.analysis.clusters import ClusterResult

    n = question.chosen.corpus.n_documents
    number = 1 + np.arange(n) % 2
    table = pl.DataFrame(
        {
            "cluster": [1, 2],
            "name": ["left ones", "right ones"],
            "size": [(n + 1) // 2, n // 2],
            "share": [0.5, 0.5],
            "words": [["word"], []],
            "features": pl.Series([[], []], dtype=pl.List(pl.Struct({"label": pl.String}))),
        }
    )
    result = ClusterResult(
        "cluster", table, {}, {"n_clusters": 2}, documents=pl.DataFrame({"cluster": number})
    )
    rng = np.random.default_rng(0)
    return Map(question, result, rng.normal(np.where(number == 1, 250.0, 750.0), 30), rng.normal(340, 40, n))


@pytest.fixture
def at(driver: Any, base: str) -> Iterator[Callable[[str], Any]]:
    """Open a page; see afterwards that nothing was reported and nobody else was asked."""
    size(driver, 1280, 900)
    dark(driver, False)
    for kind in ("browser", "performance"):
        driver.get_log(kind)

    def go(url: str) -> Any:
        driver.get(base + url)
        return driver

    yield go
    assert [url for url in asked_for(driver) if not url.startswith(base)] == []
    assert [entry["message"] for entry in driver.get_log("browser")] == []
    driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def size(driver: Any, width: int, height: int) -> None:
    view = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", view)


def wait(driver: Any, selector: str, seconds: float = 20.0) -> Found:
    """Return the first element that is seen under a selector, once there is one."""
    return Found(driver, selector, seconds)


def fits(driver: Any, name: str) -> None:
    """See that a page is legible in both themes, on a phone and a desk, and needs no sideways scrolling."""
    for wide, night in ((1280, False), (1280, True), (390, False), (390, True)):
        size(driver, wide, 900)
        dark(driver, night)
        if SHOTS:
            driver.save_screenshot(str(Path(SHOTS) / f"{name}-{wide}-{'dark' if night else 'light'}.png"))
        assert driver.execute_script("return document.documentElement.scrollWidth") <= wide
        assert driver.execute_script(CONTRAST) == [], (name, wide, night)
    size(driver, 1280, 900)
    dark(driver, False)


def test_a_difference_is_opened_collected_and_looked_at_without_a_topic(at: Any) -> None:
    driver = at("compare")
    wait(driver, ".sets button").click()
    wait(driver, ".found", LONG)
    first = wait(driver, ".finding > summary")
    name = first.find_element("css selector", "bdi").text
    first.click()
    assert wait(driver, ".finding[open] blockquote mark").text
    wait(driver, ".finding[open] .actions form button").click()
    wait(driver, ".finding[open] button[aria-pressed=true]")
    assert wait(driver, "#collected .amount").text == "1"
    assert driver.find_elements("css selector", ".finding[open]"), "the finding stays open"
    fits(driver, "compare")
    wait(driver, ".leave input[name=leave]").send_keys("topic = 'cooking'")
    wait(driver, ".leave button").click()
    told = wait(driver, ".remains", LONG).text
    assert re.search(r"\d+ of \d+ findings remain", told) and "270 of 300 documents are left" in told
    fits(driver, "remains")
    wait(driver, ".leftout a").click()
    wait(driver, ".found")
    assert not driver.find_elements("css selector", ".remains")
    wait(driver, "#collected").click()
    assert name in wait(driver, "#items").text
    wait(driver, "textarea").send_keys("look at this")
    wait(driver, ".noting button").click()
    driver.refresh()
    assert wait(driver, "textarea").get_attribute("value") == "look at this"
    fits(driver, "collect")


def test_documents_are_drawn_around_named_and_lead_to_a_comparison(at: Any) -> None:
    from selenium.webdriver import ActionChains

    driver = at("map?set=gentle")
    drawing = wait(driver, "#map").element
    wait(driver, "#draw").click()
    left = driver.execute_script(
        "const r = arguments[0].getBoundingClientRect(); return [r.width, r.height]", drawing
    )
    hold = ActionChains(driver).move_to_element_with_offset(
        drawing, -int(left[0] * 0.45), -int(left[1] * 0.4)
    )
    hold.click_and_hold()
    for x, y in ((-0.02, -0.4), (-0.02, 0.4), (-0.45, 0.4), (-0.45, -0.38)):
        hold.move_to_element_with_offset(drawing, int(left[0] * x), int(left[1] * y))
    hold.release().perform()
    wait(driver, "input[name=name]").send_keys("the left")
    fits(driver, "map")
    wait(driver, "#make").click()
    assert "75 documents saved" in wait(driver, ".saved").text
    wait(driver, ".saved a").click()
    assert wait(driver, ".set.a select").get_attribute("value") == "the left"
    wait(driver, ".found, .note", LONG)
    # by keyboard alone: groups are ticked
    driver = at("map?set=gentle")
    box = wait(driver, ".list input")
    box.send_keys(" ")
    assert wait(driver, "#chosen").text == "1 ticked"
    wait(driver, "input[name=name]").send_keys("ticked\n")
    assert "75 documents saved" in wait(driver, ".saved").text


def test_a_dot_says_which_document_it_is(at: Any, corpora: dict[str, Corpus]) -> None:
    driver = at("map?set=gentle")
    drawing = wait(driver, "#map")
    drawing.click()
    link = wait(driver, "#near a")
    assert link.text in corpora["gentle"].ids.to_pylist()
    link.click()
    assert "row=" in driver.current_url
    wait(driver, "#text")


def test_a_job_is_stopped_and_started_again(at: Any) -> None:
    driver = at("compare?a=gentle&b=brisk&pair=no")
    wait(driver, "#job form button").click()
    button = wait(driver, "form[action=job-again] button", LONG)
    assert button.text == "Start again"
    fits(driver, "stopped")
    button.click()
    wait(driver, ".found", LONG)


@pytest.mark.filterwarnings("ignore::saetext.errors.SaetextWarning")
def test_a_feature_is_turned_up_stopped_and_collected(
    driver: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))
    files = planted_model()
    reader = Reader.load_local([files.sae], files.model, device="cpu", dtype="float32")
    read = encode(some_rows(20), tmp_path / "read.corpus", reader=reader)
    loaded = Loaded({"read": read}, reads=False, writers=Writers(device="cpu", reference=files.reference))
    for kind in ("browser", "performance"):
        driver.get_log(kind)
    with serving(loaded) as address:
        driver.get(f"{address}feature?feature={WRITES}")
        size(driver, 1280, 900)
        wait(driver, "a.button[href^=turn]").click()
        wait(driver, "textarea[name=prompt]").send_keys("the quick dog")
        wait(driver, "input[name=raw]").click()
        slider = wait(driver, "input[name=strength]")
        slider.send_keys("\ue010")  # End: as far up as it goes
        assert driver.find_element("id", "strength-told").text == "6"
        with loaded.writers.alone(lambda _: None):  # the texts wait, so that they can be stopped
            wait(driver, ".turning button.main").click()
            wait(driver, "form[action=job-stop] button").click()
            again = wait(driver, "form[action=job-again] button")
        again.click()
        wait(driver, "#put button", LONG)
        assert WORD in wait(driver, "#text0b mark").text and "strength=6" in driver.current_url
        assert driver.find_element("id", "text0a").text and "nll" in wait(driver, ".heads .b").text
        wait(driver, "#put button").click()
        wait(driver, "#put button[aria-pressed=true]")
        fits(driver, "turn")
        word = wait(driver, "#text0b mark[data-word]")
        key = word.get_attribute("data-word")
        word.click()
        wait(driver, "#why .causes", LONG)
        assert f"word={key}" in driver.current_url and "with the edit" in wait(driver, "#why").text
        assert wait(driver, "#text0b .picked").get_attribute("data-word") == key
        fits(driver, "turn-word")
        chosen = wait(driver, "#choose-word select")  # by keyboard: the first word of the other text
        chosen.send_keys("\ue011")
        first = chosen.get_attribute("value")
        chosen.send_keys("\ue004", "\ue007")
        assert first != key and wait(driver, f"[data-word='{first}'].picked", LONG)
        wait(driver, "#why .causes", LONG)
        wait(driver, ".causes a.button").click()
        wait(driver, ".turning button.main")
        assert "word=" not in driver.current_url and f"feature={WRITES}&" not in driver.current_url
        driver.back()
        wait(driver, "#why .causes", LONG)
        wait(driver, "#collected").click()
        assert "turned up in" in wait(driver, "#items").text
        fits(driver, "turn-collected")
        assert [url for url in asked_for(driver) if not url.startswith(address)] == []
        assert [entry["message"] for entry in driver.get_log("browser")] == []


def held(patch: pytest.MonkeyPatch) -> threading.Event:
    """Have comparisons last until an event that is returned."""
    opened = threading.Event()

    def slow(*_: object) -> None:
        opened.wait(LONG)
        raise InputError("it was let through")

    patch.setattr("saetext.report.explore.rooms.compare.compare", slow)
    return opened


@contextlib.contextmanager
def streams_of(patch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Count the event streams that are open, and the most that were."""
    counts, lock, watched = [0, 0], threading.Lock(), Job.watched

    @contextlib.contextmanager
    def counted(job: Job) -> Iterator[None]:
        with watched(job):
            with lock:
                counts[0] += 1
                counts[1] = max(counts)
            try:
                yield
            finally:
                with lock:
                    counts[0] -= 1

    patch.setattr(Job, "watched", counted)
    yield counts


@pytest.mark.parametrize("seen", [False, True], ids=["hidden", "all seen"])
def test_many_windows_wait_and_others_are_answered(
    driver: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seen: bool
) -> None:
    """A browser has six connections for a server; windows that wait must not hold them all.

    Nor those that are all seen, on several screens: then no window is hidden.
    """
    opened = held(monkeypatch)
    corpora = {n: make_corpus(tmp_path / f"{n}.corpus", seed, (9,), 12)[0] for seed, n in enumerate("ab")}
    first = driver.current_window_handle
    others: list[str] = []
    with serving(Loaded(corpora, reads=False)) as address, streams_of(monkeypatch) as streams:
        try:
            for _ in range(7):
                driver.switch_to.new_window("tab")
                others.append(driver.current_window_handle)
                driver.set_page_load_timeout(20)
                if seen:
                    always = "Object.defineProperty(document, 'hidden', { get: () => false });"
                    driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": always})
                driver.get(address + "compare?a=a&b=b")
                wait(driver, "#job-told")
            driver.get(address + "corpora")  # the seventh window, with six others that wait
            assert "corpora" in driver.current_url
            assert 1 <= streams[1] <= 3, "of all windows of a browser"
            driver.get(address + "compare?a=a&b=b")
            driver.switch_to.window(others[0])
            driver.find_element("css selector", "form[action=job-stop] button").click()
            assert "another window waits" in wait(driver, "#failed, #told").text
            opened.set()
            for window in others[1:]:
                driver.switch_to.window(window)
                wait(driver, "form[action=job-again]")
            assert streams[0] == 0, "a window that has its answer listens no longer"
        finally:
            opened.set()
            for window in others:
                driver.switch_to.window(window)
                driver.close()
            driver.switch_to.window(first)


def test_a_window_that_asks_listens_once_a_place_is_free(
    driver: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, asking = held(monkeypatch), set[str]()
    asked_by, left_by = Job.asked_by, Job.left_by

    def asked(job: Job, window: str) -> None:
        asking.add(window)
        asked_by(job, window)

    def left(job: Job, window: str) -> None:
        asking.discard(window)
        left_by(job, window)

    monkeypatch.setattr(Job, "asked_by", asked)
    monkeypatch.setattr(Job, "left_by", left)
    corpora = {n: make_corpus(tmp_path / f"{n}.corpus", seed, (9,), 12)[0] for seed, n in enumerate("ab")}
    first = driver.current_window_handle
    others: list[str] = []

    def until(streams: list[int], listening: int, asks: int) -> None:
        for _ in range(150):
            if streams[0] == listening and len(asking) == asks:
                return
            time.sleep(0.1)
        raise AssertionError(f"{streams[0]} windows listen and {len(asking)} ask, not {listening} and {asks}")

    with serving(Loaded(corpora, reads=False)) as address, streams_of(monkeypatch) as streams:
        try:
            for _ in range(5):
                driver.switch_to.new_window("tab")
                others.append(driver.current_window_handle)
                always = "Object.defineProperty(document, 'hidden', { get: () => false });"
                driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": always})
                driver.get(address + "compare?a=a&b=b")
                wait(driver, "#job-told")
            until(streams, 3, 2)
            driver.switch_to.window(others.pop(0))
            driver.close()  # one that listened
            until(streams, 3, 1)
            driver.switch_to.window(others.pop(0))
            driver.get(address + "corpora")  # or goes elsewhere
            until(streams, 3, 0)
            driver.close()
            opened.set()
            for window in others:
                driver.switch_to.window(window)
                wait(driver, "form[action=job-again]")
        finally:
            opened.set()
            for window in others:
                driver.switch_to.window(window)
                driver.close()
            driver.switch_to.window(first)


def test_a_job_that_is_not_known_any_longer_is_said(
    driver: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = held(monkeypatch)
    forgotten = "saetext.report.explore.rooms.compare.shown_of"
    monkeypatch.setattr(forgotten, lambda job: {**state_of(job), "key": "gone", "ended": False})
    corpora = {n: make_corpus(tmp_path / f"{n}.corpus", seed, (9,), 12)[0] for seed, n in enumerate("ab")}
    with serving(Loaded(corpora, reads=False)) as address:
        try:
            driver.get(address + "compare?a=a&b=b")
            told = wait(driver, "#job-told")
            end = time.monotonic() + 20
            while "load the page again" not in told.text:
                assert time.monotonic() < end, told.text
                time.sleep(0.05)
        finally:
            opened.set()
            driver.get("about:blank")
