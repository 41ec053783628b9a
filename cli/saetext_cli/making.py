"""From documents to a corpus with everything said on the way; shared by ``encode`` and the analyses."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saetext_cli.common import describe_corpus, describe_source, load_reader, note, options
from saetext_cli.meters import progress_bar

if TYPE_CHECKING:
    from saetext.corpus import Corpus
    from saetext.documents import DocumentSource
    from saetext.reader.reader import Reader


def make_corpus(
    documents: DocumentSource,
    target: Path,
    reader: Reader,
    *,
    told: int,
    floor: float | None = None,
    min_tokens: int | None = None,
    **settings: Any,
) -> Corpus:
    """Encode with a progress bar and describe the result; ``told`` notices were printed already."""
    from saetext.corpus.notices import reading_notes
    from saetext.encoding.encoder import encode
    from saetext.reader.thresholds.policy import made_note, ready, with_known_floors

    for line in reading_notes(documents, reader):
        note(line)
    started = time.perf_counter()
    known = with_known_floors(reader, floor, min_tokens)
    with progress_bar() as show:
        if known is None:
            reader = ready(reader, documents, floor=floor, min_tokens=min_tokens, on_progress=show)
        else:
            reader = known
        if known is None:
            note(made_note(reader))
        corpus = encode(documents, target, reader=reader, on_progress=show, **settings)
    describe_corpus(corpus, documents, told=told, seconds=time.perf_counter() - started)
    return corpus


def open_or_encode(path: Path, *, device: str = "auto", dtype: str = "auto", **columns: Any) -> Corpus:
    """Open a corpus; encode a data file beside itself first, and reuse that while the file is unchanged."""
    from saetext.documents import open_documents
    from saetext.encoding.opening import as_corpus

    def make(file: Path, target: Path, extra: Mapping[str, Any]) -> Corpus:
        documents = open_documents(file, **options(**columns))
        told = describe_source(documents)
        reader = load_reader(None, None, device=device, dtype=dtype)
        return make_corpus(documents, target, reader, told=told, extra=extra)

    def tell(file: Path, target: Path) -> None:
        note(f"{file}: using {target}")

    opened: Corpus = as_corpus(path, make=make, on_reuse=tell, **columns)
    return opened
