"""The plan: what a run was asked to do, recorded before anything else, so that only the same run resumes it.

Not for: what a plan means; its contents are the encoder's.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from saetext.corpus.manifest import SCHEMA, require_schema
from saetext.corpus.shapes import PLAN
from saetext.corpus.spec import ReaderSpec, differing_fields
from saetext.errors import CorpusError
from saetext.io.files import write_atomic
from saetext.io.json_file import load, plain
from saetext.io.opener import LARGE, why

_SAME_NUMERICS = ("model_dtype", "sae_dtype", "device")  # library versions may change between the two


def record(plan: dict[str, Any], spec: ReaderSpec, more: dict[str, Any]) -> dict[str, Any]:
    """Return what is recorded of a run, plain JSON types; ``more`` must be the same on resuming too."""
    numerics = [dataclasses.asdict(spec.numerics)]
    data = {"schema": SCHEMA, **more, "plan": plan, "spec": spec.to_dict(), "numerics": numerics}
    return dict(plain(data))


def agree(path: Path, wanted: dict[str, Any], start_over: str) -> dict[str, Any]:
    """Record a run, or check that the one on disk was the same, adding other library versions to it.

    Parameters
    ----------
    path : Path
        The file.
    wanted : dict
        From :func:`record`.
    start_over : str
        What to do instead of resuming, for the message.

    Returns
    -------
    dict
        What is on disk now.

    Raises
    ------
    CorpusError
        If another run is recorded; the message names the first key that differs.
    """
    if not path.exists():
        write_atomic(path, _json(wanted))
        return wanted
    found = read(path, start_over)
    require_schema(found.get("schema"), path.parent)
    for key, (old, new) in _compared(found, wanted).items():
        if old != new:
            raise CorpusError(
                f"{path.parent} is unfinished and was started with other settings: {key} was {_short(old)} "
                f"and is now {_short(new)}; run the same command as at first, or {start_over}"
            )
    if wanted["numerics"][-1] not in found["numerics"]:
        found["numerics"].append(wanted["numerics"][-1])
        write_atomic(path, _json(found))
    return found


def read(path: Path, start_over: str) -> dict[str, Any]:
    """Read a record; CorpusError if it is damaged."""
    try:
        found: dict[str, Any] = load(path, PLAN, most=LARGE, loose=True)
        ReaderSpec.from_dict(found["spec"])
    except (OSError, ValueError) as error:
        raise CorpusError(f"{path} is damaged ({why(error)}); {start_over}") from error
    return found


def _compared(found: dict[str, Any], wanted: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return each key that must agree with both its values."""
    before, now = found["plan"], wanted["plan"]
    pairs = {key: (before.get(key), now.get(key)) for key in {**before, **now}}
    pairs |= {key: (found.get(key), wanted[key]) for key in ("stores_text", "onto") if key in wanted}
    specs = ReaderSpec.from_dict(found["spec"]), ReaderSpec.from_dict(wanted["spec"])
    pairs |= {f"the reader's {key}": pair for key, pair in differing_fields(*specs).items()}
    for key in _SAME_NUMERICS:
        pairs[key] = (getattr(specs[0].numerics, key), getattr(specs[1].numerics, key))
    return pairs


def _json(data: dict[str, Any]) -> bytes:
    return json.dumps(data, indent=1, allow_nan=False).encode()


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:79]}…"
