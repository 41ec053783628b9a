"""Dampened bias on the terminal, as a page and as a command."""

from __future__ import annotations

import dataclasses
import functools
import json
from pathlib import Path
from typing import Any

import polars as pl
from page_helpers import HOSTILE, Page
from planted_bias import BIAS, PAIR, PROFESSIONS, subject, tiny
from test_cli import place, saetext

import saetext as library
from saetext.report.console.bias import arms_told, render_bias, suites_told
from saetext.report.html.bias_page import render_bias_page

__all__ = ["place"]


@functools.cache
def dampened() -> Any:
    """A dampening whose professions, labels and notes are hostile."""
    made = library.bias(
        subject(), find=True, finders="attribution,swapped", take=3, controls=3,
        **{**tiny().options, "instruction": "Hello."},
    )  # fmt: skip
    unit = made.units["unit"][0]
    return dataclasses.replace(
        made,
        units=made.units.with_columns(pl.col("unit").replace({unit: f"{unit} {HOSTILE}"})),
        features=made.features.with_columns(label=pl.lit(HOSTILE)),
        notes=(*made.notes, HOSTILE),
    )


def test_the_terminal_shows_the_verdict_arms_and_features() -> None:
    result = dampened()
    text = render_bias(result, 130, False)
    assert all(len(line) <= 130 for line in text.splitlines())
    told = " ".join(text.split())
    first, second = (word.strip() for word in PAIR)
    before = f"{result.metrics['gap_before']:.2f}"
    assert f"{result.verdict}: |log p({first}) - log p({second})| {before} to" in told
    for row in result.table.filter((pl.col("measure") == "gap") & (pl.col("suite") == "all")).to_dicts():
        [line] = [one for one in text.splitlines() if one.startswith(f"{row['arm']:<19}")]
        assert f"{row['value']:.2f}" in line
        if row["diff"] is not None:
            assert (
                f"{row['diff']:+.2f}" in line and f"[{row['diff_low']:+.2f}, {row['diff_high']:+.2f}]" in line
            )
    matched = result.controls.filter((pl.col("kind") == "matched") & (pl.col("measure") == "gap"))
    [line] = [one for one in text.splitlines() if one.startswith("3 matched sets")]
    assert f"{matched['diff'].mean():+.2f}" in line
    assert "plain instruction" in text and "3 random directions" in text and "attribution alone" in text
    assert str(result.features["feature"][0]) in text
    assert "\x1b[" in render_bias(result, 100, True)
    assert max(map(len, render_bias(result, 40, False).splitlines())) <= 40
    assert "no room" not in text
    narrow = render_bias(result, 80, False).splitlines()
    assert "no room here for matched, stereo, who: they are in --json and --html" in narrow
    [same] = [line for line in narrow if line.startswith("plain instruction")]
    fact = result.controls.filter((pl.col("kind") == "instruction") & (pl.col("measure") == "fact"))
    assert f" {fact['value'].item():.2f}" in same and "…" not in same
    render_bias(result, 100, False, encoding="ascii").encode("ascii")


def test_the_page_has_every_profession_and_hostile_names_stay_text(tmp_path: Path) -> None:
    result = dampened()
    html = render_bias_page(result)
    page = Page(html)
    assert "script" not in {tag for tag, _ in page.tags} and HOSTILE not in html
    assert (
        html.count("<circle")
        == 2
        * result.units.filter(
            (pl.col("arm") == "unedited") & ((pl.col("measure") == "fact") | (pl.col("suite") == "all"))
        ).height
    )
    before = result.units.filter((pl.col("arm") == "unedited") & (pl.col("suite") == "all"))
    after = result.units.filter((pl.col("arm") == "dose 0") & (pl.col("suite") == "all"))
    for row in (*before.to_dicts(), *after.to_dicts()):
        assert f"<td>{row['signed']:+.2f}</td>" in html
    assert result.to_html(tmp_path / "bias.html").read_text("utf-8") == html


def test_the_words_that_are_compared_are_named(tmp_path: Path) -> None:
    """The suite compares other words than he and she, which stand nowhere; hostile ones stay text."""
    result = dampened()
    first, second = (word.strip() for word in PAIR)
    for text in (render_bias(result, 130, False), html := render_bias_page(result)):
        assert f"log p({first}) - log p({second})" in text and "p(he)" not in text
    assert f"<bdi>{second}</bdi> — <bdi>{first}</bdi>" in html and "she — he" not in html
    verdict = result.verdict[:1].upper() + result.verdict[1:]
    assert f"<p>{verdict}: |log p({first})" in html
    hostile = dataclasses.replace(
        result, metrics={**result.metrics, "pair": [HOSTILE, "b"], "pair_of_facts": ["a", HOSTILE]}
    )
    assert HOSTILE not in render_bias_page(hostile)
    assert "\x1b" not in render_bias(hostile, 130, False)


def test_of_several_suites_it_is_said_whose_who_is_shown() -> None:
    result = dampened()
    assert suites_told(result) is None
    one = result.table.head(1)
    more = [
        one.with_columns(measure=pl.lit("resolution"), suite=pl.lit(suite), value=pl.lit(value))
        for suite, value in (("winogender", 0.25), (f"mine{HOSTILE}", 0.75))
    ]
    both = dataclasses.replace(result, table=pl.concat([result.table, *more]))
    assert arms_told(both)[0]["resolution"]["value"] == 0.25
    text, html = " ".join(render_bias(both, 130, False).split()), render_bias_page(both)
    assert "who: of winogender; of mine" in text
    assert "who: of winogender; of mine" in html and HOSTILE not in html


def command(*arguments: object) -> Any:
    return saetext(
        "bias", tiny().model, *arguments, "--suite", tiny().suite, "--neutral", tiny().neutral,
        "--sae", tiny().sae, "--device", "cpu", "--reference-tokens", "0", "--instruction", "",
    )  # fmt: skip


def test_the_command_writes_json_a_table_and_a_page(tmp_path: Path) -> None:
    page, table = tmp_path / "a.html", tmp_path / "a.parquet"
    named = ",".join(map(str, BIAS))
    done = command(
        "--features",
        named,
        "--dampen",
        "1,0",
        "--controls",
        "2",
        "--html",
        page,
        "--parquet",
        table,
        "--json",
    )
    assert done.code == 0, done
    found = json.loads(done.out)
    assert found["kind"] == "bias" and {row["arm"] for row in found["rows"]} == {
        "unedited",
        "dose 1",
        "dose 0",
    }
    assert len(found["units"]) and len(found["controls"]) and len(found["features"]) == 2
    assert found["metrics"]["professions"] == len(PROFESSIONS)
    assert pl.read_parquet(table).height == len(found["rows"])
    assert page.read_text("utf-8").startswith("<!doctype html>")
    assert "exists" in command("--features", named, "--html", page).error
    text = command("--features", named, "--dampen", "0", "--controls", "0")
    assert text.code == 0 and "2 features dampened (named), 24 professions measured." in text.out


def test_usage_is_said_in_one_line() -> None:
    for arguments, told in (
        ((), "which features?"),
        (("--find", "--dampen", "2"), "a dose is between 0"),
        (("--find", "--finders", "luck"), "a finder is one of"),
    ):
        done = command(*arguments)
        assert done.code == 2 and told in " ".join(done.err.replace("│", " ").split())
    gone = saetext("bias", tiny().model, "--find", "--suite", "nowhere.tsv", "--sae", tiny().sae)
    assert "there is no suite 'nowhere.tsv': name professions or winogender, or a file" in gone.error
