"""The file key ring, against published vectors and OpenSSL's command line."""

import io
import json
import os
import pickle
import stat
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegata.apdu import InputError, Secret
from tegata.apdu.ports import KeyRef, open_keyring
from tegata.apdu.scp03.crypto import cmac, key_check_value
from tegata.provisioning.keyring import FileKeyRing, read_passphrase
from tegata.provisioning.keyring.kdf import counter_mode_cmac, digits

GP = bytes(range(0x40, 0x50))
CARD = bytes.fromhex("4790D3211A2B3C4D5E6F")


def fixed(usage: str, ring: FileKeyRing) -> KeyRef:
    return ring.refer("gp-default", scheme="fixed", diversification=b"", version=0xFF, usage=usage)


def derived(usage: str, ring: FileKeyRing, version: int = 1, length: int = 16) -> KeyRef:
    return ring.refer(
        "badges", scheme="sp800-108-cmac", diversification=CARD, version=version, usage=usage, length=length
    )


def openssl(*arguments: str, data: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *arguments], input=data, capture_output=True, check=True).stdout


@pytest.mark.parametrize(
    ("message", "expected"),
    [  # RFC 4493 §4
        ("", "bb1d6929e95937287fa37d129b756746"),
        ("6bc1bee22e409f96e93d7e117393172a", "070a16b46b4d4144f79bdd9dd04a287c"),
        (
            "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e5130c81c46a35ce411",
            "dfa66747de9ae63030ca32611497c827",
        ),
    ],
)
def test_cmac_of_rfc_4493(message: str, expected: str) -> None:
    key = Secret(bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c"))
    assert cmac(key, bytes.fromhex(message)).hex() == expected


@pytest.mark.parametrize(
    ("key", "kcv"),
    [  # globalplatform.md C5 and the SCP03 vectors of C3
        (GP, "504A77"),
        (bytes(range(16)), "C35280"),
        (bytes(range(0x10, 0x20)), "013808"),
        (bytes(range(0x20, 0x30)), "840DE5"),
    ],
)
def test_check_values(key: bytes, kcv: str) -> None:
    assert key_check_value(Secret(key)).hex().upper() == kcv


@pytest.mark.parametrize("length", [16, 24, 32, 48])
@pytest.mark.parametrize(
    ("cipher", "key"), [("AES-128-CBC", bytes(range(16))), ("AES-256-CBC", bytes(range(32)))]
)
def test_the_kdf_is_openssls(cipher: str, key: bytes, length: int) -> None:
    context = CARD + b"\x01\x10"
    out = openssl(
        *["kdf", "-keylen", str(length), "-kdfopt", "mac:CMAC", "-kdfopt", f"cipher:{cipher}"],
        *["-kdfopt", "mode:COUNTER", "-kdfopt", f"hexkey:{key.hex()}", "-kdfopt", "salt:enc"],
        *["-kdfopt", f"hexinfo:{context.hex()}", "-binary", "KBKDF"],
    )
    assert counter_mode_cmac(key, b"enc", context, length) == out


def test_the_kdf_is_its_formula() -> None:
    """K(1) = CMAC(key, [1]32 ‖ label ‖ 00 ‖ context ‖ [128]32), by OpenSSL's CMAC."""
    context = CARD + b"\x07\x10"
    data = bytes.fromhex("00000001") + b"piv-9b" + b"\x00" + context + bytes.fromhex("00000080")
    arguments = [
        "mac",
        "-cipher",
        "AES-128-CBC",
        "-macopt",
        f"hexkey:{GP.hex()}",
        "-in",
        "-",
        "-binary",
        "CMAC",
    ]
    assert counter_mode_cmac(GP, b"piv-9b", context, 16) == openssl(*arguments, data=data)


def test_scp03_session_keys_of_a_published_session(ring: FileKeyRing) -> None:
    host, card = bytes.fromhex("A7F76C713F0A713D"), bytes.fromhex("31900058C1C451A2")
    keys = ring.session(fixed("enc", ring), fixed("mac", ring), host_challenge=host, card_challenge=card)
    assert keys.enc.reveal().hex() == "258a78866f41482bef482dc8ca976ccd"
    assert keys.mac.reveal().hex() == "053db6abc7fdf3b63a0d965ee16b0255"
    assert keys.rmac.reveal().hex() == "eda0b4f2ec0345bfc50f3bc59cfef936"


def test_put_key_and_dgi_wraps_of_published_vectors(
    ring: FileKeyRing, tmp_path: Path, passphrase: Secret
) -> None:
    dek = fixed("dek", ring)
    assert ring.wrap_for_put_key(dek, fixed("enc", ring)).hex() == "80d2a5b08fa0ee51143b459e638106df"
    assert dek.kcv == "504A77"
    assert ring.kcv(dek) == bytes.fromhex("504A77")
    other = FileKeyRing.create(tmp_path / "other.json", passphrase)
    other.import_master("zero-to-f", Secret(bytes(range(16))), fixed=True)
    other.import_default()
    dek = other.refer("zero-to-f", scheme="fixed", diversification=b"", version=1, usage="dek")
    assert other.encrypt_dgi(dek, fixed("enc", other)).hex().upper() == "D533E59B45A153ED7E5E9C5DFCFD4AAA"


def test_a_typed_pin_is_padded_and_encrypted(ring: FileKeyRing) -> None:
    sealed = ring.encrypt_dgi_value(fixed("dek", ring), Secret(b"123456"))
    plain = openssl("enc", "-d", "-aes-128-cbc", "-nopad", "-K", GP.hex(), "-iv", "0" * 32, data=sealed)
    assert plain.hex() == "313233343536ffff8000000000000000"
    with pytest.raises(InputError) as caught:
        ring.encrypt_dgi_value(fixed("dek", ring), Secret(b"123456789"))
    assert "123456789" not in str(caught.value)


@pytest.mark.parametrize("length", [16, 48])
def test_a_value_of_whole_blocks_is_encrypted_as_it_is(ring: FileKeyRing, length: int) -> None:
    value = bytes(range(length))
    sealed = ring.encrypt_value(fixed("dek", ring), Secret(value))
    plain = openssl("enc", "-d", "-aes-128-cbc", "-nopad", "-K", GP.hex(), "-iv", "0" * 32, data=sealed)
    assert plain == value
    for wrong in (b"", value + b"\x00"):
        with pytest.raises(InputError):
            ring.encrypt_value(fixed("dek", ring), Secret(wrong))
    with pytest.raises(InputError):
        ring.encrypt_value(fixed("enc", ring), Secret(value))


def test_a_pin_of_the_ring_can_be_printed_and_is_what_the_card_gets(ring: FileKeyRing) -> None:
    pin = derived("piv-pin", ring, length=6)
    assert pin.kcv == ""
    digits_of_pin = ring.reveal_pin(pin).reveal()
    assert digits_of_pin.isdigit()
    assert len(digits_of_pin) == 6
    sealed = ring.encrypt_dgi(fixed("dek", ring), pin)
    plain = openssl("enc", "-d", "-aes-128-cbc", "-nopad", "-K", GP.hex(), "-iv", "0" * 32, data=sealed)
    assert plain == digits_of_pin + b"\xff\xff\x80" + bytes(7)
    assert ring.reveal_pin(derived("piv-puk", ring, length=8)).reveal() != digits_of_pin


def scbk(ring: FileKeyRing, cuid: str, master: str = "doors") -> KeyRef:
    return ring.refer(
        master, scheme="osdp-scbk", diversification=bytes.fromhex(cuid), version=1, usage="osdp-scbk"
    )


def test_the_scbk_of_a_peripheral_is_what_openssl_makes_of_its_cuid(ring: FileKeyRing) -> None:
    """IEC 60839-11-5 annex D.6: AES(master, cUID ‖ ¬cUID). The cUID is one that libosdp's peripheral sent."""
    master = bytes.fromhex("303132333435363738393a3b3c3d3e3f")
    ring.import_master("doors", Secret(master))
    ref = scbk(ring, "3322020004030201")
    made = openssl("enc", "-aes-128-ecb", "-nopad", "-K", master.hex(),
                   data=bytes.fromhex("3322020004030201ccddfdfffbfcfdfe"))  # fmt: skip
    assert ring.reveal_device_key(ref).reveal() == made
    assert made.hex() == "7425be3ef29ffdd0da399aebf925ab24"
    assert ref.kcv == key_check_value(Secret(made)).hex().upper()
    with pytest.raises(InputError) as caught:
        ring.reveal_device_key(replace(ref, kcv="000000"))
    assert caught.value.code == "keyring.kcv"


def test_no_other_key_comes_out_as_a_peripherals(ring: FileKeyRing) -> None:
    ring.import_master("doors", Secret(GP))
    good = scbk(ring, "3322020004030201")
    for wrong in (
        replace(good, usage="enc"),
        replace(good, diversification=bytes(7)),
        replace(good, length=32),
        replace(good, algorithm="3des"),
        replace(good, master="gp-default"),  # a key that is on cards itself
    ):
        with pytest.raises(InputError) as caught:
            ring.reveal_device_key(wrong)
        assert caught.value.code in ("keyring.use", "keyring.reference")


def test_pins_by_hand() -> None:
    """Rejection sampling over OpenSSL's stream."""
    stream = b""
    for block in range(2):
        stream += openssl(
            *["kdf", "-keylen", "16", "-kdfopt", "mac:CMAC", "-kdfopt", "cipher:AES-128-CBC", "-kdfopt"],
            *["mode:COUNTER", "-kdfopt", f"hexkey:{GP.hex()}", "-kdfopt", "salt:piv-pin"],
            *["-kdfopt", f"hexinfo:0106{block:02x}", "-binary", "KBKDF"],
        )
    expected = "".join(str(byte % 10) for byte in stream if byte < 250)[:20]
    assert digits(GP, b"piv-pin", b"\x01\x06", 20).decode() == expected


def test_digits_come_equally_often() -> None:
    counts = dict.fromkeys(b"0123456789", 0)
    for digit in digits(GP, b"x", b"", 3000):
        counts[digit] += 1
    assert min(counts.values()) > 230
    assert max(counts.values()) < 370


def test_management_key_vectors(ring: FileKeyRing) -> None:
    ref = derived("piv-9b", ring)
    witness, challenge = bytes(range(16)), bytes(range(16, 32))
    answer, expected = ring.management_response(ref, witness, challenge)
    # encrypting the answer gives back the witness: the same key, the other direction
    assert ring.management_response(ref, bytes(16), answer)[1] == witness
    assert len(expected) == 16
    with pytest.raises(InputError):
        ring.management_response(ref, witness[:8], challenge)


@pytest.mark.parametrize("length", [16, 24, 32])
def test_every_length_wraps_to_whole_blocks(ring: FileKeyRing, length: int) -> None:
    sealed = ring.wrap_for_put_key(fixed("dek", ring), derived("enc", ring, length=length))
    assert len(sealed) % 16 == 0
    plain = openssl("enc", "-d", "-aes-128-cbc", "-nopad", "-K", GP.hex(), "-iv", "0" * 32, data=sealed)
    assert key_check_value(Secret(plain[:length])).hex().upper() == derived("enc", ring, length=length).kcv


@given(st.binary(max_size=24), st.integers(0, 255), st.sampled_from(["enc", "mac", "dek", "piv-9b", "badge"]))
def test_different_references_give_different_keys(diversification: bytes, version: int, usage: str) -> None:
    key = counter_mode_cmac(GP, usage.encode(), diversification + bytes([version, 16]), 16)
    others = [
        counter_mode_cmac(GP, usage.encode(), diversification + bytes([version ^ 1, 16]), 16),
        counter_mode_cmac(GP, usage.encode(), diversification + b"\x00" + bytes([version, 16]), 16),
        counter_mode_cmac(GP, b"other", diversification + bytes([version, 16]), 16),
    ]
    assert key not in others


def test_usages_do_not_stand_in_for_each_other(ring: FileKeyRing) -> None:
    enc, mac, dek, pin = (derived(usage, ring) for usage in ("enc", "mac", "dek", "badge"))
    puk = derived("piv-puk", ring, length=8)
    refused: list[Callable[[], object]] = [
        lambda: ring.session(mac, enc, host_challenge=bytes(8), card_challenge=bytes(8)),
        lambda: ring.badge_cryptogram(enc, b"\x01" * 16),
        lambda: ring.management_response(dek, bytes(16), bytes(16)),
        lambda: ring.wrap_for_put_key(enc, mac),
        lambda: ring.wrap_for_put_key(dek, puk),
        lambda: ring.encrypt_dgi(pin, enc),
        lambda: ring.reveal_pin(enc),
        lambda: ring.reveal_device_key(enc),
        lambda: ring.reveal_device_key(puk),
        lambda: ring.reveal_device_key(derived("osdp-scbk", ring)),  # by another scheme
        lambda: ring.reveal_device_key(replace(enc, scheme="fixed", usage="osdp-scbk", master="gp-default")),
        lambda: ring.kcv(puk),
    ]
    for operation in refused:
        with pytest.raises(InputError) as caught:
            operation()
        assert caught.value.code == "keyring.use"
    assert len(ring.badge_cryptogram(pin, b"data")) == 16


def test_references_that_are_not_the_rings(ring: FileKeyRing) -> None:
    good = derived("enc", ring)
    cases = {
        "keyring.master": [replace(good, master="nobody"), replace(good, ring="another")],
        "keyring.kcv": [replace(good, version=2), replace(good, kcv="000000")],
        "keyring.reference": [
            replace(good, scheme="made-up"),
            replace(good, scheme="fixed"),
            replace(good, master="gp-default"),
            replace(good, version=256),
            replace(good, length=15),
        ],
    }
    for code, refs in cases.items():
        for ref in refs:
            with pytest.raises(InputError) as caught:
                ring.kcv(ref)
            assert caught.value.code == code, ref


def test_a_reference_survives_json_and_a_new_opening(
    ring: FileKeyRing, tmp_path: Path, passphrase: Secret
) -> None:
    ref = KeyRef.from_json(json.loads(json.dumps(derived("enc", ring).to_json())))
    again = FileKeyRing.open(tmp_path / "keys.json", passphrase)
    assert again.kcv(ref).hex().upper() == ref.kcv
    assert [info.label for info in again.masters()] == ["badges", "gp-default"]


def test_the_ring_has_no_way_out() -> None:
    assert not [name for name in dir(FileKeyRing) if name.startswith(("get", "export", "key"))]


def test_the_file_holds_no_key_and_nobody_else_reads_it(ring: FileKeyRing, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    text = path.read_text().lower()
    assert bytes(range(32)).hex() not in text
    assert GP.hex() not in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["keys.json"]  # no temporary file stays behind
    assert FileKeyRing.info(path).masters[0].label == "badges"
    assert "correct horse" not in repr(ring)
    with pytest.raises(TypeError):
        pickle.dumps(ring)


def test_wrong_passphrase_altered_header_and_rubbish(
    ring: FileKeyRing, tmp_path: Path, passphrase: Secret
) -> None:
    path = tmp_path / "keys.json"
    with pytest.raises(InputError) as caught:
        FileKeyRing.open(path, Secret(b"wrong"))
    assert caught.value.code == "keyring.passphrase"
    document = json.loads(path.read_text())
    document["header"]["masters"][0]["fixed"] = True
    path.write_text(json.dumps(document))
    with pytest.raises(InputError) as caught:
        FileKeyRing.open(path, passphrase)
    assert caught.value.code == "keyring.passphrase"
    for rubbish in [b"", b"{}", b"\xff", b"[" * 5000, json.dumps({**document, "extra": 1}).encode()]:
        path.write_bytes(rubbish)
        with pytest.raises(InputError) as caught:
            FileKeyRing.open(path, passphrase)
        assert caught.value.code == "keyring.file"
    document["header"]["kdf"]["n"] = 1 << 40  # would take 2^50 bytes
    path.write_text(json.dumps(document))
    with pytest.raises(InputError, match="not a key ring"):
        FileKeyRing.open(path, passphrase)


def test_a_ring_is_never_overwritten_and_no_change_is_lost(
    ring: FileKeyRing, tmp_path: Path, passphrase: Secret
) -> None:
    path = tmp_path / "keys.json"
    with pytest.raises(InputError) as caught:
        FileKeyRing.create(path, passphrase)
    assert caught.value.code == "input.exists"
    second = FileKeyRing.open(path, passphrase)
    second.generate("new", 16)
    with pytest.raises(InputError) as caught:
        ring.generate("lost")
    assert caught.value.code == "keyring.changed"
    for label in ("badges", "", "a b", "../x"):
        with pytest.raises(InputError) as caught:
            second.generate(label)
        assert caught.value.code == "keyring.label"


def test_the_passphrase_comes_from_a_file_or_descriptor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "passphrase"
    file.write_bytes(b"one line\r\nnot this\n")
    assert read_passphrase(environment={"TEGATA_KEYRING_PASSPHRASE_FILE": str(file)}) == Secret(b"one line")
    read, write = os.pipe()
    os.write(write, b"through a pipe\n")
    os.close(write)
    assert read_passphrase(environment={"TEGATA_KEYRING_PASSPHRASE_FD": str(read)}) == Secret(
        b"through a pipe"
    )
    for environment in (
        {"TEGATA_KEYRING_PASSPHRASE_FILE": "/nowhere"},
        {"TEGATA_KEYRING_PASSPHRASE_FD": "x"},
    ):
        with pytest.raises(InputError) as caught:
            read_passphrase(environment=environment)
        assert caught.value.code == "input.file"
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    with pytest.raises(InputError) as caught:
        read_passphrase(environment={})
    assert caught.value.code == "keyring.no_passphrase"


def test_the_ring_opens_by_its_url(
    ring: FileKeyRing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "passphrase"
    file.write_bytes(b"correct horse battery staple\n")
    monkeypatch.setenv("TEGATA_KEYRING_PASSPHRASE_FILE", str(file))
    assert open_keyring(f"file:{tmp_path / 'keys.json'}").name == "desk"
    with pytest.raises(InputError) as caught:
        open_keyring("nonsense:x")
    assert caught.value.code == "keyring.scheme"


def test_entry_badge_keys_are_the_chain_of_the_document(ring: FileKeyRing) -> None:
    """master → site key → badge key, recomputed by OpenSSL's CMAC from docs/protocols/entry-badge.md."""

    def chain(key: bytes, label: bytes, context: bytes) -> bytes:
        data = b"\x00\x00\x00\x01tegata-badge/1 " + label + b"\x00" + context + b"\x00\x00\x00\x80"
        cipher = "AES-256-CBC" if len(key) == 32 else "AES-128-CBC"
        arguments = [
            "mac",
            "-cipher",
            cipher,
            "-macopt",
            f"hexkey:{key.hex()}",
            "-in",
            "-",
            "-binary",
            "CMAC",
        ]
        return openssl(*arguments, data=data)

    site, diversifier = b"\x00\x00\x00\x07", bytes(range(16))
    site_key = chain(bytes(range(32)), b"site", site + b"\x03")
    expected = {
        ("site", site): site_key,
        ("privacy", site): chain(bytes(range(32)), b"privacy", site + b"\x03"),
        ("badge", site + diversifier): chain(site_key, b"badge", diversifier),
    }
    for (usage, diversification), key in expected.items():
        ref = ring.refer(
            "badges", scheme="entry-badge", diversification=diversification, version=3, usage=usage
        )
        assert ref.kcv == key_check_value(Secret(key)).hex().upper()
        assert ring.badge_cryptogram(ref, b"challenge") == cmac(Secret(key), b"challenge")
    for usage, diversification in [
        ("badge", site),
        ("site", site + diversifier),
        ("enc", site),
        ("site", b""),
    ]:
        with pytest.raises(InputError) as caught:
            ring.refer(
                "badges", scheme="entry-badge", diversification=diversification, version=3, usage=usage
            )
        assert caught.value.code == "keyring.reference"
