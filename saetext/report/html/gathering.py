"""From a result to what its HTML report shows: sentences, findings with shaded passages, tables.

Not for: drawing (:mod:`saetext.report.html.differences`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

from saetext.analysis.base import Row
from saetext.analysis.differences import ALPHA, DiffResult, Family
from saetext.analysis.differences.examples import Place, Sides, examples
from saetext.analysis.differences.sentences import sentences
from saetext.corpus.protocol import CorpusLike
from saetext.features.evidence import Example
from saetext.features.labels import FeatureLabels
from saetext.io.progress import OnProgress, Stages
from saetext.report.console.lines import probability
from saetext.report.html.cause_gathering import causes_told, with_causes
from saetext.report.html.found_gathering import (
    compared,
    compared_of_several,
    described,
    heat_map_of_found,
    listed,
    one_against_others,
)
from saetext.report.html.marked_gathering import marked_examples
from saetext.report.html.page_model import DiffPage, Finding, HeatMap, SideBySide, Table
from saetext.report.html.passages import Passage, PassageBuilder, Piece
from saetext.text.one_line import many
from saetext.text.passages import printable

if TYPE_CHECKING:
    from saetext.intervene.causes.result import WhyResult
    from saetext.reader.reader import Reader

_TERMS = 20
_CARDS = 200  # findings with a card, as many as have a snippet; the first have passages
_MOST = 2_000  # findings on a page; those without a card have a line
_HEAT = 40  # most lines of the heat map
_SHADING_OF_SEVERAL = "The strongest word of each passage is marked."
_SHADING = (
    "Tokens are shaded by the feature's activation, read again with the reader.",
    "Tokens are shaded by the feature's activation; where a text could not be read again as it was, only the "
    "strongest word is marked.",
    "The reader was not at hand, so only the strongest word of each passage is marked.",
)


def diff_page(
    result: DiffResult,
    sets: Sequence[CorpusLike],
    labels: FeatureLabels,
    *,
    reader: Reader | None = None,
    findings: int = 60,
    each: int = 3,
    opened: int | None = None,
    why: WhyResult | None = None,
    on_progress: OnProgress | None = None,
) -> DiffPage:
    """Collect a diff's page.

    Parameters
    ----------
    result : DiffResult
        The result.
    sets : sequence of Corpus
        The corpora it came from, as they were given to :func:`saetext.analysis.differences.diff`.
    labels : FeatureLabels
        For the descriptions.
    reader : Reader, optional
        Reads the texts shown again to shade every token; without it the strongest word alone is marked.
    findings, each : int
        Most findings with passages, and examples of each.
    opened : int, optional
        How many findings are shown at first; by default as many as the result's ``top`` says.
    why : WhyResult, optional
        What drives the findings: verdicts stand on their cards.
    on_progress : callable, optional
        Gets a :class:`saetext.io.progress.Progress` as findings are done.
    """
    tell = Stages(on_progress, "findings")
    found = _found(result)
    shown = found[:findings]
    builder = PassageBuilder(sets, [result.params["sae"]] * len(sets), [reader] * len(sets))
    chosen = {}
    if result.design is not None:
        rows: list[Row] = [dict(one.row) for one in shown]
        wanted = {row["feature"]: row["diff"] for row in rows if row["feature"] is not None}
        chosen = examples(sets, result.params["sae"], result.design, wanted, each)
    made = []
    for done, one in enumerate(shown, start=1):
        row: Row = dict(one.row)
        feature = row["feature"]
        pairs = () if feature is None else _side_by_side(builder, feature, chosen.get(feature, []))
        if feature is None:
            pairs = marked_examples(builder, result, row, labels, each)
        elif result.several:
            pairs = _beside_others(builder, result, row)
        if result.several:
            row = one_against_others(row)
        told = described(row, labels)
        made.append(dataclasses.replace(one, row=row, examples=pairs, description=told))
        tell("reading examples", done, len(shown))
    for at, one in enumerate(found[findings:_MOST], start=findings):  # without passages
        row = one_against_others(dict(one.row)) if result.several else dict(one.row)
        made.append(dataclasses.replace(one, row=row, brief=at >= _CARDS))
    if why is not None:
        made = with_causes(made, why)
    notes = [*result.notes, *(() if why is None else why.notes)]
    return DiffPage(
        title=f"How {_title(result)} differ",
        names=("the set", "all others") if result.several else (result.names[0], result.names[1]),
        summary=_summary_of_several(result) if result.several else _summary(result),
        findings=made,
        tables=[*_hypotheses(result), *_families(result.families)],
        heat_map=_heat_map(result, found) if result.several else None,
        notes=notes,
        facts={**_facts(result), **({} if why is None else causes_told(why))},
        shading=_SHADING_OF_SEVERAL if result.several else builder.told(*_SHADING),
        plottable=sum(one.row["confirmed"] is True for one in found),
        opened=result.params["top"] if opened is None else opened,
        total=_total(result, len(found)),
    )


def _total(result: DiffResult, listed: int) -> int:
    """Return how many findings there are; the table, unlike the list, has only the first of them."""
    if result.found is not None or result.several:
        return listed
    return max(listed, int(result.metrics["findings"]))


def _found(result: DiffResult) -> list[Finding]:
    """Return all findings of the page, without passages."""
    if result.found is not None:
        return [Finding(row, also=also) for row, also in listed(result)]
    return [
        Finding(one.row, one.members)
        for one in result.grouped()
        if one.row["confirmed"] or one.row["q"] < ALPHA
    ]


def _title(result: DiffResult) -> str:
    if result.several:
        return f"{len(result.names)} sets"
    return " and ".join(map(printable, result.names))


def _beside_others(builder: PassageBuilder, result: DiffResult, row: Row) -> tuple[SideBySide, ...]:
    """Return a set's example next to the strongest of all others; nothing where there is neither."""
    found = dict(zip(result.names, result.evidence.get(row["feature"], ()), strict=False))
    mine = found.pop(row["set"], None)
    others = {name: example for name, example in found.items() if example}
    best = max(others, key=lambda name: others[name].value, default=None)
    seen = [example.value for example in (mine, *others.values()) if example is not None]
    full = builder.full(0, row["feature"], seen)
    pair = SideBySide(
        _short(row["set"], mine, full), _short(best, others[best], full) if best is not None else None
    )
    return () if pair == SideBySide(None, None) else (pair,)


def _short(name: str, example: Example | None, full: float) -> Passage | None:
    """Return a set's example as a passage, the word at the peak shaded."""
    if example is None:
        return None
    words = example.snippet
    pieces = (Piece(words.before), Piece(words.match, example.value / full), Piece(words.after))
    return Passage(f"{name}: {example.document}", pieces)


def _heat_map(result: DiffResult, findings: Sequence[Finding]) -> HeatMap:
    if result.found is not None:
        return heat_map_of_found(result, _HEAT)
    rows: list[Row] = [dict(one.row) for one in findings]
    first = {row["feature"]: row for row in reversed(rows)}
    listed = list(dict.fromkeys(row["feature"] for row in rows))[:_HEAT]
    rates = result.rates_by_feature()
    return HeatMap(
        "Share of documents with each feature",
        tuple(printable(first[feature]["label"]) for feature in listed),
        tuple(map(printable, result.names)),
        tuple(rates[feature] for feature in listed),
        "The features of the findings above, in the same order.",
    )


def _side_by_side(builder: PassageBuilder, feature: int, chosen: Sequence[Sides]) -> tuple[SideBySide, ...]:
    """Return all examples of a feature, on one scale of shades."""
    shown = (place.value for sides in chosen for place in sides if place is not None)
    full = builder.full(0, feature, shown)
    found = []
    for sides in chosen:
        prompt = builder.prompt((place.set, place.row) for place in sides if place is not None)
        a, b = (_passage(builder, feature, place, full) for place in sides)
        found.append(SideBySide(a, b, prompt))
    return tuple(found)


def _passage(builder: PassageBuilder, feature: int, place: Place | None, full: float) -> Passage | None:
    if place is None:
        return None
    spans = builder.spans(place.set, place.row, feature, place.value, place.peak, full)
    focus = builder.focus(place.set, place.row, place.peak)
    return builder.passage(place.set, place.row, [spans], focus)


def _summary_of_several(result: DiffResult) -> list[str]:
    if result.found is not None:
        return [*sentences(result), compared_of_several(result)]
    metrics = result.metrics
    by_set = ", ".join(f"{printable(n)} {c:,}" for n, c in metrics["confirmed_by_set"].items())
    return [
        f"{len(result.names)} sets, each compared with all others together: "
        + ", ".join(f"{printable(n)} ({many(c, 'document')})" for n, c in metrics["documents"].items())
        + ".",
        f"{metrics['confirmed']:,} differences are confirmed on the held-out half ({by_set}); "
        f"{metrics['significant']:,} have q < .05 on all data.",
    ]


def _summary(result: DiffResult) -> list[str]:
    metrics, params = result.metrics, result.params
    a, b = map(printable, result.names)
    how = {
        "independent": "compared without pairing",
        "paired": f"compared as {many(metrics['pairs'] or 0, 'pair')} on {params['pair_on']}",
        "by prompt": f"compared within {many(metrics['units'] or 0, 'value')} of {params['pair_on']}",
        "by group": f"compared as {many(metrics['units'] or 0, 'group')} of {params['group']}",
    }[params["design"]]
    if result.found is not None:
        return [*sentences(result), compared(result, how), *_separation(result)]
    confirmed = [one.row for one in result.grouped() if one.row["confirmed"]]
    told = [
        f"{a} ({many(metrics['documents_a'], 'document')}) against {b} "
        f"({many(metrics['documents_b'], 'document')}), {how}. "
        f"Of {many(metrics['tested'], 'feature')} tested, {metrics['confirmed']:,} differ on one half of the "
        f"data and again on the held-out half. On all data {metrics['significant']:,} have q < .05, "
        f"in {many(metrics['findings'], 'finding')}."
    ]
    for name, sign in ((a, 1), (b, -1)):
        best = [r for r in confirmed if r["diff"] * sign > 0][:3]
        if best:
            named = "; ".join(
                f"{printable(r['label'])} ({100 * r['rate_a']:.0f} % against {100 * r['rate_b']:.0f} %)"
                for r in best
            )
            told.append(f"The largest differences with more in {name}: {named}.")
    flags = [r["explained_by_length"] for r in confirmed]
    if flags:
        told.append(
            f"The median document has {metrics['median_tokens_a']:g} tokens in {a} and "
            f"{metrics['median_tokens_b']:g} in {b}. Of the confirmed findings shown, "
            f"{flags.count('no')} remain at equal length, {flags.count('yes')} are explained by length, and "
            f"for {flags.count('unclear')} the data cannot tell."
        )
    told += _separation(result)
    return told


def _separation(result: DiffResult) -> list[str]:
    aucs = {f.name: f.auc for f in result.families if f.auc is not None}
    if not aucs:
        return []
    named = ", ".join(f"{name} {auc:.3f}" for name, auc in aucs.items())
    return [f"AUC of a linear model of each family that tells the sets apart on unseen documents: {named}."]


def _families(families: Sequence[Family]) -> list[Table]:
    if not families:
        return []
    separated = any(family.auc is not None for family in families)
    auc = ("AUC on unseen documents",) * separated
    rows = tuple(
        (f.name, f"{f.tested:,}", f"{f.significant:,}", f"{f.confirmed:,}", *(_auc(f),) * separated)
        for f in families
    )
    note = "The same tests on phrases of one to four words and on marks of format."
    title, columns = "What words, format and themes find", ("family", "tested", "q < .05", "confirmed", *auc)
    return [Table(title, columns, rows, note), *(_terms(f) for f in families if f.table is not None)]


def _auc(family: Family) -> str:
    return "–" if family.auc is None else f"{family.auc:.3f}"


def _terms(family: Family) -> Table:
    """Return the terms of a family that differ most; of several sets, each with the set that differs."""
    assert family.table is not None
    several = "set" in family.table.columns
    table = family.table.filter((family.table["q"] < ALPHA) | family.table["confirmed"])
    rates = ("rate", "rate_rest") if several else ("rate_a", "rate_b")
    shown = tuple(
        (
            printable(r["term"]), *((printable(r["set"]),) if several else ()),
            *(f"{100 * r[rate]:.1f}" for rate in rates), f"{100 * r['diff']:+.1f}", probability(r["q"]),
            r["explained_by_length"] or "", "yes" if r["confirmed"] else "",
        )
        for r in table.head(_TERMS).to_dicts()
    )  # fmt: skip
    of_rates = ("set", "set %", "all others %", "difference") if several else ("A %", "B %", "A − B")
    columns = ("term", *of_rates, "q", "explained by length", "confirmed")
    return Table(family.name.capitalize(), columns, shown)


def _hypotheses(result: DiffResult) -> list[Table]:
    if not result.hypotheses:
        return []
    rows = tuple(
        (
            printable(h.text), h.more_in.upper(), f"{100 * h.rate_a:.0f} % of {h.n_a}",
            f"{100 * h.rate_b:.0f} % of {h.n_b}",
            f"{100 * h.diff:+.0f} [{100 * h.ci_low:+.0f}, {100 * h.ci_high:+.0f}]", probability(h.q),
            f"{h.failures}", "yes" if h.verified else "no",
        )
        for h in result.hypotheses
    )  # fmt: skip
    columns = ("hypothesis", "more in", "A", "B", "A − B", "q", "not judged", "holds")
    note = "A language model wrote these from the findings and judged them on documents set aside before."
    return [Table("Hypotheses", columns, rows, note)]


def _facts(result: DiffResult) -> dict[str, str]:
    facts = {
        key.replace("_", " "): printable(
            ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        )
        for key, value in result.params.items()
        if value is not None
    }
    for source in result.sources:
        where = f" where {source.where}" if source.where else ""
        facts[f"corpus {printable(source.name)}"] = printable(
            f"{source.path}{where}, {source.fingerprint[:12]}"
        )
    return facts
