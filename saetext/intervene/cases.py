"""Cases: prompts as a model's tokens, cut where a metric is taken.

Not for: running the model.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from saetext.errors import InputError
from saetext.intervene.places import At
from saetext.intervene.rows import Row
from saetext.io.progress import OnProgress
from saetext.reader.causal import CausalModel
from saetext.reader.prompts import Prompt
from saetext.text.one_line import quoted

Scope = Literal["content", "all"]


@dataclass(frozen=True)
class Case:
    """One prompt as tokens, up to and including the position at which a metric is taken.

    Attributes
    ----------
    row : Row
        Where it comes from; with the answer that was written, if one was.
    ids : int64[n]
        Token ids; the metric is about what comes after the last.
    scope : bool[n]
        Positions whose features are looked at.
    tokens : tuple of str
        Each token as text.
    """

    row: Row
    ids: NDArray[np.int64]
    scope: NDArray[np.bool_]
    tokens: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class How:
    """How prompts become cases: the options of :class:`saetext.intervene.attribution.AttributeRequest`."""

    at: At
    scope: Scope = "content"
    system: str | None = None
    raw: bool = False
    write: int = 0
    on_progress: OnProgress | None = None


def cases_of(model: CausalModel, rows: Sequence[Row], how: How) -> list[Case]:
    """Return prompts as cases, after the model has answered where it was asked to.

    Raises
    ------
    InputError
        If a prompt cannot be used, is too long, or has no such place.
    """
    prompts = [_prompt(model, row, how) for row in rows]
    if how.write:
        rows = _answered(model, rows, prompts, how)
    return [_case(model, row, prompt, how) for row, prompt in zip(rows, prompts, strict=True)]


def _prompt(model: CausalModel, row: Row, how: How) -> Prompt:
    try:
        prompt = row.prompt if isinstance(row.prompt, str) else [dict(turn) for turn in row.prompt]
        return model.encode_prompt(prompt, system=how.system, raw=how.raw)
    except InputError as error:
        raise InputError(f"prompt {quoted(row.id, 40)}: {error}") from None


def _answered(model: CausalModel, rows: Sequence[Row], prompts: Sequence[Prompt], how: How) -> list[Row]:
    """Let the model answer where a row has no answer: its most probable tokens."""
    empty = [number for number, row in enumerate(rows) if not row.answer]
    made = model.generate(
        [prompts[number] for number in empty],
        max_new_tokens=how.write,
        temperature=0.0,
        on_progress=how.on_progress,
    )
    answered = list(rows)
    for text in made:
        number = empty[text.prompt]
        answer = text.text
        if how.at.kind == "last-item" and text.finish in ("length", "window"):
            answer = answer[: answer.rfind("\n") + 1] or answer  # the last line is unfinished
        answered[number] = dataclasses.replace(rows[number], answer=answer)
    return answered


def _case(model: CausalModel, row: Row, prompt: Prompt, how: How) -> Case:
    backend = model.tokenizer.backend_tokenizer
    encoding = backend.encode(row.answer, add_special_tokens=False)
    ids = np.concatenate([prompt.ids, np.array(encoding.ids, np.int64)])
    scope = np.ones(len(ids), bool)
    inner = prompt.content() if how.scope == "content" else ~prompt.bos
    scope[: len(prompt)] = inner
    kept = _place(row, prompt, encoding, backend, how)
    if not kept:
        raise InputError(f"prompt {quoted(row.id, 40)}: nothing stands before {quoted(how.at.source)}")
    tokens = tuple(model.tokenizer.decode([int(token)]) for token in ids[:kept])
    return Case(row, ids[:kept], scope[:kept], tokens)


def _place(row: Row, prompt: Prompt, encoding: Any, backend: Any, how: How) -> int:
    """Return the number of tokens up to the place."""
    if how.at.kind == "last":
        return len(prompt) + len(encoding.ids)
    if row.answer:
        before, text, offsets = len(prompt), row.answer, encoding.offsets
    elif how.raw:
        plain = backend.encode(prompt.text, add_special_tokens=False)
        before, text, offsets = len(prompt) - len(plain.ids), prompt.text, plain.offsets
    else:
        raise InputError(
            f"prompt {quoted(row.id, 40)} has no answer to find {quoted(how.at.source)} in: give one in a "
            "column beside the prompt, or let the model answer with --write 200"
        )
    found = how.at.find(text, np.array(offsets, np.int64).reshape(-1, 2))
    if found is None:
        raise InputError(f"prompt {quoted(row.id, 40)} has no place {quoted(how.at.source)}")
    return before + found


def require_room(model: CausalModel, cases: Sequence[Case], branches: Sequence[Sequence[int]]) -> None:
    """Raise :class:`InputError` unless every case, with what is fed after it, fits the model's window."""
    if model.max_positions is None:
        return
    fed = max(len(branch) for branch in branches)
    for case in cases:
        if len(case) + fed > model.max_positions:
            raise InputError(
                f"prompt {quoted(case.row.id, 40)} has {len(case) + fed:,} tokens with the metric's text, "
                f"and {model.name} has {model.max_positions:,} positions"
            )


# ---- batches -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sheet:
    """Cases side by side as one forward pass has them: a row for each case and branch of the metric.

    Attributes
    ----------
    ids, mask : int64[rows, sequence]
        Padded on the right.
    lengths : tuple of int
        Tokens of each case.
    branches : tuple of tuple of int
        What is fed after each case's last token, a row for each.
    keep : tuple of int
        The positions whose logits are wanted, in order.
    """

    ids: Tensor
    mask: Tensor
    lengths: tuple[int, ...]
    branches: tuple[tuple[int, ...], ...]
    keep: tuple[int, ...]

    @property
    def first(self) -> list[int]:
        """The row of each case's first branch; the others follow it."""
        return [number * len(self.branches) for number in range(len(self.lengths))]

    def logits(self, kept: Tensor, number: int) -> list[Tensor]:
        """Return a case's logits for each branch, at its position and after each token that was fed.

        Parameters
        ----------
        kept : float[rows, keep, vocabulary]
            As the model gave them.
        number : int
            Which case of the sheet.
        """
        at = self.keep.index(self.lengths[number] - 1)
        place = {position: index for index, position in enumerate(self.keep)}
        found = []
        for branch, fed in enumerate(self.branches):
            wanted = [place[self.keep[at] + step] for step in range(len(fed) + 1)]
            found.append(kept[self.first[number] + branch, wanted])
        return found


def sheet_of(cases: Sequence[Case], branches: tuple[tuple[int, ...], ...]) -> Sheet:
    """Return cases side by side, each once for every branch."""
    rows = [[*case.ids.tolist(), *fed] for case in cases for fed in branches]
    longest = max(map(len, rows))
    ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in rows])
    steps = range(max(map(len, branches)) + 1)
    ends = {len(case) - 1 for case in cases}
    keep = sorted({end + step for end in ends for step in steps if end + step < longest})
    return Sheet(ids, mask, tuple(map(len, cases)), branches, tuple(keep))


def batches(lengths: Sequence[int], size: int) -> Iterator[list[int]]:
    """Yield numbers of things in batches of like length, the longest first."""
    order = sorted(range(len(lengths)), key=lambda number: (-lengths[number], number))
    for start in range(0, len(order), size):
        yield order[start : start + size]
