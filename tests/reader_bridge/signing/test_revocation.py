"""Sources of revocation data: lists in a folder, an OCSP responder and an operator's service on loopback."""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from tegata.apdu.errors import InputError, RequestError
from tegata.apdu.secret import Secret
from tegata.reader_bridge.signing import (
    NOT_CHECKED,
    Anchors,
    CrlFolder,
    OcspResponder,
    OperatorService,
    Purpose,
    RevocationAnswer,
    RevocationProvider,
    RevocationStatus,
    Trust,
)

from .jpki_pki import Generation
from .pki import Holder

GOOD, REVOKED, UNKNOWN = RevocationStatus.GOOD, RevocationStatus.REVOKED, RevocationStatus.UNKNOWN
HOUR = timedelta(hours=1)
Answering = Callable[[dict[str, str], bytes], tuple[int, bytes]]


def ask(
    provider: RevocationProvider, holder: Holder, ca: Generation, at: datetime | None = None
) -> RevocationAnswer:
    certificate = x509.load_der_x509_certificate(holder.certificate)
    return provider.answer(certificate, ca.certificate, at or datetime.now(UTC))


@contextmanager
def serving(answering: Answering) -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A small HTTP server on loopback; yields its address and the headers of each request."""
    seen: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append({**dict(self.headers), "path": self.path})
            status, answer = answering(dict(self.headers), body)
            self.send_response(status)
            if status == 302:
                self.send_header("Location", answer.decode())
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/status", seen
        finally:
            server.shutdown()
            thread.join()


def test_a_list_says_good_or_revoked_and_why(tmp_path: Path, sign_ca: Generation, resident: Holder) -> None:
    folder = CrlFolder(tmp_path)
    (tmp_path / "a.crl").write_bytes(sign_ca.crl())
    assert ask(folder, resident, sign_ca) == RevocationAnswer(GOOD, "CRL")
    (tmp_path / "a.crl").write_bytes(sign_ca.crl(resident))
    answer = ask(folder, resident, sign_ca)
    assert (answer.status, answer.reason) == (REVOKED, "affiliationChanged")
    assert answer.revoked_at is not None and "attributes changed" in answer.words
    assert "氏名・住所" in answer.words.ja
    (tmp_path / "a.crl").write_bytes(sign_ca.crl(resident, reason=x509.ReasonFlags.key_compromise))
    assert ask(folder, resident, sign_ca).reason == "keyCompromise"


def test_openssl_and_this_program_agree_on_a_list(
    tmp_path: Path, sign_ca: Generation, resident: Holder
) -> None:
    (tmp_path / "a.crl").write_bytes(x509.load_der_x509_crl(sign_ca.crl(resident)).public_bytes(Encoding.PEM))
    (tmp_path / "ca.pem").write_bytes(sign_ca.certificate.public_bytes(Encoding.PEM))
    loaded = x509.load_der_x509_certificate(resident.certificate)
    (tmp_path / "holder.pem").write_bytes(loaded.public_bytes(Encoding.PEM))
    command = ["openssl", "verify", "-no-CApath", "-CAfile", "ca.pem", "-CRLfile", "a.crl", "-crl_check"]
    ran = subprocess.run([*command, "holder.pem"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "certificate revoked" in ran.stderr
    assert ask(CrlFolder(tmp_path), resident, sign_ca).status is REVOKED


def test_a_list_is_good_for_its_city_only(tmp_path: Path, sign_ca: Generation) -> None:
    here = sign_ca.issue(city="Mihon-shi")
    elsewhere = sign_ca.issue(city="Betsu-shi")
    (tmp_path / "city.crl").write_bytes(sign_ca.crl(city="Mihon-shi"))
    assert ask(CrlFolder(tmp_path), here, sign_ca).status is GOOD
    assert ask(CrlFolder(tmp_path), elsewhere, sign_ca).status is UNKNOWN


def test_an_old_foreign_or_weak_list_says_nothing(
    tmp_path: Path, sign_ca: Generation, older_ca: Generation, resident: Holder
) -> None:
    folder = CrlFolder(tmp_path)
    assert ask(folder, resident, sign_ca).status is UNKNOWN
    (tmp_path / "a.crl").write_bytes(sign_ca.crl(age=timedelta(days=3)))
    answer = ask(folder, resident, sign_ca)
    assert answer.status is UNKNOWN and "out of date" in answer.words
    (tmp_path / "a.crl").write_bytes(older_ca.crl())
    answer = ask(folder, resident, sign_ca)
    assert answer.status is UNKNOWN and "no list of this authority" in answer.words


def test_a_revocation_after_the_moment_does_not_count(
    tmp_path: Path, sign_ca: Generation, resident: Holder
) -> None:
    (tmp_path / "a.crl").write_bytes(sign_ca.crl(resident, revoked_ago=2 * HOUR))
    before = datetime.now(UTC) - 24 * HOUR
    assert ask(CrlFolder(tmp_path), resident, sign_ca, before).status is not REVOKED


def test_a_file_that_is_no_list(tmp_path: Path, sign_ca: Generation, resident: Holder) -> None:
    (tmp_path / "a.crl").write_bytes(b"junk")
    with pytest.raises(InputError) as caught:
        ask(CrlFolder(tmp_path), resident, sign_ca)
    assert caught.value.code == "bridge.anchors"


@pytest.mark.parametrize("sha1", [False, True])
def test_a_responder_is_asked_at_the_configured_address_alone(
    sign_ca: Generation, resident: Holder, sha1: bool
) -> None:
    with serving(lambda _, body: (200, sign_ca.ocsp(body, subject=resident))) as (address, seen):
        assert ask(OcspResponder(address, sha1_identifiers=sha1), resident, sign_ca).status is GOOD
    assert [request["path"] for request in seen] == ["/status"]
    assert seen[0]["Content-Type"] == "application/ocsp-request"
    with serving(lambda _, body: (200, sign_ca.ocsp(body, resident, subject=resident))) as (address, _):
        answer = ask(OcspResponder(address), resident, sign_ca)
    assert (answer.status, answer.reason) == (REVOKED, "affiliationChanged")


def test_an_answer_without_nonce_is_taken_and_one_to_another_question_is_not(
    sign_ca: Generation, resident: Holder
) -> None:
    kept: list[bytes] = []

    def replaying(_: dict[str, str], body: bytes) -> tuple[int, bytes]:
        kept.append(sign_ca.ocsp(body, subject=resident))
        return 200, kept[0]

    with serving(lambda _, body: (200, sign_ca.ocsp(body, subject=resident, nonce=False))) as (address, _):
        assert ask(OcspResponder(address), resident, sign_ca).status is GOOD
    with serving(replaying) as (address, _):
        assert ask(OcspResponder(address), resident, sign_ca).status is GOOD
        assert ask(OcspResponder(address), resident, sign_ca).status is UNKNOWN


def test_answers_that_prove_nothing(sign_ca: Generation, older_ca: Generation, resident: Holder) -> None:
    stranger = rsa.generate_private_key(65537, 2048)
    other = sign_ca.issue()
    bad: list[Answering] = [
        lambda _, body: (200, sign_ca.ocsp(body, subject=resident, key=stranger)),
        lambda _, body: (200, sign_ca.ocsp(body, subject=resident, age=timedelta(days=2))),
        lambda _, body: (200, sign_ca.ocsp(body, subject=other)),
        lambda _, body: (200, older_ca.ocsp(body, subject=resident)),
        lambda _, body: (200, bytes.fromhex("30030a0106")),
        lambda _, body: (200, b"junk"),
        lambda _, body: (200, b"0" * 100_000),
        lambda _, body: (500, b""),
        lambda _, body: (302, b"http://127.0.0.1:9/"),
    ]
    for answering in bad:
        with serving(answering) as (address, seen):
            assert ask(OcspResponder(address), resident, sign_ca).status is UNKNOWN
        assert len(seen) == 1
    assert ask(OcspResponder("http://127.0.0.1:9/"), resident, sign_ca).status is UNKNOWN


def operator(fields: dict[str, object]) -> Answering:
    """The example server of the operator's protocol: it answers what it is told, for any certificate."""

    def answering(headers: dict[str, str], body: bytes) -> tuple[int, bytes]:
        if headers.get("Authorization") != "Bearer key-of-the-shop":
            return 401, b""
        question = json.loads(body)
        digest = hashlib.sha256(base64.b64decode(question["certificate"])).hexdigest()
        assert datetime.fromisoformat(question["at"]).tzinfo is not None
        return 200, json.dumps({"certificate_sha256": digest, **fields}).encode()

    return answering


def test_an_operator_answers(sign_ca: Generation, resident: Holder) -> None:
    token = Secret(b"key-of-the-shop")
    with serving(operator({"status": "good"})) as (address, _):
        assert ask(OperatorService(address, token), resident, sign_ca).status is GOOD
        assert ask(OperatorService(address), resident, sign_ca).status is UNKNOWN
    told = {"status": "revoked", "revoked_at": "2026-03-01T12:00:00+09:00", "reason": "affiliationChanged"}
    with serving(operator(told)) as (address, _):
        provider = OperatorService(address, token)
        answer = ask(provider, resident, sign_ca)
        earlier = ask(provider, resident, sign_ca, datetime(2026, 2, 1, tzinfo=UTC))
    assert (answer.status, answer.reason) == (REVOKED, "affiliationChanged")
    assert earlier.status is GOOD


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"status": "fine"},
        {"status": ["good"]},
        {"status": "good", "certificate_sha256": "00"},
        {"status": "revoked", "revoked_at": "yesterday"},
        {"status": "revoked", "revoked_at": "2026-03-01"},
        {"status": "revoked", "reason": 3},
    ],
)
def test_an_operator_that_answers_nonsense(
    fields: dict[str, object], sign_ca: Generation, resident: Holder
) -> None:
    with serving(operator(fields)) as (address, _):
        provider = OperatorService(address, Secret(b"key-of-the-shop"))
        assert ask(provider, resident, sign_ca).status is UNKNOWN


def test_an_operator_that_answers_too_deeply(sign_ca: Generation, resident: Holder) -> None:
    with serving(lambda headers, body: (200, b"[" * 60_000)) as (address, _):
        assert ask(OperatorService(address), resident, sign_ca).status is UNKNOWN


def test_addresses_that_are_refused() -> None:
    for address in ("", "ftp://x/", "http://[", "https://", "https://user@host/", "file:///etc/passwd"):
        for provider in (OcspResponder, OperatorService):
            with pytest.raises(InputError) as caught:
                provider(address)
            assert caught.value.code == "verify.provider"
    with pytest.raises(InputError):
        OperatorService("http://operator.example/")
    OcspResponder("http://ocsp.example/")


def test_trust_asks_the_provider_and_says_so_when_there_is_none(
    tmp_path: Path, sign_ca: Generation, resident: Holder, roots: Anchors
) -> None:
    (tmp_path / "a.crl").write_bytes(sign_ca.crl(resident))
    with pytest.raises(RequestError) as caught:
        Trust(roots, CrlFolder(tmp_path)).judge(resident.certificate, Purpose.SIGNATURE)
    assert caught.value.code == "signature.revoked"
    assert "registered verifiers" in NOT_CHECKED and "プラットフォーム事業者" in NOT_CHECKED.ja


def test_the_address_in_a_certificate_is_never_contacted(
    tmp_path: Path, sign_ca: Generation, resident: Holder, roots: Anchors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names are looked up and sockets connected nowhere, with and without lists."""
    tried: list[object] = []
    monkeypatch.setattr(socket.socket, "connect", lambda _, address: tried.append(address))
    monkeypatch.setattr(socket, "getaddrinfo", lambda *address, **_: tried.append(address) or [])
    for provider in (None, CrlFolder(tmp_path)):
        Trust(roots, provider, revocation_needed=False).judge(resident.certificate, Purpose.SIGNATURE)
    (tmp_path / "a.crl").write_bytes(sign_ca.crl())
    Trust(roots, CrlFolder(tmp_path)).judge(resident.certificate, Purpose.SIGNATURE)
    assert tried == []
    # The trap works: a configured address is looked up.
    ask(OcspResponder("http://ocsp.example/"), resident, sign_ca)
    assert tried != []
