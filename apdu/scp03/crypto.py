"""Key derivation, key wrap and check values of SCP03 (GPC 2.3.1 Amd D §4.1, §6.2, §7.2).

The derivation is the counter mode of NIST SP 800-108 with AES-CMAC: an 11-byte zero label and a constant,
a zero separator, the length in bits, a one-byte counter, and the context.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from ..ports import SessionKeys
from ..secret import Secret

__all__ = [
    "SessionCiphers",
    "StaticKeys",
    "aes_cbc_decrypt",
    "aes_cbc_encrypt",
    "aes_encrypt_block",
    "cmac",
    "derivation_inputs",
    "derive",
    "derive_session_keys",
    "key_check_value",
    "pseudo_random_challenge",
    "unwrap_key",
    "wrap_key",
]

BLOCK = 16
KEY_SIZES = (16, 24, 32)

# Derivation constants, Amd D table 4-1.
CARD_CRYPTOGRAM = 0x00
HOST_CRYPTOGRAM = 0x01
CARD_CHALLENGE = 0x02
S_ENC = 0x04
S_MAC = 0x06
S_RMAC = 0x07


class SessionCiphers:
    """The session keys of one channel, each scheduled once: making an AES context for every message costs
    more than using it. Every method depends on its arguments alone."""

    def __init__(self, keys: SessionKeys) -> None:
        self._keys = keys

    @cached_property
    def _aes(self) -> AES:
        return AES(self._keys.enc.reveal())

    @cached_property
    def _encryptor(self) -> CipherContext:
        return Cipher(self._aes, modes.ECB()).encryptor()  # noqa: S305 - single blocks: the ICVs

    @cached_property
    def _decryptor(self) -> CipherContext:
        return Cipher(self._aes, modes.ECB()).decryptor()  # noqa: S305 - chained in decrypt()

    @cached_property
    def _mac(self) -> CMAC:
        return CMAC(AES(self._keys.mac.reveal()))

    @cached_property
    def _rmac(self) -> CMAC:
        return CMAC(AES(self._keys.rmac.reveal()))

    def command_mac(self, message: bytes) -> bytes:
        """AES-CMAC under S-MAC, 16 bytes."""
        return _continued(self._mac, message)

    def response_mac(self, message: bytes) -> bytes:
        """AES-CMAC under S-RMAC, 16 bytes."""
        return _continued(self._rmac, message)

    def encrypt(self, icv_block: bytes, data: bytes) -> bytes:
        """AES-CBC under S-ENC; the IV is the encrypted ``icv_block`` (Amd D §6.2.6)."""
        iv = self._encryptor.update(icv_block)
        return Cipher(self._aes, modes.CBC(iv)).encryptor().update(data)

    def decrypt(self, icv_block: bytes, data: bytes) -> bytes:
        """The inverse of :meth:`encrypt`: a block is XORed with the one before it, the first with the IV."""
        chain = self._encryptor.update(icv_block) + data[:-BLOCK]
        plain = int.from_bytes(self._decryptor.update(data), "big") ^ int.from_bytes(chain, "big")
        return plain.to_bytes(len(data), "big")


def _continued(context: CMAC, message: bytes) -> bytes:
    mac = context.copy()
    mac.update(message)
    return mac.finalize()


@dataclass(frozen=True, slots=True)
class StaticKeys:
    """One SCP03 key set as the card holds it: K-ENC, K-MAC, K-DEK, each 16, 24 or 32 bytes."""

    enc: Secret = field(repr=False)
    mac: Secret = field(repr=False)
    dek: Secret = field(repr=False)

    def __post_init__(self) -> None:
        for key in (self.enc, self.mac, self.dek):
            if len(key) not in KEY_SIZES:
                raise ValueError(f"an AES key has 16, 24 or 32 bytes, got {len(key)}")


def cmac(key: Secret, message: bytes) -> bytes:
    """AES-CMAC (SP 800-38B), 16 bytes."""
    mac = CMAC(AES(key.reveal()))
    mac.update(message)
    return mac.finalize()


def aes_encrypt_block(key: Secret, block: bytes) -> bytes:
    """AES of one 16-byte block."""
    cipher = Cipher(AES(key.reveal()), modes.ECB()).encryptor()  # noqa: S305 - one block: the spec's ICV and KCV
    return cipher.update(block) + cipher.finalize()


def aes_cbc_encrypt(key: Secret, iv: bytes, data: bytes) -> bytes:
    """AES-CBC without padding; ``data`` is a multiple of 16 bytes."""
    cipher = Cipher(AES(key.reveal()), modes.CBC(iv)).encryptor()
    return cipher.update(data) + cipher.finalize()


def aes_cbc_decrypt(key: Secret, iv: bytes, data: bytes) -> bytes:
    """The inverse of :func:`aes_cbc_encrypt`."""
    cipher = Cipher(AES(key.reveal()), modes.CBC(iv)).decryptor()
    return cipher.update(data) + cipher.finalize()


def derivation_inputs(constant: int, length: int, context: bytes) -> tuple[bytes, ...]:
    """What the CMACs run over, one after the other, whose outputs together make ``length`` bytes (§4.1.5).

    For a key ring whose key computes elsewhere.
    """
    head = bytes(11) + bytes((constant, 0)) + (length * 8).to_bytes(2, "big")
    return tuple(head + bytes((counter,)) + context for counter in range(1, -(-length // BLOCK) + 1))


def derive(key: Secret, constant: int, length: int, context: bytes) -> bytes:
    """``length`` bytes derived from ``key`` (Amd D §4.1.5)."""
    return b"".join(cmac(key, message) for message in derivation_inputs(constant, length, context))[:length]


def derive_session_keys(
    enc: Secret, mac: Secret, host_challenge: bytes, card_challenge: bytes
) -> SessionKeys:
    """S-ENC from K-ENC, S-MAC and S-RMAC from K-MAC, each as long as its static key (Amd D §6.2.1)."""
    context = host_challenge + card_challenge
    return SessionKeys(
        enc=Secret(derive(enc, S_ENC, len(enc), context)),
        mac=Secret(derive(mac, S_MAC, len(mac), context)),
        rmac=Secret(derive(mac, S_RMAC, len(mac), context)),
    )


def pseudo_random_challenge(enc: Secret, sequence: int, aid: bytes, length: int = 8) -> bytes:
    """The card challenge of i bit 10: from K-ENC, the 3-byte sequence counter and the AID of the
    security domain (Amd D §6.2.2.1). ``length`` is 8, in S16 mode 16."""
    return derive(enc, CARD_CHALLENGE, length, sequence.to_bytes(3, "big") + aid)


def key_check_value(key: Secret) -> bytes:
    """The first 3 bytes of AES(key, sixteen bytes 01) (Amd D §4.1.4)."""
    return aes_encrypt_block(key, b"\x01" * BLOCK)[:3]


def wrap_key(dek: Secret, key: Secret) -> bytes:
    """A key encrypted under the static DEK: AES-CBC, zero IV (Amd D §7.2).

    A 24-byte key is filled with zeros to the block; its true length travels beside it.
    """
    value = key.reveal()
    return aes_cbc_encrypt(dek, bytes(BLOCK), value + bytes(-len(value) % BLOCK))


def unwrap_key(dek: Secret, wrapped: bytes, length: int | None = None) -> Secret:
    """The inverse of :func:`wrap_key`. Raises ValueError when the lengths cannot be."""
    if not wrapped or len(wrapped) % BLOCK:
        raise ValueError(f"a wrapped key is a multiple of 16 bytes, got {len(wrapped)}")
    length = len(wrapped) if length is None else length
    if not len(wrapped) - BLOCK < length <= len(wrapped):
        raise ValueError(f"{length} key bytes do not make {len(wrapped)} wrapped bytes")
    return Secret(aes_cbc_decrypt(dek, bytes(BLOCK), wrapped)[:length])
