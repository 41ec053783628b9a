r"""A metric of what a model says next: ``logit(" ") - logit("\n")``, ``logprob("text")``, ``prob("A", "B")``.

Parsed from text, bound to a tokenizer, computed from logits. Not for: where in a text it is taken
(:mod:`saetext.intervene.places`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from saetext.errors import InputError
from saetext.text.one_line import quoted

if TYPE_CHECKING:
    from torch import Tensor

Kind = Literal["logit", "logprob", "prob"]
KINDS: tuple[Kind, ...] = ("logit", "logprob", "prob")
EXAMPLES = """logit(" yes") - logit(" no"), logprob(" a whole text"), prob("A", "B", "C")"""

_LONGEST, _MOST_TERMS, _MOST_TOKENS = 4000, 32, 256
_TOKEN = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
    r"""|(?P<number>\d+(?:\.\d*)?|\.\d+)|(?P<name>[A-Za-z_]+)|(?P<mark>[-+*(),]))""",
    re.DOTALL,
)


@dataclass(frozen=True)
class Term:
    """One term of a metric.

    Attributes
    ----------
    coefficient : float
        What it is multiplied by, its sign included.
    kind : {"logit", "logprob", "prob"}
        The logit of a token; the log-probability of a text; the probability of the first of several texts
        among them, or of one among all texts of its length.
    texts : tuple of str
        What it is about.
    """

    coefficient: float
    kind: Kind
    texts: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.kind}({', '.join(json.dumps(text, ensure_ascii=False) for text in self.texts)})"


@dataclass(frozen=True)
class Metric:
    """A sum of terms; made by :func:`parse_metric`."""

    source: str
    terms: tuple[Term, ...]

    def bound(self, tokenizer: Any) -> BoundMetric:
        """Return the metric in the tokens of a model.

        Raises
        ------
        InputError
            If a logit's text is several tokens, or a text has none.
        """
        return BoundMetric(self, tuple(_bound(term, tokenizer) for term in self.terms))


@dataclass(frozen=True)
class BoundMetric:
    """A metric in the tokens of a model.

    Attributes
    ----------
    metric : Metric
    tokens : tuple of tuple of tuple of int
        For each term the token ids of each of its texts.
    """

    metric: Metric
    tokens: tuple[tuple[tuple[int, ...], ...], ...]

    @property
    def branches(self) -> tuple[tuple[int, ...], ...]:
        """What is fed after the position, a sequence for each: all tokens of a text but the last."""
        fed = dict.fromkeys(text[:-1] for texts in self.tokens for text in texts)
        if len(fed) > 1:
            fed.pop((), None)  # the logits at the position are the same in every branch
        return tuple(fed)

    def value(self, logits: Sequence[Tensor]) -> Tensor:
        """Return the metric.

        Parameters
        ----------
        logits : sequence of float[n, vocabulary]
            For each of :attr:`branches` the logits at the position and after each token that was fed.

        Returns
        -------
        float
            A scalar tensor that can be differentiated if the logits can.
        """
        parts = [
            term.coefficient * self._term(term, texts, logits)
            for term, texts in zip(self.metric.terms, self.tokens, strict=True)
        ]
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        return total

    def _term(self, term: Term, texts: tuple[tuple[int, ...], ...], logits: Sequence[Tensor]) -> Tensor:
        if term.kind == "logit":
            return logits[0][0, texts[0][0]]
        logs = [self._log_probability(text, logits) for text in texts]
        if term.kind == "logprob":
            return logs[0]
        if len(logs) == 1:
            return logs[0].exp()
        import torch  # late: a metric is parsed without a model

        return torch.stack(logs).softmax(0)[0]

    def _log_probability(self, text: tuple[int, ...], logits: Sequence[Tensor]) -> Tensor:
        """Sum the log-probabilities of a text's tokens, each after those before it."""
        branches = self.branches
        at = branches.index(text[:-1]) if text[:-1] in branches else 0
        parts = logits[at][: len(text)].log_softmax(-1)
        return parts[list(range(len(text))), list(text)].sum()


def _bound(term: Term, tokenizer: Any) -> tuple[tuple[int, ...], ...]:
    found = tuple(tuple(_ids(tokenizer, text)) for text in term.texts)
    for text, ids in zip(term.texts, found, strict=True):
        if not ids:
            raise InputError(f"the metric's text {quoted(text)} has no tokens in this model")
        if len(ids) > _MOST_TOKENS:
            raise InputError(f"the metric's text {quoted(text)} has {len(ids):,} tokens; take a shorter one")
        if term.kind == "logit" and len(ids) > 1:
            pieces = ", ".join(json.dumps(tokenizer.decode([i]), ensure_ascii=False) for i in ids[:6])
            more = ", ..." if len(ids) > 6 else ""
            raise InputError(
                f"{Term(1, 'logit', (text[:60],))} is {len(ids)} tokens ({pieces}{more}), and a logit is of "
                f"one: take {Term(1, 'logprob', (text[:60],))}, or one of these tokens"
            )
    return found


def _ids(tokenizer: Any, text: str) -> list[int]:
    return list(tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids)


# ---- from text -----------------------------------------------------------------------------------------


def parse_metric(source: str) -> Metric:
    r"""Return the metric that a text states.

    Parameters
    ----------
    source : str
        Terms joined by ``+`` and ``-``, each with an optional number and ``*`` in front: ``logit("x")``,
        ``logprob("x y")``, ``prob("A", "B")``. Texts stand in quotation marks, with the escapes of JSON:
        ``"\n"``, ``"\u00e9"``.

    Raises
    ------
    InputError
        Where it cannot be read; the message says at which place.
    """
    if not source.strip():
        raise InputError(f"a metric is empty; examples: {EXAMPLES}")
    if len(source) > _LONGEST:
        raise InputError(f"a metric has {len(source):,} characters; at most {_LONGEST:,} are read")
    return Metric(source, tuple(_Parser(source).terms()))


class _Parser:
    """Reads a metric from left to right."""

    def __init__(self, source: str) -> None:
        self._tokens = list(_scanned(source))
        self._at = 0

    def terms(self) -> Iterator[Term]:
        """Yield the terms, until nothing is left."""
        sign = self._sign(needed=False)
        for number in range(1, _MOST_TERMS + 2):
            if number > _MOST_TERMS:
                raise InputError(f"a metric has more than {_MOST_TERMS} terms")
            yield self._term(sign)
            if self._at == len(self._tokens):
                return
            sign = self._sign(needed=True)

    def _sign(self, *, needed: bool) -> float:
        if self._next("mark") in ("+", "-"):
            return -1.0 if self._take() == "-" else 1.0
        if needed:
            self._expected("+ or -")
        return 1.0

    def _term(self, sign: float) -> Term:
        coefficient = sign
        if self._next("number") is not None:
            coefficient *= float(self._take())
            self._mark("*")
        kind = next((k for k in KINDS if k == self._next("name")), None)
        if kind is None:
            self._expected("logit(...), logprob(...) or prob(...)")
            raise AssertionError
        self._take()
        self._mark("(")
        texts = [self._text()]
        while self._next("mark") == ",":
            self._take()
            texts.append(self._text())
        self._mark(")")
        if kind != "prob" and len(texts) > 1:
            raise InputError(f"{kind}(...) is of one text; prob(...) takes several")
        if len(set(texts)) < len(texts):
            raise InputError("prob(...) names the same text twice")
        return Term(coefficient, kind, tuple(texts))

    def _text(self) -> str:
        if self._next("text") is None:
            self._expected("a text in quotation marks")
        written = self._take()
        text = unescaped(written[1:-1])
        if not text:
            raise InputError("a text of the metric is empty")
        return text

    def _mark(self, mark: str) -> None:
        if self._next("mark") != mark:
            self._expected(mark)
        self._take()

    def _next(self, kind: str) -> str | None:
        if self._at < len(self._tokens) and self._tokens[self._at][0] == kind:
            return self._tokens[self._at][1]
        return None

    def _take(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1][1]

    def _expected(self, what: str) -> None:
        found = quoted(self._tokens[self._at][1], 30) if self._at < len(self._tokens) else "its end"
        raise InputError(f"cannot read the metric: expected {what}, found {found}; examples: {EXAMPLES}")


def _scanned(source: str) -> Iterator[tuple[str, str]]:
    at = 0
    end = len(source.rstrip())
    while at < end:
        found = _TOKEN.match(source, at)
        if found is None:
            left = source[at:].strip()
            raise InputError(f"cannot read the metric from {quoted(left, 30)} on; examples: {EXAMPLES}")
        yield str(found.lastgroup), found[found.lastgroup]  # type: ignore[index]
        at = found.end()


_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
_PLAIN = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", '"': '"', "'": "'", "\\": "\\", "/": "/"}


def unescaped(text: str) -> str:
    r"""Return a text with ``\n``, ``\t``, ``\r``, ``\"``, ``\'``, ``\\`` and ``\u00e9`` as what they mean.

    Raises
    ------
    InputError
        If there is another escape, or half of a character.
    """

    def meant(found: re.Match[str]) -> str:
        if found[1]:
            return chr(int(found[1], 16))
        if found[2] not in _PLAIN:
            raise InputError(f"the metric's escape {quoted(found[0])} is unknown; a backslash is \\\\")
        return _PLAIN[found[2]]

    made = _ESCAPE.sub(meant, text).encode("utf-16", "surrogatepass")
    try:
        return made.decode("utf-16")
    except UnicodeDecodeError:
        raise InputError("a text of the metric holds half of a character (a lone surrogate)") from None
