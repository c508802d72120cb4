"""How a PN532 finds and activates one card: the reader's side of ISO/IEC 14443-3 §6 (type A), §7 (type B)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...reader_bridge.frames.iso_dep import Pcd
from ...reader_bridge.frames.iso_dep_activation import Atqb, Ats, attrib, rats
from ...reader_bridge.frames.pn532_commands import TargetA, TargetB
from .picc_activation import Modulation

__all__ = ["Found", "poll_a", "poll_b"]

Air = Callable[[bytes, Modulation], bytes | None]

FSDI = 5
"""Frames of 64 bytes: what the chip itself can take."""
CID_OF_TYPE_B = 1
CASCADE_TAG = 0x88
_LEVELS = (0x93, 0x95, 0x97)


@dataclass(frozen=True, slots=True)
class Found:
    """A card of the list of targets; ``pcd`` is None for one that the chip has not activated."""

    target: TargetA | TargetB
    modulation: Modulation
    pcd: Pcd | None


def poll_a(air: Air, wanted: bytes, auto_rats: bool, *, wake: bool = False) -> Found | None:
    """SENS_REQ, anticollision and, when the card speaks ISO 14443-4 and the chip is to do so, RATS.

    ``wanted`` is the UID of the one card that is looked for, with or without its cascade tags; ``wake``
    finds halted cards too.
    """
    sens_res = air(b"\x52" if wake else b"\x26", Modulation.A)
    if sens_res is None:
        return None
    chosen = _select(air)
    if chosen is None:
        return None
    uid, cascaded, sak = chosen
    if wanted and wanted not in (uid, cascaded):
        return None
    answer = air(rats(FSDI), Modulation.A) if auto_rats and sak & 0x20 else b""
    if answer is None:
        return None
    # The chip tells SENS_RES high byte first.
    target = TargetA(1, sens_res[::-1], sak, uid, answer)
    if not answer:
        return Found(target, Modulation.A, None)
    ats = Ats.parse(answer)
    return Found(target, Modulation.A, Pcd(ats.frame_size, ats.fwt))


def _select(air: Air) -> tuple[bytes, bytes, int] | None:
    """Anticollision through all cascade levels: the UID without and with its cascade tags, and the SAK."""
    uid = cascaded = b""
    for level in _LEVELS:
        part = air(bytes((level, 0x20)), Modulation.A)
        sak = None if part is None else air(bytes((level, 0x70)) + part, Modulation.A)
        if part is None or sak is None:
            return None
        cascaded += part[:4]
        uid += part[1:4] if part[0] == CASCADE_TAG else part[:4]
        if not sak[0] & 0x04:
            return uid, cascaded, sak[0]
    return None


def poll_b(air: Air, afi: int, *, wake: bool = False) -> Found | None:
    """SENSB_REQ in one slot, then ATTRIB with a CID where the card knows one."""
    answer = air(bytes((0x05, afi, 0x08 if wake else 0x00)), Modulation.B)
    if answer is None:
        return None
    atqb = Atqb.parse(answer)
    cid = CID_OF_TYPE_B if atqb.prot_info[2] & 0x01 else 0
    done = air(attrib(atqb.pupi, fsdi=FSDI, cid=cid), Modulation.B)
    if done is None:
        return None
    pcd = Pcd(atqb.frame_size, atqb.fwt, cid=cid or None)
    return Found(TargetB(1, answer, done), Modulation.B, pcd)
