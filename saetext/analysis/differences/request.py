"""The options of a diff, each with its bounds. Not for: the sets (``asked.py``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from saetext.errors import InputError

Against = Literal["union", "mean", "max"]


@dataclass(frozen=True, kw_only=True)
class DiffRequest:
    """The options of :func:`saetext.diff`, checked; the help of each is in its field's metadata.

    Raises
    ------
    InputError
        If a number is out of its range, or an option cannot be.
    """

    pair_on: str | None = field(
        default=None,
        metadata={
            "help": "Column on which rows belong together; by default prompt_id or prompt, if at "
            "least 90 % of each set find a partner, and an empty string never pairs."
        },
    )
    group: str | None = field(
        default=None,
        metadata={
            "help": "Column of rows that are not independent of each other, such as those of one user."
        },
    )
    control: str | Sequence[str] | None = field(
        default=None,
        metadata={
            "help": "Column or columns to adjust for like for length: numbers in quantiles, "
            "anything else by value."
        },
    )
    tap: str | None = field(
        default=None,
        metadata={"help": "Which tap of the reader; needed only when there are several."},
    )
    min_support: int | None = field(
        default=None,
        metadata={
            "help": "Documents of all sets together in which a feature must be present to be "
            "tested; by default 5 or 0.05 % of them, whichever is more."
        },
    )
    top: int | None = field(
        default=20,
        metadata={"help": "Findings to keep, a concept group counting as one; None for all."},
    )
    seed: int = field(
        default=0,
        metadata={"help": "Seed of the halves, the samples and the shuffled labels."},
    )
    snippets: bool | int = field(
        default=True,
        metadata={"help": "Whether rows get their snippets, or how many of the first rows do."},
    )
    plain: bool | None = field(
        default=None,
        metadata={
            "help": "Whether to run the same tests on plain words and counts of format; for two sets, where "
            "it is the default."
        },
    )
    null: int = field(
        default=0,
        metadata={"help": "How many times to repeat the tests with shuffled labels; for two sets."},
    )
    sample: int | None = field(
        default=None,
        metadata={
            "help": "Compare a random choice of at most so many documents, whole pairs or groups of them."
        },
    )
    by: str | None = field(
        default=None,
        metadata={"help": "Column of one corpus whose values make the sets."},
    )
    values: Sequence[str] | None = field(
        default=None,
        metadata={
            "help": "Values of that column to compare, as text; all by default, in alphabetical order."
        },
    )
    against: Against = field(
        default="union",
        metadata={
            "help": "What a set's rate is compared with when the rows of more than two sets are "
            "ranked: the rate in all others together, the mean of their rates, or the "
            "largest of them."
        },
    )

    def __post_init__(self) -> None:
        least = {"top": 0, "null": 0, "seed": 0, "snippets": 0, "min_support": 1, "sample": 2}
        for name, bound in least.items():
            value = getattr(self, name)
            if value is not None and value < bound:
                raise InputError(f"{_NAMED[name]} must be at least {bound}, not {value}")
        if self.against not in get_args(Against):
            choices = ", ".join(get_args(Against))
            raise InputError(f"unknown comparison {self.against!r}; choose one of {choices}")
        if self.values is not None and self.by is None:
            raise InputError("values are those of a column; name it with by")
        if isinstance(self.values, str):
            raise InputError(f"values are a list of texts, not the text {self.values!r}")
        # tuples, so that a request can neither change nor be changed by who made it
        if self.values is not None:
            object.__setattr__(self, "values", tuple(map(str, self.values)))
        if self.control is not None:
            columns = (self.control,) if isinstance(self.control, str) else tuple(self.control)
            object.__setattr__(self, "control", columns)

    @classmethod
    def of(cls, options: dict[str, Any]) -> DiffRequest:
        """Make a request from a function's keywords.

        Raises
        ------
        TypeError
            If one is no option of a diff.
        InputError
            If a value is out of its range.
        """
        known = {option.name for option in fields(cls)}
        for name in options:
            if name not in known:
                raise TypeError(f"diff() got an unexpected keyword argument {name!r}")
        return cls(**options)

    @property
    def controls(self) -> tuple[str, ...]:
        """The columns to adjust for."""
        return tuple(self.control or ())


_NAMED = {
    "top": "the number of findings to keep",
    "null": "the number of times to shuffle",
    "seed": "the seed",
    "snippets": "the number of rows with snippets",
    "min_support": "the number of documents with a feature",
    "sample": "the number of documents in a sample",
}
