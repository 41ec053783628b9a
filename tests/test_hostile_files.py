"""Files that somebody crafted, of every kind that is read: each ends in one line, at once."""

from __future__ import annotations

import copy
import io
import json
import os
import struct
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hostile_files as hostile
import numpy as np
import pytest
from hostile_files import CONTENT, KINDS, LOOSE, PLACES, STRICTLY, Kind
from test_cli import place, saetext

from saetext.analysis.clusters import load_model
from saetext.corpus.calibration import Calibration
from saetext.corpus.journal import Journal
from saetext.errors import CorpusError, LabelError, ReaderError, SaetextError
from saetext.features.labelling.importing import from_file
from saetext.features.labels import FeatureLabels
from saetext.io import json_file, opener
from saetext.io.array_file import load_array, load_arrays
from saetext.io.files import checksum
from saetext.io.json_file import load, loads
from saetext.io.table_file import read_table
from saetext.reader.weights import load_sae_dir

__all__ = ["place"]


@contextmanager
def one_line(home: Path, *, seconds: float = 1.0, kind: type[SaetextError] = SaetextError) -> Iterator[None]:
    """Expect an error of one line that names what is in ``home``, at once."""
    began = time.process_time()
    with pytest.raises(kind) as told:
        yield
    said = str(told.value)
    assert time.process_time() - began < seconds
    assert "\n" not in said and said.isprintable()
    assert home.name in said
    assert len(said) < 300 + said.count(str(home)) * len(str(home)), said


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "h").mkdir()
    return tmp_path / "h"


def made(kind: Kind, home: Path) -> str:
    """Make a valid file, read it, and return its text."""
    kind.make(home)
    kind.read(home)
    return (home / kind.file).read_text()


@pytest.mark.parametrize("damage", CONTENT)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_content(kind: Kind, damage: str, home: Path) -> None:
    changed = CONTENT[damage](made(kind, home))
    (home / kind.file).write_bytes(changed if isinstance(changed, bytes) else changed.encode())
    with one_line(home):
        kind.read(home)


@pytest.mark.parametrize("damage", STRICTLY)
@pytest.mark.parametrize("kind", [k for k in KINDS if k.name not in LOOSE], ids=lambda kind: kind.name)
def test_strictly(kind: Kind, damage: str, home: Path) -> None:
    (home / kind.file).write_text(STRICTLY[damage](made(kind, home)))
    with one_line(home):
        kind.read(home)


@pytest.mark.parametrize("place_", PLACES)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_kind_of_file(kind: Kind, place_: str, home: Path) -> None:
    made(kind, home)
    (home / kind.file).unlink()
    PLACES[place_](home / kind.file)
    with one_line(home):
        kind.read(home)


def outcome(kind: Kind, home: Path) -> str:
    """Return what reading a file ends in: ``""`` where it is read, ``"a line"``, or what is wrong with it."""
    try:
        kind.read(home)
    except SaetextError as error:
        said = str(error)
        long = len(said.replace(str(home), "")) >= 300
        named = home.name in said and said.isprintable()
        return "a line" if named and not long else f"{len(said)} characters: {said[:200]!r}"
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:100]}"
    return ""


@pytest.mark.parametrize("kind", [k for k in KINDS if k.name != "model"], ids=lambda kind: kind.name)
def test_every_field_of_a_wrong_type_is_refused(kind: Kind, home: Path) -> None:
    whole = json.loads(made(kind, home))
    bad, refused = [], 0
    for field, keys in hostile.fields(whole):
        right = hostile.value_at(whole, keys)
        for wrong in hostile.WRONG.get(type(right).__name__, []):
            (home / kind.file).write_text(json.dumps(hostile.with_value(whole, keys, wrong)))
            found = outcome(kind, home)
            refused += found == "a line"
            if found != "a line" and not (found == "" and hostile.may_pass(kind, field, wrong)):
                bad.append((field, repr(wrong)[:20], found))
    assert bad == []
    assert refused >= 10


@pytest.mark.parametrize("kind", [k for k in KINDS if k.name != "model"], ids=lambda kind: kind.name)
def test_every_field_that_is_needed_is_missed(kind: Kind, home: Path) -> None:
    whole = json.loads(made(kind, home))
    if isinstance(whole, list):
        whole = whole[0]
    missed = 0
    for key in whole:
        less = {name: value for name, value in whole.items() if name != key}
        (home / kind.file).write_text(json.dumps([less] if kind.name == "labels" else less))
        try:
            kind.read(home)
        except SaetextError as error:
            assert "\n" not in str(error) and home.name in str(error)
            missed += 1
    assert missed >= 1
