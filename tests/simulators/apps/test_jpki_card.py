"""The JPKI application of the simulated card, in literal bytes of the published client behaviour."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tegata.simulators.card import FileStore, MemoryStore, PowerCut, PowerLost, SimulatedCard
from tegata.simulators.card.policy import MY_NUMBER_CARD

Transmit = Callable[[str], str]
SELECT_JPKI = "00A4040C0AD392F000260100000001"
SELECT_TEXT = "00A4040C0AD3921000310001010408"
SHA256_PREFIX = "3031300D060960864801650304020105000420"
DIGEST_OF_ABC = "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD"
SIGN_ABC = "802A008033" + SHA256_PREFIX + DIGEST_OF_ABC + "00"


def test_the_cheat_sheet_in_order(transmit: Transmit) -> None:
    assert transmit(SELECT_JPKI) == "9000"
    assert transmit("00A4020C020006") == "9000"
    assert bytes.fromhex(transmit("00B0000020")) == b"JPKIAPICCTOKEN2".ljust(32) + b"\x90\x00"
    assert transmit("00A4020C020018") == "9000"
    assert transmit("00200080") == "63C3"
    assert transmit("00A4020C02001B") == "9000"
    assert transmit("00200080") == "63C5"
    assert transmit("00A4020C020001") == "9000"
    assert transmit("00B0000004") == "6982"
    assert transmit("00A4020C020017") == "9000"
    assert transmit(SIGN_ABC) == "6982"
    assert transmit("00A4020C020018") == "9000"
    assert transmit("002000800431323334") == "9000"
    assert transmit("00A4020C020017") == "9000"
    assert len(transmit(SIGN_ABC)) == 2 * 258


@pytest.mark.parametrize(
    ("commands", "answer"),
    [
        (["00A40000"], "6A86"),  # bare SELECT just after power-on
        ([SELECT_JPKI, "00A40000"], "9000"),
        ([SELECT_JPKI, "00A4000C023F00"], "6A82"),
        ([SELECT_JPKI, "00A4020C022F10"], "6A82"),
        (["00A4040C07627601FF000000"], "6A82"),  # OpenSC's probes of other cards
        (["00CADF3005"], "6A88"),
        (["00CB3FFF035C017E08"], "6D00"),
        (["00A4020C020006"], "6A82"),
        ([SELECT_JPKI, "00B0000004"], "6986"),
        ([SELECT_JPKI, "00A4020C020017", "00B0000004"], "6981"),
        ([SELECT_JPKI, "00A4020C02001E", "00B0000004"], "6981"),
        ([SELECT_JPKI, "00A4020C020006", "00B000A010"], "6B00"),
        ([SELECT_JPKI, "00A4020C020006", "00B0009F10"], "399000"),  # a short rest, with 9000
        ([SELECT_JPKI, "00B0860004"], "4A504B499000"),  # by short id
        ([SELECT_JPKI, "00B0880003"], "8F8F009000"),
        ([SELECT_JPKI, "00A4020C020017", "00200080"], "6981"),
        ([SELECT_JPKI, "00200080"], "6986"),
        ([SELECT_JPKI, "00200098"], "63C3"),
        ([SELECT_JPKI, "00200198"], "6A86"),
        ([SELECT_JPKI, "0020009803313233"], "6700"),  # a length that no PIN of this kind has
        ([SELECT_JPKI, "0020009803313233", "00200098"], "63C3"),  # … which spends no try
        ([SELECT_JPKI, "002000980431323334", "802A069701AA00"], "6A86"),  # P1 beyond 05
        ([SELECT_JPKI, "002000980431323334", "802A029701AA00"], "6985"),  # P1 = 02 wants 32 bytes
        ([SELECT_JPKI, "002000980431323334", "802A0000" + "01AA00"], "6A86"),  # no default key here
        ([SELECT_JPKI, "002000980431323334", "002A0097" + "01AA00"], "6E00"),  # CLA 00 instead of 80
        ([SELECT_JPKI, "900000"], "6700"),
        ([SELECT_JPKI, "A0B00000"], "6E00"),
        ([SELECT_JPKI, "00FF0000"], "6D00"),
        (["01A4040C0AD392F000260100000001"], "6881"),
        ([SELECT_JPKI, "0CB0000004"], "6982"),
        ([SELECT_JPKI, "80FC0000"], "6700"),
        ([SELECT_JPKI, "80A20000"], "6A86"),
        ([SELECT_JPKI, "00A4040C05A000000000", "00B0860001"], "4A9000"),  # a failed SELECT keeps the AP
        ([SELECT_JPKI, "0084000000000000"], "6700"),
        ([SELECT_JPKI, "00840000000010"], "6985"),
        (["00A4040C04D392F000", "00B0860001"], "4A9000"),  # partial AID
    ],
)
def test_answers_of_single_commands(transmit: Transmit, commands: list[str], answer: str) -> None:
    for command in commands[:-1]:
        transmit(command)
    assert transmit(commands[-1]) == answer


def test_extended_le_reads_a_whole_certificate(transmit: Transmit) -> None:
    transmit(SELECT_JPKI)
    transmit("00A4020C02000A")
    whole = transmit("00B00000000000")
    head = transmit("00B0000004")
    assert head[:4] == "3082"
    assert len(whole) // 2 - 2 == int(head[4:8], 16) + 4
    assert whole.startswith(transmit("00B0000000")[:-4])


def test_opensc_lengths_fit_both_kinds_of_certificates(transmit: Transmit) -> None:
    transmit(SELECT_JPKI)
    transmit("0020009B06414243313233")
    for file in ("81", "82", "8A", "8B"):
        assert transmit(f"00B0{file}0002") == "30829000"


def test_signature_is_what_openssl_verifies(transmit: Transmit, tmp_path: Path) -> None:
    transmit(SELECT_JPKI)
    transmit("002000980431323334")
    transmit("00A4020C020017")
    signature = bytes.fromhex(transmit(SIGN_ABC))[:-2]
    certificate = bytes.fromhex(transmit("00B08A00000000"))[:-2]
    assert _openssl_verifies(tmp_path, certificate, signature, b"abc")
    assert not _openssl_verifies(tmp_path, certificate, signature, b"abd")


@pytest.mark.parametrize(
    ("p1", "data", "options"),
    [
        ("02", DIGEST_OF_ABC, []),
        ("03", b"abc".hex(), []),
        ("04", DIGEST_OF_ABC, ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32"]),
        ("05", b"abc".hex(), ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32"]),
    ],
)
def test_other_modes_of_signing(
    transmit: Transmit, tmp_path: Path, p1: str, data: str, options: list[str]
) -> None:
    transmit(SELECT_JPKI)
    transmit("0020009B06414243313233")
    signature = bytes.fromhex(transmit(f"802A{p1}9A{len(data) // 2:02X}{data}00"))[:-2]
    certificate = bytes.fromhex(transmit("00B08100000000"))[:-2]
    assert _openssl_verifies(tmp_path, certificate, signature, b"abc", *options)


def test_the_bare_mode_pads_the_hash_alone(transmit: Transmit, tmp_path: Path) -> None:
    transmit(SELECT_JPKI)
    transmit("002000980431323334")
    bare = transmit("802A019703" + b"abc".hex() + "00")
    assert bare == transmit("802A009720" + DIGEST_OF_ABC + "00")  # the card does not look at the data
    certificate = bytes.fromhex(transmit("00B08A00000000"))[:-2]
    recovered = _openssl_recovers(tmp_path, certificate, bytes.fromhex(bare)[:-2])
    assert recovered == bytes.fromhex(DIGEST_OF_ABC)


def test_longest_data_to_sign(transmit: Transmit) -> None:
    transmit(SELECT_JPKI)
    transmit("002000980431323334")
    assert transmit("802A0097F5" + "A5" * 245 + "00").endswith("9000")
    assert transmit("802A0097F6" + "A5" * 246 + "00") == "6985"


def test_tries_count_down_block_and_reset(transmit: Transmit) -> None:
    transmit(SELECT_JPKI)
    transmit("00A4020C020018")
    assert [transmit("002000800430303030") for _ in range(2)] == ["63C2", "63C1"]
    assert transmit("002000800431323334") == "9000"
    assert transmit("00200080") == "63C3"
    assert [transmit("002000800430303030") for _ in range(3)] == ["63C2", "63C1", "63C0"]
    assert transmit("002000800431323334") == "6984"
    assert transmit("00200080") == "63C0"
    assert transmit("0020009B06414243313233") == "9000"  # the other PIN has its own counter


def test_the_card_compares_bytes_and_not_letters(transmit: Transmit) -> None:
    transmit(SELECT_JPKI)
    assert transmit("0020009B06616263313233") == "63C4"


def test_verified_state_and_selection(transmit: Transmit, my_number_card: SimulatedCard) -> None:
    transmit(SELECT_JPKI)
    transmit("002000980431323334")
    transmit("00A4020C02000A")  # another file: kept
    transmit(SELECT_JPKI)  # the same application: kept
    assert transmit("802A009701AA00").endswith("9000")
    transmit(SELECT_TEXT)
    transmit(SELECT_JPKI)
    assert transmit("802A009701AA00") == "6982"
    transmit("002000980431323334")
    assert transmit("002000980430303030") == "63C2"  # a wrong PIN ends the verified state
    assert transmit("802A009701AA00") == "6982"
    transmit("002000980431323334")
    my_number_card.power_down()
    my_number_card.power_up()
    transmit(SELECT_JPKI)
    assert transmit("802A009701AA00") == "6982"


def test_change_pin(transmit: Transmit) -> None:
    transmit(SELECT_JPKI)
    transmit("00A4020C020018")
    assert transmit("002401800435363738") == "6982"
    transmit("002000800431323334")
    assert transmit("0024018003353637") == "6700"
    assert transmit("002400800435363738") == "6A86"
    assert transmit("002401800435363738") == "9000"
    assert transmit("002000800431323334") == "63C2"
    assert transmit("002000800435363738") == "9000"


@pytest.mark.parametrize(
    ("write", "phase", "tries"),
    [
        (0, "before", "63C3"),  # nothing written, nothing compared
        (0, "inside", "63C3"),  # the old counter stands, and no comparison took place
        (0, "after", "63C2"),  # spent before the comparison
        (1, "before", "63C2"),  # a right PIN whose reset did not happen stays spent
        (1, "inside", "63C2"),
        (1, "after", "63C3"),
    ],
)
@pytest.mark.parametrize("on_file", [False, True])
def test_a_torn_verify_never_gives_a_try_back(
    my_number_memory: dict[str, bytes], tmp_path: Path, write: int, phase: str, tries: str, on_file: bool
) -> None:
    store = (
        FileStore.create(tmp_path / "card", my_number_memory) if on_file else MemoryStore(my_number_memory)
    )
    card = SimulatedCard(store, cut=PowerCut(write, phase))  # type: ignore[arg-type] # from the list above
    card.power_up()
    card.transmit(bytes.fromhex(SELECT_JPKI))
    with pytest.raises(PowerLost):
        card.transmit(bytes.fromhex("002000980431323334"))
    card.power_up()
    card.transmit(bytes.fromhex(SELECT_JPKI))
    assert card.transmit(bytes.fromhex("802A009701AA00")).hex() == "6982"
    assert card.transmit(bytes.fromhex("00200098")).hex().upper() == tries
    store.close()


def test_a_wrong_pin_and_a_cut_is_spent_though_no_answer_left(my_number_memory: dict[str, bytes]) -> None:
    card = SimulatedCard(MemoryStore(my_number_memory), cut=PowerCut(0, "after"))
    card.power_up()
    card.transmit(bytes.fromhex(SELECT_JPKI))
    with pytest.raises(PowerLost):
        card.transmit(bytes.fromhex("002000980430303030"))
    card.power_up()
    card.transmit(bytes.fromhex(SELECT_JPKI))
    assert card.transmit(bytes.fromhex("00200098")).hex().upper() == "63C2"


def test_a_card_file_keeps_its_counters(my_number_memory: dict[str, bytes], tmp_path: Path) -> None:
    path = tmp_path / "card"
    for expected in ("63C4", "63C3"):
        store = FileStore(path) if path.exists() else FileStore.create(path, my_number_memory)
        card = SimulatedCard(store)
        card.power_up()
        card.transmit(bytes.fromhex(SELECT_JPKI))
        assert card.transmit(bytes.fromhex("0020009B06585858585858")).hex().upper() == expected
        store.close()


@pytest.mark.parametrize(
    ("switch", "value", "command", "answer"),
    [
        ("verified_query_answers_9000", True, "00200098", "9000"),
        ("verified_query_answers_9000", False, "00200098", "63C3"),
        ("implausible_pin_counts", True, "0020009803313233", "63C2"),
        (
            "failed_verify_clears_status",
            False,
            "002000980430303030 802A009720" + DIGEST_OF_ABC + "00",
            "9000",
        ),
        ("blocked_pin_sw", 0x6983, " ".join(["002000980430303030"] * 4), "6983"),
    ],
)
def test_what_is_not_known_of_real_cards_is_a_switch(
    my_number_memory: dict[str, bytes], switch: str, value: int, command: str, answer: str
) -> None:
    policy = {name: getattr(MY_NUMBER_CARD, name) for name in MY_NUMBER_CARD.__slots__} | {switch: value}
    changed = type(MY_NUMBER_CARD)(**policy).to_bytes()
    card = SimulatedCard(MemoryStore(my_number_memory | {"card/policy": changed}))
    card.power_up()
    last = ""
    for part in (SELECT_JPKI, "002000980431323334", *command.split()):
        last = card.transmit(bytes.fromhex(part)).hex().upper()
    assert last.endswith(answer)


def _openssl_verifies(
    folder: Path, certificate: bytes, signature: bytes, message: bytes, *options: str
) -> bool:
    _public_key(folder, certificate)
    (folder / "signature").write_bytes(signature)
    command = ["openssl", "dgst", "-sha256", "-verify", "public.pem", "-signature", "signature", *options]
    done = subprocess.run(command, cwd=folder, input=message, capture_output=True, check=False)
    return done.returncode == 0 and done.stdout.strip() == b"Verified OK"


def _openssl_recovers(folder: Path, certificate: bytes, signature: bytes) -> bytes:
    _public_key(folder, certificate)
    (folder / "signature").write_bytes(signature)
    command = ["openssl", "pkeyutl", "-verifyrecover", "-pubin", "-inkey", "public.pem", "-in", "signature"]
    return subprocess.run(command, cwd=folder, capture_output=True, check=True).stdout


def _public_key(folder: Path, certificate: bytes) -> None:
    (folder / "certificate.der").write_bytes(certificate)
    command = ["openssl", "x509", "-inform", "der", "-in", "certificate.der", "-noout", "-pubkey"]
    (folder / "public.pem").write_bytes(
        subprocess.run(command, cwd=folder, capture_output=True, check=True).stdout
    )
