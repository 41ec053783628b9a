"""Maps for tests: one with a text put everywhere, and ones that look as a pile's map does."""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from saetext.report.html.map_model import (
    MapCluster,
    MapColumn,
    MapDocument,
    MapFeature,
    MapLevel,
    MapPage,
    MapPart,
)
from saetext.report.html.passages import Passage, Piece

TOPICS = (
    "recipes and cooking times", "football match reports", "complaints about late parcels",
    "Python tracebacks", "holiday rentals by the sea", "quarterly earnings", "symptoms and medication",
    "poems in short lines", "job applications", "used cars for sale", "physics homework", "film reviews",
    "apologies and refunds", "gardening in spring", "questions on visas", "fantasy fiction: dragons, quests",
    "chess openings", "school timetables", "weather warnings", "legal terms and conditions",
    "letters to the editor", "knitting patterns", "phone plans compared", "train delays",
    "wine tasting notes",
    "marathon training", "baby sleep advice", "stock photography captions", "church newsletters",
    "song lyrics about leaving", "bug reports for mobile apps", "museum guides",
)  # fmt: skip
TEXT = """
the of and a to in is was for on that with as it at by this from be are have not his they which one
you were all her she there would their we him been has when who will more no if out so said what up
its about than into them can only other time new some could these two may first then do any like my
now over such our man me even most made after also did many off before must well back through years
much where your way goalkeeper oven parcel refund stack exception beach invoice dosage sonnet salary
gearbox momentum actor
"""
WORDS = TEXT.split()
FEATURES = (
    "amounts and measures", "imperatives at the start of a sentence", "names of clubs and players",
    "times of day", "words of apology", "file paths and line numbers", "sea, sand and sun",
    "percentages compared with last year", "parts of the body", "line breaks after a few words",
)  # fmt: skip


def a_map(text: str = "plain", **more: object) -> MapPage:
    """Make a small map that has ``text`` wherever one can stand."""
    feature = MapFeature(f"feature {text}", 0.412, 0.031, 7)
    passage = Passage(
        f"doc {text}", (Piece(f"… before {text}\n"), Piece("fi", 1.0), Piece("ring", 0.5)), row=1
    )
    clusters = (
        MapCluster(
            1, f"first {text}", 3, 0.6, (feature, MapFeature("", 1.0, 0.0)),
            ((f"near {text}", (feature,)),), (f"word {text}",), (passage, Passage("d", ())),
            ((f"about {text}", f"figure {text}"),),
        ),
        MapCluster(2, f"second {text}", 1, 0.2),
    )  # fmt: skip
    document = MapDocument(
        (Piece(f"whole {text} "), Piece("strong", 0.9)), ((f"fires {text}", 3.5),), f"prompt {text}"
    )
    whole = MapPage(
        title=f"title {text}",
        summary=(f"sentence {text}",),
        x=np.array([0, 1, 0.5, 5, 9], np.float32),
        y=np.array([0, 1, 0.25, 5, 0], np.float32),
        cluster=np.array([1, 1, 1, 2, 0], np.int32),
        probability=np.array([1, 0.5, 0.25, 1, 0], np.float32),
        ids=[f"id{at} {text}" for at in range(5)],
        beginnings=[f"begins{at} {text}" for at in range(5)],
        clusters=clusters,
        columns=(
            MapColumn(f"kind {text}", (f"one {text}", "two"), np.array([0, 1, 0, -1, 1], np.int32)),
            MapColumn(f"stars {text}", number=np.array([1, math.nan, -2.5, math.inf, 1e6], np.float32)),
        ),
        documents=[document] * 5,
        notes=(f"note {text}",),
        facts={f"fact {text}": f"value {text}"},
        shading=f"shading {text}",
    )
    return dataclasses.replace(whole, **more)  # type: ignore[arg-type]


def synthetic(points: int, clusters: int, *, documents: bool = False, long: int = 160) -> MapPage:
    """Make a map of blobs, the first cluster the largest, a twelfth of the points in none."""
    rng = np.random.default_rng(7)
    share = 1 / np.arange(1, clusters + 1) ** 0.7
    sizes = np.floor(share / share.sum() * points * 11 / 12).astype(int) if clusters else np.zeros(0, int)
    number = np.zeros(points, np.int32)
    number[: sizes.sum()] = np.repeat(np.arange(1, clusters + 1), sizes)
    centre = np.zeros((clusters, 2))
    for at in range(clusters):  # apart, as a layout would have them
        tries = rng.uniform(-10, 10, (60, 2)) * (1.3, 1.0)
        centre[at] = tries[
            np.argmax(np.linalg.norm(tries[:, None] - centre[None, :at], axis=2).min(1) if at else 0)
        ]
    spread = 0.5 + 5 * np.sqrt(sizes / max(points, 1))
    turn = rng.uniform(0, np.pi, clusters)
    bend = rng.normal(size=(points, 2)) * (1.0, 0.55)
    place = rng.uniform(-13, 13, (points, 2)) * (1.1, 0.9)
    inside = number > 0
    own = number[inside] - 1
    cos, sin = np.cos(turn[own]), np.sin(turn[own])
    bx, by = bend[inside].T
    by = by + 0.25 * bx**2
    place[inside] = (
        centre[own] + np.column_stack([bx * cos - by * sin, bx * sin + by * cos]) * spread[own, None]
    )
    shuffle = rng.permutation(points)
    number, place = number[shuffle], place[shuffle]
    picks = rng.integers(0, len(WORDS), (points, 36))
    texts = [" ".join(WORDS[word] for word in line)[:long].capitalize() for line in picks]
    names = [
        TOPICS[at % len(TOPICS)] + (f" {at // len(TOPICS) + 1}" if at >= len(TOPICS) else "")
        for at in range(clusters)
    ]
    made = []
    for at in range(clusters):
        rows = np.flatnonzero(number == at + 1)[:3].tolist()
        features = tuple(
            MapFeature(
                FEATURES[(at + k) % len(FEATURES)], 0.82 - 0.11 * k, 0.09 / (k + 1), 1207 + 31 * at + k
            )
            for k in range(6)
        )
        made.append(
            MapCluster(
                at + 1, names[at], int(sizes[at]), float(sizes[at] / points), features,
                tuple((names[(at + k) % clusters], features[1:3]) for k in (1, 2) if clusters > 2),
                tuple(WORDS[-1 - (at * 3 + k) % 90] for k in range(8)),
                tuple(
                    Passage(f"document-{row}", (
                        Piece(texts[row][:40]), Piece(texts[row][40:52], 0.9),
                        Piece(texts[row][52:60], 0.4),
                        Piece(texts[row][60:] + " …"),
                    ), row=row)
                    for row in rows
                ),
                (("density", f"{0.9 / (at + 1):.2f}"), ("median length", f"{180 + 13 * at} words")),
            )
        )  # fmt: skip
    kind = np.where(rng.random(points) < 0.03, -1, np.minimum(rng.geometric(0.22, points) - 1, 17))
    words = rng.lognormal(5, 0.7, points).astype(np.float32) + 20 * number
    words[rng.random(points) < 0.05] = np.nan
    whole = [
        MapDocument(
            (
                Piece(text[:40]),
                Piece(text[40:52], 0.9),
                Piece(f"{text[52:]}\n\n" + (text + ". ") * 6),
            ),
            tuple((label, 9.5 - k) for k, label in enumerate(FEATURES[:7])),
            "Tell me about it.",
        )
        for text in (texts if documents else ())
    ]
    return MapPage(
        title=f"{clusters} groups in {points:,} posts",
        summary=(
            f"{points:,} posts fall into {clusters} clusters by topic and by style; "
            f"{100 / 12:.1f} % are in no cluster.",
        ),
        x=place[:, 0].astype(np.float32),
        y=place[:, 1].astype(np.float32),
        cluster=number,
        probability=np.where(number > 0, rng.beta(6, 1.5, points), 0).astype(np.float32),
        ids=[f"document-{row}" for row in range(points)],
        beginnings=texts,
        clusters=made,
        columns=(
            MapColumn("source", tuple(f"forum {chr(97 + at)}" for at in range(18)), kind.astype(np.int32)),
            MapColumn("words", number=words),
            MapColumn("year", number=rng.integers(2009, 2026, points).astype(np.float32)),
        ),
        documents=whole,
        notes=(
            "Where a cluster ends is partly chance: run it with another seed before relying on a border.",
        ),
        facts={"model": "gpt2-small", "SAE": "8-res-jb", "clustering": "HDBSCAN, at least 40", "seed": "7"},
        shading="Words are shaded by how strongly the cluster's features fire on them.",
    )


def in_levels(page: MapPage, groups: int = 4, parts: int = 3) -> MapPage:
    """Put the clusters of a map into groups, and split the largest cluster into parts."""
    number = np.asarray(page.cluster)
    group = np.array([0, *(1 + at % groups for at in range(len(page.clusters)))], np.int32)
    rows = np.flatnonzero(number == 1)
    part = np.where(number > 1, number + parts - 1, 0).astype(np.int32)
    part[rows[np.argsort(page.x[rows], kind="stable")]] = 1 + np.arange(len(rows)) * parts // len(rows)
    sizes = np.bincount(part)
    levels = (
        MapLevel(
            tuple(
                MapPart(g, f"group {g}: {TOPICS[-g]}", int((group[number] == g).sum()))
                for g in range(1, groups + 1)
            ),
            group[number].astype(np.int32),
        ),
        MapLevel(
            tuple(MapPart(c.number, c.name, c.size, int(group[c.number]), c.number) for c in page.clusters),
            number,
        ),
        MapLevel(
            tuple(
                MapPart(p, f"part {p} of the first" if p <= parts else page.clusters[p - parts].name,
                        int(sizes[p]), 1 if p <= parts else p - parts + 1, 1 if p <= parts else p - parts + 1)
                for p in range(1, len(page.clusters) + parts)
            ),
            part,
        ),
    )  # fmt: skip
    return dataclasses.replace(page, levels=levels, base=1)
