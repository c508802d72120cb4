"""Requests that the bridge must not take, each with its problem type."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry
from joserfc.util import urlsafe_b64encode

from tegata.reader_bridge.service.portals import public_keys

from .conftest import Bench

DAY_NONCE = base64.b64encode(bytes(33)).decode()


def claims(bench: Bench, **changes: Any) -> dict[str, Any]:
    now = int(time.time())
    values = {
        "iss": "example",
        "aud": bench.bridge.id,
        "jti": base64.urlsafe_b64encode(now.to_bytes(8, "big") + bytes(16)).decode(),
        "iat": now,
        "exp": now + 60,
        "verb": "authenticate",
        "origin": bench.portal.origin,
        "nonce": DAY_NONCE,
        "return_url": f"{bench.portal.origin}/return",
        **changes,
    }
    return {name: value for name, value in values.items() if value is not None}


def signed(key: Any, claims: dict[str, Any], alg: str = "ES256", **header: Any) -> str:
    protected = {"alg": alg, "typ": "tegata-request+jwt", **header}
    parts = [urlsafe_b64encode(json.dumps(part).encode()) for part in (protected, claims)]
    text = b".".join(parts)
    signature = JWSRegistry.algorithms[alg].sign(text, key)
    return (text + b"." + urlsafe_b64encode(signature)).decode()


def push(bench: Bench, request: str, **headers: str) -> tuple[int, str]:
    url = f"{bench.bridge.url}/api/requests"
    answer = httpx.post(url, json={"request": request}, headers=headers, trust_env=False)
    return answer.status_code, answer.json().get("type", "").removeprefix("urn:tegata:problem:")


def push_claims(bench: Bench, **changes: Any) -> tuple[int, str]:
    return push(bench, signed(bench.portal.key, claims(bench, **changes)))


def test_the_plain_request_is_taken(bench: Bench) -> None:
    assert push_claims(bench) == (201, "")


def test_a_replayed_request_is_refused(bench: Bench) -> None:
    request = signed(bench.portal.key, claims(bench))
    assert push(bench, request) == (201, "")
    assert push(bench, request) == (409, "request.replayed")


def test_a_replay_is_refused_after_a_restart_too(bench: Bench, make_bench: Callable[..., Bench]) -> None:
    request = signed(bench.portal.key, claims(bench))
    assert push(bench, request) == (201, "")
    bench.bridge.core.close()
    from tegata.reader_bridge.service import Bridge

    with Bridge(bench.options) as again:
        url = f"{again.url}/api/requests"
        answer = httpx.post(url, json={"request": request}, trust_env=False)
        assert answer.json()["type"] == "urn:tegata:problem:request.replayed"
        assert again.id == bench.bridge.id


@pytest.mark.parametrize(("iat", "exp"), [(-120, -60), (0, 61), (-61, 0), (30, 60), (0, 10**15)])
def test_a_late_or_long_request_is_refused(bench: Bench, iat: int, exp: int) -> None:
    now = int(time.time())
    status, problem = push_claims(bench, iat=now + iat, exp=now + exp)
    assert (status, problem) in ((401, "request.late"), (400, "request.malformed"))


def test_time_passes_on_the_way(bench: Bench) -> None:
    request = signed(bench.portal.key, claims(bench))
    bench.clock.ahead = timedelta(seconds=61)
    assert push(bench, request) == (401, "request.late")


def test_an_unknown_portal_is_refused(bench: Bench) -> None:
    assert push_claims(bench, iss="stranger") == (401, "request.unknown_portal")


def test_another_bridges_request_is_refused(bench: Bench) -> None:
    assert push_claims(bench, aud="urn:other") == (401, "request.audience")


def test_a_strangers_key_is_refused(bench: Bench) -> None:
    stranger = ECKey.generate_key("P-256")
    assert push(bench, signed(stranger, claims(bench))) == (401, "request.signature")
    request = signed(stranger, claims(bench), jwk=stranger.as_dict(private=False))
    assert push(bench, request) == (400, "request.malformed")


def test_unsigned_requests_are_refused(bench: Bench) -> None:
    header, payload, _ = signed(bench.portal.key, claims(bench)).split(".")
    assert push(bench, f"{header}.{payload}.") == (401, "request.signature")
    none = urlsafe_b64encode(b'{"alg":"none","typ":"tegata-request+jwt"}').decode()
    assert push(bench, f"{none}.{payload}.") == (401, "request.signature")


def test_a_mac_with_the_public_key_is_refused(bench: Bench) -> None:
    from joserfc.jwk import OctKey

    secret = OctKey.import_key(bench.portal.key.as_pem(private=False).hex())
    assert push(bench, signed(secret, claims(bench), alg="HS256")) == (401, "request.signature")


@pytest.mark.parametrize(
    ("key", "alg"),
    [(RSAKey.generate_key(2048), "RS256"), (OKPKey.generate_key("Ed25519"), "EdDSA")],
    ids=["RS256", "EdDSA"],
)
def test_other_keys_of_the_list_are_taken(bench: Bench, key: Any, alg: str) -> None:
    other = bench.register("other", keys=public_keys(json.dumps(key.as_dict(private=True))))
    asked = claims(bench, iss="other", origin=other.origin, return_url=f"{other.origin}/return")
    assert push(bench, signed(key, asked, alg=alg)) == (201, "")


@pytest.mark.parametrize("junk", ["", "a.b", "a.b.c", "é.b.c", "....", "e30.e30.e30"])
def test_junk_is_refused(bench: Bench, junk: str) -> None:
    assert push(bench, junk) == (400, "request.malformed")


def test_the_authentication_key_never_signs_a_callers_digest(bench: Bench) -> None:
    """There is no place in a login where a digest could stand, and a signature never uses that key."""
    digest = base64.b64encode(bytes(32)).decode()
    for name in ("digest", "hash", "sha256", "items", "document", "key"):
        assert push_claims(bench, **{name: digest}) == (400, "request.malformed")
    item = {"kind": "hash", "label": "x", "sha256": digest, "key": "authentication"}
    sign = {"verb": "sign", "origin": None, "nonce": None}
    assert push_claims(bench, **sign, items=[item]) == (400, "request.malformed")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"origin": "https://portal.example.evil"}, "request.not_allowed"),
        ({"origin": "null"}, "request.malformed"),
        ({"nonce": "short"}, "request.malformed"),
        ({"return_url": "https://evil.example/return"}, "request.not_allowed"),
        ({"verb": "decrypt"}, "request.malformed"),
        ({"jti": "short"}, "request.malformed"),
    ],
)
def test_what_a_login_may_not_ask(bench: Bench, changes: dict[str, Any], problem: str) -> None:
    assert push_claims(bench, **changes)[1] == problem


def item(**fields: Any) -> dict[str, Any]:
    return {"verb": "sign", "origin": None, "nonce": None, "items": [fields]}


def test_what_a_signature_may_not_ask(bench: Bench) -> None:
    digest = base64.b64encode(bytes(32)).decode()
    bare = item(kind="hash", sha256=digest)
    assert push_claims(bench, **bare) == (403, "request.not_allowed")
    assert push_claims(bench, **item(kind="hash", label="x", sha256="AAAA"))[1] == "request.malformed"
    junk = item(kind="pdf", label="x", document=base64.b64encode(b"junk").decode())
    assert push_claims(bench, **junk) == (422, "signature.document")
    assert push_claims(bench, verb="sign", origin=None, nonce=None, items=[])[1] == "request.malformed"
    allowed = bench.register("bare", bare_hash=True)
    place = {"iss": "bare", "return_url": f"{allowed.origin}/return"}
    assert push(bench, signed(allowed.key, claims(bench, **bare, **place))) == (201, "")


@pytest.mark.parametrize("host", ["evil.example", "localhost.:1", "127.0.0.1", "127.0.0.1:1", ""])
@pytest.mark.parametrize("path", ["/api/bridge", "/t/x", "/static/tegata.css"])
def test_a_foreign_host_is_refused(bench: Bench, host: str, path: str) -> None:
    answer = httpx.get(bench.bridge.url + path, headers={"host": host}, trust_env=False)
    assert (answer.status_code, answer.json()["type"]) == (421, "urn:tegata:problem:request.host")


def carry(bench: Bench, request: str, **headers: str) -> tuple[int, str]:
    url = f"{bench.bridge.url}/carried"
    answer = httpx.post(url, data={"request": request}, headers=headers, trust_env=False)
    problem = answer.json().get("type", "") if answer.status_code >= 400 else ""
    return answer.status_code, problem.removeprefix("urn:tegata:problem:")


def test_a_carried_request_comes_from_a_registered_origin(bench: Bench) -> None:
    request = signed(bench.portal.key, claims(bench))
    origins = ["null", f"{bench.portal.origin}.evil", "http://127.0.0.1", "https://evil.example", ""]
    for origin in origins:
        assert carry(bench, request, origin=origin) == (403, "request.origin")
    assert carry(bench, request) == (403, "request.origin")
    assert carry(bench, request, origin=bench.portal.origin)[0] == 303


def test_one_portal_does_not_carry_for_another(bench: Bench) -> None:
    other = bench.register("other")
    request = signed(bench.portal.key, claims(bench))
    assert carry(bench, request, origin=other.origin) == (403, "request.origin")


def test_content_types_are_exact(bench: Bench) -> None:
    request = signed(bench.portal.key, claims(bench))
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        answer = httpx.post(
            f"{bench.bridge.url}/api/requests",
            content=json.dumps({"request": request}),
            headers={"content-type": kind},
            trust_env=False,
        )
        assert answer.status_code == 415
        assert answer.json()["type"] == "urn:tegata:problem:request.content_type"
    answer = httpx.post(
        f"{bench.bridge.url}/carried",
        json={"request": request},
        headers={"origin": bench.portal.origin},
        trust_env=False,
    )
    assert answer.status_code == 415


def test_no_browser_page_reaches_the_api(bench: Bench) -> None:
    request = signed(bench.portal.key, claims(bench))
    for origin in (bench.portal.origin, bench.bridge.url, "null"):
        assert push(bench, request, origin=origin) == (403, "request.origin")
    assert push(bench, request, **{"sec-fetch-site": "same-site"}) == (403, "request.origin")
    options = httpx.request("OPTIONS", f"{bench.bridge.url}/api/requests", trust_env=False)
    assert options.status_code == 404
    assert "access-control-allow-origin" not in options.headers


def test_unknown_places_say_so(bench: Bench) -> None:
    for path, problem in (("/nothing", "not_found"), ("/t/unknown", "unknown_transaction")):
        answer = httpx.get(bench.bridge.url + path, trust_env=False)
        assert answer.status_code == 404
        assert answer.json()["type"] == f"urn:tegata:problem:request.{problem}"
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_portal_without_a_key_for_encryption_cannot_carry(bench: Bench) -> None:
    key = OKPKey.generate_key("Ed25519")
    other = bench.register("other", keys=public_keys(json.dumps(key.as_dict())))
    asked = claims(bench, iss="other", origin=other.origin, return_url=f"{other.origin}/return")
    result = carry(bench, signed(key, asked, alg="EdDSA"), origin=other.origin)
    assert result == (403, "request.not_allowed")
