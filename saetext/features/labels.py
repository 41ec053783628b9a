"""FeatureLabels: what each feature means, where that came from, and how far to trust it.

A Parquet table with one row per labelled feature. The embedded reader ships one; ``saetext label`` makes one
from a corpus, a language model or published labels. Not for: making labels
(:mod:`saetext.features.labelling`) or searching them (:mod:`saetext.features`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from saetext.corpus.calibration import Calibration
from saetext.corpus.spec import SaeSpec
from saetext.errors import IncompatibleError, LabelError
from saetext.features.labels_note import write_note
from saetext.io.files import atomic_path, writing
from saetext.io.json_file import loads
from saetext.io.opener import why
from saetext.io.sealed import Broken
from saetext.io.sealed_table import SEAL, SEALED, require_table_seal, with_seal
from saetext.io.shape import INT32, Record, Whole
from saetext.io.table_file import read_table
from saetext.text.one_line import about, quoted

KINDS = ("word form", "topic", "style", "discourse", "format", "other")
SCHEMA = pa.schema(
    [
        pa.field("feature", pa.int32(), nullable=False),
        pa.field("label", pa.string(), nullable=False),
        pa.field("description", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("source", pa.string(), nullable=False),
        pa.field("score", pa.float32()),
        pa.field("score_method", pa.string()),
        pa.field("trials", pa.int32()),
        pa.field("density", pa.float32()),
        pa.field("top_words", pa.list_(pa.string()), nullable=False),
        pa.field("snippets", pa.list_(pa.string()), nullable=False),
    ]
)
_KEY = b"saetext.labels"
_VERSION = 1
_ABOUT = Record({"version": Whole(1, INT32)})


@dataclass(frozen=True)
class FeatureLabel:
    """One feature's label.

    Attributes
    ----------
    feature : int
        Index in the SAE.
    label : str
        A short noun phrase.
    description : str
        A sentence or two; may be empty.
    kind : str
        One of :data:`KINDS`.
    source : str
        ``reading``, ``words``, ``llm:MODEL``, ``neuronpedia:MODEL``, ``file:NAME``, ``card``.
    score : float or None
        Balanced accuracy with which the label tells unseen contexts where the feature is active from others;
        .5 is chance, None where it was not scored.
    score_method : str or None
        ``embedding``, ``llm:MODEL`` or ``reader`` (a person or agent who saw label and contexts only).
    trials : int or None
        Contexts judged for the score.
    density : float or None
        Share of reference tokens with an activation above zero.
    top_words : tuple of str
        Words that set its tokens apart.
    snippets : tuple of str
        Contexts from the user's own corpus with the word between « and »; empty in the shipped table.
    """

    feature: int
    label: str
    description: str = ""
    kind: str = "other"
    source: str = ""
    score: float | None = None
    score_method: str | None = None
    trials: int | None = None
    density: float | None = None
    top_words: tuple[str, ...] = ()
    snippets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check what a table may hold."""
        if self.kind not in KINDS:
            raise LabelError(f"feature {self.feature} is of kind {self.kind!r}; kinds are {', '.join(KINDS)}")
        if not self.label.strip():
            raise LabelError(f"feature {self.feature} has an empty label")


@dataclass(frozen=True, repr=False)
class FeatureLabels:
    """Labels of one SAE's features.

    Attributes
    ----------
    table : pyarrow.Table
        Columns of :data:`SCHEMA`, one row per labelled feature, sorted by feature, each once.
    about : mapping
        Where they come from: ``weights_sha256`` and ``d_sae`` of the SAE where known, and provenance
        (method, model, corpus, date). JSON types only.

    Examples
    --------
    >>> import saetext
    >>> made = saetext.label(saetext.Corpus.open("gentle.corpus"), "words", features=[334]).labels
    >>> made.write("labels.parquet")
    >>> print(saetext.FeatureLabels.read("labels.parquet").label(334))
    the phrase "i'm sorry"
    """

    table: pa.Table
    about: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        scored = self.table.num_rows - self.table.column("score").null_count
        first = f", first: {quoted(self.texts[0])}" if len(self) else ""
        return about(self, f"{len(self):,} label{'s' * (len(self) != 1)}, {scored:,} with a score{first}")

    def __len__(self) -> int:
        """Return the number of labelled features."""
        return int(self.table.num_rows)

    def __contains__(self, feature: object) -> bool:
        """Whether the feature has a label."""
        return feature in self._place

    def __iter__(self) -> Iterator[FeatureLabel]:
        """Yield the labels in order of feature."""
        return (self._row(at) for at in range(len(self)))

    def __getitem__(self, feature: int) -> FeatureLabel:
        """Return a feature's label.

        Raises
        ------
        KeyError
            If it has none.
        """
        found = self.get(feature)
        if found is None:
            raise KeyError(feature)
        return found

    def get(self, feature: int) -> FeatureLabel | None:
        """Return a feature's label, or None; fast enough to be asked for every feature."""
        at = self._place.get(int(feature))
        return None if at is None else self._row(at)

    def label(self, feature: int) -> str:
        """Return the label's text, or ``feature N``."""
        at = self._place.get(int(feature))
        return f"feature {int(feature)}" if at is None else self.texts[at]

    def score(self, feature: int) -> float | None:
        """Return the label's score, or None where it has none."""
        at = self._place.get(int(feature))
        return None if at is None else self._columns["score"][at]

    def _row(self, at: int) -> FeatureLabel:
        return FeatureLabel(**{name: values[at] for name, values in self._columns.items()})

    @cached_property
    def _columns(self) -> dict[str, Sequence[Any]]:
        """The table as Python values, made once: cutting one row out of an Arrow table is slow."""
        return {name: _values(self.table.column(name)) for name in SCHEMA.names}

    @cached_property
    def texts(self) -> list[str]:
        """The labels' texts, in order of the table."""
        return list(self._columns["label"])

    @cached_property
    def _is_sound(self) -> bool:
        """Whether each row is one that :class:`FeatureLabel` takes."""
        return set(self.table.column("kind").unique().to_pylist()) <= set(KINDS) and all(
            map(str.strip, self.texts)
        )

    @cached_property
    def _place(self) -> dict[int, int]:
        return {f: i for i, f in enumerate(self.table.column("feature").to_pylist())}

    @cached_property
    def checksum(self) -> str:
        """A checksum of the table: two with the same one say the same of every feature."""
        return str(with_seal(self.table, _KEY, "").schema.metadata[SEAL].decode())

    @classmethod
    def from_rows(cls, rows: Iterable[FeatureLabel], about: Mapping[str, Any] | None = None) -> FeatureLabels:
        """Build a table; of several rows for a feature the last one stays."""
        last = {row.feature: row for row in rows}
        ordered = [last[feature] for feature in sorted(last)]
        columns = {
            name: [list(v) if isinstance(v := getattr(row, name), tuple) else v for row in ordered]
            for name in SCHEMA.names
        }
        return cls(pa.table(columns, schema=SCHEMA), dict(about or {}))

    @classmethod
    def from_calibration(cls, calibration: Calibration, sae: SaeSpec | None = None) -> FeatureLabels:
        """Return the stand-in: a calibration's top words as labels, without scores."""
        words = dict(enumerate(calibration.table.column("top_words").to_pylist()))
        features = [feature for feature, own in words.items() if own]
        labels = [calibration.label_of(words[feature]) for feature in features]
        for feature, label in zip(features, labels, strict=True):
            if not label.strip():
                raise LabelError(f"feature {feature} has an empty label")
        n = len(features)
        columns = {
            "feature": features, "label": labels, "description": [""] * n, "kind": ["other"] * n,
            "source": ["card"] * n, "score": [None] * n, "score_method": [None] * n, "trials": [None] * n,
            "density": calibration.density[features].tolist(), "top_words": [words[f] for f in features],
            "snippets": [[]] * n,
        }  # fmt: skip
        return cls(pa.table(columns, schema=SCHEMA), identity(sae) if sae is not None else {})

    def updated(self, other: Iterable[FeatureLabel], about: Mapping[str, Any] | None = None) -> FeatureLabels:
        """Return these labels with those of ``other`` put in their place."""
        if isinstance(other, FeatureLabels) and self._is_sound and other._is_sound:
            own = self.table.filter(pc.invert(pc.is_in(self.table["feature"], other.table["feature"])))
            table = pa.concat_tables([own, other.table]).sort_by("feature").combine_chunks()
            return FeatureLabels(table, {**self.about, **(about or {})})
        return FeatureLabels.from_rows([*self, *other], {**self.about, **(about or {})})

    def require_for(self, sae: SaeSpec, name: str = "these labels") -> None:
        """Raise :class:`IncompatibleError` if the labels belong to another SAE than ``sae``'s."""
        made_for = self.about.get("weights_sha256")
        if made_for is not None and made_for != sae.weights_sha256:
            raise IncompatibleError(
                f"{name} are of another reader's features ({self.about.get('sae', 'another SAE')}), "
                f"not of {sae.origin}: choose a table made for it, or make one with 'saetext label'"
            )
        last = self.table.column("feature")[-1].as_py() if len(self) else -1
        if last >= sae.d_sae:
            raise IncompatibleError(
                f"{name} name feature {last}, but {sae.origin} has only {sae.d_sae:,} features"
            )

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write the Parquet file with its checksum, in one step: a reader sees the old file or the new one.

        ``labels.parquet`` in a corpus gets a note beside it, ``labels.json``, so that its loss is noticed.

        Raises
        ------
        LabelError
            If it cannot be written.
        """
        path = Path(path)
        meta = json.dumps({"version": _VERSION, SEALED: True, **self.about}, ensure_ascii=False)
        with writing(path, LabelError):
            with atomic_path(path) as beside:
                table = with_seal(self.table, _KEY, meta)
                pq.write_table(table, beside, compression="zstd", compression_level=19)
            write_note(path)

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> FeatureLabels:
        """Read a table written by :meth:`write`.

        One without a checksum, made by hand or by an earlier version, is read as it is.

        Raises
        ------
        LabelError
            If the file is missing, damaged, or no such table.
        """
        return cls.checked(path)[0]

    @classmethod
    def checked(cls, path: str | os.PathLike[str]) -> tuple[FeatureLabels, bool]:
        """Read a table as :meth:`read` does; return it and whether it has a checksum."""
        path = Path(path)
        try:
            # read whole, not mapped: the file may be replaced while it is in use
            table = read_table(path)
            about = loads((table.schema.metadata or {}).get(_KEY, b""), _ABOUT, loose=True)
            if (version := about.pop("version")) > _VERSION:  # first: its checksum may be made otherwise
                raise LabelError(f"{path} is a table of labels of version {version}: upgrade saetext")
            sealed = require_table_seal(table, _KEY, about.pop(SEALED, False))
            table = table.select(SCHEMA.names).cast(SCHEMA).replace_schema_metadata(None)
            table.validate(full=True)  # damage inside a string would surface only where it is shown
        except FileNotFoundError as error:
            raise LabelError(f"there is no file {path}") from error
        except Broken as error:
            raise LabelError(
                f"{path} is damaged ({error}): restore it, or delete it and make it again with 'saetext "
                "label'; if it was changed on purpose, write it with FeatureLabels.write"
            ) from error
        except (OSError, pa.ArrowException, KeyError, ValueError) as error:
            raise LabelError(
                f"{path} is not a table of labels ({why(error)}); import other formats with "
                "'saetext label CORPUS --from FILE'"
            ) from error
        features = table.column("feature").to_numpy()
        if len(features) and (features[0] < 0 or (features[1:] <= features[:-1]).any()):
            raise LabelError(f"{path} is damaged: its features are not in order")
        return cls(table, about), sealed


def identity(sae: SaeSpec) -> dict[str, Any]:
    """Return what ties labels to an SAE, for :attr:`FeatureLabels.about`."""
    return {"sae": sae.origin, "hook": sae.hook, "d_sae": sae.d_sae, "weights_sha256": sae.weights_sha256}


class _Lists(Sequence[tuple[str, ...]]):
    """A column of lists of strings; a row becomes a tuple only when it is asked for."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        self._flat: list[str] = pc.list_flatten(column).to_numpy().tolist()
        lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy()
        self._end: list[int] = np.cumsum(lengths, dtype=np.int64).tolist()

    def __len__(self) -> int:
        return len(self._end)

    def __getitem__(self, at: Any) -> Any:
        return tuple(self._flat[self._end[at - 1] if at else 0 : self._end[at]])


def _values(column: pa.ChunkedArray) -> Sequence[Any]:
    """Return a column as Python values, None for null; by way of NumPy where that is the same, and faster."""
    if pa.types.is_list(column.type):
        return _Lists(column)
    whole = column.null_count == 0 or pa.types.is_string(column.type)
    return list(column.to_numpy().tolist() if whole else column.to_pylist())
