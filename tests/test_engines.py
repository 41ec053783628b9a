"""The driver of an engine, with workers that live in this process: who gets what, who dies, what is told."""

from __future__ import annotations

import dataclasses
import os
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from processes import dead_process
from tiny_reader import contents, ready_reader, some_rows, tiny, write_jsonl

from saetext.corpus.finishing import finish_slices, status
from saetext.corpus.landed import record_path
from saetext.encoding.encoder import encode
from saetext.encoding.engines import processes
from saetext.encoding.engines.driver import DEATHS, DEPTH, WorkerError
from saetext.encoding.engines.processes import ProcessEngine, gpus_of, visible_gpus
from saetext.encoding.engines.protocol import Done, Event, Failed, Lost, Ready
from saetext.encoding.engines.worker import Job, Worker
from saetext.encoding.prepared import NamedReader
from saetext.encoding.shards import Shard
from saetext.encoding.slices import encode_slice, prepare_slices
from saetext.errors import CorpusError, InputError, ReaderError, SaetextError
from saetext.io.cpus import available_cpus, quota
from saetext.io.orphans import host
from saetext.io.progress import Progress
from saetext.reader.reader import Reader

Dies = Callable[[int, int], bool]  # of a worker's number and a shard's: whether it dies of it


@dataclasses.dataclass
class Local:
    """An engine whose workers take turns in this process; some die, as told."""

    workers: int = 2
    dies: Dies = lambda worker, shard: False
    stillborn: int = 0  # so many workers die before they are ready
    opened: Callable[[Job], Any] = Worker
    gpus: float = 0
    late: bool = False  # whether the last worker always works first

    def size(self) -> int:
        return self.workers

    def start(self, job: Callable[[int], Job]) -> LocalCrew:
        self.crew = LocalCrew(self, job(1))
        return self.crew


class LocalCrew:
    def __init__(self, engine: Local, job: Job) -> None:
        self.engine, self.job = engine, job
        self.events: list[Event] = []
        self.queues: dict[int, list[tuple[int, Shard]]] = {}
        self.made: dict[int, Any] = {}
        self.deepest, self.hired, self.stopped = 0, 0, False
        self.given: list[int] = []

    def hire(self) -> int:
        number, self.hired = self.hired, self.hired + 1
        if number < self.engine.stillborn:
            self.events.append(Lost(number, "ended with 1 (no such thing)"))
            return number
        try:
            self.made[number] = self.engine.opened(self.job)
            self.events.append(Ready(number, self.made[number].ready()))
        except Exception as error:
            self.events.append(Failed(number, error))
        self.queues[number] = []
        return number

    def submit(self, worker: int, number: int, shard: Shard) -> None:
        self.queues[worker].append((number, shard))
        self.given.append(number)
        self.deepest = max(self.deepest, len(self.queues[worker]))

    def wait(self, seconds: float) -> list[Event]:
        events, self.events = self.events, []
        busy = sorted((worker for worker, has in self.queues.items() if has), reverse=self.engine.late)
        for worker in busy[:1] if self.engine.late else busy:
            number, shard = self.queues[worker].pop(0)
            if self.engine.dies(worker, number):
                del self.queues[worker]
                events.append(Lost(worker, "killed by SIGKILL"))
                continue
            try:
                events.append(Done(worker, self.made[worker].land(number, shard)))
            except Exception as error:
                events.append(Failed(worker, error))
        return events

    def stop(self) -> None:
        self.stopped = True


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def reader() -> Reader:
    return ready_reader()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    rows = some_rows(41, empty_every=7)
    rows[20]["id"] = rows[3]["id"]  # a duplicate in another shard
    return write_jsonl(tmp_path / "in put é.jsonl", rows)


@pytest.mark.parametrize("workers", [1, 2, 3, 20])
@pytest.mark.parametrize("shard_rows", [4, 100])
def test_any_number_of_workers_makes_the_bytes_of_one_run(
    tmp_path: Path, reader: Reader, file: Path, workers: int, shard_rows: int
) -> None:
    whole = encode(file, tmp_path / "whole.corpus", reader=reader, shard_rows=shard_rows)
    engine = Local(workers, late=workers == 3)
    seen: list[Progress] = []
    made = encode(
        file,
        tmp_path / "made.corpus",
        reader=reader,
        shard_rows=shard_rows,
        engine=engine,
        on_progress=seen.append,
    )
    assert made.fingerprint == whole.fingerprint
    assert contents(made.path) == contents(whole.path)
    assert engine.crew.hired == min(workers, -(-41 // shard_rows)) and engine.crew.stopped
    assert engine.crew.deepest <= DEPTH
    landed = [p for p in seen if p.stage == "encoding"]
    shares = [p.share for p in landed if p.share is not None]
    assert shares == sorted(shares) and shares[-1] == pytest.approx(1)
    counts = whole.manifest.counts
    last = landed[-1]
    assert (last.documents, last.tokens) == (counts["documents"], counts["tokens"])
    assert last.rejects == sum(counts["rejects"].values())


def test_a_worker_that_dies_is_replaced_and_nobody_innocent_is_blamed(
    tmp_path: Path, reader: Reader, file: Path
) -> None:
    whole = encode(file, tmp_path / "whole.corpus", reader=reader, shard_rows=4)
    # every worker dies of the first shard that it is given but the seventh; no shard kills three
    deaths: Counter[int] = Counter()

    def dies(worker: int, shard: int) -> bool:
        if not worker:  # it was killed while it wrote
            half = f".part-00000.arrow.{host()}-{dead_process()}.0123abcd.tmp"
            (tmp_path / "m.corpus" / "docs" / half).touch()
        deaths[shard] += worker < 6 and deaths[shard] < DEATHS - 1
        return worker < 6 and deaths[shard] < DEATHS

    engine = Local(2, dies)
    made = encode(file, tmp_path / "m.corpus", reader=reader, shard_rows=4, engine=engine)
    assert contents(made.path) == contents(whole.path)
    assert engine.crew.hired > 4 and sum(deaths.values()) >= 3
    assert set(engine.crew.given) == set(range(11))


@pytest.mark.parametrize("workers", [1, 2])
def test_a_shard_that_kills_three_workers_is_named_and_the_rest_is_kept(
    tmp_path: Path, reader: Reader, file: Path, workers: int
) -> None:
    out = tmp_path / "m.corpus"
    engine = Local(workers, lambda worker, shard: shard == 5)
    with pytest.raises(WorkerError, match=r"^shard 5 \(rows 21 to 24\) has ended 3 workers.*SIGKILL") as told:
        encode(file, out, reader=reader, shard_rows=4, engine=engine)
    assert "\n" not in str(told.value)
    assert engine.crew.given.count(5) == DEATHS and engine.crew.given.count(4) <= 2
    assert engine.crew.hired == workers + DEATHS - 1 and engine.crew.stopped
    landed = status(out).landed
    assert landed and 5 not in landed
    kept = {number: record_path(out, number).stat().st_mtime_ns for number in landed}
    seen: list[Progress] = []
    again = Local(workers)
    made = encode(
        file, out, reader=reader, shard_rows=4, engine=again, on_progress=seen.append
    )  # it may have been a matter of memory
    assert not set(again.crew.given) & set(kept)
    assert max(p.resumed for p in seen) > 0
    whole = encode(file, tmp_path / "whole.corpus", reader=reader, shard_rows=4)
    assert contents(made.path) == contents(whole.path)


def test_workers_that_never_come_to_be_ready_end_the_run(tmp_path: Path, reader: Reader, file: Path) -> None:
    out = tmp_path / "m.corpus"
    engine = Local(2, stillborn=9)
    with pytest.raises(WorkerError, match=r"workers end before they are ready: ended with 1 \(no such thing"):
        encode(file, out, reader=reader, shard_rows=4, engine=engine)
    assert engine.crew.hired <= DEATHS + 1
    assert not out.exists()  # nothing has landed, so nothing is left
    made = encode(file, out, reader=reader, shard_rows=4, engine=Local(2, stillborn=2))
    assert made.n_documents == 36


def test_a_worker_with_another_reader_or_device_is_refused(
    tmp_path: Path, reader: Reader, file: Path
) -> None:
    other = (
        tiny().reader().with_calibrations({name: reader.calibrations[name] for name in tiny().reader().saes})
    )
    on_gpu = dataclasses.replace(
        reader.spec, numerics=dataclasses.replace(reader.spec.numerics, device="cuda")
    )
    newer = dataclasses.replace(
        reader.spec, numerics=dataclasses.replace(reader.spec.numerics, versions={"torch": "99"})
    )

    class Other(Worker):
        told = other.spec

        def ready(self) -> Any:
            return self.told

    another = "a worker has another reader than the driver; it differs in: "
    for spec, said in ((other.spec, another), (on_gpu, "device was 'cpu' and is now 'cuda'")):
        Other.told = spec
        with pytest.raises(SaetextError, match=said):
            encode(file, tmp_path / "m.corpus", reader=reader, engine=Local(1, opened=Other))
        assert not (tmp_path / "m.corpus").exists()
    Other.told = newer
    made = encode(file, tmp_path / "m.corpus", reader=reader, engine=Local(1, opened=Other))
    assert len(made.manifest.runs[0]["numerics"]) == 2  # other versions are recorded


def test_what_goes_wrong_in_a_worker_is_told_as_in_one_run(
    tmp_path: Path, reader: Reader, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    from saetext.corpus import put

    real = put.write_batch

    def full(path: Path, batch: Any) -> Any:
        if path.name == "part-00002.arrow":
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        return real(path, batch)

    monkeypatch.setattr(put, "write_batch", full)
    said = []
    for engine in (None, Local(2)):
        out = tmp_path / "m.corpus" if engine is None else tmp_path / "e.corpus"
        with pytest.raises(CorpusError, match="No space left on device; free space") as told:
            encode(file, out, reader=reader, shard_rows=4, engine=engine)
        said.append(str(told.value).replace(str(out), "OUT"))
    assert said[0] == said[1]
    monkeypatch.undo()
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))
    made = encode(file, tmp_path / "e.corpus", reader=reader, shard_rows=4, engine=Local(2))
    whole = encode(file, tmp_path / "m.corpus", reader=reader, shard_rows=4)
    assert contents(made.path) == contents(whole.path)


def test_what_cannot_be_encoded_leaves_nothing(tmp_path: Path, reader: Reader) -> None:
    out = tmp_path / "m.corpus"
    empty = [{"text": ""}, {"text": None}]
    with pytest.raises(InputError, match="no document that can be read: 2 rows rejected"):
        encode(empty, out, text="text", reader=reader, engine=Local(1))
    assert not out.exists()
    with pytest.raises(InputError, match="GPU for each worker, and the reader runs on cpu"):
        encode([{"text": "fox"}], out, reader=reader, engine=Local(1, gpus=1))
    assert not out.exists()


def test_a_stream_is_read_once_and_an_input_that_changed_is_refused(tmp_path: Path, reader: Reader) -> None:
    rows = some_rows(30)
    made = encode(iter(rows), tmp_path / "m.corpus", reader=reader, shard_rows=5, engine=Local(2))
    assert made.n_documents == 30
    out = tmp_path / "n.corpus"
    with pytest.raises(WorkerError):
        encode(rows, out, reader=reader, shard_rows=5, engine=Local(1, lambda worker, shard: shard == 3))
    other = [{**rows[0], "text": "something else"}, *rows[1:]]
    with pytest.raises(InputError, match=r"differs from what 1 shard of .*delete part-00000.json"):
        encode(other, out, reader=reader, shard_rows=5, engine=Local(1))
    with pytest.raises(CorpusError, match="other settings: rows per shard was 5 and is now 6"):
        encode(rows, out, reader=reader, shard_rows=6, engine=Local(1))
    assert encode(rows, out, reader=reader, shard_rows=5, engine=Local(1)).n_documents == 30


def test_engines_and_slices_take_turns(tmp_path: Path, reader: Reader, file: Path) -> None:
    whole = encode(file, tmp_path / "whole.corpus", reader=reader, shard_rows=4)
    out = tmp_path / "m.corpus"
    encode_slice(file, out, "1/3", reader=reader, shard_rows=4)
    with pytest.raises(WorkerError):
        encode(file, out, reader=reader, shard_rows=4, engine=Local(1, lambda worker, shard: shard == 3))
    landed = status(out).landed
    assert {1, 4, 7, 10} < set(landed) and 3 not in landed
    encode_slice(file, out, "0/1", reader=reader, shard_rows=4)
    assert finish_slices(out).fingerprint == whole.fingerprint
    assert contents(out) == contents(whole.path)
    with pytest.raises(InputError, match="engine would change nothing: a slice is encoded by the process"):
        encode_slice(file, tmp_path / "x.corpus", "0/1", reader=reader, engine=Local(1))


def test_where_it_was_prepared_the_driver_loads_no_model(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "m.corpus"
    raw = tiny().reader()
    prepare_slices(file, out, reader=raw, shard_rows=9, threshold=60)
    loaded: list[str] = []
    real = Reader.from_spec.__func__  # type: ignore[attr-defined]

    def noted(cls: Any, *args: Any, **settings: Any) -> Reader:
        loaded.append("worker" if engine.crew.hired else "driver")
        return real(cls, *args, **settings)

    monkeypatch.setattr(Reader, "from_spec", classmethod(noted))
    monkeypatch.setattr(Reader, "load_many", classmethod(lambda *_, **__: pytest.fail("loaded by name")))
    engine = Local(1)
    named = NamedReader((str(tiny().sae),), str(tiny().model))
    for wrong, said in (
        (NamedReader(), "begun with another reader than the embedded one"),
        (dataclasses.replace(named, device="cuda"), "begun with --device cpu, not cuda"),
        (dataclasses.replace(named, dtype="bfloat16"), "begun with --dtype float32, not bfloat16"),
    ):
        with pytest.raises(ReaderError, match=said):
            encode(file, out, reader=wrong, shard_rows=9, engine=engine)
    monkeypatch.undo()
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(Reader, "from_spec", classmethod(noted))
    with pytest.raises(InputError, match="was prepared with --threshold 60, not 75"):
        encode(file, out, reader=named, shard_rows=9, threshold=75, engine=engine)
    other = dataclasses.replace(named, names=(str(tiny().other_sae),))
    with pytest.raises(ReaderError, match=r"reader of this corpus has changed; it differs in|no calibration"):
        encode(file, out, reader=other, shard_rows=9, engine=engine)
    engine = Local(1)
    made = encode(file, out, reader=named, shard_rows=9, engine=engine)
    assert loaded and set(loaded) == {"worker"}
    monkeypatch.undo()
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))
    whole = encode(file, tmp_path / "whole.corpus", reader=raw, shard_rows=9, threshold=60)
    assert contents(made.path) == contents(whole.path)


def test_a_place_that_a_worker_does_not_see_is_told(tmp_path: Path, reader: Reader, file: Path) -> None:
    def elsewhere(job: Job) -> Worker:
        return Worker(dataclasses.replace(job, home=tmp_path / "another machine's"))

    with pytest.raises(CorpusError, match=r"does not see .* as the driver does: choose a directory that all"):
        encode(file, tmp_path / "m.corpus", reader=reader, engine=Local(1, opened=elsewhere))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"workers": 0}, "workers must be at least 1, not 0"),
        ({"cpus": 0}, "cpus must be at least 1, not 0"),
        ({"gpus": -1}, "gpus must be at least 0, not -1"),
        ({"gpus": 1.5}, "a whole number of GPUs, or a part of one, not 1.5"),
        ({"gpus": float("nan")}, "gpus must be"),
    ],
)
def test_numbers_that_cannot_be_are_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        ProcessEngine(**settings)


def a_python(place: Path, does: str) -> str:
    """A command in place of Python that does what the shell is told."""
    place.write_text(f"#!/bin/sh\n{does}\n")
    place.chmod(0o755)
    return str(place)


def events(crew: processes.ProcessCrew, seconds: float = 60) -> list[Event]:
    """What a crew says until a worker is lost."""
    found: list[Event] = []
    until = time.monotonic() + seconds
    while not any(isinstance(event, Lost) for event in found):
        assert time.monotonic() < until, "nobody is told"
        found += crew.wait(0.1)
    return found


@pytest.mark.skipif(os.name != "posix", reason="platform: no shell")
def test_a_worker_that_nobody_understands_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_PATIENCE", 0.1)
    job: Any = {"large": b"x" * 1_000_000}  # more than a pipe holds
    for said in ("a library says hello", "cnosuchmodule\\nx\\n."):  # the second is read as an import
        python = a_python(tmp_path / "python", f"printf '{said}'; cat >&2; sleep 600")
        monkeypatch.setattr(processes.sys, "executable", python)
        crew = processes.ProcessCrew(job, 1, 0)
        crew.hire()
        assert isinstance(events(crew)[-1], Lost)
        stream = crew._processes[0].stdin
        while stream is not None and not stream.closed:
            time.sleep(0.01)
        crew.submit(0, 3, Shard())  # nobody is there, and that was said
        crew.stop()


@pytest.mark.skipif(os.name != "posix", reason="platform: no shell")
def test_a_job_that_cannot_be_sent_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes.sys, "executable", a_python(tmp_path / "python", "cat > /dev/null"))
    monkeypatch.setattr(processes, "_PATIENCE", 0.1)
    unsendable: Any = lambda: None  # noqa: E731
    crew = processes.ProcessCrew(unsendable, 1, 0)
    crew.hire()
    first = crew.wait(60)[0]
    assert isinstance(first, Failed) and "pickle" in str(first.error).lower()
    crew.stop()


def test_each_worker_has_its_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("nvidia0", "nvidia1", "nvidiactl"):
        (tmp_path / name).touch()
    assert visible_gpus({}, tmp_path) == ["0", "1"]
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": "3, GPU-abc"}) == ["3", "GPU-abc"]
    assert visible_gpus({"CUDA_VISIBLE_DEVICES": "-1"}) == visible_gpus({"CUDA_VISIBLE_DEVICES": ""}) == []
    assert [gpus_of(i, 1, ["3", "5"]) for i in range(2)] == [["3"], ["5"]]
    assert [gpus_of(i, 0.34, ["3", "5"]) for i in range(4)] == [["3"], ["3"], ["5"], ["5"]]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2")
    assert ProcessEngine(gpus=1).size() == 3 and ProcessEngine(gpus=0.5).size() == 6
    assert ProcessEngine(gpus=0.4).size() == 6 and ProcessEngine(gpus=2).size() == 1
    with pytest.raises(InputError, match="a worker is to have 2 GPUs, and this machine has 3 GPUs for 2 of"):
        ProcessEngine(workers=2, gpus=2).size()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    with pytest.raises(InputError, match=r"to have \.5 GPU, and this machine has no GPU for 1 of them"):
        ProcessEngine(gpus=0.5).size()


@pytest.mark.parametrize(
    ("files", "groups", "cpus"),
    [
        ({}, "", None),
        ({"cpu.max": "max 100000\n"}, "0::/\n", None),
        ({"cpu.max": "150000 100000\n"}, "0::/\n", 2),
        ({"pod/box/cpu.max": "50000 100000\n", "pod/cpu.max": "300000 100000\n"}, "0::/pod/box\n", 1),
        ({"pod/box/cpu.max": "max 100000\n", "pod/cpu.max": "300000 100000\n"}, "0::/pod/box\n", 3),
        (
            {"cpu/pod/cpu.cfs_quota_us": "400000\n", "cpu/pod/cpu.cfs_period_us": "100000\n"},
            "4:cpu,cpuacct:/pod\n1:memory:/other\n",
            4,
        ),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, "4:cpu:/\n", None),
        ({"cpu.max": "what is this\n"}, "0::/../..\n", None),
        ({"cpu.max": "100000 0\n"}, "nonsense", None),
    ],
)
def test_the_quota_of_a_container_is_read(
    tmp_path: Path, files: dict[str, str], groups: str, cpus: int | None
) -> None:
    for name, content in files.items():
        (tmp_path / "fs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "fs" / name).write_text(content)
    (tmp_path / "own").write_text(groups)
    assert quota(tmp_path / "fs", tmp_path / "own") == cpus


def test_threads_are_no_more_than_there_are_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of what encodes in this process too: a reader that is loaded sees to it."""
    import torch

    from saetext.reader import threads

    assert available_cpus() >= 1
    before = torch.get_num_threads()
    try:
        for asked, cpus, expected in ((None, 2, 2), (None, 9, 4), ("3", 2, 4)):
            torch.set_num_threads(4)
            monkeypatch.setattr(threads, "available_cpus", lambda cpus=cpus: cpus)
            monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
            if asked:
                monkeypatch.setenv("OMP_NUM_THREADS", asked)
            tiny().reader()
            assert torch.get_num_threads() == expected
    finally:
        torch.set_num_threads(before)
