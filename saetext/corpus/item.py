"""CorpusDocument: one document of a corpus, as ``corpus[i]`` and iteration give it.

Not for: the arrays an analysis reads (:meth:`saetext.corpus.Corpus.document`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from saetext.io.provided import provided
from saetext.text.one_line import about, quoted

if TYPE_CHECKING:
    import polars as pl

    from saetext.corpus.corpus import Corpus


@dataclass(frozen=True, repr=False)
class CorpusDocument:
    """A document of a corpus.

    Attributes
    ----------
    id : str
        Its id.
    row : int
        Its place in the corpus or view it was taken from, from 0.
    text, prompt : str or None
        None where the corpus does not store them, or there is no prompt.
    n_tokens : int
        Counted tokens.
    metadata : mapping
        The user's columns, under their own names.
    """

    id: str
    row: int
    text: str | None
    prompt: str | None
    n_tokens: int
    metadata: Mapping[str, Any] = field(hash=False)
    _corpus: Corpus = field(compare=False)

    @property
    def features(self) -> pl.DataFrame:
        """Its features with their labels, the most telling first.

        Columns ``sae``, ``feature``, ``label``, ``label_score``, ``value`` (the strongest activation),
        ``tokens`` (how many are above the threshold) and ``word`` (where it is strongest; null without text).
        """
        found: pl.DataFrame = provided("features_of_document")(self._corpus, self.row)
        return found

    def __repr__(self) -> str:
        text = "text not stored" if self.text is None else quoted(self.text, 80)
        return about(self, f"{quoted(self.id, 40)}, {self.n_tokens:,} tokens, {text}")
