"""Verdicts on a corpus and on everything that was derived from it: each file read through and named.

Not for: mending; what is damaged is built again where it is used, or says there what to do.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator

from saetext.analysis.clusters.model import SUFFIX, check_clusters
from saetext.analysis.search.dense import dense_part
from saetext.analysis.search.indexing import scales_part
from saetext.analysis.search.kept import Kept
from saetext.analysis.search.projected import projected_part
from saetext.analysis.search.words import words_part
from saetext.corpus import Corpus
from saetext.corpus.postings import postings_in
from saetext.errors import SaetextError, SaetextWarning
from saetext.features.known_labels import cached_labels_path, corpus_labels_path, labels_for
from saetext.features.label_index import LabelIndex
from saetext.features.labels import FeatureLabels
from saetext.features.labels_note import are_gone, check_note
from saetext.io.derived import Derived, Verdict


def verdicts(corpus: Corpus) -> list[Verdict]:
    """Return a verdict for each file of a corpus and each file derived from it that is there.

    Those of the corpus; its index; its labels and those kept for its reader, with their index; and the
    directories of clusters beside it (``x.clusters``, ``x-2.clusters``, ...). Every file is read through.

    Parameters
    ----------
    corpus : Corpus
        Of a view, the whole corpus is looked at.

    Returns
    -------
    list of Verdict
        In this order; what has not been derived is left out.
    """
    whole = corpus.whole
    found = [*whole.verdicts(), *_index(whole), *_labels(whole), *_clusters(whole)]
    absent = {whole.path / "index", *(part.folder for part in _parts(whole))}
    return [verdict for verdict in found if verdict.state != "missing" or verdict.path not in absent]


def _parts(whole: Corpus) -> list[Derived]:
    home = whole.path / "index"
    of_saes = [
        part
        for sae in whole.saes
        for part in (
            postings_in(home / sae, whole, sae),
            scales_part(whole, sae),
            projected_part(whole, sae),
        )
    ]
    return [*of_saes, words_part(whole), dense_part(whole)]


def _index(whole: Corpus) -> Iterator[Verdict]:
    for part in _parts(whole):
        yield from part.verdicts(again=True)
    for entry in whole.manifest.shards:
        if entry.rows and (kept := Kept.of(whole.path, entry.files, entry.rows)).path.exists():
            yield kept.check()


def _labels(whole: Corpus) -> Iterator[Verdict]:
    for sae in whole.spec.saes:
        own = corpus_labels_path(whole.path, whole.spec, sae.name)
        if are_gone(own):
            yield Verdict(own, "missing", "restore it, or make it again with 'saetext label'")
        if (note := check_note(own)).state != "missing":
            yield note
        paths = [own, cached_labels_path(sae)]
        for path in filter(lambda path: path.exists(), paths):
            try:
                labels, sealed = FeatureLabels.checked(path)
                labels.require_for(sae, str(path))
            except SaetextError as error:
                yield Verdict(path, "damaged", _reason(error, path))
            else:
                yield Verdict(path, "intact") if sealed else Verdict(path, "unchecked", "it has no checksum")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", SaetextWarning)  # of labels that are gone: named above
                index = LabelIndex(labels_for(whole, sae.name), lexical=False)
        except SaetextError:  # named above
            continue
        if index.cached_at.exists():
            yield index.check()


def _reason(error: SaetextError, path: object) -> str:
    told = str(error).removeprefix(f"{path} ").removeprefix("is damaged (")
    return told.partition("): restore")[0]


def _clusters(whole: Corpus) -> Iterator[Verdict]:
    stem = whole.path.resolve().name.removesuffix(".corpus")
    for folder in sorted(whole.path.resolve().parent.iterdir()):
        name, numbered = folder.name.removesuffix(SUFFIX), folder.name.endswith(SUFFIX)
        number = name.removeprefix(f"{stem}-")
        if numbered and folder.is_dir() and (name == stem or number.isdecimal()):
            yield from check_clusters(folder, whole.fingerprint)
