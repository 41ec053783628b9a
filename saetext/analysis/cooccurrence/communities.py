"""Concepts that go with each other in many pairs: communities of the network of pairs, and how to draw it.

Not for: finding the pairs.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

Edge = tuple[Hashable, Hashable, float]


def communities(edges: Sequence[Edge], seed: int = 0) -> list[list[Hashable]]:
    """Return groups of concepts that pair with each other more than with the rest (Louvain), largest first.

    Parameters
    ----------
    edges : sequence of (concept, concept, strength above 0)
        The pairs.
    seed : int
        For the order in which concepts are looked at.

    Returns
    -------
    list of list
        Each with its best connected concepts first.
    """
    import networkx as nx

    if not edges:
        return []
    graph = _graph(edges)
    found = nx.community.louvain_communities(graph, weight="weight", seed=seed)
    rank = {node: at for at, node in enumerate(graph)}  # in order of appearance, for ties
    weight = dict(graph.degree(weight="weight"))
    ordered = [sorted(group, key=lambda node: (-weight[node], rank[node])) for group in found]
    return sorted(ordered, key=lambda group: (-len(group), rank[group[0]]))


def layout(edges: Sequence[Edge], seed: int = 0) -> dict[Hashable, tuple[float, float]]:
    """Return where to draw each concept, 0 to 1 both ways; components are laid out side by side."""
    import networkx as nx

    if not edges:
        return {}
    graph = _graph(edges)
    for _, _, data in graph.edges(data=True):
        data["length"] = 1.0 / max(data["weight"], 0.05)
    place: dict[Hashable, tuple[float, float]] = {}
    parts = sorted(nx.connected_components(graph), key=lambda part: (-len(part), str(sorted(map(str, part)))))
    x = y = row = 0.0
    for part in parts:  # each in a square of its size, in rows of at most 1 wide
        side = (len(part) / len(graph)) ** 0.5
        if x + side > 1.0001 and x > 0:
            x, y, row = 0.0, y + row, 0.0
        inner = graph.subgraph(sorted(part, key=list(graph).index))
        for node, (u, v) in _unit(nx.kamada_kawai_layout(inner, weight="length")).items():
            place[node] = (x + side * (0.12 + 0.76 * u), y + side * (0.12 + 0.76 * v))
        x, row = x + side, max(row, side)
    return _unit(place)


def _graph(edges: Sequence[Edge]) -> Any:
    import networkx as nx

    graph = nx.Graph()
    for a, b, strength in edges:
        if not graph.has_edge(a, b) or graph[a][b]["weight"] < strength:
            graph.add_edge(a, b, weight=max(float(strength), 1e-6))
    return graph


def _unit(place: dict[Hashable, Any]) -> dict[Hashable, tuple[float, float]]:
    """Stretch to 0..1 both ways."""
    out: list[list[float]] = []
    for axis in (0, 1):
        values = [float(point[axis]) for point in place.values()]
        low, span = min(values), max(values) - min(values)
        out.append([(value - low) / span if span > 1e-12 else 0.5 for value in values])
    return dict(zip(place, zip(*out, strict=True), strict=True))
