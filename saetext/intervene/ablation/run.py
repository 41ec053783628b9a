"""ablate: what a model's texts lose when features are taken out, beside what it writes by itself.

Not for: where a decision comes from (:mod:`saetext.intervene.attribution`), or turning features up
(:mod:`saetext.intervene.steer`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import saetext.reader.stack  # noqa: F401 - says what is missing

import polars as pl

from saetext.errors import InputError, refuse_unused
from saetext.intervene.ablation.arms import BASE, AblationArm, Arms, tokens_shown
from saetext.intervene.ablation.choosing import Chosen, added_tokens, require_same, strongest
from saetext.intervene.ablation.measures import measured as measures_of
from saetext.intervene.ablation.notes import notes
from saetext.intervene.ablation.request import ALWAYS, AblateRequest
from saetext.intervene.ablation.result import AblateResult
from saetext.intervene.ablation.summary import summary
from saetext.intervene.ablation.survey import Survey, difference_of_means, survey
from saetext.intervene.ablation.tables import FEATURES, texts_schema
from saetext.intervene.ablation.topics import Asked, Split, asked_of, attributed_topics, split_of, topic_of
from saetext.intervene.attribution.result import AttributionResult
from saetext.intervene.controls import Arm
from saetext.intervene.edit import require_editable
from saetext.intervene.generator import Generator, load_generator
from saetext.intervene.metrics import unescaped
from saetext.intervene.positions import require_mode
from saetext.intervene.rows import Given, asked_in
from saetext.intervene.second_reader import reader_of, seen
from saetext.intervene.writing import Writer, Written, measured
from saetext.io.request import verb_of_two
from saetext.io.warning import warn
from saetext.reader import shipped
from saetext.text.one_line import quoted


@verb_of_two(AblateRequest)
def ablate(model: str | Path | Generator, prompts: Given, request: AblateRequest) -> AblateResult:
    """Write texts with features taken out, and without, and say what that changes.

    Every arm shares the sampling noise of its prompt and sample: what differs was caused by the edit. What
    was written is kept in the cache, so that an interrupted run resumes.

    Parameters
    ----------
    model : str, path or Generator
        A causal model: Hugging Face id, directory, name of an added one; or one that is loaded.
    prompts : str, path, or iterable
        One prompt, a file of them (a path), or texts, mappings or documents; answers beside them are not
        looked at.

    Returns
    -------
    AblateResult

    Raises
    ------
    InputError
        If a feature is out of range, the attribution is of another SAE or model, a prompt cannot be used or
        has no topic, a forbidden text is several tokens, or a metric returns no number.
    ReaderError
        If the model or the SAE cannot be loaded, or the model cannot write.

    Warns
    -----
    SaetextWarning
        If a feature is never active where it is taken out, a prompt stands twice, or the SAE is of the base
        model of the one that writes.

    Examples
    --------
    What to take out is asked for before a model is loaded:

    >>> import saetext
    >>> try:
    ...     saetext.ablate("smollm2", "Name a colour.")
    ... except saetext.SaetextError as error:
    ...     print(error)
    say what to take out: --features FILE:N, or features by number
    """
    require_mode(request.positions)
    attribution = request.attribution
    if request.file is not None:
        attribution = AttributionResult.load(request.file[0])
    rows = asked_in(prompts)
    for row in rows:  # before a model is loaded
        topic_of(row, request.by)
    for text in request.forbidden or ():
        unescaped(text)
    generator = _opened(model, request, attribution)
    if attribution is not None:
        require_same(attribution, generator)
    forbidden = _forbidden(generator, request, attribution)
    asked = asked_of(generator.model, rows, request.by, request.system, request.raw)
    chosen, split = _chosen(generator, request, attribution, asked)
    require_editable(generator.sae, [one.feature for one in chosen])
    reader = reader_of(request.gauge, len(set(split.test)), generator, "topic")
    return _Run(generator, request, asked, chosen, split, forbidden, reader).result()


def _opened(
    model: str | Path | Generator, request: AblateRequest, attribution: AttributionResult | None
) -> Generator:
    if isinstance(model, Generator):
        told = "the generator has its SAE, and is loaded already"
        refuse_unused(told, **request.changed("sae", "device", "dtype", "labels", "trust_pickle"))
        if model.sae is None:
            raise InputError("features belong to an SAE: load the generator with one")
        return model
    sae = request.sae
    if sae is None and attribution is not None and shipped.by_name(str(model)) is None:
        sae = str(attribution.params.get("sae") or "") or None
    return load_generator(
        model,
        sae,
        labels=request.labels,
        device=request.device,
        dtype=request.dtype,
        trust_pickle=request.trust_pickle,
    )


@dataclass(frozen=True)
class Forbidden:
    """Tokens that a rival arm never writes.

    Attributes
    ----------
    tokens : tuple of int
    shown : str
        The same as text.
    source : str
        Why these.
    """

    tokens: tuple[int, ...]
    shown: str
    source: str


def _forbidden(
    generator: Generator, request: AblateRequest, attribution: AttributionResult | None
) -> Forbidden:
    """Return the tokens that are forbidden in a rival arm; none where that was asked for."""
    model = generator.model
    if request.forbidden is not None:
        texts = [unescaped(text) for text in request.forbidden]
        found = [_one_token(model.tokenizer, text) for text in texts]
        return Forbidden(tuple(dict.fromkeys(found)), tokens_shown(texts), "asked for")
    for text in [] if attribution is None else added_tokens(attribution):
        ids = _ids(model.tokenizer, text)
        if len(ids) == 1:
            return Forbidden((ids[0],), tokens_shown([text]), "what the attribution's metric adds")
    ends = tuple(sorted(token for token in model.eos_ids if token < model.vocabulary))
    return Forbidden(ends, "the end of the text", "by default")


def _one_token(tokenizer: Any, text: str) -> int:
    ids = _ids(tokenizer, text)
    if len(ids) != 1:
        pieces = ", ".join(quoted(tokenizer.decode([token]), 20) for token in ids[:6])
        raise InputError(
            f"--forbid {quoted(text, 40)} is {len(ids)} tokens ({pieces}{', ...' if len(ids) > 6 else ''}): "
            "forbid one of them, or repeat the option"
        )
    return ids[0]


def _ids(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids)


def _chosen(
    generator: Generator,
    request: AblateRequest,
    attribution: AttributionResult | None,
    asked: Sequence[Asked],
) -> tuple[list[Chosen], Split]:
    """Return the features, and the topics that they were chosen on and are tested on."""
    every = tuple(dict.fromkeys(one.topic for one in asked))
    if attribution is None:
        return [Chosen(feature) for feature in request.numbers], Split("named", (), every)
    tokens = {
        int(number): tuple(own)
        for number, own in attribution.tokens.sort("prompt", "position")
        .group_by("prompt", maintain_order=True)
        .agg("token")
        .rows()
    }
    ids = [str(name) for name in attribution.prompts["id"]]
    topics, lengths = attributed_topics(tokens, ids, attribution.meta, asked, request.by, generator.model)
    split = split_of([one.topic for one in asked], topics, request.split, request.seed)
    everything = split.how in ("none", "apart")
    examples = [n for n, topic in enumerate(topics) if everything or topic in split.choose]
    chosen = strongest(
        attribution,
        request.strongest if request.file is None else request.file[1],
        examples=examples,
        lengths=dict(enumerate(lengths)),
        rank=request.rank,
        sign=request.sign,
        positions=request.positions,
    )
    return chosen, split


class _Run:
    """One ablation, once it is known what to take out of what."""

    def __init__(
        self,
        generator: Generator,
        request: AblateRequest,
        asked: Sequence[Asked],
        chosen: Sequence[Chosen],
        split: Split,
        forbidden: Forbidden,
        reader: str | None,
    ) -> None:
        self.generator, self.request, self.split, self.forbidden = generator, request, split, forbidden
        self.reader = reader
        self.chosen = list(chosen)
        tested = set(split.test)
        self.asked = [one for one in asked if one.topic in tested]
        self.others = [one for one in asked if one.topic in set(split.choose) - tested]
        self.topics = tuple(dict.fromkeys(one.topic for one in self.asked))

    @property
    def features(self) -> list[int]:
        return [one.feature for one in self.chosen]

    def result(self) -> AblateResult:
        writer = self._writer(self.asked)
        base = writer.arm(BASE)
        prompts = [one.prompt for one in self.asked]
        of_base = survey(self.generator, prompts, base, self.request.positions, self.request.batch)
        self._warn_of_inactive(of_base)
        means, before = self._means(prompts, base)
        make = Arms(self.generator, of_base, [one.topic for one in self.asked], self.request)
        ablated = make.ablated(self.features)
        arms = [
            *ablated,
            *make.controls(ablated, self.features),
            *make.rivals(self.forbidden.tokens, self.forbidden.shown, means),
        ]
        writer.expect([BASE, *arms])
        done: list[tuple[Arm, list[Written]]] = [(BASE, base), *((arm, writer.arm(arm)) for arm in arms)]
        texts = self._texts(done)
        metrics = tuple(dict.fromkeys((*self.request.measures, *ALWAYS)))
        table, topics = summary(
            arms,
            texts,
            metrics,
            self.request.main,
            self.topics,
            lengths={arm.name: make.length(arm) for arm in arms},
            active={arm.name: _is_active(of_base, arm) for arm in arms},
            each=self.request.each,
            seed=self.request.seed,
        )
        return self._result(table, topics, texts, of_base, before, ablated)

    def _writer(self, asked: Sequence[Asked]) -> Writer:
        return Writer(self.generator, [one.given for one in asked], self.request, [BASE])

    def _means(self, prompts: Sequence[Any], base: Sequence[Written]) -> tuple[Any, int | None]:
        """Return the difference of means, of the topics that choose where there are such."""
        if not self.forbidden.tokens:
            return None, None
        if self.others:
            prompts = [one.prompt for one in self.others]
            base = self._writer(self.others).arm(BASE)
        return difference_of_means(self.generator, prompts, base, self.forbidden.tokens, self.request.batch)

    def _warn_of_inactive(self, of_base: Survey) -> None:
        for feature in self.features:
            if not of_base.strengths.active[feature]:
                warn(f"feature {feature} is never active where it would be taken out: that changes nothing")

    def _texts(self, done: Sequence[tuple[Arm, list[Written]]]) -> pl.DataFrame:
        functions, wanted = self.request.functions, self.request.word_list
        rows = [
            {
                "arm": arm.name,
                "kind": arm.kind,
                "prompt": text.prompt,
                "prompt_text": self.asked[text.prompt].shown,
                "topic": self.asked[text.prompt].topic,
                "sample": text.sample,
                "text": text.text,
                "finish": text.finish,
                "changed": changed,
                **measures_of(text, wanted, functions),
            }
            for arm, text, changed in measured(done)
        ]
        return pl.DataFrame(rows, schema=texts_schema(list(functions)))

    def _result(
        self,
        table: pl.DataFrame,
        topics: pl.DataFrame,
        texts: pl.DataFrame,
        of_base: Survey,
        before: int | None,
        ablated: Sequence[AblationArm],
    ) -> AblateResult:
        request, generator, split = self.request, self.generator, self.split
        assert generator.sae is not None
        shown = self._seen(table, texts)
        own = pl.col("kind") == "ablated"
        primary = table.filter(own & pl.col("primary"))
        base = texts.filter(pl.col("arm") == BASE.name)
        metrics = {
            "topics": len(self.topics),
            "prompts": len(self.asked),
            "texts": texts.height,
            "arms": texts["arm"].n_unique(),
            "primary": request.main,
            "verdicts": dict(primary.select("arm", "verdict").rows()),
            "split": split.how,
            "chosen_on": list(split.choose),
            "tested_on": list(split.test),
            "matched": int(table.filter(pl.col("kind") == "matched")["arm"].n_unique() / len(ablated)),
            "forbidden": self.forbidden.shown if self.forbidden.tokens else None,
            "forbidden_source": self.forbidden.source if self.forbidden.tokens else None,
            "before_forbidden": before,
            "cut": float((base["finish"] == "length").mean() or 0.0),  # type: ignore[arg-type]
            "edited_tokens": of_base.strengths.tokens,
            "median_norm": of_base.strengths.norm,
            "gauge_reader": None if shown is None else self.reader,
        }
        params = {
            **request.params(),
            "model": generator.model.name,
            "model_revision": generator.model.revision,
            "hook": generator.hook,
            "sae": generator.sae.origin,
        }
        return AblateResult(
            "ablate",
            table.filter(own),
            params,
            metrics,
            notes(metrics, table, request),
            controls=table.filter(~own),
            topics=topics,
            features=self._features(of_base),
            texts=texts,
            seen=shown,
        )

    def _seen(self, table: pl.DataFrame, texts: pl.DataFrame) -> pl.DataFrame | None:
        """Return what a second reader sees in each ablated arm; None where none is asked."""
        if self.reader is None:
            return None
        rows = table.filter(pl.col("primary"))
        randoms = dict(rows.filter(pl.col("kind") == "random").select("of", "arm").rows())
        arms = {arm: randoms.get(arm) for arm in rows.filter(pl.col("kind") == "ablated")["arm"]}
        return seen(texts, arms, BASE.name, self.reader, self.request.on_progress, unit="topic")

    def _features(self, of_base: Survey) -> pl.DataFrame:
        labels, strengths = self.generator.labels, of_base.strengths
        rows = [
            {
                "feature": one.feature,
                "label": labels.label(one.feature) if one.feature in labels else None,
                "score": one.score,
                "examples": one.examples,
                "active": float(strengths.density[one.feature]),
                "activation": float(of_base.mean[one.feature]),
                "largest": float(strengths.largest[one.feature]),
            }
            for one in self.chosen
        ]
        return pl.DataFrame(rows, schema=FEATURES)


def _is_active(seen: Survey, arm: AblationArm) -> bool:
    return any(seen.strengths.active[feature] for feature in arm.features)
