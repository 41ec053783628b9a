"""One client for every call of a language model: OpenAI-compatible endpoint, cache, retries, cost ledger.

vLLM, Ollama, llama.cpp, OpenRouter and OpenAI speak this protocol. Every answer is kept on disk as soon as
it is there, so that a run that was stopped asks only what is left. A failure is an :class:`Answer` with an
error, never text. Not for: prompts, or reading what an answer says.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from saetext.cache import cache_dir
from saetext.errors import EndpointError

CHARACTERS_PER_TOKEN = 4  # for the estimate, where the model's tokenizer is not known
_CACHE_VERSION = 1


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
        import openai

        self.base_url, self.model = base_url, model
        self.temperature, self.max_tokens = temperature, max_tokens
        self.price = price
        self.concurrency = max(1, concurrency)
        self.ledger = Ledger(cost=0.0 if price else None)
        self._lock = threading.Lock()
        try:
            self._client = openai.OpenAI(
                base_url=base_url,
                api_key=api_key or os.environ.get("OPENAI_API_KEY") or "none",
                timeout=timeout,
                max_retries=max_retries,
            )
        except (openai.OpenAIError, ValueError) as error:
            raise EndpointError(f"cannot use {base_url} as an endpoint: {_line(error)}") from error

    def ask(
        self, prompts: Sequence[Prompt], on_done: Callable[[int, int], None] | None = None
    ) -> list[Answer]:
        """Return an answer for every prompt, in order; equal prompts are asked once.

        ``on_done(done, total)`` is called after each.

        Raises
        ------
        EndpointError
            If the endpoint cannot be reached at all, refuses the key, or does not know the model; answers
            that came before are kept and not asked again.
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

        def done() -> None:
            if on_done is not None:
                on_done(len(answers), total)

        done()
        try:
            waiting = list(missing.items())
            if waiting:  # one alone first: what is wrong with the endpoint shows before hundreds are sent
                key, prompt = waiting.pop(0)
                answers[key] = self._ask(key, prompt)
                if answers[key].error in _UNREACHABLE:
                    raise EndpointError(
                        f"no answer from {self.base_url} ({answers[key].error}): is the server running?"
                    )
                done()
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

    def _ask_all(
        self, waiting: list[tuple[str, Prompt]], answers: dict[str, Answer], done: Callable[[], None]
    ) -> None:
        pool = ThreadPoolExecutor(self.concurrency)
        lost = 0  # connections lost in a row
        try:
            queue = iter(waiting)
            running: dict[Future[Answer], str] = {}
            while True:
                # a bounded queue, so that stopping leaves nothing behind
                for key, prompt in queue:
                    running[pool.submit(self._ask, key, prompt)] = key
                    if len(running) >= 2 * self.concurrency:
                        break
                if not running:
                    return
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    answer = answers[running.pop(future)] = future.result()
                    lost = lost + 1 if answer.error in _UNREACHABLE else 0
                    if lost > 2 * self.concurrency:
                        raise EndpointError(
                            f"{self.base_url} has stopped answering ({answer.error}); what came is kept"
                        )
                    done()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)

    def _ask(self, key: str, prompt: Prompt) -> Answer:
        """Ask once (with the client's retries) and keep the answer."""
        import openai

        messages: list[Any] = [{"role": "user", "content": prompt.user}]
        if prompt.system:
            messages.insert(0, {"role": "system", "content": prompt.system})
        try:
            response = self._client.chat.completions.create(
                model=self.model,
                messages=messages,
                temperature=self.temperature,
                max_tokens=self.max_tokens,
            )
            answer = _answer(response)
        except (openai.AuthenticationError, openai.PermissionDeniedError) as error:
            raise EndpointError(
                f"{self.base_url} refuses the key ({error.status_code}): set OPENAI_API_KEY or --api-key-env"
            ) from error
        except openai.NotFoundError as error:
            raise EndpointError(
                f"{self.base_url} has no model {self.model!r} or no chat completions (404): {_line(error)}"
            ) from error
        except openai.APITimeoutError:
            answer = Answer(None, "timed out")
        except openai.APIConnectionError as error:
            refused = isinstance(error.__cause__, Exception) and "refused" in str(error.__cause__).lower()
            answer = Answer(None, "connection refused" if refused else "connection lost")
        except openai.RateLimitError:
            answer = Answer(None, "rate limited")
        except openai.APIStatusError as error:
            answer = Answer(None, f"status {error.status_code}")
        except (openai.OpenAIError, ValueError):
            answer = Answer(None, "not a chat completion")
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
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=".")
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(content, file)
            Path(name).replace(path)
        except OSError:
            return  # the answer is there all the same; only a later run asks again


_UNREACHABLE = ("connection refused", "connection lost")


def _answer(response: Any) -> Answer:
    """Return the text of a completion; what is not one, or has none, is an error."""
    try:
        choice = response.choices[0]
        text, reason = choice.message.content, choice.finish_reason
        usage = response.usage
        counts = (int(usage.prompt_tokens), int(usage.completion_tokens)) if usage is not None else (0, 0)
    except (AttributeError, IndexError, TypeError, ValueError):
        return Answer(None, "not a chat completion")
    if not isinstance(text, str) or not text.strip():
        return Answer(None, "empty answer", tokens_in=counts[0], tokens_out=counts[1])
    if reason == "length":
        return Answer(None, "cut off at max_tokens", tokens_in=counts[0], tokens_out=counts[1])
    return Answer(text, None, False, *counts)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
