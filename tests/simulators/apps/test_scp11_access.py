"""Whom SCP11 lets in and to what: allow lists, authorisations, owners and strangers, channels that come twice
(GPC 2.3.1 Amendment F 1.4 §4.6, §4.7, §7.5)."""

from __future__ import annotations

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from tegata.apdu import Command
from tegata.apdu.card import Card
from tegata.apdu.scp11 import Variant
from tegata.apdu.scp11.certificates import Certificate
from tegata.apdu.tlv import Tlv
from tegata.applets.security_domain import SecurityDomain, model, scp11
from tegata.simulators.card.registry import RegistryEntry
from tegata.simulators.link import SimulatedLink

from ...apdu.scp11_authority import Authority
from .test_scp11_card import HOST, LEAF, MAKER, ROOT, Wire, content, identity, opening, powered, present

SERIALS = f"app/{model.AID.hex()}/of-key/0110/serials"


def listed(*serials: bytes) -> Wire:
    """A card whose allow list for the hosts' authority holds these serial numbers."""
    return Wire(powered(content() | {SERIALS: b"".join(bytes(Tlv(0x93, serial)) for serial in serials)}))


def test_an_allow_list_names_what_the_authority_signed_not_those_below() -> None:
    """Amd F 1.4 §7.5.1: whoever an authority on the list certifies is accepted, nobody else is."""
    middle = Authority("middle", ROOT)
    leaf = middle.leaf("host", HOST.public_key())
    for serial, sw in ((middle.certificate.serial, "9000"), (leaf.serial, "6640")):
        for before in ((), (ROOT.certificate.raw,)):
            wire = listed(serial)
            for certificate in (*before, middle.certificate.raw):
                assert present(wire, certificate, p2=0x90) == "9000"
            assert present(wire, leaf.raw) == sw


def test_an_allow_list_that_came_after_the_certificate_shuts_the_host_out() -> None:
    wire = Wire()
    assert present(wire) == "9000"
    wire.link.card.store.content[SERIALS] = bytes(Tlv(0x93, b"\x05"))
    assert wire.sw(opening(Variant.A).command(1)) == "6985"


def test_authorisations_that_the_card_cannot_keep_to_are_refused() -> None:
    """Else a host that may delete one application may do everything."""
    rules = bytes.fromhex("E3078E05A000000001")
    plain = Tlv.parse(ROOT.legacy(HOST.public_key()).raw)
    parts = list(plain.children)[:-1]
    parts.insert(-1, Tlv(0xBF20, rules))
    body = b"".join(map(bytes, parts))
    older = bytes(Tlv(0x7F21, body + bytes(Tlv(0x5F37, ROOT.key.sign(body, ec.ECDSA(SHA256()))))))
    newer = ROOT.leaf("host", HOST.public_key(), role=0, extra=extension(1, rules)).raw
    for certificate in (older, newer):
        wire = Wire()
        assert present(wire, certificate) == "6A81"
        assert wire.sw(opening(Variant.A).command(1)) == "6985"


def extension(number: int, content: bytes) -> x509.UnrecognizedExtension:
    oid = x509.ObjectIdentifier(f"1.2.840.114283.100.0.10.2.0.{number}")
    return x509.UnrecognizedExtension(oid, bytes(Tlv(0x04, content)))


@pytest.mark.parametrize(
    ("certificate", "owner"),
    [
        (ROOT.legacy(HOST.public_key(), subject=b"acme"), True),
        (ROOT.legacy(HOST.public_key(), subject=b"other"), False),
        (ROOT.leaf("host", HOST.public_key(), extra=extension(2, b"acme")), True),
        (ROOT.leaf("host", HOST.public_key(), extra=extension(2, b"other")), False),
        (LEAF, False),
    ],
)
def test_only_the_owner_of_a_domain_manages_its_keys(certificate: Certificate, owner: bool) -> None:
    """Amd F 1.4 §4.7: the provider that INSTALL named (5F20) is the owner, everybody else is a stranger."""
    start = content()
    name = f"registry/{model.AID.hex()}"
    start[name] = RegistryEntry.from_bytes(start[name]).with_(provider=b"acme").to_bytes()
    card = Card(SimulatedLink(powered(start)))
    card.select(model.AID)
    scp11.open_channel(SecurityDomain(card), Variant.A, MAKER, identity=identity(certificate))
    level = card.expect(Command(0x80, 0xCA, 0x00, 0xD3, le=256)).data[-1]
    assert level == (0xB3 if owner else 0x73)
    for command in ("80F24002024F00", "80E4000003D2017E", "80F0800F"):
        assert (card.send(Command.parse(bytes.fromhex(command))).sw == 0x6982) is not owner


def test_what_can_be_sent_again_changes_neither_keys_nor_states() -> None:
    """Amd F 1.4 §4.6: PUT KEY, DELETE of keys and SET STATUS are not for SCP11c, and end the channel."""
    card = Card(SimulatedLink(powered()))
    for command in ("80D8000101", "80E4000003D20101", "80F0800F", "80F100130402F00100"):
        card.select(model.AID)
        scp11.open_channel(SecurityDomain(card), Variant.C, MAKER, identity=identity())
        assert card.send(Command(0x80, 0xE2, 0x90, 0x00, bytes.fromhex("5F500161"))).sw == 0x9000
        assert card.send(Command.parse(bytes.fromhex(command))).sw == 0x6985
        assert card.send(Command(0x80, 0xCA, 0x00, 0x45, le=256)).sw == 0x6982
