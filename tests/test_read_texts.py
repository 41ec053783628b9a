"""``Reader("embedded").read(["text"])``: a reader by its name, and what it makes of texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_reader import OTHER_SAE, SAE, tiny

import saetext
from saetext.corpus.calibration import Calibration
from saetext.documents import Document
from saetext.errors import InputError, ReaderError
from saetext.reader.loading import How
from saetext.reader.parts import Parts
from saetext.reader.reader import Reader

TEXTS = ["the quick brown fox", "a lazy dog sleeps, however", "the quick brown fox"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAETEXT_CACHE", str(tmp_path / "cache"))


def with_thresholds(reader: Reader, at: float) -> Reader:
    return reader.with_calibrations(
        {
            name: Calibration.from_arrays(np.full(sae.encoder.d_sae, at, np.float32), percentile=50.0)
            for name, sae in reader.saes.items()
        }
    )


def test_a_reader_by_its_directory_is_that_of_load_local() -> None:
    expected = tiny().reader()
    for name in (tiny().sae, str(tiny().sae), [tiny().sae]):
        made = Reader(name, model=tiny().model, device="cpu", dtype="float32")
        assert type(made) is Reader and made.spec == expected.spec
    both = saetext.Reader([tiny().sae, tiny().other_sae], model=tiny().model, device="cpu", dtype="float32")
    assert list(both.saes) == [SAE, OTHER_SAE] and both.spec == tiny().reader(both=True).spec


def test_a_reader_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def parts(names: list[str], model: Any, how: How) -> Parts:
        asked.append((names, model, how.device))
        return tiny().reader()._parts

    monkeypatch.setattr("saetext.reader.reader.parts_by_name", parts)
    Reader()
    Reader("embedded", device="cpu")
    Reader("gpt2-small-res-jb/blocks.8.hook_resid_pre", model="gpt2")
    assert asked == [
        (["embedded"], None, "auto"),
        (["embedded"], None, "cpu"),
        (["gpt2-small-res-jb/blocks.8.hook_resid_pre"], "gpt2", "auto"),
    ]


@pytest.mark.parametrize("name", ["nonesuch", "./nowhere", 5, [], ["embedded", 3]])
def test_what_is_no_reader_is_refused_in_one_line(name: Any) -> None:
    with pytest.raises(ReaderError, match=r"no reader called|which reader") as caught:
        Reader(name)
    assert "\n" not in str(caught.value)


def test_the_table_has_the_features_of_every_text() -> None:
    reader = with_thresholds(tiny().reader(), 0.2)
    reading = reader.read(TEXTS)
    table = reading.table
    assert len(reading) == 3
    assert table.columns == ["text", "sae", "feature", "label", "label_score", "value", "tokens", "word"]
    for at, prepared in enumerate(reading.readable):
        entries = reader.token_entries(prepared)
        above = entries.value > 0.2
        mine = table.filter(table["text"] == at)
        assert sorted(mine["feature"]) == sorted(set(entries.feature[above].tolist())) and mine.height
        for row in mine.to_dicts():
            of_it = above & (entries.feature == row["feature"])
            peak = int(entries.ordinal[of_it][entries.value[of_it].argmax()])
            assert row["value"] == pytest.approx(float(entries.value[of_it].max()), abs=1e-5)
            assert row["tokens"] == int(of_it.sum()) and row["sae"] == SAE
            assert TEXTS[at][prepared.start[peak] : prepared.end[peak]].strip(" ,") in row["word"]
    first, last = (table.filter(table["text"] == at).drop("text") for at in (0, 2))
    assert first.equals(last)
    assert reading.to_pandas().shape == table.shape


def test_one_text_is_a_reading_of_one() -> None:
    reader = with_thresholds(tiny().reader(), 0.2)
    assert reader.read(TEXTS[1]).table.equals(reader.read([TEXTS[1]]).table)
    documents = [Document("x", TEXTS[1], None, None, {}, 0, "")]
    assert reader.read(documents).table.equals(reader.read(TEXTS[1]).table)
    assert len(reader.read([])) == 0 and reader.read([]).table.height == 0


def test_texts_with_nothing_to_read_keep_their_place() -> None:
    reading = with_thresholds(tiny().reader(), 0.2).read(["", TEXTS[0], " "])
    assert len(reading) == 3 and set(reading.table["text"]) == {1}
    assert "".join(s.text for s in reading[1].segments) == TEXTS[0]
    with pytest.raises(InputError, match="there is no text to read"):
        reading[0]
    with pytest.raises(InputError, match="no text 3; texts are 0 to 2"):
        reading[3]


def test_a_reader_without_thresholds_reads_texts_but_not_documents() -> None:
    reader = tiny().reader()
    reading = reader.read(TEXTS[:1])
    entries = reader.token_entries(reading.readable[0])
    assert sorted(reading.table["feature"]) == sorted(set(entries.feature[entries.value > 0].tolist()))
    with pytest.raises(ReaderError, match="saetext calibrate"):
        reader.read([Document("x", "a text", None, None, {}, 0, "")])


def test_a_text_is_shown_with_its_strongest_features() -> None:
    reading = with_thresholds(tiny().reader(both=True), 0.2).read(TEXTS)
    look = reading[1]
    assert [h.feature for h in look.hits] == list(
        reading.table.filter((reading.table["text"] == 1) & (reading.table["sae"] == SAE))["feature"][:12]
    )
    assert [found.to_json() for found in reading] == [reading[i].to_json() for i in range(3)]
    assert json.loads(reading[-2].to_json())["text"] == TEXTS[1]
    other = reading.look(1, sae=OTHER_SAE, top=3)
    assert len(other.hits) == 3 and str(other).count("\n") > 3


def test_the_command_renders_the_reading(capsys: pytest.CaptureFixture[str]) -> None:
    from saetext_cli.main import app

    command = ["read", TEXTS[1], *tiny().options, "--json", "--device", "cpu", "--dtype", "float32"]
    with pytest.raises(SystemExit) as ended:
        app(command)
    assert ended.value.code == 0
    assert capsys.readouterr().out.strip() == tiny().reader().read(TEXTS[1])[0].to_json()


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (5, "expected a text or a list of texts, got an int"),
        (b"bytes", "got a bytes"),
        (["fine", 3], "text 1 is an int; expected a string"),
        (["fine", None], "text 1 is null"),
        ("\ud800", "not valid Unicode"),
    ],
)
def test_wrong_texts_are_refused_in_one_line(texts: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        tiny().reader().read(texts)
    assert "\n" not in str(caught.value)


def test_readers_and_readings_say_what_they_are_on_one_short_line() -> None:
    reader = with_thresholds(tiny().reader(both=True), 0.2)
    reading = reader.read(["a \x1b[31m\n" * 2000, "</td>" * 999, *TEXTS] * 10)
    for thing in (reader, reading, reading[0], reader.read([])):
        assert len(repr(thing)) <= 200 and repr(thing).isprintable(), repr(thing)
    assert repr(reader).startswith("<Reader: 'sae + other'") and "64 + 48 features" in repr(reader)
    assert repr(reading).startswith("<Reading: 50 texts (")
