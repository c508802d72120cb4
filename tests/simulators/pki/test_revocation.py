"""Lists and OCSP answers of the test hierarchy, judged by OpenSSL's command line."""

from __future__ import annotations

import base64
import http.client
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from tegata.apdu import InputError
from tegata.simulators.pki import Responder, crl, crls, hierarchy, ocsp_answer, responder, revoke
from tegata.simulators.presets import memory

CERT_ID = [SHA1(), SHA256()]  # noqa: S303 - CertID of RFC 6960, not a signature
JPKI = "app/d392f000260100000001/ef/"


def _pem(folder: Path, name: str, der: bytes) -> None:
    pem = x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
    (folder / name).write_bytes(pem)


@pytest.fixture
def cards(tmp_path: Path, installation: Path) -> Path:
    """A folder with the certificates of a good card and of a revoked one, and their roots."""
    for name, preset in (("good", "my-number-card"), ("bad", "my-number-card-revoked")):
        card = memory(preset)
        _pem(tmp_path, f"{name}.pem", card[JPKI + "000a"])
        _pem(tmp_path, f"{name}-ca.pem", card[JPKI + "000b"])
    return tmp_path


def _openssl(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["openssl", *words], cwd=folder, capture_output=True, text=True, check=False)


def test_openssl_asks_the_responder(cards: Path) -> None:
    with responder() as server:
        for name, answer in (("good", "good.pem: good"), ("bad", "bad.pem: revoked")):
            done = _openssl(
                cards,
                *(
                    "ocsp",
                    "-sha256",
                    "-issuer",
                    f"{name}-ca.pem",
                    "-cert",
                    f"{name}.pem",
                    "-url",
                    server.ocsp_url,
                ),
                *("-CAfile", f"{name}-ca.pem"),
            )
            assert answer in done.stdout, done.stderr
            assert "Response verify OK" in done.stderr
            assert "WARNING: no nonce" not in done.stderr


def test_openssl_reads_the_lists(cards: Path) -> None:
    for authority in hierarchy().authorities:
        (cards / f"{authority.name}.pem").write_bytes(authority.certificate.public_bytes(Encoding.PEM))
        (cards / f"{authority.name}.crl").write_bytes(crl(authority))
        done = _openssl(
            cards,
            "crl",
            "-inform",
            "der",
            "-in",
            f"{authority.name}.crl",
            "-CAfile",
            f"{authority.name}.pem",
            "-noout",
        )
        assert "verify OK" in done.stderr
    command = ("crl", "-inform", "der", "-in", "authentication-3.crl", "-out", "list.pem")
    assert _openssl(cards, *command).returncode == 0
    check = ("verify", "-crl_check", "-CRLfile", "list.pem", "-CAfile")
    assert _openssl(cards, *check, "good-ca.pem", "good.pem").returncode == 0
    refused = _openssl(cards, *check, "bad-ca.pem", "bad.pem")
    assert "certificate revoked" in refused.stderr
    assert set(crls()) == {f"{a.name}.crl" for a in hierarchy().authorities}


def _request(certificate: x509.Certificate, issuer: x509.Certificate, algorithm: HashAlgorithm) -> bytes:
    builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, algorithm)
    return builder.build().public_bytes(Encoding.DER)


@pytest.mark.parametrize("algorithm", CERT_ID, ids=["sha1", "sha256"])
def test_answers_name_reason_and_time(installation: Path, algorithm: HashAlgorithm) -> None:
    card = memory("my-number-card")
    certificate = x509.load_der_x509_certificate(card[JPKI + "0001"])
    issuer = x509.load_der_x509_certificate(card[JPKI + "0002"])
    request = _request(certificate, issuer, algorithm)
    assert ocsp.load_der_ocsp_response(ocsp_answer(request)).certificate_status is ocsp.OCSPCertStatus.GOOD
    when = datetime(2026, 4, 1, tzinfo=UTC)
    for _ in range(2):  # a second time changes nothing
        revoke(card[JPKI + "0001"], when=when, reason=x509.ReasonFlags.affiliation_changed)
    answer = ocsp.load_der_ocsp_response(ocsp_answer(request))
    assert answer.certificate_status is ocsp.OCSPCertStatus.REVOKED
    assert answer.revocation_time_utc == when
    assert answer.revocation_reason is x509.ReasonFlags.affiliation_changed
    before = ocsp_answer(request, now=datetime(2026, 3, 1, tzinfo=UTC))
    assert ocsp.load_der_ocsp_response(before).certificate_status is ocsp.OCSPCertStatus.GOOD


def test_an_authority_speaks_for_its_own_generation(installation: Path) -> None:
    """A question with another generation's key, which has the same name, is not answered as the other's."""
    revoked = memory("my-number-card-revoked")
    certificate = x509.load_der_x509_certificate(revoked[JPKI + "000a"])
    other = hierarchy().authority(hierarchy().authentication.family, 2).certificate
    answer = ocsp.load_der_ocsp_response(ocsp_answer(_request(certificate, other, SHA256())))
    assert answer.certificate_status is ocsp.OCSPCertStatus.GOOD
    assert other.public_key() != hierarchy().authentication.certificate.public_key()


def test_strangers_get_no_answer(tmp_path: Path, installation: Path) -> None:
    theirs = hierarchy(tmp_path / "sim-pki").authentication.certificate
    request = _request(theirs, theirs, SHA256())
    answer = ocsp.load_der_ocsp_response(ocsp_answer(request))
    assert answer.response_status is ocsp.OCSPResponseStatus.UNAUTHORIZED
    answer = ocsp.load_der_ocsp_response(ocsp_answer(b"\x30\x00"))
    assert answer.response_status is ocsp.OCSPResponseStatus.MALFORMED_REQUEST
    for certificate in (theirs.public_bytes(Encoding.DER), b"nonsense"):
        with pytest.raises(InputError) as caught:
            revoke(certificate)
        assert caught.value.code == "simpki.foreign"


def test_the_server_speaks_plain_http_on_loopback(cards: Path) -> None:
    certificate, issuer = (
        x509.load_pem_x509_certificate((cards / name).read_bytes()) for name in ("good.pem", "good-ca.pem")
    )
    request = _request(certificate, issuer, CERT_ID[0])
    question = "/ocsp/" + quote(base64.b64encode(request), safe="")
    with responder() as server:
        url = urlsplit(server.url)
        assert url.hostname == "127.0.0.1"
        port = url.port or 0
        status, kind, body = _get(port, question)
        assert (status, kind) == (200, "application/ocsp-response")
        assert ocsp.load_der_ocsp_response(body).certificate_status is ocsp.OCSPCertStatus.GOOD
        status, kind, body = _get(port, "/crl/signature-2.crl")
        assert (status, kind) == (200, "application/pkix-crl")
        assert x509.load_der_x509_crl(body).issuer == hierarchy().signature.certificate.subject
        assert [_get(port, path)[0] for path in ("/crl/unknown.crl", "/", "/ocsp/!!!")] == [404, 404, 400]
        with pytest.raises(InputError) as caught:
            Responder(port)
        assert caught.value.code == "simpki.port"


def _get(port: int, path: str) -> tuple[int, str | None, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.getheader("Content-Type"), response.read()
    finally:
        connection.close()
