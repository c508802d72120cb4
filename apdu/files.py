"""An application made of files and PINs, as a host talks to it: the base of the My Number Card's hosts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from .binary import read_bytes, read_object
from .card import Card
from .errors import CardError, MalformedResponse, StatusError, Words
from .names import application_name
from .pin import Pins

__all__ = ["ABSENT", "CardFile", "FileApplication", "Read"]

T = TypeVar("T")
ABSENT = (0x6A81, 0x6A82, 0x6A86, 0x6999, 0x6D00, 0x6E00)
NO_FILE = (0x6A82, 0x6B00)
CLOSED = 0x6982
NOBODY = Words("a PIN that the holder does not have", "利用者の持たない鍵")


@dataclass(frozen=True, slots=True)
class CardFile(Generic[T]):
    """A transparent file: its number, its name for people, how its bytes are read, and who opens it.

    ``limit`` is the most that its object may have; ``length`` is given for a file without an object's header.
    ``personal`` hides the answers from recorders; ``opened_by`` names the PINs for the sentence of a refusal.
    """

    number: int
    what: Words
    parse: Callable[[bytes], T]
    limit: int = 4096
    length: int | None = None
    personal: bool = False
    opened_by: Words = NOBODY


@dataclass(frozen=True, slots=True, repr=False)
class Read(Generic[T]):
    """What a file holds: its meaning, and the bytes as they stand on the card, which signatures cover."""

    value: T
    raw: bytes


class FileApplication:
    """One application of one card. Call :meth:`select` first; ``pins`` asks, presents and changes PINs."""

    aid: ClassVar[bytes]
    name: ClassVar[Words]

    def __init__(self, card: Card) -> None:
        self.card = card
        self.pins = Pins(card)

    def select(self) -> None:
        """Select the application. PINs verified in it before stay verified (see :meth:`Card.reset`).

        Raises CardError ``mynumber.not_here`` for a card without it.
        """
        try:
            self.card.select(self.aid, p2=0x0C)
        except StatusError as error:
            if error.sw in ABSENT:
                raise self.not_here() from error
            raise

    def not_here(self) -> CardError:
        """The error for a card without this application."""
        return CardError("mynumber.not_here", application=self.name)

    def read(self, file: CardFile[T]) -> Read[T]:
        """Read one file.

        Raises StatusError ``mynumber.locked_file`` when a PIN is missing, CardError ``mynumber.file_absent``,
        MalformedResponse for content that makes no sense, and StatusError for any other refusal.
        """
        try:
            raw = self._bytes(file)
        except StatusError as error:
            if error.sw == CLOSED:
                raise self._closed(file, error) from error
            if error.sw in NO_FILE:
                raise CardError("mynumber.file_absent", what=file.what) from error
            raise
        try:
            return Read(file.parse(raw), raw)
        except ValueError as error:
            raise MalformedResponse(file.what, f"EF {file.number:04X}") from error

    def _bytes(self, file: CardFile[T]) -> bytes:
        if file.length is not None:
            return read_bytes(self.card, file.length, file.number, secret=file.personal)
        return read_object(self.card, file.number, limit=file.limit, secret=file.personal)

    def _closed(self, file: CardFile[T], error: StatusError) -> StatusError:
        return StatusError(
            error.sw,
            error.command,
            application_name(self.aid),
            code="mynumber.locked_file",
            what=file.what,
            pin=file.opened_by,
        )
