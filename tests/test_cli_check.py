"""``saetext check`` as a CI job uses it: exit codes, files, baselines, errors of usage."""

from __future__ import annotations

import csv
import io
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from test_cli import corpora, place, saetext

__all__ = ["corpora", "place"]

RULES = """
[[rule]]
format = "question mark"
max_rise = 1

[[rule]]
words = "nowhere"
max_rise = 50
"""


BOTH = ("b.corpus", "--against", "a.corpus")
RULED = ("--rules", "rules.toml")


@pytest.fixture(autouse=True)
def _made(corpora: tuple[str, str], place: Path) -> None:
    """Both corpora lie in the working directory, with rules."""
    (place / "rules.toml").write_text(RULES, "utf-8")


def ended(code: int, *arguments: object) -> tuple[str, str]:
    done = saetext("check", *arguments)
    assert done.code == code and "Traceback" not in done.err, done
    return done.out, done.err


def test_exit_codes_and_everything_that_is_written(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = ["--junit", "j ü.xml", "--markdown", "m.md", "--parquet", "t.parquet"]
    out, err = ended(0, "b.corpus", "--against", "a.corpus", "--rules", "rules.toml", *files)
    assert out.startswith("PASSES: of 2 limits, 0 broken") and "40 pairs on prompt_id" in out
    assert all(f"wrote {name}" in err for name in files[1::2])
    assert ET.parse(place / "j ü.xml").getroot().attrib["tests"] == "2"
    # a report of its own is replaced, another file is not
    again = [*BOTH, "--rules", "rules.toml"]
    ended(0, *again, "--junit", "j ü.xml", "--markdown", "m.md")
    for option in ("--junit", "--markdown", "--write-baseline"):
        (place / "mine").write_text("keep me", "utf-8")
        assert "mine exists already" in ended(1, *again, option, "mine")[1]
        assert (place / "mine").read_text("utf-8") == "keep me"
    # what GitHub shows beside a job is added to
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(place / "mine"))
    ended(0, *again, "--markdown", "mine")
    ended(0, *again, "--markdown", place / "mine")
    summary = (place / "mine").read_text("utf-8")
    assert (
        summary.startswith("keep me\n## saetext check: passes\n") and summary.count("## saetext check") == 2
    )
    # a limit that is broken, and one that is unclear where that fails
    rules = place / "broken.toml"
    rules.write_text(
        '[[rule]]\nwords = "the"\nmax_fall = 0\n[[rule]]\nlength = "tokens"\nmax_rise = 0\n', "utf-8"
    )
    strict = ["--words", "the", "--max-fall", "0", "--unclear", "fail"]
    out, _ = ended(3, "b.corpus", "--against", "a.corpus", *strict)
    assert out.startswith("FAILS: of 1 limit, 0 broken, 1 unclear") and "count as broken" in out
    told = json.loads(ended(3, "b.corpus", "--against", "a.corpus", *strict, "--json")[0])
    assert (
        list(told) == ["kind", "params", "metrics", "findings", "rows"] and told["metrics"]["failed"] is True
    )
    table = list(
        csv.DictReader(io.StringIO(ended(3, "b.corpus", "--against", "a.corpus", *strict, "--csv")[0]))
    )
    assert [line["verdict"] for line in table] == ["unclear"]


def test_a_baseline_is_written_and_checked_against(place: Path) -> None:
    (place / "base.json").unlink(missing_ok=True)
    _, err = ended(0, "a.corpus", "--write-baseline", "base.json", "--rules", "rules.toml")
    assert "wrote base.json: 40 texts" in err
    first = (place / "base.json").read_bytes()
    out, _ = ended(0, "b.corpus", "--against", "base.json", "--rules", "rules.toml")
    assert "against the baseline a (40 texts), 40 pairs on prompt_id" in out
    direct = [*BOTH, "--rules", "rules.toml", "--write-baseline", "base.json"]
    assert "wrote base.json" in ended(0, *direct)[1]
    assert (place / "base.json").read_bytes() == first  # the old set's again
    assert "is a baseline already" in ended(1, "b.corpus", "--against", "base.json", *direct[3:])[1]
    _, err = ended(0, "a.corpus", "--write-baseline", "alone.json", "--pair-on", "")
    assert json.loads((place / "alone.json").read_text("utf-8"))["packed"]["keys"] == {}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["b.corpus"], 2, "expected --against OLD"),
        (["b.corpus", "--write-baseline", "x.json", "--json"], 2, "only --write-baseline is written"),
        (["b.corpus", "--against", "a.corpus"], 1, "nothing to check"),
        ([*BOTH, "--words", "a"], 2, "a limit is missing"),
        ([*BOTH, "--max-rise", "2"], 2, "name one"),
        ([*BOTH, "--words", "a", "--max-rise", "101"], 2, "100"),
        ([*BOTH, "--mark", "bolt", "--max-rise", "1"], 1, 'did you mean "bold"?'),
        (["a.corpus", "--against", "none", "--words", "a", "--max-rise", "1"], 1, "no such corpus or file"),
        ([*BOTH, "--rules", "nowhere.toml"], 1, "there is no file nowhere.toml"),
        (["nowhere", *BOTH[1:], *RULED, "--junit", "no/x.xml"], 1, "no directory no"),
        ([*BOTH, *RULED, "--junit", "x", "--markdown", "./x"], 1, "--markdown would both write x"),
        ([*BOTH, *RULED, "--junit", "x", "--write-baseline", "x"], 1, "--write-baseline would both"),
        (["a.corpus", "--write-baseline", "x.json", "--sample", "9"], 1, "would change nothing"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_first(arguments: list[str], code: int, message: str) -> None:
    out, err = ended(code, *arguments)
    assert message in " ".join(err.replace("│", " ").split()) and out == ""
