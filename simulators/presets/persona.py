"""Personas: the TOML description of a simulated My Number Card and of the invented person who holds it.

What a file leaves out is invented: numbers and codes from the card's entropy, dates from the day of making.
Municipalities and their codes are real, the people are not, and no number passes the check digit of a real
個人番号.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from ...apdu.atr import Atr
from ...apdu.errors import InputError
from ...applets.mynumber_text.model import my_number_check_digit
from ..card.policy import MY_NUMBER_CARD
from .images import photo_jp2

__all__ = ["Persona", "choose", "digits", "invent", "load", "parse"]

Entropy = Callable[[int], bytes]
T = TypeVar("T")

FAMILY_NAMES = (
    ("見本", "ミホン"),
    ("試験", "シケン"),
    ("架空", "カクウ"),
    ("仮名", "カメイ"),
    ("例示", "レイジ"),
    ("模擬", "モギ"),
    ("試作", "シサク"),
    ("練習", "レンシュウ"),
)
GIVEN_NAMES = (
    ("太郎", "タロウ", "male"),
    ("次郎", "ジロウ", "male"),
    ("一平", "イッペイ", "male"),
    ("健人", "ケント", "male"),
    ("花子", "ハナコ", "female"),
    ("桜子", "サクラコ", "female"),
    ("美咲", "ミサキ", "female"),
    ("千尋", "チヒロ", "female"),
)
PLACES = {
    "13101": ("Tokyo-to", "Chiyoda-ku", "東京都千代田区"),
    "13221": ("Tokyo-to", "Kiyose-shi", "東京都清瀬市"),
    "27127": ("Osaka-fu", "Osaka-shi Kita-ku", "大阪府大阪市北区"),
    "36201": ("Tokushima-ken", "Tokushima-shi", "徳島県徳島市"),
    "01101": ("Hokkaido", "Sapporo-shi Chuo-ku", "北海道札幌市中央区"),
    "40133": ("Fukuoka-ken", "Fukuoka-shi Chuo-ku", "福岡県福岡市中央区"),
}
FULL_WIDTH = {ord(digit): chr(0xFF10 + int(digit)) for digit in "0123456789"} | {ord("-"): "\uff0d"}
OLDEST, YOUNGEST = date(1950, 1, 1), date(2004, 12, 31)
ADULT_YEARS = 18
REAL_NUMBER = "passes the check digit of a real number"
SEX_DIGITS = {"male": 1, "female": 2, "other": 9}

BirthDay = Annotated[date, Field(ge=date(1868, 1, 25), le=date(2100, 12, 31))]
CardDay = Annotated[date, Field(ge=date(2000, 1, 1), le=date(2100, 12, 31))]
PinName = Literal["authentication", "signature", "text", "juki", "visual_birth", "check_a", "check_b"]
CertificateName = Literal["authentication", "signature"]
Password = Annotated[str, Field(pattern=r"^[A-Z0-9]{6,16}$")]
Flags = Annotated[str, Field(pattern=r"^[01]*$")]
Pin = Annotated[str, Field(pattern=r"^[0-9]{4}$")]
Place = Annotated[str, Field(min_length=1, max_length=48, pattern=r"^[A-Za-z][A-Za-z' -]*$")]


def _checked_atr(text: str) -> str:
    Atr.parse(bytes.fromhex(text))
    return text


AtrHex = Annotated[str, Field(pattern=r"^([0-9A-Fa-f]{2})+$"), AfterValidator(_checked_atr)]


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=False)


class Pins(_Section):
    """The holder's PINs. A card without PINs (顔認証マイナンバーカード) has ``set = false``."""

    set: bool = True
    authentication: Pin = "1234"
    signature: Password = "ABC123"
    text: Pin = "1234"
    juki: Pin = "1234"
    locked: tuple[PinName, ...] = ()


class Certificates(_Section):
    """Which certificates, with their keys, are on the card; which are revoked; which roots issued them.

    ``signature_name`` and ``signature_address`` are what the signature certificate still says after the
    holder's have changed. ``signature_ocsp`` begins the OCSP address in it, which ends in ``.invalid``.
    """

    authentication: bool = True
    signature: bool = True
    revoked: tuple[CertificateName, ...] = ()
    generation: Literal[1, 2, 3] | None = None
    production_names: bool = False
    signature_name: str | None = None
    signature_address: str | None = None
    signature_ocsp: Annotated[str, Field(pattern=r"^ocspsign[a-z0-9]{0,20}$")] = "ocspsignnorm"


class Body(_Section):
    """The card itself. ``kind``: a plastic card or one in a phone, which holds the JPKI application alone.

    ``applications`` names other applications beside, which answer SELECT and nothing else.
    """

    kind: Literal["card", "android", "iphone"] = "card"
    issued: CardDay | None = None
    issued_days_ago: Annotated[int, Field(ge=0, le=20 * 366)] | None = None
    expiry: CardDay | None = None
    serial: Annotated[str, Field(pattern=r"^[0-9]{15}$")] | None = None
    security_code: Pin | None = None
    atr_contact: AtrHex = "3BE000FF8131FE4514"
    atr_contactless: AtrHex = "3B888001000041E0B381A1003B"
    applications: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,10}$")], ...] = ()
    lower_certificate: bool = True


class Persona(_Section):
    """A holder and a card. ``birth`` or ``age`` (whole years on the day of making), not both."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    kana: Annotated[str, Field(max_length=200)] = ""
    address: Annotated[str, Field(min_length=1, max_length=400)]
    birth: BirthDay | None = None
    age: Annotated[int, Field(ge=0, le=120)] | None = None
    sex: Literal["male", "female", "other"]
    municipality: Annotated[str, Field(pattern=r"^[0-9]{5}$")]
    prefecture: Place | None = None
    city: Place | None = None
    name_substitutes: Flags = ""
    address_substitutes: Flags = ""
    photo: Path | None = None
    my_number: Annotated[str, Field(pattern=r"^[0-9]{12}$")] | None = None
    card: Body = Body()
    pins: Pins = Pins()
    certificates: Certificates = Certificates()
    quirks: dict[str, bool | int] = {}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.birth is None) == (self.age is None):
            raise ValueError("give either birth or age")
        for flags, text in (
            (self.name_substitutes, self.name),
            (self.address_substitutes, self.address),
        ):
            if flags and len(flags) != len(text):
                raise ValueError(f"{len(text)} characters have as many substitute flags, not {len(flags)}")
        if self.municipality not in PLACES and not (self.prefecture and self.city):
            raise ValueError("this municipality needs prefecture and city in Roman letters")
        if self.card.issued is not None and self.card.issued_days_ago is not None:
            raise ValueError("give either issued or issued_days_ago")
        if self.my_number and int(self.my_number[11]) == my_number_check_digit(self.my_number[:11]):
            raise ValueError(REAL_NUMBER)
        MY_NUMBER_CARD.with_quirks(self.quirks)
        return self

    @property
    def sex_digit(self) -> int:
        """JIS X 0303: 1 male, 2 female, 9 not applicable."""
        return SEX_DIGITS[self.sex]

    @property
    def romaji(self) -> tuple[str, str]:
        """Prefecture and city."""
        known = PLACES.get(self.municipality, ("", "", ""))
        return self.prefecture or known[0], self.city or known[1]


def load(path: Path) -> Persona:
    """Read a persona file. Raises InputError ``persona.*`` with the entry that is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("persona.missing", file=path) from error
    return parse(text, path)


def parse(text: str, path: Path) -> Persona:
    """A persona from TOML; ``path`` names it in errors and is where its photo is looked for."""
    try:
        persona = Persona.model_validate(tomllib.loads(text))
    except RecursionError as error:
        raise InputError("persona.syntax", file=path, what="nested too deeply") from error
    except tomllib.TOMLDecodeError as error:
        raise InputError("persona.syntax", file=path, what=str(error)) from error
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        what = first["msg"].removeprefix("Value error, ")
        if what == REAL_NUMBER:
            raise InputError("persona.real_number", file=path) from None
        where = ".".join(map(str, first["loc"])) or "persona"
        raise InputError("persona.invalid", file=path, where=where, what=what) from None
    if persona.photo is None:
        return persona
    photo = path.parent / persona.photo
    try:
        photo_jp2(photo)
    except ValueError as error:
        raise InputError("persona.invalid", file=path, where="photo", what=str(error)) from error
    return persona.model_copy(update={"photo": photo})


def choose(entropy: Entropy, choices: Sequence[T]) -> T:
    return choices[int.from_bytes(entropy(8), "big") % len(choices)]


def digits(entropy: Entropy, count: int) -> str:
    return "".join(choose(entropy, "0123456789") for _ in range(count))


def invalid_number(entropy: Entropy) -> str:
    """Twelve digits that fail the check digit of a 個人番号."""
    eleven = digits(entropy, 11)
    return f"{eleven}{(my_number_check_digit(eleven) + 1 + choose(entropy, range(9))) % 10}"


def invent(entropy: Entropy) -> Persona:
    """A new adult. Names repeat from card to card; numbers and codes do not."""
    municipality = choose(entropy, sorted(PLACES))
    family, family_kana = choose(entropy, FAMILY_NAMES)
    given, given_kana, sex = choose(entropy, GIVEN_NAMES)
    block = "-".join(str(1 + choose(entropy, range(9))) for _ in range(3)).translate(FULL_WIDTH)
    return Persona(
        name=f"{family}\u3000{given}",
        kana=f"{family_kana}\u3000{given_kana}",
        address=f"{PLACES[municipality][2]}見本町{block}",
        birth=OLDEST + timedelta(days=choose(entropy, range((YOUNGEST - OLDEST).days))),
        sex=sex,  # type: ignore[arg-type] # from the table above
        municipality=municipality,
    )
