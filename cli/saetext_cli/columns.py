"""Lines in columns, for a terminal of any width. Not for: tables of findings, which the reports draw."""

from __future__ import annotations

from saetext.text.terminal import visible


def columns(lines: list[tuple[str, ...]], room: int) -> list[str]:
    """Align in columns; what is too wide for the window keeps its first column, which is what one types."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    aligned = [
        "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip() for line in lines
    ]
    aligned = [visible(line) for line in aligned]
    return [
        line if len(line) <= room else max(line[: room - 1] + "…", cells[0], key=len)
        for line, cells in zip(aligned, lines, strict=True)
    ]
