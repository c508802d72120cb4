"""Puts a simulated card in front of one program, on libpcsclite's socket."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType

from ..apdu.errors import InputError
from ..apdu.ports import Reader, open_reader
from ..apdu.trace import trace_file
from ..reader_bridge.share.pcsclite import SOCKET_VARIABLE, PcscliteServer
from ..reader_bridge.share.recorded import RecordingReader
from ..reader_bridge.share.slot import Slot
from . import presets

__all__ = ["READER_NAME", "card_file", "card_reader", "on_socket", "run_program", "run_with_card"]

READER_NAME = "tegata sim 00 00"
_SOCKET_PATH_MOST = 100
"""Bytes in a Unix socket's path that every system allows, with some room."""


@contextmanager
def card_reader(path: Path, interface: str, trace: Path | None = None) -> Iterator[Reader]:
    """The reader that holds the card file ``path``; its APDUs are traced, masked, to ``trace``."""
    with ExitStack() as stack:
        reader = open_reader(f"sim:{path}?interface={interface}")
        stack.callback(reader.close)
        if trace is None:
            yield reader
            return
        yield RecordingReader(reader, stack.enter_context(trace_file(trace)))


@contextmanager
def on_socket(reader: Reader, socket_path: Path) -> Iterator[Slot]:
    """Serve the card of ``reader`` on libpcsclite's protocol at ``socket_path`` while the context lasts."""
    with ExitStack() as stack:
        slot = Slot(READER_NAME)
        stack.callback(slot.close)
        slot.insert(reader.wait_for_card())
        stack.enter_context(PcscliteServer([slot], socket_path))
        yield slot


def run_with_card(
    card: str, program: Sequence[str], *, interface: str = "contactless", trace: Path | None = None
) -> int:
    """Run ``program`` with the card file or the preset ``card`` in its reader; its exit code.

    A preset's card is made for this run and thrown away after it. Raises InputError ``share.preset``.
    """
    with tempfile.TemporaryDirectory(prefix="tegata-", dir=_folder()) as name:
        folder = Path(name)
        path = card_file(card, folder)
        socket_path = folder / "pcscd.comm"
        with card_reader(path, interface, trace) as reader, on_socket(reader, socket_path):
            return run_program(program, {SOCKET_VARIABLE: str(socket_path)})


def card_file(card: str, folder: Path) -> Path:
    """The card file that ``card`` names, or a new one in ``folder`` where it is a preset.

    Raises InputError ``share.preset``.
    """
    path = Path(card)
    if card in presets.names():
        path = folder / "card.sim"
        presets.create(card, path)
    elif not path.is_file():
        raise InputError("share.preset", name=card, known=", ".join(presets.names()))
    return path


def _folder() -> str | None:
    """Where temporary folders go: the usual place, unless its path is too long for a socket."""
    usual = tempfile.gettempdir()
    return usual if len(os.fsencode(usual)) < _SOCKET_PATH_MOST - 30 else "/tmp"  # noqa: S108 - mkdtemp inside


def run_program(program: Sequence[str], variables: Mapping[str, str]) -> int:
    """Run ``program`` with our standard streams and ``variables`` added to the environment.

    Its exit code, or 128 and the signal that ended it. SIGTERM and SIGINT are passed on to it. Raises
    InputError ``share.not_found`` and ``share.not_executable``.
    """
    child: subprocess.Popen[bytes] | None = None
    pending: list[int] = []

    def forward(number: int, _frame: FrameType | None) -> None:
        if number == signal.SIGINT and _terminal_tells_child():
            return
        if child is None:
            pending.append(number)
        else:
            child.send_signal(number)

    former = {number: signal.signal(number, forward) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        child = _start(program, {**os.environ, **variables})
        for number in pending:
            child.send_signal(number)
        code = child.wait()
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
    return 128 - code if code < 0 else code


def _start(program: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(list(program), env=environment)
    except FileNotFoundError:
        raise InputError("share.not_found", program=program[0]) from None
    except OSError as error:
        raise InputError("share.not_executable", program=program[0], what=error.strerror) from None


def _terminal_tells_child() -> bool:
    """Does Ctrl-C reach the child by itself, being in the foreground of our terminal as we are?"""
    if sys.platform == "win32":
        return True
    return sys.stdin is not None and sys.stdin.isatty() and os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
