"""The ATR that a reader makes up for a contactless card (PC/SC part 3 rev. 2.01 §3.1.3.2.3).

``3B 8n 80 01``, n historical bytes, TCK. The historical bytes of type A are those of its ATS, of type B
application data and protocol info of the ATQB and the MBLI of the answer to ATTRIB.
"""

from __future__ import annotations

from functools import reduce
from operator import xor

from .iso_dep_activation import Atqb, Ats

__all__ = ["atr_of_storage_card", "atr_of_type_a", "atr_of_type_b"]

_LONGEST = 15
_RID = bytes.fromhex("A000000306")


def atr_of_type_a(ats: Ats) -> bytes:
    """From an ATS: its historical bytes, the first 15 of them."""
    return _atr(ats.historical[:_LONGEST])


def atr_of_type_b(atqb: Atqb, mbli: int = 0) -> bytes:
    """From an ATQB and the MBLI (0 to 15), the high half of the first byte of the answer to ATTRIB."""
    return _atr(atqb.app_data + atqb.prot_info + bytes(((mbli & 0x0F) << 4,)))


def atr_of_storage_card(standard: int, name: int) -> bytes:
    """For a card without ISO 14443-4: the standard byte SS (03 = ISO 14443 A part 3) and the card's name NN
    of the list in part 3 (0001 = MIFARE Classic 1K)."""
    body = _RID + bytes((standard,)) + name.to_bytes(2, "big") + bytes(4)
    return _atr(b"\x80\x4f" + bytes((len(body),)) + body)


def _atr(historical: bytes) -> bytes:
    body = bytes((0x80 | len(historical), 0x80, 0x01)) + historical
    return b"\x3b" + body + bytes((reduce(xor, body),))
