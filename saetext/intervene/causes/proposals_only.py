"""Where nobody says how the model wrote A and B: features that might drive each finding, without a verdict.

The model reads the texts that were compared; it did not write them, or under conditions that are not known.
Not for: the test (:mod:`saetext.intervene.causes.study`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
import polars as pl

from saetext.errors import InputError, refuse_unused
from saetext.intervene.ablation.survey import survey
from saetext.intervene.causes.activity import activity, contrast
from saetext.intervene.causes.gauges import gauge_of, same_sae
from saetext.intervene.causes.proposing import Candidate, Proposals, attributed, labelled
from saetext.intervene.causes.sides import Side
from saetext.intervene.causes.study import finding_row
from saetext.intervene.causes.tables import ARMS, CANDIDATES, FINDINGS, TABLE, TEXTS
from saetext.intervene.writing import Written

if TYPE_CHECKING:
    from saetext.corpus import Corpus
    from saetext.intervene.causes.compared import Compared
    from saetext.intervene.causes.request import WhyRequest
    from saetext.intervene.generator import Generator

MOST = 40  # texts of each side that are read
_TOKENS = 256  # of each
UNKNOWN = (
    "handles only, no verdict: nobody says that {model} wrote {a} and {b}, and how (--system-a, --system-b, "
    "--edit-a, --edit-b)"
)


#: Options of writing and of the test: where nothing is written they would do nothing.
UNUSED = (
    "prompts", "most_prompts", "doses", "controls", "nll_within", "positions", "samples", "max_new_tokens",
    "temperature", "top_p", "repetition_penalty",
)  # fmt: skip


def require_used(request: WhyRequest) -> None:
    """Raise InputError if an option was given that does nothing where features are only proposed."""
    told = (
        "features are proposed and nothing is written where nobody says how the model wrote both sides: say "
        "so with --system-a, --system-b, --edit-a or --edit-b"
    )
    default = type(request)()  # not request.changed: doses are read from a text
    given = {name: getattr(request, name) for name in UNUSED}
    refuse_unused(told, **{name: value for name, value in given.items() if value != getattr(default, name)})


def proposals_only(
    generator: Generator, request: WhyRequest, compared: Compared, corpora: tuple[Corpus, Corpus]
) -> dict[str, Any]:
    """Return the tables, metrics and notes of a result without verdicts.

    Raises
    ------
    InputError
        If the corpora hold no texts, or an option would do nothing.
    """
    require_used(request)
    assert generator.sae is not None
    read = {key: _Read(generator, corpus, request) for key, corpus in zip("ab", corpora, strict=True)}
    spec = corpora[0].spec.sae(compared.sae)
    same = same_sae(spec, generator.sae.encoder.weights_sha256)
    findings = compared.findings[: request.findings]
    rows: list[dict[str, Any]] = []
    candidates: list[dict[str, Any]] = []
    for finding in findings:
        more, less = read[finding.more], read["b" if finding.more == "a" else "a"]
        apart = contrast(more.activity, less.activity, paired=False)
        proposals = Proposals(apart, more.never)
        proposals.attributed = attributed(
            generator, finding, Side(finding.more, "", request.system), more.given, more.texts,
            batch=request.batch, raw=more.raw, on_progress=request.on_progress,
        )  # fmt: skip
        proposals.labelled = labelled(generator, finding)
        found = proposals.best(max(request.candidates, request.handles))
        if request.numbers:
            found = [Candidate(f, ("named",), float(apart[f])) for f in request.numbers]
        for at, one in enumerate(found):
            label = generator.labels.label(one.feature) if one.feature in generator.labels else None
            candidates.append(
                {
                    "finding": finding.name, "feature": one.feature, "label": label,
                    "found_by": ", ".join(one.found_by), "activity": one.activity,
                    "attribution": one.attribution, "removes": None, "chosen": at < request.handles,
                }
            )  # fmt: skip
            if at < (len(request.numbers) or request.handles):
                name = compared.names[0 if finding.more == "a" else 1]
                rows.append(
                    {
                        "finding": finding.name, "kind": finding.kind, "more_in": name,
                        "feature": one.feature, "label": label, "verdict": None,
                        "because": "nobody says how the model wrote both sides",
                    }
                )  # fmt: skip
    told = UNKNOWN.format(model=generator.model.name, a=compared.names[0], b=compared.names[1])
    gauges = [gauge_of(finding, same_sae=same) for finding in findings]
    return {
        "table": _frame(rows, TABLE),
        "metrics": {
            "confirmed": len(compared.findings), "looked_into": len(findings), "choosing_prompts": 0,
            "testing_prompts": 0, "tested": 0, "controls": 0, "verdicts": {}, "texts": 0, "generated": False,
        },
        "notes": (told,),
        "findings_table": _frame([finding_row(compared, gauge) for gauge in gauges], FINDINGS),
        "candidates": _frame(candidates, CANDIDATES),
        "arms": pl.DataFrame(schema=ARMS),
        "texts": pl.DataFrame(schema=TEXTS),
    }  # fmt: skip


def _frame(rows: Sequence[dict[str, Any]], schema: dict[str, Any]) -> pl.DataFrame:
    """Return rows as a table; what a row lacks is null."""
    return pl.DataFrame(
        [{name: row.get(name) for name in schema} for row in rows], schema=schema, strict=False
    )


class _Read:
    """The texts of one side as the model reads them, after their prompts."""

    def __init__(self, generator: Generator, corpus: Corpus, request: WhyRequest) -> None:
        rows = corpus.documents.select("prompt", "text").collect()
        rows = rows.filter(pl.col("text").is_not_null() & (pl.col("text").str.strip_chars() != ""))
        if not rows.height:
            raise InputError("the texts that were compared are not stored: no feature can be looked for")
        order = np.random.default_rng([request.seed, 29]).permutation(rows.height)[:MOST]
        rows = rows[np.sort(order).tolist()]
        model = generator.model
        prompts = rows["prompt"].to_list()
        plain = not model.tokenizer.chat_template or any(not (p or "").strip() for p in prompts)
        if plain and request.system is not None:
            raise InputError(
                "--system needs a chat template, and a prompt for each text that was compared: without them "
                "texts are read as they stand"
            )
        self.raw = request.raw or plain
        self.given = [p if p and p.strip() else "\n" for p in prompts]
        encoded = [model.encode_prompt(prompt, system=request.system, raw=self.raw) for prompt in self.given]
        backend = model.tokenizer.backend_tokenizer
        self.texts = []
        for at, text in enumerate(rows["text"]):
            ids = backend.encode(text, add_special_tokens=False).ids[:_TOKENS]
            self.texts.append(Written(at, 0, text, np.array(ids, np.int64), "", None))
        self.activity = activity(generator, encoded, self.texts, "generated", request.batch)
        seen = survey(generator, encoded, self.texts, "generated", request.batch)
        self.never = seen.strengths.active == 0
