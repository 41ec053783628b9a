"""The shared folder of small inputs that real tools produce: each is read, or refused with advice."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from saetext.documents import Document, Reject, open_documents
from saetext.errors import InputError

CASES = Path(__file__).resolve().parents[2] / "shared" / "cases"
pytestmark = [
    pytest.mark.data,
    pytest.mark.skipif(not CASES.is_dir(), reason="needs ../shared/cases"),
]

POLITE, CURT = "I'm so sorry to hear that!", "Check the "
READ = {  # file: documents, rejects, shape, what the first text begins with
    "01-openai-batch-output/model_a.jsonl": (28, 2, "OpenAI batch output", POLITE),
    "01-openai-batch-output/model_b.jsonl": (30, 0, "OpenAI batch output", CURT),
    "01-openai-batch-output/anthropic.jsonl": (5, 1, "Anthropic batch results", POLITE),
    "02-lm-eval-log-samples/model_a/samples_gsm8k.jsonl": (30, 0, "lm-evaluation-harness samples", POLITE),
    "03-inspect-log-json/log.json": (6, 0, "inspect_ai log", POLITE),
    "03-inspect-log-json/log.eval": (6, 0, "inspect_ai log", POLITE),
    "04-promptfoo-results/results.json": (40, 0, "promptfoo results", POLITE),
    "04-promptfoo-results/results.jsonl": (40, 0, "promptfoo results", POLITE),
    "04-promptfoo-results/results.csv": (40, 0, "promptfoo CSV", POLITE),
    "05-chatgpt-export/conversations.json": (30, 0, "ChatGPT export", POLITE),
    "06-claude-export/conversations.json": (30, 0, "Claude export", POLITE),
    "08-preference-columns/annotations.json": (60, 0, "two answers in one row (preference pairs)", POLITE),
    "08-preference-columns/hh.jsonl": (60, 0, "two answers in one row (preference pairs)", POLITE),
    "08-preference-columns/messages.jsonl": (60, 0, "two answers in one row (preference pairs)", POLITE),
    "08-preference-columns/strings.jsonl": (60, 0, "two answers in one row (preference pairs)", POLITE),
    "09-one-message-per-row/messages.jsonl": (30, 0, "one message a row", POLITE),
    "10-content-parts/anthropic.jsonl": (30, 0, "", POLITE),
    "10-content-parts/gemini.jsonl": (30, 0, "Gemini chats", POLITE),
    "10-content-parts/gemini_batch.jsonl": (30, 0, "Gemini batch output", POLITE),
    "10-content-parts/mixed.jsonl": (30, 0, "", POLITE),
    "10-content-parts/responses.jsonl": (30, 0, "", POLITE),
    "13-label-studio-export/export.json": (30, 0, "Label Studio export", CURT),
    "13-label-studio-export/min.json": (30, 0, "", CURT),
    "14-excel-csv/cp1252.csv": (30, 0, "", CURT),
    "14-excel-csv/mac_cr.csv": (30, 0, "", CURT),
    "14-excel-csv/semicolon.csv": (30, 0, "", CURT),
    "14-excel-csv/sep_line.csv": (30, 0, "", CURT),
    "14-excel-csv/title_rows.csv": (30, 0, "", CURT),
    "14-excel-csv/trailing.csv": (30, 0, "", CURT),
    "14-excel-csv/unicode_text.txt": (30, 0, "", CURT),
    "14-excel-csv/utf16.csv": (30, 0, "", CURT),
    "15-pandas-json/by_id.json": (30, 0, "", POLITE),
    "15-pandas-json/columns.json": (30, 0, "", POLITE),
    "15-pandas-json/lists.json": (30, 0, "", POLITE),
    "15-pandas-json/split.json": (3, 0, "", POLITE),
    "15-pandas-json/strings.json": (30, 0, "", POLITE),
    "15-pandas-json/lines.txt": (1, 0, "", POLITE),
    "15-pandas-json/shards": (30, 0, "", POLITE),
    "15-pandas-json/texts": (5, 0, "", POLITE),
    "16-list-of-samples/names.jsonl": (30, 0, "", POLITE),
    "16-list-of-samples/names2.jsonl": (30, 0, "", POLITE),
    "16-list-of-samples/outputs.jsonl": (60, 0, "several samples in one row", POLITE),
    "16-list-of-samples/vllm.jsonl": (60, 0, "several samples in one row", POLITE),
    "23-nan-scores/scores.jsonl": (90, 0, "", CURT),
    "27-odd-characters/surrogate.jsonl": (3, 0, "", "cut emoji \ufffd here"),
    "30-awkward-column-names/names.jsonl": (60, 0, "", CURT),
    "33-parquet-types/types.parquet": (40, 0, "", CURT),
    "33-parquet-types/dict_text.parquet": (40, 0, "", POLITE),
    "36-compressed-and-xlsx/a.jsonl.bz2": (30, 0, "", POLITE),
    "36-compressed-and-xlsx/a.jsonl.gz": (30, 0, "", POLITE),
    "36-compressed-and-xlsx/a.jsonl.xz": (30, 0, "", POLITE),
    "36-compressed-and-xlsx/a.jsonl.zst": (30, 0, "", POLITE),
    "36-compressed-and-xlsx/a.zip": (30, 0, "", POLITE),
    "37-json-nearly/array.jsonl": (30, 0, "", POLITE),
    "37-json-nearly/pretty.jsonl": (30, 0, "", POLITE),
    "37-json-nearly/trailing_comma.json": (30, 0, "", POLITE),
    "37-json-nearly/truncated.json": (29, 1, "", POLITE),
    "37-json-nearly/twice.jsonl": (30, 0, "", POLITE),
}
REFUSED = {
    "02-lm-eval-log-samples/samples_mc.jsonl": "log-likelihoods",
    "33-parquet-types/empty.parquet": "has no rows",
    "36-compressed-and-xlsx/a.xlsx": "cannot be read as a workbook",  # it holds no sheet
    "37-json-nearly/single_quotes.jsonl": "write rows with json.dumps",
}


@pytest.mark.parametrize("name", READ)
def test_read(name):
    n_documents, n_rejects, shape, begins = READ[name]
    source = open_documents(CASES / name)
    items = list(source)
    good = [item for item in items if isinstance(item, Document)]
    assert (len(good), len(items) - len(good), source.shape) == (n_documents, n_rejects, shape)
    first = good[0]
    said = [turn.content for turn in first.messages or () if turn.role == "assistant"]
    assert (said[0] if first.messages is not None else first.text).startswith(begins)


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name):
    with pytest.raises(InputError) as caught:
        open_documents(CASES / name)
    assert REFUSED[name] in str(caught.value) and "\n" not in str(caught.value)


#: Files of plain rows, in which nothing may be lost, changed or taken for something else.
PLAIN = (
    *("17-identical-documents/mostly.jsonl", "17-identical-documents/same.jsonl"),
    *("17-identical-documents/seven.jsonl", "18-five-documents/n1.jsonl", "18-five-documents/n2.jsonl"),
    *("18-five-documents/n3.jsonl", "18-five-documents/n5.jsonl", "18-five-documents/n12.jsonl"),
    *("18-five-documents/n21.jsonl", "19-no-clusters-predict/new.jsonl"),
    *("19-no-clusters-predict/noise.jsonl", "20-emoji-and-stop-words/emoji.jsonl"),
    *("20-emoji-and-stop-words/mixed.jsonl", "20-emoji-and-stop-words/stop.jsonl"),
    *("21-chinese-japanese/ru_ar_he.jsonl", "21-chinese-japanese/zh.jsonl", "22-groups-of-one/breeds.jsonl"),
    *("25-ids-int-float-string/b.jsonl", "25-ids-int-float-string/big.jsonl"),
    *("25-ids-int-float-string/bigf.jsonl", "25-ids-int-float-string/d.jsonl"),
    *("25-ids-int-float-string/e.jsonl", "26-one-megabyte-document/long.jsonl"),
    *("27-odd-characters/odd.jsonl", "28-hopeless-queries/c.jsonl", "28-hopeless-queries/punct.jsonl"),
    *("29-special-tokens-in-text/s.jsonl", "31-same-file-name/model_a/answers.jsonl"),
    *("31-same-file-name/model_b/answers.jsonl", "32-sets-that-do-not-meet/a.jsonl"),
    *("32-sets-that-do-not-meet/b.jsonl", "32-sets-that-do-not-meet/three.jsonl"),
    "35-changed-after-encoding/a.jsonl",
)


@pytest.mark.parametrize("name", PLAIN)
def test_plain_rows_are_read_as_they_are(name):
    with (CASES / name).open(encoding="utf-8", newline="\n") as file:
        rows = [json.loads(line) for line in file]
    items = list(open_documents(CASES / name))
    assert len(items) == len(rows)
    ids = [row.get("id", at) for at, row in enumerate(rows)]
    unique = len({*ids}) == len(ids)
    for at, (row, item) in enumerate(zip(rows, items, strict=True)):
        if not row["text"].strip():
            assert isinstance(item, Reject) and item.reason == "empty text"
            continue
        assert isinstance(item, Document)
        assert (item.text, item.id) == (row["text"], str(ids[at] if unique else at))
        assert item.meta == {key: row[key] for key in row if key != "text" and (key != "id" or not unique)}


@pytest.mark.parametrize(
    ("name", "kind"), [("a.parquet", float), ("b.jsonl", int), ("c.csv", float), ("d.jsonl", str)]
)
def test_ids_of_several_types_keep_theirs(name, kind):
    documents = list(open_documents(CASES / "25-ids-int-float-string" / name))
    values = [item.meta["prompt_id"] for item in documents[:30]]
    assert [float(value) for value in values] == list(range(30)) and {type(value) for value in values} == {
        kind
    }
    named = list(open_documents(CASES / "25-ids-int-float-string" / name, id="prompt_id"))
    end = " " if name == "d.jsonl" else ".0" if name == "c.csv" else ""
    assert [item.id for item in named[:30]] == [f"{i}{end}" for i in range(30)]


def test_two_files_of_one_name_are_told_apart():
    items = list(open_documents([CASES / "31-same-file-name" / f"model_{x}" / "answers.jsonl" for x in "ab"]))
    assert [item.text.startswith(POLITE) for item in items] == [True] * 30 + [False] * 30
    files = ["model_a/answers.jsonl", "model_b/answers.jsonl"]
    assert [item.meta["file"] for item in items] == [name for name in files for _ in range(30)]
    assert items[30].where == "model_b/answers.jsonl, line 1"


def test_a_hundred_thousand_short_rows_from_a_pipe():
    script = CASES / "34-hundred-thousand-short" / "make.py"
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE) as made:
        assert made.stdout is not None
        items = list(islice(open_documents(made.stdout, format="jsonl"), 2000))
        made.terminate()
    assert [item.position for item in items] == list(range(2000))
    assert all(isinstance(item, Document) and len(item.text.split()) == 3 for item in items)


def test_every_case_is_named_here():
    told = {name.split("/")[0] for name in (*READ, *REFUSED, *PLAIN)}
    assert {folder.name for folder in CASES.iterdir() if folder.is_dir()} - told == {
        "34-hundred-thousand-short"
    }
