"""Cards with one well-chosen oddity each: certificates that nobody can read, texts that steer a terminal,
lengths that cannot be kept."""

from __future__ import annotations

import datetime
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from tegata.apdu import Secret
from tegata.apdu.card import Card
from tegata.apdu.certificate import read_certificate
from tegata.apdu.errors import MalformedResponse
from tegata.apdu.tlv import Tlv
from tegata.applets.jpki.host import Jpki
from tegata.applets.jpki.model import JpkiKey
from tegata.applets.mynumber_text.model import Attributes
from tegata.applets.piv.host import Piv
from tegata.applets.piv.objects import CertificateObject
from tegata.simulators.card import MemoryStore, SimulatedCard
from tegata.simulators.link import SimulatedLink

from .desk import PIN, Desk, certify, key_ring

EC_PUBLIC_KEY = bytes.fromhex("06072A8648CE3D0201")


def der(key: object) -> bytes:
    certificate: x509.Certificate = certify(key)
    return certificate.public_bytes(Encoding.DER)


def p256() -> bytes:
    return der(ec.generate_private_key(ec.SECP256R1()).public_key())


def version_two() -> bytes:
    return p256().replace(bytes.fromhex("A003020102"), bytes.fromhex("A003020103"), 1)


def no_serial_number() -> bytes:
    return p256().replace(bytes.fromhex("02021267"), bytes.fromhex("02020000"), 1)


def unknown_key_type() -> bytes:
    return p256().replace(EC_PUBLIC_KEY, EC_PUBLIC_KEY[:-1] + b"\x77")


def other_curve() -> bytes:
    return der(ec.generate_private_key(ec.SECP521R1()).public_key())


def edwards() -> bytes:
    return der(ed25519.Ed25519PrivateKey.generate().public_key())


def short_rsa() -> bytes:
    return der(rsa.generate_private_key(65537, 1024).public_key())  # noqa: S505 - the point


AWKWARD = (version_two, no_serial_number, unknown_key_type, other_curve, edwards, short_rsa)


def test_whatever_is_wrong_with_a_certificate_is_a_value_error() -> None:
    for make in (version_two, no_serial_number, unknown_key_type, lambda: p256()[:-9], lambda: b""):
        with pytest.raises(ValueError):
            read_certificate(make())
    certificate, key = read_certificate(p256())
    assert certificate.public_key() == key


@pytest.mark.parametrize("make", AWKWARD)
def test_piv_certificate_that_does_not_fit(make: Callable[[], bytes], tmp_path: object) -> None:
    desk = Desk(key_ring(tmp_path))  # type: ignore[arg-type] # a Path
    desk.issue_piv()
    desk.piv().authenticate_management(desk.ring, desk.piv_key("piv-9b"))
    Piv(desk.card).put_object(0x5FC105, bytes(CertificateObject(make())))
    application = desk.piv()
    application.verify(Secret(PIN))
    with pytest.raises(MalformedResponse):
        application.sign_digest(0x9A, bytes(32))


@pytest.mark.parametrize("make", AWKWARD)
def test_jpki_certificate_that_does_not_fit(
    make: Callable[[], bytes], my_number_memory: dict[str, bytes]
) -> None:
    names = [name for name in my_number_memory if name.endswith("d392f000260100000001/ef/000a")]
    memory = {**my_number_memory, names[0]: make()}
    application = Jpki(Card(SimulatedLink(SimulatedCard(MemoryStore(memory)))))
    application.select()
    with pytest.raises(MalformedResponse):
        application.certificate(JpkiKey.AUTHENTICATION)


@pytest.mark.parametrize("name", ["仮名\x1b]0;owned\x07", "a\r\nb", "\u202egnp.exe", "\ud800"])
def test_names_that_steer_a_terminal_are_refused(name: str) -> None:
    birth = datetime.date(1996, 5, 2)
    raw = bytes(Attributes("仮名　花子", "東京都", birth, "2"))
    good = Tlv.parse(raw)
    parts = [
        Tlv(0xDF22, name.encode("utf-8", "surrogatepass")) if part.tag == 0xDF22 else part
        for part in good.children
    ]
    assert Attributes.parse(raw).name == "仮名　花子"
    with pytest.raises(ValueError):
        Attributes.parse(bytes(Tlv.build(good.tag, parts)))


def test_a_sex_that_is_none_is_refused() -> None:
    attributes = Attributes("a", "b", datetime.date(1996, 5, 2), "<b>")
    with pytest.raises(ValueError, match="sex"):
        Attributes.parse(bytes(attributes))
