"""The first contact with a peripheral: who it is, what it can, and how it answers a challenge.

Asked in the clear, as every OSDP session begins, and altering nothing in it: osdp_ID, osdp_CAP, osdp_CHLNG
without the osdp_SCRYPT that would open a channel. libosdp tells neither the cUID, from which the key is
derived, nor why a channel did not open; so this is asked before libosdp has the line.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass

from ....apdu.errors import ReaderError
from ...frames.osdp import (
    BROADCAST,
    Capability,
    ClientCryptogram,
    Code,
    Decoder,
    Function,
    Nak,
    Packet,
    PdId,
    Reply,
    encode,
    parse_capabilities,
)
from ..serial_port import SerialPort

__all__ = ["Challenge", "Greeter", "Greeting", "Refused"]

REPLY_SECONDS = 0.2
"""A peripheral answers within this time (§5.7); what the line itself takes is added."""
TRIES = 3
BUSY_TRIES = 20
SCS_11 = 0x11


class Refused(Exception):
    """The peripheral answered NAK."""

    def __init__(self, reason: int) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Greeting:
    """Who is there and what it can."""

    identity: PdId
    capabilities: Mapping[int, Capability]

    @property
    def secure(self) -> bool:
        """Whether it says that it has a secure channel with AES-128 (annex B, function 9)."""
        found = self.capabilities.get(Function.SECURE_CHANNEL)
        return found is not None and bool(found.level & 1)


@dataclass(frozen=True, slots=True)
class Challenge:
    """A challenge and its answer."""

    random: bytes
    answer: ClientCryptogram


class Greeter:
    """The dialogue with the peripheral ``number`` on an open line; 127 is whoever is there.

    Methods raise ReaderError ``line.silent`` when nothing that is OSDP comes back, ``line.lost``, and
    ``osdp.answer`` for an answer of another form.
    """

    def __init__(self, port: SerialPort, number: int) -> None:
        self._port = port
        self._number = number
        self._decoder = Decoder()
        self._sequence = 0

    def greet(self) -> Greeting:
        """Begin anew (sequence number 0), and ask who it is."""
        self._sequence = 0
        identity = self._ask(Packet(self._number, Code.ID, b"\0"), Reply.PDID)
        capabilities = self._ask(Packet(self._number, Code.CAP, b"\0"), Reply.PDCAP)
        try:
            return Greeting(PdId.parse(identity.data), parse_capabilities(capabilities.data))
        except ValueError as error:
            raise self._odd(str(error)) from error

    def challenge(self, *, default_key: bool = False) -> Challenge:
        """Have it answer under its own key, or under SCBK-D. Raises Refused."""
        random = secrets.token_bytes(8)
        block = bytes((SCS_11, 0 if default_key else 1))
        answer = self._ask(Packet(self._number, Code.CHLNG, random, block=block), Reply.CCRYPT)
        try:
            return Challenge(random, ClientCryptogram.parse(answer))
        except ValueError as error:
            raise self._odd(str(error)) from error

    def _ask(self, command: Packet, expected: Reply) -> Packet:
        sequence, self._sequence = self._sequence, self._sequence % 3 + 1
        wire = encode(Packet(command.address, command.code, command.data, sequence, block=command.block))
        lost = 0
        for _ in range(BUSY_TRIES):
            self._port.write(wire)
            answer = self._reply(sequence, len(wire))
            if answer is None:
                lost += 1
                if lost == TRIES:
                    raise self._port.silent(TRIES * REPLY_SECONDS, f"OSDP {self._number}")
            elif answer.code == Reply.NAK:
                raise Refused(answer.data[0] if answer.data else Nak.COMMAND)
            elif answer.code != Reply.BUSY:
                if answer.code != expected:
                    raise self._odd(f"{answer.code:02X} to {command.code:02X}")
                return answer
            else:
                time.sleep(REPLY_SECONDS / 4)  # it says itself that it needs time
        raise self._odd("BUSY")

    def _reply(self, sequence: int, sent: int) -> Packet | None:
        until = time.monotonic() + REPLY_SECONDS + 2 * 10 * (sent + 64) / self._port.baud
        while (left := until - time.monotonic()) > 0:
            for packet in self._decoder.feed(self._port.read(left)):
                # A BUSY reply carries sequence 0 (§7.13); an echo of our own words has no reply bit.
                ours = self._number in (packet.address, BROADCAST)
                if packet.reply and ours and (packet.sequence == sequence or packet.code == Reply.BUSY):
                    return packet
        return None

    def _odd(self, what: str) -> ReaderError:
        return ReaderError("osdp.answer", number=self._number, what=what)
