"""``saetext label``: words against planted truth, merging, scores that tell, the command."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from chat_server import chat_server
from saetext_cli.main import app
from tiny_reader import some_rows, tiny, write_jsonl
from typer.testing import CliRunner

import saetext
from saetext.corpus import Corpus
from saetext.corpus.calibration import Calibration
from saetext.errors import IncompatibleError, InputError, LabelError
from saetext.features.contexts import Context, FeatureContexts, Trial
from saetext.features.known_labels import labels_for
from saetext.features.labelling.importing import from_file
from saetext.features.labelling.pipeline import label, merged, score, supported
from saetext.features.labelling.score import balanced_accuracy, score_by_embedding
from saetext.features.labelling.words import label_by_words
from saetext.features.labels import SCHEMA, FeatureLabel, FeatureLabels
from saetext.text.passages import Snippet

run = CliRunner().invoke
OTHERS = ("oak", "elm", "fir", "ash", "yew", "box", "fig", "pea", "rye", "oat", "bay", "hop")


@pytest.fixture(autouse=True)
def quick_and_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("saetext.io.web.FIRST_PAUSE", 0.001)


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    source = write_jsonl(tmp_path / "some texts.jsonl", some_rows(60, seed=3))
    done = run(app, ["encode", str(source), "-o", str(tmp_path / "c.corpus"), *tiny().options])
    assert done.exit_code == 0, done.output
    return tmp_path / "c.corpus"


# ---- the table ------------------------------------------------------------------------------------------


def test_a_table_comes_back_as_it_was_and_damage_is_told(tmp_path: Path) -> None:
    rows = [
        FeatureLabel(9, "z", score=0.5, trials=4, top_words=("a", "b")),
        FeatureLabel(2, "y", kind="style"),
    ]
    labels = FeatureLabels.from_rows(rows, {"d_sae": 12, "weights_sha256": "ab", "sae": "mine"})
    path = tmp_path / "séé.parquet"
    labels.write(path)
    again = FeatureLabels.read(path)
    assert list(again) == list(labels) == [rows[1], rows[0]] and again.about == labels.about
    assert again.table.schema == SCHEMA and again.label(9) == "z" and again.label(3) == "feature 3"
    assert 9 in again and 3 not in again and again.get(3) is None and again.score(9) == 0.5
    whole = path.read_bytes()
    for damaged in (whole[:-20], whole[:50], b"", b"PAR1" * 5):
        path.write_bytes(damaged)
        with pytest.raises(LabelError, match="not a table of labels") as caught:
            FeatureLabels.read(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(LabelError, match="no file"):
        FeatureLabels.read(tmp_path / "missing")
    FeatureLabels.from_rows(rows, {"version": 99}).write(path)
    with pytest.raises(LabelError, match="upgrade"):
        FeatureLabels.read(path)
    with pytest.raises(LabelError, match="cannot write"):
        labels.write(tmp_path / "nowhere" / "x.parquet")
    for bad in ({"label": " "}, {"label": "x", "kind": "odd"}):
        with pytest.raises(LabelError):
            FeatureLabel(1, **bad)  # type: ignore[arg-type]


def test_a_table_is_named_by_a_path_or_its_text(
    corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    labels = FeatureLabels.from_rows([FeatureLabel(1, "one")])
    labels.write("labels.parquet")
    opened = Corpus.open(corpus)
    for path in ("labels.parquet", str(tmp_path / "labels.parquet"), tmp_path / "labels.parquet"):
        assert FeatureLabels.read(path).label(1) == "one"
        assert labels_for(opened, None, path).label(1) == "one"
    with pytest.raises(LabelError, match="there is no file missing"):
        FeatureLabels.read("missing")
    (tmp_path / "labels.csv").write_text("feature,label\n1,one\n")
    assert from_file("labels.csv", 5) == from_file(Path("labels.csv"), 5)
    calibration = opened.calibration(opened.saes[0])
    calibration.write("card.arrow")
    assert Calibration.read("card.arrow").table.equals(Calibration.read(tmp_path / "card.arrow").table)


def test_labels_of_another_reader_are_refused(corpus: Path, tmp_path: Path) -> None:
    opened = Corpus.open(corpus)
    other = FeatureLabels.from_rows([FeatureLabel(1, "x")], {"weights_sha256": "feed", "sae": "other"})
    other.write(tmp_path / "other.parquet")
    with pytest.raises(IncompatibleError, match="another reader's features"):
        labels_for(opened, None, tmp_path / "other.parquet")
    FeatureLabels.from_rows([FeatureLabel(10**6, "x")]).write(tmp_path / "large.parquet")
    with pytest.raises(IncompatibleError, match="feature 1000000"):
        labels_for(opened, None, tmp_path / "large.parquet")
    first = opened.document(0)["id"]
    for command in (["diff", str(corpus), str(corpus)], ["show", str(corpus), first]):
        done = run(app, [*command, "--labels", str(tmp_path / "other.parquet")])
        assert done.exit_code == 1 and "another reader's features" in str(done.exception)


# ---- words ----------------------------------------------------------------------------------------------


def places(word: str, n: int, level: str, *, before: str = "and then", after: str = "went on") -> tuple:
    value = {"top": 3.0, "middle": 2.0}.get(level, 0.0)
    return tuple(
        Context(f"{level}{i}", i, value, Snippet(f"{before} ", word, f" {after}"), level)  # type: ignore[arg-type]
        for i in range(n)
    )


def named(*, firing: tuple, silent: tuple = ()) -> FeatureLabel:
    background = FeatureContexts(9, 5, top=places("table", 5, "top", before="a b", after="c d"))
    found = {1: FeatureContexts(1, len(firing), top=firing, other=silent), 9: background}
    return next(row for row in label_by_words(found) if row.feature == 1)


def test_words_name_one_word_its_forms_a_phrase_and_a_place() -> None:
    silent = places("house", 8, "other")
    varied = tuple(
        c for i, word in enumerate(["sorry"] * 8)
        for c in places(word, 1, "top", before=OTHERS[i], after=OTHERS[-1 - i])
    )  # fmt: skip
    one = named(firing=varied, silent=silent)
    assert one.label == 'the word "sorry"' and one.kind == "word form" and one.source == "words"
    assert len(one.snippets) and "«sorry»" in one.snippets[0]
    forms = named(
        firing=tuple(
            c for i, w in enumerate(["parse", "parser", "parsing", "parse", "parsed"])
            for c in places(w, 1, "top", before=OTHERS[i], after=OTHERS[-1 - i])
        )
    )  # fmt: skip
    assert forms.label.startswith('forms of "parse"') and forms.kind == "word form"
    phrase = named(
        firing=tuple(
            c for i in range(6)
            for c in places("such", 1, "top", before=OTHERS[i], after=f"as {OTHERS[-1 - i]}")
        )
    )  # fmt: skip
    assert phrase.label == 'the phrase "such as"'
    numbers = named(
        firing=tuple(c for i in range(8) for c in places(str(37 * i + 5), 1, "top", before=OTHERS[i])),
        silent=silent,
    )
    assert numbers.label == "numbers" and numbers.kind == "format"


def test_words_survive_hostile_and_empty_text() -> None:
    firing = places("\x1b[31m«»\u202e", 5, "top", before="", after="")
    row = named(firing=firing)
    assert row.label.strip() and all("\x1b" not in s for s in row.snippets)


# ---- merging and scores ---------------------------------------------------------------------------------


def test_merging_keeps_what_was_read_or_scored_better() -> None:
    old = FeatureLabels.from_rows(
        [
            FeatureLabel(1, "read", source="reading", score=0.6),
            FeatureLabel(2, "scored", source="llm:a", score=0.9),
            FeatureLabel(3, "plain", source="words"),
            FeatureLabel(4, "only old", source="words"),
        ]
    )
    new = FeatureLabels.from_rows(
        [FeatureLabel(i, "new", source="llm:b") for i in (1, 2, 3, 5)], {"d_sae": 9}
    )
    found, kept = merged(old, new)
    assert [row.label for row in found] == ["read", "scored", "new", "only old", "new"] and kept == 2
    assert found.about["d_sae"] == 9
    found, kept = merged(old, new, replace=True)
    assert [row.label for row in found] == ["new", "new", "new", "only old", "new"] and kept == 0


@pytest.mark.parametrize(
    ("truth", "told", "expected"),
    [
        ([True, False], [True, False], 1.0),
        ([True, True, False], [True, False, False], 0.75),
        ([True, True], [True, False], 0.5),
        ([True, False], [True, True], 0.5),
    ],
)
def test_balanced_accuracy(truth: list[bool], told: list[bool], expected: float) -> None:
    assert balanced_accuracy(truth, told) == expected


class Letters:
    """Embeds a text as the counts of its letters."""

    def embed(self, texts, on_done=None):
        rows = np.array([[t.count(c) for c in "abcdefghij"] for t in texts], np.float32) + 1e-3
        if on_done is not None:
            on_done(len(texts))
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_the_offline_score_tells_a_right_label_from_a_wrong_one() -> None:
    letters = "abcdefgh"
    trials = {
        i: [Trial(c * 5, True)] * 3 + [Trial(letters[(i + k) % 8] * 5, False) for k in (1, 2, 3)]
        for i, c in enumerate(letters)
    }
    right = FeatureLabels.from_rows(FeatureLabel(i, c) for i, c in enumerate(letters))
    wrong = FeatureLabels.from_rows(FeatureLabel(i, letters[(i + 1) % 8]) for i in range(8))
    good = score_by_embedding(right, trials, Letters())
    bad = score_by_embedding(wrong, trials, Letters())
    assert np.mean([s.balanced_accuracy for s in good.values()]) == 1.0
    assert np.mean([s.balanced_accuracy for s in bad.values()]) < 0.5
    assert good[0].trials == 6 and good[0].method == "embedding"
    assert score_by_embedding(right, {}, Letters()) == {}


def test_an_offline_score_does_not_depend_on_what_else_is_scored() -> None:
    letters = "abcdefgh"
    trials = {
        i: [Trial(c * 5, True)] * 3 + [Trial(letters[(i + k) % 8] * 5, False) for k in (1, 2, 3)]
        for i, c in enumerate(letters)
    }
    # one that is right, one that is about nothing there, one that is wrong, and others beside them
    named = {0: "a", 1: "xyz", 2: letters[5], **{i: letters[i] for i in range(3, 8)}}
    labels = FeatureLabels.from_rows(FeatureLabel(i, text) for i, text in named.items())
    together = score_by_embedding(labels, trials, Letters())
    for i, text in named.items():
        alone = FeatureLabels.from_rows([FeatureLabel(i, text)])
        assert score_by_embedding(alone, {i: trials[i]}, Letters()) == {i: together[i]}
        assert score_by_embedding(labels, {i: trials[i]}, Letters()) == {i: together[i]}
    assert together[0].balanced_accuracy == 1.0
    assert together[2].balanced_accuracy <= 0.5
    # a label that says nothing of these passages is at chance, not right or wrong by a rounding error
    for reference in (["xyz"], ["x", "y", "zz"], []):
        assert score_by_embedding(labels, trials, Letters(), reference=reference)[1].balanced_accuracy == 0.5


def test_random_labels_are_at_chance_offline() -> None:
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("abcdefghij"), 12)) for _ in range(16 * 200)]
    trials = {
        i: [Trial(t, at % 2 == 0) for at, t in enumerate(texts[16 * i : 16 * i + 16])] for i in range(200)
    }
    labels = FeatureLabels.from_rows(
        FeatureLabel(i, "".join(rng.choice(list("abcdefghij"), 6))) for i in range(200)
    )
    scores = score_by_embedding(labels, trials, Letters())
    values = [score_by_embedding(labels, {i: trials[i]}, Letters())[i].balanced_accuracy for i in range(200)]
    assert values == [scores[i].balanced_accuracy for i in range(200)]
    # the mean of 200 features with 16 passages each has a standard error of about .009
    assert abs(np.mean(values) - 0.5) < 0.03


def test_the_verb_scores_a_feature_alone_as_beside_others(corpus: Path) -> None:
    opened = Corpus.open(corpus)
    made = saetext.label(opened)
    together = score(opened, made.labels, embedder=Letters()).labels
    for feature in [row.feature for row in together if row.score is not None][::7]:
        alone = score(opened, made.labels, features=[feature], embedder=Letters()).labels
        assert alone.get(feature) == together.get(feature)


# ---- the verb and the command -----------------------------------------------------------------------------


def test_the_verb(corpus: Path) -> None:
    opened = Corpus.open(corpus)
    features = supported(opened)
    dense = opened.csr()
    support = np.asarray((dense > 0).sum(0)).ravel()
    assert set(features) == set(np.flatnonzero(support >= 3).tolist())
    assert all(support[a] >= support[b] for a, b in itertools.pairwise(features))
    made = saetext.label(opened)
    assert {r.feature for r in made.labels} | set(made.failures) == set(features)
    assert made.labels.about["weights_sha256"] == opened.spec.saes[0].weights_sha256
    rated = score(opened, made.labels, embedder=Letters())
    scored = [r for r in rated.labels if r.score is not None]
    assert scored and all(0 <= r.score <= 1 and r.trials >= 6 for r in scored)  # type: ignore[operator]
    for bad in ({"features": [10**6]}, {"method": "magic"}, {"method": "llm"}):
        with pytest.raises(InputError):
            label(opened, **bad)  # type: ignore[arg-type]
    with pytest.raises(LabelError, match="no Neuronpedia id"):
        label(opened, method="neuronpedia")


def test_the_command_by_words_shows_everywhere(corpus: Path) -> None:
    done = run(app, ["label", str(corpus), "--method", "words", "--limit", "5"])
    assert done.exit_code == 0, done.output
    assert done.stdout.strip() == str(corpus / "labels.parquet")
    labels = FeatureLabels.read(corpus / "labels.parquet")
    assert 1 <= len(labels) <= 5 and all(r.source == "words" for r in labels)
    done = run(app, ["diff", str(corpus), str(corpus), "--json"])
    rows = {r["feature"]: r["label"] for r in json.loads(done.stdout)["rows"]}
    assert all(rows[r.feature] == r.label for r in labels if r.feature in rows)
    done = run(app, ["label", str(corpus), "--method", "words", "--features", "3,x"])
    assert done.exit_code == 2
    for args in ([], ["--method", "words", "--from", "x.csv"], ["--method", "llm", "--model", "m"]):
        assert run(app, ["label", str(corpus), *args]).exit_code == 2
    assert "endpoint" in str(run(app, ["label", str(corpus), "--method", "llm"]).exception)


def test_the_command_by_a_model_goes_on_where_it_was_and_keeps_the_costs(corpus: Path) -> None:
    answer = json.dumps({"label": "foxes", "description": "About foxes.", "kind": "topic"})

    def behave(user: str, n: int):
        if user.startswith("Label:"):
            return json.dumps({"active": [1, 2, 3]})
        return ("status", (500, {})) if n == 3 else answer

    support = np.asarray((Corpus.open(corpus).csr() > 0).sum(0)).ravel()
    fitting = np.flatnonzero((support >= 12) & (support <= 45))[:6]
    assert len(fitting) == 6  # neither rare nor in nearly every text, so that there is something to score
    some = ",".join(map(str, fitting))
    with chat_server(behave) as server:
        asked = ["--base-url", server.url, "--model", "tiny", "--price-in", "1", "--limit", "6"]
        asked = [*asked[:-2], "--features", some]
        args = ["label", str(corpus), "--method", "llm", *asked]
        done = run(app, [*args, "--dry-run"])
        assert done.exit_code == 0 and "6 features: 6 requests" in done.stderr and "$" in done.stderr
        assert not server.requests and not (corpus / "labels.parquet").exists()
        done = run(app, args)
        assert done.exit_code == 0, done.output
        assert "6 labels made" in done.stderr and "$" in done.stderr  # the one failure was tried again
        before = len(server.requests)
        assert run(app, args).exit_code == 0 and len(server.requests) == before
        done = run(app, ["label", str(corpus), "--score", *asked])
        assert done.exit_code == 0, done.output
        assert "mean balanced accuracy" in done.stderr
        labels = FeatureLabels.read(corpus / "labels.parquet")
        assert any(r.score_method == "llm:tiny" and r.label == "foxes" for r in labels)
    done = run(app, ["label", str(corpus), "--method", "llm", *asked[:4], "--limit", "20"])
    assert done.exit_code == 1 and "\n" not in str(done.exception)
    assert len(FeatureLabels.read(corpus / "labels.parquet")) == len(labels)  # nothing lost


def test_a_key_goes_only_where_it_was_meant_to_go(corpus: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-mine")
    monkeypatch.delenv("OTHER_KEY", raising=False)
    answer = json.dumps({"label": "foxes", "description": "About foxes.", "kind": "topic"})
    with chat_server(lambda user, n: answer) as server:
        args = ["label", str(corpus), "--method", "llm", "--base-url", server.url, "--model", "tiny"]
        args += ["--limit", "1", "--api-key-env", "OTHER_KEY"]
        done = run(app, args)
        told = " ".join(done.output.replace("│", " ").split())
        assert done.exit_code == 2 and "OTHER_KEY is not set" in told
        assert not server.requests
        monkeypatch.setenv("OTHER_KEY", "sk-theirs")
        assert run(app, args).exit_code == 0
        assert set(server.keys) == {"sk-theirs"}


def test_the_command_imports(corpus: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("feature,label\n3,my own\n")
    done = run(app, ["label", str(corpus), "--from", str(tmp_path / "mine.csv")])
    assert done.exit_code == 0 and "1 labels made" in done.stderr
    assert FeatureLabels.read(corpus / "labels.parquet").label(3) == "my own"
    target = tmp_path / "elsewhere.parquet"
    done = run(app, ["label", str(corpus), "--from", str(tmp_path / "mine.csv"), "-o", str(target)])
    assert done.exit_code == 0 and FeatureLabels.read(target).label(3) == "my own"
    done = run(app, ["label", str(corpus), "--from", str(tmp_path / "mine.csv"), "-o", str(target)])
    assert done.exit_code == 1 and "exists already" in str(done.exception)
