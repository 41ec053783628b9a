"""Unfinished work beside the output: its lock, and the settings that a resumed run must agree on.

``OUTPUT.training`` holds activations, a checkpoint and the SAE in the making. Not for: what is in them.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from saetext.corpus.notices import warn
from saetext.errors import InputError, SaetextError
from saetext.io.files import make_directory, write_atomic, writing
from saetext.io.json_file import load, plain
from saetext.io.opener import SMALL, read_bytes

PLAN = "plan.json"
FORMAT = 2  # 1 had pickled checkpoints
_LOCK = ".lock"
_CFG = "cfg.json"


def directory_of(output: Path) -> Path:
    """Return where the unfinished work for ``output`` lies."""
    return output.with_name(f"{output.name}.training")


@contextmanager
def locked(output: Path) -> Iterator[Path]:
    """Make the working directory of ``output`` and keep others out of it meanwhile; yield it.

    Raises
    ------
    InputError
        If ``output`` holds an SAE, or another process trains into it.
    SaetextError
        If the directory cannot be made.
    """
    require_free(output)
    work = directory_of(output)
    with writing(work, SaetextError):
        make_directory(work)
        lock = FileLock(work / _LOCK, thread_local=False)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise InputError(f"another process is training into {output}: wait for it to end") from None
    try:
        require_free(output)  # now that nobody else can finish it
        yield work
    finally:
        lock.release()
        with contextlib.suppress(OSError):
            if not any(path.name != _LOCK for path in work.iterdir()):
                shutil.rmtree(work)  # nothing was begun


def tidy(work: Path) -> None:
    """Remove the unfinished work of a training whose SAE is in its place.

    Others may look into the directory or make their lock in it meanwhile, and a training that is done must
    not fail over it: what stays, but for a lock, is told.

    Warns
    -----
    SaetextWarning
        If something of it cannot be removed.
    """
    shutil.rmtree(work, ignore_errors=True)
    try:
        left = sorted(path.name for path in work.iterdir() if path.name != _LOCK)
    except FileNotFoundError:
        return
    except OSError as error:
        left = [str(error)]
    if left:
        warn(f"{work} is not needed any more, but could not be removed ({', '.join(left)}): remove it")


def require_free(output: Path) -> None:
    """Raise :class:`InputError` if ``output`` has no name or holds an SAE.

    What a killed run left beside it is removed.
    """
    if output.name in ("", ".."):
        raise InputError(f"the SAE needs a directory of its own: name a new one instead of {str(output)!r}")
    if not (output / _CFG).exists():
        return
    left = directory_of(output)
    with contextlib.suppress(OSError):  # all was in place, and only the tidying up was cut short
        if read_bytes(left / "sae" / _CFG, SMALL) == read_bytes(output / _CFG, SMALL):
            shutil.rmtree(left)
    raise InputError(f"{output} already holds an SAE; choose another directory")


def agree(work: Path, settings: Mapping[str, Any], threads: int) -> int:
    """Record a run's settings, or check that the unfinished run in ``work`` had the same.

    Returns
    -------
    int
        Threads of torch to go on with: those that the run was begun with.

    Raises
    ------
    InputError
        If the settings differ, are damaged, or are of an earlier version of saetext.
    SaetextError
        If they cannot be written.
    """
    wanted = plain(settings)
    plan = work / PLAN
    if not plan.exists():
        with writing(plan, SaetextError):
            write_atomic(
                plan, json.dumps({"format": FORMAT, "threads": threads, **wanted}, indent=2).encode()
            )
        return threads
    try:
        before = load(plan)
        if before.get("format") != FORMAT:
            raise InputError(
                f"{work} holds an unfinished run of another version of saetext: remove it to start again"
            )
        different = [key for key, value in wanted.items() if before.get(key) != value]
        threads = int(before["threads"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        different = [f"{PLAN}, which is damaged"]
    if different or threads < 1:
        raise InputError(
            f"{work} holds an unfinished run that differs in {', '.join(different) or 'threads'}: "
            "give the same settings to resume it, or remove it to start again"
        )
    return threads


def require_space(work: Path, tokens: int, width: int) -> None:
    """Raise :class:`InputError` unless activations of so many tokens fit on the disk of ``work``."""
    needed, free = tokens * width * 2, shutil.disk_usage(work).free
    if needed > free:
        raise InputError(
            f"activations of {tokens:,} tokens take {needed / 1e9:.1f} GB next to the output, where "
            f"{free / 1e9:.1f} GB are free: choose fewer with --tokens, or another directory"
        )
