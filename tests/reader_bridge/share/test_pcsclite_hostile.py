"""The libpcsclite server against clients that do not keep to the protocol, and against newer ones."""

from __future__ import annotations

import os
import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tegata.apdu.errors import ReaderError
from tegata.reader_bridge.share.pcsclite import CONNECTIONS_MAX, PcscliteServer
from tegata.reader_bridge.share.slot import Slot

from .conftest import NAME, Bench, TinyCard

NAME_FIELD = NAME.encode().ljust(128, b"\0")


@contextmanager
def client(path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(10)
        sock.connect(str(path))
        yield sock


def read(sock: socket.socket, size: int) -> bytes:
    parts = b""
    while len(parts) < size:
        part = sock.recv(size - len(parts))
        assert part, "the server hung up"
        parts += part
    return parts


def ask(sock: socket.socket, command: int, body: bytes, answer: int | None = None) -> bytes:
    sock.sendall(struct.pack("=II", len(body), command) + body)
    return read(sock, len(body) if answer is None else answer)


def connected(sock: socket.socket) -> int:
    """Version, context, connect: the handle."""
    assert ask(sock, 0x11, struct.pack("=iiI", 4, 4, 0)) == struct.pack("=iiI", 4, 4, 0)
    _, context, rv = struct.unpack("=III", ask(sock, 0x01, bytes(12)))
    assert rv == 0
    body = struct.pack("=I128sIIiII", context, NAME_FIELD, 2, 3, 0, 0, 0)
    *_, handle, active, rv = struct.unpack("=I128sIIiII", ask(sock, 0x04, body))
    assert (active, rv) == (2, 0)
    return int(handle)


def transmit(sock: socket.socket, handle: int, command: bytes, room: int = 258) -> tuple[int, int, bytes]:
    """Status, length, answer."""
    body = struct.pack("=iIIIIIII", handle, 2, 16, len(command), 0, 16, room, 0)
    sock.sendall(struct.pack("=II", len(body), 0x09) + body + command)
    *_, length, rv = struct.unpack("=iIIIIIII", read(sock, 32))
    return rv, length, read(sock, length) if rv == 0 else b""


def alive(bench: Bench) -> bool:
    with client(bench.path) as sock:
        return transmit(sock, connected(sock), bytes.fromhex("00B0000002")) == (
            0,
            4,
            bytes.fromhex("5A5A9000"),
        )


def hung_up(sock: socket.socket) -> bool:
    try:
        return not sock.recv(1)
    except ConnectionResetError:
        return True


@pytest.mark.parametrize(("minor", "answered"), [(3, 4), (4, 4), (5, 5), (6, 4)])
def test_versions(bench: Bench, minor: int, answered: int) -> None:
    with client(bench.path) as sock:
        assert ask(sock, 0x11, struct.pack("=iiI", 4, minor, 0)) == struct.pack("=iiI", 4, answered, 0)


def test_reader_array_has_the_shape_that_clients_expect(bench: Bench) -> None:
    with client(bench.path) as sock:
        array = ask(sock, 0x12, b"", 16 * 184)
        assert array[:128] == NAME_FIELD
        assert struct.unpack("=IIi", array[128:140]) == (1, 0x34, 0)
        assert array[140:149] == bytes.fromhex("3BE000FF8131FE4514")
        assert struct.unpack("=II", array[176:184]) == (9, 0)
        assert array[184:] == bytes(15 * 184)
        assert ask(sock, 0x16, b"", 4) == struct.pack("=I", 16)
        assert ask(sock, 0x17, b"", 16 * 184) == array
        assert ask(sock, 0x15, b"", 8) == bytes(8)


def test_an_answer_longer_than_the_clients_room_stays_here(bench: Bench) -> None:
    with client(bench.path) as sock:
        handle = connected(sock)
        assert transmit(sock, handle, bytes.fromhex("00B0000010"), room=10) == (0x80100008, 18, b"")
        assert transmit(sock, handle, b"") == (0x80100004, 0, b"")


def test_handles_and_contexts_of_others_are_of_no_use(bench: Bench) -> None:
    with client(bench.path) as mine, client(bench.path) as yours:
        handle = connected(mine)
        connected(yours)
        assert transmit(yours, handle, bytes.fromhex("00B0000002"))[0] == 0x80100003
        body = struct.pack("=I128sIIiII", 0, NAME_FIELD, 2, 3, 0, 0, 0)
        assert ask(yours, 0x04, body)[-4:] == struct.pack("=I", 0x80100003)
        assert ask(yours, 0x0D, struct.pack("=iI", 1, 0))[-4:] == struct.pack("=I", 0x80100003)


def test_unknown_reader_and_unknown_sharing_mode(bench: Bench) -> None:
    with client(bench.path) as sock:
        context = struct.unpack("=III", ask(sock, 0x01, bytes(12)))[1]
        for name, share, rv in ((b"other", 2, 0x80100009), (NAME.encode(), 9, 0x80100011)):
            body = struct.pack("=I128sIIiII", context, name, share, 3, 0, 0, 0)
            assert ask(sock, 0x04, body)[-4:] == struct.pack("=I", rv)


@pytest.mark.parametrize(
    "request_bytes",
    [
        struct.pack("=II", 0xFFFFFFFF, 0x09),
        struct.pack("=II", 0, 0x09),
        struct.pack("=II", 32, 0x09) + struct.pack("=iIIIIIII", 1, 2, 16, 0x7FFFFFFF, 0, 16, 258, 0),
        struct.pack("=II", 24, 0x0A) + struct.pack("=iIIIII", 1, 0x42000D48, 0xFFFFFFFF, 0, 0, 0),
        struct.pack("=II", 0, 0x77),
        struct.pack("=II", 1000, 0x12),
    ],
    ids=[
        "size",
        "no body",
        "transmit length",
        "control length",
        "unknown command",
        "body where none belongs",
    ],
)
def test_impossible_requests_end_the_connection_and_nothing_else(bench: Bench, request_bytes: bytes) -> None:
    with client(bench.path) as sock:
        sock.sendall(request_bytes)
        assert hung_up(sock)
    assert alive(bench)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    requests=st.lists(
        st.tuples(st.integers(0, 0x18), st.sampled_from([0, 8, 12, 24, 28, 32, 152, 280]), st.randoms()),
        max_size=6,
    )
)
def test_garbage(bench: Bench, requests: list[tuple[int, int, object]]) -> None:
    with client(bench.path) as sock:
        connected(sock)
        for command, size, random in requests:
            body = random.randbytes(size)  # type: ignore[attr-defined]
            try:
                sock.sendall(struct.pack("=II", size, command) + body)
            except OSError:  # it hung up already
                break
    assert alive(bench)


def test_too_many_connections_are_turned_away(bench: Bench) -> None:
    socks = [socket.socket(socket.AF_UNIX) for _ in range(CONNECTIONS_MAX + 1)]
    try:
        for sock in socks:
            sock.connect(str(bench.path))
            sock.settimeout(10)
        assert hung_up(socks[-1])
        connected(socks[0])
    finally:
        for sock in socks:
            sock.close()


def test_a_path_that_cannot_be_a_socket(tmp_path: Path) -> None:
    with pytest.raises(ReaderError) as caught:
        PcscliteServer([], tmp_path / ("x" * 120)).start()
    assert caught.value.code == "share.socket"


def test_nobody_but_the_owner_may_connect(tmp_path: Path) -> None:
    """Whatever the umask and the folder allow: a stranger would find the PIN verified."""
    before = os.umask(0)
    try:
        with PcscliteServer([], tmp_path / "s"):
            assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == 0o600
    finally:
        os.umask(before)


class Stubborn(TinyCard):
    """A card whose reader fails to reset it."""

    def reset(self) -> None:
        raise ReaderError(what="a reset")


def test_a_card_that_cannot_be_reset_is_not_given_to_the_next_client(tmp_path: Path) -> None:
    """What a dead client verified in its transaction must end with it."""
    slot = Slot(NAME)
    slot.insert(Stubborn())
    with PcscliteServer([slot], tmp_path / "s"):
        with client(tmp_path / "s") as first:
            handle = connected(first)
            assert ask(first, 0x07, struct.pack("=iI", handle, 0)) == struct.pack("=iI", handle, 0)
            assert transmit(first, handle, bytes.fromhex("00A4040000"))[2] == b"\x90\x00"
        with client(tmp_path / "s") as second:
            ask(second, 0x11, struct.pack("=iiI", 4, 4, 0))
            _, context, _ = struct.unpack("=III", ask(second, 0x01, bytes(12)))
            body = struct.pack("=I128sIIiII", context, NAME_FIELD, 2, 3, 0, 0, 0)
            assert struct.unpack("=I128sIIiII", ask(second, 0x04, body))[-1] == 0x8010000C
    slot.close()
