"""Which bytes of an exchange a recording must not show, known from the bytes alone.

Rules by instruction: PINs (20, 21, 24, 26, 28, 2C, 32), keys and personal data (82, 86, 87, D8, E2),
deciphered data; and by selection: answers of applications and files that hold personal data.
"""

from __future__ import annotations

from .command import Command, Response, Span
from .names import is_select_by_aid
from .tlv import Tlv

__all__ = ["Masking"]

SECRET_DATA = frozenset((0x20, 0x21, 0x24, 0x26, 0x28, 0x2C, 0x32, 0x82, 0x86, 0x87, 0xD8, 0xE2))
SECRET_ANSWER = frozenset((0x86, 0x87))
PSO, DECIPHER_P1 = 0x2A, 0x80
GET_RESPONSE, GET_DATA_BER, SELECT, READ_BINARY = 0xC0, 0xCB, 0xA4, 0xB0

# The applications of the My Number Card with name, address, number; ICAO documents.
PERSONAL_APPLICATIONS = tuple(bytes.fromhex(aid) for aid in ("D392100031", "A000000247"))
JPKI = bytes.fromhex("D392F000260100000001")
# The certificate of the signature key names its holder with address and birth date.
JPKI_PERSONAL_FILES = frozenset((b"\x00\x01",))
# SP 800-73-5 part 1: fingerprints, face, printed information, iris.
PIV_PERSONAL_OBJECTS = frozenset(bytes.fromhex(tag) for tag in ("5FC103", "5FC108", "5FC109", "5FC121"))

ALL: tuple[Span, ...] = ((0, None),)


class Masking:
    """Follows the exchanges of one card; for each says the secret spans of data and of answer."""

    def __init__(self) -> None:
        self._application: dict[int, bytes] = {}
        self._file: dict[int, bytes] = {}
        self._answer: dict[int, tuple[Span, ...]] = {}

    def reset(self) -> None:
        """The card was reset: nothing is selected."""
        self._application.clear()
        self._file.clear()
        self._answer.clear()

    def spans(self, command: Command, response: Response) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
        """The secret spans of the data of ``command`` and of the data of its ``response``."""
        channel = _channel(command.cla)
        data = ALL if command.ins in SECRET_DATA else ()
        if command.ins == GET_RESPONSE:
            return data, self._answer.get(channel, ())
        self._follow(command, response, channel)
        answer = ALL if self._personal(command, channel) else ()
        self._answer[channel] = answer
        return data, answer

    def _follow(self, command: Command, response: Response, channel: int) -> None:
        if command.ins == READ_BINARY and command.p1 & 0x80:
            self._file[channel] = bytes((0x00, command.p1 & 0x1F))
        # A SELECT that fails leaves what was selected before.
        if command.ins != SELECT or response.sw1 not in (0x90, 0x61, 0x62, 0x63):
            return
        if is_select_by_aid(command):
            self._application[channel] = command.data
            self._file.pop(channel, None)
        else:
            self._file[channel] = command.data

    def _personal(self, command: Command, channel: int) -> bool:
        if command.ins in SECRET_ANSWER or (command.ins == PSO and command.p1 == DECIPHER_P1):
            return True
        if command.ins == SELECT:
            return False
        if command.ins == GET_DATA_BER and _object_asked(command.data) in PIV_PERSONAL_OBJECTS:
            return True
        application = self._application.get(channel, b"")
        if application == JPKI:
            return self._file.get(channel, b"")[-2:] in JPKI_PERSONAL_FILES
        return application.startswith(PERSONAL_APPLICATIONS)


def _channel(cla: int) -> int:
    return (cla & 0x0F) + 4 if cla & 0x40 else cla & 0x03


def _object_asked(data: bytes) -> bytes:
    try:
        asked, _ = Tlv.read(data, 0)
    except ValueError:
        return b""
    return asked.value if asked.tag == 0x5C else b""
