"""One transaction in memory: what was asked, who may go on with it, where it stands."""

from __future__ import annotations

import enum
import hashlib
import queue
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlencode, urlsplit, urlunsplit

from ...apdu.errors import TegataError
from ...apdu.secret import Secret
from ...applets.jpki import JpkiKey
from .portals import Portal
from .requests import Authenticate, Request, Sign
from .states import LIMITS, WHOLE, State

__all__ = ["Arrival", "Notice", "PinEntry", "Signed", "Transaction"]


class Arrival(enum.StrEnum):
    """How the request came; the result leaves the same way."""

    PUSHED = "pushed"
    CARRIED = "carried"


@dataclass(frozen=True, slots=True)
class PinEntry:
    """What the holder typed, and whether they said that the last try may be spent."""

    pin: Secret
    last_try: bool = False


@dataclass(frozen=True, slots=True)
class Notice:
    """What the PIN page says above the field: a code of the catalogue, and the tries that are left."""

    code: str
    tries: int | None


@dataclass(frozen=True, slots=True, repr=False)
class Signed:
    """What the card made: the certificate (DER) and the body of the result. Not yet judged."""

    certificate: bytes
    body: dict[str, Any]


def _token() -> str:
    return secrets.token_urlsafe(32)


@dataclass(slots=True, repr=False)
class Transaction:
    """Changed by the core alone, under its lock."""

    portal: Portal
    request: Request
    arrival: Arrival
    created: datetime
    changed: datetime
    id: str = field(default_factory=_token)
    state: State = State.CREATED
    browser: str | None = None
    csrf: str = field(default_factory=_token)
    tries: int | None = None
    question: int = 0
    notice: Notice | None = None
    problem: TegataError | None = None
    result: str | None = None
    code: str | None = None
    pins: queue.SimpleQueue[PinEntry] = field(default_factory=queue.SimpleQueue)

    @property
    def key(self) -> JpkiKey:
        """The card's key that this verb uses. The two are never exchanged."""
        return JpkiKey.AUTHENTICATION if isinstance(self.request, Authenticate) else JpkiKey.SIGNATURE

    @property
    def deadline(self) -> datetime:
        """When this state ends by itself."""
        limit = LIMITS.get(self.state, WHOLE)
        return min(self.changed + limit, self.created + WHOLE)

    def forget_documents(self) -> None:
        """Drop what is no longer needed once the transaction has ended."""
        if isinstance(self.request, Sign):
            self.request = self.request.model_copy(update={"items": ()})

    def forget_pins(self) -> None:
        """Wipe what was typed and never used."""
        while not self.pins.empty():
            self.pins.get_nowait().pin.wipe()

    def return_address(self) -> str:
        """Where the holder's browser goes back to, with the one-time code when there is one."""
        values = {"transaction": self.id, "status": str(self.state)}
        if self.request.state:
            values["state"] = self.request.state
        if self.code is not None:
            values["code"] = self.code
        parts = urlsplit(self.request.return_url)
        query = "&".join(part for part in (parts.query, urlencode(values)) if part)
        return urlunsplit(parts._replace(query=query))

    def return_origin(self) -> str:
        parts = urlsplit(self.request.return_url)
        return f"{parts.scheme}://{parts.netloc}"

    def items(self) -> list[dict[str, object]]:
        """The items as the consent page shows them."""
        if not isinstance(self.request, Sign):
            return []
        shown: list[dict[str, object]] = []
        for item in self.request.items:
            if item.kind == "hash":
                shown.append({"label": item.label, "kind": "hash", "hash": item.sha256.hex(), "size": None})
            else:
                digest = hashlib.sha256(item.document).hexdigest()
                shown.append(
                    {"label": item.label, "kind": item.kind, "hash": digest, "size": len(item.document)}
                )
        return shown
