"""ATRs of real cards, read and built again byte for byte, and what is malformed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegata.apdu import Atr
from tegata.apdu.atr import InterfaceBytes
from tegata.apdu.compact_tlv import CardCapabilities, CompactTlv, Historical

# ATRs seen on My Number Cards, resident cards and their readers; all end in a right TCK.
SEEN = {
    "3BE000FF8131FE4514": ((1,), ""),
    "3BDA13FF8131FB468012392F31C173C601C03B": ((1,), "8012392F31C173C601C0"),
    "3BC5FF8131FB458073C6010000": ((1,), "8073C60100"),
    "3B888001000005E0B381A1007F": ((0, 1), "000005E0B381A100"),
    "3B888001000041E0B381A1003B": ((0, 1), "000041E0B381A100"),
    "3B888001004B51FFB381D1000F": ((0, 1), "004B51FFB381D100"),
    "3B888001004B51FF0081D100BC": ((0, 1), "004B51FF0081D100"),
    "3BF59100FF918171FE400042000" + "1B3A115": ((1,), "420001B3A1"),
    "3BF59100FF918171FE4000420001" + "00D1D6": ((1,), "42000100D1"),
    "3B888001000014E0B38191005E": ((0, 1), "000014E0B3819100"),
    "3B80800101": ((0, 1), ""),
}
SEEN_NO_TCK = {"3B00": ((0,), ""), "3F6525002C09699000": ((0,), "2C09699000"), "3B021450": ((0,), "1450")}


@pytest.mark.parametrize("text", [*SEEN, *SEEN_NO_TCK])
def test_seen_atrs(text: str) -> None:
    atr = Atr.parse(bytes.fromhex(text))
    protocols, historical = (SEEN | SEEN_NO_TCK)[text]
    assert (atr.protocols, atr.historical.hex().upper()) == (protocols, historical)
    assert atr.has_tck is (text in SEEN)
    assert bytes(atr).hex().upper() == text


@pytest.mark.parametrize("text", SEEN)
def test_a_wrong_tck_is_refused(text: str) -> None:
    raw = bytearray.fromhex(text)
    raw[-1] ^= 0x01
    with pytest.raises(ValueError, match="TCK"):
        Atr.parse(bytes(raw))


@pytest.mark.parametrize("text", [*SEEN, *SEEN_NO_TCK])
def test_cut_and_longer_atrs_are_refused(text: str) -> None:
    raw = bytes.fromhex(text)
    for length in range(len(raw)):
        with pytest.raises(ValueError):
            Atr.parse(raw[:length])
    with pytest.raises(ValueError):
        Atr.parse(raw + b"\x00")


@pytest.mark.parametrize("text", ["", "3B", "4B00", "3B" * 34, "3B" + "FFFFFFFF" * 9])
def test_malformed_atrs(text: str) -> None:
    with pytest.raises(ValueError):
        Atr.parse(bytes.fromhex(text))


@given(st.binary(max_size=36) | st.binary(max_size=34).map(lambda tail: b"\x3b" + tail))
def test_encode_inverts_parse(raw: bytes) -> None:
    try:
        atr = Atr.parse(raw)
    except ValueError:
        return
    assert bytes(atr) == raw


def test_groups_must_follow_their_td() -> None:
    with pytest.raises(ValueError):
        Atr((InterfaceBytes(protocol=1),))
    with pytest.raises(ValueError):
        Atr((InterfaceBytes(), InterfaceBytes()))
    with pytest.raises(ValueError):
        Atr(())
    with pytest.raises(ValueError):
        Atr(historical=bytes(16))


def test_historical_bytes_of_a_my_number_card() -> None:
    historical = Historical.parse(bytes.fromhex("8012392F31C173C601C0"))
    assert historical.objects == (
        CompactTlv(1, bytes.fromhex("392F")),
        CompactTlv(3, b"\xc1"),
        CompactTlv(7, bytes.fromhex("C601C0")),
    )
    capabilities = historical.capabilities
    assert capabilities == CardCapabilities(0xC6, 0x01, 0xC0)
    assert (capabilities.command_chaining, capabilities.extended_length) == (True, True)
    assert capabilities.short_ef_identifier
    assert bytes(historical).hex().upper() == "8012392F31C173C601C0"


@pytest.mark.parametrize(
    ("text", "capabilities"),
    [("", None), ("8073C60100", CardCapabilities(0xC6, 0x01, 0)), ("004B", None), ("42000100D1", None)],
)
def test_other_historical_bytes(text: str, capabilities: CardCapabilities | None) -> None:
    raw = bytes.fromhex(text)
    try:
        historical = Historical.parse(raw)
    except ValueError:
        assert capabilities is None
        return
    assert historical.capabilities == capabilities
    assert bytes(historical) == raw


@given(st.lists(st.builds(CompactTlv, st.integers(0, 15), st.binary(max_size=15))))
def test_compact_tlv(objects: list[CompactTlv]) -> None:
    assert CompactTlv.parse_all(CompactTlv.build(objects)) == tuple(objects)


@given(st.binary(max_size=15))
def test_random_historical_bytes_raise_nothing_but_value_error(raw: bytes) -> None:
    try:
        assert bytes(Historical.parse(raw)) == raw
    except ValueError:
        assert raw[0] in (0x00, 0x80)
