"""Whatever bytes come: a CapError, or a CAP file that is the same again when it is written out."""

from __future__ import annotations

import os
import random
import time
import tomllib
import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tegata.applets.security_domain.model.cap import CapDraft, CapError, LoadFile, read_cap, write_cap

from .drafts import DRAFTS
from .parts import Parts

VECTORS = Path(__file__).parent.parent / "vectors" / "load_files.toml"
REAL = [
    bytes.fromhex(file["raw"]) for file in tomllib.loads(VECTORS.read_text(encoding="utf-8"))["load_file"]
]
SMALL = [draft for draft in DRAFTS.values() if not draft.size]
SEEDS = [*REAL, *(write_cap(draft) for draft in SMALL), *(bytes(Parts.of(draft)) for draft in SMALL)]
INTERESTING = (0, 1, 2, 4, 5, 8, 16, 17, 0x7F, 0x80, 0x81, 0xFE, 0xFF)
SECONDS = 2.0


def check(raw: bytes) -> bool:
    """Whether these bytes are a CAP file. Anything but a CapError goes through to the test."""
    begin = time.monotonic()
    try:
        cap = read_cap(raw)
    except CapError:
        return False
    finally:
        assert time.monotonic() - begin < SECONDS
    stream = cap.load_file(descriptor=True, debug=True, custom=True)
    again = LoadFile.parse(stream)
    assert again == cap.contents
    assert bytes(again) == stream
    assert LoadFile.parse(cap.load_file()).applets == cap.applets
    if raw[:2] != b"PK":
        assert stream == raw
    return True


def mutate(raw: bytes, dice: random.Random) -> bytes:
    """A few bytes changed, taken out, put in or moved."""
    data = bytearray(raw)
    for _ in range(dice.choice((1, 1, 1, 2, 4))):
        at = dice.randrange(len(data)) if data else 0
        match dice.randrange(6):
            case 0 if data:
                data[at] ^= 1 << dice.randrange(8)
            case 1 if data:
                data[at] = dice.choice(INTERESTING)
            case 2 if data:
                data[at : at + 2] = dice.choice(
                    (b"\x00\x00", b"\xff\xff", b"\x7f\xff", b"\x80\x00", b"\x00\x01")
                )
            case 3:
                del data[at : at + dice.choice((1, 1, 2, 8, 200))]
            case 4:
                data[at:at] = dice.randbytes(dice.choice((1, 1, 2, 8)))
            case _:
                other = dice.choice(SEEDS)
                begin = dice.randrange(len(other))
                data[at : at + dice.choice((0, 4, 40))] = other[begin : begin + dice.choice((4, 40))]
    return bytes(data)


def mutate_inside(dice: random.Random) -> bytes:
    """One component changed, with a Directory that agrees: past the first checks."""
    parts = Parts.of(dice.choice(SMALL))
    tag = dice.choice(parts.order)
    parts.info[tag] = bytearray(mutate(bytes(parts.info[tag]), dice))
    parts.relist = tag != 2
    try:
        return bytes(parts)
    except OverflowError:  # larger than a size of two bytes can say
        return b""


def run(seed: int, rounds: int) -> int:
    """How many of the inputs were CAP files."""
    dice, taken = random.Random(seed), 0  # noqa: S311 - repeatable on purpose
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(rounds):
            raw = mutate_inside(dice) if dice.random() < 0.6 else mutate(dice.choice(SEEDS), dice)
            taken += check(raw)
    return taken


@pytest.mark.parametrize("seed", range(4))
def test_changed_files(seed: int) -> None:
    taken = run(seed, 1500)
    assert 0 < taken < 1500  # some changes hurt nobody, most are refused


@pytest.mark.campaign
def test_changed_files_for_long() -> None:
    rounds = int(os.environ.get("TEGATA_FUZZ_ROUNDS", "400000"))
    taken = run(20260, rounds)
    print(f"{rounds} inputs, {taken} of them CAP files, no exception but CapError")
    assert 0 < taken < rounds


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_bytes_from_nowhere(raw: bytes) -> None:
    check(raw)
    check(b"\x01" + raw)
    check(b"\x01\x00\x0f\xde\xca\xff\xed" + raw)


@given(st.sampled_from(SMALL), st.data())
@settings(max_examples=300, deadline=None)
def test_contents_from_nowhere(draft: CapDraft, data: st.DataObject) -> None:
    """Each component replaced by anything, while the Directory agrees about the size."""
    parts = Parts.of(draft)
    tag = data.draw(st.sampled_from(parts.order[1:]))
    parts.info[tag] = bytearray(data.draw(st.binary(max_size=60)))
    parts.relist = tag != 2
    check(bytes(parts))


def test_what_was_not_changed_is_taken() -> None:
    assert all(check(seed) for seed in SEEDS)
