"""What goes with an outcome: every description tested at equal length and within prompts, confirmed, folded.

Not for: the steps, which have a module each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.base import Source
from saetext.analysis.differences.contrast import Contrast
from saetext.analysis.differences.counting import FEATURES, Counted, count_terms
from saetext.analysis.differences.entries import Entries, from_matrix, gather, support
from saetext.analysis.differences.families import ROWS, Families, in_all_rows
from saetext.analysis.differences.found import ILLUSTRATED, features_of_list, found_table, name_of_term
from saetext.analysis.differences.naming import Names, by_names, names_of
from saetext.analysis.differences.outcome.alike import Alike
from saetext.analysis.differences.outcome.column import Outcome
from saetext.analysis.differences.outcome.measuring import (
    CELLS,
    Columns,
    Models,
    OfLength,
    measure,
    numbers,
    of_length,
)
from saetext.analysis.differences.outcome.result import COLUMNS, OutcomeFamily, OutcomeResult
from saetext.analysis.differences.outcome.setting import Setting, setting_of
from saetext.analysis.differences.request import DiffRequest
from saetext.analysis.differences.result import Evidence
from saetext.analysis.differences.room import largest_shard, room_for_models
from saetext.analysis.differences.shown import of_two_sides
from saetext.analysis.differences.simplest import KINDS, MOST, Description, Led, arranged, matrix_of
from saetext.analysis.differences.table import as_columns
from saetext.analysis.differences.testing import ALPHA, LEVEL, Adjusting
from saetext.corpus.protocol import CorpusLike, Ints
from saetext.features.groups import Selection, concept_groups
from saetext.features.labels import FeatureLabels
from saetext.io.memory import Bound
from saetext.io.progress import Stages
from saetext.text.marks import LONGER

_GONE = 6  # names of what only length or the prompt explains


@dataclass(frozen=True, eq=False)
class _Measured:
    """A family: its terms (of features their numbers), their column in its matrix, and their numbers."""

    name: str
    terms: Sequence[Any]
    column: Ints
    numbers: Columns


@dataclass(frozen=True, eq=False)
class _Work:
    """What all steps share."""

    setting: Setting
    sae: str
    labels: FeatureLabels
    request: DiffRequest
    say: Stages


def compare_outcome(
    sets: Sequence[CorpusLike],
    outcome: Outcome,
    request: DiffRequest,
    sources: tuple[Source, ...] = (),
    *,
    in_rows: bool = False,
) -> OutcomeResult:
    """Say what goes with an outcome.

    Parameters
    ----------
    sets : sequence of Corpus
        The corpora, read by comparable readers; their rows follow one another.
    outcome : Outcome
        Of all rows.
    request : DiffRequest
        The options.
    sources : tuple of Source
        For the result.
    in_rows : bool
        Whether documents of one id are answers in one row, compared with each other.
    """
    setting = setting_of(sets, outcome, request, in_rows=in_rows)
    sae = sets[0].spec.sae(request.sae).name
    work = _Work(setting, sae, request.labels_of(sets[0], sae), request, Stages(request.on_progress))
    models = Models.of(setting)
    contrast, found = _features(work, models)
    counted, kept = _counted(work)
    measured = [found]
    if counted is not None:
        few = models if bool((kept == setting.live).all()) else Models.of(setting, kept)
        measured += _terms(work, counted, few, kept, contrast.room.threads)
    work.say("grouping")
    given = [one for family in measured for one in _descriptions(family, work.labels, counted)]
    rows = np.flatnonzero(kept)
    listed = counted or Counted(setting.sets, sae, rows)
    groups = _groups(work, found)
    led = _folded(given, listed, Models.of(setting, kept), groups)
    families = Families((), setting.shown, listed)
    names = names_of(led, contrast, groups, work.labels, on_progress=request.on_progress) if led else {}
    led = by_names(led, names)
    work.say("looking for examples")
    table = _table(work, led, names, contrast, families)
    length = of_length(setting, models)
    tested = tuple(_family(one) for one in measured)
    notes = list(setting.notes)
    if counted is not None:
        notes += counted.notes
        if int(kept.sum()) < int(setting.live.sum()):
            notes.append(f"words and format are of a sample of {int(kept.sum()):,} documents")
    return OutcomeResult(
        "diff_outcome",
        table if request.most is None else table.head(request.most),
        _params(work, contrast),
        _metrics(work, models, led, tested, measured, length),
        tuple(notes),
        sources,
        families=tested,
        gone={what: _gone(measured, f"explained_by_{what}") for what in ("length", "prompt")},
    )


# ---- measuring ---------------------------------------------------------------------------------------------


def _features(work: _Work, models: Models) -> tuple[Contrast, _Measured]:
    setting, request = work.setting, work.request
    live = setting.live
    counting, sorting = work.say.counting("counting"), work.say.counting("sorting by feature")
    counts = support(setting.sets, work.sae, live, setting.sets[0].spec.sae(work.sae).d_sae, counting)
    least = request.min_support or max(5, -(-int(live.sum()) // 2000))
    features = np.flatnonzero(counts >= least)
    bound, shard = Bound.of(request.memory), largest_shard(setting.sets)
    work.say.within(bound.bytes)
    room = room_for_models(bound, len(live), len(models.rows), counts[features], CELLS, shard)
    total, before = len(features), 0

    def measured(entries: Entries) -> Columns:
        nonlocal before
        tell = partial(_told, work.say, "features", before, total)
        before += len(entries)
        return measure(models, entries, tell, room.threads)

    # map keeps no part while the next one is made
    gathered = gather(setting.sets, work.sae, features, counts, live, 1, held=room.entries, count=sorting)
    parts = list(map(measured, gathered))
    found = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]} if parts else {}
    columns = numbers(found or measure(models, _no_entries()), models)
    code = np.zeros(len(live), np.int32)
    shown = setting.shown  # fewer rows, and so other counts
    of_shown = support(setting.sets, work.sae, shown.side >= 0, len(counts), counting)
    contrast = Contrast(
        setting.sets, work.sae, shown, Adjusting(code, np.zeros((2, 1), np.int64), 1.0), None, 1,
        int(least), features, {"diff": np.nan_to_num(columns["effect"])}, of_shown,
        setting.n_tokens.astype(np.int64), room,
    )  # fmt: skip
    return contrast, _Measured(FEATURES, features.tolist(), features, columns)


def _no_entries() -> Any:
    from scipy import sparse

    return from_matrix(sparse.csr_matrix(np.zeros((1, 0), np.float32)), np.ones(1, bool))


def _told(say: Stages, what: str, before: int, total: int, done: int, _: int) -> None:
    say(f"estimating effects of {what}", before + done, total)


def _counted(work: _Work) -> tuple[Counted | None, NDArray[np.bool_]]:
    """Return what descriptions the rows have (None where only features were asked for), and which rows."""
    kept = work.setting.sampled(ROWS, work.request.seed)
    if work.request.families == "features":
        return None, kept
    return count_terms(work.setting.sets, work.sae, np.flatnonzero(kept), work.say), kept


def _terms(
    work: _Work, counted: Counted, models: Models, kept: NDArray[np.bool_], threads: int | None
) -> list[_Measured]:
    found = []
    for name, terms in counted.terms.items():
        entries = from_matrix(in_all_rows(terms.matrix, counted.rows, len(kept)), kept)
        raw = measure(models, entries, partial(_told, work.say, name, 0, len(entries)), threads)
        # length is what is adjusted for
        wanted = np.array([at for at, term in enumerate(terms.names) if term != LONGER], np.int64)
        raw = {key: column[wanted] for key, column in raw.items()}
        names = [terms.names[at] for at in wanted.tolist()]
        found.append(_Measured(name, names, wanted, numbers(raw, models)))
    return found


# ---- findings ----------------------------------------------------------------------------------------------


def _descriptions(family: _Measured, labels: FeatureLabels, counted: Counted | None) -> list[Description]:
    """Return the effects of a family that are significant or confirmed, the largest ones."""
    columns = family.numbers
    found = np.flatnonzero((columns["q"] < ALPHA) | columns["confirmed"])
    found = found[np.argsort(-np.abs(columns["effect"][found]), kind="stable")][:MOST]
    weak = {} if counted is None else counted.weak
    given = []
    for at in found.tolist():
        term = family.terms[at]
        of = weak.get(term) if family.name == "themes" else None
        loose = family.name == FEATURES and "loose" in labels.label(term)
        given.append(
            Description(
                KINDS[family.name], term, int(family.column[at]), _row(columns, at),
                weak=of is not None or loose, of_format=of == "format",
            )
        )  # fmt: skip
    return given


def _row(columns: Columns, at: int) -> dict[str, Any]:
    """Return the numbers of a finding; ``diff`` is what a diff has where this has the effect."""
    row = {key: _plain(column[at]) for key, column in columns.items() if key != "p"}
    length, prompt = row.pop("explained_by_length"), row.pop("explained_by_prompt", None)
    # what is listed has an effect at equal length: it cannot be last for having none
    return {**row, "diff": row["effect"], "length": None if length == "yes" else length, "prompt": prompt}


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    plain = value.item()
    return None if isinstance(plain, float) and np.isnan(plain) else plain


def _groups(work: _Work, found: _Measured) -> Mapping[int, int]:
    """Return the concept group of each feature that was found: feature to the one that leads."""
    from saetext.reader.directions import decoder_of

    columns, setting = found.numbers, work.setting
    at = np.flatnonzero((columns["q"] < ALPHA) | columns["confirmed"])
    at = at[np.argsort(-np.abs(columns["effect"][at]), kind="stable")]
    features = found.column[at]
    if len(features) < 2:
        return {}
    starts = np.cumsum([0] + [corpus.n_documents for corpus in setting.sets]).tolist()
    selections = [
        Selection(corpus, np.flatnonzero(setting.live[low:high]))
        for corpus, low, high in zip(setting.sets, starts, starts[1:], strict=False)
    ]
    sign = np.sign(columns["effect"][at]).astype(np.int64)
    decoder = decoder_of(setting.sets[0].spec, work.sae)
    leads = concept_groups(selections, work.sae, features, sign=sign, decoder=decoder, seed=work.request.seed)
    return dict(zip(features.tolist(), leads.tolist(), strict=True))


def _folded(
    given: Sequence[Description], counted: Counted, models: Models, groups: Mapping[int, int]
) -> list[Led]:
    if not given:
        return []
    matrix = matrix_of(given, counted)[np.searchsorted(counted.rows, models.rows)]
    return arranged(given, Alike.count(matrix, models), groups)


def _table(work: _Work, led: Sequence[Led], names: Names, contrast: Contrast, families: Families) -> Any:
    import polars as pl

    wanted = features_of_list(led) if work.request.snippets else np.empty(0, np.int64)
    most = ILLUSTRATED if work.request.snippets else 0
    evidence: dict[int, Evidence] = {}
    if _stored(work) and len(wanted):
        evidence = of_two_sides(contrast, wanted, work.say.counting("looking for examples"))
    inner = tuple(
        {"snippet": "snippet_a", "snippet_without": "snippet_b"}.get(name, name) for name in COLUMNS
    )
    table, _ = found_table(led, families, _namer(names), names, evidence, most, columns=inner)
    up = pl.col("effect") >= 0
    return table.with_columns(
        snippet=pl.when(up).then("snippet_a").otherwise("snippet_b"),
        # of a feature the other example has it too
        snippet_without=pl.when(pl.col("kind") == "feature")
        .then(None)
        .when(up)
        .then("snippet_b")
        .otherwise("snippet_a"),
    ).select(COLUMNS)


def _stored(work: _Work) -> bool:
    return all(c.n_documents == 0 or c.document(0)["text"] is not None for c in work.setting.sets)


def _namer(names: Names) -> Callable[[Description], str | None]:
    def called(one: Description) -> str | None:
        if one.kind != "feature":
            return name_of_term(one.kind, one.key, of_format=one.of_format)
        return names[int(one.key)].name if int(one.key) in names else None

    return called


# ---- the result --------------------------------------------------------------------------------------------


def _family(one: _Measured) -> OutcomeFamily:
    import polars as pl

    columns = one.numbers
    at = np.lexsort((columns["p"], -np.abs(np.nan_to_num(columns["effect"])), columns["q"] >= ALPHA))
    key, dtype = ("feature", pl.Int64) if one.name == FEATURES else ("term", pl.String)
    table = pl.DataFrame(
        {
            key: pl.Series([one.terms[i] for i in at.tolist()], dtype=dtype),
            **as_columns({name: column[at] for name, column in columns.items()}),
        }
    )
    significant = int((columns["q"] < ALPHA).sum())
    return OutcomeFamily(one.name, len(at), significant, int(columns["confirmed"].sum()), table)


def _only(one: _Measured, verdict: str) -> Ints:
    """int64[n]: what goes with the outcome before adjusting only, and is explained, the largest first."""
    columns = one.numbers
    if verdict not in columns:
        return np.empty(0, np.int64)
    gone = (columns[verdict] == "yes") & (columns["q"] >= ALPHA) & ~columns["confirmed"]
    before = columns["within" if verdict == "explained_by_length" else "raw"]
    at = np.flatnonzero(gone)
    found: Ints = at[np.argsort(-np.abs(before[at]), kind="stable")]
    return found


def _gone(measured: Sequence[_Measured], verdict: str) -> tuple[str, ...]:
    """Return the names of what is explained, simple ones of each kind in turn."""
    named = [
        [name_of_term(KINDS[one.name], one.terms[at]) for at in _only(one, verdict)[:_GONE].tolist()]
        for one in measured
        if one.name in ("format", "properties", "themes", "words")
    ]
    mixed = [few[place] for place in range(_GONE) for few in named if place < len(few)]
    return tuple(mixed[:_GONE])


def _params(work: _Work, contrast: Contrast) -> dict[str, Any]:
    setting, request = work.setting, work.request
    design = setting.design
    known = {
        "outcome": setting.outcome.column,
        "yes": setting.outcome.yes,
        "sae": work.sae,
        "design": design.kind,
        "pair_on": design.column if setting.within else None,
        "group": request.group if setting.within else setting.together,
        "clustered_on": setting.together,
        "control": list(setting.controls) or None,
        "between": setting.between,
        "test": "least squares, score test and interval, clustered",
        "interval": "Student's t, clustered" + (f" by {setting.together}" if setting.together else ""),
        "level": LEVEL,
        "alpha": ALPHA,
        "min_support": contrast.min_support,
        "top": request.most,
        "sample": request.sample,
        "seed": request.seed,
    }
    asked = request.params()
    left_out = ("against", "by", "values", "null")
    return {**known, **{k: v for k, v in asked.items() if k not in known and k not in left_out}}


def _metrics(
    work: _Work,
    models: Models,
    led: Sequence[Led],
    tested: Sequence[OutcomeFamily],
    measured: Sequence[_Measured],
    length: OfLength | None,
) -> dict[str, Any]:
    setting = work.setting
    values = setting.outcome.values[models.rows]
    confirmed = sum(bool(one.lead.numbers["confirmed"]) for one in led)
    return {
        "documents": sum(corpus.n_documents for corpus in setting.sets),
        "missing": int((~setting.outcome.known).sum()),
        "compared": len(models.rows),
        "units": len(np.unique(setting.design.unit[setting.live])) if setting.design.column else None,
        "units_varying": setting.varying if setting.within else None,
        "mean": float(values.mean()),
        "spread": float(values.std()),
        "median_tokens": float(np.median(setting.n_tokens[models.rows])),
        "split": setting.design.split,
        "found": len(led),
        "found_confirmed": confirmed,
        "found_unclear": sum(one.lead.numbers["length"] == "unclear" for one in led),
        "only_by_length": sum(len(_only(one, "explained_by_length")) for one in measured),
        "only_by_prompt": sum(len(_only(one, "explained_by_prompt")) for one in measured),
        "length": None
        if length is None
        else {
            "per_doubling": length.effect,
            "ci_low": length.low,
            "ci_high": length.high,
            "p": length.p,
            "pooled": length.pooled,
            "share": length.share,
        },
        "families": {
            one.name: {figure: getattr(one, figure) for figure in ("tested", "significant", "confirmed")}
            for one in tested
        },
    }
