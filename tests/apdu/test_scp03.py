"""SCP03 against bytes that others made, round trips of both sides, and every flipped bit."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegata.apdu import CardError, Command, MalformedResponse, Response, Secret, StatusError
from tegata.apdu.ports import SessionKeys
from tegata.apdu.scp03 import (
    LEVELS,
    Handshake,
    InitializeUpdate,
    Opening,
    Scp03Host,
    Scp03State,
    SecureMessagingError,
    StaticKeys,
    accept_external_authenticate,
    answered,
    derive_session_keys,
    external_authenticate,
    key_check_value,
    level_allowed,
    pseudo_random_challenge,
    static_session,
    unwrap_command,
    unwrap_key,
    unwrap_response,
    wrap_command,
    wrap_key,
    wrap_response,
)
from tegata.apdu.scp03.crypto import cmac
from tegata.apdu.secure_messaging import pad, unpad

VECTORS = tomllib.loads((Path(__file__).parent / "vectors" / "scp03.toml").read_text(encoding="utf-8"))
KEY = "404142434445464748494A4B4C4D4E4F"


def secret(text: str) -> Secret:
    return Secret(bytes.fromhex(text))


def by_source(name: str) -> Any:
    return pytest.mark.parametrize("vector", VECTORS[name], ids=[entry["source"] for entry in VECTORS[name]])


def channel_keys(vector: dict[str, Any]) -> SessionKeys:
    return SessionKeys(secret(vector["s_enc"]), secret(vector["s_mac"]), secret(vector["s_rmac"]))


@by_source("derivation")
def test_session_keys_of_others(vector: dict[str, Any]) -> None:
    keys = derive_session_keys(
        secret(vector["enc"]),
        secret(vector["mac"]),
        bytes.fromhex(vector["host_challenge"]),
        bytes.fromhex(vector["card_challenge"]),
    )
    if "s_enc" in vector:
        assert keys == channel_keys(vector)
    else:
        made = {"kcv_enc": keys.enc, "kcv_mac": keys.mac, "kcv_rmac": keys.rmac}
        found = {name: key_check_value(key).hex().upper() for name, key in made.items()}
        assert found == {name: vector[name] for name in made}


@by_source("cmac")
def test_cmac_of_nist(vector: dict[str, Any]) -> None:
    assert cmac(secret(vector["key"]), bytes.fromhex(vector["message"])).hex() == vector["mac"]


@by_source("wrapper")
def test_wrapped_commands_of_others(vector: dict[str, Any]) -> None:
    keys = SessionKeys(secret(KEY), secret(KEY), secret(KEY))
    host = card = Scp03State(keys, vector["level"])
    for plain, wrapped in vector["exchanges"]:
        host, sent = wrap_command(host, Command.parse(bytes.fromhex(plain)))
        assert bytes(sent).hex() == wrapped
        card, received = unwrap_command(card, sent)
        assert bytes(received).hex() == plain


@by_source("session")
def test_sessions_of_others(vector: dict[str, Any]) -> None:
    """Both sides reproduce the recorded session: the host its commands, the card its answers."""
    asked = Command.parse(bytes.fromhex(vector["initialize_update"]))
    answer = InitializeUpdate.parse(bytes.fromhex(vector["answer"]))
    assert bytes(answer) == bytes.fromhex(vector["answer"])
    if "aid" in vector:
        aid = bytes.fromhex(vector["aid"])
        assert answer.sequence is not None
        assert pseudo_random_challenge(secret(vector["enc"]), answer.sequence, aid) == answer.challenge
    keys = derive_session_keys(secret(vector["enc"]), secret(vector["mac"]), asked.data, answer.challenge)
    opening = Opening(keys, asked.data, answer.challenge, answer.i)
    assert opening.card_proved(answer.cryptogram)
    proof = Command.parse(bytes.fromhex(vector["external_authenticate"]))
    host, sent = (
        external_authenticate(opening, proof.p1) if level_allowed(proof.p1, answer.i) else (None, None)
    )
    assert sent == proof
    assert host is not None
    card = accept_external_authenticate(opening, proof)
    assert card == host
    for plain, wrapped, *answers in vector["exchanges"]:
        host, sent = wrap_command(host, Command.parse(bytes.fromhex(plain)))
        assert bytes(sent).hex().upper() == wrapped
        card, received = unwrap_command(card, sent)
        assert bytes(received).hex().upper() == plain
        if answers:
            said, protected = (bytes.fromhex(text) for text in answers)
            assert wrap_response(card, Response(said)).data == protected
            assert unwrap_response(host, Response(protected)).data == said


@by_source("channel")
def test_channels_of_others(vector: dict[str, Any]) -> None:
    """Published secure messaging with every key size and with 16-byte MACs."""
    state = Scp03State(
        channel_keys(vector), vector["level"], vector["mac_length"], bytes.fromhex(vector["chaining"])
    )
    plain = Command.parse(bytes.fromhex(vector["plain"]))
    host, sent = wrap_command(state, plain)
    assert bytes(sent).hex().upper() == vector["wrapped"]
    card, received = unwrap_command(state, sent)
    assert (received, card) == (plain, host)
    if "answer" in vector:
        said, protected = bytes.fromhex(vector["answer"]), bytes.fromhex(vector["wrapped_answer"])
        assert unwrap_response(host, Response(protected)).data == said
        assert wrap_response(card, Response(said)).data == protected


@by_source("empty_data")
def test_both_forms_of_empty_data_are_understood(vector: dict[str, Any]) -> None:
    channel = VECTORS["empty_data_channel"]
    state = Scp03State(channel_keys(channel), 0x33, chaining=bytes.fromhex(channel["chaining"]))
    after, plain = unwrap_command(state, Command.parse(bytes.fromhex(vector["wrapped"])))
    assert (plain.header.hex(), plain.data, after.counter) == ("00ca00e0", b"", 1)
    _, ours = wrap_command(state, Command.parse(bytes.fromhex("00CA00E0")))
    assert (bytes(ours).hex().upper() == vector["wrapped"]) is vector.get("wrapped_by_us", False)


@by_source("key_wrap")
def test_key_wraps_of_others(vector: dict[str, Any]) -> None:
    dek, key = secret(vector["dek"]), secret(vector["key"])
    assert wrap_key(dek, key) == bytes.fromhex(vector["wrapped"])
    assert unwrap_key(dek, bytes.fromhex(vector["wrapped"])) == key


@by_source("kcv")
def test_check_values_of_others(vector: dict[str, Any]) -> None:
    assert key_check_value(secret(vector["key"])).hex().upper() == vector["kcv"]


def test_yubico_vectors() -> None:
    yubico = VECTORS["yubico"]
    blank = Secret(bytes(16))
    line = yubico["host_cryptogram"]
    opening = Opening(
        SessionKeys(blank, secret(line["s_mac"]), blank),
        bytes.fromhex(line["host_challenge"]),
        bytes.fromhex(line["card_challenge"]),
        0x70,
    )
    assert opening.host_cryptogram.hex().upper() == line["cryptogram"]
    line = yubico["encrypt"]
    state = Scp03State(SessionKeys(secret(line["s_enc"]), blank, blank), 0x33, counter=line["counter"] - 1)
    _, sent = wrap_command(state, Command(0x80, 0xE2, data=bytes.fromhex(line["plain"])))
    assert sent.data[:-8].hex().upper() == line["cipher"]
    line = yubico["response_mac"]
    keys = SessionKeys(secret(yubico["decrypt"]["s_enc"]), blank, secret(line["s_rmac"]))
    state = Scp03State(keys, 0x33, chaining=bytes.fromhex(line["chaining"]), counter=1)
    answer = Response(bytes.fromhex(line["data"] + line["mac"]))
    assert unwrap_response(state, answer).data.hex() == yubico["decrypt"]["plain"]
    assert line["data"] == yubico["decrypt"]["cipher"]


# Round trips: what one side wraps the other unwraps, at every level, key size and MAC length.

commands = st.builds(
    Command,
    cla=st.sampled_from([0x00, 0x80, 0x01, 0x83]),
    ins=st.integers(0, 255).filter(lambda ins: ins >> 4 not in (6, 9)),
    p1=st.integers(0, 255),
    p2=st.integers(0, 255),
    data=st.binary(max_size=300),
    le=st.none() | st.integers(1, 65536),
    extended=st.just(True),
) | st.builds(
    Command,
    cla=st.sampled_from([0x00, 0x80, 0x02, 0x81]),
    ins=st.integers(0, 255).filter(lambda ins: ins >> 4 not in (6, 9)),
    data=st.binary(max_size=255),
    le=st.none() | st.integers(1, 256),
)
responses = st.builds(
    Response, st.binary(max_size=200), st.sampled_from([0x9000, 0x6282, 0x63C2, 0x6A82, 0x6985])
)


@st.composite
def openings(draw: st.DrawFn) -> Opening:
    size = draw(st.sampled_from([16, 24, 32]))
    s16 = draw(st.booleans())
    length = 16 if s16 else 8
    enc, mac = (Secret(draw(st.binary(min_size=size, max_size=size))) for _ in range(2))
    host, card = (draw(st.binary(min_size=length, max_size=length)) for _ in range(2))
    return Opening(derive_session_keys(enc, mac, host, card), host, card, 0x71 if s16 else 0x70)


@given(openings(), st.sampled_from(LEVELS), st.lists(st.tuples(commands, responses), max_size=4))
def test_round_trip(opening: Opening, level: int, exchanges: list[tuple[Command, Response]]) -> None:
    host, proof = external_authenticate(opening, level)
    card = accept_external_authenticate(opening, Command.parse(bytes(proof)))
    for command, response in exchanges:
        host, sent = wrap_command(host, command)
        card, received = unwrap_command(card, Command.parse(bytes(sent)))
        assert (received.header, received.data) == (command.header, command.data)
        assert card == host
        answered = Response.parse(bytes(wrap_response(card, response)))
        # An error status word carries nothing in a channel with R-MAC.
        bare = bool(level & 0x10) and response.sw >> 8 not in (0x90, 0x62, 0x63)
        assert unwrap_response(host, answered) == (Response(b"", response.sw) if bare else response)


@given(openings(), st.sampled_from(LEVELS[1:]))
def test_the_counter_counts_commands_without_data(opening: Opening, level: int) -> None:
    state, _ = external_authenticate(opening, level)
    for number in range(1, 4):
        state, _ = wrap_command(state, Command(0x80, 0xCA))
        assert state.counter == number


@pytest.mark.parametrize("level", LEVELS[1:])
@pytest.mark.parametrize("i", [0x70, 0x71])
def test_every_flipped_bit_of_a_command_is_refused(level: int, i: int) -> None:
    state, _ = external_authenticate(_opening(i), level)
    _, sent = wrap_command(state, Command(0x80, 0xE2, 0x90, 0x01, bytes.fromhex("0102030405")))
    raw = bytes(sent)
    for tampered in _flipped(raw):
        try:
            command = Command.parse(tampered)
        except ValueError:
            continue
        if command.cla & 0x80 == 0x80 and tampered[1:] == raw[1:] and command.cla & 0x04:
            continue  # the logical channel and the chaining bit are not covered by the MAC
        with pytest.raises(SecureMessagingError):
            unwrap_command(state, command)


@pytest.mark.parametrize("level", [0x11, 0x13, 0x33])
@pytest.mark.parametrize("i", [0x70, 0x71])
@pytest.mark.parametrize("body", [b"", b"\x01\x02\x03"])
def test_every_flipped_bit_of_a_response_is_refused(level: int, i: int, body: bytes) -> None:
    state, _ = external_authenticate(_opening(i), level)
    state, _ = wrap_command(state, Command(0x80, 0xCA))
    raw = bytes(wrap_response(state, Response(body)))
    for tampered in _flipped(raw):
        with pytest.raises(SecureMessagingError):
            unwrap_response(state, Response.parse(tampered))


def test_every_flipped_bit_of_external_authenticate_is_refused() -> None:
    opening = _opening(0x70)
    _, proof = external_authenticate(opening, 0x01)
    raw = bytes(proof)
    for tampered in _flipped(raw):
        try:
            command = Command.parse(tampered)
        except ValueError:
            continue
        if tampered[1:] == raw[1:] and command.cla & 0x04:
            continue
        with pytest.raises(SecureMessagingError):
            accept_external_authenticate(opening, command)


def test_a_response_without_its_mac_is_refused() -> None:
    state, _ = external_authenticate(_opening(0x70), 0x11)
    state, _ = wrap_command(state, Command(0x80, 0xCA))
    for response in (Response(), Response(bytes(7)), Response(b"\x01", 0x6A80)):
        with pytest.raises(SecureMessagingError):
            unwrap_response(state, response)
    assert unwrap_response(state, Response(sw=0x6A80)) == Response(sw=0x6A80)


def test_a_replayed_command_is_refused() -> None:
    state, _ = external_authenticate(_opening(0x70), 0x33)
    _, sent = wrap_command(state, Command(0x80, 0xCA, 0, 0x66))
    after, _ = unwrap_command(state, sent)
    with pytest.raises(SecureMessagingError):
        unwrap_command(after, sent)


def test_marks_follow_into_the_channel() -> None:
    state, _ = external_authenticate(_opening(0x70), 0x11)
    command = Command(0x80, 0xD8, data=b"\x01\x02\x03", secret=((1, None),), secret_answer=((0, 2),))
    _, sent = wrap_command(state, command)
    assert (sent.secret, sent.secret_answer) == (((1, 3),), ((0, 2),))
    _, sent = wrap_command(replace(state, level=0x33), command)
    assert (sent.secret, sent.secret_answer) == (((0, None),), ((0, None),))


@pytest.mark.parametrize("level", LEVELS)
def test_max_data_is_exact(level: int) -> None:
    state, _ = external_authenticate(_opening(0x70), level)
    fits = wrap_command(state, Command(0x80, 0xE2, data=bytes(state.max_data)))[1]
    assert not fits.extended
    if state.max_data < 255:
        above = wrap_command(state, Command(0x80, 0xE2, data=bytes(state.max_data + 1)))[1]
        assert above.extended


@given(st.binary(max_size=64))
def test_padding(data: bytes) -> None:
    for size in (8, 16):
        assert unpad(pad(data, size), size) == data


@pytest.mark.parametrize("block", [bytes(16), b"\x80" + bytes(31), b"\x01" * 16, b""])
def test_wrong_padding(block: bytes) -> None:
    with pytest.raises(SecureMessagingError):
        unpad(block, 16)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "00000000000000000000300370",
        "00000000000000000000300270" + "00" * 19,
        "00000000000000000000300370" + "00" * 16,
        "00000000000000000000300370" + "00" * 20,
        "00000000000000000000300360" + "00" * 19,
        "00000000000000000000300371" + "00" * 19,
    ],
)
def test_answers_of_other_lengths_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        InitializeUpdate.parse(bytes.fromhex(text))


def test_192_bit_keys_wrap_and_unwrap() -> None:
    dek, key = Secret(bytes(range(24))), Secret(bytes(range(100, 124)))
    wrapped = wrap_key(dek, key)
    assert len(wrapped) == 32
    assert unwrap_key(dek, wrapped, 24) == key
    for length in (8, 16, 33):
        with pytest.raises(ValueError):
            unwrap_key(dek, wrapped, length)


def test_levels_follow_the_i_parameter() -> None:
    offered = {i: [level for level in LEVELS if level_allowed(level, i)] for i in (0x00, 0x20, 0x60)}
    assert offered == {0x00: [0, 1, 3], 0x20: [0, 1, 3, 0x11, 0x13], 0x60: list(LEVELS)}
    with pytest.raises(ValueError):
        external_authenticate(_opening(0x10), 0x33)


# R-MAC sessions inside a channel, and cards that miscount.


def test_an_r_mac_session_raises_and_lowers_the_responses() -> None:
    begin, end = Command(0x80, 0x7A, 0x30, 0x01, b"\x00"), Command(0x80, 0x78, 0x00, 0x03, le=256)
    host, proof = external_authenticate(_opening(0x70), 0x03)
    card = accept_external_authenticate(_opening(0x70), proof)
    sizes = []
    for command in (
        Command(0x80, 0xCA, le=256),
        begin,
        Command(0x80, 0xCA, le=256),
        end,
        begin.with_(p1=0x10),
    ):
        host, sent = wrap_command(host, command)
        card, _ = unwrap_command(card, sent)
        wire = wrap_response(card, Response(b"abc"))
        assert unwrap_response(host, wire).data == b"abc"
        host, card = answered(host, wire.sw), answered(card, wire.sw)
        assert host == card
        sizes.append((len(wire.data), host.response_level))
    # BEGIN itself is answered as before it, END still as in the session.
    assert sizes == [(3, 0x03), (3, 0x33), (24, 0x33), (24, 0x03), (3, 0x13)]


def test_a_refused_begin_changes_nothing() -> None:
    host, _ = external_authenticate(_opening(0x70), 0x03)
    host, _ = wrap_command(host, Command(0x80, 0x7A, 0x30, 0x01, b"\x00"))
    assert answered(host, 0x6985) == host
    host, _ = wrap_command(host, Command(0x00, 0x7A, 0x30, 0x01, b"\x00"))
    assert answered(host, 0x9000) == host


def test_a_card_that_does_not_count_commands_without_data() -> None:
    state, _ = external_authenticate(_opening(0x70), 0x33)
    faulty, _ = wrap_command(replace(state, counts_all=False), Command(0x80, 0xCA))
    right, _ = wrap_command(state, Command(0x80, 0xCA))
    assert (faulty.counter, right.counter) == (0, 1)
    assert faulty.chaining == right.chaining
    faulty, sent = wrap_command(faulty, Command(0x80, 0xE2, data=b"\x01"))
    card = replace(state, counts_all=False, chaining=right.chaining)
    assert unwrap_command(card, sent) == (faulty, Command(0x80, 0xE2, data=b"\x01"))
    assert faulty.counter == 1
    # A card that counts right makes nothing of it.
    with pytest.raises(SecureMessagingError):
        unwrap_command(right, sent)


# The host that talks.


class RecordedCard:
    """The card of pySim's AES-128 level 33 session, answering its own recorded bytes."""

    def __init__(self, vector: dict[str, Any]) -> None:
        self.sent: list[str] = []
        exchange = vector["exchanges"][0]
        self.answers = {
            vector["initialize_update"]: Response(bytes.fromhex(vector["answer"])),
            vector["external_authenticate"]: Response(),
            exchange[1]: Response(bytes.fromhex(exchange[3])),
        }

    def __call__(self, command: Command) -> Response:
        self.sent.append(bytes(command).hex().upper())
        return self.answers.get(self.sent[-1], Response(sw=0x6985))


PYSIM_33 = next(vector for vector in VECTORS["session"] if "AES-128, level 33" in vector["source"])


def _static(vector: dict[str, Any]) -> StaticKeys:
    return StaticKeys(secret(vector["enc"]), secret(vector["mac"]), Secret(bytes(16)))


def test_the_host_replays_a_recorded_session() -> None:
    card = RecordedCard(PYSIM_33)
    challenge = Command.parse(bytes.fromhex(PYSIM_33["initialize_update"])).data
    host = Scp03Host.open(card, static_session(_static(PYSIM_33)), version=0x30, host_challenge=challenge)
    plain, _, said, _ = PYSIM_33["exchanges"][0]
    assert host.exchange(Command.parse(bytes.fromhex(plain)), card).data.hex().upper() == said
    assert host.alive


def test_a_wrong_card_cryptogram_sends_nothing_more() -> None:
    card = RecordedCard(PYSIM_33)
    challenge = Command.parse(bytes.fromhex(PYSIM_33["initialize_update"])).data
    handshake = Handshake.begin(card, version=0x30, host_challenge=challenge)
    wrong = static_session(StaticKeys(secret(KEY), secret(KEY), secret(KEY)))
    assert not handshake.matches(wrong)
    assert handshake.matches(static_session(_static(PYSIM_33)))
    with pytest.raises(CardError) as caught:
        handshake.authenticate(wrong)
    assert caught.value.code == "gp.cryptogram"
    assert len(card.sent) == 1


def test_other_key_version_and_refusals() -> None:
    challenge = Command.parse(bytes.fromhex(PYSIM_33["initialize_update"])).data
    answer = Response(bytes.fromhex(PYSIM_33["answer"]))
    with pytest.raises(CardError) as caught:
        Handshake.begin(lambda command: answer, version=0x31, host_challenge=challenge)
    assert caught.value.code == "gp.key_version"
    with pytest.raises(StatusError):
        Handshake.begin(lambda command: Response(sw=0x6A88), version=0x31)
    with pytest.raises(MalformedResponse):
        Handshake.begin(lambda command: Response(b"\x00" * 28))
    with pytest.raises(MalformedResponse):
        Handshake.begin(lambda command: answer, s16=True)


@pytest.mark.parametrize("reply", [Response(), Response(bytes(24)), Response(b"\x00", 0x6A80)])
def test_an_unverifiable_answer_kills_the_channel(reply: Response) -> None:
    state, _ = external_authenticate(_opening(0x70), 0x33)
    host = Scp03Host(state, InitializeUpdate.parse(bytes.fromhex(PYSIM_33["answer"])))
    with pytest.raises(CardError) as caught:
        host.exchange(Command(0x80, 0xCA), lambda command: reply)
    assert caught.value.code == "gp.channel_dead"
    _assert_dead(host)


def test_an_exchange_that_breaks_off_kills_the_channel() -> None:
    state, _ = external_authenticate(_opening(0x70), 0x01)
    host = Scp03Host(state, InitializeUpdate.parse(bytes.fromhex(PYSIM_33["answer"])))

    def torn(command: Command) -> Response:
        raise MalformedResponse("nothing")

    with pytest.raises(MalformedResponse):
        host.exchange(Command(0x80, 0xCA), torn)
    _assert_dead(host)


def test_an_error_status_word_advances_the_channel() -> None:
    state, _ = external_authenticate(_opening(0x70), 0x33)
    host = Scp03Host(state, InitializeUpdate.parse(bytes.fromhex(PYSIM_33["answer"])))
    card = state

    def refuse(command: Command) -> Response:
        nonlocal card
        card, _ = unwrap_command(card, command)
        return wrap_response(card, Response(sw=0x6A88))

    for number in (1, 2):
        assert host.exchange(Command(0x80, 0xCA), refuse).sw == 0x6A88
        assert card.counter == number


def test_keys_do_not_show() -> None:
    opening = _opening(0x70)
    state, _ = external_authenticate(opening, 0x33)
    shown = repr(opening) + repr(state) + repr(_static(PYSIM_33)) + repr(opening.keys)
    for key in (opening.keys.enc, opening.keys.mac, opening.keys.rmac):
        assert key.reveal().hex() not in shown
        assert repr(key.reveal()) not in shown


def _assert_dead(host: Scp03Host) -> None:
    assert not host.alive
    with pytest.raises(CardError) as caught:
        host.exchange(Command(0x80, 0xCA), lambda command: Response())
    assert caught.value.code == "gp.channel_dead"


def _opening(i: int) -> Opening:
    length = 16 if i & 0x01 else 8
    host, card = bytes(range(length)), bytes(range(50, 50 + length))
    return Opening(derive_session_keys(secret(KEY), secret(KEY), host, card), host, card, i)


def _flipped(raw: bytes) -> list[bytes]:
    out = []
    for bit in range(8 * len(raw)):
        copy = bytearray(raw)
        copy[bit // 8] ^= 1 << bit % 8
        out.append(bytes(copy))
    return out
