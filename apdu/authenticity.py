"""Whether data of a card come from its issuer: the chain of card-verifiable certificates up to an anchor.

An anchor is a public key that the person who checks has put somewhere on purpose. What a card brings along, a
certificate included, is never one: a fake whose parts fit each other is *consistent*, and no more.
"""

from __future__ import annotations

import enum
import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key, load_pem_public_key

from .card import Card
from .command import Command
from .cvc import KEY_ID_BYTES, CardVerifiableCertificate, RsaPublicKey
from .errors import InputError, Words
from .regular_files import read_regular

__all__ = [
    "NO_ANCHORS",
    "Anchor",
    "Anchors",
    "Check",
    "Verdict",
    "check_chain",
    "check_key_possession",
    "check_signed",
]

MAX_CHAIN = 4
MAX_ANCHOR_FILE = 65536
CHALLENGE_BYTES = 32
SIGNATURE_BYTES = 256
DEFAULT_KEY = 0x00
SHA256_DIGEST_INFO = bytes.fromhex("3031300D060960864801650304020105000420")
CVC_FILE = ".cvc"
ANCHOR_FILES = (".pem", ".der", ".crt", ".cer", CVC_FILE)


class Verdict(enum.Enum):
    """The four answers of a check."""

    ANCHORED = "anchored"
    CONSISTENT = "consistent"
    INVALID = "invalid"
    UNKNOWN = "no-public-key"


SENTENCES = {
    Verdict.ANCHORED: Words("valid to anchor {anchor}", "信頼点「{anchor}」まで検証できました"),
    Verdict.CONSISTENT: Words(
        "consistent in itself, but not anchored: nobody vouches for it",
        "データ同士は整合していますが、信頼点で裏付けられていません",
    ),
    Verdict.INVALID: Words("invalid: {reason}", "無効: {reason}"),
    Verdict.UNKNOWN: Words("not checked: no public key known", "未検証: 公開鍵が分かりません"),
}


@dataclass(frozen=True, slots=True)
class Check:
    """What one check found. ``anchor`` names the anchor of an anchored one, ``reason`` says why an invalid
    one is. A check is not true or false: ask for the verdict that you need."""

    what: str
    verdict: Verdict
    anchor: str = ""
    reason: Words = field(default_factory=lambda: Words("", ""))

    def sentence(self, lang: str = "en") -> str:
        """The verdict in words."""
        template = SENTENCES[self.verdict].in_language(lang)
        return template.format(anchor=self.anchor, reason=self.reason.in_language(lang))

    def to_json(self) -> dict[str, str]:
        """Plain values; ``anchor`` and ``reason`` only where they mean something."""
        found = {"check": self.what, "verdict": self.verdict.value}
        if self.anchor:
            found["anchor"] = self.anchor
        if self.reason:
            found["reason"] = str(self.reason)
        return found

    def __bool__(self) -> bool:
        raise TypeError("a check has four verdicts; compare check.verdict")

    @classmethod
    def invalid(cls, what: str, en: str, ja: str) -> Check:
        return cls(what, Verdict.INVALID, reason=Words(en, ja))


@dataclass(frozen=True, slots=True)
class Anchor:
    """A public key that somebody chose to trust, and the key id under which certificates name it."""

    name: str
    key_id: bytes
    key: RsaPublicKey

    @classmethod
    def from_certificate(cls, name: str, certificate: CardVerifiableCertificate) -> Anchor:
        """The subject of a certificate that somebody chose to trust; its own signature says nothing."""
        return cls(name, certificate.subject, certificate.key)


@dataclass(frozen=True, slots=True)
class Anchors:
    """The anchors that the caller gave, by key id."""

    by_key_id: Mapping[bytes, Anchor] = field(default_factory=dict)

    @classmethod
    def of(cls, anchors: Iterable[Anchor]) -> Anchors:
        """Raises InputError ``mynumber.anchor`` when two of them have one key id."""
        found: dict[bytes, Anchor] = {}
        for anchor in anchors:
            if found.setdefault(anchor.key_id, anchor) != anchor:
                raise InputError("mynumber.anchor", file=anchor.name, what=_TWICE)
        return cls(found)

    @classmethod
    def load(cls, folder: Path) -> Anchors:
        """Every public key in ``folder``: files named ``KEYID[-NAME].pem`` (or .der, .crt, .cer), KEYID being
        32 hex digits, with a SubjectPublicKeyInfo or an X.509 certificate of the issuer's key; and
        card-verifiable certificates named ``NAME.cvc``, whose subject becomes the anchor.

        Raises InputError ``mynumber.anchor`` for one that cannot be read, and for a folder that is none;
        other kinds of files are left alone.
        """
        try:
            files = sorted(path for path in folder.iterdir() if path.suffix.lower() in ANCHOR_FILES)
        except OSError as error:
            raise InputError("mynumber.anchor", file=folder.name, what=_FOLDER) from error
        return cls.of(_load(path) for path in files)

    def find(self, key_id: bytes) -> Anchor | None:
        return self.by_key_id.get(key_id)


NO_ANCHORS = Anchors()
_TWICE = Words("its key id is in the folder twice", "鍵識別子が重複しています")
_NAME = Words(
    "its name does not begin with a key id of 32 hex digits", "名前が 32 桁の鍵識別子で始まっていません"
)
_FOLDER = Words("the folder cannot be opened", "フォルダーを開けません")
_KEY = Words("it holds no RSA-2048 public key", "RSA-2048 の公開鍵がありません")


def _load(path: Path) -> Anchor:
    if path.suffix.lower() == CVC_FILE:
        return _load_certificate(path)
    number, _, name = path.stem.partition("-")
    try:
        key_id = bytes.fromhex(number)
    except ValueError:
        key_id = b""
    if len(key_id) != KEY_ID_BYTES:
        raise InputError("mynumber.anchor", file=path.name, what=_NAME)
    try:
        return Anchor(name or number, key_id, _public_key(read_regular(path, MAX_ANCHOR_FILE)))
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InputError("mynumber.anchor", file=path.name, what=_KEY) from error


def _load_certificate(path: Path) -> Anchor:
    try:
        certificate = CardVerifiableCertificate.parse(read_regular(path, MAX_ANCHOR_FILE))
        return Anchor.from_certificate(path.stem, certificate)
    except ValueError as error:
        raise InputError("mynumber.anchor", file=path.name, what=_KEY) from error


def _public_key(raw: bytes) -> RsaPublicKey:
    """Raises ValueError for anything but an RSA-2048 key."""
    from cryptography import x509  # slow to load, and every card is asked whether it is a My Number Card

    if b"-----BEGIN CERTIFICATE" in raw:
        key: object = x509.load_pem_x509_certificate(raw).public_key()
    elif b"-----BEGIN" in raw:
        key = load_pem_public_key(raw)
    else:
        try:
            key = load_der_public_key(raw)
        except ValueError:
            key = x509.load_der_x509_certificate(raw).public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        raise ValueError("not an RSA key")  # noqa: TRY004 - the content of a file, not a type of ours
    return RsaPublicKey.of(key)


def check_chain(
    what: str,
    certificate: CardVerifiableCertificate,
    anchors: Anchors,
    intermediates: Iterable[CardVerifiableCertificate] = (),
) -> Check:
    """Whether ``certificate`` leads to an anchor, over at most a few ``intermediates`` that the card gave.

    An anchor for the certificate's own subject vouches for it too, when its key is the same.
    """
    above = {link.subject: link for link in intermediates}
    link = certificate
    for _ in range(MAX_CHAIN):
        own = anchors.find(link.subject)
        if own is not None and own.key == link.key:
            return Check(what, Verdict.ANCHORED, own.name)
        issuer = anchors.find(link.issuer)
        if own is not None or (issuer is not None and not issuer.key.confirms(link.signature, link.body)):
            return Check.invalid(
                what,
                "its certificate names an issuer that has another key",
                "証明書の示す発行者の鍵では確認できません",
            )
        if issuer is not None:
            return Check(what, Verdict.ANCHORED, issuer.name)
        upper = link if link.issuer == link.subject else above.get(link.issuer)
        if upper is not None and not upper.key.confirms(link.signature, link.body):
            return Check.invalid(
                what,
                "the certificates on the card do not fit each other",
                "カード内の証明書同士が整合しません",
            )
        if upper is None or upper is link:
            break
        link = upper
    return Check(what, Verdict.CONSISTENT)


def check_signed(what: str, good: bool, chain: Check) -> Check:
    """The verdict about data: ``good`` tells whether the certificate's key confirms their signature,
    ``chain`` what stands behind that key."""
    if not good:
        return Check.invalid(
            what, "the issuer's signature does not fit the data", "発行者の署名がデータと一致しません"
        )
    return Check(what, chain.verdict, chain.anchor, chain.reason)


def check_key_possession(
    what: str, card: Card, key: RsaPublicKey, record: Check, *, certain: bool = True
) -> Check:
    """Whether the selected application holds the private half of ``key``, by a signature over a fresh
    challenge with its default key (``80 2A 00 00``, no PIN). ``record`` is the verdict about ``key`` itself.

    A copy of the card's files fails here: it has the certificates and not the key. ``certain`` False: it is
    not published that ``key`` is that key's public half, so that an answer which does not fit proves nothing.
    """
    if record.verdict is Verdict.INVALID:
        return Check(what, Verdict.INVALID, reason=record.reason)
    challenge = os.urandom(CHALLENGE_BYTES)
    block = SHA256_DIGEST_INFO + hashlib.sha256(challenge).digest()
    response = card.send(Command(0x80, 0x2A, 0x00, DEFAULT_KEY, block, le=SIGNATURE_BYTES))
    if not response.ok and not certain:
        return Check(what, Verdict.UNKNOWN)
    if not response.ok:
        return Check.invalid(
            what,
            f"the card refused to prove that it holds its key (status {response.sw:04X})",
            f"カードが鍵の所持を証明しませんでした (ステータス {response.sw:04X})",
        )
    if not key.confirms(response.data, challenge):
        if not certain:
            return Check(what, Verdict.UNKNOWN)
        return Check.invalid(
            what,
            "the card does not hold the key that it shows",
            "カードは提示した公開鍵に対応する鍵を持っていません",
        )
    return Check(what, record.verdict, record.anchor)
