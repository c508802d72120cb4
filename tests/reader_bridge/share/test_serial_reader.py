"""Shared readers on a GemCore line, asked by literal frames as pcscd's serial driver sends them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NoReturn

import pytest

from tegata.apdu.errors import CardRemoved, MalformedResponse
from tegata.reader_bridge.readers.serial_port import SerialPort
from tegata.reader_bridge.share.gemcore import GEMCORE_POS_PRO
from tegata.reader_bridge.share.line import PtyLine, TcpLine
from tegata.reader_bridge.share.serial_reader import SharedSerialReader

from .conftest import TinyCard, TinyReader

POWER_ON, POWER_OFF, STATUS = 0x62, 0x63, 0x65
ACTIVE, INACTIVE, ABSENT = 0, 1, 2


class Host:
    """Sends a CCID message in GemCore's frame (03 06 … LRC) and takes the answer's."""

    def __init__(self, port: SerialPort) -> None:
        self._port = port
        self._seq = 0

    def ask(self, kind: int, slot: int, data: bytes = b"") -> bytes:
        """The answering CCID message, with its header of 10 bytes."""
        self._seq = (self._seq + 1) % 256
        body = bytes([kind, *len(data).to_bytes(4, "little"), slot, self._seq, 0, 0, 0]) + data
        frame = b"\x03\x06" + body
        self._port.write(frame + bytes([xor(frame)]))
        answer = b""
        until = time.monotonic() + 5
        while time.monotonic() < until:
            answer += self._port.read(0.2)
            answer = without_movements(answer)
            if len(answer) >= 13 and len(answer) == 13 + int.from_bytes(answer[3:7], "little"):
                assert answer[:2] == b"\x03\x06"
                assert xor(answer) == 0
                assert answer[8] == self._seq
                return answer[2:-1]
        pytest.fail(f"no answer, but {answer.hex(' ')}")

    def status(self, slot: int) -> int:
        return self.ask(STATUS, slot)[7] & 3


def without_movements(raw: bytes) -> bytes:
    """Without the two raw bytes that tell of cards between frames."""
    while raw[:2] in (b"\x50\x03", b"\x50\x02"):
        raw = raw[2:]
    return raw


def xor(raw: bytes) -> int:
    total = 0
    for byte in raw:
        total ^= byte
    return total


@pytest.fixture
def readers() -> list[TinyReader]:
    return [TinyReader(), TinyReader()]


@pytest.fixture
def shared(readers: list[TinyReader]) -> Iterator[SharedSerialReader]:
    with closing(SharedSerialReader(GEMCORE_POS_PRO, readers)) as made:
        yield made


@pytest.fixture
def host(shared: SharedSerialReader, tmp_path: Path) -> Iterator[Host]:
    with PtyLine(shared, tmp_path / "tty") as line, SerialPort(str(line.path)) as port:
        yield Host(port)


def test_each_reader_is_a_slot(host: Host, eventually: Callable[[Callable[[], bool]], None]) -> None:
    eventually(lambda: [host.status(slot) for slot in range(3)] == [INACTIVE, INACTIVE, ABSENT])
    assert host.ask(POWER_ON, 0)[0] == 0x80
    assert host.status(0) == ACTIVE
    assert host.status(1) == INACTIVE


def test_off_really_resets_and_one_thread_touches_a_card(
    host: Host, readers: list[TinyReader], eventually: Callable[[Callable[[], bool]], None]
) -> None:
    eventually(lambda: host.status(0) == INACTIVE)
    host.ask(POWER_ON, 0)
    host.ask(0x6F, 0, bytes.fromhex("00000400200080a4"))  # a T=1 block with an APDU of four bytes
    before = readers[0].card.resets
    host.ask(POWER_OFF, 0)
    assert readers[0].card.resets == before + 1
    assert len(readers[0].card.threads) == 1


def test_a_card_that_goes_empties_its_slot_for_a_second(
    host: Host, readers: list[TinyReader], eventually: Callable[[Callable[[], bool]], None]
) -> None:
    eventually(lambda: host.status(1) == INACTIVE)
    readers[1].card.gone = True
    eventually(lambda: host.status(1) == ABSENT)
    gone = time.monotonic()
    readers[1].card.gone = False
    eventually(lambda: host.status(1) == INACTIVE)
    assert time.monotonic() - gone > 0.9
    assert host.status(0) == INACTIVE


def test_taken_out_and_put_back_by_hand(
    host: Host, shared: SharedSerialReader, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    eventually(lambda: host.status(0) == INACTIVE)
    shared.take_out()
    eventually(lambda: host.status(0) == ABSENT)
    shared.put_back()
    eventually(lambda: host.status(0) == INACTIVE)


def test_what_ends_a_reader_ends_the_sharing() -> None:
    class Broken(TinyReader):
        def wait_for_card(self, timeout: float | None = None) -> NoReturn:
            raise ZeroDivisionError

    with closing(SharedSerialReader(GEMCORE_POS_PRO, [Broken()])) as shared, pytest.raises(ZeroDivisionError):
        shared.wait(5)


def test_more_readers_than_slots() -> None:
    with pytest.raises(ValueError, match="5 slots"):
        SharedSerialReader(GEMCORE_POS_PRO, [TinyReader()] * 6)


def test_a_client_that_goes_leaves_nothing_verified(
    readers: list[TinyReader], shared: SharedSerialReader, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    card = readers[0].card
    with TcpLine(shared) as line:
        with SerialPort(line.url) as port:
            host = Host(port)
            eventually(lambda: host.status(0) == INACTIVE)
            host.ask(POWER_ON, 0)
            host.ask(0x6F, 0, bytes.fromhex("000009002000800431323334A9"))
            assert card.commands[-1] == bytes.fromhex("002000800431323334")
            before = card.resets
        eventually(lambda: card.resets == before + 1)


class Odd(TinyReader):
    """On it lie first a card that lies about itself, then one that leaves at once, then a good one."""

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0

    def wait_for_card(self, timeout: float | None = None) -> TinyCard:
        self.looks += 1
        if self.looks == 1:
            raise MalformedResponse("a TL of 0", "ISO 14443")
        return Leaving() if self.looks == 2 else super().wait_for_card(timeout)


class Leaving(TinyCard):
    """A card that is gone when it shall be held."""

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        raise CardRemoved(what="an APDU")
        yield


def test_a_card_that_cannot_be_shown_does_not_end_the_sharing(
    tmp_path: Path, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    with (
        closing(SharedSerialReader(GEMCORE_POS_PRO, [Odd()])) as shared,
        PtyLine(shared, tmp_path / "tty") as line,
        SerialPort(str(line.path)) as port,
    ):
        eventually(lambda: Host(port).status(0) == INACTIVE)
        assert not shared.wait(0)
