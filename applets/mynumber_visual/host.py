"""Talking to the visual application (券面事項確認 AP): the face of the card, and whether it is genuine.

照合番号 B opens the face, 照合番号 A the face and the image of the number; the birth date opens the age
record.
"""

from __future__ import annotations

from collections.abc import Iterable

from ...apdu.authenticity import (
    NO_ANCHORS,
    Anchors,
    Check,
    check_chain,
    check_key_possession,
    check_signed,
)
from ...apdu.card import Card
from ...apdu.cvc import CardVerifiableCertificate
from ...apdu.errors import InputError, Words
from ...apdu.files import CardFile, FileApplication, Read
from ...apdu.records import Part, parse_record
from .model import (
    AID,
    FACE_DIGEST_INFO,
    MAX_FACE_BYTES,
    AgeRecord,
    BasicInfo,
    CardFace,
    Ef,
    NumberImage,
    face_digests,
    face_objects,
)

__all__ = ["VisualApplication"]

AGE_RECORD = CardFile(
    Ef.AGE_RECORD,
    Words("the age record", "生年月日の記録"),
    AgeRecord.parse,
    personal=True,
    opened_by=Words("the birth date", "生年月日"),
)
FACE = CardFile(
    Ef.CARD_FACE,
    Words("the face of the card", "券面の記録"),
    CardFace.parse,
    limit=MAX_FACE_BYTES,
    personal=True,
    opened_by=Words("check number B or A", "照合番号 B または A"),
)
NUMBER_IMAGE = CardFile(
    Ef.NUMBER_IMAGE,
    Words("the image of the number", "個人番号の画像"),
    NumberImage.parse,
    personal=True,
    opened_by=Words("check number A", "照合番号 A"),
)
BASIC_INFO = CardFile(Ef.BASIC_INFO, Words("the basic information", "基本情報"), BasicInfo.parse)
CERTIFICATE = CardFile(
    Ef.CERTIFICATE, Words("the issuer's certificate", "発行者の証明書"), CardVerifiableCertificate.parse
)

Certificates = Iterable[CardVerifiableCertificate]


class VisualApplication(FileApplication):
    """The visual application of one card. Call :meth:`select` first; present PINs of ``model.PINS`` with
    ``pins``."""

    aid = AID
    name = Words("visual (券面事項確認)", "券面事項確認")

    def __init__(self, card: Card) -> None:
        super().__init__(card)
        self._face: Read[CardFace] | None = None
        self._certificate: CardVerifiableCertificate | None = None

    def select(self) -> None:
        self._face = self._certificate = None
        super().select()

    def card_face(self) -> CardFace:
        """Birth date, sex, images of name and address, photo (JPEG 2000), expiry; needs 照合番号 B or A."""
        return self._read_face().value

    def age_record(self) -> AgeRecord:
        """The birth date alone; needs the birth date as PIN."""
        return self.read(AGE_RECORD).value

    def number_image(self, purpose: str) -> NumberImage:
        """The number as an image, for ``purpose``; needs 照合番号 A.

        Raises InputError ``mynumber.purpose`` for no purpose.
        """
        if not purpose.strip():
            raise InputError("mynumber.purpose")
        return self.read(NUMBER_IMAGE).value

    def basic_info(self) -> BasicInfo:
        """Version, key id, municipality; open to anybody."""
        return self.read(BASIC_INFO).value

    def certificate(self) -> CardVerifiableCertificate:
        """The certificate of the key that signed, as the card gives it: it proves nothing by itself."""
        if self._certificate is None:
            self._certificate = self.read(CERTIFICATE).value
        return self._certificate

    def check_face(self, anchors: Anchors = NO_ANCHORS, intermediates: Certificates = ()) -> Check:
        """Whether birth date, sex, key, images and photo are those that the issuer signed (DF28, EF 0004).

        Expiry (DF29) and the image of the security code (DF2A) stand outside this signature: compare them
        with what is printed, or with the 照合番号 B that opened the file.
        """
        face = self._read_face()
        expected = FACE_DIGEST_INFO + face_digests(face_objects(face.raw))
        good = self.certificate().key.signed_block(face.value.signature) == expected
        return check_signed("face", good, check_chain("face", self.certificate(), anchors, intermediates))

    def check_age(self, anchors: Anchors = NO_ANCHORS, intermediates: Certificates = ()) -> Check:
        """Whether the birth date of the age record is the one that the issuer signed (DF13, EF 0004)."""
        record = self.read(AGE_RECORD)
        parts = parse_record(record.raw, 0xFF10, (0xDF11, 0xDF12, 0xDF13))
        good = _signed(self.certificate(), record.value.signature, parts[0xDF11], parts[0xDF12])
        return check_signed("age", good, check_chain("age", self.certificate(), anchors, intermediates))

    def check_number_image(self, anchors: Anchors = NO_ANCHORS, intermediates: Certificates = ()) -> Check:
        """Whether the image of the number is the one that the issuer signed (DF43, EF 0004). The image is
        compared in memory and not handed over."""
        record = self.read(NUMBER_IMAGE)
        parts = parse_record(record.raw, 0xFF40, (0xDF41, 0xDF42, 0xDF43))
        good = _signed(self.certificate(), record.value.signature, parts[0xDF41], parts[0xDF42])
        chain = check_chain("number image", self.certificate(), anchors, intermediates)
        return check_signed("number image", good, chain)

    def check_key(self, anchors: Anchors = NO_ANCHORS, intermediates: Certificates = ()) -> Check:
        """Whether the card holds the key whose public half stands in the signed face: no copy does.

        The face must be open. That DF24 belongs to key 001A is this model's guess: an answer that it does not
        confirm is reported as "no public key known".
        """
        record = self.check_face(anchors, intermediates)
        return check_key_possession("key", self.card, self._read_face().value.key, record, certain=False)

    def _read_face(self) -> Read[CardFace]:
        if self._face is None:
            self._face = self.read(FACE)
        return self._face


def _signed(certificate: CardVerifiableCertificate, signature: bytes, *parts: Part) -> bool:
    """Whether the issuer signed these parts, as complete objects or as bare values."""
    objects = b"".join(part.raw for part in parts)
    values = b"".join(part.value for part in parts)
    return certificate.key.confirms_one_of(signature, objects, values)
