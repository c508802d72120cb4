"""SCP02 against bytes that others made, all variants of "i" on both sides, and every flipped bit."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegata.apdu import Command, Response, Secret, des
from tegata.apdu.ports import SessionKeys
from tegata.apdu.scp02 import (
    LEVELS,
    InitializeUpdate,
    Opening,
    Options,
    Scp02State,
    SecureMessagingError,
    StaticKeys,
    accept_external_authenticate,
    begin_r_mac_session,
    decrypt_data,
    derive_session_keys,
    encrypt_data,
    end_r_mac_session,
    external_authenticate,
    implicit_state,
    key_check_value,
    level_allowed,
    pseudo_random_challenge,
    session_dek,
    unwrap_command,
    unwrap_response,
    wrap_command,
    wrap_response,
)
from tegata.apdu.scp02.options import DOCUMENTED

VECTORS = tomllib.loads((Path(__file__).parent / "vectors" / "scp02.toml").read_text(encoding="utf-8"))
KEY = "404142434445464748494A4B4C4D4E4F"
VARIANTS = sorted(DOCUMENTED | {i | 0x20 for i in DOCUMENTED})
EXPLICIT = [i for i in VARIANTS if Options(i).explicit]
IMPLICIT = [i for i in VARIANTS if not Options(i).explicit]
AID = bytes.fromhex("A000000151000000")


def secret(text: str) -> Secret:
    return Secret(bytes.fromhex(text))


def by_source(name: str) -> Any:
    return pytest.mark.parametrize("vector", VECTORS[name], ids=[entry["source"] for entry in VECTORS[name]])


@by_source("derivation")
def test_session_keys_of_others(vector: dict[str, Any]) -> None:
    key, sequence = secret(KEY), bytes.fromhex(vector["sequence"])
    keys, dek = derive_session_keys(key, key, sequence), session_dek(key, sequence)
    made = {"enc": keys.enc, "mac": keys.mac, "dek": dek, "rmac": keys.rmac}
    expected = {name: value for name, value in vector.items() if name.startswith(("s_", "kcv_"))}
    assert len(expected) >= 3
    for name, value in expected.items():
        prefix, _, which = name.partition("_")
        found = made[which].reveal() if prefix == "s" else key_check_value(made[which])
        assert found.hex() == value.lower()


@by_source("channel")
def test_channels_of_others(vector: dict[str, Any]) -> None:
    keys = SessionKeys(secret(KEY), secret(KEY), secret(KEY))
    host = card = Scp02State(keys, vector["level"], 0x15)
    for plain, wrapped in vector["exchanges"]:
        host, sent = wrap_command(host, Command.parse(bytes.fromhex(plain)))
        assert bytes(sent).hex() == wrapped
        card, received = unwrap_command(card, sent)
        assert bytes(received).hex() == plain
        assert card == host


@by_source("session")
def test_sessions_of_others(vector: dict[str, Any]) -> None:
    """Both sides reproduce the recorded session: the host its commands, the card its answers."""
    asked = Command.parse(bytes.fromhex(vector["initialize_update"]))
    answer = InitializeUpdate.parse(bytes.fromhex(vector["answer"]))
    assert bytes(answer) == bytes.fromhex(vector["answer"])
    keys = derive_session_keys(
        secret(vector.get("enc", KEY)), secret(vector.get("mac", KEY)), answer.sequence
    )
    opening = Opening(keys, asked.data, answer.sequence, answer.challenge, vector.get("i", 0x15))
    assert opening.card_proved(answer.cryptogram)
    proof = Command.parse(bytes.fromhex(vector["external_authenticate"]))
    host, sent = external_authenticate(opening, proof.p1)
    assert sent == proof
    card = accept_external_authenticate(opening, proof)
    assert card == host
    for plain, wrapped in vector.get("exchanges", []):
        host, sent = wrap_command(host, Command.parse(bytes.fromhex(plain)))
        assert bytes(sent).hex().upper() == wrapped
        card, received = unwrap_command(card, sent)
        assert bytes(received).hex().upper() == plain
    for plain, said, protected in vector.get("answers_to_plain", []):
        host, sent = wrap_command(host, Command.parse(bytes.fromhex(plain)))
        card, _ = unwrap_command(card, sent)
        card, wrapped_answer = wrap_response(card, Response(bytes.fromhex(said)))
        assert wrapped_answer.data == bytes.fromhex(protected)
        host, plain_answer = unwrap_response(host, Response(bytes.fromhex(protected)))
        assert plain_answer.data == bytes.fromhex(said)
        assert card == host


@by_source("data_encryption")
def test_data_encryption_of_others(vector: dict[str, Any]) -> None:
    dek = session_dek(secret(KEY), bytes.fromhex(vector["sequence"]))
    plain, encrypted = bytes.fromhex(vector["plain"]), bytes.fromhex(vector["encrypted"])
    assert encrypt_data(dek, plain) == encrypted
    assert decrypt_data(dek, encrypted) == plain


@by_source("ecb")
def test_triple_des_of_others(vector: dict[str, Any]) -> None:
    assert des.ecb_encrypt(secret(KEY), bytes.fromhex(vector["plain"])).hex().upper() == vector["encrypted"]


@by_source("kcv")
def test_check_values_of_others(vector: dict[str, Any]) -> None:
    assert key_check_value(secret(vector["key"])).hex().upper() == vector["kcv"]


def test_after_implicit_initiation_data_is_chained() -> None:
    dek, data = session_dek(secret(KEY), b"\x00\x01"), bytes(8) + bytes(8)
    blocks = encrypt_data(dek, data, cbc=True)
    # CBC by hand: the second block is the encryption of the first ciphertext block.
    assert blocks[8:] == des.ecb_encrypt(dek, blocks[:8])
    assert blocks[:8] == des.ecb_encrypt(dek, bytes(8))
    assert decrypt_data(dek, blocks, cbc=True) == data


# Variants.


def test_only_documented_variants_are_known() -> None:
    known = []
    for i in range(0x100):
        try:
            Options(i)
        except ValueError:
            continue
        known.append(i)
    assert known == VARIANTS


def test_levels_follow_the_variant() -> None:
    assert [level for level in LEVELS if level_allowed(level, 0x15)] == [0x00, 0x01, 0x03]
    assert [level for level in LEVELS if level_allowed(level, 0x35)] == list(LEVELS)
    assert not level_allowed(0x33, 0x35)
    with pytest.raises(ValueError):
        external_authenticate(_opening(0x15), 0x11)


commands = st.builds(
    Command,
    cla=st.sampled_from([0x00, 0x80, 0x01, 0x83, 0xC1]),
    ins=st.integers(0, 255).filter(lambda ins: ins not in (0x7A, 0x78)),
    p1=st.integers(0, 255),
    p2=st.integers(0, 255),
    data=st.binary(max_size=255),
    le=st.none() | st.integers(1, 256),
    extended=st.booleans(),
)
responses = st.builds(
    Response, st.binary(max_size=300), st.sampled_from([0x9000, 0x6282, 0x63C2, 0x6A82, 0x6985])
)


@given(
    st.sampled_from(VARIANTS),
    st.sampled_from(LEVELS),
    st.lists(st.tuples(commands, responses), max_size=4),
)
def test_round_trip(i: int, level: int, exchanges: list[tuple[Command, Response]]) -> None:
    host = card = _state(i, level) if level_allowed(level, i) else _state(i, 0x01)
    level = host.level if Options(i).explicit else 0x01
    for command, response in exchanges:
        host, sent = wrap_command(host, command)
        card, received = unwrap_command(card, Command.parse(bytes(sent)))
        assert (received.header, received.data) == (command.header, command.data)
        card, answered = wrap_response(card, response)
        host, plain = unwrap_response(host, Response.parse(bytes(answered)))
        # An error status word carries nothing in a channel with R-MAC.
        bare = bool(level & 0x10) and response.sw >> 8 not in (0x90, 0x62, 0x63)
        assert plain == (Response(b"", response.sw) if bare else response)
        assert card == host


@pytest.mark.parametrize("level", [0x01, 0x03, 0x11, 0x13])
def test_every_flipped_bit_of_a_command_is_refused(level: int) -> None:
    state = _state(0x35, level)
    _, sent = wrap_command(state, Command(0x80, 0xE2, 0x90, 0x01, bytes.fromhex("0102030405")))
    raw = bytes(sent)
    for tampered in _flipped(raw):
        try:
            command = Command.parse(tampered)
        except ValueError:
            continue
        if command.cla & 0xF4 == 0x84 and tampered[1:] == raw[1:]:
            continue  # the logical channel is not covered by the MAC
        with pytest.raises(SecureMessagingError):
            unwrap_command(state, command)


@pytest.mark.parametrize("i", IMPLICIT)
def test_every_flipped_bit_of_an_opening_command_is_refused(i: int) -> None:
    state = _state(i)
    _, sent = wrap_command(state, Command(0x80, 0xE2, 0x90, 0x01, bytes.fromhex("0102030405")))
    raw = bytes(sent)
    for tampered in _flipped(raw):
        try:
            command = Command.parse(tampered)
        except ValueError:
            continue
        if command.cla & 0xF4 == 0x84 and tampered[1:] == raw[1:]:
            continue
        with pytest.raises(SecureMessagingError):
            unwrap_command(state, command)


@pytest.mark.parametrize("level", [0x10, 0x11, 0x13])
@pytest.mark.parametrize("body", [b"", b"\x01\x02\x03"])
@pytest.mark.parametrize("sw", [0x9000, 0x6310])
def test_every_flipped_bit_of_a_response_is_refused(level: int, body: bytes, sw: int) -> None:
    host, sent = wrap_command(_state(0x35, level), Command(0x80, 0xCA))
    card, _ = unwrap_command(_state(0x35, level), sent)
    raw = bytes(wrap_response(card, Response(body, sw))[1])
    for tampered in _flipped(raw):
        with pytest.raises(SecureMessagingError):
            unwrap_response(host, Response.parse(tampered))


def test_every_flipped_bit_of_external_authenticate_is_refused() -> None:
    opening = _opening(0x15)
    raw = bytes(external_authenticate(opening, 0x01)[1])
    for tampered in _flipped(raw):
        try:
            command = Command.parse(tampered)
        except ValueError:
            continue
        if command.cla & 0xF4 == 0x84 and tampered[1:] == raw[1:]:
            continue
        with pytest.raises(SecureMessagingError):
            accept_external_authenticate(opening, command)


def test_what_the_card_says_to_a_wrong_proof() -> None:
    opening = _opening(0x15)
    other = replace(opening, host_challenge=bytes(8))
    assert _refusal(opening, external_authenticate(other, 0x01)[1]) == 0x6300
    good = external_authenticate(opening, 0x01)[1]
    assert _refusal(opening, good.with_(p1=0x03)) == 0x6982
    assert _refusal(opening, good.with_(p1=0x11)) == 0x6A86
    assert _refusal(opening, good.with_(p2=0x01)) == 0x6A86
    assert _refusal(opening, good.with_(data=good.data[:-1])) == 0x6700
    assert _refusal(opening, good.with_(cla=0x80)) == 0x6985
    assert _refusal(opening, good.with_(ins=0xCA)) == 0x6985


def test_a_replayed_command_is_refused() -> None:
    for i in (0x15, 0x05, 0x1A, 0x0A):
        state = _state(i)
        _, sent = wrap_command(state, Command(0x80, 0xCA, 0, 0x66))
        after, _ = unwrap_command(state, sent)
        with pytest.raises(SecureMessagingError):
            unwrap_command(after, sent)


def test_a_dropped_error_shows_at_the_next_success() -> None:
    host = card = _state(0x35, 0x11)
    host, sent = wrap_command(host, Command(0x80, 0xE4))
    card, _ = unwrap_command(card, sent)
    card, _ = wrap_response(card, Response(sw=0x6A88))
    # In between somebody says another error than the card did.
    host, plain = unwrap_response(host, Response(sw=0x6985))
    assert plain.sw == 0x6985
    host, sent = wrap_command(host, Command(0x80, 0xCA))
    card, _ = unwrap_command(card, sent)
    _, answered = wrap_response(card, Response(b"\x01"))
    with pytest.raises(SecureMessagingError):
        unwrap_response(host, answered)


def test_an_error_with_an_r_mac_is_taken_and_with_data_is_not() -> None:
    host, sent = wrap_command(_state(0x35, 0x11), Command(0x80, 0xE4))
    card, _ = unwrap_command(_state(0x35, 0x11), sent)
    after, _ = wrap_response(card, Response(sw=0x6A88))
    state, plain = unwrap_response(host, Response(after.r_icv, 0x6A88))
    assert (plain, state) == (Response(sw=0x6A88), after)
    for data in (b"\x00" + after.r_icv, bytes(8), b"\x00"):
        with pytest.raises(SecureMessagingError):
            unwrap_response(host, Response(data, 0x6A88))


# R-MAC sessions.


def _exchange(
    host: Scp02State, card: Scp02State, command: Command, response: Response
) -> tuple[Scp02State, Scp02State, Response, Response]:
    """One exchange; returns both states, the answer on the wire and the answer as the host takes it."""
    host, sent = wrap_command(host, command)
    card, _ = unwrap_command(card, sent)
    card, wire = wrap_response(card, response)
    host, plain = unwrap_response(host, wire)
    assert host == card
    return host, card, wire, plain


@pytest.mark.parametrize("i", [0x35, 0x24, 0x3A, 0x2B])
def test_an_r_mac_session_in_every_response(i: int) -> None:
    host = card = _state(i)
    begin = begin_r_mac_session(b"challenge")
    host, card, wire, _ = _exchange(host, card, begin, Response())
    assert wire == Response()
    host, card, wire, plain = _exchange(host, card, Command(0x80, 0xCA, 0, 0x66, le=256), Response(b"data"))
    assert (len(wire.data), plain.data) == (12, b"data")
    host, card, wire, plain = _exchange(host, card, end_r_mac_session(finish=False), Response())
    assert plain.data == host.r_icv
    host, card, wire, plain = _exchange(host, card, end_r_mac_session(), Response())
    assert (plain.data, host.r_session) == (host.r_icv, None)
    host, card, wire, plain = _exchange(host, card, Command(0x80, 0xCA, 0, 0x66, le=256), Response(b"data"))
    assert wire == plain == Response(b"data")


def test_an_r_mac_session_that_only_its_end_tells() -> None:
    host = card = _state(0x35)
    host, card, *_ = _exchange(host, card, begin_r_mac_session(every=False), Response())
    for sw in (0x9000, 0x6A88, 0x6310):
        host, card, wire, _ = _exchange(host, card, Command(0x80, 0xCA, le=256), Response(sw=sw))
        assert wire == Response(sw=sw)
    host, card, wire, plain = _exchange(host, card, end_r_mac_session(), Response())
    assert len(plain.data) == 8
    assert host.r_session is None


def test_the_r_mac_of_a_session_by_hand() -> None:
    """The whole computation of §E.4.5 for BEGIN, a success and an error, without our session code."""
    host = card = _state(0x35)
    start = card.r_start
    host, card, *_ = _exchange(host, card, begin_r_mac_session(b"\xaa\xbb", every=False), Response())
    host, card, *_ = _exchange(host, card, Command(0x80, 0xCA, 0, 0x66, le=256), Response(b"\x66\x00"))
    host, card, *_ = _exchange(host, card, Command(0x80, 0xE4, 0, 0, b"\x4f\x00"), Response(sw=0x6A88))
    expected = start
    for text in (
        "807A0001 03 02AABB 00 9000 8000000000",
        "80CA0066 00 02 6600 9000 800000000000",
        "80E40000 02 4F00 00 6A88 800000000000",
    ):
        message = bytes.fromhex(text)
        message = message[: len(message) // 8 * 8]
        expected = des.retail_mac(card.keys.rmac, expected, message)
    assert end_r_mac_session().p2 == 0x03
    host, card, wire, _ = _exchange(host, card, end_r_mac_session(), Response())
    assert wire.data == expected


def test_a_wrong_end_of_a_session_is_refused() -> None:
    host = card = _state(0x35)
    host, card, *_ = _exchange(host, card, begin_r_mac_session(every=False), Response())
    host, _ = wrap_command(host, end_r_mac_session())
    for answer in (Response(), Response(bytes(8)), Response(host.r_icv + b"\x00"), Response(b"\x00", 0x6985)):
        with pytest.raises(SecureMessagingError):
            unwrap_response(host, answer)
    state, plain = unwrap_response(host, Response(sw=0x6985))
    assert (plain.sw, state.r_session) == (0x6985, 0x00)


def test_a_session_is_not_begun_by_a_refused_command() -> None:
    host = card = _state(0x35)
    host, card, *_ = _exchange(host, card, begin_r_mac_session(), Response(sw=0x6985))
    assert host.r_session is None


def test_a_challenge_has_at_most_24_bytes() -> None:
    assert len(begin_r_mac_session(bytes(24)).data) == 25
    with pytest.raises(ValueError):
        begin_r_mac_session(bytes(25))


# Marks, room, refusals.


def test_marks_follow_into_the_channel() -> None:
    command = Command(0x80, 0xD8, data=b"\x01\x02\x03", secret=((1, None),), secret_answer=((0, 2),))
    _, sent = wrap_command(_state(0x35, 0x11), command)
    assert (sent.secret, sent.secret_answer) == (((1, 3),), ((0, 2),))
    _, sent = wrap_command(_state(0x35, 0x03), command)
    assert (sent.secret, sent.secret_answer) == (((0, None),), ((0, 2),))
    _, sent = wrap_command(_state(0x35, 0x00), command)
    assert sent.secret == ((1, 3),)


@pytest.mark.parametrize("level", LEVELS)
def test_max_data_is_exact(level: int) -> None:
    state = _state(0x35, level)
    assert state.max_data == {0x00: 255, 0x10: 255, 0x01: 247, 0x11: 247, 0x03: 239, 0x13: 239}[level]
    fits = wrap_command(state, Command(0x80, 0xE2, data=bytes(state.max_data)))[1]
    assert not fits.extended
    if state.max_data < 255:
        above = wrap_command(state, Command(0x80, 0xE2, data=bytes(state.max_data + 1)))[1]
        assert above.extended


def test_both_forms_of_empty_data_are_understood() -> None:
    state = _state(0x15, 0x03)
    after, sent = wrap_command(state, Command(0x80, 0xCA))
    padded = des.cbc_encrypt(state.keys.enc, bytes(8), b"\x80" + bytes(7))
    for data in (sent.data, padded + sent.data):
        assert unwrap_command(state, sent.with_(data=data)) == (after, Command(0x80, 0xCA))


def test_a_response_without_its_mac_is_refused() -> None:
    host, _ = wrap_command(_state(0x35, 0x11), Command(0x80, 0xCA))
    for response in (Response(), Response(bytes(7)), Response(bytes(8), 0x6282)):
        with pytest.raises(SecureMessagingError):
            unwrap_response(host, response)


def test_a_secured_command_is_not_wrapped_again() -> None:
    with pytest.raises(ValueError):
        wrap_command(_state(0x15, 0x01), Command(0x84, 0xCA))


@pytest.mark.parametrize("text", ["", "00" * 27, "00" * 29, "00" * 11 + "03" + "00" * 16])
def test_other_answers_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        InitializeUpdate.parse(bytes.fromhex(text))


def test_lengths_that_cannot_be() -> None:
    with pytest.raises(ValueError):
        StaticKeys(Secret(bytes(16)), Secret(bytes(16)), Secret(bytes(24)))
    with pytest.raises(ValueError):
        derive_session_keys(secret(KEY), secret(KEY), bytes(3))
    with pytest.raises(ValueError):
        encrypt_data(secret(KEY), bytes(15))
    with pytest.raises(ValueError):
        des.ecb_encrypt(Secret(bytes(7)), bytes(8))


def test_a_variant_opens_in_its_own_way_only() -> None:
    keys = derive_session_keys(secret(KEY), secret(KEY), b"\x00\x00")
    with pytest.raises(ValueError):
        Opening(keys, bytes(8), bytes(2), bytes(6), 0x1A)
    with pytest.raises(ValueError):
        implicit_state(keys, keys, AID, 0x15)
    with pytest.raises(ValueError):
        Scp02State(keys, 0x33, 0x15)


def test_keys_do_not_show() -> None:
    opening, state = _opening(0x15), _state(0x15, 0x13 & 0x03)
    static = StaticKeys(secret(KEY), secret(KEY), secret(KEY))
    shown = repr(opening) + repr(state) + repr(static)
    for key in (opening.keys.enc, opening.keys.mac, opening.keys.rmac, static.enc):
        assert key.reveal().hex() not in shown
        assert repr(key.reveal()) not in shown


def test_the_foretold_challenge_depends_on_application_and_counter() -> None:
    keys = [derive_session_keys(secret(KEY), secret(KEY), bytes((0, n))) for n in (0, 1)]
    made = {pseudo_random_challenge(key, aid) for key in keys for aid in (AID, AID[:-1])}
    assert len(made) == 4
    assert {len(challenge) for challenge in made} == {6}


def test_icvs_of_a_session_never_repeat() -> None:
    for i in (0x15, 0x05):
        state, icvs = _state(i), []
        for _ in range(3):
            icvs.append(state.icv)
            state, _ = wrap_command(state, Command(0x80, 0xCA))
        assert all(one != other for one, other in pairwise(icvs))


def _refusal(opening: Opening, command: Command) -> int:
    with pytest.raises(SecureMessagingError) as caught:
        accept_external_authenticate(opening, command)
    return caught.value.sw


def _opening(i: int) -> Opening:
    keys = derive_session_keys(secret(KEY), secret(KEY), b"\x00\x07")
    return Opening(keys, bytes(range(8)), b"\x00\x07", bytes(range(50, 56)), i)


def _state(i: int, level: int = 0x01) -> Scp02State:
    if Options(i).explicit:
        return external_authenticate(_opening(i), level)[0]
    now, later = (derive_session_keys(secret(KEY), secret(KEY), bytes((0, n))) for n in (7, 8))
    return implicit_state(now, later, AID, i)


def _flipped(raw: bytes) -> list[bytes]:
    out = []
    for bit in range(8 * len(raw)):
        copy = bytearray(raw)
        copy[bit // 8] ^= 1 << bit % 8
        out.append(bytes(copy))
    return out
