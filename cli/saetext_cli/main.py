"""Entry point: the app, its commands, and how errors become one line.

Exit codes: 0 done, 1 the data or the request is at fault (one line on stderr), 2 usage, 130 interrupted.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Annotated

import typer

from saetext.errors import SaetextError
from saetext_cli.common import note, showing_warnings
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

        typer.echo(f"saetext {version('saetext')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


_LONGEST = 380  # characters of the line that says what is wrong


class _Stopped(BaseException):
    """Ctrl-C; not a KeyboardInterrupt, which typer would turn into an exit without our line."""


def _stop(signum: int, frame: FrameType | None) -> None:
    signal.signal(signum, lambda *_: os._exit(130))  # a second Ctrl-C does not wait for anything
    raise _Stopped


def main() -> None:
    """Run the command line."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where a shell has it ignored
        signal.signal(signal.SIGINT, _stop)
    try:
        with showing_warnings():
            app(prog_name="saetext")
    except SaetextError as error:
        from saetext.text.one_line import one_line

        note(f"saetext: {one_line(str(error), _LONGEST)}")
        raise SystemExit(1) from None
    except OSError as error:
        if error.filename is None:
            raise
        from saetext.text.one_line import quoted

        # of a path that was asked about only: too long a name, a directory that may not be entered
        note(f"saetext: cannot use {quoted(os.fsdecode(error.filename), 120)}: {error.strerror}")
        raise SystemExit(1) from None
    except _Stopped:
        resumes = sys.argv[1:2] and sys.argv[1] in (
            "encode",
            "append",
            "diff",
            "demo",
            "label",
            "train",
            "index",
        )
        kept = "; finished work is kept: run the same command again to resume" if resumes else ""
        note(f"saetext: stopped{kept}")
        # no interpreter shutdown: it would wait for a forward pass or a download under way
        sys.stdout.flush()
        os._exit(130)


if __name__ == "__main__":
    main()
