"""Concepts that occur together as a self-contained HTML page: nothing remote, light and dark.

All of it is there without the script, which only filters, sorts, switches the theme and follows the lines of
the network. Texts are data: each is made printable and escaped, and only our own style and script are
admitted, by their hashes. Not for: gathering what is shown (:mod:`saetext.report.html.pair_gathering`), or
where the network's names go (:mod:`saetext.report.html.network_picture`).
"""

from __future__ import annotations

from typing import Any

from saetext.report.html.figures import (
    MISSING,
    Row,
    count,
    decimal,
    finite,
    flag_of,
    number_of,
    percent,
    probability,
    text_of,
    times,
)
from saetext.report.html.network_picture import network_picture
from saetext.report.html.pair_model import PairExample, PairFinding, PairPage
from saetext.report.html.parts import draw, number_cards, shade_of
from saetext.report.html.passages import Passage, Piece, joined
from saetext.text.passages import printable


def render_pair_page(page: PairPage) -> str:
    """Return the page.

    Everything in it that came from texts, labels or names is made printable and escaped; the style sheet and
    the script are admitted by their hashes, so that nothing else could take effect.
    """
    return draw("pairs.html.j2", ("base.css", "pairs.css"), ("cards.js", "pairs.js"), **shown_of_pairs(page))


def shown_of_pairs(page: PairPage) -> dict[str, Any]:
    """Return what a template shows of pairs, by name; everything textual is printable, not escaped."""
    within = page.facts.get("within", "")
    listed = [_card_of_list(finding, within) for finding in page.listed]
    of_features = [_card(finding, within) for finding in page.findings]
    cards = [*listed, *of_features]
    number_cards(cards, "label_a")
    numbered = dict(enumerate(of_features, start=1))  # the network counts pairs of features alone
    return {
        "title": printable(page.title),
        "summary": [printable(sentence).replace(" %", "\u00a0%") for sentence in page.summary],
        "cards": cards,
        "parts": [
            ("In plain words: words, format, properties and themes", listed),
            (
                "Pairs of features" if listed else "",
                [card for card in of_features if not card["apart"]],
            ),
            ("Less often together than chance", [card for card in of_features if card["apart"]]),
        ],
        "ticks": [{"kind": "zero", "x": _place(0.0)}],
        "network": network_picture(page.network, numbered) if page.network and page.network.nodes else None,
        "notes": [printable(note) for note in page.notes],
        "facts": [(printable(str(name)), printable(str(text))) for name, text in page.facts.items()],
        "shading": printable(page.shading),
        "opened": page.opened,
        "total": max(page.total, len(cards)),
        "noun": "pairs",
    }


def _card(finding: PairFinding, within: str) -> dict[str, Any]:
    row = finding.row
    measure, value = _measure(row)
    lift = number_of(row, "lift_adjusted", number_of(row, "lift"))
    shown = _numbers(row)
    inside = text_of(row, "within") or printable(within).strip() or "groups"
    pooled = decimal(row, "npmi_pooled" if number_of(row, "rho") is None else "rho_pooled")
    confirm = "npmi_confirm" if number_of(row, "rho") is None else "rho_confirm"
    held_out = [] if number_of(row, confirm) is None else [decimal(row, confirm)]
    held_out += (
        [] if number_of(row, "q_confirm") is None else [f"q {probability(number_of(row, 'q_confirm'))}"]
    )
    relation = _relation(measure, value, lift)
    return {
        **shown,
        "listed": False,
        "brief": finding.brief,
        "ranked": measure == "rho",
        "apart": measure == "npmi" and (value < 0 if value is not None else lift is not None and lift < 1),
        "relation": relation,
        # a line of the network's tooltip
        "sentence": ", ".join(filter(None, [relation, f"{shown['unit']} {shown['value']}"])),
        "line": _line(row, measure),
        "descriptions": [
            (side, printable(text).strip())
            for side, text in (("a", finding.description_a), ("b", finding.description_b))
        ],
        "counts": _counts(row),
        "stats": _stats(row, measure),
        "confirmed": flag_of(row, "confirmed"),
        "held_out": ", ".join(held_out),
        "reversed": inside if flag_of(row, "reversed") else "",
        "pooled": "" if pooled == MISSING else f"pooled {pooled}",
        "hidden": text_of(row, "hidden"),
        "members": [_numbers(member) for member in finding.members],
        "also": "; ".join(printable(name) for name in finding.also),
        "examples": [_example(example) for example in finding.examples if example.passages],
        # what the script sorts by
        "sort": {"size": None if value is None else abs(value), "q": number_of(row, "q")},
    }


def _card_of_list(finding: PairFinding, within: str) -> dict[str, Any]:
    """Return the card of a pair of words, marks, properties or themes, which has fewer numbers."""
    row = finding.row
    kinds = [text_of(row, name) for name in ("kind_a", "kind_b")]
    expected = number_of(row, "expected")
    return {
        **_card(finding, within),
        "listed": True,
        "stats": [
            ("q", probability(number_of(row, "q"))),
            ("together by chance", MISSING if expected is None else f"{expected:,.1f} texts"),
            ("kinds", " and ".join(dict.fromkeys(filter(None, kinds))) or MISSING),
            *([("within", text_of(row, "topic"))] if text_of(row, "topic") else []),
        ],
    }


def _measure(row: Row) -> tuple[str, float | None]:
    """Return which measure a row has, and its value: a pair with a number has a rank correlation."""
    rho = number_of(row, "rho")
    return ("npmi", number_of(row, "npmi")) if rho is None else ("rho", rho)


def _numbers(row: Row) -> dict[str, str]:
    """Return what a line about a pair shows."""
    measure, _ = _measure(row)
    features = [text_of(row, name) for name in ("feature_a", "feature_b")]
    low, high = decimal(row, f"{measure}_low"), decimal(row, f"{measure}_high")
    return {
        **{
            f"label_{side}": text_of(row, f"name_{side}")
            or text_of(row, f"label_{side}")
            or (f"feature {feature}" if feature else "not labelled")
            for side, feature in zip("ab", features, strict=True)
        },
        "unit": "NPMI" if measure == "npmi" else "rank correlation",
        "value": decimal(row, measure),
        "interval": "" if MISSING in (low, high) else f"{low} to {high}",
        "q": probability(number_of(row, "q")),
        "features": " and ".join(filter(None, features)) or MISSING,
    }


def _relation(measure: str, value: float | None, lift: float | None) -> str:
    """Say in words how the two go together."""
    if measure == "rho":
        if not value:
            return ""
        return f"B tends to be {'higher' if value > 0 else 'lower'} where A is stronger"
    often = times(lift)
    if often in ("", "0", "1"):
        return {"": "", "0": "never together", "1": "together about as often as by chance"}[often]
    return f"together {often} times as often as by chance"


def _place(value: float) -> str:
    """Return where a measure is on an axis from -1 to 1."""
    return f"{50 + 50 * min(max(value, -1.0), 1.0):.2f}%"


def _line(row: Row, measure: str) -> dict[str, str] | None:
    value = number_of(row, measure)
    if value is None:
        return None
    low, high = (number_of(row, f"{measure}_{end}", value) or 0.0 for end in ("low", "high"))
    return {"dot": _place(value), "low": _place(low), "high": _place(high)}


def _counts(row: Row) -> list[dict[str, str]]:
    """Return lines with a bar each; the bars have one scale, so that they overlap as the documents do."""
    a, b, both = (number_of(row, name) for name in ("n_a", "n_b", "n_ab"))
    bars: dict[str, tuple[float, float]] = {}
    if a is not None and b is not None and both is not None and 0 <= both <= min(a, b) and max(a, b) > 0:
        whole = a + b - both
        bars = {
            "a": (0.0, a / whole),
            "b": ((a - both) / whole, b / whole),
            "ab": ((a - both) / whole, both / whole),
        }
    lines = []
    for side, texts, given, other in (
        ("a", a, "p_b_given_a", "B"),
        ("b", b, "p_a_given_b", "A"),
        ("ab", both, "", ""),
    ):
        share = number_of(row, given) if given else None
        if texts is None and share is None:
            continue
        bar = bars.get(side)
        lines.append(
            {
                "side": side,
                "texts": count(texts),
                "share": "" if share is None else percent(share),
                "other": other,
                "x": f"{100 * bar[0]:.2f}%" if bar else "",
                "width": f"{100 * bar[1]:.2f}%" if bar else "",
            }
        )
    return lines


def _stats(row: Row, measure: str) -> list[tuple[str, str]]:
    q, raw = probability(number_of(row, "q")), decimal(row, f"{measure}_raw")
    features = _numbers(row)["features"]
    named = ("features" if " and " in features else "feature", features)
    if measure == "rho":
        return [("q", q), ("not adjusted for length", raw), named]
    return [
        ("q", q),
        ("lift", times(row.get("lift")) or MISSING),
        ("phi", decimal(row, "phi")),
        ("not adjusted for length", raw),
        ("in the same phrase", percent(finite(row.get("same_phrase")))),
        ("label similarity", decimal(row, "label_similarity")),
        ("decoder cosine", decimal(row, "decoder_cosine")),
        named,
    ]


def _example(example: PairExample) -> dict[str, Any]:
    return {
        "prompt": printable(example.prompt, newlines=True).strip(),
        "told": printable(example.told).strip(),
        "passages": [_passage(passage) for passage in example.passages],
    }


def _passage(passage: Passage) -> dict[str, Any]:
    pieces = [{"text": text, "mark": mark} for text, mark in joined(passage.pieces, _mark)]
    return {"document": printable(passage.document), "set": printable(passage.set).strip(), "pieces": pieces}


def _mark(piece: Piece) -> str:
    """Return the classes of a piece: which of the two concepts it is of, and how strong."""
    a, b = shade_of(piece.strength), shade_of(piece.second)
    return f"{'a' if a else ''}{'b' if b else ''} s{max(a, b)}" if a or b else ""
