"""What encode writes, against an oracle that reads one text at a time; resume, append, estimates."""

from __future__ import annotations

import gzip
import io
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from tiny_reader import SAE, contents, ready_reader, some_rows, tiny, write_jsonl

from saetext.corpus import Corpus, CorpusWriter
from saetext.corpus.calibration import Calibration
from saetext.corpus.notices import corpus_warnings, reading_notes, shard_note
from saetext.documents import Document, open_documents
from saetext.documents.rejects import describe_rejects
from saetext.encoding.encoder import append, encode, require_free
from saetext.encoding.estimate import estimate
from saetext.errors import CorpusError, InputError, SaetextError, SaetextWarning
from saetext.io.progress import Meter, Progress
from saetext.reader.batches import Batcher
from saetext.reader.reader import Reader
from saetext.reader.thresholds.estimation import calibration_path
from saetext.reader.thresholds.policy import with_known_thresholds
from saetext.reader.tokenization import Prepared


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def reader() -> Reader:
    """A reader of two SAEs with thresholds, made once."""
    return ready_reader()


def message_of(error: pytest.ExceptionInfo[SaetextError]) -> str:
    text = str(error.value)
    assert "\n" not in text
    return text


# ---- what is written ---------------------------------------------------------------------------------


def test_rows_equal_what_single_texts_give(tmp_path: Path, reader: Reader) -> None:
    rows = some_rows(37, longest=150)  # many are longer than the window of 64
    corpus = encode(rows, tmp_path / "c.corpus", reader=reader, shard_rows=10)
    assert len(corpus.manifest.shards) == 4 and corpus.n_documents == 37
    for i, row in enumerate(rows):
        stored = corpus.document(i)
        assert (stored["id"], stored["text"]) == (row["id"], row["text"])
        assert stored["meta"] == {"prompt_id": row["prompt_id"], "topic": row["topic"]}
        [prepared] = reader.tokens.prepare([Document("x", row["text"], None, None, {}, 0, "")])
        assert stored["n_tokens"] == prepared.n_tokens
        words = [row["text"][a:b] for a, b in zip(stored["token_start"], stored["token_end"], strict=True)]
        assert "".join(words) == row["text"]
        for sae, calibration in reader.calibrations.items():
            expected = _pooled(reader, prepared, sae, calibration.thresholds)
            found = stored["entries"][sae]
            assert found.feature.tolist() == sorted(expected)
            for j, feature in enumerate(found.feature.tolist()):
                value, total, count, peak, first = expected[feature]
                assert found.value[j] == pytest.approx(value, abs=1e-4)
                assert found.total[j] == pytest.approx(total, abs=1e-3)
                assert (found.count[j], found.first[j]) == (count, first)
                assert found.peak[j] == peak


def _pooled(reader: Reader, prepared: Any, sae: str, thresholds: np.ndarray) -> dict[int, tuple[float, ...]]:
    """The slow oracle: token by token, in Python."""
    entries = reader.token_entries(prepared, sae)
    found: dict[int, list[tuple[int, float]]] = {}
    for ordinal, feature, value in zip(entries.ordinal, entries.feature, entries.value, strict=True):
        if value > thresholds[feature]:
            found.setdefault(int(feature), []).append((int(ordinal), float(value)))
    pooled = {}
    for feature, hits in found.items():
        values = [v for _, v in hits]
        best = max(values)
        peak = next(o for o, v in hits if v == best)
        pooled[feature] = (best, sum(values), len(hits), peak, hits[0][0])
    return pooled


def test_every_row_becomes_a_document_or_a_reject(tmp_path: Path, reader: Reader) -> None:
    path = tmp_path / "mixed.jsonl"
    lines = [
        '{"text": "the fox jumps"}',
        '{"text": null}',
        '{"text": ""}',
        '{"text": 7}',
        "not json",
        '{"text": "the dog sleeps"}',
        '["a"]',
    ]
    path.write_text("\n".join(lines) + "\n")
    corpus = encode(path, tmp_path / "c.corpus", reader=reader, shard_rows=3)
    told = [json.loads(line) for line in (corpus.path / "rejects.jsonl").read_text().splitlines()]
    assert [r["position"] for r in told] == [1, 2, 3, 4, 6]
    assert [r["where"] for r in told] == [f"mixed.jsonl, line {n}" for n in (2, 3, 4, 5, 7)]
    assert [r["reason"] for r in told] == [
        "null text",
        "empty text",
        "not text",
        "malformed line",
        "malformed line",
    ]
    assert corpus.ids.to_pylist() == ["0", "5"]
    assert corpus.manifest.counts["input_rows"] == 7
    summary = describe_rejects(corpus.manifest.counts["rejects"])
    assert summary == "5 rows rejected (2 malformed line, 1 empty text, 1 not text, 1 null text)"


def test_a_text_that_is_the_name_of_a_special_token_is_a_text(tmp_path: Path, reader: Reader) -> None:
    rows = [{"text": "<|endoftext|>"}, {"text": "the fox"}]
    corpus = encode(rows, tmp_path / "c.corpus", reader=reader)
    assert corpus.ids.to_pylist() == ["0", "1"] and corpus.manifest.counts["rejects"] == {}
    assert corpus.document(0)["n_tokens"] > 1


def test_shards_end_at_rows_or_characters(
    tmp_path: Path, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("saetext.encoding.shards.SHARD_CHARACTERS", 20)
    rows = [{"text": "fox " * n} for n in (1, 1, 1, 9, 1, 1)]
    corpus = encode(rows, tmp_path / "c.corpus", reader=reader, shard_rows=3)
    assert [s.rows for s in corpus.manifest.shards] == [3, 1, 2]


def test_a_text_that_repeats_within_a_shard_is_read_once(tmp_path: Path, reader: Reader) -> None:
    rows = [{"text": "the fox jumps over"}] * 30 + [{"text": "a dog"}]
    seen: list[Progress] = []
    corpus = encode(rows, tmp_path / "c.corpus", reader=reader, on_progress=seen.append)
    one, other = corpus.n_tokens[0], corpus.n_tokens[30]
    assert seen[-1].tokens == one + other
    assert corpus.manifest.counts["tokens"] == 30 * one + other
    matrix = corpus.csr(sae=SAE)
    assert (matrix[:30] != matrix[[0] * 30]).nnz == 0


def test_no_text(tmp_path: Path, reader: Reader) -> None:
    rows = [{"text": "the SECRET fox", "prompt": "SECRET", "n": 1}]
    corpus = encode(rows, tmp_path / "c.corpus", reader=reader, store_text=False)
    assert not corpus.stores_text
    assert corpus.document(0)["text"] is None and corpus.document(0)["prompt"] is None
    assert corpus.document(0)["meta"] == {"n": 1}
    assert all(b"SECRET" not in data for data in contents(corpus.path).values())


def test_chats_count_the_named_role_and_keep_the_rest_as_context(tmp_path: Path, reader: Reader) -> None:
    chat = [
        {"role": "user", "content": "why"},
        {"role": "assistant", "content": "the fox"},
        {"role": "user", "content": "and then"},
        {"role": "assistant", "content": "the dog"},
    ]
    source = open_documents([{"messages": chat}])
    corpus = encode(source, tmp_path / "c.corpus", reader=reader)
    assert corpus.document(0)["text"] == "the fox\n\nthe dog"
    assert corpus.document(0)["prompt"] == "why\n\nand then"
    [told] = reading_notes(source, reader)
    assert "no chat template" in told and "role assistant" in told
    every = encode([{"messages": chat}], tmp_path / "all.corpus", reader=reader, role="all")
    assert every.document(0)["text"] == "why\n\nthe fox\n\nand then\n\nthe dog"
    assert every.document(0)["prompt"] is None


def test_a_shortage_of_memory_in_one_shard_leaves_the_bytes_of_the_next(
    tmp_path: Path, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = some_rows(60, longest=40)
    hidden, seen = reader.model.hidden, list[tuple[int, ...]]()
    monkeypatch.setattr(reader._batcher, "budget", 256)

    def counted(ids: torch.Tensor, mask: torch.Tensor) -> dict[str, torch.Tensor]:
        seen.append(tuple(ids.shape))
        if len(seen) == short_at:
            raise torch.OutOfMemoryError("no room")
        return hidden(ids, mask)

    monkeypatch.setattr(reader.model, "hidden", counted)
    passes, files = [], []
    for short_at in (0, 1):
        seen.clear()
        corpus = encode(rows, tmp_path / f"{short_at}.corpus", reader=reader, shard_rows=30)
        passes.append(list(seen))
        files.append(contents(corpus.path))
        corpus.verify()
    [even, short] = passes
    second = len(even) - sum(1 for _ in batches_of(reader, rows[:30]))
    assert short[-second:] == even[-second:] == batches_of(reader, rows[30:])
    assert len(short) > len(even) and max(n * length for n, length in short[1:-second]) <= 128
    of_second = [name for name in files[0] if "00001" in name]
    assert len(of_second) == 3  # texts and what each SAE found
    assert all(files[0][name] == files[1][name] for name in of_second)


def batches_of(reader: Reader, rows: list[dict[str, Any]]) -> list[tuple[int, ...]]:
    """Return the shapes of the batches that a shard of these rows is read in."""
    documents = [Document(r["id"], r["text"], None, None, {}, i, "") for i, r in enumerate(rows)]
    prepared = [p for p in reader.tokens.prepare(documents) if isinstance(p, Prepared)]
    batcher = Batcher(reader.tokens, reader._batcher.budget)
    return [batcher.build(group).ids.shape for group in reversed(batcher.groups(prepared))]


def test_larger_shards_are_suggested_above_a_million_rows(reader: Reader) -> None:
    source = open_documents(some_rows(3))
    assert len(reading_notes(source, reader, 1024)) == len(reading_notes(source, reader))
    source.n_rows = 1_200_000
    [*_, told] = reading_notes(source, reader, 1024)
    assert told == ("1,200,000 rows make 1,172 shards: --shard-rows 10000 makes 120, which are read faster")
    assert told not in reading_notes(source, reader, 10_000)
    source.n_rows = 1_000_000
    assert shard_note(1_000_000, 1024) is None
    assert len(reading_notes(source, reader, 1024)) == len(reading_notes(source, reader))


@pytest.mark.parametrize("kind", ["frame", "generator", "file object", "gzip"])
def test_sources(kind: str, tmp_path: Path, reader: Reader) -> None:
    rows = some_rows(25)
    path = write_jsonl(tmp_path / "a file é.jsonl", rows)
    source: Any = {
        "frame": lambda: pl.DataFrame(rows),
        "generator": lambda: (row for row in rows),
        "file object": lambda: io.BytesIO(path.read_bytes()),
        "gzip": lambda: tmp_path / "b.jsonl.gz",
    }[kind]()
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(path.read_bytes()))
    expected = encode(path, tmp_path / "expected.corpus", reader=reader, shard_rows=10, id="id")
    corpus = encode(source, tmp_path / "c é.corpus", reader=reader, shard_rows=10, id="id")
    assert corpus.fingerprint == expected.fingerprint


@pytest.mark.parametrize("kind", ["dicts", "pandas", "polars"])
def test_columns_of_texts_in_memory_are_named_without_an_output(kind: str, reader: Reader) -> None:
    """They were refused: the texts were opened with them, and then again without."""
    rows = [
        {"key": f"k{i}", "said": row["text"], "asked": f"question {i}"} for i, row in enumerate(some_rows(4))
    ]
    frame = pl.DataFrame(rows)
    source = {"dicts": rows, "pandas": frame.to_pandas(), "polars": frame}[kind]
    columns = {"text": "said", "id": "key", "prompt": "asked"}
    corpus = encode(source, reader=reader, threshold=0, **columns)
    assert corpus.documents.select("id").collect()["id"].to_list() == ["k0", "k1", "k2", "k3"]
    assert [corpus.document(i)["text"] for i in range(4)] == [row["said"] for row in rows]
    again = encode(source, reader=reader, threshold=0, **columns)
    assert again.path == corpus.path
    with pytest.raises(InputError, match="open_documents"):  # one that is open has its columns already
        encode(open_documents(source, **columns), reader=reader, threshold=0, text="said")


# ---- progress ----------------------------------------------------------------------------------------


def test_progress_moves_on_and_ends_at_all(tmp_path: Path, reader: Reader) -> None:
    path = write_jsonl(tmp_path / "in.jsonl", some_rows(100, empty_every=10))
    seen: list[Progress] = []
    corpus = encode(path, tmp_path / "c.corpus", reader=reader, shard_rows=16, on_progress=seen.append)
    shares = [p.share for p in seen]
    assert shares == sorted(shares) and shares[-1] == 1.0  # type: ignore[type-var]
    assert shares[0] is not None and 0 < shares[0] <= 0.2  # the input is parsed ahead; what is done counts
    assert (seen[-1].documents, seen[-1].rejects) == (90, 10)
    assert seen[-1].tokens == corpus.manifest.counts["tokens"]
    assert {p.stage for p in seen} == {"encoding"}


def test_time_left_is_that_of_the_work_and_not_of_what_was_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("time.perf_counter", lambda: now)
    seen: list[Progress] = []
    meter = Meter("encoding", seen.append)
    now = 50.0  # half the input was finished before and is only checked
    meter.skip(500, 3, 0.5)
    meter.begin(0.75, tokens=1000)
    now = 60.0
    meter.add(500)
    assert seen[-1].share == pytest.approx(0.625)
    assert seen[-1].left == pytest.approx(30.0)  # an eighth in 10 s, three eighths to go
    assert seen[-1].tokens_per_second == pytest.approx(50.0)
    now = 70.0
    meter.add(500)
    meter.end(500, 0)
    assert (seen[-1].documents, seen[-1].resumed, seen[-1].rejects) == (1000, 500, 3)
    assert seen[-1].share == 0.75 and seen[-1].left == pytest.approx(20.0)


def test_a_stream_has_no_share_until_its_end(tmp_path: Path, reader: Reader) -> None:
    seen: list[Progress] = []
    rows = some_rows(30)
    encode((r for r in rows), tmp_path / "c.corpus", reader=reader, shard_rows=10, on_progress=seen.append)
    assert {p.share for p in seen[:-1]} == {None} and {p.left for p in seen[:-1]} == {None}


# ---- resume ------------------------------------------------------------------------------------------


class Break(RuntimeError):
    pass


def interrupt(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Make the writer fail before its shard number ``after``."""
    write = CorpusWriter.write_shard

    def failing(self: CorpusWriter, *args: Any, **kwargs: Any) -> Any:
        if len(self.finished) >= after:
            raise Break
        return write(self, *args, **kwargs)

    monkeypatch.setattr(CorpusWriter, "write_shard", failing)


def interrupted(source: Any, path: Path, reader: Reader, after: int = 2, **options: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, after)
        with pytest.raises(Break):
            encode(source, path, reader=reader, shard_rows=10, **options)


@pytest.mark.parametrize("after", [1, 2, 4])
def test_resumed_bytes_are_those_of_an_uninterrupted_run(after: int, tmp_path: Path, reader: Reader) -> None:
    path = write_jsonl(tmp_path / "in.jsonl", some_rows(45, empty_every=7))
    whole = encode(path, tmp_path / "whole.corpus", reader=reader, shard_rows=10)
    target = tmp_path / "c.corpus"
    interrupted(path, target, reader, after)
    with pytest.raises(CorpusError, match="unfinished; run the same encode command again"):
        Corpus.open(target)
    seen: list[Progress] = []
    resumed = encode(path, target, reader=reader, shard_rows=10, on_progress=seen.append)
    assert contents(resumed.path) == contents(whole.path)
    finished = [s.rows for s in whole.manifest.shards]
    assert seen[-1].resumed == sum(finished[:after])
    assert seen[-1].documents == sum(finished)
    assert seen[-1].tokens == sum(s.tokens for s in whole.manifest.shards[after:])


def changed_text(rows: list[dict[str, Any]]) -> None:
    rows[3]["text"] = rows[3]["text"][::-1]


def changed_metadata(rows: list[dict[str, Any]]) -> None:
    rows[3]["topic"] = "z"


def changed_id(rows: list[dict[str, Any]]) -> None:
    rows[3]["id"] = "e3"


def swapped(rows: list[dict[str, Any]]) -> None:
    rows[3], rows[4] = rows[4], rows[3]


def longer(rows: list[dict[str, Any]]) -> None:
    rows.append({**rows[0], "id": "new"})


@pytest.mark.parametrize("change", [changed_text, changed_metadata, changed_id, swapped, longer])
@pytest.mark.parametrize("kind", ["file", "list"])
def test_an_input_that_changed_in_between_is_refused(
    change: Any, kind: str, tmp_path: Path, reader: Reader
) -> None:
    rows = some_rows(40)

    def source() -> Any:
        return write_jsonl(tmp_path / "in.jsonl", rows) if kind == "file" else list(rows)

    target = tmp_path / "c.corpus"
    interrupted(source(), target, reader)
    before = contents(target)
    change(rows)
    with pytest.raises(SaetextError) as error:
        encode(source(), target, reader=reader, shard_rows=10)
    message = message_of(error)
    assert "c.corpus" in message
    if change is longer:
        assert "input size_bytes was" in message or "input n_rows was" in message
    else:
        assert "has changed since" in message and "rows up to 10 differ" in message
    assert contents(target) == before


def test_an_input_that_became_shorter_is_refused(tmp_path: Path, reader: Reader) -> None:
    rows = some_rows(40)
    target = tmp_path / "c.corpus"
    interrupted((r for r in rows), target, reader, after=3)
    with pytest.raises(InputError, match="has become shorter"):
        encode((r for r in rows[:20]), target, reader=reader, shard_rows=10)
    encode((r for r in rows), target, reader=reader, shard_rows=10)  # nothing was lost


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"shard_rows": 11}, "rows per shard was 10 and is now 11"),
        ({"shard_rows": 10, "text": "topic"}, "input columns was"),
        ({"shard_rows": 10, "store_text": False}, "stores_text was True and is now False"),
        ({"shard_rows": 10, "min_tokens": 2}, f"reader's SAE {SAE}: "),
        ({"shard_rows": 10, "threshold": 0.0}, f"reader's SAE {SAE}: "),
    ],
)
def test_other_options_do_not_resume(
    options: dict[str, Any], named: str, tmp_path: Path, reader: Reader
) -> None:
    path = write_jsonl(tmp_path / "in.jsonl", some_rows(40))
    interrupted(path, tmp_path / "c.corpus", reader)
    with pytest.raises(CorpusError) as error:
        encode(path, tmp_path / "c.corpus", reader=reader, **options)
    assert "was started with other settings" in message_of(error) and named in message_of(error)


def test_a_finished_corpus_is_not_overwritten(tmp_path: Path, reader: Reader) -> None:
    rows = some_rows(5)
    corpus = encode(rows, tmp_path / "c.corpus", reader=reader)
    before = contents(corpus.path)
    with pytest.raises(CorpusError, match="finished corpus already: add to it with 'saetext append'"):
        encode(rows, tmp_path / "c.corpus", reader=reader)
    assert contents(corpus.path) == before


# ---- nothing half-written ----------------------------------------------------------------------------


def test_a_file_of_rejects_leaves_nothing_behind(tmp_path: Path, reader: Reader) -> None:
    with pytest.raises(InputError) as error:
        encode([{"text": ""}] * 25, tmp_path / "new" / "c.corpus", reader=reader, shard_rows=10)
    assert message_of(error) == "list has no document that can be read: 25 rows rejected (25 empty text)"
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("exists", [True, False])
def test_an_error_before_the_first_shard_leaves_nothing_behind(
    exists: bool, tmp_path: Path, reader: Reader
) -> None:
    target = tmp_path / "c.corpus"
    if exists:
        target.mkdir()

    def rows() -> Iterator[dict[str, str]]:
        yield {"text": "the fox"}
        raise InputError("the pipe broke")

    source = open_documents([{"text": "the fox"}])
    source._reader.rows = lambda columns=None: enumerate(rows())  # type: ignore[method-assign,assignment]
    with pytest.raises(InputError, match="the pipe broke"):
        encode(source, target, reader=reader)
    assert target.exists() is exists  # the user's own directory stays
    assert not exists or not list(target.iterdir())
    interrupted(some_rows(7), target, reader, after=0)
    assert target.exists() is exists
    assert encode(some_rows(5), target, reader=reader, shard_rows=10).n_documents == 5


def test_a_failure_does_not_wait_for_the_input_that_is_read_ahead(tmp_path: Path, reader: Reader) -> None:
    slow = threading.Event()

    def rows() -> Iterator[dict[str, Any]]:
        yield from some_rows(120, longest=3)
        slow.wait(90)
        yield from some_rows(20)

    began = time.monotonic()
    interrupted(rows(), tmp_path / "c.corpus", reader, after=11)
    waited = time.monotonic() - began
    slow.set()
    assert waited < 60


def test_output_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path, why in [
        (tmp_path / "file", "is a file; choose another path"),
        (tmp_path / "file" / "c.corpus", "file is a file; choose another path"),
        (tmp_path / ("x" * 300), "cannot write"),
    ]:
        with pytest.raises(CorpusError, match=why) as error:
            require_free(path)
        message_of(error)
    require_free(tmp_path / "a" / "b" / "c.corpus")
    assert not (tmp_path / "a").exists()


def test_shards_need_rows(tmp_path: Path, reader: Reader) -> None:
    with pytest.raises(InputError, match="shard_rows must be at least 1"):
        encode(some_rows(5), tmp_path / "c.corpus", reader=reader, shard_rows=0)
    assert not (tmp_path / "c.corpus").exists()


# ---- append ------------------------------------------------------------------------------------------


def test_append_equals_encoding_all_at_once(tmp_path: Path, reader: Reader) -> None:
    rows = some_rows(50)
    whole = encode(rows, tmp_path / "whole.corpus", reader=reader, shard_rows=10, id="id")
    encode(rows[:30], tmp_path / "c.corpus", reader=reader, shard_rows=10, id="id")
    grown = append(rows[30:], tmp_path / "c.corpus", reader=tiny().reader(both=True), shard_rows=10, id="id")
    assert grown.fingerprint == whole.fingerprint
    assert grown.ids.to_pylist() == whole.ids.to_pylist()


def test_append_loads_the_reader_of_the_corpus(tmp_path: Path, reader: Reader) -> None:
    encode(some_rows(5), tmp_path / "c.corpus", reader=reader)
    grown = append([{"text": "the fox", "id": "new"}], tmp_path / "c.corpus")
    assert grown.n_documents == 6


def test_appended_ids_are_new(tmp_path: Path, reader: Reader) -> None:
    rows = [{"text": "the fox"}, {"text": ""}, {"text": "the dog"}, {"text": "a dog"}]
    path = tmp_path / "c.corpus"
    encode(rows, path, reader=reader)
    append([{"text": "a fox"}, {"text": ""}, {"text": "quick"}], path, reader=reader)
    corpus = append([{"text": "lazy"}], path, reader=reader)
    assert corpus.ids.to_pylist() == ["0", "2", "3", "4", "6", "7"]
    named = [{"text": "one", "id": 7}, {"text": "two", "id": "x"}, {"text": "three", "id": 2}]
    corpus = append(named, path, reader=reader, id="id")
    assert corpus.ids.to_pylist()[6:] == ["x"]
    assert corpus.manifest.counts["rejects"] == {"duplicate id": 2, "empty text": 2}
    details = [json.loads(line)["detail"] for line in (path / "rejects.jsonl").read_text().splitlines()]
    assert details[-1] == "id '2' is already in the corpus"


def test_the_old_corpus_holds_until_an_append_is_done_and_resumes(tmp_path: Path, reader: Reader) -> None:
    rows = some_rows(60)
    path = tmp_path / "c.corpus"
    encode(rows[:20], path, reader=reader, shard_rows=10)
    encode(rows[:20], tmp_path / "whole.corpus", reader=reader, shard_rows=10)
    whole = append(rows[20:], tmp_path / "whole.corpus", reader=reader, shard_rows=10)
    before = Corpus.open(path)
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, after=2)
        with pytest.raises(Break):
            append(rows[20:], path, reader=reader, shard_rows=10)
    old = Corpus.open(path)
    assert old.fingerprint == before.fingerprint and old.n_documents == 20
    assert (old.csr(sae=SAE) != before.csr(sae=SAE)).nnz == 0
    with pytest.raises(CorpusError, match="n_rows was 40 and is now 41"):
        append([*rows[20:], {"text": "one more", "id": "x"}], path, reader=reader, shard_rows=10)
    seen: list[Progress] = []
    grown = append(rows[20:], path, reader=reader, shard_rows=10, on_progress=seen.append)
    assert contents(grown.path) == contents(whole.path)
    assert seen[-1].resumed == 20 and seen[-1].documents == 40


def test_an_append_that_fails_at_once_can_be_given_up(tmp_path: Path, reader: Reader) -> None:
    path = tmp_path / "c.corpus"
    encode(some_rows(10), path, reader=reader)
    before = contents(path)
    with pytest.MonkeyPatch.context() as patch:
        interrupt(patch, after=0)
        with pytest.raises(Break):
            append(some_rows(20, seed=5), path, reader=reader, id="")
    assert contents(path) == before
    assert append([{"text": "the fox"}], path, reader=reader).n_documents == 11


def test_append_wants_the_reader_of_the_corpus(tmp_path: Path, reader: Reader) -> None:
    path = tmp_path / "c.corpus"
    encode(some_rows(10), path, reader=reader)
    with pytest.raises(SaetextError) as error:
        append(some_rows(5), path, reader=tiny().reader(), id="")
    assert "reader" in message_of(error)


# ---- thresholds --------------------------------------------------------------------------------------


def test_thresholds_are_made_once_and_make_corpora_comparable(tmp_path: Path, own_cache: Path) -> None:
    bare = tiny().reader()
    assert with_known_thresholds(bare) is None
    seen: list[Progress] = []
    first = encode(some_rows(30), tmp_path / "a.corpus", reader=bare, on_progress=seen.append)
    assert {p.stage for p in seen} == {"calibrating", "encoding"}
    assert [f.suffix for f in (own_cache / "cards").iterdir()] == [".arrow"]
    second = encode(some_rows(30, seed=1), tmp_path / "b.corpus", reader=tiny().reader())
    assert second.spec.fingerprint == first.spec.fingerprint
    assert second.calibration().about["reference"] == "list" and second.calibration().percentile == 75.0
    other = encode(some_rows(30, seed=1), tmp_path / "c.corpus", reader=tiny().reader(), threshold=50)
    assert other.spec.fingerprint != first.spec.fingerprint and other.calibration().percentile == 50
    assert (other.calibration().thresholds < second.calibration().thresholds).mean() > 0.9


def test_the_percentile_of_the_calibration_is_numpys(tmp_path: Path) -> None:
    rows = some_rows(80)
    bare = tiny().reader()
    calibration = encode(rows, tmp_path / "a.corpus", reader=bare, threshold=75).calibration()
    prepared = bare.tokens.prepare([Document("x", r["text"], None, None, {}, 0, "") for r in rows])
    entries = [bare.token_entries(p) for p in prepared]
    feature = np.concatenate([e.feature for e in entries])
    value = np.concatenate([e.value for e in entries])
    checked = 0
    for f in range(len(calibration)):
        values = value[feature == f]
        if len(values) >= 20:
            assert calibration.thresholds[f] == pytest.approx(np.percentile(values, 75), rel=1e-4)
            checked += 1
    assert checked > 20


def test_an_sae_keeps_its_thresholds_beside_a_new_one(tmp_path: Path) -> None:
    first = encode(some_rows(30), tmp_path / "a.corpus", reader=tiny().reader())
    both = encode(some_rows(30, seed=1), tmp_path / "b.corpus", reader=tiny().reader(both=True))
    assert both.calibration(SAE).sha256 == first.calibration().sha256
    assert calibration_path(tiny().reader(), SAE, 75.0, 1).is_file()
    again = encode(some_rows(30, seed=2), tmp_path / "c.corpus", reader=tiny().reader())
    assert again.calibration().sha256 == first.calibration().sha256


def test_a_damaged_calibration_in_the_cache_is_made_again(tmp_path: Path) -> None:
    first = encode(some_rows(30), tmp_path / "a.corpus", reader=tiny().reader())
    path = calibration_path(tiny().reader(), SAE, 75.0, 1)
    path.write_bytes(path.read_bytes()[:1000])
    second = encode(some_rows(30), tmp_path / "b.corpus", reader=tiny().reader())
    assert second.fingerprint == first.fingerprint
    assert Calibration.read(path).sha256 == first.calibration().sha256


def test_min_tokens(tmp_path: Path, reader: Reader) -> None:
    rows = some_rows(30)
    one = encode(rows, tmp_path / "one.corpus", reader=reader)
    two = encode(rows, tmp_path / "two.corpus", reader=reader, min_tokens=2)
    assert two.spec.sae(SAE).min_tokens == 2
    assert (two.calibration(SAE).thresholds == one.calibration(SAE).thresholds).all()
    counts = one.csr("count", SAE).copy()
    counts.data = np.where(counts.data >= 2, counts.data, 0)
    counts.eliminate_zeros()
    assert (two.csr("count", SAE) != counts).nnz == 0
    # the reader that a corpus names keeps what it was made with
    like = Reader.from_spec(two.spec, {t: two.calibration(t) for t in two.saes})
    assert encode(rows, tmp_path / "like.corpus", reader=like).fingerprint == two.fingerprint


def test_threshold_zero_keeps_everything(tmp_path: Path, reader: Reader, own_cache: Path) -> None:
    rows = some_rows(10)
    corpus = encode(rows, tmp_path / "c.corpus", reader=tiny().reader(), threshold=0)
    assert corpus.calibration().percentile is None and not corpus.calibration().thresholds.any()
    # no thresholds are kept for later corpora, only the limit of the model's attention sinks
    kept = [Calibration.read(card) for card in (own_cache / "cards").iterdir()]
    assert [one.percentile for one in kept] == [None] and not kept[0].thresholds.any()
    [prepared] = reader.tokens.prepare([Document("x", rows[0]["text"], None, None, {}, 0, "")])
    expected = set(reader.token_entries(prepared, SAE).feature.tolist())
    assert set(corpus.document(0)["entries"][SAE].feature.tolist()) == expected
    least = encode(rows, tmp_path / "d.corpus", reader=tiny().reader(), threshold=0, min_tokens=3)
    assert 0 < least.csr().nnz < corpus.csr().nnz


@pytest.mark.parametrize(
    "options", [{"threshold": 100}, {"threshold": -1}, {"threshold": float("nan")}, {"min_tokens": 0}]
)
def test_thresholds_out_of_range(options: dict[str, Any], tmp_path: Path, reader: Reader) -> None:
    with pytest.raises(InputError):
        encode(some_rows(5), tmp_path / "c.corpus", reader=reader, **options)
    assert not (tmp_path / "c.corpus").exists()


def test_a_stream_cannot_make_thresholds(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="can be read only once"):
        encode((r for r in some_rows(5)), tmp_path / "c.corpus", reader=tiny().reader())
    assert not (tmp_path / "c.corpus").exists()


def test_a_cache_that_cannot_be_written_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "file"))
    source = open_documents(some_rows(10))
    with pytest.warns(SaetextWarning, match="cannot cache the thresholds .*--reader-of"):
        corpus = encode(source, tmp_path / "c.corpus", reader=tiny().reader())
    assert corpus.n_documents == 10


# ---- estimates and warnings --------------------------------------------------------------------------


def test_an_estimate_is_close_and_writes_nothing(tmp_path: Path, own_cache: Path, reader: Reader) -> None:
    path = write_jsonl(tmp_path / "in.jsonl", some_rows(600, longest=60, empty_every=20))
    before = sorted(tmp_path.rglob("*"))
    found = estimate(open_documents(path), reader)
    assert sorted(tmp_path.rglob("*")) == before
    corpus = encode(path, tmp_path / "c.corpus", reader=reader)
    assert found.exact and found.documents == corpus.n_documents == 570
    assert found.rejects == {"empty text": 30}
    assert found.tokens == pytest.approx(corpus.manifest.counts["tokens"], rel=0.1)
    assert found.bytes == pytest.approx(corpus.sizes()["total"], rel=0.1)
    assert found.seconds > 0 and found.sampled == 256
    bare = estimate(open_documents(path), tiny().reader(both=True))
    assert bare.bytes == pytest.approx(corpus.sizes()["total"], rel=0.2)
    assert not (own_cache / "cards").exists()


@pytest.mark.parametrize("kind", ["file", "list", "stream"])
def test_an_estimate_extrapolates(
    kind: str, tmp_path: Path, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("saetext.encoding.estimate.LOOK_ROWS", 300)
    rows = some_rows(1200)
    path = write_jsonl(tmp_path / "in.jsonl", rows)
    source = {"file": path, "list": rows, "stream": (r for r in rows)}[kind]
    found = estimate(open_documents(source), reader)
    assert not found.exact and found.looked_at == 300
    assert found.documents == pytest.approx(300 if kind == "stream" else 1200, rel=0.2)


def test_an_estimate_needs_a_document(reader: Reader) -> None:
    with pytest.raises(InputError, match="none of the first 3 rows can be read"):
        estimate(open_documents([{"text": ""}] * 3), reader)


def test_warnings(tmp_path: Path, reader: Reader) -> None:
    german = "Die Lampe ging aus, bevor sie die Treppe erreicht hatte, und eine Weile sagte niemand etwas."
    english = "The lamp went out before she had reached the stairs, and for a while nobody said anything."
    some = encode([{"text": english}] * 8 + [{"text": german}] * 2, tmp_path / "a.corpus", reader=reader)
    assert corpus_warnings(some, english_only=True) == [
        f"20% of the documents of {some.path} do not look English, the only language of this reader"
    ]
    assert corpus_warnings(some, english_only=False) == []
    few = encode([{"text": english}] * 19 + [{"text": german}], tmp_path / "b.corpus", reader=reader)
    assert corpus_warnings(few, english_only=True) == []


def test_unknown_tokens_are_warned_of(tmp_path: Path) -> None:
    from tiny_models import HIDDEN, save_model
    from tiny_reader import make_sae

    model = save_model("bert", tmp_path / "bert", num_hidden_layers=1)
    sae = make_sae(tmp_path / "sae", hook="blocks.0.hook_resid_pre", seed=0, d_in=HIDDEN)
    bert = Reader.load_local(sae, model, device="cpu", dtype="float32")
    corpus = encode([{"text": "the fox 🦊 jumps 🦊"}] * 3, tmp_path / "c.corpus", reader=bert)
    [told] = corpus_warnings(corpus, english_only=True)
    assert f"of the tokens of {corpus.path} are unknown to this reader" in told
    assert corpus.document(0)["n_unknown"] == 2
