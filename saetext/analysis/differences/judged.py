"""A diff with hypotheses in plain words: some documents are set aside first, and only those are judged.

Not for: prompts and parsing (:mod:`saetext.analysis.differences.hypotheses`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from saetext.analysis.differences.asked import resolve
from saetext.analysis.differences.compare import compare
from saetext.analysis.differences.design import Design, make_design
from saetext.analysis.differences.examples import examples
from saetext.analysis.differences.hypotheses import (
    MOST_FINDINGS,
    FindingText,
    Hypothesis,
    estimate,
    propose,
    verify,
)
from saetext.analysis.differences.request import DiffRequest
from saetext.analysis.differences.result import DiffResult
from saetext.corpus.protocol import CorpusLike
from saetext.features.labels import FeatureLabels
from saetext.io.llm import ChatClient, Estimate
from saetext.io.progress import OnProgress
from saetext.text.passages import snippet

_SHARE = 0.2  # most of a set that is set aside
_WIDTH = 200  # characters of a snippet in the prompt


def diff_with_hypotheses(
    a: CorpusLike,
    b: CorpusLike,
    client: ChatClient,
    *,
    names: Sequence[str] | None = None,
    labels: FeatureLabels | None = None,
    hypotheses: int = 8,
    judged: int = 100,
    on_estimate: Callable[[Estimate], None] | None = None,
    on_progress: OnProgress | None = None,
    **options: Any,
) -> DiffResult:
    """Compare two sets, let a language model say what the confirmed findings come down to, and check that.

    Parameters
    ----------
    a, b : Corpus
        The sets; they must store their texts.
    client : ChatClient
        Proposes and judges.
    names, labels
        As :func:`saetext.analysis.differences.diff`; the model is not told the names.
    hypotheses : int
        Most hypotheses.
    judged : int
        Most documents of each set that are set aside for the judge (at most a fifth of it); neither the
        tests nor the proposals see them.
    on_estimate, on_progress : callable, optional
        Called with what judging would take before anything is asked, and as answers come.
    **options
        As :func:`saetext.analysis.differences.diff`.

    Returns
    -------
    DiffResult
        With ``hypotheses``; ``metrics["judge"]`` has the ledger.

    Raises
    ------
    EndpointError
        If the endpoint cannot be used.
    InputError
        As :func:`saetext.analysis.differences.diff`.
    """
    request = DiffRequest.of(options)
    asked = resolve((a, b), request, names, labels)
    design = make_design(
        (a, b), asked.owner.astype(np.int8), asked.names,
        pair_on=request.pair_on, group=request.group, seed=request.seed,
    )  # fmt: skip
    aside = design.within(_aside(design, judged), request.seed + 1)
    result = compare(asked, without=aside)
    texts = [_texts(corpus, s, design, aside) for s, corpus in enumerate((a, b))]
    if on_estimate is not None:
        on_estimate(estimate(hypotheses, texts[0], texts[1], client))
    findings = _findings(result, (a, b))
    proposals, failures = propose(findings, client, names=(asked.names[0], asked.names[1]), most=hypotheses)
    paired = design.kind == "paired"
    found: list[Hypothesis] = verify(
        proposals, texts[0], texts[1], client, paired=paired, on_progress=on_progress
    )
    notes = list(result.notes)
    if not findings:
        notes.append("nothing was confirmed, so no hypotheses were asked for")
    notes += [f"a hypothesis was dropped: {reason}" for reason in failures]
    failed = sum(h.failures for h in found)
    if failed:
        notes.append(f"{failed} judgements failed or could not be read; those documents are in no rate")
    ledger = {
        "model": client.model,
        "documents": [len(t) for t in texts],
        "not_judged": failed,
        "asked": client.ledger.asked,
        "cached": client.ledger.cached,
        "tokens_in": client.ledger.tokens_in,
        "tokens_out": client.ledger.tokens_out,
        "cost": client.ledger.cost,
        "hypotheses": [dataclasses.asdict(h) for h in found],
    }
    return dataclasses.replace(
        result, hypotheses=tuple(found), notes=tuple(notes), metrics={**result.metrics, "judge": ledger}
    )


def _aside(design: Design, judged: int) -> int:
    """Return how many rows are set aside in all, given how many of a set at most."""
    sizes = [design.rows(s) for s in (0, 1)]
    share = min(_SHARE, *(judged / max(n, 1) for n in sizes))
    return int(share * sum(sizes))


def _texts(corpus: CorpusLike, side: int, design: Design, aside: np.ndarray) -> list[str]:
    """Return the texts that were set aside, by unit, so that those of pairs stand at the same place."""
    from saetext.errors import InputError

    start = 0 if side == 0 else len(design.side) - corpus.n_documents
    mine = np.flatnonzero(aside[start : start + corpus.n_documents])
    mine = mine[np.argsort(design.unit[start + mine], kind="stable")]
    texts = [corpus.document(int(row))["text"] for row in mine]
    if any(text is None for text in texts):
        raise InputError(f"{corpus.path} was encoded with --no-text, and a judge needs texts")
    return texts


def _findings(result: DiffResult, sets: Sequence[CorpusLike]) -> list[FindingText]:
    rows = result.table.to_dicts()
    confirmed = [r for r in rows if r["confirmed"] and r["group"] == r["feature"]][:MOST_FINDINGS]
    if not confirmed or result.design is None:
        return []
    tap = result.params["tap"]
    shown = examples(sets, tap, result.design, {r["feature"]: r["diff"] for r in confirmed}, 3)
    findings = []
    for row in confirmed:
        snippets: tuple[list[str], list[str]] = ([], [])
        for pair in shown[row["feature"]]:
            for s, place in enumerate(pair):
                if place is None or place.peak < 0:
                    continue
                document = sets[place.set].document(place.row)
                text, start, end = document["text"], document["token_start"], document["token_end"]
                snippets[s].append(snippet(text, start, end, place.peak, _WIDTH).marked())
        members = tuple(r["label"] for r in rows if r["group"] == row["feature"] and r is not row)
        findings.append(
            FindingText(
                row["feature"], row["label"], row["diff"], row["rate_a"], row["rate_b"],
                tuple(snippets[0]), tuple(snippets[1]), members,
            )
        )  # fmt: skip
    return findings
