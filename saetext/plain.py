"""What can be seen in texts without a reader: words, counts of format, and how well they tell sets apart.

The yardstick beside the features. Not for: testing terms (:mod:`saetext.diff.families`).
"""

from __future__ import annotations

import re
import unicodedata
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from saetext.evidence import printable

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Scale = Literal["max", "log", "tfidf", "standard"]
MOST_TERMS = 50_000
_STRENGTHS = (0.01, 0.1, 1.0, 10.0)  # of the inverse penalty, tried on the training rows
_WORD = r"(?u)\b\w[\w'’]*"


@dataclass(frozen=True, eq=False)
class TermMatrix:
    """Terms by document.

    Attributes
    ----------
    names : tuple of str
        What the columns are called, printable.
    matrix : csr_matrix
        float32[documents, terms]; above 0 where a document has the term.
    """

    names: tuple[str, ...]
    matrix: csr_matrix


def word_matrix(texts: Sequence[str], *, min_documents: int, most: int = MOST_TERMS) -> TermMatrix:
    """Count words and pairs of neighbouring words, in lower case.

    Parameters
    ----------
    texts : sequence of str
        The documents.
    min_documents : int
        Documents a term must be in.
    most : int
        Terms to keep, those in most documents first.
    """
    from scipy import sparse
    from sklearn.feature_extraction.text import CountVectorizer

    vectorizer = CountVectorizer(
        ngram_range=(1, 2), token_pattern=_WORD, min_df=1, dtype=np.float32, lowercase=True
    )
    try:
        counts = vectorizer.fit_transform(texts)
    except ValueError:  # no text has a word
        return TermMatrix((), sparse.csr_matrix(np.zeros((len(texts), 0), np.float32)))
    in_documents = np.bincount(counts.indices, minlength=counts.shape[1])
    kept = np.flatnonzero(in_documents >= max(min_documents, 1))
    kept = np.sort(kept[np.argsort(-in_documents[kept], kind="stable")[:most]])
    names = vectorizer.get_feature_names_out()
    return TermMatrix(tuple(printable(names[i]) for i in kept), sparse.csr_matrix(counts[:, kept]))


def format_matrix(texts: Sequence[str]) -> TermMatrix:
    """Count what a text looks like: lists, headings, code, bold, questions, emoji and so on.

    ``longer than the median`` is above 0, and then the number of words, in documents with more words than the
    median one.
    """
    from scipy import sparse

    words = np.array([len(text.split()) for text in texts], np.float32)
    longer = np.where(words > np.median(words), words, 0) if len(words) else words
    columns = [longer]
    columns += [np.array([count(text) for text in texts], np.float32) for count in FORMATS.values()]
    table = np.stack(columns, axis=1).astype(np.float32)
    return TermMatrix(("longer than the median", *FORMATS), sparse.csr_matrix(table))


def _matches(pattern: str, flags: int = 0) -> Callable[[str], int]:
    compiled = re.compile(pattern, flags)
    return lambda text: sum(1 for _ in compiled.finditer(text))


def _headings(text: str) -> int:
    """Lines that begin with #, are wholly bold, or have a line of = or - under them."""
    found, before = 0, ""
    for line in text.splitlines():
        stripped = line.strip()
        marks = len(stripped) - len(stripped.lstrip("#"))
        if 1 <= marks <= 6 and stripped[marks : marks + 1] == " ":
            found += 1
        elif len(stripped) > 4 and stripped.startswith("**") and stripped.rstrip(":").endswith("**"):
            found += "**" not in stripped[2:].rstrip(":")[:-2]
        elif len(stripped) >= 3 and before and (set(stripped) == {"="} or set(stripped) == {"-"}):
            found += 1
        before = stripped
    return found


def _code(text: str) -> int:
    """Fenced blocks and spans between single backticks on one line."""
    blocks, outside, inside = 0, [], False
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            inside = not inside
            blocks += inside
        elif not inside:
            outside.append(line)
    return blocks + sum(sum(1 for part in line.split("`")[1:-1:2] if part.strip()) for line in outside)


def _pairs(mark: str) -> Callable[[str], int]:
    def count(text: str) -> int:
        found = 0
        for line in text.splitlines():
            if mark in line:
                inside = line.split(mark)[1:-1:2]
                found += sum(1 for part in inside if part and part == part.strip())
        return found

    return count


_BOLD = (_pairs("**"), _pairs("__"))


def _quotations(text: str) -> int:
    straight = sum(sum(1 for part in line.split('"')[1:-1:2] if part.strip()) for line in text.splitlines())
    return straight + min(text.count("“"), text.count("”"))


def _tables(text: str) -> int:
    return sum(1 for line in text.splitlines() if line.strip().startswith("|") and line.count("|") >= 3)


def _emoji(text: str) -> int:
    """Pictographs; skin tones, variation selectors and joined sequences count as the one they belong to."""
    found, joined = 0, False
    for character in text:
        code = ord(character)
        if code < 0x2190:
            joined = joined and character == "\u200d"
            if character == "\u200d":
                joined = True
            continue
        if character in "\ufe0f\ufe0e" or 0x1F3FB <= code <= 0x1F3FF:
            continue
        pictograph = (
            0x1F000 <= code <= 0x1FAFF or 0x2600 <= code <= 0x27BF or 0x2B00 <= code <= 0x2BFF
        ) and unicodedata.category(character) == "So"
        found += pictograph and not joined
        joined = False
    return found


def _links(text: str) -> int:
    bare = text.count("http://") + text.count("https://")
    # [words](address) whose address is not counted already
    marked = 0
    for piece in text.split("](")[1:]:
        address = piece[:2000].partition(")")
        marked += bool(address[1]) and " " not in address[0] and not address[0].startswith("http")
    return bare + marked


FORMATS: dict[str, Callable[[str], int]] = {
    "list item": _matches(r"^[ \t]{0,8}(?:[-*•][ \t]|\d{1,3}[.)][ \t])", re.M),
    "heading": _headings,
    "code": _code,
    "bold": lambda text: sum(count(text) for count in _BOLD),
    "question mark": lambda text: text.count("?"),
    "exclamation mark": lambda text: text.count("!"),
    "emoji": _emoji,
    "table row": _tables,
    "link": _links,
    "quotation": _quotations,
    "word in capitals": _matches(r"\b[A-Z]{3,}\b"),
    "number": _matches(r"\d+"),
    "parenthesis": lambda text: text.count("("),
    "semicolon or dash": lambda text: text.count(";") + text.count("–") + text.count("—"),
    "paragraph break": _matches(r"\n[ \t]{0,8}\n"),
}


def separation(
    matrix: csr_matrix,
    side: NDArray[np.int8],
    train: NDArray[np.bool_],
    *,
    scale: Scale,
    seed: int = 0,
    most: int = 4000,
) -> float | None:
    """Return how well a linear model fitted on some rows separates the sets on the others.

    A logistic regression with an L2 penalty whose strength is chosen by cross-validation within the training
    rows; scaling too is learned from those alone.

    Parameters
    ----------
    matrix : csr_matrix
        Rows by terms, at least 0.
    side : int8[n]
        0 for A, 1 for B.
    train : bool[n]
        Rows the model is fitted on.
    scale : {"max", "log", "tfidf", "standard"}
        Each column divided by its maximum; the same after log(1 + x); sublinear tf-idf; or log(1 + x) with
        mean 0 and variance 1.
    seed : int
        For the choice of rows, if there are more than ``most`` of either kind.
    most : int
        Rows of each kind that are used.

    Returns
    -------
    float or None
        AUC, None where the rows of either kind lack a set.
    """
    rng = np.random.default_rng(seed)
    fit, held = (np.flatnonzero(which) for which in (train, ~train))
    fit, held = (np.sort(rng.permutation(rows)[:most]) for rows in (fit, held))
    counts = np.bincount(side[fit] == 0, minlength=2)
    if len(np.unique(side[held])) < 2 or counts.min() < 1 or not matrix.shape[1]:
        return None
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GridSearchCV, StratifiedKFold
    from sklearn.pipeline import make_pipeline

    model: Any = make_pipeline(
        *_scaling(scale), LogisticRegression(solver="liblinear", max_iter=200, random_state=0)
    )
    folds = min(3, int(counts.min()))
    strengths = {"logisticregression__C": list(_STRENGTHS)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a fit that has not converged: it is a yardstick
        if folds > 1:
            split = StratifiedKFold(folds, shuffle=True, random_state=0)
            model = GridSearchCV(model, strengths, scoring="roc_auc", cv=split)
        model.fit(matrix[fit], side[fit] == 0)
        return float(roc_auc_score(side[held] == 0, model.decision_function(matrix[held])))


def _scaling(scale: Scale) -> list[Any]:
    from sklearn.feature_extraction.text import TfidfTransformer
    from sklearn.preprocessing import FunctionTransformer, MaxAbsScaler, StandardScaler

    log = FunctionTransformer(_log1p, accept_sparse=True)
    steps: dict[str, list[Any]] = {
        "max": [MaxAbsScaler()],
        "log": [log, MaxAbsScaler()],
        "tfidf": [TfidfTransformer(sublinear_tf=True)],
        "standard": [log, FunctionTransformer(_dense, accept_sparse=True), StandardScaler()],
    }
    return steps[scale]


def _log1p(matrix: Any) -> Any:
    return matrix.log1p()


def _dense(matrix: Any) -> Any:
    return matrix.toarray()
