"""Slices: whoever makes the shards, in whatever order, the corpus is that of one run, byte by byte."""

from __future__ import annotations

import contextlib
import json
import os
import random
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tiny_reader import contents, ready_reader, some_rows, tiny, write_jsonl

from saetext.corpus import Corpus, finishing
from saetext.corpus.finishing import Status, finish_slices, status
from saetext.corpus.landed import Landed, Slice, record_path
from saetext.corpus.landing import SliceWriter
from saetext.corpus.outbox import Outbox
from saetext.corpus.starting import LANDED, locked
from saetext.encoding.encoder import append, encode
from saetext.encoding.slices import encode_slice, prepare_slices, scheduled_slice
from saetext.errors import CorpusError, InputError
from saetext.io.sealed import sealed
from saetext.reader.reader import Reader


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def reader() -> Reader:
    return ready_reader()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    rows = some_rows(41, empty_every=7)
    rows[20]["id"] = rows[3]["id"]  # a duplicate in another slice
    return write_jsonl(tmp_path / "in put é.jsonl", rows)


@pytest.mark.parametrize(("of", "shard_rows"), [(1, 5), (2, 7), (3, 4), (8, 10), (5, 100)])
def test_slices_in_any_order_are_one_run(
    tmp_path: Path, reader: Reader, file: Path, of: int, shard_rows: int
) -> None:
    whole = encode(file, tmp_path / "whole.corpus", reader=reader, shard_rows=shard_rows)
    out = tmp_path / "sliced.corpus"
    parts = [Slice(index, of) for index in range(of)]
    random.Random(of).shuffle(parts)
    for part in parts:
        encode_slice(file, out, part, reader=reader, shard_rows=shard_rows)
    made = finish_slices(out)
    assert made.fingerprint == whole.fingerprint
    assert contents(out) == contents(whole.path)
    made.verify()
    assert finish_slices(out).fingerprint == whole.fingerprint  # once more is no harm
    grown = append(some_rows(3, seed=5) and [{"id": "new", "text": "fox"}], out, reader=reader)
    assert grown.n_documents == whole.n_documents + 1


def test_another_number_of_slices_goes_on_where_one_stopped(
    tmp_path: Path, reader: Reader, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = encode(file, tmp_path / "whole.corpus", reader=reader, shard_rows=4)
    out = tmp_path / "sliced.corpus"
    wrote: list[int] = []
    real = SliceWriter.write_shard

    def dies(writer: SliceWriter, shard: int, **made: Any) -> Any:
        if len(wrote) == 2:
            raise KeyboardInterrupt
        wrote.append(shard)
        return real(writer, shard, **made)

    monkeypatch.setattr(SliceWriter, "write_shard", dies)
    with pytest.raises(KeyboardInterrupt):
        encode_slice(file, out, "1/2", reader=reader, shard_rows=4)
    monkeypatch.undo()
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))
    assert status(out).landed == (1, 3) and status(out).shards is None
    with pytest.raises(
        CorpusError, match=r"2 shards have landed .by slices of 2.; how many there are is known"
    ):
        finish_slices(out)
    assert encode_slice(file, out, "0/2", reader=reader, shard_rows=4).missing == (5, 7, 9)
    found = status(out)
    assert found.slices == (Slice(1, 2),)
    missing = r"3 of 11 shards not there yet, in --slice 1/2: run those .*--array=1\)"
    with pytest.raises(CorpusError, match=missing):
        finish_slices(out)
    written: list[int] = []
    monkeypatch.setattr(
        SliceWriter,
        "write_shard",
        lambda writer, shard, **made: (written.append(shard), real(writer, shard, **made))[1],
    )
    for index in range(3):
        encode_slice(file, out, Slice(index, 3), reader=reader, shard_rows=4)
    assert sorted(written) == [5, 7, 9]  # the others were there
    assert finish_slices(out).fingerprint == whole.fingerprint
    assert contents(out) == contents(whole.path)


def test_what_is_damaged_is_named_and_made_again(tmp_path: Path, reader: Reader, file: Path) -> None:
    whole = encode(file, tmp_path / "whole.corpus", reader=reader, shard_rows=9)
    out = tmp_path / "sliced.corpus"
    for index in range(2):
        encode_slice(file, out, Slice(index, 2), reader=reader, shard_rows=9)
    record = record_path(out, 2)
    good = record.read_bytes()
    flipped = good.replace(b'"tokens": ', b'"tokens": 1', 1)
    docs = out / "docs" / "part-00003.arrow"
    for path, bad, shard in (
        (record, flipped, 2), (record, good[:-9], 2), (record, b"{}", 2), (docs, docs.read_bytes()[:-1], 3)
    ):  # fmt: skip
        kept = path.read_bytes()
        path.write_bytes(bad)
        with pytest.raises(
            CorpusError, match=rf"damaged.*run the slice that has shard {shard} again"
        ) as told:
            finish_slices(out)
        assert "\n" not in str(told.value) and not (out / "manifest.json").exists()
        encode_slice(file, out, f"{shard % 2}/2", reader=reader, shard_rows=9)
        assert path.read_bytes() == kept
    (out / LANDED / "end.json").write_text("[]")
    with pytest.raises(CorpusError, match=r"end.json is damaged"):
        finish_slices(out)
    (out / LANDED / "end.json").unlink()
    encode_slice(file, out, "0/2", reader=reader, shard_rows=9)
    assert finish_slices(out).fingerprint == whole.fingerprint


def test_thresholds_that_are_not_those_of_the_plan_are_refused(
    tmp_path: Path, reader: Reader, file: Path
) -> None:
    out = tmp_path / "s.corpus"
    encode_slice(file, out, "0/1", reader=reader)
    [card, other] = sorted((out / "cards").glob("*.arrow"))
    good = card.read_bytes()
    for bad, said in (
        (other.read_bytes(), "are not those"),
        (good[:-9], "not the calibration"),
        (b"", "not"),
    ):
        card.write_bytes(bad)
        with pytest.raises(CorpusError, match=said) as told:
            finish_slices(out)
        assert "\n" not in str(told.value) and not (out / "manifest.json").exists()
    card.write_bytes(good)
    finish_slices(out).verify()


def test_an_input_that_changes_between_slices_is_noticed(tmp_path: Path, reader: Reader) -> None:
    rows = some_rows(30)
    out = tmp_path / "s.corpus"
    encode_slice(rows, out, "0/2", reader=reader, shard_rows=5)
    other = [*rows[:6], {**rows[6], "text": "something else"}, *rows[7:]]
    with pytest.raises(InputError, match="the input differs from what another slice"):
        encode_slice(other, out, "1/2", reader=reader, shard_rows=5)
    with pytest.raises(CorpusError, match="not of one input"):  # its shards landed before that was seen
        finish_slices(out)
    changed = [{**rows[0], "text": "something else"}, *rows[1:]]
    with pytest.raises(InputError, match=r"differs from what 1 shard of .*delete part-00000.json"):
        encode_slice(changed, out, "0/2", reader=reader, shard_rows=5)
    with pytest.raises(CorpusError, match="other settings: rows per shard was 5 and is now 6"):
        encode_slice(rows, out, "1/2", reader=reader, shard_rows=6)


def test_a_wrong_input_can_be_put_right(tmp_path: Path, reader: Reader) -> None:
    rows = some_rows(30)
    wrong = [*rows[:6], {**rows[6], "text": "something else"}, *rows[7:]]
    out = tmp_path / "s.corpus"
    encode_slice(rows, out, "0/2", reader=reader, shard_rows=5)
    with pytest.raises(InputError, match="the input differs from what another slice"):
        encode_slice(wrong, out, "1/2", reader=reader, shard_rows=5)  # shard 1 has landed, of the wrong rows
    with pytest.raises(InputError, match=r"1 shard of .* or if it is right, delete part-00001.json in"):
        encode_slice(rows, out, "1/2", reader=reader, shard_rows=5)
    record_path(out, 1).unlink()
    assert encode_slice(rows, out, "1/2", reader=reader, shard_rows=5).whole
    whole = encode(rows, tmp_path / "whole.corpus", reader=reader, shard_rows=5)
    assert finish_slices(out).fingerprint == whole.fingerprint


def test_who_is_second_with_a_shard_takes_what_has_landed(
    tmp_path: Path, reader: Reader, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two machines may round differently: files of one beside the record of the other would be damage."""
    out = tmp_path / "s.corpus"
    real = SliceWriter.write_shard
    raced: list[int] = []

    def overtaken(writer: SliceWriter, shard: int, **made: Any) -> Any:
        if not raced and writer.slice.of == 1:
            raced.append(shard)
            encode_slice(file, out, f"{shard % 2}/2", reader=reader, shard_rows=9)
            stamps.update({path: path.stat().st_mtime_ns for path in out.rglob("part-*")})
        return real(writer, shard, **made)

    stamps: dict[Path, int] = {}
    monkeypatch.setattr(SliceWriter, "write_shard", overtaken)
    encode_slice(file, out, "0/1", reader=reader, shard_rows=9)
    assert raced == [0] and len(stamps) > 3
    assert all(path.stat().st_mtime_ns == time for path, time in stamps.items())
    finish_slices(out).verify()


def test_files_that_do_not_fit_their_records_make_none(tmp_path: Path, reader: Reader, file: Path) -> None:
    out = tmp_path / "s.corpus"
    encode_slice(file, out, "0/2", reader=reader, shard_rows=9)
    encode_slice(file, out, "1/2", reader=reader, shard_rows=9)
    docs = out / "docs" / "part-00003.arrow"
    good = docs.read_bytes()
    docs.write_bytes(good[:-40] + bytes([good[-40] ^ 1]) + good[-39:])  # the size stays
    seen: list[float | None] = []
    with pytest.raises(CorpusError, match=r"damaged.*run the slice that has shard 3 again"):
        finish_slices(out, on_progress=lambda p: seen.append(p.share))
    assert seen and not (out / "manifest.json").exists()
    encode_slice(file, out, "1/2", reader=reader, shard_rows=9)
    assert docs.read_bytes() == good
    finish_slices(out).verify()


def test_slices_that_begin_at_once_agree_or_one_is_refused(
    tmp_path: Path, reader: Reader, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plan is looked at and written by one slice at a time."""
    from saetext.corpus import plan

    out = tmp_path / "s.corpus"
    waiting, real = threading.Barrier(2, timeout=2), plan.write_atomic

    def slowly(path: Path, data: bytes) -> Any:
        if path.name == "plan.json":
            with contextlib.suppress(threading.BrokenBarrierError):
                waiting.wait()  # the other would come here too, if it could
        return real(path, data)

    monkeypatch.setattr(plan, "write_atomic", slowly)
    ends: list[str] = []

    def begin(shard_rows: int) -> None:
        try:
            prepare_slices(file, out, reader=reader, shard_rows=shard_rows)
            ends.append("prepared")
        except CorpusError as error:
            ends.append(str(error))

    both = [threading.Thread(target=begin, args=(rows,)) for rows in (9, 10)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert ends.count("prepared") == 1
    assert any("other settings: rows per shard was" in end for end in ends)


def test_what_one_slice_or_an_engine_has_left_is_made_by_the_same_command(tmp_path: Path) -> None:
    assert Status(tmp_path, (0, 1), None, 1).describe() == (
        "2 shards have landed; how many there are is known at the end: run the same command again"
    )
    assert Status(tmp_path, (0, 2), 4, 1).describe() == (
        "2 of 4 shards not there yet: run the same command again"
    )


def test_runs_of_two_kinds_do_not_mix(tmp_path: Path, reader: Reader, file: Path) -> None:
    out = tmp_path / "s.corpus"
    prepare_slices(file, out, reader=reader)
    with pytest.raises(CorpusError, match="was begun with --slice or --engine: run the same command as at"):
        encode(file, out, reader=reader)
    with pytest.raises(CorpusError, match="is being made by slices or workers: 'saetext finish"):
        Corpus.open(out)
    whole = encode(file, tmp_path / "whole.corpus", reader=reader)
    with pytest.raises(CorpusError, match="finished corpus already"):
        encode_slice(file, whole.path, "0/2", reader=reader)
    (whole.path / "manifest.json").unlink()  # unfinished, begun without slices
    with pytest.raises(CorpusError, match="was begun without --slice and has 1 shards"):
        encode_slice(file, whole.path, "0/2", reader=reader)
    for path, said in ((whole.path, "not being made in slices"), (tmp_path / "none", "does not exist")):
        with pytest.raises(CorpusError, match=said):
            finish_slices(path)
    other = tmp_path / "mine"
    other.mkdir()
    (other / "thesis.txt").write_text("x")
    with pytest.raises(CorpusError, match="not a corpus and not empty"):
        encode_slice(file, other, "0/2", reader=reader)
    assert [p.name for p in other.iterdir()] == ["thesis.txt"]


def test_a_slice_has_one_writer_and_the_last_two_may_finish_together(
    tmp_path: Path, reader: Reader, file: Path
) -> None:
    out = tmp_path / "s.corpus"
    encode_slice(file, out, "0/2", reader=reader, shard_rows=9)
    held = locked(out, "landed/.lock-1-of-2")
    with pytest.raises(CorpusError, match=r"slice 1/2 of .* is being written by another process"):
        encode_slice(file, out, "1/2", reader=reader, shard_rows=9)
    held.release()
    encode_slice(file, out, "1/2", reader=reader, shard_rows=9)
    made: list[str] = []
    both = [threading.Thread(target=lambda: made.append(finish_slices(out).fingerprint)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert len(made) == 2 and len(set(made)) == 1


@pytest.mark.parametrize("moment", ["landed_numbers", "_require_sliced", "_counted"])
def test_who_looks_while_another_finishes_sees_a_finished_corpus(
    tmp_path: Path, reader: Reader, file: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Records go once the manifest is there: at whatever moment that is, nothing is missing."""
    out = tmp_path / "s.corpus"
    encode_slice(file, out, "0/1", reader=reader, shard_rows=9)
    true = getattr(finishing, moment)
    other: list[str] = []

    def while_another_finishes(path: Path) -> Any:
        before = true(path) if moment == "_counted" else None
        monkeypatch.setattr(finishing, moment, true)
        other.append(finish_slices(path).fingerprint)
        return before if moment == "_counted" else true(path)

    monkeypatch.setattr(finishing, moment, while_another_finishes)
    assert finish_slices(out).fingerprint == other[0]
    assert status(out).finished and not (out / "landed").exists()


@pytest.mark.parametrize("ask", ["finish", "status"])
def test_a_store_that_another_finishes_meanwhile_is_finished(
    tmp_path: Path, reader: Reader, file: Path, monkeypatch: pytest.MonkeyPatch, ask: str
) -> None:
    """The records that are about to be read have gone: the store says that there is no such file."""
    url = f"memory://finished-meanwhile/{ask}.corpus"
    encode_slice(file, url, "0/1", reader=reader, shard_rows=9)
    true, other = Outbox.bring_records, []

    def while_another_finishes(box: Outbox, numbers: Sequence[int]) -> None:
        monkeypatch.setattr(Outbox, "bring_records", true)
        other.append(finish_slices(url).fingerprint)
        true(box, numbers)

    monkeypatch.setattr(Outbox, "bring_records", while_another_finishes)
    if ask == "finish":
        assert finish_slices(url).fingerprint == other[0]
    else:
        assert status(url).finished
    assert other


def test_an_input_without_documents_is_no_corpus(tmp_path: Path, reader: Reader) -> None:
    out = tmp_path / "s.corpus"
    encode_slice([{"text": ""}, {"text": None}], out, "0/1", text="text", reader=reader)
    with pytest.raises(InputError, match="no document that can be read: 2 rows rejected"):
        finish_slices(out)


def test_thresholds_are_made_once_for_all(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "s.corpus"
    raw = tiny().reader()
    with pytest.raises(InputError, match=r"no thresholds yet.*--prepare instead of --slice first"):
        encode_slice(file, out, "0/2", reader=raw, shard_rows=9)
    assert not out.exists()
    assert prepare_slices(file, out, reader=raw, shard_rows=9, threshold=60).landed == ()
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "another machine's"))
    with pytest.raises(InputError, match="was prepared with --threshold 60, not 75"):
        encode_slice(file, out, "0/2", reader=raw, shard_rows=9, threshold=75)
    for index in range(2):
        encode_slice(file, out, Slice(index, 2), reader=raw, shard_rows=9)
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "third"))
    whole = encode(file, tmp_path / "whole.corpus", reader=raw, shard_rows=9, threshold=60)
    assert finish_slices(out).fingerprint == whole.fingerprint


def test_what_can_be_read_once_is_refused(tmp_path: Path, reader: Reader) -> None:
    with pytest.raises(InputError, match="read only once, and every slice reads it"):
        encode_slice(iter([{"text": "fox"}]), tmp_path / "s.corpus", "0/1", reader=reader)
    assert not (tmp_path / "s.corpus").exists()


@pytest.mark.parametrize("told", ["", "3", "a/b", "3/0", "8/8", "-1/8", "1/2/3", "1.5/2", "1/" + "9" * 12])
def test_what_is_no_slice_is_refused_in_one_line(told: str) -> None:
    with pytest.raises(InputError, match="no slice") as error:
        Slice.parse(told)
    assert "\n" not in str(error.value) and len(str(error.value)) < 200


def test_every_shard_is_in_one_slice() -> None:
    for of in (1, 3, 8):
        parts = [Slice.parse(f" {index} / {of}") for index in range(of)]
        assert all(sum(part.has(shard) for part in parts) == 1 for shard in range(50))


@pytest.mark.parametrize(
    ("environment", "slice_"),
    [
        ({"SLURM_ARRAY_TASK_ID": "3", "SLURM_ARRAY_TASK_MIN": "0", "SLURM_ARRAY_TASK_COUNT": "8"}, "3/8"),
        ({"SLURM_ARRAY_TASK_ID": "8", "SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_COUNT": "8"}, "7/8"),
        (
            {
                "SLURM_ARRAY_TASK_ID": "6", "SLURM_ARRAY_TASK_MIN": "2", "SLURM_ARRAY_TASK_COUNT": "4",
                "SLURM_ARRAY_TASK_STEP": "2",
            },
            "2/4",
        ),
        (
            {
                "SLURM_ARRAY_TASK_ID": "5", "SLURM_ARRAY_TASK_MIN": "2", "SLURM_ARRAY_TASK_COUNT": "2",
                "SAETEXT_SLICES": "8",
            },
            "5/8",
        ),
        ({"JOB_COMPLETION_INDEX": "0", "SAETEXT_SLICES": "4"}, "0/4"),
    ],
)  # fmt: skip
def test_a_scheduler_says_which_slice(environment: dict[str, str], slice_: str) -> None:
    assert str(scheduled_slice(environment)) == slice_


@pytest.mark.parametrize(
    "environment",
    [
        {}, {"JOB_COMPLETION_INDEX": "0"}, {"SLURM_ARRAY_TASK_ID": "x", "SLURM_ARRAY_TASK_COUNT": "2"},
        {"SLURM_ARRAY_TASK_ID": "9", "SAETEXT_SLICES": "4"},
    ],
)  # fmt: skip
def test_a_scheduler_that_says_nothing_of_use_is_told(environment: dict[str, str]) -> None:
    with pytest.raises(InputError, match="slice"):
        scheduled_slice(environment)


@pytest.mark.skipif(os.name != "posix", reason="platform: no fork and signals")
def test_a_kill_before_or_after_any_rename_costs_a_shard_at_most(tmp_path: Path) -> None:
    """In a process with one thread: a fork of one with more may wait for a lock that nobody has."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "SAETEXT_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, str(Path(__file__).with_name("slice_kills.py")), str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads(done.stdout.splitlines()[-1]) == {"kills": 26}


def test_records_say_whose_they_are(tmp_path: Path, reader: Reader, file: Path) -> None:
    out = tmp_path / "s.corpus"
    encode_slice(file, out, "1/2", reader=reader, shard_rows=9)
    landed = Landed.read(out, 1)
    assert landed.slice == Slice(1, 2) and landed.entry.rejects_bytes == len(landed.rejected.encode())
    record_path(out, 1).rename(record_path(out, 4))
    with pytest.raises(CorpusError, match="it is of shard 1"):
        Landed.read(out, 4)
    assert json.loads((out / LANDED / "end.json").read_text())["shards"] == 5


def test_a_slice_that_is_overtaken_ends_well(
    tmp_path: Path, reader: Reader, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other slice may finish the corpus once all has landed: before this one says how many there are."""
    whole = encode(file, tmp_path / "whole.corpus", reader=reader, shard_rows=9)
    real, made = SliceWriter.write_shard, SliceWriter.end

    def finished_by_others(out: Path) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(SliceWriter, "write_shard", real)
            patch.setattr(SliceWriter, "end", made)
            encode_slice(file, out, "0/1", reader=reader, shard_rows=9)
        finish_slices(out)

    def end(writer: SliceWriter, shards: int, digest: str) -> None:
        finished_by_others(writer.path)
        made(writer, shards, digest)

    def write_shard(writer: SliceWriter, shard: int, **told: Any) -> Any:
        finished_by_others(writer.path)
        return real(writer, shard, **told)

    for name, act in (("end", end), ("write_shard", write_shard)):
        out = tmp_path / f"{name}.corpus"
        monkeypatch.setattr(SliceWriter, name, act)
        assert encode_slice(file, out, "1/2", reader=reader, shard_rows=9).whole
        monkeypatch.setattr(SliceWriter, name, {"end": made, "write_shard": real}[name])
        assert contents(out) == contents(whole.path) and not (out / LANDED).exists()
        assert status(out).whole and finish_slices(out).fingerprint == whole.fingerprint


def test_records_from_others_lead_nowhere_else(tmp_path: Path, reader: Reader, file: Path) -> None:
    out = tmp_path / "s.corpus"
    encode_slice(file, out, "0/1", reader=reader, shard_rows=20)
    secret = tmp_path / "secret.arrow"
    secret.write_bytes(b"x" * 9)
    record, end = record_path(out, 1), out / LANDED / "end.json"
    good, ended = json.loads(record.read_bytes()), end.read_bytes()
    stamp = {"bytes": 9, "xxh3_128": "0" * 32}
    files_ = good["entry"]["files"]
    docs = {name: told for name, told in files_.items() if name.startswith("docs/")}
    for entry, said in (
        ({"files": {**files_, "../secret.arrow": stamp}}, "not of this shard"),
        ({"files": {**files_, str(secret): stamp}}, "not of this shard"),
        ({"files": {**files_, "features/../../secret.arrow": stamp}}, "not of this shard"),
        ({"files": {**files_, "docs/part-00000.arrow": stamp}}, "not of this shard"),
        ({"files": docs}, "do not fit each other"),
        ({"entries": {}}, "do not fit each other"),
        ({"meta": {"topic": "picture"}}, "do not fit each other"),
        ({"rows": 2**31 - 1}, "do not fit each other"),
        ({"rows": -1}, "damaged"),
        ({"files": []}, "damaged"),
    ):
        bad = {key: value for key, value in good.items() if key != "seal"}
        record.write_text(json.dumps(sealed({**bad, "entry": {**good["entry"], **entry}})))
        with pytest.raises(CorpusError, match=said) as told:
            finish_slices(out)
        assert "\n" not in str(told.value) and not (out / "manifest.json").exists(), entry
    if hasattr(os, "mkfifo"):
        record.unlink()
        os.mkfifo(record)
        with pytest.raises(CorpusError, match="damaged"):
            finish_slices(out)
        record.unlink()
    record.write_text(json.dumps(good))
    end.write_text(json.dumps(sealed({"shards": 2**31 - 1, "digest": "x"})))  # a list of them takes 60 GB
    with pytest.raises(CorpusError, match=r"end.json is damaged"):
        status(out)
    end.write_bytes(ended)
    plan = out / "plan.json"
    told_plan = plan.read_text()
    plan.write_text(told_plan.replace(f'"{reader.spec.saes[0].name}"', '"../../secret"'))
    with pytest.raises(CorpusError, match=r"damaged|do not fit"):
        finish_slices(out)
    plan.write_text(told_plan)
    assert finish_slices(out).n_documents
