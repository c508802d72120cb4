"""An example portal: a small web application whose users log in and sign with a card through the bridge.

It shows both ways a request can travel. *Pushed*: this back end hands the request to the bridge and sends
the browser there. *Carried*: this back end cannot reach the bridge (it runs on the user's own PC), so the
browser carries the request there and the answer back.

What a portal must do, and where it is done here:

* sign every request with its registered key, for one use within sixty seconds   -> ``Portal._request``
* keep a fresh nonce in the browser session that begins the login                -> ``Session``
* accept a result only in the session that asked for it                          -> ``Portal.finish``
* take the bridge's signature from the key whose thumbprint is the bridge's id   -> ``Portal._open``
* verify the token itself, with its own origin and the session's nonce           -> ``Portal._login``
* give the browser a new session id when it has logged in                        -> ``Portal._renew``
* check that what was signed is what it asked for                                -> ``Portal._document``

Run it:  python portal.py --port 8700 --bridge http://127.0.0.1:8600 --bridge-id urn:ietf:params:… \\
             --key portal.jwk --anchors roots/
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import secrets
import time
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Annotated, Any

import httpx
import uvicorn
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fastapi import Cookie, FastAPI, Form, HTTPException, Query
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from joserfc import jwe, jws, jwt
from joserfc.jwe import JWERegistry
from joserfc.jwk import ECKey
from joserfc.jws import JWSRegistry

from tegata.apdu.errors import TegataError
from tegata.reader_bridge.signing import Anchors, Trust, verify_pdf, verify_token

ENCRYPTION = ("ECDH-ES+A256KW", "A256GCM")
MOST_BYTES = 64 * 1024 * 1024
THUMBPRINT_URI = "urn:ietf:params:oauth:jwk-thumbprint:sha-256:"


@dataclass
class Session:
    """One browser session. ``asked`` holds what this session began and nothing else can finish."""

    id: str = field(default_factory=lambda: secrets.token_urlsafe(32))
    asked: dict[str, dict[str, Any]] = field(default_factory=dict)
    user: str | None = None
    document: bytes | None = None


class Portal:
    """The portal's back end, without its web pages."""

    def __init__(
        self,
        *,
        name: str,
        origin: str,
        key: ECKey,
        bridge: str,
        bridge_id: str,
        trust: Trust,
        pairwise: bool = False,
    ) -> None:
        """``bridge`` is its address, ``key`` our registered private key, ``trust`` whom we believe.

        ``pairwise`` says that we are registered for names instead of certificates. Such a name is the
        bridge's word alone: believe it only of a bridge that somebody you trust runs, not of a holder's own.
        """
        self.pairwise = pairwise
        self.name, self.origin, self.key = name, origin, key
        self.bridge, self.bridge_id, self.trust = bridge, bridge_id, trust
        self.sessions: dict[str, Session] = {}
        self.carried: dict[str, str] = {}

    def session(self, cookie: str | None) -> Session:
        """The browser's session, a new one when it has none."""
        found = self.sessions.get(cookie or "") or Session()
        self.sessions[found.id] = found
        return found

    # Asking.

    def ask_login(self, session: Session) -> str:
        """A signed request for a login of this session."""
        nonce = base64.b64encode(secrets.token_bytes(33)).decode()
        return self._request(session, {"verb": "authenticate", "origin": self.origin, "nonce": nonce})

    def ask_signature(self, session: Session, document: bytes, label: str) -> str:
        """A signed request for a signature over a PDF."""
        item = {"kind": "pdf", "label": label, "document": base64.b64encode(document).decode()}
        return self._request(session, {"verb": "sign", "items": [item], "purpose": "Example application"})

    def _request(self, session: Session, asked: dict[str, Any]) -> str:
        jti = secrets.token_urlsafe(24)
        claims = {**asked, **self._proof(jti), "return_url": f"{self.origin}/return", "state": jti}
        session.asked[jti] = claims
        return self._signed("tegata-request+jwt", claims)

    def _proof(self, jti: str) -> dict[str, Any]:
        now = int(time.time())
        return {"iss": self.name, "aud": self.bridge_id, "jti": jti, "iat": now, "exp": now + 60}

    def _signed(self, kind: str, claims: dict[str, Any]) -> str:
        header = {"alg": "ES256", "typ": kind}
        return jws.serialize_compact(header, json.dumps(claims), self.key, ["ES256"])

    # Pushed: this back end talks to the bridge.

    def push(self, session: Session, request: str) -> str:
        """Hand the request over; returns where the browser must go."""
        answer = httpx.post(f"{self.bridge}/api/requests", json={"request": request}, trust_env=False)
        answer.raise_for_status()
        return str(answer.json()["consent_url"])

    def fetch(self, transaction: str, code: str | None) -> str:
        """The result, against the code that the browser brought."""
        assertion = {**self._proof(secrets.token_urlsafe(24)), "sub": transaction}
        bearer = self._signed("tegata-assertion+jwt", assertion)
        answer = httpx.post(
            f"{self.bridge}/api/transactions/{transaction}/result",
            json={"code": code} if code else {},
            headers={"Authorization": f"Bearer {bearer}"},
            trust_env=False,
        )
        if answer.is_error:
            raise HTTPException(403, answer.json().get("title", "the bridge refused"))
        return str(answer.json()["result"])

    # Carried: the browser brings the answer.

    def decrypt(self, response: str) -> str:
        """The signed result inside the JWE that the browser posted."""
        registry = JWERegistry(algorithms=list(ENCRYPTION))
        registry.max_ciphertext_length = MOST_BYTES
        plain = jwe.decrypt_compact(response, self.key, registry=registry).plaintext
        return (plain or b"").decode()

    # Finishing, either way.

    def finish(self, session: Session, result: str) -> None:
        """Take a result into the session that asked for it. Raises HTTPException for any other."""
        claims = self._open(result)
        asked = session.asked.pop(str(claims.get("request")), None)
        if asked is None:
            raise HTTPException(403, "this browser session did not ask for that")
        if claims["status"] != "done":
            raise HTTPException(403, f"{claims['status']}: {claims.get('problem', '')}")
        if asked["verb"] == "authenticate":
            self._login(session, claims, asked)
        else:
            session.document = self._document(claims, asked)

    def _open(self, result: str) -> dict[str, Any]:
        registry = JWSRegistry(algorithms=["ES256"])
        registry.max_payload_length = MOST_BYTES
        key = ECKey.import_key(jws.extract_compact(result.encode(), registry=registry).headers()["jwk"])
        if THUMBPRINT_URI + key.thumbprint() != self.bridge_id:
            raise HTTPException(403, "another bridge signed this result")
        claims = jwt.decode(result, key, registry=registry).claims
        if claims["iss"] != self.bridge_id or claims["aud"] != self.name or claims["exp"] < time.time():
            raise HTTPException(403, "this result is for somebody else, or old")
        return dict(claims)

    def _login(self, session: Session, claims: dict[str, Any], asked: dict[str, Any]) -> None:
        if self.pairwise:
            session.user = str(claims["subject"])
            self._renew(session)
            return
        if "token" not in claims:
            raise HTTPException(403, "this result proves nobody")
        token = json.dumps(claims["token"])
        certificate = verify_token(token, origin=self.origin, nonce=asked["nonce"], trust=self.trust)
        key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        # The key names the user, not the certificate's serial number, which must not be collected.
        session.user = hashlib.sha256(key).hexdigest()
        self._renew(session)

    def _renew(self, session: Session) -> None:
        """A new id for the session: somebody may have planted the old one in this browser."""
        self.sessions.pop(session.id, None)
        session.id = secrets.token_urlsafe(32)
        self.sessions[session.id] = session

    def _document(self, claims: dict[str, Any], asked: dict[str, Any]) -> bytes:
        """The PDF, verified: ours with a signature added at its end, and no other."""
        document = base64.b64decode(claims["items"][0]["document"])
        if not document.startswith(base64.b64decode(asked["items"][0]["document"])):
            raise HTTPException(403, "another document was signed")
        verify_pdf(document, self.trust)
        return document


SessionCookie = Annotated[str | None, Cookie(alias="session")]


def create_app(portal: Portal) -> FastAPI:
    """The portal's web pages."""
    app = FastAPI(title="Example portal", docs_url=None, redoc_url=None, openapi_url=None)
    _asking(app, portal)
    _returning(app, portal)
    _showing(app, portal)

    @app.exception_handler(TegataError)
    async def refused(request: Any, error: TegataError) -> Response:
        return Response(str(error), status_code=403, media_type="text/plain")

    return app


def set_session(response: Response, portal: Portal, session: Session) -> None:
    """The session's cookie."""
    secure = portal.origin.startswith("https:")
    response.set_cookie("session", session.id, httponly=True, samesite="lax", secure=secure)


def _asking(app: FastAPI, portal: Portal) -> None:
    """The pages with the buttons."""

    def page(session: Session, body: str) -> HTMLResponse:
        response = HTMLResponse(f"<!DOCTYPE html><title>Example portal</title><h1>Example portal</h1>{body}")
        set_session(response, portal, session)
        return response

    def ask(session: Session, what: str) -> str:
        if what == "login":
            return portal.ask_login(session)
        return portal.ask_signature(session, sample_pdf(), "application.pdf")

    @app.get("/")
    def index(session: SessionCookie = None) -> HTMLResponse:
        found = portal.session(session)
        links = "".join(
            f'<form method="post" action="/{how}/{what}">'
            f'<button id="{how}-{what}">{what} ({how})</button></form>'
            for how in ("pushed", "carried")
            for what in ("login", "sign")
        )
        return page(found, f'<p id="user">{escape(found.user or "nobody")}</p>{links}')

    @app.post("/pushed/{what}")
    def pushed(what: str, session: SessionCookie = None) -> Response:
        found = portal.session(session)
        return RedirectResponse(portal.push(found, ask(found, what)), 303)

    @app.post("/carried/{what}")
    def carried(what: str, session: SessionCookie = None) -> HTMLResponse:
        found = portal.session(session)
        request = ask(found, what)
        return page(
            found,
            f'<form method="post" action="{escape(portal.bridge)}/carried">'
            f'<input type="hidden" name="request" value="{request}">'
            '<button id="go">To my card</button></form>',
        )


def _returning(app: FastAPI, portal: Portal) -> None:
    """Where the bridge sends the browser back to."""

    def logged_in(session: Session) -> RedirectResponse:
        response = RedirectResponse("/me", 303)
        set_session(response, portal, session)
        return response

    @app.get("/return")
    def returned(
        transaction: str, status: str, state: str = "", code: str | None = None, session: SessionCookie = None
    ) -> RedirectResponse:
        found = portal.sessions.get(session or "")
        if found is None or state not in found.asked:
            raise HTTPException(403, "this browser session did not ask for that")
        portal.finish(found, portal.fetch(transaction, code))
        return logged_in(found)

    @app.post("/return")
    def carried_back(response: Annotated[str, Form()]) -> RedirectResponse:
        # A post from another site brings no SameSite=Lax cookie; the GET that follows does.
        reference = secrets.token_urlsafe(32)
        portal.carried[reference] = response
        return RedirectResponse(f"/return/carried?reference={reference}", 303)

    @app.get("/return/carried")
    def carried_back_with_session(
        reference: Annotated[str, Query()], session: SessionCookie = None
    ) -> RedirectResponse:
        answer = portal.carried.pop(reference, None)
        found = portal.sessions.get(session or "")
        if answer is None or found is None:
            raise HTTPException(403, "this browser session did not ask for that")
        portal.finish(found, portal.decrypt(answer))
        return logged_in(found)


def _showing(app: FastAPI, portal: Portal) -> None:
    """What came of it."""

    @app.get("/me")
    def me(session: SessionCookie = None) -> dict[str, Any]:
        found = portal.sessions.get(session or "") or Session()
        return {"user": found.user, "signed": found.document is not None}

    @app.get("/signed.pdf")
    def signed(session: SessionCookie = None) -> Response:
        found = portal.sessions.get(session or "")
        if found is None or found.document is None:
            raise HTTPException(404)
        return Response(found.document, media_type="application/pdf")


def sample_pdf(text: str = "Application for an example") -> bytes:
    """A one-page PDF, small enough to be written by hand (ISO 32000-2 §7.5)."""
    content = f"BT /F1 24 Tf 72 720 Td ({text}) Tj ET".encode("latin-1")
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(content), content),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    )
    out, places = b"%PDF-1.7\n", []
    for number, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, table)
    return out + b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)


def main() -> None:
    """Run the portal on 127.0.0.1."""
    parser = argparse.ArgumentParser(description="Example portal for the tegata bridge")
    parser.add_argument("--name", default="example")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8700)
    parser.add_argument("--origin", help="default: http://HOST:PORT")
    parser.add_argument("--bridge", default="http://127.0.0.1:8600")
    parser.add_argument("--bridge-id", required=True, help="as printed by tegata bridge serve")
    parser.add_argument("--key", type=Path, required=True, help="private JWK (P-256)")
    parser.add_argument("--anchors", type=Path, required=True, help="folder with root certificates")
    given = parser.parse_args()
    portal = Portal(
        name=given.name,
        origin=given.origin or f"http://{given.host}:{given.port}",
        key=ECKey.import_key(json.loads(given.key.read_text())),
        bridge=given.bridge,
        bridge_id=given.bridge_id,
        # Simulated cards only: a real portal must ask for revocation as well.
        trust=Trust(Anchors.read(given.anchors), revocation_needed=False),
    )
    uvicorn.run(create_app(portal), host=given.host, port=given.port, log_level="warning")


if __name__ == "__main__":
    main()
