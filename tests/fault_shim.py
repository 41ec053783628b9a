"""Every file operation of a run, seen one by one: counted, made to fail, or followed by a power cut.

A helper for tests, not a test. Within :func:`watching` each operation on a path under one of the roots is
told to a hook before it happens (the hook may raise, or ask for a short write) and once more after it. Seen
are ``open``, ``create``, ``read``, ``write``, ``truncate``, ``close`` (of files written), ``allocate``,
``map``, ``flush`` (of maps), ``fsync``, ``replace``, ``rename``, ``unlink``, ``mkdir``, ``rmdir`` and
``list``: all that goes through :mod:`os`, :func:`io.open`, :mod:`pathlib`, :mod:`shutil` and :mod:`mmap`,
NumPy's and pyarrow's writers to file objects among them. Libraries that write by name in native code are seen
at the function that our code calls (``native``): pyarrow's ``write_table`` and ``OSFile``, faiss's
``write_index`` and ``read_index``, safetensors' ``save_file``; when such a write fails, half of the file is
there, and the error is the library's.

``stat`` is not seen. Needs /proc to tell the path of a descriptor.
"""

from __future__ import annotations

import builtins
import errno
import io
import mmap
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

SHORT = "short"  # a hook's answer: write half of it, and say so
#: What a full disk refuses; it lets one read and remove.
CHANGES = frozenset({"write", "truncate", "close", "allocate", "flush", "fsync", "replace", "rename", "mkdir",
                     "create", "native"})  # fmt: skip


class Operation(NamedTuple):
    """What is about to be done to which path."""

    kind: str
    path: str


class Hook:
    """What watches; this one does nothing."""

    def before(self, operation: Operation) -> str | None:
        """May raise what the operation shall raise, or return :data:`SHORT`."""
        return None

    def after(self, operation: Operation) -> None:
        """See the operation done."""


class Failing(Hook):
    """Counts operations, and lets the ``at``-th (from 0) fail: ``at=None`` only counts.

    Parameters
    ----------
    at : int or None
        Which.
    code : int
        An errno, or 0 for short writes.
    stays : bool
        Whether all later changes fail too, as on a full disk.
    """

    def __init__(self, at: int | None = None, code: int = errno.EIO, *, stays: bool = False) -> None:
        self.at = at
        self.code = code
        self.stays = stays
        self.seen: list[Operation] = []
        self.failed: list[Operation] = []

    def before(self, operation: Operation) -> str | None:
        number = len(self.seen)
        self.seen.append(operation)
        hit = number == self.at or (
            self.stays and self.at is not None and number > self.at and operation.kind in CHANGES
        )
        if not hit:
            return None
        self.failed.append(operation)
        if not self.code:
            return SHORT
        raise OSError(self.code, os.strerror(self.code), operation.path)


class _Watch:
    """Who is told of what; the originals of what is patched."""

    def __init__(self, roots: Sequence[Path], hook: Hook) -> None:
        self.roots = tuple(os.path.realpath(root) for root in roots)
        self.hook = hook
        self.open = io.open
        self.os = {name: getattr(os, name) for name in _OS}

    def under(self, path: object, dir_fd: int | None = None) -> str | None:
        """Return the whole path if it is under a root."""
        if isinstance(path, int):
            path = self.path_of(path)
        if not isinstance(path, str | os.PathLike):
            return None
        name = os.fspath(path)
        if not isinstance(name, str):
            return None
        whole = Path(self.path_of(dir_fd) or "" if dir_fd is not None else "", name).absolute()
        found = str(Path(os.path.realpath(whole.parent), whole.name))  # a link itself is not followed
        inside = any(found == root or found.startswith(root + os.sep) for root in self.roots)
        return found if inside else None

    def path_of(self, handle: int) -> str | None:
        try:
            return str(Path(f"/proc/self/fd/{handle}").readlink())
        except OSError:
            return None

    @contextmanager
    def telling(self, kind: str, path: str | None) -> Iterator[str | None]:
        if path is None:
            yield None
            return
        operation = Operation(kind, path)
        yield self.hook.before(operation)
        self.hook.after(operation)


#: Functions of :mod:`os` and what is told of them.
_OS = {
    "open": "open", "fsync": "fsync", "replace": "replace", "rename": "rename", "unlink": "unlink",
    "remove": "unlink", "mkdir": "mkdir", "rmdir": "rmdir", "listdir": "list", "scandir": "list",
    "truncate": "truncate", "ftruncate": "truncate", "posix_fallocate": "allocate",
}  # fmt: skip


class _Raw(io.FileIO):
    """A file whose reads and writes are told."""

    watch: _Watch
    told: str
    writes: bool

    def _step(self, kind: str) -> Any:
        return self.watch.telling(kind, self.told)

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        with self._step("write") as how:
            written = super().write(view[: len(view) // 2] if how == SHORT and len(view) > 1 else view)
        return written

    def readinto(self, buffer: Any) -> int:
        with self._step("read"):
            return super().readinto(buffer)

    def readall(self) -> bytes:
        with self._step("read"):
            return super().readall()

    def read(self, size: int | None = -1) -> bytes:
        with self._step("read"):
            return super().read(-1 if size is None else size)

    def truncate(self, size: int | None = None) -> int:
        with self._step("truncate"):
            return super().truncate(size)

    def close(self) -> None:
        open_before = not self.closed
        super().close()  # the system lets go of the descriptor, whatever it says
        if open_before and self.writes:
            with self._step("close"):
                pass


def _file(watch: _Watch) -> Callable[..., Any]:
    """Return a stand-in for :func:`io.open`."""

    def opened(file: Any, mode: str = "r", buffering: int = -1, *args: Any, **named: Any) -> Any:
        if isinstance(file, int) and mode == "rb" and (told := watch.under(file)) is not None:
            raw = _Raw(file, "r")  # os.open has told that it was opened
            raw.watch, raw.told, raw.writes = watch, told, False
            return io.BufferedReader(raw)
        path = None if isinstance(file, int) else watch.under(file)
        if path is None:
            return watch.open(file, mode, buffering, *args, **named)
        plain = mode.replace("t", "").replace("b", "").replace("U", "")
        writes = plain != "r"
        creates = plain[0] in "wx" or (plain[0] == "a" and not Path(path).exists())
        with watch.telling("create" if creates else "open", path):
            # readable, so that a BufferedRandom takes it, which NumPy does not take for a file of its own
            raw = _Raw(file, plain if plain == "r" else plain[0] + "+")
            raw.watch, raw.told, raw.writes = watch, path, writes
        if buffering == 0:
            return raw
        size = buffering if buffering > 1 else io.DEFAULT_BUFFER_SIZE
        buffered = io.BufferedRandom(raw, size) if writes else io.BufferedReader(raw, size)
        if "b" in mode:
            return buffered
        text = io.TextIOWrapper(buffered, *args, **named)
        text.mode = mode  # type: ignore[misc]
        return text

    return opened


def _patch_os(watch: _Watch, patch: pytest.MonkeyPatch) -> None:
    def one(name: str, kind: str) -> None:
        original = watch.os[name]

        def call(path: Any = ".", *args: Any, **named: Any) -> Any:
            creates = kind == "open" and len(args) > 0 and bool(args[0] & os.O_CREAT)
            shown = "create" if creates else kind
            told = watch.under(path, named.get("dir_fd", named.get("src_dir_fd")))
            with watch.telling(shown, told):
                return original(path, *args, **named)

        patch.setattr(os, name, call)

    for name, kind in _OS.items():
        one(name, kind)


def _patch_maps(watch: _Watch, patch: pytest.MonkeyPatch) -> None:
    class Mapped(mmap.mmap):
        def __new__(cls, handle: int, *args: Any, **named: Any) -> Any:
            told = watch.under(handle) if handle >= 0 else None
            with watch.telling("map", told):
                made = super().__new__(cls, handle, *args, **named)
            made.told = told
            return made

        def flush(self, *args: Any) -> Any:
            with watch.telling("flush", getattr(self, "told", None)):
                return super().flush(*args)

    patch.setattr(mmap, "mmap", Mapped)


def _patch_native(watch: _Watch, patch: pytest.MonkeyPatch) -> None:
    """Stand in for native writers and readers that are given a name."""
    import faiss
    import pyarrow as pa
    import pyarrow.parquet as pq
    import safetensors.torch
    from safetensors import SafetensorError

    def writer(module: Any, name: str, at: int, error: Callable[[OSError], Exception]) -> None:
        original = getattr(module, name)

        def call(*args: Any, **named: Any) -> Any:
            target = args[at] if len(args) > at else None
            told = watch.under(target)
            if told is None:
                return original(*args, **named)
            operation = Operation("native", told)
            try:
                watch.hook.before(operation)
            except OSError as failure:
                original(*args, **named)
                watch.os["truncate"](told, Path(told).stat().st_size // 2)
                raise error(failure) from None
            done = original(*args, **named)
            watch.hook.after(operation)
            return done

        patch.setattr(module, name, call)

    def reader(module: Any, name: str, error: Callable[[OSError], Exception]) -> None:
        original = getattr(module, name)

        def call(path: Any, *args: Any, **named: Any) -> Any:
            told = watch.under(path)
            if told is not None:
                try:
                    watch.hook.before(Operation("read", told))
                except OSError as failure:
                    raise error(failure) from None
            return original(path, *args, **named)

        patch.setattr(module, name, call)

    writer(pq, "write_table", 1, lambda failure: failure)
    writer(faiss, "write_index", 1, lambda failure: RuntimeError(f"Error in write_index: {failure}"))
    for module in (safetensors.torch,):
        writer(module, "save_file", 1, lambda failure: SafetensorError(f"I/O error: {failure}"))
    reader(faiss, "read_index", lambda failure: RuntimeError(f"Error in read_index: {failure}"))
    reader(pa, "OSFile", lambda failure: failure)


@contextmanager
def watching(hook: Hook, *roots: Path) -> Iterator[None]:
    """Tell ``hook`` of every file operation under ``roots`` within the block."""
    watch = _Watch(roots, hook)
    with pytest.MonkeyPatch.context() as patch:
        _patch_os(watch, patch)
        _patch_maps(watch, patch)
        _patch_native(watch, patch)
        patch.setattr(io, "open", _file(watch))
        patch.setattr(builtins, "open", _file(watch))
        yield
