"""The words at a feature's peaks in the texts at hand, and whether its label fits them."""

from __future__ import annotations

import importlib.util
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_corpus import DenseCorpus

from saetext.features.labels import FeatureLabel, FeatureLabels
from saetext.features.peaks import LocalEvidence, fit, local_evidence
from saetext.features.peaks.reading import Read, Windows, grams, read
from saetext.features.peaks.sampling import MOST, Peaks, keys_of, sample
from saetext.features.peaks.signals import signals_of
from saetext.features.peaks.units import units
from saetext.features.peaks.words import LocalWords, local_words, log_odds

ROOT = Path(__file__).parents[1]


class Texts(DenseCorpus):
    """A dense corpus with texts of one's own; tokens are their characters."""

    def __init__(self, texts, found, d_sae=3, block=3) -> None:
        """``found[i]`` maps a feature to the code point at which it peaks in text i."""
        value, peak = np.zeros((len(texts), d_sae)), np.zeros((len(texts), d_sae), np.int32)
        for i, of_text in enumerate(found):
            for feature, place in of_text.items():
                value[i, feature], peak[i, feature] = 1.0, place
        super().__init__(value, peak=peak, block=block)
        self.texts = list(texts)
        self.frame = self.frame.with_columns(text=pl.Series(self.texts, dtype=pl.String))

    def document(self, row):
        text = self.texts[row]
        n = 0 if text is None else len(text)
        return {"id": f"doc{row}", "text": text, "token_start": np.arange(n), "token_end": np.arange(n) + 1}


def said(texts, word, d_sae=3):
    return Texts(texts, [{0: t.index(word)} if t and word in t else {} for t in texts], d_sae)


LABELS = FeatureLabels.from_rows(
    [FeatureLabel(0, 'the word "sadly"'), FeatureLabel(1, "trains"), FeatureLabel(2, "loose: rain")]
)
FILLER = "a long line of plain words about this and that goes on here so the rest is large enough to tell"


# --- units --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Well, **don't**!\n\n- No", ["Well", ",", "**", "don't", "**", "!", "⏎⏎", "-", "No"]),
        ("a \r\n \n\n b", ["a", "⏎⏎", "b"]),
        ("  \t ", []),
        ("naïve “quote”…", ["naïve", "“", "quote", "”", "…"]),
        ("日本です", list("日本です")),
        ("हिन्दी!", ["हिन्दी", "!"]),
    ],
)
def test_units(text, names):
    assert units(text).name == names


@given(st.text(max_size=60))
def test_units_cover_all_but_space(text):
    cut = units(text)
    assert (cut.start[1:] >= cut.end[:-1]).all() and (cut.end > cut.start).all()
    inside = np.zeros(len(text), bool)
    for start, end in zip(cut.start, cut.end, strict=True):
        inside[start:end] = True
    assert all(inside[i] or c.isspace() for i, c in enumerate(text))
    if cut.name:
        for i, (start, end) in enumerate(zip(cut.start, cut.end, strict=True)):
            assert cut.at(int(start), int(end)) == i


# --- log-odds -----------------------------------------------------------------------------------------------


def test_log_odds_is_the_published_formula():
    y, r, n_y, n_r, a0 = 12, 30, 200, 4000, 100
    alpha = a0 * (y + r) / (n_y + n_r)
    delta = np.log((y + alpha) / (n_y + a0 - y - alpha)) - np.log((r + alpha) / (n_r + a0 - r - alpha))
    expected = delta / np.sqrt(1 / (y + alpha) + 1 / (r + alpha))
    assert log_odds(np.array([y]), np.array([r]), n_y, n_r, a0)[0] == pytest.approx(expected)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.sampled_from("abc"), min_size=1, max_size=6), min_size=1, max_size=5))
def test_grams_are_those_of_each_stretch(stretches):
    cut = [units(" ".join(stretch)) for stretch in stretches]
    found = grams(cut)
    for order in (1, 2, 3):
        column = found.number[order - 1]
        names: dict[int, tuple[str, ...]] = {}
        seen = Counter()
        for i, stretch in enumerate(stretches):
            for j in range(len(stretch)):
                number = int(column[found.first[i] + j])
                gram = tuple(stretch[j : j + order])
                assert (number >= 0) == (len(gram) == order)
                if number >= 0:
                    assert names.setdefault(number, gram) == gram
                    seen[gram] += 1
        assert len(names) == len(seen) == found.sizes[order - 1]


# --- words --------------------------------------------------------------------------------------------------


def words_of(corpus, feature=0):
    peaks = sample([corpus], "main", np.array([feature]), np.zeros(corpus.n_documents, np.int8), None,
                   keys_of([corpus], 0))  # fmt: skip
    found = read([corpus], peaks)
    return local_words(found, grams(found.cut), found.windows[feature])


def test_the_word_at_the_peaks_is_found_with_its_case_and_comma():
    found = words_of(said([f"{i} {FILLER}. Sadly, it {i} {FILLER}" for i in range(12)], "Sadly"))
    assert "Sadly" in found.words[0] and found.coverage == 1 and found.z[0] >= 3
    assert any("Sadly," in word for word in found.words)


@pytest.mark.parametrize("mark", ["!", "**", "?!"[0]])
def test_a_mark_can_be_the_word(mark):
    texts = [f"{FILLER} w{i}{mark} v{i} {FILLER}" for i in range(12)]
    assert words_of(said(texts, mark)).words == (mark,)


def test_a_line_break_is_readable():
    texts = [f"{FILLER} w{i}\n\nv{i} {FILLER}" for i in range(12)]
    assert words_of(said(texts, "\n")).words == ("⏎⏎",)


def test_variants_in_case_count_as_one_and_are_covered():
    words = ["sadly", "Sadly", "SADLY"]
    texts = [f"{FILLER} w{i} {words[i % 3]} v{i} {FILLER}" for i in range(24)]
    corpus = Texts(texts, [{0: t.lower().index("sadly")} for t in texts])
    found = words_of(corpus)
    assert [w.lower() for w in found.words] == ["sadly"] and found.coverage == 1


def test_words_in_one_half_of_the_peaks_cover_half():
    texts = [f"{FILLER} w{i} {'sadly' if i % 2 else f'x{i}'} v{i} {FILLER}" for i in range(24)]
    corpus = Texts(texts, [{0: t.index("sadly" if i % 2 else f"x{i}")} for i, t in enumerate(texts)])
    found = words_of(corpus)
    assert found.words == ("sadly",) and found.coverage == 0.5


def test_what_is_everywhere_or_rare_is_no_word():
    same = [f"and so on and so on and so on and so on {i}" for i in range(12)]
    anywhere = [{0: (10, 14, 17)[i % 3]} for i in range(12)]  # at "and", "so" and "on" in turn
    assert words_of(Texts(same, anywhere)).words == ()
    assert words_of(said([f"{FILLER} sadly {FILLER}"] * 2, "sadly")).words == ()


def test_a_long_text_is_read_around_the_peak_only():
    text = f"{'x ' * 15_000}sadly {FILLER} {'y ' * 15_000}"
    corpus = said([text] * 3, "sadly")
    peaks = {0: Peaks(0, np.arange(3), np.full(3, text.index("sadly")), np.ones(3, np.float32))}
    found = read([corpus], peaks)
    assert max(map(len, found.text)) < 5_000
    assert {
        found.cut[p].name[u] for p, u in zip(found.windows[0].piece, found.windows[0].at, strict=True)
    } == {"sadly"}


# --- sampling -----------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_the_sample_is_the_smallest_hashes_of_the_side_that_leads(seed, block):
    rng = np.random.default_rng(seed)
    value = (rng.random((600, 2)) < [0.8, 0.1]).astype(float)
    corpora = [DenseCorpus(value[:350], block=97 * block), DenseCorpus(value[350:], block=101)]
    side = rng.integers(-1, 2, 600).astype(np.int8)
    key = keys_of(corpora, 3)
    found = sample(corpora, "main", np.array([0, 1]), side, None, key)
    for feature in (0, 1):
        rates = [value[side == s, feature].mean() for s in (0, 1)]
        lead = int(rates[1] > rates[0])
        rows = np.flatnonzero((side == lead) & (value[:, feature] > 0))
        rows = np.sort(rows[np.argsort(key[rows], kind="stable")][:MOST])
        assert found[feature].side == lead and found[feature].row.tolist() == rows.tolist()


# --- evidence -----------------------------------------------------------------------------------------------


def corpus_of_two():
    texts = [f"{FILLER} u{i} sadly v{i} {FILLER}" for i in range(12)] + [
        f"{FILLER} u{i} trains v{i} {FILLER}" for i in range(12)
    ]
    places = [{0: t.index("sadly")} if "sadly" in t else {1: t.index("trains")} for t in texts]
    return Texts(texts, places)


def test_evidence_depends_on_the_feature_alone_and_is_repeatable():
    corpus, rows = corpus_of_two(), np.ones(24, bool)
    both = local_evidence([corpus], "main", np.array([1, 0, 2]), rows, labels=LABELS)
    assert list(both) == [1, 0, 2]
    for feature in (0, 1, 2):
        alone = local_evidence([corpus], "main", np.array([feature]), rows, labels=LABELS)
        assert alone == {feature: both[feature]}
    assert both[0].words == ("sadly",) and both[1].words == ("trains",)
    assert both[0].fit is not None and both[0].fits == (both[0].fit >= fit.LEAST)
    assert both[2] == LocalEvidence((), 0.0, None, False)  # present nowhere


def test_only_the_rows_and_the_side_asked_for_are_read():
    corpus = corpus_of_two()
    none = local_evidence([corpus], "main", np.array([0]), np.arange(24) >= 12, labels=LABELS)
    assert none[0].words == ()
    side = (np.arange(24) >= 12).astype(np.int8)
    other = local_evidence(
        [corpus], "main", np.array([0, 1]), np.ones(24, bool), labels=LABELS, side=side,
        lead=np.array([1, 1], np.int8),
    )  # fmt: skip
    assert other[0].words == () and other[1].words == ("trains",)


def test_texts_that_are_not_stored_and_features_without_label():
    bare = Texts([None] * 5, [{0: 0}] * 5)
    found = local_evidence([bare], "main", np.array([0]), np.ones(5, bool), labels=LABELS)
    assert found == {0: LocalEvidence((), 0.0, None, False)}
    unlabelled = FeatureLabels.from_rows([FeatureLabel(1, "x")])
    found = local_evidence([corpus_of_two()], "main", np.array([0]), np.ones(24, bool), labels=unlabelled)
    assert found[0].words == ("sadly",) and found[0].fit is None and not found[0].fits
    assert local_evidence([bare], "main", np.array([], int), np.ones(5, bool), labels=LABELS) == {}


# --- fit ----------------------------------------------------------------------------------------------------


def signals_at(label, names):
    text = " ".join(names)
    found = Read()
    piece = found.add(text)
    windows = Windows([piece] * len(names), list(range(len(names))), [0.5] * len(names))
    calibration = Texts(["x"], [{}]).calibration("main")
    return signals_of(FeatureLabel(0, label), found, windows, LocalWords(), calibration)


@pytest.mark.parametrize(
    ("label", "names", "share"),
    [
        ('the word "do"', ["do", "Do", "does"], 2 / 3),
        ("commas and full stops", [",", ".", "x", "!"], 0.5),
        ("predictions about the future", ["future", "prediction", "will", "the"], 0.5),
        ("calendar dates and years", ["1999", "x"], 0.5),
        ("punctuation in casual chat", ["!", ",", "chat", "x"], 0.25),  # any mark would do
    ],
)
def test_share_of_the_peaks_that_a_label_says(label, names, share):
    assert signals_at(label, names).said == pytest.approx(share)


def test_known_words_are_those_of_the_calibration():
    assert signals_at("x", ["word0", "Other0", "word1", "y"]).known == 0.5


def test_the_coefficients_are_those_of_the_table():
    place = ROOT / "benchmarks" / "label_fit.py"
    spec = importlib.util.spec_from_file_location("label_fit", place)
    assert spec is not None and spec.loader is not None
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    rows = bench.read()
    truth = np.array([row["fits"] for row in rows]).astype(bool)
    names = tuple(name for name in fit.WEIGHTS if name != "constant")
    x = bench.columns(rows, names)
    assert bench.coefficients(names, x, truth) == pytest.approx(fit.WEIGHTS, abs=0.02)
    # what the docstring of the module says of the half that was not used for fitting
    odd = np.array([row["feature"] % 2 for row in rows]).astype(bool)
    told = np.zeros(len(rows))
    for half in (False, True):
        weights = bench.coefficients(names, x[odd == half], truth[odd == half])
        told[odd != half] = bench.predicted(names, weights, x[odd != half])
    passed = told >= fit.LEAST
    assert truth[passed].mean() == pytest.approx(0.87, abs=0.01)
    assert passed[truth].mean() == pytest.approx(0.55, abs=0.01)
    assert bench.auc(told, truth) == pytest.approx(0.85, abs=0.01)


@pytest.mark.parametrize(
    ("label", "value", "said"),
    [
        ("punctuation before a problem's question", 1.0, 0.0),  # any mark would do
        ("punctuation symbols in technical text", 1.0, 0.0),
        ("full stop in short casual statements", 1.0, 1.0),
        ("full stop in short casual statements", 0.4, 0.0),  # the setting is of stronger peaks
        ("final full stop", 0.4, 1.0),  # no setting
        ("sentence-ending marks", 0.4, 1.0),
    ],
)
def test_a_mark_speaks_for_a_label_that_names_it(label, value, said):
    found = Read()
    piece = found.add("It rains. So what")
    windows = Windows([piece] * 4, [2] * 4, [value] * 4)
    calibration = SimpleNamespace(top_words=lambda _: [], maxima=np.array([1.0]))
    got = signals_of(FeatureLabel(0, label), found, windows, LocalWords(), calibration)
    assert got.said == said and got.strength == pytest.approx(value)
