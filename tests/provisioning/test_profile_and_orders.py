"""The badge profile, and what an order freezes from it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tegata.apdu import InputError
from tegata.applets.entry_badge.model import BadgeRecord
from tegata.provisioning.keyring import FileKeyRing
from tegata.provisioning.ledger import Ledger
from tegata.provisioning.orders import content_hash, create_order, render_line
from tegata.provisioning.profile import Profile, load_profile, render
from tegata.provisioning.roster import Roster, parse_roster, read_roster

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def profile() -> Profile:
    return load_profile(EXAMPLES / "badge-profile.toml")


@pytest.fixture
def roster() -> Roster:
    return read_roster(EXAMPLES / "roster.csv")


def test_the_example_survives_json(profile: Profile) -> None:
    assert Profile.from_json(profile.to_json()) == profile
    assert profile.instance("entry-badge").instance == "F0544547415441010101"
    with pytest.raises(KeyError):
        profile.instance("parking")


def broken(change: Callable[[str], str], tmp_path: Path) -> str:
    path = tmp_path / "profile.toml"
    text = (EXAMPLES / "badge-profile.toml").read_text("utf-8")
    changed = change(text)
    assert changed != text
    path.write_text(changed, "utf-8")
    with pytest.raises(InputError) as caught:
        load_profile(path)
    assert caught.value.code == "profile.invalid"
    return caught.value.sentence("en")


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("{employee.romaji}", "{employee.salary}", "salary"),
        ("{employee.romaji}", "{employee.__class__}", "__class__"),
        ("{employee.romaji}", "{employee.name.__init__}", "braces"),
        ("{employee.romaji}", "{0}", "braces"),
        ("{employee.romaji}", "{{", "braces"),
        ("version = 1 ", "version = 2 ", "version"),
        ('name = "example-badge"', 'name = "a b"', "name"),
        ("revision = 1", "revision = 1\ncolour = 'red'", "colour"),
        ('aid = "A000000151000000"', 'aid = "A0"', "AID"),
        ('aid = "A000000151000000"', 'aid = "a000000151000000"', "AID"),
        ('scheme = "fixed"\nversion = 255', 'scheme = "fixed"\nversion = 1', "version of their own"),
        ('scheme = "fixed"', 'scheme = "homemade"', "schemes"),
        ("length = 6", "length = 5", "pin"),
        ("length = 8", "length = 7", "PUK"),
        ('application = "entry-badge"', 'application = "employee-id"', "twice"),
        ('application = "entry-badge"', 'application = "parking"', "application"),
        ("TOKYO = 1", "TOKYO = 2", "same number"),
        ("office = 1", "office = 70000", "access_classes"),
        ('default_site = "TOKYO"', 'default_site = "KYOTO"', "default_site"),
        ('scheme = "entry-badge"', 'scheme = "sp800-108-cmac"', "entry-badge"),
        ('source = "ring"\nmaster = "badges"\nlength = 6', 'source = "typed"\nmaster = "badges"', "typed"),
        ("version = 1", "version = ", "Invalid"),
    ],
)
def test_faulty_profiles_are_one_sentence(old: str, new: str, word: str, tmp_path: Path) -> None:
    assert word.lower() in broken(lambda text: text.replace(old, new, 1), tmp_path).lower()


def test_a_profile_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "profile.toml"
    for data in (b"\xff\xfe", b"[" * 10_000, b"x = " + b"[" * 5000):
        path.write_bytes(data)
        with pytest.raises(InputError) as caught:
            load_profile(path)
        assert caught.value.code == "profile.invalid"


def test_every_field_is_filled_and_nothing_else(roster: Roster) -> None:
    employee = roster.employees[4]
    assert render("{employee.number}/{employee.valid_until}", employee) == "000105/2031-03-31"
    assert render("{employee.name}", replace(employee, name="{employee.number}")) == "{employee.number}"


def test_what_is_frozen(roster: Roster, profile: Profile) -> None:
    line = render_line(roster.employees[0], profile)
    assert line.card_kind == "company"
    assert line.rejected == ""
    assert line.payload["employee_id"]["printed"]["name"] == "SATO Hanako"
    assert len(bytes.fromhex(line.payload["employee_id"]["guid"])) == 16
    assert bytes.fromhex(line.payload["employee_id"]["guid"])[6] >> 4 == 4  # RFC 4122 version 4
    badge = line.payload["entry_badge"]
    record = BadgeRecord.parse(bytes.fromhex(badge["record"]))
    assert record == BadgeRecord(
        badge_number="000101",
        site=1,
        valid_from=datetime(2026, 3, 31, 15, tzinfo=UTC),  # 1 April in Japan
        valid_until=datetime(2031, 3, 31, 15, tzinfo=UTC),  # the end of 31 March
        access_classes=frozenset({1, 2}),
    )
    assert len(bytes.fromhex(badge["diversifier"])) == 16
    holder = render_line(roster.employees[-1], profile)
    assert holder.card_kind == "holder"
    assert "employee_id" not in holder.payload  # a holder's own card is bound, not written


def test_lines_that_do_not_fit_are_rejected_without_personal_data(roster: Roster, profile: Profile) -> None:
    employee = roster.employees[0]
    unfit = {
        "the site is not in the profile": replace(employee, site="KYOTO"),
        "an access class is not in the profile": replace(employee, access=("vault",)),
    }
    for reason, one in unfit.items():
        assert render_line(one, profile).rejected == reason
    section = profile.employee_id
    assert section is not None
    long = section.printed.model_copy(update={"issuer": "{employee.name}"})
    changed = profile.model_copy(update={"employee_id": section.model_copy(update={"printed": long})})
    assert render_line(employee, changed).rejected == "printed.issuer must be ASCII of at most 15 characters"


def test_the_same_roster_makes_no_second_order(ledger: Ledger, roster: Roster, profile: Profile) -> None:
    order, new = create_order(ledger, roster, profile, "April")
    again, second = create_order(ledger, roster, profile, "April once more")
    assert (new, second) == (True, False)
    assert again == order
    # the same people, written by another program in another order and encoding
    lines = (EXAMPLES / "roster.csv").read_text("utf-8").splitlines()
    other = parse_roster("\r\n".join([lines[0], *reversed(lines[1:])]).encode("cp932"))
    assert content_hash(other, profile) == order.content_hash
    revised = profile.model_copy(update={"revision": 2})
    _, third = create_order(ledger, roster, revised)
    assert third
    with ledger.read() as books:
        assert books.line_counts(order.id) == {"ready": 22}
        guids = {line.payload.get("employee_id", {}).get("guid") for line in books.lines(card_kind="company")}
        assert len(guids) == 40
        assert books.employee_name("000103") == "髙橋 美咲"


def test_rejected_lines_are_stored_beside_ready_ones(
    ledger: Ledger, roster: Roster, profile: Profile
) -> None:
    first, *others = roster.employees[:3]
    order, _ = create_order(
        ledger, replace(roster, employees=(replace(first, site="KYOTO"), *others)), profile
    )
    with ledger.read() as books:
        assert books.line_counts(order.id) == {"ready": 2, "rejected": 1}
        assert books.lines(order.id, states=("rejected",))[0].reason == "the site is not in the profile"


def test_key_references_of_the_profile(profile: Profile, ring: FileKeyRing) -> None:
    card = bytes(10)
    factory = profile.domain.factory.refer(ring, "enc", card)
    assert (factory.kcv, factory.diversification, factory.version) == ("504A77", b"", 255)
    own = profile.domain.keys.refer(ring, "enc", card)
    assert (own.diversification, own.version, own.scheme) == (card, 1, "sp800-108-cmac")
    section = profile.employee_id
    assert section is not None
    pin = section.pin.refer(ring, "piv-pin", card)
    assert pin is not None
    assert len(ring.reveal_pin(pin)) == 6
    typed = section.pin.model_copy(update={"source": "typed", "master": ""})
    assert typed.refer(ring, "piv-pin", card) is None
