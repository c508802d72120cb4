"""APDUs by hand: what ``tegata apdu send`` and ``tegata apdu shell`` do with a line of text.

PINs and keys are taken for simulated cards only: a line that was typed stands in the history of a shell,
in the list of processes and on the screen.
"""

from __future__ import annotations

from dataclasses import dataclass

from .atr import Atr
from .card import Card
from .command import Command, Response
from .decode import describe_command, describe_objects, describe_response
from .errors import InputError, MalformedResponse
from .masking import PUT_KEY, REFERENCE_DATA
from .names import APPLICATIONS, aid_of, command_name
from .ports import Link

__all__ = ["Exchange", "HandSession", "parse_hex"]

# With data, these carry a PIN or key values (GPC 2.3.1 §11.8).
CARRIES_SECRET = REFERENCE_DATA | {PUT_KEY}
HEADER_DIGITS = 8
HELP = """\
00A40400…        send this APDU, in hex, spaces allowed
select NAME|AID  select an application: {names}
atr              the card's answer to reset
reset            reset the card
help             this text
quit             leave"""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One command and its answer, with one line about each."""

    command: bytes
    answer: bytes
    asked: str
    said: str

    @property
    def lines(self) -> tuple[str, ...]:
        """What went over and what it means; below it the data objects of an answer made of templates."""
        return (
            f"> {self.command.hex().upper()}  {self.asked}",
            f"< {self.answer.hex().upper()}  {self.said}",
            *(f"    {line}" for line in describe_objects(self.answer[:-2])),
        )

    def to_json(self) -> dict[str, str]:
        """Plain values, bytes as hex."""
        return {
            "command": self.command.hex().upper(),
            "asked": self.asked,
            "data": self.answer[:-2].hex().upper(),
            "sw": self.answer[-2:].hex().upper(),
            "said": self.said,
        }


class HandSession:
    """Sends what a person types. ``simulated`` says whether secrets may be typed; ``raw`` sends bytes as
    they are, without fetching answers by GET RESPONSE and without refusing malformed ones."""

    def __init__(self, link: Link, *, simulated: bool, raw: bool = False) -> None:
        self._card = Card(link)
        self._simulated = simulated
        self._raw = raw

    def send(self, raw: bytes) -> Exchange:
        """Send one APDU. Raises InputError ``input.apdu`` or ``input.secret_on_command_line``."""
        refuse_secret(raw, simulated=self._simulated)
        try:
            command = Command.parse(raw)
        except ValueError as error:
            if not self._raw:
                raise InputError("input.apdu", text=_head(raw.hex().upper()), what=str(error)) from None
            return self._send_malformed(raw)
        response = self._card.send_raw(command) if self._raw else self._card.send(command)
        said = describe_response(command, response, self._card.application)
        return Exchange(raw, bytes(response), describe_command(command), said)

    def select(self, text: str) -> Exchange:
        """Select an application by its name or AID. Raises InputError ``input.aid``."""
        aid = aid_of(text)
        if aid is None:
            try:
                aid = bytes.fromhex(text)
            except ValueError:
                aid = b""
        if not 5 <= len(aid) <= 16:
            known = ", ".join(dict.fromkeys(APPLICATIONS.values()))
            raise InputError("input.aid", text=text, known=known)
        return self.send(bytes(Command(0x00, 0xA4, 0x04, 0x00, aid, le=256)))

    def line(self, text: str) -> list[str]:
        """Carry out one line of the shell and return what to print."""
        word, _, rest = text.strip().partition(" ")
        match word.casefold():
            case "":
                return []
            case "help" | "?":
                return HELP.format(names=", ".join(dict.fromkeys(APPLICATIONS.values()))).splitlines()
            case "atr":
                return [describe_atr(self._card.link.atr)]
            case "reset":
                self._card.reset()
                return [describe_atr(self._card.link.atr)]
            case "select":
                return list(self.select(rest.strip()).lines)
            case _ if word.startswith("#"):
                return []
            case _:
                return list(self.send(parse_hex(text)).lines)

    def _send_malformed(self, raw: bytes) -> Exchange:
        answer = self._card.link.transmit(raw)
        try:
            response = Response.parse(answer)
        except ValueError:
            raise MalformedResponse(f"only {len(answer)} bytes", "a malformed command") from None
        said = describe_response(Command(0x00, 0x00), response)
        return Exchange(raw, answer, "not an APDU", said)


def refuse_secret(raw: bytes, *, simulated: bool) -> None:
    """Raises InputError ``input.secret_on_command_line`` for a PIN or key to a card that is real."""
    if simulated or len(raw) <= 5 or raw[1] not in CARRIES_SECRET:
        return
    raise InputError("input.secret_on_command_line", command=command_name(Command(*raw[:4])))


def parse_hex(text: str) -> bytes:
    """The bytes of a line of hex, spaces and colons allowed. Raises InputError ``input.apdu``."""
    try:
        return bytes.fromhex(text.replace(":", " "))
    except ValueError:
        raise InputError("input.apdu", text=_head(text.strip()), what="it is not hex") from None


def _head(text: str) -> str:
    """No more of a line than a header: what follows may be a PIN, and errors reach logs."""
    return text if len(text) <= HEADER_DIGITS else text[:HEADER_DIGITS] + "…"


def describe_atr(raw: bytes) -> str:
    """An ATR in hex, with its protocols."""
    try:
        protocols = ", ".join(f"T={number}" for number in Atr.parse(raw).protocols)
    except ValueError as error:
        protocols = str(error)
    return f"{raw.hex().upper()}  {protocols}"
