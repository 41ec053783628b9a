"""What results and other objects say in a notebook: one short line, or a table of HTML that is safe."""

from __future__ import annotations

import dataclasses
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from corpus_factory import make_corpus
from test_report import HOSTILE, is_safe, make_result

import saetext
from saetext.analysis.base import Result, Source
from saetext.analysis.cooccurrence import CorrelateResult
from saetext.analysis.cooccurrence.result import Marked
from saetext.analysis.differences import DiffResult, Family
from saetext.analysis.search import Clause, FeatureQuery, Searcher, SearchResult, Term
from saetext.analysis.search.result import table_of
from saetext.analysis.search.snippets import Line
from saetext.documents import open_documents
from saetext.errors import InputError
from saetext.features.labelling.pipeline import Labelled
from saetext.features.labels import FeatureLabel, FeatureLabels

ATTACKS = ["<script>alert(1)</script>", "</td></table>", "\"'><img src=x onerror=y>", "&lt;b&gt;", HOSTILE]
ALLOWED = {
    "div",
    "p",
    "b",
    "table",
    "thead",
    "tbody",
    "tr",
    "th",
    "td",
    "mark",
    "code",
    "ul",
    "li",
    "br",
    "small",
}


class Page(HTMLParser):
    """Collects tags, the cells of rows with their text, and the marked words."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: set[str] = set()
        self.tags: set[str] = set()
        self.rows: list[list[str]] = []
        self.marks: list[str] = []
        self.styles: list[list[str]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag == "tr":
            self.rows.append([])
            self.styles.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
            self.styles[-1].append("")
        if tag == "div" and "td" in self.open:
            self.styles[-1][-1] = dict(attrs)["style"] or ""
        if tag == "mark":
            self.marks.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += data
        if "mark" in self.open:
            self.marks[-1] += data


def page_of(result: Result) -> Page:
    """Return the parsed page, after checks that hold for all: balanced, only harmless tags, no bad signs."""
    text = result._repr_html_()
    page = Page(text)
    assert page.open == [] and page.tags <= ALLOWED and page.attributes <= {"style"}, page.tags
    assert is_safe(text) and len({len(row) for row in page.rows}) == 1
    return page


def test_a_diff_shows_its_rows_by_value() -> None:
    table = make_result().table.with_columns(rate_a=pl.lit(0.75), rate_b=pl.lit(0.25), diff=pl.lit(0.5))
    page = page_of(make_result(table=table))
    assert page.rows[0] == [
        "feature", "label", "rate gentle", "rate brisk", "difference", "q", "confirmed",
        "in gentle", "in brisk",
    ]  # fmt: skip
    assert page.rows[1][:5] == ["0", "perhaps, might", "75.0 %", "25.0 %", "+50.0"]
    assert [row[6] for row in page.rows[1:]] == ["yes", "", "", "", "", ""]
    assert page.rows[1][7] == "a few words before so and then a few words after it, to fill the line"
    assert page.rows[2][8] == "" and page.marks == ["so"] * 11
    assert "0.0%,transparent 0.0%" not in page.styles[1][2]
    assert "75.0%" in page.styles[1][2] and "25.0%" in page.styles[1][3]
    assert "50.0%" in page.styles[1][4] and "75.0%" in page.styles[1][4]  # from the middle to the right


def test_a_diff_with_a_list_of_findings_shows_that_list() -> None:
    found = pl.DataFrame({
        "name": ["number", HOSTILE], "label": ["a label that does not fit", None], "telling": [True, True],
        "kind": ["format", "word"], "rate_a": [0.0, 0.5], "rate_b": [0.5, 0.25],
        "diff": [-0.5, 0.25], "q": [1e-9, 0.5], "confirmed": [True, False], "length": ["no", "unclear"],
        "snippet_a": [None, "in «so» far"], "snippet_b": ["«3» days", None],
    })  # fmt: skip
    result = make_result()
    told = {"median_tokens_a": 9, "median_tokens_b": 9, "found_by_length": 0, "found_unclear": 1, "found": 2}
    result = dataclasses.replace(
        result, found=found, params={**result.params, "top": None}, metrics={**result.metrics, **told}
    )
    page = page_of(result)
    assert "brisk has more of: number (50 against 0 %)." in result._repr_html_()
    assert page.rows[0] == ["finding", "rate gentle", "rate brisk", "difference", "q", "found in"]
    assert page.rows[1] == [
        "numberformat · confirmed", "0.0 %", "50.0 %", "−50.0", "1×10⁻⁹", "brisk 3 days",
    ]  # fmt: skip
    assert page.rows[2][0].endswith("word · not confirmed · perhaps by length")
    assert "live" in page.rows[2][0] and page.marks == ["3", "so"] and len(page.rows) == 3
    assert "first: 'number'" in repr(result) and result.findings()[0].label == "number"
    assert repr(result.findings()[0]) == "<Finding: 'number', rate_a 0, rate_b 0.5, q 1e-09>"
    nothing = dataclasses.replace(result, found=found.head(0))
    assert nothing.findings() == [] and "first" not in repr(nothing) and len(page_of(nothing).rows) == 1


def test_a_negative_difference_goes_to_the_left() -> None:
    table = make_result().table.with_columns(diff=pl.lit(-0.5))
    style = page_of(make_result(table=table)).styles[1][4]
    assert "transparent 25.0%" in style and "transparent 50.0%" in style


@pytest.mark.parametrize("attack", ATTACKS, ids=range(len(ATTACKS)))
def test_nothing_in_labels_texts_or_names_becomes_markup(attack: str) -> None:
    result = make_result(
        label=attack, snip=attack, notes=(attack,), sources=(Source(attack, attack, attack),)
    )
    page = page_of(result)
    plain = page_of(make_result())
    assert [len(row) for row in page.rows] == [len(row) for row in plain.rows]
    if attack is not HOSTILE:
        assert page.rows[1][1] == attack and page.marks[0] == attack
    odd = Result("odd", pl.DataFrame({attack: [attack, None]}), {}, {}, (attack,), ())
    assert len(page_of(odd).rows) == 3


def test_at_most_twenty_rows_are_shown() -> None:
    result = make_result(n=1000)
    page = page_of(result)
    assert len(page.rows) == 21
    assert "980 more rows" in result._repr_html_() and len(result._repr_html_()) < 60_000


def search_result(n: int, text: str = "so") -> SearchResult:
    features = [{"feature": 3, "label": text, "contribution": 1.0, "word": text}] * 9
    rows = [
        {"rank": i + 1, "id": f"{text}{i}", "row": i, "score": 1.0 / (i + 1), "snippet": f"a «{text}» b",
         "features": features}
        for i in range(n)
    ]  # fmt: skip
    lines = tuple(Line((("a ", False), (text, True), (" b", False))) for _ in rows)
    query = FeatureQuery((Clause((Term(3, 1.5, 2.0, text),) * 20, text * 50),) * 4)
    return SearchResult(
        "search", table_of(rows), {"mode": "features"}, {"found": n}, (), (Source("c", "c", "f"),),
        query=query, lines=lines,
    )  # fmt: skip


def pair_result(text: str = "so") -> CorrelateResult:
    table = pl.DataFrame(
        {"name_a": [text], "name_b": ["other"], "n_ab": [7], "npmi": [0.5], "rho": [None], "q": [0.01],
         "confirmed": [True], "snippet": ["«x» and ‹y›"]},
        schema_overrides={"rho": pl.Float64},
    )  # fmt: skip
    line = Marked(((text, "a"), (" and ", ""), ("y", "b")))
    return CorrelateResult("correlate", table, {}, {"significant": 1}, lines={0: line})


def sets_result(text: str = "so") -> DiffResult:
    table = pl.DataFrame(
        {"feature": [3], "label": [text], "set": [text], "rate": [0.5], "rate_rest": [0.1], "diff": [0.4],
         "q": [0.01], "confirmed": [True], "snippet": [f"a «{text}» b"]}
    )  # fmt: skip
    return DiffResult("diff_sets", table, {"sets": [text]}, {"tested": 9}, rates=pl.DataFrame())


def test_the_other_kinds_show_their_rows_by_value() -> None:
    found = page_of(search_result(2))
    assert found.rows[1] == ["1", "so0", "1.00", "a so b", "so, so, so, so"] and found.marks == ["so", "so"]
    assert "100.0%" in found.styles[1][2] and "50.0%" in found.styles[2][2]
    pairs = page_of(pair_result())
    assert pairs.rows[1][:4] == ["so", "other", "7", ".50"] and pairs.marks == ["so", "y"]
    sets = page_of(sets_result())
    assert sets.rows[1] == ["so", "3", "so", "50.0 %", "10.0 %", "+40.0", ".010", "yes", "a so b"]
    for attack in ATTACKS:
        for result in (search_result(2, attack), pair_result(attack), sets_result(attack)):
            assert len(page_of(result).rows[1]) == len(page_of(result).rows[0])


def test_results_as_pandas_frames() -> None:
    result = make_result()
    frame = result.to_pandas()
    assert list(frame.columns) == result.table.columns and list(frame["label"]) == ["perhaps, might"] * 6
    assert frame["rate_a"].tolist() == result.table["rate_a"].to_list()
    assert search_result(3).to_pandas()["features"][0][0]["feature"] == 3


def test_frames_without_pandas_are_refused_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("saetext.io.frames.find_spec", lambda name: None)
    with pytest.raises(InputError, match="pip install pandas") as caught:
        make_result().to_pandas()
    assert "\n" not in str(caught.value)


def test_everything_says_what_it_is_on_one_short_line(tmp_path: Path) -> None:
    corpus, _ = make_corpus(tmp_path / f"{'x' * 200}.corpus", sizes=(50,))
    labels = FeatureLabels.from_rows(FeatureLabel(i, f"{HOSTILE * 30} {i}") for i in range(500))
    long = HOSTILE * 100
    rows = [{"text": long, long: 1, f"b{long}": 2}] * 3
    things: list[Any] = [
        make_result(n=2000, label=long, sources=(Source(long, long, long),) * 50),
        search_result(500, long),
        pair_result(long),
        sets_result(long),
        Result("odd", pl.DataFrame(), {}, {}),
        Family("words", 12345, 678, 90, None, make_result(n=2000).table),
        corpus,
        labels,
        Labelled(labels, dict.fromkeys(range(900), long)),
        open_documents(rows, text="text"),
        Searcher(corpus, lexical=True),
        search_result(1, long).query,
        *(search_result(1, long).query or FeatureQuery(())).clauses,
        Term(3, -1.5, 2.0, long),
    ]
    for thing in things:
        said = repr(thing)
        assert len(said) <= 200 and said.isprintable(), said
        assert said.startswith(f"<{type(thing).__name__}"), said


def test_what_they_say() -> None:
    counts = "6 rows, 1,204 tested, 2 significant, 1 confirmed"
    assert repr(make_result()) == f"<DiffResult: gentle, brisk; {counts}; first: 'perhaps, might'>"
    assert repr(search_result(500)) == "<SearchResult: c; 500 of 500 documents with a score; first: 'so0'>"
    assert repr(Result("odd", pl.DataFrame(), {}, {})) == "<Result: 0 rows>"
    assert repr(pair_result()) == "<CorrelateResult: 1 row, 1 significant; first: 'so + other'>"
    assert repr(FeatureLabels.from_rows([FeatureLabel(1, "saying sorry", score=0.5)])) == (
        "<FeatureLabels: 1 label, 1 with a score, first: 'saying sorry'>"
    )
    assert repr(open_documents(["a b", "c"])) == (
        "<DocumentSource: 'list', 2 rows of list, text from 'text' (guessed), ids made from row numbers>"
    )
    assert repr(dataclasses.replace(Term(3, -1.5, 2.0, "tone"))) == "<Term: -1.50 x feature 3 'tone'>"


class Frame(HTMLParser):
    """Collects the frames of a cell, and the pages in them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[dict[str, str | None]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append({"tag": tag, **dict(attrs)})


def test_a_page_stands_in_a_frame_that_reaches_nothing(tmp_path: Path) -> None:
    sets = [make_corpus(tmp_path / f"{name}.corpus", sizes=(40,), seed=at)[0] for at, name in enumerate("ab")]
    result = saetext.diff(*sets, families="features")
    shown = result.show()
    written = result.to_html(tmp_path / "diff.html").read_text("utf-8")
    assert shown.html == written and len(written) > 5_000
    [frame] = Frame(shown._repr_html_()).found
    own = written.replace("<head>", '<head><base href="about:srcdoc">', 1)  # links stay in the frame
    assert frame["tag"] == "iframe" and frame["sandbox"] == "allow-scripts" and frame["srcdoc"] == own
    assert "height:800px" in str(frame["style"]) and "height:300px" in result.show(height=300)._repr_html_()
    assert repr(shown).startswith("<InlinePage: DiffResult") and len(repr(shown)) <= 200
    assert ".show()" in result._repr_html_()
    with pytest.raises(InputError, match="100 to 5,000 pixels, not 9"):
        result.show(height=9)


def test_names_do_not_leave_the_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    for attack in (*ATTACKS, "</iframe><script>alert(1)</script>", '" onload="alert(1)'):
        monkeypatch.setattr("saetext.report.html.inline.page_text", lambda *_, a=attack, **__: f"<p>{a}</p>")
        [frame] = Frame(make_result(label=attack).show()._repr_html_()).found
        assert set(frame) == {"tag", "sandbox", "title", "style", "srcdoc"}
        assert frame["srcdoc"] == f"<p>{attack}</p>"


def test_what_has_no_page_is_shown_as_its_table() -> None:
    result = search_result(2)
    assert result.show()._repr_html_() == result._repr_html_() and ".show()" not in result._repr_html_()
