"""SCP11 against bytes that others made: whole recorded dialogues, session keys, receipts, both sides."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tegata.apdu import CardError, Command, InputError, Response, Secret
from tegata.apdu.card import Card
from tegata.apdu.ports import LinkInfo, TransmissionProtocol
from tegata.apdu.scp03 import unwrap_command, wrap_command, wrap_response
from tegata.apdu.scp11 import (
    Anchor,
    Chaining,
    HostOpening,
    Identity,
    KeyNumber,
    KeyUsage,
    Request,
    Trust,
    Variant,
    accept,
    agree,
    new_private_key,
    open_channel,
    point,
    private_key,
    read_certificate,
    read_point,
    script,
)
from tegata.apdu.scp11.curves import CURVES, ecka
from tegata.simulators.card.device import seeded

VECTORS = tomllib.loads((Path(__file__).parent / "vectors" / "scp11.toml").read_text(encoding="utf-8"))
CURVE = {"p256": ec.SECP256R1(), "p384": ec.SECP384R1(), "bp256": ec.BrainpoolP256R1()}
AT = VECTORS["authorities"]["at"]
P256 = ec.SECP256R1()


def by_name(table: str) -> Any:
    return pytest.mark.parametrize("vector", VECTORS[table], ids=[entry["name"] for entry in VECTORS[table]])


def raw(text: str) -> bytes:
    return bytes.fromhex(text)


def key_of(curve: ec.EllipticCurve, text: str) -> ec.EllipticCurvePrivateKey:
    return private_key(curve, raw(text))


def variant_of(vector: dict[str, Any]) -> Variant:
    return next(variant for variant in Variant if variant.letter == vector["variant"])


def klcc() -> Anchor:
    found = VECTORS["authorities"]
    return Anchor(read_point(P256, raw(found["klcc"])), raw(found["klcc_id"]))


class RecordedLink:
    """A card of which only one conversation is known: it answers what was recorded, and nothing else."""

    atr = b""
    info = LinkInfo("recorded", TransmissionProtocol.T1)

    def __init__(self, exchanges: list[tuple[bytes, bytes]]) -> None:
        self.left = list(exchanges)

    def transmit(self, command: bytes) -> bytes:
        expected, answer = self.left.pop(0)
        # The recorded host names no Le where it fetches the rest of an answer.
        if command[1] == 0xC0 and len(expected) == 4:
            command = command[:4]
        assert command.hex() == expected.hex()
        return answer

    def reset(self) -> None:
        self.left.clear()

    def close(self, reset: bool = True) -> None:
        self.left.clear()

    def exclusive(self) -> Any:
        raise NotImplementedError


def dialogue(vector: dict[str, Any]) -> list[tuple[bytes, bytes]]:
    opening = VECTORS["openings"][vector["opening"]]["exchanges"]
    pairs = [*opening, vector["authenticate"], vector["get_status"]]
    exchanges = [(raw(command), raw(answer)) for command, answer in pairs]
    if vector["variant"] == "c":
        exchanges[0] = (exchanges[0][0].replace(b"\x83\x02\x11", b"\x83\x02\x15"), exchanges[0][1])
    return exchanges


def own_certificate(vector: dict[str, Any]) -> bytes:
    opening = VECTORS["openings"][vector["opening"]]["exchanges"]
    commands = [Command.parse(raw(command)) for command, _ in opening]
    return b"".join(command.data for command in commands if command.ins == 0x2A)


@by_name("session")
def test_whole_dialogues_of_others(vector: dict[str, Any]) -> None:
    """Our host sends every byte that theirs sent, checks the card's certificate, and reads the answer."""
    curve = CURVE[vector["curve"]]
    keys = VECTORS["curves"][vector["curve"]]
    link = RecordedLink(dialogue(vector))
    card = Card(link)
    identity = Identity(
        key_of(curve, keys["sk_oce"]),
        (read_certificate(own_certificate(vector)),),
        KeyNumber(0x10, 0x03),
    )
    channel = open_channel(
        card.send,
        variant_of(vector),
        0x03,
        Trust((klcc(),)),
        identity=identity,
        key_length=vector["key_length"],
        mac_length=vector["mac_length"],
        chaining=Chaining.BOTH,
        at=AT,
        ephemeral=key_of(curve, keys["esk_oce"]),
    )
    assert (channel.protocol, channel.version, channel.level, channel.verified) == (0x11, 3, 0x33, True)
    if "s_dek" in vector:
        assert channel.dek.session == Secret(raw(vector["s_dek"]))
    card.secure(channel)
    answer = card.send(Command.parse(raw(VECTORS["get_status"])))
    assert answer == Response(raw(VECTORS["packages"]))
    assert link.left == []


@pytest.mark.parametrize(
    "vector",
    [entry for entry in VECTORS["session"] if "receipt_key" in entry],
    ids=lambda entry: str(entry["name"]),
)
def test_session_keys_of_others(vector: dict[str, Any]) -> None:
    keys = VECTORS["curves"][vector["curve"]]
    request = Request.parse(Command.parse(raw(vector["authenticate"][0])).data)
    theirs = read_point(P256, raw(vector["authenticate"][1])[3:68])
    ephemeral = ecka(key_of(P256, keys["esk_oce"]), theirs)
    static = ecka(key_of(P256, keys["sk_oce"]), read_point(P256, raw(keys["pk_sd"])))
    if "ephemeral_secret" in vector:
        assert (ephemeral, static) == (raw(vector["ephemeral_secret"]), raw(vector["static_secret"]))
    agreed = agree(request, ephemeral, static)
    assert agreed.receipt == Secret(raw(vector["receipt_key"]))
    assert agreed.session.enc == Secret(raw(vector["s_enc"]))
    assert agreed.session.mac == Secret(raw(vector["s_mac"]))
    assert agreed.session.rmac == Secret(raw(vector["s_rmac"]))
    assert agreed.dek == Secret(raw(vector["s_dek"]))
    assert (
        agreed.receipt_over(request.raw + raw(vector["authenticate"][1])[:68])
        == raw(vector["authenticate"][1])[70:86]
    )


@by_name("both_sides")
def test_both_sides_with_known_keys(vector: dict[str, Any]) -> None:
    """The card's side makes the known receipt, the host's side accepts it, and both go on as others do."""
    variant = variant_of(vector)
    card_key, card_ephemeral = key_of(P256, vector["sk_sd"]), key_of(P256, vector["esk_sd"])
    own = key_of(P256, vector["sk_oce"]) if "sk_oce" in vector else None
    opening = HostOpening.begin(variant, key_of(P256, vector["esk_oce"]), own)
    assert opening.request.raw == raw(vector["control_reference"] + "5F4941" + vector["epk_oce"])
    answer, on_card = accept(
        Request.parse(opening.request.raw), card_key, card_ephemeral, own.public_key() if own else None
    )
    assert answer == raw("5F4941" + vector["epk_sd"] + "8610" + vector["receipt"])
    assert point(card_key.public_key()) == raw(vector["pk_sd"])
    on_host = opening.complete(card_key.public_key(), answer)
    assert on_host.dek == on_card.dek == Secret(raw(vector["s_dek"]))
    assert on_card.state.keys.enc == Secret(raw(vector["s_enc"]))
    assert (on_card.state.counter, on_card.state.chaining) == (0, raw(vector["receipt"]))
    _, plain = wrap_command(on_host.state, Command(0x00, 0xCA, 0x00, 0xE0))
    assert bytes(plain) == raw(vector["plain"])
    for form in ("plain", "empty", "extended"):
        _, unwrapped = unwrap_command(on_card.state, Command.parse(raw(vector[form])))
        assert (unwrapped.cla, unwrapped.ins, unwrapped.p2, unwrapped.data) == (0x00, 0xCA, 0xE0, b"")


@pytest.mark.parametrize("curve", CURVES.values(), ids=lambda curve: str(curve.name))
@pytest.mark.parametrize("variant", Variant, ids=lambda variant: variant.letter)
@pytest.mark.parametrize("key_length", [16, 24, 32])
def test_both_sides_agree_on_every_curve(variant: Variant, curve: ec.EllipticCurve, key_length: int) -> None:
    entropy = seeded(b"curves")
    static, ephemeral, theirs, own = (new_private_key(curve, entropy) for _ in range(4))
    host_static = own if variant.authenticates_host else None
    opening = HostOpening.begin(
        variant, theirs, host_static, usage=KeyUsage.MAC, key_length=key_length, host_id=b"host"
    )
    answer, on_card = accept(
        Request.parse(opening.request.raw),
        static,
        ephemeral,
        host_static.public_key() if host_static else None,
        mac_length=16,
        card_ids=(b"sin", b"sdin"),
    )
    on_host = opening.complete(static.public_key(), answer, mac_length=16, card_ids=(b"sin", b"sdin"))
    assert (on_host.state, on_host.dek) == (on_card.state, on_card.dek)
    assert on_host.state.level == 0x11
    assert len(on_host.dek) == key_length


def test_a_script_is_prepared_without_the_card() -> None:
    """SCP11c: what the recorded card answered, and what the recorded host sent, follow from its key."""
    vector = next(entry for entry in VECTORS["session"] if entry["variant"] == "c")
    keys = VECTORS["curves"]["p256"]
    card_key = read_point(P256, raw(keys["pk_sd"]))
    opening = HostOpening.begin(Variant.C, key_of(P256, keys["esk_oce"]), key_of(P256, keys["sk_oce"]))
    foreseen = opening.expected(card_key)
    assert foreseen + b"\x90\x00" == raw(vector["authenticate"][1])
    opened = opening.complete(card_key, foreseen)
    commands = script(opened, [Command.parse(raw(VECTORS["get_status"]))])
    assert [bytes(command).hex().upper() for command in commands] == [vector["get_status"][0]]


def test_only_scp11c_is_computed_without_the_card() -> None:
    key = new_private_key(P256, seeded(b"b"))
    with pytest.raises(ValueError, match="only SCP11c"):
        HostOpening.begin(Variant.B, key).expected(key.public_key())


# cards that lie


def lying(vector: dict[str, Any], change: dict[int, bytes]) -> Card:
    """A recorded card whose answers with these numbers are replaced; nothing may be asked after the last."""
    exchanges = dialogue(vector)
    changed = [(command, change.get(index, answer)) for index, (command, answer) in enumerate(exchanges)]
    return Card(RecordedLink(changed[: max(change) + 1]))


def begin(card: Card, vector: dict[str, Any], trust: Trust | None = None, at: Any = AT) -> None:
    keys = VECTORS["curves"][vector["curve"]]
    identity = Identity(
        key_of(P256, keys["sk_oce"]), (read_certificate(own_certificate(vector)),), KeyNumber(0x10, 3)
    )
    open_channel(
        card.send,
        variant_of(vector),
        3,
        Trust((klcc(),)) if trust is None else trust,
        identity=identity,
        chaining=Chaining.BOTH,
        at=at,
        ephemeral=key_of(P256, keys["esk_oce"]),
    )


GP = next(entry for entry in VECTORS["session"] if entry["opening"] == "gp-p256")
STATIC = next(entry for entry in VECTORS["session"] if entry["variant"] == "c")
ANSWER = raw(GP["authenticate"][1])


def refused(vector: dict[str, Any], change: dict[int, bytes], **options: Any) -> str:
    with pytest.raises((CardError, InputError)) as caught:
        begin(lying(vector, change), vector, **options)
    assert caught.value.sentence("ja") != caught.value.sentence("en")
    return caught.value.code


def test_a_wrong_receipt_is_noticed() -> None:
    wrong = ANSWER[:-3] + bytes((ANSWER[-3] ^ 1,)) + ANSWER[-2:]
    assert refused(GP, {2: wrong}) == "scp11.receipt"


@pytest.mark.parametrize(
    "answer",
    [
        ANSWER[:67] + bytes((ANSWER[67] ^ 1,)) + ANSWER[68:],
        b"\x90\x00",
        ANSWER[:-4] + b"\x90\x00",
        ANSWER[:-20] + b"\x90\x00",
        ANSWER[:-2] + b"\x00\x90\x00",
    ],
    ids=["point not on the curve", "nothing", "short receipt", "no receipt", "more than there should be"],
)
def test_an_answer_that_is_none(answer: bytes) -> None:
    assert refused(GP, {2: answer}) == "card.malformed"


def test_in_scp11c_the_card_answers_with_its_static_key() -> None:
    assert refused(STATIC, {6: ANSWER}) == "card.malformed"


def test_a_card_without_the_key() -> None:
    assert refused(GP, {2: b"\x6a\x88"}) == "scp11.key"
    assert refused(GP, {1: b"\x6a\x88"}) == "scp11.key"
    assert refused(GP, {2: b"\x69\x85"}) == "card.status"


def test_a_card_that_refuses_the_host() -> None:
    assert refused(GP, {1: b"\x69\x82"}) == "scp11.refused"


def test_a_card_without_certificates() -> None:
    assert refused(GP, {0: b"\x6a\x88"}) == "scp11.certificate"
    assert refused(GP, {0: raw("BF21009000")}) == "scp11.certificate"


def test_a_store_that_holds_something_else() -> None:
    assert refused(GP, {0: raw("BF21030401FF9000")}) == "card.malformed"
    assert refused(GP, {0: raw("BF210530036100FF9000")}) == "card.malformed"


def test_a_certificate_of_another_authority() -> None:
    other = Anchor(read_point(P256, raw(VECTORS["authorities"]["kloc"])))
    assert refused(GP, {0: dialogue(GP)[0][1]}, trust=Trust((other,))) == "scp11.certificate"


def test_a_certificate_that_has_expired() -> None:
    late = AT.replace(year=2029)
    assert refused(GP, {0: dialogue(GP)[0][1]}, at=late) == "scp11.certificate"


def test_another_key_under_the_same_certificate() -> None:
    store = dialogue(GP)[0][1]
    assert refused(GP, {0: store.replace(raw("CD7B897E"), raw("CD7B897F"))}) == "scp11.certificate"


def test_no_reason_to_believe_the_card_sends_nothing() -> None:
    link = RecordedLink([])
    with pytest.raises(CardError) as caught:
        open_channel(Card(link).send, Variant.B, 1, Trust())
    assert caught.value.code == "scp11.unverified"


def test_a_card_may_be_taken_as_it_is_when_somebody_says_so() -> None:
    other = dialogue(GP)
    card = Card(RecordedLink(other[:-1]))
    begin(card, GP, trust=Trust(unverified=True))
    pinned = read_point(P256, raw(VECTORS["curves"]["p256"]["pk_sd"]))
    begin(Card(RecordedLink(other[1:-1])), GP, trust=Trust(key=pinned))


def test_the_host_needs_an_identity_that_fits() -> None:
    keys = VECTORS["curves"]["p256"]
    certificate = read_certificate(own_certificate(GP))
    with pytest.raises(InputError, match="another key"):
        Identity(key_of(P256, keys["esk_oce"]), (certificate,), KeyNumber(0x10, 3))
    with pytest.raises(InputError, match="no certificate"):
        Identity(key_of(P256, keys["sk_oce"]), (), KeyNumber(0x10, 3))
    identity = Identity(key_of(P256, keys["sk_oce"]), (certificate,), KeyNumber(0x10, 3))
    card = Card(RecordedLink([]))
    with pytest.raises(InputError, match="SCP11b has none"):
        open_channel(card.send, Variant.B, 3, Trust(unverified=True), identity=identity)
    with pytest.raises(InputError, match="this variant needs one"):
        open_channel(card.send, Variant.A, 3, Trust(unverified=True))
    other_curve = new_private_key(ec.SECP384R1(), seeded(b"x")).public_key()
    with pytest.raises(InputError, match="one of secp384r1"):
        open_channel(card.send, Variant.A, 3, Trust(key=other_curve), identity=identity)


def test_a_wrong_mac_of_the_card_kills_the_channel() -> None:
    vector = GP
    exchanges = dialogue(vector)
    command, answer = exchanges[-1]
    exchanges[-1] = (command, answer[:-3] + bytes((answer[-3] ^ 1,)) + answer[-2:])
    card = Card(RecordedLink(exchanges))
    keys = VECTORS["curves"]["p256"]
    identity = Identity(
        key_of(P256, keys["sk_oce"]), (read_certificate(own_certificate(vector)),), KeyNumber(0x10, 3)
    )
    channel = open_channel(
        card.send,
        Variant.A,
        3,
        Trust((klcc(),)),
        identity=identity,
        at=AT,
        ephemeral=key_of(P256, keys["esk_oce"]),
    )
    card.secure(channel)
    with pytest.raises(CardError) as caught:
        card.send(Command.parse(raw(VECTORS["get_status"])))
    assert (caught.value.code, channel.alive) == ("gp.channel_dead", False)
    with pytest.raises(CardError, match="MAC"):
        card.send(Command(0x80, 0xF2, 0x20, 0x00))
    assert "S-DEK" not in repr(channel)
    assert vector["authenticate"][1][-20:] not in repr(channel)


# requests that a card refuses


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0000000000000000",
        "A600",
        "5F494104",
        "A60D9002110095013C8001888101105F4941",
        "A60D9002110095013C8001888101115F490104",
        "A60D9002110095013D8001888101105F490104",
        "A60D9002110095013C8001808101105F490104",
        "A60D9002030095013C8001888101105F490104",
        "A60D9002110295013C8001888101105F490104",
        "A60D9002110495013C8001888101105F490104",
        "A6119002110095013C8001888101108402AABB5F490104",
        "A60A9002110095013C8001885F490104",
        "A610900211009501 3C80018881011081011 05F490104".replace(" ", ""),
        "A60F9002110095013C80018881011099005F490104",
        "A60D9002110095013C8001888101105F4901045F490104",
    ],
    ids=[
        "empty", "zeros", "no key", "cut off", "key cut off", "key length", "usage", "key type", "SCP03",
        "parameter 2", "host id announced", "host id unannounced", "no length", "length twice", "unknown tag",
        "two keys",
    ],
)  # fmt: skip
def test_requests_that_make_no_sense(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Request.parse(raw(text))


def test_a_point_that_is_not_on_the_curve_or_of_another_one() -> None:
    key = new_private_key(P256, seeded(b"card"))
    good = HostOpening.begin(Variant.B, key).request
    for bad in (
        good.raw[:-1] + bytes((good.raw[-1] ^ 1,)),
        good.raw[:-66] + b"\x41\x06" + good.raw[-64:],
        good.raw[:-65] + bytes(65),
        Request.build(Variant.B, b"\x04" + bytes(64)).raw,
        Request.build(Variant.B, point(new_private_key(ec.SECP384R1(), seeded(b"x")).public_key())).raw,
        Request.build(Variant.B, b"\x00").raw,
    ):
        with pytest.raises(ValueError, match=r"point|curve"):
            accept(Request.parse(bad), key, key, None)


def test_the_card_wants_a_host_key_exactly_where_one_belongs() -> None:
    key = new_private_key(P256, seeded(b"card"))
    for variant, host in ((Variant.A, None), (Variant.C, None), (Variant.B, key.public_key())):
        request = Request.build(variant, point(key.public_key()))
        with pytest.raises(ValueError, match="do not go together"):
            accept(request, key, key, host)
    other = new_private_key(ec.BrainpoolP256R1(), seeded(b"x")).public_key()
    with pytest.raises(ValueError, match="does not agree"):
        accept(Request.build(Variant.A, point(key.public_key())), key, key, other)


def test_the_card_answers_in_the_channel() -> None:
    vector = VECTORS["both_sides"][0]
    key, ephemeral = key_of(P256, vector["sk_sd"]), key_of(P256, vector["esk_sd"])
    opening = HostOpening.begin(Variant.B, key_of(P256, vector["esk_oce"]))
    answer, opened = accept(opening.request, key, ephemeral, None)
    state, _ = unwrap_command(opened.state, Command.parse(raw(vector["empty"])))
    wrapped = wrap_response(state, Response(b"data"))
    assert len(wrapped.data) == 16 + 8
    assert opening.complete(key.public_key(), answer).state == opened.state
