"""A reader that loses its line is opened again, and is without a card meanwhile."""

from __future__ import annotations

import pytest

from tegata.apdu.errors import ReaderError
from tegata.apdu.ports import Link, Reader
from tegata.reader_bridge.share.steady import SteadyReader

from .conftest import TinyCard, TinyReader


class Failing(TinyReader):
    """Its line is lost whenever ``lost`` is set."""

    lost = False
    closed = 0

    def wait_for_card(self, timeout: float | None = None) -> TinyCard:
        if self.lost:
            raise ReaderError("line.lost", line="ttyX", what="unplugged")
        return super().wait_for_card(timeout)

    def close(self) -> None:
        self.closed += 1
        super().close()


def code(reader: SteadyReader) -> str:
    with pytest.raises(ReaderError) as caught:
        reader.wait_for_card(0.01)
    return caught.value.code


def test_it_comes_back_when_the_line_does() -> None:
    readers = [Failing(), Failing()]
    waiting: list[Reader | ReaderError] = [
        readers[0],
        ReaderError("line.open", line="ttyX", what="gone"),
        readers[1],
    ]
    told: list[str | None] = []

    def opener() -> Reader:
        found = waiting.pop(0)
        if isinstance(found, ReaderError):
            raise found
        return found

    reader = SteadyReader(opener, lambda error: told.append(error and error.code))
    first: Link = reader.wait_for_card(1)
    assert first is readers[0].card
    readers[0].lost = True
    assert code(reader) == "reader.no_card"
    assert readers[0].closed == 1
    assert code(reader) == "reader.no_card"  # its line is not there yet
    assert reader.wait_for_card(0.01) is readers[1].card
    assert told == ["line.lost", None]
    reader.close()
    assert readers[1].closed == 1


def test_a_card_that_is_mute_is_no_lost_reader() -> None:
    class Mute(TinyReader):
        def wait_for_card(self, timeout: float | None = None) -> TinyCard:
            raise ReaderError("gemcore.mute", reader=self.name)

    opened: list[Reader] = []

    def opener() -> Reader:
        opened.append(Mute())
        return opened[-1]

    reader = SteadyReader(opener, lambda error: pytest.fail(f"reported {error}"))
    assert [code(reader) for _ in range(3)] == ["reader.no_card"] * 3
    assert len(opened) == 1


def test_a_wrong_name_is_said_at_once() -> None:
    def opener() -> Reader:
        raise ReaderError("line.open", line="ttyX", what="No such file or directory")

    with pytest.raises(ReaderError) as caught:
        SteadyReader(opener, lambda _: None)
    assert caught.value.code == "line.open"


def test_an_empty_reader_is_not_a_lost_one() -> None:
    reader = SteadyReader(lambda: empty, lambda error: pytest.fail(f"reported {error}"))
    assert code(reader) == "reader.no_card"
    assert reader.name == empty.name
    assert reader.features == frozenset()


empty = TinyReader()
empty.card.gone = True
