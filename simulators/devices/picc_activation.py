"""How a contactless card is found and chosen (ISO/IEC 14443-3:2018 §6 type A, §7 type B), card's side.

What a card says of itself there follows from its contactless ATR, which a reader makes of just that
(PC/SC part 3 §3.1.3.2.3): :func:`face_of` goes the way back. Frames stand here without their CRC; a short
frame of seven bits is one byte.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import reduce
from operator import xor
from typing import Protocol

from ...apdu.atr import Atr
from ...reader_bridge.frames.iso_dep_activation import Atqb, Ats, frame_size

__all__ = ["Activation", "Face", "Modulation", "TypeA", "TypeB", "face_of"]

Entropy = Callable[[int], bytes]


class Modulation(enum.Enum):
    """How the field carries bytes, all at 106 kbit/s."""

    A = "a"
    B = "b"


@dataclass(frozen=True, slots=True)
class Activation:
    """What reader and card have agreed on: longest frames each way, the card's CID (None: it knows none) and
    the frame waiting time in seconds."""

    fsd: int
    fsc: int
    cid: int | None
    fwt: float


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to a frame, if any, and the activation that it completes, if any."""

    data: bytes | None = None
    activation: Activation | None = None


class Face(Protocol):
    """A card as readers find it. It is in one of the states of the standard; the field's beginning and
    :meth:`halt` set it back."""

    modulation: Modulation

    def power_up(self, entropy: Entropy) -> None:
        """The field came: idle again, with a new random identifier where it is random."""
        ...

    def halt(self) -> None:
        """S(DESELECT) was answered."""
        ...

    def receive(self, frame: bytes) -> Reply: ...


_MUTE = Reply()


class _State(enum.Enum):
    IDLE = enum.auto()
    READY = enum.auto()
    ACTIVE = enum.auto()
    HALT = enum.auto()


REQA, WUPA, HLTA, RATS = b"\x26", b"\x52", b"\x50\x00", 0xE0
CASCADE_TAG = 0x88
LEVELS = (0x93, 0x95, 0x97)
ANTICOLLISION, SELECT = 0x20, 0x70
SAK_ISO_DEP, SAK_MORE = 0x20, 0x04
RANDOM_UID = 0x08
"""First byte of a UID of 4 bytes that is random (ISO 14443-3 §6.5.4)."""


class TypeA:
    """A card of type A. ``uid`` of 4, 7 or 10 bytes; None makes a random one each time the field comes."""

    modulation = Modulation.A

    def __init__(self, ats: Ats, uid: bytes | None = None) -> None:
        if uid is not None and len(uid) not in (4, 7, 10):
            raise ValueError(f"a UID has 4, 7 or 10 bytes, got {len(uid)}")
        self.ats = ats
        self.uid = uid or bytes(4)
        self._random = uid is None
        self._state = _State.IDLE
        self._halted = False
        self._level = 0

    @property
    def sens_res(self) -> bytes:
        """SENS_RES (ATQA) as it is sent, low byte first: the size of the UID, bit frame anticollision."""
        return bytes((0x04 | (len(self.uid) // 3 - 1) << 6, 0x00))

    def power_up(self, entropy: Entropy) -> None:
        if self._random:
            self.uid = bytes((RANDOM_UID,)) + entropy(3)
        self._state, self._halted = _State.IDLE, False

    def halt(self) -> None:
        self._state, self._halted = _State.HALT, True

    def receive(self, frame: bytes) -> Reply:
        if self._state in (_State.IDLE, _State.HALT):
            if frame == WUPA or (frame == REQA and self._state is _State.IDLE):
                self._state, self._level = _State.READY, 0
                return Reply(self.sens_res)
            return _MUTE
        if self._state is _State.READY:
            return self._ready(frame)
        return self._active(frame)

    def _ready(self, frame: bytes) -> Reply:
        own = self._parts()[self._level]
        level = LEVELS[self._level]
        if frame == bytes((level, ANTICOLLISION)):
            return Reply(own)
        if frame != bytes((level, SELECT)) + own:
            return self._fall_back()
        self._level += 1
        if self._level < len(self._parts()):
            return Reply(bytes((SAK_MORE,)))
        self._state = _State.ACTIVE
        return Reply(bytes((SAK_ISO_DEP,)))

    def _active(self, frame: bytes) -> Reply:
        if frame == HLTA:
            self.halt()
            return _MUTE
        if len(frame) != 2 or frame[0] != RATS or frame[1] & 0x0F > 14:
            return self._fall_back()
        # Without TC a card knows CID (§5.2.7).
        with_cid = self.ats.tc is None or bool(self.ats.tc & 0x02)
        cid = frame[1] & 0x0F if with_cid else None
        fsd = frame_size(frame[1] >> 4)
        return Reply(bytes(self.ats), Activation(fsd, self.ats.frame_size, cid, self.ats.fwt))

    def _fall_back(self) -> Reply:
        """Anything unexpected leads back to where the card was woken from (§6.3)."""
        self._state = _State.HALT if self._halted else _State.IDLE
        return _MUTE

    def _parts(self) -> list[bytes]:
        """UID CLn of each cascade level with its check byte BCC."""
        uid, parts = self.uid, []
        while len(uid) > 4:
            parts.append(bytes((CASCADE_TAG,)) + uid[:3])
            uid = uid[3:]
        return [part + bytes((reduce(xor, part),)) for part in (*parts, uid)]


REQB, ATTRIB = 0x05, 0x1D
WAKE_UP_B = 0x08
HLTB = 0x50
HLTB_DONE = b"\x00"


class TypeB:
    """A card of type B. ``pupi`` None makes a random one each time the field comes, as My Number Cards do;
    ``mbli`` is the nibble of the answer to ATTRIB."""

    modulation = Modulation.B

    def __init__(
        self, app_data: bytes, prot_info: bytes, mbli: int = 0, pupi: bytes | None = None, afi: int = 0
    ) -> None:
        if pupi is not None and len(pupi) != 4:
            raise ValueError(f"a PUPI has 4 bytes, got {len(pupi)}")
        self.atqb = Atqb(pupi or bytes(4), app_data, prot_info)
        self.mbli = mbli
        self.afi = afi
        self._random = pupi is None
        self._state = _State.IDLE
        self._slot = 0

    def power_up(self, entropy: Entropy) -> None:
        if self._random:
            self.atqb = replace(self.atqb, pupi=entropy(4))
        self._state = _State.IDLE

    def halt(self) -> None:
        self._state = _State.HALT

    def receive(self, frame: bytes) -> Reply:
        if len(frame) == 3 and frame[0] == REQB:
            return self._request(afi=frame[1], parameter=frame[2])
        if self._state is not _State.READY:
            return _MUTE
        if frame == bytes((HLTB,)) + self.atqb.pupi:
            self.halt()
            return Reply(HLTB_DONE)
        if len(frame) >= 9 and frame[0] == ATTRIB and frame[1:5] == self.atqb.pupi:
            return self._attrib(frame[5:9])
        return _MUTE

    def _request(self, afi: int, parameter: int) -> Reply:
        """REQB or WUPB (§7.7). Of several slots this card takes the first: it is alone in the field."""
        if self._state is _State.HALT and not parameter & WAKE_UP_B:
            return _MUTE
        if not self._belongs_to(afi):
            return _MUTE
        self._state = _State.READY
        return Reply(bytes(self.atqb))

    def _belongs_to(self, afi: int) -> bool:
        """§7.7.3: AFI 00 asks all, a sub-family 0 the whole family."""
        return afi in (0, self.afi) or (not afi & 0x0F and afi >> 4 == self.afi >> 4)

    def _attrib(self, parameters: bytes) -> Reply:
        """ATTRIB at 106 kbit/s (§7.10); who asks for more, or for another protocol, hears nothing."""
        _, rates, protocol, cid = parameters
        if rates & 0xF0 or not protocol & 0x01 or cid & 0x0F > 14:
            return _MUTE
        with_cid = bool(self.atqb.prot_info[2] & 0x01)
        if cid & 0x0F and not with_cid:
            return _MUTE
        self._state = _State.ACTIVE
        activation = Activation(
            frame_size(rates & 0x0F), self.atqb.frame_size, cid & 0x0F if with_cid else None, self.atqb.fwt
        )
        return Reply(bytes((self.mbli << 4 | cid & 0x0F,)), activation)


FSCI, FWI = 8, 10
ATS_TA, ATS_TC = 0x80, 0x02
"""Frames of 256 bytes, 309 ms to answer; 106 kbit/s both ways, CID but no NAD."""


def face_of(atr: bytes, kind: Modulation | None = None, identifier: bytes | None = None) -> TypeA | TypeB:
    """The face of a card whose contactless ATR is ``atr``.

    Eight historical bytes that are application data, protocol info and MBLI of an ATQB make a card of type
    B, others one of type A with these historical bytes in its ATS; ``kind`` says otherwise. A card that
    becomes one of type B against its ATR has application data 0. ``identifier`` is its UID or PUPI, None
    for random ones. Raises ValueError for what is no ATR and for an identifier of another length.
    """
    historical = Atr.parse(atr).historical
    from_atqb = _is_from_atqb(historical)
    if kind is None:
        kind = Modulation.B if from_atqb else Modulation.A
    if kind is Modulation.B:
        if not from_atqb:
            historical = bytes(4) + bytes((0x00, FSCI << 4 | 1, FWI << 4 | 1, 0x00))
        return TypeB(historical[:4], historical[4:7], historical[7] >> 4, identifier)
    return TypeA(Ats(FSCI, ATS_TA, FWI << 4, ATS_TC, historical), identifier)


def _is_from_atqb(historical: bytes) -> bool:
    """Protocol info of a card that speaks ISO 14443-4: protocol type xxx1 below 8, an FSCI and FWI that are
    not reserved (§7.9.4), and behind it an MBLI with nothing in its low nibble."""
    if len(historical) != 8:
        return False
    sizes, times, mbli = historical[5:]
    return sizes & 0x09 == 0x01 and sizes >> 4 <= 0x0C and times >> 4 < 15 and not mbli & 0x0F
