"""What a shift moves: features with their labels, and how far the hidden states go. Not for: fitting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import saetext.reader.stack  # noqa: F401 - says what is missing

import numpy as np
import polars as pl
import torch
from torch import Tensor

from saetext.features.labels import FeatureLabels
from saetext.intervene.shifts.answering import Put
from saetext.intervene.shifts.change import Change, change_of
from saetext.intervene.shifts.fitting import Material
from saetext.intervene.shifts.panel import joined
from saetext.intervene.shifts.saved import Shift
from saetext.intervene.shifts.tables import FEATURES


def features_table(shift: Shift, labels: FeatureLabels, decoder: Tensor) -> pl.DataFrame:
    """Return the features that moved, by group, those that move the hidden states furthest first."""
    lengths = decoder.norm(dim=1).cpu().numpy()
    shared = (shift.delta != 0).sum(axis=0)
    rows: list[dict[str, Any]] = []
    for number, group in enumerate(shift.groups):
        delta = shift.delta[number]
        there = np.flatnonzero(delta)
        repeats = shift.repeats[number] if shift.repeats else ()
        times = dict(zip(there.tolist(), repeats, strict=False))
        fits = int(shift.params.get("repeats", 1))
        for feature in sorted(there.tolist(), key=lambda f: (-abs(delta[f]) * lengths[f], f)):
            label = labels.get(feature)
            rows.append(
                {
                    "group": group,
                    "feature": feature,
                    "label": None if label is None else label.label,
                    "delta": float(delta[feature]),
                    "length": float(abs(delta[feature]) * lengths[feature]),
                    "repeats": times[feature] / fits if fits > 1 and feature in times else None,
                    "groups": int(shared[feature]),
                }
            )
    return pl.DataFrame(rows, schema=FEATURES)


def length_under(material: Material, puts: Sequence[Put], value: Tensor) -> float:
    """Return the root mean square of a shift's displacement over that of the hidden states."""
    return displacement(material, puts, change_of(value, material.panel.decoder))


def displacement(material: Material, puts: Sequence[Put], change: Change) -> float:
    """Return the root mean square displacement under a change over that of the hidden states."""
    total, n = 0.0, 0
    with torch.no_grad():
        for start in range(0, len(puts), material.panel.batch):
            tokens = joined([put.kept for put in puts[start : start + material.panel.batch]])
            total += float(change(tokens).square().sum(dim=-1).double().sum())
            n += len(tokens)
    return float((total / max(n, 1) / material.mean_square) ** 0.5)
