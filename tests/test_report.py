"""Snippets, highlights, terminal tables, JSON, CSV and Parquet, with hostile text."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
import re
import unicodedata

import clock
import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from saetext.analysis.base import Result, Source
from saetext.analysis.differences import DiffResult
from saetext.analysis.export import to_csv, to_json, to_parquet, write_text
from saetext.errors import InputError
from saetext.features.evidence import Example, Hit
from saetext.report.console.differences import render_diff
from saetext.report.console.reading import render_document
from saetext.text.passages import Segment, Snippet, Span, highlights, printable, snippet, word_bounds

HOSTILE = "a\x1b[31mred\x1b[0m\x07 \x9b2J‮live\u202c [bold]x[/bold] :smile: =1+1 \r\nnew\u2028line\tz"
ANSI = re.compile(r"\x1b\[[0-9;]*m")


def is_safe(text: str, allowed: str = "") -> bool:
    return not any(
        unicodedata.category(c) in ("Cc", "Cf", "Cs", "Zl", "Zp") and c not in "\u200c\u200d" + allowed
        for c in text
    )


def make_result(n: int = 6, label: str = "perhaps, might", snip: str = "so", **changes) -> DiffResult:
    rng = np.random.default_rng(0)
    rate_a, rate_b = rng.random(n), rng.random(n)
    q = np.linspace(1e-12, 0.2, n)
    words = Snippet("a few words before ", snip, " and then a few words after it, to fill the line")
    evidence = {
        i: (Example(0, "d", 1.0, words), None if i == 1 else Example(1, "e", 2.0, words)) for i in range(n)
    }
    table = pl.DataFrame(
        {
            "feature": np.arange(n), "label": [label] * n, "rate_a": rate_a, "rate_b": rate_b,
            "diff": rate_a - rate_b, "ci_low": rate_a - rate_b - 0.1, "ci_high": rate_a - rate_b + 0.1,
            "p": q / 2, "q": q, "n_a": np.arange(n), "n_b": np.arange(n), "group": np.arange(n),
            "adjusted_diff": rate_a - rate_b, "confirmed": np.arange(n) == 0,
            "explained_by_length": ["no", "yes", *[None] * (n - 2)],
            "snippet_a": [pair[0].snippet.marked() for pair in evidence.values()],
            "snippet_b": [pair[1] and pair[1].snippet.marked() for pair in evidence.values()],
        },
        schema_overrides={"snippet_a": pl.String, "snippet_b": pl.String, "label": pl.String},
    )  # fmt: skip
    parts = {
        "kind": "diff", "table": table,
        "params": {
            "a": "gentle", "b": "brisk", "pair_on": "prompt_id", "min_support": 5, "design": "paired",
            "group": None,
        },
        "metrics": {
            "documents_a": 1500, "documents_b": 150, "pairs": 150, "features": 4096,
            "tested": 1204, "significant": 2, "confirmed": 1, "findings": 2, "units": 150,
        },
        "notes": ("the sets were read with different numerics",),
        "sources": (Source("gentle", "a.corpus", "f1"), Source("brisk", "b.corpus", "f2")),
        "evidence": evidence,
    }  # fmt: skip
    return DiffResult(**{**parts, **changes})


# --- words --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "token", "word"),
    [
        ("unbelievable story", "believ", "unbelievable"),
        ("I don't know", "t", "don't"),
        ("I don’t know", "don", "don’t"),
        ("the dogs' bowls", "dogs", "dogs"),
        ("said 'yes' twice", "yes", "yes"),
        ("naïve Zürich", "rich", "Zürich"),
        ("cafe\u0301 noir", "cafe", "cafe\u0301"),
        ("snake_case name", "case", "snake_case"),
        ("well-known fact", "known", "known"),
        ("end. Next", ".", "."),
        ("a wordy text", " wordy", "wordy"),
        ("我喜欢苹果和梨", "苹果", "苹果"),
        ("これはペンです", "ペン", "ペン"),
        ("hi 👩\u200d🔬 there", "👩", "👩\u200d🔬"),
        ("thumbs 👍🏽 up", "👍🏽", "👍🏽"),
        ("x" * 200 + "y", "y", "y"),
    ],
)
def test_word_bounds(text, token, word):
    at = text.rindex(token)
    start, end = word_bounds(text, at, at + len(token))
    assert text[start:end] == word


def test_word_bounds_of_odd_spans():
    assert word_bounds("a \n b", 1, 4) == (1, 4)  # nothing but whitespace
    assert word_bounds("abc def", 5, 5) == (4, 7)  # empty, within a word
    assert word_bounds("abc", 3, 9) == (3, 3)  # beyond the end
    assert word_bounds("", 0, 0) == (0, 0)


# --- snippets -----------------------------------------------------------------------------------------------


def test_snippet_cuts_at_words():
    text = "The old potato trick does a bit, I believe, mostly because the potato drinks up the broth."
    start = text.index("believ")
    shown = snippet(text, [0, start], [3, start + 6], peak=1, width=40)
    assert shown == Snippet("…does a bit, I ", "believe", ", mostly because…")
    assert shown.marked() == "…does a bit, I «believe», mostly because…"
    assert snippet(text, [0], [3], peak=0, width=200).marked("<", ">") == f"<The>{text[3:]}"
    assert snippet(text, [0], [3], peak=0, width=30) == Snippet("", "The", " old potato trick does a…")


def test_snippet_of_whitespace_and_newlines():
    assert snippet("one\n\n\ttwo", [3], [6], 0) == Snippet("one", "↵", "two")
    assert snippet("one  two", [3], [5], 0).match == "␣"
    assert snippet("line one\r\nline   two", [0], [4], 0).marked() == "«line» one line two"


def test_snippet_refuses_a_token_that_is_not_there():
    with pytest.raises(IndexError, match="token 3 of a document with 1 tokens"):
        snippet("word", [0], [4], 3)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=300), st.integers(0, 300), st.integers(0, 12), st.integers(1, 120))
def test_snippet_is_one_safe_line_of_its_width(text, start, length, width):
    shown = snippet(text, [start], [start + length], 0, width)
    whole = shown.marked()
    assert len(whole) - 2 <= max(width, 1)
    assert is_safe(whole) and "\n" not in whole
    assert shown.match or not text[start : start + length]
    kept = shown.match.rstrip("…")
    assert kept in printable(text) or shown.match in "↵␣"
    assert shown.before.lstrip("…").strip() in printable(text)
    assert shown.after.rstrip("…").strip() in printable(text)


@given(st.text(max_size=60), st.text(max_size=60), st.integers(8, 80))
def test_fitting_twice_changes_nothing(before, after, width):
    once = Snippet(printable(before), "word", printable(after)).fit(width)
    assert once.fit(width) == once


def test_printable():
    assert printable("a\x1b[31mb\x00c\u202ed\u200be\ud800f") == "a [31mb cde\ufffdf"
    assert printable("a \t\n b") == "a b" and printable("a\n\nb", newlines=True) == "a\n\nb"
    assert is_safe(printable(HOSTILE))
    assert printable("👩\u200d🔬 naïve 汉字") == "👩\u200d🔬 naïve 汉字"


# --- highlights ---------------------------------------------------------------------------------------------


def test_highlights_cut_the_text_at_words():
    text = "It rains in Spain"
    spans = [Span(3, 7, feature=5, value=1.0), Span(12, 14, feature=6, value=2.0), Span(14, 17, 7, 3.0)]
    assert highlights(text, spans) == [
        Segment("It "), Segment("rains", (5,), 1.0), Segment(" in "), Segment("Spain", (7, 6), 3.0),
    ]  # fmt: skip
    assert highlights(text, []) == [Segment(text)]
    assert highlights("", []) == []


@given(
    st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]) | st.just(" "), max_size=80),
    st.lists(st.tuples(st.integers(0, 80), st.integers(0, 8), st.integers(0, 3), st.floats(0, 9))),
)
def test_highlights_keep_the_text_and_the_strongest_value(text, tokens):
    spans = [Span(start, start + length, feature, value) for start, length, feature, value in tokens]
    segments = highlights(text, spans)
    assert printable("".join(s.text for s in segments)) == printable(text)
    at = 0
    for segment in segments if printable(text) == text else ():
        words = [word_bounds(text, span.start, span.end) for span in spans]
        covering = [s for s, (start, end) in zip(spans, words, strict=True) if start <= at < end]
        assert set(segment.features) == {s.feature for s in covering}
        assert segment.value == max((s.value for s in covering), default=0.0)
        at += len(segment.text)


# --- terminal -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [40, 60, 79, 80, 100, 129, 130, 160, 200])
@pytest.mark.parametrize("label", ["perhaps, might", "x" * 300, "汉字" * 60, HOSTILE, ""])
@pytest.mark.parametrize("color", [False, True])
def test_table_fits_the_window(width, label, color):
    text = render_diff(make_result(label=label, snip=printable(label) or "w"), width, color)
    assert max(cell_len(ANSI.sub("", line)) for line in text.splitlines()) <= width
    assert is_safe(ANSI.sub("", text), allowed="\n")
    assert bool(ANSI.search(text)) == color


def test_table_says_what_it_is():
    text = render_diff(make_result(), 100)
    assert "A gentle (1,500 documents) against B brisk (150 documents), as 150 pairs on prompt_id." in text
    flat = " ".join(text.split())
    assert "1 of 1,204 features tested differ" in flat and "held-out half (✓)" in flat
    assert "2 have q < .05 on all data, 2 findings (McNemar's exact test, Benjamini-Hochberg)." in flat
    assert "✓ confirmed" in text and "L explained by length" in text and "? length" not in text
    assert "Not tested: 2,892 features in fewer than 5 documents." in flat
    assert text.rstrip().endswith("Note: the sets were read with different numerics")
    assert "a few words before «so» and then" in text
    lines = text.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("perhaps"))
    row = make_result().table.to_dicts()[0]
    assert f"{100 * row['diff']:+.1f}" in lines[first] and f"{100 * row['rate_a']:.1f}" in lines[first]
    assert "1e-12" in lines[first] and lines[first + 1].startswith("  A a few words before «so» and")
    assert (
        lines[first + 2].startswith("  B a few") and lines[first + 6] == "  B –"
    )  # after the line that says what length explains
    divider = next(i for i, line in enumerate(lines) if "not significant" in line)
    assert [line.startswith("perhaps") for line in lines[:divider]].count(True) == 2  # q of rows: 0, .04, .08


@pytest.mark.parametrize("width", [40, 60, 100, 130, 200])
def test_the_firing_word_is_never_cut_off(width):
    text = render_diff(make_result(snip="notwithstanding"), width)
    assert text.count("«notwithstanding»") == 11  # six rows, one of them without B


def test_table_unpaired_and_empty():
    found = make_result()
    few = {"pairs": None, "documents_b": 1, "tested": 1, "significant": 0, "confirmed": 0}
    metrics = {**found.metrics, **few}
    params = {**found.params, "design": "independent", "pair_on": None}
    text = render_diff(make_result(metrics=metrics, params=params), 200)
    assert "B brisk (1 document), not paired." in text and "Fisher's exact test" in text
    assert "0 of 1 feature tested" in text
    empty = render_diff(make_result(table=make_result().table.head(0)), 80)
    assert "label" not in empty and "Note:" in empty
    assert "perhaps" not in render_diff(make_result(), 80, top=0)


def test_bars_show_direction_and_size():
    result = make_result(4)
    difference = np.array([0.8, -0.8, 0.4, 0.0])
    table = result.table.with_columns(pl.Series("diff", difference), q=pl.lit(0.01))
    text = render_diff(dataclasses.replace(result, table=table), 80)
    lines = [line for line in text.splitlines() if "│" in line]
    bars = [re.search(r"([ █▐]{7})│([ █▌]{7})", line).groups() for line in lines[1:]]
    assert bars == [(" " * 7, "█" * 7), ("█" * 7, " " * 7), (" " * 7, "███▌   "), (" " * 7, " " * 7)]
    assert "         B│A    " in lines[0]


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437", "no-such-encoding"])
def test_other_encodings(encoding):
    text = render_diff(make_result(label="naïve — 汉字"), 100, encoding=encoding)
    text.encode("ascii" if encoding.startswith("no") else encoding)
    assert max(map(len, text.splitlines())) <= 100
    assert ("#" in text) == (encoding != "cp437")  # cp437 has blocks of its own


def test_markup_in_text_is_text():
    text = render_diff(make_result(label="[bold]x[/bold] :smile:", snip="[red]y[/red]"), 120)
    assert "[bold]x[/bold] :smile:" in text and "«[red]y[/red]»" in text
    hit = Hit(1, "[link=http://x]l[/link]", 1.0, "[blink]w")
    text = render_document([Segment("[red]a[/red]", (1,), 1.0)], [hit], 120)
    assert "«[red]a[/red]»[1]" in text and "[link=http://x]l[/link]" in text and "[blink]w" in text


@pytest.mark.parametrize("color", [False, True])
def test_document_numbers_its_words(color):
    text = "It rains in Spain.\nAnd \x1b[31mnowhere\u202e else"
    spans = [Span(3, 7, 50, 1.0), Span(12, 17, 60, 4.0), Span(12, 17, 50, 2.0), Span(18, 19, 70, 1.0)]
    hits = [Hit(60, "country", 4.0, "Spain"), Hit(50, "weather", 2.0, "Spain"), Hit(70, HOSTILE, 1.0, "\n")]
    shown = render_document(highlights(text, spans), hits, 60, color, title="doc \x1b[1m 1")
    plain = ANSI.sub("", shown)
    assert is_safe(plain, allowed="\n")
    assert max(cell_len(line) for line in plain.splitlines()) <= 60
    if not color:
        assert "It «rains»[2] in «Spain»[1,2].«↵" in plain and "And [31mnowhere else" in plain
        assert re.search(r"\b1 +60 +4\.00 +Spain +country", plain)


def test_document_without_features():
    assert render_document(highlights("Nothing.", []), [], 60).splitlines() == [
        "Nothing.", "", "No feature is present in this text.",
    ]  # fmt: skip


# --- JSON, CSV, Parquet -------------------------------------------------------------------------------------


def odd_result() -> Result:
    table = pl.DataFrame(
        {
            "feature": [1, 2, 3],
            "odds": [math.inf, math.nan, 1.5],
            "label": ['quote " and, comma', "=cmd|'/c calc'!A1", "two\nlines — ünï"],
            "words": [["a", "b,c"], None, []],
        }
    )
    params = {"ratio": np.float32(0.5), "top": np.int64(3), "nan": math.nan, "ids": np.arange(2), "n": None}
    return Result("odd", table, params, {"ok": np.bool_(True)}, ("note",), (Source("a", "x.corpus", "f"),))


def test_json_is_strict():
    text = odd_result().to_json()
    whole = json.loads(text, parse_constant=pytest.fail)
    assert list(whole) == ["kind", "params", "metrics", "rows"]
    assert [row["odds"] for row in whole["rows"]] == [None, None, 1.5]
    assert whole["rows"][0]["words"] == ["a", "b,c"] and whole["rows"][2]["label"] == "two\nlines — ünï"
    sources = [{"name": "a", "path": "x.corpus", "fingerprint": "f", "where": ""}]
    assert whole["params"] == {
        "ratio": 0.5, "top": 3, "nan": None, "ids": [0, 1], "n": None, "sources": sources,
    }  # fmt: skip
    assert whole["metrics"] == {"ok": True}
    assert "\n" not in text and to_json(odd_result()) == text


def test_names_that_are_not_utf8_are_written(tmp_path):
    result = make_result(sources=(Source("a", "caf\udce9.corpus", "f"),), params={"a": "caf\udce9"})
    assert json.loads(result.to_json().encode())["params"]["a"] == "caf?"
    assert pl.read_parquet(result.to_parquet(tmp_path / "x.parquet")).height == 6


def test_csv_reads_back():
    rows = list(csv.DictReader(io.StringIO(to_csv(odd_result(), raw=True))))
    assert [row["label"] for row in rows] == odd_result().table["label"].to_list()  # formulas are left alone
    assert [row["words"] for row in rows] == ['["a", "b,c"]', "", "[]"]
    assert next(csv.reader(io.StringIO(make_result().to_csv()))) == make_result().table.columns


def test_parquet_reads_back_with_its_parameters(tmp_path):
    path = tmp_path / "réponse 1.parquet"
    assert make_result().to_parquet(path) == path
    assert pl.read_parquet(path).equals(make_result().table)
    metadata = pq.read_schema(path).metadata
    assert json.loads(metadata[b"saetext.params"])["pair_on"] == "prompt_id"
    assert json.loads(metadata[b"saetext.kind"]) == "diff"


def test_files_are_replaced_only_when_asked(tmp_path):
    path = tmp_path / "out.json"
    write_text(path, "öne")
    assert path.read_text(encoding="utf-8") == "öne"
    with pytest.raises(InputError, match="exists already"):
        write_text(path, "two")
    with pytest.raises(InputError, match="exists already"):
        to_parquet(make_result(), path)
    write_text(path, "two", overwrite=True)
    assert path.read_text() == "two" and [p.name for p in tmp_path.iterdir()] == ["out.json"]


def test_failed_writes_leave_nothing(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="No such file or directory"):
        write_text(tmp_path / "missing" / "out.json", "x")
    with pytest.raises(InputError, match="is a directory"):
        write_text(tmp_path, "x", overwrite=True)
    path = tmp_path / "out.parquet"
    path.write_text("old")

    def full(table, where):
        where.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(InputError, match="No space left on device"):
        to_parquet(make_result(), path, overwrite=True)
    assert path.read_text() == "old" and [p.name for p in tmp_path.iterdir()] == ["out.parquet"]


def test_a_word_of_millions_of_letters_is_not_walked() -> None:
    text = "ACGT" * 2_500_000
    with clock.within(0.1):  # two seconds, a letter at a time
        assert word_bounds(text, 5_000_000, 5_000_004) == (5_000_000, 5_000_004)
