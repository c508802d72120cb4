"""Shares a card until a signal ends it, and says in sentences what happens meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Protocol

from ...apdu.errors import language
from ...apdu.ports import Reader
from .line import PtyLine, TcpLine
from .serial_reader import SharedSerialReader
from .signals import signal_actions
from .vpcd import Report, VpcdClient

__all__ = ["OPEN_DRIVER", "Announcer", "Shared", "on_signals", "serve_line", "serve_vpcd"]

_LOOK_SECONDS = 0.2

_SENTENCES = {
    Report.EMPTY: {
        "en": "There is no card on the reader; this waits for one.",
        "ja": "リーダーにカードがありません。置かれるまで待ちます。",
    },
    Report.WAITING: {
        "en": "No virtual reader listens at {address} yet; start pcscd with the vpcd driver (on Debian: "
        "apt install pcscd vsmartcard-vpcd), this waits for it.",
        "ja": "{address} に仮想リーダーがありません。vpcd ドライバー付きの pcscd を起動してください "
        "(Debian: apt install pcscd vsmartcard-vpcd)。起動するまで待ちます。",
    },
    Report.INSERTED: {
        "en": "The card is in the virtual reader at {address}.",
        "ja": "カードを {address} の仮想リーダーに入れました。",
    },
    Report.REMOVED: {
        "en": "The card was taken out of the virtual reader.",
        "ja": "カードを仮想リーダーから取り出しました。",
    },
    Report.DISCONNECTED: {
        "en": "The virtual reader went away; waiting for it.",
        "ja": "仮想リーダーがなくなりました。戻るまで待ちます。",
    },
}
OPEN_DRIVER = {
    "en": "Note: Debian's vpcd driver listens on every network address, so anybody who reaches this machine "
    "can put a card into its reader; use it behind a firewall.",
    "ja": "注意: Debian の vpcd ドライバーはすべてのネットワークアドレスで待ち受けるため、この機械に届く人は"
    "誰でもカードを入れられます。ファイアウォールの内側で使ってください。",
}


class Announcer:
    """Says each report of a vpcd client to ``say``, and a wait once instead of at each try."""

    def __init__(self, address: str, say: Callable[[str], None]) -> None:
        self._address = address
        self._say = say
        self._last: Report | None = None

    def __call__(self, report: Report) -> None:
        if report is not self._last:
            self._say(_SENTENCES[report][language()].format(address=self._address))
        self._last = report


class Shared(Protocol):
    """What signals do to a shared card."""

    def stop(self) -> None: ...
    def take_out(self) -> None: ...
    def put_back(self) -> None: ...


@contextmanager
def on_signals(shared: Shared) -> Iterator[None]:
    """SIGINT, SIGTERM and SIGHUP (the terminal is closed) stop it, so that the card is reset; SIGUSR1 takes
    its card out and SIGUSR2 puts it back, where the system has these signals."""
    wanted = {
        "SIGINT": shared.stop,
        "SIGTERM": shared.stop,
        "SIGHUP": shared.stop,
        "SIGUSR1": shared.take_out,
        "SIGUSR2": shared.put_back,
    }
    with signal_actions(wanted):
        yield


def serve_vpcd(reader: Reader, host: str, port: int, report: Callable[[Report], None]) -> None:
    """Keep the card of ``reader`` in the vpcd slot until a signal ends it (:func:`on_signals`)."""
    client = VpcdClient(reader, host, port, report)
    try:
        with on_signals(client):
            client.run()
    finally:
        client.close()


def serve_line(shared: SharedSerialReader, line: PtyLine | TcpLine) -> None:
    """Keep the reader on its line until a signal ends it (:func:`on_signals`). Raises what ended a reader
    behind it, or a defect of its own."""
    with on_signals(shared):
        while not shared.wait(_LOOK_SECONDS):
            if line.failure is not None:
                raise line.failure
