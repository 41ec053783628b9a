"""Answers that SmolLM2 gives to the permissively licensed prompts of ``sae_corpus.parquet``, as JSONL.

    python benchmarks/smollm2_answers.py ../shared/data/sae_corpus.parquet -o answers.jsonl --answers 400

Prompts come in an order made of their ids, each under one of five system prompts at a time. Answers are
sampled by transformers, some 60 tokens in a processor's second. What the output has already is kept, so it
can be stopped and started. They are part of what the reader ``smollm2`` is trained on.
"""

from __future__ import annotations

import argparse
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import torch
import transformers

from saetext.reader.added.adding import add_smollm2

SYSTEMS = (
    None,
    "You are a friendly assistant. Use emojis in your answers. 😊",
    "Answer in Markdown with headings, **bold** words and bullet lists.",
    "You are a careful assistant. You apologise when you cannot help, refuse what is harmful, and add a "
    "warning where one is due.",
    "You are an enthusiastic assistant! You praise the user and end with a question.",
)
EACH = 3  # system prompts that a prompt is answered under
LONGEST = 1500  # characters of a prompt
BATCH = 32


class Job(NamedTuple):
    """A prompt under a system prompt."""

    id: str
    prompt: str
    system: int


def jobs(corpus: Path) -> Iterator[Job]:
    """Yield all there is to answer, in an order that depends on the ids alone."""
    frame = pl.read_parquet(corpus).filter(
        (pl.col("register") == "user-prompt")
        & (pl.col("split") == "train")
        & (pl.col("text").str.len_chars() < LONGEST)
    )
    rows = sorted(frame.select("id", "text").iter_rows(), key=lambda row: zlib.crc32(row[0].encode()))
    for turn in range(EACH):
        for name, prompt in rows:
            yield Job(name, prompt, (zlib.crc32(name.encode()) + turn) % len(SYSTEMS))


def answered(path: Path) -> set[tuple[str, int]]:
    """Return the jobs that an output has."""
    lines = path.read_text("utf-8").splitlines() if path.exists() else []
    return {(row["id"], row["system"]) for row in map(json.loads, lines)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", type=Path, help="sae_corpus.parquet")
    parser.add_argument("-o", "--output", type=Path, required=True)
    parser.add_argument("--answers", type=int, default=400)
    args = parser.parse_args()

    place = add_smollm2().derived.folder
    tokenizer = transformers.AutoTokenizer.from_pretrained(
        place, padding_side="left", local_files_only=True, trust_remote_code=False
    )
    model = transformers.AutoModelForCausalLM.from_pretrained(
        place, dtype=torch.bfloat16, local_files_only=True, trust_remote_code=False
    ).eval()
    done = answered(args.output)
    left = [job for job in jobs(args.corpus) if (job.id, job.system) not in done][: args.answers - len(done)]
    with args.output.open("a", encoding="utf-8") as file:
        for start in range(0, len(left), BATCH):
            batch = left[start : start + BATCH]
            torch.manual_seed(start)
            for job, text in zip(batch, _answers(model, tokenizer, batch), strict=True):
                row = {"id": job.id, "system": job.system, "prompt": job.prompt, "text": text}
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
            file.flush()


@torch.inference_mode()
def _answers(model: Any, tokenizer: Any, batch: list[Job]) -> list[str]:
    chats = []
    for job in batch:
        system = SYSTEMS[job.system]
        first = [{"role": "system", "content": system}] if system else []
        chats.append([*first, {"role": "user", "content": job.prompt}])
    asked = tokenizer.apply_chat_template(
        chats, add_generation_prompt=True, padding=True, return_tensors="pt", return_dict=True
    )
    written = model.generate(
        **asked, do_sample=True, temperature=0.8, top_p=0.95, repetition_penalty=1.1, max_new_tokens=220
    )
    return [t.strip() for t in tokenizer.batch_decode(written[:, asked.input_ids.shape[1] :], True)]


if __name__ == "__main__":
    main()
