"""What the list of a diff calls features: a label that fits, else words; and the order that names give."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from cluster_factory import Stored

import saetext
from saetext.analysis.differences.found import _members, _telling
from saetext.analysis.differences.naming import _SAME, by_names, names_of
from saetext.analysis.differences.simplest import Description, Led, _led
from saetext.features.detectors import shipped
from saetext.features.labels import FeatureLabel, FeatureLabels
from saetext.features.peaks import FeatureName, LocalEvidence, names_here
from saetext.features.peaks.naming import _borne_out, bare
from saetext.features.themes import Themes
from saetext.text.marks import mark_named

LABELS = FeatureLabels.from_rows(
    [
        FeatureLabel(0, "greetings"),
        FeatureLabel(1, "mail headers"),
        FeatureLabel(2, "loose: bits"),
        FeatureLabel(3, "hello and hi"),
        FeatureLabel(4, "rivers"),
    ]
)


def described(kind: str, key: str | int, size: float = 0.4, **more: Any) -> Description:
    numbers = {"diff": size, "ci_low": size - 0.05, "ci_high": size + 0.05, "confirmed": True, "length": "no"}
    return Description(kind, key, 0, numbers | more)


def named(
    monkeypatch: pytest.MonkeyPatch, read: dict[int, LocalEvidence], groups: dict[int, int] | None = None
) -> dict[int, FeatureName]:
    def told(_sets: object, _sae: str, features: np.ndarray, *_: object, **__: object) -> Any:
        return {f: read[f] for f in features.tolist()}

    monkeypatch.setattr("saetext.analysis.differences.naming.local_evidence", told)
    a = b = Stored(np.ones((20, 5)))
    # of a contrast only these are looked at
    fake: Any = SimpleNamespace(sets=(a, b), sae="main", design=SimpleNamespace(side=np.zeros(40)))
    return names_of([Led(described("feature", f)) for f in read], fake, groups or {}, LABELS)


def test_a_label_that_fits_is_the_name_and_one_that_does_not_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    names = named(
        monkeypatch,
        {
            0: LocalEvidence(("Hello", "Hi"), 0.9, 0.8, True),
            1: LocalEvidence((". Unfortunately,", "me know", "c", "d"), 0.9, 0.2, False),
            2: LocalEvidence(("x",), 0.9, 0.9, True),
            4: LocalEvidence((), 0.0, 0.3, False),
        },
    )
    assert (names[0].name, names[0].fits, names[0].labelled) == ("greetings", True, True)
    assert names[1].name == "near “Unfortunately”, “me know”" and names[1].label == "mail headers"
    assert names[2].name == "near “x”" and names[2].fits is False  # loose labels name nothing
    assert names[4].name == "feature 4, which no word tells"
    assert names[0].weight > names[1].weight > names[4].weight


def test_a_label_is_borrowed_within_a_concept_group_for_the_same_words_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fitting = LocalEvidence(("hello", "hi"), 0.9, 0.9, True)
    same, other = (LocalEvidence((word,), 0.9, 0.1, False) for word in ("Hello,", "river"))
    names = named(monkeypatch, {1: same, 3: fitting, 4: other}, {1: 3, 3: 3, 4: 3})
    assert names[1].name == "hello and hi" and names[1].fits is False and names[1].label == "mail headers"
    assert names[4].name == "near “river”"
    apart = named(monkeypatch, {1: same, 3: fitting}, {1: 1, 3: 3})
    assert apart[1].name == "near “Hello”"


def test_words_beside_few_of_the_peaks_and_function_words_count_less(monkeypatch: pytest.MonkeyPatch) -> None:
    names = named(
        monkeypatch,
        {
            0: LocalEvidence(("river",), 0.9, 0.1, False),
            1: LocalEvidence(("for", "in"), 0.9, 0.1, False),
            4: LocalEvidence(("river",), 0.1, 0.1, False),
        },
    )
    assert names[4].name == "near “river” and others"
    assert names[0].weight > names[1].weight > names[4].weight


def test_what_a_stronger_finding_says_in_the_same_words_stands_under_it() -> None:
    names = {
        1: FeatureName("near “Input”", "a", ("Input",), False, False, 0.8),
        2: FeatureName("near “input”, “Output”", "b", ("input", "Output"), False, False, 0.8),
        3: FeatureName("near “input”", "c", ("input",), False, False, 0.8),
        4: FeatureName("near “the input”", "d", ("the input",), False, False, 0.8),
    }
    led = [
        Led(described("word", "Input", 0.5)),
        Led(described("feature", 1, 0.4), (described("feature", 9),)),
        Led(described("feature", 2, 0.3)),
        Led(described("feature", 3, -0.3, ci_low=-0.35, ci_high=-0.25)),
        Led(described("feature", 4, 0.2)),
    ]
    found = by_names(led, names)
    assert [one.lead.key for one in found] == ["Input", 2, 3]  # of the other side, it is news
    assert [member.key for member in found[0].members] == [1, 9, 4]


def test_a_feature_stands_under_what_is_counted_where_it_peaks() -> None:
    names = {
        1: FeatureName("long rows of dashes", "a", ("**",), True, at={"**": 0.7, "*": 0.2, "x": 0.1}),
        2: FeatureName("emphasis", "b", ("**",), True, at={"**": 0.5, "x": 0.5}),
        3: FeatureName("wait, pause; lock", "c", ("Wait",), True, at={"wait": 0.9, "hm": 0.1}),
        4: FeatureName("near “?”", "d", ("?",), False, False, 0.5, {"?": 0.4, "why": 0.6}),
        5: FeatureName("doubled asterisks", "e", ("**",), True, at={"**": 1.0}),
        6: FeatureName("the opening", "f", ("Sure",), True, at={"sure": 1.0}),
    }
    led = [
        Led(described("format", "bold", 0.6), (described("format", "bullet list", 0.5),)),
        Led(described("word", "Wait", 0.6)),
        Led(described("format", "question mark", 0.6)),
        Led(described("format", 'the opening "Sure"', 0.6)),
        *(Led(described("feature", f, 0.5 - f / 100)) for f in (1, 2, 3, 4, 6)),
        Led(described("feature", 5, -0.3, ci_low=-0.35, ci_high=-0.25)),
    ]
    found = {one.lead.key: [member.key for member in one.members] for one in by_names(led, names)}
    assert found == {
        "bold": ["bullet list", 1], "Wait": [3], "question mark": [4], 'the opening "Sure"': [6],
        2: [],  # half of its peaks are elsewhere
        5: [],  # of the other side, it is news
    }  # fmt: skip


def test_a_label_is_not_borrowed_for_peaks_at_other_words(monkeypatch: pytest.MonkeyPatch) -> None:
    fitting = LocalEvidence(("hello", "hi"), 0.9, 0.9, True, at={"hello": 1.0})
    few, many = (
        LocalEvidence(("Hello", "Wow"), 0.9, 0.4, False, at={"hello": share, "wow": 1 - share})
        for share in (0.2, 0.6)
    )
    names = named(monkeypatch, {1: few, 4: many, 3: fitting}, {1: 3, 3: 3, 4: 3})
    assert names[1].name == "near “Hello”, “Wow”" and names[4].name == "hello and hi"


@pytest.mark.parametrize(
    ("label", "at", "name"),
    [
        ("avoid, prevent; impl", {"avoid": 0.9, "x": 0.1}, "avoid, prevent"),
        ("avoid, prevent; impl", {"avoid": 0.9, "impl": 0.1}, "avoid, prevent; impl"),
        ('interjection "oh" (also Java)', {"oh": 1.0}, 'interjection "oh"'),
        ('interjection "oh" (also Java)', {"java": 1.0}, "Java"),
        ("greetings; farewells", {"hi": 1.0}, "greetings; farewells"),  # it speaks of no word
        ("salaries and pay", {"pay": 1.0}, "salaries and pay"),
    ],
)
def test_parts_of_a_label_that_no_peak_bears_out_are_left_out(
    label: str, at: dict[str, float], name: str
) -> None:
    table = FeatureLabels.from_rows([FeatureLabel(0, label)])
    found = names_here({0: LocalEvidence(("x",), 0.9, 0.9, True, at=at)}, table)
    assert found[0].name == name and found[0].label == label


@pytest.mark.parametrize(
    ("label", "at", "name"),
    [
        ("tool, software, keyword and bugs", {"tool": 0.4, "software": 0.2, "x": 0.4}, "tool and software"),
        ("wheel, sequence, frame and segment", {"sequences": 0.6, "frame": 0.04}, "sequence"),
        ("war, soldiers and the military", {"war": 0.3, "battle": 0.7}, "war, soldiers and the military"),
        ("war, soldiers and the military", {"gun": 1.0}, "war, soldiers and the military"),
        ("tool and bugs", {"tool": 1.0}, "tool and bugs"),  # two things are no list
        ("space: outer, memory or namespace", {"space": 1.0}, "space: outer, memory or namespace"),
        ("near, far and far from what it was", {"near": 1.0}, "near, far and far from what it was"),
        ("oh; tool, software and bugs", {"tool": 0.9}, "tool"),
        (
            "sentence-ending full stops in reviews and speeches",
            {".": 0.8, "end": 0.2},
            "sentence-ending full stops",
        ),
        ("full stop in reviews", {".": 0.3, "end": 0.7}, "full stop in reviews"),
        ("full stop in code", {".": 1.0}, "full stop in code"),
        ("bad in reviews", {"bad": 1.0}, "bad in reviews"),  # words say themselves what they are about
        ('"Jack" and "girl"', {"jack": 0.7, "jill": 0.3}, 'the word "Jack"'),
        ('"fair", "just" and "court"', {"fair": 0.3, "court": 0.4}, '"fair" and "court"'),
        ('forms of "follow" and "next"', {"following": 0.5, "next": 0.5}, 'forms of "follow" and "next"'),
        ('"tea"; "leaf", "root"', {"leaf": 0.9}, 'the word "leaf"'),
        ('"inject", "plugin" and in-/con- word pieces', {"plugin": 0.6, "x": 0.4}, 'the word "plugin"'),
        (
            '"inject", "plugin" and in-/con- word pieces',
            {"inlet": 1.0},
            '"inject", "plugin" and in-/con- word pieces',
        ),
        ("database, SQL, internal, and Chinese pieces", {"sql": 0.5, "database": 0.2}, "database and SQL"),
        ('"training", with Chinese pieces and stray nouns', {"training": 0.8}, 'the word "training"'),
        (
            "remains, contribution, Chinese 直 and 相",
            {"remains": 0.5, "直": 0.5},
            "remains, contribution, Chinese 直 and 相",
        ),
        ('"program" and git/github', {"program": 0.7, "code": 0.3}, 'the word "program"'),
        ('"program" and git/github', {"program": 0.4, "code": 0.6}, '"program" and git/github'),
        ('"there is" and judgement clauses here', {"there": 0.9}, '"there is" and judgement clauses here'),
        ("Russian words and names", {"names": 0.4, "x": 0.6}, "Russian words and names"),
        ("words and code tokens ending in p", {"step": 1.0}, "words and code tokens ending in p"),
    ],
)
def test_of_a_list_what_is_at_the_peaks_is_left_and_of_a_sign_its_setting_is_not(
    label: str, at: dict[str, float], name: str
) -> None:
    assert _borne_out(label, at) == name


@pytest.mark.parametrize(
    ("label", "at"),
    [
        ("Java, Python, C and Rust (languages)", {"java": 0.5, "rust": 0.4}),
        ("recency (recently, latest, newly)", {"recently": 0.8}),
        ('phrases "salt and pepper", "yes" and "no"', {"salt": 0.5, "pepper": 0.3, "no": 0.2}),
        ("Vietnamese and Korean food", {"food": 0.9}),
        ('"to" after "how", "taught" or "learn"', {"to": 1.0}),
        ("weather (rain; snow)", {"rain": 0.9}),
        (",", {",": 1.0}),
        (", and", {"and": 1.0}),
        ("", {"rain": 0.9}),
    ],
)
def test_nothing_is_cut_out_of_brackets_quotes_or_what_belongs_together(
    label: str, at: dict[str, float]
) -> None:
    assert _borne_out(label, at) == label


def test_a_label_of_quoted_words_names_only_what_peaks_at_them() -> None:
    table = FeatureLabels.from_rows([FeatureLabel(0, '"Jack" and "girl"'), FeatureLabel(1, '"plug", "port"')])
    other = LocalEvidence(("plugin", "JACK"), 0.9, 0.9, True, at={"plugin": 0.6, "JACK": 0.4})
    assert names_here({0: other}, table)[0].name == "near “plugin”, “JACK”"
    assert names_here({0: other}, table)[0].fits is False
    most = LocalEvidence(("Jack", "plugin"), 0.9, 0.9, True, at={"plugin": 0.4, "Jack": 0.6})
    assert names_here({0: most}, table)[0].name == 'the word "Jack"' and names_here({0: most}, table)[0].fits
    # nor is it borrowed from a feature that it does not name
    read = {0: LocalEvidence(("plugin",), 0.9, 0.1, False, at={"plug": 1.0}), 1: other}
    assert names_here(read, table, {0: 0, 1: 0})[0].name == "near “plugin”"
    assert (
        names_here({0: LocalEvidence(("x",), 0.9, 0.9, True)}, table)[0].name == '"Jack" and "girl"'
    )  # no places


@pytest.mark.parametrize(
    ("kind", "lead", "behind", "leads"),
    [
        (
            "word",
            "helps",
            {"this helps": 0.39, "I hope this helps": 0.36, "helps a lot": 0.1},
            "I hope this helps",
        ),
        ("word", "helps", {"I hope this helps": 0.31}, "helps"),  # too small a part of it
        ("word", "helps", {"I hope this helps": -0.4}, "helps"),
        (
            "word",
            "course",
            {"of course": 0.4, "on the course of": 0.4},
            "course",
        ),  # nothing that tells is added
        ("word", "helps", {"hope this is help": 0.4}, "helps"),  # it is not in it
        ("format", "line breaks", {"bullet list": 0.35, "bold": 0.4}, "bullet list"),
        ("format", "line breaks", {"bold": 0.4}, "line breaks"),
        ("format", "list", {"numbered list": 0.33, "line breaks": 0.4}, "numbered list"),
        ("theme", "line breaks", {"bullet list": 0.4}, "line breaks"),
    ],
)
def test_the_more_definite_of_what_says_the_same_leads(
    kind: str, lead: str, behind: dict[str, float], leads: str
) -> None:
    first = described(kind, lead)
    others = [described(kind, key, size) for key, size in behind.items()]
    found = _led(first, others)
    assert found.lead.key == leads
    assert {one.key for one in (found.lead, *found.members)} == {lead, *behind}
    assert len(found.members) == len(behind)
    long = described(kind, leads, length="yes")
    if leads != lead:  # what length explains leads nothing that it does not
        assert _led(first, [long]).lead is first


def test_a_member_is_named_once_and_not_as_the_finding_is() -> None:
    names = {"list": "list", "a list": "list", "Music": "Music", "music": "music", "bold": "bold"}
    members = tuple(described("format", key) for key in ("a list", "Music", "music", "bold"))
    one = Led(described("format", "list"), members)
    assert _members(one, lambda d: names[str(d.key)], {}) == ["Music", "bold"]


def test_what_length_may_explain_counts_by_what_is_left() -> None:
    whole = described("word", "x").strength
    unclear = [
        described("word", "x", length="unclear", adjusted_diff=left).strength for left in (0.4, 0.3, 0.1)
    ]
    assert whole == pytest.approx(unclear[0]) and unclear == sorted(unclear, reverse=True)
    assert unclear[1] / whole == pytest.approx(0.75, abs=0.01)
    assert unclear[2] / whole == pytest.approx(0.5, abs=0.01)
    assert described("word", "x", length="unclear", adjusted_diff=None).strength == pytest.approx(unclear[2])


def test_words_come_before_marks_and_small_words(monkeypatch: pytest.MonkeyPatch) -> None:
    names = named(monkeypatch, {0: LocalEvidence(("sure", ",", "and"), 0.9, 0.1, False)})
    assert names[0].name == "near “sure”"


@pytest.mark.parametrize(
    ("kind", "weak", "name", "telling"),
    [
        ("feature", False, FeatureName("rivers", "rivers", ("river",), True), True),
        ("feature", True, FeatureName("commas", "commas", (",",), True), False),
        # a loose label is not the name of these
        ("feature", True, FeatureName("near “river”", "loose: bits", ("river",), False, False, 0.8), True),
        ("feature", True, FeatureName("hello and hi", "loose: bits", ("hi",), False, True), True),
        ("feature", False, FeatureName("near “for”", "rivers", ("for",), False, False, 0.5), False),
        ("feature", False, FeatureName("near “a” and others", "b", ("a",), False, False, 0.3), False),
        ("feature", False, None, False),
        ("word", False, None, True),
        ("theme", True, None, False),
    ],
)
def test_what_opens_a_report_has_a_name_that_tells(
    kind: str, weak: bool, name: FeatureName | None, telling: bool
) -> None:
    lead = Description(kind, 1 if kind == "feature" else "river", 0, described(kind, 1).numbers, weak=weak)
    assert _telling(lead, {} if name is None else {1: name}) is telling


def test_what_is_called_the_same_is_told_once() -> None:
    names = {
        1: FeatureName("Thanking", "Thanking", ("thanks",), True),
        2: FeatureName('the word "bad"', "b", ("bad",), True),
        3: FeatureName("thanking", "c", ("thank",), True),
    }
    led = [
        Led(described("property", "thanking", 0.5)),
        Led(described("feature", 1, 0.45), (described("feature", 9),)),
        Led(described("word", "bad", 0.4)),
        Led(described("feature", 2, 0.3)),
        Led(described("feature", 3, -0.3, ci_low=-0.35, ci_high=-0.25)),
        Led(described("feature", 7, 0.2)),
        Led(described("feature", 8, 0.2)),
    ]
    found = by_names(led, names)
    assert [one.lead.key for one in found] == ["thanking", "bad", 3, 7, 8]  # of the other side, it is news
    assert [[member.key for member in one.members] for one in found[:2]] == [[1, 9], [2]]


def test_a_title_in_brackets_is_told_once_and_another_bracket_is_another_title() -> None:
    one, other = "first person (I, me, my)", "first person (we, us, our)"
    names = {
        1: FeatureName("First person", "a", ("me",), True),
        2: FeatureName("full stop (in lists)", "b", (), True),
        3: FeatureName("full stop (in code)", "c", (), True),
    }
    led = [
        Led(described("format", one, 0.5)),
        Led(described("property", "first person", 0.45)),
        Led(described("format", other, 0.4)),
        Led(described("theme", "We and us", 0.35)),
        Led(described("theme", "First person singular", 0.3)),
        Led(described("feature", 1, 0.25)),
        Led(described("feature", 2, 0.2)),
        Led(described("feature", 3, 0.15)),
        Led(described("property", "first person", -0.3, ci_low=-0.35, ci_high=-0.25)),
    ]
    found = by_names(led, names)
    under = {(each.lead.key, each.lead.numbers["diff"] > 0): [m.key for m in each.members] for each in found}
    assert under == {
        (one, True): ["first person", "First person singular", 1],
        (other, True): ["We and us"],
        (2, True): [],
        (3, True): [],
        ("first person", False): [],
    }
    # what has no bracket is the first that has one
    found = by_names(
        [led[1], Led(described("format", one, 0.3)), Led(described("format", other, 0.2))], names
    )
    assert [each.lead.key for each in found] == ["first person", other]
    assert [member.key for member in found[0].members] == [one]


@pytest.mark.parametrize(("one", "other"), sorted(_SAME.items()))
def test_what_is_about_the_same_stands_under_the_stronger(one: str, other: str) -> None:
    """A theme, and the property or mark of the same subject; the names are those that are shipped."""
    themes = {
        theme.name for theme in Themes.read(Path(saetext.__file__).parent / "reader/embedded/themes.json")
    }
    properties = {detector.title for detector in shipped(topics=True)}
    theme, beside = (other, one) if one in properties else (one, other)
    assert theme in themes and (beside in properties or mark_named(beside) is not None)
    kind = "property" if beside in properties else "format"
    for kinds, terms in (((kind, "theme"), (beside, theme)), (("theme", kind), (theme, beside))):
        led = [Led(described(k, t, size)) for k, t, size in zip(kinds, terms, (0.5, 0.4), strict=True)]
        [found] = by_names(led, {})
        assert found.lead.key == terms[0] and [member.key for member in found.members] == [terms[1]]
    assert len(by_names([Led(described(kind, beside, 0.5)), Led(described("theme", theme, -0.4))], {})) == 2


def test_a_member_with_a_name_leads_instead_of_a_feature_without_one() -> None:
    names = {
        1: FeatureName("near “S”", "a", ("S",), False, False, 0.8),
        2: FeatureName("feature 2, which no word tells", "b", (), False, False, 0.3),
        3: FeatureName("rivers", "rivers", ("river",), True),
    }
    theme = described("theme", "Countries", 0.35)
    [one] = by_names([Led(described("feature", 1, 0.4), (theme, described("feature", 8)))], names)
    assert one.lead is theme and [member.key for member in one.members] == [1, 8]
    small = described("theme", "Countries", 0.1)
    [one] = by_names([Led(described("feature", 1, 0.4), (small,))], names)
    assert one.lead.key == 1
    [one] = by_names([Led(described("feature", 2, 0.4), (small,))], names)
    assert one.lead is small  # better than nothing
    [one] = by_names([Led(described("feature", 3, 0.4), (theme,))], names)
    assert one.lead.key == 3


@pytest.mark.parametrize(
    ("phrase", "plain"),
    [(". Some", "Some"), ("in summary,", "in summary"), ("⏎⏎-", "⏎⏎-"), ("don't", "don't")],
)
def test_marks_beside_a_phrase_are_left_out(phrase: str, plain: str) -> None:
    assert bare(phrase) == plain


def test_without_stored_texts_labels_are_unchecked_names() -> None:
    rng = np.random.default_rng(0)
    a, b = (Stored((rng.random((200, 5)) < rate).astype(float), n_tokens=[30] * 200) for rate in (0.7, 0.2))
    for corpus in (a, b):
        corpus.frame = corpus.frame.drop("text").with_columns(text=None)
    result = saetext.diff(a, b, labels=LABELS)
    assert result.found is not None
    features = result.found.filter(result.found["kind"] == "feature")
    assert features.height and features["fits"].null_count() == features.height
    assert features["name"].to_list() == features["label"].to_list()
