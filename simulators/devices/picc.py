"""Any card as a contactless one: a Link behind ISO 14443-3 and -4, in a field that comes and goes.

A frame goes in, a frame or nothing comes out, as on the air; CRCs are the affair of whoever sends. The Link
is touched by one thread of this object only. Without field the card has no power: what was verified on it
is forgotten. It can be taken away at any moment, in the middle of a command too.
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from ...apdu.errors import TegataError
from ...apdu.ports import Link
from .picc_activation import Activation, Face, Modulation
from .picc_blocks import PiccBlocks, Turn, What

__all__ = ["Picc"]

PATIENCE = 0.5
"""The part of the waiting time after which a card that still computes asks for more."""
EXTENSION_SECONDS = 1.0
"""How much time it then asks for, about."""
WTXM_MAX = 59


def _nothing() -> None:
    """A card without a handle to tear it."""


class Picc:
    """A card that may be held over an antenna.

    ``link`` reaches it; ``tear`` takes its power away in the middle of whatever it does, from any thread.
    :meth:`exchange` and :meth:`set_field` belong to the reader's thread; :meth:`take_away` and
    :meth:`put_back` may come from any.
    """

    def __init__(
        self,
        link: Link,
        face: Face,
        *,
        tear: Callable[[], None] = _nothing,
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._link, self._tear, self._entropy = link, tear, entropy
        self.face = face
        self._changed = threading.Condition()
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="contactless card")
        self._there = True
        self._field = False
        self._powered = False
        self._activation: Activation | None = None
        self._blocks: PiccBlocks | None = None
        self._work: Future[bytes] | None = None
        self._waits = 0.0
        self._power: Future[None] = self._worker.submit(self._power_down)

    @property
    def present(self) -> bool:
        """Whether it lies in front of the antenna."""
        return self._there

    def take_away(self) -> None:
        """Lift it off, in the middle of whatever it does."""
        with self._changed:
            self._there = False
            self._switch()

    def put_back(self) -> None:
        """Lay it down again."""
        with self._changed:
            if not self._there:
                self._there = True
                self._switch()

    def set_field(self, on: bool) -> None:
        """The reader's field comes or goes."""
        with self._changed:
            if on is not self._field:
                self._field = on
                self._switch()

    def close(self) -> None:
        """Take it away for good, and end the thread that owned it."""
        self.take_away()
        self._worker.shutdown()

    def exchange(self, frame: bytes, modulation: Modulation, timeout: float = math.inf) -> bytes | None:
        """What comes back within ``timeout`` seconds, None for nothing.

        A card that takes longer asks for more time when its own waiting time is half over; an answer that
        comes after ``timeout`` is lost, and the card holds it to be sent.
        """
        with self._changed:
            if not self._powered or modulation is not self.face.modulation or not frame:
                return None
            self._finish_unheard()
            if self._blocks is None:
                reply = self.face.receive(frame)
                if reply.activation is not None:
                    self._activation = reply.activation
                    self._blocks = PiccBlocks(*_sizes(reply.activation))
                return reply.data
            return self._act(self._blocks, self._blocks.receive(frame), timeout)

    def _act(self, blocks: PiccBlocks, turn: Turn, timeout: float) -> bytes | None:
        if turn.what is What.DESELECTED:
            self._blocks = self._work = None
            self.face.halt()
        if turn.what in (What.SEND, What.DESELECTED):
            return turn.data
        if turn.what is What.NOTHING:
            return None
        if turn.what is What.COMPUTE:
            self._work = self._worker.submit(self._transmit, turn.data)
            self._work.add_done_callback(self._notify)
            self._waits = self._fwt
        return self._await(blocks, timeout)

    def _await(self, blocks: PiccBlocks, timeout: float) -> bytes | None:
        """The answer, or S(WTX) when half of the waiting time is over, or nothing. Waits without the lock."""
        work = self._work
        until = time.monotonic() + min(timeout, self._waits * PATIENCE)
        while work is not None and not work.done() and self._blocks is blocks:
            left = until - time.monotonic()
            if left <= 0:
                break
            self._changed.wait(left)
        if work is None or self._blocks is not blocks:
            return None
        if work.done():
            return self._answer(blocks, work)
        if timeout < self._waits * PATIENCE:
            return None
        factor = max(1, min(WTXM_MAX, round(EXTENSION_SECONDS / self._fwt)))
        self._waits = factor * self._fwt
        return blocks.extend(factor)

    def _answer(self, blocks: PiccBlocks, work: Future[bytes]) -> bytes | None:
        self._work = None
        response = work.result()
        if response:
            return blocks.answer(response)
        self._fall_silent()  # torn, or broken in itself: it says nothing more until the field comes again
        return None

    def _finish_unheard(self) -> None:
        """An answer for which the reader has not waited counts as sent."""
        if self._work is not None and self._work.done() and self._blocks is not None:
            self._answer(self._blocks, self._work)

    @property
    def _fwt(self) -> float:
        return self._activation.fwt if self._activation else 0.0

    # Power

    def _switch(self) -> None:
        """Give or take the power as field and place have it."""
        wanted = self._field and self._there
        if wanted is self._powered:
            return
        if wanted:
            self._powered = True
            self.face.power_up(self._entropy)
            self._power = self._worker.submit(self._power_up)
        else:
            self._fall_silent()

    def _fall_silent(self) -> None:
        """The power is gone: a command underway is torn, and nobody will hear of it."""
        if self._work is not None:
            self._tear()
        self._power = self._worker.submit(self._power_down)
        self._powered = False
        self._work = self._blocks = self._activation = None
        self._changed.notify_all()

    # In the thread that owns the card

    def _transmit(self, command: bytes) -> bytes:
        try:
            self._power.result()  # done before, in this thread; what went wrong there keeps the card mute
            return self._link.transmit(command)
        except TegataError:  # torn, or it lies: on the air that is silence
            return b""

    def _power_up(self) -> None:
        self._link.reset()

    def _power_down(self) -> None:
        self._link.close(reset=True)

    def _notify(self, _: Future[bytes]) -> None:
        with self._changed:
            self._changed.notify_all()


def _sizes(activation: Activation) -> tuple[int, int, int | None]:
    return activation.fsd, activation.fsc, activation.cid
