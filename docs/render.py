"""Run the commands shown in README.md and docs/*.md and put their real output beneath them.

    python docs/render.py            rewrite the outputs
    python docs/render.py --check    say what would change, exit 1 if anything would

A block that begins ```` ```console ```` holds commands after ``$ `` and what they print. All blocks of all
files run in one scratch directory that has the example's files in ``examples/``. Lines that report time or
speed are masked for the comparison. The pictures are drawn here too.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_TOUR = ROOT / "docs" / "tour.md"  # first: it shows what encoding says, which happens once
PAGES = [_TOUR, ROOT / "README.md", *(p for p in sorted((ROOT / "docs").rglob("*.md")) if p != _TOUR)]
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.M | re.S)
_MASK = re.compile(r"in \d+:\d\d|about \d+ (h|min)[^,]*|under a minute|at [\d,]+ tokens/s|\d+:\d\d")


def commands(block: str) -> list[str]:
    """Return the commands of a console block, continuation lines joined."""
    joined = re.sub(r"\\\n> ?", "", block)
    return [line[2:] for line in joined.splitlines() if line.startswith("$ ")]


def environment(folder: Path, binaries: Path | None = None) -> dict[str, str]:
    """Return what commands see: ``saetext`` is looked for in ``binaries``, else beside this Python."""
    return {
        **os.environ,
        "PATH": f"{binaries or Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "SAETEXT_CACHE": str(folder / ".cache"),
        "HF_HUB_OFFLINE": "1",
    }


def run(command: str, folder: Path, binaries: Path | None = None) -> str:
    """Run one command as a user's shell would, stderr with stdout; it must succeed."""
    env = environment(folder, binaries)
    done = subprocess.run(
        ["sh", "-c", command], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    output = done.stderr + done.stdout
    if done.returncode != 0:
        raise SystemExit(f"$ {command}\n{output}\nexit code {done.returncode}")
    return output.rstrip("\n")


def rendered(text: str, folder: Path) -> str:
    """Return a page with every console block's output replaced by what the commands print now."""

    def again(match: re.Match[str]) -> str:
        lines = []
        for command in commands(match.group(1)):
            shown = next(part for part in _shown(match.group(1)) if _joined(part) == command)
            output = run(command, folder)
            lines.append(f"$ {shown}\n{output}" if output else f"$ {shown}")
        body = "\n".join(lines)
        return f"```console\n{body}\n```"

    return _BLOCK.sub(again, text)


def masked(text: str) -> str:
    """Return a page without what differs from run to run."""
    return _MASK.sub("~", text)


def scratch(folder: Path) -> Path:
    """Put the example where the commands expect it."""
    shutil.copytree(ROOT / "examples", folder / "examples")
    return folder


def draw(folder: Path) -> None:
    """Draw the picture of README.md: the first diff as a terminal shows it."""
    from rich.console import Console
    from rich.text import Text

    from saetext.analysis.differences import diff
    from saetext.corpus import Corpus
    from saetext.report.console.differences import render_diff

    a, b = (Corpus.open(folder / "examples" / f"{name}.jsonl.corpus") for name in ("gentle", "brisk"))
    result = diff(a, b, pair_on="prompt_id", names=("gentle", "brisk"), top=10, plain=False)
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123
        console = Console(record=True, width=120, file=nowhere, force_terminal=True)
        console.print(Text.from_ansi(render_diff(result, 120, True)))
    console.save_svg(
        str(ROOT / "docs" / "images" / "diff.svg"),
        title="saetext diff examples/gentle.jsonl examples/brisk.jsonl --pair-on prompt_id",
        unique_id="saetext-diff",
    )


def photograph(folder: Path) -> None:
    """Take the picture of the report with headless Chromium, where there is one."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    page = folder / "report.html"
    if browser is None or not page.exists():
        print("no browser: the picture of the report stays as it was")
        return
    target = ROOT / "docs" / "images" / "report.png"
    options = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"]
    options += [f"--user-data-dir={folder / '.browser'}", "--window-size=1100,1500", f"--screenshot={target}"]
    subprocess.run([browser, *options, page.as_uri()], check=True, capture_output=True)


def copy_map(folder: Path) -> None:
    """Keep the picture of the map that a command of the tour has drawn."""
    shutil.copy(folder / "map.png", ROOT / "docs" / "images" / "map.png")


def main() -> None:
    """Rewrite or check all pages."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    stale = []
    with tempfile.TemporaryDirectory() as name:
        folder = scratch(Path(name))
        for page in PAGES:
            old = page.read_text("utf-8")
            new = rendered(old, folder)
            if masked(new) != masked(old):
                stale.append(page.name)
                if not check:
                    page.write_text(new, "utf-8")
        if not check:
            draw(folder)
            photograph(folder)
            copy_map(folder)
    print(("stale: " if check else "rewritten: ") + (", ".join(stale) or "none"))
    raise SystemExit(bool(stale) and check)


def _shown(block: str) -> list[str]:
    """Return the commands as written, continuation lines kept."""
    return [m.group(1) for m in re.finditer(r"^\$ ((?:.*\\\n> ?)*.*)$", block, re.M)]


def _joined(shown: str) -> str:
    return re.sub(r"\\\n> ?", "", shown)


if __name__ == "__main__":
    main()
