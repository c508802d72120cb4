"""HTTP and JWS as an attacker writes them, byte by byte."""

from __future__ import annotations

import base64
import json
import socket
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from joserfc.jwk import ECKey
from joserfc.jws import JWSRegistry
from joserfc.util import urlsafe_b64encode

from tegata.reader_bridge.service.portals import public_keys

from .conftest import Bench
from .test_refused import claims, push, signed


def raw(bench: Bench, request: str, timeout: float = 10) -> bytes:
    """What the bridge answers to these bytes; ``HOST`` stands for its right name."""
    place = urlsplit(bench.bridge.url).netloc
    with socket.create_connection(("127.0.0.1", int(place.rpartition(":")[2])), timeout=timeout) as client:
        client.sendall(request.replace("HOST", place).encode("latin-1"))
        answer = b""
        while b"\r\n\r\n" not in answer and (more := client.recv(65536)):
            answer += more
        return answer.split(b"\r\n")[0]


@pytest.mark.parametrize(
    ("request_lines", "status"),
    [
        ("GET /api/bridge HTTP/1.1\r\nHost: HOST", 200),
        ("GET /api/bridge HTTP/1.1\r\nhOsT: HOST", 200),
        ("GET /api/bridge HTTP/1.0", 421),
        ("GET /api/bridge HTTP/1.1", 400),
        ("GET /api/bridge HTTP/1.1\r\nHost: HOST\r\nHost: HOST", 400),
        ("GET /api/bridge HTTP/1.1\r\nHost: HOST, evil.example", 421),
        ("GET /api/bridge HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: HOST", 421),
        ("GET /api/bridge HTTP/1.1\r\nHost: [0:0:0:0:0:0:0:1]:80", 421),
        ("GET /api/bridge HTTP/1.1\r\nHost: 127.1:80", 421),
        ("GET /api/bridge HTTP/1.1\r\nHost: 0.0.0.0:80", 421),
        ("GET http://evil.example/api/bridge HTTP/1.1\r\nHost: HOST", 404),
        ("GET //evil.example/t/x HTTP/1.1\r\nHost: HOST", 404),
        ("GET /t/../api/bridge HTTP/1.1\r\nHost: HOST", 404),
        ("GET /static/../../guards.py HTTP/1.1\r\nHost: HOST", 404),
        ("GET /static/%2e%2e/%2e%2e/guards.py HTTP/1.1\r\nHost: HOST", 404),
        ("OPTIONS * HTTP/1.1\r\nHost: HOST", 404),
        ("TRACE /t/x HTTP/1.1\r\nHost: HOST", 404),
        ("HEAD /t/x HTTP/1.1\r\nHost: HOST", 404),
        ("GET /api/bridge HTTP/1.1\r\nHost: HOST\r\nOrigin: null", 403),
        ("GET /api/bridge HTTP/1.1\r\nHost: HOST\r\noRIGIN: http://HOST", 403),
        ("GET /api/bridge HTTP/1.1\r\nHost: HOST\r\nSec-Fetch-Site: none", 403),
        ("GET /api/bridge HTTP/1.1\r\nHost: HOST\r\nContent-Length: 99999999999999999999", 413),
        ("GET /api/bridge HTTP/1.1\r\nHost: HOST\r\nContent-Length: -1", 400),
        ("POST /carried HTTP/1.1\r\nHost: HOST\r\nOrigin: http://HOST\r\nOrigin: null", 403),
        ("POST /t/x/pin HTTP/1.1\r\nHost: HOST\r\nContent-Type: application/x-www-form-urlencoded", 403),
        (
            "POST /t/x/pin HTTP/1.1\r\nHost: HOST\r\nOrigin: http://HOST\r\nSec-Fetch-Site: cross-site\r\n"
            "Content-Type: application/x-www-form-urlencoded",
            403,
        ),
    ],
)
def test_hosts_targets_and_headers(bench: Bench, request_lines: str, status: int) -> None:
    assert raw(bench, f"{request_lines}\r\n\r\n").startswith(f"HTTP/1.1 {status} ".encode())


def post(bench: Bench, body: bytes | Any) -> tuple[int, str]:
    answer = httpx.post(
        f"{bench.bridge.url}/api/requests",
        content=body,
        headers={"content-type": "application/json"},
        trust_env=False,
    )
    return answer.status_code, answer.json()["type"].removeprefix("urn:tegata:problem:")


def test_bodies_that_are_bombs(bench: Bench) -> None:
    for bomb in (
        b"[" * 200_000,
        b'{"request":' * 100_000,
        b'{"request":' + b"9" * 100_000 + b"}",
        b"\xff",
        b"",
    ):
        assert post(bench, bomb) == (400, "request.malformed")
    assert post(bench, b'{"request":"\\ud800"}') == (400, "request.malformed")

    def chunks() -> Any:
        for _ in range(25):
            yield b" " * (1024 * 1024)

    assert post(bench, chunks()) == (413, "request.too_large")


def test_requests_that_are_bombs(bench: Bench) -> None:
    nested = urlsafe_b64encode(b"[" * 100_000).decode()
    assert push(bench, "." * 1_000_000) == (400, "request.malformed")
    assert push(bench, f"{nested}.{nested}.AA") == (400, "request.malformed")
    head = urlsafe_b64encode(b'{"alg":"ES256","typ":"tegata-request+jwt"}').decode()
    assert push(bench, f"{head}.{nested}.AA") == (400, "request.malformed")


@pytest.mark.parametrize(
    "extra",
    [{"crit": ["exp"]}, {"b64": False, "crit": ["b64"]}, {"jku": "https://evil.example"}, {"x5c": []}],
)
def test_headers_that_change_the_meaning(bench: Bench, extra: dict[str, Any]) -> None:
    assert push(bench, signed(bench.portal.key, claims(bench), **extra)) == (400, "request.malformed")


def by_hand(bench: Bench, header: str, payload: str) -> str:
    text = b".".join(urlsafe_b64encode(part.encode()) for part in (header, payload))
    signature = JWSRegistry.algorithms["ES256"].sign(text, bench.portal.key)
    return (text + b"." + urlsafe_b64encode(signature)).decode()


def test_a_claim_stands_once(bench: Bench) -> None:
    """Two programs would read two different requests in it (RFC 8725 §2.4, RFC 7519 §4)."""
    header = '{"alg":"ES256","typ":"tegata-request+jwt"}'
    payload = json.dumps(claims(bench))
    assert push(bench, by_hand(bench, header, payload)) == (201, "")
    again = json.dumps(claims(bench, jti="0123456789abcdef"))
    doubled = again[:-1] + f', "return_url": "{bench.portal.origin}/return"}}'
    assert push(bench, by_hand(bench, header, doubled)) == (400, "request.malformed")
    heads = '{"alg":"none","alg":"ES256","typ":"tegata-request+jwt"}'
    assert push(bench, by_hand(bench, heads, again)) == (400, "request.malformed")


def test_an_algorithm_needs_its_own_curve(bench: Bench) -> None:
    key = ECKey.generate_key("P-384")
    other = bench.register("other", keys=public_keys(json.dumps(key.as_dict())))
    asked = claims(bench, iss="other", origin=other.origin, return_url=f"{other.origin}/return")
    text = b".".join(
        urlsafe_b64encode(json.dumps(part).encode())
        for part in ({"alg": "ES256", "typ": "tegata-request+jwt"}, asked)
    )
    for size in (64, 96):
        request = (text + b"." + urlsafe_b64encode(bytes(size))).decode()
        assert push(bench, request) == (401, "request.signature")


def test_what_nobody_foresaw_is_a_problem_too(bench: Bench) -> None:
    """Not a page of the framework's: the answer's form holds for programs in every case."""
    (bench.options.portals / "folder.json").mkdir()
    assert push(bench, signed(bench.portal.key, claims(bench))) == (201, "")
    nonce = base64.b64encode(bytes(32)).decode()
    for origin in ("https://[", "https://\u2100", "http://a:b"):
        request = signed(bench.portal.key, claims(bench, origin=origin, nonce=nonce))
        assert push(bench, request) == (400, "request.malformed")
