"""The presets ``my-number-card`` and ``my-number-card-with-free-space``.

Each new card belongs to another invented person. PINs: 1234 for authentication and for the text application,
ABC123 for signing. Certificates come from the test hierarchy of this installation (``simulators.pki``).
With a seed the person and every number are repeatable; RSA keys and times of issue are not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from ...apdu.tlv import Tlv
from ...applets.free_space_id import model as free_space
from ...applets.jpki import model as jpki
from ...applets.mynumber_common import model as common
from ...applets.mynumber_text import model as text
from ..apps import card_manager
from ..card.policy import MY_NUMBER_CARD
from ..card.registry import Kind, LifeCycle, Privilege, RegistryEntry, entry_key
from ..pki import Hierarchy, hierarchy
from ..pki.hierarchy import new_key
from ..pki.profile import (
    CERTIFICATE_BIRTHDAYS,
    authentication_certificate,
    end_of_day,
    signature_certificate,
    valid_until,
)
from .persona import Persona, digits, invent

__all__ = ["my_number_card", "my_number_card_with_free_space"]

Entropy = Callable[[int], bytes]
Memory = dict[str, bytes]

ATR_CONTACT = bytes.fromhex("3BE000FF8131FE4514")
ATR_CONTACTLESS = bytes.fromhex("3B888001000041E0B381A1003B")
AUTHENTICATION_PIN, SIGNATURE_PASSWORD, TEXT_PIN = b"1234", b"ABC123", b"1234"
CARD_BIRTHDAYS = 10
JST = timezone(timedelta(hours=9))
FREE_SPACE_ISSUER = "TEGATA-DEMO"
FACE_ROOT_ID = b"6000020\x08\x05001".ljust(16, b"\x00")
FACE_KEY_ID = b"6000023\x08\x05001".ljust(16, b"\x00")
RECOGNITION = Tlv.build(
    0x66,
    [
        Tlv.build(
            0x73,
            [
                Tlv(0x06, bytes.fromhex("2A864886FC6B01")),
                Tlv.build(0x60, [Tlv(0x06, bytes.fromhex("2A864886FC6B02020101"))]),
            ],
        )
    ],
)
"""Card recognition data (GPC 2.3.1 H.2): the marks of a GlobalPlatform card."""


def my_number_card(entropy: Entropy, *, issued: datetime | None = None) -> Memory:
    """The memory of a new card of a new person.

    ``issued``: when its certificates begin, with a time zone; six years ago makes a card whose certificates
    have ended. Without it they begin an hour ago, so that a host whose clock is a little late believes them.
    """
    start = (issued or datetime.now(UTC) - timedelta(hours=1)).replace(microsecond=0)
    return _Maker(entropy, hierarchy(), invent(entropy), start).card()


def my_number_card_with_free_space(
    entropy: Entropy,
    *,
    user_id: bytes | None = None,
    issuer: str = FREE_SPACE_ISSUER,
    issued: datetime | None = None,
) -> Memory:
    """The same, plus the free-space ID application with ``user_id`` (16 bytes; random when not given)."""
    memory = my_number_card(entropy, issued=issued)
    key = ec.derive_private_key(1 + int.from_bytes(entropy(31), "big"), ec.SECP256R1())
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    identity = free_space.FreeSpaceIdentity(user_id or entropy(16), issuer, point)
    return memory | _application(
        free_space.AID,
        "free-space-id",
        order=5,
        content={"identity": bytes(identity), "key": _pkcs8(key)},
    )


@dataclass(frozen=True, slots=True)
class _Maker:
    """Lays down one card: what its maker and the municipality write before it is handed over."""

    entropy: Entropy
    authorities: Hierarchy
    persona: Persona
    issued: datetime

    def card(self) -> Memory:
        return {
            "card/policy": MY_NUMBER_CARD.to_bytes(),
            "card/atr-contact": ATR_CONTACT,
            "card/atr-contactless": ATR_CONTACTLESS,
            **self._manager(),
            **self._common(),
            **self._text(),
            **self._jpki(),
        }

    @property
    def expiry(self) -> str:
        day = valid_until(self.persona.holder.birth, self.issued.astimezone(JST).date(), CARD_BIRTHDAYS)
        return f"{day:%Y%m%d}"

    def _manager(self) -> Memory:
        objects = {
            0x0042: b"TEGATA-SIMULATED",
            0x0045: digits(self.entropy, 16).encode(),
            0x0066: bytes(RECOGNITION),
            0x00F0: self.persona.municipality.encode(),
            0x00F2: self.expiry.encode(),
            0x00F7: FACE_KEY_ID,
            0x5F51: ATR_CONTACT[1:],
        }
        return _application(
            card_manager.AID,
            "jicsap-manager",
            order=1,
            kind=Kind.ISSUER_DOMAIN,
            content={f"do/{tag:04x}": value for tag, value in objects.items()},
        )

    def _common(self) -> Memory:
        serial = common.CardSerial(self.persona.card_serial, self.persona.municipality, self.expiry)
        content = {
            **_file(common.Ef.SERIAL, bytes(serial)),
            **_file(common.Ef.KEY_REFERENCE, FACE_KEY_ID),
            **_file(common.Ef.INTERNAL_KEY, _pkcs8(new_key())),
            **_pin(common.Ef.PIN, TEXT_PIN, 3),
        }
        return _application(common.AID, "mynumber-common", order=2, content=content)

    def _text(self) -> Memory:
        person = self.persona.holder
        number = text.my_number_file(self.persona.my_number)
        attributes = bytes(text.Attributes(person.name, person.address, person.birth, str(person.sex)))
        code_b = text.check_number_b(person.birth, int(self.expiry[:4]), self.persona.security_code)
        internal = new_key()
        public = text.public_key_value(_modulus(internal))
        content = {
            **_file(text.Ef.MY_NUMBER, number),
            **_file(text.Ef.ATTRIBUTES, attributes),
            **_file(text.Ef.ISSUER_SIGNATURE, self._issuer_signature(number, attributes)),
            **_file(text.Ef.CERTIFICATE, self._face_certificate()),
            **_file(text.Ef.BASIC_INFO, text.basic_info(FACE_KEY_ID, self.entropy(32))),
            **_file(text.Ef.KEY_RECORD, text.key_record(public, self._face_signature(public))),
            **_file(text.Ef.FILLER, b"\xff" * 16),
            **_file(text.Ef.INTERNAL_KEY, _pkcs8(internal)),
            **_pin(text.Ef.PIN, TEXT_PIN, text.PIN_TRIES),
            **_pin(text.Ef.BLOCKED_REFERENCE, b"", 0),
            **_pin(text.Ef.CHECK_NUMBER_A, self.persona.my_number.encode(), text.CHECK_NUMBER_TRIES),
            **_pin(text.Ef.CHECK_NUMBER_B, code_b.encode(), text.CHECK_NUMBER_TRIES),
        }
        return _application(text.AID, "mynumber-text", order=3, content=content)

    def _issuer_signature(self, number: bytes, attributes: bytes) -> bytes:
        digests = text.issuer_signature(
            hashlib.sha256(number).digest(), hashlib.sha256(text.attributes_digest_input(attributes)).digest()
        )
        return bytes(Tlv(0xFF30, digests + bytes(Tlv(0xDF33, self._face_signature(digests)))))

    def _face_signature(self, data: bytes) -> bytes:
        return self.authorities.face_signer.sign(data, padding.PKCS1v15(), SHA256())

    def _face_certificate(self) -> bytes:
        public = text.public_key_value(_modulus(self.authorities.face_signer))
        body = FACE_ROOT_ID + FACE_KEY_ID + public
        return text.certificate(body, self.authorities.face_root.sign(body, padding.PKCS1v15(), SHA256()))

    def _jpki(self) -> Memory:
        authentication, signature = new_key(), new_key()
        rules = {key: key.pin_rule for key in jpki.JpkiKey}
        content = {
            **_file(jpki.Ef.TOKEN_INFO, bytes(jpki.TokenInfo())),
            **_file(jpki.Ef.AVAILABILITY, bytes.fromhex("8F8F00")),
            **_file(jpki.Ef.PROTECTED_0009, bytes(16)),
            **_file(jpki.Ef.AUTHENTICATION_KEY, _pkcs8(authentication)),
            **_file(jpki.Ef.SIGNATURE_KEY, _pkcs8(signature)),
            **_file(jpki.Ef.AUTHENTICATION_CERTIFICATE, self._authentication_certificate(authentication)),
            **_file(jpki.Ef.SIGNATURE_CERTIFICATE, self._signature_certificate(signature)),
            **_file(jpki.Ef.AUTHENTICATION_CA_CERTIFICATE, _der(self.authorities.authentication.certificate)),
            **_file(jpki.Ef.SIGNATURE_CA_CERTIFICATE, _der(self.authorities.signature.certificate)),
            **_pin(jpki.Ef.AUTHENTICATION_PIN, AUTHENTICATION_PIN, rules[jpki.JpkiKey.AUTHENTICATION].tries),
            **_pin(jpki.Ef.SIGNATURE_PIN, SIGNATURE_PASSWORD, rules[jpki.JpkiKey.SIGNATURE].tries),
        }
        return _application(jpki.AID, "jpki", order=4, content=content)

    def _authentication_certificate(self, key: rsa.RSAPrivateKey) -> bytes:
        authority = self.authorities.authentication
        certificate = authentication_certificate(
            authority.certificate,
            authority.key,
            key.public_key(),
            self.persona.holder,
            common_name=f"{self.persona.opaque}{self.persona.municipality}003A",
            serial=self._serial(),
            start=self.issued,
            until=self._until(),
        )
        return _der(certificate)

    def _signature_certificate(self, key: rsa.RSAPrivateKey) -> bytes:
        authority = self.authorities.signature
        certificate = signature_certificate(
            authority.certificate,
            authority.key,
            key.public_key(),
            self.persona.holder,
            common_name=f"{self.issued.astimezone(JST):%Y%m%d%H%M%S}{self.persona.signature_digits}",
            serial=self._serial(),
            start=self.issued,
            until=self._until(),
        )
        return _der(certificate)

    def _serial(self) -> int:
        """Four bytes at most, never negative and never short."""
        return 0x01000000 | int.from_bytes(self.entropy(4), "big") & 0x7EFFFFFF

    def _until(self) -> datetime:
        issued = self.issued.astimezone(JST).date()
        return end_of_day(valid_until(self.persona.holder.birth, issued, CERTIFICATE_BIRTHDAYS))


def _application(
    aid: bytes, model: str, *, order: int, content: Memory, kind: Kind = Kind.APPLICATION
) -> Memory:
    domain = kind is Kind.ISSUER_DOMAIN
    entry = RegistryEntry(
        aid=aid,
        kind=kind,
        life_cycle=LifeCycle.CARD_SECURED if domain else LifeCycle.SELECTABLE,
        privileges=Privilege.SECURITY_DOMAIN if domain else 0,
        model=model,
        order=order,
        domain=b"" if domain else card_manager.AID,
    )
    return {
        entry_key(aid): entry.to_bytes(),
        **{f"app/{aid.hex()}/{name}": value for name, value in content.items()},
    }


def _file(number: int, content: bytes) -> Memory:
    return {f"ef/{number:04x}": content}


def _pin(number: int, value: bytes, tries: int) -> Memory:
    return {f"pin/{number:04x}": value, f"tries/{number:04x}": bytes((tries,))}


def _pkcs8(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def _modulus(key: rsa.RSAPrivateKey) -> bytes:
    return key.public_key().public_numbers().n.to_bytes(jpki.KEY_BYTES, "big")


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)
