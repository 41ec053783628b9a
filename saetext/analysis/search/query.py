"""FeatureQuery: weighted features that documents are scored by; edited, saved and read back as JSON.

Not for: finding the features (:mod:`saetext.analysis.search.asking`, :mod:`saetext.analysis.search.probe`)
or scoring with them (:mod:`saetext.analysis.search.scoring`).
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from saetext.analysis.search.framing import without_kind
from saetext.analysis.search.negation import cut_negation, masked, unquoted
from saetext.errors import IncompatibleError, InputError
from saetext.io.json_file import load
from saetext.io.opener import LARGE, why
from saetext.io.shape import INT32, Flag, List, Maybe, Number, Record, Table, Text, Whole, check
from saetext.text.one_line import about, quoted

if TYPE_CHECKING:
    import polars as pl

    from saetext.corpus.spec import SaeSpec

KIND = "saetext query"
_VERSION = 1
_LINE = Text(longest=10_000)
_SHARE = Maybe(Number())
_TERM = Record(
    {"feature": Whole(0, INT32), "weight": Number(), "scale": Number(0, above=True)},
    {"label": _LINE, "similarity": _SHARE, "likeness": _SHARE, "read": _SHARE, "share": _SHARE},
)
_CLAUSE = Record(
    {"terms": List(_TERM, most=1_000_000)}, {"text": Text(), "negated": Flag(), "missing": Number(0)}
)
_VERSIONED = Record({"version": Whole(1, INT32)})
_FILE = Record(
    {
        "clauses": List(_CLAUSE, most=10_000),
        "reader": Record({}, {"sae": _LINE, "weights_sha256": _LINE}),
        "about": Table(),
    }
)
_OPERATOR = re.compile(r"\s*\b(AND NOT|AND|NOT)\b\s*")
_EDIT = re.compile(r"\s*(-?)\s*(\d+)\s*(?::\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?))?\s*")


@dataclass(frozen=True, repr=False)
class Term:
    """A feature of a query.

    Attributes
    ----------
    feature : int
        Its index.
    weight : float
        What a document gains where the feature is as strong as ``scale``; below zero it loses.
    scale : float
        An activation that counts as full strength: the 90th percentile of the feature's non-zero values.
    label : str
        Its label.
    similarity : float or None
        Cosine of the label and the words asked for, where that is how it was found.
    read : float or None
        How strongly it fires on the words themselves, relative to ``scale``, where it does.
    share : float or None
        Share of the documents it is present in.
    """

    feature: int
    weight: float
    scale: float
    label: str = ""
    similarity: float | None = None
    read: float | None = None
    share: float | None = None

    def __repr__(self) -> str:
        return about(self, f"{self.weight:+.2f} x feature {self.feature} {quoted(self.label)}")


@dataclass(frozen=True, repr=False)
class Clause:
    """One question of several.

    Attributes
    ----------
    terms : tuple of Term
        The features asked for, as far as the corpus has them.
    text : str
        The words they were found by; may be empty.
    negated : bool
        Whether documents should be unlike it.
    missing : float
        Sum of the weights of features asked for that no document of the corpus has.
    """

    terms: tuple[Term, ...]
    text: str = ""
    negated: bool = False
    missing: float = 0.0

    @property
    def full(self) -> float:
        """What a document would gain that has all features asked for at full strength."""
        return self.missing + sum(term.weight for term in self.terms if term.weight > 0)

    def __repr__(self) -> str:
        said = f"{'NOT ' if self.negated else ''}{quoted(self.text)}, " if self.text else ""
        return about(self, f"{said}{len(self.terms):,} features{_strongest(self.terms)}")

    def term(self, feature: int) -> Term | None:
        """Return the term of a feature, or None."""
        return next((term for term in self.terms if term.feature == feature), None)


@dataclass(frozen=True, repr=False)
class FeatureQuery:
    """What documents are scored by: the weakest of its clauses, less what is negated.

    Attributes
    ----------
    clauses : tuple of Clause
        With one clause, a document's score is the sum over its features. With several, each clause's scores
        are divided by the score that satisfies it, the lowest of those asked for counts, and the negated ones
        are subtracted. Satisfied is a clause at a fifth of its weights in a document of usual length.
    about : mapping
        Where it comes from; JSON types only.
    """

    clauses: tuple[Clause, ...]
    about: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        worded = [clause for clause in self.clauses[:3] if clause.text]
        texts = " AND ".join(f"{'NOT ' if c.negated else ''}{quoted(c.text, 30)}" for c in worded)
        terms = [term for clause in self.clauses for term in clause.terms]
        named = f"{texts}, " if texts else ""
        return about(self, f"{named}{len(self.clauses)} clauses, {len(terms):,} features{_strongest(terms)}")

    @property
    def asked(self) -> tuple[Clause, ...]:
        """The clauses that documents should be like."""
        return tuple(clause for clause in self.clauses if not clause.negated)

    @property
    def n_terms(self) -> int:
        """Number of features, those of all clauses together."""
        return sum(len(clause.terms) for clause in self.clauses)

    def table(self) -> pl.DataFrame:
        """One row a term: ``clause``, ``negated``, ``text``, the term's attributes; largest weight first."""
        import polars as pl

        rows = [
            {"clause": at, "negated": clause.negated, "text": clause.text, **dataclasses.asdict(term)}
            for at, clause in enumerate(self.clauses)
            for term in sorted(clause.terms, key=lambda t: (-abs(t.weight), t.feature))
        ]
        schema = {
            "clause": pl.Int64, "negated": pl.Boolean, "text": pl.String, "feature": pl.Int64,
            "weight": pl.Float64, "scale": pl.Float64, "label": pl.String, "similarity": pl.Float64,
            "read": pl.Float64, "share": pl.Float64,
        }  # fmt: skip
        return pl.DataFrame(rows, schema=schema)

    def to_json(self, sae: SaeSpec) -> str:
        """Return the query as one JSON object that says which SAE's features it is of."""
        whole = {
            "kind": KIND,
            "version": _VERSION,
            "reader": _identity(sae),
            "clauses": [dataclasses.asdict(clause) for clause in self.clauses],
            "about": dict(self.about),
        }
        return json.dumps(whole, ensure_ascii=False, indent=1, allow_nan=False)

    @classmethod
    def read(cls, path: str | os.PathLike[str], sae: SaeSpec) -> FeatureQuery:
        """Read a query that was saved.

        Raises
        ------
        InputError
            If the file is missing or is no such query.
        IncompatibleError
            If it is of another reader's features.
        """
        try:
            data = load(path, most=LARGE)
        except OSError as error:
            raise InputError(f"cannot read {path}: {why(error)}") from error
        except ValueError as error:
            raise InputError(f"{path} is no saved query: {why(error)}") from error
        if not isinstance(data, dict) or data.get("kind") != KIND:
            raise InputError(
                f"{path} is no saved query; make one with 'saetext search ... --save-query FILE'"
            )
        try:
            if check(_VERSIONED, data)["version"] > _VERSION:
                raise InputError(f"{path} is a query of version {data['version']}: upgrade saetext")
            check(_FILE, data)
            clauses = tuple(_clause(clause) for clause in data["clauses"])
            made_for, about = data["reader"], data["about"]
        except ValueError as error:
            raise InputError(f"{path} is a damaged query: {why(error)}") from error
        mine = _identity(sae)
        if made_for.get("weights_sha256") != mine["weights_sha256"]:
            raise IncompatibleError(
                f"{path} is a query of another reader's features ({made_for.get('sae')}), not of {sae.origin}"
            )
        query = cls(clauses, about)
        for clause in clauses:
            for term in clause.terms:
                require_feature(term.feature, sae.d_sae)
        return query


def _strongest(terms: Sequence[Term]) -> str:
    if not terms:
        return ""
    most = max(terms, key=lambda term: abs(term.weight))
    return f", strongest: {quoted(most.label or f'feature {most.feature}', 50)}"


def _clause(data: Mapping[str, Any]) -> Clause:
    terms = []
    for each in data["terms"]:
        terms.append(
            Term(
                each["feature"], float(each["weight"]), float(each["scale"]), each.get("label", ""),
                _number(each.get("similarity", each.get("likeness"))),
                _number(each.get("read")), _number(each.get("share")),
            )
        )  # fmt: skip
    if len({term.feature for term in terms}) < len(terms):
        raise ValueError("a feature stands in it twice")
    missing = float(data.get("missing", 0.0))  # queries saved by earlier versions have none
    return Clause(tuple(terms), data.get("text", ""), data.get("negated", False), missing)


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _identity(sae: SaeSpec) -> dict[str, Any]:
    return {"sae": sae.origin, "hook": sae.hook, "d_sae": sae.d_sae, "weights_sha256": sae.weights_sha256}


def require_feature(feature: int, d_sae: int) -> None:
    """Raise :class:`InputError` unless there is such a feature."""
    if not 0 <= feature < d_sae:
        raise InputError(f"there is no feature {feature}; there are 0 to {d_sae - 1}")


def parse_edits(text: str) -> dict[int, float]:
    """Parse ``12:1.5,-88,7``: weight 1.5 for feature 12, -1 for 88, 1 for 7; ``12:0`` takes 12 out.

    Raises
    ------
    InputError
        Naming the piece that is not understood.
    """
    found: dict[int, float] = {}
    for piece in text.split(","):
        match = _EDIT.fullmatch(piece)
        if match is None or (match[1] and match[3] is not None):
            raise InputError(
                f"cannot understand {piece.strip()!r} in --features {text!r}; write features as 12, 12:1.5, "
                "-88 (unlike 88) or 12:0 (take 12 out)"
            )
        feature, weight = int(match[2]), -1.0 if match[1] else float(match[3] or 1.0)
        if not math.isfinite(weight):
            raise InputError(f"the weight of feature {feature} is not finite")
        if feature in found:
            raise InputError(f"feature {feature} stands twice in --features {text!r}")
        found[feature] = weight
    return found


def split_clauses(text: str) -> list[tuple[str, bool]]:
    """Split ``hedging AND money NOT polite`` into texts and whether each is negated.

    Only in capitals, and only where other letters are small: a text that is all capitals is one question.
    What is asked for is split further where it says what documents should not have ("polite but not
    apologising", :func:`~saetext.analysis.search.negation.split_negation`). Words that only say what kind of
    document is looked for are left out (:func:`~saetext.analysis.search.framing.without_kind`). Double quotes
    keep what stands in them.

    Raises
    ------
    InputError
        If a side is empty, or nothing is asked for.
    """
    parts = pieces_of(text)
    if len(parts) > 1 and not parts[0][1].strip() and parts[1][0] == "NOT":
        raise InputError(f"{text!r} says only what not to find: begin with what to find")
    for _, words in parts:
        if not words.strip():
            what = "around AND and NOT" if len(parts) > 1 else "for"
            raise InputError(f"what to search {what}? {text!r} leaves it empty")
    found: list[tuple[str, bool]] = []
    for operator, words in parts:
        if "NOT" in operator:
            found.append((question_of(words), True))
            continue
        wanted, unwanted = cut_negation(words.strip())
        found += [(question_of(wanted), False), *((question_of(each), True) for each in unwanted)]
    return found


def pieces_of(text: str) -> list[tuple[str, str]]:
    """Split a text at AND and NOT outside of double quotes into operators and words.

    The first operator is AND; it is empty where the text is one question for it has no small letters.
    """
    if not any(c.islower() for c in text):
        return [("", text)]
    found, operator, start = [], "AND", 0
    for cut in _OPERATOR.finditer(masked(text)):
        found.append((operator, text[start : cut.start()]))
        operator, start = cut[1], cut.end()
    return [*found, (operator, text[start:])]


def question_of(words: str) -> str:
    """Return what is searched for: without the kind of document, but as it is in double quotes."""
    literal = unquoted(words)
    return without_kind(words.strip()) if literal is None else literal


def edited(query: FeatureQuery, terms: Sequence[Term]) -> FeatureQuery:
    """Return the query with these terms put into its first clause; weight 0 takes a feature out everywhere.

    Without clauses the terms become one.
    """
    named = {term.feature for term in terms}
    if not query.clauses:
        kept = tuple(term for term in terms if term.weight)
        return dataclasses.replace(query, clauses=(Clause(kept),))
    clauses = []
    for at, clause in enumerate(query.clauses):
        rest = tuple(term for term in clause.terms if term.feature not in named)
        put = tuple(term for term in terms if term.weight) if at == 0 else ()
        clauses.append(dataclasses.replace(clause, terms=rest + put))
    return dataclasses.replace(query, clauses=tuple(clauses))
