"""Keys of a domain: PUT KEY of every kind, DELETE [key], key information, older card files."""

from collections.abc import Callable

import pytest

from tegata.simulators.card import MemoryStore, PowerCut, PowerLost, SimulatedCard
from tegata.simulators.card.device import seeded
from tegata.simulators.presets import memory, with_quirks

from .gp_host import DEFAULT, ISD, GpHost, GpRefused, block_with_length, block_without_length, cbc, kcv, kdf

# The base point of P-256 (FIPS 186-5) is the public key of the scalar 1.
POINT = bytes.fromhex(
    "046B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296"
    "4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5"
)
SCALAR = bytes(31) + b"\x01"
MODULUS = b"\xc7" + bytes(126) + b"\x01"
NEW = tuple(bytes([n]) * 16 for n in (0x11, 0x22, 0x33))
EC_PUBLIC = b"\xb0\x41" + POINT + b"\xf0\x01\x00\x00"
EC_PRIVATE = b"\xb1\x20" + cbc(DEFAULT, bytes(16), SCALAR) + b"\xf0\x01\x00\x00"
RSA_PUBLIC = b"\xa1\x81\x80" + MODULUS + b"\xa0\x03\x01\x00\x01\x00"


def card_with(**quirks: bool) -> SimulatedCard:
    content = with_quirks(memory("company-card", 7), dict(quirks))
    card = SimulatedCard(MemoryStore(content), entropy=seeded(b"keys"), contactless=False)
    card.power_up()
    return card


@pytest.fixture
def host() -> GpHost:
    return GpHost(card_with().transmit).open(0x01)


def put(host: GpHost, kid: int, data: bytes, replaced: int = 0) -> tuple[bytes, int]:
    return host.send(0x80, 0xD8, replaced, kid, data)


def delete(host: GpHost, objects: str, p2: int = 0) -> int:
    return host.send(0x80, 0xE4, 0x00, p2, bytes.fromhex(objects))[1]


def information(host: GpHost) -> str:
    return host.send(0x80, 0xCA, 0x00, 0xE0)[0].hex().upper()


SET = "C00401FF8810C00402FF8810C00403FF8810"


def test_keys_of_every_kind_stand_in_the_key_information(host: GpHost) -> None:
    assert put(host, 0x13, b"\x02" + EC_PRIVATE) == (b"\x02", 0x9000)
    assert put(host, 0x10, b"\x02" + EC_PUBLIC) == (b"\x02", 0x9000)
    assert put(host, 0x01, b"\x73" + RSA_PUBLIC) == (b"\x73", 0x9000)
    token = block_with_length(DEFAULT, NEW[0])
    assert put(host, 0x01, b"\x70" + token) == (b"\x70" + kcv(NEW[0]), 0x9000)
    expected = SET + "C0061002B040F000" + "C0061302B120F000" + "C0060173A180A003" + "C00401708810"
    assert information(host) == "E0" + f"{len(expected) // 2:02X}" + expected


def test_the_extended_form_says_usage_and_access() -> None:
    host = GpHost(card_with(extended_key_information=True).transmit).open(0x01)
    put(host, 0x01, b"\x70" + block_with_length(DEFAULT, NEW[0]))
    told = information(host)
    assert "C00A01FFFF88001001380101" in told
    assert "C00A0170FF88001001810101" in told
    hidden = GpHost(card_with(key_information=False).transmit).open(0x01)
    assert hidden.send(0x80, 0xCA, 0x00, 0xE0)[1] == 0x6A88


def test_a_key_is_replaced_alone_and_may_change_its_version(host: GpHost) -> None:
    assert put(host, 0x13, b"\x02" + EC_PRIVATE)[1] == 0x9000
    assert put(host, 0x13, b"\x02" + EC_PRIVATE)[1] == 0x6A80
    assert put(host, 0x13, b"\x02" + EC_PRIVATE, 0x02)[1] == 0x9000
    assert put(host, 0x13, b"\x03" + EC_PUBLIC, 0x02)[1] == 0x9000
    assert information(host) == "E01A" + SET + "C0061303B040F000"
    assert put(host, 0x13, b"\x04" + EC_PUBLIC, 0x02)[1] == 0x6A88


def test_several_keys_in_one_command(host: GpHost) -> None:
    blocks = EC_PUBLIC + EC_PUBLIC + EC_PUBLIC
    assert put(host, 0x20, b"\x01" + blocks)[1] == 0x6A80
    assert put(host, 0x80 | 0x20, b"\x01" + blocks) == (b"\x01", 0x9000)
    assert information(host).endswith("C0062001B040F000C0062101B040F000C0062201B040F000")


@pytest.mark.parametrize(
    "block",
    [
        b"\xb0\x41" + POINT[:-1] + b"\x00" + b"\xf0\x01\x00\x00",
        b"\xb0\x41" + POINT + b"\xf0\x01\x63\x00",
        b"\xb0\x41" + POINT + b"\x00",
        b"\xb1\x20" + cbc(DEFAULT, bytes(16), bytes(32)) + b"\xf0\x01\x00\x00",
        b"\xb1\x21" + bytes(33) + b"\xf0\x01\x00\x00",
        b"\xa1\x03\x01\x02\x03\xa0\x01\x03\x00",
        b"\xa1\x81\x80" + MODULUS + b"\xa0\x01\x02\x00",
        b"\xb0\x41" + POINT + b"\xf0\x01\x00\x03\x01\x02\x03",
        b"\x88\x11\x0f" + bytes(16) + b"\x00",
        b"\x80\x08" + bytes(8) + b"\x00",
        b"\x99\x01\x00\x00",
        b"\x88\x10" + bytes(16),
        b"\x88\x10" + bytes(16) + b"\x02\x01\x02",
        b"\x03\x01\x02\x03",
    ],
)
def test_what_is_no_key_is_refused(host: GpHost, block: bytes) -> None:
    assert put(host, 0x10, b"\x01" + block)[1] == 0x6A80
    assert information(host) == "E012" + SET


def test_a_set_of_des_keys_under_an_aes_channel(host: GpHost) -> None:
    # Check value of 40..4F with 3DES: facts, section C5.
    block = b"\x80\x10" + cbc(DEFAULT, bytes(16), DEFAULT) + b"\x03" + bytes.fromhex("8BAF47")
    assert put(host, 0x81, b"\x20" + 3 * block) == (b"\x20" + 3 * bytes.fromhex("8BAF47"), 0x9000)
    assert information(host).startswith("E024C00401208010C00402208010C00403208010")
    wrong = block[:-1] + b"\x00"
    assert put(host, 0x81, b"\x21" + 3 * wrong)[1] == 0x6982
    mixed = block + block + block_with_length(DEFAULT, NEW[0])
    assert put(host, 0x81, b"\x21" + mixed)[1] == 0x6A80


@pytest.mark.parametrize(
    ("quirk", "taken", "refused"),
    [
        ("put_key_with_length", block_without_length, block_with_length),
        ("put_key_without_length", block_with_length, block_without_length),
    ],
)
def test_cards_that_know_one_form_alone(
    quirk: str, taken: Callable[[bytes, bytes], bytes], refused: Callable[[bytes, bytes], bytes]
) -> None:
    host = GpHost(card_with(**{quirk: False}).transmit).open(0x01)
    for form, expected in ((refused, 0x6A80), (taken, 0x9000)):
        data = b"\x01" + b"".join(form(DEFAULT, key) for key in NEW)
        assert put(host, 0x81, data)[1] == expected


def test_delete_by_version_by_identifier_and_by_both(host: GpHost) -> None:
    for version in (1, 2):
        for kid in (0x10, 0x13):
            assert put(host, kid, bytes([version]) + (EC_PUBLIC if kid == 0x10 else EC_PRIVATE))[1] == 0x9000
    assert delete(host, "D00110D20101") == 0x9000
    assert "C0061001" not in information(host)
    assert "C0061002" in information(host)
    assert delete(host, "D00113") == 0x9000
    assert information(host) == "E01A" + SET + "C0061002B040F000"
    assert delete(host, "D20102") == 0x9000
    assert delete(host, "D20102") == 0x6A88
    assert delete(host, "D00101") == 0x6A88
    assert delete(host, "D0020101") == 0x6A80
    assert information(host) == "E012" + SET


def test_the_last_key_that_opens_a_channel_goes_only_when_asked_twice(host: GpHost) -> None:
    assert put(host, 0x01, b"\x70" + block_with_length(DEFAULT, NEW[0]))[1] == 0x9000
    assert delete(host, "D201FF") == 0x6985
    assert put(host, 0x13, b"\x01" + EC_PRIVATE)[1] == 0x9000
    assert delete(host, "D201FF") == 0x9000
    assert delete(host, "D00113") == 0x6985
    assert delete(host, "D00113", p2=1) == 0x9000
    assert GpHost(host.transmit).initialize_update().hex() == "6a88"


def test_a_journal_of_the_first_form_is_still_a_card() -> None:
    content = memory("company-card", 7)
    own = f"app/{ISD.hex()}/"
    content[own + "key/ff"] = b"\x10" + 3 * DEFAULT
    card = SimulatedCard(MemoryStore(content), entropy=seeded(b"keys"), contactless=False)
    card.power_up()
    host = GpHost(card.transmit).open(0x33)
    assert information(host) == "E012" + SET
    data = b"\x01" + b"".join(block_with_length(DEFAULT, key) for key in NEW)
    assert put(host, 0x81, data, 0xFF)[1] == 0x9000
    GpHost(card.transmit, NEW).open(0x33)


def test_the_quirk_of_a_mixed_set() -> None:
    """ENC is new, MAC and DEK are old: neither set that the host knows serves it."""
    card = card_with(put_key_torn_set=True)
    data = b"\x01" + b"".join(block_with_length(DEFAULT, key) for key in NEW)
    assert put(GpHost(card.transmit).open(0x33), 0x81, data, 0xFF)[1] == 0x9000
    assert put(GpHost(card.transmit, NEW).open(0x33), 0x81, b"", 0x01)[1] == 0x6A80
    card = card_with(put_key_torn_set=True)
    host = GpHost(card.transmit).open(0x33)
    card.cut = PowerCut(card.writes_done + 4, "before")
    with pytest.raises(PowerLost):
        put(host, 0x81, data, 0xFF)
    card.power_up()
    GpHost(card.transmit, (NEW[0], DEFAULT, DEFAULT)).open(0x33)
    with pytest.raises(GpRefused, match="wrong card cryptogram"):
        GpHost(card.transmit, NEW).open(0x33)
    # The cryptogram is made of MAC alone and deceives; the pseudo-random challenge is made of ENC.
    answer = GpHost(card.transmit).initialize_update()
    sequence = answer[29:32]
    assert answer[13:21] == kdf(NEW[0], 0x02, 64, sequence + ISD)
    assert answer[13:21] != kdf(DEFAULT, 0x02, 64, sequence + ISD)
    deceived = GpHost(card.transmit).open(0x33)
    assert deceived.send(0x80, 0xF2, 0x80, 0x02, bytes.fromhex("4F00"))[1] == 0x6982


def test_keys_of_the_domain_in_data_groupings(host: GpHost) -> None:
    """The layout of ``B7`` and ``B9`` and its ciphertexts are those of facts §2.6, under the DEK 00..0F."""
    dek = bytes(range(16))
    data = b"\x01" + b"".join(block_with_length(DEFAULT, dek) for _ in range(3))
    assert put(host, 0x81, data)[1] == 0x9000
    host = GpHost(host._transmit, (dek, dek, dek)).open(0x01, version=1)
    groupings = (
        "00B930B71080018881011083010296010197020003"
        "B9088201018403504A77B9088201028403F2A8DFB9088201038403D7D0E4"
        "811310D533E59B45A153ED7E5E9C5DFCFD4AAA8113103EF0B1A5E3059DAB21FCE23A7B61C4CA"
        "811310ADDE68F7AD497268D31A0DDD5C74B08F"
    )
    raw = bytes.fromhex(groupings)
    assert host.send(0x80, 0xE2, 0x68, 0x00, raw[:60])[1] == 0x9000
    assert host.send(0x80, 0xE2, 0xE8, 0x01, raw[60:])[1] == 0x9000
    keys = tuple(bytes(range(start, start + 16)) for start in (0x40, 0x50, 0x60))
    GpHost(host._transmit, keys).open(0x33, version=2)  # type: ignore[arg-type]
    again = GpHost(host._transmit, (dek, dek, dek)).open(0x01, version=1)
    assert again.send(0x80, 0xE2, 0xE8, 0x00, raw)[1] == 0x6A80
    wrong = raw.replace(bytes.fromhex("504A77"), bytes.fromhex("504A78")).replace(
        bytes.fromhex("830102"), bytes.fromhex("830103")
    )
    assert again.send(0x80, 0xE2, 0xE8, 0x00, wrong)[1] == 0x6982


def test_no_key_of_a_set_is_replaced_by_one_that_opens_nothing() -> None:
    """A key for tokens in the place of K-ENC would leave a card that nobody opens again."""
    card = SimulatedCard(MemoryStore(memory("gp-card", 7)), entropy=seeded(b"keys"), contactless=False)
    card.power_up()
    host = GpHost(card.transmit)
    host.select()
    host.open(0x03)
    key = block_with_length(DEFAULT, DEFAULT)
    for p2, data in ((0x01, b"\x70" + key), (0x81, b"\x70" + 3 * key), (0x02, b"\x71" + key)):
        assert host.send(0x80, 0xD8, 0xFF, p2, data)[1] == 0x6A80
    host.select()
    host.open(0x03, version=0xFF)
