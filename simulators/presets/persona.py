"""Invented people for simulated My Number Cards. Municipalities and their codes are real, the people are
not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TypeVar

from ...applets.mynumber_text.model import my_number_check_digit
from ..pki.profile import Holder

__all__ = ["Persona", "choose", "digits", "invent"]

Entropy = Callable[[int], bytes]
T = TypeVar("T")

FAMILY_NAMES = ("見本", "試験", "架空", "仮名", "例示", "模擬", "試作", "練習")
GIVEN_NAMES = (
    ("太郎", 1),
    ("次郎", 1),
    ("一平", 1),
    ("健人", 1),
    ("花子", 2),
    ("桜子", 2),
    ("美咲", 2),
    ("千尋", 2),
)
PLACES = (
    ("13101", "Tokyo-to", "Chiyoda-ku", "東京都千代田区"),
    ("13221", "Tokyo-to", "Kiyose-shi", "東京都清瀬市"),
    ("27127", "Osaka-fu", "Osaka-shi Kita-ku", "大阪府大阪市北区"),
    ("36201", "Tokushima-ken", "Tokushima-shi", "徳島県徳島市"),
    ("01101", "Hokkaido", "Sapporo-shi Chuo-ku", "北海道札幌市中央区"),
    ("40133", "Fukuoka-ken", "Fukuoka-shi Chuo-ku", "福岡県福岡市中央区"),
)
FULL_WIDTH = {ord(digit): chr(0xFF10 + int(digit)) for digit in "0123456789"} | {ord("-"): "\uff0d"}
OLDEST, YOUNGEST = date(1950, 1, 1), date(2004, 12, 31)
OPAQUE = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class Persona:
    """One invented holder. ``my_number`` fails the check digit of a 個人番号 on purpose."""

    holder: Holder
    municipality: str
    my_number: str
    security_code: str
    card_serial: str
    opaque: str
    signature_digits: str


def choose(entropy: Entropy, choices: Sequence[T]) -> T:
    return choices[int.from_bytes(entropy(8), "big") % len(choices)]


def digits(entropy: Entropy, count: int) -> str:
    return "".join(choose(entropy, "0123456789") for _ in range(count))


def invent(entropy: Entropy) -> Persona:
    """A new person. Names repeat from card to card; numbers and codes do not."""
    municipality, prefecture, city, place = choose(entropy, PLACES)
    given, sex = choose(entropy, GIVEN_NAMES)
    birth = OLDEST + timedelta(days=choose(entropy, range((YOUNGEST - OLDEST).days)))
    block = "-".join(str(1 + choose(entropy, range(9))) for _ in range(3)).translate(FULL_WIDTH)
    holder = Holder(
        name=f"{choose(entropy, FAMILY_NAMES)}\u3000{given}",
        address=f"{place}見本町{block}",
        birth=birth,
        sex=sex,
        prefecture=prefecture,
        city=city,
    )
    eleven = digits(entropy, 11)
    return Persona(
        holder=holder,
        municipality=municipality,
        my_number=f"{eleven}{(my_number_check_digit(eleven) + 1 + choose(entropy, range(9))) % 10}",
        security_code=digits(entropy, 4),
        card_serial=digits(entropy, 15),
        opaque="".join(choose(entropy, OPAQUE) for _ in range(14)),
        signature_digits=digits(entropy, 14),
    )
