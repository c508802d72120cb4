"""INTERNAL and MUTUAL AUTHENTICATE, pure, for both sides (GPC 2.3.1 Amendment F 1.4 §7).

After them the channel is that of SCP03: its first chaining value is the receipt, its counter stands at 0.
Nothing here checks who owns a key; that is done with the certificates before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import ec

from ..command import Command
from ..scp03 import Scp03State, wrap_command
from ..secret import Secret
from .agreement import AgreedKeys, Answer, KeyUsage, Request, Variant, agree
from .curves import ecka, point, read_point

__all__ = ["Established", "HostOpening", "ReceiptError", "accept", "script"]


class ReceiptError(ValueError):
    """The receipt is wrong: the other side does not hold the private key, or somebody changed a byte."""


@dataclass(frozen=True, slots=True)
class Established:
    """An open channel: the state of its secure messaging, and the session key for keys and data."""

    state: Scp03State
    dek: Secret = field(repr=False)


@dataclass(frozen=True, slots=True)
class HostOpening:
    """The host between its request and the card's answer.

    ``static`` is its certified key in SCP11a and c; in SCP11b the ephemeral key plays both parts.
    """

    request: Request
    ephemeral: ec.EllipticCurvePrivateKey = field(repr=False)
    static: ec.EllipticCurvePrivateKey = field(repr=False)

    @classmethod
    def begin(
        cls,
        variant: Variant,
        ephemeral: ec.EllipticCurvePrivateKey,
        static: ec.EllipticCurvePrivateKey | None = None,
        *,
        usage: KeyUsage = KeyUsage.MAC_AND_ENCRYPTION,
        key_length: int = 16,
        host_id: bytes | None = None,
    ) -> HostOpening:
        """Raises ValueError when the static key is missing, or given where there is none."""
        if variant.authenticates_host != (static is not None):
            raise ValueError(f"SCP11{variant.letter} and the host's static key do not go together")
        request = Request.build(
            variant, point(ephemeral.public_key()), usage=usage, key_length=key_length, host_id=host_id
        )
        return cls(request, ephemeral, static or ephemeral)

    def command(self, version: int) -> Command:
        """The authenticate command for the card's key of that version (0: any)."""
        variant = self.request.variant
        return Command(0x80, variant.instruction, version, variant.kid, self.request.raw, le=256)

    def complete(
        self,
        card_key: ec.EllipticCurvePublicKey,
        raw: bytes,
        *,
        mac_length: int = 8,
        card_ids: tuple[bytes, ...] = (),
    ) -> Established:
        """Check the card's answer against its static key.

        Raises ReceiptError, and ValueError for an answer that is no answer: its point is not on the curve,
        or it is not the static key in SCP11c.
        """
        answer = Answer.parse(raw)
        theirs = read_point(card_key.curve, answer.point)
        if self.request.variant is Variant.C and answer.point != point(card_key):
            raise ValueError("in SCP11c the card answers with its static key")
        keys = self._agree(card_key, theirs, card_ids)
        if not keys.confirms(self.request, answer):
            raise ReceiptError("the receipt is wrong")
        return _established(keys, self.request, answer.receipt, mac_length)

    def expected(self, card_key: ec.EllipticCurvePublicKey, card_ids: tuple[bytes, ...] = ()) -> bytes:
        """What the card will answer in SCP11c, known before it is asked. Raises ValueError for a and b."""
        if self.request.variant is not Variant.C:
            raise ValueError("only SCP11c is computed without the card")
        keys = self._agree(card_key, card_key, card_ids)
        return bytes(Answer.build(point(card_key), keys, self.request))

    def _agree(
        self,
        card_key: ec.EllipticCurvePublicKey,
        theirs: ec.EllipticCurvePublicKey,
        card_ids: tuple[bytes, ...],
    ) -> AgreedKeys:
        return agree(self.request, ecka(self.ephemeral, theirs), ecka(self.static, card_key), card_ids)


def accept(
    request: Request,
    static: ec.EllipticCurvePrivateKey,
    ephemeral: ec.EllipticCurvePrivateKey,
    host_static: ec.EllipticCurvePublicKey | None,
    *,
    mac_length: int = 8,
    card_ids: tuple[bytes, ...] = (),
) -> tuple[bytes, Established]:
    """The card's answer, and the channel after it.

    ``ephemeral`` is not used in SCP11c; ``host_static`` is the key of the certificate that was verified, None
    in SCP11b. Raises ValueError for a point that is not on the curve, or a host's key of another curve.
    """
    theirs = read_point(static.curve, request.point)
    if request.variant.authenticates_host != (host_static is not None):
        raise ValueError(f"SCP11{request.variant.letter} and the host's static key do not go together")
    own = static if request.variant is Variant.C else ephemeral
    keys = agree(request, ecka(own, theirs), ecka(static, host_static or theirs), card_ids)
    answer = Answer.build(point(own.public_key()), keys, request)
    return bytes(answer), _established(keys, request, answer.receipt, mac_length)


def script(opened: Established, commands: Iterable[Command]) -> tuple[Command, ...]:
    """Commands as they go over the line, one after another, on a channel that was only computed.

    With :meth:`HostOpening.expected` a host prepares them for SCP11c once, for a station that holds no key.
    The card answers each, since R-MACs do not advance the chain; whoever keeps ``opened`` can check them.
    Such a script may be sent more than once, by anybody who has it: that is how SCP11c is.
    """
    state, wrapped = opened.state, []
    for command in commands:
        state, secured = wrap_command(state, command)
        wrapped.append(secured)
    return tuple(wrapped)


def _established(keys: AgreedKeys, request: Request, receipt: bytes, mac_length: int) -> Established:
    state = Scp03State(keys.session, request.usage.level, mac_length, chaining=receipt)
    return Established(state, keys.dek)
