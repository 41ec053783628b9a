"""Traces: exports of Langfuse (input, output) and LangSmith (inputs, outputs)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from saetext.documents.chat import Note, answers, asked
from saetext.documents.paths import at, opened
from saetext.documents.presets.base import Given, Preset, columns, plain, said, samples
from saetext.documents.reading import BadRow, Row, shorten
from saetext.documents.record import FAILED
from saetext.documents.words import word_set

_LANGFUSE = word_set(
    "traceId trace_id projectId project_id sessionId session_id totalCost htmlPath observations "
    "calculatedTotalCost startTime start_time timestamp latency"
)
_TOLD = {
    "prompt_tokens": "usage.input",
    "completion_tokens": "usage.output",
    "total_tokens": "usage.total",
    "input_tokens": "usageDetails.input",
    "output_tokens": "usageDetails.output",
    "metadata_": "metadata.*",
    "score_": "scores.*",
}


def _is_langfuse(row: Given) -> bool:
    return "input" in row and "output" in row and len(_LANGFUSE & row.keys()) >= 1 and "id" in row


def _is_langsmith(row: Given) -> bool:
    return isinstance(opened(row.get("inputs")), Mapping) and "outputs" in row


def _scores(row: Given) -> dict[str, float | str]:
    scores = opened(row.get("scores"))
    found = {}
    for score in scores if isinstance(scores, list) else []:
        name, value = at(score, "name"), at(score, "value")
        if isinstance(name, str) and plain(value):
            found[f"score_{name}"] = value
    feedback = opened(row.get("feedback_stats"))
    for name, stats in feedback.items() if isinstance(feedback, Mapping) else ():
        if plain(value := at(stats, "avg")):
            found[f"score_{name}"] = value
    return found


def _reader(given: str, answered: str) -> Callable[[Given, Note], list[Row]]:
    def read(row: Given, note: Note) -> list[Row]:
        output = opened(row.get(answered))
        texts = answers(output, note)
        if not texts and (error := said(row.get("error")) or said(row.get("statusMessage"))):
            return [BadRow(FAILED, shorten(error))]
        more = {**columns(row, _TOLD), **_scores(row)}
        more = {name: value for name, value in more.items() if name not in (given, answered)}
        if (question := asked(opened(row.get(given)))) is not None:
            more["prompt"] = question
        return samples(texts, more, answered)

    return read


PRESETS = (
    Preset(
        "Langfuse export",
        _is_langfuse,
        _reader("input", "output"),
        "output",
        prompt="prompt",
        id="id",
    ),
    Preset(
        "LangSmith export",
        _is_langsmith,
        _reader("inputs", "outputs"),
        "outputs",
        prompt="prompt",
        id="id",
    ),
)
