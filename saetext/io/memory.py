"""Bounds of memory: as they are written (``800MB``), and how much this process may still take.

Not for: which arrays an analysis has (each counts its own), or files in place of memory
(:mod:`saetext.io.scratch`).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from saetext.errors import InputError
from saetext.io.control_groups import GROUPS, OWN, folders_of, text_of
from saetext.io.request import option

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_BINARY = {"ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}
_SHARE = 2  # by default one part in so many of what is free: texts, tables and libraries need memory too
_UNKNOWN = 2 * 10**9  # bytes that are taken to be free where the system does not say
_NO_LIMIT = 1 << 60  # what version 1 of control groups writes for none is above this
_HELP = (
    "Most memory for working arrays, such as 800MB or 2GB; what does not fit is put into files, or made in "
    "parts, with the same result. By default half of what the machine, or its container, has free."
)


@dataclass(frozen=True)
class Bound:
    """The most bytes that working arrays may take.

    Attributes
    ----------
    bytes : int
        How many.
    asked : bool
        Whether somebody named the number; then what cannot be kept within is an error. Otherwise it is of
        the machine, and the smallest part is made whatever it takes.
    """

    bytes: int
    asked: bool

    @classmethod
    def of(cls, memory: int | str | None) -> Bound:
        """Return the bound that was asked for, or by default half of what is free."""
        if memory is None:
            return cls(free_memory() // _SHARE, False)
        return cls(size_of(memory), True)

    def require(self, needed: int, what: str, instead: str) -> None:
        """Raise :class:`InputError` if this was asked for, and less than the smallest part needs.

        Parameters
        ----------
        needed : int
            Bytes of the smallest part.
        what : str
            Of what, such as "this comparison".
        instead : str
            What else would help.
        """
        if self.asked and needed > self.bytes:
            raise InputError(
                f"--memory {size_text(self.bytes)} is too little: the smallest part of {what} needs "
                f"{size_text(needed, up=True)}; allow that, or {instead}"
            )


def memory_option() -> int | str | None:
    """Return a field ``memory`` of a request, of type ``int | str | None``; see :func:`size_of`."""
    return option(_HELP, default=None, hint=str | None, metavar="SIZE", recorded=False)


def size_of(told: int | str) -> int:
    """Return bytes: of a number, or of a text such as ``800MB``, ``1.5 GB`` or ``512MiB``.

    Raises
    ------
    InputError
        If it is no size, or none above 0.

    Examples
    --------
    >>> size_of("1.5GB")
    1500000000
    """
    found = re.fullmatch(r"(\d{1,15}(?:\.\d{1,9})?|\.\d{1,9})\s*([kmgt]?i?)b?", str(told).strip().lower())
    unit = None if found is None else (_UNITS | _BINARY).get(found[2])
    if found is None or unit is None or isinstance(told, bool) or not (size := int(float(found[1]) * unit)):
        raise InputError(f"memory is a size such as 800MB or 2GB, not {str(told)[:40]!r}")
    return size


def size_text(size: int, *, up: bool = False) -> str:
    """Return bytes for people, in four digits or so; ``up`` never tells less than there are.

    Examples
    --------
    >>> size_text(800_000_000), size_text(12_345_678_900), size_text(1_000_001, up=True)
    ('800 MB', '12.3 GB', '1,001 kB')
    """
    for step, digits, unit in ((10**9, 1, "GB"), (10**6, 0, "MB"), (10**3, 0, "kB")):
        if size >= 10 * step:
            least = step // 10**digits
            told = -(-size // least) * least if up else size
            return f"{told / step:,.{digits}f} {unit}"
    return f"{size:,} bytes"


def free_memory(groups: Path = GROUPS, own: Path = OWN, info: Path = Path("/proc/meminfo")) -> int:
    """Return how many bytes this process may still take: of the machine, and of its control groups.

    Pages of files that the system can take back count as free.

    Parameters
    ----------
    groups, own : Path
        See :func:`saetext.io.control_groups.folders_of`.
    info : Path
        What the kernel says of the machine's memory.
    """
    found = [left for folder in folders_of("memory", groups, own) if (left := _left(folder)) is not None]
    machine = re.search(r"^MemAvailable:\s+(\d+) kB", text_of(info), re.MULTILINE)
    if machine is not None:
        found.append(int(machine[1]) * 1024)
    elif not found:
        found.append(_installed())
    return max(0, min(found))


def _left(folder: Path) -> int | None:
    """Return what a group leaves of its limit; None where it has none."""
    for limit, used, cached in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        told, taken = text_of(folder / limit).strip(), text_of(folder / used).strip()
        if not (told.isdecimal() and taken.isdecimal()) or int(told) >= _NO_LIMIT:
            continue
        back = re.search(rf"^{cached} (\d+)$", text_of(folder / "memory.stat"), re.MULTILINE)
        return int(told) - int(taken) + (0 if back is None else int(back[1]))
    return None


def _installed() -> int:
    """Return half of the memory there is, where nobody says how much is free."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (ValueError, OSError, AttributeError):
        return _UNKNOWN
