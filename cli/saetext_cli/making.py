"""From documents to a corpus with everything said on the way; shared by ``encode`` and the analyses."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from saetext.encoding.request import EncodeRequest
from saetext.errors import InputError
from saetext_cli.common import describe_corpus, describe_source, load_reader, note, options
from saetext_cli.meters import progress_bar

#: Options of analyses that name a column, alone or as COLUMN=VALUE.
_COLUMNS: Final = ("by", "outcome", "pair_on", "group", "group_by", "truth", "control")

if TYPE_CHECKING:
    from saetext.corpus import Corpus
    from saetext.documents import DocumentSource
    from saetext.io.request import Request


def make_corpus(documents: DocumentSource, target: Path, request: EncodeRequest, *, told: int) -> Corpus:
    """Encode with a progress bar and describe the result; ``told`` notices were printed already.

    The request has the reader, loaded.
    """
    from saetext.corpus.notices import reading_notes
    from saetext.encoding.encoder import encode

    reader: Any = request.reader
    loaded = hasattr(reader, "tokens")  # what is to be said was said when the corpus was prepared
    for line in reading_notes(documents, reader, request.shard_rows) if loaded else ():
        note(line)
    started = time.perf_counter()
    with progress_bar() as show:
        asked = request.replace(on_progress=show)
        asked = _with_thresholds(documents, asked) if loaded else asked
        corpus = encode(documents, target, **asked.keywords())
    describe_corpus(corpus, documents, told=told, seconds=time.perf_counter() - started)
    return corpus


def _with_thresholds(documents: DocumentSource, request: EncodeRequest) -> EncodeRequest:
    """Return the request with a reader that has thresholds, and say so where they had to be made."""
    from saetext.reader.thresholds.policy import made_note, ready, with_known_thresholds

    asked: Any = request.reader
    reader = with_known_thresholds(asked, request.threshold, request.min_tokens)
    if reader is None:
        reader = ready(
            asked,
            documents,
            threshold=request.threshold,
            min_tokens=request.min_tokens,
            on_progress=request.on_progress,
        )
        note(made_note(reader))
    return request.replace(reader=reader, threshold=None, min_tokens=None)


def require_columns(documents: DocumentSource, asked: Request) -> None:
    """Raise :class:`InputError` if a request names a column that the corpus will not have."""
    from saetext.corpus.frame import FIXED_COLUMNS
    from saetext.corpus.no_column import no_column
    from saetext.corpus.where import parse_where
    from saetext.text.one_line import quoted

    if getattr(asked, "clusters", None):  # whose columns are not in the file; the corpus is asked for them
        return
    where = getattr(asked, "where", None)
    given = [getattr(asked, option, None) for option in _COLUMNS]
    named = [str(one) for name in given if name for one in ((name,) if isinstance(name, str) else name)]
    if not (where or named) or not documents.restartable:
        return
    roles = {column: role for role, column in documents.columns.chosen().items()}
    there = [*FIXED_COLUMNS, *(name for name in documents.columns.available if name not in roles)]
    if not where and all(_is_there(name, there) for name in named):
        return
    there = [*FIXED_COLUMNS, *documents.metadata()]
    if where:
        parse_where(where, there)
    for name in named:
        if _is_there(name, there):
            continue
        column = name if name in roles else name.partition("=")[0].strip()
        if column in roles:
            role = {"messages": "text"}.get(roles[column], roles[column])
            raise InputError(f"{quoted(column)} is read as the {role}, and called so then: name {role}")
        raise no_column(column, there, documents.name)


def _is_there(name: str, columns: Sequence[str]) -> bool:
    return name in columns or name.partition("=")[0].strip() in columns


def open_or_encode_all(paths: Sequence[Path], **settings: Any) -> list[Corpus]:
    """Open or encode what is to be compared: if one is a corpus already, its reader reads the others."""
    from saetext.encoding.opening import first_corpus

    like = first_corpus(paths)
    return [open_or_encode(path, like=None if like is None else like.path, **settings) for path in paths]


def open_or_encode(
    path: Path,
    *,
    device: str = "auto",
    dtype: str = "auto",
    like: str | Path | None = None,
    part: str | None = None,
    asked: Request | None = None,
    **columns: Any,
) -> Corpus:
    """Open a corpus; encode a data file beside itself first, and reuse that while the file is unchanged.

    It is read with the reader of the corpus ``like``, or the embedded one. ``part`` says which of several
    corpora of the file this is. Columns that ``asked`` names are looked for before anything is read.
    """
    from saetext.documents import open_documents
    from saetext.encoding.opening import as_corpus

    def make(file: Path, target: Path, extra: Mapping[str, Any]) -> Corpus:
        documents = open_documents(file, **options(**columns))
        told = describe_source(documents)
        if asked is not None:
            require_columns(documents, asked)
        corpus = None if like is None else Path(like)
        reader = load_reader(None, None, device=device, dtype=dtype, like=corpus)
        return make_corpus(documents, target, EncodeRequest(reader=reader, extra=extra), told=told)

    def tell(file: Path, target: Path) -> None:
        note(f"{file}: using {target}")

    opened: Corpus = as_corpus(path, make=make, on_reuse=tell, part=part, **columns)
    return opened
