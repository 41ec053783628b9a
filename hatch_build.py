"""Build hooks: what is in the package, and what a page of a package index shows of README.md.

A wheel carries the example's texts inside ``saetext_cli``; a checkout uses ``examples/``. An editable install
must not, or a second ``saetext_cli`` would appear in site-packages and hide the first.

README.md has links and a picture relative to the repository, which lead nowhere on an index. Where
``[project.urls]`` names the Repository, they become addresses in it, of the released version's tag; where it
does not, links become their words and pictures go.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface
from hatchling.metadata.plugin.interface import MetadataHookInterface

_FENCED = re.compile(r"(^```.*?^```$)", re.M | re.S)
_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?://|#)([^)\s]+)\)")
_BARE = re.compile(r"\n{3,}")


class ExampleHook(BuildHookInterface):
    """Adds ``examples/*.jsonl`` to standard wheels."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the files."""
        if version == "standard":
            for name in ("gentle.jsonl", "brisk.jsonl"):
                build_data["force_include"][f"examples/{name}"] = f"saetext_cli/examples/{name}"


class ReadmeHook(MetadataHookInterface):
    """Makes the long description of README.md."""

    def update(self, metadata: dict[str, Any]) -> None:
        """Set the description."""
        repository = metadata.get("urls", {}).get("Repository")
        text = Path(self.root, "README.md").read_text("utf-8")
        described = described_elsewhere(text, repository, f"v{metadata['version']}")
        metadata["readme"] = {"content-type": "text/markdown", "text": described}


def described_elsewhere(text: str, repository: str | None, tag: str) -> str:
    """Return a page of the repository as it can be read elsewhere.

    Parameters
    ----------
    text : str
        Markdown; what stands between fences is left as it is.
    repository : str or None
        Address of the repository, as on GitHub: files are at ``/blob/TAG/``, pictures at ``/raw/TAG/``.
    tag : str
        Tag of the version.
    """

    def moved(match: re.Match[str]) -> str:
        picture, words, target = match.groups()
        if repository is None:
            return "" if picture else words
        place = "raw" if picture else "blob"
        return f"{picture}[{words}]({repository.rstrip('/')}/{place}/{tag}/{target})"

    parts = _FENCED.split(text)
    parts[::2] = [_BARE.sub("\n\n", _LINK.sub(moved, part)) for part in parts[::2]]
    return "".join(parts)
