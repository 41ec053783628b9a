"""On what else features are active: themes of the passages they are active in, and passages without gender.

A passage is 32 tokens of a reference text. Its theme is the one whose name and description are most like it
by the sentence model, so that features of any SAE can be compared. Not for: what features do.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
from numpy.typing import NDArray

from saetext.documents import Document, open_documents
from saetext.errors import InputError
from saetext.features.theme_index import ThemeIndex
from saetext.features.themes import Themes
from saetext.intervene.bias.words import GENDERED
from saetext.intervene.shifts.panel import Panel
from saetext.intervene.strength import default_reference
from saetext.io.progress import Stages
from saetext.reader import sentences
from saetext.reader.prompts import Prompt

PASSAGE = 32  # tokens
_MOST = 2_000  # documents looked at
_DRAWS = 200  # random sets of passages
_WORD = re.compile(r"[a-z]+")


@dataclass(frozen=True)
class Spread:
    """On what a feature is active.

    Attributes
    ----------
    contexts : int
        Passages in which it is.
    elsewhere : float or None
        Share of them without a word that speaks of a man or a woman; None of none.
    entropy : float or None
        Of the themes of these passages, in bits; None without a sentence model, or of fewer than two.
    entropy_random : float or None
        The same of as many passages drawn at random, mean over 200 draws.
    """

    contexts: int
    elsewhere: float | None
    entropy: float | None
    entropy_random: float | None


@dataclass(frozen=True, eq=False)
class Passages:
    """Passages of reference text.

    Attributes
    ----------
    texts : tuple of str
    prompts : tuple of Prompt
    theme : int64[n] or None
        The number of each one's theme; None without a sentence model.
    gendered : bool[n]
        Whether it has a word that speaks of a man or a woman.
    """

    texts: tuple[str, ...]
    prompts: tuple[Prompt, ...]
    theme: NDArray[np.int64] | None
    gendered: NDArray[np.bool_]


def passages_of(panel: Panel, path: Path | None, most: int, seed: int) -> Passages:
    """Return passages of a file of texts, by default of the example's answers, drawn by document.

    Raises
    ------
    InputError
        If the file cannot be read, or has no text of a passage's length.
    """
    files = default_reference() if path is None else [path]
    texts: list[str] = []
    for file in files:
        whole = (item for item in open_documents(file) if isinstance(item, Document))
        texts += [document.text for document in islice(whole, _MOST) if document.text.strip()]
    texts = sorted(set(texts))
    order = np.random.default_rng([seed, 5]).permutation(len(texts))
    prompts: list[Prompt] = []
    for number in order:
        if len(prompts) * PASSAGE >= most:
            break
        prompts += _cut(panel, texts[number])
    prompts = prompts[: max(1, most // PASSAGE)]
    if not prompts:
        raise InputError(f"{files[0]} has no text of {PASSAGE} tokens: name others with --reference")
    shown = tuple(panel.model.tokenizer.decode(prompt.ids.tolist()) for prompt in prompts)
    return Passages(shown, tuple(prompts), _themes(shown, str(panel.model.device)), gendered(shown))


def spreads(
    panel: Panel, passages: Passages, features: Sequence[int], seed: int, say: Stages
) -> list[Spread]:
    """Return on what each feature is active."""
    kept = panel.keep(passages.prompts, say.counting("reading reference text"))
    place = {feature: i for i, feature in enumerate(features)}
    inside = np.zeros((len(kept), len(features)), bool)
    for row, one in enumerate(kept):
        for feature in set(one.feature.cpu().numpy().tolist()) & place.keys():
            inside[row, place[feature]] = True
    return [spread_of(inside[:, i], passages.theme, passages.gendered, seed) for i in range(len(features))]


def spread_of(
    inside: NDArray[np.bool_], theme: NDArray[np.int64] | None, gender: NDArray[np.bool_], seed: int
) -> Spread:
    """Return the spread of a feature from the passages that it is active in.

    Examples
    --------
    >>> import numpy as np
    >>> from saetext.intervene.bias.spread import spread_of
    >>> theme, gender = np.array([0, 0, 1, 2]), np.array([True, True, False, False])
    >>> spread = spread_of(np.array([True, True, True, False]), theme, gender, 0)
    >>> spread.contexts, round(spread.elsewhere, 2), round(spread.entropy, 2)
    (3, 0.33, 0.92)
    """
    n = int(inside.sum())
    elsewhere = float((~gender[inside]).mean()) if n else None
    if theme is None or n < 2:
        return Spread(n, elsewhere, None, None)
    draw = np.random.default_rng([seed, n])
    random = [entropy(theme[draw.permutation(len(theme))[:n]]) for _ in range(_DRAWS)]
    return Spread(n, elsewhere, entropy(theme[inside]), float(np.mean(random)))


def entropy(of: NDArray[np.int64]) -> float:
    """Return the entropy of the shares of each value, in bits."""
    shares = np.unique(of, return_counts=True)[1] / len(of)
    return float(-(shares * np.log2(shares)).sum() + 0.0)


def gendered(texts: Sequence[str]) -> NDArray[np.bool_]:
    """Return which texts have a word that speaks of a man or a woman."""
    return np.array([bool(GENDERED & set(_WORD.findall(text.casefold()))) for text in texts], bool)


def _cut(panel: Panel, text: str) -> list[Prompt]:
    whole = panel.model.encode_prompt(text[:4000], raw=True) if panel.model.max_positions is None else None
    if whole is None:
        assert panel.model.max_positions is not None
        whole = panel.model.encode_prompt(text[: min(4000, 2 * panel.model.max_positions)], raw=True)
    n = len(whole) // PASSAGE
    return [
        Prompt(
            "",
            whole.ids[i * PASSAGE : (i + 1) * PASSAGE],
            whole.turn[i * PASSAGE : (i + 1) * PASSAGE],
            whole.roles,
        )
        for i in range(n)
    ]


def _themes(texts: Sequence[str], device: str) -> NDArray[np.int64] | None:
    if not sentences.available():
        return None
    embedder = sentences.Embedder.load(device)
    index = ThemeIndex(list(Themes.load("embedded")), 1, embedder.embed)
    vectors = embedder.embed(list(texts))
    return np.array([int(index.similarities(vector).argmax()) for vector in vectors], np.int64)
