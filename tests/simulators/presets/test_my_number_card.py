"""The presets: each new card is another person's, and the free-space ID is what the maker was told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from asn1crypto import x509

from tegata.applets.free_space_id.model import FreeSpaceIdentity
from tegata.applets.mynumber_text.model import Attributes
from tegata.simulators.link import SimulatedReader
from tegata.simulators.presets import create, memory

JPKI = "app/d392f000260100000001/"
TEXT = "app/d3921000310001010408/"
FREE = "app/f05445474154412d494401/"


def _common_name(content: dict[str, bytes], file: str) -> str:
    name: str = x509.Certificate.load(content[f"{JPKI}ef/{file}"]).subject.native["common_name"]
    return name


def test_every_card_is_another_persons() -> None:
    cards = [memory("my-number-card") for _ in range(3)]
    for file in ("000a", "0001"):
        assert len({_common_name(card, file) for card in cards}) == 3
    assert len({card[f"{TEXT}ef/0001"] for card in cards}) == 3
    assert len({card["app/d3921000310001010100/ef/0001"] for card in cards}) == 3


def test_a_seed_repeats_the_person() -> None:
    first, second = (memory("my-number-card", seed=7) for _ in range(2))
    assert first.keys() == second.keys()
    assert _common_name(first, "000a") == _common_name(second, "000a")
    assert first[f"{TEXT}ef/0002"] == second[f"{TEXT}ef/0002"]
    assert Attributes.parse(first[f"{TEXT}ef/0002"]).name.count("\u3000") == 1


def test_text_application_and_certificate_name_the_same_person() -> None:
    card = memory("my-number-card")
    attributes = Attributes.parse(card[f"{TEXT}ef/0002"])
    certificate = x509.Certificate.load(card[f"{JPKI}ef/0001"])
    values = [general.chosen["value"].native for general in certificate.subject_alt_name_value]
    assert values[:4] == [
        attributes.name,
        values[1],
        attributes.sex,
        attributes.address,
    ]
    assert values[1][1:] == f"{attributes.birth:%Y%m%d}"


def test_free_space_user_id_is_the_makers_choice(tmp_path: Path) -> None:
    chosen = bytes.fromhex("00112233445566778899AABBCCDDEEFF")
    given = memory("my-number-card-with-free-space", user_id=chosen, issuer="PREF-36")
    identity = FreeSpaceIdentity.parse(given[f"{FREE}identity"])
    assert (identity.user_id, identity.issuer) == (chosen, "PREF-36")
    drawn = [memory("my-number-card-with-free-space") for _ in range(2)]
    assert len({FreeSpaceIdentity.parse(card[f"{FREE}identity"]).user_id for card in drawn}) == 2
    create("my-number-card-with-free-space", tmp_path / "card", user_id=chosen)
    reader = SimulatedReader(tmp_path / "card", contactless=False)
    assert reader.wait_for_card().atr == bytes.fromhex("3BE000FF8131FE4514")
    reader.close()


def test_a_card_whose_certificates_have_ended() -> None:
    card = memory("my-number-card", issued=datetime.now(UTC) - timedelta(days=6 * 366))
    for file in ("000a", "0001"):
        certificate = x509.Certificate.load(card[f"{JPKI}ef/{file}"])
        assert certificate.not_valid_after < datetime.now(UTC)


def test_contactless_atr(tmp_path: Path) -> None:
    create("my-number-card", tmp_path / "card")
    reader = SimulatedReader(tmp_path / "card")
    assert reader.wait_for_card().atr == bytes.fromhex("3B888001000041E0B381A1003B")
    reader.close()
