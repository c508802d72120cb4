"""How a channel of SCP02 opens, pure, for both sides (GPC 2.3.1 §E.1.2, §E.4.2, §E.4.3, §E.5.1, §E.5.2)."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field

from ..command import Command
from ..des import BLOCK, full_mac, retail_mac
from ..ports import SessionKeys
from ..secure_messaging import C_MAC, SecureMessagingError, is_secured, pad, secured, unsecured
from .crypto import CHALLENGE_LENGTH, SEQUENCE_LENGTH, ZERO_ICV
from .options import Options, level_allowed
from .session import Scp02State, command_mac, next_icv

__all__ = [
    "InitializeUpdate",
    "Opening",
    "accept_external_authenticate",
    "external_authenticate",
    "implicit_state",
    "initialize_update_command",
]

INS_INITIALIZE_UPDATE = 0x50
INS_EXTERNAL_AUTHENTICATE = 0x82
SCP02 = 0x02
KDD_LENGTH = 10
HOST_CHALLENGE_LENGTH = CRYPTOGRAM_LENGTH = 8
ANSWER_LENGTH = KDD_LENGTH + 2 + SEQUENCE_LENGTH + CHALLENGE_LENGTH + CRYPTOGRAM_LENGTH


@dataclass(frozen=True, slots=True)
class InitializeUpdate:
    """The answer to INITIALIZE UPDATE (§E.5.1.6): 10 bytes of diversification data, the key version, the
    2-byte sequence counter, the 6-byte challenge and the 8-byte cryptogram of the card."""

    diversification: bytes
    version: int
    sequence: bytes
    challenge: bytes
    cryptogram: bytes

    def __bytes__(self) -> bytes:
        head = self.diversification + bytes((self.version, SCP02))
        return head + self.sequence + self.challenge + self.cryptogram

    @classmethod
    def parse(cls, raw: bytes) -> InitializeUpdate:
        """Read the data of the answer. Raises ValueError for another protocol or any other length."""
        if len(raw) != ANSWER_LENGTH:
            raise ValueError(f"the answer has {ANSWER_LENGTH} bytes, got {len(raw)}")
        version, protocol = raw[KDD_LENGTH : KDD_LENGTH + 2]
        if protocol != SCP02:
            raise ValueError(f"the card speaks SCP{protocol:02X}, not SCP02")
        return cls(raw[:KDD_LENGTH], version, raw[12:14], raw[14:20], raw[20:])


@dataclass(frozen=True, slots=True)
class Opening:
    """A channel between INITIALIZE UPDATE and EXTERNAL AUTHENTICATE, the same on both sides."""

    keys: SessionKeys = field(repr=False)
    host_challenge: bytes
    sequence: bytes
    card_challenge: bytes
    i: int

    def __post_init__(self) -> None:
        if not Options(self.i).explicit:
            raise ValueError(f"with i = {self.i:02X} the first C-MAC opens the channel")
        found = len(self.host_challenge), len(self.sequence), len(self.card_challenge)
        if found != (HOST_CHALLENGE_LENGTH, SEQUENCE_LENGTH, CHALLENGE_LENGTH):
            raise ValueError("the challenges have 8 and 6 bytes, the sequence counter 2")

    @property
    def card_cryptogram(self) -> bytes:
        """What the card proves itself with (§E.4.2.1)."""
        return self._cryptogram(self.host_challenge + self.sequence + self.card_challenge)

    @property
    def host_cryptogram(self) -> bytes:
        """What the host proves itself with (§E.4.2.2)."""
        return self._cryptogram(self.sequence + self.card_challenge + self.host_challenge)

    def card_proved(self, cryptogram: bytes) -> bool:
        """Whether ``cryptogram`` is the card's, compared in constant time."""
        return hmac.compare_digest(self.card_cryptogram, cryptogram)

    def _cryptogram(self, message: bytes) -> bytes:
        return full_mac(self.keys.enc, ZERO_ICV, pad(message, BLOCK))


def initialize_update_command(host_challenge: bytes, version: int = 0) -> Command:
    """INITIALIZE UPDATE with 8 challenge bytes; ``version`` 0 means the card's first key set."""
    return Command(0x80, INS_INITIALIZE_UPDATE, version, 0x00, host_challenge, le=256)


def external_authenticate(opening: Opening, level: int) -> tuple[Scp02State, Command]:
    """The host's proof for ``level``, and the state after it. Raises ValueError for a level not on offer."""
    if not level_allowed(level, opening.i):
        raise ValueError(f"level {level:02X} is not on offer with i = {opening.i:02X}")
    cryptogram = opening.host_cryptogram
    plain = Command(0x80, INS_EXTERNAL_AUTHENTICATE, level, 0x00, cryptogram)
    mac = _mac(opening, plain)
    return _opened(opening, level, mac), plain.with_(cla=secured(plain.cla), data=cryptogram + mac)


def accept_external_authenticate(opening: Opening, command: Command) -> Scp02State:
    """The card's check of the host's proof.

    Raises SecureMessagingError whose ``sw`` is the answer: 6985 for another command, 6A86 for a level not
    on offer, 6700 for a wrong length, 6982 for the MAC, 6300 for the cryptogram. The card's counter goes up
    once the MAC has been found right: in success and with 6300 (§E.1.2).
    """
    if command.ins != INS_EXTERNAL_AUTHENTICATE or not is_secured(command.cla):
        raise SecureMessagingError("EXTERNAL AUTHENTICATE has to follow", 0x6985)
    if command.p2 != 0 or not level_allowed(command.p1, opening.i):
        raise SecureMessagingError("the security level is not on offer", 0x6A86)
    if len(command.data) != CRYPTOGRAM_LENGTH + BLOCK:
        raise SecureMessagingError("EXTERNAL AUTHENTICATE has the wrong length", 0x6700)
    cryptogram, mac = command.data[:CRYPTOGRAM_LENGTH], command.data[CRYPTOGRAM_LENGTH:]
    plain = command.with_(cla=unsecured(command.cla), data=cryptogram)
    true_mac = _mac(opening, plain, extended=command.extended)
    if not hmac.compare_digest(true_mac, mac):
        raise SecureMessagingError("the MAC of EXTERNAL AUTHENTICATE is wrong")
    if not hmac.compare_digest(opening.host_cryptogram, cryptogram):
        raise SecureMessagingError("the host cryptogram is wrong", 0x6300)
    return _opened(opening, command.p1, mac)


def implicit_state(now: SessionKeys, later: SessionKeys, aid: bytes, i: int) -> Scp02State:
    """The state before the C-MAC that opens a channel implicitly, the same on both sides (§E.3.3).

    ``now`` are the session keys of the counter as it stands, which the C-MACs use; ``later`` those of the
    counter plus one, of which R-MACs take theirs. ``aid`` is that of the selected application. The level is
    C-MAC, always; sensitive data travels under the DEK of the counter plus one, in CBC.
    """
    if Options(i).explicit:
        raise ValueError(f"with i = {i:02X} the channel opens by EXTERNAL AUTHENTICATE")
    padded = pad(aid, BLOCK)
    start = retail_mac(later.rmac, ZERO_ICV, padded)
    keys = SessionKeys(enc=now.enc, mac=now.mac, rmac=later.rmac)
    return Scp02State(keys, C_MAC, i, icv=retail_mac(now.mac, ZERO_ICV, padded), r_start=start, r_icv=start)


def _opened(opening: Opening, level: int, mac: bytes) -> Scp02State:
    # Responses are chained from this C-MAC as well, whenever they begin to carry R-MACs (§E.3.2).
    fresh = Scp02State(opening.keys, level, opening.i, r_start=mac, r_icv=mac)
    return Scp02State(opening.keys, level, opening.i, next_icv(fresh, mac), r_start=mac, r_icv=mac)


def _mac(opening: Opening, plain: Command, *, extended: bool = False) -> bytes:
    return command_mac(Scp02State(opening.keys, C_MAC, opening.i), plain, extended=extended)
