"""What a diff found, from its result or from the JSON it was saved as: confirmed findings and where from.

Not for: making a diff (:mod:`saetext.analysis.differences`), or measuring findings in new texts
(:mod:`saetext.intervene.causes.gauges`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saetext.analysis.base import Source
from saetext.errors import InputError
from saetext.io import json_file
from saetext.io.opener import LARGE, reading, shown
from saetext.io.shape import ANY, Flag, List, Maybe, Number, Record, Shape, Table, Text, Whole, check
from saetext.text.marks import LONGER

if TYPE_CHECKING:
    from saetext.analysis.differences import DiffResult
    from saetext.corpus import Corpus

KINDS = ("format", "word", "property", "theme", "feature")
_WHAT, _ADVICE = "saved diff", "save one with saetext diff A B --json > diff.json"
_FINDING = Record(
    {
        "name": Text(),
        "kind": Text(choices=KINDS),
        "rate_a": Number(),
        "rate_b": Number(),
        "diff": Number(),
        "confirmed": Flag(),
    },
    {
        "term": Maybe(Text()),
        "feature": Maybe(Whole()),
        "q": Maybe(Number()),
        "words": Maybe(List(Text())),
    },
)
_ROW = Record(
    {"feature": Whole(), "label": Text(), "rate_a": Number(), "rate_b": Number(), "diff": Number(),
     "confirmed": Flag()},
    {"q": Maybe(Number())},
)  # fmt: skip
_SOURCE = Record(
    {"name": Text(), "path": Text(), "fingerprint": Text()},
    {name: Maybe(Text()) for name in ("where", "condition", "column", "value")},
)
_SHAPE: Shape = Record(
    {
        "kind": Text(),
        "params": Record({"a": Text(), "b": Text(), "sources": List(_SOURCE)}, {"sae": Maybe(Text())}),
        "metrics": Table(),
        "rows": List(ANY),
    },
    {"findings": List(_FINDING)},
)


@dataclass(frozen=True)
class Finding:
    """A confirmed finding of a diff of two sets.

    Attributes
    ----------
    name, kind : str
        As in :attr:`saetext.DiffResult.found`.
    term : str or None
        What it is in its family; None of a feature.
    feature : int or None
        The feature of the corpora's reader; None of others.
    words : tuple of str
        Of a feature, words that set its peaks apart.
    rate_a, rate_b : float
        Share of each set's texts that have it.
    q : float or None
    """

    name: str
    kind: str
    term: str | None
    feature: int | None
    words: tuple[str, ...]
    rate_a: float
    rate_b: float
    q: float | None = None

    @property
    def more(self) -> str:
        """The side that shows more of it: ``a`` or ``b``."""
        return "a" if self.rate_a >= self.rate_b else "b"


@dataclass(frozen=True, eq=False)
class Compared:
    """A diff of two sets.

    Attributes
    ----------
    names : (str, str)
        What the sets are called.
    findings : tuple of Finding
        Those that are confirmed, the strongest first, and that of length last.
    tested : int
        Findings there are, confirmed or not.
    sources : tuple of Source
        The corpora it came from.
    sae : str or None
        On which of their SAEs.
    """

    names: tuple[str, str]
    findings: tuple[Finding, ...]
    tested: int
    sources: tuple[Source, ...]
    sae: str | None

    def corpora(self) -> tuple[Corpus, Corpus]:
        """Open the two sets again.

        Raises
        ------
        InputError
            If they are gone, or are not what they were.
        """
        from saetext.analysis.sources import reopened

        a, b = (reopened(source) for source in self.sources)
        return a, b


def compared_of(given: DiffResult | str | Path) -> Compared:
    """Return what a diff found, from its result or from a file of its JSON.

    Raises
    ------
    InputError
        If the file is none, it is no diff of two sets, or nothing is confirmed.
    """
    if isinstance(given, str | Path):
        return _confirmed(*_saved(Path(given)))
    _require_two(given.kind, given.kind)
    found, table = given.found, given.table
    rows = table.to_dicts() if found is None else found.to_dicts()
    params = {**given.params}
    return _confirmed(params, rows, given.sources)


def is_saved_result(path: Path) -> bool:
    """Return whether a file holds the JSON of a result, and not prompts."""
    if path.suffix.lower() != ".json" or not path.is_file():
        return False
    try:
        content = json_file.load(path, most=LARGE)
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and {"kind", "params", "rows"} <= set(content)


def _saved(path: Path) -> tuple[Mapping[str, Any], list[dict[str, Any]], tuple[Source, ...]]:
    with reading(path, InputError, _WHAT, _ADVICE):
        content = json_file.load(path, most=LARGE)
        if isinstance(content, dict) and isinstance(content.get("kind"), str):
            _require_two(content["kind"], shown(content["kind"]))
        check(_SHAPE, content)
        if "findings" not in content:
            check(List(_ROW), content["rows"])
    names = ("name", "path", "fingerprint", "where", "condition", "column", "value")
    sources = tuple(
        Source(**{name: one[name] for name in names if one.get(name) is not None})
        for one in content["params"]["sources"]
    )
    return content["params"], content.get("findings", content["rows"]), sources


def _require_two(kind: str, told: str) -> None:
    if kind == "diff_sets":
        raise InputError("why looks into a diff of two sets, and this one is of several: compare two of them")
    if kind != "diff":
        raise InputError(f"why looks into a diff, not into a result of kind {told}; {_ADVICE}")


def _confirmed(
    params: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], sources: Sequence[Source]
) -> Compared:
    found = [_finding(row) for row in rows if row["confirmed"]]
    # how long texts are is told last: no feature is about it, and every other cause of length comes first
    findings = tuple(sorted(found, key=lambda one: one.term == LONGER))
    if not findings:
        raise InputError(
            f"no finding of the diff is confirmed (of {len(rows):,}): there is nothing to look into; more "
            "texts may confirm some"
        )
    both = tuple(sources) if len(sources) == 2 else ()
    return Compared((params["a"], params["b"]), findings, len(rows), both, params.get("sae"))


def _finding(row: Mapping[str, Any]) -> Finding:
    if "kind" not in row:  # a row of the table of features
        row = {**row, "kind": "feature", "name": row["label"]}
    return Finding(
        row["name"],
        row["kind"],
        row.get("term"),
        row.get("feature"),
        tuple(row.get("words") or ()),
        float(row["rate_a"]),
        float(row["rate_b"]),
        row.get("q"),
    )
