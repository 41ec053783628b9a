"""The texts that the SAE of the reader ``smollm2`` is trained on, and how much of each there is.

From ``sae_corpus.parquet`` (public domain and permissive licences), answers that SmolLM2 itself gave to the
permissively licensed prompts in it (``smollm2_answers.py``), and texts of our own (``chat_texts``). Answers
stand in the model's chat template, after their prompts; dialogues become turns of a chat.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from saetext.documents import Document, Message

# characters of each kind at most, so that novels do not drown what users will read
CHARACTERS = {
    "novels": 3_000_000,
    "python_peps": 1_000_000,
    "rust_rfcs": 900_000,
    "movie_reviews": 1_800_000,
    "masc": 1_800_000,
    "inaugural": 350_000,
    "state_union": 450_000,
    "self_dialogue": 2_400_000,
    "gsm8k_train": 1_800_000,
    "arena_hard_outputs": 4_000_000,
    "user_prompts": 1_200_000,
    "answers": 5_000_000,
    "own": 7_000_000,
}
LONGEST_PROMPT = 1200  # characters; a longer one costs passes of text that is not trained on


@dataclass(frozen=True)
class Text:
    """One text with the name of where it comes from."""

    source: str
    document: Document


def training_texts(
    corpus: Path, answers: Path | None, own: Path, split: str, most: Mapping[str, int] | None = None
) -> list[Document]:
    """Return the documents of :func:`texts_of_split`."""
    return [text.document for text in texts_of_split(corpus, answers, own, split, most)]


def texts_of_split(
    corpus: Path, answers: Path | None, own: Path, split: str, most: Mapping[str, int] | None = None
) -> list[Text]:
    """Return the texts of a split, in an order that depends on their text alone.

    ``split`` is ``train`` or ``valid``; of ``answers`` and ``own`` one in fifty is for ``valid``. ``most``
    has the characters of each kind to take instead of ``CHARACTERS``; a kind that it lacks is left out.
    """
    kept: list[Text] = []
    left = dict(CHARACTERS if most is None else most)
    written = [] if answers is None else _of_lines(answers, "answers", split)
    found = [*_of_corpus(corpus, split), *written, *_of_lines(own, "own", split)]
    for text in sorted(found, key=lambda t: _key(t.document)):
        if left.get(text.source, 0) > 0:
            left[text.source] -= _length(text.document)
            kept.append(text)
    return kept


def _of_corpus(path: Path, split: str) -> Iterator[Text]:
    frame = pl.read_parquet(path).filter(pl.col("split") == split)
    prompts = {
        doc.partition(":")[2]: text
        for doc, text in frame.filter(pl.col("register") == "user-prompt").select("doc", "text").iter_rows()
    }
    for row in frame.iter_rows(named=True):
        source, text = row["source"], row["text"]
        prompt = prompts.get(row["doc"].partition(":")[2]) if source == "arena_hard_outputs" else None
        if source == "gsm8k_train":
            prompt, _, text = text.partition("\n")
        if source == "self_dialogue":
            yield Text(source, _chat(row["id"], text))
        else:
            yield Text(source, _document(row["id"], text, prompt))


def _of_lines(path: Path, source: str, split: str) -> Iterator[Text]:
    for i, line in enumerate(path.read_text("utf-8").splitlines()):
        row = json.loads(line)
        document = _document(f"{source}:{i}", row["text"], row["prompt"])
        if row["text"].strip() and (int(_key(document), 16) % 50 == 0) == (split == "valid"):
            yield Text(source, document)


def _document(name: str, text: str, prompt: str | None) -> Document:
    if prompt is not None and len(prompt) > LONGEST_PROMPT:
        prompt = None
    return Document(name, text, prompt or None, None, {}, 0, "")


def _chat(name: str, text: str) -> Document:
    turns = [line for line in text.splitlines() if line.strip()]
    roles = ("user", "assistant")
    messages = tuple(Message(roles[i % 2], turn) for i, turn in enumerate(turns))
    return Document(name, "", None, messages, {}, 0, "")


def _length(document: Document) -> int:
    return len(document.text) + sum(len(m.content) for m in document.messages or ())


def _key(document: Document) -> str:
    turns = [m.content for m in document.messages or ()]
    return hashlib.sha256("\x00".join([document.prompt or "", document.text, *turns]).encode()).hexdigest()
