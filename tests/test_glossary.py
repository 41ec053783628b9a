"""Every term, column and option is explained: docs/glossary.md and docs/reference.md against the code."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import polars as pl
import pytest
from memory_corpus import DenseCorpus
from typer.testing import CliRunner

from saetext.analysis.checking.result import COLUMNS as CHECK_COLUMNS
from saetext.analysis.checking.result import FOUND as CHECK_FOUND
from saetext.analysis.clusters.changes.table import COMPARED, OVER
from saetext.analysis.clusters.result import COLUMNS as CLUSTER_COLUMNS
from saetext.analysis.clusters.result import DOCUMENT_COLUMNS, LEVEL_COLUMNS
from saetext.analysis.clusters.tables import _schema as cluster_schema
from saetext.analysis.cooccurrence.result import COLUMNS as CORRELATE_COLUMNS
from saetext.analysis.cooccurrence.result import FOUND as PAIRS_FOUND
from saetext.analysis.differences import diff
from saetext.analysis.differences.result import FOUND, FOUND_OF_SEVERAL
from saetext.analysis.search.result import schema as search_schema
from saetext.features import feature_table
from saetext.features.activity import SCHEMA as TOKEN_TABLE
from saetext.features.labels import FeatureLabels
from saetext.intervene.attribution.tables import CHECKS, ERRORS, PROMPTS
from saetext.intervene.attribution.tables import TABLE as ATTRIBUTE_TABLE
from saetext.intervene.bias import tables as bias_tables
from saetext.intervene.expression.enrichment import COLUMNS as ENRICHMENT
from saetext.intervene.expression.result import EXAMPLES
from saetext.intervene.expression.result import TABLE as EXPRESSION_TABLE
from saetext.intervene.heads.tables import TABLE as HEADS_TABLE
from saetext.intervene.heads.tables import TOKENS
from saetext.intervene.shifts.tables import ACROSS, ANSWERS, ARMS, FEATURES, FITTED, GROUPS

DOCS = Path(__file__).parents[1] / "docs"
GLOSSARY = (DOCS / "glossary.md").read_text("utf-8")
TERMS = (
    "threshold", "calibration", "hook point / SAE", "cosine similarity", "activating, non-activating",
    "hard negative", "expected pair", "redundant pair", "semantic map", "include / exclude concepts",
    "validation", "exemplars", "residual association", "LLM reranker", "L0", "FVU", "dead", "density",
    "pooling", "residual stream", "support", "lift", "NPMI", "ARI", "NMI", "FDR, q", "confirmed", "AUC",
    "odds ratio", "stratum", "concept group", "presence", "half", "probe", "hybrid",
    "absolute position", "chat template", "edit", "log-probability", "logits", "nucleus (top-p)",
    "repetition penalty", "temperature", "arm", "coupled arms", "dose", "handle", "strength",
    "negative log-likelihood (nll)",
    "attribution", "exact ablation", "expression", "integrated gradients", "metric", "SAE error",
    "alignment", "diagonal", "persona prompt", "shift", "split-half ceiling",
    "dampening", "factual gender", "gap (between pronouns)", "matched features",
)  # fmt: skip


def module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


reference = module("reference")


def rows(section: str) -> list[list[str]]:
    """Return the cells of the table under a heading."""
    [_, body] = re.split(rf"^## {re.escape(section)}$", GLOSSARY, flags=re.M)
    body = re.split(r"^## ", body, maxsplit=1, flags=re.M)[0]
    lines = [line for line in body.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[1:]]


def explained(result: str) -> set[str]:
    return {name for cells in rows(f"Columns of {result}") for name in re.findall(r"`(\w+)`", cells[0])}


def nested(schema: Any) -> Iterator[str]:
    """Yield the columns of a table, and the fields of structs in its lists."""
    for name, dtype in schema.items():
        yield name
        inner = dtype.inner if isinstance(dtype, pl.List) else dtype
        if isinstance(inner, pl.Struct):
            yield from nested({field.name: field.dtype for field in inner.fields})


def corpus(seed: int) -> DenseCorpus:
    rng = np.random.default_rng(seed)
    value = rng.random((80, 6)) * (rng.random((80, 6)) < 0.3 + 0.2 * seed)
    meta = {"year": rng.integers(0, 5, 80).tolist()}
    return DenseCorpus(value, n_tokens=rng.integers(5, 60, 80), meta=meta)


def of_diff() -> set[str]:
    sets = [corpus(seed) for seed in range(3)]
    two = diff(*sets[:2], control="year").table
    many = diff(*sets, names=("a", "b", "c"), control="year").table
    assert {"control_q", "snippet_a"} < set(two.columns) and {"set", "rate_rest"} < set(many.columns)
    return {*two.columns, *many.columns}


def of_features() -> set[str]:
    from saetext_cli.main import app

    done = CliRunner().invoke(app, ["features", "embedded", "sorry", "--lexical", "--json", "--top", "1"])
    [row] = json.loads(done.stdout)["rows"]
    by_document = feature_table(corpus(0), None, FeatureLabels.from_rows([])).columns
    return {*row, *by_document, *TOKEN_TABLE}


def of_steer() -> set[str]:
    from saetext.intervene.apart import apart_schema
    from saetext.intervene.lists import candidate_schema, handle_schema, text_schema
    from saetext.intervene.second_reader import seen_schema
    from saetext.intervene.summary import schema
    from saetext.intervene.tuning import tried_schema

    lists = {**handle_schema(), **candidate_schema(), **text_schema(), **apart_schema(), **seen_schema()}
    return {*schema(), *lists, *tried_schema(), *FEATURES}


def of_ablate() -> set[str]:
    from saetext.intervene.ablation import tables
    from saetext.intervene.second_reader import seen_schema

    return {*tables.TABLE, *tables.TOPICS, *tables.FEATURES, *tables.TEXTS, *seen_schema()}


def of_why() -> set[str]:
    from saetext.intervene.causes import tables

    return {*tables.TABLE, *tables.FINDINGS, *tables.CANDIDATES, *tables.ARMS, *tables.TEXTS}


def of_cluster() -> set[str]:
    assert set(cluster_schema()) == set(CLUSTER_COLUMNS)
    levels = {*LEVEL_COLUMNS, "level_1", "level_2", "level_3"}
    return {*nested(cluster_schema()), *DOCUMENT_COLUMNS, *levels}


@pytest.mark.parametrize(
    ("result", "columns"),
    [
        ("diff", of_diff),
        ("findings", lambda: {*FOUND, *FOUND_OF_SEVERAL}),
        ("cluster's changes", lambda: {*COMPARED, *OVER}),
        ("correlate", lambda: set(CORRELATE_COLUMNS)),
        ("correlate's list", lambda: set(PAIRS_FOUND)),
        ("cluster", of_cluster),
        ("search", lambda: set(nested(search_schema()))),
        ("attribute", lambda: {*ATTRIBUTE_TABLE, *PROMPTS, *ERRORS, *CHECKS}),
        ("expression", lambda: {*EXPRESSION_TABLE, *EXAMPLES, *ENRICHMENT, "expression"}),
        ("shift", lambda: {*FITTED, *FEATURES, *ARMS, *GROUPS, *ACROSS, *ANSWERS}),
        ("bias", lambda: {*bias_tables.TABLE, *bias_tables.FEATURES, *bias_tables.UNITS}),
        ("why", of_why),
        ("check", lambda: {*CHECK_COLUMNS, *CHECK_FOUND, "set", "id", "text"}),
        ("features", of_features),
        ("attend", lambda: {*HEADS_TABLE, *TOKENS}),
        ("steer", of_steer),
        ("ablate", of_ablate),
    ],
)
def test_every_column_of_every_result_is_explained_and_no_other(result: str, columns: Any) -> None:
    assert explained(result) == columns()


@pytest.mark.parametrize("term", TERMS)
def test_every_term_is_explained(term: str) -> None:
    assert f"\n| {term} | " in GLOSSARY


def test_an_explanation_is_one_sentence_in_the_fields_words() -> None:
    sections = re.findall(r"^## (.*)$", GLOSSARY, flags=re.M)
    entries = [cells for section in sections for cells in rows(section)]
    assert len(entries) > 120
    assert [name for name, text in entries if not text.endswith(".") or re.search(r"[.!?] [A-Z]", text)] == []
    assert re.findall(r"\b(?:taps?|floors?|likeness|near miss\w*|fires|firing|silent)\b", GLOSSARY) == []
    for section in sections[:6]:
        names = [name.lower() for name, _ in rows(section)]
        assert names == sorted(names), section


def test_the_reference_of_options_is_what_the_commands_say() -> None:
    """If not: python docs/reference.py."""
    assert reference.PAGE.read_text("utf-8") == reference.page()


def test_the_reference_has_every_option_with_its_help() -> None:
    page = reference.PAGE.read_text("utf-8")
    for name, command in reference.commands().items():
        section = page.split(f"\n## {name}\n")[1].split("\n## ")[0]
        options = [p for p in reference.shown(command) if p.param_type_name == "option"]
        for option in options:
            assert option.help, f"saetext {name} {option.opts[0]} has no help"
            assert f"| {reference.spelt(option)} |" in section
        assert section.count("\n| `-") == len(options)
    assert "| `--top` | whole number, ≥ 0 | `12` |" in page  # of read, by hand
