"""Thresholds come from a sample of the whole reference text, whatever the order of its rows."""

from __future__ import annotations

import functools
import itertools
import random
import warnings
import weakref
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file
from tiny_reader import OTHER_SAE, make_sae, tiny, write_jsonl

from saetext.corpus.calibration import Calibration
from saetext.documents import Document, Message, open_documents
from saetext.errors import InputError, SaetextWarning
from saetext.io.progress import Progress
from saetext.reader.reader import Reader
from saetext.reader.thresholds import estimation
from saetext.reader.thresholds.estimation import calibrate
from saetext.reader.thresholds.policy import made_note, ready
from saetext.reader.thresholds.reference import Sample, sample

SPORT = ["fade", "bead", "cafe", "deaf", "babe"]  # no letter is in both topics
COOKING = ["stun", "runs", "wort", "tours", "your"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))


def document(text: str, position: int = 0) -> Document:
    return Document(str(position), text, None, None, {}, position, "")


def documents(texts: Sequence[str]) -> list[Document]:
    return [document(text, i) for i, text in enumerate(texts)]


def texts(words: Sequence[str], n: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    return [" ".join(draw.choices(words, k=12)) for _ in range(n)]


def two_topics(n: int = 400) -> list[str]:
    return texts(SPORT, n, 1) + texts(COOKING, n, 2)


@pytest.fixture(scope="module")
def sparse(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    """A reader with features that only some words have."""
    directory = make_sae(tmp_path_factory.mktemp("sparse") / "sae", hook=OTHER_SAE, seed=4, d_sae=256)
    tensors = load_file(directory / "sae_weights.safetensors")
    tensors["W_enc"] *= 20
    tensors["b_dec"] *= 0
    tensors["b_enc"] -= 13
    save_file(tensors, directory / "sae_weights.safetensors")
    return Reader.load_local(directory, tiny().model, device="cpu", dtype="float32")


def calibration(
    reader: Reader, some: Sequence[str], max_tokens: int = 20_000, percentile: float = 75
) -> Calibration:
    calibrated = calibrate(reader, documents(some), max_tokens=max_tokens, percentile=percentile)
    [made] = calibrated.calibrations.values()
    return made


def kept(found: Sample) -> list[str]:
    return [d.text for d in found]


# ---- thresholds ------------------------------------------------------------------------------------------


def test_a_sorted_file_and_a_shuffled_one_give_the_same_calibration(sparse: Reader) -> None:
    ordered = two_topics()
    shuffled = random.Random(5).sample(ordered, len(ordered))
    a, b = calibration(sparse, ordered), calibration(sparse, shuffled)
    assert a.about["tokens"] == 20_000 and a.sha256 == b.sha256
    assert a.table.equals(b.table) and a.about == b.about


def test_both_halves_of_a_sorted_file_set_thresholds(sparse: Reader) -> None:
    ordered = two_topics()
    first, second = calibration(sparse, ordered[:400], 10**6), calibration(sparse, ordered[400:], 10**6)
    whole, sampled = calibration(sparse, ordered, 10**6), calibration(sparse, ordered)
    low, high = calibration(sparse, ordered, 10**6, 60), calibration(sparse, ordered, 10**6, 90)
    for half, other in ((first, second), (second, first)):
        own = np.flatnonzero((other.density == 0) & (half.density > 0.02))
        assert len(own) >= 3  # features that only this half can set a threshold for
        assert (sampled.thresholds[own] > 0).all()
        assert (low.thresholds[own] <= sampled.thresholds[own]).all()
        assert (sampled.thresholds[own] <= high.thresholds[own]).all()
    seen = whole.density > 0.05
    np.testing.assert_allclose(sampled.density[seen], whole.density[seen], rtol=0.35)


def test_a_small_text_is_used_whole_in_any_order(sparse: Reader) -> None:
    some = ["the fox", *texts(SPORT, 30, 3), *texts(SPORT, 10, 3), "the fox"]
    a, b = calibration(sparse, some), calibration(sparse, some[::-1])
    assert a.about["documents"] == a.about["drawn_from"] == 42 and a.about["read_whole"]
    assert a.table.equals(b.table)
    reader = sparse
    tokens = sum(p.n_tokens for p in reader.tokens.prepare(documents(some)))  # type: ignore[union-attr]
    assert a.about["tokens"] == tokens  # a text that repeats counts as often as it is there
    values: dict[int, list[float]] = {}
    for p in reader.tokens.prepare(documents(some)):
        entries = reader.token_entries(p)  # type: ignore[arg-type]
        for f, v in zip(entries.feature.tolist(), entries.value.tolist(), strict=True):
            values.setdefault(f, []).append(v)
    enough = [f for f, v in values.items() if len(v) >= 20]
    assert len(enough) > 10
    for f in enough:
        assert a.thresholds[f] == pytest.approx(np.percentile(values[f], 75), rel=1e-4)


# ---- the sample ------------------------------------------------------------------------------------------


def test_every_place_of_the_source_is_as_likely() -> None:
    drawn = sample(documents([f"text number {i}" for i in range(20_000)]), 1000, "assistant")
    tenths = Counter(d.position // 2000 for d in drawn)
    assert sorted(tenths) == list(range(10))
    # 1,000 of about one token to keep by, 100 a tenth: five standard errors
    assert sum(tenths.values()) == drawn.distinct
    expected = drawn.distinct / 10
    assert all(abs(n - expected) < 5 * expected**0.5 for n in tenths.values())


def test_the_sample_is_the_same_in_any_order_and_larger_budgets_extend_it() -> None:
    some = [f"text number {i}" * (1 + i % 7) for i in range(3000)]
    small, large = sample(documents(some), 200, "all"), sample(documents(some), 900, "all")
    assert kept(small) == kept(sample(documents(some[::-1]), 200, "all"))
    assert kept(large)[: small.distinct] == kept(small)
    assert small.read == 3000 and small.ended and not small.whole


def test_a_text_comes_once_before_any_comes_twice() -> None:
    some = ["I cannot help with that."] * 5000 + [f"text {i}" for i in range(300)]
    once = sample(documents(some), 400, "assistant")
    assert len({d.text for d in itertools.islice(once, 301)}) == 301
    assert Counter(kept(once))["I cannot help with that."] == 5000  # for who still has room
    crowded = sample(documents(some), 100, "assistant")
    assert len(set(kept(crowded)[: crowded.distinct])) == crowded.distinct


def test_what_the_model_reads_tells_documents_apart() -> None:
    def chat(*turns: tuple[str, str]) -> Document:
        return Document("0", "", None, tuple(Message(*t) for t in turns), {}, 0, "")

    some = [
        document("a"),
        Document("1", "a", "why?", None, {}, 1, ""),
        chat(("user", "a"), ("assistant", "b")),
        chat(("user", "a"), ("assistant", "c")),
        chat(("assistant", "a"), ("user", "b")),
        Document("9", "a", None, None, {"topic": "other"}, 9, "elsewhere"),
    ]
    found = sample(some, 100, "assistant")
    assert found.distinct == 5 and len(list(found)) == 6 and found.whole


def test_memory_is_bounded_by_the_budget() -> None:
    alive: list[weakref.ref[str]] = []

    class Text(str):
        """A string that can be watched."""

    most = 0

    def stream() -> Iterator[Document]:
        nonlocal most
        for i in range(5000):
            text = Text(f"text number {i} " + "x" * 400)
            alive.append(weakref.ref(text))
            yield Document(str(i), text, None, None, {"rest": "y" * 100}, i, "")
            del text
            if i % 500 == 0:
                most = max(most, sum(r() is not None for r in alive))

    found = sample(stream(), 300, "assistant")
    assert found.read == 5000
    assert most <= 300 and found.distinct <= 300
    assert all(not d.meta for d in found)


def test_an_endless_source_is_read_as_far_as_one_says() -> None:
    endless = (document(f"the fox {i}", i) for i in itertools.count())
    found = sample(endless, 50, "assistant", max_documents=700)
    assert (found.read, found.ended) == (700, False)
    assert next(endless).position == 700  # not one is read in vain
    exactly = sample(documents(["a", "b"]), 50, "assistant", max_documents=2)
    assert (exactly.read, exactly.ended) == (2, False)  # it cannot know
    [made] = calibrate(tiny().reader(), endless, max_tokens=100, max_documents=200).calibrations.values()
    assert made.about["drawn_from"] == 200 and not made.about["read_whole"]


@pytest.mark.parametrize("bound", [{"max_tokens": 0}, {"max_documents": 0}])
def test_bounds_are_at_least_one(bound: dict[str, int]) -> None:
    with pytest.raises(InputError, match="at least 1"):
        calibrate(tiny().reader(), documents(["the fox"]), **bound)  # type: ignore[arg-type]


# ---- what is told ----------------------------------------------------------------------------------------


def test_notes_say_what_the_thresholds_come_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_jsonl(tmp_path / "a.jsonl", [{"text": t} for t in two_topics()])
    source = open_documents(tmp_path / "a.jsonl")
    with warnings.catch_warnings():
        warnings.simplefilter("error", SaetextWarning)  # the whole source was read
        assert "800 documents of a.jsonl" in made_note(ready(tiny().reader(), source))
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "another cache"))
    monkeypatch.setattr(estimation, "calibrate", functools.partial(calibrate, max_documents=500))
    with pytest.warns(SaetextWarning, match="only the first") as caught:
        made = made_note(ready(tiny().reader(), source))
    [warning] = [str(w.message) for w in caught if "only the first" in str(w.message)]
    assert "500 documents of a.jsonl" in warning and "\n" not in warning
    assert "500 documents of a.jsonl" in made


def test_progress_ends_at_one_and_never_goes_back(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "a.jsonl", [{"text": f"the fox {i % 1500}"} for i in range(2500)])
    seen: list[Progress] = []
    ready(tiny().reader(), open_documents(tmp_path / "a.jsonl"), on_progress=seen.append)
    stages = list(dict.fromkeys(p.stage for p in seen))
    assert stages == ["sampling", "calibrating"]
    sampling, calibrating = ([p for p in seen if p.stage == stage] for stage in stages)
    assert [p.documents for p in sampling] == [1000, 2000]
    assert 0 < sampling[0].share < sampling[1].share < 1  # type: ignore[operator]
    shares = [p.share or 0.0 for p in calibrating]
    assert shares == sorted(shares) and shares[0] < 0.5 and shares[-1] == pytest.approx(1.0)
