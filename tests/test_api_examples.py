"""The examples in the docstrings of the public names run, and print what they say."""

from __future__ import annotations

import doctest
import inspect
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import shared_states

import saetext

ROOT = Path(__file__).parents[1]
#: Results are what functions return, and are shown there.
WITHOUT = {"ClusterResult", "CorrelateResult", "DiffResult", "SearchResult", "SaetextWarning"}
WITHOUT |= {"AblateResult", "AttendResult", "AttributionResult", "ExpressionResult", "SteerResult"}
WITHOUT |= {"BiasResult", "Shift", "ShiftEvaluation", "ShiftResult", "WhyResult", "Baseline", "CheckResult"}
WITHOUT |= {"BiasResult", "Shift", "ShiftEvaluation", "ShiftResult", "WhyResult"}
WITHOUT |= {"OutcomeResult"}
WITHOUT |= {"diff_by", "diff_sets", "diff_sets_by"}


def examples_of(name: str) -> list[doctest.Example]:
    return doctest.DocTestParser().get_examples(inspect.getdoc(getattr(saetext, name)) or "")


WITH = [name for name in saetext.__all__ if examples_of(name)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, encoded_examples: Path, states: Path) -> Iterator[Path]:
    """The example's files and corpora, and the working directory while examples run."""
    from saetext.reader.language_model import LanguageModel

    made = tmp_path_factory.mktemp("examples")
    shutil.copytree(ROOT / "examples", made / "examples")
    for name in ("gentle", "brisk"):
        shutil.copytree(encoded_examples / "examples" / f"{name}.jsonl.corpus", made / f"{name}.corpus")
    before = Path.cwd()
    os.chdir(made)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LanguageModel, "hidden", shared_states.shared(LanguageModel.hidden, states))
        yield made
    os.chdir(before)


def test_every_public_name_has_an_example() -> None:
    assert set(saetext.__all__) - set(WITH) - WITHOUT == set()
    assert len(WITH) >= 12


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH)
def test_the_example_prints_what_it_says(name: str, folder: Path) -> None:
    examples = examples_of(name)
    assert not any(doctest.SKIP in example.options for example in examples), "an example that is not run"
    test = doctest.DocTest(examples, {}, name, None, None, None)
    printed: list[str] = []
    failed, tried = doctest.DocTestRunner(verbose=False).run(test, out=printed.append)
    assert failed == 0, "".join(printed)
    assert tried == len(examples) > 0
