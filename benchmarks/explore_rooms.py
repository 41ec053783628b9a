"""Compare, Pairs and Map of the explorer: what the first answer takes, and what is done with it then.

Used by explore.py. The first answer is computed as a user waits for it: seconds, CPU seconds of the server,
the peak of its private memory, the longest time in which the page is told nothing new (a computation can be
stopped where it tells something), and seconds of each stage. Then each interaction is timed as in explore.py.
One more computation of each kind is begun and stopped.
"""

from __future__ import annotations

import html
import json
import os
import re
import socket
import statistics
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOMS = ("compare", "pairs", "map")
_STOPPED_AFTER = 3.0  # seconds after which a computation is stopped
_LONG = 7200.0  # seconds that one may take
_BOX = (1000.0, 680.0)  # of the map
_TICKS = os.sysconf("SC_CLK_TCK")


def query(page: str, **fields: object) -> str:
    """Return an address.

    >>> query("map", set="a b", level=2)
    'map?set=a+b&level=2'
    """
    return f"{page}?{urllib.parse.urlencode(fields)}"


class Browser:
    """Asks as one browser does: with the cookie that names its drawer."""

    def __init__(self, base: str) -> None:
        self.base = base
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())

    def get(self, address: str) -> str:
        with self._opener.open(self.base + address, timeout=600) as answer:
            return str(answer.read().decode())

    def post(self, address: str, **fields: str) -> None:
        origin = "{0.scheme}://{0.netloc}".format(urllib.parse.urlsplit(self.base))
        body = urllib.parse.urlencode(fields).encode()
        asked = urllib.request.Request(self.base + address, body, {"origin": origin})
        with self._opener.open(asked, timeout=600) as answer:
            answer.read()

    def timed(self, do: Callable[[], object]) -> float:
        """Return how many milliseconds something takes."""
        began = time.perf_counter()
        do()
        return 1e3 * (time.perf_counter() - began)


@dataclass
class Server:
    """The process that answers: its CPU seconds and its private memory."""

    pid: int
    peak: list[float] = field(default_factory=lambda: [0.0])

    def cpu(self) -> float:
        told = Path(f"/proc/{self.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        return (int(told[11]) + int(told[12])) / _TICKS

    def private(self) -> float:
        """Return private memory in MB."""
        lines = Path(f"/proc/{self.pid}/status").read_text("ascii").splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1e3

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Look at the memory every 50 ms; ``peak`` has the most."""
        self.peak[0], over = 0.0, threading.Event()

        def look() -> None:
            while not over.wait(0.05):
                self.peak[0] = max(self.peak[0], self.private())

        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def key_of(page: str) -> str | None:
    """Return the job that a page waits for; None where it has its answer.

    >>> key_of('<div data-job="job-events?key=0af3">'), key_of("<p>")
    ('0af3', None)
    """
    found = re.search(r'data-job="job-events\?key=(\w+)"', page)
    return found[1] if found else None


def stage_of(told: str) -> str:
    """Return the name of a stage from what a page is told of it.

    >>> stage_of("counting pairs: 3 of 12, about 5 s left")
    'counting pairs'
    """
    return told.partition(":")[0].strip() or "beginning"


def computed(browser: Browser, server: Server, address: str) -> dict[str, Any]:
    """Ask for what is computed first, and wait for it as a page does."""
    load, private, cpu = os.getloadavg()[0], server.private(), server.cpu()
    with server.watched():
        began = time.perf_counter()
        page = browser.get(address)
        shown = time.perf_counter() - began
        stages, silence = _followed(browser, key_of(page), began)
        seconds = time.perf_counter() - began
    return {
        "seconds": round(seconds, 1),
        "cpu_seconds": round(server.cpu() - cpu, 1),
        "waiting_page_ms": round(1e3 * shown),
        "private_mb_before": round(private),
        "private_mb_peak": round(server.peak[0]),
        "longest_silence_seconds": round(silence, 1),
        "stages": {name: round(value, 1) for name, value in stages.items() if value >= 0.05},
        "load": [round(load, 1), round(os.getloadavg()[0], 1)],
    }


def _followed(browser: Browser, key: str | None, began: float) -> tuple[dict[str, float], float]:
    stages: dict[str, float] = {}
    last, changed, before, silence = "", began, began, 0.0
    while key is not None:
        state = json.loads(browser.get(query("job-state", key=key)))
        now = time.perf_counter()
        name = stage_of(last)
        stages[name] = stages.get(name, 0.0) + now - before
        before = now
        if state["state"] in ("failed", "cancelled"):
            raise SystemExit(f"{state['title']}: {state['state']} {state['error']}")
        if state["state"] == "done" or state["told"] != last:
            silence, changed, last = max(silence, now - changed), now, state["told"]
        if state["state"] == "done" or now - began > _LONG:
            break
        time.sleep(0.1)
    return stages, silence


def stopped(browser: Browser, address: str) -> float | None:
    """Begin something, stop it, and return the seconds that took; None where it was over before."""
    key = key_of(browser.get(address))
    if key is None:
        return None
    time.sleep(_STOPPED_AFTER)
    began = time.perf_counter()
    browser.post("job-stop", key=key, back="corpora")
    while (state := json.loads(browser.get(query("job-state", key=key)))["state"]) not in (
        "cancelled",
        "done",
    ):
        time.sleep(0.05)
    return round(time.perf_counter() - began, 1) if state == "cancelled" else None


Step = Callable[[int], object]


def _links(page: str, start: str) -> list[str]:
    """Return the addresses on a page that begin with something, each once."""
    return list(dict.fromkeys(html.unescape(one) for one in re.findall(rf'href="({start}[^"]*)"', page)))


def compare_steps(browser: Browser, address: str) -> dict[str, Step]:
    page = browser.get(address)
    documents, read = _links(page, r"document\?"), _links(page, r"read\?")
    features = _links(page, r"feature\?")
    puts = re.findall(
        r'action="compare-put".*?name="kind" value="([^"]*)".*?name="term" value="([^"]*)"', page, re.DOTALL
    )
    puts = [tuple(map(html.unescape, one)) for one in puts]
    state = html.unescape((re.search(r'name="back" value="([^"]*)"', page) or ["", address])[1])

    def put(n: int) -> None:
        kind, term = puts[n % len(puts)]
        browser.post("compare-put", back=state, kind=kind, term=term)

    steps: dict[str, Step] = {
        "page of findings": lambda n: browser.get(f"{address}&page={1 + n % 3}&everything=1"),
        "findings of a kind": lambda n: browser.get(
            f"{address}&kind={('word', 'feature')[n % 2]}&page={1 + n}"
        ),
        "collect a finding": put,
        "open a finding's document": lambda n: browser.get(documents[n % len(documents)]),
        "read a finding's documents": lambda n: browser.get(read[n % len(read)]),
        "a finding's feature": lambda n: browser.get(features[n % len(features)]),
        "save as CSV": lambda n: browser.get(query_with(address, "compare-report", format="csv")),
        "save the report": lambda n: browser.get(query_with(address, "compare-report", format="html")),
    }
    there = {"open a finding's document": documents, "read a finding's documents": read,
             "a finding's feature": features, "collect a finding": puts}  # fmt: skip
    return {name: step for name, step in steps.items() if there.get(name, [1])}


def query_with(address: str, page: str, **fields: str) -> str:
    """Return another page with the same fields, and some more."""
    return f"{page}?{address.partition('?')[2]}&{urllib.parse.urlencode(fields)}"


def pairs_steps(browser: Browser, address: str) -> dict[str, Step]:
    page = browser.get(address)
    numbers = list(dict.fromkeys(re.findall(r'id="put(\d+)"', page)))
    documents = _links(page, r"document\?")
    state = html.unescape((re.search(r'name="back" value="([^"]*)"', page) or ["", address])[1])
    steps: dict[str, Step] = {
        "the pairs again": lambda n: browser.get(f"{address}&n={n}"),
        "save as CSV": lambda n: browser.get(query_with(address, "pairs-report", format="csv")),
        "save the report": lambda n: browser.get(query_with(address, "pairs-report", format="html")),
    }
    if numbers:
        steps["collect a pair"] = lambda n: browser.post(
            "pairs-put", back=state, number=numbers[n % len(numbers)]
        )
    if documents:
        steps["open a pair's document"] = lambda n: browser.get(documents[n % len(documents)])
    return steps


def map_steps(browser: Browser, address: str) -> dict[str, Step]:
    levels = [int(one) for one in dict.fromkeys(re.findall(r"level=(\d+)", browser.get(address)))] or [1]

    def box(n: int, by: float) -> str:
        wide, tall = _BOX[0] / by, _BOX[1] / by
        left, top = (0.13 * n % 1) * (_BOX[0] - wide), (0.29 * n % 1) * (_BOX[1] - tall)
        told = f"{left:.1f} {top:.1f} {wide:.1f} {tall:.1f}"
        return query_with(address, "map-dots", box=told)

    def drawn(n: int) -> None:
        x, y, size = 300 + 30 * n, 250 + 10 * n, 120
        shape = [x, y, x + size, y, x + size, y + size, x, y + size]
        told = " ".join(f"{one:.1f}" for one in shape)
        browser.post("map-save", back=address, shape=told, name=f"drawn {time.time()}", then="")

    return {
        "the map again": lambda n: browser.get(f"{address}&n={n}"),
        "another level": lambda n: browser.get(f"{address}&level={levels[n % len(levels)]}"),
        "zoom twice as near": lambda n: browser.get(box(n, 2)),
        "move at four times": lambda n: browser.get(box(n, 4)),
        "move at 30 times": lambda n: browser.get(box(n, 30)),
        "which document is there": lambda n: browser.get(
            query_with(address, "map-near", at=f"{200 + 50 * n} {150 + 40 * n}")
        ),
        "save what is drawn around": drawn,
    }


def measured(base: str, pid: int, name: str, room: str, rounds: int) -> dict[str, Any]:
    """Measure a room on the corpus that is called ``name``; ``address`` in it is where the answer is."""
    browser, server = Browser(base), Server(pid)
    sides = {"a": name, "where_a": "source = 'a'", "b": name, "where_b": "source = 'b'", "pair": "no"}
    address, other, steps_of = {
        "compare": (query("compare", **sides), {**sides, "where_a": "year = 2004"}, compare_steps),
        "pairs": (query("pairs", set=name), {"set": name, "where": "source = 'a'"}, pairs_steps),
        "map": (query("map", set=name), {"set": name, "where": "source = 'a'"}, map_steps),
    }[room]
    found: dict[str, Any] = {"first": computed(browser, server, address)}
    print(name, room, found["first"], flush=True)
    found["answer_ms"] = round(browser.timed(lambda: browser.get(address)))
    found["steps"] = {what: timed(step, rounds) for what, step in steps_of(browser, address).items()}
    print(name, room, found["steps"], flush=True)
    if room == "compare":
        found["leave_out_a_topic"] = computed(browser, server, f"{address}&without=where:topic+=+'t13'")
        found["leave_out_another"] = computed(browser, server, f"{address}&without=where:topic+=+'t7'")
    found["seconds_until_stopped"] = stopped(browser, query(room, **other))
    found["private_mb_after"] = round(server.private())
    found["rounds"] = rounds
    print(
        name, room, {key: value for key, value in found.items() if key not in ("first", "steps")}, flush=True
    )
    return {**found, "address": address}


def zoomed(driver: Any, address: str) -> dict[str, int]:
    """Zoom into a map by the wheel and out again; return the times between frames meanwhile, in milliseconds.

    And the time from the last turn of the wheel until dots of the part that is seen have been drawn finer.
    """
    driver.set_window_size(1280, 900)
    driver.get(address)
    time.sleep(1)
    driver.set_script_timeout(60)
    found: dict[str, int] = driver.execute_async_script(_ZOOM)
    return found


_ZOOM = """
const done = arguments[0], map = document.getElementById("map"), box = map.getBoundingClientRect();
const frames = []; let last = performance.now(), turns = 0, over = 0;
const turn = () => map.dispatchEvent(new WheelEvent("wheel", { deltaY: turns < 15 ? -1 : 1, cancelable: true,
  clientX: box.left + box.width * .4, clientY: box.top + box.height * .6 }));
const sorted = () => [...frames].sort((a, b) => a - b);
const seen = document.getElementById("dots");
const frame = () => {
  const now = performance.now();
  frames.push(now - last); last = now;
  if (turns < 25) { turn(); turns += 1; over = now; requestAnimationFrame(frame); return; }
  if (document.getElementById("dots") === seen && now - over < 20000) {
    requestAnimationFrame(frame);
    return;
  }
  const times = sorted(), round = Math.round;
  requestAnimationFrame(() => done({
    frames: times.length, median_frame_ms: round(times[times.length >> 1]),
    most_frame_ms: round(times[times.length - 1]), drawn_finer_ms: round(performance.now() - over),
  }));
};
requestAnimationFrame(frame);
"""


@contextmanager
def drawn_map(path: Path, groups: int = 40, seed: int = 0) -> Iterator[str]:
    """Serve a corpus whose map has groups and places drawn at random; yield the address."""
    import numpy as np
    import polars as pl
    import uvicorn

    from saetext.analysis.clusters import ClusterResult
    from saetext.corpus import Corpus
    from saetext.report.explore.loaded import Loaded
    from saetext.report.explore.queries.mapping import Map
    from saetext.report.explore.rooms import map as room
    from saetext.report.explore.served import explorer_app

    def placed(question: Any, labels: object, on_progress: object = None) -> Map:
        rng = np.random.default_rng(seed)
        n = question.chosen.corpus.n_documents
        number = rng.integers(0, groups + 1, n)
        middle = rng.uniform((120, 100), (880, 580), (groups + 1, 2))
        x, y = (middle[number] + rng.normal(0, 35, (n, 2))).T
        sizes = np.bincount(number, minlength=groups + 1)[1:]
        table = pl.DataFrame(
            {"cluster": range(1, groups + 1), "name": [f"group {at}" for at in range(1, groups + 1)],
             "size": sizes, "share": sizes / n, "words": [["word"]] * groups,
             "features": pl.Series([[]] * groups, dtype=pl.List(pl.Struct({"label": pl.String})))}
        )  # fmt: skip
        documents = pl.DataFrame({"cluster": number})
        result = ClusterResult("cluster", table, {}, {"n_clusters": groups}, documents=documents)
        return Map(question, result, np.clip(x, 0, _BOX[0]), np.clip(y, 0, _BOX[1]))

    was, room.mapped = room.mapped, placed
    loaded = Loaded({path.name.removesuffix(".corpus"): Corpus.open(path)}, reads=False)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        app = explorer_app(loaded, "token-of-a-benchmark")
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off", ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            while not server.started:
                time.sleep(0.01)
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/token-of-a-benchmark/"
        finally:
            room.mapped = was
            server.should_exit = True
            thread.join(10)


def timed(step: Step, rounds: int) -> dict[str, int]:
    """Return the milliseconds of the first time and of others."""
    cold = milliseconds(step, 0)
    times = [milliseconds(step, 1 + n) for n in range(rounds)]
    return {
        "cold_ms": round(cold),
        "median_ms": round(statistics.median(times)),
        "most_ms": round(max(times)),
    }


def milliseconds(step: Step, n: int) -> float:
    began = time.perf_counter()
    step(n)
    return 1e3 * (time.perf_counter() - began)
