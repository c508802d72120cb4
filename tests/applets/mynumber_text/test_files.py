"""Files of the text application: layouts against literal bytes, access rules, PIN changes, and counts."""

from __future__ import annotations

import pytest

from tegata.apdu import CardError, InputError, PinBlocked, PinError, Secret, StatusError
from tegata.apdu.cvc import key_id
from tegata.applets.mynumber_text import model
from tegata.applets.mynumber_text.host import TextApplication
from tegata.applets.mynumber_text.model import BasicInfo, Ef

from ..lying import TEXT, Memory, put_in

KEY_ID = key_id("5000023", "001")
BASIC_INFO = (
    bytes.fromhex("FF4082009F DF410401030E01 DF4210")
    + KEY_ID
    + bytes.fromhex("DF43820080")
    + bytes(range(32))
    + b"\xff" * 96
)


def opened(memory: Memory) -> TextApplication:
    application = TextApplication(put_in(memory)[0])
    application.select()
    return application


def test_lengths_that_are_longer_than_needed() -> None:
    found = BasicInfo.parse(BASIC_INFO.ljust(256, b"\xff"))
    assert found == BasicInfo(KEY_ID, bytes(range(32)), bytes.fromhex("01030E01"))
    assert bytes(found) == BASIC_INFO.ljust(256, b"\xff")


def test_they_are_read_from_a_card_too(my_number_memory: Memory) -> None:
    application = opened(my_number_memory | {f"{TEXT}/ef/0005": BASIC_INFO.ljust(256, b"\xff")})
    assert application.basic_info().key_id == KEY_ID


def check_numbers(memory: Memory) -> tuple[bytes, bytes]:
    return memory[f"{TEXT}/pin/0014"], memory[f"{TEXT}/pin/0015"]


def test_what_each_number_opens(my_number_memory: Memory) -> None:
    a, b = check_numbers(my_number_memory)
    application = opened(my_number_memory)
    application.pins.verify(model.CHECK_NUMBER_B, Secret(b))
    assert application.attributes().sex in "129"
    with pytest.raises(StatusError) as caught:
        application.my_number("tax")
    assert caught.value.code == "mynumber.locked_file"
    assert "check number A" in caught.value.sentence("en")
    assert "照合番号 A" in caught.value.sentence("ja")

    application = opened(my_number_memory)
    application.pins.verify(model.CHECK_NUMBER_A, Secret(a))
    assert application.my_number("tax").reveal().encode() == a
    with pytest.raises(StatusError) as caught:
        application.attributes()
    assert caught.value.sw == 0x6982


@pytest.mark.parametrize("which", [model.CHECK_NUMBER_A, model.CHECK_NUMBER_B])
def test_the_holders_rules_cover_the_check_numbers(
    my_number_memory: Memory, which: model.PinReference
) -> None:
    card, link = put_in(my_number_memory)
    application = TextApplication(card)
    application.select()
    wrong = Secret(b"9" * which.rule.longest)
    for left in range(9, 0, -1):
        with pytest.raises(PinError) as caught:
            application.pins.verify(which, wrong)
        assert caught.value.retries_left == left
    sent = link.pins_sent
    with pytest.raises(PinError) as caught:
        application.pins.verify(which, wrong)
    assert caught.value.code == "pin.last_try"
    with pytest.raises(InputError):
        application.pins.verify(which, Secret(b"12"), allow_last_try=True)
    assert link.pins_sent == sent
    with pytest.raises(PinBlocked):
        application.pins.verify(which, wrong, allow_last_try=True)
    assert link.pins_sent == sent + 1


def test_changing_the_pin(my_number_memory: Memory) -> None:
    application = opened(my_number_memory)
    application.pins.change(model.PIN, Secret(b"1234"), Secret(b"8642"))
    with pytest.raises(PinError):
        application.verify(Secret(b"1234"))
    application.verify(Secret(b"8642"))
    assert application.attributes().name


def test_a_new_pin_is_checked_before_the_old_one_is_presented(my_number_memory: Memory) -> None:
    card, link = put_in(my_number_memory)
    application = TextApplication(card)
    application.select()
    for old, new in ((b"1234", b"12345"), (b"1234", b""), (b"12", b"8642")):
        with pytest.raises(InputError) as caught:
            application.pins.change(model.PIN, Secret(old), Secret(new))
        assert caught.value.code == "pin.format"
    with pytest.raises(CardError) as fixed:
        application.pins.change(model.CHECK_NUMBER_B, Secret(b"1" * 14), Secret(b"2" * 14))
    assert fixed.value.code == "mynumber.pin_fixed"
    assert link.pins_sent == 0


def test_the_four_attributes_take_four_commands(my_number_memory: Memory) -> None:
    card, link = put_in(my_number_memory)
    application = TextApplication(card)
    application.select()
    application.verify(Secret(b"1234"))
    application.attributes()
    assert len(link.commands) == 4
    application.check_attributes()
    assert len(link.commands) == 6
    application.check_key()
    assert len(link.commands) == 8


def test_the_long_way_takes_no_more_than_it_must(my_number_memory: Memory) -> None:
    card, link = put_in(my_number_memory, extended=False, sfi=False, reference_by_sfi=False)
    application = TextApplication(card)
    application.select()
    application.verify(Secret(b"1234"))
    application.attributes()
    blocks = -(-len(my_number_memory[f"{TEXT}/ef/0002"]) // 256)
    assert len(link.commands) == 5 + blocks


def test_a_card_without_the_application(my_number_memory: Memory) -> None:
    without = {key: value for key, value in my_number_memory.items() if model.AID.hex() not in key}
    with pytest.raises(CardError) as caught:
        opened(without)
    assert caught.value.code == "mynumber.not_here"


def test_a_file_that_the_card_leaves_out(my_number_memory: Memory) -> None:
    application = opened(my_number_memory | {f"{TEXT}/ef/{Ef.KEY_RECORD:04x}": b""})
    with pytest.raises(CardError) as caught:
        application.key_record()
    assert caught.value.code == "mynumber.file_absent"


def test_nothing_personal_in_the_repr(my_number_memory: Memory) -> None:
    application = opened(my_number_memory)
    application.verify(Secret(b"1234"))
    attributes = application.attributes()
    shown = repr(attributes) + repr(application) + repr(vars(application))
    assert attributes.name not in shown
    assert attributes.address not in shown
