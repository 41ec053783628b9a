"""The documentation runs: every console block, every Python block, every link; outputs are current."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from documentation import ROOT, blocks, last_of_each_verb, render
from forked_command import forked_command
from shown_outputs import differences
from tiny_reader import contents

RUN = [page for page in render.PAGES if re.search("^```(console|python)$", page.read_text("utf-8"), re.M)]
FRESH = next(page for page in RUN if page.name == "python.md")  # whose first block runs as a user starts it


@pytest.fixture(scope="module")
def forked(tmp_path_factory: pytest.TempPathFactory, states: Path) -> Iterator[Path]:
    """Return where the executables are that do without the seconds of start, and read each text once."""
    with forked_command(render.environment(tmp_path_factory.mktemp("forked")), states) as folder:
        yield folder


def test_a_corpus_from_shared_states_is_that_of_the_installed_command(
    forked: Path, encoded_examples: Path, states: Path, tmp_path: Path
) -> None:
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    for name in ("first", "again"):  # the second time at the latest, nothing is computed
        render.run(f"saetext encode examples/gentle.jsonl -o {name}.corpus", tmp_path, forked)
        made = contents(tmp_path / f"{name}.corpus")
        assert made == contents(encoded_examples / "examples" / "gentle.jsonl.corpus")
    assert any(states.glob("*.npz"))


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("page", RUN, ids=[page.relative_to(ROOT).as_posix() for page in RUN])
def test_every_example_runs(
    page: Path, forked: Path, encoded_examples: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """A page's commands succeed in order and print about what it shows; then its Python blocks run."""
    folder = render.scratch(page, tmp_path, encoded_examples)
    if render.uses_smollm2(page.read_text("utf-8")):
        render.share_models(folder, request.getfixturevalue("smollm2"))
    installed = last_of_each_verb()

    def run(command: str, folder: Path) -> str:
        return str(render.run(command, folder, None if (page, command) in installed else forked))

    old = page.read_text("utf-8")
    new = render.rendered(old, folder, run)  # raises when a command fails
    shown, printed = (list(render.outputs(render.masked(text))) for text in (old, new))
    assert [command for command, _ in printed] == [command for command, _ in shown]
    wrong = {
        command: said
        for (command, before), (_, after) in zip(shown, printed, strict=True)
        if (said := differences(before, after))
    }
    assert not wrong, "\n".join(f"$ {command}\n" + "\n".join(said) for command, said in wrong.items())
    for number, block in enumerate(blocks(old, "python")):
        python = sys.executable if page == FRESH and number == 0 else str(forked / "python")
        environment = render.environment(folder)
        done = subprocess.run(
            [python, "-c", block], cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{block}\n{done.stderr}"


def test_each_verb_is_started_once_as_it_is_installed() -> None:
    from documentation import verbs

    used = [
        verb
        for page in RUN
        for block in blocks(page.read_text("utf-8"), "console")
        for command in render.commands(block)
        for verb in verbs(command)
    ]
    assert {verb for _, command in last_of_each_verb() for verb in verbs(command)} == set(used)
    assert len(last_of_each_verb()) <= len(set(used)) < len(used)


def test_links_lead_somewhere() -> None:
    others = [ROOT / "examples" / "README.md", ROOT / "benchmarks" / "README.md", *ROOT.glob("*.md")]
    for page in [*render.PAGES, *others]:
        for target in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text("utf-8")):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name} -> {target}"
