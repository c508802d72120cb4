"""A server of libpcsclite's Unix socket: PC/SC programs meet our cards without root, daemon or driver.

A program that runs with ``PCSCLITE_CSOCK_NAME`` naming this socket talks to us instead of pcscd. Only
POSIX systems have such sockets. One thread a connection; libpcsclite opens one connection a context.
"""

from __future__ import annotations

import os
import secrets
import socket
import struct
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

from ...apdu.errors import ReaderError
from . import pcsclite_messages as wire
from .pcsclite_messages import BODIES, Command, PcscError, Status
from .slot import Slot

__all__ = ["SOCKET_VARIABLE", "PcscliteServer"]

SOCKET_VARIABLE = "PCSCLITE_CSOCK_NAME"
CONNECTIONS_MAX = 200
SEND_SECONDS = 5
MAJOR, MINOR = 4, 4
MINOR_WITH_EVENTS = 5  # clients of 2.3.0 to 2.4.0 know no other minor version than their own


class PcscliteServer:
    """Serves ``slots`` on the Unix socket ``path`` between :meth:`start` and :meth:`close`.

    A socket path has about 100 bytes at most. Raises ReaderError ``share.posix`` where Unix sockets do
    not exist, and ``share.socket`` when the path cannot be used.
    """

    def __init__(self, slots: Iterable[Slot], path: Path) -> None:
        self.slots = list(slots)
        if len(self.slots) > wire.MAX_READERS:
            raise ValueError(f"libpcsclite knows {wire.MAX_READERS} readers at most")
        self.path = path
        self._connections: set[_Connection] = set()
        self._lock = threading.Lock()
        self._closing = False
        self._listener: socket.socket | None = None
        self._acceptor = threading.Thread(target=self._accept, name="pcsclite", daemon=True)
        for slot in self.slots:
            slot.watch(self._tell)

    def start(self) -> None:
        """Listen, and return."""
        if sys.platform == "win32":
            raise ReaderError("share.posix")
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.bind(os.fspath(self.path))
            # Nobody can connect before listen(): from the first moment the card is its owner's alone.
            self.path.chmod(0o600)
        except OSError as error:
            listener.close()
            raise ReaderError("share.socket", path=self.path, what=error.strerror or str(error)) from error
        listener.listen(64)
        self._listener = listener
        self._acceptor.start()

    def close(self) -> None:
        """End every connection; the slots and their cards stay."""
        with self._lock:
            self._closing = True
            connections = list(self._connections)
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._acceptor.join()
            self._listener.close()
            self.path.unlink(missing_ok=True)
        for connection in connections:
            connection.hang_up()
        for connection in connections:
            connection.thread.join()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def plug(self, slot: Slot) -> None:
        """One more reader, for clients that are connected too. Raises ValueError when there are 16."""
        if len(self.slots) >= wire.MAX_READERS:
            raise ValueError(f"libpcsclite knows {wire.MAX_READERS} readers at most")
        slot.watch(self._tell)
        self.slots = [*self.slots, slot]
        self._tell()

    def unplug(self, slot: Slot) -> None:
        """A reader less; the slot stays its owner's, and programs that hold its card keep it."""
        self.slots = [item for item in self.slots if item is not slot]
        self._tell()

    def reader_array(self) -> bytes:
        """The array of readers as clients get it."""
        return wire.reader_array([slot.state() for slot in self.slots])

    def slot(self, name: bytes) -> Slot:
        """The slot of this name. Raises PcscError UNKNOWN_READER."""
        for slot in self.slots:
            if slot.name == name:
                return slot
        raise PcscError(Status.UNKNOWN_READER)

    def cancel(self, context: int) -> Status:
        """End the waiting of the connection that holds ``context``."""
        with self._lock:
            found = [item for item in self._connections if item.context == context]
        if found and found[0].signal(Status.CANCELLED):
            return Status.OK
        return Status.INVALID_HANDLE

    def forget(self, connection: _Connection) -> None:
        """A connection has ended."""
        with self._lock:
            self._connections.discard(connection)

    def _accept(self) -> None:
        assert self._listener is not None  # noqa: S101 - start() set it
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:  # close() shut the listener down
                return
            connection = _Connection(self, sock)
            with self._lock:
                welcome = not self._closing and len(self._connections) < CONNECTIONS_MAX
                if welcome:
                    self._connections.add(connection)
                    connection.thread.start()
            if not welcome:
                sock.close()

    def _tell(self) -> None:
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            connection.signal(Status.OK)


class _Gone(Exception):
    """The client closed its end, or does not keep to the protocol."""


class _Connection:
    """One client connection: its context, its handles, and whether it waits for an event."""

    def __init__(self, server: PcscliteServer, sock: socket.socket) -> None:
        self.server = server
        self.context = 0
        self.thread = threading.Thread(target=self._run, name="pcsclite-client", daemon=True)
        self._sock = sock
        # A client that does not read what it is sent must not hold up the others for ever.
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", SEND_SECONDS, 0))
        self._sending = threading.Lock()
        self._waiting = False
        self._handles: dict[int, Slot] = {}

    def hang_up(self) -> None:
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError:  # the client was faster
            return

    def signal(self, status: Status) -> bool:
        """Send the event that ends a wait; False when the client does not wait."""
        with self._sending:
            if not self._waiting:
                return False
            self._waiting = False
            try:
                self._sock.sendall(wire.EVENT.pack(0, status))
            except OSError:  # gone, or it does not read: part of an event would spoil all that follows
                self.hang_up()
                return False
            return True

    # The conversation

    def _run(self) -> None:
        try:
            while True:
                self._answer(*self._request())
        except (_Gone, OSError):
            return
        finally:
            for number, slot in list(self._handles.items()):
                self._abandon(number, slot)
            self.server.forget(self)
            self._sock.close()

    def _request(self) -> tuple[Command, bytes]:
        size, number = wire.HEADER.unpack(self._receive(wire.HEADER.size))
        try:
            command = Command(number)
        except ValueError:
            raise _Gone from None
        body = BODIES.get(command)
        # Commands without a body come with an empty event structure from some clients.
        if size != body.size if body else size > wire.EVENT.size:
            raise _Gone
        return command, self._receive(size)

    def _receive(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            part = self._sock.recv(size - len(parts))
            if not part:
                raise _Gone
            parts += part
        return bytes(parts)

    def _raw(self, size: int) -> bytes:
        """Bytes after a TRANSMIT or CONTROL structure; libpcsclite never sends more than this."""
        if size > wire.MAX_APDU:
            raise _Gone
        return self._receive(size)

    def _send(self, answer: bytes) -> None:
        with self._sending:
            self._sock.sendall(answer)

    def _answer(self, command: Command, body: bytes) -> None:
        if command in (Command.READERS, Command.READERS_ARRAY):
            self._send(self.server.reader_array())
        elif command is Command.READERS_SIZE:
            self._send(wire.NUMBER.pack(wire.MAX_READERS))
        elif command is Command.READER_EVENTS:
            # Readers of ours never come or go while a client looks.
            self._send(wire.EVENT.pack(0, Status.OK))
        elif command is Command.WAIT_CHANGE:
            with self._sending:
                self._waiting = True
                self._sock.sendall(self.server.reader_array())
        elif command is Command.STOP_WAITING:
            # An event that was sent already is the answer to this request as well.
            self.signal(Status.OK)
        else:
            self._send(_ANSWERS[command](self, body))

    # Contexts

    def _version(self, body: bytes) -> bytes:
        _, minor, _ = wire.VERSION.unpack(body)
        return wire.VERSION.pack(MAJOR, MINOR_WITH_EVENTS if minor == MINOR_WITH_EVENTS else MINOR, Status.OK)

    def _establish(self, body: bytes) -> bytes:
        scope, _, _ = wire.ESTABLISH.unpack(body)
        if self.context:
            return wire.ESTABLISH.pack(scope, 0, Status.NO_MEMORY)
        self.context = secrets.randbelow(0x7FFFFFFF) + 1
        return wire.ESTABLISH.pack(scope, self.context, Status.OK)

    def _release(self, body: bytes) -> bytes:
        context, _ = wire.HANDLE.unpack(body)

        def work() -> None:
            self._check_context(context)
            for number, slot in list(self._handles.items()):
                self._abandon(number, slot)
            self.context = 0

        return wire.HANDLE.pack(context, _status(work))

    def _cancel(self, body: bytes) -> bytes:
        context, _ = wire.HANDLE.unpack(body)
        return wire.HANDLE.pack(context, self.server.cancel(context) if context else Status.INVALID_HANDLE)

    # Handles

    def _connect(self, body: bytes) -> bytes:
        context, name, share, preferred, number, active, _ = wire.CONNECT.unpack(body)

        def work() -> None:
            nonlocal number, active
            self._check_context(context)
            slot = self.server.slot(name.partition(b"\0")[0])
            number, active = slot.connect(share, preferred, self._is_gone)
            self._handles[number] = slot

        status = _status(work)
        return wire.CONNECT.pack(context, name, share, preferred, number, active, status)

    def _reconnect(self, body: bytes) -> bytes:
        number, share, preferred, initialisation, active, _ = wire.RECONNECT.unpack(body)

        def work() -> None:
            nonlocal active
            active = self._slot(number).reconnect(number, share, preferred, initialisation)

        return wire.RECONNECT.pack(number, share, preferred, initialisation, active, _status(work))

    def _disconnect(self, body: bytes) -> bytes:
        number, disposition, _ = wire.DISPOSITION.unpack(body)

        def work() -> None:
            self._slot(number).disconnect(number, disposition)
            del self._handles[number]

        return wire.DISPOSITION.pack(number, disposition, _status(work))

    def _begin(self, body: bytes) -> bytes:
        number, _ = wire.HANDLE.unpack(body)
        return wire.HANDLE.pack(number, _status(lambda: self._slot(number).begin(number)))

    def _end(self, body: bytes) -> bytes:
        number, disposition, _ = wire.DISPOSITION.unpack(body)
        status = _status(lambda: self._slot(number).end(number, disposition))
        return wire.DISPOSITION.pack(number, disposition, status)

    def _check(self, body: bytes) -> bytes:
        number, _ = wire.HANDLE.unpack(body)
        return wire.HANDLE.pack(number, _status(lambda: self._slot(number).check(number)))

    # Bytes to the card and back

    def _transmit(self, body: bytes) -> bytes:
        number, protocol, pci, length, _, answer_pci, room, _ = wire.TRANSMIT.unpack(body)
        command = self._raw(length)
        answer, needed = b"", 0

        def work() -> None:
            nonlocal answer, needed
            answer, needed = self._slot(number).transmit(number, protocol, command, room)
            if needed > room:
                raise PcscError(Status.INSUFFICIENT_BUFFER)

        status = _status(work)
        return (
            wire.TRANSMIT.pack(number, protocol, pci, length, protocol, answer_pci, needed, status) + answer
        )

    def _control(self, body: bytes) -> bytes:
        number, code, length, room, _, _ = wire.CONTROL.unpack(body)
        self._raw(length)
        # No feature of PC/SC part 10 is offered.
        status = Status.NOT_TRANSACTED if number in self._handles else Status.INVALID_HANDLE
        return wire.CONTROL.pack(number, code, length, room, 0, status)

    def _get_attribute(self, body: bytes) -> bytes:
        number, attribute, _, room, _ = wire.GETSET.unpack(body)
        value = b""

        def work() -> None:
            nonlocal value
            value = self._slot(number).attribute(number, attribute)
            if len(value) > min(room, wire.MAX_ATTRIBUTE):
                raise PcscError(Status.INSUFFICIENT_BUFFER)

        status = _status(work)
        return wire.GETSET.pack(number, attribute, value, len(value), status)

    def _set_attribute(self, body: bytes) -> bytes:
        number, attribute, value, length, _ = wire.GETSET.unpack(body)
        status = Status.UNSUPPORTED_FEATURE if number in self._handles else Status.INVALID_HANDLE
        return wire.GETSET.pack(number, attribute, value, length, status)

    # Helpers

    def _check_context(self, context: int) -> None:
        if not context or context != self.context:
            raise PcscError(Status.INVALID_HANDLE)

    def _slot(self, number: int) -> Slot:
        if number not in self._handles:
            raise PcscError(Status.INVALID_HANDLE)
        return self._handles[number]

    def _abandon(self, number: int, slot: Slot) -> None:
        del self._handles[number]
        _status(lambda: slot.abandon(number))

    def _is_gone(self) -> bool:
        """Did the client close its end while we are busy for it?"""
        if sys.platform == "win32":
            raise ReaderError("share.posix")
        try:
            return not self._sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False


def _status(work: Callable[[], None]) -> int:
    """Run ``work``; the status that it ends with."""
    try:
        work()
    except PcscError as error:
        return error.status
    return Status.OK


_ANSWERS: dict[Command, Callable[[_Connection, bytes], bytes]] = {
    Command.VERSION: _Connection._version,
    Command.ESTABLISH_CONTEXT: _Connection._establish,
    Command.RELEASE_CONTEXT: _Connection._release,
    Command.CANCEL: _Connection._cancel,
    Command.CONNECT: _Connection._connect,
    Command.RECONNECT: _Connection._reconnect,
    Command.DISCONNECT: _Connection._disconnect,
    Command.BEGIN_TRANSACTION: _Connection._begin,
    Command.END_TRANSACTION: _Connection._end,
    Command.STATUS: _Connection._check,
    Command.TRANSMIT: _Connection._transmit,
    Command.CONTROL: _Connection._control,
    Command.GET_ATTRIBUTE: _Connection._get_attribute,
    Command.SET_ATTRIBUTE: _Connection._set_attribute,
}
