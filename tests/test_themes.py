"""Files of themes are whole or refused in one line; counts and thresholds equal slow loops and shuffling."""

from __future__ import annotations

import dataclasses
import json
import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from memory_corpus import DenseCorpus

from saetext.errors import IncompatibleError, InputError, LabelError
from saetext.features import Theme, Themes, theme_matrix, theme_presence
from saetext.features.known_labels import shipped_labels
from saetext.features.labels import FeatureLabel, FeatureLabels
from saetext.features.theme_counts import LEVEL, thresholds
from saetext.features.themes import KINDS
from saetext.io.cache import file_sha256
from saetext.reader.shipped import EMBEDDED

D = 20
SOME = Themes(
    (
        Theme("sport", "Sport", "balls", "topic", (3, 1, 2)),
        Theme("other", "Other", "", "form", (0,)),
        Theme("food", "Food", "", "topic", (2, 5)),
    ),
    {"sae": "mine", "d_sae": D, "weights_sha256": "w"},
)


# ---- files -----------------------------------------------------------------------------------------------


def test_written_and_read_again(tmp_path: Path) -> None:
    path = tmp_path / "themes.json"
    SOME.write(path)
    again = Themes.load(path)
    assert (
        again == SOME
        and again.text() == path.read_text("utf-8") == Themes(SOME.all[::-1], SOME.made_for).text()
    )
    assert [theme.id for theme in again] == ["food", "sport"] and len(again) == 2
    assert [theme.id for theme in again.all] == ["food", "sport", "other"]
    assert again.named("sport").features == (1, 2, 3) and again.named("other").features == (0,)
    assert [theme.id for theme in again.of(2)] == ["food", "sport"] and again.of(0) == () == again.of(9)
    with pytest.raises(InputError, match="there is no theme"):
        again.named("sports")


def test_a_file_of_ones_own_needs_little(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(
        '\ufeff{"version": 1, "themes": [{"id": "a", "name": "Ä b", "features": [7, 4]}]}', "utf-8"
    )
    [theme] = Themes.read(path)
    assert theme == Theme("a", "Ä b", "", "topic", (4, 7))


def theme(**changes: object) -> dict[str, object]:
    return {"id": "a", "name": "A", "features": [1], **changes}


def file(*themes: object, **more: object) -> dict[str, object]:
    return {"version": 1, "themes": list(themes), **more}


@pytest.mark.parametrize(
    ("whole", "message"),
    [
        ([], "it is a list of 0 items; expected an object"),
        ({"themes": []}, "it has no version"),
        ({"version": 1}, "it has no themes"),
        ({"version": 2, "themes": []}, "of version 2: upgrade saetext"),
        ({"version": True, "themes": []}, "version is"),
        ({"version": "1", "themes": []}, "version is"),
        (file(theme=[]), 'it has the key "theme"; known are version'),
        ({"version": 1, "themes": {}}, "themes is an object; expected a list"),
        (file("a"), r'themes\[0\] is "a"; expected an object'),
        (file(theme(feature=[1])), r'themes\[0\] has the key "feature"; known are id, name'),
        (file({"id": "a", "name": "A"}), r"themes\[0\] has no features"),
        (file(theme(features=[])), r"features is a list of 0 items; expected a list of at"),
        (file(theme(features="12")), r'\[0\].features is "12"; expected a list'),
        (file(theme(features=[1.0])), r"features\[0\] is 1.0; expected a whole number from 0"),
        (file(theme(features=[True])), r"features\[0\] is true; expected a whole number"),
        (file(theme(features=[-1])), r"features\[0\] is -1; expected a whole number"),
        (file(theme(features=[2**40])), r"features\[0\] is 1099511627776; expected a whole"),
        (file(theme(features=[4, 1, 4])), "theme a names feature 4 twice"),
        (file(theme(id="A b")), "a theme's id has small letters"),
        (file(theme(id=1)), r"themes\[0\].id is 1; expected a text"),
        (file(theme(name=" ")), "theme a has no name"),
        (file(theme(name="A\nb")), "one printable line"),
        (file(theme(description="\x1b[31m")), "one printable line"),
        (file(theme(kind="mood")), 'kind is "mood"; expected one of topic, style, format'),
        (file(theme(), theme(name="B")), "two themes have the id 'a'"),
        (file(theme(), theme(id="b")), "two themes have the name 'A'"),
        (file(theme(), made_for=3), "made_for is 3; expected an object"),
        (file(theme(), made_for={"d": 3}), 'made_for has the key "d"; known are sae'),
        (file(theme(), made_for={"d_sae": "3"}), 'made_for.d_sae is "3"; expected a whole number from 1'),
        (file(theme(features=[3]), made_for={"d_sae": 3}), "names feature 3, but"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_in_one_line(tmp_path: Path, whole: object, message: str) -> None:
    path = tmp_path / "themes.json"
    path.write_text(json.dumps(whole))
    with pytest.raises(InputError, match=message) as told:
        Themes.read(path)
    assert "\n" not in str(told.value) and str(told.value).startswith(f"{path} is not a file of themes: ")


@pytest.mark.parametrize(
    "damaged", [b"", b"{", b"\xff\xfe\x00", b'{"version": 1, "version": 1, "themes": []}', b"[" * 100_000]
)
def test_damaged_files(tmp_path: Path, damaged: bytes) -> None:
    path = tmp_path / "themes.json"
    path.write_bytes(damaged)
    with pytest.raises(InputError, match="is not a file of themes") as told:
        Themes.read(path)
    assert "\n" not in str(told.value)
    with pytest.raises(InputError, match="there is no file"):
        Themes.load(tmp_path / "none.json")


def test_themes_of_another_sae_are_refused() -> None:
    sae = DenseCorpus(np.zeros((2, D))).spec.saes[0]
    SOME.require_for(sae)
    with pytest.raises(IncompatibleError, match="of another SAE's features"):
        Themes(SOME.all, {"sae": "mine", "weights_sha256": "v"}).require_for(sae)
    with pytest.raises(IncompatibleError, match="names feature 20, but tiny has only 20"):
        Themes((Theme("a", "A", "", "topic", (D,)),)).require_for(sae)


# ---- the shipped ones ------------------------------------------------------------------------------------


def test_shipped_themes_are_canonical_and_cover_the_sae(monkeypatch: pytest.MonkeyPatch) -> None:
    themes, labels = Themes.load("embedded"), shipped_labels()
    path = EMBEDDED.themes_path
    assert path.read_bytes() == themes.text().encode() and file_sha256(path) == EMBEDDED.themes_sha256
    weights = path.with_name("sae_weights.safetensors")
    assert themes.made_for["weights_sha256"] == file_sha256(weights) == EMBEDDED.sae_sha256
    assert labels is not None and labels.about["weights_sha256"] == themes.made_for["weights_sha256"]
    times = Counter(feature for theme in themes for feature in theme.features)
    assert max(times.values()) <= 2 and 80 <= len(themes) <= 150
    rest = themes.named("other").features
    assert sorted([*times, *rest]) == list(range(4096)), "each feature has a theme, or is in 'other' alone"
    assert {theme.kind for theme in themes} == set(KINDS)
    assert all(theme.description.endswith(".") and len(theme.name.split()) <= 6 for theme in themes)
    other = dataclasses.replace(EMBEDDED, themes_sha256="0" * 64)
    monkeypatch.setattr("saetext.reader.shipped.READERS", (other,))
    with pytest.raises(InputError, match="is damaged: reinstall saetext"):
        Themes.load("embedded")


def test_shipped_labels_must_be_those_that_were_published(tmp_path: Path) -> None:
    other = tmp_path / "labels.parquet"
    elsewhere = dataclasses.replace(EMBEDDED, home=tmp_path)
    assert shipped_labels(elsewhere) is None
    other.write_bytes(EMBEDDED.labels_path.read_bytes())
    assert shipped_labels(elsewhere) is not None
    read = FeatureLabels.read(other)
    read.updated([FeatureLabel(1, "false")]).write(other)  # a whole table, and another
    with pytest.raises(LabelError, match=f"{other} is damaged: reinstall saetext"):
        shipped_labels(elsewhere)


def test_themes_come_with_the_weights_alone() -> None:
    spec = DenseCorpus(np.zeros((2, D))).spec
    assert Themes.for_spec(spec) is None
    shipped = Themes.load("embedded")
    known = with_hash(DenseCorpus(np.zeros((2, D))), shipped.made_for["weights_sha256"])
    assert Themes.for_spec(known.spec) == shipped == Themes.for_spec(known.spec, "main")


def with_hash(corpus: DenseCorpus, weights: str) -> DenseCorpus:
    from dataclasses import replace

    corpus.spec = replace(corpus.spec, saes=(replace(corpus.spec.saes[0], weights_sha256=weights),))
    return corpus


# ---- counts and thresholds -------------------------------------------------------------------------------


@st.composite
def cases(draw: st.DrawFn) -> tuple[np.ndarray, list[Theme]]:
    rows, d = draw(st.integers(0, 30)), draw(st.integers(1, 12))
    bits = draw(st.lists(st.integers(0, 2**d - 1), min_size=rows, max_size=rows))
    value = np.array([[b >> f & 1 for f in range(d)] for b in bits], np.float32).reshape(rows, d)
    sets = draw(st.lists(st.sets(st.integers(0, d - 1), min_size=1), max_size=4))
    return value, [Theme(f"t{i}", f"T {i}", "", "topic", tuple(s)) for i, s in enumerate(sets)]


@settings(max_examples=80, deadline=None)
@given(cases(), st.integers(1, 9))
def test_counts_equal_a_slow_loop(case: tuple[np.ndarray, list[Theme]], block: int) -> None:
    value, themes = case
    corpus = DenseCorpus(value, block=block)
    found = theme_matrix(corpus, None, themes)
    assert found.dtype == np.int32 and found.shape == (len(value), len(themes))
    slow = [[sum(row[f] > 0 for f in theme.features) for theme in themes] for row in value]
    assert found.toarray().tolist() == slow
    assert (found != theme_matrix(corpus.rows(None), None, themes)).nnz == 0


def tail(rates: list[float], k: int) -> float:
    """The probability of at least ``k`` of independent events, by going through all outcomes."""
    total = 0.0
    for outcome in range(2 ** len(rates)):
        hits = [outcome >> i & 1 for i in range(len(rates))]
        if sum(hits) >= k:
            total += math.prod(p if hit else 1 - p for p, hit in zip(rates, hits, strict=True))
    return total


@settings(max_examples=80, deadline=None)
@given(cases(), st.data())
def test_presence_equals_all_outcomes(case: tuple[np.ndarray, list[Theme]], data: st.DataObject) -> None:
    value, themes = case
    cut = data.draw(st.integers(0, len(value)))
    sets = [DenseCorpus(value[:cut]), DenseCorpus(value[cut:])]
    chosen = data.draw(st.sets(st.sampled_from(range(len(value))))) if len(value) else set()
    for rows in (None, np.array(sorted(chosen), np.int64)):
        found = theme_presence(sets, None, themes, rows=rows)
        used = value if rows is None else value[rows]
        assert found.dtype == np.float32 and found.shape == (len(used), len(themes))
        for at, theme in enumerate(themes):
            rates = used[:, list(theme.features)].mean(0).tolist() if len(used) else []
            n = len(rates)
            least = next((k for k in range(1, n + 1) if tail(rates, k) <= LEVEL + 1e-9), n + 1)
            for row, got in zip(used, found[:, [at]].toarray()[:, 0], strict=True):
                count = sum(row[f] > 0 for f in theme.features)
                assert got == (np.float32(count / least) if count >= least else 0)
        assert (found.data >= 1).all(), "no zero is stored"


def test_the_null_is_what_shuffling_gives() -> None:
    """At the threshold shuffling reaches it in at most 5 % of documents, one below it in more; by length."""
    rng = np.random.default_rng(4)
    n = 2000
    tokens = np.repeat([20, 400], n // 2)
    rate = np.where(tokens[:, None] < 100, 0.04, 0.35) * rng.uniform(0.5, 1.5, D)
    topic = rng.random((n, 1)) < 0.2  # features that go together, so that shuffling changes something
    value = (rng.random((n, D)) < np.where(topic, 2 * rate, rate * 0.75)).astype(np.float32)
    themes = [Theme("a", "A", "", "topic", tuple(range(8))), Theme("b", "B", "", "topic", (9, 10))]
    found = thresholds([DenseCorpus(value, n_tokens=tokens)], None, themes)
    sides = [found.least[np.unique(found.stratum[tokens == t])] for t in (20, 400)]
    assert sides[0].max() < sides[1][:, 0].min(), "long documents need more"
    for s in np.unique(found.stratum):
        mine = value[found.stratum == s]
        for theme, k in zip(themes, found.least[s], strict=True):
            part = mine[:, list(theme.features)]
            shuffled = np.concatenate([rng.permuted(part, axis=0).sum(1) for _ in range(100)])
            assert (shuffled >= k).mean() <= LEVEL + 0.01
            assert k == 1 or (shuffled >= k - 1).mean() > LEVEL - 0.01


def test_a_theme_that_everyone_has_means_nothing() -> None:
    everyone = DenseCorpus(np.ones((40, 3), np.float32))
    theme = Theme("a", "A", "", "topic", (0, 1, 2))
    assert thresholds([everyone], None, [theme]).least.tolist() == [[4]]
    assert theme_presence([everyone], None, [theme]).nnz == 0
    assert theme_presence([DenseCorpus(np.zeros((0, 3)))], None, [theme]).shape == (0, 1)
