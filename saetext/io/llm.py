"""One client for every call of a language model: OpenAI-compatible endpoint, cache, retries, cost ledger.

vLLM, Ollama, llama.cpp, OpenRouter and OpenAI speak this protocol. Every answer is kept on disk as soon as
it is there, so that a run that was stopped asks only what is left. A failure is an :class:`Answer` with an
error, never text. Not for: prompts, or reading what an answer says.
"""

from __future__ import annotations

import json
import os
import queue
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from saetext.errors import EndpointError
from saetext.io import answer_cache
from saetext.io.addresses import checked, shown
from saetext.io.completion import Answer as Answer
from saetext.io.completion import answer_of, body_of, message_of
from saetext.io.hiding import Secret, one_line
from saetext.io.progress import OnProgress, Stages
from saetext.io.web import open_client, send
from saetext.io.web_bounds import Refused

CHARACTERS_PER_TOKEN = 4  # for the estimate, where the model's tokenizer is not known
_CACHE_VERSION = 2  # entries of version 1 had no checksum, and may be what a redirect led to
_REACH_SECONDS = 10.0  # to find out whether anybody listens
_FEWEST_IN_A_ROW = 10  # failures in a row that stop a run, however low the concurrency
_MOST_BYTES = 4 << 20  # of an answer, with all that servers put around it
_LONGEST_SAID, _LONGEST_ERROR, _LONGEST_MODEL = 120, 300, 200  # characters

_LOST, _TIMED_OUT, _RATE_LIMITED = "connection lost", "timed out", "rate limited"
_MOVED, _LARGE = "redirected elsewhere", "too large"
# Failures of the endpoint, not of one prompt. A 403 may be either: some refuse texts that offend them.
_OF_ENDPOINT = {_LOST, _TIMED_OUT, _RATE_LIMITED, _MOVED, _LARGE}
_OF_ENDPOINT |= {"status 401", "status 402", "status 404", "status 408"}


@dataclass(frozen=True)
class Prompt:
    """What to ask: the user's message, and the system's if any."""

    user: str
    system: str = ""


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


@dataclass
class _Job:
    """What was asked at once: how much, the answers that are of use so far, and why others failed."""

    asked: int
    usable: set[str]
    reasons: Counter[str]


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
        Seconds to wait for a connection, and for the next bytes of an answer.
    deadline : float, optional
        Seconds for one try in all, however its bytes come; by default twice the timeout.
    max_retries : int
        Further tries after rate limits, server errors and lost connections, with growing pauses or as long as
        the server's ``Retry-After`` says: five minutes in all, at most.
    price : (float, float), optional
        US dollars per million tokens in and out.
    temperature, max_tokens
        Of the request.

    Raises
    ------
    EndpointError
        If the address, the name of the model or the key cannot be used; none of them is repeated where it may
        hold a secret.
    """

    def __init__(
        self,
        base_url: str,
        model: str,
        *,
        api_key: str | None = None,
        concurrency: int = 8,
        timeout: float = 60.0,
        deadline: float | None = None,
        max_retries: int = 5,
        price: tuple[float, float] | None = None,
        temperature: float = 0.0,
        max_tokens: int = 400,
    ) -> None:
        key = (api_key or os.environ.get("OPENAI_API_KEY") or "none").strip()
        if not (key.isascii() and key.isprintable()):
            raise EndpointError("the API key holds characters that no key has: set it again, in one line")
        if not (model.strip() and model.isprintable() and len(model) <= _LONGEST_MODEL):
            raise EndpointError(
                f"--model is the name of a model: {_LONGEST_MODEL} characters at most, in one line, not empty"
            )
        self._secret = Secret(key)
        try:
            self.base_url = checked(base_url)
            self._client = open_client(
                "asking a language model",
                timeout=timeout,
                deadline=2 * timeout if deadline is None else deadline,
                connections=max(1, concurrency),
                key=key,
            )
        except ValueError as error:
            raise self._error(f"cannot use {shown(base_url)!r} as an endpoint: {error}") from error
        self.model = model
        self.temperature, self.max_tokens = temperature, max_tokens
        self.price = price
        self.concurrency = max(1, concurrency)
        self.max_retries = max_retries
        self.ledger = Ledger(cost=0.0 if price else None)
        self._lock = threading.Lock()
        self._said: dict[str, str] = {}  # failure to what the server said about it last
        self._jobs: list[_Job] = []  # shared with copies of the client, as the ledger is

    def ask(self, prompts: Sequence[Prompt], on_progress: OnProgress | None = None) -> list[Answer]:
        """Return an answer for every prompt, in order; equal prompts are asked once.

        ``on_progress`` gets a :class:`saetext.io.progress.Progress` after each. Answers that turn out useless
        are to be forgotten (:meth:`forget`); :meth:`require_answers` says then whether anything was had.

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
        if total:
            usable = {key for key, answer in answers.items() if answer.text is not None}
            reasons = Counter(answer.error for answer in answers.values() if answer.error is not None)
            self._jobs.append(_Job(total, usable, reasons))
        return [answers[key] for key in keys]

    def require_answers(self) -> None:
        """Raise if something was asked and not one of its answers could be used.

        What was asked at once counts together: labels, scores, names, grades, hypotheses, or judgements.
        Call it after all that could be had has been printed and written.

        Raises
        ------
        EndpointError
            In one line: how many of how many, why, and what the server said.
        """
        for job in self._jobs:
            if job.usable:
                continue
            counts = Counter(job.reasons)
            if useless := job.asked - counts.total():
                counts["not in the form asked for"] += useless
            told = ", ".join(f"{n:,} {why}{self._says(why)}" for why, n in counts.most_common(2))
            raise self._error(
                f"{self.model} at {self._shown} gave nothing that can be used: {told}; "
                "run the same command again to ask once more"
            )

    def estimate(self, prompts: Sequence[Prompt], tokens_out: int = 80) -> Estimate:
        """Return what asking would take, with about ``tokens_out`` tokens an answer."""
        unique = {self._key(p): p for p in prompts}
        fresh = [p for key, p in unique.items() if self._cached(key) is None]
        into = sum(len(p.user) + len(p.system) for p in fresh) // CHARACTERS_PER_TOKEN
        out = tokens_out * len(fresh)
        return Estimate(len(fresh), len(unique) - len(fresh), into, out, self._cost(into, out))

    def forget(self, prompt: Prompt) -> None:
        """Drop the kept answer to a prompt, so that it is asked again: for one that turned out useless."""
        key = self._key(prompt)
        answer_cache.forget(key)
        for job in self._jobs:
            job.usable.discard(key)

    def _reach(self) -> None:
        """Raise at once, without retries, if nobody listens; the first prompt shows what else is wrong."""
        import httpx2

        try:
            self._client.reach(f"{self.base_url}/models", _REACH_SECONDS)
        except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
            why = one_line(error, _LONGEST_SAID) or _TIMED_OUT
            raise self._error(f"no answer from {self._shown} ({why}): is the server running?") from error
        except (httpx2.InvalidURL, UnicodeError) as error:
            why = one_line(error, _LONGEST_SAID)
            raise self._error(f"cannot use {self._shown!r} as an endpoint: {why}") from error
        except (httpx2.HTTPError, Refused):
            return

    @property
    def _shown(self) -> str:
        return shown(self.base_url)

    def _error(self, told: str) -> EndpointError:
        """Return an error in one line, without the key whoever repeated it."""
        hidden = self._secret.hide(one_line(self._secret.hide(told), 2 * _LONGEST_ERROR))
        return EndpointError(hidden if len(hidden) <= _LONGEST_ERROR else f"{hidden[: _LONGEST_ERROR - 1]}…")

    def _says(self, reason: str) -> str:
        """Return what the server said about a failure, to stand after it."""
        return f" ({self._said[reason]})" if self._said.get(reason) else ""

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
            if answer.error in ("status 401", "status 404", _MOVED):
                break
            if answer.error not in (_LOST, _TIMED_OUT, "status 403"):
                return
        raise self._error(self._useless(str(answer.error)))

    def _useless(self, reason: str) -> str:
        said = self._says(reason)
        if reason in ("status 401", "status 403"):
            code = reason.removeprefix("status ")
            return f"{self._shown} refuses the key ({code}): set OPENAI_API_KEY or --api-key-env"
        if reason == "status 404":
            return f"{self._shown} has no model {self.model!r} or no chat completions (404){said}"
        if reason == _MOVED:
            # neither texts nor the key go where only the server says
            return f"{self._shown} {self._said[reason]}: give the address that answers as --base-url"
        return f"no answer from {self._shown} ({reason}){said}: is the server running?"

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
                    state = "has stopped answering" if some_came else "gives no usable answer"
                    raise self._error(
                        f"{self._shown} {state}: {row} failures in a row ({reason})"
                        f"{self._says(str(reason))}; the answers so far are kept"
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
        if answer.text is not None:
            counts = {"in": answer.tokens_in, "out": answer.tokens_out}
            answer_cache.keep(key, answer.text, model=self.model, **counts)
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
        url = f"{self.base_url}/chat/completions"
        try:
            response = send(
                lambda: self._client.post(url, content, most_bytes=_MOST_BYTES), retries=self.max_retries
            )
        except httpx2.TimeoutException:
            return Answer(None, _TIMED_OUT)
        except (httpx2.HTTPError, httpx2.InvalidURL):
            return Answer(None, _LOST)
        except Refused as refused:
            self._note(refused.reason, str(refused))
            return Answer(None, refused.reason)
        if response.is_success:
            answer = answer_of(body_of(response.body), self.max_tokens)
            if answer.text is None:
                return answer
            return replace(answer, text=self._secret.hide_in_answer(answer.text))
        error = _RATE_LIMITED if response.status_code == 429 else f"status {response.status_code}"
        self._note(error, message_of(response.body))
        return Answer(None, error)

    def _note(self, reason: str, said: str) -> None:
        """Keep what was said about a failure, without the key: before it is cut, which would halve it."""
        self._said[reason] = one_line(self._secret.hide(said), _LONGEST_SAID)

    def _cost(self, into: int, out: int) -> float | None:
        return None if self.price is None else (into * self.price[0] + out * self.price[1]) / 1e6

    def _key(self, prompt: Prompt) -> str:
        # the endpoint too: two servers may call different models by one name
        return answer_cache.fingerprint(
            version=_CACHE_VERSION,
            endpoint=self.base_url,
            model=self.model,
            temperature=self.temperature,
            max_tokens=self.max_tokens,
            system=prompt.system,
            user=prompt.user,
        )

    def _cached(self, key: str) -> Answer | None:
        text = answer_cache.find(key)
        return None if text is None else Answer(text, cached=True)
