"""What is agreed with a card, read from ATRs of all forms (ISO/IEC 7816-3:2006 §8.3, §9, §11.4)."""

from __future__ import annotations

import pytest

from tegata.reader_bridge.readers.gemcore.negotiation import Agreement


@pytest.mark.parametrize(
    ("atr", "pps", "parameters"),
    [
        ("3B00", None, "1100000A00"),  # no interface bytes: T=0 as after a reset
        ("3F00", None, "1102000A00"),  # inverse convention
        ("3B1095", "FF10957A", "9500000A00"),  # TA1: faster, by PPS
        ("3B4000", None, "1100000A00"),  # TC1 00
        ("3B40FF", None, "1100FF0A00"),  # TC1 FF: the shortest guard time
        ("3B80400F", None, "1100000F00"),  # TC2: WI
        ("3B80810100", None, "1110004D002000"),  # T=1, nothing said
        ("3BE000FF8131FE4514", None, "1110FF4500FE00"),  # a My Number Card
        ("3B80817120450114", None, "11110045002000"),  # TC3: CRC
        ("3B808131204555", None, "11100045002000"),
        ("3B90951000", None, "9500000A00"),  # TA2: T=0 alone
    ],
)
def test_agreements(atr: str, pps: str | None, parameters: str) -> None:
    agreed = Agreement.read(bytes.fromhex(atr))
    assert (None if agreed.pps is None else bytes(agreed.pps).hex().upper()) == pps
    assert bytes(agreed.parameters).hex().upper() == parameters
