"""What a trace shows, and what it must not show."""

from __future__ import annotations

from tegata.reader_bridge.share.trace import TracedLink, TracedReader

from .conftest import TinyReader


def test_pins_and_what_they_open_are_masked(tiny_reader: TinyReader) -> None:
    lines: list[str] = []
    link = TracedReader(tiny_reader, lines.append).wait_for_card()
    assert isinstance(link, TracedLink)
    link.transmit(bytes.fromhex("00B0000003"))
    link.transmit(bytes.fromhex("00200080"))
    link.transmit(bytes.fromhex("002000800431323334"))
    link.transmit(bytes.fromhex("00B0000003"))
    link.reset()
    link.transmit(bytes.fromhex("00B0000003"))
    link.transmit(bytes.fromhex("80D8008110") + bytes(range(16)))
    link.transmit(bytes.fromhex("0024000000000831323334") + b"5678")
    shown = [line.partition(") ")[2] if line.startswith("A<<") else line for line in lines]
    assert shown == [
        "# tiny",
        "# ATR: 3BE000FF8131FE4514",
        "# PROTOCOL: T=1",
        "A>> 00B0000003",
        "5A5A5A 9000",
        "A>> 00200080",
        "9000",
        "A>> 0020008004 ********",
        "9000",
        "A>> 00B0000003",
        "****** 9000",
        "# RESET",
        "A>> 00B0000003",
        "5A5A5A 9000",
        "A>> 80D8008110 " + "**" * 16,
        "6D00",
        "A>> 00240000000008 " + "**" * 8,
        "6D00",
    ]
