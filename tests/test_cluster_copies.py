"""Identical and nearly identical texts: one place, one cluster, and no other cluster changed by them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from cluster_factory import Stored, planted
from sklearn.metrics import adjusted_rand_score

from saetext.analysis.clusters import ClusterResult, cluster
from saetext.analysis.clusters.repeats import nearly_repeated
from saetext.corpus.protocol import Ints
from saetext.reader import sentences
from saetext.text.skeletons import skeleton

NAMES = ("Anna", "Ben", "Carla", "David Lee", "Elena")


@pytest.fixture(autouse=True)
def _without_sentence_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentences, "available", lambda: False)


def told(copies: int, near: bool) -> list[str]:
    """Refusals: all the same, or with another name and number each."""
    if not near:
        return ["I'm sorry, but I can't help with that request."] * copies
    return [
        f"I'm sorry, {NAMES[i % 5]}, but I can't help with request number {i * 37 % 1000}."
        for i in range(copies)
    ]


def pile(copies: int, others: int, *, near: bool = False, features: bool = True) -> Stored:
    """A planted corpus with refusals behind it, which have three features of their own and some by chance."""
    corpus = planted(others + copies, seed=5, tones=False)
    rng = np.random.default_rng(1)
    value = corpus.value.copy()
    value[others:] = 0
    value[others:, -8:-5] = 1
    if near and features:
        value[others:, -5:] = (rng.random((copies, 5)) < 0.4) * rng.uniform(0.8, 1.2, (copies, 5))
    texts = [*corpus.frame["text"].to_list()[:others], *told(copies, near)]
    topics = [*corpus.frame["topic"].to_list()[:others], *["refusal"] * copies]
    return Stored(value, told=texts, n_tokens=[9] * len(texts), meta={"topic": topics})


def found(corpus: Stored) -> tuple[ClusterResult, np.ndarray, np.ndarray]:
    result = cluster(corpus, semantic=False, seed=0)
    refusal = (corpus.frame["topic"] == "refusal").to_numpy()
    return result, result.documents["cluster"].to_numpy(), refusal


@pytest.mark.parametrize("near", [False, True])
@pytest.mark.parametrize(("copies", "others"), [(270, 60), (20, 300), (150, 150)])
def test_copies_are_one_cluster_and_leave_the_others_alone(copies: int, others: int, near: bool) -> None:
    result, number, refusal = found(pile(copies, others, near=near))
    (mine,) = set(number[refusal].tolist())
    assert mine > 0 and not (number[~refusal] == mine).any()
    known = ~refusal & (number > 0)
    topic = pile(copies, others, near=near).frame["topic"].to_numpy()
    assert known.sum() > 0.85 * others and adjusted_rand_score(topic[known], number[known]) > 0.8
    what = "are the same text but for numbers and names" if near else "are the same text:"
    assert any(note.startswith(f"{copies} documents {what}") for note in result.notes)


def test_copies_change_no_size() -> None:
    few, many = found(pile(0, 200))[0], found(pile(2000, 200))[0]
    assert few.params["min_cluster_size"] == many.params["min_cluster_size"]


def test_what_is_nearly_the_same() -> None:
    texts = [*told(12, near=True), *told(3, near=False), "Where is Rome?", "Where is Oslo?"]
    corpus = Stored(np.zeros((len(texts), 60), np.float32), told=texts)
    assert [same.tolist() for same in nearly_repeated(corpus, np.arange(len(texts)), 5)] == [list(range(12))]
    assert nearly_repeated(corpus, np.arange(len(texts)), 13) == []
    assert len({skeleton(text) for text in told(12, near=True)}) == 1
    assert skeleton("Please send Anna the 12 books now.") != skeleton("Please send Anna the 12 cards now.")


def asked(things: Sequence[str]) -> list[Ints]:
    texts = [f"How do I get a new {thing} when mine was lost on the way home?" for thing in things]
    return nearly_repeated(Stored(np.zeros((len(texts), 60)), told=texts), np.arange(len(texts)), 2)


def test_topics_are_not_taken_for_copies() -> None:
    """One sentence about other things, which are words: with names or numbers for things it is copied."""
    assert asked(["card", "phone", "passport", "key", "ticket", "coat"]) == []
    assert [same.tolist() for same in asked(["number 12", "number 7", "number 31"])] == [[0, 1, 2]]
    assert [same.tolist() for same in asked(["Visa", "Maestro", "visa"])] == [[0, 1]]
