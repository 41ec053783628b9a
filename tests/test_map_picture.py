"""The picture of a map: names that cannot be drawn stay names, colours are the clusters', nothing is lost."""

from __future__ import annotations

import dataclasses
import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from map_factory import a_map, in_levels, synthetic
from page_helpers import HOSTILE

from saetext.errors import InputError
from saetext.report.html.map_model import MapCluster, MapPage
from saetext.report.html.map_picture import draw_map, shown_of, trimmed, write_map_picture
from saetext.report.html.map_places import DARK, LIGHT, check, colours, middles

MATH = "$x^2_{a}$ \\frac{1}{0} $ 50% \n #_^& 字漢 שלום 😀 \U0010ffff\u0301"


def picture(path: Path) -> np.ndarray:
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def hexes(colour: str) -> np.ndarray:
    return np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)])


def near(image: np.ndarray, colour: str) -> np.ndarray:
    return np.abs(image - hexes(colour)).max(axis=2) < 45


@pytest.mark.parametrize("text", [HOSTILE, MATH, "W" * 300, "", "$", "a$b$c", "\\", "{{}}"])
@pytest.mark.parametrize("kind", ["png", "svg", "pdf"])
def test_any_name_is_drawn_without_a_word(
    text: str, kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error")
        path = write_map_picture(a_map(text), tmp_path / f"map.{kind}", width=400, height=300)
    assert path.read_bytes()[:5] in (b"\x89PNG\r", b"<?xml", b"%PDF-")
    assert not caplog.records


def test_no_name_is_read_as_a_formula(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from matplotlib.mathtext import MathTextParser

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a name was taken for a formula")

    monkeypatch.setattr(MathTextParser, "parse", refuse)
    plain = a_map().clusters[1]
    drawn = []
    for name in ("a $x^2$ b", "a $x^2$ b", "a x2 b"):
        page = a_map(clusters=(dataclasses.replace(plain, name=name),))
        path = write_map_picture(page, tmp_path / "map.png", width=400, height=300, overwrite=True)
        drawn.append(path.read_bytes())
    assert drawn[0] == drawn[1] != drawn[2]
    assert "<script" not in write_map_picture(a_map(HOSTILE), tmp_path / "map.svg").read_text("utf-8")


@pytest.mark.parametrize("dark", [False, True])
def test_points_have_their_clusters_colour_where_they_are(dark: bool, tmp_path: Path) -> None:
    x, y = (np.array(values, np.float32) for values in ([-1, 1, -1, 1], [1, 1, -1, -1]))
    clusters = (MapCluster(1, " ", 1, 0.25), MapCluster(2, " ", 1, 0.25), MapCluster(3, " ", 1, 0.25))
    page = a_map(
        x=x, y=y, cluster=np.array([1, 2, 3, 0], np.int32), probability=np.ones(4, np.float32), columns=(),
        ids=["a"] * 4, beginnings=[""] * 4, documents=(), clusters=clusters,
    )  # fmt: skip
    page = dataclasses.replace(page, clusters=tuple(dataclasses.replace(c, name="i") for c in clusters))
    image = picture(write_map_picture(page, tmp_path / "map.png", width=600, height=600, dark=dark))
    assert image.shape == (600, 600, 3)
    palette = DARK if dark else LIGHT
    for colour, (rows, columns) in zip(
        palette, ((slice(300), slice(300)), (slice(300), slice(300, None)), (slice(300, None), slice(300))),
        strict=False,
    ):  # fmt: skip
        assert near(image[rows, columns], colour).any()
        assert near(image, colour).sum() == near(image[rows, columns], colour).sum()
    assert not any(near(image[300:, 300:], colour).any() for colour in palette[:3])
    assert bool(image.mean() < 80) is dark


@pytest.mark.parametrize(("points", "clusters"), [(0, 0), (1, 1), (7, 0), (40, 1), (900, 300)])
def test_few_points_and_many_clusters(points: int, clusters: int, tmp_path: Path) -> None:
    image = picture(write_map_picture(synthetic(points, clusters), tmp_path / "m.png", width=500, height=300))
    assert image.shape == (300, 500, 3)
    assert bool(image.min() < 250) is (points > 0)


def test_places_that_are_none(tmp_path: Path) -> None:
    page = a_map(x=np.array([np.nan, np.inf, 1, np.nan, 2], np.float32))
    write_map_picture(page, tmp_path / "some.png", width=300, height=300)
    page = a_map(x=np.full(5, np.nan, np.float32))
    assert picture(write_map_picture(page, tmp_path / "none.png", width=300, height=300)).min() > 250


def test_nothing_is_overwritten_or_left_in_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "map.png"
    path.write_text("mine")
    with pytest.raises(InputError, match="exists already"):
        write_map_picture(a_map(), path, width=300, height=300)
    assert path.read_text() == "mine"
    write_map_picture(a_map(), path, overwrite=True, width=300, height=300)
    assert path.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(InputError, match="it is a directory"):
        (tmp_path / "folder.png").mkdir()
        write_map_picture(a_map(), tmp_path / "folder.png")
    with pytest.raises(InputError, match="cannot write"):
        write_map_picture(a_map(), tmp_path / "no" / "map.png", width=300, height=300)
    for name in ("map.jpg", "map", "map.html"):
        with pytest.raises(InputError, match=r"\.png, \.svg, \.pdf"):
            write_map_picture(a_map(), tmp_path / name)
    for size in (0, -5, 100_000):
        with pytest.raises(InputError, match="cannot be drawn"):
            write_map_picture(a_map(), tmp_path / "size.png", width=size)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["folder.png", "map.png"]


def test_the_same_map_makes_the_same_file(tmp_path: Path) -> None:
    for kind in ("png", "pdf"):
        one, other = (
            write_map_picture(a_map(), tmp_path / f"{at}.{kind}", width=300, height=300) for at in (1, 2)
        )
        assert one.read_bytes() == other.read_bytes()


# ---- places and colours --------------------------------------------------------------------------------


def test_middles_are_medians() -> None:
    page = synthetic(500, 5)
    for place, cluster in zip(middles(page), page.clusters, strict=True):
        mine = page.cluster == cluster.number
        assert place.tolist() == pytest.approx([np.median(page.x[mine]), np.median(page.y[mine])], abs=1e-6)
    absent = dataclasses.replace(page, clusters=(*page.clusters, MapCluster(99, "absent", 0, 0.0)))
    assert np.isnan(middles(absent)[-1]).all()


def test_neighbours_differ_in_colour() -> None:
    page = synthetic(6000, 60)
    chosen, at = np.array(colours(page)), middles(page)
    assert chosen[:12].tolist() == list(range(12)) and set(chosen) == set(range(12))
    away = np.linalg.norm(at[:, None] - at[None], axis=2) + 1e9 * np.eye(60)
    assert (chosen[away[12:].argmin(1)] != chosen[12:]).all()
    same = away[chosen[:, None] == chosen[None]].reshape(-1)
    assert same.min() > 3 * away.min(1).min()
    assert colours(a_map(clusters=())) == []
    nowhere = tuple(MapCluster(100 + at, f"{at}", 0, 0.0) for at in range(40))
    assert max(np.bincount(colours(a_map(clusters=nowhere)))) <= 4


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"y": np.zeros(4, np.float32)}, "5 points, but 4 of y"),
        ({"ids": ["a"]}, "but 1 of ids"),
        ({"documents": a_map().documents[:2]}, "but 2 of documents"),
        ({"clusters": (MapCluster(1, "a", 1, 0.1), MapCluster(1, "b", 1, 0.1))}, "same number"),
        ({"columns": (dataclasses.replace(a_map().columns[0], values=("one",)),)}, "without a value"),
        ({"columns": (dataclasses.replace(a_map().columns[0], code=None),)}, "neither codes nor numbers"),
    ],
)
def test_parts_that_do_not_fit_are_refused(more: dict[str, object], why: str) -> None:
    page: MapPage = a_map(**more)
    with pytest.raises(ValueError, match=why):
        check(page)


# ---- names beside the points ---------------------------------------------------------------------------


def drawn_axes(page: MapPage, width: float = 8, height: float = 5.5) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    figure.set_dpi(100)
    axes = figure.add_axes((0, 0, 1, 1))
    draw_map(page, axes)
    return figure, axes


@pytest.mark.parametrize("size", [(8, 5.5), (5, 7)])
@pytest.mark.parametrize(
    "page",
    [
        synthetic(700, 9),
        synthetic(900, 40),
        in_levels(synthetic(900, 20), 6),
        in_levels(synthetic(300, 8), 2),
    ],
)
def test_no_name_is_over_points_over_another_or_over_the_edge(
    page: MapPage, size: tuple[float, float]
) -> None:
    figure, axes = drawn_axes(page, *size)
    renderer = figure.canvas.get_renderer()
    boxes = [text.get_window_extent(renderer) for text in axes.texts]
    assert len(boxes) > 3
    frame = axes.get_window_extent(renderer)
    points = np.concatenate([axes.transData.transform(dots.get_offsets()) for dots in axes.collections])
    assert len(points) == trimmed(np.column_stack([page.x, page.y])).sum()
    for at, box in enumerate(boxes):
        assert frame.x0 <= box.x0 and box.x1 <= frame.x1 and frame.y0 <= box.y0 and box.y1 <= frame.y1
        inside = (points > (box.x0, box.y0)) & (points < (box.x1, box.y1))
        assert not inside.all(axis=1).any()
        assert not any(
            box.x0 < other.x1 and other.x0 < box.x1 and box.y0 < other.y1 and other.y0 < box.y1
            for other in boxes[at + 1 :]
        )
    _, shown = shown_of(page, False)
    assert 0 < len(axes.lines) <= len(shown)
    colours_shown = {one.colour for one in shown}
    for line in axes.lines:  # ends at a point of its own cluster
        end = axes.transAxes.transform(line.get_xydata()[1])
        assert line.get_color() in colours_shown and np.abs(points - end).max(axis=1).min() < 1.5


def test_lines_do_not_cross() -> None:
    _, axes = drawn_axes(synthetic(900, 24))
    paths = [axes.transAxes.transform(line.get_xydata()) for line in axes.lines]
    assert len(paths) > 8
    middle = axes.get_window_extent().width / 2

    def turn(p: np.ndarray, q: np.ndarray, r: np.ndarray) -> bool:
        return bool((q[0] - p[0]) * (r[1] - p[1]) > (q[1] - p[1]) * (r[0] - p[0]))

    for at, (a, b) in enumerate(paths):
        for c, d in paths[at + 1 :]:
            if (a[0] < middle) == (c[0] < middle):
                assert turn(a, b, c) == turn(a, b, d) or turn(c, d, a) == turn(c, d, b)


def test_outliers_are_left_out_and_counted() -> None:
    page = synthetic(500, 5)
    x = page.x.copy()
    x[:3] = 1e4
    _, axes = drawn_axes(dataclasses.replace(page, x=x))
    assert axes.texts[-1].get_text().startswith("3 far from all others not shown")
    assert axes.get_xlim()[1] < 100
    kept = trimmed(np.column_stack([x, page.y]))
    assert not kept[:3].any() and kept[3:].all()
    assert "far from" not in " ".join(text.get_text() for text in drawn_axes(page)[1].texts)


def test_groups_have_the_names_and_their_clusters_stand_below() -> None:
    page = in_levels(synthetic(600, 8), 2)
    _, axes = drawn_axes(page)
    told = " ".join(" ".join(text.get_text().split()) for text in axes.texts)
    for part in page.levels[0].parts:
        assert part.name in told
    assert page.clusters[0].name in told
