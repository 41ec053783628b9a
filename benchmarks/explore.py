"""How soon the explorer answers, and its memory, on synthetic corpora of up to a million documents.

    python benchmarks/explore.py [--sizes 100000 1000000] [--corpora FOLDER] [--rounds 7] [--parts pages map]

The corpora are those of growth.py: 100 of 16,384 features and 41 words a document. The command is started as
a user does, with --peaks, since these texts have no reader. Each address is asked for once cold, that is for
the first time, and then ``--rounds`` times with something changed that was not asked before (another page,
feature, document or word), so that no answer is one that was kept. Times are of whole answers over HTTP, in
milliseconds; where Chromium and chromedriver are there, also the first contentful paint of the first pages.
Memory is private (anonymous) memory of the server after all that; pages of mapped files are told apart.
``--parts compare pairs map`` measures what is computed first (explore_rooms.py), each in its own server.
``--parts drawn`` measures the map of groups and places drawn at random: what is done with a map costs the
same, and no clusters are computed first; the server is in this process then.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import explore_rooms
import growth
from common import RESULTS, environment, save, say

FILE = RESULTS / "explore.json"
PAINTED = ("corpora", "read", "features", "feature?feature=77")
PARTS = ("pages", *explore_rooms.ROOMS, "drawn")
SORTS = ("documents", "mean", "max", "label", "score")
_START = "from saetext_cli.entry import main; main()"

#: What is done, and its address the n-th time.
STEPS: dict[str, Callable[[int], str]] = {
    "corpora": lambda n: f"corpora?n={n}",
    "read a page": lambda n: f"read?page={1 + 997 * n}",
    "read under a condition": lambda n: f"read?where={quoted(f'year = {2001 + n}')}",
    "next page under it": lambda n: f"read?where={quoted('year = 2001')}&page={2 + n}",
    "read shaded, strongest first": lambda n: f"read?shade={70 + n}&order=strongest",
    "longest first": lambda n: f"read?order=longest&page={1 + n}",
    "open a document": lambda n: f"document?row={1 + 997 * n}",
    "shade a document": lambda n: f"document?row={1 + 997 * n}&shade={3 + n}",
    "table of features": lambda n: f"features?page={1 + n}",
    "sort the table": lambda n: f"features?sort={SORTS[n % 5]}&page={1 + n}",
    "search the table": lambda n: f"features?q=feature+{n}",
    "a feature": lambda n: f"feature?feature={70 + n}",
    "a bar of its histogram": lambda n: f"feature?feature=77&low={0.1 * n:.1f}&high={0.1 * n + 0.2:.1f}",
    "by column": lambda n: f"feature?feature={70 + n}&by=topic",
}
#: The same of what comes after its page, which says that it is waited for.
LATER: dict[str, Callable[[int], str]] = {
    "a text as written": lambda n: f"read?q={'bdfgklmnprstvz'[n % 14]}ababa&wait=1",
    "table under a condition": lambda n: f"features?where={quoted(f'year = {2001 + n}')}&wait=1",
    "words at its peaks": lambda n: f"feature_words?feature={70 + n}",
    "near features": lambda n: f"feature?feature={70 + n}&near=1",
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument(
        "--corpora", type=Path, help="folder with the corpora (SIZE.corpus), or to keep them in"
    )
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS[:-1])
    parser.add_argument("--no-save", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="saetext-explore-") as temporary:
        home = args.corpora or Path(temporary)
        for n in args.sizes:
            path = home / f"{n}.corpus"
            if not path.exists():
                growth.make(path, n)
            for part in args.parts:
                if part == "pages":
                    found = measured(path, args.rounds)
                    _tell(n, found)
                elif part == "drawn":
                    found = drawn(path, args.rounds)
                else:
                    found = measured_room(path, part, args.rounds)
                if not args.no_save:
                    section = str(n) if part == "pages" else f"{n} {part}"
                    save(FILE, section, {**found, "environment": environment()})


def quoted(text: str) -> str:
    return urllib.parse.quote_plus(text)


def measured(path: Path, rounds: int) -> dict[str, Any]:
    """Return what the pages take that need no computation, of a server started for that."""
    load = os.getloadavg()[0]
    began = time.perf_counter()
    with explorer(path) as (base, pid):
        ask(base + "corpora")
        started = time.perf_counter() - began
        memory = [memory_of(pid)]
        began = time.perf_counter()
        ask(base + "columns")
        columns = time.perf_counter() - began
        steps, later = (
            {name: timed(base, address, rounds) for name, address in each.items()} for each in (STEPS, LATER)
        )
        paints = painted(base, PAINTED)
        memory.append(memory_of(pid))
    return {
        "seconds_until_it_answers": round(started, 1),
        "private_mb_at_start": memory[0][0],
        "private_mb": memory[1][0],
        "mapped_mb": memory[1][1],
        "first_paint_ms": paints,
        "rounds": rounds,
        "load": [round(load, 1), round(os.getloadavg()[0], 1)],
        "seconds_until_lengths_and_columns_are_counted": round(columns, 1),
        "steps": steps,
        "later": later,
    }


def measured_room(path: Path, room: str, rounds: int) -> dict[str, Any]:
    """Return what a room takes whose answer is computed first, of a server started for that."""
    with explorer(path) as (base, pid):
        found = explore_rooms.measured(base, pid, path.name.removesuffix(".corpus"), room, rounds)
        address = found.pop("address")
        found["first_paint_ms"] = painted(base, (address,)).get(address)
        if room == "map":
            with browser() as driver:
                if driver is not None:
                    found["zooming"] = explore_rooms.zoomed(driver, base + address)
        found["private_mb"], found["mapped_mb"] = memory_of(pid)
    return found


def drawn(path: Path, rounds: int) -> dict[str, Any]:
    """Return what the room Map takes once there is a map, here of groups and places drawn at random."""
    load, name = os.getloadavg()[0], path.name.removesuffix(".corpus")
    with explore_rooms.drawn_map(path) as base:
        asked = explore_rooms.Browser(base)
        address = explore_rooms.query("map", set=name)
        cold = asked.timed(lambda: asked.get(address))
        steps = {
            what: explore_rooms.timed(step, rounds)
            for what, step in explore_rooms.map_steps(asked, address).items()
        }
        paint = painted(base, (address,)).get(address)
        with browser() as driver:
            zooming = {} if driver is None else explore_rooms.zoomed(driver, base + address)
    found = {"cold_ms": round(cold), "first_paint_ms": paint, "rounds": rounds, "zooming": zooming}
    print(name, "drawn", found, steps, flush=True)
    return {**found, "load": [round(load, 1), round(os.getloadavg()[0], 1)], "steps": steps}


@contextmanager
def explorer(path: Path) -> Iterator[tuple[str, int]]:
    """Start an explorer as a user does, and yield its address and its process."""
    process = subprocess.Popen(
        [sys.executable, "-c", _START, "explore", str(path), "--peaks", "--no-browser"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), process.pid
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def timed(base: str, address: Callable[[int], str], rounds: int) -> dict[str, int]:
    """Return the milliseconds of the first answer, and of others that were not given before."""
    cold = ask(base + address(0))
    times = [ask(base + address(1 + n)) for n in range(rounds)]
    return {
        "cold_ms": round(cold),
        "median_ms": round(statistics.median(times)),
        "most_ms": round(max(times)),
    }


def ask(address: str) -> float:
    """Return how many milliseconds an answer takes, to its last byte."""
    began = time.perf_counter()
    with urllib.request.urlopen(address, timeout=600) as answer:
        answer.read()
    return 1e3 * (time.perf_counter() - began)


def memory_of(pid: int) -> tuple[int, int]:
    """Return private and mapped memory in MB."""
    lines = Path(f"/proc/{pid}/status").read_text("ascii").splitlines()
    known = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith("Rss")}
    return round(int(known["RssAnon"]) / 1e3), round(int(known["RssFile"]) / 1e3)


def painted(base: str, pages: tuple[str, ...]) -> dict[str, int]:
    """Return the first contentful paint of some pages, each the second time; nothing without a browser."""
    found = {}
    with browser() as driver:
        for page in pages if driver is not None else ():
            for _ in range(2):
                driver.get(base + page)
                time.sleep(0.5)
            script = "return performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
            found[page] = round(driver.execute_script(script) or -1)
    return found


@contextmanager
def browser() -> Iterator[Any]:
    """Yield a driver of Chromium; None where it, chromedriver or selenium is missing."""
    program, chromium = shutil.which("chromedriver"), shutil.which("chromium")
    try:
        from selenium import webdriver
    except ImportError:
        program = None
    if program is None or chromium is None:
        yield None
        return
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(argument)
    with webdriver.Chrome(options, webdriver.ChromeService(program)) as driver:
        yield driver


def _tell(n: int, found: dict[str, Any]) -> None:
    rows: list[list[object]] = [["", "cold ms", "median ms", "most ms"]]
    for each in ("steps", "later"):
        rows += [
            [name, one["cold_ms"], one["median_ms"], one["most_ms"]] for name, one in found[each].items()
        ]
    say(f"{n:,} documents", rows)
    medians = [one["median_ms"] for one in found["steps"].values()]
    print(f"pages: median of the medians {statistics.median(medians):.0f} ms, the slowest {max(medians)} ms")
    print({key: found[key] for key in found if key not in ("steps", "later", "environment")})


if __name__ == "__main__":
    main()
