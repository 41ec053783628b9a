"""Hostile names and texts through every command and channel: nothing but visible characters is printed.

The payloads (``hostile.py``) stand in columns, values, ids, texts, prompts, paths, labels, queries,
conditions, names of sets, models, detectors, URLs and options.
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from conftest import MadeOnce
from forked_command import forked_command
from hostile import ALL, NAME, PAYLOADS, harmful, on_pty, saetext
from saetext_cli.commands import commands
from tiny_gguf import bare, text
from tiny_reader import some_rows

from saetext.features.labels import FeatureLabel, FeatureLabels

FOLDER = f"dir {NAME}"
#: What stands in each value: all payloads in some, one in each of others.
SPOTS = [ALL, *PAYLOADS.values()]


def hostile_rows(n: int, seed: int) -> list[dict[str, Any]]:
    """Return rows in which every name and every value is hostile; the texts differ a little between seeds."""
    rows = []
    for i, row in enumerate(some_rows(n, seed=seed, longest=20)):
        spot = SPOTS[i % len(SPOTS)]
        rows.append(
            {
                "id": f"{i} {spot}",
                "text": f"{row['text']} {spot} sorry {'perhaps we could try' if (i + seed) % 2 else 'no'}",
                "prompt": f"say {spot}",
                "key": f"{i} {spot}",
                f"set {ALL}": f"{'left' if i % 2 else 'right'} {ALL}",
                f"number {ALL}": float(i % 5),
            }
        )
    return rows


@pytest.fixture(scope="module")
def hostile(made_once: MadeOnce) -> Path:
    """Two corpora and their files in a directory with a hostile name, labels, detectors and queries."""

    def fill(home: Path) -> None:
        folder = home / FOLDER
        folder.mkdir()
        for seed, name in enumerate("ab"):
            path = folder / f"{name}{NAME}.jsonl"
            path.write_text("".join(f"{json.dumps(row)}\n" for row in hostile_rows(26, seed)))
            done = saetext("encode", path, "-o", folder / f"{name}.corpus")
            assert done.code == 0, done
            assert not harmful(done.out + done.err)
        labels = [
            FeatureLabel(feature=f, label=f"sorry {SPOTS[f % len(SPOTS)]}", description=ALL, source="manual")
            for f in range(400)
        ]
        FeatureLabels.from_rows(labels, {}).write(folder / f"labels {NAME}.parquet")
        pl.DataFrame({"feature": [1, 2], f"{ALL}": ["x", "y"]}).write_csv(folder / "no labels.csv")
        pl.DataFrame({"feature": [1, 2], "label": [ALL, NAME]}).write_csv(folder / "labels.csv")

    return made_once("hostile corpora", fill) / FOLDER


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def runs(at: Path) -> Iterator[tuple[str, list[object], int]]:
    """Yield a name, the arguments and the exit code of each command that is tried."""
    a, b = at / "a.corpus", at / "b.corpus"
    file = next(at.glob("a?*.jsonl"))
    labels = ["--labels", next(at.glob("labels ?*.parquet"))]
    first = f"0 {ALL}"
    foreign = Path(f"g{NAME}.gguf")
    foreign.write_bytes(bare(text("general.architecture"), struct.pack("<I", 8), text(ALL), fields=1))
    column, number = f"set {ALL}", f"number {ALL}"
    # results
    yield "info", ["info", a], 0
    yield "info json", ["info", a, "--json"], 0
    yield "show", ["show", a, first, *labels], 0
    yield "show json", ["show", a, first, *labels, "--json"], 0
    yield "read", ["read", f"sorry {ALL}", *labels], 0
    yield "read json", ["read", f"sorry {ALL}", *labels, "--json"], 0
    quick = ["--families", "features"]
    yield "diff", ["diff", a, b, *labels, "--parquet", f"p{NAME}"], 0
    yield "diff csv", ["diff", a, b, *labels, *quick, "--csv"], 0
    yield "diff by json", ["diff", a, "--by", column, *labels, *quick, "--json"], 0
    yield "correlate", ["correlate", a, *labels, "--top", "5"], 0
    for kind in ([], ["--json"], ["--csv"]):
        yield f"correlate with {kind}", ["correlate", a, "--with", number, *labels, *kind], 0
        yield f"search {kind}", ["search", a, "--features", "12:1.5,88", *labels, *kind], 0
    for kind in ([], ["--json"], ["--csv"], ["--csv", "--raw-csv"]):
        yield f"features {kind}", ["features", a, "sorry", "--lexical", *labels, *kind], 0
    yield "search query", ["search", a, f"sorry {NAME}", *labels, "--explain"], 0
    yield "search like", ["search", a, "--like", first, "--save-query", f"q{NAME}.json", *labels], 0
    yield "feature", ["features", a, "--show", "5", "--peaks", *labels], 0
    yield "feature json", ["features", a, "--show", "5", "--peaks", *labels, "--json"], 0
    yield "feature page", ["features", a, "--show", "5", "--peaks", *labels, "--html", f"f{NAME}.html"], 0
    yield "table", ["features", a, "--table", f"t{NAME}.csv", *labels], 0
    yield "tokens", ["features", a, "--over", a, *labels], 0
    yield "tokens csv", ["features", a, "--over", file, *labels, "-o", f"v{NAME}.csv", "--csv"], 0
    yield "detectors", ["detector", "list"], 0
    yield "score json", ["detector", "score", a, "--json"], 0
    yield "score", ["detector", "score", a, "-o", f"s{NAME}.csv"], 0
    rule = ["--words", "sorry", "--max-rise", "100", "--max-fall", "100"]
    files = ["--junit", f"j{NAME}", "--markdown", f"m{NAME}"]
    yield "check", ["check", a, "--against", b, *labels, *rule, *files], 0
    yield "check json", ["check", a, "--against", b, *labels, *rule, "--json"], 0
    yield "baseline", ["check", a, "--write-baseline", f"b{NAME}"], 0
    yield "label", ["label", a, "--from", at / "labels.csv", "-o", f"l{NAME}.parquet"], 0
    yield "label words", ["label", a, "--method", "words", "--features", "5,9", "-o", f"w{NAME}"], 0
    yield "export", ["export", a, "-o", f"e{NAME}.parquet"], 0
    yield "upgrade", ["upgrade", a], 0
    yield "encode dry", ["encode", file, "--dry-run"], 0
    yield "encode", ["encode", file, "-o", f"c{NAME}.corpus"], 0
    yield "readers", ["readers", ALL], 0
    yield "readers json", ["readers", ALL, "--json"], 0
    yield "models", ["model", "list"], 0
    yield "compact", ["compact", a, "-o", f"few{NAME}.corpus"], 0
    yield "rejects", ["encode", file, "--id", column, "-o", "rejects.corpus"], 0
    # errors of data and requests
    for name, command in {
        "no column": ["encode", file, "--text-column", ALL, "-o", "x"],
        "no file": ["encode", NAME, "-o", "x"],
        "again": ["encode", file, "-o", a],
        "reader": ["encode", file, "-r", ALL, "-o", "x"],
        "served": ["mcp", ALL],
        "explored": ["explore", NAME],
        "explorer's host": ["explore", a, "--host", ALL],
        "clusters": ["export", a, "-o", "x.parquet", "--format", "atlas", "--clusters", ALL],
        "source": ["export", a, "-o", "x", "--format", "neuronpedia", "--as", ALL],
        "model": ["encode", file, "-r", at, "--model", ALL, "-o", "x"],
        "role": ["encode", file, "--role", ALL, "-o", "x"],
        "format": ["encode", file, "--format", ALL, "-o", "x"],
        "device": ["encode", file, "--device", ALL, "-o", "x"],
        "slice": ["encode", file, "-o", "x", "--slice", ALL],
        "finish": ["finish", NAME],
        "finish status": ["finish", at / NAME, "--status"],
        "merge": ["merge", a, NAME, "-o", "x"],
        "pull": ["pull", f"file://{at}/{NAME}", "x"],
        "push": ["push", NAME, f"file://{at}/x"],
        "append": ["append", a, NAME],
        "append to": ["append", NAME, file],
        "no document": ["show", a, ALL],
        "no corpus": ["info", at / NAME],
        "no SAE": ["show", a, first, "--sae", ALL],
        "no labels": ["show", a, first, "--labels", NAME],
        "where": ["export", a, "-o", "x.npz", "--where", f"{ALL} = 3"],
        "where column": ["export", a, "-o", "x.npz", "--where", f'"{ALL}" = 3'],
        "where sum": ["export", a, "-o", "x.npz", "--where", f"n_tokens > '{ALL}"],
        "export name": ["export", a, "-o", f"x{NAME}"],
        "export pooling": ["export", a, "-o", "x.npz", "--pooling", ALL],
        "by": ["diff", a, "--by", ALL],
        "by value": ["diff", a, "--by", f"{column}=left,{ALL}"],
        "pair": ["diff", a, b, "--pair-on", ALL],
        "with": ["correlate", a, "--with", ALL],
        "within": ["correlate", a, "--within", ALL],
        "truth": ["cluster", a, "--truth", ALL],
        "predict": ["cluster", a, "--predict", at / "a.corpus"],
        "like": ["search", a, "--like", ALL],
        "similar": ["search", a, "--similar", ALL],
        "query": ["search", a, "--query", at / "labels.csv"],
        "detector": ["search", a, "--detector", ALL],
        "use": ["detector", "score", a, "--use", file],
        "make": ["detector", "make", ALL, "--like", a, "--unlike", at / NAME, "-o", "x"],
        "check detector": ["check", a, "--against", b, "--detector", ALL, "--max-rise", "2"],
        "check rules": ["check", a, "--against", b, "--rules", NAME],
        "check against": ["check", a, "--against", NAME, "--words", ALL, "--max-rise", "2"],
        "label from": ["label", a, "--from", at / "no labels.csv", "-o", "x"],
        "url": ["label", a, "--method", "llm", "--base-url", ALL, "--model", ALL, "-o", "x"],
        "calibrate": ["calibrate", ALL, file],
        "train": ["train", file, "-o", "x", "--model", ALL, "--layer", "1"],
        "no GGUF file": ["model", "add", NAME],
        "GGUF file": ["model", "add", foreign],
        "GGUF name": ["model", "add", foreign, "--name", ALL],
        "no model": ["model", "remove", ALL],
        "index": ["index", NAME],
        "steer": ["steer", ALL, ALL, "-f", "1"],
        "steer feature": ["steer", "nowhere", "x", "-f", ALL],
        "steer shift": ["steer", "nowhere", "x", "--shift", ALL, "--group", ALL],
        "steer SAE": ["steer", "nowhere", "x", "--sae", ALL, "-f", "1"],
        "attribute": ["attribute", ALL, ALL, "--metric", 'logit("a")', "--sae", ALL],
        "attribute metric": ["attribute", "nowhere", "x", "--metric", ALL],
        "expression": ["expression", ALL],
        "ablate": ["ablate", ALL, ALL, "-f", "1"],
        "ablate features": ["ablate", "nowhere", file, "-f", f"{ALL}:3"],
        "ablate topic": ["ablate", "nowhere", file, "-f", "1", "--by", ALL],
        "shift": ["shift", "fit", ALL, ALL, "--by", ALL],
        "shift eval": ["shift", "eval", ALL, ALL, "--shift", ALL],
        "attend": ["attend", ALL, ALL],
        "bias": ["bias", ALL, "--find", "--sae", ALL],
        "bias suite": ["bias", "nowhere", "--find", "--suite", ALL],
        "bias features": ["bias", "nowhere", "--features", ALL],
        "why": ["why", ALL, "--model", ALL],
        "why prompts": ["why", file, "--model", ALL, "--system-a", ALL],
        "upgrade": ["upgrade", NAME],
    }.items():
        yield name, command, 1
    # errors of usage
    yield "no command", [ALL], 2
    yield "no option", ["info", f"--{ALL}"], 2
    yield "number", ["search", a, "x", *labels, "--top", ALL], 2
    yield "choice", ["search", a, "x", *labels, "--mode", ALL], 2
    yield (
        "key",
        ["label", a, "--score", "--base-url", "http://127.0.0.1:1", "--model", "x", "--api-key-env", ALL],
        2,
    )
    yield "action", ["detector", ALL], 2
    yield "numbers", ["label", a, "--method", "words", "--features", ALL], 2
    yield "attend layers", ["attend", "nowhere", "x", "--layers", ALL], 2
    yield "prefixes", ["train", file, "-o", "x", "--prefixes", ALL], 2


def test_nothing_that_acts_on_a_terminal_is_printed(hostile: Path) -> None:
    tried = set()
    wrong = {}
    for name, command, code in runs(hostile):
        arguments = [str(argument) for argument in command]
        done = saetext(*arguments)
        tried.add(command[0])
        raw = "--raw-csv" in command  # into a pipe: as it was asked for
        found = harmful("" if raw else done.out) | harmful(done.err)
        assert not raw or PAYLOADS["colour"] in done.out
        if found or done.code != code or max(map(len, done.err.splitlines()), default=0) > 520:
            wrong[name] = (done.code, found, done.err[-700:])
        if code == 1 and sum(line.startswith("saetext: ") for line in done.err.splitlines()) != 1:
            wrong[name] = ("lines", done.err)
        if "--json" in command and done.code == 0:
            json.loads(done.out)
    assert not wrong
    assert tried >= set(commands()) - {"demo"}


def for_people(at: Path) -> Iterator[tuple[str, list[str], int]]:
    """Yield those commands whose result is for a person."""
    for name, command, code in runs(at):
        if not {"--json", "--csv"} & set(map(str, command)):
            yield name, [str(argument) for argument in command], code


def test_on_a_terminal_nothing_but_our_own_colours_acts(hostile: Path) -> None:
    coloured, wrong = set(), {}
    for name, command, code in for_people(hostile):
        done = saetext(*command, terminal=True)
        found = harmful(done.out, terminal=True) | harmful(done.err, terminal=True)
        if found or done.code != code:
            wrong[name] = (done.code, found, done.out[-700:], done.err[-700:])
        if "\x1b[" in done.out:
            coloured.add(command[0])
    assert not wrong
    assert coloured >= {"show", "read", "diff", "correlate", "search", "features"}


#: One of each kind; what is the same for all is tried above.
ON_A_PTY = (
    "info",
    "show",
    "read",
    "diff",
    "correlate",
    "search []",
    "feature",
    "encode",
    "no column",
    "no option",
)


def test_on_a_pseudo_terminal_nothing_but_our_own_colours_acts(hostile: Path, place: Path) -> None:
    """As a process of its own: what a library asks the system of its streams is asked of a terminal."""
    environment = os.environ | {"TERM": "xterm-256color", "HF_HUB_OFFLINE": "1", "COLUMNS": "100"}
    environment.pop("NO_COLOR", None)
    every = {name: (command, code) for name, command, code in for_people(hostile)}
    wrong, coloured, bars = {}, 0, 0
    with forked_command(environment) as folder:
        for name in ON_A_PTY:
            command, code = every[name]
            ended, shown = on_pty([str(folder / "saetext"), *command], environment, place)
            found = harmful(shown, terminal=True)
            if found or ended != code:
                wrong[name] = (ended, found, shown[-900:])
            coloured += "\x1b[1" in shown
            bars += "\x1b[?25l" in shown
    assert not wrong
    assert coloured >= 5 and bars >= 1
