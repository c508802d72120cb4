"""Trust anchors and the judgement on a certificate: chain, usage, validity, revocation (RFC 5280 §6).

Path validation is pyhanko-certvalidator's; nothing is fetched from the network on a certificate's word.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from asn1crypto import pem
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from pyhanko_certvalidator import CertificateValidator, ValidationContext
from pyhanko_certvalidator.errors import PathBuildingError, PathError, ValidationError

from ...apdu.errors import InputError, RequestError
from .card_signer import run
from .revocation import RevocationProvider, RevocationStatus

__all__ = ["NO_ANCHORS", "Anchors", "Purpose", "Trust"]


class Purpose(enum.Enum):
    """What a certificate is asked to be good for: key usages, extended key usages."""

    AUTHENTICATION = (frozenset({"digital_signature"}), frozenset({"client_auth"}))
    SIGNATURE = (frozenset({"digital_signature", "non_repudiation"}), frozenset[str]())


@dataclass(frozen=True, slots=True)
class Anchors:
    """Root certificates in DER form."""

    roots: tuple[bytes, ...] = ()

    @classmethod
    def read(cls, folder: Path) -> Anchors:
        """All certificates in ``folder`` (``*.pem``, ``*.crt``, ``*.cer``, ``*.der``).

        A folder that does not exist holds none. Raises InputError ``bridge.anchors``.
        """
        roots: list[bytes] = []
        for path in sorted(folder.glob("*")):
            if path.suffix.lower() in (".pem", ".crt", ".cer", ".der"):
                roots += _certificates(path)
        return cls(tuple(roots))


NO_ANCHORS = Anchors()
"""Trusts nobody: the default everywhere."""


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom to believe: anchors, who answers for revocation, and whether an answer is needed."""

    anchors: Anchors
    revocation: RevocationProvider | None = None
    revocation_needed: bool = True

    def judge(self, certificate: bytes, purpose: Purpose, at: datetime | None = None) -> x509.Certificate:
        """The certificate (DER in), when it may be relied on for ``purpose`` at the moment (now).

        Raises RequestError ``signature.untrusted``, ``signature.revoked`` or ``signature.revocation``.
        """
        moment = at or datetime.now(UTC)
        issuer = self._path(certificate, purpose, moment)
        loaded = x509.load_der_x509_certificate(certificate)
        if self.revocation_needed or self.revocation is not None:
            self._ask(loaded, issuer, moment)
        return loaded

    def _path(self, certificate: bytes, purpose: Purpose, moment: datetime) -> x509.Certificate:
        if not self.anchors.roots:
            raise RequestError("signature.untrusted", what="no trust anchors are installed")
        # CertificateValidator would look into the system's store for an empty list; never reached.
        context = ValidationContext(
            trust_roots=[asn1_x509.Certificate.load(root) for root in self.anchors.roots],
            allow_fetching=False,
            revocation_mode="soft-fail",
            moment=moment,
        )
        key_usage, extended = purpose.value
        try:
            validator = CertificateValidator(
                asn1_x509.Certificate.load(certificate), validation_context=context
            )
            judging = validator.async_validate_usage(  # type: ignore[no-untyped-call]
                set(key_usage), set(extended), extended_optional=not extended
            )
            path = run(judging)
        except PathBuildingError as error:
            raise RequestError("signature.untrusted", what="no trust anchor stands behind it") from error
        except (PathError, ValidationError, ValueError) as error:
            raise RequestError("signature.untrusted", what=_reason(error)) from error
        issuer = path.find_issuing_authority(asn1_x509.Certificate.load(certificate))
        return x509.load_der_x509_certificate(issuer.certificate.dump())

    def _ask(self, certificate: x509.Certificate, issuer: x509.Certificate, moment: datetime) -> None:
        status = RevocationStatus.UNKNOWN
        if self.revocation is not None:
            status = self.revocation.status(certificate, issuer, moment)
        if status is RevocationStatus.REVOKED:
            raise RequestError("signature.revoked")
        if status is RevocationStatus.UNKNOWN and self.revocation_needed:
            raise RequestError("signature.revocation")


def _reason(error: Exception) -> str:
    """A short reason without anything of the certificate's content: its subject may be a person."""
    name = type(error).__name__
    return {
        "ExpiredError": "it is no longer valid",
        "NotYetValidError": "it is not yet valid",
        "InvalidCertificateError": "it is not meant for this use",
        "RevokedError": "it was revoked",
    }.get(name, f"its chain is not valid ({name})")


def _certificates(path: Path) -> list[bytes]:
    raw = path.read_bytes()
    try:
        ders = [der for _, _, der in pem.unarmor(raw, multiple=True)] if pem.detect(raw) else [raw]
        for der in ders:
            x509.load_der_x509_certificate(der)
    except ValueError as error:
        raise InputError("bridge.anchors", path=str(path), what="not a certificate") from error
    return ders
