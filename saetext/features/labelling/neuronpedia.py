"""Labels that Neuronpedia publishes for an SAE, downloaded once and kept in the cache.

They come as gzipped JSON lines, in batches numbered from 0. Not for: a feature's page
(:mod:`saetext.features`), or SAEs without a Neuronpedia id.
"""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import os
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saetext.errors import LabelError
from saetext.features.labels import FeatureLabel
from saetext.io.addresses import checked, shown
from saetext.io.cache import cache_dir
from saetext.io.files import make_directory, write_atomic
from saetext.io.hiding import Secret, one_line
from saetext.io.json_file import loads
from saetext.io.opener import read_bytes, read_text
from saetext.io.progress import OnProgress, Stages
from saetext.io.web import WebClient, open_client, send
from saetext.io.web_bounds import Refused
from saetext.text.passages import printable

BUCKET = "https://neuronpedia-datasets.s3.us-east-1.amazonaws.com"
_PART = r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}"  # no dot first: it becomes a directory of the cache
_ID = re.compile(f"{_PART}/{_PART}")
_MOST_BATCHES = 10_000
_TRIES = 4
_LARGEST = 64_000_000  # bytes of one batch, packed or not
_LARGEST_IN_ALL = 4_000_000_000  # bytes of all batches, unpacked
_GZIP = b"\x1f\x8b"
_DEADLINE = 600.0  # seconds for one batch
_LONGEST_LABEL = 500  # characters
_LONGEST_MODEL = 100


def published(
    neuronpedia_id: str,
    d_sae: int,
    *,
    base_url: str | None = None,
    on_progress: OnProgress | None = None,
) -> list[FeatureLabel]:
    """Return the published labels of ``MODEL/SAE``; of several for a feature the last one.

    Parameters
    ----------
    d_sae : int
        Features of the SAE; labels of others are an error.
    base_url : str, optional
        Where the dataset is; by default ``$SAETEXT_NEURONPEDIA`` or Neuronpedia's public bucket.
    on_progress : callable, optional
        Gets a :class:`saetext.io.progress.Progress` for every batch that has been read.

    Raises
    ------
    LabelError
        If the SAE has no published labels, the server cannot be reached, refuses a batch after the first, or
        sends something else.
    """
    if not _ID.fullmatch(neuronpedia_id):
        shown_id = one_line(neuronpedia_id, 100)
        raise LabelError(f"{shown_id!r} is not a Neuronpedia id such as gemma-2-2b/12-gemmascope-res-16k")
    base = _base(base_url)
    folder = _folder(base, neuronpedia_id)
    rows: dict[int, FeatureLabel] = {}
    size = 0
    with _client() as client:
        tell = Stages(on_progress, "batches")
        for number in range(_MOST_BATCHES):
            url = _address(base, neuronpedia_id, number)
            batch = _Batch(url, folder / f"batch-{number}.jsonl.gz", folder / "batches", d_sae)
            try:
                found = batch.labels(client)
            except _Barred as error:
                first, following = (_address(base, neuronpedia_id, n) for n in (0, number + 1))
                if number and _served(client, first) and not _served(client, following):
                    break  # it says 403 of what is missing, as a bucket does that may not be listed
                raise LabelError(
                    f"{_named(url)} is refused (status 403): {len(rows):,} labels of {neuronpedia_id} from "
                    f"{number:,} batches before it are kept, what follows is missing; try again later"
                    if number
                    else f"Neuronpedia gives no labels of {neuronpedia_id} ({_named(url)}: status 403)"
                ) from error
            if found is None:
                if number == 0:
                    raise LabelError(f"Neuronpedia has no labels of {neuronpedia_id} (tried {_named(url)})")
                _remember(folder / "batches", str(number).encode())
                break
            labels, bytes_read = found
            rows |= {label.feature: label for label in labels}
            size += bytes_read
            if size > _LARGEST_IN_ALL:
                raise LabelError(f"{shown(base)} sends more than {_LARGEST_IN_ALL:,} bytes of labels")
            tell("downloading labels", number + 1)
    if not rows:
        raise LabelError(f"Neuronpedia's labels of {neuronpedia_id} are empty")
    return [rows[feature] for feature in sorted(rows)]


def _base(base_url: str | None) -> str:
    given = base_url or os.environ.get("SAETEXT_NEURONPEDIA") or BUCKET
    try:
        return checked(given)
    except ValueError as error:
        raise LabelError(f"cannot download labels from {shown(given)!r}: {error}") from error


def _folder(base: str, neuronpedia_id: str) -> Path:
    """Return where batches are kept: another server's apart, as it may have other labels under an id."""
    home = cache_dir() / "neuronpedia"
    if base != BUCKET:
        home /= hashlib.sha256(base.encode()).hexdigest()[:16]
    return home / neuronpedia_id


def _client() -> WebClient:
    try:
        return open_client("downloading labels", timeout=30, deadline=_DEADLINE)
    except ValueError as error:
        raise LabelError(str(error)) from error


def _address(base: str, neuronpedia_id: str, number: int) -> str:
    return f"{base}/v1/{neuronpedia_id}/explanations/batch-{number}.jsonl.gz"


def _served(client: WebClient, url: str) -> bool:
    try:
        return _download(client, url) is not None
    except LabelError:
        return False


class _Barred(LabelError):
    """The server refuses a batch, or has none: of a bucket that may not be listed both are status 403."""


@dataclass(frozen=True)
class _Batch:
    """One of the numbered files: where it comes from, where it is kept, and how many features there are."""

    url: str
    kept: Path
    last: Path  # file with the number of batches
    d_sae: int

    def labels(self, client: WebClient) -> tuple[list[FeatureLabel], int] | None:
        """Return the batch's labels and size, from the cache or the server; None after the last.

        A batch is kept when it has been read through, and not before: what cannot be read would stay.
        """
        with contextlib.suppress(OSError, EOFError, zlib.error, LabelError):
            return self._read(_unpack(_kept(self.kept)))
        with contextlib.suppress(OSError, ValueError):
            if self.kept.name == f"batch-{self._count()}.jsonl.gz":
                return None
        packed = _download(client, self.url)
        if packed is None:
            return None
        try:
            content = _unpack(packed)
        except (OSError, EOFError, zlib.error) as error:
            raise LabelError(f"{_named(self.url)} is damaged or not gzip: try again later") from error
        found = self._read(content)
        # packed again where the server had unpacked it: gzip has a checksum
        _remember(self.kept, packed if packed[:2] == _GZIP else gzip.compress(content, mtime=0))
        return found

    def _count(self) -> int:
        """Return the number of batches there are, as far as that is kept."""
        return int(read_text(self.last, 10))

    def _read(self, content: bytes) -> tuple[list[FeatureLabel], int]:
        labels = [_label(row, self.d_sae, self.url) for row in _rows(content, self.url)]
        return [label for label in labels if label is not None], len(content)


def _kept(path: Path) -> bytes:
    """Return a kept batch, which is always packed."""
    packed = read_bytes(path, _LARGEST)
    if packed[:2] != _GZIP:
        raise zlib.error("not gzip")
    return packed


def _named(url: str) -> str:
    """Return a batch's address as messages name it, short: its host and its file."""
    return shown(url) if len(url) <= 80 else f"{shown(url)}…/{url.rpartition('/')[2]}"


def _download(client: WebClient, url: str) -> bytes | None:
    import httpx2

    try:
        response = send(lambda: client.download(url, most_bytes=_LARGEST), retries=_TRIES - 1)
    except (httpx2.HTTPError, httpx2.InvalidURL, Refused, UnicodeError) as error:
        why = Secret("").hide(one_line(error, 120)) or type(error).__name__
        raise LabelError(f"cannot reach {_named(url)}: {why}") from error
    if response.status_code == 404:
        return None
    if response.status_code == 403:
        raise _Barred("status 403")
    if response.status_code != 200:
        raise LabelError(f"{_named(url)} answered with status {response.status_code}: try again later")
    return response.body


def _unpack(packed: bytes) -> bytes:
    """Return gzip's content, or the bytes as they are where the server has unpacked them."""
    if packed[:2] != _GZIP:
        if packed[:1] == b"{":
            return packed
        raise zlib.error("not gzip")
    with gzip.GzipFile(fileobj=io.BytesIO(packed)) as file:
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise zlib.error("larger than any batch")
    return content


def _rows(content: bytes, url: str) -> Iterator[Any]:
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            yield loads(line, most=_LARGEST, loose=True)
        except ValueError as error:
            raise LabelError(
                f"{_named(url)} is not JSON lines: line {number}, {one_line(error, 100)}"
            ) from error


def _label(row: Any, d_sae: int, url: str) -> FeatureLabel | None:
    if not isinstance(row, dict) or "index" not in row:
        raise LabelError(f"{_named(url)} does not hold explanations of features (no 'index')")
    try:
        feature = int(row["index"])
    except (TypeError, ValueError, OverflowError) as error:
        raise LabelError(f"{_named(url)} has a feature index {one_line(row['index'], 40)!r}") from error
    if not 0 <= feature < d_sae:
        raise LabelError(
            f"{_named(url)} labels feature {one_line(feature, 30)}, but the SAE has {d_sae:,}: "
            "they do not belong together"
        )
    text = _line(row.get("description"), _LONGEST_LABEL)
    if not text:
        return None
    by = _line(row.get("explanationModelName"), _LONGEST_MODEL)
    return FeatureLabel(feature, text, source=f"neuronpedia:{by}" if by else "neuronpedia")


def _line(text: object, most: int) -> str:
    return " ".join(printable(text[: 8 * most]).split())[:most] if isinstance(text, str) else ""


def _remember(path: Path, content: bytes) -> None:
    with contextlib.suppress(OSError):  # only a later run downloads again
        make_directory(path.parent)
        write_atomic(path, content)
