"""Sending the plan and keeping what may be kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ...apdu.atr import Atr
from ...apdu.card import Card
from ...apdu.command import Response
from ...apdu.errors import MalformedResponse, ReaderError
from ...apdu.tlv import parse_length, parse_tag
from .plan import APPLICATIONS, Step

__all__ = ["FORMAT", "findings", "probe"]

FORMAT = "tegata-probe-1"
OK = 0x9000
OBJECTS = (0x30, 0x7F, 0xFF)
"""First bytes of the objects in these files: certificates of both kinds, and private constructed tags."""
Progress = Callable[[int, Step], None]


def probe(card: Card, steps: Iterable[Step], *, progress: Progress | None = None) -> dict[str, Any]:
    """Send ``steps`` to a card that was just reset, and reset it afterwards. The result is plain JSON values.

    ``progress`` is told each step before it is sent. Nothing but status words, lengths, headers' lengths and
    the spans that a step keeps is taken over. Raises CardRemoved.
    """
    with card.exclusive():
        card.reset()
        answers: dict[str, dict[str, Any]] = {}
        for number, step in enumerate(steps):
            if step.needs and answers.get(step.needs, {}).get("sw") != f"{OK:04X}":
                continue
            if progress is not None:
                progress(number, step)
            answers[step.name] = _ask(card, step)
        card.reset()
    return {
        "format": FORMAT,
        "atr": _atr(card.link.atr),
        "protocol": card.link.info.protocol.value,
        "steps": answers,
        "quirks": findings(answers),
    }


def _ask(card: Card, step: Step) -> dict[str, Any]:
    try:
        response = card.send_raw(step.command)
    except MalformedResponse:
        return {"refused": "answer of fewer than two bytes"}
    except ReaderError:
        return {"refused": "by the reader"}
    return _kept(step, response)


def _kept(step: Step, response: Response) -> dict[str, Any]:
    found: dict[str, Any] = {"sw": f"{response.sw:04X}"}
    if response.data:
        found["length"] = len(response.data)
        if step.command.ins == 0xB0:
            found |= _object_length(response.data)
    kept = [response.data[start:stop].hex().upper() for start, stop in step.keep if response.data[start:stop]]
    if kept:
        found["bytes"] = kept
    return found


def _object_length(data: bytes) -> dict[str, int]:
    """How long the object at the beginning of a file says that it is, header included."""
    if data[0] not in OBJECTS:
        return {}
    try:
        _, offset = parse_tag(data, 0)
        length, offset = parse_length(data, offset)
    except ValueError:
        return {}
    return {"object_length": offset + length}


def _atr(atr: bytes) -> str:
    """The ATR, empty when it is none. Some readers put the card's PUPI into it: a number that is drawn anew
    at every power-up and names nobody."""
    try:
        Atr.parse(atr)
    except ValueError:
        return ""
    return atr.hex().upper()


def findings(answers: dict[str, dict[str, Any]]) -> dict[str, bool | int]:
    """What the answers say about the switches of a simulated card, by the switches' names; what was not seen
    is left out."""
    found: dict[str, bool | int] = {}

    def sw(name: str) -> int | None:
        word = answers.get(name, {}).get("sw")
        return None if word is None else int(word, 16)

    def take(switch: str, value: bool | int | None) -> None:
        if value is not None:
            found[switch] = value

    take("bare_select_sw", sw("card/bare-select"))
    take("no_application_sw", sw("card/file-without-application"))
    take("short_ids", _one_works(answers, "/read-by-short-id"))
    take("extended_length", _one_works(answers, "/read-extended"))
    in_application = sw("JPKI/object-0042")
    take("get_data_in_application_sw", None if in_application == OK else in_application)
    at_card, inside = sw("manager/5F51"), sw("JPKI/object-5F51")
    if at_card is not None and inside is not None:
        found["contact_atr_in_applications"] = inside == OK and at_card != OK
    certificate = sw("JPKI/0001/read")
    take("signature_certificate_free", None if certificate is None else certificate == OK)
    take("birth_pin_tries", _tries(sw("My Number Card visual/0011/tries")))
    after = sw("odd/file-after-select-nobody")
    take("missed_select_keeps_application", None if after is None else after == OK)
    return found


def _tries(word: int | None) -> int | None:
    """Tries from the answer to VERIFY without data; 0 for a PIN that never blocks (6300)."""
    if word == 0x6300:
        return 0
    return word & 0x0F if word is not None and word & 0xFFF0 == 0x63C0 and word & 0x0F else None


def _one_works(answers: dict[str, dict[str, Any]], ending: str) -> bool | None:
    words = [
        answer.get("sw")
        for name, answer in answers.items()
        if name.startswith(APPLICATIONS) and name.endswith(ending)
    ]
    return None if not words else f"{OK:04X}" in words
