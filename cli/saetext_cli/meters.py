"""A progress bar on a terminal, a line now and then where there is none; both on stderr."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from saetext.text.terminal import cut, visible
from saetext_cli import printing, stopping
from saetext_cli.common import note

if TYPE_CHECKING:
    from saetext.io.progress import OnProgress, Progress

LINE_EVERY = 30.0  # seconds between lines in a log file
BOUND_AFTER = 5.0  # seconds after which a terminal is told how much memory may be taken


@contextmanager
def progress_bar(what: str = "starting") -> Iterator[OnProgress]:
    """Show what is being done, how much of it, and the time left, of anything; ``what`` until it begins."""
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    console = printing.live_console()
    if not console.is_terminal:
        yield _lines()
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=12),
        TextColumn("{task.fields[figures]}", markup=False),
    )
    with Bar(*columns, console=console, transient=True) as bar, printing.guarded():
        task = bar.add_task(what, total=None, figures="")
        tell = _resuming(lambda line: console.print(line, highlight=False, markup=False))
        bound = _bounded(lambda line: console.print(line, highlight=False, markup=False), BOUND_AFTER)

        def show(p: Progress) -> None:
            stopping.check()
            tell(p)
            bound(p)
            total = None if p.share is None else 1.0
            stage, told = (cut(visible(text)) for text in (p.stage, figures(p)))
            bar.update(task, description=stage, total=total, completed=p.share or 0, figures=told)

        yield show


def _lines() -> OnProgress:
    """Return what says a line every half minute, by the clock or by that of the stage, which begins anew."""
    at, told, before, stage = time.monotonic(), 0.0, 0.0, ""
    tell, bound = _resuming(note), _bounded(note, LINE_EVERY)

    def show(p: Progress) -> None:
        nonlocal at, told, before, stage
        stopping.check()
        tell(p)
        bound(p)
        if p.stage != stage:
            told, stage = told - before, p.stage  # short stages add up
        before = p.seconds
        if p.seconds - told >= LINE_EVERY or time.monotonic() - at >= LINE_EVERY:
            at, told = time.monotonic(), p.seconds
            shown = figures(p)
            line = f"{p.stage}: {shown}" if shown else p.stage
            note(line if p.share is not None else f"{line} …")

    return show


def _resuming(say: Callable[[str], None]) -> Callable[[Progress], None]:
    """Return what says once, when the new work begins, that an earlier run is resumed."""
    told = False

    def tell(p: Progress) -> None:
        nonlocal told
        if p.resumed and p.tokens and not told:
            told = True
            say(f"going on after the {p.resumed:,} documents that an earlier run has finished")

    return tell


def _bounded(say: Callable[[str], None], after: float) -> Callable[[Progress], None]:
    """Return what says once how much memory may be taken, of work that takes so many seconds."""
    began, known, told = time.monotonic(), 0, False

    def tell(p: Progress) -> None:
        nonlocal known, told
        known = p.memory or known
        if known and not told and time.monotonic() - began >= after:
            from saetext.io.memory import size_text

            told = True
            say(f"working arrays take up to {size_text(known)} of memory (--memory)")

    return tell


def _counted(done: int, unit: str) -> str:
    """Return a count with its unit, which is a plural, in the singular where one is counted."""
    one = unit.removesuffix("es" if unit.endswith("ches") else "s")
    return f"{done:,} {unit if done != 1 else one}"


def figures(p: Progress) -> str:
    """Return ``34 %, 1,024 documents, 5,310 tokens/s`` or ``50 %, 3 of 6 findings``: what is known."""
    parts = []
    if p.share is not None:
        parts.append(f"{p.share:.0%}".replace("%", " %"))
    if p.unit and (p.done or p.total):
        parts.append(f"{p.done:,} of {p.total:,} {p.unit}" if p.total else _counted(p.done, p.unit))
    if p.documents:
        parts.append(f"{p.documents:,} documents")
    if p.tokens and p.seconds >= 0.5:
        parts.append(f"{p.tokens_per_second:,.0f} tokens/s")
    if p.figures:
        parts.append(p.figures)
    if p.left is not None:
        parts.append(f"{clock(p.left)} left")
    return ", ".join(parts)


def clock(seconds: float) -> str:
    """Return ``0:07``, ``12:30`` or ``1:05:00``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def duration(seconds: float) -> str:
    """Return ``about 3 h 20 min``, ``about 4 min``, ``about 40 s`` or ``a few seconds``."""
    if seconds < 10:
        return "a few seconds"
    if seconds < 90:
        return f"about {round(seconds, -1):.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"about {hours} h {minutes} min" if hours else f"about {minutes} min"
