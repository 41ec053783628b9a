"""lm-evaluation-harness: the samples that ``--log_samples`` writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from saetext.documents.chat import Note, asked
from saetext.documents.json_values import decode_json
from saetext.documents.paths import at
from saetext.documents.presets.base import Given, Preset, columns, plain, samples
from saetext.documents.reading import Row

_HASHES = ("doc_hash", "prompt_hash", "target_hash")


def _fits(row: Given) -> bool:
    return "doc_id" in row and isinstance(row.get("resps"), list) and ("doc" in row or "arguments" in row)


def _texts(resps: Any) -> list[str]:
    """Return the texts that were generated: ``resps`` is a list (requests) of lists (repeats)."""
    found = []
    for item in resps if isinstance(resps, list) else []:
        found += [text for text in (item if isinstance(item, list) else [item]) if isinstance(text, str)]
    return found


def _is_likelihood(resps: Any) -> bool:
    """Whether they are log-likelihoods: ``[[[-1.5, false]], ...]``, or of whole texts, ``[[-12.3]]``."""
    inner = resps
    while isinstance(inner, list) and inner:
        if len(inner) == 2 and not isinstance(inner[0], list) and str(inner[1]).lower() in ("true", "false"):
            return True
        inner = inner[0]
    return isinstance(inner, float | int)


def _refuses(rows: Sequence[Given]) -> str | None:
    if all(_is_likelihood(row["resps"]) for row in rows):
        return (
            "its samples are of a task that compares log-likelihoods (multiple choice): the model wrote no "
            "text; evaluate a task with output_type generate_until, or name a column such as "
            "--text-column doc.question"
        )
    return None


def _question(row: Given) -> str | None:
    given = (
        at(row, "arguments.gen_args_0.arg_0") or at(row, "arguments[0][0]") or at(row, "arguments[0].arg_0")
    )
    if isinstance(given, str) and given.lstrip().startswith("[{"):
        try:
            return asked(decode_json(given)) or given
        except ValueError:
            return given
    return asked(given)


def _read(row: Given, _: Note) -> list[Row]:
    more = {name: value for name, value in columns(row, {}).items() if name not in _HASHES}
    if plain(target := row.get("target")):
        more["target"] = target
    if (question := _question(row)) is not None:
        more["prompt"] = question
    if isinstance(filtered := at(row, "filtered_resps[0]"), str) and filtered not in _texts(row["resps"]):
        more["filtered"] = filtered
    return samples(_texts(row["resps"]), more, "resps[0][0]")


PRESETS = (
    Preset(
        "lm-evaluation-harness samples",
        _fits,
        _read,
        "resps[0][0]",
        prompt="prompt",
        id="doc_id",
        refuses=_refuses,
        filtered="filter",
    ),
)
