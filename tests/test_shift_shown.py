"""A shift on the terminal, as a page and as a command."""

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
from shift_factory import GROUPS, questions, rows, subject, tiny
from test_cli import place, saetext

import saetext as library
from saetext.errors import InputError
from saetext.report.console.shifts import render_shift
from saetext.report.html.shift_page import render_shift_page

__all__ = ["place"]
FIT: dict[str, Any] = {"steps": 2, "check_every": 1, "step": 0.05, "displacement": 0.0, "preserve": 0.0}


def shares(question: int, group: int) -> list[float]:
    """One option for each group, whatever is asked."""
    return [0.7 if option == group else 0.1 for option in range(4)]


@functools.cache
def fitted() -> Any:
    return library.shift(subject(), rows(shares), **tiny().options, **FIT)


@functools.cache
def evaluated() -> Any:
    """An evaluation whose groups, labels and notes are hostile."""
    made = library.evaluate_shift(subject(), rows(shares), shift=fitted().shift, random=1, **tiny().asked)
    name = {"north": f"north {HOSTILE}"}
    return dataclasses.replace(
        made,
        groups=made.groups.with_columns(pl.col("group").replace(name)),
        across=made.across.with_columns(pl.col("group").replace(name), pl.col("shift").replace(name)),
        features=made.features.with_columns(pl.col("group").replace(name), label=pl.lit(HOSTILE)),
        notes=(*made.notes, HOSTILE),
    )


@pytest.mark.parametrize("make", [fitted, evaluated])
def test_the_terminal_shows_figures_and_features(make: Any) -> None:
    result = make()
    text = render_shift(result, 120, False)
    assert all(len(line) <= 120 for line in text.splitlines())
    for row in result.table.to_dicts():
        if make is evaluated:
            [line] = [one for one in text.splitlines() if one.startswith(f"{row['arm']:<24}")]
            assert f"{row['alignment']:.3f}" in line
            if row["diff"] is not None:
                assert f"{row['diff']:+.3f}" in line
        else:
            [line] = [one for one in text.splitlines() if re.match(rf"{row['group']} +\d", one)]
            assert f"{row['kl_before']:.3f} {row['kl_after']:>6.3f}" in line
    top = result.features.row(0, named=True)
    assert f"{top['delta']:+.2f}" in text and str(top["feature"]) in text
    assert "\x1b[" in render_shift(result, 100, True)
    assert max(map(len, render_shift(result, 40, False).splitlines())) <= 40
    if make is evaluated:
        assert "no room" not in text and result.metrics["verdict"] in " ".join(text.split())
        narrow = render_shift(result, 100, False).splitlines()
        assert "no room here for its 95 %: it is in --json and --html" in narrow
        [line] = [one for one in narrow if one.startswith(f"{'shift':<24}")]
        row = result.table.row(by_predicate=pl.col("kind") == "shift", named=True)
        assert line.endswith(f"{row['nll_diff']:+.2f}") and f" {row['neutral_kl']:.3f} " in line
    render_shift(result, 100, False, encoding="ascii").encode("ascii")


def test_the_page_has_every_figure_and_hostile_names_stay_text(tmp_path: Path) -> None:
    html = render_shift_page(evaluated())
    page = Page(html)
    assert "script" not in {tag for tag, _ in page.tags}
    for row in evaluated().table.to_dicts():
        assert row["arm"] in html and f"{row['alignment']:.3f}" in html
    for row in evaluated().across.to_dicts():
        assert f">{row['alignment']:.3f}</td>" in html
    assert html.count(' own">') == len(GROUPS)
    assert HOSTILE not in html
    written = evaluated().to_html(tmp_path / "shift.html")
    assert written.read_text("utf-8") == html
    with pytest.raises(InputError, match="a fitted shift has no HTML report"):
        fitted().to_html(tmp_path / "fit.html")


def command(*arguments: object) -> Any:
    return saetext(
        "shift", *arguments, "--letters", "lstw", "--raw", "--neutral", tiny().neutral,
        "--device", "cpu", "--sae", tiny().sae,
    )  # fmt: skip


def test_fit_and_eval_from_the_command_line(tmp_path: Path) -> None:
    table = tmp_path / "opinions.parquet"
    pl.DataFrame(rows(shares)).write_parquet(table)
    fit = [str(part) for name, value in FIT.items() for part in (f"--{name.replace('_', '-')}", value)]
    where = tmp_path / "a.shift"
    done = command("fit", tiny().model, table, *fit, "--train-orders", "1", "--no-controls", "-o", where)
    assert done.code == 0, done
    assert "12 questions" not in done.out and "6 questions fitted on" in done.out and where.is_dir()
    again = command("fit", tiny().model, table, *fit, "--train-orders", "1", "-o", where)
    assert "exists" in again.error
    page, answers = tmp_path / "a.html", tmp_path / "answers.parquet"
    done = command(
        "eval",
        tiny().model,
        table,
        "--shift",
        where,
        "--random",
        "0",
        "--html",
        page,
        "-o",
        answers,
        "--json",
    )
    assert done.code == 0, done
    found = json.loads(done.out)
    assert found["kind"] == "shift_eval"
    assert [row["arm"] for row in found["rows"]] == [
        "no shift", "shift", "persona prompt", "temperature only",
    ]  # fmt: skip
    assert len(found["across"]) == 16 and page.read_text("utf-8").startswith("<!doctype html>")
    written = pl.read_parquet(answers)
    assert set(written["question"]) < set(questions(12)) and written["model"].list.sum().round(6).eq(1).all()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("try", "m", "f"), "expected fit or eval"),
        (("eval", "m", "f"), "name the fitted shift with --shift"),
        (("eval", "m", "f", "--shift", "s", "--steps", "3"), "--steps goes with fit"),
        (("fit", "m", "f", "--random", "5"), "--random goes with eval"),
        (("fit", "m", "f", "--html", "x.html"), "--html goes with eval"),
    ],
)
def test_usage(arguments: tuple[str, ...], told: str) -> None:
    done = saetext("shift", *arguments)
    assert done.code == 2 and told in " ".join(done.err.replace("│", " ").split())


def test_bad_input_is_one_line(tmp_path: Path) -> None:
    table = tmp_path / "one.jsonl"
    table.write_text("".join(json.dumps(row) + "\n" for row in rows(groups=["north"])))
    assert "only one group, 'north'" in command("fit", tiny().model, table).error
    assert "there is no file" in command("fit", tiny().model, tmp_path / "none.parquet").error
    assert "fitted shift" in command("eval", tiny().model, table, "--shift", table).error
    pl.DataFrame(rows()).write_parquet(tmp_path / "two.parquet")
    reads = saetext("shift", "fit", "embedded", tmp_path / "two.parquet")
    assert "it cannot write: name a causal model" in reads.error
