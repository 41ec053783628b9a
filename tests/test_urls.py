"""URLs of files elsewhere: what is one, what is shown of it, and what is refused before anything is asked."""

from __future__ import annotations

from pathlib import Path, PureWindowsPath

import pytest

from saetext.encoding.opening import short_names
from saetext.errors import InputError
from saetext.io.store import Store
from saetext.io.urls import shown_url, url_of


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("s3://AKIA:abc@bucket/a@b.parquet", "s3://bucket/a@b.parquet"),
        ("s3://AKIA:abc/def@bucket/x", "s3://bucket/x"),
        ("see S3://AKIA:abc?def#g/h@bucket/x now", "see S3://bucket/x now"),
        ("abfs://container:ab/cd==@account/x", "abfs://account/x"),
        ("gs://bucket/x?key=secret", "gs://bucket/x"),
        ("https://host:8080/a@b", "https://host:8080/a@b"),
        ("https://me:p?w@host/a", "https://host/a"),
    ],
)
def test_keys_are_not_shown(url: str, shown: str) -> None:
    assert shown_url(url) == shown


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("s3://AKIA:abc/def@bucket/x", "write / in a key as %2F"),
        ("s3://AKIA:abc?def@bucket/x", "write / in a key as %2F"),
        ("gs://AKIA:abc/def@bucket", "write / in a key as %2F"),
        ("abfs://:abc/def@account", "write / in a key as %2F"),
        ("abfs://container:12/abc@account", "write / in a key as %2F"),
        ("s3://bucket/run#2", "write # in a name as %23"),
        ("s3://bucket/part-?.jsonl", "write ? in a name as %3F"),
        ("s3://bucket/part?abc-key", "unknown in its query: what follows"),
        ("s3://bucket/part?verbose=1", "unknown in its query: verbose"),
        ("file:///here/part-?.jsonl", "write ? in a name as %3F"),
        ("gs://anonymous@bucket/part-?.jsonl", r"\.jsonl"),
    ],
)
def test_what_would_be_cut_off_is_refused_and_no_key_is_repeated(url: str, says: str) -> None:
    with pytest.raises(InputError, match=says.replace("?", r"\?")) as caught:
        Store.open(url)
    assert not [key for key in ("AKIA", "abc", "def") if key in str(caught.value)]


@pytest.mark.parametrize("name", ["my shelf é", "my%20shelf%20%C3%A9"])
def test_a_space_and_an_accent_may_be_typed_as_they_are(name: str, tmp_path: Path) -> None:
    (tmp_path / "my shelf é").mkdir()
    (tmp_path / "my shelf é" / "a+b [1].bin").write_bytes(b"some bytes")
    store = Store.open(f"file://{tmp_path.as_posix()}/{name}")
    assert set(store.files()) == {"a+b [1].bin"} and store.read("a+b [1].bin", 10) == b"some bytes"


def test_a_url_that_windows_took_for_a_path_is_one() -> None:
    assert url_of(PureWindowsPath("s3://bucket/a.corpus")) == "s3://bucket/a.corpus"
    assert url_of(PureWindowsPath("C:\\texts\\a.corpus")) is None


def test_names_of_corpora_elsewhere_hold_no_key() -> None:
    urls = [Path(f"s3://KEY:hidden@bucket/{part}/a.corpus?region=hidden") for part in "xy"]
    assert short_names(urls) == ["s3://bucket/x/a.corpus", "s3://bucket/y/a.corpus"]
    assert short_names([Path("s3://KEY:hidden@bucket/a?region=hidden"), Path("b.jsonl")]) == ["a", "b"]
    versions = [Path("x/vicuna-7b-v1.3.jsonl"), Path("y/vicuna-7b-v1.5.jsonl.gz.corpus")]
    assert short_names(versions) == ["vicuna-7b-v1.3", "vicuna-7b-v1.5"], "a dot in a name is no ending"
