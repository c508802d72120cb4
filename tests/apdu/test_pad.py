"""Templates for a PIN pad, in the literal bytes that a caller writes."""

from __future__ import annotations

import pytest

from tegata.apdu.pad import PadTemplate


@pytest.mark.parametrize(
    ("template", "shortest", "longest", "apdu"),
    [
        ("0020008008303030303030FFFF", 6, 8, "0020008008FFFFFFFFFFFFFFFF"),
        ("002000800430303030", 4, 4, "0020008004FFFFFFFF"),
        ("0020008008FFFFFFFFFFFFFFFF", 4, 8, "0020008008FFFFFFFFFFFFFFFF"),
        ("0020000102FFFF", 2, 2, "0020000102FFFF"),
        ("00200080", 4, 16, "00200080"),
    ],
)
def test_a_template(template: str, shortest: int, longest: int, apdu: str) -> None:
    parsed = PadTemplate.parse(bytes.fromhex(template))
    assert (parsed.shortest, parsed.longest) == (shortest, longest)
    assert parsed.apdu == bytes.fromhex(apdu)


@pytest.mark.parametrize(
    "template",
    [
        "",
        "002000",
        "0020008000",
        "0020008002FF",
        "0020008002FFFFFF",
        "0020008004FF30FFFF",
        "002000800431323334",
        "0020008010" + 16 * "FF",
    ],
)
def test_what_is_none(template: str) -> None:
    with pytest.raises(ValueError, match=r"template|PIN block"):
        PadTemplate.parse(bytes.fromhex(template))


def test_the_command_of_a_template() -> None:
    assert bytes(PadTemplate.command(0x80, 6, 8)).hex() == "0020008008303030303030ffff"
