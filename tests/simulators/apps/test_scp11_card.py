"""SCP11 on the card: our own host against it, the ways of other hosts, and hosts that do not mean well."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Literal

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from tegata.apdu import CardError, Command, Secret, StatusError
from tegata.apdu.card import Card
from tegata.apdu.scp03 import key_check_value, wrap_key
from tegata.apdu.scp11 import (
    Anchor,
    CaIdentifier,
    Chaining,
    HostOpening,
    Identity,
    KeyNumber,
    KeyUsage,
    Request,
    Scp11Host,
    Trust,
    Variant,
    curve_of,
    legacy,
    new_private_key,
    point,
    read_certificate,
    script,
)
from tegata.apdu.scp11.objects import certificate_store
from tegata.apdu.tlv import Tlv
from tegata.applets.security_domain import SecurityDomain, model, scp11
from tegata.simulators.card import MemoryStore, SimulatedCard
from tegata.simulators.card.device import PowerCut, PowerLost, seeded
from tegata.simulators.link import SimulatedLink
from tegata.simulators.presets import memory
from tegata.simulators.presets.scp11 import add_host_authority, add_scp11, maker_root

from ...apdu.scp11_authority import FROM, Authority, new_key

ROOT = Authority("host root")
HOST = new_key("host")
HOST_CA = KeyNumber(0x10, 1)
LEAF = ROOT.leaf("host", HOST.public_key(), role=0, serial=0x8123)
PHASES: tuple[Literal["before", "inside", "after"], ...] = ("before", "inside", "after")
SELECT = bytes.fromhex("00A4040008A00000015100000000")
MAKER = Trust((Anchor.of_certificate(maker_root().der),))


def content() -> dict[str, bytes]:
    made = add_scp11(memory("company-card", 3), seeded(b"keys"), Variant)
    return add_host_authority(made, ROOT.key.public_key(), ROOT.identifier)


def powered(start: dict[str, bytes] | None = None) -> SimulatedCard:
    return SimulatedCard(MemoryStore(start or content()), entropy=seeded(b"card"), contactless=False)


class Wire:
    """Bytes to the card and status words back."""

    def __init__(self, card: SimulatedCard | None = None) -> None:
        self.link = SimulatedLink(card or powered())
        self.send(SELECT.hex())

    def send(self, command: str | bytes | Command) -> bytes:
        raw = bytes.fromhex(command) if isinstance(command, str) else bytes(command)
        return self.link.transmit(raw)

    def sw(self, command: str | bytes | Command) -> str:
        return self.send(command)[-2:].hex().upper()


def identity(*chain: object, key: ec.EllipticCurvePrivateKey = HOST) -> Identity:
    return Identity(key, tuple(chain) or (LEAF,), HOST_CA)  # type: ignore[arg-type]


def card_key(card: Card, variant: Variant) -> ec.EllipticCurvePublicKey:
    return scp11.certificates(SecurityDomain(card), KeyNumber(variant.kid, 1))[-1].key


def opening(variant: Variant, **options: object) -> HostOpening:
    static = HOST if variant.authenticates_host else None
    return HostOpening.begin(variant, new_key("ephemeral"), static, **options)  # type: ignore[arg-type]


def present(wire: Wire, certificate: bytes = LEAF.raw, p1: int = 1, p2: int = 0x10) -> str:
    return wire.sw(Command(0x80, 0x2A, p1, p2, certificate, extended=True))


# our host


@pytest.mark.parametrize("variant", Variant, ids=lambda variant: variant.letter)
@pytest.mark.parametrize("chaining", Chaining)
@pytest.mark.parametrize("usage", KeyUsage)
def test_our_host_opens_every_channel(variant: Variant, chaining: Chaining, usage: KeyUsage) -> None:
    link = SimulatedLink(powered())
    card = Card(link)
    card.select(model.AID)
    channel = scp11.open_channel(
        SecurityDomain(card),
        variant,
        MAKER,
        identity=identity() if variant.authenticates_host else None,
        usage=usage,
        key_length=32,
        chaining=chaining,
    )
    assert (channel.version, channel.level, channel.verified) == (1, usage.level, True)
    assert card.expect(Command(0x80, 0xCA, 0x00, 0x45, le=256)).data[:2] == b"\x45\x06"
    allowed = card.send(Command(0x80, 0xF2, 0x80, 0x02, b"\x4f\x00", le=256)).sw
    assert allowed == (0x9000 if variant.authenticates_host else 0x6982)


def test_a_card_of_another_maker_is_not_believed() -> None:
    card = Card(SimulatedLink(powered()))
    card.select(model.AID)
    other = Trust((Anchor.of_certificate(ROOT.certificate.raw),))
    with pytest.raises(CardError) as caught:
        scp11.open_channel(SecurityDomain(card), Variant.B, other)
    assert caught.value.code == "scp11.certificate"
    assert card.secure_channel is None


def test_a_card_without_such_a_key() -> None:
    card = Card(SimulatedLink(powered(memory("company-card", 3))))
    card.select(model.AID)
    with pytest.raises(CardError) as caught:
        scp11.open_channel(SecurityDomain(card), Variant.B, Trust(unverified=True))
    assert caught.value.code == "scp11.key"


def test_keys_made_on_the_card_and_what_belongs_to_them() -> None:
    card = Card(SimulatedLink(powered()))
    card.select(model.AID)
    scp11.open_channel(SecurityDomain(card), Variant.A, MAKER, identity=identity())
    key = KeyNumber(0x13, 2)
    public = scp11.generate_key(SecurityDomain(card), key, ec.SECP384R1())
    assert scp11.certificates(SecurityDomain(card), key) == ()
    own = ROOT.issue("card", public, role=10).public_bytes(Encoding.DER)
    scp11.store_certificates(SecurityDomain(card), key, [ROOT.certificate.raw, own])
    scp11.store_authority(SecurityDomain(card), CaIdentifier(key, ROOT.identifier))
    found = [certificate.raw for certificate in scp11.certificates(SecurityDomain(card), key)]
    assert found == [ROOT.certificate.raw, own]
    assert scp11.authorities(SecurityDomain(card)) == (
        CaIdentifier(HOST_CA, ROOT.identifier),
        CaIdentifier(key, ROOT.identifier),
    )
    assert scp11.authority_of(SecurityDomain(card), [LEAF]) == HOST_CA
    assert scp11.authority_of(SecurityDomain(card), [read_certificate(maker_root().der)]) is None
    card.select(model.AID)
    trust = Trust((Anchor.of_certificate(ROOT.certificate.raw),))
    scp11.open_channel(SecurityDomain(card), Variant.B, trust, version=2)
    again = Card(card.link)
    again.select(model.AID)
    scp11.open_channel(SecurityDomain(again), Variant.A, MAKER, identity=identity())
    scp11.generate_key(SecurityDomain(again), KeyNumber(0x13, 2), replace=2)
    assert scp11.certificates(SecurityDomain(again), key) == ()


def test_an_allow_list() -> None:
    card = Card(SimulatedLink(powered()))

    def attempt(*serials: bytes) -> None:
        card.select(model.AID)
        scp11.open_channel(SecurityDomain(card), Variant.A, MAKER, identity=identity())
        scp11.store_allow_list(SecurityDomain(card), HOST_CA, serials)

    attempt(b"\x01", LEAF.serial)
    # As another host writes it, without the 00 in front.
    attempt(LEAF.serial.lstrip(b"\x00"))
    attempt()
    attempt(b"\x05")
    with pytest.raises(StatusError) as caught:
        attempt()
    assert (caught.value.code, caught.value.sw) == ("scp11.refused", 0x6640)


def test_the_older_certificates_work_as_well() -> None:
    middle = new_key("middle")
    upper = ROOT.legacy(middle.public_key(), subject=b"middle", usage=legacy.SIGNATURE_VERIFICATION)
    lower = Authority("stranger").legacy(HOST.public_key())
    card = Card(SimulatedLink(powered()))
    card.select(model.AID)
    direct = ROOT.legacy(HOST.public_key(), plain=True)
    scp11.open_channel(SecurityDomain(card), Variant.A, MAKER, identity=identity(direct))
    card.select(model.AID)
    with pytest.raises(StatusError) as caught:
        scp11.open_channel(SecurityDomain(card), Variant.A, MAKER, identity=identity(upper, lower))
    assert caught.value.details["number"] == 2


def test_a_host_id_takes_part_in_the_keys() -> None:
    sin = f"app/{model.AID.hex()}/data/42"
    wire = Wire(powered(content() | {sin: b"\x99\x99"}))
    card = Card(wire.link)
    key = card_key(card, Variant.B)
    request = opening(Variant.B, host_id=b"desk 7")
    answer = wire.send(request.command(1))
    assert answer[-2:] == b"\x90\x00"
    cin = wire.send("00CA004500")[:-2]
    request.complete(key, answer[:-2], card_ids=(b"\x99\x99", cin))
    with pytest.raises(ValueError, match="receipt"):
        request.complete(key, answer[:-2])
    present(wire)
    assert wire.sw(opening(Variant.C, host_id=b"desk 7").command(1)) == "6A80"
    # A domain without these numbers has nothing to bind the keys to (Amd F table 7-19).
    assert Wire().sw(opening(Variant.B, host_id=b"desk 7").command(1)) == "6A88"


# the ways of other hosts


def test_data_objects_as_other_hosts_ask_for_them() -> None:
    """Whole after CLA 80, the value alone after CLA 00; both ways to name what is wanted."""
    wire = Wire()
    whole = wire.send("80CABF2106A6048302130100")
    while whole[-2] == 0x61:
        whole = whole[:-2] + wire.send("00C0000000")
    plain = wire.send("00CABF2106A6048302130100")
    while plain[-2] == 0x61:
        plain = plain[:-2] + wire.send("00C0000000")
    assert Tlv.parse(whole[:-2]) == Tlv(0xBF21, plain[:-2])
    identifier = ROOT.identifier.hex()
    assert wire.send("80CAFF3300").hex() == f"ff331a4214{identifier}830210019000"
    assert wire.send("00CAFF3300").hex() == f"4214{identifier}830210019000"
    assert wire.send(f"80CA008318A6164214{identifier}00").hex() == "8304830210019000"
    assert wire.send(f"00CA008318A6164214{identifier}00").hex() == "830210019000"
    assert wire.sw("80CA008307A6054203A1A2A300") == "6A88"
    assert wire.sw("80CAFF3400") == "6A88"
    assert wire.sw("00CABF2106A6048302130200") == "6A88"
    assert wire.sw("00CABF2100") == "6A80"
    assert wire.sw("00CABF2104A602830000") == "6A80"


def test_key_information_tells_of_the_keys() -> None:
    information = Wire().send("80CA00E000")
    keys = [tlv.value.hex().upper() for tlv in Tlv.parse(information[:-2]).children]
    assert keys[3:] == ["1001B040F000", "1101B120F000", "1301B120F000", "1501B120F000"]


def pieces(certificate: bytes, *, cla: int, p1: int, le: bool) -> list[Command]:
    cut = [certificate[at : at + 200] for at in range(0, len(certificate), 200)]
    return [
        Command(0x80 if last else cla, 0x2A, 1 if last else p1, 0x10, piece, le=256 if le else None)
        for piece, last in ((piece, piece is cut[-1]) for piece in cut)
    ]


@pytest.mark.parametrize(("cla", "p1", "le"), [(0x90, 0x01, False), (0x80, 0x81, False), (0x90, 0x81, True)])
def test_three_ways_to_bring_a_long_certificate(cla: int, p1: int, le: bool) -> None:
    wire = Wire()
    for command in pieces(LEAF.raw, cla=cla, p1=p1, le=le):
        assert wire.sw(command) == "9000"
    assert wire.sw(opening(Variant.A).command(1)) == "9000"


def test_pieces_of_two_certificates_are_not_mixed() -> None:
    wire = Wire()
    first, *_ = pieces(LEAF.raw, cla=0x80, p1=0x81, le=False)
    assert wire.sw(first) == "9000"
    assert wire.sw(first.with_(p2=0x20)) == "9000"
    assert present(wire) == "9000"
    for _ in range(20):
        assert wire.sw(first) == "9000"
    assert wire.sw(first) == "6700"


def test_any_key_and_any_version() -> None:
    wire = Wire()
    assert present(wire, p1=0, p2=0) == "9000"
    assert wire.sw(opening(Variant.A).command(0)) == "9000"


# hosts that do not mean well


def test_keys_that_are_not_there() -> None:
    wire = Wire()
    assert present(wire, p1=2) == "6A88"
    assert present(wire, p2=0x11) == "6A88"
    assert wire.sw(opening(Variant.B).command(2)) == "6A88"
    other = bytearray(bytes(opening(Variant.B).command(1)))
    for p2 in (0x00, 0x11, 0x15, 0x20):
        other[3] = p2
        assert wire.sw(bytes(other)) == "6A88"


def test_without_a_certificate_there_is_no_mutual_channel() -> None:
    wire = Wire()
    assert wire.sw(opening(Variant.A).command(1)) == "6985"
    upper = Authority("middle", ROOT)
    assert present(wire, upper.certificate.raw, p2=0x90) == "9000"
    assert wire.sw(opening(Variant.A).command(1)) == "6985"
    present(wire)
    wire.send(SELECT.hex())
    assert wire.sw(opening(Variant.A).command(1)) == "6985"
    present(wire)
    wire.send("8050000008000000000000000000")
    assert wire.sw(opening(Variant.C).command(1)) == "6985"
    present(wire)
    assert wire.sw(opening(Variant.C).command(1)) == "9000"
    assert wire.sw(opening(Variant.C).command(1)) == "6985"


def test_certificates_that_do_not_verify() -> None:
    wire = Wire()
    wrong = {
        "another authority": Authority("stranger").leaf("host", HOST.public_key()),
        "no key agreement": ROOT.leaf("host", HOST.public_key(), agreement=False),
        "a card's": ROOT.leaf("host", HOST.public_key(), role=10),
        "an authority": Authority("middle", ROOT).certificate,
    }
    for certificate in wrong.values():
        assert present(wire, certificate.raw) == "6600"
        assert wire.sw(opening(Variant.A).command(1)) == "6985"
    assert present(wire, LEAF.raw, p2=0x90) == "9000"
    assert present(wire, ROOT.leaf("x", HOST.public_key()).raw) == "6600"
    for garbage in (b"\x00" * 8, LEAF.raw[:-1], LEAF.raw + b"\x00", b"\x7f\x21\x00"):
        assert present(wire, garbage) == "6A80"


def test_a_card_knows_no_dates() -> None:
    """It has no clock: a certificate that has expired opens a channel. Lists and keys shut a host out."""
    wire = Wire()
    expired = ROOT.leaf("host", HOST.public_key(), start=FROM, until=FROM + datetime.timedelta(days=1))
    assert present(wire, expired.raw) == "9000"
    assert wire.sw(opening(Variant.A).command(1)) == "9000"


def test_a_chain_that_is_too_long() -> None:
    wire, above = Wire(), ROOT
    for level in range(4):
        above = Authority(f"level {level}", above)
        assert present(wire, above.certificate.raw, p2=0x90) == "9000"
    assert present(wire, above.leaf("host", HOST.public_key()).raw) == "6600"
    # Nor does one grow without end that consists of the root, again and again.
    answers = [present(wire, ROOT.certificate.raw, p2=0x90) for _ in range(5)]
    assert answers == ["9000"] * 4 + ["6600"]


def good_request() -> bytes:
    return opening(Variant.B).request.raw


@pytest.mark.parametrize(
    "change",
    [
        lambda raw: raw[:-1] + bytes((raw[-1] ^ 1,)),
        lambda raw: raw[:-65] + bytes(65),
        lambda raw: raw[:-1],
        lambda raw: raw[:30],
        lambda raw: raw + b"\x00",
        lambda raw: raw.replace(b"\x90\x02\x11\x00", b"\x90\x02\x11\x01"),
        lambda raw: raw.replace(b"\x90\x02\x11\x00", b"\x90\x02\x03\x00"),
        lambda raw: raw.replace(b"\x81\x01\x10", b"\x81\x01\x11"),
        lambda raw: Request.build(Variant.B, point(new_key("x", curve_of(1)).public_key())).raw,
        lambda raw: bytes(8),
        lambda raw: b"",
    ],
    ids=[
        "not on the curve", "infinity", "cut off", "cut in half", "too long", "another variant", "SCP03",
        "key length", "another curve", "zeros", "nothing",
    ],
)  # fmt: skip
def test_requests_that_are_none(change: Callable[[bytes], bytes]) -> None:
    wire = Wire()
    data = change(good_request())
    assert wire.sw(Command(0x80, 0x88, 1, 0x13, data)) == "6A80"
    assert wire.sw(opening(Variant.B).command(1)) == "9000"


def recorded(variant: Variant) -> tuple[Wire, HostOpening, list[Command]]:
    """A conversation that somebody overheard: certificate, authenticate, one wrapped command."""
    wire = Wire()
    card = Card(wire.link)
    request = opening(variant)
    assert present(wire) == "9000"
    answer = wire.send(request.command(1))[:-2]
    opened = request.complete(card_key(card, variant), answer)
    (wrapped,) = script(opened, [Command(0x80, 0xF2, 0x80, 0x02, b"\x4f\x00", le=256)])
    present(wire)
    return wire, request, [request.command(1), wrapped]


def test_a_replayed_conversation_gets_nowhere_in_scp11a() -> None:
    wire, _, commands = recorded(Variant.A)
    assert wire.sw(commands[0]) == "9000"
    assert wire.sw(commands[1]) == "6982"


def test_a_prepared_script_works_without_a_word_of_the_card() -> None:
    """SCP11c: the same bytes open the same channel again, which is what scripts are for."""
    wire, _, commands = recorded(Variant.C)
    for _ in range(2):
        present(wire)
        assert wire.sw(commands[0]) == "9000"
        assert wire.sw(commands[1]) == "9000"


def test_nothing_is_generated_or_stored_without_a_host() -> None:
    wire = Wire()
    assert wire.sw("80F100130402F00100") == "6982"
    store = certificate_store(KeyNumber(0x13, 1), [LEAF.raw])
    assert wire.sw(Command(0x00, 0xE2, 0x90, 0x00, store, extended=True)) == "6982"


@pytest.fixture
def managed() -> Card:
    card = Card(SimulatedLink(powered()))
    card.select(model.AID)
    scp11.open_channel(SecurityDomain(card), Variant.A, MAKER, identity=identity())
    return card


@pytest.mark.parametrize(
    ("command", "sw"),
    [
        ("80F100130402F00104", 0x6A80),
        ("80F100130402F00108", 0x6A80),
        ("80F100130102", 0x6A80),
        ("80F100130402B00100", 0x6A80),
        ("80F100130480F00100", 0x6A80),
        ("80F100130400F00100", 0x6A80),
        ("80F100130401F00100", 0x6A80),
        ("80F100100402F00100", 0x6A86),
        ("80F181130402F00100", 0x6A86),
        ("80F105130402F00100", 0x6A88),
        ("80E2900008A604830213027000", 0x6A88),
        ("80E2900006A60483021301", 0x6A80),
        ("80E2900009A60483021301BF2100", 0x9000),
        ("80E290000AA6088001004201A183021301", 0x6A80),
        ("8088011308" + "00" * 8, 0x6985),
        ("802A011008" + "00" * 8, 0x6A80),
    ],
)
def test_management_commands_that_make_no_sense(managed: Card, command: str, sw: int) -> None:
    raw = bytes.fromhex(command)
    raw = raw[:4] + bytes((len(raw) - 5,)) + raw[5:]
    assert managed.send(Command.parse(raw)).sw == sw
    assert managed.send(Command(0x80, 0xCA, 0x00, 0x45, le=256)).sw == 0x9000


def test_a_static_dek_beside_the_key(managed: Card) -> None:
    """Identifier 12 beside 11: keys come under it then, not under the session's."""
    channel = managed.secure_channel
    assert isinstance(channel, Scp11Host)
    session = channel.dek.session
    assert session is not None
    dek, key = Secret(bytes(range(16))), Secret(b"\x07" * 16)
    block = b"\x01\x88\x10" + wrap_key(session, dek) + b"\x00"
    assert managed.send(Command(0x80, 0xD8, 0x00, 0x12, block)).ok
    managed.select(model.AID)
    scp11.open_channel(SecurityDomain(managed), Variant.A, MAKER, identity=identity())
    block = b"\x02\x88\x10" + wrap_key(dek, key) + b"\x03" + key_check_value(key)
    assert managed.send(Command(0x80, 0xD8, 0x00, 0x14, block)).ok


def test_sixty_five_attempts_erase_a_key_and_what_belongs_to_it() -> None:
    wire = Wire()
    for _ in range(64):
        assert wire.sw("8088011308" + "00" * 8) == "6A80"
    assert wire.sw(opening(Variant.B).command(1)) == "9000"
    for _ in range(64):
        assert wire.sw("8088011308" + "00" * 8) == "6A80"
    assert wire.sw("8088011308" + "00" * 8) == "6983"
    assert wire.sw(opening(Variant.B).command(1)) == "6A88"
    assert wire.sw("00CABF2106A6048302130100") == "6A88"
    assert wire.sw("00CABF2106A6048302110100") != "6A88"


def test_a_torn_reset_leaves_a_card_with_keys() -> None:
    """The last key goes and the maker's keys come in one transaction, wherever power is lost."""
    start = add_scp11(memory("company-card", 3), seeded(b"keys"))
    domain = f"app/{model.AID.hex()}/"
    alone = {name: value for name, value in start.items() if not name.startswith(f"{domain}key/ff")} | {
        f"{domain}key-order": b"\x01",
        f"{domain}of-key/0113/tries": b"\x01",
    }
    blocking = bytes.fromhex("8088011308" + "00" * 8)
    points = 0
    for write in range(100):
        for phase in PHASES:
            store = MemoryStore(dict(alone))
            card = SimulatedCard(store, entropy=seeded(b"card"), cut=PowerCut(write, phase))
            card.power_up()
            card.transmit(SELECT)
            try:
                card.transmit(blocking)
            except PowerLost:
                points += 1
            else:
                assert points > 5
                return
            again = Wire(SimulatedCard(store, entropy=seeded(b"more")))
            # What was counted stays counted: the erasure may still have to be done.
            answers = [again.sw(opening(Variant.B).command(1)) for _ in range(2)]
            assert answers in (["9000", "9000"], ["6983", "9000"])


def test_a_card_that_counts_no_tries() -> None:
    start = content()
    policy = start["card/policy"].replace(b'"keys_block": true', b'"keys_block": false')
    wire = Wire(powered(start | {"card/policy": policy}))
    for _ in range(70):
        assert wire.sw("8088011308" + "00" * 8) == "6A80"
    assert wire.sw(opening(Variant.B).command(1)) == "9000"


def test_a_locked_card_still_opens_a_channel_to_be_unlocked() -> None:
    card = Card(SimulatedLink(powered()))
    card.select(model.AID)
    scp11.open_channel(SecurityDomain(card), Variant.A, MAKER, identity=identity())
    for state in (0x07, 0x0F, 0x7F):
        card.expect(Command(0x80, 0xF0, 0x80, state))
    card.select(model.AID, accepted=(0x6283,))
    scp11.open_channel(SecurityDomain(card), Variant.A, MAKER, identity=identity())
    card.expect(Command(0x80, 0xF0, 0x80, 0x0F))


def test_the_same_entropy_makes_the_same_card() -> None:
    assert content() == content()
    assert new_private_key(ec.SECP256R1(), seeded(b"a")) != new_private_key(ec.SECP256R1(), seeded(b"b"))
