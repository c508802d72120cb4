"""INITIALIZE UPDATE and EXTERNAL AUTHENTICATE (GPC 2.3.1 Amd D §7.1), pure, for both sides."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field

from ..command import Command
from ..ports import SessionKeys
from ..secure_messaging import SecureMessagingError, is_secured
from .crypto import BLOCK, CARD_CRYPTOGRAM, HOST_CRYPTOGRAM, cmac, derive
from .session import I_PSEUDO_RANDOM, I_S16, Scp03State, level_allowed

__all__ = [
    "InitializeUpdate",
    "Opening",
    "accept_external_authenticate",
    "external_authenticate",
    "initialize_update_command",
]

INS_INITIALIZE_UPDATE = 0x50
INS_EXTERNAL_AUTHENTICATE = 0x82
SCP03 = 0x03
KDD_LENGTH = 10
SEQUENCE_LENGTH = 3


@dataclass(frozen=True, slots=True)
class InitializeUpdate:
    """The answer to INITIALIZE UPDATE (Amd D §7.1.1.6).

    ``diversification`` is 10 bytes; ``challenge`` and ``cryptogram`` 8, in S16 mode (i bit 01) 16;
    ``sequence`` is the 3-byte counter of i bit 10, else None.
    """

    diversification: bytes
    version: int
    i: int
    challenge: bytes
    cryptogram: bytes
    sequence: int | None = None

    @property
    def mac_length(self) -> int:
        """8, or 16 in S16 mode."""
        return 16 if self.i & I_S16 else 8

    def __bytes__(self) -> bytes:
        tail = b"" if self.sequence is None else self.sequence.to_bytes(SEQUENCE_LENGTH, "big")
        head = self.diversification + bytes((self.version, SCP03, self.i))
        return head + self.challenge + self.cryptogram + tail

    @classmethod
    def parse(cls, raw: bytes) -> InitializeUpdate:
        """Read the data of the answer. Raises ValueError for another protocol or any other length."""
        if len(raw) < KDD_LENGTH + 3:
            raise ValueError(f"an answer of {len(raw)} bytes is too short")
        version, protocol, i = raw[KDD_LENGTH : KDD_LENGTH + 3]
        if protocol != SCP03:
            raise ValueError(f"the card speaks SCP{protocol:02X}, not SCP03")
        size = 16 if i & I_S16 else 8
        pseudo_random = bool(i & I_PSEUDO_RANDOM)
        expected = KDD_LENGTH + 3 + 2 * size + (SEQUENCE_LENGTH if pseudo_random else 0)
        if len(raw) != expected:
            raise ValueError(f"for i = {i:02X} the answer has {expected} bytes, got {len(raw)}")
        rest = raw[KDD_LENGTH + 3 :]
        return cls(
            diversification=raw[:KDD_LENGTH],
            version=version,
            i=i,
            challenge=rest[:size],
            cryptogram=rest[size : 2 * size],
            sequence=int.from_bytes(rest[2 * size :], "big") if pseudo_random else None,
        )


@dataclass(frozen=True, slots=True)
class Opening:
    """A channel between INITIALIZE UPDATE and EXTERNAL AUTHENTICATE, the same on both sides.

    ``i`` is the parameter that the card named; it decides S8 or S16 and the levels on offer.
    """

    keys: SessionKeys = field(repr=False)
    host_challenge: bytes
    card_challenge: bytes
    i: int

    def __post_init__(self) -> None:
        if {len(self.host_challenge), len(self.card_challenge)} != {self.mac_length}:
            raise ValueError(f"for i = {self.i:02X} both challenges have {self.mac_length} bytes")

    @property
    def mac_length(self) -> int:
        """Length of MACs, challenges and cryptograms: 8, or 16 in S16 mode."""
        return 16 if self.i & I_S16 else 8

    @property
    def card_cryptogram(self) -> bytes:
        """What the card proves itself with."""
        return self._cryptogram(CARD_CRYPTOGRAM)

    @property
    def host_cryptogram(self) -> bytes:
        """What the host proves itself with."""
        return self._cryptogram(HOST_CRYPTOGRAM)

    def card_proved(self, cryptogram: bytes) -> bool:
        """Whether ``cryptogram`` is the card's, compared in constant time."""
        return hmac.compare_digest(self.card_cryptogram, cryptogram)

    def _cryptogram(self, constant: int) -> bytes:
        return derive(self.keys.mac, constant, self.mac_length, self.host_challenge + self.card_challenge)


def initialize_update_command(host_challenge: bytes, version: int = 0) -> Command:
    """INITIALIZE UPDATE; ``version`` 0 means the card's first key set. S16 needs 16 challenge bytes."""
    return Command(0x80, INS_INITIALIZE_UPDATE, version, 0x00, host_challenge, le=256)


def external_authenticate(opening: Opening, level: int) -> tuple[Scp03State, Command]:
    """The host's proof for ``level``, and the state after it. Raises ValueError for a level not on offer."""
    if not level_allowed(level, opening.i):
        raise ValueError(f"level {level:02X} is not on offer with i = {opening.i:02X}")
    cryptogram = opening.host_cryptogram
    chaining = _external_authenticate_mac(opening, level, cryptogram)
    data = cryptogram + chaining[: opening.mac_length]
    command = Command(0x84, INS_EXTERNAL_AUTHENTICATE, level, 0x00, data)
    return Scp03State(opening.keys, level, opening.mac_length, chaining), command


def accept_external_authenticate(opening: Opening, command: Command) -> Scp03State:
    """The card's check of the host's proof.

    Raises SecureMessagingError whose ``sw`` is the answer: 6985 for another command, 6A86 for a level not
    on offer, 6700 for a wrong length, 6982 for the MAC, 6300 for the cryptogram.
    """
    size = opening.mac_length
    if command.ins != INS_EXTERNAL_AUTHENTICATE or not is_secured(command.cla):
        raise SecureMessagingError("EXTERNAL AUTHENTICATE has to follow", 0x6985)
    if command.p2 != 0 or not level_allowed(command.p1, opening.i):
        raise SecureMessagingError("the security level is not on offer", 0x6A86)
    if len(command.data) != 2 * size:
        raise SecureMessagingError("EXTERNAL AUTHENTICATE has the wrong length", 0x6700)
    cryptogram, mac = command.data[:size], command.data[size:]
    chaining = _external_authenticate_mac(opening, command.p1, cryptogram, extended=command.extended)
    if not hmac.compare_digest(chaining[:size], mac):
        raise SecureMessagingError("the MAC of EXTERNAL AUTHENTICATE is wrong")
    if not hmac.compare_digest(opening.host_cryptogram, cryptogram):
        raise SecureMessagingError("the host cryptogram is wrong", 0x6300)
    return Scp03State(opening.keys, command.p1, size, chaining)


def _external_authenticate_mac(
    opening: Opening, level: int, cryptogram: bytes, *, extended: bool = False
) -> bytes:
    # Lc in the form in which it is transmitted: some hosts send everything in the extended one.
    lc = (2 * opening.mac_length).to_bytes(3 if extended else 1, "big")
    header = bytes((0x84, INS_EXTERNAL_AUTHENTICATE, level, 0x00)) + lc
    return cmac(opening.keys.mac, bytes(BLOCK) + header + cryptogram)
