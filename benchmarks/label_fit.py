"""Fit the model of saetext.features.peaks.fit, and say how often it is right.

    python benchmarks/label_fit.py [results/label_fit.csv]

The table has a row for each feature that leads a comparison: its signals, and whether a reader who saw the
label and seven of its peaks in those texts found that the label describes what it does in most of them. The
comparisons are of answers of two small models, polite and impolite requests, film reviews and dialogues,
praise and blame of films, articles at two reading levels, business and world news, base and tuned answers to
instructions, and grateful and annoyed comments. To measure, the features are cut by parity, so that none is
in both halves: one half fits the coefficients and sets the threshold, the other is counted. The coefficients
that are used are then fitted on all rows.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saetext.features.peaks import fit

TABLE = Path(__file__).parent / "results" / "label_fit.csv"
PENALTY = 3.0  # scikit-learn's C
AIMED_AT = 0.8  # precision that the threshold is to have on the half that sets it


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", type=Path, nargs="?", default=TABLE)
    rows = read(parser.parse_args().table)
    truth = np.array([row["fits"] for row in rows]).astype(bool)
    odd = np.array([int(row["feature"]) % 2 for row in rows]).astype(bool)
    print(f"{len(rows)} rows, {truth.sum()} fit")
    for names in (("said",), ("known",), ("coverage",), ("strength",), ("alike",)):
        print(f"AUC of {names[0]}: {auc(columns(rows, names)[:, 0], truth):.2f}")
    for title, more in (("as used", ()), ("and similarity of label and words as sentences", ("alike",))):
        names = (*(name for name in fit.WEIGHTS if name != "constant"), *more)
        x = columns(rows, names)
        print(f"{title}: {coefficients(names, x, truth)}")
        for half in (False, True):
            told = predicted(names, coefficients(names, x[odd == half], truth[odd == half]), x)
            fitted, held = odd == half, odd != half
            least = threshold(told[fitted], truth[fitted])
            for value in (least, fit.LEAST):
                passed = told[held] >= value
                print(
                    f"  held-out {'odd' if not half else 'even'}: n {held.sum()}, AUC "
                    f"{auc(told[held], truth[held]):.2f}, at {value:.2f} {passed.sum()} pass, precision "
                    f"{truth[held][passed].mean():.2f}, recall {passed[truth[held]].mean():.2f}"
                )


def read(path: Path = TABLE) -> list[dict[str, Any]]:
    """Return the rows of the table, numbers as floats."""
    with path.open(encoding="utf-8") as file:
        return [
            {key: text if key == "comparison" else float(text) for key, text in row.items()}
            for row in csv.DictReader(file)
        ]


def columns(rows: list[dict[str, Any]], names: tuple[str, ...]) -> NDArray[np.float64]:
    """float64[rows, names]."""
    return np.array([[row[name] for name in names] for row in rows], np.float64)


def coefficients(
    names: tuple[str, ...], x: NDArray[np.float64], truth: NDArray[np.bool_]
) -> dict[str, float]:
    """Return what logistic regression finds, rounded to two digits."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=PENALTY, max_iter=5000, tol=1e-8).fit(x, truth)
    found = dict(zip(names, model.coef_[0].tolist(), strict=True))
    return {
        name: round(value, 2) for name, value in (found | {"constant": float(model.intercept_[0])}).items()
    }


def predicted(
    names: tuple[str, ...], weights: dict[str, float], x: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the probabilities."""
    total: NDArray[np.float64] = x @ np.array([weights[name] for name in names]) + weights["constant"]
    return 1 / (1 + np.exp(-total))


def threshold(told: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    """Return the smallest probability, in steps of .05, from which on precision is what it is to be."""
    for value in np.arange(0.3, 0.96, 0.05):
        passed = told >= value
        if passed.any() and truth[passed].mean() >= AIMED_AT:
            return float(value)
    return 0.95


def auc(value: NDArray[np.float64], truth: NDArray[np.bool_]) -> float:
    """Return how often a row that fits has the larger value, ties half."""
    return float((np.sign(value[truth][:, None] - value[~truth][None, :]) / 2 + 0.5).mean())


if __name__ == "__main__":
    main()
