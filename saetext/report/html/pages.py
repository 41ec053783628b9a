"""Write a result as one self-contained HTML file.

Not for: what is on it (:mod:`saetext.report.html.gathering`) or how it looks
(:mod:`saetext.report.html.differences`).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from saetext.analysis.base import Result
from saetext.analysis.clusters import ClusterResult
from saetext.analysis.cooccurrence import CorrelateResult
from saetext.analysis.differences import DiffResult
from saetext.analysis.export import write_text
from saetext.corpus.protocol import CorpusLike
from saetext.errors import InputError
from saetext.features.known_labels import labels_for
from saetext.features.labels import FeatureLabels
from saetext.io.progress import OnProgress
from saetext.report.html.differences import render_diff_page
from saetext.report.html.gathering import diff_page
from saetext.report.html.pair_gathering import pair_page

if TYPE_CHECKING:
    from saetext.reader.reader import Reader


def write_page(
    result: Result,
    path: str | Path,
    sets: Sequence[CorpusLike],
    *,
    labels: FeatureLabels | None = None,
    reader: Reader | None = None,
    overwrite: bool = False,
    on_progress: OnProgress | None = None,
) -> Path:
    """Write the report of a diff, of correlations or of clusters, whole or not at all, and return its path.

    Parameters
    ----------
    result : DiffResult, CorrelateResult or ClusterResult
        What to report.
    path : path
        The file.
    sets : sequence of Corpus
        The corpora it came from, in their order: the examples' texts are read from them.
    labels : FeatureLabels, optional
        For the descriptions; by default those known for the first corpus.
    reader : Reader, optional
        Shades every token of the examples; without it the strongest word is marked.
    overwrite : bool
        Whether the file may exist.
    on_progress : callable, optional
        Gets a :class:`saetext.io.progress.Progress` as findings are done.

    Raises
    ------
    InputError
        If the result has no page, or the file exists or cannot be written.
    """
    if isinstance(result, ClusterResult):
        from saetext.report.html.map_gathering import map_page
        from saetext.report.html.map_page import render_map_page

        known = labels if labels is not None else labels_for(sets[0], result.params["tap"])
        drawn = map_page(result, sets[0], known, reader=reader, on_progress=on_progress)
        return write_text(path, render_map_page(drawn), overwrite=overwrite)
    if isinstance(result, CorrelateResult):
        from saetext.report.html.pair_page import render_pair_page

        named = labels if labels is not None else labels_for(sets[0], result.params["tap"])
        pairs = pair_page(result, sets, named, reader=reader, on_progress=on_progress)
        return write_text(path, render_pair_page(pairs), overwrite=overwrite)
    if not isinstance(result, DiffResult):
        raise InputError(f"a {result.kind} has no HTML report")
    known = labels if labels is not None else labels_for(sets[0], result.params["tap"])
    page = diff_page(result, sets, known, reader=reader, on_progress=on_progress)
    return write_text(path, render_diff_page(page), overwrite=overwrite)
