"""Is what the text application says from its issuer? On genuine cards, copies and forgeries."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace

import pytest

from tegata.apdu import CardError, Command, InputError, MalformedResponse, Response, Secret
from tegata.apdu.authenticity import Anchor, Anchors, Verdict
from tegata.apdu.card import Card
from tegata.apdu.cvc import CardVerifiableCertificate
from tegata.applets.mynumber_text import model
from tegata.applets.mynumber_text.host import TextApplication
from tegata.applets.mynumber_text.model import Attributes, Ef

from ..lying import (
    TEXT,
    Forger,
    Lie,
    LyingLink,
    Memory,
    changing,
    new_key,
    pkcs8,
    public,
    put_in,
    signed,
    simulated_anchors,
)

PURPOSE = "tax withholding"


def opened(memory: Memory, lie: Lie | None = None) -> tuple[TextApplication, LyingLink]:
    card, link = put_in(memory, lie)
    application = TextApplication(card)
    application.select()
    application.verify(Secret(b"1234"))
    return application, link


def number_of(memory: Memory) -> str:
    return memory[f"{TEXT}/pin/{Ef.CHECK_NUMBER_A:04x}"].decode()


def test_a_genuine_card(my_number_memory: Memory) -> None:
    application, _ = opened(my_number_memory)
    anchors = simulated_anchors()
    with application.my_number(PURPOSE) as number:
        found = [application.check_attributes(anchors), application.check_number(number, anchors)]
    found.append(application.check_key(anchors))
    assert [(check.what, check.verdict, check.anchor) for check in found] == [
        (what, Verdict.ANCHORED, "TEST root") for what in ("attributes", "number", "key")
    ]


def test_without_anchors_it_is_consistent_only(my_number_memory: Memory) -> None:
    application, _ = opened(my_number_memory)
    with application.my_number(PURPOSE) as number:
        assert application.check_number(number).verdict is Verdict.CONSISTENT
    assert application.check_attributes().verdict is Verdict.CONSISTENT
    assert application.check_key().verdict is Verdict.CONSISTENT


def test_a_fake_that_is_consistent_in_itself(my_number_memory: Memory) -> None:
    attributes = bytes(replace(Attributes.parse(my_number_memory[f"{TEXT}/ef/0002"]), name="偽名\u3000太郎"))
    application, _ = opened(Forger().text(my_number_memory, attributes))
    assert application.attributes().name == "偽名\u3000太郎"
    for anchors in (simulated_anchors(), Anchors()):
        assert application.check_attributes(anchors).verdict is Verdict.CONSISTENT
        assert application.check_key(anchors).verdict is Verdict.CONSISTENT


def test_a_fake_that_names_the_real_issuer(my_number_memory: Memory) -> None:
    real = application_certificate(my_number_memory)
    forger = Forger(issuer=real.issuer, subject=real.subject)
    attributes = bytes(replace(Attributes.parse(my_number_memory[f"{TEXT}/ef/0002"]), name="偽名\u3000太郎"))
    application, _ = opened(forger.text(my_number_memory, attributes))
    assert application.check_attributes(simulated_anchors()).verdict is Verdict.INVALID
    assert application.check_key(simulated_anchors()).verdict is Verdict.INVALID


def application_certificate(memory: Memory) -> CardVerifiableCertificate:
    return CardVerifiableCertificate.parse(memory[f"{TEXT}/ef/0004"])


def test_a_card_never_becomes_an_anchor(my_number_memory: Memory) -> None:
    """A forger's root, offered as an intermediate, changes nothing."""
    forger = Forger()
    attributes = my_number_memory[f"{TEXT}/ef/0002"]
    application, _ = opened(forger.text(my_number_memory, attributes))
    brought = CardVerifiableCertificate.parse(forger.certificate())
    assert application.check_attributes(simulated_anchors(), [brought]).verdict is Verdict.CONSISTENT
    chosen = Anchors.of([Anchor.from_certificate("chosen by somebody", brought)])
    assert application.check_attributes(chosen).anchor == "chosen by somebody"


def test_changed_attributes(my_number_memory: Memory) -> None:
    other = replace(Attributes.parse(my_number_memory[f"{TEXT}/ef/0002"]), address="東京都偽区１－２－３")
    application, _ = opened(my_number_memory | {f"{TEXT}/ef/0002": bytes(other)})
    found = application.check_attributes(simulated_anchors())
    assert found.verdict is Verdict.INVALID
    assert "not those that the issuer signed" in found.sentence()


def test_a_changed_number(my_number_memory: Memory) -> None:
    application, _ = opened(my_number_memory | {f"{TEXT}/ef/0001": model.my_number_file("123456789010")})
    with application.my_number(PURPOSE) as number:
        assert application.check_number(number, simulated_anchors()).verdict is Verdict.INVALID


@pytest.mark.parametrize("at", [0x20, 0x60])
def test_a_signature_with_one_bit_changed(my_number_memory: Memory, at: int) -> None:
    raw = bytearray(my_number_memory[f"{TEXT}/ef/0003"])
    raw[-at] ^= 1
    application, _ = opened(my_number_memory | {f"{TEXT}/ef/0003": bytes(raw)})
    assert application.check_attributes(simulated_anchors()).verdict is Verdict.INVALID


def test_a_swapped_certificate(my_number_memory: Memory) -> None:
    application, _ = opened(my_number_memory | {f"{TEXT}/ef/0004": Forger().certificate()})
    assert application.check_attributes(simulated_anchors()).verdict is Verdict.INVALID
    assert application.check_key(simulated_anchors()).verdict is Verdict.INVALID


def test_a_copy_of_all_files_has_no_key(my_number_memory: Memory) -> None:
    application, _ = opened(my_number_memory | {f"{TEXT}/ef/0013": pkcs8(new_key())})
    assert application.check_attributes(simulated_anchors()).verdict is Verdict.ANCHORED
    found = application.check_key(simulated_anchors())
    assert found.verdict is Verdict.INVALID
    assert "does not hold the key" in found.sentence()


def test_another_key_record(my_number_memory: Memory) -> None:
    key = new_key()
    record = model.KeyRecord.parse(my_number_memory[f"{TEXT}/ef/0007"])
    changed = bytes(replace(record, key=public(key)))
    memory = my_number_memory | {f"{TEXT}/ef/0007": changed, f"{TEXT}/ef/0013": pkcs8(key)}
    application, link = opened(memory)
    assert application.check_key(simulated_anchors()).verdict is Verdict.INVALID
    assert not [command for command in link.commands if command.ins == 0x2A]


def test_either_form_of_the_signed_key(my_number_memory: Memory) -> None:
    """Over the value of DF51 or the complete object: both name the key, and which it is was not published."""
    forger = Forger()
    memory = forger.text(my_number_memory, my_number_memory[f"{TEXT}/ef/0002"])
    record = model.KeyRecord.parse(memory[f"{TEXT}/ef/0007"])
    whole = bytes.fromhex("DF51820109") + bytes(record.key)
    for data, verdict in ((whole, Verdict.CONSISTENT), (whole[1:], Verdict.INVALID)):
        changed = bytes(replace(record, signature=signed(forger.key, data)))
        application, _ = opened(memory | {f"{TEXT}/ef/0007": changed})
        assert application.check_key().verdict is verdict


def test_an_answer_recorded_earlier_does_not_help(my_number_memory: Memory) -> None:
    recorded: list[bytes] = []

    def replay(data: bytes) -> bytes:
        recorded.append(data)
        return recorded[0]

    application, _ = opened(my_number_memory, changing(0x2A, replay))
    assert application.check_key(simulated_anchors()).verdict is Verdict.ANCHORED
    assert application.check_key(simulated_anchors()).verdict is Verdict.INVALID


@pytest.mark.parametrize(
    "answer", ["6982", "6A86", "9000", "009000", "00" * 256 + "9000", "FF" * 300 + "9000"]
)
def test_a_card_that_does_not_prove_its_key(my_number_memory: Memory, answer: str) -> None:
    def lie(command: object, true: bytes) -> bytes:
        return bytes.fromhex(answer) if getattr(command, "ins", 0) == 0x2A else true

    application, _ = opened(my_number_memory, lie)
    assert application.check_key(simulated_anchors()).verdict is Verdict.INVALID


SPOILS: list[Callable[[bytes], bytes]] = [
    lambda raw: raw[:-1],
    lambda raw: raw[:7],
    lambda raw: b"",
    lambda raw: raw[:2] + b"\x84\xff\xff\xff\xff" + raw[3:],
    lambda raw: raw[:2] + b"\x80" + raw[3:],
    lambda raw: b"\x00" * len(raw),
    lambda raw: b"\xff" * len(raw),
    lambda raw: raw[: len(raw) // 2] + b"\x00" * (len(raw) - len(raw) // 2),
]


@pytest.mark.parametrize("spoil", SPOILS)
@pytest.mark.parametrize("file", [Ef.ATTRIBUTES, Ef.ISSUER_SIGNATURE, Ef.CERTIFICATE, Ef.KEY_RECORD])
def test_files_that_lie_about_themselves(
    my_number_memory: Memory, file: Ef, spoil: Callable[[bytes], bytes]
) -> None:
    """An error of our family or an invalid verdict; no spent try, no endless reading."""
    name = f"{TEXT}/ef/{file:04x}"
    application, link = opened(my_number_memory | {name: spoil(my_number_memory[name])})
    check = application.check_key if file is Ef.KEY_RECORD else application.check_attributes
    try:
        verdict = check(simulated_anchors()).verdict
    except CardError:
        verdict = Verdict.INVALID
    assert verdict is Verdict.INVALID
    assert link.pins_sent == 1
    assert len(link.commands) < 300
    assert application.tries() == 3


def test_the_number_wants_a_purpose_and_prints_as_stars(my_number_memory: Memory) -> None:
    application, link = opened(my_number_memory)
    before = len(link.commands)
    for nothing in ("", "  "):
        with pytest.raises(InputError) as caught:
            application.my_number(nothing)
        assert caught.value.code == "mynumber.purpose"
    assert len(link.commands) == before
    digits = number_of(my_number_memory)
    number = application.my_number(PURPOSE)
    assert (number.reveal(), number.purpose) == (digits, PURPOSE)
    assert not number.check_digit_fits
    shown = [repr(number), str(number), f"{number}", f"{number:>20}", repr(vars(application))]
    assert not [text for text in shown if digits in text or digits[-4:] in text]
    number.wipe()
    with pytest.raises(ValueError, match="wiped"):
        number.reveal()


@pytest.mark.parametrize(
    "raw", ["FF100C" + "31" * 12 + "FF", "FF100C" + "41" * 12 + "FFFF", "FF100D" + "31" * 14]
)
def test_a_number_that_is_none_is_not_told(my_number_memory: Memory, raw: str) -> None:
    application, _ = opened(my_number_memory | {f"{TEXT}/ef/0001": bytes.fromhex(raw)})
    with pytest.raises(CardError) as caught:
        application.my_number(PURPOSE)
    assert "1111" not in str(caught.value)
    assert isinstance(caught.value, MalformedResponse)


def test_recorders_are_told_what_is_personal(my_number_memory: Memory) -> None:
    seen: list[Command] = []

    class Recorder:
        def record(self, command: Command, response: Response) -> None:
            seen.append(command)

    application = TextApplication(Card(put_in(my_number_memory)[1], recorder=Recorder()))
    application.select()
    application.verify(Secret(b"1234"))
    application.my_number(PURPOSE).wipe()
    application.attributes()
    assert [command.secret_answer for command in seen[-2:]] == [((0, None),)] * 2
    assert seen[-3].secret == ((0, None),)


def test_the_digests_of_the_signature_are_what_hashlib_says(my_number_memory: Memory) -> None:
    record = model.IssuerSignature.parse(my_number_memory[f"{TEXT}/ef/0003"])
    assert record.number_digest == hashlib.sha256(my_number_memory[f"{TEXT}/ef/0001"]).digest()
    raw = my_number_memory[f"{TEXT}/ef/0002"]
    assert record.attributes_digest == hashlib.sha256(raw[raw.index(b"\xdf\x22") :]).digest()


def test_the_hash_of_the_number_is_not_shown(my_number_memory: dict[str, bytes]) -> None:
    record = model.IssuerSignature.parse(my_number_memory[f"{TEXT}/ef/0003"])
    assert repr(record.number_digest)[2:12] not in repr(record)
    assert record.number_digest.hex() not in repr(record)
