"""A badge desk in miniature: a blank company card, a key ring, and both applications put on it over SCP03."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tegata.apdu import Secret
from tegata.apdu.card import Card
from tegata.apdu.ports import KeyRef, KeySet
from tegata.applets.entry_badge import host as badge_host
from tegata.applets.entry_badge import model as badge
from tegata.applets.piv import host as piv_host
from tegata.applets.piv import model as piv
from tegata.applets.piv.objects import CardCapabilities, CertificateObject, Chuid, PrintedInformation
from tegata.applets.security_domain.host import SecurityDomain
from tegata.applets.security_domain.model.dgi import Dgi
from tegata.provisioning.keyring import FileKeyRing
from tegata.simulators import presets
from tegata.simulators.card import MemoryStore, SimulatedCard
from tegata.simulators.card.device import Store, seeded
from tegata.simulators.link import SimulatedLink

GUID = UUID("0c92247e-6a3f-4f15-9a3b-7f7f0a5c1d01")
PIN, PUK = b"314159", b"27182818"
SITE = 7
DIVERSIFIER = bytes(range(0xD0, 0xE0))
YEAR_2026 = datetime.datetime(2026, 4, 1, tzinfo=datetime.UTC)
YEAR_2027 = datetime.datetime(2027, 4, 1, tzinfo=datetime.UTC)
RECORD = badge.BadgeRecord("B-0012345", SITE, YEAR_2026, YEAR_2027, frozenset({1, 0x20}))


def key_ring(folder: Path) -> FileKeyRing:
    """A ring with a known master and the maker's keys."""
    ring = FileKeyRing.create(folder / "keys.json", Secret(b"only for tests"), name="desk")
    ring.import_master("badges", Secret(bytes(range(32))))
    ring.import_default()
    return ring


@dataclass
class Desk:
    """Card, ring, and the steps of an issuance."""

    ring: FileKeyRing
    store: Store = field(default_factory=lambda: MemoryStore(presets.memory("company-card", seed=1)))
    contactless: bool = True

    def __post_init__(self) -> None:
        self.simulated = SimulatedCard(self.store, entropy=seeded(b"desk"), contactless=self.contactless)
        self.link = SimulatedLink(self.simulated)
        self.card = Card(self.link)
        self.domain = SecurityDomain(self.card)

    def repower(self) -> None:
        self.link.reset()
        self.card = Card(self.link)
        self.domain = SecurityDomain(self.card)

    def maker_key(self, usage: str) -> KeyRef:
        return self.ring.refer("gp-default", scheme="fixed", diversification=b"", version=0xFF, usage=usage)

    @property
    def maker_keys(self) -> KeySet:
        return KeySet(0xFF, *(self.maker_key(usage) for usage in ("enc", "mac", "dek")))

    def open(self) -> None:
        self.domain.select()
        self.domain.open(self.ring, self.maker_keys)

    def personalize(self, instance: bytes, groupings: Iterable[tuple[int, bytes, bool]]) -> None:
        self.domain.install_for_personalization(instance)
        self.domain.store_data([Dgi(number, value, secret) for number, value, secret in groupings])

    # employee ID

    def piv_key(self, usage: str, length: int = 16) -> KeyRef:
        return self.ring.refer(
            "badges",
            scheme="sp800-108-cmac",
            diversification=GUID.bytes,
            version=1,
            usage=usage,
            length=length,
        )

    def another_management_key(self) -> KeyRef:
        """A key that the ring has and the card has not."""
        return self.ring.refer(
            "badges", scheme="sp800-108-cmac", diversification=b"another card", version=1, usage="piv-9b"
        )

    def piv_groupings(self) -> list[tuple[int, bytes, bool]]:
        return piv_host.personalization(
            self.ring,
            self.maker_key("dek"),
            guid=GUID,
            management=self.piv_key("piv-9b"),
            pin=Secret(PIN),
            puk=Secret(PUK),
        )

    def install_piv(self, parameters: bytes = b"") -> None:
        self.domain.install(piv.PACKAGE_AID, piv.MODULE_AID, piv.INSTANCE_AID, parameters=parameters)

    def issue_piv(self, parameters: bytes = b"") -> x509.Certificate:
        """The whole employee ID; returns the certificate of 9A."""
        self.open()
        self.install_piv(parameters)
        self.personalize(piv.INSTANCE_AID, self.piv_groupings())
        application = self.piv()
        application.authenticate_management(self.ring, self.piv_key("piv-9b"))
        certificate = certify(application.generate(0x9A))
        der = certificate.public_bytes(Encoding.DER)
        application.put_object(0x5FC105, bytes(CertificateObject(der)))
        application.put_object(0x5FC102, bytes(Chuid(GUID, datetime.date(2030, 3, 31))))
        printed = PrintedInformation(
            "YAMADA TARO", "EMPLOYEE", datetime.date(2030, 3, 31), "0012345", "TEGATA"
        )
        application.put_object(0x5FC109, bytes(printed))
        application.put_object(0x5FC107, bytes(CardCapabilities(GUID.bytes[:14])))
        return certificate

    def piv(self) -> piv_host.Piv:
        application = piv_host.Piv(self.card)
        application.select()
        return application

    # entry badge

    def badge_key(self, usage: str, version: int = 1, site: int = SITE) -> KeyRef:
        diversification = site.to_bytes(4, "big") + (DIVERSIFIER if usage == "badge" else b"")
        return self.ring.refer(
            "badges",
            scheme="entry-badge",
            diversification=diversification,
            version=version,
            usage=usage,
        )

    def slot(
        self, record: badge.BadgeRecord | None = RECORD, *versions: int, slot: int = 1, site: int = SITE
    ) -> badge_host.SlotPersonalization:
        keys = tuple(
            (self.badge_key("badge", version, site), self.badge_key("privacy", version, site))
            for version in versions
        )
        return badge_host.SlotPersonalization(slot, record, keys)

    def install_badge(self) -> None:
        self.domain.install(badge.PACKAGE_AID, badge.MODULE_AID, badge.INSTANCE_AID)

    def badge_groupings(self, *slots: badge_host.SlotPersonalization) -> list[tuple[int, bytes, bool]]:
        wanted = slots or (self.slot(RECORD, 1),)
        return badge_host.personalization(self.ring, self.maker_key("dek"), DIVERSIFIER, wanted)

    def issue_badge(self, *slots: badge_host.SlotPersonalization) -> None:
        self.open()
        self.install_badge()
        self.personalize(badge.INSTANCE_AID, self.badge_groupings(*slots))

    def update_badge(self, groupings: Iterable[tuple[int, bytes, bool]]) -> None:
        self.open()
        self.personalize(badge.INSTANCE_AID, groupings)

    def door(self, *versions: int, site: int = SITE) -> badge_host.Door:
        return badge_host.Door(badge_host.RingKeys(self.ring, "badges", site, versions or (1,)))


def certify(key: object, when: Callable[[], datetime.datetime] | None = None) -> x509.Certificate:
    """A certificate for ``key`` under a CA key of the moment."""
    begin = when() if when else datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Taro Yamada")])
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test CA")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(issuer).serial_number(4711)
    builder = builder.not_valid_before(begin).not_valid_after(begin + datetime.timedelta(days=700))
    builder = builder.public_key(key)  # type: ignore[arg-type] # RSA or EC
    usage = x509.KeyUsage(True, False, False, False, False, False, False, False, False)
    builder = builder.add_extension(usage, critical=True)
    return builder.sign(ec.generate_private_key(ec.SECP256R1()), SHA256())
