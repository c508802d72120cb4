"""Talking to the text application (券面事項入力補助 AP): attributes, number, and whether they are genuine.

The PIN opens everything; 照合番号 A opens the number alone, 照合番号 B the attributes alone. The number is
read only by :meth:`TextApplication.my_number`, which wants a purpose.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable

from ...apdu.authenticity import (
    NO_ANCHORS,
    Anchors,
    Check,
    Verdict,
    check_chain,
    check_key_possession,
    check_signed,
)
from ...apdu.card import Card
from ...apdu.cvc import CardVerifiableCertificate
from ...apdu.errors import InputError, Words
from ...apdu.files import CardFile, FileApplication, Read
from ...apdu.pin import PinReference
from ...apdu.secret import Secret
from ...apdu.tlv import Tlv
from .model import (
    AID,
    MAX_ATTRIBUTES_BYTES,
    NUMBER_FILE_BYTES,
    PIN,
    Attributes,
    BasicInfo,
    Ef,
    IssuerSignature,
    KeyRecord,
    attributes_digest_input,
    my_number_file,
    parse_my_number_file,
)
from .number import MyNumber

__all__ = ["TextApplication"]

_ANY = Words("the PIN or a check number", "暗証番号または照合番号")
MY_NUMBER = CardFile(
    Ef.MY_NUMBER,
    Words("the individual number", "個人番号"),
    parse_my_number_file,
    length=NUMBER_FILE_BYTES,
    personal=True,
    opened_by=Words("the PIN or check number A", "暗証番号または照合番号 A"),
)
ATTRIBUTES = CardFile(
    Ef.ATTRIBUTES,
    Words("the four attributes", "基本 4 情報"),
    Attributes.parse,
    limit=MAX_ATTRIBUTES_BYTES,
    personal=True,
    opened_by=Words("the PIN or check number B", "暗証番号または照合番号 B"),
)
SIGNATURE = CardFile(
    Ef.ISSUER_SIGNATURE,
    Words("the issuer's signature", "発行者の署名"),
    IssuerSignature.parse,
    personal=True,
    opened_by=_ANY,
)
CERTIFICATE = CardFile(
    Ef.CERTIFICATE, Words("the issuer's certificate", "発行者の証明書"), CardVerifiableCertificate.parse
)
BASIC_INFO = CardFile(Ef.BASIC_INFO, Words("the basic information", "基本情報"), BasicInfo.parse)
KEY_RECORD = CardFile(Ef.KEY_RECORD, Words("the record of its key", "内部認証用公開鍵"), KeyRecord.parse)

DIFFERS = Words("the data are not those that the issuer signed", "データが発行者の署名したものと異なります")


class TextApplication(FileApplication):
    """The text application of one card. Call :meth:`select` first."""

    aid = AID
    name = Words("text (券面事項入力補助)", "券面事項入力補助")

    def __init__(self, card: Card) -> None:
        super().__init__(card)
        self._attributes: Read[Attributes] | None = None
        self._signature: IssuerSignature | None = None
        self._certificate: CardVerifiableCertificate | None = None

    def select(self) -> None:
        self._attributes = self._signature = self._certificate = None
        super().select()

    def tries(self, pin: PinReference = PIN) -> int:
        """How many tries a PIN or check number has left; asking spends none."""
        return self.pins.tries(pin)

    def verify(self, pin: Secret, *, allow_last_try: bool = False) -> None:
        """Present the PIN. Raises InputError ``pin.format``, PinError (``pin.last_try`` too), PinBlocked."""
        self.pins.verify(PIN, pin, allow_last_try=allow_last_try)

    def attributes(self) -> Attributes:
        """Name, address, birth date and sex; needs the PIN or 照合番号 B."""
        self._attributes = self.read(ATTRIBUTES)
        return self._attributes.value

    def my_number(self, purpose: str) -> MyNumber:
        """The 個人番号, for ``purpose`` (a use that 番号法 allows); needs the PIN or 照合番号 A.

        It is handed over once and not kept here. Raises InputError ``mynumber.purpose`` for no purpose.
        """
        if not purpose.strip():
            raise InputError("mynumber.purpose")
        return MyNumber(self.read(MY_NUMBER).value, purpose.strip())

    def certificate(self) -> CardVerifiableCertificate:
        """The certificate of the key that signed, as the card gives it: it proves nothing by itself."""
        if self._certificate is None:
            self._certificate = self.read(CERTIFICATE).value
        return self._certificate

    def basic_info(self) -> BasicInfo:
        """Version of the application and a key id; open to anybody."""
        return self.read(BASIC_INFO).value

    def key_record(self) -> KeyRecord:
        """The public half of key 0013; open to anybody."""
        return self.read(KEY_RECORD).value

    def check_attributes(
        self, anchors: Anchors = NO_ANCHORS, intermediates: Iterable[CardVerifiableCertificate] = ()
    ) -> Check:
        """Whether the attributes are those that the issuer signed (DF32, DF33, EF 0004)."""
        raw = (self._attributes or self.read(ATTRIBUTES)).raw
        digest = hashlib.sha256(attributes_digest_input(raw)).digest()
        return self._check(
            "attributes", digest, self._issuer_signature().attributes_digest, anchors, intermediates
        )

    def check_number(
        self,
        number: MyNumber,
        anchors: Anchors = NO_ANCHORS,
        intermediates: Iterable[CardVerifiableCertificate] = (),
    ) -> Check:
        """Whether ``number`` is the one that the issuer signed (DF31, DF33, EF 0004)."""
        digest = hashlib.sha256(my_number_file(number.reveal())).digest()
        return self._check("number", digest, self._issuer_signature().number_digest, anchors, intermediates)

    def check_key(
        self, anchors: Anchors = NO_ANCHORS, intermediates: Iterable[CardVerifiableCertificate] = ()
    ) -> Check:
        """Whether the card holds the key 0013 whose public half the issuer signed (EF 0007): no copy does.
        Needs no PIN. It proves a genuine card; nothing on the card ties this key to its attributes."""
        chain = check_chain("key", self.certificate(), anchors, intermediates)
        record = self.key_record()
        value = bytes(record.key)
        good = self.certificate().key.confirms_one_of(record.signature, value, bytes(Tlv(0xDF51, value)))
        return check_key_possession("key", self.card, record.key, check_signed("key", good, chain))

    def _issuer_signature(self) -> IssuerSignature:
        if self._signature is None:
            self._signature = self.read(SIGNATURE).value
        return self._signature

    def _check(
        self,
        what: str,
        found: bytes,
        signed: bytes,
        anchors: Anchors,
        intermediates: Iterable[CardVerifiableCertificate],
    ) -> Check:
        if not hmac.compare_digest(found, signed):
            return Check(what, Verdict.INVALID, reason=DIFFERS)
        record = self._issuer_signature()
        chain = check_chain(what, self.certificate(), anchors, intermediates)
        good = self.certificate().key.confirms(record.signature, record.signed)
        return check_signed(what, good, chain)
