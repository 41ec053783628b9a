"""as_corpus: whatever an analysis is given -> a corpus: one that is open, a path, a file of texts, texts.

Not for: asking or telling anybody anything; the command line does that through ``make`` and ``on_reuse``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from saetext.corpus import Corpus
from saetext.corpus.elsewhere import CORPORA
from saetext.corpus.protocol import CorpusLike
from saetext.documents.folders import data_files
from saetext.documents.formats import bare_name
from saetext.documents.remote import shown_url
from saetext.encoding.targets import beside, path_of, unchanged
from saetext.encoding.targets import source_stamp as source_stamp  # for the command line
from saetext.errors import InputError
from saetext.io.urls import kind_of, url_of
from saetext.text.terminal import typed

if TYPE_CHECKING:
    from saetext.documents.source import Source
    from saetext.reader.reader import Reader

    #: What the analyses take: a corpus, or what one can be opened or made from.
    AnyCorpus: TypeAlias = CorpusLike | Source

Make = Callable[[Path, Path, Mapping[str, Any]], Corpus]
_METHODS = ("blocks", "rows", "document", "calibration", "select")


def as_corpus(source: AnyCorpus, **settings: Any) -> Any:
    """Return the corpus that ``source`` is, names, or is made into; see :func:`as_corpora`."""
    return as_corpora([source], **settings)[0]


def as_corpora(
    sources: Sequence[AnyCorpus],
    *,
    device: str = "auto",
    dtype: str = "auto",
    make: Make | None = None,
    on_reuse: Callable[[Path, Path], None] | None = None,
    part: str | None = None,
    **columns: str | None,
) -> list[Any]:
    """Return a corpus for each of ``sources``; what has to be encoded is read by one reader.

    That is the reader of the first source that is a corpus already, or the embedded one.

    Parameters
    ----------
    sources : sequence of Corpus, path, or what :func:`saetext.encoding.encoder.encode` takes
        A corpus is returned as it is, a corpus's path is opened. A data file (or a saved dataset) is encoded
        into ``FILE.corpus`` next to it, which is used again while the file is unchanged. Texts in memory are
        encoded into the cache, by what they are.
    device, dtype : str
        Of the reader, where one is needed.
    make : callable, optional
        Gets a file, where its corpus goes and what to keep in its manifest, and encodes it.
    on_reuse : callable, optional
        Gets a file and the corpus that was made from it earlier.
    part : str, optional
        What of a file is encoded, where its corpus is one of several: ``FILE.PART.corpus``.
    **columns
        ``text``, ``id``, ``prompt``, ``messages``: of what is encoded, as for ``encode``.

    Returns
    -------
    list of Corpus

    Raises
    ------
    InputError
        If there is no such corpus or file, or a file has changed since its corpus was made.
    CorpusError, ReaderError
        If the corpus or the reader cannot be used.
    """
    given: dict[str, Any] = {part: name for part, name in columns.items() if name is not None}
    loaded: list[Reader] = []

    def reader() -> Reader:
        from saetext.reader.reader import Reader as ReaderClass

        if not loaded and (like := first_corpus(sources)) is not None:
            calibrations = {sae: like.calibration(sae) for sae in like.saes}
            loaded.append(ReaderClass.from_spec(like.spec, calibrations, device=device, dtype=dtype))
        elif not loaded:
            loaded.append(ReaderClass.load(device=device, dtype=dtype))
        return loaded[0]

    def encoded(path: Path, target: Path, extra: Mapping[str, Any]) -> Corpus:
        from saetext.encoding.encoder import encode

        return encode(path, target, reader=reader(), extra=extra, **given)

    def of(source: Any) -> Any:
        if all(hasattr(type(source), name) for name in _METHODS):
            if part is not None:
                raise InputError(f"columns are those of a file of texts, and {source.path} is a corpus")
            return source
        path = path_of(source)
        if path is not None:
            return _from_path(path, make or encoded, on_reuse, given, part)
        from saetext.encoding.encoder import encode

        plain = (device, dtype) == ("auto", "auto") and first_corpus(sources) is None
        return encode(source, reader=None if plain and not loaded else reader(), **given)

    sources = [_from_url(url) if (url := url_of(source)) is not None else source for source in sources]
    return [of(source) for source in sources]


def _from_url(url: str) -> Corpus:
    """Return the corpus at a URL; a file of texts there is encoded first, by a command that says where to."""
    if kind_of(url) in CORPORA:
        return Corpus.open(url)
    raise _elsewhere(url)


def first_corpus(sources: Sequence[Any]) -> Corpus | None:
    """Return the first source that is a corpus on disk, or was made into one earlier; None if none was."""
    for source in sources:
        if isinstance(source, Corpus):
            return source
        if (url := url_of(source)) is not None and kind_of(url) in CORPORA:
            return Corpus.open(url)
        path = path_of(source)
        for made in () if path is None else (path, beside(path)):
            if _holds_corpus(made):
                return Corpus.open(made)
    return None


def _elsewhere(url: str) -> InputError:
    return InputError(
        f"{shown_url(url)}: no such corpus or file; encode what is elsewhere first: saetext encode URL -o DIR"
    )


def _holds_corpus(path: Path) -> bool:
    return (path / "manifest.json").exists()


def _from_path(
    path: Path,
    make: Make,
    on_reuse: Callable[[Path, Path], None] | None,
    columns: Mapping[str, str],
    part: str | None = None,
) -> Corpus:
    is_dataset = (path / "state.json").exists() or (path / "dataset_dict.json").exists()
    if path.is_dir() and not is_dataset and not _holds_texts(path):
        if part is not None:
            raise InputError(f"columns are those of a file of texts, and {path} is a corpus or a folder")
        return Corpus.open(path)
    if not path.exists():
        raise InputError(f"{str(path)[:200]}: no such corpus or file")
    target = beside(path, part)
    if _holds_corpus(target):
        corpus = Corpus.open(target)
        _require_same(corpus, path, columns)
        if on_reuse is not None:
            on_reuse(path, target)
        return corpus
    return make(path, target, source_stamp(path))


def _holds_texts(folder: Path) -> bool:
    """Whether a folder is one of data files, and no corpus, finished or not."""
    corpus = any((folder / name).exists() for name in ("manifest.json", "plan.json", "docs"))
    return not corpus and bool(data_files(folder)[0])


def _require_same(corpus: Corpus, path: Path, columns: Mapping[str, str]) -> None:
    """Raise :class:`InputError` unless a corpus was made from the file as it is, in the columns asked for."""
    anew = f"remove {corpus.path}, or encode into another with 'saetext encode {typed(path)} -o NAME.corpus'"
    if not unchanged(path, corpus.manifest.extra):
        raise InputError(f"{path} has changed since {corpus.path} was made from it: {anew}")
    plan = corpus.manifest.runs[0]["plan"]
    read = plan.get("input columns", {})
    for part, name in columns.items():
        if part == "text" and name and read.get("messages") == name:
            continue  # the column was named for the text, and holds chats
        if part not in ("text", "id", "prompt", "messages"):
            if plan.get(f"input {part}") != name:
                raise InputError(f"{corpus.path} was encoded with another {part}: {anew}")
        elif read.get(part) != (name or None):
            raise InputError(f"{corpus.path} was encoded with the {part} from {read.get(part)!r}: {anew}")


def short_names(paths: Sequence[Path]) -> list[str]:
    """Return the shortest names that tell paths apart: the files' without their endings, or the paths.

    A path that is given again is told from the first by a number.
    """
    shown = [str(path) if (url := url_of(path)) is None else shown_url(url) for path in paths]
    stems = [
        bare_name((path.resolve() if url_of(path) is None else Path(name)).name) or name
        for path, name in zip(paths, shown, strict=True)
    ]
    names = stems if len(set(stems)) == len(stems) else shown
    again = [names[:i].count(name) for i, name in enumerate(names)]
    return [f"{name} ({n + 1})" if n else name for name, n in zip(names, again, strict=True)]


def names_of(sources: Sequence[object]) -> list[str] | None:
    """Return what to call corpora that were named by their paths; None if some were not, or two are one."""
    if not all(isinstance(source, str | os.PathLike) for source in sources):
        return None
    names = short_names([Path(source) for source in sources])  # type: ignore[arg-type]
    return names if len(set(names)) == len(names) else None
