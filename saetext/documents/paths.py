"""Paths into nested rows, ``response.body.choices[0].message.content``: resolved, and found where text is.

A path is names with dots between them, each followed by any number of ``[0]`` (that item) or ``[*]`` (every
item; ``[]`` for short). A name that has dots or brackets itself is quoted: ``meta["a.b"]``. Strings that hold
JSON are entered. Not for: which path is the right one (:mod:`saetext.documents.guess`).
"""

from __future__ import annotations

import functools
import re
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from saetext.documents.json_values import decode_json
from saetext.documents.words import is_prose, name_words, word_set

Step = str | int | None  # a name, an item, every item

_TOKEN: Final = re.compile(r'\.?([^.\[\]"]+)|\[(\d{1,6})\]|\[\*?\]|\["((?:[^"\\]|\\.)*)"\]')
_DEPTH: Final = 12
_NODES: Final = 3000  # of one row that are looked at
_MISSING: Final = object()
PROMPT_WORDS: Final = word_set(
    "prompt prompts instruction instructions question questions query input inputs request requests system "
    "user human vars doc arguments target expected reference gold error"
)


def parse_path(text: str) -> list[Step] | None:
    """Return the steps of a path; None if it is none."""
    return list(_steps(text)) or None


@functools.lru_cache(1024)  # few paths, and each is looked for in many rows
def _steps(text: str) -> tuple[Step, ...]:
    """Return the steps of a path; none if it is no path."""
    steps: list[Step] = []
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            return ()
        name, item, quoted_name = found.groups()
        if name is not None:
            steps.append(name)
        elif item is not None:
            steps.append(int(item))
        elif quoted_name is not None:
            steps.append(re.sub(r"\\(.)", r"\1", quoted_name))
        else:
            steps.append(None)
        at = found.end()
    return tuple(steps)


def write_path(steps: Sequence[Step]) -> str:
    """Return a path as text; what :func:`parse_path` reads."""
    made = ""
    for step in steps:
        if step is None:
            made += "[*]"
        elif isinstance(step, int):
            made += f"[{step}]"
        elif step and not re.search(r'[.\[\]"]', step):
            made += f".{step}" if made else step
        else:
            escaped = step.replace("\\", "\\\\").replace('"', '\\"')
            made += f'["{escaped}"]'
    return made


def opened(value: Any) -> Any:
    """Return the list or object that a string of JSON holds; anything else as it is."""
    if isinstance(value, str) and value.lstrip()[:1] in ("{", "["):
        try:
            found = decode_json(value)
        except (ValueError, RecursionError):
            return value
        return found if isinstance(found, dict | list) else value
    return value


def at(value: Any, path: str | Sequence[Step], default: Any = None) -> Any:
    """Return what is at a path, a list where it says every item; ``default`` if there is nothing."""
    found = _at(value, _steps(path) if isinstance(path, str) else path)
    return default if found is _MISSING else found


def has(value: Any, path: str) -> bool:
    """Whether there is something at a path, null or not."""
    return _at(value, _steps(path)) is not _MISSING


def _at(value: Any, steps: Sequence[Step]) -> Any:
    for number, step in enumerate(steps):
        value = opened(value)
        if step is None:
            if not isinstance(value, list | tuple):
                return _MISSING
            inner = [_at(item, steps[number + 1 :]) for item in value]
            return [item for item in inner if item is not _MISSING]
        if isinstance(step, int):
            if not isinstance(value, list | tuple) or step >= len(value):
                return _MISSING
            value = value[step]
        elif isinstance(value, Mapping) and step in value:
            value = value[step]
        else:
            return _MISSING
    return value


def texts_in(rows: Sequence[Mapping[str, Any]], most: int = 3) -> list[str]:
    """Return the paths at which rows hold prose inside of nested values, the likeliest answers first."""
    found: Counter[str] = Counter()
    for row in rows:
        seen = set()
        for steps, text in _strings(row):
            if len(steps) > 1 and is_prose(text):
                seen.add(write_path(steps))
        found.update(seen)
    often = [path for path, times in found.items() if 2 * times >= max(found.values())]
    answers = [path for path in often if not _asks(path)] or [path for path in often if _asks(path)]
    return answers[:most]


def _asks(path: str) -> bool:
    return any(word in PROMPT_WORDS for word in name_words(path))


def _strings(row: Any) -> Iterator[tuple[list[Step], str]]:
    """Yield the strings in a row with their paths; of lists the first item, of chats the answers."""
    todo: deque[tuple[list[Step], Any]] = deque([([], row)])
    for _ in range(_NODES):
        if not todo:
            return
        steps, value = todo.popleft()
        value = opened(value)
        if isinstance(value, str):
            yield steps, value
        elif len(steps) < _DEPTH and isinstance(value, Mapping):
            todo += [([*steps, str(name)], inner) for name, inner in value.items()]
        elif len(steps) < _DEPTH and isinstance(value, list | tuple) and value:
            chat = [i for i, turn in enumerate(value) if _answers(turn)]
            todo.append(([*steps, chat[0] if chat else 0], value[chat[0] if chat else 0]))


def _answers(turn: Any) -> bool:
    return isinstance(turn, Mapping) and turn.get("role") in ("assistant", "model", "ai")
