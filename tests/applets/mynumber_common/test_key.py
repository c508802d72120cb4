"""The key of the common application: an answer can be had, and nobody can check it."""

from __future__ import annotations

import pytest

from tegata.apdu.authenticity import Verdict
from tegata.applets.mynumber_common.host import CommonApplication

from ..lying import Memory, instead, put_in


def test_the_answer_is_taken_and_called_unchecked(my_number_memory: Memory) -> None:
    card, link = put_in(my_number_memory)
    application = CommonApplication(card)
    application.select()
    found = application.check_key()
    assert found.verdict is Verdict.UNKNOWN
    assert found.sentence() == "not checked: no public key known"
    assert found.to_json() == {"check": "common key", "verdict": "no-public-key"}
    sent = link.commands[-1]
    assert (sent.header.hex(), len(sent.data)) == ("00880099", 32)
    application.check_key()
    assert link.commands[-1].data != sent.data


@pytest.mark.parametrize("answer", ["6985", "9000", "00" * 255 + "9000"])
def test_a_card_that_does_not_answer(my_number_memory: Memory, answer: str) -> None:
    application = CommonApplication(put_in(my_number_memory, instead(0x88, answer))[0])
    application.select()
    assert application.check_key().verdict is Verdict.INVALID


def test_serial_and_reference(my_number_memory: Memory) -> None:
    application = CommonApplication(put_in(my_number_memory)[0])
    application.select()
    serial = application.serial()
    assert serial.manufacturer_number == serial.serial[:13]
    assert serial.serial not in repr(serial)
    assert len(application.key_reference()) == 16
