"""Where the circles, lines and names of a network of concepts go in its picture, in the picture's own units.

Names are shortened and put where they cover least; none leaves the picture. Not for: which concepts are in it
or how they are arranged (:mod:`saetext.report.html.pair_gathering`), or colours (the style sheet).
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from saetext.report.html.figures import finite
from saetext.report.html.pair_model import Network
from saetext.text.passages import printable

WIDTH = 1000
COLOURS = 10  # c0 to c9 in the style sheet
LONGEST = 28  # characters of a name; the whole of it is in the tooltip
_FONT = 14.0  # size of a name, as in the style sheet
_TALL = 1.3 * _FONT
_MARGIN = 80.0, 34.0  # of the circles' centres, to the sides and to top and bottom
_GAP = 4.0
_ANCHORS = "start", "middle", "end"
_SAMPLES = np.linspace(0.0, 1.0, 12)[1:-1]  # points of a line that a name should not cover


class _Box(NamedTuple):
    left: float
    top: float
    right: float
    bottom: float
    anchor: int = 0  # of a name: which of _ANCHORS

    def shared(self, other: _Box) -> float:
        wide = min(self.right, other.right) - max(self.left, other.left)
        tall = min(self.bottom, other.bottom) - max(self.top, other.top)
        return wide * tall if wide > 0 and tall > 0 else 0.0


def network_picture(network: Network, cards: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """Return what the template draws.

    Parameters
    ----------
    network : Network
        Concepts and pairs. Edges to concepts that are not there are left out.
    cards : mapping
        Cards by the number of the edge's finding, for tooltips; an edge whose card is not there is no link.
    """
    height = min(900, max(340, 260 + 17 * len(network.nodes)))
    labels = [printable(node.label).strip() or "not labelled" for node in network.nodes]
    at = np.array(
        [[_within(node.x, WIDTH, _MARGIN[0]), _within(node.y, height, _MARGIN[1])] for node in network.nodes]
    ).reshape(-1, 2)
    radii = [5.0 + 11.0 * math.sqrt(_share(node.size)) for node in network.nodes]
    edges = [
        (one, other, _share(strength), number)
        for one, other, strength, number in network.edges
        if one != other and min(one, other) >= 0 and max(one, other) < len(labels)
    ]
    communities = [printable(name).strip() for name in network.communities]
    short = [shortened(label) for label in labels]
    names = _names(short, at, radii, [edge[:2] for edge in edges], height)
    return {
        "width": WIDTH,
        "height": height,
        "nodes": [
            {
                "x": f"{at[index, 0]:.1f}",
                "y": f"{at[index, 1]:.1f}",
                "r": f"{radii[index]:.1f}",
                "colour": node.community % COLOURS if node.community >= 0 else "none",
                "title": _titled(labels[index], communities, node.community),
                "name": short[index],
                # how wide a name is drawn is only guessed, so it is fixed at the end near its circle
                "anchor": _ANCHORS[names[index].anchor],
                "name_x": f"{_fixed(names[index]):.1f}",
                "name_y": f"{(names[index].top + names[index].bottom) / 2:.1f}",
            }
            for index, node in enumerate(network.nodes)
        ],
        "edges": [
            {
                "ends": f"{one} {other}",
                "x1": f"{at[one, 0]:.1f}",
                "y1": f"{at[one, 1]:.1f}",
                "x2": f"{at[other, 0]:.1f}",
                "y2": f"{at[other, 1]:.1f}",
                "width": f"{1 + 6 * strength:.1f}",
                "opacity": f"{0.35 + 0.5 * strength:.2f}",
                "number": cards[number]["number"] if number in cards else 0,
                "apart": number in cards and cards[number]["apart"],
                "title": f"{labels[one]} – {labels[other]}"
                + (f": {cards[number]['sentence']}" if number in cards and cards[number]["sentence"] else ""),
            }
            for one, other, strength, number in edges
        ],
        "communities": [(index % COLOURS, name) for index, name in enumerate(communities) if name],
        "note": printable(network.note),
    }


def _fixed(box: _Box) -> float:
    return box.left + (box.right - box.left) * box.anchor / 2


def shortened(label: str) -> str:
    """Return a label of at most ``LONGEST`` characters, cut at the end of a word where there is one near."""
    if len(label) <= LONGEST:
        return label
    cut = label[: LONGEST - 1]
    space = cut.rfind(" ")
    if space > LONGEST // 2:
        cut = cut[:space]
    # a joiner or an accent of what was cut off would join with the ellipsis
    return cut.rstrip(" ,;:–-\u200c\u200d") + "…"


def _titled(label: str, communities: list[str], community: int) -> str:
    known = 0 <= community < len(communities) and communities[community]
    return f"{label} ({communities[community]})" if known else label


def _share(value: object) -> float:
    return min(max(finite(value) or 0.0, 0.0), 1.0)


def _within(place: object, length: float, margin: float) -> float:
    share = finite(place)
    return margin + (length - 2 * margin) * min(max(0.5 if share is None else share, 0.0), 1.0)


def _wide(text: str) -> float:
    """Return about how wide a name is drawn, rather too wide than too narrow."""
    wide = 0.0
    for character in text:
        if unicodedata.east_asian_width(character) in "WF":
            wide += 1.05
        elif not unicodedata.combining(character):
            wide += 0.78 if character.isupper() or (not character.isalnum() and character > "\x7f") else 0.56
    return _FONT * wide


def _names(
    names: list[str],
    at: NDArray[np.float64],
    radii: list[float],
    edges: list[tuple[int, int]],
    height: float,
) -> list[_Box]:
    """Return the box of every name: next to its circle, where it covers least of what is there already."""
    circles = [_Box(x - r, y - r, x + r, y + r) for (x, y), r in zip(at.tolist(), radii, strict=True)]
    points = np.zeros((0, 2))
    if edges:
        ones, others = at[[one for one, _ in edges]], at[[other for _, other in edges]]
        points = (ones[:, None] + _SAMPLES[None, :, None] * (others - ones)[:, None]).reshape(-1, 2)
    boxes: list[_Box | None] = [None] * len(names)
    placed: list[_Box] = []
    for index in sorted(range(len(names)), key=lambda i: (-radii[i], i)):  # the large ones choose first
        best, least = None, math.inf
        x, y = at[index].tolist()
        for rank, box in enumerate(_places(_wide(names[index]), x, y, radii[index], height)):
            over = (points > (box.left, box.top)).all(1) & (points < (box.right, box.bottom)).all(1)
            cost = (
                3.0 * sum(box.shared(other) for other in placed)
                + 2.0 * sum(box.shared(other) for other in circles)
                + 25.0 * int(over.sum())
                + (rank if rank < 8 else 40)
            )
            if cost < least:
                best, least = box, cost
        assert best is not None
        boxes[index] = best
        placed.append(best)
    return [box for box in boxes if box is not None]


def _places(wide: float, x: float, y: float, r: float, height: float) -> Iterator[_Box]:
    """Yield where a name could stand, moved back into the picture where it would leave it."""
    half, side = _TALL / 2, r + _GAP
    slant = 0.7 * r + _GAP / 2
    # from which end of the name its place is reckoned (start, middle or end), and where that is
    for anchor, at, middle in (
        (0, x + side, y),
        (2, x - side, y),
        (1, x, y + r + half),
        (1, x, y - r - half),
        (0, x + slant, y + slant + half / 2),
        (0, x + slant, y - slant - half / 2),
        (2, x - slant, y + slant + half / 2),
        (2, x - slant, y - slant - half / 2),
        (1, x, y + r + 3 * half),
        (1, x, y - r - 3 * half),
    ):
        left = min(max(at - wide * anchor / 2, _GAP), max(WIDTH - _GAP - wide, _GAP))
        middle = min(max(middle, half), height - half)
        yield _Box(left, middle - half, left + wide, middle + half, anchor)
