"""What editing costs: steered beside bare generation, and attribution beside a forward and a backward pass.

    python benchmarks/steer_speed.py [--model smollm2] [--sae DIRECTORY-OR-ID] [--threads 1]

Steered: texts of equal length by the same decode loop, once with a feature of the SAE added at every token
and once without. Attribution: prompts of 64 tokens, beside the same model's forward pass and the backward
pass of the same metric down to the same hook, in plain torch. All are measured in turn in one process, in CPU
seconds too, so that what else the machine does counts little. Not for: what is written, or whether
attributions are right.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from common import RESULTS, environment, interleaved, ratios, save, say, varied_texts
from generate import questions

METRIC = 'logit(" the") - logit(" was")'
LENGTH = 64  # tokens of a prompt that is attributed


def prompts_of(tokenizer: Any, n: int) -> list[str]:
    """``n`` texts that are 64 tokens each."""
    found = []
    for text in varied_texts(4 * n):
        encoding = tokenizer.backend_tokenizer.encode(text, add_special_tokens=False)
        if len(encoding.ids) < LENGTH:
            continue
        cut = text[: encoding.offsets[LENGTH - 1][1]]
        if len(tokenizer.backend_tokenizer.encode(cut, add_special_tokens=False).ids) == LENGTH:
            found.append(cut)
        if len(found) == n:
            return found
    raise SystemExit(f"only {len(found)} texts of {LENGTH} tokens")


def generation(generator: Any, options: argparse.Namespace) -> dict[str, Any]:
    """Write the same number of tokens with an edit and without."""
    from saetext.intervene.edit import Change, FeatureEdit
    from saetext.intervene.positions import positions_of

    model = generator.model
    prompts = [model.encode_prompt(text) for text in questions(options.batch)]
    change = Change(options.feature, "add", options.coefficient)
    edit = FeatureEdit([change], positions_of("all", prompts), generator.sae)
    written: dict[str, list[int]] = {"steered": [], "bare": []}
    eos, model.eos_ids = model.eos_ids, frozenset()  # texts of one length

    def write(name: str, edits: dict[str, Any]) -> None:
        texts = model.generate(
            prompts, batch=options.batch, max_new_tokens=options.tokens, temperature=0.8, edits=edits
        )
        written[name].append(sum(len(text.ids) for text in texts))

    runs = {"bare": lambda: write("bare", {}), "steered": lambda: write("steered", {generator.hook: edit})}
    times = interleaved(runs, options.repeats)
    model.eos_ids = eos
    tokens = options.batch * options.tokens
    if {count for counts in written.values() for count in counts} != {tokens}:
        raise SystemExit(f"not the same work: {written} tokens, expected {tokens}")
    return {
        **{name: timing.summary(tokens) for name, timing in times.items()},
        "steered_over_bare": ratios(times["bare"].wall, times["steered"].wall),
        "steered_over_bare_cpu": ratios(times["bare"].cpu, times["steered"].cpu),
    }


def attribution(generator: Any, options: argparse.Namespace) -> dict[str, Any]:
    """Attribute a metric of prompts of 64 tokens, and differentiate it in plain torch."""
    from saetext.intervene.attribution.gathering import gathered
    from saetext.intervene.attribution.gradients import Attributor
    from saetext.intervene.cases import How, batches, cases_of
    from saetext.intervene.latents import Latents
    from saetext.intervene.metrics import parse_metric
    from saetext.intervene.places import parse_at
    from saetext.intervene.rows import rows_of

    model = generator.model
    texts = prompts_of(model.tokenizer, options.prompts)
    cases = cases_of(model, rows_of(texts), How(parse_at("last"), raw=True))
    bound = parse_metric(METRIC).bound(model.tokenizer)
    attributor = Attributor(model, Latents(model, generator.sae), bound)
    lists = list(batches([len(case) for case in cases], options.batch))
    found: dict[str, float] = {}

    def attribute() -> None:
        parts = [(some, attributor.grad([cases[i] for i in some])) for some in lists]
        found["pairs"] = gathered(cases, parts).n

    run = torch_passes(model, generator.hook, cases, lists)
    times = interleaved({"forward + backward": run, "attribution": attribute}, options.rounds)
    tokens = sum(map(len, cases))
    return {
        **{name: timing.summary(tokens) for name, timing in times.items()},
        "times_forward_backward": ratios(times["attribution"].wall, times["forward + backward"].wall),
        "times_forward_backward_cpu": ratios(times["attribution"].cpu, times["forward + backward"].cpu),
        **found,
    }


def torch_passes(model: Any, hook: str, cases: Any, lists: Any) -> Any:
    """Return what runs the same weights in plain torch: the last token's logits, the gradient at the hook."""
    import torch
    import transformers

    full = transformers.AutoModelForCausalLM.from_pretrained(
        model.path, dtype=getattr(torch, model.dtype), local_files_only=True, trust_remote_code=False
    ).eval()
    full.requires_grad_(False)
    layer = full.model.layers[int(hook.split(".")[1])]
    the, was = (model.tokenizer.encode(f" {word}", add_special_tokens=False)[0] for word in ("the", "was"))
    kept: list[Any] = []

    def keep(_: Any, __: Any, output: Any) -> Any:
        hidden = (output[0] if isinstance(output, tuple) else output).detach().requires_grad_()
        kept.append(hidden)
        return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

    layer.register_forward_hook(keep)

    def run() -> None:
        for some in lists:
            kept.clear()
            ids = torch.stack([torch.from_numpy(cases[i].ids) for i in some])
            last = full(input_ids=ids, use_cache=False, logits_to_keep=1).logits[:, -1].float()
            (last[:, the] - last[:, was]).sum().backward()
            assert kept[0].grad is not None

    return run


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--sae", help="by default the model's own")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--feature", type=int, default=4976)
    parser.add_argument("--coefficient", type=float, default=36.0)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=32, help="tokens of each text")
    parser.add_argument("--prompts", type=int, default=100, help=f"prompts of {LENGTH} tokens to attribute")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=1, help="of the attribution, which takes minutes")
    parser.add_argument("-o", "--output", type=Path, default=RESULTS / "steer_speed.json")
    options = parser.parse_args(arguments)
    import torch

    from saetext.intervene.generator import load_generator

    torch.set_num_threads(options.threads)
    generator = load_generator(options.model, options.sae, dtype="float32", device="cpu")
    if options.feature >= generator.sae.encoder.d_sae:
        raise SystemExit(f"the SAE has {generator.sae.encoder.d_sae} features: name one with --feature")
    one, other = generation(generator, options), attribution(generator, options)
    settings = {
        name: getattr(options, name)
        for name in (
            "model",
            "feature",
            "coefficient",
            "batch",
            "tokens",
            "prompts",
            "repeats",
            "rounds",
            "threads",
        )
    }
    settings |= {"prompt_tokens": LENGTH, "dtype": "float32", "hook": generator.hook, "metric": METRIC}
    result = {"environment": environment(), "settings": settings, "generation": one, "attribution": other}
    save(options.output, Path(options.model).name, result)
    say(
        "CPU seconds",
        [
            ["steered / bare speed", one["steered_over_bare_cpu"]["median"]],
            ["attribution / (forward + backward)", other["times_forward_backward_cpu"]["median"]],
        ],
    )


if __name__ == "__main__":
    main()
