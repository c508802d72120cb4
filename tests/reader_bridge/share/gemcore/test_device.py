"""A GemCore reader's own behaviour: power, errors, patience, noise, cables pulled."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tegata.apdu.ports import LinkInfo, TransmissionProtocol
from tegata.reader_bridge.frames import gemcore
from tegata.reader_bridge.frames.ccid import Error, FromReader, IccStatus, Request, ToReader
from tegata.reader_bridge.frames.t1 import Block
from tegata.reader_bridge.share.gemcore import (
    GEMCORE_POS_PRO,
    GEMPC_PINPAD,
    GEMPC_TWIN,
    MODELS,
    GemCoreDevice,
    Model,
)
from tegata.simulators.link import SimulatedLink

from .conftest import Host, Plug

SELECT = Block.i(0, bytes.fromhex("00a40400")).encode().hex()
PIN_QUERY = bytes.fromhex("00200080")


class SlowLink:
    """A card that answers when it is let."""

    def __init__(self, link: SimulatedLink) -> None:
        self._link = link
        self.asked = threading.Event()
        self.may_answer = threading.Event()

    @property
    def atr(self) -> bytes:
        return self._link.atr

    @property
    def info(self) -> LinkInfo:
        return self._link.info

    def transmit(self, command: bytes) -> bytes:
        self.asked.set()
        assert self.may_answer.wait(10)
        return self._link.transmit(command)

    def reset(self) -> None:
        self._link.reset()

    def close(self, reset: bool = True) -> None:
        self._link.close(reset)

    def exclusive(self) -> AbstractContextManager[None]:
        return self._link.exclusive()


@pytest.fixture
def slow(plug: Plug, link: SimulatedLink) -> SlowLink:
    return SlowLink(link)


@pytest.mark.parametrize("model", MODELS.values(), ids=str)
def test_a_command_comes_back_first_from_readers_that_echo(plug: Plug, model: Model) -> None:
    host = plug(model)
    host.ask(Request.ESCAPE, b"\x02")
    said = [host.event() for _ in range(3 if model.echoes else 2)]
    first = said[0]
    if model.echoes:
        assert isinstance(first, gemcore.Message) and len(first.data) == 10
        assert ToReader.parse(first.data).kind == Request.ESCAPE
    assert said[-2] == gemcore.CardMoved(True)
    last = said[-1]
    assert isinstance(last, gemcore.Message) and FromReader.parse(last.data).data == model.firmware


def test_power(plug: Plug) -> None:
    host = plug(GEMPC_TWIN)
    assert host.call(Request.GET_SLOT_STATUS).icc is IccStatus.INACTIVE
    assert host.call(Request.XFR_BLOCK, b"\0\0\0\0").error == Error.ICC_MUTE
    assert host.power_on().hex() == "3b95188131fe458073c821d34f"
    assert host.call(Request.GET_SLOT_STATUS).icc is IccStatus.ACTIVE
    assert host.block("00c101fe3e") == "00e101fe1e"
    assert host.block(SELECT).endswith("900022")
    assert host.call(Request.ICC_POWER_OFF).icc is IccStatus.INACTIVE
    assert host.call(Request.XFR_BLOCK, b"\0\0\0\0").error == Error.ICC_MUTE


@pytest.mark.parametrize("kind", [Request.ICC_POWER_ON, Request.ICC_POWER_OFF])
def test_power_really_resets_the_card(plug: Plug, link: SimulatedLink, kind: Request) -> None:
    host = plug(GEMPC_TWIN)
    host.power_on()
    link.transmit(bytes.fromhex("0070000001"))  # opens logical channel 1
    host.block(Block.i(0, bytes.fromhex("0070000001")).encode().hex())
    assert link.transmit(bytes.fromhex("0070000001"))[0] == 3
    host.call(kind)
    assert link.transmit(bytes.fromhex("0070000001"))[:1] == b"\x01"


def test_a_cable_pulled_resets_the_card(plug: Plug, link: SimulatedLink) -> None:
    host = plug(GEMPC_TWIN)
    host.power_on()
    host.block(Block.i(0, bytes.fromhex("0070000001")).encode().hex())
    host.unplug()
    host.plug()
    assert host.call(Request.GET_SLOT_STATUS).icc is IccStatus.INACTIVE
    assert host.power_on()
    assert link.transmit(bytes.fromhex("0070000001"))[:1] == b"\x01"


@pytest.mark.parametrize(
    ("kind", "data", "specific", "slot", "error"),
    [
        (Request.GET_SLOT_STATUS, "", "000000", 5, 5),
        (Request.ICC_POWER_ON, "", "010000", 1, Error.ICC_MUTE),
        (Request.XFR_BLOCK, "00c101fe3e", "000100", 0, 8),
        (Request.XFR_BLOCK, "", "000000", 0, 1),
        (Request.ESCAPE, "", "000000", 0, 1),
        (Request.ESCAPE, "77", "000000", 0, Error.COMMAND_UNSUPPORTED),
        (Request.ESCAPE, "1f07", "000000", 0, 10),
        (Request.SECURE, "00", "000000", 0, Error.COMMAND_UNSUPPORTED),
        (Request.MECHANICAL, "", "010000", 0, Error.COMMAND_UNSUPPORTED),
        (0x99, "", "000000", 0, Error.COMMAND_UNSUPPORTED),
        (Request.SET_PARAMETERS, "1100000a00", "000000", 0, 7),  # the card has T=1 only
        (Request.SET_PARAMETERS, "1100000a", "000000", 0, 1),
        (Request.SET_PARAMETERS, "1100000a00", "020000", 0, 7),
    ],
)
def test_errors(plug: Plug, kind: int, data: str, specific: str, slot: int, error: int) -> None:
    host = plug(GEMCORE_POS_PRO)
    host.power_on()
    reply = host.call(kind, bytes.fromhex(data), bytes.fromhex(specific), slot)
    assert reply.failed and reply.error == error


def test_parameters(plug: Plug) -> None:
    host = plug(GEMPC_TWIN)
    host.power_on()
    given = host.call(Request.GET_PARAMETERS)
    assert (given.extra, given.data.hex()) == (1, "1810004500fe00")
    assert host.call(Request.SET_PARAMETERS, bytes.fromhex("11100045002000"), b"\1\0\0").data[5] == 0x20
    assert host.call(Request.RESET_PARAMETERS).data == given.data


def test_pps_that_the_card_does_not_agree_to_is_not_answered(plug: Plug) -> None:
    host = plug(GEMPC_TWIN)
    host.power_on()
    assert host.call(Request.XFR_BLOCK, bytes.fromhex("ff00ff")).error == Error.ICC_MUTE
    host.power_on()
    assert host.block("ff1118f6") == "ff1118f6"


def test_whole_apdus_when_the_host_asks_for_that_mode(plug: Plug) -> None:
    host = plug(GEMPC_TWIN)
    host.power_on()
    assert not host.call(Request.ESCAPE, b"\x1f\x02").failed
    assert host.block("ff01fe") == "ff01fe"
    assert host.block("00a40400").startswith("6f10")
    host.call(Request.ESCAPE, b"\x1f\x01")
    host.power_on()
    assert host.block(SELECT).startswith("0000146f10")


@pytest.mark.parametrize("model", [GEMPC_TWIN, GEMCORE_POS_PRO], ids=str)
def test_a_slow_card(plug: Plug, slow: SlowLink, model: Model) -> None:
    host = plug(model)
    host.device.remove()
    host.device.insert(slow)
    host.power_on()
    seq = host.ask(Request.XFR_BLOCK, bytes.fromhex(SELECT))
    said = host.event()
    if model.echoes:
        assert isinstance(said, gemcore.Message) and said.data[0] == Request.XFR_BLOCK
        assert host.event() == gemcore.TimeRequest(0x80)
    else:
        assert isinstance(said, gemcore.Message)
        assert FromReader.parse(said.data).time_extension == 1
    # Meanwhile the status is told, and nothing else is done.
    assert host.call(Request.GET_SLOT_STATUS).icc is IccStatus.ACTIVE
    assert host.call(Request.ICC_POWER_OFF).error == Error.SLOT_BUSY
    slow.may_answer.set()
    reply = host.reply()
    assert reply.seq == seq and reply.data.endswith(b"\x90\x00\x22")


def test_a_card_taken_out_while_it_works(plug: Plug, slow: SlowLink) -> None:
    host = plug(GEMPC_TWIN)
    host.device.remove()
    host.device.insert(slow)
    host.power_on()
    host.ask(Request.XFR_BLOCK, bytes.fromhex(SELECT))
    assert slow.asked.wait(5)
    host.device.remove()
    assert host.call(Request.GET_SLOT_STATUS).icc is IccStatus.ABSENT
    slow.may_answer.set()
    reply = host.reply()
    assert (reply.error, reply.icc) == (Error.ICC_MUTE, IccStatus.ABSENT)


def test_a_card_without_power(plug: Plug, link: SimulatedLink) -> None:
    host = plug(GEMPC_TWIN)
    host.power_on()
    link.card.tear()
    reply = host.call(Request.XFR_BLOCK, bytes.fromhex(SELECT))
    assert (reply.error, reply.icc) == (Error.ICC_MUTE, IccStatus.ABSENT)


def test_movements_are_told_before_the_next_answer(plug: Plug, link: SimulatedLink) -> None:
    host = plug(GEMCORE_POS_PRO)
    host.call(Request.GET_SLOT_STATUS)
    for _ in range(5):
        host.device.remove()
        host.device.insert(link)
    host.ask(Request.GET_SLOT_STATUS)
    assert [host.event(), host.event()] == [gemcore.CardMoved(False), gemcore.CardMoved(True)]
    assert isinstance(host.event(), gemcore.Message)


def test_damaged_frames(plug: Plug) -> None:
    host = plug(GEMPC_TWIN)
    frame = gemcore.encode(bytes(ToReader(Request.ESCAPE, 0, 1, b"\x02")))
    host.send(frame[:-1] + bytes([frame[-1] ^ 1]))
    assert host.event() == gemcore.Nak()
    host.send(frame[:7])  # and then silence
    assert host.event() == gemcore.Nak()
    first = host.call(Request.ESCAPE, b"\x02")
    host.send(gemcore.NAK)
    assert host.reply() == first


def test_t0_data_waits_for_get_response(plug: Plug) -> None:
    host = plug(GEMPC_TWIN, protocol=TransmissionProtocol.T0)
    assert host.power_on().hex() == "3b058073c821d3"
    select = "00a4040008a000000151000000"
    assert host.block(select) == "6112"
    assert host.block("00c0000013") == "6c12"
    assert host.block("00c0000004") == "6f108408610e"
    assert host.block("00c000000e").endswith("9000")
    assert host.block("00c0000001")[:2] != "61"
    assert host.block("80ca9f7f00") == "6c2d"
    assert host.block("80ca9f7f2d").startswith("9f7f2a")
    assert host.block("80ca9f7f00") == "6c2d"
    assert host.block("00200000") != ""
    assert host.call(Request.XFR_BLOCK, bytes.fromhex("00a4040008a0")).error == 1


def test_a_frame_that_the_line_doubled_is_executed_once(plug: Plug) -> None:
    """Over T=0 nothing else would tell: the card would give the next part of its answer as well."""
    host = plug(GEMCORE_POS_PRO, protocol=TransmissionProtocol.T0)
    host.power_on()
    assert host.block("00a4040008a000000151000000") == "6112"
    frame = gemcore.encode(bytes(ToReader(Request.XFR_BLOCK, 0, 77, bytes.fromhex("00c0000004"))))
    host.send(frame + frame)
    first, second = host.reply(), host.reply()
    assert first == second
    assert first.data.hex() == "6f108408610e"
    assert host.block("00c0000004").endswith("610a")


def test_more_cards_than_slots(link: SimulatedLink) -> None:
    device = GemCoreDevice(GEMPC_TWIN)
    device.insert(link)
    with pytest.raises(ValueError, match="there is a card"):
        device.insert(link)
    device.close()


frames = st.builds(
    lambda kind, slot, data, specific: gemcore.encode(bytes(ToReader(kind, slot, 0, data, specific))),
    st.sampled_from([*Request, 0, 0xFF]),
    st.integers(0, 2),
    st.binary(max_size=40),
    st.sampled_from([b"\0\0\0", b"\1\0\0"]),
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(frames | st.binary(max_size=30), max_size=12), st.sampled_from(list(MODELS.values())))
def test_any_bytes_leave_the_reader_alive(link: SimulatedLink, pieces: list[bytes], model: Model) -> None:
    device = GemCoreDevice(model)
    device.insert(link)
    host = Host(device)
    try:
        host.send(b"".join(pieces) + bytes(300))
        # Whatever was begun is over after a silence; then the reader answers as ever.
        for _ in range(100):
            host.ask(Request.ESCAPE, b"\x02")
            reply = host.reply()
            while (reply.kind, reply.seq) != (0x83, host._seq):
                reply = host.reply()
            if reply.data == model.firmware:
                break
        assert reply.data == model.firmware
    finally:
        host.unplug()
        device.close()


def test_a_pin_pad_without_anybody(plug: Plug) -> None:
    host = plug(GEMPC_PINPAD)
    host.power_on()
    secure = bytes.fromhex("001e8204000804020109040000000d0020008008ffffffffffffffff")
    assert host.call(Request.SECURE, secure).error == Error.PIN_CANCELLED


class OfManyProtocols(SlowLink):
    """A card that offers T=1 and T=14."""

    atr = bytes.fromhex("3B80810E0F")


def test_a_protocol_that_nobody_here_speaks_cannot_be_chosen(plug: Plug, link: SimulatedLink) -> None:
    host = plug(GEMPC_TWIN)
    host.device.remove()
    host.device.insert(OfManyProtocols(link))
    assert host.power_on() == OfManyProtocols.atr
    assert host.call(Request.XFR_BLOCK, bytes.fromhex("FF0EF1")).error == Error.ICC_MUTE
    assert host.call(Request.GET_SLOT_STATUS).icc is IccStatus.ACTIVE
