"""Revocation in the test hierarchy: lists (RFC 5280 §5) and answers of an OCSP responder (RFC 6960).

A revoked certificate is a file in the folder of the hierarchy, so that two processes may revoke at once. A
list covers its whole authority: the real ones are cut by municipality and are not public. The answers are
signed by the authority itself, over SHA-256; a certificate that is not revoked is good, since nobody keeps a
list of what was issued.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256, Hash, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509 import ocsp

from ...apdu.errors import InputError
from .hierarchy import Authority, Hierarchy, folder, hierarchy

__all__ = ["Revocation", "crl", "crls", "issuer_of", "ocsp_answer", "revocations", "revoke"]

REVOKED = "revoked"
LIST_DAYS = 1
"""How long a list or an answer holds."""


@dataclass(frozen=True, slots=True)
class Revocation:
    """One revoked serial number of an authority. ``reason`` is a name of RFC 5280 §5.3.1."""

    serial: int
    when: datetime
    reason: str


def issuer_of(certificate: x509.Certificate, found: Hierarchy) -> Authority | None:
    """The authority that issued it: matched by key identifier, since the generations share a name."""
    try:
        wanted = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    except x509.ExtensionNotFound:
        return None
    return next((a for a in found.authorities if _key_identifier(a) == wanted.key_identifier), None)


def revoke(
    certificate: bytes,
    *,
    when: datetime | None = None,
    reason: x509.ReasonFlags = x509.ReasonFlags.unspecified,
    path: Path | None = None,
) -> None:
    """Revoke a DER certificate of the hierarchy; a second time changes nothing.

    Raises InputError ``simpki.foreign`` for a certificate that the hierarchy did not issue.
    """
    try:
        parsed = x509.load_der_x509_certificate(certificate)
    except ValueError as error:
        raise InputError("simpki.foreign") from error
    authority = issuer_of(parsed, hierarchy(path))
    if authority is None:
        raise InputError("simpki.foreign")
    moment = (when or datetime.now(UTC)).astimezone(UTC).replace(microsecond=0)
    place = _place(path)
    try:
        place.mkdir(mode=0o700, exist_ok=True)
        target = place / f"{authority.name}-{parsed.serial_number:x}.json"
        if target.exists():
            return
        work = target.with_name(f".{target.name}-{os.getpid()}")
        with os.fdopen(os.open(work, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump({"when": moment.isoformat(), "reason": reason.value}, file)
        work.replace(target)
    except OSError as error:
        raise InputError("cardfile.permission", file=place) from error


def revocations(authority: Authority, path: Path | None = None) -> Iterator[Revocation]:
    """What the authority revoked. Raises InputError ``simpki.damaged``."""
    place = _place(path)
    for entry in sorted(place.glob(f"{authority.name}-*.json")):
        try:
            data = json.loads(entry.read_text())
            serial = int(entry.stem.rpartition("-")[2], 16)
            yield Revocation(serial, datetime.fromisoformat(data["when"]), str(data["reason"]))
        except (ValueError, KeyError, TypeError) as error:
            raise InputError("simpki.damaged", path=place) from error


def crl(authority: Authority, now: datetime | None = None, path: Path | None = None) -> bytes:
    """The list of one authority in DER form, valid for a day from an hour before ``now``."""
    moment = (now or datetime.now(UTC)).replace(microsecond=0)
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(authority.certificate.subject)
        .last_update(moment - timedelta(hours=1))
        .next_update(moment + timedelta(days=LIST_DAYS))
        .add_extension(x509.AuthorityKeyIdentifier(_key_identifier(authority), None, None), critical=False)
        .add_extension(x509.CRLNumber(int(moment.timestamp())), critical=False)
    )
    for entry in revocations(authority, path):
        if entry.when <= moment:
            builder = builder.add_revoked_certificate(_entry(entry))
    return builder.sign(authority.key, SHA256()).public_bytes(Encoding.DER)


def crls(path: Path | None = None, now: datetime | None = None) -> dict[str, bytes]:
    """All lists, by file name (``authentication-3.crl``)."""
    return {f"{a.name}.crl": crl(a, now, path) for a in hierarchy(path).authorities}


def ocsp_answer(request: bytes, now: datetime | None = None, path: Path | None = None) -> bytes:
    """The DER answer to a DER request for one certificate; its nonce, if any, is repeated.

    A request that cannot be read is answered ``malformedRequest``, one about another authority
    ``unauthorized``.
    """
    try:
        asked = ocsp.load_der_ocsp_request(request)
        algorithm = asked.hash_algorithm
    except (ValueError, NotImplementedError):
        return _refusal(ocsp.OCSPResponseStatus.MALFORMED_REQUEST)
    authority = next((a for a in hierarchy(path).authorities if _is_meant(a, asked, algorithm)), None)
    if authority is None:
        return _refusal(ocsp.OCSPResponseStatus.UNAUTHORIZED)
    moment = (now or datetime.now(UTC)).replace(microsecond=0)
    found = next(
        (e for e in revocations(authority, path) if e.serial == asked.serial_number and e.when <= moment),
        None,
    )
    builder = (
        ocsp.OCSPResponseBuilder()
        .add_response_by_hash(
            issuer_name_hash=asked.issuer_name_hash,
            issuer_key_hash=asked.issuer_key_hash,
            serial_number=asked.serial_number,
            algorithm=algorithm,
            cert_status=ocsp.OCSPCertStatus.REVOKED if found else ocsp.OCSPCertStatus.GOOD,
            this_update=moment - timedelta(hours=1),
            next_update=moment + timedelta(days=LIST_DAYS),
            revocation_time=found.when if found else None,
            revocation_reason=_reason(found) if found else None,
        )
        .responder_id(ocsp.OCSPResponderEncoding.HASH, authority.certificate)
    )
    for extension in asked.extensions:
        if isinstance(extension.value, x509.OCSPNonce):
            builder = builder.add_extension(extension.value, critical=False)
    return builder.sign(authority.key, SHA256()).public_bytes(Encoding.DER)


def _place(path: Path | None) -> Path:
    return (path or folder()) / REVOKED


def _key_identifier(authority: Authority) -> bytes:
    value = authority.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return value.digest


def _reason(entry: Revocation) -> x509.ReasonFlags | None:
    """RFC 5280 §5.3.1: the code ``unspecified`` is left out rather than written."""
    flag = x509.ReasonFlags(entry.reason)
    return None if flag is x509.ReasonFlags.unspecified else flag


def _entry(entry: Revocation) -> x509.RevokedCertificate:
    builder = x509.RevokedCertificateBuilder(serial_number=entry.serial, revocation_date=entry.when)
    if reason := _reason(entry):
        builder = builder.add_extension(x509.CRLReason(reason), critical=False)
    return builder.build()


def _is_meant(authority: Authority, asked: ocsp.OCSPRequest, algorithm: HashAlgorithm) -> bool:
    """CertID names the issuer by hashes of its name and of the bits of its key (RFC 6960 §4.1.1)."""
    name = authority.certificate.subject.public_bytes()
    return (asked.issuer_name_hash, asked.issuer_key_hash) == (
        _digest(algorithm, name),
        _digest(algorithm, _key_bits(authority)),
    )


def _key_bits(authority: Authority) -> bytes:
    return authority.key.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)


def _digest(algorithm: HashAlgorithm, data: bytes) -> bytes:
    digest = Hash(algorithm)
    digest.update(data)
    return digest.finalize()


def _refusal(status: ocsp.OCSPResponseStatus) -> bytes:
    return ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)
