"""Reading and challenging the free-space ID application (``docs/protocols/free-space-id.md``). Never
writes."""

from __future__ import annotations

from ...apdu.card import Card
from ...apdu.command import Command
from ...apdu.errors import CardError, MalformedResponse, StatusError
from .model import (
    AID,
    IDENTITY_REFERENCE,
    INS_GET_DATA,
    INS_INTERNAL_AUTHENTICATE,
    MAX_IDENTITY_BYTES,
    SIGNATURE_BYTES,
    FreeSpaceIdentity,
    signed_message,
)

__all__ = ["FreeSpaceId"]

ABSENT = (0x6A81, 0x6A82, 0x6A86, 0x6D00, 0x6E00, 0x6999)


class FreeSpaceId:
    """The application on one card; every method selects it first."""

    def __init__(self, card: Card) -> None:
        self._card = card

    def read(self) -> FreeSpaceIdentity:
        """What the card says of itself. Nothing is proved before :meth:`authenticate`.

        Raises CardError ``freespace.not_here`` for a card without the application.
        """
        self._select()
        command = Command(
            0x00, INS_GET_DATA, IDENTITY_REFERENCE >> 8, IDENTITY_REFERENCE & 0xFF, le=MAX_IDENTITY_BYTES
        )
        raw = self._card.expect(command).data
        if len(raw) > MAX_IDENTITY_BYTES:
            raise MalformedResponse(f"{len(raw)} bytes", "the identity object")
        try:
            return FreeSpaceIdentity.parse(raw)
        except ValueError as error:
            raise MalformedResponse(str(error), "the identity object") from error

    def authenticate(self, challenge: bytes, expected: FreeSpaceIdentity | None = None) -> bool:
        """Whether the card holds the private key of ``expected`` (default: of what it says of itself).

        ``challenge``: 32 fresh random bytes of the caller. A door gives the identity that was bound: a card
        that merely repeats a user ID answers for another key and is refused. Raises ValueError for a
        challenge of another length, CardError as :meth:`read`.
        """
        identity = expected or self.read()
        signed_message(identity, challenge)
        self._select()
        command = Command(0x00, INS_INTERNAL_AUTHENTICATE, 0x00, 0x00, challenge, le=SIGNATURE_BYTES)
        return identity.accepts(challenge, self._card.expect(command).data)

    def _select(self) -> None:
        try:
            self._card.select(AID, p2=0x0C)
        except StatusError as error:
            if error.sw in ABSENT:
                raise CardError("freespace.not_here") from error
            raise
