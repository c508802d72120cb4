"""The holder's PIN letter: the PIN and PUK that the key ring made for a badge, once a person asks for them.

That they were asked for stands in the ledger before the ring gives them; the digits stand nowhere.
"""

from __future__ import annotations

from dataclasses import dataclass

from ...apdu.errors import InputError
from ...apdu.ports import KeyRing
from ...apdu.secret import Secret
from ..ledger import Badge, Books, Ledger

__all__ = ["PinLetter", "pin_letter"]

EMPLOYEE_ID = "employee-id"
USAGES = ("piv-pin", "piv-puk")


@dataclass(frozen=True, slots=True)
class PinLetter:
    """Whose badge, and the digits of each PIN that the key ring made: ``piv-pin``, ``piv-puk``."""

    employee: str
    name: str
    digits: dict[str, Secret]


def pin_letter(ledger: Ledger, ring: KeyRing, employee: str) -> PinLetter:
    """The letter for the employee's finished employee ID.

    Raises InputError ``badge.no_letter`` when there is none, or when the holder typed PIN and PUK.
    """
    with ledger.begin() as books:
        badge = _finished(books, employee)
        keys = [key for key in books.keys(badge.card_id, states=("live",)) if key.ref.usage in USAGES]
        if not keys:
            raise InputError("badge.no_letter", employee=employee)
        books.audit("badge.pin_letter", id=badge.id, card=badge.card_id)
        name = books.employee_name(employee)
    return PinLetter(employee, name, {key.ref.usage: ring.reveal_pin(key.ref) for key in keys})


def _finished(books: Books, employee: str) -> Badge:
    for badge in books.badges(employee=employee, states=("live",)):
        if badge.application == EMPLOYEE_ID:
            return badge
    raise InputError("badge.no_letter", employee=employee)
