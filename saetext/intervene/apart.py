"""Words that set the texts of each arm apart from the unedited ones.

The unit is the prompt: its texts are one, in which a word is or is not, so that one text that repeats a word,
or one prompt that asks for it, says little. With few prompts few words can stand out. Not for: words that an
edit should bring, which are asked for (:mod:`saetext.intervene.effects`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext.text.phrases import phrase_matrix
from saetext.text.words import parts

if TYPE_CHECKING:
    import polars as pl

LEAST_Z = 2.3  # log-odds in standard errors: 7 of 8 prompts against none
LEAST = 3  # prompts that have the word, in either arm
MOST = 8  # words of an arm, in each direction
_LOOKED_AT = 60


def words_apart(texts: pl.DataFrame, arms: Sequence[str]) -> pl.DataFrame:
    """Return the words and phrases that each arm's texts have more often, or less, than the first arm's.

    By the log-odds ratio with an informative prior over the prompts whose texts have the word
    (:func:`log_odds_of_shares`), at least 2.3 standard errors either way.

    Parameters
    ----------
    texts : polars.DataFrame
        As :attr:`SteerResult.texts`.
    arms : sequence of str
        The unedited one first.

    Returns
    -------
    polars.DataFrame
        arm, word, prompts (of the arm's texts that have it), prompts_unedited, z; those that are more often
        first. Of words that say the same the strongest stays.
    """
    import polars as pl

    whole = _by_prompt(texts)
    rows: list[dict[str, Any]] = []
    for arm in arms[1:]:
        both = [prompt for prompt in whole[arms[0]] if prompt in whole.get(arm, {})]
        rows += _of_arm(arm, [whole[arm][p] for p in both], [whole[arms[0]][p] for p in both])
    return pl.DataFrame(rows, schema=apart_schema())


def log_odds_of_shares(here: NDArray[Any], there: NDArray[Any], n: int) -> NDArray[np.float64]:
    """Return z of the log-odds ratio of how many of ``n`` prompts have a word in one arm and in the other.

    As of B. L. Monroe, M. P. Colaresi and K. M. Quinn, "Fightin' Words" (2008), with a prior of ``n`` prompts
    at the share of both arms together. The variance has the prompts without the word too: a word that nearly
    all have is no rare event.

    Parameters
    ----------
    here, there : int[words]
    n : int
        Prompts of each arm.

    Examples
    --------
    >>> import numpy as np
    >>> from saetext.intervene.apart import log_odds_of_shares
    >>> log_odds_of_shares(np.array([8, 6, 8]), np.array([0, 0, 7]), 8).round(2)
    array([2.69, 2.11, 0.7 ])
    """
    y, r = np.asarray(here, np.float64), np.asarray(there, np.float64)
    prior = (y + r) / 2  # of n prompts
    yes, no = np.stack([y + prior, r + prior]), np.stack([2 * n - y - prior, 2 * n - r - prior])
    no = np.maximum(no, 0.5)  # a word that all have
    odds = np.log(yes) - np.log(no)
    z: NDArray[np.float64] = (odds[0] - odds[1]) / np.sqrt((1 / yes + 1 / no).sum(axis=0))
    return z


def apart_schema() -> dict[str, Any]:
    """Return the columns of :func:`words_apart`."""
    import polars as pl

    return {
        "arm": pl.String,
        "word": pl.String,
        "prompts": pl.Int64,
        "prompts_unedited": pl.Int64,
        "z": pl.Float64,
    }


def _by_prompt(texts: pl.DataFrame) -> dict[str, dict[int, str]]:
    found: dict[str, dict[int, list[str]]] = {}
    for arm, prompt, text in texts.select("arm", "prompt", "text").iter_rows():
        found.setdefault(arm, {}).setdefault(prompt, []).append(text)
    # no phrase goes over the end of a line
    return {arm: {p: "\n".join(own) for p, own in sorted(by.items())} for arm, by in found.items()}


def _of_arm(arm: str, own: list[str], base: list[str]) -> list[dict[str, Any]]:
    n = len(own)
    if n < LEAST:
        return []
    terms = phrase_matrix([*own, *base], min_documents=LEAST)
    if not terms.names:
        return []
    there = (terms.matrix > 0).toarray()
    here, unedited = there[:n].sum(axis=0), there[n:].sum(axis=0)
    z = log_odds_of_shares(here, unedited, n)
    rows = []
    for sign in (1, -1):
        chosen: list[int] = []
        for i in np.argsort(-sign * z, kind="stable")[:_LOOKED_AT].tolist():
            if sign * z[i] < LEAST_Z or len(chosen) == MOST:
                break
            if not any(_same(terms.names[i], terms.names[j]) for j in chosen):
                chosen.append(i)
        rows += [
            {
                "arm": arm,
                "word": terms.names[i],
                "prompts": int(here[i]),
                "prompts_unedited": int(unedited[i]),
                "z": float(z[i]),
            }
            for i in chosen
        ]
    return rows


def _same(one: str, other: str) -> bool:
    """Return whether all words of one stand in the other."""
    a, b = ({word.casefold() for word in parts(text)} for text in (one, other))
    return a <= b or b <= a
