"""The talk with the card, in the reader's worker thread: wait for it, ask for the PIN, sign, reset.

From VERIFY to the closing reset the link is held exclusively, and the tries are read inside that stretch
again: the number the holder saw may be old. The last try is spent only when they said so.
"""

from __future__ import annotations

import base64
from typing import Protocol

from cryptography import x509

from ...apdu.card import Card
from ...apdu.errors import PinBlocked, PinError, ReaderError
from ...apdu.ports import Link, Reader
from ...applets.jpki.host import Jpki, JpkiKey
from ..signing import algorithm_of, authentication_digest, make_token, sign_detached, sign_pdf
from ..signing.card_signer import SignDigest, verify_digest
from ..signing.cms import sign_detached_digest
from .auto import Persona, require_simulated
from .requests import Authenticate, Document, Hash, Sign
from .states import State
from .transaction import Notice, PinEntry, Signed, Transaction

__all__ = ["Holder", "converse"]

SLICE = 1.0
"""Seconds between looks at whether the holder or the clock ended the transaction."""


class Holder(Protocol):
    """The person at the other end of the talk; the core speaks for them."""

    @property
    def persona(self) -> Persona | None:
        """Who answers instead of a person, on simulated cards."""

    def state(self, transaction: Transaction) -> State:
        """Where the transaction stands: the holder, or the clock, may have ended it."""

    def ask_pin(self, transaction: Transaction, notice: Notice) -> PinEntry | None:
        """What the holder typed; None when the transaction ended first."""


def converse(reader: Reader, transaction: Transaction, holder: Holder) -> Signed | None:
    """The whole talk; None when the transaction ended before the card signed.

    Raises CardError, PinError, ReaderError or RequestError: the transaction has failed then.
    """
    link = _wait(reader, transaction, holder)
    if link is None:
        return None
    try:
        if holder.persona is not None:
            require_simulated(link.info.name, link.info.simulated)
        notice = Notice("", _tries(link, transaction.key))
        while (entry := holder.ask_pin(transaction, notice)) is not None:
            with entry.pin:
                done = _attempt(link, transaction, entry)
            if isinstance(done, Signed):
                return done
            notice = done
        return None
    finally:
        link.close(reset=True)


def _wait(reader: Reader, transaction: Transaction, holder: Holder) -> Link | None:
    while holder.state(transaction) is State.AWAITING_CARD:
        try:
            return reader.wait_for_card(SLICE)
        except ReaderError as error:
            if error.code != "reader.no_card":
                raise
    return None


def _tries(link: Link, key: JpkiKey) -> int:
    with link.exclusive():
        return _left(_select(link), key)


def _select(link: Link) -> Jpki:
    jpki = Jpki(Card(link))
    jpki.select()
    return jpki


def _left(jpki: Jpki, key: JpkiKey) -> int:
    """Tries left; raises PinBlocked for none."""
    tries = jpki.tries(key)
    if tries == 0:
        raise PinBlocked(key.pin_rule.name)
    return tries


def _attempt(link: Link, transaction: Transaction, entry: PinEntry) -> Signed | Notice:
    key = transaction.key
    with link.exclusive():
        jpki = _select(link)
        try:
            jpki.verify(key, entry.pin, allow_last_try=entry.last_try)
        except PinBlocked:
            raise
        except PinError as error:  # wrong, or the last one now and not meant
            return Notice(error.code, error.retries_left)
        signed = _sign(jpki, transaction)
        link.close(reset=True)
    return signed


def _sign(jpki: Jpki, transaction: Transaction) -> Signed:
    request = transaction.request
    certificate = jpki.certificate(transaction.key)
    algorithm = algorithm_of(x509.load_der_x509_certificate(certificate).public_key())

    def sign_digest(digest: bytes) -> bytes:
        return jpki.sign_digest(transaction.key, digest, algorithm.digest)

    if isinstance(request, Authenticate):
        return _login(request, certificate, sign_digest)
    return _sign_items(request, certificate, sign_digest)


def _login(request: Authenticate, certificate: bytes, sign_digest: SignDigest) -> Signed:
    public_key = x509.load_der_x509_certificate(certificate).public_key()
    signature = sign_digest(authentication_digest(public_key, request.origin, request.nonce))
    return Signed(certificate, {"token": make_token(certificate, signature)})


def _sign_items(request: Sign, certificate: bytes, sign_digest: SignDigest) -> Signed:
    items = [_sign_item(item, certificate, sign_digest) for item in request.items]
    return Signed(certificate, {"items": items})


def _sign_item(item: Document | Hash, certificate: bytes, sign_digest: SignDigest) -> dict[str, str]:
    """Whole documents become signed documents; a bare hash gets a bare signature."""
    entry = {"label": item.label, "kind": str(item.kind)}
    if isinstance(item, Hash):
        if item.label:
            return {**entry, "signature": _b64(sign_detached_digest(item.sha256, certificate, sign_digest))}
        signature = sign_digest(item.sha256)
        public_key = x509.load_der_x509_certificate(certificate).public_key()
        verify_digest(public_key, item.sha256, signature)
        return {**entry, "signature": _b64(signature), "certificate": _b64(certificate)}
    if item.kind == "pdf":
        return {**entry, "document": _b64(sign_pdf(item.document, certificate, sign_digest, name=item.label))}
    return {**entry, "signature": _b64(sign_detached(item.document, certificate, sign_digest))}


def _b64(value: bytes) -> str:
    return base64.b64encode(value).decode()
