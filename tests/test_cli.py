"""The command line as a stranger uses it: what goes where, exit codes, bad input of every kind."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import typer
from chat_server import chat_server
from saetext_cli import common, meters
from saetext_cli.main import app, main
from scipy import sparse
from tiny_models import HIDDEN
from tiny_reader import OTHER_SAE, SAE, contents, make_sae, some_rows, tiny, write_jsonl

from saetext.corpus import Corpus
from saetext.io.progress import Progress

ROOT = Path(__file__).parents[1]
COMMANDS = [
    "demo", "read", "show", "info", "encode", "finish", "append", "merge", "compact", "pull", "push",
    "calibrate", "export", "upgrade",
    "diff", "correlate", "cluster", "search", "check", "steer", "attribute", "expression", "ablate", "shift",
    "bias", "why", "attend", "explore", "index", "readers", "model", "features", "detector", "label", "mcp",
    "train",
]  # fmt: skip


@dataclass(frozen=True)
class Run:
    code: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The message of a command that the data or the request failed: its one and last line."""
        assert self.code == 1, self
        assert self.out == "" and "Traceback" not in self.err
        last = self.err.splitlines()[-1]
        assert (
            last.startswith("saetext: ") and sum("saetext: " in line for line in self.err.splitlines()) == 1
        )
        return last.removeprefix("saetext: ")


def saetext(*arguments: object, stdin: bytes = b"") -> Run:
    """Run a command in this process."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    before = signal.getsignal(signal.SIGINT)
    code = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["saetext", *map(str, arguments)])
        patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8"))
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main()
            except SystemExit as end:
                code = int(end.code or 0)
            finally:
                signal.signal(signal.SIGINT, before)
    return Run(code, *(stream.buffer.getvalue().decode() for stream in (out, err)))  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory of its own, a cache beside it, a window of 100 columns."""
    home = tmp_path / "work"
    home.mkdir()
    monkeypatch.chdir(home)
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "100")
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.fixture
def corpora(place: Path) -> tuple[str, str]:
    """a.corpus and b.corpus, comparable, of 40 documents that pair on prompt_id."""
    write_jsonl(place / "a.jsonl", some_rows(40))
    write_jsonl(place / "b.jsonl", some_rows(40, seed=1))
    for name in "ab":
        assert saetext("encode", f"{name}.jsonl", *tiny().options, "-o", f"{name}.corpus").code == 0
    return "a.corpus", "b.corpus"


# ---- help --------------------------------------------------------------------------------------------


def test_the_commands_are_these() -> None:
    assert sorted(typer.main.get_command(app).commands) == sorted(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example_that_parses(command: str) -> None:
    shown = saetext(command, "--help")
    assert shown.code == 0 and shown.err == ""
    assert saetext(command, "-h").out == shown.out
    text = " ".join(shown.out.split())
    assert f"Usage: saetext {command}" in text
    [example] = re.findall(rf"Examples?: (saetext {command} .*)", text)
    assert len(example) > len(f"saetext {command} ")
    for option in re.findall(r" (--[a-z-]+)", example):
        assert option in text.replace(example, "")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_documented(command: str) -> None:
    made = "reference.md"  # from the commands themselves
    texts = [ROOT / "README.md", *(p for p in sorted((ROOT / "docs").glob("*.md")) if p.name != made)]
    assert any(f"saetext {command}" in path.read_text("utf-8") for path in texts)


def test_no_command_shows_help_and_version_is_known() -> None:
    assert "saetext demo" in saetext("--help").out
    assert saetext().code == 2  # usage
    assert re.fullmatch(r"saetext \d+\.\d+\.\d+\n", saetext("--version").out)


@pytest.mark.parametrize(
    ("code", "left_out"),
    [
        (
            "sys.argv = ['saetext', '--help']",
            ["torch", "polars", "pyarrow", "numpy", "transformers", "scipy"],
        ),
        ("sys.argv = ['saetext', 'info', 'a.corpus']", ["torch", "transformers", "scipy", "sae_lens"]),
        ("sys.argv = ['saetext', 'show', 'a.corpus', 'd1']", ["torch", "transformers", "sae_lens"]),
    ],
)
def test_what_a_command_does_not_need_is_not_imported(
    code: str, left_out: list[str], corpora: tuple[str, str]
) -> None:
    program = (
        f"import sys; {code}\nfrom saetext_cli.main import main\n"
        "try: main()\nexcept SystemExit as end: assert not end.code\n"
        f"print('\\nimported:', [name for name in {left_out} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.endswith("imported: []\n"), done


# ---- encode ------------------------------------------------------------------------------------------


def test_encode_prints_what_was_guessed_and_done(place: Path) -> None:
    rows = some_rows(20, empty_every=5)
    write_jsonl(place / "my answers é.jsonl", [{**row, "prompt": "why?"} for row in rows])
    done = saetext("encode", "my answers é.jsonl", *tiny().options)
    assert done.code == 0 and done.out == ""
    guessed, such, alone, few, made, rejected, summary = done.err.splitlines()
    assert such.startswith("  such as '")
    assert guessed == (
        "my answers é.jsonl: text from 'text' (guessed), prompt from 'prompt' (guessed), "
        "ids from 'id' (guessed)"
    )
    assert alone == "sae has no chat template: it reads each text alone and stores the prompt with it"
    tokens = Corpus.open("my answers é.jsonl.corpus").manifest.counts["tokens"]
    assert made == (
        f"sae had no thresholds: computed from {tokens} tokens of 16 documents of my answers é.jsonl, "
        "and cached for later corpora"
    )
    assert few.startswith("warning: ") and f"thresholds from only {tokens} tokens" in few
    assert re.fullmatch(
        rf"my answers é\.jsonl\.corpus: 16 documents, {tokens} tokens in \d:\d\d, \d+ kB "
        r"\(\d+\.\d\d kB per 100 tokens\)",
        summary,
    )
    assert rejected == "warning: 4 rows rejected (4 empty text); see my answers é.jsonl.corpus/rejects.jsonl"
    again = saetext("encode", "my answers é.jsonl", *tiny().options, "-o", "again.corpus")
    assert "had no thresholds" not in again.err and "no chat template" in again.err


def test_a_second_corpus_is_comparable_and_reader_of_is_the_same(corpora: tuple[str, str]) -> None:
    a, b = map(Corpus.open, corpora)
    assert a.spec.fingerprint == b.spec.fingerprint
    shutil.rmtree(os.environ["SAETEXT_CACHE"])  # the corpus alone says how to read
    assert saetext("encode", "b.jsonl", "--reader-of", "a.corpus", "-o", "c.corpus").code == 0
    assert Corpus.open("c.corpus").fingerprint == b.fingerprint
    for option in (["--threshold", "0"], ["--min-tokens", "2"]):
        refused = saetext("encode", "b.jsonl", "--reader-of", "a.corpus", "-o", "d.corpus", *option)
        assert refused.code == 2 and not Path("d.corpus").exists()


def test_a_reader_that_has_moved_is_named_anew(place: Path) -> None:
    shutil.copytree(tiny().sae, "here")
    shutil.copytree(tiny().model, "model")
    write_jsonl(place / "a.jsonl", some_rows(10))
    moved = ["--reader", "there", "--model", "elsewhere"]
    assert saetext("encode", "a.jsonl", "--reader", "here", "--model", "model", "-o", "a.corpus").code == 0
    Path("here").rename("there")
    Path("model").rename("elsewhere")
    assert "here" in saetext("encode", "a.jsonl", "--reader-of", "a.corpus", "-o", "b.corpus").error
    assert saetext("encode", "a.jsonl", "--reader-of", "a.corpus", *moved, "-o", "b.corpus").code == 0
    assert saetext("append", "a.corpus", "a.jsonl", "--id", "", *moved).code == 0
    assert saetext("diff", "a.corpus", "b.corpus").code == 0
    other = ["--reader", tiny().other_sae, "--model", "elsewhere"]
    assert "no calibration of" in saetext("append", "b.corpus", "a.jsonl", "--id", "", *other).error
    make_sae(place / "third", hook=SAE, seed=5)
    third = ["--reader", "third", "--model", "elsewhere"]
    assert "has changed; it differs in" in saetext("append", "b.corpus", "a.jsonl", "--id", "", *third).error


def test_two_saes_in_one_pass(place: Path) -> None:
    write_jsonl(place / "a.jsonl", some_rows(30))
    write_jsonl(place / "b.jsonl", some_rows(30, seed=1))
    both = [*tiny().options, "--reader", tiny().other_sae]
    for name in "ab":
        assert saetext("encode", f"{name}.jsonl", *both, "-o", f"{name}.corpus").code == 0
    assert Corpus.open("a.corpus").saes == (SAE, OTHER_SAE)
    assert (
        saetext("show", "a.corpus", "d3").error == f"several SAEs, choose one with --sae: {SAE}, {OTHER_SAE}"
    )
    assert saetext("diff", "a.corpus", "b.corpus").error.startswith("several SAEs, choose one with --sae")
    assert "no SAE named 'x'" in saetext("diff", "a.corpus", "b.corpus", "--sae", "x").error
    found = json.loads(saetext("diff", "a.corpus", "b.corpus", "--sae", OTHER_SAE, "--json").out)
    assert found["params"]["sae"] == OTHER_SAE
    shown = json.loads(saetext("show", "a.corpus", "d3", "--sae", OTHER_SAE, "--json").out)
    assert shown["rows"] and max(row["feature"] for row in shown["rows"]) < 48
    alone = saetext("encode", "a.jsonl", *tiny().options, "-o", "alone.corpus")
    assert alone.code == 0 and "had no thresholds" not in alone.err
    assert saetext("diff", "a.corpus", "alone.corpus", "--sae", SAE).code == 0


def test_no_text_is_said_where_a_text_would_be(place: Path, corpora: tuple[str, str]) -> None:
    assert saetext("encode", "a.jsonl", *tiny().options, "--no-text", "-o", "bare.corpus").code == 0
    assert saetext("show", "bare.corpus", "d1").error == (
        "bare.corpus was encoded with --no-text: there is no text to show"
    )
    shown = saetext("diff", "bare.corpus", "b.corpus")
    assert shown.code == 0
    assert "the texts of bare (bare.corpus) are not stored" in " ".join(shown.out.split())
    rows = json.loads(saetext("diff", "bare.corpus", "b.corpus", "--json").out)["rows"]
    assert {row["snippet_a"] for row in rows} == {None} and any(row["snippet_b"] for row in rows)
    assert "not stored" in saetext("info", "bare.corpus").out


def test_thresholds_by_option(corpora: tuple[str, str]) -> None:
    size = Corpus.open("a.corpus").csr().nnz
    for name, option in [("zero", "0"), ("low", "50")]:
        assert (
            saetext("encode", "a.jsonl", *tiny().options, "--threshold", option, "-o", f"{name}.corpus").code
            == 0
        )
    assert Corpus.open("zero.corpus").csr().nnz > Corpus.open("low.corpus").csr().nnz > size
    assert "these corpora were made by different readers" in saetext("diff", "a.corpus", "low.corpus").error
    done = saetext("encode", "a.jsonl", *tiny().options, "--min-tokens", "2", "-o", "two.corpus")
    assert done.code == 0 and "had no thresholds" not in done.err
    assert Corpus.open("two.corpus").csr().nnz < size
    assert saetext("encode", "b.jsonl", "--reader-of", "two.corpus", "-o", "b2.corpus").code == 0
    assert saetext("diff", "two.corpus", "b2.corpus").code == 0


def test_stdin(corpora: tuple[str, str], place: Path) -> None:
    lines = (place / "a.jsonl").read_bytes()
    done = saetext("encode", "-", *tiny().options, "-o", "piped.corpus", "--id", "id", stdin=lines)
    assert done.code == 0 and done.out == ""
    assert Corpus.open("piped.corpus").fingerprint == Corpus.open("a.corpus").fingerprint
    zipped = saetext(
        "encode", "-", *tiny().options, "-o", "zip.corpus", "--id", "id", stdin=gzip.compress(lines)
    )
    assert zipped.code == 0
    assert "name the corpus with --output" in saetext("encode", "-", *tiny().options, stdin=lines).error
    floorless = saetext("encode", "-", *tiny().options, "--threshold", "60", "-o", "x.corpus", stdin=lines)
    assert "standard input can be read only once" in floorless.error and not Path("x.corpus").exists()


def test_columns_by_option(place: Path) -> None:
    rows = [{"key": f"k{i}", "ask": "why?", "say": "the fox jumps", "n": i} for i in range(5)]
    pl.DataFrame(rows).write_csv("t.csv")
    named = ["--text-column", "say", "--prompt-column", "ask", "--id", "key"]
    done = saetext("encode", "t.csv", *tiny().options, "--threshold", "0", *named)
    assert done.err.startswith("t.csv: text from 'say', prompt from 'ask', ids from 'key'\n")
    document = Corpus.open("t.csv.corpus").document("k3")
    assert (document["text"], document["prompt"], document["meta"]) == ("the fox jumps", "why?", {"n": 3})
    chat = [{"messages": [{"role": "user", "content": "a fox"}, {"role": "assistant", "content": "a dog"}]}]
    write_jsonl(place / "chat.jsonl", chat)
    for role, text in [("assistant", "a dog"), ("user", "a fox"), ("all", "a fox\n\na dog")]:
        target = f"{role}.corpus"
        assert (
            saetext(
                "encode", "chat.jsonl", *tiny().options, "--threshold", "0", "--role", role, "-o", target
            ).code
            == 0
        )
        assert Corpus.open(target).document(0)["text"] == text


# ---- dry run and progress ----------------------------------------------------------------------------


def test_dry_run_estimates_and_writes_nothing(corpora: tuple[str, str], place: Path, tmp_path: Path) -> None:
    write_jsonl(place / "in.jsonl", some_rows(500, longest=60, empty_every=10))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    done = saetext("encode", "in.jsonl", *tiny().options, "--dry-run")
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    found = re.fullmatch(
        r"450 documents, about ([\d,]+) tokens, a few seconds at [\d,]+ tokens/s, "
        r"about ([\d,.]+) (MB|kB) on disk \(from a sample of 256 documents\)\n",
        done.out,
    )
    assert found, done
    assert "50 rows rejected (50 empty text) of the first 500" in done.err
    assert saetext("encode", "in.jsonl", *tiny().options).code == 0
    corpus = Corpus.open("in.jsonl.corpus")
    assert int(found[1].replace(",", "")) == pytest.approx(corpus.manifest.counts["tokens"], rel=0.1)
    size = float(found[2].replace(",", "")) * (1e6 if found[3] == "MB" else 1e3)
    assert size == pytest.approx(corpus.sizes()["total"], rel=0.15)
    assert saetext("encode", "in.jsonl", *tiny().options, "--dry-run").code == 0  # also beside a finished one


def test_a_bar_on_a_terminal_and_none_in_a_log(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_jsonl(place / "in.jsonl", some_rows(60))
    quiet = saetext("encode", "in.jsonl", *tiny().options, "-o", "quiet.corpus")
    assert "\x1b" not in quiet.err and "━" not in quiet.err
    monkeypatch.setenv("FORCE_COLOR", "1")
    shown = saetext("encode", "in.jsonl", *tiny().options, "-o", "shown.corpus", "--shard-rows", "10")
    assert shown.code == 0 and shown.out == ""
    assert "encoding" in shown.err and "100 %" in shown.err and "60 documents" in shown.err
    assert shown.err.endswith("kB per 100 tokens)\n")


def test_figures_and_clock() -> None:
    p = Progress("encoding", documents=1024, tokens=53_100, share=0.336, seconds=10.0, left=130.2)
    assert meters.figures(p) == "34 %, 1,024 documents, 5,310 tokens/s, 2:10 left"
    assert meters.figures(Progress("encoding")) == ""
    assert [meters.clock(s) for s in (0, 59.6, 3599.4, 3661)] == ["0:00", "1:00", "59:59", "1:01:01"]
    assert [meters.duration(s) for s in (3, 42, 300, 12_000)] == [
        "a few seconds",
        "about 40 s",
        "about 5 min",
        "about 3 h 20 min",
    ]


def test_a_log_gets_a_line_every_half_minute(capsys: pytest.CaptureFixture[str]) -> None:
    with meters.progress_bar() as show:
        for second in range(0, 100, 5):
            show(Progress("encoding", documents=second, resumed=20, tokens=second, seconds=float(second)))
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "going on after the 20 documents that an earlier run has finished"
    assert [line.split(",")[0] for line in lines[1:]] == [
        "encoding: 30 documents",
        "encoding: 60 documents",
        "encoding: 90 documents",
    ]


# ---- append, calibrate, export, upgrade --------------------------------------------------------------


def test_append(corpora: tuple[str, str], place: Path) -> None:
    write_jsonl(place / "more.jsonl", [{"text": "the fox", "id": "new"}, {"text": "a dog", "id": "d3"}])
    done = saetext("append", "a.corpus", "more.jsonl", "--id", "id")
    assert done.code == 0 and done.out == ""
    assert "a.corpus: 41 documents (1 added)" in done.err
    assert "1 row rejected (1 duplicate id); see a.corpus/rejects.jsonl" in done.err
    assert Corpus.open("a.corpus").document("new")["text"] == "the fox"
    assert saetext("info", "a.corpus", "--verify").code == 0
    assert (
        saetext("append", "b.corpus", "a.corpus").error
        == "a.corpus is a corpus already; expected a file of texts"
    )
    assert saetext("append", "nothing.corpus", "more.jsonl").error == "nothing.corpus does not exist"


def test_calibrate_makes_the_thresholds_that_encode_uses(place: Path) -> None:
    write_jsonl(place / "reference.jsonl", some_rows(1000, seed=8))
    write_jsonl(place / "a.jsonl", some_rows(20))
    done = saetext("calibrate", tiny().sae, "reference.jsonl", "--model", tiny().model)
    assert done.code == 0
    assert Path(done.out.rstrip("\n")).is_file()
    assert re.search(
        rf"{SAE}: thresholds of 64 features at the 75th percentile, from [\d,]+ tokens; L0 [\d.]+", done.err
    )
    assert "warning" not in done.err  # enough tokens
    made = saetext("encode", "a.jsonl", *tiny().options)
    assert "had no thresholds" not in made.err
    assert Corpus.open("a.jsonl.corpus").calibration().about["reference"] == "reference.jsonl"
    assert "from 0 to below 100" in saetext(
        "calibrate", tiny().sae, "reference.jsonl", "--model", tiny().model, "--percentile", "100"
    ).error  # fmt: skip
    (place / "file").write_text("")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAETEXT_CACHE", str(place / "file"))
        refused = saetext("calibrate", tiny().sae, "a.jsonl", "--model", tiny().model)
    assert "set SAETEXT_CACHE to a directory that can be written to" in refused.error


def test_read_uses_the_thresholds_once_there_are_some(corpora: tuple[str, str]) -> None:
    rows = json.loads(saetext("read", "the fox jumps", *tiny().options, "--json").out)["rows"]
    thresholds = Corpus.open("a.corpus").calibration().thresholds
    assert rows and all(row["value"] > thresholds[row["feature"]] for row in rows)
    assert not all(row["label"].startswith("feature ") for row in rows)
    piped = saetext("read", "-", *tiny().options, "--json", stdin=b"the fox jumps")
    assert json.loads(piped.out)["rows"] == rows
    assert saetext("read", "  ", *tiny().options).error == "there is no text to read"


def test_export(corpora: tuple[str, str]) -> None:
    corpus = Corpus.open("a.corpus")
    done = saetext("export", "a.corpus", "-o", "m.npz", "--pooling", "binary")
    assert done.code == 0 and done.out == ""
    assert re.fullmatch(r"wrote m\.npz: 40 documents, \d+ kB\n", done.err)
    assert (sparse.load_npz("m.npz") != corpus.csr("binary")).nnz == 0
    assert np.load("m.npz")["ids"].tolist() == corpus.ids.to_pylist()
    assert saetext("export", "a.corpus", "-o", "half.parquet", "--where", "topic = 'a'").code == 0
    assert set(pl.read_parquet("half.parquet")["topic"]) == {"a"}
    assert saetext("export", "a.corpus", "-o", "data", "--format", "arrow").code == 0
    assert "exists already" in saetext("export", "a.corpus", "-o", "m.npz").error
    told = saetext("export", "a.corpus", "-o", "m.csv").error
    assert "name it with --format (npz, parquet, arrow, " in told
    assert "choose one of max, mean" in saetext("export", "a.corpus", "-o", "n.npz", "--pooling", "x").error
    assert not Path("n.npz").exists() and not Path("m.csv").exists()


def test_upgrade(corpora: tuple[str, str]) -> None:
    assert saetext("upgrade", "a.corpus") == Run(0, "a.corpus has the layout 1.1, the newest there is\n", "")
    assert saetext("upgrade", "none.corpus").error == "none.corpus does not exist"


# ---- diff --------------------------------------------------------------------------------------------

ROW_KEYS = [
    "feature", "label", "rate_a", "rate_b", "diff", "ci_low", "ci_high", "p", "q", "snippet_a", "snippet_b"
]  # fmt: skip


def test_diff_as_json_csv_and_parquet(corpora: tuple[str, str]) -> None:
    done = saetext(
        "diff", *corpora, "--pair-on", "prompt_id", "--top", "7", "--json", "--parquet", "d.parquet"
    )
    assert done.code == 0 and done.err == "wrote d.parquet\n"
    found = json.loads(done.out)
    assert list(found) == ["kind", "params", "metrics", "findings", "rows"] and found["kind"] == "diff"
    assert len(found["findings"]) <= 7 == len(found["rows"]) and set(ROW_KEYS) <= set(found["rows"][0])
    assert found["params"]["pair_on"] == "prompt_id" and found["params"]["seed"] == 0
    table = list(csv.DictReader(io.StringIO(saetext("diff", *corpora, "--top", "7", "--csv").out)))
    assert [int(row["feature"]) for row in table] == [row["feature"] for row in found["rows"]]
    assert pl.read_parquet("d.parquet")["feature"].to_list() == [row["feature"] for row in found["rows"]]
    every = json.loads(saetext("diff", *corpora, "--top", "0", "--json").out)
    assert len(every["rows"]) == every["metrics"]["tested"] > 20


def test_diff_writes_a_report(corpora: tuple[str, str]) -> None:
    done = saetext("diff", *corpora, "--html", "réport 1.html", "--null", "2", "--top", "5")
    assert done.code == 0 and "wrote réport 1.html" in done.err and "shuffled 2 times" in done.out
    page = Path("réport 1.html").read_text("utf-8")
    assert "How a and b differ" in page and "default-src 'none'" in page
    assert "exists already" in saetext("diff", *corpora, "--html", "réport 1.html").error
    several = saetext(
        "diff", "a.corpus", "--by", "topic", "--html", "sets.html", "--json", "--families", "features"
    )
    assert several.code == 0 and json.loads(several.out)["kind"] == "diff"  # topic has two values
    three = saetext("diff", "a.corpus", "--by", "prompt_id=1,2,3", "--html", "three.html")
    assert three.code == 0 and three.out.startswith("3 sets, ")
    assert "How 3 sets differ" in Path("three.html").read_text("utf-8")


def test_diff_asks_a_model_only_if_something_is_confirmed(corpora: tuple[str, str]) -> None:
    with chat_server(lambda user, n: '{"holds": true}') as server:
        asked = ["--llm", "--base-url", server.url, "--model", "tiny", "--judged", "5"]
        asked += ["--families", "features"]
        done = saetext("diff", *corpora, *asked)
        assert done.code == 0 and "requests" in done.err and "no hypotheses were asked for" in done.out
        assert not server.requests
        found = json.loads(saetext("diff", *corpora, *asked, "--json").out)
        assert found["metrics"]["judge"]["documents"] == [5, 5] and found["metrics"]["compared_a"] == 35


def test_diff_by_a_column_and_where(corpora: tuple[str, str]) -> None:
    by = json.loads(saetext("diff", "a.corpus", "--by", "topic=b,a", "--json").out)
    assert (by["params"]["a"], by["params"]["b"]) == ("b", "a")
    assert by["metrics"]["documents_a"] == 20 and by["metrics"]["pairs"] is None
    where = json.loads(saetext("diff", *corpora, "--where", "prompt_id < 30", "--json").out)
    assert where["metrics"]["pairs"] == 30 and where["params"]["where"] == "prompt_id < 30"
    assert (
        "no document of a.corpus has topic = 'z'" in saetext("diff", *corpora, "--where", "topic = 'z'").error
    )


def test_diff_of_data_files_encodes_them_beside_and_reuses_that(
    corpora: tuple[str, str], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in corpora:
        Path(name).rename(f"{name[0]}.jsonl.corpus")  # what `encode` would have called them
    extra = {path: (path / "manifest.json").read_bytes() for path in place.glob("*.corpus")}
    reused = saetext("diff", "a.jsonl", "b.jsonl", "--json")
    assert reused.code == 0
    *using, pairing = reused.err.splitlines()
    assert using == ["a.jsonl: using a.jsonl.corpus", "b.jsonl: using b.jsonl.corpus"]
    assert re.match(r"note: each \w+ occurs once per set, so rows with the same", pairing)
    assert json.loads(reused.out)["params"]["a"] == "a"
    assert {path: (path / "manifest.json").read_bytes() for path in extra} == extra
    assert "a.jsonl.corpus was encoded with the text from 'text'" in saetext(
        "diff", "a.jsonl", "b.jsonl", "--text-column", "topic"
    ).error  # fmt: skip
    write_jsonl(place / "a.jsonl", some_rows(40, seed=2))
    changed = saetext("diff", "a.jsonl", "b.jsonl")
    assert "a.jsonl has changed since a.jsonl.corpus was made from it: remove" in changed.error

    def embedded(*_: Any, **__: Any) -> Any:
        return tiny().reader()

    monkeypatch.setattr("saetext_cli.making.load_reader", embedded)
    shutil.rmtree("a.jsonl.corpus")
    fresh = saetext("diff", "a.jsonl", "b.jsonl", "--json")
    assert fresh.code == 0 and json.loads(fresh.out)["rows"]
    assert Corpus.open("a.jsonl.corpus").n_documents == 40


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
def test_what_is_printed_fits_the_window(
    columns: int, corpora: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    for command in (["diff", *corpora], ["show", "a.corpus", "d1"], ["info", "a.corpus"],
                    ["read", "the fox jumps", *tiny().options]):  # fmt: skip
        done = saetext(*command)
        assert done.code == 0
        lines = done.out.splitlines()
        assert len(lines) > 5 and max(map(len, lines)) <= columns
        assert all(line == line.rstrip() for line in lines)


def test_info(corpora: tuple[str, str]) -> None:
    text = saetext("info", "a.corpus", "--verify")
    assert text.code == 0 and "documents:    40\n" in text.out
    assert re.fullmatch(r"all \d+ files are intact\n", text.err)
    assert "intact     a.corpus/docs/part-00000.arrow\n" in text.out
    facts = json.loads(saetext("info", "a.corpus", "--json").out)
    assert facts["documents"] == 40 and facts["columns"]["topic"] == "String"
    part = Path("a.corpus/docs/part-00000.arrow")
    data = bytearray(part.read_bytes())
    data[len(data) // 2] ^= 1
    part.write_bytes(data)
    damaged = saetext("info", "a.corpus", "--verify")
    assert damaged.code == 1 and "part-00000.arrow is damaged" in damaged.err.splitlines()[-1]


def test_show(corpora: tuple[str, str]) -> None:
    shown = saetext("show", "a.corpus", "d7", "--top", "3")
    assert shown.out.startswith("d7: ") and "topic b" in shown.out
    assert len(json.loads(saetext("show", "a.corpus", "d7", "--top", "3", "--json").out)["rows"]) == 3
    assert "has no document 'd77'; did you mean 'd7'" in saetext("show", "a.corpus", "d77").error


# ---- readers -----------------------------------------------------------------------------------------


def test_readers() -> None:
    every = saetext("readers")
    assert every.code == 0 and re.match(r"[\d,]+ readers in \d+ releases", every.err)
    assert every.out.splitlines()[0].split() == ["release", "model", "SAEs"]
    assert any(line.split() == ["gpt2-small-res-jb", "gpt2-small", "13"] for line in every.out.splitlines())
    found = json.loads(saetext("readers", "GPT2-small-res-jb/", "hook_resid_pre", "--json").out)
    assert found["kind"] == "readers" and len(found["rows"]) == 12
    assert found["rows"][8] == {
        "reader": "gpt2-small-res-jb/blocks.8.hook_resid_pre",
        "model": "gpt2-small",
        "hook": "blocks.8.hook_resid_pre",
        "width": None,
        "release": "gpt2-small-res-jb",
    }
    some = saetext("readers", "gemma-scope-2b-pt-res-canonical", "layer_12/")
    assert "gemma-scope-2b-pt-res-canonical/layer_12/width_65k/canonical" in some.out
    line = next(line for line in some.out.splitlines() if "width_65k" in line)
    assert line.split()[1:] == ["gemma-2-2b", "layer", "12", "65k"]
    assert saetext("readers", "embedded", "minilm").out.splitlines()[1].startswith("embedded ")
    assert "temporal" not in saetext("readers", "temporal").out
    nothing = saetext("readers", "no-such-thing")
    assert (nothing.code, nothing.out) == (0, "") and "'no-such-thing'" in nothing.err


# ---- bad input ---------------------------------------------------------------------------------------

# name -> (what makes the files, arguments, what the message says)
Maker = Callable[[Path], object]


def make_nothing(place: Path) -> None:
    pass


def truncated_gzip(place: Path) -> None:
    (place / "x.jsonl.gz").write_bytes(gzip.compress((place / "a.jsonl").read_bytes())[:-50])


def schema_two(place: Path) -> None:
    shutil.copytree("a.corpus", "new.corpus")
    manifest = json.loads(Path("new.corpus/manifest.json").read_text())
    Path("new.corpus/manifest.json").write_text(json.dumps({**manifest, "schema": "2.0"}))


def interrupted(place: Path) -> None:
    shutil.copytree("a.corpus", "half.corpus")
    Path("half.corpus/manifest.json").unlink()


def pickled_sae(place: Path) -> None:
    import torch

    make_sae(place / "pickled", hook="blocks.1.hook_resid_pre", seed=0)
    (place / "pickled" / "sae_weights.safetensors").unlink()
    torch.save({"W_enc": torch.zeros(HIDDEN, 64)}, place / "pickled" / "sae_weights.pt")


def pickled_model(place: Path) -> None:
    shutil.copytree(tiny().model, "model")
    Path("model/model.safetensors").rename("model/pytorch_model.bin")


def wide_sae(place: Path) -> None:
    make_sae(place / "wide", hook="blocks.1.hook_resid_pre", seed=0, d_in=48)


def other_reader(place: Path) -> None:
    options = ["--reader", tiny().other_sae, "--model", tiny().model]
    assert saetext("encode", "a.jsonl", *options, "-o", "other.corpus").code == 0


def text(name: str, content: str) -> Maker:
    return lambda place: (place / name).write_text(content)


ENCODE = ["encode", "{file}", "--reader", "{sae}", "--model", "{model}", "-o", "x.corpus"]


def encoding(file: str, *more: str) -> list[str]:
    return [argument.replace("{file}", file) for argument in ENCODE] + list(more)


BAD: dict[str, tuple[Maker, list[str], str]] = {
    "no file": (make_nothing, encoding("none.jsonl"), "no such file: none.jsonl"),
    "empty file": (text("x.jsonl", ""), encoding("x.jsonl"), "x.jsonl is empty"),
    "blank lines": (text("x.jsonl", "\n\n"), encoding("x.jsonl"), "x.jsonl has no rows"),
    "no JSON": (
        text("x.jsonl", "hello\nworld\n"),
        encoding("x.jsonl"),
        "none of the first 2 lines can be read",
    ),
    "wrong column": (
        make_nothing,
        encoding("a.jsonl", "--text-column", "txt"),
        "no column 'txt' in its first 40 rows; did you mean 'text'? "
        "(columns: 'id', 'text', 'prompt_id', 'topic')",
    ),
    "only rejects": (
        text("x.jsonl", '{"text": ""}\n{"text": null}\n{"text": 5}\n'),
        encoding("x.jsonl"),
        "x.jsonl has no document that can be read: 3 rows rejected (1 empty text, 1 not text, 1 null text)",
    ),
    "truncated gzip": (truncated_gzip, encoding("x.jsonl.gz"), "x.jsonl.gz cannot be read to its end"),
    "unknown format": (text("x.doc", "hello"), encoding("x.doc"), "cannot tell the format of x.doc"),
    "a directory": (
        lambda place: (place / "empty").mkdir(),
        encoding("empty"),
        "is a directory, but no saved Hugging Face dataset",
    ),
    "a corpus for a file": (
        make_nothing,
        encoding("a.corpus"),
        "a.corpus is a corpus already; expected a file",
    ),
    "unknown role": (make_nothing, encoding("a.jsonl", "--role", "robot"), "role 'robot' is unknown"),
    "unknown device": (make_nothing, encoding("a.jsonl", "--device", "tpu"), "unknown device 'tpu'"),
    "unknown dtype": (make_nothing, encoding("a.jsonl", "--dtype", "int4"), "unknown dtype 'int4'"),
    "threshold": (
        make_nothing,
        encoding("a.jsonl", "--threshold", "100"),
        "a percentile from 0 to below 100, not 100",
    ),
    "no such reader": (
        make_nothing,
        ["encode", "a.jsonl", "--reader", "nonesuch", "-o", "x.corpus"],
        "no reader called 'nonesuch'",
    ),
    "no such model directory": (
        make_nothing,
        ["encode", "a.jsonl", "--reader", "{sae}", "--model", "./nowhere", "-o", "x.corpus"],
        "there is no model directory './nowhere'",
    ),
    "no such release": (
        make_nothing,
        ["encode", "a.jsonl", "--reader", "gpt2-small-res-jbb/blocks.1.hook_resid_pre", "-o", "x.corpus"],
        "sae-lens has no release 'gpt2-small-res-jbb'; closest: gpt2-small-res-jb",
    ),
    "SAE of another model": (
        wide_sae,
        ["encode", "a.jsonl", "--reader", "wide", "--model", "{model}", "-o", "x.corpus"],
        "reads 48 values at blocks.1.hook_resid_pre, but model has 32 there",
    ),
    "pickled SAE": (
        pickled_sae,
        ["encode", "a.jsonl", "--reader", "pickled", "--model", "{model}", "-o", "x.corpus"],
        "only pickled weights (sae_weights.pt), which can run code",
    ),
    "pickled model": (
        pickled_model,
        ["encode", "a.jsonl", "--reader", "{sae}", "--model", "model", "-o", "x.corpus"],
        "has only pickled weights (pytorch_model.bin), which can run code",
    ),
    "workers without an engine": (
        make_nothing,
        encoding("a.jsonl", "--workers", "2"),
        "workers would change nothing: no workers are asked for; add --engine processes or --engine ray",
    ),
    "a cluster without Ray": (
        make_nothing,
        encoding("a.jsonl", "--engine", "processes", "--address", "auto"),
        "address would change nothing: processes are of this machine; for a cluster say --engine ray",
    ),
    "more GPUs than there are": (
        make_nothing,
        encoding("a.jsonl", "--engine", "processes", "--gpus", "99", "--workers", "2"),
        "a worker is to have 99 GPUs, and this machine has ",
    ),
    "output is a file": (
        text("x.corpus", ""),
        encoding("a.jsonl"),
        "x.corpus is a file; choose another path",
    ),
    "output below a file": (
        make_nothing,
        ["encode", "a.jsonl", "--reader", "{sae}", "--model", "{model}", "-o", "b.jsonl/x.corpus"],
        "b.jsonl is a file; choose another path",
    ),
    "output holds other things": (
        make_nothing,
        ["encode", "a.jsonl", "--reader", "{sae}", "--model", "{model}", "-o", "."],
        ". is not a corpus and not empty",
    ),
    "output is finished": (
        make_nothing,
        ["encode", "a.jsonl", "--reader", "{sae}", "--model", "{model}", "-o", "b.corpus"],
        "b.corpus is a finished corpus already: add to it with 'saetext append'",
    ),
    "info of nothing": (make_nothing, ["info", "none.corpus"], "none.corpus does not exist"),
    "info of a file": (make_nothing, ["info", "a.jsonl"], "a.jsonl is a file, not a corpus"),
    "info of a directory": (make_nothing, ["info", "."], ". is not a corpus: it has no manifest.json"),
    "another schema": (
        schema_two,
        ["info", "new.corpus"],
        "new.corpus has schema 2.0 and this saetext reads up to",
    ),
    "diff of nothing": (make_nothing, ["diff", "a.corpus", "none"], "none: no such corpus or file"),
    "diff of an unfinished one": (
        interrupted,
        ["diff", "a.corpus", "half.corpus"],
        "half.corpus is unfinished; run the same encode command again",
    ),
    "different readers": (
        other_reader,
        ["diff", "a.corpus", "other.corpus"],
        "these corpora were made by different readers: ",
    ),
    "wrong pair column": (
        make_nothing,
        ["diff", "a.corpus", "b.corpus", "--pair-on", "prompt"],
        "no prompt of a occurs in b, so no rows pair",
    ),
    "no pair column": (
        make_nothing,
        ["diff", "a.corpus", "b.corpus", "--pair-on", "x"],
        "no column 'x' in a",
    ),
    "pairs and groups": (
        make_nothing,
        ["diff", "a.corpus", "b.corpus", "--pair-on", "topic", "--group", "topic"],
        "rows either pair on a column or stay together in groups; choose one",
    ),
    "no such control": (
        make_nothing,
        ["diff", "a.corpus", "b.corpus", "--control", "x"],
        "no column 'x' in a",
    ),
    "no endpoint": (
        make_nothing,
        ["diff", "a.corpus", "b.corpus", "--llm"],
        "hypotheses by a language model need an endpoint",
    ),
    "unknown by": (make_nothing, ["diff", "a.corpus", "--by", "x=1,2"], "no column 'x' in a.corpus"),
    "unknown value": (
        make_nothing,
        ["diff", "a.corpus", "--by", "topic=a,z"],
        "no document has topic = 'z'; it has: a (20), b (20)",
    ),
    "where that is no condition": (
        make_nothing,
        ["diff", "a.corpus", "b.corpus", "--where", "topic = = 'a'"],
        "cannot understand the condition",
    ),
    "where with a wrong column": (
        make_nothing,
        ["diff", "a.corpus", "b.corpus", "--where", "topics = 'a'"],
        "no column 'topics'; the columns are: row, id, text",
    ),
    "parquet that exists": (
        text("p.parquet", ""),
        ["diff", "a.corpus", "b.corpus", "--parquet", "p.parquet"],
        "p.parquet exists already",
    ),
    "parquet nowhere": (
        make_nothing,
        ["diff", "a.corpus", "b.corpus", "--parquet", "no/p.parquet"],
        "cannot write no/p.parquet: there is no directory no",
    ),
    "demo into a file": (make_nothing, ["demo", "-o", "a.jsonl"], "cannot write a.jsonl: File exists"),
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with a.jsonl, b.jsonl and their corpora, to be copied."""
    root = tmp_path_factory.mktemp("prepared")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("SAETEXT_CACHE", str(root / "cache"))
        for seed, name in enumerate("ab"):
            write_jsonl(root / f"{name}.jsonl", some_rows(40, seed=seed))
            assert saetext("encode", f"{name}.jsonl", *tiny().options, "-o", f"{name}.corpus").code == 0
    return root


@pytest.mark.parametrize("kind", BAD)
def test_bad_input_is_one_line_and_leaves_nothing(kind: str, prepared: Path, place: Path) -> None:
    make, arguments, message = BAD[kind]
    for path in prepared.iterdir():
        (shutil.copytree if path.is_dir() else shutil.copy2)(path, place / path.name)  # type: ignore[operator]
    make(place)
    before = everything(place)
    filled = [
        a.format(sae=tiny().sae, model=tiny().model) if a in ("{sae}", "{model}") else a for a in arguments
    ]
    assert message in saetext(*filled).error
    assert everything(place) == before


def everything(place: Path) -> dict[str, bytes | None]:
    files = {str(p): p.read_bytes() if p.is_file() else None for p in sorted(place.rglob("*"))}
    return {name: data for name, data in files.items() if not name.endswith((".lock", "file-hashes.json"))}


def test_a_file_of_mixed_types_and_one_huge_line(place: Path) -> None:
    lines = ['{"text": "the fox", "n": 1}', '{"text": 5}', "[1]", "no", '{"text": "a dog", "n": "two"}']
    lines.append(json.dumps({"text": "the lazy dog " * 20_000, "n": None}))
    (place / "mixed.jsonl").write_text("\n".join(lines))
    done = saetext("encode", "mixed.jsonl", *tiny().options, "--threshold", "0")
    assert done.code == 0 and "3 rows rejected (2 malformed line, 1 not text)" in done.err
    corpus = Corpus.open("mixed.jsonl.corpus")
    assert corpus.ids.to_pylist() == ["0", "4", "5"]
    assert corpus.documents.select("n").collect()["n"].to_list() == ["1", "two", None]
    assert corpus.n_tokens[2] > 100_000
    shown = saetext("show", "mixed.jsonl.corpus", "5")
    assert shown.code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["frobnicate"],
        ["encode"],
        ["encode", "a.jsonl", "--nope"],
        ["encode", "a.jsonl", "--shard-rows", "0"],
        ["encode", "a.jsonl", "--threshold", "high"],
        ["encode", "a.jsonl", "--engine", "spark"],
        ["encode", "a.jsonl", "--engine", "processes", "--workers", "0"],
        ["encode", "a.jsonl", "--engine", "processes", "--slice", "0/2"],
        ["encode", "a.jsonl", "--engine", "ray", "--prepare"],
        ["encode", "a.jsonl", "--min-tokens", "0"],
        ["diff", "a.corpus"],
        ["diff", "a.corpus", "b.corpus", "c.corpus", "--null", "3"],
        ["diff", "a.corpus", "b.corpus", "--by", "topic=a,b"],
        ["diff", "a.corpus", "b.corpus", "--json", "--csv"],
        ["diff", "a.corpus", "--by", "prompt_id=1,2,3", "--against", "median"],
        ["read"],
        ["export", "a.corpus"],
        ["read", "the fox", "--model", "gpt2"],
    ],
)
def test_wrong_usage_exits_2(arguments: list[str], place: Path) -> None:
    done = saetext(*arguments)
    assert done.code == 2 and done.out == "" and "Traceback" not in done.err
    assert "Usage: saetext" in done.err and list(place.iterdir()) == []


# a command that writes down which hosts it looks up or calls and what it sleeps
WATCHED = """
import sys, time
waits = open("waits", "w")
def watch(event, given):
    if event in ("socket.getaddrinfo", "socket.connect"):
        print(event, *given, file=waits, flush=True)
sys.addaudithook(watch)
sleep = time.sleep
def sleeping(seconds):
    print("sleep", seconds, file=waits, flush=True)
    sleep(seconds)
time.sleep = sleeping
from saetext_cli.main import main
main()
"""


@pytest.mark.slow
def test_a_model_that_is_not_there_while_offline_fails_fast(prepared: Path, place: Path) -> None:
    shutil.copy2(prepared / "a.jsonl", place)
    command = [sys.executable, "-c", WATCHED, "encode", "a.jsonl", "--reader", str(tiny().sae)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(place / "hf"), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    waits = (place / "waits").read_text().splitlines()
    assert not [line for line in waits if line.startswith("socket")]
    assert sum(float(line.split()[1]) for line in waits) < 1, waits
    message = Run(done.returncode, done.stdout, done.stderr).error
    assert message.startswith("no/such-model is not in the local Hugging Face cache")
    assert not (place / "a.jsonl.corpus").exists()


def test_a_full_disk_is_one_line(prepared: Path, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy2(prepared / "a.jsonl", place)
    shutil.copytree(prepared / "cache", os.environ["SAETEXT_CACHE"])
    command = ["encode", "a.jsonl", *tiny().options, "--shard-rows", "10"]
    calls = 0

    def full(handle: int) -> None:
        nonlocal calls
        calls += 1
        if calls > 25:
            raise OSError(28, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", full)
        message = saetext(*command).error
    assert message == (
        "cannot write a.jsonl.corpus: No space left on device; free space and run the same command again"
    )
    assert Path("a.jsonl.corpus/journal").stat().st_size > 0
    done = saetext(*command)
    assert done.code == 0 and "documents that an earlier run has finished" in done.err
    assert saetext("encode", "a.jsonl", *tiny().options, "--shard-rows", "10", "-o", "whole.corpus").code == 0
    assert contents(place / "a.jsonl.corpus") == contents(place / "whole.corpus")


# ---- pipes -------------------------------------------------------------------------------------------


def test_a_reader_of_the_output_that_goes_away_is_no_error(corpora: tuple[str, str]) -> None:
    program = "from saetext_cli.main import main; main()"
    command = [sys.executable, "-c", program, "diff", *corpora, "--top", "0", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()  # as `| head -1` does, before anything was written
    assert b"Error" not in (told := process.stderr.read()) and told.count(b"\n") == 1, told
    assert process.wait() == 0


class Broken(io.StringIO):
    """A stream on which nothing can be written."""

    def __init__(self, error: OSError) -> None:
        super().__init__()
        self.error = error

    def write(self, text: str) -> int:
        raise self.error


def test_a_terminal_that_lacks_characters(corpora: tuple[str, str]) -> None:
    def printed(encoding: str, *arguments: str) -> bytes:
        command = [sys.executable, "-m", "saetext_cli.main", *arguments]
        environment = {**os.environ, "PYTHONIOENCODING": encoding}
        return subprocess.run(command, env=environment, capture_output=True, check=True).stdout

    assert printed("ascii", "diff", *corpora).isascii()
    write_jsonl(Path("c.jsonl"), [{"id": "日", "text": "the café fox 日本"}])
    assert saetext("encode", "c.jsonl", *tiny().options, "-o", "c.corpus").code == 0
    shown = json.loads(printed("latin-1", "show", "c.corpus", "日", "--json"))  # data is UTF-8 all the same
    assert shown["text"] == "the café fox 日本"


def test_streams_that_break() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stderr", Broken(BrokenPipeError()))
        common.note("nobody reads this")
        common.note("nor this")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", Broken(OSError(28, "No space left on device")))
        with pytest.raises(common.InputError, match="cannot write the result to standard output: No space"):
            common.result("x")
