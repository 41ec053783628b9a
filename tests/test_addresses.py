"""Which addresses are taken, and where a redirect may lead."""

from __future__ import annotations

import httpx2
import pytest

from saetext.errors import EndpointError
from saetext.io.addresses import checked, next_hop, shown
from saetext.io.llm import ChatClient
from saetext.io.web_bounds import Bounds, Refused

GOOD = {
    "http://localhost:8000/v1": "http://localhost:8000/v1",
    "http://localhost:8000/v1/": "http://localhost:8000/v1",
    "HTTPS://API.example.org/v1//": "HTTPS://API.example.org/v1",
    "http://[::1]:80/v1": "http://[::1]:80/v1",
    "https://bücher.example/v1": "https://bücher.example/v1",
}
BAD = [
    "", "http", "http:", "http:/", "http://", "http:///v1", "https://:80/", "localhost:8000/v1",
    "//localhost/v1",
    "ftp://localhost/v1", "file:///etc/passwd", "javascript:alert(1)", "unix:///run/x.sock", "data:,x",
    "http://localhost/v1\n", "http://local\nhost/v1", "http://localhost/v1\r\nX: y", "http://localhost/\tv1",
    "http://localhost/\x1b[31m", "http://localhost/\x00", "http://localhost/\x9b", "http://localhost/\u2028v1",
    "http://localhost/\u202ev1", " http://localhost", "http://localhost/a b", "http://me@localhost/v1",
    "http://me:pw@localhost/v1", "http://localhost/v1?key=a", "http://localhost/v1#a", "http://localhost:99999/",
    "http://localhost:0/", "http://localhost:x/", "http://[::1/", "http://[zz]/", "http://\u2100.example/",
    "http://localhost/" + "a" * 3000,
]  # fmt: skip


@pytest.mark.parametrize("address", GOOD)
def test_what_is_taken(address: str) -> None:
    assert checked(address) == GOOD[address]
    assert ChatClient(address, "tiny").base_url == GOOD[address]


@pytest.mark.parametrize("address", BAD, ids=ascii)
def test_what_is_not_is_one_line(address: str) -> None:
    with pytest.raises(EndpointError, match="cannot use") as caught:
        ChatClient(address, "tiny")
    assert str(caught.value).isprintable() and len(str(caught.value)) < 300


@pytest.mark.parametrize("model", ["", "  ", "a\nb", "\x1b[31m", "a\u202eb", "m" * 201])
def test_names_of_models(model: str) -> None:
    with pytest.raises(EndpointError, match="--model") as caught:
        ChatClient("http://localhost:8000/v1", model)
    assert str(caught.value).isprintable()


A = "https://a.example/v1/x"
# from, status, location, with a body, to anywhere: where it leads, or None for refused
ALL = (301, 302, 303, 307, 308)
HOPS = [
    (A, 307, "/v2", True, False, "https://a.example/v2"),
    (A, 308, "https://A.example:443/v2", True, False, "https://A.example:443/v2"),
    (A, 308, "https://a.example:444/v2", True, False, None),
    (A, 307, "http://a.example/v2", True, False, None),
    (A, 307, "https://a.example./v2", True, False, None),
    (A, 307, "https://b.example/v2", True, False, None),
    (A, 307, "https://a.example.evil.example/", True, False, None),
    (A, 307, "https://a.example@evil.example/", True, False, None),
    (A, 307, "//evil.example/", True, False, None),
    (A, 307, "\\\\evil.example\\", True, False, "https://a.example/"),
    *((A, code, "/v2", True, False, None) for code in (301, 302, 303)),
    *((A, code, "/v2", False, False, "https://a.example/v2") for code in ALL),
    *((A, code, "https://b.example/v2", False, True, "https://b.example/v2") for code in ALL),
    (A, 302, "http://b.example/v2", False, True, None),
    ("http://a.example/", 302, "https://b.example/v2", False, True, "https://b.example/v2"),
    ("http://a.example/", 302, "http://b.example/v2", False, True, "http://b.example/v2"),
    *((A, 302, f"{scheme}:///etc/passwd", False, True, None) for scheme in ("file", "ftp", "unix", "gopher")),
    (A, 302, "https://me:pw@b.example/", False, True, None),
    (A, 302, None, False, True, None),
]  # fmt: skip


@pytest.mark.parametrize(("start", "status", "location", "body", "anywhere", "expected"), HOPS)
def test_where_redirects_lead(start, status, location, body, anywhere, expected) -> None:
    def hop() -> httpx2.URL | None:
        return next_hop(httpx2.URL(start), status, location, body=body, anywhere=anywhere)

    if expected is None:
        with pytest.raises(Refused) as caught:
            hop()
        assert caught.value.reason == "redirected elsewhere" and "pw" not in str(caught.value)
    else:
        found = hop()
        assert found is not None and found.host == httpx2.URL(expected).host
        assert found.scheme == httpx2.URL(expected).scheme


@pytest.mark.parametrize("status", [200, 201, 300, 304, 305, 306, 400, 500])
def test_what_is_no_redirect(status: int) -> None:
    assert next_hop(httpx2.URL(A), status, "https://b.example/", body=True, anywhere=False) is None


PRIVATE = [
    "127.0.0.1",
    "10.1.2.3",
    "192.168.0.1",
    "169.254.169.254",
    "::1",
    "fe80::1%eth0",
    "fd00::1",
    "0.0.0.0",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_from_public_to_private_addresses_nothing_leads(address: str) -> None:
    bounds = Bounds(until=0.0)
    bounds.admit(["93.184.215.14", "2606:2800:21f::1"])
    bounds.admit(["1.1.1.1"])
    with pytest.raises(Refused, match="private"):
        bounds.admit([address])
    with pytest.raises(Refused, match="private"):
        bounds.admit(["1.1.1.1", address])
    local = Bounds(until=0.0)
    local.admit([address])  # a server of one's own may send on to wherever it wants
    local.admit(["1.1.1.1"])
    local.admit([address])


def test_how_addresses_are_shown() -> None:
    assert shown("http://localhost:8000/v1") == "http://localhost:8000/v1"
    assert shown("http://me:pw@a.example/v1?key=1#x") == "http://***@a.example/v1?***"
    assert shown("me:p@w@a.example") == "***@a.example"
    assert shown("http://a.example/\n\x1b[31mred") == "http://a.example/ [31mred"
    assert len(shown("http://a.example/" + "b" * 500)) == 80
