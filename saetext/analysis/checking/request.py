"""The options of a check and of a baseline, each with its bounds. Not for: what rules say (``rules.py``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from saetext.analysis.request import AnalysisRequest
from saetext.errors import InputError
from saetext.io.request import option

if TYPE_CHECKING:
    from saetext.analysis.checking.rules import Rule

_RULES = "Limits"
_OF_OPTIONS = (("detector", "detector"), ("theme", "theme"), ("mark", "format"), ("words", "words"))
_SHORT = ("max_rise", "max_fall")


@dataclass(frozen=True, kw_only=True)
class BaselineRequest(AnalysisRequest):
    """The options of :func:`saetext.baseline`: what is watched, and which rows belong together.

    Raises
    ------
    InputError
        If a rule cannot be read, or options contradict each other.
    """

    rules: Path | str | Sequence[Mapping[str, Any]] | None = option(
        "TOML file of rules: what is watched, and how much it may rise or fall.",
        default=None,
        hint=Path | None,
        metavar="FILE",
        group=_RULES,
    )
    detector: str | Sequence[str] | None = option(
        "Limit the share of texts with this property: a detector's name, or its file; may be repeated.",
        default=None,
        hint=list[str] | None,
        metavar="NAME",
        group=_RULES,
    )
    theme: str | Sequence[str] | None = option(
        "Limit the share of texts with this theme; may be repeated.",
        default=None,
        hint=list[str] | None,
        metavar="NAME",
        group=_RULES,
    )
    mark: str | Sequence[str] | None = option(
        "Limit the share of texts with this mark of format, such as bold or emoji; may be repeated.",
        default=None,
        hint=list[str] | None,
        metavar="NAME",
        group=_RULES,
    )
    words: str | Sequence[str] | None = option(
        "Limit the share of texts with this word or phrase; may be repeated.",
        default=None,
        hint=list[str] | None,
        metavar="TEXT",
        group=_RULES,
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

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.pair_on and self.group:
            raise InputError("rows either pair on a column or stay together in groups; choose one")
        for name, _ in _OF_OPTIONS:
            given = getattr(self, name)
            if given is not None:
                object.__setattr__(self, name, (given,) if isinstance(given, str) else tuple(given))

    def limits(self) -> dict[str, float]:
        """Return the limits of what is watched by options; a baseline needs none, and any will do."""
        return {"max_rise": 100.0}

    def read(self) -> list[Rule]:
        """Return all rules: those of the file, then those of options.

        Raises
        ------
        InputError
            If there is something wrong with one.
        """
        from saetext.analysis.checking.rules import rules_of
        from saetext.analysis.checking.rules_file import read_rules

        limits = self.limits()
        own: list[dict[str, Any]] = []
        spelt: list[str] = []
        for name, kind in _OF_OPTIONS:
            for each in getattr(self, name) or ():
                own.append({kind: each, **limits})
                spelt.append(f"--{name}")
        own += self.more()
        spelt += ["--max-finding"] * (len(own) - len(spelt))
        found: list[Rule] = []
        if isinstance(self.rules, str | Path):
            found = read_rules(Path(self.rules))
        elif self.rules is not None:
            found = rules_of(
                list(self.rules), lambda number, key: f"rule {number + 1}" + (f", {key}" if key else "")
            )
        found += rules_of(own, lambda number, key: spelt[number] if number < len(spelt) else "options")
        names = [rule.name for rule in found]
        for rule in found:
            if names.count(rule.name) > 1:
                raise InputError(f"two rules are called {rule.name!r}: give one a name, or leave one out")
        return found

    def more(self) -> list[dict[str, Any]]:
        """Return rules of other options."""
        return []

    def params(self) -> dict[str, Any]:
        """Return the recorded options; rules are recorded as they were read."""
        known = super().params()
        return {
            key: value for key, value in known.items() if key not in ("rules", *(n for n, _ in _OF_OPTIONS))
        }


@dataclass(frozen=True, kw_only=True)
class CheckRequest(BaselineRequest):
    """The options of :func:`saetext.check`, checked.

    Raises
    ------
    InputError
        If there is no rule, one cannot be read, or options contradict each other.
    """

    max_rise: float | None = option(
        "Points by which the share of texts with each --detector, --theme, --mark and --words may rise.",
        default=None,
        least=0,
        most=100,
        metavar="POINTS",
        group=_RULES,
    )
    max_fall: float | None = option(
        "Points by which it may fall.", default=None, least=0, most=100, metavar="POINTS", group=_RULES
    )
    max_finding: float | None = option(
        "Points by which any finding may rise or fall: whatever a diff finds.",
        default=None,
        least=0,
        most=100,
        metavar="POINTS",
        group=_RULES,
    )
    confidence: float = option(
        "Percent confidence with which all intervals hold together.",
        default=95.0,
        least=50,
        most=99.99,
        metavar="PERCENT",
        group=_RULES,
    )
    unclear: Literal["pass", "fail"] = option(
        "Whether a limit passes or fails where the data do not say if it holds.", default="pass", group=_RULES
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        named = any(getattr(self, name) for name, _ in _OF_OPTIONS)
        limited = any(getattr(self, name) is not None for name in _SHORT)
        if named and not limited:
            raise InputError(
                "a limit is missing: give max_rise or max_fall (--max-rise 2) with what is watched"
            )
        if limited and not named:
            raise InputError(
                "max_rise and max_fall are limits of what detector, theme, mark or words name; name one "
                "(--detector refusal), or put the limit into the rules"
            )

    def limits(self) -> dict[str, float]:
        """Return the limits of what is watched by options."""
        return {name: value for name in _SHORT if (value := getattr(self, name)) is not None}

    def more(self) -> list[dict[str, Any]]:
        """Return the rule on findings, if there is one."""
        if self.max_finding is None:
            return []
        return [{"findings": "all", "max_rise": self.max_finding, "max_fall": self.max_finding}]

    def read(self) -> list[Rule]:
        """Return all rules; an error if there are none."""
        found = super().read()
        if not found:
            raise InputError(
                "nothing to check: name a file of rules (--rules), or a limit (--detector refusal "
                "--max-rise 2)"
            )
        return found
