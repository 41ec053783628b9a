"""The comparison page in a real browser: nothing of strangers' runs; filter, sort, keys and theme work."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from page_helpers import (
    ALL_SHADES,
    CONTRAST,
    HOSTILE,
    SHOTS,
    asked_for,
    choose,
    count,
    dark,
    driver,
    focused,
    needs_browser,
    open_html,
    press,
)
from test_diff_page import a_page

from saetext.report.html.differences import render_diff_page
from saetext.report.html.page_model import DiffPage, Finding, HeatMap, SideBySide, Table
from saetext.report.html.passages import Passage, Piece

__all__ = ["driver"]  # the fixture
pytestmark = needs_browser


# ---- a page as it would be made ----------------------------------------------------------------------


def words(text: str) -> Passage:
    """Make a passage of a text in which ``{word|8}`` is a token at 8 tenths of the strongest."""
    document, _, text = text.partition(": ")
    parts = re.split(r"\{([^|}]*)\|(\d+)\}", text)
    pieces = [
        Piece(part, int(parts[at + 1]) / 10) if at % 3 == 1 else Piece(part)
        for at, part in enumerate(parts)
        if at % 3 != 2 and part
    ]
    return Passage(document, tuple(pieces), cut_before=document.endswith("7"), cut_after=True)


GENTLE = (
    "gentle-0112: I'm {really|5} {sorry|9} {you|6}'re {going|3} {through|4} {this|2}, and it {makes|4} "
    "{sense|7} that you {feel|10} worn out. There is no rush here.\n\nIf it helps, we could {look|2} at "
    "{one|1} small piece of it {together|8}, and leave the rest for another day."
)
SOFT = (
    "gentle-0047: That {sounds|8} {hard|6}. {Take|4} {all|3} the time you {need|5}. When you {feel|9} ready, "
    "you might begin with the drawer that {bothers|3} you least, and stop whenever you like."
)
BRISK = (
    "brisk-0112: {Do|4} {this|2} {now|9}:\n1. {Cancel|10} the meeting.\n2. {Write|7} down the three things "
    "you owe people.\n3. {Send|8} the first one {before|3} noon.\n\nDon't overthink {it|2}. {Move|9}."
)
SHORT = (
    "brisk-0047: {Empty|9} the drawer. {Sort|8} into keep, sell, bin. {Set|7} a timer: ten minutes. {Done|5}."
)

LABELS: tuple[tuple[str, float, float, float, str], ...] = (
    ("acknowledging how someone feels", 0.93, 0.612, 0.094, "no"),
    ("numbered step-by-step instructions", 0.88, 0.231, 0.655, "no"),
    ("hedged suggestions: “might”, “could”, “perhaps”", 0.81, 0.548, 0.172, "no"),
    ("bare imperatives at the start of a sentence", 0.90, 0.118, 0.463, "no"),
    ("apologies", 0.86, 0.331, 0.047, "no"),
    (
        "long, winding sentences that add a reassurance after every single piece of advice that they give",
        0.64,
        0.402,
        0.155,
        "yes",
    ),
    ("deadlines and times of day", 0.79, 0.082, 0.244, "no"),
    ("offering to help further", 0.84, 0.297, 0.151, "unclear"),
    ("one-word sentences", 0.71, 0.013, 0.129, "no"),
    ("words of shared effort: “together”, “we could”", 0.77, 0.186, 0.088, "no"),
    ("exclamation marks", 0.95, 0.062, 0.031, "no"),
    ("metaphors of weather", 0.55, 0.0094, 0.0051, "yes"),
)


def smaller(diff: float, half: float, times: int) -> dict[str, object]:
    return {"diff": diff / times, "ci_low": diff / times - half, "ci_high": diff / times + half}


def realistic_page() -> DiffPage:
    findings = []
    for at, (label, score, rate_a, rate_b, length) in enumerate(LABELS):
        diff, half = rate_a - rate_b, 0.021 + 0.03 * (rate_a + rate_b)
        confirmed = at < 10
        row: dict[str, object] = {
            "feature": 1207 + 977 * at,
            "label": label,
            "label_score": score,
            "n_a": round(2000 * rate_a),
            "n_b": round(2000 * rate_b),
            "rate_a": rate_a,
            "rate_b": rate_b,
            "diff": diff,
            "ci_low": diff - half,
            "ci_high": diff + half,
            "odds_ratio": float("inf") if at == 8 else rate_a * (1 - rate_b) / rate_b / (1 - rate_a),
            "p": 10.0 ** -(30 - 3 * at),
            "q": 0.21 if at == 11 else 10.0 ** -(28 - 2.6 * at) if at < 10 else 0.003,
            "auc": 0.5 + diff / 2,
            "auc_low": 0.5 + diff / 2 - 0.02,
            "auc_high": 0.5 + diff / 2 + 0.02,
            "adjusted_diff": diff * (0.06 if length == "yes" else 0.9),
            "adjusted_low": diff * (0.06 if length == "yes" else 0.9) - half,
            "adjusted_high": diff * (0.06 if length == "yes" else 0.9) + half,
            "adjusted_q": 0.64 if length == "yes" else 10.0 ** -(25 - 2 * at),
            "explained_by_length": length,
            "diff_confirm": diff * 0.95,
            "q_confirm": 10.0 ** -(20 - 2 * at) if confirmed else 0.31,
            "confirmed": confirmed,
            "group": at + 1,
            "snippet_a": "I'm really sorry you're going through this, and it makes sense that you feel so",
            "snippet_b": "Do this now: 1. Cancel the meeting. 2. Write down the three things you owe people",
        }
        members = tuple(
            {**row, "label": other, "feature": 31 * n + at, "label_score": 0.7, **smaller(diff, half, n + 2)}
            for n, other in enumerate(
                ("words of sympathy", "“I hear you” and its like", "comforting endings")
            )
        )
        prompts = ("I have too much on my plate and can't sleep.", "How do I tidy up the kitchen?")
        examples = (
            SideBySide(words(GENTLE), words(BRISK), prompts[0]),
            SideBySide(words(SOFT), words(SHORT), prompts[1]),
            SideBySide(words(SOFT), None, "What should I cook tonight?"),
        )
        about = (
            "Fires where the answer names the asker's feelings before it says anything else."
            if not at
            else ""
        )
        findings.append(Finding(row, members if at % 3 == 0 else (), examples[: 3 - at % 2], about))
    plain = Table(
        "What plain words find",
        ("word", "gentle", "brisk", "difference", "q"),
        (
            ("perhaps", "38.1 %", "4.2 %", "+33.9", "2×10⁻²⁴"),
            ("now", "9.0 %", "41.7 %", "−32.7", "6×10⁻²²"),
            ("sorry", "29.5 %", "3.3 %", "+26.2", "4×10⁻¹⁹"),
        ),
        "Words, without the model: a baseline that the findings above should beat.",
    )
    heat = HeatMap(
        "Four styles",
        tuple(label for label, *_ in LABELS[:8]),
        ("gentle", "brisk", "formal", "playful"),
        tuple((a, b, (a + b) / 3, abs(a - b)) for _, _, a, b, _ in LABELS[:8]),
        "How often each concept appears in the answers of each style.",
    )
    return DiffPage(
        "Gentle against brisk answers",
        ("gentle", "brisk"),
        (
            "2,000 gentle answers were compared with 2,000 brisk answers to the same prompts.",
            "12 of 4,310 concepts tested differ at q < .05; 10 of them were confirmed on the held-out half. "
            "The largest: gentle answers acknowledge feelings in 61.2 % of texts, brisk ones in 9.4 %.",
        ),
        findings,
        (plain,),
        heat,
        (
            "Gentle answers are 1.8 times as long as brisk ones, so any concept is likelier to appear in "
            "them; two findings shrink to nothing once length is taken into account.",
            "Labels were written by a language model that saw twelve examples each.",
        ),
        {"model": "gpt2-small", "SAE": "8-res-jb", "pooling": "maximum over tokens", "seed": "7"},
        "Words are shaded by how strongly they activate the feature.",
    )


# ---- the browser -------------------------------------------------------------------------------------


@pytest.fixture
def opened(driver: Any, tmp_path: Path) -> Iterator[Any]:
    """Open the realistic page, and see afterwards that nothing was reported."""
    open_html(driver, tmp_path, render_diff_page(realistic_page()))
    yield driver
    assert driver.get_log("browser") == []


def labels(driver: Any) -> list[str]:
    """Return the labels of the cards that are shown, in order."""
    script = (
        "return [...document.querySelectorAll('.card')].filter(c => c.offsetParent)"
        ".map(c => c.querySelector('h3 bdi').textContent)"
    )
    return list(driver.execute_script(script))


ALL = [label for label, *_ in LABELS]


def test_a_hostile_page_runs_and_fetches_nothing(driver: Any, tmp_path: Path) -> None:
    from selenium.common.exceptions import NoAlertPresentException

    hostile = f"{HOSTILE}<b onclick=window.pwned=1></textarea><svg onload=window.pwned=1>"
    open_html(driver, tmp_path, render_diff_page(a_page(hostile)))
    driver.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
    with pytest.raises(NoAlertPresentException):
        _ = driver.switch_to.alert.text
    assert driver.execute_script("return window.pwned === undefined && document.images.length === 0")
    assert driver.execute_script("return document.scripts.length === 1 && document.links.length > 0")
    assert driver.get_log("browser") == []
    asked = asked_for(driver)
    assert asked and {url.partition(":")[0] for url in asked} == {"file"}
    assert {Path(url).name for url in asked} == {"page.html"}
    # what the policy would not let through, had it got in
    driver.execute_script(
        "const s = document.createElement('script'); s.textContent = 'window.pwned = 1';"
        "document.body.append(s);"
    )
    assert driver.execute_script("return window.pwned === undefined")
    assert any("Content Security Policy" in entry["message"] for entry in driver.get_log("browser"))


def test_the_filter(opened: Any) -> None:
    assert labels(opened) == ALL and count(opened) == "12 of 12 shown"
    press(opened, "/")
    assert focused(opened) == "filter"
    press(opened, "APOLOGIES")
    assert labels(opened) == ["apologies"] and count(opened) == "1 of 12 shown"
    assert len(opened.find_elements("css selector", ".lines .off")) == 9
    press(opened, "j/k")  # typed, not obeyed
    assert labels(opened) == [] and opened.find_element("id", "nothing").is_displayed()
    from selenium.webdriver import Keys

    press(opened, Keys.ESCAPE)
    assert labels(opened) == ALL and not opened.find_element("id", "nothing").is_displayed()
    press(opened, "names the asker")
    assert labels(opened) == ALL[:1]
    press(opened, Keys.ESCAPE, "kitchen drawer")  # in the prompt and in a passage
    assert len(labels(opened)) == 12
    press(opened, Keys.ESCAPE, "three things you owe people")
    assert len(labels(opened)) == 12


def test_sorting(opened: Any) -> None:
    choose(opened, "sort", "label")
    assert labels(opened) == sorted(ALL, key=str.casefold)
    choose(opened, "sort", "size")
    size = {label: abs(a - b) for label, _, a, b, _ in LABELS}
    assert labels(opened) == sorted(ALL, key=lambda label: -size[label])
    choose(opened, "sort", "adjusted")
    assert labels(opened)[0] == ALL[0] and labels(opened)[-1] == "metaphors of weather"
    choose(opened, "sort", "q")
    assert labels(opened)[-1] == "metaphors of weather" and labels(opened)[:10] == ALL[:10]
    choose(opened, "sort", "given")
    assert labels(opened) == ALL


def test_toggles(opened: Any) -> None:
    opened.find_element("id", "confirmed").click()
    assert labels(opened) == ALL[:10]
    opened.find_element("id", "length").click()
    assert labels(opened) == [label for label in ALL[:10] if not label.startswith("long")]
    # a line of the plot leads to its card even if it is hidden
    opened.find_element("css selector", '.lines a[href="#f6"]').click()
    assert labels(opened) == ALL and focused(opened) == "f6"


def test_keys(opened: Any) -> None:
    from selenium.webdriver import Keys

    press(opened, Keys.TAB)
    assert "Skip" in opened.execute_script("return document.activeElement.textContent")
    assert opened.execute_script("return document.activeElement.getBoundingClientRect().left") >= 0
    press(opened, "j")
    assert focused(opened) == "f1"
    press(opened, "j", "j")
    assert focused(opened) == "f3"
    press(opened, "k")
    assert focused(opened) == "f2"
    choose(opened, "sort", "label")
    opened.execute_script("document.activeElement.blur()")
    press(opened, "k")
    assert focused(opened) == opened.execute_script(
        "return [...document.querySelectorAll('.card')].at(-1).id"
    )
    card = opened.execute_script("return document.activeElement.getBoundingClientRect().top")
    assert 0 <= card < 900


def test_the_plot_tells_more(opened: Any) -> None:
    from selenium.webdriver import ActionChains, Keys

    lines = opened.find_elements("css selector", ".lines > li")
    assert len(lines) == 10
    tips = [line.find_element("css selector", ".tip") for line in lines]
    assert not any(tip.is_displayed() for tip in tips)
    ActionChains(opened).move_to_element(lines[2]).perform()
    assert [tip.is_displayed() for tip in tips].index(True) == 2
    shown = tips[2].text
    assert (
        "54.8 %" in shown and "17.2 %" in shown and "really sorry" in shown and "Cancel the meeting" in shown
    )
    opened.execute_script("document.querySelector('.skip').focus()")
    press(opened, Keys.TAB)
    ActionChains(opened).move_by_offset(0, 0).move_to_element(opened.find_element("tag name", "h1")).perform()
    assert tips[0].is_displayed() and not tips[2].is_displayed()
    press(opened, Keys.ENTER)
    assert focused(opened) == "f1"


def test_the_plot_is_in_place(opened: Any) -> None:
    middle = "const m = e => { const r = e.getBoundingClientRect(); return r.left + r.width / 2; };"
    zeros = opened.execute_script(middle + "return [...document.querySelectorAll('.lines .zero')].map(m)")
    [tick] = opened.execute_script(middle + "return [...document.querySelectorAll('.axis .zero')].map(m)")
    dots = opened.execute_script(middle + "return [...document.querySelectorAll('.lines .dot')].map(m)")
    assert max(zeros) - min(zeros) < 0.5 and abs(tick - zeros[0]) < 1
    for dot, (_, _, rate_a, rate_b, _) in zip(dots, LABELS, strict=False):
        assert (dot > zeros[0]) == (rate_a > rate_b)
    slope = (dots[0] - zeros[0]) / (0.612 - 0.094)
    assert dots[1] - zeros[0] == pytest.approx(slope * (0.231 - 0.655), abs=1)


@pytest.mark.parametrize("width", [400, 800, 1200])
def test_it_fits_every_width(opened: Any, width: int) -> None:
    opened.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False},
    )
    try:
        opened.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
        assert opened.execute_script("return document.documentElement.scrollWidth") <= width
        wide = opened.execute_script(
            "return [...document.querySelectorAll('.card, .toolbar, .line, .side, .stats dd')]"
            ".filter(e => e.offsetParent && e.getBoundingClientRect().right > innerWidth).length"
        )
        assert wide == 0
    finally:
        opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_themes_are_readable(opened: Any) -> None:
    def ground() -> int:
        return int(
            re.findall(
                r"\d+", opened.execute_script("return getComputedStyle(document.body).backgroundColor")
            )[0]
        )

    def theme(name: str) -> None:
        opened.find_element("css selector", f"input[value={name}] + span").click()

    opened.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
    opened.execute_script(ALL_SHADES)
    assert ground() > 200 and opened.execute_script(CONTRAST) == []
    theme("dark")
    assert ground() < 50 and opened.execute_script(CONTRAST) == []
    opened.refresh()
    assert ground() < 50, "the choice is kept"
    theme("auto")
    assert ground() > 200
    dark(opened, True)
    assert ground() < 50
    theme("light")
    assert ground() > 200
    dark(opened, False)


def test_without_a_script_all_is_there(opened: Any) -> None:
    opened.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        opened.refresh()
        assert len(opened.find_elements("css selector", ".card")) == 12
        assert not opened.find_element("id", "toolbar").is_displayed()
        assert opened.find_element("css selector", ".card blockquote").is_displayed()
    finally:
        opened.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_screenshots(opened: Any, tmp_path: Path) -> None:
    from selenium.webdriver import ActionChains

    def shot(name: str, width: int, height: int | None = None) -> None:
        view = {"width": width, "height": height or 900, "deviceScaleFactor": 1, "mobile": False}
        opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", view)
        if height is None:
            view["height"] = opened.execute_script("return document.documentElement.scrollHeight")
            opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", view)
        opened.save_screenshot(str(Path(SHOTS or tmp_path) / f"{name}.png"))

    shot("light", 1200)
    dark(opened, True)
    shot("dark", 1200)
    dark(opened, False)
    shot("narrow", 400)
    shot("wide", 1200, 900)
    line = opened.find_elements("css selector", ".lines > li")[3]
    ActionChains(opened).move_to_element(line).perform()
    shot("tip", 1200, 900)
    opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
