"""Keys, firmware images and readers to begin with, made by imgtool (extra ``firmware``), without network.

The payload of such an image has no meaning: what the simulated reader does is the same for every version.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from ....apdu.errors import InputError, ReaderError, Words, with_extra
from ....reader_bridge.frames.mcuboot import HARDWARE_ID, Version
from .flash import ERASED, Flash, Geometry
from .fuses import Fuses
from .verify import Refused, examine

__all__ = ["KEY_TYPES", "blank_reader", "load_imgtool", "make_key", "payload", "public_key", "sign"]

KEY_TYPES = ("ecdsa-p256", "ed25519", "rsa-2048", "rsa-3072")
_LONG = Words("the file is longer than a slot", "ファイルがスロットより大きいです")


def make_key(path: Path, kind: str = "ecdsa-p256") -> None:
    """A new private key in PEM, readable by its owner alone. Raises InputError when the file exists."""
    load_imgtool()  # before a file is made that would be in the way next time
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise InputError("simreader.flash", file=path, what=error.strerror) from None
    _imgtool("keygen", "--key", str(path), "--type", kind)


def public_key(private: Path) -> str:
    """The public key, in PEM, of a private one."""
    with _folder() as folder:
        _imgtool("getpub", "--key", str(private), "--encoding", "pem", "--output", str(folder / "key.pem"))
        return (folder / "key.pem").read_text(encoding="ascii")


def payload(version: Version, size: int) -> bytes:
    """Bytes of no meaning, the same for the same version."""
    return hashlib.shake_128(f"tegata demo firmware {version}".encode()).digest(size)


def sign(
    body: bytes,
    key: Path | None,
    version: Version,
    *,
    hardware_id: str | None = None,
    counter: int | None = None,
    geometry: Geometry | None = None,
) -> bytes:
    """The image with this payload; ``key`` None leaves it unsigned."""
    layout = geometry or Geometry()
    options = ["--version", f"{version.major}.{version.minor}.{version.revision}+{version.build}"]
    options += ["--header-size", "0x20", "--pad-header", "--align", str(layout.write_size)]
    options += ["--slot-size", str(layout.slot_size), "--max-sectors", str(layout.max_sectors)]
    options += ["--key", str(key)] if key else []
    options += ["--security-counter", str(counter)] if counter is not None else []
    if hardware_id is not None:
        options += ["--custom-tlv", hex(HARDWARE_ID), f"0x{hardware_id.encode().hex()}"]
    with _folder() as folder:
        (folder / "body.bin").write_bytes(body)
        _imgtool("sign", *options, str(folder / "body.bin"), str(folder / "image.bin"))
        return (folder / "image.bin").read_bytes()


def blank_reader(fuses: Fuses, image: bytes, geometry: Geometry | None = None) -> Flash:
    """The flash of a reader as it leaves the factory: the image in the primary slot, nothing else.

    Raises InputError ``simreader.image`` for an image that this reader would not start.
    """
    layout = geometry or Geometry()
    if len(image) > layout.slot_size:
        raise InputError("simreader.image", what=_LONG)
    try:
        examine(image, fuses, largest=layout.largest_image)
    except Refused as error:
        raise InputError("simreader.image", what=str(error)) from None
    return Flash(layout, image + bytes([ERASED]) * (layout.size - len(image)))


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="tegata-") as folder:
        yield Path(folder)


def load_imgtool() -> Any:
    """imgtool's command line. Raises ReaderError ``reader.driver`` without it."""
    try:
        from imgtool.main import imgtool
    except ImportError as error:
        how = with_extra("firmware")
        raise ReaderError("reader.driver", scheme="imgtool", what=str(error), how=how) from None
    return imgtool


def _imgtool(*arguments: str) -> None:
    """Run imgtool's command line in this process. Raises ReaderError ``reader.driver`` without it, InputError
    ``simreader.imgtool`` for what it does not take."""
    command = load_imgtool()
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            command.main(list(arguments), prog_name="imgtool", standalone_mode=False)
    except click.ClickException as error:
        raise InputError("simreader.imgtool", what=error.format_message().rstrip(".")) from None
    except (ValueError, TypeError, OSError) as error:  # what its libraries say of a key
        raise InputError("simreader.imgtool", what=str(error).split(". ")[0].rstrip(".")) from None
