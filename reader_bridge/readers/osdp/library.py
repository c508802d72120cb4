"""libosdp's C module, as much of it as is used here, and how it is made quiet and random.

``osdp_sys`` and not libosdp's Python package ``osdp``: another project's package has that name, too, and its
refresh thread ends without a word at the first error of a line.
"""

from __future__ import annotations

import contextlib
import ctypes
import secrets
import sys
from collections.abc import Callable, Mapping
from typing import Any, Protocol, cast

from ....apdu.errors import ReaderError, with_extra

__all__ = ["ControlPanel", "Library", "load", "seed"]


class ControlPanel(Protocol):
    """``osdp_sys.ControlPanel`` with one peripheral; not safe for two threads."""

    def refresh(self) -> None: ...
    def status(self) -> int: ...
    def sc_status(self) -> int: ...
    def get_pd_id(self, pd: int, /) -> Mapping[str, int]: ...
    def submit_command(self, pd: int, command: Mapping[str, Any], /) -> bool: ...
    def register_file_ops(self, pd: int, operations: Mapping[str, Callable[..., Any]], /) -> bool: ...
    def get_file_tx_status(self, pd: int, /) -> Mapping[str, int] | None: ...
    def set_event_callback(self, callback: Callable[[int, dict[str, Any]], int], /) -> None: ...
    def set_command_completion_callback(
        self, callback: Callable[[int, dict[str, Any], int], None], /
    ) -> None: ...


class Library(Protocol):
    """The module ``osdp_sys``."""

    FLAG_ENFORCE_SECURE: int
    FLAG_ENABLE_NOTIFICATION: int
    LOG_EMERG: int
    CMD_LED: int
    CMD_BUZZER: int
    CMD_MFG: int
    CMD_FILE_TX: int
    CMD_STATUS: int
    STATUS_REPORT_LOCAL: int
    EVENT_NOTIFICATION: int
    EVENT_NOTIFICATION_PD_STATUS: int
    EVENT_NOTIFICATION_SC_STATUS: int
    EVENT_STATUS: int
    EVENT_MFGREP: int
    EVENT_CARDREAD: int
    COMPLETION_OK: int
    LED_COLOR_RED: int
    LED_COLOR_NONE: int

    def ControlPanel(self, peripherals: list[Mapping[str, Any]]) -> ControlPanel: ...  # noqa: N802
    def set_loglevel(self, level: int, /) -> None: ...


def load() -> Library:
    """The library, silenced: what it would log may quote what it was given. Raises ReaderError
    ``reader.driver`` when it is not installed."""
    try:
        import osdp_sys
    except ImportError as error:
        raise ReaderError("reader.driver", scheme="osdp", what=str(error), how=with_extra("osdp")) from error
    library = cast(Library, osdp_sys)
    library.set_loglevel(library.LOG_EMERG)
    return library


def seed() -> None:
    """Seed the C library's rand() for this thread's session.

    libosdp 3.2.9 takes its challenges from rand(), which begins with the same numbers in every process: the
    session keys would repeat. 32 bits of a good source are what srand() takes.
    """
    name = "ucrtbase" if sys.platform == "win32" else None
    with contextlib.suppress(OSError, AttributeError):  # a system whose C library has another name
        ctypes.CDLL(name).srand(ctypes.c_uint(secrets.randbits(32)))
