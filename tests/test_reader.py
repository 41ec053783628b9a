"""The reader end to end against transformers' own hidden states, sae-lens's encode and NumPy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from tiny_models import HIDDEN, save_model
from tiny_saes import save_tiny_sae, tiny_sae

from saetext.corpus.calibration import Calibration
from saetext.documents import Document
from saetext.errors import ReaderError
from saetext.reader import embedded
from saetext.reader.device import choose_dtype
from saetext.reader.reader import Reader
from saetext.reader.shipped import EMBEDDED
from saetext.reader.thresholds.estimation import calibrate
from saetext.reader.tokenization import Prepared
from saetext.reader.transfers import to_device, to_host

D_SAE = 64
WORDS = [
    "the",
    "quick",
    "brown",
    "fox",
    "jumps",
    "over",
    "lazy",
    "dog",
    "and",
    "then",
    "it",
    "sleeps",
    "in",
    "sun",
    "she",
    "wrote",
    "that",
    "answer",
    "was",
    "short",
]


def documents(lengths: list[int], seed: int = 0) -> list[Document]:
    rng = np.random.default_rng(seed)
    texts = [" ".join(rng.choice(WORDS, n)) for n in lengths]
    return [Document(str(i), t, None, None, {}, i, "") for i, t in enumerate(texts)]


def make(tmp_path: Path, family: str, architecture: str = "jumprelu", layer: int = 1, **sae: Any) -> Reader:
    model = tmp_path / f"{family} modèl"
    if not model.exists():
        save_model(family, model)
    directory = save_tiny_sae(
        tmp_path / f"sae {architecture} {layer}", architecture, d_in=HIDDEN, d_sae=D_SAE,
        hook_name=f"blocks.{layer}.hook_resid_pre", **sae,
    )  # fmt: skip
    return Reader.load_local(directory, model, dtype="float32", device="cpu")


def with_threshold(reader: Reader, threshold: float, min_tokens: int = 1) -> Reader:
    calibration = Calibration.from_arrays(np.full(D_SAE, threshold), percentile=90, min_tokens=min_tokens)
    return reader.with_calibrations(dict.fromkeys(reader.saes, calibration))


def brute_force(
    reader: Reader,
    path: Path,
    sae: Any,
    prepared: list[Prepared],
    layer: int,
    threshold: float,
    min_tokens: int,
) -> np.ndarray:
    """Return [documents, features, 5]: max, total, count, peak, first; one unpadded pass a window."""
    model = transformers.AutoModel.from_pretrained(
        path, attn_implementation="eager", trust_remote_code=False
    ).eval()
    out = np.zeros((len(prepared), D_SAE, 5))
    for row, p in enumerate(prepared):
        acts = np.zeros((p.n_tokens, D_SAE))
        ordinal = np.cumsum(p.counted) - 1
        for w in reader.tokens.windows(0, p):
            ids = [*reader.tokens.prefix_ids, *p.ids[w.start : w.stop], *reader.tokens.suffix_ids]
            with torch.no_grad():
                hidden = model(torch.tensor([ids]), output_hidden_states=True).hidden_states[layer][0]
                encoded = sae.encode(hidden).numpy()
            for i in range(w.own_start, w.own_stop):
                if p.counted[i]:
                    acts[ordinal[i]] = encoded[i - w.start + len(reader.tokens.prefix_ids)]
        above = acts > threshold
        count = above.sum(0)
        present = count >= max(min_tokens, 1)
        out[row, :, 0] = acts.max(0) * present
        out[row, :, 1] = (acts * above).sum(0) * present
        out[row, :, 2] = count * present
        out[row, :, 3] = acts.argmax(0) * present
        out[row, :, 4] = above.argmax(0) * present
    return out


@pytest.mark.parametrize("family", ["bert", "gpt2", "llama", "gemma2"])
@pytest.mark.parametrize(("threshold", "min_tokens"), [(0.0, 1), (0.8, 2)])
def test_pooled_rows_equal_brute_force(
    tmp_path: Path, family: str, threshold: float, min_tokens: int
) -> None:
    reader = with_threshold(make(tmp_path, family), threshold, min_tokens)
    docs = documents([1, 3, 40, 7, 150, 3, 22])  # two are longer than the model's 64 positions
    reading = reader.read(docs)
    prepared = reading.readable
    assert len(prepared) == len(docs)
    assert max(len(p.ids) for p in prepared) > reader.tokens.window
    sae = tiny_sae("jumprelu", d_in=HIDDEN, d_sae=D_SAE)
    truth = brute_force(reader, tmp_path / f"{family} modèl", sae, prepared, 1, threshold, min_tokens)
    rows = next(iter(reading.rows.values()))
    got = np.zeros_like(truth)
    for row in range(len(rows)):
        part = slice(rows.indptr[row], rows.indptr[row + 1])
        assert (np.diff(rows.feature[part]) > 0).all()
        for column, name in enumerate(("value", "total", "count", "peak", "first")):
            got[row, rows.feature[part], column] = getattr(rows, name)[part]
    assert truth[..., 2].sum() > 50
    np.testing.assert_allclose(got[..., :2], truth[..., :2], atol=1e-4)
    np.testing.assert_array_equal(got[..., 2:], truth[..., 2:])


def test_repeated_texts_are_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = with_threshold(make(tmp_path, "bert"), 0.0)
    docs = documents([5, 9])
    seen = 0
    hidden = reader.model.hidden

    def counting(ids: torch.Tensor, mask: torch.Tensor) -> dict[str, torch.Tensor]:
        nonlocal seen
        seen += len(ids)
        return hidden(ids, mask)

    monkeypatch.setattr(reader.model, "hidden", counting)
    rows = next(iter(reader.read([docs[0], docs[1], docs[0], docs[0]]).rows.values()))
    assert seen == 2
    assert len(rows) == 4
    np.testing.assert_array_equal(rows.take([0]).value, rows.take([3]).value)


def test_batch_order_and_budget_do_not_change_the_rows(tmp_path: Path) -> None:
    reader = with_threshold(make(tmp_path, "gpt2"), 0.5)
    docs = documents([4, 100, 12, 30, 1])
    whole = next(iter(reader.read(docs).rows.values()))
    reader._batcher.budget = 64
    small = next(iter(reader.read(docs[::-1]).rows.values())).take(range(len(docs))[::-1])
    np.testing.assert_array_equal(whole.feature, small.feature)
    np.testing.assert_allclose(whole.value, small.value, atol=1e-5)
    np.testing.assert_array_equal(whole.peak, small.peak)


def test_the_budget_adapts_when_memory_runs_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = with_threshold(make(tmp_path, "bert"), 0.0)
    docs = documents([6] * 17)
    expected = next(iter(reader.read(docs).rows.values()))
    hidden = reader.model.hidden

    def scarce(ids: torch.Tensor, mask: torch.Tensor) -> dict[str, torch.Tensor]:
        if len(ids) > 3:
            raise torch.OutOfMemoryError("no room")
        return hidden(ids, mask)

    monkeypatch.setattr(reader.model, "hidden", scarce)
    got = next(iter(reader.read(docs).rows.values()))
    np.testing.assert_array_equal(expected.feature, got.feature)

    def none(ids: torch.Tensor, mask: torch.Tensor) -> dict[str, torch.Tensor]:
        raise torch.OutOfMemoryError("no room")

    monkeypatch.setattr(reader.model, "hidden", none)
    with pytest.raises(ReaderError, match="out of GPU memory with a single window"):
        reader.read(docs)


def test_several_saes_are_fed_by_one_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tmp_path / "model"
    save_model("gpt2", model)
    dirs = [
        save_tiny_sae(
            tmp_path / f"at {layer}",
            "topk",
            d_in=HIDDEN,
            d_sae=D_SAE,
            hook_name=f"blocks.{layer}.hook_resid_pre",
        )
        for layer in (1, 2)
    ]
    together = with_threshold(Reader.load_local(dirs, model, dtype="float32", device="cpu"), 0.0)
    assert list(together.saes) == ["blocks.1.hook_resid_pre", "blocks.2.hook_resid_pre"]
    calls = 0
    hidden = together.model.hidden

    def counting(ids: torch.Tensor, mask: torch.Tensor) -> dict[str, torch.Tensor]:
        nonlocal calls
        calls += 1
        return hidden(ids, mask)

    monkeypatch.setattr(together.model, "hidden", counting)
    rows = together.read(documents([9, 5])).rows
    assert calls == 1
    for directory, (_, got) in zip(dirs, rows.items(), strict=True):
        alone = with_threshold(Reader.load_local(directory, model, dtype="float32", device="cpu"), 0.0)
        expected = next(iter(alone.read(documents([9, 5])).rows.values()))
        np.testing.assert_array_equal(expected.feature, got.feature)
        np.testing.assert_allclose(expected.value, got.value, atol=1e-5)


def test_a_reader_is_found_again_from_its_spec(tmp_path: Path) -> None:
    reader = with_threshold(make(tmp_path, "gpt2"), 0.3)
    spec = type(reader.spec).from_dict(json.loads(json.dumps(reader.spec.to_dict())))
    again = Reader.from_spec(spec, reader.calibrations, dtype="float32", device="cpu")
    assert again.spec.fingerprint == reader.spec.fingerprint
    other = Calibration.from_arrays(np.full(D_SAE, 0.4), percentile=90)
    with pytest.raises(ReaderError, match=r"differs in: .*calibration_sha256"):
        Reader.from_spec(spec, dict.fromkeys(reader.saes, other), dtype="float32", device="cpu")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"d_in": HIDDEN + 1}, "the SAE belongs to another model"),
        ({"d_in": HIDDEN, "hook_name": "blocks.9.hook_resid_pre"}, "blocks.9"),
    ],
)
def test_an_sae_that_does_not_fit_is_refused(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    save_model("gpt2", tmp_path / "model")
    sae = save_tiny_sae(tmp_path / "sae", "standard", d_sae=D_SAE, **options)
    with pytest.raises(ReaderError, match=message) as caught:
        Reader.load_local(sae, tmp_path / "model", dtype="float32", device="cpu")
    assert "\n" not in str(caught.value)


def test_names_that_are_no_reader_are_refused() -> None:
    for name in ("nothing", "./nowhere", "/nowhere/at/all"):
        with pytest.raises(ReaderError, match="no reader called"):
            Reader.load_many([name])
    with pytest.raises(ReaderError, match="give its sae_id too"):
        Reader.load("gpt2-small-res-jb")


def test_reading_needs_thresholds(tmp_path: Path) -> None:
    with pytest.raises(ReaderError, match="saetext calibrate"):
        make(tmp_path, "gpt2").read(documents([3]))


def test_token_entries_are_what_pooling_pools(tmp_path: Path) -> None:
    reader = with_threshold(make(tmp_path, "bert"), 0.0)
    reading = reader.read(documents([90]))
    entries = reader.token_entries(reading.readable[0])
    rows = next(iter(reading.rows.values()))
    best = np.zeros(D_SAE)
    np.maximum.at(best, entries.feature, entries.value)
    np.testing.assert_allclose(best[rows.feature], rows.value, atol=1e-6)
    assert (np.lexsort((entries.feature, entries.ordinal)) == np.arange(len(entries.value))).all()


# ---- the embedded reader ---------------------------------------------------------------------------------


def test_the_embedded_reader_reads_offline_and_equals_transformers(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip(embedded.PACKAGE)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    reader = Reader.load(dtype="float32", device="cpu")
    assert reader.spec.revision == f"sha256:{embedded.WEIGHTS_SHA256}"
    assert reader.model.n_layers_built < 6
    text = "Sorry about that! Perhaps we could try again tomorrow, if it suits you."
    reading = reader.read([Document("0", text, None, None, {}, 0, "")])
    hook = reader.saes["embedded"].encoder.hook
    layer = int(hook.split(".")[1])
    model = transformers.AutoModel.from_pretrained(embedded.find_model(), trust_remote_code=False).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(embedded.find_model(), trust_remote_code=False)
    with torch.no_grad():
        hidden = model(**tokenizer(text, return_tensors="pt"), output_hidden_states=True).hidden_states[
            layer
        ][0, 1:-1]
        from sae_lens import SAE

        sae = SAE.load_from_disk(str(Path(embedded.__file__).parent), dtype="float32")
        acts = sae.encode(hidden).numpy()
    thresholds = reader.calibrations["embedded"].thresholds
    expected = acts.max(0) * (acts > thresholds).any(0)
    rows = reading.rows["embedded"]
    got = np.zeros(len(thresholds))
    got[rows.feature] = rows.value
    np.testing.assert_allclose(got, expected, atol=1e-4)
    assert rows.n_entries > 10


def test_tampered_weights_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"not the model")
    with pytest.raises(ReaderError, match="is not the published"):
        embedded.check_weights(tmp_path)


def test_the_shipped_sae_keeps_its_promises() -> None:
    """The figures that the issue and card.json name, as measured on the validation split when it was made."""
    about = json.loads((Path(embedded.__file__).parent / "card.json").read_text("utf-8"))
    calibration = EMBEDDED.load_calibration()
    assert about["valid"]["l0"] <= 32
    assert about["valid"]["fvu"] <= (0.15 if "blocks.5" in about["hook"] else 0.18)
    assert about["valid"]["dead"] < 0.02
    assert len(calibration) == 4096
    assert calibration.percentile == about["floors"]["percentile"]
    assert (Path(embedded.__file__).parent / "sae_weights.safetensors").stat().st_size < 25e6


# ---- calibration -----------------------------------------------------------------------------------------


def test_thresholds_are_numpys_percentiles_of_the_nonzero_activations(tmp_path: Path) -> None:
    reader = make(tmp_path, "gpt2")
    docs = documents([30] * 40)
    calibrated = calibrate(reader, docs, percentile=75, reference="words")
    calibration = next(iter(calibrated.calibrations.values()))
    values: list[list[float]] = [[] for _ in range(D_SAE)]
    n = 0
    for p in reader.tokens.prepare(docs):
        assert isinstance(p, Prepared)
        entries = reader.token_entries(p)
        n += p.n_tokens
        for f, v in zip(entries.feature, entries.value, strict=True):
            values[f].append(float(v))
    checked = 0
    for f, activations in enumerate(values):
        assert calibration.density[f] == pytest.approx(len(activations) / n, abs=1e-6)
        if len(activations) >= 20:
            assert calibration.thresholds[f] == pytest.approx(np.percentile(activations, 75), abs=1e-4)
            checked += 1
        elif not activations:
            assert calibration.thresholds[f] == 0
    assert checked > 10
    assert calibration.about["tokens"] == n
    busiest = int(np.argmax(calibration.density))
    assert calibration.top_words(busiest) and set(calibration.top_words(busiest)) <= {*WORDS, "space"}


def test_a_calibration_survives_a_round_trip(tmp_path: Path) -> None:
    calibration = Calibration.from_arrays(
        np.arange(5) / 7,
        percentile=90,
        min_tokens=2,
        top_words=[["a"], [], ["é", "b"], [], []],
        about={"x": 1},
    )
    calibration.write(tmp_path / "kärt.arrow")
    again = Calibration.read(tmp_path / "kärt.arrow")
    assert again.sha256 == calibration.sha256
    assert again.label(2) == "é, b" and again.label(1) == "feature 1"
    assert again.about == {"x": 1} and again.min_tokens == 2
    (tmp_path / "bad.arrow").write_bytes(b"ARROW1 not really")
    with pytest.raises(ReaderError, match="is not the calibration of a reader"):
        Calibration.read(tmp_path / "bad.arrow")


def test_a_shortage_of_memory_is_learned_from_within_a_shard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = with_threshold(make(tmp_path, "bert"), 0.0)
    docs = documents([6] * 200)
    expected = next(iter(reader.read(docs).rows.values()))
    hidden = reader.model.hidden
    reader._batcher.budget = 128
    failures, sizes = [], []

    def scarce(ids: torch.Tensor, mask: torch.Tensor) -> dict[str, torch.Tensor]:
        (failures if ids.numel() > 70 else sizes).append(ids.numel())
        if ids.numel() > 70:
            raise torch.OutOfMemoryError("no room")
        return hidden(ids, mask)

    monkeypatch.setattr(reader.model, "hidden", scarce)
    for read in (1, 2):
        got = next(iter(reader.read(docs).rows.values()))
        np.testing.assert_array_equal(expected.feature, got.feature)
        np.testing.assert_array_equal(expected.indptr, got.indptr)
        assert len(failures) == read  # once a shard: the next begins with the budget again
    assert np.mean(sizes) > 32  # one shortage halves the batches, and not again and again
    assert reader._batcher.budget == 128


def test_the_sae_running_out_of_memory_is_mended_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = with_threshold(make(tmp_path, "bert"), 0.0)
    docs = documents([6] * 9)
    expected = next(iter(reader.read(docs).rows.values()))
    encoder = next(iter(reader.saes.values())).encoder
    entries = encoder.entries

    def scarce(x: torch.Tensor, cut: torch.Tensor | None = None) -> Any:
        if len(x) > 40:
            raise torch.OutOfMemoryError("no room")
        return entries(x, cut)

    monkeypatch.setattr(encoder, "entries", scarce)
    got = next(iter(reader.read(docs).rows.values()))
    np.testing.assert_array_equal(expected.feature, got.feature)


@pytest.mark.parametrize("short", ["hidden", "entries"])
def test_a_shortage_at_any_batch_loses_and_repeats_none(
    short: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = with_threshold(make(tmp_path, "bert"), 0.0)
    docs = documents([6] * 12)
    reader._batcher.budget = 32  # four windows in each batch
    expected = next(iter(reader.read(docs).rows.values()))
    target: Any = reader.model if short == "hidden" else next(iter(reader.saes.values())).encoder
    held, calls, short_at = getattr(target, short), 0, 0

    def scarce(*given: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == short_at:
            raise torch.OutOfMemoryError("no room")
        return held(*given)

    monkeypatch.setattr(target, short, scarce)
    reader.read(docs)
    whole = calls
    for short_at in range(1, whole + 1):
        calls = 0
        got = next(iter(reader.read(docs).rows.values()))
        np.testing.assert_array_equal(expected.indptr, got.indptr)
        np.testing.assert_array_equal(expected.feature, got.feature)
        np.testing.assert_array_equal(expected.peak, got.peak)
        np.testing.assert_array_equal(expected.count, got.count)
    assert whole > 2 and calls > whole


def test_a_gpu_has_its_next_batch_before_the_last_is_pooled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reader = with_threshold(make(tmp_path, "bert"), 0.0)
    reader._batcher.budget = 32
    hidden, told = reader.model.hidden, list[str]()
    monkeypatch.setattr(reader.model, "hidden", lambda *given: told.append("begun") or hidden(*given))
    prepared = [p for p in reader.tokens.prepare(documents([6] * 17)) if isinstance(p, Prepared)]
    for _ in reader._run.encoded(prepared, dict.fromkeys(reader.saes)):
        told.append("pooled")
    batches = told.count("pooled")
    assert batches > 2 and told == ["begun", *["begun", "pooled"] * (batches - 1), "pooled"]


NO_GPU = pytest.mark.skipif(not torch.cuda.is_available(), reason="platform: no GPU")
DEVICES = pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=NO_GPU)])


@DEVICES
def test_a_device_pools_as_the_processor_does(device: str, tmp_path: Path) -> None:
    here = with_threshold(make(tmp_path, "bert"), 0.0)
    place = next(tmp_path.glob("sae*")), next(tmp_path.glob("bert*"))
    there = with_threshold(Reader.load_local(*place, dtype="float32", device=device), 0.0)
    there._batcher.budget = 32
    docs = documents([3, 9, 6, 6, 2, 12, 5, 7])
    dense = []
    for reader in (here, there):
        [rows] = reader.read(docs).rows.values()
        dense.append(np.zeros((len(docs), D_SAE)))
        dense[-1][np.repeat(np.arange(len(docs)), np.diff(rows.indptr)), rows.feature] = rows.value
    np.testing.assert_allclose(*dense, atol=1e-3 * dense[0].max())


@DEVICES
def test_what_comes_back_from_a_device_is_what_was_there(device: str) -> None:
    given = torch.arange(10_000, dtype=torch.int64), torch.rand(10_000), torch.empty(0, dtype=torch.int32)
    there = [to_device(tensor.numpy(), torch.device(device)) for tensor in given]
    for before, after in zip(given, to_host(there), strict=True):
        assert after.device.type == "cpu" and after.dtype == before.dtype and torch.equal(before, after)
    assert to_host([]) == ()


def test_a_moved_reader_is_found_where_one_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reader = with_threshold(make(tmp_path, "gpt2"), 0.3)
    spec, calibrations = reader.spec, reader.calibrations
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert (
        Reader.from_spec(spec, calibrations, dtype="float32", device="cpu").spec.fingerprint
        == spec.fingerprint
    )
    (tmp_path / "gpt2 modèl").rename("model")
    (tmp_path / "sae jumprelu 1").rename("renamed sae")
    with pytest.raises(ReaderError):
        Reader.from_spec(spec, calibrations, dtype="float32", device="cpu")
    moved = Reader.from_spec(
        spec, calibrations, names=["renamed sae"], model="model", dtype="float32", device="cpu"
    )
    assert moved.spec.identity() == spec.identity()


def test_calibration_stops_where_it_is_told(tmp_path: Path) -> None:
    reader = make(tmp_path, "gpt2")
    calibration = next(iter(calibrate(reader, documents([30] * 40), max_tokens=101).calibrations.values()))
    assert calibration.about["tokens"] == 101


def test_a_small_shard_of_mixed_lengths_is_not_mostly_padding(tmp_path: Path) -> None:
    reader = make(tmp_path, "bert")
    prepared = [p for p in reader.tokens.prepare(documents([3, 4, 9, 10, 25, 26, 40, 50] * 20)) if p]
    batches = [reader._batcher.build(g) for g in reader._batcher.groups(prepared)]  # type: ignore[arg-type]
    assert sum(b.mask.sum() for b in batches) > 0.85 * sum(b.mask.size for b in batches)
    assert sum(len(b.windows) for b in batches) == sum(
        len(reader.tokens.windows(i, p))  # type: ignore[arg-type]
        for i, p in enumerate(prepared)
    )


def test_the_environment_says_what_auto_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("saetext.reader.device._fast_at_bfloat16", lambda device: True)
    cpu = torch.device("cpu")
    assert choose_dtype("auto", cpu) == torch.bfloat16
    monkeypatch.setenv("SAETEXT_DTYPE", "float32")
    assert choose_dtype("auto", cpu) == torch.float32
    assert choose_dtype("bfloat16", cpu) == torch.bfloat16  # what is asked for counts
    monkeypatch.setenv("SAETEXT_DTYPE", "half")
    with pytest.raises(ReaderError, match="unknown dtype 'half'"):
        choose_dtype("auto", cpu)
