"""token_table: the moments of each feature's activations over tokens, and the tokens where it is strongest.

Not for: drawing it (:mod:`saetext.report.console.tokens`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from saetext.errors import InputError
from saetext.features.activity.kept import Kept
from saetext.features.activity.measuring import Activity, measure
from saetext.features.activity.strongest import NONE
from saetext.features.activity.tokens import Texts, TextTokens, of_vocabulary
from saetext.features.known_labels import reader_labels
from saetext.features.labels import FeatureLabels
from saetext.io.progress import Meter, OnProgress

if TYPE_CHECKING:
    import polars as pl

    from saetext.reader.reader import Reader

VOCABULARY = "vocabulary"
TOP_TOKENS = 10
#: Columns that a table can be sorted by, largest first.
SORTED_BY: Final = ("token_density", "mean", "std", "skewness", "kurtosis", "max")
SCHEMA: Final = (
    *("feature", "label", "label_score", "tokens", "token_density", "log_sparsity"),
    *("mean", "std", "skewness", "kurtosis", "max", "top_tokens", "top_activations"),
)


@dataclass(frozen=True, eq=False)
class TokenTable:
    """Statistics of every feature of an SAE over tokens.

    Attributes
    ----------
    table : polars.DataFrame
        One row per feature, in order: ``feature``, ``label``, ``label_score``; ``tokens`` on which it is
        active (above zero), their share ``token_density`` and its decimal logarithm ``log_sparsity`` (null
        for a feature that is never active); ``mean``, ``std``, ``skewness``, ``kurtosis``, ``max`` of its
        activations over all tokens, zeros included (population moments, excess kurtosis; null where
        undefined); ``top_tokens``, strongest first, and ``top_activations``, the largest of each.
    over : str
        ``vocabulary``, or the name of the texts.
    about : mapping
        Numbers of ``tokens``, of attention ``sinks`` among them, and of features ``never_active``; for a
        vocabulary the tokens left out, ``special`` and ``placeholders``; else ``texts`` and ``rejected``.
    notes : tuple of str
        What to know before believing the table, one line each.
    """

    table: pl.DataFrame
    over: str
    about: dict[str, int]
    notes: tuple[str, ...] = ()


def token_table(
    reader: Reader,
    texts: Texts | None = None,
    *,
    sae: str | None = None,
    labels: FeatureLabels | None = None,
    top_tokens: int = TOP_TOKENS,
    on_progress: OnProgress | None = None,
) -> TokenTable:
    """Return statistics of every feature over the vocabulary, or over the counted tokens of texts.

    Over the vocabulary, each token that can stand in a text is run alone, between the special tokens that
    surround every window (BOS before it, or CLS and SEP around it), through the language model and the SAE's
    encoder. The table is kept in the cache. Over texts, every counted token is read in its context, as for a
    corpus. Thresholds have no part in either; tokens that are attention sinks count and have no activations.
    Nothing of the size of tokens times features is held in memory.

    Parameters
    ----------
    reader : Reader
        Need not be calibrated.
    texts : Corpus, DocumentSource, or iterable of str or Document, optional
        Read again and streamed; of a corpus the stored texts. Without them the vocabulary is taken.
    sae : str, optional
        Which SAE, if there are several.
    labels : FeatureLabels, optional
        What the features are called, by default what is known for the reader.
    top_tokens : int
        How many tokens are kept for each feature.
    on_progress : callable, optional
        Called with a Progress as the work goes on.

    Raises
    ------
    InputError
        If there is nothing to read, or ``top_tokens`` is not positive.
    ReaderError
        If the SAE reads no token alone.

    Examples
    --------
    >>> import saetext
    >>> from saetext.features import token_table
    >>> found = token_table(saetext.Reader("embedded"), ["I am so sorry.", "Sorry about that!"])
    >>> found.about["tokens"], found.about["texts"], found.table.height
    (9, 2, 4096)
    """
    if top_tokens < 1:
        raise InputError(f"top_tokens must be at least 1, not {top_tokens}")
    name = reader.spec.sae(sae).name
    if labels is None:
        labels = reader_labels(reader.spec.sae(name), reader.saes[name].calibration)
    if texts is None:
        return _of_vocabulary(reader, name, labels, top_tokens, on_progress)
    given = TextTokens(texts)
    meter = Meter("reading", on_progress)
    activity = measure(reader, name, given.chunks(reader, meter), top_tokens, meter.add)
    about = {**_about(activity), "texts": given.read, "rejected": given.rejected.total()}
    notes = (*given.notes, *_notes(reader, name, activity))
    return TokenTable(_table(reader, activity, labels), given.name, about, notes)


def _of_vocabulary(
    reader: Reader, sae: str, labels: FeatureLabels, top_tokens: int, on_progress: OnProgress | None
) -> TokenTable:
    from saetext.reader.vocabulary import vocabulary_of

    vocabulary = vocabulary_of(reader)
    kept = Kept.of(reader, sae, vocabulary.ids, top_tokens)
    activity = kept.read()
    if activity is None:
        meter = Meter("reading the vocabulary", on_progress)
        activity = measure(reader, sae, of_vocabulary(vocabulary, meter), top_tokens, meter.add)
        kept.write(activity)
    left_out = {"special": vocabulary.special, "placeholders": vocabulary.placeholders}
    notes = _notes(reader, sae, activity)
    return TokenTable(_table(reader, activity, labels), VOCABULARY, {**_about(activity), **left_out}, notes)


def _about(activity: Activity) -> dict[str, int]:
    never = int((activity.active.n == 0).sum())
    return {"tokens": activity.tokens, "sinks": activity.sinks, "never_active": never}


def _notes(reader: Reader, sae: str, activity: Activity) -> tuple[str, ...]:
    notes = []
    if activity.sinks:
        one = activity.sinks == 1
        what = "token is an attention sink: it counts" if one else "tokens are attention sinks: they count"
        notes.append(f"{activity.sinks:,} {what}, and {'has' if one else 'have'} no activations")
    elif not reader.model.bidirectional and reader.saes[sae].norm_limit is None:
        notes.append(
            f"{reader.name} has no limit for attention sinks yet, so their activations count: "
            "'saetext calibrate' measures it"
        )
    return tuple(notes)


def _table(reader: Reader, activity: Activity, labels: FeatureLabels) -> pl.DataFrame:
    import polars as pl

    from saetext.reader.vocabulary import written

    active, strongest = activity.active, activity.strongest
    whole = active.among(activity.tokens)
    density = active.n / max(activity.tokens, 1)
    with np.errstate(divide="ignore"):
        log_sparsity = np.where(active.n > 0, np.log10(density), np.nan)
    tokens, values = strongest.token.tolist(), strongest.value.tolist()
    ids = sorted({i for row in tokens for i in row if i != NONE})
    names = dict(zip(ids, written(reader, ids), strict=True))
    features = range(len(density))
    known = [labels.get(feature) for feature in features]
    columns: dict[str, Any] = {
        "feature": np.arange(len(density), dtype=np.int32),
        "label": [labels.label(feature) for feature in features],
        "label_score": pl.Series([one.score if one else None for one in known], dtype=pl.Float64),
        "tokens": active.n.astype(np.int64),
        "token_density": density,
        "log_sparsity": log_sparsity,
        "mean": whole.mean,
        "std": whole.std,
        "skewness": whole.skewness,
        "kurtosis": whole.kurtosis,
        "max": strongest.value[:, 0].astype(np.float64),
        "top_tokens": pl.Series(
            [[names[i] for i in row if i != NONE] for row in tokens], dtype=pl.List(pl.String)
        ),
        "top_activations": pl.Series(
            [
                [value for value, i in zip(of, row, strict=True) if i != NONE]
                for of, row in zip(values, tokens, strict=True)
            ],
            dtype=pl.List(pl.Float32),
        ),
    }
    table = pl.DataFrame(columns).select(SCHEMA)
    return table.with_columns(pl.selectors.float().fill_nan(None))
