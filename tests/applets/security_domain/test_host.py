"""The host against the simulated card, level by level and fault by fault."""

from dataclasses import replace

import pytest

from tegata.apdu import Command, Response, Tlv
from tegata.apdu.errors import CardError, InputError, MalformedResponse, StatusError
from tegata.apdu.ports import KeySet
from tegata.apdu.scp03 import InitializeUpdate
from tegata.applets.entry_badge import model as entry_badge
from tegata.applets.piv import model as piv
from tegata.applets.security_domain import model
from tegata.applets.security_domain.host import Encryption, SecurityDomain
from tegata.applets.security_domain.results import KeyInformation, RegisteredKind
from tegata.provisioning.keyring import FileKeyRing

from .conftest import CountingLink, key_set

SSD = bytes.fromhex("F0746567617461AA")
LEVELS = (0x01, 0x03, 0x11, 0x13, 0x33)


def test_what_anybody_may_read(domain: SecurityDomain) -> None:
    cplc = domain.cplc()
    assert cplc is not None
    assert domain.cin() == cplc.ic_serial + cplc.ic_batch
    assert domain.iin() is None
    assert domain.key_information()[0] == KeyInformation(1, 0xFF, 0x88, 16)
    assert domain.key_versions() == (0xFF,)
    data = domain.card_data()
    assert data is not None
    assert (data.version, data.protocols) == ("2.3.1", ((3, 0x70),))


@pytest.mark.parametrize("level", LEVELS)
def test_a_channel_at_every_level_lists_the_registry(
    domain: SecurityDomain, ring: FileKeyRing, factory: KeySet, level: int
) -> None:
    probe = domain.open(ring, factory, level=level)
    cplc = domain.cplc()
    assert cplc is not None
    assert probe.diversification == cplc.diversification
    assert probe.version == 0xFF
    registry = domain.registry()
    assert registry[0].aid == model.AID
    assert registry[0].kind is RegisteredKind.ISSUER_DOMAIN
    packages = {entry.aid: entry.modules for entry in registry if entry.kind is RegisteredKind.PACKAGE}
    assert packages[piv.PACKAGE_AID] == (piv.MODULE_AID,)
    assert packages[entry_badge.PACKAGE_AID] == (entry_badge.MODULE_AID,)


def test_wrong_keys_spend_nothing(
    domain: SecurityDomain, link: CountingLink, ring: FileKeyRing, factory: KeySet
) -> None:
    wrong = key_set(ring, "badges", 0x01)
    probe = domain.initialize_update()
    before = len(link.sent)
    assert not domain.matches(probe, ring, wrong)
    with pytest.raises(CardError) as caught:
        domain.authenticate(probe, ring, wrong)
    assert caught.value.code == "gp.cryptogram"
    assert len(link.sent) == before
    assert domain.matches(probe, ring, factory)
    domain.authenticate(probe, ring, factory)
    assert [command[1] for command in link.sent[before:]] == [0x82]


def test_another_version_than_asked_for(domain: SecurityDomain) -> None:
    with pytest.raises(StatusError) as caught:
        domain.initialize_update(0x30)
    assert caught.value.sw == 0x6A88


def test_the_counter_counts_and_no_challenge_comes_twice(domain: SecurityDomain, link: CountingLink) -> None:
    answers = []
    for _ in range(3):
        domain.initialize_update(host_challenge=bytes(8))
        answers.append(InitializeUpdate.parse(link.answers[-1][:-2]))
    assert [answer.sequence for answer in answers] == [1, 2, 3]
    assert len({answer.challenge for answer in answers}) == 3


@pytest.mark.parametrize("length", [16, 24, 32])
def test_new_keys_of_every_size_open_the_next_channel(
    domain: SecurityDomain, ring: FileKeyRing, factory: KeySet, length: int
) -> None:
    new = key_set(ring, "badges", 0x01, length)
    domain.open(ring, factory)
    domain.put_key_set(ring, new)
    assert domain.key_versions() == (1, 0xFF)
    domain.select()
    assert domain.initialize_update().version == 1
    domain.open(ring, new)
    domain.delete_key_set(0xFF)
    assert domain.key_versions() == (1,)
    with pytest.raises(StatusError) as caught:
        domain.delete_key_set(1)
    assert caught.value.sw == 0x6985
    domain.delete_key_set(1, last=True)
    domain.select()
    with pytest.raises(StatusError) as caught:
        domain.initialize_update()
    assert caught.value.sw == 0x6A88


def test_a_set_replaces_another(domain: SecurityDomain, ring: FileKeyRing, factory: KeySet) -> None:
    new = key_set(ring, "badges", 0x02)
    domain.open(ring, factory)
    domain.put_key_set(ring, new, replace=0xFF)
    assert domain.key_versions() == (2,)


def test_a_card_that_confirms_other_keys_is_found_out(
    domain: SecurityDomain, ring: FileKeyRing, factory: KeySet
) -> None:
    new = key_set(ring, "badges", 0x01)
    other = key_set(ring, "badges", 0x05)
    domain.open(ring, factory)

    class Confused:
        """A ring whose check value of one key is another's."""

        def __getattr__(self, name: str) -> object:
            return getattr(ring, name)

        def kcv(self, ref: object) -> bytes:
            return b"" if ref == new.dek else ring.kcv(new.enc)

    with pytest.raises(StatusError) as caught:
        domain.put_key_set(Confused(), new)  # type: ignore[arg-type]
    assert caught.value.sw == 0x6982
    with pytest.raises(CardError) as echoed:
        domain.put_key_set(Confused(), replace(new, mac=new.enc))  # type: ignore[arg-type]
    assert echoed.value.code == "gp.key_echo"
    with pytest.raises(InputError) as ranged:
        domain.put_key_set(ring, replace(other, version=0x80))
    assert ranged.value.code == "gp.version_range"


def test_install_and_delete(domain: SecurityDomain, ring: FileKeyRing, factory: KeySet) -> None:
    domain.open(ring, factory)
    domain.install(piv.PACKAGE_AID, piv.MODULE_AID, piv.INSTANCE_AID)
    (instance,) = [entry for entry in domain.registry() if entry.kind is RegisteredKind.APPLICATION]
    assert (instance.aid, instance.package, instance.domain) == (
        piv.INSTANCE_AID,
        piv.PACKAGE_AID,
        model.AID,
    )
    with pytest.raises(StatusError) as caught:
        domain.install(piv.PACKAGE_AID, piv.MODULE_AID, piv.INSTANCE_AID)
    assert caught.value.sw == 0x6A80
    domain.set_locked(piv.INSTANCE_AID, locked=True)
    assert [entry.locked for entry in domain.registry() if entry.aid == piv.INSTANCE_AID] == [True]
    domain.set_locked(piv.INSTANCE_AID, locked=False)
    domain.delete(piv.INSTANCE_AID)
    with pytest.raises(StatusError) as caught:
        domain.delete(piv.INSTANCE_AID)
    assert caught.value.sw == 0x6A88


def test_data_of_the_domain_itself(domain: SecurityDomain, ring: FileKeyRing, factory: KeySet) -> None:
    domain.open(ring, factory)
    domain.store_objects([Tlv(0x42, bytes.fromhex("12345F")), Tlv(0x45, b"CIN-0001")])
    domain.select()
    assert domain.iin() == bytes.fromhex("12345F")
    assert domain.cin() == b"CIN-0001"


def test_a_locked_card_is_selected_and_says_so(
    domain: SecurityDomain, ring: FileKeyRing, factory: KeySet
) -> None:
    domain.open(ring, factory)
    for state in (0x07, 0x0F, 0x7F):
        domain.set_card_state(state)
    assert domain.select().card_locked
    domain.open(ring, factory)
    with pytest.raises(StatusError) as caught:
        domain.install(piv.PACKAGE_AID, piv.MODULE_AID, piv.INSTANCE_AID)
    assert caught.value.sw == 0x6985
    domain.set_card_state(0x0F)
    assert not domain.select().card_locked


class LyingLink(CountingLink):
    """Answers one instruction as told."""

    lies: dict[int, bytes]

    def transmit(self, command: bytes) -> bytes:
        answer = super().transmit(command)
        return self.lies.get(command[1], answer)


@pytest.mark.parametrize(
    ("ins", "answer"),
    [(0x50, "000102"), (0x50, ""), (0x50, "00" * 29), (0xCA, "9F7F2A00"), (0xCA, "9F7F0100")],
)
def test_a_card_that_lies_about_lengths(
    domain: SecurityDomain, link: CountingLink, ins: int, answer: str
) -> None:
    link.__class__ = LyingLink
    link.lies = {ins: bytes(Response(bytes.fromhex(answer)))}  # type: ignore[attr-defined]
    with pytest.raises(MalformedResponse):
        domain.cplc() if ins == 0xCA else domain.initialize_update()


def test_a_registry_without_end(
    domain: SecurityDomain, link: CountingLink, ring: FileKeyRing, factory: KeySet
) -> None:
    domain.open(ring, factory, level=0x01)
    link.__class__ = LyingLink
    link.lies = {0xF2: bytes.fromhex("E3074F019F9F7001016310")}  # type: ignore[attr-defined]
    before = len(link.sent)
    with pytest.raises(MalformedResponse):
        domain.registry()
    assert len(link.sent) - before <= 64


@pytest.mark.parametrize("length", [16, 24, 32])
def test_a_supplementary_domain_owns_applications_and_keys(
    domain: SecurityDomain, link: CountingLink, ring: FileKeyRing, factory: KeySet, length: int
) -> None:
    own = key_set(ring, "badges", 0x20, length)
    domain.open(ring, factory)
    domain.install(model.SSD_PACKAGE, model.SSD_MODULE, SSD, privileges=model.Privilege.SECURITY_DOMAIN)
    domain.install_for_personalization(SSD)
    domain.store_data(
        domain.key_set_groupings(ring, own),
        encryption=Encryption.ALL,
    )
    domain.install(piv.PACKAGE_AID, piv.MODULE_AID, piv.INSTANCE_AID)
    domain.extradite(piv.INSTANCE_AID, SSD)
    with pytest.raises(StatusError) as caught:
        domain.install_for_personalization(piv.INSTANCE_AID)
    assert caught.value.sw == 0x6985
    lower = SecurityDomain(domain.card, SSD)
    assert lower.select().aid == SSD
    assert lower.key_information()[0] == KeyInformation(1, 0x20, 0x88, length)
    lower.open(ring, own)
    assert [entry.aid for entry in lower.registry()] == [SSD, piv.INSTANCE_AID]
    lower.install_for_personalization(piv.INSTANCE_AID)


def test_a_terminated_card_only_tells_who_it_was(
    domain: SecurityDomain, ring: FileKeyRing, factory: KeySet
) -> None:
    domain.open(ring, factory)
    domain.set_card_state(0xFF)
    domain.card.reset()
    domain.select()
    assert domain.cplc() is not None
    with pytest.raises(StatusError) as caught:
        domain.initialize_update()
    assert caught.value.sw == 0x6985


def test_pages_of_the_registry_end(domain: SecurityDomain, ring: FileKeyRing, factory: KeySet) -> None:
    domain.open(ring, factory)
    for number in range(12):
        domain.install(
            model.SSD_PACKAGE,
            model.SSD_MODULE,
            bytes.fromhex("F0746567617461") + bytes((number,)),
            privileges=model.Privilege.SECURITY_DOMAIN,
        )
    domains = [entry for entry in domain.registry() if entry.kind is RegisteredKind.DOMAIN]
    assert len(domains) == 12
    assert len({entry.aid for entry in domains}) == 12


def test_a_plain_command_in_an_open_channel_changes_nothing(
    domain: SecurityDomain, link: CountingLink, ring: FileKeyRing, factory: KeySet
) -> None:
    domain.open(ring, factory)
    delete = bytes(Command(0x80, 0xE4, 0, 0, bytes.fromhex("4F") + model.lv(piv.PACKAGE_AID)))
    assert link.transmit(delete).hex() == "6982"
    assert len(domain.registry()) == 4
