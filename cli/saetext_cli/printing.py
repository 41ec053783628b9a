"""The streams of a command: everything that is printed passes here and comes out visible and harmless.

Results, notes, errors, warnings, tracebacks, help, and what libraries print: column names, labels and paths
of strangers are in all of them. Also what happens where a stream is closed, full, or nobody reads it. Not
for: what is printed (:func:`saetext_cli.common.note`, :func:`saetext_cli.common.result`).
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TextIO

import typer

from saetext.errors import InputError
from saetext.text.terminal import visible

if TYPE_CHECKING:
    from rich.console import Console


class Printed(io.TextIOBase):
    r"""A text stream that lets visible characters and ``\n`` through (:func:`saetext.text.terminal.visible`).

    Parameters
    ----------
    raw : TextIO or None
        Where the text goes; None where the stream was closed before we began.
    needed : bool
        Whether a text that cannot be written is an error: a result is, a note is not. Where the reader of a
        result has gone (``| head``), the command ends quietly.
    """

    def __init__(self, raw: TextIO | None, *, needed: bool) -> None:
        self.raw = raw
        self.needed = needed
        self.styled = False  # while rich draws: its colours may pass
        self._lost = False

    def write(self, text: str) -> int:
        """Write what is visible of ``text``."""
        self.send(visible(text, newlines=True, colours=self.styled))
        return len(text)

    def send(self, text: str) -> None:
        """Write ``text`` as it is."""
        if text and not self._lost:
            with self._failing():
                if self.raw is None or self.raw.closed:
                    raise OSError(0, "it is closed")
                try:
                    self.raw.write(text)
                except UnicodeEncodeError:  # the terminal's encoding lacks it: data is UTF-8 all the same
                    self.raw.flush()
                    self.raw.buffer.write(text.encode("utf-8", "replace"))

    def flush(self) -> None:
        """Write what is kept back."""
        if not self._lost and self.raw is not None:
            with self._failing():
                self.raw.flush()

    def isatty(self) -> bool:
        """Return whether a terminal is at the other end."""
        return self.raw is not None and not self.raw.closed and self.raw.isatty()

    def fileno(self) -> int:
        """Return the number of the file."""
        if self.raw is None:
            raise io.UnsupportedOperation("fileno")
        return self.raw.fileno()

    def writable(self) -> bool:
        """Return True."""
        return True

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """What the stream can print."""
        return getattr(self.raw, "encoding", None) or "utf-8"

    @property
    def errors(self) -> str:  # type: ignore[override]
        """What becomes of other characters."""
        return getattr(self.raw, "errors", None) or "strict"

    @contextlib.contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except BrokenPipeError:
            self._leave()
            if self.needed:
                raise typer.Exit(0) from None
        except OSError as error:
            self._leave()
            if self.needed:
                raise InputError(
                    f"cannot write the result to standard output: {error.strerror or error}"
                ) from error

    def _leave(self) -> None:
        """Let nothing more be written, not even by Python's shutdown what its buffer still holds."""
        self._lost = True
        with contextlib.suppress(OSError, ValueError, AttributeError):
            handle = self.raw.fileno()  # type: ignore[union-attr]
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, handle)
            os.close(nowhere)


def out() -> Printed:
    """Return standard output."""
    return sys.stdout if isinstance(sys.stdout, Printed) else Printed(sys.stdout, needed=True)


def err() -> Printed:
    """Return standard error."""
    return sys.stderr if isinstance(sys.stderr, Printed) else Printed(sys.stderr, needed=False)


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Let everything that is written to ``sys.stdout`` and ``sys.stderr`` pass a :class:`Printed`.

    May be nested: what shows a live bar puts its own streams before ours.
    """
    before: tuple[Any, Any] = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = Printed(before[0], needed=True), Printed(before[1], needed=False)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


@contextlib.contextmanager
def styled() -> Iterator[None]:
    """Let colours pass while rich draws texts that are our own or were made visible."""
    streams = [stream for stream in (sys.stdout, sys.stderr) if isinstance(stream, Printed)]
    for stream in streams:
        stream.styled = True
    try:
        yield
    finally:
        for stream in streams:
            stream.styled = False


def live_console() -> Console:
    """Return a console on standard error for a bar or a spinner, which move the cursor.

    What it shows goes past :class:`Printed`: pass it visible texts only.
    """
    from rich.console import Console

    stream: Any = sys.stderr
    while isinstance(stream, Printed):
        stream = stream.raw
    return Console(file=stream if stream is not None else io.StringIO())


def hold_streams() -> None:
    """Put something in the place of closed streams, or the next file that is opened gets their numbers.

    Then a library that prints to number 2 would write into that file. What stands in refuses both sides.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            with contextlib.suppress(OSError):
                os.open(os.devnull, os.O_RDONLY if number else os.O_WRONLY)


def standard_input() -> TextIO:
    """Return standard input.

    Raises
    ------
    InputError
        If it is closed.
    """
    if sys.stdin is None or sys.stdin.closed:
        raise InputError("cannot read standard input: it is closed; name a file instead")
    return sys.stdin
