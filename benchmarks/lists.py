r"""When does a model end a list? The study's questions asked of any causal model and its SAEs.

    python benchmarks/chat_texts.py -o build/lists/own.jsonl --documents 6000
    python benchmarks/list_saes.py read ../shared/data/sae_corpus.parquet build/lists/own.jsonl -o build/lists
    python benchmarks/list_saes.py train -o build/lists
    python benchmarks/lists.py --sae smollm2 build/lists/resid_6 build/lists/attn_7

What the model does by itself, where the end of a list comes from, what the five strongest features of half
of the topics do when they are taken out in the other half, and what that is held against. Texts, attributions
and ablations are kept under ``--work`` and not made again; ``--only`` does one step, so that several can run
side by side. ``docs/lists.md`` says what came out. ``--named few_controls`` takes the features that an
earlier run chose from its results, so that they can be held against more sets without attributing anew:

    python benchmarks/lists.py --sae smollm2 --named few_controls --section named --variants all prompt \
        --templates plain --arm-samples 2 --no-rivals

For Gemma 2 2B:

    python benchmarks/lists.py --model google/gemma-2-2b-it --no-example --tokens 200 \
        --metric 'logit("<end_of_turn>") - logit("\n")' --output gemma.json \
        --sae gemma-scope-2b-pt-res-canonical/layer_0/width_16k/canonical \
              gemma-scope-2b-pt-att-canonical/layer_7/width_16k/canonical
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from common import RESULTS, environment, save, say
from list_prompts import TEMPLATES, TOPICS, halves, prompts
from training_bar import training_bar

import saetext
from saetext.intervene.ablation.measures import diversity
from saetext.intervene.generator import load_causal
from saetext.intervene.places import items_of
from saetext.io.files import write_atomic
from saetext.report.html.matrix_picture import write_matrix_picture

METRIC = r'logit("<|im_end|>") - logit("\n")'
STEPS = ("behaviour", "attribute", "ablate", "report")
# how features are taken out: where, and which sign of their attributions makes the strongest; the study took
# them out at the prompt's positions
VARIANTS = {"all": ("all", "positive"), "prompt": ("prompt", "positive"), "against": ("all", "negative")}
_MARK = re.compile(
    r"^[ \t]*(?:(?P<number>\(?\d{1,3}[.):])|(?P<bullet>[-*+•–—])|(?P<letter>\(?[A-Za-z][.):]))[ \t]+\S", re.M
)
_DRAWN = 40  # features in the picture of the matrix: their labels can be read
_MEASURES = ("items", "distinct", "diversity", "ended", "tokens", "repeats", "nll")


# ---- what the model does by itself ----------------------------------------------------------------------


def behaviour(args: argparse.Namespace) -> list[dict[str, Any]]:
    """Return what the model writes without any edit, with and without an example, from the work directory."""
    path = args.work / "behaviour.jsonl"
    if not path.exists():
        model = load_causal(args.model, device=args.device, dtype=args.dtype)
        rows = []
        for example, samples in ((True, args.samples), (False, 1 if args.example else args.samples)):
            if example and not args.example:
                continue
            asked = prompts(args.topics, example=example)
            with training_bar() as show:
                made = model.generate(
                    [model.encode_prompt(row["messages"]) for row in asked],
                    samples=samples,
                    max_new_tokens=args.tokens,
                    temperature=args.temperature,
                    seed=args.seed,
                    batch=args.batch,
                    on_progress=show,
                )
            rows += [
                {
                    **{name: asked[text.prompt][name] for name in ("id", "topic", "template")},
                    "example": example,
                    "sample": text.sample,
                    "text": text.text,
                    "finish": text.finish,
                    "tokens": len(text.ids),
                }
                for text in made
            ]
        write_atomic(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def after_last_item(row: Mapping[str, Any]) -> str:
    """Return what follows the last item of a text: ``end``, ``more`` text, ``cut``, or ``no list``.

    >>> after_last_item({"text": "- a\\n- b", "finish": "eos"})
    'end'
    """
    items, text = items_of(row["text"]), row["text"].rstrip()
    if len(items) < 2:
        return "no list"
    if not text.endswith(items[-1]):
        return "more"
    return "end" if row["finish"] == "eos" else "cut"


def described(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return how some texts list, and how their lists end."""
    counts = np.array([len(items_of(row["text"])) for row in rows])
    marks: Counter[str] = Counter()
    for row in rows:
        marks.update(str(found.lastgroup) for found in _MARK.finditer(row["text"]))
    after = Counter(after_last_item(row) for row in rows)
    by_prompt: dict[str, list[int]] = {}
    for row, count in zip(rows, counts.tolist(), strict=True):
        by_prompt.setdefault(row["id"], []).append(count)
    spreads = [np.var(own, ddof=1) for own in by_prompt.values() if len(own) > 1]
    return {
        "texts": len(rows),
        "lists": float((counts >= 2).mean()),
        "items": float(counts.mean()),
        "variance": float(np.mean(spreads)) if spreads else None,
        "ended": float(np.mean([row["finish"] == "eos" for row in rows])),
        "tokens": float(np.mean([row["tokens"] for row in rows])),
        "diversity": diversity([row["text"] for row in rows]),
        "marks": dict(marks),
        "after_last_item": dict(after),
    }


# ---- where the end comes from ---------------------------------------------------------------------------


def ended_lists(
    rows: Sequence[Mapping[str, Any]], topics: Sequence[str], example: bool
) -> list[dict[str, Any]]:
    """Return for each topic and template the first list that ended right after an item, as a chat."""
    asked = {row["id"]: row for row in prompts(tuple(topics), example=example)}
    found: dict[str, dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: row["sample"]):
        if row["example"] == example and row["id"] in asked and after_last_item(row) == "end":
            turns = [*asked[row["id"]]["messages"], {"role": "assistant", "content": row["text"].rstrip()}]
            found.setdefault(row["id"], {**asked[row["id"]], "messages": turns})
    return [found[name] for name in asked if name in found]


def attribute(args: argparse.Namespace, sae: str) -> Any:
    """Return the attribution of the end of lists to an SAE's features, from the work directory."""
    path = args.work / f"{name_of(sae)}.attribution.json"
    if not path.exists():
        choose, _ = halves(args.topics)
        cases = ended_lists(behaviour(args), choose, args.example)
        if len(cases) < 2:
            raise SystemExit(
                f"{len(cases)} lists ended after an item: nothing to attribute; try more --tokens"
            )
        source = args.work / "ended.jsonl"
        write_atomic(source, "".join(json.dumps(case, ensure_ascii=False) + "\n" for case in cases).encode())
        with training_bar() as show:
            found = saetext.attribute(
                args.model,
                source,
                metric=args.metric,
                at="last-item",
                sae=sae,
                top=args.top,
                checks=args.checks,
                device=args.device,
                seed=args.seed,
                on_progress=show,
            )
        found.save(path)
    return saetext.AttributionResult.load(path)


def matrix(args: argparse.Namespace, sae: str, found: Any) -> dict[str, Any]:
    """Return figures of the expression matrix, and draw it beside the attribution."""
    counts = Counter(row["template"] for row in found.meta)
    by = "template" if sum(n >= 2 for n in counts.values()) >= 2 else None  # else there is nothing to compare
    matrix = saetext.expression(found, take=10, by=by)
    picture = args.work / f"{name_of(sae)}.matrix.png"
    if not picture.exists():
        write_matrix_picture(saetext.expression(found, take=10, most=_DRAWN), picture)
    ordered = matrix.table.sort(pl.col("prevalence"), descending=True)
    return {
        **matrix.metrics,
        "prevalent": ordered.head(args.features).select("feature", "label", "prevalence").to_dicts(),
    }


def attributed(found: Any) -> dict[str, Any]:
    """Return what an attribution says of an SAE: where its strongest features stand, and how far it holds."""
    pairs = found.pairs
    total = float(pairs["attribution"].abs().sum())
    ends = pairs.group_by("prompt").agg(pl.col("position").max().alias("end"))
    near = pairs.join(ends, on="prompt").filter(pl.col("position") >= pl.col("end"))
    return {
        **found.metrics,
        "share_at_last_token": float(near["attribution"].abs().sum()) / total if total else None,
    }


# ---- what the features do -------------------------------------------------------------------------------


def ablate(args: argparse.Namespace, sae: str, variant: str) -> dict[str, Any]:
    """Take out the strongest features of half of the topics in the other half; from the work directory."""
    path = args.work / f"{name_of(sae)}.{variant}.ablation.json"
    positions, sign = VARIANTS[variant]
    if not path.exists():
        chosen = (
            {"features": named(args, sae, variant)}
            if args.named
            else {"attribution": attribute(args, sae), "strongest": args.features, "sign": sign}
        )
        started = time.process_time()
        with training_bar() as show:
            done = saetext.ablate(
                args.model,
                prompts_file(args),
                **chosen,
                sae=sae,
                by="topic",
                positions=positions,
                mode=args.mode,
                metrics=",".join(_MEASURES),
                primary="items",
                controls=args.controls,
                forbid=() if args.rivals else ("",),
                gauge="none",
                samples=args.arm_samples,
                max_new_tokens=args.arm_tokens,
                temperature=args.temperature,
                batch=args.batch,
                device=args.device,
                dtype=args.dtype,
                seed=args.seed,
                on_progress=show,
            )
        kept = {
            "positions": positions,
            "sign": sign,
            "cpu_seconds": round(time.process_time() - started),
            "table": done.table.to_dicts(),
            "controls": done.controls.to_dicts(),
            "topics": done.topics.to_dicts(),
            "features": done.features.to_dicts(),
            "metrics": done.metrics,
            "notes": list(done.notes),
        }
        done.write_texts(args.work / f"{name_of(sae)}.{variant}.texts.jsonl", overwrite=True)
        write_atomic(path, (json.dumps(kept, ensure_ascii=False, default=str) + "\n").encode())
    return dict(json.loads(path.read_text("utf-8")))


def named(args: argparse.Namespace, sae: str, variant: str) -> list[int]:
    """Return the features that an earlier run took out, from its results."""
    earlier = json.loads(args.output.read_text("utf-8"))[args.named]
    own = earlier["saes"][name_of(sae)][f"ablation, {variant}"]
    return [row["feature"] for row in own["features"]]


def prompts_file(args: argparse.Namespace) -> Path:
    """Write the prompts of the arms as a file and return its path: the topics that chose are known by it."""
    path: Path = args.work / "prompts.jsonl"
    topics = halves(args.topics)[1] if args.named else args.topics  # chosen on the others by an earlier run
    rows = [row for row in prompts(topics, example=args.example) if row["template"] in args.templates]
    write_atomic(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode())
    return path


def name_of(sae: str) -> str:
    """Return a short name of an SAE for files and tables.

    >>> name_of("gemma-scope-2b-pt-res-canonical/layer_0/width_16k/canonical")
    'gemma-scope-2b-pt-res-canonical_layer_0_width_16k_canonical'
    """
    place = Path(sae)
    return place.name if place.is_dir() else sae.replace("/", "_")


# ---- all of it ------------------------------------------------------------------------------------------


def report(args: argparse.Namespace) -> None:
    """Print the tables and write the results of all that is there."""
    rows = [] if args.named else behaviour(args)
    result: dict[str, Any] = {
        **environment(),
        "model": args.model,
        "metric": args.metric,
        "asked": asked(args),
    }
    result["behaviour"] = {}
    for example in (True, False):
        for template in (None, "short", "long", "plain"):
            some = [row for row in rows if row["example"] == example and template in (None, row["template"])]
            if some:
                result["behaviour"][f"{'example' if example else 'alone'}, {template or 'all'}"] = described(
                    some
                )
    result["saes"] = {}
    for sae in args.sae:
        own: dict[str, Any] = {"hook": None}
        if not args.named and (args.work / f"{name_of(sae)}.attribution.json").exists():
            found = attribute(args, sae)
            own = {"hook": found.params["subject"]["hook"], "features": found.params["subject"]["d_sae"]}
            own["attribution"] = attributed(found)
            own["expression"] = matrix(args, sae, found)
            own["strongest"] = found.table.head(10).to_dicts()
        card = Path(sae) / "card.json"
        if card.is_file():
            own["card"] = json.loads(card.read_text("utf-8"))
        for variant in VARIANTS:
            if (args.work / f"{name_of(sae)}.{variant}.ablation.json").exists():
                done = ablate(args, sae, variant)
                done["topics"] = [row for row in done["topics"] if row["metric"] == "items"]
                own[f"ablation, {variant}"] = done
        result["saes"][name_of(sae)] = own
    save(args.output, args.section, rounded(result))
    tables(result)


def rounded(value: Any) -> Any:
    """Return plain data with its numbers to four digits.

    >>> rounded({"a": [0.123456, 2, None]})
    {'a': [0.1235, 2, None]}
    """
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, Mapping):
        return {name: rounded(one) for name, one in value.items()}
    return [rounded(one) for one in value] if isinstance(value, list | tuple) else value


def asked(args: argparse.Namespace) -> dict[str, Any]:
    """Return what was asked for, without places."""
    names = (
        "samples",
        "tokens",
        "arm_samples",
        "arm_tokens",
        "templates",
        "controls",
        "temperature",
        "seed",
        "mode",
        "example",
        "quick",
        "named",
    )
    choose, test = halves(args.topics)
    return {**{name: getattr(args, name) for name in names}, "chosen_on": choose, "tested_on": test}


def tables(result: Mapping[str, Any]) -> None:
    """Print what was found."""
    head = ("prompts", "texts", "lists", "items", "variance", "ended", "tokens", "diversity")
    say(
        "by itself",
        [head, *([name, *(own[k] for k in head[1:])] for name, own in result["behaviour"].items())],
    )
    head = (
        "SAE",
        "arm",
        "variant",
        "metric",
        "base",
        "mean",
        "change",
        "low",
        "high",
        "p",
        "control_p",
        "variance_change",
        "variance_p",
    )
    lines: list[list[Any]] = [list(head)]
    for name, own in result["saes"].items():
        for variant in VARIANTS:
            done = own.get(f"ablation, {variant}")
            for row in [*done["table"], *done["controls"]] if done else []:
                lines.append(
                    [name, row["arm"][:40], variant, *("" if row[k] is None else row[k] for k in head[3:])]
                )
    say("taken out", lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="smollm2")
    parser.add_argument(
        "--sae", nargs="+", default=["smollm2"], help="readers, RELEASE/SAE_ID or directories"
    )
    parser.add_argument("--metric", default=METRIC)
    parser.add_argument(
        "--no-example", dest="example", action="store_false", help="no turn that shows the form"
    )
    parser.add_argument("--samples", type=int, default=5)
    parser.add_argument("--tokens", type=int, default=80, help="of the texts that are not edited")
    parser.add_argument("--temperature", type=float, default=0.8)
    parser.add_argument("--features", type=int, default=5, help="how many are taken out together")
    parser.add_argument("--arm-samples", type=int, default=3)
    parser.add_argument("--arm-tokens", type=int, default=60)
    parser.add_argument("--mode", default="zero")
    parser.add_argument(
        "--templates", nargs="+", default=list(TEMPLATES), choices=list(TEMPLATES), help="of the arms"
    )
    parser.add_argument("--controls", type=int, default=19, help="sets of matched features for each arm")
    parser.add_argument("--variants", nargs="+", default=["all"], choices=list(VARIANTS))
    parser.add_argument(
        "--no-rivals", dest="rivals", action="store_false", help="neither forbid the end nor take means"
    )
    parser.add_argument("--named", metavar="SECTION", help="results whose features are taken out once more")
    parser.add_argument("--top", type=int, default=20)
    parser.add_argument("--checks", type=int, default=40)
    parser.add_argument("--batch", type=int, default=48)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument(
        "--quick", action="store_true", help="4 topics, 2 samples, 24 tokens: whether it runs"
    )
    parser.add_argument("--only", nargs="+", choices=STEPS, default=STEPS)
    parser.add_argument("--work", type=Path, default=Path("build/lists"))
    parser.add_argument("--output", type=Path, default=RESULTS / "lists.json")
    parser.add_argument("--section", default="lists", help="name of this run in the results")
    args = parser.parse_args()
    args.topics = TOPICS
    if args.quick:
        args.topics, args.samples, args.tokens = TOPICS[:4], 2, 24
        args.arm_samples, args.arm_tokens, args.controls, args.checks, args.top = 2, 24, 1, 5, 5
        args.work = args.work / "quick"
    if args.named:
        args.only = [step for step in args.only if step in ("ablate", "report")]
    args.work.mkdir(parents=True, exist_ok=True)
    if "behaviour" in args.only:
        behaviour(args)
    for sae in args.sae:
        if "attribute" in args.only:
            attribute(args, sae)
        for variant in args.variants if "ablate" in args.only else ():
            ablate(args, sae, variant)
    if "report" in args.only:
        report(args)


if __name__ == "__main__":
    main()
