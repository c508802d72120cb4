"""OpenSC, OpenSSL, yubico-piv-tool and yubikit take the simulated employee ID for a PIV card and use it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from yubikit.core import TRANSPORT
from yubikit.core.smartcard import SmartCardConnection
from yubikit.piv import KEY_TYPE, OBJECT_ID, SLOT, InvalidPinError, PivSession

from tegata.apdu.ports import Link
from tegata.simulators import presets
from tegata.simulators.card import FileStore

from ..applets.desk import GUID, PIN, Desk, key_ring
from .harness import TEGATA, OrdinaryUser, opensc_module

pytestmark = pytest.mark.foreign

YUBICO_VERSION = b"\x02"


@pytest.fixture(scope="module")
def badge(user: OrdinaryUser, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A badge with both applications, made by APDUs, in the user's folder."""
    folder = tmp_path_factory.mktemp("desk")
    path = folder / "badge.sim"
    presets.create("company-card", path)
    desk = Desk(key_ring(folder), FileStore(path))
    key = desk.issue_piv().public_key()
    desk.issue_badge()
    desk.store.close()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for name, content in (("badge.sim", path.read_bytes()), ("key.pem", pem), ("data", b"to be signed")):
        target = user.home / name
        target.write_bytes(content)
        target.chmod(0o600)
        if os.geteuid() == 0:
            owner = user.home.stat()
            os.chown(target, owner.st_uid, owner.st_gid)
    return "badge.sim"


def out(user: OrdinaryUser, badge: str, *program: str) -> str:
    done = user.run([*TEGATA, "sim", "run", badge, "--", *program])
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_opensc_knows_the_card(user: OrdinaryUser, badge: str) -> None:
    assert out(user, badge, "opensc-tool", "-n").strip() == "Personal Identity Verification Card"


def test_pkcs15_listing(user: OrdinaryUser, badge: str) -> None:
    listing = out(user, badge, "pkcs15-tool", "-D")
    for line in (
        f"Serial number  : {GUID.hex}",
        "Private EC Key [PIV AUTH key]",
        "X.509 Certificate [Certificate for PIV Authentication]",
        "Card Holder Unique Identifier",
    ):
        assert line in listing


def test_pkcs11_signs_with_9a_and_openssl_verifies(user: OrdinaryUser, badge: str) -> None:
    tool = ["pkcs11-tool", "--module", opensc_module(), "--login", "--pin", PIN.decode(), "--sign"]
    key = ["--id", "01", "-m", "ECDSA-SHA256", "--signature-format", "openssl"]
    out(user, badge, *tool, *key, "-i", "data", "-o", "signature")
    verify = ["openssl", "dgst", "-sha256", "-verify", "key.pem", "-signature", "signature", "data"]
    done = subprocess.run(verify, cwd=user.home, capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "Verified OK"


def test_yubico_piv_tool_reads_the_status(user: OrdinaryUser, badge: str) -> None:
    status = out(user, badge, "yubico-piv-tool", "-r", "", "-a", "status")
    for line in (
        f"3410{GUID.hex}",
        "Slot 9a:",
        "ECCP256",
        "Subject DN:\tCN=Taro Yamada",
        "PIN tries left:\t5",
    ):
        assert line in status


class Connection(SmartCardConnection):
    """yubikit's connection over one of our links."""

    def __init__(self, link: Link) -> None:
        self._link = link

    @property
    def transport(self) -> TRANSPORT:
        return TRANSPORT.NFC

    def send_and_receive(self, apdu: bytes) -> tuple[bytes, int]:
        answer = self._link.transmit(apdu)
        return answer[:-2], int.from_bytes(answer[-2:], "big")

    def close(self) -> None:
        self._link.close()


def test_yubikit_signs_with_9a(tmp_path: Path) -> None:
    """yubikit asks every card for its firmware version (FD), so the switch for it is on."""
    desk = Desk(key_ring(tmp_path))
    certificate = desk.issue_piv(YUBICO_VERSION)
    session = PivSession(Connection(desk.link))
    assert session.get_certificate(SLOT.AUTHENTICATION) == certificate
    assert GUID.bytes in session.get_object(OBJECT_ID.CHUID)
    with pytest.raises(InvalidPinError) as wrong:
        session.verify_pin("999999")
    assert wrong.value.attempts_remaining == 4
    session.verify_pin(PIN.decode())
    signature = session.sign(SLOT.AUTHENTICATION, KEY_TYPE.ECCP256, b"to be signed", SHA256())
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(signature, b"to be signed", ec.ECDSA(SHA256()))
