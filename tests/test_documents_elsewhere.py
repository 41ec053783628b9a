"""Files elsewhere: what they are called here, that no key is shown, and that a changed file is read anew."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.spec import AbstractFileSystem
from test_cli import place, saetext

import saetext as api
from saetext.documents import open_documents
from saetext.documents.remote import local_name
from saetext.encoding.targets import default_output, path_of
from saetext.errors import InputError

__all__ = ["place"]

LINE = b'{"text": "one text that is elsewhere and %d"}\n'
SIGNED = "signed://host/logs/d.jsonl?X-Signature=secret/key#secret"


class Signed(AbstractFileSystem):  # type: ignore[misc]
    """Keeps whole URLs, as that of https does, and tells nothing of a file but its size."""

    protocol = "signed"
    cachable = False
    raw = LINE % 1

    @classmethod
    def _strip_protocol(cls, path: Any) -> Any:
        return path

    def info(self, path: str, **_: Any) -> dict[str, Any]:
        return {"name": path, "size": len(self.raw), "type": "file"}

    def isdir(self, path: str) -> bool:
        return False

    def _open(self, path: str, mode: str = "rb", **_: Any) -> Any:
        return io.BytesIO(self.raw)


fsspec.register_implementation("signed", Signed, clobber=True)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        (SIGNED, "d.jsonl"),
        ("https://me:secret@host/a/d.jsonl", "d.jsonl"),
        ("https://me:secret@host/?key=secret", "host"),
        ("hf://datasets/owner/name/", "name"),
        ("bucket/a#1?.jsonl", "a_1_.jsonl"),
        ("s3://bucket/..", "file"),
    ],
)
def test_what_a_file_elsewhere_is_called_here(url: str, name: str) -> None:
    assert local_name(url) == name


def test_a_signed_link_is_read_and_its_key_is_not_shown(place: Path) -> None:
    source = open_documents(SIGNED)
    assert [d.text for d in source] == ["one text that is elsewhere and 1"]  # type: ignore[union-attr]
    assert "secret" not in str((source.name, source.notices, source.identity()))
    done = saetext("encode", SIGNED, "-r", "embedded")
    assert done.code == 0 and Path("d.jsonl.corpus").is_dir(), done.err
    assert "secret" not in done.out + done.err
    for command in (["encode", SIGNED, "x.jsonl", "-o", "a.corpus"], ["diff", SIGNED, SIGNED]):
        refused = saetext(*command)
        assert refused.code == 1 and "secret" not in refused.out + refused.err
    with pytest.raises(InputError, match="encode what is elsewhere first") as caught:
        api.diff(SIGNED, SIGNED)
    assert "secret" not in str(caught.value)


def test_from_python_a_url_is_called_as_on_the_command_line(place: Path) -> None:
    (place / "in").mkdir()
    (place / "in" / "e.jsonl").write_bytes(LINE % 2)
    url = f"file://{place}/in/e.jsonl"
    assert path_of(url) is None and default_output(url) == Path("e.jsonl.corpus")
    assert api.encode(url).n_documents == 1
    assert {path.name for path in place.iterdir()} >= {"e.jsonl.corpus"} and not Path("file:").exists()


@pytest.mark.parametrize("url", [SIGNED, "memory://changed/d.jsonl"])
def test_a_file_that_has_changed_is_read_anew(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in (4, 5):
        monkeypatch.setattr(Signed, "raw", LINE % number)
        fsspec.filesystem("memory").pipe("/changed/d.jsonl", LINE % number)
        [found] = open_documents(url)
        assert found.text.endswith(f"and {number}")  # type: ignore[union-attr]


def test_files_whose_names_become_one_are_both_read() -> None:
    for mark in "!$":
        fsspec.filesystem("memory").pipe(f"/alike/a{mark}.jsonl", LINE % ord(mark))
    assert len(list(open_documents("memory://alike"))) == 2
