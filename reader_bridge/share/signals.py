"""What signals mean to a program that shares or simulates a reader until it is stopped."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

__all__ = ["signal_actions"]


@contextmanager
def signal_actions(wanted: Mapping[str, Callable[[], None]]) -> Iterator[None]:
    """While the context lasts, each signal of ``wanted`` (by name) calls its action; names that the system
    does not have are left out, and so is one that whoever started us wants ignored (``nohup``). Actions run
    inside the handler: they may only ring a bell."""
    former = {}
    for name, action in wanted.items():
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            former[number] = signal.signal(number, lambda *_, action=action: action())
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
