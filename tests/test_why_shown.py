"""A why on the terminal, as a page and as a command."""

from __future__ import annotations

import dataclasses
import functools
import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from page_helpers import HOSTILE, Page
from planted_causes import (
    READS,
    SYSTEM_A,
    SYSTEM_B,
    VERDICTS,
    WRITES,
    compared,
    corpora,
    generator,
    planted_cause,
)
from test_cli import place, saetext

from saetext.intervene.causes import WhyResult, why
from saetext.report.console.causes import render_why
from saetext.report.html.why_page import render_why_page

__all__ = ["place"]


@functools.cache
def result() -> WhyResult:
    """A why whose findings, labels, texts and notes are hostile."""
    features = [str(feature) for feature in VERDICTS]
    made = why(
        compared(), generator(), system_a=SYSTEM_A, system_b=SYSTEM_B, features=features, samples=1,
        max_new_tokens=5, batch=64, findings=1, controls=2,
    )  # fmt: skip
    name = pl.lit(f"that {HOSTILE}")
    return dataclasses.replace(
        made,
        table=made.table.with_columns(finding=name, label=pl.lit(HOSTILE)),
        findings_table=made.findings_table.with_columns(finding=name),
        candidates=made.candidates.with_columns(finding=name, label=pl.lit(HOSTILE)),
        arms=made.arms.with_columns(finding=name),
        texts=made.texts.with_columns(text=pl.col("text") + HOSTILE),
        notes=(*made.notes, HOSTILE),
    )


@functools.cache
def proposed() -> WhyResult:
    made: WhyResult = why(compared(), generator(), batch=64)
    return made


def test_the_terminal_shows_each_verdict_with_its_figures() -> None:
    text = render_why(result(), 120)
    assert all(len(line) <= 120 for line in text.splitlines())
    flat = " ".join(text.split())
    for row in result().table.to_dicts():
        # against two matched features nothing is shown to drive anything
        assert f"feature {row['feature']} (" in flat and row["verdict"] in flat
        if row["gap"] is not None:
            assert f"{100 * row['necessary']:.0f} %" in flat and f"{row['nll_removed']:+.2f}" in flat
    assert f"A: system prompt “{SYSTEM_A}”" in flat
    for word in ("necessary", "sufficient", "dose", "specific", "intact", "active"):
        assert f"\n    {word}" in text
    for arm in ("A", "A, 8 taken out", "B", "B, 8 turned up"):
        assert re.search(rf"^{arm} +│", text, re.MULTILINE)
    assert "\x1b[" in render_why(result(), 100, True)
    assert max(map(len, render_why(result(), 40).splitlines())) <= 40
    render_why(result(), 100, encoding="ascii").encode("ascii")


def test_where_nothing_was_tested_that_stands_in_the_verdicts_place() -> None:
    text = " ".join(render_why(proposed(), 100).split())
    assert "features are proposed, nothing is tested" in text
    assert "handles only, no verdict" in text and "drives it" not in text
    assert "no verdict" in render_why_page(proposed())


def test_the_page_has_every_figure_and_hostile_names_stay_text() -> None:
    html = render_why_page(result())
    page = Page(html)
    assert "script" not in {tag for tag, _ in page.tags}
    assert html.count('class="verdict ') == result().table.height
    for row in result().table.to_dicts():
        assert f">{row['verdict']}</span>" in html
    assert HOSTILE not in html


def options(tmp_path: Path) -> list[str]:
    model, sae = planted_cause()
    path = tmp_path / "diff.json"
    path.write_text(compared().to_json(), "utf-8")
    return [str(path), "--model", str(model), "--sae", str(sae), "--samples", "1", "--max-new-tokens", "5",
            "--batch", "64", "--controls", "0", "--device", "cpu", "--dtype", "float32"]  # fmt: skip


def test_the_command_prints_writes_and_pipes(place: Path, tmp_path: Path) -> None:
    arguments = [*options(tmp_path), "--system-a", SYSTEM_A, "--system-b", SYSTEM_B, "-f", str(READS)]
    files = ["--html", "why.html", "-o", "arms.jsonl", "--parquet", "why.parquet"]
    done = saetext("why", *arguments, "--json", *files)
    assert done.code == 0, done.err
    content = json.loads(done.out)
    assert content["kind"] == "why"
    assert [row["feature"] for row in content["rows"]] == [READS]
    assert set(content) >= {"findings", "candidates", "arms", "texts"}
    assert "<html" in (place / "why.html").read_text() and pl.read_parquet(place / "why.parquet").height == 1
    arms = [json.loads(line) for line in (place / "arms.jsonl").read_text().splitlines()]
    assert len({row["id"] for row in arms}) == len(arms) and {"arm", "prompt_id"} <= set(arms[0])
    shown = saetext("why", *arguments)
    assert shown.code == 0 and f"feature {READS}" in shown.out
    assert "exists" in saetext("why", *arguments, "--html", "why.html").error


def test_prompts_in_a_file_are_answered_on_both_sides(place: Path, tmp_path: Path) -> None:
    (place / "prompts.jsonl").write_text('{"prompt": "the sun"}\n{"prompt": "the she"}\n')
    named = options(tmp_path)[1:]
    assert "nowhere.jsonl" in saetext("why", "nowhere.jsonl", *named, "--system-a", "x").error
    assert "say how the model shall write A and B" in saetext("why", "prompts.jsonl", *named).error
    assert "name it with --model" in saetext("why", "prompts.jsonl").error
    told = saetext(
        "why", "prompts.jsonl", *named, "--system-a", "x", "--reader", str(planted_cause()[1])
    ).error
    assert "is the SAE that is edited, and no judge of its own edit: name another reader" in told


def test_a_diff_is_looked_into_at_once(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under the diff, in its JSON, and as a page beside its own."""
    sets = [str(corpus.path) for corpus in corpora(True)]
    asked: list[dict[str, Any]] = []

    def looked(found: Any, model: str, **options: Any) -> WhyResult:
        asked.append({"model": model, "findings": found.found.height, **options})
        return result()

    monkeypatch.setattr("saetext.intervene.causes.run.why", looked)
    monkeypatch.setattr("saetext_cli.diff_why.convert_first", lambda _: None)
    arguments = ["diff", *sets, "--pair-on", "prompt", "--why", "writer", "--system-a", "x"]
    shown = saetext(*arguments, "--html", "diff.html")
    assert shown.code == 0, shown.err
    lines = shown.out.splitlines()
    [first] = [at for at, line in enumerate(lines) if line.startswith("model, blocks.0.hook_resid_post")]
    assert first > 3 and any("“that”" in line for line in lines[:first])
    assert {"diff.html", "diff.why.html"} <= {path.name for path in place.iterdir()}
    content = json.loads(saetext(*arguments, "--json").out)
    assert content["kind"] == "diff" and content["why"]["kind"] == "why"
    assert asked[0]["model"] == "writer" and asked[0]["system_a"] == "x" and asked[0]["findings"]
    (place / "two.why.html").touch()
    assert "two.why.html exists" in saetext(*arguments, "--html", "two.html").error
    assert saetext("diff", *sets, "--system-a", "x").code == 2
    assert saetext(*arguments, "--csv").code == 2


@pytest.mark.slow
def test_a_and_b_are_written_compared_and_looked_into(place: Path) -> None:
    """End to end, from prompts alone: the default reader compares, and what breaks the text is not chosen."""
    from planted_causes import PROMPTS

    model, sae = planted_cause()
    (place / "prompts.jsonl").write_text("".join(json.dumps({"prompt": p}) + "\n" for p in PROMPTS))
    done = saetext(
        "why", "prompts.jsonl", "--model", str(model), "--sae", str(sae), "--system-a", SYSTEM_A,
        "--system-b", SYSTEM_B, "--samples", "3", "--max-new-tokens", "6", "--batch", "64", "--findings",
        "2", "--controls", "19", "--json", "--device", "cpu", "--dtype", "float32",
    )  # fmt: skip
    assert done.code == 0, done.err
    rows = json.loads(done.out)["rows"]
    assert rows and any(row["feature"] == WRITES for row in rows)
    [row, *_] = [row for row in rows if row["feature"] == WRITES]
    assert row["gap"] > 0.5 and row["necessary"] > 0.5 and row["sufficient"] > 0.5
