"""URLs of OSDP peripherals, and files with their keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from tegata.apdu.errors import InputError, ReaderError
from tegata.reader_bridge.readers.osdp.address import OsdpAddress
from tegata.reader_bridge.readers.osdp.keys import read_scbk


@pytest.mark.parametrize(
    ("rest", "address"),
    [
        ("/dev/ttyUSB0", OsdpAddress("/dev/ttyUSB0")),
        ("COM3?address=126&baud=115200", OsdpAddress("COM3", 126, 115200)),
        ("socket://gate:4001?address=1", OsdpAddress("socket://gate:4001", 1)),
        (
            "/dev/x?key=file:a%26b.ring&master=doors",
            OsdpAddress("/dev/x", ring="file:a&b.ring", master="doors"),
        ),
        ("/dev/x?scbk=/keys/gate+1", OsdpAddress("/dev/x", scbk=Path("/keys/gate+1"))),
    ],
)
def test_a_url_is_read(rest: str, address: OsdpAddress) -> None:
    assert OsdpAddress.parse(rest) == address


@pytest.mark.parametrize(
    "rest",
    [
        "",
        "?address=1",
        "/dev/x?address=127",
        "/dev/x?address=-1",
        "/dev/x?address=٣",
        "/dev/x?address=1&address=2",
        "/dev/x?baud=1200",
        "/dev/x?speed=9600",
        "/dev/x?address",
        "/dev/x?key=file:a&scbk=b",
        "/dev/x?address=" + "9" * 5000,
    ],
)
def test_what_is_no_url_is_said_without_its_values(rest: str) -> None:
    with pytest.raises(ReaderError) as caught:
        OsdpAddress.parse(rest)
    assert caught.value.code == "osdp.url"
    assert "file:a" not in caught.value.sentence()


@pytest.mark.parametrize(
    "address",
    [
        OsdpAddress("/dev/x", 3),
        OsdpAddress("/dev/x", 3, 19200, ring="file:/a&b/keys.ring", master="doors"),
        OsdpAddress("socket://gate:4001", scbk=Path("/keys/gate 1%")),
    ],
)
def test_the_url_opens_the_same_again(address: OsdpAddress) -> None:
    assert OsdpAddress.parse(address.url.removeprefix("osdp:")) == address


@pytest.mark.parametrize(
    "content", [b"", b"00" * 15, b"00" * 17, b"0g" * 16, b"\xff" * 32, b"00 " * 16, b"00" * 500]
)
def test_a_key_file_of_another_form_is_refused_unquoted(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(InputError) as caught:
        read_scbk(path)
    assert caught.value.code == "osdp.scbk"
    assert "0g0g" not in caught.value.sentence()


def test_a_key_file_that_others_can_read_or_that_is_none_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text("a0" * 16)
    path.chmod(0o640)
    for place in (path, tmp_path, tmp_path / "nowhere"):
        with pytest.raises(InputError) as caught:
            read_scbk(place)
        assert caught.value.code == "osdp.scbk"
    path.chmod(0o600)
    assert read_scbk(path).reveal() == bytes([0xA0]) * 16
