"""Paths to an anchor: generations that share a name, and everything that a path is refused for."""

from __future__ import annotations

import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from tegata.apdu.errors import Words
from tegata.reader_bridge.signing import Anchors, Purpose, Refused
from tegata.reader_bridge.signing.path import find_path

from .jpki_pki import Generation, authority_name
from .pki import Holder, usage

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


def refused(
    holder: Holder, roots: Anchors, purpose: Purpose = Purpose.SIGNATURE, at: datetime = NOW
) -> Refused:
    with pytest.raises(Refused) as caught:
        find_path(holder.certificate, roots, purpose, at)
    assert isinstance(caught.value.details["what"], Words)
    return caught.value


def test_the_generation_is_chosen_by_its_key(
    sign_ca: Generation, older_ca: Generation, resident: Holder
) -> None:
    for order in ((sign_ca.der, older_ca.der), (older_ca.der, sign_ca.der)):
        path = find_path(resident.certificate, Anchors(order), Purpose.SIGNATURE, NOW)
        assert path.issuer == path.anchor == sign_ca.certificate
        assert path.anchor_name.endswith(f"key {sign_ca.key_id[:4].hex().upper()}")
    old = older_ca.issue(end=DAY)
    path = find_path(old.certificate, Anchors((sign_ca.der, older_ca.der)), Purpose.SIGNATURE, NOW)
    assert path.anchor == older_ca.certificate


def test_openssl_sees_the_same_generation(
    tmp_path: Path, sign_ca: Generation, older_ca: Generation, resident: Holder
) -> None:
    pem = serialization.Encoding.PEM
    (tmp_path / "own.pem").write_bytes(sign_ca.certificate.public_bytes(pem))
    (tmp_path / "other.pem").write_bytes(older_ca.certificate.public_bytes(pem))
    loaded = x509.load_der_x509_certificate(resident.certificate)
    (tmp_path / "holder.pem").write_bytes(loaded.public_bytes(pem))

    def verify(anchor: str) -> bool:
        command = ["openssl", "verify", "-no-CApath", "-CAfile", anchor, "holder.pem"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, check=False).returncode == 0

    assert verify("own.pem")
    assert not verify("other.pem")


def test_another_generation_of_the_same_name_is_told_apart(older_ca: Generation, resident: Holder) -> None:
    error = refused(resident, Anchors((older_ca.der,)))
    assert error.code == "verify.other_ca"
    assert "another key" in error.sentence("en") and "別の世代" in error.sentence("ja")


def test_a_forger_who_copies_the_key_identifier_is_found_out(sign_ca: Generation, roots: Anchors) -> None:
    forged = sign_ca.issue(signing_key=rsa.generate_private_key(65537, 2048))
    error = refused(forged, roots)
    assert error.code == "verify.not_anchored"
    assert "did not sign it" in error.sentence("en")


def test_a_fake_that_is_consistent_in_itself_is_not_anchored(roots: Anchors) -> None:
    fake = Generation("sign", 0x132C4AB)
    assert refused(fake.issue(), roots).code == "verify.other_ca"
    find_path(fake.issue().certificate, Anchors((fake.der,)), Purpose.SIGNATURE, NOW)
    stranger = Generation("auth", 5).issue(kind="sign")
    assert refused(stranger, Anchors((Generation("sign", 5).der,))).code == "verify.not_anchored"


def test_a_certificate_that_signs_itself_is_not_anchored(roots: Anchors) -> None:
    key = rsa.generate_private_key(65537, 2048)
    own = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "me")])
    builder = x509.CertificateBuilder(own, own, key.public_key(), 5, NOW - DAY, NOW + DAY)
    der = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    error = refused(Holder(key, der), roots)
    assert error.code == "verify.not_anchored"
    assert "signed by itself" in error.sentence("en")


def test_no_anchors_and_no_authorities_among_them(resident: Holder) -> None:
    assert refused(resident, Anchors()).code == "verify.not_anchored"
    assert refused(resident, Anchors((resident.certificate,))).code == "verify.not_anchored"


def test_expired_and_not_yet_valid(sign_ca: Generation, resident: Holder, roots: Anchors) -> None:
    error = refused(sign_ca.issue(start=-20 * DAY, end=-DAY), roots)
    assert error.code == "verify.expired" and "no longer" in error.sentence("en")
    assert f"{NOW - DAY:%Y-%m-%d}" in error.sentence("ja")
    error = refused(sign_ca.issue(start=DAY), roots)
    assert error.code == "verify.expired" and "not yet" in error.sentence("en")
    assert refused(resident, roots, at=NOW - 31 * DAY).code == "verify.expired"
    find_path(resident.certificate, roots, Purpose.SIGNATURE, NOW - 29 * DAY)


def test_an_authority_that_is_no_longer_valid(sign_ca: Generation) -> None:
    old = Generation("sign", 3, years=1, started=400 * DAY)
    error = refused(old.issue(), Anchors((sign_ca.der, old.der)))
    assert error.code == "verify.expired" and "authority" in error.sentence("en")


def test_usage_and_policy(
    sign_ca: Generation, auth_ca: Generation, resident: Holder, visitor: Holder, roots: Anchors
) -> None:
    find_path(visitor.certificate, roots, Purpose.AUTHENTICATION, NOW)
    assert refused(visitor, roots).code == "verify.usage"
    assert refused(resident, roots, Purpose.AUTHENTICATION).code == "verify.usage"
    assert refused(sign_ca.issue(usages=("key_encipherment",)), roots).code == "verify.usage"
    # The key usages of a signature certificate under the policy of a login.
    disguised = auth_ca.issue(usages=("digital_signature", "content_commitment"))
    assert "policy" in refused(disguised, roots).sentence("en")


def test_an_authority_signs_no_documents(sign_ca: Generation, roots: Anchors) -> None:
    assert refused(sign_ca.issue(authority=True), roots).code == "verify.usage"
    assert refused(Holder(sign_ca.key, sign_ca.der), roots).code == "verify.usage"


def test_weak_keys_and_hashes(sign_ca: Generation, roots: Anchors, tmp_path: Path) -> None:
    short = rsa.generate_private_key(65537, 1024)  # noqa: S505 - made to be refused
    assert refused(sign_ca.issue(key=short), roots).code == "verify.weak"
    assert refused(openssl_sha1(sign_ca, tmp_path), roots).code == "verify.weak"


def openssl_sha1(authority: Generation, folder: Path) -> Holder:
    """A certificate over SHA-1, by OpenSSL: cryptography refuses to make one."""
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(authority.certificate.public_bytes(pem))
    secret = authority.key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "ca.key").write_bytes(secret)
    (folder / "ext").write_text(
        "keyUsage=critical,digitalSignature,nonRepudiation\nauthorityKeyIdentifier=keyid\n"
    )
    request = ["openssl", "req", "-newkey", "rsa:2048", "-nodes", "-keyout", "key", "-out", "csr"]
    subprocess.run([*request, "-subj", "/CN=weak"], cwd=folder, capture_output=True, check=True)
    signing = ["openssl", "x509", "-req", "-in", "csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-sha1"]
    signing += ["-extfile", "ext", "-days", "9", "-set_serial", "9", "-outform", "DER", "-out", "weak.der"]
    subprocess.run(signing, cwd=folder, capture_output=True, check=True)
    key = serialization.load_pem_private_key((folder / "key").read_bytes(), None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return Holder(key, (folder / "weak.der").read_bytes())


def test_junk_is_no_certificate(roots: Anchors, resident: Holder) -> None:
    for junk in (b"", b"junk", resident.certificate[:-1], resident.certificate + b"\0"):
        with pytest.raises(Refused) as caught:
            find_path(junk, roots, Purpose.SIGNATURE, NOW)
        assert caught.value.code == "verify.certificate"


def test_serial_numbers_that_are_none(sign_ca: Generation, resident: Holder, roots: Anchors) -> None:
    """Libraries would warn, and go on."""
    own = x509.load_der_x509_certificate(resident.certificate).serial_number.to_bytes(4, "big")
    of_issuer = sign_ca.serial.to_bytes(4, "big")
    for serial in (own, of_issuer):
        assert resident.certificate.count(serial) == 1
        negative = resident.certificate.replace(serial, b"\x81" + serial[1:])
        with pytest.raises(Refused) as caught:
            find_path(negative, roots, Purpose.SIGNATURE, NOW)
        assert caught.value.code == "verify.certificate"


def test_a_key_of_another_kind(sign_ca: Generation, roots: Anchors) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    error = refused(sign_ca.issue(key=key), roots)  # type: ignore[arg-type]
    assert error.code == "verify.certificate" and "kind" in error.sentence("en")


def test_the_names_of_generations_are_equal(sign_ca: Generation, older_ca: Generation) -> None:
    assert sign_ca.certificate.subject == older_ca.certificate.subject == authority_name("sign")
    assert sign_ca.key_id != older_ca.key_id


def forged_namesake(subject: x509.Name) -> bytes:
    """An authority of a forger's own, which names itself as its issuer."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(NOW - DAY).not_valid_after(NOW + DAY)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def test_a_dozen_namesakes_do_not_keep_it_busy(sign_ca: Generation, roots: Anchors, resident: Holder) -> None:
    """Paths by name alone through n authorities of one name: n factorial, two hours for a dozen."""
    mine = Generation("sign", 7)
    forged = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Namesake")])
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateBuilder(forged, authority_name("auth"), key.public_key(), 5)
    leaf = builder.not_valid_before(NOW - DAY).not_valid_after(NOW + DAY).sign(key, hashes.SHA256())
    others = [forged_namesake(forged) for _ in range(12)]
    der = leaf.public_bytes(serialization.Encoding.DER)
    begun = time.monotonic()
    with pytest.raises(Refused) as caught:
        find_path(der, roots, Purpose.SIGNATURE, NOW, others)
    assert caught.value.code == "verify.not_anchored"
    twins = [forged_namesake(authority_name("sign")) for _ in range(12)]
    path = find_path(resident.certificate, roots, Purpose.SIGNATURE, NOW, [*twins, mine.der, b"junk"])
    assert path.anchor == sign_ca.certificate
    assert time.monotonic() - begun < 10


def test_an_intermediate_authority_is_found_and_too_many_are_refused(
    sign_ca: Generation, roots: Anchors
) -> None:
    between = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Between")])
    key = ec.generate_private_key(ec.SECP256R1())
    upper = (
        x509.CertificateBuilder(authority_name("sign"), between, key.public_key(), 8)
        .not_valid_before(NOW - DAY)
        .not_valid_after(NOW + DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(sign_ca.key, hashes.SHA256())
    )
    builder = x509.CertificateBuilder(between, authority_name("auth"), key.public_key(), 9)
    builder = builder.not_valid_before(NOW - DAY).not_valid_after(NOW + DAY)
    leaf = builder.add_extension(usage("digital_signature", "content_commitment"), critical=True)
    der = leaf.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)
    given = upper.public_bytes(serialization.Encoding.DER)
    path = find_path(der, roots, Purpose.SIGNATURE, NOW, [forged_namesake(between), given])
    assert path.issuer == upper
    assert path.anchor == sign_ca.certificate
    with pytest.raises(Refused) as caught:
        find_path(der, roots, Purpose.SIGNATURE, NOW, [given] * 33)
    assert caught.value.code == "verify.structure"
