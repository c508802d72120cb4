"""The bridge: every refused request is one problem (RFC 9457), every mishap with the card one sentence.

A bridge really listens on a free port of this machine; the requests are real ones. A refused request opens no
transaction and no card; a mishap at the card spends no try that nobody meant to spend.
"""

from __future__ import annotations

import base64
import json
import secrets
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jws
from joserfc.jwk import ECKey

from tegata.apdu.errors import EXCHANGE, TegataError
from tegata.applets.jpki import JpkiKey
from tegata.reader_bridge.service import Bridge, BridgeOptions, Portals
from tegata.reader_bridge.service.portals import public_keys
from tegata.reader_bridge.signing import Anchors
from tegata.simulators.card.journal import FileStore
from tegata.simulators.pki import anchors

from ..reader_bridge.service.browser import Browser
from .conftest import Place, card_memory

PORTAL, RETURN = "https://portal.example", "https://portal.example/return"
TRIES = "app/d392f000260100000001/tries/0018"


@dataclass
class Desk:
    """A bridge with one portal, and what that portal sends."""

    bridge: Bridge
    home: Path
    card: Path
    key: ECKey
    stranger: ECKey
    client: httpx.Client
    taken: dict[str, str] = field(default_factory=dict)

    def request(self, **changes: Any) -> str:
        """A login, signed by the portal."""
        now = int(time.time())
        claims = {
            "iss": "portal",
            "aud": self.bridge.id,
            "jti": secrets.token_urlsafe(24),
            "iat": now,
            "exp": now + 60,
            "verb": "authenticate",
            "origin": PORTAL,
            "nonce": base64.b64encode(secrets.token_bytes(33)).decode(),
            "return_url": RETURN,
            **changes,
        }
        return self.signed(self.key, claims)

    def signed(self, key: ECKey, claims: dict[str, Any]) -> str:
        header = {"alg": "ES256", "typ": "tegata-request+jwt"}
        return jws.serialize_compact(header, json.dumps(claims).encode(), key)

    def transactions(self) -> int:
        with closing(sqlite3.connect(self.home / "bridge.sqlite")) as database:
            return int(database.execute("select count(*) from bridge_transaction").fetchone()[0])

    def at_pin(self, lang: str = "en") -> Browser:
        """A holder who has agreed to a login."""
        answer = self.client.post(f"{self.bridge.url}/api/requests", json={"request": self.request()})
        browser = Browser(lang)
        browser.open(answer.json()["consent_url"])
        browser.agree()
        return browser


def open_desk(stack: ExitStack, folder: Path, reader: str = "") -> Desk:
    """A bridge on the holder's card of this folder, unless another reader is named."""
    home, card = folder / "bridge", folder / "holder.sim"
    key, stranger = ECKey.generate_key("P-256"), ECKey.generate_key("P-256")
    Portals(folder / "portals").add(
        Portals.make(
            id="portal",
            name="The portal",
            standing="test",
            origins=[PORTAL],
            return_urls=[RETURN],
            keys=public_keys(json.dumps(key.as_dict(private=False))),
        )
    )
    options = BridgeOptions(
        reader=reader or f"sim:{card}",
        home=home,
        portals=folder / "portals",
        simulated=Anchors(anchors()),
    )
    client = stack.enter_context(httpx.Client(trust_env=False))
    return Desk(stack.enter_context(Bridge(options)), home, card, key, stranger, client)


@pytest.fixture
def make_desk(place: Place) -> Iterator[Callable[..., Desk]]:
    with ExitStack() as stack:
        yield lambda reader="": open_desk(stack, place.folder, reader)


@pytest.fixture
def desk(make_desk: Callable[..., Desk]) -> Desk:
    return make_desk()


@pytest.fixture(scope="module")
def front(template: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """One bridge for all requests that it must not take."""
    folder = tmp_path_factory.mktemp("front")
    shutil.copyfile(template.folder / "holder.sim", folder / "holder.sim")
    with ExitStack() as stack:
        yield open_desk(stack, folder)


@dataclass(frozen=True)
class Refusal:
    """A request that must not be taken: how it is made, and the problem that answers it."""

    name: str
    send: Callable[[Desk, dict[str, str]], httpx.Response]
    code: str
    status: int
    details: dict[str, Any] = field(default_factory=dict)


def push(desk: Desk, request: str, headers: dict[str, str]) -> httpx.Response:
    url = f"{desk.bridge.url}/api/requests"
    return desk.client.post(url, json={"request": request}, headers=headers)


def carry(desk: Desk, request: str, headers: dict[str, str]) -> httpx.Response:
    url, form = f"{desk.bridge.url}/carried", {"request": request}
    return desk.client.post(url, data=form, headers={"origin": PORTAL, **headers})


def get(desk: Desk, path: str, headers: dict[str, str]) -> httpx.Response:
    return desk.client.get(desk.bridge.url + path, headers=headers)


def late(desk: Desk) -> str:
    now = int(time.time())
    return desk.request(iat=now - 70, exp=now - 10)


def replayed(desk: Desk, send: Callable[..., httpx.Response], headers: dict[str, str]) -> httpx.Response:
    """A request that was taken before."""
    way = send.__name__
    if way not in desk.taken:
        desk.taken[way] = desk.request()
        assert send(desk, desk.taken[way], {}).status_code in (201, 303)
    return send(desk, desk.taken[way], headers)


def by_stranger(desk: Desk) -> str:
    body = jws.extract_compact(desk.request().encode()).payload
    return desk.signed(desk.stranger, json.loads(body))


REFUSALS = (
    *(
        refusal
        for way, send in (("pushed", push), ("carried", carry))
        for refusal in (
            Refusal(
                f"unknown portal, {way}",
                lambda desk, headers, send=send: send(desk, desk.request(iss="stranger"), headers),
                "request.unknown_portal",
                401,
            ),
            Refusal(
                f"late, {way}",
                lambda desk, headers, send=send: send(desk, late(desk), headers),
                "request.late",
                401,
            ),
            Refusal(
                f"replayed, {way}",
                lambda desk, headers, send=send: replayed(desk, send, headers),
                "request.replayed",
                409,
            ),
            Refusal(
                f"foreign Host, {way}",
                lambda desk, headers, send=send: send(
                    desk, desk.request(), {**headers, "host": "evil.example"}
                ),
                "request.host",
                421,
            ),
            Refusal(
                f"for another bridge, {way}",
                lambda desk, headers, send=send: send(desk, desk.request(aud="urn:other"), headers),
                "request.audience",
                401,
            ),
        )
    ),
    Refusal(
        "foreign Host, page",
        lambda desk, headers: get(desk, "/t/x", {**headers, "host": "a"}),
        "request.host",
        421,
    ),
    Refusal(
        "a page at the back ends' front",
        lambda desk, headers: push(desk, desk.request(), {**headers, "origin": PORTAL}),
        "request.origin",
        403,
    ),
    Refusal(
        "carried from a page of nobody",
        lambda desk, headers: carry(desk, desk.request(), {**headers, "origin": "https://evil.example"}),
        "request.origin",
        403,
    ),
    Refusal(
        "no such transaction",
        lambda desk, headers: get(desk, "/t/unknown", headers),
        "request.unknown_transaction",
        404,
    ),
    Refusal("nothing there", lambda desk, headers: get(desk, "/nothing", headers), "request.not_found", 404),
)


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: refusal.name)
def test_one_problem(front: Desk, refusal: Refusal) -> None:
    before = card_memory(front.card)
    refusal.send(front, {})
    known = front.transactions()
    error = TegataError(refusal.code, **refusal.details)
    for lang in ("en", "ja"):
        answer = refusal.send(front, {"accept-language": lang})
        assert answer.json() == {
            "type": f"urn:tegata:problem:{refusal.code}",
            "title": error.sentence(lang),
            "detail": error.next_step(lang),
            "status": refusal.status,
        }
        assert answer.status_code == refusal.status
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["content-language"] == lang
        page = refusal.send(front, {"accept-language": lang, "accept": "text/html"})
        assert page.status_code == refusal.status
        assert error.sentence(lang) in unescape(page.text)
        assert error.next_step(lang) in unescape(page.text)
    assert front.transactions() == known
    assert card_memory(front.card) == before


def test_a_strangers_signature(front: Desk) -> None:
    known = front.transactions()
    answer = push(front, by_stranger(front), {})
    assert (answer.status_code, answer.json()["type"]) == (401, "urn:tegata:problem:request.signature")
    assert front.transactions() == known


def ended(desk: Desk, code: str, lang: str, card: Path, **details: Any) -> None:
    """A transaction that fails before its PIN; the page says why, and the card is as it was."""
    before = card_memory(card)
    browser = desk.at_pin(lang)
    error = TegataError(code, **details)
    assert f"urn:tegata:problem:{code}" in browser.html
    assert error.sentence(lang) in browser.html
    assert error.next_step(lang) in unescape(browser.html)
    browser.close()
    assert card_memory(card) == before


@pytest.mark.parametrize("lang", ["en", "ja"])
class TestAtTheCard:
    def test_no_reader(
        self,
        make_desk: Callable[..., Desk],
        place: Place,
        monkeypatch: pytest.MonkeyPatch,
        lang: str,
    ) -> None:
        monkeypatch.setenv("PCSCLITE_CSOCK_NAME", str(place.folder / "nobody.comm"))
        desk = make_desk("pcsc:")
        ended(desk, "reader.none", lang, desk.card)

    def test_card_in_another_program(self, desk: Desk, lang: str) -> None:
        with closing(FileStore(desk.card)):
            ended(desk, "cardfile.locked", lang, desk.card, file=desk.card)

    def test_not_a_my_number_card(self, make_desk: Callable[..., Desk], place: Place, lang: str) -> None:
        desk = make_desk(place.sim("issued"))
        ended(desk, "jpki.not_here", lang, place.folder / "issued.sim")

    def test_wrong_pin_last_try_blocked(self, desk: Desk, lang: str) -> None:
        browser = desk.at_pin(lang)
        said = {
            "en": ("was wrong. 2 tries are left", "Only one try is left", "tick the box"),
            "ja": ("が違います。残り 2 回", "残り 1 回です", "チェックを入れて"),
        }[lang]
        browser.type_pin("9999")
        assert said[0] in browser.html
        assert "urn:tegata:problem:pin.wrong" in browser.html
        browser.type_pin("99")
        assert "urn:tegata:problem:pin.format" in browser.html
        assert card_memory(desk.card)[TRIES] == b"\x02"
        browser.type_pin("9998")
        assert said[1] in browser.html
        browser.type_pin("9997")
        assert said[2] in browser.html
        assert "urn:tegata:problem:pin.last_try" in browser.html
        assert card_memory(desk.card)[TRIES] == b"\x01"
        browser.type_pin("9997", last_try="yes")
        assert "urn:tegata:problem:pin.blocked" in browser.html
        browser.close()
        assert card_memory(desk.card)[TRIES] == b"\x00"
        ended(desk, "pin.blocked", lang, desk.card, pin=JpkiKey.AUTHENTICATION.pin_rule.name)

    def test_card_removed_in_the_middle_of_verify(
        self, make_desk: Callable[..., Desk], place: Place, lang: str
    ) -> None:
        """The counter was not yet written: the try is not spent, and a new login works."""
        desk = make_desk(place.sim("holder", "?cut=0.inside"))
        before = card_memory(desk.card)
        browser = desk.at_pin(lang)
        browser.type_pin("1234")
        error = TegataError("card.removed", what=EXCHANGE)
        assert error.sentence(lang) in browser.html
        assert error.next_step(lang) in unescape(browser.html)
        browser.close()
        assert card_memory(desk.card) == before
