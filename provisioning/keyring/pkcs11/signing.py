"""Private keys of the token that sign tokens and load files (GPC 2.3.1 §B.2 to §B.4, §C.4)."""

from __future__ import annotations

import hashlib

import pkcs11
from asn1crypto.keys import PublicKeyInfo, RSAPublicKey
from pkcs11 import MGF, Attribute, Mechanism, ObjectClass
from pkcs11.util.ec import encode_ec_public_key
from pkcs11.util.rsa import encode_rsa_public_key

from ....apdu.errors import InputError, Words
from ....applets.security_domain.model.signatures import PKCS1_BITS, PSS_SALT
from .keys import refused
from .objects import Found, find

__all__ = ["public_key", "sign"]

HASHES = {256: hashlib.sha256, 384: hashlib.sha384, 521: hashlib.sha512}


def sign(session: pkcs11.Session, ring: str, label: str, data: bytes) -> bytes:
    """The signature in the scheme that the key's kind and size ask for; ECDSA as r ‖ s."""
    signer = _signer(session, ring, label)
    if signer.algorithm == "ec":
        digest = HASHES[signer.length](data).digest()
        return bytes(signer.key.sign(digest, mechanism=Mechanism.ECDSA))
    if signer.length <= PKCS1_BITS:
        return bytes(signer.key.sign(data, mechanism=Mechanism.SHA1_RSA_PKCS))
    scheme = (Mechanism.SHA256, MGF.SHA256, PSS_SALT)
    return bytes(signer.key.sign(data, mechanism=Mechanism.SHA256_RSA_PKCS_PSS, mechanism_param=scheme))


def public_key(session: pkcs11.Session, ring: str, label: str) -> bytes:
    """The SubjectPublicKeyInfo (DER) of the public half, which the token keeps under the same label."""
    signer = _signer(session, ring, label)
    halves = list(session.get_objects({Attribute.CLASS: ObjectClass.PUBLIC_KEY, Attribute.LABEL: label}))
    if len(halves) != 1:
        raise refused(Words(f"the public half of {label} is not there", f"{label} の公開鍵がありません"))
    if signer.algorithm == "ec":
        return encode_ec_public_key(halves[0])  # type: ignore[arg-type]
    return PublicKeyInfo.wrap(RSAPublicKey.load(encode_rsa_public_key(halves[0])), "rsa").dump()  # type: ignore[arg-type,no-any-return]


def _signer(session: pkcs11.Session, ring: str, label: str) -> Found:
    found = find(session, label, ObjectClass.PRIVATE_KEY)
    if not found:
        raise InputError("keyring.master", master=label, ring=ring)
    if len(found) > 1 or not found[0].kept or not found[0].length:
        what = Words(
            f"{label} is not one RSA or EC key that stays there", f"{label} は RSA/EC の固定鍵ではありません"
        )
        raise refused(what)
    return found[0]
