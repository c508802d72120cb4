"""What the tests of content management share: an empty GlobalPlatform card, and domains on it."""

from __future__ import annotations

from typing import Any

from tegata.simulators.card import MemoryStore, SimulatedCard
from tegata.simulators.card.device import seeded
from tegata.simulators.presets import memory, with_quirks

from ...foreign.gpp.cap import CapFile, build_cap, read_cap
from ...foreign.gpp.channel import Scp03
from ...foreign.gpp.host import SSD_MODULE, SSD_PACKAGE, lv
from .gp_host import DEFAULT, GpHost, block_with_length, cbc, cmac, kcv

PACKAGE, MODULE = bytes.fromhex("A00000000101"), bytes.fromhex("A0000000010101")
"""Those of the published token vectors (facts §3.5)."""
SSD = bytes.fromhex("F0746567617461AA")
SSD_KEYS = tuple(bytes([n]) * 16 for n in (0x11, 0x22, 0x33))


def card_of(content: dict[str, bytes]) -> SimulatedCard:
    card = SimulatedCard(MemoryStore(content), entropy=seeded(b"management"), contactless=False)
    card.power_up()
    return card


def gp_card(quirks: dict[str, bool | int] | None = None, **options: Any) -> SimulatedCard:
    return card_of(with_quirks(memory("gp-card", 7, **options), quirks or {}))


def session(card: SimulatedCard, domain: bytes = b"", level: int = 0x03) -> GpHost:
    host = GpHost(card.transmit, SSD_KEYS if domain else (DEFAULT, DEFAULT, DEFAULT))  # type: ignore[arg-type]
    host.select(domain)
    return host.open(level)


def cap(package: bytes = PACKAGE, module: bytes = MODULE, size: int = 200) -> CapFile:
    return read_cap(build_cap(package, module, size))


def install(
    host: GpHost,
    package: bytes,
    module: bytes,
    instance: bytes,
    *,
    privileges: str = "00",
    parameters: str = "C900",
    token: bytes = b"",
    p1: int = 0x0C,
) -> tuple[bytes, int]:
    fields = lv(package, module, instance, bytes.fromhex(privileges), bytes.fromhex(parameters), token)
    return host.send(0x80, 0xE6, p1, 0x00, fields)


def domain(card: SimulatedCard, aid: bytes = SSD, privileges: str = "80", parameters: str = "C900") -> int:
    """A supplementary domain with keys of its own, version 20. The status word of its INSTALL."""
    host = session(card)
    sw = install(host, SSD_PACKAGE, SSD_MODULE, aid, privileges=privileges, parameters=parameters)[1]
    if sw == 0x9000:
        host.personalize(aid, [key_groupings()[:100], key_groupings()[100:]], kind=0x28)
    return sw


def key_groupings() -> bytes:
    described = b"".join(
        b"\xb9" + lv(bytes.fromhex("800188810110") + bytes([0x82, 1, n, 0x83, 1, 0x20, 0x84, 3]) + kcv(key))
        for n, key in enumerate(SSD_KEYS, start=1)
    )
    values = b"".join(bytes.fromhex("811310") + cbc(DEFAULT, bytes(16), key) for key in SSD_KEYS)
    return bytes.fromhex("00B9") + lv(described) + values


def put_aes(host: GpHost, version: int, key: bytes = DEFAULT, dek: bytes = DEFAULT) -> None:
    host.expect("PUT KEY", 0xD8, 0x00, 0x01, bytes([version]) + block_with_length(dek, key))


def send_long(host: GpHost, ins: int, p1: int, p2: int, data: bytes, *, segmented: bool) -> int:
    """A command of any length under SCP03 with C-MAC alone: in the extended form, or in the pieces with bit 8
    of P1 that GlobalPlatformPro makes of it. The C-MAC is over the whole, with Lc as it would be sent."""
    channel = host.channel
    assert isinstance(channel, Scp03)
    assert channel.level == 0x01
    if len(data) + 8 <= 0xFF:
        return host.send(0x80, ins, p1, p2, data)[1]
    size = len(data) + 8
    head = bytes([0x84, ins, p1, p2])
    long = b"\x00" + size.to_bytes(2, "big")
    channel.counter += 1
    channel.chain = cmac(channel.s_mac, channel.chain + head + long + data)
    body = data + channel.chain[:8]
    if not segmented:
        answer = host.transmit(head + long + body + b"\x00\x00")
        return int.from_bytes(answer[-2:], "big")
    pieces = [body[at : at + 255] for at in range(0, size, 255)]
    for number, piece in enumerate(pieces, start=1):
        more = 0x80 if number < len(pieces) else 0x00
        answer = host.transmit(bytes([0x84, ins, p1 | more, p2]) + lv(piece) + b"\x00")
    return int.from_bytes(answer[-2:], "big")
