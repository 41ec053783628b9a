"""What a function does when nothing is said is what its command does."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from saetext_cli.append import append as append_command
from saetext_cli.calibrate import calibrate as calibrate_command
from saetext_cli.cluster import cluster as cluster_command
from saetext_cli.correlate import correlate as correlate_command
from saetext_cli.declared import expanded
from saetext_cli.diff import diff as diff_command
from saetext_cli.encode import encode as encode_command
from saetext_cli.index import index as index_command
from saetext_cli.label import label as label_command
from saetext_cli.read import read as read_command
from saetext_cli.search import search as search_command
from saetext_cli.train import train as train_command

import saetext
from saetext.analysis.cooccurrence import CorrelateRequest
from saetext.analysis.cooccurrence.streaming import LEAST
from saetext.features.inspect import look_at_document
from saetext.reader.reading import Reading


def defaults_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the parameters that have a default, with it."""
    parameters = inspect.signature(function).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}


def fields_of(value: Any) -> dict[str, Any]:
    return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}


def said(value: Any) -> Any:
    """Return a default as it means: an empty list, False and None all say nothing; an enum is its value."""
    return getattr(value, "value", value) or None


PAIRS: dict[str, tuple[Callable[..., Any], dict[str, Any], int]] = {
    "diff": (diff_command, defaults_of(saetext.diff), 16),
    "correlate": (expanded(correlate_command), defaults_of(saetext.correlate), 20),
    "cluster": (expanded(cluster_command), defaults_of(saetext.cluster), 18),
    "search": (expanded(search_command), defaults_of(saetext.search), 20),
    "searcher": (expanded(search_command), defaults_of(saetext.Searcher.search), 20),
    "index": (expanded(index_command), defaults_of(saetext.build_index), 2),
    "encode": (expanded(encode_command), defaults_of(saetext.encode), 6),
    "append": (expanded(append_command), defaults_of(saetext.append), 4),
    "calibrate": (expanded(calibrate_command), defaults_of(saetext.calibrate), 2),
    "train": (expanded(train_command), defaults_of(saetext.train), 16),
    "label": (expanded(label_command), defaults_of(saetext.label), 4),
    "read": (expanded(read_command), defaults_of(Reading.look), 3),
    "show": (expanded(read_command), defaults_of(look_at_document), 3),
}  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
def test_a_function_and_its_command_have_the_same_defaults(name: str) -> None:
    command, function, at_least = PAIRS[name]
    mine = defaults_of(command)
    shared = sorted(mine.keys() & function.keys())
    assert len(shared) >= at_least, shared
    different = {key: (function[key], mine[key]) for key in shared if said(function[key]) != said(mine[key])}
    assert different == {}


def test_pairs_are_counted_as_the_request_says() -> None:
    assert CorrelateRequest().min_joint == LEAST


def test_a_corpus_stores_its_texts_unless_told_otherwise() -> None:
    assert defaults_of(saetext.encode)["store_text"] is True
    assert defaults_of(expanded(encode_command))["store_text"] is True
