"""Documents, paths and options that once ended in a traceback, an abort or silence."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import saetext
from saetext.corpus.notices import warn_of
from saetext.documents import Document, open_documents
from saetext.documents.record import Message
from saetext.errors import CorpusError, InputError, ReaderError, SaetextWarning
from saetext.reader import long_texts
from tests.corpus_factory import make_corpus

TABLE = pa.table({"text": ["one", "two"], "zzzz": ["1", "2"]})


def _spoilt(path: Path, kind: str) -> Path:
    """Write a table in which a column's name is not UTF-8."""
    whole = path.with_suffix(".whole")
    if kind == "parquet":
        pq.write_table(TABLE, whole)
    else:
        with pa.OSFile(str(whole), "wb") as file:
            new = pa.ipc.new_file if kind == "arrow" else pa.ipc.new_stream
            with new(file, TABLE.schema) as out:
                out.write_table(TABLE)
    content = whole.read_bytes()
    assert b"zzzz" in content
    path.write_bytes(content.replace(b"zzzz", b"z\xff\xfez"))
    return path


@pytest.mark.parametrize("kind", ["parquet", "arrow", "stream"])
def test_a_name_in_a_schema_that_is_not_utf8_is_told(tmp_path: Path, kind: str) -> None:
    path = _spoilt(tmp_path / f"x.{'arrow' if kind == 'stream' else kind}", kind)
    with pytest.raises(InputError, match="a name in its schema is not UTF-8"):
        list(open_documents(path))


def test_so_it_is_for_a_table_in_memory(tmp_path: Path) -> None:
    with pa.memory_map(str(_spoilt(tmp_path / "x.arrow", "arrow"))) as file, pa.ipc.open_file(file) as read:
        table = read.read_all()
    with pytest.raises(InputError, match="a name in its schema is not UTF-8"):
        open_documents(table)


def test_a_column_without_a_name_can_be_used(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"": "x", "text": "The oven is hot."}))
    corpus = saetext.encode(path, tmp_path / "a.corpus")
    assert corpus.documents.select("unnamed").collect()["unnamed"].to_list() == ["x"]
    assert len(corpus.select("unnamed = 'x'")) == 1


@pytest.mark.parametrize(("begin", "end"), ["[]", ('{"a":', "}")])
def test_a_row_nested_a_hundred_thousand_deep_is_rejected(tmp_path: Path, begin: str, end: str) -> None:
    text = '{"text":"a","x":' + begin * 100_000 + "1" + end * 100_000 + "}"
    path = tmp_path / "deep.jsonl"
    path.write_text(f'{{"text":"one"}}\n{text}\n')
    first, second = open_documents(path)
    assert isinstance(first, Document)
    assert (second.reason, second.detail) == ("malformed line", "nested too deeply")


@pytest.mark.parametrize("number", ["1" + "0" * 399, "9" * 5000, "1e999", "-Infinity", "NaN", "1" + "0" * 30])
@pytest.mark.parametrize("column", ["n", "id"])
def test_any_number_may_be_in_a_document(tmp_path: Path, number: str, column: str) -> None:
    path = tmp_path / "numbers.jsonl"
    path.write_text(f'{{"text":"one","{column}":{number}}}\n')
    (document,) = open_documents(path)
    assert isinstance(document, Document)
    if column == "n" and number[-1].isdigit() and "e" not in number:
        assert document.meta["n"] == number


# ---- where things are --------------------------------------------------------------------------------------


def test_the_cache_of_nobody_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from saetext.io.cache import cache_dir

    monkeypatch.setenv("SAETEXT_CACHE", "~no-such-user/x")
    with pytest.raises(InputError, match=r"cache directory '~no-such-user/x' .* does not know"):
        cache_dir()


def test_a_home_of_nobody_is_no_output_and_no_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from saetext.encoding.encoder import require_free
    from saetext.reader.checkpoint import Checkpoint

    monkeypatch.chdir(tmp_path)
    with pytest.raises(CorpusError, match="~no-such-user/x begins with a user"):
        require_free(Path("~no-such-user/x"))
    with pytest.raises(ReaderError, match="no such user"):
        Checkpoint("~no-such-user/model")
    (tmp_path / "~here").mkdir()
    require_free(Path("~here/x"))
    assert [p.name for p in tmp_path.iterdir()] == ["~here"]


@pytest.mark.parametrize(
    "inside", ["docs/in.corpus", "docs/part-00009.arrow", "cards/x", "features/x/y", "new"]
)
def test_no_corpus_is_made_inside_another(tmp_path: Path, inside: str) -> None:
    from saetext.encoding.encoder import require_free

    outer = make_corpus(tmp_path / "outer")[0].path
    with pytest.raises(CorpusError, match=f"lies inside the corpus {outer}"):
        require_free(outer / inside)


def test_a_directory_with_a_manifest_of_others_is_no_corpus(tmp_path: Path) -> None:
    from saetext.encoding.encoder import require_free

    (tmp_path / "manifest.json").write_text("{}")
    require_free(tmp_path / "data" / "new.corpus")


# ---- pipes and devices -------------------------------------------------------------------------------------


def test_a_pipe_is_read_once_somebody_writes(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(b'{"text":"one"}\n{"text":"two"}\n'))
    writer.start()
    assert [d.text for d in open_documents(pipe) if isinstance(d, Document)] == ["one", "two"]
    writer.join()


def test_a_pipe_nobody_writes_to_is_told_and_ctrl_c_ends_it(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    command = [sys.executable, "-m", "saetext_cli.main", "encode", str(pipe), "-o", str(tmp_path / "x")]
    run = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert run.stderr is not None
    line = run.stderr.readline()
    assert line == f"warning: waiting for texts: nobody has written to the pipe {pipe} yet (Ctrl-C ends it)\n"
    run.send_signal(signal.SIGINT)
    rest = run.communicate(timeout=100)[1]
    assert run.returncode == 130
    assert "saetext: stopped" in rest and "Traceback" not in rest


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/urandom"])
def test_a_device_is_no_file_of_texts(device: str) -> None:
    with pytest.raises(InputError, match=f"{device} is a device"):
        open_documents(device)


# ---- long texts --------------------------------------------------------------------------------------------


def _documents(n: int) -> list[Document]:
    long, turn = "word " * n, Message("assistant", "word " * n)
    return [
        Document("a", long, None, None, {}, 0, "a.jsonl, line 1"),
        Document("b", "short", long, None, {}, 1, "a.jsonl, line 2"),
        Document("c", "", None, (turn, Message("user", "mine"), turn), {}, 2, "a.jsonl, line 3"),
        Document("d", "short", None, None, {}, 3, "a.jsonl, line 4"),
    ]


def test_long_texts_are_cut_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_texts, "LONGEST", 40)
    with pytest.warns(
        SaetextWarning, match=r"a.jsonl, line 1 and 2 more: 500 characters; only the first 40"
    ) as told:
        a, b, c, d = long_texts.shortened(_documents(100))
    assert len(told) == 1
    assert a.text == "word " * 8
    assert (b.text, b.prompt) == ("short", "word " * 8)
    assert c.messages == (Message("assistant", "word " * 8),)
    assert d == _documents(100)[3]


def test_texts_that_are_not_too_long_stay_and_nothing_is_said() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert long_texts.shortened(_documents(100)) == _documents(100)


def test_a_corpus_says_that_texts_of_it_were_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_texts, "LONGEST", 1000)
    with pytest.warns(SaetextWarning, match="1 text of .*c was too long"):
        corpus = saetext.encode([{"text": "The oven is hot. " * 100}, {"text": "Short."}], tmp_path / "c")
    assert corpus.documents.collect()["text"].str.len_chars().to_list() == [1000, 6]
    with pytest.warns(SaetextWarning, match="1 text of .*c was too long"):  # and whenever it is used
        warn_of(saetext.Corpus.open(corpus.path))


# ---- the command line --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "command",
    [
        ["detector", "score", "x" * 5000],
        ["info", "x" * 5000],
        ["diff", "x" * 300, "y" * 300],
        ["encode", "rows.jsonl", "--role", "x" * 5000],
        ["encode", "rows.jsonl", "--id", "x" * 5000],
        ["encode", "x" * 5000],
        ["encode", "rows.jsonl", "-o", "x" * 5000],
    ],
    ids=lambda command: " ".join(word[:20] for word in command),
)
def test_long_names_end_in_one_short_line(
    tmp_path: Path,
    command: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from saetext_cli.main import main

    (tmp_path / "rows.jsonl").write_text('{"text":"one"}\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["saetext", *command])
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("saetext: ")]
    assert len(told) == 1
    assert len(told[0]) < 400
