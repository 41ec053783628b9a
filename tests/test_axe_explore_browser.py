"""axe-core on every room of the explorer, over the examples and over a hostile corpus."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_checks import accessible, script
from explore_app import serving
from page_helpers import driver, needs_browser
from test_explore import hostile
from test_explore_browser import settled
from test_explore_rooms_browser import LONG, planted, wait

from saetext.corpus import Corpus
from saetext.report.explore.loaded import Loaded
from saetext.report.explore.rooms import ROOMS

__all__ = ["driver", "hostile"]  # the fixtures
pytestmark = [needs_browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def base(explored_examples: Path, hostile: Corpus) -> Iterator[str]:
    corpora = {
        name: Corpus.open(explored_examples / "examples" / f"{name}.jsonl.corpus")
        for name in ("gentle", "brisk")
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("saetext.report.explore.rooms.map.mapped", planted)
        with serving(Loaded({**corpora, "hostile": hostile}, reads=False)) as address:
            yield address


#: A page, and what is there once it is whole.
PAGES = {
    "corpora": "main h1",
    "read?corpus=gentle&shade=334&order=strongest": ".documents",
    "read?corpus=hostile&shade=3": ".documents",
    "read?corpus=gentle&q=an+apology&by=property&more=3,8&less=7": ".judged",
    "document?corpus=gentle&row=3&shade=334": "#text",
    "document?corpus=hostile&row=2&shade=3": "#text",
    "features?corpus=gentle": "#results table",
    "features?corpus=gentle&show=themes": "#results table",
    "features?corpus=hostile&absent=1": "#results table",
    "feature?corpus=gentle&feature=334&by=topic": "#near",
    "feature?corpus=hostile&feature=3": "#near",
    "compare": ".sets",
    "compare?a=gentle&b=brisk": ".found",
    "map?set=gentle": "#map",
    "pairs?set=gentle": ".found, .pairs, .network, .card",
    "turn": "main h1",
    "collect": "main h1",
}


ENTRIES = "document.querySelectorAll('.documents > li, tr[data-step], .finding, .found > li')"


@pytest.mark.parametrize("page", PAGES)
def test_axe_finds_nothing_in_a_room(driver: Any, base: str, page: str) -> None:
    script()
    driver.get(base + page)
    wait(driver, PAGES[page], LONG)
    settled(driver)
    if "finding" in driver.page_source and page.startswith("compare?"):
        driver.execute_script("document.querySelector('.finding').open = true")
        wait(driver, ".finding[open] blockquote")
    # axe takes long, and entries are alike
    driver.execute_script(f"for (const one of [...{ENTRIES}].slice(6)) one.remove()")
    accessible(driver, "explore-" + "".join(c if c.isalnum() else "-" for c in page))


def test_every_room_is_looked_at() -> None:
    assert {page.split("?")[0] for page in PAGES} >= {room.name for room in ROOMS}
