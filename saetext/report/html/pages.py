"""Write a result as one self-contained HTML file.

Not for: what is on it (:mod:`saetext.report.html.gathering`) or how it looks
(:mod:`saetext.report.html.differences`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from saetext.analysis.base import Result
from saetext.analysis.clusters import ClusterResult, PredictRequest
from saetext.analysis.cooccurrence import CorrelateResult
from saetext.analysis.differences import DiffResult
from saetext.analysis.differences.outcome.result import OutcomeResult
from saetext.analysis.export import write_text
from saetext.analysis.registry import has_page, page_of
from saetext.analysis.sources import reopened
from saetext.corpus.joined import Joined
from saetext.corpus.protocol import CorpusLike
from saetext.errors import InputError
from saetext.features.known_labels import labels_for
from saetext.features.labels import FeatureLabels
from saetext.intervene.result import SteerResult
from saetext.io.progress import OnProgress
from saetext.report.html.ablate_page import render_ablate_page
from saetext.report.html.bias_page import render_bias_page
from saetext.report.html.differences import render_diff_page
from saetext.report.html.gathering import diff_page
from saetext.report.html.heads_page import render_heads_page
from saetext.report.html.map_gathering import map_page
from saetext.report.html.map_page import render_map_page
from saetext.report.html.outcome_page import render_outcome_page
from saetext.report.html.pair_gathering import pair_page
from saetext.report.html.pair_page import render_pair_page
from saetext.report.html.shift_page import render_shift_page
from saetext.report.html.steer_page import render_steer_page
from saetext.report.html.why_page import render_why_page

if TYPE_CHECKING:
    from saetext.intervene.ablation.result import AblateResult
    from saetext.intervene.bias.result import BiasResult
    from saetext.intervene.causes.result import WhyResult
    from saetext.intervene.heads.result import AttendResult
    from saetext.intervene.shifts.result import ShiftEvaluation
    from saetext.reader.reader import Reader


def write_page(
    result: Result,
    path: str | Path,
    sets: Sequence[CorpusLike] | None = None,
    *,
    labels: FeatureLabels | None = None,
    reader: Reader | None = None,
    why: WhyResult | None = None,
    overwrite: bool = False,
    on_progress: OnProgress | None = None,
) -> Path:
    """Write the report of a result, whole or not at all, and return its path.

    Parameters
    ----------
    result : Result
        What to report; its kind needs a page, see :mod:`saetext.analysis.registry`.
    path : path
        The file.
    sets : sequence of Corpus, optional
        The corpora it came from, in their order: the examples' texts are read from them. By default they are
        opened again, see :func:`saetext.analysis.sources.reopened`.
    labels : FeatureLabels, optional
        For the descriptions; by default those known for the first corpus.
    reader : Reader, optional
        Shades every token of the examples; without it the strongest word is marked.
    why : WhyResult, optional
        Of a diff of two sets, what drives its findings: verdicts stand on their cards.
    overwrite : bool
        Whether the file may exist.
    on_progress : callable, optional
        Gets a :class:`saetext.io.progress.Progress` as findings are done.

    Raises
    ------
    InputError
        If the result has no page, a corpus cannot be opened or has changed, or the file exists or cannot be
        written.
    """
    page_of(result.kind)  # says so where there is none
    if result.kind == "shift":
        raise InputError("a fitted shift has no HTML report: evaluate it")
    page = page_text(result, sets, labels=labels, reader=reader, why=why, on_progress=on_progress)
    assert page is not None
    return write_text(path, page, overwrite=overwrite)


def page_text(
    result: Result,
    sets: Sequence[CorpusLike] | None = None,
    *,
    labels: FeatureLabels | None = None,
    reader: Reader | None = None,
    why: WhyResult | None = None,
    on_progress: OnProgress | None = None,
) -> str | None:
    """Return the report of a result as HTML; None for a kind that has no page. As :func:`write_page`."""
    if not has_page(result.kind) or result.kind == "shift":
        return None
    draw = page_of(result.kind)
    corpora = [reopened(source) for source in result.sources] if sets is None else sets
    sae = result.params.get("sae")
    known = labels
    if known is None:
        known = labels_for(corpora[0], sae) if corpora else FeatureLabels.from_rows([])
    if why is not None and isinstance(result, DiffResult):
        return differences_html(result, corpora, known, reader=reader, why=why, on_progress=on_progress)
    return draw(result, corpora, known, reader=reader, on_progress=on_progress)


def differences_html(
    result: DiffResult,
    sets: Sequence[CorpusLike],
    labels: FeatureLabels,
    *,
    reader: Reader | None = None,
    why: WhyResult | None = None,
    on_progress: OnProgress | None = None,
) -> str:
    """Return the report of a diff as HTML, with what drives its findings if that is given."""
    page = diff_page(result, sets, labels, reader=reader, why=why, on_progress=on_progress)
    return render_diff_page(page)


def outcome_html(
    result: OutcomeResult,
    sets: Sequence[CorpusLike],
    labels: FeatureLabels,
    *,
    reader: Reader | None = None,
    on_progress: OnProgress | None = None,
) -> str:
    """Return what goes with an outcome as HTML; it has its examples with it, and reads nothing again."""
    return render_outcome_page(result)


def pairs_html(
    result: CorrelateResult,
    sets: Sequence[CorpusLike],
    labels: FeatureLabels,
    *,
    reader: Reader | None = None,
    on_progress: OnProgress | None = None,
) -> str:
    """Return the report of correlations as HTML."""
    asked = _asked(result)
    sets = [corpus if number else asked.selected(corpus) for number, corpus in enumerate(sets)]
    return render_pair_page(pair_page(result, sets, labels, reader=reader, on_progress=on_progress))


def _asked(result: Result) -> PredictRequest:
    """Return which documents a result is about, as they were asked for."""
    p = result.params
    return PredictRequest(
        where=p.get("where"), sample=p.get("sample"), seed=p.get("seed", 0), clusters=p.get("clusters")
    )


def map_html(
    result: ClusterResult,
    sets: Sequence[CorpusLike],
    labels: FeatureLabels,
    *,
    reader: Reader | None = None,
    on_progress: OnProgress | None = None,
) -> str:
    """Return the map of clusters as HTML."""
    chosen = [_asked(result).chosen(corpus) for corpus in sets]
    corpus = Joined(chosen, result.params["sets"]) if result.params.get("sets") else chosen[0]
    return render_map_page(map_page(result, corpus, labels, reader=reader, on_progress=on_progress))


def steering_html(
    result: SteerResult,
    sets: Sequence[CorpusLike],
    labels: FeatureLabels,
    *,
    reader: Reader | None = None,
    on_progress: OnProgress | None = None,
) -> str:
    """Return a steering as HTML; it has its texts with it, and reads nothing again."""
    return render_steer_page(result)


def ablation_html(
    result: AblateResult,
    sets: Sequence[CorpusLike],
    labels: FeatureLabels,
    *,
    reader: Reader | None = None,
    on_progress: OnProgress | None = None,
) -> str:
    """Return an ablation as HTML; it has its texts with it, and reads nothing again."""
    return render_ablate_page(result)


def heads_html(
    result: AttendResult,
    sets: Sequence[CorpusLike],
    labels: FeatureLabels,
    *,
    reader: Reader | None = None,
    on_progress: OnProgress | None = None,
) -> str:
    """Return the page of attention heads as HTML."""
    return render_heads_page(result)


def shift_html(
    result: ShiftEvaluation,
    sets: Sequence[CorpusLike],
    labels: FeatureLabels,
    *,
    reader: Reader | None = None,
    on_progress: OnProgress | None = None,
) -> str:
    """Return an evaluated shift as HTML."""
    if result.kind == "shift":
        raise InputError("a fitted shift has no HTML report: evaluate it")
    return render_shift_page(result)


def bias_html(
    result: BiasResult,
    sets: Sequence[CorpusLike],
    labels: FeatureLabels,
    *,
    reader: Reader | None = None,
    on_progress: OnProgress | None = None,
) -> str:
    """Return dampened bias as HTML."""
    return render_bias_page(result)


def why_html(
    result: WhyResult,
    sets: Sequence[CorpusLike],
    labels: FeatureLabels,
    *,
    reader: Reader | None = None,
    on_progress: OnProgress | None = None,
) -> str:
    """Return what drives findings as HTML; it has its texts with it, and reads nothing again."""
    return render_why_page(result)
