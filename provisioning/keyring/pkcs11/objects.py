"""The key objects of a token: what they are, what speaks against them, and how new ones are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pkcs11
from pkcs11 import Attribute, KeyType, MechanismFlag, ObjectClass
from pkcs11.util.ec import encode_named_curve_parameters

from ....apdu.errors import InputError, Words
from ....apdu.secret import Secret
from ..schemes import KEY_LENGTHS
from .keys import DES_TYPES, PLAIN_USES, key_type

__all__ = ["CURVES", "FIXED_USES", "Found", "create_master", "create_signer", "find", "kind_of", "objection"]

CURVES = ("secp256r1", "secp384r1", "secp521r1")
RSA_BITS = (1024, 2048, 3072, 4096)
LABEL_BYTES = 64
FIXED_USES = (*(Attribute.ENCRYPT, Attribute.DECRYPT, Attribute.SIGN, Attribute.WRAP, Attribute.DERIVE),)
"""The uses of a fixed key: it stands for the key of a card."""


@dataclass(frozen=True, slots=True)
class Found:
    """A key object with what was read of it. ``algorithm`` is ``aes``, ``3des`` or that of a signer."""

    key: Any
    label: str
    algorithm: str
    length: int
    uses: frozenset[Attribute]
    kept: bool
    local: bool

    @property
    def derive_only(self) -> bool:
        """Whether it is a master: what else it may do does not come from it."""
        return self.uses == {Attribute.DERIVE}


def find(session: pkcs11.Session, label: str | None, kind: ObjectClass) -> list[Found]:
    """The objects on the token of that class, with that label, or with any."""
    wanted: dict[Attribute, Any] = {Attribute.CLASS: kind, Attribute.TOKEN: True}
    if label is not None:
        wanted[Attribute.LABEL] = label
    return [_read(key) for key in list(session.get_objects(wanted))]


def _read(key: Any) -> Found:
    algorithm, length = kind_of(key)
    return Found(
        key=key,
        label=key[Attribute.LABEL],
        algorithm=algorithm,
        length=length,
        uses=frozenset(use for use in PLAIN_USES if _flag(key, use)),
        kept=_flag(key, Attribute.SENSITIVE) and not _flag(key, Attribute.EXTRACTABLE),
        local=_flag(key, Attribute.LOCAL),
    )


def kind_of(key: Any) -> tuple[str, int]:
    """``aes`` or ``3des`` with bytes; ``rsa`` or ``ec`` with bits; the name of another type with 0."""
    kind = key.key_type
    match kind:
        case KeyType.AES:
            return "aes", int(key[Attribute.VALUE_LEN])
        case KeyType.DES2 | KeyType.DES3:
            return "3des", next(length for length, each in DES_TYPES.items() if each == kind)
        case KeyType.RSA:
            return "rsa", len(key[Attribute.MODULUS]) * 8
        case KeyType.EC:
            return "ec", _curve_bits(key[Attribute.EC_PARAMS])
    return str(getattr(kind, "name", kind)).lower(), 0


def _curve_bits(parameters: bytes) -> int:
    for name in CURVES:
        if parameters == encode_named_curve_parameters(name):
            return int(name[4:7])
    return 0


def _flag(key: Any, attribute: Attribute) -> bool:
    try:
        return bool(key[attribute])
    except (pkcs11.AttributeTypeInvalid, pkcs11.AttributeSensitive):
        return False


def objection(found: Found) -> Words | None:
    """What speaks against using a secret key as master or fixed key; None when nothing does."""
    if found.algorithm not in KEY_LENGTHS:
        return Words("it is neither AES nor 3DES", "AES でも 3DES でもありません")
    if not found.kept:
        return Words("it can leave the token", "トークンの外に出せる鍵です")
    if found.derive_only:
        return None
    needed = {Attribute.ENCRYPT, Attribute.SIGN if found.algorithm == "aes" else Attribute.DERIVE}
    if not needed <= found.uses:
        return Words("it neither derives alone nor computes like a card's key",
                     "導出専用でも、カードの鍵としても使えません")  # fmt: skip
    return None


def create_master(
    session: pkcs11.Session, label: str, algorithm: str, length: int, value: Secret | None, *, fixed: bool
) -> None:
    """A new key on the token: made there, or ``value``; ``fixed`` for one that is on cards itself.

    ``session`` is a read/write one. Raises InputError ``keyring.label`` or ``keyring.reference``.
    """
    if length not in KEY_LENGTHS.get(algorithm, ()):
        raise InputError("keyring.reference", what=f"a master of {length} bytes for {algorithm}")
    _check_label(session, label, ObjectClass.SECRET_KEY)
    uses = FIXED_USES if fixed else (Attribute.DERIVE,)
    template = {**{use: use in uses for use in PLAIN_USES}, **_KEPT, Attribute.COPYABLE: False}
    kind = key_type(algorithm, length)
    if value is None:
        bits = 8 * length if algorithm == "aes" else None
        session.generate_key(kind, bits, label=label, store=True, capabilities=_NO_USE, template=template)
        return
    raw = value.reveal()
    made = {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.KEY_TYPE: kind, Attribute.LABEL: label}
    secret = raw if algorithm == "aes" else _odd_parity(raw)
    session.create_object({**made, Attribute.TOKEN: True, **template, Attribute.VALUE: secret})


_NO_USE = MechanismFlag(0)
_KEPT = {
    Attribute.PRIVATE: True,
    Attribute.SENSITIVE: True,
    Attribute.EXTRACTABLE: False,
    Attribute.MODIFIABLE: False,
}


def create_signer(session: pkcs11.Session, label: str, kind: str) -> None:
    """A new key pair on the token that signs tokens and load files: ``rsa-BITS`` or the name of a curve."""
    _check_label(session, label, ObjectClass.PRIVATE_KEY)
    common: dict[str, Any] = {
        "label": label,
        "id": label.encode(),
        "store": True,
        "capabilities": MechanismFlag.SIGN | MechanismFlag.VERIFY,
        "private_template": _KEPT,
    }
    if kind in CURVES:
        curve = {Attribute.EC_PARAMS: encode_named_curve_parameters(kind)}
        session.create_domain_parameters(KeyType.EC, curve, local=True).generate_keypair(**common)
        return
    name, _, bits = kind.partition("-")
    if name != "rsa" or not bits.isdecimal() or int(bits) not in RSA_BITS:
        known = ", ".join((*(f"rsa-{each}" for each in RSA_BITS), *CURVES))
        raise InputError("keyring.reference", what=f"a private key of kind {kind!r}; known: {known}")
    session.generate_keypair(KeyType.RSA, int(bits), **common)


def _check_label(session: pkcs11.Session, label: str, kind: ObjectClass) -> None:
    allowed = label.isascii() and label.replace("-", "").replace("_", "").replace(".", "").isalnum()
    if not allowed or not label[:1].isalnum() or len(label) > LABEL_BYTES or find(session, label, kind):
        raise InputError("keyring.label", label=label)


def _odd_parity(key: bytes) -> bytes:
    """DES does not use the lowest bit of a byte; some tokens insist that it makes the ones odd."""
    return bytes(byte ^ 1 if byte.bit_count() % 2 == 0 else byte for byte in key)
