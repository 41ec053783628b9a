"""The client against a real server: what fails is counted and never becomes an answer; what came is kept."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import openai._base_client
import pytest
from chat_server import chat_server, completion

from saetext.errors import EndpointError
from saetext.llm import ChatClient, Prompt


@pytest.fixture(autouse=True)
def quick_and_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setattr(openai._base_client, "INITIAL_RETRY_DELAY", 0.001)


def prompts(n: int) -> list[Prompt]:
    return [Prompt(f"question {i}", "be brief") for i in range(n)]


def test_answers_come_in_order_and_equal_prompts_are_asked_once() -> None:
    with chat_server(lambda user, n: user.upper()) as server:
        client = ChatClient(server.url, "tiny", concurrency=4, price=(1.0, 2.0))
        seen: list[tuple[int, int]] = []
        asked = prompts(20) + prompts(3)
        found = client.ask(asked, lambda done, total: seen.append((done, total)))
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
    "not a chat completion": ("json", {"hello": "world"}),
    "timed out": ("slow", 1.0),
    "connection lost": ("drop", None),
}


@pytest.mark.parametrize("reason", FAILURES)
def test_a_failure_is_counted_and_is_no_answer(reason: str) -> None:
    def behave(user: str, n: int):
        return FAILURES[reason] if user == "question 3" else "fine"

    with chat_server(behave) as server:
        client = ChatClient(server.url, "tiny", max_retries=1, timeout=0.3)
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
    "garbage", [b"<html>busy</html>", b"", b"[1, 2]", b'"text"', b'{"choices": []}', b"\xff\xfe\x00"]
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
        found = ChatClient(server.url, "tiny", max_retries=0, timeout=2).ask(prompts(3))
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


@pytest.mark.parametrize(("code", "message"), [(401, "refuses the key"), (403, "refuses"), (404, "no model")])
def test_a_useless_endpoint_is_said_at_once(code: int, message: str) -> None:
    with chat_server(lambda user, n: ("status", (code, {}))) as server:
        with pytest.raises(EndpointError, match=message) as caught:
            ChatClient(server.url, "tiny").ask(prompts(50))
        assert len(server.requests) == 1
        assert "\n" not in str(caught.value)


def test_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(EndpointError, match="is the server running"):
        ChatClient(f"http://127.0.0.1:{port}/v1", "tiny", max_retries=1).ask(prompts(3))
    with pytest.raises(EndpointError):
        ChatClient("not a url", "tiny", max_retries=0).ask(prompts(1))


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
