"""What goes with an outcome in a few plain sentences, made from the result. Not for: the list."""

from __future__ import annotations

from typing import Any

from saetext.analysis.differences.outcome.result import OutcomeResult
from saetext.analysis.differences.sentences_of_several import telling_first
from saetext.text.one_line import many
from saetext.text.passages import printable

_TESTED = {"words": "words and phrases", "format": "marks of format"}
_NAMED = 4  # findings named of each direction


def sentences(result: OutcomeResult) -> list[str]:
    """Return what goes with the outcome, what length and prompts have to do with it, how sure it is."""
    return [_found(result), *_length(result), *_gone(result), *_sure(result), _caution(result)]


def tested(result: OutcomeResult) -> str:
    """Return how many descriptions of each kind were tested."""
    return ", ".join(f"{one.tested:,} {_TESTED.get(one.name, one.name)}" for one in result.families)


def amount(result: OutcomeResult, value: float) -> str:
    """Return an effect as it is shown: in percentage points, or in the units of the outcome."""
    if result.binary:
        return f"{100 * value:+.1f}"
    return f"{value:+.{decimals(result)}f}"


def decimals(result: OutcomeResult) -> int:
    """Return how many decimals an effect needs, by how much the outcome varies."""
    spread = result.metrics["spread"]
    return 1 if spread >= 20 else 2 if spread >= 0.5 else 3 if spread >= 0.05 else 5


def unit(result: OutcomeResult) -> str:
    """Return what effects are counted in."""
    return "points" if result.binary else printable(result.params["outcome"])


def _found(result: OutcomeResult) -> str:
    rows = result.table.to_dicts()
    sure = [row for row in rows if row["confirmed"]]
    told = telling_first(sure or rows)
    name = printable(result.outcome)
    chosen = [[row for row in told if row["effect"] * sign > 0] for sign in (1, -1)]
    parts = [_named(result, rows) for rows in chosen]
    if not any(parts):
        return f"Nothing was found that goes with {name} at equal length{_inside(result)}."
    head = (
        ""
        if sure or not result.metrics["split"]
        else "Nothing was confirmed; what stands out may be chance. "
    )
    more, less, rest = _directions(result)
    if not parts[0]:
        return f"{head}{less}: {parts[1]}."
    return f"{head}{more}: {parts[0]}{f'; {rest}: {parts[1]}' if parts[1] else ''}."


def _directions(result: OutcomeResult) -> tuple[str, str, str]:
    """Return what documents with a finding do: of an effect above 0, below it, and below it after above."""
    if result.pairs:
        return "Answers with these win more often", "Answers with these win less often", "less often"
    have = f"Documents with these have {{}}{printable(result.outcome)}{{}}"
    if result.binary:
        return have.format("", " more often"), have.format("", " less often"), "less often"
    return have.format("a higher ", ""), have.format("a lower ", ""), "a lower one"


def _inside(result: OutcomeResult) -> str:
    params = result.params
    column = "rows" if result.pairs and params["pair_on"] == "id" else params["pair_on"]
    parts = [] if column is None else [f"within {printable(column)}"]
    if params["control"]:
        parts.append(f"at equal {printable(' and '.join(params['control']))}")
    return "".join(f"{', ' if at else ' '}{part}" for at, part in enumerate(parts))


def _named(result: OutcomeResult, rows: list[dict[str, Any]]) -> str:
    first = {row["name"]: row for row in reversed(rows)}  # a feature may be called as a property is
    shown = [row for row in rows if first[row["name"]] is row][:_NAMED]
    return ", ".join(
        f"{row['name']} ({amount(result, row['effect'])}{' points' if result.binary and not at else ''})"
        for at, row in enumerate(shown)
    )


def _length(result: OutcomeResult) -> list[str]:
    length = result.metrics["length"]
    if length is None:
        return ["All documents are about equally long, so length explains nothing."]
    points = " points" if result.binary else ""
    interval = f"[{amount(result, length['ci_low'])}, {amount(result, length['ci_high'])}]"
    text = (
        f"Each doubling of length goes with {amount(result, length['per_doubling'])}{points} {interval}"
        f"{_inside(result)}"
    )
    if result.params["between"] is not None:
        text += f" ({amount(result, length['pooled'])} over all documents)"
    return [f"{text}; length alone tells {100 * length['share']:.0f} % of what varies."]


def _gone(result: OutcomeResult) -> list[str]:
    told = []
    for what, count in (("length", "only_by_length"), ("prompt", "only_by_prompt")):
        n = result.metrics[count]
        if not n:
            continue
        named = ", ".join(map(printable, result.gone[what]))
        only = f"through {'length' if what == 'length' else printable(result.params['between'])}"
        told.append(
            f"{n:,} more {'goes' if n == 1 else 'go'} with it {only} only" + (f": {named}." if named else ".")
        )
    return told


def _sure(result: OutcomeResult) -> list[str]:
    metrics = result.metrics
    if not metrics["found"]:
        return []
    if not metrics["split"]:
        return ["There are too few documents to confirm anything on a held-out half."]
    confirmed, found = metrics["found_confirmed"], metrics["found"]
    were = "was" if 1 in (confirmed, found) else "were"
    column = result.params["clustered_on"]
    named = {None: "documents", "id": "rows", "prompt": "prompts", "prompt_id": "prompts"}
    of = named.get(column, f"values of {printable(str(column))}")
    return [
        f"{confirmed:,} of {many(found, 'finding')} {were} found on one half of the {of} and again on the "
        "other."
    ]


def _caution(result: OutcomeResult) -> str:
    return (
        "This is association, not cause: a finding may stand for something else that goes with the outcome, "
        "such as who wrote the document."
    )
