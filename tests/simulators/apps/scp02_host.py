"""A host of SCP02 in all its variants, written from annex E alone: no line of it comes from ``tegata``.

It stands on the primitives of the independent GlobalPlatformPro host (``cryptography`` only).
"""

from __future__ import annotations

from collections.abc import Callable

from ...foreign.gpp.crypto import ZERO8, des_cbc, des_ecb, des_mac, pad80, retail_mac

DEFAULT = bytes(range(0x40, 0x50))
C_MAC, C_ENC, R_MAC = 0x01, 0x02, 0x10
Transmit = Callable[[bytes], bytes]


class Refused(Exception):
    """The card's answer is not what the protocol says."""


class Scp02Host:
    """One channel, on logical channel ``number``; ``i`` is what the card is known to speak."""

    def __init__(
        self,
        transmit: Transmit,
        i: int,
        keys: tuple[bytes, bytes, bytes] = (DEFAULT, DEFAULT, DEFAULT),
        number: int = 0,
    ) -> None:
        self.transmit = transmit
        self.i = i
        enc, mac, dek = keys
        self.enc, self.mac, self.dek = (enc, mac, dek) if i & 0x01 else (enc, enc, enc)
        self.number = number
        self.level = 0
        self.every = False
        self.last_mac = ZERO8
        self.plain_icv = True
        self.r_start = self.r_chain = ZERO8

    # Opening.

    def initialize_update(self, version: int = 0, challenge: bytes = bytes(range(8))) -> bytes:
        """The data of the answer; raises Refused unless the card proves itself."""
        answer = self.transmit(bytes((0x80 | self.number, 0x50, version, 0, 8)) + challenge + b"\0")
        if answer[-2:] != b"\x90\x00":
            raise Refused(answer.hex())
        data = answer[:-2]
        if len(data) != 28 or data[11] != 0x02:
            raise Refused(data.hex())
        self.sequence, self.card_challenge = data[12:14], data[14:20]
        self._derive(self.sequence, self.sequence)
        self.host_cryptogram = des_mac(self.s_enc, self.sequence + self.card_challenge + challenge)
        if data[20:] != des_mac(self.s_enc, challenge + self.sequence + self.card_challenge):
            raise Refused("the card's cryptogram is wrong")
        return data

    def external_authenticate(self, level: int, *, cryptogram: bytes = b"", mac: bytes = b"") -> int:
        """The status word."""
        self.level = C_MAC
        command = self.wrap(0x80, 0x82, level, 0x00, cryptogram or self.host_cryptogram)
        sent = command[:-8] + (mac or command[-8:])
        self.r_start = self.r_chain = self.last_mac
        self.level, self.every = level, bool(level & R_MAC)
        return int.from_bytes(self.transmit(sent)[-2:], "big")

    def open(self, level: int, version: int = 0) -> Scp02Host:
        self.initialize_update(version)
        sw = self.external_authenticate(level)
        if sw != 0x9000:
            raise Refused(f"{sw:04X}")
        return self

    def implicit(self, sequence: int, aid: bytes) -> Scp02Host:
        """Nothing is sent: the next command opens the channel."""
        self._derive(sequence.to_bytes(2, "big"), (sequence + 1).to_bytes(2, "big"))
        self.level, self.plain_icv = C_MAC, True
        self.last_mac = retail_mac(self.s_mac, ZERO8, aid)
        self.r_start = self.r_chain = retail_mac(self.s_rmac, ZERO8, aid)
        return self

    def _derive(self, now: bytes, later: bytes) -> None:
        def derived(key: bytes, constant: int, counter: bytes) -> bytes:
            return des_cbc(key, ZERO8, constant.to_bytes(2, "big") + counter + bytes(12))

        self.s_enc = derived(self.enc, 0x0182, now)
        self.s_mac = derived(self.mac, 0x0101, now)
        self.s_rmac = derived(self.mac, 0x0102, later)
        self.s_dek = derived(self.dek, 0x0181, later)

    # Carrying.

    def wrap(self, cla: int, ins: int, p1: int, p2: int, data: bytes = b"") -> bytes:
        if not self.level & C_MAC:
            return bytes((cla | self.number, ins, p1, p2)) + (bytes((len(data),)) + data if data else b"")
        icv = self.last_mac
        if self.i & 0x10 and not self.plain_icv:
            icv = des_cbc(self.s_mac[:8], ZERO8, icv)
        if self.i & 0x02:
            covered = bytes((cla, ins, p1, p2, len(data))) + data
        else:
            covered = bytes((cla | 0x04, ins, p1, p2, len(data) + 8)) + data
        first = self.plain_icv and not self.i & 0x08
        self.last_mac = retail_mac(self.s_mac, ZERO8 if first else icv, covered)
        self.plain_icv = False
        if self.level & C_ENC and data:
            data = des_cbc(self.s_enc, ZERO8, pad80(data, 8))
        body = data + self.last_mac
        return bytes((cla | 0x04 | self.number, ins, p1, p2, len(body))) + body

    def send(self, text: str, data: bytes = b"", *, le: bool = True) -> tuple[bytes, int]:
        """A command by its header in hex; data and status word of the answer, its R-MAC verified."""
        cla, ins, p1, p2 = bytes.fromhex(text)
        command = self.wrap(cla, ins, p1, p2, data)
        answer = self.transmit(command + (b"\0" if le else b""))
        body, sw = answer[:-2], answer[-2:]
        if not self.every:
            return body, int.from_bytes(sw, "big")
        good = sw == b"\x90\x00" or sw[0] in (0x62, 0x63)
        if good and len(body) < 8:
            raise Refused("no R-MAC")
        plain = body[:-8] if good else b""
        self.chain(bytes((cla, ins, p1, p2, len(data))) + data, plain, sw)
        if good and body[-8:] != self.r_chain:
            raise Refused("wrong R-MAC")
        return plain, int.from_bytes(sw, "big")

    def chain(self, command: bytes, plain: bytes, sw: bytes) -> None:
        """One command and its answer into the chain of R-MACs."""
        self.r_chain = retail_mac(
            self.s_rmac, self.r_chain, command + bytes((len(plain) % 256,)) + plain + sw
        )

    def encrypt_key(self, key: bytes) -> bytes:
        return des_ecb(self.s_dek, key) if self.i & 0x04 else des_cbc(self.s_dek, ZERO8, key)
