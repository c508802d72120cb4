"""What a GemCore reader answers to Escape: its own commands beside those of CCID (as libccid sends them)."""

from __future__ import annotations

from .models import Model
from .refusal import Refused

__all__ = ["Escapes"]

FIRMWARE, MOVEMENT, MODE, FEATURES, STRINGS, RETRIES = 0x02, 0x01, 0x1F, 0x6A, 0xB2, 0xB5
_ISO_MODE, _APDU_MODE = 1, 2
_BAD_DATA = 10

_PIN_LEAST, _PIN_MOST = 1, 16
_PAD_FEATURES = (
    bytes((2, 16, 0))  # lines, characters of a line, no scrolling
    + bytes((0x02,))  # the entry ends with the OK key only
    + bytes((0x60, 0, 0, 0))  # VERIFY_PIN_DIRECT and MODIFY_PIN_DIRECT
    + bytes(4)
    + bytes((0, _PIN_LEAST, _PIN_MOST))
    + bytes(6)
)


class Escapes:
    """The settings that escapes change live here, until the reader loses its power."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.apdu_mode = False
        """Whether XfrBlock carries whole APDUs instead of what travels to the card."""

    def answer(self, data: bytes) -> bytes:
        """The data of the reply. Raises Refused: 0 for a command that the reader does not have, 10 for one
        whose arguments mean nothing."""
        if not data:
            raise Refused(1)
        command, arguments = data[0], data[1:]
        if command == FIRMWARE and not arguments:
            return self._model.firmware
        if command == MOVEMENT and len(arguments) == 2:
            return b""  # movements are told before the next answer anyway, which is the synchronous mode
        if command == MODE:
            if arguments not in (bytes((_ISO_MODE,)), bytes((_APDU_MODE,))):
                raise Refused(_BAD_DATA)
            self.apdu_mode = arguments[0] == _APDU_MODE
            return b""
        if self._model.pin_pad and command in (STRINGS, RETRIES):
            return b""
        if self._model.pin_pad and command == FEATURES:
            return _PAD_FEATURES
        raise Refused(0)
