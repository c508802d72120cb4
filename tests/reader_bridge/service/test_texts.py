"""What portals write, as the holder sees it: names, labels, purposes, addresses."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from joserfc.jwk import ECKey

from tegata.apdu.errors import InputError
from tegata.reader_bridge.service import Portals
from tegata.reader_bridge.service.portals import public_keys

from .conftest import Bench
from .test_refused import carry, claims, item, push, push_claims, signed

DIGEST = base64.b64encode(bytes(32)).decode()
TRICKS = {
    "right-to-left override": "invoice\u202efdp.exe",
    "isolate": "a\u2066b",
    "zero width": "pay\u200bpal",
    "soft hyphen": "pay\u00adpal",
    "tag characters": "ok\U000e0041",
    "line break": "first\nsecond",
    "next line": "first\u0085second",
    "line separator": "first\u2028second",
    "escape": "\x1b[2J",
    "nothing": "   ",
    "ideographic spaces": "\u3000\u3000",
    "filler": "\u3164",
    "blank braille": "\u2800",
    "byte order mark": "\ufeffa",
    "a heap of marks": "a" + "\u0301" * 40,
}
FINE = [
    "契約書.pdf",
    "Vertrag – März 2026",
    "申込書(東京都)\u3000第1号",
    "葛\U000e0100城市",
    "עברית",
    "👩‍💻 report",
    "か\u3099",
]


@pytest.mark.parametrize("text", TRICKS.values(), ids=TRICKS.keys())
def test_texts_that_hide_something_are_refused(bench: Bench, text: str) -> None:
    assert push_claims(bench, **item(kind="hash", label=text, sha256=DIGEST)) == (400, "request.malformed")
    assert push_claims(bench, purpose=text) == (400, "request.malformed")
    with pytest.raises(InputError) as error:
        Portals.make(**registration(name=text))
    assert error.value.code == "portal.file"


@pytest.mark.parametrize("text", FINE)
def test_honest_texts_pass(bench: Bench, text: str) -> None:
    request = claims(bench, **item(kind="hash", label=text, sha256=DIGEST), purpose=text)
    assert push(bench, signed(bench.portal.key, request)) == (201, "")
    assert Portals.make(**registration(name=text)).name == text


def registration(**changes: Any) -> dict[str, Any]:
    key = ECKey.generate_key("P-256")
    return {
        "id": "x",
        "name": "X",
        "standing": "test",
        "origins": ["https://portal.example"],
        "return_urls": ["https://portal.example/return"],
        "keys": public_keys(json.dumps(key.as_dict())),
        **changes,
    }


ODD = {"name": "<b>{portal}</b>{0.__class__}"}


def test_a_broken_registration_lets_only_itself_down(bench: Bench) -> None:
    folder = bench.options.portals
    (folder / "aaa.json").write_bytes(b"\xff{")
    (folder / "bad.json").write_text(
        json.dumps({**registration(id="bad"), "keys": {"keys": [{"kty": "EC"}]}})
    )
    (folder / "oct.json").write_text(
        json.dumps({**registration(id="oct"), "keys": {"keys": [{"kty": "oct", "k": "AAAA"}]}})
    )
    assert push_claims(bench, iss="bad") == (401, "request.unknown_portal")
    assert push_claims(bench, iss="oct") == (401, "request.unknown_portal")
    assert push_claims(bench) == (201, "")
    request = signed(bench.portal.key, claims(bench, jti="0123456789abcdef"))
    assert carry(bench, request, origin=bench.portal.origin)[0] == 303


def test_markup_stays_text(bench: Bench) -> None:
    label = '"><script>alert(1)</script><img src=x>'
    request = claims(bench, **item(kind="hash", label=label, sha256=DIGEST), purpose=label)
    portal, browser = bench.register("odd", **ODD), bench.browser()
    place = {"iss": "odd", "return_url": f"{portal.origin}/return"}
    session = portal.session(None)
    browser.open(portal.push(session, signed(portal.key, {**request, **place})))
    assert browser.page.status_code == 200
    assert "<script" not in browser.html
    assert "<img" not in browser.html
    assert "&lt;b&gt;{portal}&lt;/b&gt;{0.__class__}" in browser.html
    assert "&lt;script&gt;" in browser.html


def test_texts_of_different_directions_do_not_mix(bench: Bench) -> None:
    """Honest right-to-left text is isolated, so that it does not turn round what stands beside it."""
    browser, portal = bench.browser(), bench.portal
    request = claims(bench, **item(kind="hash", label="עברית", sha256=DIGEST), purpose="עברית")
    browser.open(portal.push(portal.session(None), signed(portal.key, request)))
    assert browser.html.count("<bdi>עברית</bdi>") == 2
    assert "<bdi>example portal</bdi>" in browser.html


@pytest.mark.parametrize(
    "origin",
    [
        "https://Portal.example",
        "https://portal.example:443",
        "https://portal.example:",
        "https://portal.example:99999",
        "https://pörtal.example",
        "https://portal.example\u2024evil",
        "https://port\u2100al.example",
        "https://portal.example;script-src",
        "https://portal.example *",
        "https://[::1",
        "https://[portal]",
        "https://portal.example\n",
        "https://user@portal.example",
        "https://portal.example/",
        "https://-portal.example",
        "http://127.0.0.1:80",
        "null",
    ],
)
def test_an_origin_is_what_a_browser_sends(bench: Bench, origin: str) -> None:
    """Anything else would never match, or would reach into a header; for a login it is no server error."""
    assert push_claims(bench, origin=origin) == (400, "request.malformed")
    for field, value in (("origins", [origin]), ("return_urls", [f"{origin}/return"])):
        if value == ["https://portal.example//return"]:
            continue  # as an address it is fine
        with pytest.raises(InputError) as error:
            Portals.make(**registration(**{field: value}))
        assert error.value.code == "portal.file"


@pytest.mark.parametrize("origin", ["https://a", "https://xn--prtal-jua.example:8443", "http://[::1]:8700"])
def test_an_origin_that_browsers_send_passes(origin: str) -> None:
    made = Portals.make(**registration(origins=[origin], return_urls=[f"{origin}/return?a=b"]))
    assert made.origins == (origin,)


@pytest.mark.parametrize("path", ["/re turn", "/ret\turn", "/ret\nurn", "/retürn", "/return#top", '/"><b>'])
def test_a_return_address_is_plain(path: str) -> None:
    with pytest.raises(InputError):
        Portals.make(**registration(return_urls=[f"https://portal.example{path}"]))
