"""The test roots of both JPKI keys in three generations, and the keys that sign card-verifiable certificates
and face data, kept in the data folder.

They are made on first use, in folders of mode 0700 that appear whole or not at all: two processes that
begin at the same moment end with the same hierarchy. The keys are worthless outside this installation, and
no portal believes in them unless it is told so (``--anchors sim``). As with the real ones, the generations
of a family share one name and differ in key, key identifier, serial and validity: the first has ended, the
second and the third overlap.

Production names (O=JPKI) are a hierarchy of their own, made only for a card that asks for it; it is never
among the anchors unless named.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from ...apdu.errors import InputError
from .profile import PRODUCTION_ORGANIZATION, TEST_ORGANIZATION, Family, birthday, root

__all__ = [
    "CURRENT",
    "GENERATIONS",
    "Authority",
    "Hierarchy",
    "anchors",
    "anchors_pem",
    "folder",
    "hierarchy",
    "new_key",
]

NAME = "sim-pki"
PRODUCTION_NAMES = "production-names"
OLDER = "older"
GENERATIONS = (1, 2, 3)
CURRENT = 3
BEGAN_YEARS_AGO = {1: 11, 2: 7, 3: 3}
"""As the real ones: 2015, 2019 and 2023, seen from 2026."""


@dataclass(frozen=True, slots=True)
class Authority:
    """A root of one family and generation, and its private key."""

    family: Family
    certificate: x509.Certificate
    key: rsa.RSAPrivateKey
    generation: int = CURRENT

    @property
    def name(self) -> str:
        """``authentication-3``: for files and addresses."""
        return f"{self.family.slug}-{self.generation}"


@dataclass(frozen=True, slots=True)
class Hierarchy:
    """The roots of both JPKI keys, and what signs face data.

    ``face_root`` signs the card-verifiable certificates of ``face_signer`` (text application) and
    ``visual_signer`` (card face). ``place`` is its folder.
    """

    place: Path
    authorities: tuple[Authority, ...]
    face_root: rsa.RSAPrivateKey
    face_signer: rsa.RSAPrivateKey
    visual_signer: rsa.RSAPrivateKey

    def authority(self, family: Family, generation: int = CURRENT) -> Authority:
        return next(a for a in self.authorities if (a.family, a.generation) == (family, generation))

    def at(self, family: Family, moment: datetime) -> Authority:
        """The newest generation that had begun at ``moment``; before all of them, the first."""
        begun = [
            a for a in self.authorities if a.family is family and a.certificate.not_valid_before_utc <= moment
        ]
        return max(begun, key=lambda a: a.generation) if begun else self.authority(family, GENERATIONS[0])

    @property
    def authentication(self) -> Authority:
        return self.authority(Family.AUTHENTICATION)

    @property
    def signature(self) -> Authority:
        return self.authority(Family.SIGNATURE)


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


def hierarchy(path: Path | None = None, *, production_names: bool = False) -> Hierarchy:
    """The hierarchy of this installation, made if there is none yet.

    Raises InputError ``simpki.damaged`` for a folder that does not hold one and ``cardfile.permission``
    when it cannot be made.
    """
    place = path or folder()
    if production_names:
        place = place.with_name(f"{place.name}-{PRODUCTION_NAMES}")
    organization = PRODUCTION_ORGANIZATION if production_names else TEST_ORGANIZATION
    if not place.exists():
        _make(place, lambda work: _make_current(work, organization))
    try:
        current = [_authority(place, family, "") for family in Family]
        signers = [_key(place / name) for name in ("face-root.key", "face-signer.key")]
        # A hierarchy of an earlier version has one generation; the others are added to it.
        older = place / OLDER
        if not older.exists():
            _make(older, lambda work: _make_older(work, organization))
        authorities = [
            *current,
            *(_authority(older, family, f"-{g}", g) for family in Family for g in GENERATIONS[:-1]),
        ]
        return Hierarchy(place, tuple(authorities), signers[0], signers[1], _key(older / "visual-signer.key"))
    except (OSError, ValueError, TypeError) as error:
        raise InputError("simpki.damaged", path=place) from error


def anchors(
    path: Path | None = None, *, generation: int | None = None, production_names: bool = False
) -> tuple[bytes, ...]:
    """The roots in DER form, authentication before signature, newest first; or of one generation only."""
    found = hierarchy(path, production_names=production_names)
    return tuple(
        found.authority(family, number).certificate.public_bytes(Encoding.DER)
        for family in (Family.AUTHENTICATION, Family.SIGNATURE)
        for number in reversed(GENERATIONS)
        if generation in (None, number)
    )


def anchors_pem(path: Path | None = None) -> bytes:
    """All roots as one PEM text."""
    return b"".join(x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM) for der in anchors(path))


def new_key() -> rsa.RSAPrivateKey:
    """A fresh RSA-2048 key."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _make(place: Path, fill: Callable[[Path], None]) -> None:
    """A folder that appears whole: ``fill`` works beside it, then it is renamed into place."""
    try:
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{NAME}-", dir=place.parent))
    except OSError as error:
        raise InputError("cardfile.permission", file=place) from error
    try:
        fill(work)
        try:
            work.rename(place)
        except OSError:
            if not place.is_dir():
                raise InputError("cardfile.permission", file=place) from None
            # another process was first: its hierarchy is the one of this installation
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _make_current(work: Path, organization: str) -> None:
    for family in Family:
        _put_root(work, family, "", CURRENT, organization)
    for name in ("face-root.key", "face-signer.key"):
        _put_key(work / name, new_key())
    (work / OLDER).mkdir(mode=0o700)
    _make_older(work / OLDER, organization)


def _make_older(work: Path, organization: str) -> None:
    for family in Family:
        for generation in GENERATIONS[:-1]:
            _put_root(work, family, f"-{generation}", generation, organization)
    _put_key(work / "visual-signer.key", new_key())


def _put_root(work: Path, family: Family, suffix: str, generation: int, organization: str) -> None:
    now = datetime.now(UTC)
    day = birthday(now.date(), now.year - BEGAN_YEARS_AGO[generation]) - timedelta(days=1)
    key = new_key()
    start = datetime(day.year, day.month, day.day, now.hour, now.minute, now.second, tzinfo=UTC)
    certificate = root(family, key, start, organization)
    _put(work / f"{family.slug}-ca{suffix}.pem", certificate.public_bytes(Encoding.PEM))
    _put_key(work / f"{family.slug}-ca{suffix}.key", key)


def _put(path: Path, content: bytes) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _put_key(path: Path, key: rsa.RSAPrivateKey) -> None:
    _put(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


def _key(path: Path) -> rsa.RSAPrivateKey:
    key = _loaded(path.read_bytes())
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError(f"{path.name} is not an RSA key")
    return key


@lru_cache(maxsize=64)
def _loaded(pem: bytes) -> PrivateKeyTypes:
    """The files are read each time, but to check the primes of a key takes longer than to sign with it."""
    return load_pem_private_key(pem, None)


def _authority(place: Path, family: Family, suffix: str, generation: int = CURRENT) -> Authority:
    certificate = x509.load_pem_x509_certificate((place / f"{family.slug}-ca{suffix}.pem").read_bytes())
    return Authority(family, certificate, _key(place / f"{family.slug}-ca{suffix}.key"), generation)
