"""A certificate that a torn contact left behind is revoked before the next exists; OpenSSL judges both."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tegata.apdu import CardRemoved
from tegata.apdu.card import Card
from tegata.applets.piv.host import Piv
from tegata.applets.piv.model import KeyReference
from tegata.provisioning.issuance import Desk, apply, begin_work, verify
from tegata.simulators.card import PowerCut, SimulatedCard

from .conftest import EMPLOYEE, BadgeDesk, link
from .taps import GENERATE, PUT_DATA, Tap


def tear_at(desk: Desk, card: SimulatedCard, ins: int) -> None:
    """Cut the power before the first write of the first such command."""

    def look(sent: int) -> None:
        if sent == ins and card.cut is None:
            card.cut = PowerCut(card.writes_done, "before")

    with pytest.raises(CardRemoved):
        apply(begin_work(desk, Tap(card, look), employee=EMPLOYEE))


def openssl_accepts(badge_desk: BadgeDesk, desk: Desk, der: bytes, folder: Path) -> tuple[bool, str]:
    """``openssl verify`` with the CA's present list, for client authentication."""
    crl = x509.load_der_x509_crl(badge_desk.ca.crl(desk.ledger))
    files = {
        "leaf.pem": x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM),
        "root.pem": badge_desk.ca.root.public_bytes(Encoding.PEM),
        "issuing.pem": badge_desk.ca.issuer.public_bytes(Encoding.PEM),
        "crl.pem": crl.public_bytes(Encoding.PEM),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    done = subprocess.run(
        [
            *["openssl", "verify", "-x509_strict", "-crl_check", "-purpose", "sslclient"],
            *["-CAfile", "root.pem", "-untrusted", "issuing.pem", "-CRLfile", "crl.pem", "leaf.pem"],
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode == 0, done.stdout + done.stderr


def on_card(card: SimulatedCard) -> x509.Certificate:
    piv = Piv(Card(link(card)))
    piv.select()
    found = piv.certificate(KeyReference.AUTHENTICATION)
    assert found is not None
    return found


def test_a_torn_certificate_is_revoked_and_the_next_one_delivered(
    badge_desk: BadgeDesk, desk: Desk, new_card: Callable[..., SimulatedCard], tmp_path: Path
) -> None:
    card = new_card()
    tear_at(desk, card, PUT_DATA)
    with desk.ledger.read() as books:
        (torn,) = books.certificates(employee=EMPLOYEE)
    assert torn.state == "issued"
    assert torn.der is not None
    apply(begin_work(desk, link(card), employee=EMPLOYEE))
    with desk.ledger.read() as books:
        found = {one.state: one for one in books.certificates(employee=EMPLOYEE)}
    assert set(found) == {"orphaned", "delivered"}
    assert found["orphaned"].serial == torn.serial
    delivered = found["delivered"]
    assert delivered.der == on_card(card).public_bytes(Encoding.DER)
    refused, said = openssl_accepts(badge_desk, desk, torn.der, tmp_path)
    assert not refused
    assert "certificate revoked" in said
    assert openssl_accepts(badge_desk, desk, delivered.der, tmp_path) == (True, "leaf.pem: OK\n")


def test_a_serial_whose_key_was_never_made_stands_on_the_list(
    badge_desk: BadgeDesk, desk: Desk, new_card: Callable[..., SimulatedCard]
) -> None:
    card = new_card()
    tear_at(desk, card, GENERATE)
    apply(begin_work(desk, link(card), employee=EMPLOYEE))
    with desk.ledger.read() as books:
        states = {one.state: one for one in books.certificates(employee=EMPLOYEE)}
    assert set(states) == {"orphaned", "delivered"}
    crl = x509.load_der_x509_crl(badge_desk.ca.crl(desk.ledger))
    assert [entry.serial_number for entry in crl] == [states["orphaned"].serial]


def test_a_certificate_that_reached_the_card_is_kept(
    desk: Desk, new_card: Callable[..., SimulatedCard]
) -> None:
    """Torn after the last write of PUT DATA: the card has it, the ledger does not know yet."""
    card = new_card()

    def look(sent: int) -> None:
        if sent == PUT_DATA and card.cut is None:
            card.cut = PowerCut(card.writes_done, "after")

    with pytest.raises(CardRemoved):
        apply(begin_work(desk, Tap(card, look), employee=EMPLOYEE))
    before = on_card(card)
    apply(begin_work(desk, link(card), employee=EMPLOYEE))
    assert on_card(card) == before
    with desk.ledger.read() as books:
        assert [one.state for one in books.certificates(employee=EMPLOYEE)] == ["delivered"]


def test_a_certificate_that_vanished_from_its_card_is_revoked(
    badge_desk: BadgeDesk, desk: Desk, new_card: Callable[..., SimulatedCard], tmp_path: Path
) -> None:
    """Somebody wrote over it: the employee gets a new one, and never has two that are good."""
    card = new_card()
    apply(begin_work(desk, link(card), employee=EMPLOYEE))
    first = on_card(card).public_bytes(Encoding.DER)
    name = next(name for name in card.store.content if name.endswith("object/5FC105"))
    del card.store.content[name]
    assert not all(check.ok for check in verify(begin_work(desk, link(card))))
    assert apply(begin_work(desk, link(card))).done == ["certify:9a"]
    second = on_card(card).public_bytes(Encoding.DER)
    assert not openssl_accepts(badge_desk, desk, first, tmp_path)[0]
    assert openssl_accepts(badge_desk, desk, second, tmp_path)[0]
    with desk.ledger.read() as books:
        states = sorted(one.state for one in books.certificates(employee=EMPLOYEE))
    assert states == ["delivered", "revoked"]
