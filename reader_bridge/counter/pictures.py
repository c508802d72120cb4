"""Pictures of the card face as files: JPEG 2000 as it stands on the card, PNG for everybody's viewer."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from ...apdu.errors import InputError, MalformedResponse, Words
from ...applets.mynumber_visual.model import CardFace

__all__ = ["IMAGES", "check_ending", "picture"]

IMAGES = ("photo", "name", "address", "security-code")
JPEG_2000, PNG = (".jp2", ".j2k"), ".png"
MAX_PIXELS = 4_000_000


def check_ending(which: str, file: Path) -> None:
    """Before the card is asked: whether ``file`` says a format that the picture ``which`` comes in.

    Raises InputError ``input.error``.
    """
    ending = file.suffix.lower()
    if ending == PNG or (which == "photo" and ending in JPEG_2000):
        return
    known = "*.png or *.jp2" if which == "photo" else "*.png"
    what = Words(f"{file.name} must be named {known}", f"{file.name} の名前は {known} にしてください")
    raise InputError("input.error", what=what)


def picture(face: CardFace, which: str, file: Path) -> bytes:
    """The content of ``file``: its ending says in which format. ``which`` is one of :data:`IMAGES`.

    Raises InputError ``input.error`` for another ending, MalformedResponse for a picture that is none.
    """
    check_ending(which, file)
    raw = {
        "photo": face.photo,
        "name": face.name_image,
        "address": face.address_image,
        "security-code": face.security_code_image,
    }[which]
    if file.suffix.lower() in JPEG_2000:
        return raw
    return _png(raw, "JPEG2000" if which == "photo" else "PNG")


def _png(raw: bytes, kind: str) -> bytes:
    """Decoded and encoded anew, so that nothing but pixels passes from the card."""
    out = io.BytesIO()
    try:
        with Image.open(io.BytesIO(raw), formats=[kind]) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError("too many pixels for a card")
            image.load()
            image.save(out, "PNG")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise MalformedResponse(
            Words(f"a picture that is not {kind}", f"{kind} ではない画像"), "EF 0002"
        ) from error
    return out.getvalue()
