"""The features that are present in a text or document, as a table with their labels and words.

Not for: texts with their words marked (:mod:`saetext.features.inspect`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext.corpus.calibration import Calibration
from saetext.corpus.rows import PooledRows
from saetext.features.labels import FeatureLabels
from saetext.text.passages import printable, word_bounds

if TYPE_CHECKING:
    import polars as pl

    from saetext.corpus import Corpus
    from saetext.reader.reader import Reader
    from saetext.reader.reading import Reading


def ranking(feature: NDArray[Any], value: NDArray[Any], calibration: Calibration | None) -> NDArray[np.int64]:
    """Rank by excess over the feature's threshold, weighted by how rare the feature is.

    Raw values of different features do not compare, and what is active everywhere says little.
    """
    strength = value.astype(np.float64)
    if calibration is not None:
        threshold = calibration.thresholds[feature]
        typical = np.where(
            threshold > 0, threshold, np.maximum(calibration.table.column("mean").to_numpy()[feature], 1e-6)
        )
        rarity = -np.log(np.clip(calibration.density[feature], 1e-6, 1.0))
        strength = strength / typical * rarity
    return np.lexsort((feature, -strength))


def present(
    sae: str,
    row: PooledRows,
    calibration: Calibration | None,
    labels: FeatureLabels,
    text: str | None,
    token_start: Sequence[int] | NDArray[Any],
    token_end: Sequence[int] | NDArray[Any],
) -> pl.DataFrame:
    """Return the features of one row, the most telling first (see :func:`ranking`).

    Parameters
    ----------
    sae : str
        Whose features.
    row : PooledRows
        One document's.
    calibration : Calibration or None
        Of the SAE, for the order.
    labels : FeatureLabels
        What to call the features.
    text : str or None
        The document; None if it is not stored.
    token_start, token_end : sequence of int
        Code points each counted token covers.

    Returns
    -------
    polars.DataFrame
        ``sae``, ``feature``, ``label``, ``label_score``, ``value`` (the strongest activation), ``tokens``
        (how many are above the threshold), ``word`` (where it is strongest; null without a text).
    """
    import polars as pl

    order = ranking(row.feature, row.value, calibration)
    features = row.feature[order].tolist()
    words: list[str | None] = [None] * len(features)
    if text is not None:
        words = [_word(text, int(token_start[p]), int(token_end[p])) for p in row.peak[order].tolist()]
    return pl.DataFrame(
        {
            "sae": pl.Series([sae] * len(features), dtype=pl.String),
            "feature": pl.Series(features, dtype=pl.Int64),
            "label": pl.Series([labels.label(f) for f in features], dtype=pl.String),
            "label_score": pl.Series([labels.score(f) for f in features], dtype=pl.Float64),
            "value": pl.Series(row.value[order], dtype=pl.Float32),
            "tokens": pl.Series(row.count[order], dtype=pl.Int32),
            "word": pl.Series(words, dtype=pl.String),
        }
    )


def of_document(corpus: Corpus, row: int) -> pl.DataFrame:
    """Return the features of a stored document, SAE after SAE."""
    import polars as pl

    stored = corpus.document(row)
    start, end = stored["token_start"], stored["token_end"]
    return pl.concat(
        [
            present(sae, entries, corpus.calibration(sae), corpus.labels(sae), stored["text"], start, end)
            for sae, entries in stored["entries"].items()
        ]
    )


def of_reading(reading: Reading, reader: Reader) -> pl.DataFrame:
    """Return the features of every text that was read, with its number in the column ``text``."""
    import polars as pl

    from saetext.features.known_labels import reader_labels
    from saetext.reader.tokenization import Prepared

    saes = {spec.name: spec for spec in reader.spec.saes}
    calibrations = {name: reader.saes[name].calibration for name in saes}
    labels = {name: reader_labels(spec, calibrations[name]) for name, spec in saes.items()}
    nothing = PooledRows.empty(1)
    tables = [present(n, nothing, None, labels[n], None, (), ()).with_columns(text=pl.lit(0)) for n in saes]
    row = 0
    for at, prepared in enumerate(reading.prepared):
        if isinstance(prepared, Prepared):
            for name in saes:
                one = reading.rows[name].take([row])
                found = present(
                    name, one, calibrations[name], labels[name], prepared.text, prepared.start, prepared.end
                )
                tables.append(found.with_columns(text=pl.lit(at)))
            row += 1
    return pl.concat(tables).select(pl.col("text").cast(pl.Int64), pl.exclude("text"))


def _word(text: str, start: int, end: int) -> str:
    low, high = word_bounds(text, start, end)
    return printable(text[low:high])
