"""The control groups (containers) that this process is in, of both versions that Linux has.

Not for: what they say of processors (:mod:`saetext.io.cpus`) or of memory (:mod:`saetext.io.memory`).
"""

from __future__ import annotations

from pathlib import Path

from saetext.io.opener import SMALL, read_bytes

GROUPS = Path("/sys/fs/cgroup")  # where they are mounted
OWN = Path("/proc/self/cgroup")  # which of them this process is in, as the kernel lists them


def folders_of(controller: str, groups: Path = GROUPS, own: Path = OWN) -> list[Path]:
    """Return the groups that limit this process: its own and those above, of both versions of groups.

    Parameters
    ----------
    controller : str
        ``cpu`` or ``memory``: in version 1 each has a tree of its own.
    groups, own : Path
        Where groups are mounted, and what lists those of this process.
    """
    folders = [groups, groups / controller]
    for line in text_of(own).splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        named = controllers.split(",")
        root = groups if not controllers else groups / controller if controller in named else None
        if root is None or ".." in Path(path).parts:
            continue
        inner = root / path.strip().lstrip("/")
        folders += [inner, *(above for above in inner.parents if above.is_relative_to(root))]
    return list(dict.fromkeys(folders))


def text_of(path: Path) -> str:
    """Return what a small file says, nothing where there is none."""
    try:
        return read_bytes(path, SMALL).decode("ascii", "replace")
    except (OSError, ValueError):
        return ""
