"""One firmware image, read and checked before a byte of it goes out (MCUboot, "Boot Loader", Image Format).

Two that do not share a line of code look at it: the parser of :mod:`..frames.mcuboot`, which names every
defect, and Zephyr's own imgtool, which is what the image was made with. Both must agree.
"""

from __future__ import annotations

import hashlib
import importlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from ...apdu.errors import InputError, ReaderError, Words, with_extra
from ..frames.mcuboot import Image, ImageFault, Version, parse_image
from ..frames.mcuboot_signature import PublicKey, SignatureCheck, check_signature, load_public_key

__all__ = ["MAX_FILE", "FirmwareImage", "Keys", "parse_firmware", "read_image"]

MAX_FILE = 64 << 20
"""No microcontroller has a slot this large: a bigger file is not an image."""

_DEFECTS = {
    SignatureCheck.NO_DIGEST: Words("it holds no SHA-256 of itself", "SHA-256 が含まれていません"),
    SignatureCheck.WRONG_DIGEST: Words(
        "its bytes do not have the digest that it names: the file is damaged",
        "記載されたダイジェストと一致しません (ファイルが壊れています)",
    ),
}
_UNTRUSTED = {
    SignatureCheck.NOT_SIGNED: Words("it is not signed", "署名がありません"),
    SignatureCheck.WRONG_KEY: Words("another key signed it", "別の鍵で署名されています"),
    SignatureCheck.WRONG_SIGNATURE: Words("its signature does not verify", "署名を検証できません"),
}
_IMGTOOL_DISAGREES = Words("imgtool does not accept it", "imgtool が受け付けません")


@dataclass(frozen=True, slots=True)
class FirmwareImage:
    """A whole image. ``name`` is the file's; ``data`` its bytes as they are uploaded, without the padding and
    trailer that a file for a programmer has behind them; ``parsed`` what stands in them. Its digest is right;
    who signed it is told by :meth:`Keys.check`."""

    name: str
    data: bytes
    parsed: Image

    @property
    def version(self) -> Version:
        return self.parsed.version

    @property
    def digest(self) -> bytes:
        """SHA-256 of header, payload and protected TLVs: how devices name the image."""
        return self.parsed.digest

    @property
    def hardware_id(self) -> str:
        return self.parsed.hardware_id

    @property
    def security_counter(self) -> int | None:
        return self.parsed.security_counter

    def to_json(self) -> dict[str, Any]:
        """What ``verify`` prints."""
        return {
            "file": self.name,
            "size": len(self.data),
            "sha256": hashlib.sha256(self.data).hexdigest(),
            "digest": self.digest.hex(),
            "version": str(self.version),
            "hardware_id": self.hardware_id,
            "security_counter": self.security_counter,
            "key_hash": self.parsed.key_hash.hex(),
        }


def read_image(path: Path) -> FirmwareImage:
    """The image in a file. Raises InputError ``firmware.file`` and ``firmware.image``."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except OSError as error:
        raise InputError("firmware.file", path=str(path), what=error.strerror) from error
    return parse_firmware(data, str(path))


def parse_firmware(data: bytes, name: str) -> FirmwareImage:
    """The image in ``data``, its digest checked. Raises InputError ``firmware.image``."""
    if len(data) > MAX_FILE:
        what = Words(f"it is longer than {MAX_FILE} bytes", f"{MAX_FILE} バイトを超えています")
        raise InputError("firmware.image", path=name, what=what)
    try:
        parsed = parse_image(data)
    except ImageFault as fault:
        raise InputError("firmware.image", path=name, what=Words(fault.en, fault.ja)) from fault
    if (defect := _DEFECTS.get(check_signature(parsed, ()))) is not None:
        raise InputError("firmware.image", path=name, what=defect)
    return FirmwareImage(name, data[: parsed.size], parsed)


@dataclass(frozen=True, slots=True)
class Keys:
    """The public keys whose signature on an image counts, and the files they were read from."""

    paths: tuple[Path, ...]
    keys: tuple[PublicKey, ...]

    @classmethod
    def load(cls, paths: Sequence[Path]) -> Keys:
        """The keys in PEM files. Raises InputError ``firmware.key``."""
        return cls(tuple(paths), tuple(_load_key(path) for path in paths))

    def check(self, image: FirmwareImage) -> Path:
        """The file of the key that signed ``image``.

        Raises InputError ``firmware.no_key`` when there is none to check with, ``firmware.signature`` when
        none of them signed it, and ReaderError ``reader.driver`` without imgtool.
        """
        if not self.keys:
            raise InputError("firmware.no_key", path=image.name)
        outcome = check_signature(image.parsed, self.keys)
        if outcome is not SignatureCheck.GOOD:
            raise InputError("firmware.signature", path=image.name, what=_UNTRUSTED[outcome])
        for path in self.paths:
            if _imgtool_accepts(image.data, path):
                return path
        raise InputError("firmware.signature", path=image.name, what=_IMGTOOL_DISAGREES)


def _load_key(path: Path) -> PublicKey:
    try:
        return load_public_key(path.read_bytes())
    except OSError as error:
        raise InputError("firmware.key", path=str(path), what=error.strerror) from error
    except ValueError as error:
        raise InputError("firmware.key", path=str(path), what=str(error).rstrip(".")) from error


def _imgtool_accepts(data: bytes, key: Path) -> bool:
    """Whether imgtool finds the image good and signed with the key in this file. It reads files only.

    Not what it is made for, an image that somebody rearranged, it leaves with whatever Python raises.
    """
    tool, keys = _imgtool("imgtool.image"), _imgtool("imgtool.keys")
    with tempfile.TemporaryDirectory(prefix="tegata-image-") as folder:
        copy = Path(folder) / "image.bin"
        copy.write_bytes(data)
        try:
            outcome, *_ = tool.Image.verify(str(copy), keys.load(str(key)))
        except Exception:
            return False
    return bool(outcome is tool.VerifyResult.OK)


def _imgtool(module: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise ReaderError(
            "reader.driver", scheme="imgtool", what=str(error), how=with_extra("firmware")
        ) from error
