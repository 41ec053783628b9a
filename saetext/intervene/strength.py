"""How strong features get in reference text: the unit of a steering strength, and the residual's length.

Strength 1 of a feature is the 99th percentile of its activations above zero on reference text. Calibrations
hold thresholds, means and maxima, so it is measured once for each SAE and text and kept in the cache; for the
reader of the package it comes with it. Not for: thresholds (:mod:`saetext.reader.thresholds`).
"""

from __future__ import annotations

import contextlib
import hashlib
import io
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import saetext.reader.stack

import numpy as np
from numpy.typing import NDArray

from saetext.documents import Document, open_documents
from saetext.errors import InputError
from saetext.io.array_file import load_arrays
from saetext.io.cache import cache_dir
from saetext.io.files import make_directory
from saetext.io.progress import OnProgress, Stages
from saetext.io.sealed_file import SealedFile
from saetext.reader import shipped
from saetext.reader.reader import Reader
from saetext.reader.tokenization import Prepared

if TYPE_CHECKING:
    from saetext.intervene.generator import Generator

PERCENTILE = 99
TOKENS = 30_000  # of reference text
MOST_DOCUMENTS = 2_000
_ARRAYS = ("p99", "largest", "active")


@dataclass(frozen=True, eq=False)
class Strengths:
    """What an SAE's features did on reference text.

    Attributes
    ----------
    p99 : float32[d_sae]
        99th percentile of the activations above zero, 0 where there were none.
    largest : float32[d_sae]
        Largest activation.
    active : int64[d_sae]
        Number of tokens with an activation above zero.
    tokens : int
        Counted tokens.
    norm : float
        Median norm of the hidden states at the hook, attention sinks left out.
    reference : str
        What the text was.
    """

    p99: NDArray[np.float32]
    largest: NDArray[np.float32]
    active: NDArray[np.int64]
    tokens: int
    norm: float
    reference: str

    @property
    def density(self) -> NDArray[np.float64]:
        """float64[d_sae]: share of the tokens with an activation above zero."""
        return self.active / max(self.tokens, 1)


def strengths_of(
    generator: Generator,
    model: str | Path,
    reference: Path | str | None,
    on_progress: OnProgress | None = None,
) -> Strengths:
    """Return the strengths of a generator's SAE, measured or from the cache.

    Parameters
    ----------
    generator : Generator
        With an SAE.
    model : str or path
        Where its language model is.
    reference : path, optional
        A file of texts; by default the 300 answers of the example that comes with saetext.

    Raises
    ------
    InputError
        If the file cannot be read, or has no text.
    """
    assert generator.sae is not None
    reference = None if reference is None else Path(reference)
    files = default_reference() if reference is None else [reference]
    documents = _documents(files)
    name = "the example's answers" if reference is None else reference.name
    made_from = _made_from(generator, generator.model.dtype, documents)
    key = hashlib.sha256(made_from.encode()).hexdigest()[:24]
    kept = SealedFile(cache_dir() / "strengths" / f"{key}.npz", made_from)
    _, found = kept.checked(lambda content: _loaded(content, generator.sae.encoder.d_sae, name))  # type: ignore[union-attr]
    if found is None:
        found = _shipped(generator, documents, name)
    if found is not None:
        return found
    reader = Reader.load_many(
        [generator.place], None if shipped.by_name(generator.place) else model,
        device=str(generator.model.device), dtype=generator.model.dtype,
    )  # fmt: skip
    measured = measure(reader, documents, name, on_progress)
    with contextlib.suppress(OSError):  # then it is measured again next time
        make_directory(kept.path.parent)
        kept.write(_content(measured))
    return measured


def _made_from(generator: Generator, dtype: str, documents: list[Document]) -> str:
    assert generator.sae is not None
    sae = generator.sae
    about = (generator.model.revision, dtype, generator.hook, sae.encoder.weights_sha256, str(sae.norm_limit))
    return "/".join((*about, _digest(documents), str(TOKENS)))


def _shipped(generator: Generator, documents: list[Document], name: str) -> Strengths | None:
    """Return what comes with a reader of the package, measured in float32, of this model and these texts."""
    own = shipped.by_name(generator.place)
    if own is None or generator.sae is None:
        return None
    d_sae = generator.sae.encoder.d_sae
    there = SealedFile(own.home / "strengths.npz", _made_from(generator, "float32", documents))
    return there.checked(lambda content: _loaded(content, d_sae, name))[1]


def measure(
    reader: Reader, documents: list[Document], name: str, on_progress: OnProgress | None = None
) -> Strengths:
    """Measure the features of a reader's only SAE on documents; errors as :func:`strengths_of`."""
    say = Stages(on_progress, "tokens")
    [sae] = reader.saes.values()
    prepared: list[Prepared] = []
    total = 0
    for one in reader.tokens.prepare(documents):
        if isinstance(one, Prepared) and one.n_tokens and total < TOKENS:
            prepared.append(one)
            total += one.n_tokens
    if not prepared:
        raise InputError(f"{name} has no text to measure features in: name another file with --reference")
    features, values, norms = [], [], []
    done = 0
    for batch, (entries, lengths) in reader.measured(prepared):
        [(token, feature, value)] = entries.values()
        [length] = (v.cpu().numpy() for v in lengths.values())
        kept = np.ones(len(length), bool) if sae.norm_limit is None else length <= sae.norm_limit
        inside = kept[token.cpu().numpy()]
        features.append(feature.cpu().numpy()[inside])
        values.append(value.cpu().numpy()[inside])
        norms.append(length[kept])
        done += len(batch.rows)
        say("measuring strengths", min(done, total), total)
    return summarised(
        np.concatenate(features), np.concatenate(values), sae.encoder.d_sae, np.concatenate(norms), name
    )


def summarised(
    feature: NDArray[np.integer],
    value: NDArray[np.floating],
    d_sae: int,
    norms: NDArray[np.floating],
    name: str = "",
) -> Strengths:
    """Return the strengths from activations above zero.

    Parameters
    ----------
    feature, value : int[n], float[n]
        Each activation.
    d_sae : int
        Number of features.
    norms : float[T]
        Norm of each token's hidden state.
    """
    order = np.lexsort((value, feature))
    ordered = np.asarray(value, np.float64)[order]
    active = np.bincount(feature, minlength=d_sae).astype(np.int64)
    last = np.cumsum(active)
    there = np.flatnonzero(active)
    at = (last - active)[there] + (active[there] - 1) * (PERCENTILE / 100)
    low = np.floor(at).astype(np.int64)
    high = np.minimum(low + 1, last[there] - 1)
    p99, largest = np.zeros(d_sae, np.float32), np.zeros(d_sae, np.float32)
    p99[there] = ordered[low] + (at - low) * (ordered[high] - ordered[low])
    largest[there] = ordered[last[there] - 1]
    return Strengths(p99, largest, active, len(norms), float(np.median(norms)), name)


def default_reference() -> list[Path]:
    """Return the files of the example, beside the package in a checkout, else with the command line.

    Raises
    ------
    InputError
        If they are missing.
    """
    if files := _example():
        return files
    raise InputError("the example's texts are missing: name a file of texts with --reference")


def _example() -> list[Path]:
    root = Path(saetext.__file__).resolve().parents[1]
    for folder in (root / "examples", root / "saetext_cli" / "examples"):
        files = [folder / name for name in ("gentle.jsonl", "brisk.jsonl")]
        if all(file.is_file() for file in files):
            return files
    return []


def reference_texts(reference: Path | str | None, most: int) -> list[str]:
    """Return the first texts of a file, by default of the example's answers; none if those are missing.

    Raises
    ------
    InputError
        If the file cannot be read.
    """
    files = _example()[:1] if reference is None else [Path(reference)]
    items = (item for file in files for item in open_documents(file))
    return list(islice((i.text for i in items if isinstance(i, Document) and i.text.strip()), most))


def _documents(files: list[Path]) -> list[Document]:
    found: list[Document] = []
    for file in files:
        whole = (item for item in open_documents(file) if isinstance(item, Document))
        found += islice(whole, MOST_DOCUMENTS)
    return found


def _digest(documents: list[Document]) -> str:
    digest = hashlib.sha256()
    for d in documents:
        digest.update(repr((d.text, d.prompt, d.messages)).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _content(strengths: Strengths) -> bytes:
    content = io.BytesIO()
    arrays = {name: getattr(strengths, name) for name in _ARRAYS}
    np.savez(content, **arrays, about=np.array([strengths.tokens, strengths.norm]))
    return content.getvalue()


def _loaded(content: bytes, d_sae: int, name: str) -> Strengths:
    arrays = load_arrays(content)
    if any(arrays.get(key, np.empty(0)).shape != (d_sae,) for key in _ARRAYS):
        raise ValueError("it is of another SAE")
    tokens, norm = arrays["about"].tolist()
    return Strengths(arrays["p99"], arrays["largest"], arrays["active"], int(tokens), norm, name)
