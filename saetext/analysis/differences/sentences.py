"""What changed between two sets, in three plain sentences made from the list of findings.

Not for: the list (:mod:`saetext.analysis.differences.found`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from saetext.text.passages import printable

if TYPE_CHECKING:
    from saetext.analysis.differences.result import DiffResult

_UNTOLD = "for {:,} of the differences the data cannot tell whether length explains them"
_NAMED = 4  # findings named of each set


def sentences(result: DiffResult) -> list[str]:
    """Return what each set has more of, what length has to do with it, and how sure it is."""
    if result.found is None:
        return []
    a, b = map(printable, result.names)
    rows = result.found.to_dicts()
    told = [row for row in rows if row["confirmed"] and row["length"] != "yes"] or [
        row for row in rows if row["length"] != "yes"
    ]
    more = [
        _more(name, [row for row in told if row["diff"] * sign > 0]) for name, sign in ((a, 1), (b, -1))
    ]
    found = [part for part in more if part]
    changed = f"{'; '.join(found)}." if found else "Nothing was found that differs."
    return [changed, *_length(result, a, b), *_sure(result)]


def _more(name: str, rows: list[dict[str, Any]]) -> str:
    if not rows:
        return ""
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
