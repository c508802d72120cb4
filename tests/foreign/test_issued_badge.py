"""A badge issued by the desk's own commands through a real pcscd, used by OpenSC as PIV, judged by OpenSSL.

Nothing here is made by calls into the package: every step is a command as a person types it, and every
verdict is a foreign program's.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from .harness import TEGATA, Namespace, opensc_module

pytestmark = pytest.mark.foreign

EXAMPLES = Path(__file__).parents[2] / "examples"
EMPLOYEE = "000101"
AUTHENTICATION = "01"
"""How OpenSC numbers the key 9A and its certificate."""


@dataclass(frozen=True)
class BadgeDesk:
    """A desk's home folder (key ring, company CA, ledger), one card of it, and the world it is in."""

    ns: Namespace
    home: Path
    passphrase: Path
    card: Path
    letter: Path

    def tegata(self, *arguments: str) -> str:
        """One command of ours to its end; what it printed."""
        return self.out(*TEGATA, "--lang", "en", *arguments)

    def out(self, *program: str) -> str:
        """A program, ours or foreign, to its good end; what it printed."""
        variables = {
            "TEGATA_HOME": str(self.home),
            "TEGATA_KEYRING_PASSPHRASE_FILE": str(self.passphrase),
        }
        done = self.ns.run(program, **variables)
        assert done.returncode == 0, f"{program}: {done.stdout}{done.stderr}"
        return done.stdout

    def print_letter(self, employee: str) -> None:
        self.tegata("badge", "pin-letter", "--employee", employee, "--output", str(self.letter))

    def pin(self) -> str:
        """The PIN, as its holder reads it in the letter."""
        lines = self.letter.read_text("utf-8").splitlines()
        return dict(line.split(" ", 1) for line in lines)["PIN"]


@pytest.fixture(scope="module")
def desk(ns: Namespace, tmp_path_factory: pytest.TempPathFactory) -> BadgeDesk:
    """From nothing to one finished badge and its PIN letter, the card in pcscd's reader."""
    folder = tmp_path_factory.mktemp("desk")
    desk = BadgeDesk(ns, folder / "home", folder / "passphrase", folder / "card.sim", folder / "letter.txt")
    desk.passphrase.touch(mode=0o600)
    desk.passphrase.write_text("correct horse battery staple\n")
    roster, profile = str(EXAMPLES / "roster.csv"), str(EXAMPLES / "badge-profile.toml")
    desk.tegata("sim", "new", "company-card", str(desk.card))
    desk.tegata("keyring", "init")
    desk.tegata("ca", "init", "--organization", "Example K.K.", "--base-url", "http://pki.example.jp")
    desk.tegata("orders", "create", "--roster", roster, "--profile", profile)
    with ns.serve(desk.card, "--interface", "contact"):
        said = desk.tegata("badge", "apply", "--reader", "pcsc:", "--employee", EMPLOYEE)
        assert f"The badge of {EMPLOYEE} is complete" in said
        again = desk.tegata("badge", "apply", "--reader", "pcsc:", "--employee", EMPLOYEE)
        assert "nothing was changed" in again
        certificate(desk, folder)
    desk.print_letter(EMPLOYEE)
    return desk


@pytest.fixture(scope="module", params=["contact", "contactless"])
def badge(desk: BadgeDesk, request: pytest.FixtureRequest) -> Iterator[BadgeDesk]:
    """The badge in pcscd's reader, over either interface."""
    with desk.ns.serve(desk.card, "--interface", request.param):
        yield desk


def certificate(badge: BadgeDesk, folder: Path) -> Path:
    """The certificate for 9A in a file, as OpenSC reads it."""
    path = folder / "badge.pem"
    path.write_text(badge.out("pkcs15-tool", "--read-certificate", AUTHENTICATION))
    return path


def test_opensc_takes_it_for_piv(badge: BadgeDesk) -> None:
    assert badge.out("opensc-tool", "-n").strip() == "Personal Identity Verification Card"


def test_pkcs15_listing(badge: BadgeDesk) -> None:
    listing = badge.out("pkcs15-tool", "-D")
    for line in (
        "Private EC Key [PIV AUTH key]",
        "X.509 Certificate [Certificate for PIV Authentication]",
        "Card Holder Unique Identifier",
        "Printed Information",
    ):
        assert line in listing


def test_pkcs11_listing(badge: BadgeDesk) -> None:
    tool = ["pkcs11-tool", "--module", opensc_module(), "--login", "--pin", badge.pin()]
    listing = badge.out(*tool, "--list-objects")
    assert "Private Key Object; EC" in listing
    assert "EC_POINT 256 bits" in listing
    assert "SATO Hanako" in listing


@pytest.mark.parametrize("mechanism", ["ECDSA-SHA256", "ECDSA"])
def test_9a_signs_and_openssl_verifies(badge: BadgeDesk, tmp_path: Path, mechanism: str) -> None:
    assert sign_and_verify(badge, tmp_path, mechanism) == "Verified OK\n"


def sign_and_verify(badge: BadgeDesk, folder: Path, mechanism: str) -> str:
    """What OpenSSL says, by the certificate on the card, about what OpenSC let the card sign."""
    data, message, signature, key = (folder / name for name in ("data", "message", "signature", "key.pem"))
    data.write_bytes(b"to be signed")
    if mechanism == "ECDSA":  # the caller hashes
        badge.out("openssl", "dgst", "-sha256", "-binary", "-out", str(message), str(data))
    else:
        message.write_bytes(data.read_bytes())
    tool = ["pkcs11-tool", "--module", opensc_module(), "--login", "--pin", badge.pin(), "--sign"]
    what = ["--id", AUTHENTICATION, "-m", mechanism, "--signature-format", "openssl"]
    badge.out(*tool, *what, "-i", str(message), "-o", str(signature))
    path = str(certificate(badge, folder))
    badge.out("openssl", "x509", "-in", path, "-pubkey", "-noout", "-out", str(key))
    verify = ["openssl", "dgst", "-sha256", "-verify", str(key), "-signature", str(signature), str(data)]
    return badge.out(*verify)


def test_openssl_accepts_the_certificate_under_the_company_ca(badge: BadgeDesk, tmp_path: Path) -> None:
    path = certificate(badge, tmp_path)
    assert badge.out("openssl", "verify", *chain(badge, tmp_path), str(path)) == f"{path}: OK\n"
    text = badge.out("openssl", "x509", "-in", str(path), "-noout", "-text")
    for field in (
        "O = Example K.K., OU = General Affairs, serialNumber = 000101, CN = SATO Hanako",
        "URI:http://pki.example.jp/issuing.crl",
        "OCSP - URI:http://pki.example.jp/ocsp",
        "email:sato.hanako@example.jp",
    ):
        assert field in text


def test_opensc_tells_the_holder_of_a_wrong_pin(badge: BadgeDesk) -> None:
    login = ["pkcs11-tool", "--module", opensc_module(), "--login", "--test", "--pin"]
    wrong = "000000" if badge.pin() != "000000" else "111111"
    assert "CKR_PIN_INCORRECT" in badge.ns.run([*login, wrong]).stderr
    badge.out("pkcs15-tool", "--verify-pin", "--pin", badge.pin())  # the right one gives the try back


def test_yubico_piv_tool_reads_the_status(badge: BadgeDesk) -> None:
    badge.out("opensc-tool", "--reset")  # a PIN that still counts as verified has no tries to tell
    status = badge.out("yubico-piv-tool", "-r", "", "-a", "status")
    for line in ("Slot 9a:", "ECCP256", "CN=SATO Hanako", "PIN tries left:\t5"):
        assert line in status


def test_the_door_reads_it_through_pcscd(badge: BadgeDesk) -> None:
    said = badge.tegata(
        "badge", "read", "--reader", "pcsc:", "--site", "TOKYO", "--at", "2026-12-01T09:00+09:00"
    )
    assert said == "Badge 000101: the door opens.\n"


def test_openssl_sees_the_revocation(desk: BadgeDesk, tmp_path: Path) -> None:
    """The last test of this module: the next list names the certificate, and OpenSSL refuses it."""
    path = str(desk.card.parent / "badge.pem")
    desk.out("openssl", "verify", *chain(desk, tmp_path), path)
    serial = desk.out("openssl", "x509", "-in", path, "-noout", "-serial").strip().partition("=")[2]
    desk.tegata("ca", "revoke", serial, "--reason", "key_compromise")
    done = desk.ns.run(["openssl", "verify", *chain(desk, tmp_path), path])
    assert done.returncode == 2
    assert "error 23 at 0 depth lookup: certificate revoked" in done.stderr


def chain(desk: BadgeDesk, folder: Path) -> list[str]:
    """OpenSSL's options: the company's root, its issuing certificate, and both lists, up to date."""
    ca = desk.home / "ca"
    desk.tegata("ca", "crl", str(folder / "issuing.crl"))
    lists = folder / "lists.pem"
    pem = [
        desk.out("openssl", "crl", "-inform", "DER", "-in", str(path))
        for path in (folder / "issuing.crl", ca / "root.crl")
    ]
    lists.write_text("".join(pem))
    return [
        *("-x509_strict", "-purpose", "sslclient", "-crl_check_all", "-CRLfile", str(lists)),
        *("-CAfile", str(ca / "root.crt"), "-untrusted", str(ca / "issuing.crt")),
    ]
