"""What several commands share: options, where notes and results go, loading a reader.

Notes and progress go to stderr, so that stdout pipes.
"""

from __future__ import annotations

import functools
import os
import shutil
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from saetext.errors import InputError, SaetextWarning
from saetext.text.terminal import cut, visible
from saetext_cli import printing, stopping

if TYPE_CHECKING:
    from saetext.corpus import Corpus
    from saetext.documents import DocumentSource
    from saetext.reader.reader import Reader


def given_options(context: typer.Context, names: Iterable[str]) -> list[str]:
    """Return the options on a command line out of these, as they are spelt (``--a/--no-a``)."""
    params = context.command.params
    spelt = {param.name: "/".join([param.opts[0], *param.secondary_opts[:1]]) for param in params}
    return [
        spelt[name]
        for name in names
        # by its name: typer brings a click of its own
        if getattr(context.get_parameter_source(name), "name", None) == "COMMANDLINE"
    ]


def say(line: str) -> None:
    """Print one line to standard error."""
    stream = printing.err()
    stream.write(f"{line}\n")
    stream.flush()


def note(text: str, *, lines: bool = False) -> None:
    """Print a line for the person at the terminal, visible and cut; with ``lines``, a text of several."""
    stopping.check()
    say(text if lines else cut(visible(text)))


@contextmanager
def showing_warnings() -> Iterator[None]:
    """Print the library's warnings as notes, each once a command; leave others to Python."""
    told: set[str] = set()

    def show(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if not issubclass(category, SaetextWarning):
            usual(visible(str(message)), category, *where, **more)
        elif str(message) not in told:  # a file is encoded, and the corpus compared: one command, one line
            told.add(str(message))
            note(f"warning: {message}")

    with warnings.catch_warnings():
        usual = warnings.showwarning
        warnings.simplefilter("always", SaetextWarning)
        warnings.showwarning = show
        yield


def result(text: str, *, colours: bool = False, raw: bool = False, first: str = "") -> None:
    """Print what the command was asked for, ending in one line break.

    Parameters
    ----------
    text : str
        What to print; control characters and invisible formatting do not come out.
    colours : bool
        Whether it was drawn with colours, of texts that were made visible.
    raw : bool
        Print it as it is where standard output is no terminal.
    first : str
        Printed before it as it is: a byte order mark.
    """
    stopping.check()
    line = text if text.endswith("\n") else f"{text}\n"
    stream = printing.out()
    stream.send(first)
    if raw and not stream.isatty():
        stream.send(line)
    else:
        stream.send(visible(line, newlines=True, colours=colours))
    stream.flush()


def width() -> int:
    """Return the columns to print for: the window's, or 100 where there is none."""
    return shutil.get_terminal_size((100, 24)).columns


def colored() -> bool:
    """Return whether stdout takes colours (a terminal, and NO_COLOR is not set)."""
    return printing.out().isatty() and not os.environ.get("NO_COLOR")


def encoding() -> str:
    """Return what stdout can print."""
    return printing.out().encoding or "ascii"


def load_reader(
    names: list[str] | None,
    model: str | None,
    *,
    device: str,
    dtype: str,
    trust_pickle: bool = False,
    like: Path | None = None,
) -> Reader:
    """Load a reader by its names, or the one that made the corpus ``like``, with that corpus's thresholds."""
    from saetext.corpus import Corpus
    from saetext.reader.shipped import by_name

    if model is not None and like is None and (not names or by_name(names[0]) is not None):
        raise typer.BadParameter("--model belongs to an SAE: name its directory with --reader")
    corpus = Corpus.open(like) if like is not None else None
    convert_first(model)
    with waiting("loading the reader"):
        from saetext.reader.reader import Reader

        if corpus is not None:
            calibrations = {sae: corpus.calibration(sae) for sae in corpus.saes}
            return Reader.from_spec(
                corpus.spec,
                calibrations,
                device=device,
                dtype=dtype,
                trust_pickle=trust_pickle,
                names=names or None,
                model=model,
            )
        return _load(tuple(names or []), model, device, dtype, trust_pickle)


def convert_first(model: str | None) -> None:
    """Where a model is named that has to be made of a GGUF file first, do so, and show how it gets on."""
    if model is None or Path(model).is_dir():
        return
    from saetext.reader.added.adding import located
    from saetext_cli.meters import progress_bar

    with progress_bar("looking for the model") as show:
        located(model, show)


@functools.lru_cache(1)  # a comparison of two files reads both with one reader
def _load(names: tuple[str, ...], model: str | None, device: str, dtype: str, trust_pickle: bool) -> Reader:
    from saetext.reader.reader import Reader

    return Reader.load_many(names, model, device=device, dtype=dtype, trust_pickle=trust_pickle)


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Show a spinner on a terminal while something without a measure of progress goes on."""
    with telling(what):
        yield


@contextmanager
def telling(what: str) -> Iterator[Callable[[str], None]]:
    """As :func:`waiting`, and yield a function that says what goes on."""
    console = printing.live_console()
    if not console.is_terminal:
        yield lambda _: stopping.check()
        return
    from rich.text import Text

    def show(text: str) -> None:
        stopping.check()
        status.update(Text(cut(visible(text))))

    with console.status(Text(visible(what))) as status, printing.guarded():
        yield show


def describe_source(source: DocumentSource) -> int:
    """Print what was guessed about the input; return how many of its notices that told."""
    note(f"{source.name}: {source.columns.describe()}")
    if source.examples:
        note(f"  such as {source.examples}")
    for notice in source.notices:
        note(f"  {notice}")
    return len(source.notices)


def describe_corpus(
    corpus: Corpus, source: DocumentSource, *, told: int, seconds: float, before: int = 0
) -> None:
    """Print the summary of a finished encoding, and what the source has noticed since ``told`` notices."""
    from saetext_cli.meters import clock

    for notice in source.notices[told:]:
        note(f"  {notice}")
    counts, sizes = corpus.manifest.counts, corpus.sizes()
    disk = f"{megabytes(sizes['total'])} ({sizes['kb_per_100_tokens']:.2f} kB per 100 tokens)"
    added = f" ({counts['documents'] - before:,} added)" if before else ""
    note(
        f"{place_shown(corpus.path)}: {counts['documents']:,} documents{added}, {counts['tokens']:,} tokens "
        f"in {clock(seconds)}, {disk}"
    )


def place_shown(path: Path) -> str:
    """Return a path as it is shown; that of a corpus elsewhere as a URL without keys."""
    from saetext.corpus.elsewhere import url_of_copy
    from saetext.io.urls import shown_url, url_of

    url = url_of(path) or url_of_copy(path)
    return str(path) if url is None else shown_url(url)


def megabytes(size: float) -> str:
    """Return a size as ``1.4 MB``, or in kB below a tenth of that."""
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{size / 1e3:,.0f} kB"


def require_new(path: Path | None) -> None:
    """Raise :class:`InputError` unless a file to write is new, before anything is computed for it."""
    if path is None:
        return
    from saetext.corpus.files import require_outside_parts

    if path.exists() or path.is_symlink():
        raise InputError(f"{path} exists already; choose another name or remove it")
    if not path.parent.is_dir():
        raise InputError(f"cannot write {path}: there is no directory {path.parent}")
    require_outside_parts(path)
    require_writable(path)


def require_writable(path: Path) -> None:
    """Raise :class:`InputError` unless a file can be written, before anything is computed for it."""
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise InputError(f"cannot write {path}: no permission in {path.parent}; choose another place")


def require_file_of_texts(source: str) -> None:
    """Raise :class:`InputError` if the input is a corpus, which is no file of texts any more."""
    if (Path(source) / "manifest.json").is_file() or (Path(source) / "plan.json").is_file():
        raise InputError(f"{source} is a corpus already; expected a file of texts")


def options(**given: Any) -> dict[str, Any]:
    """Return the options that were given."""
    return {key: value for key, value in given.items() if value is not None}


def short_names(paths: list[Path]) -> list[str]:
    """Return the shortest names that tell paths apart: the files' stems, or the paths."""
    from saetext.encoding import opening

    return opening.short_names(paths)
