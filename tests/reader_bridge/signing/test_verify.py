"""Files that are verified, and every way in which one is refused. The bad ones are made with OpenSSL,
asn1crypto and pyHanko, not with the signer of this project."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from asn1crypto import cms
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7

from tegata.apdu.errors import InputError, RequestError
from tegata.reader_bridge.signing import (
    Anchors,
    Beside,
    CrlFolder,
    Form,
    Purpose,
    Report,
    Trust,
    authentication_digest,
    make_token,
    sign_detached,
    verify_bytes,
    verify_detached,
    verify_file,
)

from .jpki_pki import Generation
from .pki import Holder, write_pair

CONTENT = b"An application for a day of leave.\n"
ORIGIN, NONCE = "https://portal.example", base64.b64encode(bytes(range(48))).decode()
DAY = timedelta(days=1)


def openssl_cms(folder: Path, holder: Holder, *options: str, content: bytes = CONTENT) -> bytes:
    """What ``openssl cms -sign`` makes; options come last and win."""
    write_pair(folder, holder, "signer")
    (folder / "content").write_bytes(content)
    command = ["openssl", "cms", "-sign", "-binary", "-in", "content", "-outform", "DER", "-out", "sig"]
    command += ["-signer", "signer.pem", "-inkey", "signer.key", *options]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return (folder / "sig").read_bytes()


def codes(report: Report) -> list[str]:
    assert report.accepted == (report.faults == ())
    assert (report.exit_code == 0) == report.accepted
    for fault in report.faults:
        assert "?" not in fault.sentence("en") + fault.sentence("ja")
    return [fault.code for fault in report.faults]


def verify(raw: bytes, trust: Trust, content: bytes | None = CONTENT, **more: object) -> Report:
    return verify_bytes(raw, "file", trust, Beside(content=content, **more))  # type: ignore[arg-type]


def test_it_accepts_what_it_signed(tmp_path: Path, resident: Holder, jpki_trust: Trust) -> None:
    (tmp_path / "text").write_bytes(CONTENT)
    made = sign_detached(CONTENT, resident.certificate, resident.sign_digest)
    (tmp_path / "text.p7s").write_bytes(made)
    report = verify_file(tmp_path / "text.p7s", jpki_trust, content=tmp_path / "text")
    assert codes(report) == []
    (signature,) = report.signatures
    assert (signature.form, signature.hash) == (Form.CMS_DETACHED, "sha256")
    assert signature.claimed_at is not None
    assert signature.signer is not None and signature.signer.anchor is not None
    assert "JPKI-TEST" in signature.signer.anchor
    assert signature.signer.holder is not None and signature.signer.holder.attributes is not None
    assert signature.revocation.startswith("Revocation not checked")


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("-nodetach",),
        ("-cades",),
        ("-md", "sha384"),
        ("-md", "sha512"),
        ("-keyopt", "rsa_padding_mode:pss"),
        ("-outform", "PEM"),
        ("-keyid",),
    ],
    ids=" ".join,
)
def test_it_accepts_what_openssl_signed(
    options: tuple[str, ...], tmp_path: Path, resident: Holder, jpki_trust: Trust
) -> None:
    report = verify(openssl_cms(tmp_path, resident, *options), jpki_trust)
    assert codes(report) == []
    attached = "-nodetach" in options
    assert report.signatures[0].form is (Form.CMS_ATTACHED if attached else Form.CMS_DETACHED)
    assert report.content == (CONTENT if attached else None)


def test_it_accepts_what_cryptography_signed(resident: Holder, jpki_trust: Trust) -> None:
    loaded = x509.load_der_x509_certificate(resident.certificate)
    builder = (
        pkcs7.PKCS7SignatureBuilder().set_data(CONTENT).add_signer(loaded, resident.key, hashes.SHA256())
    )
    options = [pkcs7.PKCS7Options.DetachedSignature, pkcs7.PKCS7Options.Binary]
    assert codes(verify(builder.sign(Encoding.PEM, options), jpki_trust)) == []


def test_altered_content(tmp_path: Path, resident: Holder, jpki_trust: Trust) -> None:
    made = openssl_cms(tmp_path, resident)
    assert codes(verify(made, jpki_trust, CONTENT + b" ")) == ["verify.content"]
    attached = openssl_cms(tmp_path, resident, "-nodetach")
    assert codes(verify(attached.replace(b"a day of", b"2 day of"), jpki_trust, None)) == ["verify.content"]
    assert codes(verify(attached, jpki_trust, b"something else")) == ["verify.content"]


def test_an_altered_signature_or_attribute(tmp_path: Path, resident: Holder, jpki_trust: Trust) -> None:
    made = bytearray(openssl_cms(tmp_path, resident))
    made[-1] ^= 1
    assert codes(verify(bytes(made), jpki_trust)) == ["verify.signature"]
    info = cms.ContentInfo.load(openssl_cms(tmp_path, resident))
    attributes = info["content"]["signer_infos"][0]["signed_attrs"]
    for attribute in attributes:
        if attribute["type"].native == "message_digest":
            attribute["values"][0] = cms.OctetString(hashlib.sha256(b"other").digest())
    assert codes(verify(info.dump(force=True), jpki_trust, b"other")) == ["verify.signature"]


def test_certificates_that_are_refused(
    tmp_path: Path,
    sign_ca: Generation,
    older_ca: Generation,
    visitor: Holder,
    jpki_trust: Trust,
) -> None:
    expired = sign_ca.issue(start=-20 * DAY, end=-DAY)
    assert codes(verify(openssl_cms(tmp_path, expired), jpki_trust)) == ["verify.expired"]
    assert codes(verify(openssl_cms(tmp_path, visitor), jpki_trust)) == ["verify.usage"]
    encipherer = sign_ca.issue(usages=("key_encipherment",))
    assert codes(verify(openssl_cms(tmp_path, encipherer), jpki_trust)) == ["verify.usage"]
    assert codes(verify(openssl_cms(tmp_path, older_ca.issue()), jpki_trust)) == ["verify.other_ca"]
    fake = Generation("sign", 0x132C4AB)
    (tmp_path / "fake.pem").write_bytes(fake.certificate.public_bytes(Encoding.PEM))
    bundled = openssl_cms(tmp_path, fake.issue(), "-certfile", "fake.pem")
    assert codes(verify(bundled, jpki_trust)) == ["verify.other_ca"]
    alone = Generation("auth", 1)
    stranger = openssl_cms(tmp_path, alone.issue(kind="sign"))
    assert codes(verify(stranger, Trust(Anchors((sign_ca.der,)), revocation_needed=False))) == [
        "verify.not_anchored"
    ]


def test_revocation(tmp_path: Path, sign_ca: Generation, resident: Holder, roots: Anchors) -> None:
    made = openssl_cms(tmp_path, resident)
    trust = Trust(roots, CrlFolder(tmp_path), revocation_needed=False)
    report = verify(made, trust)
    assert codes(report) == ["verify.revocation_unknown"]
    (tmp_path / "a.crl").write_bytes(sign_ca.crl(resident))
    report = verify(made, trust)
    assert codes(report) == ["verify.revoked"] and report.exit_code == 235
    assert "attributes changed" in report.faults[0].sentence("en")
    assert "氏名・住所" in report.faults[0].sentence("ja")
    (tmp_path / "a.crl").write_bytes(sign_ca.crl())
    report = verify(made, trust)
    assert codes(report) == [] and report.signatures[0].revocation == "not revoked"
    assert codes(verify(made, Trust(roots))) == ["verify.revocation_unknown"]


def test_a_moment_can_be_named(tmp_path: Path, sign_ca: Generation, jpki_trust: Trust) -> None:
    expired = sign_ca.issue(start=-20 * DAY, end=-DAY)
    made = openssl_cms(tmp_path, expired)
    beside = Beside(content=CONTENT)
    report = verify_bytes(made, "file", jpki_trust, beside, at=datetime.now(UTC) - 5 * DAY)
    assert codes(report) == []


@pytest.mark.parametrize("digest", ["sha1", "md5"])
def test_broken_hashes(digest: str, tmp_path: Path, resident: Holder, jpki_trust: Trust) -> None:
    made = openssl_cms(tmp_path, resident, "-md", digest)
    report = verify(made, jpki_trust)
    assert codes(report) == ["verify.weak"]
    assert digest.upper() in report.faults[0].sentence("en")


def test_the_bridge_refuses_the_same(tmp_path: Path, resident: Holder, jpki_trust: Trust) -> None:
    """What stands between card and portal judges no more kindly than the command."""
    assert verify_detached(CONTENT, openssl_cms(tmp_path, resident), jpki_trust) == resident.certificate
    for options in (("-md", "sha1"), ("-noattr",), ("-nodetach",)):
        with pytest.raises(RequestError) as caught:
            verify_detached(CONTENT, openssl_cms(tmp_path, resident, *options), jpki_trust)
        assert caught.value.code == "signature.invalid"


def test_two_signer_infos_none_and_no_attributes(
    tmp_path: Path, sign_ca: Generation, resident: Holder, jpki_trust: Trust
) -> None:
    write_pair(tmp_path, sign_ca.issue(), "second")
    two = openssl_cms(tmp_path, resident, "-signer", "second.pem", "-inkey", "second.key")
    assert codes(verify(two, jpki_trust)) == ["verify.structure"]
    info = cms.ContentInfo.load(openssl_cms(tmp_path, resident))
    info["content"]["signer_infos"] = cms.SignerInfos([])
    assert codes(verify(info.dump(force=True), jpki_trust)) == ["verify.structure"]
    bare = openssl_cms(tmp_path, resident, "-noattr")
    assert codes(verify(bare, jpki_trust)) == ["verify.structure"]


def test_signed_attributes_are_not_content(tmp_path: Path, resident: Holder, jpki_trust: Trust) -> None:
    """The attributes' own bytes, signed, must not pass as a signature over them (RFC 5652 §11)."""
    info = cms.ContentInfo.load(openssl_cms(tmp_path, resident))
    signer = info["content"]["signer_infos"][0]
    content = signer["signed_attrs"].untag().dump()
    del signer["signed_attrs"]
    signer["signed_attrs"] = None
    assert codes(verify(info.dump(force=True), jpki_trust, content)) == ["verify.structure"]


def test_the_certificate_is_nailed_to_the_signature(
    tmp_path: Path, sign_ca: Generation, resident: Holder, jpki_trust: Trust
) -> None:
    """Another certificate of the same key, issuer and serial number stands in its place."""
    info = cms.ContentInfo.load(openssl_cms(tmp_path, resident, "-cades"))
    twin = sign_ca.issue(key=resident.key, end=900 * DAY)  # type: ignore[arg-type]
    info["content"]["certificates"] = [cms.CertificateChoices.load(twin.certificate)]
    assert codes(verify(info.dump(force=True), jpki_trust)) == ["verify.structure"]


def test_bytes_behind_the_signature(tmp_path: Path, resident: Holder, jpki_trust: Trust) -> None:
    made = openssl_cms(tmp_path, resident)
    for end in (b"\0", b"more"):
        assert codes(verify(made + end, jpki_trust)) == ["verify.structure"]
    assert codes(verify(made[:-3], jpki_trust)) == ["verify.structure"]


def test_every_truncation_and_change_of_a_byte_is_refused(
    tmp_path: Path, resident: Holder, jpki_trust: Trust
) -> None:
    made = openssl_cms(tmp_path, resident, "-nocerts")
    assert codes(verify(made, jpki_trust)) == ["verify.structure"]
    made = openssl_cms(tmp_path, resident)
    for place in range(0, len(made), 41):
        changed = bytearray(made)
        changed[place] ^= 0x15
        assert outcome(bytes(changed), jpki_trust) != [], place


def outcome(raw: bytes, trust: Trust) -> list[str]:
    """Faults of the report, or the error that stands in its place."""
    try:
        return codes(verify(raw, trust))
    except InputError as error:
        return [error.code]


def test_a_login_token(visitor: Holder, resident: Holder, jpki_trust: Trust, older_ca: Generation) -> None:
    def token(holder: Holder) -> bytes:
        key = x509.load_der_x509_certificate(holder.certificate).public_key()
        signature = holder.sign_digest(authentication_digest(key, ORIGIN, NONCE))
        return json.dumps(make_token(holder.certificate, signature)).encode()

    def check(raw: bytes, origin: str | None = ORIGIN, nonce: str | None = NONCE) -> list[str]:
        return codes(verify(raw, jpki_trust, None, origin=origin, nonce=nonce))

    assert check(token(visitor)) == []
    assert check(token(visitor), origin="https://other.example") == ["verify.signature"]
    assert check(token(visitor), nonce=NONCE[:-4] + "AAAA") == ["verify.signature"]
    assert check(token(resident)) == ["verify.usage"]
    assert check(b'{"format": "web-eid:1.0"}' + b" " * 100) == ["verify.structure"]
    assert check(b"{" + b"\xff" * 200) == ["verify.structure"]
    with pytest.raises(InputError) as caught:
        check(token(visitor), nonce=None)
    assert caught.value.code == "verify.missing"


def raw_signature(holder: Holder, algorithm: hashes.HashAlgorithm, *, pss: bool = False) -> bytes:
    scheme = padding.PSS(padding.MGF1(algorithm), 32) if pss else padding.PKCS1v15()
    return holder.key.sign(CONTENT, scheme, algorithm)  # type: ignore[union-attr, call-arg, arg-type]


def test_a_raw_signature(resident: Holder, visitor: Holder, jpki_trust: Trust) -> None:
    def check(raw: bytes, content: bytes = CONTENT, **more: object) -> list[str]:
        return codes(verify(raw, jpki_trust, content, **{"certificate": resident.certificate, **more}))

    for algorithm in (hashes.SHA256(), hashes.SHA384(), hashes.SHA512()):
        assert check(raw_signature(resident, algorithm)) == []
        assert check(raw_signature(resident, algorithm, pss=True)) == []
    made = raw_signature(resident, hashes.SHA256())
    assert check(b"{" + made[1:]) == ["verify.signature"]
    assert check(made, b"other") == ["verify.content"]
    assert check(made[:-1] + bytes([made[-1] ^ 1])) == ["verify.signature"]
    assert check(b"junk") == ["verify.signature"]
    assert check(raw_signature(resident, hashes.SHA1())) == ["verify.weak"]  # noqa: S303 - to be refused
    assert check(raw_signature(resident, hashes.MD5())) == ["verify.weak"]  # noqa: S303 - to be refused
    login = raw_signature(visitor, hashes.SHA256())
    assert check(login, certificate=visitor.certificate) == ["verify.usage"]
    assert check(login, certificate=visitor.certificate, purpose=Purpose.AUTHENTICATION) == []
    assert check(made, certificate=b"junk") == ["verify.certificate"]


def test_a_raw_signature_of_an_elliptic_curve(authority, jpki_trust: Trust) -> None:  # type: ignore[no-untyped-def]
    key = ec.generate_private_key(ec.SECP384R1())
    holder = authority.issue("digital_signature", "content_commitment", key=key)
    trust = Trust(Anchors((authority.der,)), revocation_needed=False)
    made = key.sign(CONTENT, ec.ECDSA(hashes.SHA384()))
    report = verify(made, trust, certificate=holder.certificate)
    assert codes(report) == [] and report.signatures[0].hash == "sha384"
    assert codes(verify(made, trust, b"other", certificate=holder.certificate)) == ["verify.signature"]


def test_what_is_no_signature(tmp_path: Path, resident: Holder, jpki_trust: Trust) -> None:
    for junk in (b"", b"hello", b"PK\x03\x04", b"0\x82"):
        with pytest.raises(InputError) as caught:
            verify(junk, jpki_trust)
        assert caught.value.code == "verify.unreadable"
    with pytest.raises(InputError) as caught:
        verify_file(tmp_path / "missing", jpki_trust)
    assert caught.value.exit_code == 226
    with pytest.raises(InputError) as caught:
        verify(openssl_cms(tmp_path, resident), jpki_trust, None)
    assert caught.value.code == "verify.missing"


def test_the_libraries_log_nothing_of_the_signer(
    tmp_path: Path,
    sign_ca: Generation,
    older_ca: Generation,
    roots: Anchors,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "a.crl").write_bytes(older_ca.crl(city="Betsu-shi"))
    for holder in (sign_ca.issue(), older_ca.issue(), sign_ca.issue(end=-DAY, start=-9 * DAY)):
        made = openssl_cms(tmp_path, holder)
        assert not verify(made, Trust(roots, CrlFolder(tmp_path))).accepted
    assert caplog.text == ""


def test_a_report_as_json_names_nobody_unless_asked(
    tmp_path: Path, resident: Holder, jpki_trust: Trust
) -> None:
    report = verify(openssl_cms(tmp_path, resident), jpki_trust, b"other")
    told = json.dumps(report.to_json(), ensure_ascii=False)
    assert "見本" not in told and "花子" not in told + repr(report)
    serial = x509.load_der_x509_certificate(resident.certificate).serial_number
    for text in (told, repr(report), json.dumps(report.to_json(personal=True))):
        assert str(serial) not in text and f"{serial:x}" not in text.lower()
    assert "花子" in json.dumps(report.to_json(personal=True), ensure_ascii=False)
    (fault,) = report.to_json()["signatures"][0]["faults"]
    assert fault["code"] == "verify.content" and fault["exit_code"] == report.exit_code == 228
    assert "変更" in fault["ja"]
