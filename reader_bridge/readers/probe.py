"""Timid probing of a serial line: which reader or device lives there, asked by what harms none of them.

A line may lead to anything: a reader, a modem, a GPS receiver, a console with a shell, a bus on which
others talk. So first it is only listened to, and a line that talks by itself is left alone. Then come
questions that alter nothing, the most harmless first, and an answer that none of ours gives ends it:

1. PN532 GetFirmwareVersion behind zeros (UM0701-02 §7.2.2). To a GemCore or SMP device it is noise between
   frames; a shell or modem sees NULs and an asterisk, never a line's end. What echoes it is a console, a
   modem, or a plug that joins both wires: nothing more is sent to it.
2. GemCore Escape 02, the name of the firmware. It begins with 03, at which a shell drops what was typed.
3. SMP echo, a line of text that begins with ``06 09``. The line feed before it ends what the questions
   before left in the device's line buffer.

OSDP is asked on request alone: it needs an address and a baud rate, and its first command ends the session
that a control panel has with that device. Opening a line raises DTR on most systems; boards that take it
for their reset button restart, which no program can prevent.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from serial.tools import list_ports

from ..frames import gemcore, osdp, pn532, pn532_commands, smp
from ..frames.ccid import FromReader, MessageError, Reply, Request, ToReader
from .gemcore.models import model_of, readable
from .serial_port import LineSettings, SerialPort

__all__ = [
    "PROTOCOLS",
    "BusAddress",
    "ProbeResult",
    "Seen",
    "SerialPortInfo",
    "list_serial_ports",
    "probe_line",
]

PROTOCOLS = ("pn532", "gemcore", "smp")
"""What is asked unless told otherwise, in this order."""

LISTEN = 0.3
"""Seconds of listening before anything is sent: a GPS speaks each second at most, a bus or console sooner."""
WAIT = 0.5
"""Seconds for an answer; all of these devices answer in less than a tenth of that."""
KEPT = 64
_FLOOD = 4096


class Seen(enum.Enum):
    """What was seen on the wire."""

    ANSWER = "answer"
    SILENCE = "silence"
    TALK = "talk"
    ECHO = "echo"
    NOISE = "noise"


@dataclass(frozen=True, slots=True)
class BusAddress:
    """Where a device on an OSDP bus is looked for."""

    address: int
    baud: int = 9600


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """What one line showed.

    ``protocol`` is the scheme of the URL that opens the device, ``model`` and ``version`` what it said of
    itself; all empty unless ``seen`` is ANSWER. ``wire`` are the first bytes that came, ``asked`` the
    protocols that were tried, in order; ``query`` what the device's URL says of its bus.
    """

    line: str
    seen: Seen
    asked: tuple[str, ...] = ()
    protocol: str = ""
    model: str = ""
    version: str = ""
    wire: bytes = field(default=b"", repr=False)
    query: str = ""

    @property
    def url(self) -> str:
        """What opens the device; empty when none answered."""
        return f"{self.protocol}:{self.line}{self.query}" if self.protocol else ""


@dataclass(frozen=True, slots=True)
class SerialPortInfo:
    """A serial port of this computer as its system describes it; ``hardware`` is like ``USB VID:PID=…``."""

    name: str
    description: str
    hardware: str


Identity = tuple[str, str]
"""Model and version."""


@dataclass(frozen=True, slots=True)
class _Question:
    protocol: str
    request: bytes
    understand: Callable[[bytes], Identity | None]


def list_serial_ports() -> list[SerialPortInfo]:
    """The serial ports that the system knows, by name. Nothing is opened."""
    found = (SerialPortInfo(port.device, port.description, port.hwid) for port in list_ports.comports())
    return sorted(found, key=lambda port: port.name)


def probe_line(
    name: str,
    protocols: Sequence[str] = PROTOCOLS,
    *,
    bus: BusAddress | None = None,
    insist: bool = False,
    listen: float = LISTEN,
    wait: float = WAIT,
) -> ProbeResult:
    """Find out what lives on the line ``name``; it is open for about two seconds at most.

    ``insist`` asks also where the line talks by itself or answers what is not understood. With ``bus`` that
    OSDP device alone is asked for.

    Raises ReaderError ``line.busy``, ``line.open`` or ``line.lost``; ValueError for a protocol without probe.
    """
    questions = [_QUESTIONS[protocol] for protocol in _known(protocols)]
    settings = LineSettings(stop_bits=2)  # more than enough for those who want one
    query = ""
    if bus is not None:
        questions, settings = [_osdp_question(bus.address)], LineSettings(bus.baud)
        query = f"?address={bus.address}&baud={bus.baud}"
    with SerialPort(name, settings) as port:
        heard = _collect(port, listen, lambda _: None)[0]
        if _without_card_movements(heard) and not insist:
            return ProbeResult(name, Seen.TALK, wire=heard[:KEPT])
        return replace(_ask(port, questions, heard, wait, insist=insist), query=query)


def _known(protocols: Sequence[str]) -> Sequence[str]:
    if unknown := set(protocols) - set(PROTOCOLS):
        raise ValueError(f"no probe for {', '.join(sorted(unknown))}")
    return protocols


def _ask(
    port: SerialPort, questions: Sequence[_Question], heard: bytes, wait: float, *, insist: bool
) -> ProbeResult:
    asked: list[str] = []
    seen, wire = Seen.SILENCE, heard
    for question in questions:
        asked.append(question.protocol)
        port.write(question.request)
        came, identity = _collect(port, wait, question.understand)
        wire += came
        if identity is not None:
            model, version = identity
            return ProbeResult(
                port.name, Seen.ANSWER, tuple(asked), question.protocol, model, version, wire[:KEPT]
            )
        if came and not _only_refuses(came):
            seen = Seen.ECHO if question.request.strip(b"\0\n") in came else Seen.NOISE
            if not insist:
                break
    return ProbeResult(port.name, seen, tuple(asked), wire=wire[:KEPT])


def _collect(
    port: SerialPort, seconds: float, understand: Callable[[bytes], Identity | None]
) -> tuple[bytes, Identity | None]:
    """What comes in that time, or until it is understood; a flood is cut off."""
    came, until = b"", time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0 and len(came) < _FLOOD:
        came += port.read(left)
        if (identity := understand(came)) is not None:
            return came, identity
    return came, None


def _without_card_movements(heard: bytes) -> bytes:
    """What is left when the two bytes are taken out with which a GemCore reader says that a card moved."""
    return heard.replace(gemcore.CARD_INSERTED, b"").replace(gemcore.CARD_REMOVED, b"")


def _only_refuses(came: bytes) -> bool:
    """Whether this is a GemCore reader that did not like the frame of another protocol."""
    return not _without_card_movements(came.replace(gemcore.NAK, b""))


def _read_pn532(came: bytes) -> Identity | None:
    """The answer to GetFirmwareVersion."""
    answer = pn532_commands.Code.GET_FIRMWARE_VERSION + 1
    for item in pn532.Decoder().feed(came):
        if isinstance(item, pn532.Frame) and item.tfi == pn532.TO_HOST and item.code == answer:
            try:
                found = pn532_commands.FirmwareVersion.parse(item.data[1:])
            except ValueError:
                continue
            return f"pn5{found.ic:02x}", f"{found.version}.{found.revision}"
    return None


def _read_gemcore(came: bytes) -> Identity | None:
    """The answer to Escape 02. Readers that echo send the question back first."""
    for event in gemcore.Decoder(of_reader=True).feed(came):
        if isinstance(event, gemcore.Message):
            try:
                reply = FromReader.parse(event.data)
            except MessageError:
                continue
            if reply.kind == Reply.ESCAPE:
                firmware = "" if reply.failed else readable(reply.data)
                return model_of(firmware).name, firmware
    return None


def _read_smp(came: bytes) -> Identity | None:
    """Any answer of the group OS: SMP lives here."""
    for message in smp.Decoder(KEPT * 4).feed(came):
        if message.op & 1 and message.group == smp.Group.OS:
            return "smp", ""
    return None


_ECHO = bytes.fromhex("A1616466746567617461")
"""The CBOR map {"d": "tegata"}."""
_QUESTIONS = {
    question.protocol: question
    for question in (
        _Question("pn532", pn532.encode(pn532.TO_CHIP, b"\x02", wake_up=bytes(16)), _read_pn532),
        _Question(
            "gemcore", gemcore.encode(bytes(ToReader(Request.ESCAPE, seq=1, data=b"\x02"))), _read_gemcore
        ),
        _Question(
            "smp",
            b"\n" + smp.encode(smp.Message(smp.Op.WRITE, smp.Group.OS, 0, 1, _ECHO).encode()),
            _read_smp,
        ),
    )
}


def _osdp_question(address: int) -> _Question:
    """osdp_ID with sequence number 0, which begins a new session; no secure channel is asked for."""
    request = osdp.encode(osdp.Packet(address, osdp.Code.ID, b"\0"))
    return _Question("osdp", request, lambda came: _read_osdp(came, address))


def _read_osdp(came: bytes, address: int) -> Identity | None:
    """The reply osdp_PDID."""
    for packet in osdp.Decoder().feed(came):
        if (packet.reply, packet.address, packet.code) == (True, address, osdp.Reply.PDID):
            try:
                said = osdp.PdId.parse(packet.data)
            except ValueError:
                continue
            version = ".".join(str(part) for part in said.firmware)
            return f"{said.vendor.hex().upper()}-{said.model}.{said.version}", version
    return None
