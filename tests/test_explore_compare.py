"""The rooms Compare, Pairs, Map and Collect over the two example corpora, without a browser."""

from __future__ import annotations

import dataclasses
import html
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlencode

import explore_app
import numpy as np
import pytest
from page_helpers import HOSTILE, Page

from saetext.analysis.differences.counting import count_terms
from saetext.analysis.differences.design import make_design
from saetext.analysis.differences.having import documents_having
from saetext.analysis.differences.sampling import sampled
from saetext.corpus import Corpus
from saetext.errors import InputError
from saetext.report.explore.asked import Asked
from saetext.report.explore.collect.items import Drawer, Item, Recipe, SetRecipe, recipe_of
from saetext.report.explore.collect.script import script_of
from saetext.report.explore.collect.texts import html_of, markdown_of
from saetext.report.explore.loaded import Loaded
from saetext.report.explore.queries.choosing import (
    REST,
    Without,
    choose,
    leave_out,
    rest_of,
    without_of,
)
from saetext.report.explore.queries.choosing import Chosen as Choice
from saetext.report.explore.queries.comparing import remaining, term_of
from saetext.report.explore.queries.packed import PackedRows
from saetext.report.explore.queries.pairing import listed_key
from saetext.report.explore.rooms.collect import passage_of
from saetext.report.html.passages import Passage, Piece
from saetext.text.marks import LONGER

COMPARED = "compare?" + urlencode({"a": "gentle", "b": "brisk"})

LEFT = f"{COMPARED}&" + urlencode({"without": "theme:Casual chat"})


@pytest.fixture(scope="module")
def corpora(explored_examples: Path) -> dict[str, Corpus]:
    return {
        name: Corpus.open(explored_examples / "examples" / f"{name}.jsonl.corpus")
        for name in ("gentle", "brisk")
    }


@pytest.fixture(scope="module")
def loaded(corpora: dict[str, Corpus]) -> Loaded:
    return Loaded(corpora, reads=False)


@pytest.fixture(scope="module")
def client(loaded: Loaded) -> Any:
    with explore_app.client_of(loaded) as client:
        yield client


def shown(client: Any, address: str) -> str:
    """Return a page once its job has ended."""
    while True:
        answer = client.get(address)
        key = re.search(r'data-job="job-events\?key=(\w+)"', answer.text)
        if key is None:
            return str(answer.text)
        job = client.app.state.jobs.get(key[1])
        client.app.state.jobs.wait(job, 300)
        assert job.ended


@pytest.fixture(scope="module")
def page(client: Any) -> str:
    return shown(client, COMPARED)


def answer_of(client: Any, title: str) -> Any:
    [job] = [j for j in client.app.state.jobs._jobs.values() if j.title == title and j.state == "done"]
    return job.result


# ---- choosing ---------------------------------------------------------------------------------------------


def test_a_set_and_its_rest_are_the_corpus(loaded: Loaded) -> None:
    some = choose(loaded, "gentle", "topic = 'cooking'")
    rest = rest_of(loaded, some)
    ids = [set(one.corpus.ids.to_pylist()) for one in (some, rest)]
    assert not ids[0] & ids[1] and ids[0] | ids[1] == set(loaded.corpus("gentle").ids.to_pylist())
    both = rest_of(loaded, some, "topic = 'travel' OR topic = 'cooking'")
    assert set(both.corpus.documents.collect()["topic"]) == {"travel"}
    saved = loaded.save("some of them", "gentle", [3, 1, 2])
    again = choose(loaded, saved.name, "n_tokens > 0")
    assert again.corpus.selection is not None and again.corpus.selection.tolist() == [1, 2, 3]
    loaded.forget(saved.name)
    with pytest.raises(InputError, match="there is no rest"):
        rest_of(loaded, choose(loaded, "gentle"))
    with pytest.raises(InputError, match="no document of gentle has"):
        choose(loaded, "gentle", "topic = 'nonesuch'")
    with pytest.raises(InputError, match="no corpus 'nonesuch'"):
        choose(loaded, "nonesuch")


def test_unknown_values_are_left_in_when_a_condition_is_left_out(corpora: dict[str, Corpus]) -> None:
    gentle = corpora["gentle"]
    [left] = leave_out([gentle], [Without("where", "topic = 'cooking'")], gentle.saes[0])
    plain = gentle.to_polars()
    assert left.ids.to_pylist() == plain.filter(plain["topic"].ne_missing("cooking"))["id"].to_list()
    half = gentle.with_columns(
        plain.select(half=np.arange(plain.height) % 2).with_columns(half=_known_or_null("half"))
    )
    [kept] = leave_out([half], [Without("where", "half = 1")], gentle.saes[0])
    assert kept.n_documents == (plain.height + 1) // 2, "null is not 1"


def _known_or_null(name: str) -> Any:
    import polars as pl

    return pl.when(pl.col(name) == 1).then(pl.col(name))


@pytest.mark.parametrize("text", ["topic:x", "feature:one", "where:", "theme:\n", "word"])
def test_what_cannot_be_left_out_is_said(text: str) -> None:
    if text.strip() == "theme:":
        text = "theme:"
    with pytest.raises(InputError, match="left out"):
        without_of(text)


# ---- comparing --------------------------------------------------------------------------------------------


def test_documents_that_have_a_finding_are_those_that_it_counts(client: Any, page: str) -> None:
    comparison = answer_of(client, "Comparing gentle with brisk").comparison
    rows = {row["kind"]: row for row in reversed(comparison.result.found.to_dicts())}
    assert set(rows) == {"format", "word", "property", "theme", "feature"}
    for kind, row in rows.items():
        has = documents_having(comparison.sets, None, kind, term_of(row))
        assert [int(one.sum()) for one in has] == [row["n_a"], row["n_b"]], row["name"]
        left = leave_out(comparison.sets, [Without(kind, term_of(row))], comparison.question.sae)
        counts = [one.n_documents - int(mask.sum()) for one, mask in zip(comparison.sets, has, strict=True)]
        assert [one.n_documents for one in left] == counts
    feature = rows["feature"]["feature"]
    [dense] = documents_having(comparison.sets[:1], None, "feature", feature)
    assert np.array_equal(dense, comparison.sets[0].csr()[:, [feature]].toarray().ravel() > 0)


def test_what_is_left_out_is_decided_as_diff_counts_it(
    corpora: dict[str, Corpus], monkeypatch: pytest.MonkeyPatch
) -> None:
    gentle, brisk = corpora["gentle"], corpora["brisk"]
    sets = (gentle, brisk.select(np.arange(brisk.n_documents) % 3 > 0))
    monkeypatch.setattr("saetext.analysis.differences.families.ROWS", 100)
    monkeypatch.setattr("saetext.analysis.differences.having.ROWS", 100)
    sae, side = gentle.saes[0], np.repeat([0, 1], [one.n_documents for one in sets]).astype(np.int8)
    design = make_design(sets, side, ("A", "B"), pair_on="prompt_id")
    [design] = sampled([design], 100, 0)
    rows = np.flatnonzero(design.side >= 0)
    assert 50 < len(rows) <= 100 and (design.side == 0).sum() == (design.side == 1).sum()
    counted = count_terms(sets, sae, rows)  # an independent way: all of them at once, on these rows alone
    kinds = {"words": "word", "format": "format", "properties": "property", "themes": "theme"}
    n, told = sum(one.n_documents for one in sets), []
    for family, terms in counted.terms.items():
        there = terms.matrix.tocsc() > 0
        busy = np.flatnonzero(np.diff(there.indptr))
        most = {"words": 4, "format": 5, "properties": 2, "themes": 5}[family]
        for at in np.unique(np.r_[busy[:1], busy[:: max(1, len(busy) // most)]]).tolist():
            has = documents_having(
                sets, None, kinds[family], terms.names[at], pair_on="prompt_id",
                on_progress=lambda progress: told.append(progress.stage),
            )  # fmt: skip
            whole = np.concatenate(has)
            assert len(whole) == n, "those that were not counted are decided too"
            assert np.array_equal(whole[rows], there[:, [at]].toarray().ravel()), terms.names[at]
    assert set(counted.terms) == set(kinds) and told


def test_things_are_left_out_one_after_the_other(corpora: dict[str, Corpus]) -> None:
    sets, sae = [corpora["gentle"], corpora["brisk"]], corpora["gentle"].saes[0]
    first, second = Without("where", "n_tokens > 120"), Without("format", LONGER)
    left = leave_out(sets, [first, second], sae)
    by_step = leave_out(leave_out(sets, [first], sae), [second], sae)
    at_once = [
        corpus.ids.filter(~has & (corpus.n_tokens <= 120)).to_pylist()
        for corpus, has in zip(sets, documents_having(sets, sae, "format", LONGER), strict=True)
    ]
    found = [one.ids.to_pylist() for one in left]
    assert found == [one.ids.to_pylist() for one in by_step] != at_once, "the median is that of what is left"


def test_the_page_shows_the_findings_of_the_comparison(client: Any, page: str) -> None:
    answer = answer_of(client, "Comparing gentle with brisk")
    found = answer.comparison.result.found
    first = found.filter(found["confirmed"]).head(20)
    read = Page(page.replace("<br>", ""))
    for name in first["name"].to_list():
        assert name in read.text
    assert read.count("details", "finding") == 20
    everything = shown(client, f"{COMPARED}&everything=yes&kind=word&page=2")
    words = found.head(len(answer.shown["cards"])).filter(
        found.head(len(answer.shown["cards"]))["kind"] == "word"
    )
    assert words["name"][20] in Page(everything).text and words["name"][0] not in Page(everything).text


def linked(told: str, corpora: dict[str, Corpus]) -> int:
    """Return how many passages of a page lead to their documents; all that lead anywhere must."""
    pattern = r'<a class="document" href="document\?([^"]*)"><bdi>([^<]*)<'
    found = re.findall(pattern, told)
    for address, name in found:
        query, name = parse_qs(html.unescape(address)), html.unescape(name)
        assert corpora[query["corpus"][0]].document(int(query["row"][0]))["id"] == name
    return len(found)


def test_passages_lead_to_their_documents_by_row(client: Any, corpora: dict[str, Corpus], page: str) -> None:
    assert linked(page, corpora) > 20
    assert linked(shown(client, LEFT), corpora) > 20, "also where rows of a view are not those of the corpus"


def test_what_remains_is_what_a_fresh_comparison_says(
    client: Any, corpora: dict[str, Corpus], page: str
) -> None:
    address = LEFT
    told = shown(client, address)
    title = "Comparing gentle with brisk"
    answers = [
        j.result for j in client.app.state.jobs._jobs.values() if j.title == title and j.state == "done"
    ]
    before, after = sorted(answers, key=lambda answer: answer.left is not None)
    left = remaining(before.comparison.result, after.comparison.result)
    fates = [one.fate for one in left]
    of = sum(bool(row["confirmed"]) for row in before.comparison.result.found.to_dicts())
    assert len(fates) - fates.count("appears") == of
    assert f"{fates.count('remains')} of {of} findings remain" in told
    rows = {(row["kind"], term_of(row)): row for row in after.comparison.result.found.to_dicts()}
    for one in left:
        if (row := rows.get((one.kind, one.term))) and row["q"] < 0.05 and one.before is not None:
            expected = (
                "remains"
                if row["diff"] / one.before >= 0.5
                else "shrinks"
                if row["diff"] / one.before > 0
                else "goes"
            )
            assert one.fate == expected


@pytest.mark.parametrize(
    ("asked", "line"),
    [
        ({"a": "gentle", "b": "gentle"}, "both sets are the same documents"),
        ({"a": "gentle", "b": "nonesuch"}, "no corpus"),
        ({"a": "gentle", "where_a": "SELECT * FROM x", "b": "brisk"}, "condition"),
        ({"a": "gentle", "b": "brisk", "without": HOSTILE}, "left out"),
        ({"a": "gentle", "b": REST}, "there is no rest"),
        ({"a": HOSTILE, "b": "brisk"}, "no corpus"),
    ],
)
def test_what_cannot_be_compared_is_said_in_the_page(client: Any, asked: dict[str, str], line: str) -> None:
    answer = client.get("compare?" + urlencode(asked))
    assert answer.status_code == 400 and line in answer.text
    assert "<img" not in answer.text and "\x1b" not in Page(answer.text).text


def test_a_comparison_that_fails_says_why_and_can_be_tried_again(client: Any) -> None:
    address = "compare?" + urlencode({"a": "gentle", "b": "brisk", "without": "word:nonesuch"})
    told = shown(client, address)
    assert "no word &#39;nonesuch&#39; is counted" in told and "Try again" in told
    key = re.search(r'name="key" value="(\w+)"', told)
    assert key is not None
    back = {"key": key[1], "back": address}
    answer = client.post("job-again", data=back, follow_redirects=False)
    assert answer.status_code == 303 and answer.headers["location"] == address
    assert client.app.state.jobs.get(key[1]) is None
    elsewhere = client.post(
        "job-again", data={**back, "back": "https://evil.example/compare"}, follow_redirects=False
    )
    assert elsewhere.headers["location"] == "./"


@pytest.mark.parametrize("address", [COMPARED, "map?set=gentle", "pairs?set=gentle"])
def test_an_answer_is_kept_for_the_labels_it_was_made_with(
    client: Any, loaded: Loaded, address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = address.partition("?")[0]

    def fail(*_: Any, **__: Any) -> None:
        raise InputError("not made here")

    made = "mapped" if room == "map" else room
    monkeypatch.setattr(f"saetext.report.explore.rooms.{room}.{made}", fail)
    known, keys = loaded.labels("gentle"), []
    first = next(iter(known))
    renamed = known.updated([dataclasses.replace(first, label="called otherwise")])
    again = renamed.updated([first])  # the same names in another table
    for labels in (renamed, renamed.updated([]), known.updated([]), again):
        monkeypatch.setattr(loaded, "labels", lambda *_, labels=labels: labels)
        shown(client, f"{address}&where_a=n_tokens>1&where=n_tokens>1")
        keys.append(next(reversed(client.app.state.jobs._jobs)))
    assert keys[0] == keys[1] != keys[2] == keys[3]


def test_events_tell_the_end_of_a_job(client: Any, page: str) -> None:
    [key] = [j.key for j in client.app.state.jobs._jobs.values() if j.state == "done"][:1]
    answer = client.get(f"job-events?key={key}")
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert json.loads(answer.text.removeprefix("data: "))["state"] == "done"
    assert client.get("job-events?key=nonesuch").status_code == 400
    job = client.app.state.jobs.get(key)
    assert client.get(f"job-state?key={key}&window=w").json()["state"] == "done" and job.watchers == 1
    assert client.get(f"job-state?key={key}&window=w&left=1").status_code == 200 and job.watchers == 0


def test_the_whole_comparison_can_be_saved(client: Any, page: str) -> None:
    for kind, start in (("html", "<!doctype html>"), ("csv", "feature,label"), ("json", '{"kind"')):
        answer = client.get(COMPARED.replace("compare?", "compare-report?") + f"&format={kind}")
        assert answer.headers["content-disposition"] == f'attachment; filename="gentle-brisk.{kind}"'
        assert answer.text.lstrip("\ufeff\n{# }").startswith(start.lstrip("{")) or start in answer.text[:300]


# ---- collecting -------------------------------------------------------------------------------------------


def test_what_is_collected_is_computed_again_by_the_script(client: Any, page: str, tmp_path: Path) -> None:
    answer = answer_of_base(client)
    found = answer.comparison.result.found
    kinds = [
        found.filter(found["kind"] == kind).row(0, named=True) for kind in ("format", "theme", "feature")
    ]
    for row in kinds:
        data = {"back": COMPARED, "kind": row["kind"], "term": term_of(row)}
        assert client.post("compare-put", data=data).status_code == 200
    without = LEFT
    shown(client, without)
    client.post("compare-put", data={"back": without, "kind": "format", "term": kinds[0]["term"]})
    collect = client.get("collect").text
    assert "4 findings." in collect and 'class="amount">4<' in collect
    script = client.get("collected?format=py").text
    path = tmp_path / "collected.py"
    path.write_text(script, "utf-8")
    paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, str(path)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 4 and all(line.endswith("; as collected") for line in lines), done.stdout
    assert script.count("saetext.diff(") == 2, "each comparison is made once"
    # put aside once more, it is taken out again
    client.post("compare-put", data={"back": COMPARED, "kind": "format", "term": kinds[0]["term"]})
    assert "3 findings." in client.get("collect").text
    other = explore_app.client_of(client.app.state.loaded)
    assert "Nothing is collected." in other.get("collect").text, "each browser has a drawer of its own"


def test_collecting_stays_on_the_page_on_which_the_finding_is(client: Any, page: str) -> None:
    address = f"{COMPARED}&everything=yes&kind=word&page=2"
    form = re.search(r'action="compare-put" data-part="(put\d+) collected".*?</form>', shown(client, address))
    assert form is not None
    data = {name: html.unescape(value) for name, value in _FIELD.findall(form[0])}
    for told in ("Collected ✓", "Collect"):
        answer = client.post("compare-put", data=data)
        assert answer.url.query.decode() == address.partition("?")[2]
        [button] = re.findall(rf'id="{form[1]}">.*?<button[^>]*>(.*?)</button>', answer.text)
        assert button == told, "the button that is to be put in place is on the page"


_FIELD = re.compile(r'name="(\w+)" value="([^"]*)"')


def answer_of_base(client: Any) -> Any:
    jobs = client.app.state.jobs._jobs.values()
    [found] = [
        j.result
        for j in jobs
        if j.title == "Comparing gentle with brisk" and j.result and j.result.left is None
    ]
    return found


def item(title: str = HOSTILE, note: str = HOSTILE) -> Item:
    sets = (
        SetRecipe(
            HOSTILE,
            "/where/it/is.corpus",
            "f" * 64,
            "topic = 'a''b\"' OR topic = '\\n'",
            PackedRows.of(np.array([1, 2, 3])),
        ),
        SetRecipe("plain", "/where/it/is.corpus", "e" * 64, "", PackedRows.of(np.arange(1000))),
    )
    passage = Passage(HOSTILE, (Piece("*plain* "), Piece(HOSTILE, 0.9)), cut_after=True)
    recipe = Recipe(
        "diff",
        sets,
        {"names": (HOSTILE, "b"), "top": 0},
        (Without("word", HOSTILE),),
        ("word", HOSTILE),
        {"diff": 0.5},
    )
    return Item("finding", title, recipe, ((HOSTILE, HOSTILE),), ((HOSTILE, passage),), "compare?a=x", note)


def test_hostile_names_are_data_in_every_export() -> None:
    items = [item(), item(title="'''\n\"\"\"\nimport os; os.abort()", note='"""\n\')\nimport os')]
    script = script_of(items)
    compile(script, "collected.py", "exec")
    import ast

    names = {node.id for node in ast.walk(ast.parse(script)) if isinstance(node, ast.Name)}
    assert "os" not in names and not any(
        alias.name == "os"
        for node in ast.walk(ast.parse(script))
        if isinstance(node, ast.Import)
        for alias in node.names
    )
    made = html_of(items)
    Page(made)
    assert "<img" not in made and "<script" not in made and "\x1b" not in made and "\u202e" not in made
    markdown = markdown_of(items)
    assert "<img" not in markdown and "\x1b" not in markdown and "https://" not in markdown


def test_rows_of_a_set_come_back_from_the_script() -> None:
    script = script_of([item()])
    tree: dict[str, Any] = {"np": np}
    packed = re.findall(r"^    '([A-Za-z0-9+/=]+)'$", script, re.M)
    exec("import base64, zlib\n" + script[script.index("def rows") : script.index("corpus_1 =")], tree)
    assert tree["rows"]("".join(packed)).tolist() == list(range(1000))


def test_a_set_of_many_documents_can_be_put_aside_in_little_room() -> None:
    rows = np.flatnonzero(np.random.default_rng(0).random(1_000_000) < 0.9)
    corpus: Any = SimpleNamespace(elsewhere="/many.corpus", fingerprint="f" * 64)
    chosen = Choice("the rest", corpus, "many", rows=rows)
    recipe = recipe_of(chosen)
    assert recipe.rows is not None and np.array_equal(recipe.rows.rows, rows)
    assert len(recipe.rows) == len(rows) and len(recipe.rows.packed) < 125_100
    assert recipe_of(chosen).rows is recipe.rows, "all findings of a comparison share it"
    assert recipe == SetRecipe("the rest", "/many.corpus", "f" * 64), "shown without looking at the rows"


def test_a_drawer_keeps_each_thing_once_and_has_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    drawer = Drawer()
    first = drawer.put(item())
    assert drawer.put(item(note="another")) is first and len(drawer) == 1
    drawer.note(first.id, "seen\r\nby me")
    assert drawer.items[0].note == "seen\nby me"
    assert not drawer.turn(item()) and len(drawer) == 0
    drawer.take("nonesuch")
    with pytest.raises(InputError, match="not in the drawer"):
        drawer.note(first.id, "late")
    monkeypatch.setattr("saetext.report.explore.collect.items.MOST", 0)
    with pytest.raises(InputError, match="are kept at most"):
        drawer.put(item())


# ---- pairs ------------------------------------------------------------------------------------------------


def test_passages_of_pairs_lead_to_their_documents_where_these_are_known(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = "pairs?" + urlencode({"set": "gentle"})
    links = re.findall(r'class="document" href="([^"]+)"', shown(client, address))
    assert links and all("row=" in link for link in links)
    assert client.get(html.unescape(links[0])).status_code == 200
    monkeypatch.setattr("saetext.report.explore.rooms.pairs.row_in_whole", lambda *_: None)
    page = client.get(address).text
    assert 'bdi class="document"' in page and 'class="document" href' not in page


def test_pairs_are_those_of_correlate_and_can_be_collected(client: Any, loaded: Loaded) -> None:
    address = "pairs?" + urlencode({"set": "gentle"})
    told = shown(client, address)
    answer = answer_of(client, "Looking for pairs in gentle")
    read = Page(told)
    assert read.count("details", "finding") == len(answer.shown["cards"]) > 0
    row = answer.pairs.page.findings[0].row
    assert str(row["name_a"]) in read.text
    assert linked(told, loaded.corpora) > 20
    assert "Collected ✓" not in told
    number = 1 + len(answer.pairs.page.listed)
    after = client.post("pairs-put", data={"back": address, "number": str(number)}).text
    assert after.count("Collected ✓") == 1
    [kept] = [one for one in drawer_items(client) if one.kind == "pair"]
    assert kept.recipe.key[2:] == (str(row["feature_a"]), str(row["feature_b"]))
    for listed in answer.pairs.page.listed:
        kinds = (listed.row["kind_a"], listed.row["kind_b"])
        key = listed_key(listed.row)
        assert [name.startswith("feature_") for name in key[1::2]] == [kind == "feature" for kind in kinds]
    assert client.post("pairs-put", data={"back": address, "number": "0"}).status_code == 400
    report = client.get(address.replace("pairs?", "pairs-report?") + "&format=html")
    assert report.headers["content-disposition"] == 'attachment; filename="pairs-gentle.html"'
    few = client.get("pairs?" + urlencode({"set": "gentle", "where": "topic = 'cooking'"}))
    assert "at least 20 documents" in shown(client, str(few.url))


def drawer_items(client: Any) -> tuple[Item, ...]:
    [drawer] = [d for d in client.app.state.drawers._drawers.values() if len(d)]
    return tuple(drawer.items)


# ---- passages, maps and sets ------------------------------------------------------------------------------


def test_a_passage_is_collected_with_the_words_that_were_pointed_to(client: Any, loaded: Loaded) -> None:
    text = loaded.corpus("gentle").document(3)["text"]
    assert text is not None
    address = "document?" + urlencode({"corpus": "gentle", "row": 3, "from": 200, "to": 210})
    assert client.post("passage-put", data={"back": address}).status_code == 200
    [kept] = [one for one in drawer_items(client) if one.kind == "passage"]
    [(name, passage)] = kept.passages
    told = "".join(piece.text for piece in passage.pieces)
    assert name == "gentle" and told == text[40:370] and passage.cut_before
    assert [piece.text for piece in passage.pieces if piece.strength >= 0.5] == [text[200:210]]
    assert client.post("passage-put", data={"back": "document?corpus=gentle&row=99999"}).status_code == 404
    # "Next" leads beyond a saved set: the script finds the document all the same
    saved = loaded.save("two of them", "gentle", [3, 4])
    beyond = passage_of(loaded, Asked("document", {"corpus": saved.name, "row": "5"}), "read")
    whole = loaded.corpus("gentle")
    assert beyond.recipe.sets[0] == recipe_of(choose(loaded, "gentle"))
    script = script_of([beyond])
    assert f"set_1[{whole.document(5)['id']!r}]" in script and ".select(" not in script
    loaded.forget(saved.name)


@pytest.fixture(scope="module")
def drawn() -> Any:
    """A map of 12,000 made-up documents in three groups; nothing is fitted."""
    import polars as pl

    from saetext.analysis.clusters import ClusterResult
    from saetext.report.explore.queries.mapping import Map, Question

    rng = np.random.default_rng(0)
    number = rng.integers(0, 4, 12_000)
    x, y = rng.normal(250 * number, 40).clip(0, 1000), rng.normal(340, 60, 12_000).clip(0, 680)
    x[:5] = y[:5] = np.nan
    table = pl.DataFrame(
        {
            "cluster": [1, 2, 3],
            "name": ["one", "two", "three"],
            "size": [int((number == k).sum()) for k in (1, 2, 3)],
            "share": [0.25] * 3,
            "words": [["w"]] * 3,
            "features": pl.Series([[]] * 3, dtype=pl.List(pl.Struct({"label": pl.String}))),
        }
    )
    documents = pl.DataFrame({"cluster": number})
    result = ClusterResult("cluster", table, {}, {"n_clusters": 3}, documents=documents)
    return Map(Question(None, "s"), result, x, y)  # type: ignore[arg-type]


def places_of(path: str) -> np.ndarray:
    return np.array([[float(n) for n in one.split(" ")] for one in path.removesuffix("h0")[1:].split("h0M")])


def test_few_documents_have_a_dot_each_and_many_a_dot_a_cell(drawn: Any) -> None:
    from saetext.report.explore.queries.mapping import dots

    box = (400.0, 250.0, 200.0, 150.0)
    inside = (abs(drawn.x - 500) <= 100) & (abs(drawn.y - 325) <= 75)
    some = dots(drawn, 1, box)
    assert sum(len(places_of(one.path)) for one in some) == inside.sum() > 100
    assert {one.number for one in some} == set(np.unique(drawn.numbers(1)[inside]).tolist())
    # by brute force: every cell with a document has one dot, of the group that most of them are of
    there = np.isfinite(drawn.x)
    cells: dict[tuple[int, int], list[int]] = {}
    for a, b, k in zip(drawn.x[there], drawn.y[there], drawn.numbers(1)[there], strict=True):
        cells.setdefault((int(a // 6), int(b // 6)), []).append(int(k))
    found = {}
    for one in dots(drawn, 1):
        for a, b in places_of(one.path):
            assert (int(a // 6), int(b // 6)) not in found
            found[int(a // 6), int(b // 6)] = (one.number, one.strength)
    assert set(found) == set(cells)
    for place, (number, strength) in found.items():
        most = max(cells[place].count(k) for k in set(cells[place]))
        assert cells[place].count(number) == most
        assert strength == 1 + (len(cells[place]) >= 3) + (len(cells[place]) >= 10)


def test_what_is_drawn_around_is_inside_the_shape(drawn: Any) -> None:
    from matplotlib.path import Path as Shape

    from saetext.report.explore.queries.mapping import inside

    corners = [(100.0, 100.0), (700.0, 200.0), (400.0, 330.0), (800.0, 600.0), (150.0, 500.0)]
    there = np.isfinite(drawn.x)
    expected = np.flatnonzero(there & Shape(corners).contains_points(np.column_stack([drawn.x, drawn.y])))
    assert inside(drawn, corners).tolist() == expected.tolist() and 100 < len(expected) < 11_000
    with pytest.raises(InputError, match="no document is in this shape"):
        inside(drawn, [(0, 0), (0.1, 0), (0, 0.1)])
    with pytest.raises(InputError, match="corners"):
        inside(drawn, corners[:2])


def test_numbers_of_groups_cover_no_dot_and_no_other(drawn: Any) -> None:
    from saetext.report.explore.queries.mapping import badges

    made = badges(drawn, 1)
    assert [one.number for one in made] == [1, 2, 3]
    for at, one in enumerate(made):
        assert 13 <= one.x <= 987 and 10 <= one.y <= 670, "none runs off the edge"
        covered = (abs(drawn.x - one.x) < 13) & (abs(drawn.y - one.y) < 10)
        assert not covered.any()
        for other in made[:at]:
            assert abs(one.x - other.x) >= 26 or abs(one.y - other.y) >= 20


def test_a_saved_set_is_a_column_that_clusters_reads(client: Any, loaded: Loaded, tmp_path: Path) -> None:
    import io
    import zipfile

    import saetext

    name = f"a/b {HOSTILE}"[:70]
    saved = loaded.save(name, "gentle", [5, 9, 100])
    answer = client.get("set-column?" + urlencode({"name": saved.name}))
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        [folder] = {Path(one).parts[0] for one in archive.namelist()}
        assert re.fullmatch(r"[A-Za-z0-9-]+", folder)
        archive.extractall(tmp_path)
    from saetext.analysis.clusters.columns import with_clusters

    corpus = with_clusters(loaded.corpus("gentle"), [tmp_path / folder])
    assert np.flatnonzero(corpus.to_polars()["cluster"].to_numpy() == 1).tolist() == [5, 9, 100]
    assert set(corpus.select("cluster = 1").to_polars()["cluster_name"]) == {saved.name}
    with pytest.raises(saetext.SaetextError):
        with_clusters(loaded.corpus("brisk"), [tmp_path / folder])
    client.post("set-put", data={"name": saved.name, "back": "map"})
    [kept] = [one for one in drawer_items(client) if one.kind == "set"]
    assert kept.recipe.sets[0].rows == PackedRows.of(np.array([5, 9, 100]))
    assert "[5, 9, 100]" in client.get("collected?format=py").text
    client.post("set-forget", data={"name": saved.name})
    assert client.get("set-column?" + urlencode({"name": saved.name})).status_code == 400


def test_a_static_copy_has_what_can_be_made_and_says_what_cannot(
    corpora: dict[str, Corpus], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from saetext.report.explore import copied_feature
    from saetext.report.explore.copying import write_copy

    monkeypatch.setattr(copied_feature, "MOST", 3)
    few = Loaded({HOSTILE: corpora["gentle"][:19], "brisk": corpora["brisk"][:19]}, reads=False)
    first = write_copy(few, tmp_path / "copy")
    names = sorted(path.name for path in first.parent.glob("*.html"))
    assert len(names) == 8 and names[7] == "index.html"
    kinds = ("compare", *("read", "features", "themes") * 2)
    for name, kind in zip(names, kinds, strict=False):
        assert re.fullmatch(rf"\d\d-{kind}-[A-Za-z0-9-]+\.html", name)
    folders = [path for path in first.parent.iterdir() if path.is_dir()]
    assert sorted(f"{path.name}.html" for path in folders) == [names[2], names[5]]
    assert all(len(list(path.iterdir())) == 3 for path in folders)
    text = first.read_text("utf-8")
    read = Page(text)
    links = [attributes["href"] for tag, attributes in read.tags if tag == "a"]
    assert links == names[:7] and "<img" not in text and "\u202e" not in text
    assert text.count("Not made: ") == 4 and "at least 20 documents" in text
    for name in names[:7]:
        Page((first.parent / name).read_text("utf-8"))
    with pytest.raises(InputError, match="is there already"):
        write_copy(few, tmp_path / "copy")
    assert sorted(path.name for path in first.parent.glob("*.html")) == names


def test_corpora_of_different_readers_are_refused_before_anything_is_computed(
    corpora: dict[str, Corpus], tmp_path: Path
) -> None:
    from corpus_factory import make_corpus

    made = make_corpus(tmp_path / "other.corpus")
    other = made[0] if isinstance(made, tuple) else made
    client = explore_app.client_of({"gentle": corpora["gentle"], "other": other})
    answer = client.get("compare?a=gentle&b=other")
    assert answer.status_code == 400 and "gentle" in Page(answer.text).text
    assert not client.app.state.jobs._jobs


def test_a_copy_says_which_comparisons_it_leaves_out(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from saetext.report.explore import copying

    monkeypatch.setattr(copying, "_MOST_COMPARED", 0)
    [(title, _, make)] = [page for _, pages in copying._pages(loaded, ("compare",)) for page in pages]
    assert title == "gentle compared with brisk"
    with pytest.raises(InputError, match="0 comparisons are made at most"):
        make(tmp_path, None)


def test_a_static_copy_is_refused_where_something_is_before_texts_are_encoded(tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "mine.txt").write_text("mine")
    (tmp_path / "texts.jsonl").write_text('{"text": "one"}\n')
    call = "from saetext_cli.entry import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", call, "explore", "texts.jsonl", "--export", "copy"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and done.stderr.count("\n") == 1 and "copy is there already" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "texts.jsonl"]


def test_a_server_that_is_stopped_during_a_job_ends_without_a_traceback(corpora: dict[str, Corpus]) -> None:
    call = "from saetext_cli.entry import main; main()"
    paths = [str(corpus.path) for corpus in corpora.values()]
    process = subprocess.Popen(
        [sys.executable, "-c", call, "explore", *paths, "--peaks", "--no-browser"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    told = b""
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        names = [Path(path).name.removesuffix(".corpus") for path in paths]
        asked = urlencode({"a": names[0], "b": names[1]})
        with urllib.request.urlopen(f"{address}compare?{asked}") as answer:
            events = re.search(r'data-job="([^"]+)"', answer.read().decode())
        assert events is not None
        with urllib.request.urlopen(address + events[1]) as stream:
            told = stream.readline()
            process.send_signal(signal.SIGINT)
            told += stream.read()  # the stream ends by itself
    finally:
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert told.startswith(b"data: ") and process.returncode == 130
    assert "Traceback" not in err and err.splitlines()[-1] == "saetext: stopped"
