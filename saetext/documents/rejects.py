"""What is said about rows that could not be read. Not for: finding them."""

from __future__ import annotations

from collections.abc import Mapping

from saetext.errors import InputError


def nothing_readable(name: str, rejects: Mapping[str, int]) -> InputError:
    """Return the error for a source without a single document."""
    return InputError(f"{name} has no document that can be read: {describe_rejects(rejects)}")


def describe_rejects(counts: Mapping[str, int]) -> str:
    """Return ``12 rows rejected (8 empty text, 4 duplicate id)``, or an empty string."""
    total = sum(counts.values())
    if not total:
        return ""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    parts = ", ".join(f"{n:,} {reason}" for reason, n in ranked)
    return f"{total:,} row{'s' if total != 1 else ''} rejected ({parts})"
