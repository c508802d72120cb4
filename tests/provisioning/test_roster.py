"""Rosters: what HR really sends, and what an attacker would."""

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegata.apdu import InputError, TegataError
from tegata.provisioning.roster import (
    RosterError,
    looks_like_my_number,
    my_number_check_digit,
    parse_roster,
    read_roster,
)
from tegata.provisioning.roster_fields import Reject, parse_date

HEAD = "社員番号,氏名,ローマ字,有効開始日,有効期限"
ROW = "000123,髙橋 一郎,TAKAHASHI Ichiro,2026/04/01,2031/03/31"
ROOT = Path(__file__).parents[2]


def faults(text: str | bytes) -> list[tuple[int, str, str]]:
    data = text.encode() if isinstance(text, str) else text
    with pytest.raises(RosterError) as caught:
        parse_roster(data)
    return [(fault.line, fault.column, fault.kind) for fault in caught.value.faults]


def code(data: bytes) -> str:
    with pytest.raises(InputError) as caught:
        parse_roster(data)
    return caught.value.code


def test_the_example() -> None:
    roster = read_roster(ROOT / "examples" / "roster.csv")
    assert len(roster.employees) == 22
    assert [one.number for one in roster.employees if one.card == "holder"] == ["000121", "000122"]
    expired = [one for one in roster.employees if one.valid_until < date(2026, 1, 1)]
    assert [one.number for one in expired] == ["000119"]
    assert expired[0].card == "company"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_encodings_and_leading_zeros(encoding: str, newline: str) -> None:
    # 髙 and 﨑 exist in cp932 only, not in plain Shift_JIS
    text = newline.join([HEAD, ROW, ROW.replace("000123", "000124").replace("髙橋", "山﨑"), ""])
    roster = parse_roster(text.encode(encoding))
    assert [one.number for one in roster.employees] == ["000123", "000124"]
    assert [one.name for one in roster.employees] == ["髙橋 一郎", "山﨑 一郎"]
    assert roster.encoding == ("cp932" if encoding == "cp932" else "utf-8")


def test_names_are_not_normalised_but_numbers_are() -> None:
    row = "０００１２３,渡邉󠄁㈱ ﾀﾛｳ,WATANABE Taro,令和８年４月１日,Ｒ１３．３．３１"
    (employee,) = parse_roster(f"{HEAD}\n{row}\n".encode()).employees
    assert employee.number == "000123"
    assert employee.name == "渡邉󠄁㈱ ﾀﾛｳ"
    assert (employee.valid_from, employee.valid_until) == (date(2026, 4, 1), date(2031, 3, 31))


def test_english_headers_and_every_column() -> None:
    text = (
        "Employee ID,Full Name,Latin Name,start_date,Expiry,"
        "Kana,Department,Affiliation,E-mail,Location,Access,Card Type,Shoe size\n"
        'A-7,"Smith, Jo","Smith, Jo",2026-04-01,20310331,'
        "スミス,Sales,SALES,Ｊｏ@example.jp,tokyo,a;b a,本人,40\n"
    )
    roster = parse_roster(text.encode())
    (employee,) = roster.employees
    assert roster.ignored == ("Shoe size",)
    assert employee.email == "Jo@example.jp"
    assert employee.access == ("a", "b")
    assert employee.card == "holder"
    assert employee.romaji == "Smith, Jo"


@pytest.mark.parametrize(
    "text",
    [
        *("2026-04-01", "2026/4/1", "2026.4.1", "20260401", "2026年4月1日", "令和8年4月1日", "R8.4.1"),
        *("Ｒ８/４/１", "２０２６年４月１日"),
    ],
)
def test_dates(text: str) -> None:
    assert parse_date(text) == date(2026, 4, 1)
    assert parse_date("平成元年12月31日") == date(1989, 12, 31)


@pytest.mark.parametrize(
    "text", ["", "2026-13-01", "2026-02-30", "01/04/2026", "46113", "昭和64年1月1日", "2026-4/1"]
)
def test_dates_that_are_not_guessed(text: str) -> None:
    with pytest.raises(Reject):
        parse_date(text)


def test_ten_different_faults_are_reported_together_by_line_and_column() -> None:
    head = f"{HEAD},メールアドレス,カード"
    tail = ",2026/04/01,2031/03/31"
    text = "\n".join(
        [
            head,
            f"000001,正しい 人,TADASHII Hito{tail},a@example.jp,会社",
            f",番号 なし,BANGO Nashi{tail},b@example.jp,会社",
            f"00 2,空白 入り,KUHAKU Iri{tail},c@example.jp,会社",
            f"000003,ローマ 字,ローマ字{tail},d@example.jp,会社",
            "000004,日付 違い,HIZUKE Chigai,2026/02/30,2031/03/31,e@example.jp,会社",
            "000005,期間 逆,KIKAN Gyaku,2026/04/01,2020/03/31,f@example.jp,会社",
            f"000006,メール 違い,MERU Chigai{tail},nowhere,会社",
            f"000007,カード 違い,KADO Chigai{tail},g@example.jp,何か",
            f"000001,同じ 番号,ONAJI Bango{tail},h@example.jp,会社",
            f"000008,同じ メール,ONAJI Meru{tail},A@example.jp,会社",
            "000009,項目 不足",
            f'000010,"=cmd|calc",SHIKI Hito{tail},i@example.jp,会社',
            "",
        ]
    )
    assert faults(text) == [
        (3, "社員番号", "missing"),
        (4, "社員番号", "number"),
        (5, "ローマ字", "ascii_name"),
        (6, "有効開始日", "date"),
        (7, "", "dates_order"),
        (8, "メールアドレス", "email"),
        (9, "カード", "card"),
        (10, "社員番号", "duplicate"),
        (11, "メールアドレス", "duplicate"),
        (12, "", "width"),
        (13, "氏名", "formula"),
    ]
    with pytest.raises(RosterError) as caught:
        parse_roster(text.encode())
    assert caught.value.sentence("en") == (
        "The roster roster was not imported: 11 faults; the first: "
        "line 3, column 社員番号: the cell is empty."
    )
    shown = "".join(fault.sentence(lang) for fault in caught.value.faults for lang in ("en", "ja"))
    assert "calc" not in shown
    assert "nowhere" not in shown
    assert "line 2" not in shown.split("line 10")[0]
    assert "2 行目と同じ値です" in shown


def test_lines_are_counted_through_quoted_line_breaks() -> None:
    text = f'{HEAD},備考\n{ROW},"two\nlines"\n,x,X,2026/04/01,2031/03/31,\n'
    assert faults(text) == [(4, "社員番号", "missing")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [(1, "", "empty")]),
        ("\ufeff", [(1, "", "empty")]),
        (HEAD, [(1, "", "no_rows")]),
        (f"社員番号\n{ROW}", [(1, "氏名", "header_missing"), (1, "ローマ字", "header_missing")]),
        (f"{HEAD},氏名\n{ROW},x", [(1, "氏名", "header_twice")]),
        (f'{HEAD}\n{ROW}\n"never closed,x\n', [(3, "", "csv")]),
        (f"{HEAD}\n{ROW.replace('髙', chr(0))}\n", [(2, "氏名", "control")]),
        (f"{HEAD}\n{ROW.replace('髙', chr(0x202E))}\n", [(2, "氏名", "control")]),
        (f"{HEAD}\n{ROW.replace('髙', chr(0xE000))}\n", [(2, "氏名", "gaiji")]),
        (f"{HEAD}\n{ROW.replace('髙', 'x' * 200_000)}\n", [(2, "", "csv")]),
        (f"{HEAD}\n{ROW.replace('髙', 'x' * 2000)}\n", [(2, "氏名", "too_long")]),
        (f"{HEAD}\n{ROW.replace('TAKAHASHI', 'A' * 125)}\n", [(2, "ローマ字", "ascii_name")]),
        (f"{HEAD}\n{ROW.replace('髙橋', '＝HYPERLINK(x)')}\n", [(2, "氏名", "formula")]),
        (f"{HEAD}\n{ROW.replace(',', ';')}\n", [(2, "", "width")]),
    ],
)
def test_hostile_and_broken_files(text: str, expected: list[tuple[int, str, str]]) -> None:
    assert faults(text)[: len(expected)] == expected


def test_files_that_are_not_rosters(tmp_path: Path) -> None:
    assert code(b"\x89PNG\r\n\x1a\n\x00\x00\xff\xfe\x81") == "roster.encoding"
    assert code(HEAD.encode("utf-16")) == "roster.encoding"
    big = tmp_path / "big.csv"
    with big.open("wb") as file:
        file.truncate(100 << 20)
    with pytest.raises(InputError) as caught:
        read_roster(big)
    assert caught.value.code == "input.too_large"
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(InputError) as caught:
            read_roster(path)
        assert caught.value.code == "input.file"


@given(st.binary(max_size=300))
def test_any_bytes_end_in_one_of_our_errors(data: bytes) -> None:
    with pytest.raises(TegataError):
        parse_roster(data)


@given(st.text(max_size=100))
def test_any_cell_is_taken_or_reported(cell: str) -> None:
    quoted = '"' + cell.replace('"', '""') + '"'
    data = f"{HEAD}\n{ROW.replace('髙橋 一郎', quoted)}\n".encode(errors="surrogatepass")
    try:
        roster = parse_roster(data)
    except InputError as error:
        outcome = error.code
    else:
        outcome = roster.employees[0].name
    assert outcome in ("roster.faults", "roster.encoding", "roster.my_number", cell.strip())


def test_the_check_digit_by_hand() -> None:
    # 12345678901: from the right 1,0,9,8,7,6 times 2…7, then 5,4,3,2,1 times 2…6:
    # 2+0+36+40+42+42 + 10+12+12+10+6 = 212, 212 mod 11 = 3, 11 − 3 = 8
    assert my_number_check_digit("12345678901") == 8
    # a remainder of 0 or 1 gives 0
    assert my_number_check_digit("00000000000") == 0
    assert my_number_check_digit("00000000006") == 0  # 6·2 = 12, remainder 1


def right_numbers(count: int) -> list[str]:
    return [f"{n:011d}{my_number_check_digit(f'{n:011d}')}" for n in range(12345, 12345 + count)]


@pytest.mark.parametrize(
    "write", [str, lambda n: f"{n[:4]}-{n[4:8]}-{n[8:]}", lambda n: f"{n[:4]} {n[4:8]} {n[8:]}"]
)
def test_a_column_of_my_numbers_stops_the_import(write: object) -> None:
    numbers = right_numbers(4)
    wrong = numbers[3][:11] + str((int(numbers[3][11]) + 1) % 10)
    rows = [
        ROW.replace("000123", f"{i:06d}") + f",{write(number)}"  # type: ignore[operator]
        for i, number in enumerate([*numbers[:3], wrong])
    ]
    for header in ("番号", "", "マイナンバー"):
        with pytest.raises(InputError) as caught:
            parse_roster("\n".join([f"{HEAD},{header}", *rows]).encode())
        assert caught.value.code == "roster.my_number"
        assert numbers[0] not in str(caught.value)


def test_full_width_numbers_and_a_file_without_headers_are_seen() -> None:
    wide = str.maketrans("0123456789", "０１２３４５６７８９")
    number = right_numbers(1)[0]
    assert looks_like_my_number([number.translate(wide)])
    data = f"{number},佐藤\n".encode()
    with pytest.raises(InputError) as caught:
        parse_roster(data)
    assert caught.value.code == "roster.my_number"
    assert number not in str(caught.value)


def test_the_stop_comes_before_other_faults() -> None:
    assert code(f"{HEAD},x\n,,,,,{right_numbers(1)[0]}\n".encode()) == "roster.my_number"


def test_twelve_digits_that_are_mostly_wrong_are_ordinary_numbers() -> None:
    ordinary = [f"{n:012d}" for n in range(100000000000, 100000000040)]
    right = sum(int(number[11]) == my_number_check_digit(number[:11]) for number in ordinary)
    assert 0 < right < 20
    assert not looks_like_my_number(ordinary)
    assert not looks_like_my_number(["090-1234-5678", "000123", ""])
