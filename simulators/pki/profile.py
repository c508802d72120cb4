"""The certificate profile of the Japanese Public Key Infrastructure (公的個人認証), as seen on public
samples.

Roots and end-entity certificates carry the same extensions in the same order with the same criticality as
real ones, under O=JPKI-TEST as the official test hierarchy is named. One difference is meant: the OCSP
address ends in ``.invalid`` (RFC 2606), so that no test certificate ever asks the real service, whatever its
names are. Certomancer's names are built from a table with one value a type, and JPKI names hold two OU or
two L: the builders of ``cryptography`` stand here instead.
"""

from __future__ import annotations

import enum
import secrets
from dataclasses import dataclass
from datetime import date, datetime

from asn1crypto import core
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

__all__ = [
    "ATTRIBUTES",
    "PRODUCTION_ORGANIZATION",
    "TEST_ORGANIZATION",
    "Family",
    "Holder",
    "authentication_certificate",
    "birthday",
    "root",
    "signature_certificate",
    "valid_until",
]

AUTHENTICATION_OCSP = "ocspauthnorm"
CPS = "http://www.jpki.go.jp/cps.html"
TEST_ORGANIZATION, PRODUCTION_ORGANIZATION = "JPKI-TEST", "JPKI"
ROOT_YEARS = 10
CERTIFICATE_BIRTHDAYS = 5


class Family(enum.Enum):
    """The two parallel hierarchies: folder name, OU, Japanese OU, policy."""

    AUTHENTICATION = (
        "authentication",
        "JPKI for user authentication",
        "公的個人認証サービス利用者証明用",
        "1.2.392.200149.8.5.1.3.30",
    )
    SIGNATURE = (
        "signature",
        "JPKI for digital signature",
        "公的個人認証サービス署名用",
        "1.2.392.200149.8.5.1.1.20",
    )

    def __init__(self, slug: str, unit: str, japanese_unit: str, policy: str) -> None:
        self.slug = slug
        self.unit = unit
        self.japanese_unit = japanese_unit
        self.policy = policy


ATTRIBUTES = {
    "name": "1.2.392.200149.8.5.5.1",
    "name_substitutes": "1.2.392.200149.8.5.5.2",
    "sex": "1.2.392.200149.8.5.5.3",
    "birth": "1.2.392.200149.8.5.5.4",
    "address": "1.2.392.200149.8.5.5.5",
    "address_substitutes": "1.2.392.200149.8.5.5.6",
}
"""otherName attributes of the signature certificate."""
ATTRIBUTE_ORDER = ("name", "birth", "sex", "address", "name_substitutes", "address_substitutes")
ERAS = ((date(2019, 5, 1), 5), (date(1989, 1, 8), 4), (date(1926, 12, 25), 3), (date(1912, 7, 30), 2))


@dataclass(frozen=True, slots=True)
class Holder:
    """Whom the certificates name. ``sex`` is the JIS X 0303 digit: 1 male, 2 female, 9 not applicable.

    The two ``substitutes`` have one ``0`` or ``1`` a character: 1 where another character stands in for one
    that JIS does not have. Empty means none. ``signature_ocsp`` is the first label of the OCSP address in the
    signature certificate: that of real ones is not known for certain.
    """

    name: str
    address: str
    birth: date
    sex: int
    prefecture: str
    city: str
    name_substitutes: str = ""
    address_substitutes: str = ""
    signature_ocsp: str = "ocspsignnorm"

    @property
    def era_birth(self) -> str:
        """Birth date as EYYYYMMDD: era 1 Meiji … 5 Reiwa, then the Gregorian date."""
        era = next((number for start, number in ERAS if self.birth >= start), 1)
        return f"{era}{self.birth:%Y%m%d}"


def birthday(birth: date, year: int) -> date:
    """The birthday in a year; someone born on 29 February has it on the 28th in other years."""
    try:
        return birth.replace(year=year)
    except ValueError:
        return date(year, 2, 28)


def valid_until(birth: date, issued: date, birthdays: int) -> date:
    """The ``birthdays``-th birthday after the day of issue (Japanese date)."""
    first = issued.year if birthday(birth, issued.year) > issued else issued.year + 1
    return birthday(birth, first + birthdays - 1)


def end_of_day(day: date) -> datetime:
    """The last second of a Japanese day, in UTC without a zone as X.509 builders take it: 14:59:59."""
    return datetime(day.year, day.month, day.day, 14, 59, 59)  # noqa: DTZ001 - UTC by definition of the field


def _name(*parts: tuple[x509.ObjectIdentifier, str]) -> x509.Name:
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts])


def _authority_name(family: Family, organization: str) -> x509.Name:
    return _name(
        (NameOID.COUNTRY_NAME, "JP"),
        (NameOID.ORGANIZATION_NAME, organization),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, family.unit),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, "Japan Agency for Local Authority Information Systems"),
    )


def _japanese_name(family: Family) -> x509.DirectoryName:
    return x509.DirectoryName(
        _name(
            (NameOID.COUNTRY_NAME, "JP"),
            (NameOID.ORGANIZATION_NAME, "公的個人認証サービス"),
            (NameOID.ORGANIZATIONAL_UNIT_NAME, family.japanese_unit),
            (NameOID.ORGANIZATIONAL_UNIT_NAME, "地方公共団体情報システム機構"),
        )
    )


def _usage(*names: str) -> x509.KeyUsage:
    every = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{name: name in names for name in every})


def _distribution(name: x509.Name) -> x509.CRLDistributionPoints:
    point = x509.DistributionPoint([x509.DirectoryName(name)], None, None, None)
    return x509.CRLDistributionPoints([point])


def root(
    family: Family, key: rsa.RSAPrivateKey, start: datetime, organization: str = TEST_ORGANIZATION
) -> x509.Certificate:
    """A self-signed root, valid for ten years from ``start``."""
    name = _authority_name(family, organization)
    start = start.replace(microsecond=0)
    until = birthday(start.date(), start.year + ROOT_YEARS)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(0x010000 + secrets.randbelow(0x6F0000))
        .not_valid_before(start)
        .not_valid_after(end_of_day(until))
        .add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
        .add_extension(x509.SubjectAlternativeName([_japanese_name(family)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_distribution(name), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, SHA256())
    )


def authentication_certificate(
    issuer: x509.Certificate,
    issuer_key: rsa.RSAPrivateKey,
    public_key: rsa.RSAPublicKey,
    holder: Holder,
    *,
    common_name: str,
    serial: int,
    start: datetime,
    until: datetime,
) -> x509.Certificate:
    """利用者証明用: names nobody; the common name is 14 opaque characters, municipality code and ``003A``."""
    subject = _name((NameOID.COUNTRY_NAME, "JP"), (NameOID.COMMON_NAME, common_name))
    builder = (
        _builder(issuer, public_key, subject, serial, start, until)
        .add_extension(_usage("digital_signature"), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
    )
    return _finish(builder, Family.AUTHENTICATION, issuer, public_key, holder).sign(issuer_key, SHA256())


def signature_certificate(
    issuer: x509.Certificate,
    issuer_key: rsa.RSAPrivateKey,
    public_key: rsa.RSAPublicKey,
    holder: Holder,
    *,
    common_name: str,
    serial: int,
    start: datetime,
    until: datetime,
) -> x509.Certificate:
    """署名用: carries name, birth date, sex and address; the common name is 28 digits that begin with the
    time."""
    subject = _name(
        (NameOID.COUNTRY_NAME, "JP"),
        (NameOID.LOCALITY_NAME, holder.prefecture),
        (NameOID.LOCALITY_NAME, holder.city),
        (NameOID.COMMON_NAME, common_name),
    )
    builder = (
        _builder(issuer, public_key, subject, serial, start, until)
        .add_extension(_usage("digital_signature", "content_commitment"), critical=True)
        .add_extension(_attributes(holder), critical=False)
    )
    return _finish(builder, Family.SIGNATURE, issuer, public_key, holder).sign(issuer_key, SHA256())


def _attributes(holder: Holder) -> x509.SubjectAlternativeName:
    values = {
        "name": holder.name,
        "birth": holder.era_birth,
        "sex": str(holder.sex),
        "address": holder.address,
        "name_substitutes": holder.name_substitutes or "0" * len(holder.name),
        "address_substitutes": holder.address_substitutes or "0" * len(holder.address),
    }
    return x509.SubjectAlternativeName(
        [
            x509.OtherName(x509.ObjectIdentifier(ATTRIBUTES[key]), core.UTF8String(values[key]).dump())
            for key in ATTRIBUTE_ORDER
        ]
    )


def _builder(
    issuer: x509.Certificate,
    public_key: rsa.RSAPublicKey,
    subject: x509.Name,
    serial: int,
    start: datetime,
    until: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject)
        .public_key(public_key)
        .serial_number(serial)
        .not_valid_before(start)
        .not_valid_after(until)
    )


def _finish(
    builder: x509.CertificateBuilder,
    family: Family,
    issuer: x509.Certificate,
    public_key: rsa.RSAPublicKey,
    holder: Holder,
) -> x509.CertificateBuilder:
    """The extensions that both kinds end with, in their order."""
    policy = x509.PolicyInformation(x509.ObjectIdentifier(family.policy), [CPS])
    organization = issuer.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value
    points = _name(
        (NameOID.COUNTRY_NAME, "JP"),
        (NameOID.ORGANIZATION_NAME, str(organization)),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, family.unit),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, "CRL Distribution Points"),
        (NameOID.ORGANIZATIONAL_UNIT_NAME, holder.prefecture),
        (NameOID.COMMON_NAME, f"{holder.city} CRLDP"),
    )
    key_identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    host = holder.signature_ocsp if family is Family.SIGNATURE else AUTHENTICATION_OCSP
    ocsp = x509.AccessDescription(
        AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(f"http://{host}.jpki-test.invalid")
    )
    return (
        builder.add_extension(x509.CertificatePolicies([policy]), critical=True)
        .add_extension(x509.IssuerAlternativeName([_japanese_name(family)]), critical=False)
        .add_extension(_distribution(points), critical=False)
        .add_extension(x509.AuthorityInformationAccess([ocsp]), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier(
                key_identifier, [x509.DirectoryName(issuer.subject)], issuer.serial_number
            ),
            critical=False,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
    )
