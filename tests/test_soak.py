"""Many threads on one corpus: readers and searchers while it grows and its index is replaced, two appenders.

Every read equals some committed state, nobody is stopped by another, and memory stays flat. Two seconds in
the suite; ``SAETEXT_SOAK=3600`` for an hour.
"""

from __future__ import annotations

import os
import random
import resource
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from fault_jobs import reader
from tiny_reader import some_rows

import saetext
from saetext.corpus import Corpus
from saetext.encoding.encoder import append, encode
from saetext.errors import CorpusError, SaetextError

SECONDS = float(os.environ.get("SAETEXT_SOAK", "2"))
BATCH = 3  # documents of one append
MOST = max(120, int(SECONDS / 10))  # appends, spread over the time, so that a corpus stays small in an hour
JOBS = ("append", "append", "read", "read", "search", "search", "verify", "index")  # a thread each
LEAST = 3  # turns of each kind

pytestmark = pytest.mark.filterwarnings("ignore")


def rows(number: int) -> list[dict[str, object]]:
    """The documents of one append: their ids say which, their texts follow from the ids."""
    return [
        {"id": f"{number:05d}-{i}", "text": row["text"]}
        for i, row in enumerate(some_rows(BATCH, seed=number))
    ]


TEXTS = {row["id"]: row["text"] for number in range(MOST + 1) for row in rows(number)}


def is_committed(ids: list[str]) -> bool:
    """Whether these are the documents of whole appends, each once and together."""
    batches = [ids[at : at + BATCH] for at in range(0, len(ids), BATCH)]
    whole = all(batch == [f"{batch[0][:5]}-{i}" for i in range(BATCH)] for batch in batches)
    return whole and len(set(ids)) == len(ids)


class Soak:
    """One corpus, and what threads do to it until time is over."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.start = time.monotonic()
        self.end = self.start + SECONDS
        self.done: Counter[str] = Counter()
        self.problems: list[str] = []
        self.number = 0
        self.lock = threading.Lock()
        self.committed = {BATCH}

    def over(self) -> bool:
        """Whether time is over and everybody has had some turns; a busy machine gets a minute more."""
        now = time.monotonic()
        return now > self.end and (min(self.done[name] for name in JOBS) >= LEAST or now > self.end + 60)

    def run(self, what: Callable[[random.Random], None], seed: int) -> None:
        draw = random.Random(seed)
        while not self.over() and not self.problems:
            try:
                what(draw)
            except Exception as error:  # whatever it is, it is a fault
                self.problems.append(f"{what.__name__}: {type(error).__name__}: {error}")
            with self.lock:
                self.done[what.__name__] += 1

    def append(self, draw: random.Random) -> None:
        with self.lock:
            # two at a time, whose writers meet, and the next when their time comes: to the very end
            time_has_come = time.monotonic() >= self.start + self.number // 2 * 2 * SECONDS / MOST
            if is_due := self.number < MOST and time_has_come:
                self.number += 1
                mine = rows(self.number)
        if not is_due:
            time.sleep(0.05)
            return
        while True:
            try:
                append(mine, self.path, reader=reader(), id="id")
                break
            except CorpusError as error:  # the other one is at it, or its plan is
                if not any(told in str(error) for told in ("being written", "other settings", "unfinished")):
                    raise
                time.sleep(0.005)
        with self.lock:
            self.done["appended"] += 1

    def read(self, draw: random.Random) -> None:
        corpus = Corpus.open(self.path)
        ids = corpus.ids.to_pylist()
        assert is_committed(ids), ids
        id = draw.choice(ids)
        assert corpus[id].text == TEXTS[id]
        assert corpus.csr("count").shape[0] == len(ids)

    def verify(self, draw: random.Random) -> None:
        Corpus.open(self.path).verify()
        time.sleep(0.02)

    def search(self, draw: random.Random) -> None:
        corpus = Corpus.open(self.path)
        found = saetext.search(corpus, features={draw.randrange(64): 1.0}, top=5)
        assert is_committed(corpus.ids.to_pylist())
        for id, row in zip(found.ids, found.table["row"], strict=True):
            assert corpus.ids[row].as_py() == id
        matrix = corpus.csr("max").toarray()
        feature = draw.randrange(64)
        documents, values = corpus.postings(corpus.saes[0]).documents(feature)
        assert documents.tolist() == matrix[:, feature].nonzero()[0].tolist()
        assert values.tolist() == matrix[documents, feature].tolist()

    def index(self, draw: random.Random) -> None:
        saetext.build_index(Corpus.open(self.path), dense=False)
        time.sleep(0.02)


def resident() -> int:
    """Bytes of memory that this process has now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


@pytest.mark.skipif(sys.platform != "linux", reason="platform: no /proc")
@pytest.mark.timeout(120 + 2 * SECONDS)
def test_eight_threads_on_one_corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))
    encode(rows(0), tmp_path / "c.corpus", reader=reader(), id="id")
    saetext.build_index(Corpus.open(tmp_path / "c.corpus"), dense=False)  # imports, and compiles
    soak = Soak(tmp_path / "c.corpus")
    for once in (soak.read, soak.search, soak.verify, soak.index):
        once(random.Random(0))
    jobs = [getattr(soak, name) for name in JOBS]
    before = resident()
    threads = [threading.Thread(target=soak.run, args=(job, seed)) for seed, job in enumerate(jobs)]
    for thread in threads:
        thread.start()
    memory = []
    for _ in range(6):
        time.sleep(SECONDS / 6)
        memory.append((resident() - before) / 1e6)
        if SECONDS >= 60:
            print(
                f"{time.monotonic() - soak.start:.0f} s: {dict(soak.done)}, {memory[-1]:+.0f} MB", flush=True
            )
    half = memory[2]
    for thread in threads:
        thread.join(SECONDS + 100)
    assert not any(thread.is_alive() for thread in threads), "a thread hangs"
    assert not soak.problems, soak.problems[0]
    ids = Corpus.open(soak.path).ids.to_pylist()
    assert is_committed(ids) and len(ids) == BATCH * (soak.done["appended"] + 1)
    assert min(soak.done[name] for name in JOBS) >= LEAST, soak.done
    grown = (resident() - before) / 1e6
    late = grown - half
    assert grown < 200 and late < 100, f"{grown:.0f} MB, {late:.0f} MB of it in the second half"
    print(f"{SECONDS:g} s: {dict(soak.done)}, {grown:+.0f} MB, {late:+.0f} MB of it in the second half")


def test_the_oracle_of_committed_states() -> None:
    one, two = [f"00001-{i}" for i in range(BATCH)], [f"00002-{i}" for i in range(BATCH)]
    assert is_committed(one + two) and is_committed(two + one) and is_committed([])
    for torn in (one[:-1], one[1:], one + two[:1], [one[0], two[0], one[1]], one + one):
        assert not is_committed(torn)
    assert issubclass(CorpusError, SaetextError)
