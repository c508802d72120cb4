"""Which card is this, and what does it tell before any key is used (GPC 2.3.1 §11.3, §11.9, §H)?"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from ...apdu.card import Card
from ...apdu.command import Command
from ...apdu.errors import CardError, MalformedResponse, StatusError
from ...apdu.status import status_error
from .domain import told
from .host import SecurityDomain
from .model import Ins, Tag
from .model.cplc import Cplc, to_json
from .recognition import Capabilities, CardData, parse_card_data
from .results import KeyInformation, Selection, parse_selection, read_objects

__all__ = [
    "ISSUER_DOMAINS",
    "CardInformation",
    "Resources",
    "discover",
    "find_issuer_domain",
    "read_information",
]

ISSUER_DOMAINS = tuple(
    bytes.fromhex(aid)
    for aid in (
        "A000000151000000",  # GlobalPlatform
        "A000000003000000",  # Visa
        "A0000000030000",
        "A000000018434D00",  # Gemalto
        "A0000001510000",
    )
)
"""Names under which issuer security domains answer, in the order in which they are tried."""
JCOP_ROOT = bytes.fromhex("A000000167413000FF")
FUSED_AT = 14
CARD_LOCKED = 0x6283
NONE_SELECTED = (0x6A82, 0x6A86, 0x6A87, 0x6A81, 0x6700, 0x6D00, 0x6985, 0x6999)
"""Answers to a bare SELECT of cards that select nothing by it."""
NOT_FOUND = 0x6A82
APPLICATIONS, FREE_MEMORY, FREE_RAM = 0x81, 0x82, 0x83


@dataclass(frozen=True, slots=True)
class Resources:
    """Extended card resources ``FF21`` (ETSI TS 102 226 §8.2.1.7.2): applications installed, free bytes."""

    applications: int
    non_volatile: int
    volatile: int

    def to_json(self) -> dict[str, int]:
        """Plain values."""
        return {
            "applications": self.applications,
            "free_non_volatile": self.non_volatile,
            "free_volatile": self.volatile,
        }


@dataclass(frozen=True, slots=True)
class CardInformation:
    """What a card tells anybody; None and empty stand for what it does not tell."""

    selection: Selection
    cplc: Cplc | None
    iin: bytes | None
    cin: bytes | None
    card_data: CardData | None
    capabilities: Capabilities | None
    keys: tuple[KeyInformation, ...]
    resources: Resources | None
    sequence_counter: int | None
    receipt_counter: int | None
    diversification: bytes | None

    def to_json(self, today: datetime.date) -> dict[str, Any]:
        """Plain values, bytes as hex; ``today`` decides which decade a date of the card means."""
        told: dict[str, Any] = {
            "cplc": None if self.cplc is None else to_json(self.cplc, today),
            "iin": _hex(self.iin),
            "cin": _hex(self.cin),
            "card_data": None if self.card_data is None else self.card_data.to_json(),
            "capabilities": None if self.capabilities is None else self.capabilities.to_json(),
            "keys": [key.to_json() for key in self.keys] or None,
            "resources": None if self.resources is None else self.resources.to_json(),
            "sequence_counter": self.sequence_counter,
            "receipt_counter": self.receipt_counter,
            "diversification": _hex(self.diversification),
        }
        return {
            "issuer_domain": _hex(self.selection.aid),
            "card_locked": self.selection.card_locked,
            "max_block": self.selection.max_block,
            **{name: value for name, value in told.items() if value is not None},
        }


def find_issuer_domain(card: Card) -> tuple[SecurityDomain, Selection]:
    """Select the issuer security domain: by a bare SELECT, else under the names of :data:`ISSUER_DOMAINS`.

    Raises CardError ``gp.no_issuer_domain``, ``gp.unfused`` for a JCOP card that is not finished.
    """
    command = Command(0x00, 0xA4, 0x04, 0x00, le=256)
    response = card.send(command)
    if response.ok or response.sw == CARD_LOCKED:
        selection = parse_selection(response.data, b"", locked=response.sw == CARD_LOCKED)
        if selection.aid:
            return _selected(card, selection)
    elif response.sw not in NONE_SELECTED:
        raise status_error(command, response)
    if response.sw == NOT_FOUND and _is_unfused(card):
        raise CardError("gp.unfused")
    for aid in ISSUER_DOMAINS:
        try:
            answer = card.select(aid, accepted=(CARD_LOCKED,))
        except StatusError:
            continue
        return _selected(card, parse_selection(answer.data, aid, locked=answer.sw == CARD_LOCKED))
    raise CardError("gp.no_issuer_domain")


def _selected(card: Card, selection: Selection) -> tuple[SecurityDomain, Selection]:
    domain = SecurityDomain(card, selection.aid)
    domain.max_data = selection.max_block
    return domain, selection


def _is_unfused(card: Card) -> bool:
    """Whether JCOP's root applet answers and says "not fused": byte 14 of its answer is 0."""
    try:
        answer = card.select(JCOP_ROOT)
    except StatusError:
        return False
    return len(answer.data) > FUSED_AT and answer.data[FUSED_AT] == 0


def discover(card: Card) -> CardInformation:
    """Find the issuer security domain and read all that it tells without a key.

    An object that the card refuses, in whatever way, is one that it does not have. Raises what
    :func:`find_issuer_domain` raises, and MalformedResponse for an object that is none.
    """
    domain, selection = find_issuer_domain(card)
    return read_information(domain, selection)


def read_information(domain: SecurityDomain, selection: Selection) -> CardInformation:
    """As :func:`discover`, of a domain that was selected with this answer."""
    card_data = told(domain.card_data)
    if card_data is None and selection.recognition:
        card_data = parse_card_data(selection.recognition)
    return CardInformation(
        selection=selection,
        cplc=told(lambda: _cplc(domain)),
        iin=told(domain.iin),
        cin=told(domain.cin),
        card_data=card_data,
        capabilities=told(domain.capabilities),
        keys=told(domain.key_information) or (),
        resources=told(lambda: _resources(domain)),
        sequence_counter=told(lambda: _number(domain.get_data(Tag.SEQUENCE_COUNTER))),
        receipt_counter=told(lambda: _number(domain.get_data(Tag.RECEIPT_COUNTER))),
        diversification=told(lambda: domain.get_data(Tag.DIVERSIFICATION)),
    )


def _cplc(domain: SecurityDomain) -> Cplc | None:
    """Older cards have it for CLA 00 only."""
    found = told(domain.cplc)
    if found is not None:
        return found
    response = domain.card.send(Command(0x00, Ins.GET_DATA, Tag.CPLC >> 8, Tag.CPLC & 0xFF, le=256))
    if not response.ok:
        return None
    raw = response.data
    if raw.startswith(Tag.CPLC.to_bytes(2, "big")):
        raw = read_objects(raw, "CPLC")[0].value
    try:
        return Cplc.parse(raw)
    except ValueError as error:
        raise MalformedResponse(str(error), "CPLC") from None


def _resources(domain: SecurityDomain) -> Resources | None:
    raw = domain.get_data(Tag.EXTENDED_RESOURCES)
    if raw is None:
        return None
    told = {tlv.tag: int.from_bytes(tlv.value, "big") for tlv in read_objects(raw, "card resources")}
    return Resources(told.get(APPLICATIONS, 0), told.get(FREE_MEMORY, 0), told.get(FREE_RAM, 0))


def _number(raw: bytes | None) -> int | None:
    return int.from_bytes(raw, "big") if raw else None


def _hex(raw: bytes | None) -> str | None:
    return raw.hex().upper() if raw else None
