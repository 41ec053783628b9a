"""Tokenise documents, cut them into windows, and say which tokens count and which characters each covers.

Counted tokens are the text's own: special tokens, chat-template tokens and context (the prompt, the turns of
other roles) are read by the model but never pooled. They are found from offsets and token ids, not from fixed
positions. Not for: running a model.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saetext.documents import Document
from saetext.errors import ReaderError
from saetext.reader.chats import Unreadable, render_chat
from saetext.reader.long_texts import shortened
from saetext.reader.written import encode_rendered, encode_texts, special_names

# Raised whenever a rule below changes what is counted: corpora of different versions are not comparable.
MASKS_VERSION = "1"

# Longer contexts are never needed to pool features, and attention grows with the square of the window.
LONGEST_DEFAULT_WINDOW = 2048

TURN_SEPARATOR = "\n\n"


@dataclass(frozen=True)
class Prepared:
    """A document as the reader sees it.

    Attributes
    ----------
    text : str
        The counted text, exactly: for a chat, the joined turns of the counted roles.
    ids : int32[n_body]
        Token ids without the special tokens around each window; context included.
    counted : bool[n_body]
        Which of them are pooled.
    start, end : int32[n_counted]
        Code points of ``text`` that each counted token covers.
    n_unknown : int
        Counted tokens that the tokenizer does not know.
    """

    text: str
    ids: NDArray[np.int32]
    counted: NDArray[np.bool_]
    start: NDArray[np.int32]
    end: NDArray[np.int32]
    n_unknown: int

    @property
    def n_tokens(self) -> int:
        """Number of counted tokens."""
        return len(self.start)


@dataclass(frozen=True)
class Window:
    """Body tokens ``start:stop`` of one document, of which ``own_start:own_stop`` are pooled here."""

    document: int
    start: int
    stop: int
    own_start: int
    own_stop: int


class Tokens:
    """Tokenisation and counting rules of one reader.

    Parameters
    ----------
    tokenizer : transformers fast tokenizer
    max_positions : int or None
        What the model can take; None for no limit.
    context_size : int or None
        What the SAE was trained on; windows are no longer than that.
    prepend_bos : bool
        For causal models: put BOS in front of every window.
    bidirectional : bool
        Whether tokens see what comes after them: :attr:`LanguageModel.bidirectional`.
    seqpos_slice : sequence or None
        Positions of the window the SAE was trained on, as in sae-lens; tokens before them are context, also
        at the start of a document.
    uncounted_ids : sequence of int
        Further token ids that are context wherever they stand (left out when the SAE was trained).
    """

    def __init__(
        self,
        tokenizer: Any,
        *,
        max_positions: int | None,
        context_size: int | None = None,
        prepend_bos: bool = True,
        bidirectional: bool = False,
        seqpos_slice: Sequence[int | None] | None = None,
        uncounted_ids: Sequence[int] = (),
    ) -> None:
        if not getattr(tokenizer, "is_fast", False):
            raise ReaderError(
                "this model has no fast tokenizer, which is needed to know what each token covers"
            )
        self.tokenizer = tokenizer
        self._backend = tokenizer.backend_tokenizer
        self._backend.no_truncation()
        self._backend.no_padding()
        self.bidirectional = bidirectional
        self.unknown_id: int | None = tokenizer.unk_token_id
        special = set(tokenizer.all_special_ids)
        special.update(i for i, t in tokenizer.added_tokens_decoder.items() if t.special)
        # GPT-2 uses one token for BOS, EOS and "unknown"; only a true unknown stands for text
        boundary = {tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id}
        # byte-level BPE makes none: there it comes from its own name in a text (SmolLM2's <|endoftext|>)
        makes_unknown = getattr(self._backend.model, "unk_token", "") is not None
        if self.unknown_id is not None and self.unknown_id not in boundary and makes_unknown:
            special.discard(self.unknown_id)
        special.update(uncounted_ids)
        self._special_names = special_names(tokenizer)
        self._special = np.array(sorted(i for i in special if i is not None), dtype=np.int64)
        self.prefix_ids, self.suffix_ids = self._affixes(prepend_bos)
        limits = [n for n in (max_positions, context_size) if n]
        self.window = min(limits) if limits else LONGEST_DEFAULT_WINDOW
        if not context_size:
            self.window = min(self.window, LONGEST_DEFAULT_WINDOW)
        self.skip_first = 0
        if seqpos_slice is not None:
            first, stop, _ = slice(*seqpos_slice).indices(self.window)
            self.window = min(self.window, stop)
            self.skip_first = max(0, first - len(self.prefix_ids))
        self.capacity = self.window - len(self.prefix_ids) - len(self.suffix_ids)
        if self.capacity <= self.skip_first:
            raise ReaderError(f"a window of {self.window} tokens leaves no room for text")
        self.overlap = min(max(self.capacity // 8, self.skip_first), self.capacity - 1)

    @property
    def uncounted(self) -> tuple[int, ...]:
        """Ids that never count: special tokens, and those left out when the SAE was trained."""
        return tuple(self._special.tolist())

    @property
    def has_chat_template(self) -> bool:
        """Whether prompts and chats can be given as context."""
        return bool(self.tokenizer.chat_template)

    @property
    def chat_template_sha256(self) -> str:
        """Hash of the chat template, empty when there is none."""
        template = self.tokenizer.chat_template
        return hashlib.sha256(str(template).encode()).hexdigest() if template else ""

    @cached_property  # it sorts the whole vocabulary, and each text that is read asks for it
    def sha256(self) -> str:
        """Hash of what decides the tokens and which count: vocabulary, positions and ids left out."""
        told = {
            "vocabulary": sorted(self.tokenizer.get_vocab().items()),
            "skip_first": self.skip_first,
            "special": self._special.tolist(),
        }
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()

    def _affixes(self, prepend_bos: bool) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the special tokens around a window, from what the tokenizer itself puts around a word."""
        bare = self._backend.encode("a", add_special_tokens=False).ids
        full = self._backend.encode("a", add_special_tokens=True).ids
        at = next((i for i in range(len(full)) if full[i : i + len(bare)] == bare), 0) if bare else 0
        prefix, suffix = tuple(full[:at]), tuple(full[at + len(bare) :])
        if self.bidirectional:
            return prefix, suffix
        bos = self.tokenizer.bos_token_id
        if not prepend_bos or bos is None:
            return (), ()
        return (bos,), ()

    def prepare(self, documents: Sequence[Document], role: str = "assistant") -> list[Prepared | Unreadable]:
        """Tokenise documents; ``role`` says whose turns of a chat count (``all`` for everyone's)."""
        documents = shortened(documents)
        results: list[Prepared | Unreadable | None] = [None] * len(documents)
        plain: list[int] = []
        for i, document in enumerate(documents):
            if document.messages is not None:
                turns = [(m.role, m.content, role in ("all", m.role)) for m in document.messages]
                results[i] = self._chat(turns)
            elif document.prompt is not None and self.has_chat_template:
                results[i] = self._chat(
                    [("user", document.prompt, False), ("assistant", document.text, True)]
                )
            else:
                plain.append(i)
        encodings = encode_texts(self._backend, self._special_names, [documents[i].text for i in plain])
        for i, encoding in zip(plain, encodings, strict=True):
            ids = np.array(encoding.ids, np.int32)
            offsets = np.array(encoding.offsets, np.int32).reshape(-1, 2)
            results[i] = self._counted(documents[i].text, ids, offsets, ~np.isin(ids, self._special))
        return [r if r is not None else Unreadable("no tokens", "") for r in results]

    def _counted(
        self, text: str, ids: NDArray[np.int32], spans: NDArray[np.int32], counted: NDArray[np.bool_]
    ) -> Prepared | Unreadable:
        counted[: self.skip_first] = False
        if not counted.any():
            return Unreadable("no tokens", "the tokenizer makes no token of this text that counts")
        kept = spans[counted]
        unknown = int(np.count_nonzero(ids[counted] == self.unknown_id)) if self.unknown_id is not None else 0
        return Prepared(text, ids, counted, kept[:, 0].copy(), kept[:, 1].copy(), unknown)

    def _chat(self, turns: Sequence[tuple[str, str, bool]]) -> Prepared | Unreadable:
        counted_turns = [content for _, content, counts in turns if counts and content.strip()]
        if not counted_turns:
            return Unreadable("no counted turn", "no turn with text has the counted role")
        if not self.has_chat_template:
            text = TURN_SEPARATOR.join(counted_turns)
            (encoding,) = encode_texts(self._backend, self._special_names, [text])
            ids = np.array(encoding.ids, np.int32)
            offsets = np.array(encoding.offsets, np.int32).reshape(-1, 2)
            return self._counted(text, ids, offsets, ~np.isin(ids, self._special))
        rendered = render_chat(self.tokenizer, [(role, content) for role, content, _ in turns])
        if isinstance(rendered, Unreadable):
            return rendered
        text, places = rendered
        spans = [
            place
            for place, (_, _, counts) in zip(places, turns, strict=True)
            if counts and place[1] > place[0]
        ]
        return self._from_rendered(text, spans, places)

    def _from_rendered(
        self, rendered: str, spans: Sequence[tuple[int, int]], places: Sequence[tuple[int, int]]
    ) -> Prepared | Unreadable:
        ids, offsets = encode_rendered(self._backend, self._special_names, rendered, places)
        if self.prefix_ids and len(ids) and ids[0] == self.prefix_ids[0]:
            ids, offsets = ids[1:], offsets[1:]  # the template wrote the BOS that every window gets anyway
        pieces: list[str] = []
        counted = np.zeros(len(ids), bool)
        mapped = np.zeros_like(offsets)
        length = 0
        ordinary = ~np.isin(ids, self._special)
        for begin, end in spans:
            if pieces:
                length += len(TURN_SEPARATOR)
            inside = ordinary & (offsets[:, 0] < end) & (offsets[:, 1] > begin)
            mapped[inside] = np.clip(offsets[inside], begin, end) - begin + length
            counted |= inside
            pieces.append(rendered[begin:end])
            length += end - begin
        return self._counted(TURN_SEPARATOR.join(pieces), ids, mapped, counted)

    def windows(self, document: int, prepared: Prepared) -> list[Window]:
        """Cut a document into windows such that every counted token is owned by exactly one.

        Neighbouring windows share ``overlap`` tokens. A causal model sees only what came before, so the
        earlier window owns the shared tokens; a bidirectional one splits them in the middle. Windows without
        counted tokens are left out.
        """
        n = len(prepared.ids)
        if n <= self.capacity:
            starts = [0]
        else:
            stride = self.capacity - self.overlap
            starts = [*range(0, n - self.capacity, stride), n - self.capacity]
        stops = [min(n, s + self.capacity) for s in starts]
        bounds = [0]
        for this_stop, next_start in zip(stops[:-1], starts[1:], strict=True):
            middle = (next_start + this_stop) // 2 if self.bidirectional else this_stop
            bounds.append(max(middle, next_start + self.skip_first))
        bounds.append(n)
        windows = [
            Window(document, start, stop, own_start, own_stop)
            for start, stop, own_start, own_stop in zip(starts, stops, bounds[:-1], bounds[1:], strict=True)
        ]
        return [w for w in windows if prepared.counted[w.own_start : w.own_stop].any()]
