"""PIN entry on a simulated GemPC PinPad: what stands in the APDU, who may cancel, what is never shown."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from tegata.apdu.ports import TransmissionProtocol
from tegata.apdu.secret import Secret
from tegata.reader_bridge.frames.ccid import Error, FromReader, Request
from tegata.reader_bridge.frames.ccid_pin import PinFormat, PinModify, PinVerify
from tegata.reader_bridge.frames.t1 import Block
from tegata.reader_bridge.share.gemcore import GEMPC_PINPAD, PinCancelled, PinRequest, PinTimeout, Prompt
from tegata.simulators.card import MemoryStore, SimulatedCard
from tegata.simulators.link import SimulatedLink

from ....applets.desk import PIN, Desk, key_ring
from .conftest import Host, Plug

SELECT_PIV = bytes.fromhex("00a4040009a00000030800001000")
PADDED = PinFormat(0x82, 0x08)
TEMPLATE = bytes.fromhex("0020008008") + b"\xff" * 8
VERIFY = PinVerify(TEMPLATE, format=PADDED, least=6)
CHANGE = PinModify(bytes.fromhex("0024008010") + b"\xff" * 16, format=PADDED, least=6)


class Fingers:
    """Types one entry after another; an exception stands for a key other than a digit."""

    def __init__(self, *entries: bytes | type[Exception]) -> None:
        self.entries = list(entries)
        self.requests: list[PinRequest] = []

    def __call__(self, request: PinRequest) -> Secret:
        self.requests.append(request)
        entry = self.entries.pop(0)
        if isinstance(entry, bytes):
            return Secret(entry)
        raise entry


@pytest.fixture(scope="module")
def badge_memory(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A company card with PIV on it."""
    desk = Desk(key_ring(tmp_path_factory.mktemp("desk")))
    desk.issue_piv()
    return dict(desk.store.content)


@pytest.fixture
def link(badge_memory: dict[str, bytes]) -> SimulatedLink:
    return SimulatedLink(SimulatedCard(MemoryStore(badge_memory), contactless=False))


Pad = Callable[..., Host]


@pytest.fixture(params=[TransmissionProtocol.T0, TransmissionProtocol.T1], ids=str)
def pad(plug: Plug, request: pytest.FixtureRequest) -> Pad:
    """A PinPad with PIV selected on its card, over T=0 and T=1."""

    def make(fingers: object) -> Host:
        host = plug(GEMPC_PINPAD, pin_source=fingers, protocol=request.param)
        host.power_on()
        host.t1 = request.param is TransmissionProtocol.T1  # type: ignore[attr-defined]
        host.ns = 0  # type: ignore[attr-defined]
        exchange(host, SELECT_PIV)
        return host

    return make


def exchange(host: Host, command: bytes) -> bytes:
    if not host.t1:  # type: ignore[attr-defined]
        return bytes.fromhex(host.block(command.hex()))
    block = Block.i(next_number(host), command).encode()
    return Block.parse(bytes.fromhex(host.block(block.hex()))).inf


def next_number(host: Host) -> int:
    number: int = host.ns  # type: ignore[attr-defined]
    host.ns ^= 1  # type: ignore[attr-defined]
    return number


def secure(host: Host, entry: PinVerify | PinModify) -> FromReader:
    """Sends the structure with the block's prologue that T=1 wants."""
    data = bytearray(bytes(entry))
    if host.t1:  # type: ignore[attr-defined]
        start = len(data) - len(entry.apdu) - 3
        data[start : start + 3] = bytes((0, host.ns << 6, len(entry.apdu)))  # type: ignore[attr-defined]
    reply = host.call(Request.SECURE, bytes(data))
    if not reply.failed and host.t1:  # type: ignore[attr-defined]
        next_number(host)
        return FromReader(0x80, data=Block.parse(reply.data).inf)
    return reply


def tries_left(host: Host) -> str:
    return exchange(host, bytes.fromhex("0020008000" if not host.t1 else "00200080")).hex()  # type: ignore[attr-defined]


def test_a_pin(pad: Pad) -> None:
    fingers = Fingers(PIN)
    host = pad(fingers)
    assert secure(host, VERIFY).data == b"\x90\x00"
    request = fingers.requests[0]
    assert (request.prompt, request.least, request.most) == (Prompt.PIN, 6, 8)
    assert 29 < request.seconds <= 30
    assert tries_left(host) == "9000"


def test_a_wrong_pin_is_counted_once(pad: Pad) -> None:
    host = pad(Fingers(b"999999", PIN))
    before = tries_left(host)
    assert before.startswith("63c")
    after = f"63c{int(before[-1]) - 1}"
    assert secure(host, VERIFY).data.hex() == after
    assert tries_left(host) == after
    assert secure(host, VERIFY).data == b"\x90\x00"


@pytest.mark.parametrize(
    ("key", "error"), [(PinCancelled, Error.PIN_CANCELLED), (PinTimeout, Error.PIN_TIMEOUT)]
)
def test_nothing_reaches_the_card_when_nothing_is_typed(pad: Pad, key: type[Exception], error: int) -> None:
    host = pad(Fingers(key, PIN))
    before = tries_left(host)
    assert secure(host, VERIFY).error == error
    assert tries_left(host) == before
    assert secure(host, VERIFY).data == b"\x90\x00"


def test_the_pad_takes_what_the_structure_allows_only(pad: Pad) -> None:
    fingers = Fingers(b"12345", b"123456789", PIN, b"12345x", b"", b"123")
    host = pad(fingers)
    assert secure(host, VERIFY).data == b"\x90\x00"
    assert secure(host, VERIFY).error == Error.PIN_CANCELLED
    assert fingers.entries == []


def test_a_source_that_never_ends_does_not_hold_the_reader(pad: Pad) -> None:
    released = threading.Event()
    typed = Secret(b"1234")

    def asleep(request: PinRequest) -> Secret:
        assert released.wait(10)
        return typed

    host = pad(asleep)
    begin = time.monotonic()
    reply = secure(host, PinVerify(TEMPLATE, format=PADDED, timeout=1))
    assert reply.error == Error.PIN_TIMEOUT and 0.9 < time.monotonic() - begin < 3
    assert not host.call(Request.GET_SLOT_STATUS).failed
    released.set()
    while len(typed):  # what is typed too late is wiped
        assert time.monotonic() - begin < 5
        time.sleep(0.01)


def test_a_new_pin(pad: Pad) -> None:
    new = b"24682468"
    fingers = Fingers(PIN, new, b"24682469", new, new, PIN, new)
    host = pad(fingers)
    assert secure(host, CHANGE).data == b"\x90\x00"
    again, first = Prompt.CONFIRM, Prompt.NEW
    prompts = [request.prompt for request in fingers.requests]
    assert prompts == [Prompt.PIN, first, again, first, again]
    assert secure(host, VERIFY).data.startswith(b"\x63")
    assert secure(host, VERIFY).data == b"\x90\x00"


def test_a_new_pin_that_is_never_the_same_twice(pad: Pad) -> None:
    host = pad(Fingers(PIN, *[b"111111", b"222222"] * 3, PIN))
    assert secure(host, CHANGE).error == Error.PIN_CANCELLED
    assert secure(host, VERIFY).data == b"\x90\x00"


def test_pins_of_their_own_lengths_stand_one_after_the_other(pad: Pad) -> None:
    """Nothing on this card takes them so: the card's complaint shows that the APDU was whole."""
    rules = PinFormat(0x82, 0x00)
    host = pad(Fingers(b"1234", b"567890"))
    entry = PinModify(bytes.fromhex("00240080"), format=rules, confirm=2, old_offset=0, new_offset=0)
    assert secure(host, entry).data == exchange(host, bytes.fromhex("002400800a31323334353637383930"))


@pytest.mark.parametrize(
    ("structure", "error"),
    [
        ("", 10),
        ("05", 10),
        ("001e82", 1),
        ("001e8200000408020109040000000000200080", 15),  # least 8, most 4
        ("001e8308000804020109040000000000200080", 25),  # no such encoding
        ("001e8202000804020109040000000000200080", 25),  # a block of two bytes
    ],
)
def test_what_is_no_structure(pad: Pad, structure: str, error: int) -> None:
    host = pad(Fingers(b"1234"))
    assert host.call(Request.SECURE, bytes.fromhex(structure)).error == error


def test_a_cable_pulled_cancels_the_entry(pad: Pad) -> None:
    asked, cancelled = threading.Event(), threading.Event()

    def waiting(request: PinRequest) -> Secret:
        asked.set()
        if request.cancelled.wait(5):
            cancelled.set()
        raise PinCancelled

    host = pad(waiting)
    host.ask(Request.SECURE, bytes(VERIFY))
    assert asked.wait(5)
    host.unplug()
    assert cancelled.wait(5)
    host.plug()
    assert host.power_on()


def test_the_firmware_tells_what_the_pad_can(pad: Pad) -> None:
    host = pad(Fingers())
    features = host.call(Request.ESCAPE, b"\x6a").data
    assert len(features) == 21 and features[4] == 0x60  # VERIFY and MODIFY direct
    assert not host.call(Request.ESCAPE, b"\xb5\x00").failed
