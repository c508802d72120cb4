"""The ring inside the worker: the rules of every ring, over keys of one token.

A *master* is a secret key with ``CKA_DERIVE`` and no other use; it serves the schemes that diversify. A key
with the uses of a card's key serves the scheme ``fixed``. A key that could leave the token is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pkcs11
from pkcs11 import Attribute, KeyType, MechanismFlag, ObjectClass

from ....apdu.errors import InputError, Words
from ....apdu.ports import KeyRef
from ....apdu.secret import Secret
from ..computing import ComputingRing
from ..keys import BLOCK, MemoryKey, StaticKey
from ..schemes import FIXED, master_algorithm
from . import objects, signing
from .keys import CARD_KEY, PARCEL, TokenKey, refused
from .objects import Found

__all__ = ["TokenRing"]

AES_BLOCK = BLOCK["aes"]


class TokenRing(ComputingRing):
    """Keys of ``token``, in an open session whose user is logged in."""

    def __init__(self, token: pkcs11.Token, session: pkcs11.Session) -> None:
        self._token = token
        self._session = session
        self._wraps: bool | None = None

    @property
    def name(self) -> str:
        return ring_name(self._token)

    # Masters

    def _held(self, ref: KeyRef) -> StaticKey | None:
        found = objects.find(self._session, ref.master, ObjectClass.SECRET_KEY)
        if not found:
            return None
        algorithm = master_algorithm(ref.scheme) or ref.algorithm
        fitting = [one for one in found if one.algorithm == algorithm]
        if len(fitting) > 1:
            raise refused(Words(f"it has two keys {ref.master}", f"{ref.master} という鍵が二つあります"))
        if fitting and (against := objects.objection(fitting[0])):
            raise refused(Words(f"{ref.master} is no master: {against}", f"{ref.master}: {against.ja}"))
        if not fitting or fitting[0].derive_only != (ref.scheme != FIXED):
            raise InputError("keyring.reference", what=f"scheme {ref.scheme!r} with master {ref.master}")
        return self._open(fitting[0])

    def _open(self, found: Found) -> TokenKey:
        return TokenKey(found.key, found.algorithm, found.length, derive_only=found.derive_only, owned=False)

    # What goes onto a card

    def _for_transport(self, ref: KeyRef, dek: StaticKey) -> StaticKey:
        """On the token under a DEK of the token, where the token can do that; else in this process."""
        self._key(ref).close()  # the check value: a parcel computes nothing
        parent, step = self._last_step(ref)
        if step is None:
            if isinstance(parent, MemoryKey):
                return parent  # well known
            raise refused(
                Words("a fixed key of a token cannot go onto a card", "固定鍵はカードに書き込めません")
            )
        with parent:
            inside = isinstance(dek, TokenKey) and dek.algorithm == "aes" and ref.length % AES_BLOCK == 0
            if inside and isinstance(parent, TokenKey) and self._can_wrap():
                return parent.parcel(step, ref.length)
            return MemoryKey(parent.disclose(step, ref.length), ref.algorithm)

    def _can_wrap(self) -> bool:
        """Whether the token wraps under AES-CBC, tried with two keys that serve nothing else."""
        if self._wraps is None:
            with self._throwaway(CARD_KEY) as dek, self._throwaway(PARCEL) as key:
                try:
                    self._wraps = len(dek.encrypt_key(key, cbc=True)) == AES_BLOCK
                except (pkcs11.PKCS11Error, InputError):
                    self._wraps = False
        return self._wraps

    @contextmanager
    def _throwaway(self, template: dict[Attribute, Any]) -> Iterator[TokenKey]:
        key = self._session.generate_key(
            KeyType.AES, 8 * AES_BLOCK, capabilities=MechanismFlag(0), template=template
        )
        with TokenKey(key, "aes", AES_BLOCK, derive_only=False, owned=True) as held:
            yield held

    # Signatures

    def sign(self, key: str, data: bytes) -> bytes:
        """Under a private key of the token."""
        return signing.sign(self._session, self.name, key, data)

    def public_key(self, key: str) -> bytes:
        """The SubjectPublicKeyInfo (DER) of a private key of the token."""
        return signing.public_key(self._session, self.name, key)

    # The keeper's part

    def inventory(self) -> list[dict[str, Any]]:
        """Every key object by label: what it is, what it serves, and what speaks against it."""
        secret = objects.find(self._session, None, ObjectClass.SECRET_KEY)
        private = objects.find(self._session, None, ObjectClass.PRIVATE_KEY)
        return [self._line(one) for one in secret] + [_signer_line(one) for one in private]

    def _line(self, found: Found) -> dict[str, Any]:
        against = objects.objection(found)
        serves = "nothing" if against else "master" if found.derive_only else "fixed"
        kcv = "" if against else self._open(found).check_value().hex().upper()
        return _plain(found, serves, found.length * 8, kcv, against)

    def create_master(
        self, label: str, algorithm: str, length: int, value: Secret | None = None, fixed: bool = False
    ) -> None:
        """A new master or fixed key, made on the token or of ``value``. Raises InputError ``keyring.label``,
        ``keyring.reference``."""
        with self._token.open(rw=True) as session:
            objects.create_master(session, label, algorithm, length, value, fixed=fixed)

    def create_signer(self, label: str, kind: str) -> None:
        """A new key pair that signs. Raises InputError ``keyring.label``, ``keyring.reference``."""
        with self._token.open(rw=True) as session:
            objects.create_signer(session, label, kind)


def ring_name(token: pkcs11.Token) -> str:
    """The token's label; one without a label goes by its serial number."""
    return token.label or token.serial.decode(errors="replace")


def _signer_line(found: Found) -> dict[str, Any]:
    usable = found.kept and found.length > 0
    against = None if usable else Words("it can leave the token, or its kind is unknown",
                                        "外に出せるか、種類が不明です")  # fmt: skip
    return _plain(found, "signer" if usable else "nothing", found.length, "", against)


def _plain(found: Found, serves: str, bits: int, kcv: str, against: Words | None) -> dict[str, Any]:
    return {
        "label": found.label,
        "algorithm": found.algorithm,
        "bits": bits,
        "serves": serves,
        "kcv": kcv,
        "origin": "generated" if found.local else "imported",
        "remark": against,
    }
