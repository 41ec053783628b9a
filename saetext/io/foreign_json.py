"""JSON that strangers send, not too deep and without NaN.

Not for: writing it (:mod:`saetext.io.strict_json`).
"""

from __future__ import annotations

import json
import re
from typing import Any

DEEPEST = 100  # lists and objects inside each other
# possessive, and an open string goes to the end: one pass, whatever is sent
_PARTS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


def parsed(data: bytes, *, strict: bool = True) -> Any:
    """Return what JSON says.

    Parameters
    ----------
    data : bytes
        UTF-8 (or UTF-16 or UTF-32, told by its first bytes).
    strict : bool
        Whether strings may not hold control characters as they are.

    Raises
    ------
    ValueError
        If it is no JSON, is nested more than 100 deep, or holds NaN, infinity or an integer of thousands of
        digits.
    """
    if _too_deep(data):
        raise ValueError(f"it is nested more than {DEEPEST} deep")
    try:
        return json.loads(data, strict=strict, parse_constant=_refuse)
    except RecursionError as error:  # in an encoding whose brackets are not counted
        raise ValueError("it is nested too deep") from error


def _too_deep(data: bytes) -> bool:
    if data.count(b"[") + data.count(b"{") <= DEEPEST:
        return False
    depth = 0
    for part in _PARTS.finditer(data):
        if part[0] in (b"[", b"{"):
            depth += 1
            if depth > DEEPEST:
                return True
        elif part[0] in (b"]", b"}"):
            depth -= 1
    return False


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")
