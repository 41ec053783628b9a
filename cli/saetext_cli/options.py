"""Options that several commands share, declared once: input columns, where models run, output, an endpoint.

What one verb is asked for stands in its own request, beside its function. Not for: what a command does.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from saetext.errors import refuse_unused
from saetext.io.common_options import labels_option
from saetext.io.request import Request, option

if TYPE_CHECKING:
    from saetext.encoding.engines.protocol import Engine
    from saetext.io.llm import ChatClient
    from saetext.reader.reader import Reader

CSV_BOM = "Begin CSV with a byte order mark, by which Excel reads letters such as é."
RAW_CSV = "Keep CSV cells that a spreadsheet takes for formulas as they are."
_INPUT, _MODEL, _OUTPUT, _LLM = "Input", "Where models run", "Output", "Language model"
_MACHINES = "Many machines"


@dataclass(frozen=True, kw_only=True)
class Columns(Request):
    """Which columns of a data file hold what."""

    text_column: str | None = option(
        "Column with the text, or the path to it: response.body.choices[0].message.content; guessed.",
        default=None,
        group=_INPUT,
    )
    id_column: str | None = option(
        "Column with unique ids; guessed, else row numbers.", default=None, flags=("--id",), group=_INPUT
    )
    prompt_column: str | None = option(
        "Column with the prompt, read as context and not counted; guessed.", default=None, group=_INPUT
    )

    def given(self) -> dict[str, str | None]:
        """Return the columns as :func:`saetext.open_documents` names them."""
        return {"text": self.text_column, "id": self.id_column, "prompt": self.prompt_column}


@dataclass(frozen=True, kw_only=True)
class FileColumns(Columns):
    """Which columns of a data file hold what, and how it is written."""

    records: str | None = option(
        "Path to the rows in a JSON file that is one object: samples. The sheet of a workbook, the "
        "table of a database, or a query: 'select * from answers'.",
        default=None,
        metavar="PATH",
        group=_INPUT,
    )
    delimiter: str | None = option(
        "What separates the fields of a CSV file: ';' or tab; told by its beginning.",
        default=None,
        metavar="MARK",
        group=_INPUT,
    )
    encoding: str | None = option(
        "Encoding of a file of text: cp1252, utf-16; told by its bytes.",
        default=None,
        metavar="NAME",
        group=_INPUT,
    )

    def given(self) -> dict[str, str | None]:
        """Return what :func:`saetext.open_documents` takes."""
        more = {"records": self.records, "delimiter": self.delimiter, "encoding": self.encoding}
        return {**super().given(), **more}


@dataclass(frozen=True, kw_only=True)
class Texts(FileColumns):
    """A file of texts: its columns, whose turns count, its format."""

    messages_column: str | None = option(
        "Column with chat messages [{role, content}]; guessed.", default=None, group=_INPUT
    )
    role: str = option(
        "Whose turns of a chat count: assistant, user, system or all.", default="assistant", group=_INPUT
    )
    format: str | None = option(
        "jsonl, json, csv, tsv, txt, lines, parquet, arrow, dataset, zip or eval; told by the file's name.",
        default=None,
        group=_INPUT,
    )

    def given(self) -> dict[str, Any]:
        """Return what :func:`saetext.open_documents` takes."""
        return {
            **super().given(),
            "messages": self.messages_column,
            "role": self.role,
            "format": self.format,
        }


@dataclass(frozen=True, kw_only=True)
class EngineChoice(Request):
    """Who runs the model over texts: this process, or workers."""

    engine: Literal["processes", "ray"] | None = option(
        "Have workers run the model: processes of this machine, or of a Ray cluster; lost ones are replaced.",
        default=None,
        group=_MACHINES,
    )
    workers: int | None = option(
        "Number of workers; default: what GPUs or processors suffice for.",
        default=None,
        least=1,
        metavar="N",
        group=_MACHINES,
    )
    cpus: int | None = option(
        "Processors of each worker.", default=None, least=1, metavar="N", group=_MACHINES
    )
    gpus: float | None = option(
        "GPUs of each worker; .5: two workers share one.", default=None, least=0, group=_MACHINES
    )
    address: str | None = option(
        "Ray cluster: auto for the one this machine is in; default: one of this machine alone.",
        default=None,
        group=_MACHINES,
    )

    def made(self) -> Engine | None:
        """Return the engine, or None where this process encodes; InputError for what does not fit."""
        given = self.changed("workers", "cpus", "gpus", "address")
        if self.engine is None:
            refuse_unused("no workers are asked for; add --engine processes or --engine ray", **given)
            return None
        if self.engine == "ray":
            from saetext.encoding.engines.on_ray import RayEngine

            return RayEngine(**given)
        from saetext.encoding.engines.processes import ProcessEngine

        address = given.pop("address", None)
        refuse_unused("processes are of this machine; for a cluster say --engine ray", address=address)
        return ProcessEngine(**given)


@dataclass(frozen=True, kw_only=True)
class Running(Request):
    """Where models run, and in which precision."""

    device: str = option("auto, cpu, cuda or mps.", default="auto", group=_MODEL)
    dtype: str = option(
        "Precision of the language model: auto, float32, bfloat16, float16.", default="auto", group=_MODEL
    )


@dataclass(frozen=True, kw_only=True)
class ModelChoice(Running):
    """Which language model an SAE reads, and where it runs."""

    model: str | None = option(
        "Language model of an SAE directory: Hugging Face id or directory.", default=None, group=_MODEL
    )
    trust_pickle: bool = option("Allow pickled weights from a source you trust.", default=False, group=_MODEL)


@dataclass(frozen=True, kw_only=True)
class ReaderChoice(ModelChoice):
    """Which reader reads, and where."""

    reader: tuple[str, ...] = option(
        "embedded (default), smollm2, RELEASE/SAE_ID as in SAELens, or a directory with an SAE. "
        "Several on one language model: repeat it.",
        default=(),
        hint=list[str] | None,
        metavar="READER",
        flags=("--reader", "-r"),
        group=_MODEL,
    )

    def load(self, like: Path | None = None) -> Reader:
        """Return the reader, or the one that made the corpus ``like``, from where its parts are now."""
        from saetext_cli.common import load_reader

        return load_reader(
            list(self.reader),
            self.model,
            device=self.device,
            dtype=self.dtype,
            trust_pickle=self.trust_pickle,
            like=like,
        )


@dataclass(frozen=True, kw_only=True)
class Labelled(Request):
    """Which features are shown, and by which labels."""

    sae: str | None = option(
        "Which SAE's features to use, where a corpus has several.", default=None, metavar="NAME"
    )
    labels: Path | None = labels_option()


@dataclass(frozen=True, kw_only=True)
class Printed(Request):
    """How a result is printed."""

    as_json: bool = option("Print one JSON object.", default=False, flags=("--json",), group=_OUTPUT)
    as_csv: bool = option("Print CSV.", default=False, flags=("--csv",), group=_OUTPUT)
    raw_csv: bool = option(RAW_CSV, default=False, group=_OUTPUT)
    csv_bom: bool = option(CSV_BOM, default=False, group=_OUTPUT)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.as_json and self.as_csv:
            raise typer.BadParameter("choose one of --json and --csv")
        for name, given in (("--raw-csv", self.raw_csv), ("--csv-bom", self.csv_bom)):
            if given and not self.writes_csv:
                raise typer.BadParameter(f"{name} is about CSV, and none is written: it goes with --csv")

    @property
    def writes_csv(self) -> bool:
        """Whether there is any CSV."""
        return self.as_csv

    @property
    def for_programs(self) -> bool:
        """Whether it is printed as JSON or CSV."""
        return self.as_json or self.as_csv


@dataclass(frozen=True, kw_only=True)
class Output(Printed):
    """How a result is printed and what is written."""

    parquet: Path | None = option(
        "Write the table to a Parquet file as well.", default=None, metavar="FILE", group=_OUTPUT
    )

    @property
    def files(self) -> tuple[Path | None, ...]:
        """The files that will be written."""
        return (self.parquet,)


@dataclass(frozen=True, kw_only=True)
class PageOutput(Output):
    """Output with a report."""

    html: Path | None = option(
        "Write a report: one self-contained HTML page.", default=None, metavar="FILE", group=_OUTPUT
    )

    @property
    def files(self) -> tuple[Path | None, ...]:
        """The files that will be written."""
        return (self.parquet, self.html)


@dataclass(frozen=True, kw_only=True)
class Endpoint(Request):
    """A language model behind an endpoint that speaks OpenAI's protocol."""

    base_url: str | None = option("Endpoint that speaks OpenAI's protocol.", default=None, group=_LLM)
    model: str | None = option("The model's name, as the endpoint knows it.", default=None, group=_LLM)
    api_key_env: str = option(
        "Environment variable that holds the key.", default="OPENAI_API_KEY", metavar="NAME", group=_LLM
    )
    concurrency: int = option("Number of requests at a time.", default=8, least=1, group=_LLM)
    price_in: float | None = option(
        "US dollars per million input tokens, for the cost estimate.", default=None, least=0, group=_LLM
    )
    price_out: float | None = option(
        "US dollars per million output tokens, for the cost estimate.", default=None, least=0, group=_LLM
    )

    def client(self) -> ChatClient | None:
        """Return a client of the endpoint; None if none was named."""
        if self.base_url is None and self.model is None:
            return None
        if self.base_url is None or self.model is None:
            raise typer.BadParameter("--base-url and --model belong together")
        from saetext.io.llm import ChatClient

        key = os.environ.get(self.api_key_env)
        if key is None and self.api_key_env != "OPENAI_API_KEY":
            # The client would fall back on OPENAI_API_KEY and hand that key to somebody else's endpoint.
            # the key itself, given for the name of its variable, is not shown
            usual = re.fullmatch(r"[A-Z_][A-Z0-9_]{0,63}", self.api_key_env)
            named = self.api_key_env if usual else "that it names"
            raise typer.BadParameter(
                f"the environment variable {named} is not set", param_hint="--api-key-env"
            )
        known = self.price_in is not None or self.price_out is not None
        price = (self.price_in or 0.0, self.price_out or 0.0) if known else None
        return ChatClient(self.base_url, self.model, api_key=key, concurrency=self.concurrency, price=price)
