"""Running a service with uvicorn: on a socket that is bound before anything else happens."""

from __future__ import annotations

import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType

import uvicorn
from starlette.types import ASGIApp

from ...apdu.errors import InputError

__all__ = ["BackgroundServer", "bind", "serve"]

START_SECONDS = 15.0
STOP_SECONDS = 3
"""How long a server that is told to stop waits for requests under way."""


def bind(host: str, port: int) -> socket.socket:
    """A listening socket; port 0 takes any free one.

    Raises InputError ``bridge.port`` when the port is taken or the address is not this machine's.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        if sys.platform != "win32":  # there the option would let two programs share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        raise InputError("bridge.port", host=host, port=port) from error
    return listener


def _server(app: ASGIApp) -> uvicorn.Server:
    # No access log: paths and queries carry one-time codes.
    return uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws="none",
            timeout_graceful_shutdown=STOP_SECONDS,
        )
    )


def serve(app: ASGIApp, listener: socket.socket) -> None:
    """Serve until the process is told to stop (SIGINT, SIGTERM), then return: the caller closes the rest.

    To be called in the main thread.
    """
    with _stopped_by_signals():
        _server(app).run(sockets=[listener])


class _Stopped(SystemExit):
    """The process was told to stop."""


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """End the block at SIGINT or SIGTERM.

    uvicorn stops at them too, but then raises the signal once more under the handlers that it found; the
    system's own would end the process before anything is closed.
    """

    def stop(number: int, frame: object) -> None:
        raise _Stopped

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except _Stopped:
        return
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class BackgroundServer:
    """A service in a thread of this process: for tests, the demo, and programs that embed one."""

    def __init__(self, app: ASGIApp, listener: socket.socket) -> None:
        host, port = listener.getsockname()[:2]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        self._listener = listener
        self._server = _server(app)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [listener]}, name=f"server {self.url}", daemon=True
        )

    def __enter__(self) -> BackgroundServer:
        self._thread.start()
        until = time.monotonic() + START_SECONDS
        while not self._server.started:
            if time.monotonic() > until or not self._thread.is_alive():
                raise RuntimeError(f"the server at {self.url} did not start")
            time.sleep(0.01)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._listener.close()
