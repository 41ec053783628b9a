"""How fast texts are written, beside transformers' own generate with the same settings.

    python benchmarks/generate.py --model DIRECTORY-OR-ID [--threads 1]

Prompts of mixed lengths from the example, sampled at temperature .8 with top-p .95; every text has the same
number of tokens, so that both do the same work. Batches of 1, 8 and 64, bfloat16 and float32, measured in
turn; tokens per second on the wall and per CPU second. Without ``--model`` a small random model is made. Not
for: what is written.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

from common import EXAMPLES, RESULTS, TINY, environment, interleaved, make_model, ratios, save, say

SETTINGS: dict[str, Any] = {"temperature": 0.8, "top_p": 0.95}


def questions(n: int) -> list[str]:
    """``n`` prompts of the example, of various lengths; some with a sentence more."""
    rows = [json.loads(line) for path in EXAMPLES for line in path.read_text("utf-8").splitlines()]
    asked = list(dict.fromkeys(row["prompt"] for row in rows))
    more = ("", " Keep it short.", " Answer as if to a child of ten, in plain words, with an example.")
    return [asked[i % len(asked)] + more[i // len(asked) % len(more)] for i in range(n)]


def theirs(model: Any, dtype: str) -> Any:
    """The same weights in transformers' own class."""
    import torch
    import transformers

    full = transformers.AutoModelForCausalLM.from_pretrained(
        model.path, dtype=getattr(torch, dtype), local_files_only=True, trust_remote_code=False
    ).eval()
    full.generation_config.eos_token_id = None  # texts of one length
    full.generation_config.pad_token_id = 0
    return full


def measure(model: Any, full: Any, batch: int, new: int, repeats: int) -> dict[str, Any]:
    """Write ``batch`` texts of ``new`` tokens with both, in turn."""
    import torch

    raw = not model.tokenizer.chat_template
    prompts = [model.encode_prompt(text, raw=raw) for text in questions(batch)]
    longest = max(map(len, prompts))
    ids = torch.zeros(batch, longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, longest - len(prompt) :] = torch.from_numpy(prompt.ids)
        mask[row, longest - len(prompt) :] = 1
    written: dict[str, int] = {}

    def ours() -> None:
        texts = model.generate(prompts, batch=batch, max_new_tokens=new, **SETTINGS)
        written["saetext"] = sum(len(text.ids) for text in texts)

    def transformers() -> None:
        with torch.inference_mode():
            done = full.generate(
                ids, attention_mask=mask, do_sample=True, max_new_tokens=new, top_k=0, **SETTINGS
            )
        written["transformers"] = (done.shape[1] - longest) * batch

    times = interleaved({"saetext": ours, "transformers": transformers}, repeats)
    tokens = batch * new
    if set(written.values()) != {tokens}:
        raise SystemExit(f"not the same work: {written} tokens, expected {tokens}")
    return {
        **{name: timing.summary(tokens) for name, timing in times.items()},
        "times_faster": ratios(times["transformers"].wall, times["saetext"].wall),
        "times_faster_cpu": ratios(times["transformers"].cpu, times["saetext"].cpu),
        "prompt_tokens": [min(map(len, prompts)), longest],
    }


def run(model: Path | str, options: argparse.Namespace) -> None:
    import torch

    from saetext.reader.causal import CausalModel

    torch.set_num_threads(options.threads)
    rows: list[list[object]] = [["dtype", "batch", "tokens/CPU s", "transformers", "times faster (CPU)"]]
    found: dict[str, Any] = {}
    for dtype in options.dtypes:
        loaded = CausalModel.load(model, dtype=dtype, device="cpu")
        loaded.eos_ids = frozenset()
        full = theirs(loaded, dtype)
        for batch in options.batches:
            one = measure(loaded, full, batch, options.tokens, options.repeats)
            found[f"{dtype}, batch {batch}"] = one
            speeds = [one[name]["tokens_per_cpu_second"] for name in ("saetext", "transformers")]
            rows.append([dtype, batch, *speeds, one["times_faster_cpu"]["median"]])
            print(*rows[-1], flush=True)
    settings = {**SETTINGS, "new_tokens": options.tokens, "repeats": options.repeats, "model": loaded.name}
    result = {"environment": environment(), "settings": settings, "measured": found}
    save(options.output, options.section, result)
    say("Tokens written per CPU second", rows)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", help="a directory or an id; by default a small random model")
    parser.add_argument("--section", default="random", help="name of the section in the results")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--tokens", type=int, default=48, help="tokens of each text")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--batches", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--dtypes", nargs="+", default=["bfloat16", "float32"])
    parser.add_argument("-o", "--output", type=Path, default=RESULTS / "generate.json")
    options = parser.parse_args(arguments)
    if options.model is not None:
        run(options.model, options)
        return
    with tempfile.TemporaryDirectory() as work:
        run(make_model(Path(work) / "model", TINY), options)


if __name__ == "__main__":
    main()
