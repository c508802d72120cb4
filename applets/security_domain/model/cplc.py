"""Card production life cycle data, 42 bytes under tag 9F7F (facts: field lengths as GPC cards give them)."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, fields

__all__ = ["FABRICATORS", "Cplc", "date_code", "read_date", "to_json"]

WIDTHS = {
    "ic_fabricator": 2,
    "ic_type": 2,
    "operating_system": 2,
    "os_release_date": 2,
    "os_release_level": 2,
    "ic_fabrication_date": 2,
    "ic_serial": 4,
    "ic_batch": 2,
    "module_fabricator": 2,
    "module_packaging_date": 2,
    "icc_manufacturer": 2,
    "embedding_date": 2,
    "pre_personalizer": 2,
    "pre_personalization_date": 2,
    "pre_personalization_equipment": 4,
    "personalizer": 2,
    "personalization_date": 2,
    "personalization_equipment": 4,
}
LENGTH = 42


@dataclass(frozen=True, slots=True)
class Cplc:
    """The fields in the order of the card; dates as two bytes, see :func:`read_date`."""

    ic_fabricator: bytes
    ic_type: bytes
    operating_system: bytes
    os_release_date: bytes
    os_release_level: bytes
    ic_fabrication_date: bytes
    ic_serial: bytes
    ic_batch: bytes
    module_fabricator: bytes = bytes(2)
    module_packaging_date: bytes = bytes(2)
    icc_manufacturer: bytes = bytes(2)
    embedding_date: bytes = bytes(2)
    pre_personalizer: bytes = bytes(2)
    pre_personalization_date: bytes = bytes(2)
    pre_personalization_equipment: bytes = bytes(4)
    personalizer: bytes = bytes(2)
    personalization_date: bytes = bytes(2)
    personalization_equipment: bytes = bytes(4)

    def __post_init__(self) -> None:
        for name, width in WIDTHS.items():
            if len(getattr(self, name)) != width:
                raise ValueError(f"{name} has {width} bytes")

    def __bytes__(self) -> bytes:
        return b"".join(getattr(self, field.name) for field in fields(self))

    @classmethod
    def parse(cls, raw: bytes) -> Cplc:
        """Read the 42 bytes. Raises ValueError for any other length."""
        if len(raw) != LENGTH:
            raise ValueError(f"production life cycle data has {LENGTH} bytes, got {len(raw)}")
        values, offset = {}, 0
        for name, width in WIDTHS.items():
            values[name] = bytes(raw[offset : offset + width])
            offset += width
        return cls(**values)

    @property
    def identity(self) -> bytes:
        """What tells one card from all others: maker, type, date, serial, batch (12 bytes)."""
        return self.ic_fabricator + self.ic_type + self.ic_fabrication_date + self.ic_serial + self.ic_batch

    @property
    def numbered(self) -> bool:
        """Whether the chip has a serial number: neither all zeros nor all ones."""
        return self.ic_serial not in (bytes(len(self.ic_serial)), b"\xff" * len(self.ic_serial))

    @property
    def diversification(self) -> bytes:
        """Ten bytes of it, as our simulated cards give them in INITIALIZE UPDATE."""
        return self.ic_type + self.ic_fabrication_date + self.ic_serial + self.ic_batch


def date_code(day: datetime.date) -> bytes:
    """Last digit of the year and day of the year, as BCD: 2 January 2026 is ``6002``."""
    return bytes.fromhex(f"{day.year % 10}{day.timetuple().tm_yday:03d}")


def read_date(code: bytes, today: datetime.date) -> datetime.date | None:
    """The latest day not after ``today`` that ``code`` can mean: the card tells no decade.

    None for 0000, FFFF and anything that is not a date.
    """
    text = code.hex()
    if len(text) != 4 or not text.isdecimal() or text == "0000":
        return None
    digit, number = int(text[0]), int(text[1:])
    for year in range(today.year, today.year - 20, -1):
        if year % 10 == digit:
            first = datetime.date(year, 1, 1)
            day = first + datetime.timedelta(days=number - 1)
            if number and day.year == year and day <= today:
                return day
    return None


FABRICATORS = {
    0x4070: "Philips",
    0x4090: "Infineon",
    0x4180: "Atmel",
    0x4790: "NXP",
}
"""Makers of chips by their number in ``ic_fabricator``: the few that published readings of cards prove."""


def to_json(cplc: Cplc, today: datetime.date) -> dict[str, str]:
    """The fields in words: hex; dates as ISO dates, left out when the card tells none; the maker by name."""
    told: dict[str, str] = {}
    for name in WIDTHS:
        raw: bytes = getattr(cplc, name)
        if name.endswith("_date"):
            day = read_date(raw, today)
            if day is not None:
                told[name] = day.isoformat()
        else:
            told[name] = raw.hex().upper()
    maker = FABRICATORS.get(int.from_bytes(cplc.ic_fabricator, "big"))
    return told if maker is None else {**told, "ic_fabricator_name": maker}
