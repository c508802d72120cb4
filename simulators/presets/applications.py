"""What each application of a new My Number Card holds: see the models in ``applets`` for the layouts."""

from __future__ import annotations

import hashlib

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding

from ...apdu.cvc import RsaPublicKey
from ...apdu.tlv import Tlv
from ...applets.jpki import model as jpki
from ...applets.juki import model as juki
from ...applets.mynumber_common import model as common
from ...applets.mynumber_text import model as text
from ...applets.mynumber_visual import model as visual
from ..apps import card_manager
from ..apps.jicsap import UNLIMITED
from ..card.registry import Kind
from ..pki.face import FACE_ROOT_ID, TEXT_SIGNER_ID, VISUAL_SIGNER_ID
from ..pki.hierarchy import new_key
from ..pki.profile import Family, authentication_certificate, signature_certificate
from ..pki.revocation import revoke
from . import images
from .blank import Memory, application, file, pin, pkcs8
from .issue import JST, Issue, public_key
from .persona import digits

__all__ = ["COMMON", "JPKI", "JUKI", "MANAGER", "OPAQUE", "TEXT", "VISUAL", "jpki_memory", "whole_card"]

MANAGER, COMMON, TEXT, JPKI, VISUAL, JUKI, OPAQUE = 1, 2, 3, 4, 6, 7, 8
"""Places in the registry; 5 is the free-space application of an earlier preset."""
OPAQUE_PREFIX = b"\xf0OPAQUE"
TOKEN_LABELS = {"card": "JPKIAPICCTOKEN2", "android": "JPKIAPGPSETOKEN", "iphone": "JPKIAPIOSTOKEN"}
TOKEN_MODELS = {"card": "jpki", "android": "jpki-android", "iphone": "jpki-iphone"}
PRESENT, ABSENT = b"\x8f", b"\x00"
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


def whole_card(given: Issue) -> Memory:
    """The memory of a plastic card, or of the token in a phone."""
    body = given.persona.card
    parts: Memory = {
        "card/policy": given.policy.to_bytes(),
        "card/atr-contact": bytes.fromhex(body.atr_contact),
        "card/atr-contactless": bytes.fromhex(body.atr_contactless),
        **manager_memory(given),
        **jpki_memory(given),
    }
    if body.kind != "card":
        return parts
    for number, name in enumerate(body.applications):
        parts |= application(OPAQUE_PREFIX + name.encode(), "opaque", order=OPAQUE + number, content={})
    return parts | common_memory(given) | text_memory(given) | visual_memory(given) | juki_memory(given)


def manager_memory(given: Issue) -> Memory:
    objects = {
        0x0042: b"TEGATA-SIMULATED",
        0x0045: digits(given.entropy, 16).encode(),
        0x0066: bytes(RECOGNITION),
        0x00F0: given.persona.municipality.encode(),
        0x00F2: given.expiry_digits.encode(),
        0x00F7: TEXT_SIGNER_ID,
        0x00F8: bytes(given.root_certificate()),
        0x5F51: bytes.fromhex(given.persona.card.atr_contact)[1:],
    }
    if given.persona.card.lower_certificate:
        objects[0x7F21] = bytes(given.text_certificate())
    return application(
        card_manager.AID,
        "jicsap-manager",
        order=MANAGER,
        kind=Kind.ISSUER_DOMAIN,
        content={f"do/{tag:04x}": value for tag, value in objects.items()},
    )


def common_memory(given: Issue) -> Memory:
    serial = common.CardSerial(given.card_serial, given.persona.municipality, given.expiry_digits)
    content = {
        **file(common.Ef.SERIAL, bytes(serial)),
        **file(common.Ef.KEY_REFERENCE, FACE_ROOT_ID),
        **file(common.Ef.INTERNAL_KEY, pkcs8(new_key())),
        **_holders_pin(given, "juki", common.PIN.file, common.PIN.rule.tries),
    }
    return application(common.AID, "mynumber-common", order=COMMON, content=content)


def juki_memory(given: Issue) -> Memory:
    content = {
        **file(juki.Ef.KEY_REFERENCE, FACE_ROOT_ID),
        **_holders_pin(given, "juki", juki.Ef.PIN, juki.PIN.rule.tries),
    }
    return application(juki.AID, "juki", order=JUKI, content=content)


def text_memory(given: Issue) -> Memory:
    person, number = given.persona, text.my_number_file(given.my_number)
    attributes = bytes(text.Attributes(person.name, person.address, given.birth, str(person.sex_digit)))
    digests = text.IssuerSignature(
        hashlib.sha256(number).digest(),
        hashlib.sha256(text.attributes_digest_input(attributes)).digest(),
        b"",
    )
    signed = text.IssuerSignature(
        digests.number_digest, digests.attributes_digest, given.sign_text(digests.signed)
    )
    internal, session = new_key(), new_key()
    record = public_key(internal)
    content = {
        **file(text.Ef.MY_NUMBER, number),
        **file(text.Ef.ATTRIBUTES, attributes),
        **file(text.Ef.ISSUER_SIGNATURE, bytes(signed)),
        **file(text.Ef.CERTIFICATE, bytes(given.text_certificate())),
        **file(text.Ef.BASIC_INFO, bytes(text.BasicInfo(TEXT_SIGNER_ID, given.entropy(32)))),
        **file(text.Ef.SESSION_KEY, bytes(Tlv(0xA1, bytes(public_key(session))))),
        **file(text.Ef.KEY_RECORD, bytes(text.KeyRecord(record, given.sign_text(bytes(record))))),
        **file(text.Ef.FILLER, b"\xff" * 16),
        **file(text.Ef.INTERNAL_KEY, pkcs8(internal)),
        **_holders_pin(given, "text", text.Ef.PIN, text.PIN_TRIES),
        **pin(text.Ef.BLOCKED_REFERENCE, b"", 0),
        **_check_numbers(given, text.Ef.CHECK_NUMBER_A, text.Ef.CHECK_NUMBER_B),
    }
    return application(text.AID, "mynumber-text", order=TEXT, content=content)


def visual_memory(given: Issue) -> Memory:
    internal = new_key()
    public = public_key(internal)
    info = visual.BasicInfo(
        VISUAL_SIGNER_ID, given.persona.municipality, VISUAL_SIGNER_ID + given.entropy(256)
    )
    # The rule of this PIN may be a quirk: 0 tries means that it never blocks.
    birth_tries = given.policy.birth_pin_tries or UNLIMITED
    birth_pin = visual.birth_pin(given.check_number_b).encode()
    content = {
        **file(visual.Ef.AGE_RECORD, bytes(_age_record(given, public))),
        **file(visual.Ef.CARD_FACE, bytes(_card_face(given, public))),
        **file(visual.Ef.BASIC_INFO, bytes(info)),
        **file(visual.Ef.CERTIFICATE, bytes(given.visual_certificate())),
        **file(visual.Ef.NUMBER_IMAGE, bytes(_number_image(given, public))),
        **file(visual.Ef.FILLER, visual.FILLER),
        **file(visual.Ef.INTERNAL_KEY, pkcs8(internal)),
        **pin(visual.Ef.BIRTH_PIN, birth_pin, given.tries("visual_birth", birth_tries)),
        **_check_numbers(given, visual.Ef.CHECK_NUMBER_A, visual.Ef.CHECK_NUMBER_B),
    }
    return application(visual.AID, "mynumber-visual", order=VISUAL, content=content)


def _age_record(given: Issue, public: RsaPublicKey) -> visual.AgeRecord:
    unsigned = visual.AgeRecord(given.birth, public, b"")
    return visual.AgeRecord(given.birth, public, given.sign_visual(unsigned.signed))


def _number_image(given: Issue, public: RsaPublicKey) -> visual.NumberImage:
    image = images.digits_png(given.my_number)
    unsigned = visual.NumberImage(image, public, b"")
    return visual.NumberImage(image, public, given.sign_visual(unsigned.signed))


def _card_face(given: Issue, public: RsaPublicKey) -> visual.CardFace:
    person = given.persona
    photo = images.photo_jp2(person.photo) if person.photo else images.face_jp2(person.name.encode())

    def face(signature: bytes) -> visual.CardFace:
        return visual.CardFace(
            birth=f"{given.birth:%Y%m%d}",
            sex=str(person.sex_digit),
            key=public,
            name_image=images.text_png(person.name),
            address_image=images.text_png(person.address),
            photo=photo,
            signature=signature,
            expiry=given.expiry,
            security_code_image=images.digits_png(given.security_code),
        )

    block = visual.FACE_DIGEST_INFO + face(bytes(256)).digests
    return face(_signed_block(given.authorities.visual_signer, block))


def _signed_block(key: rsa.RSAPrivateKey, block: bytes) -> bytes:
    """A type 1 padded block under the key as it stands: no library signs a digest of 96 bytes (RFC 8017
    §8.2.1)."""
    size = key.key_size // 8
    padded = b"\x00\x01" + b"\xff" * (size - 3 - len(block)) + b"\x00" + block
    numbers = key.private_numbers()
    modulus = numbers.public_numbers.n
    return pow(int.from_bytes(padded, "big"), numbers.d, modulus).to_bytes(size, "big")


def _holders_pin(given: Issue, name: str, number: int, tries: int) -> Memory:
    """One of the four-digit PINs; a card that was handed over without PINs has it blocked."""
    pins = given.persona.pins
    if not pins.set:
        return pin(number, b"", 0)
    return pin(number, str(getattr(pins, name)).encode(), given.tries(name, tries))


def _check_numbers(given: Issue, a: int, b: int) -> Memory:
    return {
        **pin(a, given.my_number.encode(), given.tries("check_a", text.CHECK_NUMBER_TRIES)),
        **pin(b, given.check_number_b.encode(), given.tries("check_b", text.CHECK_NUMBER_TRIES)),
    }


def jpki_memory(given: Issue) -> Memory:
    """Where a certificate is missing, so is its key, and its PIN is blocked: nothing was ever set."""
    chosen, kind = given.persona.certificates, given.persona.card.kind
    available = [PRESENT if here else ABSENT for here in (chosen.signature, chosen.authentication)]
    content = {
        **file(jpki.Ef.TOKEN_INFO, bytes(jpki.TokenInfo(label=TOKEN_LABELS[kind]))),
        **file(jpki.Ef.AVAILABILITY, b"".join(available) + ABSENT),
        **file(jpki.Ef.PROTECTED_0009, bytes(16)),
        **file(jpki.Ef.TERMINAL_CA_KEY, bytes(public_key(given.authorities.face_root))),
        **_jpki_key(given, jpki.JpkiKey.AUTHENTICATION, chosen.authentication),
        **_jpki_key(given, jpki.JpkiKey.SIGNATURE, chosen.signature),
    }
    return application(jpki.AID, TOKEN_MODELS[kind], order=JPKI, content=content)


def _jpki_key(given: Issue, which: jpki.JpkiKey, present: bool) -> Memory:
    family = Family[which.name]
    authority = given.authority(family)
    memory = file(which.ca_certificate_file, authority.certificate.public_bytes(Encoding.DER))
    if not present:
        return memory | pin(which.pin_file, b"", 0)
    key, name = new_key(), family.slug
    certificate = _certificate(given, family, key).public_bytes(Encoding.DER)
    if name in given.persona.certificates.revoked:
        revoke(certificate, path=given.authorities.place)
    return {
        **memory,
        **file(which.key_file, pkcs8(key)),
        **file(which.certificate_file, certificate),
        **_holders_pin(given, name, which.pin_file, which.pin_rule.tries),
    }


def _certificate(given: Issue, family: Family, key: rsa.RSAPrivateKey) -> x509.Certificate:
    authority = given.authority(family)
    if family is Family.AUTHENTICATION:
        make = authentication_certificate
        name = f"{given.opaque}{given.persona.municipality}003A"
    else:
        make = signature_certificate
        name = f"{given.issued.astimezone(JST):%Y%m%d%H%M%S}{given.signature_digits}"
    return make(
        authority.certificate,
        authority.key,
        key.public_key(),
        given.holder,
        common_name=name,
        serial=given.certificate_serial(),
        start=given.issued,
        until=given.certificates_until,
    )
