"""How outputs are compared with those the documentation shows: what another processor may change, no more."""

from __future__ import annotations

import pytest
from shown_outputs import differences, is_close, numbers

TABLE = """A gentle (150 documents) against B brisk (150 documents), as 150 pairs on prompt_id.
332 of 2,953 features tested differ on one half; 770 differ at q < .05, 522 findings. Not tested: 1,143

label                                           B│A       A − B =length   A %   B %      q feature
opinionated informal commentary, loosely         │███████ +80.7  +82.3   97.3  16.7  7e-32    3043 ✓
  A …so to speak, pushes back. As long «as» the engines keep the plane moving fast…
  B …opinions on colleagues. Assume «the» notes reach your manager. Stay under 30…
full stop ending formal sentences .75     ▐██████│        -74.7  -80.1    4.0  78.7   .008    1111 ✓
  A …wave from the garden gate each morning«.» Families treasure those glimpses.
  B …down before trips longer than two days«.» A sleeping computer draws 1 watt
  1. writing-08-gentle  0.125"""


def test_the_same_is_the_same() -> None:
    assert differences(TABLE, TABLE) == [] == differences("", "")


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("332 of 2,953", "331 of 2,950"),
        ("│███████ +80.7  +82.3", "│██████▌ +80.0  +82.2"),
        ("7e-32", "1e-31"),
        (".008", ".010"),
        ("opinionated informal commentary, loosely ", "loose: informal hedging clauses, commas … "),
        ("0.125", "0.126"),
    ],
)
def test_what_another_processor_changes_is_allowed(shown: str, printed: str) -> None:
    assert shown in TABLE
    assert differences(TABLE, TABLE.replace(shown, printed)) == []


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("332 of", "301 of"),
        ("2,953", "2,553"),
        ("+80.7", "-80.7"),
        ("97.3", "9.73"),
        ("7e-32", "7e-22"),
        (".008", ".08"),
        ("3043 ✓", "1989 ✓"),
        ("0.125", "0.152"),
    ],
)
def test_another_number_is_seen(shown: str, printed: str) -> None:
    assert shown in TABLE
    [said] = differences(TABLE, TABLE.replace(shown, printed))
    assert shown in said and printed in said


def test_other_lines_and_lost_lines_are_seen() -> None:
    lines = TABLE.splitlines()
    assert "11 lines are shown, 7 printed" in differences(TABLE, "\n".join(lines[:7]))[0]
    assert differences(TABLE, "\n".join(["other"] * 4 + lines[4:]))
    assert differences("one line", "another line") and differences("wrote a.npz", "")


def test_what_a_number_is() -> None:
    assert numbers("a writing +0.70 [+0.38, +0.77]  11x  5e-06 .035 2,505,441 eligible, 12%, -74.7") == [
        "+0.70", "+0.38", "+0.77", "11", "5e-06", ".035", "2,505,441", "12", "-74.7",
    ]  # fmt: skip
    assert numbers("finance-11-gentle layer_12 gpt2 9,0.5") == ["9", "0.5"]
    assert is_close("0", "3") and not is_close("0", "4") and not is_close("1e-3", "-1e-3")
