"""A baseline as a JSON file: figures that people can read line by line, and packed bits for pairing.

Not for: what a baseline is (:mod:`saetext.analysis.checking.figures`).
"""

from __future__ import annotations

import base64
import binascii
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from saetext.analysis.checking.flags import Levels
from saetext.corpus.shapes import MOST_FEATURES
from saetext.errors import InputError
from saetext.io.files import write_atomic, writing
from saetext.io.json_file import load
from saetext.io.opener import LARGE, open_regular, reading
from saetext.io.shape import INT32, List, Maybe, Number, Record, Table, Text, Whole, check
from saetext.io.strict_json import dumps
from saetext.text.passages import printable

if TYPE_CHECKING:
    from saetext.analysis.checking.figures import Baseline

KIND = "saetext baseline"
VERSION = 1
_MOST_ROWS = 5_000_000
_MOST_FLAGS = 1_000_000_000  # rows times subjects: a byte each in memory
_MOST_KEYS = 20
_LINE = Text(longest=20_000)
_HEAD = Record({"kind": Text(choices=(KIND,)), "version": Whole(1, INT32)})
_PAGE = Record(
    {
        "kind": Text(choices=(KIND,)),
        "version": Whole(1, INT32),
        "made_by": _LINE,
        "name": _LINE,
        "documents": Whole(1, _MOST_ROWS),
        "mean_tokens": Number(0),
        "sae": _LINE,
        "where": Maybe(_LINE),
        "reader": Table(),
        "d_sae": Whole(1, MOST_FEATURES),
        "subjects": List(
            Record(
                {
                    "kind": Text(choices=("detector", "theme", "format", "words", "feature")),
                    "key": _LINE,
                    "title": _LINE,
                    "checksum": Text(pattern="[0-9a-f]{64}|", means="a SHA-256 or nothing"),
                    "documents": Whole(0, _MOST_ROWS),
                    "rate": Number(0, 1),
                },
                closed=True,
            ),
            most=100_000,
        ),
        "themes": Record(
            {
                "edges": List(Whole(0, INT32), most=1000),
                "least": List(List(Whole(0, INT32), most=100_000), most=1001, least=1),
            },
            closed=True,
        ),
        "packed": Record(
            {"flags": Text(longest=LARGE), "tokens": Text(longest=LARGE), "features": Text(longest=LARGE)},
            {"keys": Table(Text(longest=LARGE))},
            closed=True,
        ),
    },
    closed=True,
)
_BEGINNING = re.compile(rb'(?:\xef\xbb\xbf)?\s*\{\s*"kind"\s*:\s*"saetext baseline"')


@dataclass(frozen=True)
class Stored:
    """A subject as a baseline knows it; see :class:`saetext.analysis.checking.subjects.Subject`."""

    kind: str
    key: str
    title: str
    checksum: str


def is_baseline(path: Path) -> bool:
    """Return whether a file is a baseline, by its beginning."""
    try:
        with open_regular(path) as file:
            return _BEGINNING.match(file.read(200)) is not None
    except OSError:
        return False


def write(baseline: Baseline, path: Path, *, overwrite: bool = False) -> Path:
    """Write the file; see :meth:`Baseline.write`."""
    if path.is_dir():
        raise InputError(f"cannot write {path}: it is a directory; name a file in it")
    if path.exists() and not (overwrite and is_baseline(path)):
        advice = (
            "choose another name" if not is_baseline(path) else "choose another name or allow overwriting"
        )
        raise InputError(f"{path} exists already; {advice}")
    if baseline.flags.size > _MOST_FLAGS:
        raise InputError(
            f"{baseline.n_documents:,} documents with {len(baseline.subjects):,} figures of each are more "
            f"than {_MOST_FLAGS:,} in all, which no baseline holds: keep a sample of the texts"
        )
    with writing(path, InputError):
        write_atomic(path, text_of(baseline).encode())
    return path


def text_of(baseline: Baseline) -> str:
    """Return the file: one figure a line, so that what changes is seen under version control."""
    counts = baseline.flags.sum(0)
    n = baseline.n_documents
    subjects = ",\n".join(
        "  "
        + dumps(
            {
                "kind": one.kind,
                "key": one.key,
                "title": one.title,
                "checksum": one.checksum,
                "documents": int(count),
                "rate": round(float(count) / n, 6),
            }
        )
        for one, count in zip(baseline.subjects, counts, strict=True)
    )
    packed = {
        "flags": _packed(np.packbits(baseline.flags.T)),
        "tokens": _packed(baseline.tokens.astype("<u4")),
        "features": _packed(baseline.features.astype("<u4")),
        "keys": {name: _packed(column.astype("<u8")) for name, column in baseline.keys.items()},
    }
    lines = {
        "kind": KIND,
        "version": VERSION,
        "made_by": baseline.made_by,
        "name": baseline.name,
        "documents": n,
        "mean_tokens": round(float(baseline.tokens.mean()), 3),
        "sae": baseline.sae,
        "where": baseline.where,
        "reader": dict(baseline.identity),
        "d_sae": len(baseline.features),
    }
    head = ",\n".join(f"{dumps(key)}: {dumps(value)}" for key, value in lines.items())
    levels = {"edges": baseline.levels.edges.tolist(), "least": baseline.levels.least.tolist()}
    tail = f'"themes": {dumps(levels)},\n"packed": {dumps(packed)}'
    return f'{{{head},\n"subjects": [\n{subjects}\n],\n{tail}}}\n'


def read(path: Path) -> dict[str, Any]:
    """Read the file and return the attributes of the baseline; see :meth:`Baseline.read`."""
    with reading(path, InputError, "baseline of 'saetext check'"):
        page = load(path, _HEAD, most=LARGE)
        if page["version"] > VERSION:
            raise ValueError(f"it is of version {page['version']}: upgrade saetext")
        return _of(check(_PAGE, page))


def _of(page: Mapping[str, Any]) -> dict[str, Any]:
    n, packed = page["documents"], page["packed"]
    subjects = tuple(
        Stored(*(one[key] for key in ("kind", "key", "title", "checksum"))) for one in page["subjects"]
    )
    if len({(one.kind, one.key) for one in subjects}) < len(subjects):
        raise ValueError("subjects: one stands twice")
    if n * len(subjects) > _MOST_FLAGS:
        raise ValueError(
            f"{n:,} documents with {len(subjects):,} figures of each are more than {_MOST_FLAGS:,} in all"
        )
    if len(packed.get("keys", {})) > _MOST_KEYS:
        raise ValueError(f"packed.keys: more than {_MOST_KEYS} columns")
    bits = _unpacked(packed["flags"], np.dtype("u1"), -(-n * len(subjects) // 8), "packed.flags")
    flags = np.unpackbits(bits)[: n * len(subjects)].reshape(len(subjects), n).T.astype(bool)
    for one, count in zip(page["subjects"], flags.sum(0).tolist(), strict=True):
        if one["documents"] != count or abs(one["rate"] - count / n) > 1e-6:
            raise ValueError(
                f"subjects: the figures of {one['kind']} {printable(one['key'])[:100]} are not those of its "
                "documents"
            )
    themes = sum(one.kind == "theme" for one in subjects)
    edges, least = page["themes"]["edges"], page["themes"]["least"]
    if (
        edges != sorted(set(edges))
        or any(len(row) != themes for row in least)
        or len(least) != len(edges) + 1
    ):
        raise ValueError("themes: edges and least do not fit together")
    features = _unpacked(packed["features"], np.dtype("<u4"), page["d_sae"], "packed.features").astype(
        np.int64
    )
    if features.max(initial=0) > n:
        raise ValueError("packed.features: more documents than there are")
    tokens = _unpacked(packed["tokens"], np.dtype("<u4"), n, "packed.tokens").astype(np.int64)
    if abs(page["mean_tokens"] - tokens.mean()) > 1e-3:
        raise ValueError(
            f"mean_tokens is {page['mean_tokens']:g}, and packed.tokens have a mean of {tokens.mean():g}"
        )
    return {
        "name": page["name"],
        "sae": page["sae"],
        "identity": page["reader"],
        "where": page["where"],
        "subjects": subjects,
        "flags": flags,
        "tokens": tokens,
        "keys": {
            name: _unpacked(text, np.dtype("<u8"), n, f"packed.keys.{printable(name[:40])}").astype(np.uint64)
            for name, text in packed.get("keys", {}).items()
        },
        "features": features,
        "levels": Levels(np.array(edges, np.int64), np.array(least, np.int32).reshape(len(least), themes)),
        "made_by": page["made_by"],
    }


def _packed(values: NDArray[Any]) -> str:
    return base64.b64encode(zlib.compress(values.tobytes(), 9)).decode()


def _unpacked(text: str, dtype: np.dtype[Any], n: int, field: str) -> NDArray[Any]:
    """Return n numbers; what unpacks to more or fewer bytes is refused before it fills the memory."""
    size = n * dtype.itemsize
    try:
        inflate = zlib.decompressobj()
        data = inflate.decompress(base64.b64decode(text, validate=True), size + 1)
    except (binascii.Error, zlib.error, ValueError) as error:
        raise ValueError(f"{field} cannot be unpacked: {error}") from None
    if len(data) != size or not inflate.eof:
        raise ValueError(f"{field} does not hold {n:,} numbers")
    return np.frombuffer(data, dtype)
