"""A host that is authenticated and sends nonsense: every answer is a status word of the card's own, and the
card lives on."""

from __future__ import annotations

import random

import pytest

from tegata.applets.piv import model as piv
from tegata.simulators.card.kernel import check_memory

from ...foreign.gpp.host import SSD_MODULE, SSD_PACKAGE, lv
from ...foreign.gpp.registry import tlv
from .gp_bench import MODULE, PACKAGE, SSD, cap, domain, gp_card, key_groupings, put_aes, session
from .gp_host import DEFAULT, ISD, GpHost, block_with_length

SEEDS, COMMANDS = 12, 250
FIELDS = lv(PACKAGE, MODULE, MODULE, b"\0", b"\xc9\0\xef\x04\xc8\x02\x10\x00", b"")
LOADED = tlv(0xE2, b"\x4f" + lv(SSD) + tlv(0xC3, bytes(16))) + tlv(0xC4, cap(size=150).code)
CORPUS: list[tuple[int, int, int, bytes]] = [
    (0xE6, 0x02, 0x00, lv(PACKAGE, b"", bytes(32), b"\xef\x04\xc6\x02\x01\x00", b"")),
    (0xE6, 0x0E, 0x01, lv(PACKAGE, ISD, b"", b"", b"")),
    (0xE8, 0x00, 0x00, LOADED[:150]),
    (0xE8, 0x80, 0x00, tlv(0xC4, cap(size=150).code)),
    (0xE8, 0x80, 0x01, LOADED[150:]),
    (0xE6, 0x0C, 0x00, FIELDS),
    (0xE6, 0x0E, 0x03, FIELDS),
    (0xE6, 0x0C, 0x00, lv(SSD_PACKAGE, SSD_MODULE, piv.INSTANCE_AID, b"\x80", b"\xc9\4\x81\2\3\x70", b"")),
    (0xE6, 0x08, 0x00, lv(b"", b"", MODULE, b"\x04", b"", b"")),
    (0xE6, 0x10, 0x00, lv(SSD, b"", MODULE, b"", b"", bytes(16))),
    (0xE6, 0x40, 0x00, lv(b"", b"", MODULE, bytes(3), b"\xef\x03\xcf\x01\x80", b"")),
    (0xE6, 0x20, 0x00, lv(b"", b"", SSD, b"", b"", b"")),
    (0xE2, 0xA8, 0x00, key_groupings()),
    (0xE2, 0x90, 0x00, bytes.fromhex("420312345F45020001")),
    (0xE2, 0x88, 0x00, bytes.fromhex("00700345010 1".replace(" ", ""))),
    (0xE4, 0x00, 0x80, b"\x4f" + lv(PACKAGE) + b"\xb6\x04\x93\x02\x00\x07" + b"\x9e" + lv(bytes(16))),
    (0xE4, 0x00, 0x00, bytes.fromhex("D00101D20170")),
    (0xD8, 0x00, 0x81, b"\x30" + 3 * block_with_length(DEFAULT, DEFAULT)),
    (0xD8, 0x00, 0x10, bytes.fromhex("01B00102F0010000")),
    (0xD8, 0x00, 0x11, b"\x01\xb1\x20" + bytes(32) + bytes.fromhex("F0010000")),
    (0xD8, 0x00, 0x01, bytes.fromhex("73A10401020304A00301000100")),
    (0xF0, 0x60, 0x80, SSD),
    (0xF2, 0x40, 0x02, bytes.fromhex("4F005C054F9F70C5CC")),
    (0xF2, 0x10, 0x03, bytes.fromhex("4F00")),
    (0xCA, 0x2F, 0x00, bytes.fromhex("5C00")),
    (0xCA, 0xFF, 0x21, b""),
]


def mutated(rng: random.Random, command: tuple[int, int, int, bytes]) -> tuple[int, int, int, bytes]:
    ins, p1, p2, data = command
    raw = bytearray(data)
    for _ in range(rng.choice((0, 0, 0, 1, 1, 2, 5))):
        at = rng.randrange(len(raw) + 1)
        match rng.randrange(4):
            case 0 if at < len(raw):
                raw[at] = rng.choice((0, 1, 0x7F, 0x80, 0x81, 0x82, 0xFF, rng.randrange(256)))
            case 1:
                del raw[at:]
            case 2:
                raw[at:at] = rng.randbytes(rng.randrange(1, 4))
            case _:
                p1, p2 = (rng.randrange(256), p2) if rng.randrange(2) else (p1, rng.randrange(256))
    return ins, p1, p2, bytes(raw[:230])


def opened(card_host: GpHost) -> GpHost:
    host = GpHost(card_host._transmit)
    host.select(ISD)
    return host.open(0x01, version=0xFF)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_nonsense_from_an_authenticated_host(seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311 - repeatable nonsense
    card = gp_card()
    assert domain(card, SSD, "C0") == 0x9000
    host = opened(session(card, level=0x01))
    put_aes(host, 0x70)
    put_aes(host, 0x71)
    done, place = set(), 0
    for _ in range(COMMANDS):
        # Mostly the next of the list, so that a load comes to its end now and then.
        place = (place + 1) % len(CORPUS) if rng.randrange(4) else rng.randrange(len(CORPUS))
        ins, p1, p2, data = mutated(rng, CORPUS[place])
        if (ins == 0xF0 and p1 == 0x80) or (ins == 0xE4 and b"\xd2" in data):
            continue  # the states of the card, and its keys: it would be locked, or dead
        sw = host.send(0x80, ins, p1, p2, data)[1]
        assert sw != 0x6F00, (hex(ins), hex(p1), hex(p2), data.hex())
        if sw == 0x9000:
            done.add(ins)
        elif sw == 0x6982:
            host = opened(host)
    assert 0xE6 in done
    assert len(done) >= 4
    check_memory(card.store.content)
    opened(host).list()
