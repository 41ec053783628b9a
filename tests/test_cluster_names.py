"""Names of clusters: words by an independent count, labels and traits only where they fit, no two alike."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from cluster_factory import LABELS, TOPICS, Stored, planted
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency

from saetext.analysis.clusters import cluster
from saetext.analysis.clusters.describing import Described, Telling
from saetext.analysis.clusters.names import words as cluster_words
from saetext.analysis.clusters.names.fitting_labels import READ, READ_OF_THEMES, fitting_labels
from saetext.analysis.clusters.names.halves import Reach, held_out, reaches
from saetext.analysis.clusters.names.naming import NOTHING, Evidence, names, shortened, vocabulary
from saetext.analysis.clusters.names.traits import Trait, traits
from saetext.analysis.clusters.names.words import LEAST_HELD, LEAST_Z, bare, repeats, stems, typical_words
from saetext.features.labels import FeatureLabel, FeatureLabels
from saetext.features.peaks import LocalEvidence, local_evidence
from saetext.reader import sentences
from saetext.text.inflection import base
from saetext.text.passages import printable


@pytest.fixture(autouse=True)
def _without_sentence_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentences, "available", lambda: False)


def telling(feature: int, score: float = 1.0, *, inside: float = 0.9, length: str = "no") -> Telling:
    return Telling(feature, inside, 0.1, 0.8, 0.7, 0.9, 0.0, 0.0, 0.8, 0.0, score, length)


# ---- words -------------------------------------------------------------------------------------------


def test_words_as_by_hand() -> None:
    rng = np.random.default_rng(0)
    rates = {"lemon": (0.8, 0.02), "harbour": (0.4, 0.1), "violin": (0.3, 0.3), "granite": (0.5, 0.05)}
    texts, members = [], [1] * 40 + [2] * 60 + [0] * 30
    for i, c in enumerate(members):
        # a full stop between words: no phrases
        drawn = [word for word, rate in rates.items() if rng.random() < rate[c != 1]]
        texts.append(". ".join([*drawn * int(rng.integers(1, 4)), str(i)]) + ".")
    held = held_out(texts, members)
    assert [int(held[np.array(members) == c].sum()) for c in (0, 1, 2)] == [15, 20, 30]
    found = dict(typical_words(texts, members, 2)[0])
    expected = {}
    for word in rates:
        roots, shares = [], []
        for half in (False, True):
            mine = [
                (c == 1, word in t) for t, c, h in zip(texts, members, held, strict=True) if bool(h) == half
            ]
            table = np.array([[mine.count((a, b)) for b in (True, False)] for a in (True, False)])
            ratio = chi2_contingency(table, correction=False, lambda_="log-likelihood")[0]
            share = (table[:, 0] + 0.5) / (table.sum(1) + 1)
            roots.append(np.sqrt(ratio) * np.sign(share[0] - share[1]))
            shares.append(share)
        if roots[0] >= LEAST_Z and roots[1] >= LEAST_HELD:
            expected[word] = shares[0][0] * np.log(shares[0][0] / shares[0][1])
    best = max(expected, key=expected.__getitem__)
    assert next(iter(found)) == best and found[best] == pytest.approx(expected[best])
    assert set(found) == set(expected) and len(found) >= 2 and "violin" not in found
    for word, score in found.items():  # less where a stronger word is in the same documents
        assert 0.5 * expected[word] - 1e-9 <= score <= expected[word] + 1e-9


def test_a_word_that_only_one_half_has_is_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    held = np.arange(80) % 2 == 1
    members = [1] * 40 + [2] * 40
    monkeypatch.setattr(cluster_words, "held_out", lambda texts, cluster: held)
    texts = ["tea. " + ("planted." if i % 2 == 0 else "") for i in range(40)] + ["coal."] * 40
    assert [word for word, _ in typical_words(texts, members, 2)[0]] == ["tea"]
    both = ["tea. " + ("planted." if i % 4 < 2 else "") for i in range(40)] + ["coal."] * 40
    assert [word for word, _ in typical_words(both, members, 2)[0]] == ["tea", "planted"]


def test_forms_of_a_word_are_one_and_a_phrase_stands_for_its_word() -> None:
    texts = [f"It {w} in {i}." for i, w in enumerate(["expires", "expired", "expire"] * 10)]
    texts += [f"{w} up {i}." for i, w in enumerate(["top", "topped", "topping"] * 10)]
    expire, top = typical_words(texts, [1] * 30 + [2] * 30, 2)
    assert [word for word, _ in expire] == ["expires"] or base(expire[0][0]) == base("expire")
    assert len(expire) == 1 and len(top) == 1 and top[0][0].endswith(" up")


def test_copies_are_on_one_side_and_few_texts_are_not_cut() -> None:
    texts = ["same"] * 50 + [f"text {i}" for i in range(30)] + ["a", "b", "c"]
    held = held_out(texts, [1] * 80 + [2] * 3)
    assert len(set(held[:50].tolist())) == 1 and 14 <= held[50:80].sum() <= 16 and not held[80:].any()


def test_reach_is_counted_in_held_out_texts_in_any_form() -> None:
    texts = ["it expires", "an expired card", "lost", "a card is lost", "tea"]
    held = np.array([True, True, False, True, True])
    (one, none) = reaches(texts, [1, 1, 1, 2, 0], held, [["expire", "lost", "card"], []])
    assert one is not None and none is None
    assert one.inside.tolist() == [[True, False, False], [True, False, True]]
    assert one.outside.tolist() == [[False, True, True], [False, False, False]]
    assert one.of([0]) == (1.0, 0.0) and one.of([1, 2]) == (0.5, 0.5) and one.of([]) == (0.0, 0.0)


def test_a_name_that_held_out_members_do_not_bear_out_is_marked() -> None:
    rare = Reach(np.arange(20)[:, None] < [2, 1, 1, 1, 0], np.zeros((30, 5), bool))
    one = Evidence(Described((), ()), WORDS, (), {}, vocabulary(TEXTS), rare)
    assert names([one], JOBS) == ["mixed: cover letter, job, skills"]
    asked = Trait("sign", "question mark", 0.9, 0.2, 1.0)
    what = Trait("opening", 'begins with "What"', 0.7, 0.02, 1.0)
    asking = replace(one, traits=[asked, what])
    assert names([asking], JOBS) == ["questions · cover letter, job"]
    assert names([replace(asking, words=(), reach=None)], JOBS) == ['questions · begins with "What"']
    often = Reach(np.ones((20, 5), bool), np.ones((30, 5), bool))  # as many of the others
    assert names([replace(one, reach=often)], JOBS)[0].startswith("mixed: ")
    good = Reach(np.ones((20, 5), bool), np.zeros((30, 5), bool))
    assert names([replace(one, reach=good)], JOBS) == ["cover letter, job, skills"]


def test_a_word_that_all_have_is_in_no_name_beside_others() -> None:
    outside = np.zeros((30, 5), bool)
    outside[:14, 1] = True  # "job" is in nearly half of the others
    reach = Reach(np.ones((20, 5), bool), outside)
    one = Evidence(Described((), ()), WORDS, (), {}, vocabulary(TEXTS), reach)
    assert names([one], JOBS) == ["cover letter, skills, role"]
    alone = replace(one, words=WORDS[1:2], reach=Reach(reach.inside[:, 1:2], outside[:, 1:2]))
    assert names([alone], JOBS) == ["job"]


def test_a_theme_of_more_members_than_words_leads() -> None:
    some = Reach(np.arange(20)[:, None] < [4, 4, 9, 1, 0], np.zeros((30, 5), bool))
    held = {0: replace(NOT, at={"paid": 0.9, "x": 0.1}), 1: replace(NOT, at={"jobs": 0.8, "y": 0.2})}
    one_word = {0: held[0], 1: replace(NOT, at={"paid": 1.0})}
    work = Trait("theme", "Work and careers", 0.55, 0.05, 2.0, (0, 1))
    one = Evidence(Described((), ()), WORDS, [work], held, vocabulary(TEXTS), some)
    assert names([one], JOBS) == ["Work and careers · cover letter, job"]
    assert names([replace(one, local=one_word)], JOBS) == ["cover letter, job, skills"]
    assert names([replace(one, traits=[replace(work, outside=0.2)])], JOBS) == ["cover letter, job, skills"]
    many = Reach(np.arange(20)[:, None] < [12, 4, 9, 1, 0], np.zeros((30, 5), bool))
    assert names([replace(one, reach=many)], JOBS) == ["cover letter, job, skills"]
    rare = Reach(np.arange(20)[:, None] < [2, 1, 1, 1, 0], np.zeros((30, 5), bool))
    assert names([replace(one, reach=rare)], JOBS) == ["Work and careers · cover letter, job"]
    steps = Trait("property", "instructions in steps", 0.7, 0.1, 2.0)
    assert names([replace(one, traits=[steps])], JOBS) == ["instructions in steps · cover letter, job"]


def test_a_phrase_with_a_word_twice_is_a_piece_of_a_list() -> None:
    texts = [f"very good, somewhat good, somewhat bad {i}" for i in range(20)]
    found = typical_words([*texts, *(f"the card is lost {i}" for i in range(20))], [1] * 20 + [2] * 20, 2)
    told = [word for word, _ in found[0]]
    assert told and all(len({base(w) for w in word.split()}) == len(word.split()) for word in told)
    doors = [f"a door-to-door sale {i}" for i in range(20)]
    found = typical_words([*doors, *texts], [1] * 20 + [2] * 20, 2)
    assert found[0][0][0].startswith("door-to-door")


@pytest.mark.parametrize(
    ("forms", "other"),
    [
        (("expire", "expires", "expired", "Expiring"), "expert"), (("currency", "currencies"), "current"),
        (("top", "tops", "topped", "topping"), "topic"), (("new",), "news"), (("bus", "buses"), "busy"),
        (("child's", "child"), "chill"),
    ],
)  # fmt: skip
def test_forms_have_one_key(forms: tuple[str, ...], other: str) -> None:
    assert len({base(word) for word in forms}) == 1 and base(other) != base(forms[0])


def test_words_without_texts_and_of_one_cluster() -> None:
    assert typical_words(["", "?"], [1, 2], 2) == [(), ()]
    assert typical_words(["tea time"] * 9, [1] * 9, 1) == [()]  # there is nothing to be set apart from
    assert typical_words(["tea"] * 9 + ["coal"] * 9, [1] * 9 + [0] * 9, 1)[0][0][0] == "tea"
    assert typical_words(["tea"] * 9 + ["coal"] * 9, [1] * 9 + [3] * 9, 3)[1] == ()


@pytest.mark.parametrize(
    ("phrase", "left"),
    [
        ("of the exchange rate", "exchange rate"), ("I want to top up", "top up"), ("top up my", "top up"),
        ("the Earth's", "Earth"), ("moon’s orbit", "moon’s orbit"), ("I'm", ""), ("000", ""), ("the", ""),
        ("UK", "UK"), ("hi", ""), ("日本", "日本"), ("一", ""), ("a a bank a", "bank"),
        ("the system", "system"),        ("what, the computer", "computer"), ("percent in", "percent"),
    ],
)  # fmt: skip
def test_what_is_left_of_a_phrase(phrase: str, left: str) -> None:
    assert bare(phrase) == left


@given(st.text("ab the'’,-日本 of", max_size=30))
def test_what_is_left_is_a_part(phrase: str) -> None:
    assert bare(phrase) in phrase


def test_pieces_that_repeat_each_other() -> None:
    assert repeats("card", "lost cards") and repeats("travelling", "travels")
    assert not repeats("card", "the cat") and not repeats("of the", "the")
    assert stems("jobs and the work") == {"jobs", "work"}


# ---- names -------------------------------------------------------------------------------------------

PARTS = st.sampled_from(
    [
        "a",
        "A",
        "a (2)",
        "A (3)",
        "cluster 2",
        "tea",
        "Tea",
        "日本",
        "x · y",
        "b, a",
        "a, b",
        "\x1b[0m",
        NOTHING,
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.lists(PARTS, max_size=3), st.lists(PARTS, max_size=5)), max_size=8))
@example([(["a"], []), (["a (3)"], []), (["a"], [])])
@example([([NOTHING + " (2)"], []), ([], []), ([], [])])
def test_no_two_names_are_alike(drawn: list[tuple[list[str], list[str]]]) -> None:
    rows, evidence = [], []
    for told, typical_of in drawn:
        mine = []
        for text in told:
            rows.append(FeatureLabel(len(rows), text or "?"))
            mine.append(telling(len(rows) - 1))
        words = tuple((printable(word), 0.5) for word in typical_of if word)
        evidence.append(Evidence(Described(tuple(mine), ()), words))
    found = names(evidence, FeatureLabels.from_rows(rows))
    assert len(found) == len(drawn)
    assert len({name.casefold() for name in found}) == len(found)
    assert all(name.strip() and name.isprintable() for name in found)


FITS, NOT = LocalEvidence(("paid",), 0.9, 0.9, True), LocalEvidence(("gun",), 0.9, 0.2, False)
JOBS = FeatureLabels.from_rows(
    [
        FeatureLabel(0, "salaries and pay"), FeatureLabel(1, "weapons and strings"),
        FeatureLabel(2, 'the word "job"'), FeatureLabel(3, "pay, blame and guilt"),
        FeatureLabel(4, "letters, letter and lettered"),
    ]
)  # fmt: skip
WORDS = (("cover letter", 3.0), ("job", 1.0), ("skills", 0.4), ("role", 0.3), ("rare", 0.01))
TEXTS = ["weapons and strings of a job", "salaries and pay for letters"]


def named(*features: Telling, local: dict[int, LocalEvidence], words: tuple = WORDS, **more: object) -> str:
    one = Evidence(Described(features, ()), words, more.get("traits", ()), local, vocabulary(TEXTS))
    return names([one], JOBS)[0]


def test_a_label_that_does_not_fit_is_no_name() -> None:
    both = {0: FITS, 1: NOT}
    assert named(telling(1, 9.0), telling(0), local=both) == "cover letter, job, skills · salaries and pay"
    assert named(telling(1, 9.0), local=both) == "cover letter, job, skills"
    assert named(telling(0), local={}) == "cover letter, job, skills"  # nobody looked
    # it fits, but one of its words is in none of the texts; it tells of length; too few documents have it
    assert named(telling(3), local={3: FITS}) == "cover letter, job, skills"
    assert named(telling(0, length="yes"), local=both) == "cover letter, job, skills"
    assert named(telling(0, inside=0.2), local=both) == "cover letter, job, skills"
    # it speaks of one word, or of forms of one word
    assert named(telling(2), telling(4), local={2: FITS, 4: FITS}, words=()) == NOTHING


def test_a_trait_is_said_if_it_adds_something_and_holds() -> None:
    work = Trait("theme", "Work and careers", 0.9, 0.1, 2.0, (0, 1, 2))
    held = {0: FITS, 2: LocalEvidence(("salary",), 0.9, 0.9, True), 1: NOT}
    assert named(local=held, traits=[work]) == "cover letter, job, skills · Work and careers"
    assert named(local={0: FITS, 1: NOT}, traits=[work]) == "cover letter, job, skills"  # by one feature
    same = {0: held[2], 1: NOT, 2: LocalEvidence(("salaries",), 0.9, 0.9, True)}  # by one word's features
    assert named(local=same, traits=[work]) == "cover letter, job, skills"
    assert named(local=held, traits=[Trait("mark", "job", 1, 0, 2)]) == "cover letter, job, skills"
    code = Trait("property", "program code", 0.9, 0.1, 2.0)
    assert named(telling(0, 1.0), local=held, traits=[code, work]).endswith(" · program code")
    short = Trait("length", "short texts", 0.95, 0.05, 0.0)
    assert named(local={}, traits=[short]) == "cover letter, job, skills"
    assert named(local={}, traits=[short], words=()) == "short texts"
    quotes = Trait("sign", "quotation", 0.9, 0.1, 2.0)
    assert named(local={}, traits=[quotes, short]) == "cover letter, job, skills"
    assert named(local={}, traits=[quotes, short], words=()) == "quotation"


def test_clusters_of_the_same_words_get_more_of_them_and_one_of_none_says_so() -> None:
    one, two = (("payment", 2.0), ("pending", 1.0)), (("pending", 2.0), ("payment", 1.0), ("days", 0.1))
    evidence = [Evidence(Described((), ()), words) for words in (one, two, (), ())]
    assert names(evidence, JOBS) == [
        "payment, pending", "pending, payment, days", NOTHING, f"{NOTHING} (4)"
    ]  # fmt: skip


def test_without_texts_labels_are_names() -> None:
    described = Described((telling(0, 0.9), telling(1, 0.8), telling(2, 0.7)), ())
    assert names([Evidence(described)], JOBS) == ["salaries and pay · weapons and strings"]
    assert shortened('the word "job"') == '"job"'
    assert shortened("loose: " + "many words, " * 9) == "many words, many words, many words"
    assert len(shortened("x" * 200)) == 41
    assert shortened("hedged possibility (might, probably, perhaps)") == "hedged possibility"
    assert shortened("short (a, b), then a longer list, of things") == "short (a, b), then a longer list"


# ---- traits and features -----------------------------------------------------------------------------


def _of(texts: list[str], tokens: list[int]) -> Stored:
    corpus = Stored(np.ones((len(texts), 2)), told=texts)
    corpus.frame = corpus.frame.with_columns(pl.Series("n_tokens", tokens))
    return corpus


def test_marks_and_length_that_set_a_cluster_apart() -> None:
    rng = np.random.default_rng(1)
    lists = ["Buy:\n- milk\n- eggs\n- tea"] * 30
    plain = ["Some milk and eggs are here."] * 60
    member = np.array([1] * 30 + [2] * 30 + [0] * 30, np.int32)
    equal = rng.integers(20, 60, 90).tolist()
    first, second = traits(_of(lists + plain, equal), "main", member, 2, np.arange(90), lists + plain)
    assert ("mark", "bullet list") in {(t.kind, t.name) for t in first}
    assert ("opening", 'begins with "Buy"') in {(t.kind, t.name) for t in first}
    assert not second and not any(t.kind == "length" for t in first)
    mark = next(t for t in first if t.name == "bullet list")
    assert (mark.inside, mark.outside) == (1, 0)
    assert mark.score == pytest.approx(30.5 / 31 * np.log((30.5 / 31) / (0.5 / 61)))

    tokens = [*range(100, 130), *range(10, 70, 2), *range(11, 71, 2)]
    first, second = traits(_of(plain + plain[:30], tokens), "main", member, 2, np.arange(90), None)
    assert [(t.kind, t.name, t.inside) for t in first] == [("length", "long texts", 1.0)]
    longer = np.mean([a > b for a in tokens[30:60] for b in tokens[:30] + tokens[60:]])
    assert max(longer, 1 - longer) < 0.9 and second == []


def test_labels_are_judged_in_the_clusters_own_texts() -> None:
    corpus = planted(300, seed=3)
    topic = np.array([TOPICS.index(t) for t in corpus.frame["topic"].to_list()])
    rows = [np.flatnonzero(topic == c)[:40] for c in (0, 1)]
    described = [Described(tuple(telling(f) for f in range(c * 6, c * 6 + 20)), ()) for c in (0, 1)]
    theme = Trait("theme", "t", 1.0, 0.0, 1.0, tuple(range(40)))
    found = fitting_labels(corpus, "main", described, rows, [[], [theme]], LABELS, lambda *_: None)
    assert [len(one) for one in found] == [READ, min(20, READ + READ_OF_THEMES)]
    for c, mine in enumerate(rows):
        alone = local_evidence(
            [corpus.take(mine)], "main", np.array(sorted(found[c])), np.ones(len(mine), bool), labels=LABELS
        )
        assert found[c] == alone


def test_names_of_planted_topics() -> None:
    corpus = planted(300, seed=2, tones=False)
    result = cluster(corpus, labels=LABELS, semantic=False, truth="topic", min_cluster_size=12)
    assert result.metrics["ari"] > 0.9
    for row in result.table.iter_rows(named=True):
        ids = result.documents.filter(pl.col("cluster") == row["cluster"])["row"].to_list()
        topic = Counter(corpus.frame["topic"].gather(ids).to_list()).most_common(1)[0][0]
        assert row["name"].split(",")[0].split(" · ")[0] == topic
        assert not any(other in row["name"] for other in TOPICS if other != topic)
