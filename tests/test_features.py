"""Search, profile and table of features against slow implementations: BM25 by its formula, scipy, NumPy."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from corpus_factory import make_corpus
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from tiny_reader import SAE, make_sae, some_rows, tiny, write_jsonl

import saetext
from saetext.errors import CorpusError, IncompatibleError, InputError, LabelError, ReaderError
from saetext.features import LabelIndex, Subject, feature_table, open_subject
from saetext.features.labels import FeatureLabel, FeatureLabels, identity
from saetext.features.profile import phi, profile
from saetext.features.shading import shade
from saetext.reader import sentences as embed
from saetext.reader.shipped import EMBEDDED
from saetext.text.passages import printable

WORDS = ["sorry", "apology", "tax", "band", "trumpet", "question", "refusal", "polite", "and", "number"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def labels_of(texts: Sequence[str], descriptions: Sequence[str] = ()) -> FeatureLabels:
    """Label every third feature, so that positions and features differ."""
    rows = [
        FeatureLabel(3 * i, text, descriptions[i] if descriptions else "", source="reading", score=0.9)
        for i, text in enumerate(texts)
    ]
    return FeatureLabels.from_rows(rows)


# ---- search ------------------------------------------------------------------------------------------


def slow_bm25(query: str, documents: list[str]) -> list[float]:
    """Okapi BM25 over words and their first six letters, term by term."""

    def terms(text: str) -> list[str]:
        words = re.findall(r"\w+", text.lower())
        return words + [word[:6] + "*" for word in words]

    split = [terms(d) for d in documents]
    average = sum(map(len, split)) / len(split)
    scores = []
    for document in split:
        score = 0.0
        for term in set(terms(query)):
            n = sum(term in other for other in split)
            idf = math.log((len(split) - n + 0.5) / (n + 0.5) + 1)
            f = document.count(term)
            score += idf * f * 2.2 / (f + 1.2 * (1 - 0.75 + 0.75 * len(document) / average))
        scores.append(score)
    return scores


texts = st.lists(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=6).map(" ".join), min_size=1, max_size=12
)


@settings(deadline=None)
@given(texts, st.lists(st.sampled_from([*WORDS, "apologies", "politeness"]), min_size=1, max_size=4))
def test_lexical_search_is_bm25(documents: list[str], query: list[str]) -> None:
    found = LabelIndex(labels_of(documents), lexical=True).search(" ".join(query), len(documents))
    expected = slow_bm25(" ".join(query), documents)
    assert {f // 3 for f, _ in found} == {i for i, score in enumerate(expected) if score > 0}
    np.testing.assert_allclose([s for _, s in found], [expected[f // 3] for f, _ in found], rtol=1e-9)
    assert [s for _, s in found] == sorted((s for _, s in found), reverse=True)


def test_lexical_search_knows_related_forms_and_says_what_it_is() -> None:
    index = LabelIndex(labels_of(["polite requests", "political parties", "tax"]), lexical=True)
    assert [f for f, _ in index.search("politeness")] == [0]
    assert index.search("!?") == []
    assert "by their words" in index.notes[0]


def test_without_the_model_the_search_is_lexical(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embed, "available", lambda: False)
    assert LabelIndex(labels_of(["tax"])).lexical


def test_what_cannot_be_searched() -> None:
    with pytest.raises(LabelError, match="no labels to search"):
        LabelIndex(FeatureLabels.from_rows([]))
    with pytest.raises(InputError, match="words are empty"):
        LabelIndex(labels_of(["tax"]), lexical=True).search("  ")


needs_model = pytest.mark.skipif(not embed.available(), reason="needs the extra 'embedded'")


@pytest.fixture(scope="module")
def embedder() -> embed.Embedder:
    return embed.Embedder.load(device="cpu")


@pytest.fixture
def embedded_texts(embedder: embed.Embedder, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every text embedded from now on."""
    told: list[str] = []
    real = embedder.embed

    def counting(texts: Sequence[str], on_done: object = None) -> np.ndarray:
        told.extend(texts)
        return real(texts)

    monkeypatch.setattr(embedder, "embed", counting)
    monkeypatch.setattr(embed.Embedder, "load", lambda *_: embedder)
    return told


LABELS = ["saying sorry", "brass instruments", "taxes and budgets", "asking a question", "declining to help"]


@needs_model
def test_search_by_meaning_is_the_cosine(embedder: embed.Embedder, embedded_texts: list[str]) -> None:
    descriptions = ["", "trumpets, horns", "", "", "the speaker will not do it"]
    labels = labels_of(LABELS, descriptions)
    found = LabelIndex(labels).search("apologising", 99)
    written = [f"{a}. {b}" if b else a for a, b in zip(LABELS, descriptions, strict=True)]
    cosine = embedder.embed(written) @ embedder.embed(["apologising"])[0]
    order = np.argsort(-cosine)
    assert [f for f, _ in found] == [3 * i for i in order.tolist()] and found[0][0] == 0
    np.testing.assert_allclose([s for _, s in found], cosine[order], atol=1e-6)
    assert LabelIndex(labels).search("trumpet", 2)[0][0] == 3


@needs_model
def test_the_index_is_built_once(cache: Path, embedded_texts: list[str]) -> None:
    first = LabelIndex(labels_of(LABELS)).search("music", 3)
    assert embedded_texts == ["music", *LABELS]
    embedded_texts.clear()
    assert LabelIndex(labels_of(LABELS)).search("music", 3) == first
    assert embedded_texts == ["music"]
    LabelIndex(labels_of([*LABELS[:-1], "another"])).search("music", 3)
    assert "another" in embedded_texts and len(list((cache / "label-index").iterdir())) == 2


@needs_model
def test_labels_that_come_with_the_package_are_embedded_already(
    cache: Path, embedder: embed.Embedder, embedded_texts: list[str]
) -> None:
    """Every thirtieth vector is that of its label; benchmarks/label_vectors.py --check compares all."""
    labels = FeatureLabels.read(EMBEDDED.labels_path)
    index = LabelIndex(labels)
    assert index.built, "run benchmarks/label_vectors.py: the labels have changed"
    [(feature, score), *_] = index.search("apologising", 5)
    assert embedded_texts == ["apologising"] and not cache.exists()
    some = labels.table.column("feature").to_pylist()[::30]
    texts = [index.texts[place] for place in range(0, len(labels), 30)]
    anew = embedder.embed(texts)
    np.testing.assert_allclose(index.vectors(some), anew, atol=2e-4)
    own = embedder.embed([index.texts[labels.table.column("feature").to_pylist().index(feature)]])
    assert score == pytest.approx(float((own @ embedder.embed(["apologising"]).T)[0, 0]), abs=1e-3)
    changed = [*labels, FeatureLabel(len(labels) + 9, "another")]
    assert not LabelIndex(FeatureLabels.from_rows(changed)).built


@needs_model
@pytest.mark.parametrize("damage", ["cut", "empty", "text", "other"])
def test_a_damaged_index_is_built_again(damage: str, embedded_texts: list[str]) -> None:
    index = LabelIndex(labels_of(LABELS))
    right = index.search("music", 3)
    path = index.cached_at
    match damage:
        case "cut":
            path.write_bytes(path.read_bytes()[:-100])
        case "empty":
            path.write_bytes(b"")
        case "text":
            path.write_bytes(b"this is no index at all, only some text" * 100)
        case _:
            other = LabelIndex(labels_of(LABELS[:2]))
            other.search("music")
            path.write_bytes(other.cached_at.read_bytes())
    assert LabelIndex(labels_of(LABELS)).search("music", 3) == right


@needs_model
def test_a_cache_that_cannot_be_written_is_done_without(cache: Path, embedded_texts: list[str]) -> None:
    cache.write_text("a file where the directory should be")
    assert len(LabelIndex(labels_of(LABELS)).search("music", 3)) == 3


# ---- subject -----------------------------------------------------------------------------------------


def test_the_embedded_reader_without_torch(tmp_path: Path) -> None:
    import subprocess
    import sys

    program = (
        "import sys\nfrom saetext.features import open_subject, LabelIndex\n"
        "s = open_subject('embedded')\nLabelIndex(s.labels, lexical=True).search('music')\n"
        "print(s.sae.d_sae, len(s.calibration), 'torch' in sys.modules, s.page(3))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "4096 4096 False None\n"


def test_the_embedded_reader_is_the_one_that_loads() -> None:
    subject = open_subject("embedded")
    encoder = subject.load_encoder()  # raises unless the hash agrees
    assert (encoder.d_sae, encoder.d_in, encoder.hook) == (
        subject.sae.d_sae,
        subject.sae.d_in,
        subject.sae.hook,
    )


def test_an_sae_directory(tmp_path: Path) -> None:
    subject = open_subject(str(tiny().sae))
    assert subject.sae.d_sae == 64 and subject.calibration is None and len(subject.labels) == 0
    assert subject.page(3) is None
    with pytest.raises(InputError, match=r"no feature 64; .* has 0 to 63"):
        profile(subject, 64)
    shown = profile(subject, 5)
    assert shown.name == "feature 5" and shown.nearest and "name a corpus" in shown.notes[0]


def test_an_sae_directory_with_its_model_has_the_words_of_an_earlier_corpus(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", some_rows(40))
    saetext.encode(tmp_path / "a.jsonl", tmp_path / "a.corpus", reader=tiny().reader())
    subject = open_subject(str(tiny().sae), model=str(tiny().model), device="cpu", dtype="float32")
    calibration = saetext.Corpus.open(tmp_path / "a.corpus").calibration()
    assert subject.calibration is not None and subject.calibration.sha256 == calibration.sha256
    assert subject.labels.label(5) == calibration.label(5)


@pytest.mark.parametrize("told", ["gpt2-small/8-res-jb", "no slash", "a/b/c", "../x", "a/b\nc", 7, None])
def test_the_page_on_neuronpedia(tmp_path: Path, told: object) -> None:
    sae = make_sae(tmp_path / "sae", hook=SAE, seed=1)
    cfg = json.loads((sae / "cfg.json").read_text())
    cfg["metadata"]["neuronpedia_id"] = told
    (sae / "cfg.json").write_text(json.dumps(cfg))
    right = "https://www.neuronpedia.org/gpt2-small/8-res-jb/12"
    assert open_subject(str(sae)).page(12) == (right if told == "gpt2-small/8-res-jb" else None)


def test_the_page_of_a_release_is_in_sae_lens_directory(tmp_path: Path) -> None:
    import dataclasses

    corpus, _ = make_corpus(tmp_path / "a.corpus")
    source = {"kind": "release", "saes": ["gpt2-small-res-jb/blocks.8.hook_resid_pre"]}
    manifest = dataclasses.replace(corpus.manifest, spec=dataclasses.replace(corpus.spec, source=source))
    other = saetext.Corpus(corpus.path, manifest)
    subject = Subject("x", other.spec.sae(), labels_of(["a"]), None, other)
    assert subject.page(3) == "https://www.neuronpedia.org/gpt2-small/8-res-jb/3"


def test_what_is_no_subject(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.jsonl").write_text("{}")
    for name in ("nonesuch", str(tmp_path / "empty"), str(tmp_path / "file.jsonl"), "/no/such", "./a/b"):
        with pytest.raises(InputError, match="neither a corpus"):
            open_subject(name)
    with pytest.raises(ReaderError, match="no release 'no-such'"):
        open_subject("no-such/release")
    with pytest.raises(InputError, match="--sae"):
        open_subject("embedded", sae="main")
    with pytest.raises(InputError, match="--model"):
        open_subject("embedded", model="gpt2")
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "plan.json").write_text("{}")
    with pytest.raises(CorpusError):
        open_subject(str(tmp_path / "half"))


def test_labels_of_another_reader(tmp_path: Path) -> None:
    subject = open_subject(str(tiny().sae))
    file = tmp_path / "labels.parquet"
    FeatureLabels.from_rows([FeatureLabel(3, "dogs")], identity(subject.sae)).write(file)
    assert open_subject(str(tiny().sae), labels=file).labels.label(3) == "dogs"
    for other in ("embedded", str(tiny().other_sae)):
        with pytest.raises(IncompatibleError, match="another reader's features"):
            open_subject(other, labels=file)
    with pytest.raises(LabelError, match="no file"):
        open_subject("embedded", labels=tmp_path / "none.parquet")


# ---- table -------------------------------------------------------------------------------------------


def test_the_table_against_scipy(tmp_path: Path) -> None:
    corpus, truth = make_corpus(tmp_path / "a.corpus", sizes=(30, 0, 41, 9), d_sae=15, density=0.3)
    labels = FeatureLabels.from_rows([FeatureLabel(2, "dogs", score=0.8, top_words=("dog", "puppy"))])
    table = feature_table(corpus, None, labels)
    assert table["feature"].to_list() == list(range(15))
    value, count = truth.dense("value"), truth.dense("count")
    for row in table.to_dicts():
        present = value[:, row["feature"]][value[:, row["feature"]] > 0].astype(np.float64)
        assert row["documents"] == len(present) > 4
        tokens = count[:, row["feature"]].sum() / sum(truth.n_tokens)
        expected = {
            "document_density": len(present) / len(truth.ids),
            "token_density": tokens,
            "log_sparsity": np.log10(tokens),
            "mean": present.mean(),
            "std": present.std(),
            "skewness": stats.skew(present),
            "kurtosis": stats.kurtosis(present),
            "max": present.max(),
        }
        for name, number in expected.items():
            assert row[name] == pytest.approx(number, rel=1e-5, abs=1e-6), name
    assert table["label"].to_list()[2] == "dogs" and table["label_score"].to_list()[1:3] == [
        None,
        pytest.approx(0.8),
    ]
    assert table["top_words"].to_list()[1:3] == [["word1"], ["dog", "puppy"]]


def test_the_table_where_nothing_is_defined(tmp_path: Path) -> None:
    corpus, _ = make_corpus(tmp_path / "a.corpus", sizes=(2,), d_sae=400, density=0.02)
    table = feature_table(corpus, None, FeatureLabels.from_rows([]))
    absent = table.filter(pl.col("documents") == 0)
    assert absent.height > 300
    for name in ("log_sparsity", "mean", "std", "skewness", "kurtosis", "max"):
        assert absent[name].null_count() == absent.height
    once = table.filter(pl.col("documents") == 1)
    assert once["std"].to_list() == [0.0] * once.height and once["skewness"].null_count() == once.height
    empty, _ = make_corpus(tmp_path / "empty.corpus", sizes=(0,))
    assert feature_table(empty, None, FeatureLabels.from_rows([]))["documents"].sum() == 0


# ---- profile -----------------------------------------------------------------------------------------


@given(st.integers(2, 40), st.integers(0, 10**6))
def test_phi_is_the_correlation_of_presence(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    present = (rng.random((n, 6)) < rng.random(6)).astype(np.int64)
    found = phi(present.T @ present[:, 0], present.sum(axis=0), int(present[:, 0].sum()), n)
    for j in range(6):
        varies = 0 < present[:, 0].sum() < n and 0 < present[:, j].sum() < n
        expected = np.corrcoef(present[:, 0], present[:, j])[0, 1] if varies else 0.0
        assert found[j] == pytest.approx(expected, abs=1e-9)


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("a corpus é")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAETEXT_CACHE", str(home / "cache"))
        write_jsonl(home / "a.jsonl", some_rows(80, longest=60))
        saetext.encode(home / "a.jsonl", home / "a.corpus", reader=tiny().reader())
        saetext.encode(home / "a.jsonl", home / "no text.corpus", reader=tiny().reader(), store_text=False)
    return home / "a.corpus"


def common_feature(subject: Subject) -> int:
    """Return a feature in about half of the documents."""
    assert isinstance(subject.corpus, saetext.Corpus)
    share = (subject.corpus.csr() > 0).mean(axis=0)
    return int(np.argmin(np.abs(np.asarray(share).ravel() - 0.5)))


def test_a_profile_in_its_corpus(encoded: Path) -> None:
    subject = open_subject(str(encoded))
    corpus = saetext.Corpus.open(encoded)
    feature = common_feature(subject)
    shown = profile(subject, feature, related=5)
    dense = corpus.csr().toarray()
    present = dense[:, feature] > 0
    assert (shown.documents, shown.support) == (80, int(present.sum())) and shown.support > 10
    count = corpus.csr("count").toarray()[:, feature].sum()
    assert shown.token_density == pytest.approx(count / corpus.n_tokens.sum())
    assert shown.histogram is not None and sum(shown.histogram.counts) == shown.support
    assert shown.histogram.edges[0] == pytest.approx(dense[present, feature].min())
    assert shown.histogram.edges[-1] == pytest.approx(dense[:, feature].max())

    with np.errstate(invalid="ignore"):
        correlation = np.nan_to_num(np.corrcoef((dense > 0).T.astype(float))[feature])
    shared = ((dense > 0) & present[:, None]).sum(axis=0)
    correlation[feature], correlation[shared < 3] = -1, -1
    # features that fire together equally often come in any order
    best = np.sort(correlation)[::-1][:5]
    np.testing.assert_allclose([r.similarity for r in shown.together], best, atol=1e-6)
    for other in shown.together:
        assert other.similarity == pytest.approx(correlation[other.feature])

    decoder = tiny().reader().saes[SAE].encoder.decoder.numpy()
    unit = decoder / np.linalg.norm(decoder, axis=1, keepdims=True)
    cosine = unit @ unit[feature]
    cosine[feature] = -1
    assert [r.feature for r in shown.nearest] == np.argsort(-cosine)[:5].tolist()
    np.testing.assert_allclose([r.similarity for r in shown.nearest], np.sort(cosine)[::-1][:5], atol=1e-5)

    assert {c.level for c in shown.contexts} == {"top", "middle", "weak"}
    assert shown.contexts[0].value == pytest.approx(dense[:, feature].max())
    for context in shown.contexts:
        assert not context.whole and sum(piece.value > 0 for piece in context.pieces) == 1
        row = corpus.document(context.document)["row"]
        assert context.value == pytest.approx(dense[row, feature])
    assert "only the stored peak" in shown.notes[0]
    json.loads(shown.to_json())


def test_tokens_are_read_again(encoded: Path) -> None:
    subject = open_subject(str(encoded))
    corpus = saetext.Corpus.open(encoded)
    feature = common_feature(subject)
    reader = subject.load_reader(device="cpu", dtype="float32")
    shown = profile(subject, feature, reader=reader, width=10_000)
    assert shown.notes == () and any(sum(p.value > 0 for p in c.pieces) > 1 for c in shown.contexts)
    for context in shown.contexts:
        document = corpus.document(context.document)
        assert context.whole and document["text"] is not None
        shown_text = "".join(p.text for p in context.pieces)
        assert shown_text.replace("␣", " ") == printable(document["text"])
        [prepared] = reader.tokens.prepare([_document(document["text"])])
        entries = reader.token_entries(prepared)
        expected = entries.value[entries.feature == feature]
        np.testing.assert_allclose([p.value for p in context.pieces if p.value > 0], expected, rtol=1e-5)
        assert max(p.value for p in context.pieces) == pytest.approx(context.value, rel=1e-5)


def _document(text: str) -> object:
    from saetext.documents import Document

    return Document("x", text, None, None, {}, 0, "")


def test_texts_that_read_differently_fall_back_to_the_peak(
    encoded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = open_subject(str(encoded))
    feature = common_feature(subject)
    reader = subject.load_reader(device="cpu", dtype="float32")
    real = reader.token_entries

    def doubled(prepared: object, sae: str) -> object:
        import dataclasses

        entries = real(prepared, sae)
        return dataclasses.replace(entries, value=entries.value * 2)

    monkeypatch.setattr(reader, "token_entries", doubled)
    shown = profile(subject, feature, reader=reader)
    assert not any(c.whole for c in shown.contexts) and "some texts" in shown.notes[0]


def test_a_corpus_without_texts_has_statistics(encoded: Path) -> None:
    subject = open_subject(str(encoded.with_name("no text.corpus")))
    shown = profile(subject, common_feature(subject))
    assert shown.support and shown.histogram is not None and shown.contexts == ()
    assert len(shown.notes) == 1 and "\n" not in shown.notes[0]


def test_a_feature_that_is_nowhere(tmp_path: Path) -> None:
    corpus, truth = make_corpus(tmp_path / "a.corpus", sizes=(3,), d_sae=200, density=0.02)
    dead = int(np.flatnonzero(truth.dense("value").sum(axis=0) == 0)[0])
    shown = profile(open_subject(str(corpus.path)), dead)
    assert shown.support == 0 and shown.histogram is None and shown.contexts == shown.together == ()
    assert "none of the 3 documents" in shown.notes[0]
    assert "does not say where its SAE is" in shown.notes[1] and shown.nearest == ()


def test_a_reader_that_has_gone_costs_only_its_part(encoded: Path, tmp_path: Path) -> None:
    import shutil

    sae = make_sae(tmp_path / "sae", hook=SAE, seed=5)
    reader = saetext.Reader.load_local(sae, tiny().model, device="cpu", dtype="float32")
    write_jsonl(tmp_path / "a.jsonl", some_rows(30))
    saetext.encode(tmp_path / "a.jsonl", tmp_path / "a.corpus", reader=reader)
    shutil.rmtree(sae)
    subject = open_subject(str(tmp_path / "a.corpus"))
    with pytest.raises(ReaderError):
        subject.load_reader()
    shown = profile(subject, common_feature(subject))
    assert shown.contexts and shown.nearest == ()
    assert any("similar directions are not shown" in note for note in shown.notes)
    make_sae(tmp_path / "sae", hook=SAE, seed=6)  # another SAE in its place
    assert any("is not the one that made" in n for n in profile(subject, common_feature(subject)).notes)


# ---- shading -----------------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.text(max_size=300), st.data())
def test_shading_keeps_text_focus_and_order(text: str, data: st.DataObject) -> None:
    text = text + "focus" + data.draw(st.text(max_size=300))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=8, unique=True)))
    spans = [(a, b, 1.0 + i) for i, (a, b) in enumerate(zip(cuts[::2], cuts[1::2], strict=False))]
    at = text.index("focus")
    width = data.draw(st.integers(5, 400))
    pieces = shade(text, spans, (at, at + 5), width)
    joined = "".join(piece.text for piece in pieces)
    assert all(piece.text == printable(piece.text) != "" for piece in pieces)
    assert "focus" in joined
    assert len(joined) <= width + 2 + len(spans)
    values = [piece.value for piece in pieces if piece.value]
    assert values == sorted(values)


def test_shading_marks_the_token_and_cuts_at_words() -> None:
    text = "one two three four five six seven eight nine ten"
    pieces = shade(text, [(8, 13, 0.5), (19, 23, 2.0)], (19, 23), 40)
    assert [(p.text, p.value) for p in pieces] == [
        ("…", 0.0),
        ("two ", 0.0),
        ("three", 0.5),
        (" four ", 0.0),
        ("five", 2.0),
        (" six seven eight", 0.0),
        ("…", 0.0),
    ]
    assert shade("a\nb", [(1, 2, 1.0)], (1, 2), 80)[1].text == "↵"
