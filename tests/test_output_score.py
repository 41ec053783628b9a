"""The output score: what it is by hand, that it tells writing from reading, and what a concept chooses."""

from __future__ import annotations

import dataclasses
import json
import types
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
import transformers
from planted import D_SAE, PROMPTS, WORD, WRITES, planted

from saetext.features.labels import FeatureLabel, FeatureLabels
from saetext.intervene.choosing import candidates_of
from saetext.intervene.edit import Change
from saetext.intervene.generator import Generator, load_generator
from saetext.intervene.output_score import TEXTS, TOKENS, OutputScores, own_tokens, rank_score
from saetext.intervene.steer import steer
from saetext.intervene.strength import reference_texts, strengths_of
from saetext.reader.added.names import SMOLLM2_SHA256
from saetext.report.console.steering import render_steer
from saetext.text.passages import piece_shown

READS = 27  # a feature whose direction has nothing to do with the word
WORDS = [WORD, "answer", "was", "the"]  # one token each in the tiny model


@pytest.fixture(scope="module")
def generator() -> Generator:
    return load_generator(planted().model, str(planted().sae), device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def scores(generator: Generator) -> OutputScores:
    return OutputScores(generator, reference_texts(planted().reference, TEXTS))


def steered(generator: Generator, **options: Any) -> Any:
    return steer(
        generator, PROMPTS[:1], **{"doses": [0], "samples": 1, "max_new_tokens": 2, "controls": 0,
        "instruction": "", "reference": planted().reference, "gauge": "none", **options},
    )  # fmt: skip


def test_it_is_what_the_model_s_head_says(generator: Generator, scores: OutputScores) -> None:
    """The planted SAE stands behind the last layer: norm and head by hand, every pair of tokens counted."""
    model = transformers.AutoModelForCausalLM.from_pretrained(planted().model, trust_remote_code=False).eval()
    assert generator.sae is not None
    direction = generator.sae.encoder.decoder[READS]
    rows = [json.loads(line) for line in planted().reference.read_text().splitlines()]
    before, after = [], []
    for row in rows[:TEXTS]:
        ids = torch.tensor([generator.model.encode_prompt(row["text"], raw=True).ids[:TOKENS].tolist()])
        last: list[torch.Tensor] = []
        handle = model.model.norm.register_forward_pre_hook(lambda _, x, last=last: last.append(x[0]))
        with torch.no_grad():
            model(ids)
            handle.remove()
            for where, x in ((before, last[0]), (after, last[0] + 1.5 * direction)):
                where.append(model.lm_head(model.model.norm(x))[0].log_softmax(-1))
    moved = (torch.cat(after).double().mean(0) - torch.cat(before).double().mean(0)).numpy()
    own = [generator.model.tokenizer.encode(f" {word}", add_special_tokens=False)[0] for word in WORDS]
    others = [i for i in range(len(moved)) if i not in own]
    expected = np.mean([(moved[t] > moved[o]) + 0.5 * (moved[t] == moved[o]) for t in own for o in others])
    found = scores(Change(READS, "add", 1.5), WORDS)
    assert found.own == tuple(WORDS) and found.score == pytest.approx(expected, abs=2e-3)
    order = [i for i in np.argsort(-moved) if i not in generator.model.tokenizer.all_special_ids]
    assert found.promoted == tuple(piece_shown(generator.model.tokenizer.decode([int(i)])) for i in order[:5])


def test_a_feature_that_writes_its_word_is_told_from_those_that_only_read_it(
    generator: Generator, scores: OutputScores
) -> None:
    writes = scores(Change(WRITES, "add", 1.5), [WORD])
    assert writes.score == 1.0 and writes.promoted[0] == WORD
    others = [scores(Change(f, "add", 1.5), [WORD]).score for f in range(D_SAE) if f != WRITES]
    assert max(map(float, others)) < 1.0 and abs(np.mean(others) - 0.5) < 0.15
    assert scores(Change(WRITES, "add", -1.5), [WORD]).score == 0.0


def test_it_stands_beside_the_handle(generator: Generator) -> None:
    found = steered(generator, features=[f"{WRITES}:-1", f"{READS}:1"])  # turned down: asked of its rise
    assert found.handles["output_score"].to_list() == [1.0, None]  # word27 is no token
    assert found.handles["promotes"][0][0] == WORD
    text = " ".join(render_steer(found, 200).split())
    assert f"feature {WRITES} promotes {WORD}, " in text and "output score 1.00" in text


def test_a_direction_is_asked_for_the_words_of_the_request(generator: Generator) -> None:
    assert generator.sae is not None
    path = planted().reference.with_name("writes.npy")
    np.save(path, generator.sae.encoder.decoder[WRITES].numpy())
    assert steered(generator, direction=path, words=WORD).handles["output_score"][0] == 1.0
    assert steered(generator, direction=path).handles["output_score"][0] is None


def test_a_concept_chooses_the_feature_that_writes(generator: Generator, scores: OutputScores) -> None:
    strengths = strengths_of(generator, planted().model, planted().reference)
    labels = FeatureLabels.from_rows(
        [
            FeatureLabel(READS, "dogs"),
            FeatureLabel(WRITES, "dog"),
            FeatureLabel(40, "tax law"),
        ]
    )
    named = dataclasses.replace(generator, labels=labels)
    found = candidates_of("dogs", named, strengths, scores)
    assert [one.feature for one in found] == [WRITES, READS]
    assert found[1].similarity > found[0].similarity  # its label is less like the concept
    result = steered(named, concept="dogs")
    assert result.handles["feature"][0] == WRITES and result.candidates is not None
    assert result.candidates.select("feature", "chosen").rows() == [(WRITES, True), (READS, False)]
    assert result.handles["output_score"][0] == result.candidates["output_score"][0] == 1.0
    assert {"candidates", "handles"} <= set(json.loads(result.to_json()))
    assert f"considered for 'dogs': {WRITES} dog" in " ".join(render_steer(result, 200).split())
    alone = candidates_of("dogs", named, strengths, None)  # nothing is known of what they write
    assert [one.feature for one in alone] == [READS, WRITES]
    assert steered(generator, features=["5"]).candidates.equals(pl.DataFrame(schema=result.candidates.schema))


def test_words_count_as_the_token_they_are(generator: Generator) -> None:
    found = own_tokens(generator.model.tokenizer, [*WORDS, "quick", WORD, ""], generator.model.vocabulary)
    assert list(found) == WORDS and len(set(found.values())) == 4


def test_ranks_are_the_area_under_the_curve() -> None:
    from sklearn.metrics import roc_auc_score

    draw = np.random.default_rng(0)
    for _ in range(20):
        moved = draw.normal(size=50).round(1)
        own = draw.choice(50, 5, replace=False)
        assert rank_score(moved, own.tolist()) == pytest.approx(roc_auc_score(np.isin(range(50), own), moved))


def test_strengths_come_with_the_reader_of_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the published model, the SAE that ships and the example as it is: nothing is measured for them."""
    from saetext.intervene.generator import load_sae
    from saetext.intervene.strength import TOKENS as READ
    from saetext.reader.reader import Reader

    loaded, _ = load_sae("smollm2")
    known = types.SimpleNamespace(revision=f"sha256:{SMOLLM2_SHA256}", dtype="bfloat16", device="cpu")
    there = Generator(known, loaded, FeatureLabels.from_rows([]), loaded.encoder.hook, "smollm2")  # type: ignore[arg-type]
    monkeypatch.setattr(Reader, "load_many", None)
    found = strengths_of(there, "smollm2", None)
    assert found.tokens >= READ and len(found.p99) == loaded.encoder.d_sae and found.norm > 0
    assert ((found.p99 > 0) == (found.active > 0)).all() and (found.p99 <= found.largest).all()
    known.revision = "sha256:another"
    with pytest.raises(TypeError):  # it would be measured
        strengths_of(there, "smollm2", None)
