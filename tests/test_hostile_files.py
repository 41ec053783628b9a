"""Files that somebody crafted, of every kind that is read: each ends in one line, at once."""

from __future__ import annotations

import copy
import io
import json
import os
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import clock
import hostile_files as hostile
import numpy as np
import pytest
from hostile_files import CONTENT, KINDS, LOOSE, PLACES, STRICTLY, Kind
from test_cli import place, saetext

from saetext.analysis.clusters import load_model
from saetext.corpus.calibration import Calibration
from saetext.corpus.journal import Journal
from saetext.errors import CorpusError, LabelError, ReaderError, SaetextError
from saetext.features.labelling.importing import from_file
from saetext.features.labels import FeatureLabel, FeatureLabels
from saetext.io import json_file, opener
from saetext.io.array_file import load_array, load_arrays
from saetext.io.json_file import load, loads
from saetext.io.table_file import read_table
from saetext.reader.weights import load_sae_dir

__all__ = ["place"]


@contextmanager
def one_line(home: Path, *, seconds: float = 1.0, kind: type[SaetextError] = SaetextError) -> Iterator[None]:
    """Expect an error of one line that names what is in ``home``, at once."""
    with clock.within(seconds), pytest.raises(kind) as told:
        yield
    said = str(told.value)
    assert "\n" not in said and said.isprintable()
    assert home.name in said
    assert len(said) < 300 + said.count(str(home)) * len(str(home)), said


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "h").mkdir()
    return tmp_path / "h"


def made(kind: Kind, home: Path) -> str:
    """Make a valid file, read it, and return its text."""
    kind.make(home)
    kind.read(home)
    return (home / kind.file).read_text()


@pytest.mark.parametrize("damage", CONTENT)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_content(kind: Kind, damage: str, home: Path) -> None:
    changed = CONTENT[damage](made(kind, home))
    (home / kind.file).write_bytes(changed if isinstance(changed, bytes) else changed.encode())
    with one_line(home):
        kind.read(home)


@pytest.mark.parametrize("damage", STRICTLY)
@pytest.mark.parametrize("kind", [k for k in KINDS if k.name not in LOOSE], ids=lambda kind: kind.name)
def test_strictly(kind: Kind, damage: str, home: Path) -> None:
    (home / kind.file).write_text(STRICTLY[damage](made(kind, home)))
    with one_line(home):
        kind.read(home)


@pytest.mark.parametrize("place_", PLACES)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_kind_of_file(kind: Kind, place_: str, home: Path) -> None:
    made(kind, home)
    (home / kind.file).unlink()
    PLACES[place_](home / kind.file)
    with one_line(home):
        kind.read(home)


def outcome(kind: Kind, home: Path) -> str:
    """Return what reading a file ends in: ``""`` where it is read, ``"a line"``, or what is wrong with it."""
    try:
        kind.read(home)
    except SaetextError as error:
        said = str(error)
        long = len(said.replace(str(home), "")) >= 300
        named = home.name in said and said.isprintable()
        return "a line" if named and not long else f"{len(said)} characters: {said[:200]!r}"
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:100]}"
    return ""


@pytest.mark.parametrize("kind", [k for k in KINDS if k.name != "model"], ids=lambda kind: kind.name)
def test_every_field_of_a_wrong_type_is_refused(kind: Kind, home: Path) -> None:
    whole = json.loads(made(kind, home))
    bad, refused = [], 0
    for field, keys in hostile.fields(whole):
        right = hostile.value_at(whole, keys)
        for wrong in hostile.WRONG.get(type(right).__name__, []):
            (home / kind.file).write_text(json.dumps(hostile.with_value(whole, keys, wrong)))
            found = outcome(kind, home)
            refused += found == "a line"
            if found != "a line" and not (found == "" and hostile.may_pass(kind, field, wrong)):
                bad.append((field, repr(wrong)[:20], found))
    assert bad == []
    assert refused >= 10


@pytest.mark.parametrize("kind", [k for k in KINDS if k.name != "model"], ids=lambda kind: kind.name)
def test_every_field_that_is_needed_is_missed(kind: Kind, home: Path) -> None:
    whole = json.loads(made(kind, home))
    if isinstance(whole, list):
        whole = whole[0]
    missed = 0
    for key in whole:
        less = {name: value for name, value in whole.items() if name != key}
        (home / kind.file).write_text(json.dumps([less] if kind.name == "labels" else less))
        try:
            kind.read(home)
        except SaetextError as error:
            assert "\n" not in str(error) and home.name in str(error)
            missed += 1
    assert missed >= 1


@pytest.mark.parametrize("change", [{"d_sae": 10**8}, {"rows": 2**31 - 1}, {"rows": 10_000}], ids=str)
def test_a_corpus_does_not_claim_more_than_its_files_can_hold(change: dict[str, int], home: Path) -> None:
    kind = KINDS[0]
    whole = json.loads(made(kind, home))
    (whole["spec"]["taps"] if "d_sae" in change else whole["shards"])[0].update(change)
    (home / kind.file).write_text(json.dumps(whole))
    with one_line(home, kind=CorpusError):
        kind.read(home)


def test_thresholds_of_other_features_are_told(home: Path) -> None:
    kind = KINDS[0]
    whole = json.loads(made(kind, home))
    whole["spec"]["taps"][0]["d_sae"] = 13
    (home / kind.file).write_text(json.dumps(whole))
    with one_line(home, kind=CorpusError):
        kind.read(home).calibration()  # type: ignore[attr-defined]


# ---- names in a manifest -----------------------------------------------------------------------------------


def _link_out(home: Path) -> None:
    (home.parent / "outside").write_bytes((home / "model.npz").read_bytes())
    (home / "model.npz").unlink()
    (home / "model.npz").symlink_to(home.parent / "outside")


def _as(place_: str) -> Callable[[Path], object]:
    def put(home: Path) -> None:
        (home / "model.npz").unlink()
        PLACES[place_](home / "model.npz")

    return put


@pytest.mark.parametrize(
    "name",
    ["../secret", "/dev/zero", "/etc/passwd", "..", ".", "", "a/b", "a\\b", "a\n", "\x1b[31m", "x" * 300,
     "~/x", "CON:", "model.npz\0", "-", "é"],
)  # fmt: skip
def test_a_manifest_of_clusters_names_only_files_beside_it(name: str, home: Path) -> None:
    kind = next(kind for kind in KINDS if kind.name == "clusters")
    told = json.loads(made(kind, home))
    (home.parent / "secret").write_text("x")
    told["files"][name] = {"bytes": 1, "xxh3_128": "0"}
    (home / kind.file).write_text(json.dumps(told))
    with one_line(home, kind=CorpusError):
        load_model(home)


@pytest.mark.parametrize("put", [_link_out, *map(_as, PLACES)], ids=["link out", *PLACES])
def test_a_file_of_a_manifest_is_a_file_in_its_directory(put: Callable[[Path], object], home: Path) -> None:
    made(next(kind for kind in KINDS if kind.name == "clusters"), home)
    put(home)
    with one_line(home, kind=CorpusError):
        load_model(home)


def test_a_link_within_the_directory_is_followed(home: Path) -> None:
    made(next(kind for kind in KINDS if kind.name == "clusters"), home)
    (home / "model.npz").rename(home / "really.npz")
    (home / "model.npz").symlink_to("really.npz")
    assert load_model(home).names == ("a",)


# ---- arrays, tables, tensors -------------------------------------------------------------------------------


def npy(shape: object, dtype: str = "<f4", data: bytes = b"", **more: object) -> bytes:
    """Return a .npy file whose header says anything."""
    header = repr({"descr": dtype, "fortran_order": False, "shape": shape, **more}).encode()
    header += b" " * (-(10 + len(header) + 1) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


ARRAYS = {
    "huge": npy((10**12,)),
    "huge axes": npy((10**6, 10**6, 10**6)),
    "overflow": npy((2**62, 4)),
    "one too many": npy((2,), data=bytes(7)),
    "negative": npy((-1,)),
    "text as shape": npy("3"),
    "fraction": npy((1.5,)),
    "many axes": npy((1,) * 70, data=bytes(4)),
    "object": npy((1,), "|O", b"cos\nsystem\n(S'echo'\ntR."),
    "nothing wide": npy((10**12,), "<U0"),
    "no such type": npy((1,), "zzz"),
    "not a header": b"\x93NUMPY\x01\x00\x40\x00" + b"[" * 64,
    "header of 60,000": b"\x93NUMPY\x01\x00\x60\xea" + b"[" * 60_000,
    "half a header": npy((1,))[:30],
    "of version 9": b"\x93NUMPY\x09\x00" + bytes(90),
    "another file": b"PK\x03\x04" + bytes(90),
    "empty": b"",
    "code": npy((1,), more=1).replace(b"'more'", b"exit()"),
}


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("name", ARRAYS)
def test_an_array_is_not_larger_than_its_file(name: str, mapped: bool, tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(ARRAYS[name])
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        load_array(tmp_path / "a.npy", mapped=mapped)
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as put:
        put.writestr("a.npy", ARRAYS[name])
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        load_arrays(archive.getvalue())


@pytest.mark.parametrize(
    "array",
    [np.arange(6).reshape(2, 3), np.zeros(0, np.int64), np.float64(3), np.array(["a", "bc"]), np.str_("max"),
     np.asfortranarray(np.arange(6.0).reshape(2, 3)), np.array([True])],
    ids=range(7),
)  # fmt: skip
def test_arrays_are_read_as_numpy_reads_them(array: Any, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", array)
    np.savez(tmp_path / "a.npz", one=array, two=[1])
    read = [load_array(tmp_path / "a.npy"), load_arrays((tmp_path / "a.npz").read_bytes())["one"]]
    if np.size(array):
        read.append(load_array(tmp_path / "a.npy", mapped=True))
    for found in read:
        assert found.dtype == np.asarray(array).dtype and np.array_equal(found, array)


def _bomb() -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as put:
        put.writestr("a.npy", npy((10**7,), data=bytes(4 * 10**7)))
    return archive.getvalue()


def _twice() -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as put:
        put.writestr("a.npy", npy((1,), data=bytes(4)))
        for _ in range(2000):  # all names lie over one content
            put.filelist.append(copy.copy(put.filelist[0]))
    return archive.getvalue()


@pytest.mark.parametrize("content", [_bomb(), _twice(), b"", b"PK", _bomb()[:99]], ids=range(5))
def test_an_archive_does_not_unpack_to_more_than_it_is(content: bytes) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        load_arrays(content)


def tensors(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    """Return a safetensors file whose header says anything."""
    told = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(told) if length is None else length) + told + data


def _one(shape: list[int], end: int, start: int = 0) -> dict[str, Any]:
    return {"W_enc": {"dtype": "F32", "shape": shape, "data_offsets": [start, end]}}


TENSORS = {
    "huge": tensors(_one([10**6, 10**6], 4 * 10**12)),
    "overflow": tensors(_one([2**62, 4], 0)),
    "short": tensors(_one([2, 2], 16), bytes(8)),
    "backwards": tensors(_one([2, 2], 0, 16), bytes(16)),
    "header longer than the file": tensors({}, length=2**62),
    "header of nothing": tensors(b""),
    "deep": tensors(b'{"a":' * 100_000),
    "not json": tensors(b"hello, world"),
    "negative": tensors({"W_enc": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, bytes(4)),
    "no such type": tensors({"W_enc": {"dtype": "OBJ", "shape": [1], "data_offsets": [0, 4]}}, bytes(4)),
    "pickle": b"\x80\x02cos\nsystem\nq\x00X\x04\x00\x00\x00echoq\x01\x85q\x02Rq\x03.",
    "empty": b"",
    "other tensors": tensors({"x": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, bytes(4)),
    "other shape": tensors(_one([2, 2], 16), bytes(16)),
}


@pytest.mark.parametrize("name", TENSORS)
def test_weights(name: str, home: Path) -> None:
    made(next(kind for kind in KINDS if kind.name == "sae"), home)
    (home / "sae_weights.safetensors").write_bytes(TENSORS[name])
    with one_line(home, kind=ReaderError):
        load_sae_dir(home)


@pytest.mark.parametrize("place_", [name for name in PLACES if name != "too large"])
def test_weights_are_a_file(place_: str, home: Path) -> None:
    made(next(kind for kind in KINDS if kind.name == "sae"), home)
    (home / "sae_weights.safetensors").unlink()
    PLACES[place_](home / "sae_weights.safetensors")
    with one_line(home, kind=ReaderError):
        load_sae_dir(home)


@pytest.mark.usefixtures("readers_at_hand")
def test_a_table_does_not_unpack_to_more_than_memory(tmp_path: Path) -> None:
    hostile.parquet_of_one_text(tmp_path / "fits.parquet", 1000, 10)
    assert read_table(tmp_path / "fits.parquet").num_rows == 1000
    hostile.parquet_of_one_text(tmp_path / "h.parquet", 100_000, 100_000)  # 10 GB
    assert (tmp_path / "h.parquet").stat().st_size < 1_000_000
    with one_line(tmp_path / "h.parquet", kind=LabelError, seconds=3):
        from_file(tmp_path / "h.parquet", 12)
    with one_line(tmp_path / "h.parquet", kind=LabelError, seconds=3):
        FeatureLabels.read(tmp_path / "h.parquet")


LABEL_FILES = [".csv", ".tsv", ".json", ".jsonl", ".parquet"]


@pytest.fixture(scope="module")
def readers_at_hand(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Import what files of labels are read with: it takes longer than reading one."""
    home = tmp_path_factory.mktemp("labels")
    row = {"feature": 1, "label": "=a"}
    lines = {"csv": "feature,label\n1,=a\n", "tsv": "feature\tlabel\n1\t=a\n", "jsonl": json.dumps(row)}
    for suffix, text in {**lines, "json": json.dumps([row])}.items():
        (home / f"h.{suffix}").write_text(text)
    FeatureLabels.from_rows([FeatureLabel(1, "=a")]).write(home / "h.parquet")
    for suffix in LABEL_FILES:
        assert [one.label for one in from_file(home / f"h{suffix}", 12).labels] == ["=a"]
    FeatureLabels.read(home / "h.parquet")
    with pytest.raises(SaetextError):
        Calibration.read(home / "h.parquet")


@pytest.mark.usefixtures("readers_at_hand")
@pytest.mark.parametrize("place_", PLACES)
@pytest.mark.parametrize("suffix", LABEL_FILES)
def test_files_of_labels_are_files(suffix: str, place_: str, tmp_path: Path) -> None:
    PLACES[place_](tmp_path / f"h{suffix}")
    with one_line(tmp_path / f"h{suffix}", kind=LabelError):
        from_file(tmp_path / f"h{suffix}", 12)


BYTES = {
    "empty": b"", "zeros": bytes(100), "high": b"\xff" * 100, "utf-16": "feature,label\n1,a".encode("utf-16"),
    "not utf-8": b"feature,label\n1,\xff\xfe\n", "parquet magic": b"PAR1" + bytes(50) + b"PAR1",
    "deep": b'{"feature": 1, "label": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "digits": b'{"feature": ' + b"9" * 400 + b', "label": "a"}',
    "10**30": b'{"feature": 1000000000000000000000000000000, "label": "a"}',
    "infinity": b'{"feature": Infinity, "label": "a"}',
    "a list": b'{"feature": 1, "label": ["a"]}', "true": b'{"feature": true, "label": "a"}',
    "key twice": b'{"feature": 1, "feature": 2, "label": "a"}', "many columns": b"a," * 5000 + b"b\n",
    "one long column": b"a" * 200_000 + b"\n1\n", "escapes": b"\x1b[31mx\x1b[0m,\x9b2J\n1,2\n",
}  # fmt: skip


@pytest.mark.usefixtures("readers_at_hand")
@pytest.mark.parametrize("name", BYTES)
@pytest.mark.parametrize("suffix", LABEL_FILES)
def test_content_of_files_of_labels(suffix: str, name: str, tmp_path: Path) -> None:
    (tmp_path / f"h{suffix}").write_bytes(BYTES[name])
    with one_line(tmp_path / f"h{suffix}", kind=LabelError):
        from_file(tmp_path / f"h{suffix}", 12)


@pytest.mark.usefixtures("readers_at_hand")
@pytest.mark.parametrize("columns", [5_000, 40_000])
def test_a_table_of_many_columns_is_read_at_once(columns: int, tmp_path: Path) -> None:
    (tmp_path / "h.csv").write_bytes(b"a," * columns + b"b\n")
    with one_line(tmp_path / "h.csv", seconds=columns / 20_000, kind=LabelError):
        from_file(tmp_path / "h.csv", 12)


@pytest.mark.usefixtures("readers_at_hand")
@pytest.mark.parametrize("read", [Calibration.read, FeatureLabels.read], ids=["calibration", "labels"])
@pytest.mark.parametrize("damage", [*BYTES, *PLACES])
def test_tables_of_ours(read: Callable[[Path], object], damage: str, tmp_path: Path) -> None:
    path = tmp_path / "h"
    path.write_bytes(BYTES[damage]) if damage in BYTES else PLACES[damage](path)
    with one_line(path):
        read(path)


@pytest.mark.parametrize("damage", [*CONTENT, *PLACES])
def test_a_journal(damage: str, home: Path) -> None:
    path = home / "journal"
    line = json.dumps({"shard": 0})
    if damage in PLACES:
        if damage.startswith("link to n") or damage == "link to itself":
            return  # as if there were none
        PLACES[damage](path)
    else:
        changed = CONTENT[damage](line)
        path.write_bytes(
            (changed if isinstance(changed, bytes) else changed.encode()) + b"\n" + line.encode()
        )
        if damage == "key twice":
            path.write_text('{"zzz": 1, "zzz": 2}\n{}\n')
    with one_line(home, kind=CorpusError):
        Journal.read(path, "start over")


# ---- the opener and JSON themselves ------------------------------------------------------------------------


def test_a_file_that_grows_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").write_bytes(b"x" * 11)
    monkeypatch.setattr(opener, "_require_fit", lambda *_: None)
    with pytest.raises(opener.UnfitFile, match=r"at most 10 are read"):
        opener.read_bytes(tmp_path / "a", 10)


def test_a_name_given_to_a_pipe_between_the_look_and_the_opening(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "a")
    monkeypatch.setattr(opener, "require_regular", lambda *_: None)
    with pytest.raises(opener.UnfitFile, match="it is a named pipe; expected a regular file"):
        opener.read_bytes(tmp_path / "a", 10)


def test_a_name_with_a_zero_byte() -> None:
    with pytest.raises(OSError, match="zero byte"):
        opener.read_bytes("a\0b", 10)


@pytest.mark.parametrize("depth", [1, 10, json_file.MOST_DEPTH])
def test_json_of_a_usual_depth_is_read(depth: int) -> None:
    assert loads("[" * depth + "]" * depth) is not None
    with pytest.raises(ValueError, match="levels deep"):
        loads("[" * (depth + 65) + "]" * (depth + 65))


def test_numbers_keep_their_values(tmp_path: Path) -> None:
    whole = {"a": [0, -1, 2**63 - 1, 10**30, 0.1, -1e300, 5e-324], "b": {"c": True, "d": None, "é": "\u2028"}}
    (tmp_path / "a.json").write_text("\ufeff" + json.dumps(whole, ensure_ascii=False), "utf-8")
    assert load(tmp_path / "a.json") == whole


def test_what_other_programs_write_is_read_where_it_is_let() -> None:
    found = loads('{"a": NaN, "b": -Infinity, "c": 1e999, "d": "\\ud800"}', loose=True)
    assert found["a"] != found["a"] and found["b"] == -found["c"] and found["d"] == "\ud800"
    assert loads('{"a": "line\nbreak"}', lines=True) == {"a": "line\nbreak"}


# ---- at the command line -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("c") / "c"
    hostile._corpus(home)
    return home


def commands(kind: str, path: Path, texts: Path) -> list[object]:
    """Return a command that reads a file or directory of a kind."""
    return {
        "corpus": ["info", path.parent],
        "clusters": ["cluster", texts, "--predict", path.parent],
        "detector": ["detector", "list", "--use", path],
        "baseline": ["check", texts, "--against", path, "--words", "a", "--max-rise", "1"],
        "query": ["search", texts, "--query", path],
        "labels": ["label", texts, "--from", path],
        "sae": ["features", path.parent, "anger"],
    }[kind]


AT_THE_COMMAND_LINE = ["not json", "deep lists that close", "400 digits", "key twice", "not utf-8"]


@pytest.mark.parametrize(
    "damage", [*AT_THE_COMMAND_LINE, "named pipe", "zeros for ever", "directory", "too large"]
)
@pytest.mark.parametrize("name", ["corpus", "clusters", "detector", "query", "labels", "sae"])
def test_commands_exit_with_one(name: str, damage: str, home: Path, texts: Path) -> None:
    kind = next(kind for kind in KINDS if kind.name == name)
    text = made(kind, home)
    if damage in PLACES:
        (home / kind.file).unlink()
        PLACES[damage](home / kind.file)
    else:
        changed = CONTENT[damage](text)
        (home / kind.file).write_bytes(changed if isinstance(changed, bytes) else changed.encode())
    said = saetext(*commands(name, home / kind.file, texts)).error  # which holds that the exit code is 1
    assert home.name in said and len(said.replace(str(home), "")) < 300
