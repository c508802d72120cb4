"""The PIN of the resident register application: state, check, change."""

from __future__ import annotations

import pytest

from tegata.apdu import CardError, Command, InputError, PinError, Response, Secret
from tegata.apdu.binary import select_file
from tegata.apdu.card import Card
from tegata.apdu.pin import PinStatus, holder_session, pin_status
from tegata.applets.jpki import model as jpki
from tegata.applets.juki.host import JukiApplication
from tegata.applets.juki.model import AID, PIN, PINS
from tegata.applets.mynumber_text import model as text
from tegata.applets.mynumber_visual import model as visual

from ..lying import Memory, put_in

TABLE = (*jpki.PINS, *text.PINS, *visual.PINS, *PINS)


def test_changing_the_pin_is_a_command_of_its_own(my_number_memory: Memory) -> None:
    seen: list[str] = []

    class Recorder:
        def record(self, command: Command, response: Response) -> None:
            seen.append(bytes(command).hex().upper())

    application = JukiApplication(Card(put_in(my_number_memory)[1], recorder=Recorder()))
    application.select()
    assert len(application.key_reference()) == 16
    application.pins.change(PIN, Secret(b"1234"), Secret(b"9753"))
    assert seen[-1] == "803200800439373533"
    application.pins.verify(PIN, Secret(b"9753"))
    with pytest.raises(PinError):
        application.pins.verify(PIN, Secret(b"1234"))
    with pytest.raises(InputError):
        application.pins.change(PIN, Secret(b"9753"), Secret(b"975"))


def test_another_card(my_number_memory: Memory) -> None:
    without = {key: value for key, value in my_number_memory.items() if AID.hex() not in key}
    with pytest.raises(CardError) as caught:
        JukiApplication(put_in(without)[0]).select()
    assert caught.value.code == "mynumber.not_here"


def test_all_pins_in_one_table(my_number_memory: Memory) -> None:
    card, link = put_in(my_number_memory)
    found = {status.reference.key: status.tries for status in pin_status(card, TABLE)}
    assert found == {
        "auth": 3,
        "sign": 5,
        "text": 3,
        "text-a": 10,
        "text-b": 10,
        "visual-birth": 10,
        "visual-b": 10,
        "visual-a": 10,
        "juki": 3,
    }
    assert link.pins_sent == 0
    assert len(link.commands) == len(TABLE) + 4


def test_what_a_card_does_not_have(my_number_memory: Memory) -> None:
    without = {key: value for key, value in my_number_memory.items() if AID.hex() not in key}
    blocked = without | {f"app/{jpki.AID.hex()}/tries/0018": b"\x00"}
    found = {status.reference.key: status for status in pin_status(put_in(blocked)[0], TABLE)}
    assert found["juki"] == PinStatus(PIN, None)
    assert (found["auth"].tries, found["auth"].blocked, found["juki"].blocked) == (0, True, False)


def test_asking_for_all_leaves_the_counters_alone(my_number_memory: Memory) -> None:
    card, _ = put_in(my_number_memory)
    first = pin_status(card, TABLE)
    assert all(pin_status(card, TABLE) == first for _ in range(10))


def test_nothing_stays_verified_after_the_session(my_number_memory: Memory) -> None:
    card, link = put_in(my_number_memory)
    application = JukiApplication(card)

    def interrupted() -> None:
        with holder_session(card):
            assert link.held == 1
            application.select()
            application.pins.verify(PIN, Secret(b"1234"))
            raise KeyError

    with pytest.raises(KeyError):
        interrupted()
    assert (link.resets, link.held) == (1, 0)
    application.select()
    select_file(card, PIN.file)
    assert card.send(Command(0x80, 0x32, 0x00, 0x80, b"1111")).sw == 0x6982
