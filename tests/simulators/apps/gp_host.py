"""A GlobalPlatform host for tests, after GlobalPlatformPro's dialogue; it shares no code with ``tegata``.

SCP03 with AES keys, S8, levels 01 and 33; every command carries Le = 00, and empty data is not encrypted.
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

DEFAULT = bytes(range(0x40, 0x50))
ISD = bytes.fromhex("A000000151000000")
Transmit = Callable[[bytes], bytes]


def cmac(key: bytes, message: bytes) -> bytes:
    mac = CMAC(algorithms.AES(key))
    mac.update(message)
    return mac.finalize()


def kdf(key: bytes, constant: int, bits: int, context: bytes) -> bytes:
    out, counter = b"", 0
    while len(out) * 8 < bits:
        counter += 1
        block = bytes(11) + bytes([constant]) + b"\0" + bits.to_bytes(2, "big") + bytes([counter])
        out += cmac(key, block + context)
    return out[: bits // 8]


def cbc(key: bytes, iv: bytes, data: bytes, *, decrypt: bool = False) -> bytes:
    cipher = Cipher(algorithms.AES(key), modes.CBC(iv))
    way = cipher.decryptor() if decrypt else cipher.encryptor()
    return way.update(data) + way.finalize()


def kcv(key: bytes) -> bytes:
    return cbc(key, bytes(16), b"\x01" * 16)[:3]


def block_with_length(dek: bytes, key: bytes) -> bytes:
    """PUT KEY block as Amendment D and GlobalPlatformPro write it."""
    wrapped = cbc(dek, bytes(16), key + bytes(-len(key) % 16))
    return bytes([0x88, len(wrapped) + 1, len(key)]) + wrapped + b"\x03" + kcv(key)


def block_without_length(dek: bytes, key: bytes) -> bytes:
    """PUT KEY block as yubikit and pySim write it."""
    wrapped = cbc(dek, bytes(16), key)
    return bytes([0x88, len(wrapped)]) + wrapped + b"\x03" + kcv(key)


class GpHost:
    """One session with static keys (ENC, MAC, DEK)."""

    def __init__(
        self, transmit: Transmit, keys: tuple[bytes, bytes, bytes] = (DEFAULT, DEFAULT, DEFAULT)
    ) -> None:
        self.transmit = transmit
        self.k_enc, self.k_mac, self.k_dek = keys
        self.level = 0
        self.chain = bytes(16)
        self.counter = 0

    def initialize_update(self, version: int = 0, challenge: bytes = bytes(range(8))) -> bytes:
        """Returns the answer with its status word; derives the session keys from a good one."""
        answer = self.transmit(bytes([0x80, 0x50, version, 0x00, 0x08]) + challenge + b"\0")
        if len(answer) == 34:
            context = challenge + answer[13:21]
            bits = len(self.k_enc) * 8
            self.s_enc = kdf(self.k_enc, 0x04, bits, context)
            self.s_mac = kdf(self.k_mac, 0x06, bits, context)
            self.s_rmac = kdf(self.k_mac, 0x07, bits, context)
            self.card_cryptogram = kdf(self.s_mac, 0x00, 64, context)
            self.host_cryptogram = kdf(self.s_mac, 0x01, 64, context)
        return answer

    def external_authenticate(self, level: int) -> bytes:
        self.level, self.chain, self.counter = 0x01, bytes(16), 0
        answer = self.transmit(self.secure(0x84, 0x82, level, 0x00, self.host_cryptogram, encrypt=False))
        self.level, self.counter = level, 0
        return answer

    def open(self, level: int = 0x01, version: int = 0) -> GpHost:
        answer = self.initialize_update(version)
        assert answer.endswith(b"\x90\x00"), answer.hex()
        assert answer[21:29] == self.card_cryptogram, "wrong card cryptogram"
        answer = self.external_authenticate(level)
        assert answer == b"\x90\x00", answer.hex()
        return self

    def secure(
        self,
        cla: int,
        ins: int,
        p1: int,
        p2: int,
        data: bytes = b"",
        *,
        encrypt: bool = True,
        le: bool = True,
    ) -> bytes:
        self.counter += 1
        if self.level & 0x02 and encrypt and data:
            iv = cbc(self.s_enc, bytes(16), self.counter.to_bytes(16, "big"))
            padded = data + b"\x80" + bytes(-(len(data) + 1) % 16)
            data = cbc(self.s_enc, iv, padded)
        head = bytes([cla | 0x04, ins, p1, p2, len(data) + 8])
        self.chain = cmac(self.s_mac, self.chain + head + data)
        return head + data + self.chain[:8] + (b"\0" if le else b"")

    def send(
        self, cla: int, ins: int, p1: int, p2: int, data: bytes = b"", *, le: bool = True
    ) -> tuple[bytes, int]:
        """Answer data and status word; R-MAC and R-ENC are checked when the level says so."""
        answer = self.transmit(self.secure(cla, ins, p1, p2, data, le=le))
        body, sw = answer[:-2], int.from_bytes(answer[-2:], "big")
        if self.level & 0x10 and (sw == 0x9000 or sw >> 8 in (0x62, 0x63)):
            body, mac = body[:-8], body[-8:]
            assert mac == cmac(self.s_rmac, self.chain + body + answer[-2:])[:8], "wrong R-MAC"
            if self.level & 0x20 and body:
                counter = b"\x80" + self.counter.to_bytes(15, "big")
                plain = cbc(self.s_enc, cbc(self.s_enc, bytes(16), counter), body, decrypt=True)
                body = plain.rstrip(b"\0")[:-1]
        return body, sw
