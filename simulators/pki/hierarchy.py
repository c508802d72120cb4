"""The two test roots, and the key that stands in for the maker of the face data, kept in the data folder.

They are made on first use, in a folder of mode 0700 that appears whole or not at all: two processes that
begin at the same moment end with the same hierarchy. The keys are worthless outside this installation, and
no portal believes in them unless it is told so (``--anchors sim``).
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from ...apdu.errors import InputError
from .profile import Family, root

__all__ = ["Authority", "Hierarchy", "anchors", "anchors_pem", "folder", "hierarchy"]

NAME = "sim-pki"


@dataclass(frozen=True, slots=True)
class Authority:
    """A root and its private key."""

    family: Family
    certificate: x509.Certificate
    key: rsa.RSAPrivateKey


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """The roots of both JPKI keys; ``face_root`` and ``face_signer`` sign what the text application holds."""

    authentication: Authority
    signature: Authority
    face_root: rsa.RSAPrivateKey
    face_signer: rsa.RSAPrivateKey


def folder(environment: Mapping[str, str] | None = None) -> Path:
    """Where the hierarchy lies: ``$TEGATA_HOME/sim-pki``, or below the platform's folder for user data."""
    values = os.environ if environment is None else environment
    if home := values.get("TEGATA_HOME"):
        return Path(home).expanduser() / NAME
    user = Path.home()
    if sys.platform == "win32":
        return Path(values.get("LOCALAPPDATA") or user / "AppData" / "Local") / "tegata" / NAME
    if sys.platform == "darwin":
        return user / "Library" / "Application Support" / "tegata" / NAME
    return Path(values.get("XDG_DATA_HOME") or user / ".local" / "share") / "tegata" / NAME


def hierarchy(path: Path | None = None) -> Hierarchy:
    """The hierarchy of this installation, made if there is none yet.

    Raises InputError ``simpki.damaged`` for a folder that does not hold one and ``cardfile.permission``
    when it cannot be made.
    """
    place = path or folder()
    if not place.exists():
        _make(place)
    try:
        return Hierarchy(
            _authority(place, Family.AUTHENTICATION),
            _authority(place, Family.SIGNATURE),
            _key(place / "face-root.key"),
            _key(place / "face-signer.key"),
        )
    except (OSError, ValueError, TypeError) as error:
        raise InputError("simpki.damaged", path=place) from error


def anchors(path: Path | None = None) -> tuple[bytes, ...]:
    """Both roots in DER form."""
    found = hierarchy(path)
    return tuple(
        authority.certificate.public_bytes(Encoding.DER)
        for authority in (found.authentication, found.signature)
    )


def anchors_pem(path: Path | None = None) -> bytes:
    """Both roots as one PEM text."""
    return b"".join(x509.load_der_x509_certificate(root).public_bytes(Encoding.PEM) for root in anchors(path))


def new_key() -> rsa.RSAPrivateKey:
    """A fresh RSA-2048 key."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _make(place: Path) -> None:
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{NAME}-", dir=place.parent))
    except OSError as error:
        raise InputError("cardfile.permission", file=place) from error
    try:
        for family in Family:
            key = new_key()
            certificate = root(family, key, datetime.now(UTC))
            _put(work / f"{family.slug}-ca.pem", certificate.public_bytes(Encoding.PEM))
            _put_key(work / f"{family.slug}-ca.key", key)
        for name in ("face-root.key", "face-signer.key"):
            _put_key(work / name, new_key())
        try:
            work.rename(place)
        except OSError:
            if not place.is_dir():
                raise InputError("cardfile.permission", file=place) from None
            # another process was first: its hierarchy is the one of this installation
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _put(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _put_key(path: Path, key: rsa.RSAPrivateKey) -> None:
    _put(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _key(path: Path) -> rsa.RSAPrivateKey:
    key = load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError(f"{path.name} is not an RSA key")
    return key


def _authority(place: Path, family: Family) -> Authority:
    certificate = x509.load_pem_x509_certificate((place / f"{family.slug}-ca.pem").read_bytes())
    return Authority(family, certificate, _key(place / f"{family.slug}-ca.key"))
