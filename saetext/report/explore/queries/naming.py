"""Renaming a feature, marking its label as wrong, and taking that back, in the corpora's own label files.

As ``saetext label`` keeps them, so that every command and page shows it at once. What a label was before its
first change here is kept in the file too, so that it can be had back. Not for: making labels.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from saetext.corpus import Corpus
from saetext.errors import InputError, LabelError, SaetextError
from saetext.features.known_labels import corpus_labels_path, labels_for, reader_labels
from saetext.features.labels import FeatureLabel, FeatureLabels
from saetext.report.explore.loaded import Loaded
from saetext.text.one_line import quoted

WRONG = "wrong"  # the source of a label that stands in for one that was marked
OWN = "reading"  # the source of a label that a person wrote
LONGEST = 200  # characters of a label

_BEFORE = "before_renaming"  # in what a table says about itself: labels before their first change here

#: From a corpus and the table as it is to the label as it will be; raises InputError where there is nothing
#: to change.
Change = Callable[[Corpus, FeatureLabels], FeatureLabel | None]


@dataclass(frozen=True)
class Changed:
    """Names of the corpora whose label files have the change, and of those that were left, with why."""

    kept: tuple[str, ...]
    left: tuple[tuple[str, str], ...] = ()


def rename(loaded: Loaded, corpus: str, sae: str, feature: int, label: str) -> Changed:
    """Give a feature another label; return which corpora's label files have it now.

    All open corpora of the same SAE are of one mind, so each gets it where it can be written.

    Raises
    ------
    InputError
        If the label is empty or too long.
    LabelError
        If no file can be written.
    """
    label = " ".join(label.split())
    if not label:
        raise InputError("a label has at least one character")
    if len(label) > LONGEST:
        raise InputError(f"a label has {LONGEST} characters at most, not {len(label):,}")

    def change(_: Corpus, known: FeatureLabels) -> FeatureLabel:
        now = known.get(feature)
        if now is None:
            return FeatureLabel(feature, label, source=OWN)
        # what was said and measured of the old label is not true of this one
        return replace(
            now, label=label, description="", source=OWN, score=None, score_method=None, trials=None
        )

    return _change(loaded, corpus, sae, feature, change)


def mark_wrong(loaded: Loaded, corpus: str, sae: str, feature: int) -> Changed:
    """Mark a feature's label as wrong: its words on reference text stand in for it, until it gets another.

    Raises
    ------
    InputError
        If it is marked everywhere already.
    LabelError
        If no file can be written.
    """

    def change(of: Corpus, known: FeatureLabels) -> FeatureLabel:
        now = known.get(feature)
        if now is not None and now.source == WRONG:
            raise InputError(f"the label of feature {feature} is marked as wrong already")
        old = f"feature {feature}" if now is None else now.label
        words = of.calibration(sae).top_words(feature)
        stand_in = f"words such as {', '.join(words[:3])}" if words else f"feature {feature}"
        return FeatureLabel(
            feature,
            stand_in,
            description=f"The label {quoted(old, LONGEST)} was marked as wrong.",
            source=WRONG,
            density=None if now is None else now.density,
            top_words=() if now is None else now.top_words,
        )

    return _change(loaded, corpus, sae, feature, change)


def restore(loaded: Loaded, corpus: str, sae: str, feature: int) -> Changed:
    """Give a feature the label back that it had before its first change here, whoever made that, or none.

    Raises
    ------
    InputError
        If it was not changed here, or was labelled anew since.
    LabelError
        If no file can be written.
    """

    def change(of: Corpus, known: FeatureLabels) -> FeatureLabel | None:
        if not was_changed(known, feature):
            raise InputError(f"the label of feature {feature} has not been changed in the explorer")
        record = _record(known, feature)
        if record is None:  # marked by a version that kept nothing
            return reader_labels(of.spec.sae(sae), of.calibration(sae)).get(feature)
        return _label(feature, record["label"])

    return _change(loaded, corpus, sae, feature, change, back=True)


def was_changed(known: FeatureLabels, feature: int) -> bool:
    """Return whether a feature's label is one that was given here, so that it can be taken back."""
    now = known.get(feature)
    return _record(known, feature) is not None or (now is not None and now.source == WRONG)


# ---- what a label was before -----------------------------------------------------------------------------


def _record(known: FeatureLabels, feature: int) -> Mapping[str, Any] | None:
    """Return what is kept of a feature; None if nothing is, or somebody else labelled it since."""
    records = known.about.get(_BEFORE)
    record = records.get(str(feature)) if isinstance(records, Mapping) else None
    if not isinstance(record, Mapping) or "label" not in record:
        return None
    return record if record.get("now") == known.label(feature) else None


def _plain(label: FeatureLabel) -> dict[str, Any]:
    """Return a label in JSON types; NaN is no JSON."""
    values = asdict(label).items()
    return {key: None if isinstance(v, float) and not math.isfinite(v) else v for key, v in values}


def _label(feature: int, kept: object) -> FeatureLabel | None:
    if kept is None:
        return None
    try:
        if not isinstance(kept, Mapping):
            raise TypeError(kept)
        values: dict[str, Any] = {key: tuple(v) if isinstance(v, list) else v for key, v in kept.items()}
        values["feature"] = feature
        label = FeatureLabel(**values)
        FeatureLabels.from_rows([label])  # the file may be anyone's: its values are of the right types
    except (TypeError, ValueError, AttributeError, LabelError) as error:
        raise LabelError(f"what the label of feature {feature} was before cannot be read") from error
    return label


def _about(known: FeatureLabels, feature: int, changed: FeatureLabel | None, *, back: bool) -> dict[str, Any]:
    """Return what a table says about itself once a label is changed."""
    records = known.about.get(_BEFORE)
    kept = dict(records) if isinstance(records, Mapping) else {}
    record = _record(known, feature)
    if back:
        kept.pop(str(feature), None)
    else:
        now = known.get(feature)
        first = record["label"] if record is not None else None if now is None else _plain(now)
        kept[str(feature)] = {"now": None if changed is None else changed.label, "label": first}
    rest = {key: value for key, value in known.about.items() if key != _BEFORE}
    return {**rest, _BEFORE: kept} if kept else rest


# ---- writing ---------------------------------------------------------------------------------------------


def _change(
    loaded: Loaded, corpus: str, sae: str, feature: int, change: Change, *, back: bool = False
) -> Changed:
    """Make a change wherever it can be; what stands in the way is looked for before the first file."""
    weights = loaded.corpus(corpus).spec.sae(sae).weights_sha256
    kept: list[str] = []
    left: dict[str, str] = {}
    nothing: InputError | None = None
    with loaded.lock:
        todo: list[tuple[str, FeatureLabels, Path]] = []
        for name, other in loaded.corpora.items():
            for spec in other.spec.saes:
                if spec.weights_sha256 != weights:
                    continue
                try:
                    path = _writable(other, spec.name)
                    known = labels_for(other, spec.name)  # as they are now: another process may have written
                    todo.append((name, _changed(other, known, feature, change, back=back), path))
                except InputError as error:
                    nothing = nothing or error
                except (SaetextError, OSError) as error:
                    left[name] = str(error)
        for name, labels, path in todo:
            try:
                labels.write(path)
                kept.append(name)
            except (SaetextError, OSError) as error:
                left[name] = str(error)
    if not kept:
        raise nothing or LabelError("; ".join(dict.fromkeys(left.values())))
    return Changed(tuple(dict.fromkeys(kept)), tuple(left.items()))


def _writable(corpus: Corpus, sae: str) -> Path:
    """Return where a corpus's labels are written."""
    if corpus.elsewhere is not None:
        raise LabelError(f"{corpus.elsewhere} is elsewhere: pull it, and rename in the copy")
    path = corpus_labels_path(corpus.path, corpus.spec, sae)
    if not os.access(path.parent, os.W_OK):
        raise LabelError(f"{path.parent} cannot be written to")
    return path


def _changed(
    corpus: Corpus, known: FeatureLabels, feature: int, change: Change, *, back: bool
) -> FeatureLabels:
    changed = change(corpus, known)
    # what stands in for labels stays out of the file: it is there without it
    rows = [
        row for row in known if row.feature != feature and (row.source != "card" or row.score is not None)
    ]
    if changed is not None and (changed.source != "card" or changed.score is not None):
        rows.append(changed)
    return FeatureLabels.from_rows(rows, _about(known, feature, changed, back=back))
