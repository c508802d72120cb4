"""tegata verifies what OpenSC, OpenSSL and pyHanko signed with the card's signature key."""

from __future__ import annotations

from pathlib import Path

import pytest

from tegata.reader_bridge.signing.anchors import Anchors, Purpose, read_certificates
from tegata.reader_bridge.signing.report import Form
from tegata.reader_bridge.signing.trust import Trust
from tegata.reader_bridge.signing.verify import verify_file

from .harness import Namespace, opensc_module
from .mynumber import (
    AUTHENTICATION_CA,
    SIGNATURE,
    SIGNATURE_CA,
    certificate,
    logged_in,
    out,
    pyhanko_signs,
    typed,
)

pytestmark = pytest.mark.foreign


def trust(ns: Namespace, authority: str) -> Trust:
    """A person who believes one authority, and has nobody to ask about revocation."""
    pem = out(ns, "pkcs15-tool", "--read-certificate", authority)
    return Trust(Anchors(tuple(read_certificates(pem.encode()))), revocation_needed=False)


@pytest.fixture
def content(tmp_path: Path) -> Path:
    path = tmp_path / "content"
    path.write_bytes(b"to be signed")
    return path


def test_a_document_of_pyhanko(my_number_reader: Namespace, tmp_path: Path) -> None:
    """The authority of the other key, which bears almost the same name, does not vouch for it."""
    signed = tmp_path / "signed.pdf"
    pyhanko_signs(my_number_reader, signed)
    report = verify_file(signed, trust(my_number_reader, SIGNATURE_CA))
    assert [signature.form for signature in report.signatures] == [Form.PDF]
    assert report.accepted, report.faults
    stranger = verify_file(signed, trust(my_number_reader, AUTHENTICATION_CA))
    assert not stranger.accepted


def test_a_message_of_openssl(my_number_reader: Namespace, tmp_path: Path, content: Path) -> None:
    """``openssl cms`` with the engine; changed content is refused."""
    signed = tmp_path / "signed.p7s"
    signer = ["-signer", str(certificate(my_number_reader, SIGNATURE, tmp_path))]
    key = ["-keyform", "engine", "-inkey", f"{SIGNATURE.url};type=private;pin-value={SIGNATURE.pin}"]
    files = ["-binary", "-in", str(content), "-outform", "DER", "-out", str(signed)]
    command = ["openssl", "cms", "-sign", "-engine", "pkcs11", "-md", "sha256", *signer, *key, *files]
    out(my_number_reader, *typed(SIGNATURE.pin, command), PKCS11_MODULE_PATH=opensc_module())
    believed = trust(my_number_reader, SIGNATURE_CA)
    report = verify_file(signed, believed, content=content)
    assert report.signatures[0].form is Form.CMS_DETACHED
    assert report.accepted, report.faults
    content.write_bytes(b"something else")
    assert not verify_file(signed, believed, content=content).accepted


def test_a_signature_of_opensc(my_number_reader: Namespace, tmp_path: Path, content: Path) -> None:
    """A raw signature, with the certificate beside it."""
    signed = tmp_path / "signature"
    what = ["--sign", "--id", SIGNATURE.id, "-m", "SHA256-RSA-PKCS", "-i", str(content), "-o", str(signed)]
    out(my_number_reader, *logged_in(SIGNATURE, *what))
    beside = certificate(my_number_reader, SIGNATURE, tmp_path)
    believed = trust(my_number_reader, SIGNATURE_CA)
    report = verify_file(signed, believed, content=content, certificate=beside)
    assert report.signatures[0].form is Form.RAW
    assert report.accepted, report.faults
    login = verify_file(signed, believed, content=content, certificate=beside, purpose=Purpose.AUTHENTICATION)
    assert not login.accepted
