"""Learn a query from examples: a logistic regression on the features, kept to its largest weights.

The penalty is on squares, and all but the 200 largest weights are then left out. An L1 penalty keeps fewer,
but finds less from five examples: average precision .20 against .24 on development properties.
Documents that were not named stand for what the examples are not. Not for: scoring a corpus with the query.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.search.query import Clause, FeatureQuery, Term
from saetext.analysis.search.scoring import CAP, Scorer
from saetext.errors import InputError
from saetext.features.labels import FeatureLabels

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

    from saetext.corpus import Corpus

BACKGROUND = 1000  # documents drawn to stand for the rest
STRENGTHS = (0.003, 0.01, 0.03, 0.1, 0.3)  # inverse regularisation that cross-validation chooses from
MOST = 200  # features of a learnt query
_DEFAULT = 0.003  # where there are too few examples to cross-validate
_FOLDS = 5


@dataclass(frozen=True)
class Examples:
    """Rows of a whole corpus to learn from."""

    like: tuple[int, ...]
    unlike: tuple[int, ...] = ()


def learn(
    corpus: Corpus,
    sae: str,
    scorer: Scorer,
    examples: Examples,
    labels: FeatureLabels,
    *,
    seed: int = 0,
) -> FeatureQuery:
    """Return a query that tells the examples from others.

    Parameters
    ----------
    corpus : Corpus
        The whole corpus.
    sae : str
        Which SAE.
    scorer : Scorer
        Of this corpus and SAE.
    examples : Examples
        What documents should be like, and unlike.
    labels : FeatureLabels
        For the query's terms.
    seed : int
        Of the background and the folds.

    Raises
    ------
    InputError
        If there are no examples, one is named twice, or they have no feature in common with nothing.
    """
    like, unlike = list(dict.fromkeys(examples.like)), list(dict.fromkeys(examples.unlike))
    if not like:
        raise InputError("name documents to be like with --like")
    if both := set(like) & set(unlike):
        name = corpus.document(min(both))["id"]
        raise InputError(f"document {name!r} cannot be both like and unlike")
    rng = np.random.default_rng(seed)
    rest = rng.permutation(scorer.n_documents)[: BACKGROUND + len(like) + len(unlike)]
    rest = rest[~np.isin(rest, [*like, *unlike])][:BACKGROUND]
    if not len(rest) and not unlike:
        raise InputError("every document of the corpus is an example: there is nothing to tell them from")
    rows = np.concatenate([like, unlike, rest]).astype(np.int64)
    matrix, features = _matrix(corpus, sae, scorer, rows, n_examples=len(like) + len(unlike))
    if not len(features):
        raise InputError("the examples have no features: nothing can be learnt from them")
    target = np.zeros(len(rows), bool)
    target[: len(like)] = True
    # both sides weigh the same; those named as unlike together as much as the background
    weight = np.ones(len(rows))
    sides = [part for part in (len(unlike), len(rest)) if part]
    weight[len(like) :] = np.repeat([len(like) / len(sides) / part for part in sides], sides)
    named = np.arange(len(rows)) < len(like) + len(unlike)
    strength, auc = _choose(matrix, target, named, weight, rng)
    coefficients = _fit(matrix, target, weight, strength)
    largest = np.lexsort((features, -np.abs(coefficients)))[:MOST]
    kept = np.sort(largest[coefficients[largest] != 0])
    if not len(kept):
        raise InputError("the examples are like all other documents: nothing can be learnt from them")
    most = float(np.abs(coefficients[kept]).max(initial=0.0)) or 1.0
    order = kept[np.lexsort((features[kept], -np.abs(coefficients[kept])))]
    terms = tuple(
        Term(
            int(features[at]), float(coefficients[at]) / most, scorer.scale(int(features[at])),
            labels.label(int(features[at])), share=int(scorer.frequency[features[at]]) / scorer.n_documents,
        )
        for at in order
    )  # fmt: skip
    about: dict[str, Any] = {
        "learnt_from": {
            "like": [corpus.document(row)["id"] for row in like],
            "unlike": [corpus.document(row)["id"] for row in unlike],
            "background": len(rest),
            "corpus": corpus.fingerprint,
            "seed": seed,
        },
        "strength": strength,
        "auc": auc,
    }
    return FeatureQuery((Clause(terms, "examples"),), about)


def _matrix(
    corpus: Corpus, sae: str, scorer: Scorer, rows: NDArray[np.int64], n_examples: int
) -> tuple[csr_matrix, NDArray[np.int64]]:
    """Return rows x features of the examples (the first rows), as a query counts them, and those features."""
    from scipy.sparse import csr_matrix

    order = np.argsort(rows)
    found = corpus.select(rows[order]).csr("max", sae)[np.argsort(order)]
    features = np.unique(found[:n_examples].indices).astype(np.int64)
    found = found[:, features]
    scale = np.array([scorer.scale(int(feature)) for feature in features])
    data = np.minimum(found.data / scale[found.indices], CAP) if len(features) else found.data
    return csr_matrix((data, found.indices, found.indptr), shape=found.shape), features


def _choose(
    matrix: csr_matrix,
    target: NDArray[np.bool_],
    named: NDArray[np.bool_],
    weight: NDArray[np.float64],
    rng: np.random.Generator,
) -> tuple[float, float | None]:
    """Return the strength whose probes rank held-out examples best, and their AUC; a default below three.

    Each probe knows the features of its own examples only, as the final one does: those that only a held-out
    example has would count against it, since the rest has them and the other examples do not.
    """
    from sklearn.metrics import roc_auc_score

    first = _first_of_copies(matrix)
    different = first == np.arange(len(first))
    n = int((target & different).sum())
    if n < 3:
        return _DEFAULT, None
    folds = min(_FOLDS, n)
    fold = np.empty(len(target), np.int64)
    for side in (target & different, ~target & different):
        fold[side] = rng.permutation(np.arange(int(side.sum())) % folds)
    fold = fold[first]  # a copy of an example would rank high because it was learnt from
    best = (-1.0, _DEFAULT)
    for strength in STRENGTHS:
        scores = np.empty(folds)
        for held in range(folds):
            test = fold == held
            if target[test].all():  # hardly any background: nothing to rank against
                return _DEFAULT, None
            known = matrix[:, np.unique(matrix[~test & named].indices)]
            fitted = _fit(known[~test], target[~test], weight[~test], strength)
            scores[held] = roc_auc_score(target[test], known[test] @ fitted)
        if scores.mean() > best[0] + 1e-9:  # of equal ones the simplest
            best = (float(scores.mean()), strength)
    return best[1], best[0]


def _first_of_copies(matrix: csr_matrix) -> NDArray[np.int64]:
    """int64[n]: the first row that has the same entries as each row, itself where there is none before it."""
    first: dict[bytes, int] = {}
    found = np.empty(matrix.shape[0], np.int64)
    for row in range(matrix.shape[0]):
        part = slice(matrix.indptr[row], matrix.indptr[row + 1])
        key = matrix.indices[part].tobytes() + matrix.data[part].tobytes()
        found[row] = first.setdefault(key, row) if key else row
    return found


def _fit(
    matrix: csr_matrix, target: NDArray[np.bool_], weight: NDArray[np.float64], strength: float
) -> NDArray[np.float64]:
    """Return float64[n_features]: the coefficients of a weighted logistic regression with a ridge."""
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(l1_ratio=0.0, solver="liblinear", C=strength, max_iter=1000, random_state=0)
    fitted = model.fit(matrix, target, sample_weight=weight)
    found: NDArray[np.float64] = fitted.coef_[0].astype(np.float64)
    return found
