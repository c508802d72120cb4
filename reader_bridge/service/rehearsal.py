"""A rehearsal: a portal and a holder's browser in one, against a bridge whose persona says yes.

For the demonstration and for trying out an installation with simulated cards. It registers a test portal
of its own, logs in, has a PDF signed, and verifies both as a portal would.
"""

from __future__ import annotations

import base64
import json
import secrets
import time
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
from joserfc import jws
from joserfc.jwk import ECKey

from ...apdu.errors import RequestError
from ..signing import verify_pdf, verify_token
from .app import Bridge
from .portals import Portal, Portals, public_keys

__all__ = ["Rehearsal", "rehearse"]

ORIGIN = "http://127.0.0.1:9"
"""The portal's origin: nothing listens there, and nothing needs to."""
SECONDS = 60.0


@dataclass(frozen=True, slots=True, repr=False)
class Rehearsal:
    """What came out, verified. ``token`` is JSON and verifies for ``origin`` and ``nonce`` only."""

    origin: str
    nonce: str
    token: str
    login_certificate: bytes
    signed_pdf: bytes
    signer_certificate: bytes


def rehearse(bridge: Bridge, document: bytes, label: str = "document.pdf") -> Rehearsal:
    """Log in, have ``document`` (a PDF) signed, and verify both under the bridge's simulated anchors.

    ``bridge`` is serving (``with Bridge(options) as bridge``) and has a persona.
    Raises RequestError for whatever failed.
    """
    key = ECKey.generate_key("P-256")
    name = f"rehearsal-{secrets.token_hex(4)}"
    portal = Portals.make(
        id=name,
        name="Rehearsal",
        standing="test",
        origins=[ORIGIN],
        return_urls=[f"{ORIGIN}/return"],
        keys=public_keys(json.dumps(key.as_dict(private=False))),
    )
    path = bridge.core.portals.add(portal)
    try:
        with httpx.Client(base_url=bridge.url, trust_env=False, timeout=SECONDS) as client:
            return _play(_Stage(bridge, portal, key, client), document, label)
    finally:
        path.unlink()


def _play(stage: _Stage, document: bytes, label: str) -> Rehearsal:
    nonce = base64.b64encode(secrets.token_bytes(33)).decode()
    login = stage.ask({"verb": "authenticate", "origin": ORIGIN, "nonce": nonce})
    item = {"kind": "pdf", "label": label, "document": base64.b64encode(document).decode()}
    signed = base64.b64decode(stage.ask({"verb": "sign", "items": [item]})["items"][0]["document"])
    trust = stage.bridge.core.judge.trust(stage.portal)
    token = json.dumps(login["token"])
    verify_token(token, origin=ORIGIN, nonce=nonce, trust=trust)
    *_, signer = verify_pdf(signed, trust)
    certificate = base64.b64decode(login["token"]["unverifiedCertificate"])
    return Rehearsal(ORIGIN, nonce, token, certificate, signed, signer)


@dataclass(frozen=True, slots=True)
class _Stage:
    bridge: Bridge
    portal: Portal
    key: ECKey
    client: httpx.Client

    def ask(self, asked: dict[str, Any]) -> dict[str, Any]:
        """Push a request, let the browser follow it, and fetch the result against the code."""
        claims = {**asked, **self._proof(), "return_url": self.portal.return_urls[0]}
        answer = self.client.post("/api/requests", json={"request": self._sign("request", claims)})
        number = str(_checked(answer)["transaction"])
        code = self._follow(number)
        bearer = self._sign("assertion", {**self._proof(), "sub": number})
        answer = self.client.post(
            f"/api/transactions/{number}/result",
            json={"code": code},
            headers={"authorization": f"Bearer {bearer}"},
        )
        payload = str(_checked(answer)["result"]).split(".")[1]
        result: dict[str, Any] = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        return result

    def _follow(self, number: str) -> str | None:
        """What the browser does: reload until the page has a way back, and take the code from it."""
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            page = self.client.get(f"/t/{number}", headers={"accept": "text/html"})
            back = _Link(page.text).href
            if back:
                return parse_qs(urlsplit(back).query).get("code", [None])[0]
            time.sleep(0.1)
        raise RequestError("request.expired")

    def _proof(self) -> dict[str, Any]:
        now = int(time.time())
        jti = secrets.token_urlsafe(24)
        return {"iss": self.portal.id, "aud": self.bridge.id, "jti": jti, "iat": now, "exp": now + 60}

    def _sign(self, kind: str, claims: dict[str, Any]) -> str:
        header = {"alg": "ES256", "typ": f"tegata-{kind}+jwt"}
        return jws.serialize_compact(header, json.dumps(claims), self.key, ["ES256"])


class _Link(HTMLParser):
    """The first link of a page that leads to the portal."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.href = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        target = dict(attrs).get("href") or ""
        if tag == "a" and not self.href and target.startswith(ORIGIN):
            self.href = target


def _checked(answer: httpx.Response) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    if answer.is_error:
        raise RequestError(what=str(body.get("title", answer.status_code)))
    return body
