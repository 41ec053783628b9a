"""Options that all analyses share mean the same everywhere."""

from __future__ import annotations

import numpy as np
import pytest
from memory_corpus import DenseCorpus

from saetext.analysis.request import AnalysisRequest
from saetext.errors import IncompatibleError, InputError
from saetext.features.labels import FeatureLabel, FeatureLabels


def test_zero_and_none_both_keep_all() -> None:
    assert AnalysisRequest().most == 20
    assert AnalysisRequest(top=0).most is None and AnalysisRequest(top=None).most is None
    with pytest.raises(InputError, match="top must be at least 0, not -1"):
        AnalysisRequest(top=-1)
    with pytest.raises(InputError, match="sample must be at least 2, not 1"):
        AnalysisRequest(sample=1)


def test_labels_are_those_asked_for() -> None:
    corpus = DenseCorpus(np.ones((3, 4)))
    own = FeatureLabels.from_rows([FeatureLabel(2, "mine")])
    assert AnalysisRequest(labels=own).labels_of(corpus) is own
    assert AnalysisRequest().labels_of(corpus).label(2) != "mine"
    other = FeatureLabels.from_rows([FeatureLabel(9, "of another")])
    with pytest.raises(IncompatibleError):
        AnalysisRequest(labels=other).labels_of(corpus)


def test_parameters_leave_out_what_is_no_value() -> None:
    assert set(AnalysisRequest().params()) == {"where", "sample", "seed", "top", "sae", "labels"}
