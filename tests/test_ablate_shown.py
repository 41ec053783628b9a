"""An ablation on the terminal, as a page, as files and as a command."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from page_helpers import HOSTILE, Page, driver, needs_browser
from planted import WORD
from planted_ablation import ROWS, WRITES, planted_writer
from test_cli import place, saetext

from saetext.errors import InputError
from saetext.intervene.ablation import AblateResult, ablate
from saetext.intervene.second_reader import seen_schema
from saetext.intervene.texts_file import rows_of
from saetext.report.console.ablation import render_ablation
from saetext.report.html.ablate_page import render_ablate_page

__all__ = ["driver", "place"]


@functools.cache
def result() -> AblateResult:
    model, sae = planted_writer()
    rows = [*ROWS[:8], {"id": "x", "prompt": f"what {HOSTILE}", "topic": HOSTILE}]
    made: AblateResult = ablate(
        str(model), rows, sae=str(sae), features=[WRITES], by="topic", mode="zero,mean", samples=2,
        max_new_tokens=6, controls=2, metrics="words,items", words=WORD, device="cpu", dtype="float32",
        forbid=f" {WORD}", gauge="none",
    )  # fmt: skip
    texts = made.texts.with_columns(
        text=pl.when(pl.col("sample") == 0).then(pl.col("text") + pl.lit(HOSTILE)).otherwise("text")
    )
    seen = [{
        "arm": "zero", "name": f"x {HOSTILE}", "kind": "word", "rate": 0.0, "rate_unedited": 0.75,
        "diff": -0.75, "q": 1e-4, "confirmed": True, "diff_random": -0.5, "snippet": "a",
        "snippet_unedited": "b",
    }]  # fmt: skip
    return AblateResult(
        made.kind, made.table, made.params, {**made.metrics, "gauge_reader": "embedded"}, made.notes,
        controls=made.controls, seen=pl.DataFrame(seen, schema=seen_schema()),
        topics=made.topics, features=made.features.with_columns(label=pl.lit(HOSTILE)), texts=texts,
    )  # fmt: skip


def test_the_terminal_shows_metrics_by_arm_and_texts_side_by_side() -> None:
    text = render_ablation(result(), 100)
    lines = text.splitlines()
    assert all(len(line) <= 100 for line in lines)
    row = result().table.row(by_predicate=(pl.col("arm") == "zero") & pl.col("primary"), named=True)
    [top] = [line for line in lines if line.startswith("zero ") and "│" not in line][:1]
    assert f"{row['mean']:.3g} " in top and f"[{row['low']:+.3g}, {row['high']:+.3g}]" in top
    assert sum(line.startswith("words (primary)") for line in lines) == 1
    assert sum(line.startswith("  2 matched sets") for line in lines) == 8  # 2 modes of 4 metrics
    assert sum(line.startswith(f'forbid " {WORD}"') for line in lines) == 4
    assert sum(line.startswith("zero ") and "│" in line for line in lines) >= 3
    assert "and 6 prompts more" in text and "a verdict needs 19" in " ".join(text.split())
    flat = " ".join(text.split())
    assert "what a second reader (embedded) sees in zero against unedited x " in flat
    assert "0 against 75 % of texts, q 1e-04 ✓; a random edit too (-50)" in flat
    assert "what a second reader (embedded) sees in mean against unedited no difference with q < .05" in flat
    assert "\x1b" not in text and "\u202e" not in text
    assert "\x1b[" in render_ablation(result(), 100, True)
    assert max(map(len, render_ablation(result(), 40).splitlines())) <= 40
    assert "no room" not in text and top.endswith(f"{row['variance_p']:.3f}"[1:])
    narrow = render_ablation(result(), 80).splitlines()
    assert "no room here for variance, its p: they are in --json and --html" in narrow
    [same] = [line for line in narrow if line.startswith("zero ") and "│" not in line][:1]
    assert same == top[: len(same)] and same.endswith(f"{row['control_p']:.2f}")  # whole numbers
    render_ablation(result(), 100, encoding="ascii").encode("ascii")


def test_the_page_has_every_text_and_table_and_nothing_takes_effect(tmp_path: Path) -> None:
    html = render_ablate_page(result())
    page = Page(html)
    arms = result().texts["arm"].n_unique()
    assert page.count("div", "arm") == 9 * arms and page.count("option") == arms
    assert page.count("table") == 4 + 1 + 1  # of each metric, by topic, and what a second reader sees
    assert page.count("table", "findings") == 1 and "No difference with q < .05." in page.text
    assert json.loads(result().to_json())["seen"][0]["diff_random"] == -0.5
    assert page.count("script") == 1 and page.count("img") == 0
    policy = next(str(a["content"]) for t, a in page.tags if a.get("http-equiv"))
    assert policy.startswith("default-src 'none'; style-src 'sha256-") and "unsafe" not in policy
    assert page.text.count("<script>window.pwned=1") >= 9
    assert not {t for t, _ in page.tags} & {"link", "iframe", "object"}
    written = result().to_html(tmp_path / "ablated.html")
    assert written.read_text("utf-8") == html
    assert "<table" in result()._repr_html_()


@needs_browser
def test_any_arm_stands_beside_the_unedited_texts(driver: Any, tmp_path: Path) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import Select

    driver.get(result().to_html(tmp_path / "ablated.html").as_uri())

    def shown() -> set[str]:
        parts = driver.find_elements(By.CSS_SELECTOR, ".arm")
        return {p.find_element(By.CSS_SELECTOR, ".name").text for p in parts if p.is_displayed()}

    assert shown() == {"unedited", "zero"}
    chosen = Select(driver.find_element(By.ID, "other"))
    chosen.select_by_visible_text("mean")
    assert shown() == {"unedited", "mean"}
    chosen.select_by_visible_text("unedited")
    assert shown() == {"unedited"}
    assert driver.execute_script("return window.pwned === undefined")
    assert [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_texts_are_files_for_every_analysis(tmp_path: Path) -> None:
    jsonl, parquet = (result().write_texts(tmp_path / f"arms.{s}") for s in ("jsonl", "parquet"))
    rows = [json.loads(line) for line in jsonl.read_text("utf-8").splitlines()]
    assert rows == pl.read_parquet(parquet).to_dicts()
    assert len({row["id"] for row in rows}) == len(rows) == result().texts.height
    assert {"arm", "topic", "items", "words", "nll", "changed"} < set(rows[0])
    assert len(set(rows_of(result().texts)["prompt_id"])) == 9 * 2
    with pytest.raises(InputError, match="exists"):
        result().write_texts(jsonl)
    with pytest.raises(InputError, match="jsonl or"):
        result().write_texts(tmp_path / "arms.txt")
    told = json.loads(result().to_json())
    assert {"rows", "controls", "topics", "features", "texts", "metrics"} <= set(told)


# --- the command --------------------------------------------------------------------------------------------


def asked(*more: object) -> Any:
    model, sae = planted_writer()
    return saetext(
        "ablate", model, *more, "--sae", sae, "--samples", "1", "--max-new-tokens", "3", "--device", "cpu",
        "--dtype", "float32",
    )  # fmt: skip


def write_prompts(n: int) -> None:
    Path("prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS[:n]))


def test_the_command_writes_what_it_says(place: Path) -> None:
    write_prompts(10)
    model, sae = planted_writer()
    made = saetext(
        "attribute", model, "prompts.jsonl", "--sae", sae, "--metric", f'logit(" {WORD}")', "--positions",
        "all", "--checks", 1, "--top", 3, "-o", "attribution.json", "--device", "cpu", "--dtype", "float32",
    )  # fmt: skip
    assert made.code == 0, made.err
    files = ("--html", "a.html", "-o", "arms.jsonl", "--parquet", "t.parquet")
    done = asked(
        "prompts.jsonl", "--features", "attribution.json:2", "--by", "topic", "--mode", "zero,mean",
        "--controls", 1, "--metrics", "items,distinct,repeats,tokens", *files,
    )  # fmt: skip
    assert done.code == 0, done.err
    assert re.findall(r"wrote (\S+)", done.err) == ["t.parquet", "a.html", "arms.jsonl"]
    assert "2 features taken out together (zero, mean; positions all), 5 topics" in " ".join(done.out.split())
    assert "features chosen on 5 topics, tested on 5 others" in " ".join(done.out.split())
    rows = [json.loads(line) for line in Path("arms.jsonl").read_text("utf-8").splitlines()]
    assert {"unedited", "zero", "mean", f'forbid " {WORD}"'} < {row["arm"] for row in rows}
    told = asked("prompts.jsonl", "-f", 5, "-f", 9, "--each", "--controls", 0, "--forbid", "", "--json")
    found = json.loads(told.out)
    assert found["kind"] == "ablate" and {row["arm"] for row in found["rows"]} == {"zero 5", "zero 9"}
    assert found["controls"] == [] and found["params"]["features"] == ["5", "9"]
    # a column that is named has the prompts
    named = asked(
        "prompts.jsonl", "-f", 5, "--controls", 0, "--prompt-column", "prompt", "--by", "topic", "--json"
    )
    assert json.loads(named.out)["texts"][0]["prompt_text"] == ROWS[0]["prompt"]


def test_arms_become_a_corpus(place: Path) -> None:
    write_prompts(2)
    done = asked("prompts.jsonl", "-f", 5, "--controls", 0, "-o", "arms.corpus")
    assert done.code == 0, done.err
    assert json.loads(saetext("info", "arms.corpus", "--json").out)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ([], 2, "say what to take out"),
        (["-f", "5", "--mode", "away"], 2, "mode is one or more of"),
        (["-f", "five"], 2, "is no feature"),
        (["-f", "5", "--metrics", "beauty"], 2, "no metric"),
        (["-f", "5", "--metrics", "words"], 2, "belong together"),
        (["-f", "999"], 1, "no feature 999"),
        (["-f", "none.json:5"], 1, "none.json"),
        (["-f", "5", "--by", "subject"], 1, "no column"),
        (["-f", "5", "-o", "arms.txt"], 1, "jsonl"),
        (["-f", "5", "--positions", "here"], 1, "choose all, prompt"),
        (["-f", "5", "--forbid", "the quick"], 1, "tokens"),
    ],
)
def test_what_cannot_be_done_is_one_line(options: list[str], code: int, message: str, place: Path) -> None:
    write_prompts(2)
    done = asked("prompts.jsonl", *options)
    assert done.code == code and message in " ".join(done.err.replace("│", " ").split())
    if code == 1:
        assert "\n" not in done.error


def test_a_file_that_is_not_there_and_a_model_that_only_reads(place: Path) -> None:
    assert "none.jsonl" in asked("none.jsonl", "-f", "5").error
    write_prompts(2)
    reads = saetext("ablate", "embedded", "prompts.jsonl", "-f", "1")
    assert reads.error == "embedded reads, it cannot write: name a causal model, such as smollm2"
