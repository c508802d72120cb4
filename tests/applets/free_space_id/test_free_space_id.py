"""Host and codec of the free-space ID application, against cards that copy and lie."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegata.apdu import CardError, MalformedResponse, Tlv
from tegata.apdu.card import Card
from tegata.applets.free_space_id.host import FreeSpaceId
from tegata.applets.free_space_id.model import FreeSpaceIdentity
from tegata.simulators.card import MemoryStore, SimulatedCard
from tegata.simulators.link import SimulatedLink
from tegata.simulators.presets import memory

PLACE = "app/f05445474154412d494401/"
USER_ID = bytes(range(16))
CHALLENGE = bytes(range(100, 132))


def _application(content: dict[str, bytes]) -> FreeSpaceId:
    return FreeSpaceId(Card(SimulatedLink(SimulatedCard(MemoryStore(content)))))


def test_read_and_challenge(my_number_memory: dict[str, bytes]) -> None:
    application = _application(my_number_memory)
    identity = application.read()
    assert (identity.user_id, identity.issuer) == (USER_ID, "TEGATA-DEMO")
    assert application.authenticate(CHALLENGE)
    assert application.authenticate(CHALLENGE, identity)


def test_a_copied_user_id_is_refused(my_number_memory: dict[str, bytes]) -> None:
    bound = _application(my_number_memory).read()
    other = memory("my-number-card-with-free-space", user_id=USER_ID)
    copy = _application(other)
    assert copy.read().user_id == bound.user_id
    assert copy.authenticate(CHALLENGE)  # it proves its own key
    assert not copy.authenticate(CHALLENGE, bound)  # and not the bound one
    replayed = _application(other | {PLACE + "identity": bytes(bound)})
    assert replayed.read() == bound
    assert not replayed.authenticate(CHALLENGE, bound)


def test_an_answer_is_good_for_one_challenge_and_one_identity(my_number_memory: dict[str, bytes]) -> None:
    card = SimulatedCard(MemoryStore(my_number_memory))
    card.power_up()
    card.transmit(bytes.fromhex("00A4040C0BF05445474154412D494401"))
    answer = card.transmit(bytes.fromhex("0088000020") + CHALLENGE + b"\x00")[:-2]
    identity = FreeSpaceIdentity.parse(my_number_memory[PLACE + "identity"])
    assert identity.accepts(CHALLENGE, answer)
    assert not identity.accepts(CHALLENGE[::-1], answer)
    renamed = FreeSpaceIdentity(bytes(16), identity.issuer, identity.public_key)
    assert not renamed.accepts(CHALLENGE, answer)
    for wrong in (b"", answer[:-1], answer + b"\x00", bytes(64), bytes(32) + answer[32:], b"\xff" * 64):
        assert not identity.accepts(CHALLENGE, wrong)


def test_a_card_without_it() -> None:
    with pytest.raises(CardError) as caught:
        _application(memory("my-number-card")).read()
    assert caught.value.code == "freespace.not_here"


def test_a_challenge_has_one_length(my_number_memory: dict[str, bytes]) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        _application(my_number_memory).authenticate(b"short")


@pytest.mark.parametrize("wrong", [b"", b"\xe1", b"\xe1\x00", b"\x00" * 100, b"\xff" * 300])
def test_an_identity_that_makes_no_sense(my_number_memory: dict[str, bytes], wrong: bytes) -> None:
    with pytest.raises(MalformedResponse):
        _application(my_number_memory | {PLACE + "identity": wrong}).read()


def test_one_form_only(my_number_memory: dict[str, bytes]) -> None:
    good = my_number_memory[PLACE + "identity"]
    parts = list(Tlv.parse(good).children)
    swapped = bytes(Tlv.build(0xE1, [parts[1], parts[0], *parts[2:]]))
    long = b"\xe1\x81" + good[1:]
    off_curve = good[:-1] + bytes((good[-1] ^ 1,))
    newer = bytes(Tlv.build(0xE1, [Tlv(0x80, b"\x02"), *parts[1:]]))
    for wrong in (swapped, long, off_curve, newer, good + b"\x00"):
        with pytest.raises(ValueError, match=r".+"):
            FreeSpaceIdentity.parse(wrong)
    assert bytes(FreeSpaceIdentity.parse(good)) == good


@given(st.binary(max_size=140))
def test_noise_is_a_value_error(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        FreeSpaceIdentity.parse(raw)
