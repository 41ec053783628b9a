"""The room Turn, one word of an answer: which features of the text before it the model took it from.

Not for: the texts (turn_shown.py), what is put aside (turn_put.py), or computing it (queries/explaining.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from starlette.requests import Request

from saetext.report.explore.asked import Asked
from saetext.report.explore.jobs import Job
from saetext.report.explore.loaded import Loaded
from saetext.report.explore.queries.explaining import Word, asked_of_word, explained, word_of
from saetext.report.explore.queries.turning import Question, Turned, shades_apart
from saetext.report.explore.waiting import job_of, shown_of
from saetext.report.html.parts import shade_of
from saetext.text.passages import printable

if TYPE_CHECKING:
    from saetext.features.labels import FeatureLabels
    from saetext.intervene.attribution.one_token import TokenCauses
    from saetext.io.progress import OnProgress

MOST_GAP = 0.05  # share of the change that may be missed before it is warned of
_AROUND = 6  # tokens beside the one a feature is active at
FAINT = 0.06  # of the strongest token, below which one is not shaded
_CLOSED = 0.0005  # effects below are written as 0


def pieces_of(found: Turned, prompt: int, is_turned: bool) -> list[tuple[str, int, str]]:
    """Return a text cut at its words, each with its step of shading and what an address calls it."""
    one, other = (found.texts[prompt, side] for side in (is_turned, not is_turned))
    pieces: list[tuple[str, int, str]] = []
    for (part, token), shade in zip(one.parts(), shades_apart(one.text, other.text), strict=True):
        key = "" if token is None else Word(prompt, is_turned, token, part).key
        if part:
            pieces.append((printable(part, newlines=True), shade, key))
    return pieces


def panel(
    request: Request, loaded: Loaded, labels: FeatureLabels, question: Question, found: Turned, asked: Asked
) -> dict[str, Any] | None:
    """Return what the page shows of the word that is asked for; None where none is.

    Raises
    ------
    InputError
        If there is no such word.
    """
    key = asked.text("word", longest=10)
    if not key:
        return None
    word = word_of(found, key)
    job = job_of_word(request, loaded, question, found, word)
    shown = {"key": word.key, "prompt": word.prompt, "word": printable(word.text), "turned": word.is_turned}
    if job.state != "done":
        return {**shown, "job": shown_of(job), "found": None}
    return {**shown, "job": None, "found": found_of(job.result, labels), "causes": job.result}


def job_of_word(request: Request, loaded: Loaded, question: Question, found: Turned, word: Word) -> Job:
    """Return the job that says what a word comes from; its result is a ``TokenCauses``."""

    def run(on_progress: OnProgress) -> TokenCauses:
        return explained(question, found, word, loaded.writers, on_progress)

    title = f"Looking for what {printable(word.text)} comes from"
    return job_of(request, "turn-word", asked_of_word(question, word), title, run)


def found_of(causes: TokenCauses, labels: FeatureLabels) -> dict[str, Any]:
    """Return what is shown of what a word comes from."""
    rows = [_row(causes, row, labels) for row in causes.table.to_dicts()]
    checks = causes.checks
    return {
        "token": _token(causes.token),
        "probability": _percent(causes.value),
        "value": f"{causes.value:.2f}",
        "without": f"{causes.without:.2f}",
        "unedited": None if causes.unedited is None else _percent(causes.unedited),
        "by_edit": None if causes.unedited is None else _signed(causes.value - causes.unedited),
        "features": _signed(causes.features),
        "change": _signed(causes.value - causes.without),
        "missed": _percent_of(causes.gap),
        "misses": causes.gap > MOST_GAP,
        "error": _signed(causes.error),
        "more_error": abs(causes.error) > abs(causes.features),
        "raise": [row for row in rows if row["up"]],
        "lower": [row for row in rows if not row["up"]],
        "astray": sum(row["astray"] for row in rows),
        "shown": len(rows),
        "text": _text(causes),
        "pairs": f"{causes.pairs:,}",
        "others": f"{checks['others']:,}",
        "checked": checks["checked"],
        "largest": None if checks["largest_other"] is None else f"{checks['largest_other']:.3f}",
        "above": checks["others_above"],
    }


def _row(causes: TokenCauses, row: Mapping[str, Any], labels: FeatureLabels) -> dict[str, Any]:
    at = row["position"]
    first = max(0, at - _AROUND)
    while first < at and not causes.scope[first:at].all():  # not over the template's words
        first += 1
    return {
        "feature": row["feature"],
        "label": labels.label(row["feature"]),
        "before": printable("".join(causes.tokens[first:at])),
        "token": _shown(causes.tokens[at]),
        "after": printable("".join(_content(causes, at + 1, at + 1 + _AROUND))),
        "up": row["attribution"] > 0,
        "attribution": _signed(row["attribution"]),
        "exact": _signed(row["exact"]),
        "activation": f"{row['activation']:.1f}",
        # the gradient says one thing, and taking the feature out another
        "astray": row["attribution"] * row["exact"] < 0,
    }


def _content(causes: TokenCauses, start: int, end: int) -> list[str]:
    found = []
    for at in range(start, min(end, len(causes.tokens))):
        if not causes.scope[at]:
            break
        found.append(causes.tokens[at])
    return found


def _text(causes: TokenCauses) -> list[dict[str, Any]]:
    """Return the prompt and the answer before the word, tokens shaded by what raises it there."""
    most = max(causes.sums.max(initial=0.0), 0.0)
    parts: list[dict[str, Any]] = []
    for name, start, end in (("prompt", 0, causes.prompt), ("answer", causes.prompt, len(causes.tokens))):
        pieces = []
        for at in range(start, end):
            if not causes.scope[at]:
                continue
            strength = causes.sums[at] / most if most > 0 else 0.0
            shade = shade_of(strength) if strength > FAINT else 0
            pieces.append((printable(causes.tokens[at], newlines=True), shade, _signed(causes.sums[at])))
        parts.append({"name": name, "pieces": pieces})
    return parts


def _shown(token: str) -> str:
    """Return a token so that one sees it: a line break as an arrow, a mere blank as a sign."""
    told = printable(token.replace("\n", "↵"))
    return told if told.strip() else "␣"


def _token(token: str) -> str:
    """Return a token alone, without the blank before it."""
    return _shown(token).strip()


def _signed(value: float) -> str:
    if abs(value) < _CLOSED:
        return "0"
    return f"{value:+.3f}" if abs(value) < 0.1 else f"{value:+.2f}"


def _percent(log: float) -> str:
    share = math.exp(min(log, 0.0))
    return "below 0.01\u00a0%" if share < 0.0001 else f"{100 * share:.2g}\u00a0%"


def _percent_of(share: float) -> str:
    return f"{100 * share:.1f}\u00a0%"
