"""Kept answers: a changed byte is seen, an answer is nobody else's, and what decides it is in its name."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from chat_server import chat_server

from saetext.io import answer_cache
from saetext.io.files import TEMPORARY
from saetext.io.llm import ChatClient, Prompt

TEXT = 'an "answer"\nwith lines, ümlauts and \ud800'


@pytest.fixture(autouse=True)
def apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def entries(tmp_path: Path) -> list[Path]:
    return sorted(path for path in (tmp_path / "cache" / "llm").rglob("*") if path.is_file())


@pytest.fixture
def entry(tmp_path: Path) -> tuple[str, Path]:
    key = answer_cache.fingerprint(user="a", n=1)
    answer_cache.keep(key, TEXT, model="tiny", tokens=[10, 5])
    [path] = entries(tmp_path)
    assert answer_cache.find(key) == TEXT
    return key, path


def test_every_changed_byte_is_seen(entry: tuple[str, Path]) -> None:
    key, path = entry
    whole = path.read_bytes()
    wrong = 0
    for at in range(len(whole)):
        for changed in (whole[at] ^ 1, whole[at] ^ 0x20, 0):
            path.write_bytes(whole[:at] + bytes([changed]) + whole[at + 1 :])
            wrong += answer_cache.find(key) not in (None, TEXT)  # blanks between values may be others
    assert wrong == 0 and len(whole) > 200
    path.write_bytes(whole)
    assert answer_cache.find(key) == TEXT


def test_every_truncation_is_seen(entry: tuple[str, Path]) -> None:
    key, path = entry
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert answer_cache.find(key) is None
    for more in (b"x", b"}", whole):
        path.write_bytes(whole + more)
        assert answer_cache.find(key) is None


@pytest.mark.parametrize(
    "content",
    [
        b"", b"null", b"[]", b"7", b"{}", b'{"text": "x"}', b"[" * 100_000, b"\xff\xfe", b" " * (9 << 20),
        b'{"model": "tiny", "text": "as of version 1", "in": 1, "out": 2}', b'{"text": NaN}',
    ],
    ids=lambda c: ascii(c[:20]),
)  # fmt: skip
def test_what_is_no_entry_is_none(entry: tuple[str, Path], content: bytes) -> None:
    key, path = entry
    path.write_bytes(content)
    assert answer_cache.find(key) is None


def test_another_s_answer_is_not_taken(entry: tuple[str, Path]) -> None:
    _, path = entry
    other = answer_cache.fingerprint(user="b", n=1)
    target = path.parents[1] / other[:2] / path.name.replace(path.stem, other)
    target.parent.mkdir(exist_ok=True)
    shutil.copy(path, target)
    assert answer_cache.find(other) is None


def test_places_that_are_no_files(entry: tuple[str, Path]) -> None:
    key, path = entry
    path.unlink()
    path.mkdir()
    assert answer_cache.find(key) is None
    answer_cache.keep(key, "x")
    answer_cache.forget(key)
    assert answer_cache.find(key) is None


@pytest.mark.parametrize("kind", ["fifo", "device", "loop"])
def test_what_would_block_or_never_end_is_passed_over(entry: tuple[str, Path], kind: str) -> None:
    key, path = entry
    path.unlink()
    if kind == "fifo":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero" if kind == "device" else path)
    assert answer_cache.find(key) is None


CHANGES: list[dict[str, object]] = [
    {"model": "other"}, {"temperature": 0.5}, {"max_tokens": 399}, {"user": "q2"}, {"system": "s"},
    {"base_url": "/v2"},
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_what_decides_an_answer_is_in_its_name(change: dict[str, object]) -> None:
    with chat_server(lambda user, n: f"answer {n}") as server:

        def ask(
            base: str = "", model: str = "tiny", user: str = "q", system: str = "", **more: float
        ) -> str | None:
            url = server.url.removesuffix("/v1") + (base or "/v1")
            return ChatClient(url, model, **more).ask([Prompt(user, system)])[0].text  # type: ignore[arg-type]

        assert ask() == ask() == "answer 1"
        changed = {("base" if name == "base_url" else name): value for name, value in change.items()}
        assert ask(**changed) == "answer 2"  # type: ignore[arg-type]
        assert ask() == "answer 1"


def test_other_servers_have_other_answers() -> None:
    with chat_server(lambda user, n: "one") as one, chat_server(lambda user, n: "two") as two:
        for server, expected in ((one, "one"), (two, "two"), (one, "one")):
            assert ChatClient(server.url, "tiny").ask([Prompt("q")])[0].text == expected
        assert len(one.requests) == len(two.requests) == 1


def test_a_damaged_entry_is_asked_again_and_mended(tmp_path: Path) -> None:
    with chat_server(lambda user, n: "yes" if n == 1 else "no") as server:
        assert ChatClient(server.url, "tiny").ask([Prompt("q")])[0].text == "yes"
        [path] = entries(tmp_path)
        path.write_text(path.read_text().replace('"yes"', '"yet"'))  # as good JSON as before
        for _ in range(2):
            assert ChatClient(server.url, "tiny").ask([Prompt("q")])[0].text == "no"
        assert len(server.requests) == 2 and json.loads(path.read_text())["text"] == "no"


def test_no_temporary_files_are_left(tmp_path: Path) -> None:
    with chat_server(lambda user, n: "yes") as server:
        ChatClient(server.url, "tiny").ask([Prompt(f"q{i}") for i in range(20)])
    assert len(entries(tmp_path)) == 20 and not [p for p in entries(tmp_path) if TEMPORARY in p.name]
