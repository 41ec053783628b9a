"""``saetext mcp``: a real client talks to the command over stdio; what is asked amiss is a tool's error."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from saetext_cli.mcp import _line, _opened
from tiny_reader import some_rows, tiny, write_jsonl

import saetext
from saetext.errors import InputError

mcp = pytest.importorskip("mcp")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two corpora in a directory, one beside it, and a link that leads out."""
    home = tmp_path_factory.mktemp("served")
    inside = home / "corpora"
    inside.mkdir()
    for place, seed in ((inside / "a", 0), (inside / "b", 1), (home / "secret", 2)):
        rows = write_jsonl(place.with_suffix(".jsonl"), some_rows(30, seed=seed))
        saetext.encode(rows, place.with_suffix(".corpus"), reader=tiny().reader())
    (inside / "way-out.corpus").symlink_to(home / "secret.corpus")
    return inside


CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "list": ("corpora", {}),
    "search": ("search", {"corpus": "a.corpus", "query": "fox", "top": 3}),
    "diff": ("diff", {"a": "a.corpus", "b": "b.corpus"}),
    "show": ("show", {"corpus": "a.corpus", "id": "d3"}),
    "dots": ("show", {"corpus": "../secret.corpus", "id": "d3"}),
    "link": ("show", {"corpus": "way-out.corpus", "id": "d3"}),
    "absolute": ("show", {"corpus": "/etc", "id": "d3"}),
    "itself": ("show", {"corpus": ".", "id": "d3"}),
    "missing": ("show", {"corpus": "c.corpus", "id": "d3"}),
    "no id": ("show", {"corpus": "a.corpus", "id": "nobody"}),
    "top": ("search", {"corpus": "a.corpus", "query": "fox", "top": 1000}),
    "type": ("search", {"corpus": "a.corpus", "query": "fox", "top": "many"}),
    "argument": ("diff", {"a": "a.corpus"}),
    "where": ("search", {"corpus": "a.corpus", "query": "fox", "where": "nothing = 3"}),
    "long": ("search", {"corpus": "a.corpus", "query": "x" * 3000}),
    "tool": ("encode", {"file": "a.jsonl"}),
}


@pytest.fixture(scope="module")
def answers(root: Path) -> dict[str, tuple[bool, str]]:
    """What the server, a process of its own, answers to each call: whether it is an error, and its text."""
    command = mcp.StdioServerParameters(
        command=sys.executable,
        args=["-m", "saetext_cli.main", "mcp", str(root)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )

    async def ask() -> dict[str, tuple[bool, str]]:
        found = {}
        async with mcp.Client(command) as client:
            tools = {tool.name: tool for tool in (await client.list_tools()).tools}
            assert set(tools) == {"corpora", "search", "diff", "show"}
            assert tools["search"].input_schema["required"] == ["corpus", "query"]
            for name, (tool, given) in CALLS.items():
                try:
                    answer = await client.call_tool(tool, given)
                except mcp.MCPError as error:
                    found[name] = (True, str(error))
                else:
                    found[name] = (bool(answer.is_error), "".join(part.text for part in answer.content))
        return found

    return asyncio.run(asyncio.wait_for(ask(), 200))


def test_tools_say_what_the_commands_say(root: Path, answers: dict[str, tuple[bool, str]]) -> None:
    assert not any(answers[name][0] for name in ("list", "search", "diff", "show")), answers
    listed = answers["list"][1].splitlines()
    assert [line.split(":")[0] for line in listed] == ["a.corpus", "b.corpus"]
    assert "30 documents" in listed[0]
    opened = saetext.Corpus.open(root / "a.corpus")
    hits = re.findall(r"\bd\d+\b", answers["search"][1])
    assert len(set(hits)) == 3 and set(hits) <= set(opened.ids.to_pylist())
    assert answers["diff"][1].startswith("A a.corpus (30 documents) against B b.corpus (30 documents)")
    text = opened.document(3)["text"].split()
    assert all(word in answers["show"][1] for word in text) and "d3" in answers["show"][1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("dots", "../secret.corpus is outside of the directory that is served"),
        ("link", "way-out.corpus is outside of the directory that is served"),
        ("absolute", "/etc is outside of the directory that is served"),
        ("itself", ". is outside of the directory that is served"),
        ("missing", "there is no corpus c.corpus: the tool corpora lists those there are"),
        ("no id", "nobody"),
        ("top", "top is 1000; it goes from 1 to 100"),
        ("type", "top"),
        ("argument", "b"),
        ("where", "nothing"),
        ("long", "the query has 3,000 characters"),
        ("tool", "encode"),
    ],
)
def test_what_is_asked_amiss_is_an_error_of_the_tool(
    call: str, message: str, answers: dict[str, tuple[bool, str]]
) -> None:
    failed, text = answers[call]
    assert failed and message in text and "Traceback" not in text


def test_it_ends_with_its_input_and_prints_nothing_else(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "saetext_cli.main", "mcp", str(root)],
        input=b"not json\n",
        capture_output=True,
        timeout=100,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )
    assert done.returncode == 0
    assert done.stdout == b"" or done.stdout.startswith(b'{"jsonrpc"')
    assert b"Traceback" not in done.stderr


def test_without_the_package_or_the_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from saetext_cli.mcp import mcp as command

    with pytest.raises(InputError, match="there is no directory"):
        command(tmp_path / "none")
    monkeypatch.setattr("saetext.io.extras.installed", lambda name: False)
    with pytest.raises(InputError, match=r"needs mcp, which is not installed: pip install 'saetext\[mcp\]'"):
        command(tmp_path)


def test_one_damaged_corpus_does_not_hide_the_others(root: Path, tmp_path: Path) -> None:
    home = tmp_path.resolve()
    for name in ("whole", "cut", "linked"):
        shutil.copytree(root / "a.corpus", home / name)
    for file in (home / "cut").rglob("*.arrow"):
        file.write_bytes(file.read_bytes()[:20])
    outside = next((home / "linked").rglob("*.arrow"))
    outside.unlink()
    outside.symlink_to(next((root / "b.corpus").rglob("*.arrow")))
    (home / "clusters").mkdir()
    (home / "clusters" / "manifest.json").write_text("{}")
    lines = [_line(home, path) for path in sorted(home.rglob("manifest.json"))]
    assert [line and line.split(": ")[0] for line in lines] == [None, "cut", "linked", "whole"]
    assert [" damaged: " in str(line) for line in lines] == [False, True, True, False]
    with pytest.raises(InputError, match="outside of the directory that is served"):
        _opened(home, "linked")
    assert len(_opened(home, "whole")) == 30
