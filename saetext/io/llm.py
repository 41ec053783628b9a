"""One client for every call of a language model: OpenAI-compatible endpoint, cache, retries, cost ledger.

vLLM, Ollama, llama.cpp, OpenRouter and OpenAI speak this protocol. Every answer is kept on disk as soon as
it is there, so that a run that was stopped asks only what is left. A failure is an :class:`Answer` with an
error, never text. Not for: prompts, or reading what an answer says.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from saetext.errors import EndpointError
from saetext.io.cache import cache_dir
from saetext.io.files import write_atomic
from saetext.io.progress import OnProgress, Stages
from saetext.io.web import open_client, send

if TYPE_CHECKING:
    import httpx2

CHARACTERS_PER_TOKEN = 4  # for the estimate, where the model's tokenizer is not known
_CACHE_VERSION = 1
_REACH_SECONDS = 10.0  # to find out whether anybody listens
_FEWEST_IN_A_ROW = 10  # failures in a row that stop a run, however low the concurrency

_LOST, _TIMED_OUT, _RATE_LIMITED = "connection lost", "timed out", "rate limited"
_NO_COMPLETION = "not a chat completion"
# Failures of the endpoint, not of one prompt. A 403 may be either: some refuse texts that offend them.
_OF_ENDPOINT = {_LOST, _TIMED_OUT, _RATE_LIMITED, "status 401", "status 402", "status 404", "status 408"}
_BROKEN_OFF = {"length": "cut off at max_tokens", "content_filter": "filtered", "error": "broken off"}


@dataclass(frozen=True)
class Prompt:
    """What to ask: the user's message, and the system's if any."""

    user: str
    system: str = ""


@dataclass(frozen=True)
class Answer:
    """What came back: ``text``, or ``error`` with the reason that there is none."""

    text: str | None
    error: str | None = None
    cached: bool = False
    tokens_in: int = 0
    tokens_out: int = 0


@dataclass
class Ledger:
    """What a client has done so far.

    Attributes
    ----------
    asked, cached : int
        Requests that got an answer from the endpoint, and answers that were on disk already.
    failures : Counter
        Reason to number.
    tokens_in, tokens_out : int
        As the endpoint counted them; cached answers cost nothing.
    cost : float or None
        US dollars, where the prices are known.
    seconds : float
        Spent waiting.
    """

    asked: int = 0
    cached: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float | None = None
    seconds: float = 0.0

    def describe(self) -> str:
        """Return one line."""
        parts = [f"{self.asked:,} answers from the endpoint", f"{self.cached:,} from the cache"]
        if self.failures:
            reasons = ", ".join(f"{n:,} {reason}" for reason, n in self.failures.most_common(3))
            parts.append(f"{sum(self.failures.values()):,} failed ({reasons})")
        parts.append(f"{self.tokens_in:,} + {self.tokens_out:,} tokens")
        if self.cost is not None:
            parts.append(f"${self.cost:.4f}" if self.cost < 1 else f"${self.cost:,.2f}")
        return ", ".join(parts)


@dataclass(frozen=True)
class Estimate:
    """What asking would take: requests that are not cached, tokens, US dollars where prices are known."""

    requests: int
    cached: int
    tokens_in: int
    tokens_out: int
    cost: float | None

    def describe(self) -> str:
        """Return one line."""
        cost = "" if self.cost is None else f", about ${self.cost:.2f}"
        return (
            f"{self.requests:,} requests ({self.cached:,} are cached), about {self.tokens_in:,} tokens "
            f"in and {self.tokens_out:,} out{cost}"
        )


class ChatClient:
    """A chat model behind an OpenAI-compatible endpoint.

    Parameters
    ----------
    base_url : str
        Such as ``http://localhost:8000/v1``.
    model : str
        As the endpoint calls it.
    api_key : str, optional
        By default ``$OPENAI_API_KEY``, or none.
    concurrency : int
        Requests at a time.
    timeout : float
        Seconds for one request.
    max_retries : int
        Further tries after rate limits, server errors and lost connections, with growing pauses or as long as
        the server's ``Retry-After`` says.
    price : (float, float), optional
        US dollars per million tokens in and out.
    temperature, max_tokens
        Of the request.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        api_key: str | None = None,
        concurrency: int = 8,
        timeout: float = 60.0,
        max_retries: int = 5,
        price: tuple[float, float] | None = None,
        temperature: float = 0.0,
        max_tokens: int = 400,
    ) -> None:
        self.base_url, self.model = base_url.rstrip("/"), model
        self.temperature, self.max_tokens = temperature, max_tokens
        self.price = price
        self.concurrency = max(1, concurrency)
        self.max_retries = max_retries
        self.ledger = Ledger(cost=0.0 if price else None)
        self._lock = threading.Lock()
        self._said: dict[str, str] = {}  # failure to what the server said about it last
        key = (api_key or os.environ.get("OPENAI_API_KEY") or "none").strip()
        if not (key.isascii() and key.isprintable()):
            raise EndpointError("the API key holds characters that no key has: set it again, in one line")
        try:
            parts = urlsplit(base_url)
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError("an address begins with http:// or https://")
            self._client = open_client(
                "asking a language model", timeout=timeout, connections=self.concurrency, key=key
            )
        except ValueError as error:
            raise EndpointError(f"cannot use {base_url!r} as an endpoint: {_line(error)}") from error

    def ask(
        self, prompts: Sequence[Prompt], on_progress: OnProgress | None = None
    ) -> list[Answer]:
        """Return an answer for every prompt, in order; equal prompts are asked once.

        ``on_progress`` gets a :class:`saetext.io.progress.Progress` after each.

        Raises
        ------
        EndpointError
            If the endpoint cannot be reached, refuses the key, does not know the model, or fails many times
            in a row; answers that came before are kept and not asked again.
        """
        started = time.perf_counter()
        keys = [self._key(p) for p in prompts]
        answers: dict[str, Answer] = {}
        missing: dict[str, Prompt] = {}
        for key, prompt in zip(keys, prompts, strict=True):
            if key in answers or key in missing:
                continue
            found = self._cached(key)
            if found is None:
                missing[key] = prompt
            else:
                answers[key] = found
        self.ledger.cached += len(answers)
        total = len(answers) + len(missing)

        tell = Stages(on_progress, "answers")

        def done() -> None:
            tell(f"asking {self.model}", len(answers), total)

        done()
        try:
            waiting = list(missing.items())
            if waiting:
                self._reach()
                self._ask_first(waiting, answers, done)
            self._ask_all(waiting, answers, done)
        finally:
            self.ledger.seconds += time.perf_counter() - started
        return [answers[key] for key in keys]

    def estimate(self, prompts: Sequence[Prompt], tokens_out: int = 80) -> Estimate:
        """Return what asking would take, with about ``tokens_out`` tokens an answer."""
        unique = {self._key(p): p for p in prompts}
        fresh = [p for key, p in unique.items() if self._cached(key) is None]
        into = sum(len(p.user) + len(p.system) for p in fresh) // CHARACTERS_PER_TOKEN
        out = tokens_out * len(fresh)
        return Estimate(len(fresh), len(unique) - len(fresh), into, out, self._cost(into, out))

    def forget(self, prompt: Prompt) -> None:
        """Drop the kept answer to a prompt, so that it is asked again: for one that turned out useless."""
        try:
            self._path(self._key(prompt)).unlink(missing_ok=True)
        except OSError:
            return  # as everywhere, a cache that cannot be written is passed over

    def _reach(self) -> None:
        """Raise at once, without retries, if nobody listens; the first prompt shows what else is wrong."""
        import httpx2

        try:
            self._client.get(f"{self.base_url}/models", timeout=_REACH_SECONDS)
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            why = _line(error) or _TIMED_OUT
            raise EndpointError(f"no answer from {self.base_url} ({why}): is the server running?") from error
        except httpx2.InvalidURL as error:
            raise EndpointError(f"cannot use {self.base_url!r} as an endpoint: {_line(error)}") from error
        except httpx2.HTTPError:
            return

    def _ask_first(
        self, waiting: list[tuple[str, Prompt]], answers: dict[str, Answer], done: Callable[[], None]
    ) -> None:
        """Ask one prompt alone, so that a useless endpoint shows before hundreds are sent.

        Where the prompt may be to blame, a second one decides: or a text that no server takes would stop
        every run at its beginning.
        """
        for _ in range(min(2, len(waiting))):
            key, prompt = waiting.pop(0)
            answer = answers[key] = self._ask(key, prompt)
            done()
            if answer.error in ("status 401", "status 404"):
                break
            if answer.error not in (_LOST, _TIMED_OUT, "status 403"):
                return
        raise EndpointError(self._useless(str(answer.error)))

    def _useless(self, reason: str) -> str:
        said = f": {self._said[reason]}" if reason in self._said else ""
        if reason in ("status 401", "status 403"):
            code = reason.removeprefix("status ")
            return f"{self.base_url} refuses the key ({code}): set OPENAI_API_KEY or --api-key-env"
        if reason == "status 404":
            return f"{self.base_url} has no model {self.model!r} or no chat completions (404){said}"
        return f"no answer from {self.base_url} ({reason}{said}): is the server running?"

    def _ask_all(
        self, waiting: list[tuple[str, Prompt]], answers: dict[str, Answer], done: Callable[[], None]
    ) -> None:
        tasks: queue.SimpleQueue[tuple[str, Prompt]] = queue.SimpleQueue()
        for task in waiting:
            tasks.put(task)
        came: queue.SimpleQueue[tuple[str, Answer | BaseException]] = queue.SimpleQueue()
        stop = threading.Event()

        def work() -> None:
            while not stop.is_set():
                try:
                    key, prompt = tasks.get_nowait()
                except queue.Empty:
                    return
                try:
                    came.put((key, self._ask(key, prompt)))
                except BaseException as error:  # not hidden: raised where the answers are awaited
                    came.put((key, error))

        # Daemons, not a pool: a pool's threads keep a stopped program alive until their last retry.
        for _ in range(min(self.concurrency, len(waiting))):
            threading.Thread(target=work, daemon=True).start()
        most = max(2 * self.concurrency, _FEWEST_IN_A_ROW)
        some_came = any(answer.error is None for answer in answers.values())
        row = 0  # failures in a row
        try:
            for _ in waiting:
                key, answer = came.get()
                if isinstance(answer, BaseException):
                    raise answer
                answers[key] = answer
                done()
                reason = answer.error
                if reason is None:
                    row, some_came = 0, True
                elif not some_came or reason in _OF_ENDPOINT or reason.startswith("status 5"):
                    row += 1
                if row > most:
                    said = f": {self._said[reason]}" if reason in self._said else ""
                    state = "has stopped answering" if some_came else "gives no usable answer"
                    raise EndpointError(
                        f"{self.base_url} {state}: {row} failures in a row ({reason}{said}); "
                        "the answers so far are kept"
                    )
        finally:
            stop.set()

    def _ask(self, key: str, prompt: Prompt) -> Answer:
        """Ask once (with the client's retries) and keep the answer."""
        answer = self._completion(prompt)
        with self._lock:
            if answer.error is not None:
                self.ledger.failures[answer.error] += 1
            else:
                self.ledger.asked += 1
            self.ledger.tokens_in += answer.tokens_in
            self.ledger.tokens_out += answer.tokens_out
            self.ledger.cost = self._cost(self.ledger.tokens_in, self.ledger.tokens_out)
        if answer.error is None:
            self._keep(key, answer)
        return answer

    def _completion(self, prompt: Prompt) -> Answer:
        import httpx2

        messages = [{"role": "system", "content": prompt.system}] if prompt.system else []
        messages.append({"role": "user", "content": prompt.user})
        body = {
            "model": self.model,
            "messages": messages,
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
        }
        content = json.dumps(body)  # ASCII: what is no valid text is escaped and does no harm
        url, headers = f"{self.base_url}/chat/completions", {"Content-Type": "application/json"}
        try:
            response = send(
                lambda: self._client.post(url, content=content, headers=headers), retries=self.max_retries
            )
        except httpx2.TimeoutException:
            return Answer(None, _TIMED_OUT)
        except (httpx2.HTTPError, httpx2.InvalidURL):
            return Answer(None, _LOST)
        if response.is_success:
            return _answer(_json(response))
        error = _RATE_LIMITED if response.status_code == 429 else f"status {response.status_code}"
        self._said[error] = _line(_message(response))
        return Answer(None, error)

    def _cost(self, into: int, out: int) -> float | None:
        return None if self.price is None else (into * self.price[0] + out * self.price[1]) / 1e6

    def _key(self, prompt: Prompt) -> str:
        # the endpoint too: two servers may call different models by one name
        settings = [_CACHE_VERSION, self.base_url, self.model, self.temperature, self.max_tokens]
        decides = [*settings, prompt.system, prompt.user]
        return hashlib.sha256(json.dumps(decides, ensure_ascii=True).encode()).hexdigest()

    def _path(self, key: str) -> Path:
        return cache_dir() / "llm" / key[:2] / f"{key}.json"

    def _cached(self, key: str) -> Answer | None:
        try:
            found = json.loads(self._path(key).read_text("utf-8"))
            text = found["text"]
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return Answer(text, cached=True) if isinstance(text, str) and text else None

    def _keep(self, key: str, answer: Answer) -> None:
        path = self._path(key)
        content = {"model": self.model, "text": answer.text, "in": answer.tokens_in, "out": answer.tokens_out}
        with contextlib.suppress(OSError):  # the answer is there all the same; only a later run asks again
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomic(path, json.dumps(content).encode())


def _json(response: httpx2.Response) -> Any:
    """Return what a response holds; None where that is no JSON."""
    try:
        return response.json()
    except (ValueError, RecursionError):
        return None


def _message(response: httpx2.Response) -> str:
    """Return what a server says about an error: its message, or whatever it sent."""
    content = _json(response)
    error = content.get("error", content) if isinstance(content, dict) else content
    message = error.get("message") if isinstance(error, dict) else error
    return message if isinstance(message, str) else response.text


def _answer(content: Any) -> Answer:
    """Return the text of a completion; what is not one, has none, or was broken off is an error."""
    counts = _count(content, "prompt_tokens"), _count(content, "completion_tokens")
    try:
        choice = content["choices"][0]
        text, reason = choice["message"].get("content"), choice.get("finish_reason")
    except (AttributeError, LookupError, TypeError):
        return Answer(None, _NO_COMPLETION, False, *counts)
    if isinstance(reason, str) and reason in _BROKEN_OFF:
        return Answer(None, _BROKEN_OFF[reason], False, *counts)
    if not isinstance(text, str) or not text.strip():
        return Answer(None, "empty answer", False, *counts)
    return Answer(text, None, False, *counts)


def _count(content: Any, name: str) -> int:
    """Return a number of tokens; 0 where the endpoint tells none, which is no reason to lose its answer."""
    usage = content.get("usage") if isinstance(content, dict) else None
    count = usage.get(name) if isinstance(usage, dict) else None
    return count if type(count) is int and count > 0 else 0


def _line(error: object) -> str:
    """Return what a server or library said in one line, safe to print."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(error)).split())[:200]
