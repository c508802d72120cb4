"""What the probe sends: a list made before anything is sent, the same for every card.

A step may depend on an earlier one (a file is read only when it was found); answers change nothing else.
Identifiers of steps are stable names: ``JPKI/0006/read``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from ...apdu.command import Command, Span
from ...apdu.names import aid_of
from ...apdu.pin import PinReference

__all__ = ["APPLICATIONS", "Step", "plan"]

APPLICATIONS = ("JPKI", "My Number Card text", "My Number Card visual", "Juki", "My Number Card common")
MANAGER = bytes.fromhex("A0000001510000")
NOBODYS = bytes.fromhex("F0544547415441FF")
"""An AID that no card has."""
FILES = range(0x0001, 0x001F)
CARD_OBJECTS = (0x0042, 0x0045, 0x0066, 0x00F0, 0x00F2, 0x00F7, 0x00F8, 0x7F21, 0x5F51)
TOKEN_INFO = 0x0006
EVERYTHING = 65536
HIDDEN: tuple[Span, ...] = ((0, None),)

SHARED: dict[tuple[str, int], tuple[tuple[int, int], ...]] = {
    ("JPKI", 0x0006): ((0, 32), (64, 80)),
    ("JPKI", 0x0008): ((0, 3),),
    ("My Number Card text", 0x0005): ((0, 12),),
    ("My Number Card visual", 0x0003): ((0, 12),),
}
"""Bytes that many cards share and that may be recorded: label and model of the token, the availability of
certificates, header and version of the basic information. Of everything else only the length is."""


@dataclass(frozen=True, slots=True)
class Step:
    """One command. ``needs`` names an earlier step that must have answered 9000; ``keep`` are the spans of
    the answer that may be recorded."""

    name: str
    command: Command
    needs: str = ""
    keep: tuple[tuple[int, int], ...] = ()

    def __str__(self) -> str:
        condition = f"  (when {self.needs} answers 9000)" if self.needs else ""
        return f"{self.name}: {bytes(self.command).hex().upper()}{condition}"


def plan(pins: Iterable[PinReference] = ()) -> tuple[Step, ...]:
    """The whole list. ``pins``: whose tries are asked, by VERIFY without data, which spends none."""
    known = tuple(pins)
    return tuple(_steps(known))


def _steps(pins: tuple[PinReference, ...]) -> Iterator[Step]:
    yield Step("card/select-root", Command(0x00, 0xA4, 0x00, 0x00))
    yield Step("card/bare-select", Command(0x00, 0xA4, 0x04, 0x00))
    yield Step("card/file-without-application", _select_file(TOKEN_INFO))
    yield Step("manager/select", Command(0x00, 0xA4, 0x04, 0x0C, MANAGER))
    for tag in CARD_OBJECTS:
        yield Step(f"manager/{tag:04X}", _get_data(tag), "manager/select")
        yield Step(f"manager/{tag:04X}/extended", _get_data(tag, extended=True), "manager/select")
    for name in APPLICATIONS:
        yield from _application(name, [pin for pin in pins if pin.application == aid_of(name)])
    yield from _odds()


def _application(name: str, pins: list[PinReference]) -> Iterator[Step]:
    aid = aid_of(name) or b""
    selected = f"{name}/select"
    yield Step(f"{name}/select-fci", Command(0x00, 0xA4, 0x04, 0x00, aid, le=256))
    yield Step(selected, Command(0x00, 0xA4, 0x04, 0x0C, aid))
    for tag in (0x0042, 0x5F51):
        yield Step(f"{name}/object-{tag:04X}", _get_data(tag), selected)
    references = {pin.file for pin in pins}
    for file in FILES:
        here = f"{name}/{file:04X}"
        yield Step(f"{here}/select", _select_file(file), selected)
        if file in references:
            yield Step(f"{here}/tries", Command(0x00, 0x20, 0x00, 0x80), f"{here}/select")
            yield Step(f"{here}/tries-by-short-id", Command(0x00, 0x20, 0x00, 0x80 | file), f"{here}/select")
            continue
        found = f"{here}/read"
        yield Step(found, _read(0x00), f"{here}/select", SHARED.get((name, file), ()))
        yield Step(f"{here}/read-extended", _read(0x00, extended=True), found)
        yield Step(f"{here}/read-by-short-id", _read(0x80 | file), found)
        yield Step(f"{here}/read-past-end", Command(0x00, 0xB0, 0x7F, 0xFF, le=1), found)
    if name == "My Number Card common":
        record = Command(0x00, 0xB2, 0x01, 0x0C, le=256, secret_answer=HIDDEN)
        yield Step(f"{name}/record-by-short-id", record, selected)


def _odds() -> Iterator[Step]:
    jpki = aid_of("JPKI") or b""
    yield Step("odd/select", Command(0x00, 0xA4, 0x04, 0x0C, jpki))
    yield Step("odd/challenge", Command(0x00, 0x84, le=8), "odd/select")
    yield Step("odd/challenge-extended", Command(0x00, 0x84, le=8, extended=True), "odd/select")
    yield Step("odd/logical-channel", _select_file(TOKEN_INFO).with_(cla=0x01), "odd/select")
    yield Step("odd/unknown-instruction", Command(0x00, 0xFE), "odd/select")
    yield Step("odd/unknown-class", Command(0xF0, 0xB0, le=1), "odd/select")
    yield Step("odd/select-nobody", Command(0x00, 0xA4, 0x04, 0x0C, NOBODYS), "odd/select")
    yield Step("odd/file-after-select-nobody", _select_file(TOKEN_INFO), "odd/select")
    yield Step("odd/select-by-beginning", Command(0x00, 0xA4, 0x04, 0x0C, jpki[:5]))
    yield Step("odd/select-next", Command(0x00, 0xA4, 0x04, 0x0E, jpki[:5]), "odd/select-by-beginning")


def _select_file(file: int) -> Command:
    return Command(0x00, 0xA4, 0x02, 0x0C, file.to_bytes(2, "big"))


def _read(p1: int, *, extended: bool = False) -> Command:
    le = EVERYTHING if extended else 256
    return Command(0x00, 0xB0, p1, 0x00, le=le, extended=extended, secret_answer=HIDDEN)


def _get_data(tag: int, *, extended: bool = False) -> Command:
    le = EVERYTHING if extended else 256
    return Command(0x00, 0xCA, tag >> 8, tag & 0xFF, le=le, extended=extended, secret_answer=HIDDEN)
