"""``pn532:DEVICE``: the reader. It polls for cards of type A and B with a field that it switches off between
and afterwards."""

from __future__ import annotations

import time
from collections.abc import Iterator

from ....apdu.errors import MalformedResponse, ReaderError
from ....apdu.ports import CardEvent
from .activation import find_card
from .link import Pn532Link
from .options import Options
from .radio import Radio, open_radio

__all__ = ["Pn532Reader", "open_reader"]

POLL_SECONDS = 0.15
"""Between two looks for a card, and between two questions whether it is still there."""
_TRIES = 3


class Pn532Reader:
    """One PN532 on its serial line, locked against other processes while open."""

    features: frozenset[str] = frozenset({"contactless"})

    def __init__(self, radio: Radio) -> None:
        self._radio = radio
        self._link: Pn532Link | None = None

    @property
    def name(self) -> str:
        return f"pn532:{self._radio.options.device}"

    def wait_for_card(self, timeout: float | None = None) -> Pn532Link:
        """The card that lies there or is put there within ``timeout`` seconds (None: however long). A link
        given before is closed.

        Raises ReaderError ``reader.no_card`` when none came, MalformedResponse for one that tells nonsense
        about itself again and again.
        """
        self._drop()
        until = None if timeout is None else time.monotonic() + timeout
        failures = 0
        while True:
            try:
                channel = find_card(self._radio)
            except MalformedResponse:
                failures += 1
                if failures == _TRIES:
                    self._radio.field(on=False)
                    raise
                channel = None
            if channel is not None:
                self._link = Pn532Link(self._radio, channel, self.name)
                return self._link
            self._radio.field(on=False)
            if until is not None and time.monotonic() >= until:
                raise ReaderError("reader.no_card", seconds=f"{timeout or 0:g}", reader=self.name)
            time.sleep(
                POLL_SECONDS if until is None else min(POLL_SECONDS, max(0.0, until - time.monotonic()))
            )

    def events(self, timeout: float | None = None) -> Iterator[CardEvent]:
        """The present state, then every change, until ``timeout`` seconds have passed. A card that is in use
        by its link is asked between APDUs, in the caller's own thread."""
        until = None if timeout is None else time.monotonic() + timeout
        seen: bool | None = None
        while True:
            atr = self._look()
            if (atr is not None) != seen:
                seen = atr is not None
                yield CardEvent(self.name, seen, atr or b"")
            left = POLL_SECONDS if until is None else min(POLL_SECONDS, until - time.monotonic())
            if left <= 0:
                return
            time.sleep(left)

    def close(self) -> None:
        """Field off, line free. More than once does no harm."""
        self._link = None
        self._radio.close()

    def _look(self) -> bytes | None:
        """The ATR of the card in the field, None without one."""
        if self._link is None or not self._link.present():
            try:
                return self.wait_for_card(0).atr
            except (ReaderError, MalformedResponse) as error:
                if error.code not in ("reader.no_card", MalformedResponse.default_code):
                    raise
                return None
        return self._link.atr

    def _drop(self) -> None:
        if self._link is not None:
            self._link.close(reset=False)
            self._link = None


def open_reader(rest: str) -> Pn532Reader:
    """The reader that ``rest`` names (see ``options``).

    Raises InputError ``pn532.option``; ReaderError ``line.*``, ``pn532.chip`` or ``pn532.answer``.
    """
    return Pn532Reader(open_radio(Options.parse(rest)))
