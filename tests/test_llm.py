"""The client against a real server: what fails is counted and never becomes an answer; what came is kept."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from chat_server import chat_server, completion
from hypothesis import given
from hypothesis import strategies as st

from saetext.errors import EndpointError
from saetext.io.completion import answer_of
from saetext.io.llm import ChatClient, Prompt


@pytest.fixture(autouse=True)
def quick_and_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setattr("saetext.io.web.FIRST_PAUSE", 0.001)


def prompts(n: int) -> list[Prompt]:
    return [Prompt(f"question {i}", "be brief") for i in range(n)]


def test_answers_come_in_order_and_equal_prompts_are_asked_once() -> None:
    with chat_server(lambda user, n: user.upper()) as server:
        client = ChatClient(server.url, "tiny", concurrency=4, price=(1.0, 2.0))
        seen: list[tuple[int, int]] = []
        asked = prompts(20) + prompts(3)
        found = client.ask(asked, lambda p: seen.append((p.done, p.total)))
        assert [a.text for a in found] == [p.user.upper() for p in asked]
        assert len(server.requests) == 20 and seen[-1] == (20, 20)
        assert server.requests[0]["messages"][0] == {"role": "system", "content": "be brief"}
        assert client.ledger.asked == 20 and client.ledger.tokens_in == 200
        assert client.ledger.cost == pytest.approx((200 * 1 + 100 * 2) / 1e6)


def test_a_second_run_asks_nothing() -> None:
    with chat_server(lambda user, n: "yes") as server:
        ChatClient(server.url, "tiny").ask(prompts(5))
        again = ChatClient(server.url, "tiny")
        assert again.estimate(prompts(6)).requests == 1
        assert all(a.cached and a.text == "yes" for a in again.ask(prompts(5)))
        assert len(server.requests) == 5 and again.ledger.cached == 5 and again.ledger.tokens_in == 0
        # another model, temperature or system message is another question
        assert not ChatClient(server.url, "other").ask(prompts(1))[0].cached
        assert not ChatClient(server.url, "tiny", temperature=1).ask(prompts(1))[0].cached
        assert not again.ask([Prompt("question 0")])[0].cached


FAILURES = {
    "rate limited": ("status", (429, {})),
    "status 500": ("status", (500, {})),
    "status 400": ("status", (400, {})),
    "empty answer": ("json", completion("  ")),
    "cut off at max_tokens": ("json", completion("half an ans", "length")),
    "filtered": ("json", completion("half an ans", "content_filter")),
    "broken off": ("json", completion("half an ans", "error")),
    "status 403": ("status", (403, {})),
    "status 404": ("status", (404, {})),
    "not a chat completion": ("json", {"hello": "world"}),
    "timed out": ("slow", 4.0),
    "connection lost": ("drop", None),
}


@pytest.mark.parametrize("reason", FAILURES)
def test_a_failure_is_counted_and_is_no_answer(reason: str) -> None:
    def behave(user: str, n: int):
        return FAILURES[reason] if user == "question 3" else "fine"

    with chat_server(behave) as server:
        # on a busy machine a good answer may take its time too
        client = ChatClient(server.url, "tiny", max_retries=1, timeout=1.5 if reason == "timed out" else 30)
        found = client.ask(prompts(6))
        assert found[3].text is None and found[3].error == reason
        assert [a.text for i, a in enumerate(found) if i != 3] == ["fine"] * 5
        assert client.ledger.failures == {reason: 1} and reason in client.ledger.describe()
        # a failure is not remembered: next time it is asked again
        before = len(server.requests)
        server.behave = lambda user, n: "now fine"
        assert ChatClient(server.url, "tiny").ask(prompts(6))[3].text == "now fine"
        assert len(server.requests) == before + 1


@pytest.mark.parametrize(
    "garbage",
    [
        b"<html>busy</html>",
        b"",
        b"[1, 2]",
        b'"text"',
        b'{"choices": []}',
        b'{"choices": {"first": 1}}',
        b'{"choices": [{"message": "text", "finish_reason": "stop"}]}',
        b'{"error": {"message": "no", "code": 500}}',
        b"\xff\xfe\x00",
        b"[" * 100_000,
    ],
    ids=lambda body: repr(body[:24]),
)
def test_garbage_is_no_answer(garbage: bytes) -> None:
    def behave(user: str, n: int):
        return ("bytes", garbage) if user == "question 1" else "fine"

    with chat_server(behave) as server:
        found = ChatClient(server.url, "tiny", max_retries=0).ask(prompts(3))
    assert found[1].text is None and found[1].error
    assert found[0].text == found[2].text == "fine"


def test_a_truncated_body_is_no_answer() -> None:
    def behave(user: str, n: int):
        return ("cut", None) if user == "question 1" else "fine"

    with chat_server(behave) as server:
        found = ChatClient(server.url, "tiny", max_retries=0, timeout=20).ask(prompts(3))
    assert found[1].text is None and found[1].error
    assert found[2].text == "fine"


def test_retries_succeed_and_retry_after_is_honoured() -> None:
    def behave(user: str, n: int):
        return ("status", (429, {"Retry-After": "0.2"})) if n == 1 else ("drop", None) if n == 2 else "fine"

    with chat_server(behave) as server:
        client = ChatClient(server.url, "tiny")
        assert client.ask(prompts(1))[0].text == "fine"
        assert len(server.requests) == 3 and not client.ledger.failures
        assert client.ledger.seconds >= 0.2


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(text=ANYTHING, reason=ANYTHING | st.just("stop"), tokens=ANYTHING, wrap=st.integers(0, 3))
def test_whatever_a_completion_holds_only_its_own_text_is_an_answer(text, reason, tokens, wrap) -> None:
    choice = {"message": {"content": text}, "finish_reason": reason}
    choices: Any = [[choice], [], choice, {"a": choice}][wrap]
    found = answer_of({"choices": choices, "usage": {"prompt_tokens": tokens, "completion_tokens": 3}}, 400)
    assert (found.text is None) != (found.error is None)
    usable = wrap == 0 and isinstance(text, str) and text.strip()
    assert found.text == (text if usable else None)
    assert found.tokens_in >= 0 and found.tokens_out == 3


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": None}, {"prompt_tokens": "many"}, "none", -3])
def test_an_answer_without_a_count_of_tokens_is_still_one(usage: object) -> None:
    with chat_server(lambda user, n: ("json", completion("fine") | {"usage": usage})) as server:
        client = ChatClient(server.url, "tiny", price=(1.0, 1.0))
        assert [a.text for a in client.ask(prompts(3))] == ["fine"] * 3
        assert client.ledger.tokens_in == 0 and client.ledger.cost == 0


@pytest.mark.parametrize(
    ("code", "message", "requests"),
    [(401, "refuses the key", 1), (404, "has no model 'tiny'", 1), (403, "refuses the key", 2)],
)
def test_a_useless_endpoint_is_said_at_once(code: int, message: str, requests: int) -> None:
    with chat_server(lambda user, n: ("status", (code, {}))) as server:
        with pytest.raises(EndpointError, match=message) as caught:
            ChatClient(server.url, "tiny").ask(prompts(50))
        assert len(server.requests) == requests
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("misbehave", [("drop", None), ("slow", 4.0), ("status", (403, {}))])
def test_a_first_prompt_that_no_server_takes_does_not_block_the_others(misbehave: tuple[str, Any]) -> None:
    def behave(user: str, n: int):
        return misbehave if user == "question 0" else "fine"

    with chat_server(behave) as server:
        limit = 1.5 if misbehave[0] == "slow" else 30  # the good answers may take their time
        found = ChatClient(server.url, "tiny", max_retries=0, timeout=limit).ask(prompts(4))
    assert found[0].text is None and [a.text for a in found[1:]] == ["fine"] * 3


@pytest.mark.parametrize(
    ("misbehave", "reason"),
    [
        (("status", (500, {})), "status 500"),
        (("status", (402, {})), "status 402"),
        (("status", (400, {})), "status 400"),
        # more than any client waits: not tried again
        (("status", (429, {"Retry-After": "3600"})), "rate limited"),
        (("slow", 0.3), "timed out"),
        (("json", completion("half", "length")), "cut off at max_tokens"),
    ],
)
def test_an_endpoint_that_only_fails_is_not_asked_everything(misbehave, reason: str) -> None:
    with chat_server(lambda user, n: misbehave) as server:
        limit = 0.1 if reason == "timed out" else 30
        client = ChatClient(server.url, "tiny", concurrency=4, max_retries=0, timeout=limit)
        with pytest.raises(EndpointError, match=reason) as caught:
            client.ask(prompts(200))
        assert len(server.requests) < 30 and "\n" not in str(caught.value)


def test_many_bad_prompts_do_not_stop_a_run_that_gets_answers() -> None:
    def behave(user: str, n: int):
        return ("status", (400, {})) if 2 <= int(user.split()[1]) < 60 else "fine"

    with chat_server(behave) as server:
        client = ChatClient(server.url, "tiny", concurrency=2, max_retries=0)
        found = client.ask(prompts(70))
        assert client.ledger.failures == {"status 400": 58}
        assert sum(a.text == "fine" for a in found) == 12
        # nor the next one, which has those answers from the cache and asks for bad ones only
        again = ChatClient(server.url, "tiny", concurrency=2, max_retries=0).ask(prompts(60))
        assert [a.text for a in again[:2]] == ["fine", "fine"] and all(a.error for a in again[2:])


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    started = time.perf_counter()
    monkeypatch.setattr("saetext.io.web.FIRST_PAUSE", 60.0)  # nor is it waited for
    with pytest.raises(EndpointError, match=r"refused.*is the server running"):
        ChatClient(f"http://127.0.0.1:{port}/v1", "tiny").ask(prompts(3))
    assert time.perf_counter() - started < 30
    for address in ("not a url", "localhost:8000/v1", "", "http://", "file:///etc"):
        with pytest.raises(EndpointError, match="http://"):
            ChatClient(address, "tiny")


def test_a_key_that_cannot_be_sent_is_said_without_showing_it() -> None:
    with pytest.raises(EndpointError, match="the API key holds") as caught:
        ChatClient("http://127.0.0.1:1/v1", "tiny", api_key="sk-sécret")
    assert "cret" not in str(caught.value)
    with chat_server(lambda user, n: "fine") as server:  # a line break at the end, as files have it
        assert ChatClient(server.url, "tiny", api_key="sk-1\n").ask(prompts(1))[0].text == "fine"


def test_what_a_server_says_is_safe_to_print() -> None:
    with chat_server(lambda user, n: ("status", (404, {"X": "y"}))) as server:
        server.send = lambda handler, code, body, headers=(): type(server).send(  # type: ignore[method-assign]
            server, handler, code, {"error": {"message": "no\nsuch \x1b[31mmodel"}}, headers
        )
        with pytest.raises(EndpointError) as caught:
            ChatClient(server.url, "tiny").ask(prompts(1))
    assert str(caught.value).isprintable() and "such" in str(caught.value)


RUN = """
import sys
from saetext.io.llm import ChatClient, Prompt
found = ChatClient(sys.argv[1], "tiny", concurrency=3).ask([Prompt(f"question {i}") for i in range(30)])
print(sum(a.text == "fine" for a in found), sum(a.cached for a in found))
"""


@pytest.mark.parametrize("signal", ["SIGKILL", "SIGINT"])
def test_a_run_that_is_killed_goes_on_where_it_was(signal: str, tmp_path: Path) -> None:
    import signal as signals

    def behave(user: str, n: int):
        return "fine" if n <= 12 else ("slow", 90)  # three requests hang when the signal comes

    def start() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", RUN, server.url],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=os.environ | {"SAETEXT_CACHE": str(tmp_path / "c")},
        )

    with chat_server(behave) as server:
        first = start()
        deadline = time.monotonic() + 100
        while len(server.requests) < 15 and time.monotonic() < deadline:
            time.sleep(0.01)
        first.send_signal(getattr(signals, signal))
        assert first.wait(timeout=60) != 0  # nor does it linger until its requests come back
        answered = {body["messages"][-1]["content"] for body in server.requests[:12]}
        server.behave = lambda user, n: "fine"
        second = start()
        assert second.communicate(timeout=100)[0].split() == ["30", "12"]
        again = [body["messages"][-1]["content"] for body in server.requests[15:]]
        assert len(again) == 18 and not answered & set(again)


def test_two_processes_share_the_cache_without_harm(tmp_path: Path) -> None:
    with chat_server(lambda user, n: "fine") as server:
        command = [sys.executable, "-c", RUN, server.url]
        environment = os.environ | {"SAETEXT_CACHE": str(tmp_path / "c")}
        both = [
            subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(2)
        ]
        assert [p.communicate(timeout=100)[0].split()[0] for p in both] == ["30", "30"]
    kept = [p for p in (tmp_path / "c" / "llm").rglob("*") if p.is_file()]
    assert len(kept) == 30 and all(json.loads(p.read_text())["text"] == "fine" for p in kept)


def test_a_forgotten_answer_is_asked_again() -> None:
    with chat_server(lambda user, n: f"answer {n}") as server:
        client = ChatClient(server.url, "tiny")
        assert client.ask(prompts(2))[1].text == "answer 2"
        client.forget(prompts(2)[1])
        client.forget(Prompt("never asked"))
        assert [a.text for a in client.ask(prompts(2))] == ["answer 1", "answer 3"]
        # the address with a slash at its end is the same one
        assert ChatClient(server.url + "/", "tiny").ask(prompts(1))[0].cached


def test_a_server_that_dies_stops_the_run_and_what_came_is_kept() -> None:
    def behave(user: str, n: int):
        return "fine" if n <= 5 else ("drop", None)

    with chat_server(behave) as server:
        client = ChatClient(server.url, "tiny", concurrency=2, max_retries=0)
        with pytest.raises(EndpointError, match="stopped answering"):
            client.ask(prompts(100))
        assert len(server.requests) < 40
        server.behave = lambda user, n: "fine"
        again = ChatClient(server.url, "tiny")
        assert all(a.text == "fine" for a in again.ask(prompts(100)))
        assert 5 <= again.ledger.cached <= 9  # some were on their way when it changed its mind


def test_a_damaged_or_unwritable_cache_is_passed_over(tmp_path: Path, monkeypatch) -> None:
    with chat_server(lambda user, n: "fine") as server:
        ChatClient(server.url, "tiny").ask(prompts(2))
        for file in (tmp_path / "cache").rglob("*.json"):
            file.write_text(file.read_text()[:-3])
        assert ChatClient(server.url, "tiny").ask(prompts(2))[1].text == "fine"
        assert len(server.requests) == 4
        for file in (tmp_path / "cache").rglob("*.json"):
            assert json.loads(file.read_text())["text"] == "fine"
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "file" / "below"))
        assert ChatClient(server.url, "tiny").ask(prompts(2))[1].text == "fine"
