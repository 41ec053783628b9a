"""A compacted corpus is what one encode with larger shards would have been, its features bit by bit."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_reader import contents, ready_reader, some_rows

from saetext.corpus import Corpus, compacting
from saetext.corpus.compacting import compact
from saetext.corpus.rows import ENTRY_COLUMNS, PooledRows
from saetext.encoding.encoder import append, encode
from saetext.errors import CorpusError, InputError, ShardCorruptError
from saetext.io.progress import Progress
from saetext.reader.reader import Reader


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def reader() -> Reader:
    return ready_reader()


def files(corpus: Corpus) -> dict[str, bytes]:
    """Return the bytes of documents, thresholds and rejects."""
    found = contents(corpus.path)
    return {name: data for name, data in found.items() if name.startswith(("docs/", "cards/", "rejects"))}


def same_features(one: Corpus, other: Corpus) -> bool:
    """Return whether each document has the same entries, all of their columns."""
    for sae in one.saes:
        a, b = (PooledRows.concatenate(list(corpus.rows(sae))) for corpus in (one, other))
        if any((getattr(a, name) != getattr(b, name)).any() for name in ("indptr", *ENTRY_COLUMNS)):
            return False
    return True


@pytest.mark.parametrize(("small", "large"), [(1, 4), (3, 6), (5, 100), (7, 7)])
def test_it_has_the_bytes_of_one_encode(tmp_path: Path, reader: Reader, small: int, large: int) -> None:
    rows = some_rows(23, empty_every=5)
    many = encode(rows, tmp_path / "many.corpus", reader=reader, shard_rows=small, text="text")
    few = encode(rows, tmp_path / "few.corpus", reader=reader, shard_rows=large, text="text")
    (many.path / "labels.parquet").write_bytes(b"go along")
    seen: list[Progress] = []
    made = compact(many, tmp_path / "é made.corpus", shard_rows=large, on_progress=seen.append)
    assert same_features(made, many) and seen[-1].share == 1
    assert (made.path / "labels.parquet").read_bytes() == b"go along"
    (made.path / "labels.parquet").unlink()
    assert files(made) == files(few) and made.manifest.counts == few.manifest.counts
    assert [s.stats for s in made.manifest.shards] == [s.stats for s in few.manifest.shards]
    made.verify()
    again = compact(made.path, tmp_path / "again.corpus", shard_rows=large)
    assert again.fingerprint == made.fingerprint
    grown = append([{"id": "zz", "text": "fox"}], made.path, reader=reader)
    assert grown.n_documents == many.n_documents + 1


@given(st.lists(st.integers(1, 5), min_size=1, max_size=5), st.integers(1, 9), st.booleans())
@settings(max_examples=8, deadline=None)
def test_daily_appends_are_joined(
    tmp_path_factory: pytest.TempPathFactory, reader: Reader, days: list[int], large: int, texts: bool
) -> None:
    home = tmp_path_factory.mktemp("days")
    metas: list[dict[str, Any]] = [{"n": 1}, {"n": 2.5, "day": "b"}, {"day": None}, {"flag": True, "n": 3}]
    rows = [{**row, **metas[i % 4]} for i, row in enumerate(some_rows(sum(days), seed=3, empty_every=4))]
    rows[0]["text"] = "the quick fox"
    corpus: Corpus | None = None
    for day, n in enumerate(days):
        part, rows = rows[:n], rows[n:]
        part[0]["text"] = "fox"
        options: dict[str, Any] = {"reader": reader, "text": "text", "shard_rows": 2}
        if corpus is None:
            corpus = encode(part, home / "c.corpus", store_text=texts, **options)
        else:
            corpus = append(part, home / "c.corpus", **options)
    assert corpus is not None
    made = compact(corpus, home / "made.corpus", shard_rows=large)
    assert made.to_polars().equals(corpus.to_polars()) and made.ids.equals(corpus.ids)
    assert same_features(made, corpus)
    assert made.manifest.counts["rejects"] == corpus.manifest.counts["rejects"]
    assert len(made.manifest.shards) <= len(corpus.manifest.shards)
    sizes = [shard.input_rows for shard in made.manifest.shards]
    assert all(a + b > min(large, 2) for a, b in itertools.pairwise(sizes))
    made.verify()


def test_shards_stay_small_enough_to_read(
    tmp_path: Path, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = encode(some_rows(20), tmp_path / "many.corpus", reader=reader, shard_rows=2, text="text")
    monkeypatch.setattr(compacting, "SHARD_CHARACTERS", 400)
    made = compact(many, tmp_path / "made.corpus")
    longest = [len("".join(t["text"] or "" for t in map(dict, made.documents.collect().to_dicts())))]
    assert longest[0] > 400 and 1 < len(made.manifest.shards) < 10


def test_what_is_refused(tmp_path: Path, reader: Reader) -> None:
    many = encode(some_rows(6), tmp_path / "many.corpus", reader=reader, shard_rows=2, text="text")
    for corpus, target, rows, says in (
        (many, tmp_path / "many.corpus", 5, "exists already"),
        (many, tmp_path / "many.corpus" / "in", 5, "lies inside the corpus"),
        (many.select("topic = 'a'"), tmp_path / "x", 5, "only a whole one"),
        (many, tmp_path / "x", 0, "goes from 1 to"),
        (many, tmp_path / "x", 10**30, "goes from 1 to"),
        (many, Path("s3://bucket/x"), 5, "is elsewhere"),
    ):
        with pytest.raises((CorpusError, InputError), match=says):
            compact(corpus, target, shard_rows=rows)
    docs = many.path / "docs" / "part-00001.arrow"
    docs.write_bytes(docs.read_bytes()[:-9] + b"?" * 9)
    with pytest.raises(ShardCorruptError, match="part-00001"):
        compact(many.path, tmp_path / "x")
    assert not (tmp_path / "x").exists()
