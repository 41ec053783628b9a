"""What a disk may hold after a power cut: all that was synced, and anything from none to all of the rest.

A helper for tests, not a test. :class:`Disk` watches a run (see :mod:`fault_shim`) and keeps beside the live
tree what is durable: a file's bytes from its last ``fsync``, a directory's names from its own. From that it
makes, after every operation, the states that a cut at that moment may leave:

    synced   no name and no byte that was not synced
    empty    every name, but of the files only what was synced: the empty file after a rename
    torn     every name, and half of what was written since
    zeros    every name and every size, zeros for what was written since
    unnamed  every byte, but only the names that were synced
    all      what a killed process leaves
    mixed    some of the names and some of the files, drawn by a seed; a rename is done or not done

What has no name of a directory that has none is lost with it.
"""

from __future__ import annotations

import hashlib
import io
import os
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from fault_shim import Hook, Operation

VARIANTS = ("synced", "empty", "torn", "zeros", "unnamed", "all", "mixed", "mixed again")
State = dict[str, bytes | None]  # relative path -> content; None is a directory
_scandir, _open = os.scandir, io.open  # as they are when nothing is watched


class Disk(Hook):
    """Watches a tree, all of which is durable to begin with, and collects what power cuts may leave of it."""

    def __init__(self, root: Path) -> None:
        self.root = os.path.realpath(root)
        self.states: dict[str, tuple[str, State]] = {}
        self.cuts = 0
        self._number: dict[int, int] = {}  # inode -> our number of it, for as long as it has a name
        self._next = 1
        self._names: dict[int, dict[str, int]] = {}  # live: directory -> its names
        self._data: dict[int, bytes] = {}  # the last content seen
        self._durable_names: dict[int, dict[str, int]] = {}
        self._durable_data: dict[int, bytes] = {}
        self._pending: dict[int, list[dict[str, int | None]]] = {}  # changes of names since the last sync
        self._scan()
        self._pending.clear()
        self._durable_names = {folder: dict(names) for folder, names in self._names.items()}
        self._durable_data = dict(self._data)

    def after(self, operation: Operation) -> None:
        self._scan()
        if operation.kind == "fsync":
            self._sync(operation.path)
        self.cuts += 1
        for variant in VARIANTS:
            state = self.state(variant)
            self.states.setdefault(
                _digest(state), (f"{variant} after {operation.kind} {operation.path}", state)
            )

    # ---- what there is ------------------------------------------------------------------------------------

    def _scan(self) -> None:
        """Take note of the tree as it is, and of the names that have changed since the last look."""
        names: dict[int, dict[str, int]] = {}
        present: dict[int, int] = {}

        def number(entry: os.DirEntry[str] | os.stat_result) -> int:
            inode = entry.inode() if isinstance(entry, os.DirEntry) else entry.st_ino
            if inode not in present:
                present[inode] = self._number.get(inode) or self._new()
            return present[inode]

        def look(folder: str, me: int) -> None:
            names[me] = {}
            with _scandir(folder) as entries:
                for entry in entries:
                    names[me][entry.name] = n = number(entry)
                    if entry.is_dir(follow_symlinks=False):
                        look(entry.path, n)
                    else:
                        with _open(entry.path, "rb") as file:
                            self._data[n] = file.read()

        look(self.root, 0)
        self._number = present
        for folder, now in names.items():
            before = self._names.get(folder, {})
            changed = {name: now.get(name) for name in {**before, **now} if before.get(name) != now.get(name)}
            if changed:
                self._pending.setdefault(folder, []).append(changed)
        self._names |= names

    def _new(self) -> int:
        self._next += 1
        return self._next

    def _sync(self, path: str) -> None:
        if path == self.root:
            n = 0
        elif path.startswith(self.root + os.sep):
            n = 0
            for part in Path(path).relative_to(self.root).parts:
                n = self._names[n][part]
        else:
            return
        if n in self._names:
            self._durable_names[n] = dict(self._names[n])
            self._pending.pop(n, None)
        else:
            self._durable_data[n] = self._data[n]

    # ---- what may be left ---------------------------------------------------------------------------------

    def state(self, variant: str) -> State:
        """Return what a cut now may leave."""
        draw = random.Random(f"{variant} {self.cuts}")
        state: State = {}

        def names_of(folder: int) -> dict[str, int]:
            if variant in ("synced", "unnamed"):
                return self._durable_names.get(folder, {})
            if not variant.startswith("mixed"):
                return self._names[folder]
            kept: dict[str, int | None] = dict(self._durable_names.get(folder, {}))
            for change in self._pending.get(folder, []):
                if draw.random() < 0.5:
                    kept |= change
            return {name: n for name, n in kept.items() if n is not None}

        def data_of(file: int) -> bytes:
            live, durable = self._data[file], self._durable_data.get(file, b"")
            if variant in ("all", "unnamed") or live == durable:
                return live
            if variant in ("synced", "empty"):
                return durable
            if variant.startswith("mixed"):
                return draw.choice((live, durable))
            same = _alike(live, durable)
            more = len(live) - same
            return live[: same + more // 2] if variant == "torn" else live[:same] + bytes(more)

        def put(folder: int, at: str) -> None:
            for name, n in sorted(names_of(folder).items()):
                if n in self._names:
                    state[at + name] = None
                    put(n, f"{at}{name}/")
                else:
                    state[at + name] = data_of(n)

        put(0, "")
        return state

    def __iter__(self) -> Iterator[tuple[str, State]]:
        """Yield each different state once, with the first cut that leaves it."""
        return iter(self.states.values())


def _digest(state: State) -> str:
    """Return what two states share if they are the same."""
    digest = hashlib.sha256()
    for name, data in sorted(state.items()):
        kind = "directory" if data is None else f"file of {len(data)}"
        digest.update(f"{len(name)} {name} {kind} ".encode("utf-8", "surrogateescape") + (data or b""))
    return digest.hexdigest()


def _alike(one: bytes, two: bytes) -> int:
    """Return how many bytes two contents begin with in common."""
    short = min(len(one), len(two))
    differ = np.frombuffer(one, np.uint8, short) != np.frombuffer(two, np.uint8, short)
    return int(differ.argmax()) if differ.any() else short


def lay(state: State, folder: Path) -> None:
    """Write a state into an empty folder."""
    for name, data in state.items():
        if data is None:
            (folder / name).mkdir(parents=True)
        else:
            (folder / name).write_bytes(data)
