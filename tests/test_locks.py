"""``locks/`` has hashes of what constraints.txt pins, and the bill of materials is compared with it."""

from __future__ import annotations

import importlib.util
import json
import re
import tomllib
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
GENERATED = ("build", "run", "gpu", "model", "dev")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}")


def _entries(name: str) -> dict[str, tuple[Requirement, list[str]]]:
    """Return package to requirement and the lines of hashes of one lock."""
    found: dict[str, tuple[Requirement, list[str]]] = {}
    lines: list[str] = []
    for line in (ROOT / f"locks/{name}.txt").read_text("utf-8").splitlines():
        if line.startswith(" "):
            lines.append(line.removesuffix(" \\"))
        elif not line.startswith("#"):
            entry = Requirement(line.removesuffix(" \\"))
            lines = []
            assert canonicalize_name(entry.name) not in found
            found[canonicalize_name(entry.name)] = entry, lines
    return found


def _versions(name: str) -> dict[str, str]:
    return {package: str(entry.specifier) for package, (entry, _) in _entries(name).items()}


def _constraints() -> dict[str, str]:
    lines = [Requirement(line) for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines()]
    return {canonicalize_name(line.name): str(line.specifier) for line in lines}


def test_locks_and_constraints_name_the_same_releases() -> None:
    """If not: ``make lock``."""
    parts = [_versions(name) for name in GENERATED]
    locked = {package: version for part in parts for package, version in part.items()}
    assert len(locked) == sum(map(len, parts))  # each in one file
    constraints = _constraints()
    assert {package: version for package, version in locked.items() if package in constraints} == constraints
    linux = default_environment() | {
        "sys_platform": "linux", "os_name": "posix", "platform_system": "Linux",
        "platform_python_implementation": "CPython", "implementation_name": "cpython",
    }  # fmt: skip
    for name in ("build", "run", "dev"):
        for package, (entry, _) in _entries(name).items():
            if package not in constraints:  # of another system
                assert entry.marker is not None and not entry.marker.evaluate(linux), package


def test_every_entry_has_its_hashes_and_nothing_else() -> None:
    for name in (*GENERATED, "cpu"):
        entries = _entries(name)
        assert entries
        for package, (entry, hashes) in entries.items():
            assert re.fullmatch(r"==[0-9][0-9a-z.+]*", str(entry.specifier)), package
            assert hashes and all(map(HASH.fullmatch, hashes)) and len(set(hashes)) == len(hashes), package
            assert entry.url is None and not entry.extras


def test_the_cpu_builds_are_of_the_pinned_torch_and_other_files() -> None:
    [(package, (entry, hashes))] = _entries("cpu").items()
    assert package == "torch" and f"{_constraints()['torch']}+cpu" == str(entry.specifier)
    assert len(hashes) == 8 and not set(hashes) & set(_entries("run")["torch"][1])


def test_what_is_declared_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    run = _versions("run") | _versions("build")
    dev = run | _versions("dev")
    extras = project["optional-dependencies"]
    not_run = ("all", "dev", "docs", "duckdb", "ray")  # ray: the cluster's version, by hand
    declared = [*project["dependencies"],
                *(line for name in extras if name not in not_run for line in extras[name])]  # fmt: skip
    for line in declared:
        assert canonicalize_name(Requirement(line).name) in run
    for line in (*extras["dev"], *extras["docs"], *extras["duckdb"]):
        assert canonicalize_name(Requirement(line).name) in dev


def test_make_installs_nothing_unchecked_when_it_is_asked_to() -> None:
    locked = (ROOT / "Makefile").read_text("utf-8").partition("ifdef LOCKED\n")[2].partition("\nelse\n")[0]
    assert "--require-hashes --no-deps --no-build-isolation\n" in locked
    installs = [line for line in locked.splitlines() if "PIP)" in line]
    assert len(installs) == 6
    for line in installs:
        assert "$(LOCKED_PIP)" in line or "--no-deps --no-build-isolation --editable ." in line


# ---- the bill of materials ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def checker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_sbom", ROOT / "tools/check_sbom.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _bill(**changes: str | None) -> dict[str, Any]:
    run = {
        package: str(entry.specifier)[2:]
        for package, (entry, _) in _entries("run").items()
        if entry.marker is None or entry.marker.evaluate()
    }
    has = {package: version for package, version in (run | changes).items() if version is not None}
    components = [{"name": package, "version": version} for package, version in has.items()]
    return {"metadata": {"component": {"name": "saetext"}}, "components": components}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, []),
        ({"torch": "2.13.0+cpu", "pip": "26.0", "hatchling": "1.33.0"}, []),
        ({"numpy": None}, ["numpy is missing"]),
        ({"numpy": "1.0"}, ["numpy is 1.0, locked is NUMPY"]),
        ({"pytest": "9.2.0"}, ["pytest is none of what saetext runs with"]),
    ],
)
def test_the_bill_is_compared_with_the_locks(
    checker: ModuleType, changes: dict[str, str | None], told: list[str]
) -> None:
    expected = [line.replace("NUMPY", _constraints()["numpy"][2:]) for line in told]
    assert checker.differences(_bill(**changes)) == expected


def test_a_bill_of_something_else_is_seen(
    checker: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, code in (("saetext", 0), ("other", 1)):
        bill = _bill() | {"metadata": {"component": {"name": name}}}
        (tmp_path / "bill.json").write_text(json.dumps(bill))
        monkeypatch.setattr("sys.argv", ["check_sbom", str(tmp_path / "bill.json")])
        with pytest.raises(SystemExit) as end:
            checker.main()
        assert end.value.code == code
    assert "it is the bill of other" in capsys.readouterr().out
