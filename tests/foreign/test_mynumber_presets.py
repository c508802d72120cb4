"""OpenSC with every other kind of My Number Card, and with the tokens of smartphones: all are usable."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tegata.simulators import presets

from .harness import Namespace
from .mynumber import (
    AUTHENTICATION,
    AUTHENTICATION_CA,
    SIGNATURE,
    SIGNATURE_CA,
    KeyOfCard,
    certificate,
    logged_in,
    openssl_verifies,
    out,
)

pytestmark = pytest.mark.foreign

WHOLE = ("with-free-space", "foreign-resident", "expired", "revoked", "moved", "with-licence")
PHONES = ("jpki-android", "jpki-iphone")


def signs(ns: Namespace, key: KeyOfCard, folder: Path) -> bool:
    """Does a signature by pkcs11-tool fit the certificate that pkcs15-tool reads?"""
    data, signature = folder / "data", folder / "signature"
    data.write_bytes(b"to be signed")
    what = ["--sign", "--id", key.id, "-m", "SHA256-RSA-PKCS", "-i", str(data), "-o", str(signature)]
    out(ns, *logged_in(key, *what))
    return openssl_verifies(certificate(ns, key, folder), data, signature)


@pytest.mark.parametrize("preset", WHOLE)
def test_a_card_signs_and_names_its_authorities(ns: Namespace, tmp_path: Path, preset: str) -> None:
    """Expired and revoked cards sign as well: no card knows the time or a list. Each certificate is signed by
    the authority beside it, of whatever generation."""
    card, authority = tmp_path / "card.sim", tmp_path / "authority.pem"
    presets.create(f"my-number-card-{preset}", card)
    with ns.serve(card):
        assert out(ns, "opensc-tool", "--name").strip() == "jpki"
        for key, issuer in ((AUTHENTICATION, AUTHENTICATION_CA), (SIGNATURE, SIGNATURE_CA)):
            assert signs(ns, key, tmp_path)
            authority.write_text(out(ns, "pkcs15-tool", "--read-certificate", issuer))
            verify = ["openssl", "verify", "-no_check_time", "-CAfile", str(authority)]
            pem = certificate(ns, key, tmp_path)
            done = subprocess.run([*verify, str(pem)], capture_output=True, text=True, check=False)
            assert done.stdout == f"{pem}: OK\n", done.stderr


@pytest.mark.parametrize("preset", PHONES)
def test_a_phone_shows_its_certificate_after_the_pin(ns: Namespace, tmp_path: Path, preset: str) -> None:
    card = tmp_path / "card.sim"
    presets.create(preset, card)
    with ns.serve(card):
        assert out(ns, "opensc-tool", "--name").strip() == "jpki"
        read = ["pkcs15-tool", "--read-certificate", AUTHENTICATION.id]
        assert "BEGIN CERTIFICATE" not in ns.run(read).stdout
        pin = ["--verify-pin", "--auth-id", AUTHENTICATION.id, "--pin", AUTHENTICATION.pin]
        assert "BEGIN CERTIFICATE" in out(ns, *read, *pin)
        assert signs(ns, AUTHENTICATION, tmp_path)
        assert signs(ns, SIGNATURE, tmp_path)
