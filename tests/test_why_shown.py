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

from saetext.features.labels import FeatureLabels
from saetext.intervene.causes import WhyResult, why
from saetext.intervene.causes.compared import compared_of
from saetext.report.console.causes import figures, render_why
from saetext.report.console.differences import render_diff
from saetext.report.html.pages import differences_html
from saetext.report.html.why_page import render_why_page

__all__ = ["place"]


@functools.cache
def plain() -> WhyResult:
    features = [str(feature) for feature in VERDICTS]
    made: WhyResult = why(
        compared(), generator(), system_a=SYSTEM_A, system_b=SYSTEM_B, features=features, samples=1,
        max_new_tokens=5, batch=64, findings=1, controls=2,
    )  # fmt: skip
    return made


@functools.cache
def result() -> WhyResult:
    """A why whose findings, labels, texts and notes are hostile."""
    made = plain()
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
    """Below the finding it is about and in its JSON; the rest under the diff and on a page beside."""
    sets = [str(corpus.path) for corpus in corpora(True)]
    asked: list[dict[str, Any]] = []

    def looked(found: Any, model: str, **options: Any) -> WhyResult:
        asked.append({"model": model, "findings": found.found.height, **options})
        return plain()

    monkeypatch.setattr("saetext.intervene.causes.run.why", looked)
    monkeypatch.setattr("saetext_cli.diff_why.convert_first", lambda _: None)
    arguments = ["diff", *sets, "--pair-on", "prompt", "--why", "writer", "--system-a", "x"]
    shown = saetext(*arguments, "--html", "diff.html")
    assert shown.code == 0, shown.err
    lines = shown.out.splitlines()
    [rest] = [at for at, line in enumerate(lines) if line.startswith("model, blocks.0.hook_resid_post")]
    below = [at for at, line in enumerate(lines) if line.startswith("  why feature")]
    [finding] = [at for at, line in enumerate(lines) if line.startswith("“that”")]
    rows = plain().table.to_dicts()
    assert len(below) == len(rows) and finding < below[0] and below[-1] < rest
    told = " ".join(" ".join(lines[finding:rest]).split())
    for row in rows:
        assert f"why feature {row['feature']}: {row['verdict']}: {row['because']}" in told
        for word, figure in figures(row):
            assert f"{word}: {figure}" in told
    assert not any(line.startswith("“that”: more in") for line in lines)  # it is not told twice
    assert {"diff.html", "diff.why.html"} <= {path.name for path in place.iterdir()}
    content = json.loads(saetext(*arguments, "--json").out)
    assert content["kind"] == "diff" and content["why"]["kind"] == "why"
    own = {row["name"]: row["why"] for row in content["findings"]}
    assert own["“that”"] == content["why"]["rows"]
    assert all(value is None for name, value in own.items() if name != "“that”")
    (place / "diff.json").write_text(json.dumps(content))
    assert [one.name for one in compared_of(place / "diff.json").findings] == [
        one.name for one in compared_of(compared()).findings
    ]
    assert asked[0]["model"] == "writer" and asked[0]["system_a"] == "x" and asked[0]["findings"]
    (place / "two.why.html").touch()
    assert "two.why.html exists" in saetext(*arguments, "--html", "two.html").error
    assert saetext("diff", *sets, "--system-a", "x").code == 2
    assert saetext(*arguments, "--csv").code == 2


def test_verdicts_stand_on_the_cards_of_the_page_and_hostile_ones_do_nothing() -> None:
    found, sets = compared(), corpora()
    labels = FeatureLabels.from_rows([])
    bare = differences_html(found, sets, labels)
    assert "Why: " not in bare
    markup = differences_html(found, sets, labels, why=plain())
    card = markup[markup.index("Why: ") :].partition("</article>")[0]
    for feature, verdict in zip(plain().table["feature"], plain().table["verdict"], strict=True):
        assert re.search(rf"feature {feature}</bdi> <span class=.verdict \w+.>{verdict}</span>", card)
    assert "<dt>necessary</dt>" in card
    # a finding of a hostile name is none of this diff's: what is hostile here is the feature's label
    hostile = dataclasses.replace(plain(), table=plain().table.with_columns(label=pl.lit(HOSTILE)))
    page = Page(differences_html(found, sets, labels, why=hostile))
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in Page(markup).tags]


def test_what_the_list_does_not_show_is_told_under_it() -> None:
    found = dataclasses.replace(compared(), params={**compared().params, "top": None})
    text = render_diff(found, why=plain(), top=0)
    assert "  why feature" not in text and "“that”: more in" in text
    assert render_diff(found, why=plain()).startswith(render_diff(found).partition("“that”")[0])
    none = dataclasses.replace(plain(), table=plain().table.clear())
    assert "  why no feature could be proposed" in render_diff(found, why=none)


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
