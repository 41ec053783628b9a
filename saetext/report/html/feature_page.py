"""One feature as a self-contained HTML page: no script, no remote resource, light and dark.

Not for: the terminal (:mod:`saetext.report.console.features`).
"""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from typing import TYPE_CHECKING, Any

from saetext.features.profile import Histogram, Profile
from saetext.io.opener import packaged_text
from saetext.report.console.features import LEVEL_NAMES, facts, full_shade, provenance
from saetext.report.html.parts import shade_of
from saetext.text.passages import printable

if TYPE_CHECKING:
    from jinja2 import Template

_WIDTH, _HEIGHT = 480, 96  # of the histogram, in its own units


def render_page(profile: Profile) -> str:
    """Return the page.

    Everything in it that came from texts, labels or file names is escaped; the style sheet is admitted by its
    hash, so that nothing else could take effect.
    """
    darkest = full_shade(profile)
    levels: dict[str, list[dict[str, Any]]] = {}
    for context in profile.contexts:
        pieces = [
            {
                "text": printable(piece.text),
                "shade": shade_of(piece.value / darkest),
                "value": f"{piece.value:.2f}",
            }
            for piece in context.pieces
        ]
        shown = {"document": printable(context.document), "value": f"{context.value:.2f}", "pieces": pieces}
        levels.setdefault(LEVEL_NAMES[context.level], []).append(shown)
    style = _file("feature.css")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    label = profile.label
    return _template().render(
        profile=profile,
        name=printable(profile.name),
        of=printable(profile.of),
        sae=printable(profile.sae),
        description=printable(label.description) if label else "",
        top_words=[printable(word) for word in label.top_words] if label else [],
        score=f"{label.score:.2f}".lstrip("0") if label and label.score is not None else "",
        provenance=provenance(profile),
        facts=facts(profile),
        bars=_bars(profile.histogram) if profile.histogram else [],
        size=(_WIDTH, _HEIGHT),
        levels=levels,
        related=[
            ("In the same documents", "phi", _rows(profile.together)),
            ("Similar directions", "cosine", _rows(profile.nearest)),
        ],
        notes=[printable(note) for note in profile.notes],
        style=style,
        style_hash=digest,
    )


def _rows(related: Any) -> list[dict[str, str]]:
    return [
        {
            "similarity": f"{other.similarity:.2f}",
            "feature": str(other.feature),
            "label": printable(other.label),
            "score": "" if other.label_score is None else f"{other.label_score:.2f}".lstrip("0"),
        }
        for other in related
    ]


def _bars(histogram: Histogram) -> list[dict[str, str]]:
    most = max(histogram.counts)
    wide = _WIDTH / len(histogram.counts)
    bars = []
    for place, count in enumerate(histogram.counts):
        if not count:
            continue
        tall = max(1.0, _HEIGHT * count / most)
        low, high = histogram.edges[place], histogram.edges[place + 1]
        bars.append(
            {
                "x": f"{place * wide:.2f}",
                "y": f"{_HEIGHT - tall:.2f}",
                "width": f"{wide - 1:.2f}",
                "height": f"{tall:.2f}",
                "title": f"{low:.2f} to {high:.2f}: {count:,}",
            }
        )
    return bars


@cache
def _template() -> Template:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_file("feature.html.j2"))


@cache
def _file(name: str) -> str:
    return packaged_text("saetext.report", "templates", name)
