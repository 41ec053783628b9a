"""An expression matrix as a self-contained HTML page: no script, nothing remote, light and dark.

The matrix is one drawing, a path for each shade; each row's name leads to the feature's card, which opens to
its strongest passages. Texts are data: each is made printable and escaped, and only our own style is
admitted. Not for: what is in the matrix (:mod:`saetext.intervene.expression`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from saetext.analysis.export import write_text
from saetext.intervene.expression.result import ExpressionResult
from saetext.report.console.expression import heading
from saetext.report.html.figures import probability
from saetext.report.html.parts import draw, shade_of
from saetext.text.passages import printable

CELL = 14  # side of a cell of the drawing, in its units
_EXAMPLES = 4  # passages of a feature
_AROUND = 14  # tokens on each side of the strongest


def write_matrix_page(result: ExpressionResult, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write an expression matrix as a page, whole or not at all, and return its path.

    Raises
    ------
    InputError
        If the file exists and ``overwrite`` is false, or it cannot be written.
    """
    return write_text(path, render_matrix_page(result), overwrite=overwrite)


def render_matrix_page(result: ExpressionResult) -> str:
    """Return the page; everything textual in it is made printable and escaped."""
    rows = result.table.to_dicts()
    passages = _passages(result)
    return draw(
        "matrix.html.j2",
        ("matrix.css",),
        (),
        title="Features by examples",
        metric=printable(str(_asked(result).get("metric", ""))),
        summary=[printable(heading(result)).replace(" %", "\u00a0%")],
        cell=CELL,
        across=CELL * result.examples.height,
        down=CELL * len(rows),
        paths=_paths(result.expression),
        bands=_bands(result.table["community"].to_list()),
        columns=_columns(result),
        by=printable(str(result.params["by"] or "")),
        tones=_tones(result),
        rows=[_row(row, passages.get(row["feature"], [])) for row in rows],
        groups=_groups(result),
        notes=[printable(note) for note in result.notes],
        facts=_facts(result),
    )


def _asked(result: ExpressionResult) -> Mapping[str, Any]:
    found = result.params.get("attribution")
    return found if isinstance(found, Mapping) else {}


def _paths(expression: NDArray[np.float64]) -> list[dict[str, str]]:
    """Return the cells of each shade as one path; a for positive, b for negative."""
    cells: dict[str, list[str]] = defaultdict(list)
    side = CELL - 1
    for row, column in np.argwhere(expression).tolist():
        value = float(expression[row, column])
        shade = f"{'a' if value > 0 else 'b'}{shade_of(abs(value))}"
        cells[shade].append(f"M{column * CELL} {row * CELL}h{side}v{side}h-{side}z")
    return [{"shade": shade, "d": "".join(parts)} for shade, parts in sorted(cells.items())]


def _bands(groups: list[int]) -> list[dict[str, int]]:
    """Return the beginning and length of each stretch of one community, and which of two tones it has."""
    bands: list[dict[str, int]] = []
    for at, group in enumerate(groups):
        if bands and bands[-1]["group"] == group:
            bands[-1]["length"] += CELL
        else:
            bands.append({"at": at * CELL, "length": CELL, "group": group})
    return [{**band, "tone": number % 2} for number, band in enumerate(bands)]


def _columns(result: ExpressionResult) -> list[dict[str, Any]]:
    values = list(dict.fromkeys(v for v in result.examples["value"].to_list() if v is not None))
    return [
        {
            "x": CELL * at,
            "middle": CELL * at + CELL / 2,
            "name": printable(row["id"]),
            "value": printable(row["value"] or ""),
            "tone": values.index(row["value"]) % 8 if row["value"] is not None else None,
            "metric": f"{row['metric']:.2f}",
        }
        for at, row in enumerate(result.examples.to_dicts())
    ]


def _tones(result: ExpressionResult) -> list[dict[str, Any]]:
    """Return the values of the column and their colours, as the marks above the columns have them."""
    values = dict.fromkeys(value for value in result.examples["value"].to_list() if value is not None)
    return [{"tone": at % 8, "name": printable(value)} for at, value in enumerate(values)]


def _row(row: Mapping[str, Any], passages: list[dict[str, Any]]) -> dict[str, Any]:
    enriched, label = row["enriched_in"], printable(row["label"] or "").strip()
    return {
        "feature": row["feature"],
        "label": label or f"feature {row['feature']}",
        "named": bool(label),
        "prevalence": f"{row['prevalence']:.0%}".replace("%", "\u00a0%"),
        "active": f"{row['active']:.0%}".replace("%", "\u00a0%"),
        "mean": f"{row['mean']:+.2f}",
        "scale": f"{row['scale']:.3g}",
        "community": row["community"] + 1,
        "enriched": "" if enriched is None else f"{printable(enriched)} (q {probability(row['enriched_q'])})",
        "passages": passages,
    }


def _groups(result: ExpressionResult) -> list[dict[str, Any]]:
    """Return the communities of examples, with what their column says."""
    found = []
    if result.metrics["example_communities"] < 2:
        return []
    for (group,), rows in result.examples.group_by("community", maintain_order=True):
        values = rows["value"].drop_nulls().value_counts(sort=True).head(4).to_dicts()
        told = [f"{printable(row['value'])} ({row['count']:,})" for row in values]
        names = [printable(name) for name in rows["id"].to_list()[:12]]
        more = rows.height - len(names)
        found.append(
            {
                "number": int(str(group)) + 1,
                "n": rows.height,
                "values": ", ".join(told),
                "names": ", ".join(names) + (f" and {more:,} more" if more else ""),
            }
        )
    return found


def _facts(result: ExpressionResult) -> list[tuple[str, str]]:
    asked = _asked(result)
    subject = asked.get("subject")
    about = subject if isinstance(subject, Mapping) else {}
    told = {
        "metric": asked.get("metric"),
        "taken at": asked.get("at"),
        "attribution": asked.get("method"),
        "model": about.get("model"),
        "SAE": about.get("sae"),
        "hook": about.get("hook"),
        "strongest features of each example": result.params["take"],
        "value of a cell": "attribution summed over positions, over the feature's 99th percentile",
        "clustering": "average linkage of cosine distance, cut at the largest silhouette",
    }
    return [(name, printable(str(value))) for name, value in told.items() if value is not None]


# ---- passages ------------------------------------------------------------------------------------------


def _passages(result: ExpressionResult) -> dict[int, list[dict[str, Any]]]:
    """Return for each feature the examples in which it is strongest, its tokens shaded."""
    found = result.attribution
    if found is None:
        return {}
    features = result.table["feature"].to_list()
    pairs = found.pairs.filter(pl.col("feature").is_in(features) & (pl.col("attribution") != 0))
    size = pl.col("attribution").abs()
    best = (
        pairs.sort(size, descending=True, maintain_order=True)
        .unique(["feature", "prompt"], keep="first", maintain_order=True)
        .group_by("feature", maintain_order=True)
        .head(_EXAMPLES)
    )
    tokens = {key[0]: rows["token"].to_list() for key, rows in found.tokens.group_by("prompt")}
    shades = {
        key: dict(rows.select("position", "attribution").iter_rows())
        for key, rows in pairs.join(best.select("feature", "prompt"), on=["feature", "prompt"]).group_by(
            "feature", "prompt"
        )
    }
    names = found.prompts["id"].to_list()
    largest: dict[int, float] = {}
    passages: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for row in best.to_dicts():
        feature, prompt = row["feature"], row["prompt"]
        full = largest.setdefault(feature, abs(row["attribution"]))
        own = shades[feature, prompt]
        passages[feature].append(
            {
                "name": printable(names[prompt] or ""),
                "value": f"{row['attribution']:+.3f}",
                "pieces": _pieces(tokens.get(prompt, []), row["position"], own, full),
            }
        )
    return passages


def _seen(text: str, *, marked: bool) -> str:
    """Return a token as it can be seen where it is marked and nothing but white space."""
    if not marked or text.strip():
        return text
    return text.replace("\n", "↵\n").replace(" ", "␣") or "␣"


def _pieces(tokens: list[str], middle: int, values: Mapping[int, float], full: float) -> list[dict[str, str]]:
    start, stop = max(0, middle - _AROUND), min(len(tokens), middle + _AROUND + 1)
    pieces = [{"text": "…", "shade": "", "told": ""}] if start else []
    for at in range(start, stop):
        value = values.get(at, 0.0)
        step = shade_of(abs(value) / full) if full > 0 else 0
        pieces.append(
            {
                "text": _seen(printable(tokens[at] or "", newlines=True), marked=step > 0),
                "shade": f"{'a' if value > 0 else 'b'}{step}" if step else "",
                "told": f"{value:+.3f}" if step else "",
            }
        )
    return [*pieces, {"text": "…", "shade": "", "told": ""}] if stop < len(tokens) else pieces
