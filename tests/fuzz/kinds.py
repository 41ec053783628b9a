"""What reads an input: by the end of its name, a function in this process and a command line.

Not for: making inputs, or judging what comes of them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.fuzz import warm

ENCODED = 25  # every so many inputs of texts, one is encoded as a user does
OTHERS = 6  # every so many of the other inputs, one is given to its command
#: A causal model of a moment, and options that keep a run short.
SHORT = ("--sae", "sae", "--device", "cpu")
STEERED = (
    *SHORT,
    "--samples",
    "1",
    "--max-new-tokens",
    "3",
    "--controls",
    "1",
    "--reference",
    "c.jsonl",
    "--force",
)
ABLATED = (*SHORT, "--samples", "1", "--max-new-tokens", "3", "--controls", "1", "--features", "5")
ATTRIBUTED = (*SHORT, "--metric", 'logit("a") - logit("t")', "--checks", "3", "--top", "3")


def kind_of(name: str) -> str:
    """Return what an input is: ``model``, ``direction``, ``attribution``, ``prompts`` or ``texts``."""
    for end, kind in ((".gguf", "model"), (".npy", "direction"), ("attribution.json", "attribution")):
        if name.endswith(end):
            return kind
    return "prompts" if "prompts" in name else "texts"


def every(name: str) -> int:
    """Return of how many inputs of a kind one is given to the command."""
    return ENCODED if kind_of(name) == "texts" else OTHERS


def command_of(name: str, format: list[str], number: int) -> list[str]:
    """Return the command line that reads an input."""
    kind = kind_of(name)
    if kind == "model":
        return ["model", "add", name, "--name", "added"]
    if kind == "direction":
        return ["steer", "model", "the quick", *STEERED, "--direction", name]
    if kind == "attribution":
        out = (["--html", "a.html"], ["--json"], ["--csv"], ["--png", "a.png"], ["--by", "topic"], [])
        return ["expression", name, *out[number // OTHERS % len(out)]]
    if kind == "prompts" and number // OTHERS % 2:
        return ["attribute", "model", name, *ATTRIBUTED]
    if kind == "prompts":
        return ["steer", "model", name, *STEERED, "-f", "5:+1"]
    return ["encode", name, "-o", "out.corpus", *format]


def read_all(cases: list[tuple[Path, list[str]]]) -> None:
    """Read inputs; an error that is not one of ours goes through."""
    from saetext.errors import SaetextError

    for path, format in cases:
        try:
            _READERS[kind_of(path.name)](path, format[0] if format else None)
        except SaetextError as error:
            require_short(error)


def require_short(error: Exception) -> None:
    """Raise AssertionError if a message is long."""
    if len(str(error)) > warm.LONGEST:
        raise AssertionError(f"a message of {len(str(error))} characters") from error


def _texts(path: Path, format: str | None) -> None:
    from saetext.documents import open_documents

    for item in open_documents(path, format=format):
        repr(item)


def _prompts(path: Path, format: str | None) -> None:
    from saetext.intervene.rows import rows_of

    _texts(path, format)
    for row in rows_of(path):
        repr(row)


def _attribution(path: Path, format: str | None) -> None:
    import saetext
    from saetext.report.console.expression import render_expression
    from saetext.report.html.matrix_page import render_matrix_page

    for by in (None, "topic"):
        found = saetext.expression(path, by=by)
        render_expression(found, 80)
        found.to_json()
        render_matrix_page(found)


def _direction(path: Path, format: str | None) -> None:
    import numpy as np

    from saetext.errors import InputError
    from saetext.io.array_file import load_array
    from saetext.io.opener import reading

    with reading(path, InputError, "direction (.npy)"):
        np.asarray(load_array(path)).sum()


def _model(path: Path, format: str | None) -> None:
    from saetext.reader.added.families import sizes_of
    from saetext.reader.added.header import read_header

    repr(sizes_of(read_header(path)))


_READERS: dict[str, Callable[[Path, str | None], None]] = {
    "texts": _texts,
    "prompts": _prompts,
    "attribution": _attribution,
    "direction": _direction,
    "model": _model,
}
