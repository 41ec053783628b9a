"""Entry point: the app, its commands, and how errors become one line.

Exit codes: 0 done, 1 the data or the request is at fault, or a language model gave nothing usable (one line
on stderr), 2 usage, 3 a check found a broken limit, 130 interrupted (143 by SIGTERM).
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import traceback
from typing import Annotated, Any, NoReturn

import typer
from typer.core import HAS_RICH

from saetext.errors import SaetextError
from saetext.text.terminal import cut, message, visible
from saetext_cli import printing, stopping
from saetext_cli.common import result, say, showing_warnings
from saetext_cli.late import LateGroup

app = typer.Typer(
    name="saetext",
    cls=LateGroup,
    help="Read piles of text through a language model and a sparse autoencoder: "
    "named features, honest statistics.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: saetext demo",
)


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version

        result(f"saetext {version('saetext')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


_RESUMED = (
    *("encode", "append", "pull", "push", "diff", "check", "demo", "label", "train", "index", "shift"),
    "bias",
)
#: The base of errors of usage, which typer brings with its own click.
_Usage: Any = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException")


def main() -> None:
    """Run the command line."""
    if "_SAETEXT_COMPLETE" in os.environ:  # a shell asks, and reads tabs
        app(prog_name="saetext")
        return
    printing.hold_streams()
    with stopping.watching():
        try:
            with printing.guarded():
                code = _ended()
        except stopping.Stopped:  # between a command's end and here
            code = stopping.exit_code()
        if stopping.asked():
            _end_stopped()
    raise SystemExit(code)


def _ended() -> int:
    """Run the command that was typed, say how it ended, and return its exit code."""
    try:
        code = _run()
        printing.out().flush()
        return code
    except SaetextError as error:
        return _failed(error)
    except OSError as error:
        return _refused(error)
    except typer.Exit as end:  # what was printed at last has no reader
        return int(end.exit_code)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException as error:
        return _broken(error)


def _refused(error: OSError) -> int:
    """Say what the system refused: of a full disk, or of a path, it is no fault of ours."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):  # in a library's own cache
        where = f" of {os.fsdecode(error.filename)}" if error.filename else ""
        return _failed(SaetextError(f"the disk{where} is full: {error.strerror}; free space and try again"))
    if error.filename is None:
        return _broken(error)
    # of a path that was asked about only: too long a name, a directory that may not be entered
    return _failed(SaetextError(f"cannot use {os.fsdecode(error.filename)}: {error.strerror}"))


def _broken(error: BaseException) -> int:
    """Show the traceback of what is a fault of ours; an interrupted library may raise anything."""
    if not stopping.asked() and not isinstance(error, KeyboardInterrupt):
        printing.err().write("".join(traceback.format_exception(error)))
    return 1


def _run() -> int:
    with showing_warnings():
        try:
            ended = app(prog_name="saetext", standalone_mode=False)
        except _Usage as error:
            return _misused(error)
        except typer.Abort:
            return 1
    return ended if isinstance(ended, int) else 0


def _failed(error: SaetextError) -> int:
    if not stopping.asked():  # an interrupted library may say that it failed
        say(f"saetext: {message(str(error))}")
    return 1


def _misused(error: Any) -> int:
    """Show an error of usage as typer does, with what was typed made visible, and cut."""
    told = cut(visible(error.format_message(), newlines=True))
    error.format_message = lambda: told
    with printing.styled():
        if HAS_RICH and app.rich_markup_mode is not None:
            from typer.rich_utils import rich_format_error

            rich_format_error(error)
        else:
            error.show()
    return int(error.exit_code)


def _end_stopped() -> NoReturn:
    kept = "; finished work is kept: run the same command again to resume"
    say(f"saetext: stopped{kept if sys.argv[1:2] and sys.argv[1] in _RESUMED else ''}")
    with contextlib.suppress(SaetextError, typer.Exit):
        printing.out().flush()
    # no interpreter shutdown: it would wait for a forward pass or a download under way
    os._exit(stopping.exit_code())


if __name__ == "__main__":
    main()
