"""Certificates of the JPKI, parsed for a person: kind, holder's attributes, validity, keys, addresses.

The profile is RFC 5280 with the otherName attributes 1.2.392.200149.8.5.5.1 to .6 of the signature
certificate; sex is a digit of JIS X 0303 (ISO/IEC 5218), a birth date ``EYYYYMMDD``: era and Gregorian date.
Parsing proves nothing: whether a certificate may be relied on is asked elsewhere.

By law the serial number (発行の番号) is no key, index or log field: it is not among the fields here, and no
text or JSON made here holds it. ``repr`` shows nothing of the holder.
"""

from __future__ import annotations

import enum
import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any, TypeVar

from asn1crypto import core
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID

from ...apdu.errors import InputError, Words

__all__ = [
    "ATTRIBUTE_ARC",
    "Authority",
    "BirthDate",
    "CertificateKind",
    "Era",
    "HolderAttributes",
    "JpkiCertificate",
    "MarkedText",
    "Sex",
    "kind_of_policy",
    "load_x509",
    "parse_authority",
    "parse_certificate",
]

ARC = "1.2.392.200149.8.5"
ATTRIBUTE_ARC = f"{ARC}.5"
"""Of the otherName attributes: .1 name, .2 its flags, .3 sex, .4 birth, .5 address, .6 its flags."""
ORGANIZATIONS = ("JPKI", "JPKI-TEST")
JST = timezone(timedelta(hours=9), "JST")
MAX_BYTES = 16384
MAX_TEXT = 1000
LINE_BREAKERS = ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
"""Categories of characters that could deceive a reader of a terminal or a page."""
VARIATION_SELECTORS = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]")
AUTHENTICATION_NAME = re.compile(r"[0-9A-Z]{14}(?P<municipality>[0-9]{5})[0-9]{3}[A-Z]")
SIGNATURE_NAME = re.compile(r"(?P<time>[0-9]{14})[0-9]{14}")
Extension = TypeVar("Extension", bound=x509.ExtensionType)


class CertificateKind(enum.Enum):
    """Which of the two: the arc of its policy tells."""

    AUTHENTICATION = ("authentication", f"{ARC}.1.3", "利用者証明用電子証明書")
    SIGNATURE = ("signature", f"{ARC}.1.1", "署名用電子証明書")

    def __init__(self, label: str, policy_arc: str, japanese: str) -> None:
        self.label = label
        self.policy_arc = policy_arc
        self.japanese = japanese


class Sex(enum.IntEnum):
    """JIS X 0303."""

    NOT_KNOWN = 0
    MALE = 1
    FEMALE = 2
    NOT_APPLICABLE = 9

    @property
    def japanese(self) -> str:
        return {0: "不明", 1: "男", 2: "女", 9: "適用不能"}[self]


class Era(enum.Enum):
    """The digit that begins a birth date, its era's names, and the era's first day. A day on which one era
    ended and the next began belongs to both."""

    MEIJI = (1, "Meiji", "明治", date(1868, 1, 25), date(1912, 7, 30))
    TAISHO = (2, "Taisho", "大正", date(1912, 7, 30), date(1926, 12, 25))
    SHOWA = (3, "Showa", "昭和", date(1926, 12, 25), date(1989, 1, 7))
    HEISEI = (4, "Heisei", "平成", date(1989, 1, 8), date(2019, 4, 30))
    REIWA = (5, "Reiwa", "令和", date(2019, 5, 1), date.max)

    def __init__(self, digit: int, english: str, japanese: str, first: date, last: date) -> None:
        self.digit = digit
        self.english = english
        self.japanese = japanese
        self.first = first
        self.last = last


@dataclass(frozen=True, slots=True)
class BirthDate:
    """A birth date. ``era`` is None when the certificate names none (digit 0, as for some foreign
    residents)."""

    day: date
    era: Era | None

    @classmethod
    def parse(cls, text: str) -> BirthDate:
        """Read ``EYYYYMMDD``. Raises ValueError for another form, no day, or a day outside its era."""
        if not re.fullmatch(r"[0-5][0-9]{8}", text):
            raise ValueError("a birth date has the form EYYYYMMDD")
        day = date(int(text[1:5]), int(text[5:7]), int(text[7:9]))
        era = next((era for era in Era if era.digit == int(text[0])), None)
        if era is not None and not era.first <= day <= era.last:
            raise ValueError("a birth date lies in its era")
        return cls(day, era)

    @property
    def japanese(self) -> str:
        """``昭和55年2月17日``; the first year of an era is 元年. Without an era the Gregorian year."""
        year = str(self.day.year)
        if self.era is not None:
            count = self.day.year - self.era.first.year + 1
            year = self.era.japanese + ("元" if count == 1 else str(count))
        return f"{year}年{self.day.month}月{self.day.day}日"


@dataclass(frozen=True, slots=True, repr=False)
class MarkedText:
    """A text, and for each of its characters whether it stands in for one that the certificate cannot hold
    (代替文字). ``flags`` is None when the certificate says nothing."""

    text: str
    flags: tuple[bool, ...] | None = None

    def __post_init__(self) -> None:
        if self.flags is not None and len(self.flags) not in (len(self.text), len(_base(self.text))):
            raise ValueError("there is one flag for each character")

    @property
    def substituted(self) -> tuple[int, ...]:
        """Positions of the characters that stand in for others, from 0."""
        return tuple(place for place, flag in enumerate(self.flags or ()) if flag)


@dataclass(frozen=True, slots=True, repr=False)
class HolderAttributes:
    """The four attributes (基本4情報) that a signature certificate carries: personal data."""

    name: MarkedText
    birth: BirthDate
    sex: Sex
    address: MarkedText

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name.text,
            "name_substituted": list(self.name.substituted),
            "birth": self.birth.day.isoformat(),
            "birth_japanese": self.birth.japanese,
            "sex": int(self.sex),
            "sex_japanese": self.sex.japanese,
            "address": self.address.text,
            "address_substituted": list(self.address.substituted),
        }


@dataclass(frozen=True, slots=True, repr=False)
class JpkiCertificate:
    """What a JPKI certificate says. ``municipality`` (five digits) stands in the subject of an
    authentication certificate, ``issued`` in that of a signature certificate; each is None when the subject
    has another form. ``ocsp`` is never contacted on the certificate's word. Times are UTC."""

    kind: CertificateKind
    der: bytes
    subject_code: str
    municipality: str | None
    issued: datetime | None
    localities: tuple[str, ...]
    attributes: HolderAttributes | None
    not_before: datetime
    not_after: datetime
    key_usage: frozenset[str]
    key: str
    policy: str
    authority_key_id: bytes
    subject_key_id: bytes | None
    crl_point: str | None
    ocsp: str | None
    test: bool

    def __repr__(self) -> str:
        return f"<JpkiCertificate {self.kind.label}, valid until {self.not_after:%Y-%m-%d}>"

    def valid(self, at: datetime) -> bool:
        """Whether the moment lies within the validity, both ends included."""
        return self.not_before <= at <= self.not_after

    def to_json(self, *, personal: bool = False) -> dict[str, Any]:
        """For a script. Only with ``personal`` the subject and the four attributes; never the serial."""
        facts: dict[str, Any] = {
            "kind": self.kind.label,
            "test": self.test,
            "not_before": self.not_before.isoformat(),
            "not_after": self.not_after.isoformat(),
            "key": self.key,
            "key_usage": sorted(self.key_usage),
            "policy": self.policy,
            "authority_key_id": self.authority_key_id.hex(),
            "ocsp": self.ocsp,
        }
        if personal:
            facts |= {
                "subject_code": self.subject_code,
                "municipality": self.municipality,
                "issued": self.issued.isoformat() if self.issued else None,
                "localities": list(self.localities),
                "subject_key_id": self.subject_key_id.hex() if self.subject_key_id else None,
                "crl_point": self.crl_point,
                "attributes": self.attributes.to_json() if self.attributes else None,
            }
        return facts


@dataclass(frozen=True, slots=True)
class Authority:
    """What the certificate of a JPKI authority says. All generations share one name: ``key_id`` tells them
    apart."""

    unit: str
    test: bool
    key_id: bytes
    not_before: datetime
    not_after: datetime
    key: str

    @property
    def label(self) -> str:
        organization = ORGANIZATIONS[self.test]
        return f"{organization}, {self.unit}, {self.not_before:%Y}-{self.not_after:%Y}"


def kind_of_policy(policy: str) -> CertificateKind | None:
    """The kind that a policy identifier (dotted) stands for; None for one of somebody else."""
    return next((kind for kind in CertificateKind if policy.startswith(kind.policy_arc + ".")), None)


def parse_certificate(der: bytes) -> JpkiCertificate:
    """A holder's certificate from its DER form.

    Raises InputError ``verify.certificate`` for bytes that are no certificate, and for one that is not in the
    profile of the JPKI or contradicts itself.
    """
    try:
        return _parse(load_x509(der), der)
    except (ValueError, TypeError, x509.DuplicateExtension, x509.ExtensionNotFound) as error:
        raise _refusal() from error
    except (x509.UnsupportedGeneralNameType, x509.InvalidVersion, UnsupportedAlgorithm) as error:
        raise _refusal() from error


def parse_authority(der: bytes) -> Authority:
    """The certificate of one of the two JPKI authorities, from its DER form. Raises as
    :func:`parse_certificate`."""
    try:
        certificate = load_x509(der)
        organization, unit = _one(certificate.subject, NameOID.ORGANIZATION_NAME), _units(certificate)[0]
        constraints = _extension(certificate, x509.BasicConstraints)
        if organization not in ORGANIZATIONS or constraints is None or not constraints.ca:
            raise ValueError("it is not an authority of the JPKI")
        key_id = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    except (ValueError, TypeError, IndexError, x509.DuplicateExtension, x509.ExtensionNotFound) as error:
        raise _refusal() from error
    except (x509.UnsupportedGeneralNameType, x509.InvalidVersion, UnsupportedAlgorithm) as error:
        raise _refusal() from error
    return Authority(
        unit=unit,
        test=organization == ORGANIZATIONS[1],
        key_id=key_id,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        key=_key(certificate),
    )


def _refusal() -> InputError:
    """Without the cause's own words: they may quote the certificate, and so a person."""
    return InputError(
        "verify.certificate",
        what=Words(
            "it is not a certificate in the JPKI's profile", "公的個人認証の証明書の形式ではありません"
        ),
    )


def load_x509(der: bytes) -> x509.Certificate:
    """Any certificate from its DER form, none of it believed.

    Raises ValueError or TypeError for more than 16 KiB, for what is no certificate, and for a serial number
    (its own or its issuer's) that is not positive (RFC 5280 §4.1.2.2): cryptography would only warn.
    """
    if len(der) > MAX_BYTES:
        raise ValueError("a certificate has at most 16 KiB")
    outline = asn1_x509.Certificate.load(der, strict=True)
    serials = [outline.serial_number]
    if identifier := outline.authority_key_identifier_value:
        serials.append(identifier["authority_cert_serial_number"].native or 1)
    if min(serials) <= 0:
        raise ValueError("a serial number is positive")
    return x509.load_der_x509_certificate(der)


def _parse(certificate: x509.Certificate, der: bytes) -> JpkiCertificate:
    kind, policy = _policy(certificate)
    subject = _one(certificate.subject, NameOID.COMMON_NAME)
    authority_key = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    if authority_key.key_identifier is None:
        raise ValueError("the issuer's key identifier is missing")
    own_key = _extension(certificate, x509.SubjectKeyIdentifier)
    signing = kind is CertificateKind.SIGNATURE
    place = None if signing else AUTHENTICATION_NAME.fullmatch(subject)
    return JpkiCertificate(
        kind=kind,
        der=der,
        subject_code=subject,
        municipality=place["municipality"] if place else None,
        issued=_issued(subject) if signing else None,
        localities=_texts(certificate.subject, NameOID.LOCALITY_NAME),
        attributes=_attributes(certificate) if signing else None,
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        key_usage=_key_usage(certificate),
        key=_key(certificate),
        policy=policy,
        authority_key_id=authority_key.key_identifier,
        subject_key_id=own_key.digest if own_key else None,
        crl_point=_crl_point(certificate),
        ocsp=_ocsp(certificate),
        test=_one(certificate.issuer, NameOID.ORGANIZATION_NAME) == ORGANIZATIONS[1],
    )


def _policy(certificate: x509.Certificate) -> tuple[CertificateKind, str]:
    found = certificate.extensions.get_extension_for_class(x509.CertificatePolicies).value
    for information in found:
        policy = information.policy_identifier.dotted_string
        if kind := kind_of_policy(policy):
            return kind, policy
    raise ValueError("its policy is not one of the JPKI")


def _issued(subject: str) -> datetime | None:
    match = SIGNATURE_NAME.fullmatch(subject)
    if match is None:
        return None
    return datetime.strptime(match["time"], "%Y%m%d%H%M%S").replace(tzinfo=JST).astimezone(UTC)


def _attributes(certificate: x509.Certificate) -> HolderAttributes:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    values: dict[str, str] = {}
    for other in names.get_values_for_type(x509.OtherName):
        oid = other.type_id.dotted_string
        if oid in values:
            raise ValueError("an attribute stands there twice")
        if oid.startswith(ATTRIBUTE_ARC + "."):
            text = core.UTF8String.load(other.value, strict=True).native
            values[oid] = _plain(text)

    def value(number: int) -> str:
        text = values.get(f"{ATTRIBUTE_ARC}.{number}")
        if not text:
            raise ValueError("an attribute is missing")
        return text

    return HolderAttributes(
        name=MarkedText(value(1), _flags(values.get(f"{ATTRIBUTE_ARC}.2"))),
        sex=Sex(_digit(value(3))),
        birth=BirthDate.parse(value(4)),
        address=MarkedText(value(5), _flags(values.get(f"{ATTRIBUTE_ARC}.6"))),
    )


def _flags(text: str | None) -> tuple[bool, ...] | None:
    if text is None:
        return None
    if not re.fullmatch("[01]*", text):
        raise ValueError("flags are 0 and 1")
    return tuple(flag == "1" for flag in text)


def _digit(text: str) -> int:
    if not re.fullmatch("[0-9]", text):
        raise ValueError("sex is one digit")
    return int(text)


def _base(text: str) -> str:
    """Without variation selectors, which belong to the character before them."""
    return VARIATION_SELECTORS.sub("", text)


def _plain(text: str) -> str:
    """A text that is safe to show: no control, format, private or lone surrogate characters."""
    if len(text) > MAX_TEXT or any(unicodedata.category(sign) in LINE_BREAKERS for sign in text):
        raise ValueError("a text is too long or holds characters that are not shown")
    return text


def _texts(name: x509.Name, oid: x509.ObjectIdentifier) -> tuple[str, ...]:
    return tuple(_plain(str(attribute.value)) for attribute in name.get_attributes_for_oid(oid))


def _one(name: x509.Name, oid: x509.ObjectIdentifier) -> str:
    texts = _texts(name, oid)
    if len(texts) != 1:
        raise ValueError("a name has this part once")
    return texts[0]


def _units(certificate: x509.Certificate) -> tuple[str, ...]:
    return _texts(certificate.subject, NameOID.ORGANIZATIONAL_UNIT_NAME)


def _extension(certificate: x509.Certificate, kind: type[Extension]) -> Extension | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None


def _key_usage(certificate: x509.Certificate) -> frozenset[str]:
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment")
    return frozenset(name for name in (*names, "key_cert_sign", "crl_sign") if getattr(usage, name))


def _key(certificate: x509.Certificate) -> str:
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return f"RSA-{key.key_size}"
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.curve.name
    raise ValueError("a key of this kind is not in the profile")


def _crl_point(certificate: x509.Certificate) -> str | None:
    for point in _extension(certificate, x509.CRLDistributionPoints) or ():
        for name in point.full_name or ():
            if isinstance(name, x509.DirectoryName):
                return _plain(name.value.rfc4514_string())
    return None


def _ocsp(certificate: x509.Certificate) -> str | None:
    for access in _extension(certificate, x509.AuthorityInformationAccess) or ():
        location = access.access_location
        if access.access_method == AuthorityInformationAccessOID.OCSP and isinstance(
            location, x509.UniformResourceIdentifier
        ):
            return _plain(location.value)
    return None
