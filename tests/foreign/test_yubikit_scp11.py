"""yubikit, Yubico's library, as an independent SCP11 host of the simulated card: channels a, b and c, all
management commands, and a reset, in the short and in the extended form."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from yubikit.core import TRANSPORT
from yubikit.core.smartcard import AID, SW, ApduError, SmartCardProtocol
from yubikit.core.smartcard.scp import KeyRef, Scp03KeyParams, Scp11KeyParams, ScpKid, StaticKeys
from yubikit.piv import PivSession
from yubikit.securitydomain import Curve, SecurityDomainSession

from tegata.apdu.scp11 import Variant
from tegata.applets.piv import model as piv
from tegata.simulators.apps.piv.state import Profile
from tegata.simulators.card import MemoryStore, SimulatedCard
from tegata.simulators.card.device import seeded
from tegata.simulators.card.registry import Kind, LifeCycle, RegistryEntry, entry_key
from tegata.simulators.link import SimulatedLink
from tegata.simulators.presets import memory
from tegata.simulators.presets.scp11 import add_host_authority, add_scp11, maker_root

from ..apdu.scp11_authority import Authority, new_key
from .test_yubikit_scp03 import LinkConnection

pytestmark = pytest.mark.foreign

ROOT = Authority("host root")
MIDDLE = Authority("host authority", ROOT)
OCE_KEY = new_key("oce")
OCE = MIDDLE.issue("oce", OCE_KEY.public_key(), role=0, serial=0x8123)
OCE_CHAIN = [MIDDLE.x509, OCE]
OCE_REF = KeyRef(0x10, 1)
NEW = StaticKeys(b"\x11" * 16, b"\x22" * 16, b"\x33" * 16)
ALL = (ScpKid.SCP11a, ScpKid.SCP11b, ScpKid.SCP11c)
MUTUAL = (ScpKid.SCP11a, ScpKid.SCP11c)
CERTIFICATE_NOT_VERIFIED, CERTIFICATE_NOT_ON_THE_LIST = 0x6600, 0x6640


def card_memory() -> dict[str, bytes]:
    """A company card with SCP11 keys of all variants, an authority for hosts, and a PIV application."""
    entropy = seeded(b"scp11 card")
    content = add_scp11(memory("company-card", 7), entropy, Variant)
    content = add_host_authority(content, ROOT.key.public_key(), ROOT.identifier)
    issuer = bytes(AID.SECURE_DOMAIN)
    applet = RegistryEntry(
        aid=piv.INSTANCE_AID,
        kind=Kind.APPLICATION,
        life_cycle=LifeCycle.PERSONALIZED,
        domain=issuer,
        package=piv.PACKAGE_AID,
        module=piv.MODULE_AID,
        model="piv",
        order=99,
    )
    profile = Profile(yubico_version=True).to_bytes()
    return content | {
        entry_key(piv.INSTANCE_AID): applet.to_bytes(),
        f"app/{piv.INSTANCE_AID.hex()}/profile": profile,
    }


@pytest.fixture(params=[TRANSPORT.USB, TRANSPORT.NFC], ids=["extended", "short"])
def connection(request: pytest.FixtureRequest) -> Iterator[LinkConnection]:
    card = SimulatedCard(MemoryStore(card_memory()), entropy=seeded(b"yubikit"), contactless=False)
    connection = LinkConnection(SimulatedLink(card), request.param)
    yield connection
    connection.close()


def parameters(
    session: SecurityDomainSession,
    kid: ScpKid,
    version: int = 1,
    chain: list[x509.Certificate] | None = None,
    reference: KeyRef | None = OCE_REF,
) -> Scp11KeyParams:
    """What yubikit needs, the card's key from the card's own certificates."""
    reference_of_card = KeyRef(kid, version)
    leaf = session.get_certificate_bundle(reference_of_card)[-1].public_key()
    assert isinstance(leaf, ec.EllipticCurvePublicKey)
    if kid == ScpKid.SCP11b:
        return Scp11KeyParams(reference_of_card, leaf)
    return Scp11KeyParams(reference_of_card, leaf, reference, OCE_KEY, chain or OCE_CHAIN)


def opened(
    connection: LinkConnection, kid: ScpKid = ScpKid.SCP11a, version: int = 1
) -> SecurityDomainSession:
    session = SecurityDomainSession(connection)
    session.authenticate(parameters(session, kid, version))
    return session


def refused(error: pytest.ExceptionInfo[ApduError]) -> int:
    return error.value.sw


@pytest.mark.parametrize("kid", ALL)
def test_a_channel_opens_and_carries_data(connection: LinkConnection, kid: ScpKid) -> None:
    session = opened(connection, kid)
    keys = session.get_key_information()
    assert keys[KeyRef(kid, 1)] == {0xB1: 0x20, 0xF0: 0x00}
    assert keys[OCE_REF] == {0xB0: 0x40, 0xF0: 0x00}
    assert connection.sent[-1][0] == 0x04
    assert session.get_card_recognition_data().hex().endswith("640c060a2a864886fc6b04119b02")


@pytest.mark.parametrize("kid", ALL)
def test_the_card_proves_its_key_with_certificates_of_its_maker(
    connection: LinkConnection, kid: ScpKid
) -> None:
    authority, leaf = SecurityDomainSession(connection).get_certificate_bundle(KeyRef(kid, 1))
    authority.verify_directly_issued_by(maker_root().certificate)
    leaf.verify_directly_issued_by(authority)
    assert SecurityDomainSession(connection).get_certificate_bundle(KeyRef(kid, 2)) == []


def test_without_a_reference_any_authority_of_the_card_will_do(connection: LinkConnection) -> None:
    session = SecurityDomainSession(connection)
    session.authenticate(parameters(session, ScpKid.SCP11a, reference=None))
    assert OCE_REF in session.get_key_information()


def test_scp11b_authenticates_no_host(connection: LinkConnection) -> None:
    session = opened(connection, ScpKid.SCP11b)
    for attempt in (
        lambda: session.put_key(KeyRef(ScpKid.SCP03, 1), NEW),
        lambda: session.delete_key(kvn=0xFF),
        lambda: session.generate_ec_key(KeyRef(ScpKid.SCP11b, 2)),
        lambda: session.store_allowlist(OCE_REF, [1]),
        lambda: session.store_data(bytes.fromhex("420312345F")),
    ):
        with pytest.raises(ApduError) as error:
            attempt()
        assert refused(error) == SW.SECURITY_CONDITION_NOT_SATISFIED
    assert KeyRef(1, 0xFF) in session.get_key_information()


def test_keys_of_scp03_are_put_and_deleted(connection: LinkConnection) -> None:
    session = opened(connection)
    session.put_key(KeyRef(ScpKid.SCP03, 1), NEW)
    session.delete_key(kvn=0xFF)
    assert KeyRef(1, 0xFF) not in session.get_key_information()
    fresh = SecurityDomainSession(connection)
    fresh.authenticate(Scp03KeyParams(KeyRef(ScpKid.SCP03, 1), NEW))
    assert KeyRef(1, 1) in fresh.get_key_information()


def test_keys_are_not_changed_by_what_could_be_sent_again(connection: LinkConnection) -> None:
    for change in (
        lambda session: session.put_key(KeyRef(ScpKid.SCP03, 1), NEW),
        lambda session: session.delete_key(kvn=0xFF),
        lambda session: session.generate_ec_key(KeyRef(ScpKid.SCP11b, 2)),
    ):
        with pytest.raises(ApduError) as error:
            change(opened(connection, ScpKid.SCP11c))
        assert refused(error) == SW.CONDITIONS_NOT_SATISFIED


@pytest.mark.parametrize("curve", [Curve.SECP256R1, Curve.SECP384R1, Curve.BrainpoolP256R1])
def test_private_keys_are_put(connection: LinkConnection, curve: Curve) -> None:
    key = ec.generate_private_key(curve._curve)
    reference = KeyRef(ScpKid.SCP11b, 3)
    opened(connection).put_key(reference, key)
    session = SecurityDomainSession(connection)
    session.authenticate(Scp11KeyParams(reference, key.public_key()))
    assert session.get_key_information()[reference][0xF0] == curve


def test_keys_are_generated_and_replaced(connection: LinkConnection) -> None:
    session = opened(connection)
    first = session.generate_ec_key(KeyRef(ScpKid.SCP11b, 2))
    second = session.generate_ec_key(KeyRef(ScpKid.SCP11b, 3), Curve.SECP384R1, replace_kvn=2)
    assert KeyRef(ScpKid.SCP11b, 2) not in session.get_key_information()
    assert (first.curve.name, second.curve.name) == ("secp256r1", "secp384r1")
    again = SecurityDomainSession(connection)
    again.authenticate(Scp11KeyParams(KeyRef(ScpKid.SCP11b, 3), second))
    assert again.get_data(0x45)
    with pytest.raises(ValueError, match="Incorrect SCP parameters"):
        again.authenticate(Scp11KeyParams(KeyRef(ScpKid.SCP11b, 2), first))


def test_the_wrong_key_of_the_card_is_noticed(connection: LinkConnection) -> None:
    session = SecurityDomainSession(connection)
    with pytest.raises(InvalidSignature):
        session.authenticate(Scp11KeyParams(KeyRef(ScpKid.SCP11b, 1), new_key("other").public_key()))


def test_certificates_are_stored_and_go_with_their_key(connection: LinkConnection) -> None:
    session = opened(connection)
    reference = KeyRef(ScpKid.SCP11b, 2)
    public = session.generate_ec_key(reference)
    assert session.get_certificate_bundle(reference) == []
    bundle = [ROOT.x509, MIDDLE.x509, MIDDLE.issue("sd", public, role=10)]
    session.store_certificate_bundle(reference, bundle)
    assert session.get_certificate_bundle(reference) == bundle
    assert list(SecurityDomainSession(connection).get_certificate_bundle(reference)) == bundle
    session = opened(connection, version=1)
    session.delete_key(ScpKid.SCP11b, 2)
    assert session.get_certificate_bundle(reference) == []
    with pytest.raises(ApduError) as error:
        session.store_certificate_bundle(reference, bundle)
    assert refused(error) == SW.REFERENCE_DATA_NOT_FOUND


def test_authorities_are_named(connection: LinkConnection) -> None:
    session = opened(connection)
    assert session.get_supported_ca_identifiers() == {OCE_REF: ROOT.identifier}
    session.store_ca_issuer(KeyRef(ScpKid.SCP11b, 1), b"\x01" * 20)
    session.store_ca_issuer(OCE_REF, ROOT.identifier)
    assert session.get_supported_ca_identifiers(klcc=True) == {KeyRef(ScpKid.SCP11b, 1): b"\x01" * 20}
    assert session.get_supported_ca_identifiers(kloc=True) == {OCE_REF: ROOT.identifier}


def test_another_authority_for_hosts(connection: LinkConnection) -> None:
    other = Authority("second root")
    reference = KeyRef(0x20, 5)
    session = opened(connection)
    session.put_key(reference, other.key.public_key())
    session.store_ca_issuer(reference, other.identifier)
    leaf = other.issue("oce", OCE_KEY.public_key(), role=0)
    fresh = SecurityDomainSession(connection)
    fresh.authenticate(parameters(fresh, ScpKid.SCP11a, chain=[leaf], reference=reference))
    fresh.delete_key(kid=0x20)
    assert reference not in fresh.get_key_information()
    with pytest.raises(ValueError, match="Incorrect SCP parameters"):
        fresh.authenticate(parameters(fresh, ScpKid.SCP11a, chain=[leaf], reference=reference))


def test_only_serial_numbers_on_the_list(connection: LinkConnection) -> None:
    """What the card's authority itself signed has to be on it (GPC 2.3.1 Amd F 1.4 §7.5.1)."""
    opened(connection).store_allowlist(OCE_REF, [5, MIDDLE.x509.serial_number])
    opened(connection).store_allowlist(OCE_REF, [5, 6])
    with pytest.raises(ApduError) as error:
        opened(connection)
    assert refused(error) == CERTIFICATE_NOT_ON_THE_LIST
    session = SecurityDomainSession(connection)
    session.authenticate(Scp03KeyParams())
    session.store_allowlist(OCE_REF, [])
    opened(connection)


def test_hosts_that_are_refused(connection: LinkConnection) -> None:
    chains = {
        "another authority": [Authority("stranger").issue("oce", OCE_KEY.public_key())],
        "not for agreement": [ROOT.issue("oce", OCE_KEY.public_key(), agreement=False)],
        "for a card": [ROOT.issue("oce", OCE_KEY.public_key(), role=10)],
        "a step is missing": [OCE],
        "in the wrong order": [OCE, MIDDLE.x509],
    }
    for chain in chains.values():
        session = SecurityDomainSession(connection)
        with pytest.raises(ApduError) as error:
            session.authenticate(parameters(session, ScpKid.SCP11a, chain=chain))
        assert refused(error) == CERTIFICATE_NOT_VERIFIED
    session = SecurityDomainSession(connection)
    other = Scp11KeyParams(
        KeyRef(ScpKid.SCP11a, 1),
        parameters(session, ScpKid.SCP11a).pk_sd_ecka,
        OCE_REF,
        new_key("thief"),
        OCE_CHAIN,
    )
    with pytest.raises(InvalidSignature):
        session.authenticate(other)


def test_another_application_inside_a_channel(connection: LinkConnection) -> None:
    """PIV is selected first, and its domain opens the channel: yubikit's PIV session over SCP11b."""
    bundle = SecurityDomainSession(connection).get_certificate_bundle(KeyRef(ScpKid.SCP11b, 1))
    leaf = bundle[-1].public_key()
    assert isinstance(leaf, ec.EllipticCurvePublicKey)
    session = PivSession(connection, Scp11KeyParams(KeyRef(ScpKid.SCP11b, 1), leaf))
    assert str(session.version) == "5.2.4"
    assert connection.sent[-1][0] & 0x04


@pytest.mark.parametrize("kid", MUTUAL)
def test_mutual_channels_of_another_application(connection: LinkConnection, kid: ScpKid) -> None:
    params = parameters(SecurityDomainSession(connection), kid)
    protocol = SmartCardProtocol(connection)
    protocol.select(AID.PIV)
    protocol.init_scp(params)
    with pytest.raises(ApduError) as error:
        protocol.send_apdu(0, 0xCB, 0x3F, 0xFF, bytes.fromhex("5C035FC102"))
    assert refused(error) in (SW.FILE_NOT_FOUND, SW.CONDITIONS_NOT_SATISFIED)
    assert connection.sent[-1][0] & 0x04


def test_scp03_of_another_application(connection: LinkConnection) -> None:
    protocol = SmartCardProtocol(connection)
    protocol.select(AID.PIV)
    protocol.init_scp(Scp03KeyParams())
    with pytest.raises(ApduError):
        protocol.send_apdu(0, 0xCB, 0x3F, 0xFF, bytes.fromhex("5C035FC102"))
    assert connection.sent[-1][0] & 0x04


def test_reset_by_blocking_every_key(connection: LinkConnection) -> None:
    session = opened(connection)
    session.put_key(KeyRef(ScpKid.SCP03, 1), NEW)
    session.delete_key(kvn=0xFF)
    SecurityDomainSession(connection).reset()
    after = SecurityDomainSession(connection)
    assert set(after.get_key_information()) == {
        *(KeyRef(kid, 0xFF) for kid in (1, 2, 3)),
        KeyRef(ScpKid.SCP11b, 1),
    }
    assert after.get_supported_ca_identifiers() == {}
    authority, leaf = after.get_certificate_bundle(KeyRef(ScpKid.SCP11b, 1))
    authority.verify_directly_issued_by(maker_root().certificate)
    leaf.verify_directly_issued_by(authority)
    after.authenticate(Scp03KeyParams())
    fresh = opened(connection, ScpKid.SCP11b)
    assert fresh.get_data(0x45)


def test_certificates_are_the_same_for_the_same_seed() -> None:
    assert card_memory() == card_memory()
    assert maker_root().certificate.public_bytes(Encoding.DER)[:1] == b"\x30"
