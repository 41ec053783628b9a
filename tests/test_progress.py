"""One progress event: what stages tell, what every long call hands over, and the one bar that shows it."""

from __future__ import annotations

import inspect
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from saetext_cli import meters

import saetext
from saetext.analysis.clusters import run as clusters
from saetext.analysis.cooccurrence import run as pairs
from saetext.analysis.search import dense, indexing
from saetext.analysis.search.by_llm import LLMReranker
from saetext.features.labelling import by_llm, neuronpedia, score
from saetext.features.labelling import pipeline as label
from saetext.io.llm import ChatClient
from saetext.io.progress import OnProgress, Progress, Stages
from saetext.report.html import gathering, map_gathering, pages, pair_gathering
from tests.corpus_factory import make_big_corpus


def test_stages_tell_done_share_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    seen: list[Progress] = []
    tell = Stages(seen.append, "findings")
    tell("loading")
    tell("reading", 0, 40)
    now = 102.0
    tell("reading", 10, 40)  # too early to say
    now = 110.0
    tell("reading", 20, 40)
    tell("writing", 5, 10)
    now = 114.0
    tell("writing", 6, 10)  # five were there when it began
    assert seen == [
        Progress("loading", unit="findings"),
        Progress("reading", share=0.0, done=0, total=40, unit="findings"),
        Progress("reading", share=0.25, seconds=2.0, done=10, total=40, unit="findings"),
        Progress("reading", share=0.5, seconds=10.0, left=10.0, done=20, total=40, unit="findings"),
        Progress("writing", share=0.5, done=5, total=10, unit="findings"),
        Progress("writing", share=0.6, seconds=4.0, left=16.0, done=6, total=10, unit="findings"),
    ]


def test_a_second_pass_of_a_stage_has_a_speed_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    seen: list[Progress] = []
    tell = Stages(seen.append)
    tell("counting")
    for now, done in ((60.0, 1000), (66.0, 100), (72.0, 200)):
        tell("counting", done, 1000)
    assert seen[-1].left == pytest.approx(48.0), "100 in 6 seconds: 800 more"
    assert seen[-1].seconds == pytest.approx(6.0)


def test_nobody_listening_is_fine() -> None:
    Stages(None)("reading", 1, 2)
    Stages(None).counting("reading")(1, 2)


LONG = [
    saetext.encode, saetext.append, saetext.train, saetext.calibrate, pairs.correlate, clusters.cluster,
    clusters.predict, indexing.build_index, dense.build_dense, ChatClient.ask, LLMReranker,
    pages.write_page,
    gathering.diff_page, map_gathering.map_page, pair_gathering.pair_page, label.label, label.score,
    by_llm.label_by_llm, by_llm.score_by_llm, score.score_by_embedding, neuronpedia.published,
]  # fmt: skip


@pytest.mark.parametrize("call", LONG, ids=lambda call: call.__qualname__)
def test_every_long_call_has_one_signature(call: object) -> None:
    told = inspect.signature(call).parameters  # type: ignore[arg-type]
    assert str(told["on_progress"].annotation) in ("OnProgress | None", str(OnProgress | None))
    assert told["on_progress"].default is None
    assert not {"on_done", "on_stage", "on_tokens"} & set(told)


@pytest.mark.parametrize(
    ("event", "shown"),
    [
        (Progress("x", done=3, total=6, unit="hits", share=0.5, left=61.0), "50 %, 3 of 6 hits, 1:01 left"),
        (Progress("x", done=2, unit="batches"), "2 batches"),
        (Progress("x", done=1, unit="batches"), "1 batch"),
        (Progress("x", done=1, unit="features"), "1 feature"),
        (Progress("x", done=500, total=1000, share=0.5), "50 %"),
        (Progress("x", unit="findings"), ""),
    ],
)
def test_figures_of_any_event(event: Progress, shown: str) -> None:
    assert meters.figures(event) == shown


def test_stages_that_are_short_get_a_line_together(capsys: pytest.CaptureFixture[str]) -> None:
    with meters.progress_bar() as show:
        for stage in ("reading", "counting", "grouping"):
            for second in (0.0, 12.0):
                show(Progress(stage, seconds=second, done=1, total=2, share=0.5))
    assert capsys.readouterr().err == "grouping: 50 %\n"


def test_a_stage_without_figures_is_told_by_name(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(meters.time, "monotonic", lambda: now)
    with meters.progress_bar() as show:
        show(Progress("compiling"))
        now = 31.0
        show(Progress("grouping"))
    assert capsys.readouterr().err == "grouping …\n"


#: What tells how much of it is done, and of how many, by the last stage that is told.
TOLD: dict[str, tuple[Callable[..., object], dict[str, object], dict[str, int]]] = {
    "diff": (
        saetext.diff,
        {"by": "group"},
        {
            "counting": 1500, "sorting by feature": 1500, "testing features": 120, "counting words": 1500,
            "counting format": 1500, "reading features": 1500, "looking for examples": 1500,
        },
    ),
    "outcome": (
        saetext.diff,
        {"outcome": "group=a"},
        {"counting": 1500, "sorting by feature": 1500, "counting words": 1500, "counting format": 1500},
    ),
    "correlate": (
        saetext.correlate,
        {"min_joint": 2, "bootstrap": 5, "top": 3, "everything": True},
        {
            "reading": 1500, "sorting by feature": 1500, "counting pairs": 1000, "reading strengths": 1500,
            "looking where they meet": 112, "resampling": 5, "looking for peaks": 1500,
            "counting words": 1500, "counting format": 1500,
        },
    ),
    "index": (saetext.build_index, {"dense": False}, {"projecting features": 1500, "words": 1500}),
}  # fmt: skip


@pytest.mark.parametrize("what", TOLD)
def test_what_takes_long_tells_how_much_of_it_is_done(what: str, tmp_path: Path) -> None:
    """Where it tells nothing, a page says nothing new and nobody can stop it."""
    ask, options, stages = TOLD[what]
    corpus = make_big_corpus(tmp_path / "a.corpus", 1500, entries=12, d_sae=120, shard_size=250, tokens=8)
    seen: dict[str, list[tuple[int, int]]] = {}
    ask(corpus, on_progress=lambda p: seen.setdefault(p.stage, []).append((p.done, p.total)), **options)
    for stage, total in stages.items():
        told = [one for one in seen[stage] if one[1]]
        assert {of for _, of in told} == {total}, stage
        assert len(told) > (3 if total > 112 else 0), stage  # pairs are walked 256 at once
        assert max(done for done, _ in told) >= 0.8 * total, stage


class Stopped(Exception):
    """Somebody stopped it."""


@pytest.mark.parametrize("what", TOLD)
def test_what_takes_long_can_be_stopped_within_each_stage(what: str, tmp_path: Path) -> None:
    ask, options, stages = TOLD[what]
    corpus = make_big_corpus(tmp_path / "a.corpus", 1500, entries=12, d_sae=120, shard_size=250, tokens=8)
    for stage in stages:
        shutil.rmtree(tmp_path / "a.corpus" / "index", ignore_errors=True)

        def stop(p: Progress, stage: str = stage) -> None:
            if p.stage == stage and p.total and p.done:
                raise Stopped

        with pytest.raises(Stopped):
            ask(corpus, on_progress=stop, **options)


def test_the_bound_of_memory_is_told_once_by_what_takes_long(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(meters.time, "monotonic", lambda: now)
    with meters.progress_bar() as show:
        tell = Stages(show)
        tell.within(12_345_678_900)
        tell("counting")
        Stages(show)("grouping")  # another part of the work
        assert capsys.readouterr().err == ""
        now = 31.0
        Stages(show)("grouping")
        tell("counting")
    told = "working arrays take up to 12.3 GB of memory (--memory)"
    assert capsys.readouterr().err == f"{told}\ngrouping …\n"


def test_the_bar_shows_any_event(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    with meters.progress_bar("indexing") as show:
        show(Progress("embedding documents", done=3, total=6, unit="documents", share=0.5))
        time.sleep(0.3)
    told = capsys.readouterr().err
    assert "embedding documents" in told and "3 of 6 documents" in told
