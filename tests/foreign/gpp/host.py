"""A host that plays GlobalPlatformPro's dialogue byte for byte, written from a description of it alone.

It shares no code with ``tegata``: it imports the standard library and ``cryptography``, so what it and our
cards agree on was not agreed between two halves of one program. It sends what GlobalPlatformPro sends for
each verb, the needless commands included.

Every command of a session carries Le = 00. Before load, install and delete it reads the registry, which are
four GET STATUS at least, and again after every change. One thing is not played: with S16 it forgets the
longer MAC when it cuts the code into blocks, which no card can take.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

from .cap import CapFile
from .channel import ENC, MAC, RENC, RMAC, Channel, GpRefused, Keys, Scp02, Scp03
from .crypto import aes_cbc, aes_kcv, des_kcv
from .registry import Entry, ber, parse_status, tlv

DEFAULT = bytes(range(0x40, 0x50))
ISD = bytes.fromhex("A000000151000000")
SSD_PACKAGE, SSD_MODULE = bytes.fromhex("A0000001515350"), bytes.fromhex("A000000151535041")
OLD_SSD_PACKAGE, OLD_SSD_MODULE = bytes.fromhex("A0000000035350"), bytes.fromhex("A000000003535041")
INFO = ("9F7F", "0042", "0045", "00CF", "00C1", "0066", "0067", "00E0")
CHALLENGE = bytes(range(8))
SECURITY_DOMAIN = 0x80
Transmit = Callable[[bytes], bytes]
KeySet = Keys


def lv(*fields: bytes) -> bytes:
    return b"".join(bytes([len(field)]) + field for field in fields)


def block_with_length(dek: bytes, key: bytes) -> bytes:
    """An AES key of PUT KEY as Amendment D and GlobalPlatformPro write it, under the static DEK."""
    wrapped = aes_cbc(dek, bytes(16), key + bytes(-len(key) % 16))
    return bytes([0x88, len(wrapped) + 1, len(key)]) + wrapped + b"\x03" + aes_kcv(key)


def block_without_length(dek: bytes, key: bytes) -> bytes:
    """The same as yubikit and pySim write it."""
    wrapped = aes_cbc(dek, bytes(16), key)
    return bytes([0x88, len(wrapped)]) + wrapped + b"\x03" + aes_kcv(key)


def effective(modes: int) -> int:
    """ENC and R-MAC bring MAC with them, R-ENC brings ENC and R-MAC."""
    if modes & RENC:
        modes |= ENC | RMAC
    return modes | MAC if modes & (ENC | RMAC) else modes


class GpHost:
    """One session with one card, under static keys ENC, MAC, DEK."""

    def __init__(self, transmit: Transmit, keys: KeySet = (DEFAULT, DEFAULT, DEFAULT)) -> None:
        self._transmit = transmit
        self.keys = keys
        self.sent: list[bytes] = []
        self.domain = ISD
        self.block = 255
        self.version = 0
        self.protocol = 0
        self.channel: Channel | None = None
        self._registry: list[Entry] | None = None

    # What the channel consists of.

    def transmit(self, command: bytes) -> bytes:
        self.sent.append(command)
        return self._transmit(command)

    def select(self, aid: bytes = b"") -> bytes:
        """The FCI. Without an AID: whatever the card has selected, which has to name itself."""
        answer = self.transmit(bytes.fromhex("00A40400") + lv(aid) + (b"\0" if aid else b""))
        if not aid and answer[-2:] == b"\x6a\x87":
            return self.select(ISD)
        if answer[-2:] not in (b"\x90\x00", b"\x62\x83"):
            raise GpRefused("SELECT", int.from_bytes(answer[-2:], "big"))
        fci = dict(ber(answer[:-2])).get(0x6F, b"")
        fields = dict(ber(fci))
        if not aid and not fields.get(0x84):
            raise GpRefused("could not auto-detect the ISD's AID")
        self.domain = fields.get(0x84, b"") or aid
        if aid and (size := dict(ber(fields.get(0xA5, b""))).get(0x9F65)):
            self.block = min(self.block, int.from_bytes(size, "big"))
        return answer[:-2]

    def info(self) -> dict[str, bytes]:
        """The objects that ``--info`` asks for in plain text, as far as there are any."""
        found = {}
        for tag in INFO:
            answer = self.transmit(bytes.fromhex("80CA" + tag + "00"))
            if tag == "9F7F" and answer[-2:] != b"\x90\x00":
                answer = self.transmit(bytes.fromhex("00CA" + tag + "00"))
            if answer[-2:] == b"\x90\x00":
                found[tag] = answer[:-2]
            elif answer[-2:] != b"\x6a\x88":
                raise GpRefused(f"GET DATA {tag}", int.from_bytes(answer[-2:], "big"))
        return found

    def initialize_update(self, version: int = 0, challenge: bytes = CHALLENGE) -> bytes:
        """The answer with its status word. A card that wants sixteen bytes of challenge (S16) gets them."""
        answer = self._initialize_update(version, challenge)
        if answer[-2:] == b"\x67\x00" and len(challenge) == 8:
            challenge = challenge + challenge
            answer = self._initialize_update(version, challenge)
        if answer[-2:] != b"\x90\x00":
            return answer
        body = answer[:-2]
        self.version, self.protocol = body[10], body[11]
        if self.protocol == 0x02:
            if len(body) != 28:
                raise GpRefused(f"INITIALIZE UPDATE answered {len(body)} bytes")
            self.channel = Scp02(self.keys, challenge, body)
        elif self.protocol == 0x03:
            i = body[12]
            expected = 29 + (3 if i & 0x10 else 0) + (16 if i & 0x01 else 0)
            if len(body) != expected:
                raise GpRefused(f"INITIALIZE UPDATE answered {len(body)} bytes")
            self.channel = Scp03(self.keys, challenge, body)
        else:
            raise GpRefused(f"SCP{self.protocol:02X}")
        return answer

    def _initialize_update(self, version: int, challenge: bytes) -> bytes:
        return self.transmit(bytes([0x80, 0x50, version, 0x00]) + lv(challenge) + b"\0")

    def external_authenticate(self, level: int) -> bytes:
        """The answer. Sent whatever the card has proved; :meth:`open` looks first."""
        return self.transmit(self._open_channel().authenticate(level))

    def open(self, level: int = MAC, version: int = 0) -> GpHost:
        """The session, if the card proves itself. Raises GpRefused before anything else is sent."""
        answer = self.initialize_update(version)
        if answer[-2:] != b"\x90\x00":
            raise GpRefused("INITIALIZE UPDATE", int.from_bytes(answer[-2:], "big"))
        if version and self.version != version:
            raise GpRefused("the card used another key version")
        if not self._open_channel().proved:
            raise GpRefused("wrong card cryptogram")
        answer = self.external_authenticate(effective(level))
        if answer != b"\x90\x00":
            raise GpRefused("EXTERNAL AUTHENTICATE", int.from_bytes(answer[-2:], "big"))
        return self

    def _open_channel(self) -> Channel:
        assert self.channel is not None, "INITIALIZE UPDATE comes first"
        return self.channel

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
        """The next command of the channel, not sent."""
        return self._open_channel().wrap(cla, ins, p1, p2, data, encrypt=encrypt, le=le)

    def send(
        self, cla: int, ins: int, p1: int, p2: int, data: bytes = b"", *, le: bool = True
    ) -> tuple[bytes, int]:
        """Answer data and status word; R-MAC and R-ENC are checked when the level says so."""
        answer = self.transmit(self.secure(cla, ins, p1, p2, data, le=le))
        return self._open_channel().unwrap(answer)

    def expect(self, what: str, ins: int, p1: int, p2: int, data: bytes = b"") -> bytes:
        """A command whose answer must end with 9000."""
        body, sw = self.send(0x80, ins, p1, p2, data)
        if sw != 0x9000:
            raise GpRefused(what, sw)
        return body

    # The verbs.

    def list(self) -> list[Entry]:
        """``--list``: issuer, applications and domains, packages with their modules, packages."""
        self._registry = []
        for p1 in (0x80, 0x40, 0x10, 0x20):
            self._registry += parse_status(p1, self._get_status(p1))
        return self._registry

    def _get_status(self, p1: int) -> bytes:
        found, sw = self.send(0x80, 0xF2, p1, 0x02, b"\x4f\x00")
        while sw == 0x6310 and found:
            more, sw = self.send(0x80, 0xF2, p1, 0x03, b"\x4f\x00")
            found += more
            if sw not in (0x9000, 0x6310):
                raise GpRefused("GET STATUS", sw)
        return found

    def _looked_up(self) -> list[Entry]:
        """The registry as far as it is known to be current. The selected domain must be in it."""
        registry = self.list() if self._registry is None else self._registry
        if all(entry.aid != self.domain for entry in registry if entry.kind in ("ISD", "SSD")):
            raise GpRefused("current domain not in registry?")
        return registry

    def load(self, cap: CapFile, *, to: bytes = b"", hash_name: str = "", dap: bytes = b"") -> None:
        """``--load``. ``dap``: a ready DAP block (E2 …) that goes before the code."""
        if any(entry.aid == cap.package for entry in self._looked_up()):
            raise GpRefused("the package is on the card already")
        digest = hashlib.new(hash_name, cap.digests_of or cap.code).digest() if hash_name else b""
        fields = lv(cap.package, to or self.domain, digest, b"", b"")
        self.expect("INSTALL for load", 0xE6, 0x02, 0x00, fields)
        stream = dap + tlv(0xC4, cap.code)
        room = self._block()
        blocks = [stream[at : at + room] for at in range(0, len(stream), room)]
        for number, block in enumerate(blocks):
            last = 0x80 if number == len(blocks) - 1 else 0x00
            self.expect(f"LOAD {number}", 0xE8, last, number & 0xFF, block)
        self._registry = None

    def _block(self) -> int:
        channel = self._open_channel()
        if not channel.level & ENC:
            return self.block - channel.mac_length
        return self.block - 16 if channel.mac_length == 8 else (self.block - 16) // 16 * 16 - 1

    def install_only(
        self,
        package: bytes,
        module: bytes,
        instance: bytes = b"",
        *,
        privileges: bytes = b"\0",
        parameters: bytes = b"",
    ) -> None:
        """INSTALL for install and make selectable."""
        self._looked_up()
        if not parameters.startswith(b"\xc9"):
            parameters = tlv(0xC9, parameters)
        fields = lv(package, module, instance or module, privileges, parameters, b"")
        self.expect("INSTALL for install", 0xE6, 0x0C, 0x00, fields)
        self._registry = None

    def install(self, cap: CapFile, *, parameters: bytes = b"", privileges: bytes = b"\0") -> None:
        """``--install``: load, then the one applet under its own AID."""
        self.load(cap)
        (module,) = cap.applets
        self.install_only(cap.package, module, privileges=privileges, parameters=parameters)

    def delete(self, aid: bytes, *, dependents: bool = False) -> None:
        """``--delete``; with ``dependents`` as ``--uninstall`` and ``-f`` do it."""
        self._looked_up()
        self.expect("DELETE", 0xE4, 0x00, 0x80 if dependents else 0x00, b"\x4f" + lv(aid))
        self._registry = None

    def create_domain(self, aid: bytes, *, scp: bytes = b"") -> None:
        """``--domain``: an SSD of whichever of the two usual packages the card has."""
        known = {entry.aid for entry in self._looked_up()}
        old = OLD_SSD_PACKAGE in known
        package, module = (OLD_SSD_PACKAGE, OLD_SSD_MODULE) if old else (SSD_PACKAGE, SSD_MODULE)
        channel = self._open_channel()
        kind = scp or bytes([self.protocol, channel.i if isinstance(channel, Scp03) else 0x15])
        parameters = tlv(0xC9, tlv(0x81, kind) + bytes.fromhex("82022020 87022020"))
        self.install_only(package, module, aid, privileges=bytes([SECURITY_DOMAIN]), parameters=parameters)

    def extradite(self, aid: bytes, to: bytes) -> None:
        """``--move``."""
        self.expect("INSTALL for extradition", 0xE6, 0x10, 0x00, lv(to, b"", aid, b"", b"", b""))
        self._registry = None

    def make_default(self, aid: bytes) -> None:
        """``--make-default``."""
        self.expect("INSTALL for make selectable", 0xE6, 0x08, 0x00, lv(b"", b"", aid, b"\x04", b"", b""))
        self._registry = None

    def personalize(self, aid: bytes, blocks: Iterable[bytes], *, kind: int = 0x00) -> None:
        """``--personalize``: INSTALL for personalisation, then its data. ``kind``: bits of P1."""
        self.expect("INSTALL for personalisation", 0xE6, 0x20, 0x00, lv(b"", b"", aid, b"", b"", b""))
        self.store_data(blocks, kind=kind)

    def store_data(self, blocks: Iterable[bytes], *, kind: int = 0x00) -> None:
        """``--store-data``: numbered blocks, the last one marked."""
        chunks = list(blocks)
        for number, block in enumerate(chunks):
            last = 0x80 if number == len(chunks) - 1 else 0x00
            self.expect(f"STORE DATA {number}", 0xE2, kind | last, number, block)

    def rename_isd(self, aid: bytes) -> None:
        """``--rename-isd``."""
        self.expect("STORE DATA", 0xE2, 0x90, 0x00, b"\x4f" + lv(aid))

    # Keys and life cycles.

    def key_template(self) -> list[tuple[int, int, int]]:
        """E0: key id, version and type of each key."""
        body, sw = self.send(0x80, 0xCA, 0x00, 0xE0)
        if sw != 0x9000:
            return []
        outer = dict(ber(body)).get(0xE0, b"")
        return [(value[0], value[1], value[2]) for tag, value in ber(outer) if tag == 0xC0]

    def key_block(self, key: bytes, *, aes: bool) -> bytes:
        """One key of PUT KEY. Keys of 24 bytes are filled up, which GlobalPlatformPro gets wrong."""
        wrapped = self._open_channel().encrypt_key(key)
        if aes:
            return bytes([0x88, len(wrapped) + 1, len(key)]) + wrapped + b"\x03" + aes_kcv(key)
        return bytes([0x80, len(wrapped)]) + wrapped + b"\x03" + des_kcv(key)

    def put_keys(self, keys: KeySet, version: int, *, replace: int = 0) -> bytes:
        """PUT KEY of a whole set; the answer, which GlobalPlatformPro does not look at."""
        aes = self.protocol == 0x03
        data = bytes([version]) + b"".join(self.key_block(key, aes=aes) for key in keys)
        return self.expect("PUT KEY", 0xD8, replace, 0x81, data)

    def lock(self, keys: KeySet) -> int:
        """``--lock``: the card's keys become ``keys``; the version that they have then."""
        versions = [version for _, version, _ in self.key_template()]
        if not versions or versions[0] == 0xFF:
            self.put_keys(keys, 1)
            return 1
        self.put_keys(keys, versions[0], replace=versions[0])
        return versions[0]

    def delete_key(self, version: int) -> None:
        """``--delete-key``."""
        self.expect("DELETE KEY", 0xE4, 0x00, 0x00, bytes([0xD2, 0x01, version]))

    def set_application(self, aid: bytes, *, locked: bool) -> None:
        """``--lock-applet`` and ``--unlock-applet``."""
        self.expect("SET STATUS", 0xF0, 0x40, 0x80 if locked else 0x00, aid)
        self._registry = None

    def set_card(self, state: int) -> None:
        """``--initialize-card`` 07, ``--secure-card`` 0F, ``--lock-card`` 7F."""
        self.expect("SET STATUS", 0xF0, 0x80, state)
        self._registry = None
