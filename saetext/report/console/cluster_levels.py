"""The levels of clusters as lines for a terminal: groups with their clusters, and the parts of big ones.

Not for: the clusters themselves (:mod:`saetext.report.console.clusters`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from saetext.report.console.lines import styled
from saetext.text.passages import printable

if TYPE_CHECKING:
    from rich.text import Text

    from saetext.analysis.clusters import ClusterResult

_BAR = 10  # columns of a share's bar
_INDENT = 2  # columns for each level


class Tree:
    """The parts of all levels of a result, by level and number, and those that lie in each."""

    def __init__(self, result: ClusterResult) -> None:
        self.base = int(result.metrics.get("level_of_clusters", 1))
        self.inner: dict[tuple[int, int], list[Mapping[str, Any]]] = {}
        rows = [] if result.levels is None else result.levels.to_dicts()
        for row in rows:
            self.inner.setdefault((row["level"] - 1, row["parent"] or 0), []).append(row)

    def groups(self) -> list[Mapping[str, Any]]:
        """Return the parts of the coarsest level, if those are groups of clusters."""
        return self.inner.get((0, 0), []) if self.base > 1 else []

    def within(self, row: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """Return the parts of the next level that lie in one, largest first."""
        return self.inner.get((row["level"], row["part"]), [])

    def parts(self, cluster: int) -> Iterator[tuple[int, Mapping[str, Any]]]:
        """Yield the parts that a cluster is split into, and how deep each is, from 1; none of a whole one."""
        yield from self._below({"level": self.base, "part": cluster}, 1)

    def _below(self, row: Mapping[str, Any], depth: int) -> Iterator[tuple[int, Mapping[str, Any]]]:
        inner = self.within(row)
        if len(inner) == 1:
            yield from self._below(inner[0], depth)
            return
        for part in inner:
            yield depth, part
            yield from self._below(part, depth + 1)


def group_lines(tree: Tree, width: int, start: int) -> list[Text]:
    """Return two lines a group: bar, size, share and name, then the names of the clusters in it.

    Parameters
    ----------
    tree : Tree
        Of the result.
    width : int
        Columns of the window.
    start : int
        Columns before a name.
    """
    groups = tree.groups()
    most = max((row["share"] for row in groups), default=0.0)
    lines: list[Text] = []
    for row in groups:
        lines += _group(tree, row, width, start, 0, most)
    return lines


def _group(tree: Tree, row: Mapping[str, Any], width: int, start: int, depth: int, most: float) -> list[Text]:
    bar = "█" * max(1, round(_BAR * row["share"] / most)) if most > 0 and row["size"] else ""
    indent = " " * (_INDENT * depth)
    line = styled(f"    {bar:<{_BAR}} ", "cyan")
    line.append(numbers(row).ljust(start - len(line.plain)))
    line.append(indent + printable(row["name"]), "bold")
    line.truncate(width, overflow="ellipsis")
    inner = tree.within(row)
    if row["level"] + 1 < tree.base:
        deeper = [one for part in inner for one in _group(tree, part, width, start, depth + 1, most)]
        return [line, *deeper]
    named = [one for one in inner if one["name"] != row["name"]]
    if not named:
        return [line]
    room = width - start - _INDENT * (depth + 1)
    told = styled(" " * (start + _INDENT * (depth + 1))).append(_listed(named, room), "dim")
    return [line, told]


def _listed(rows: list[Mapping[str, Any]], room: int) -> str:
    """Return names with their numbers, as many as there is room for, and how many more there are."""
    from rich.cells import cell_len

    names = [_numbered(row) for row in rows]
    for shown in range(len(names), 0, -1):
        rest = f"; {len(names) - shown:,} more" if shown < len(names) else ""
        if cell_len(told := "; ".join(names[:shown]) + rest) <= room or shown == 1:
            return told if cell_len(told) <= room else told[: max(room - 1, 1)].rstrip() + "…"
    return ""


def _numbered(row: Mapping[str, Any]) -> str:
    """Return a name with its number, once: that of a cluster set apart by nothing may end with it."""
    name, number = printable(row["name"]), f" ({row['cluster'] or row['part']})"
    return name if name.endswith(number) else name + number


def part_lines(tree: Tree, cluster: int, width: int, start: int) -> list[Text]:
    """Return a line for each part that a cluster is split into: size, share and name, indented."""
    found = []
    for depth, row in tree.parts(cluster):
        line = styled(" " * (4 + _BAR + 1) + numbers(row).ljust(start - 5 - _BAR))
        line.append(" " * (_INDENT * depth) + printable(row["name"]))
        line.truncate(width, overflow="ellipsis")
        found.append(line)
    return found


def numbers(row: Mapping[str, Any]) -> str:
    """Return the size and the share of a cluster or part, aligned."""
    return f"{row['size']:>6,} {100 * row['share']:5.1f} %"
