"""What happens to a corpus when things go wrong: kills, full disks, damage, other versions, two writers."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from saetext.corpus import Corpus, CorpusWriter
from saetext.errors import CorpusError, IncompatibleError, ShardCorruptError
from saetext.io import files as corpus_files
from saetext.io.sealed import require_seal
from tests.corpus_factory import make_calibration, make_shards, make_spec
from tests.processes import dead_process

REPO = Path(__file__).parents[1]
SIZES = (3, 0, 4, 2)
CALIBRATIONS = {"main": make_calibration(12), "b": make_calibration(12)}
SHARDS = make_shards(5, SIZES, saes=("main", "b"))
MORE = make_shards(6, (2, 3), saes=("main", "b"), first=9)


def start(path: Path, **changes) -> CorpusWriter:
    spec = make_spec(
        CALIBRATIONS, **{k: changes.pop(k) for k in ("device", "versions", "window") if k in changes}
    )
    return CorpusWriter.open(
        path,
        **{
            "plan": {"input": "a.jsonl", "shard": 4},
            "spec": spec,
            "calibrations": CALIBRATIONS,
            "stores_text": True,
        }
        | changes,
    )


def go_on(path: Path) -> Corpus:
    """Do what the same command would do again."""
    with start(path) as writer:
        for number in range(len(writer.finished), len(SHARDS)):
            SHARDS[number].write(writer, number)
        return writer.finish(extra={"done": True})


def go_on_appending(path: Path) -> Corpus:
    with CorpusWriter.append(
        path, plan={"input": "b.jsonl"}, spec=make_spec(CALIBRATIONS), calibrations=CALIBRATIONS
    ) as writer:
        for number in range(len(writer.finished), len(MORE)):
            MORE[number].write(writer, number)
        return writer.finish(extra={})


def contents(path: Path) -> dict[str, object]:
    """Every file's bytes; of the manifest, all but its two times, and the checksum they are in."""
    found: dict[str, object] = {
        str(f.relative_to(path)): f.read_bytes() for f in path.rglob("*") if f.is_file()
    }
    manifest = json.loads(found.pop("manifest.json"))
    assert require_seal(manifest) and manifest.pop("seal")
    assert manifest.pop("created") <= manifest.pop("updated")
    return {**found, "manifest": manifest}


@pytest.fixture(autouse=True)
def no_power_cuts(monkeypatch):
    """Nothing here cuts the power, so nothing has to reach the platter."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "c"
    go_on(path)
    return path


def crash_points(path: Path) -> None:
    """Die (no clean-up, as from kill -9) before each sync and each rename in turn, then go on.

    Syncs are counted, not done: a killed process loses nothing it has written.
    """
    global SHARDS
    SHARDS = SHARDS[1:3]
    replace = Path.replace
    os.fsync = lambda _: None
    for work, documents, base in ((go_on, 4, None), (go_on_appending, 9, path / "go_on")):
        expected = path / work.__name__
        if base:
            shutil.copytree(base, expected)
        work(expected)
        copy, died, k = path / "copy", True, 0
        while died:
            shutil.rmtree(copy, ignore_errors=True)
            if base:
                shutil.copytree(base, copy)
            pid = os.fork()
            if pid == 0:
                left = iter(range(k))

                def counted(call, left=left):
                    return lambda *args: call(*args) if next(left, None) is not None else os._exit(9)

                os.fsync, Path.replace = counted(lambda _: None), counted(replace)
                work(copy)
                os._exit(0)
            died = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 9
            assert died or Corpus.open(copy).n_documents == documents
            if not (copy / "manifest.json").exists():
                work(copy)
            elif Corpus.open(copy).n_documents != documents:
                assert contents(copy)["manifest"] == contents(base)["manifest"]  # the old corpus, whole
                work(copy)
            (copy / "append.json").unlink(missing_ok=True)  # died between the manifest and its removal
            assert contents(copy) == contents(expected), k
            k += 1
        print(k - 1, work.__name__)


def random_kills(path: Path, most: int) -> None:
    """Kill -9 at random moments, again and again, until a run gets through; until enough runs were hit."""
    import random
    import signal
    import time

    dice = random.Random(0)
    expected = path / "expected"
    begun = time.perf_counter()
    go_on(expected)
    takes = time.perf_counter() - begun
    killed = unfinished = number = 0
    while number < 4 or (unfinished < 4 and number < most):
        copy = path / f"copy {number}"
        while True:
            pid = os.fork()
            if pid == 0:
                go_on(copy)
                os._exit(0)
            time.sleep(dice.random() * takes)
            os.kill(pid, signal.SIGKILL)
            status = os.waitpid(pid, 0)[1]
            # the first measurement may have met a busy machine: aim again with every run
            if (copy / "manifest.json").exists():
                takes *= 0.7
                break
            killed += os.WIFSIGNALED(status)
            journal = copy / "journal"
            hit = journal.exists() and journal.stat().st_size > 0
            unfinished += hit
            takes *= 1 if hit else 1.4
        assert contents(copy) == contents(expected), number
        shutil.rmtree(copy)
        number += 1
    print(killed, "killed", unfinished, "with shards on disk")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="platform: no fork")
def test_dying_at_every_sync_and_rename_ends_with_the_same_bytes(tmp_path):
    # a process of its own: forking one that has threads is not safe
    out = run_here(f"f.crash_points(f.Path({str(tmp_path)!r}))")
    points = [int(line.split()[0]) for line in out.splitlines()]
    assert len(points) == 2 and min(points) > 20, out


@pytest.mark.skipif(not hasattr(os, "fork"), reason="platform: no fork")
def test_killed_at_random_ends_with_the_same_bytes(tmp_path):
    out = run_here(f"f.random_kills(f.Path({str(tmp_path)!r}), 60)")
    killed, unfinished = (int(word) for word in out.split() if word.isdigit())
    assert killed >= 4 and unfinished >= 4, out


def run_here(code: str) -> str:
    code = f"import tests.test_corpus_faults as f; {code}"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_torn_journal_loses_one_shard_at_most(uninterrupted, tmp_path):
    whole = (uninterrupted / "journal").read_bytes()
    lines = whole.splitlines(keepends=True)
    ends = [len(b"".join(lines[:n])) for n in range(5)]
    for cut in (0, 1, ends[1], ends[1] + 1, ends[2] - 1, ends[3] - 2, ends[3], ends[4] - 1, ends[4]):
        copy = tmp_path / f"cut {cut}"
        shutil.copytree(uninterrupted, copy)
        (copy / "manifest.json").unlink()
        with (copy / "journal").open("r+b") as file:
            file.truncate(cut)
        with start(copy) as writer:
            assert len(writer.finished) == sum(end <= cut for end in ends[1:])
            kept = {f.name for f in (copy / "docs").iterdir()}
            assert kept == {f"part-{i:05d}.arrow" for i in range(len(writer.finished))}
        go_on(copy)
        assert contents(copy) == contents(uninterrupted)
    copy = tmp_path / "zeros"
    shutil.copytree(uninterrupted, copy)
    (copy / "manifest.json").unlink()
    (copy / "journal").write_bytes(b"".join(lines[:2]) + b"\0" * 40 + b"\n")  # what a power cut may leave
    assert contents(go_on(copy).path) == contents(uninterrupted)
    (copy / "manifest.json").unlink()
    (copy / "journal").write_bytes(whole[: ends[2]] + b"x" * 9999)
    with (copy / "rejects.jsonl").open("ab") as file:
        file.write(b"y" * 9999)
    assert contents(go_on(copy).path) == contents(uninterrupted)
    (copy / "manifest.json").unlink()
    (copy / "journal").write_bytes(lines[0] + b"garbage\n" + lines[2])
    with pytest.raises(CorpusError, match="journal is damaged in line 2"):
        start(copy)


def test_no_file_is_ever_written_under_its_own_name(tmp_path):
    """Only the journal and the rejects grow in place; everything else appears whole, by a rename."""
    opened: list[str] | None = []

    def hook(event, args):
        named = event == "open" and opened is not None and isinstance(args[0], str | os.PathLike)
        if named and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR):
            opened.append(str(args[0]))

    sys.addaudithook(hook)  # cannot be taken away again, only emptied
    go_on(tmp_path / "c")
    go_on_appending(tmp_path / "c")
    mine = {Path(name).name for name in opened if name.startswith(str(tmp_path))}
    opened = None
    in_place = {name for name in mine if not name.endswith(".tmp")}
    assert in_place == {"journal", "rejects.jsonl", ".lock"}
    assert len(mine) > 10


def test_what_is_finished_is_known_to_the_next_run(tmp_path):
    with start(tmp_path / "c") as writer:
        entries = []
        for number in (0, 1):
            SHARDS[number].write(writer, number)
            entries = writer.finished
        with pytest.raises(CorpusError, match="unfinished; run the same encode command again"):
            Corpus.open(tmp_path / "c")
    (tmp_path / "c" / "docs" / "notes.txt").write_text("not ours, not touched")
    (tmp_path / "c" / "docs" / "part-00007.arrow").write_text("unknown to the journal")
    (tmp_path / "c" / "docs" / f".part-00002.arrow.{dead_process()}.0123abcd.tmp").write_text("half")
    with start(tmp_path / "c") as writer:
        assert writer.finished == entries
        assert (entries[1].input_hash, entries[1].input_rows, entries[1].stats) == (
            "hash-1",
            1,
            {"windows": 1},
        )
    names = {f.name for f in (tmp_path / "c" / "docs").iterdir()}
    assert names == {"notes.txt", "part-00000.arrow", "part-00001.arrow"}
    with pytest.raises(ValueError, match="closed"):
        SHARDS[2].write(writer, 2)


def fail_at(k: int, call, code: int):
    """Let the k-th call (and those after it, the disk stays full) fail; returns the stand-in."""
    state = {"calls": 0}

    def run(*args):
        state["calls"] += 1
        if state["calls"] > k:
            raise OSError(code, os.strerror(code))
        return call(*args)

    return run


@pytest.mark.parametrize("where", ["fsync", "write"])
def test_a_full_disk_leaves_a_resumable_corpus(uninterrupted, tmp_path, monkeypatch, where):
    failures = 0
    for k in range(0, 900, 3 if where == "fsync" else 19):
        path = tmp_path / f"{where} {k}"
        with monkeypatch.context() as patch:
            if where == "fsync":
                patch.setattr(os, "fsync", fail_at(k, os.fsync, errno.ENOSPC))
            else:
                patch.setattr(
                    corpus_files.HashingFile,
                    "write",
                    fail_at(k, corpus_files.HashingFile.write, errno.ENOSPC),
                )
            try:
                go_on(path)
                break
            except CorpusError as error:
                assert str(path) in str(error)
                assert "No space left on device; free space and run the same command again" in str(error)
                assert isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.ENOSPC
                failures += 1
        assert not list(path.rglob("*.tmp"))
        assert contents(go_on(path).path) == contents(uninterrupted)
    assert failures > 10


def test_the_same_writer_can_go_on_after_a_failure(uninterrupted, tmp_path, monkeypatch):
    for k in range(0, 24, 2):
        with start(tmp_path / f"{k}") as writer:
            with monkeypatch.context() as patch:
                patch.setattr(os, "fsync", fail_at(k, os.fsync, errno.EIO))
                with pytest.raises(CorpusError, match="put that right and run the same command again"):
                    for number, shard in enumerate(SHARDS):
                        shard.write(writer, number)
            for number in range(len(writer.finished), len(SHARDS)):
                SHARDS[number].write(writer, number)
            writer.finish(extra={"done": True})
        assert contents(tmp_path / f"{k}") == contents(uninterrupted)


@pytest.mark.skipif(sys.platform != "linux", reason="platform: no RLIMIT_FSIZE")
def test_a_real_limit_on_file_size(uninterrupted, tmp_path):
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2500, hard))
    try:
        with pytest.raises(CorpusError, match="free space and run the same command again"):
            go_on(tmp_path / "c")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert contents(go_on(tmp_path / "c").path) == contents(uninterrupted)


def test_two_writers(tmp_path):
    with start(tmp_path / "c"), pytest.raises(CorpusError, match="being written by another process"):
        start(tmp_path / "c")
    code = (
        "import tests.test_corpus_faults as f, sys, time\n"
        f"w = f.start(f.Path({str(tmp_path / 'c')!r})); print('open', flush=True); time.sleep(60)"
    )
    other = subprocess.Popen([sys.executable, "-c", code], cwd=REPO, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None and other.stdout.readline() == "open\n"
    with pytest.raises(CorpusError, match="being written by another process"):
        start(tmp_path / "c")
    other.kill()
    other.wait()
    corpus = go_on(tmp_path / "c")  # the lock died with it
    with CorpusWriter.append(corpus.path, plan={}, spec=make_spec(CALIBRATIONS), calibrations=CALIBRATIONS):
        with pytest.raises(CorpusError, match="being written by another process"):
            go_on_appending(corpus.path)
        assert len(Corpus.open(corpus.path)) == 9  # readers are not kept out


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"plan": {"input": "b.jsonl", "shard": 4}}, "input was 'a.jsonl' and is now 'b.jsonl'"),
        ({"plan": {"input": "a.jsonl", "shard": 4, "new": (1, 2)}}, r"new was None and is now \[1, 2\]"),
        ({"plan": {"input": "a.jsonl"}}, "shard was 4 and is now None"),
        ({"stores_text": False}, "stores_text was True and is now False"),
        ({"window": 64}, "the reader's window was 128 and is now 64"),
        ({"device": "cuda"}, "device was 'cpu' and is now 'cuda'"),
    ],
)
def test_another_plan_is_refused_by_key(tmp_path, changes, message):
    start(tmp_path / "c").close()
    with pytest.raises(CorpusError, match=message) as raised:
        start(tmp_path / "c", **changes)
    assert "\n" not in str(raised.value)
    start(tmp_path / "c", versions={"torch": "2.14.0"}).close()  # another version may finish it, and is noted
    corpus = go_on(tmp_path / "c")
    assert [n["versions"]["torch"] for n in corpus.manifest.runs[0]["numerics"]] == ["2.13.0", "2.14.0"]


def test_an_unfinished_append_needs_the_same_plan(uninterrupted, tmp_path):
    path = tmp_path / "c"
    shutil.copytree(uninterrupted, path)
    spec = make_spec(CALIBRATIONS)
    with CorpusWriter.append(path, plan={"input": "b"}, spec=spec, calibrations=CALIBRATIONS) as writer:
        MORE[0].write(writer, 0)
    with pytest.raises(
        CorpusError, match=r"input was 'b' and is now 'c'; .*append\.json to cancel that append"
    ):
        CorpusWriter.append(path, plan={"input": "c"}, spec=spec, calibrations=CALIBRATIONS)
    (path / "append.json").unlink()
    with CorpusWriter.append(path, plan={"input": "c"}, spec=spec, calibrations=CALIBRATIONS) as writer:
        assert writer.finished == []
        assert len(list((path / "docs").iterdir())) == len(SIZES)
    with pytest.raises(IncompatibleError, match=r"window is 128 in .* and 64 in the reader given"):
        CorpusWriter.append(path, plan={}, spec=make_spec(CALIBRATIONS, window=64), calibrations=CALIBRATIONS)
    with pytest.raises(CorpusError, match="does not exist"):
        CorpusWriter.append(tmp_path / "none", plan={}, spec=spec, calibrations=CALIBRATIONS)


def test_an_append_killed_after_its_manifest_is_done(uninterrupted, tmp_path):
    path = tmp_path / "c"
    shutil.copytree(uninterrupted, path)
    CorpusWriter.append(
        path, plan={"input": "b.jsonl"}, spec=make_spec(CALIBRATIONS), calibrations=CALIBRATIONS
    ).close()
    left = (path / "append.json").read_bytes()
    grown = go_on_appending(path)
    (path / "append.json").write_bytes(left)  # it did not come to removing this
    with CorpusWriter.append(
        path, plan={"other": 1}, spec=make_spec(CALIBRATIONS), calibrations=CALIBRATIONS
    ) as writer:
        assert writer.finished == []
        again = writer.finish()
    assert again.ids.to_pylist() == grown.ids.to_pylist()


def test_the_same_append_again_adds_nothing_when_only_its_end_was_missed(uninterrupted, tmp_path):
    path = tmp_path / "c"
    shutil.copytree(uninterrupted, path)
    CorpusWriter.append(
        path, plan={"input": "b.jsonl"}, spec=make_spec(CALIBRATIONS), calibrations=CALIBRATIONS
    ).close()
    left = (path / "append.json").read_bytes()
    grown = go_on_appending(path).n_documents
    (path / "append.json").write_bytes(left)
    with pytest.raises(CorpusError, match="this append is already finished"):
        go_on_appending(path)
    assert Corpus.open(path).n_documents == grown
    assert go_on_appending(path).n_documents == grown + sum(shard.docs.num_rows for shard in MORE)


def test_a_corpus_stays_intact_while_an_append_is_under_way(uninterrupted, tmp_path):
    path = tmp_path / "c"
    shutil.copytree(uninterrupted, path)
    with CorpusWriter.append(
        path, plan={"input": "b.jsonl"}, spec=make_spec(CALIBRATIONS), calibrations=CALIBRATIONS
    ) as writer:
        writer.write_shard(
            MORE[0].docs,
            MORE[0].rows,
            rejects=[{"reason": "empty text"}],
            input_rows=9,
            input_hash="",
            stats={},
        )
    Corpus.open(path).verify()
    (path / "rejects.jsonl").write_bytes(b"?" + (path / "rejects.jsonl").read_bytes()[1:])
    with pytest.raises(ShardCorruptError, match=r"rejects\.jsonl is damaged"):
        Corpus.open(path).verify()


def test_nothing_is_overwritten(uninterrupted, tmp_path):
    before = contents(uninterrupted)
    with pytest.raises(CorpusError, match="already exists and is finished; add to it with saetext append"):
        start(uninterrupted)
    assert contents(uninterrupted) == before
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("dear")
    with pytest.raises(CorpusError, match=r"not a corpus and not empty \(it has chapter\.tex\)"):
        start(tmp_path / "thesis")
    assert [f.name for f in (tmp_path / "thesis").iterdir()] == ["chapter.tex"]
    with pytest.raises(CorpusError, match="is a file"):
        start(tmp_path / "thesis" / "chapter.tex")
    with pytest.raises(CorpusError, match=r"not a corpus: it has no manifest\.json"):
        Corpus.open(tmp_path / "thesis")
    with pytest.raises(CorpusError, match="is a file, not a corpus"):
        Corpus.open(tmp_path / "thesis" / "chapter.tex")
    with pytest.raises(CorpusError, match="does not exist"):
        Corpus.open(tmp_path / "none")
    with pytest.raises(CorpusError, match="cannot write"):
        start(tmp_path / "thesis" / "chapter.tex" / "c")


def test_wrong_calls_are_refused_before_anything_is_written(tmp_path):
    with start(tmp_path / "c") as writer:
        good = SHARDS[0]
        for rows, message in (
            ({"main": good.rows["main"]}, "SAEs are"),
            ({**good.rows, "b": SHARDS[2].rows["b"]}, "3 documents, and 4 rows of SAE b"),
            ({**good.rows, "b": damaged(good.rows["b"], feature=12)}, "12 features"),
            ({**good.rows, "b": damaged(good.rows["b"], feature=-1)}, "12 features"),
            ({**good.rows, "b": damaged(good.rows["b"], feature=0)}, "strictly increasing"),
        ):
            with pytest.raises(ValueError, match=message):
                writer.write_shard(
                    good.docs, rows, rejects=[], input_rows=3, input_hash="", stats={}
                )  # fmt: skip
        assert writer.finished == [] and not list((tmp_path / "c" / "docs").iterdir())
    with pytest.raises(ValueError, match="calibration given for SAE b is not the one"):
        start(tmp_path / "d", calibrations={**CALIBRATIONS, "b": CALIBRATIONS["b"].without_thresholds()})
    spec = make_spec({"../up": CALIBRATIONS["b"]})
    with pytest.raises(ValueError, match="cannot be the name of an SAE"):
        start(tmp_path / "d", spec=spec, calibrations={"../up": CALIBRATIONS["b"]})
    assert not (tmp_path / "d").exists()


def damaged(rows, feature: int):
    import dataclasses

    changed = rows.feature.copy()
    longest = max(range(len(rows)), key=lambda i: rows.indptr[i + 1] - rows.indptr[i])
    assert rows.indptr[longest + 1] - rows.indptr[longest] > 1
    changed[rows.indptr[longest + 1] - 1] = feature
    return dataclasses.replace(rows, feature=changed)
