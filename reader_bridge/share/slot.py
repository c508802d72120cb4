"""One reader as PC/SC sees it: handles, sharing modes, transactions, events, around one Link.

The rules are those of pcsc-lite's resource manager. Everything here is called from several threads at
once; the Link itself is touched by one thread only, which this class owns.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from ...apdu.errors import CardRemoved, TegataError
from ...apdu.ports import Link, TransmissionProtocol
from .pcsclite_messages import (
    MAX_APDU,
    MAX_ATR,
    Attribute,
    CardState,
    Disposition,
    PcscError,
    Protocol,
    ReaderState,
    Share,
    Status,
    reader_name,
)

__all__ = ["Slot"]

RETRY_SECONDS = 0.1
"""A client asks again after this time when a transaction is not free; so long it waits here first."""

HANDLES_MAX = 200
"""Connections to one reader at the same time, as in pcsc-lite."""


@dataclass(slots=True)
class _Handle:
    """One connection of a program to the card. ``event`` is what happened to the card meanwhile."""

    share: Share
    active: Protocol
    event: Status = Status.OK


class Slot:
    """A place for a card, and what PC/SC programs may do with it.

    ``insert``, ``remove``, ``reset_card`` and ``fail_next`` are the hand and the mischief from outside;
    the other methods serve clients and raise PcscError with the status that the client gets.
    """

    def __init__(self, name: str) -> None:
        self.name = reader_name(name)
        self._changed = threading.Condition()
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="card")
        self._watchers: list[Callable[[], None]] = []
        self._link: Link | None = None
        self._atr = b""
        self._protocol = Protocol.UNDEFINED
        self._negotiated = False
        self._counter = 0
        self._handles: dict[int, _Handle] = {}
        self._owner: int | None = None  # the handle that holds the transaction
        self._depth = 0
        self._busy = False
        self._faults: list[int] = []

    # From outside

    def insert(self, link: Link) -> None:
        """A card comes. Raises ValueError when there is one already."""
        with self._changed:
            if self._link is not None:
                raise ValueError("there is a card in this reader")
        atr = self._worker.submit(lambda: link.atr).result()[:MAX_ATR]
        with self._changed:
            self._link, self._atr, self._negotiated = link, atr, False
            self._protocol = Protocol.T0 if link.info.protocol is TransmissionProtocol.T0 else Protocol.T1
            self._counter += 1
        self._tell()

    def remove(self) -> None:
        """The card goes: it loses power, and every connection learns so at its next call."""
        with self._changed:
            link = self._link
            if link is None:
                return
            self._forget_card()
        self._tell()
        self._worker.submit(link.close).result()

    def reset_card(self) -> None:
        """The card is reset behind every connection's back."""
        with self._working(None):
            self._reset(spare=None)

    def fail_next(self, status: int, times: int = 1) -> None:
        """The next ``times`` transmissions reach no card and return ``status`` (a PC/SC value)."""
        with self._changed:
            self._faults += [status] * times

    def watch(self, watcher: Callable[[], None]) -> None:
        """Call ``watcher``, in some thread, after every change of the reader's state."""
        self._watchers.append(watcher)

    def close(self) -> None:
        """Take the card out and end the thread that owned it."""
        self.remove()
        self._worker.shutdown()

    # For clients

    def state(self) -> ReaderState:
        """What the reader array says now."""
        with self._changed:
            if self._link is None:
                return ReaderState(self.name, self._counter, sharing=self._sharing())
            settled = CardState.SPECIFIC if self._negotiated else CardState.NEGOTIABLE
            return ReaderState(
                self.name,
                self._counter,
                CardState.PRESENT | CardState.POWERED | settled,
                self._sharing(),
                self._atr,
                self._protocol if self._negotiated else Protocol.UNDEFINED,
            )

    def connect(self, share: int, preferred: int, gone: Callable[[], bool]) -> tuple[int, Protocol]:
        """A new handle and its active protocol. Waits while another connection holds a transaction,
        until ``gone`` says that the client went away."""
        mode = _share(share)
        with self._changed:
            while self._owner is not None and self._sharing() >= 0:
                if gone():
                    raise PcscError(Status.CANCELLED)
                self._changed.wait(RETRY_SECONDS)
            if self._sharing() < 0 or (mode is Share.EXCLUSIVE and self._handles):
                raise PcscError(Status.SHARING_VIOLATION)
            if len(self._handles) >= HANDLES_MAX:
                raise PcscError(Status.NO_MEMORY)
            active = self._negotiate(mode, preferred)
            number = _fresh(self._handles)
            self._handles[number] = _Handle(mode, active)
        self._tell()
        return number, active

    def reconnect(self, number: int, share: int, preferred: int, initialisation: int) -> Protocol:
        """The active protocol. The handle forgets what happened to the card before."""
        mode = _share(share)
        with self._working(number):
            handle = self._handles[number]
            with self._changed:
                if mode is Share.EXCLUSIVE and len(self._handles) > 1:
                    raise PcscError(Status.SHARING_VIOLATION)
                if self._link is None and mode is not Share.DIRECT:
                    raise PcscError(Status.NO_SMARTCARD)
            if initialisation in (Disposition.RESET, Disposition.UNPOWER):
                self._reset(spare=number)
            with self._changed:
                handle.active = self._negotiate(mode, preferred)
                handle.share, handle.event = mode, Status.OK
        self._tell()
        return handle.active

    def disconnect(self, number: int, disposition: int) -> None:
        """End a handle; its transaction ends with it."""
        with self._working(number):
            try:
                if disposition != Disposition.LEAVE:
                    self._reset(spare=number)
            finally:
                with self._changed:
                    del self._handles[number]
                    if self._owner == number:
                        self._owner, self._depth = None, 0
        self._tell()

    def abandon(self, number: int) -> None:
        """End the handle of a client that died: a card in the middle of its transaction is reset."""
        held = self._owner == number
        while True:
            try:
                return self.disconnect(number, Disposition.RESET if held else Disposition.LEAVE)
            except PcscError as error:
                if error.status != Status.SHARING_VIOLATION:
                    raise

    def begin(self, number: int) -> None:
        """Begin a transaction, or one more level of it. SHARING_VIOLATION tells the client to ask again."""
        with self._working(number), self._changed:
            self._check_event(number)
            self._depth = self._depth + 1 if self._owner == number else 1
            self._owner = number

    def end(self, number: int, disposition: int) -> None:
        """End a transaction, or one level of it."""
        with self._working(number):
            with self._changed:
                self._check_event(number)
                if self._owner != number:
                    raise PcscError(Status.NOT_TRANSACTED)
            if disposition != Disposition.LEAVE:
                self._reset(spare=number)
            with self._changed:
                if self._owner != number:  # the card went at the reset, and the transaction with it
                    raise PcscError(Status.REMOVED_CARD)
                self._depth -= 1
                if self._depth == 0:
                    self._owner = None

    def transmit(self, number: int, protocol: int, command: bytes, room: int) -> tuple[bytes, int]:
        """The card's answer, and its length. The answer is empty, and the length what would be needed,
        when it is longer than ``room``: the status is then INSUFFICIENT_BUFFER in the caller's hands."""
        if not 1 <= len(command) <= MAX_APDU:
            raise PcscError(Status.INVALID_PARAMETER)
        with self._working(number):
            with self._changed:
                self._check_event(number)
                link = self._present()
                active = self._handles[number].active
                if protocol not in (active, Protocol.RAW, Protocol.T0 | Protocol.T1):
                    raise PcscError(Status.PROTO_MISMATCH)
                fault = self._faults.pop(0) if self._faults else None
            if fault is not None:
                raise PcscError(fault)
            answer = self._exchange(link, command)
        return (answer if len(answer) <= room else b""), len(answer)

    def check(self, number: int) -> None:
        """SCardStatus: is the handle valid, and did anything happen to its card?"""
        with self._working(number), self._changed:
            self._check_event(number)

    def attribute(self, number: int, attribute: int) -> bytes:
        """The ATR or the friendly name; UNSUPPORTED_FEATURE for any other attribute."""
        with self._changed:
            self._handle(number)
            if attribute == Attribute.FRIENDLY_NAME:
                return self.name + b"\0"
            if attribute != Attribute.ATR_STRING:
                raise PcscError(Status.UNSUPPORTED_FEATURE)
            self._present()
            return self._atr

    # Inside: state (called with the lock held)

    def _sharing(self) -> int:
        if any(handle.share is Share.EXCLUSIVE for handle in self._handles.values()):
            return -1
        return len(self._handles)

    def _handle(self, number: int) -> _Handle:
        if number not in self._handles:
            raise PcscError(Status.INVALID_HANDLE)
        return self._handles[number]

    def _present(self) -> Link:
        if self._link is None:
            raise PcscError(Status.NO_SMARTCARD)
        return self._link

    def _check_event(self, number: int) -> None:
        event = self._handle(number).event
        if event is not Status.OK:
            raise PcscError(event)

    def _negotiate(self, mode: Share, preferred: int) -> Protocol:
        if mode is Share.DIRECT and (self._link is None or not preferred):
            return Protocol.UNDEFINED
        self._present()
        if preferred & self._protocol:
            self._negotiated = True
            return self._protocol
        if preferred & Protocol.RAW:
            return Protocol.RAW
        raise PcscError(Status.PROTO_MISMATCH)

    def _forget_card(self) -> None:
        self._link, self._atr, self._negotiated = None, b"", False
        self._protocol = Protocol.UNDEFINED
        self._counter += 1
        self._owner, self._depth = None, 0
        for handle in self._handles.values():
            handle.event = Status.REMOVED_CARD
        self._changed.notify_all()

    # Inside: card work (called without the lock)

    @contextmanager
    def _working(self, number: int | None) -> Iterator[None]:
        """One piece of card work at a time; None stands for the hand from outside."""
        with self._changed:
            if number is not None:
                self._handle(number)
            free = self._changed.wait_for(lambda: self._may_work(number), RETRY_SECONDS)
            if number is not None:
                self._handle(number)
            if not free:
                # A long command of another connection is waited for, a transaction is not.
                while self._busy:
                    self._changed.wait()
                if not self._may_work(number):
                    raise PcscError(Status.SHARING_VIOLATION)
            self._busy = True
        try:
            yield
        finally:
            with self._changed:
                self._busy = False
                self._changed.notify_all()

    def _may_work(self, number: int | None) -> bool:
        return not self._busy and (number is None or self._owner in (None, number))

    def _exchange(self, link: Link, command: bytes) -> bytes:
        try:
            answer = self._worker.submit(link.transmit, command).result()
        except CardRemoved:
            self.remove()
            raise PcscError(Status.REMOVED_CARD) from None
        except TegataError:
            raise PcscError(Status.NOT_TRANSACTED) from None
        with self._changed:
            if self._link is not link:
                raise PcscError(Status.REMOVED_CARD)
        return answer

    def _reset(self, spare: int | None) -> None:
        """Power-cycle the card, if there is one, and let every handle but ``spare`` know."""
        with self._changed:
            link = self._link
        if link is None:
            return
        try:
            self._worker.submit(link.reset).result()
        except CardRemoved:
            self.remove()
            return
        except TegataError:
            # What was verified on it would serve the next client: a card that cannot be reset is taken out.
            self.remove()
            raise PcscError(Status.UNRESPONSIVE_CARD) from None
        atr = self._worker.submit(lambda: link.atr).result()[:MAX_ATR]
        with self._changed:
            self._atr = atr
            for number, handle in self._handles.items():
                if number != spare:
                    handle.event = Status.RESET_CARD

    def _tell(self) -> None:
        for watcher in list(self._watchers):
            watcher()


def _share(value: int) -> Share:
    try:
        return Share(value)
    except ValueError:
        raise PcscError(Status.INVALID_VALUE) from None


def _fresh(taken: dict[int, _Handle]) -> int:
    """A positive number that a client cannot guess."""
    while True:
        number = secrets.randbelow(0x7FFFFFFF) + 1
        if number not in taken:
            return number
