"""A small simulated reader and images for it, signed by imgtool; made once for all tests."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
from pathlib import Path

from tegata.reader_bridge.frames.mcuboot import Version, parse_image
from tegata.simulators.devices.mcuboot.board import Board
from tegata.simulators.devices.mcuboot.demo import blank_reader, make_key, payload, public_key, sign
from tegata.simulators.devices.mcuboot.flash import Flash, Geometry
from tegata.simulators.devices.mcuboot.fuses import Fuses

SMALL = Geometry(sector_size=256, slot_sectors=6, max_sectors=6)
"""Four sectors for an image, one to move through, one for the trailer."""
HARDWARE = "gate-reader-1"


@functools.cache
def key(name: str = "vendor", kind: str = "ecdsa-p256") -> Path:
    folder = Path(tempfile.mkdtemp(prefix="tegata-test-keys-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    make_key(folder / f"{name}.pem", kind)
    return folder / f"{name}.pem"


@functools.cache
def image(
    version: str,
    *,
    signer: str = "vendor",
    kind: str = "ecdsa-p256",
    hardware_id: str | None = HARDWARE,
    counter: int | None = 1,
    size: int = 450,
) -> bytes:
    number = Version.parse(version)
    return sign(
        payload(number, size),
        key(signer, kind) if signer else None,
        number,
        hardware_id=hardware_id,
        counter=counter,
        geometry=SMALL,
    )


def digest(raw: bytes) -> bytes:
    return parse_image(raw).digest


@functools.cache
def fuses(kind: str = "ecdsa-p256", *, refuse_older: bool = False) -> Fuses:
    return Fuses(HARDWARE, (public_key(key("vendor", kind)),), refuse_older=refuse_older)


def factory(old: bytes, made: Fuses | None = None) -> Flash:
    return blank_reader(made or fuses(), old, SMALL)


def board(old: bytes, made: Fuses | None = None) -> Board:
    return Board(factory(old, made), made or fuses())
