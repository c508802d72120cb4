"""Codecs and host of the text application."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegata.apdu import InputError, MalformedResponse, PinBlocked, PinError, Secret, StatusError
from tegata.apdu.card import Card
from tegata.applets.mynumber_text.host import TextApplication
from tegata.applets.mynumber_text.model import (
    Attributes,
    check_number_b,
    my_number_check_digit,
    my_number_file,
)
from tegata.simulators.card import MemoryStore, SimulatedCard
from tegata.simulators.link import SimulatedLink

EXAMPLE = bytes.fromhex(
    "ff2062 df2108 000e 0020 0056 0061 df220f e8a9a6e9a893e38080e88ab1e5ad90"
    "df2333 e69db1e4baace983bde58d83e4bba3e794b0e58cbae99c9ee3818ce996a2"
    "efbc91e4b881e79baeefbc92e795aaefbc93e58fb7"
    "df2408 3139393030343031 df2501 32"
)
HANAKO = Attributes("試験\u3000花子", "東京都千代田区霞が関１丁目２番３号", date(1990, 4, 1), "2")


def _open(content: dict[str, bytes]) -> TextApplication:
    application = TextApplication(Card(SimulatedLink(SimulatedCard(MemoryStore(content)))))
    application.select()
    return application


def test_attributes_as_bytes() -> None:
    assert bytes(HANAKO) == EXAMPLE
    assert Attributes.parse(EXAMPLE) == HANAKO
    assert Attributes.parse(EXAMPLE + b"\xff" * 30) == HANAKO


WRITTEN = st.characters(exclude_categories=("Cc", "Cf", "Cs"))


@given(
    name=st.text(WRITTEN, max_size=60),
    address=st.text(WRITTEN, max_size=200),
    birth=st.dates(min_value=date(1868, 1, 1)),
)
def test_attributes_round_trip_and_offsets(name: str, address: str, birth: date) -> None:
    attributes = Attributes(name, address, birth, "1")
    raw = bytes(attributes)
    assert Attributes.parse(raw) == attributes
    start = raw.index(b"\xdf\x21\x08") + 3
    offsets = [int.from_bytes(raw[at : at + 2], "big") for at in range(start, start + 8, 2)]
    assert [raw[at : at + 2].hex() for at in offsets] == ["df22", "df23", "df24", "df25"]


@given(st.binary(max_size=120))
def test_noise_is_a_value_error(raw: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        Attributes.parse(raw)


def test_number_file_and_check_digit() -> None:
    assert my_number_file("123456789018").hex() == "ff100c313233343536373839303138ffff"
    assert my_number_check_digit("12345678901") == 8


@pytest.mark.parametrize(
    ("birth", "number"),
    [
        (date(1980, 2, 17), "55021720352285"),
        (date(1989, 1, 8), "01010820352285"),
        (date(2019, 5, 1), "01050120352285"),
    ],
)
def test_check_number_b(birth: date, number: str) -> None:
    assert check_number_b(birth, 2035, "2285") == number


def test_reading_the_attributes(my_number_memory: dict[str, bytes]) -> None:
    application = _open(my_number_memory)
    assert application.tries() == 3
    with pytest.raises(StatusError):
        application.attributes()
    application.verify(Secret(b"1234"))
    assert bytes(application.attributes()) == my_number_memory["app/d3921000310001010408/ef/0002"]


def test_pin_rules(my_number_memory: dict[str, bytes]) -> None:
    application = _open(my_number_memory)
    with pytest.raises(InputError):
        application.verify(Secret(b"12345"))
    for left in (2, 1):
        with pytest.raises(PinError) as caught:
            application.verify(Secret(b"0000"))
        assert caught.value.retries_left == left
    with pytest.raises(PinError) as caught:
        application.verify(Secret(b"1234"))
    assert caught.value.code == "pin.last_try"
    with pytest.raises(PinBlocked):
        application.verify(Secret(b"0000"), allow_last_try=True)
    with pytest.raises(PinBlocked):
        application.verify(Secret(b"1234"), allow_last_try=True)


def test_attributes_of_a_liar(my_number_memory: dict[str, bytes]) -> None:
    application = _open(
        my_number_memory | {"app/d3921000310001010408/ef/0002": bytes.fromhex("FF2005DF2101FF00")}
    )
    application.verify(Secret(b"1234"))
    with pytest.raises(MalformedResponse):
        application.attributes()
