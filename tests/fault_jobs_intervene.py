"""Jobs for fault injection and power cuts: what steer, attribute and expression write.

A helper for tests, not a test; what a job is, :mod:`fault_jobs` says.
"""

from __future__ import annotations

import functools
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
from fault_jobs import Files, Job
from planted import PROMPTS, WRITES, planted

from saetext.intervene.attribution import AttributionResult
from saetext.intervene.attribution.tables import TABLES
from saetext.intervene.expression import ExpressionResult, expression
from saetext.intervene.generator import Generator, load_generator
from saetext.intervene.result import SteerResult
from saetext.intervene.steer import steer
from saetext.io import answer_cache


@functools.cache
def _generator() -> Generator:
    return load_generator(planted().model, str(planted().sae), device="cpu", dtype="float32")


@contextmanager
def _cache_at(folder: Path) -> Iterator[None]:
    before = os.environ.get("SAETEXT_CACHE")
    os.environ["SAETEXT_CACHE"] = str(folder)
    try:
        yield
    finally:
        if before is None:
            del os.environ["SAETEXT_CACHE"]
        else:
            os.environ["SAETEXT_CACHE"] = before


def _steered() -> SteerResult:
    return steer(
        _generator(), PROMPTS[:2], features=[f"{WRITES}:+1"], doses=[0, 3], samples=1, max_new_tokens=2,
        reference=planted().reference, force=True, controls=0, instruction="", words="that",
    )  # fmt: skip


def _steer(folder: Path) -> None:
    """A steering whose texts and measured strengths are kept in the folder, for the next run."""
    with _cache_at(folder / "cache"):
        _steered()


def _kept(folder: Path) -> dict[str, str | None]:
    """What a next run would take as written already; None for all else."""
    found: dict[str, str | None] = defaultdict(lambda: None)
    with _cache_at(folder / "cache"):
        for path in (folder / "cache" / "llm").glob("*/*.json"):
            found[path.stem] = answer_cache.find(path.stem)
    return found


class Resumed(Job):
    """A job of which only what it goes on with is compared, not what a process remembers of files' hashes."""

    def files(self, folder: Path) -> Files:
        """Return the texts and strengths that are kept."""
        found = super().files(folder)
        return {name: data for name, data in found.items() if not name.endswith("file-hashes.json")}


@functools.cache
def _texts() -> SteerResult:
    return _steered()


def _write_texts(folder: Path) -> None:
    """The files of a steering, as the command writes them: all or none."""
    from saetext_cli.analysing import write_table
    from saetext_cli.outputs import all_or_none

    table, page, lines, parquet = (
        folder / f"s.{end}" for end in ("table.parquet", "html", "jsonl", "parquet")
    )
    with all_or_none(table, page, lines, parquet):
        write_table(_texts(), table)
        _texts().to_html(page)
        _texts().write_texts(lines)
        _texts().write_texts(parquet)


@functools.cache
def attribution() -> AttributionResult:
    """Return an attribution of three prompts, made up."""
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES}
    for prompt in range(3):
        rows["prompts"].append({"prompt": prompt, "id": f"p{prompt}", "tokens": 2, "metric": prompt / 7})
        rows["tokens"] += [{"prompt": prompt, "position": at, "token": f" t{at}"} for at in range(2)]
        rows["errors"].append({"prompt": prompt, "position": 1, "attribution": -0.25})
        rows["pairs"] += [
            {"prompt": prompt, "position": 1, "feature": f, "attribution": f / (prompt + 3)}
            for f in (2, 5 + prompt)
        ]
    tables = {name: pl.DataFrame(rows[name], schema=dict(TABLES[name])) for name in TABLES}
    about: dict[str, Any] = {
        "metric": 'logit("a")',
        "at": "last",
        "method": "grad",
        "subject": {"model": "m"},
    }
    return AttributionResult(
        "attribute",
        params=about,
        metrics={"prompts": 3},
        meta=tuple({"topic": "ab"[n % 2]} for n in range(3)),
        labels={2: "everywhere"},
        **tables,
    )


def whole(found: AttributionResult) -> list[Any]:
    """Return everything in an attribution, to compare."""
    tables = [getattr(found, name).to_dicts() for name in TABLES]
    return [
        dict(found.params),
        dict(found.metrics),
        found.notes,
        [dict(m) for m in found.meta],
        dict(found.labels),
        *tables,
    ]


def _save(folder: Path) -> None:
    attribution().save(folder / "a.json")


def _saved(folder: Path) -> object:
    path = folder / "a.json"
    return whole(AttributionResult.load(path)) if path.exists() else None


@functools.cache
def _expressed() -> ExpressionResult:
    return expression(attribution())


def _express(folder: Path) -> None:
    """The files of a matrix, as the command writes them."""
    from saetext_cli.analysing import write_table
    from saetext_cli.outputs import all_or_none

    from saetext.report.html.matrix_picture import write_matrix_picture

    table, page, picture = (folder / f"m.{end}" for end in ("parquet", "html", "png"))
    with all_or_none(table, page, picture):
        write_table(_expressed(), table)
        _expressed().to_html(page)
        write_matrix_picture(_expressed(), picture)


def _contents(*names: str) -> Callable[[Path], dict[str, bytes | None]]:
    def read(folder: Path) -> dict[str, bytes | None]:
        return {name: path.read_bytes() if (path := folder / name).exists() else None for name in names}

    return read


def _nothing(folder: Path) -> None:
    """Begin with an empty folder."""


JOBS = {
    job.name: job
    for job in (
        Resumed("steer", _nothing, _steer, _kept),
        Job("texts", _nothing, _write_texts, _contents("s.table.parquet", "s.html", "s.jsonl", "s.parquet")),
        Job("attribution", _nothing, _save, _saved),
        Job("matrix", _nothing, _express, _contents("m.parquet", "m.html", "m.png")),
    )
}
