"""The guard alone, in front of the smallest service there is."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from tegata.apdu.errors import InputError, RequestError
from tegata.reader_bridge.web import BackgroundServer, Door, Guard, bind, guards, language_of, problem

ORIGIN = "https://portal.example"


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    async def echo(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(len(await request.body())))

    listener = bind("127.0.0.1", 0)
    host = f"127.0.0.1:{listener.getsockname()[1]}"
    app = Starlette(routes=[Route("/{path:path}", echo, methods=["GET", "POST", "PUT"])])
    guard = Guard(
        app,
        hosts=lambda: {host},
        doors=(
            Door.carried_form("/carried", lambda: {ORIGIN}),
            Door.own_form("/own/", lambda: {f"http://{host}"}),
            Door.page("/own/"),
            Door.api("POST", "/api/"),
        ),
        limit=1000,
    )
    with BackgroundServer(guard, listener) as server:
        yield server.url


def post(url: str, path: str, **headers: str) -> int:
    return httpx.post(url + path, content=b"", headers=headers, trust_env=False).status_code


FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/carried", {"origin": ORIGIN, "content-type": FORM}, 200),
        ("/carried", {"origin": ORIGIN, "content-type": f"{FORM}; charset=utf-8"}, 200),
        ("/carried", {"origin": ORIGIN, "content-type": FORM, "sec-fetch-site": "cross-site"}, 200),
        ("/carried", {"origin": ORIGIN, "content-type": FORM, "sec-fetch-site": "none"}, 403),
        ("/carried", {"origin": ORIGIN + ".evil", "content-type": FORM}, 403),
        ("/carried", {"origin": ORIGIN + "/", "content-type": FORM}, 403),
        ("/carried", {"origin": "HTTPS://portal.example", "content-type": FORM}, 403),
        ("/carried", {"origin": "null", "content-type": FORM}, 403),
        ("/carried", {"content-type": FORM}, 403),
        ("/carried", {"origin": ORIGIN, "content-type": "text/plain"}, 415),
        ("/carried", {"origin": ORIGIN}, 415),
        ("/carried/", {"origin": ORIGIN, "content-type": FORM}, 404),
        ("/own/x", {"origin": ORIGIN, "content-type": FORM}, 403),
        ("/api/x", {"content-type": "application/json"}, 200),
        ("/api/x", {"content-type": "application/json", "origin": ORIGIN}, 403),
        ("/api/x", {"content-type": "application/json", "sec-fetch-site": "same-origin"}, 403),
        ("/api/x", {"content-type": "application/json+x"}, 415),
        ("/api", {"content-type": "application/json"}, 404),
        ("/", {"content-type": "application/json"}, 404),
    ],
)
def test_each_door_lets_in_what_it_is_for(url: str, path: str, headers: dict[str, str], status: int) -> None:
    assert post(url, path, **headers) == status


def test_own_forms_come_from_own_pages(url: str) -> None:
    headers = {"origin": url, "content-type": FORM}
    assert post(url, "/own/x", **headers) == 200
    assert post(url, "/own/x", **headers, **{"sec-fetch-site": "same-origin"}) == 200
    assert post(url, "/own/x", **headers, **{"sec-fetch-site": "same-site"}) == 403


def test_methods_are_exact(url: str) -> None:
    assert httpx.put(f"{url}/own/x", trust_env=False).status_code == 404
    assert httpx.get(f"{url}/api/x", trust_env=False).status_code == 404
    assert httpx.head(f"{url}/own/x", trust_env=False).status_code == 200


def test_every_answer_carries_the_headers(url: str) -> None:
    for path in ("/own/x", "/nothing"):
        headers = httpx.get(url + path, trust_env=False).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "strict-origin"


def test_size_is_limited_announced_or_not(url: str) -> None:
    headers = {"content-type": "application/json"}
    long = httpx.post(f"{url}/api/x", content=b"x" * 1001, headers=headers, trust_env=False)
    assert long.status_code == 413
    chunks = (b"x" * 500 for _ in range(3))
    chunked = httpx.post(f"{url}/api/x", content=chunks, headers=headers, trust_env=False)
    assert (chunked.status_code, chunked.json()["type"]) == (413, "urn:tegata:problem:request.too_large")
    right = httpx.post(f"{url}/api/x", content=b"x" * 1000, headers=headers, trust_env=False)
    assert right.text == "1000"


def test_browsers_get_a_page_and_programs_a_problem(url: str) -> None:
    page = httpx.get(f"{url}/x", headers={"accept": "text/html", "accept-language": "ja"}, trust_env=False)
    assert page.headers["content-type"].startswith("text/html")
    assert "このアドレスには何もありません" in page.text
    body = httpx.get(f"{url}/x", trust_env=False)
    assert body.headers["content-type"] == "application/problem+json"
    assert body.json() == problem(RequestError("request.not_found"), "en")


def test_a_taken_port_is_one_sentence() -> None:
    listener = bind("127.0.0.1", 0)
    port = listener.getsockname()[1]
    with pytest.raises(InputError) as error:
        bind("127.0.0.1", port)
    assert error.value.code == "bridge.port"
    assert str(port) in error.value.sentence("en")
    listener.close()


@pytest.mark.parametrize(
    ("header", "query", "lang"),
    [
        ("", "", "en"),
        ("ja", "", "ja"),
        ("ja-JP,ja;q=0.9,en;q=0.8", "", "ja"),
        ("fr,en;q=0.8,ja;q=0.9", "", "ja"),
        ("en,ja", "", "en"),
        ("ja;q=0,en;q=0.1", "", "en"),
        ("ja", "lang=en", "en"),
        ("ja", "lang=xx", "ja"),
    ],
)
def test_the_language_follows_the_browser(header: str, query: str, lang: str) -> None:
    scope = {"headers": [(b"accept-language", header.encode())], "query_string": query.encode()}
    assert language_of(scope) == lang


@given(header=st.binary(max_size=60), query=st.binary(max_size=60))
def test_any_header_names_a_language(header: bytes, query: bytes) -> None:
    scope = {"headers": [(b"accept-language", header)], "query_string": query}
    assert language_of(scope) in ("en", "ja")


def test_a_body_that_does_not_come_ends(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "BODY_SECONDS", 0.2)
    place = urlsplit(url).netloc
    with socket.create_connection(("127.0.0.1", int(place.rpartition(":")[2])), timeout=10) as client:
        client.sendall(
            f"POST /api/x HTTP/1.1\r\nHost: {place}\r\nContent-Type: application/json\r\n"
            "Content-Length: 9\r\n\r\n{".encode()
        )
        assert client.recv(65536).startswith(b"HTTP/1.1 400 ")
