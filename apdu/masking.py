"""Which bytes of an exchange a recording must not show, known from the bytes alone.

Rules by instruction: PINs (20, 24, 2C …), keys and personal data (82, 86, 87, D8, E2),
deciphered data; and by selection: answers of applications and files that hold personal data.
"""

from __future__ import annotations

from .command import Command, Response, Span
from .names import is_select_by_aid
from .tlv import Tlv

__all__ = ["PUT_KEY", "REFERENCE_DATA", "Masking"]

# PINs (ISO/IEC 7816-4:2020 §11.6, even and odd forms; 32 is a PIN change of older cards).
REFERENCE_DATA = frozenset((0x20, 0x21, 0x24, 0x25, 0x26, 0x28, 0x2C, 0x2D, 0x32))
PUT_KEY = 0xD8
SECRET_DATA = REFERENCE_DATA | {0x82, 0x86, 0x87, PUT_KEY, 0xE2}
SECRET_ANSWER = frozenset((0x86, 0x87))
PSO, DECIPHER_P1 = 0x2A, 0x80
GET_RESPONSE, GET_DATA_BER, PUT_DATA_BER, SELECT, READ_BINARY = 0xC0, 0xCB, 0xDB, 0xA4, 0xB0
CHAINING = 0x10

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
        self._files: dict[int, set[bytes]] = {}
        self._putting: dict[int, bool] = {}
        self._answer: dict[int, tuple[Span, ...]] = {}

    def reset(self) -> None:
        """The card was reset: nothing is selected."""
        self._application.clear()
        self._files.clear()
        self._putting.clear()
        self._answer.clear()

    def spans(self, command: Command, response: Response) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
        """The secret spans of the data of ``command`` and of the data of its ``response``."""
        channel = command.channel
        hidden = command.ins in SECRET_DATA or self._puts_personal(command, channel)
        data = ALL if hidden else ()
        if command.ins == GET_RESPONSE:
            return data, self._answer.get(channel, ())
        self._follow(command, response, channel)
        answer = ALL if self._personal(command, channel) else ()
        self._answer[channel] = answer
        return data, answer

    def _follow(self, command: Command, response: Response, channel: int) -> None:
        # A command that fails leaves what was selected before, except on cards where it does not.
        done = response.sw1 in (0x90, 0x61, 0x62, 0x63)
        if command.ins == READ_BINARY and command.p1 & 0x80:
            self._name_file(channel, bytes((0x00, command.p1 & 0x1F)), surely=done)
        if command.ins != SELECT or not done:
            return
        if is_select_by_aid(command):
            self._application[channel] = command.data
            self._files.pop(channel, None)
        else:
            self._name_file(channel, command.data[-2:], surely=True)

    def _name_file(self, channel: int, file: bytes, *, surely: bool) -> None:
        """``file`` is the current one now, or it may be."""
        before = set() if surely else self._files.get(channel, set())
        self._files[channel] = before | {file}

    def _puts_personal(self, command: Command, channel: int) -> bool:
        """Whether this is PUT DATA of a personal object; the pieces of a chain are as the first is."""
        begun = self._putting.pop(channel, None)
        if command.ins != PUT_DATA_BER:
            return False
        hidden = _object_asked(command.data) in PIV_PERSONAL_OBJECTS if begun is None else begun
        if command.cla & CHAINING and not command.cla & 0x60:
            self._putting[channel] = hidden
        return hidden

    def _personal(self, command: Command, channel: int) -> bool:
        if command.ins in SECRET_ANSWER or (command.ins == PSO and command.p1 == DECIPHER_P1):
            return True
        if command.ins == SELECT:
            return False
        if command.ins == GET_DATA_BER and _object_asked(command.data) in PIV_PERSONAL_OBJECTS:
            return True
        asked = self._application.get(channel, b"")
        if _may_name(asked, JPKI) and self._files.get(channel, set()) & JPKI_PERSONAL_FILES:
            return True
        return any(_may_name(asked, aid) for aid in PERSONAL_APPLICATIONS)


def _may_name(asked: bytes, aid: bytes) -> bool:
    """Whether a SELECT of ``asked``, whole or right-truncated, may have found an AID that begins ``aid``."""
    return bool(asked) and (asked.startswith(aid) or aid.startswith(asked))


def _object_asked(data: bytes) -> bytes:
    try:
        asked, _ = Tlv.read(data, 0)
    except ValueError:
        return b""
    return asked.value if asked.tag == 0x5C else b""
