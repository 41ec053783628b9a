"""``saetext.check`` and ``saetext.baseline``: from what is given to verdicts, or to figures that are kept.

Not for: the counts and intervals (``judging.py``), or findings (``findings.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saetext.analysis.base import Source
from saetext.analysis.checking.baseline_file import is_baseline
from saetext.analysis.checking.figures import Baseline, baseline_of
from saetext.analysis.checking.findings import Found, of_baseline, of_diff
from saetext.analysis.checking.judging import changes, together
from saetext.analysis.checking.notes import notes_of
from saetext.analysis.checking.request import BaselineRequest, CheckRequest
from saetext.analysis.checking.result import CheckResult, found_of, table_of
from saetext.analysis.checking.rows import Judge, in_order
from saetext.analysis.checking.rules import Rule
from saetext.analysis.checking.sides import Sides, of_corpora, with_baseline
from saetext.analysis.checking.subjects import require_known, standard, subjects_of
from saetext.analysis.differences.asked import resolve
from saetext.analysis.differences.request import DiffRequest
from saetext.corpus.notices import warn_of
from saetext.encoding.opening import as_corpora, as_corpus, first_corpus, names_of
from saetext.encoding.targets import path_of
from saetext.errors import IncompatibleError, InputError, refuse_unused
from saetext.io.progress import Stages
from saetext.io.request import verb, verb_of_two
from saetext.reader import shipped
from saetext.text.passages import printable

if TYPE_CHECKING:
    from saetext.corpus.protocol import CorpusLike
    from saetext.encoding.opening import AnyCorpus

_LIKE_DIFF = ("where", "sample", "seed", "sae", "labels", "pair_on", "group", "on_progress")


@verb_of_two(CheckRequest)
def check(new: AnyCorpus, against: AnyCorpus | Baseline, request: CheckRequest) -> CheckResult:
    """Say whether a new set of texts stays within limits on how much may change since an old one.

    A limit is broken only if the whole interval of the change lies beyond it, so that noise breaks none; all
    intervals of a check hold together with the confidence asked for. Rows pair as in :func:`saetext.diff`.

    Parameters
    ----------
    new : Corpus, path, or what can be encoded
        The new set.
    against : Corpus, path, Baseline, or what can be encoded
        The old set, or a baseline or its file, see :func:`saetext.baseline`.

    Returns
    -------
    CheckResult

    Raises
    ------
    IncompatibleError
        If different readers made the two, or a baseline does not have what a rule watches.
    InputError
        If a rule cannot be read or kept, a set is empty, or an option is out of its range.

    Examples
    --------
    >>> import saetext
    >>> rules = [{"format": "exclamation mark", "max_rise": 5}, {"detector": "refusal", "max_rise": 5}]
    >>> result = saetext.check("brisk.corpus", "gentle.corpus", rules=rules)
    >>> result.table.select("rule", "verdict").rows()
    [('exclamation mark', 'passes'), ('refusal', 'passes')]
    """
    return check_of(new, against, request)


@verb(BaselineRequest)
def baseline(old: AnyCorpus, request: BaselineRequest) -> Baseline:
    """Count a set of texts once, to check new ones against it without keeping the texts.

    Everything that comes with its reader and has a name is counted, and what the rules watch beside that. The
    result has no texts; rows can pair by hashes of the prompts.

    Parameters
    ----------
    old : Corpus, path, or what can be encoded
        The old set.

    Returns
    -------
    Baseline
        Its ``write`` makes a file for version control.

    Raises
    ------
    InputError
        If it is empty, or a rule cannot be read or kept.

    Examples
    --------
    >>> import saetext
    >>> saetext.baseline("gentle.corpus").write("baseline.json").name
    'baseline.json'
    """
    return baseline_from(old, request)


def require_rules(request: BaselineRequest, sources: Sequence[Any], *, needed: bool = True) -> None:
    """Raise an error for rules at fault, or for none where they are needed, before anything is encoded."""
    made = first_corpus(sources) or next((one for one in sources if hasattr(one, "spec")), None)
    rules = request.read() if needed else BaselineRequest.read(request)
    require_known(rules, None if made is None else made.spec, request.sae)


def require_reader(old: Baseline, new: Any, sae: str | None) -> None:
    """Raise an error if a new set has, or would get, another reader than a baseline: before it is encoded."""
    made = first_corpus([new]) or (new if hasattr(new, "spec") else None)
    if made is not None:
        old.require_for(made.spec, made.spec.sae(sae).name)
        return
    own = shipped.of_sae(str(old.identity.get(f"tap {old.sae}: weights_sha256")))
    if own is None or own.name != shipped.EMBEDDED.name:
        raise IncompatibleError(
            f"the baseline {old.called} was not read by the embedded reader, which would read the new texts: "
            "encode them with its reader first, and check the corpus"
        )


def baseline_from(old: Any, request: BaselineRequest) -> Baseline:
    """Count a set as a request asks; see :func:`baseline`."""
    require_rules(request, [old])
    return kept_of(as_corpus(old), _called([old], ["baseline"])[0], request)


def kept_of(corpus: CorpusLike, name: str, request: BaselineRequest) -> Baseline:
    """Count an open corpus under a name."""
    refuse_unused("a baseline is of all documents; leave it out", sample=request.sample)
    rules = BaselineRequest.read(request)  # a baseline needs none
    corpus = request.selected(corpus)
    warn_of(corpus)
    Stages(request.on_progress)("counting")
    sae = corpus.spec.sae(request.sae).name
    return baseline_of(
        corpus, name, sae, rules, pair_on=request.pair_on, group=request.group, where=request.where
    )  # fmt: skip


def check_of(new: Any, against: Any, request: CheckRequest) -> CheckResult:
    """Check a set as a request asks; see :func:`check`."""
    old = kept_in(against)
    require_rules(request, [new] if old is not None else [new, against])
    if old is not None:
        require_reader(old, new, request.sae)
    if old is not None:
        return compared([as_corpus(new)], _called([new], ["new"]), old, request)
    return compared(as_corpora([new, against]), _called([new, against], ["new", "old"]), None, request)


def compared(
    opened: Sequence[CorpusLike], names: Sequence[str], old: Baseline | None, request: CheckRequest
) -> CheckResult:
    """Check an open corpus against another one or a baseline.

    Parameters
    ----------
    opened : sequence of Corpus
        The new set, and the old one where there is no baseline.
    names : sequence of str
        What they are called.
    old : Baseline or None
        The old set, where it is one.
    request : CheckRequest
        The options.
    """
    rules = request.read()
    if old is not None:
        return _against_baseline(opened[0], names[0], old, rules, request)
    settings = {name: getattr(request, name) for name in _LIKE_DIFF}
    asked = resolve(opened, DiffRequest(names=names, snippets=False, top=0, **settings))
    warn_of(*asked.sets)
    subjects = subjects_of(rules, asked.sets[0].spec, asked.sae)
    Stages(request.on_progress)("counting")
    sides = of_corpora(asked, list({one.id: one for one in subjects if one is not None}.values()))
    found: Found | None = None
    told: tuple[str, ...] = ()
    if any(rule.kind == "findings" for rule in rules):
        found, told = of_diff(asked)
    return _result(sides, rules, subjects, found, told, asked.sources(), request)


def kept_in(against: Any) -> Baseline | None:
    """Return the baseline that something is, or is the file of; None if it is another thing."""
    if isinstance(against, Baseline):
        return against
    path = path_of(against)
    if path is not None and Path(path).is_file() and is_baseline(Path(path)):
        return Baseline.read(path)
    return None


def _against_baseline(
    new: CorpusLike, name: str, old: Baseline, rules: Sequence[Rule], request: CheckRequest
) -> CheckResult:
    refuse_unused("a baseline is of all its documents; leave it out", sample=request.sample)
    old.require_kinds(rules)
    if request.where != old.where:
        raise InputError(
            f"the baseline {old.called} is of documents {printable(_condition(old.where))}, and "
            f"these would be of those {_condition(request.where)}: ask for the same with --where"
        )
    corpus: CorpusLike = request.selected(new)
    if not corpus.n_documents:
        raise InputError(f"{name} ({corpus.path}) has no documents; every set needs some")
    warn_of(corpus)
    sae = corpus.spec.sae(request.sae).name
    old.require_for(corpus.spec, sae)
    subjects = subjects_of(rules, corpus.spec, sae)
    wanted = {one.id: one for one in subjects if one is not None}
    if any(rule.kind == "findings" for rule in rules):
        kept = {(one.kind, one.key) for one in old.subjects}
        wanted |= {one.id: one for one in standard(corpus.spec, sae, texts=True) if one.id in kept}
    Stages(request.on_progress)("counting")
    sides = with_baseline(
        corpus, name, sae, old, list(wanted.values()),
        pair_on=request.pair_on, group=request.group, seed=request.seed,
    )  # fmt: skip
    found = None
    if any(rule.kind == "findings" for rule in rules):
        found = of_baseline(sides, request.labels_of(corpus, sae))
    sources = (Source.of(corpus, name, condition=request.where),)
    return _result(sides, rules, subjects, found, (), sources, request)


def _result(
    sides: Sides,
    rules: Sequence[Rule],
    subjects: Sequence[Any],
    found: Found | None,
    told: Sequence[str],
    sources: tuple[Source, ...],
    request: CheckRequest,
) -> CheckResult:
    level = together(request.confidence / 100, len(rules))
    judge = Judge(
        sides,
        changes(sides.matrix, sides.design, level),
        found,
        len(rules),
        request.confidence / 100,
        request.most,
    )
    Stages(request.on_progress)("looking for examples")
    judged = [judge.rows(rule, one) for rule, one in zip(rules, subjects, strict=True)]
    rows = in_order([row for own, _ in judged for row in own])
    beyond = [row for _, own in judged for row in own]
    counts = {
        verdict: sum(row["verdict"] == verdict for row in rows) for verdict in ("breaks", "unclear", "passes")
    }
    failed = counts["breaks"] > 0 or (request.unclear == "fail" and counts["unclear"] > 0)
    design = sides.design
    params = {
        "new": sides.names[0],
        "old": sides.names[1],
        "against": "baseline" if isinstance(sides.old, Baseline) else "texts",
        "sae": sides.sae,
        "design": design.kind,
        "level": level,
        **request.params(),
        # as they were resolved
        "pair_on": design.column if design.kind in ("paired", "by prompt") and not request.group else None,
        "rules": [_told(rule) for rule in rules],
    }
    metrics = {
        "verdict": "fails" if failed else "passes",
        "failed": failed,
        **counts,
        "rules": len(rules),
        "limits": len(rows),
        "compared_new": design.rows(0),
        "compared_old": design.rows(1),
        "pairs": design.rows(0) if design.kind == "paired" else None,
        "findings": len(beyond),
        "tested": None if found is None else sum(found.tested.values()),
    }
    notes = notes_of(sides, subjects, found, told, rules=rules, pair_on=request.pair_on)
    return CheckResult("check", table_of(rows), params, metrics, notes, sources, found=found_of(beyond))


def _told(rule: Rule) -> dict[str, Any]:
    known = {
        "name": rule.name, "watches": rule.kind, "of": list(rule.of), "max_rise": rule.max_rise,
        "max_fall": rule.max_fall, "except": list(rule.ignored),
    }  # fmt: skip
    return {key: value for key, value in known.items() if value not in (None, [])}


def _called(sources: Sequence[object], otherwise: list[str]) -> list[str]:
    """Return what sets are called: by their files, each that has none as it is told."""
    return names_of(sources) or otherwise


def _condition(where: str | None) -> str:
    return "without a condition" if where is None else f"where {where}"
