"""Sphinx extension: which pages the site has, in which order. A page in no list is an error."""

from __future__ import annotations

from typing import Any

CHAPTERS = {
    "Use": [
        *("tour", "explore", "diff", "outcome", "correlate", "cluster", "search", "check", "steer"),
        *("attribute", "ablate", "shift", "bias", "why", "attend", "detectors", "labels", "recipes"),
        "python",
    ],
    "Notebooks": [*(f"notebooks/{name}" for name in ("release_check", "user_prompts", "own_sae"))],
    "Understand": ["readers", "formats", "machines", "others", "statistics", "reliability", "glossary"],
    "Look up": ["reference", "api"],
    "Project": ["../CONTRIBUTING", "../SECURITY", "../CHANGELOG", "dependencies", "log", "decisions/README"],
    "Measured": ["lists", "../benchmarks/README", "../examples/README"],
}
DECISIONS = "docs/decisions/README"


def _place(name: str) -> str:
    return name[3:] if name.startswith("../") else f"docs/{name}"


def _list(caption: str, pages: list[str]) -> str:
    return f"\n\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n" + "\n".join(pages) + "\n```\n"


def _with_lists(app: Any, docname: str, source: list[str]) -> None:
    if docname == app.config.root_doc:
        for caption, names in CHAPTERS.items():
            there = [page for page in map(_place, names) if page in app.env.found_docs]
            source[0] += _list(caption, [f"/{page}" for page in there])
    if docname == DECISIONS:
        inner = sorted(d for d in app.env.found_docs if d.startswith("docs/decisions/") and d != DECISIONS)
        source[0] += _list("Decisions", [f"/{page}" for page in inner])


def setup(app: Any) -> dict[str, bool]:
    """Register."""
    app.connect("source-read", _with_lists)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
