"""What the key rings compute for GlobalPlatform cards, against published vectors (of GlobalPlatformPro and
openjavacard-tools, as the SCP vectors cite them)."""

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from tegata.apdu import InputError, Secret
from tegata.apdu.ports import ChannelDek, KeyRef
from tegata.apdu.scp03.crypto import unwrap_key
from tegata.provisioning.keyring import FileKeyRing

GP = bytes(range(0x40, 0x50))
KDD = bytes(range(10))


PASSPHRASE = Secret(b"correct horse battery staple")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ring") / "keys.json"


@pytest.fixture(scope="module")
def ring(path: Path) -> Iterator[FileKeyRing]:
    ring = FileKeyRing.create(path, PASSPHRASE, name="desk")
    ring.import_default()
    ring.import_master("des", Secret(GP), algorithm="3des")
    for length in (16, 24, 32):
        ring.import_master(f"aes-{length}", Secret(bytes(range(0x40, 0x40 + length))))
    yield ring
    ring.close()


def refer(ring: FileKeyRing, master: str, scheme: str, usage: str, **options: object) -> KeyRef:
    given: dict[str, object] = {"diversification": b"" if scheme == "fixed" else KDD, "version": 1, **options}
    return ring.refer(master, scheme=scheme, usage=usage, **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("scheme", "kcvs"),
    [  # GlobalPlatformPro TestPlaintextKeys
        ("emv-cps-1.1", "C33013 6F4CA6 BB8179"),
        ("visa2", "2BE598 58DA38 3C328E"),
    ],
)
def test_diversification_with_3des(ring: FileKeyRing, scheme: str, kcvs: str) -> None:
    refs = [refer(ring, "des", scheme, usage, algorithm="3des") for usage in ("enc", "mac", "dek")]
    assert " ".join(ref.kcv for ref in refs) == kcvs


@pytest.mark.parametrize(
    ("length", "kcvs"),
    [(16, "E79C05 D1BD77 3FDE8C"), (24, "1DE8EA 47C00C C04D76"), (32, "2972D2 036F94 5D57B8")],
)
def test_kdf3(ring: FileKeyRing, length: int, kcvs: str) -> None:
    refs = [refer(ring, f"aes-{length}", "kdf3", usage, length=length) for usage in ("enc", "mac", "dek")]
    assert " ".join(ref.kcv for ref in refs) == kcvs


@pytest.mark.parametrize(
    ("scheme", "expected"),
    [
        ("visa", "9d571a34ba99409a031ac42a86e1161b"),
        ("visa2", "8510fc973208218ca86888bcec203635"),
        ("emv-cps-1.1", "0ef59fcbf8019b62e62af6ea20b8bf25"),
        ("kdf3", "808bc985a1069ad2a9ac94e0fe7b8843"),
    ],
)
def test_diversified_keys_reach_put_key_as_they_are(ring: FileKeyRing, scheme: str, expected: str) -> None:
    """Unwrapped with the well-known DEK by the other side of the channel."""
    dek = refer(ring, "gp-default", "fixed", "dek")
    wrapped = ring.wrap_for_put_key(dek, refer(ring, "aes-16" if scheme == "kdf3" else "des", scheme, "enc"))
    assert unwrap_key(Secret(GP), wrapped).reveal().hex() == expected


@pytest.mark.parametrize(
    ("sequence", "enc", "mac"),
    [
        ("0000", "010b0371d78377b801f2d62afc671d95", "d1c28c601652a4770d67ad82d2d2e1c4"),
        ("FFFF", "e75adaaf916de18a01ab9acc6ef84b8b", "66f6b778a1fafccc9de6c253233be33d"),
    ],
)
def test_scp02_session_keys(ring: FileKeyRing, sequence: str, enc: str, mac: str) -> None:
    enc_ref, mac_ref = (refer(ring, "gp-default", "fixed", each, algorithm="3des") for each in ("enc", "mac"))
    keys = ring.scp02_session(enc_ref, mac_ref, sequence=bytes.fromhex(sequence))
    assert keys.enc.reveal().hex() == enc
    assert keys.mac.reveal().hex() == mac
    assert len(keys.rmac) == 16
    with pytest.raises(InputError):
        ring.scp02_session(enc_ref, mac_ref, sequence=b"\x00")


def test_put_key_of_scp02_and_scp11(ring: FileKeyRing) -> None:
    key = refer(ring, "gp-default", "fixed", "enc", algorithm="3des")
    dek = refer(ring, "gp-default", "fixed", "dek", algorithm="3des")
    assert (dek.kcv, ring.kcv(dek)) == ("8BAF47", bytes.fromhex("8BAF47"))
    channel = ChannelDek(static=dek, sequence=bytes(2))
    assert ring.wrap_for_put_key(channel, key).hex().upper() == "EFBEE6C6D99D7B70BDE9D7E927F020AF"
    in_cbc = ring.wrap_for_put_key(replace(channel, cbc=True), key).hex().upper()
    assert in_cbc[:16] == "EFBEE6C6D99D7B70"
    assert in_cbc[16:] != "BDE9D7E927F020AF"
    session = ChannelDek(session=Secret(GP))
    assert ring.wrap_for_put_key(session, key).hex() == "80d2a5b08fa0ee51143b459e638106df"
    for wrong in (ChannelDek(), ChannelDek(static=dek), ChannelDek(static=replace(dek, algorithm="aes"))):
        with pytest.raises(InputError):
            ring.wrap_for_put_key(wrong, key)


def test_a_token_by_cmac(ring: FileKeyRing) -> None:
    token = bytes.fromhex("00001D4F07A0000000010101B6124203112233450200015F2002A1B293020007")
    receipt = bytes.fromhex("020005051122330001020007" + "07A0000000010101")
    key = refer(ring, "gp-default", "fixed", "token", version=0x70)
    assert ring.authorize(key, token).hex().upper() == "05324714CDE770F9FF97F581F3AC48C7"
    key = refer(ring, "gp-default", "fixed", "receipt", version=0x71)
    assert ring.authorize(key, receipt).hex().upper() == "198935673013FB664B42074C6A3B378B"
    with pytest.raises(InputError) as caught:
        ring.authorize(refer(ring, "gp-default", "fixed", "enc"), token)
    assert caught.value.code == "keyring.use"


def test_masters_serve_the_schemes_of_their_algorithm(ring: FileKeyRing) -> None:
    refused = [("des", "kdf3", "enc"), ("aes-16", "visa2", "enc"), ("gp-default", "visa2", "enc")]
    refused += [("des", "visa2", "piv-9b"), ("aes-16", "kdf3", "badge"), ("aes-16", "visa", "piv-pin")]
    for master, scheme, usage in refused:
        with pytest.raises(InputError) as caught:
            refer(ring, master, scheme, usage)
        assert caught.value.code == "keyring.reference", (master, scheme, usage)
    for options in ({"diversification": KDD[:9]}, {"length": 24}, {"algorithm": "des"}):
        with pytest.raises(InputError) as caught:
            refer(ring, "des", "visa2", "enc", **options)
        assert caught.value.code == "keyring.reference", options


def test_masters_of_3des_survive_a_new_opening(ring: FileKeyRing, path: Path) -> None:
    ref = refer(ring, "des", "visa2", "mac", algorithm="3des")
    again = FileKeyRing.open(path, PASSPHRASE)
    assert again.kcv(KeyRef.from_json(ref.to_json())).hex().upper() == "58DA38"
    assert {info.label: info.algorithm for info in again.masters()}["des"] == "3des"
    with pytest.raises(InputError):
        ring.generate("odd", 32, algorithm="3des")


OLD_FILE = """{
 "header": {
  "format": "tegata-keyring", "version": 1, "name": "old",
  "kdf": {"name": "scrypt", "n": 32768, "r": 8, "p": 1, "salt": "6a0f3e00929146ef6f8a936fb3bf179e"},
  "masters": [{"label": "badges", "length": 32, "kcv": "75E208", "fixed": false, "origin": "imported"}]
 },
 "nonce": "bda7a4cd0ead9936ad30ad6f",
 "sealed": "c62553f584f978321d67380e6581dfc2b42d9c9edbade7c26b42b72f2e9359d7f432e179037b8e5d\
01440604cd319be88b6b3c7ff2be33c6a003b854f10f3cc1320b34144e0838305a6e4af4a3aa2736af84576adb14f3498adbf7baadb7"
}"""


def test_a_file_from_before_3des_still_opens(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text(OLD_FILE)
    ring = FileKeyRing.open(tmp_path / "old.json", PASSPHRASE)
    assert ring.masters()[0].algorithm == "aes"
    assert refer(ring, "badges", "sp800-108-cmac", "enc").length == 16
    ring.generate("new", 24, algorithm="3des")
    assert len(FileKeyRing.open(tmp_path / "old.json", PASSPHRASE).masters()) == 2


def openssl_key(folder: Path, *options: str, passphrase: str = "") -> bytes:
    """A private key of OpenSSL's making, as PEM."""
    sealed = ["-aes-256-cbc", "-pass", f"pass:{passphrase}"] if passphrase else []
    subprocess.run(["openssl", "genpkey", *options, *sealed, "-out", folder / "key.pem"], check=True)
    return (folder / "key.pem").read_bytes()


RSA_2048 = ("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048")
P_256 = ("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")


def test_private_keys_sign_tokens(ring: FileKeyRing, path: Path, tmp_path: Path) -> None:
    """Signed by the ring, verified by OpenSSL with the public key that the ring gives."""
    ring.import_signer("rsa", openssl_key(tmp_path, *RSA_2048, passphrase="pem"), Secret(b"pem"))
    ring.import_signer("ec", openssl_key(tmp_path, *P_256))
    again = FileKeyRing.open(path, PASSPHRASE)
    assert [(each.label, each.kind) for each in again.signers()] == [("rsa", "rsa-2048"), ("ec", "secp256r1")]
    (tmp_path / "data").write_bytes(b"what is signed")
    pss = ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32"]
    for label, options in (("rsa", pss), ("ec", [])):
        signature = again.sign(label, b"what is signed")
        if label == "ec":
            r, s = (int.from_bytes(signature[at : at + 32], "big") for at in (0, 32))
            signature = encode_dss_signature(r, s)
        (tmp_path / "signature").write_bytes(signature)
        (tmp_path / "public").write_bytes(again.public_key(label))
        command = ["openssl", "dgst", "-sha256", "-keyform", "DER", "-verify", tmp_path / "public"]
        command += [*options, "-signature", tmp_path / "signature", tmp_path / "data"]
        assert b"Verified OK" in subprocess.run(command, capture_output=True, check=True).stdout
    assert refer(again, "aes-16", "kdf3", "enc").kcv == "E79C05"


def test_private_keys_that_are_refused(ring: FileKeyRing, tmp_path: Path) -> None:
    sealed = openssl_key(tmp_path, *P_256, passphrase="pem")
    other = openssl_key(tmp_path, "-algorithm", "ED25519")
    cases = [
        ("one", sealed, None, "keyring.passphrase"),
        ("one", sealed, Secret(b"wrong"), "keyring.passphrase"),
        ("one", other, None, "keyring.reference"),
        ("one", b"rubbish", None, "keyring.reference"),
        ("a b", openssl_key(tmp_path, *P_256), None, "keyring.label"),
        ("des", openssl_key(tmp_path, *P_256), None, "keyring.label"),
    ]
    for label, pem, passphrase, code in cases:
        with pytest.raises(InputError) as caught:
            ring.import_signer(label, pem, passphrase)
        assert caught.value.code == code, (label, code)
    for use in (lambda: ring.sign("nobody", b""), lambda: ring.public_key("des")):
        with pytest.raises(InputError) as caught:
            use()
        assert caught.value.code == "keyring.master"
    with pytest.raises(InputError):  # a private key is no master
        refer(ring, "ec", "kdf3", "enc")
