"""The first words to a peripheral: answers that libosdp gave, and devices that mean no good."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tegata.apdu import Secret
from tegata.apdu.errors import ReaderError
from tegata.reader_bridge.frames.osdp import (
    BROADCAST,
    ClientCryptogram,
    Code,
    Decoder,
    Packet,
    Reply,
    encode,
)
from tegata.reader_bridge.readers.osdp.address import OsdpAddress
from tegata.reader_bridge.readers.osdp.contact import first_contact
from tegata.reader_bridge.readers.osdp.greeting import Challenge, Greeter, Refused
from tegata.reader_bridge.readers.osdp.keys import answers_with
from tegata.reader_bridge.readers.serial_port import SerialPort
from tegata.reader_bridge.share.line import PtyLine
from tegata.reader_bridge.share.wire import Wire

PDID = bytes.fromhex("332211020104030201010203")
PDCAP = bytes.fromhex("040101090101")
Answer = Callable[[Packet], bytes]


class Scripted:
    """A device that answers each command packet with what a function says."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.heard: list[Packet] = []

    def run(self, wire: Wire) -> None:
        decoder = Decoder()
        while True:
            for packet in decoder.feed(wire.read()):
                self.heard.append(packet)
                wire.write(self._answer(packet))


def reply(to: Packet, code: int, data: bytes = b"", **others: object) -> bytes:
    return encode(Packet(5, code, data, to.sequence, reply=True, **others))[1:]  # type: ignore[arg-type]


def friendly(packet: Packet) -> bytes:
    answers = {Code.ID: (Reply.PDID, PDID), Code.CAP: (Reply.PDCAP, PDCAP)}
    return reply(packet, *answers[Code(packet.code)])


def greeted(tmp_path: Path, answer: Answer, number: int = 5) -> tuple[Greeter, Scripted, PtyLine, SerialPort]:
    device = Scripted(answer)
    line = PtyLine(device, tmp_path / "line")
    port = SerialPort(str(tmp_path / "line"))
    return Greeter(port, number), device, line, port


@pytest.mark.parametrize("number", [5, BROADCAST])
def test_a_peripheral_is_asked_who_it_is(tmp_path: Path, number: int) -> None:
    greeter, device, line, port = greeted(tmp_path, friendly, number)
    with line, port:
        found = greeter.greet()
    assert found.identity.serial == 0x01020304
    assert found.secure
    assert [(packet.sequence, packet.code) for packet in device.heard] == [(0, Code.ID), (1, Code.CAP)]


def test_noise_an_echo_and_a_busy_device_are_waited_out(tmp_path: Path) -> None:
    busy = iter([True, True])

    def answer(packet: Packet) -> bytes:
        if next(busy, False):
            return encode(Packet(5, Reply.BUSY, sequence=0, reply=True))
        return b"\x53\x53\x00" + encode(packet) + b"\xff\x00" + friendly(packet)

    greeter, _, line, port = greeted(tmp_path, answer)
    with line, port:
        assert greeter.greet().identity.model == 2


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (lambda _: b"", "line.silent"),
        (lambda _: b"\x53" * 100, "line.silent"),
        (lambda packet: reply(packet, Reply.PDID, PDID)[:-1], "line.silent"),
        (lambda packet: reply(packet, Reply.PDID, PDID[:-1]), "osdp.answer"),
        (lambda packet: reply(packet, Reply.ACK), "osdp.answer"),
        (lambda packet: encode(Packet(6, Reply.PDID, PDID, 0, reply=True)), "line.silent"),
        (lambda packet: reply(packet, Reply.BUSY), "osdp.answer"),
        (lambda packet: reply(packet, Reply.NAK, b"\x06"), "osdp.answer"),
        (lambda packet: friendly(packet) if packet.code == Code.ID else reply(packet, Reply.PDCAP, PDID[:11]),
         "osdp.answer"),
    ],
)  # fmt: skip
def test_whatever_it_answers_ends_in_a_sentence(tmp_path: Path, answer: Answer, code: str) -> None:
    with PtyLine(Scripted(answer), tmp_path / "line"), pytest.raises(ReaderError) as caught:
        first_contact(OsdpAddress(str(tmp_path / "line"), 5, baud=115200))
    assert caught.value.code == code


def test_a_refusal_says_why(tmp_path: Path) -> None:
    greeter, _, line, port = greeted(tmp_path, lambda packet: reply(packet, Reply.NAK, b"\x05"))
    with line, port, pytest.raises(Refused) as caught:
        greeter.challenge()
    assert caught.value.reason == 5


@pytest.mark.parametrize(
    ("key", "right"),
    [("101112131415161718191a1b1c1d1e1f", True), ("101112131415161718191a1b1c1d1e1e", False)],
)
def test_whose_key_it_has_shows_in_its_answer(key: str, right: bool) -> None:
    """A challenge by libosdp 3.2.9 and the answer of its peripheral, whose key was 10 … 1F."""
    wire = bytes.fromhex(
        "53852b000f0312017633220200040302019c4ba3867ef94ac58ee7c51e2f80bc1f42b00e75d74b949a993b"
    )
    (packet,) = Decoder().feed(wire)
    challenge = Challenge(bytes.fromhex("2866211bff3783d6"), ClientCryptogram.parse(packet))
    with Secret(bytes.fromhex(key)) as secret:
        assert answers_with(secret, challenge) is right
