"""The free-space ID application of the simulated card (``docs/protocols/free-space-id.md``): it can be read
and challenged, and has no command that writes."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_private_key

from ...apdu.command import Command, Response
from ...applets.free_space_id.model import (
    CHALLENGE_BYTES,
    IDENTITY_REFERENCE,
    INS_GET_DATA,
    INS_INTERNAL_AUTHENTICATE,
    FreeSpaceIdentity,
    signed_message,
)
from ..card.application import Application, CardStatus, Context

__all__ = ["FreeSpaceId"]


class FreeSpaceId(Application):
    """Memory: ``identity`` (the object as it is read) and ``key`` (PKCS #8), both laid down by the loader."""

    model = "free-space-id"

    def process(self, ctx: Context, command: Command) -> Response:
        if command.cla != 0x00:
            raise CardStatus(0x6E00)
        if command.ins == INS_GET_DATA:
            return self._get_data(ctx, command)
        if command.ins == INS_INTERNAL_AUTHENTICATE:
            return self._authenticate(ctx, command)
        raise CardStatus(0x6D00)

    def _get_data(self, ctx: Context, command: Command) -> Response:
        if command.p1 << 8 | command.p2 != IDENTITY_REFERENCE:
            raise CardStatus(0x6A88)
        if command.data or command.le is None:
            raise CardStatus(0x6700)
        return Response(ctx.nv.get("identity"))

    def _authenticate(self, ctx: Context, command: Command) -> Response:
        if command.p1 or command.p2:
            raise CardStatus(0x6A86)
        if len(command.data) != CHALLENGE_BYTES:
            raise CardStatus(0x6700)
        identity = FreeSpaceIdentity.parse(ctx.nv.get("identity"))
        key = load_der_private_key(ctx.nv.get("key"), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise CardStatus(0x6985)
        ctx.spend("ec256_sign")
        # RFC 6979: the step stays a pure function, and the card needs no randomness to keep its key safe
        algorithm = ec.ECDSA(SHA256(), deterministic_signing=True)
        r, s = decode_dss_signature(key.sign(signed_message(identity, command.data), algorithm))
        return Response(r.to_bytes(32, "big") + s.to_bytes(32, "big"))
