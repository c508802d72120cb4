"""A link that plays a dialogue written down in a test: these commands, in this order, and these answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from tegata.apdu.card import Card, CardProfile
from tegata.apdu.ports import LinkInfo, TransmissionProtocol
from tegata.applets.security_domain import SecurityDomain

__all__ = ["Dialogue", "dialogue"]


class Dialogue:
    """``lines`` alternate between command and answer, in hex; spaces are for the reader."""

    atr = b""
    info = LinkInfo("dialogue", TransmissionProtocol.T1)

    def __init__(self, *lines: str) -> None:
        raw = [bytes.fromhex(line) for line in lines]
        self.rest = list(zip(raw[::2], raw[1::2], strict=True))

    def transmit(self, command: bytes) -> bytes:
        assert self.rest, f"nothing more was expected, got {command.hex().upper()}"
        expected, answer = self.rest.pop(0)
        assert command.hex().upper() == expected.hex().upper()
        return answer

    def reset(self) -> None:
        raise AssertionError("no reset was expected")

    def close(self, reset: bool = True) -> None:
        """The dialogue stays as it is."""

    @contextmanager
    def exclusive(self) -> Iterator[None]:
        yield


@contextmanager
def dialogue(*lines: str, quirks: tuple[str, ...] = (), **profile: bool) -> Iterator[SecurityDomain]:
    """A security domain on the other end of the dialogue, which has to be played to its end."""
    link = Dialogue(*lines)
    card = Card(link, profile=CardProfile(quirks=set(quirks), **profile))  # type: ignore[arg-type]
    yield SecurityDomain(card)
    assert not link.rest, f"{len(link.rest)} commands were not sent"
