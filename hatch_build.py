"""Build hook: a wheel carries the example's texts inside ``saetext_cli``; a checkout uses ``examples/``.

An editable install must not, or a second ``saetext_cli`` would appear in site-packages and hide the first.
"""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ExampleHook(BuildHookInterface):
    """Adds ``examples/*.jsonl`` to standard wheels."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the files."""
        if version == "standard":
            for name in ("gentle.jsonl", "brisk.jsonl"):
                build_data["force_include"][f"examples/{name}"] = f"saetext_cli/examples/{name}"
