"""A diff with hypotheses in plain words: some documents are set aside first, and only those are judged.

Not for: prompts and parsing (:mod:`saetext.analysis.differences.hypotheses`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from saetext.analysis.differences.asked import Asked
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
from saetext.analysis.differences.result import DiffResult
from saetext.corpus.protocol import CorpusLike
from saetext.text.passages import snippet

if TYPE_CHECKING:
    from saetext.io.llm import ChatClient

_SHARE = 0.2  # most of a set that is set aside
_WIDTH = 200  # characters of a snippet in the prompt


def compare_and_judge(asked: Asked, client: ChatClient) -> DiffResult:
    """Compare two sets, let a language model say what the confirmed findings come down to, and check that.

    Neither the tests nor the proposals see the documents that are set aside for the judge, and the model is
    not told the names of the sets.

    Parameters
    ----------
    asked : Asked
        Two sets that store their texts, and how they are compared.
    client : ChatClient
        Proposes and judges.

    Returns
    -------
    DiffResult
        With ``hypotheses``; ``metrics["judge"]`` has the ledger.

    Raises
    ------
    EndpointError
        If the endpoint cannot be used.
    InputError
        If texts are not stored.
    """
    request, sets = asked.request, asked.sets
    design = make_design(
        sets, asked.owner.astype(np.int8), asked.names,
        pair_on=request.pair_on, group=request.group, seed=request.seed,
    )  # fmt: skip
    aside = design.within(_aside(design, request.judged), request.seed + 1)
    result = compare(asked, without=aside)
    texts = [_texts(corpus, s, design, aside) for s, corpus in enumerate(sets)]
    if request.on_estimate is not None:
        request.on_estimate(estimate(request.hypotheses, texts[0], texts[1], client))
    findings = _findings(result, sets)
    proposals, failures = propose(
        findings, client, names=(asked.names[0], asked.names[1]), most=request.hypotheses
    )
    paired = design.kind == "paired"
    found: list[Hypothesis] = verify(
        proposals, texts[0], texts[1], client, paired=paired, on_progress=request.on_progress
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
    confirmed = [one for one in result.grouped() if one.row["confirmed"]][:MOST_FINDINGS]
    if not confirmed or result.design is None:
        return []
    sae = result.params["sae"]
    shown = examples(sets, sae, result.design, {one.row["feature"]: one.row["diff"] for one in confirmed}, 3)
    findings = []
    for one in confirmed:
        row = one.row
        snippets: tuple[list[str], list[str]] = ([], [])
        for pair in shown[row["feature"]]:
            for s, place in enumerate(pair):
                if place is None or place.peak < 0:
                    continue
                document = sets[place.set].document(place.row)
                text, start, end = document["text"], document["token_start"], document["token_end"]
                snippets[s].append(snippet(text, start, end, place.peak, _WIDTH).marked())
        members = tuple(str(member["label"]) for member in one.members)
        findings.append(
            FindingText(
                row["feature"], row["label"], row["diff"], row["rate_a"], row["rate_b"],
                tuple(snippets[0]), tuple(snippets[1]), members,
            )
        )  # fmt: skip
    return findings
