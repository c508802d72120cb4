"""A reader whose cards are recorded, masked, while programs use them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

from ...apdu.ports import CardEvent, Link, Reader
from ...apdu.trace import RecordingLink

__all__ = ["RecordingReader"]


class RecordingReader:
    """Passes everything to ``reader``; what its cards do is recorded to ``stream``."""

    def __init__(self, reader: Reader, stream: TextIO) -> None:
        self._reader = reader
        self._stream = stream

    @property
    def name(self) -> str:
        return self._reader.name

    @property
    def features(self) -> frozenset[str]:
        return self._reader.features

    def wait_for_card(self, timeout: float | None = None) -> Link:
        return RecordingLink(self._reader.wait_for_card(timeout), self._stream)

    def events(self, timeout: float | None = None) -> Iterator[CardEvent]:
        return self._reader.events(timeout)

    def close(self) -> None:
        self._reader.close()
