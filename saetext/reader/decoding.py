"""The decode loop: texts written token by token by a batch whose rows come and go.

Prompts are read without padding, samples of one prompt share that reading, and a finished row leaves the
batch to one that waits. The loop knows the absolute position of every token that it feeds, which is what
edits of the model go by. Not for: the forward pass (:mod:`saetext.reader.causal`), or how a token is chosen
(:mod:`saetext.reader.sampling`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers.cache_utils import DynamicCache

from saetext.errors import InputError
from saetext.io.common_options import progress_keyword, seed_option
from saetext.io.progress import OnProgress, Progress
from saetext.io.request import Request, keyword, option
from saetext.reader.edits import Edit
from saetext.reader.kv_cache import Memory
from saetext.reader.prompts import Prompt
from saetext.reader.sampling import Noise, drawn, log_probabilities, penalised

Finish = Literal["eos", "stop", "length", "window"]
#: Called with the number of a prompt, the number of its sample, and the text so far.
OnText = Callable[[int, int, str], None]


@dataclass(frozen=True, kw_only=True)
class GenerateRequest(Request):
    """How texts are written."""

    samples: int = option("Number of texts for each prompt.", default=1, least=1, metavar="N")
    max_new_tokens: int = option("Most tokens of a text.", default=200, least=1, metavar="N")
    temperature: float = option(
        "What logits are divided by before sampling; 0 takes the most probable token.", default=1.0, least=0
    )
    top_p: float = option(
        "Sample from the fewest most probable tokens that have this probability together.",
        default=1.0,
        above=0,
        most=1,
    )
    repetition_penalty: float = option(
        "Divide the logits of tokens that stand in the prompt or the text already; 1 is none.",
        default=1.0,
        above=0,
    )
    stop: Sequence[str] = keyword("Texts before which a text ends.", default=(), recorded=True)
    forbidden: Sequence[int] = keyword("Tokens that are never written.", default=(), recorded=True)
    seed: int = seed_option("the sampling")
    batch: int = option("Most texts that are written at once.", default=16, least=1, metavar="N")
    edits: Mapping[str, Edit] | None = keyword(
        "Hook name -> what changes the hidden states there; see CausalModel.forward.", default=None
    )
    on_progress: OnProgress | None = progress_keyword()
    on_text: OnText | None = keyword(
        "Called with prompt, sample and the text so far, of each text after each step.", default=None
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if isinstance(self.stop, str) or not all(self.stop):
            raise InputError("stop is a list of texts, none of them empty")
        if any(token < 0 for token in self.forbidden):
            raise InputError("forbidden is a list of token ids, from 0 on")


@dataclass(frozen=True)
class Generation:
    """One text.

    Attributes
    ----------
    prompt, sample : int
        Number of the prompt among those given, and of the sample of it.
    text : str
        Without special tokens, and without the stop text and what came after it.
    ids : int64[n]
        All tokens that were written, the end-of-sequence token included.
    logprobs : float32[n]
        Log-probability of each token under the model as it ran, edits included, before repetition penalty,
        temperature and nucleus.
    finish : {"eos", "stop", "length", "window"}
        By the model, by a stop text, by ``max_new_tokens``, or because the model has no further position.
    """

    prompt: int
    sample: int
    text: str
    ids: NDArray[np.int64]
    logprobs: NDArray[np.float32]
    finish: Finish


class Writer(Protocol):
    """What the loop needs of a model; :class:`saetext.reader.causal.CausalModel` has it."""

    tokenizer: Any
    device: torch.device
    max_positions: int | None
    eos_ids: frozenset[int]
    n_layers: int

    def step(
        self,
        ids: Tensor,
        positions: Tensor,
        rows: Tensor,
        *,
        cache: Any,
        mask: Tensor | None,
        edits: Mapping[str, Edit],
    ) -> Tensor:
        """Run the model over new tokens and return float32[batch, vocabulary]: the logits after the last."""
        ...


@dataclass
class _Row:
    """A text that is being written."""

    prompt: int
    sample: int
    length: int  # tokens of the prompt
    noise: Noise
    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    finish: Finish | None = None

    @property
    def position(self) -> int:
        """The absolute position of the last token."""
        return self.length + len(self.ids) - 1


class Decoder:
    """A batch of texts; :meth:`run` writes them all."""

    def __init__(self, model: Writer, prompts: Sequence[Prompt], request: GenerateRequest) -> None:
        self.model, self.prompts, self.request = model, prompts, request
        self.memory = Memory(model.n_layers)
        self.rows: list[_Row] = []
        self.seen: Tensor | None = None  # bool[rows, vocabulary], for the repetition penalty
        self.edits = dict(request.edits or {})
        self.forbidden = torch.tensor(sorted(set(request.forbidden)), dtype=torch.int64, device=model.device)
        self.stops = _Stops(model.tokenizer, request.stop)
        # longest first: a row that joins later is never longer than those that are there
        order = sorted(range(len(prompts)), key=lambda i: (-len(prompts[i]), i))
        self.waiting = [(i, sample) for i in order for sample in range(request.samples)]
        self.progress = _Told(len(self.waiting), request.on_progress)

    @torch.no_grad()
    def _turn(self) -> list[_Row]:
        """Let waiting texts in, write one token of every text, and return those that are finished."""
        finished: list[_Row] = []
        while self.waiting and len(self.rows) < self.request.batch:
            self._let_in()
            finished += self._leave()
        if self.rows:
            self._step()
            finished += self._leave()
        return finished

    def run(self) -> Iterator[Generation]:
        """Yield the texts as they are finished; what was yielded stands when the rest is interrupted."""
        while self.waiting or self.rows:
            before = self.progress.tokens
            finished = self._turn()
            self._show(finished)
            for row in finished:
                self.progress.done += 1
                yield self._text_of(row)
            if self.progress.tokens != before:
                self.progress.tell()

    def _show(self, finished: list[_Row]) -> None:
        """Tell who watches the texts; a character of which the last bytes are still to come is left out."""
        if self.request.on_text is None:
            return
        for row in (*finished, *self.rows):
            text = self._text_of(row).text if row.finish else decoded(self.model.tokenizer, row.ids)
            self.request.on_text(row.prompt, row.sample, text if row.finish else text.rstrip("\ufffd"))

    def _let_in(self) -> None:
        """Read the next prompts of one length, and write the first token of their texts."""
        free = self.request.batch - len(self.rows)
        length = len(self.prompts[self.waiting[0][0]])
        group = [job for job in self.waiting[:free] if len(self.prompts[job[0]]) == length]
        del self.waiting[: len(group)]
        numbers = list(dict.fromkeys(i for i, _ in group))
        ids = torch.from_numpy(np.stack([self.prompts[i].ids for i in numbers])).to(self.model.device)
        positions = torch.arange(length, device=self.model.device).expand(len(numbers), -1)
        cache = DynamicCache()
        logits = self._run(ids, positions, numbers, cache, None)
        source = [numbers.index(i) for i, _ in group]
        new = [_Row(i, s, length, self._noise(i, s)) for i, s in group]
        self._see(new, ids[source], logits.shape[-1])
        self.memory.join(cache, source)
        self.rows += new
        self._write(logits[source], len(self.rows) - len(new))

    def _noise(self, prompt: int, sample: int) -> Noise:
        return Noise.of(self.request.seed, self.prompts[prompt].ids, sample)

    def _step(self) -> None:
        """Feed every text its last token and write the next one."""
        device = self.model.device
        ids = torch.tensor([[row.ids[-1]] for row in self.rows], device=device)
        positions = torch.tensor([[row.position] for row in self.rows], device=device)
        mask = self.memory.mask(device)
        logits = self._run(ids, positions, [row.prompt for row in self.rows], self.memory.cache, mask)
        self.memory.advance()
        self._write(logits, 0)

    def _run(
        self, ids: Tensor, positions: Tensor, prompts: list[int], cache: Any, mask: Tensor | None
    ) -> Tensor:
        rows = torch.tensor(prompts, device=ids.device)
        return self.model.step(ids, positions, rows, cache=cache, mask=mask, edits=self.edits)

    def _see(self, new: list[_Row], ids: Tensor, vocabulary: int) -> None:
        """Remember the tokens of the prompts of new rows."""
        if self.request.repetition_penalty == 1:
            return
        if self.seen is None:
            shape = (self.request.batch, vocabulary)
            self.seen = torch.zeros(shape, dtype=torch.bool, device=ids.device)
        first = len(self.rows)
        self.seen[first : first + len(new)] = False
        self.seen[first : first + len(new)].scatter_(1, ids, True)

    def _write(self, logits: Tensor, first: int) -> None:
        """Choose the next token of the rows from ``first`` on."""
        request, rows = self.request, self.rows[first:]
        scores = logits
        if self.seen is not None:
            seen = self.seen[first : first + len(rows)]
            scores = penalised(logits, seen, request.repetition_penalty)
        if len(self.forbidden):
            scores = scores.index_fill(1, self.forbidden, -torch.inf)
        noise = [(row.noise, len(row.ids)) for row in rows]
        tokens = drawn(scores, noise, request.temperature, request.top_p)
        if self.seen is not None:
            seen.scatter_(1, tokens[:, None], True)
        logprobs = log_probabilities(logits, tokens).tolist()
        for row, token, logprob in zip(rows, tokens.tolist(), logprobs, strict=True):
            row.ids.append(token)
            row.logprobs.append(logprob)
            row.finish = self._finish(row)
        self.progress.tokens += len(rows)

    def _finish(self, row: _Row) -> Finish | None:
        if row.ids[-1] in self.model.eos_ids:
            return "eos"
        if self.stops.met(row.ids):
            return "stop"
        if len(row.ids) >= self.request.max_new_tokens:
            return "length"
        if self.model.max_positions is not None and row.position + 1 >= self.model.max_positions:
            return "window"
        return None

    def _leave(self) -> list[_Row]:
        """Remove the finished rows and return them."""
        finished = []
        for number in reversed(range(len(self.rows))):
            if self.rows[number].finish is None:
                continue
            finished.append(self.rows[number])
            self.memory.remove(number)
            last = len(self.rows) - 1
            if self.seen is not None:
                self.seen[number] = self.seen[last]
            self.rows[number] = self.rows[last]
            self.rows.pop()
        return finished[::-1]

    def _text_of(self, row: _Row) -> Generation:
        assert row.finish is not None
        ids = row.ids[:-1] if row.finish == "eos" else row.ids
        text = self.stops.cut(decoded(self.model.tokenizer, ids))
        return Generation(
            row.prompt,
            row.sample,
            text,
            np.array(row.ids, np.int64),
            np.array(row.logprobs, np.float32),
            row.finish,
        )


def decoded(tokenizer: Any, ids: Sequence[int]) -> str:
    """Return the text of tokens, without special ones."""
    text: str = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    return text


class _Stops:
    """Texts before which a text ends."""

    def __init__(self, tokenizer: Any, stops: Sequence[str]) -> None:
        self.tokenizer, self.stops = tokenizer, tuple(stops)
        # a token is a byte at least; some decoders drop a blank at the very beginning of what they get
        self.tail = 8 + max((len(stop.encode()) for stop in self.stops), default=0)

    def met(self, ids: Sequence[int]) -> bool:
        """Return whether a stop text is among the last tokens."""
        if not self.stops:
            return False
        text = decoded(self.tokenizer, ids[-self.tail :])
        return any(stop in text for stop in self.stops)

    def cut(self, text: str) -> str:
        """Return the text as far as the first stop text."""
        found = [at for stop in self.stops if (at := text.find(stop)) >= 0]
        return text[: min(found)] if found else text


class _Told:
    """Counts, and tells who listens."""

    def __init__(self, total: int, on_progress: OnProgress | None) -> None:
        self.total, self.on_progress = total, on_progress
        self.done = self.tokens = 0
        self.started = time.perf_counter()

    def tell(self) -> None:
        if self.on_progress is None:
            return
        seconds = time.perf_counter() - self.started
        left = seconds * (self.total - self.done) / self.done if self.done and seconds >= 3 else None
        self.on_progress(
            Progress(
                "generating",
                done=self.done,
                total=self.total,
                unit="texts",
                tokens=self.tokens,
                share=self.done / self.total,
                seconds=seconds,
                left=left,
            )
        )
