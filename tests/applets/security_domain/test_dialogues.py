"""Every command of content management, byte by byte, as GPC 2.3.1 and the hosts of others write it."""

import hashlib
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tegata.apdu import Secret, Tlv
from tegata.apdu.errors import CardError, InputError, MalformedResponse, StatusError
from tegata.applets.security_domain import (
    Authority,
    ControlReference,
    DapBlock,
    Dgi,
    DomainParameters,
    Encryption,
    InstallParameters,
    Load,
    LoadParameters,
    Privilege,
    Structure,
    keys,
    life_cycle,
    loading,
    personalization,
    ready_token,
)
from tegata.applets.security_domain.manager import OFF_THE_RECORD, Session
from tegata.applets.security_domain.manager.data import StoreData
from tegata.applets.security_domain.model import SystemParameter, requests
from tegata.applets.security_domain.model.signatures import SymmetricKey, signer

from .scripted import dialogue

PACKAGE, APPLET = bytes.fromhex("A00000000101"), bytes.fromhex("A0000000010101")
DOMAIN = bytes.fromhex("F0746567617461AA")
REFERENCE = ControlReference(bytes.fromhex("112233"), bytes.fromhex("0001"), b"\xa1\xb2", b"\x00\x07")
B6 = "B6124203112233450200015F2002A1B293020007"
TEST_KEY = SymmetricKey(Secret(bytes(range(0x40, 0x50))))
INSTALL_TOKEN, DELETE_TOKEN = "C06960072E061CACDF332FFC0B50C065", "05324714CDE770F9FF97F581F3AC48C7"
DELETE_RECEIPT = "1D10198935673013FB664B42074C6A3B378B020005051122330001020007"
SAID_NOTHING = "00 9000"


def test_install() -> None:
    with dialogue(
        "80E60C00 1D 06A00000000101 07A0000000010101 07A0000000010101 0100 02C900 00 00", SAID_NOTHING,
        "80E60400 1D 06A00000000101 07A0000000010101 07A0000000010101 0104 02C900 00 00", SAID_NOTHING,
        "80E60C00 24 06A00000000101 07A0000000010101 07A0000000010101 03800080 07C905AABBCCDDEE 00 00",
        "9000",
        "80E60C00 2A 06A00000000101 07A0000000010101 07A0000000010101 0100"
        " 0FC901AAEF0AC8020400C70400010000 00 00",
        SAID_NOTHING,
    ) as domain:  # fmt: skip
        domain.install(PACKAGE, APPLET, APPLET)
        domain.install(PACKAGE, APPLET, APPLET, privileges=Privilege.CARD_RESET, selectable=False)
        both = Privilege.SECURITY_DOMAIN | Privilege.RECEIPT_GENERATION
        domain.install(PACKAGE, APPLET, APPLET, privileges=both, parameters=bytes.fromhex("AABBCCDDEE"))
        quota = {SystemParameter.NON_VOLATILE_QUOTA: 1024, SystemParameter.VOLATILE_QUOTA: 65536}
        domain.install(PACKAGE, APPLET, APPLET, parameters=InstallParameters(b"\xaa", quota))


def test_the_other_forms_of_install() -> None:
    with dialogue(
        "80E60800 0E 00 00 07A0000000010101 0104 00 00 00", SAID_NOTHING,
        "80E61000 15 08F0746567617461AA 00 07A0000000010101 00 00 00 00", SAID_NOTHING,
        "80E64000 0E 00 00 07A0000000010101 0104 00 00 00", SAID_NOTHING,
        "80E62000 0D 00 00 07A0000000010101 00 00 00 00", "9000",
    ) as domain:  # fmt: skip
        domain.make_selectable(APPLET, privileges=Privilege.CARD_RESET)
        domain.extradite(APPLET, DOMAIN)
        domain.update_registry(APPLET, privileges=Privilege.CARD_RESET)
        domain.install_for_personalization(APPLET)


def test_a_domain_is_made_from_the_package_that_the_card_has() -> None:
    old = "E317 4F07A0000000035350 9F700101 8408A000000003535041"
    with dialogue(
        "80F21002094F07A000000151535000", "6A88",
        "80F21002094F07A000000003535000", old + "9000",
        "80E60C00 2C 07A0000000035350 08A000000003535041 08F0746567617461AA 0180"
        " 0EC90C 81020370 82022020 87022020 00 00", SAID_NOTHING,
    ) as domain:  # fmt: skip
        allowed = DomainParameters.ALLOWED
        domain.create_domain(DOMAIN, parameters=DomainParameters(((3, 0x70),), allowed, allowed))
    with (
        dialogue(
            "80F21002094F07A000000151535000", "6A88", "80F21002094F07A000000003535000", "6A88"
        ) as domain,
        pytest.raises(CardError) as caught,
    ):
        domain.create_domain(DOMAIN)
    assert caught.value.code == "gp.no_domain_package"


def test_delete() -> None:
    with dialogue(
        "80E40000 09 4F07A0000000010101 00", SAID_NOTHING,
        "80E40080 08 4F06A00000000101 00", "9000",
        "80E40000 09 4F07A0000000010101 00", "6A88",
    ) as domain:  # fmt: skip
        domain.delete(APPLET)
        domain.delete(PACKAGE, related=True)
        with pytest.raises(StatusError):
            domain.delete(APPLET, PACKAGE)


def test_tokens_go_in_and_receipts_come_out() -> None:
    with dialogue(
        f"80E60C00 41 06A00000000101 07A0000000010101 07A0000000010101 0100 16C900{B6} 10{INSTALL_TOKEN} 00",
        SAID_NOTHING,
        f"80E40000 2F 4F07A0000000010101 {B6} 9E10{DELETE_TOKEN} 00", DELETE_RECEIPT + "9000",
    ) as domain:  # fmt: skip
        domain.authority = Authority(signer(TEST_KEY), REFERENCE, TEST_KEY)
        assert domain.install(PACKAGE, APPLET, APPLET) is None
        (receipt,) = domain.delete(APPLET)
    assert receipt.verified
    assert receipt.to_json()["counter"] == 5


def test_a_receipt_for_something_else_is_found_out() -> None:
    with dialogue(f"80E40000 1C 4F06A00000000101 {B6} 00", DELETE_RECEIPT + "9000") as domain:
        domain.authority = Authority(None, REFERENCE, TEST_KEY)
        with pytest.raises(CardError) as caught:
            domain.delete(PACKAGE)
    assert caught.value.code == "gp.receipt"
    with dialogue(f"80E40000 1C 4F06A00000000101 {B6} 00", DELETE_RECEIPT + "9000") as domain:
        domain.authority = Authority(reference=REFERENCE)
        assert domain.delete(PACKAGE)[0].verified is None
    lies = dialogue("80E40000 08 4F06A00000000101 00", "1D10AA9000")
    with lies as domain, pytest.raises(MalformedResponse):
        domain.delete(PACKAGE)


def test_a_ready_token_serves_once() -> None:
    first = f"80E40000 1B 4F07A0000000010101 9E10{DELETE_TOKEN} 00"
    with dialogue(first, "9000") as domain:
        domain.authority = Authority(ready_token(bytes.fromhex(DELETE_TOKEN)))
        domain.delete(APPLET)
        with pytest.raises(CardError) as caught:
            domain.delete(APPLET)
    assert caught.value.code == "gp.token_used"


def test_a_long_install_goes_in_pieces_marked_in_p1() -> None:
    # GPC 2.3.1 §11.1.5.1: a token of RSA-2048 does not fit; only the last piece is answered with data.
    token = bytes(256)
    request = requests.extradition_request(b"", APPLET, DOMAIN)
    whole = request.command(token).data
    assert whole.hex().endswith("0000" + "820100" + "00" * 256)
    size = len(whole) - 255
    with dialogue(
        "80E69000 FF" + whole[:255].hex(), "9000",
        f"80E61000 {size:02X}" + whole[255:].hex() + "00", SAID_NOTHING,
    ) as domain:  # fmt: skip
        domain.authority = Authority(ready_token(token))
        domain.extradite(APPLET, DOMAIN)
    with dialogue(
        f"80E61000 00 {len(whole):04X}" + whole.hex() + "0000", SAID_NOTHING, extended=True
    ) as domain:  # fmt: skip
        domain.card.profile.max_command = 1000
        domain.authority = Authority(ready_token(token))
        domain.extradite(APPLET, DOMAIN)


CODE = bytes(range(200)) + bytes(100)
LOAD = Load(CODE, PACKAGE, (APPLET,), b"\x01\x00")


def test_load_in_the_largest_blocks() -> None:
    stream = "C482012C" + CODE.hex()
    with dialogue(
        "80E60200 13 06A00000000101 08A000000151000000 00 00 00 00", SAID_NOTHING,
        "80E80000 FF" + stream[:510] + "00", "9000",
        "80E88001 31" + stream[510:] + "00", SAID_NOTHING,
    ) as domain:  # fmt: skip
        seen: list[tuple[int, int]] = []
        assert domain.load(LOAD, progress=lambda done, of: seen.append((done, of))) is None
        assert seen == [(1, 2), (2, 2)]


def test_load_with_hash_parameters_and_signatures() -> None:
    digest = hashlib.sha256(CODE).digest()
    made = signer(TEST_KEY)(digest)
    stream = (
        bytes.fromhex("E2124F08F0746567617461AAC306AABBCCDDEEFF")
        + bytes.fromhex("E21C4F08F0746567617461BBC310") + made
        + bytes.fromhex("C482012C") + CODE
    )  # fmt: skip
    with dialogue(
        f"80E60200 3D 06A00000000101 08F0746567617461AA 20{digest.hex()} 0AEF08C6020200C8020100 00 00",
        SAID_NOTHING,
        "80E80000 64" + stream[:100].hex() + "00", "9000",
        "80E80001 64" + stream[100:200].hex() + "00", "9000",
        "80E80002 64" + stream[200:300].hex() + "00", "9000",
        f"80E88003 {len(stream) - 300:02X}" + stream[300:].hex() + "00", "9000",
    ) as domain:  # fmt: skip
        domain.max_data = 100
        what = replace(
            LOAD,
            dap=(DapBlock(DOMAIN, bytes.fromhex("AABBCCDDEEFF")),),
            dap_signers={bytes.fromhex("F0746567617461BB"): signer(TEST_KEY)},
            parameters=LoadParameters(code=512, non_volatile=256),
            domain=DOMAIN,
        )
        domain.load(what)


@pytest.mark.parametrize(("name", "length"), [("sha1", 20), ("sha256", 32), ("sha384", 48), ("sha512", 64)])
def test_every_hash(name: str, length: int) -> None:
    digest = hashlib.new(name, CODE).digest()
    assert replace(LOAD, hash_name=name).digest() == digest
    assert len(digest) == length
    assert LOAD.digest() == b""
    assert LOAD.digest(needed=True) == hashlib.sha256(CODE).digest()


def test_load_install_and_make_selectable_in_one() -> None:
    small = replace(LOAD, code=b"\x01\x02\x03")
    with dialogue(
        "80E60E01 13 06A00000000101 08A000000151000000 00 00 00 00", SAID_NOTHING,
        "80E88000 05 C403010203 00", SAID_NOTHING,
        "80E60E03 1D 06A00000000101 07A0000000010101 07A0000000010101 0100 02C900 00 00", SAID_NOTHING,
    ) as domain:  # fmt: skip
        loading.load_install(domain, small, APPLET, APPLET)


def test_block_numbers_go_round() -> None:
    lines = ["80E60200 13 06A00000000101 08A000000151000000 00 00 00 00", SAID_NOTHING]
    stream = b"\xc4\x82\x01\x01" + bytes(257)
    for number in range(261):
        last = 0x80 if number == 260 else 0
        lines += [bytes((0x80, 0xE8, last, number & 0xFF, 1, stream[number], 0)).hex(), "9000"]
    with dialogue(*lines) as domain:
        domain.max_data = 1
        domain.load(replace(LOAD, code=bytes(257)))


def test_store_data_in_every_mode() -> None:
    dgi = [Dgi(0x0101, b"\x70\x00")]
    with dialogue(
        "80E2A800 05 0101027000", "9000",
        "80E28800 05 0101027000", "9000",
        "80E2E800 05 0101027000", "9000",
        "80E2E900 05 0101027000 00", "AABB 9000",
        "80E29000 05 4203112233", "9000",
        "80E2F100 05 4203112233 00", "CC 9000",
        "80E28000 03 010203", "9000",
        "80E20000 02 0102", "9000", "80E28001 01 03", "9000",
        "80E20800 02 0101", "9000", "80E28801 03 027000", "9000",
    ) as domain:  # fmt: skip
        domain.store_data(dgi)
        domain.store_data(dgi, encryption=Encryption.NONE)
        domain.store_data(dgi, encryption=Encryption.ALL)
        answer = domain.store_data(dgi, encryption=Encryption.ALL, answer=True)
        assert answer.data.hex() == "aabb"
        iin = [Tlv(0x42, bytes.fromhex("112233"))]
        domain.store_objects(iin)
        personalization.store_objects(domain, iin, encryption=Encryption.ALL, answer=True)
        personalization.store_raw(domain, b"\x01\x02\x03")
        personalization.store_chunks(domain, [b"\x01\x02", b"\x03"])
        domain.max_data = 3
        personalization.store_chunks(domain, [b"\x01\x01", b"\x02\x70\x00"], structure=Structure.DGI)
        with pytest.raises(CardError) as caught:
            personalization.store_chunks(domain, [bytes(4)])
        assert caught.value.code == "gp.block_too_long"


def test_what_an_application_answers_to_its_data_is_told() -> None:
    """Case 4: P1 says that an answer is allowed, and Le asks for it."""
    with dialogue(
        "80E62000 0D 00 00 07A0000000010101 00 00 00 00", "9000",
        "80E28100 03 010203 00", "AABB 9000",
    ) as domain:  # fmt: skip
        session = Session(domain.card, domain, OFF_THE_RECORD, lambda _: False, lambda *_: None)
        data = Secret(b"\x01\x02\x03")
        step = StoreData(data, Structure.NONE, target=APPLET, answers=True)
        answered = step.do(session)
        assert answered == {"answer": "AABB"}
        assert list(step.say(answered)) == ["The card answers: AABB"]
        assert step.say({"answer": ""}) == ()


def test_life_cycles() -> None:
    with dialogue(
        "80F04080 07 A0000000010101", "9000",
        "80F04000 07 A0000000010101", "9000",
        "80F06080 08 F0746567617461AA", "9000",
        "80F0400F 08 F0746567617461AA", "9000",
        "80F0807F", "9000", "80F0800F", "9000", "80F080FF", "9000",
    ) as domain:  # fmt: skip
        domain.set_locked(APPLET, locked=True)
        domain.set_locked(APPLET, locked=False)
        domain.set_locked(DOMAIN, locked=True, with_applications=True)
        life_cycle.set_application_state(domain, DOMAIN, 0x0F)
        for state in (life_cycle.CARD_LOCKED, life_cycle.CARD_SECURED, life_cycle.CARD_TERMINATED):
            domain.set_card_state(state)


def test_public_keys() -> None:
    modulus, exponent = (1 << 1023) + 1, 65537
    rsa_key = rsa.RSAPublicNumbers(exponent, modulus).public_key()
    raw = modulus.to_bytes(128, "big").hex()
    point = ec.derive_private_key(1, ec.SECP256R1()).public_key()
    x = "6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296"
    y = "4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5"
    with dialogue(
        "80D80001 8A 70 A18180" + raw + " A003010001 00 00", "70 9000",
        f"80D87301 48 73 B04104{x}{y} F00100 00 00", "73 9000",
        f"80D80001 48 74 B04104{x}{y} F00100 00 00", "9000",
    ) as domain:  # fmt: skip
        domain.put_public_key(rsa_key, 0x70, 1)
        domain.put_public_key(point, 0x73, 1, replace=0x73)
        with pytest.raises(CardError) as caught:
            domain.put_public_key(point, 0x74, 1)
        assert caught.value.code == "gp.key_echo"
        for key, version, code in (
            (point, 0, "gp.version_range"),
            (ec.generate_private_key(ec.SECP256K1()).public_key(), 1, "gp.curve"),
        ):
            with pytest.raises(InputError) as refused:
                domain.put_public_key(key, version, 1)
            assert refused.value.code == code


def test_delete_keys() -> None:
    with dialogue(
        "80E40000 03 D20130 00", "9000",
        "80E40001 03 D20130 00", "9000",
        "80E40000 06 D00101 D20170 00", "9000",
        "80E40000 03 D00113 00", "9000",
    ) as domain:  # fmt: skip
        domain.delete_key_set(0x30)
        domain.delete_key_set(0x30, last=True)
        domain.delete_key(0x70, 1)
        keys.delete_keys(domain, kid=0x13)
        with pytest.raises(ValueError, match="names"):
            keys.delete_keys(domain)


def test_a_key_needs_a_channel() -> None:
    with dialogue() as domain, pytest.raises(CardError) as caught:
        _ = domain.dek
    assert caught.value.code == "gp.no_channel"
