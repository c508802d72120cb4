"""Card manager, text application and common application of the simulated card, in literal bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_private_key

from tegata.applets.mynumber_text.model import my_number_check_digit
from tegata.simulators.pki import hierarchy

Transmit = Callable[[str], str]
SELECT_TEXT = "00A4040C0AD3921000310001010408"
SELECT_COMMON = "00A4040C0AD3921000310001010100"


def _nv(memory: dict[str, bytes], name: str) -> bytes:
    return memory[f"app/d3921000310001010408/{name}"]


def test_card_level_objects(transmit: Transmit) -> None:
    assert len(transmit("00CA004200")) == 2 * (16 + 2)
    assert bytes.fromhex(transmit("00CA00F000"))[:-2].isdigit()
    assert len(bytes.fromhex(transmit("00CA00F200"))) == 8 + 2
    assert transmit("00CA5F5100") == "E000FF8131FE45149000"
    assert transmit("00CA006600").startswith("66") and "2A864886FC6B01" in transmit("00CA006600")
    for tag in ("7F21", "00F8"):  # 568 bytes: refused to a short Le, read with an extended one
        assert transmit(f"00CA{tag}00") == "6700"
        assert len(transmit(f"00CA{tag}000000")) == 2 * (568 + 2)
    assert transmit("00CA0042") == "6700"
    assert transmit("80500000081122334455667788") == "6D00"


def test_get_challenge_is_random_and_short_only(transmit: Transmit) -> None:
    first, second = transmit("0084000008"), transmit("0084000008")
    assert len(first) == 2 * 10
    assert first != second
    assert len(transmit("0084000000")) == 2 * 258
    assert transmit("00840000000008") == "6985"


def test_number_fails_its_check_digit(transmit: Transmit) -> None:
    transmit(SELECT_TEXT)
    assert transmit("00B0810011") == "6982"
    assert transmit("002000910431323334") == "9000"
    answer = bytes.fromhex(transmit("00B0810011"))
    assert (answer[:3], answer[15:]) == (bytes.fromhex("FF100C"), bytes.fromhex("FFFF9000"))
    number = answer[3:15].decode()
    assert my_number_check_digit(number[:11]) != int(number[11])


def test_check_numbers_open_their_own_file_only(
    transmit: Transmit, my_number_memory: dict[str, bytes]
) -> None:
    a, b = _nv(my_number_memory, "pin/0014"), _nv(my_number_memory, "pin/0015")
    transmit(SELECT_TEXT)
    assert transmit("00200094") == "63CA"
    assert transmit(f"002000940C{a.hex()}") == "9000"
    assert transmit("00B0810011").endswith("9000")
    assert transmit("00B0820000") == "6982"
    assert transmit("00B0830000").endswith("9000")
    transmit(SELECT_COMMON)
    transmit(SELECT_TEXT)
    assert transmit(f"002000950E{b.hex()}") == "9000"
    assert transmit("00B0810011") == "6982"
    assert transmit("00B0820000").startswith("FF20")
    assert transmit("002000950E" + "30" * 14) == "63C9"


def test_blocked_reference(transmit: Transmit) -> None:
    transmit(SELECT_TEXT)
    assert transmit("00200092") == "63C0"
    assert transmit("002000920431323334") == "6984"


def test_basic_info_keeps_its_long_lengths(transmit: Transmit) -> None:
    transmit(SELECT_TEXT)
    info = bytes.fromhex(transmit("00B0850000"))[:-2]
    assert len(info) == 256
    assert info[:12] == bytes.fromhex("FF4082009FDF410401030E01")
    assert info[12:15] == bytes.fromhex("DF4210")
    assert info[31:36] == bytes.fromhex("DF43820080")
    assert info[164:] == b"\xff" * 92


def test_the_issuer_signed_what_the_files_hold(transmit: Transmit) -> None:
    transmit(SELECT_TEXT)
    transmit("002000910431323334")
    number, attributes, signed, certificate, record = (
        bytes.fromhex(transmit(f"00B0{0x80 | sfi:02X}00000000"))[:-2] for sfi in (1, 2, 3, 4, 7)
    )
    assert len(signed) == 336
    assert signed[:8] == bytes.fromhex("FF3082014BDF3120")
    assert signed[8:40] == hashlib.sha256(number).digest()
    assert signed[43:75] == hashlib.sha256(attributes[attributes.index(b"\xdf\x22") :]).digest()
    pki = hierarchy()
    signer = pki.face_signer.public_key()
    signer.verify(signed[80:], signed[5:75], padding.PKCS1v15(), SHA256())
    assert len(certificate) == 568
    assert certificate[:8] == bytes.fromhex("7F218202335F4E82")
    pki.face_root.public_key().verify(certificate[-256:], certificate[10:307], padding.PKCS1v15(), SHA256())
    assert certificate[51:307] == signer.public_numbers().n.to_bytes(256, "big")
    assert record[:10] == bytes.fromhex("FF50820213DF51820109")
    signer.verify(record[-256:], record[10:275], padding.PKCS1v15(), SHA256())


def test_key_without_pin_and_secure_messaging(transmit: Transmit) -> None:
    transmit(SELECT_TEXT)
    assert len(transmit("802A00000411223344" + "00")) == 2 * 258
    assert transmit("0CB0000004") == "69FC"


def test_common_record_and_internal_authentication(
    transmit: Transmit, my_number_memory: dict[str, bytes]
) -> None:
    transmit(SELECT_COMMON)
    record = bytes.fromhex(transmit("00B2010C00"))
    assert record[:2] == bytes.fromhex("011C")
    assert record[2:30].isdigit()
    assert record[30:] == b"\x90\x00"
    assert transmit("00B2010D00") == record.hex().upper()
    assert transmit("00B2020C00") == "6A83"
    assert transmit("00A4020C020001") == "9000"
    assert transmit("00B2010400") == record.hex().upper()
    assert transmit("00B0000004") == "6981"
    assert transmit("0CB2010C00") == "66F1"
    answer = bytes.fromhex(transmit("0088009904AABBCCDD00"))
    assert answer == bytes.fromhex(transmit("0088009904AABBCCDD00"))
    key = load_der_private_key(my_number_memory["app/d3921000310001010100/ef/0019"], None)
    assert isinstance(key, rsa.RSAPrivateKey)
    key.public_key().verify(answer[:-2], bytes.fromhex("AABBCCDD"), padding.PKCS1v15(), SHA256())


@pytest.mark.parametrize("aid", ["A000000308000010000100", "D392F0004F02000000", "A0000002310100"])
def test_what_is_not_on_the_card(transmit: Transmit, aid: str) -> None:
    assert transmit(f"00A4040C{len(aid) // 2:02X}{aid}") == "6A82"
