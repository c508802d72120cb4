"""Session keys, cryptograms and sensitive data of SCP02 (GPC 2.3.1 §E.3, §E.4)."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..des import (
    BLOCK,
    cbc_decrypt,
    cbc_encrypt,
    ecb_decrypt,
    ecb_encrypt,
    key_check_value,
    retail_mac,
)
from ..ports import SessionKeys
from ..secret import Secret
from ..secure_messaging import pad

__all__ = [
    "KEY_LENGTH",
    "StaticKeys",
    "decrypt_data",
    "derive",
    "derive_session_keys",
    "encrypt_data",
    "key_check_value",
    "pseudo_random_challenge",
    "session_dek",
]

KEY_LENGTH = 16
SEQUENCE_LENGTH = 2
CHALLENGE_LENGTH = 6
ZERO_ICV = bytes(BLOCK)

# Derivation constants, §E.4.1.
C_MAC_KEY, R_MAC_KEY, DEK_KEY, ENC_KEY = 0x0101, 0x0102, 0x0181, 0x0182


@dataclass(frozen=True, slots=True)
class StaticKeys:
    """One SCP02 key set as the card holds it, 16 bytes each; three times the base key where i has one key."""

    enc: Secret = field(repr=False)
    mac: Secret = field(repr=False)
    dek: Secret = field(repr=False)

    def __post_init__(self) -> None:
        for key in (self.enc, self.mac, self.dek):
            if len(key) != KEY_LENGTH:
                raise ValueError(f"a DES key of SCP02 has {KEY_LENGTH} bytes, got {len(key)}")


def derive(key: Secret, constant: int, sequence: bytes) -> Secret:
    """A 16-byte session key: 3DES-CBC, zero ICV, of constant, 2-byte counter and zeros (§E.4.1)."""
    if len(sequence) != SEQUENCE_LENGTH:
        raise ValueError(f"the sequence counter has {SEQUENCE_LENGTH} bytes, got {len(sequence)}")
    return Secret(cbc_encrypt(key, ZERO_ICV, constant.to_bytes(2, "big") + sequence + bytes(12)))


def derive_session_keys(enc: Secret, mac: Secret, sequence: bytes) -> SessionKeys:
    """The session keys for encryption, C-MAC and R-MAC from the 2-byte sequence counter."""
    return SessionKeys(
        enc=derive(enc, ENC_KEY, sequence),
        mac=derive(mac, C_MAC_KEY, sequence),
        rmac=derive(mac, R_MAC_KEY, sequence),
    )


def session_dek(dek: Secret, sequence: bytes) -> Secret:
    """The session key for keys and other sensitive data."""
    return derive(dek, DEK_KEY, sequence)


def encrypt_data(dek: Secret, data: bytes, *, cbc: bool = False) -> bytes:
    """Sensitive data under a *session* DEK: ECB, after implicit initiation CBC with zero ICV (§E.4.7).

    ``data`` is a multiple of 8 bytes, as every DES key is; how other data is padded is the application's
    business. Raises ValueError for another length.
    """
    return cbc_encrypt(dek, ZERO_ICV, data) if cbc else ecb_encrypt(dek, data)


def decrypt_data(dek: Secret, data: bytes, *, cbc: bool = False) -> bytes:
    """The inverse of :func:`encrypt_data`; no padding is removed. Raises ValueError."""
    return cbc_decrypt(dek, ZERO_ICV, data) if cbc else ecb_decrypt(dek, data)


def pseudo_random_challenge(keys: SessionKeys, aid: bytes) -> bytes:
    """The 6-byte card challenge of i bit 40, from the AID of the application that opens (§E.4.2.3)."""
    return retail_mac(keys.mac, ZERO_ICV, pad(aid, BLOCK))[:CHALLENGE_LENGTH]
