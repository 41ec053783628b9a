"""feature_table: how often and how strongly each feature is active in a corpus.

Streams the corpus twice and keeps a few numbers per feature. Not for: comparing corpora
(:mod:`saetext.analysis.differences`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from saetext.corpus.protocol import CorpusLike
from saetext.features.labels import FeatureLabels

if TYPE_CHECKING:
    import polars as pl


def feature_table(corpus: CorpusLike, sae: str | None, labels: FeatureLabels) -> pl.DataFrame:
    """Return one row per feature of an SAE, in order.

    Parameters
    ----------
    corpus : Corpus
        What to count in.
    sae : str or None
        Which SAE, if there are several.
    labels : FeatureLabels
        Names and top words.

    Returns
    -------
    polars.DataFrame
        ``feature``, ``label``, ``label_score``; ``documents`` that have it and their share
        ``document_density``; ``token_density``, share of counted tokens above the threshold, and its decimal
        logarithm ``log_sparsity`` (null for a feature that is nowhere); ``mean``, ``std``, ``skewness``,
        ``kurtosis``, ``max`` of its maxima in the documents that have it (population moments, excess
        kurtosis; null where undefined); ``top_words``.
    """
    import polars as pl

    spec = corpus.spec.sae(sae)
    d_sae = spec.d_sae
    support, tokens = np.zeros(d_sae, np.int64), np.zeros(d_sae, np.int64)
    total, largest = np.zeros(d_sae), np.full(d_sae, -np.inf)
    for rows in corpus.rows(spec.name):
        support += np.bincount(rows.feature, minlength=d_sae)
        tokens += np.bincount(rows.feature, rows.count, d_sae).astype(np.int64)
        total += np.bincount(rows.feature, rows.value, d_sae)
        np.maximum.at(largest, rows.feature, rows.value)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = total / support
        powers = {k: np.zeros(d_sae) for k in (2, 3, 4)}
        for rows in corpus.rows(spec.name):
            deviation = rows.value - mean[rows.feature]
            for k, moment in powers.items():
                moment += np.bincount(rows.feature, deviation**k, d_sae)
        m2, m3, m4 = (moment / support for moment in powers.values())
        # equal values leave rounding errors, whose shape means nothing
        varies = m2 > (1e-7 * mean) ** 2
        skewness = np.where(varies, m3 / m2**1.5, np.nan)
        kurtosis = np.where(varies, m4 / m2**2 - 3, np.nan)
        n_tokens = corpus.documents.select(pl.col("n_tokens").sum()).collect().item() or 0
        token_density = tokens / max(n_tokens, 1)
        log_sparsity = np.where(tokens > 0, np.log10(token_density), np.nan)
    calibration = corpus.calibration(spec.name)
    named = [labels.get(feature) for feature in range(d_sae)]
    table = pl.DataFrame(
        {
            "feature": np.arange(d_sae, dtype=np.int32),
            "label": [labels.label(feature) for feature in range(d_sae)],
            "label_score": pl.Series([one.score if one else None for one in named], dtype=pl.Float64),
            "documents": support,
            "document_density": support / max(corpus.n_documents, 1),
            "token_density": token_density,
            "log_sparsity": log_sparsity,
            "mean": mean,
            "std": np.where(varies, np.sqrt(m2), np.where(support > 0, 0.0, np.nan)),
            "skewness": skewness,
            "kurtosis": kurtosis,
            "max": np.where(support > 0, largest, np.nan),
            "top_words": pl.Series(
                [
                    list(one.top_words) if one and one.top_words else calibration.top_words(feature)
                    for feature, one in enumerate(named)
                ],
                dtype=pl.List(pl.String),
            ),
        }
    )
    return table.with_columns(pl.selectors.float().fill_nan(None))
