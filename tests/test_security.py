"""SECURITY.md: each promise names tests, and each of these exists; what is installed has an exact version."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "SECURITY.md").read_text("utf-8")
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
MODEL = TEXT.partition("## Threat model")[2].partition("\n## ")[0]


def promises(model: str) -> list[str]:
    """Return the points of the threat model, each in one line."""
    return [
        " ".join(point.split()) for point in re.findall(r"^- (.*?)(?=^- |^\n|\n\n|\Z)", model, re.M | re.S)
    ]


def functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("named", sorted(set(NAMED.findall(TEXT))), ids="::".join)
def test_a_test_that_is_named_exists(named: tuple[str, str]) -> None:
    file, function = named
    assert function in functions(ROOT / file)


def test_each_promise_names_its_test() -> None:
    found = promises(MODEL)
    assert len(found) >= 15
    assert not [promise for promise in found if not NAMED.search(promise)]
    assert promises("- one, `tests/a.py::b`\n  and more\n- two\n\nrest") == [
        "one, `tests/a.py::b` and more",
        "two",
    ]


@pytest.mark.parametrize("who", ["texts", "corpora", "SAE and model directories", "endpoints"])
def test_the_four_who_may_be_hostile_have_their_part(who: str) -> None:
    part = re.search(rf"^### Hostile {who}.*?(?=^### )", TEXT, re.M | re.S)
    assert part is not None and "Not promised: " in part[0] and promises(part[0])


def test_every_constraint_is_one_exact_version() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    assert not [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", line)]
    names = [re.sub(r"[-_.]+", "-", line.partition("==")[0]).lower() for line in lines]
    assert len(names) == len(set(names)) > 150


def test_the_tool_of_the_bill_of_materials_has_one_exact_version() -> None:
    made = (ROOT / "Makefile").read_text("utf-8")
    assert re.search(r"cyclonedx-bom==\d+\.\d+\.\d+", made) and re.search(r"^sbom:", made, re.M)
