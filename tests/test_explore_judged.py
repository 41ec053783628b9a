"""Documents called right or wrong in the explorer: a search is fitted as the API fits it, and kept."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from explore_app import client_of

import saetext
from saetext.analysis.search.judging import Judged
from saetext.analysis.search.paging import Pages
from saetext.corpus import Corpus
from saetext.errors import InputError
from saetext.report.explore.queries import searching
from saetext.report.explore.queries.searching import judged_of, turned
from saetext.report.explore.rooms.search_put import PAGE

ASKED = "an apology"
WAYS = {"property": ASKED, "example": "row:5"}


@pytest.fixture(scope="module")
def corpus(encoded_examples: Path) -> Corpus:
    [found] = encoded_examples.rglob("gentle*.corpus")
    return Corpus.open(found)


@pytest.fixture(scope="module")
def client(corpus: Corpus) -> Any:
    return client_of({"gentle": corpus})


def page(client: Any, **values: object) -> str:
    answer = client.get("read", params={"corpus": "gentle", "by": "property", "wait": 1, **values})
    assert answer.status_code == 200, answer.text
    return str(answer.text)


def rows(text: str) -> list[int]:
    entries = text.partition('<ol class="documents')[2]
    return [int(row) for row in re.findall(r"data-open href=\"document\?[^\"]*?row=(\d+)", entries)]


@pytest.mark.parametrize("by", WAYS)
@pytest.mark.parametrize("where", ["", "topic <> 'cooking'"])
def test_a_search_is_fitted_as_the_api_fits_it(client: Any, corpus: Corpus, by: str, where: str) -> None:
    """On every page, under a condition too, and to one side alone."""
    first = rows(page(client, q=WAYS[by], by=by, where=where))
    documents = corpus.select(where) if where else corpus
    asked: dict[str, Any] = {"like": [corpus[5].id]} if by == "example" else {}
    words = (ASKED,) if by == "property" else ()
    for more, less in (((first[1], first[4]), (first[0],)), ((first[2],), ()), ((), (first[0], first[3]))):
        ids = {"more": [corpus[row].id for row in more], "less": [corpus[row].id for row in less]}
        told = saetext.search(documents, *words, top=2 * PAGE, **asked, **ids).ids
        assert not set(told) & {*ids["more"], *ids["less"]}
        for number in (1, 2):
            shown = page(
                client, q=WAYS[by], by=by, where=where, page=number,
                more=",".join(map(str, more)), less=",".join(map(str, less)),
            )  # fmt: skip
            assert [corpus[row].id for row in rows(shown)] == told[(number - 1) * PAGE : number * PAGE]
            assert f"Refitted with {len(more)} wanted, {len(less)} unwanted." in shown
            assert shown.count('aria-pressed="true"') == len(more) + len(less)


def test_a_judgement_is_a_link_that_adds_to_those_before_and_takes_back(client: Any) -> None:
    """Each document of the list can be judged, those judged can be taken back, and all of them at once."""
    first = page(client, q=ASKED)
    assert first.count(">more like this</a>") == first.count(">less like this</a>") == PAGE
    assert 'aria-pressed="true"' not in first and "Reset" not in first
    fitted = page(client, q=ASKED, more="3,8", less="7", page=2)
    links = [
        parse_qs(urlsplit(link.replace("&amp;", "&")).query)
        for link in re.findall(r'data-again="[^"]*" href="([^"]*)"', fitted)
    ]
    states = [(link.get("more"), link.get("less")) for link in links]
    assert states[:3] == [(None, None), (["8"], ["7"]), (["8"], ["7,3"])], "reset; row 3 back; row 3 wrong"
    assert ([f"3,8,{rows(fitted)[0]}"], ["7"]) in states
    assert all("page" not in link and link["q"] == [ASKED] for link in links)
    assert turned(Judged((3, 8), (7,)), 7, "more") == {"more": "3,8,7", "less": ""}


def test_another_search_is_not_fitted_to_what_was_judged_in_this_one(client: Any) -> None:
    """The form says in which search; what else it changes leaves them."""
    before = page(client, q="recipes")
    for fitted in ("gentle property an apology", "brisk property recipes", "gentle example recipes"):
        other = page(client, q="recipes", more="3,8", fitted=fitted)
        assert rows(other) == rows(before) and "Refitted" not in other
        assert "more=3,8" not in other and "more=3%2C8" not in other
    same = page(client, q="recipes", more="3,8", fitted="gentle property recipes", shade="334")
    assert "Refitted with 2 wanted, 0 unwanted." in same and "fitted=" not in same
    assert 'name="fitted" value="gentle property recipes"' in same


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"more": "three"}, "more is rows of documents with commas between them, not"),
        ({"less": "3,,8"}, "less is rows of documents"),
        ({"less": "-3"}, "less is rows of documents"),
        ({"more": "²"}, "more is rows of documents"),
        ({"more": "3 OR 1"}, "more is rows of documents"),
        ({"more": "999999999"}, "more has row 999,999,999; rows are 0 to"),
        ({"more": "9" * 4000}, "at most 2,000 are read"),
        ({"more": "3,8", "less": "8"}, "row 8 cannot be both in more and in less"),
        ({"more": ",".join(map(str, range(101)))}, "at most 100 are judged"),
        ({"more": "3", "by": "words"}, "more and less go with a search"),
        ({"more": "3", "q": ""}, "more and less go with a search"),
    ],
)
def test_what_is_judged_amiss_is_one_line(client: Any, values: dict[str, str], line: str) -> None:
    answer = client.get("read", params={"corpus": "gentle", "by": "property", "q": ASKED, **values})
    assert answer.status_code == 400 and line in answer.text


def test_rows_are_those_of_the_whole_corpus(corpus: Corpus) -> None:
    n = corpus.n_documents
    assert judged_of(corpus.select([0, 1]), f"{n - 1},{n - 1}", "") == Judged((n - 1,), ())
    with pytest.raises(InputError, match="rows are 0 to"):
        judged_of(corpus, str(n), "")


def test_what_is_judged_is_fitted_from_the_search_before(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The words are not searched for again: the page is there at once, and need not be waited for."""
    values = {"corpus": "gentle", "by": "property", "q": "somebody says sorry"}
    assert "data-load" in client.get("read", params=values).text
    client.get("read", params={**values, "wait": 1})

    def never(*_: object) -> None:
        raise AssertionError("searched again")

    monkeypatch.setattr(searching, "_answer", never)
    shown = client.get("read", params={**values, "less": "3"}).text
    assert "Refitted with 0 wanted, 1 unwanted." in shown and len(rows(shown)) == PAGE


def test_a_late_page_of_a_fitted_search_is_not_made_of_those_before(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However high its number: a page has its own documents alone."""
    asked: list[tuple[int, int]] = []
    plain = Pages.page

    def counted(self: Pages, ordered: Any, top: int, offset: int, because: Any) -> Any:
        asked.append((top, offset))
        return plain(self, ordered, top, offset, because)

    monkeypatch.setattr(Pages, "page", counted)
    assert len(rows(page(client, q="a text about rivers", less="5", page=2))) == PAGE
    assert rows(page(client, q="a text about rivers", less="5", page=9_999_999)) == []
    assert asked[-1] == (PAGE, 9_999_998 * PAGE) and all(top == PAGE for top, _ in asked)


def test_documents_may_be_judged_in_any_order(client: Any, corpus: Corpus) -> None:
    """It is the same search: it is kept once, and is in the drawer either way."""
    assert judged_of(corpus, "8,3", "7") == judged_of(corpus, "3,8,3", "7") == Judged((3, 8), (7,))
    assert rows(page(client, q=ASKED, more="8,3")) == rows(page(client, q=ASKED, more="3,8"))


def test_a_condition_that_nothing_meets_is_told_with_a_search_in_the_drawer(corpus: Corpus) -> None:
    client = client_of({"gentle": corpus})
    values = {"corpus": "gentle", "by": "property", "q": ASKED, "wait": "1"}
    client.post("search-put", data={"back": str(client.build_request("GET", "read", params=values).url)})
    nothing = {**values, "where": "topic = 'no such topic'"}
    with_drawer, without = (
        client.get("read", params=nothing),
        client_of({"gentle": corpus}).get("read", params=nothing),
    )
    assert (with_drawer.status_code, rows(with_drawer.text)) == (without.status_code, rows(without.text))
    assert with_drawer.status_code == 200


@pytest.mark.parametrize("by", WAYS)
def test_a_collected_search_is_computed_again(
    corpus: Corpus, tmp_path: Path, by: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The script has what was judged, and finds the same documents; others are said."""
    client = client_of({"gentle": corpus})
    back = str(
        client.build_request(
            "GET", "read", params={"corpus": "gentle", "by": by, "q": WAYS[by], "more": "3,8", "less": "7"}
        ).url
    ).rpartition("/")[2]
    shown = client.post("search-put", data={"back": back})
    assert shown.status_code == 200 and "Search collected ✓" in shown.text
    assert "Search collected ✓" not in client.get(back.replace("less=7", "less=9") + "&wait=1").text
    collected = client.get("collect").text
    assert "1 search result." in collected and ">wanted<" in collected and ">unwanted<" in collected
    script = client.get("collected?format=py").text
    ids = [corpus[row].id for row in (3, 8, 7)]
    assert f"more=({ids[0]!r}, {ids[1]!r}), less=({ids[2]!r},)" in script
    file = tmp_path / "collected.py"
    file.write_text(script)
    runpy.run_path(str(file))
    assert ": as collected\n" in capsys.readouterr().out
    file.write_text(script.replace(f", less=({ids[2]!r},)", ""))
    runpy.run_path(str(file))
    assert ": it was [" in capsys.readouterr().out
    for kind in ("html", "md"):
        assert corpus[3].id in client.get(f"collected?format={kind}").text
    client.post("search-put", data={"back": back})
    assert "Nothing is collected" in client.get("collected?format=md").text
