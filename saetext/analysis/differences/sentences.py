"""What changed between sets, in a few plain sentences made from the list of findings.

Not for: the list (:mod:`saetext.analysis.differences.found`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saetext.analysis.differences.sentences_of_several import UNCONFIRMED, sentences_of_several, telling_first
from saetext.text.passages import printable

if TYPE_CHECKING:
    from saetext.analysis.differences.result import DiffResult

_TESTED = {"words": "words and phrases", "format": "marks of format"}
_UNTOLD = "for {:,} of the differences the data cannot tell whether length explains them"
_NAMED = 4  # findings named of each set
_FEW = 300  # documents of a side: with fewer, ten points are seldom found among all that is tested


def sentences(result: DiffResult) -> list[str]:
    """Return what each set has more of, what length has to do with it, and how sure it is."""
    if result.found is None:
        return []
    if result.several:
        return sentences_of_several(result)
    a, b = map(printable, result.names)
    return [_changed(result, a, b), *_few(result), *_length(result, a, b), *_sure(result)]


def tested(result: DiffResult) -> str:
    """Return how many descriptions of each kind were tested."""
    return ", ".join(f"{one.tested:,} {_TESTED.get(one.name, one.name)}" for one in result.families)


def _changed(result: DiffResult, a: str, b: str) -> str:
    assert result.found is not None
    rows = [row for row in result.found.to_dicts() if row["length"] != "yes"]
    sure = [row for row in rows if row["confirmed"]]
    told = sure or rows
    more = [_more(name, [row for row in told if row["diff"] * sign > 0]) for name, sign in ((a, 1), (b, -1))]
    found = "; ".join(part for part in more if part)
    if not found:
        by_length = bool(result.metrics["found"])
        return "Nothing was found that differs" + (" and that length does not explain." if by_length else ".")
    if not sure and result.design is not None and result.design.split:
        return f"{UNCONFIRMED}: {found}."
    return f"{found}."


def _few(result: DiffResult) -> list[str]:
    """Say where nothing was found among few documents: that is no evidence that the sets are alike."""
    assert result.found is not None
    sizes = result.metrics["documents_a"], result.metrics["documents_b"]
    if result.found.height or min(sizes) >= _FEW:
        return []
    return [f"With {sizes[0]:,} and {sizes[1]:,} documents, only large differences can be found."]


def _more(name: str, rows: list[dict[str, Any]]) -> str:
    if not rows:
        return ""
    rows = telling_first(rows)
    named = ", ".join(
        f"{row['name']} ({100 * row['rate_a']:.0f} against {100 * row['rate_b']:.0f} %)"
        if row["diff"] > 0
        else f"{row['name']} ({100 * row['rate_b']:.0f} against {100 * row['rate_a']:.0f} %)"
        for row in rows[:_NAMED]
    )
    return f"{name} has more of: {named}"


def _length(result: DiffResult, a: str, b: str) -> list[str]:
    metrics = result.metrics
    medians = metrics["median_tokens_a"], metrics["median_tokens_b"]
    text = f"The median document has {medians[0]:,.0f} tokens in {a} and {medians[1]:,.0f} in {b}"
    explained, unclear = metrics["found_by_length"], metrics["found_unclear"]
    if not explained and not unclear:
        return [f"{text}; length explains none of the differences."]
    parts = []
    if explained:
        parts.append(f"length explains {explained:,} of the differences, which are listed last")
    if unclear:
        more = f"for {unclear:,} more the data cannot tell"
        parts.append(more if explained else _UNTOLD.format(unclear))
    return [f"{text}; {'; '.join(parts)}."]


def _sure(result: DiffResult) -> list[str]:
    metrics = result.metrics
    if not metrics["found"]:
        return []
    if not result.design or not result.design.split:
        return ["There are too few documents to confirm a difference on a held-out half."]
    return [
        f"{metrics['found_confirmed']:,} of {metrics['found']:,} differences were found on one half of the "
        "documents and again on the other."
    ]
