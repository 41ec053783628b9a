"""Pauses between tries, and which answers are worth another one."""

from __future__ import annotations

import email.utils
import time

import httpx2
import pytest

from saetext.io import web


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr(time, "sleep", found.append)
    return found


def answering(*replies: httpx2.Response | Exception):
    waiting = list(replies)

    def ask() -> httpx2.Response:
        reply = waiting.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return reply

    return ask


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503, 529])
def test_what_may_pass_is_tried_again(status: int, slept: list[float]) -> None:
    ask = answering(httpx2.Response(status), httpx2.ReadTimeout("slow"), httpx2.Response(200))
    assert web.send(ask, retries=2).status_code == 200
    assert 0.375 <= slept[0] <= 0.5 and 0.75 <= slept[1] <= 1.0  # doubled, up to a quarter less
    assert web.send(answering(httpx2.Response(status)), retries=0).status_code == status


@pytest.mark.parametrize("status", [200, 301, 400, 401, 403, 404, 422])
def test_what_stays_is_not(status: int, slept: list[float]) -> None:
    assert web.send(answering(httpx2.Response(status)), retries=5).status_code == status
    assert slept == []


def test_the_last_failure_is_raised(slept: list[float]) -> None:
    with pytest.raises(httpx2.ConnectError, match="second"):
        web.send(answering(httpx2.ConnectError("first"), httpx2.ConnectError("second")), retries=1)
    assert len(slept) == 1


def test_the_server_says_how_long(slept: list[float]) -> None:
    busy = httpx2.Response(429, headers={"Retry-After": "7"})
    assert web.send(answering(busy, httpx2.Response(200)), retries=1).status_code == 200
    assert slept == [7.0]
    never = httpx2.Response(429, headers={"Retry-After": "3600"})
    assert web.send(answering(never), retries=5).status_code == 429


def test_retry_after_as_number_date_or_nothing() -> None:
    assert web.retry_after("0.5") == 0.5
    soon = web.retry_after(email.utils.formatdate(time.time() + 60, usegmt=True))
    assert soon is not None and 55 < soon <= 60
    for nothing in (None, "", "soon", "-3", "0", "nan", email.utils.formatdate(0, usegmt=True)):
        assert web.retry_after(nothing) is None


def test_pauses_grow_to_a_limit() -> None:
    assert all(6 <= web.pause(attempt) <= 8 for attempt in (4, 5, 100, 10_000))
