"""A key that computes: in this process (:class:`MemoryKey`), or where it is kept.

:class:`StaticKey` is what a key ring needs of a key, so that the rules of the ring stand once, whoever holds
the bytes. Modes and paddings follow GPC 2.3.1 §B (3DES) and Amd D (AES).
"""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from ...apdu import des
from ...apdu.errors import InputError
from ...apdu.scp03.crypto import aes_cbc_decrypt, aes_cbc_encrypt, aes_encrypt_block, cmac
from ...apdu.secret import Secret
from .schemes import KEY_LENGTHS, Aes, Cmac, Step, TripleDes

__all__ = ["BLOCK", "CHECKED", "MemoryKey", "StaticKey", "check_value", "filled"]

BLOCK = {"aes": 16, "3des": 8}
CHECKED = {"aes": b"\x01" * 16, "3des": bytes(8)}
"""What a check value is made of."""


class StaticKey(Protocol):
    """A key of a ring, open until :meth:`close`. ``algorithm`` is ``aes`` or ``3des``.

    A method that the algorithm does not have raises InputError ``keyring.reference``.
    """

    @property
    def algorithm(self) -> str: ...
    def __len__(self) -> int: ...

    def derive(self, step: Step, algorithm: str, length: int) -> StaticKey:
        """The key whose bytes are the first ``length`` of what the step gives; it stays where this one is."""
        ...

    def disclose(self, step: Step, length: int) -> Secret:
        """The first ``length`` bytes of what the step gives: a session key, or a value for people."""
        ...

    def cmac(self, data: bytes) -> bytes:
        """AES-CMAC, 16 bytes."""
        ...

    def encrypt(self, data: bytes, *, cbc: bool = False) -> bytes:
        """Whole blocks, in ECB or in CBC with zero IV."""
        ...

    def decrypt(self, data: bytes) -> bytes:
        """Whole blocks, in ECB."""
        ...

    def encrypt_key(self, key: StaticKey, *, cbc: bool) -> bytes:
        """Another key under this one, filled with zeros to whole blocks."""
        ...

    def close(self) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


def check_value(key: StaticKey) -> bytes:
    """3 bytes: AES over sixteen bytes 01 (Amd D §4.1.4), 3DES over eight of 00 (GPC 2.3.1 §B.5)."""
    return key.encrypt(CHECKED[key.algorithm])[:3]


def filled(key: StaticKey, value: bytes) -> bytes:
    """``value`` with zeros up to whole blocks of ``key``."""
    return value + bytes(-len(value) % BLOCK[key.algorithm])


class MemoryKey:
    """A key in this process. Raises InputError ``keyring.reference`` for a length its algorithm lacks."""

    def __init__(self, value: Secret, algorithm: str) -> None:
        if len(value) not in KEY_LENGTHS[algorithm]:
            raise InputError("keyring.reference", what=f"a key of {len(value)} bytes for {algorithm}")
        self._value = value
        self._algorithm = algorithm

    @property
    def algorithm(self) -> str:
        return self._algorithm

    @property
    def value(self) -> Secret:
        """The bytes, for what belongs to this process alone."""
        return self._value

    def __len__(self) -> int:
        return len(self._value)

    def derive(self, step: Step, algorithm: str, length: int) -> MemoryKey:
        return MemoryKey(self.disclose(step, length), algorithm)

    def disclose(self, step: Step, length: int) -> Secret:
        match step:
            case Cmac(messages):
                out = b"".join(self.cmac(message) for message in messages)
            case TripleDes(data, cbc):
                self._needs("3des")
                out = self.encrypt(data, cbc=cbc)
            case Aes(data):
                self._needs("aes")
                out = self.encrypt(data)
        if len(out) < length:
            raise ValueError(f"the step gives {len(out)} bytes, {length} are wanted")
        return Secret(out[:length])

    def cmac(self, data: bytes) -> bytes:
        self._needs("aes")
        return cmac(self._value, data)

    def encrypt(self, data: bytes, *, cbc: bool = False) -> bytes:
        match self._algorithm, cbc:
            case "aes", True:
                return aes_cbc_encrypt(self._value, bytes(BLOCK["aes"]), data)
            case "aes", False:
                blocks = range(0, len(data), BLOCK["aes"])
                return b"".join(aes_encrypt_block(self._value, data[at : at + BLOCK["aes"]]) for at in blocks)
            case _, True:
                return des.cbc_encrypt(self._value, bytes(BLOCK["3des"]), data)
            case _:
                return des.ecb_encrypt(self._value, data)

    def decrypt(self, data: bytes) -> bytes:
        if self._algorithm == "3des":
            return des.ecb_decrypt(self._value, data)
        blocks = range(0, len(data), BLOCK["aes"])
        zero = bytes(BLOCK["aes"])
        return b"".join(aes_cbc_decrypt(self._value, zero, data[at : at + BLOCK["aes"]]) for at in blocks)

    def encrypt_key(self, key: StaticKey, *, cbc: bool) -> bytes:
        if not isinstance(key, MemoryKey):
            raise TypeError("a key of this process cannot encrypt one that is kept elsewhere")
        return self.encrypt(filled(self, key.value.reveal()), cbc=cbc)

    def _needs(self, algorithm: str) -> None:
        if self._algorithm != algorithm:
            raise InputError(
                "keyring.reference", what=f"an {self._algorithm} key where {algorithm} is needed"
            )

    def close(self) -> None:
        self._value.wipe()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
