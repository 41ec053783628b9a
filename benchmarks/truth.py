"""Whether the first screen of ``diff`` and ``correlate`` says what is true, on cases whose truth is known.

    python benchmarks/truth.py [--data ../shared/data] [--half dev|test|all] [--only PATTERN] [--quick]

Real texts are split at random, and a share of one side gets a phrase, a mark of format, a habit or a topic.
In other cases two of these go together, or length is all that differs, or nothing is. ``truth_list.py`` has
the cases, ``truth_scoring.py`` the rules. Develop with ``--half dev``; the other half is for a last test.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from common import RESULTS, ROOT, environment, save, say
from readers import shown
from truth_cases import Case, Made, halves
from truth_list import CASES
from truth_scoring import ALPHA, FIRST, Row, first_rows, n_confirmed, says, score
from truth_texts import Data

TERMS = 6  # words and formats that today's report lists of each side, below its rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the cases that are asked for, print the table and save it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--reader", default="embedded", help="name or directory")
    parser.add_argument("--half", choices=("dev", "test", "all"), default="dev")
    parser.add_argument("--only", metavar="PATTERN", help="regular expression for names or kinds of cases")
    parser.add_argument("--quick", action="store_true", help="two cases of each kind")
    parser.add_argument("--rows", action="store_true", help="also print the rows and what is said of them")
    parser.add_argument("--cache", type=Path, help="where corpora are kept, by content")
    parser.add_argument("-o", "--out", type=Path, default=RESULTS / "truth.json")
    parser.add_argument(
        "--markdown", action="store_true", help="run nothing; print what -o holds as Markdown"
    )
    args = parser.parse_args(arguments)
    if args.markdown:
        print(as_markdown(json.loads(args.out.read_text(encoding="utf-8"))[args.half]["cases"]))
        return
    if args.cache is not None:
        os.environ["SAETEXT_CACHE"] = str(args.cache)
    cases = wanted(CASES, args.half, args.only, quick=args.quick)
    if not cases:
        raise SystemExit("no case has such a name")
    found = environment()
    runs = run(cases, Data(args.data), reader_name=args.reader, show=args.rows)
    say(f"{len(runs)} cases, first {FIRST} rows", table(runs))
    say("by kind", by_kind(runs))
    save(
        args.out,
        args.half,
        {**found, "reader": shown(args.reader), "only": args.only, "quick": args.quick, "cases": runs},
    )


def wanted(cases: Sequence[Case], half: str, only: str | None, *, quick: bool) -> list[Case]:
    """Return the cases of a half whose name or kind has a pattern; of each kind two if it has to be quick."""
    of = halves(cases)
    kept = [case for case in cases if half in ("all", of[case.name])]
    if only:
        kept = [case for case in kept if re.search(only, case.name) or re.fullmatch(only, case.kind)]
    if quick:
        kinds = [case.kind for case in kept]
        kept = [case for at, case in enumerate(kept) if kinds[:at].count(case.kind) < 2]
    return kept


def run(
    cases: Sequence[Case], data: Data, *, reader_name: str = "embedded", show: bool = False
) -> list[dict[str, Any]]:
    """Run cases one after the other and return what was shown and how that is judged."""
    import saetext
    from saetext.errors import SaetextWarning

    reader = saetext.Reader(reader_name)
    of = halves(CASES)
    runs = []
    for at, case in enumerate(cases, start=1):
        begin = time.perf_counter()
        made = case.texts(data)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SaetextWarning)
            result = analysed(case, made, reader)
        rows = first_rows(result)
        got, verdicts = score(case, rows, made, n_confirmed(result))
        runs.append(
            {
                "name": case.name,
                "kind": case.kind,
                "half": of.get(case.name),
                "documents": [len(made.a), len(made.b)] if made.b else [len(made.a)],
                "truth": {key: round(value, 3) for key, value in made.truth.items()},
                **got.as_dict(),
                "named_in_lines_below": named_below(case, result),
                "rows": [
                    {
                        "name": row.name,
                        "kind": row.kind,
                        "diff": round(row.diff, 3),
                        "length": row.length,
                        "confirmed": row.confirmed,
                        "is": verdict,
                    }
                    for row, verdict in zip(rows, verdicts, strict=True)
                ],
                "seconds": round(time.perf_counter() - begin, 1),
            }
        )
        print(f"{at:>3}/{len(cases)} {case.name}: {_told(runs[-1])} ({runs[-1]['seconds']} s)", flush=True)
        if show:
            _show(rows, verdicts)
    return runs


def analysed(case: Case, made: Made, reader: Any) -> Any:
    """Encode the texts, or find them in the cache, and run the analysis with its default settings."""
    import saetext

    corpora = [saetext.encode(side, reader=reader) for side in (made.a, made.b) if side]
    if case.verb == "correlate":
        return saetext.correlate(corpora[0])
    return saetext.diff(*corpora, names=("a", "b"))


def named_below(case: Case, result: Any) -> bool | None:
    """Whether the lists of words and formats below the rows name the truth; None where there are none."""
    families = getattr(result, "families", ())
    if not families or not case.items:
        return None
    shown = []
    for family in families:
        if family.table is not None:
            terms = [r for r in family.table.to_dicts() if r["confirmed"] or r["q"] < ALPHA]
            for sign in (1, -1):
                shown += [r["term"] for r in terms if r["diff"] * sign > 0][:TERMS]
    return any(says(case.items[0], term) for term in shown)


def _told(found: dict[str, Any]) -> str:
    where = "not found" if found["rank"] is None else f"row {found['rank']}"
    return f"{'right' if found['right'] else 'WRONG'}, {where}, {found['false_above']} false above"


def _show(rows: Sequence[Row], verdicts: Sequence[str]) -> None:
    for row, verdict in zip(rows, verdicts, strict=True):
        print(f"      {verdict:<9} {100 * row.diff:+6.1f} {row.length or '':<7} {row.name}")


def table(runs: Sequence[dict[str, Any]]) -> list[list[object]]:
    """Return a line for each case."""
    head: list[object] = [
        "case",
        "kind",
        "truth",
        "row",
        "false above",
        "unchecked",
        "length",
        "below",
        "right",
    ]
    return [head] + [
        [
            one["name"],
            one["kind"],
            _truth(one["truth"]),
            one["rank"] or "–",
            one["false_above"],
            one["unchecked_above"],
            one["length"] or "",
            {True: "named", False: "–", None: ""}[one["named_in_lines_below"]],
            "yes" if one["right"] else "no",
        ]
        for one in runs
    ]


def _truth(truth: dict[str, float]) -> str:
    if "n_ab" in truth:
        return f"{truth['n_ab']:.0f} of {truth['n_a']:.0f} and {truth['n_b']:.0f}"
    if not truth:
        return "nothing"
    a, b = truth["a"], truth["b"]
    return f"{a:.0f} v {b:.0f} words" if max(a, b) > 1 else f"{100 * a:.0f} v {100 * b:.0f} %"


def by_kind(runs: Sequence[dict[str, Any]]) -> list[list[object]]:
    """Return a line for each kind, and one for all."""
    head: list[object] = [
        "kind",
        "cases",
        "named",
        "first",
        "nothing false above",
        "false of length",
        "right",
    ]
    kinds = [*dict.fromkeys(one["kind"] for one in runs), "all"]
    lines = [head]
    for kind in kinds:
        mine = [one for one in runs if kind in ("all", one["kind"])]
        lines.append(
            [
                kind,
                len(mine),
                sum(one["rank"] is not None for one in mine),
                sum(one["rank"] == 1 for one in mine),
                sum(one["false_above"] == 0 for one in mine),
                sum(one["length_right"] is False for one in mine),
                sum(one["right"] for one in mine),
            ]
        )
    return lines


def as_markdown(runs: Sequence[dict[str, Any]]) -> str:
    """Return the lines by kind and by case as two tables in Markdown."""
    parts = []
    for head, *lines in (by_kind(runs), table(runs)):
        told = [[str(cell) for cell in line] for line in (head, ["---"] * len(head), *lines)]
        parts.append("\n".join(f"| {' | '.join(line)} |" for line in told))
    return "\n\n".join(parts)


if __name__ == "__main__":
    main()
