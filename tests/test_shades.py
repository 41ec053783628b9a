"""Shades have one scale for a feature: a token just above the threshold is pale in every document."""

from __future__ import annotations

import dataclasses
import random
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from cluster_factory import LABELS as TOPIC_LABELS
from cluster_factory import planted as topics
from memory_corpus import DenseCorpus
from page_helpers import Page
from test_correlate import NO_LIMITS
from test_correlate import planted as pairs
from test_feature_page import a_profile
from tiny_reader import tiny, write_jsonl

from saetext import encode
from saetext.analysis.clusters import cluster
from saetext.analysis.cooccurrence import correlate
from saetext.analysis.differences import diff
from saetext.analysis.differences.examples import examples
from saetext.corpus.calibration import Calibration
from saetext.features.evidence import Hit
from saetext.features.inspect import look_at_document, look_at_text
from saetext.features.labels import FeatureLabels
from saetext.features.profile import profile
from saetext.features.shading import FullShade
from saetext.features.subject import open_subject
from saetext.reader import sentences as embed
from saetext.report.console.features import render_profile
from saetext.report.console.reading import render_document
from saetext.report.html.feature_page import render_page
from saetext.report.html.gathering import diff_page
from saetext.report.html.map_gathering import _whole, map_page
from saetext.report.html.pair_gathering import pair_page
from saetext.text.passages import Segment

NOTHING = FeatureLabels.from_rows([])


@pytest.fixture(autouse=True)
def _labels_by_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(embed, "available", lambda: False)


def with_maxima(calibration: Calibration, maximum: Iterable[float]) -> Calibration:
    """Return the calibration with other maxima on its reference text."""
    column = np.array(list(maximum))
    at = calibration.table.schema.get_field_index("max")
    table = calibration.table.set_column(
        at, calibration.table.schema.field("max"), [column.astype(np.float32)]
    )
    return dataclasses.replace(calibration, table=table)


def of_two(maximum: float) -> list[DenseCorpus]:
    """Feature 1 is in all documents of A, weak to strong, and in few of B."""
    rng = np.random.default_rng(0)
    sets = []
    for rate in (0.9, 0.1):
        value = (rng.random((80, 4)) < [0.5, rate, 0.5, 0.5]) * rng.uniform(0.5, 4, (80, 4))
        corpus = DenseCorpus(value, peak=rng.integers(0, 12, value.shape))
        corpus._calibration = with_maxima(corpus._calibration, [maximum] * 4)
        sets.append(corpus)
    return sets


# ---- the scale ---------------------------------------------------------------------------------------


def test_the_darkest_shade_is_the_maximum_on_reference_text_or_the_strongest_shown() -> None:
    calibration = Calibration.from_arrays(np.zeros(3), percentile=90, maximum=np.array([8, 0, 2]))
    other = Calibration.from_arrays(np.zeros(3), percentile=90, maximum=np.array([4, 0, 6]))
    full = FullShade([calibration, other])
    assert full.of(0, [1, 100]) == 8 and full.of(2, ()) == 6  # whatever is shown
    assert full.of(1, [1, 5, 3]) == 5 and full.of(1, ()) == 1
    assert FullShade([]).of(7, [2.5]) == 2.5


# ---- diff ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("maximum", [8.0, 0.0])
def test_passages_of_a_diff(maximum: float) -> None:
    sets = of_two(maximum)
    result = diff(*sets)
    chosen = examples(sets, "main", result.design, {1: 1.0}, 80)[1]
    page = diff_page(result, sets, NOTHING, each=80)
    [finding] = [f for f in page.findings if f.row["feature"] == 1]
    values = [place.value for sides in chosen for place in sides if place is not None and place.peak >= 0]
    full = maximum or max(values)
    assert max(values) > 3.5 and min(values) < 1  # what was all as dark as the strongest
    assert len(finding.examples) == len(chosen)
    for shown, sides in zip(finding.examples, chosen, strict=True):
        for passage, place in zip((shown.a, shown.b), sides, strict=True):
            if place is None:
                assert passage is None
                continue
            strengths = [piece.strength for piece in passage.pieces if piece.strength]
            assert strengths == ([pytest.approx(place.value / full)] if place.peak >= 0 else [])


@pytest.mark.parametrize("maximum", [8.0, 0.0])
def test_passages_of_several_sets(maximum: float) -> None:
    sets = [*of_two(maximum), of_two(maximum)[1]]
    result = diff(*sets, names=("x", "y", "z"))
    page = diff_page(result, sets, NOTHING)
    assert page.findings
    for finding in page.findings:
        feature = finding.row["feature"]
        shown = zip(result.names, result.evidence[feature], strict=True)
        of_feature = {name: example for name, example in shown if example is not None}
        full = maximum or max(e.value for e in of_feature.values())
        for passage in (finding.examples[0].a, finding.examples[0].b):
            if passage is not None:
                name = passage.document.partition(":")[0]
                strengths = [piece.strength for piece in passage.pieces if piece.strength]
                assert strengths == [pytest.approx(of_feature[name].value / full)]


def test_every_token_read_again_is_on_the_same_scale(tmp_path: Path) -> None:
    reader, rng = tiny().reader(), random.Random(0)
    sets = []
    for name, words in (("a", "the quick brown fox"), ("b", "over a lazy dog")):
        texts = [" ".join(rng.choices(words.split(), k=3)) for _ in range(60)]
        rows = [{"id": f"{name}{i}", "text": text} for i, text in enumerate(texts)]
        sets.append(encode(write_jsonl(tmp_path / f"{name}.jsonl", rows), tmp_path / name, reader=reader))
    result = diff(*sets, families="features")
    maxima = sets[0].calibration(None).table.column("max").to_numpy()
    page = diff_page(result, sets, NOTHING, reader=reader, findings=5)
    checked = 0
    for finding in page.findings[:5]:  # the others have no passages
        feature = finding.row["feature"]
        wanted = {feature: finding.row["diff"]}
        chosen = examples(sets, result.params["sae"], result.design, wanted, 3)[feature]
        shown_values = [p.value for sides in chosen for p in sides if p is not None]
        full = maxima[feature] or max(shown_values)
        for shown, sides in zip(finding.examples, chosen, strict=True):
            for passage, place in zip((shown.a, shown.b), sides, strict=True):
                if place is not None and place.peak >= 0:
                    strengths = [piece.strength for piece in passage.pieces if piece.strength > 0]
                    assert max(strengths) == pytest.approx(place.value / full, rel=1e-3)
                    checked += len(strengths) > 1
    assert checked


# ---- correlate ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("maximum", [9.0, 0.0])
def test_passages_of_pairs(maximum: float) -> None:
    corpus, _ = pairs(seed=1)
    rng = np.random.default_rng(2)
    corpus.value = np.where(corpus.value > 0, rng.uniform(0.5, 4, corpus.value.shape), 0).astype(np.float32)
    corpus._calibration = with_maxima(corpus._calibration, [maximum] * corpus.value.shape[1])
    result = correlate(corpus, **NO_LIMITS, everything=True)
    page = pair_page(result, [corpus], NOTHING)
    rows = result.table.to_dicts()
    at_of = {(r["feature_a"], r["feature_b"]): at for at, r in enumerate(rows)}
    strengths, strength_of = [], {"a": "strength", "b": "second"}
    for finding in page.findings:
        row = finding.row
        meetings = result.evidence.get(at_of[row["feature_a"], row["feature_b"]], ())
        places = {
            "a": [m.place_a for m in meetings if m.place_a], "b": [m.place_b for m in meetings if m.place_b]
        }  # fmt: skip
        full = {side: maximum or max((p[2] for p in found), default=1) for side, found in places.items()}
        for meeting, example in zip(meetings, finding.examples, strict=True):
            for side, place in (("a", meeting.place_a), ("b", meeting.place_b)):
                pieces = [piece for passage in example.passages for piece in passage.pieces]
                shown = {getattr(piece, strength_of[side]) for piece in pieces}
                expected = place[2] / full[side] if place is not None and place[3] >= 0 else 0.0
                assert max(shown) == pytest.approx(expected, rel=1e-5)
                strengths.append(expected)
    # the strongest documents that are shown are still far from what the reference text has
    assert max(strengths) == 1 or (maximum and max(strengths) < 0.5)


# ---- cluster --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("maximum", [3.0, 0.0])
def test_passages_of_clusters_and_whole_documents(maximum: float) -> None:
    corpus = topics(200, tones=False)
    corpus._calibration = with_maxima(corpus._calibration, [maximum] * corpus.value.shape[1])
    result = cluster(corpus, labels=TOPIC_LABELS)
    page = map_page(result, corpus, TOPIC_LABELS)
    assert page.clusters
    for examples_, shown in zip(result.exemplars, page.clusters, strict=True):
        strongest: dict[int, float] = {}
        for example in examples_:
            for one in example.fired[:6]:
                strongest[one.feature] = max(one.value, strongest.get(one.feature, 0.0))
        for example, passage in zip(examples_, shown.examples, strict=True):
            found = max(piece.strength for piece in passage.pieces)
            expected = [one.value / (maximum or strongest[one.feature]) for one in example.fired[:6]]
            assert found == pytest.approx(max(expected), rel=1e-5)
    strengths = {piece.strength for document in page.documents for piece in document.pieces if piece.strength}
    on_map = np.flatnonzero(result.documents["x"].is_not_null().to_numpy())
    telling = [{t.feature for t in one.telling[:6]} for one in result.described]
    for document, row in zip(page.documents, on_map, strict=True):
        number = result.documents["cluster"][int(row)]
        mine = sorted(telling[number - 1]) if number else []
        full = np.array([maximum or corpus.value[:, f].max() for f in mine])
        there = corpus.value[row, mine] / full if mine else np.zeros(1)
        most = max((piece.strength for piece in document.pieces), default=0.0)
        assert most == pytest.approx(there.max(), rel=1e-5)
    assert max(strengths) - min(strengths) > 0.1


def test_words_of_a_whole_document_have_the_strongest_of_their_features() -> None:
    document = {"text": "ab cd ef", "token_start": [0, 3, 6], "token_end": [2, 5, 8]}
    pieces = _whole(document, [(0, 0.25), (2, 0.5), (0, 0.75)])
    assert [(p.text, p.strength) for p in pieces] == [("ab", 0.75), (" cd ", 0.0), ("ef", 0.5)]


# ---- one feature, one document ------------------------------------------------------------------------


def test_a_feature_page_and_its_text() -> None:
    of_calibration = a_profile(full=18.0)
    assert Page(render_page(of_calibration)).marked == [
        ("fi", "s4"), ("ring", "s2"), ("fi", "s2"), ("ring", "s1"), ("fi", "s1"), ("ring", "s1")
    ]  # fmt: skip
    assert Page(render_page(a_profile(full=4.5))).marked[:4] == [
        ("fi", "s8"), ("ring", "s8"), ("fi", "s8"), ("ring", "s4")
    ]  # fmt: skip
    drawn = [render_profile(a_profile(full=full), 100, True) for full in (None, 18.0)]
    grounds = [re.findall(r"48;5;(\d+)m(\w+)", text) for text in drawn]
    assert grounds[0][0] == ("214", "fi") and grounds[1][0] == ("228", "fi")


def test_a_profile_knows_the_maximum_on_reference_text(tmp_path: Path) -> None:
    rows = [{"id": str(i), "text": f"the quick fox {i}"} for i in range(20)]
    corpus = encode(write_jsonl(tmp_path / "a.jsonl", rows), tmp_path / "a", reader=tiny().reader())
    subject = open_subject(str(tmp_path / "a"))
    maxima = corpus.calibration(None).table.column("max").to_numpy()
    for feature in np.unique(corpus.csr().indices)[:5].tolist():
        assert profile(subject, feature).full == (pytest.approx(maxima[feature]) if maxima[feature] else None)


def test_words_of_a_document_are_bold_by_their_own_feature(tmp_path: Path) -> None:
    """Raw values of two features do not compare, and a document's strongest may be weak."""
    segments = [Segment("one ", (1,), 2.0), Segment("two ", (2,), 9.0), Segment("three", (3,), 3.0)]
    hits = [Hit(1, "a", 2.0, "one", full=3.0), Hit(2, "b", 9.0, "two", full=20.0), Hit(3, "c", 3.0, "three")]
    shown = render_document(segments, hits, 80, True)
    text = shown[: shown.index("no.")]
    styles = {word: style for style, word in re.findall(r"\x1b\[([\d;]*)m(one|two|three)", text)}
    assert [word for word in styles if styles[word].startswith("1;")] == ["one", "three"]
    rows = [{"id": "a", "text": "the quick brown fox"}]
    reader = tiny().reader()
    corpus = encode(write_jsonl(tmp_path / "a.jsonl", rows), tmp_path / "a", reader=reader)
    maxima = corpus.calibration(None).table.column("max").to_numpy()
    looked = [look_at_document(corpus, "a"), look_at_text(reader, "the quick brown fox")]
    for look in looked:
        assert look.hits
    assert all(h.full == pytest.approx(maxima[h.feature]) for h in looked[0].hits)
