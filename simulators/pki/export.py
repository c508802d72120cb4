"""The public side of the test hierarchy as files, for whoever is to believe in it or to ask it."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ...apdu.errors import InputError
from .face import cvc_anchors
from .hierarchy import hierarchy
from .revocation import crls

__all__ = ["write_anchors", "write_crls"]

FACE_ANCHOR = "tegata-sim"


def write_anchors(folder: Path, path: Path | None = None) -> list[Path]:
    """The JPKI roots as ``jpki/authentication-3.pem`` …, and the root of face data as ``face/KEYID-NAME.pem``
    (a SubjectPublicKeyInfo; KEYID is its key id in 32 hex digits).

    Files of these names are replaced. Raises InputError ``cardfile.permission``.
    """
    roots = {f"{a.name}.pem": a.certificate.public_bytes(Encoding.PEM) for a in hierarchy(path).authorities}
    face = {
        f"{found.subject.hex()}-{FACE_ANCHOR}.pem": found.key.key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )
        for found in cvc_anchors(path)
    }
    return _write(folder / "jpki", roots) + _write(folder / "face", face)


def write_crls(folder: Path, path: Path | None = None) -> list[Path]:
    """The lists of all roots, named as in ``crls``. Raises InputError ``cardfile.permission``."""
    return _write(folder, crls(path))


def _write(folder: Path, files: dict[str, bytes]) -> list[Path]:
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in sorted(files.items()):
            work = folder / f".{name}.new"
            work.write_bytes(content)
            written.append(work.replace(folder / name))
    except OSError as error:
        raise InputError("cardfile.permission", file=folder) from error
    return written
