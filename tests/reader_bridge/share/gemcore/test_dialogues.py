"""The reader answers libccid's own bytes as the dialogues that pcscd accepted: start-up, power, first APDUs.

tests/data/gemcore holds what libccid 1.5.2 (Debian 12) sent, and the answers it got, byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tegata.apdu.ports import TransmissionProtocol
from tegata.reader_bridge.share.gemcore import MODELS

from .conftest import Plug

DATA = Path(__file__).parents[3] / "data" / "gemcore"


def turns(path: Path) -> Iterator[tuple[bytes, bytes]]:
    """What the host sends, and what must come before it sends again."""
    sent, awaited = b"", b""
    for line in path.read_text().splitlines():
        kind, _, text = line.partition(" ")
        if kind == ">":
            if sent:
                yield sent, awaited
            sent, awaited = bytes.fromhex(text), b""
        elif kind == "<":
            awaited += bytes.fromhex(text)
    yield sent, awaited


@pytest.mark.parametrize("name", ["gempc-twin", "gempc-twin-t0", "gempc-pinpad", "gemcore-pos-pro"])
def test_what_libccid_heard(plug: Plug, name: str) -> None:
    t0 = name.endswith("-t0")
    host = plug(MODELS[name.removesuffix("-t0")], protocol=TransmissionProtocol.T0 if t0 else None)
    count = 0
    for sent, awaited in turns(DATA / f"{name}.txt"):
        host.send(sent)
        assert host.read(len(awaited)).hex() == awaited.hex()
        count += 1
    assert count > 20
