"""The list of what goes together, a row a finding, named by what anyone can read.

Not for: the table of pairs of features (:mod:`saetext.analysis.cooccurrence.tables`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from saetext.analysis.cooccurrence.context import Context
from saetext.analysis.cooccurrence.descriptions.folding import Led, lead
from saetext.analysis.cooccurrence.descriptions.making import Descriptions, descriptions
from saetext.analysis.cooccurrence.descriptions.passages import reason_of
from saetext.analysis.cooccurrence.descriptions.places import Places
from saetext.analysis.cooccurrence.descriptions.testing import Associated, associated, coarser
from saetext.analysis.cooccurrence.result import FOUND, Marked, Shown
from saetext.corpus.protocol import Ints
from saetext.text.passages import printable

if TYPE_CHECKING:
    import polars as pl

ROWS = 10_000  # documents whose words and themes are paired; of more, a sample
NAMED = 12  # members that are named in a row
ILLUSTRATED = 60  # rows of the list that get lines of text
EACH = 3  # lines of each, of different documents
_LOOKED_AT = 20  # documents in which places are looked for


@dataclass(frozen=True, eq=False)
class Listed:
    """The list, lines of text for its rows, and what was decided."""

    table: pl.DataFrame
    examples: dict[int, tuple[Shown, ...]] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def list_of(context: Context) -> Listed | None:
    """Return what goes together in one corpus; None where texts are not stored.

    Parameters
    ----------
    context : Context
        One corpus, and the rows of it.
    """
    context, notes = _sampled(context)
    corpus, sae, take = context.corpora[0], context.saes[0], context.rows.take[0]
    texts = corpus.documents.select("text").collect()["text"].gather(take).to_list()
    if any(text is None for text in texts):
        return None
    context.tell("counting words and themes", 0, 0)
    least = max(context.support, context.request.min_joint)
    made = descriptions(corpus, sae, take, texts, least, context.tell)
    found, tests = associated(context, made)
    context.tell("looking where they stand", 0, 0)
    places = Places(corpus, sae, take, made)
    counts = context.counting("looking for topics"), context.counting("looking where they stand")
    led, hidden = lead(
        found, made, len(take), lambda k: _reason(found, made, places, k), places.themes, counts
    )
    rows, examples = [], {}
    named = _named(found, made, places, led)
    for at, (names, one) in enumerate(named.items()):
        shown = _examples(found, made, places, one.at) if at < ILLUSTRATED else ()
        if shown:
            examples[at] = shown
        rows.append(_row(found, made, names, one, shown[0].line if shown else None))
    metrics = {
        "described_documents": len(take), "described": len(made), "described_pairs": tests,
        "found": len(rows), "found_confirmed": sum(row["confirmed"] for row in rows),
        "described_hidden": dict(hidden),
    }  # fmt: skip
    return Listed(_frame(rows), examples, metrics, notes)


def _sampled(context: Context) -> tuple[Context, tuple[str, ...]]:
    """Return the context with at most :data:`ROWS` rows, as many of each half as there are of it."""
    rows = context.rows
    if len(rows) <= ROWS:
        return coarser(context), ()
    kept = np.sort(np.random.default_rng(context.request.seed).choice(len(rows), ROWS, replace=False))
    group = (
        None if rows.group is None else np.unique(rows.group[kept], return_inverse=True)[1].astype(np.int32)
    )
    some = dataclasses.replace(
        rows, take=tuple(take[kept] for take in rows.take), half_rows=int((kept < rows.half_rows).sum()),
        stratum=rows.stratum[kept], by_length=rows.by_length[kept], group=group,
    )  # fmt: skip
    note = f"words and themes are of a sample of {ROWS:,} documents"
    return coarser(dataclasses.replace(context, rows=some)), (note,)


def _common(found: Associated, made: Descriptions, k: int) -> Ints:
    a, b = (made.items.rows(int(at[k])) for at in (found.at_a, found.at_b))
    return np.intersect1d(a, b).astype(np.int64)


def _pair(found: Associated, made: Descriptions, k: int) -> tuple[int, int]:
    return int(made.items.name[found.at_a[k]]), int(made.items.name[found.at_b[k]])


def _named(
    found: Associated, made: Descriptions, places: Places, led: Sequence[Led]
) -> dict[tuple[str, str], Led]:
    """Return the pairs that lead by their names; of several that read alike the first stands for all.

    Two words of one phrase are called by the whole of it.
    """
    named: dict[tuple[str, str], Led] = {}
    for one in led:
        name_a, name_b = (places.called(description) for description in _pair(found, made, one.at))
        same = named.get((name_a, name_b)) or named.get((name_b, name_a))
        if same is None:
            named[name_a, name_b] = one
        else:
            same.members.extend([one.at, *one.members])
    return named


def _reason(found: Associated, made: Descriptions, places: Places, k: int) -> str | None:
    support = int(found.columns["n_a"][k]), int(found.columns["n_b"][k])
    return reason_of(_pair(found, made, k), _common(found, made, k), support, made, places)


def _examples(found: Associated, made: Descriptions, places: Places, k: int) -> tuple[Shown, ...]:
    """Return lines of a few rows that have both, first those in which both places are known."""
    (a, b), shown = _pair(found, made, k), []
    rows = _common(found, made, k)[:_LOOKED_AT].tolist()
    for row in sorted(rows, key=lambda row: not (places.of(a, row) and places.of(b, row))):
        if (line := places.line(a, b, row)) is not None:
            shown.append(Shown(places.document(row), line))
        if len(shown) == EACH:
            break
    return tuple(shown)


def _row(
    found: Associated, made: Descriptions, names: tuple[str, str], one: Led, line: Marked | None
) -> dict[str, Any]:
    k, (a, b), (name_a, name_b) = one.at, _pair(found, made, one.at), names
    numbers = {key: column[k].item() for key, column in found.columns.items() if key in FOUND}
    kinds = {made.kind[a], made.kind[b]}
    members = [" + ".join(made.called(x) for x in _pair(found, made, m)) for m in one.members[:NAMED]]
    return {
        **{key: None if value != value else value for key, value in numbers.items()},
        "name": f"{name_a} + {name_b}", "name_a": name_a, "name_b": name_b,
        "kind": kinds.pop() if len(kinds) == 1 else "mixed", "kind_a": made.kind[a], "kind_b": made.kind[b],
        "topic": one.topic,
        "members": [printable(member) for member in members], "n_members": len(one.members),
        "snippet": None if line is None else line.marked(),
    }  # fmt: skip


def _frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    import polars as pl

    types: dict[str, Any] = dict.fromkeys(FOUND, pl.Float64)
    types |= dict.fromkeys(
        ("name", "name_a", "name_b", "kind", "kind_a", "kind_b", "topic", "snippet"), pl.String
    )
    types |= dict.fromkeys(("n_a", "n_b", "n_ab", "n_members"), pl.Int64)
    types |= {"confirmed": pl.Boolean, "members": pl.List(pl.String)}
    return pl.DataFrame(rows, schema=types, orient="row")
