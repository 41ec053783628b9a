"""How fast texts are written with features taken out, beside bare generation: 5 features of 65,536.

    python benchmarks/ablate.py --model smollm2 [--threads 1]

The SAE is random, as wide as asked for, at the middle layer; its features are active at most tokens, so
that every token is edited. Texts all have the same number of tokens. Both are measured in turn, after each
ran once for its memory: what the process held at most, with the model and the SAE in it. Without ``--model``
a small random model is made. Not for: what is written.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from common import RESULTS, TINY, environment, interleaved, make_model, ratios, save, say
from encode import peak_memory
from generate import SETTINGS, questions

FEATURES = (3, 4_000, 20_000, 40_000, 65_000)


def random_sae(width: int, features: int, hook: str) -> Any:
    """A ReLU SAE of random directions."""
    import torch

    from saetext.reader.parts import LoadedSae
    from saetext.reader.sae import SparseEncoder
    from saetext.reader.sae_config import parse_config

    draw = torch.Generator().manual_seed(0)
    tensors = {
        "W_enc": torch.randn(width, features, generator=draw) / width**0.5,
        "b_enc": torch.full((features,), 1.0),
        "b_dec": torch.zeros(width),
    }
    directions = torch.randn(features, width, generator=draw) * 1e-4  # the texts stay what they are
    config = {
        "architecture": "standard", "d_in": width, "d_sae": features, "dtype": "float32", "device": "cpu",
        "apply_b_dec_to_input": True, "normalize_activations": "none", "reshape_activations": "none",
        "metadata": {"hook_name": hook, "model_name": "any", "prepend_bos": False},
    }  # fmt: skip
    encoder = SparseEncoder(
        parse_config(config, "random"), tensors, weights_sha256="random", load_decoder=lambda: directions
    )
    return LoadedSae("random", "random", encoder, None)


def measure(model: Any, sae: Any, features: list[int], batch: int, new: int, repeats: int) -> dict[str, Any]:
    """Write ``batch`` texts of ``new`` tokens bare and ablated, in turn."""
    from saetext.intervene.edit import Change, FeatureEdit
    from saetext.intervene.positions import positions_of

    raw = not model.tokenizer.chat_template
    prompts = [model.encode_prompt(text, raw=raw) for text in questions(batch)]
    where = positions_of("all", prompts)

    def write(edits: dict[str, Any]) -> None:
        texts = model.generate(prompts, batch=batch, max_new_tokens=new, edits=edits, **SETTINGS)
        if sum(len(text.ids) for text in texts) != batch * new:
            raise SystemExit("not the same work: a text is shorter than the others")

    def ablated() -> None:
        changes = [Change(feature, "scale", 0.0) for feature in features]
        write({sae.encoder.hook: FeatureEdit(changes, where, sae)})

    held = peak_memory()
    write({})
    bare = peak_memory()
    ablated()
    memory = {"loaded_mb": held // 10**6, "bare_mb": bare // 10**6, "ablated_mb": peak_memory() // 10**6}
    times = interleaved({"bare": lambda: write({}), "ablated": ablated}, repeats)
    return {
        "memory": memory,
        **{name: timing.summary(batch * new) for name, timing in times.items()},
        "speed": ratios(times["bare"].wall, times["ablated"].wall),
        "speed_cpu": ratios(times["bare"].cpu, times["ablated"].cpu),
    }


def run(model: Path | str, options: argparse.Namespace) -> None:
    import torch

    from saetext.intervene.generator import load_causal

    torch.set_num_threads(options.threads)
    loaded = load_causal(model, dtype="float32", device="cpu")
    loaded.eos_ids = frozenset()
    hook = f"blocks.{loaded.n_layers // 2}.hook_resid_post"
    sae = random_sae(loaded.width(hook), options.features, hook)
    features = [feature for feature in FEATURES if feature < options.features]
    rows: list[list[object]] = [
        ["batch", "bare, tokens/CPU s", "ablated", "speed (wall)", "speed (CPU)", "peak MB: bare", "ablated"]
    ]
    found = {}
    for batch in options.batches:
        one = measure(loaded, sae, features, batch, options.tokens, options.repeats)
        found[f"batch {batch}"] = one
        speeds = [one[name]["tokens_per_cpu_second"] for name in ("bare", "ablated")]
        ratio = [one[name]["median"] for name in ("speed", "speed_cpu")]
        rows.append([batch, *speeds, *ratio, one["memory"]["bare_mb"], one["memory"]["ablated_mb"]])
        print(*rows[-1], flush=True)
    settings = {**SETTINGS, "new_tokens": options.tokens, "repeats": options.repeats, "model": loaded.name,
                "d_sae": options.features, "ablated": features}  # fmt: skip
    result = {"environment": environment(), "settings": settings, "measured": found}
    save(options.output, options.section, result)
    say(f"Texts with {len(features)} of {options.features:,} features taken out, beside bare ones", rows)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", help="a directory or an id; by default a small random model")
    parser.add_argument("--section", default="random", help="name of the section in the results")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--features", type=int, default=65_536, help="width of the SAE")
    parser.add_argument("--tokens", type=int, default=32, help="tokens of each text")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--batches", type=int, nargs="+", default=[8, 32])
    parser.add_argument("-o", "--output", type=Path, default=RESULTS / "ablate.json")
    options = parser.parse_args(arguments)
    if options.model is not None:
        run(options.model, options)
        return
    with tempfile.TemporaryDirectory() as work:
        run(make_model(Path(work) / "model", TINY), options)


if __name__ == "__main__":
    main()
