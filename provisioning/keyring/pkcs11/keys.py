"""A key on the token, as the rules of the ring use it (:class:`..keys.StaticKey`).

Keys are derived on the token with the mechanisms of PKCS #11 that encrypt data (PKCS #11 v3.1 §6.27):
``CKM_AES_ECB_ENCRYPT_DATA`` and ``CKM_DES3_ECB/CBC_ENCRYPT_DATA``, for which a master needs ``CKA_DERIVE``
and nothing else. Everything here is a session object, gone with :meth:`TokenKey.close` at the latest.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import pkcs11
from pkcs11 import Attribute, KeyType, Mechanism
from pkcs11.constants import DEFAULT

from ....apdu.errors import InputError, Words
from ....apdu.secret import Secret
from ..keys import BLOCK, CHECKED, MemoryKey, StaticKey, check_value, filled
from ..schemes import Aes, Cmac, Step, TripleDes

__all__ = ["CARD_KEY", "DES_TYPES", "VALUE", "TokenKey", "cmac_last_block", "key_type", "refused"]

AES_BLOCK = BLOCK["aes"]
DES_TYPES = {16: KeyType.DES2, 24: KeyType.DES3}
MODES = {
    ("aes", False): Mechanism.AES_ECB,
    ("aes", True): Mechanism.AES_CBC,
    ("3des", False): Mechanism.DES3_ECB,
    ("3des", True): Mechanism.DES3_CBC,
}
UNNAMED = "-"
RB = 0x87  # of the doubling in SP 800-38B §5.3

PLAIN_USES = (
    *(Attribute.ENCRYPT, Attribute.DECRYPT, Attribute.SIGN, Attribute.VERIFY),
    *(Attribute.WRAP, Attribute.UNWRAP, Attribute.DERIVE),
)


def _template(*uses: Attribute, sensitive: bool, extractable: bool) -> dict[Attribute, Any]:
    return {
        **{use: use in uses for use in PLAIN_USES},
        Attribute.TOKEN: False,
        Attribute.PRIVATE: True,
        Attribute.SENSITIVE: sensitive,
        Attribute.EXTRACTABLE: extractable,
    }


CARD_KEY = _template(
    *(Attribute.ENCRYPT, Attribute.DECRYPT, Attribute.SIGN, Attribute.WRAP, Attribute.DERIVE),
    sensitive=True,
    extractable=False,
)
"""A card's key while one operation runs: it computes, and does not come out."""
PARCEL = _template(sensitive=True, extractable=True)
"""A card's key on its way onto the card: it does nothing, and comes out encrypted alone."""
VALUE = _template(sensitive=False, extractable=True)
"""What may come out: session keys, digits of PINs, blocks inside a CMAC."""


def refused(what: Words) -> InputError:
    """The token does not do this; the worker, who answers for it, puts in its name."""
    return InputError("pkcs11.refused", token=UNNAMED, what=what)


def key_type(algorithm: str, length: int) -> KeyType:
    """``aes``, or ``3des`` with 16 or 24 bytes."""
    return KeyType.AES if algorithm == "aes" else DES_TYPES[length]


def cmac_last_block(message: bytes, encrypt: Callable[[bytes], bytes]) -> bytes:
    """The block whose encryption is the AES-CMAC of ``message`` (SP 800-38B §6.2).

    ``encrypt`` is AES of one block under the key: it is asked for that of zeros, from which the subkeys come,
    and for every block of the message but the last.
    """
    blocks = max(1, -(-len(message) // AES_BLOCK))
    head, last = message[: (blocks - 1) * AES_BLOCK], message[(blocks - 1) * AES_BLOCK :]
    subkey = _doubled(encrypt(bytes(AES_BLOCK)))
    if len(last) < AES_BLOCK:
        subkey = _doubled(subkey)
        last = (last + b"\x80").ljust(AES_BLOCK, b"\x00")
    chain = bytes(AES_BLOCK)
    for at in range(0, len(head), AES_BLOCK):
        chain = encrypt(_xor(chain, head[at : at + AES_BLOCK]))
    return _xor(_xor(chain, last), subkey)


def _doubled(block: bytes) -> bytes:
    number = int.from_bytes(block, "big") << 1
    carried = number ^ RB if number >> (8 * AES_BLOCK) else number
    return (carried & ((1 << (8 * AES_BLOCK)) - 1)).to_bytes(AES_BLOCK, "big")


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


class TokenKey:
    """One key object. ``derive_only`` for a master; ``owned`` when closing shall destroy it."""

    def __init__(self, key: Any, algorithm: str, length: int, *, derive_only: bool, owned: bool) -> None:
        self._key = key
        self._algorithm = algorithm
        self._length = length
        self._derive_only = derive_only
        self._owned = owned

    @property
    def algorithm(self) -> str:
        return self._algorithm

    def __len__(self) -> int:
        return self._length

    def derive(self, step: Step, algorithm: str, length: int) -> TokenKey:
        key = self._made(step, key_type(algorithm, length), length, CARD_KEY)
        return TokenKey(key, algorithm, length, derive_only=False, owned=True)

    def parcel(self, step: Step, length: int) -> TokenKey:
        """The derived key in the form that :meth:`encrypt_key` of another key of the token takes."""
        key = self._made(step, KeyType.GENERIC_SECRET, length, PARCEL)
        return TokenKey(key, "", length, derive_only=False, owned=True)

    def disclose(self, step: Step, length: int) -> Secret:
        if isinstance(step, Cmac) and not self._derive_only:
            self._needs("aes")  # the MACs alone come out, no block inside them
            return Secret(b"".join(map(self.cmac, step.messages))[:length])
        key = self._made(step, KeyType.GENERIC_SECRET, length, VALUE)
        try:
            return Secret(key[Attribute.VALUE])
        finally:
            key.destroy()

    def check_value(self) -> bytes:
        """As :func:`..keys.check_value`, of a master too: its first 3 bytes and no more come out."""
        if not self._derive_only:
            return check_value(self)
        if self._algorithm == "aes":
            return self._block(CHECKED["aes"], 3)
        return self.disclose(TripleDes(CHECKED["3des"]), 3).reveal()

    def cmac(self, data: bytes) -> bytes:
        self._needs("aes")
        return bytes(self._use("sign")(data, mechanism=Mechanism.AES_CMAC))

    def encrypt(self, data: bytes, *, cbc: bool = False) -> bytes:
        mechanism = MODES[self._algorithm, cbc]
        iv = bytes(BLOCK[self._algorithm]) if cbc else None
        return bytes(self._use("encrypt")(data, mechanism=mechanism, mechanism_param=iv))

    def decrypt(self, data: bytes) -> bytes:
        return bytes(self._use("decrypt")(data, mechanism=MODES[self._algorithm, False]))

    def encrypt_key(self, key: StaticKey, *, cbc: bool) -> bytes:
        if isinstance(key, TokenKey):
            self._needs("aes")
            wrap = self._use("wrap_key")
            return bytes(wrap(key._key, mechanism=Mechanism.AES_CBC, mechanism_param=bytes(AES_BLOCK)))
        if not isinstance(key, MemoryKey):
            raise TypeError("a key of neither this process nor its token")
        return self.encrypt(filled(self, key.value.reveal()), cbc=cbc)

    def _made(self, step: Step, kind: KeyType, length: int, template: dict[Attribute, Any]) -> Any:
        # The length of a DES key lies in its type: the attribute must not be given then.
        lengthless = {Attribute.VALUE_LEN: DEFAULT} if kind in DES_TYPES.values() else {}
        with self._mechanism(step) as (mechanism, parameter):
            return self._use("derive_key")(
                kind,
                8 * length,
                capabilities=0,
                mechanism=mechanism,
                mechanism_param=parameter,
                template={**template, **lengthless},
            )

    @contextmanager
    def _mechanism(self, step: Step) -> Iterator[tuple[Mechanism, bytes]]:
        match step:
            case Cmac(messages):
                self._needs("aes")
                blocks = (cmac_last_block(message, self._block) for message in messages)
                yield Mechanism.AES_ECB_ENCRYPT_DATA, b"".join(blocks)
            case Aes(data):
                self._needs("aes")
                yield Mechanism.AES_ECB_ENCRYPT_DATA, data
            case TripleDes(data, cbc):
                self._needs("3des")
                buffer = ctypes.create_string_buffer(data, len(data))
                address, size = ctypes.addressof(buffer), len(data)
                if cbc:
                    iv = (ctypes.c_ubyte * BLOCK["3des"])()
                    yield Mechanism.DES3_CBC_ENCRYPT_DATA, bytes(_CbcData(iv, address, size))
                else:
                    yield Mechanism.DES3_ECB_ENCRYPT_DATA, bytes(_StringData(address, size))
                del buffer  # until here the mechanism's parameter points into it

    def _block(self, block: bytes, length: int = AES_BLOCK) -> bytes:
        key = self._use("derive_key")(
            KeyType.GENERIC_SECRET,
            8 * length,
            capabilities=0,
            mechanism=Mechanism.AES_ECB_ENCRYPT_DATA,
            mechanism_param=block,
            template=VALUE,
        )
        try:
            return bytes(key[Attribute.VALUE])
        finally:
            key.destroy()

    def _use(self, name: str) -> Callable[..., Any]:
        """The method of the key object; the library leaves out those that the key's attributes forbid."""
        method: Callable[..., Any] | None = getattr(self._key, name, None)
        if method is None:
            raise refused(Words(f"a key there lacks the right to {name}", f"鍵に {name} の権限がありません"))
        return method

    def _needs(self, algorithm: str) -> None:
        if self._algorithm != algorithm:
            raise InputError(
                "keyring.reference", what=f"an {self._algorithm} key where {algorithm} is needed"
            )

    def close(self) -> None:
        if self._owned:
            self._owned = False
            self._key.destroy()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.close()
        except pkcs11.PKCS11Error:
            if error is None:  # else the error that is on its way says more
                raise


class _StringData(ctypes.Structure):
    """CK_KEY_DERIVATION_STRING_DATA; Windows packs the structures of PKCS #11 without gaps."""

    _pack_ = 1 if sys.platform == "win32" else 0
    _fields_ = (("data", ctypes.c_void_p), ("length", ctypes.c_ulong))


class _CbcData(ctypes.Structure):
    """CK_DES_CBC_ENCRYPT_DATA_PARAMS."""

    _pack_ = 1 if sys.platform == "win32" else 0
    _fields_ = (
        ("iv", ctypes.c_ubyte * BLOCK["3des"]),
        ("data", ctypes.c_void_p),
        ("length", ctypes.c_ulong),
    )
