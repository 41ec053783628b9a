"""The benchmark of true first screens: what is planted is there, and scores are those counted by hand."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from benchmark_modules import BENCHMARKS, importing
from hypothesis import given, settings
from hypothesis import strategies as st

SHARED = BENCHMARKS.parents[1] / "shared" / "data"
SENTENCES = (
    "The ferry leaves at nine.",
    "Nobody had swept the yard since spring.",
    "Two boats lay on the sand.",
    "Her brother sells maps.",
    "They walked along the wall until noon.",
    "Rain fell on the roofs all day long.",
)


@pytest.fixture(scope="module")
def load() -> Iterator[Any]:
    with importing() as load:
        yield load


@pytest.fixture(scope="module")
def plants(load: Any) -> ModuleType:
    return load("truth_plants")


@pytest.fixture(scope="module")
def cases(load: Any) -> ModuleType:
    return load("truth_cases")


@pytest.fixture(scope="module")
def scoring(load: Any) -> ModuleType:
    return load("truth_scoring")


def texts(n: int, seed: int = 0) -> list[str]:
    rng = Random(seed)
    return [" ".join(f"{s[:-1]} {at}{j}." for j, s in enumerate(rng.sample(SENTENCES, 5))) for at in range(n)]


class Pools:
    """Stands for the folder of texts."""

    def pool(self, name: str) -> list[str]:
        return texts(900)


# ---- planting --------------------------------------------------------------------------------------------

#: What tells a plant in the synthetic texts above, written apart from what is tested.
SEEN = {
    "bold": r"\*\*[a-zA-Z]+\*\*",
    "bullets": r"(?m)^- ",
    "numbered": r"(?m)^1\. ",
    "heading": r"\A## \w",
    "exclamation": "!",
    "emoji": r"[^\x00-\x7f]",
    "closing question": r"\?\Z",
    "code": r"(?s)```.+```\Z",
    "capitals": r"\b[A-Z]{4,}\b",
    "quotation": r'"\w+"',
    "unfortunately": r"\AUnfortunately, [a-z]",
    "honestly": r"\ATo be honest, [a-z]",
    "hope": r"\. I hope this helps!\Z",
    "thanks": r"\AThanks for asking\. [A-Z]",
    "note": r"It is important to note",
}


def test_every_plant_is_in_as_many_texts_as_were_asked_for(plants: ModuleType, cases: ModuleType) -> None:
    before = texts(120)
    for name, plant in plants.PLANTS.items():
        after = cases.spread(before, plant, 37, Random(1))
        changed = [new for old, new in zip(before, after, strict=True) if old != new]
        assert sum(map(plant.present, after)) == len(changed) == 37, name
        assert not any(map(plant.present, before)), name
        if name in SEEN:
            assert sum(re.search(SEEN[name], text) is not None for text in after) == 37, name
        assert plant.kind != "habit" or len({plant.put("A. B.", Random(n)) for n in range(99)}) > 9, name


def test_a_plant_only_adds(plants: ModuleType) -> None:
    """The words of the text stay, in their order."""

    def words(text: str) -> list[str]:
        return re.findall(r"[a-z]+", text.lower())

    for name, plant in plants.PLANTS.items():
        for seed, text in enumerate(texts(20)):
            left = iter(words(plant.put(text, Random(seed))))
            assert all(word in left for word in words(text)), name


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="aB .!?\n`\"'*é", max_size=60), st.integers(0, 9))
def test_any_text_can_be_planted(text: str, seed: int) -> None:
    from truth_plants import PLANTS  # on the path: the fixtures of this module stand before it

    for plant in PLANTS.values():
        assert isinstance(plant.put(text, Random(seed)), str)


def test_sentences_go_between_sentences_and_not_into_code(plants: ModuleType) -> None:
    text = "One is here. Two is there.\n```\na. b. C\n```\nThree ends"
    made = {plants.insert(text, "NEW.", "middle", Random(n)) for n in range(60)}
    assert made == {
        text.replace("here. Two", "here. NEW. Two"),
        text.replace("there.\n", "there. NEW.\n"),
        text.replace("```\nThree", "``` NEW.\nThree"),
    }
    assert plants.insert("One", "NEW.", "middle", Random(0)) == "One. NEW."
    assert plants.insert("I am", "Sadly,", "opening", Random(0)) == "Sadly, I am"
    assert plants.insert("It is", "Sadly,", "opening", Random(0)) == "Sadly, it is"


# ---- cases -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("points", "base", "n"), [(8, 0, 250), (20, 5, 150), (50, 10, 150)])
def test_a_planted_difference_has_its_strength(cases: ModuleType, points: int, base: int, n: int) -> None:
    made = cases.planted("praise", "any", points, base=base, n=n).texts(Pools())
    again = cases.planted("praise", "any", points, base=base, n=n).texts(Pools())
    assert made == again
    assert len(made.a) == len(made.b) == n
    assert len({row["text"] for row in made.a + made.b}) == 2 * n
    assert {100 * made.truth["a"], 100 * made.truth["b"]} == {base + points, base} or abs(
        abs(made.truth["a"] - made.truth["b"]) - points / 100
    ) < 1 / n


def test_planted_pairs_have_their_four_counts(cases: ModuleType) -> None:
    made = cases.together("medicine", "hope", "any", 20, 30).texts(Pools())
    assert made.truth == {"n": 400, "n_a": 50, "n_b": 50, "n_ab": 20} and not made.b
    made = cases.apart("medicine", "hope", "any", 40).texts(Pools())
    assert made.truth["n_a"] == made.truth["n_b"] == 40 and made.truth["n_ab"] < 12  # 4 by chance


def test_length_is_all_that_differs(cases: ModuleType) -> None:
    for case in (cases.joined("any", 3), cases.chosen("any")):
        made = case.texts(Pools())
        assert made.truth["a"] > made.truth["b"]
        assert not set(cases.rows([], "a")) and {r["id"] for r in made.a}.isdisjoint(r["id"] for r in made.b)
    assert made.truth["a"] == sum(len(r["text"].split()) for r in made.a) / len(made.a)


def test_a_text_is_cut_at_the_end_of_a_sentence(load: Any) -> None:
    shortened = load("truth_texts").shortened
    assert shortened("One two three. Four five. Six.", 5) == "One two three. Four five."
    assert shortened("One two three. Four five. Six.", 4) == "One two three."
    assert shortened("One two three four", 2) == "One two three four"
    assert shortened("- a b\n- c d\n- e f", 6) == "- a b\n- c d"
    pieces = load("truth_texts")._pieces(" ".join(SENTENCES), 12)
    assert " ".join(pieces) == " ".join(SENTENCES) and len(pieces) > 2


def test_halves_are_fixed_by_name_and_even_within_each_kind(load: Any, cases: ModuleType) -> None:
    every = load("truth_list").CASES
    of = cases.halves(every)
    assert len(of) == len(every) == len({case.name for case in every})
    counts = Counter((case.kind, of[case.name]) for case in every)
    for kind in {case.kind for case in every}:
        assert abs(counts[kind, "dev"] - counts[kind, "test"]) <= 1
    assert cases.halves(every[::-1]) == of
    assert Counter(case.verb for case in every)["diff"] >= 40
    assert Counter(case.verb for case in every)["correlate"] >= 20
    run = load("truth")
    dev, test = (run.wanted(every, half, None, quick=False) for half in ("dev", "test"))
    assert sorted(c.name for c in dev + test) == sorted(of)
    assert {c.kind for c in run.wanted(every, "all", "^null-|topic", quick=False)} == {"null", "topic"}
    assert max(Counter(c.kind for c in run.wanted(every, "all", None, quick=True)).values()) == 2


# ---- scores ----------------------------------------------------------------------------------------------


def made_of(first: list[str], second: list[str], **truth: float) -> Any:
    sides = [[{"text": text} for text in side] for side in (first, second)]
    return SimpleNamespace(a=sides[0], b=sides[1], truth=truth)


def case_of(cases: ModuleType, kind: str, *items: Any) -> Any:
    return cases.Case("x", kind, lambda data, rng: None, items)


def test_a_claim_that_can_be_counted_is_counted(scoring: ModuleType) -> None:
    a = ["Well, but I see **it**!"] * 6 + ["no"] * 4  # "but" in 60 %
    b = ["but no"] * 2 + ["no"] * 8  # and in 20 %

    def holds(name: str, kind: str, diff: float) -> bool | None:
        return scoring.holds(scoring.Row(name, kind, diff, "no"), a, b)

    assert holds("but", "word", 0.4) and holds('"but" and others', "feature", 0.4)
    assert holds('the word "but"', "feature", 1.59) and not holds("but", "word", 1.61)
    assert not holds("but", "word", -0.4)
    assert holds('"I" in talk', "feature", 0.6) and not holds("i see **it**? never", "word", 0.6)
    assert holds("bold", "format", 0.6) and not holds("heading", "format", 0.6)
    assert holds("exclamation mark", "format", 0.6) and holds("longer than the median", "format", 0.6)
    assert holds("ends with a question mark", "format", 0.6) is False
    assert holds("flowery prose", "feature", 0.6) is None and holds("bold", "feature", 0.6) is None


def test_the_first_row_that_names_the_truth_counts_and_what_stands_above_it(
    cases: ModuleType, scoring: ModuleType
) -> None:
    item = cases.Item((r"\bhop(e|ing)\b",), (r"\bwish",), frozenset({"helps"}))
    made = made_of(["I hope this helps because"] * 6 + ["so"] * 4, ["because"] * 10, a=0.6, b=0.0)
    rows = [
        scoring.Row("wishes", "feature", 0.5, "no"),  # related
        scoring.Row("giving helpsheets", "feature", 0.5, "no"),  # a word of it
        scoring.Row('"because" in talk', "feature", 0.3, "no"),  # counted, and the other way round
        scoring.Row("flowery prose", "theme", 0.3, "no"),  # only the plant differs
        scoring.Row("hope and earnestness", "feature", -0.3, "no"),  # the wrong way round
        scoring.Row("hope", "word", 0.6, "yes"),
    ]
    planted = case_of(cases, "phrase", item)
    got, verdicts = scoring.score(planted, rows, made, 3)
    assert verdicts == ["true", "true", "false", "false", "false", "truth"]
    assert (got.rank, got.false_above, got.length_right, got.right) == (6, 3, False, False)
    natural = case_of(cases, "natural", item)
    got, verdicts = scoring.score(natural, rows, made, 3)
    assert verdicts == ["true", "true", "false", "unchecked", "false", "truth"] and got.unchecked_above == 1
    best = scoring.Row("hope", "word", 0.6, "no")
    assert scoring.score(planted, [rows[0], best, *rows[2:]], made, 3)[0].right
    assert scoring.score(planted, [scoring.Row("hope", "word", 0.6, "unclear")], made, 3)[0].right
    got, _ = scoring.score(planted, rows[:2] + [rows[3]] * 9 + [best], made, 3)  # beyond the tenth
    assert (got.rank, got.false_above, got.right) == (None, 8, False)


def test_nothing_may_be_confirmed_where_nothing_differs(cases: ModuleType, scoring: ModuleType) -> None:
    null, made = case_of(cases, "null"), made_of(["a"], ["b"])
    assert scoring.score(null, [], made, 0)[0].right
    got, verdicts = scoring.score(null, [scoring.Row("x", "feature", 0.1, "no", False)], made, 0)
    assert got.right and got.false_above == 0 and verdicts == ["false"]
    got, _ = scoring.score(null, [scoring.Row("x", "feature", 0.1, "no", True)], made, 1)
    assert not got.right and got.false_above == 1


def test_what_length_explains_has_to_be_flagged(cases: ModuleType, scoring: ModuleType) -> None:
    case, made = case_of(cases, "length", cases.LENGTH), made_of(["a b"], ["b"], a=80.0, b=40.0)

    def score(*flags: str, first: str = "prose") -> Any:
        rows = [scoring.Row(first if not at else "x", "feature", 0.2, flag) for at, flag in enumerate(flags)]
        return scoring.score(case, rows, made, 1)[0]

    assert score("yes", "yes").right and score("yes", "unclear").right
    assert score("yes", "no").false_above == 1 and not score("yes", "no").right
    assert score("no", "yes", first="longer than the median").right  # naming it says it
    assert score("no", first="longer than the median").length is None
    assert not score().right and score().rank is None
    wrong = scoring.Row("longer than the median", "format", -0.2, "no")
    assert not scoring.score(case, [wrong], made, 1)[0].right


def test_a_pair_has_to_name_both(cases: ModuleType, scoring: ModuleType) -> None:
    case = case_of(cases, "pair", cases.Item(("hope",), (), frozenset({"helps"})), cases.Item(("medic",)))

    def row(one: str, other: str) -> Any:
        return scoring.Row(f"{one} + {other}", "feature", 0.5, None, True, (one, other))

    made = made_of(["red and blue", "red and blue", "red", "green", "green blue", "grey"], [])
    for parts, verdict in {
        ("medicine", "hope and fear"): "truth",
        ("hope and fear", "what helps"): "false",  # the same thing twice
        ("what helps", "medicine"): "true",
        ("hope", "commas"): "unchecked",
        ('the word "red"', 'the word "blue"'): "true",
        ('the word "red"', 'the word "green"'): "false",
    }.items():
        assert scoring.score(case, [row(*parts)], made, 1)[1] == [verdict], parts
    assert scoring.score(case, [row("commas", "x"), row("hope", "medicine")], made, 1)[0].right
    chance = case_of(cases, "apart", *case.items)
    assert scoring.score(chance, [row("commas", "x")], made, 1)[0].right
    assert not scoring.score(chance, [row("hope", "medicine")], made, 1)[0].right


# ---- what a screen shows ---------------------------------------------------------------------------------


def test_rows_of_todays_results(scoring: ModuleType) -> None:
    def finding(**row: Any) -> Any:
        return SimpleNamespace(row=row)

    def differs(label: str, **row: Any) -> Any:
        usual = {"diff": 0.2, "q": 0.01, "confirmed": False, "explained_by_length": "not separable"}
        return finding(**{"label": label, **usual, **row})

    result = SimpleNamespace(
        n_confirmed=2,
        grouped=lambda: [
            differs("a"),
            differs("b", q=0.2),
            differs("c", q=0.2, confirmed=True),
            differs("d", explained_by_length=None),
        ],
    )
    rows = scoring.first_rows(result)
    assert [(r.name, r.length, r.confirmed) for r in rows] == [
        ("a", "unclear", False),
        ("c", "unclear", True),
        ("d", "no", False),
    ]
    assert len(scoring.first_rows(result, 2)) == 2 and scoring.n_confirmed(result) == 2
    pair = {"label_a": "a", "label_b": "b", "q": 0.0, "confirmed": True, "hidden": None}
    result = SimpleNamespace(grouped=lambda: [finding(npmi=v, **pair) for v in (0.3, -0.3)])
    [row] = scoring.first_rows(result)
    assert row.parts == ("a", "b") and row.name == "a + b" and row.diff == 0.3


def test_rows_of_a_list_of_pairs(scoring: ModuleType) -> None:
    import polars as pl

    found = pl.DataFrame(
        {
            "name": ["“a” + list", "“b” + list"], "kind": ["mixed", "mixed"], "name_a": ["“a”", "“b”"],
            "name_b": ["list", "list"], "npmi": [0.5, -0.2], "q": [0.0, 0.0], "confirmed": [True, True],
        }
    )  # fmt: skip
    [row] = scoring.first_rows(SimpleNamespace(found=found, kind="correlate"))
    assert (row.diff, row.length, row.parts) == (0.5, None, ("“a”", "list"))


def test_rows_of_a_list_of_findings(scoring: ModuleType) -> None:
    import polars as pl

    found = pl.DataFrame(
        {
            "name": ["bold", "hope", "list"],
            "kind": ["format", "word", "format"],
            "rate_a": [0.5, 0.2, 0.1],
            "rate_b": [0.1, 0.1, 0.0],
            "diff": [0.4, 0.1, 0.1],
            "q": [0.0, 0.01, 0.4],
            "confirmed": [True, False, False],
            "length": ["no", "unclear", "no"],
        }
    )
    result = SimpleNamespace(found=found, kind="diff")
    rows = scoring.first_rows(result)
    assert [(r.name, r.kind, r.diff, r.length, r.confirmed) for r in rows] == [
        ("bold", "format", 0.4, "no", True),
        ("hope", "word", 0.1, "unclear", False),
    ]
    assert scoring.n_confirmed(result) == 1


def test_one_case_from_texts_to_the_saved_table(
    load: Any, cases: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    run = load("truth")
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))
    case = cases.planted("medicine", "any", 50, n=40)
    [one] = run.run([case], Pools())
    assert one["truth"] in ({"a": 0.5, "b": 0.0}, {"a": 0.0, "b": 0.5}) and one["documents"] == [40, 40]
    assert len(one["rows"]) == len([r["is"] for r in one["rows"]]) <= 10
    assert one["rank"] is None or one["rows"][one["rank"] - 1]["is"] == "truth"
    head, line = run.table([one])
    assert len(head) == len(line) and line[0] == case.name
    assert run.by_kind([one])[-1][:2] == ["all", 1]
    assert case.name in capsys.readouterr().out
    saved = tmp_path / "truth.json"
    load("common").save(saved, "dev", {"cases": [one]})
    run.main(["--markdown", "-o", str(saved)])
    printed = capsys.readouterr().out
    assert f"| {case.name} | topic |" in printed and "| all | 1 |" in printed


@pytest.mark.data
def test_every_case_can_be_made(load: Any) -> None:
    if not SHARED.exists():
        pytest.skip("needs ../shared/data")
    data = load("truth_texts").Data(SHARED)
    for case in load("truth_list").CASES:
        made = case.texts(data)
        assert 80 <= len(made.a) <= 1000 and (case.verb == "correlate" or 80 <= len(made.b) <= 1000), (
            case.name
        )
        if case.kind == "natural":
            assert abs(made.truth["a"] - made.truth["b"]) > 0.08, case.name
        if case.kind in ("pair", "natural pair"):
            truth = made.truth
            assert truth["n_ab"] >= 1.5 * truth["n_a"] * truth["n_b"] / truth["n"], case.name
