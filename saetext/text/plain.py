"""What can be seen in texts without a reader: words, counts of format, and how well they tell sets apart.

The baseline for the features. Not for: testing terms (:mod:`saetext.analysis.differences.families`).
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from saetext.text.passages import printable
from saetext.text.words import pattern

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Scale = Literal["max", "log", "tfidf", "standard"]
MOST_TERMS = 50_000
_STRENGTHS = (0.01, 0.1, 1.0, 10.0)  # of the inverse penalty, tried on the training rows


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
        ngram_range=(1, 2), token_pattern=pattern(), min_df=1, dtype=np.float32, lowercase=True
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
    median one. Signs within code and addresses are not counted.
    """
    from scipy import sparse

    words = np.array([len(text.split()) for text in texts], np.float32)
    longer = np.where(words > np.median(words), words, 0) if len(words) else words
    table = np.empty((len(texts), 1 + len(FORMATS)), np.float32)
    table[:, 0] = longer
    for row, text in zip(table, texts, strict=True):
        parts = _parts(text)
        row[1:] = [count(parts) for count in FORMATS.values()]
    return TermMatrix(("longer than the median", *FORMATS), sparse.csr_matrix(table))


@dataclass(frozen=True)
class _Parts:
    """A text taken apart: what stands outside of code and addresses, and how many of those there are."""

    text: str
    prose: str
    code: int
    links: int


def _parts(text: str) -> _Parts:
    r"""Take code and addresses out of a text, so that their signs are not counted as the writer's.

    In ``prose`` lines end in ``\n``, a block or span of code is U+FFFC, and each run of blank lines is a line
    of its own with NUL in it, at which bold, quotations and parentheses end.
    """
    prose = text.replace("\0", " ").replace("\r\n", "\n").replace("\r", "\n")
    prose, blocks = _without_blocks(prose) if "```" in prose or "~~~" in prose else (prose, 0)
    prose = _BLANK_LINES.sub("\n\0\n", prose.strip())
    prose, spans = _without_spans(prose) if "`" in prose else (prose, 0)
    links = 0
    if "](" in prose or "://" in prose:
        prose, links = _LINK.subn(_label, prose)
    return _Parts(text, prose, blocks + spans, links)


_CODE = "\ufffc"
_BLANK_LINES = re.compile(r"\n[^\S\n]*+\n\s*+")
_FENCE = re.compile(r"[ \t>]*+(?:(`{3,}+)[^`]*+|(~{3,}+).*+)$")
# Addresses end before closing punctuation; a destination may hold one level of parentheses.
_LINK = re.compile(
    r"!?\[([^\[\]\0]*+)\]\((?!\))(?=[^()\s]*+(?:\([^()\s]*+\)[^()\s]*+)*+(?:[ \t]++[\"'][^()\n]*+)?\))"
    r"[^()\n]*+(?:\([^()\n]*+\)[^()\n]*+)*+\)"
    r"|(?i:https?)://[^\s<>()\[\]{}|\"“”.,;:!?*_]++(?:[.,;:!?*_]++[^\s<>()\[\]{}|\"“”.,;:!?*_]++)*+"
)


def _label(link: re.Match[str]) -> str:
    return link[1] or _CODE


def _without_blocks(text: str) -> tuple[str, int]:
    """Put U+FFFC for fenced blocks; as in Markdown, one without an end goes to the end of the text."""
    blocks, kept, fence = 0, [], ""
    for line in text.split("\n"):
        if fence:
            inner = line.strip(" \t>")
            if len(inner) >= len(fence) and inner == fence[0] * len(inner):
                fence = ""
        elif ("```" in line or "~~~" in line) and (opening := _FENCE.match(line)):
            fence = opening[1] or opening[2]
            blocks += 1
            kept.append(_CODE)
        else:
            kept.append(line)
    return "\n".join(kept), blocks


def _without_spans(text: str) -> tuple[str, int]:
    """Put U+FFFC for code between runs of backticks of one length in one paragraph."""
    runs = list(re.finditer(r"`++|\0", text))
    closing = [-1] * len(runs)
    waiting: dict[int, int] = {}
    for at in range(len(runs) - 1, -1, -1):
        if runs[at][0] == "\0":
            waiting = {}
            continue
        length = runs[at].end() - runs[at].start()
        closing[at] = waiting.get(length, -1)
        waiting[length] = at
    kept, start, spans, at = [], 0, 0, 0
    while at < len(runs):
        if (end := closing[at]) < 0:
            at += 1
            continue
        kept += [text[start : runs[at].start()], _CODE]
        start, spans, at = runs[end].end(), spans + 1, end + 1
    return "".join([*kept, text[start:]]), spans


def _matches(pattern: str, flags: int = 0) -> Callable[[_Parts], int]:
    compiled = re.compile(pattern, flags)
    return lambda parts: sum(1 for _ in compiled.finditer(parts.prose))


_RULE = r"(?:[-*_][ \t]*+){3,}+$"
_ITEM = rf"^[ \t>]*+(?!{_RULE})(?:[-*][ \t]|•|\d{{1,3}}+[.)][ \t])"
_HASHES = r"^[ \t>]*+\#{1,6}+[ \t]++\S"
_ROW = r"^[ \t>]*+(?=[|:\- \t]*+[^|:\-\s])\|(?:[^|\n]*+\|)++[ \t]*+$"
_WHOLLY_BOLD = (
    r"^[ \t>]*+(?:\*\*(?![\s*])[^*\n]++(?<!\s)\*\*|__(?![\s_])[^_\n]++(?:_[^_\n]++)*+(?<!\s)__):?[ \t]*+$"
)
_UNDERLINE = re.compile(r"^[ \t]{0,3}+(?:={3,}+|-{3,}+)[ \t]*+$", re.M)
_NO_TITLE = re.compile(rf"{_RULE}|={{3,}}|[\0{_CODE}]$|\s*+\||{_ITEM}|{_HASHES}|{_WHOLLY_BOLD}")
_marked = _matches(f"{_HASHES}|{_WHOLLY_BOLD}", re.M)


def _headings(parts: _Parts) -> int:
    """Lines that begin with #, are wholly bold, or have a line of = or - under them."""
    found, text = _marked(parts), parts.prose
    for line in _UNDERLINE.finditer(text):
        above = text[text.rfind("\n", 0, max(line.start() - 1, 0)) + 1 : max(line.start() - 1, 0)]
        found += bool(above.strip()) and not _NO_TITLE.match(above)
    return found


def _capitals(parts: _Parts) -> int:
    return sum(word.isupper() for word in re.findall(r"(?<!\w)[^\W\d_]{3,}+(?!\w)", parts.prose))


# Emoji of Unicode 16: those shown as pictures by themselves below U+1F000, those that need U+FE0F or a skin
# tone for it, and all pictographs above; tests hold them against the property.
_PICTURE = (
    "\u231a\u231b\u23e9-\u23ec\u23f0\u23f3\u25fd\u25fe\u2614\u2615\u2648-\u2653\u267f\u2693\u26a1\u26aa\u26ab\u26bd"
    "\u26be\u26c4\u26c5\u26ce\u26d4\u26ea\u26f2\u26f3\u26f5\u26fa\u26fd\u2705\u270a\u270b\u2728\u274c\u274e\u2753-\u2755"
    "\u2757\u2795-\u2797\u27b0\u27bf\u2b1b\u2b1c\u2b50\u2b55\U0001f004\U0001f0cf\U0001f18e\U0001f191-\U0001f19a"
    "\U0001f201\U0001f21a\U0001f22f\U0001f232-\U0001f236\U0001f238-\U0001f23a\U0001f250\U0001f251"
    "\U0001f300-\U0001f64f\U0001f680-\U0001f6ff\U0001f7e0-\U0001f7eb\U0001f7f0\U0001f90c-\U0001f93a"
    "\U0001f93c-\U0001f945\U0001f947-\U0001f9ff\U0001fa70-\U0001faff"
)
_SIGN = "\u00a9\u00ae\u203c-\u3299\U0001f170-\U0001f171\U0001f17e-\U0001f17f\U0001f202\U0001f237"
_TONE = "\U0001f3fb-\U0001f3ff"
_EMOJI = (
    rf"[0-9#*]\ufe0f?\u20e3|[\U0001f1e6-\U0001f1ff]{{1,2}}+"
    rf"|(?:[{_PICTURE}]|[{_SIGN}](?=[\ufe0f{_TONE}]))\ufe0f?+[{_TONE}]?+[\U000e0020-\U000e007f]*+"
    rf"(?:\u200d[{_PICTURE}{_SIGN}]\ufe0f?+[{_TONE}]?+)*+"
)

_pictures = _matches(_EMOJI)


def _emoji(parts: _Parts) -> int:
    return 0 if parts.prose.isascii() else _pictures(parts)


FORMATS: dict[str, Callable[[_Parts], int]] = {
    "list item": _matches(_ITEM, re.M),
    "heading": _headings,
    "code": lambda parts: parts.code,
    "bold": _matches(
        r"\*\*(?![\s*\0])[^*\0]++(?:\*(?!\*)[^*\0]*+)*(?<!\s)\*\*"
        r"|(?<!\w)__(?![\s_\0])[^_\0]++(?:_(?!_)[^_\0]*+)*(?<!\s)__(?!\w)"
    ),
    "question mark": _matches("[?？؟]"),
    "exclamation mark": _matches("[!！](?!=)"),
    "emoji": _emoji,
    "table row": _matches(_ROW, re.M),
    "link": lambda parts: parts.links,
    "quotation": _matches(r'(?<!\w)"(?!\s)[^"\0]++(?<!\s)"|“[^“”\0]++”'),
    "word in capitals": _capitals,
    "number": _matches(r"\d++"),
    "parenthesis": _matches(r"[(（][^()（）\0]++[)）]"),
    "semicolon or dash": _matches("[;；–—]"),
    "paragraph break": _matches(r"\0"),
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

    seen, unseen = matrix[fit], matrix[held]
    for part in (seen, unseen):
        part.eliminate_zeros()  # of a stored zero tf-idf would take the logarithm
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
        model.fit(seen, side[fit] == 0)
        return float(roc_auc_score(side[held] == 0, model.decision_function(unseen)))


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
