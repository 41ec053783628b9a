"""Labels of a corpus that are gone are missed; a corpus that never had any is let alone."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import pytest
from corpus_factory import make_corpus

from saetext.analysis.verification import verdicts
from saetext.corpus import Corpus
from saetext.errors import SaetextWarning
from saetext.features.known_labels import corpus_labels_path, labels_for
from saetext.features.labels import FeatureLabel, FeatureLabels
from saetext.features.labels_note import note_path

MINE = FeatureLabels.from_rows([FeatureLabel(3, "mine")])


@pytest.fixture
def labelled(tmp_path: Path) -> Corpus:
    corpus, _ = make_corpus(tmp_path / "a.corpus", seed=3)
    MINE.write(corpus.path / "labels.parquet")
    return corpus


def told(corpus: Corpus, sae: str | None = None) -> list[str]:
    """Return what is warned of when the labels are asked for."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        labels_for(corpus, sae)
    return [str(w.message) for w in found if issubclass(w.category, SaetextWarning)]


def states(corpus: Corpus) -> dict[str, str]:
    return {v.path.name: v.state for v in verdicts(corpus) if v.state != "intact"}


def test_labels_that_are_gone_are_told_of_with_what_to_do(labelled: Corpus) -> None:
    assert not told(labelled) and not states(labelled)
    (labelled.path / "labels.parquet").unlink()
    [line] = told(Corpus.open(labelled.path))
    assert str(labelled.path / "labels.parquet") in line and "saetext label" in line and "labels.json" in line
    assert states(labelled) == {"labels.parquet": "missing"}


def test_what_is_advised_works(labelled: Corpus) -> None:
    own, note = labelled.path / "labels.parquet", labelled.path / "labels.json"
    own.unlink()
    MINE.write(own)
    assert not told(labelled) and labels_for(labelled).label(3) == "mine"
    own.unlink()
    note.unlink()
    assert not told(labelled) and not states(labelled)


def test_labels_of_a_file_that_is_named_are_no_matter_of_the_corpus(labelled: Corpus, tmp_path: Path) -> None:
    (labelled.path / "labels.parquet").unlink()
    MINE.write(tmp_path / "labels.parquet")
    assert not (tmp_path / "labels.json").exists()  # it lies in no corpus
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert labels_for(labelled, file=tmp_path / "labels.parquet").label(3) == "mine"


def test_labels_of_an_earlier_version_have_no_note_and_are_read(labelled: Corpus) -> None:
    (labelled.path / "labels.json").unlink()
    assert not told(labelled) and labels_for(labelled).label(3) == "mine" and not states(labelled)
    (labelled.path / "labels.parquet").unlink()
    assert not told(labelled)  # as before: nothing says that there were some


def test_a_damaged_note_still_tells_and_is_mended_with_the_labels(labelled: Corpus) -> None:
    own, note = labelled.path / "labels.parquet", labelled.path / "labels.json"
    whole = note.read_bytes()
    for content in (b"", b"{}", whole[:-1], whole.replace(b"labels.p", b"labels.q"), b"\xff" * 9):
        note.write_bytes(content)
        assert states(labelled) == {"labels.json": "damaged"} and not told(labelled)
        own.unlink()
        assert len(told(labelled)) == 1
        MINE.write(own)
        assert note.read_bytes() == whole


def test_each_sae_has_labels_and_a_note_of_its_own(tmp_path: Path) -> None:
    corpus, _ = make_corpus(tmp_path / "a.corpus", seed=4, saes=("main", "other"))
    for sae in corpus.saes:
        MINE.write(corpus_labels_path(corpus.path, corpus.spec, sae))
    gone = corpus_labels_path(corpus.path, corpus.spec, "other")
    gone.unlink()
    assert not told(corpus, "main") and len(told(corpus, "other")) == 1
    assert note_path(gone).name == "labels.other.json"


def test_a_copy_of_a_corpus_without_them_says_so(labelled: Corpus, tmp_path: Path) -> None:
    shutil.copytree(labelled.path, tmp_path / "b.corpus", ignore=shutil.ignore_patterns("labels.parquet"))
    assert len(told(Corpus.open(tmp_path / "b.corpus"))) == 1
