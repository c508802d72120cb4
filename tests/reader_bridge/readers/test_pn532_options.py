"""The URL of a PN532 reader."""

from __future__ import annotations

import pytest

from tegata.apdu.errors import InputError
from tegata.reader_bridge.frames.pn532_commands import BrTy
from tegata.reader_bridge.readers.pn532.options import Mode, Options


def test_a_plain_device_has_both_types_and_our_own_iso_dep() -> None:
    options = Options.parse("/dev/ttyUSB0")
    assert options == Options("/dev/ttyUSB0", (BrTy.A106, BrTy.B106), Mode.ISO_DEP, None, 120.0)


def test_every_option() -> None:
    options = Options.parse("COM3?type=b&mode=data-exchange&baud=921600&patience=7.5")
    assert options == Options("COM3", (BrTy.B106,), Mode.DATA_EXCHANGE, 921600, 7.5)


def test_options_of_pyserial_stay_with_its_url() -> None:
    options = Options.parse("rfc2217://host:2217?ign_set_control&type=a&timeout=3")
    assert options.device == "rfc2217://host:2217?ign_set_control&timeout=3"
    assert options.types == (BrTy.A106,)


@pytest.mark.parametrize(
    ("rest", "named"),
    [
        ("/dev/x?type=c", "type=c"),
        ("/dev/x?type=a&mode=fast", "mode=fast"),
        ("/dev/x?baud=1200", "baud=1200"),
        ("/dev/x?baud=fast", "baud=fast"),
        ("/dev/x?patience=0", "patience=0"),
        ("/dev/x?patience=nan", "patience=nan"),
        ("/dev/x?patience=1e9", "patience=1e9"),
        ("/dev/x?colour=red", "colour=red"),
        ("?type=a", "?type=a"),
    ],
)
def test_what_is_no_option_is_named(rest: str, named: str) -> None:
    with pytest.raises(InputError) as caught:
        Options.parse(rest)
    assert (caught.value.code, caught.value.details["option"]) == ("pn532.option", named)
