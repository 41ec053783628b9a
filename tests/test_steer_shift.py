"""steer with a fitted shift: what is written, what it is held against, and what is refused."""

from __future__ import annotations

import functools
import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
import transformers
from page_helpers import Page
from planted import D_SAE as planted_features
from planted import PROMPTS, WORD, WRITES, planted
from safetensors.torch import load_file
from shift_factory import D_SAE, HOOK, subject, tiny
from test_cli import place, saetext

from saetext.errors import InputError, ReaderError
from saetext.features.labels import FeatureLabels
from saetext.intervene.edit import Change, FeatureEdit
from saetext.intervene.generator import Generator, load_generator
from saetext.intervene.positions import positions_of
from saetext.intervene.request import SteerRequest
from saetext.intervene.result import SteerResult
from saetext.intervene.shifts.saved import Shift
from saetext.intervene.steer import steer
from saetext.intervene.strength import strengths_of
from saetext.report.console.steering import heading, render_steer
from saetext.report.html.steer_page import render_steer_page

__all__ = ["place"]

pytestmark = pytest.mark.filterwarnings("ignore:the strongest edit")
GROUPS = ("north", "south", "nobody")
TOKENS = 10


@functools.cache
def made() -> Shift:
    """Return shifts that turn features up and down, large enough that greedy texts change."""
    draw = np.random.default_rng(1)
    delta = np.zeros((3, D_SAE), np.float32)
    for row in delta[:2]:
        row[draw.permutation(D_SAE)[:12]] = draw.normal(0, 2, 12)
    model, sae = subject().model, subject().sae
    return Shift(
        groups=GROUPS, delta=delta, everyone=None, dense=None, temperatures=(1.0,) * 3, hook=HOOK,
        model={"name": model.name, "revision": model.revision},
        sae={"origin": sae.origin, "place": str(tiny().sae), "weights_sha256": sae.encoder.weights_sha256,
             "d_sae": D_SAE, "d_in": sae.encoder.d_in},
        fitted_on=(),
    )  # fmt: skip


@functools.cache
def generator() -> Generator:
    return Generator(subject().model, subject().sae, FeatureLabels.from_rows([]), HOOK, str(tiny().sae))


def steered(prompts: list[str] = PROMPTS, **options: Any) -> SteerResult:
    defaults: dict[str, Any] = {
        "shift": made(), "group": "north", "doses": [0, 1, 2], "samples": 1, "temperature": 0.0,
        "max_new_tokens": TOKENS, "batch": 32, "reference": tiny().neutral, "force": True, "controls": 0,
        "gauge": "none",
    }  # fmt: skip
    return steer(generator(), prompts, **{**defaults, **options})


@pytest.fixture(scope="module")
def whole() -> SteerResult:
    return steered(words="that,fox", controls=19, doses=[-1, 0, 1, 2])


def by_hand(prompt: str, dose: float) -> str:
    """Write with transformers' own model, whole at every step, and the SAE's tensors in plain algebra."""
    sae = load_file(tiny().sae / "sae_weights.safetensors")
    delta = dose * torch.from_numpy(made().of("north"))
    model = transformers.LlamaForCausalLM.from_pretrained(
        tiny().model, dtype=torch.float32, trust_remote_code=False
    ).eval()
    asked = subject().model.encode_prompt(prompt)
    ids = asked.ids.tolist()
    content = torch.from_numpy(asked.content())

    def hook(module: Any, given: Any, output: Any) -> Any:
        x = output[0] if isinstance(output, tuple) else output
        f = torch.relu((x - sae["b_dec"]) @ sae["W_enc"] + sae["b_enc"])
        moved = (torch.relu(f + delta) - f) @ sae["W_dec"]
        where = torch.cat([content, torch.ones(x.shape[1] - len(content), dtype=torch.bool)])
        new = x + moved * where[None, :, None]
        return (new, *output[1:]) if isinstance(output, tuple) else new

    with torch.no_grad():
        handle = model.model.layers[0].register_forward_hook(hook)
        for _ in range(TOKENS):
            token = int(model(torch.tensor([ids]), use_cache=False).logits[0, -1].argmax())
            ids.append(token)
            if token in subject().model.eos_ids:
                ids.pop()
                break
        handle.remove()
    return str(subject().model.tokenizer.decode(ids[len(asked) :], skip_special_tokens=True))


# --- what is written ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("dose", [-1, 0, 1, 2])
def test_a_dose_is_the_shift_times_it_by_hand(dose: float, whole: SteerResult) -> None:
    """Every greedy text again: f' = relu(f + dose x delta), without cache, batch or our code."""
    name = "unedited" if dose == 0 else f"dose {dose:g}"
    texts = whole.texts.filter(pl.col("arm") == name)
    for row in texts.head(5).iter_rows(named=True):
        assert row["text"] == by_hand(PROMPTS[row["prompt"]], dose)
    assert dose == 0 or texts["changed"].sum() >= 6


def test_dose_0_is_the_unedited_text_byte_for_byte() -> None:
    options: dict[str, Any] = {"temperature": 0.8, "samples": 2}
    found = steered(doses=[0, 1], **options)
    own = subject().model.generate(PROMPTS, max_new_tokens=TOKENS, batch=5, **options)
    arm = found.texts.filter(pl.col("arm") == "unedited").sort("prompt", "sample")
    assert arm["text"].to_list() == [text.text for text in own]
    assert not arm["changed"].any()
    with made().apply(generator(), "north", strength=0.0) as model:
        again = model.generate(PROMPTS, max_new_tokens=TOKENS, batch=5, **options)
    assert [text.ids.tolist() for text in again] == [text.ids.tolist() for text in own]


def test_steering_and_applying_write_the_same(whole: SteerResult) -> None:
    for strength, arm in ((1.0, "dose 1"), (2.0, "dose 2"), (-1.0, "dose -1")):
        with made().apply(generator(), "north", strength=strength) as model:
            own = model.generate(PROMPTS, max_new_tokens=TOKENS, temperature=0.0)
        texts = whole.texts.filter(pl.col("arm") == arm).sort("prompt")
        assert texts["text"].to_list() == [text.text for text in own]


def test_what_is_written_within_a_block_of_edits_is_not_kept_as_the_model_s_own() -> None:
    """A steering within apply() writes on top of the shift; after it the unedited texts are as before."""
    options: dict[str, Any] = {"group": "south", "doses": [0, 1], "max_new_tokens": 6}
    with made().apply(generator(), "north", strength=2.0) as model:
        assert model.is_edited
        inside = steered(**options)
        expected = [t.text for t in model.generate(PROMPTS, max_new_tokens=6, temperature=0.0)]
    assert not subject().model.is_edited
    outside = steered(**options)
    texts = [r.texts.filter(pl.col("arm") == "unedited")["text"].to_list() for r in (inside, outside)]
    assert texts[0] == expected and texts[0] != texts[1]
    assert texts[1] == [t.text for t in subject().model.generate(PROMPTS, max_new_tokens=6, temperature=0.0)]


# --- what it is held against --------------------------------------------------------------------------------


def moved(delta: torch.Tensor) -> float:
    """Root mean square displacement over the reference texts' first 32 tokens, in plain algebra."""
    sae = load_file(tiny().sae / "sae_weights.safetensors")
    rows = [json.loads(line)["text"] for line in tiny().neutral.read_text("utf-8").splitlines()][:32]
    squares = []
    for text in rows:
        prompt = subject().model.encode_prompt(text, raw=True)
        ids = torch.from_numpy(prompt.ids[:32])[None]
        x = subject().model.hidden(ids, torch.ones_like(ids), hooks=[HOOK])[HOOK][0]
        x = x[torch.from_numpy(prompt.content()[:32])]
        f = torch.relu((x - sae["b_dec"]) @ sae["W_enc"] + sae["b_enc"])
        squares += ((torch.relu(f + delta) - f) @ sae["W_dec"]).square().sum(-1).tolist()
    return float(np.mean(squares) ** 0.5)


def test_controls_are_other_groups_and_random_vectors_as_long(whole: SteerResult) -> None:
    kinds = Counter(whole.controls["kind"])
    assert kinds == {"other": 1, "random": 19, "turned": 1, "instruction": 1}
    norm, top = whole.metrics["median_norm"], whole.table.row(-1, named=True)
    north, south = (torch.from_numpy(made().of(g).copy()) for g in ("north", "south"))
    assert top["length"] * norm == pytest.approx(moved(2 * north), rel=1e-4)
    [other] = whole.controls.filter(pl.col("kind") == "other").to_dicts()
    assert other["arm"] == "shift of south" and other["length"] * norm == pytest.approx(
        moved(2 * south), rel=1e-4
    )
    random = whole.controls.filter(pl.col("kind") == "random")
    assert random["length"].to_list() == pytest.approx([top["length"]] * 19, rel=0.02)
    own = set(np.flatnonzero(made().of("north")).tolist())
    assert all(len(features) == 12 and not own & set(features) for features in random["features"])
    assert len({tuple(features) for features in random["features"]}) == 19
    assert set(top["features"]) == own
    assert whole.metrics["instruction"] == "Answer as a person of this group would: north."
    assert whole.metrics["verdict"] in ("shown", "not shown") and whole.metrics["control_p"] is not None


def test_a_shift_that_writes_a_word_is_shown_and_another_is_not() -> None:
    """On the planted model, where one feature's direction writes the word."""
    model = load_generator(planted().model, str(planted().sae), device="cpu", dtype="float32")
    assert model.sae is not None
    unit = strengths_of(model, planted().model, planted().reference).p99
    delta = np.zeros((2, planted_features), np.float32)
    delta[0, WRITES], delta[1, 27] = unit[WRITES], unit[27]
    sae = {"origin": model.sae.origin, "place": "", "weights_sha256": model.sae.encoder.weights_sha256,
           "d_sae": planted_features, "d_in": model.sae.encoder.d_in}  # fmt: skip
    pair = Shift(
        ("writes", "does not"), delta, None, None, (1.0, 1.0), model.hook,
        {"name": model.model.name, "revision": model.model.revision}, sae, (),
    )  # fmt: skip
    options: dict[str, Any] = {
        "shift": pair, "doses": [0, 3, 6], "samples": 2, "max_new_tokens": 8, "batch": 32, "words": WORD,
        "reference": planted().reference, "force": True, "controls": 19, "gauge": "none",
    }  # fmt: skip
    found, none = (steer(model, PROMPTS, group=group, **options) for group in pair.groups)
    assert found.metrics["verdict"] == "shown" and found.table["gauge_diff"][-1] > 0.2
    assert none.metrics["verdict"] == "not shown"
    few = steer(model, PROMPTS, group="writes", **{**options, "controls": 1})
    assert few.metrics["verdict"] == "not held against enough controls"
    assert "1 random sparse vector cannot tell" in few.notes[0]


def test_without_words_and_with_few_controls_there_is_no_verdict() -> None:
    assert "name words with --words" in steered().notes[0]
    found = steered(controls=1)
    assert Counter(found.controls["kind"]) == {"other": 1, "random": 1, "turned": 1, "instruction": 1}
    other = steered(controls=1, doses=[-2, 0, 2], instruction="")
    assert Counter(other.controls["kind"]) == {"other": 1, "random": 1}  # the sign turned is among the doses


def test_only_what_is_added_equals_an_edit_by_adding() -> None:
    """Against the other way to edit, for a shift without a negative part."""
    delta = np.abs(made().of("north"))
    up = Shift(**{**vars(made()), "groups": ("up",), "delta": delta[None], "temperatures": (1.0,)})
    texts = steered(shift=up, group=None, doses=[0, 1.5]).texts.filter(pl.col("arm") == "dose 1.5")
    asked = [subject().model.encode_prompt(prompt) for prompt in PROMPTS]
    changes = [Change(int(f), "add", float(1.5 * delta[f])) for f in np.flatnonzero(delta)]
    edit = FeatureEdit(changes, positions_of("all", asked), subject().sae)
    own = subject().model.generate(asked, edits={HOOK: edit}, max_new_tokens=TOKENS, temperature=0.0)
    assert texts.sort("prompt")["text"].to_list() == [text.text for text in own]


# --- how it is shown ----------------------------------------------------------------------------------------


def test_the_features_that_move_stand_in_the_result_and_on_both_faces(whole: SteerResult) -> None:
    assert whole.moved is not None and set(whole.moved["group"]) == {"north"}
    assert whole.moved.height == 12 and json.loads(whole.to_json())["moved"][0]["delta"]
    lengths = whole.moved["length"].to_list()
    assert lengths == sorted(lengths, reverse=True)
    lines = heading(whole)
    assert lines[0].startswith("shift of north (12 features): dose 1 is ")
    assert lines[1].startswith(f"moves most: {whole.moved['feature'][0]} ") and lines[1].count(";") == 3
    text = render_steer(whole, 100)
    assert "random features 19" in text and "shift of south" in text
    page = Page(render_steer_page(whole))
    assert page.count("div", "arm") == len(PROMPTS) * (whole.table.height + whole.controls.height)


def asked(*more: object) -> Any:
    return saetext(
        "steer", tiny().model, *more, "--reference", tiny().neutral, "--samples", "1",
        "--max-new-tokens", "4",
        "--device", "cpu", "--dtype", "float32",
    )  # fmt: skip


def test_the_command_turns_a_saved_shift_with_its_own_sae(place: Path) -> None:
    made().save("opinions.shift")
    done = asked("one more", "--shift", "opinions.shift", "--group", "south", "--doses", "0,1", "--json")
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert [row["arm"] for row in found["rows"]] == ["unedited", "dose 1"]
    assert found["params"]["shift"] == "opinions.shift" and found["params"]["group"] == "south"
    assert {row["kind"] for row in found["controls"]} == {"other", "random", "turned", "instruction"}
    shown = asked(
        "one more", "--shift", "opinions.shift", "--group", "south", "--controls", "0", "-o", "a.jsonl"
    )
    assert shown.code == 0 and "shift of south (12 features)" in shown.out, shown.err
    assert Path("a.jsonl").is_file()


# --- what is refused ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--shift", "opinions.shift"], 1, "name a group: the shift has 'north', 'south', 'nobody'"),
        (["--shift", "opinions.shift", "--group", "east"], 1, "there is no group 'east'"),
        (["--shift", "opinions.shift", "--group", "nobody"], 1, "the shift of nobody is zero"),
        (["--shift", "none.shift", "--group", "north"], 1, "none.shift"),
        (["--shift", "file.shift", "--group", "north"], 1, "a shift is a directory"),
        (["--shift", "opinions.shift", "--group", "north", "-f", "1"], 2, "one of them"),
        (["--shift", "opinions.shift", "--group", "north", "--op", "scale"], 2, "there is no scale of it"),
        (["-f", "1", "--group", "north"], 2, "group would change nothing"),
        (["--shift", "opinions.shift", "--group", "north", "--hook", "blocks.0.hook_resid_pre"], 1,
         "leave --hook out"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_one_line(options: list[str], code: int, message: str, place: Path) -> None:
    made().save("opinions.shift")
    Path("file.shift").write_text("x")
    done = asked("x", *options)
    assert done.code == code and message in " ".join(done.err.replace("│", " ").split()), done.err
    if code == 1:
        assert "\n" not in done.error


def test_a_shift_of_another_model_or_sae_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="name the same model, or fit again"):
        steered(shift=Shift(**{**vars(made()), "model": {"name": "other", "revision": "0" * 64}}))
    sae = {**made().sae, "weights_sha256": "0" * 64}
    with pytest.raises(InputError, match="name the same SAE, or fit again"):
        steered(shift=Shift(**{**vars(made()), "sae": sae}))
    bare = Generator(subject().model, None, FeatureLabels.from_rows([]), HOOK)
    with pytest.raises(InputError, match="a shift needs the one it was fitted with"):
        steer(bare, ["x"], shift=made(), group="north")
    gone = Shift(**{**vars(made()), "sae": {**made().sae, "place": ""}})
    with pytest.raises(InputError, match="which SAE"):
        steer(tiny().model, ["x"], shift=gone, group="north", device="cpu")
    shutil.copytree(tiny().sae, tmp_path / "copy.sae")
    (tmp_path / "copy.sae" / "sae_weights.safetensors").write_bytes(b"nothing")
    away = Shift(**{**vars(made()), "sae": {**made().sae, "place": str(tmp_path / "copy.sae")}})
    with pytest.raises(ReaderError):
        steer(tiny().model, ["x"], shift=away, group="north", device="cpu")


def test_a_request_says_what_is_wrong_before_anything_is_loaded() -> None:
    with pytest.raises(InputError, match="--direction or --shift, one of them"):
        SteerRequest()
    with pytest.raises(InputError, match="there is no set of it"):
        SteerRequest(shift="a", op="set")
    assert SteerRequest(shift=made(), group="north").params()["shift"].startswith("<Shift")
