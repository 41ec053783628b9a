"""The page of correlations in a real browser: nothing of strangers' runs; network, filter and keys work."""

from __future__ import annotations

import math
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
from test_pair_page import a_page

from saetext.report.html.pair_model import (
    Network,
    Node,
    PairExample,
    PairFinding,
    PairPage,
)
from saetext.report.html.pair_page import render_pair_page
from saetext.report.html.passages import Passage, Piece

__all__ = ["driver"]  # the fixture
pytestmark = needs_browser


# ---- a page as it would be made ----------------------------------------------------------------------


def words(text: str, set_name: str = "") -> Passage:
    """Make a passage of a text in which ``{word|8|3}`` is marked at 8 tenths of a and 3 of b."""
    document, _, text = text.partition(": ")
    parts = re.split(r"\{([^|}]*)\|(\d+)\|(\d+)\}", text)
    pieces = [
        Piece(part, int(parts[at + 1]) / 10, int(parts[at + 2]) / 10) if at % 4 == 1 else Piece(part)
        for at, part in enumerate(parts)
        if at % 4 in (0, 1) and part
    ]
    return Passage(document, tuple(pieces), set_name)


BOTH = (
    "gentle-0112: … I'm {really|5|0} {sorry|9|0} {you|6|0}'re {going|3|0} {through|4|0} this, and it makes "
    "{sense|7|2} that you {feel|10|3} worn out. There is no rush here.\n\nIf it helps, we {could|0|6} "
    "{look|2|3} at {one|0|4} {small|0|8} {piece|0|10} of it {together|4|8}, and leave the rest for later …"
)
ONE = (
    "gentle-0047: That {sounds|8|0} {hard|6|0}. {Take|4|0} all the time you {need|5|0}. You may {feel|9|0} …"
)
OTHER = (
    "brisk-0047: … {Empty|0|9} the drawer. {Sort|0|8} into keep, sell, bin. {Set|0|7} a timer: ten minutes."
)

CONCEPTS: tuple[tuple[str, int], ...] = (
    ("acknowledging how someone feels", 0),
    ("hedged suggestions: “might”, “could”, “perhaps”", 0),
    ("apologies", 0),
    ("words of shared effort: “together”, “we could”", 0),
    ("offering to help further", 0),
    ("long, winding sentences that add a reassurance after every single piece of advice", 0),
    ("numbered step-by-step instructions", 1),
    ("bare imperatives at the start of a sentence", 1),
    ("deadlines and times of day", 1),
    ("one-word sentences", 1),
    ("amounts and measures", 1),
    ("Python code", 2),
    ("error messages and tracebacks", 2),
    ("file paths", 2),
    ("names of libraries", 2),
    ("metaphors of weather", 3),
    ("the sea and ships", 3),
    ("poetry set in short lines", 3),
    ("direct questions to the reader", 4),
    ("exclamation marks", 4),
)
COMMUNITIES = (
    "sympathy and hedging",
    "instructions",
    "programming",
    "nature and verse",
    "addressing the reader",
)
# number of concept a, of b, NPMI
PAIRS: tuple[tuple[int, int, float], ...] = (
    (0, 1, 0.61), (11, 12, 0.58), (6, 7, 0.55), (0, 2, 0.52), (13, 14, 0.49), (15, 16, 0.47), (11, 13, 0.45),
    (1, 3, 0.44), (8, 6, 0.41), (16, 17, 0.39), (9, 7, 0.37), (12, 14, 0.35), (18, 19, 0.33), (4, 1, 0.31),
    (10, 6, 0.29), (5, 0, 0.27), (2, 5, 0.24), (11, 14, 0.22), (18, 4, 0.19), (19, 9, 0.17), (15, 17, 0.12),
    (0, 7, -0.41), (11, 2, -0.33), (1, 9, -0.24),
)  # fmt: skip


UNSURE = (18, 19, 20, 23)  # not confirmed


def a_network() -> Network:
    centres = {0: (0.2, 0.3), 1: (0.55, 0.2), 2: (0.82, 0.62), 3: (0.2, 0.86), 4: (0.5, 0.62)}
    nodes = []
    for at, (label, community) in enumerate(CONCEPTS):
        x, y = centres[community]
        turn = 2.4 * at
        far = 0.09 + 0.05 * (at % 3)
        nodes.append(
            Node(label, x + far * math.cos(turn), y + far * math.sin(turn), (at * 7 % 10) / 10, community)
        )
    edges = tuple((a, b, abs(npmi) / 0.61, at) for at, (a, b, npmi) in enumerate(PAIRS, start=1) if npmi > 0)
    note = "Pairs with an NPMI of at least .1; what is close on the picture need not be close in meaning."
    return Network(tuple(nodes), (*edges, (3, 4, 0.2, 0)), COMMUNITIES, note)


def realistic_page() -> PairPage:
    findings = []
    for at, (a, b, npmi) in enumerate(PAIRS):
        n_a, n_b = 900 - 31 * at, 420 - 9 * at
        n_ab = round(n_b * (0.5 + npmi / 2.4))
        lift = n_ab * 2000 / n_a / n_b
        row: dict[str, object] = {
            "feature_a": 1207 + 977 * a, "feature_b": 1207 + 977 * b, "label_a": CONCEPTS[a][0],
            "label_b": CONCEPTS[b][0], "n_a": n_a, "n_b": n_b, "n_ab": n_ab, "npmi": npmi,
            "npmi_low": npmi - 0.04, "npmi_high": npmi + 0.05, "npmi_raw": npmi + 0.06, "lift": lift,
            "lift_adjusted": 1 + npmi if npmi < 0 else 1 + 4 * npmi, "phi": npmi * 0.7,
            "p_b_given_a": n_ab / n_a, "p_a_given_b": n_ab / n_b, "q": 10.0 ** -(28 - 1.1 * at),
            "same_phrase": 0.04 if at % 4 else None, "label_similarity": 0.21,
            "decoder_cosine": 0.08 - at / 90, "npmi_confirm": npmi * 0.93, "q_confirm": 10.0 ** -(20 - at),
            "confirmed": at not in UNSURE,
            "reversed": at == 4, "npmi_pooled": -0.08 if at == 4 else npmi,
            "hidden": "their labels say the same" if at == 17 else None,
        }  # fmt: skip
        members = tuple(
            {**row, "label_a": other, "feature_a": 31 * n + at, "npmi": npmi * 0.8}
            for n, other in enumerate(("words of sympathy", "“I hear you” and its like"))
        )
        examples = (
            PairExample((words(BOTH, "gentle"),), "I have too much on my plate and can't sleep."),
            PairExample((words(ONE, "gentle"), words(OTHER, "brisk")), told="Each in another document."),
            PairExample((words(OTHER),)),
        )
        about = "Fires where the answer names the asker's feelings before it says anything else."
        findings.append(
            PairFinding(
                row,
                members if at % 3 == 0 else (),
                examples[1:2] if npmi < 0 else examples[: 3 - at % 3],
                about if not at else "",
            )
        )
    ranked: dict[str, object] = {
        "feature_a": 51, "feature_b": None, "label_a": "apologies", "label_b": "stars", "n_a": 301,
        "rho": -0.31, "rho_low": -0.37, "rho_high": -0.24, "rho_raw": -0.35, "q": 2e-7, "confirmed": None,
    }  # fmt: skip
    findings.insert(21, PairFinding(ranked, (), (PairExample((words(ONE),)),)))
    return PairPage(
        "Concepts that go together in 2,000 answers",
        (
            "1,310 concepts were paired in 2,000 answers; 25 of 310,482 pairs tested are shown.",
            "21 of them are together more often than chance, 3 less often; 20 were confirmed on the held-out "
            "half. The strongest: hedged suggestions are in 35.2 % of texts that acknowledge feelings.",
        ),
        findings,
        a_network(),
        ("Labels were written by a language model that saw twelve examples each.",),
        {"model": "gpt2-small", "SAE": "8-res-jb", "within": "topic", "seed": "7"},
        "Words are shaded by how strongly they activate a concept.",
    )


# ---- the browser -------------------------------------------------------------------------------------


@pytest.fixture
def opened(driver: Any, tmp_path: Path) -> Iterator[Any]:
    """Open the realistic page, and see afterwards that nothing was reported."""
    open_html(driver, tmp_path, render_pair_page(realistic_page()))
    yield driver
    assert driver.get_log("browser") == []


def shown(driver: Any) -> list[str]:
    """Return the cards that are shown, in order."""
    script = "return [...document.querySelectorAll('.card')].filter(c => c.offsetParent).map(c => c.id)"
    return list(driver.execute_script(script))


def click(driver: Any, selector: str) -> None:
    driver.find_element("css selector", selector).click()


def narrowed(driver: Any, width: int) -> None:
    view = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", view)


ALL = [f"f{number}" for number in range(1, 26)]
APART = ALL[22:]  # the rank correlation, f22, is not less often together than chance


def test_a_hostile_page_runs_and_fetches_nothing(driver: Any, tmp_path: Path) -> None:
    from selenium.common.exceptions import NoAlertPresentException

    hostile = f'{HOSTILE}"><img src=x onerror=window.pwned=1></title></text><svg onload=window.pwned=1>'
    open_html(driver, tmp_path, render_pair_page(a_page(hostile)))
    driver.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
    with pytest.raises(NoAlertPresentException):
        _ = driver.switch_to.alert.text
    assert driver.execute_script("return window.pwned === undefined && document.images.length === 0")
    assert driver.execute_script("return document.scripts.length === 1")
    assert "<img" in driver.find_element("css selector", ".card h3").text
    assert driver.get_log("browser") == []
    asked = asked_for(driver)
    assert asked and {Path(url).name for url in asked} == {"page.html"}


def test_the_filter(opened: Any) -> None:
    from selenium.webdriver import Keys

    assert shown(opened) == ALL and count(opened) == "25 of 25 shown"
    press(opened, "/", "TRACEBACKS libraries")
    assert shown(opened) == ["f12"] and count(opened) == "1 of 25 shown"
    assert len(opened.find_elements("css selector", ".edge.off")) == 20
    assert not opened.find_element("xpath", "//h2[contains(., 'Less often')]").is_displayed()
    press(opened, "j/k")  # typed, not obeyed
    assert shown(opened) == [] and opened.find_element("id", "nothing").is_displayed()
    press(opened, Keys.ESCAPE)
    assert shown(opened) == ALL and not opened.find_elements("css selector", ".edge.off")
    press(opened, "names the asker")
    assert shown(opened) == ["f1"]
    press(opened, Keys.ESCAPE, "comforting nothing")
    assert shown(opened) == []


def test_sorting_keeps_what_is_rarer_than_chance_apart(opened: Any) -> None:
    choose(opened, "sort", "size")
    sizes = {f"f{at}": abs(npmi) for at, (_, _, npmi) in enumerate(PAIRS[:21], start=1)} | {"f22": 0.31}
    ordered = sorted(sizes, key=lambda card: (-sizes[card], int(card[1:])))
    assert shown(opened) == [*ordered, *APART]
    choose(opened, "sort", "q")
    assert shown(opened) == [*ALL[:20], "f22", "f21", *APART]
    choose(opened, "sort", "label")
    labels = opened.execute_script(
        "return [...document.querySelectorAll('.card .concept.a bdi')].map(e => e.textContent)"
    )
    assert labels[:22] == sorted(labels[:22], key=str.casefold)
    choose(opened, "sort", "given")
    assert shown(opened) == ALL


def test_toggles_and_edges(opened: Any) -> None:
    click(opened, "#confirmed")
    unsure = {f"f{at + 1 if at < 21 else at + 2}" for at in UNSURE} | {"f22"}
    assert shown(opened) == [card for card in ALL if card not in unsure]
    click(opened, "#apart")
    assert shown(opened) == [card for card in ALL[:22] if card not in unsure]
    # an edge leads to its card even if that is hidden
    opened.execute_script(
        "document.querySelector('.edge[href=\"#f19\"] .reach')"
        ".dispatchEvent(new MouseEvent('click', { bubbles: true, cancelable: true }))"
    )
    assert shown(opened) == ALL and focused(opened) == "f19"
    top = opened.execute_script("return document.activeElement.getBoundingClientRect().top")
    assert 0 <= top < 900


def test_an_edge_is_clicked_and_a_concept_hovered(opened: Any) -> None:
    from selenium.webdriver import ActionChains, Keys
    from selenium.webdriver.common.actions.action_builder import ActionBuilder

    # a line is clicked by the mouse itself, beside its thin stroke
    x, y = opened.execute_script(
        "document.querySelector('.net').scrollIntoView({ block: 'center' });"
        "const r = document.querySelector('.edge[href=\"#f9\"] .reach').getBoundingClientRect();"
        "return [r.left + r.width / 2, r.top + r.height / 2]"
    )
    actions = ActionBuilder(opened)
    actions.pointer_action.move_to_location(round(x), round(y) + 4).click()
    actions.perform()
    assert focused(opened) == "f9"
    opened.execute_script("scrollTo(0, 0)")
    circle = opened.find_element("css selector", ".node[data-node='10'] circle")
    ActionChains(opened).move_to_element(circle).perform()
    assert len(opened.find_elements("css selector", "text.away")) == 18
    ActionChains(opened).move_to_element(opened.find_element("tag name", "h1")).perform()
    assert opened.find_elements("css selector", ".away") == []
    opened.execute_script("document.querySelector('.edge').focus()")
    press(opened, Keys.ENTER)
    assert focused(opened) == "f1"


def test_keys(opened: Any) -> None:
    press(opened, "j")
    assert focused(opened) == "f1"
    press(opened, "j", "j", "k")
    assert focused(opened) == "f2"
    opened.execute_script("document.activeElement.blur()")
    press(opened, "k")
    assert focused(opened) == "f25"


def test_names_are_within_the_picture(opened: Any) -> None:
    outside = opened.execute_script(
        "const net = document.querySelector('.net').getBoundingClientRect();"
        "return [...document.querySelectorAll('.net text, .net circle')].filter(e => {"
        " const r = e.getBoundingClientRect();"
        " return r.left < net.left || r.right > net.right || r.top < net.top || r.bottom > net.bottom;"
        "}).map(e => e.textContent)"
    )
    assert outside == []
    overlaps = opened.execute_script(
        "const all = [...document.querySelectorAll('.net text')].map(e => e.getBoundingClientRect());"
        "return all.flatMap((a, i) => all.slice(0, i).filter(b => a.left < b.right && b.left < a.right"
        " && a.top + 4 < b.bottom && b.top + 4 < a.bottom)).length"
    )
    assert overlaps == 0


@pytest.mark.parametrize("width", [360, 800, 1200])
@pytest.mark.parametrize("text", ["", "W" * 200])
def test_it_fits_every_width(driver: Any, tmp_path: Path, width: int, text: str) -> None:
    open_html(driver, tmp_path, render_pair_page(a_page(text) if text else realistic_page()))
    narrowed(driver, width)
    try:
        driver.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
        assert driver.execute_script("return document.documentElement.scrollWidth") <= width
        wide = driver.execute_script(
            "return [...document.querySelectorAll("
            "'.card, .toolbar, .side, .stats dd, .rate, .rate > *, .badge, .big, .relation')]"
            ".filter(e => e.offsetParent && e.getBoundingClientRect().right > innerWidth)"
            ".map(e => e.outerHTML)"
        )
        assert wide == []
    finally:
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert driver.get_log("browser") == []


# every shade of every kind gets words; swatches and circles are seen against their ground
KINDS = ALL_SHADES.replace('["a", "b"]', '["a", "b", "ab"]').replace(
    "mark.cloneNode()", "mark.cloneNode(); copy.classList.add(side)"
)
POOR_DRAWINGS = (
    CONTRAST.partition("const poor")[0]
    + """
return [...document.querySelectorAll(".net circle, .stroke, .swatch circle, .bar .fill, .track .dot")]
  .filter((element) => element.checkVisibility()).map((element) => {
  const style = getComputedStyle(element);
  const one = light(rgba(style.fill === "none" || element.matches(".stroke") ? style.stroke : style.fill));
  const other = light(ground(element));
  return (Math.max(one, other) + .05) / (Math.min(one, other) + .05);
}).filter((ratio) => ratio < 3);
"""
)


def test_themes_are_readable(opened: Any) -> None:
    def body() -> int:
        colour = opened.execute_script("return getComputedStyle(document.body).backgroundColor")
        return int(re.findall(r"\d+", colour)[0])

    opened.execute_script("for (const d of document.querySelectorAll('details')) d.open = true")
    opened.execute_script(KINDS)
    opened.execute_script(
        "document.querySelectorAll('.node').forEach((n, at) => n.setAttribute('class', `node c${at % 10}`))"
    )
    for theme, light in (("light", True), ("dark", False), ("auto", True)):
        click(opened, f"input[value={theme}] + span")
        assert (body() > 200) is light
        assert opened.execute_script(CONTRAST) == []
        assert opened.execute_script(POOR_DRAWINGS) == []
    dark(opened, True)
    assert body() < 50
    assert opened.execute_script(CONTRAST) == [] and opened.execute_script(POOR_DRAWINGS) == []
    dark(opened, False)


def test_marks_differ_without_colours(opened: Any) -> None:
    lines = opened.execute_script(
        "return ['a', 'b', 'ab'].map(k => getComputedStyle(document.querySelector(`blockquote mark.${k}`))"
        ".textDecorationStyle)"
    )
    assert lines == ["solid", "dashed", "double"]


def test_without_a_script_all_is_there(opened: Any) -> None:
    opened.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        opened.refresh()
        assert len(opened.find_elements("css selector", ".card")) == 25
        assert not opened.find_element("id", "toolbar").is_displayed()
        assert opened.find_element("css selector", ".card blockquote").is_displayed()
        assert opened.find_element("css selector", ".net text").is_displayed()
    finally:
        opened.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_screenshots(opened: Any, tmp_path: Path) -> None:
    def shot(name: str, width: int) -> None:
        narrowed(opened, width)
        view = {
            "width": width,
            "height": opened.execute_script("return document.documentElement.scrollHeight"),
            "deviceScaleFactor": 1,
            "mobile": False,
        }
        opened.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", view)
        opened.save_screenshot(str(Path(SHOTS or tmp_path) / f"pairs-{name}.png"))

    shot("light", 1200)
    dark(opened, True)
    shot("dark", 1200)
    dark(opened, False)
    shot("narrow", 400)
    opened.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
