"""From clusters to the terminal and the map: widths, hostile text, what is said, values as in the result."""

from __future__ import annotations

import dataclasses
import datetime
import re
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from cluster_factory import LABELS, Stored, planted
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from saetext.analysis.clusters import ClusterResult, cluster
from saetext.features.labels import FeatureLabel, FeatureLabels
from saetext.reader import sentences as embed
from saetext.report.console.clusters import render_clusters
from saetext.report.html.map_gathering import _columns, _whole, map_page
from saetext.report.html.map_page import render_map_page
from saetext.report.html.map_picture import write_map_picture
from saetext.report.html.passages import overlaid
from saetext.text.passages import printable

HOSTILE = "<script>alert(1)</script>\x1b[31m\u202e[bold]"
HOSTILE_LABELS = FeatureLabels.from_rows(
    FeatureLabel(one.feature, f"{one.label} {HOSTILE} " + "long " * 60) for one in LABELS
)


@pytest.fixture(autouse=True)
def _labels_by_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embed, "available", lambda: False)


@pytest.fixture(scope="module")
def corpus() -> Stored:
    corpus = planted(200, tones=False)
    told = [f"{text} {HOSTILE} 日本語テキスト 👩‍👩‍👧" for text in corpus.frame["text"]]
    corpus.frame = corpus.frame.with_columns(
        pl.Series("text", told),
        (pl.col("id") + HOSTILE).alias("id"),
        (pl.col("topic") + HOSTILE).alias(f"co{HOSTILE}"),
        pl.Series("number", [float("nan"), None, float("inf"), *range(197)], dtype=pl.Float64),
        pl.Series("day", [datetime.date(2026, 1, 1 + i % 9) for i in range(200)]),
        pl.Series("long", [datetime.timedelta(hours=i % 9) for i in range(200)]),
        pl.Series("yes", [i % 2 == 0 for i in range(200)]),
        pl.Series("same", ["x"] * 200),
        pl.Series("list", [[1]] * 200),
        pl.Series("bytes", [b"\xff", b"a"] * 100),
        pl.Series("kind", ["a", "b"] * 100, dtype=pl.Categorical),
        pl.Series("none", [None] * 200),
    )
    corpus.value[7] = 0
    return corpus


@pytest.fixture(scope="module")
def result(corpus: Stored) -> ClusterResult:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(embed, "available", lambda: False)
        found = cluster(
            corpus, truth="topic", name=f"pile {HOSTILE}", labels=HOSTILE_LABELS, epochs=50,
            min_cluster_size=12, include={"topic": 1.0, "something": 0.2}, exclude=["number 5"],
        )  # fmt: skip
    checked = {"stability_seeds": 0.98, "stability_subsamples": 0.7, "dbcv": 0.5, "silhouette": 0.25}
    return dataclasses.replace(
        found, notes=(*found.notes, f"a note {HOSTILE}", "long " * 80), metrics={**found.metrics, **checked}
    )


def is_safe(text: str) -> bool:
    """No control, format or line separator character, but the joiners that scripts need.

    Not ``isprintable``: to this Python's tables, letters of a newer Unicode are not.
    """
    return not any(
        unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and c not in "\u200c\u200d" for c in text
    )


# ---- the terminal ------------------------------------------------------------------------------------


@pytest.mark.parametrize("color", [False, True])
def test_lines_fit_the_window(result: ClusterResult, color: bool) -> None:
    for width in [10, *range(40, 201), 400]:
        text = render_clusters(result, width, color)
        plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
        assert max(map(cell_len, plain.splitlines())) <= min(max(width, 40), 200)
        assert "\u202e" not in plain and "\x1b" not in plain
        assert color or "\x1b" not in text


def test_everything_is_said(result: ClusterResult) -> None:
    text = " ".join(render_clusters(result, 200).split())
    assert "200 documents including topic, something excluding number 5: 4 clusters" in text
    assert "compared with topic (4 values): ARI" in text and "noise counts as one class" in text
    assert "0.98 over seeds, 0.70 over subsamples" in text and "DBCV 0.50" in text
    for row in result.table.to_dicts():
        assert f"{row['size']:,} {100 * row['share']:.1f} %" in text
        assert all(feature["fits"] is False for feature in row["features"][:8])
        assert printable(row["example"]).strip()[:20] in text
    assert " % else " not in text and "no evidence" not in text  # no label fits: none is shown
    assert text.count("note: ") == len(result.notes)
    rest = result.table["size"][1:].sum()
    assert f"3 more clusters, {rest:,} documents" in " ".join(render_clusters(result, 100, top=1).split())


def test_a_feature_is_shown_if_its_label_fits(result: ClusterResult) -> None:
    def shown(*fits: bool | None) -> str:
        rows = result.table.to_dicts()[:1]
        for feature, one in zip(rows[0]["features"], fits, strict=False):
            feature["fits"] = one
        rows[0]["features"] = rows[0]["features"][: len(fits)]
        for at, feature in enumerate(rows[0]["features"]):
            feature["label"] = f"label {at}"
        table = pl.DataFrame(rows, schema=result.table.schema)
        return render_clusters(dataclasses.replace(result, table=table, notes=()), 100)

    assert "label 1" in shown(False, True, True) and "label 0" not in shown(False, True, True)
    assert "label 2" not in shown(False, True, True) and "no evidence" in shown(False, True)
    assert "label" not in shown(False, False, None)  # the third was not looked at
    assert "label 0" in shown(None, None)  # none was
    told = render_clusters(dataclasses.replace(result, params={**result.params, "model": "m"}), 100)
    assert " %  else " not in told  # of a prediction nothing is known of how labels fit


def test_an_example_is_cut_behind_a_word(result: ClusterResult) -> None:
    long = "Why was I charged twice for one withdrawal, and who will give me the money back? " * 2
    table = result.table.head(1).with_columns(pl.lit(long).alias("example"))
    for width in (40, 80, 120):
        text = render_clusters(dataclasses.replace(result, table=table), width)
        line = next(line.strip() for line in text.splitlines() if "Why was I" in line)
        kept = line.removesuffix("…")
        assert long.startswith(kept) and not long[len(kept)].isalnum() and len(line) > width // 4


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "no-such"])
def test_other_encodings(result: ClusterResult, encoding: str) -> None:
    text = render_clusters(result, 80, encoding=encoding)
    text.encode("ascii" if encoding == "no-such" else encoding)
    assert "clusters" in text


@settings(max_examples=40, deadline=None)
@given(name=st.text(max_size=300), note=st.text(max_size=300), width=st.integers(0, 300))
def test_any_text_is_safe(result: ClusterResult, name: str, note: str, width: int) -> None:
    odd = dataclasses.replace(
        result,
        table=result.table.with_columns(pl.lit(name.encode("utf-8", "replace").decode()).alias("name")),
        notes=(note,),
    )
    text = render_clusters(odd, width)
    assert max(map(cell_len, text.splitlines())) <= min(max(width, 40), 200)
    assert is_safe(text.replace("\n", ""))


def test_no_clusters_and_a_prediction_can_be_shown(result: ClusterResult) -> None:
    none = dataclasses.replace(
        result, table=result.table.clear(), metrics={"documents": 0, "n_clusters": 0, "noise": 1.0}, notes=()
    )
    told = " ".join(render_clusters(none).split())
    assert "0 clusters, 100.0 % of the documents in no cluster." in told and "evidence" not in told
    placed = dataclasses.replace(
        result,
        params={**result.params, "model": f"m{HOSTILE}"},
        table=result.table.with_columns(pl.lit(0).alias("size"), pl.lit(0.0).alias("share")),
    )
    text = " ".join(render_clusters(placed, 120).split())
    assert "placed in the clusters of m" in text and "% else " not in text


# ---- the map -----------------------------------------------------------------------------------------


def test_the_map_has_the_values_of_the_result(corpus: Stored, result: ClusterResult) -> None:
    calls: list[tuple[str, int, int]] = []
    page = map_page(
        result, corpus, HOSTILE_LABELS, on_progress=lambda p: calls.append((p.stage, p.done, p.total))
    )
    assert calls[:4] == [("gathering clusters", i, 4) for i in range(1, 5)]
    assert calls[-1] == ("gathering documents", 200, 200)
    shown = result.documents.filter(pl.col("x").is_not_null())
    assert shown.height == 199 == len(page.x)  # one document has no feature that counts
    for name in ("x", "y", "cluster", "probability"):
        np.testing.assert_array_equal(getattr(page, name), shown[name].to_numpy())
    assert list(page.ids) == [printable(i) for i in shown["id"]]
    assert all(len(b) <= 160 and is_safe(b) for b in page.beginnings)
    for made, row in zip(page.clusters, result.table.to_dicts(), strict=True):
        assert (made.number, made.name, made.size) == (row["cluster"], row["name"], row["size"])
        assert made.share == row["share"] and list(made.words) == row["words"]
        for left, right in zip(made.features, row["features"][:6], strict=True):
            assert (left.label, left.inside, left.outside) == (
                right["label"],
                right["inside"],
                right["outside"],
            )
        assert len(made.examples) == len(row["examples"])
        for passage, example in zip(made.examples, row["examples"], strict=True):
            assert passage.document == printable(example) and passage.row is not None
            assert page.ids[passage.row] == passage.document and page.cluster[passage.row] == row["cluster"]
    assert len(page.documents) == shown.height
    for made_document, row in zip(page.documents, shown["row"].to_list(), strict=True):
        text = "".join(piece.text for piece in made_document.pieces)
        assert text == corpus.frame["text"][row]
    assert page.facts["exclude"] == "number 5" and "topic (1)" in page.facts["include"]
    assert not map_page(result, corpus, HOSTILE_LABELS, whole=10).documents


def test_what_points_can_be_coloured_by(corpus: Stored) -> None:
    rows = np.arange(200)
    found = {column.name: column for column in _columns(corpus, rows)}
    assert {"topic", "tone", "number", "day", "yes", "kind", printable(f"co{HOSTILE}")} <= set(found)
    assert not {"same", "list", "bytes", "long", "none", "id", "text"} & set(found)
    number = found["number"].number
    assert number is not None and np.isnan(number[:3]).all() and number[3:].tolist() == list(range(197))
    topic = found["topic"]
    assert topic.code is not None
    assert [topic.values[c] for c in topic.code] == corpus.frame["topic"].to_list()


def test_hostile_text_stays_text(corpus: Stored, result: ClusterResult, tmp_path: Path) -> None:
    page = map_page(result, corpus, HOSTILE_LABELS)
    html = render_map_page(page)
    assert "<script>alert(1)" not in html and "\u202e" not in html and "\x1b" not in html
    write_map_picture(page, tmp_path / "map.png")
    assert (tmp_path / "map.png").read_bytes().startswith(b"\x89PNG")


def test_a_map_without_texts_and_without_clusters(result: ClusterResult) -> None:
    bare = planted(200, tones=False)
    bare.frame = bare.frame.with_columns(pl.lit(None, pl.String).alias("text"))
    page = map_page(result, bare, LABELS)
    assert not page.documents and set(page.beginnings) == {""}
    assert render_map_page(page)
    alone: dict[str, Any] = {
        "table": result.table.clear(), "described": (), "exemplars": (),
        "documents": result.documents.with_columns(pl.lit(0, pl.Int32).alias("cluster")),
        "metrics": {**result.metrics, "n_clusters": 0},
    }  # fmt: skip
    page = map_page(dataclasses.replace(result, **alone), planted(200, tones=False), LABELS)
    assert page.clusters == [] and render_map_page(page)


# ---- pieces ------------------------------------------------------------------------------------------

SPANS = st.lists(
    st.tuples(st.integers(0, 12), st.integers(0, 12), st.sampled_from([0.0, 0.3, 1.0])).map(
        lambda s: (min(s[:2]), max(s[:2]), s[2])
    ),
    max_size=8,
)


@given(SPANS)
def test_stretches_carry_the_largest_strength(spans: list[tuple[int, int, float]]) -> None:
    expected = np.zeros(13)
    for low, high, value in spans:
        expected[low:high] = np.maximum(expected[low:high], value)
    found = np.zeros(13)
    last = 0
    for (low, high), (value,) in zip(*overlaid([spans]), strict=True):
        assert last <= low < high and value > 0
        found[low:high], last = value, high
    np.testing.assert_array_equal(found, expected)


@given(st.lists(st.sampled_from(["ab", "c", "日本", "é"]), min_size=1, max_size=9), st.data())
def test_a_whole_document_loses_nothing(words: list[str], data: st.DataObject) -> None:
    ends = (np.cumsum([len(word) + 1 for word in words]) - 1).tolist()
    starts = [end - len(word) for end, word in zip(ends, words, strict=True)]
    document = {"text": " ".join(words), "token_start": starts, "token_end": ends}
    marks = data.draw(st.lists(st.integers(-2, len(words) + 2), max_size=6))
    pieces = _whole(document, [(mark, 0.5) for mark in marks])
    assert "".join(piece.text for piece in pieces) == document["text"]
    marked = {piece.text for piece in pieces if piece.strength}
    assert marked == {words[m] for m in marks if 0 <= m < len(words)}


def test_a_very_long_document_is_cut() -> None:
    document = {"text": "word " * 10_000, "token_start": [0, 49_990], "token_end": [4, 49_994]}
    pieces = _whole(document, [(0, 0.5), (1, 0.5)])
    assert len("".join(piece.text for piece in pieces)) == 20_001
    assert pieces[-1].text.endswith("…") and pieces[0].strength
