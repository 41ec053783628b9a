"""Labels that others made: files of every format, and Neuronpedia's batches from a real HTTP server."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from saetext.errors import LabelError
from saetext.features.labelling.importing import from_file
from saetext.features.labelling.neuronpedia import published

ROWS = [
    {"index": 3, "description": "apologies", "score": 0.8},
    {"index": 1, "description": "numbers", "score": None},
    {"index": 3, "description": "the word sorry", "score": 0.9},
    {"index": None, "description": "nobody's", "score": 0.1},
    {"index": 2, "description": " ", "score": 0.1},
]


@pytest.fixture(autouse=True)
def quick_and_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("saetext.io.web.FIRST_PAUSE", 0.001)


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    frame = pl.DataFrame(rows)
    if path.suffix in (".csv", ".tsv"):
        frame.write_csv(path, separator="\t" if path.suffix == ".tsv" else ",")
    elif path.suffix == ".parquet":
        frame.write_parquet(path)
    elif path.suffix == ".jsonl":
        frame.write_ndjson(path)
    else:
        path.write_text(json.dumps(rows), "utf-8")
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".jsonl", ".json"])
def test_every_format_gives_the_same_labels(tmp_path: Path, suffix: str) -> None:
    found = from_file(write(tmp_path / f"my lábels{suffix}", ROWS), 10)
    assert [(r.feature, r.label) for r in found.labels] == [(1, "numbers"), (3, "the word sorry")]
    assert found.labels[1].score == 0.9 and found.labels[0].score is None
    assert found.labels[0].source == f"file:my lábels{suffix}"
    notes = " ".join(found.notes)
    assert "'index'" in notes and "'description'" in notes
    assert "2 rows" in notes and "1 features have several" in notes


def test_json_objects_and_wrapped_lists(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps({"4": "questions", "2": {"label": "code", "kind": "format"}}))
    found = from_file(tmp_path / "a.json", 10).labels
    assert [(r.feature, r.label, r.kind) for r in found] == [(2, "code", "format"), (4, "questions", "other")]
    (tmp_path / "b.json").write_text(json.dumps({"explanations": ROWS}))
    assert len(from_file(tmp_path / "b.json", 10).labels) == 2


EXAMPLES = [
    {"tokens": ["I", " am", " sorry"], "values": [0, 0.1, 3.5], "bin_min": 0, "qualifying_token_index": 2},
    {"tokens": [" pardon", " me"], "values": [2.0, 0.5]},
    {"tokens": [" so", " sorry", "!"], "values": [0.0, 2.5, None]},
]


def test_exports_of_neuronpedia(tmp_path: Path) -> None:
    """One feature as the API gives it, a list of explanations, a batch of the data set."""
    feature = {
        "modelId": "gpt2-small", "layer": "6-res-jb", "index": "7", "activations": EXAMPLES,
        "explanations": [{"description": "apologies", "explanationModelName": "gpt-4o", "typeName": "oai"}],
    }  # fmt: skip
    silent = {**feature, "index": "8", "explanations": []}
    listed = {"modelId": "gpt2-small", "layer": "6-res-jb", "explanations": [row(3, "commas")]}
    for content, expected in [
        (feature, [(7, "apologies")]),
        ([feature, silent], [(7, "apologies"), (8, "sorry, pardon")]),
        (listed, [(3, "commas")]),
        ([row(3, "commas"), row(1, "dots")], [(1, "dots"), (3, "commas")]),
    ]:
        (tmp_path / "np.json").write_text(json.dumps(content))
        found = from_file(tmp_path / "np.json", 10)
        assert [(r.feature, r.label) for r in found.labels] == expected
        told = any("1 features have examples and no" in note for note in found.notes)
        assert told == (len(expected) == 2 and expected[1][0] == 8)
    (tmp_path / "batch-0.jsonl.gz").write_bytes(batch([row(2, "questions"), row(5, "")]))
    [only] = from_file(tmp_path / "batch-0.jsonl.gz", 10).labels
    assert (only.feature, only.label) == (2, "questions")
    (tmp_path / "cut.jsonl.gz").write_bytes(batch([row(2, "questions")])[:-6])
    with pytest.raises(LabelError, match=r"cannot read .*cut.jsonl.gz"):
        from_file(tmp_path / "cut.jsonl.gz", 10)


def test_batches_of_sae_dashboard(tmp_path: Path) -> None:
    """They have no explanations: features are called by the tokens at their maxima."""
    features = [
        {"feature_index": 4, "pos_str": ["x"], "frac_nonzero": 0.02, "activations": EXAMPLES},
        {"feature_index": 6, "pos_str": [], "frac_nonzero": 0.0, "activations": []},
    ]
    whole = {"model_id": "gpt2", "layer": 6, "sae_set": "res-jb", "sae_id_suffix": None, "features": features}
    (tmp_path / "batch-0.json").write_text(json.dumps(whole))
    found = from_file(tmp_path / "batch-0.json", 10)
    assert [(r.feature, r.label) for r in found.labels] == [(4, "sorry, pardon")]
    assert "1 features have examples and no explanation" in found.notes[1] and "1 rows" in found.notes[2]


def test_label_and_description_are_told_apart_and_made_safe(tmp_path: Path) -> None:
    rows = [{"Feature": "7", "Label": "a\x1b[31mb\n c", "Description": "when", "density": "0.25"}]
    [row] = from_file(write(tmp_path / "x.csv", rows), 10).labels
    assert row.label == "a [31mb c" and row.description == "when" and row.density == 0.25


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "x,y\n1,2\n", "no column"),
        ("a.csv", "feature,score\n1,2\n", "label"),
        ("a.csv", "feature,label\n99,x\n", "feature 99"),
        ("a.csv", "feature,label\n-1,x\n", "feature -1"),
        ("a.csv", "feature,label\nx,y\n", "no labels"),
        ("a.json", "[1, 2]", "list of objects"),
        ("a.json", "{", "cannot read"),
        ("a.jsonl", "{\n", "cannot read"),
        ("a.parquet", "no parquet", "cannot read"),
        ("a.pkl", "x", "not a.pkl"),
    ],
)
def test_bad_files_are_one_line(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(LabelError, match=message) as caught:
        from_file(tmp_path / name, 10)
    assert "\n" not in str(caught.value)
    with pytest.raises(LabelError, match="no file"):
        from_file(tmp_path / "missing.csv", 10)


@contextmanager
def bucket(reply: Callable[[str, int], tuple[int, bytes]]) -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            status, body = reply(self.path, len(asked))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()


def batch(rows: list[Any]) -> bytes:
    lines = "".join(json.dumps(r) + "\n" for r in rows)
    return gzip.compress(lines.encode(), mtime=0)  # bytes that name a test are the same in every process


def row(index: Any, text: Any = "x", by: str = "gpt-4o-mini") -> dict[str, Any]:
    return {
        "modelId": "m",
        "layer": "l",
        "index": str(index),
        "description": text,
        "explanationModelName": by,
    }


def test_batches_are_read_to_the_last_and_cached() -> None:
    batches = [batch([row(0, "zero"), row(5, "old"), row(1, "")]), batch([row(5, "five"), row(2, None)])]

    def reply(path: str, n: int) -> tuple[int, bytes]:
        number = int(path.split("batch-")[1].split(".")[0])
        return (200, batches[number]) if number < 2 else (404, b"")

    with bucket(reply) as (url, asked):
        seen: list[int] = []
        found = published("m/l-res", 8, base_url=url, on_progress=lambda p: seen.append(p.done))
        assert [(r.feature, r.label, r.source) for r in found] == [
            (0, "zero", "neuronpedia:gpt-4o-mini"),
            (5, "five", "neuronpedia:gpt-4o-mini"),
        ]
        assert asked[0] == "/v1/m/l-res/explanations/batch-0.jsonl.gz" and seen == [1, 2]
        before = len(asked)
        assert published("m/l-res", 8, base_url=url) == found
        assert len(asked) == before  # all from the cache, the end included


def test_a_busy_server_is_asked_again() -> None:
    def reply(path: str, n: int) -> tuple[int, bytes]:
        return (503, b"") if n < 3 else (200, batch([row(1)])) if "batch-0" in path else (404, b"")

    with bucket(reply) as (url, asked):
        assert len(published("m/l", 8, base_url=url)) == 1
        assert len(asked) == 4


def test_a_batch_that_is_refused_is_not_the_end() -> None:
    open_again: list[bool] = []

    def reply(path: str, n: int) -> tuple[int, bytes]:
        number = int(path.split("batch-")[1].split(".")[0])
        if number == 2 and not open_again:
            return 403, b""
        return (200, batch([row(number), row(number + 4)])) if number < 4 else (404, b"")

    with bucket(reply) as (url, asked):
        for _ in range(2):
            with pytest.raises(LabelError, match=r"4 labels of m/l from 2 batches before it are kept"):
                published("m/l", 8, base_url=url)
        assert len(asked) == 4 + 2 * 2  # the two before it were kept, no end was; each time two are tried
        open_again.append(True)
        assert [found.feature for found in published("m/l", 8, base_url=url)] == list(range(8))


def test_a_bucket_that_may_not_be_listed_says_403_of_what_it_has_not() -> None:
    """The batch before is served still, and none after: that is the end, and no refusal."""

    def reply(path: str, n: int) -> tuple[int, bytes]:
        number = int(path.split("batch-")[1].split(".")[0])
        return (200, batch([row(number)])) if number < 2 else (403, b"")

    with bucket(reply) as (url, asked):
        for times in (1, 2):  # the end is not remembered: a server that refuses for an hour looks the same
            assert [found.feature for found in published("m/l", 8, base_url=url)] == [0, 1]
            assert len(asked) == 2 + 3 * times


def test_a_server_that_refuses_everything_from_now_on_is_no_end() -> None:
    def reply(path: str, n: int) -> tuple[int, bytes]:
        return (200, batch([row(n)])) if n < 2 else (403, b"")

    with bucket(reply) as (url, _), pytest.raises(LabelError, match=r"labels of m/l from . batches before"):
        published("m/l", 8, base_url=url)


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (404, b"", "no labels of m/l"),
        (403, b"", "no labels of m/l"),
        (500, b"", "status 500"),
        (200, b"<html>", "not gzip"),
        (200, batch([row(1)])[:-9], "damaged"),
        (200, gzip.compress(b"not json\n", mtime=0), "not JSON"),
        (200, batch([{"hello": 1}]), "explanations"),
        (200, batch([["a"]]), "explanations"),
        (200, batch([row("many")]), "index"),
        (200, batch([row(8)]), "feature 8"),
    ],
)
def test_garbage_is_one_line(status: int, body: bytes, message: str) -> None:
    with (
        bucket(lambda path, n: (status, body)) as (url, _),
        pytest.raises(LabelError, match=message) as caught,
    ):
        published("m/l", 8, base_url=url)
    assert "\n" not in str(caught.value)


def test_nobody_there_and_ids_that_are_none() -> None:
    with pytest.raises(LabelError, match="cannot reach"):
        published("m/l", 8, base_url="http://127.0.0.1:9")
    for bad in ("../../etc/x", "m", "m/l/x", "m/l?x=1"):
        with pytest.raises(LabelError, match="not a Neuronpedia id"):
            published(bad, 8)
