"""Whom the person at the counter believes: folders of anchors, one for certificates, one for face data.

A folder as ``tegata sim pki anchors`` lays it down has ``jpki/`` (root certificates) and ``face/`` (public
keys of the issuer of face data); a folder without these two is taken as it is. ``sim`` stands for the
simulated issuers, which are believed in only when somebody says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from ...apdu.authenticity import Anchor
from ...apdu.authenticity import Anchors as FaceAnchors
from ...apdu.cvc import CardVerifiableCertificate
from ...apdu.errors import InputError, Words
from ..signing import Anchors

__all__ = ["SIMULATED", "certificate_anchors", "face_anchors"]

SIMULATED = "sim"
SIMULATED_NAME = "sim"


def certificate_anchors(given: Iterable[str], simulated: Callable[[], tuple[bytes, ...]]) -> Anchors:
    """The roots of certificates. Raises InputError ``bridge.anchors``."""
    roots: tuple[bytes, ...] = ()
    for name in given:
        roots += simulated() if name == SIMULATED else Anchors.read(_folder(name, "jpki")).roots
    return Anchors(roots)


def face_anchors(
    given: Iterable[str], simulated: Callable[[], tuple[CardVerifiableCertificate, ...]]
) -> FaceAnchors:
    """The keys behind attributes and card face. Raises InputError ``bridge.anchors``, ``mynumber.anchor``."""
    found: list[Anchor] = []
    for name in given:
        if name == SIMULATED:
            found += [Anchor.from_certificate(SIMULATED_NAME, link) for link in simulated()]
        else:
            found += FaceAnchors.load(_folder(name, "face")).by_key_id.values()
    return FaceAnchors.of(found)


def _folder(name: str, kind: str) -> Path:
    folder = Path(name)
    if not folder.is_dir():
        what = Words("no such folder", "フォルダーがありません")
        raise InputError("bridge.anchors", path=name, what=what)
    return folder / kind if (folder / kind).is_dir() else folder
