"""Compare a bill of materials with ``locks/``: it names all that saetext runs with here, and nothing else.

    python tools/check_sbom.py dist/saetext.cdx.json

Not for: writing it (``make sbom``). Exit code 1 and a line for each difference.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

LOCKS = Path(__file__).parents[1] / "locks"


def pinned(*names: str) -> dict[str, str]:
    """Return package to version, as some of the locks have them for this system."""
    found = {}
    for name in names:
        for line in (LOCKS / f"{name}.txt").read_text("utf-8").splitlines():
            if line.startswith((" ", "#")):
                continue
            entry = Requirement(line.removesuffix(" \\"))
            if entry.marker is None or entry.marker.evaluate():
                found[canonicalize_name(entry.name)] = str(entry.specifier).removeprefix("==")
    return found


def differences(bill: dict) -> list[str]:
    """Return a line for each package that the bill lacks, has in another version, or should not have."""
    has = {canonicalize_name(one["name"]): one["version"] for one in bill["components"]}
    needed, may = pinned("run"), pinned("build", "gpu", "model") | {"pip": ""}
    told = [f"{name} is missing" for name in needed if name not in has]
    for name, version in has.items():
        if name not in needed and name not in may:
            told.append(f"{name} is none of what saetext runs with")
        elif (expected := needed.get(name)) and Version(version).public != expected:
            told.append(f"{name} is {version}, locked is {expected}")
    main = bill["metadata"]["component"]
    if main["name"] != "saetext":
        told.append(f"it is the bill of {main['name']}")
    return sorted(told)


def main() -> None:
    """Compare the file that the command line names."""
    path = Path(sys.argv[1])
    told = differences(json.loads(path.read_text("utf-8")))
    print("\n".join(told) or f"{path}: names what locks/run.txt has for this system")
    sys.exit(bool(told))


if __name__ == "__main__":
    main()
