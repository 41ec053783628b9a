"""What may reach a terminal, a spreadsheet and one line of a log: by value, and for any text."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import sys
import warnings
from pathlib import Path

import polars as pl
import pytest
from hostile import ALL, PAYLOADS, harmful, saetext
from hypothesis import given
from hypothesis import strategies as st
from saetext_cli import common, printing

from saetext.features.labelling.importing import from_file
from saetext.io import strict_json
from saetext.io.csv_text import csv_of, restored
from saetext.report.console.lines import finish, make_console, styled
from saetext.text.passages import printable
from saetext.text.terminal import LONGEST, cut, in_json, message, visible

ANY = st.text(st.characters(exclude_categories=()), max_size=60)
CELL = st.text(st.sampled_from("'=+-@\t\r\n1.5ea ,\"é\x1b"), max_size=8)

# ---- characters --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("a  b", "a  b"),  # tables are aligned
        ("\x1b[31mred", " [31mred"),
        ("\x9b31m", " 31m"),
        ("real\rfake\x07\b", "real fake  "),
        ("\u202egnp\u202c", "gnp"),
        ("zero\u200bwidth", "zerowidth"),
        ("a\nb\u2028c\x85d\te", "a b c d e"),
        ("\ud83d", "\ufffd"),
        ("👩\u200d👧 ن\u200c", "👩\u200d👧 ن\u200c"),  # joiners are letters' and emoji's own
        ("日本 é", "日本 é"),
    ],
)
def test_visible_by_value(text: str, shown: str) -> None:
    assert visible(text) == shown


@given(ANY)
def test_any_text_comes_out_harmless(text: str) -> None:
    assert not harmful(visible(text)) and "\n" not in visible(text)
    assert not harmful(visible(text, newlines=True))
    assert visible(text, newlines=True).count("\n") == text.count("\n")
    assert visible(visible(text)) == visible(text)
    assert re.sub(" +", " ", visible(text)) == printable(text)  # snippets are made of the same


@given(ANY)
def test_json_keeps_the_value_and_escapes_the_rest(text: str) -> None:
    plain = json.dumps({text: [text]}, ensure_ascii=False, indent=1)
    assert json.loads(in_json(plain)) == json.loads(plain)
    assert not harmful(in_json(plain))
    assert visible(in_json(plain), newlines=True) == in_json(plain)


def test_json_escapes_as_json_does() -> None:
    assert in_json('"\x9b \u2028 \U000e0041 é"') == '"\\u009b \\u2028 \\udb40\\udc41 é"'
    assert strict_json.dumps({"a": "\x85\x1b"}) == '{"a": "\\u0085\\u001b"}'


def test_colours_pass_only_where_they_are_our_own() -> None:
    drawn = "\x1b[1;36mred\x1b[0m\x1b[2J\x1b]8;;x\x07"
    assert visible(drawn, colours=True) == "\x1b[1;36mred\x1b[0m [2J ]8;;x "
    assert "\x1b" not in visible(drawn)


@pytest.mark.parametrize("color", [True, False])
def test_a_console_draws_no_character_of_the_data_that_acts(color: bool) -> None:
    console = make_console(80, color)
    console.print(styled(f"before {ALL} after", "cyan"))
    text = finish(console, "utf-8")
    assert "before" in text and "after" in text and ("\x1b[" in text) == color
    assert not harmful(text, terminal=color)


# ---- one line of bounded length ----------------------------------------------------------------------


@pytest.mark.parametrize("length", [1, LONGEST, LONGEST + 1, 8000, 10**6])
def test_a_message_is_one_line_of_bounded_length(length: int) -> None:
    said = message(f"no column {'é' * length}\n  {'b' * length}; name one with --text-column")
    assert len(said) <= LONGEST and "\n" not in said
    assert said.startswith("no column é") and said.endswith("; name one with --text-column")
    assert (" … " in said) == (length > 200)


def test_what_fits_is_not_cut() -> None:
    assert cut("a" * LONGEST) == "a" * LONGEST
    assert cut("a" * 300 + "b" * 300, 11) == "aaaa … bbbb"


# ---- formulas ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("-2+3", "'-2+3"),
        ("\t=1", "'\t=1"),
        ("\r=1", "'\r=1"),
        ("'=1", "''=1"),  # so that reading takes one away and has what was there
        ("-1.5", "-1.5"),
        ("+3", "+3"),
        ("-1e-9", "-1e-9"),
        ("-1.5.", "'-1.5."),
        ("-", "'-"),
        ("a=1", "a=1"),
        ("it's", "it's"),
        (" =1", " =1"),
        ("-1\n=2", "'-1\n=2"),
    ],
)
def test_a_formula_is_a_text(cell: str, written: str) -> None:
    table = pl.DataFrame({"name": [cell], "number": [-1.5]})
    [row] = csv.DictReader(io.StringIO(csv_of(table), newline=""))
    assert row == {"name": written, "number": "-1.5"}
    [row] = csv.DictReader(io.StringIO(csv_of(table, raw=True), newline=""))
    assert row["name"] == cell


def test_names_of_columns_and_lists_too() -> None:
    table = pl.DataFrame({"=name": ["a"], "list": [["=x", "y"]], "none": [None]})
    assert csv_of(table) == '\'=name,list,none\na,"[""=x"", ""y""]",\n'


def test_a_column_whose_name_is_a_pattern() -> None:
    table = pl.DataFrame({"^.$": ["=1", None], "a": ["x", "-y"]})
    assert csv_of(table) == "^.$,a\n'=1,x\n,'-y\n"
    assert restored(pl.DataFrame({"^.$": ["'=1", None], "'=a": ["x", "'-y"]})).to_dict(as_series=False) == {
        "^.$": ["=1", None], "=a": ["x", "-y"],
    }  # fmt: skip


@given(st.lists(CELL, min_size=1, max_size=5), CELL)
def test_our_csv_reads_back_as_it_was(cells: list[str], name: str) -> None:
    table = pl.DataFrame({f"{name}x": cells}, schema={f"{name}x": pl.String})
    reader = csv.reader(io.StringIO(csv_of(table), newline=""))
    names, *rows = list(reader)
    read = pl.DataFrame({names[0]: [row[0] if row else "" for row in rows]}, schema={names[0]: pl.String})
    back = restored(read)
    assert back.columns == table.columns and back[:, 0].to_list() == cells
    for row in rows:
        assert not row or not row[0].startswith(tuple("=@\t\r")) or row[0] == ""


def test_labels_come_back_from_our_csv(tmp_path: Path) -> None:
    labels = ["=1+1", "-- dashes", "@name", "'=quoted", "plain", "-1.5"]
    table = pl.DataFrame({"feature": range(len(labels)), "label": labels})
    (tmp_path / "labels.csv").write_text(csv_of(table))
    assert [row.label for row in from_file(tmp_path / "labels.csv", 10).labels] == labels


# ---- streams -----------------------------------------------------------------------------------------


def test_everything_that_anything_prints_is_harmless() -> None:
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", out)
        patch.setattr(sys, "stderr", err)
        patch.setattr(warnings, "showwarning", lambda told, *_: print(told, file=sys.stderr))
        with printing.guarded(), warnings.catch_warnings(), common.showing_warnings():
            print(ALL)
            print(ALL, file=sys.stderr)
            common.note(ALL)
            common.result(ALL)
            common.result(ALL, colours=True)
            warnings.simplefilter("always")
            warnings.warn(ALL, UserWarning, stacklevel=1)
            warnings.warn(ALL, common.SaetextWarning, stacklevel=1)
    colours = out.getvalue().replace(PAYLOADS["colour"], "")  # what rich drew may have any colour
    assert not harmful(colours) and not harmful(err.getvalue())
    assert err.getvalue().count("saetext: two") == 4
    # only who prints several lines prints several lines
    assert sum(line.startswith("saetext: two") for line in err.getvalue().splitlines()) == 1


def test_a_fault_of_our_own_shows_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    from saetext_cli import upgrade

    def fail(*_: object) -> None:
        raise RuntimeError(ALL)

    monkeypatch.setattr(upgrade, "visible", fail)
    monkeypatch.setattr("saetext.corpus.upgrading.upgrade", lambda path: "1.0")
    done = saetext("upgrade", "x")
    assert done.code == 1 and "Traceback" in done.err and "RuntimeError: " in done.err
    assert not harmful(done.err) and done.out == ""


def test_raw_csv_is_raw_in_a_pipe_and_harmless_on_a_terminal() -> None:
    for terminal, expected in ((False, "=1\x1b[2J\n"), (True, "=1 [2J\n")):
        out = io.StringIO()
        out.isatty = lambda answer=terminal: answer  # type: ignore[method-assign]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "stdout", out)
            common.result("=1\x1b[2J", raw=True)
        assert out.getvalue() == expected


def test_closed_streams_are_held(tmp_path: Path) -> None:
    """A file that is opened next must not get the number of a stream that a library prints to."""
    if (child := os.fork()) == 0:
        try:
            for number in range(3):
                os.close(number)
            printing.hold_streams()
            free = os.open(tmp_path / "file", os.O_CREAT | os.O_WRONLY)
            refused = 0
            for number in (1, 2):
                try:
                    os.write(number, b"x")
                except OSError:
                    refused += 1
            os._exit(40 + refused if free > 2 else 1)
        finally:
            os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 42
