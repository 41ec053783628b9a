"""``saetext check``: whether a new set of texts stays within limits, for CI."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from saetext.analysis.checking.request import CheckRequest
from saetext.errors import InputError
from saetext.io.request import option
from saetext_cli.analysing import finish, write_table
from saetext_cli.common import colored, encoding, note, require_new, require_writable, width
from saetext_cli.declared import expanded
from saetext_cli.making import open_or_encode, open_or_encode_all
from saetext_cli.meters import progress_bar
from saetext_cli.options import FileColumns, Output, Running
from saetext_cli.outputs import all_or_none

if TYPE_CHECKING:
    from saetext.analysis.checking import Baseline, CheckResult

BROKEN = 3  # the exit code where a limit is broken


@dataclass(frozen=True, kw_only=True)
class CheckOutput(Output):
    """How a check is printed, and the files that a CI server reads."""

    junit: Path | None = option(
        "Write JUnit XML, a test case for each limit; a report of an earlier check is replaced.",
        default=None,
        metavar="FILE",
        group="Output",
    )
    markdown: Path | None = option(
        "Write a summary in Markdown; added to the file that $GITHUB_STEP_SUMMARY names, else one of an "
        "earlier check is replaced.",
        default=None,
        metavar="FILE",
        group="Output",
    )


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command(
        "check",
        epilog="Examples: saetext check new.jsonl --against old.jsonl --rules rules.toml --junit check.xml; "
        "saetext check new.jsonl --against old.jsonl --detector refusal --max-rise 2; "
        "saetext check old.jsonl --rules rules.toml --write-baseline baseline.json; "
        "saetext check new.jsonl --against baseline.json --rules rules.toml",
    )(check)


def run(
    new: Annotated[Path, typer.Argument(metavar="NEW", help="A corpus or a data file: the new set.")],
    request: CheckRequest,
    texts: FileColumns,
    output: CheckOutput,
    running: Running,
    against: Annotated[
        Path | None,
        typer.Option("--against", metavar="OLD", help="A corpus, a data file or a baseline: the old set."),
    ] = None,
    write_baseline: Annotated[
        Path | None,
        typer.Option(
            "--write-baseline",
            metavar="FILE",
            help="Write the figures of the old set (that of --against; without it, NEW) as a baseline; one "
            "that is there is replaced.",
        ),
    ] = None,
) -> None:
    """Check a new set of texts against an old one: exit 3 if something changed by more than rules allow.

    Rules limit how much the share of texts with a property, a theme, a mark of format, a word or a feature
    may rise or fall, how long texts are, and what a diff may find. A limit is broken only if the whole
    interval of the change lies beyond it, so that noise breaks none. The exit code is 0 if no limit is
    broken and 3 if one is.
    """
    from saetext.analysis.checking.run import kept_in, require_reader, require_rules

    _require(against, write_baseline, output)
    kept = None if against is None else kept_in(against)
    sources = [new] if against is None or kept is not None else [new, against]
    require_rules(request, sources, needed=against is not None)
    if kept is not None:
        require_reader(kept, new, request.sae)
    _require_files(output, write_baseline)
    settings: dict[str, Any] = {
        "device": running.device,
        "dtype": running.dtype,
        **texts.given(),
        "asked": request,
    }
    if against is None:
        assert write_baseline is not None
        _keep(open_or_encode(new, **settings), new, request, write_baseline)
        return
    if kept is not None and write_baseline is not None:
        raise InputError(f"{against} is a baseline already; name the old texts with --against")
    opened = open_or_encode_all(sources, **settings)
    found = _checked(opened, [new, against], kept, request)
    with all_or_none(output.parquet, output.junit, _own(output.markdown), write_baseline):
        write_table(found, output.parquet)
        _write_reports(found, output)
        if write_baseline is not None:
            _keep(opened[1], against, request, write_baseline)
    from saetext.report.console.checking import render_check

    finish(found, output, lambda: render_check(found, width(), colored(), encoding=encoding()))
    if not found.passed:
        raise typer.Exit(BROKEN)


check = expanded(run)


def _require(against: Path | None, write_baseline: Path | None, output: CheckOutput) -> None:
    if against is not None:
        return
    if write_baseline is None:
        raise typer.BadParameter(
            "expected --against OLD, or --write-baseline FILE to keep the figures of NEW"
        )
    if output.for_programs or any((output.parquet, output.junit, output.markdown)):
        raise typer.BadParameter("only --write-baseline is written where there is no --against OLD")


def _require_files(output: CheckOutput, write_baseline: Path | None) -> None:
    from saetext.analysis.checking.baseline_file import is_baseline
    from saetext.report import junit, markdown

    _require_apart(output, write_baseline)
    require_new(output.parquet)
    _require_ours(output.junit, junit.BEGINNING)
    if not _is_summary(output.markdown):
        _require_ours(output.markdown, markdown.BEGINNING)
    if write_baseline is not None and not is_baseline(write_baseline):
        require_new(write_baseline)


def _require_apart(output: CheckOutput, write_baseline: Path | None) -> None:
    """Raise an error if two files that are written would be one."""
    named = {
        "--parquet": output.parquet, "--junit": output.junit, "--markdown": output.markdown,
        "--write-baseline": write_baseline,
    }  # fmt: skip
    seen: dict[Path, str] = {}
    for option_name, path in named.items():
        if path is None:
            continue
        place = path.resolve()
        if place in seen:
            raise InputError(f"{seen[place]} and {option_name} would both write {path}; name two files")
        seen[place] = option_name


def _require_ours(path: Path | None, beginning: str) -> None:
    """Raise an error unless a file is new, or is one that an earlier check has written."""
    if path is None:
        return
    if not path.is_file():
        require_new(path)
        return
    from saetext.io.opener import open_regular, reading

    with reading(path, InputError, "report of a check"), open_regular(path) as file:
        begins = file.read(len(beginning.encode()))
    if begins != beginning.encode():
        require_new(path)
    require_writable(path)


def _is_summary(path: Path | None) -> bool:
    """Whether a file is the one that GitHub shows beside a job, to which every step adds."""
    named = os.environ.get("GITHUB_STEP_SUMMARY")
    return path is not None and bool(named) and path.absolute() == Path(str(named)).absolute()


def _own(path: Path | None) -> Path | None:
    return None if _is_summary(path) else path


def _checked(
    opened: list[Any], paths: list[Path], kept: Baseline | None, request: CheckRequest
) -> CheckResult:
    from saetext.analysis.checking.run import compared
    from saetext.encoding.opening import short_names

    names = short_names(paths[: len(opened)])
    with progress_bar("comparing") as show:
        found: CheckResult = compared(opened, names, kept, request.replace(on_progress=show))
    return found


def _keep(corpus: Any, path: Path, request: CheckRequest, target: Path) -> None:
    from saetext.analysis.checking.run import kept_of
    from saetext.encoding.opening import short_names

    with progress_bar("counting") as show:
        made = kept_of(corpus, short_names([path])[0], request.replace(on_progress=show))
    made.write(target, overwrite=True)
    note(f"wrote {target}: {made.n_documents:,} texts, {len(made.subjects)} figures of each, no texts")


def _write_reports(found: CheckResult, output: CheckOutput) -> None:
    if output.junit is not None:
        found.to_junit(output.junit, overwrite=True)
        note(f"wrote {output.junit}")
    if output.markdown is None:
        return
    if _is_summary(output.markdown):
        from saetext.analysis.export import write_text
        from saetext.io.opener import LARGE, read_text, reading

        before = ""
        if output.markdown.exists():
            with reading(output.markdown, InputError, "text"):
                before = read_text(output.markdown, LARGE)
        joined = before + ("" if not before or before.endswith("\n") else "\n") + found.to_markdown()
        write_text(output.markdown, joined, overwrite=True)
    else:
        found.to_markdown(output.markdown, overwrite=True)
    note(f"wrote {output.markdown}")
