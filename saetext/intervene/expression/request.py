"""What an expression matrix is asked for: the options of :func:`saetext.expression`, each declared once."""

from __future__ import annotations

from dataclasses import dataclass

from saetext.io.request import Request, option


@dataclass(frozen=True, kw_only=True)
class ExpressionRequest(Request):
    """The options of :func:`saetext.expression`.

    Raises
    ------
    InputError
        If a number is out of its bounds.
    """

    take: int = option(
        "Number of the strongest features to take from each example; the matrix has all of these.",
        default=10,
        least=1,
        metavar="N",
    )
    most: int = option(
        "Most features in the matrix: those that are strongest in most examples.",
        default=200,
        least=2,
        most=2000,
        metavar="N",
    )
    by: str | None = option(
        "Column of the prompts whose values are tested for features of their own.",
        default=None,
        metavar="COLUMN",
    )
