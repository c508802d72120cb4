"""From a field to an activated card: polling, RATS or ATTRIB, and the ATR (ISO 14443-3, ISO 14443-4 §5)."""

from __future__ import annotations

import time

from ....apdu.errors import MalformedResponse
from ...frames.contactless_atr import atr_of_type_a, atr_of_type_b
from ...frames.iso_dep import Block, Kind, Pcd
from ...frames.iso_dep_activation import Atqb, Ats, attrib, rats, wupb
from ...frames.pn532_commands import Target, TargetA, TargetB
from .channel import Channel, DataExchangeChannel, IsoDepChannel
from .options import Mode
from .radio import Radio

__all__ = ["find_card"]

FRAME_SIZE = 256
"""Frames that the chip carries whole, CRC included: FSDI 8."""

_ACTIVATION_SECONDS = 0.01
"""More than the 4.8 ms and 7.7 ms that a card has for its ATS and its answer to ATTRIB."""
_TRIES = 3
"""For a card that was found and not activated: the air or the line may have lost a frame."""
_CHIPS_CID = 1
"""The CID that the chip gives to a card of type B."""


def find_card(radio: Radio) -> Channel | None:
    """The first card with ISO 14443-4 in the field, which is switched on anew; None when there is none, or
    when it left during its activation.

    Raises MalformedResponse for a card whose description of itself is nonsense.
    """
    for _ in range(_TRIES):
        radio.field(on=False)
        radio.field(on=True)
        lost = False
        for brty in radio.options.types:
            target = radio.find(brty)
            if target is None or not _speaks_iso_dep(target):
                continue
            channel = _activate(radio, target)
            if channel is not None:
                return channel
            lost = True
        if not lost:
            break
    return None


def _speaks_iso_dep(target: Target) -> bool:
    return target.iso_dep if isinstance(target, TargetA) else Atqb.parse(target.atqb).iso_dep


def _activate(radio: Radio, target: Target) -> Channel | None:
    plain = radio.options.mode is Mode.DATA_EXCHANGE
    try:
        if isinstance(target, TargetA):
            return _chips_a(radio, target) if plain else _our_a(radio)
        atqb = Atqb.parse(target.atqb)
        return _chips_b(radio, target, atqb) if plain else _our_b(radio)
    except ValueError as error:
        raise MalformedResponse(str(error), "ISO 14443") from error


def _chips_a(radio: Radio, target: TargetA) -> Channel | None:
    """The chip has sent RATS; without an ATS the card had left by then."""
    if not target.ats:
        return None
    return DataExchangeChannel(radio, atr_of_type_a(Ats.parse(target.ats)), target.number, None)


def _chips_b(radio: Radio, target: TargetB, atqb: Atqb) -> Channel:
    mbli = target.attrib_res[0] >> 4 if target.attrib_res else 0
    return DataExchangeChannel(radio, atr_of_type_b(atqb, mbli), target.number, _CHIPS_CID)


def _our_a(radio: Radio) -> Channel | None:
    raw = radio.through(rats(), _ACTIVATION_SECONDS)
    if raw is None:
        return None
    ats = Ats.parse(raw)
    time.sleep(ats.guard_time)
    return IsoDepChannel(radio, atr_of_type_a(ats), _pcd(ats.frame_size, ats.fwt))


def _our_b(radio: Radio) -> Channel | None:
    """The chip has activated the card with a CID and short frames: deselect it, wake it, and choose anew."""
    radio.through(bytes(Block(Kind.DESELECT, cid=_CHIPS_CID)), _ACTIVATION_SECONDS)
    woken = radio.through(wupb(), _ACTIVATION_SECONDS)
    if woken is None:
        return None
    atqb = Atqb.parse(woken)
    answer = radio.through(attrib(atqb.pupi), _ACTIVATION_SECONDS)
    if answer is None:
        return None
    if not answer or answer[0] & 0x0F:
        raise ValueError("the answer to ATTRIB does not repeat its CID")
    return IsoDepChannel(radio, atr_of_type_b(atqb, answer[0] >> 4), _pcd(atqb.frame_size, atqb.fwt))


def _pcd(frame_size: int, fwt: float) -> Pcd:
    return Pcd(min(frame_size, FRAME_SIZE), fwt)
