"""``saetext correlate`` as a stranger uses it."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from test_cli import corpora, place, saetext

__all__ = ["corpora", "place"]

CORRELATE = ["correlate", "a.corpus", "--all", "--bootstrap", "20"]


@pytest.fixture(autouse=True)
def _made(corpora: tuple[str, str]) -> None:
    """Both corpora lie in the working directory."""


def test_as_json_csv_and_parquet() -> None:
    done = saetext(*CORRELATE, "--json", "--parquet", "p.parquet")
    assert done.code == 0
    assert "wrote p.parquet" in done.err
    found = json.loads(done.out)
    assert list(found) == ["kind", "params", "metrics", "findings", "rows"]
    assert found["kind"] == "correlate"
    assert found["params"]["seed"] == 0
    table = list(csv.DictReader(io.StringIO(saetext(*CORRELATE, "--csv").out)))
    assert [int(row["feature_a"]) for row in table] == [row["feature_a"] for row in found["rows"]]
    shown = saetext(*CORRELATE)
    assert shown.code == 0
    assert "eligible pairs" in shown.out


def test_a_report(place: Path) -> None:
    done = saetext(*CORRELATE, "--html", "réport 1.html")
    assert done.code == 0
    assert "wrote réport 1.html" in done.err
    assert " in a</title>" in Path("réport 1.html").read_text("utf-8")
    assert "exists already" in saetext(*CORRELATE, "--html", "réport 1.html").error


def test_across_with_within_and_where() -> None:
    across = saetext("correlate", "a.corpus", "--across", "b.corpus", "--pair-on", "prompt_id", "--json")
    assert json.loads(across.out)["metrics"]["rows"] == 40
    column = saetext("correlate", "a.corpus", "--with", "topic", "--json")
    assert json.loads(column.out)["params"]["column"] == "topic"
    number = saetext("correlate", "a.corpus", "--with", "prompt_id", "--json")
    assert "rho_length" in json.loads(number.out)["metrics"]
    within = saetext("correlate", "a.corpus", "--within", "topic", "--where", "prompt_id < 30", "--json")
    found = json.loads(within.out)
    assert found["metrics"]["rows"] == 30
    assert found["params"]["where"] == "prompt_id < 30"
    rows = json.loads(saetext(*CORRELATE, "--json").out)["rows"]
    feature = rows[0]["feature_a"]
    to = json.loads(saetext(*CORRELATE, "--to", feature, "--json", "--fdr", "by").out)
    assert to["params"]["to"] == [feature] and to["params"]["fdr"] == "by"
    assert all(feature in (row["feature_a"], row["feature_b"]) for row in to["rows"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--with", "nothing"], "no column 'nothing'"),
        (["--group", "nothing"], "no column 'nothing'"),
        (["--within", "nothing"], "no column 'nothing'"),
        (["--min-support", "1000"], "no feature is present in 1,000 or more of the 40 documents"),
        (["--where", "prompt_id = 3"], "1 document to look at"),
        (["--where", "prompt_id > 100"], "no document of a.corpus has prompt_id > 100"),
        (["--to", "100000"], "there is no feature 100000"),
        (["--across", "none.corpus"], "no such corpus or file"),
        (["--across", "b.corpus", "--pair-on", "nothing"], "no column 'nothing'"),
        (["--sample", "1"], ""),
    ],
)
def test_bad_input_is_told_in_one_line(options: list[str], message: str) -> None:
    done = saetext("correlate", "a.corpus", *options)
    if message:
        assert message in done.error
    else:
        assert done.code == 2


@pytest.mark.parametrize(
    "options",
    [
        ["--json", "--csv"],
        ["--with", "topic", "--across", "b.corpus"],
        ["--pair-on", "topic"],
        ["--to", "words", "--to", "more"],
    ],
)
def test_usage(options: list[str]) -> None:
    assert saetext("correlate", "a.corpus", *options).code == 2
