"""``sim:FILE``: a simulated card as a Link, and the place where it lies as a Reader.

URL options after ``?``: ``interface=contact|contactless`` and ``cut=WRITE.PHASE`` (lose power once, at that
write counted from the opening; PHASE is before, inside or after), for trying out recovery by hand.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import parse_qsl

from ..apdu.errors import EXCHANGE, CardRemoved, InputError
from ..apdu.ports import CardEvent, LinkInfo, TransmissionProtocol
from .card import FileStore, PowerCut, PowerLost, SimulatedCard
from .card.kernel import check_memory

__all__ = ["SimulatedLink", "SimulatedReader", "open_reader"]

MAX_EXTENDED_COMMAND = 4 + 3 + 65535 + 2
Phase = Literal["before", "inside", "after"]


class SimulatedLink:
    """A Link to a simulated card in this process."""

    def __init__(self, card: SimulatedCard, name: str = "sim") -> None:
        self.card = card
        protocol = TransmissionProtocol.TCL if card.contactless else TransmissionProtocol.T1
        self._info = LinkInfo(name, protocol, MAX_EXTENDED_COMMAND, 65538, simulated=True)
        self._lock = threading.RLock()
        if not card.powered:
            card.power_up()

    @property
    def atr(self) -> bytes:
        return self.card.atr

    @property
    def info(self) -> LinkInfo:
        return self._info

    def transmit(self, command: bytes) -> bytes:
        """One APDU. Raises CardRemoved when the card has no power (any more)."""
        with self._lock:
            try:
                return self.card.transmit(command)
            except PowerLost:
                raise CardRemoved(what=EXCHANGE) from None

    def reset(self) -> None:
        with self._lock:
            self.card.power_down()
            self.card.power_up()

    def close(self, reset: bool = True) -> None:
        with self._lock:
            if reset and self.card.powered:
                self.card.power_down()

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        with self._lock:
            yield


class SimulatedReader:
    """A reader that holds one card file; the file is locked while the reader is open."""

    features: frozenset[str] = frozenset()

    def __init__(self, path: Path, *, contactless: bool = True, cut: PowerCut | None = None) -> None:
        self._path = path
        self._store = FileStore(path)
        try:
            check_memory(self._store.content)
        except ValueError:
            self._store.close()
            raise InputError("cardfile.foreign", file=path) from None
        self.card = SimulatedCard(self._store, contactless=contactless, cut=cut)

    @property
    def name(self) -> str:
        return f"sim:{self._path}"

    def wait_for_card(self, timeout: float | None = None) -> SimulatedLink:
        """The card is always there; a card without power gets it (again)."""
        return SimulatedLink(self.card, self.name)

    def events(self, timeout: float | None = None) -> Iterator[CardEvent]:
        yield CardEvent(self.name, True, self.card.atr or self.card.power_up())

    def close(self) -> None:
        self.card.power_down()
        self._store.close()


def open_reader(rest: str) -> SimulatedReader:
    """The reader for ``FILE[?options]``. Raises InputError for a bad file or option."""
    name, _, query = rest.partition("?")
    options = dict(parse_qsl(query, keep_blank_values=True))
    contactless = options.pop("interface", "contactless")
    cut = options.pop("cut", None)
    if contactless not in ("contact", "contactless") or options:
        raise InputError("cardfile.option", option=query)
    return SimulatedReader(Path(name), contactless=contactless == "contactless", cut=_cut(cut, query))


def _cut(text: str | None, query: str) -> PowerCut | None:
    if text is None:
        return None
    number, _, phase = text.partition(".")
    if not number.isdecimal() or phase not in get_args(Phase):
        raise InputError("cardfile.option", option=query)
    return PowerCut(int(number), phase)  # type: ignore[arg-type] # checked against the literal above
