"""Whom to believe, and for what: trust anchors that a person put into a folder, purposes of a certificate."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path

from asn1crypto import pem

from ...apdu.errors import InputError
from ...apdu.regular_files import read_regular
from ...applets.jpki.certificate import load_x509

__all__ = ["NO_ANCHORS", "Anchors", "Purpose", "read_certificates"]

MAX_FILE = 1024 * 1024
"""Bundles of certificates are smaller."""


class Purpose(enum.Enum):
    """What a certificate is asked to be good for: key usages, extended key usages."""

    AUTHENTICATION = (frozenset({"digital_signature"}), frozenset({"client_auth"}))
    SIGNATURE = (frozenset({"digital_signature", "non_repudiation"}), frozenset[str]())


@dataclass(frozen=True, slots=True)
class Anchors:
    """Root certificates in DER form."""

    roots: tuple[bytes, ...] = ()

    @classmethod
    def read(cls, folder: Path) -> Anchors:
        """All certificates in ``folder`` (``*.pem``, ``*.crt``, ``*.cer``, ``*.der``).

        A folder that does not exist holds none. Raises InputError ``bridge.anchors``.
        """
        roots: list[bytes] = []
        for path in sorted(folder.glob("*")):
            if path.suffix.lower() in (".pem", ".crt", ".cer", ".der"):
                roots += _certificates(path)
        return cls(tuple(roots))


NO_ANCHORS = Anchors()
"""Trusts nobody: the default everywhere."""


def read_certificates(raw: bytes) -> list[bytes]:
    """The certificates of a PEM or DER file, in DER form. Raises ValueError or TypeError."""
    ders = [der for _, _, der in pem.unarmor(raw, multiple=True)] if pem.detect(raw) else [raw]
    for der in ders:
        load_x509(der)
    return ders


def _certificates(path: Path) -> list[bytes]:
    try:
        return read_certificates(read_regular(path, MAX_FILE))
    except (ValueError, TypeError) as error:
        raise InputError("bridge.anchors", path=str(path), what="not a certificate") from error
