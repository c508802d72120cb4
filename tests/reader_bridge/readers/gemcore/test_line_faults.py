"""Our GemCore driver on a line that loses, doubles, corrupts and delays bytes, and whose cable is pulled.

At each byte of a whole dialogue, from opening the line to a wrong PIN and a read: every answer is right or a
typed error, none takes long, and no PIN reaches the card twice. A slice runs always, ``campaign`` all of it.
"""

from __future__ import annotations

import contextlib
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tegata.apdu.errors import TegataError
from tegata.apdu.ports import PinPad, TransmissionProtocol
from tegata.apdu.secret import Secret
from tegata.simulators.devices.faults import Direction, Fault, FaultKind, Faults

from .rig import ASK_TRIES, AUTH_PIN, CERTIFICATE, JPKI, PAD_TEMPLATE, T0, T1, WRONG, Rig, rig

SECONDS = 15.0
SETUPS = [
    ("gempc-twin", T0),
    ("gempc-twin", T1),
    ("gemcore-pos-pro", T0),
    ("gemcore-pos-pro", T1),
    ("gempc-pinpad", T0),
    ("gempc-pinpad", T1),
]
SELECT = bytes.fromhex("00A4040C0A") + JPKI
READ = bytes.fromhex("00B0000080")
PAD = b"pad"
"""Stands for the PIN typed on the pad."""

Setup = tuple[str, TransmissionProtocol]


def script(model: str) -> tuple[bytes, ...]:
    return (SELECT, AUTH_PIN, PAD if model == "gempc-pinpad" else WRONG, CERTIFICATE, READ)


def dialogue(it: Rig, model: str) -> Iterator[bytes]:
    """The card's answers, one after the other."""
    reader = it.reader()
    try:
        link = reader.wait_for_card(1)
        for command in script(model):
            if command is PAD:
                assert isinstance(link, PinPad)
                yield link.verify_on_pad(PAD_TEMPLATE)
            else:
                yield link.transmit(command)
    finally:
        reader.close()


def setup(
    folder: Path, content: dict[str, bytes], model: str, protocol: TransmissionProtocol, *faults: Fault
) -> contextlib.AbstractContextManager[Rig]:
    return rig(folder, [content], model, protocol, lambda _: Secret(b"9999"), Faults(faults))


class Truth:
    """What happens on a line without faults: the answers and how many bytes go each way."""

    def __init__(self, folder: Path, content: dict[str, bytes]) -> None:
        self.content = content
        self.answers: dict[Setup, list[bytes]] = {}
        self.bytes: dict[Setup, dict[Direction, int]] = {}
        for number, (model, protocol) in enumerate(SETUPS):
            (folder / str(number)).mkdir()
            with setup(folder / str(number), content, model, protocol) as it:
                self.answers[model, protocol] = list(dialogue(it, model))
                self.bytes[model, protocol] = dict(it.faults.counted)

    def check(self, folder: Path, model: str, protocol: TransmissionProtocol, fault: Fault) -> bool:
        """Whether the dialogue came to its end in spite of ``fault``; all else about it is asserted."""
        right = self.answers[model, protocol]
        with setup(folder, self.content, model, protocol, fault) as it:
            answers: list[bytes] = []
            began = time.monotonic()
            with contextlib.suppress(TegataError):
                for answer in dialogue(it, model):
                    answers.append(answer)  # noqa: PERF402 - those that came before an error count too
            assert answers == right[: len(answers)]
            assert time.monotonic() - began < SECONDS
            assert it.verifies() <= 1
            if len(answers) > 2:
                assert it.verifies() == 1
            if fault.kind is FaultKind.UNPLUG:
                it.line.replug()
            self._afterwards(it)
            return len(answers) == len(right)

    def _afterwards(self, it: Rig) -> None:
        """The same reader works again, and the card has lost a try only if it was asked for it."""
        reader = it.reader()
        link = reader.wait_for_card(1)
        link.transmit(SELECT)
        link.transmit(AUTH_PIN)
        assert link.transmit(ASK_TRIES) == bytes((0x63, 0xC3 - it.verifies()))
        reader.close()


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory, my_number_memory: dict[str, bytes]) -> Truth:
    return Truth(tmp_path_factory.mktemp("truth"), my_number_memory)


def test_the_dialogue_itself(truth: Truth) -> None:
    for (model, protocol), answers in truth.answers.items():
        assert [answer[-2:].hex() for answer in answers] == ["9000", "9000", "63c2", "9000", "9000"]
        assert len(answers[-1]) == 128 + 2
        assert min(truth.bytes[model, protocol].values()) > 150


@pytest.mark.parametrize("direction", list(Direction))
@pytest.mark.parametrize("kind", list(FaultKind))
def test_a_fault_now_and_then(kind: FaultKind, direction: Direction, truth: Truth, tmp_path: Path) -> None:
    dice = random.Random(f"{kind} {direction}")  # noqa: S311 - repeatable, not secret
    model, protocol = dice.choice(SETUPS)
    fault = Fault(direction, dice.randrange(truth.bytes[model, protocol][direction]), kind)
    truth.check(tmp_path, model, protocol, fault)


@pytest.mark.campaign
@pytest.mark.timeout(4 * 3600)
@pytest.mark.parametrize("direction", list(Direction))
@pytest.mark.parametrize("kind", list(FaultKind))
@pytest.mark.parametrize(("model", "protocol"), SETUPS)
def test_a_fault_at_every_byte(
    model: str,
    protocol: TransmissionProtocol,
    kind: FaultKind,
    direction: Direction,
    truth: Truth,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
) -> None:
    count = truth.bytes[model, protocol][direction]
    whole = 0
    for byte in range(count):
        folder = tmp_path / str(byte)
        folder.mkdir()
        whole += truth.check(folder, model, protocol, Fault(direction, byte, kind))
    said = f"{model} {protocol.value}, {kind.value} {direction.value}: {whole} of {count} dialogues whole"
    record_property("figure", said)
