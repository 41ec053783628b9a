"""From a diff to its page, its terminal text and its hypotheses: examples, sentences, documents set aside."""

from __future__ import annotations

import dataclasses
import json
import random
import re
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from chat_server import chat_server
from test_diff import D_SAE, MemoryCorpus, random_present
from tiny_reader import tiny, write_jsonl
from whole_results import diff

from saetext import encode
from saetext.analysis.differences.examples import examples
from saetext.errors import EndpointError, InputError
from saetext.features.labels import FeatureLabel, FeatureLabels
from saetext.features.peaks import LocalEvidence
from saetext.io.llm import ChatClient
from saetext.report.console.differences import render_diff
from saetext.report.html.differences import render_diff_page
from saetext.report.html.gathering import diff_page

HOSTILE = "<script>alert(1)</script>\x1b[31m"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("saetext.io.web.FIRST_PAUSE", 0.001)


def two_sets(n: int = 120, paired: bool = True, hostile: str = "") -> tuple[MemoryCorpus, MemoryCorpus]:
    """Feature 3 is frequent in A, 7 in B; every text ends with its own number."""
    rng = np.random.default_rng(3)
    rates_a, rates_b = np.full(D_SAE, 0.3), np.full(D_SAE, 0.3)
    rates_a[3], rates_b[7] = 0.8, 0.8
    sets = []
    for name, rates in (("a", rates_a), ("b", rates_b)):
        meta = {"prompt_id": list(range(n))} if paired else {}
        corpus = MemoryCorpus(random_present(rng, n, rates), meta, block=50)
        corpus.texts = [f"{text} {hostile}{name}{i}" for i, text in enumerate(corpus.texts)]
        corpus.frame = corpus.frame.with_columns(pl.Series("text", corpus.texts))
        sets.append(corpus)
    return sets[0], sets[1]


LABELS = FeatureLabels.from_rows(
    [FeatureLabel(3, f"threes {HOSTILE}", f"about three {HOSTILE}"), FeatureLabel(7, "sevens")],
    {"d_sae": D_SAE, "weights_sha256": "w", "sae": "tiny"},
)


def test_examples_of_pairs_show_the_set_that_has_more_and_its_partner():
    a, b = two_sets()
    result = diff(a, b)
    found = examples((a, b), "main", result.design, {3: 0.5, 7: -0.5}, 4)
    for feature, lead in ((3, 0), (7, 1)):
        assert len(found[feature]) == 4
        for pair in found[feature]:
            mine, other = pair[lead], pair[1 - lead]
            assert mine.row == other.row and mine.set == lead and other.set == 1 - lead
            assert (a, b)[lead].present[mine.row][feature] == (mine.value, mine.peak)
            assert feature not in (a, b)[1 - lead].present[other.row] and other.peak == -1
    values = [pair[0].value for pair in found[3]]
    assert values == sorted(values, reverse=True) and values[0] == 5


def test_examples_without_pairs_are_the_strongest_of_each_set():
    a, b = two_sets(paired=False)
    result = diff(a, b)
    [first, *_] = examples((a, b), "main", result.design, {3: 0.5}, 2)[3]
    assert first[0].value == 5 == first[1].value and first[0].set == 0 and first[1].set == 1
    assert examples((a, b), "main", result.design, {}, 2) == {}


def test_the_page_of_a_diff(monkeypatch):
    monkeypatch.setattr(
        "saetext.analysis.differences.naming.local_evidence",
        lambda sets, sae, features, *_, **__: {
            f: LocalEvidence(("so",), 1.0, 0.9, True) for f in features.tolist()
        },
    )
    a, b = two_sets(hostile=HOSTILE)
    result = diff(a, b, names=(f"gentle {HOSTILE}", "brisk"), labels=LABELS, families="all", null=2)
    page = diff_page(result, (a, b), LABELS)
    assert [f.row["feature"] for f in page.findings[:2]] in ([3, 7], [7, 3])
    told = " ".join(page.summary)
    assert "120 pairs on prompt_id" in told and "threes" in told and "AUC" in told
    assert "strongest word" in page.shading and page.tables[0].rows[0][0] == "features"
    three = next(f for f in page.findings if f.row["feature"] == 3)
    assert len(three.examples) == 3 and "about three" in three.description
    shaded = [p for p in three.examples[0].a.pieces if p.strength > 0]
    assert len(shaded) == 1 and shaded[0].strength == 1
    html = render_diff_page(page)
    assert "<script>alert" not in html and "&lt;script&gt;alert(1)" in html and "\x1b" not in html
    visible = re.sub(r"(?s)<(style|script)\b.*?</\1>", "", html)
    assert not re.search(r"\b(None|nan|inf)\b", visible)
    text = render_diff(result, 100)
    assert "AUC on unseen documents" in text and "with the labels shuffled 2 times" in " ".join(text.split())


def test_the_plot_counts_the_differences_that_have_no_card(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the page says two numbers of confirmed differences."""
    sets = two_sets()
    result = diff(*sets, families="all")
    monkeypatch.setattr("saetext.report.html.gathering._MOST", 1)
    page = diff_page(result, sets, LABELS, findings=1)
    confirmed = result.metrics["found_confirmed"]
    assert len(page.findings) == 1 < confirmed == page.plottable
    assert f"The first 1 of {confirmed}." in render_diff_page(page)


def test_top_is_how_many_findings_are_open_and_all_of_them_are_on_the_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sets, total = two_sets(), 7
    result = diff(*sets, families="all", top=1)
    assert result.found is not None
    names = [f"difference{at}" for at in range(total)]
    rows = pl.concat([result.found.head(1)] * total).with_columns(pl.Series("name", names))
    result = dataclasses.replace(result, found=rows)
    monkeypatch.setattr("saetext.report.html.gathering._CARDS", 2)
    page = diff_page(result, sets, LABELS, findings=1)
    assert page.opened == 1 and page.total == len(page.findings) == total
    assert [one.brief for one in page.findings] == [False, False, *[True] * (total - 2)]
    assert [bool(one.examples) for one in page.findings] == [True, *[False] * (total - 1)]
    html = render_diff_page(page)
    assert 'data-opened="1"' in html and "not on this page" not in html
    assert all(f"<bdi>{name}</bdi>" in html for name in names)
    monkeypatch.setattr("saetext.report.html.gathering._MOST", 3)
    html = render_diff_page(diff_page(result, sets, LABELS, findings=1))
    assert f"{total - 3} of the {total} findings are not on this page" in html
    assert f"3 of {total} shown" in html
    everything = dataclasses.replace(result, params={**result.params, "top": None})
    assert diff_page(everything, sets, LABELS, findings=1).opened is None


def test_findings_that_are_not_in_a_cut_table_are_counted() -> None:
    """Of features alone, what ``top`` leaves out is not in the result, and no page can list it."""
    sets = two_sets()
    result = diff(*sets, families="features", top=1)
    whole = result.metrics["findings"]
    html = render_diff_page(diff_page(result, sets, LABELS))
    left = "1 of the 2 findings is not on this page, and the filter does not search it."
    assert whole == 2 and left in html


def test_tokens_are_shaded_by_reading_the_texts_again(tmp_path) -> None:
    """Where the reader is at hand, every token on which a feature fires has its activation."""
    reader = tiny().reader()
    rng = random.Random(0)
    sets = []
    for name, words in (("a", "the quick brown fox"), ("b", "over a lazy dog")):
        texts = [" ".join(rng.choices(words.split(), k=3)) for _ in range(60)]
        rows = [{"id": f"{name}{i}", "text": text} for i, text in enumerate(texts)]
        sets.append(encode(write_jsonl(tmp_path / f"{name}.jsonl", rows), tmp_path / name, reader=reader))
    result = diff(*sets)
    assert result.n_confirmed
    labels = FeatureLabels.from_rows([], {})
    page = diff_page(result, sets, labels, reader=reader, findings=5)
    assert page.shading.startswith("Tokens are shaded by the feature's activation, read again")
    passages = [p for f in page.findings for e in f.examples for p in (e.a, e.b) if p]
    shades = [[piece.strength for piece in p.pieces if piece.strength > 0] for p in passages]
    assert any(len(s) > 1 for s in shades)
    # on one scale for all documents, see test_shades.py: not each one's strongest at 1
    assert len({round(max(s), 3) for s in shades if s}) > 1
    alone = diff_page(result, sets, labels, findings=5)
    assert "only the strongest word" in alone.shading
    assert "read again" in Path(result.to_html(tmp_path / "p.html", sets, reader=reader)).read_text("utf-8")
    with pytest.raises(InputError, match="exists already"):
        result.to_html(tmp_path / "p.html", sets)


def test_the_page_and_text_of_several_sets():
    rng = np.random.default_rng(4)
    sets = []
    for number in range(3):
        rates = np.full(D_SAE, 0.3)
        rates[number] = 0.9
        sets.append(MemoryCorpus(random_present(rng, 100, rates), block=50))
    result = diff(*sets, names=("x", HOSTILE, "z"))
    text = render_diff(result, 80)
    assert text.startswith("3 sets, ") and "\x1b" not in text
    assert all(len(line) <= 80 for line in text.splitlines()) and "9*" in text
    page = diff_page(result, sets, FeatureLabels.from_rows([], {}))
    first = page.findings[0]
    assert first.examples[0].a.document.startswith(f"{first.row['set']}: doc")
    assert not first.examples[0].b.document.startswith(f"{first.row['set']}:")
    assert page.heat_map and page.heat_map.sets[0] == "x" and len(page.heat_map.values) >= 3
    html = render_diff_page(page)
    assert "<script>alert" not in html and not re.search(r">(None|nan)<", html)


def answers(user: str, n: int) -> str:
    """Propose two hypotheses; the judge holds the first for documents of A alone."""
    if "<finding" in user:
        return json.dumps(
            {
                "hypotheses": [
                    {"text": "speaks of three", "more_in": "A", "findings": [1]},
                    {"text": "is polite", "more_in": "B", "findings": [2]},
                ]
            }
        )
    side, number = re.search(r" ([ab])(\d+)\s*</document>", user).groups()
    return json.dumps({"holds": side == "a" if "speaks of three" in user else int(number) % 2 == 0})


@pytest.mark.parametrize("paired", [True, False])
def test_hypotheses_are_judged_on_documents_that_nothing_else_saw(paired):
    a, b = two_sets(200, paired)
    estimates = []
    with chat_server(answers) as server:
        client = ChatClient(server.url, "tiny", api_key="k")
        result = diff(a, b, client=client, names=("left", "right"), judged=30, on_estimate=estimates.append)
        asked = [body["messages"][-1]["content"] for body in server.requests]
    proposing, judging = asked[0], asked[1:]
    judged = {re.search(r" ([ab]\d+)\s*</document>", text)[1] for text in judging}
    assert len(judged) == 60 and len(judging) == 120 and estimates[0].requests >= 120
    assert all(not re.search(rf"\b{name}\b", proposing) for name in judged)
    assert result.metrics["compared_a"] == 170 == result.metrics["compared_b"]
    live = {f"{'ab'[i // 200]}{i % 200}" for i in np.flatnonzero(result.design.side >= 0)}
    assert live.isdisjoint(judged)
    first, second = result.hypotheses
    assert first.verified and (first.x_a, first.n_a, first.x_b, first.n_b) == (30, 30, 0, 30)
    assert not second.verified and first.features
    assert result.metrics["judge"]["documents"] == [30, 30] and result.metrics["judge"]["not_judged"] == 0
    assert "speaks of three" in render_diff(result, 100)
    assert "Hypotheses" in render_diff_page(diff_page(result, (a, b), LABELS))
    json.loads(result.to_json(), parse_constant=pytest.fail)


def test_a_judge_that_fails_is_counted():
    a, b = two_sets(200)

    def behave(user: str, n: int):
        if "<finding" in user:
            return answers(user, n)
        return "I would rather not say" if " b" in user[-400:] and n % 3 == 0 else answers(user, n)

    with chat_server(behave) as server:
        result = diff(a, b, client=ChatClient(server.url, "tiny", api_key="k"), judged=20)
    failed = sum(h.failures for h in result.hypotheses)
    assert failed == result.metrics["judge"]["not_judged"] > 0
    assert any(f"{failed} judgements failed" in note for note in result.notes)
    assert all(h.n_a <= 20 for h in result.hypotheses)


def test_nothing_confirmed_asks_for_nothing_and_a_dead_endpoint_is_one_line():
    rng = np.random.default_rng(5)
    a, b = (MemoryCorpus(random_present(rng, 60, 0.4)) for _ in range(2))
    with chat_server(answers) as server:
        result = diff(a, b, client=ChatClient(server.url, "tiny", api_key="k"))
        assert not server.requests and "no hypotheses were asked for" in result.notes[-1]
    c, d = two_sets()
    with pytest.raises(EndpointError) as caught:
        diff(c, d, client=ChatClient("http://127.0.0.1:9/v1", "tiny", api_key="k"))
    assert "\n" not in str(caught.value)
