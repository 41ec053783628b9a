"""Valid files of every kind that saetext reads, each with the function that reads it, and what damages them.

A helper for tests, not a test.
"""

from __future__ import annotations

import copy
import functools
import json
import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from corpus_factory import make_calibration, make_corpus, make_spec
from scipy import sparse
from tiny_reader import make_sae

from saetext.analysis.checking.baseline_file import Stored
from saetext.analysis.checking.figures import Baseline
from saetext.analysis.checking.flags import Levels
from saetext.analysis.clusters import model as clusters
from saetext.analysis.clusters.fitting import Fitted
from saetext.analysis.clusters.representation import Basis
from saetext.analysis.search.query import Clause, FeatureQuery, Term
from saetext.corpus import Corpus
from saetext.corpus.plan import read as read_plan
from saetext.documents import open_documents
from saetext.features.detectors import Detector
from saetext.features.labelling.importing import from_file
from saetext.features.labels import FeatureLabel, FeatureLabels
from saetext.features.themes import Themes
from saetext.intervene.attribution import AttributionResult
from saetext.intervene.shifts.saved import Shift
from saetext.io.files import checksum
from saetext.io.opener import HUGE
from saetext.reader.checkpoint import Checkpoint
from saetext.reader.weights import load_sae_dir
from tests.fuzz.ready import attribution

SPEC = make_spec({"main": make_calibration(12)})
SAE = SPEC.sae()


@dataclass(frozen=True)
class Kind:
    """A JSON file: where it lies in a directory, who reads it, and the fields that may hold anything."""

    name: str
    file: str
    make: Callable[[Path], None]
    read: Callable[[Path], object]
    free: tuple[str, ...] = ()
    nullable: tuple[str, ...] = ()  # ends of the names of fields that may be null


def _corpus(home: Path) -> None:
    shutil.copytree(_made(), home, dirs_exist_ok=True)


@functools.cache
def _made() -> Path:
    return make_corpus(Path(tempfile.mkdtemp()) / "c", 3, (2, 2), d_sae=12)[0].path


def fitted(n: int = 3) -> Fitted:
    """Return a fit of ``n`` documents, as small as there is."""
    basis = Basis(np.arange(4), np.ones(4, np.float32), np.ones(4, np.float32), None, "max", "binary")
    vectors = sparse.csr_matrix(np.ones((n, 4), np.float32))
    places = np.zeros((n, 2), np.float32)
    cluster = np.ones(n, np.int32)
    return Fitted(basis, np.arange(n), vectors, places, places, cluster, np.ones(n, np.float32), 0.5, 2)


def _clusters(home: Path) -> None:
    (home / "model.npz").write_bytes(clusters._packed(fitted()))
    told = {
        "schema": "1.0", "kind": "clusters", "params": {"sae": "main"}, "names": ["a"],
        "reader": SPEC.to_dict(), "files": {"model.npz": checksum(home / "model.npz").to_dict()},
    }  # fmt: skip
    (home / "manifest.json").write_text(json.dumps(told))


def _detector(home: Path) -> None:
    Detector(
        "loud", "a loud text", "It shouts.", SAE.origin, SAE.weights_sha256, SAE.d_sae,
        np.array([0, 3], np.int32), np.array([2.0, -1.5]), np.array([0.5, 2.0]), -0.25, 0.1, 1.5, -0.2, 0.5,
        {"held out": 0.9}, {"texts": 3},
    ).write(home / "detector.json")  # fmt: skip


def _baseline(home: Path) -> None:
    stored = Stored("format", "bold", "bold", ""), Stored("theme", "a", "A", "0" * 64)
    Baseline(
        "old", "main", {"model": "m"}, None, stored, np.eye(3, 2, dtype=bool), np.array([4, 5, 6]),
        {"prompt": np.array([1, 2, 3], np.uint64)}, np.zeros(12, np.int64),
        Levels(np.array([5]), np.array([[1], [2]], np.int32)), "saetext 0",
    ).write(home / "baseline.json")  # fmt: skip


def _themes(home: Path) -> None:
    theme = {"id": "a", "name": "A", "description": "b", "kind": "topic", "features": [1, 2]}
    made_for = {"sae": "x", "hook": "y", "d_sae": 12, "weights_sha256": "0"}
    (home / "themes.json").write_text(json.dumps({"version": 1, "made_for": made_for, "themes": [theme]}))


def _query(home: Path) -> None:
    query = FeatureQuery((Clause((Term(3, 1.0, 2.0, "c", 0.5, 0.5, 0.5),), "c"),), {"made": "by hand"})
    (home / "query.json").write_text(query.to_json(SAE))


def _sae(home: Path) -> None:
    shutil.rmtree(home)
    make_sae(home, hook="blocks.1.hook_resid_pre", seed=1, d_in=8, d_sae=12)


def _model(home: Path) -> None:
    (home / "config.json").write_text('{"model_type": "gpt2", "layers": [1, {"x": 2}]}')


def _labels(home: Path) -> None:
    (home / "labels.json").write_text('[{"feature": 1, "label": "a"}, {"feature": 2, "label": "b"}]')


def _plan(home: Path) -> None:
    told = {"schema": "1.0", "plan": {"a": 1}, "numerics": [{}], "spec": SPEC.to_dict()}
    (home / "plan.json").write_text(json.dumps(told))


def _attribution(home: Path) -> None:
    (home / "attribution.json").write_bytes(attribution(prompts=2, tokens=1))


def a_shift(groups: int = 2) -> Shift:
    """Return a fitted shift, as small as there is."""
    delta = np.arange(groups * 4, dtype=np.float32).reshape(groups, 4)
    return Shift(
        tuple(f"group {n}" for n in range(groups)), delta, delta[0], delta[:, :3].copy(), (1.0,) * groups,
        "blocks.1.hook_resid_pre", {"name": "a", "revision": "b"},
        {"origin": "x", "place": "y", "weights_sha256": "0", "d_sae": 4, "d_in": 3}, ("q",), {"steps": 1},
        ((1, 1, 1),) * groups,
    )  # fmt: skip


def _shift(home: Path) -> None:
    home.rmdir()
    a_shift().save(home)


def _dataset(home: Path) -> None:
    with pa.ipc.new_stream(home / "data.arrow", pa.schema([("text", pa.string())])) as writer:
        writer.write_table(pa.table({"text": ["a"]}))
    (home / "state.json").write_text('{"_data_files": [{"filename": "data.arrow"}], "_format_type": null}')


KINDS = [
    Kind("corpus", "manifest.json", _corpus, Corpus.open,
         ("reader_fingerprint", "fingerprint", "counts", "meta", "extra", "runs[0].", "spec.source.",
          "shards[0].stats.", "shards[1].stats."), ("floor_percentile", "torch")),
    Kind("clusters", "manifest.json", _clusters, clusters.load_model, ("reader.source.",),
         ("floor_percentile", "torch", "names[0]")),
    Kind("detector", "detector.json", _detector, lambda p: Detector.read(p / "detector.json"),
         ("made_from.",)),
    Kind("baseline", "baseline.json", _baseline, lambda p: Baseline.read(p / "baseline.json"),
         ("reader.",)),
    Kind("themes", "themes.json", _themes, lambda p: Themes.read(p / "themes.json")),
    Kind("query", "query.json", _query, lambda p: FeatureQuery.read(p / "query.json", SAE),
         ("about.", "reader.hook", "reader.d_sae"), ("similarity", "read", "share")),
    Kind("sae", "cfg.json", _sae, load_sae_dir,
         ("dtype", "device", "reshape_activations", "apply_b_dec_to_input", "metadata.prepend_bos",
          "normalize_activations"), ("metadata", "hook_name", "model_name")),
    Kind("model", "config.json", _model, lambda p: Checkpoint(p).json("config.json"), ("",)),
    Kind("labels", "labels.json", _labels, lambda p: from_file(p / "labels.json", 12),
         ("[0].label", "[1].label"), ("feature",)),  # such a row is left out, and counted
    Kind("attribution", "attribution.json", _attribution,
         lambda p: AttributionResult.load(p / "attribution.json")),
    Kind("shift", "shift.json", _shift, Shift.load),
    Kind("plan", "plan.json", _plan, lambda p: read_plan(p / "plan.json", "start over"),
         ("plan.", "spec.source."), ("floor_percentile", "torch")),
    Kind("dataset", "state.json", _dataset, lambda p: list(open_documents(p)), ("_format_type",)),
]  # fmt: skip


# ---- damage to a JSON file as such -------------------------------------------------------------------------


def _in_first(text: str, put: str) -> str:
    """Put a value with a key into the first object of a text."""
    at = text.index("{") + 1
    return f'{text[:at]}"zzz": {put}, {text[at:]}'


CONTENT: dict[str, Callable[[str], str | bytes]] = {
    "empty": lambda _: "",
    "not json": lambda _: "hello",
    "half": lambda text: text[: len(text) // 2],
    "more after it": lambda text: text.rstrip() + "]",
    "not utf-8": lambda text: _in_first(text, '"?"').encode().replace(b"?", b"\xff"),
    "utf-16": lambda text: text.encode("utf-16"),
    "zeros": lambda text: bytes(len(text)),
    "null": lambda _: "null",
    "number": lambda _: "1",
    "text": lambda _: '"x"',
    "list of numbers": lambda _: "[1, 2]",
    "deep lists": lambda _: "[" * 100_000,
    "deep objects": lambda _: '{"a":' * 100_000,
    "deep lists that close": lambda _: "[" * 100_000 + "]" * 100_000,
    "deep in a key": lambda text: _in_first(text, "[" * 100_000 + "]" * 100_000),
    "rather deep in a key": lambda text: _in_first(text, "[" * 200 + "]" * 200),
    "400 digits": lambda text: _in_first(text, "9" * 400),
    "5000 digits": lambda text: _in_first(text, "9" * 5000),
    "key twice": lambda text: _in_first(text, '1, "zzz": 2'),
}
STRICTLY: dict[str, Callable[[str], str]] = {  # but where other programs write such, and saetext did
    "infinity": lambda text: _in_first(text, "Infinity"),
    "nan": lambda text: _in_first(text, "NaN"),
    "1e999": lambda text: _in_first(text, "1e999"),
    "half a character": lambda text: _in_first(text, '"\\ud800"'),
}
LOOSE = {"corpus", "sae", "model", "plan", "dataset"}


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        before = Path.cwd()
        os.chdir(path.parent)  # the name of a socket has a hundred bytes
        try:
            server.bind(path.name)
        finally:
            os.chdir(before)


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(HUGE + 1)


PLACES: dict[str, Callable[[Path], object]] = {
    "named pipe": os.mkfifo,
    "directory": Path.mkdir,
    "zeros for ever": lambda path: path.symlink_to("/dev/zero"),
    "terminal": lambda path: path.symlink_to("/dev/tty"),
    "null device": lambda path: path.symlink_to("/dev/null"),
    "socket": _socket,
    "link to nothing": lambda path: path.symlink_to("nothing"),
    "link to itself": lambda path: path.symlink_to(path.name),
    "link to a pipe": lambda path: (os.mkfifo(path.with_name("pipe")), path.symlink_to("pipe")),
    "too large": _sparse,
}

# ---- damage to single fields -------------------------------------------------------------------------------

WRONG: dict[str, list[Any]] = {
    "int": ["4096", True, None, -1, 10**12, 10**30, 1.5, [], {}],
    "float": ["0.5", True, None, [], {}],
    "str": [5, True, None, [], {}, "x" * 1_100_000],
    "list": ["x", {}, None, 3, True],
    "dict": ["x", [], None, 3, True],
    "bool": ["true", 1, 0, None, [], {}],
}
COUNTS = ("tokens", "input_rows", "rejects_bytes", "main", "empty", "bytes")  # any number from 0 is one


def may_pass(kind: Kind, field: str, value: Any) -> bool:
    """Return whether a value is no damage to a field."""
    if field.startswith(kind.free):
        return True
    if value is None:
        return field.endswith(kind.nullable)
    if kind.name == "labels" and value == 1.5:
        return True  # left out too
    return type(value) is int and 0 <= value < 2**63 and field.endswith(COUNTS)


def fields(value: Any, path: str = "") -> Iterator[tuple[str, list[Any]]]:
    """Yield the place of every value inside a JSON value, in words and as keys and indices."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        here = f"{path}[{key}]" if isinstance(key, int) else f"{path}.{key}".lstrip(".")
        yield here, [key]
        for below, keys in fields(item, here):
            yield below, [key, *keys]


def with_value(whole: Any, keys: list[Any], value: Any) -> Any:
    """Return a copy of a JSON value with another value at a place."""
    changed = copy.deepcopy(whole)
    inner = changed
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = value
    return changed


def value_at(whole: Any, keys: list[Any]) -> Any:
    """Return the value at a place."""
    for key in keys:
        whole = whole[key]
    return whole


# ---- files that are no JSON --------------------------------------------------------------------------------


def labels_table(path: Path) -> None:
    """Write a table of labels as saetext does."""
    FeatureLabels.from_rows([FeatureLabel(1, "a"), FeatureLabel(2, "b")]).write(path)


def parquet_of_one_text(path: Path, rows: int, letters: int) -> None:
    """Write a Parquet file of a few kilobytes that unpacks to ``rows * letters`` bytes."""
    column = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array(["x" * letters]))
    table = pa.table({"feature": pa.array(np.arange(rows) % 9), "label": column})
    pq.write_table(table, path, compression="zstd")
