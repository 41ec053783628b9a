"""Calibration: one threshold per feature and what its features did on reference text.

A feature is *present* in a document when its activation exceeds its threshold on at least ``min_tokens``
counted tokens. The threshold is a percentile of its non-zero token activations on reference text.
A calibration is an Arrow file; the embedded reader ships one, any other reader's is made by
:mod:`saetext.reader.thresholds.estimation`. Not for: labels (a calibration's top words are the stand-in
until a feature has one).
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from saetext.errors import ReaderError
from saetext.io.files import atomic_file
from saetext.io.json_file import loads
from saetext.io.opener import open_regular, why
from saetext.io.sealed import Broken
from saetext.io.sealed_table import SEALED, require_table_seal, with_seal
from saetext.io.shape import INT32, Maybe, Number, Record, Table, Whole

_KEY = b"saetext.card"
_META = Record(
    {"percentile": Maybe(Number(0, 100)), "min_tokens": Whole(0, INT32), "about": Table()},
    {"norm_limit": Maybe(Number(0, above=True))},
)
CALIBRATION_SCHEMA = pa.schema(
    [
        pa.field("feature", pa.int32(), nullable=False),
        pa.field("floor", pa.float32(), nullable=False),
        pa.field("density", pa.float32(), nullable=False),
        pa.field("mean", pa.float32(), nullable=False),
        pa.field("max", pa.float32(), nullable=False),
        pa.field("top_words", pa.list_(pa.string()), nullable=False),
    ]
)


@dataclass(frozen=True)
class Calibration:
    """Thresholds and reference statistics of one SAE's features.

    Attributes
    ----------
    table : pyarrow.Table
        One row per feature, in order, with columns ``feature`` (int32), ``floor`` (float32, activation
        units), ``density`` (share of reference tokens with an activation above zero), ``mean`` and ``max``
        (of the non-zero token activations, 0 where there were none), ``top_words`` (list of strings, the
        reference words most characteristic of its tokens above the threshold, best first).
    percentile : float or None
        Which percentile of non-zero activations the thresholds are; None means every threshold is 0.
    min_tokens : int
        Tokens above the threshold that make a feature present.
    about : mapping
        Free provenance: reference text, tokens, measurements. Not part of the hash.
    norm_limit : float or None
        Norm of the hidden state above which a token is an attention sink and has no activations, measured on
        the reference text. None where there is no such rule, or the SAE itself states the limit.
    """

    table: pa.Table
    percentile: float | None
    min_tokens: int = 1
    about: Mapping[str, Any] = field(default_factory=dict)
    norm_limit: float | None = None

    def __len__(self) -> int:
        """Return the number of features."""
        return int(self.table.num_rows)

    @cached_property
    def thresholds(self) -> NDArray[np.float32]:
        """float32[d_sae]: the activation a token must exceed."""
        return self.table.column("floor").to_numpy().astype(np.float32, copy=False)

    @cached_property
    def density(self) -> NDArray[np.float32]:
        """float32[d_sae]: share of reference tokens with an activation above zero."""
        return self.table.column("density").to_numpy()

    @cached_property
    def maxima(self) -> NDArray[np.float32]:
        """float32[d_sae]: largest token activation on reference text; 0 where there was none above zero."""
        return self.table.column("max").to_numpy()

    @cached_property
    def sha256(self) -> str:
        """Hash of what decides presence: the thresholds, ``min_tokens``, and the limit where there is one."""
        digest = hashlib.sha256(self.thresholds.astype("<f4").tobytes())
        digest.update(f"min_tokens={self.min_tokens}".encode())
        if self.norm_limit is not None:
            digest.update(f" norm_limit={self.norm_limit!r}".encode())
        return digest.hexdigest()

    def top_words(self, feature: int) -> list[str]:
        """Return the feature's top words in the reference text, best first."""
        return list(self.table.column("top_words")[int(feature)].as_py())

    def label(self, feature: int, n_words: int = 4) -> str:
        """Return the stand-in label: the top words, or ``feature N`` where the calibration has none."""
        words = self.top_words(feature)
        return self.label_of(words, n_words) if words else f"feature {int(feature)}"

    @staticmethod
    def label_of(words: Sequence[str], n_words: int = 4) -> str:
        """Return the stand-in label that top words make."""
        return ", ".join(words[:n_words])

    def without_thresholds(self) -> Calibration:
        """Return the calibration of ``--threshold 0``: every activation above zero is present."""
        zeros = pa.array(np.zeros(len(self), np.float32))
        index = self.table.schema.get_field_index("floor")
        table = self.table.set_column(index, CALIBRATION_SCHEMA.field("floor"), zeros)
        return Calibration(table, None, 1, self.about, self.norm_limit)

    def write(self, path: str | os.PathLike[str], made_for: str | None = None) -> None:
        """Write an uncompressed Arrow IPC file with its checksum, whole or not at all.

        Parameters
        ----------
        path : path
            The file.
        made_for : str, optional
            What it was made from, where the name of the file alone says it; :meth:`read` compares it.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        meta = {"percentile": self.percentile, "min_tokens": self.min_tokens, "about": dict(self.about)}
        if self.norm_limit is not None:  # files without one stay as they were
            meta["norm_limit"] = self.norm_limit
        note = json.dumps({**meta, "made_for": made_for, SEALED: True})
        table = with_seal(self.table.cast(CALIBRATION_SCHEMA), _KEY, note)
        with atomic_file(Path(path)) as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)

    @classmethod
    def read(cls, path: str | os.PathLike[str], made_for: str | None = None) -> Calibration:
        """Read a calibration; one without a checksum, of an earlier version, is read as it is.

        Raises
        ------
        ReaderError
            If the file is not a calibration, is damaged, or was made for something else.
        """
        try:
            # not mapped: the file may be replaced while the calibration is in use
            with open_regular(path) as source:
                table = pa.ipc.open_file(source).read_all()
            meta = loads((table.schema.metadata or {}).get(_KEY, b""), _META, loose=True)
            require_table_seal(table, _KEY, meta.get(SEALED))
            if made_for is not None and meta.get("made_for") not in (None, made_for):
                raise ValueError("it was made for another reader")
            table = table.cast(CALIBRATION_SCHEMA)
            table.validate(full=True)
            return cls(table, meta["percentile"], meta["min_tokens"], meta["about"], meta.get("norm_limit"))
        except Broken as error:
            raise ReaderError(f"{path} is damaged ({error}): restore it or calibrate again") from error
        except (OSError, pa.ArrowException, KeyError, TypeError, ValueError) as error:
            raise ReaderError(f"{path} is not the calibration of a reader: {why(error)}") from error

    @classmethod
    def from_arrays(
        cls,
        thresholds: NDArray[np.floating],
        *,
        percentile: float | None,
        min_tokens: int = 1,
        density: NDArray[np.floating] | None = None,
        mean: NDArray[np.floating] | None = None,
        maximum: NDArray[np.floating] | None = None,
        top_words: Sequence[Sequence[str]] | None = None,
        about: Mapping[str, Any] | None = None,
        norm_limit: float | None = None,
    ) -> Calibration:
        """Build a calibration from arrays of length d_sae; what is left out is zero or empty."""
        n = len(thresholds)

        def column(values: NDArray[np.floating] | None) -> pa.Array:
            return pa.array(np.zeros(n, np.float32) if values is None else np.asarray(values, np.float32))

        words = [list(w) for w in top_words] if top_words is not None else [[] for _ in range(n)]
        table = pa.table(
            [
                pa.array(np.arange(n, dtype=np.int32)),
                column(thresholds),
                column(density),
                column(mean),
                column(maximum),
                pa.array(words, pa.list_(pa.string())),
            ],
            schema=CALIBRATION_SCHEMA,
        )
        return cls(table, percentile, min_tokens, dict(about or {}), norm_limit)
