"""The simulated PIV application by literal APDUs (SP 800-73-5 part 2) and published vectors of 9B."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.hashes import SHA256

from tegata.applets.piv.model import INSTANCE_AID
from tegata.simulators.card import LifeCycle, MemoryStore, RegistryEntry, SimulatedCard
from tegata.simulators.card.device import seeded
from tegata.simulators.card.registry import Kind, entry_key
from tegata.simulators.presets import memory

PIN, WRONG = "313233343536FFFF", "393939393939FFFF"
PUK = "3132333435363738"
GUID = "0c92247e6a3f4f159a3b7f7f0a5c1d01"
DEFAULT_KEY = bytes.fromhex("010203040506070801020304050607080102030405060708")
SELECT = "00A4040009A0000003080000100000"
CHUID = "3019D4E739DA739CED39CE739D836858210842108421C84210C3EB3410" + GUID + "350832303330303333313E00FE00"


def card(algorithm: int = 0x0A, *, contactless: bool = True, profile: int = 0) -> SimulatedCard:
    """A personalised application with nothing but reference data, laid down by hand."""
    content = memory("company-card", seed=3)
    entry = RegistryEntry(INSTANCE_AID, Kind.APPLICATION, LifeCycle.PERSONALIZED, model="piv", order=50)
    content[entry_key(INSTANCE_AID)] = entry.to_bytes()
    length = {0x08: 16, 0x0A: 24}[algorithm]
    own = {
        "pin": bytes.fromhex(PIN),
        "puk": bytes.fromhex(PUK),
        "pin-tries": b"\x03\x03",
        "puk-tries": b"\x03\x03",
        "guid": bytes.fromhex(GUID),
        "9b": bytes((algorithm,)) + DEFAULT_KEY[:length],
        "profile": bytes((profile,)),
    }
    content |= {f"app/{INSTANCE_AID.hex()}/{name}": value for name, value in own.items()}
    made = SimulatedCard(MemoryStore(content), entropy=seeded(b"piv"), contactless=contactless)
    made.power_up()
    exchange(made, SELECT)
    return made


def exchange(target: SimulatedCard, command: str) -> str:
    return target.transmit(bytes.fromhex(command.replace(" ", ""))).hex().upper()


def play(target: SimulatedCard, dialogue: str) -> None:
    """Lines of ``command > answer``."""
    for line in dialogue.strip().splitlines():
        command, answer = line.split(">")
        assert exchange(target, command) == answer.strip().upper(), line


def manage(target: SimulatedCard, algorithm: int = 0x0A) -> None:
    key = AES(DEFAULT_KEY[: {0x08: 16, 0x0A: 24}[algorithm]])
    answer = bytes.fromhex(exchange(target, f"0087{algorithm:02X}9B047C02800000"))
    assert answer[:4] == bytes.fromhex("7C128010")
    cipher = Cipher(key, modes.ECB())  # noqa: S305 - as the standard has it
    witness = cipher.decryptor().update(answer[4:20]).hex()
    host = bytes(range(0x11, 0x21))
    reply = exchange(target, f"0087{algorithm:02X}9B267C248010{witness}8110{host.hex()}")
    assert reply == "7C128210" + cipher.encryptor().update(host).hex().upper() + "9000"


@pytest.mark.parametrize("name", ["A000000308", "A00000030800001000", "A000000308000010000100"])
@pytest.mark.parametrize("le", ["", "00"])
def test_selection_by_every_form_of_the_name(name: str, le: str) -> None:
    template = "61164F0BA00000030800001000010079074F05A0000003089000"
    assert exchange(card(), f"00A40400{len(name) // 2:02X}{name}{le}") == template


def test_pin_dialogue() -> None:
    play(
        card(),
        f"""
        00200080 > 63C3
        0020008000 > 63C3
        0020008008 {WRONG} > 63C2
        00200080083132333435363738 > 63C1
        0020008008 31323334FFFFFFFF > 6A80
        002000800731323334353637 > 6A80
        0020008008 {PIN} > 9000
        0020008000 > 9000
        0020FF80 > 9000
        0020008000 > 63C3
        0020008008 {PIN} > 9000
        {SELECT} > 61164F0BA00000030800001000010079074F05A0000003089000
        00200080 > 9000
        00A4040005A000000999 > 6A82
        00200080 > 9000
        00A4040008A000000151000000 > 6F108408A000000151000000A5049F6501FF9000
        {SELECT} > 61164F0BA00000030800001000010079074F05A0000003089000
        00200080 > 63C3
        00200180 > 6A86
        0020000008 {PIN} > 6A88
        """,
    )


def test_blocking_and_unblocking() -> None:
    play(
        card(),
        f"""
        0020008008 {WRONG} > 63C2
        0020008008 {WRONG} > 63C1
        0020008008 {WRONG} > 63C0
        0020008008 {PIN} > 6983
        00200080 > 6983
        0024008010 {PIN} {WRONG} > 6983
        002C008010 3132333435363739 {WRONG} > 63C2
        002C008010 {PUK} 31323334FFFFFFFF > 6A80
        002C008010 {PUK} {WRONG} > 9000
        00200080 > 63C3
        0020008008 {WRONG} > 9000
        0024008010 {WRONG} {PIN} > 9000
        00200080 > 9000
        0024008110 {PUK} 4142434445464748 > 9000
        0024008110 {PUK} 4142434445464748 > 63C2
        002C008110 {PUK} {PIN} > 6A88
        """,
    )


@pytest.mark.parametrize(
    ("algorithm", "witness", "reply"),
    [
        (0x0A, "3D6E6D9CD337292EE20FB60B8A844F19", "7A5328331F31547B75183A762105C109"),
        (0x08, "F7050F2EA4ADD8E8128F2AD1C1C6265F", "CB028D8EDFA2DFD40FD76209BE36FBC1"),
    ],
)
def test_published_vectors_of_mutual_authentication(algorithm: int, witness: str, reply: str) -> None:
    target = card(algorithm)
    target.entropy = lambda count: bytes(range(1, count + 1))
    clear, host = bytes(range(1, 17)).hex(), bytes(range(0x11, 0x21)).hex()
    play(
        target,
        f"""
        0087{algorithm:02X}9B047C028000 > 7C128010{witness}9000
        0087{algorithm:02X}9B267C248010{clear}8110{host} > 7C128210{reply}9000
        0047009A05AC0380010600 > 6A80
        """,
    )
    # The form with 82 00, and a witness is good for one try only.
    play(
        target,
        f"""
        0087{algorithm:02X}9B047C02800000 > 7C128010{witness}9000
        0087{algorithm:02X}9B287C268010{clear}8110{host}820000 > 7C128210{reply}9000
        0087{algorithm:02X}9B287C268010{clear}8110{host}820000 > 6A80
        00DB3FFF075C035FC1075300 > 6982
        0087039B047C028000 > 6A86
        """,
    )


def test_external_authentication() -> None:
    target = card(0x08)
    target.entropy = lambda count: bytes(range(1, count + 1))
    challenge = bytes(range(1, 17)).hex()
    play(
        target,
        f"""
        0087089B047C02810000 > 7C128110{challenge}9000
        0087089B147C128210F7050F2EA4ADD8E8128F2AD1C1C6265F > 9000
        00DB3FFF095C035FC1075302F000 > 9000
        0087089B047C02810000 > 7C128110{challenge}9000
        0087089B147C12821000000000000000000000000000000000 > 6982
        00DB3FFF095C035FC1075302F000 > 6982
        """,
    )


def test_objects() -> None:
    target = card()
    play(
        target,
        """
        00CB3FFF055C035FC10200 > 6A82
        00CB3FFF035C017E00 > 7E124F0BA0000003080000100001005F2F0240009000
        00CB3FFF035C017E08 > 7E124F0BA0000003610C
        00C000000C > 080000100001005F2F0240009000
        00CB3FFF055C035FC10900 > 6982
        00CB3F00055C035FC10200 > 6A86
        00CB3FFF0553035FC10200 > 6A80
        """,
    )
    manage(target)
    play(
        target,
        f"""
        00DB3FFF425C035FC102533B{CHUID} > 9000
        00CB3FFF055C035FC10200 > 533B{CHUID.upper()}9000
        00DB3FFF425C035FC102533B{CHUID.replace(GUID, "11" * 16)} > 6A80
        00DB3FFF097E124F > 6700
        00DB3FFF147E124F0BA0000003080000100001005F2F024000 > 6A81
        00DB3FFF085C035F0001530100 > 6A81
        00DB3FFF057F61030201 > 6A80
        00DB3FFF067F6103020100 > 9000
        00CB3FFF045C027F6100 > 7F61030201009000
        00DB3FFF075C035FC1025300 > 9000
        00CB3FFF055C035FC10200 > 6A82
        """,
    )


def test_a_large_object_by_chaining_and_by_extended_length() -> None:
    target = card()
    manage(target)
    content = bytes(range(256)) * 2
    body = bytes.fromhex("5C035FC10553820200") + content
    play(
        target,
        f"""
        10DB3FFFFF{body[:255].hex()} > 9000
        10DB3FFFFF{body[255:510].hex()} > 9000
        00DB3FFF0B{body[510:].hex()} > 9000
        00CB3FFF055C035FC105 > 53820200{content[:252].hex().upper()}6100
        00C0000000 > {content[252:508].hex().upper()}6104
        00C0000004 > FCFDFEFF9000
        00DB3FFF000209{body.hex()} > 9000
        00CB3FFF0000055C035FC1050000 > 53820200{content.hex().upper()}9000
        """,
    )


def test_generation_and_signature() -> None:
    target = card()
    assert exchange(target, "0047009A05AC0380011100") == "6982"
    manage(target)
    answer = exchange(target, "0047009A05AC0380011100")
    assert (answer[:10], answer[-4:], len(answer)) == ("7F49438641", "9000", 2 * (70 + 2))
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), bytes.fromhex(answer[10:-4]))
    digest = hashlib.sha256(b"contract").digest()
    sign = f"0087119A267C2482008120{digest.hex()}00"
    assert exchange(target, sign) == "6982"
    assert exchange(target, f"0020008008{PIN}") == "9000"
    template = bytes.fromhex(exchange(target, sign))
    assert (template[0], template[2]) == (0x7C, 0x82)
    public.verify(template[4:-2], digest, ec.ECDSA(Prehashed(SHA256())))
    play(
        target,
        f"""
        0087149A267C2482008120{digest.hex()}00 > 6A86
        0087119C267C2482008120{digest.hex()}00 > 6A86
        0087119A067C0482008500 > 6A80
        0087119A027C00 > 6A80
        """,
    )


def test_9c_wants_the_pin_right_before() -> None:
    target = card()
    manage(target)
    exchange(target, "0047009C05AC0380011100")
    sign = f"0087119C267C2482008120{'55' * 32}00"
    assert exchange(target, f"0020008008{PIN}") == "9000"
    assert exchange(target, sign)[-4:] == "9000"
    assert exchange(target, sign) == "6982"
    exchange(target, f"0020008008{PIN}")
    exchange(target, "00CB3FFF035C017E00")
    assert exchange(target, sign) == "6982"
    exchange(target, f"0020008008{PIN}")
    exchange(target, "0020008000")
    assert exchange(target, sign) == "6982"


def test_key_agreement_gives_the_x_coordinate() -> None:
    target = card()
    manage(target)
    answer = exchange(target, "0047009D05AC0380011100")
    public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), bytes.fromhex(answer[10:-4]))
    exchange(target, f"0020008008{PIN}")
    ours = ec.derive_private_key(4711, ec.SECP256R1())
    numbers = ours.public_key().public_numbers()
    point = f"04{numbers.x:064x}{numbers.y:064x}"
    shared = ours.exchange(ec.ECDH(), public).hex().upper()
    assert exchange(target, f"0087119D477C4582008541{point}00") == f"7C228220{shared}9000"
    assert exchange(target, f"0087119D477C4582008541{point[:-2]}0000") == "6A80"


def test_strict_contactless_rules_are_a_switch() -> None:
    strict = card(profile=0x01)
    play(
        strict,
        f"""
        0020008008 {PIN} > 6982
        002C008010 {PUK} {PIN} > 6A81
        00DB3FFF095C035FC1075302F000 > 6A81
        00870A9B047C028000 > 6982
        00CB3FFF055C035FC10500 > 6982
        00CB3FFF055C035FC10200 > 6A82
        """,
    )
    assert exchange(card(profile=0x01, contactless=False), f"0020008008{PIN}") == "9000"


def test_the_version_command_is_a_switch() -> None:
    assert exchange(card(), "00FD000000") == "6D00"
    yubico = card(profile=0x02)
    assert exchange(yubico, "00FD000000") == "0502049000"
    assert exchange(yubico, "00F8000000") == GUID[-8:].upper() + "9000"
    assert exchange(yubico, "00F7008000") == "6D00"


def test_other_classes_are_refused() -> None:
    play(card(), "80CB3FFF055C035FC10200 > 6E00\n04CB3FFF055C035FC10200 > 6882")
