"""The columns of a roster: how they may be called, and how each cell is read.

Lengths follow what a badge can hold: printed information of SP 800-73-5 part 1 (name of at most 125 ASCII
characters, serial of at most 20) and the upper bounds of X.520 (common name of at most 64 characters).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

__all__ = [
    "COLUMNS",
    "MY_NUMBER_HEADERS",
    "Column",
    "Fault",
    "Reject",
    "column_of",
    "header_key",
    "parse_date",
]

SENTENCES: dict[str, tuple[str, str]] = {
    "empty": ("the file is empty", "ファイルが空です"),
    "no_rows": ("there is no row below the headers", "見出しの下に行がありません"),
    "csv": (
        "the CSV breaks off here (a quote that is never closed, a field too long)",
        "ここから CSV として読めません (閉じていない引用符、長すぎる項目など)",
    ),
    "header_missing": ("this column is missing", "この列がありません"),
    "header_twice": ("this column stands twice", "この列が二つあります"),
    "width": (
        "the row does not have as many cells as the headers ({detail})",
        "項目数が見出しと違います ({detail})",
    ),
    "missing": ("the cell is empty", "空欄です"),
    "too_long": ("longer than {detail} characters", "{detail} 文字を超えています"),
    "control": ("a control character or an invisible one", "制御文字か見えない文字があります"),
    "gaiji": (
        "a private character (gaiji) that other systems cannot show",
        "他の環境で表示できない外字があります",
    ),
    "formula": ("begins like a spreadsheet formula", "表計算の数式のように始まっています"),
    "duplicate": ("the same value stands in line {detail}", "{detail} 行目と同じ値です"),
    "dates_order": ("ends before it begins", "終了日が開始日より前です"),
    "number": ("must be 1 to 16 letters, digits or hyphens", "英数字とハイフンで 1～16 文字にしてください"),
    "ascii_name": (
        "must be a name in Latin letters (A-Z a-z . ' , - and spaces), at most {detail}",
        "半角ローマ字の氏名 (A-Z a-z . ' , - と空白、{detail} 文字まで) にしてください",
    ),
    "ascii_text": (
        "must be plain ASCII, at most {detail} characters",
        "半角英数字で {detail} 文字までにしてください",
    ),
    "email": ("is not an e-mail address", "メールアドレスではありません"),
    "date": ("is not a date (such as 2026-04-01)", "日付ではありません (例: 2026/04/01)"),
    "code": (
        "must be codes of 1 to 16 letters, digits, _ or -",
        "英数字、_、- で 1～16 文字のコードにしてください",
    ),
    "card": ("must be company or holder (会社 / 本人)", "company か holder (会社 / 本人) にしてください"),
}


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong in a roster, by line (from 1) and column. It never quotes the cell."""

    line: int
    column: str
    kind: str
    detail: str = ""

    def sentence(self, lang: str = "en") -> str:
        """Where and what, in ``en`` or ``ja``."""
        what = SENTENCES[self.kind][lang == "ja"].replace("{detail}", self.detail)
        if lang == "ja":
            return f"{self.line} 行目" + (f"「{self.column}」" if self.column else "") + f": {what}"
        return f"line {self.line}" + (f", column {self.column}" if self.column else "") + f": {what}"

    def to_json(self) -> dict[str, object]:
        return {"line": self.line, "column": self.column, "kind": self.kind, "message": self.sentence("en")}


class Reject(Exception):
    """A cell is not what its column needs."""

    def __init__(self, kind: str, detail: str = "") -> None:
        self.kind = kind
        self.detail = detail
        super().__init__(kind)


@dataclass(frozen=True, slots=True)
class Column:
    """A column tegata knows: the field of Employee, its headers (the first one is the name in faults)."""

    field: str
    headers: tuple[str, ...]
    parse: Callable[[str], object]
    required: bool = False


def header_key(header: str) -> str:
    """What is compared of a header: width, case, spaces and punctuation do not matter."""
    plain = unicodedata.normalize("NFKC", header).casefold()
    return "".join(char for char in plain if char.isalnum() or char == "ー")


def column_of(header: str) -> Column | None:
    """The column that a header names, if tegata knows it."""
    return _BY_HEADER.get(header_key(header))


def narrow(text: str) -> str:
    """Half-width form of a number, date, code or address (NFKC). Not for names."""
    return unicodedata.normalize("NFKC", text).strip()


def _number(text: str) -> str:
    value = narrow(text)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]{0,15}", value):
        raise Reject("number")
    return value


def _name(text: str) -> str:
    if len(text) > 64:
        raise Reject("too_long", "64")
    return text


def _long_text(text: str) -> str:
    if len(text) > 128:
        raise Reject("too_long", "128")
    return text


def _romaji(text: str) -> str:
    # Full-width letters are not narrowed: HR decides how a name is written.
    if len(text) > 125 or not re.fullmatch(r"[A-Za-z][A-Za-z .,'-]*", text):
        raise Reject("ascii_name", "125")
    return text


def _affiliation(text: str) -> str:
    if len(text) > 20 or not text.isascii():
        raise Reject("ascii_text", "20")
    return text


def _email(text: str) -> str:
    value = narrow(text)
    if len(value) > 254 or not re.fullmatch(r"[A-Za-z0-9._%+'-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", value):
        raise Reject("email")
    return value


def _site(text: str) -> str:
    codes = _codes(text)
    if len(codes) != 1:
        raise Reject("code")
    return codes[0]


def _codes(text: str) -> tuple[str, ...]:
    codes = [code for code in re.split(r"[;,、，|/・\s]+", narrow(text)) if code]
    if not all(re.fullmatch(r"[A-Za-z0-9_-]{1,16}", code) for code in codes):
        raise Reject("code")
    return tuple(dict.fromkeys(codes))


_ERAS = {"令和": 2018, "R": 2018, "平成": 1988, "H": 1988}
_DATES = (
    re.compile(r"(?P<y>\d{4})(?P<sep>[-/.])(?P<m>\d{1,2})(?P=sep)(?P<d>\d{1,2})"),
    re.compile(r"(?P<y>\d{4})(?P<m>\d{2})(?P<d>\d{2})"),
    re.compile(r"(?P<y>\d{4})年(?P<m>\d{1,2})月(?P<d>\d{1,2})日"),
    re.compile(r"(?P<era>令和|平成)(?P<y>\d{1,2}|元)年(?P<m>\d{1,2})月(?P<d>\d{1,2})日"),
    re.compile(r"(?P<era>[RH])(?P<y>\d{1,2})(?P<sep>[-/.])(?P<m>\d{1,2})(?P=sep)(?P<d>\d{1,2})"),
)


def parse_date(text: str) -> date:
    """2026-04-01, 2026/4/1, 2026.4.1, 20260401, 2026年4月1日, 令和8年4月1日, R8.4.1; full-width too."""
    value = narrow(text)
    for pattern in _DATES:
        match = pattern.fullmatch(value)
        if match is None:
            continue
        part = match.groupdict()
        year = 1 if part["y"] == "元" else int(part["y"])
        try:
            return date(year + _ERAS.get(part.get("era") or "", 0), int(part["m"]), int(part["d"]))
        except ValueError as error:
            raise Reject("date") from error
    raise Reject("date")


_CARDS = {
    "company": ("company", "会社", "会社カード", "社員証", "法人"),
    "holder": ("holder", "本人", "本人カード", "個人", "マイナンバーカード", "個人番号カード"),
}


def _card(text: str) -> str:
    value = narrow(text).casefold()
    for card, words in _CARDS.items():
        if value in words:
            return card
    raise Reject("card")


COLUMNS: tuple[Column, ...] = (
    Column(
        "number",
        (
            "社員番号",
            "従業員番号",
            "職員番号",
            "社員コード",
            "社員ID",
            "社員No",
            "employee number",
            "employee id",
        ),
        _number,
        required=True,
    ),
    Column("name", ("氏名", "名前", "社員名", "従業員名", "name", "full name"), _name, required=True),
    Column(
        "romaji",
        (
            "ローマ字",
            "氏名ローマ字",
            "氏名英字",
            "英字氏名",
            "ローマ字氏名",
            "romaji",
            "name romaji",
            "latin name",
        ),
        _romaji,
        required=True,
    ),
    Column(
        "valid_from",
        ("有効開始日", "開始日", "発効日", "有効期間開始", "利用開始日", "valid from", "start date"),
        parse_date,
        required=True,
    ),
    Column(
        "valid_until",
        (
            "有効期限",
            "終了日",
            "失効日",
            "有効終了日",
            "有効期間終了",
            "valid until",
            "valid to",
            "expiry",
            "end date",
        ),
        parse_date,
        required=True,
    ),
    Column("kana", ("フリガナ", "ふりがな", "カナ", "氏名カナ", "カナ氏名", "kana", "name kana"), _name),
    Column("department", ("部署", "所属", "部門", "部署名", "所属名", "department"), _long_text),
    Column(
        "department_en", ("部署英字", "所属英字", "部署英語", "department en", "affiliation"), _affiliation
    ),
    Column(
        "email",
        ("メールアドレス", "メール", "Eメール", "電子メール", "email", "mail", "email address"),
        _email,
    ),
    Column("site", ("拠点", "勤務地", "事業所", "拠点コード", "サイト", "site", "location"), _site),
    Column(
        "access", ("入室区分", "入退室区分", "アクセス区分", "入室権限", "access", "access classes"), _codes
    ),
    Column("card", ("カード", "カード区分", "カード種別", "card", "card type"), _card),
)

_BY_HEADER = {header_key(header): column for column in COLUMNS for header in (*column.headers, column.field)}

MY_NUMBER_HEADERS = frozenset(map(header_key, ("個人番号", "マイナンバー", "my number", "individual number")))
