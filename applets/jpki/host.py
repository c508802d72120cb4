"""Talking to the JPKI application of a My Number Card: certificates, PIN tries, VERIFY, signatures.

Two rules protect the holder: no try is spent without ``verify`` being called, and the last one is not spent
unless the caller says so. Whatever the card answers is bounded and checked: a signature that the certificate
does not confirm never leaves.
"""

from __future__ import annotations

from ...apdu.binary import read_bytes, read_object, select_file
from ...apdu.card import Card
from ...apdu.certificate import read_certificate
from ...apdu.command import Command, Response
from ...apdu.errors import CardError, InputError, MalformedResponse, StatusError, Words
from ...apdu.files import FileApplication
from ...apdu.pin import CURRENT_FILE
from ...apdu.secret import Secret
from ...apdu.status import status_error
from .algorithms import ALGORITHMS, Algorithm, KeyKind, PublicKey, SignRequest, key_kind
from .model import AID, TOKEN_INFO_BYTES, Ef, JpkiKey, SignMode, TokenInfo

__all__ = ["Jpki", "JpkiKey"]

MAX_CERTIFICATE = 8192
ANSWER_BYTES = 256
SHORT_DATA_MAX = 255
AVAILABILITY_BYTES = 3
CERTIFICATES = {
    Ef.AUTHENTICATION_CERTIFICATE: Words("authentication", "利用者証明用"),
    Ef.SIGNATURE_CERTIFICATE: Words("signature", "署名用"),
    Ef.AUTHENTICATION_CA_CERTIFICATE: Words("authentication CA", "利用者証明用認証局"),
    Ef.SIGNATURE_CA_CERTIFICATE: Words("signature CA", "署名用認証局"),
}
MODE_REFUSED = (0x6A86, 0x6A81)
REFERENCE_REFUSED = (0x6A86, 0x6A88, 0x6A82, 0x6986)


class Jpki(FileApplication):
    """The JPKI application of one card. Call :meth:`select` first."""

    aid = AID
    name = Words("JPKI (公的個人認証)", "公的個人認証")

    def __init__(self, card: Card) -> None:
        super().__init__(card)
        self._certificates: dict[Ef, bytes] = {}

    def select(self) -> None:
        """Select the application. PINs verified in it before stay verified (see :meth:`Card.reset`).

        Raises CardError ``jpki.not_here`` for a card without it.
        """
        self._certificates.clear()
        super().select()

    def not_here(self) -> CardError:
        return CardError("jpki.not_here")

    def token_info(self) -> TokenInfo:
        """What kind of token this is: its label tells a card from a phone. Not a number of the card."""
        raw = read_bytes(self.card, TOKEN_INFO_BYTES, Ef.TOKEN_INFO)
        try:
            return TokenInfo.parse(raw)
        except ValueError as error:
            raise MalformedResponse("the token info", "EF 0006") from error

    def availability(self) -> bytes:
        """The three bytes of EF 0008 (usually ``8F8F00``). Their meaning is not settled: whether a
        certificate is there is seen by reading it."""
        return read_bytes(self.card, AVAILABILITY_BYTES, Ef.AVAILABILITY)

    def tries(self, key: JpkiKey) -> int:
        """How many tries the PIN of ``key`` has left; asking spends none."""
        return self.pins.tries(key.pin)

    def verify(self, key: JpkiKey, pin: Secret, *, allow_last_try: bool = False) -> None:
        """Present the PIN of ``key`` (letters of the signature password in either case).

        Raises, before the card is asked to compare: InputError ``pin.format``, PinBlocked, and PinError
        ``pin.last_try`` when one try is left and ``allow_last_try`` is not said. After a wrong PIN: PinError
        with the tries left, or PinBlocked.
        """
        self.pins.verify(key.pin, pin, allow_last_try=allow_last_try)

    def change_pin(self, key: JpkiKey, old: Secret, new: Secret, *, allow_last_try: bool = False) -> None:
        """Verify ``old``, then put ``new`` in its place; both are checked before the card is asked. A new
        signature password must have letters and digits. Raises as :meth:`verify`."""
        self.pins.change(key.pin, old, new, allow_last_try=allow_last_try)

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

    def key_kind(self, key: JpkiKey) -> KeyKind:
        """What kind of key ``key`` is, by its certificate."""
        return self._public_key(self.certificate(key), key)[0]

    def sign(
        self,
        key: JpkiKey,
        message: bytes,
        algorithm: str | None = None,
        *,
        certificate: bytes | None = None,
        hash_on_card: bool = False,
    ) -> bytes:
        """The signature over ``message``; see :meth:`sign_digest`. With ``hash_on_card`` the card gets the
        whole message (1 to 255 bytes) and hashes it with SHA-256 itself."""
        if hash_on_card and not 1 <= len(message) <= SHORT_DATA_MAX:
            raise ValueError(f"the card hashes 1 to {SHORT_DATA_MAX} bytes, got {len(message)}")
        chosen, public = self._resolve(key, _named(algorithm), certificate)
        digest = chosen.digest(message)
        if hash_on_card:
            request = SignRequest.for_message(chosen, message)
        else:
            request = SignRequest.for_digest(chosen, digest)
        return self._sign(key, chosen, public, request, digest)

    def sign_digest(
        self,
        key: JpkiKey,
        digest: bytes,
        algorithm: str | None = None,
        *,
        certificate: bytes | None = None,
        digest_info_by_card: bool = False,
    ) -> bytes:
        """The signature over a hash value; the PIN of ``key`` must be verified.

        ``algorithm``: ``sha1``, ``sha256``, ``sha384``, ``sha512`` (RSASSA-PKCS1-v1_5, 256 bytes; for an
        elliptic key ``sha384`` is ECDSA, in DER), ``sha256-pss``, ``sha256-bare``, ``sha384-ecdsa``; without
        one the key's own kind decides. ``certificate`` (DER) spares reading the one on the card for a caller
        who knows it: the signature is checked against it all the same. ``digest_info_by_card`` lets the card
        make the DigestInfo (SHA-256).

        Raises ValueError for a digest that does not fit ``algorithm``, StatusError 6982 without a verified
        PIN, CardError ``mynumber.sign_mode`` when the card lacks the mode, InputError ``mynumber.key_kind``
        when the key cannot sign so, and MalformedResponse for a signature that the certificate does not
        confirm.
        """
        named = _named(algorithm)
        candidates = (named,) if named else tuple(kind.default for kind in KeyKind)
        if len(digest) not in {candidate.digest_bytes for candidate in candidates}:
            sizes = " or ".join(str(candidate.digest_bytes) for candidate in candidates)
            raise ValueError(f"the hash value must have {sizes} bytes, got {len(digest)}")
        chosen, public = self._resolve(key, named, certificate)
        request = SignRequest.for_digest(chosen, digest, by_card=digest_info_by_card)
        return self._sign(key, chosen, public, request, digest)

    def _resolve(
        self, key: JpkiKey, named: Algorithm | None, known: bytes | None
    ) -> tuple[Algorithm, PublicKey]:
        """The algorithm, and the public key that the signature is checked with."""
        kind, public = self._public_key(known or self.certificate(key), key)
        if named is None or (kind is KeyKind.P_384 and named.name == "sha384"):
            return kind.default, public
        if named.kind is not kind:
            raise InputError("mynumber.key_kind", key=kind.label, algorithm=named.name)
        return named, public

    def _sign(
        self, key: JpkiKey, algorithm: Algorithm, public: PublicKey, request: SignRequest, digest: bytes
    ) -> bytes:
        try:
            signature = algorithm.standard_form(self._compute(key, request))
            good = algorithm.confirms(public, signature, digest)
        except ValueError:
            good = False
        if not good:
            # The card may lie, and a fault in its arithmetic would give the key away: it never leaves.
            raise MalformedResponse(
                "a signature that its own certificate does not confirm", "COMPUTE DIGITAL SIGNATURE"
            )
        return signature

    def _compute(self, key: JpkiKey, request: SignRequest) -> bytes:
        """COMPUTE DIGITAL SIGNATURE, by short id where the card finds keys so."""
        profile = self.card.profile
        if profile.reference_by_sfi is not False:
            command, response = self._send(request, 0x80 | key.key_file)
            if response.ok:
                return response.data
            if response.sw not in REFERENCE_REFUSED:
                raise status_error(command, response, self.card.application)
        select_file(self.card, key.key_file)
        command, response = self._send(request, CURRENT_FILE)
        if response.ok:
            return response.data
        if response.sw in MODE_REFUSED and request.mode is not SignMode.PADDING_ONLY:
            raise CardError("mynumber.sign_mode", mode=f"P1 = {request.mode:02X}")
        raise status_error(command, response, self.card.application)

    def _send(self, request: SignRequest, p2: int) -> tuple[Command, Response]:
        command = Command(0x80, 0x2A, request.mode, p2, request.data, le=ANSWER_BYTES)
        return command, self.card.send(command)

    def _public_key(self, certificate: bytes, key: JpkiKey) -> tuple[KeyKind, PublicKey]:
        try:
            return key_kind(read_certificate(certificate)[1])
        except ValueError as error:
            raise MalformedResponse(
                "something that is not a certificate of such a key", f"EF {key.certificate_file:04X}"
            ) from error

    def _certificate(self, file: Ef, *, personal: bool) -> bytes:
        if file not in self._certificates:
            self._certificates[file] = self._read_certificate(file, personal)
        return self._certificates[file]

    def _read_certificate(self, file: Ef, personal: bool) -> bytes:
        try:
            der = read_object(self.card, file, limit=MAX_CERTIFICATE, secret=personal)
        except StatusError as error:
            if error.sw in (0x6A82, 0x6B00):
                raise CardError("jpki.no_certificate", which=CERTIFICATES[file]) from error
            raise
        try:
            _, key = read_certificate(der)
        except ValueError as error:
            raise MalformedResponse("something that is not a certificate", f"EF {file:04X}") from error
        try:
            key_kind(key)
        except ValueError as error:
            raise MalformedResponse("a certificate of another kind of key", f"EF {file:04X}") from error
        return der


def _named(name: str | None) -> Algorithm | None:
    if name is None:
        return None
    if name not in ALGORITHMS:
        raise ValueError(f"hash algorithms are {', '.join(ALGORITHMS)}; got {name!r}")
    return ALGORITHMS[name]
