"""A fitted shift on disk, damaged at every byte and in every field: refused in one line that names it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import hostile_files as hostile
import numpy as np
import pytest
from safetensors.numpy import load_file, save

from saetext.errors import InputError
from saetext.intervene.shifts.saved import Shift
from saetext.io.sealed import SEAL, sealed

TENSORS, ABOUT = "shift.safetensors", "shift.json"


def saved(tmp_path: Path) -> Path:
    return hostile.a_shift().save(tmp_path / "a.shift")


def refusal(path: Path) -> str:
    """Return the line with which a shift is refused."""
    with pytest.raises(InputError) as caught:
        Shift.load(path)
    told = str(caught.value)
    assert "\n" not in told and told.isprintable() and "a.shift" in told and len(told) < 600
    return told


def reseal(path: Path, told: dict[str, Any]) -> None:
    """Write a shift's JSON with the checksum that fits it, as an honest program would."""
    told = {key: value for key, value in told.items() if key != SEAL}
    (path / ABOUT).write_text(json.dumps(sealed(told)))


@pytest.mark.parametrize("name", [TENSORS, ABOUT])
def test_every_flipped_byte_is_found(name: str, tmp_path: Path) -> None:
    path = saved(tmp_path)
    whole = (path / name).read_bytes()
    same = 0
    for at in range(len(whole)):
        content = bytearray(whole)
        content[at] ^= 1 << at % 8
        (path / name).write_bytes(bytes(content))
        try:
            found = Shift.load(path)
        except InputError as error:
            assert "\n" not in str(error) and "a.shift" in str(error)
        else:  # white space of the JSON, which says nothing
            assert name == ABOUT and found.groups == hostile.a_shift().groups
            assert np.array_equal(found.delta, hostile.a_shift().delta)
            same += 1
    assert same < 0.1 * len(whole) and (name == ABOUT or same == 0)


@pytest.mark.parametrize("name", [TENSORS, ABOUT])
def test_every_cut_is_found(name: str, tmp_path: Path) -> None:
    path = saved(tmp_path)
    whole = (path / name).read_bytes().rstrip()
    for length in range(len(whole)):
        (path / name).write_bytes(whole[:length])
        refusal(path)
    (path / name).unlink()
    refusal(path)
    (path / name).mkdir()
    refusal(path)


def test_every_field_of_a_wrong_type_is_refused_though_its_checksum_fits(tmp_path: Path) -> None:
    path = saved(tmp_path)
    whole = json.loads((path / ABOUT).read_text())
    refused, passed = 0, []
    for field, keys in hostile.fields(whole):
        if field == SEAL:
            continue
        right = hostile.value_at(whole, keys)
        for wrong in hostile.WRONG.get(type(right).__name__, []):
            reseal(path, hostile.with_value(whole, keys, wrong))
            try:
                Shift.load(path)
            except InputError as error:
                assert "\n" not in str(error) and "a.shift" in str(error)
                refused += 1
            else:
                passed.append((field, repr(wrong)[:20]))
    assert refused > 100
    # options of the fit may be anything; of a list of no meaning of its own, null stands for none
    assert {field for field, _ in passed} <= {"params.steps", "repeats"}, passed


def test_every_field_is_needed(tmp_path: Path) -> None:
    path = saved(tmp_path)
    whole = json.loads((path / ABOUT).read_text())
    for key in whole:
        if key != SEAL:
            reseal(path, {name: value for name, value in whole.items() if name != key})
            refusal(path)
    (path / ABOUT).write_text(json.dumps({k: v for k, v in whole.items() if k != SEAL}))
    assert "no seal" in refusal(path)


def test_a_newer_version_is_named(tmp_path: Path) -> None:
    path = saved(tmp_path)
    whole = json.loads((path / ABOUT).read_text())
    newer = {"format": whole["format"], "version": 7, "all": "else"}
    (path / ABOUT).write_text(json.dumps(newer))
    assert refusal(path).endswith("is a fitted shift of version 7: upgrade saetext")
    (path / ABOUT).write_text(json.dumps({**newer, "format": "another"}))
    assert "upgrade" not in refusal(path)


@pytest.mark.parametrize(
    "change",
    [
        {"delta": np.zeros((2, 4), np.float64)},
        {"delta": np.zeros((2, 4), np.int32)},
        {"delta": np.zeros((2, 5), np.float32)},
        {"delta": np.zeros(8, np.float32)},
        {"delta": np.full((2, 4), np.nan, np.float32)},
        {"delta": np.full((2, 4), np.inf, np.float32)},
        {"delta": None},
        {"everyone": np.zeros(5, np.float32)},
        {"dense": np.zeros((3, 3), np.float32)},
        {"another": np.zeros(4, np.float32)},
    ],
    ids=lambda change: f"{next(iter(change))} {getattr(next(iter(change.values())), 'dtype', 'gone')}",
)
def test_tensors_that_do_not_fit_are_refused_though_their_checksum_does(
    change: dict[str, Any], tmp_path: Path
) -> None:
    path = saved(tmp_path)
    tensors = {k: v for k, v in {**load_file(path / TENSORS), **change}.items() if v is not None}
    content = save(tensors)
    (path / TENSORS).write_bytes(content)
    whole = json.loads((path / ABOUT).read_text())
    assert "checksum" in refusal(path)
    reseal(path, {**whole, "tensors_sha256": hashlib.sha256(content).hexdigest()})
    told = refusal(path)
    assert "is not as its groups and its SAE say" in told or "lacks a shift for its groups" in told


@pytest.mark.parametrize("content", [b"", b"\0" * 64, b"\xff" * 64, b"PK\x03\x04" + b"x" * 60])
def test_what_is_no_tensor_file_is_refused_though_its_checksum_fits(content: bytes, tmp_path: Path) -> None:
    path = saved(tmp_path)
    (path / TENSORS).write_bytes(content)
    whole = json.loads((path / ABOUT).read_text())
    reseal(path, {**whole, "tensors_sha256": hashlib.sha256(content).hexdigest()})
    refusal(path)
