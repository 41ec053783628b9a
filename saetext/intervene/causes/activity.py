"""How active each feature is in texts, prompt by prompt: what sides differ in. Not for: what it causes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
from numpy.typing import NDArray

from saetext.intervene.ablation.survey import states

if TYPE_CHECKING:
    from saetext.intervene.edit import Change
    from saetext.intervene.generator import Generator
    from saetext.intervene.writing import Written
    from saetext.reader.prompts import Prompt

_TINY = 1e-12


def activity(
    generator: Generator,
    prompts: Sequence[Prompt],
    texts: Sequence[Written],
    mode: str,
    batch: int,
    changes: Sequence[Change] = (),
) -> NDArray[np.float64]:
    """Return float64[prompts, d_sae]: each feature's mean activation at the positions that would be edited.

    Zeros are included. Prompts without such a position have 0.

    Parameters
    ----------
    generator : Generator
        With an SAE.
    prompts : sequence of Prompt
    texts : sequence of Written
        Samples of one prompt count together.
    mode : str
        Which positions.
    batch : int
        Most texts at once.
    changes : sequence of Change
        The edit under which they were written, if any.
    """
    assert generator.sae is not None
    d_sae = generator.sae.encoder.d_sae
    total = np.zeros((len(prompts), d_sae))
    tokens = np.zeros(len(prompts))
    for one in states(generator, prompts, texts, mode, batch, changes):
        token, feature, value = (part.cpu().numpy() for part in generator.sae.entries(one.x))
        row = one.row.cpu().numpy()
        np.add.at(total, (row[token], feature), value)
        tokens += np.bincount(row, minlength=len(prompts))
    return total / np.maximum(tokens, 1)[:, None]


def contrast(
    more: NDArray[np.float64], less: NDArray[np.float64], *, paired: bool = True
) -> NDArray[np.float64]:
    """Return float64[d_sae]: how much more active features are on one side, in units of their own spread.

    The mean difference over prompts, divided by its standard deviation plus the median one of all features
    that differ (Tusher, Tibshirani and Chu 2001, doi:10.1073/pnas.091062498): what hardly varies is no
    finding.

    Parameters
    ----------
    more, less : float64[prompts, d_sae]
    paired : bool
        Whether the rows of both are of the same prompts.
    """
    spread = (more - less).std(axis=0) if paired else np.sqrt(more.var(axis=0) + less.var(axis=0))
    there = spread > 0
    extra = float(np.median(spread[there])) if there.any() else 1.0
    difference = more.mean(axis=0) - less.mean(axis=0)
    found: NDArray[np.float64] = difference / np.maximum(spread + extra, _TINY)
    return found
