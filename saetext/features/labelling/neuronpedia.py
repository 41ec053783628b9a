"""Labels that Neuronpedia publishes for an SAE, downloaded once and kept in the cache.

They come as gzipped JSON lines, in batches numbered from 0. Not for: a feature's page
(:mod:`saetext.features`), or SAEs without a Neuronpedia id.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import re
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from saetext.errors import LabelError
from saetext.features.labels import FeatureLabel
from saetext.io.cache import cache_dir
from saetext.io.files import write_atomic
from saetext.io.json_file import loads
from saetext.io.opener import LARGE, SMALL, decoded, read_bytes, read_text, why
from saetext.io.progress import OnProgress, Stages
from saetext.io.web import open_client, send
from saetext.text.passages import printable

if TYPE_CHECKING:
    import httpx2

BUCKET = "https://neuronpedia-datasets.s3.us-east-1.amazonaws.com"
_ID = re.compile(r"[A-Za-z0-9._-]+/[A-Za-z0-9._-]+")
_MOST_BATCHES = 10_000
_TRIES = 4
_LARGEST = 200_000_000  # bytes of one batch, unpacked


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
        If the SAE has no published labels, the server cannot be reached, or sends something else.
    """
    if not _ID.fullmatch(neuronpedia_id):
        raise LabelError(
            f"{neuronpedia_id!r} is not a Neuronpedia id such as gemma-2-2b/12-gemmascope-res-16k"
        )
    base = (base_url or os.environ.get("SAETEXT_NEURONPEDIA") or BUCKET).rstrip("/")
    folder = cache_dir() / "neuronpedia" / neuronpedia_id
    rows: dict[int, FeatureLabel] = {}
    with _client() as client:
        tell = Stages(on_progress, "batches")
        for number in range(_MOST_BATCHES):
            url = f"{base}/v1/{neuronpedia_id}/explanations/batch-{number}.jsonl.gz"
            content = _batch(client, url, folder / f"batch-{number}.jsonl.gz", last=folder / "batches")
            if content is None:
                if number == 0:
                    raise LabelError(f"Neuronpedia has no labels of {neuronpedia_id} (tried {url})")
                _remember(folder / "batches", str(number).encode())
                break
            for row in _rows(content, url):
                label = _label(row, d_sae, url)
                if label is not None:
                    rows[label.feature] = label
            tell("downloading labels", number + 1)
    if not rows:
        raise LabelError(f"Neuronpedia's labels of {neuronpedia_id} are empty")
    return [rows[feature] for feature in sorted(rows)]


def _client() -> httpx2.Client:
    try:
        return open_client("downloading labels", timeout=30)
    except ValueError as error:
        raise LabelError(str(error)) from error


def _batch(client: httpx2.Client, url: str, cached: Path, last: Path) -> bytes | None:
    """Return a batch unpacked, from the cache or the server; None after the last."""
    try:
        return _unpack(read_bytes(cached, LARGE))
    except (OSError, EOFError, zlib.error):
        pass
    try:
        if last.is_file() and cached.name == f"batch-{int(read_text(last, SMALL))}.jsonl.gz":
            return None
    except (OSError, ValueError):
        pass
    packed = _download(client, url)
    if packed is None:
        return None
    try:
        content = _unpack(packed)
    except (OSError, EOFError, zlib.error) as error:
        raise LabelError(f"{url} is damaged or not gzip: try again later") from error
    _remember(cached, packed)
    return content


def _download(client: httpx2.Client, url: str) -> bytes | None:
    import httpx2

    try:
        response = send(lambda: client.get(url), retries=_TRIES - 1)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise LabelError(
            f"cannot reach {url}: {' '.join(str(error).split()) or type(error).__name__}"
        ) from error
    if response.status_code in (403, 404):  # a bucket that may not be listed says 403 for what is missing
        return None
    if response.status_code != 200:
        raise LabelError(f"{url} answered with status {response.status_code}: try again later")
    return bytes(response.content)


def _unpack(packed: bytes) -> bytes:
    """Return gzip's content, or the bytes as they are where the server has unpacked them."""
    if packed[:2] != b"\x1f\x8b":
        if packed[:1] == b"{":
            return packed
        raise zlib.error("not gzip")
    with gzip.GzipFile(fileobj=io.BytesIO(packed)) as file:
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise zlib.error("larger than any batch")
    return content


def _rows(content: bytes, url: str) -> list[Any]:
    try:
        return [loads(line) for line in decoded(content).split("\n") if line.strip()]
    except ValueError as error:
        raise LabelError(f"{url} is not JSON lines: {why(error)[:100]}") from error


def _label(row: Any, d_sae: int, url: str) -> FeatureLabel | None:
    if not isinstance(row, dict) or "index" not in row:
        raise LabelError(f"{url} does not hold explanations of features (no 'index')")
    try:
        feature = int(row["index"])
    except (TypeError, ValueError) as error:
        raise LabelError(f"{url} has a feature index {row['index']!r}") from error
    if not 0 <= feature < d_sae:
        raise LabelError(
            f"{url} labels feature {feature}, but the SAE has {d_sae:,}: they do not belong together"
        )
    text = row.get("description")
    text = " ".join(printable(text).split()) if isinstance(text, str) else ""
    if not text:
        return None
    by = row.get("explanationModelName")
    source = f"neuronpedia:{printable(by)}" if isinstance(by, str) and by else "neuronpedia"
    return FeatureLabel(feature, text, source=source)


def _remember(path: Path, content: bytes) -> None:
    with contextlib.suppress(OSError):  # only a later run downloads again
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, content)
