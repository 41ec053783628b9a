"""SAEVectorizer: a transformer of scikit-learn whose values are those of ``saetext encode``."""

from __future__ import annotations

import functools
import pickle
import shutil
import sqlite3
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import counted_reads
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks
from tiny_models import save_model
from tiny_reader import SAE, make_sae, some_rows, tiny

import saetext
from saetext import SAEVectorizer
from saetext.encoding.text_rows import TextRow, rows_of_texts
from saetext.errors import InputError, ReaderError, SaetextError, SaetextWarning
from saetext.features.labels import FeatureLabel, FeatureLabels
from saetext.io.blob_cache import BlobCache

TEXTS = [row["text"] for row in some_rows(60, longest=12)]
Y = np.array([i % 2 for i in range(60)])


def vectorizer(**settings: Any) -> SAEVectorizer:
    return SAEVectorizer(_reader(), **settings)


@functools.cache
def _reader() -> saetext.Reader:
    return tiny().reader()


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what gives the texts that a model has read so far."""
    path = tmp_path / "reads.txt"
    monkeypatch.setenv("COUNTED_READS", str(path))
    return lambda: path.read_text("utf-8").splitlines() if path.exists() else []


@parametrize_with_checks([SAEVectorizer()])
def test_scikit_learn_s_own_checks(estimator: Any, check: Any) -> None:
    """Those that scikit-learn has for estimators of texts."""
    check(estimator)


@pytest.mark.parametrize(
    "name",
    [
        "check_no_attributes_set_in_init", "check_parameters_default_constructible", "check_estimator_repr",
        "check_get_params_invariance", "check_set_params", "check_valid_tag_types",
        "check_estimator_cloneable", "check_estimator_tags_renamed", "check_estimators_unfitted",
    ],
)  # fmt: skip
def test_more_of_its_checks_that_do_not_need_numbers(name: str) -> None:
    getattr(estimator_checks, name)("SAEVectorizer", SAEVectorizer())


@pytest.mark.parametrize("pooling", ["max", "mean", "total", "count", "binary"])
def test_values_are_those_that_encode_stores(pooling: str, tmp_path: Path) -> None:
    corpus = saetext.encode(TEXTS, tmp_path / "c.corpus", reader=tiny().reader())
    stored = corpus.csr(pooling)
    for cache in (False, True):
        own = vectorizer(pooling=pooling, transform=None, cache=cache).fit(TEXTS)
        found = own.transform(TEXTS)
        assert sparse.isspmatrix_csr(found) and found.dtype == np.float32 and found.indices.dtype == np.int32
        assert own.spec_.fingerprint == corpus.spec.fingerprint
        assert stored.nnz > 300 and (found != stored.astype(np.float32)).nnz == 0  # to the bit
    again = own.transform(TEXTS[::-1])  # from the cache
    assert (again[::-1] != found).nnz == 0
    one = vectorizer(pooling=pooling, transform=None, cache=False).fit(TEXTS).transform(TEXTS[7:8])
    np.testing.assert_allclose(one.toarray(), stored[7].toarray(), rtol=1e-4, atol=1e-5)


def test_settings_change_values_as_they_say() -> None:
    plain = vectorizer(transform="none").fit_transform(TEXTS).toarray()
    np.testing.assert_array_equal(vectorizer().fit_transform(TEXTS).toarray(), np.log1p(plain))
    np.testing.assert_array_equal(vectorizer(transform="sqrt").fit_transform(TEXTS).toarray(), np.sqrt(plain))
    for odd in ({}, {"pooling": "total"}, {"transform": "sqrt"}):
        found = vectorizer(binary=True, **odd).fit_transform(TEXTS).toarray()
        np.testing.assert_array_equal(found, (plain > 0).astype(np.float32))
    all_of_them = vectorizer(threshold=0, transform=None).fit_transform(TEXTS)
    assert all_of_them.nnz > (plain > 0).sum()
    for wrong in ({"pooling": "sum"}, {"transform": "log"}):
        with pytest.raises(InputError, match=f"unknown .*'{next(iter(wrong.values()))}'"):
            vectorizer(**wrong).fit(TEXTS)


def test_transform_is_a_setting_and_a_method() -> None:
    own = vectorizer()
    assert callable(own.transform) and own.get_params()["transform"] == "log1p"
    own.set_params(transform="sqrt")
    assert callable(own.transform) and own.get_params()["transform"] == "sqrt"
    assert "transform='sqrt'" in repr(own) and clone(own).get_params() == own.get_params()


@pytest.mark.parametrize(
    "given",
    [
        tuple(TEXTS[:5]), np.array(TEXTS[:5]), np.array(TEXTS[:5], dtype=object)[:, None],
        pd.Series(TEXTS[:5], index=pd.Index(list("abcde"), name="who")), pd.DataFrame({"t": TEXTS[:5]}),
        pl.Series(TEXTS[:5]), pl.DataFrame({"t": TEXTS[:5]}), pl.LazyFrame({"t": TEXTS[:5]}),
        pa.array(TEXTS[:5]), pa.chunked_array([TEXTS[:2], TEXTS[2:5]]), pa.table({"t": TEXTS[:5]}),
    ],
    ids=lambda given: type(given).__module__.split(".")[0] + "." + type(given).__name__,
)  # fmt: skip
def test_texts_may_be_in_anything(given: Any) -> None:
    own = vectorizer()
    assert (own.fit_transform(given) != own.transform(TEXTS[:5])).nnz == 0


def test_an_iterator_of_texts_is_read_through_once() -> None:
    own = vectorizer()
    found = own.fit_transform(text for text in TEXTS[:5])
    assert (found != own.transform(iter(TEXTS[:5]))).nnz == 0 and found.shape[0] == 5


def test_datasets_are_texts_too() -> None:
    import datasets

    whole = datasets.Dataset.from_dict({"text": TEXTS[:5]})
    own = vectorizer().fit(whole)
    assert (own.transform(whole) != own.transform(TEXTS[:5])).nnz == 0
    assert (own.transform(whole["text"]) != own.transform(TEXTS[:5])).nnz == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("one text", "put it in a list"),
        (Path("texts.jsonl"), "not a"),
        (["a", None], "text 1 is missing"),
        (["a", float("nan")], "text 1 is missing"),
        (pd.Series(["a", pd.NA]), "text 1 is missing"),
        (["a", 3], "text 1 is an int"),
        ([{"text": "a"}], "text 0 is a dict"),
        (["a\udc80"], "not valid Unicode"),
        (np.array([["a", "b"]]), "there are 2"),
        (pd.DataFrame({"a": ["x"], "b": ["y"]}), "there are 2"),
        (pl.DataFrame({"a": ["x"], "b": ["y"]}), "there are 2: 'a', 'b'"),
        (3, "not an int"),
        ([], "no texts"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_text_is_refused_in_one_line(given: Any, said: str) -> None:
    with pytest.raises(InputError) as caught:
        vectorizer().fit_transform(given)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_rows_stay_in_place_and_empty_texts_are_empty_rows() -> None:
    own = vectorizer().fit(TEXTS)
    found = own.transform(["", TEXTS[0], "  \n", TEXTS[0]])
    assert found.shape[0] == 4 and found[0].nnz == found[2].nnz == 0 < found[1].nnz
    assert (found[1] != found[3]).nnz == 0
    assert own.transform([]).shape == (0, found.shape[1])
    with pytest.raises(NotFittedError):
        vectorizer().transform(TEXTS)


def test_columns_have_unique_names_with_labels() -> None:
    labels = FeatureLabels.from_rows([FeatureLabel(3, "red\nfoxes"), FeatureLabel(5, "red foxes")])
    own = vectorizer(labels=labels, threshold=0).fit(TEXTS)
    names = own.get_feature_names_out()
    assert names.dtype == object and len(set(names)) == len(names) == own.transform(TEXTS).shape[1] == 64
    assert names[3] == "3 red foxes" and names[5] == "5 red foxes" and names[0] == "0"


@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_frames_are_dense_and_refused_where_they_are_too_large(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = vectorizer()
    plain = own.fit_transform(TEXTS).toarray()
    own.set_output(transform=kind)
    given = pd.Series(TEXTS, index=[f"row{i}" for i in range(60)])
    frame = own.transform(given)
    assert type(frame).__module__.startswith(kind) and list(frame.columns) == list(
        own.get_feature_names_out()
    )
    np.testing.assert_array_equal(frame.to_numpy(), plain)
    if kind == "pandas":
        assert list(frame.index) == list(given.index)
    monkeypatch.setattr("saetext.features.vectorizer._MOST_DENSE", 1000)
    with pytest.raises(InputError, match=r"60 texts by 64 features would take .*default"):
        own.transform(TEXTS)
    assert sparse.issparse(own.set_output(transform="default").transform(TEXTS))


def test_a_pickle_holds_the_description_and_no_weights() -> None:
    own = vectorizer().fit(TEXTS)
    expected = own.transform(TEXTS)
    raw = pickle.dumps(own)
    weights = sum(file.stat().st_size for file in tiny().model.glob("*.safetensors"))
    assert len(raw) < 20_000 < weights
    again = pickle.loads(raw)
    assert again.spec_ == own.spec_ and again.reader is not own.reader
    again.cache = False
    assert (again.transform(TEXTS) != expected).nnz == 0
    assert clone(own).reader is own.reader
    assert pickle.loads(raw).reader is again.reader  # a worker loads it once
    parts = own.reader.of_parts(
        own.reader.model, list(own.reader.saes.values()), own.reader.tokens, name="parts", source={}
    )
    with pytest.raises(ReaderError, match="made from parts"):
        pickle.dumps(parts)


def test_another_reader_than_it_was_fitted_with_is_refused() -> None:
    own = vectorizer(cache=False).fit(TEXTS)
    own.reader = tiny().reader(both=True)
    with pytest.raises(ReaderError, match="no calibration of"):
        own.transform(TEXTS)
    own.reader = _reader().with_calibrations(own.calibrations_)
    own.calibrations_ = vectorizer(threshold=50).fit(TEXTS).calibrations_
    with pytest.raises(ReaderError, match="not the one that this was fitted with"):
        own.transform(TEXTS)


def test_one_of_several_saes_is_chosen() -> None:
    both = tiny().reader(both=True)
    names = list(both.saes)
    widths = [SAEVectorizer(both, sae=name).fit_transform(TEXTS).shape[1] for name in names]
    assert widths == [64, 48]
    with pytest.raises(SaetextError):
        SAEVectorizer(both).fit(TEXTS)


def test_a_grid_search_reads_each_text_once(reads: Any) -> None:
    pipe = Pipeline([("sae", vectorizer()), ("model", LogisticRegression(max_iter=1000))])
    grid = {
        "sae__pooling": ["max", "mean"],
        "sae__transform": ["log1p", None],
        "sae__binary": [False, True],
        "model__C": [0.1, 1.0],
    }
    found = GridSearchCV(pipe, grid, cv=3, error_score="raise").fit(TEXTS, Y)
    assert sorted(reads()) == sorted(set(TEXTS)) and set(found.best_params_) == set(grid)
    assert np.isfinite(found.cv_results_["mean_test_score"]).all()
    assert set(found.predict(TEXTS)) <= {0, 1}
    cold = cross_val_score(make_pipeline(vectorizer(cache=False), LogisticRegression()), TEXTS, Y, cv=3)
    warm = cross_val_score(make_pipeline(vectorizer(), LogisticRegression()), TEXTS, Y, cv=3)
    np.testing.assert_array_equal(cold, warm)


@pytest.mark.slow
def test_two_processes_read_each_text_once(reads: Any) -> None:
    own = vectorizer(on_progress=counted_reads.progress)
    own.fit(TEXTS)  # thresholds
    scores = cross_val_score(make_pipeline(own, LogisticRegression()), TEXTS, Y, cv=4, n_jobs=2)
    assert sorted(reads()) == sorted(set(TEXTS)) and len(scores) == 4


def test_it_stands_in_a_column_transformer() -> None:
    frame = pd.DataFrame({"text": TEXTS, "n": range(60)})
    both = make_column_transformer((vectorizer(), "text"), ("passthrough", ["n"]))
    assert both.fit_transform(frame).shape == (60, 65)
    assert both.get_feature_names_out()[-1].endswith("n")


def test_the_rows_that_are_kept_depend_on_the_reader(own_cache: Path, reads: Any) -> None:
    few = TEXTS[:8]
    vectorizer().fit(TEXTS).transform(few)
    vectorizer().fit(TEXTS).transform([*few, "fox"])
    n = len(set(few))
    assert len(reads()) == n + 1
    vectorizer(threshold=50).fit(TEXTS).transform(few)
    vectorizer(min_tokens=2).fit(TEXTS).transform(few)
    assert len(reads()) == 3 * n + 1


@pytest.mark.parametrize("damage", ["cut", "text", "flipped", "directory"])
def test_a_damaged_cache_is_passed_over(own_cache: Path, damage: str, reads: Any) -> None:
    own = vectorizer().fit(TEXTS)
    expected = own.transform(TEXTS)
    path = own_cache / "rows.sqlite"
    raw = path.read_bytes()
    match damage:
        case "cut":
            path.write_bytes(raw[: len(raw) // 2])
        case "text":
            path.write_bytes(b"no database " * 1000)
        case "flipped":
            with sqlite3.connect(path) as opened:
                opened.execute("UPDATE blobs SET value = zeroblob(length(value))")
            opened.close()
        case "directory":
            path.unlink()
            path.mkdir()
    for _ in range(2):
        assert (own.transform(TEXTS) != expected).nnz == 0
    times = 3 if damage == "directory" else 2  # there is no place to keep anything then
    assert len(reads()) == times * len(set(TEXTS))


def test_the_cache_is_bounded_and_keeps_what_was_used_last(tmp_path: Path, monkeypatch: Any) -> None:
    path = tmp_path / "kept.sqlite"
    kept = BlobCache(path, most=200_000)
    clock = [1000.0]
    monkeypatch.setattr("saetext.io.blob_cache.time.time", lambda: clock[0])
    for at in range(40):
        clock[0] += 100_000
        kept.keep({b"%d" % at: bytes(10_000)})
        assert kept.find([b"0"])  # in use, so it stays
    assert path.stat().st_size < 260_000
    there = kept.find([b"%d" % at for at in range(40)])
    assert {b"0", b"39", b"38"} <= set(there) and 10 < len(there) < 21


def test_a_row_is_the_same_from_its_bytes() -> None:
    row = TextRow(
        7, 1, None, np.array([1, 5], "<i4"), np.array([0.5, 2], "<f4"), np.array([0.5, 3], "<f4"),
        np.array([1, 2], "<i4"),
    )  # fmt: skip
    again = TextRow.from_bytes(row.to_bytes())
    for name, value in vars(row).items():
        np.testing.assert_array_equal(getattr(again, name), value)
    with pytest.raises(ValueError, match="another length"):
        TextRow.from_bytes(row.to_bytes()[:-4])


def test_it_warns_of_what_the_reader_cannot_see() -> None:
    from saetext.features.vectorizer import _warn_of

    def row(unknown: int, english: bool | None) -> TextRow:
        empty: Any = np.empty(0)
        return TextRow(10, unknown, english, empty, empty, empty, empty)

    with pytest.warns(SaetextWarning) as caught:
        _warn_of([row(1, False), row(0, None), row(0, True)], english_only=True)
    assert [str(w.message).split(" of ")[0] for w in caught] == ["3.3%", "50%"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _warn_of([row(0, False)], english_only=False)


def test_progress_is_told() -> None:
    told: list[Any] = []
    own = vectorizer().fit(TEXTS)
    own.on_progress = told.append
    own.transform(TEXTS)
    assert {p.stage for p in told} == {"encoding"}
    assert told[-1].done == told[-1].total == len(set(TEXTS))


def test_rows_of_one_arithmetic_are_not_taken_for_those_of_another() -> None:
    own = vectorizer(transform=None).fit(TEXTS)
    half = saetext.Reader(str(tiny().sae), model=str(tiny().model), device="cpu", dtype="bfloat16")
    coarse = own.set_params(reader=half).transform(TEXTS)
    fine = own.set_params(reader=_reader()).transform(TEXTS)
    assert (fine != vectorizer(transform=None, cache=False).fit(TEXTS).transform(TEXTS)).nnz == 0
    assert (coarse != fine).nnz > 100
    assert (own.set_params(reader=half).transform(TEXTS) != coarse).nnz == 0


def test_rows_are_kept_under_the_arithmetic_of_the_reader_that_opens(reads: Any) -> None:
    """A name says nothing of the device: what opens may compute otherwise than what it was fitted with."""
    from dataclasses import replace

    ready = vectorizer().fit(TEXTS)._fitted_reader()
    spec = replace(ready.spec, numerics=replace(ready.spec.numerics, device="cuda"))
    sae = spec.saes[0].name
    rows_of_texts(TEXTS[:5], spec, sae, lambda: ready)
    rows_of_texts(TEXTS[:5], ready.spec, sae, lambda: pytest.fail("these were read already"))
    rows_of_texts(TEXTS[:5], spec, sae, lambda: ready)
    assert sorted(reads()) == sorted(set(TEXTS[:5]))


@pytest.mark.parametrize("changed", ["sae", "model"])
def test_weights_that_were_replaced_are_read_by_the_next_fit(tmp_path: Path, changed: str) -> None:
    places = {"sae": shutil.copytree(tiny().sae, tmp_path / "sae"),
              "model": shutil.copytree(tiny().model, tmp_path / "model")}  # fmt: skip
    config = (places["sae"] / "cfg.json").read_text()
    (places["sae"] / "cfg.json").write_text(config.replace("no/such-model", str(places["model"])))
    own = SAEVectorizer(str(places["sae"]), transform=None)
    first = own.fit_transform(TEXTS)
    assert own._fitted_reader().model is own._fitted_reader().model  # opened once
    if changed == "sae":
        other = make_sae(tmp_path / "other", hook=SAE, seed=5)
        shutil.copy(other / "sae_weights.safetensors", places["sae"])
    else:
        save_model("gpt2", tmp_path / "new", num_hidden_layers=2, seed=9)
        for file in (tmp_path / "new").iterdir():
            shutil.copy(file, places["model"])
    with pytest.raises(ReaderError, match="fit it again"):
        own.transform(["the fox is new"])
    second = own.fit_transform(TEXTS)
    assert (first != second).nnz > 100


class Listener:
    def __init__(self) -> None:
        self.lock = threading.Lock()

    def hear(self, event: object) -> None:
        self.lock.acquire(blocking=False)


def test_a_clone_keeps_what_cannot_be_copied() -> None:
    listener = Listener()
    own = vectorizer(on_progress=listener.hear, labels=FeatureLabels.from_rows([FeatureLabel(3, "dogs")]))
    own.set_output(transform="pandas")
    again = clone(own)
    assert again.on_progress.__self__ is listener and again.labels is own.labels
    assert not hasattr(again, "spec_") and isinstance(again.fit_transform(TEXTS[:9]), pd.DataFrame)


class Doubled(SAEVectorizer):
    """Overrides the method, as users do."""

    def transform(self, X: Any) -> Any:
        return super().transform(X) * 2


class Before:
    def transform(self, X: Any) -> Any:
        return super().transform(X) * 3  # type: ignore[misc]


class Mixed(Before, SAEVectorizer):
    """The method comes from a mixin."""


@pytest.mark.parametrize(("kind", "times"), [(Doubled, 2), (Mixed, 3)])
def test_a_subclass_may_override_the_method(kind: type[SAEVectorizer], times: int) -> None:
    own = kind(_reader(), transform="sqrt").fit(TEXTS)
    expected = vectorizer(transform="sqrt").fit(TEXTS).transform(TEXTS) * times
    assert (own.transform(TEXTS) != expected).nnz == 0
    own.set_params(transform=None)
    assert own.get_params()["transform"] is None and callable(own.transform)
    assert clone(own).get_params() == own.get_params()
    assert (pickle.loads(pickle.dumps(own)).transform(TEXTS) != own.transform(TEXTS)).nnz == 0
    assert isinstance(own.set_output(transform="pandas").transform(TEXTS[:2]), pd.DataFrame)


def test_a_pickled_reader_keeps_how_it_was_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    made = saetext.Reader(str(tiny().sae), model=str(tiny().model), device="cpu", trust_pickle=True)
    made = made.with_calibrations(vectorizer().fit(TEXTS).calibrations_)
    raw = pickle.dumps(made)
    seen: dict[str, Any] = {}

    def load(*_: Any, **how: Any) -> saetext.Reader:
        seen.update(how)
        return made

    monkeypatch.setattr("saetext.reader.reader._unpickled", {})
    monkeypatch.setattr("saetext.reader.reader.Reader.load_many", load)
    again = pickle.loads(raw)
    assert seen["device"] == "cpu" and seen["trust_pickle"] is True and seen["dtype"] == "float32"
    assert again.spec == pickle.loads(raw).spec
    assert saetext.Reader(str(tiny().sae), model=str(tiny().model))._parts.device == "auto"


def test_folds_at_once_make_thresholds_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from saetext.reader.thresholds import estimation

    calls: list[str] = []
    calibrate = estimation.calibrate
    monkeypatch.setattr(estimation, "calibrate", lambda *a, **k: calls.append("made") or calibrate(*a, **k))
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda at: vectorizer().fit(TEXTS[at : 40 + at]).spec_.fingerprint, range(4)))
    assert calls == ["made"] and len(set(made)) == 1


def test_room_is_made_by_bytes_and_the_file_shrinks(tmp_path: Path) -> None:
    path = tmp_path / "kept.sqlite"
    kept = BlobCache(path, most=300_000)
    kept.keep({b"large": bytes(250_000)})
    for at in range(60):
        kept.keep({b"%d" % at: bytes(100)})
    small = [b"%d" % at for at in range(60)]
    kept.keep({b"another": bytes(200_000)})  # the large one is oldest, and enough
    assert set(kept.find([b"large", b"another", *small])) == {b"another", *small}
    BlobCache(path, most=50_000).keep({b"last": b"x"})
    assert path.stat().st_size < 60_000 and kept.find([b"last"])
    kept.keep({b"too much": bytes(400_000)})
    assert kept.find([b"last", b"too much"]) == {b"last": b"x"}  # what has no room drops nothing


@pytest.mark.parametrize("schema", ["CREATE TABLE blobs (name TEXT)", "CREATE VIEW blobs AS SELECT 1 AS key"])
def test_a_database_of_another_schema_is_made_anew(tmp_path: Path, schema: str) -> None:
    path = tmp_path / "kept.sqlite"
    with sqlite3.connect(path) as opened:
        opened.execute(schema)
    opened.close()
    kept = BlobCache(path)
    assert kept.find([b"one"]) == {}
    kept.keep({b"one": b"first"})
    kept.keep({b"two": b"second"})
    assert kept.find([b"one", b"two"])[b"two"] == b"second"
