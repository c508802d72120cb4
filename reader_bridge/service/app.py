"""The bridge put together: core, fronts, guards; and a server that runs it in this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from types import TracebackType

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from ...apdu.errors import RequestError, TegataError
from ..readers import ReaderWorker
from ..signing import NO_ANCHORS, Anchors, RevocationProvider
from ..web import BackgroundServer, Door, Guard, bind, respond
from ..web import __name__ as web_package
from ..web.server import serve
from .api import api_router
from .auto import Persona, require_simulated
from .browser import browser_router
from .core import Core
from .identity import Identity
from .journal import Journal
from .outcome import Judge
from .portals import Portals
from .requests import MAX_BYTES

__all__ = ["Bridge", "BridgeOptions"]

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class BridgeOptions:
    """Everything a bridge needs to know. ``home`` holds its database and its identity.

    ``reader`` is a reader URL, ``portals`` the folder of registrations. ``simulated`` are the roots of
    simulated cards (``--anchors sim``); they count for test portals only. ``host`` beyond loopback is
    the operator's decision; ``names`` are further values of the Host header, with port.
    """

    reader: str
    home: Path
    portals: Path
    anchors: Anchors = NO_ANCHORS
    simulated: Anchors = NO_ANCHORS
    revocation: RevocationProvider | None = None
    persona: Persona | None = None
    host: str = "127.0.0.1"
    port: int = 0
    names: tuple[str, ...] = ()
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))


class Bridge:
    """A running bridge: bound on creation, serving between ``with`` or in :meth:`run`.

    ``url`` is where browsers find it, ``id`` what requests name as ``aud``. Raises InputError
    ``bridge.port`` for a taken port and RequestError ``bridge.auto`` for a persona on a real reader.
    """

    def __init__(self, options: BridgeOptions) -> None:
        if options.persona is not None:
            require_simulated(options.reader, options.reader.startswith("sim:"))
        self._listener = bind(options.host, options.port)
        port = self._listener.getsockname()[1]
        everywhere = options.host in ("0.0.0.0", "::")  # noqa: S104 - an address to recognise
        named = options.names[0] if options.names and everywhere else None
        self.url = f"http://{named or f'{_bracketed(options.host)}:{port}'}"
        try:
            self.core = _core(options)
        except TegataError:
            self._listener.close()
            raise
        self.app = _app(self.core, self.url, _hosts(options, port))
        self._server: BackgroundServer | None = None

    @property
    def id(self) -> str:
        return self.core.identity.id

    def run(self) -> None:
        """Serve in the foreground until the process is told to stop."""
        try:
            serve(self.app, self._listener)
        finally:
            self.core.close()

    def __enter__(self) -> Bridge:
        self._server = BackgroundServer(self.app, self._listener)
        self._server.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.core.close()
        if self._server is not None:
            self._server.__exit__(kind, error, trace)


def _core(options: BridgeOptions) -> Core:
    options.home.mkdir(mode=0o700, parents=True, exist_ok=True)
    identity = Identity.load(options.home / "bridge-identity.json")
    return Core(
        identity=identity,
        portals=Portals(options.portals),
        journal=Journal(options.home),
        worker=ReaderWorker(options.reader),
        judge=Judge(identity, options.anchors, options.simulated, options.revocation),
        persona=options.persona,
        clock=options.clock,
    )


def _hosts(options: BridgeOptions, port: int) -> frozenset[str]:
    own = LOOPBACK if options.host in LOOPBACK else frozenset({options.host})
    return frozenset(f"{_bracketed(host)}:{port}" for host in own) | frozenset(options.names)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _app(core: Core, url: str, hosts: frozenset[str]) -> ASGIApp:
    app = FastAPI(title="tegata bridge", docs_url=None, redoc_url=None, openapi_url=None)
    app.include_router(api_router(core, url))
    app.include_router(browser_router(core))
    app.mount("/static", StaticFiles(directory=str(files(web_package).joinpath("static"))))
    app.add_exception_handler(TegataError, _answer)
    app.add_exception_handler(RequestValidationError, _answer)
    app.add_exception_handler(HTTPException, _answer)
    app.add_exception_handler(Exception, _unforeseen)
    own = frozenset(f"http://{host}" for host in hosts)
    doors = (
        Door.carried_form("/carried", core.portals.origins),
        Door.own_form("/t/", lambda: own),
        Door.page("/t/"),
        Door.page("/static/"),
        Door.api("POST", "/api/requests"),
        Door.api("GET", "/api/bridge"),
        Door.api("GET", "/api/transactions/"),
        Door.api("POST", "/api/transactions/"),
    )
    return Guard(app, hosts=lambda: hosts, doors=doors, limit=MAX_BYTES)


async def _unforeseen(request: Request, error: Exception) -> Response:
    """A fault of ours: the log has it (the server raises it on), the answer says nothing of it."""
    return respond(TegataError(), request.scope)


async def _answer(request: Request, error: Exception) -> Response:
    """Every error becomes a problem; frameworks' own words about input never leave."""
    if isinstance(error, TegataError):
        return respond(error, request.scope)
    if isinstance(error, HTTPException) and error.status_code in (404, 405):
        return respond(RequestError("request.not_found"), request.scope)
    return respond(RequestError("request.malformed", what="its body"), request.scope)
