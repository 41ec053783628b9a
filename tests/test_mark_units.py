"""Units that marks of format are made of: each is one that the mark itself is counted by."""

from __future__ import annotations

import pytest

from saetext.features.peaks.units import units
from saetext.text.mark_units import is_made_of
from saetext.text.marks import mark_matrix

TEXTS = {
    "list": ("- a\n- b", "-"),
    "bullet list": ("* a\n* b", "*"),
    "numbered list": ("1. a\n2. b", "1"),
    "heading": ("# Title\ntext", "#"),
    "table": ("| a | b |\n|---|---|\n| c | d |\n| e | f |", "|"),
    "code": ("call `f` now", "`"),
    "code block": ("```\nx = 1\n```", "```"),
    "bold": ("a **b** c", "**"),
    "question mark": ("what? no", "?"),
    "closing question": ("And you?", "?"),
    "exclamation mark": ("no! yes", "!"),
    "exclamation mark at the end": ("Go!", "!"),
    "ellipsis": ("well… no", "…"),
    "semicolon": ("a; b", ";"),
    "long dash": ("a — b", "—"),
    "parenthesis": ("a (b) c", "("),
    "quotation": ('a "b" c', '"'),
    "number": ("it has 42 legs", "42"),
    "first person (I, me, my)": ("I am", "I"),
    "first person (we, us, our)": ("our house", "our"),
    "second person (you, your)": ("your house", "your"),
    "contraction (don't, it's)": ("we don’t go", "don’t"),
    "line breaks": ("a\nb", "⏎"),
    "several paragraphs": ("a\n\nb", "⏎⏎"),
}


@pytest.mark.parametrize("mark", TEXTS)
def test_a_mark_is_made_of_a_unit_of_each_text_that_has_it(mark: str) -> None:
    text, unit = TEXTS[mark]
    counted = mark_matrix([text])
    assert counted.matrix.toarray()[0, counted.names.index(mark)] > 0
    assert unit in units(text).name and is_made_of(mark, unit)


@pytest.mark.parametrize(
    ("mark", "unit"),
    [("bold", "bold"), ("number", "two"), ("quotation", "don't"), ("contraction (don't, it's)", "'"),
     ("emoji", "!"), ("more words than the median document", "more"), ("question mark", ""), ("bold", "")],
)  # fmt: skip
def test_other_units_are_not_its(mark: str, unit: str) -> None:
    assert not is_made_of(mark, unit)
