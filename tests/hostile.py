"""What strangers put into names and texts to do something to a terminal, and what must not come out of it.

A helper for tests, not a test.
"""

from __future__ import annotations

import contextlib
import io
import os
import pty
import re
import signal
import subprocess
import sys
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from saetext_cli.main import main

#: By what they do. The SGR is none that rich writes, so that it is told from our own colours.
PAYLOADS = {
    "escape": "\x1bc",
    "colour": "\x1b[31;4;9m",
    "erase": "\x1b[2J\x1b[1A\x1b[2K",
    "link": "\x1b]8;;evil:site\x1b\\click\x1b]8;;\x1b\\",
    "clipboard": "\x1b]52;c;ZXZpbA\x07",
    "C1": "\x9b31;4;9m\x9d0;title\x9c\x85\x90",
    "bell and backspace": "\x07\b\b\x7f",
    "overwriting": "real\rfake",
    "bidi": "\u202etxt.exe\u202c\u2066a\u2069\u061c",
    "invisible": "\u200b\ufeff\u00ad\u2060\U000e0041",
    "lines": "one\nsaetext: two\u2028three\x0b\x0cfour",
    "tab": "a\tb",
}
ALL = "x".join(PAYLOADS.values())
NAME = ALL  # no slash in it: it is a name of a file, too
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_BAR = re.compile(r"\x1b\[(?:\?25[lh]|2K|1A|\d+A)|\r")  # how rich redraws a bar


@dataclass(frozen=True)
class Run:
    code: int
    out: str
    err: str


class Terminal(io.TextIOWrapper):
    """A stream that says that it is a terminal."""

    def isatty(self) -> bool:
        return True


def saetext(*arguments: object, stdin: bytes = b"", terminal: bool = False) -> Run:
    """Run a command in this process, with pipes or a terminal at its ends."""
    made = Terminal if terminal else io.TextIOWrapper
    out, err = (made(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    code = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["saetext", *map(str, arguments)])
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        if terminal:
            patch.setenv("TERM", "xterm-256color")
            patch.delenv("NO_COLOR", raising=False)
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main()
            except SystemExit as end:
                code = int(end.code or 0)
    assert before == {number: signal.getsignal(number) for number in before}
    return Run(code, *(os.fsdecode(stream.buffer.getvalue()) for stream in (out, err)))  # type: ignore[attr-defined]


def on_pty(command: list[str], environment: Mapping[str, str], folder: Path) -> tuple[int, str]:
    """Run a command with a pseudo-terminal at all its ends; return its exit code and what was shown."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    with contextlib.suppress(OSError):  # how Linux tells that the other end was closed
        while part := os.read(ours, 1 << 16):
            shown += part
    os.close(ours)
    return process.wait(), os.fsdecode(shown).replace("\r\n", "\n")  # the terminal's own line ends


def harmful(text: str, *, terminal: bool = False) -> set[str]:
    """Return the control and invisible characters of what was printed, our own colours and bars left out."""
    if terminal:
        assert PAYLOADS["colour"] not in text
        text = _BAR.sub("", _COLOURS.sub("", text))
    return {
        character
        for character in text
        if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Zl", "Zp")
        and character not in "\n\u200c\u200d"
    }
