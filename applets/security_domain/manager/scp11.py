"""Keys of SCP11 and what stands beside them: key pairs made on the card, certificates, allow lists,
authorities (GPC 2.3.1 Amendment F 1.4 §7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ....apdu.errors import Words
from ....apdu.scp11 import Anchor, CaIdentifier, Certificate, KeyNumber
from ....apdu.scp11.objects import is_authority
from .. import scp11
from ..model import KeyType
from ..results import KeyInformation
from .content import hexa
from .custody import Intent
from .keys import put_public
from .session import Consequence, Session
from .steps import INTENT_PREFIX, Step

__all__ = ["GenerateKeyPair", "NameAuthority", "StoreAllowList", "StoreCertificates", "authority"]


@dataclass(frozen=True)
class _OfKey(Step):
    """A step about one key of the domain."""

    key: KeyNumber

    @property
    def named(self) -> str:
        return f"{self.key.version:02X}/{self.key.kid:02X}"

    def details(self) -> Mapping[str, Any]:
        return {"version": self.key.version, "kid": self.key.kid}


@dataclass(frozen=True)
class GenerateKeyPair(_OfKey):
    """GENERATE KEY: the private key never leaves the card; its public key is told once, now."""

    curve: ec.EllipticCurve
    replaces: bool = False

    name: ClassVar[str] = "generate-key"
    reversible: ClassVar[bool] = False

    def describe(self) -> Words:
        return Words(
            f"generate key pair {self.named} ({self.curve.name})",
            f"鍵ペア {self.named} ({self.curve.name}) を生成する",
        )

    def details(self) -> Mapping[str, Any]:
        return {**super().details(), "curve": self.curve.name}

    def done(self, session: Session) -> bool:
        return not self.replaces and self.proved(session)

    def proved(self, session: Session) -> bool:
        return any((key.kid, key.version) == self.key for key in session.held_keys())

    def consequence(self, session: Session) -> Consequence | None:
        if not self.proved(session):
            return None
        return Consequence(
            Words(
                f"Key pair {self.named} of the card is lost, with its certificates.",
                f"カードの鍵ペア {self.named} は証明書とともに失われます。",
            )
        )

    def do(self, session: Session) -> Mapping[str, Any]:
        replace = self.key.version if self.proved(session) else 0
        public = scp11.generate_key(session.domain, self.key, self.curve, replace=replace)
        pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return {"public_key": pem.decode("ascii")}

    def say(self, answered: Mapping[str, Any]) -> Sequence[Words]:
        pem = answered["public_key"].rstrip()
        return [Words(pem, pem)]

    def intent(self, session: Session) -> Intent:
        return Intent(INTENT_PREFIX + self.name, self.details(), held=session.current)

    def foresee(self, session: Session) -> None:
        if not self.proved(session):
            length = (self.curve.key_size + 7) // 8
            made = KeyInformation(self.key.kid, self.key.version, KeyType.EC_PRIVATE, length)
            session.expect_keys((*session.held_keys(), made))


@dataclass(frozen=True)
class StoreCertificates(_OfKey):
    """The certificates of one of the card's keys, the leaf last."""

    chain: tuple[Certificate, ...]

    name: ClassVar[str] = "store-certificates"

    def describe(self) -> Words:
        count = len(self.chain)
        return Words(
            f"store {count} certificates of key {self.named}",
            f"鍵 {self.named} の証明書 {count} 枚を書き込む",
        )

    def details(self) -> Mapping[str, Any]:
        return {**super().details(), "certificates": len(self.chain)}

    def done(self, session: Session) -> bool:
        stored = scp11.certificates(session.domain, self.key)
        return [certificate.raw for certificate in stored] == self._raw

    def do(self, session: Session) -> None:
        scp11.store_certificates(session.domain, self.key, self._raw)

    @property
    def _raw(self) -> list[bytes]:
        return [certificate.raw for certificate in self.chain]


@dataclass(frozen=True)
class StoreAllowList(_OfKey):
    """Which certificates of an authority open the card; without ``serials`` all do. It is never told."""

    serials: tuple[bytes, ...]

    name: ClassVar[str] = "store-allow-list"

    def describe(self) -> Words:
        count = len(self.serials)
        if not count:
            return Words(
                f"take the allow list of key {self.named} away", f"鍵 {self.named} の許可リストを消す"
            )
        return Words(
            f"allow {count} certificates under key {self.named}",
            f"鍵 {self.named} の証明書 {count} 枚だけを許可する",
        )

    def details(self) -> Mapping[str, Any]:
        return {**super().details(), "serials": [hexa(serial) for serial in self.serials]}

    def done(self, session: Session) -> bool:
        return False

    def consequence(self, session: Session) -> Consequence | None:
        if self.serials:
            return None
        return Consequence(
            Words(
                f"Every certificate of the authority of key {self.named} opens this card then.",
                f"鍵 {self.named} の認証局の証明書なら、どれでもこのカードを開けるようになります。",
            )
        )

    def do(self, session: Session) -> None:
        scp11.store_allow_list(session.domain, self.key, self.serials)


@dataclass(frozen=True)
class NameAuthority(_OfKey):
    """Which authority a key belongs to: the subject key identifier in its certificate."""

    identifier: bytes

    name: ClassVar[str] = "name-authority"

    def describe(self) -> Words:
        name = hexa(self.identifier)
        return Words(
            f"name {name} the authority of key {self.named}", f"鍵 {self.named} の認証局を {name} とする"
        )

    def details(self) -> Mapping[str, Any]:
        return {**super().details(), "identifier": hexa(self.identifier)}

    def done(self, session: Session) -> bool:
        return CaIdentifier(self.key, self.identifier) in scp11.authorities(session.domain)

    def do(self, session: Session) -> None:
        scp11.store_authority(session.domain, CaIdentifier(self.key, self.identifier))


def authority(*, key: KeyNumber, anchor: Anchor, replaces: bool) -> Sequence[Step]:
    """Name an authority; that of hosts (KID 10, 20 to 2F) has a public key on the card, put first."""
    name = NameAuthority(key, anchor.subject_id)
    if not is_authority(key.kid):
        return [name]
    spki = anchor.key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    put = put_public(version=key.version, kid=key.kid, key=anchor.key, spki=spki, replaces=replaces)
    return [*put, name]
