"""One act of issuing a My Number Card: a persona with everything filled in, dates, and the issuer's keys."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from ...apdu.cvc import CardVerifiableCertificate, RsaPublicKey
from ...applets.mynumber_text.model import check_number_b
from ..card.policy import MY_NUMBER_CARD, CardPolicy
from ..pki.face import FACE_ROOT_ID, TEXT_SIGNER_ID, VISUAL_SIGNER_ID, face_certificate
from ..pki.hierarchy import Authority, Hierarchy, hierarchy
from ..pki.profile import CERTIFICATE_BIRTHDAYS, Family, Holder, birthday, end_of_day, valid_until
from .persona import ADULT_YEARS, Entropy, Persona, choose, digits, invalid_number

__all__ = ["JST", "Issue", "issue"]

JST = timezone(timedelta(hours=9))
ADULT_CARD_BIRTHDAYS, CHILD_CARD_BIRTHDAYS = 10, 5
OPAQUE = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
MORNING = time(9, 30, tzinfo=JST)


@dataclass(frozen=True, slots=True, repr=False)
class Issue:
    """What the makers of the single applications need. ``issued`` has a time zone."""

    entropy: Entropy
    persona: Persona
    authorities: Hierarchy
    issued: datetime
    birth: date
    expiry: date
    my_number: str
    security_code: str
    card_serial: str
    opaque: str
    signature_digits: str

    @property
    def policy(self) -> CardPolicy:
        return MY_NUMBER_CARD.with_quirks(self.persona.quirks)

    @property
    def expiry_digits(self) -> str:
        return f"{self.expiry:%Y%m%d}"

    @property
    def check_number_b(self) -> str:
        return check_number_b(self.birth, self.expiry.year, self.security_code)

    @property
    def holder(self) -> Holder:
        """The holder as the signature certificate names him or her."""
        chosen = self.persona.certificates
        prefecture, city = self.persona.romaji
        return Holder(
            name=chosen.signature_name or self.persona.name,
            address=chosen.signature_address or self.persona.address,
            birth=self.birth,
            sex=self.persona.sex_digit,
            prefecture=prefecture,
            city=city,
            name_substitutes="" if chosen.signature_name else self.persona.name_substitutes,
            address_substitutes="" if chosen.signature_address else self.persona.address_substitutes,
            signature_ocsp=chosen.signature_ocsp,
        )

    @property
    def certificates_until(self) -> datetime:
        """Until the fifth birthday after issue, at most until the card expires."""
        day = valid_until(self.birth, self.issued.astimezone(JST).date(), CERTIFICATE_BIRTHDAYS)
        return end_of_day(min(day, self.expiry))

    def authority(self, family: Family) -> Authority:
        generation = self.persona.certificates.generation
        if generation is not None:
            return self.authorities.authority(family, generation)
        return self.authorities.at(family, self.issued)

    def certificate_serial(self) -> int:
        """Four bytes at most, never negative and never short."""
        return 0x01000000 | int.from_bytes(self.entropy(4), "big") & 0x7EFFFFFF

    def sign_text(self, data: bytes) -> bytes:
        """The issuer's signature over data of the text application."""
        return self.authorities.face_signer.sign(data, padding.PKCS1v15(), SHA256())

    def sign_visual(self, data: bytes) -> bytes:
        """The issuer's signature over data of the visual application."""
        return self.authorities.visual_signer.sign(data, padding.PKCS1v15(), SHA256())

    def text_certificate(self) -> CardVerifiableCertificate:
        return face_certificate(self.authorities, TEXT_SIGNER_ID)

    def visual_certificate(self) -> CardVerifiableCertificate:
        return face_certificate(self.authorities, VISUAL_SIGNER_ID)

    def root_certificate(self) -> CardVerifiableCertificate:
        return face_certificate(self.authorities, FACE_ROOT_ID)

    def tries(self, name: str, rule: int) -> int:
        """Tries left at handing over: none for a locked PIN, else all."""
        return 0 if name in self.persona.pins.locked else rule


def issue(
    entropy: Entropy,
    persona: Persona,
    issued: datetime | None = None,
    authorities: Hierarchy | None = None,
) -> Issue:
    """Fill in what the persona leaves open.

    Without any date of issue the certificates begin an hour ago, so that a host whose clock is a little late
    believes them.
    """
    start = (issued or _issued(persona)).replace(microsecond=0)
    birth = persona.birth or _birth_for_age(persona.age or 0, entropy)
    expiry = persona.card.expiry or _expiry(birth, start.astimezone(JST).date())
    return Issue(
        entropy=entropy,
        persona=persona,
        authorities=authorities or hierarchy(production_names=persona.certificates.production_names),
        issued=start,
        birth=birth,
        expiry=expiry,
        my_number=persona.my_number or invalid_number(entropy),
        security_code=persona.card.security_code or digits(entropy, 4),
        card_serial=persona.card.serial or digits(entropy, 15),
        opaque="".join(choose(entropy, OPAQUE) for _ in range(14)),
        signature_digits=digits(entropy, 14),
    )


def public_key(key: rsa.RSAPrivateKey) -> RsaPublicKey:
    return RsaPublicKey.of(key.public_key())


def _issued(persona: Persona) -> datetime:
    if persona.card.issued is not None:
        return datetime.combine(persona.card.issued, MORNING)
    return datetime.now(UTC) - timedelta(days=persona.card.issued_days_ago or 0, hours=1)


def _birth_for_age(age: int, entropy: Entropy) -> date:
    """Somebody who turned ``age`` between one and eleven months ago."""
    today = datetime.now(JST).date()
    turned = today - timedelta(days=30 + choose(entropy, range(300)))
    return birthday(turned.replace(day=min(turned.day, 28)), turned.year - age)


def _expiry(birth: date, issued: date) -> date:
    """The tenth birthday after issue; for holders under 18, the fifth."""
    adult = birthday(birth, birth.year + ADULT_YEARS) <= issued
    return valid_until(birth, issued, ADULT_CARD_BIRTHDAYS if adult else CHILD_CARD_BIRTHDAYS)
