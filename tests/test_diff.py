"""diff of two sets on an in-memory corpus, against counting by hand."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse, stats
from statsmodels.stats.contingency_tables import mcnemar
from whole_results import diff

from saetext.analysis.differences import DiffResult
from saetext.analysis.differences.entries import gather, support
from saetext.analysis.differences.result import COLUMNS
from saetext.corpus.calibration import Calibration
from saetext.corpus.rows import PooledRows
from saetext.corpus.spec import Numerics, ReaderSpec, SaeSpec
from saetext.errors import IncompatibleError, InputError
from saetext.features.labels import FeatureLabel, FeatureLabels

D_SAE = 12
WORDS = ["the", "rain", "in", "Spain", "stays", "mainly", "on", "a", "plain", "so", "they", "say"]
CALIBRATION = Calibration.from_arrays(
    np.zeros(D_SAE), percentile=90, top_words=[[f"word{i}", f"other{i}"] if i else [] for i in range(D_SAE)]
)


def make_spec(numerics: Numerics | None = None, **changes) -> ReaderSpec:
    hook = "blocks.1.hook_resid_pre"
    sae = SaeSpec("main", "tiny", "topk", hook, 8, D_SAE, "w", "none", CALIBRATION.sha256, 90.0, 1)
    spec = ReaderSpec(
        model="tiny", revision="r1", window=128, overlap=16, prefix_ids=(1,), suffix_ids=(2,), masks="1",
        chat_template_sha256="", pooling="max", saes=(sae,),
        numerics=numerics or Numerics("float32", "float32", "cpu", {"torch": "2.13"}),
    )  # fmt: skip
    return dataclasses.replace(spec, **changes)


class MemoryCorpus:
    """A corpus held in lists: ``present[i]`` maps the features of document i to (value, peak)."""

    def __init__(self, present, meta=None, spec=None, texts=True, block=3, path="memory.corpus") -> None:
        self.present = [dict(sorted(row.items())) for row in present]
        self.spec, self.block, self.path, self.fingerprint = spec or make_spec(), block, Path(path), "f" * 8
        n = len(self.present)
        self.origin = list(range(n))  # of a view's rows; a text is the words turned by that much
        self.texts = [" ".join(np.roll(WORDS, i)) if texts else None for i in range(n)]
        columns = {"id": [f"doc{i}" for i in range(n)], "text": self.texts, "n_tokens": [len(WORDS)] * n}
        schema = {"id": pl.String, "text": pl.String, "n_tokens": pl.Int32}
        self.frame = pl.DataFrame(columns, schema=schema).with_columns(
            pl.Series(name, values, strict=False) for name, values in (meta or {}).items()
        )

    @property
    def n_documents(self) -> int:
        return len(self.present)

    @property
    def documents(self) -> pl.LazyFrame:
        return self.frame.lazy()

    def rows(self, sae) -> Iterator[PooledRows]:
        for start in range(0, len(self.present), self.block):
            part = self.present[start : start + self.block]
            entries = [(f, v, p) for row in part for f, (v, p) in row.items()]
            feature, value, peak = zip(*entries, strict=True) if entries else ((), (), ())
            lengths = [len(row) for row in part]
            yield PooledRows(
                indptr=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
                feature=np.array(feature, np.int32), value=np.array(value, np.float32),
                total=np.array(value, np.float32), count=np.ones(len(entries), np.int32),
                peak=np.array(peak, np.int32), first=np.array(peak, np.int32),
            )  # fmt: skip

    def blocks(self, pooling, sae) -> Iterator[tuple[np.ndarray, sparse.csr_matrix]]:
        assert pooling == "binary" and sae == "main"
        start = 0
        for rows in self.rows(sae):
            data = np.ones(rows.n_entries, np.float32)
            block = sparse.csr_matrix((data, rows.feature, rows.indptr), shape=(len(rows), D_SAE))
            yield np.arange(start, start + len(rows)), block
            start += len(rows)

    def document(self, row: int) -> dict:
        lengths = np.array([len(word) for word in np.roll(WORDS, self.origin[row])])
        ends = np.cumsum(lengths + 1) - 1
        starts = ends - lengths
        name = f"doc{self.origin[row]}"
        return {"id": name, "text": self.texts[row], "token_start": starts, "token_end": ends}

    def calibration(self, sae) -> Calibration:
        return CALIBRATION

    def select(self, expr) -> MemoryCorpus:
        keep = np.flatnonzero(self.frame.select(expr.fill_null(False)).to_series().to_numpy())
        view = MemoryCorpus([self.present[i] for i in keep], spec=self.spec, block=self.block)
        view.frame = self.frame[keep]
        view.texts = [self.texts[i] for i in keep]
        view.origin = [self.origin[i] for i in keep]
        return view


def random_present(rng: np.random.Generator, n: int, rates) -> list[dict]:
    return [
        {
            int(f): (float(rng.integers(1, 6)), int(rng.integers(len(WORDS))))
            for f in np.flatnonzero(rng.random(D_SAE) < rates)
        }
        for _ in range(n)
    ]


@st.composite
def present_sets(draw, min_size=1, max_size=14):
    entry = st.tuples(st.integers(1, 5).map(float), st.integers(0, len(WORDS) - 1))
    row = st.dictionaries(st.integers(0, D_SAE - 1), entry, max_size=D_SAE)
    return draw(st.lists(row, min_size=min_size, max_size=max_size))


def check_order(table: pl.DataFrame) -> None:
    """Confirmed, significant (both by size), others by p; ties by the other, then by feature."""

    def key(row: dict) -> tuple:
        size, unconfirmed = -abs(row["diff"]), not row["confirmed"]
        found = row["confirmed"] or row["q"] < 0.05
        explained = found and row["explained_by_length"] == "yes"
        return (
            unconfirmed,
            not found,
            explained,
            *((size, row["p"]) if found else (row["p"], size)),
            row["feature"],
        )

    rows = [row for row in table.to_dicts() if row["group"] == row["feature"]]
    assert [row["feature"] for row in rows] == [row["feature"] for row in sorted(rows, key=key)]


# --- counts, tests and order --------------------------------------------------------------------------------


def check_snippets(row, in_a, in_b):
    """The leading side is shown, the other may be left out; tests/test_shown_evidence.py says when."""
    assert (in_a or row["snippet_a"] is None) and (in_b or row["snippet_b"] is None)
    if in_a or in_b:
        lead = "a" if (row["diff"] >= 0 and in_a) or not in_b else "b"
        assert row[f"snippet_{lead}"] is not None


@settings(max_examples=60, deadline=None)
@given(present_sets(), present_sets(), st.integers(1, 4), st.integers(1, 5))
def test_unpaired_equals_counting(rows_a, rows_b, block, support):
    a, b = MemoryCorpus(rows_a, block=block), MemoryCorpus(rows_b, block=block + 1)
    result = diff(a, b, min_support=support)
    n_a, n_b = len(rows_a), len(rows_b)
    seen = {}
    for f in range(D_SAE):
        x_a, x_b = sum(f in row for row in rows_a), sum(f in row for row in rows_b)
        if x_a + x_b >= support:
            seen[f] = (x_a, x_b, stats.fisher_exact([[x_a, n_a - x_a], [x_b, n_b - x_b]])[1])
    assert result.metrics["tested"] == result.table.height == len(seen)
    assert set(result.table["feature"]) == set(seen)
    for row in result.table.to_dicts():
        x_a, x_b, p = seen[row["feature"]]
        assert (row["n_a"], row["n_b"]) == (x_a, x_b)
        assert row["p"] == pytest.approx(p)
        assert row["diff"] == pytest.approx(x_a / n_a - x_b / n_b)
        assert row["ci_low"] <= row["diff"] <= row["ci_high"]
        assert row["q"] >= row["p"]
        check_snippets(row, x_a > 0, x_b > 0)
    check_order(result.table)


@settings(max_examples=40, deadline=None)
@given(present_sets(), present_sets(), st.integers(1, 4), st.randoms())
def test_paired_equals_counting(rows_a, rows_b, block, random):
    """Keys in any order, some without a partner."""
    keys_a, keys_b = list(range(len(rows_a))), list(range(3, len(rows_b) + 3))
    random.shuffle(keys_a)
    random.shuffle(keys_b)
    a = MemoryCorpus(rows_a, {"key": pl.Series(keys_a, dtype=pl.Int64)}, block=block)
    b = MemoryCorpus(rows_b, {"key": pl.Series(keys_b, dtype=pl.Int64)}, block=block + 1)
    pairs = [(i, keys_b.index(k)) for i, k in enumerate(keys_a) if k in keys_b]
    if not pairs:
        with pytest.raises(InputError, match="no rows pair"):
            diff(a, b, pair_on="key")
        return
    result = diff(a, b, pair_on="key", min_support=1)
    assert result.paired and result.metrics["pairs"] == len(pairs)
    for row in result.table.to_dicts():
        f = row["feature"]
        x_a, x_b = [f in rows_a[i] for i, _ in pairs], [f in rows_b[j] for _, j in pairs]
        only_a = sum(left and not right for left, right in zip(x_a, x_b, strict=True))
        only_b = sum(right and not left for left, right in zip(x_a, x_b, strict=True))
        assert row["p"] == pytest.approx(mcnemar([[0, only_a], [only_b, 0]], exact=True).pvalue)
        assert (row["rate_a"], row["rate_b"]) == (sum(x_a) / len(pairs), sum(x_b) / len(pairs))
        check_snippets(row, any(x_a), any(x_b))
    check_order(result.table)


def test_planted_differences_are_found():
    rng = np.random.default_rng(0)
    rates_a, rates_b = np.full(D_SAE, 0.3), np.full(D_SAE, 0.3)
    rates_a[3], rates_b[7], rates_b[8] = 0.8, 0.9, 0.55
    a = MemoryCorpus(random_present(rng, 150, rates_a), block=64)
    b = MemoryCorpus(random_present(rng, 160, rates_b), block=64)
    result = diff(a, b, names=("left", "right"))
    assert isinstance(result, DiffResult)
    assert result.table["feature"][:3].to_list() == [7, 3, 8]
    assert result.n_significant == 3
    check_order(result.table)
    assert result.table["diff"][0] < -0.4 and result.table["diff"][1] > 0.3
    assert result.table.columns == list(COLUMNS)
    assert result.names == ("left", "right") and not result.paired
    assert result.params["test"] == "Fisher exact"


def test_top_keeps_the_tests_of_all():
    rng = np.random.default_rng(0)
    a = MemoryCorpus(random_present(rng, 40, 0.5))
    b = MemoryCorpus(random_present(rng, 40, 0.4))
    whole, cut = diff(a, b), diff(a, b, top=2)
    assert cut.table.equals(whole.table.head(2))
    assert cut.metrics == whole.metrics
    assert diff(a, b, top=0).table.equals(whole.table)  # as None: all
    some = diff(a, b, snippets=3).table
    assert some["snippet_a"].null_count() == some.height - 3
    assert diff(a, b, snippets=False).table["snippet_b"].null_count() == some.height


def test_support_threshold():
    rows = [{0: (1.0, 0)}] * 3 + [{1: (1.0, 0)}] * 2 + [{}] * 5
    a, b = MemoryCorpus(rows), MemoryCorpus(rows)
    assert diff(a, b).table["feature"].to_list() == [0]  # 6 documents in both sets; feature 1 has 4
    assert diff(a, b, min_support=4).metrics["tested"] == 2
    many = MemoryCorpus([{0: (1.0, 0)}] * 3 + [{}] * 7000, block=5000)
    assert diff(many, many).params["min_support"] == 8  # .05 % of 14,006, rounded up


def test_bad_top():
    a = MemoryCorpus([{0: (1.0, 0)}])
    with pytest.raises(InputError, match="at least 0"):
        diff(a, a, top=-1)


# --- snippets and labels ------------------------------------------------------------------------------------


def test_snippet_is_the_earliest_strongest_document():
    a = MemoryCorpus([{0: (2.0, 1)}, {0: (5.0, 3)}, {}, {0: (5.0, 2)}, {0: (4.0, 0)}], block=2)
    b = MemoryCorpus([{1: (1.0, 0)}] * 5)
    result = diff(a, b, min_support=1)
    row = result.table.filter(pl.col("feature") == 0).to_dicts()[0]
    word = np.roll(WORDS, 1)[3]
    assert row["snippet_a"] == a.texts[1].replace(f" {word} ", f" «{word}» ", 1)
    assert row["snippet_b"] is None
    example = result.evidence[0][0]
    assert (example.row, example.document, example.value) == (1, "doc1", 5.0)


def test_unpaired_documents_are_not_shown():
    a = MemoryCorpus([{0: (9.0, 0)}, {0: (1.0, 2)}], {"key": ["x", "y"]})
    b = MemoryCorpus([{0: (1.0, 0)}, {}], {"key": ["y", "z"]})
    result = diff(a, b, pair_on="key", min_support=1)
    assert result.evidence[0][0].row == 1
    assert result.notes[0] == "rows without a partner on key were left out: 1 of a, 1 of b"


def test_without_texts():
    a, b = MemoryCorpus([{0: (1.0, 0)}] * 5, texts=False), MemoryCorpus([{0: (1.0, 0)}] * 5)
    result = diff(a, b, names=("bare", "full"))
    assert result.table["snippet_a"][0] is None and result.table["snippet_b"][0] is not None
    assert any("texts of bare" in note and "no snippets" in note for note in result.notes)
    assert not any("texts of full" in note for note in result.notes)


def test_labels():
    a = MemoryCorpus([{0: (1.0, 0), 1: (1.0, 0), 2: (1.0, 0)}] * 5)
    assert diff(a, a).table.sort("feature")["label"].to_list()[1] == "word1, other1"
    labels = FeatureLabels.from_rows([FeatureLabel(2, "polite refusals", score=0.9)])
    table = diff(a, a, labels=labels).table.sort("feature")
    assert table["label"].to_list() == ["feature 0", "feature 1", "polite refusals"]
    assert table["label_score"].to_list() == [None, None, pytest.approx(0.9)]
    other = FeatureLabels.from_rows([FeatureLabel(2, "x")], {"weights_sha256": "another"})
    with pytest.raises(IncompatibleError, match="another reader"):
        diff(a, a, labels=other)


# --- pairing ------------------------------------------------------------------------------------------------


def four(keys, column="prompt_id", **more) -> MemoryCorpus:
    return MemoryCorpus([{0: (1.0, 0)}] * len(keys), {column: keys, **more})


def test_pairs_by_itself_on_prompt_id():
    a, b = four(list("abcd")), four(list("dcba"))
    result = diff(a, b)
    assert result.paired and result.params["pair_on"] == "prompt_id"
    assert (
        result.notes[0] == "each prompt_id occurs once per set, so rows with the same prompt_id were paired"
    )
    assert not diff(a, b, pair_on="").paired


def test_pairs_by_itself_on_prompt_text():
    assert diff(four(list("abcd"), "prompt"), four(list("abcd"), "prompt")).params["pair_on"] == "prompt"


def test_pairs_with_nine_of_ten_only():
    keys = [str(i) for i in range(20)]
    nearly = diff(four(keys), four([*keys[:18], "x", "y"]))
    assert nearly.metrics["pairs"] == 18 and "4 without a partner" in nearly.notes[0]
    too_few = diff(four(keys), four([*keys[:17], "x", "y", "z"]))
    assert not too_few.paired and "17 rows share their prompt_id" in too_few.notes[0]
    assert not diff(four(keys), four(keys[:10])).paired  # all of B has a partner, half of A has none


def test_repeated_keys():
    a, b = four(list("abca")), four(list("abc"))
    result = diff(a, b)
    assert not result.paired and result.params["design"] == "by prompt"
    assert "prompt_id repeats ('a' occurs 2 and 1 times in A and B)" in result.notes[0]
    other = diff(a, four(list("abcd")))  # three of four only
    assert other.params["design"] == "independent" and "pair on prompt_id" in other.notes[0]
    assert diff(b, a, pair_on="prompt_id").params["design"] == "by prompt"


def test_missing_keys_do_not_pair():
    a, b = four(["a", None, None, "d"]), four(["a", None, "c", "d"])
    assert diff(a, b, pair_on="prompt_id").metrics["pairs"] == 2
    assert not diff(four([None] * 4), four([None] * 4)).paired


def test_keys_of_different_types_pair():
    numbers, text = four([1, 2, 3, 4]), four(["4", "3", "2", "1"])
    assert diff(numbers, text).metrics["pairs"] == 4
    assert diff(numbers, four([4.0, 3.0, 2.0, 1.0])).metrics["pairs"] == 4
    large = 2**53
    assert diff(four([large, large + 1]), four([large + 1, large])).metrics["pairs"] == 2


def test_unusable_keys():
    a = four(list("ab"), lists=[[1], [2]])
    with pytest.raises(InputError, match=r"no column 'nope' in a .*; the columns are: id, text, n_tokens, "):
        diff(a, a, pair_on="nope")
    with pytest.raises(InputError, match=r"column 'lists' .* choose one of text or numbers"):
        diff(a, a, pair_on="lists")
    with pytest.raises(InputError, match="no prompt_id of a occurs in b"):
        diff(a, four(list("xy")), pair_on="prompt_id")
    assert diff(a, a, pair_on="id").metrics["pairs"] == 2


# --- one corpus, two values ---------------------------------------------------------------------------------


def test_by_takes_two_values():
    rng = np.random.default_rng(3)
    rows = random_present(rng, 40, 0.5)
    corpus = MemoryCorpus(rows, {"model": ["x", "y"] * 20, "prompt_id": [i // 2 for i in range(40)]})
    result = diff(corpus, by="model", values=["y", "x"], min_support=1)
    assert result.names == ("y", "x") and result.paired and result.params["by"] == "model"
    assert [s.where for s in result.sources] == ["model = y", "model = x"]
    expected = diff(MemoryCorpus(rows[1::2]), MemoryCorpus(rows[::2]), pair_on="id", min_support=1)
    assert result.table.drop("snippet_a", "snippet_b").equals(expected.table.drop("snippet_a", "snippet_b"))
    assert diff(corpus, by="model").names == ("x", "y")


def test_by_numbers_and_nulls():
    corpus = MemoryCorpus([{0: (1.0, 0)}] * 6, {"score": [1, 1, 2, 2, 2, None]})
    result = diff(corpus, by="score", values=["1", "2"])
    assert (result.metrics["documents_a"], result.metrics["documents_b"]) == (2, 3)


def test_by_lists_the_values():
    corpus = MemoryCorpus([{}] * 6, {"model": ["x", "y", "z", "z", "z", None], "empty": [None] * 6})
    expected = r"two or more different values of model are compared; it has: z \(3\), x \(1\), y \(1\)$"
    for values in (["x"], ["x", "x"], ["x", "y", "x"]):
        with pytest.raises(InputError, match=expected):
            diff(corpus, by="model", values=values)
    with pytest.raises(InputError, match=r"no document has model = 'w'; it has: z \(3\)"):
        diff(corpus, by="model", values=["x", "w"])
    with pytest.raises(InputError, match="it has: none"):
        diff(corpus, by="empty")
    with pytest.raises(InputError, match=r"no column 'nope' .* the columns are: id"):
        diff(corpus, by="nope")
    many = MemoryCorpus([{}] * 30, {"model": [f"m{i:02}" for i in range(30)]})
    with pytest.raises(InputError, match=r"and 20 more$"):
        diff(many, by="model", values=["m00"])


# --- comparability and edges --------------------------------------------------------------------------------


def test_different_readers_are_refused():
    a, b = MemoryCorpus([{}]), MemoryCorpus([{}], spec=make_spec(window=64))
    with pytest.raises(IncompatibleError, match="window is 128 in left and 64 in right"):
        diff(a, b, names=("left", "right"))


def test_different_numerics_are_noted():
    numerics = Numerics("bfloat16", "float32", "cpu", {"torch": "2.12"})
    a, b = MemoryCorpus([{}]), MemoryCorpus([{}], spec=make_spec(numerics))
    notes = diff(a, b).notes
    (note,) = (note for note in notes if "model_dtype" in note)
    assert "model_dtype float32 in a, bfloat16 in b" in note and "torch 2.13 in a, 2.12 in b" in note


def test_length_is_noted():
    a, b = MemoryCorpus([{}] * 3), MemoryCorpus([{}] * 3)
    assert not any("tokens" in note for note in diff(a, b).notes)
    b.frame = b.frame.with_columns(n_tokens=pl.lit(30, pl.Int32))
    result = diff(a, b)
    assert any("12 tokens in a and 30 in b" in note for note in result.notes)
    assert result.metrics["median_tokens_b"] == 30


def test_empty_sets():
    full, empty = MemoryCorpus([{0: (1.0, 0)}]), MemoryCorpus([])
    for pair in ((full, empty), (empty, full), (empty, empty)):
        with pytest.raises(InputError, match="has no documents; every set needs some"):
            diff(*pair)


def test_one_document_each():
    result = diff(MemoryCorpus([{0: (1.0, 0)}]), MemoryCorpus([{}]))
    assert result.table.height == 0 and result.table.columns == list(COLUMNS)
    assert "no feature is present in 5 or more documents" in result.notes[-1]
    row = diff(MemoryCorpus([{0: (1.0, 0)}]), MemoryCorpus([{}]), min_support=1).table.to_dicts()[0]
    assert (row["diff"], row["p"], row["q"]) == (1.0, 1.0, 1.0)


@pytest.mark.parametrize("pair_on", ["id", ""])
def test_identical_sets(pair_on):
    corpus = MemoryCorpus(random_present(np.random.default_rng(1), 30, 0.5))
    result = diff(corpus, corpus, pair_on=pair_on)
    assert result.n_significant == 0
    assert (result.table["diff"] == 0).all() and (result.table["p"] == 1).all()
    assert any("are they the same documents?" in note for note in result.notes)


def test_no_entries_at_all():
    result = diff(MemoryCorpus([{}] * 10), MemoryCorpus([{}] * 10), pair_on="id")
    assert result.table.height == 0 and result.metrics["tested"] == 0


def test_result_is_strict_json_without_nan():
    rng = np.random.default_rng(4)
    a, b = MemoryCorpus(random_present(rng, 12, 0.4)), MemoryCorpus(random_present(rng, 9, 0.6))
    whole = json.loads(diff(a, b, min_support=1).to_json(), parse_constant=pytest.fail)
    assert list(whole) == ["kind", "params", "metrics", "rows"]
    assert whole["kind"] == "diff" and list(whole["rows"][0]) == list(COLUMNS)
    assert all(math.isfinite(row["ci_low"]) for row in whole["rows"])
    assert whole["params"]["seed"] == 0
    assert [s["fingerprint"] for s in whole["params"]["sources"]] == ["ffffffff"] * 2


def no_room(length, dtype):
    raise OSError("no room")


def test_memory_does_not_grow_with_the_corpus(monkeypatch):
    """Blocks are dropped as they are counted; entries are in a file, or held a part at a time: the same."""
    import tracemalloc

    rng = np.random.default_rng(5)
    rows = random_present(rng, 400, 0.5)

    class Repeated(MemoryCorpus):
        times = 1

        def rows(self, sae):
            for _ in range(self.times):
                yield from super().rows(sae)

        @property
        def n_documents(self):
            return len(self.present) * self.times

    corpus = Repeated(rows, block=400)
    corpus.times = 150
    live = np.arange(corpus.n_documents) % 7 > 0
    counts = support([corpus], "main", live, D_SAE)

    def gathered(budget):
        return list(gather([corpus], "main", np.arange(D_SAE), counts, live, 3, budget=budget))

    tracemalloc.start()
    (mapped,) = gathered(1)  # in a file
    assert tracemalloc.get_traced_memory()[1] < 9 * counts.sum() / 2
    tracemalloc.stop()
    (whole,) = gathered(10**9)
    monkeypatch.setattr("saetext.analysis.differences.entries.scratch", no_room)
    tracemalloc.start()
    sizes = [len(part.row) for part in gather([corpus], "main", np.arange(D_SAE), counts, live, 3, budget=1)]
    assert tracemalloc.get_traced_memory()[1] < 9 * counts.sum() / 2
    tracemalloc.stop()
    assert sizes == counts.tolist()  # one feature at a time is the least there can be
    parts = gathered(1)
    for name in ("row", "value", "early"):
        one = getattr(whole, name)
        np.testing.assert_array_equal(getattr(mapped, name), one)
        np.testing.assert_array_equal(np.concatenate([getattr(part, name) for part in parts]), one)


# --- the real corpus ----------------------------------------------------------------------------------------


def store(memory: MemoryCorpus, path: Path, *, shard: int, stores_text: bool = True):
    """Write an in-memory corpus to disk in shards."""
    from saetext.corpus import CorpusWriter
    from saetext.corpus.meta import docs_table

    meta = [c for c in memory.frame.columns if c not in ("id", "text", "n_tokens")]
    blocks = PooledRows.concatenate(list(memory.rows("main")))
    with CorpusWriter.open(
        path,
        plan={},
        spec=memory.spec,
        calibrations={"main": memory.calibration("main")},
        stores_text=stores_text,
    ) as writer:
        for start in range(0, memory.n_documents, shard):
            rows = range(start, min(start + shard, memory.n_documents))
            documents = [memory.document(row) for row in rows]
            table = docs_table(
                [d["id"] for d in documents], [d["text"] for d in documents], [None] * len(rows),
                [len(WORDS)] * len(rows), [0] * len(rows), [d["token_start"] for d in documents],
                [d["token_end"] for d in documents], memory.frame[list(rows)].select(meta).to_dicts(),
            )  # fmt: skip
            writer.write_shard(
                table, {"main": blocks.take(rows)}, rejects=[], input_rows=len(rows), input_hash="h", stats={}
            )
        return writer.finish()


def test_corpora_on_disk_give_the_same_result(tmp_path):
    rng = np.random.default_rng(6)
    keys = np.array([f"prompt {i}" for i in range(50)])
    a = MemoryCorpus(random_present(rng, 50, 0.4), {"prompt_id": keys})
    b = MemoryCorpus(random_present(rng, 48, 0.6), {"prompt_id": rng.permutation(keys)[:48]})
    disk_a, disk_b = store(a, tmp_path / "a b.corpus", shard=20), store(b, tmp_path / "ü.corpus", shard=7)
    for pair_on in (None, "", "prompt_id"):
        expected, got = diff(a, b, pair_on=pair_on), diff(disk_a, disk_b, pair_on=pair_on)
        assert got.table.equals(expected.table) and got.metrics == expected.metrics
        assert got.notes == expected.notes and got.evidence == expected.evidence
    assert got.sources[0].fingerprint == disk_a.fingerprint


def test_views_on_disk_give_the_same_result(tmp_path):
    rng = np.random.default_rng(7)
    meta = {"model": ["x", "y", "y", "x", "z"] * 10, "prompt_id": [i // 5 * 2 + i % 2 for i in range(50)]}
    memory = MemoryCorpus(random_present(rng, 50, 0.5), meta)
    disk = store(memory, tmp_path / "c.corpus", shard=9)
    expected, got = (diff(corpus, by="model", values=["y", "x"]) for corpus in (memory, disk))
    assert got.table.equals(expected.table) and got.evidence == expected.evidence
    bare = store(memory, tmp_path / "bare.corpus", shard=9, stores_text=False)
    assert any("are not stored" in note for note in diff(bare, by="model", values=["x", "y"]).notes)
