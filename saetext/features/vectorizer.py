"""SAEVectorizer: texts -> a sparse matrix of named features, as a scikit-learn transformer.

Importing this module imports scikit-learn; ``saetext`` does so when the name is first used. Not for: corpora
on disk (:meth:`saetext.Corpus.csr` has their matrix), prompts or chats.
"""

from __future__ import annotations

import copy
import dataclasses
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn import get_config
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from saetext.corpus.calibration import Calibration
from saetext.corpus.notices import FOREIGN_WARNING, UNKNOWN_WARNING
from saetext.corpus.shard import POOLINGS
from saetext.corpus.spec import ReaderSpec
from saetext.documents import open_documents
from saetext.documents.texts import texts_in
from saetext.encoding.open_readers import open_reader
from saetext.encoding.text_rows import TextRow, pooled_matrix, rows_of_texts
from saetext.errors import InputError, ReaderError
from saetext.features.known_labels import reader_labels
from saetext.features.labels import FeatureLabels
from saetext.io.progress import OnProgress
from saetext.io.warning import warn
from saetext.reader import shipped
from saetext.reader.thresholds.policy import ready
from saetext.text.one_line import one_line

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from saetext.encoding.open_readers import ReaderName
    from saetext.reader.reader import Reader

TRANSFORMS: dict[str, Callable[[NDArray[np.float32]], NDArray[np.float32]]] = {
    "log1p": np.log1p,
    "sqrt": np.sqrt,
    "none": np.asarray,
}
_MOST_DENSE = 4 << 30  # bytes of a dense frame


class SAEVectorizer(TransformerMixin, BaseEstimator):
    """Turn texts into a sparse matrix with a column for each feature of an SAE, for scikit-learn.

    A text is read through the language model and the SAE once and kept in saetext's cache
    (``SAETEXT_CACHE``), so that folds and settings of a grid search read no text twice. Models are shared
    within a process and never pickled: a pickle holds the reader's description and thresholds, and the
    reader is opened again, and checked, when there is something to read.

    Parameters
    ----------
    reader : str, path, sequence of them, or Reader
        What :class:`saetext.Reader` takes. Where more is to be said (``model``, ``device``), a reader.
    pooling : {"max", "mean", "total", "count", "binary"}
        What of a feature's activations over a text's tokens is taken: the maximum; their sum by the number of
        tokens; their sum; the number of tokens where it is present; 1.
    transform : {"log1p", "sqrt", "none"} or None
        What the values go through.
    binary : bool
        1 for every feature that is present, whatever ``pooling`` and ``transform`` say.
    sae : str, optional
        Which SAE, if the reader has several.
    threshold, min_tokens : float, int, optional
        What makes a feature present, as for :func:`saetext.encode`.
    labels : path or FeatureLabels, optional
        Names of the columns; by default the labels known for the reader.
    cache : bool
        Keep what was read, at most about a gigabyte over all readers.
    on_progress : callable, optional
        Called with a Progress as texts are read.

    Attributes
    ----------
    spec_ : ReaderSpec
        The reader it was fitted with.
    sae_ : str
        The SAE.
    calibrations_ : dict of str to Calibration
        Its thresholds; those of a reader that ships with saetext are left out.

    Examples
    --------
    >>> import saetext
    >>> texts = ["Sorry to hear that!", "Restart it.", "I am so sorry about this."]
    >>> vectorizer = saetext.SAEVectorizer()
    >>> matrix = vectorizer.fit_transform(texts)
    >>> matrix.shape, matrix.dtype.name, vectorizer.get_feature_names_out()[334]
    ((3, 4096), 'float32', '334 sorry, pardon and sympathy')
    """

    def __init__(
        self,
        reader: ReaderName = "embedded",
        pooling: str = "max",
        transform: str | None = "log1p",
        binary: bool = False,
        *,
        sae: str | None = None,
        threshold: float | None = None,
        min_tokens: int | None = None,
        labels: FeatureLabels | str | Path | None = None,
        cache: bool = True,
        on_progress: OnProgress | None = None,
    ) -> None:
        self.reader = reader
        self.pooling = pooling
        self.__dict__["transform"] = transform  # see _MethodAndSetting
        self.binary = binary
        self.sae = sae
        self.threshold = threshold
        self.min_tokens = min_tokens
        self.labels = labels
        self.cache = cache
        self.on_progress = on_progress

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Let a subclass, or what it is mixed with, have a ``transform`` of its own beside the setting."""
        super().__init_subclass__(**kwargs)
        found = inspect.getattr_static(cls, "transform")
        if not isinstance(found, _MethodAndSetting):
            cls.transform = _MethodAndSetting(found)  # type: ignore[method-assign,assignment]

    def __sklearn_clone__(self) -> SAEVectorizer:
        """Return one with the same settings, not fitted; reader, labels and callback are the same objects."""
        shared = ("reader", "labels", "on_progress")
        given = self.get_params(deep=False)
        made = type(self)(**{name: v if name in shared else copy.deepcopy(v) for name, v in given.items()})
        for name in ("_sklearn_output_config", "_metadata_request"):  # as scikit-learn's own clone does
            if name in vars(self):
                setattr(made, name, copy.deepcopy(vars(self)[name]))
        return made

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the settings by name; ``deep`` changes nothing."""
        return {name: vars(self)[name] for name in self._get_param_names()}

    def fit(self, X: Any, y: Any = None) -> SAEVectorizer:
        """Open the reader; of one without thresholds, they are made from these texts and kept for later ones.

        Parameters
        ----------
        X : list, array, series, or a frame with one column
            Texts: of Python, NumPy, pandas, Polars, Arrow or ``datasets``.
        y : ignored

        Raises
        ------
        InputError
            If a setting is unknown, or something in ``X`` is no text.
        ReaderError
            If the reader cannot be opened.
        """
        self._fit(texts_in(X))
        return self

    def fit_transform(self, X: Any, y: Any = None) -> csr_matrix:
        """Fit and return the matrix, as :meth:`fit` and :meth:`transform` do; ``X`` is read through once."""
        texts = texts_in(X)
        self._fit(texts)
        return self._matrix(texts)

    def _fit(self, texts: list[str]) -> None:
        self._require_settings()
        if not texts:
            raise InputError("there are no texts to fit to")
        reader = ready(
            open_reader(self.reader),
            open_documents(texts),
            threshold=self.threshold,
            min_tokens=self.min_tokens,
            on_progress=self.on_progress,
        )
        self.spec_: ReaderSpec = reader.spec
        self.sae_: str = reader.spec.sae(self.sae).name
        self.calibrations_: dict[str, Calibration] = {
            name: calibration
            for name, calibration in reader.calibrations.items()
            if _shipped(reader.spec, calibration.sha256) is None
        }

    def transform(self, X: Any) -> csr_matrix:
        """Return the matrix of texts by features.

        Parameters
        ----------
        X : as for :meth:`fit`

        Returns
        -------
        csr_matrix, float32 [texts, features]
            A row for every text, in order; a text without anything to read has no entries. After
            ``set_output(transform="pandas")`` or ``"polars"`` a dense frame with the features' names.

        Raises
        ------
        InputError
            If something in ``X`` is no text, or a frame would take more than 4 GiB.

        Warns
        -----
        SaetextWarning
            Of much text with unknown tokens, or in a language that the reader does not know.
        """
        check_is_fitted(self, "spec_")
        self._require_settings()
        return self._matrix(texts_in(X))

    def _matrix(self, texts: list[str]) -> Any:
        d_sae = self.spec_.sae(self.sae_).d_sae
        dense = self._dense(len(texts), d_sae)
        spec = self.spec_
        given = getattr(self.reader, "spec", None)
        if given is not None:  # a reader that is open: rows of its own arithmetic
            spec = dataclasses.replace(spec, numerics=given.numerics)
        rows = rows_of_texts(
            texts, spec, self.sae_, self._fitted_reader, cache=self.cache, on_progress=self.on_progress
        )
        _warn_of(rows, english_only=shipped.of_source(self.spec_.source) is not None)
        matrix = pooled_matrix(rows, "binary" if self.binary else self.pooling, d_sae)
        if not self.binary:
            matrix.data = TRANSFORMS[vars(self)["transform"] or "none"](matrix.data)
        return matrix.toarray() if dense else matrix

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[np.object_]:
        """Return a name for each column: the feature's number, which makes it unique, and its label.

        Parameters
        ----------
        input_features : ignored
            Texts have no names.
        """
        check_is_fitted(self, "spec_")
        sae = self.spec_.sae(self.sae_)
        labels = self.labels
        if isinstance(labels, FeatureLabels):
            labels.require_for(sae)
        else:
            labels = reader_labels(sae, self._calibrations().get(self.sae_), labels)
        found = dict(zip(labels.table.column("feature").to_pylist(), labels.texts, strict=True))
        names = [f"{at} {one_line(found[at])}" if at in found else str(at) for at in range(sae.d_sae)]
        return np.array(names, dtype=object)

    def __sklearn_tags__(self) -> Any:
        """Say what scikit-learn should know: it takes texts, and gives a sparse matrix."""
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.transformer_tags.preserves_dtype = []
        return tags

    def _require_settings(self) -> None:
        given = vars(self)["transform"]
        if given is not None and given not in TRANSFORMS:
            raise InputError(f"unknown transform {given!r}; choose one of {', '.join(TRANSFORMS)}")
        if self.pooling not in POOLINGS:
            raise InputError(f"unknown pooling {self.pooling!r}; choose one of {', '.join(POOLINGS)}")

    def _dense(self, n: int, d_sae: int) -> bool:
        """Return whether a frame is wanted, which is dense."""
        wanted = (
            getattr(self, "_sklearn_output_config", {}).get("transform") or get_config()["transform_output"]
        )
        if wanted == "default":
            return False
        if n * d_sae * 4 > _MOST_DENSE:
            raise InputError(
                f"a {wanted} frame of {n:,} texts by {d_sae:,} features would take "
                f"{n * d_sae * 4 / 2**30:.1f} GiB: use set_output(transform='default'), which is sparse"
            )
        return True

    def _calibrations(self) -> dict[str, Calibration]:
        found = dict(self.calibrations_)
        for sae in self.spec_.saes:
            if sae.name not in found and (own := _shipped(self.spec_, sae.calibration_sha256)) is not None:
                found[sae.name] = own
        return found

    def _fitted_reader(self) -> Reader:
        """Return the reader it was fitted with, opened again if need be; ReaderError if it has changed."""
        dtype = self.spec_.numerics.model_dtype
        reader = open_reader(self.reader)
        if reader.model.dtype != dtype and reader is not self.reader:  # fitted on another machine
            reader = open_reader(self.reader, dtype)
        reader = reader.with_calibrations(self._calibrations())
        if reader.spec.fingerprint != self.spec_.fingerprint:
            raise ReaderError(
                f"the reader {reader.name!r} is not the one that this was fitted with: fit it again"
            )
        return reader


def _shipped(spec: ReaderSpec, sha256: str) -> Calibration | None:
    """Return the thresholds that came with a reader, if these are those."""
    own = shipped.of_source(spec.source)
    if own is None:
        return None
    calibration = own.load_calibration()
    return calibration if calibration.sha256 == sha256 else None


def _warn_of(rows: list[TextRow], *, english_only: bool) -> None:
    """Warn of what the reader cannot see, as of a corpus."""
    tokens = sum(row.n_tokens for row in rows)
    unknown = sum(row.n_unknown for row in rows) / max(tokens, 1)
    judged = [row.english for row in rows if row.english is not None]
    foreign = judged.count(False) / max(len(judged), 1)
    if unknown > UNKNOWN_WARNING:
        warn(
            f"{unknown:.1%} of the tokens of these texts are unknown to this reader (such as emoji or rare "
            "characters): no feature can represent them"
        )
    if english_only and foreign > FOREIGN_WARNING:
        warn(f"{foreign:.0%} of the texts do not look English, the only language of this reader")


class _MethodAndSetting:
    """``transform`` is a method, as scikit-learn calls it, and a setting, as users write it.

    Read, it is the method; written, as ``set_params`` does, it is the setting, which ``get_params`` finds in
    the instance.
    """

    def __init__(self, method: Callable[..., Any]) -> None:
        self._method = method
        self.__doc__ = method.__doc__

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self._method if instance is None else self._method.__get__(instance, owner)

    def __set__(self, instance: Any, value: str | None) -> None:
        vars(instance)["transform"] = value


# after scikit-learn has wrapped the method, which it does when the class is made
SAEVectorizer.transform = _MethodAndSetting(SAEVectorizer.transform)  # type: ignore[method-assign,assignment]
