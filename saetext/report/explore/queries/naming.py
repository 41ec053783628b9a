"""Renaming a feature, marking its label as wrong, and taking that back, in the corpora's own label files.

As ``saetext label`` keeps them, so that every command and page shows it at once. Not for: making labels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from saetext.corpus import Corpus
from saetext.errors import InputError, LabelError
from saetext.features.known_labels import corpus_labels_path, labels_for, reader_labels
from saetext.features.labels import FeatureLabel, FeatureLabels
from saetext.report.explore.loaded import Loaded
from saetext.text.one_line import quoted

WRONG = "wrong"  # the source of a label that stands in for one that was marked
OWN = "reading"  # the source of a label that a person wrote
LONGEST = 200  # characters of a label

#: From a corpus and the label as it is to the label as it will be.
Change = Callable[[Corpus, FeatureLabel | None], FeatureLabel | None]


def rename(loaded: Loaded, corpus: str, sae: str, feature: int, label: str) -> list[str]:
    """Give a feature another label; return the names of the corpora whose label files have it now.

    All open corpora of the same SAE are of one mind, so each gets it.

    Raises
    ------
    InputError
        If the label is empty or too long.
    LabelError
        If a file cannot be written.
    """
    label = " ".join(label.split())
    if not label:
        raise InputError("a label has at least one character")
    if len(label) > LONGEST:
        raise InputError(f"a label has {LONGEST} characters at most, not {len(label):,}")

    def change(_: Corpus, now: FeatureLabel | None) -> FeatureLabel:
        if now is None:
            return FeatureLabel(feature, label, source=OWN)
        # what was said and measured of the old label is not true of this one
        return replace(
            now, label=label, description="", source=OWN, score=None, score_method=None, trials=None
        )

    return _change(loaded, corpus, sae, feature, change)


def mark_wrong(loaded: Loaded, corpus: str, sae: str, feature: int) -> list[str]:
    """Mark a feature's label as wrong: its words on reference text stand in for it, until it gets another.

    Raises
    ------
    InputError
        If it is marked already.
    LabelError
        If a file cannot be written.
    """

    def change(of: Corpus, now: FeatureLabel | None) -> FeatureLabel:
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


def restore(loaded: Loaded, corpus: str, sae: str, feature: int) -> list[str]:
    """Give a feature the label back that came with the reader, or none."""

    def change(of: Corpus, now: FeatureLabel | None) -> FeatureLabel | None:
        return reader_labels(of.spec.sae(sae), of.calibration(sae)).get(feature)

    return _change(loaded, corpus, sae, feature, change)


def _change(loaded: Loaded, corpus: str, sae: str, feature: int, change: Change) -> list[str]:
    weights = loaded.corpus(corpus).spec.sae(sae).weights_sha256
    done = []
    with loaded.lock:
        for name, other in loaded.corpora.items():
            for spec in other.spec.saes:
                if spec.weights_sha256 == weights:
                    _write(other, spec.name, feature, change)
                    done.append(name)
    return list(dict.fromkeys(done))


def _write(corpus: Corpus, sae: str, feature: int, change: Change) -> None:
    if corpus.elsewhere is not None:
        raise LabelError(f"{corpus.elsewhere} is elsewhere: pull it, and rename in the copy")
    known = labels_for(corpus, sae)  # as they are now: another process may have written
    changed = change(corpus, known.get(feature))
    # what stands in for labels stays out of the file: it is there without it
    rows = [
        row for row in known if row.feature != feature and (row.source != "card" or row.score is not None)
    ]
    if changed is not None and (changed.source != "card" or changed.score is not None):
        rows.append(changed)
    FeatureLabels.from_rows(rows, known.about).write(corpus_labels_path(corpus.path, corpus.spec, sae))
