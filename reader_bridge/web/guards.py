"""The guard at the entrance of a service: an ASGI middleware that lets in only what a door is meant for.

The order is fixed: Host → Origin → Sec-Fetch-Site → Content-Type → size and pace of the body. Host comes
first because it is what a rebound DNS name cannot fake (W3C Fetch Metadata; RFC 9110 §7.2; RFC 6454). All
comparisons are exact; there are no patterns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ...apdu.errors import RequestError, Words
from .problems import respond

__all__ = ["SECURITY_HEADERS", "Door", "Guard"]

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
BODY_SECONDS = 30
"""How long a client may take to send its body."""

SECURITY_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    ),
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # Not "no-referrer": with it browsers send "Origin: null" on form posts (Fetch §3.2).
    "referrer-policy": "strict-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class Door:
    """One kind of entrance: a method and a path prefix, and who may come through.

    ``origins`` None means that browsers' pages have no business here: a request with an Origin header is
    refused. Otherwise the header must be there and be in the list (a callable, since lists change);
    requests that never carry one (GET navigation) use ``open_to_all``. ``sites`` are the values of
    Sec-Fetch-Site that may come; a program that is no browser sends none and passes.
    """

    method: str
    prefix: str
    content_type: str | None = None
    origins: Callable[[], Collection[str]] | None = None
    open_to_all: bool = False
    sites: frozenset[str] = frozenset()
    exact: bool = False

    @classmethod
    def page(cls, prefix: str, *, exact: bool = False) -> Door:
        """Pages and files that anybody may look at; they change nothing."""
        sites = frozenset({"none", "same-origin", "same-site", "cross-site"})
        return cls("GET", prefix, open_to_all=True, sites=sites, exact=exact)

    @classmethod
    def own_form(cls, prefix: str, own: Callable[[], Collection[str]]) -> Door:
        """Forms of the service's own pages."""
        return cls("POST", prefix, FORM, own, sites=frozenset({"same-origin"}))

    @classmethod
    def carried_form(cls, path: str, registered: Callable[[], Collection[str]]) -> Door:
        """A form that a registered site's page posts here by top-level navigation."""
        sites = frozenset({"cross-site", "same-site", "same-origin"})
        return cls("POST", path, FORM, registered, sites=sites, exact=True)

    @classmethod
    def api(cls, method: str, prefix: str) -> Door:
        """JSON for back ends; no browser page comes through."""
        return cls(method, prefix, JSON if method != "GET" else None)

    def leads_to(self, method: str, path: str) -> bool:
        fits = path == self.prefix if self.exact else path.startswith(self.prefix)
        return fits and method in ({"GET", "HEAD"} if self.method == "GET" else {self.method})

    def check(self, headers: Headers) -> None:
        """Raises RequestError ``request.origin`` or ``request.content_type``."""
        origins = headers.getlist("origin")
        if not self.open_to_all:
            if self.origins is None and origins:
                raise RequestError("request.origin")
            if self.origins is not None and (len(origins) != 1 or origins[0] not in self.origins()):
                raise RequestError("request.origin")
        site = headers.get("sec-fetch-site")
        if site is not None and site not in self.sites:
            raise RequestError("request.origin")
        given = headers.get("content-type", "").partition(";")[0].strip().lower()
        if self.content_type is not None and given != self.content_type:
            raise RequestError("request.content_type", expected=self.content_type)


class Guard:
    """The middleware: exact Host list, one door for each request, a limit on its size, security headers."""

    def __init__(
        self, app: ASGIApp, *, hosts: Callable[[], Collection[str]], doors: Sequence[Door], limit: int
    ) -> None:
        """``hosts`` are values of the Host header, with port. ``limit`` is bytes of a request's body."""
        self._app = app
        self._hosts = hosts
        self._doors = doors
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # no service of ours speaks WebSocket; the connection is dropped
        sender = _with_headers(send)
        try:
            self._admit(scope)
            body = await _body(receive, self._limit)
        except RequestError as error:
            await respond(error, scope)(scope, receive, sender)
            return
        if body is not None:
            await self._app(scope, _replayed(body, receive), sender)

    def _admit(self, scope: MutableMapping[str, Any]) -> None:
        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts():
            raise RequestError("request.host")
        door = next((door for door in self._doors if door.leads_to(scope["method"], scope["path"])), None)
        if door is None:
            raise RequestError("request.not_found")
        door.check(headers)
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > self._limit:
            raise RequestError("request.too_large", limit=self._limit)


async def _body(receive: Receive, limit: int) -> bytes | None:
    """The whole body, counted as it comes (a chunked one announces no length); None when the client left.

    Raises RequestError ``request.too_large``, or ``request.malformed`` for one that takes too long.
    """
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    return None
                body += message.get("body", b"")
                if len(body) > limit:
                    raise RequestError("request.too_large", limit=limit)
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError as error:
        what = Words("its body came too slowly", "本文の送信が遅すぎます")
        raise RequestError("request.malformed", what=what) from error


def _replayed(body: bytes, receive: Receive) -> Receive:
    """The body that was read already, then whatever the client does next."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay


def _with_headers(send: Send) -> Send:
    async def sender(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in SECURITY_HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sender
