"""Keys of one card from a master key and the card's diversification data (pure functions).

``kdd`` are the ten bytes with which a card opens its answer to INITIALIZE UPDATE (GPC 2.3.1 §E.5.1.6);
``kid`` is 1 for ENC, 2 for MAC, 3 for DEK. The layouts, d being the bytes of ``kdd`` and p ``kid``:

=============== ============================================== =======================
scheme          block that is encrypted                        with
=============== ============================================== =======================
``visa``        d0..d3 d8 d9 F0 p, d0..d3 d8 d9 0F p           3DES-ECB of the master
``visa2``       d0 d1 d4..d7 F0 p, d0 d1 d4..d7 0F p           3DES-ECB of the master
``emv-cps-1.1`` d4..d9 F0 p, d4..d9 0F p                       3DES-ECB of the master
``kdf3``        for i = 1, 2: i 00 00 00 p 00 d0..d9           AES-CMAC of the master
=============== ============================================== =======================

The first three make 16-byte keys, which cards use for 3DES and for AES-128 alike. ``kdf3`` is the counter
mode of NIST SP 800-108 without a length field. Two cards that agree in the bytes a layout takes get the
same keys: ``visa2`` and ``emv-cps-1.1`` leave out bytes that name the fabricator.
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from .des import ecb_encrypt
from .secret import Secret

__all__ = ["SCHEMES", "diversify"]

KDD_LENGTH = 10
KEY_IDS = (1, 2, 3)
DES_KEY_LENGTH = 16
DES_MASTER_SIZES = (16, 24)
AES_SIZES = (16, 24, 32)

LAYOUTS: dict[str, Callable[[bytes], bytes]] = {
    "visa": lambda kdd: kdd[0:4] + kdd[8:10],
    "visa2": lambda kdd: kdd[0:2] + kdd[4:8],
    "emv-cps-1.1": lambda kdd: kdd[4:10],
}
KDF3 = "kdf3"
SCHEMES = (*LAYOUTS, KDF3)


def diversify(scheme: str, master: bytes, kdd: bytes, kid: int, length: int) -> bytes:
    """The key ``kid`` of the card with ``kdd``, ``length`` bytes.

    ``master`` has 16 or 24 bytes (3DES), for ``kdf3`` 16, 24 or 32 (AES). Raises ValueError for an
    unknown scheme and for lengths that the scheme does not have.
    """
    if scheme not in SCHEMES:
        raise ValueError(f"{scheme!r} is not a diversification; known: {', '.join(SCHEMES)}")
    if len(kdd) != KDD_LENGTH:
        raise ValueError(f"diversification data has {KDD_LENGTH} bytes, got {len(kdd)}")
    if kid not in KEY_IDS:
        raise ValueError(f"a key of a set is 1, 2 or 3, got {kid}")
    if scheme == KDF3:
        return _kdf3(master, kdd, kid, length)
    if len(master) not in DES_MASTER_SIZES:
        raise ValueError(f"a master key of {scheme} has 16 or 24 bytes, got {len(master)}")
    if length != DES_KEY_LENGTH:
        raise ValueError(f"{scheme} makes keys of {DES_KEY_LENGTH} bytes, not of {length}")
    half = LAYOUTS[scheme](kdd)
    return ecb_encrypt(Secret(master), half + bytes((0xF0, kid)) + half + bytes((0x0F, kid)))


def _kdf3(master: bytes, kdd: bytes, kid: int, length: int) -> bytes:
    if len(master) not in AES_SIZES or length not in AES_SIZES:
        raise ValueError(f"AES keys have 16, 24 or 32 bytes, got {len(master)} for {length}")
    return (_cmac_block(master, kdd, kid, 1) + _cmac_block(master, kdd, kid, 2))[:length]


def _cmac_block(master: bytes, kdd: bytes, kid: int, counter: int) -> bytes:
    mac = CMAC(AES(master))
    mac.update(bytes((counter, 0, 0, 0, kid, 0)) + kdd)
    return mac.finalize()
