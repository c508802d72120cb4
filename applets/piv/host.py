"""Talks to a PIV card application (SP 800-73-5 part 2).

The two rules that protect the holder: no PIN try is spent without the caller's decision, and the last one
only with ``allow_last_try``. The management key is used once and never repeated; it stays in the key ring.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from uuid import UUID

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from ...apdu.card import Card
from ...apdu.certificate import read_certificate
from ...apdu.command import Command, Response
from ...apdu.errors import (
    CardError,
    InputError,
    MalformedResponse,
    PinBlocked,
    PinError,
    StatusError,
    Words,
)
from ...apdu.ports import KeyRef, KeyRing
from ...apdu.secret import Secret
from ...apdu.status import status_error
from ...apdu.tlv import Tlv
from . import model
from .model import Algorithm, Dgi, Ins, KeyReference, ObjectTag
from .objects import CertificateObject

__all__ = ["Piv", "PublicKey", "personalization"]

PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey
APPLICATION = "PIV"
PIN_NAMES = {KeyReference.PIN: "PIN", KeyReference.PUK: "PUK"}
CURVES: dict[Algorithm, ec.EllipticCurve] = {Algorithm.P256: ec.SECP256R1(), Algorithm.P384: ec.SECP384R1()}
ALGORITHMS_9B = {16: Algorithm.AES_128, 24: Algorithm.AES_192, 32: Algorithm.AES_256}
# DigestInfo without the hash (RFC 8017 §9.2 note 1)
DIGEST_INFO = {
    32: bytes.fromhex("3031300D060960864801650304020105000420"),
    48: bytes.fromhex("3041300D060960864801650304020205000430"),
    64: bytes.fromhex("3051300D060960864801650304020305000440"),
}
HASHES: dict[int, hashes.HashAlgorithm] = {32: hashes.SHA256(), 48: hashes.SHA384(), 64: hashes.SHA512()}


class Piv:
    """The PIV application of one card; :meth:`select` first."""

    def __init__(self, card: Card, *, entropy: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._card = card
        self._entropy = entropy

    def select(self) -> bytes:
        """SELECT; returns the application property template. Raises CardError ``piv.absent``."""
        try:
            answer = self._card.select(model.INSTANCE_AID).data
        except StatusError as error:
            if error.sw == 0x6A82:
                raise CardError("piv.absent") from None
            raise
        try:
            template = Tlv.parse(answer)
        except ValueError:
            raise MalformedResponse("the application property template", "SELECT PIV") from None
        if template.tag != 0x61:
            raise MalformedResponse("the application property template", "SELECT PIV")
        return answer

    # PIN

    def tries(self) -> int | None:
        """PIN tries left; None when the PIN is verified already. Spends nothing."""
        response = self._send(Command(0x00, Ins.VERIFY, 0x00, KeyReference.PIN))
        if response.ok:
            return None
        left = _tries(response)
        if left is None:
            raise self._error(Command(0x00, Ins.VERIFY, 0x00, KeyReference.PIN), response)
        return left

    def verify(self, pin: Secret, *, allow_last_try: bool = False) -> None:
        """VERIFY the PIN (6 to 8 digits). Asks for the tries first.

        Raises PinError, PinBlocked; PinError ``pin.last_try`` unless ``allow_last_try``; InputError
        ``pin.format`` before anything is sent.
        """
        data = _pin(pin)
        self._guard_last_try(allow_last_try)
        self._pin_command(Command(0x00, Ins.VERIFY, 0x00, KeyReference.PIN, data, secret=((0, None),)))

    def change_pin(self, old: Secret, new: Secret, *, allow_last_try: bool = False) -> None:
        """CHANGE REFERENCE DATA of the PIN. Errors as :meth:`verify`."""
        data = _pin(old) + _pin(new)
        self._guard_last_try(allow_last_try)
        command = Command(0x00, Ins.CHANGE_REFERENCE_DATA, 0x00, KeyReference.PIN, data, secret=((0, None),))
        self._pin_command(command)

    def unblock_pin(self, puk: Secret, new: Secret) -> None:
        """RESET RETRY COUNTER: a new PIN by the PUK (8 bytes). Spends a try of the PUK when it is wrong."""
        if len(puk) != model.PIN_LENGTH:
            raise InputError("pin.format", pin="PUK", rule=Words("8 characters", "8 文字"))
        data = puk.reveal() + _pin(new)
        command = Command(0x00, Ins.RESET_RETRY_COUNTER, 0x00, KeyReference.PIN, data, secret=((0, None),))
        self._pin_command(command, "PUK")

    def _guard_last_try(self, allow_last_try: bool) -> None:
        left = self.tries()
        if left is None:
            # A verified PIN hides its counter. Log out to see it; a card that cannot (older than SP 800-73-4)
            # has a full counter now, since a wrong PIN would have ended the verified state.
            self._send(Command(0x00, Ins.VERIFY, 0xFF, KeyReference.PIN))
            left = self.tries()
        if left == 0:
            raise PinBlocked
        if left == 1 and not allow_last_try:
            raise PinError(1, code="pin.last_try")

    def _pin_command(self, command: Command, name: str = "PIN") -> None:
        response = self._send(command)
        if response.ok:
            return
        left = _tries(response)
        if left == 0:
            raise PinBlocked(name)
        if left is not None:
            raise PinError(left, name)
        raise self._error(command, response)

    # Management

    def authenticate_management(self, ring: KeyRing, ref: KeyRef) -> None:
        """Mutual authentication with 9B, once. Raises CardError ``piv.management_key``."""
        algorithm = ALGORITHMS_9B[ref.length]
        header = (0x00, Ins.GENERAL_AUTHENTICATE, algorithm, KeyReference.MANAGEMENT)
        first = self._expect(Command(*header, bytes.fromhex("7C028000"), le=256))
        witness, challenge = _element(first, 0x80, 16), self._entropy(16)
        clear, expected = ring.management_response(ref, witness, challenge)
        elements = (Tlv(0x80, clear), Tlv(0x81, challenge), Tlv(0x82))
        response = self._send(Command(*header, bytes(Tlv.build(0x7C, elements)), le=256))
        if not response.ok or not hmac.compare_digest(_element(response, 0x82, 16), expected):
            raise CardError("piv.management_key")

    def generate(self, slot: int, algorithm: Algorithm = Algorithm.P256) -> PublicKey:
        """GENERATE ASYMMETRIC KEY PAIR; replaces the key of ``slot``. Needs the management key."""
        data = bytes(Tlv.build(0xAC, (Tlv(0x80, bytes((algorithm,))),)))
        response = self._expect(Command(0x00, Ins.GENERATE_ASYMMETRIC_KEY_PAIR, 0x00, slot, data, le=256))
        try:
            return _public_key(Tlv.parse(response.data), algorithm)
        except ValueError:
            raise MalformedResponse("the public key", "GENERATE ASYMMETRIC KEY PAIR") from None

    def has_key(self, slot: int, algorithm: Algorithm = Algorithm.P256) -> bool:
        """Whether ``slot`` holds a key of that algorithm; asks for a signature over zeros and drops it.

        A key that wants the PIN answers 6982; a slot without one 6A86, 6A88 or 6A80, by product.
        """
        zeros = bytes(algorithm.key_length)
        template = bytes(Tlv.build(0x7C, (Tlv(0x82), Tlv(0x81, zeros))))
        header = (0x00, Ins.GENERAL_AUTHENTICATE, algorithm, slot)
        command = Command(*header, template, le=256, extended=len(template) > 255)
        response = self._send(command)
        if response.ok or response.sw == 0x6982:
            return True
        if response.sw in (0x6A80, 0x6A86, 0x6A88):
            return False
        raise self._error(command, response)

    def put_object(self, tag: int, content: bytes) -> None:
        """PUT DATA: replace an object; ``content`` is what stands inside 53, empty to clear it."""
        data = _tag_list(tag) + bytes(Tlv(0x53, content))
        secret = ((0, None),) if tag in model.PIN_PROTECTED else ()
        self._expect(Command(0x00, Ins.PUT_DATA, 0x3F, 0xFF, data, extended=len(data) > 255, secret=secret))

    # Objects and keys

    def get_object(self, tag: int) -> bytes | None:
        """GET DATA: the content inside 53 (7E and 7F61 whole), None when absent or empty.

        Raises StatusError 6982 for an object that needs the PIN.
        """
        command = Command(0x00, Ins.GET_DATA, 0x3F, 0xFF, _tag_list(tag), le=256)
        if tag in model.PIN_PROTECTED:
            command = command.with_(secret_answer=((0, None),))
        response = self._send(command)
        if response.sw == 0x6A82:
            return None
        if not response.ok:
            raise self._error(command, response)
        if tag in (ObjectTag.DISCOVERY, ObjectTag.BIOMETRIC_GROUP) or not response.data:
            return response.data or None
        try:
            outer = Tlv.parse(response.data)
        except ValueError:
            raise MalformedResponse(f"object {tag:06X}", "GET DATA") from None
        if outer.tag != 0x53:
            raise MalformedResponse(f"object {tag:06X}", "GET DATA")
        return outer.value or None

    def certificate(self, slot: int = KeyReference.AUTHENTICATION) -> x509.Certificate | None:
        """The certificate of a slot, None when there is none. Raises MalformedResponse."""
        content = self.get_object(model.CERTIFICATE_TAGS[slot])
        if content is None:
            return None
        try:
            return read_certificate(CertificateObject.parse(content).certificate)[0]
        except ValueError:
            raise MalformedResponse("the certificate", f"slot {slot:02X}") from None

    def sign_digest(self, slot: int, digest: bytes, public_key: PublicKey | None = None) -> bytes:
        """Sign a SHA-256, -384 or -512 hash: ECDSA (DER) or RSA PKCS #1 v1.5, verified before it is returned.

        ``public_key`` None takes the slot's certificate. The PIN, where the slot wants it, was verified
        before. For 9C give ``public_key``: reading the certificate in between locks that slot again.
        Raises CardError ``piv.object`` without a certificate, ``piv.signature`` when it does not fit.
        """
        key = public_key or self._certified_key(slot)
        algorithm, data = _to_be_signed(key, digest)
        template = bytes(Tlv.build(0x7C, (Tlv(0x82), Tlv(0x81, data))))
        command = Command(
            0x00, Ins.GENERAL_AUTHENTICATE, algorithm, slot, template, le=256, extended=len(template) > 255
        )
        signature = _element(self._expect(command), 0x82)
        if not _verifies(key, signature, digest):
            raise CardError("piv.signature", slot=f"{slot:02X}")
        return signature

    def _certified_key(self, slot: int) -> PublicKey:
        certificate = self.certificate(slot)
        if certificate is None:
            raise CardError("piv.object", what=f"certificate in slot {slot:02X}")
        key = certificate.public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey) or _algorithm(key) is None:
            raise MalformedResponse("the kind of key", f"certificate of slot {slot:02X}")
        return key

    # Exchange

    def _send(self, command: Command) -> Response:
        return self._card.send(command)

    def _expect(self, command: Command) -> Response:
        response = self._send(command)
        if not response.ok:
            raise self._error(command, response)
        return response

    @staticmethod
    def _error(command: Command, response: Response) -> StatusError:
        return status_error(command, response, APPLICATION)


def personalization(
    ring: KeyRing,
    dek: KeyRef,
    *,
    guid: UUID,
    management: KeyRef,
    pin: KeyRef | Secret,
    puk: KeyRef | Secret,
    pin_tries: int = model.DEFAULT_PIN_TRIES,
    puk_tries: int = model.DEFAULT_PUK_TRIES,
) -> list[tuple[int, bytes, bool]]:
    """DGIs of a new employee ID: number, value, and whether the value holds a cryptogram under the DEK.

    PIN and PUK are references of the ring, or typed: a PIN of 6 to 8 digits, a PUK of 8 characters.
    """
    for tries in (pin_tries, puk_tries):
        if not 1 <= tries <= model.MAX_TRIES:
            raise ValueError(f"tries are 1 to {model.MAX_TRIES}, got {tries}")
    if isinstance(pin, Secret):
        _pin(pin)
    if isinstance(puk, Secret) and len(puk) != model.PIN_LENGTH:
        raise InputError("pin.format", pin="PUK", rule=Words("8 characters", "8 文字"))
    algorithm = ALGORITHMS_9B[management.length]
    key = bytes((algorithm,)) + ring.kcv(management) + ring.encrypt_dgi(dek, management)
    return [
        (Dgi.GUID, guid.bytes, False),
        (Dgi.MANAGEMENT_KEY, key, True),
        (Dgi.PIN, bytes((pin_tries,)) + _reference_data(ring, dek, pin), True),
        (Dgi.PUK, bytes((puk_tries,)) + _reference_data(ring, dek, puk), True),
    ]


def _reference_data(ring: KeyRing, dek: KeyRef, value: KeyRef | Secret) -> bytes:
    return ring.encrypt_dgi_value(dek, value) if isinstance(value, Secret) else ring.encrypt_dgi(dek, value)


def _pin(pin: Secret) -> bytes:
    try:
        return model.padded_pin(pin.reveal())
    except ValueError:
        raise InputError("pin.format", pin="PIN", rule=Words("6 to 8 digits", "数字 6〜8 桁")) from None


def _tries(response: Response) -> int | None:
    """Tries left that a status word tells: 63Cx, 6983, or the older 63 0x; None for others."""
    if response.sw == 0x6983:
        return 0
    if response.sw1 == 0x63:
        return response.sw2 & 0x0F
    return None


def _tag_list(tag: int) -> bytes:
    return bytes(Tlv(0x5C, tag.to_bytes((tag.bit_length() + 7) // 8, "big")))


def _element(response: Response, tag: int, length: int | None = None) -> bytes:
    """One element of the dynamic authentication template. Raises MalformedResponse."""
    try:
        outer = Tlv.parse(response.data)
        found = outer.find(tag) if outer.tag == 0x7C else None
    except ValueError:
        found = None
    if found is None or (length is not None and len(found.value) != length):
        raise MalformedResponse("the authentication template", "GENERAL AUTHENTICATE")
    return found.value


def _public_key(template: Tlv, algorithm: Algorithm) -> PublicKey:
    if template.tag != 0x7F49:
        raise ValueError("not a public key template")
    if algorithm in CURVES:
        point = template.find(0x86)
        return ec.EllipticCurvePublicKey.from_encoded_point(CURVES[algorithm], point.value if point else b"")
    modulus, exponent = template.find(0x81), template.find(0x82)
    if modulus is None or exponent is None:
        raise ValueError("modulus or exponent is missing")
    numbers = rsa.RSAPublicNumbers(
        int.from_bytes(exponent.value, "big"), int.from_bytes(modulus.value, "big")
    )
    key = numbers.public_key()
    if _algorithm(key) is not algorithm:
        raise ValueError("another size of key than was asked for")
    return key


def _algorithm(key: PublicKey) -> Algorithm | None:
    """The PIV algorithm of a key, None when PIV has none for it."""
    if isinstance(key, rsa.RSAPublicKey):
        return Algorithm.RSA_2048 if key.key_size == 8 * Algorithm.RSA_2048.key_length else None
    return next((found for found, curve in CURVES.items() if curve.name == key.curve.name), None)


def _to_be_signed(key: PublicKey, digest: bytes) -> tuple[Algorithm, bytes]:
    algorithm = _algorithm(key)
    if algorithm is None or len(digest) not in HASHES:
        raise ValueError("keys of RSA 2048, P-256 and P-384 sign hashes of SHA-256, SHA-384 and SHA-512")
    size = algorithm.key_length
    if isinstance(key, ec.EllipticCurvePublicKey):
        return algorithm, digest[:size]
    info = DIGEST_INFO[len(digest)] + digest
    return algorithm, b"\x00\x01" + b"\xff" * (size - len(info) - 3) + b"\x00" + info


def _verifies(key: PublicKey, signature: bytes, digest: bytes) -> bool:
    algorithm = Prehashed(HASHES[len(digest)])
    try:
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(signature, digest, padding.PKCS1v15(), algorithm)
        else:
            key.verify(signature, digest, ec.ECDSA(algorithm))
    except InvalidSignature:
        return False
    return True
