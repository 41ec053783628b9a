"""SAEs of sparsify and dictionary_learning: against a plain implementation of each architecture, by value."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import save_file
from tiny_models import HIDDEN
from tiny_reader import some_rows, tiny, write_jsonl
from torch import Tensor

import saetext
from saetext.errors import ReaderError
from saetext.features.subject import open_subject
from saetext.reader.foreign.loading import load_directory
from saetext.reader.reader import Reader

D, F, K = HIDDEN, 64, 8


def drawn(*shape: int, seed: int = 0, scale: float = 1.0, shift: float = 0.0) -> Tensor:
    return scale * torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) + shift


def inputs() -> Tensor:
    return drawn(200, D, seed=9, scale=2.0, shift=0.5).double()


def linear(seed: int = 0) -> dict[str, Tensor]:
    """An encoder and a decoder as torch.nn.Linear keeps them; the decoder's columns are no unit vectors."""
    return {
        "encoder.weight": drawn(F, D, seed=seed + 1, scale=D**-0.5),
        "encoder.bias": drawn(F, seed=seed + 2, scale=0.3, shift=-0.5),
        "decoder.weight": drawn(D, F, seed=seed + 3),
    }


def relu(x: Tensor) -> Tensor:
    return torch.where(x > 0, x, torch.zeros_like(x))


def save(directory: Path, cfg: Any, tensors: dict[str, Tensor], *, names: tuple[str, str]) -> Path:
    directory.mkdir(parents=True)
    (directory / names[0]).write_text(json.dumps(cfg), encoding="utf-8")
    path = directory / names[1]
    if path.suffix == ".pt":
        torch.save(tensors, path)
    else:
        save_file({n: t.contiguous() for n, t in tensors.items()}, path)
    return directory


# ---- sparsify ----------------------------------------------------------------------------------------


def sparsify(directory: Path, tensors: dict[str, Tensor] | None = None, **changes: Any) -> Path:
    cfg = {
        "activation": "topk", "expansion_factor": 2, "normalize_decoder": True, "num_latents": 0, "k": K,
        "multi_topk": False, "skip_connection": False, "transcode": False, "d_in": D,
    }  # fmt: skip
    return save(
        directory, cfg | changes, tensors or sparsify_tensors(), names=("cfg.json", "sae.safetensors")
    )


def sparsify_tensors() -> dict[str, Tensor]:
    own = linear()
    return {
        "encoder.weight": own["encoder.weight"],
        "encoder.bias": own["encoder.bias"] + 0.5,
        "W_dec": own["decoder.weight"].T,
        "b_dec": drawn(D, seed=4, scale=0.3),
    }


def plain_sparsify(t: dict[str, Tensor], activation: str, k: int, x: Tensor) -> Tensor:
    """One token and one feature at a time."""
    found = torch.zeros(len(x), F, dtype=torch.float64)
    for row, token in enumerate(x):
        pre = [
            float(
                (token - t["b_dec"].double()) @ t["encoder.weight"][f].double()
                + t["encoder.bias"][f].double()
            )
            for f in range(F)
        ]
        if activation == "topk":
            kept = sorted(range(F), key=lambda f: -pre[f])[:k]
        else:
            size = F // k
            kept = [max(range(g, g + size), key=lambda f: pre[f]) for g in range(0, F, size)]
        for f in kept:
            found[row, f] = max(pre[f], 0.0)
    return found


@pytest.mark.parametrize("activation", ["topk", "groupmax"])
@pytest.mark.parametrize("block", [7, 24, 4096])
def test_sparsify_by_value(activation: str, block: int, tmp_path: Path) -> None:
    encoder = load_directory(sparsify(tmp_path / "layers.1", activation=activation))
    x = inputs()
    dense = torch.zeros(len(x), F)
    token, feature, value = encoder.entries(x.float(), feature_block=block, token_block=90)
    dense[token, feature] = value
    want = plain_sparsify(sparsify_tensors(), activation, K, x)
    assert (encoder.architecture, encoder.d_in, encoder.d_sae) == (activation, D, F)
    assert 500 < int((want > 0).sum()) < len(x) * F / 2
    torch.testing.assert_close(dense.double(), want, atol=1e-4, rtol=1e-4)
    assert torch.equal(token, token.sort(stable=True).values)
    assert torch.equal(encoder.decoder, sparsify_tensors()["W_dec"])
    cut = torch.full((F,), 1.0)
    assert torch.equal(
        encoder.entries(x.float(), cut)[2] > 1, torch.ones(int((want > 1).sum()), dtype=torch.bool)
    )
    assert encoder.restricted([1, 2]) is None


@pytest.mark.parametrize(
    ("place", "hook"),
    [
        ("layers.10", "blocks.10.hook_resid_post"),
        ("h.0", "blocks.0.hook_resid_post"),
        ("layers.3.mlp", "blocks.3.mlp.hook_out"),
        ("layers.3.attention", "blocks.3.attn.hook_out"),
        ("h.2.attn/seed1", "blocks.2.attn.hook_out"),
        ("model.layers.4.self_attn", "blocks.4.attn.hook_out"),
        ("encoder.layer.2", "encoder.layer.2"),
    ],
)
def test_sparsify_says_where_it_reads_by_its_directory(place: str, hook: str, tmp_path: Path) -> None:
    run = {"sae": {"k": K}, "model": "EleutherAI/pythia-70m", "ctx_len": 128, "exclude_tokens": [0, 7]}
    encoder = load_directory(sparsify(tmp_path / "run" / place))
    assert encoder.hook == hook and encoder.metadata.model_name is None
    (tmp_path / "run" / "config.json").write_text(json.dumps(run))
    about = load_directory(tmp_path / "run" / place).metadata
    assert (about.model_name, about.context_size) == ("EleutherAI/pythia-70m", 128)
    assert about.exclude_special_tokens == (0, 7)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"transcode": True}, "is a transcoder, not an SAE"),
        ({"skip_connection": True}, "has a skip connection"),
        ({"signed": True}, "has negative activations"),
        ({"activation": "maxout"}, "unknown activation 'maxout'; known are topk and groupmax"),
        ({"activation": "groupmax", "k": 7}, "64 latents cannot be cut into 7 equal groups"),
        ({"k": 65}, "k is 65, not a whole number from 1 to 64"),
        ({"d_in": None}, "d_in is None, not a whole number"),
        ({"d_in": "32"}, "d_in is '32', not a whole number"),
        ({"num_latents": 96}, r"encoder.weight has shape \(64, 32\) where cfg.json says \(96, 32\)"),
    ],
)
def test_sparsify_refusals(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    directory = sparsify(tmp_path / "layers.1", **changes)
    with pytest.raises(ReaderError, match=message) as error:
        load_directory(directory)
    assert "\n" not in str(error.value)


def test_sparsify_lacks_something(tmp_path: Path) -> None:
    tensors = sparsify_tensors()
    del tensors["encoder.bias"]
    with pytest.raises(ReaderError, match=r"lacks the tensor encoder.bias; there is W_dec, b_dec, encoder"):
        load_directory(sparsify(tmp_path / "a" / "layers.1", tensors))
    (sparsify(tmp_path / "b" / "layers.1") / "sae.safetensors").unlink()
    with pytest.raises(ReaderError, match=r"layers.1 lacks its weights \(sae.safetensors\)"):
        load_directory(tmp_path / "b" / "layers.1")
    with pytest.raises(ReaderError, match=r"which hook point does .* read"):
        load_directory(sparsify(tmp_path / "c" / "mine"))
    assert load_directory(sparsify(tmp_path / "d" / "mine", hook_name="blocks.1.hook_resid_mid")).hook == (
        "blocks.1.hook_resid_mid"
    )
    sparsify(tmp_path / "e" / "layers.2")
    sparsify(tmp_path / "e" / "layers.1" / "seed0")
    with pytest.raises(
        ReaderError, match=r"e holds 2 SAEs: name one, such as .*layers.2 \(layers.2, layers.1/s"
    ):
        load_directory(tmp_path / "e")
    nan = {**sparsify_tensors(), "b_dec": torch.full((D,), torch.nan)}
    with pytest.raises(ReaderError, match="b_dec holds NaN"):
        load_directory(sparsify(tmp_path / "f" / "layers.1", nan))


# ---- dictionary_learning -----------------------------------------------------------------------------

Plain = Callable[[dict[str, Tensor], Tensor], Tensor]


def plain_standard(t: dict[str, Tensor], x: Tensor) -> Tensor:
    """What load_dictionary makes of an AutoEncoder: its decoder's columns become unit vectors."""
    length = (t["decoder.weight"] ** 2).sum(0).sqrt()
    return relu((x - t["bias"]) @ t["encoder.weight"].T + t["encoder.bias"]) * length


def plain_new(t: dict[str, Tensor], x: Tensor) -> Tensor:
    return relu(x @ t["encoder.weight"].T + t["encoder.bias"])


def plain_gated(t: dict[str, Tensor], x: Tensor) -> Tensor:
    pre = (x - t["decoder_bias"]) @ t["encoder.weight"].T
    return torch.where(pre + t["gate_bias"] > 0, relu(t["r_mag"].exp() * pre + t["mag_bias"]), 0.0)


def plain_jumprelu(t: dict[str, Tensor], x: Tensor) -> Tensor:
    pre = x @ t["W_enc"] + t["b_enc"]
    return torch.where(pre > t["threshold"], relu(pre), 0.0)


def plain_topk(t: dict[str, Tensor], x: Tensor) -> Tensor:
    pre = relu((x - t["b_dec"]) @ t["encoder.weight"].T + t["encoder.bias"])
    last = pre.sort(dim=1, descending=True).values[:, K - 1 : K]
    return torch.where(pre >= last, pre, 0.0)


def plain_batch_topk(t: dict[str, Tensor], x: Tensor) -> Tensor:
    pre = relu((x - t["b_dec"]) @ t["encoder.weight"].T + t["encoder.bias"])
    return torch.where(pre > t["threshold"], pre, 0.0)


def plain_matryoshka(t: dict[str, Tensor], x: Tensor) -> Tensor:
    pre = relu((x - t["b_dec"]) @ t["W_enc"] + t["b_enc"])
    return torch.where(pre > t["threshold"], pre, 0.0)


def own_names() -> dict[str, Tensor]:
    t = linear()
    return {
        "W_enc": t["encoder.weight"].T, "b_enc": t["encoder.bias"], "W_dec": t["decoder.weight"].T,
        "b_dec": drawn(D, seed=4, scale=0.3),
    }  # fmt: skip


B_DEC = {"b_dec": drawn(D, seed=4, scale=0.3)}
ONE = {"threshold": torch.tensor(0.7), "k": torch.tensor(K, dtype=torch.int)}
CLASSES: dict[str, tuple[str, dict[str, Tensor], Plain, str]] = {
    "AutoEncoder": ("standard", {**linear(), "bias": B_DEC["b_dec"]}, plain_standard, "decoder.weight"),
    "AutoEncoderNew": ("standard", {**linear(), "decoder.bias": B_DEC["b_dec"]}, plain_new, "decoder.weight"),
    "GatedAutoEncoder": (
        "gated",
        {
            **{n: t for n, t in linear().items() if n != "encoder.bias"},
            "decoder_bias": B_DEC["b_dec"],
            "r_mag": drawn(F, seed=5, scale=0.3),
            "gate_bias": drawn(F, seed=6, scale=0.3, shift=-0.5),
            "mag_bias": drawn(F, seed=7, scale=0.3),
        },
        plain_gated,
        "decoder.weight",
    ),
    "JumpReluAutoEncoder": (
        "jumprelu",
        {**own_names(), "threshold": drawn(F, seed=8, scale=0.3, shift=0.3)},  # some are below zero
        plain_jumprelu,
        "W_dec",
    ),
    "AutoEncoderTopK": ("topk", {**linear(), **B_DEC, **ONE}, plain_topk, "decoder.weight"),
    "BatchTopKSAE": ("jumprelu", {**linear(), **B_DEC, **ONE}, plain_batch_topk, "decoder.weight"),
    "MatryoshkaBatchTopKSAE": (
        "jumprelu",
        {**own_names(), **ONE, "group_sizes": torch.tensor([16, 48])},
        plain_matryoshka,
        "W_dec",
    ),
}


def dictionary(
    directory: Path, name: str, *, file: str = "ae.safetensors", buffer: Any = None, **trainer: Any
) -> Path:
    cfg = {
        "dict_class": name, "activation_dim": D, "dict_size": F, "k": K, "layer": 1, "lm_name": "tiny",
        "submodule_name": "resid_post_layer_1",
    }  # fmt: skip
    about = {"trainer": {k: v for k, v in (cfg | trainer).items() if v is not ...}}
    about["buffer"] = {"io": "out", "ctx_len": 64} | (buffer or {})
    return save(directory, about, CLASSES[name][1] if name in CLASSES else {}, names=("config.json", file))


@pytest.mark.parametrize("file", ["ae.pt", "ae.safetensors"])
@pytest.mark.parametrize("name", CLASSES)
def test_dictionary_learning_by_value(name: str, file: str, tmp_path: Path) -> None:
    architecture, tensors, plain, decoder = CLASSES[name]
    encoder = load_directory(dictionary(tmp_path / "trainer_0", name, file=file), trust_pickle=True)
    x = inputs()
    want = plain({n: t.double() for n, t in tensors.items()}, x)
    assert encoder.architecture == architecture
    assert 500 < int((want > 0).sum()) < len(x) * F * 0.7
    torch.testing.assert_close(encoder.encode(x.float()).double(), want, atol=1e-4, rtol=1e-4)
    stored = tensors[decoder].T if decoder == "decoder.weight" else tensors[decoder]
    rows = stored / stored.norm(dim=1, keepdim=True) if name == "AutoEncoder" else stored
    torch.testing.assert_close(encoder.decoder, rows)
    torch.testing.assert_close(encoder.bias, B_DEC["b_dec"])
    about = encoder.metadata
    assert (about.hook_name, about.model_name, about.context_size) == ("blocks.1.hook_resid_post", "tiny", 64)


def test_an_untrusted_pickle_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = dictionary(tmp_path / "ae", "AutoEncoder", file="ae.pt")
    with monkeypatch.context() as patch:
        patch.setattr(torch, "load", None)
        with pytest.raises(
            ReaderError, match=r"pickled \(ae.pt\), which can run code; .* pass --trust-pickle"
        ):
            load_directory(directory)
    tensors = CLASSES["AutoEncoder"][1]
    save_file(tensors, directory / "ae.safetensors")
    (directory / "ae.pt").write_bytes(b"never looked at")
    assert load_directory(directory, trust_pickle=True).d_sae == F

    class Runs:
        def __reduce__(self) -> tuple[Any, ...]:
            return (pytest.fail, ("the pickle ran",))

    (directory / "ae.safetensors").unlink()
    torch.save({**tensors, "more": Runs()}, directory / "ae.pt")
    with pytest.raises(ReaderError, match="cannot unpickle"):
        load_directory(directory, trust_pickle=True)


@pytest.mark.parametrize(
    ("place", "trainer", "buffer", "hook"),
    [
        ("x", {"submodule_name": "resid_post_layer_1"}, {"io": "in"}, "blocks.1.hook_resid_pre"),
        ("x", {"submodule_name": "mlp_out_layer_1"}, {}, "blocks.1.mlp.hook_out"),
        ("x", {"submodule_name": "mlp_out"}, {"io": "in"}, "blocks.1.mlp.hook_in"),
        ("x", {"submodule_name": "attn_out_layer_1"}, {}, "blocks.1.attn.hook_out"),
        ("resid_out_layer1/10_64", {"submodule_name": ...}, {}, "blocks.1.hook_resid_post"),
        ("mlp_out_layer2/10_64", {"submodule_name": ..., "layer": ...}, {}, "blocks.2.mlp.hook_out"),
        ("x", {"hook_name": "blocks.0.hook_resid_mid"}, {}, "blocks.0.hook_resid_mid"),
    ],
)
def test_where_a_dictionary_reads(
    place: str, trainer: dict[str, Any], buffer: dict[str, Any], hook: str, tmp_path: Path
) -> None:
    assert load_directory(dictionary(tmp_path / place, "AutoEncoder", buffer=buffer, **trainer)).hook == hook


@pytest.mark.parametrize(
    ("name", "changes", "buffer", "message"),
    [
        ("IdentityDict", {}, {}, "unknown class 'IdentityDict'; those that can be read are AutoEncoder, "),
        ("CrossCoder", {}, {}, "unknown class 'CrossCoder'"),
        ("AutoEncoder", {"dict_class": ...}, {}, "config.json names no trainer.dict_class"),
        (
            "AutoEncoder",
            {"hook_name": "h"},
            {"io": "in_and_out"},
            r"is a transcoder, not an SAE \(buffer.io is in_and_out",
        ),
        (
            "AutoEncoder",
            {"submodule_name": ...},
            {},
            "trainer.submodule_name is missing: put resid_post_layer_8",
        ),
        (
            "AutoEncoder",
            {"submodule_name": "resid_post_layer_2"},
            {},
            "is of layer 2, config.json says layer 1",
        ),
        ("AutoEncoder", {"submodule_name": "attn_out"}, {"io": "in"}, "reads what enters the attention"),
        (
            "AutoEncoder",
            {"activation_dim": 16},
            {},
            r"has shape \(64, 32\) where config.json says \(64, 16\)",
        ),
        ("AutoEncoderTopK", {"k": 5}, {}, "k is 8 where config.json says 5"),
        ("AutoEncoderTopK", {"k": ...}, {}, "trainer.k is None, not a whole number"),
    ],
)
def test_dictionary_refusals(
    name: str, changes: dict[str, Any], buffer: dict[str, Any], message: str, tmp_path: Path
) -> None:
    directory = dictionary(tmp_path / "ae", name, buffer=buffer, **changes)
    with pytest.raises(ReaderError, match=message) as error:
        load_directory(directory)
    assert "\n" not in str(error.value)


def test_a_threshold_that_was_never_set(tmp_path: Path) -> None:
    directory = dictionary(tmp_path / "ae", "BatchTopKSAE")
    save_file({**CLASSES["BatchTopKSAE"][1], "threshold": torch.tensor(-1.0)}, directory / "ae.safetensors")
    with pytest.raises(ReaderError, match="its threshold is -1, it was never set"):
        load_directory(directory)


# ---- as readers --------------------------------------------------------------------------------------


def forward(directory: Path, texts: list[str], module: str) -> list[Tensor]:
    """The output of a module for each text, by transformers alone, and without BOS's position."""
    network = transformers.AutoModel.from_pretrained(directory, trust_remote_code=False).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(directory, trust_remote_code=False)
    seen: list[Tensor] = []
    network.get_submodule(module).register_forward_hook(
        lambda _, args, out: seen.append((out[0] if isinstance(out, tuple) else out)[0, 1:])
    )
    for text in texts:
        ids = [tokenizer.bos_token_id, *tokenizer(text, add_special_tokens=False).input_ids]
        with torch.no_grad():
            network(torch.tensor([ids]))
    return seen


@pytest.mark.parametrize("kind", ["sparsify", "dictionary_learning"])
def test_texts_are_read_through_it(kind: str, tmp_path: Path) -> None:
    """From the directory's name alone to a corpus, whose maxima are those of transformers and plain code."""
    if kind == "sparsify":
        directory = sparsify(tmp_path / "run" / "h.0.mlp", activation="groupmax")
        (tmp_path / "run" / "config.json").write_text(json.dumps({"sae": {}, "model": str(tiny().model)}))
        module, plain = "h.0.mlp", partial(plain_sparsify, sparsify_tensors(), "groupmax", K)
    else:
        directory = dictionary(tmp_path / "run" / "x", "GatedAutoEncoder", lm_name=str(tiny().model))
        tensors = {n: t.double() for n, t in CLASSES["GatedAutoEncoder"][1].items()}
        module, plain = "h.1", partial(plain_gated, tensors)
    rows = some_rows(12, longest=12)
    reader = Reader(directory, device="cpu", dtype="float32")
    corpus = saetext.encode(
        write_jsonl(tmp_path / "a.jsonl", rows), tmp_path / "a.corpus", reader=reader, threshold=0
    )
    assert corpus.spec.sae().origin == directory.name
    want = np.stack(
        [plain(x.double()).max(0).values for x in forward(tiny().model, [r["text"] for r in rows], module)]
    )
    assert (want > 0).sum() > 50
    np.testing.assert_allclose(corpus.csr("max").toarray(), want, rtol=1e-3, atol=1e-3)
    name = corpus.spec.sae().name
    again = Reader.from_spec(corpus.spec, {name: corpus.calibration(name)})
    assert again.spec.fingerprint == corpus.spec.fingerprint
    assert open_subject(str(directory)).sae.hook == corpus.spec.sae().hook


def test_without_a_model_or_with_another(tmp_path: Path) -> None:
    directory = sparsify(tmp_path / "h.1")
    with pytest.raises(ReaderError, match="which language model"):
        Reader(directory)
    assert Reader(directory, model=tiny().model).saes
    save_tiny = dictionary(tmp_path / "far", "AutoEncoder", layer=7, submodule_name="resid_post")
    with pytest.raises(ReaderError, match="the model has 2 layers, numbered from 0"):
        Reader(save_tiny, model=tiny().model)
    wide = {**sparsify_tensors(), "encoder.weight": drawn(F, 48), "W_dec": drawn(F, 48), "b_dec": drawn(48)}
    with pytest.raises(ReaderError, match=r"reads 48 values .*, but .* has 32 there"):
        Reader(sparsify(tmp_path / "h.0", wide, d_in=48, num_latents=F), model=tiny().model)


def test_the_command_line_names_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from saetext_cli.main import main

    dictionary(tmp_path / "ae", "AutoEncoder", file="ae.pt", lm_name=str(tiny().model))
    write_jsonl(tmp_path / "a.jsonl", some_rows(5))
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["saetext", *arguments])
        err = io.StringIO()
        with pytest.raises(SystemExit) as end, contextlib.redirect_stderr(err):
            main()
        return int(end.value.code or 0), err.getvalue()

    code, said = run("encode", "a.jsonl", "-r", "ae")
    assert code == 1 and "pass --trust-pickle if you trust" in said.splitlines()[-1]
    assert run("encode", "a.jsonl", "-r", "ae", "--trust-pickle")[0] == 0
