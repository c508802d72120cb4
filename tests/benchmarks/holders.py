"""The same jobs at a My Number Card, by tegata and by OpenSC's PKCS#11 module, each proved by its result."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from tegata.apdu.authenticity import Verdict
from tegata.apdu.card import Card
from tegata.apdu.ports import Link
from tegata.apdu.profile import CardProfile
from tegata.apdu.secret import Secret
from tegata.applets.jpki.host import Jpki, JpkiKey
from tegata.applets.mynumber_text.host import TextApplication
from tegata.applets.mynumber_visual.host import VisualApplication
from tegata.applets.mynumber_visual.model import CHECK_NUMBER_B
from tegata.reader_bridge.counter.identify import identify

from ..foreign.harness import opensc_module
from ..foreign.mynumber import AUTHENTICATION, SIGNATURE

MESSAGE = b"to be signed"
JPEG_2000 = bytes.fromhex("0000000C6A5020200D0A870A")
Job = Callable[[Link], None]
KEYS = {JpkiKey.AUTHENTICATION: AUTHENTICATION, JpkiKey.SIGNATURE: SIGNATURE}

OPENSC = """
import json, sys
import pkcs11
from pkcs11 import Attribute, Mechanism, ObjectClass

module, token, pin, key_id, message, certificate, signatures = json.loads(sys.argv[1])
(found,) = pkcs11.lib(module).get_tokens(token_label=token)
with found.open(user_pin=pin) as session:
    def only(kind):
        (it,) = session.get_objects({Attribute.CLASS: kind, Attribute.ID: bytes.fromhex(key_id)})
        return it
    key = only(ObjectClass.PRIVATE_KEY)
    result = {}
    for _ in range(signatures):
        result["signature"] = key.sign(message.encode(), mechanism=Mechanism.SHA256_RSA_PKCS).hex()
    if certificate:
        result["certificate"] = only(ObjectClass.CERTIFICATE)[Attribute.VALUE].hex()
print(json.dumps(result))
"""


def check(signature: bytes, certificate: bytes) -> None:
    """Raises InvalidSignature."""
    key = x509.load_der_x509_certificate(certificate).public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    key.verify(signature, MESSAGE, padding.PKCS1v15(), SHA256())


def opensc(key: JpkiKey, *, certificate: bool, signatures: int = 1) -> list[str]:
    """A program that logs in, signs and, if wanted, reads the certificate, all in one session."""
    there = KEYS[key]
    arguments = [opensc_module(), there.token, there.pin, there.id, MESSAGE.decode(), certificate, signatures]
    return [sys.executable, "-c", OPENSC, json.dumps(arguments)]


def opensc_result(output: bytes) -> dict[str, bytes]:
    """``signature``, and ``certificate`` if it was wanted."""
    return {name: bytes.fromhex(value) for name, value in json.loads(output).items()}


@dataclass(frozen=True, slots=True)
class Holder:
    """tegata as the program. ``short_way`` False: a card that takes neither short ids nor extended length, as
    learned before."""

    short_way: bool = True

    def card(self, link: Link) -> Card:
        profile = CardProfile.from_link(link)
        if not self.short_way:
            profile.sfi = profile.reference_by_sfi = profile.extended = False
        return Card(link, profile=profile)

    def open(self, link: Link, key: JpkiKey) -> Jpki:
        """Select, look at the tries left, present the PIN."""
        jpki = Jpki(self.card(link))
        jpki.select()
        jpki.verify(key, Secret(KEYS[key].pin.encode()))
        return jpki

    def raw(self, key: JpkiKey, certificate: bytes, signatures: int = 1) -> Job:
        """Signatures alone, for somebody who has the certificate already."""

        def work(link: Link) -> None:
            jpki = self.open(link, key)
            for _ in range(signatures):
                check(jpki.sign(key, MESSAGE, certificate=certificate), certificate)

        return work

    def with_certificate(self, key: JpkiKey) -> Job:
        """A signature and the certificate that confirms it."""

        def work(link: Link) -> None:
            jpki = self.open(link, key)
            certificate = jpki.certificate(key)
            check(jpki.sign(key, MESSAGE), certificate)

        return work

    def attributes(self) -> Job:
        """Name, address, birth date and sex, opened by the PIN."""

        def work(link: Link) -> None:
            application = TextApplication(self.card(link))
            application.select()
            application.verify(Secret(b"1234"))
            assert application.attributes().address

        return work

    def photo(self, check_number: bytes) -> Job:
        """The card face with the photo, opened by 照合番号 B."""

        def work(link: Link) -> None:
            application = VisualApplication(self.card(link))
            application.select()
            application.pins.verify(CHECK_NUMBER_B, Secret(check_number))
            assert application.card_face().photo.startswith(JPEG_2000)

        return work

    def identify(self, check_number: bytes) -> Job:
        """The whole 本人確認: face, attributes, the issuer's signatures and the card's own keys."""

        def work(link: Link) -> None:
            found = identify(self.card(link), lambda *_: Secret(check_number))
            assert found.attributes
            assert found.verdict is Verdict.CONSISTENT

        return work
