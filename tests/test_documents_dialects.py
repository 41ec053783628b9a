"""Backslashes in delimited text, and turns that stand in another order than they were written in."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from saetext.documents import Document, open_documents

TEXTS = [
    'He said "no, no" and left the room',
    "The folder is C:\\",
    "\\",
    'It ends in a quotation mark after one: \\"',
    "Two lines\nof \\\\server\\share, and a \\ alone",
]


@pytest.mark.parametrize("sloppy", [False, True])
def test_backslashes_that_escape_are_read_as_they_were_written(sloppy: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    expected = [text for text in TEXTS if not sloppy or '\\"' not in text and not text.endswith("\\")]
    with path.open("w", newline="") as file:
        if not sloppy:  # an independent writer
            writer = csv.writer(file, doublequote=False, escapechar="\\", quoting=csv.QUOTE_ALL)
            writer.writerows([["id", "text", "n"], *([n, text, 5] for n, text in enumerate(expected))])
        else:  # of those that escape quotation marks alone
            expected = [*expected[:1], "C:\\temp\\new is a folder with \\n and \\, in it"]
            quoted = (text.replace('"', '\\"') for text in expected)
            file.write("id,text,n\n" + "".join(f'{n},"{text}",5\n' for n, text in enumerate(quoted)))
    source = open_documents(path, text="text")
    assert 'quotation marks in fields are written as \\"' in source.notices
    found = [(d.id, d.text, d.meta["n"]) for d in source if isinstance(d, Document)]
    assert found == [(str(n), text, 5) for n, text in enumerate(expected)]
