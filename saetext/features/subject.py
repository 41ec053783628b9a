"""Subject: whose features are meant, a corpus's or a reader's, with what can be known without its model.

Not for: reading texts; :meth:`Subject.load_reader` gives the reader where that is wanted.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from saetext.corpus.calibration import Calibration
from saetext.corpus.protocol import CorpusLike
from saetext.corpus.spec import SaeSpec
from saetext.errors import InputError, ReaderError
from saetext.features.known_labels import labels_for, reader_labels
from saetext.features.labels import FeatureLabels
from saetext.io.opener import why
from saetext.reader import shipped
from saetext.reader.foreign.kinds import kind_of, saes_below

if TYPE_CHECKING:
    from saetext.reader.reader import Reader
    from saetext.reader.sae import SparseEncoder

_NEURONPEDIA_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*", re.ASCII)


@dataclass(frozen=True, eq=False)
class Subject:
    """The features of one SAE, in a corpus or on their own; made by :func:`open_subject`.

    Attributes
    ----------
    name : str
        What the user called it.
    sae : SaeSpec
        The SAE.
    labels : FeatureLabels
        What its features are called; may be empty.
    calibration : Calibration or None
        Its thresholds and reference statistics, where they are known.
    corpus : CorpusLike or None
        Where contexts come from.
    encoder : SparseEncoder or None
        The SAE, where it had to be loaded already.
    """

    name: str
    sae: SaeSpec
    labels: FeatureLabels
    calibration: Calibration | None
    corpus: CorpusLike | None = None
    encoder: SparseEncoder | None = None

    def require(self, feature: int) -> None:
        """Raise :class:`InputError` unless the SAE has this feature."""
        if not 0 <= feature < self.sae.d_sae:
            raise InputError(f"there is no feature {feature}; {self.name} has 0 to {self.sae.d_sae - 1}")

    def load_encoder(self) -> SparseEncoder:
        """Return the SAE.

        Raises
        ------
        ReaderError
            If it cannot be found, or is not the one that made the corpus.
        """
        if self.encoder is not None:
            return self.encoder
        encoder = _load_encoder(self._place)
        if encoder.weights_sha256 != self.sae.weights_sha256:
            raise ReaderError(f"the SAE {self.sae.origin} is not the one that made {self.name}")
        return encoder

    def load_reader(
        self,
        *,
        model: str | None = None,
        device: str = "auto",
        dtype: str = "auto",
        trust_pickle: bool = False,
    ) -> Reader:
        """Return the reader that made the corpus.

        Raises
        ------
        ReaderError
            If it cannot be found, or is not what it was.
        """
        from saetext.reader.reader import Reader

        if self.corpus is None:
            raise ReaderError(f"{self.name} is not a corpus: there is nothing to read")
        calibrations = {sae.name: self.corpus.calibration(sae.name) for sae in self.corpus.spec.saes}
        return Reader.from_spec(
            self.corpus.spec, calibrations, model=model, device=device, dtype=dtype, trust_pickle=trust_pickle
        )

    @cached_property
    def neuronpedia_id(self) -> str | None:
        """``model/sae`` on Neuronpedia, where the SAE's configuration or SAELens's directory has one."""
        try:
            found = self._neuronpedia_id()
        except (ReaderError, OSError, ValueError):
            return None  # what cannot be found is left out
        return found if isinstance(found, str) and _NEURONPEDIA_ID.fullmatch(found) else None

    def page(self, feature: int) -> str | None:
        """Return the address of a feature's page on Neuronpedia, where there is one."""
        return f"https://www.neuronpedia.org/{self.neuronpedia_id}/{feature}" if self.neuronpedia_id else None

    def _neuronpedia_id(self) -> object:
        if self.encoder is not None and self.encoder.metadata.neuronpedia_id:
            return self.encoder.metadata.neuronpedia_id
        if shipped.by_name(self._place) is not None:
            return None
        config = Path(self._place) / "cfg.json"
        if config.is_file():
            from saetext.reader.sae_config import parse_config, read_config

            try:
                return parse_config(read_config(config), self._place).metadata.neuronpedia_id
            except (OSError, ValueError) as error:
                raise ReaderError(f"cannot read {config}: {why(error)}") from error
        from saetext.reader.published import pretrained_directory

        release, _, sae_id = self._place.partition("/")
        saes = pretrained_directory().get(release, {}).get("saes", ())
        return next((sae.get("neuronpedia") for sae in saes if str(sae["id"]) == sae_id), None)

    @property
    def _place(self) -> str:
        """A reader of the package, ``RELEASE/SAE_ID`` or a directory: where the SAE can be loaded from."""
        if self.corpus is None:
            return self.name
        source = self.corpus.spec.source
        if (own := shipped.of_source(source)) is not None:
            return own.name
        place = [sae.name for sae in self.corpus.spec.saes].index(self.sae.name)
        saes = list(source.get("saes") or [])
        if source.get("kind") not in ("release", "local") or place >= len(saes):
            raise ReaderError(f"{self.name} does not say where its SAE is")
        return str(saes[place])


def open_subject(
    name: str,
    *,
    model: str | None = None,
    sae: str | None = None,
    labels: str | os.PathLike[str] | None = None,
    device: str = "auto",
    dtype: str = "auto",
    trust_pickle: bool = False,
) -> Subject:
    """Open what the command line calls ``READER-or-CORPUS``.

    Parameters
    ----------
    name : str
        A corpus's directory, ``embedded``, ``smollm2``, ``RELEASE/SAE_ID``, or an SAE's directory. Neither
        a corpus nor a reader that comes with the package needs torch for this.
    model : str, optional
        Language model of an SAE; with it, thresholds and words from earlier corpora of the reader are found.
    sae : str, optional
        Which SAE of a corpus that has several.
    labels : str or path, optional
        Table of labels to use.
    device, dtype, trust_pickle
        How an SAE that is no corpus's is loaded.

    Raises
    ------
    InputError
        If there is no such corpus or reader.
    CorpusError, ReaderError, LabelError, IncompatibleError
        If it cannot be opened, or the labels are damaged or of another reader's features.
    """
    path = Path(name)
    own = shipped.by_name(name)
    if own is None and any((path / file).is_file() for file in ("manifest.json", "plan.json")):
        from saetext.corpus import Corpus

        corpus = Corpus.open(path)
        spec = corpus.spec.sae(sae)
        return Subject(name, spec, labels_for(corpus, sae, labels), corpus.calibration(spec.name), corpus)
    if sae is not None:
        raise InputError(f"--sae chooses one SAE of a corpus, and {name} is not a corpus")
    if own is not None:
        if model is not None:
            raise InputError(f"--model belongs to an SAE, and the {name} reader has its own model")
        spec, calibration = own.sae_spec, own.load_calibration()
        return Subject(name, spec, reader_labels(spec, calibration, labels), calibration)
    if not path.is_dir() and ("/" not in name or path.exists() or name.startswith((".", "/", "~"))):
        raise InputError(
            f"{name} is neither a corpus nor a reader: expected a corpus's directory, {shipped.NAMES}, "
            "RELEASE/SAE_ID, or a directory with an SAE"
        )
    if path.is_dir() and kind_of(path) is None and not saes_below(path):
        raise InputError(f"{name} is neither a corpus (manifest.json) nor an SAE (cfg.json, config.json)")
    if model is None:
        encoder = _load_encoder(name, trust_pickle)
        spec = sae_of(encoder, path.resolve().name if path.is_dir() else name)
        return Subject(name, spec, reader_labels(spec, None, labels), None, encoder=encoder)
    from saetext.reader.reader import Reader
    from saetext.reader.thresholds.policy import with_known_thresholds

    reader = Reader.load_many([name], model, device=device, dtype=dtype, trust_pickle=trust_pickle)
    reader = with_known_thresholds(reader) or reader
    [only] = reader.saes.values()
    spec = reader.spec.sae()
    return Subject(
        name, spec, reader_labels(spec, only.calibration, labels), only.calibration, encoder=only.encoder
    )


def _load_encoder(name: str, trust_pickle: bool = False) -> SparseEncoder:
    """Load an SAE without its language model."""
    if (own := shipped.by_name(name)) is not None:
        return own.load_sae()
    from saetext.reader.foreign.loading import load_directory
    from saetext.reader.weights import load_sae_release

    if Path(name).is_dir():
        return load_directory(Path(name), trust_pickle=trust_pickle)
    release, slash, sae_id = name.partition("/")
    if not slash or name.startswith((".", "/", "~")):
        raise ReaderError(f"there is no SAE {name} any more")
    return load_sae_release(release, sae_id)


def sae_of(encoder: SparseEncoder, name: str) -> SaeSpec:
    """Return what identifies the features of an SAE without thresholds."""
    return SaeSpec(
        name=name,
        origin=name,
        architecture=encoder.architecture,
        hook=encoder.hook,
        d_in=encoder.d_in,
        d_sae=encoder.d_sae,
        weights_sha256=encoder.weights_sha256,
        preprocessing=encoder.preprocessing,
        calibration_sha256="",
        threshold_percentile=None,
        min_tokens=1,
        settings=encoder.config.settings(),
    )
