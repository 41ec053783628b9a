"""Links to clusters, rows saved from the page, and the first colour of a comparison, in a browser."""

from __future__ import annotations

import csv
import dataclasses
import io
from pathlib import Path
from typing import Any

from map_factory import a_map
from page_helpers import driver, needs_browser
from test_map_page_browser import until

from saetext.report.html.map_model import MapPage
from saetext.report.html.map_page import render_map_page

__all__ = ["driver"]
pytestmark = needs_browser


def opened(driver: Any, folder: Path, page: MapPage, link: str = "") -> None:
    path = folder / "map.html"
    path.write_text(render_map_page(page), encoding="utf-8")
    driver.get("about:blank")
    driver.get(f"{path.as_uri()}{link}")
    until(lambda: driver.execute_script("return document.getElementById('waiting').hidden"))


def test_a_link_opens_its_cluster_and_its_rows_are_saved(driver: Any, tmp_path: Path) -> None:
    page = a_map()
    number = page.clusters[0].number
    mine = [i for i, c in enumerate(page.cluster.tolist()) if c == number]
    ids = list(page.ids)
    ids[mine[0]], ids[mine[1]] = "=1+1", 'a "quoted", id'
    page = dataclasses.replace(page, ids=ids)
    opened(driver, tmp_path, page, f"#cluster-{number}")
    is_open = "return document.querySelector(arguments[0]).open"
    assert driver.execute_script(is_open, f".card[data-cluster='{number}']")
    other = page.clusters[1].number
    assert not driver.execute_script(is_open, f".card[data-cluster='{other}']")
    driver.execute_script(f"location.hash = '#cluster-{other}'")
    until(lambda: driver.execute_script(is_open, f".card[data-cluster='{other}']"))
    assert not driver.execute_script(
        is_open, f".card[data-cluster='{number}']"
    )  # one at a time, as on the map
    driver.execute_script(
        "const box = document.getElementById('search'); box.value = 'no text has this';"
        "box.dispatchEvent(new Event('input'))"
    )
    until(lambda: driver.execute_script("return !document.getElementById('nothing').hidden"))
    driver.execute_script(f"location.hash = '#cluster-{number}'")
    until(lambda: driver.execute_script(is_open, f".card[data-cluster='{number}']"))
    in_sight = "return document.querySelector(arguments[0]).getClientRects().length > 0"
    assert driver.execute_script(in_sight, f".card[data-cluster='{number}']")  # whatever is searched for
    driver.execute_script(
        "const make = URL.createObjectURL.bind(URL);"
        "URL.createObjectURL = (one) => { window.saved = one; return make(one); };"
        f"document.querySelector(\".card[data-cluster='{number}'] .save-rows\").click();"
    )
    until(lambda: driver.execute_script("return window.saved !== undefined"))
    told = driver.execute_async_script("window.saved.text().then(arguments[arguments.length - 1])")
    rows = list(csv.DictReader(io.StringIO(told.removeprefix("\ufeff"))))
    assert [row["id"] for row in rows] == ["'=1+1", 'a "quoted", id', *[page.ids[i] for i in mine[2:]]]
    assert {row["cluster"] for row in rows} == {str(number)}
    name = "text" if page.documents else "beginning"
    assert all(row[name] for row in rows)
    assert list(rows[0])[6:-1] == [column.name for column in page.columns]


def test_what_is_compared_is_seen_first(driver: Any, tmp_path: Path) -> None:
    page = a_map()
    named = dataclasses.replace(page, colour=page.columns[0].name)
    opened(driver, tmp_path, named)
    until(lambda: driver.execute_script("return !document.getElementById('legend').hidden"))
    assert driver.execute_script("return document.getElementById('colour').value") == "0"
    opened(driver, tmp_path, dataclasses.replace(page, colour="none of these"))
    assert driver.execute_script("return document.getElementById('colour').value") == "cluster"
