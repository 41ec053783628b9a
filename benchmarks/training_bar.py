"""Progress bars for scripts that train: one for each stage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import Progress, TextColumn

from saetext.io.progress import OnProgress
from saetext.io.progress import Progress as State


@contextmanager
def training_bar() -> Iterator[OnProgress]:
    """Yield what ``train`` takes as ``on_progress``."""
    with Progress(*Progress.get_default_columns(), TextColumn("{task.fields[figures]}")) as bar:
        tasks: dict[str, int] = {}

        def show(p: State) -> None:
            task = tasks.setdefault(p.stage, len(tasks))
            if task == len(bar.tasks):
                bar.add_task(p.stage, total=1, figures="")
            bar.update(bar.tasks[task].id, completed=p.share or 0, figures=p.figures)

        yield show
