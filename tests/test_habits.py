"""The pages and settings that people who change saetext rely on: they name what there is."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import typer
import yaml
from saetext_cli.main import app

import saetext

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")


def test_pre_commit_runs_the_checks_of_make_and_downloads_nothing() -> None:
    [repository] = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text("utf-8"))["repos"]
    assert repository["repo"] == "local"
    assert [hook["entry"] for hook in repository["hooks"]] == ["make lint", "make types"]
    for hook in repository["hooks"]:
        assert hook["language"] == "system" and not hook["pass_filenames"]
        assert re.search(rf"^{hook['entry'].removeprefix('make ')}:", MAKEFILE, flags=re.M)


def test_exceptions_from_the_limits_name_files() -> None:
    lint = PROJECT["tool"]["ruff"]["lint"]
    assert {"C901", "PLR0913"} <= set(lint["select"])
    for pattern in lint["per-file-ignores"]:
        assert any(ROOT.glob(pattern)), f"no file is {pattern}: drop the exception"


def test_contributing_states_the_limits_and_one_page_is_enough() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    lint = PROJECT["tool"]["ruff"]["lint"]
    arguments, complexity = lint["pylint"]["max-args"], lint["mccabe"]["max-complexity"]
    assert f"At most {arguments}\nparameters and a complexity of {complexity} " in page
    assert len(page.split()) < 800
    for target in re.findall(r"^    make (\w+)", page, flags=re.M):
        assert re.search(rf"^{target}:", MAKEFILE, flags=re.M), target


def test_the_changelog_lists_the_public_surface() -> None:
    said = (ROOT / "CHANGELOG.md").read_text("utf-8").split("### Public surface")[1].split("\n### ")[0]
    python, commands = (
        re.findall(r"`(\w+)`", re.split(rf"^- \*\*{part}\*\*", said, flags=re.M)[1].split("\n- ")[0])
        for part in ("Python", "Commands")
    )
    assert python == saetext.__all__
    assert sorted(commands) == sorted(typer.main.get_command(app).commands)


def test_the_citation_has_the_version_and_licence_of_the_project() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    project = PROJECT["project"]
    assert (cited["title"], cited["version"], cited["license"]) == (
        project["name"],
        project["version"],
        project["license"],
    )
    assert cited["authors"] == [{"name": "The saetext contributors"}]


def test_every_decision_is_listed_and_says_context_decision_consequences() -> None:
    folder = ROOT / "docs" / "decisions"
    pages = {path.name: path.read_text("utf-8") for path in folder.glob("*.md")}
    index = pages.pop("README.md")
    assert set(re.findall(r"\]\(([\w-]+\.md)\)", index)) == set(pages)
    for name, text in pages.items():
        parts = re.findall(r"^\*\*(\w+)\.\*\*", text, flags=re.M)
        assert parts == ["Context", "Decision", "Consequences"], name
        assert len(text.split()) < 300, name


def test_what_builds_the_docs_is_pinned() -> None:
    pinned = {line.split("==")[0].lower() for line in (ROOT / "constraints.txt").read_text("utf-8").split()}
    for line in PROJECT["project"]["optional-dependencies"]["docs"]:
        assert line.split(">")[0] in pinned
