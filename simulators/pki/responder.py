"""Lists and OCSP answers of the test hierarchy over HTTP, on this machine's loopback only (RFC 6960 appendix
A, RFC 5280 §4.2.1.13).

``POST /ocsp`` and ``GET /ocsp/BASE64`` answer about certificates, ``GET /crl/authentication-3.crl`` gives a
list. Certificates of simulated cards do not name this address: whoever asks is told it.
"""

from __future__ import annotations

import base64
import binascii
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from ...apdu.errors import InputError
from .hierarchy import hierarchy
from .revocation import crls, ocsp_answer

__all__ = ["Responder", "responder"]

LOOPBACK = "127.0.0.1"
LARGEST_REQUEST = 64 * 1024
OCSP_RESPONSE, CRL = "application/ocsp-response", "application/pkix-crl"


class Responder:
    """The server; it listens from its making until ``close``. Raises InputError ``simpki.port``."""

    def __init__(self, port: int = 0, path: Path | None = None) -> None:
        hierarchy(path)  # a damaged one is said now, not at the first question
        try:
            self._server = ThreadingHTTPServer((LOOPBACK, port), _handler(path))
        except OSError as error:
            raise InputError("simpki.port", port=port) from error
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://{LOOPBACK}:{self._server.server_port}"

    @property
    def ocsp_url(self) -> str:
        return f"{self.url}/ocsp"

    def crl_url(self, name: str) -> str:
        """The address of a list, named as in ``crls``."""
        return f"{self.url}/crl/{name}"

    def serve(self) -> None:
        """Answer until ``stop`` is called from another thread."""
        self._server.serve_forever(poll_interval=0.1)

    def stop(self) -> None:
        self._server.shutdown()

    def close(self) -> None:
        self._server.server_close()


@contextmanager
def responder(port: int = 0, path: Path | None = None) -> Iterator[Responder]:
    """A responder that answers in a thread of its own while the context lasts."""
    server = Responder(port, path)
    thread = threading.Thread(target=server.serve, name="sim-pki", daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.stop()
        thread.join()
        server.close()


def _handler(path: Path | None) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            if self.path != "/ocsp" or not length.isdecimal() or int(length) > LARGEST_REQUEST:
                self._refuse(HTTPStatus.NOT_FOUND if self.path != "/ocsp" else HTTPStatus.BAD_REQUEST)
                return
            self._answer(OCSP_RESPONSE, ocsp_answer(self.rfile.read(int(length)), path=path))

        def do_GET(self) -> None:
            kind, _, name = self.path.removeprefix("/").partition("/")
            if kind == "ocsp":
                try:
                    request = base64.b64decode(unquote(name), validate=True)
                except binascii.Error:
                    self._refuse(HTTPStatus.BAD_REQUEST)
                    return
                self._answer(OCSP_RESPONSE, ocsp_answer(request, path=path))
                return
            found = crls(path).get(name) if kind == "crl" else None
            if found is None:
                self._refuse(HTTPStatus.NOT_FOUND)
            else:
                self._answer(CRL, found)

        def _answer(self, kind: str, body: bytes) -> None:
            self.send_response(HTTPStatus.OK)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _refuse(self, status: HTTPStatus) -> None:
            self.send_error(status)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
            """Nothing: an address may hold a serial number."""

    return Handler
