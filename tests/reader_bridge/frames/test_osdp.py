"""OSDP packets, against what libosdp 3.2.9 put on the line."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegata.reader_bridge.frames.osdp import (
    Capability,
    ClientCryptogram,
    Code,
    Decoder,
    Function,
    Nak,
    Packet,
    PdId,
    Reply,
    encode,
    is_protected,
    parse_capabilities,
)
from tegata.reader_bridge.frames.osdp_vendor import text_of

ID = "ff53050900046100c125"
PDID = "5385140004453322110201040302010102034a68"
CAP = "ff53050900056200a247"
PDCAP = "53851d0005460201010401010501010801000901000a00011002006731"
CHLNG = "ff530513000e03110176d764c8cce93255c4cdcf"
CCRYPT = "53852b000f0312017633220200040302019c4ba3867ef94ac58ee7c51e2f80bc1f42b00e75d74b949a993b"
POLL_SECURED = "ff53050e000e021560b2a7bbd9a2f4"


def only(hexes: str) -> Packet:
    (packet,) = Decoder().feed(bytes.fromhex(hexes))
    return packet


@pytest.mark.parametrize(
    ("wire", "packet"),
    [
        (ID, Packet(5, Code.ID, b"\0", 0)),
        (CAP, Packet(5, Code.CAP, b"\0", 1)),
        (CHLNG, Packet(5, Code.CHLNG, bytes.fromhex("d764c8cce93255c4"), 2, block=b"\x11\x01")),
    ],
)
def test_commands_are_what_libosdp_sends(wire: str, packet: Packet) -> None:
    assert encode(packet).hex() == wire
    assert only(wire) == packet


def test_a_peripheral_says_who_it_is() -> None:
    packet = only(PDID)
    assert (packet.reply, packet.address, packet.code) == (True, 5, Reply.PDID)
    assert PdId.parse(packet.data) == PdId(b"\x33\x22\x11", 2, 1, 0x01020304, (1, 2, 3))
    with pytest.raises(ValueError, match="PDID"):
        PdId.parse(packet.data[:-1])


def test_a_peripheral_says_what_it_can() -> None:
    found = parse_capabilities(only(PDCAP).data)
    assert found[Function.SECURE_CHANNEL] == Capability(1, 0)
    assert found[Function.LED] == Capability(1, 1)
    assert Function.TEXT not in found
    with pytest.raises(ValueError, match="capabilities"):
        parse_capabilities(b"\x01\x02")


def test_a_peripheral_answers_a_challenge() -> None:
    answer = ClientCryptogram.parse(only(CCRYPT))
    assert answer.cuid.hex() == "3322020004030201"
    assert answer.random.hex() == "9c4ba3867ef94ac5"
    assert answer.cryptogram.hex() == "8ee7c51e2f80bc1f42b00e75d74b949a"
    assert not answer.default_key
    with pytest.raises(ValueError, match="cryptogram"):
        ClientCryptogram.parse(only(PDID))


def test_what_a_secure_channel_protects_is_told_apart() -> None:
    assert is_protected(only(POLL_SECURED))
    assert not is_protected(only(CHLNG))
    assert not is_protected(only(ID))


def test_a_checksum_instead_of_a_crc() -> None:
    packet = Packet(5, Reply.NAK, bytes((Nak.CONDITIONS,)), 1, reply=True, crc=False)
    wire = encode(packet)
    assert wire.hex() == "ff538508000141 06d8".replace(" ", "")
    assert sum(wire[1:]) % 256 == 0  # §5.9.5: the two's complement of the sum of all that stands before it
    assert only(wire.hex()) == packet


@given(st.binary(max_size=40), st.binary(max_size=40), st.lists(st.integers(1, 30), max_size=20))
def test_a_packet_is_found_in_any_noise_and_in_any_pieces(
    before: bytes, after: bytes, cuts: list[int]
) -> None:
    """Noise may look like the beginning of a longer packet: enough of what follows shows that it is none."""
    wire = before.replace(b"\x53", b"\x00") + bytes.fromhex(PDID) + after
    decoder, found, at = Decoder(), [], 0
    for cut in [*cuts, len(wire)]:
        found += decoder.feed(wire[at : at + cut])
        at += cut
    assert only(PDID) in found


@given(st.lists(st.binary(max_size=60), max_size=30))
def test_no_noise_hurts_or_stays(pieces: list[bytes]) -> None:
    decoder = Decoder()
    for piece in pieces:
        for packet in decoder.feed(piece):
            assert packet.address < 0x80
    assert len(decoder._pending) < 1440 + 60


@given(st.integers(0, len(bytes.fromhex(CCRYPT)) - 1), st.integers(1, 255))
def test_no_single_spoilt_byte_goes_unnoticed(at: int, mask: int) -> None:
    wire = bytearray.fromhex(CCRYPT)
    wire[at] ^= mask
    assert only(CCRYPT) not in Decoder().feed(bytes(wire))


def test_what_a_peripheral_says_commands_no_terminal() -> None:
    assert text_of(b"gate\x1b[2J\x9b\0") == "gate\ufffd[2J\ufffd"
    assert text_of("\u202egate\u009b1m".encode()) == "\ufffdgate\ufffd1m"
    assert text_of("改札 1".encode()) == "改札 1"
