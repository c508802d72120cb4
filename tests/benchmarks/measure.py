"""What a job costs at a simulated card: APDUs and bytes counted, time by the clock of a named cost model.

The card counts, so that a foreign program is measured as our own code is: nobody asks the program.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tegata.apdu.ports import Link
from tegata.reader_bridge.share.pcsclite import SOCKET_VARIABLE
from tegata.simulators.card.clock import CostModel, VirtualClock, cost_model
from tegata.simulators.link import SimulatedReader
from tegata.simulators.run import on_socket

SECONDS = 60
MILLI, MICRO = 1000, 1_000_000


@dataclass(frozen=True, slots=True)
class Cost:
    """Counts, and virtual seconds."""

    apdus: int
    to_card: int
    from_card: int
    link: float
    crypto: float
    write: float

    @property
    def total(self) -> float:
        return self.link + self.crypto + self.write


@dataclass(frozen=True, slots=True)
class Row:
    job: str
    who: str
    cost: Cost


class Meter:
    """A card file whose users are measured, one after the other; each finds the card freshly powered."""

    def __init__(self, card: Path, model: str, *, contactless: bool = True) -> None:
        self.model = cost_model(model)
        self._reader = SimulatedReader(card, contactless=contactless)

    def close(self) -> None:
        self._reader.close()

    def stored(self, aid: bytes, name: str) -> bytes:
        """A value in the card's memory, such as a check number that only its face tells."""
        return self._reader.card.store.content[f"app/{aid.hex()}/{name}"]

    def job(self, work: Callable[[Link], None]) -> Cost:
        """What ``work`` costs, which talks to the card itself."""
        with self._fresh() as clock:
            link = self._reader.wait_for_card()
            work(link)
        return _cost(clock)

    def program(
        self, command: Sequence[str], variables: Mapping[str, str] | None = None
    ) -> tuple[Cost, subprocess.CompletedProcess[bytes]]:
        """What a PC/SC program costs, which must end well; without a home, so that nothing is cached."""
        with tempfile.TemporaryDirectory(prefix="tegata-", dir="/tmp") as folder, self._fresh() as clock:
            socket = Path(folder, "pcscd.comm")
            environment = {**os.environ, "HOME": folder, **(variables or {}), SOCKET_VARIABLE: str(socket)}
            with on_socket(self._reader, socket):
                done = subprocess.run(
                    command, capture_output=True, timeout=SECONDS, env=environment, cwd=folder, check=True
                )
        return _cost(clock), done

    @contextmanager
    def _fresh(self) -> Iterator[VirtualClock]:
        self._reader.card.power_down()
        self._reader.card.clock = clock = VirtualClock(self.model)
        yield clock


def _cost(clock: VirtualClock) -> Cost:
    return Cost(clock.apdus, clock.bytes_in, clock.bytes_out, clock.link, clock.crypto, clock.write)


def table(rows: Iterable[Row], model: CostModel) -> str:
    """The rows side by side, and the prices of the model with their sources."""
    head = ("job", "by", "APDUs", "to card", "from card", "link", "crypto", "write", "total")
    cells = [head, *(_cells(row) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(head))]
    lines = [
        "  ".join(
            text.ljust(width) if column < 2 else text.rjust(width)
            for column, (text, width) in enumerate(zip(line, widths, strict=True))
        )
        for line in cells
    ]
    return "\n".join([*lines, "", *_prices(model)])


def _cells(row: Row) -> tuple[str, ...]:
    cost = row.cost
    times = [f"{seconds * MILLI:.1f} ms" for seconds in (cost.link, cost.crypto, cost.write, cost.total)]
    return (row.job, row.who, str(cost.apdus), str(cost.to_card), str(cost.from_card), *times)


def _prices(model: CostModel) -> list[str]:
    prices = {"link_frame": model.link_frame, "link_byte": model.link_byte, **model.operations}
    used = ("link_frame", "link_byte", "rsa2048_private", "nv_write", "nv_write_bytes")
    return [
        f"cost model {model.name}; APDUs and bytes are counted, times are these prices:",
        *(f"  {name}: {prices[name] * MILLI:g} ms ({model.sources[name]})" for name in used),
        f"  frame_bytes: {model.frame_bytes} ({model.sources['frame_bytes']})",
    ]
