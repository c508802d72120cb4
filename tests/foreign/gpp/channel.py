"""The two secure channels as GlobalPlatformPro drives them: ``wrap`` a command, ``unwrap`` its answer."""

from __future__ import annotations

from typing import Protocol

from .crypto import (
    ZERO8,
    ZERO16,
    aes_cbc,
    cmac,
    des_cbc,
    des_ecb,
    des_mac,
    kdf,
    pad80,
    retail_mac,
    unpad80,
)

MAC, ENC, RMAC, RENC = 0x01, 0x02, 0x10, 0x20
Keys = tuple[bytes, bytes, bytes]
"""ENC, MAC, DEK."""


class GpRefused(Exception):
    """The card answered something else than the dialogue goes on with."""

    def __init__(self, what: str, sw: int = 0) -> None:
        self.sw = sw
        super().__init__(f"{what}: {sw:04X}" if sw else what)


class Channel(Protocol):
    """Session keys after INITIALIZE UPDATE; an open channel after EXTERNAL AUTHENTICATE."""

    level: int
    mac_length: int
    card_cryptogram: bytes
    host_cryptogram: bytes
    proved: bool
    """Whether the card's cryptogram was the right one."""

    def authenticate(self, level: int) -> bytes:
        """EXTERNAL AUTHENTICATE for ``level``."""

    def wrap(
        self,
        cla: int,
        ins: int,
        p1: int,
        p2: int,
        data: bytes = b"",
        *,
        encrypt: bool = True,
        le: bool = True,
    ) -> bytes: ...

    def unwrap(self, answer: bytes) -> tuple[bytes, int]: ...

    def encrypt_key(self, key: bytes) -> bytes:
        """``key`` under the channel's DEK."""


def succeeded(sw: int) -> bool:
    return sw == 0x9000 or sw >> 8 in (0x62, 0x63)


class Scp03:
    """SCP03 with AES-128, -192 or -256, S8 or S16."""

    def __init__(self, keys: Keys, host_challenge: bytes, answer: bytes) -> None:
        enc, mac, self.dek = keys
        self.i = answer[12]
        self.mac_length = size = 16 if self.i & 0x01 else 8
        self.card_challenge, sent = answer[13 : 13 + size], answer[13 + size : 13 + 2 * size]
        context = host_challenge + self.card_challenge
        bits = len(enc) * 8
        self.s_enc = kdf(enc, 0x04, bits, context)
        self.s_mac = kdf(mac, 0x06, bits, context)
        self.s_rmac = kdf(mac, 0x07, bits, context)
        self.card_cryptogram = kdf(self.s_mac, 0x00, size * 8, context)
        self.host_cryptogram = kdf(self.s_mac, 0x01, size * 8, context)
        self.proved = sent == self.card_cryptogram
        self.level = 0
        self.chain, self.counter = ZERO16, 0

    @classmethod
    def with_session(cls, enc: bytes, mac: bytes, rmac: bytes) -> Scp03:
        """S8, with session keys that were made elsewhere; nothing is open yet."""
        channel = cls((enc, mac, enc), bytes(8), bytes(29))
        channel.s_enc, channel.s_mac, channel.s_rmac = enc, mac, rmac
        return channel

    def challenge_is(self, enc: bytes, aid: bytes, answer: bytes) -> bool:
        """Is the card's challenge the pseudo-random one of this sequence counter (i bit 10)?"""
        context = answer[-3:] + aid
        return self.card_challenge == kdf(enc, 0x02, self.mac_length * 8, context)

    def authenticate(self, level: int) -> bytes:
        self.level, self.chain = MAC, ZERO16
        command = self.wrap(0x80, 0x82, level, 0x00, self.host_cryptogram)
        self.level, self.counter = level, 0
        return command

    def wrap(
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
        tail = b"\0" if le else b""
        self.counter += 1
        if not self.level & MAC:
            return bytes([cla, ins, p1, p2]) + (bytes([len(data)]) + data if data else b"") + tail
        if self.level & ENC and encrypt and data:
            iv = aes_cbc(self.s_enc, ZERO16, self.counter.to_bytes(16, "big"))
            data = aes_cbc(self.s_enc, iv, pad80(data, 16))
        head = bytes([cla | 0x04, ins, p1, p2, len(data) + self.mac_length])
        self.chain = cmac(self.s_mac, self.chain + head + data)
        return head + data + self.chain[: self.mac_length] + tail

    def unwrap(self, answer: bytes) -> tuple[bytes, int]:
        """Raises GpRefused when the R-MAC is wrong."""
        body, sw = answer[:-2], int.from_bytes(answer[-2:], "big")
        if self.level & RMAC and succeeded(sw):
            size = self.mac_length
            body, mac = body[:-size], body[-size:]
            if mac != cmac(self.s_rmac, self.chain + body + answer[-2:])[:size]:
                raise GpRefused("wrong R-MAC")
            if self.level & RENC and body:
                icv = aes_cbc(self.s_enc, ZERO16, b"\x80" + self.counter.to_bytes(15, "big"))
                body = unpad80(aes_cbc(self.s_enc, icv, body, decrypt=True))
        return body, sw

    def encrypt_key(self, key: bytes) -> bytes:
        return aes_cbc(self.dek, ZERO16, key + bytes(-len(key) % 16))


class Scp02:
    """SCP02 as i = 15 and 55: MAC over the plain command with the changed header, encrypted ICV."""

    mac_length = 8

    def __init__(self, keys: Keys, host_challenge: bytes, answer: bytes) -> None:
        enc, mac, dek = keys
        self.sequence, self.card_challenge = answer[12:14], answer[14:20]
        self.s_enc, self.s_mac = self._session(enc, 0x0182), self._session(mac, 0x0101)
        self.s_rmac, self.s_dek = self._session(mac, 0x0102), self._session(dek, 0x0181)
        from_card = self.sequence + self.card_challenge
        self.card_cryptogram = des_mac(self.s_enc, host_challenge + from_card)
        self.host_cryptogram = des_mac(self.s_enc, from_card + host_challenge)
        self.proved = answer[20:28] == self.card_cryptogram
        self.level = 0
        self.mac = self.response_chain = ZERO8
        self._sent = b""

    def _session(self, key: bytes, constant: int) -> bytes:
        return des_cbc(key, ZERO8, constant.to_bytes(2, "big") + self.sequence + bytes(12))

    def authenticate(self, level: int) -> bytes:
        self.level, self.mac = MAC, ZERO8
        command = self.wrap(0x80, 0x82, level, 0x00, self.host_cryptogram)
        self.level, self.response_chain = level, self.mac
        return command

    def wrap(
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
        tail = b"\0" if le else b""
        self._sent = bytes([cla, ins, p1, p2, len(data)]) + data
        if not self.level & MAC:
            return bytes([cla, ins, p1, p2]) + (bytes([len(data)]) + data if data else b"") + tail
        icv = self.mac if self.mac == ZERO8 else des_cbc(self.s_mac[:8], ZERO8, self.mac)
        header = bytes([cla | 0x04, ins, p1, p2])
        self.mac = retail_mac(self.s_mac, icv, header + bytes([len(data) + 8]) + data)
        if self.level & ENC and encrypt and data:
            data = des_cbc(self.s_enc, ZERO8, pad80(data, 8))
        return header + bytes([len(data) + 8]) + data + self.mac + tail

    def unwrap(self, answer: bytes) -> tuple[bytes, int]:
        """Raises GpRefused when the R-MAC is wrong. Errors come bare, but the chain goes on over them."""
        body, sw = answer[:-2], answer[-2:]
        number = int.from_bytes(sw, "big")
        if not self.level & RMAC:
            return body, number
        body, mac = (body[:-8], body[-8:]) if succeeded(number) else (body, b"")
        covered = self._sent + bytes([len(body)]) + body + sw
        self.response_chain = retail_mac(self.s_rmac, self.response_chain, covered)
        if succeeded(number) and mac != self.response_chain:
            raise GpRefused("wrong R-MAC")
        return body, number

    def encrypt_key(self, key: bytes) -> bytes:
        return des_ecb(self.s_dek, key)
