"""A progress bar on a terminal, a line now and then where there is none; both on stderr."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from saetext_cli.common import note

if TYPE_CHECKING:
    from saetext.progress import Progress

LINE_EVERY = 30.0  # seconds between lines in a log file


@contextmanager
def progress_bar() -> Iterator[Callable[[Progress], None]]:
    """Show documents, tokens per second and time left."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _lines()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=12),
        TextColumn("{task.fields[figures]}"),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("starting", total=None, figures="")
        tell = _resuming(lambda line: console.print(line, highlight=False, markup=False))

        def show(p: Progress) -> None:
            tell(p)
            total = None if p.share is None else 1.0
            bar.update(task, description=p.stage, total=total, completed=p.share or 0, figures=figures(p))

        yield show


@contextmanager
def counting_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show how many of how many are done, and the time left."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _counted(what)
        return
    columns = (TextColumn(what), BarColumn(bar_width=12), MofNCompleteColumn(), TimeRemainingColumn())
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def stage_bar(what: str) -> Iterator[Callable[[str, int, int], None]]:
    """Show a stage, and how much of it is done where that is known."""
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _staged()
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=12),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task(what, total=None)
        stage = what

        def show(now: str, done: int, total: int) -> None:
            nonlocal stage
            if now != stage:
                stage = now
                bar.reset(task)
            bar.update(task, description=now, completed=done, total=total or None)

        yield show


def _staged() -> Callable[[str, int, int], None]:
    last = time.monotonic()

    def show(stage: str, done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= LINE_EVERY:
            last = time.monotonic()
            note(f"{stage}: {100 * done // total} %" if total else stage)

    return show


def _counted(what: str) -> Callable[[int, int], None]:
    last = time.monotonic()

    def show(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= LINE_EVERY:
            last = time.monotonic()
            note(f"{what}: {done:,} of {total:,}")

    return show


def _lines() -> Callable[[Progress], None]:
    last, stage = 0.0, ""
    tell = _resuming(note)

    def show(p: Progress) -> None:
        nonlocal last, stage
        tell(p)
        if p.stage != stage:
            last, stage = 0.0, p.stage
        if p.seconds - last >= LINE_EVERY:
            last = p.seconds
            note(f"{p.stage}: {figures(p)}")

    return show


def _resuming(say: Callable[[str], None]) -> Callable[[Progress], None]:
    """Return what says once, when the new work begins, that an earlier run is gone on with."""
    told = False

    def tell(p: Progress) -> None:
        nonlocal told
        if p.resumed and p.tokens and not told:
            told = True
            say(f"going on after the {p.resumed:,} documents that an earlier run has finished")

    return tell


def figures(p: Progress) -> str:
    """Return ``34 %, 1,024 documents, 5,310 tokens/s, 2:10 left``, as far as they are known."""
    parts = []
    if p.share is not None:
        parts.append(f"{p.share:.0%}".replace("%", " %"))
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
