"""A reader's vocabulary: which of its tokens can stand in a text, how each is written, and each as a text.

Not for: tokenising texts (:mod:`saetext.reader.tokenization`), which tokens count there, or running a model.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saetext.errors import ReaderError
from saetext.reader.tokenization import Prepared

if TYPE_CHECKING:
    from saetext.reader.reader import Reader

# "[unused12]" of BERT, "<unused12>" of Gemma, "<|reserved_special_token_12|>" of Llama: never trained
_PLACEHOLDER = re.compile(r"[\[<]\|?(?:unused|reserved)\w*\|?[\]>]")
_SPACE = "\u2581"  # SentencePiece's sign for the space before a word


@dataclass(frozen=True)
class Vocabulary:
    """The tokens that can stand in a text.

    Attributes
    ----------
    ids : int32[n]
        Their ids, increasing.
    special, placeholders : int
        Tokens left out: those that never count, and names without a meaning such as ``[unused12]``.
    """

    ids: NDArray[np.int32]
    special: int
    placeholders: int

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.ids)


def vocabulary_of(reader: Reader) -> Vocabulary:
    """Return the vocabulary of a reader's tokenizer, as far as its model has an embedding for it.

    Raises
    ------
    ReaderError
        If the SAE was trained on later positions only, so that a token alone is not read.
    """
    tokens = reader.tokens
    if tokens.skip_first:
        raise ReaderError(
            f"the SAE of {reader.name!r} was not trained on the first {tokens.skip_first} tokens of a text, "
            "so it reads no token alone: take statistics over texts"
        )
    known = {i for i in tokens.tokenizer.get_vocab().values() if i < reader.model.config.vocab_size}
    ordinary = np.array(sorted(known - set(tokens.uncounted)), np.int32)
    names = tokens.tokenizer.convert_ids_to_tokens(ordinary.tolist())
    real = np.array([_PLACEHOLDER.fullmatch(name) is None for name in names], bool)
    return Vocabulary(ordinary[real], len(known) - len(ordinary), int((~real).sum()))


def alone(ids: Sequence[int] | NDArray[np.integer]) -> list[Prepared]:
    """Return each token as a text of its own, which stands between a window's special tokens."""
    counted, start = np.ones(1, bool), np.zeros(1, np.int32)
    return [Prepared("", np.array([i], np.int32), counted, start, start, 0) for i in ids]


def written(reader: Reader, ids: Sequence[int]) -> list[str]:
    r"""Return how tokens are written: with the space before a word, ``##`` inside one, bytes as ``<0xE2>``.

    A byte-level token that is no whole character, such as a part of an emoji, is shown by its bytes.
    """
    names = reader.tokens.tokenizer.convert_ids_to_tokens(list(ids))
    if _is_byte_level(reader):
        return [_of_bytes(name) for name in names]
    return [name.replace(_SPACE, " ") for name in names]


def _is_byte_level(reader: Reader) -> bool:
    return "ByteLevel" in str(reader.tokens.tokenizer.backend_tokenizer.decoder)


def _letters() -> dict[str, int]:
    """Return the byte that each letter of a byte-level vocabulary stands for.

    Those that print stand for themselves, the others for the letters from U+0100 on, in order (GPT-2).
    """
    prints = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in set(prints)]
    return {chr(byte): byte for byte in prints} | {chr(256 + at): byte for at, byte in enumerate(others)}


_BYTE = _letters()


def _of_bytes(name: str) -> str:
    if not all(letter in _BYTE for letter in name):
        return name  # an added token, which is written as it is
    content = bytes(_BYTE[letter] for letter in name)
    try:
        return content.decode()
    except UnicodeDecodeError:
        return "".join(chr(byte) if byte < 0x80 else f"<0x{byte:02X}>" for byte in content)
