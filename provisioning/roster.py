"""Reading an HR roster: CSV in, employees out, or a list of everything that is wrong with it.

CSV as RFC 4180 in UTF-8 (with or without BOM) or cp932, tried strictly in that order. Names stay as HR
wrote them; only numbers, dates, codes and addresses are brought to half-width (Unicode NFKC), since NFKC
would turn 髙 and 﨑 lookalikes into other people's names. A roster is taken whole or not at all.

A column that looks like 個人番号 stops everything before anything else is reported: 番号法 forbids
keeping the number here. Check digit: 番号法施行規則 (行政手続における特定の個人を識別するための番号の
利用等に関する法律施行規則), modulus 11.
"""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from ..apdu.errors import InputError, Words
from .roster_fields import COLUMNS, MY_NUMBER_HEADERS, Column, Fault, Reject, column_of, header_key

__all__ = [
    "Employee",
    "Fault",
    "Roster",
    "RosterError",
    "looks_like_my_number",
    "my_number_check_digit",
    "parse_roster",
    "read_roster",
]

LARGEST_FILE = 16 << 20
LARGEST_FIELD = 1000


@dataclass(frozen=True, slots=True)
class Employee:
    """One person of the roster. ``card`` is ``company`` or ``holder`` (the person's own card is bound)."""

    number: str
    name: str
    romaji: str
    valid_from: date
    valid_until: date
    kana: str = ""
    department: str = ""
    department_en: str = ""
    email: str = ""
    site: str = ""
    access: tuple[str, ...] = ()
    card: str = "company"


@dataclass(frozen=True, slots=True)
class Roster:
    """A roster without faults. ``ignored`` are headers that tegata has no use for."""

    employees: tuple[Employee, ...]
    encoding: str
    ignored: tuple[str, ...] = ()


class RosterError(InputError):
    """The roster has faults: all of them in ``faults``, in order of lines."""

    default_code = "roster.faults"

    def __init__(self, path: str, faults: list[Fault]) -> None:
        self.faults = tuple(sorted(faults, key=lambda fault: fault.line))
        self.path = path
        first = self.faults[0]
        words = Words(first.sentence("en"), first.sentence("ja"))
        super().__init__(None, path=path, count=len(faults), first=words)


def read_roster(path: Path) -> Roster:
    """The roster of a file. Raises InputError ``input.file``, ``input.too_large``, ``roster.encoding``,
    ``roster.my_number``, or RosterError."""
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise InputError("input.file", path=str(path), what=error.strerror) from error
    return parse_roster(data, str(path))


def parse_roster(data: bytes, path: str = "roster") -> Roster:
    """As :func:`read_roster`, from bytes; ``path`` is what errors call it."""
    if len(data) > LARGEST_FILE:
        raise InputError("input.too_large", path=path, limit=f"{LARGEST_FILE >> 20} MiB")
    text, encoding = _decode(data, path)
    faults: list[Fault] = []
    rows = list(_rows(text, faults))
    if not rows:
        raise RosterError(path, faults or [Fault(1, "", "empty")])
    headers = [cell.strip() for cell in rows[0][1]]
    body = [row for row in rows[1:] if any(cell.strip() for cell in row[1])]
    _refuse_my_number(headers, body, path)
    columns = _columns(headers, faults)
    employees = [_employee(line, cells, headers, columns, faults) for line, cells in body]
    found = [(line, one) for (line, _), one in zip(body, employees, strict=True) if one]
    _duplicates(found, faults)
    if not body and not faults:
        faults.append(Fault(rows[0][0], "", "no_rows"))
    if faults:
        raise RosterError(path, faults)
    ignored = tuple(header for header in headers if header and column_of(header) is None)
    return Roster(tuple(one for _, one in found), encoding, ignored)


def my_number_check_digit(digits: str) -> int:
    """The check digit for the 11 digits before it.

    With P_n the n-th digit from the right and Q_n = n + 1 (n ≤ 6) or n − 5 (n ≥ 7), it is
    11 − (Σ P_n·Q_n mod 11), and 0 when that remainder is 0 or 1.
    """
    total = 0
    for n, digit in enumerate(reversed(digits), start=1):
        total += int(digit) * (n + 1 if n <= 6 else n - 5)
    remainder = total % 11
    return 0 if remainder <= 1 else 11 - remainder


def looks_like_my_number(cells: list[str]) -> bool:
    """Whether most of the cells with twelve digits (grouped or not) pass the check digit."""
    numbers = [number for number in map(_twelve_digits, cells) if number]
    right = sum(int(number[11]) == my_number_check_digit(number[:11]) for number in numbers)
    return right * 2 > len(numbers)


def _twelve_digits(cell: str) -> str:
    plain = unicodedata.normalize("NFKC", cell)
    bare = "".join(char for char in plain if not char.isspace() and char not in "-‐‑‒–—―−ー'\"=.")
    return bare if len(bare) == 12 and bare.isascii() and bare.isdigit() else ""


def _decode(data: bytes, path: str) -> tuple[str, str]:
    for encoding in ("utf-8-sig", "cp932"):
        try:
            return data.decode(encoding, errors="strict"), encoding.removesuffix("-sig")
        except UnicodeDecodeError:
            continue
    raise InputError("roster.encoding", path=path)


def _rows(text: str, faults: list[Fault]) -> Iterator[tuple[int, list[str]]]:
    """Each row with the line it begins on. What breaks the CSV itself ends the reading: later lines
    would be reported wrongly."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for cells in reader:
            yield line, cells
            line = reader.line_num + 1
    except csv.Error:
        faults.append(Fault(line, "", "csv"))


def _refuse_my_number(headers: list[str], body: list[tuple[int, list[str]]], path: str) -> None:
    width = max([len(headers), *(len(cells) for _, cells in body)])
    for index in range(width):
        name = headers[index] if index < len(headers) else ""
        column = [cells[index] for _, cells in body if index < len(cells)]
        # A file without a header has its first number where the header should be.
        named = header_key(name) in MY_NUMBER_HEADERS and any(cell.strip() for cell in column)
        if named or looks_like_my_number([*column, name]):
            shown = "" if _twelve_digits(name) else name
            raise InputError("roster.my_number", path=path, column=shown or f"#{index + 1}")


def _columns(headers: list[str], faults: list[Fault]) -> dict[int, Column]:
    """The known columns by their position."""
    found: dict[int, Column] = {}
    for index, header in enumerate(headers):
        column = column_of(header)
        if column is None:
            continue
        if column in found.values():
            faults.append(Fault(1, header, "header_twice"))
        found[index] = column
    missing = [column for column in COLUMNS if column.required and column not in found.values()]
    faults.extend(Fault(1, column.headers[0], "header_missing") for column in missing)
    return found


def _employee(
    line: int, cells: list[str], headers: list[str], columns: dict[int, Column], faults: list[Fault]
) -> Employee | None:
    before = len(faults)
    if len(cells) != len(headers):
        faults.append(Fault(line, "", "width", f"{len(cells)} / {len(headers)}"))
        return None
    values: dict[str, Any] = {}
    for index, column in columns.items():
        try:
            values[column.field] = _value(column, cells[index])
        except Reject as reject:
            faults.append(Fault(line, headers[index], reject.kind, reject.detail))
    if len(faults) > before or not _complete(columns):
        return None
    employee = Employee(**{field: value for field, value in values.items() if value != ""})
    if employee.valid_until < employee.valid_from:
        faults.append(Fault(line, "", "dates_order"))
        return None
    return employee


def _complete(columns: dict[int, Column]) -> bool:
    return all(column in columns.values() for column in COLUMNS if column.required)


def _value(column: Column, cell: str) -> object:
    text = cell.strip()
    if len(text) > LARGEST_FIELD:
        raise Reject("too_long", str(LARGEST_FIELD))
    for char in text:
        if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") or char == "\ufffd":
            raise Reject("control")
        if unicodedata.category(char) == "Co":
            raise Reject("gaiji")
    if text and unicodedata.normalize("NFKC", text[0]) in "=+-@":
        raise Reject("formula")
    if not text and column.required:
        raise Reject("missing")
    return column.parse(text) if text else ""


def _duplicates(employees: list[tuple[int, Employee]], faults: list[Fault]) -> None:
    for field in ("number", "email"):
        first: dict[str, int] = {}
        header = next(column.headers[0] for column in COLUMNS if column.field == field)
        for line, employee in employees:
            value = getattr(employee, field).casefold()
            if value and first.setdefault(value, line) != line:
                faults.append(Fault(line, header, "duplicate", str(first[value])))
