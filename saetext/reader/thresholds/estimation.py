"""Calibrate a reader: a threshold for each feature from reference text, and the words it is most active on.

The threshold is a percentile of its non-zero token activations (default the 75th). Not for: labels, or
choosing the percentile.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext.corpus.calibration import Calibration
from saetext.corpus.notices import warn_of_a_beginning, warn_of_few_tokens
from saetext.documents.texts import documents_in
from saetext.errors import InputError, ReaderError, refuse_unused
from saetext.io.cache import cache_dir
from saetext.io.files import make_directory
from saetext.io.progress import Meter, OnProgress, Progress
from saetext.io.request import verb_of_two
from saetext.io.warning import warn
from saetext.reader.thresholds.reference import Sample, sample
from saetext.reader.thresholds.request import DEFAULT_PERCENTILE as DEFAULT_PERCENTILE
from saetext.reader.thresholds.request import DEFAULT_TOKENS as DEFAULT_TOKENS
from saetext.reader.thresholds.request import CalibrateRequest
from saetext.reader.thresholds.sinks import Sinks
from saetext.text.words import is_unspaced, matches

if TYPE_CHECKING:
    from saetext.reader.reader import Reader
    from saetext.reader.tokenization import Prepared

MIN_OBSERVATIONS = 20
WORDS_PER_FEATURE = 10
_LONGEST_WORD = 30
_BATCH = 64


@dataclass
class _Entries:
    """Activations above zero of all reference tokens: parallel arrays, ``token`` indexes the token table."""

    token: NDArray[np.int32]
    feature: NDArray[np.int32]
    value: NDArray[np.float32]

    def without(self, left_out: NDArray[np.bool_]) -> _Entries:
        """Return the entries of the other tokens."""
        kept = ~left_out[self.token]
        return self if kept.all() else _Entries(self.token[kept], self.feature[kept], self.value[kept])


def _joined(parts: Sequence[_Entries]) -> _Entries:
    columns = ("token", "feature", "value")
    return _Entries(*(np.concatenate([getattr(part, column) for part in parts]) for column in columns))


@verb_of_two(CalibrateRequest)
def calibrate(reader: Reader, documents: Any, request: CalibrateRequest) -> Reader:
    """Return ``reader`` with calibrations made from ``max_tokens`` counted tokens, a sample of ``documents``.

    The sample is drawn by the hash of each text, in one pass with little memory
    (:mod:`saetext.reader.thresholds.reference`). It is the same in any order of the documents. Fewer tokens
    than ``max_tokens`` are all used. Where attention is causal and an SAE states no limit, the limit above
    which a token is an attention sink (:mod:`saetext.reader.sinks`) is measured on the same tokens and kept
    with the thresholds; sinks have no part in these.

    Parameters
    ----------
    reader : Reader
        Whose thresholds are set.
    documents : iterable of Document, or what :func:`saetext.open_documents` takes
        Reference text. Where there are more than ``max_documents``, those after it have no part in the
        sample, so shuffle a sorted source. The default takes less than a minute to read. ``on_progress``
        hears of every thousand documents read (``sampling``) and of every batch of the model
        (``calibrating``).

    Raises
    ------
    InputError
        If no document has text, or ``percentile`` or a bound is out of range.

    Warns
    -----
    SaetextWarning
        If there are fewer than :data:`saetext.corpus.notices.FEW_TOKENS` tokens, or only the beginning of a
        very large source was looked at.

    Examples
    --------
    >>> import saetext
    >>> texts = saetext.open_documents("examples/gentle.jsonl")
    >>> strict = saetext.calibrate(saetext.Reader.load(), texts, percentile=90)
    >>> strict.calibrated
    True
    """
    if not 0 <= request.percentile < 100:
        raise InputError(f"the threshold is a percentile from 0 to below 100, not {request.percentile}")
    drawn = sample(
        documents_in(documents),
        request.max_tokens,
        request.role,
        max_documents=request.max_documents,
        on_read=_telling_documents(request.on_progress),
    )
    if not any(document.messages for document, _ in drawn.texts):
        refuse_unused("these documents are no chats; leave it out", **request.changed("role"))
    prepared = _tokenised(reader, drawn, request.role, request.max_tokens)
    parts: dict[str, list[_Entries]] = {name: [] for name in reader.saes}
    words: list[str] = []
    n_tokens = sum(p.n_tokens for p in prepared)
    lengths = {name: np.zeros(n_tokens, np.float32) for name in reader.saes}
    meter = Meter("calibrating", request.on_progress)
    meter.begin(1.0, n_tokens)
    for at in range(0, len(prepared), _BATCH):
        some = prepared[at : at + _BATCH]
        starts = np.cumsum([0] + [p.n_tokens for p in some])
        for batch, (saes, norms) in reader.measured(some):
            # the token table is in document order, so a token's place is its document's start + ordinal
            place = starts[batch.rows] + batch.ordinals + len(words)
            for name, (token, feature, value) in saes.items():
                lengths[name][place] = norms[name].cpu().numpy()
                row = place[token.cpu().numpy()].astype(np.int32)
                parts[name].append(
                    _Entries(
                        row, feature.cpu().numpy().astype(np.int32), value.cpu().numpy().astype(np.float32)
                    )
                )
            meter.add(len(batch.rows))
        words.extend(w for p in some for w in token_words(p.text, p.start, p.end))
    if not words:
        raise InputError("no document has text to calibrate on")
    if not request.quiet:
        warn_of_few_tokens(len(words))
    if not drawn.ended:
        warn_of_a_beginning(drawn.read, request.reference)
    about = {
        "reference": request.reference,
        "tokens": len(words),
        "documents": len(prepared),
        "drawn_from": drawn.read,
        "read_whole": drawn.ended,
    }
    calibrations = {}
    for name, entries in parts.items():
        sinks = Sinks.of(reader, name, lengths[name])
        calibrations[name] = _calibration(
            _joined(entries).without(sinks.tokens),
            reader.saes[name].encoder.d_sae,
            words,
            request.percentile,
            request.min_tokens,
            {**about, **sinks.about},
            sinks.measured,
        )
    return reader.with_calibrations(calibrations)


def calibration_path(reader: Reader, sae: str, percentile: float, min_tokens: int) -> Path:
    """Return where the calibration of an uncalibrated reader's SAE is cached."""
    identity = {
        "reader": {k: v for k, v in reader.spec.identity(sae).items() if not _is_calibration_field(k)},
        "percentile": percentile,
        "min_tokens": min_tokens,
    }
    stated = reader.saes[sae].encoder.metadata.norm_limit
    if stated is not None:
        identity["norm_limit"] = stated
    key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:24]
    return cache_dir() / "cards" / f"{key}.arrow"


def _is_calibration_field(key: str) -> bool:
    return key.endswith((": card_sha256", ": floor_percentile", ": min_tokens", ": norm_limit"))


def cached_calibrations(reader: Reader, percentile: float, min_tokens: int) -> dict[str, Calibration] | None:
    """Return the calibrations made earlier for this reader, or None if one is missing or unreadable."""
    calibrations: dict[str, Calibration] = {}
    for sae in reader.saes:
        path = calibration_path(reader, sae, percentile, min_tokens)
        if not path.is_file():
            return None
        try:
            calibrations[sae] = Calibration.read(path, path.stem)
        except ReaderError as error:
            warn(f"{error}; the thresholds are made again")
            return None
    return calibrations


def cache_calibrations(reader: Reader, percentile: float, min_tokens: int) -> list[Path]:
    """Keep a calibrated reader's calibrations in the user's cache; return their paths.

    Raises
    ------
    OSError
        If they cannot be written.
    """
    bare = reader
    paths = []
    for sae, calibration in reader.calibrations.items():
        path = calibration_path(bare, sae, percentile, min_tokens)
        make_directory(path.parent)
        calibration.write(path, path.stem)
        paths.append(path)
    return paths


def token_words(text: str, start: NDArray[np.int32], end: NDArray[np.int32]) -> list[str]:
    """Return for each token the lower-cased word it is part of, or its own characters outside words."""
    spans = [m.span() for m in matches(text)]
    begins = np.array([s for s, _ in spans], np.int64)
    words: list[str] = []
    # a byte-level token carries the space before its word: its last character says which word it belongs to
    at = np.searchsorted(begins, end - 1, side="right") - 1
    for token_start, token_end, i in zip(start.tolist(), end.tolist(), at.tolist(), strict=True):
        if i >= 0 and token_end > token_start and token_end - 1 < spans[i][1]:
            word, token = text[slice(*spans[i])].lower(), text[token_start:token_end].lower()
            # in scripts without spaces the token is the best there is
            words.append(token.strip() if len(word) > _LONGEST_WORD or is_unspaced(word) else word)
        else:
            piece = text[token_start:token_end]
            words.append(piece.strip() or ("\\n" if "\n" in piece else "space" if piece else ""))
    return words


def _telling_documents(on_progress: OnProgress | None) -> Callable[[int], None] | None:
    """Return what tells how many documents of the source have been read."""
    if on_progress is None:
        return None
    tell, started = on_progress, time.perf_counter()
    return lambda n: tell(Progress("sampling", documents=n, seconds=time.perf_counter() - started))


def _tokenised(reader: Reader, drawn: Sample, role: str, n_tokens: int) -> list[Prepared]:
    """Return the sample's first readable documents, as many as hold ``n_tokens`` counted tokens."""
    from saetext.reader.tokenization import Prepared

    prepared: list[Prepared] = []
    documents = iter(drawn)
    while n_tokens > 0 and (chunk := list(islice(documents, _BATCH))):
        readable = [p for p in reader.tokens.prepare(chunk, role) if isinstance(p, Prepared)]
        kept = _within(readable, n_tokens)
        prepared += kept
        n_tokens -= sum(p.n_tokens for p in kept)
    return prepared


def _within(prepared: Sequence[Prepared], n_tokens: int) -> list[Prepared]:
    """Return the documents that hold the first ``n_tokens`` counted tokens, the last one cut short."""
    kept: list[Prepared] = []
    for p in prepared:
        if n_tokens <= 0:
            break
        if p.n_tokens > n_tokens:
            stop = int(np.flatnonzero(p.counted)[n_tokens - 1]) + 1
            p = dataclasses.replace(
                p, ids=p.ids[:stop], counted=p.counted[:stop], start=p.start[:n_tokens], end=p.end[:n_tokens]
            )
        kept.append(p)
        n_tokens -= p.n_tokens
    return kept


def _calibration(
    entries: _Entries,
    d_sae: int,
    words: Sequence[str],
    percentile: float,
    min_tokens: int,
    about: dict[str, Any],
    norm_limit: float | None,
) -> Calibration:
    order = np.lexsort((entries.value, entries.feature))
    token, feature, value = entries.token[order], entries.feature[order], entries.value[order]
    counts = np.bincount(feature, minlength=d_sae)
    stops = np.cumsum(counts)
    starts = stops - counts
    sums = np.bincount(feature, weights=value, minlength=d_sae)
    mean = np.divide(sums, counts, out=np.zeros(d_sae), where=counts > 0)
    maximum = np.zeros(d_sae, np.float32)
    maximum[counts > 0] = value[stops[counts > 0] - 1]
    thresholds = feature_thresholds(value, starts, counts, mean, percentile)
    top = _top_words(token, feature, value > thresholds[feature], d_sae, words)
    about = {**about, "l0": float(len(value) / len(words))}
    return Calibration.from_arrays(
        thresholds,
        percentile=percentile or None,
        min_tokens=min_tokens,
        density=counts / len(words),
        mean=mean,
        maximum=maximum,
        top_words=top,
        about=about,
        norm_limit=norm_limit,
    )


def feature_thresholds(
    value: NDArray[np.float32],
    starts: NDArray[np.int64],
    counts: NDArray[np.int64],
    mean: NDArray[np.float64],
    percentile: float,
) -> NDArray[np.float32]:
    """Return each feature's percentile of its ascending values, interpolated linearly between them.

    A percentile of fewer than ``MIN_OBSERVATIONS`` values is noise; such features get their own mean times
    the median ratio of threshold to mean among the others. Features without values get 0.
    """
    thresholds = np.zeros(len(counts), np.float64)
    if percentile == 0:
        return thresholds.astype(np.float32)
    seen = counts > 0
    position = (counts[seen] - 1) * (percentile / 100)
    low = np.floor(position).astype(np.int64)
    high = np.minimum(low + 1, counts[seen] - 1)
    a, b = value[starts[seen] + low].astype(np.float64), value[starts[seen] + high].astype(np.float64)
    thresholds[seen] = a + (b - a) * (position - low)
    enough = counts >= MIN_OBSERVATIONS
    if enough.any():
        ratio = float(np.median(thresholds[enough] / mean[enough]))
        few = seen & ~enough
        thresholds[few] = ratio * mean[few]
    return thresholds.astype(np.float32)


def _top_words(
    token: NDArray[np.int32],
    feature: NDArray[np.int32],
    above: NDArray[np.bool_],
    d_sae: int,
    words: Sequence[str],
) -> list[list[str]]:
    """Return the words most characteristic of each feature's tokens above the threshold, best first.

    A word scores ``h ln(h N / (H n))``, its share of the log-likelihood ratio (Dunning 1993): ``h`` of the
    feature's ``H`` tokens are in it, and ``n`` of all ``N``. Words seen once with the feature count only
    where there is no other.
    """
    vocabulary, word_of = np.unique(np.array(words, dtype=object), return_inverse=True)
    n_word = np.bincount(word_of, minlength=len(vocabulary))
    hits = np.bincount(feature[above], minlength=d_sae)
    pairs = feature[above].astype(np.int64) * len(vocabulary) + word_of[token[above]]
    pair, h = np.unique(pairs, return_counts=True)
    f, w = np.divmod(pair, len(vocabulary))
    score = h * np.log(h * len(words) / (hits[f] * n_word[w].astype(np.float64)))
    # once is chance: such words come after all others
    score = np.where(h == 1, score - 1e6, score)
    order = np.lexsort((w, -score, f))
    result: list[list[str]] = [[] for _ in range(d_sae)]
    for i in order:
        mine = result[f[i]]
        if len(mine) < WORDS_PER_FEATURE and vocabulary[w[i]] and (h[i] > 1 or len(mine) < 3):
            mine.append(str(vocabulary[w[i]]))
    return result
