"""Every command that a message advises is run as it is printed, in a directory whose name has a space."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from hostile import saetext
from tiny_reader import some_rows, write_jsonl

_QUOTED = re.compile(r"(?:'|with: |Try: |^\$ )(saetext [a-z].*?)(?:' |'$|$)", re.MULTILINE)


def words_of(command: str) -> list[str]:
    """Return the words that a shell makes of a command."""
    done = subprocess.run(
        ["sh", "-c", f"printf '%s\\0' {command}"], capture_output=True, text=True, check=True
    )
    return done.stdout.split("\0")[:-1]


def advised(text: str, **placeholders: object) -> list[list[str]]:
    """Return the arguments of the commands in what was printed, FILE and the like replaced."""
    found = []
    for command in _QUOTED.findall(text):
        words = words_of(command)[1:]
        found.append([str(placeholders.get(word, word)) for word in words])
    return found


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "my $HOME texts"
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "1000")
    write_jsonl(folder / "a.jsonl", some_rows(40))
    write_jsonl(folder / "b.jsonl", some_rows(40, seed=1))
    for name in "ab":
        done = saetext("encode", folder / f"{name}.jsonl", "-o", folder / f"{name}.corpus")
        assert done.code == 0, done
    return folder


def run(command: list[str]) -> None:
    done = saetext(*command)
    assert done.code == 0, (command, done)


def test_advice_is_run_as_it_is_printed(home: Path) -> None:
    # a detector made of examples
    made = saetext(
        "detector", "make", "x", "--like", home / "a.corpus", "--unlike", home / "b.corpus",
        "-o", home / "x.json",
    )  # fmt: skip
    if made.code == 0:  # so few texts may differ in nothing
        [command] = advised(made.err, FILE=home / "a.corpus")
        run(command)
    # a query that was saved
    asked = ["search", home / "a.corpus", "--features", "12:1.5,88"]
    saved = saetext(*asked, "--save-query", home / "q.json")
    option, path = words_of(saved.err.splitlines()[-1].partition("search by it with ")[2])
    run(["search", str(home / "a.corpus"), option, path])
    # a part of the index that is not there
    missing = saetext("search", home / "a.corpus", "fox", "--mode", "bm25")
    assert missing.code == 1
    [command] = advised(missing.err)
    assert command == ["index", str(home / "a.corpus")]
    # a file that has changed since
    run(["search", str(home / "b.jsonl"), "--features", "12:1"])
    write_jsonl(home / "b.jsonl", some_rows(41, seed=1))
    changed = saetext("search", home / "b.jsonl", "--features", "12:1")
    assert changed.code == 1
    [command] = advised(changed.err, **{"NAME.corpus": home / "new.corpus"})
    run(command)
    assert (home / "new.corpus" / "manifest.json").is_file()


def test_a_path_is_quoted_so_that_a_shell_reads_it_back() -> None:
    from saetext.text.terminal import typed

    for path in ("a.corpus", "a b", "it's", 'a"b', "$HOME", "`x`", "a\\b", "[1]*", "-x", "é", "a;b", "~x"):
        assert words_of(typed(path)) == [path]
