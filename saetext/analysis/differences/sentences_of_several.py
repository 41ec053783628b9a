"""How several sets differ, a plain sentence a set, made from the list of findings.

Not for: two sets (:mod:`saetext.analysis.differences.sentences`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from saetext.text.passages import printable

if TYPE_CHECKING:
    from saetext.analysis.differences.result import DiffResult

SETS = 10  # sets that get a sentence, in their order
_NAMED = 3  # findings named of each set
_LARGE = 0.5  # of the strongest difference that others must have to be named before it
_APART = 1 / 3  # of a difference to all others that the closest of them must show
#: What is found on all documents has q < .05; halves of few documents seldom confirm it.
UNCONFIRMED: Final = "Likely (q < .05), though not confirmed on held-out documents"


def sentences_of_several(result: DiffResult) -> list[str]:
    """Return what each set has more of than all others, what length has to do with it, and how sure it is."""
    assert result.found is not None
    rows = [row for row in result.found.to_dicts() if row["length"] != "yes"]
    sure = [row for row in rows if row["confirmed"]]
    told: list[str] = []
    for name in result.names:
        mine = [row for row in sure or rows if row["set"] == name]
        if mine:
            told.append(_of_set(printable(name), mine))
    if (more := len(told) - SETS) > 0:
        told = [*told[:SETS], f"{more} more sets differ from the others: see the list."]
    if not told:
        by_length = bool(result.metrics["found"])
        but = " and that length does not explain" if by_length else ""
        told = [f"Nothing was found that differs{but}."]
    elif not sure and result.metrics["halved"]:
        told.insert(0, f"{UNCONFIRMED}:")
    return [*told, _length(result), *_sure(result)]


def _of_set(name: str, rows: list[dict[str, Any]]) -> str:
    for sign, word in ((1, "more"), (-1, "less")):
        if mine := [row for row in rows if sign * row["diff"] > 0]:
            enough = _LARGE * abs(mine[0]["diff"])
            large = [row for row in mine if abs(row["diff"]) >= enough]
            gaps = [_gap(row, sign) / abs(row["diff"]) for row in large]
            apart = [row for row, gap in zip(large, gaps, strict=True) if gap >= _APART]
            most = [row for row, gap in zip(large, gaps, strict=True) if 0 < gap < _APART]
            return f"{name} has {word} of: {_told(telling_first([*apart, *most] or mine))}."
    return f"{name} differs from the others."


def _gap(row: dict[str, Any], sign: int) -> float:
    """Return by how much a set has more (less) than the one of the others that comes closest."""
    others = [sign * rate for name, rate in row["rates"].items() if name != row["set"]]
    return float(sign * row["rate"] - max(others))


def telling_first(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return findings with those last whose names say little, such as punctuation and function words.

    Those called by small words or by words at some of their peaks alone ("near “The” and others") are left
    out where there are others: a sentence has no room for the passages that would explain them.
    """
    named = [row for row in rows if row["telling"] or row.get("fits") is not False]
    return sorted(named or rows, key=lambda row: not row["telling"])


def _told(rows: list[dict[str, Any]]) -> str:
    return ", ".join(
        f"{row['name']} ({100 * row['rate']:.0f} against {100 * row['rate_rest']:.0f} %)"
        for row in rows[:_NAMED]
    )


def _length(result: DiffResult) -> str:
    metrics = result.metrics
    medians = [f"{median:,.0f} in {printable(name)}" for name, median in metrics["median_tokens"].items()]
    medians[0] = medians[0].replace(" in ", " tokens in ", 1)
    text = f"The median document has {', '.join(medians[:-1])} and {medians[-1]}"
    explained, unclear = metrics["found_by_length"], metrics["found_unclear"]
    if not explained and not unclear:
        return f"{text}; length explains none of the differences."
    parts = []
    if explained:
        parts.append(f"length explains {explained:,} of the differences, which are listed last")
    if unclear:
        whom = f"{unclear:,} more" if explained else f"{unclear:,} of the differences"
        parts.append(f"for {whom} the data cannot tell")
    return f"{text}; {'; '.join(parts)}."


def _sure(result: DiffResult) -> list[str]:
    metrics = result.metrics
    if not metrics["found"]:
        return []
    if not metrics["halved"]:
        return ["There are too few documents to confirm a difference on a held-out half."]
    return [
        f"{metrics['found_confirmed']:,} of {metrics['found']:,} differences of a set from all others were "
        "found on one half of the documents and again on the other."
    ]
