"""Our GemCore driver against the simulated readers: protocols, slots, PIN pad, cards that come and go."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tegata.apdu.card import Card
from tegata.apdu.command import Command
from tegata.apdu.errors import CardError, CardRemoved, InputError, ReaderError
from tegata.apdu.ports import Link, PinPad, Presence, Reader, TransmissionProtocol
from tegata.apdu.secret import Secret
from tegata.reader_bridge.readers.gemcore.device import GemCoreDevice
from tegata.reader_bridge.readers.gemcore.reader import open_reader, parse_url
from tegata.reader_bridge.share.gemcore import PinCancelled, PinRequest, PinSource, PinTimeout
from tegata.reader_bridge.share.wire import Direction
from tegata.simulators.devices.faults import FaultKind, Faults

from .rig import (
    ASK_TRIES,
    AUTH_KEY,
    AUTH_PIN,
    CERTIFICATE,
    GOOD,
    JPKI,
    PAD_TEMPLATE,
    QUICK,
    RIGHT,
    SIGN,
    T0,
    T1,
    rig,
)


def unlocked(link: Link) -> bool:
    """Whether the card signs, which it does after the PIN alone."""
    link.transmit(AUTH_KEY)
    answer = link.transmit(SIGN)
    link.transmit(AUTH_PIN)
    return answer[-2:] == GOOD


def at_the_pin(link: Link) -> Link:
    """The authentication PIN of the JPKI application is the current file."""
    card = Card(link)
    card.select(JPKI)
    card.expect(Command.parse(AUTH_PIN))
    return link


@pytest.mark.parametrize("protocol", [T0, T1])
def test_nothing_stays_verified_when_a_card_is_let_go(
    protocol: TransmissionProtocol, tmp_path: Path, my_number_memory: dict[str, bytes]
) -> None:
    with rig(tmp_path, [my_number_memory], protocol=protocol) as it:
        reader = it.reader()
        for let_go in (lambda link: link.reset(), lambda link: link.close()):
            link = at_the_pin(reader.wait_for_card(1))
            assert link.transmit(RIGHT) == GOOD
            assert unlocked(link)
            let_go(link)
            link = at_the_pin(reader.wait_for_card(1))
            assert not unlocked(link)
        assert link.transmit(RIGHT) == GOOD
        reader.close()  # with an open link
        reader = it.reader()
        assert not unlocked(at_the_pin(reader.wait_for_card(1)))
        reader.close()


@pytest.mark.parametrize("protocol", [T0, T1])
@pytest.mark.parametrize("model", ["gempc-twin", "gempc-pinpad", "gemcore-pos-pro"])
def test_a_certificate_is_read_whole(
    model: str, protocol: TransmissionProtocol, tmp_path: Path, my_number_memory: dict[str, bytes]
) -> None:
    with rig(tmp_path, [my_number_memory], model, protocol) as it:
        reader = it.reader()
        assert isinstance(reader, Reader)
        link = reader.wait_for_card(1)
        assert isinstance(link, Link)
        assert isinstance(link, Presence)
        assert link.info.protocol is protocol
        card = Card(link)
        card.select(JPKI)
        card.expect(Command.parse(CERTIFICATE))
        head = card.expect(Command(0, 0xB0, 0, 0, le=4)).data
        length = 4 + int.from_bytes(head[2:], "big")
        whole = b"".join(
            card.expect(Command(0, 0xB0, at >> 8, at & 0xFF, le=min(256, length - at))).data
            for at in range(0, length, 256)
        )
        assert whole[:2] == b"\x30\x82"
        assert len(whole) == length
        reader.close()


def test_an_extended_apdu_goes_over_t1_and_not_over_t0(
    tmp_path: Path, my_number_memory: dict[str, bytes]
) -> None:
    command = Command(0, 0xB0, 0, 0, le=1500, extended=True)
    with rig(tmp_path, [my_number_memory]) as it:
        link = it.reader().wait_for_card(1)
        card = Card(link)
        card.select(JPKI)
        card.expect(Command.parse(CERTIFICATE))
        answer = link.transmit(bytes(command))
        assert len(answer) > 1000
        long = Command(0, 0x2A, 0x80, 0x86, bytes(range(256)) * 8, le=256, extended=True)
        link.transmit(bytes(long))
        assert it.cards[0] is not None
        assert it.cards[0].reached[-1] == bytes(long)
        link.close()
    (tmp_path / "t0").mkdir()
    with rig(tmp_path / "t0", [my_number_memory], protocol=T0) as it:
        link = it.reader().wait_for_card(1)
        with pytest.raises(CardError) as caught:
            link.transmit(bytes(command))
        assert caught.value.code == "card.too_long"


def typing(pin: bytes | Exception, asked: list[PinRequest]) -> PinSource:
    def source(request: PinRequest) -> Secret:
        asked.append(request)
        if isinstance(pin, Exception):
            raise pin
        return Secret(pin)

    return source


@pytest.mark.parametrize("protocol", [T0, T1])
@pytest.mark.parametrize(
    ("typed", "answer", "tries"),
    [
        (b"1234", "9000", "63C3"),
        (b"9999", "63C2", "63C2"),
        (PinCancelled(), "6401", "63C3"),
        (PinTimeout(), "6400", "63C3"),
    ],
    ids=["right", "wrong", "cancelled", "nobody types"],
)
def test_a_pin_is_typed_on_the_pad(
    protocol: TransmissionProtocol,
    typed: bytes | Exception,
    answer: str,
    tries: str,
    tmp_path: Path,
    my_number_memory: dict[str, bytes],
) -> None:
    asked: list[PinRequest] = []
    source = typing(typed, asked)
    with rig(tmp_path, [my_number_memory], "gempc-pinpad", protocol, source) as it:
        reader = it.reader()
        assert reader.features == {"pin-pad"}
        link = at_the_pin(reader.wait_for_card(1))
        assert isinstance(link, PinPad)
        assert link.verify_on_pad(PAD_TEMPLATE).hex().upper() == answer
        assert link.transmit(ASK_TRIES).hex().upper() == tries
        assert unlocked(link) == (answer == "9000")
        assert it.verifies() == isinstance(typed, bytes)
        assert [(one.least, one.most) for one in asked] == [(4, 4)]
        reader.close()


def test_a_pin_of_its_own_length_goes_into_a_template_without_one(
    tmp_path: Path, my_number_memory: dict[str, bytes]
) -> None:
    asked: list[PinRequest] = []
    with rig(tmp_path, [my_number_memory], "gempc-pinpad", pin_source=typing(b"1234", asked)) as it:
        reader = it.reader()
        link = at_the_pin(reader.wait_for_card(1))
        assert isinstance(link, PinPad)
        assert link.verify_on_pad(ASK_TRIES) == GOOD
        assert [(one.least, one.most) for one in asked] == [(4, 16)]
        assert unlocked(link)
        reader.close()


def test_a_template_says_how_many_digits_are_asked_for(
    tmp_path: Path, my_number_memory: dict[str, bytes]
) -> None:
    asked: list[PinRequest] = []
    with rig(tmp_path, [my_number_memory], "gempc-pinpad", pin_source=typing(b"1234", asked)) as it:
        reader = it.reader()
        link = at_the_pin(reader.wait_for_card(1))
        assert isinstance(link, PinPad)
        link.verify_on_pad(bytes.fromhex("0020008008303030303030FFFF"))
        assert {(one.least, one.most) for one in asked} == {(6, 8)}
        assert link.transmit(ASK_TRIES).hex() == "63c3"  # four digits never left the reader
        assert link.verify_on_pad(bytes.fromhex("002000800430303030")) == GOOD
        assert unlocked(link)
        reader.close()


def test_a_reader_without_a_pad_has_no_pad(tmp_path: Path, my_number_memory: dict[str, bytes]) -> None:
    with rig(tmp_path, [my_number_memory]) as it:
        reader = it.reader()
        assert reader.features == frozenset()
        assert not isinstance(reader.wait_for_card(1), PinPad)
        reader.close()


def test_slots_of_one_line_are_used_side_by_side(tmp_path: Path, my_number_memory: dict[str, bytes]) -> None:
    with rig(tmp_path, [my_number_memory, None, my_number_memory], "gemcore-pos-pro") as it:
        first, third, last = it.reader(0), it.reader(2), it.reader(4)
        one, two = at_the_pin(first.wait_for_card(1)), at_the_pin(third.wait_for_card(1))
        assert (one.transmit(RIGHT), two.transmit(ASK_TRIES)) == (GOOD, b"\x63\xc3")
        assert (unlocked(one), unlocked(two)) == (True, False)
        with pytest.raises(ReaderError) as caught:
            last.wait_for_card(0)
        assert caught.value.code == "reader.no_card"
        with pytest.raises(ReaderError) as caught:
            it.reader(2)
        assert caught.value.code == "reader.busy"
        with pytest.raises(ReaderError) as caught:
            it.reader(5)
        assert caught.value.code == "gemcore.slot"
        first.close()
        assert two.transmit(RIGHT) == GOOD
        third.close()
        last.close()


def test_threads_share_a_line_and_no_answer_is_mixed_up(
    tmp_path: Path, my_number_memory: dict[str, bytes]
) -> None:
    with rig(tmp_path, [my_number_memory, my_number_memory], "gemcore-pos-pro") as it:
        readers = [it.reader(0), it.reader(1)]
        links = [at_the_pin(reader.wait_for_card(1)) for reader in readers]
        answers: list[list[bytes]] = [[], []]

        def work(number: int, command: bytes) -> None:
            with links[number].exclusive():
                answers[number] = [links[number].transmit(command) for _ in range(30)]

        threads = [
            threading.Thread(target=work, args=(0, ASK_TRIES)),
            threading.Thread(target=work, args=(1, bytes.fromhex("00B0000004"))),
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert set(answers[0]) == {b"\x63\xc3"}
        assert len(set(answers[1])) == 1
        assert answers[1][0] != b"\x63\xc3"
        for reader in readers:
            reader.close()


def test_a_card_that_is_exchanged_is_another_one(tmp_path: Path, my_number_memory: dict[str, bytes]) -> None:
    with rig(tmp_path, [my_number_memory]) as it:
        reader = it.reader()
        link = at_the_pin(reader.wait_for_card(1))
        assert link.transmit(RIGHT) == GOOD
        assert link.present()
        it.device.take_out()
        assert not link.present()
        it.device.put_in()
        assert not link.present()
        with pytest.raises(CardRemoved):
            link.transmit(ASK_TRIES)
        with pytest.raises(CardRemoved):
            link.reset()
        link.close()
        assert not unlocked(at_the_pin(reader.wait_for_card(1)))
        reader.close()


def test_cards_come_and_go_as_events(tmp_path: Path, my_number_memory: dict[str, bytes]) -> None:
    with rig(tmp_path, [my_number_memory]) as it:
        reader = it.reader()
        seen = []
        for event in reader.events(5):
            seen.append(event.present)
            if len(seen) == 1:
                it.device.take_out()
            elif len(seen) == 2:
                it.device.put_in()
            else:
                break
        assert seen == [True, False, True]
        reader.close()


def test_a_card_taken_out_in_the_middle_of_a_command_is_removed(
    tmp_path: Path, my_number_memory: dict[str, bytes]
) -> None:
    with rig(tmp_path, [my_number_memory]) as it:
        reader = it.reader()
        link = at_the_pin(reader.wait_for_card(1))
        card = it.cards[0]
        assert card is not None
        works, goes_on = threading.Event(), threading.Event()
        plain = card.transmit

        def slow(command: bytes) -> bytes:
            works.set()
            goes_on.wait(5)
            return plain(command)

        card.transmit = slow  # type: ignore[method-assign] # a card that thinks for long
        hand = threading.Thread(target=lambda: (works.wait(5), it.device.take_out(), goes_on.set()))
        hand.start()
        with pytest.raises(CardRemoved):
            link.transmit(ASK_TRIES)
        hand.join(5)
        reader.close()


def test_a_cable_pulled_is_said_and_put_back_it_works_again(
    tmp_path: Path, my_number_memory: dict[str, bytes]
) -> None:
    with rig(tmp_path, [my_number_memory]) as it:
        reader = it.reader()
        link = at_the_pin(reader.wait_for_card(1))
        it.line.unplug()
        with pytest.raises(ReaderError) as caught:
            link.transmit(ASK_TRIES)
        assert caught.value.code == "line.lost"
        reader.close()
        it.line.replug()
        reader = it.reader()
        assert at_the_pin(reader.wait_for_card(1)).transmit(ASK_TRIES) == b"\x63\xc3"
        reader.close()


def test_a_card_that_thinks_for_long_is_waited_for(
    tmp_path: Path, my_number_memory: dict[str, bytes]
) -> None:
    for model in ("gempc-twin", "gemcore-pos-pro"):  # time requests, time extensions
        (tmp_path / model).mkdir()
        with rig(tmp_path / model, [my_number_memory], model) as it:
            reader = it.reader()
            link = at_the_pin(reader.wait_for_card(1))
            card = it.cards[0]
            assert card is not None
            plain = card.transmit
            pause = threading.Event()

            def slow(command: bytes, plain=plain, pause=pause) -> bytes:  # type: ignore[no-untyped-def]
                pause.wait(0.9)
                return plain(command)  # type: ignore[no-any-return]

            card.transmit = slow  # type: ignore[method-assign]
            assert link.transmit(ASK_TRIES) == b"\x63\xc3"
            reader.close()


@pytest.mark.parametrize("protocol", [T0, T1])
def test_nothing_stays_verified_when_the_line_loses_the_farewell(
    protocol: TransmissionProtocol, tmp_path: Path, my_number_memory: dict[str, bytes]
) -> None:
    with rig(tmp_path, [my_number_memory], protocol=protocol, faults=Faults()) as it:
        reader = it.reader()
        link = at_the_pin(reader.wait_for_card(1))
        assert link.transmit(RIGHT) == GOOD
        it.faults.soon(Direction.TO_DEVICE, FaultKind.LOSE)
        link.close()
        card = it.cards[0]
        assert card is not None
        assert it.faults.struck
        assert not unlocked(card)
        reader.close()


def test_what_the_companion_sees(tmp_path: Path, my_number_memory: dict[str, bytes]) -> None:
    with rig(tmp_path, [my_number_memory], "gemcore-pos-pro") as it:
        device = GemCoreDevice(str(it.line.path), timing=QUICK)
        identity = device.identity()
        assert (identity.model, identity.slots, identity.updatable) == ("gemcore-pos-pro", 5, False)
        assert identity.firmware == "GemPOSPro-tegata-1.0"
        assert identity.why
        findings = device.selftest()
        assert [finding.name for finding in findings] == ["line", *(f"slot-{slot}" for slot in range(5))]
        assert {finding.verdict.value for finding in findings} == {"passed"}
        reader = it.reader()  # beside its companion, in the same process
        reader.close()
        device.close()
        device.close()


def test_the_model_may_be_named(tmp_path: Path, my_number_memory: dict[str, bytes]) -> None:
    with rig(tmp_path, [my_number_memory], "gemcore-pos-pro") as it:
        reader = it.reader(model="gempc-twin")
        with pytest.raises(ReaderError) as caught:
            it.reader(1)
        assert caught.value.code == "gemcore.slot"
        reader.close()


@pytest.mark.parametrize(
    ("rest", "device", "slot", "model"),
    [
        ("/dev/ttyUSB0", "/dev/ttyUSB0", 0, ""),
        ("/dev/ttyS1?slot=3&model=gemcore-pos-pro", "/dev/ttyS1", 3, "gemcore-pos-pro"),
        ("COM3?model=gempc-twin", "COM3", 0, "gempc-twin"),
        ("socket://10.0.0.1:4001?slot=1", "socket://10.0.0.1:4001", 1, ""),
        (
            "rfc2217://h:1?ign_set_control=1&slot=1",
            "rfc2217://h:1?ign_set_control=1",
            1,
            "",
        ),
    ],
)
def test_urls(rest: str, device: str, slot: int, model: str) -> None:
    assert parse_url(rest) == (device, slot, model)


@pytest.mark.parametrize(
    "rest", ["", "?slot=1", "/dev/x?slot=a", "/dev/x?slot=100", "/dev/x?model=x", "/dev/x?y=1"]
)
def test_what_is_no_url_is_said(rest: str) -> None:
    with pytest.raises(InputError) as caught:
        open_reader(rest)
    assert caught.value.code == "gemcore.option"
