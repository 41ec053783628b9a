"""What a reader does not see: planted differences of case, blanks and emoji, in pairs and without."""

from __future__ import annotations

import pytest

from saetext.analysis.differences.unseen import invisible_differences

TEXTS = [f"Item {i} Is Here. And so is NASA, with number {i}." for i in range(60)]


def small(text):
    return text.lower()


def broken(text):
    return text.replace(". ", ".\n\n")


def smiling(text):
    return text + " 😀"


@pytest.mark.parametrize(
    ("change", "flag", "said"),
    [
        (small, "cased", "upper and lower case"),
        (broken, "sees_whitespace", "line breaks and blanks"),
        (smiling, "sees_emoji", "emoji"),
    ],
)
def test_one_difference_is_told_unless_the_reader_sees_it(change, flag, said):
    changed = [change(t) for t in TEXTS]
    alone = invisible_differences(TEXTS, changed)
    assert len(alone) == 1 and f"differ in {said}, which the reader does not see" in alone[0]
    pairs = invisible_differences(TEXTS, changed, paired=True)
    assert (
        pairs[0] == f"60 of 60 pairs differ only in {said}, which the reader does not see"
        and pairs[1:] == alone
    )
    assert invisible_differences(TEXTS, changed, paired=True, **{flag: True}) == []


def test_several_at_once_are_told_together():
    changed = [small(broken(t)) for t in TEXTS]
    told = invisible_differences(TEXTS, changed, paired=True, names=("old", "new"))
    assert told[0].startswith(
        "60 of 60 pairs differ only in upper and lower case or in line breaks and blanks"
    )
    assert len(told) == 3 and "of old and" in told[1] and "of new" in told[1]


def test_a_few_equal_pairs_or_a_small_difference_are_not_told():
    other = [small(t) if i < 5 else t.replace("Item", "Thing") for i, t in enumerate(TEXTS)]
    assert invisible_differences(TEXTS, other, paired=True) == []
    assert invisible_differences(TEXTS, TEXTS, paired=True) == []
    changed = [smiling(t) if i < 40 else t for i, t in enumerate(TEXTS)]
    assert invisible_differences(TEXTS, changed, paired=True)[0].startswith(
        "40 of 40 pairs of different texts"
    )


def test_a_difference_in_both_words_and_case_is_no_pair_but_a_mark():
    changed = [small(t).replace("item", "thing") for t in TEXTS]
    told = invisible_differences(TEXTS, changed, paired=True)
    assert len(told) == 1 and "word in capitals in 100 % of A and 0 % of B (+100 [" in told[0]


def test_empty_sets_and_pairs_that_do_not_match():
    assert invisible_differences([], []) == [] and invisible_differences([], ["a"]) == []
    assert invisible_differences(["a"], ["A"], cased=True, sees_whitespace=True, sees_emoji=True) == []
    with pytest.raises(ValueError, match="2 and 1"):
        invisible_differences(["a", "b"], ["a"], paired=True)
