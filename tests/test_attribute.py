"""Attribution to features at positions: completeness, exactness, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
import transformers
from test_causal import exact_norm, load, theirs
from test_hooks import epsilon, lens_cache
from tiny_models import save_model
from tiny_saes import tiny_sae

from saetext.errors import InputError, ReaderError, SaetextWarning
from saetext.intervene.attribution import AttributeRequest, AttributionResult, attribute
from saetext.intervene.attribution.checking import Pairs, exact_effects
from saetext.intervene.attribution.gradients import Attributor, gauss_legendre
from saetext.intervene.attribution.misses import misses
from saetext.intervene.cases import How, cases_of
from saetext.intervene.latents import Latents
from saetext.intervene.metrics import parse_metric
from saetext.intervene.places import parse_at
from saetext.intervene.rows import rows_of
from saetext.intervene.subject import Subject, open_subject
from saetext.reader.parts import LoadedSae
from saetext.reader.weights import from_sae_lens

HOOK = "blocks.1.hook_resid_pre"
TEXTS = ["The quick brown fox", "She wrote that the answer was short; he", "However, there are many reasons"]
METRIC = 'logit("a") - logit("t")'
KINDS: dict[str, dict[str, Any]] = {
    "standard": {},
    "jumprelu": {},
    "gated": {},
    "topk": {},
    "standard+layer_norm": {"normalize_activations": "layer_norm"},
    "standard+constant_norm_rescale": {"normalize_activations": "constant_norm_rescale"},
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    root = tmp_path_factory.mktemp("models")
    return cache(lambda family: save_model(family, root / family, **epsilon(family)))


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    # transformers' rounds to float32, whatever the dtype
    monkeypatch.setattr(transformers.models.llama.modeling_llama.LlamaRMSNorm, "forward", exact_norm)


def subject(
    directory: Path, kind: str = "standard", *, dtype: str = "float64", size: float = 1.0, **options: Any
) -> Subject:
    """A model with an SAE of random directions ``size`` times as long as the hidden state is wide."""
    architecture = kind.partition("+")[0]
    sae = tiny_sae(architecture, **{"hook_name": HOOK, **KINDS.get(kind, {}), **options})
    with torch.no_grad():
        sae.W_dec.mul_(size)
    encoder = from_sae_lens(sae)
    made = Subject(load(directory, dtype=dtype), LoadedSae("tiny", "tiny", encoder, None))
    made.model.lens = sae  # type: ignore[attr-defined]  # the oracle
    return made


def cases(made: Subject, texts: Any = TEXTS, at: str = "last") -> Any:
    return cases_of(made.model, rows_of(texts), How(parse_at(at), raw=True))


@pytest.mark.parametrize(
    ("row", "answer"),
    [
        ({"prompt": "Name a fish.", "topic": "fish"}, ""),
        ({"prompt": "Name a fish.", "Output": "a trout", "topic": "fish"}, "a trout"),
        ({"prompt": "Name a fish.", "question": "which?"}, ""),
    ],
)
def test_a_topic_beside_a_prompt_is_no_answer(row: dict[str, str], answer: str) -> None:
    """Of columns beside a prompt that is named, only one with the name of an answer is an answer."""
    (found,) = rows_of([row], prompt="prompt")
    assert (found.prompt, found.answer) == ("Name a fish.", answer)


def attributor(made: Subject, metric: str = METRIC) -> Attributor:
    bound = parse_metric(metric).bound(made.model.tokenizer)
    return Attributor(made.model, Latents(made.model, made.sae), bound)


def ask(made: Any, prompts: Any = TEXTS, **options: Any) -> AttributionResult:
    return attribute(made, prompts, **{"metric": METRIC, "raw": True, **options})


def difference(model: Any, logits: torch.Tensor) -> torch.Tensor:
    a, t = (model.tokenizer.encode(letter)[-1] for letter in "at")
    return logits[..., a] - logits[..., t]


def decoded(sae: Any, x: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
    """Decode with sae-lens, which undoes the norm of what was encoded last, once."""
    sae.encode(x)
    return sae.decode(features)


# ---- exactness -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_ablations_equal_a_model_whose_layer_is_given_something_else(
    kind: str, saved: Callable[[str], Path]
) -> None:
    """Transformers' model and sae-lens's SAE: the layer above the hook gets x without the feature's part."""
    made = subject(saved("llama"), kind, dtype="float32")
    result = ask(made, top=12, checks=12)
    model, sae = theirs("llama", saved("llama")), made.model.lens  # type: ignore[attr-defined]
    rows = pl.concat([result.table.select(result.checks.columns), result.checks]).to_dicts()
    assert len(rows) == 24 and max(abs(row["exact"]) for row in rows) > 0.01
    for row in rows:
        prompt = torch.tensor([cases(made)[row["prompt"]].ids.tolist()])
        values = {}
        for taken in (False, True):

            def give(_: Any, args: Any, taken: bool = taken) -> Any:
                x = args[0].clone()
                features = sae.encode(x)
                without = features.clone()
                assert features[0, row["position"], row["feature"]] > 0
                without[0, row["position"], row["feature"]] = 0
                change = decoded(sae, x, without) - decoded(sae, x, features)
                return (x + change if taken else x, *args[1:])

            handle = model.model.layers[1].register_forward_pre_hook(give)
            with torch.no_grad():
                values[taken] = float(difference(made.model, model(prompt).logits[0, -1]))
            handle.remove()
        assert row["exact"] == pytest.approx(values[False] - values[True], abs=2e-4), row


def test_ablations_equal_transformer_lens(saved: Callable[[str], Path]) -> None:
    made = subject(saved("gpt2"), "jumprelu", dtype="float32")
    result = ask(made, top=10, checks=0)
    lens, _ = lens_cache("gpt2", saved("gpt2"))
    sae = made.model.lens  # type: ignore[attr-defined]
    for row in result.table.to_dicts():
        prompt = torch.tensor([cases(made)[row["prompt"]].ids.tolist()])

        def without(value: torch.Tensor, hook: Any, row: Any = row) -> torch.Tensor:
            changed = value.clone()
            changed[0, row["position"]] -= row["activation"] * sae.W_dec[row["feature"]]
            return changed

        with torch.no_grad():
            whole = difference(made.model, lens(prompt)[0, -1])
            less = difference(made.model, lens.run_with_hooks(prompt, fwd_hooks=[(HOOK, without)])[0, -1])
        assert row["exact"] == pytest.approx(float(whole - less), abs=2e-4)


def test_gradients_equal_finite_differences(saved: Callable[[str], Path], exact: None) -> None:
    made = subject(saved("llama"))
    whole = attributor(made)
    some = cases(made)
    found = whole.grad(some)
    step = 1e-4
    entries = found.entries
    index = np.argsort(-found.attribution.abs().numpy())[:10]
    moved = [
        exact_effects(
            whole,
            some,
            found.value.double().numpy(),
            Pairs(
                entries.row.numpy()[index],
                entries.position.numpy()[index],
                entries.feature.numpy()[index],
                np.full(10, sign * step, np.float32),
            ),
            batch=4,
        )
        for sign in (1, -1)
    ]
    expected = (moved[0] - moved[1]) / (2 * step)
    np.testing.assert_allclose(found.gradient.numpy()[index], expected, rtol=1e-4, atol=1e-6)
    assert np.abs(expected).max() > 0.05


def test_a_linear_head_makes_gradients_exact(saved: Callable[[str], Path]) -> None:
    """At the last layer's output, with nothing but the head above it, the effect of a feature is linear."""
    made = subject(saved("llama"), hook_name="blocks.2.hook_resid_post")
    made.model._base.norm = torch.nn.Identity()
    result = ask(made, top=30, checks=30)
    both = pl.concat([result.table.select(result.checks.columns), result.checks])
    np.testing.assert_allclose(both["attribution"], both["exact"], atol=1e-5)
    last = result.prompts["tokens"] - 1
    every = ask(made, top=0)  # all are shown, each verified, and none is left to check
    assert every.table.height == every.pairs.height and every.checks.height == 0
    elsewhere = result.pairs.filter(
        pl.col("position") != pl.col("prompt").replace_strict(dict(enumerate(last)))
    )
    assert elsewhere.height > 30 and (elsewhere["attribution"] == 0).all()
    assert result.table["attribution"].abs().max() > 0.1  # type: ignore[operator]
    complete = ask(made, method="ig", nodes=1, checks=0)
    np.testing.assert_allclose(complete.pairs["attribution"], result.pairs["attribution"], atol=1e-5)


# ---- completeness --------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", ["gpt2", "llama", "gemma2", "gpt_neox"])
@pytest.mark.parametrize("metric", [METRIC, 'logprob(" was short")', 'prob("a", "the", "t")'])
def test_integrated_gradients_add_up(
    family: str, metric: str, saved: Callable[[str], Path], exact: None
) -> None:
    """With directions that the model can bear ten points do; wild ones need more."""
    result = ask(subject(saved(family), size=0.1), metric=metric, method="ig", checks=0)
    assert result.metrics["gap"] < 1e-3
    wild = ask(subject(saved(family)), metric=metric, method="ig", nodes=100, checks=0)
    assert wild.metrics["gap"] < 1e-3
    prompts = result.prompts
    change = prompts["metric"] - prompts["without"]
    assert change.abs().max() > 0.01  # type: ignore[operator]
    sums = result.pairs.group_by("prompt").agg(pl.col("attribution").sum()).sort("prompt")["attribution"]
    np.testing.assert_allclose(sums, prompts["features"], atol=1e-9)
    np.testing.assert_allclose(sums, change, atol=1.5e-3 * float(change.abs().sum()))
    shares = ask(subject(saved(family), size=0.1), metric=metric, method="ig", checks=0, top=10_000).table
    totals = shares.group_by("prompt").agg(pl.col("share").sum()).sort("prompt")["share"]
    np.testing.assert_allclose(totals, sums / change, rtol=1e-6)


def test_without_is_the_model_without_features(saved: Callable[[str], Path]) -> None:
    made = subject(saved("llama"), dtype="float32")
    result = ask(made, method="ig", checks=0)
    model, sae = theirs("llama", saved("llama")), made.model.lens  # type: ignore[attr-defined]

    def give(_: Any, args: Any) -> Any:
        features = sae.encode(args[0])
        features[:, 0] *= first  # BOS is no content
        return (args[0] - features @ sae.W_dec, *args[1:])

    for number, case in enumerate(cases(made)):
        first = 0 if case.ids[0] == made.model.tokenizer.bos_token_id else 1
        handle = model.model.layers[1].register_forward_pre_hook(give)
        with torch.no_grad():
            value = float(difference(made.model, model(torch.tensor([case.ids.tolist()])).logits[0, -1]))
        handle.remove()
        assert result.prompts["without"][number] == pytest.approx(value, abs=2e-4)


def test_too_large_a_gap_is_refused(saved: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    from saetext.intervene.attribution import gradients

    made = subject(saved("llama"))
    monkeypatch.setattr(gradients, "gauss_legendre", lambda nodes: [(0.5, 0.9)])
    with pytest.raises(InputError, match=r"gradients miss \d+\.\d% of the change .*--nodes 40"):
        ask(made, method="ig", checks=0)


def test_gauss_legendre_is_exact_for_polynomials() -> None:
    for nodes in (1, 2, 10):
        for degree in range(2 * nodes):
            total = sum(weight * at**degree for at, weight in gauss_legendre(nodes))
            assert total == pytest.approx(1 / (degree + 1), abs=1e-12)


def test_errors_are_what_the_sae_misses(saved: Callable[[str], Path]) -> None:
    """Features, error and bias make up the hidden state, so their attributions make up its own."""
    for kind in KINDS:
        made = subject(saved("llama"), kind, dtype="float32")
        whole, some = attributor(made), cases(made)
        found = whole.grad(some)
        sae = made.model.lens  # type: ignore[attr-defined]
        for number, case in enumerate(some):
            ids = torch.tensor([case.ids.tolist()])
            done = made.model.forward(ids, torch.ones_like(ids), hooks=[HOOK], gradients=True)
            x = done.hidden[HOOK]
            (slope,) = torch.autograd.grad(difference(made.model, done.logits[0, -1]), x)
            with torch.no_grad():
                expected = ((x - sae(x)) * slope).sum(-1)[0][torch.from_numpy(case.scope)]
            actual = found.error[found.error_case == number]
            torch.testing.assert_close(actual, expected, rtol=1e-3, atol=1e-4)


# ---- the whole -----------------------------------------------------------------------------------------


def test_batches_change_nothing(saved: Callable[[str], Path]) -> None:
    made = subject(saved("llama"))
    for options in ({}, {"method": "ig"}, {"metric": 'logprob(" was short") - logprob("the")'}):
        one, many = (ask(made, batch=size, **options) for size in (1, 8))
        for name in ("table", "pairs", "errors", "checks", "prompts", "tokens"):
            a, b = getattr(one, name), getattr(many, name)
            assert a.columns == b.columns and a.height == b.height > 0
            for column in a.columns:
                if a[column].dtype == pl.Float64 and a[column].null_count() == 0:
                    np.testing.assert_allclose(a[column], b[column], atol=1e-5, err_msg=column)
                else:
                    assert a[column].to_list() == b[column].to_list(), column


def test_the_result_is_sparse_and_has_every_active_feature(saved: Callable[[str], Path]) -> None:
    made = subject(saved("llama"), "topk", dtype="float32")
    result = ask(made, top=5, checks=7)
    some = cases(made)
    scopes = [int(case.scope.sum()) for case in some]
    assert result.errors.height == sum(scopes) and result.metrics["positions"] == sum(scopes)
    assert result.pairs.height <= 6 * sum(scopes)  # k of the SAE
    sae = made.model.lens  # type: ignore[attr-defined]
    for number, case in enumerate(some):
        ids = torch.tensor([case.ids.tolist()])
        x = made.model.hidden(ids, torch.ones_like(ids), hooks=[HOOK])[HOOK]
        dense = sae.encode(x)[0].detach() * torch.from_numpy(case.scope)[:, None]
        mine = result.pairs.filter(pl.col("prompt") == number)
        at, feature = dense.nonzero(as_tuple=True)
        assert mine["position"].to_list() == at.tolist()
        assert mine["feature"].to_list() == feature.tolist()
        np.testing.assert_allclose(mine["activation"], dense[at, feature], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        result.pairs["attribution"], result.pairs["activation"] * result.pairs["gradient"], rtol=1e-6
    )
    sizes = result.table["attribution"].abs()
    assert len(result.table) == 5 and sizes.is_sorted(descending=True)
    assert sizes[-1] >= result.checks["attribution"].abs().max()
    keys = ["prompt", "position", "feature"]
    both = pl.concat([result.table.select(keys), result.checks.select(keys)])
    assert both.is_unique().all() and result.checks.height == 7
    assert result.metrics["others"] == result.pairs.height - 5
    for row in result.table.to_dicts():
        assert row["token"] == some[row["prompt"]].tokens[row["position"]] and row["id"] == str(row["prompt"])


def test_answers_are_cut_where_the_metric_is_taken(saved: Callable[[str], Path]) -> None:
    made = subject(saved("llama"), dtype="float32")
    rows = [{"prompt": "she wrote", "text": ": let\n- one\n- two\nthree", "topic": "count"}]
    result = ask(made, rows, at="last-item", checks=0)
    text = "".join(result.tokens["token"]).removeprefix("<bos>")
    assert text == "she wrote: let\n- one\n- two" and result.meta == ({"topic": "count"},)
    alone = ask(made, "she wrote: let\n- one\n- two", checks=0)
    assert alone.prompts["metric"].to_list() == pytest.approx(result.prompts["metric"].to_list(), abs=1e-4)
    everywhere = ask(made, rows, at="last-item", checks=0, positions="all")
    assert everywhere.errors.height >= result.errors.height


def test_the_model_answers_first_where_it_is_asked_to(saved: Callable[[str], Path]) -> None:
    made = subject(saved("llama"), dtype="float32")
    written = made.model.generate(
        [made.model.encode_prompt(TEXTS[0], raw=True)], max_new_tokens=5, temperature=0.0
    )[0].text
    result = ask(made, TEXTS[0], write=5, checks=0)
    expected = ask(made, [{"prompt": TEXTS[0], "text": written}], checks=0)
    assert result.table.equals(expected.table) and result.tokens.height > len(cases(made)[0])


def test_an_item_that_was_not_finished_is_left_out(
    saved: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list that was cut ends with its last whole line; one that the model ended is whole."""
    from saetext.reader.causal import CausalModel
    from saetext.reader.decoding import Generation

    nothing = np.zeros(0)
    for finish, expected in (("length", "- one\n- two"), ("eos", "- one\n- two\n- thr")):
        text = Generation(
            0, 0, "- one\n- two\n- thr", nothing.astype(np.int64), nothing.astype(np.float32), finish
        )
        monkeypatch.setattr(CausalModel, "generate", lambda *_, text=text, **__: [text])
        result = ask(subject(saved("gpt2"), dtype="float32"), "a", at="last-item", write=9, checks=0)
        assert "".join(result.tokens["token"]) == f"a{expected}"


def test_a_chat_is_attributed_in_its_contents(tmp_path: Path) -> None:
    template = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}[assistant]"
    made = subject(save_model("llama", tmp_path / "m", chat_template=template), dtype="float32")
    chat = [{"role": "user", "content": "the dog"}, {"role": "assistant", "content": " lazy"}]
    result = attribute(made, [{"messages": chat}], metric=METRIC, checks=0)
    assert "".join(result.tokens["token"]).endswith("[user]the dog[assistant] lazy")
    read = result.tokens.join(result.errors, on=["prompt", "position"])
    assert "".join(read["token"]) == "the dog lazy"
    with pytest.raises(InputError, match="no answer to find 'last-item' in"):
        attribute(made, "the dog", metric=METRIC, at="last-item")


# ---- verification --------------------------------------------------------------------------------------


def test_what_was_missed_is_bounded() -> None:
    def table(attribution: list[float], exact: list[float]) -> pl.DataFrame:
        return pl.DataFrame({"attribution": attribution, "exact": exact})

    top = table([3.0, -2.0, 1.0], [3.0, -2.5, -1.0])
    found = misses(top, table([0.1] * 198 + [0.2] * 2, [0.5] * 199 + [1.0]), 5000)
    assert found["top_signs"] == pytest.approx(2 / 3) and found["others_above"] == 1
    assert found["largest_other"] == 1.0 and found["checked"] == 200
    # Clopper-Pearson by its definition: at this share, one or fewer of 200 has probability .05
    share = found["others_above_most"]
    assert (1 - share) ** 200 + 200 * share * (1 - share) ** 199 == pytest.approx(0.05, abs=1e-6)
    assert misses(top, table([0.1] * 5, [0.5] * 5), 5)["others_above_most"] == 0.0  # all were looked at
    assert misses(top, table([], []), 5)["others_above_most"] is None


def test_attributions_go_with_exact_effects(saved: Callable[[str], Path]) -> None:
    result = ask(subject(saved("llama")), top=40, checks=200)
    assert result.metrics["top_r"] > 0.5 and result.metrics["checks_r"] > 0.5


# ---- saved ---------------------------------------------------------------------------------------------


def test_saved_and_loaded_is_the_same(saved: Callable[[str], Path], tmp_path: Path) -> None:
    rows = [{"prompt": text, "topic": "\x1b[31m</script>", "n": n} for n, text in enumerate(TEXTS)]
    result = ask(subject(saved("llama"), dtype="float32"), rows, method="ig")
    path = result.save(tmp_path / "attribution.json")
    again = AttributionResult.load(path)
    for name in ("table", "pairs", "errors", "checks", "prompts", "tokens"):
        a, b = getattr(result, name), getattr(again, name)
        assert a.schema == b.schema
        for column in a.columns:
            if a[column].dtype == pl.Float64:
                np.testing.assert_allclose(a[column], b[column], rtol=1e-8)
            else:
                assert a[column].to_list() == b[column].to_list()
    assert again.meta == result.meta and again.labels == result.labels and again.notes == result.notes
    assert again.metrics == json.loads(json.dumps(result.metrics)) and again.kind == "attribute"
    with pytest.raises(InputError, match="exists already"):
        result.save(path)
    told = json.loads(result.to_json())
    assert told["kind"] == "attribute" and len(told["rows"]) == len(result) and len(told["checks"]) > 0
    assert "pairs" not in told


def test_damage_is_one_line(saved: Callable[[str], Path], tmp_path: Path) -> None:
    whole = json.loads(
        ask(subject(saved("llama"), dtype="float32"), checks=3).save(tmp_path / "a.json").read_text()
    )
    from saetext.io.sealed import sealed

    def damaged(change: Callable[[dict[str, Any]], object], seal: bool = True) -> str:
        content = json.loads(json.dumps(whole))
        change(content)
        (tmp_path / "b.json").write_text(json.dumps(sealed(content) if seal else content))
        with pytest.raises(InputError) as caught:
            AttributionResult.load(tmp_path / "b.json")
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "checksum" in damaged(lambda c: c["metrics"].update(gap=1), seal=False)
    assert "has no seal" in damaged(lambda c: c.pop("seal"), seal=False)
    assert "different lengths" in damaged(lambda c: c["tables"]["pairs"]["feature"].append(1))
    assert "a prompt that it does not have" in damaged(
        lambda c: c["tables"]["pairs"].update(
            {name: [*column, 99] for name, column in c["tables"]["pairs"].items()}
        )
    )
    assert "numbered from 0" in damaged(lambda c: c["meta"].pop())
    assert "tables.pairs.feature[0] is true" in damaged(
        lambda c: c["tables"]["pairs"]["feature"].__setitem__(0, True)
    )
    assert "labels are not of features" in damaged(lambda c: c["labels"].update(x="y"))
    assert "format is" in damaged(lambda c: c.update(format="other"))
    with pytest.raises(InputError, match="there is no file"):
        AttributionResult.load(tmp_path / "nowhere.json")


# ---- refused -------------------------------------------------------------------------------------------


def test_what_cannot_be_attributed_is_one_line(saved: Callable[[str], Path], tmp_path: Path) -> None:
    made = subject(saved("llama"), dtype="float32")

    def refused(prompts: Any = TEXTS, **options: Any) -> str:
        with pytest.raises(InputError) as caught:
            ask(made, prompts, **options)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "give a metric" in refused(metric=None)
    assert "and a logit is of one" in refused(metric='logit("fox jumps")')
    assert "has no place 'last-item'" in refused(at="last-item")
    assert "64 positions" in refused(["word " * 80])
    assert "with the metric's text" in refused(
        ["a b c d e f g h i j k l m n o"], metric=f'logprob("{"~" * 60}")'
    )
    assert "there is no prompt" in refused([])
    assert "null text" in refused([{"text": "a"}, {"text": None}])
    with pytest.raises(InputError, match="prompt '0': nothing stands before 'before"):
        ask(subject(saved("gpt2"), dtype="float32"), ["a b"], at="before ^a")
    with pytest.raises(InputError, match="nodes would change nothing"):
        AttributeRequest(metric=METRIC, nodes=20)
    assert "sae would change nothing" in refused(sae="other")
    with pytest.raises(InputError, match=r"which SAE of .*--sae"):
        open_subject(saved("llama"))
    with pytest.raises(ReaderError, match="belongs to another model"):
        ask(subject(saved("llama"), d_in=16, dtype="float32"))
    with pytest.raises(ReaderError, match="writes elsewhere than it reads"):
        ask(subject(saved("llama"), "transcoder", dtype="float32"))
    with pytest.raises(ReaderError, match="it cannot write"):
        open_subject(save_model("bert", tmp_path / "reads"), from_sae_lens(tiny_sae("standard")))


def test_an_sae_of_another_model_is_refused_as_steer_does(saved: Callable[[str], Path]) -> None:
    model = load(saved("llama"))
    sae = from_sae_lens(tiny_sae("standard", hook_name=HOOK, model_name="org/gemma-2-2b"))
    with pytest.warns(SaetextWarning, match="trained on org/gemma-2-2b"):  # a directory is called anything
        open_subject(model, sae)
    for name, told in (("google/gemma-2-2b-it", "may mean other things"), ("openai-community/gpt2", None)):
        model.name = name
        if told is not None:
            with pytest.warns(SaetextWarning, match=told):
                open_subject(model, sae)
        else:
            with pytest.raises(InputError, match="trained on org/gemma-2-2b, not on openai-community/gpt2"):
                open_subject(model, sae)
    narrow = from_sae_lens(tiny_sae("standard", hook_name=HOOK, d_in=16))
    with pytest.raises(InputError, match=r"reads 16 values .*belongs to another model"):
        open_subject(model, narrow)


def test_the_head_runs_where_it_is_asked_for(saved: Callable[[str], Path]) -> None:
    for family in ("gpt2", "llama", "gemma2", "gpt_neox", "gemma3"):
        model = load(saved(family))
        ids = torch.arange(5, 17).view(2, 6)
        whole = model.logits(ids, torch.ones_like(ids))
        some = model.forward(ids, torch.ones_like(ids), keep=[1, 4]).logits
        torch.testing.assert_close(some, whole[:, [1, 4]], rtol=0, atol=1e-5)


# ---- the command ---------------------------------------------------------------------------------------


def test_the_command(saved: Callable[[str], Path], tmp_path: Path) -> None:
    from saetext_cli.main import app
    from tiny_saes import save_tiny_sae
    from typer.testing import CliRunner

    sae = save_tiny_sae(tmp_path / "sae", "jumprelu", hook_name=HOOK, model_name="llama")
    rows = [{"prompt": text, "topic": str(n % 2)} for n, text in enumerate(TEXTS)]
    (tmp_path / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    start = ["attribute", str(saved("llama")), str(tmp_path / "prompts.jsonl"), "--sae", str(sae), "--raw"]
    asked = [*start, "--metric", METRIC, "--top", "5", "--checks", "9"]
    done = CliRunner().invoke(app, [*asked, "--json", "-o", str(tmp_path / "a.json")])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert len(told["rows"]) == 5 and len(told["checks"]) == 9 and len(told["prompts"]) == 3
    kept = AttributionResult.load(tmp_path / "a.json")
    assert kept.table["exact"].to_list() == pytest.approx([row["exact"] for row in told["rows"]], rel=1e-8)
    assert kept.meta[1]["topic"] == "1" and kept.params["subject"]["hook"] == HOOK
    shown = CliRunner().invoke(app, [*asked, "--method", "ig", "--nodes", "40"])
    assert shown.exit_code == 0 and "share" in shown.stdout and "ablated exactly" in shown.stdout
    for wrong in (
        [*asked, "-o", str(tmp_path / "a.json")],
        [*start, "--metric", "logit("],
        start,
        [*asked, "--at", "nowhere"],
    ):
        failed = CliRunner().invoke(app, wrong)
        assert failed.exit_code != 0 and failed.stdout == ""


# ---- speed ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_attribution_takes_at_most_three_times_a_forward_and_backward_pass(tmp_path: Path) -> None:
    """By processor time, the fastest of three, with a model large enough that what is around it is small."""
    import time

    directory = save_model(
        "llama",
        tmp_path / "m",
        hidden_size=256,
        intermediate_size=704,
        num_hidden_layers=6,
        num_attention_heads=8,
        num_key_value_heads=8,
    )
    hook = "blocks.3.hook_resid_pre"
    made = subject(directory, "topk", dtype="float32", hook_name=hook, d_in=256, d_sae=4096, k=32)
    rng = np.random.default_rng(0)
    texts = ["".join(rng.choice(list("abcdefgh "), 60)).strip() for _ in range(48)]
    some = cases(made, texts)
    whole = attributor(made)

    def bare() -> None:
        for start in range(0, len(some), 8):
            batch = some[start : start + 8]
            longest = max(map(len, batch))
            ids = torch.tensor([[*case.ids.tolist(), *[0] * (longest - len(case))] for case in batch])
            mask = torch.tensor([[1] * len(case) + [0] * (longest - len(case)) for case in batch])
            done = made.model.forward(ids, mask, hooks=[hook], gradients=True)
            torch.autograd.grad(done.logits[:, -1].sum(), done.hidden[hook])

    def attributing() -> None:
        for start in range(0, len(some), 8):
            whole.grad(some[start : start + 8])

    def seconds(run: Callable[[], None]) -> float:
        run()
        times = []
        for _ in range(3):
            before = time.process_time()
            run()
            times.append(time.process_time() - before)
        return min(times)

    assert seconds(attributing) < 3 * seconds(bare)


def test_rows_whose_sign_is_wrong_are_counted(saved: Callable[[str], Path]) -> None:
    result = ask(subject(saved("llama"), dtype="float32"), top=40)
    table = result.table
    turned = int(((table["attribution"] > 0) != (table["exact"] > 0)).sum())
    told = [note for note in result.notes if "go by 'exact'" in note]
    assert 0 < turned < 40 and told == [
        f"{turned} of 40 shown move the metric the other way when they are taken out: go by 'exact'"
    ]


def test_the_terminal_keeps_numbers_whole(saved: Callable[[str], Path]) -> None:
    from saetext.report.console.attribution import render_attribution

    for options in ({}, {"method": "ig", "nodes": 40}):
        result = ask(subject(saved("llama"), dtype="float32"), **options)  # type: ignore[arg-type]
        for width in (40, 76, 100, 200):
            text = render_attribution(result, width)
            assert max(map(len, text.splitlines())) <= width
            for row in result.table.to_dicts():
                assert f"{row['exact']:+.3f}" in text, width
