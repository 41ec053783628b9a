"""How commands end where a stream is closed, full or has no reader, and where what they write does not fit.

In real processes, each in a second where only the start is needed; all commands by forks of one that has
imported everything.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from saetext_cli.commands import commands
from tiny_reader import some_rows, write_jsonl

pytestmark = pytest.mark.skipif(os.name == "nt", reason="descriptors and limits are POSIX")

#: Runs commands in forks: with descriptors closed, put on another file, or a limit on what files may hold.
FORKS = """
import json, os, resource, signal, sys
import imported
from saetext_cli.main import main

imported.everything()  # once, and not in each fork

def run(job):
    read, write = os.pipe()
    if child := os.fork():
        os.close(write)
        with open(read, "rb") as told:
            text = told.read().decode()
        return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), text]
    code = 99
    try:
        os.close(read)
        for number, name in ((0, "stdin"), (1, "stdout"), (2, "stderr")):
            where = job.get(name, "null" if number == 0 else "told")
            if where == "closed":
                setattr(sys, name, None)
                os.close(number)
            elif where == "told":
                os.dup2(write, number)
            elif where == "no reader":
                end, other = os.pipe()
                os.dup2(other, number)
                os.close(end), os.close(other)
            else:
                file = os.open({"null": "/dev/null", "full": "/dev/full"}[where], os.O_RDWR)
                os.dup2(file, number)
                os.close(file)
        if "limit" in job:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (job["limit"], job["limit"]))
        sys.argv = ["saetext", *job["command"]]
        main()
    except SystemExit as end:
        code = end.code
    finally:
        os._exit(code)

for line in iter(sys.stdin.readline, ""):
    print(json.dumps([run(job) for job in json.loads(line)]), flush=True)
"""


def environment() -> dict[str, str]:
    unset = ("FORCE_COLOR", "TTY_COMPATIBLE")
    kept = {name: value for name, value in os.environ.items() if name not in unset}
    return {**kept, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "100"}


#: Gives the exit code of each job and what it printed where it could.
Ends = Callable[[list[dict[str, Any]]], list[tuple[int, str]]]


@pytest.fixture(scope="module")
def ends(home: Path) -> Iterator[Ends]:
    """Return what runs jobs in forks of one process, whose working directory is ``home``."""
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", FORKS]
    with subprocess.Popen(
        command, cwd=home, env=environment(), stdin=pipe, stdout=pipe, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None

        def run(jobs: list[dict[str, Any]]) -> list[tuple[int, str]]:
            print(json.dumps(jobs), file=process.stdin, flush=True)
            return [(code, text) for code, text in json.loads(process.stdout.readline())]

        yield run
        process.stdin.close()
        assert process.wait() == 0


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ends")


@pytest.fixture(scope="module")
def place(home: Path, ends: Ends) -> Path:
    """A directory with two corpora of the embedded reader and their files."""
    for seed, name in enumerate("ab"):
        write_jsonl(home / f"{name}.jsonl", some_rows(40, seed=seed))
    jobs = [{"command": ["encode", f"{name}.jsonl", "-o", f"{name}.corpus"]} for name in "ab"]
    for code, text in ends(jobs):
        assert code == 0, text
    return home


#: A command of each kind that prints a result.
PRINTS = {
    "read": ["read", "sorry, the fox"],
    "show": ["show", "a.corpus", "d1"],
    "info": ["info", "a.corpus", "--json"],
    "encode": ["encode", "a.jsonl", "--dry-run"],
    "diff": ["diff", "a.corpus", "b.corpus", "--families", "features", "--csv"],
    "correlate": ["correlate", "a.corpus", "--with", "prompt_id"],
    "search": ["search", "a.corpus", "--features", "12:1.5,88"],
    "features": ["features", "a.corpus", "--show", "5", "--peaks"],
    "detector": ["detector", "list"],
    "readers": ["readers", "gpt2"],
    "label": ["label", "a.corpus", "--method", "words", "--features", "5"],
    "upgrade": ["upgrade", "a.corpus"],
}
HELP = {f"{name} --help": [name, "--help"] for name in commands()} | {
    "--help": ["--help"],
    "--version": ["--version"],
}


def one_line(text: str) -> str:
    """Return the error, which is one line and the last."""
    errors = [line for line in text.splitlines() if line.startswith("saetext: ")]
    assert len(errors) == 1 and text.splitlines()[-1] == errors[0] and "Traceback" not in text, text
    return errors[0]


def test_a_result_that_cannot_be_printed_is_one_line_and_1(place: Path, ends: Ends) -> None:
    cases = [(name, command, "full") for name, command in {**PRINTS, **HELP}.items()]
    cases += [(name, HELP.get(name) or PRINTS[name], "closed") for name in (*PRINTS, "--help", "diff --help")]
    done = ends([{"command": command, "stdout": where} for _, command, where in cases])
    for (name, _, where), (code, text) in zip(cases, done, strict=True):
        assert code == 1, (name, where, text)
        reason = {"full": "No space left on device", "closed": "it is closed"}[where]
        assert one_line(text) == f"saetext: cannot write the result to standard output: {reason}", (
            name,
            where,
        )
    assert len(done) == 2 * len(PRINTS) + len(commands()) + 4


def test_a_reader_that_goes_away_is_no_error(place: Path, ends: Ends) -> None:
    every = {**PRINTS, "--help": ["--help"], "diff --help": ["diff", "--help"]}
    done = ends([{"command": command, "stdout": "no reader"} for command in every.values()])
    for name, (code, text) in zip(every, done, strict=True):
        assert code == 0 and "rror" not in text and "Traceback" not in text, (name, code, text)


def test_nobody_reads_the_notes(place: Path, ends: Ends) -> None:
    """Notes and errors that cannot be printed change no exit code and no result."""
    fails = {"no corpus": ["info", "nothing.corpus"], "usage": ["info"], "no such": ["nothing"]}
    every = {**PRINTS, **fails}
    plain = ends([{"command": command, "stderr": "null"} for command in every.values()])
    assert [code for code, _ in plain] == [0] * len(PRINTS) + [1, 2, 2]
    few = ("read", "search", "label", *fails)
    jobs = [
        (name, where)
        for where in ("closed", "full", "no reader")
        for name in (every if where == "closed" else few)
    ]
    done = ends([{"command": every[name], "stderr": where} for name, where in jobs])
    expected = dict(zip(every, plain, strict=True))
    for (name, where), (code, text) in zip(jobs, done, strict=True):
        assert code == expected[name][0], (name, where, text)
        assert name == "encode" or text == expected[name][1], (name, where)  # encode tells a speed


def test_standard_input_is_closed(place: Path, ends: Ends) -> None:
    reads = {
        "read": ["read", "-"], "encode": ["encode", "-", "-o", "x.corpus"],
        "append": ["append", "a.corpus", "-"],
        "train": ["train", "-", "-o", "sae", "--layer", "1"],
    }  # fmt: skip
    both = {**{name: PRINTS[name] for name in ("info", "search", "features")}, **reads}
    done = ends([{"command": command, "stdin": "closed"} for command in both.values()])
    for name, (code, text) in zip(both, done, strict=True):
        if (name in reads and both[name] is reads.get(name)) or name in ("append", "train"):
            assert code == 1, (name, text)
            assert one_line(text).startswith("saetext: cannot read standard input: it is closed"), name
        else:
            assert code == 0, (name, text)


#: Commands that write a file of some size, and what holds it.
WRITES = {
    "parquet": ["diff", "a.corpus", "b.corpus", "--families", "features", "--parquet", "w.parquet"],
    "page": ["diff", "a.corpus", "b.corpus", "--families", "features", "--html", "w.html"],
    "pairs": ["correlate", "a.corpus", "--with", "prompt_id", "--parquet", "w2.parquet"],
    "query": ["search", "a.corpus", "--features", "12:1.5,88", "--save-query", "w.json"],
    "hits": ["search", "a.corpus", "--features", "12:1.5,88", "--parquet", "w3.parquet"],
    "table": ["features", "a.corpus", "--table", "w.csv"],
    "table parquet": ["features", "a.corpus", "--table", "w4.parquet"],
    "tokens": ["features", "a.corpus", "--over", "a.corpus", "-o", "w10.csv"],
    "feature": ["features", "a.corpus", "--show", "5", "--peaks", "--html", "w5.html"],
    "scores": ["detector", "score", "a.corpus", "-o", "w6.csv"],
    "scores parquet": ["detector", "score", "a.corpus", "-o", "w7.parquet"],
    "labels": ["label", "a.corpus", "--method", "words", "--features", "5", "-o", "w8.parquet"],
    "matrix": ["export", "a.corpus", "-o", "w.npz"],
    "vectors": ["export", "a.corpus", "-o", "w9.parquet"],
    "arrow": ["export", "a.corpus", "-o", "w.arrow"],
    "corpus": ["encode", "a.jsonl", "-o", "w.corpus"],
    "tour": ["demo", "-o", "tour"],
}


def test_what_does_not_fit_on_the_disk_is_one_line_and_1(place: Path, ends: Ends) -> None:
    done = ends([{"command": command, "limit": 64} for command in WRITES.values()])
    for (name, command), (code, text) in zip(WRITES.items(), done, strict=True):
        assert code == 1, (name, code, text)
        assert "File too large" in one_line(text), (name, text)
        written = place / command[-1]
        assert written.is_dir() or not written.exists(), name
    left = [p.name for p in place.rglob("*") if p.name.endswith(".tmp") or p.name.startswith(".building-")]
    assert left == []


def test_real_streams_of_a_real_process(place: Path) -> None:
    """As a shell closes them: before Python starts."""
    run = f"{sys.executable} -m saetext_cli.main"
    for line, code, out, err in (
        ("info nothing >&-", 1, "", "saetext: nothing does not exist"),
        ("--help >&-", 1, "", "saetext: cannot write the result to standard output: it is closed"),
        ("--help > /dev/full", 1, "", "saetext: cannot write the result to standard output: No space left"),
        ("info nothing 2>&-", 1, "", ""),
        ("--version 2>&-", 0, "saetext 0", ""),
        ("--version >&- 2>&- <&-", 1, "", ""),
        ("read - <&-", 1, "", "saetext: cannot read standard input: it is closed"),
    ):
        done = subprocess.run(
            ["sh", "-c", f"{run} {line}"], cwd=place, env=environment(), text=True, capture_output=True
        )
        assert done.returncode == code, (line, done)
        assert done.stdout.startswith(out) and done.stderr.startswith(err), (line, done)
        assert done.stderr.count("\n") == bool(err), (line, done)
