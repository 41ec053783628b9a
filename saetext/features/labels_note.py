"""The note beside a corpus's own labels, by which it is seen that they are gone.

``labels.json`` stands beside ``labels.parquet`` from when that is first written into a corpus. A corpus
without one never had labels of its own, or had them from an earlier version, which wrote none. Not for: the
labels themselves (:mod:`saetext.features.labels`).
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from saetext.io import json_file
from saetext.io.derived import Verdict
from saetext.io.files import write_atomic
from saetext.io.opener import why
from saetext.io.sealed import require_seal, sealed
from saetext.io.shape import ANY, Record, Text

_OWN = re.compile(r"labels(\..{1,100})?\.parquet")
_SHAPE = Record({"labels": Text(longest=200), "seal": ANY})


def note_path(labels: Path) -> Path:
    """Return where the note about a table of labels lies."""
    return labels.with_suffix(".json")


def write_note(labels: Path) -> None:
    """Write the note about a table that has been written, if it is a corpus's own and there is no note yet.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    note = note_path(labels)
    is_own = _OWN.fullmatch(labels.name) and (labels.parent / "manifest.json").is_file()
    if is_own and (not note.exists() or check_note(labels).state != "intact"):
        write_atomic(note, json.dumps(sealed({"labels": labels.name})).encode())


def are_gone(labels: Path) -> bool:
    """Whether there was a table of labels here and there is none; a damaged note says so too."""
    return note_path(labels).exists() and not labels.exists()


def told_of_loss(labels: Path) -> str:
    """Return the line that says that labels are gone and what to do."""
    note = note_path(labels).name
    return (
        f"{labels} is missing, and other labels are shown: restore it, or make it again with 'saetext label' "
        f"(delete {note} if it was removed on purpose)"
    )


def check_note(labels: Path) -> Verdict:
    """Say whether the note is as it was written."""
    note = note_path(labels)
    try:
        told = json_file.load(note, _SHAPE)
        require_seal(told)
        if told["labels"] != labels.name:
            raise ValueError("it is about another table")
    except FileNotFoundError:
        return Verdict(note, "missing")
    except (OSError, ValueError) as error:
        return Verdict(note, "damaged", why(error))
    return Verdict(note, "intact")
