"""What OpenSC meets at a card that refuses: a blocked PIN, a child's card, another company's card."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tegata.simulators import presets

from .harness import Namespace, opensc_module
from .mynumber import (
    AUTHENTICATION,
    QUERY,
    SELECT_JPKI,
    SIGNATURE,
    KeyOfCard,
    certificate,
    logged_in,
    opensc_send,
    openssl_verifies,
    out,
    pkcs11_tool,
)

pytestmark = pytest.mark.foreign

SELECT_AUTHENTICATION_PIN, SELECT_SIGNATURE_PASSWORD = "00A4020C020018", "00A4020C02001B"
SELECT_TEXT, SELECT_BLOCKED_REFERENCE = "00A4040C0AD3921000310001010408", "00A4020C020012"
WRONG = {AUTHENTICATION.id: "9999", SIGNATURE.id: "WRONG1"}
TRIES = {AUTHENTICATION.id: 3, SIGNATURE.id: 5}
SELECT_PIN = {AUTHENTICATION.id: SELECT_AUTHENTICATION_PIN, SIGNATURE.id: SELECT_SIGNATURE_PASSWORD}


@contextmanager
def in_reader(ns: Namespace, folder: Path, preset: str) -> Iterator[None]:
    card = folder / "card.sim"
    presets.create(preset, card)
    with ns.serve(card):
        yield


def verify_command(pin: str) -> str:
    return f"{QUERY}{len(pin):02X}{pin.encode().hex().upper()}"


def status_of(ns: Namespace, key: KeyOfCard) -> list[str]:
    """Status words of a query and of a VERIFY with the right PIN, in one connection."""
    commands = (SELECT_JPKI, SELECT_PIN[key.id], QUERY, verify_command(key.pin))
    return opensc_send(ns, *commands)[2:]


def section(ns: Namespace, key: KeyOfCard) -> str:
    """What pkcs15-tool says of a PIN."""
    dump = out(ns, "pkcs15-tool", "--dump").split("\n\n")
    (found,) = [part for part in dump if f"PIN [{key.label} PIN]" in part]
    return found


@pytest.mark.parametrize(
    ("key", "other"),
    [(AUTHENTICATION, SIGNATURE), (SIGNATURE, AUTHENTICATION)],
    ids=["authentication", "signature"],
)
def test_a_blocked_pin(ns: Namespace, tmp_path: Path, key: KeyOfCard, other: KeyOfCard) -> None:
    """63C0 to a query, 6984 to VERIFY, and the other key of the card goes on working."""
    data, signature = tmp_path / "data", tmp_path / "signature"
    data.write_bytes(b"to be signed")
    with in_reader(ns, tmp_path, "my-number-card"):
        wrong = pkcs11_tool(key, "--login", "--pin", WRONG[key.id], "--list-objects")
        for _ in range(TRIES[key.id]):
            assert "CKR_PIN_INCORRECT" in ns.run(wrong).stderr
        assert status_of(ns, key) == ["63C0", "6984"]
        assert "Tries left     : 0" in section(ns, key)
        assert "Tries left     : 0" not in section(ns, other)
        assert "user PIN locked" in slot(ns, key)
        assert "user PIN locked" not in slot(ns, other)
        sign = ["--sign", "-m", "SHA256-RSA-PKCS", "-i", str(data), "-o", str(signature)]
        refused = ns.run(logged_in(key, *sign, "--id", key.id))
        assert refused.returncode != 0
        assert "C_Login failed: rv = CKR_GENERAL_ERROR" in refused.stderr
        verify = ns.run(["pkcs15-tool", "--verify-pin", "--auth-id", key.id, "--pin", key.pin])
        assert "Operation failed: Reference data not usable" in verify.stderr
        out(ns, *logged_in(other, *sign, "--id", other.id))
        assert openssl_verifies(certificate(ns, other, tmp_path), data, signature)


def test_a_childs_card(ns: Namespace, tmp_path: Path) -> None:
    """Without signature certificate: its password looks blocked, the authentication key works."""
    data, signature = tmp_path / "data", tmp_path / "signature"
    data.write_bytes(b"to be signed")
    with in_reader(ns, tmp_path, "my-number-card-child"):
        assert status_of(ns, SIGNATURE) == ["63C0", "6984"]
        assert opensc_send(ns, SELECT_JPKI, SELECT_AUTHENTICATION_PIN, QUERY)[2:] == ["63C3"]
        assert out(ns, "opensc-tool", "--name").strip() == "jpki"
        assert "Tries left     : 0" in section(ns, SIGNATURE)
        assert "user PIN locked" in slot(ns, SIGNATURE)
        assert "user PIN locked" not in slot(ns, AUTHENTICATION)
        read = ns.run(SIGNATURE.read_certificate)
        assert read.returncode != 0
        assert "Reference data not usable" in read.stderr
        sign = ["--sign", "-m", "SHA256-RSA-PKCS", "-i", str(data), "-o", str(signature)]
        out(ns, *logged_in(AUTHENTICATION, *sign, "--id", AUTHENTICATION.id))
        assert openssl_verifies(certificate(ns, AUTHENTICATION, tmp_path), data, signature)


def test_a_card_without_pins(ns: Namespace, tmp_path: Path) -> None:
    """顔認証マイナンバーカード: neither PIN was ever set; the authentication certificate stays readable."""
    with in_reader(ns, tmp_path, "my-number-card-without-pin"):
        for key in (AUTHENTICATION, SIGNATURE):
            assert status_of(ns, key) == ["63C0", "6984"]
            assert "user PIN locked" in slot(ns, key)
        assert "BEGIN CERTIFICATE" in out(ns, *AUTHENTICATION.read_certificate)


def test_the_reference_that_every_card_has_blocked(ns: Namespace, my_number_card: Path) -> None:
    """EF 0012 of the text application."""
    with ns.serve(my_number_card):
        answers = opensc_send(ns, SELECT_TEXT, SELECT_BLOCKED_REFERENCE, QUERY, verify_command("1234"))
    assert answers == ["9000", "9000", "63C0", "6984"]


def test_a_companys_card(ns: Namespace, tmp_path: Path) -> None:
    """OpenSC finds no My Number Card in it, whether it guesses or is told to look for one."""
    with in_reader(ns, tmp_path, "company-card"):
        assert opensc_send(ns, SELECT_JPKI) == ["6A82"]
        assert out(ns, "opensc-tool", "--name") == "Unsupported card\n"
        for variables in ({}, {"OPENSC_DRIVER": "jpki"}):
            dump = ns.run(["pkcs15-tool", "--dump"], **variables)
            assert dump.returncode != 0
            assert "Card is invalid or cannot be handled" in dump.stderr
        listing = out(ns, "pkcs11-tool", "--module", opensc_module(), "--list-slots")
        assert "(token not recognized)" in listing
        assert "JPKI" not in listing


def slot(ns: Namespace, key: KeyOfCard) -> str:
    """What pkcs11-tool says of the token of a key."""
    listing = out(ns, "pkcs11-tool", "--module", opensc_module(), "--list-token-slots")
    (found,) = [part for part in listing.split("\nSlot ") if key.token in part]
    return found
