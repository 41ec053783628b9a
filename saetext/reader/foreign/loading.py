"""Loading an SAE from a directory, whoever saved it. Not for: SAEs by release and id, or language models."""

from __future__ import annotations

from pathlib import Path

import saetext.reader.stack  # noqa: F401 - says what is missing

from saetext.errors import ReaderError
from saetext.reader.foreign.dictionary_learning import load_dictionary
from saetext.reader.foreign.kinds import kind_of, saes_below
from saetext.reader.foreign.sparsify import load_sparsify
from saetext.reader.sae import SparseEncoder
from saetext.reader.weights import load_sae_dir


def load_directory(path: Path, *, trust_pickle: bool = False) -> SparseEncoder:
    """Load the SAE in a directory that sae-lens, sparsify or dictionary_learning wrote.

    Raises
    ------
    ReaderError
        If there is none, or it cannot be read; of a directory of several SAEs the message names them.
    """
    path = Path(path)
    kind = kind_of(path)
    if kind == "sparsify":
        return load_sparsify(path)
    if kind == "dictionary_learning":
        return load_dictionary(path, trust_pickle=trust_pickle)
    if kind is None and path.is_dir() and (below := saes_below(path)):
        more = f" and {len(below) - 5} more" if len(below) > 5 else ""
        raise ReaderError(
            f"{path} holds {len(below):,} SAE{'s' if len(below) > 1 else ''}: name one, such as "
            f"{path / below[0]} ({', '.join(below[:5])}{more})"
        )
    return load_sae_dir(path, trust_pickle=trust_pickle)
