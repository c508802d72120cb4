"""The front for portals' back ends: JSON in, JSON or RFC 9457 problems out."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header
from pydantic import BaseModel, ConfigDict, Field

from ...apdu.errors import RequestError
from .core import Core
from .requests import MAX_BYTES
from .states import FINAL
from .transaction import Arrival, Transaction

__all__ = ["api_router"]


class PushedRequest(BaseModel):
    """A request: ``request`` is the compact JWS that the portal signed."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    request: str = Field(max_length=MAX_BYTES)


class Accepted(BaseModel):
    """Send the holder's browser to ``consent_url``."""

    transaction: str
    consent_url: str


class Redemption(BaseModel):
    """``code`` is what the holder's browser carried to the return address; needed for logins."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    code: str | None = Field(default=None, max_length=128)


class Status(BaseModel):
    """Where a transaction stands. Never its result; ``problem`` is the type of an RFC 9457 problem.

    The sentence that belongs to it is for the holder: it may name a reader or a card.
    """

    transaction: str
    state: str
    ended: bool
    problem: str | None = None


Authorization = Annotated[str, Header(max_length=8192)]


def api_router(core: Core, base_url: str) -> APIRouter:
    """The routes under ``/api``. Back ends prove who they are by a signed assertion (Bearer)."""
    router = APIRouter(prefix="/api")

    @router.get("/bridge")
    def bridge() -> dict[str, str]:
        """The bridge's id, which requests name as ``aud``."""
        return {"id": core.identity.id}

    @router.post("/requests", status_code=201)
    def push(body: PushedRequest) -> Accepted:
        made = core.accept(body.request, Arrival.PUSHED)
        return Accepted(transaction=made.id, consent_url=f"{base_url}/t/{made.id}")

    @router.get("/transactions/{number}")
    def status(number: str, authorization: Authorization = "") -> Status:
        return _status(core.status(number, _bearer(authorization)))

    @router.post("/transactions/{number}/result")
    def result(number: str, body: Redemption, authorization: Authorization = "") -> dict[str, str]:
        return {"result": core.redeem(number, _bearer(authorization), body.code)}

    return router


def _status(found: Transaction) -> Status:
    shown = f"urn:tegata:problem:{found.problem.code}" if found.problem is not None else None
    return Status(transaction=found.id, state=found.state, ended=found.state in FINAL, problem=shown)


def _bearer(header: str) -> str:
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise RequestError("request.signature", what="an assertion is missing (Authorization: Bearer …)")
    return token
