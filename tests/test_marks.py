"""Marks of format: by example either way, and hostile texts."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saetext.text.apart import take_apart
from saetext.text.emoji import count_emoji, without_emoji
from saetext.text.marks import LONGER, MARKS, mark_matrix

PLAIN = "Only words and a full stop here."


COUNTED = [
    ("list", "- one\n* two\n • three\n1. four\n12) five", 5),
    ("list", "-one\n2020.\n*bold* text\na - b", 0),
    ("heading", "# One\n### Two\nThree\n=====\n**Four**\n**Five:**", 5),
    ("heading", "#hashtag\n\n---\n**bold** and more\n**a** or **b**\n####### no", 0),
    ("heading", "```\n# comment\n```\n---\n- item\n---\n| a |\n---", 0),
    ("list", "```\n- a\n```\n* * *\n`- b`", 0),
    ("code", "~~~\nx\n~~~\n``a`b`` and\n`c\nd`", 3),
    ("code", "`a\n\nb and ``c`", 0),
    ("code", "use `x` and `y`\n```py\n`z`\n```\n", 3),
    ("code", "a ` alone", 0),
    ("bold", "**a** and __b__, **c d**", 3),
    ("bold", "** a ** or 2**3 or __ or a__b__c", 0),
    ("question mark", "What? Really??", 3),
    ("question mark", "http://x.y/?a=1 and `a ? b : c`", 0),
    ("exclamation mark", "No! ¡Sí!", 2),
    ("exclamation mark", "a != b, ![x](y)", 0),
    ("emoji", "😀 👩‍🔬 👍🏽 ❤️ 🙂🙂 🇩🇪 1️⃣ ⏰⌚ 👩‍❤️‍👩", 11),
    ("emoji", "→ ✓? 汉字 © 1️ ★ ☐ ♥", 0),
    ("table", "| a | b |\n|---|---|\n| c | d |", 2),
    ("table", "a | b\n| a\n||||", 0),
    ("link", "https://x.y and [a](b.html) and [c](http://d)", 3),
    ("link", '<http://a.b> [http://c](http://c) [d](e "f") [g](h_(i))', 4),
    ("link", "[a] (b) f](x y) http://", 0),
    ("quotation", 'she said "yes" and “no”', 2),
    ("quotation", 'a 5" pipe and a 6" pipe, ”no“', 0),
    ("word in capitals", "NASA and the USA, OK, IDs", 2),
    ("word in capitals", "ПРИВЕТ ÄÖÜ", 2),
    ("word in capitals", "A_BCD GPT4 汉字汉 abC", 0),
    ("number", "3 of 12, 4.5", 4),
    ("parenthesis", "(a) b)", 1),
    ("parenthesis", ":( and a) b", 1),
    ("parenthesis", ":( and\n\na) b", 0),
    ("number", "one", 0),
    ("several paragraphs", "a\n\nb\n \nc\nd", 2),
    ("list", "- one", 0),
    ("numbered list", "1. a\n**2. b**\n(3) c\n> 4) d\n**5.** e", 5),
    ("numbered list", "1. a\n3.14 b\n2020. c", 0),
    ("bullet list", "- a\n• b\n1. c\n– d\n+ e", 4),
    ("bullet list", "1. a\n2. b\n-1\n- \n— Hola\n— Sí", 0),
    ("code block", "`x`\n~~~\ny\n~~~", 1),
    ("table", "a | b\n--- | ---\n1 | 2", 2),
    ("table", "true | false\nx || y", 0),
    ("long dash", "a — b – c—d -- e 3–x", 5),
    ("long dash", "1–2, well-known, a - b, ---- and --x", 0),
    ("semicolon", "a; b；c؛", 3),
    ("semicolon", "`a; b;` and http://x.y/;a", 0),
    ("ellipsis", "Well... so… and . . . .", 3),
    ("ellipsis", "Well.. 1.2.3 `a...b`", 0),
    ("quotation", "„a“ «b» 「c」", 3),
    ("number", "٣ and x2", 2),
    ("several paragraphs", "\n\na\r\n\r\n\r\nb\n\n", 1),
]


@pytest.mark.parametrize(("name", "text", "expected"), COUNTED)
def test_marks_are_counted(name, text, expected):
    got = mark_matrix([text, PLAIN])
    column = got.matrix.toarray()[:, got.names.index(name)]
    assert column.tolist() == [expected, 0]


ARABIC = "هل تريد المساعدة؟"
BOTH_WAYS = {
    "closing question": (
        [
            "Sure. Shall I?",
            "So?! 😀",
            '"Really?"',
            "**Why?**",
            "Why? :)",
            ARABIC,
            "好吗？",
            "Is it?\n\n",
            "(Why?)",
            "¿Qué?",
        ],
        ["Why? No.", "?x", "`a?`", "", "http://x.y/?a", "Why! ", "Is it? Yes", "😀", "a ? b", "?\n- b"],
    ),
    "exclamation mark at the end": (
        ["Yes!", "Yes! 🎉🎉", "Yes!!!", "**Yes!**", '"Yes!"', "好！", "Yes?!", "Yes! :)", "(Yes!)", "A.\nB!"],
        ["Yes! No.", "", "!x", "`a!`", "No. 😀", "a != b", ARABIC, "5! = 120", "Yes! (no)", "- a!\n- b"],
    ),
    "no punctuation at the end": (
        ["Paris", "- a\n- b", "see `x`", "Note:", "a,", "日本", "はい", "Best, Ann", "x 😀", "a. b", "**a**"],
        [
            "Paris.",
            "",
            "Why?",
            "日本。",
            "はい。",
            "Good. ❤️",
            "(see a.)",
            '"a."',
            "**a.**",
            ARABIC,
            "Wait…",
            "नमस्ते।",
        ],
    ),
    "mostly capital letters": (
        [
            "STOP SHOUTING AT ME",
            "ПРИВЕТ МОЙ ДРУГ",
            "THIS IS ok AND FINE",
            "WARNING: DO NOT OPEN",
            "ÄÖÜ ÄÖÜ ÄÖÜ ÄÖÜ",
        ],
        [
            "NASA",
            "Normal text of NASA and USA",
            "",
            "汉字汉字汉字汉字汉字汉字",
            ARABIC,
            "`SHOUT SHOUT SHOUT`",
            "12345 67890",
        ],
    ),
    "no capital letter": (
        ["all small letters here.", "i am small, you know", "привет мой друг", "naïve über-small"],
        [
            "Small letters but one.",
            "a b",
            "",
            "汉字汉字汉字汉字汉字汉字汉字",
            ARABIC,
            "12345678901",
            "all small but NASA",
        ],
    ),
    "a capital at the beginning of most words": (
        ["How To Make Bread At Home", "The Lord Of The Rings: Book One", "Война И Мир Том Один Часть Первая"],
        [
            "How to make bread at home",
            "ALL CAPITALS ARE NOT THIS ONE",
            "Red Blue",
            "",
            "汉字汉字 汉字 汉字 汉字 汉字",
        ],
    ),
    "accented letter": (
        ["café", "e\u0301", "über", "Łódź", "ñ"],
        ["cafe", "€ × ÷", "", "кафе", "日本", "😀", "“a”"],
    ),
    "letters of a script other than Latin": (
        ["привет", "日本", ARABIC, "नमस्ते", "αβγ", "한국"],
        ["café", "the number π", "😀😀", "", "𝗯𝗼𝗹𝗱", "ﬁne", "x² ½", "— “”"],
    ),
    "first person (I, me, my)": (
        [
            "I am",
            "It's my own",
            "so i think",
            "I’m here",
            "as for me",
            "Myself too",
            "So do I.",
            "MYSELF",
            "I'd go",
            "(I do)",
        ],
        [
            "World War I",
            "i.e. this",
            "for i in x",
            "US and MY",
            "I. Introduction",
            "mine",
            "Part I of it",
            "`I am`",
            "",
            "meow",
        ],
    ),
    "first person (we, us, our)": (
        ["We go", "let's", "with us", "OURS", "our"],
        ["US law", "west", "hours", "bus", "", "WE"],
    ),
    "second person (you, your)": (
        ["You", "YOUR", "you’re", "yourself", "do you"],
        ["youth", "`you`", "", "thou", "bayou"],
    ),
    "contraction (don't, it's)": (
        ["don't", "It’s so", "WE'RE", "let's", "they'd"],
        ["dogs' tails", "Anna's dog", "'quoted'", "rock'n'roll", "", "`don't`", "dont"],
    ),
    "line breaks": (["a\nb", "a\r\nb", "a\n\nb", "# a\nb"], ["a", "\na\n", "", "a b", "```\na\nb\n```"]),
    "a single sentence": (
        [
            "Paris",
            "It is so.",
            "Dr. Smith and J. Doe went.",
            "Use e.g. this one.",
            "今天好。",
            "3.5 is it",
            "Why?",
            "# Title",
            "A (b. c) d",
        ],
        [
            "It is. So is he.",
            "",
            "a\nb",
            "今天好。明天也好。",
            "Why? Because.",
            "So do I. We go.",
            "...",
            "Wow! Yes.",
        ],
    ),
    "greeting at the start": (
        [
            "Hello!",
            "Hi there, how",
            "Dear Sir or Madam,",
            "hey, you",
            "Good morning everyone!",
            "**Hi John,**",
            "你好，我",
            "Привет!",
            "Hi I am new",
            "¡Hola!",
            "السلام عليكم، كيف",
            "Hello 👋",
        ],
        [
            "Hello World is a program that prints",
            "Hi-fi is",
            "History",
            "He said hello!",
            "",
            "Dearly",
            "Highway",
            "`Hello`",
            "Good mornings are",
            "Heyday!",
        ],
    ),
    "colon at the end of the first line": (
        ["Here it is:\n- a", "**Steps:**\n1. a", "a：\nb", "\n\nSo:\n\nb", "# A:\nb"],
        ["a:", "a\nb:", "a: b\nc", "", "```\na:\n```\nb", ":a\nb"],
    ),
    "offer of help at the end": (
        [
            "x\n\nLet me know!",
            "I hope this helps.",
            "Feel free to ask.",
            "Do you need more information?",
            "Any other questions?",
        ],
        [
            "Feel free to ask. " + "But this is long and goes on. " * 10,
            "",
            "helpless",
            "No questions",
            "letting me know",
        ],
    ),
    "sign-off": (
        [
            "Hi\nBest regards,\nAnn",
            "a\n\nSincerely,\n[Name]",
            "a\n**Thank you**",
            "a\nCheers!",
            "x\nYours truly\nB",
        ],
        [
            "Best regards",
            "a\nBest of all is this one",
            "Love is\na thing",
            "",
            "a\nsincerely yours he said",
            "Thanks,\n" + "a\n" * 9,
        ],
    ),
    "mathematical notation": (
        [
            r"\frac{1}{2}",
            r"so \(x\)",
            r"\[a + b\]",
            "$x^2$",
            "$$a = b$$",
            "x^2",
            "a ≤ b",
            "2 + 2 = 4",
            "√2",
            "let $n$ be",
        ],
        [
            "$5 and $10",
            "`x^2`",
            r"C:\users\me",
            "a = b",
            "",
            "^_^",
            r"\[a\](b)",
            "US$5 = US$6",
            "cost $5-$10",
            "a -> b",
        ],
    ),
    "link": (["https://x.org", "[a](b)"], ["x.org", "[a]", "", "`https://x.org`"]),
    "emoji": (["😀", "❤️", "🇩🇪"], ["❤", "`😀`", "", "★", "汉"]),
}


@pytest.mark.parametrize("name", BOTH_WAYS)
def test_marks_by_example_both_ways(name):
    there, absent = BOTH_WAYS[name]
    got = mark_matrix([*there, *absent], most_openings=0)
    has = got.matrix.toarray()[:, got.names.index(name)] > 0
    true = [True] * len(there) + [False] * len(absent)
    wrong = [text for text, a, b in zip([*there, *absent], has, true, strict=True) if a != b]
    assert wrong == []


def test_each_mark_has_an_example_and_a_name_to_be_said():
    tested = {name for name, _, _ in COUNTED} | set(BOTH_WAYS)
    assert tested == set(MARKS)
    assert all(name.isprintable() and name[0].islower() for name in MARKS)


def test_openings_are_marks():
    got = mark_matrix(["Sure, I can."] * 6 + ["No."] * 2)
    assert got.names[-1] == 'the opening "Sure, I can"'
    assert got.matrix.toarray()[:, -1].tolist() == [1] * 6 + [0] * 2


def test_longer_than_the_median():
    got = mark_matrix(["a", "a b", "a b c", "a b c d e"])
    assert got.names[0] == LONGER and got.matrix.toarray()[:, 0].tolist() == [0, 0, 3, 5]
    assert mark_matrix([]).matrix.shape == (0, 1 + len(MARKS))


@pytest.mark.parametrize(
    "unit",
    [
        "](",
        "[a](",
        "` `` ",
        "a\n=",
        "http://",
        "(",
        "__a",
        "\r",
        "*",
        "`",
        "[",
        "(",
        "](",
        "#",
        "_",
        "\n",
        " \n",
        "|",
        '"',
        "- ",
        "**a",
        "A",
        "1",
        "\u200d",
        "😀",
        "–",
        ". ",
        "...",
        "\\(",
        "\\[",
        "$a",
        "$",
        "1 ",
        "1+",
        "- |",
        "hi ",
        "War I",
        "a\u0301",
        "。",
        "日",
        "?)",
        "A. ",
        "don't ",
        " -- ",
        ":)",
        "-|",
    ],
)
def test_hostile_texts_take_linear_time(unit):
    """Four times the text takes about four times the thread's own time, not sixteen."""
    small, large = ([unit * (n // len(unit))] for n in (50_000, 200_000))
    best = {50_000: 9e9, 200_000: 9e9}
    for _ in range(12):
        for n, text in ((50_000, small), (200_000, large)):
            start = time.thread_time()
            mark_matrix(text)
            best[n] = min(best[n], time.thread_time() - start)
        if best[200_000] < 8 * max(best[50_000], 0.02):
            return
    raise AssertionError(f"{best[50_000]:.2f} s and, for four times the text, {best[200_000]:.2f} s")


@settings(max_examples=100, deadline=None)
@given(st.text(st.sampled_from('aI.?!:*_`#-|>"“”()[]\n 1\0\r\u2028😀\u200d汉é\ud800$\\^'), max_size=60))
def test_any_text_has_marks(text):
    table = mark_matrix([text]).matrix.toarray()
    assert (table >= 0).all() and table.shape[1] >= 1 + len(MARKS)
    names = mark_matrix([text]).names
    one = dict(zip(names, table[0]))
    assert one["list"] == one["bullet list"] + one["numbered list"]
    assert one["code"] >= one["code block"]
    assert count_emoji(without_emoji(text)) == 0 or "\u200d" in text
    assert take_apart(take_apart(text).prose).blocks == 0 or "```" in text


def test_odd_texts_are_counted():
    odd = ["", "\x00", "\ud800 lone", "\u202e", "a" * 1_000_000, "x " * 500_000]
    assert mark_matrix(odd).matrix.shape[0] == 6
