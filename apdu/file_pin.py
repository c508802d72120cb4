"""PINs that are elementary files, each selected before VERIFY (ISO/IEC 7816-4:2020 §11.6.6; JICSAP cards).

Two rules protect the holder: no try is spent without :meth:`FilePin.verify` being called, and the last one is
not spent unless the caller says so.
"""

from __future__ import annotations

from .card import Card
from .command import Command
from .errors import PinBlocked, PinError
from .status import status_error

__all__ = ["FilePin", "select_file"]

CURRENT_FILE = 0x80
BLOCKED = (0x6983, 0x6984)


def select_file(card: Card, file: int) -> None:
    """SELECT an elementary file by its two-byte identifier. Raises StatusError."""
    card.expect(Command(0x00, 0xA4, 0x02, 0x0C, file.to_bytes(2, "big")))


class FilePin:
    """The PIN in ``file`` of the selected application; ``name`` is for sentences, ``most`` its tries."""

    def __init__(self, card: Card, file: int, name: str, most: int) -> None:
        self._card = card
        self._file = file
        self._name = name
        self._most = self._known = most

    def tries(self) -> int:
        """How many tries are left; asking spends none.

        A card that answers 9000 (the PIN is verified already) has all of them, since a right PIN resets them,
        or what a wrong one left since then.
        """
        select_file(self._card, self._file)
        command = Command(0x00, 0x20, 0x00, CURRENT_FILE)
        response = self._card.send(command)
        if response.ok:
            return self._known
        if response.sw in BLOCKED:
            return 0
        if response.sw & 0xFFF0 != 0x63C0:
            raise status_error(command, response, self._card.application)
        return response.sw & 0x0F

    def verify(self, value: bytes, *, allow_last_try: bool) -> None:
        """Present the PIN.

        Raises, before the card is asked to compare: PinBlocked, and PinError ``pin.last_try`` when one try
        is left and ``allow_last_try`` is not said. After a wrong PIN: PinError with the tries left, or
        PinBlocked.
        """
        left = self.tries()
        if left == 0:
            raise PinBlocked(self._name)
        if left == 1 and not allow_last_try:
            raise PinError(1, self._name, code="pin.last_try")
        command = Command(0x00, 0x20, 0x00, CURRENT_FILE, value, secret=((0, None),))
        response = self._card.send(command)
        if response.ok:
            self._known = self._most
            return
        if response.sw not in BLOCKED and response.sw & 0xFFF0 != 0x63C0:
            raise status_error(command, response, self._card.application)
        self._known = 0 if response.sw in BLOCKED else response.sw & 0x0F
        if self._known == 0:
            raise PinBlocked(self._name)
        raise PinError(self._known, self._name)
