"""What the ATR says that a reader made up for a contactless card (PC/SC part 3 rev. 2.01 §3.1.3.2.3).

The reverse of ``reader_bridge.frames.contactless_atr``. Such an ATR says nothing about a card's application:
cards are told apart by selecting what is in them, never by this.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from .atr import Atr

__all__ = ["STORAGE_CARDS", "ContactlessAtr", "ContactlessKind"]

_INTERFACE = b"\x80\x01"
_RID = bytes.fromhex("A000000306")
_STORAGE_HEADER = b"\x80\x4f\x0c" + _RID
_TYPE_B_BYTES = 8
STORAGE_CARDS = {
    0x0001: "MIFARE Classic 1K",
    0x0002: "MIFARE Classic 4K",
    0x0003: "MIFARE Ultralight",
    0x0026: "MIFARE Mini",
    0x003A: "MIFARE Ultralight C",
    0x003B: "FeliCa",
}
"""Names of storage cards (part 3, supplemental document)."""


class ContactlessKind(enum.Enum):
    """Which card is behind the reader: ISO 14443-4 of either type, or memory without a protocol."""

    TYPE_A = "type A"
    TYPE_B = "type B"
    STORAGE = "storage card"


@dataclass(frozen=True, slots=True)
class ContactlessAtr:
    """``historical`` are those of the ATS for type A. Type B: ``app_data`` (4 bytes) and ``prot_info`` (3) of
    the ATQB and the MBLI; ``standard`` and ``name`` are SS and NN of a storage card.

    Types A and B are written alike: eight bytes whose protocol info and MBLI make sense count as type B, as
    which a card of type A that ends its ATS in such bytes is taken, too.
    """

    kind: ContactlessKind
    historical: bytes
    app_data: bytes = b""
    prot_info: bytes = b""
    mbli: int = 0
    standard: int = 0
    name: int = 0

    @property
    def label(self) -> str:
        """``type A``, ``type B``, or the storage card's name where it is known."""
        return STORAGE_CARDS.get(self.name, self.kind.value)

    @classmethod
    def parse(cls, raw: bytes) -> ContactlessAtr | None:
        """The parts of a made-up ATR; None for an ATR of another form, which a contact card gave itself."""
        if raw[:1] != b"\x3b" or raw[2:4] != _INTERFACE:
            return None
        try:
            atr = Atr.parse(raw)
        except ValueError:
            return None
        held = atr.historical
        if len(raw) != len(held) + 5:
            return None
        if held.startswith(_STORAGE_HEADER) and len(held) == 15:
            name = int.from_bytes(held[9:11], "big")
            return cls(ContactlessKind.STORAGE, held, standard=held[8], name=name)
        if _is_type_b(held):
            return cls(ContactlessKind.TYPE_B, held, held[:4], held[4:7], held[7] >> 4)
        return cls(ContactlessKind.TYPE_A, held)


def _is_type_b(held: bytes) -> bool:
    """Protocol info says ISO 14443-4 (its second byte, bit 1; bits 2 to 4 are 0 there, ISO 14443-3 §7.9.4),
    and the byte of the MBLI has no other half."""
    return len(held) == _TYPE_B_BYTES and held[5] & 0x09 == 0x01 and held[7] & 0x0F == 0
