"""Loading SAEs from directories and from sae-lens's registry, with sae-lens's own loaders as the oracle."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub.errors import LocalEntryNotFoundError
from safetensors.torch import load_file, save_file
from tiny_saes import ARCHITECTURES, save_tiny_sae, tiny_sae

from saetext.errors import ReaderError
from saetext.reader.sae_config import SaeMetadata
from saetext.reader.weights import from_sae_lens, load_sae_dir, load_sae_release, tensors_sha256

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")  # sae-lens's, about its language model
CFG, WEIGHTS = "cfg.json", "sae_weights.safetensors"
FOLDED_RELEASE, FOLDED_ID = "gpt2-small-mlp-tm", "blocks.3.hook_mlp_out"  # has a factor, and centring


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))


def inputs(d_in: int = 32) -> torch.Tensor:
    return 3 * torch.randn(60, d_in, generator=torch.Generator().manual_seed(5)) + 1


def edit(directory: Path, remove: tuple[str, ...] = (), **changes: Any) -> Path:
    """Change a directory's cfg.json."""
    cfg = json.loads((directory / CFG).read_text(encoding="utf-8")) | changes
    for name in remove:
        cfg.pop(name, None)
    (directory / CFG).write_text(json.dumps(cfg), encoding="utf-8")
    return directory


def edit_tensors(directory: Path, remove: tuple[str, ...] = (), **changes: torch.Tensor) -> Path:
    tensors = {**load_file(directory / WEIGHTS), **changes}
    save_file({n: t.contiguous() for n, t in tensors.items() if n not in remove}, directory / WEIGHTS)
    return directory


def sae_lens_disk(directory: Path) -> Any:
    from sae_lens import SAE

    return SAE.load_from_disk(directory)


def assert_encodes_alike(encoder: Any, sae: Any, x: torch.Tensor | None = None, **tolerance: float) -> None:
    """Compare values where both are clear of zero; a few entries may sit on a threshold."""
    x = inputs(encoder.d_in) if x is None else x
    with torch.no_grad():
        want = sae.encode(x)
    got = encoder.encode(x)
    wrong = ~torch.isclose(got, want, **({"atol": 1e-4, "rtol": 1e-5} | tolerance))
    assert int((want > 0).sum()) > 100
    assert int(wrong.sum()) <= 2, f"{int(wrong.sum())} entries differ"


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_directory_equals_sae_lens(architecture, tmp_path):
    directory = save_tiny_sae(tmp_path / "Ärger & Co", architecture)
    encoder = load_sae_dir(directory)
    assert (encoder.architecture, encoder.d_in, encoder.d_sae) == (architecture, 32, 64)
    assert (encoder.hook, encoder.preprocessing) == ("blocks.1.hook_resid_pre", "none")
    assert encoder.weights_sha256 == hashlib.sha256((directory / WEIGHTS).read_bytes()).hexdigest()
    sae = sae_lens_disk(directory)
    assert_encodes_alike(encoder, sae)
    assert torch.equal(encoder.decoder, sae.W_dec)


def test_weights_of_lower_precision_become_float32(tmp_path):
    directory = save_tiny_sae(tmp_path, "jumprelu")
    edit_tensors(directory, **{n: t.half() for n, t in load_file(directory / WEIGHTS).items()})
    assert_encodes_alike(load_sae_dir(directory), sae_lens_disk(directory))
    assert load_sae_dir(directory).decoder.dtype == torch.float32


@pytest.mark.parametrize(
    ("changes", "tensors"),
    [
        ({}, ()),
        ({"activation_fn_str": "topk", "activation_fn_kwargs": {"k": 7}}, ()),
        ({"normalize_activations": False}, ()),
        ({"normalize_activations": "layer_norm", "apply_b_dec_to_input": False}, ()),
        ({"architecture": "jumprelu", "prepend_bos": False}, ("threshold",)),
        ({"sae_lens_training_version": "3.1", "hook_point_head_index": None}, ("scaling_factor",)),
        ({"hook_point": "blocks.2.attn.hook_z"}, ()),
    ],
)
def test_flat_configurations_before_6(tmp_path, changes, tensors):
    directory = save_tiny_sae(tmp_path, "standard")
    edit_tensors(directory, **{name: torch.ones(64) for name in tensors})
    cfg = {
        "d_in": 32,
        "d_sae": 64,
        "dtype": "float32",
        "device": "cpu",
        "hook_point": "blocks.5.hook_resid_post",
        "hook_point_layer": 5,
        "model_name": "gpt2-small",
        "context_size": 128,
        "seqpos_slice": [None],
        "dataset_path": "somewhere/else",
    }
    (directory / CFG).write_text(json.dumps(cfg | changes), encoding="utf-8")
    encoder, sae = load_sae_dir(directory), sae_lens_disk(directory)
    sae.turn_off_forward_pass_hook_z_reshaping()
    assert encoder.architecture == sae.cfg.architecture()
    assert_encodes_alike(encoder, sae)
    for name in ("hook_name", "model_name", "context_size", "prepend_bos", "neuronpedia_id"):
        assert getattr(encoder.metadata, name) == getattr(sae.cfg.metadata, name), name
    assert encoder.metadata.seqpos_slice == (None,)


def test_metadata_of_version_6(tmp_path):
    about = {
        "prepend_bos": True,
        "context_size": 1024,
        "exclude_special_tokens": [0, 2],
        "seqpos_slice": (1, None),
        "neuronpedia_id": "tiny/1-res",
        "model_from_pretrained_kwargs": {"fold_ln": True},
        "model_class_name": "HookedTransformer",
    }
    encoder = load_sae_dir(save_tiny_sae(tmp_path, "standard", metadata=about))
    assert encoder.metadata == SaeMetadata(
        model_name="tiny",
        model_class_name="HookedTransformer",
        hook_name="blocks.1.hook_resid_pre",
        prepend_bos=True,
        context_size=1024,
        exclude_special_tokens=(0, 2),
        seqpos_slice=(1, None),
        neuronpedia_id="tiny/1-res",
        model_from_pretrained_kwargs={"fold_ln": True},
    )
    directory = edit(save_tiny_sae(tmp_path / "b", "standard"), metadata={"sae_lens_version": "6.54"})
    bare = load_sae_dir(directory)
    assert bare.metadata == SaeMetadata() and bare.hook == ""


@pytest.mark.parametrize(
    ("hook", "kwargs", "centred"),
    [
        ("blocks.1.hook_resid_pre", {"center_writing_weights": True}, True),
        ("blocks.1.hook_mlp_out", {"center_writing_weights": True}, True),
        ("blocks.1.hook_resid_pre", {"center_writing_weights": False}, False),
        ("blocks.1.hook_resid_pre", {"fold_ln": True}, False),
        ("blocks.1.attn.hook_z", {"center_writing_weights": True}, False),
        ("blocks.1.ln2.hook_normalized", {"center_writing_weights": True}, False),
    ],
)
def test_centring(tmp_path, hook, kwargs, centred):
    metadata = {"model_from_pretrained_kwargs": kwargs}
    directory = save_tiny_sae(tmp_path, "standard", hook_name=hook, metadata=metadata)
    encoder, x = load_sae_dir(directory), inputs()
    with torch.no_grad():
        want = sae_lens_disk(directory).encode(x - x.mean(dim=1, keepdim=True) if centred else x)
    torch.testing.assert_close(encoder.encode(x), want, atol=1e-4, rtol=1e-5)
    assert encoder.preprocessing == ("centre" if centred else "none")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("carrier", ["activation_scaler.json", "cfg.json", "metadata"])
def test_average_norm_factor_is_folded(architecture, carrier, tmp_path):
    options = {
        "topk": {"rescale_acts_by_decoder_norm": True},
        "matching_pursuit": {"max_iterations": 30, "residual_threshold": 3.0},
    }.get(architecture, {})
    directory = save_tiny_sae(tmp_path, architecture, **options)
    edit(directory, normalize_activations="expected_average_only_in")
    cfg = json.loads((directory / CFG).read_text(encoding="utf-8"))
    if carrier == "activation_scaler.json":
        text = json.dumps({"scaling_factor": 0.4, "has_whitening": False})
        (directory / carrier).write_text(text, encoding="utf-8")
    elif carrier == "metadata":
        edit(directory, metadata=cfg["metadata"] | {"norm_scaling_factor": 0.4})
    else:
        edit(directory, norm_scaling_factor=0.4)
    encoder, sae = load_sae_dir(directory), sae_lens_disk(directory)
    assert encoder.preprocessing == "expected_average_only_in (folded)"
    with torch.no_grad():
        assert not torch.allclose(encoder.encode(inputs()), sae.encode(inputs())), "it folds now"
    sae.fold_activation_norm_scaling_factor(0.4)
    assert_encodes_alike(encoder, sae)
    decoder = sae.W_dec / sae.W_dec.norm(dim=1, keepdim=True) if architecture == "topk" else sae.W_dec
    torch.testing.assert_close(encoder.decoder, decoder)


def test_average_norm_without_factor_is_refused(tmp_path):
    directory = edit(save_tiny_sae(tmp_path, "standard"), normalize_activations="expected_average_only_in")
    with pytest.raises(ReaderError, match="has no factor"):
        load_sae_dir(directory)
    for factor in (0, -1, "2", True):
        with pytest.raises(ReaderError, match="not a number above 0"):
            load_sae_dir(edit(directory, norm_scaling_factor=factor))


def test_training_only_saes_are_refused_and_the_mend_works(tmp_path):
    from sae_lens import BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig
    from sae_lens.saes.sae import SAEMetadata

    metadata = SAEMetadata(hook_name="blocks.0.hook_mlp_out")
    sae = BatchTopKTrainingSAE(BatchTopKTrainingSAEConfig(d_in=32, d_sae=64, k=6, metadata=metadata))
    with torch.no_grad():
        sae.b_enc.uniform_(-1, 0.5)
        sae.topk_threshold += 0.1
    sae.save_model(tmp_path / "raw")
    with pytest.raises(ReaderError, match=r"'batchtopk' exists only for training.*save_inference_model"):
        load_sae_dir(tmp_path / "raw")
    sae.save_inference_model(tmp_path / "inference")
    encoder = load_sae_dir(tmp_path / "inference")
    assert (encoder.architecture, encoder.hook) == ("jumprelu", "blocks.0.hook_mlp_out")
    assert_encodes_alike(encoder, sae_lens_disk(tmp_path / "inference"), 10 * inputs())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"architecture": "abstopk"}, "'abstopk' has negative activations"),
        ({"architecture": "temporal"}, "'temporal' attends over the whole context"),
        ({"architecture": "matryoshka_batchtopk"}, "save_inference_model"),
        ({"architecture": "crosscoder"}, "unknown SAE architecture 'crosscoder'; known are standard, gated"),
        ({"architecture": ["standard"]}, "unknown SAE architecture"),
        ({"architecture": None}, "unknown SAE architecture None"),
        ({"activation_fn": "tanh-relu"}, "unknown activation_fn 'tanh-relu'"),
        ({"normalize_activations": "covariance_whitening"}, "'covariance_whitening', which must be folded"),
        ({"metadata": {"hook_head_index": 3}}, "hook_head_index 3"),
        ({"d_in": None}, "d_in is None"),
        ({"d_sae": 64.5}, "d_sae is 64.5"),
        ({"d_sae": 65}, r"W_enc has shape \(32, 64\) where cfg.json says \(32, 65\)"),
        ({"d_sae": 10**30}, "d_sae is 1"),
        ({"architecture": "topk"}, "k is None"),
        ({"architecture": "topk", "k": -3}, "k is -3"),
        ({"architecture": "jumprelu"}, "needs the tensor threshold, there is W_dec, W_enc, b_dec, b_enc"),
        ({"architecture": "matching_pursuit", "residual_threshold": "x"}, "residual_threshold is 'x'"),
        ({"architecture": "matching_pursuit", "max_iterations": 0}, "max_iterations is 0"),
    ],
)
def test_settings_that_cannot_be_honoured(changes, message, tmp_path):
    directory = edit(save_tiny_sae(tmp_path, "standard"), **changes)
    with pytest.raises(ReaderError, match=message) as caught:
        load_sae_dir(directory)
    assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("W_enc", torch.full((32, 64), torch.nan), "W_enc holds NaN"),
        ("b_enc", torch.full((64,), torch.inf), "b_enc holds NaN or infinity"),
        ("threshold", torch.full((64,), torch.nan), "threshold holds NaN"),
        ("threshold", torch.zeros(1), r"threshold has shape \(1,\)"),
        ("b_dec", torch.zeros(64), r"b_dec has shape \(64,\) where cfg.json says \(32,\)"),
    ],
)
def test_damaged_tensors(name, value, message, tmp_path):
    directory = edit_tensors(save_tiny_sae(tmp_path, "jumprelu"), **{name: value})
    with pytest.raises(ReaderError, match=message):
        load_sae_dir(directory)


def test_files_missing_or_damaged(tmp_path):
    with pytest.raises(ReaderError, match="no such directory"):
        load_sae_dir(tmp_path / "nowhere")
    directory = save_tiny_sae(tmp_path / "sae", "standard")
    weights, cfg = (directory / WEIGHTS).read_bytes(), (directory / CFG).read_text(encoding="utf-8")
    for damaged in (weights[:-1], weights[:20], b"", b"\xff" * 100):
        (directory / WEIGHTS).write_bytes(damaged)
        with pytest.raises(ReaderError, match="no readable safetensors file"):
            load_sae_dir(directory)
    (directory / WEIGHTS).unlink()
    with pytest.raises(ReaderError, match=f"it has no {WEIGHTS}"):
        load_sae_dir(directory)
    (directory / WEIGHTS).write_bytes(weights)
    for damaged in ("{", "[1]", "\x00", cfg[:-5], "[" * 100_000):
        (directory / CFG).write_text(damaged, encoding="utf-8")
        with pytest.raises(ReaderError, match=r"cannot read|expected a JSON object"):
            load_sae_dir(directory)
    (directory / CFG).unlink()
    with pytest.raises(ReaderError, match=r"it has no such file \(cfg\.json\)"):
        load_sae_dir(directory)
    (directory / CFG).write_text(cfg, encoding="utf-8")
    load_sae_dir(edit_tensors(directory, remove=("W_dec",))).entries(inputs())
    with pytest.raises(ReaderError, match="no decoder"):
        _ = load_sae_dir(directory).decoder


class Malice:
    """Creates a file when it is unpickled."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple:
        return Path.touch, (self.victim,)


def test_pickled_weights_only_if_trusted_and_never_executed(tmp_path):
    directory = save_tiny_sae(tmp_path / "sae", "gated")
    want = load_sae_dir(directory).encode(inputs())
    state = load_file(directory / WEIGHTS)
    (directory / WEIGHTS).unlink()
    torch.save({"state_dict": state}, directory / "sae_weights.pt")
    with pytest.raises(ReaderError, match=r"only pickled weights \(sae_weights\.pt\).*--trust-pickle"):
        load_sae_dir(directory)
    assert torch.equal(load_sae_dir(directory, trust_pickle=True).encode(inputs()), want)
    torch.save({"W_enc": Malice(tmp_path / "victim")}, directory / "sae_weights.pt")
    with pytest.raises(ReaderError, match="cannot unpickle") as caught:
        load_sae_dir(directory, trust_pickle=True)
    assert "\n" not in str(caught.value) and not (tmp_path / "victim").exists()
    torch.save(state, directory / "other.pt")
    with pytest.raises(ReaderError, match="several pickled files"):
        load_sae_dir(directory, trust_pickle=True)


def test_directories_load_without_sae_lens(tmp_path):
    save_tiny_sae(tmp_path, "jumprelu")
    code = (
        "import sys; from pathlib import Path; from saetext.reader.weights import load_sae_dir;"
        "load_sae_dir(Path(sys.argv[1]));"
        "print([m for m in ('sae_lens', 'transformer_lens', 'transformers', 'numba') if m in sys.modules])"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_tensor_hash():
    tensors = {"b": torch.randn(5, 9000), "a": torch.randn(3), "c": torch.zeros(0, 2), "d": torch.tensor(1.5)}
    digest = tensors_sha256(tensors)
    assert digest == tensors_sha256(dict(reversed(tensors.items())))
    assert digest == tensors_sha256({**tensors, "b": tensors["b"].T.contiguous().T})
    assert digest != tensors_sha256({**tensors, "b": tensors["b"].T})
    assert digest != tensors_sha256({**tensors, "a": tensors["a"].nextafter(torch.tensor(9.0))})
    assert digest != tensors_sha256({**tensors, "e": tensors["a"]})


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """Stand in for the hub: every repository holds the directory that the test puts there."""
    from sae_lens.loading import pretrained_sae_loaders as loaders

    directory = tmp_path / "hub"

    def download(repo_id: str, filename: str, **_: Any) -> str:
        path = directory / Path(filename).name
        if not path.exists():
            raise loaders.EntryNotFoundError(f"no {filename} in {repo_id}")
        return str(path)

    monkeypatch.setattr(loaders, "hf_hub_download", download)
    return directory


@pytest.mark.parametrize("architecture", ["standard", "gated", "topk", "jumprelu", "matching_pursuit"])
def test_release_equals_sae_lens(architecture, hub):
    from sae_lens import SAE

    save_tiny_sae(hub, architecture, hook_name=FOLDED_ID)
    # sae-lens reads what it says before 6.0 only without a version, and the override for centring is flat
    cfg = json.loads((hub / CFG).read_text(encoding="utf-8"))
    flat = {**cfg.pop("metadata"), **cfg, "normalize_activations": "expected_average_only_in"}
    flat.pop("sae_lens_version")
    (hub / CFG).write_text(json.dumps(flat), encoding="utf-8")
    encoder = load_sae_release(FOLDED_RELEASE, FOLDED_ID)
    with pytest.warns(UserWarning):
        sae = SAE.from_pretrained(FOLDED_RELEASE, FOLDED_ID)
    assert sae.cfg.normalize_activations == "none", "sae-lens has folded the registry's factor"
    assert encoder.preprocessing == "centre"
    x = inputs()
    with torch.no_grad():
        want = sae.encode(x - x.mean(dim=1, keepdim=True))
    torch.testing.assert_close(encoder.encode(x), want, atol=1e-4, rtol=1e-5)
    torch.testing.assert_close(encoder.decoder, sae.W_dec.detach())
    assert encoder.metadata.model_name == "tiny" and encoder.hook == FOLDED_ID
    assert encoder.weights_sha256 == tensors_sha256(sae.state_dict())
    assert encoder.weights_sha256 == load_sae_release(FOLDED_RELEASE, FOLDED_ID).weights_sha256


def test_release_refusals(hub, monkeypatch):
    for release, sae_id, message in (
        ("gpt2-small-mlp-tn", FOLDED_ID, "no release 'gpt2-small-mlp-tn'; closest: gpt2-small-mlp-tm"),
        ("§§§§", "x", "no release '§§§§'; `saetext readers` lists"),
        (FOLDED_RELEASE, "blocks.33.hook_mlp_out", r"no SAE 'blocks.33.hook_mlp_out'; closest: blocks.3"),
        ("temporal-sae-gemma-2-2b", "blocks.12.hook_resid_post", "'temporal' attends over the whole context"),
        (FOLDED_RELEASE, FOLDED_ID, "sae-lens cannot load gpt2-small-mlp-tm/blocks.3.hook_mlp_out"),
    ):
        with pytest.raises(ReaderError, match=message):
            load_sae_release(release, sae_id)
    save_tiny_sae(hub, "standard", normalize_activations="expected_average_only_in")
    with pytest.raises(ReaderError, match="sae-lens has no factor"):
        load_sae_release("someone/their-saes", "layer_3")

    def offline(*_: Any, **__: Any) -> str:
        raise LocalEntryNotFoundError("Connection error, and we cannot find\nthe requested files")

    monkeypatch.setattr("sae_lens.loading.pretrained_sae_loaders.hf_hub_download", offline)
    with pytest.raises(ReaderError, match="the hub cannot be reached") as caught:
        load_sae_release(FOLDED_RELEASE, FOLDED_ID)
    assert "\n" not in str(caught.value)


def test_sae_lens_object_of_a_refused_kind():
    with pytest.raises(ReaderError, match="'abstopk' has negative activations"):
        from_sae_lens(tiny_sae("abstopk", k=3))


def test_gemma_scope_2_transcoders_read_after_the_norm(tmp_path: Path) -> None:
    """sae-lens names their hook ``hook_mlp_in`` and, truly, the output of the norm before the MLP."""
    directory = save_tiny_sae(tmp_path / "sae", "jumprelu_transcoder", hook_name="blocks.1.hook_mlp_in")
    assert load_sae_dir(directory).hook == "blocks.1.hook_mlp_in"
    cfg = json.loads((directory / "cfg.json").read_text("utf-8"))
    cfg["metadata"]["hf_hook_name"] = "model.layers.1.pre_feedforward_layernorm.output"
    (directory / "cfg.json").write_text(json.dumps(cfg), "utf-8")
    assert load_sae_dir(directory).hook == "blocks.1.mlp.hook_in"


def test_settings_tell_apart_saes_with_equal_weights(tmp_path: Path) -> None:
    a = load_sae_dir(save_tiny_sae(tmp_path / "a", "topk", k=4))
    b = load_sae_dir(save_tiny_sae(tmp_path / "b", "topk", k=5))
    assert a.weights_sha256 == b.weights_sha256
    assert a.config.settings() != b.config.settings()


@pytest.mark.parametrize(
    ("key", "value"),
    [("exclude_special_tokens", ["<bos>"]), ("seqpos_slice", ["a"]), ("seqpos_slice", [0, 9, 2])],
)
def test_strange_metadata_is_refused_in_one_line(tmp_path: Path, key: str, value: Any) -> None:
    directory = save_tiny_sae(tmp_path / "sae", "standard")
    cfg = json.loads((directory / "cfg.json").read_text("utf-8"))
    cfg["metadata"][key] = value
    (directory / "cfg.json").write_text(json.dumps(cfg), "utf-8")
    with pytest.raises(ReaderError, match=key) as caught:
        load_sae_dir(directory)
    assert "\n" not in str(caught.value)
