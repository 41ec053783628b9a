"""Rules from a TOML file, with the line at fault in every message. Not for: what rules say (``rules.py``)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from saetext.analysis.checking.rules import Rule, nearest, rules_of
from saetext.errors import InputError
from saetext.io.opener import MIB, read_text, reading, shown

VERSION = 1
_KEYS = ("version", "rule")
_HEADER = re.compile(r"""\s*\[\[\s*(?:rule|"rule"|'rule')\s*\]\]""")


def read_rules(path: Path) -> list[Rule]:
    """Read a file of rules.

    It has ``[[rule]]`` tables, see ``docs/check.md``, and may say ``version = 1``.

    Raises
    ------
    InputError
        In one line with the file, the line where that is known, and what is wrong.
    """
    with reading(path, InputError, "file of rules"):
        text = read_text(path, MIB)
        try:
            found = tomllib.loads(text)
        except RecursionError:
            raise ValueError("it is nested too deep") from None
        except tomllib.TOMLDecodeError as error:
            raise ValueError(f"it is not TOML: {error}") from None
    lines = text.splitlines()
    for key in found:
        if key not in _KEYS:
            raise InputError(f"{path}{_line_of(lines, key)}: no key {shown(key)}{nearest(key, _KEYS)}")
    version = found.get("version", VERSION)
    if type(version) is not int or version < 1:
        raise InputError(f"{path}{_line_of(lines, 'version')}: version is 1, not {shown(version)}")
    if version > VERSION:
        raise InputError(
            f"{path}{_line_of(lines, 'version')}: these rules are of version {shown(version)}: "
            "upgrade saetext"
        )
    rules = found.get("rule", [])
    if isinstance(rules, Mapping):
        raise InputError(f"{path}{_line_of(lines, '[rule]')}: a rule begins with [[rule]], in two brackets")
    if not isinstance(rules, Sequence) or isinstance(rules, str) or not rules:
        raise InputError(f"{path}: no [[rule]] in it, so nothing would be checked")
    starts = [at for at, line in enumerate(lines) if _HEADER.match(line)]

    def place(number: int, key: str) -> str:
        if len(starts) != len(rules):  # rules written in one line, or a header in a text
            return f"{path}, rule {number + 1}"
        end = starts[number + 1] if number + 1 < len(starts) else len(lines)
        own = range(starts[number] + 1, end)
        at = next((line for line in own if key and _is_key(lines[line], key)), starts[number])
        return f"{path}, line {at + 1}"

    return rules_of(rules, place, str(path.parent))


def _line_of(lines: Sequence[str], key: str) -> str:
    at = next((n for n, line in enumerate(lines) if _is_key(line, key)), None)
    return "" if at is None else f", line {at + 1}"


def _is_key(line: str, key: str) -> bool:
    stripped = line.strip()
    if key.startswith("["):
        return stripped.replace(" ", "").startswith(key)
    plain = re.escape(key)
    return re.match(rf"""\[*\s*(?:{plain}|"{plain}"|'{plain}')\s*(?:=|\]|\.)""", stripped) is not None
