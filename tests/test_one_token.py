"""What one written token comes from, under an edit: against a model that is edited and ablated by hand."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from test_attribute import HOOK, METRIC, attributor, cases, subject
from test_causal import theirs
from test_hooks import epsilon
from tiny_models import save_model

from saetext.intervene.attribution.one_token import Effort, TokenCauses, token_causes
from saetext.intervene.edit import Change, FeatureEdit
from saetext.intervene.positions import positions_of
from saetext.intervene.subject import Subject
from saetext.io.progress import Progress

PROMPT, TURNED = "The quick brown fox", 3
KINDS = ("standard", "jumprelu", "topk", "standard+layer_norm")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    root = tmp_path_factory.mktemp("models")
    return cache(lambda family: save_model(family, root / family, **epsilon(family)))


def written(made: Subject, changes: tuple[Change, ...]) -> tuple[Any, list[int]]:
    """Return a prompt and what the model writes with an edit."""
    prompt = made.model.encode_prompt(PROMPT, raw=True)
    edits = {}
    if changes:
        edits = {HOOK: FeatureEdit(changes, positions_of("all", [prompt]), made.sae)}
    (text,) = made.model.generate([prompt], edits=edits, max_new_tokens=9, temperature=0.0, seed=1)
    return prompt, text.ids[:8].tolist()


def explained(
    made: Subject, changes: tuple[Change, ...] = (), **options: Any
) -> tuple[TokenCauses, Any, Any]:
    prompt, ids = written(made, changes)
    return token_causes(made.model, made.sae, prompt, ids, changes, **options), prompt, ids


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("amount", [0.0, 4.0])
def test_effects_equal_a_layer_that_is_given_something_else(
    kind: str, amount: float, saved: Callable[[str], Path]
) -> None:
    """Transformers' model and sae-lens's SAE: the layer gets x with the edit, without a feature's part."""
    made = subject(saved("llama"), kind, dtype="float32")
    changes = (Change(TURNED, "add", amount),) if amount else ()
    found, prompt, ids = explained(made, changes, effort=Effort(up=6, down=4, checks=5))
    model, sae = theirs("llama", saved("llama")), made.model.lens  # type: ignore[attr-defined]
    whole = torch.tensor([[*prompt.ids.tolist(), *ids[:-1]]])
    content = torch.from_numpy(np.r_[prompt.content(), np.ones(len(ids) - 1, bool)])

    def logprob(edited: bool, taken: tuple[int, int] | None = None, everything: bool = False) -> float:
        def give(_: Any, args: Any) -> Any:
            x = args[0].clone()
            features = sae.encode(x)
            sae.encode(x)
            base = sae.decode(features)
            after = features.clone()
            if edited:
                after[0, content, TURNED] += amount
            if taken is not None:
                assert features[0, taken[0], taken[1]] > 0
                after[0, taken[0], taken[1]] -= features[0, taken[0], taken[1]]
            if everything:
                after[0, content] -= features[0, content]
            sae.encode(x)
            return (x + sae.decode(after) - base, *args[1:])

        handle = model.model.layers[1].register_forward_pre_hook(give)
        with torch.no_grad():
            found = float(model(whole).logits[0, -1].log_softmax(-1)[ids[-1]])
        handle.remove()
        return found

    assert found.value == pytest.approx(logprob(bool(amount)), abs=2e-4)
    assert found.without == pytest.approx(logprob(bool(amount), everything=True), abs=2e-4)
    if amount:
        assert found.unedited == pytest.approx(logprob(False), abs=2e-4)
        assert abs(found.unedited - found.value) > 0.01, "the edit does something"
    else:
        assert found.unedited is None
    rows = found.table.to_dicts()
    assert [row["attribution"] > 0 for row in rows] == [True] * 6 + [False] * 4
    assert max(abs(row["exact"]) for row in rows) > 0.01
    for row in rows:
        without = logprob(bool(amount), (row["position"], row["feature"]))
        assert row["exact"] == pytest.approx(found.value - without, abs=2e-4), row


@pytest.mark.parametrize("amount", [0.0, 4.0])
def test_shares_add_up_to_what_the_features_do(amount: float, saved: Callable[[str], Path]) -> None:
    made = subject(saved("llama"))
    found, prompt, ids = explained(made, (Change(TURNED, "add", amount),) if amount else ())
    assert found.gap < 0.05
    assert found.features == pytest.approx(found.value - found.without, rel=0.05)
    assert found.features == pytest.approx(found.sums.sum()) and found.pairs > len(found.table)
    assert not found.sums[~found.scope].any(), "the template has no features"
    assert found.prompt == len(prompt) and len(found.tokens) == len(prompt) + len(ids) - 1
    assert "".join(found.tokens[found.prompt :]) + found.token == made.model.tokenizer.decode(ids)
    assert found.checks["checked"] == 16


def test_an_edit_of_nothing_changes_nothing(saved: Callable[[str], Path]) -> None:
    """Without an edit the standing edit's way through the model gives the same numbers."""
    made = subject(saved("llama"))
    plain, some = attributor(made, METRIC), cases(made)
    for method in (lambda one: one.grad(some), lambda one: one.ig(some, 6)):
        expected = method(plain)
        plain.edit = lambda hidden, positions, rows: hidden + 0.0
        found = method(plain)
        plain.edit = None
        assert torch.equal(found.entries.feature, expected.entries.feature)
        torch.testing.assert_close(found.attribution, expected.attribution)
        torch.testing.assert_close(found.error, expected.error)


def test_progress_is_told_and_ends_the_work(saved: Callable[[str], Path]) -> None:
    made, told = subject(saved("llama")), []
    explained(made, on_progress=told.append)
    assert {one.stage for one in told} == {"attributing", "verifying"}
    assert all(one.done <= one.total for one in told)

    def stop(progress: Progress) -> None:
        raise KeyError(progress.stage)

    with pytest.raises(KeyError, match="attributing"):
        explained(made, on_progress=stop)


def test_the_first_token_has_the_prompt_alone(saved: Callable[[str], Path]) -> None:
    made = subject(saved("llama"))
    prompt, ids = written(made, ())
    found = token_causes(made.model, made.sae, prompt, ids[:1])
    assert len(found.tokens) == len(prompt) and found.table["position"].max() < len(prompt)
