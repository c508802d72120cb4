"""The primitives of SCP02 and SCP03, on ``cryptography`` alone."""

from __future__ import annotations

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

ZERO8, ZERO16 = bytes(8), bytes(16)


def pad80(data: bytes, block: int) -> bytes:
    """80 and zeros up to the block."""
    return data + b"\x80" + bytes(-(len(data) + 1) % block)


def unpad80(data: bytes) -> bytes:
    stripped = data.rstrip(b"\0")
    assert stripped.endswith(b"\x80"), f"wrong padding in {data.hex()}"
    return stripped[:-1]


def cmac(key: bytes, message: bytes) -> bytes:
    mac = CMAC(AES(key))
    mac.update(message)
    return mac.finalize()


def aes_cbc(key: bytes, iv: bytes, data: bytes, *, decrypt: bool = False) -> bytes:
    cipher = Cipher(AES(key), modes.CBC(iv))
    way = cipher.decryptor() if decrypt else cipher.encryptor()
    return way.update(data) + way.finalize()


def des_cbc(key: bytes, iv: bytes, data: bytes, *, decrypt: bool = False) -> bytes:
    """Two-key 3DES for 16 bytes of key, single DES for 8."""
    whole = {8: key * 3, 16: key + key[:8], 24: key}[len(key)]
    cipher = Cipher(TripleDES(whole), modes.CBC(iv))
    way = cipher.decryptor() if decrypt else cipher.encryptor()
    return way.update(data) + way.finalize()


def des_ecb(key: bytes, data: bytes) -> bytes:
    return b"".join(des_cbc(key, ZERO8, data[at : at + 8]) for at in range(0, len(data), 8))


def retail_mac(key: bytes, iv: bytes, message: bytes) -> bytes:
    """Single DES in CBC with the left half, the last block in 3DES (ISO 9797-1 algorithm 3), padded."""
    padded = pad80(message, 8)
    if len(padded) > 8:
        iv = des_cbc(key[:8], iv, padded[:-8])[-8:]
    return des_cbc(key, iv, padded[-8:])


def des_mac(key: bytes, message: bytes) -> bytes:
    """3DES in every block, padded: the cryptograms of SCP02."""
    return des_cbc(key, ZERO8, pad80(message, 8))[-8:]


def kdf(key: bytes, constant: int, bits: int, context: bytes) -> bytes:
    """SP 800-108 in counter mode with AES-CMAC, as SCP03 lays it out."""
    out, counter = b"", 0
    while len(out) * 8 < bits:
        counter += 1
        label = bytes(11) + bytes([constant, 0]) + bits.to_bytes(2, "big") + bytes([counter])
        out += cmac(key, label + context)
    return out[: bits // 8]


def kdf3(master: bytes, number: int, diversification: bytes) -> bytes:
    """GlobalPlatformPro's ``kdf3`` for key ``number`` (1 ENC, 2 MAC, 3 DEK); as long as the master."""
    out, counter = b"", 0
    while len(out) < len(master):
        counter += 1
        out += cmac(master, bytes([counter, 0, 0, 0, number, 0]) + diversification)
    return out[: len(master)]


def aes_kcv(key: bytes) -> bytes:
    return aes_cbc(key, ZERO16, b"\x01" * 16)[:3]


def des_kcv(key: bytes) -> bytes:
    return des_cbc(key, ZERO8, ZERO8)[:3]
