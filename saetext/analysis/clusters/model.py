"""Clusters on disk: one directory with tables for people and arrays for placing new documents.

Nothing in it is pickled. Written whole or not at all; a file that has changed since is refused by name. Not
for: computing any of it.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from saetext.analysis.base import Source
from saetext.analysis.clusters.fitting import Fitted
from saetext.analysis.clusters.levels.cutting import Levels
from saetext.analysis.clusters.representation import Basis, SemanticMap
from saetext.analysis.clusters.result import ClusterResult
from saetext.corpus.files import writing
from saetext.corpus.spec import ReaderSpec
from saetext.errors import CorpusError, InputError
from saetext.io.array_file import load_arrays
from saetext.io.derived import State, Verdict, check_file
from saetext.io.files import STAMP, FileStamp, atomic_directory, make_directory, write_atomic
from saetext.io.json_file import load, loads
from saetext.io.opener import HUGE, LARGE, inside, read_bytes, why
from saetext.io.sealed import Broken, require_seal, sealed
from saetext.io.shape import List, Maybe, Record, Table, Text
from saetext.io.strict_json import dumps
from saetext.io.table_file import read_table
from saetext.io.warning import warn

if TYPE_CHECKING:
    import polars as pl

SCHEMA = "1.0"
MANIFEST = "manifest.json"
SUFFIX = ".clusters"
_SHAPE = Record(
    {
        "kind": Text(choices=("clusters",)),
        "schema": Text(pattern=r"\d{1,9}\.\d{1,9}", means="a version such as 1.0"),
        "files": Table(STAMP),
        "reader": Table(),
        "params": Record({}, {"sae": Text(longest=10_000), "tap": Text(longest=10_000)}),
        "names": List(Maybe(Text(longest=10_000))),
    },
    {"sources": List(Table()), "level_names": List(List(Text(longest=10_000)))},
)
_RENAMED = {
    "tap": "sae", "along": "include", "without": "exclude", "meaning": "semantic", "trust": "validate",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class ClusterModel:
    """Clusters that were saved: where, by which reader, with what parameters, names, and the fit.

    ``level_names`` are the names of the parts of each level of the fit.
    """

    path: Path
    spec: ReaderSpec
    sae: str
    params: Mapping[str, Any]
    names: tuple[str, ...]
    fitted: Fitted
    level_names: tuple[tuple[str, ...], ...]


def default_path(corpus: Path) -> Path:
    """Return a directory beside a corpus that is free: ``x.clusters``, ``x-2.clusters``, ..."""
    stem = corpus.resolve().name.removesuffix(".corpus")
    number = 1
    while True:
        path = corpus.resolve().parent / f"{stem}{'' if number == 1 else f'-{number}'}{SUFFIX}"
        if not path.exists():
            return path
        number += 1


def save_clusters(result: ClusterResult, spec: ReaderSpec, path: str | Path) -> Path:
    """Write a result as a directory: ``documents.parquet``, ``clusters.parquet``, ``levels.parquet``,
    ``tree.parquet``, ``model.npz``, ``manifest.json``.

    Raises
    ------
    InputError
        If the path exists.
    CorpusError
        If it cannot be written.
    """
    path = Path(path)
    if path.exists():
        raise InputError(f"{path} exists already; choose another name with --output")
    manifest = {
        "schema": SCHEMA,
        "kind": "clusters",
        "params": result.params,
        "metrics": result.metrics,
        "notes": list(result.notes),
        "names": result.table["name"].to_list(),
        "level_names": [result.names_of(level) for level in range(1, result.n_levels + 1)],
        "sources": [vars(source) for source in result.sources],
        "reader": spec.to_dict(),
        "axis": None
        if result.axis is None
        else [[k.feature, k.label, k.weight, k.words, k.similarity] for k in result.axis.kept],
    }
    with writing(path):
        make_directory(path.parent)
        with atomic_directory(path) as beside:  # never takes the place of a directory that is not empty
            files = _write_content(result, beside)
            told = manifest | {"files": {name: stamp.to_dict() for name, stamp in files.items()}}
            read_back = loads(dumps(told), most=HUGE, loose=True)
            write_atomic(beside / MANIFEST, (dumps(sealed(read_back)) + "\n").encode())
    return path


def _write_content(result: ClusterResult, folder: Path) -> dict[str, FileStamp]:
    tables = {
        "documents.parquet": result.documents, "clusters.parquet": result.table,
        "levels.parquet": result.levels, "tree.parquet": result.tree, "changes.parquet": result.changes,
    }  # fmt: skip
    files: dict[str, FileStamp] = {}
    for name, table in tables.items():
        if table is not None:
            data = io.BytesIO()
            table.write_parquet(data)
            files[name] = write_atomic(folder / name, data.getvalue())
    if result.fitted is not None:
        files["model.npz"] = write_atomic(folder / "model.npz", _packed(result.fitted))
    return files


def load_model(path: str | Path) -> ClusterModel:
    """Read what new documents are placed by.

    Raises
    ------
    CorpusError
        If the directory is none of ours, is of a newer version, or a file of it is missing or damaged.
    """
    path = Path(path)
    told = _manifest(path)
    files = told["files"]
    if "model.npz" not in files:
        raise CorpusError(f"{path} holds placed documents only: name the directory they were placed by")
    try:
        for name, stamp in files.items():
            _require_intact(path, name, FileStamp.from_dict(stamp))
        spec = ReaderSpec.from_dict(told["reader"])
        fitted = _unpacked(read_bytes(path / "model.npz", files["model.npz"]["bytes"]))
        params, names = _of_today(told["params"]), tuple(map(str, told["names"]))
        if len(names) != fitted.n_clusters:
            raise ValueError(f"{len(names)} names of {fitted.n_clusters} clusters")
        called = _level_names(told, names, fitted.levels)
        return ClusterModel(path, spec, str(params["sae"]), params, names, fitted, called)
    except OSError as error:
        raise CorpusError(f"{path} is not whole ({why(error)}): cluster the corpus again") from error
    except (ValueError, KeyError, TypeError, IndexError, OverflowError) as error:
        raise CorpusError(f"{path} is damaged ({why(error)}): cluster the corpus again") from error


def _level_names(
    told: Mapping[str, Any], names: tuple[str, ...], levels: Levels
) -> tuple[tuple[str, ...], ...]:
    """Return the names of the parts of each level; an earlier saetext kept the clusters alone."""
    called = tuple(tuple(map(str, some)) for some in told.get("level_names", [names]))
    parts = [int(number.max(initial=0)) for number in levels.number]
    if [len(some) for some in called] != parts:
        raise ValueError(f"names of {[len(some) for some in called]} parts of levels, not of {parts}")
    return called


def load_tables(path: str | Path, spec: ReaderSpec) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the tables of documents and of clusters that :func:`save_clusters` wrote.

    Raises
    ------
    CorpusError
        If the directory is none of ours, or a file of it is missing or damaged.
    InputError
        If they were made by another reader than ``spec``.
    """
    import polars as pl

    path = Path(path)
    told = _manifest(path)
    try:
        made_by = ReaderSpec.from_dict(told["reader"])
        for name in (names := ("documents.parquet", "clusters.parquet")):
            _require_intact(path, name, FileStamp.from_dict(told["files"][name]))
        documents, clusters = (pl.DataFrame(pl.from_arrow(read_table(path / name))) for name in names)
    except OSError as error:
        raise CorpusError(f"{path} is not whole ({why(error)}): cluster the corpus again") from error
    except (ValueError, KeyError, TypeError) as error:
        raise CorpusError(f"{path} is damaged ({why(error)}): cluster the corpus again") from error
    if made_by.fingerprint != spec.fingerprint:
        raise InputError(f"the clusters {path} were made with another reader than the corpus")
    return documents, clusters


def load_placed(path: str | Path) -> tuple[pl.DataFrame, list[Source], ReaderSpec]:
    """Return the table of documents of a directory, the corpora it is about, and the reader of these.

    Raises
    ------
    CorpusError
        If the directory is none of ours, or a file of it is missing or damaged.
    """
    import polars as pl

    path = Path(path)
    told = _manifest(path)
    names = {field.name for field in fields(Source)}
    try:
        name = "documents.parquet"
        _require_intact(path, name, FileStamp.from_dict(told["files"][name]))
        documents = pl.DataFrame(pl.from_arrow(read_table(path / name)))
        documents.select("id", "cluster", "name")
        sources = [
            Source(**{key: value for key, value in one.items() if key in names})
            for one in told.get("sources", [])
        ]
        return documents, sources, ReaderSpec.from_dict(told["reader"])
    except OSError as error:
        raise CorpusError(f"{path} is not whole ({why(error)}): cluster the corpus again") from error
    except (ValueError, KeyError, TypeError, pl.exceptions.PolarsError) as error:
        raise CorpusError(f"{path} is damaged ({why(error)}): cluster the corpus again") from error


def _manifest(path: Path) -> dict[str, Any]:
    """Return the manifest of a directory of clusters, which is of a version that can be read and intact."""
    try:
        told = load(path / MANIFEST, _SHAPE, most=LARGE)
    except OSError as error:
        raise CorpusError(
            f"{path} holds no clusters ({why(error)}): name a directory that 'saetext cluster' wrote"
        ) from error
    except ValueError as error:
        if (path / MANIFEST).exists() and not (path / "clusters.parquet").exists():
            raise CorpusError(
                f"{path} holds no clusters: name a directory that 'saetext cluster' wrote"
            ) from error
        raise CorpusError(f"{path / MANIFEST} is damaged ({why(error)}): cluster the corpus again") from error
    if told["schema"].split(".")[0] != SCHEMA.split(".")[0]:
        raise CorpusError(f"{path} was written by a newer saetext (schema {told['schema']}): update saetext")
    _require_sealed(path / MANIFEST, told)
    return dict(told)


def _require_sealed(manifest: Path, told: Mapping[str, Any]) -> None:
    """Raise unless a manifest fits its checksum; warn of one that has none."""
    try:
        if not require_seal(told):
            warn(
                f"{manifest} has no checksum (an earlier saetext wrote it): the names and parameters of the "
                "clusters cannot be verified"
            )
    except Broken as error:
        raise CorpusError(f"{manifest} is damaged ({error}): cluster the corpus again") from error


def _require_intact(folder: Path, name: str, stamp: FileStamp) -> None:
    """Raise unless the file lies in the directory itself and is the one that was written."""
    found = check_file(inside(folder, name), stamp)
    if found.state != "intact":
        raise CorpusError(f"{found}: cluster the corpus again")


def check_clusters(path: Path, corpus: str | None = None) -> list[Verdict]:
    """Return a verdict for each file of a directory that :func:`save_clusters` wrote.

    ``corpus`` is the fingerprint of the corpus that should have been clustered; the manifest of clusters of
    another content is stale. It is compared only where the whole corpus was clustered.
    """
    manifest = path / MANIFEST
    try:
        told = load(manifest, _SHAPE, most=LARGE)
        state: State = "intact" if require_seal(told) else "unchecked"
    except FileNotFoundError:
        return [Verdict(manifest, "missing")]
    except (OSError, ValueError) as error:
        return [Verdict(manifest, "damaged", why(error))]
    reason = "" if state == "intact" else "it has no checksum"
    params, made_of = told["params"], [source.get("fingerprint") for source in told.get("sources", [])]
    whole = params.get("where") is None and params.get("sample") is None
    if corpus is not None and whole and made_of not in ([], [corpus]):
        state, reason = "stale", "the corpus has changed since it was clustered"
    files = {name: FileStamp.from_dict(stamp) for name, stamp in told["files"].items()}
    return [
        Verdict(manifest, state, reason),
        *(_checked(path, name, stamp) for name, stamp in files.items()),
    ]


def _checked(folder: Path, name: str, stamp: FileStamp) -> Verdict:
    try:
        return check_file(inside(folder, name), stamp, again=True)
    except FileNotFoundError:
        return Verdict(folder / name, "missing")
    except OSError as error:
        return Verdict(folder / name, "damaged", why(error))


def _of_today(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of a manifest by the names of today; earlier ones had others."""
    return {_RENAMED.get(name, name): value for name, value in dict(params).items()}


def _packed(fitted: Fitted) -> bytes:
    basis = fitted.basis
    arrays: dict[str, Any] = {
        "rows": fitted.rows, "points": fitted.points, "places": fitted.places, "cluster": fitted.cluster,
        "probability": fitted.probability, "farthest": np.float64(fitted.farthest),
        "neighbours": np.int64(fitted.neighbours), "levels": fitted.levels.number,
        "level_of_clusters": np.int64(fitted.levels.base), "features": basis.features, "weight": basis.weight,
        "scale": basis.scale, "pooling": np.str_(basis.pooling), "scaling": np.str_(basis.scaling),
    }  # fmt: skip
    if basis.components is not None:
        arrays |= {"components": basis.components, "vectors": fitted.vectors}
    else:
        arrays |= {"indptr": fitted.vectors.indptr, "indices": fitted.vectors.indices}
    if basis.semantic_map is not None:
        m = basis.semantic_map
        arrays |= {
            "meaning_directions": m.directions, "meaning_offset": m.offset,
            "meaning": np.array([m.explained, m.documents, m.blend]),
        }  # fmt: skip
    data = io.BytesIO()
    np.savez(data, **arrays)
    return data.getvalue()


def _unpacked(data: bytes) -> Fitted:
    from scipy import sparse

    arrays = load_arrays(data)
    semantic_map = None
    if "meaning" in arrays:
        explained, documents, blend = arrays["meaning"].tolist()
        semantic_map = SemanticMap(
            arrays["meaning_directions"], arrays["meaning_offset"], explained, int(documents), blend
        )
    basis = Basis(
        arrays["features"], arrays["weight"], arrays["scale"], arrays.get("components"),
        str(arrays["pooling"]), str(arrays["scaling"]), semantic_map,
    )  # fmt: skip
    vectors: Any = arrays.get("vectors")
    if vectors is None:
        indices = arrays["indices"]
        shape = (len(arrays["indptr"]) - 1, len(basis.features))
        vectors = sparse.csr_matrix((np.ones(len(indices), np.float32), indices, arrays["indptr"]), shape)
    cluster = arrays["cluster"]
    nested = None  # an earlier saetext kept the clusters alone
    if "levels" in arrays:
        nested = Levels(arrays["levels"], int(arrays["level_of_clusters"]))
        if not np.array_equal(nested.number[nested.base], cluster):
            raise ValueError("the levels are not those of the clusters")
    return Fitted(
        basis, arrays["rows"], vectors, arrays["points"], arrays["places"], cluster,
        arrays["probability"], float(arrays["farthest"]), int(arrays["neighbours"]), nested,  # type: ignore[arg-type]
    )  # fmt: skip
