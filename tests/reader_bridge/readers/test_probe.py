"""Timid probing: what each kind of line answers, what it is never sent, and when probing stops.

The dialogues are bytes of the facts; a device of ours has no part in them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tegata.apdu.errors import ReaderError
from tegata.apdu.ports import open_reader
from tegata.reader_bridge.frames.mcuboot import Version
from tegata.reader_bridge.readers.probe import (
    BusAddress,
    ProbeResult,
    Seen,
    list_serial_ports,
    probe_line,
)
from tegata.reader_bridge.readers.serial_port import SerialPort
from tegata.reader_bridge.share.gemcore import MODELS
from tegata.reader_bridge.share.line import PtyLine
from tegata.reader_bridge.share.wire import Unplugged, Wire
from tegata.simulators.devices.gemcore import GemCoreReader
from tegata.simulators.devices.mcuboot.demo import blank_reader, make_key, payload, public_key, sign
from tegata.simulators.devices.mcuboot.device import McubootReader
from tegata.simulators.devices.mcuboot.flash import Geometry
from tegata.simulators.devices.mcuboot.fuses import Fuses

PN532_ASK = bytes.fromhex("0000FF02FED4022A00")
PN532_SAY = bytes.fromhex("0000FF00FF00 0000FF06FAD50332010607E800")
GEMCORE_ASK = bytes.fromhex("03066B0100000000010000 0002 6C".replace(" ", ""))
SMP_ASK = b"\x06\x09ABQKAAAKAAABAKFhZGZ0ZWdhdGE8XQ==\n"
OSDP_ASK = bytes.fromhex("53050900046100C125")


def framed(body: bytes) -> bytes:
    check = 0
    for byte in body:
        check ^= byte
    return body + bytes([check])


TWIN = b"GemTwin-V2.10-GM01"
GEMCORE_SAY = framed(
    bytes.fromhex("030683") + bytes([len(TWIN), 0, 0, 0]) + bytes.fromhex("0001020000") + TWIN
)
# As the package smp writes it: header 03 (write response) and {"r": "tegata"}.
SMP_SAY = b"\x06\x09ABQLAAAKAAABAKFhcmZ0ZWdhdGFxEw==\n"


class Device:
    """Answers ``say`` to ``ask`` wherever it comes in the stream, ``talk`` before, and keeps what it got."""

    def __init__(
        self, ask: bytes = b"", say: bytes = b"", *, talk: bytes = b"", echo: bool = False, other: bytes = b""
    ) -> None:
        self.ask, self.say, self.talk, self.echo, self.other = ask, say, talk, echo, other
        self.got = b""

    def run(self, wire: Wire) -> None:
        answered = 0
        while True:
            piece = wire.read(0.02)
            if self.talk:
                wire.write(self.talk)
            self.got += piece
            if piece and self.echo:
                wire.write(piece)
            if self.ask and self.got.count(self.ask) > answered:
                answered += 1
                wire.write(self.say)
            elif piece and self.other:
                wire.write(self.other)


def probe(device: Device, folder: Path, **options: object) -> ProbeResult:
    with PtyLine(device, folder / "tty") as line:
        return probe_line(str(line.path), listen=0.1, wait=0.1, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("device", "protocol", "model", "version", "asked"),
    [
        (Device(PN532_ASK, PN532_SAY), "pn532", "pn532", "1.6", 1),
        (Device(GEMCORE_ASK, GEMCORE_SAY), "gemcore", "gempc-twin", TWIN.decode(), 2),
        (Device(GEMCORE_ASK, GEMCORE_ASK + GEMCORE_SAY), "gemcore", "gempc-twin", TWIN.decode(), 2),
        (
            Device(GEMCORE_ASK, GEMCORE_SAY, other=bytes.fromhex("031516")),
            "gemcore",
            "gempc-twin",
            TWIN.decode(),
            2,
        ),
        (Device(SMP_ASK, SMP_SAY), "smp", "smp", "", 3),
    ],
    ids=["pn532", "gemcore", "gemcore that echoes", "gemcore that refuses the other's frame", "smp"],
)
def test_each_device_is_found_by_its_own_answer(
    device: Device, protocol: str, model: str, version: str, asked: int, tmp_path: Path
) -> None:
    found = probe(device, tmp_path)
    assert (found.seen, found.protocol, found.model, found.version) == (
        Seen.ANSWER,
        protocol,
        model,
        version,
    )
    assert found.asked == ("pn532", "gemcore", "smp")[:asked]
    assert found.url == f"{protocol}:{tmp_path / 'tty'}"


def test_a_line_that_talks_by_itself_is_sent_nothing(tmp_path: Path) -> None:
    device = Device(talk=b"$GPGGA,092750.000,5321.6802,N,00630.3372,W\r\n")
    found = probe(device, tmp_path)
    assert found.seen is Seen.TALK
    assert found.asked == ()
    assert found.wire.startswith(b"$GPGGA")
    assert device.got == b""


def test_who_insists_may_ask_a_line_that_talks(tmp_path: Path) -> None:
    device = Device(SMP_ASK, b"\n" + SMP_SAY, talk=b"*** a log line\n")
    found = probe(device, tmp_path, protocols=("smp",), insist=True)
    assert (found.seen, found.protocol) == (Seen.ANSWER, "smp")


def test_a_console_that_echoes_gets_no_control_character_and_no_end_of_line(tmp_path: Path) -> None:
    device = Device(echo=True)
    found = probe(device, tmp_path)
    assert (found.seen, found.asked) == (Seen.ECHO, ("pn532",))
    assert not set(device.got) & {0x03, 0x0A, 0x0D}


def test_an_answer_of_another_kind_ends_the_questions(tmp_path: Path) -> None:
    device = Device(other=b"ERROR\r\n")
    found = probe(device, tmp_path)
    assert (found.seen, found.asked, found.url) == (Seen.NOISE, ("pn532",), "")
    assert found.wire == b"ERROR\r\n"


def test_silence_is_said_as_such_after_every_question(tmp_path: Path) -> None:
    device = Device()
    found = probe(device, tmp_path)
    assert (found.seen, found.asked, found.wire) == (Seen.SILENCE, ("pn532", "gemcore", "smp"), b"")
    for ask in (PN532_ASK, GEMCORE_ASK, SMP_ASK):
        assert device.got.count(ask) == 1


def test_a_card_that_moves_while_a_gemcore_reader_is_listened_to_is_no_talk(tmp_path: Path) -> None:
    class Moved(Device):
        def run(self, wire: Wire) -> None:
            wire.write(bytes.fromhex("5003"))
            super().run(wire)

    # The bytes are written when the line is made: a client that flushes on opening may not see them.
    found = probe(Moved(GEMCORE_ASK, GEMCORE_SAY), tmp_path)
    assert found.protocol == "gemcore"


def test_osdp_is_asked_on_request_alone_and_alone(tmp_path: Path) -> None:
    # osdp_PDID at address 5: vendor 1A2B3C, model 1, version 1, serial number, firmware 1.2.3.
    said = bytes.fromhex("53851400044 51A2B3C01 01 78563412 010203".replace(" ", ""))
    device = Device(OSDP_ASK, said + CRC(said))
    found = probe(device, tmp_path, bus=BusAddress(5))
    assert (found.protocol, found.model, found.version) == ("osdp", "1A2B3C-1.1", "1.2.3")
    assert found.url == f"osdp:{tmp_path / 'tty'}?address=5&baud=9600"
    assert device.got == b"\xff" + OSDP_ASK


def CRC(data: bytes) -> bytes:  # noqa: N802 - the specification's own name
    """CRC-16 of OSDP, bit by bit: polynomial 1021, initial value 1D0F."""
    value = 0x1D0F
    for byte in data:
        value ^= byte << 8
        for _ in range(8):
            value = (value << 1 ^ (0x1021 if value & 0x8000 else 0)) & 0xFFFF
    return value.to_bytes(2, "little")


@pytest.mark.parametrize(
    "flood", [bytes(range(256)) * 64, b"\x03\x06\x83\xff\xff\xff\xff" * 900, b"\x00\x00\xff" * 3000]
)
def test_a_flood_is_cut_off(flood: bytes, tmp_path: Path) -> None:
    found = probe(Device(other=flood), tmp_path)
    assert found.seen is Seen.NOISE
    assert len(found.wire) <= 64


def test_a_line_that_another_has_or_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with PtyLine(Device(), tmp_path / "tty") as line, SerialPort(str(line.path)):
        with pytest.raises(ReaderError) as caught:
            probe_line(str(line.path))
        assert caught.value.code == "line.busy"
    with pytest.raises(ReaderError) as caught:
        probe_line(str(tmp_path / "none"))
    assert caught.value.code == "line.open"


def test_a_cable_pulled_in_the_middle_is_one_sentence(tmp_path: Path) -> None:
    class Pulled(Device):
        def run(self, wire: Wire) -> None:
            while not wire.read(1.0):
                continue
            stop()
            raise Unplugged

    stop: Callable[[], None]
    with PtyLine(Pulled(), tmp_path / "tty") as line:
        stop = line.unplug
        with pytest.raises(ReaderError) as caught:
            probe_line(str(line.path), listen=0.05, wait=1.0)
    assert caught.value.code == "line.lost"


def test_no_probe_for_what_is_not_known() -> None:
    with pytest.raises(ValueError, match="osdp"):
        probe_line("/dev/null", ("osdp",))


def test_the_system_is_asked_for_its_ports() -> None:
    ports = list_serial_ports()
    assert [port.name for port in ports] == sorted(port.name for port in ports)


@pytest.mark.parametrize("model", list(MODELS))
def test_simulated_gemcore_readers_are_found_and_work_afterwards(model: str, tmp_path: Path) -> None:
    device = GemCoreReader(MODELS[model], [])
    with PtyLine(device, tmp_path / "tty") as line:
        found = probe_line(str(line.path), listen=0.05, wait=0.2)
        assert (found.seen, found.protocol, found.model) == (Seen.ANSWER, "gemcore", model)
        reader = open_reader(found.url)
        with pytest.raises(ReaderError) as caught:
            reader.wait_for_card(0)
        assert caught.value.code == "reader.no_card"
        reader.close()
    device.close()


def test_a_simulated_mcuboot_reader_is_found(tmp_path: Path) -> None:
    key, number = tmp_path / "key.pem", Version.parse("1.0.0")
    small = Geometry(sector_size=256, slot_sectors=6, max_sectors=6)
    make_key(key)
    fuses = Fuses("gate", (public_key(key),))
    image = sign(payload(number, 450), key, number, hardware_id="gate", counter=1, geometry=small)
    device = McubootReader(blank_reader(fuses, image, small), fuses)
    with PtyLine(device, tmp_path / "tty") as line:
        found = probe_line(str(line.path), listen=0.05, wait=0.3)
    assert (found.seen, found.protocol, found.asked) == (Seen.ANSWER, "smp", ("pn532", "gemcore", "smp"))
