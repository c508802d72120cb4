"""What the watcher makes of two looks: literal states of pcsclite, and rules for any series of looks."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tegata.reader_bridge.readers.pcsc_states import Change, Kind, Places
from tegata.reader_bridge.readers.pcsc_watcher import _Queue

EMPTY, HOLDS, CHANGED = 0x10, 0x20, 0x02
ATR, OTHER = bytes.fromhex("3b8880010000000000000000 09".replace(" ", "")), bytes.fromhex("3b80800101")


def came(*atrs: bytes) -> list[Change]:
    return [Change(Kind.CARD_CAME, "r", atr) for atr in atrs]


WENT = Change(Kind.CARD_WENT, "r")


def at_reader() -> Places:
    places = Places()
    assert places.service(there=True) == [Change(Kind.SERVICE_CAME)]
    assert places.readers(["r"]) == [Change(Kind.READER_CAME, "r")]
    return places


def test_a_card_comes_and_goes() -> None:
    places = at_reader()
    assert places.look("r", 0x0000 | CHANGED | EMPTY, b"") == []
    assert places.look("r", 0x10000 | CHANGED | HOLDS, ATR) == came(ATR)
    assert places.look("r", 0x10000 | HOLDS | 0x100, ATR) == []  # in use
    assert places.look("r", 0x20000 | CHANGED | EMPTY, b"") == [WENT]


def test_a_card_that_was_exchanged_between_two_looks_is_told_by_the_counter() -> None:
    places = at_reader()
    places.look("r", 0x10000 | HOLDS, ATR)
    assert places.look("r", 0x30000 | CHANGED | HOLDS, ATR) == [WENT, *came(ATR)]
    assert places.look("r", 0x30000 | CHANGED | HOLDS, OTHER) == [WENT, *came(OTHER)]


def test_the_counter_may_begin_anew() -> None:
    places = at_reader()
    places.look("r", 0xFFFF0000 | HOLDS, ATR)
    assert places.look("r", 0x00010000 | HOLDS, ATR) == [WENT, *came(ATR)]


def test_a_service_takes_readers_and_cards_with_it() -> None:
    places = at_reader()
    places.look("r", HOLDS, ATR)
    assert places.service(there=False) == [WENT, Change(Kind.READER_WENT, "r"), Change(Kind.SERVICE_WENT)]
    assert places.service(there=False) == []
    assert not places.states


def test_a_reader_that_is_unavailable_holds_no_card() -> None:
    places = at_reader()
    places.look("r", HOLDS, ATR)
    assert places.look("r", HOLDS | 0x08, ATR) == [WENT]


looks = st.lists(
    st.one_of(
        st.tuples(st.just("service"), st.booleans()),
        st.tuples(st.just("readers"), st.sets(st.sampled_from("abc"))),
        st.tuples(
            st.just("look"),
            st.tuples(
                st.sampled_from("abcd"), st.integers(0, 0xFFFFFFFF), st.sampled_from([b"", ATR, OTHER])
            ),
        ),
    ),
    max_size=30,
)


class Told:
    """Whoever believes the changes: each must fit what was told before."""

    def __init__(self) -> None:
        self.service = False
        self.readers: dict[str, bytes | None] = {}

    def hear(self, change: Change) -> None:
        match change.kind:
            case Kind.SERVICE_CAME:
                self.service = True
            case Kind.SERVICE_WENT:
                assert self.readers == {}
                self.service = False
            case Kind.READER_CAME:
                assert change.reader not in self.readers
                self.readers[change.reader] = None
            case Kind.READER_WENT:
                assert self.readers.pop(change.reader) is None
            case Kind.CARD_CAME:
                assert self.readers[change.reader] is None
                self.readers[change.reader] = change.atr
            case Kind.CARD_WENT:
                assert self.readers[change.reader] is not None
                self.readers[change.reader] = None


@given(looks)
def test_whoever_hears_the_changes_knows_what_is_there(steps: list[tuple[str, object]]) -> None:
    places, told, there = Places(), Told(), {}
    places.service(there=True)
    for what, value in steps:
        if what == "service":
            changes = places.service(there=bool(value))
            there = there if value else {}
        elif what == "readers":
            assert isinstance(value, set)
            changes = places.service(there=True) + places.readers(sorted(value))
            there = {name: there.get(name) for name in value}
        else:
            assert isinstance(value, tuple)
            name, state, atr = value
            changes = places.look(name, state, atr)
            if name in there:
                there[name] = atr if state & HOLDS and not state & 0x0C else None
        for change in changes:
            told.hear(change)
        assert told.readers == there
    again = Told()
    for change in places.all():
        again.hear(change)
    assert again.readers == told.readers


def test_a_full_queue_is_told_anew() -> None:
    queue = _Queue(3)
    assert queue.put(came(ATR, ATR))
    assert not queue.put(came(OTHER, OTHER))
    queue.restart([Change(Kind.MISSED), *came(OTHER)])
    queue.close()
    assert [queue.get(None), *came(OTHER), queue.get(None), queue.get(None)] == [
        Change(Kind.MISSED),
        *came(OTHER),
        *came(OTHER),
        None,
    ]
