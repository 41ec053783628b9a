"""``saetext info``: what is in a corpus."""

from __future__ import annotations

import textwrap
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from saetext.text.terminal import visible
from saetext_cli.common import note, result, width

if TYPE_CHECKING:
    from saetext.corpus import Corpus
    from saetext.io.derived import Verdict

_MEANING = {
    "stale": "stale: the corpus has changed since, and they are not used; 'saetext index' builds them again",
    "unchecked": "no checksum: an earlier saetext or another program wrote them, so damage cannot be seen",
}


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command("info", epilog="Example: saetext info answers.corpus --verify")(info)


def info(
    corpus: Annotated[Path, typer.Argument(metavar="CORPUS")],
    verify: Annotated[
        bool,
        typer.Option(
            "--verify",
            help="Read every file, derived ones too; list which are intact, stale or damaged.",
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the manifest's figures as one JSON object.")
    ] = False,
) -> None:
    """Say what is in a corpus and how it was read."""
    from saetext.corpus import Corpus
    from saetext.features.inspect import describe
    from saetext.io import strict_json

    opened = Corpus.open(corpus)
    found = _verdicts(opened) if verify else []
    facts = describe(opened)
    if as_json:
        told = {"files": [{"path": str(v.path), "state": v.state, "reason": v.reason} for v in found]}
        facts = {**facts, **(told if verify else {})}
        result(strict_json.dumps(facts, indent=2))
    else:
        result("".join(f"{line}\n" for key, value in facts.items() for line in _fact(key, value)))
    if verify:
        _tell(found, listed=not as_json)


def _verdicts(corpus: Corpus) -> list[Verdict]:
    from saetext.analysis.verification import verdicts

    return verdicts(corpus)


def _tell(found: list[Verdict], *, listed: bool) -> None:
    """Print each file's verdict and the sum; CorpusError names the first that is damaged."""
    from saetext.errors import CorpusError
    from saetext.text.passages import printable

    if listed:
        result("".join(f"{v.state:<11}{printable(_shown(v))}\n" for v in found))
    bad = [verdict for verdict in found if verdict.state in ("damaged", "missing")]
    if bad:
        more = f"; {len(bad)} of {len(found)} files are damaged or missing" if len(bad) > 1 else ""
        raise CorpusError(f"{printable(str(bad[0]))}{more}")
    odd = Counter(verdict.state for verdict in found if verdict.state != "intact")
    for state, count in odd.items():
        note(f"{count} of {len(found)} files: {_MEANING[state]}")
    if not odd:
        note(f"all {len(found)} files are intact")


def _shown(verdict: Verdict) -> str:
    return f"{verdict.path}{f': {verdict.reason}' if verdict.reason else ''}"


def _fact(key: str, value: object) -> list[str]:
    """Return ``key: value`` as lines that fit the window."""
    from saetext.text.passages import printable

    if isinstance(value, dict):
        value = ", ".join(f"{k} {v}" for k, v in value.items())
    elif isinstance(value, list):
        value = "; ".join(map(str, value))
    elif isinstance(value, int):
        value = f"{value:,}"
    shown = f"{visible(key) + ':':<14}{printable(str(value)) or 'none'}"
    return textwrap.wrap(shown, max(width(), 40), subsequent_indent=" " * 14, break_on_hyphens=False)
