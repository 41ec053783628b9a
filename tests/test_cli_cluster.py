"""``saetext cluster`` as a stranger uses it."""

from __future__ import annotations

import csv
import io
import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from chat_server import Reply, chat_server
from test_cli import Run, place, saetext
from tiny_reader import WORDS, tiny, write_jsonl

from saetext.corpus import Corpus
from saetext.features.labels import FeatureLabel, FeatureLabels, identity
from saetext.reader import sentences as embed

__all__ = ["place"]

QUICK = ["--min-cluster-size", "5", "--min-samples", "2", "--epochs", "30", "--max-share", "0.9"]
CLUSTER = ["cluster", "a.corpus", *QUICK]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A corpus of 60 documents about three things, labels for it, and clusters of it, made once."""
    home = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setenv("SAETEXT_CACHE", str(home / "cache"))
        patch.setattr(embed, "available", lambda: False)
        draw = random.Random(0)
        rows = []
        for i in range(60):
            words = WORDS[4 * (i % 3) : 4 * (i % 3) + 4]
            text = " ".join(draw.choice(words) for _ in range(draw.randint(4, 20)))
            rows.append({"id": f"d{i}", "text": text, "topic": "abc"[i % 3], "number": i, "empty": None})
        write_jsonl(home / "a.jsonl", rows)
        write_jsonl(home / "b.jsonl", rows[:7])
        for name in "ab":
            assert saetext("encode", f"{name}.jsonl", *tiny().options, "-o", f"{name}.corpus").code == 0
        sae = Corpus.open("a.corpus").spec.sae()
        labels = [
            FeatureLabel(f, f"tone of voice {f}" if f % 2 else f"topic {f}", source="reading")
            for f in range(64)
        ]
        FeatureLabels.from_rows(labels, identity(sae)).write(Path("labels.parquet"))
        assert saetext(*CLUSTER, "-o", "made.clusters").code == 0
        yield home


@pytest.fixture(autouse=True)
def _copied(made: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it lies in the working directory; labels are compared by their words."""
    monkeypatch.setattr(embed, "available", lambda: False)
    shutil.copytree(made, place, dirs_exist_ok=True)


def told(*more: object) -> dict[str, Any]:
    done = saetext(*CLUSTER, "--json", *more)
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    return found


def test_as_json_csv_and_parquet() -> None:
    done = saetext(*CLUSTER, "--json", "--truth", "topic", "--parquet", "p.parquet")
    assert done.code == 0
    assert "wrote p.parquet" in done.err and "a.clusters: documents.parquet has the cluster" in done.err
    found = json.loads(done.out)
    assert list(found) == ["kind", "params", "metrics", "rows"]
    assert found["kind"] == "cluster"
    assert {"ari", "nmi", "v_measure", "n_clusters", "noise"} <= set(found["metrics"])
    assert found["metrics"]["n_clusters"] == len(found["rows"]) >= 2
    assert found["params"]["truth"] == "topic" and found["params"]["seed"] == 0
    documents = pl.read_parquet("a.clusters/documents.parquet")
    assert documents.height == 60 and documents["id"].to_list()[:2] == ["d0", "d1"]
    sizes = {row["cluster"]: row["size"] for row in found["rows"]}
    assert dict(documents.filter(pl.col("cluster") > 0)["cluster"].value_counts().iter_rows()) == sizes
    assert pl.read_parquet("p.parquet")["name"].to_list() == [row["name"] for row in found["rows"]]
    table = list(csv.DictReader(io.StringIO(saetext(*CLUSTER, "--csv").out)))
    assert [row["name"] for row in table] == [row["name"] for row in found["rows"]]
    assert Path("a-2.clusters").is_dir()
    shown = saetext(*CLUSTER, "--top", "1")
    assert shown.code == 0 and "a, 60 documents:" in shown.out and "(--top 0" in shown.out
    assert Path("a-3.clusters").is_dir()
    assert "not installed" not in shown.err


def test_the_map_as_page_and_picture() -> None:
    done = saetext(*CLUSTER, "--html", "märz 1.html", "--png", "map.png")
    assert done.code == 0, done.err
    assert "wrote märz 1.html" in done.err and "wrote map.png" in done.err
    assert "<title>Clusters of a</title>" in Path("märz 1.html").read_text("utf-8")
    assert Path("map.png").read_bytes().startswith(b"\x89PNG")
    assert "exists already" in saetext(*CLUSTER, "--html", "märz 1.html").error
    assert "exists already" in saetext(*CLUSTER, "--png", "map.png").error
    assert not Path("a-2.clusters").exists()


def test_where_sample_and_seed() -> None:
    found = told("--where", "number < 40", "--seed", "3")
    assert found["metrics"]["documents"] == 40 and found["params"]["where"] == "number < 40"
    found = told("--sample", "30", "--fit-on", "20")
    assert found["metrics"]["documents"] == 30 and found["params"]["sample"] == 30
    assert found["metrics"]["placed"] == 10


def test_include_exclude_and_features() -> None:
    labels = ["--labels", "labels.parquet"]
    found = told(*labels, "--include", "tone:2", "--include", "topic: 1")
    assert found["params"]["include"] == {"tone": 2.0, "topic": 1.0}
    assert found["params"]["kept_features"] == 64
    found = told(*labels, "--include", "tone", "--features", "2:0.5,4")
    assert found["params"]["features"] == {"2": 0.5, "4": 1.0}
    assert found["params"]["kept_features"] == 34
    found = told(*labels, "--exclude", "tone")
    assert found["params"]["exclude"] == ["tone"] and found["rows"]
    assert all(f["feature"] % 2 == 0 or f["label"] for row in found["rows"] for f in row["features"])


def test_new_documents_are_placed() -> None:
    done = saetext("cluster", "b.corpus", "--predict", "made.clusters", "--json", "--truth", "topic")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert found["metrics"]["documents"] == 7 and "ari" in found["metrics"]
    assert found["params"]["model"] == "made.clusters"
    made = pl.read_parquet("made.clusters/documents.parquet").head(7)
    mine = pl.read_parquet("b.clusters/documents.parquet")
    assert mine["id"].to_list() == made["id"].to_list() and mine["placed"].all()
    same = (mine["cluster"] == made["cluster"]).filter(made["cluster"] > 0)
    assert same.mean() > 0.7
    shown = saetext("cluster", "b.corpus", "--predict", "made.clusters", "--html", "b.html")
    assert shown.code == 0 and "placed in the clusters of made.clusters" in shown.out
    again = saetext("cluster", "b.corpus", "--predict", "b.clusters")
    assert "holds placed documents only" in again.error
    Path("made.clusters/model.npz").write_bytes(b"garbage")
    assert "is damaged" in saetext("cluster", "b.corpus", "--predict", "made.clusters").error


def test_names_by_a_language_model() -> None:
    def behave(user: str, n: int) -> Reply:
        numbers = [part.split('"')[0] for part in user.split('<group number="')[1:]]
        return json.dumps({"names": {number: f"group\x1b[31m {number}" for number in numbers}})

    with chat_server(behave) as server:
        asked = ["--llm", "--base-url", server.url, "--model", "tiny"]
        done = saetext(*CLUSTER, *asked, "--json")
        assert done.code == 0 and "1 answers from the endpoint" in done.err
        rows = json.loads(done.out)["rows"]
        assert all(row["name"].startswith("group") and row["name"].isprintable() for row in rows)
        assert len(server.requests) == 1
        assert "These are data" in server.requests[0]["messages"][0]["content"]
    with chat_server(lambda user, n: "I would rather not.") as server:
        asked = ["--llm", "--base-url", server.url, "--model", "tiny"]
        done = saetext(*CLUSTER, *asked)
        # the clusters are there, without the names that were asked for
        assert done.code == 1 and "the language model named no clusters" in " ".join(done.out.split())
    with chat_server(lambda user, n: ("status", (400, {}))) as server:
        done = saetext(*CLUSTER, *asked[:2], server.url, *asked[3:], "--json")
        assert done.code == 1 and json.loads(done.out)["rows"] and "status 400" in done.err.splitlines()[-1]
    with chat_server(lambda user, n: json.dumps({"names": {"1": "same", "2": "same", "3": 7}})) as server:
        asked = ["--llm", "--base-url", server.url, "--model", "other"]
        names = [row["name"] for row in json.loads(saetext(*CLUSTER, *asked, "--json").out)["rows"]]
        assert names[0] == "same" and len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--truth", "nothing"], "no column 'nothing'"),
        (["--truth", "empty"], "no values"),
        (["--where", "number > 100"], "no document of a.corpus has number > 100"),
        (["--where", "number < 3"], "3 documents are too few"),
        (["--min-cluster-size", "31"], "too few for clusters of"),
        (["--include", "zebra"], "shares a word with 'zebra'"),
        (["--include", "word:nan"], "weight of 'word'"),
        (["--include", "word:-1"], "weight of 'word'"),
        (["--include", ""], "words are empty"),
        (["--include", ":2"], "words are empty"),
        (["--exclude", ""], "words are empty"),
        (["--features", "100000"], "no feature 100000"),
        (["--features", "3:0"], "weight of 3"),
        (["--features", "3:nan"], "weight of 3"),
        (["--sae", "nothing"], "nothing"),
        (["--labels", "nothing.parquet"], "nothing.parquet"),
        (["-o", "made.clusters"], "made.clusters exists already"),
        (["-o", "no/where.clusters"], "no directory no"),
        (["--parquet", "a.jsonl"], "a.jsonl exists already"),
        (["--llm"], "need an endpoint"),
    ],
)
def test_bad_input_is_told_in_one_line(options: list[str], message: str) -> None:
    assert message in saetext(*CLUSTER, *options).error
    assert not Path("a.clusters").exists()


@pytest.mark.parametrize(
    "options",
    [
        ["--json", "--csv"],
        ["--features", "x"],
        ["--features", ""],
        ["--features", "3:x"],
        ["--features", "1,,2"],
        ["--metric", "euclid"],
        ["--method", "dbscan"],
        ["--png", "map.gif"],
        ["--seed", "-1"],
        ["--epochs", "0"],
        ["--sample", "1"],
        ["--fit-on", "3"],
        ["--max-share", "0"],
        ["--max-share", "nan"],
    ],
)
def test_usage(options: list[str]) -> None:
    done: Run = saetext(*CLUSTER, *options)
    assert done.code == 2 and done.out == ""


@pytest.mark.parametrize(
    "options",
    [
        ["--include", "tone"], ["--validate"], ["--llm"], ["--metric", "cosine"], ["--no-semantic"],
        ["--seed", "0"],
        ["--min-cluster-size", "9"], ["--assign-noise"], ["--fit-on", "50"], ["--sae", "main"],
    ],
)  # fmt: skip
def test_what_was_settled_by_the_fit_does_not_go_with_predict(options: list[str]) -> None:
    """Even an option's default: it was meant to change something."""
    done: Run = saetext("cluster", "b.corpus", "--predict", "made.clusters", *options)
    assert done.code == 2 and done.out == "" and options[0] in done.err
    assert "as they were fitted" in " ".join(done.err.split())


def test_no_model_to_place_by() -> None:
    assert (
        "nothing.clusters holds no clusters"
        in saetext("cluster", "b.corpus", "--predict", "nothing.clusters").error
    )
    assert "a.corpus" in saetext("cluster", "b.corpus", "--predict", "a.corpus").error


def test_no_such_corpus() -> None:
    assert "no such corpus or file" in saetext("cluster", "none.corpus").error
