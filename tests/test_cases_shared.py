"""The shared folder of small inputs that real tools produce: each is read, or refused with advice."""

from __future__ import annotations

from pathlib import Path

import pytest

from saetext.documents import Document, open_documents
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
    "36-compressed-and-xlsx/a.xlsx": "is a spreadsheet: save it as CSV",
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
