"""A key or a password is in nothing that is printed or written, whoever repeats it and in whatever form."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

import pytest
from chat_server import completion
from hostile_scripts import KEY
from hostile_server import Asked, Step, hostile_server, http, seconds_of
from llm_uses import PRINTS_JSON, USES, command, copied, made
from test_cli import Run, place

from saetext.errors import EndpointError, LabelError
from saetext.features.labelling.neuronpedia import published
from saetext.io.addresses import shown
from saetext.io.hiding import Secret, one_line
from saetext.io.llm import ChatClient, Prompt

__all__ = ["copied", "made", "place"]
HEART = "Secr"  # what no part of the key may be printed with
PASSWORD = "hunter2-pass"


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


FORMS = [
    KEY,
    quote(KEY, safe=""),
    html.escape(KEY),
    KEY.upper(),
    json.dumps(KEY)[1:-1],
    "\x1b[1m".join([KEY[:7], KEY[7:]]),
]
FORMS += ["\u200b".join(KEY), KEY.replace("/", "\\/"), "".join(f"\\u{ord(c):04X}" for c in KEY)]
FORMS += ["".join(f"&#{ord(c)};" for c in KEY), "".join(f"%{ord(c):02x}" for c in KEY), "\n".join(KEY)]


def _echo(code: int) -> bytes:
    said = " and ".join(["x" * 60, *FORMS])  # the limit of a line falls into one of them
    return http(code, json.dumps({"error": {"message": said}}).encode(), f"X-Key: {KEY}")


def _answering(asked: Asked) -> Iterable[Step]:
    """Answers of every kind that the uses ask for, each with the key in its texts."""
    content = {
        "label": f"topic {KEY}",
        "description": f"Found where {KEY} stands.",
        "kind": "topic",
        "active": [1, 2],
        "grade": 2,
        "grades": {str(i): 2 for i in range(1, 40)},
        "holds": True,
        "hypotheses": [{"text": f"mentions {KEY}", "more_in": "A", "findings": [1]}],
    }
    return [http(200, json.dumps(completion(json.dumps(content))).encode(), f"Set-Cookie: k={KEY}")]


ECHOES = {
    "400": lambda asked: [_echo(400)],
    "401": lambda asked: [_echo(401)],
    "404": lambda asked: [_echo(404)],
    "500": lambda asked: [_echo(500)],
    "no JSON": lambda asked: [http(422, f"<pre>{FORMS}</pre>".encode())],
    "redirect": lambda asked: [http(302, b"", f"Location: http://{quote(KEY, safe='')}.example/{KEY}")],
    "answers": _answering,
}


def everything(done: Run, home: Path) -> str:
    """Return all that a command printed and all files that are there now, in both encodings of JSON."""
    files = [path for path in home.parent.rglob("*") if path.is_file()]
    assert len(files) > 10
    return "\n".join(
        [done.out, done.err, *map(str, files), *(f.read_bytes().decode("latin-1") for f in files)]
    )


def assert_hidden(text: str) -> None:
    for form in (KEY, HEART, HEART.upper(), quote(KEY, safe=""), base64.b64encode(KEY.encode()).decode()):
        assert form not in text


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("what", ["400", "answers"])
def test_in_every_use(use: str, what: str, place: Path) -> None:
    outputs = ["--json"] if use in PRINTS_JSON else []
    outputs += ["--parquet", "p.parquet"] if use in PRINTS_JSON else []
    outputs += ["--html", "p.html"] if use == "diff" else []
    with hostile_server(ECHOES[what]) as server:
        done = command(use, server.url, *outputs)
        assert f"Bearer {KEY}" in server.posts()[0].headers  # it was sent, so it could have come back
    assert done.code == (what != "answers"), done.err
    assert_hidden(everything(done, place))
    assert "***" in everything(done, place) or use in ("score", "grades", "weights")


@pytest.mark.parametrize("what", ECHOES)
def test_whatever_repeats_it(what: str, place: Path) -> None:
    with hostile_server(ECHOES[what]) as server:
        assert_hidden(everything(command("label", server.url), place))


@pytest.mark.parametrize(
    "address",
    [
        f"http://me:{PASSWORD}@127.0.0.1:9/v1",
        f"https://{PASSWORD}@127.0.0.1:9/v1",
        f"http://me:{PASSWORD}/x@127.0.0.1:9/v1",
        f"http://me:{PASSWORD}@x@127.0.0.1:9/v1",
        f"http://me:{PASSWORD}\n@127.0.0.1:9/v1",
        f"me:{PASSWORD}@127.0.0.1",
        f"ftp://me:{PASSWORD}@127.0.0.1/",
        f"http://127.0.0.1:9/v1?key={PASSWORD}",
        f"http://127.0.0.1:9/v1#{PASSWORD}",
    ],
)
def test_a_password_in_an_address(address: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = command("label", address)
    assert done.code == 1 and len(done.err.splitlines()) == 1 and len(done.err) < 300
    assert "cannot use" in done.err and PASSWORD not in everything(done, place)
    assert PASSWORD not in shown(address)
    with pytest.raises(LabelError) as caught:
        published("m/l", 8, base_url=address)
    assert PASSWORD not in str(caught.value) and len(str(caught.value)) < 300


@pytest.mark.parametrize(
    "proxy", ["http://me:{}@[::1", "ftp://me:{}@127.0.0.1:9", "http://me:{}@127.0.0.1:9"]
)
def test_a_password_of_a_proxy(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, proxy.format(PASSWORD))
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(EndpointError) as caught:
        ChatClient("http://example.invalid/v1", "tiny", max_retries=0).ask([Prompt("?")])
    assert PASSWORD not in str(caught.value)


def test_the_key_given_for_the_name_of_its_variable() -> None:
    done = command("label", "http://127.0.0.1:9/v1", "--api-key-env", KEY)
    assert done.code == 2 and HEART not in done.out + done.err and "is not set" in done.err
    lower = command("label", "http://127.0.0.1:9/v1", "--api-key-env", "abcdef0123456789abcdef")
    assert lower.code == 2 and "abcdef0123" not in lower.out + lower.err


def test_what_is_no_secret_is_shown() -> None:
    assert Secret("none").hide("there is none") == "there is none"
    assert Secret("abc").hide("abc") == "abc"
    assert Secret("ollama").hide("key ollama refused") == "key *** refused"
    assert Secret("anything").hide_in_answer("anything goes") == "anything goes"  # a word, and no key
    assert Secret("sk-1234567").hide_in_answer("say SK-1234567.") == "say ***."
    assert KEY not in repr(Secret(KEY)) and KEY not in repr(
        vars(ChatClient("http://127.0.0.1:9", "m", api_key="k"))
    )
    assert Secret("").hide("see http://a:b@c/d or mail a@b.org") == "see http://***@c/d or mail a@b.org"
    assert one_line("a\x1b[1m\n\u202eb" + "c" * 99, 10) == "a [1m bccc"


HARD = [
    "s" + " " * 65_000,
    "sk-" * 20_000,
    "\\" * 65_000,
    "s\\n" * 20_000,
    "//:" * 20_000,
    "//" + ":" * 65_000,
    "//@" * 20_000,
]


@pytest.mark.parametrize("said", HARD, ids=lambda said: ascii(said[:6]))
def test_hiding_takes_no_time_whatever_was_sent(said: str) -> None:
    assert seconds_of(lambda: Secret(KEY).hide(said)) < 1
