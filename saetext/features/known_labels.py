"""Which labels a corpus's features have: the file asked for, the corpus's own, the reader's, or its words.

Not for: making labels (:mod:`saetext.features.labelling`).
"""

from __future__ import annotations

import os
from pathlib import Path

from saetext.corpus.calibration import Calibration
from saetext.corpus.protocol import CorpusLike
from saetext.corpus.spec import ReaderSpec, SaeSpec
from saetext.errors import LabelError
from saetext.features.labels import FeatureLabels
from saetext.features.labels_note import are_gone, told_of_loss
from saetext.io.cache import cache_dir, file_sha256
from saetext.io.warning import warn
from saetext.reader import shipped


def labels_for(
    corpus: CorpusLike, sae: str | None = None, file: str | os.PathLike[str] | None = None
) -> FeatureLabels:
    """Return the labels to show for a corpus's features.

    The first there is of: ``file``; the corpus's own table; those that came with the reader or that
    ``saetext label`` made for it earlier; its calibration's top words. A feature that such a table leaves out
    is named by the calibration's words.

    Raises
    ------
    LabelError
        If ``file`` cannot be read.
    IncompatibleError
        If ``file`` is of another reader's features, or there are several SAEs and none was named.

    Warns
    -----
    SaetextWarning
        If the corpus had a table of its own, and it is gone.
    """
    spec = corpus.spec.sae(sae)
    own = corpus_labels_path(corpus.path, corpus.spec, sae)
    if file is None and own.is_file():
        file = own
    if file is None and are_gone(own):
        warn(told_of_loss(own))
    return reader_labels(spec, corpus.calibration(spec.name), file)


def reader_labels(
    sae: SaeSpec, calibration: Calibration | None, file: str | os.PathLike[str] | None = None
) -> FeatureLabels:
    """Return the labels to show for a reader's SAE; ``calibration`` None where it has not been calibrated."""
    words = (
        FeatureLabels.from_calibration(calibration, sae)
        if calibration is not None
        else FeatureLabels.from_rows([])
    )
    if file is not None:
        found = FeatureLabels.read(file)
        found.require_for(sae, str(file))
        return words.updated(found, found.about)
    own = shipped.of_sae(sae.weights_sha256)
    if own is not None and (published := shipped_labels(own)) is not None:
        return words.updated(published, published.about)
    if (cached := cached_labels_path(sae)).is_file():
        found = FeatureLabels.read(cached)
        return words.updated(found, found.about)
    return words


def shipped_labels(reader: shipped.Shipped = shipped.EMBEDDED) -> FeatureLabels | None:
    """Return the labels that come with a reader; None in a source tree that has none yet.

    Raises
    ------
    LabelError
        If they are not those that were published.
    """
    path = reader.labels_path
    if not path.is_file():
        return None
    if file_sha256(path) != reader.labels_sha256:
        raise LabelError(f"{path} is damaged: reinstall saetext")
    return FeatureLabels.read(path)


def corpus_labels_path(path: Path, spec: ReaderSpec, sae: str | None = None) -> Path:
    """Return where a corpus's own labels lie: ``labels.parquet``, with the SAE's name if it has several."""
    name = spec.sae(sae).name
    return path / ("labels.parquet" if len(spec.saes) == 1 else f"labels.{name}.parquet")


def cached_labels_path(sae: SaeSpec) -> Path:
    """Return where labels of an SAE are kept for all its corpora."""
    return cache_dir() / "labels" / f"{sae.weights_sha256[:24]}.parquet"
