"""Talking to the 住民基本台帳 application: its PIN. The rest needs public terminals."""

from __future__ import annotations

from ...apdu.errors import Words
from ...apdu.files import CardFile, FileApplication
from .model import AID, KEY_REFERENCE_BYTES, Ef

__all__ = ["JukiApplication"]

KEY_REFERENCE = CardFile(
    Ef.KEY_REFERENCE, Words("the key reference", "鍵の識別子"), bytes, length=KEY_REFERENCE_BYTES
)


class JukiApplication(FileApplication):
    """The 住基 application of one card. Call :meth:`select` first; ``pins`` knows ``model.PIN``."""

    aid = AID
    name = Words("resident register (住民基本台帳)", "住民基本台帳")

    def key_reference(self) -> bytes:
        """Sixteen bytes, the same as in the common application."""
        return self.read(KEY_REFERENCE).value
