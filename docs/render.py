"""Run the commands shown in README.md and docs/*.md and put their real output beneath them.

    python docs/render.py                          rewrite the outputs
    python docs/render.py docs/diff.md README.md   rewrite those of these pages
    python docs/render.py --check [PAGE ...]       say what would change, exit 1 if anything would

A block that begins ```` ```console ```` holds commands after ``$ `` and what they print. The blocks of a page
run in a scratch directory of its own, so that rendering one page is rendering all. It has the example's files
in ``examples/``, encoded already: only the tour shows what a first encoding says. Pages share the sentence
embeddings of the texts that they cluster, and SmolLM2 is converted once for all. Lines that report time or
speed are masked for the comparison. The pictures are drawn here too, each with its page.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
_TOUR = ROOT / "docs" / "tour.md"
PAGES = [_TOUR, ROOT / "README.md", *(p for p in sorted((ROOT / "docs").rglob("*.md")) if p != _TOUR)]
EXAMPLES = ("gentle", "brisk")
MEANING = Path(".cache/meaning")  # embeddings of texts, by their content
# what a log file is told of a stage every half minute, with or without figures
_PROGRESS = re.compile(r"[A-Za-z][\w ,()-]*(: \d+ %(, .*)?|(: .*)? …)$")
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.M | re.S)
_COMMAND = re.compile(r"^\$ ((?:.*\\\n> ?)*.*)$", re.M)
_MASK = re.compile(r"in \d+:\d\d|about \d+ (h|min)[^,]*|under a minute|at [\d,]+ tokens/s|\d+:\d\d")


def commands(block: str) -> list[str]:
    """Return the commands of a console block, continuation lines joined."""
    return [_joined(shown) for shown in _shown(block)]


def environment(folder: Path, binaries: Path | None = None) -> dict[str, str]:
    """Return what commands see: ``saetext`` is looked for in ``binaries`` first, ``python`` is this one."""
    beside = str(Path(sys.executable).parent)
    return {
        **os.environ,
        "PATH": os.pathsep.join([*([str(binaries)] if binaries else []), beside, os.environ["PATH"]]),
        "COLUMNS": "100",
        "NO_COLOR": "1",
        "SAETEXT_CACHE": str(folder / ".cache"),
        "HF_HUB_OFFLINE": "1",
        "SAETEXT_DTYPE": "float32",  # a processor that is fast at bfloat16 would print other numbers
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
    # a line of progress comes every half minute: only slow machines show it
    lines = [line for line in output.rstrip("\n").split("\n") if not _PROGRESS.match(line)]
    return "\n".join(lines)


def rendered(text: str, folder: Path, run: Callable[[str, Path], str] = run) -> str:
    """Return a page with every console block's output replaced by what the commands print now."""

    def again(match: re.Match[str]) -> str:
        lines = []
        for shown in _shown(match.group(1)):
            output = run(_joined(shown), folder)
            lines.append(f"$ {shown}\n{output}" if output else f"$ {shown}")
        body = "\n".join(lines)
        return f"```console\n{body}\n```"

    return _BLOCK.sub(again, text)


def outputs(text: str) -> Iterator[tuple[str, str]]:
    """Yield the commands of a page, each with the output that stands beneath it."""
    for block in _BLOCK.findall(text):
        parts = _COMMAND.split(block)[1:]
        for shown, output in zip(parts[::2], parts[1::2], strict=True):
            yield _joined(shown), output.strip("\n")


def masked(text: str) -> str:
    """Return a page without what differs from run to run."""
    return _MASK.sub("~", text)


def prepare(folder: Path) -> Path:
    """Make what pages begin with, once for all: the example's files, their corpora."""
    shutil.copytree(ROOT / "examples", folder / "examples")
    for name in EXAMPLES:
        run(f"saetext encode examples/{name}.jsonl", folder)
    (folder / MEANING).mkdir(parents=True, exist_ok=True)
    return folder


def scratch(page: Path, folder: Path, prepared: Path) -> Path:
    """Make the directory in which a page's commands run, with a copy of what is prepared."""
    if page == _TOUR:
        shutil.copytree(ROOT / "examples", folder / "examples")
    else:
        shutil.copytree(prepared, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(MEANING.name))
    (folder / MEANING.parent).mkdir(exist_ok=True)
    (folder / MEANING).symlink_to(prepared / MEANING, target_is_directory=True)
    return folder


def uses_smollm2(text: str) -> bool:
    """Whether a command of a page runs SmolLM2."""
    return any("smollm2" in command for command, _ in outputs(text))


def share_models(folder: Path, cache: Path) -> None:
    """Let a page's commands use the models that were converted into a cache, once for all pages."""
    (folder / ".cache").mkdir(exist_ok=True)
    (folder / ".cache" / "models").symlink_to(cache / "models", target_is_directory=True)


def draw(folder: Path) -> None:
    """Draw the picture of README.md: the first diff as a terminal shows it."""
    from rich.console import Console
    from rich.text import Text

    from saetext.analysis.differences import diff
    from saetext.corpus import Corpus
    from saetext.report.console.differences import render_diff

    a, b = (Corpus.open(folder / "examples" / f"{name}.jsonl.corpus") for name in EXAMPLES)
    result = diff(a, b, pair_on="prompt_id", names=EXAMPLES, top=10)
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


#: What is drawn once a page's commands have run, from what they left in its directory.
PICTURES = {ROOT / "README.md": draw, ROOT / "docs" / "diff.md": photograph, _TOUR: copy_map}


def main() -> None:
    """Rewrite or check the pages that are named, or all."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true")
    parser.add_argument("pages", nargs="*", type=Path, metavar="PAGE")
    asked = parser.parse_args()
    named = [page.resolve() for page in asked.pages]
    if unknown := [str(page) for page in named if page not in PAGES]:
        parser.error(f"not a page of the documentation: {', '.join(unknown)}")
    stale = [page.name for page in _again(named or PAGES, write=not asked.check)]
    print(("stale: " if asked.check else "rewritten: ") + (", ".join(stale) or "none"))
    raise SystemExit(bool(stale) and asked.check)


def _again(pages: Iterable[Path], *, write: bool) -> list[Path]:
    """Run the commands of pages; return those whose outputs have changed, rewritten if ``write``."""
    stale = []
    with tempfile.TemporaryDirectory() as name:
        prepared = prepare(Path(name) / "prepared")
        for number, page in enumerate(pages):
            folder = scratch(page, Path(name) / f"page {number}", prepared)
            old = page.read_text("utf-8")
            if uses_smollm2(old):
                share_models(folder, _converted(Path(name) / "smollm2"))
            new = rendered(old, folder)
            if masked(new) != masked(old):
                stale.append(page)
                if write:
                    page.write_text(new, "utf-8")
            if write and page in PICTURES:
                PICTURES[page](folder)
    return stale


def _converted(folder: Path) -> Path:
    """Return a cache with SmolLM2, converted when it is first asked for."""
    if not folder.is_dir():
        folder.mkdir()
        run("saetext model add smollm2", folder)
    return folder / ".cache"


def _shown(block: str) -> list[str]:
    """Return the commands as written, continuation lines kept."""
    return _COMMAND.findall(block)


def _joined(shown: str) -> str:
    return re.sub(r"\\\n> ?", "", shown)


if __name__ == "__main__":
    main()
