"""A new analysis is one package and one line: function, command, JSON, page and notebook come with it."""

from __future__ import annotations

import importlib
import inspect
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from corpus_factory import make_corpus

import saetext
from saetext.analysis import registry
from saetext.corpus import Corpus

PACKAGE = {
    "__init__.py": '''
"""Lengths: the mean number of tokens for each value of a column."""

from dataclasses import dataclass

import polars as pl

from saetext.analysis.base import Result, Source
from saetext.analysis.request import AnalysisRequest
from saetext.corpus.keys import as_text, require_column
from saetext.encoding.opening import as_corpus
from saetext.io.request import option, verb


@dataclass(frozen=True, kw_only=True)
class LengthsRequest(AnalysisRequest):
    by: str = option("Column whose values are told apart.", default="model", metavar="COLUMN")
    least: int = option("Smallest number of documents of a value.", default=1, least=1)


@verb(LengthsRequest)
def lengths(corpus: object, request: LengthsRequest) -> Result:
    """Return the mean number of tokens for each value of a column."""
    opened = request.selected(as_corpus(corpus))
    require_column(opened, request.by)
    found = opened.documents.group_by(as_text(opened, request.by).alias("name")).agg(
        size=pl.len(), tokens=pl.col("n_tokens").mean()
    )
    found = found.filter(pl.col("size") >= request.least).sort("tokens", "name", descending=[True, False])
    table = found.collect()
    source = Source.of(opened, opened.path.name, condition=request.where)
    metrics = {"documents": opened.n_documents, "found": table.height}
    kept = table if request.most is None else table.head(request.most)
    return Result("lengths", kept, {**request.params(), "sae": opened.saes[0]}, metrics, (), (source,))
''',
    "text.py": """
def render(result, width=100, color=False, *, encoding="utf-8"):
    return "\\n".join(f"{one.label}: {one.row['tokens']:.1f}" for one in result.findings())
""",
    "page.py": """
from html import escape


def render(result, sets, labels, *, reader=None, on_progress=None):
    rows = "".join(f"<li>{escape(one.label)}</li>" for one in result.findings())
    return f"<!doctype html><title>{sets[0].n_documents} documents</title><ul>{rows}</ul>"
""",
    "command.py": '''
from pathlib import Path
from typing import Annotated

import typer

from lengths_analysis import LengthsRequest, lengths
from saetext_cli.analysing import finish, write_table
from saetext_cli.declared import expanded
from saetext_cli.options import PageOutput


def run(
    corpus: Annotated[Path, typer.Argument(metavar="CORPUS")], request: LengthsRequest, output: PageOutput
) -> None:
    """Compare the lengths of documents."""
    from lengths_analysis.text import render

    found = lengths(corpus, **{name: getattr(request, name) for name in request.option_names()})
    write_table(found, output.parquet)
    if output.html is not None:
        found.to_html(output.html)
    finish(found, output, lambda: render(found))


def register(app: typer.Typer) -> None:
    app.command("lengths")(expanded(run))
''',
}
LINE = (
    "registry.ANALYSES.append(registry.Analysis('lengths', 'lengths_analysis:lengths', "
    "'lengths_analysis:LengthsRequest', ('lengths',), 'lengths_analysis.text:render', "
    "'lengths_analysis.page:render', 'lengths_analysis.command'))"
)


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Corpus]:
    """A corpus, beside a package that is registered by one line."""
    package = tmp_path / "lengths_analysis"
    package.mkdir()
    for name, text in PACKAGE.items():
        (package / name).write_text(text, "utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(registry, "ANALYSES", list(registry.ANALYSES))
    exec(LINE, {"registry": registry})
    importlib.invalidate_caches()
    yield make_corpus(tmp_path / "texts.corpus")[0]
    saetext.__dict__.pop("lengths", None)
    for name in [name for name in sys.modules if name.startswith("lengths_analysis")]:
        del sys.modules[name]


def means(corpus: Corpus) -> dict[str, float]:
    frame = corpus.to_polars().group_by("model").agg(pl.col("n_tokens").mean())
    return dict(frame.iter_rows())


def test_it_is_a_function_with_the_keywords_of_all_analyses(corpus: Corpus) -> None:
    result = saetext.lengths(corpus)  # type: ignore[attr-defined]
    expected = means(corpus)
    assert {row["name"]: row["tokens"] for row in result.table.to_dicts()} == pytest.approx(expected)
    assert result.table["name"][0] == max(expected, key=lambda name: expected[name])
    cut = saetext.lengths(corpus, where="model != 'gpt4'", top=1)  # type: ignore[attr-defined]
    assert len(cut) == 1 and cut.metrics["documents"] < corpus.n_documents
    assert cut.params["where"] == "model != 'gpt4'" and cut.sources[0].where == "model != 'gpt4'"
    with pytest.raises(saetext.SaetextError, match="least must be at least 1, not 0"):
        saetext.lengths(corpus, least=0)  # type: ignore[attr-defined]
    options = inspect.signature(saetext.lengths).parameters  # type: ignore[attr-defined]
    assert {"where", "sample", "seed", "top", "sae", "labels", "by", "least"} <= options.keys()


def test_its_results_leave_the_program_in_every_form(corpus: Corpus, tmp_path: Path) -> None:
    result = saetext.lengths(corpus.path, where="model != 'gpt4'")  # type: ignore[attr-defined]
    told = json.loads(result.to_json())
    assert told["kind"] == "lengths" and told["rows"] == result.table.to_dicts()
    assert "<table>" in result._repr_html_() and "claude" in result._repr_html_()
    assert "2 rows" in repr(result) and [one.label for one in result.findings()] == list(result.table["name"])
    page = result.to_html(tmp_path / "page.html").read_text("utf-8")
    assert f"{result.metrics['documents']} documents" in page and "<li>claude</li>" in page
    assert registry.text_of("lengths")(result).startswith(f"{result.table['name'][0]}: ")


def command(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    program = (
        f"import sys; sys.path.insert(0, {str(folder)!r}); sys.argv = ['saetext', *{list(arguments)!r}]\n"
        f"from saetext.analysis import registry; {LINE}\nfrom saetext_cli.main import main; main()"
    )
    environment = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=environment, capture_output=True, text=True
    )


def test_it_is_a_command(corpus: Corpus, tmp_path: Path) -> None:
    helped = command("lengths", "--help", folder=tmp_path)
    assert helped.returncode == 0, helped.stderr
    for expected in ("--where", "--least", "COLUMN", "--html", "Compare the lengths of documents."):
        assert expected in helped.stdout
    assert "lengths" in command("--help", folder=tmp_path).stdout
    done = command(
        "lengths", "texts.corpus", "--where", "model != 'gpt4'", "--json", "--html", "p.html", folder=tmp_path
    )
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert {row["name"] for row in rows} == set(means(corpus)) - {"gpt4"}
    assert (tmp_path / "p.html").is_file()
    assert command("lengths", "texts.corpus", "--least", "0", folder=tmp_path).returncode == 2
