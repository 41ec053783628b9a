"""The network of pairs as GraphML, which Gephi, Cytoscape, igraph and networkx read.

Not for: drawing it (:mod:`saetext.report.html.network_picture`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from saetext.analysis.base import Row
from saetext.analysis.cooccurrence.result import CorrelateResult
from saetext.analysis.export import atomically
from saetext.text.passages import printable

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_PAIR = (
    "npmi", "npmi_low", "npmi_high", "lift", "rho", "rho_low", "rho_high", "q", "n_ab", "expected",
    "confirmed", "npmi_confirm", "residual", "decoder_cosine", "hidden",
)  # fmt: skip
_FOUND = ("npmi", "q", "n_ab", "expected", "confirmed", "npmi_confirm", "topic")


def to_graphml(result: CorrelateResult, path: str | Path, *, overwrite: bool = False) -> Path:
    """Write a correlation as a network: a node a concept, an edge a pair.

    Nodes have ``label``, which is what reports call them, ``kind`` (``feature``, ``value``; for what anyone
    can read ``word``, ``format``, ``property``, ``theme``), ``n`` (documents that have it), and for features
    ``feature``, ``feature_label`` and ``score``.
    With a second corpus ``corpus`` says which one a node is of. Edges have the columns of the table that are
    not null (``npmi``, ``q``, ``n_ab``, ``expected``, ``confirmed`` ...), ``more`` (together more often than
    by chance) and ``weight``, the size of NPMI or of rho, which is never below 0: layouts want that.

    Parameters
    ----------
    result : CorrelateResult
        The pairs.
    path : path
        The file, ``.graphml``.
    overwrite : bool
        Replace a file that is there.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    InputError
        If the file exists and ``overwrite`` is false, or it cannot be written.
    """
    import networkx as nx

    graph = network(result)
    return atomically(Path(path), lambda beside: nx.write_graphml_xml(graph, beside), overwrite)


def network(result: CorrelateResult) -> Any:
    """Return the same as an undirected ``networkx.Graph``."""
    import networkx as nx

    graph = nx.Graph()
    sets = [source.name for source in result.sources]
    across = len(sets) > 1
    for row in result.table.iter_rows(named=True):
        a, b = (_concept(graph, row, side, sets[at] if across else "") for at, side in enumerate("ab"))
        _edge(graph, a, b, row, _PAIR)
    for row in () if result.found is None else result.found.iter_rows(named=True):
        _edge(graph, _readable(graph, row, "a"), _readable(graph, row, "b"), row, _FOUND)
    return graph


def _concept(graph: Any, row: Row, side: str, corpus: str) -> str:
    """Add a feature, or a value of a column, and return the node's id."""
    feature, label = row[f"feature_{side}"], row[f"label_{side}"]
    kind = "value" if feature is None else "feature"
    node = ":".join(
        part for part in (_text(corpus), kind, _text(label if feature is None else str(feature))) if part
    )
    told = {
        "label": row[f"name_{side}"] or label,
        "kind": kind,
        "feature": feature,
        "feature_label": label if feature is not None else None,
        "n": row[f"n_{side}"],
        "score": row[f"label_score_{side}"],
        "community": row["community"],
        "corpus": corpus or None,
    }
    graph.add_node(node, **_known(told))
    return node


def _readable(graph: Any, row: Row, side: str) -> str:
    name, kind = row[f"name_{side}"], row[f"kind_{side}"]
    node = f"{_text(kind)}:{_text(name)}"
    graph.add_node(node, **_known({"label": name, "kind": kind, "n": row[f"n_{side}"]}))
    return node


def _edge(graph: Any, a: str, b: str, row: Row, columns: tuple[str, ...]) -> None:
    given = row["npmi"] if row.get("npmi") is not None else row.get("rho")
    strength = float(given) if given is not None and math.isfinite(given) else 0.0
    told = {**{name: row[name] for name in columns}, "weight": abs(strength), "more": strength > 0}
    graph.add_edge(a, b, **_known(told))


def _known(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return what GraphML can hold: no null, no NaN, and no character that XML forbids."""
    found: dict[str, Any] = {}
    for name, value in told.items():
        if value is None or (isinstance(value, float) and not math.isfinite(value)):
            continue
        found[name] = _text(value) if isinstance(value, str) else value
    return found


def _text(text: str) -> str:
    return _NOT_XML.sub("", printable(text))
