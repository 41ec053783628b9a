"""Activations of many texts, kept to show contexts of any feature: strongest first, with the words around.

Not for: which texts (``label_texts.py``), or what a labeller sees of them (``label_sheets.py``).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from label_texts import Sourced
from rich.progress import Progress

from saetext.reader.reader import Reader
from saetext.reader.thresholds.estimation import token_words
from saetext.reader.tokenization import Prepared
from saetext.text.passages import printable, word_bounds

REACH = (75, 75)  # characters shown before and after a word
_KINDS = (np.int32, np.int16, np.float32)


@dataclass
class Read:
    """Tokens of documents that were read, and their activations above zero, sorted by feature and value."""

    texts: list[str]
    registers: list[str]
    document: np.ndarray
    start: np.ndarray
    end: np.ndarray
    words: np.ndarray
    token: np.ndarray
    feature: np.ndarray
    value: np.ndarray
    bounds: np.ndarray
    reach: tuple[int, int] = REACH

    def of(self, feature: int) -> tuple[np.ndarray, np.ndarray]:
        """Return tokens and values of a feature, strongest first."""
        mine = slice(self.bounds[feature], self.bounds[feature + 1])
        return self.token[mine][::-1], self.value[mine][::-1]

    def passage(self, token: int, mark: bool) -> str:
        """Return the words around a token on one line."""
        text = self.texts[self.document[token]]
        start, end = word_bounds(text, int(self.start[token]), int(self.end[token]))
        left, right = self.reach
        before, after = text[max(0, start - left) : start], text[end : end + right]
        before = before[before.find(" ") + 1 :] if start > left else before
        after = after[: after.rfind(" ")] if len(after) == right and " " in after else after
        word = f"«{text[start:end]}»" if mark else text[start:end]
        flat = (before + word + after).replace("\n", " ⏎ ")
        return printable(flat).strip()

    def span(self, token: int) -> tuple[int, int]:
        """Return the first and last token of :meth:`passage`."""
        mine = self.document == self.document[token]
        first = int(np.argmax(mine))
        last = first + int(mine[first:].argmin() or len(mine) - first)
        near = np.arange(first, last)
        left, right = self.reach
        inside = (self.end[near] > self.start[token] - left) & (self.start[near] < self.end[token] + right)
        return int(near[inside][0]), int(near[inside][-1])


def occurrences(words: np.ndarray) -> dict[str, np.ndarray]:
    """Return where each word is."""
    order = np.argsort(words, kind="stable")
    names, starts = np.unique(words[order], return_index=True)
    return dict(zip(names.tolist(), np.split(order, starts[1:]), strict=True))


def open_reader(name: str) -> Reader:
    """Load a reader by its name, or from a directory with an SAE."""
    return Reader.load_local(name) if Path(name).is_dir() else Reader.load_many([name])


def read(reader: Reader, texts: Sequence[Sourced], reach: tuple[int, int] = REACH) -> Read:
    """Read texts with a reader of one SAE; those that it cannot read are left out."""
    [sae] = reader.calibrations
    parts: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    tables: list[Prepared] = []
    kept: list[str] = []
    done = 0
    with Progress() as bar:
        task = bar.add_task("reading", total=len(texts))
        for first in range(0, len(texts), 128):
            some = texts[first : first + 128]
            prepared = reader.tokens.prepare([text.document for text in some], "all")
            readable = [p for p in prepared if isinstance(p, Prepared)]
            starts = np.cumsum([0] + [p.n_tokens for p in readable]) + done
            for batch, saes in reader.entries(readable):
                place = starts[batch.rows] + batch.ordinals
                token, feature, value = saes[sae]
                # copies: an entry's tensor is a view of a whole block's
                columns = (place[token.numpy()], feature.numpy(), value.numpy())
                at, which, strength = (np.array(c, k) for c, k in zip(columns, _KINDS, strict=True))
                parts.append((at, which, strength))
            tables += readable
            kept += [t.source for t, p in zip(some, prepared, strict=True) if isinstance(p, Prepared)]
            done = int(starts[-1])
            bar.update(task, completed=first + len(some))
    tokens, features, values = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    order = np.lexsort((values, features))
    words = [re.sub(r"\s+", " ", w)[:40] for p in tables for w in token_words(p.text, p.start, p.end)]
    return Read(
        texts=[p.text for p in tables],
        registers=kept,
        document=np.repeat(np.arange(len(tables)), [p.n_tokens for p in tables]),
        start=np.concatenate([p.start for p in tables]),
        end=np.concatenate([p.end for p in tables]),
        words=np.array(words),
        token=tokens[order],
        feature=features[order],
        value=values[order],
        bounds=np.searchsorted(features[order], np.arange(len(reader.calibrations[sae]) + 1)),
        reach=reach,
    )
