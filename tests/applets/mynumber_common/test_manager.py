"""Objects at card level: municipality, expiry, and certificates longer than a short answer."""

from __future__ import annotations

import pytest

from tegata.apdu import MalformedResponse, StatusError
from tegata.apdu.authenticity import NO_ANCHORS, Verdict, check_chain
from tegata.applets.mynumber_common.host import CommonApplication
from tegata.applets.mynumber_common.manager import CardManager, CardObject

from ..lying import Memory, put_in, simulated_anchors

OBJECTS = "app/a0000001510000/do"


def opened(memory: Memory) -> CardManager:
    manager = CardManager(put_in(memory)[0])
    manager.select()
    return manager


def test_what_the_card_says_about_itself(my_number_memory: Memory) -> None:
    manager = opened(my_number_memory)
    application = CommonApplication(manager.card)
    municipality, expiry = manager.municipality(), manager.expiry()
    assert len(manager.read(CardObject.ISSUER) or b"") == 16
    application.select()
    serial = application.serial()
    assert (serial.municipality, serial.expiry) == (municipality, f"{expiry:%Y%m%d}")


def test_certificates_are_intermediates_and_no_anchors(my_number_memory: Memory) -> None:
    upper, lower = opened(my_number_memory).certificates()
    assert check_chain("lower", lower, NO_ANCHORS, [upper]).verdict is Verdict.CONSISTENT
    assert check_chain("lower", lower, simulated_anchors(), [upper]).verdict is Verdict.ANCHORED


def test_a_card_without_a_lower_certificate(my_number_memory: Memory) -> None:
    memory = {key: value for key, value in my_number_memory.items() if key != f"{OBJECTS}/7f21"}
    assert len(opened(memory).certificates()) == 1


def test_a_card_that_refuses_long_objects(my_number_memory: Memory) -> None:
    manager = opened(my_number_memory)
    manager.card.profile.extended = False
    with pytest.raises(StatusError) as caught:
        manager.certificates()
    assert caught.value.sw == 0x6700


@pytest.mark.parametrize(("tag", "value"), [("00f0", b"1322x"), ("00f2", b"20350231"), ("00f2", b"2035")])
def test_objects_that_make_no_sense(my_number_memory: Memory, tag: str, value: bytes) -> None:
    manager = opened(my_number_memory | {f"{OBJECTS}/{tag}": value})
    with pytest.raises(MalformedResponse):
        (manager.municipality if tag == "00f0" else manager.expiry)()


def test_a_certificate_that_is_none(my_number_memory: Memory) -> None:
    with pytest.raises(MalformedResponse):
        opened(my_number_memory | {f"{OBJECTS}/00f8": b"\x7f\x21\x03abc"}).certificates()
