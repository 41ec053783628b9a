"""Attention heads as a self-contained HTML page: layers by heads, the pattern of each large on hover.

Patterns are in the page as bytes, 255 for all of a token's attention, so that it needs no model. Without the
script the best heads stand in a table. Tokens are data: made printable here and escaped by the template. Not
for: what the scores mean (:mod:`saetext.intervene.heads.scoring`).
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext.intervene.heads.result import SCORES
from saetext.report.console.heads import ABOUT, figure, heading, named, uniform_of
from saetext.report.html.parts import draw, shade_of
from saetext.text.passages import piece_shown, printable

if TYPE_CHECKING:
    from saetext.intervene.heads.result import AttendResult

MOST_BYTES = 1_500_000  # of patterns in one page
_LONGEST = 24  # characters of a token


def render_heads_page(result: AttendResult) -> str:
    """Return the page; styles and the script are admitted by their hashes."""
    patterns, cut = fitting(result.patterns)
    n = patterns.shape[-1]
    rows = result.table.to_dicts()
    heads = int(result.metrics["heads"])
    scores = [score for score in SCORES if result.table[score].null_count() < len(rows)]
    notes = list(result.notes)
    if cut:
        notes.append(
            f"the page shows the first {n} of {cut} tokens: it holds {MOST_BYTES:,} bytes of patterns"
        )
    return draw(
        "heads.html.j2",
        ("base.css", "heads.css"),
        ("heads.js",),
        title=printable(f"Attention heads of {result.params['model']}"),
        summary=[printable(line).replace(" %", "\u00a0%") for line in heading(result)],
        scores=[_score(result, score) for score in scores],
        layers=_layers(rows, heads, scores),
        heads=range(heads),
        tokens=[_shown(token) for token in result.tokens["token"].to_list()[:n]],
        data=json.dumps({"n": n, "patterns": packed(patterns)}),
        notes=[printable(note) for note in notes],
    )


def fitting(patterns: NDArray[np.float32]) -> tuple[NDArray[np.float32], int]:
    """Return patterns of as many tokens as a page holds, and how many there were; 0 if all are kept."""
    n = patterns.shape[-1]
    most = n
    while most > 2 and patterns.shape[0] * patterns.shape[1] * most * (most + 1) // 2 > MOST_BYTES:
        most -= 1
    return patterns[:, :, :most, :most], 0 if most == n else n


def packed(patterns: NDArray[np.float32]) -> str:
    """Return the lower triangles as bytes in base64, by layer, head, token that attends, and token."""
    lower = np.tril_indices(patterns.shape[-1])
    values = np.clip(np.rint(patterns[:, :, lower[0], lower[1]] * 255), 0, 255).astype(np.uint8)
    return base64.b64encode(values.tobytes()).decode()


def _score(result: AttendResult, score: str) -> dict[str, Any]:
    best = result.best(score, result.params["top"]).to_dicts()
    return {
        "key": score,
        "name": SCORES[score],
        "about": ABOUT[score],
        "uniform": uniform_of(result, score) or "",
        "best": [
            {"name": named(row), "score": figure(row[score]), "null": figure(row[f"{score}_null"])}
            for row in best
        ],
    }


def _layers(rows: list[dict[str, Any]], heads: int, scores: list[str]) -> list[dict[str, Any]]:
    """Return the heads by layer, each with its figures and its shade by each score over its control."""
    over = {s: max((r[s] - r[f"{s}_null"] for r in rows if r[s] is not None), default=0.0) for s in scores}
    # attention is out of 1; what a name-mover writes has no such scale
    full = {s: max(over[s], 1e-9) if s == "name_mover" else 1.0 for s in scores}
    found = []
    for start in range(0, len(rows), heads):
        own = rows[start : start + heads]
        cells = [
            {
                "at": start + row["head"],
                "name": named(row),
                "shades": [shade_of((row[s] - row[f"{s}_null"]) / full[s]) for s in scores],
                "over": [f"{row[s] - row[f'{s}_null']:.6f}" for s in scores],
                "told": "; ".join(
                    f"{SCORES[s]} {figure(row[s])} (control {figure(row[f'{s}_null'])})" for s in scores
                ),
            }
            for row in own
        ]
        found.append({"number": own[0]["layer"], "cells": cells})
    return found


def _shown(token: str) -> str:
    text = piece_shown(token)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
