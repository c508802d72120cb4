"""What secure messaging costs the host's processor an APDU: tegata, yubikit and the independent test host.

All three have the same session keys and send the same commands, and each gets the answers that a card gave to
them, so that only their own work is measured: wrap the command, unwrap and check the answer. Only ratios of
one run are bounded: seconds belong to the machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from yubikit.core import TRANSPORT
from yubikit.core.smartcard import ApduFormatProcessor, ScpProcessor, ShortApduFormatter, SmartCardConnection
from yubikit.core.smartcard.scp import ScpState
from yubikit.core.smartcard.scp import SessionKeys as YubikitKeys

from tegata.apdu import Command, Response, Secret
from tegata.apdu.ports import SessionKeys
from tegata.apdu.scp03 import Scp03Host, Scp03State, unwrap_command, wrap_command, wrap_response

from ..foreign.gpp.channel import Scp03 as Independent
from .measure import MICRO

pytestmark = pytest.mark.bench

ENC, MAC, RMAC = (bytes([n]) * 16 for n in (0x11, 0x22, 0x33))
CHAIN = bytes(16)
EVERYTHING, MAC_ONLY = 0x33, 0x01
COUNT, ROUNDS = 400, 9
AT_MOST = 0.7
SIZES = ((16, 16), (100, 100), (223, 16), (16, 223), (223, 223))
"""Plain bytes of command and of answer. The last but one is a block of LOAD, then a registry page."""


@dataclass(frozen=True)
class Talk:
    """One plain command, ``COUNT`` times, and the card's answers to its wrapped forms."""

    level: int
    data: bytes
    answer: bytes
    answers: tuple[bytes, ...]


def state(level: int) -> Scp03State:
    return Scp03State(SessionKeys(Secret(ENC), Secret(MAC), Secret(RMAC)), level, chaining=CHAIN)


def recorded(level: int, to_card: int, from_card: int) -> Talk:
    host = card = state(level)
    data, answer = bytes(range(to_card)), bytes(range(from_card))
    answers = []
    for _ in range(COUNT):
        host, wrapped = wrap_command(host, Command(0x80, 0xE8, 0, 0, data, le=256))
        card, plain = unwrap_command(card, Command.parse(bytes(wrapped)))
        assert plain.data == data
        answers.append(bytes(wrap_response(card, Response(answer))))
    return Talk(level, data, answer, tuple(answers))


def tegata(talk: Talk) -> None:
    host = Scp03Host(state(talk.level))
    answers = iter(talk.answers)

    def send(command: Command) -> Response:
        bytes(command)
        return Response.parse(next(answers))

    for _ in range(COUNT):
        response = host.exchange(Command(0x80, 0xE8, 0, 0, talk.data, le=256), send)
        assert response.data == talk.answer


class Played(SmartCardConnection):
    """yubikit's connection to somebody who knows the answers."""

    transport = TRANSPORT.NFC

    def __init__(self, answers: Iterator[bytes]) -> None:
        self._answers = answers

    def send_and_receive(self, apdu: bytes) -> tuple[bytes, int]:
        answer = next(self._answers)
        return answer[:-2], int.from_bytes(answer[-2:], "big")

    def close(self) -> None:
        """Nothing to close."""


def yubikit(talk: Talk) -> None:
    formatter = ShortApduFormatter()
    delegate = ApduFormatProcessor(Played(iter(talk.answers)), formatter)
    processor = ScpProcessor(delegate, formatter, ScpState(YubikitKeys(ENC, MAC, RMAC), CHAIN))
    for _ in range(COUNT):
        data, _ = processor.send_apdu(0x80, 0xE8, 0, 0, talk.data, 0, encrypt=talk.level == EVERYTHING)
        assert data == talk.answer


def independent(talk: Talk) -> None:
    channel = Independent.with_session(ENC, MAC, RMAC)
    channel.level, channel.chain = talk.level, CHAIN
    answers = iter(talk.answers)
    for _ in range(COUNT):
        channel.wrap(0x80, 0xE8, 0, 0, talk.data)
        assert channel.unwrap(next(answers))[0] == talk.answer


def seconds(work: Callable[[Talk], None], talk: Talk) -> float:
    begin = time.process_time()
    work(talk)
    return (time.process_time() - begin) / COUNT


def compared(talk: Talk, *who: Callable[[Talk], None]) -> list[float]:
    """Each one's best round; the rounds alternate, so that a busy machine is busy for all."""
    rounds = [[seconds(work, talk) for work in who] for _ in range(ROUNDS)]
    return [min(times) for times in zip(*rounds, strict=True)]


def test_processor_time_of_everything(record_property: Callable[[str, object], None]) -> None:
    """C-MAC, C-ENC, R-MAC and R-ENC: at most seven tenths of yubikit's time, over all sizes."""
    lines, ratios = [], []
    for to_card, from_card in SIZES:
        talk = recorded(EVERYTHING, to_card, from_card)
        ours, theirs, third = compared(talk, tegata, yubikit, independent)
        ratios.append(ours / theirs)
        lines.append(_line(f"{to_card:3} / {from_card:3}", ours, theirs, third))
    record_property(
        "figure", "\n".join(["processor time per wrapped APDU, SCP03 level 33 (to / from the card):", *lines])
    )
    assert sum(ratios) / len(ratios) <= AT_MOST


def test_processor_time_of_the_mac_alone(record_property: Callable[[str, object], None]) -> None:
    """No bound: yubikit has no such session. Its part without encryption is measured, with bare answers."""
    lines = []
    for size in (16, 100, 247):
        talk = recorded(MAC_ONLY, size, 0)
        ours, theirs, third = compared(talk, tegata, yubikit, independent)
        lines.append(_line(f"{size:3} / 0", ours, theirs, third))
    record_property("figure", "\n".join(["processor time per wrapped APDU, SCP03 level 01:", *lines]))
    assert len(lines) == 3


def _line(sizes: str, ours: float, theirs: float, third: float) -> str:
    times = ((ours, "tegata"), (theirs, "yubikit"), (third, "independent host"))
    spent = ", ".join(f"{who} {value * MICRO:.1f} µs" for value, who in times)
    return f"  {sizes} bytes: {spent}; ratio to yubikit {ours / theirs:.2f}, to the other {ours / third:.2f}"
