"""JSON in a line or a cell of a file of texts: its row is rejected if it is none.

Not for: files that are JSON themselves (:mod:`saetext.io.json_file`).
"""

from __future__ import annotations

import json
from typing import Final


def _integer(digits: str) -> int | str:
    # Python refuses to convert more than 4300 digits; beyond 64 bits an integer ends up as a string anyway
    return int(digits) if len(digits) < 1000 else digits


DECODER: Final = json.JSONDecoder(parse_int=_integer)


def decode_json(text: str) -> object:
    """Return a JSON value; ValueError or RecursionError if it is none."""
    return DECODER.decode(text)
