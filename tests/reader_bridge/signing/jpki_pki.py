"""Authorities in the JPKI's profile for tests: generations share a name, their keys differ."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

from asn1crypto import core
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from .pki import Holder, usage

UNITS = {"sign": "JPKI for digital signature", "auth": "JPKI for user authentication"}
POLICIES = {"sign": "1.2.392.200149.8.5.1.1.20", "auth": "1.2.392.200149.8.5.1.3.30"}
ATTRIBUTES = {1: "見本　花子", 4: "420000101", 3: "2", 5: "東京都見本市１－２", 2: "01000", 6: "0" * 9}
DER = serialization.Encoding.DER


def name(*parts: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])


def authority_name(kind: str) -> x509.Name:
    return name(
        (NameOID.COUNTRY_NAME, "JP"),
        (NameOID.ORGANIZATION_NAME, "JPKI-TEST"),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, UNITS[kind]),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, "Japan Agency for Local Authority Information Systems"),
    )


def city_point(kind: str, city: str) -> x509.Name:
    return name(
        (NameOID.COUNTRY_NAME, "JP"),
        (NameOID.ORGANIZATION_NAME, "JPKI-TEST"),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, UNITS[kind]),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, "CRL Distribution Points"),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, "Tokyo-to"),
        (NameOID.COMMON_NAME, f"{city} CRLDP"),
    )


@dataclass(frozen=True)
class Generation:
    """One generation of one of the two authorities."""

    kind: str
    serial: int
    years: int = 10
    started: timedelta = timedelta(days=365)

    @cached_property
    def key(self) -> rsa.RSAPrivateKey:
        return rsa.generate_private_key(65537, 2048)

    @cached_property
    def certificate(self) -> x509.Certificate:
        start = datetime.now(UTC) - self.started
        own = authority_name(self.kind)
        point = x509.DistributionPoint([x509.DirectoryName(own)], None, None, None)
        return (
            x509.CertificateBuilder(own, own, self.key.public_key(), self.serial)
            .not_valid_before(start)
            .not_valid_after(start + timedelta(days=365 * self.years))
            .add_extension(usage("key_cert_sign", "crl_sign"), critical=True)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.CRLDistributionPoints([point]), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .sign(self.key, hashes.SHA256())
        )

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(DER)

    @property
    def key_id(self) -> bytes:
        return self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest

    def issue(
        self,
        *,
        kind: str | None = None,
        start: timedelta = timedelta(days=-30),
        end: timedelta = timedelta(days=365),
        usages: tuple[str, ...] | None = None,
        key: rsa.RSAPrivateKey | None = None,
        city: str = "Mihon-shi",
        authority: bool = False,
        signing_key: rsa.RSAPrivateKey | None = None,
    ) -> Holder:
        """A holder's certificate; every argument spoils one thing."""
        key = key or rsa.generate_private_key(65537, 2048)
        kind = kind or self.kind
        now = datetime.now(UTC)
        subject = name((NameOID.COUNTRY_NAME, "JP"), (NameOID.COMMON_NAME, "ABCDEFGH01234513101003A"))
        builder = x509.CertificateBuilder(
            authority_name(self.kind), subject, key.public_key(), 0x01020304 + id(key) % 0x1000000
        )
        builder = builder.not_valid_before(now + start).not_valid_after(now + end)
        if kind == "auth":
            purposes = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
            builder = builder.add_extension(usage(*(usages or ("digital_signature",))), critical=True)
            builder = builder.add_extension(purposes, critical=False)
        else:
            both = usages or ("digital_signature", "content_commitment")
            builder = builder.add_extension(usage(*both), critical=True)
            builder = builder.add_extension(attributes(), critical=False)
        if authority:
            builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        built = self._finish(builder, kind, key, city).sign(signing_key or self.key, hashes.SHA256())
        return Holder(key, built.public_bytes(DER))

    def _finish(
        self, builder: x509.CertificateBuilder, kind: str, key: rsa.RSAPrivateKey, city: str
    ) -> x509.CertificateBuilder:
        policy = x509.PolicyInformation(
            x509.ObjectIdentifier(POLICIES[kind]), ["http://www.jpki.go.jp/cps.html"]
        )
        directory = x509.DirectoryName(city_point(self.kind, city))
        point = x509.DistributionPoint([directory], None, None, None)
        address = x509.UniformResourceIdentifier("http://ocsp.jpki-test.invalid")
        access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, address)
        own = x509.DirectoryName(authority_name(self.kind))
        return (
            builder.add_extension(x509.CertificatePolicies([policy]), critical=True)
            .add_extension(x509.CRLDistributionPoints([point]), critical=False)
            .add_extension(x509.AuthorityInformationAccess([access]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier(self.key_id, [own], self.serial), critical=False)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )

    def crl(
        self,
        *revoked: Holder,
        reason: x509.ReasonFlags = x509.ReasonFlags.affiliation_changed,
        age: timedelta = timedelta(hours=1),
        life: timedelta = timedelta(days=1),
        city: str | None = None,
        revoked_ago: timedelta = timedelta(hours=2),
        hash_algorithm: hashes.HashAlgorithm | None = None,
    ) -> bytes:
        now = datetime.now(UTC)
        builder = x509.CertificateRevocationListBuilder(
            authority_name(self.kind), last_update=now - age, next_update=now - age + life
        )
        builder = builder.add_extension(x509.CRLNumber(7), critical=False)
        identifier = x509.AuthorityKeyIdentifier(self.key_id, None, None)
        builder = builder.add_extension(identifier, critical=False)
        if city is not None:
            point = x509.IssuingDistributionPoint(
                full_name=[x509.DirectoryName(city_point(self.kind, city))],
                relative_name=None,
                only_contains_user_certs=False,
                only_contains_ca_certs=False,
                only_some_reasons=None,
                indirect_crl=False,
                only_contains_attribute_certs=False,
            )
            builder = builder.add_extension(point, critical=True)
        for holder in revoked:
            serial = x509.load_der_x509_certificate(holder.certificate).serial_number
            entry = x509.RevokedCertificateBuilder(serial, now - revoked_ago)
            entry = entry.add_extension(x509.CRLReason(reason), critical=False)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(self.key, hash_algorithm or hashes.SHA256()).public_bytes(DER)

    def ocsp(
        self,
        request: bytes,
        *revoked: Holder,
        subject: Holder,
        nonce: bool = True,
        key: rsa.RSAPrivateKey | None = None,
        age: timedelta = timedelta(minutes=1),
    ) -> bytes:
        """An answer as an OCSP responder would give it, signed by the authority (or by ``key``)."""
        question = ocsp.load_der_ocsp_request(request)
        certificate = x509.load_der_x509_certificate(subject.certificate)
        dead = subject in revoked
        now = datetime.now(UTC)
        builder = ocsp.OCSPResponseBuilder().add_response(
            cert=certificate,
            issuer=self.certificate,
            algorithm=question.hash_algorithm,
            cert_status=ocsp.OCSPCertStatus.REVOKED if dead else ocsp.OCSPCertStatus.GOOD,
            this_update=now - age,
            next_update=now - age + timedelta(hours=1),
            revocation_time=now - timedelta(days=1) if dead else None,
            revocation_reason=x509.ReasonFlags.affiliation_changed if dead else None,
        )
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, self.certificate)
        asked = question.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce
        if nonce:
            builder = builder.add_extension(x509.OCSPNonce(asked), critical=False)
        return builder.sign(key or self.key, hashes.SHA256()).public_bytes(DER)


def attributes() -> x509.SubjectAlternativeName:
    arc = "1.2.392.200149.8.5.5"
    return x509.SubjectAlternativeName(
        [
            x509.OtherName(x509.ObjectIdentifier(f"{arc}.{number}"), core.UTF8String(text).dump())
            for number, text in ATTRIBUTES.items()
        ]
    )
