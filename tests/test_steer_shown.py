"""A steering on the terminal, as a page and as a command."""

from __future__ import annotations

import functools
import json
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from page_helpers import HOSTILE, Page, driver, needs_browser
from planted import PROMPTS, WRITES, planted
from test_cli import place, saetext

from saetext.intervene.result import SteerResult
from saetext.intervene.steer import steer
from saetext.report.console.steering import render_steer
from saetext.report.html.steer_page import render_steer_page

__all__ = ["driver", "place"]


@functools.cache
def result() -> SteerResult:
    made: SteerResult = steer(
        planted().model,
        [*PROMPTS[:8], f"what {HOSTILE}"],
        sae=str(planted().sae),
        features=[f"{WRITES}:+1"],
        doses=[-3, 0, 3, 6],
        samples=2,
        max_new_tokens=6,
        reference=str(planted().reference),
        controls=1,
        instruction=f"Say {HOSTILE}",
        words=f"that,{HOSTILE}",
        force=True,
        device="cpu",
        dtype="float32",
    )
    texts = made.texts.with_columns(
        text=pl.col("text") + pl.when(pl.col("sample") == 0).then(pl.lit(HOSTILE))
    )
    texts = texts.with_columns(text=pl.coalesce("text", pl.lit("plain")))
    return SteerResult(
        made.kind, made.table, made.params, made.metrics, made.notes,
        handles=made.handles.with_columns(label=pl.lit(HOSTILE)), controls=made.controls, texts=texts,
    )  # fmt: skip


def test_the_terminal_shows_arms_controls_and_texts_side_by_side() -> None:
    text = render_steer(result(), 100)
    lines = text.splitlines()
    assert all(len(line) <= 100 for line in lines)
    [top] = [line for line in lines if line.startswith("dose 6 ") and "│" not in line]
    row = result().table.row(-1, named=True)
    assert f"{row['length']:.2f}" in top and f"[{row['gauge_low']:+.3f}, {row['gauge_high']:+.3f}]" in top
    assert any(line.startswith("matched 1: ") for line in lines)
    assert not any("no room" in line for line in lines) and top.endswith(f"{100 * row['changed']:.0f} %")
    narrow = render_steer(result(), 80).splitlines()
    assert "no room here for repeats, changed: they are in --json and --html" in narrow
    [same] = [line for line in narrow if line.startswith("dose 6 ") and "│" not in line]
    assert same == top[: len(same)] and same.endswith(f"{row['nll']:.2f}")  # whole numbers
    assert sum("dose -3 " in line and "│" in line for line in lines) == 3
    assert "and 6 prompts more" in text and "note: no verdict" in " ".join(text.split())
    assert "\x1b" not in text and "\u202e" not in text
    assert "\x1b[" in render_steer(result(), 100, True)
    assert max(map(len, render_steer(result(), 40).splitlines())) <= 40
    render_steer(result(), 100, encoding="ascii").encode("ascii")


def test_the_page_has_every_text_and_nothing_takes_effect(tmp_path: Path) -> None:
    html = render_steer_page(result())
    page = Page(html)
    assert page.count("div", "arm") == 9 * (result().table.height + result().controls.height)
    assert page.count("script") == 1 and page.count("img") == 0
    policy = next(str(a["content"]) for t, a in page.tags if a.get("http-equiv"))
    assert policy.startswith("default-src 'none'; style-src 'sha256-") and "unsafe" not in policy
    assert page.text.count("<script>window.pwned=1") >= 9
    assert not {t for t, _ in page.tags} & {"link", "iframe", "object"}
    assert all(
        not str(v).startswith(("http", "//")) for _, a in page.tags for k, v in a.items() if k == "src"
    )
    assert page.count("circle") == 4
    written = result().to_html(tmp_path / "steer.html")
    assert written.read_text("utf-8") == html


@needs_browser
def test_the_slider_shows_one_dose_beside_the_unedited_texts(driver: Any, tmp_path: Path) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import Select

    driver.get(result().to_html(tmp_path / "steer.html").as_uri())

    def shown() -> set[str]:
        parts = driver.find_elements(By.CSS_SELECTOR, ".arm")
        return {p.find_element(By.CSS_SELECTOR, ".name").text for p in parts if p.is_displayed()}

    slider = driver.find_element(By.ID, "slider")
    assert shown() == {"unedited", "dose 6"}
    for expected in ({"unedited", "dose 3"}, {"unedited"}, {"unedited", "dose -3"}):
        slider.send_keys(Keys.ARROW_LEFT)
        assert shown() == expected
    assert driver.find_element(By.ID, "dose").text == "-3"
    Select(driver.find_element(By.ID, "other")).select_by_index(1)
    assert any(name.startswith("matched") for name in shown()) and len(shown()) == 2
    assert driver.execute_script("return window.pwned === undefined")
    assert [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"] == []


# --- the command --------------------------------------------------------------------------------------------


def asked(*more: object) -> Any:
    return saetext(
        "steer", planted().model, *more, "--sae", planted().sae, "--reference", planted().reference,
        "--samples", "1", "--max-new-tokens", "4", "--device", "cpu", "--dtype", "float32",
    )  # fmt: skip


def test_the_command_writes_what_it_says(place: Path) -> None:
    Path("prompts.jsonl").write_text("".join(json.dumps({"text": p}) + "\n" for p in PROMPTS[:2]))
    turns = [{"role": "user", "content": "how now"}, {"role": "assistant", "content": "as it was"}]
    Path("chats.jsonl").write_text(json.dumps({"messages": turns}) + "\n")
    files = ("--html", "s.html", "-o", "arms.jsonl", "--parquet", "t.parquet")
    done = asked(
        "prompts.jsonl",
        "chats.jsonl",
        "one more",
        "-f",
        f"{WRITES}:1",
        "--doses",
        "-3,0,3",
        "--controls",
        1,
        *files,
    )
    assert done.code == 0, done.err
    assert re.findall(r"wrote (\S+)", done.err) == ["t.parquet", "s.html", "arms.jsonl"]
    assert "4 prompts" in done.out and "texts, no verdict" in done.out
    rows = [json.loads(line) for line in Path("arms.jsonl").read_text("utf-8").splitlines()]
    assert {row["prompt"] for row in rows} == {*PROMPTS[:2], "how now", "one more"}
    arms = {row["arm"] for row in rows}
    assert {"unedited", "dose -3", "dose 3", "random direction", "plain instruction"} < arms
    told = asked("one more", "-f", f"{WRITES}:1", "--doses=-3,0,3", "--controls", 0, "--json")
    found = json.loads(told.out)
    assert found["kind"] == "steer" and [r["arm"] for r in found["rows"]] == ["unedited", "dose -3", "dose 3"]
    assert found["params"]["doses"] == [-3, 0, 3] and len(found["texts"]) == 4


def test_arms_become_a_corpus(place: Path) -> None:
    done = asked("one more", "-f", f"{WRITES}:1", "--doses", "3", "--controls", 0, "-o", "arms.corpus")
    assert done.code == 0, done.err
    info = json.loads(saetext("info", "arms.corpus", "--json").out)
    assert info


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["x"], 2, "say what to turn"),
        (["x", "-f", "1", "--doses", "a"], 2, "doses are numbers"),
        (["x", "-f", "one"], 1, "no feature with its strength"),
        (["x", "-f", "999"], 1, "no feature 999"),
        (["x", "-f", "1", "-o", "arms.txt"], 1, "jsonl"),
        (["my-prompts.jsonl", "-f", "1"], 1, "there is no file my-prompts.jsonl"),
        (["x", "-f", "1", "--positions", "here"], 1, "choose all, prompt"),
    ],
)
def test_what_cannot_be_done_is_one_line(options: list[str], code: int, message: str, place: Path) -> None:
    done = asked(*options)
    assert done.code == code and message in " ".join(done.err.replace("│", " ").split())
    if code == 1:
        assert "\n" not in done.error


def test_reference_text_that_is_not_there_is_one_line(place: Path) -> None:
    where = ["--sae", planted().sae, "--reference", "none.jsonl"]
    assert "none.jsonl" in saetext("steer", planted().model, "x", "-f", "1", *where).error


def test_a_model_that_only_reads_is_refused(place: Path, tmp_path: Path) -> None:
    from tiny_models import save_model

    bert = save_model("bert", tmp_path / "bert")
    done = saetext("steer", bert, "x", "--sae", planted().sae, "-f", "1", "--reference", planted().reference)
    assert "cannot write: name a causal model" in done.error
    reads = saetext("steer", "embedded", "x", "-f", "1")
    assert reads.error == "embedded reads, it cannot write: name a causal model, such as smollm2"


def test_prompts_of_a_file_are_found_or_named_and_answers_are_not_looked_at(place: Path) -> None:
    short = [json.dumps({"prompt": p, "output": "no"}) for p in PROMPTS[:2]]
    (place / "asked.jsonl").write_text("\n".join(short))
    (place / "odd.jsonl").write_text("\n".join(json.dumps({"wording": p, "n": 1}) for p in PROMPTS[:2]))
    for file, columns in (("asked.jsonl", []), ("odd.jsonl", ["--prompt-column", "wording"])):
        out = ("-o", f"{file}.arms.jsonl")
        told = asked(file, "-f", f"{WRITES}:1", "--doses", "3", "--controls", 0, *columns, *out)
        assert told.code == 0, told.err
        rows = Path(out[1]).read_text("utf-8").splitlines()
        assert {json.loads(row)["prompt"] for row in rows} == set(PROMPTS[:2])
    assert "no file was given; leave it out" in asked("x", "-f", "1", "--text-column", "wording").error
