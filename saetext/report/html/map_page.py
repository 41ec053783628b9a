"""The map of a pile of documents as a self-contained HTML page: points, clusters, and what each text says.

Title, summary, the clusters' cards, notes and facts are there without the script. The script draws the map
with deck.gl (as the package pydeck ships it, which draws under a policy that forbids making code of text),
moves it, searches, colours and opens documents. Texts are data: each is made printable; those in the HTML
are escaped, the others are in a data block that ends nowhere early and come into the page as text only. Our
style, our script and the library are admitted by their hashes.

What the page does not do: let one select with a lasso, edit clusters, search in whole documents (only in
their beginnings, ids and the clusters' names), or draw the map without WebGL 2. It takes a browser that has
``DecompressionStream``, as all have had since 2023. Not for: gathering what is shown
(:mod:`saetext.report.html.map_gathering`), or pictures (:mod:`saetext.report.html.map_picture`).
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from saetext.errors import InputError
from saetext.io.extras import require
from saetext.io.opener import LARGE, read_text
from saetext.report.html.figures import count, finite, percent
from saetext.report.html.map_model import MapCluster, MapDocument, MapFeature, MapPage, MapPart
from saetext.report.html.map_places import check, colours, medians, middles
from saetext.report.html.parts import draw, shade_of
from saetext.report.html.passages import Passage, Piece, joined
from saetext.text.passages import printable

_TOGETHER = 256  # documents compressed together: one click unpacks so many


def render_map_page(page: MapPage) -> str:
    """Return the page.

    Everything in it that came from texts, labels or names is made printable and escaped; styles and scripts
    are admitted by their hashes, so that nothing else could take effect.

    Raises
    ------
    ValueError
        If the parts of the page are not about the same points (:func:`saetext.report.html.map_places.check`).
    """
    check(page)
    colour = colours(page)
    library = _library() if len(page.x) else ""
    return draw(
        "map.html.j2",
        ("base.css", "map.css"),
        ("cards.js", "map.js", "map_links.js"),
        library=library,
        title=printable(page.title),
        summary=[printable(sentence).replace(" %", "\u00a0%") for sentence in page.summary],
        points=len(page.x),
        cards=_cards(page, colour),
        noise=int(np.count_nonzero(~np.isin(page.cluster, [c.number for c in page.clusters]))),
        columns=[printable(column.name).strip() or "column" for column in page.columns],
        data=_data(page, colour),
        notes=[printable(note) for note in page.notes],
        facts=[(printable(str(name)), printable(str(text))) for name, text in page.facts.items()],
        shading=printable(page.shading),
    )


def _cards(page: MapPage, colour: Sequence[int]) -> list[dict[str, Any]]:
    """Return the cards, those of a group together, the largest group first."""
    made = []
    for index, cluster in enumerate(page.clusters):
        group = page.group_of(cluster.number)
        more = {
            "group": None if group is None else _part(group),
            "parts": [_part(part) for part in page.parts_of(cluster.number)],
        }
        made.append(_card(cluster, colour[index]) | more)
    return sorted(made, key=lambda card: card["group"]["number"] if card["group"] else 0)


def _part(part: MapPart) -> dict[str, Any]:
    return {"number": part.number, "name": _called(part), "size": count(part.size)}


def _called(part: MapPart) -> str:
    return printable(part.name).strip() or f"part {part.number}"


def _card(cluster: MapCluster, colour: int) -> dict[str, Any]:
    return {
        "number": cluster.number,
        "colour": colour,
        "name": _name(cluster),
        "size": count(cluster.size),
        "share": percent(finite(cluster.share)),
        "width": _width(cluster.share),
        "features": [_feature(feature) for feature in cluster.features],
        "nearest": [
            (printable(name).strip(), [_feature(feature) for feature in features])
            for name, features in cluster.nearest
        ],
        "words": list(filter(None, (printable(word).strip() for word in cluster.words))),
        "examples": [_passage(passage) for passage in cluster.examples],
        "facts": [(printable(name), printable(text)) for name, text in cluster.facts],
    }


def _name(cluster: MapCluster) -> str:
    return printable(cluster.name).strip() or f"cluster {cluster.number}"


def _feature(feature: MapFeature) -> dict[str, str]:
    named = f"feature {feature.feature}" if feature.feature is not None else "not labelled"
    return {
        "label": printable(feature.label).strip() or named,
        "inside": percent(finite(feature.inside)),
        "outside": percent(finite(feature.outside)),
        "width": _width(feature.inside),
        "other": _width(feature.outside),
    }


def _width(share: float) -> str:
    return f"{100 * min(max(finite(share) or 0.0, 0.0), 1.0):.2f}%"


def _passage(passage: Passage) -> dict[str, Any]:
    return {
        "document": printable(passage.document),
        "row": passage.row,
        "pieces": [{"text": text, "shade": shade} for text, shade in _pieces(passage.pieces)],
    }


def _pieces(pieces: Sequence[Piece]) -> list[list[Any]]:
    """Return stretches of text with their step of shading, those of one step joined."""
    shaded = joined(pieces, lambda piece: shade_of(piece.strength))
    return [[text, shade] for text, shade in shaded]


# ---- what the script reads -----------------------------------------------------------------------------


def _data(page: MapPage, colour: Sequence[int]) -> str:
    """Return the data block: arrays as base64 of little-endian numbers, texts deflated, then base64."""
    whole = {
        "points": len(page.x),
        "x": _array(page.x, "<f4"),
        "y": _array(page.y, "<f4"),
        "cluster": _array(page.cluster, "<i4"),
        "probability": _array(page.probability, "<f4"),
        "clusters": [
            {"number": c.number, "name": _name(c), "size": c.size, "colour": colour[index], "at": at}
            for index, (c, at) in enumerate(zip(page.clusters, _places(page), strict=True))
        ],
        "levels": [
            {
                "number": _array(level.number, "<i4"),
                "parts": [
                    [part.number, _called(part), part.parent, part.cluster, _at(place)]
                    for part, place in zip(
                        level.parts,
                        medians(page, level.number, [part.number for part in level.parts]),
                        strict=True,
                    )
                ],
            }
            for level in page.levels
        ],
        "base": page.base,
        "columns": [
            {"name": printable(column.name).strip() or "column"}
            | (
                {"number": _array(column.number, "<f4")}
                if column.number is not None
                else {
                    "values": [printable(value) for value in column.values],
                    "code": _array(column.code, "<i4"),
                }
            )
            for column in page.columns
        ],
        "first_column": next((at for at, c in enumerate(page.columns) if c.name == page.colour), None),
        "texts": _packed([[printable(text) for text in texts] for texts in (page.ids, page.beginnings)]),
        "together": _TOGETHER,
        "documents": [
            _packed([_document(document) for document in page.documents[at : at + _TOGETHER]])
            for at in range(0, len(page.documents), _TOGETHER)
        ],
    }
    text = json.dumps(whole, allow_nan=False, separators=(",", ":"))  # ASCII: the rest is escaped
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _places(page: MapPage) -> list[list[float] | None]:
    return [_at(place) for place in middles(page)]


def _at(place: NDArray[np.float64]) -> list[float] | None:
    return place.tolist() if np.isfinite(place).all() else None


def _document(document: MapDocument) -> list[Any]:
    features = [[printable(label).strip(), finite(strength)] for label, strength in document.features]
    return [_pieces(document.pieces), features, printable(document.prompt, newlines=True).strip()]


def _array(values: NDArray[Any] | None, kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype=kind).tobytes()).decode()


def _packed(whole: Any) -> str:
    text = json.dumps(whole, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode("utf-8", "replace"), 6)).decode()


@cache
def _library() -> str:
    """Return deck.gl with its licences, such that it neither ends its element nor asks for another file."""
    require("pydeck", "maps", "drawing a map", error=InputError)  # which ships it; it is not imported
    found = find_spec("pydeck")
    assert found is not None and found.origin is not None
    path = Path(found.origin).parent / "nbextension" / "static" / "index.js"
    text = read_text(path, LARGE)
    text = re.sub(r"^//[#@] sourceMappingURL=.*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"</(?=script)", r"<\\/", text, flags=re.IGNORECASE)
    return text.replace("<!--", "<\\!--")
