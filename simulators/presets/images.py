"""The images in the visual application: name, address, number and security code as 1-bit PNG, the photo as
greyscale JPEG 2000.

No font is taken from the system. Digits of the number and of the security code are a small bitmap font of
their own, six pixels a digit, which gives the sizes 72×12 and 24×12 of real cards. Letters and digits of name
and address use the font inside Pillow; a character that it does not have, so every kanji and kana, is a box
whose inner pattern differs from character to character. The sizes of the name and address images of real
cards are not known. The photo is a drawn face of nobody.
"""

from __future__ import annotations

import hashlib
import io
import unicodedata
from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from ...apdu.regular_files import read_regular

__all__ = ["digits_png", "face_jp2", "photo_jp2", "text_png"]

CELL_WIDTH, CELL_HEIGHT = 6, 12
GLYPHS = {
    "0": "0E 11 13 15 19 11 0E",
    "1": "04 0C 04 04 04 04 0E",
    "2": "0E 11 01 02 04 08 1F",
    "3": "1F 02 04 02 01 11 0E",
    "4": "02 06 0A 12 1F 02 02",
    "5": "1F 10 1E 01 01 11 0E",
    "6": "06 08 10 1E 11 11 0E",
    "7": "1F 01 02 04 08 08 08",
    "8": "0E 11 11 0E 11 11 0E",
    "9": "0E 11 11 0F 01 02 0C",
}
"""Five by seven pixels, a byte a row."""
TEXT_SIZE, LINE_CHARACTERS = 22, 24
PHOTO_SIZE = (240, 300)
PHOTO_COMPRESSION = 16
MAX_PICTURE_FILE = 64 * 1024 * 1024
MAX_PIXELS = 50_000_000
WHITE, BLACK = 1, 0


def digits_png(text: str) -> bytes:
    """Decimal digits, six by twelve pixels each."""
    image = Image.new("1", (CELL_WIDTH * len(text), CELL_HEIGHT), WHITE)
    for place, character in enumerate(text):
        for row, bits in enumerate(bytes.fromhex(GLYPHS[character])):
            for column in range(5):
                if bits >> (4 - column) & 1:
                    image.putpixel((place * CELL_WIDTH + column, 2 + row), BLACK)
    return _saved(image, "PNG")


def text_png(text: str) -> bytes:
    """A name or an address, black on white, in lines of 24 characters."""
    lines = [text[at : at + LINE_CHARACTERS] for at in range(0, len(text), LINE_CHARACTERS)] or [""]
    image = Image.new("1", (TEXT_SIZE * max(map(len, lines)) or 1, (TEXT_SIZE + 2) * len(lines)), WHITE)
    draw = ImageDraw.Draw(image)
    for row, line in enumerate(lines):
        for column, character in enumerate(line):
            _character(draw, character, column * TEXT_SIZE, row * (TEXT_SIZE + 2))
    return _saved(image, "PNG")


def face_jp2(seed: bytes) -> bytes:
    """A drawn face that nobody has; ``seed`` moves its features a little."""
    moves = hashlib.sha256(seed).digest()
    image = Image.new("L", PHOTO_SIZE, 225)
    draw = ImageDraw.Draw(image)
    width = 62 + moves[0] % 16
    skin, hair = 165 + moves[1] % 40, 25 + moves[2] % 70
    draw.ellipse((10, 235, 230, 420), fill=70 + moves[3] % 60)
    draw.rectangle((98, 200, 142, 250), fill=skin - 15)
    draw.ellipse((120 - width - 10, 38, 120 + width + 10, 190), fill=hair)
    draw.ellipse((120 - width, 62, 120 + width, 230), fill=skin)
    eyes = 135 + moves[4] % 14
    for side in (-1, 1):
        x = 120 + side * (24 + moves[5] % 8)
        draw.ellipse((x - 10, eyes - 5, x + 10, eyes + 5), fill=245)
        draw.ellipse((x - 4, eyes - 4, x + 4, eyes + 4), fill=20)
        draw.arc((x - 15, eyes - 20, x + 15, eyes), 200, 340, fill=hair, width=4)
    draw.line((120, eyes + 12, 114, eyes + 36, 122, eyes + 38), fill=skin - 45, width=3)
    draw.arc((95, eyes + 38, 145, eyes + 62 + moves[6] % 10), 20, 160, fill=90, width=4)
    return _jp2(image)


def photo_jp2(path: Path) -> bytes:
    """A picture file in the shape of a card's photo. Raises ValueError for a file that is no picture."""
    try:
        with Image.open(io.BytesIO(read_regular(path, MAX_PICTURE_FILE))) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise ValueError("too many pixels for a photo")
            return _jp2(ImageOps.fit(picture.convert("L"), PHOTO_SIZE))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError("not a picture that can be read") from error


def _jp2(image: Image.Image) -> bytes:
    return _saved(image, "JPEG2000", quality_mode="rates", quality_layers=[PHOTO_COMPRESSION])


def _saved(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, format=kind, **options)
    return out.getvalue()


@lru_cache(maxsize=1)
def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(TEXT_SIZE - 4)


def _character(draw: ImageDraw.ImageDraw, character: str, x: int, y: int) -> None:
    """One character in its square; full-width letters and digits as their plain forms."""
    plain = unicodedata.normalize("NFKC", character)
    if plain.isspace():
        return
    if plain.isascii() and plain.isprintable():
        draw.text((x + 4, y), plain, fill=BLACK, font=_font())
        return
    draw.rectangle((x + 1, y + 1, x + TEXT_SIZE - 2, y + TEXT_SIZE - 2), outline=BLACK)
    pattern = hashlib.sha256(character.encode()).digest()
    for place in range(16):
        if pattern[place] & 1:
            left, top = x + 3 + place % 4 * 4, y + 3 + place // 4 * 4
            draw.rectangle((left, top, left + 2, top + 2), fill=BLACK)
