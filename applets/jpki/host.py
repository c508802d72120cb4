"""Talking to the JPKI application of a My Number Card: certificates, PIN tries, VERIFY, signatures.

Two rules protect the holder: no try is spent without ``verify`` being called, and the last one is not spent
unless the caller says so. Whatever the card answers is bounded and checked: a signature that the certificate
does not confirm never leaves.
"""

from __future__ import annotations

import hashlib

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from ...apdu.binary import read_bytes, read_object
from ...apdu.card import Card
from ...apdu.certificate import read_certificate
from ...apdu.command import Command
from ...apdu.errors import (
    CardError,
    InputError,
    MalformedResponse,
    StatusError,
    Words,
)
from ...apdu.file_pin import FilePin, select_file
from ...apdu.secret import Secret
from .model import AID, KEY_BYTES, TOKEN_INFO_BYTES, Ef, JpkiKey, SignMode, TokenInfo, digest_info

__all__ = ["Jpki", "JpkiKey"]

CURRENT_FILE = 0x80
MAX_CERTIFICATE = 8192
ABSENT = (0x6A81, 0x6A82, 0x6A86, 0x6D00, 0x6E00, 0x6999)
CERTIFICATES = {
    Ef.AUTHENTICATION_CERTIFICATE: Words("authentication", "利用者証明用"),
    Ef.SIGNATURE_CERTIFICATE: Words("signature", "署名用"),
    Ef.AUTHENTICATION_CA_CERTIFICATE: Words("authentication CA", "利用者証明用認証局"),
    Ef.SIGNATURE_CA_CERTIFICATE: Words("signature CA", "署名用認証局"),
}
HASHES: dict[str, hashes.HashAlgorithm] = {
    "sha1": hashes.SHA1(),  # noqa: S303 - the card signs it; whether to ask for it is the caller's policy
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}


class Jpki:
    """The JPKI application of one card. Call :meth:`select` first."""

    def __init__(self, card: Card) -> None:
        self._card = card
        self._certificates: dict[Ef, bytes] = {}
        self._pins = {
            key: FilePin(card, key.pin_file, key.pin_rule.name, key.pin_rule.tries) for key in JpkiKey
        }

    def select(self) -> None:
        """Select the application. PINs verified in it before stay verified (see :meth:`Card.reset`).

        Raises CardError ``jpki.not_here`` for a card without it.
        """
        self._certificates.clear()
        try:
            self._card.select(AID, p2=0x0C)
        except StatusError as error:
            if error.sw in ABSENT:
                raise CardError("jpki.not_here") from error
            raise

    def token_info(self) -> TokenInfo:
        """What kind of token this is: its label tells a card from a phone. Not a number of the card."""
        select_file(self._card, Ef.TOKEN_INFO)
        raw = read_bytes(self._card, TOKEN_INFO_BYTES)
        try:
            return TokenInfo.parse(raw)
        except ValueError as error:
            raise MalformedResponse("the token info", "EF 0006") from error

    def tries(self, key: JpkiKey) -> int:
        """How many tries the PIN of ``key`` has left; asking spends none."""
        return self._pins[key].tries()

    def verify(self, key: JpkiKey, pin: Secret, *, allow_last_try: bool = False) -> None:
        """Present the PIN of ``key`` (letters of the signature password in either case).

        Raises, before the card is asked to compare: InputError ``pin.format``, PinBlocked, and PinError
        ``pin.last_try`` when one try is left and ``allow_last_try`` is not said. After a wrong PIN: PinError
        with the tries left, or PinBlocked.
        """
        rule = key.pin_rule
        value = pin.reveal().upper() if len(pin) else b""
        if not rule.allows(value):
            raise InputError("pin.format", pin=rule.name, rule=rule.rule)
        self._pins[key].verify(value, allow_last_try=allow_last_try)

    def certificate(self, key: JpkiKey) -> bytes:
        """The certificate of ``key``, DER. The signature certificate needs its PIN verified (else StatusError
        6982), and carries personal data: name, address, birth date, sex.

        Raises CardError ``jpki.no_certificate`` when the card has none.
        """
        return self._certificate(key.certificate_file, personal=key is JpkiKey.SIGNATURE)

    def ca_certificate(self, key: JpkiKey) -> bytes:
        """The certificate of the authority that issued ``key``'s, DER; the card says so, and proves
        nothing."""
        return self._certificate(key.ca_certificate_file, personal=False)

    def sign(self, key: JpkiKey, message: bytes, algorithm: str = "sha256") -> bytes:
        """PKCS #1 v1.5 signature over ``message``, hashed on the host. See :meth:`sign_digest`."""
        if algorithm not in HASHES:
            raise ValueError(f"hash algorithms are {', '.join(HASHES)}; got {algorithm!r}")
        return self.sign_digest(key, hashlib.new(algorithm, message).digest(), algorithm)

    def sign_digest(self, key: JpkiKey, digest: bytes, algorithm: str = "sha256") -> bytes:
        """RSASSA-PKCS1-v1_5 signature (256 bytes) over a hash value; the PIN of ``key`` must be verified.

        Raises ValueError for a digest that does not fit ``algorithm`` (sha1, sha256, sha384, sha512),
        StatusError 6982 without a verified PIN, and MalformedResponse for a signature that the certificate on
        the card does not confirm.
        """
        encoded = digest_info(algorithm, digest)
        certificate = self.certificate(key)
        select_file(self._card, key.key_file)
        command = Command(0x80, 0x2A, SignMode.PADDING_ONLY, CURRENT_FILE, encoded, le=KEY_BYTES)
        signature = self._card.expect(command).data
        self._check(certificate, signature, digest, algorithm)
        return signature

    def _certificate(self, file: Ef, *, personal: bool) -> bytes:
        if file not in self._certificates:
            self._certificates[file] = self._read_certificate(file, personal)
        return self._certificates[file]

    def _read_certificate(self, file: Ef, personal: bool) -> bytes:
        try:
            select_file(self._card, file)
            der = read_object(self._card, limit=MAX_CERTIFICATE, secret=personal)
        except StatusError as error:
            if error.sw in (0x6A82, 0x6B00):
                raise CardError("jpki.no_certificate", which=CERTIFICATES[file]) from error
            raise
        try:
            _, key = read_certificate(der)
        except ValueError as error:
            raise MalformedResponse("something that is not a certificate", f"EF {file:04X}") from error
        if not isinstance(key, rsa.RSAPublicKey) or key.key_size != KEY_BYTES * 8:
            raise MalformedResponse("a certificate of another kind of key", f"EF {file:04X}")
        return der

    def _check(self, certificate: bytes, signature: bytes, digest: bytes, algorithm: str) -> None:
        """The card may lie, and a fault in its arithmetic would give the key away: check before it leaves."""
        _, key = read_certificate(certificate)
        if not isinstance(key, rsa.RSAPublicKey):
            raise MalformedResponse("a certificate of another kind of key", "the card")
        try:
            key.verify(signature, digest, padding.PKCS1v15(), Prehashed(HASHES[algorithm]))
        except InvalidSignature:
            raise MalformedResponse(
                "a signature that its own certificate does not confirm", "COMPUTE DIGITAL SIGNATURE"
            ) from None
