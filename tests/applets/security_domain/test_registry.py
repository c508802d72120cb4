"""The registry: both forms of GET STATUS, pages, cards that lack a scope, and no more reads than needed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegata.apdu.errors import MalformedResponse, StatusError
from tegata.apdu.ports import KeySet
from tegata.applets.piv import model as piv
from tegata.applets.security_domain import SecurityDomain
from tegata.applets.security_domain.model import Privilege, StatusScope
from tegata.applets.security_domain.results import (
    Registered,
    RegisteredKind,
    parse_legacy_registry,
    parse_registry,
)
from tegata.provisioning.keyring import FileKeyRing

from .conftest import CountingLink
from .scripted import dialogue

ISSUER = "E3164F08A0000001510000009F70010FC5039EFE80CF0180"
APPLET = "E31C4F07A00000000101019F700107C503000000C406A00000000101CC00"
PACKAGE = "E3194F06A000000001019F700101CE0201028407A0000000010101"
# Samsung/OpenSCP-Java: a card's answer in the older form.
LEGACY = (
    "08A00000015141434C0100 10A000000220200301010100000000000601 00"
    "10A000000220200301010100000000001101 00 05A000000248 0100"
)


def test_a_full_reading_takes_three_commands() -> None:
    with dialogue(
        "80F28002024F0000", ISSUER + "9000", "80F24002024F0000", APPLET + "9000",
        "80F21002024F0000", PACKAGE + "9000",
    ) as domain:  # fmt: skip
        first, second, third = domain.registry()
        assert domain.registry() == [first, second, third]
    assert (first.kind, first.state) == (RegisteredKind.ISSUER_DOMAIN, "secured")
    assert (second.package.hex(), second.kind) == ("a00000000101", RegisteredKind.APPLICATION)
    assert third.modules == (bytes.fromhex("A0000000010101"),)
    assert third.to_json()["version"] == "1.2"


def test_pages_are_put_together() -> None:
    with dialogue(
        "80F28002024F0000", ISSUER + "9000", "80F24002024F0000", APPLET + "6310",
        "80F24003024F0000", APPLET.replace("010101", "010102") + "9000",
        "80F21002024F0000", "6A88",
    ) as domain:  # fmt: skip
        assert [entry.aid[-1] for entry in domain.registry()] == [0, 1, 2]


def test_a_card_that_tells_no_modules_is_asked_for_packages() -> None:
    with dialogue(
        "80F28002024F0000", ISSUER + "9000", "80F24002024F0000", "6A88",
        "80F21002024F0000", "6A86", "80F22002024F0000", PACKAGE + "9000",
        "80F22002084F06A0000000010100", PACKAGE + "9000",
    ) as domain:  # fmt: skip
        assert len(domain.registry()) == 2
        assert not domain.contents.modules_told
        domain.contents.changed(bytes.fromhex("A00000000101"))
        assert domain.find(bytes.fromhex("A00000000101")) is not None


def test_a_card_of_the_older_form_is_asked_in_it_from_then_on() -> None:
    with dialogue(
        "80F28002024F0000", "6A86", "80F28000024F0000", "08A0000001510000000F9E 9000",
        "80F24000024F0000", "07A0000000010101 0700 9000",
        "80F21000024F0000", "06A00000000101 0100 01 07A0000000010101 9000",
    ) as domain:  # fmt: skip
        issuer, applet, package = domain.registry()
    assert (issuer.life_cycle, issuer.privileges) == (0x0F, Privilege(0x9E0000))
    assert (applet.kind, applet.life_cycle) == (RegisteredKind.APPLICATION, 7)
    assert package.modules == (bytes.fromhex("A0000000010101"),)


def test_a_card_that_answers_in_the_older_form_to_the_newer_question() -> None:
    with dialogue(
        "80F28002024F0000", "6A88", "80F24002024F0000", LEGACY + "9000", "80F21002024F0000", "6A88"
    ) as domain:
        found = domain.registry()
    assert [entry.aid.hex().upper() for entry in found] == [
        "A00000015141434C",
        "A0000002202003010101000000000006",
        "A0000002202003010101000000000011",
        "A000000248",
    ]


def test_a_refusal_is_not_an_empty_registry() -> None:
    with dialogue("80F28002024F0000", "6982") as domain, pytest.raises(StatusError) as caught:
        domain.registry()
    assert caught.value.sw == 0x6982
    unknown = dialogue("80F28002024F0000", "6A86", "80F28000024F0000", "6A86")
    with unknown as domain, pytest.raises(StatusError) as caught:
        domain.registry()
    assert caught.value.sw == 0x6A86


def test_one_name_is_asked_for_alone() -> None:
    aid = bytes.fromhex("A0000000010101")
    with dialogue("80F24002094F07A000000001010100", APPLET + "9000") as domain:
        assert domain.contents.find(aid, RegisteredKind.APPLICATION) is not None
        assert domain.find(aid) is not None
        assert domain.contents.reads == 1


def test_a_name_that_only_begins_alike_is_another(domain: SecurityDomain) -> None:
    with dialogue("80F24002094F07A000000001010000", APPLET + "9000") as other:
        assert other.contents.find(bytes.fromhex("A0000000010100"), RegisteredKind.APPLICATION) is None


def test_after_a_verb_only_what_it_changed_is_read(
    domain: SecurityDomain, link: CountingLink, ring: FileKeyRing, factory: KeySet
) -> None:
    domain.open(ring, factory, level=0x01)
    domain.registry()
    assert domain.contents.reads == 3
    domain.install(piv.PACKAGE_AID, piv.MODULE_AID, piv.INSTANCE_AID)
    assert domain.find(piv.PACKAGE_AID) is not None
    assert domain.contents.reads == 3
    assert piv.INSTANCE_AID in [entry.aid for entry in domain.registry()]
    assert domain.contents.reads == 4
    assert link.sent[-1][5:7].hex() == "4f" + f"{len(piv.INSTANCE_AID):02x}"
    domain.set_locked(piv.INSTANCE_AID, locked=True)
    line = domain.find(piv.INSTANCE_AID)
    assert line is not None and line.state == "locked"
    domain.delete(piv.INSTANCE_AID)
    assert domain.find(piv.INSTANCE_AID) is None
    assert domain.contents.reads == 5
    fresh = SecurityDomain(domain.card)
    assert [entry.aid for entry in fresh.registry()] == [entry.aid for entry in domain.registry()]


def test_what_a_broken_off_command_may_have_changed_is_read_again(
    domain: SecurityDomain, ring: FileKeyRing, factory: KeySet
) -> None:
    domain.open(ring, factory)
    domain.install(piv.PACKAGE_AID, piv.MODULE_AID, piv.INSTANCE_AID)
    domain.registry()
    reads = domain.contents.reads
    with pytest.raises(StatusError):
        domain.install(piv.PACKAGE_AID, piv.MODULE_AID, piv.INSTANCE_AID)
    assert domain.find(piv.INSTANCE_AID) is not None
    assert domain.contents.reads == reads + 1


def test_a_package_deleted_with_its_applications_takes_them_along(
    domain: SecurityDomain, ring: FileKeyRing, factory: KeySet
) -> None:
    domain.open(ring, factory)
    domain.install(piv.PACKAGE_AID, piv.MODULE_AID, piv.INSTANCE_AID)
    domain.registry()
    reads = domain.contents.reads
    domain.delete(piv.PACKAGE_AID, related=True)
    names = {entry.aid for entry in domain.registry()}
    assert not names & {piv.PACKAGE_AID, piv.INSTANCE_AID}
    assert domain.contents.reads == reads


def test_privileges_have_names() -> None:
    line = Registered(b"", RegisteredKind.DOMAIN, 0x83, Privilege(0xE14080))
    assert line.privilege_names == (
        "security-domain",
        "mandated-dap",
        "delegated-management",
        "authorized-management",
        "receipt-generation",
    )
    assert line.state == "locked"
    assert Registered(b"", RegisteredKind.APPLICATION, 0x17).state == "17"
    assert Registered(b"", RegisteredKind.ISSUER_DOMAIN, 0xFF).state == "terminated"


@given(st.binary(max_size=60), st.sampled_from(StatusScope))
def test_no_answer_breaks_the_readers(raw: bytes, scope: StatusScope) -> None:
    for parse in (parse_legacy_registry, parse_registry):
        try:
            entries = parse(raw, scope)
        except MalformedResponse:
            continue
        assert all(entry.aid and entry.to_json() for entry in entries)
