"""libosdp's control panel, kept alive: one thread owns line and library, and begins anew when either is lost.

libosdp waits longer and longer, up to five minutes, before it asks a peripheral again that went offline.
Here a peripheral that is offline, or a line that was pulled, ends the *session*: the line is opened again and
a new control panel made, every half second, until the peripheral is there again.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ....apdu.errors import ReaderError
from ....apdu.secret import Secret
from ..serial_port import LineSettings, SerialPort
from .address import OsdpAddress
from .channel import LineChannel
from .library import ControlPanel, Library, load, seed
from .transfer import Transfer

__all__ = ["Panel", "Snapshot"]

TICK = 0.01
AGAIN = 0.5
MOST_EVENTS = 64
"""Events that wait to be asked for; the oldest go first."""
_JOIN = 5.0


@dataclass(eq=False)
class _Job:
    """A command on its way, and whether the peripheral took it."""

    command: Mapping[str, Any]
    done: threading.Event = field(default_factory=threading.Event)
    accepted: bool = False

    def finish(self, accepted: bool) -> None:
        self.accepted = accepted
        self.done.set()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The state of the session: ``number`` counts the times that the peripheral came online."""

    online: bool = False
    secure: bool = False
    number: int = 0


class Panel:
    """One peripheral under libosdp. ``secure`` False lets it speak in the clear, which installing needs.

    Raises ReaderError ``reader.driver`` without the library.
    """

    def __init__(self, address: OsdpAddress, scbk: Secret | None, *, enforce: bool = True) -> None:
        self._library: Library = load()
        self._address = address
        self._scbk = None if scbk is None else Secret(scbk.reveal())
        self._flags = self._library.FLAG_ENABLE_NOTIFICATION
        if enforce and scbk is not None:
            self._flags |= self._library.FLAG_ENFORCE_SECURE
        self._changed = threading.Condition()
        self._state = Snapshot()
        self._trouble: ReaderError | None = None
        self._waiting: deque[_Job] = deque()
        self._running: deque[_Job] = deque()
        self._transfer: Transfer | None = None
        self._events: deque[dict[str, Any]] = deque(maxlen=MOST_EVENTS)
        self._identity: Mapping[str, int] = {}
        self._offline = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"osdp {address.line}", daemon=True)
        self._thread.start()

    @property
    def state(self) -> Snapshot:
        """Whether the peripheral is there now."""
        with self._changed:
            return self._state

    def wait(self, seconds: float, *, after: int = 0) -> Snapshot:
        """Until the peripheral is online, under its secure channel when it has a key, in a session after
        that number. Raises the ReaderError of what went wrong last, or ``osdp.offline``."""

        def there() -> bool:
            secure = self._state.secure or self._scbk is None
            return self._state.online and secure and self._state.number > after

        with self._changed:
            if self._changed.wait_for(there, seconds):
                return self._state
            trouble = self._trouble
        raise trouble or ReaderError("osdp.offline", what=self._address.name, seconds=f"{seconds:g}")

    def command(self, command: Mapping[str, Any], seconds: float) -> None:
        """Carry out one command. Raises ReaderError ``osdp.refused`` when the peripheral refuses it or the
        session ends, ``osdp.offline`` when it takes too long."""
        job = _Job(command)
        self._waiting.append(job)
        if not job.done.wait(seconds):
            with contextlib.suppress(ValueError):  # it is under way, or done at this very moment
                self._waiting.remove(job)
            raise self._trouble or ReaderError(
                "osdp.offline", what=self._address.name, seconds=f"{seconds:g}"
            )
        if not job.accepted:
            raise ReaderError("osdp.refused", what=self._address.name)

    def event(self, kind: int, seconds: float) -> dict[str, Any] | None:
        """The next event of that kind; None when none came in time. Others stay."""

        def found() -> dict[str, Any] | None:
            return next((event for event in self._events if event["event"] == kind), None)

        with self._changed:
            if event := self._changed.wait_for(found, seconds):
                self._events.remove(event)
            return event

    def identity(self) -> Mapping[str, int]:
        """What the peripheral said of itself when this session began, under libosdp's names."""
        return self._identity

    def transfer(self, image: bytes, file_id: int, silence: float) -> Iterator[int]:
        """Send a file and yield how much the peripheral has taken. Returns when it has taken all; raises
        ReaderError ``osdp.transfer`` when it does not go on for ``silence`` seconds or the session ends."""
        moving = Transfer(image, file_id)
        self._transfer = moving
        try:
            yield from moving.watch(silence)
        except ReaderError:
            self._offline = True  # libosdp would send the last piece again for ever
            raise
        finally:
            self._transfer = None

    def close(self) -> None:
        """End the thread, free the line and forget the key."""
        self._stop.set()
        if self._thread is not threading.current_thread():
            self._thread.join(_JOIN)
        if self._scbk is not None:
            self._scbk.wipe()

    # The thread

    def _run(self) -> None:
        seed()
        while not self._stop.is_set():
            try:
                with SerialPort(self._address.line, LineSettings(baud=self._address.baud)) as port:
                    self._session(LineChannel(port))
            except ReaderError as error:
                self._trouble = error
            except Exception as error:  # what libosdp's binding leaves pending: this session is over
                what = type(error).__name__
                self._trouble = ReaderError("osdp.answer", number=self._address.number, what=what)
            self._ended()
            self._stop.wait(AGAIN)
        self._ended()
        for job in self._waiting:
            job.finish(False)

    def _session(self, channel: LineChannel) -> None:
        panel = self._made(channel)
        self._offline = False
        while not self._stop.is_set() and not self._offline:
            channel.pump(TICK)
            if panel.status() & 1:
                self._submit(panel)
            panel.refresh()
            self._look(panel)

    def _made(self, channel: LineChannel) -> ControlPanel:
        info = {
            "name": f"pd-{self._address.number}",
            "address": self._address.number,
            "flags": self._flags,
            "scbk": None if self._scbk is None else self._scbk.reveal(),
            "channel": channel,
        }
        panel = self._library.ControlPanel([info])
        panel.set_event_callback(self._heard)
        panel.set_command_completion_callback(self._completed)
        return panel

    def _look(self, panel: ControlPanel) -> None:
        online, secure = bool(panel.status() & 1), bool(panel.sc_status() & 1)
        if (online, secure) == (self._state.online, self._state.secure):
            return
        if online:
            self._identity = dict(panel.get_pd_id(0))
            self._trouble = None
        came = online and not self._state.online
        with self._changed:
            self._state = Snapshot(online, secure, self._state.number + came)
            self._changed.notify_all()

    def _submit(self, panel: ControlPanel) -> None:
        if self._waiting and not self._running:
            job = self._waiting.popleft()
            self._running.append(job)
            if not panel.submit_command(0, job.command):
                self._running.remove(job)
                job.finish(False)
        moving = self._transfer
        if moving is None:
            return
        if not moving.begun:
            moving.begun = True
            panel.register_file_ops(0, moving.operations)
            command = {"command": self._library.CMD_FILE_TX, "id": moving.file_id, "flags": 0}
            if not panel.submit_command(0, command):
                moving.fail()
        elif moving.closed:
            status = panel.get_file_tx_status(0)
            moving.settle(status is not None and status["offset"] == status["size"] == len(moving.image))

    def _heard(self, _: int, event: dict[str, Any]) -> int:
        library = self._library
        if event["event"] == library.EVENT_NOTIFICATION:
            if event["type"] == library.EVENT_NOTIFICATION_PD_STATUS and not event["arg0"]:
                self._offline = True
            return 0
        with self._changed:
            self._events.append(event)
            self._changed.notify_all()
        return 0

    def _completed(self, _: int, command: dict[str, Any], status: int) -> None:
        if self._running:
            self._running.popleft().finish(status == self._library.COMPLETION_OK)

    def _ended(self) -> None:
        while self._running:
            self._running.popleft().finish(False)
        if self._transfer is not None and self._transfer.begun:
            self._transfer.fail()
        with self._changed:
            self._state = Snapshot(number=self._state.number)
            self._changed.notify_all()
