"""The files of one command are all written or none, and what cannot be written is told before the work."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from saetext_cli.common import require_new, require_writable
from saetext_cli.main import app
from saetext_cli.outputs import all_or_none
from typer.testing import CliRunner

import saetext
from saetext.errors import InputError, SaetextError
from saetext.io import files
from tests.corpus_factory import make_corpus

ROOT = Path(__file__).parents[1]


def test_what_a_failed_block_has_written_is_removed_and_nothing_else(tmp_path: Path) -> None:
    new, folder, old, other = (tmp_path / name for name in ("new", "folder", "old", "other"))
    old.write_text("old")
    for error in (InputError, KeyboardInterrupt):
        with pytest.raises(error), all_or_none(new, None, folder, old, tmp_path / "never"):
            new.write_text("new")
            folder.mkdir()
            (folder / "part").write_text("part")
            other.write_text("other")
            raise error
        assert sorted(path.name for path in tmp_path.iterdir()) == ["old", "other"]
    with all_or_none(new, old):
        new.write_text("new")
    assert (new.read_text(), old.read_text()) == ("new", "old")


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoded")
    lines = (ROOT / "examples" / "gentle.jsonl").read_bytes().splitlines(keepends=True)[:24]
    (folder / "answers.jsonl").write_bytes(b"".join(lines))
    return saetext.encode(folder / "answers.jsonl", folder / "answers.corpus").path


@pytest.fixture
def answers(encoded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(encoded, tmp_path / "answers.corpus"))


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize(
    ("command", "first", "last"),
    [
        (
            ["search", "CORPUS", "apologising", "--save-query", "FIRST", "--parquet", "LAST"],
            "q.json",
            "a.parquet",
        ),
        (["correlate", "CORPUS", "--parquet", "FIRST", "--html", "LAST"], "a.parquet", "a.html"),
        (["cluster", "CORPUS", "-o", "FIRST", "--html", "LAST"], "a.clusters", "a.html"),
    ],
    ids=["search", "correlate", "cluster"],
)
@pytest.mark.timeout(180)
def test_the_same_command_works_after_a_disk_that_was_full(
    answers: Path, monkeypatch: pytest.MonkeyPatch, command: list[str], first: str, last: str
) -> None:
    home = answers.parent
    names = {"CORPUS": answers, "FIRST": home / first, "LAST": home / last}
    line = [str(names.get(word, word)) for word in command]
    whole = files.put_in_place

    def fails_at_the_last(beside: Path, path: Path) -> None:
        if path.name == last:
            raise FULL
        whole(beside, path)

    with monkeypatch.context() as patch:
        patch.setattr(files, "put_in_place", fails_at_the_last)
        failed = CliRunner().invoke(app, line)
    assert isinstance(failed.exception, SaetextError), failed.output
    assert f"cannot write {home / last}: No space left on device; free space" in str(failed.exception)
    assert [path.name for path in home.iterdir()] == [answers.name]
    again = CliRunner().invoke(app, line)
    assert again.exit_code == 0, (again.output, again.exception)
    assert {path.name for path in home.iterdir()} == {answers.name, first, last}


def test_labels_that_cannot_be_written_are_not_made(answers: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def access(path: Any, mode: int) -> bool:
        return not (Path(path) == answers and mode & os.W_OK)

    monkeypatch.setattr(os, "access", access)
    monkeypatch.setattr(
        "saetext.features.labelling.pipeline.label", lambda *_, **__: pytest.fail("it worked")
    )
    done = CliRunner().invoke(app, ["label", str(answers), "--method", "words"])
    assert isinstance(done.exception, InputError)
    assert f"no permission in {answers}; choose another place" in str(done.exception)


def test_nothing_is_written_among_the_shards_of_a_corpus(tmp_path: Path) -> None:
    corpus, _ = make_corpus(tmp_path / "c")
    for folder in ("docs", "cards", "features/main"):
        with pytest.raises(SaetextError, match="among the shards of the corpus"):
            require_new(corpus.path / folder / "map.html")
    require_new(corpus.path / "mine.html")
    require_writable(corpus.path / "mine.html")
