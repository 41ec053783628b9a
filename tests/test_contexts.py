"""Contexts against a dense brute force on random corpora, and by hand on small ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from corpus_factory import make_calibration, make_corpus, make_spec
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from saetext.corpus import Corpus, CorpusWriter
from saetext.corpus.meta import docs_table
from saetext.corpus.rows import PooledRows
from saetext.errors import IncompatibleError, InputError
from saetext.features.contexts import MIN_FIRING, PLACES, Context, gather, trials
from saetext.features.contexts.gathering import _levels, _place
from saetext.features.contexts.sampling import Pool
from saetext.text.passages import Snippet, snippet

Fires = Mapping[int, tuple[float, int]]  # feature to value and peak


def write(path: Path, documents: Sequence[tuple[str, Fires]], d_sae: int = 4, shard: int = 50) -> Corpus:
    """Write a corpus of texts whose tokens are their words, with these features."""
    calibrations = {"main": make_calibration(d_sae)}
    with CorpusWriter.open(
        path, plan={}, spec=make_spec(calibrations), calibrations=calibrations, stores_text=True
    ) as writer:
        for begin in range(0, len(documents), shard):
            part = documents[begin : begin + shard]
            starts, ends = [], []
            for text, _ in part:
                words, at = [], 0
                for word in text.split():
                    at = text.index(word, at)
                    words.append((at, at + len(word)))
                    at += len(word)
                starts.append(np.array([s for s, _ in words], np.int32))
                ends.append(np.array([e for _, e in words], np.int32))
            entries = [(f, *fires[f]) for _, fires in part for f in sorted(fires)]
            indptr = np.cumsum([0] + [len(fires) for _, fires in part]).astype(np.int64)
            feature = np.array([e[0] for e in entries], np.int32)
            value = np.array([e[1] for e in entries], np.float32)
            peak = np.array([e[2] for e in entries], np.int32)
            n = len(part)
            table = docs_table(
                ids=[f"d{begin + i}" for i in range(n)],
                texts=[text for text, _ in part],
                prompts=[None] * n,
                n_tokens=np.array([len(s) for s in starts], np.int32),
                n_unknown=np.zeros(n, np.int32),
                token_start=starts,
                token_end=ends,
                metas=[{}] * n,
            )
            rows = PooledRows(indptr, feature, value, value, np.ones_like(peak), peak, peak)
            writer.write_shard(
                table, {"main": rows}, rejects=[], input_rows=n, input_hash=str(begin), stats={}
            )
        return writer.finish(extra={})


@pytest.fixture(scope="module")
def random_corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[Corpus, np.ndarray]:
    path = tmp_path_factory.mktemp("contexts é") / "random.corpus"
    rng = np.random.default_rng(3)
    value = np.where(rng.random((300, 6)) < (0.02, 0.05, 0.2, 0.5, 0.9, 0.0), rng.random((300, 6)) + 1, 0)
    documents = []
    for i, row in enumerate(value):
        words = [f"w{rng.integers(50)}" for _ in range(rng.integers(3, 30))] + [f"unique{i}"]
        fires = {int(f): (float(row[f]), int(rng.integers(len(words)))) for f in np.flatnonzero(row)}
        documents.append((" ".join(words), fires))
    return write(path, documents, d_sae=6, shard=70), value.astype(np.float32)


def half_of(corpus: Corpus, half: str) -> set[int]:
    """Return the rows in a half: so many contexts are asked for that every document is shown."""
    found = gather(corpus, None, [4], per_level=300, half=half)[4]  # type: ignore[arg-type]
    return {c.row for c in (*found.firing, *found.silent)}


def test_levels_against_brute_force(random_corpus: tuple[Corpus, np.ndarray]) -> None:
    corpus, value = random_corpus
    found = gather(corpus, None, [5, 0, 1, 2, 3, 4], per_level=6)
    assert list(found) == [5, 0, 1, 2, 3, 4]
    for feature, contexts in found.items():
        present = np.flatnonzero(value[:, feature])
        ranked = sorted(present.tolist(), key=lambda r: -value[r, feature])
        n = min(6, -(-len(ranked) // 3))
        assert contexts.support == len(ranked)
        assert [c.row for c in contexts.top] == ranked[:n]
        assert [c.row for c in contexts.weak] == ranked[len(ranked) - min(n, len(ranked) - n) :]
        firing = [c.row for c in contexts.firing]
        assert len(set(firing)) == len(firing) and set(firing) <= set(ranked)
        assert len(contexts.middle) == min(n, max(len(ranked) - 2 * n, 0))
        for c in contexts.firing:
            assert c.value == value[c.row, feature] and c.document == f"d{c.row}"
            document = corpus.document(c.row)
            entries = document["entries"]["main"]
            peak = int(entries.peak[entries.feature == feature][0])
            starts, ends = document["token_start"], document["token_end"]
            assert c.snippet == snippet(document["text"], starts, ends, peak, 160)
        if len(ranked) <= 30:  # all of them are in the sample, so the middle is exact
            off = [abs(ranked.index(c.row) - (len(ranked) - 1) / 2) for c in contexts.middle]
            assert all(o <= (n + 1) / 2 for o in off)
        for level in ("top", "middle", "weak", "near", "other"):
            assert all(c.level == level and c.place in PLACES for c in getattr(contexts, level))


def test_the_middle_is_around_the_median(random_corpus: tuple[Corpus, np.ndarray]) -> None:
    corpus, value = random_corpus
    for feature in (3, 4):  # present in far more documents than the sample holds
        ranked = np.sort(value[:, feature][value[:, feature] > 0])
        middle = gather(corpus, None, [feature])[feature].middle
        share = [np.searchsorted(ranked, c.value) / len(ranked) for c in middle]
        assert len(middle) == 6 and min(share) > 0.25 and max(share) < 0.75


def test_without_the_feature(random_corpus: tuple[Corpus, np.ndarray]) -> None:
    corpus, value = random_corpus
    for feature, contexts in gather(corpus, None, [1, 2, 3, 4]).items():
        silent = [c.row for c in contexts.silent]
        assert len(set(silent)) == len(silent) and not value[silent, feature].any()
        assert all(c.value == 0 for c in contexts.silent)
        assert len(contexts.near) == len(contexts.other) == 6
        peaks = set()
        for row in np.flatnonzero(value[:, feature]).tolist():
            entries = corpus.document(row)["entries"]["main"]
            peak = int(entries.peak[entries.feature == feature][0])
            peaks.add(corpus.document(row)["text"].split()[peak])
        # most documents hold some of the 50 words, so near misses are at words the feature fires on
        assert all(c.snippet.match in peaks for c in contexts.near if c.snippet.match.startswith("w"))


def test_a_feature_that_is_nowhere(random_corpus: tuple[Corpus, np.ndarray]) -> None:
    contexts = gather(random_corpus[0], None, [5])[5]
    assert (contexts.support, contexts.firing, contexts.silent) == (0, (), ())


def test_halves_share_no_document(random_corpus: tuple[Corpus, np.ndarray]) -> None:
    corpus, value = random_corpus
    make, score = half_of(corpus, "make"), half_of(corpus, "score")
    assert not make & score
    assert make | score == set(range(300))
    assert 100 < len(make) < 200
    features = [1, 2, 3, 4]
    by_half = [gather(corpus, None, features, half=half) for half in ("make", "score")]
    for f in features:
        assert sum(found[f].support for found in by_half) == (value[:, f] > 0).sum()
    # which half a document is in follows from its text, in a part of the corpus too
    part = corpus.select(np.arange(100, 300))
    for contexts in gather(part, None, features, half="score").values():
        assert {c.row + 100 for c in (*contexts.firing, *contexts.silent)} <= score


def test_the_seed_decides_and_nothing_else(random_corpus: tuple[Corpus, np.ndarray]) -> None:
    corpus, _ = random_corpus
    once, again = gather(corpus, None, [2, 3], seed=7), gather(corpus, None, [3], seed=7)
    assert once[3] == again[3]
    other = gather(corpus, None, [3], seed=8)[3]
    assert other.top == again[3].top and other.other != again[3].other


def test_trials(random_corpus: tuple[Corpus, np.ndarray]) -> None:
    corpus, value = random_corpus
    score = half_of(corpus, "score")
    text = {corpus.document(r)["text"]: r for r in score}
    found = trials(corpus, None, range(6), per_side=8)
    firing = {f: sum(value[r, f] > 0 for r in score) for f in range(6)}
    assert set(found) == {f for f in range(6) if firing[f] >= MIN_FIRING}
    for feature, made in found.items():
        assert sum(t.fires for t in made) == min(8, firing[feature])
        assert sum(not t.fires for t in made) == 8
        for trial in made:
            assert "«" not in trial.text
            whole = [r for t, r in text.items() if trial.text.strip("…").strip() in t]
            assert len(whole) == 1 and (value[whole[0], feature] > 0) == trial.fires
    assert found == trials(corpus, None, range(6), per_side=8)
    order = [t.fires for t in found[3]]
    assert order != sorted(order) and order != sorted(order, reverse=True)


def test_near_misses_hold_the_word(tmp_path: Path) -> None:
    documents: list[tuple[str, Fires]] = []
    for i in range(40):
        documents.append((f"they sat by the bank of the river number {i}", {0: (2 + i / 100, 4)}))
        documents.append((f"she took {i} pounds to the Bank that morning and left", {}))
        documents.append((f"nothing of the kind in text {i} at all", {}))
    contexts = gather(write(tmp_path / "bank.corpus", documents), None, [0])[0]
    assert {c.snippet.match for c in contexts.top} == {"bank"}
    assert [c.snippet.match for c in contexts.near] == ["Bank"] * 6
    assert all("pounds" in c.snippet.before for c in contexts.near)


def test_near_misses_by_surroundings_where_the_word_always_fires(tmp_path: Path) -> None:
    documents: list[tuple[str, Fires]] = []
    for i in range(30):
        documents.append((f"the orchestra heard trumpet{i} play in concert", {0: (2 + i / 100, 3)}))
        documents += [(f"{n} hundred and {i} reasons to sell the house", {}) for n in range(3)]
    documents += [(f"our orchestra gave its concert number {i}", {}) for i in range(6)]
    contexts = gather(write(tmp_path / "horn.corpus", documents), None, [0])[0]
    assert all("orchestra" in c.snippet.marked("", "") for c in contexts.near)


def test_texts_that_repeat_are_shown_once(tmp_path: Path) -> None:
    spam: list[tuple[str, Fires]] = [("buy now", {0: (9.0, 0)})] * 3
    others: list[tuple[str, Fires]] = [(f"please buy item {i}", {0: (2 + i / 10, 1)}) for i in range(20)]
    contexts = gather(write(tmp_path / "spam.corpus", spam + others), None, [0])[0]
    shown = [c.snippet.marked() for c in contexts.firing]
    assert shown.count("«buy» now") == 1 and len(set(shown)) == len(shown)
    assert contexts.top[0].row == 0 and contexts.support == 23


def test_hostile_texts_become_one_printable_line(tmp_path: Path) -> None:
    nasty = "\x1b[31mred\u202e \n\n\t«mark» \u0000zero \ufeffword" + " x" * 50_000
    documents: list[tuple[str, Fires]] = [(nasty, {0: (1.0, 2)}), ("", {}), ("   \n ", {})]
    documents += [(f"{nasty} {i}", {0: (2.0 + i, 3)}) for i in range(8)] + [(nasty + " end", {})] * 5
    contexts = gather(write(tmp_path / "nasty.corpus", documents), None, [0, 1], width=80)[0]
    assert contexts.support == 9
    for c in (*contexts.firing, *contexts.silent):
        parts = (c.snippet.before, c.snippet.match, c.snippet.after)
        assert sum(map(len, parts)) <= 80 and all(p.isprintable() for p in parts)


def test_a_peak_on_a_line_break_is_shown(tmp_path: Path) -> None:
    corpus = write(tmp_path / "lines.corpus", [("one two", {0: (1.0, 1)})])
    document = dict(
        corpus.document(0), text="one\n\nt", token_start=np.array([0, 3]), token_end=np.array([3, 5])
    )

    class Broken:
        def __getattr__(self, name: str) -> object:
            return getattr(corpus, name)

        def document(self, row: int) -> object:
            return document

    context = gather(Broken(), None, [0])[0].top[0]  # type: ignore[arg-type]
    assert context.snippet.match == "↵"


def test_what_cannot_be_gathered(tmp_path: Path, random_corpus: tuple[Corpus, np.ndarray]) -> None:
    corpus, _ = random_corpus
    with pytest.raises(InputError, match="no feature 6: tests/main has 0 to 5"):
        gather(corpus, None, [0, 6])
    with pytest.raises(InputError, match="no feature -1"):
        gather(corpus, None, [-1])
    with pytest.raises(InputError, match="unknown half 'both'"):
        gather(corpus, None, [0], half="both")  # type: ignore[arg-type]
    with pytest.raises(IncompatibleError, match="no SAE named 'x'"):
        gather(corpus, "x", [0])
    bare, _ = make_corpus(tmp_path / "bare.corpus", stores_text=False)
    with pytest.raises(InputError, match=r"stores no texts.*without --no-text"):
        gather(bare, None, [0])
    empty, _ = make_corpus(tmp_path / "empty.corpus", sizes=(0,))
    assert gather(empty, None, [0, 3])[3].support == 0
    assert trials(empty, None, [0]) == {}
    assert gather(corpus, None, []) == {}


@given(st.lists(st.floats(0.125, 9, width=16), max_size=25), st.integers(1, 6))
@examples(max_examples=60)
def test_levels_share_nothing_and_are_ordered(values: list[float], size: int) -> None:
    line = [Context(f"d{i}", i, v, Snippet("", f"w{i}", ""), "top") for i, v in enumerate(values)]
    levels = list(_levels(line, size))
    taken = [c.row for level in levels for c in level]
    assert len(set(taken)) == len(taken) and all(len(level) <= size for level in levels)
    assert len(taken) == min(len(values), 3 * size) or len(values) < 3 * size
    assert bool(taken) == bool(values)
    joined = [c.value for level in levels for c in level]
    assert joined == sorted(joined, reverse=True)


@given(st.data(), st.integers(1, 5))
@examples(max_examples=60)
def test_the_pool_keeps_what_sorting_would(data: st.DataObject, size: int) -> None:
    entries = data.draw(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 9)), max_size=60))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(entries)), max_size=4)))
    pool = Pool(4, size)
    for begin, end in zip([0, *cuts], [*cuts, len(entries)], strict=True):
        part = np.array(entries[begin:end], np.int64).reshape(-1, 2)
        pool.add(part[:, 1], part[:, 0], np.arange(begin, end))
        if data.draw(st.booleans()) and pool._parts:
            pool._prune()
    key, feature, row = pool.entries()[:3]
    kept = sorted(zip(feature.tolist(), key.tolist(), row.tolist(), strict=True))
    expected = []
    for f in range(4):
        mine = sorted((k, i) for i, (g, k) in enumerate(entries) if g == f)
        expected += [(f, k, i) for k, i in mine[:size]]
    assert kept == sorted(expected)


@pytest.mark.parametrize(
    ("text", "word", "place"),
    [
        ("Hello there", "Hello", "document start"),
        ("  Hello there", "Hello", "document start"),
        ("Some line\nHello there", "Hello", "line start"),
        ("Some line\n - Hello there", "Hello", "list item"),
        ("Some line\n12. Hello there", "Hello", "list item"),
        ("It ended. Hello there", "Hello", "sentence start"),
        ('It said "no!" Hello there', "Hello", "sentence start"),
        ("It was version 2.0 then", "0", "inside"),
        ("It was Hello there", "Hello", "inside"),
        ("It was Hello.\n", "Hello", "end"),
        ("x " * 300 + "Hello " + "y " * 300, "Hello", "inside"),
    ],
)
def test_places(text: str, word: str, place: str) -> None:
    start = text.index(word)
    assert _place(text, start, start + len(word)) == place


def test_copies_of_a_text_are_in_one_half(tmp_path: Path) -> None:
    """Or a label would be scored on the very text it was made from."""
    documents = [(f"w1 w2 twin{i // 2}", {0: (1.0 + i % 2, 2)}) for i in range(200)]
    corpus = write(tmp_path / "twins.corpus", documents, d_sae=5, shard=64)
    shown = [
        {c.row // 2 for c in (*found.firing, *found.silent)}
        for found in (gather(corpus, None, [0], per_level=300, half=half)[0] for half in ("make", "score"))
    ]
    assert shown[0] and shown[1]
    assert not shown[0] & shown[1]
