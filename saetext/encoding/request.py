"""What ``encode`` and ``append`` are asked: columns, reader, thresholds, shards.

Not for: encoding (:mod:`saetext.encoding.encoder`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from saetext.io.common_options import progress_keyword
from saetext.io.progress import OnProgress  # at run time: it is part of the signature
from saetext.io.request import Request, keyword, option

if TYPE_CHECKING:
    from saetext.encoding.engines.protocol import Engine
    from saetext.reader.reader import Reader

SHARD_ROWS = 1024


@dataclass(frozen=True, kw_only=True)
class AppendRequest(Request):
    """How documents are read and written in shards."""

    reader: Reader | str | Sequence[str] | None = keyword(
        "A loaded reader, or names as on the command line; by default the embedded one, or the corpus's own.",
        default=None,
    )
    text: str | None = keyword("Column with the text; guessed.", default=None)
    id: str | None = keyword("Column with unique ids; guessed, else row numbers.", default=None)
    prompt: str | None = keyword("Column with the prompt, read as context; guessed.", default=None)
    messages: str | None = keyword("Column with chat messages; guessed.", default=None)
    role: str = keyword("Whose turns of a chat count: assistant, user, system or all.", default="assistant")
    format: str | None = keyword("Format of the file; told by its name.", default=None)
    delimiter: str | None = keyword("Delimiter of a CSV file; told by its beginning.", default=None)
    encoding: str | None = keyword("Encoding of a file of text; told by its bytes.", default=None)
    records: str | None = keyword("Path to the rows in a JSON file that is one object.", default=None)
    shard_rows: int = option(
        "Number of input rows per shard, the unit of resuming.", default=SHARD_ROWS, least=1, metavar="N"
    )
    on_progress: OnProgress | None = progress_keyword()

    def columns(self) -> dict[str, Any]:
        """Return what :func:`saetext.open_documents` takes."""
        names = (
            *("text", "id", "prompt", "messages", "role", "format"),
            *("delimiter", "encoding", "records"),
        )
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, kw_only=True)
class EncodeRequest(AppendRequest):
    """How documents become a new corpus."""

    store_text: bool = option(
        "Store texts and prompts in the corpus.", default=True, flags=("--store-text/--no-text",)
    )
    threshold: float | None = option(
        "Percentile of the feature's non-zero activations above which it is present (default 75; 0 keeps "
        "every activation).",
        default=None,
        least=0,
        metavar="PERCENTILE",
    )
    min_tokens: int | None = option(
        "Number of tokens above the threshold that make a feature present (default 1).",
        default=None,
        least=1,
        metavar="N",
    )
    engine: Engine | None = keyword(
        "Who encodes: a ProcessEngine or a RayEngine; by default this process.", default=None
    )
    extra: Mapping[str, Any] | None = keyword(
        "JSON values to keep in the manifest, outside what is checksummed.", default=None
    )
