"""The room Turn on a planted model: both texts beside each other, streamed, stopped, and collected."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import explore_app
import pytest
import torch
from page_helpers import HOSTILE, Page
from planted import WORD, WRITES, planted
from tiny_reader import some_rows, tiny

import saetext
from saetext.corpus import Corpus
from saetext.encoding.encoder import encode
from saetext.errors import InputError
from saetext.intervene.edit import FeatureEdit
from saetext.intervene.positions import positions_of
from saetext.reader.causal import CausalModel
from saetext.reader.reader import Reader
from saetext.report.explore.loaded import Loaded
from saetext.report.explore.queries.naming import rename
from saetext.report.explore.queries.turning import Question, Tokens, cautions, pieces_apart, turned
from saetext.report.explore.rooms.turn_put import cautions_of_word
from saetext.report.explore.writers import Model, Writers

pytestmark = pytest.mark.filterwarnings("ignore::saetext.errors.SaetextWarning")
ASKED = {"prompt": "the quick dog", "feature": str(WRITES), "strength": "6", "tokens": "8", "raw": "1"}


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Let no texts of an earlier run be taken for those of this one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAETEXT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Texts as the planted model read them."""
    reader = Reader.load_local([planted().sae], planted().model, device="cpu", dtype="float32")
    path = tmp_path_factory.mktemp("turn") / "read.corpus"
    made: Corpus = encode(some_rows(20), path, reader=reader)
    return made


@pytest.fixture(scope="module")
def loaded(corpus: Corpus) -> Loaded:
    writers = Writers(device="cpu", reference=planted().reference)
    return Loaded({"read": corpus}, reads=False, writers=writers)


@pytest.fixture(scope="module")
def client(loaded: Loaded) -> Iterator[Any]:
    with explore_app.client_of(loaded) as client:
        yield client


def address(**changes: str) -> str:
    return "turn?" + urlencode({**ASKED, **changes})


def shown(client: Any, url: str) -> str:
    """Return a page once its job has ended."""
    while key := re.search(r'data-job="job-events\?key=(\w+)"', text := str(client.get(url).text)):
        job = client.app.state.jobs.get(key[1])
        assert client.app.state.jobs.wait(job, 120)
    return text


def written(text: str) -> list[str]:
    """Return the texts on a page."""
    found = re.findall(r'<blockquote id="text\d+[ab]"[^>]*>(.*?)</blockquote>', text, re.DOTALL)
    return [html.unescape(re.sub(r"</?(mark|span)[^>]*>", "", one)) for one in found]


def marked(text: str) -> list[str]:
    return re.findall(r'<mark class="s[14][^>]*>(.*?)</mark>', text)


# ---- what is written ---------------------------------------------------------------------------------------


def test_both_texts_are_those_of_steer(client: Any) -> None:
    page = shown(client, address(seed="3"))
    plain = saetext.steer(
        str(planted().model), ["the quick dog"], sae=str(planted().sae), features=[f"{WRITES}:+1"],
        doses=[0, 6], samples=1, max_new_tokens=8, raw=True, seed=3, controls=0, instruction="", gauge="none",
        reference=planted().reference, device="cpu",
    )  # fmt: skip
    texts = plain.texts.sort("dose")["text"].to_list()
    assert [re.sub(r"\s+", " ", one).strip() for one in written(page)] == [
        re.sub(r"\s+", " ", saetext.text.passages.printable(one, newlines=True)).strip() for one in texts
    ]
    assert any(WORD in word for word in marked(page)) and texts[0] != texts[1]
    nll = [row["nll"] for row in plain.table.to_dicts()]
    assert all(f"nll {one:.2f}" in page for one in nll) and nll[1] > nll[0] + 1
    assert "the edit costs fluency" in page and "output score" in page
    Page(page)


def test_several_prompts_tell_the_words_that_set_them_apart(client: Any) -> None:
    prompts = "\n".join(f"the {word} dog" for word in ("quick", "brown", "lazy", "short", "long", "many"))
    page = shown(client, address(prompt=prompts + "\nthe quick dog\n"))
    assert len(written(page)) == 12, "a prompt that stands there twice is answered once"
    assert re.search(rf"more with it: <bdi>{WORD}\b", page)


def test_the_address_is_the_state(client: Any) -> None:
    url = address(temperature="0", seed="7")
    page = shown(client, url)
    assert written(page) == written(shown(client, url))
    assert 'name="temperature" min="0" max="2" step="0.1" value="0"' in page and 'value="7"' in page
    assert written(shown(client, address(temperature="0", seed="8"))) == written(page), "greedy has no seed"
    assert written(shown(client, address(seed="8")))[0] != written(shown(client, address(seed="9")))[0]


def test_a_feature_is_named_by_words_of_its_label(client: Any, loaded: Loaded) -> None:
    sae = loaded.sae("read")
    rename(loaded, "read", sae, WRITES, "relative clauses")
    page = shown(client, address(feature="relative"))
    assert f"feature={WRITES}" in page and "relative clauses" in page
    assert "no label has these words" in client.get(address(feature="nonesuch")).text
    feature = client.get(f"feature?feature={WRITES}").text
    link = re.search(r'<a class="button" href="(turn\?[^"]+)">Turn it up', feature)
    assert link is not None
    form = client.get(html.unescape(link[1])).text
    assert f'name="feature" value="{WRITES}"' in form and "Write both" in form


# ---- while it is written -----------------------------------------------------------------------------------


def test_texts_are_streamed_as_they_grow_and_the_work_can_be_stopped(client: Any) -> None:
    url = address(seed="11", tokens="200")
    writers = client.app.state.loaded.writers
    with writers.alone(lambda _: None):  # so that the page comes before its texts
        page = client.get(url).text
        key = re.search(r'data-job="job-events\?key=(\w+)"', page)
        assert key is not None and written(page) == ["", ""]
    job, seen = client.app.state.jobs.get(key[1]), []
    with client.stream("GET", f"job-events?key={key[1]}") as events:
        assert events.headers["content-type"].startswith("text/event-stream")
        seen = [json.loads(line[6:]) for line in events.iter_lines() if line.startswith("data: ")]
    assert seen[-1]["state"] == "done"
    for side in "ab":
        grown = [state["texts"].get(f"text0{side}", "") for state in seen]
        assert [len(one) for one in grown] == sorted(len(one) for one in grown)
    assert any(0 < len(state["texts"].get("text0a", "")) < len(seen[-1]["texts"]["text0a"]) for state in seen)
    assert job.state == "done"
    assert written(client.get(url).text)[0].strip() == seen[-1]["texts"]["text0a"].strip()


def test_what_was_written_stays_when_it_is_stopped(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, url = threading.Event(), address(seed="12", tokens="200")
    module = "saetext.report.explore.rooms.turn.turned"

    def slowly(question: Question, writers: Writers, on_progress: Any, show: Any) -> Any:
        def wait(prompt: int, is_turned: bool, text: str) -> None:
            show(prompt, is_turned, text)
            if len(text) > 5:
                begun.set()
                gate.wait(20)

        return turned(question, writers, on_progress, wait)

    gate = threading.Event()
    monkeypatch.setattr(module, slowly)
    page = client.get(url).text
    assert begun.wait(60)
    key = re.search(r'data-job="job-events\?key=(\w+)"', page)
    assert key is not None
    so_far = written(client.get(url).text)
    assert len(so_far[0]) > 5 and so_far[1] == ""
    client.post("job-stop", data={"key": key[1], "back": url})
    gate.set()
    job = client.app.state.jobs.get(key[1])
    assert client.app.state.jobs.wait(job, 60) and job.state == "cancelled"
    stopped = client.get(url).text
    assert "Start again" in stopped and written(stopped)[0].startswith(so_far[0])
    monkeypatch.undo()
    client.post("job-again", data={"key": key[1], "back": url})
    assert len(written(shown(client, url))[1]) > 5


def test_each_text_is_told_after_each_step_and_at_its_end_as_it_is() -> None:
    model = CausalModel.load(planted().model, device="cpu", dtype="float32")
    prompts = [model.encode_prompt(text, raw=True) for text in ("the quick dog", "a fox", "however the sun")]
    told: dict[tuple[int, int], list[str]] = {}

    def on_text(prompt: int, sample: int, text: str) -> None:
        told.setdefault((prompt, sample), []).append(text)

    options = {"samples": 2, "max_new_tokens": 9, "batch": 4, "seed": 1}
    plain = model.generate(prompts, **options)
    watched = model.generate(prompts, **options, on_text=on_text)
    assert [one.text for one in watched] == [one.text for one in plain]
    assert {(one.prompt, one.sample): one.text for one in plain} == {
        key: texts[-1] for key, texts in told.items()
    }
    # the step that lets a text in writes two tokens
    assert all(len(told[one.prompt, one.sample]) >= len(one.ids) - 1 > 5 for one in plain)


# ---- what is refused, and what is data ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"strength": "0"}, "at strength 0 nothing is turned"),
        ({"strength": "7"}, "strength is a number from -6 to 6"),
        ({"strength": "nan"}, "strength is a number"),
        ({"temperature": "-1"}, "temperature is a number from 0 to 2"),
        ({"feature": "64"}, "there is no feature 64; there are 0 to 63"),
        ({"prompt": "\n".join(map(str, range(13)))}, "there are 13 prompts"),
        ({"tokens": "1000"}, "tokens is 1,000"),
        ({"corpus": "nonesuch"}, "no corpus"),
    ],
)
def test_what_cannot_be_asked_is_said(client: Any, changes: dict[str, str], told: str) -> None:
    answer = client.get(address(**changes))
    assert answer.status_code == 400 and told in Page(answer.text).text


def test_a_prompt_that_fills_the_window_is_said_before_anything_is_written(client: Any) -> None:
    page = shown(client, address(prompt="fox " * 700))
    assert "leaves no room to write" in page and "Try again" in page


def test_hostile_texts_are_data(client: Any, loaded: Loaded) -> None:
    page = shown(client, address(prompt=HOSTILE, seed="5"))
    assert "<script>window" not in page and "onerror=alert" not in re.sub(r'"[^"]*"', "", page).replace(
        html.escape(HOSTILE, quote=True), ""
    ).replace("&lt;img src=//evil.example/x onerror=alert(1)&gt;", "")
    assert not any(tag == "img" for tag, _ in Page(page).tags)
    sae = loaded.sae("read")
    rename(loaded, "read", sae, WRITES, HOSTILE[:150])
    page = shown(client, address(seed="6"))
    assert not any(tag == "img" for tag, _ in Page(page).tags) and "\x1b" not in page
    rename(loaded, "read", sae, WRITES, "relative clauses")


# ---- which model -------------------------------------------------------------------------------------------


def test_without_a_model_that_writes_the_room_says_what_to_do(encoded_examples: Path) -> None:
    gentle = Corpus.open(encoded_examples / "examples" / "gentle.jsonl.corpus")
    with explore_app.client_of({"gentle": gentle}) as client:
        page = client.get("turn").text
        assert "No model that writes is at hand" in page and "Write both" not in page
        assert "Turn it up" not in client.get("feature?feature=5").text
    writers = Writers(str(planted().model), str(planted().sae), device="cpu", reference=planted().reference)
    other = Loaded({"gentle": gentle}, reads=False, writers=writers)
    with explore_app.client_of(other) as client:
        assert "Turn it up" not in client.get("feature?feature=5").text, "it is a feature of another SAE"
        assert len(written(shown(client, address(seed="3")))) == 2


def test_models_are_named_with_their_sae() -> None:
    with pytest.raises(InputError, match="it cannot write"):
        Writers("embedded")
    with pytest.raises(InputError, match="name its SAE with --sae"):
        Writers("some/model")
    with pytest.raises(InputError, match="name that too"):
        Writers(None, "somewhere")
    assert Writers("smollm2").named == Model("smollm2", "smollm2")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--model", "embedded"], "it cannot write: name a causal model, such as smollm2"),
        (["--export", "copy", "--model", "smollm2"], "leave --model and --sae out"),
    ],
)
def test_the_command_refuses_before_texts_are_encoded(options: list[str], told: str, tmp_path: Path) -> None:
    (tmp_path / "texts.jsonl").write_text('{"text": "one"}\n')
    call = "from saetext_cli.entry import main; main()"
    command = [sys.executable, "-c", call, "explore", "texts.jsonl", *options]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and told in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["texts.jsonl"]


def test_a_reader_that_is_no_model_of_texts_is_said(tmp_path: Path) -> None:
    made = encode(some_rows(8), tmp_path / "tiny.corpus", reader=tiny().reader())
    loaded = Loaded({"tiny": made}, reads=False, writers=Writers(device="cpu", reference=planted().reference))
    with explore_app.client_of(loaded) as client:
        page = shown(client, address(feature="5", raw=""))
    assert "chat template" in page, "it writes plain text only"


# ---- collecting --------------------------------------------------------------------------------------------


def test_both_texts_are_collected_and_the_script_writes_them_again(client: Any, tmp_path: Path) -> None:
    url = address(seed="3")
    page = shown(client, url)
    answer = client.post("turn-put", data={"back": url})
    assert answer.status_code == 200 and "Collected ✓" in answer.text
    drawer = client.get("collect").text
    assert "turned up in" in drawer and "the edit costs fluency" in drawer
    report = client.get("collected?format=html").text
    assert "1 turned feature" in report and "by itself" in report
    assert "turned up in" in client.get("collected?format=md").text
    script = tmp_path / "collected.py"
    script.write_text(client.get("collected?format=py").text)
    own = f"gauge='none', reference=__import__('pathlib').Path({str(planted().reference)!r})"
    script.write_text(script.read_text().replace("gauge='none'", own))
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "as collected" in done.stdout and WORD in done.stdout
    assert written(page)[1].split()[0] in done.stdout
    client.post("turn-put", data={"back": url})
    assert "turned up in" not in client.get("collect").text


def test_what_a_word_comes_from_is_collected_and_the_script_computes_it_again(
    client: Any, tmp_path: Path
) -> None:
    page = shown(client, address(seed="3"))
    offered = words_offered(page)
    turned_word = next(key for key, word in offered.items() if key.startswith("0b") and WORD in word)
    own_word = [key for key in offered if key.startswith("0a")][1]
    for key in (turned_word, own_word):
        found = shown(client, address(seed="3", word=key))
        back = re.search(r'action="turn-word-put".*?name="back" value="([^"]*)"', found)
        assert back is not None and 'aria-pressed="false">Collect<' in found.partition("turn-word-put")[2]
        answer = client.post("turn-word-put", data={"back": html.unescape(back[1])})
        assert answer.status_code == 200 and "Collected ✓" in answer.text.partition("turn-word-put")[2]
        assert f'value="{key}" selected' in answer.text, "one is led back to the word"
    first = Page(shown(client, address(seed="3", word=turned_word))).text
    value = re.search(r"log-probability (-?\d+\.\d+), with the edit", first)
    adds = re.search(r"the edit adds ([+-]\d+\.\d+)", first)
    assert value is not None and adds is not None
    exact = re.findall(r"([+-]\d+\.\d+|0) exact", first)
    told = [Page(client.get("collected?format=html").text).text, client.get("collected?format=md").text]
    assert "2 explained words" in told[0]
    for text in told:
        plain = text.replace("\\", "")
        assert f"log-probability {value[1]}" in plain and f"adds {adds[1]}" in plain
        assert f"Why “{offered[turned_word]}”, turned +6" in plain
        assert all(f"exact {one}" in plain for one in exact) and "not explained" in plain
    ran = tmp_path / "collected.py"
    ran.write_text(client.get("collected?format=py").text)
    assert ran.read_text().count("load_generator(") == 1, "the model is loaded once for both words"
    # a figure that was another is told: of the second word, on what the first is computed with as well
    wrong, n = re.subn(r"('without': )-?[\d.]+(.*)\Z", r"\g<1>-99.5\2", ran.read_text(), flags=re.DOTALL)
    assert n == 1
    again = re.findall(r"^explained\(.*$", wrong, re.MULTILINE)[0]
    ran.write_text(f"{ran.read_text()}{again}\n")
    done = subprocess.run([sys.executable, ran], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("as collected") == 2 and done.stdout.count("it was {") == 1
    told_now = re.search(r"log-probability (-?[\d.]+); as collected", done.stdout)
    assert told_now is not None and abs(float(told_now[1]) - float(value[1])) < 0.006
    for key in (turned_word, own_word):
        client.post("turn-word-put", data={"back": address(seed="3", word=key)})
    assert "Why" not in client.get("collect").text, "pressed once more it is taken out"


def test_a_word_that_is_still_looked_for_is_not_collected(client: Any) -> None:
    page = shown(client, address(seed="17"))
    url = address(seed="17", word=next(iter(words_offered(page))))
    with client.app.state.loaded.writers.alone(lambda _: None):
        assert "still being looked for" in client.post("turn-word-put", data={"back": url}).text
        key = re.search(r'data-job="job-events\?key=(\w+)"', client.get(url).text)
        assert key is not None
        client.post("job-stop", data={"key": key[1], "back": url})
    assert client.get("collect").text.count('name="note"') == 0
    answer = client.post("turn-word-put", data={"back": address(seed="17", word="0b999")})
    assert answer.status_code == 400 and "no such word" in answer.text


# ---- plain functions ---------------------------------------------------------------------------------------


def test_what_a_word_is_warned_of() -> None:
    fine = {"misses": False, "missed": "1 %", "more_error": False, "error": "0", "astray": 3, "shown": 15}
    assert cautions_of_word(fine) == [] == cautions_of_word({**fine, "astray": 0, "shown": 0})
    [astray] = cautions_of_word({**fine, "astray": 4})
    assert astray.startswith("Taken out alone, 4 of the 15 pairs act the other way")
    assert len(cautions_of_word({**fine, "misses": True, "more_error": True, "astray": 15})) == 3


def test_words_of_one_text_alone_are_marked() -> None:
    one, other = "It’s a sad, SAD day", "a day It’s"
    pieces = pieces_apart(one, other)
    assert "".join(text for text, _ in pieces) == one
    assert [piece for piece in pieces if piece[1]] == [("sad", 4), ("SAD", 4)]
    assert pieces_apart("", "a") == [] and pieces_apart("same", "same") == [("same", 0)]
    assert pieces_apart("the end", "an end") == [("the", 1), (" end", 0)]


def test_an_edit_that_leaves_nothing_is_refused_with_how_far_one_can_go(loaded: Loaded) -> None:
    place = str(planted().model)
    writers = Writers(place, str(planted().sae), device="cpu", reference=planted().reference)
    question = Question(Model(place, str(planted().sae)), ("the dog",), WRITES, 6.0, raw=True, tokens=4)
    found = turned(question, writers, lambda _: None, lambda *_: None).result
    assert found.table["dose"].to_list() == [0.0, 6.0]
    assert any("nll" in told for told in cautions(found))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("saetext.intervene.handles.REFUSE", found.table["length"][1] / 2)
        with pytest.raises(InputError, match="stay within 3 either way"):
            turned(question, writers, lambda _: None, lambda *_: None)


# ---- why a word --------------------------------------------------------------------------------------------


def words_offered(page: str) -> dict[str, str]:
    """Return what the form offers: the words, without their numbers, by what an address calls them."""
    found = re.findall(r'<option value="(\d+[ab]\d+)"[^>]*>\d+ (.*?)</option>', page)
    return {key: html.unescape(word) for key, word in found}


def test_a_word_is_explained_as_the_model_wrote_it(client: Any, loaded: Loaded) -> None:
    """The figures are those of the model run by hand, with the edit and without, on the tokens written."""
    page = shown(client, address(seed="3"))
    offered = words_offered(page)
    assert {key[:2] for key in offered} == {"0a", "0b"}
    assert all(f'data-word="{key}"' in page for key in offered), "each can be clicked as well"
    key = next(key for key, word in offered.items() if key.startswith("0b") and WORD in word)
    found = shown(client, address(seed="3", word=key))
    assert re.search(rf'class="s\d picked" data-word="{key}"', found) and f'value="{key}" selected' in found
    told = Page(found).text
    question = Question(
        loaded.writers.of(loaded.corpus("read"), loaded.sae("read")),
        ("the quick dog",), WRITES, 6.0, seed=3, tokens=8, raw=True,
    )  # fmt: skip
    both = turned(question, loaded.writers, lambda _: None, lambda *_: None)
    generator, at = loaded.writers.generator(question.model), int(key[2:])
    prompt = generator.model.encode_prompt("the quick dog", raw=True)
    ids = both.texts[0, True].ids
    whole = torch.tensor([[*prompt.ids.tolist(), *ids[:at]]])
    edit = FeatureEdit(both.changes, positions_of("all", [prompt]), generator.sae)
    logs = [
        float(
            generator.model.logits(whole, torch.ones_like(whole), edits=edits)[0, -1].log_softmax(-1)[ids[at]]
        )
        for edits in ({generator.hook: edit}, {})
    ]
    assert f"log-probability {logs[0]:.2f}, with the edit" in told
    assert f"the edit adds {logs[0] - logs[1]:+.2f}" in told and logs[0] > logs[1] + 1
    assert "Raise it most" in told and "exact" in told and "Not explained" in told
    assert found.count("Turn this one") == found.count('<p class="amounts">') > 2
    assert re.search(r'<a href="feature\?[^"]*feature=\d+"', found)


def test_a_word_of_the_unedited_text_is_explained_without_the_edit(client: Any) -> None:
    page = shown(client, address(seed="3"))
    key = next(key for key in words_offered(page) if key.startswith("0a"))
    found = shown(client, address(seed="3", word=key))
    told = Page(found).text
    assert ", by itself" in told and "with the edit" not in told
    links = re.findall(r'href="(turn\?[^"]*)">Turn this one', found)
    assert links and not any("word=" in link for link in links)


def test_every_word_is_offered_with_the_token_it_begins_in(client: Any, loaded: Loaded) -> None:
    page = shown(client, address(seed="3"))
    offered, tokenizer = words_offered(page), load_generator_of(loaded).model.tokenizer
    question = Question(
        loaded.writers.of(loaded.corpus("read"), loaded.sae("read")),
        ("the quick dog",), WRITES, 6.0, seed=3, tokens=8, raw=True,
    )  # fmt: skip
    both = turned(question, loaded.writers, lambda _: None, lambda *_: None)
    assert len(offered) > 2
    for key, word in offered.items():
        ids = list(both.texts[0, key[1] == "b"].ids)
        parts = (ids[: int(key[2:]) + n] for n in (0, 1))
        before, after = (tokenizer.decode(part, skip_special_tokens=True).rstrip("\ufffd") for part in parts)
        places = [at.start() for at in re.finditer(re.escape(word), both.texts[0, key[1] == "b"].text)]
        assert any(len(before) <= place < len(after) for place in places), (key, word, before, after)


def load_generator_of(loaded: Loaded) -> Any:
    return loaded.writers.generator(loaded.writers.of(loaded.corpus("read"), loaded.sae("read")))


@pytest.mark.parametrize("word", ["0a999", "0c1", "1a0", "0a-1", "<b>", "0a1; x"])
def test_a_word_that_is_not_there_is_said(client: Any, word: str) -> None:
    shown(client, address(seed="3"))
    answer = client.get(address(seed="3", word=word))
    assert answer.status_code == 400 and "these texts have no such word" in answer.text


def test_looking_for_causes_can_be_stopped(client: Any) -> None:
    page = shown(client, address(seed="13"))
    url = address(seed="13", word=next(iter(words_offered(page))))
    with client.app.state.loaded.writers.alone(lambda _: None):
        waits = client.get(url).text
        key = re.search(r'data-job="job-events\?key=(\w+)"', waits)
        assert key is not None and written(waits) == written(page), "the texts stay"
        client.post("job-stop", data={"key": key[1], "back": url})
    job = client.app.state.jobs.get(key[1])
    assert client.app.state.jobs.wait(job, 60) and job.state == "cancelled"
    assert "Start again" in client.get(url).text
    client.post("job-again", data={"key": key[1], "back": url})
    assert 'class="causes"' in shown(client, url)


def test_words_begin_in_the_token_that_has_their_first_letter() -> None:
    tokens = Tokens("\u00c9t\u00e9 is (sun)", (1, 2, 3, 4, 5), (0, 1, 3, 7, 11))
    assert tokens.words() == [(1, "\u00c9t\u00e9"), (3, "is"), (4, "sun")]
    assert "".join(part for part, _ in tokens.parts()) == tokens.text
