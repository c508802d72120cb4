"""What is not known of real cards is a switch; phones and terminals; cards of an earlier version."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from tegata.apdu.card import Card
from tegata.applets.mynumber_probe import plan, probe
from tegata.simulators.card import MemoryStore, SimulatedCard
from tegata.simulators.card.policy import MY_NUMBER_CARD, CardPolicy
from tegata.simulators.link import SimulatedLink
from tegata.simulators.pki import terminal_certificate
from tegata.simulators.presets import memory, read_quirks, with_quirks

JPKI = "00A4040C0AD392F000260100000001"
TEXT = "00A4040C0AD3921000310001010408"
VISUAL = "00A4040C0AD3921000310001010402"
JUKI = "00A4040C0AD3921000310001010401"
COMMON = "00A4040C0AD3921000310001010100"
SIGN = "802A0097" + "0411223344" + "00"


def _answers(content: dict[str, bytes], *commands: str) -> list[str]:
    card = SimulatedCard(MemoryStore(content))
    card.power_up()
    return [card.transmit(bytes.fromhex(command)).hex().upper() for command in commands]


@pytest.mark.parametrize(
    ("quirks", "commands", "usual", "other"),
    [
        (
            {"missed_select_keeps_application": False},
            [JPKI, "00A4040C05A000000099", "00B0860001"],
            "4A9000",
            "6D00",
        ),
        ({"no_application_sw": 0x6986}, ["00A4020C020001"], "6A82", "6986"),
        (
            {"sign_length_sw": 0x6700},
            [JPKI, "002000980431323334", "802A02970401020304" + "00"],
            "6985",
            "6700",
        ),
        ({"short_ids": False}, [JPKI, "00B0860001"], "4A9000", "6A86"),
        ({"get_data_in_application_sw": 0x6D00}, [JPKI, "00CA004200"], "6A88", "6D00"),
        ({"contact_atr_in_applications": True}, [TEXT, "00CA5F5100"], "6A88", "E000FF8131FE45149000"),
        ({"contact_atr_in_applications": True}, ["00CA5F5100"], "E000FF8131FE45149000", "6A88"),
        ({"signature_certificate_free": True}, [JPKI, "00B0810002"], "6982", "30829000"),
        ({"birth_pin_tries": 3}, [VISUAL, "00200091"], "63CA", "63C3"),
        ({"birth_pin_tries": 0}, [VISUAL, "00200091"], "63CA", "6300"),
        ({"birth_pin_tries": 0}, [VISUAL, "0020009106393939393939"], "63C9", "6300"),
        ({"other_key_authentication_sw": 0x6982}, [JUKI, "0088008204AABBCCDD00"], "6985", "6982"),
        ({"other_key_authentication_sw": 0x6982}, [COMMON, "0088009C04AABBCCDD00"], "6985", "6982"),
        ({"terminal_refused_sw": 0x6982}, [JPKI, "80A200C1" + "000238" + "00" * 568], "6A80", "6982"),
    ],
)
def test_each_switch_changes_what_it_says(
    my_number_memory: dict[str, bytes], quirks: dict[str, Any], commands: list[str], usual: str, other: str
) -> None:
    assert _answers(my_number_memory, *commands)[-1] == usual
    assert _answers(with_quirks(my_number_memory, quirks), *commands)[-1] == other


def test_every_switch_is_described() -> None:
    text = CardPolicy.__doc__ or ""
    assert [name for name in CardPolicy.__slots__ if f"``{name}``" not in text] == ["name", "extended_length"]


def test_a_card_file_of_an_earlier_version_still_answers(my_number_memory: dict[str, bytes]) -> None:
    """Its policy knows fewer switches, and it has neither visual nor 住基 application nor EF 0006."""
    old_policy = (
        b'{"name": "my-number-card", "bare_select_sw": 27270, "reselect_keeps_state": true, "channels": 0, '
        b'"no_fci_for_p2_0c": true, "chaining": true, "extended_length": true}'
    )
    later = ("app/d3921000310001010402/", "registry/d3921000310001010402", "app/d3921000310001010401/")
    later += ("registry/d3921000310001010401", "app/d3921000310001010408/ef/0006")
    old = {key: value for key, value in my_number_memory.items() if not key.startswith(later)}
    old["card/policy"] = old_policy
    assert CardPolicy.from_bytes(old_policy) == MY_NUMBER_CARD
    answers = _answers(old, VISUAL, TEXT, "002000910431323334", "00B0860010", JPKI, "00200098")
    assert answers == ["6A82", "9000", "9000", "6B00", "9000", "63C3"]


@pytest.mark.parametrize("preset", ["jpki-android", "jpki-iphone"])
def test_phones_hold_jpki_alone_and_guard_both_certificates(installation: object, preset: str) -> None:
    label = {"jpki-android": b"JPKIAPGPSETOKEN", "jpki-iphone": b"JPKIAPIOSTOKEN"}[preset]
    answers = _answers(
        memory(preset, seed=1),
        *(JPKI, "00B0860020", "00B08A0002", "002000980431323334", "00B08A0002", SIGN, "80FC0000"),
        *(TEXT, VISUAL, JUKI, COMMON),
    )
    assert bytes.fromhex(answers[1])[:-2] == label.ljust(32)
    assert answers[2:5] == ["6982", "9000", "30829000"]
    assert len(answers[5]) == 2 * 258
    assert answers[6] == ("9000" if preset == "jpki-iphone" else "6700")
    assert answers[7:] == ["6A82"] * 4


def test_a_terminal_certificate_stands_in_for_the_pin(my_number_memory: dict[str, bytes]) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    certificate = bytes(terminal_certificate(key.public_key()))
    offer = "80A200C1" + "000238" + certificate.hex()
    answers = _answers(
        my_number_memory, JPKI, SIGN, offer, SIGN, "802A009A" + "0411223344" + "00", TEXT, JPKI, SIGN
    )
    assert answers[1:3] == ["6982", "9000"]
    assert answers[3].endswith("9000")
    assert answers[4] == "6982"  # the signature key is not for terminals
    assert answers[-1] == "6982"
    other = certificate[:-1] + bytes((certificate[-1] ^ 1,))
    assert _answers(my_number_memory, JPKI, "80A206C1" + "000238" + other.hex(), SIGN)[1:] == ["6A80", "6982"]
    assert _answers(my_number_memory, JPKI, "80A200C1" + "000100" + "00" * 256)[1] == "6700"


def test_juki_pin_changes_by_its_own_command(my_number_memory: dict[str, bytes]) -> None:
    answers = _answers(
        my_number_memory,
        *(JUKI, "0020009C", "8032009C0435363738", "0020009C0431323334", "8032009C0435363738"),
        *(
            "0020009C0431323334",
            "0020009C0435363738",
            "0024019C0431323334",
            "802A000004AABBCCDD00",
            "00B0820000",
        ),
    )
    assert answers[1:9] == ["63C3", "6982", "9000", "9000", "63C2", "9000", "6D00", "6D00"]
    assert len(bytes.fromhex(answers[9])) == 16 + 2


def test_records_and_partial_names(my_number_memory: dict[str, bytes]) -> None:
    """D39210003100010104 fits text, visual and 住基 application in the order of installation."""
    prefix = "00A40400" + "09" + "D39210003100010104"
    following = "00A40402" + "09" + "D39210003100010104"
    answers = _answers(
        my_number_memory,
        *(prefix, "00200095", following, "00200095", following, "0020009C", following),
    )
    assert answers == ["9000", "63CA", "9000", "6A82", "9000", "63C3", "6A82"]


def test_what_a_probe_finds_makes_a_card_of_the_same_kind(
    my_number_memory: dict[str, bytes], tmp_path: Path
) -> None:
    """The JSON of the probe, laid into another card: the probe then finds the same."""
    switches: dict[str, bool | int] = {
        "short_ids": False,
        "get_data_in_application_sw": 0x6D00,
        "no_application_sw": 0x6986,
        "signature_certificate_free": True,
        "missed_select_keeps_application": False,
    }

    def probed(content: dict[str, bytes]) -> dict[str, bool | int]:
        link = SimulatedLink(SimulatedCard(MemoryStore(content)))
        (tmp_path / "probe.json").write_text(json.dumps(probe(Card(link), plan())))
        return read_quirks(tmp_path / "probe.json")

    found = probed(with_quirks(my_number_memory, switches))
    assert switches.items() <= found.items()
    assert probed(with_quirks(my_number_memory, found)) == found
