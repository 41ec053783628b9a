"""What a command costs before it does anything, and that a shell can complete it."""

from __future__ import annotations

import importlib
import inspect
import os
import subprocess
import sys

import pytest
import typer
from saetext_cli.commands import commands
from saetext_cli.late import LateGroup
from saetext_cli.main import app
from typer.testing import CliRunner

HEAVY = ("torch", "transformers", "umap", "sklearn", "polars", "pyarrow", "numba", "faiss", "numpy", "scipy")
UNSET = ("COV_", "FORCE_COLOR", "_TYPER", "_SAETEXT")
PLAIN = {name: value for name, value in os.environ.items() if not name.startswith(UNSET)}


def seconds(*arguments: str) -> float:
    """Return the CPU seconds, of user and system, that Python takes with these arguments."""
    with subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL, env=PLAIN) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return used.ru_utime + used.ru_stime


def test_help_takes_at_most_twice_the_time_of_typer_and_rich() -> None:
    program = "import sys; sys.argv = ['saetext', '--help']; from saetext_cli.main import main; main()"
    # in turn, and the best of each: what else the machine does slows both
    runs = [(seconds("-c", "import typer, rich"), seconds("-c", program)) for _ in range(7)]
    base, own = (min(column) for column in zip(*runs, strict=True))
    assert own <= 2 * base, f"saetext --help takes {own:.3f} s, importing typer and rich {base:.3f} s"


@pytest.mark.parametrize("arguments", [["--help"], ["diff", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    program = (
        f"import sys; sys.argv = ['saetext', *{arguments}]\nfrom saetext_cli.main import main\n"
        "try: main()\nexcept SystemExit as end: assert not end.code\n"
        f"print('\\nimported:', [name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=PLAIN)
    assert done.stdout.endswith("imported: []\n"), done


def test_the_executable_seldom_looks_for_garbage_while_it_imports() -> None:
    """Nor is it off: what comes later may run for hours."""
    program = (
        "import gc, sys; sys.argv = ['saetext', 'info', 'nowhere']\nfrom saetext_cli.entry import main\n"
        "before = gc.get_threshold()\ntry: main()\nexcept SystemExit: pass\n"
        "print(gc.isenabled(), gc.get_threshold()[0] >= 10 * before[0])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=PLAIN)
    assert done.stdout == "True True\n", done


def test_the_line_of_a_command_is_the_first_of_its_own_help() -> None:
    assert len(commands()) >= 18
    for name, (module, line) in commands().items():
        alone = typer.Typer(add_completion=False)
        importlib.import_module(module).register(alone)
        [info] = alone.registered_commands
        assert info.name == name and info.callback is not None
        assert line == " ".join((inspect.getdoc(info.callback) or "").split("\n\n")[0].split())


@pytest.mark.parametrize("width", [60, 80, 200])
def test_the_list_of_commands_says_what_typer_says(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page of all commands is drawn by ourselves: what it says of options and commands is typer's."""
    from typer import rich_utils
    from typer.core import TyperGroup

    monkeypatch.setattr(rich_utils, "MAX_WIDTH", width)
    monkeypatch.setenv("COLUMNS", str(width))
    own = CliRunner().invoke(app, ["--help"]).output
    monkeypatch.setattr(LateGroup, "format_help", TyperGroup.format_help)
    typers = CliRunner().invoke(app, ["--help"]).output
    assert max(len(line) for line in own.splitlines()) <= width
    pages = [own.partition("─ Commands ─"), typers.partition("─ Commands ─")]
    # of a switch typer names the type too, so only the commands are alike to the word
    assert pages[0][2].split() == pages[1][2].split() and len(pages[0][2]) > 1000
    for part in ("Usage: saetext [OPTIONS]", "named", "--version", "--install", "--help", "-h"):
        assert part in pages[0][0] and part in pages[1][0]


def completed(words: str) -> set[str]:
    """Return what bash is offered for a line."""
    asked = {"_SAETEXT_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
    program = "from saetext_cli.main import main; main()"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, env={**PLAIN, **asked})
    return {line.rpartition(",")[2] for line in done.stdout.split()}


def test_a_shell_completes_commands_and_options() -> None:
    program = "import sys; sys.argv = ['saetext', '--show-completion', 'bash']\n"
    program += "from saetext_cli.main import main; main()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=PLAIN)
    assert done.returncode == 0, done
    assert "complete -o default -F _saetext_completion saetext" in done.stdout
    assert completed("saetext c") == {"calibrate", "check", "cluster", "compact", "correlate"}
    assert {"--pair-on", "--parquet"} <= completed("saetext diff --p")


FIRST_USE_IN_TWO_THREADS = """
import importlib.abc, sys, threading, time
from saetext.corpus import frame

begun, failed = threading.Event(), []

class Slow(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        main = threading.current_thread() is threading.main_thread()
        if name.startswith("polars.") and main and not begun.is_set():
            begun.set()
            time.sleep(1)  # meanwhile the other thread asks for a module of the package

def ask():
    begun.wait()
    try:
        frame.scan(lambda texts: iter(()), {"group": "string"})
    except BaseException as error:
        failed.append(error)

sys.meta_path.insert(0, Slow())
assert "polars" not in sys.modules
asking = threading.Thread(target=ask)
asking.start()
import polars
asking.join()
print(failed, polars.Series([1]).sum())
"""


def test_two_threads_may_be_the_first_to_need_polars() -> None:
    """As the explorer's do; one of them got half a package, and pages failed until it was started anew."""
    program = [sys.executable, "-c", FIRST_USE_IN_TWO_THREADS]
    done = subprocess.run(program, capture_output=True, text=True, env=PLAIN)
    assert (done.returncode, done.stdout) == (0, "[] 1\n"), done.stderr
