"""From documents to a corpus with everything said on the way; shared by ``encode`` and the analyses."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saetext.errors import InputError
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
    from saetext.encode import encode
    from saetext.floors import made_note, ready, with_known_floors
    from saetext.notices import reading_notes

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
    from saetext.corpus import Corpus
    from saetext.documents import open_documents

    is_dataset = (path / "state.json").exists() or (path / "dataset_dict.json").exists()
    if path.is_dir() and not is_dataset:
        return Corpus.open(path)
    if not path.exists():
        raise InputError(f"{path}: no such corpus or file")
    stamp = source_stamp(path)
    beside = path.with_name(path.name + ".corpus")
    if (beside / "manifest.json").exists():
        corpus = Corpus.open(beside)
        _require_same(corpus, path, stamp, options(**columns))
        note(f"{path}: using {beside}")
        return corpus
    documents = open_documents(path, **columns)
    told = describe_source(documents)
    reader = load_reader(None, None, device=device, dtype=dtype)
    return make_corpus(documents, beside, reader, told=told, extra=stamp)


def source_stamp(path: Path) -> dict[str, Any]:
    """Return what tells later whether the file (or dataset) a corpus was made from is unchanged."""
    files = [path] if path.is_file() else sorted(f for f in path.rglob("*") if f.is_file())
    if not files:
        return {}
    stats = [(str(f.relative_to(path)), f.stat().st_size, f.stat().st_mtime_ns) for f in files]
    return {"source_stamp": hashlib.sha256(repr(stats).encode("utf-8", "surrogatepass")).hexdigest()}


def _require_same(corpus: Corpus, path: Path, stamp: Mapping[str, Any], columns: Mapping[str, str]) -> None:
    """Raise :class:`InputError` unless a corpus was made from the file as it is, in the columns asked for."""
    anew = f"remove {corpus.path}, or encode into another with 'saetext encode {path} -o NAME.corpus'"
    if corpus.manifest.extra.get("source_stamp") != stamp.get("source_stamp"):
        raise InputError(f"{path} has changed since {corpus.path} was made from it: {anew}")
    read = corpus.manifest.runs[0]["plan"].get("input columns", {})
    for part, name in columns.items():
        if read.get(part) != (name or None):
            raise InputError(f"{corpus.path} was made with the {part} from {read.get(part)!r}: {anew}")
