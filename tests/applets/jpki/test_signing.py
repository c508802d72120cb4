"""Ways to sign: counts of the short way, modes of the card, the next generation's key, PIN changes."""

from __future__ import annotations

import datetime
import hashlib
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tegata.apdu import CardError, Command, InputError, MalformedResponse, PinError, Secret, StatusError
from tegata.applets.jpki.algorithms import KeyKind
from tegata.applets.jpki.host import Jpki, JpkiKey
from tegata.applets.jpki.model import AID

from ..lying import Lie, LyingLink, Memory, put_in

AUTH, SIGN = JpkiKey.AUTHENTICATION, JpkiKey.SIGNATURE
FILES = f"app/{AID.hex()}/ef"
MESSAGE = b"a message of a portal"
DIGEST = hashlib.sha256(MESSAGE).digest()


def opened(memory: Memory, lie: Lie | None = None, **profile: object) -> tuple[Jpki, LyingLink]:
    card, link = put_in(memory, lie, **profile)
    jpki = Jpki(card)
    jpki.select()
    return jpki, link


def openssl_says(folder: Path, certificate: bytes, signature: bytes, *options: str) -> str:
    """What ``openssl dgst -verify`` prints."""
    (folder / "signature").write_bytes(signature)
    command = ["openssl", "x509", "-inform", "der", "-noout", "-pubkey"]
    public = subprocess.run(command, input=certificate, capture_output=True, check=True).stdout
    (folder / "public.pem").write_bytes(public)
    command = ["openssl", "dgst", *options, "-verify", "public.pem", "-signature", "signature"]
    done = subprocess.run(command, cwd=folder, input=MESSAGE, capture_output=True, check=False)
    return done.stdout.decode().strip()


# counts


def test_a_raw_signature_takes_four_commands(my_number_memory: Memory) -> None:
    """SELECT, question, VERIFY, signature; with a certificate that the caller knows."""
    certificate = my_number_memory[f"{FILES}/000a"]
    jpki, link = opened(my_number_memory)
    jpki.verify(AUTH, Secret(b"1234"))
    jpki.sign_digest(AUTH, DIGEST, certificate=certificate)
    assert len(link.commands) == 4


def test_without_short_ids_it_takes_six(my_number_memory: Memory) -> None:
    certificate = my_number_memory[f"{FILES}/000a"]
    jpki, link = opened(my_number_memory, extended=False, sfi=False, reference_by_sfi=False)
    jpki.verify(AUTH, Secret(b"1234"))
    jpki.sign_digest(AUTH, DIGEST, certificate=certificate)
    assert len(link.commands) == 6


def test_a_verified_login_takes_five(my_number_memory: Memory) -> None:
    jpki, link = opened(my_number_memory)
    jpki.verify(AUTH, Secret(b"1234"))
    jpki.sign_digest(AUTH, DIGEST)
    assert len(link.commands) == 5


def test_a_signature_with_its_certificate_takes_five(my_number_memory: Memory) -> None:
    jpki, link = opened(my_number_memory)
    jpki.verify(SIGN, Secret(b"ABC123"))
    jpki.sign_digest(SIGN, DIGEST)
    jpki.certificate(SIGN)
    assert len(link.commands) == 5


@pytest.mark.parametrize("sw", ["6A86", "6A88", "6986"])
def test_a_card_that_refuses_short_ids_is_learned(my_number_memory: Memory, sw: str) -> None:
    def lie(command: Command, true: bytes) -> bytes:
        short = command.ins in (0x20, 0x2A) and command.p2 & 0x1F
        return bytes.fromhex(sw) if short or (command.ins == 0xB0 and command.p1 & 0x80) else true

    jpki, link = opened(my_number_memory, lie)
    jpki.verify(AUTH, Secret(b"1234"))
    jpki.sign_digest(AUTH, DIGEST)
    assert link.pins_sent == 1
    first = len(link.commands)
    jpki.select()
    jpki.verify(AUTH, Secret(b"1234"))
    jpki.sign_digest(AUTH, DIGEST)
    assert len(link.commands) - first == 8
    assert (jpki.card.profile.sfi, jpki.card.profile.reference_by_sfi) == (False, False)


# modes


@pytest.mark.parametrize("key", list(JpkiKey))
def test_pss_verifies_in_openssl(my_number_memory: Memory, tmp_path: Path, key: JpkiKey) -> None:
    jpki, link = opened(my_number_memory)
    jpki.verify(key, Secret(b"1234" if key is AUTH else b"abc123"))
    pss = ("-sha256", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32")
    for hash_on_card, mode in ((False, 0x04), (True, 0x05)):
        signature = jpki.sign(key, MESSAGE, "sha256-pss", hash_on_card=hash_on_card)
        assert link.commands[-1].p1 == mode
        assert openssl_says(tmp_path, jpki.certificate(key), signature, *pss) == "Verified OK"
        assert openssl_says(tmp_path, jpki.certificate(key), signature, "-sha256") != "Verified OK"


def test_modes_of_pkcs1_are_one_signature(my_number_memory: Memory, tmp_path: Path) -> None:
    jpki, link = opened(my_number_memory)
    jpki.verify(AUTH, Secret(b"1234"))
    signatures = [jpki.sign(AUTH, MESSAGE)]
    signatures.append(jpki.sign_digest(AUTH, DIGEST, digest_info_by_card=True))
    signatures.append(jpki.sign(AUTH, MESSAGE, hash_on_card=True))
    assert [command.p1 for command in link.commands if command.ins == 0x2A] == [0x00, 0x02, 0x03]
    assert len(set(signatures)) == 1
    assert openssl_says(tmp_path, jpki.certificate(AUTH), signatures[0], "-sha256") == "Verified OK"


def test_a_bare_hash_without_digest_info(my_number_memory: Memory, tmp_path: Path) -> None:
    jpki, link = opened(my_number_memory)
    jpki.verify(AUTH, Secret(b"1234"))
    by_card = jpki.sign(AUTH, MESSAGE, "sha256-bare", hash_on_card=True)
    assert link.commands[-1].p1 == 0x01
    assert jpki.sign(AUTH, MESSAGE, "sha256-bare") == by_card
    assert openssl_says(tmp_path, jpki.certificate(AUTH), by_card, "-sha256") != "Verified OK"
    # openssl takes the padding away and shows what is inside
    (tmp_path / "bare").write_bytes(by_card)
    command = ["openssl", "rsautl", "-verify", "-pubin", "-inkey", "public.pem", "-in", "bare"]
    inside = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True).stdout
    assert inside == DIGEST


def test_a_card_without_the_mode(my_number_memory: Memory) -> None:
    def lie(command: Command, true: bytes) -> bytes:
        return bytes.fromhex("6A86") if command.ins == 0x2A and command.p1 else true

    jpki, _ = opened(my_number_memory, lie)
    jpki.verify(AUTH, Secret(b"1234"))
    with pytest.raises(CardError) as caught:
        jpki.sign(AUTH, MESSAGE, "sha256-pss")
    assert caught.value.code == "mynumber.sign_mode"
    assert jpki.sign(AUTH, MESSAGE)


@pytest.mark.parametrize("message", [b"", bytes(256)])
def test_messages_that_the_card_does_not_hash(my_number_memory: Memory, message: bytes) -> None:
    jpki, link = opened(my_number_memory)
    before = len(link.commands)
    with pytest.raises(ValueError, match="1 to 255"):
        jpki.sign(AUTH, message, hash_on_card=True)
    assert len(link.commands) == before


@pytest.mark.parametrize("algorithm", ["sha256", "sha256-pss", "sha256-bare"])
def test_a_wrong_signature_never_leaves(my_number_memory: Memory, algorithm: str) -> None:
    def lie(command: Command, true: bytes) -> bytes:
        return bytes((true[0] ^ 1,)) + true[1:] if command.ins == 0x2A and len(true) > 2 else true

    jpki, _ = opened(my_number_memory, lie)
    jpki.verify(AUTH, Secret(b"1234"))
    with pytest.raises(MalformedResponse):
        jpki.sign(AUTH, MESSAGE, algorithm)


def test_a_swapped_certificate(my_number_memory: Memory) -> None:
    """The certificate of somebody else's card, or of the other key."""
    swapped = my_number_memory | {f"{FILES}/000a": my_number_memory[f"{FILES}/0001"]}
    jpki, _ = opened(swapped)
    jpki.verify(AUTH, Secret(b"1234"))
    with pytest.raises(MalformedResponse):
        jpki.sign(AUTH, MESSAGE)
    genuine, _ = opened(my_number_memory)
    genuine.verify(AUTH, Secret(b"1234"))
    with pytest.raises(MalformedResponse):
        genuine.sign(AUTH, MESSAGE, certificate=my_number_memory[f"{FILES}/0001"])


@pytest.mark.parametrize("cut", [1, 4, 100, 1000])
def test_a_truncated_certificate(my_number_memory: Memory, cut: int) -> None:
    jpki, link = opened(my_number_memory | {f"{FILES}/000a": my_number_memory[f"{FILES}/000a"][:-cut]})
    with pytest.raises(MalformedResponse):
        jpki.certificate(AUTH)
    assert len(link.commands) < 10


# the next generation


def next_generation(memory: Memory, raw: bool) -> tuple[Jpki, LyingLink]:
    """A card with a P-384 key, whose signatures are made on their way; r‖s or DER."""
    key = ec.generate_private_key(ec.SECP384R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "next generation")])
    now = datetime.datetime.now(datetime.UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(1)
    builder = builder.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1))
    certificate = builder.public_key(key.public_key()).sign(key, SHA384())

    def lie(command: Command, true: bytes) -> bytes:
        if command.ins != 0x2A:
            return true
        der = key.sign(command.data, ec.ECDSA(utils.Prehashed(SHA384())))
        r, s = utils.decode_dss_signature(der)
        return (r.to_bytes(48, "big") + s.to_bytes(48, "big") if raw else der) + b"\x90\x00"

    jpki, link = opened(memory | {f"{FILES}/000a": certificate.public_bytes(Encoding.DER)}, lie)
    jpki.verify(AUTH, Secret(b"1234"))
    return jpki, link


@pytest.mark.parametrize("raw", [True, False])
def test_a_key_of_the_next_generation(my_number_memory: Memory, tmp_path: Path, raw: bool) -> None:
    jpki, link = next_generation(my_number_memory, raw)
    assert jpki.key_kind(AUTH) is KeyKind.P_384
    for algorithm in (None, "sha384", "sha384-ecdsa"):
        signature = jpki.sign(AUTH, MESSAGE, algorithm)
        assert link.commands[-1].data == hashlib.sha384(MESSAGE).digest()
        assert openssl_says(tmp_path, jpki.certificate(AUTH), signature, "-sha384") == "Verified OK"
    signature = jpki.sign_digest(AUTH, hashlib.sha384(MESSAGE).digest())
    assert openssl_says(tmp_path, jpki.certificate(AUTH), signature, "-sha384") == "Verified OK"


def test_an_algorithm_of_another_kind_of_key(my_number_memory: Memory) -> None:
    jpki, link = next_generation(my_number_memory, raw=True)
    for algorithm in ("sha256", "sha256-pss"):
        with pytest.raises(InputError) as caught:
            jpki.sign(AUTH, MESSAGE, algorithm)
        assert caught.value.code == "mynumber.key_kind"
    today, _ = opened(my_number_memory)
    with pytest.raises(InputError):
        today.sign(AUTH, MESSAGE, "sha384-ecdsa")
    assert today.key_kind(AUTH) is KeyKind.RSA_2048
    assert not [command for command in link.commands if command.ins == 0x2A]


# PINs


@pytest.mark.parametrize(("key", "old", "new"), [(AUTH, b"1234", b"8642"), (SIGN, b"abc123", b"xyz789")])
def test_changing_a_pin(my_number_memory: Memory, key: JpkiKey, old: bytes, new: bytes) -> None:
    jpki, link = opened(my_number_memory)
    jpki.change_pin(key, Secret(old), Secret(new))
    assert link.commands[-1].header == bytes.fromhex("00240180")
    assert link.commands[-1].data == new.upper()
    with pytest.raises(PinError):
        jpki.verify(key, Secret(old))
    jpki.verify(key, Secret(new.upper()))


@pytest.mark.parametrize(
    ("key", "new"),
    [(AUTH, b"12345"), (AUTH, b"12a4"), (SIGN, b"abcdef"), (SIGN, b"123456"), (SIGN, b"ab1"), (SIGN, b"")],
)
def test_a_new_pin_of_the_wrong_form_spends_nothing(
    my_number_memory: Memory, key: JpkiKey, new: bytes
) -> None:
    jpki, link = opened(my_number_memory)
    before = len(link.commands)
    with pytest.raises(InputError) as caught:
        jpki.change_pin(key, Secret(b"1234" if key is AUTH else b"ABC123"), Secret(new))
    assert caught.value.code == "pin.format"
    assert len(link.commands) == before


def test_a_wrong_old_pin_changes_nothing(my_number_memory: Memory) -> None:
    jpki, link = opened(my_number_memory)
    with pytest.raises(PinError):
        jpki.change_pin(AUTH, Secret(b"0000"), Secret(b"8642"))
    assert not [command for command in link.commands if command.ins == 0x24]
    jpki.verify(AUTH, Secret(b"1234"))


def test_a_refused_change_is_said(my_number_memory: Memory) -> None:
    def lie(command: Command, true: bytes) -> bytes:
        return bytes.fromhex("6985") if command.ins == 0x24 else true

    jpki, _ = opened(my_number_memory, lie)
    with pytest.raises(StatusError) as caught:
        jpki.change_pin(AUTH, Secret(b"1234"), Secret(b"8642"))
    assert "8642" not in str(caught.value)


def test_availability(my_number_memory: Memory) -> None:
    assert opened(my_number_memory)[0].availability() == bytes.fromhex("8F8F00")
