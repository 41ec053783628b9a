"""What a result knows of its corpora: a report opens them again, and says so where that cannot be."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from corpus_factory import make_corpus
from memory_corpus import DenseCorpus

import saetext
from saetext.analysis.sources import reopened
from saetext.corpus import Corpus
from saetext.errors import InputError


@pytest.fixture
def corpus(tmp_path: Path) -> Corpus:
    return make_corpus(tmp_path / "texts.corpus", sizes=(60, 60))[0]


def test_a_report_selects_the_same_rows_again(corpus: Corpus, tmp_path: Path) -> None:
    chosen = {"where": "score > 0.2", "by": "model", "values": ["gpt4", "llama"]}
    result = saetext.diff(corpus, min_support=1, families="features", sae="main", **chosen)  # type: ignore[call-overload]
    view = corpus.select("score > 0.2")
    for source in result.sources:
        again = reopened(source)
        assert again.path == corpus.path and again.fingerprint == source.fingerprint
        assert again.to_polars().equals(view.select(f"model = '{source.name}'").to_polars())
    assert result.params["where"] == "score > 0.2" and result.params["by"] == "model"
    assert result.sources[0].where == "score > 0.2 and model = gpt4"
    one = result.to_html(tmp_path / "one.html").read_text("utf-8")
    sets = [view.select(f"model = '{name}'") for name in ("gpt4", "llama")]
    assert result.to_html(tmp_path / "two.html", sets=sets).read_text("utf-8") == one
    assert json.loads(result.to_json())["params"]["sources"][1]["value"] == "llama"


def test_where_and_views_give_the_same_rows(corpus: Corpus) -> None:
    asked = saetext.diff(corpus, corpus[:50], where="model != 'gpt4'", families="features", names=["p", "q"])
    views = (corpus.select("model != 'gpt4'"), corpus[:50].select("model != 'gpt4'"))
    given = saetext.diff(*views, families="features", names=["p", "q"])
    assert asked.table.equals(given.table) and asked.metrics == given.metrics
    with pytest.raises(InputError, match=r"no document of .* has model = 'nobody'"):
        saetext.diff(corpus, corpus, where="model = 'nobody'")


def test_what_cannot_be_opened_again_is_one_line(corpus: Corpus, tmp_path: Path) -> None:
    copy = tmp_path / "other.corpus"
    shutil.copytree(corpus.path, copy)
    other = Corpus.open(copy)
    result = saetext.diff(corpus, other, families="features")
    view = saetext.diff(corpus[:30], other, families="features")
    with pytest.raises(InputError, match=r"a \(.*texts.corpus\) has changed .*; pass the corpora as sets=$"):
        view.to_html(tmp_path / "page.html")
    assert view.to_html(tmp_path / "page.html", sets=(corpus[:30], other)).is_file()
    shutil.rmtree(copy)
    make_corpus(copy, 1, (60, 60))
    with pytest.raises(InputError, match=r"b \(.*other.corpus\) has changed"):
        result.to_html(tmp_path / "changed.html")
    shutil.rmtree(copy)
    with pytest.raises(InputError, match=r"cannot open b \(.*other.corpus\) again; .* sets=") as error:
        result.to_html(tmp_path / "gone.html")
    assert "\n" not in str(error.value) and not (tmp_path / "gone.html").exists()


def test_findings_stand_as_reports_show_them(corpus: Corpus) -> None:
    result = saetext.diff(corpus, by="model", values=["gpt4", "llama"], min_support=1, families="features")
    rows = result.table.to_dicts()
    found = result.findings()
    assert [one.row for one in found] == [row for row in rows if row["group"] == row["feature"]]
    assert sum(len(one.rows) for one in found) == len(rows)
    for one in found:
        assert rows[one.at] == one.row and one.label == one.row["label"]
        assert all(member["group"] == one.row["feature"] for member in one.members)
        assert one.snippets == tuple(one.row[k] for k in ("snippet_a", "snippet_b") if one.row[k] is not None)
    several = saetext.diff(corpus, by="model", min_support=1)
    led = [row for row in several.table.to_dicts() if row["group"] == row["feature"]]
    assert [one.rows for one in several.findings()] == [(row,) for row in led]
    assert several.findings()[0].label == f"{led[0]['set']} + {led[0]['label']}"


def test_findings_of_pairs_fold_what_is_the_same() -> None:
    rng = np.random.default_rng(0)
    told = rng.random(300) < 0.3
    noisy = [told ^ (rng.random(300) < noise) for noise in (0, 0.05, 0.05, 0.1, 0.5, 0.5)]
    result = saetext.correlate(DenseCorpus(np.stack(noisy, 1)), top=None, everything=True)
    rows = result.table.to_dicts()
    found = result.findings()
    assert found and [one.at for one in found] == [at for at, row in enumerate(rows) if row["group"] == at]
    for one in found:
        mine = [row for at, row in enumerate(rows) if row["group"] == one.at and at != one.at]
        assert list(one.members) == mine and one.label == f"{one.row['name_a']} + {one.row['name_b']}"
