"""Recordings of every conversation that the applets have, at both levels: nothing secret stands in them,
neither as it is nor under the well-known keys of a new card."""

from __future__ import annotations

import random
from io import StringIO

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.serialization import load_der_private_key

from tegata.apdu.card import Card
from tegata.apdu.trace import RecordingLink, Trace

from .desk import DIVERSIFIER, PIN, PUK, Desk, key_ring
from .test_lying_cards import CONVERSATIONS, MY_NUMBER, Stage

MAKER_KEY = bytes(range(0x40, 0x50))
PERSONAL_FILES = (
    ("d392f000260100000001/ef/0001", 400, 440),
    ("d3921000310001010408/ef/0001", 3, 15),
    ("d3921000310001010408/ef/0002", 20, 60),
    ("d3921000310001010100/ef/0001", 2, 30),
)


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, my_number_memory: dict[str, bytes]) -> Stage:
    desk = Desk(key_ring(tmp_path_factory.mktemp("ring")))
    desk.issue_piv()
    desk.issue_badge()
    return Stage(my_number_memory, dict(desk.store.content), desk)


def secrets(stage: Stage) -> dict[str, bytes]:
    """What must not be found, by name."""
    found = {"PIN": PIN, "PUK": PUK, "new PIN": b"654321", "4 digits": b"1234", "password": b"ABC123"}
    found |= {"printed name": b"YAMADA TARO", "diversifier": DIVERSIFIER}
    for name, start, stop in PERSONAL_FILES:
        found[name] = stage.my_number[f"app/{name}"][start:stop]
    for name, value in stage.company.items():
        if name.endswith("/key/9A"):
            private = load_der_private_key(value[2:], None)
            assert isinstance(private, ec.EllipticCurvePrivateKey)
            found[name] = private.private_numbers().private_value.to_bytes(32, "big")
        elif "/key/" in name or "/badge/" in name or "/privacy/" in name or name.endswith("/9b"):
            found[name] = value[-16:]
    return found


def decrypted(lines: list[str]) -> bytes:
    """All blocks that a reader of the trace can decrypt with the maker's static DEK."""
    cipher = Cipher(AES(MAKER_KEY), modes.ECB())  # noqa: S305 - any block by itself
    out = b""
    for line in lines:
        raw = bytes.fromhex(line.replace("**", "00"))
        for start in range(len(raw) - 15):
            decryptor = cipher.decryptor()
            out += decryptor.update(raw[start : start + 16]) + b"\x00"
    return out


@pytest.mark.parametrize("level", ["bytes", "commands"])
@pytest.mark.parametrize("name", CONVERSATIONS)
def test_nothing_secret_is_recorded(stage: Stage, name: str, level: str) -> None:
    link, stream = stage.link(name, random.Random(0), None), StringIO()  # noqa: S311 - never used
    recorder = Trace(stream, link) if level == "commands" else None
    card = Card(link if recorder else RecordingLink(link, stream), recorder=recorder)
    CONVERSATIONS[name](card, stage.desk)
    lines = [line for line in stream.getvalue().splitlines() if not line.startswith("#")]
    assert len(lines) >= 2 * len(link.sent) if name != "layers" else lines
    shown = stream.getvalue()
    readable = decrypted([line for line in lines if len(line) >= 32]) if name not in MY_NUMBER else b""
    for what, value in secrets(stage).items():
        # Short values are looked for with the length byte that VERIFY puts before them.
        short = len(value) < 6
        needle = (bytes((len(value),)) if short else b"") + value
        assert needle.hex().upper() not in shown, what
        assert short or value not in readable, what
