"""Make docs/reference.md, every command with its arguments and options, from the commands themselves.

    python docs/reference.py            rewrite the page
    python docs/reference.py --check    exit 1 if it is not what the commands say

Not for: what a command is good for and how to read its output, which the other pages tell.
"""

from __future__ import annotations

import argparse
import inspect
import re
import types
import typing
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parent / "reference.md"
HEAD = """# Commands and options

Made by `python docs/reference.py` from the commands themselves; a test compares both. Functions of the same
names take the same options as keywords: see the [API reference](api.md). What the results' columns mean is in
the [glossary](glossary.md).

`saetext COMMAND --help` shows the same. Exit codes: 0 done, 1 the data or the request is at fault, or
a language model gave nothing usable (one line on stderr), 2 usage, 3 `saetext check` found a broken limit,
130 interrupted (143 by SIGTERM). Results go to stdout; notes, warnings and progress to stderr.
"""


def commands() -> dict[str, Any]:
    """Return the commands by name, in the order of ``saetext --help``."""
    import typer
    from saetext_cli.main import app

    group: Any = typer.main.get_command(app)
    return {name: command for name, command in group.commands.items() if not command.hidden}


def page() -> str:
    """Return the whole page."""
    sections = [_section(name, command) for name, command in commands().items()]
    return "\n".join([HEAD, *sections])


def shown(command: Any) -> list[Any]:
    """Return the parameters of a command that people see."""
    return [p for p in command.params if not getattr(p, "hidden", False) and p.name != "help"]


def _section(name: str, command: Any) -> str:
    lines = [f"## {name}", "", _markdown(inspect.cleandoc(command.help or "")), ""]
    examples = re.sub(r"^Examples?: ", "", command.epilog or "").split("; ")
    lines += [*(f"    {example}" for example in examples if example), ""] if any(examples) else []
    parameters = shown(command)
    for title, kind in (("argument", "argument"), ("option", "option")):
        rows = [_row(p) for p in parameters if p.param_type_name == kind]
        if rows:
            lines += [f"| {title} | value | default | meaning |", "|---|---|---|---|", *rows, ""]
    return "\n".join(lines)


def _row(parameter: Any) -> str:
    what = [spelt(parameter), _value(parameter), _default(parameter), _cell(_markdown(parameter.help or ""))]
    return f"| {' | '.join(what)} |"


def spelt(parameter: Any) -> str:
    """Return how a parameter is written on the command line, as Markdown."""
    if parameter.param_type_name == "argument":
        return f"`{_cell(parameter.metavar or parameter.name.upper())}`"
    return ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))


def _value(parameter: Any) -> str:
    if getattr(parameter, "is_bool_flag", False):
        return "switch"
    written = parameter.metavar if parameter.param_type_name == "option" else None
    annotation = parameter.type_descriptor.annotation
    kind = f"`{_cell(written)}`" if written else _type(annotation)
    several = parameter.multiple or parameter.nargs == -1
    return ", ".join([kind, *_bounds(parameter), *(["repeatable"] if several else [])])


def _bounds(parameter: Any) -> Iterator[str]:
    if parameter.min is not None:
        yield f"≥ {parameter.min:g}"
    if parameter.max is not None:
        yield f"≤ {parameter.max:g}"


def _type(annotation: Any) -> str:
    origin, inner = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_type(part) for part in inner if part is not type(None))
    if origin is typing.Annotated or origin in (list, tuple):
        return _type(inner[0])
    if origin is typing.Literal:
        return ", ".join(f"`{value}`" for value in inner)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return ", ".join(f"`{member.value}`" for member in annotation)
    names = {str: "text", int: "whole number", float: "number", Path: "path"}
    return names.get(annotation, getattr(annotation, "__name__", str(annotation)))


def _default(parameter: Any) -> str:
    default = parameter.default.value if isinstance(parameter.default, Enum) else parameter.default
    if parameter.required:
        return "required"
    if default is None or default == () or default == [] or default == "" or callable(default):
        return ""
    if getattr(parameter, "is_bool_flag", False):
        return "on" if default else "off"
    return f"`{_cell(str(default))}`"


def _markdown(text: str) -> str:
    """Return help with what Markdown would take for markup kept as written."""
    joined = re.sub(r"(?<!\n)\n(?!\n)", " ", text.replace("``", "`"))
    return re.sub(r"(?<!\\)([<*])", r"\\\1", joined)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> None:
    """Rewrite or check the page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    made = page()
    current = PAGE.exists() and PAGE.read_text("utf-8") == made
    if not check:
        PAGE.write_text(made, "utf-8")
    print("current" if current else "stale" if check else "rewritten")
    raise SystemExit(check and not current)


if __name__ == "__main__":
    main()
