"""Ctrl-C and SIGTERM at many moments of many commands: a run that was asked to stop never exits 0.

One warm process has imported everything and forks for each command (as ``forked_command.py``), so that the
moments lie in the work and not in imports; imports have tests of their own.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny_reader import some_rows, write_jsonl

HERE = Path(__file__).parent
pytestmark = pytest.mark.skipif(os.name == "nt", reason="signals and forks are POSIX")

#: Forks a command, lets it run for a while, sends it a signal, and says how it ended.
LOOP = """
import json, os, random, shutil, signal, sys, time, traceback
from pathlib import Path
import imported
from saetext_cli.main import main

imported.everything()

def start(arguments, log):
    if child := os.fork():
        return child
    code = 99
    try:
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, 1), os.dup2(file, 2)
        sys.argv = ["saetext", *arguments]
        main()
    except SystemExit as end:
        code = end.code
    except KeyboardInterrupt:
        pass  # before the handler was in place
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)

plan = json.loads(sys.stdin.read())
os.environ["COLUMNS"] = "100"
wholes, ended = {}, []
draw = random.Random(plan["seed"])

def finish(arguments):
    status = os.waitpid(start(arguments, "log"), 0)[1]
    assert status == 0, Path("log").read_text()

finish(plan["first"])
for name, arguments in plan["commands"].items():
    made = Path(name)
    began = time.monotonic()
    arguments += ["-o" if name not in ("diff", "search") else "--parquet", name]
    finish(arguments)
    whole = time.monotonic() - began
    for turn in range(plan["moments"]):
        shutil.rmtree(made, ignore_errors=True)
        made.unlink(missing_ok=True)
        number = signal.SIGTERM if turn % 4 == 3 else signal.SIGINT
        child = start(arguments, "log")
        time.sleep(draw.uniform(0, 1.02) * whole)
        os.kill(child, number)
        sent = time.monotonic()
        _, status = os.waitpid(child, 0)
        left = sorted(p.name for p in Path().iterdir() if p.name.endswith(".tmp"))
        ended.append([name, int(number), os.waitstatus_to_exitcode(status), Path("log").read_text(),
                      time.monotonic() - sent, left, made.exists()])
print(json.dumps(ended))
"""


def environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}


def stopped(place: Path, moments: int) -> None:
    write_jsonl(place / "a.jsonl", some_rows(60, longest=30))
    write_jsonl(place / "b.jsonl", some_rows(60, seed=1, longest=30))
    first = ["diff", "a.jsonl", "b.jsonl", "--parquet", "first.parquet"]  # makes the corpora, and thresholds
    commands = {
        "encode": ["encode", "a.jsonl", "--shard-rows", "10"],
        "diff": ["diff", "a.jsonl.corpus", "b.jsonl.corpus"],
        "cluster": ["cluster", "a.jsonl.corpus", "--min-cluster-size", "5"],
        "search": ["search", "a.jsonl.corpus", "--features", "12:1.5,88"],
        "label": ["label", "a.jsonl.corpus", "--method", "words"],
    }
    plan = json.dumps({"first": first, "commands": commands, "moments": moments, "seed": 0})
    done = subprocess.run(
        [sys.executable, "-c", LOOP], cwd=place, env=environment(), input=plan, text=True, capture_output=True
    )
    assert done.returncode == 0, done.stderr
    ended = json.loads(done.stdout)
    assert len(ended) == len(commands) * moments
    interrupted = 0
    for name, number, code, log, seconds, left, whole in ended:
        told = (name, number, code, log)
        assert "Traceback" not in log and "Exception ignored" not in log, told
        if code == 0:  # it had ended before the signal came
            assert whole, told
            continue
        # before the handler was in place, the system ends it
        assert code in (128 + number, -number, 99), told
        assert not left, (told, left)
        assert seconds < 60, told
        if code == 128 + number:
            interrupted += 1
            assert log.splitlines()[-1].startswith("saetext: stopped"), told
    assert interrupted >= len(ended) // 2


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_signal_at_any_moment_of_five_commands(tmp_path: Path) -> None:
    """At six moments of each; at as many as ``SAETEXT_MOMENTS`` says."""
    stopped(tmp_path, int(os.environ.get("SAETEXT_MOMENTS", "6")))


# ---- libraries that do not let it through ------------------------------------------------------------

SWALLOWS = """
import os, signal, sys, threading, time
import saetext.corpus.upgrading as upgrading
from saetext_cli import common, upgrade
{patch}
sys.argv = ["saetext", "upgrade", "x"]
# to the main thread, as the system does: what another thread takes wakes no sleep
def strike():
    with open("sent", "w") as file:
        file.write(repr(time.monotonic()))
    signal.pthread_kill(threading.main_thread().ident, {number})
held = upgrading.upgrade
def begun(path):
    threading.Timer(0.2, strike).start()  # not before: on a busy machine the program would still be starting
    return held(path)
upgrading.upgrade = begun
from {entry} import main
main()
"""
WAIT = """
def swallowing(path):
    try:
        time.sleep(90)
    except KeyboardInterrupt:
        pass
    return "1.0"
upgrading.upgrade = swallowing
"""
TICKS = """
def swallowing(path):
    from saetext.io.progress import Progress
    from saetext_cli.meters import progress_bar
    with progress_bar() as show:
        try:
            time.sleep(90)
        except KeyboardInterrupt:
            pass
        for _ in range(10**9):
            show(Progress("working"))
            time.sleep(0.01)
upgrading.upgrade = swallowing
"""
DELETED = """
class Trap:
    def __del__(self):
        time.sleep(1)  # what is raised here is only printed by Python
def swallowing(path):
    Trap()
    return "1.0"
upgrading.upgrade = swallowing
"""
OTHER = """
def swallowing(path):
    try:
        time.sleep(90)
    except KeyboardInterrupt:
        raise ValueError("the library failed")
upgrading.upgrade = swallowing
"""
IMPORT = """
import pathlib
slow = "import time\\nfor _ in range(60): time.sleep(0.01)\\nwhole = True\\n"
pathlib.Path("slowmodule.py").write_text(slow)
sys.path.insert(0, ".")
def swallowing(path):
    try:
        import slowmodule
    finally:
        module = sys.modules.get("slowmodule")
        print("module:", getattr(module, "whole", None), file=sys.stderr)
    for _ in range(9000): time.sleep(0.01)
upgrading.upgrade = swallowing
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize(
    ("entry", "patch"),
    [
        ("main", WAIT), ("entry", WAIT), ("main", TICKS), ("main", DELETED), ("main", OTHER),
        ("main", IMPORT),
    ],
    ids=["wait", "wait, by the executable", "ticks", "del", "other", "import"],
)  # fmt: skip
def test_a_library_that_swallows_it_does_not_make_it_0(
    entry: str, patch: str, number: signal.Signals, tmp_path: Path
) -> None:
    program = SWALLOWS.format(patch=patch, entry=f"saetext_cli.{entry}", number=int(number))
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 128 + number, done
    assert done.stderr.splitlines()[-1] == "saetext: stopped" and done.stdout == ""
    assert time.monotonic() - float((tmp_path / "sent").read_text()) < 60
    if patch is IMPORT:
        assert "module: True" in done.stderr  # an import is not broken off


def test_a_second_ctrl_c_ends_at_once(tmp_path: Path) -> None:
    program = SWALLOWS.format(
        patch=WAIT.replace("pass", "print('first', flush=True); time.sleep(90)"),
        entry="saetext_cli.main",
        number=int(signal.SIGINT),
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment(), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None and process.stdout.readline() == b"first\n"
    process.send_signal(signal.SIGINT)
    began = time.monotonic()
    assert process.wait() == 130 and time.monotonic() - began < 45


def test_an_ignored_ctrl_c_stays_ignored(tmp_path: Path) -> None:
    """A shell has it ignored for what it runs in the background."""
    program = "import signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN)\n" + SWALLOWS.format(
        patch=WAIT.replace("90", "0.6"), entry="saetext_cli.main", number=int(signal.SIGINT)
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 0 and done.stdout.startswith("x has the layout 1.0")


@pytest.mark.parametrize("seed", range(2))
def test_ctrl_c_while_the_program_starts(seed: int, tmp_path: Path) -> None:
    """The executable handles signals before it imports the rest: no traceback of an import."""
    draw = random.Random(seed)
    program = (
        "import sys; sys.argv = ['saetext', 'info', 'nothing.corpus']\n"
        "from saetext_cli import stopping; print('here', flush=True)\n"
        "stopping.watch(); print('ready', flush=True)\n"
        "from saetext_cli.entry import main; main()"
    )
    for _ in range(3):
        process = subprocess.Popen(
            [sys.executable, "-c", program], cwd=tmp_path, env=environment(), stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n" and process.stdout.readline() == "ready\n"
        time.sleep(draw.uniform(0, 0.2))
        process.send_signal(signal.SIGINT)
        _, err = process.communicate()
        assert "Traceback" not in err and process.returncode in (130, 1, -2), (process.returncode, err)
        assert process.returncode != 130 or err.splitlines()[-1] == "saetext: stopped"


def test_the_look_after_an_import_does_not_raise_what_a_safe_point_has_raised(tmp_path: Path) -> None:
    """Else it would strike where the line that says so is printed."""
    program = (
        "import sys, time; from saetext_cli import stopping; stopping.watch()\n"
        "import signal, _thread\n"
        "stopping._unsafe = lambda frame: True\n"
        "signal.raise_signal(signal.SIGINT)\n"  # as if within an import: it is looked again later
        "try:\n    stopping.check()\n"
        "except stopping.Stopped:\n    stopping._unsafe = lambda frame: False\n"
        "    time.sleep(0.3); print('whole', flush=True)\n"
        "signal.raise_signal(signal.SIGINT)\n"  # another one ends the process
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment(), capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "whole\n", "")


def test_numba_is_not_interrupted_while_it_makes_a_function_ready(tmp_path: Path) -> None:
    """Its dispatcher is written in C, and an exception there was a segmentation fault."""
    program = (
        "import numba, os, signal, time; from saetext_cli import stopping; stopping.watch()\n"
        "file = os.path.join(os.path.dirname(numba.__file__), 'made_up.py')\n"
        "text = 'def work():\\n    signal.raise_signal(signal.SIGINT)\\n    return 1'\n"
        "scope = {'signal': signal}; exec(compile(text, file, 'exec'), scope)\n"
        "print(scope['work'](), flush=True)\n"
        "try:\n    time.sleep(90)\n"
        "except stopping.Stopped:\n    print('stopped')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment(), capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\nstopped\n", "")


def test_polars_is_not_interrupted_while_it_makes_a_data_type(tmp_path: Path) -> None:
    """Its Rust code unwraps what Python's class returned, and panicked with a page of backtrace."""
    program = (
        "import signal, sys, time, polars as pl; from saetext_cli import stopping; stopping.watch()\n"
        "frame = pl.DataFrame({'a': [{'b': 1}]})\n"
        "def strike(place, event, argument):\n"
        "    code = place.f_code\n"
        "    if event == 'call' and code.co_name == '__init__' and 'datatypes' in code.co_filename:\n"
        "        sys.setprofile(None); print('struck', flush=True); signal.raise_signal(signal.SIGINT)\n"
        "sys.setprofile(strike)\n"
        "print(len(frame.dtypes), flush=True)\n"
        "try:\n    time.sleep(90)\n"
        "except stopping.Stopped:\n    print('stopped')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment(), capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "struck\n1\nstopped\n", "")


@pytest.mark.parametrize("call", ["_made_and_locked", "_new_file", "put_in_place", "sync_directory"])
def test_a_file_that_is_just_made_is_not_left(call: str, tmp_path: Path) -> None:
    """A stop between the making of a file and what removes it again would leave it."""
    program = (
        "import signal, sys, time; from pathlib import Path; from saetext.io import files\n"
        "from saetext_cli import stopping; stopping.watch()\n"
        "def strike(place, event, argument):\n"
        f"    if event == 'return' and place.f_code.co_name == {call!r}:\n"
        "        sys.setprofile(None); print('struck', flush=True); signal.raise_signal(signal.SIGINT)\n"
        "sys.setprofile(strike)\n"
        "try:\n"
        "    with files.atomic_file(Path('a')) as file:\n"
        "        file.write(b'whole'); time.sleep(0.3)\n"
        "    time.sleep(90)\n"
        "except stopping.Stopped:\n    print('stopped')\n"
        "print([path.read_text() for path in Path().iterdir()])\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=environment(), capture_output=True, text=True
    )
    whole = ["whole"] if call in ("put_in_place", "sync_directory") else []
    assert (done.returncode, done.stdout, done.stderr) == (0, f"struck\nstopped\n{whole}\n", "")
