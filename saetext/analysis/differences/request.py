"""The options of a diff, each with its bounds. Not for: the sets (``asked.py``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from saetext.analysis.request import ClusteredRequest
from saetext.errors import InputError
from saetext.io.memory import memory_option, size_of
from saetext.io.request import keyword, option

if TYPE_CHECKING:
    from saetext.io.llm import ChatClient, Estimate

Against = Literal["union", "mean", "max"]
FamiliesOf = Literal["all", "features"]


@dataclass(frozen=True, kw_only=True)
class DiffRequest(ClusteredRequest):
    """The options of :func:`saetext.diff`, checked.

    Raises
    ------
    InputError
        If a number is out of its range, or options contradict each other.
    """

    by: str | None = option(
        "Compare the values of this column of one corpus; all values if none are given.",
        default=None,
        metavar="COLUMN[=A,B,...]",
    )
    columns: str | Sequence[str] | None = option(
        "Compare columns of one file of texts, row by row: two answers to one prompt, as chosen,rejected.",
        default=None,
        hint=str | None,
        metavar="A,B",
    )
    outcome: str | None = option(
        "Say what goes with this column of one corpus: a score, or one of two values such as pass and fail. "
        "=VALUE names the value that counts as yes. With --columns it says which of two answers won.",
        default=None,
        metavar="COLUMN[=VALUE]",
    )
    values: Sequence[str] | None = keyword(
        "Values of that column to compare, as text; all by default, in alphabetical order.",
        default=None,
        recorded=True,
    )
    names: Sequence[str] | None = keyword(
        "Names of the sets; by default those of their files, else a, b, c, or the values of the column.",
        default=None,
    )
    against: Against = option(
        "For more than two sets: rank by the rate less the rate in all others together (union), the mean of "
        "their rates, or the largest of them (max).",
        default="union",
    )
    pair_on: str | None = option(
        "Column that pairs rows; by default prompt_id or prompt if at least 90 % of each set have a partner. "
        "'' never pairs.",
        default=None,
        metavar="COLUMN",
    )
    group: str | None = option(
        "Column of rows that are not independent of each other, such as those of one user.",
        default=None,
        metavar="COLUMN",
    )
    control: str | Sequence[str] | None = option(
        "Adjust for this column as for length: numbers by quantile, anything else by value; may be repeated.",
        default=None,
        hint=list[str] | None,
        metavar="COLUMN",
    )
    min_support: int | None = option(
        "Number of documents a feature must be present in to be tested; by default 5, or 0.05 % of all if "
        "that is more.",
        default=None,
        least=1,
        metavar="N",
    )
    null: int = option(
        "Number of label permutations for the null check; for two sets.", default=0, least=0, metavar="N"
    )
    families: FamiliesOf | None = option(
        "What differences are described by: format, words and features in one list (all, the default), or "
        "features alone.",
        default=None,
    )
    snippets: bool | int = keyword(
        "Whether rows get their snippets, or how many of the first rows do.", default=True, recorded=True
    )
    memory: int | str | None = memory_option()
    client: ChatClient | None = keyword(
        "Language model that states hypotheses and judges them on documents set aside; for two sets that "
        "store their texts.",
        default=None,
    )
    judged: int = option(
        "Largest number of documents of each set that are set aside for the judge, at most a fifth of it.",
        default=100,
        least=2,
        metavar="N",
        group="Language model",
    )
    hypotheses: int = option(
        "Largest number of hypotheses.", default=8, least=1, metavar="N", group="Language model"
    )
    on_estimate: Callable[[Estimate], None] | None = keyword(
        "Called with an estimate of what judging takes, before anything is judged.", default=None
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.memory is not None:
            size_of(self.memory)
        if self.snippets < 0:
            raise InputError(f"snippets must be at least 0, not {self.snippets}")
        if self.columns is not None:
            columns = self.columns.split(",") if isinstance(self.columns, str) else self.columns
            object.__setattr__(self, "columns", tuple(name.strip() for name in columns))
            if self.by is not None:
                raise InputError("by and columns are two ways to take one file apart; name one of them")
            if len(set(self.columns)) < max(2, len(self.columns)) or "" in self.columns:
                raise InputError("columns are two or more different ones with texts: chosen,rejected")
        if self.outcome is not None:
            self._require_of_outcome()
        if self.values is not None and self.by is None:
            raise InputError("values are those of a column; name it with by")
        for name in ("values", "names"):
            given = getattr(self, name)
            if isinstance(given, str):
                raise InputError(f"{name} are a list of texts, not the text {given!r}")
            # tuples, so that a request can neither change nor be changed by who made it
            if given is not None:
                object.__setattr__(self, name, tuple(map(str, given)))
        if self.control is not None:
            named = (self.control,) if isinstance(self.control, str) else tuple(self.control)
            object.__setattr__(self, "control", named)

    def _require_of_outcome(self) -> None:
        if not (self.outcome or "").strip(" ="):
            raise InputError("outcome names a column: score, or correct=yes")
        controls = (self.control,) if isinstance(self.control, str) else self.control or ()
        for name in controls:
            if name in (self.outcome, str(self.outcome).partition("=")[0].strip()):
                raise InputError(f"{name} is the outcome: at equal {name} nothing of it is left to explain")
        for name in ("by", "null", "client", "names"):
            if getattr(self, name):
                raise InputError(
                    f"{name} is for a comparison of sets, and with an outcome there are none; leave one out"
                )
        if self.against != "union":
            raise InputError("against ranks more than two sets, and with an outcome there are none")

    def params(self) -> dict[str, Any]:
        """Return the recorded options; those of the judge only where there is one."""
        left_out = {"judged", "hypotheses"} if self.client is None else set()
        left_out |= {name for name in ("columns", "outcome") if getattr(self, name) is None}
        return {name: value for name, value in super().params().items() if name not in left_out}

    @property
    def controls(self) -> tuple[str, ...]:
        """The columns to adjust for."""
        return tuple(self.control or ())
