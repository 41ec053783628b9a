"""What a command costs before it does anything, and that a shell can complete it."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

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
    # typer draws help with rich_utils, which imports what it uses of rich: alone twice typer itself
    # in turn, and the best of each: what else the machine does slows both
    runs = [(seconds("-c", "import typer, rich, typer.rich_utils"), seconds("-c", program)) for _ in range(7)]
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
    assert completed("saetext c") == {"calibrate", "cluster", "correlate"}
    assert {"--pair-on", "--parquet"} <= completed("saetext diff --p")
