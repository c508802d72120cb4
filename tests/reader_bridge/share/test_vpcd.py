"""The vpcd client against a listener that plays the driver with literal bytes."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from tegata.apdu.errors import ReaderError
from tegata.reader_bridge.share.serving import serve_vpcd
from tegata.reader_bridge.share.signals import signal_actions
from tegata.reader_bridge.share.vpcd import Report, VpcdClient, parse_address

from .conftest import ATR, TinyReader


@dataclass
class Driver:
    """A listener, the client that connects to it, and what the client reported."""

    listener: socket.socket
    reader: TinyReader
    client: VpcdClient
    thread: threading.Thread
    reports: list[Report] = field(default_factory=list)

    def accept(self) -> socket.socket:
        sock, _ = self.listener.accept()
        sock.settimeout(10)
        return sock


def frame(body: str) -> bytes:
    raw = bytes.fromhex(body)
    return len(raw).to_bytes(2, "big") + raw


def read(sock: socket.socket) -> bytes:
    size = int.from_bytes(sock.recv(2, socket.MSG_WAITALL), "big")
    return sock.recv(size, socket.MSG_WAITALL)


@pytest.fixture
def driver(tiny_reader: TinyReader) -> Iterator[Driver]:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(10)
    reports: list[Report] = []
    client = VpcdClient(tiny_reader, *listener.getsockname(), reports.append)
    thread = threading.Thread(target=client.run)
    thread.start()
    yield Driver(listener, tiny_reader, client, thread, reports)
    client.stop()
    thread.join(10)
    assert not thread.is_alive()
    client.close()
    listener.close()


def test_controls_and_apdus_however_they_are_cut(driver: Driver) -> None:
    with driver.accept() as sock:
        sock.sendall(frame("01") + frame("04"))
        assert read(sock) == ATR
        sock.sendall(frame("02") + frame("04") + frame("00B0000002"))
        assert read(sock) == ATR
        assert read(sock) == bytes.fromhex("5A5A9000")
        for byte in frame("00A4040000") + frame("00CA0000"):
            sock.sendall(bytes([byte]))
        assert read(sock) == bytes.fromhex("9000")
        assert read(sock) == bytes.fromhex("019000")
        sock.sendall(frame("00") + frame("01") + frame("00CA0000"))
        assert read(sock) == bytes.fromhex("009000")
    assert driver.reader.card.resets == 2


def test_bytes_that_mean_nothing_are_not_answered(driver: Driver) -> None:
    with driver.accept() as sock:
        sock.sendall(frame("03") + frame("") + frame("07") + frame("04"))
        assert read(sock) == ATR


def test_a_driver_that_restarts_gets_the_card_again(driver: Driver) -> None:
    driver.accept().close()
    with driver.accept() as sock:
        sock.sendall(frame("04"))
        assert read(sock) == ATR
    assert driver.reports[:3] == [Report.INSERTED, Report.DISCONNECTED, Report.INSERTED]


def test_a_card_that_is_torn_away_stays_away_for_a_second(driver: Driver) -> None:
    with driver.accept() as sock:
        sock.sendall(frame("00DEAD00"))
        assert sock.recv(1) == b""
    left = time.monotonic()
    with driver.accept():
        assert time.monotonic() - left >= 1
    assert driver.reports[1] is Report.REMOVED


def test_a_card_that_goes_unasked_is_noticed_and_found_again(driver: Driver) -> None:
    with driver.accept() as sock:
        driver.reader.card.gone = True
        assert sock.recv(1) == b""
    driver.listener.settimeout(1.6)
    with pytest.raises(TimeoutError):
        driver.accept()
    driver.reader.card.gone = False
    driver.listener.settimeout(10)
    with driver.accept() as sock:
        sock.sendall(frame("04"))
        assert read(sock) == ATR
    assert driver.reports == [Report.INSERTED, Report.REMOVED, Report.EMPTY, Report.INSERTED]


def test_polls_are_answered_while_a_command_runs(driver: Driver) -> None:
    with driver.accept() as sock:
        sock.sendall(frame("04"))
        assert read(sock) == ATR
        sock.sendall(frame("00100000"))  # takes 0.3 s
        sock.sendall(frame("04"))
        assert read(sock) == ATR
        assert read(sock) == bytes.fromhex("9000")
    assert len(driver.reader.card.threads) == 1


def test_a_poll_after_a_reset_waits_for_it(driver: Driver) -> None:
    """The ATR may be another one then: a contactless card chooses parts of it anew."""
    with driver.accept() as sock:
        sock.sendall(frame("04"))
        assert read(sock) == ATR
        sock.sendall(frame("00100000") + frame("02") + frame("04"))
        assert read(sock) == bytes.fromhex("9000")
        assert read(sock) == ATR


def test_taken_out_and_put_back_by_hand(driver: Driver) -> None:
    with driver.accept() as sock:
        driver.client.take_out()
        assert sock.recv(1) == b""
    driver.listener.settimeout(1.6)
    with pytest.raises(TimeoutError):
        driver.accept()
    driver.listener.settimeout(10)
    driver.client.put_back()
    driver.accept().close()


def test_nobody_listens_yet(
    tiny_reader: TinyReader, eventually: Callable[[Callable[[], bool]], None]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
    reports: list[Report] = []
    client = VpcdClient(tiny_reader, *address, reports.append)
    thread = threading.Thread(target=client.run)
    thread.start()
    eventually(lambda: reports.count(Report.WAITING) >= 2)
    with socket.create_server(address) as listener:
        listener.settimeout(10)
        listener.accept()[0].close()
        client.stop()
        thread.join(10)
    client.close()
    assert Report.INSERTED in reports


def left_to_itself(number: int, _: object) -> None:
    raise RuntimeError(f"nobody handles signal {number}")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_serving(tiny_reader: TinyReader, number: signal.Signals) -> None:
    signal.signal(number, left_to_itself)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        inserted = []

        def report(what: Report) -> None:
            inserted.append(what)
            os.kill(os.getpid(), number)

        serve_vpcd(tiny_reader, *listener.getsockname(), report)
    assert inserted == [Report.INSERTED]
    assert tiny_reader.card.closed
    assert signal.signal(number, signal.SIG_DFL) is left_to_itself


def test_a_signal_that_is_ignored_stays_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with signal_actions({"SIGHUP": lambda: pytest.fail("it was heard")}):
            os.kill(os.getpid(), signal.SIGHUP)
    finally:
        signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:35964", ("127.0.0.1", 35964)),
        ("localhost", ("localhost", 35963)),
        ("[::1]:5", ("::1", 5)),
        ("[::1]", ("::1", 35963)),
    ],
)
def test_addresses(text: str, address: tuple[str, int]) -> None:
    assert parse_address(text) == address


@pytest.mark.parametrize("text", ["", ":1", "host:", "host:0", "host:70000", "host:x"])
def test_addresses_that_are_none(text: str) -> None:
    with pytest.raises(ReaderError) as caught:
        parse_address(text)
    assert caught.value.code == "share.address"


def test_a_driver_that_never_reads_does_not_hold_us_for_ever(driver: Driver) -> None:
    """Else no signal ends the program: it sits in a send that nobody takes."""
    with driver.accept() as sock:
        sock.settimeout(0.5)
        with pytest.raises(TimeoutError):
            sock.sendall(frame("00B0000000") * 5_000_000)
        driver.client.stop()
        driver.thread.join(8)
        assert not driver.thread.is_alive()
