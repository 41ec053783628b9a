"""One definition of a word: by example, against a slow one, and used by everything that has words."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saetext.analysis.search.snippets import word_marks
from saetext.analysis.search.words import terms_of
from saetext.reader.thresholds.estimation import token_words
from saetext.text import words
from saetext.text.joiners import JOINERS
from saetext.text.passages import word_bounds

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Don’t stop, it's 'quoted' rock'n'roll'", ["don’t", "stop", "it's", "quoted", "rock'n'roll"]),
        ("naïve nai\u0308ve a_b C3PO 1990s", ["naïve", "nai\u0308ve", "a_b", "c3po", "1990s"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("தமிழ்", ["தமிழ்"]),
        ("می\u200cخواهم", ["می\u200cخواهم"]),
        ("東京へ", ["東", "京", "へ"]),
        ("ภาษาไทย", ["ภ", "า", "ษ", "า", "ไ", "ท", "ย"]),
        ("GPT东京4", ["gpt", "东", "京", "4"]),
        ("'' _ -- ‘", ["_"]),
        (r"\nConclusion\n1. a\n\n- b\tC\n", ["conclusion", "1", "a", "b", "c"]),
        (r"\theta \nabla C:\new é\nÉ", ["theta", "nabla", "c", "new", "é", "é"]),
        ("I&#39;m &lt;b&gt; R&amp;D&nbsp;&#x27;x&#x27;", ["i", "m", "b", "r", "d", "x"]),
        ("it #39;s quot;é&quot; lt;A amplt; amp", ["it", "s", "é", "a", "amplt", "amp"]),
        ("", []),
    ],
)
def test_words_by_example(text: str, expected: list[str]) -> None:
    assert words.words(text) == expected


_UNSPACED = [(0xE00, 0xEFF), (0x3040, 0x30FF), (0x4E00, 0x9FFF)]
ALPHABET = "ab1_'’ .-é\u0301\u093f\u0939\u0e01\u0e33東カ\u200dÉß"


def slow(text: str) -> list[str]:
    """Grow words letter by letter, by what each character is."""

    def unspaced(c: str) -> bool:
        return any(low <= ord(c) <= high for low, high in _UNSPACED)

    def letter(c: str) -> bool:
        return (c.isalnum() or c == "_") and not unspaced(c)

    def mark(c: str) -> bool:
        return unicodedata.category(c)[0] == "M" or c == "\u200d"

    found, at = [], 0
    while at < len(text):
        begin = at
        if unspaced(text[at]):
            at += 1
            while at < len(text) and mark(text[at]):
                at += 1
        elif letter(text[at]):
            while at < len(text):
                apostrophe = text[at] in "'’" and at + 1 < len(text) and letter(text[at + 1])
                before = at > begin and (letter(text[at - 1]) or mark(text[at - 1]))
                if letter(text[at]) or mark(text[at]) or (apostrophe and before):
                    at += 1
                else:
                    break
        else:
            at += 1
            continue
        found.append(text[begin:at].lower())
    return found


@given(st.text(ALPHABET, max_size=20))
def test_words_equal_a_slow_definition(text: str) -> None:
    assert words.words(text) == slow(text)


@given(st.text("ab1_' .-\\n;", max_size=20) | st.text("ab1_'’ .é—…€😀ß²", max_size=20))
def test_the_short_ways_are_the_same(text: str) -> None:
    assert words.expression(text).pattern != words.pattern()
    assert words.words(text) == [m.group().lower() for m in re.finditer(words.pattern(), text)]


def test_texts_take_the_short_way_without_marks_joiners_and_scripts_without_spaces() -> None:
    for code in range(0x110000):
        if words._MANIFOLD.match(chr(code)):
            continue
        assert unicodedata.category(chr(code))[0] != "M" and chr(code) not in JOINERS, hex(code)
        assert not words.is_unspaced(chr(code)), hex(code)


@given(st.text("aBn1r é\\;&#39xltgmp", max_size=20) | st.text(r"\nrtB a1", max_size=12))
def test_what_stands_for_another_character_is_as_a_blank(text: str) -> None:
    plain = re.sub(r"\\[nrt](?![a-z])", "  ", text)
    plain = re.sub(r"(?<![A-Za-z0-9_])(?:lt|gt|amp|quot|apos|nbsp);", " ", plain)
    plain = re.sub(r"(?<=#)[0-9]{1,6};|(?<=&#)[xX][0-9A-Fa-f]{1,6};", " ", plain)
    assert words.words(text) == slow(plain)
    assert "".join(words.split(text)) == text and words.split(text)[1::2] == words.spelled(text)


PIECES = ["a", "b\u0301", "é", "1", "_", "'", "’", " ", ".", "ना"]


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_a_token_widened_is_the_word(text: str) -> None:
    for match in words.matches(text):
        for at in range(match.start(), match.end()):
            if text[at] not in "'’":
                assert word_bounds(text, at, at + 1) == match.span()


@given(st.text(ALPHABET, max_size=30))
def test_parts_are_words_that_touch_cut_at_apostrophes(text: str) -> None:
    runs: list[tuple[int, str]] = []  # where each ends
    for match in words.matches(text):
        if runs and runs[-1][0] == match.start():
            runs[-1] = (match.end(), runs[-1][1] + match.group())
        else:
            runs.append((match.end(), match.group()))
    expected = [part for _, run in runs for part in re.split("['’]", run)]
    assert [m.group() for m in words.part_matches(text)] == expected


@given(st.text("ab東é1_'’ .", max_size=30))
def test_without_marks_parts_are_what_searches_always_compared(text: str) -> None:
    assert words.parts(text) == re.findall(r"\w+", text.casefold())


def test_searches_compare_parts_of_words() -> None:
    assert words.parts("The singer's STRASSE Straße") == ["the", "singer", "s", "strasse", "strasse"]
    assert terms_of("the singer's x, 東京 हिन्दी") == ["singer", "東京", "हिन्दी"]
    text = "a singer's हिन्दी"
    assert [text[m.start : m.end] for m in word_marks(text, {"singer", "हिन्दी"})] == ["singer", "हिन्दी"]


def test_tokens_know_their_words_in_every_script() -> None:
    text = "I don’t. हिन्दी 東京都"
    spans = [(0, 1), (1, 5), (5, 7), (7, 8), (8, 11), (11, 15), (16, 18), (18, 19)]
    start, end = np.array(spans, np.int32).T
    assert token_words(text, start, end) == ["i", "don’t", "don’t", ".", "हिन्दी", "हिन्दी", "東京", "都"]


# Where runs of letters are looked for that are not words of texts, and why.
OTHERWISE = {
    "text/words.py": "the definition",
    "corpus/where.py": "names in a condition",
    "documents/words.py": "runs of letters by which a value looks like prose",
    "analysis/differences/hypotheses.py": "whether a name stands alone",
    "text/marks.py": "signs of format, contractions among them",
    "report/html/differences.py": "numbers",
    "features/subject.py": "an id",
    "reader/hooks.py": "a path of modules",
    "reader/building.py": "a path of modules",
    "reader/registry.py": "a hook's name",
    "reader/vocabulary.py": "the name of a placeholder among tokens",
    "reader/sentences.py": "what a tokenizer is asked about: letters alone",
    "features/peaks/units.py": "units of a text, marks among them; words as saetext.text.words has them",
}


def test_no_other_module_defines_a_word() -> None:
    package = ROOT / "saetext"
    files = {p.relative_to(package).as_posix(): p.read_text("utf-8") for p in package.rglob("*.py")}
    found = {name for name, text in files.items() if re.search(r"\\w[+*]|\\W\\d_", text)}
    assert found <= set(OTHERWISE), found - set(OTHERWISE)
