"""Every line of vectors/tokens.toml, by OpenSSL's command line and by our code (GPC 2.3.1 annex C)."""

import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hypothesis import given
from hypothesis import strategies as st

from tegata.apdu import Secret, Tlv
from tegata.applets.security_domain import model
from tegata.applets.security_domain.model import receipts, signatures, tokens
from tegata.applets.security_domain.model.receipts import Confirmation, Receipt
from tegata.applets.security_domain.model.signatures import SigningKey, SymmetricKey, VerifyingKey
from tegata.applets.security_domain.model.tokens import ControlReference, DapBlock

VECTORS = tomllib.loads((Path(__file__).parent / "vectors" / "tokens.toml").read_text(encoding="utf-8"))
KEYS = VECTORS["keys"]
TOKENS, CHAINED = VECTORS["token"], VECTORS["chained"]
RECEIPTS, DAPS = VECTORS["receipt"], VECTORS["dap"]
ALL = [(kind, line) for kind in ("token", "chained", "receipt", "dap") for line in VECTORS[kind]]
NAMES = [f"{kind}: {line['name']}" for kind, line in ALL]
SCHEMES = ("aes", "des", "rsa1024", "rsa2048", "p256")
DETERMINISTIC = ("aes", "des", "rsa1024")
BOUND = ControlReference(bytes.fromhex("112233"), bytes.fromhex("0001"), b"\xa1\xb2", bytes.fromhex("0007"))
CONTEXTS = {
    "load": receipts.load_context,
    "install": receipts.install_context,
    "load, install and make selectable": receipts.combined_context,
    "extradition": receipts.extradition_context,
    "registry update": receipts.update_context,
    "delete": receipts.delete_context,
}


def lines(group: list[dict[str, Any]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("line", group, ids=[line["name"] for line in group])


def signing_key(scheme: str) -> SigningKey:
    if scheme in ("aes", "des"):
        return SymmetricKey(Secret(bytes.fromhex(KEYS[scheme])), "aes" if scheme == "aes" else "3des")
    key = load_pem_private_key(KEYS[scheme].encode(), None)
    assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    return key


def verifying_key(scheme: str) -> VerifyingKey:
    key = signing_key(scheme)
    return key if isinstance(key, SymmetricKey) else key.public_key()


# OpenSSL


def openssl(*arguments: str, data: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *arguments], input=data, capture_output=True, check=True).stdout


def openssl_cmac(data: bytes) -> bytes:
    key = f"hexkey:{KEYS['aes']}"
    text = openssl("mac", "-cipher", "AES-128-CBC", "-macopt", key, "-in", "-", "CMAC", data=data)
    return bytes.fromhex(text.decode().strip())


def openssl_des_mac(data: bytes) -> bytes:
    """Single DES is triple DES with three times the same key: OpenSSL 3 has the old one no more."""
    data += b"\x80"
    data += bytes(-len(data) % 8)
    first, second = KEYS["des"][:16], KEYS["des"][16:]

    def cbc(key: str, iv: str, block: bytes) -> bytes:
        return openssl("enc", "-des-ede3-cbc", "-nopad", "-K", key, "-iv", iv, data=block)

    iv = cbc(first * 3, "00" * 8, data[:-8])[-8:].hex() if len(data) > 8 else "00" * 8
    return cbc(first + second + first, iv, data[-8:])


def openssl_verifies(scheme: str, data: bytes, signature: bytes, folder: Path) -> bool:
    (folder / "key.pem").write_text(KEYS[scheme], encoding="utf-8")
    public = openssl("pkey", "-in", str(folder / "key.pem"), "-pubout")
    (folder / "public.pem").write_bytes(public)
    options = {
        "rsa1024": ["-sha1"],
        "rsa2048": ["-sha256", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32"],
        "p256": ["-sha256"],
    }[scheme]
    if scheme == "p256":
        half = len(signature) // 2
        r, s = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
        signature = encode_dss_signature(r, s)
    (folder / "signature").write_bytes(signature)
    arguments = ["-verify", str(folder / "public.pem"), "-signature", str(folder / "signature")]
    said = openssl("dgst", *options, *arguments, data=data)
    return said.strip() == b"Verified OK"


@pytest.mark.foreign
@pytest.mark.parametrize(("kind", "line"), ALL, ids=NAMES)
def test_openssl_makes_and_verifies_every_signature(kind: str, line: dict[str, Any], tmp_path: Path) -> None:
    data = bytes.fromhex(line["input"])
    signed = {scheme: bytes.fromhex(line["signatures"][scheme]) for scheme in SCHEMES}
    assert openssl_cmac(data) == signed["aes"]
    assert openssl_des_mac(data) == signed["des"]
    for scheme in ("rsa1024", "rsa2048", "p256"):
        assert openssl_verifies(scheme, data, signed[scheme], tmp_path)


@pytest.mark.foreign
@pytest.mark.parametrize("scheme", ["rsa1024", "rsa2048", "p256"])
def test_openssl_verifies_what_we_sign(scheme: str, tmp_path: Path) -> None:
    assert openssl_verifies(scheme, b"a token", signatures.sign(signing_key(scheme), b"a token"), tmp_path)


# our code


@pytest.mark.parametrize(("kind", "line"), ALL, ids=NAMES)
def test_we_make_and_verify_every_signature(kind: str, line: dict[str, Any]) -> None:
    data = bytes.fromhex(line["input"])
    for scheme in SCHEMES:
        signature = bytes.fromhex(line["signatures"][scheme])
        key = verifying_key(scheme)
        assert signatures.verify(key, data, signature)
        assert not signatures.verify(key, data + b"\x00", signature)
        assert not signatures.verify(key, data, signature[:-1] + bytes((signature[-1] ^ 1,)))
        assert not signatures.verify(key, data, signature[:-1])
        if scheme in DETERMINISTIC:
            assert signatures.sign(signing_key(scheme), data) == signature


@lines(TOKENS)
def test_the_input_of_a_token(line: dict[str, Any]) -> None:
    if line["ins"] == "E4":
        data = b"".join(bytes.fromhex(part) for part in line["objects"])
        parameters = data
    else:
        fields = [bytes.fromhex(part) for part in line["fields"]]
        data, parameters = tokens.join_fields(*fields), fields[-1]
    assert tokens.token_input(line["p1"], line["p2"], data).hex().upper() == line["input"]
    bound = "bound" in line["name"]
    assert tokens.find_control_reference(parameters) == (BOUND if bound else None)
    token = bytes.fromhex(line["signatures"]["rsa2048"])
    if line["ins"] == "E4":
        whole = data + bytes(Tlv(model.Tag.TOKEN, token))
        assert tokens.split_delete(whole)[1:] == (token, data)
        assert tokens.split_delete(data)[1:] == (b"", data)
    else:
        count = tokens.fields_of(line["p1"])
        assert tokens.split_install(data + model.lv(token), count) == (fields, token, data)
        assert tokens.split_install(data + b"\x00", count) == (fields, b"", data)


@lines(CHAINED)
def test_the_input_of_one_token_for_two_commands(line: dict[str, Any]) -> None:
    first, last = (
        tokens.join_fields(*(bytes.fromhex(part) for part in line[which])) for which in ("first", "last")
    )
    made = tokens.chained_token_input([(line["p1"], 0x01, first), (line["p1"], 0x03, last)])
    assert made.hex().upper() == line["input"]


@lines(RECEIPTS)
def test_the_input_of_a_receipt(line: dict[str, Any]) -> None:
    confirmation = Confirmation(
        line["counter"], *(bytes.fromhex(line[part]) for part in ("unique", "number", "digest"))
    )
    assert bytes(confirmation).hex().upper() == line["confirmation"]
    numbered = bool(line["number"])
    assert Confirmation.parse(bytes(confirmation), numbered=numbered) == confirmation
    context = CONTEXTS[line["operation"]](*(bytes.fromhex(part) for part in line["context"]))
    assert receipts.receipt_input(confirmation, context).hex().upper() == line["input"]
    for scheme in SCHEMES:
        receipt = Receipt(bytes.fromhex(line["signatures"][scheme]), confirmation)
        assert Receipt.parse(bytes(receipt), numbered=numbered) == receipt
        assert receipt.verify(verifying_key(scheme), context)
        assert not receipt.verify(verifying_key(scheme), context + b"\x00")


@lines(DAPS)
def test_a_dap_block_carries_the_signature_of_the_hash(line: dict[str, Any]) -> None:
    domain, signature = bytes.fromhex(line["domain"]), bytes.fromhex(line["signatures"]["aes"])
    block = bytes(DapBlock(domain, signature))
    assert block.hex() == "e21c4f08" + domain.hex() + "c310" + signature.hex()
    assert DapBlock.parse(Tlv.parse(block).value) == DapBlock(domain, signature)


def test_the_worked_commands() -> None:
    # Worked by hand and published with this project: DELETE of an application, and its answer.
    by_name = {line["name"]: line for line in TOKENS}
    token = bytes.fromhex(by_name["delete, bound"]["signatures"]["aes"])
    data = bytes.fromhex("4F07A0000000010101") + bytes(BOUND) + bytes(Tlv(model.Tag.TOKEN, token))
    assert data.hex().upper() == (
        "4F07A0000000010101B6124203112233450200015F2002A1B2930200079E1005324714CDE770F9FF97F581F3AC48C7"
    )
    answer = bytes.fromhex("1D10198935673013FB664B42074C6A3B378B020005051122330001020007")
    receipt = Receipt.parse(answer, numbered=True)
    assert receipt is not None
    assert receipt.confirmation == Confirmation(5, bytes.fromhex("1122330001"), bytes.fromhex("0007"))
    assert receipt.verify(verifying_key("aes"), receipts.delete_context(bytes.fromhex("A0000000010101")))
    install = by_name["install and make selectable, bound"]
    assert install["signatures"]["aes"] == "C06960072E061CACDF332FFC0B50C065"


def test_the_inputs_of_another_tool() -> None:
    # kaoh/globalplatform installDataTest.
    fields = (bytes.fromhex("D4D4D4D4D4010101"), b"", bytes.fromhex("D0D1D2D3D4D50101"), b"", b"")
    made = tokens.token_input(0x10, 0x00, tokens.join_fields(*fields))
    assert made.hex().upper() == "10001508D4D4D4D4D40101010008D0D1D2D3D4D501010000"
    deleted = bytes.fromhex("4F07D0D1D2D3D4D5014F08D0D1D2D3D4D50101")
    assert (
        tokens.token_input(0x00, 0x80, deleted).hex().upper()
        == "0080134F07D0D1D2D3D4D5014F08D0D1D2D3D4D50101"
    )


def test_a_receipt_of_a_real_card_with_and_without_the_outer_length() -> None:
    # kaoh/globalplatform: 15 10 receipt 02 counter 00; its parser takes both forms.
    inner = "10" + "A5" * 16 + "02000100"
    for answer in ("15" + inner, inner):
        receipt = Receipt.parse(bytes.fromhex(answer))
        assert receipt == Receipt(b"\xa5" * 16, Confirmation(1))
    assert Receipt.parse(b"") is None
    assert Receipt.parse(b"\x00") is None


def test_a_long_input_has_a_length_of_three_bytes() -> None:
    assert tokens.token_input(0x0C, 0x00, bytes(255))[:4].hex() == "0c00ff00"
    assert tokens.token_input(0x0C, 0x00, bytes(256))[:5].hex() == "0c00000100"


def test_hosts_that_write_128_in_one_byte_are_understood() -> None:
    token = bytes(range(128))
    data = bytes.fromhex("000005A000000001") + b"\x00\x00"
    assert tokens.split_install(data + b"\x80" + token, 6)[1:] == (token, data)
    assert tokens.split_install(data + b"\x81\x80" + token, 6)[1:] == (token, data)


@pytest.mark.parametrize("raw", ["4F01", "9E02AAAA4F05A000000001", "4F05A0000000"])
def test_what_is_no_delete_is_refused(raw: str) -> None:
    with pytest.raises(ValueError):
        tokens.split_delete(bytes.fromhex(raw))


@pytest.mark.parametrize("raw", ["05A0000000", "0" * 10 + "00" + "03AABB", "0000000000000000"])
def test_what_is_no_install_is_refused(raw: str) -> None:
    with pytest.raises(ValueError):
        tokens.split_install(bytes.fromhex(raw), 6)


@given(st.binary(max_size=60), st.booleans())
def test_no_answer_breaks_the_reader_of_receipts(raw: bytes, numbered: bool) -> None:
    try:
        receipt = Receipt.parse(raw, numbered=numbered)
    except ValueError:
        return
    assert receipt is None or bytes(receipt.confirmation)[:3] == raw[-len(bytes(receipt.confirmation)) :][:3]


@given(st.lists(st.binary(max_size=300), min_size=5, max_size=5), st.binary(min_size=1, max_size=300))
def test_fields_and_token_come_apart_again(fields: list[bytes], token: bytes) -> None:
    data = tokens.join_fields(*fields)
    assert tokens.split_install(data + model.lv(token), 6) == (fields, token, data)


@pytest.mark.parametrize("curve", [ec.SECP384R1(), ec.SECP521R1(), ec.BrainpoolP256R1()])
def test_a_signature_in_der_is_verified_too(curve: ec.EllipticCurve) -> None:
    key = ec.generate_private_key(curve)
    raw = signatures.sign(key, b"data")
    assert len(raw) == 2 * ((curve.key_size + 7) // 8)
    half = len(raw) // 2
    der = encode_dss_signature(int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big"))
    assert signatures.verify(key.public_key(), b"data", raw)
    assert signatures.verify(key.public_key(), b"data", der)
    assert not signatures.verify(key.public_key(), b"date", der)


def test_keys_that_no_algorithm_has() -> None:
    for length, algorithm in ((8, "3des"), (15, "aes"), (16, "rsa"), (24, "3des")):
        with pytest.raises(ValueError, match="key has"):
            SymmetricKey(Secret(bytes(length)), algorithm)


def test_a_template_with_something_twice_or_foreign_is_refused() -> None:
    assert ControlReference.parse(bytes(BOUND)[2:]) == BOUND
    assert bytes(BOUND).hex().upper() == "B6124203112233450200015F2002A1B293020007"
    for value in ("930107930108", "8001AA", "4203112233450200015F2002A1B2930200"):
        with pytest.raises(ValueError):
            ControlReference.parse(bytes.fromhex(value))
