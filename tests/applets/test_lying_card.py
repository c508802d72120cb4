"""The hosts of the My Number Card against a card that lies at random: an error of our family or the truth."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tegata.apdu import Command, Secret, TegataError
from tegata.apdu.authenticity import Verdict
from tegata.apdu.card import Card
from tegata.applets.jpki.host import Jpki, JpkiKey
from tegata.applets.mynumber_common.host import CommonApplication
from tegata.applets.mynumber_text.host import TextApplication
from tegata.applets.mynumber_visual import model as visual
from tegata.applets.mynumber_visual.host import VisualApplication

from .lying import TEXT, VISUAL, Memory, put_in, simulated_anchors

WORDS = (
    "6282",
    "6300",
    "63C1",
    "6700",
    "6982",
    "6985",
    "6A82",
    "6A86",
    "6B00",
    "6C10",
    "6110",
    "6D00",
    "9000",
)
MOST_COMMANDS = 2500


def text_job(card: Card, memory: Memory) -> None:
    application = TextApplication(card)
    application.select()
    application.verify(Secret(b"1234"))
    attributes = application.attributes()
    if application.check_attributes(simulated_anchors()).verdict is Verdict.ANCHORED:
        assert bytes(attributes) == memory[f"{TEXT}/ef/0002"]
    with application.my_number("test") as number:
        if application.check_number(number, simulated_anchors()).verdict is Verdict.ANCHORED:
            assert number.reveal().encode() == memory[f"{TEXT}/pin/0014"]
    application.check_key(simulated_anchors())


def visual_job(card: Card, memory: Memory) -> None:
    application = VisualApplication(card)
    application.select()
    application.pins.verify(visual.CHECK_NUMBER_B, Secret(memory[f"{VISUAL}/pin/0012"]))
    face = application.card_face()
    if application.check_face(simulated_anchors()).verdict is Verdict.ANCHORED:
        true = visual.CardFace.parse(memory[f"{VISUAL}/ef/0002"])
        assert (face.birth, face.sex, face.photo) == (true.birth, true.sex, true.photo)
        assert (face.name_image, face.address_image) == (true.name_image, true.address_image)
    application.check_key(simulated_anchors())


def jpki_job(card: Card, memory: Memory) -> None:
    jpki = Jpki(card)
    jpki.select()
    jpki.token_info()
    jpki.verify(JpkiKey.AUTHENTICATION, Secret(b"1234"))
    jpki.sign(JpkiKey.AUTHENTICATION, b"message")
    jpki.ca_certificate(JpkiKey.AUTHENTICATION)


def common_job(card: Card, memory: Memory) -> None:
    application = CommonApplication(card)
    application.select()
    application.serial()
    assert application.check_key().verdict in (Verdict.UNKNOWN, Verdict.INVALID)


def liar(seed: int, rate: float) -> Callable[[Command, bytes], bytes]:
    """Changes some answers: another status word, cut, longer, a flipped bit, noise, nothing but a word."""
    source = random.Random(seed)  # noqa: S311 - repeatable lies

    def lie(command: Command, true: bytes) -> bytes:
        if source.random() >= rate:
            return true
        data, sw = true[:-2], true[-2:]
        word = bytes.fromhex(source.choice(WORDS))
        flipped = bytearray(data or b"\x00")
        flipped[source.randrange(len(flipped))] ^= 1 << source.randrange(8)
        return source.choice(
            [
                word,
                data[: len(data) // 2] + sw,
                data + source.randbytes(7) + sw,
                bytes(flipped) + sw,
                source.randbytes(len(data)) + sw,
                data + word,
                true[:1],
                b"",
            ]
        )

    return lie


def outcome(job: Callable[[Card, Memory], None], card: Card, memory: Memory) -> TegataError | None:
    """None for a job that was done; anything but an error of our family goes through."""
    try:
        job(card, memory)
    except TegataError as error:
        return error
    return None


@pytest.mark.parametrize("job", [text_job, visual_job, jpki_job, common_job])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), rate=st.sampled_from([0.02, 0.1, 0.3, 0.7, 1.0]))
def test_random_lies(
    my_number_memory: Memory, job: Callable[[Card, Memory], None], seed: int, rate: float
) -> None:
    card, link = put_in(my_number_memory, liar(seed, rate))
    error = outcome(job, card, my_number_memory)
    assert error is None or (error.sentence("en") and error.sentence("ja"))
    assert link.pins_sent <= 1
    assert len(link.commands) < MOST_COMMANDS
