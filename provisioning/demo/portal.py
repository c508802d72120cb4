"""The portal of the demo: the example portal, a bridge that types the PIN itself, and a holder's browser."""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
from joserfc.jwk import ECKey

from ...reader_bridge.service import Bridge, BridgeOptions, Persona, Portals
from ...reader_bridge.service.portals import public_keys
from ...reader_bridge.signing import Anchors, Trust, verify_pdf, verify_token
from ...reader_bridge.web import BackgroundServer, bind
from ...simulators.pki import anchors, anchors_pem
from .desk import EXAMPLES, DemoError

__all__ = ["PortalJob", "visit_portal"]

PERSONA = "my-number-card"
WAIT_SECONDS = 30.0


@dataclass(frozen=True)
class PortalJob:
    """One thing that the portal got, verified by somebody who only has the file and the roots."""

    name: str
    arrival: str
    file: Path


def visit_portal(folder: Path, card: Path) -> list[PortalJob]:
    """A login by a pushed request, a signed PDF by a carried one, both verified; files in ``folder``."""
    roots = Anchors(anchors())
    with ExitStack() as stack:
        options = BridgeOptions(
            reader=f"sim:{card}",
            home=folder / "bridge",
            portals=folder / "portals",
            simulated=roots,
            persona=Persona.load(PERSONA),
        )
        bridge = stack.enter_context(Bridge(options))
        portal = _portal(stack, bridge, options.portals, Trust(roots, revocation_needed=False))
        browser = stack.enter_context(_Browser())
        browser.open(portal.origin)
        browser.post(f"{portal.origin}/pushed/login")
        browser.come_back()
        login = _save_token(folder, portal)
        browser.post(f"{portal.origin}/carried/sign")
        browser.submit()
        browser.come_back()
        signature = _save_pdf(folder, portal)
    (folder / "jpki-test-roots.pem").write_bytes(anchors_pem())
    return [_checked_login(login, roots), _checked_pdf(signature, roots)]


def _portal(stack: ExitStack, bridge: Bridge, registrations: Path, trust: Trust) -> Any:
    """The example portal, registered at the bridge and served on loopback."""
    example = _example()
    key = ECKey.generate_key("P-256")
    listener = bind("127.0.0.1", 0)
    origin = f"http://127.0.0.1:{listener.getsockname()[1]}"
    Portals(registrations).add(
        Portals.make(
            id="demo",
            name="Demo city / 見本市",
            standing="test",
            origins=[origin],
            return_urls=[f"{origin}/return"],
            keys=public_keys(json.dumps(key.as_dict(private=True))),
        )
    )
    portal = example.Portal(
        name="demo", origin=origin, key=key, bridge=bridge.url, bridge_id=bridge.id, trust=trust
    )
    stack.enter_context(BackgroundServer(example.create_app(portal), listener))
    return _keeping(portal)


def _keeping(portal: Any) -> Any:
    """The portal, keeping the token of its last login; a real one throws it away after verifying it."""
    verify = portal._login

    def login(session: Any, claims: dict[str, Any], asked: dict[str, Any]) -> None:
        verify(session, claims, asked)
        portal.kept = {"token": claims["token"], "origin": portal.origin, "nonce": asked["nonce"]}

    portal._login, portal.kept = login, None
    return portal


def _example() -> ModuleType:
    """``examples/portal/portal.py``, as a module."""
    name = "tegata_example_portal"
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / "portal" / "portal.py")
    if spec is None or spec.loader is None:
        raise DemoError("examples/portal/portal.py is missing")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@dataclass
class _Page(HTMLParser):
    """What a browser needs of a page: its forms, links, and whether it reloads itself."""

    html: str
    forms: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    waits: bool = False

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append((found.get("action", ""), {}))
        elif tag == "a":
            self.links.append(found.get("href", ""))
        elif tag == "input" and found.get("type") == "hidden" and self.forms:
            self.forms[-1][1][found["name"]] = found.get("value", "")
        elif tag == "meta" and found.get("http-equiv") == "refresh":
            self.waits = found["content"] == "1"


class _Browser:
    """A holder's browser: keeps cookies, follows redirects, sends the forms it finds."""

    def __init__(self) -> None:
        self._client = httpx.Client(
            follow_redirects=True, trust_env=False, timeout=WAIT_SECONDS, headers={"accept": "text/html"}
        )
        self._page = httpx.Response(200)

    def __enter__(self) -> _Browser:
        return self

    def __exit__(self, *error: object) -> None:
        self._client.close()

    def open(self, url: str) -> None:
        self._page = self._client.get(url)

    def post(self, url: str, fields: dict[str, str] | None = None) -> None:
        here = urlsplit(str(self._page.url))
        headers = {"origin": f"{here.scheme}://{here.netloc}"}
        self._page = self._client.post(url, data=fields or {}, headers=headers)

    def submit(self) -> None:
        """Send the form on the page."""
        action, fields = _Page(self._page.text).forms[0]
        self.post(urljoin(str(self._page.url), action), fields)

    def come_back(self) -> None:
        """Wait until the bridge is done, then go where its last page leads."""
        until = time.monotonic() + WAIT_SECONDS
        while (page := _Page(self._page.text)).waits:
            if time.monotonic() > until:
                raise DemoError("the bridge did not finish in time")
            time.sleep(0.05)
            self.open(str(self._page.url))
        if page.forms:
            self.submit()
        else:
            self.open(page.links[0])
        if self._page.is_error:
            raise DemoError(f"the portal refused: {self._page.text[:200]}")


def _save_token(folder: Path, portal: Any) -> tuple[Path, dict[str, Any]]:
    """The login token as the portal took it, with what it was verified against."""
    if portal.kept is None:
        raise DemoError("nobody is logged in at the portal")
    path = folder / "login-token.json"
    path.write_text(json.dumps(portal.kept, indent=2) + "\n", encoding="utf-8")
    return path, portal.kept


def _save_pdf(folder: Path, portal: Any) -> Path:
    document = next(iter(portal.sessions.values())).document
    if document is None:
        raise DemoError("the portal has no signed document")
    path = folder / "signed.pdf"
    path.write_bytes(document)
    return path


def _checked_login(saved: tuple[Path, dict[str, Any]], roots: Anchors) -> PortalJob:
    path, content = saved
    verify_token(
        json.dumps(content["token"]),
        origin=content["origin"],
        nonce=content["nonce"],
        trust=Trust(roots, revocation_needed=False),
    )
    return PortalJob("login", "pushed", path)


def _checked_pdf(path: Path, roots: Anchors) -> PortalJob:
    certificates = verify_pdf(path.read_bytes(), Trust(roots, revocation_needed=False))
    if len(certificates) != 1:
        raise DemoError("the document has another number of signatures than one")
    return PortalJob("signature", "carried", path)
