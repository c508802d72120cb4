"""What the PC/SC service answers, asked as any program would; no card is connected to."""

from __future__ import annotations

import os
import shutil
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from ....apdu.errors import ReaderError
from ....apdu.ports import CardEvent
from ..pcsc import list_readers
from ..winscard import load

__all__ = ["Service", "ask_service"]

PATHS = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
SECONDS = 5.0
SOCKET = "PCSCLITE_CSOCK_NAME"


@dataclass(frozen=True, slots=True)
class Service:
    """``driver`` is why pyscard cannot be loaded, empty when it can. ``answers``: a context was had;
    ``refused``: the service is there but does not let us in; ``error`` is winscard's word for any other
    failure. ``version`` is what the daemon's program says of itself, ``socket`` where libpcsclite is told to
    look for it instead of its own place.
    """

    driver: str = ""
    answers: bool = False
    refused: bool = False
    error: str = ""
    version: str = ""
    socket: str = ""
    readers: Sequence[CardEvent] = ()


def ask_service(seconds: float = SECONDS) -> Service:
    """Ask this machine's service; one that does not answer in that time hangs."""
    try:
        load()
    except ReaderError as error:
        return Service(driver=str(error.details["what"]))
    answers: list[Service] = []
    # A call to a service that hangs never returns: it is left behind.
    asking = threading.Thread(target=lambda: answers.append(_ask()), name="pcsc-doctor", daemon=True)
    asking.start()
    asking.join(seconds)
    return answers[0] if answers else Service(error=f"no answer within {seconds:g} s", version=_version())


def _ask() -> Service:
    api = load()
    version = _version()
    result, context = api.SCardEstablishContext(api.SCARD_SCOPE_USER)
    if result != api.SCARD_S_SUCCESS:
        # What pcscd says when polkit refuses org.debian.pcsc-lite.access_pcsc.
        refused = result in (api.SCARD_W_SECURITY_VIOLATION, api.SCARD_E_NO_ACCESS)
        text = str(api.SCardGetErrorMessage(result)).strip().rstrip(".")
        return Service(refused=refused, error=text, version=version, socket=os.environ.get(SOCKET, ""))
    api.SCardReleaseContext(context)
    try:
        return Service(answers=True, version=version, readers=list_readers())
    except ReaderError as error:
        return Service(answers=True, error=error.sentence("en"), version=version)


def _version() -> str:
    program = shutil.which("pcscd", path=PATHS)
    if program is None:
        return ""
    try:
        ran = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    first = ran.stdout.partition("\n")[0].split()
    return first[-1].rstrip(".") if first else ""
