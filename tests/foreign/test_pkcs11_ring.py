"""The PKCS #11 ring on SoftHSM2 says what the file ring says, key by key, and its masters can only derive."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from tegata.apdu import InputError, Secret
from tegata.apdu.ports import ChannelDek, KeyRef, KeyRing, open_keyring
from tegata.provisioning.keyring import FileKeyRing
from tegata.provisioning.keyring.pkcs11 import Pkcs11KeyRing, Pkcs11Uri

from .softhsm import PIN, SoftToken

pytestmark = pytest.mark.foreign

GP = bytes(range(0x40, 0x50))
KDD = bytes(range(10))
GUID = bytes(range(0xA0, 0xB0))
SITE = b"\x00\x00\x00\x07"
MASTERS = {  # label: key, algorithm, fixed
    "aes-16": (GP, "aes", False),
    "aes-24": (bytes(range(0x40, 0x58)), "aes", False),
    "aes-32": (bytes(range(0x40, 0x60)), "aes", False),
    "des-16": (GP, "3des", False),
    "des-24": (bytes(range(0x10, 0x28)), "3des", False),
    "maker-aes": (bytes(range(0x70, 0x80)), "aes", True),
}


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftToken]:
    token = SoftToken.create(tmp_path_factory.mktemp("hsm"))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in token.environment.items():
            patch.setenv(name, value)
        yield token


@pytest.fixture(scope="module")
def hsm(token: SoftToken) -> Iterator[Pkcs11KeyRing]:
    ring = open_keyring(token.url())
    assert isinstance(ring, Pkcs11KeyRing)
    for label, (key, algorithm, fixed) in MASTERS.items():
        ring.import_master(label, Secret(key), algorithm=algorithm, fixed=fixed)
    yield ring
    ring.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FileKeyRing]:
    """The same masters, under the same name, in the ring that the vectors prove."""
    path = tmp_path_factory.mktemp("file") / "keys.json"
    ring = FileKeyRing.create(path, Secret(b"only for tests"), name="badges")
    for label, (key, algorithm, fixed) in MASTERS.items():
        ring.import_master(label, Secret(key), algorithm=algorithm, fixed=fixed)
    yield ring
    ring.close()


CARD_KEYS = [  # master, scheme, diversification, length, algorithm
    ("des-16", "visa", KDD, 16, "3des"),
    ("des-16", "visa2", KDD, 16, "3des"),
    ("des-16", "visa2", KDD, 16, "aes"),
    ("des-16", "emv-cps-1.1", KDD, 16, "3des"),
    ("des-24", "emv-cps-1.1", KDD, 16, "aes"),
    ("aes-16", "kdf3", KDD, 16, "aes"),
    ("aes-24", "kdf3", KDD, 24, "aes"),
    ("aes-32", "kdf3", KDD, 32, "aes"),
    ("aes-32", "kdf3", KDD, 16, "3des"),
    ("aes-32", "sp800-108-cmac", GUID, 16, "aes"),
    ("aes-32", "sp800-108-cmac", KDD, 24, "aes"),
    ("aes-16", "sp800-108-cmac", b"", 32, "aes"),
    ("aes-16", "sp800-108-cmac", GUID + GUID, 16, "3des"),
    ("aes-16", "sp800-108-cmac", GUID, 24, "3des"),
    ("maker-aes", "fixed", b"", 16, "aes"),
    ("gp-default", "fixed", b"", 16, "aes"),
    ("gp-default", "fixed", b"", 16, "3des"),
]


def key_set(ring: KeyRing, row: tuple[str, str, bytes, int, str], version: int = 1) -> list[KeyRef]:
    master, scheme, diversification, length, algorithm = row
    return [
        ring.refer(
            master,
            scheme=scheme,
            diversification=diversification,
            version=version,
            usage=usage,
            length=length,
            algorithm=algorithm,
        )
        for usage in ("enc", "mac", "dek")
    ]


@pytest.mark.parametrize(
    ("row", "kcvs"),
    [  # GlobalPlatformPro, TestPlaintextKeys; the VISA keys are 9d57… ae52… 1fb3…
        (CARD_KEYS[1], "2BE598 58DA38 3C328E"),
        (CARD_KEYS[3], "C33013 6F4CA6 BB8179"),
        (CARD_KEYS[5], "E79C05 D1BD77 3FDE8C"),
        (CARD_KEYS[6], "1DE8EA 47C00C C04D76"),
        (CARD_KEYS[7], "2972D2 036F94 5D57B8"),
        (CARD_KEYS[15], "504A77 504A77 504A77"),
        (CARD_KEYS[16], "8BAF47 8BAF47 8BAF47"),
    ],
)
def test_published_check_values(hsm: Pkcs11KeyRing, row: tuple[str, str, bytes, int, str], kcvs: str) -> None:
    assert " ".join(ref.kcv for ref in key_set(hsm, row)) == kcvs


@pytest.mark.parametrize("row", CARD_KEYS, ids=lambda row: "-".join(map(str, (row[0], row[1], *row[3:]))))
def test_card_keys_are_those_of_the_file_ring(
    hsm: Pkcs11KeyRing, file: FileKeyRing, row: tuple[str, str, bytes, int, str]
) -> None:
    """References, check values, session keys of both channels, keys under every kind of DEK."""
    ours, theirs = key_set(hsm, row), key_set(file, row)
    assert ours == theirs
    assert [hsm.kcv(ref) for ref in ours] == [file.kcv(ref) for ref in theirs]
    enc, mac, dek = ours
    for ring in (hsm, file):
        with pytest.raises(InputError) as caught:
            ring.kcv(replace(enc, kcv="000000"))
        assert caught.value.code == "keyring.kcv"
    if row[4] == "aes":
        for size in (8, 16):
            challenges = {"host_challenge": bytes(size), "card_challenge": bytes(range(size))}
            assert hsm.session(enc, mac, **challenges) == file.session(enc, mac, **challenges)
            told = {"sequence": 0x010203, "aid": bytes.fromhex("A000000151000000"), "length": size}
            assert hsm.card_challenge(enc, **told) == file.card_challenge(enc, **told)
        deks: list[KeyRef | ChannelDek] = [dek, ChannelDek(static=dek)]
    elif row[3] == 16:
        assert hsm.scp02_session(enc, mac, sequence=b"\x01\x02") == file.scp02_session(
            enc, mac, sequence=b"\x01\x02"
        )
        deks = [ChannelDek(static=dek, sequence=b"\x01\x02", cbc=cbc) for cbc in (False, True)]
    else:
        deks = []
    deks += [ChannelDek(session=Secret(GP)), ChannelDek(session=Secret(GP), sequence=b"\x00\x01")]
    new = [each for each in CARD_KEYS if each[1] != "fixed"] + [CARD_KEYS[15]]
    keys = [hsm.refer(each[0], scheme=each[1], diversification=each[2], version=2, usage="mac",
                      length=each[3], algorithm=each[4]) for each in new]  # fmt: skip
    for under in deks:
        for key in keys:
            assert hsm.wrap_for_put_key(under, key) == file.wrap_for_put_key(under, key), (under, key)


def test_everything_else_of_the_port(hsm: Pkcs11KeyRing, file: FileKeyRing) -> None:
    def refer(ring: KeyRing, usage: str, diversification: bytes, scheme: str, length: int = 16) -> KeyRef:
        return ring.refer("aes-32", scheme=scheme, diversification=diversification, version=1,
                          usage=usage, length=length)  # fmt: skip

    def both(
        usage: str, diversification: bytes = GUID, scheme: str = "sp800-108-cmac", length: int = 16
    ) -> KeyRef:
        ref = refer(hsm, usage, diversification, scheme, length)
        assert ref == refer(file, usage, diversification, scheme, length)
        return ref

    dek = both("dek")
    pin, puk = both("piv-pin", length=6), both("piv-puk", length=8)
    assert hsm.reveal_pin(pin) == file.reveal_pin(pin)
    assert hsm.reveal_pin(puk) == file.reveal_pin(puk)
    peripheral = both("osdp-scbk", bytes.fromhex("3322020004030201"), "osdp-scbk")
    assert hsm.reveal_device_key(peripheral) == file.reveal_device_key(peripheral)
    for value in (pin, puk, both("piv-9b")):
        assert hsm.encrypt_dgi(dek, value) == file.encrypt_dgi(dek, value)
    assert hsm.encrypt_dgi_value(dek, Secret(b"123456")) == file.encrypt_dgi_value(dek, Secret(b"123456"))
    value = Secret(bytes(range(48)))
    assert hsm.encrypt_value(dek, value) == file.encrypt_value(dek, value)
    management = both("piv-9b", length=32)
    challenge = (bytes(range(16)), bytes(range(16, 32)))
    assert hsm.management_response(management, *challenge) == file.management_response(management, *challenge)
    for usage in ("token", "receipt", "dap"):
        ref = both(usage)
        for size in (0, 1, 16, 40):
            assert hsm.authorize(ref, bytes(size)) == file.authorize(ref, bytes(size))
    for usage, diversification in (("site", SITE), ("privacy", SITE), ("badge", SITE + bytes(range(16)))):
        ref = both(usage, diversification, "entry-badge")
        assert hsm.badge_cryptogram(ref, b"door") == file.badge_cryptogram(ref, b"door")
        assert hsm.encrypt_dgi(dek, ref) == file.encrypt_dgi(dek, ref)


def test_usages_and_masters_are_refused_as_everywhere(hsm: Pkcs11KeyRing) -> None:
    enc, mac, dek = key_set(hsm, CARD_KEYS[9])
    maker = key_set(hsm, CARD_KEYS[14])[0]
    cases = {
        "keyring.use": [
            lambda: hsm.session(mac, enc, host_challenge=bytes(8), card_challenge=bytes(8)),
            lambda: hsm.authorize(enc, b""),
            lambda: hsm.wrap_for_put_key(enc, mac),
            lambda: hsm.reveal_pin(enc),
            lambda: hsm.reveal_device_key(enc),
        ],
        "keyring.master": [
            lambda: hsm.kcv(replace(enc, master="nobody")),
            lambda: hsm.kcv(replace(enc, ring="another")),
            lambda: hsm.sign("nobody", b""),
        ],
        "keyring.reference": [
            lambda: hsm.kcv(replace(enc, scheme="fixed")),
            lambda: hsm.kcv(replace(enc, scheme="visa2", diversification=KDD)),
            lambda: hsm.kcv(replace(maker, scheme="kdf3", diversification=KDD)),
            lambda: hsm.kcv(replace(enc, scheme="made-up")),
        ],
        "keyring.label": [
            lambda: hsm.generate("aes-32"),
            lambda: hsm.generate("a b"),
            lambda: hsm.generate(""),
        ],
        "pkcs11.refused": [lambda: hsm.wrap_for_put_key(dek, maker)],
    }
    for code, operations in cases.items():
        for operation in operations:
            with pytest.raises(InputError) as caught:
                operation()
            assert caught.value.code == code


def test_a_master_of_the_tokens_own_can_only_derive(hsm: Pkcs11KeyRing, token: SoftToken) -> None:
    """As OpenSC's pkcs11-tool reads its attributes."""
    hsm.generate("made-there")
    hsm.generate("made-there-des", 24, algorithm="3des")
    lines = {line["label"]: line for line in hsm.inventory()}
    assert lines["made-there"]["origin"] == "generated"
    assert lines["aes-16"] == {
        "label": "aes-16", "algorithm": "aes", "bits": 128, "serves": "master", "kcv": "504A77",
        "origin": "imported", "remark": None,
    }  # fmt: skip
    assert lines["des-16"]["kcv"] == "8BAF47"
    assert lines["maker-aes"]["serves"] == "fixed"
    shown = {part.split("label:")[1].split("\n")[0].strip(): part for part in
             token.objects().split("Secret Key Object") if "label:" in part}  # fmt: skip
    for label in ("made-there", "made-there-des", "aes-32"):
        usage = next(line for line in shown[label].splitlines() if "Usage:" in line)
        assert usage.split(":")[1].strip() == "derive"
        access = next(line for line in shown[label].splitlines() if "Access:" in line)
        assert "sensitive" in access and "extractable" not in access.replace("never extractable", "")
    assert "never extractable" in shown["made-there"]
    ref = key_set(hsm, ("made-there", "kdf3", KDD, 32, "aes"))[0]
    assert hsm.kcv(ref).hex().upper() == ref.kcv


def test_no_key_of_a_card_stays_on_the_token(hsm: Pkcs11KeyRing, token: SoftToken) -> None:
    before = token.objects()
    enc, mac, dek = key_set(hsm, CARD_KEYS[9])
    hsm.session(enc, mac, host_challenge=bytes(8), card_challenge=bytes(8))
    hsm.wrap_for_put_key(dek, mac)
    assert token.objects() == before
    assert before.count("Secret Key Object") == len([x for x in hsm.inventory() if x["serves"] != "signer"])


def test_keys_that_could_leave_the_token_are_no_masters(token: SoftToken, hsm: Pkcs11KeyRing) -> None:
    """Made by pkcs11-tool with its defaults."""
    command = ["pkcs11-tool", "--module", token.module, "--token-label", token.label, "--login", "--pin", PIN]
    for label, extra in (("loose", ["--extractable"]), ("many-uses", ["--sensitive"])):
        made = ["--keygen", "--key-type", "AES:32", "--label", label, *extra]
        subprocess.run([*command, *made], check=True, capture_output=True)
    lines = {line["label"]: line for line in hsm.inventory()}
    assert lines["loose"]["serves"] == "nothing"
    assert "leave the token" in lines["loose"]["remark"]
    with pytest.raises(InputError, match="leave the token") as caught:
        key_set(hsm, ("loose", "kdf3", KDD, 16, "aes"))
    assert caught.value.code == "pkcs11.refused"
    with pytest.raises(InputError):
        key_set(hsm, ("many-uses", "kdf3", KDD, 16, "aes"))


def test_private_keys_sign_tokens(hsm: Pkcs11KeyRing, tmp_path: Path) -> None:
    """Verified by OpenSSL with the public key that the token gives."""
    data = b"a load token"
    (tmp_path / "data").write_bytes(data)
    pss = ["-sha256", "-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32"]
    for kind, options in (
        ("rsa-1024", ["-sha1"]),
        ("rsa-2048", pss),
        ("secp256r1", ["-sha256"]),
        ("secp384r1", ["-sha384"]),
        ("secp521r1", ["-sha512"]),
    ):
        hsm.generate_signer(kind, kind)
        signature = hsm.sign(kind, data)
        if kind.startswith("secp"):
            half = len(signature) // 2
            assert half == (int(kind[4:7]) + 7) // 8
            r, s = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
            signature = encode_dss_signature(r, s)
        (tmp_path / "signature").write_bytes(signature)
        (tmp_path / "public").write_bytes(hsm.public_key(kind))
        command = ["openssl", "dgst", *options, "-keyform", "DER", "-verify", tmp_path / "public"]
        command += ["-signature", tmp_path / "signature", tmp_path / "data"]
        assert b"Verified OK" in subprocess.run(command, capture_output=True, check=True).stdout, kind
    for kind in ("rsa-512", "ed25519", "rsa-"):
        with pytest.raises(InputError) as caught:
            hsm.generate_signer("new", kind)
        assert caught.value.code == "keyring.reference"
    assert {line["label"]: line["bits"] for line in hsm.inventory() if line["serves"] == "signer"}[
        "secp521r1"
    ] == 521


def test_which_token(token: SoftToken) -> None:
    module = f"module-path={token.module}"
    token.add("second")
    for rest, says in (
        (f"token=nobody?{module}", "not there"),
        (f"model=SoftHSM%20v2?{module}", "several fit"),
    ):
        with pytest.raises(InputError, match=says) as caught:
            Pkcs11KeyRing.open(Pkcs11Uri.parse(rest), Secret(PIN.encode()))
        assert caught.value.code == "pkcs11.token"
    ring = Pkcs11KeyRing.open(Pkcs11Uri.parse(f"token=second?{module}"), Secret(PIN.encode()))
    assert (ring.name, ring.inventory()) == ("second", [])
    ring.close()


def test_a_wrong_pin_is_tried_once(token: SoftToken) -> None:
    uri = Pkcs11Uri.parse(f"token=second?module-path={token.module}")
    with pytest.raises(InputError, match="the PIN is wrong") as caught:
        Pkcs11KeyRing.open(uri, Secret(b"9999"))
    assert caught.value.code == "pkcs11.pin"
    assert "9999" not in str(caught.value)
