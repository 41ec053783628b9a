"""Whatever takes a file takes what libraries hold in memory: every verb with every kind, by value."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from planted import PROMPTS, WRITES, planted
from tiny_reader import some_rows, tiny

import saetext
from saetext.documents.texts import documents_in, texts_in
from saetext.errors import InputError
from saetext.intervene.rows import rows_of
from saetext.intervene.shifts.opinions import opinions_of
from saetext.intervene.shifts.request import AnswersRequest

ROWS = [{"id": row["id"], "text": row["text"]} for row in some_rows(40, longest=10)]
TEXTS = [row["text"] for row in ROWS]


def write(rows: list[dict[str, Any]], folder: Path) -> Path:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


#: From rows to what holds them; those of texts alone lose the ids.
KINDS: dict[str, Callable[[list[dict[str, Any]], Path], Any]] = {
    "path": write,
    "name": lambda rows, folder: str(write(rows, folder)),
    "dicts": lambda rows, folder: rows,
    "pandas frame": lambda rows, folder: pd.DataFrame(rows),
    "pandas frame, index": lambda rows, folder: pd.DataFrame(rows).set_index("id"),
    "polars frame": lambda rows, folder: pl.DataFrame(rows),
    "polars lazy frame": lambda rows, folder: pl.LazyFrame(rows),
    "arrow table": lambda rows, folder: pa.Table.from_pylist(rows),
    "arrow batch": lambda rows, folder: pa.RecordBatch.from_pylist(rows),
    "dataset": lambda rows, folder: datasets.Dataset.from_list(rows),
    "texts": lambda rows, folder: [row["text"] for row in rows],
    "tuple": lambda rows, folder: tuple(row["text"] for row in rows),
    "numpy array": lambda rows, folder: np.array([row["text"] for row in rows]),
    "pandas series": lambda rows, folder: pd.Series([row["text"] for row in rows], name="text"),
    "polars series": lambda rows, folder: pl.Series("text", [row["text"] for row in rows]),
    "arrow array": lambda rows, folder: pa.array([row["text"] for row in rows]),
    "chunked array": lambda rows, folder: pa.chunked_array([[row["text"] for row in rows]]),
    "dataset column": lambda rows, folder: datasets.Dataset.from_list(rows)["text"],
}


@functools.cache
def reader() -> saetext.Reader:
    ready = tiny().reader()
    return ready.with_calibrations(saetext.calibrate(ready, ROWS).calibrations)


@pytest.fixture(autouse=True)
def tiny_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what has to be encoded be read by the tiny reader."""
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("saetext.reader.reader.Reader.load_many", lambda *_, **__: reader())
    monkeypatch.setattr("saetext.reader.reader.Reader.load", lambda *_, **__: reader())
    monkeypatch.setattr("saetext.encoding.encoder._identified", lambda given: (reader(), "tiny"))


def matrix(corpus: Any) -> np.ndarray:
    return np.asarray(corpus.csr("max").toarray())


def encoded(source: Any, folder: Path) -> Any:
    return matrix(saetext.encode(source, folder / "own.corpus", reader=reader()))


def appended(source: Any, folder: Path) -> Any:
    saetext.encode(["the fox sleeps"], folder / "grown.corpus", reader=reader())
    return matrix(saetext.append(source, folder / "grown.corpus", reader=reader()))[1:]


def diffed(source: Any, folder: Path) -> Any:
    found = saetext.diff(source, TEXTS[::2], families="features", top=None)
    return found.table.select("feature", "n_a", "n_b").sort("feature").rows()


def correlated(source: Any, folder: Path) -> Any:
    found = saetext.correlate(source, min_joint=8, bootstrap=2, snippets=False, everything=True, top=5)
    return found.table.select("n_a", "n_b", "n_ab").rows()


def clustered(source: Any, folder: Path) -> Any:
    found = saetext.cluster(source, min_cluster_size=4, semantic=False, epochs=5)
    return found.documents["cluster"].to_list()


def searched(source: Any, folder: Path) -> Any:
    assert saetext.build_index(source, dense=False)
    return saetext.search(source, "lazy dog", mode="bm25").table["row"].to_list()


def labelled(source: Any, folder: Path) -> Any:
    return saetext.label(source, "words").labels.texts


def calibrated(source: Any, folder: Path) -> Any:
    return next(iter(saetext.calibrate(tiny().reader(), source).calibrations.values())).thresholds


VERBS = {
    "encode": encoded, "append": appended, "diff": diffed, "correlate": correlated, "cluster": clustered,
    "search": searched, "label": labelled, "calibrate": calibrated,
}  # fmt: skip
_expected: dict[str, Any] = {}


#: These open what they are given as encode and diff do, by one function, and take longer: a few kinds each.
SOME = {
    **dict.fromkeys(("append", "calibrate"), ("name", "pandas frame, index", "polars series")),
    **dict.fromkeys(("correlate", "search"), ("pandas frame, index",)),
    **dict.fromkeys(("cluster", "label"), ("polars series",)),
}
PAIRS = [(verb, kind) for verb in VERBS for kind in SOME.get(verb, KINDS)]


@pytest.mark.parametrize(("verb", "kind"), PAIRS)
def test_every_verb_takes_every_kind(verb: str, kind: str, tmp_path: Path) -> None:
    if verb not in _expected:
        (tmp_path / "first").mkdir()
        _expected[verb] = VERBS[verb](ROWS, tmp_path / "first")
    found = VERBS[verb](KINDS[kind](ROWS, tmp_path), tmp_path)
    assert np.array_equal(np.array(found, dtype=object), np.array(_expected[verb], dtype=object)), verb
    assert len(_expected[verb]) > 0


ONE_COLUMN = [kind for kind in KINDS if kind not in ("path", "name", "dicts", "pandas frame, index")]


@pytest.mark.parametrize("kind", ONE_COLUMN)
def test_what_keeps_to_rows_takes_every_kind_of_one_column(kind: str, tmp_path: Path) -> None:
    given = KINDS[kind]([{"text": text} for text in TEXTS], tmp_path)
    assert texts_in(given) == TEXTS
    assert [p.text for p in reader().read(given).readable] == TEXTS


@pytest.mark.parametrize("kind", KINDS)
def test_prompts_come_in_every_kind(kind: str, tmp_path: Path) -> None:
    rows = [{"id": str(at), "text": prompt} for at, prompt in enumerate(PROMPTS[:4])]
    given = KINDS[kind](rows, tmp_path)
    given = Path(given) if kind == "name" else given  # a text is a prompt
    assert [row.prompt for row in rows_of(given)] == PROMPTS[:4]
    assert [document.text for document in documents_in(KINDS[kind](rows, tmp_path))] == PROMPTS[:4]


def test_steer_takes_a_series() -> None:
    found = [
        saetext.steer(
            planted().model, given, sae=str(planted().sae), features=[f"{WRITES}:+1"], doses=[3], samples=1,
            max_new_tokens=3, reference=planted().reference, controls=0, gauge="none", force=True,
            device="cpu", dtype="float32",
        ).texts["text"].to_list()
        for given in (
            PROMPTS[:3],
            pd.Series(PROMPTS[:3], index=[7, 8, 9]),
            pl.DataFrame({"prompt": PROMPTS[:3]}),
        )
    ]  # fmt: skip
    assert found[0] == found[1] == found[2]


def test_answers_of_groups_come_in_every_kind(tmp_path: Path) -> None:
    rows = [
        {"group": group, "question": f"Which is {n}?", "options": ["a", "b"], "counts": [n + 20, 30]}
        for group in ("north", "south")
        for n in range(3)
    ]
    expected = opinions_of(rows, AnswersRequest())
    for kind in (
        "path",
        "dicts",
        "pandas frame",
        "polars frame",
        "polars lazy frame",
        "arrow table",
        "dataset",
    ):
        assert opinions_of(KINDS[kind](rows, tmp_path), AnswersRequest()).questions == expected.questions, (
            kind
        )


def test_documents_that_cannot_be_read_are_left_out_and_none_is_an_error() -> None:
    assert [d.text for d in documents_in(saetext.open_documents(["a b", "", None]))] == ["a b"]
    assert list(documents_in([])) == []
    with pytest.raises(InputError, match="no document"):
        list(documents_in(["", ""]))
