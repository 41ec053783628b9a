"""A hostile endpoint, by behaviours: one line or an answer, soon, in little memory, and nothing bad kept."""

from __future__ import annotations

import json
import resource
import time
from pathlib import Path

import pytest
from hostile_scripts import FINE, KEY, SCRIPTS, SLOW
from hostile_server import HostileServer, hostile_server, http

from saetext.errors import EndpointError
from saetext.io.llm import ChatClient, Prompt

TEXT = "the users' own text"
LONGEST = 300  # characters of an error


@pytest.fixture(autouse=True)
def quick_and_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("saetext.io.web.FIRST_PAUSE", 0.001)


PATIENT = {"timeout": 20, "deadline": 30}


def a_client(server: HostileServer, expected: str = "fine", **more: object) -> ChatClient:
    # what stalls is given up soon; whatever else may take its time on a busy machine
    limits = {"timeout": 0.12, "deadline": 0.2} if expected == SLOW else PATIENT
    settings = {"api_key": KEY, "max_retries": 1, **limits, **more}
    return ChatClient(server.url, "tiny", **settings)  # type: ignore[arg-type]


def outcome(client: ChatClient, prompt: str = TEXT) -> tuple[str, str]:
    """Return the reason (or "fine"), and the line that the user is told."""
    try:
        [answer] = client.ask([Prompt(prompt)])
        if answer.text is not None:
            return answer.text, ""
        client.require_answers()
    except EndpointError as error:
        reasons = [*client.ledger.failures]
        assert len(reasons) == 1
        return reasons[0], str(error)
    raise AssertionError("neither an answer nor an error")


def kept(tmp_path: Path) -> list[Path]:
    return [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def another() -> object:
    """Another origin, that would answer whatever it is asked."""
    with hostile_server(lambda asked: [FINE], models=lambda asked: [FINE]) as server:
        yield server


@pytest.mark.parametrize("name", SCRIPTS)
def test_whatever_it_does(name: str, another: HostileServer, tmp_path: Path) -> None:
    script, expected = SCRIPTS[name]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started = time.perf_counter()
    with hostile_server(script, elsewhere=another.origin) as server:
        found, line = outcome(a_client(server, expected))
        took = time.perf_counter() - started
    assert found == expected
    assert took < 25  # one that stalls does for thirty
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024  # KiB
    assert another.asked == []  # neither the text nor the key went to another origin
    assert len(server.posts()) <= 8
    assert len(kept(tmp_path)) == (expected == "fine")
    if expected != "fine":
        assert line.isprintable() and 0 < len(line) <= LONGEST
        assert KEY not in line
    for path in kept(tmp_path):
        assert KEY not in path.read_text() and json.loads(path.read_text())["text"] == "fine"


def test_there_are_many_behaviours() -> None:
    assert len(SCRIPTS) >= 150
    assert sum(expected == "fine" for _, expected in SCRIPTS.values()) >= 15


@pytest.mark.parametrize("name", [n for n, (_, expected) in SCRIPTS.items() if expected != "fine"][::9])
def test_a_failure_is_asked_again_by_the_next_run(name: str, another: HostileServer, tmp_path: Path) -> None:
    script, expected = SCRIPTS[name]
    with hostile_server(script, elsewhere=another.origin) as server:
        assert outcome(a_client(server, expected))[0] == expected
        server.script = lambda asked: [FINE]
        assert outcome(a_client(server))[0] == "fine"
    assert len(kept(tmp_path)) == 1


PASSING = [
    "closes at once", "resets in its body", "speaks SSH", "a chunk of no size", "headers without end",
    "never a byte", "a body a byte at a time", "status 511", "wait '-5'", "gzip bomb of an error",
]  # fmt: skip


@pytest.mark.parametrize("name", PASSING)
def test_what_may_pass_is_tried_once_more(name: str, tmp_path: Path) -> None:
    script, expected = SCRIPTS[name]
    with hostile_server(lambda asked: script(asked) if asked.number == 1 else [FINE]) as server:
        # the answer to the second try may take longer than what is given up after the first
        limits = {"timeout": 0.6, "deadline": 1.2} if expected == SLOW else PATIENT
        assert outcome(a_client(server, **limits))[0] == "fine"
        assert len(server.posts()) == 2
    assert len(kept(tmp_path)) == 1


@pytest.mark.parametrize("name", ["302 other port", "gzip bomb", "coded as br", "HTML", "status 400"])
def test_what_stays_is_not_tried_again(name: str, another: HostileServer) -> None:
    script, expected = SCRIPTS[name]
    with hostile_server(script, elsewhere=another.origin) as server:
        assert outcome(a_client(server, expected))[0] == expected
        assert len(server.posts()) == 1


HARMLESS_FIRST = [
    "3 GiB", "never a byte", "a body a byte at a time", "a flood of 100 Continue", "headers without end",
    "gzip bomb", "307 other name of the host", "302 other port", "resets in its body", "speaks SSH", "HTML",
]  # fmt: skip


@pytest.mark.parametrize("name", HARMLESS_FIRST)
def test_the_first_question_whether_anybody_listens_is_bounded_too(
    name: str, another: HostileServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("saetext.io.llm._REACH_SECONDS", 0.2)
    script, _ = SCRIPTS[name]
    started = time.perf_counter()
    with hostile_server(lambda asked: [FINE], models=script, elsewhere=another.origin) as server:
        assert outcome(a_client(server))[0] == "fine"
        assert [one.path for one in server.asked if one.method == "GET"] == ["/v1/models"]
    assert time.perf_counter() - started < 20 and another.asked == []


def test_an_answer_left_on_a_connection_is_not_the_next_question_s(tmp_path: Path) -> None:
    script, _ = SCRIPTS["two answers at once"]
    with hostile_server(lambda asked: script(asked) if asked.number == 1 else [FINE]) as server:
        client = a_client(server, concurrency=1)
        assert [a.text for a in client.ask([Prompt(f"question {i}") for i in range(4)])] == ["fine"] * 4


def test_waits_that_are_asked_for_have_an_end_together(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("saetext.io.web.time.sleep", slept.append)
    with hostile_server(lambda asked: [http(429, b"", "Retry-After: 119")]) as server:
        client = ChatClient(server.url, "tiny", max_retries=1000)
        assert client.ask([Prompt(TEXT)])[0].error == "rate limited"
    assert 119 <= sum(slept) <= 300


def test_a_run_of_many_prompts_against_a_server_that_stalls_ends_soon() -> None:
    with hostile_server(SCRIPTS["a body a byte at a time"][0]) as server:
        client = a_client(server, SLOW, max_retries=0)
        started = time.perf_counter()
        with pytest.raises(EndpointError, match="timed out"):
            client.ask([Prompt(f"question {i}") for i in range(500)])
        assert time.perf_counter() - started < 40  # all of them would take a hundred seconds
