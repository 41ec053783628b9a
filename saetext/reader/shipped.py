"""The readers that come with the package: an SAE with thresholds, labels and themes, and its language model.

A line a reader. Nothing here needs torch until an SAE is loaded. Not for: loading a whole reader
(:mod:`saetext.reader.loading`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saetext.corpus.calibration import Calibration
from saetext.corpus.spec import SaeSpec
from saetext.io.json_file import load
from saetext.reader import embedded, smollm2

if TYPE_CHECKING:
    from saetext.reader.language_model import LanguageModel
    from saetext.reader.sae import SparseEncoder


@dataclass(frozen=True)
class Shipped:
    """One reader of the package.

    Attributes
    ----------
    name : str
        What users call it.
    home : Path
        Directory of its SAE: weights, ``cfg.json``, ``card.arrow``, ``labels.parquet``, ``themes.json``, and
        perhaps the labels' embeddings (:mod:`saetext.features.label_vectors`).
    model : str
        Its language model, as it stands in lists.
    place : callable
        Returns where the language model is: a directory or a name.
    identity : callable
        Returns name and revision of a loaded language model, as they stand in specs; raises ReaderError where
        it is not the published one.
    source : mapping
        What corpora store to find it again.
    sae_sha256, labels_sha256, themes_sha256 : str
        Of the published files.
    """

    name: str
    home: Path
    model: str
    place: Callable[[], str]
    identity: Callable[[LanguageModel], tuple[str, str]]
    source: Mapping[str, Any]
    sae_sha256: str
    labels_sha256: str
    themes_sha256: str

    def load_sae(self) -> SparseEncoder:
        """Return the SAE (float32)."""
        from saetext.reader.weights import load_sae_dir

        return load_sae_dir(self.home)

    def load_calibration(self) -> Calibration:
        """Return the thresholds, without torch."""
        return Calibration.read(self.home / "card.arrow")

    @property
    def labels_path(self) -> Path:
        """Where its labels lie."""
        return self.home / "labels.parquet"

    @property
    def themes_path(self) -> Path:
        """Where its themes lie."""
        return self.home / "themes.json"

    @property
    def cfg(self) -> dict[str, Any]:
        """The SAE's ``cfg.json``."""
        return dict(load(self.home / "cfg.json"))

    @property
    def sae_spec(self) -> SaeSpec:
        """What identifies its features, without torch."""
        cfg = self.cfg
        return SaeSpec(
            name=self.name,
            origin=self.name,
            architecture=cfg["architecture"],
            hook=cfg["metadata"]["hook_name"],
            d_in=cfg["d_in"],
            d_sae=cfg["d_sae"],
            weights_sha256=self.sae_sha256,
            preprocessing="",
            calibration_sha256="",
            threshold_percentile=None,
            min_tokens=1,
        )


def _embedded_identity(model: LanguageModel) -> tuple[str, str]:
    embedded.check_weights(model.path)
    return embedded.MODEL, f"sha256:{embedded.WEIGHTS_SHA256}"


def _identity(model: LanguageModel) -> tuple[str, str]:
    return model.name, model.revision


EMBEDDED = Shipped(
    embedded.NAME,
    embedded.HOME,
    embedded.MODEL,
    embedded.find_model,
    _embedded_identity,
    {"kind": "embedded"},
    embedded.SAE_SHA256,
    embedded.LABELS_SHA256,
    embedded.THEMES_SHA256,
)
SMOLLM2 = Shipped(
    smollm2.NAME,
    smollm2.HOME,
    smollm2.MODEL,
    lambda: smollm2.NAME,
    _identity,
    {"kind": "shipped", "name": smollm2.NAME},
    smollm2.SAE_SHA256,
    smollm2.LABELS_SHA256,
    smollm2.THEMES_SHA256,
)
READERS = (EMBEDDED, SMOLLM2)
NAMES = ", ".join(repr(reader.name) for reader in READERS)  # as messages list them


def by_name(name: str) -> Shipped | None:
    """Return the reader that users call so, or None."""
    return next((reader for reader in READERS if reader.name == name), None)


def of_source(source: Mapping[str, Any]) -> Shipped | None:
    """Return the reader that made a corpus, by what the corpus stores as its source, or None."""
    return next((reader for reader in READERS if reader.source.items() <= source.items()), None)


def of_sae(weights_sha256: str) -> Shipped | None:
    """Return the reader with an SAE, by the hash of the SAE's weights, or None."""
    return next((reader for reader in READERS if reader.sae_sha256 == weights_sha256), None)
