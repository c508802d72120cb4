"""The simulated MCUboot reader: what it refuses and why, what it keeps, and any bytes on its line."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Any

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tegata.apdu.errors import InputError
from tegata.reader_bridge.frames.mcuboot import HARDWARE_ID
from tegata.reader_bridge.frames.mcuboot_trailer import TRAILER_MAGIC, SwapType
from tegata.reader_bridge.frames.smp import READER_GROUP, Message, Op
from tegata.simulators.devices.mcuboot.board import Board
from tegata.simulators.devices.mcuboot.demo import blank_reader
from tegata.simulators.devices.mcuboot.flash import Cut, Flash, Geometry, Phase, PowerLost, parse_cut
from tegata.simulators.devices.mcuboot.flash_file import FlashFile
from tegata.simulators.devices.mcuboot.fuses import Fuses
from tegata.simulators.devices.mcuboot.server import Server
from tegata.simulators.devices.mcuboot.store import Store
from tegata.simulators.devices.mcuboot.swap import Trailer
from tegata.simulators.devices.mcuboot.verify import Refused

from . import mcuboot_bench as bench

OLD, NEW = bench.image("1.0.0"), bench.image("1.1.0", counter=2)


class Client:
    """Requests without a line. ``version`` 1 is SMP version 2."""

    def __init__(self, board: Board, version: int = 1) -> None:
        self.server = Server(board)
        self.version = version

    def ask(self, op: Op, group: int, command: int, **values: Any) -> dict[str, Any]:
        answer = self.server.handle(Message(op, group, command, 9, cbor2.dumps(values), self.version))
        assert answer is not None
        assert (answer.op, answer.group, answer.command, answer.sequence) == (op + 1, group, command, 9)
        found = cbor2.loads(answer.payload)
        assert isinstance(found, dict)
        return found

    def upload(self, raw: bytes, chunk: int = 100) -> dict[str, Any]:
        """The answer to the last piece."""
        answer = self.ask(Op.WRITE, 1, 1, off=0, len=len(raw), data=raw[:chunk])
        while answer.keys() == {"off"} and answer["off"] < len(raw):
            offset = answer["off"]
            answer = self.ask(Op.WRITE, 1, 1, off=offset, data=raw[offset : offset + chunk])
        return answer

    def images(self) -> list[str]:
        """Version and marks, by slot."""
        marks = ("active", "confirmed", "pending", "permanent")
        states = self.ask(Op.READ, 1, 0)["images"]
        return [" ".join([each["version"], *(mark for mark in marks if each[mark])]) for each in states]


@pytest.fixture
def board() -> Board:
    return bench.board(OLD)


def spoiled(raw: bytes, place: int) -> bytes:
    return raw[:place] + bytes([raw[place] ^ 0x10]) + raw[place + 1 :]


BAD = {
    "another key": (lambda: bench.image("1.1.0", signer="thief"), 11, "wrong-key"),
    "no key": (lambda: bench.image("1.1.0", signer=""), 11, "not-signed"),
    "another model": (lambda: bench.image("1.1.0", hardware_id="door-reader-2"), 11, "hardware-id"),
    "no model": (lambda: bench.image("1.1.0", hardware_id=None), 11, "hardware-id"),
    "a lower counter": (lambda: bench.image("1.1.0", counter=0), 11, "security-counter"),
    "no counter": (lambda: bench.image("1.1.0", counter=None), 11, "security-counter"),
    "a truncated file": (lambda: NEW[:-1], 9, "form"),
    "half a file": (lambda: NEW[: len(NEW) // 2], 9, "form"),
    "a changed byte": (lambda: spoiled(NEW, 100), 9, "digest"),
    "a changed signature": (lambda: spoiled(NEW, len(NEW) - 20), 11, "signature"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_image_is_refused_with_a_reason(board: Board, name: str) -> None:
    make, rc, word = BAD[name]
    client = Client(board)
    answer = client.upload(make())
    assert answer["rc"] == rc
    assert answer["rsn"].startswith(f"{word}: ")
    assert client.images() == ["1.0.0 active confirmed"]
    board.power_on()
    assert board.version == "1.0.0"
    assert client.upload(NEW) == {"off": len(NEW), "match": True}


def test_the_bootloader_refuses_what_got_past_the_firmware(board: Board) -> None:
    """An image that stands in the secondary slot by another way than an upload is not started either."""
    for name, (make, _, word) in BAD.items():
        raw = make()
        flash = bench.board(OLD).flash
        secondary = flash.geometry.secondary
        flash.write(secondary, 0, raw + b"\xff" * (-len(raw) % 8))
        Trailer(flash, secondary).write_magic()
        tried = Board(flash, bench.fuses())
        assert tried.boot.swap is SwapType.FAIL
        # In a slot a file does not end: what is missing of its signature reads as FF.
        expected = "signature" if name == "a truncated file" else word
        assert tried.boot.refused.startswith(f"{expected}: "), name
        assert Client(tried).images() == ["1.0.0 active confirmed"]
        assert tried.slots.next_swap is SwapType.NONE


def test_a_downgrade_by_version_is_refused_where_that_is_burnt_in() -> None:
    older = bench.image("0.9.0")
    assert Client(bench.board(OLD)).upload(older)["match"] is True
    strict = bench.board(OLD, bench.fuses(refuse_older=True))
    answer = Client(strict).upload(older)
    assert answer == {"rc": 11, "rsn": "version: the image is version 0.9.0, this reader runs 1.0.0"}


def test_going_back_is_no_downgrade() -> None:
    strict = bench.board(OLD, bench.fuses(refuse_older=True))
    strict.slots.store(NEW)
    strict.slots.mark(bench.digest(NEW), permanent=False)
    strict.power_on()
    assert strict.version == "1.1.0"
    content = strict.flash.content()
    strict.power_on()
    assert strict.version == "1.0.0"
    # nor is it when the power goes at any step of going back
    for step in range(1, 40):
        flash = Flash(bench.SMALL, content)
        flash.cut_at(Cut(step, Phase.AFTER))
        assert Board(flash, strict.fuses).version == "1.0.0", step


def test_the_counter_rises_with_a_confirmation_and_never_falls(board: Board) -> None:
    board.slots.store(NEW)
    board.slots.mark(bench.digest(NEW), permanent=False)
    board.power_on()
    assert board.security_counter == 1
    board.slots.confirm()
    assert board.security_counter == 1
    board.power_on()
    assert (board.version, board.security_counter) == ("1.1.0", 2)
    with pytest.raises(Refused, match="security counter 1, this reader has seen 2"):
        board.slots.mark(bench.digest(OLD), permanent=False)


@pytest.mark.parametrize("kind", ["ed25519", "rsa-2048"])
def test_other_kinds_of_keys(kind: str) -> None:
    made = bench.fuses(kind)
    board = bench.board(bench.image("1.0.0", kind=kind), made)
    board.slots.store(bench.image("2.0.0", kind=kind))
    board.slots.mark(bench.digest(bench.image("2.0.0", kind=kind)), permanent=True)
    board.power_on()
    assert board.version == "2.0.0"
    with pytest.raises(Refused, match="wrong-key"):
        board.slots.store(NEW)


FIRST = {"off": 0, "len": len(NEW), "data": NEW[:64]}


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"data": NEW[:64], "len": len(NEW)}, {"err": {"group": 1, "rc": 20}}),
        ({"off": 0, "data": NEW[:64]}, {"err": {"group": 1, "rc": 21}}),
        (FIRST | {"data": NEW[:31]}, {"err": {"group": 1, "rc": 22}}),
        (FIRST | {"data": bytes(64)}, {"err": {"group": 1, "rc": 23}}),
        (FIRST | {"len": 1025}, {"err": {"group": 1, "rc": 30}}),
        (FIRST | {"len": 63}, {"err": {"group": 1, "rc": 31}}),
        (FIRST | {"image": 1}, {"err": {"group": 1, "rc": 14}}),
        (FIRST | {"data": "text"}, {"rc": 3}),
        (FIRST | {"off": True}, {"rc": 3}),
        ({"off": 64, "data": b"x"}, {"err": {"group": 1, "rc": 20}}),
    ],
)
def test_an_upload_that_makes_no_sense(board: Board, values: dict[str, Any], error: dict[str, Any]) -> None:
    assert Client(board).ask(Op.WRITE, 1, 1, **values) == error
    if "err" in error:
        old = 3 if error["err"]["rc"] in (14, 20, 21, 22) else 1
        assert Client(board, version=0).ask(Op.WRITE, 1, 1, **values) == {"rc": old}


def test_only_newer_is_compared_without_the_build_number(board: Board) -> None:
    same = bench.image("1.0.0+5")
    refused = {"err": {"group": 1, "rc": 27}}
    first: dict[str, Any] = {"off": 0, "len": len(same), "data": same[:64], "upgrade": True}
    assert Client(board).ask(Op.WRITE, 1, 1, **first) == refused
    assert Client(board).ask(Op.WRITE, 1, 1, **FIRST, upgrade=True) == {"off": 64}


def test_an_upload_goes_on_where_it_was(board: Board) -> None:
    client, first = Client(board), FIRST | {"sha": bytes(32)}
    assert client.ask(Op.WRITE, 1, 1, **first) == {"off": 64}
    assert client.ask(Op.WRITE, 1, 1, off=64, data=NEW[64:200]) == {"off": 200}
    assert client.ask(Op.WRITE, 1, 1, **first) == {"off": 200}
    assert client.ask(Op.WRITE, 1, 1, off=64, data=NEW[64:200]) == {"off": 200}
    assert client.ask(Op.WRITE, 1, 1, off=200, data=NEW[200:]) == {"off": len(NEW), "match": False}
    assert client.images() == ["1.0.0 active confirmed"]
    client.ask(Op.WRITE, 1, 1, **first)
    board.power_on()
    assert Client(board).ask(Op.WRITE, 1, 1, **first) == {"off": 64}


def test_marks_that_make_no_sense(board: Board) -> None:
    client = Client(board)
    assert client.ask(Op.WRITE, 1, 0, hash=bytes(31)) == {"err": {"group": 1, "rc": 24}}
    assert client.ask(Op.WRITE, 1, 0) == {"err": {"group": 1, "rc": 24}}
    assert client.ask(Op.WRITE, 1, 0, hash=bytes(32)) == {"err": {"group": 1, "rc": 8}}
    assert client.ask(Op.WRITE, 1, 0, hash=bench.digest(OLD)) == {"err": {"group": 1, "rc": 33}}
    client.upload(NEW)
    client.ask(Op.WRITE, 1, 0, hash=bench.digest(NEW))
    assert client.images() == ["1.0.0 active confirmed", "1.1.0 pending"]
    assert client.ask(Op.WRITE, 1, 0, confirm=True) == {"err": {"group": 1, "rc": 28}}
    assert client.ask(Op.WRITE, 1, 5) == {"err": {"group": 1, "rc": 9}}
    client.ask(Op.WRITE, 1, 0, hash=bench.digest(NEW), confirm=True)
    assert client.images() == ["1.0.0 active confirmed", "1.1.0 pending permanent"]
    board.power_on()
    assert Client(board).images() == ["1.1.0 active confirmed", "1.0.0"]


def test_what_is_needed_to_go_back_is_kept(board: Board) -> None:
    client = Client(board)
    client.upload(NEW)
    client.ask(Op.WRITE, 1, 0, hash=bench.digest(NEW))
    board.power_on()
    client = Client(board)
    assert client.images() == ["1.1.0 active", "1.0.0 confirmed"]
    assert client.upload(NEW) == {"err": {"group": 1, "rc": 9}}
    assert client.ask(Op.WRITE, 1, 5) == {"err": {"group": 1, "rc": 9}}
    assert Client(board, version=0).ask(Op.WRITE, 1, 5) == {"rc": 6}
    assert client.ask(Op.WRITE, 1, 0, hash=bench.digest(OLD)) == {"err": {"group": 1, "rc": 28}}
    assert client.ask(Op.WRITE, 1, 0, confirm=True)["images"][0]["confirmed"] is True
    assert client.ask(Op.WRITE, 1, 5) == {}
    assert client.images() == ["1.1.0 active confirmed"]


def test_the_readers_own_group(board: Board) -> None:
    client = Client(board)
    said = client.ask(Op.READ, READER_GROUP, 0)
    assert (said["model"], said["hardware_id"], said["firmware"]) == ("smp", "gate-reader-1", "1.0.0")
    assert (said["counter"], said["slot_size"]) == (1, 1024)
    before = client.ask(Op.READ, READER_GROUP, 1)["settings"]
    assert before == {"buzzer": True, "card_types": ["A", "B"], "label": "", "lamp": 80}
    assert client.ask(Op.WRITE, READER_GROUP, 1, settings={"label": "東門", "lamp": 5}) == {}
    board.power_on()
    client = Client(board)
    assert client.ask(Op.READ, READER_GROUP, 1)["settings"] == before | {"label": "東門", "lamp": 5}
    tests = client.ask(Op.WRITE, READER_GROUP, 2)["findings"]
    assert [(each["name"], each["verdict"]) for each in tests] == [
        ("image", "passed"),
        ("slot", "skipped"),
        ("settings", "passed"),
    ]
    assert not board.lamp
    assert client.ask(Op.WRITE, READER_GROUP, 3, seconds=30) == {}
    assert board.lamp


@pytest.mark.parametrize(
    ("settings", "rc"),
    [
        ({"colour": 1}, 2),
        ({"lamp": 101}, 3),
        ({"lamp": True}, 3),
        ({"lamp": 5, "label": "x" * 33}, 3),
        ({"label": "a\nb"}, 3),
        ({"card_types": ["A", "A"]}, 3),
        ({"card_types": [[]]}, 3),
        ([], 3),
    ],
)
def test_settings_are_put_all_or_none(board: Board, settings: Any, rc: int) -> None:
    client = Client(board)
    before = client.ask(Op.READ, READER_GROUP, 1)
    assert client.ask(Op.WRITE, READER_GROUP, 1, settings=settings) == {
        "err": {"group": READER_GROUP, "rc": rc}
    }
    assert client.ask(Op.READ, READER_GROUP, 1) == before
    assert Client(board, version=0).ask(Op.WRITE, READER_GROUP, 1, settings=settings) == {"rc": 3}


@pytest.mark.parametrize("seconds", [-1, 3601, float("nan"), float("inf"), "1", True, None])
def test_a_lamp_does_not_shine_for_ever(board: Board, seconds: Any) -> None:
    answer = Client(board).ask(Op.WRITE, READER_GROUP, 3, seconds=seconds)
    assert answer == {"err": {"group": READER_GROUP, "rc": 3}}


@given(
    st.sampled_from(Op), st.sampled_from([0, 1, 8, READER_GROUP]), st.integers(0, 9), st.binary(max_size=80)
)
def test_any_payload_gets_an_answer(op: Op, group: int, command: int, payload: bytes) -> None:
    board = bench.board(OLD)
    answer = Server(board).handle(Message(op, group, command, 0, payload))
    if op in (Op.READ, Op.WRITE):
        assert answer is not None
        assert isinstance(cbor2.loads(answer.payload), dict)
    else:
        assert answer is None
    assert board.version == "1.0.0"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.binary(max_size=70),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=5,
)
NAMES = ("off", "len", "data", "sha", "image", "upgrade", "hash", "confirm", "slot", "settings", "seconds")
names = st.sampled_from([*NAMES, "d", "query", "format"])


@given(st.sampled_from([0, 1, READER_GROUP]), st.integers(0, 8), st.dictionaries(names, values, max_size=5))
def test_any_map_gets_an_answer(group: int, command: int, given_values: dict[str, Any]) -> None:
    board = bench.board(OLD)
    for op in (Op.READ, Op.WRITE):
        assert isinstance(Client(board).ask(op, group, command, **given_values), dict)


def test_a_reader_without_firmware_is_dead() -> None:
    board = Board(Flash(bench.SMALL), bench.fuses())
    assert board.running is None
    assert board.boot.refused.startswith("form: ")
    with pytest.raises(ValueError, match="no firmware runs"):
        _ = board.slots


def test_a_damaged_trailer_is_survived() -> None:
    flash = bench.factory(OLD)
    primary = Trailer(flash, flash.geometry.primary)
    primary.write_swap_info(SwapType.TEST)
    primary.write_magic()  # a swap of FFFFFFFF bytes is under way
    assert Board(flash, bench.fuses()).boot.refused == "the trailer of the primary slot is damaged"


def test_a_reader_is_made_with_an_image_that_it_starts() -> None:
    with pytest.raises(InputError, match="cannot be made"):
        blank_reader(bench.fuses(), bench.image("1.0.0", signer="thief"), bench.SMALL)
    with pytest.raises(InputError, match="longer than a slot"):
        blank_reader(bench.fuses(), OLD.ljust(bench.SMALL.slot_size + 1, b"\xff"), bench.SMALL)


def test_a_factory_image_with_a_trailer_of_its_own() -> None:
    """As imgtool sign --pad --confirm writes it: magic and image_ok, and no swap is under way."""
    flash = bench.factory(OLD)
    primary = Trailer(flash, flash.geometry.primary)
    primary.write_image_ok()
    primary.write_magic()
    board = Board(flash, bench.fuses())
    assert (board.version, board.boot.swap) == ("1.0.0", SwapType.NONE)
    assert Client(board).images() == ["1.0.0 active confirmed"]
    board.slots.store(NEW)
    board.slots.mark(bench.digest(NEW), permanent=False)
    board.power_on()
    assert Client(board).images() == ["1.1.0 active", "1.0.0 confirmed"]


def test_the_flash_does_what_nor_flash_does() -> None:
    flash = Flash(bench.SMALL)
    area = bench.SMALL.primary
    flash.write(area, 8, b"\xf0" * 8)
    flash.write(area, 8, b"\x30" * 8)
    with pytest.raises(ValueError, match="set bits"):
        flash.write(area, 8, b"\x31" * 8)
    for offset, data in ((4, bytes(8)), (0, bytes(7)), (0, b""), (area.size - 8, bytes(16)), (-8, bytes(8))):
        with pytest.raises(ValueError):
            flash.write(area, offset, data)
    with pytest.raises(ValueError, match="no sector"):
        flash.erase(area, 8)
    flash.erase(area, 0)
    assert flash.read(area, 0, 256) == b"\xff" * 256


@pytest.mark.parametrize(
    ("phase", "left"),
    [
        (Phase.BEFORE, b"\xff" * 16),
        (Phase.INSIDE, bytes(8) + b"\xff" * 8),
        (Phase.LATE, b"\xff" * 8 + bytes(8)),
        (Phase.AFTER, bytes(16)),
    ],
)
def test_where_in_a_step_the_power_goes(phase: Phase, left: bytes) -> None:
    flash = Flash(bench.SMALL)
    flash.cut_at(Cut(1, phase))
    with pytest.raises(PowerLost):
        flash.write(bench.SMALL.primary, 0, bytes(16))
    assert flash.read(bench.SMALL.primary, 0, 16) == left


def test_cuts_as_they_are_written() -> None:
    assert parse_cut("17.late") == Cut(17, Phase.LATE)
    assert parse_cut("3") == Cut(3, Phase.INSIDE)
    for text in ("", "0.inside", "x.after", "1.soon", "-1", "1" * 20):
        with pytest.raises(ValueError):
            parse_cut(text)


@pytest.mark.parametrize("phase", Phase)
def test_the_store_keeps_the_old_or_the_new_value(phase: Phase) -> None:
    """Through enough writes that the sectors are changed several times, power lost at each step."""
    total = 0
    while True:
        total += 1
        flash = Flash(bench.SMALL)
        flash.cut_at(Cut(total, phase))
        store, kept = Store(flash, bench.SMALL.settings), [b""]
        try:
            for number in range(30):
                kept.append(bytes([number]) * (number % 50))
                store.put(1, kept[-1])
                store.put(2, b"other")
        except PowerLost:
            again = Store(flash, bench.SMALL.settings)
            assert (again.get(1) or b"") in kept[-2:]
            again.put(1, b"after")
            assert Store(flash, bench.SMALL.settings).get(1) == b"after"
            assert Store(flash, bench.SMALL.settings).get(2) in (None if total < 5 else b"other", b"other")
        else:
            break
    assert total > 60


def test_a_flash_file_outlives_its_simulator(tmp_path: Path) -> None:
    path = tmp_path / "reader.flash"
    with pytest.raises(InputError, match="cannot be used"):
        FlashFile(path)
    file = FlashFile.create(path, bench.fuses(), bench.factory(OLD))
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    with pytest.raises(InputError, match="cannot be used"):
        FlashFile(path)  # in use
    with pytest.raises(InputError, match="cannot be used"):
        FlashFile.create(path, bench.fuses(), bench.factory(OLD))
    board = Board(file, file.fuses)
    board.slots.store(NEW)
    board.slots.mark(bench.digest(NEW), permanent=False)
    file.close()  # no more than the death of the process
    again = FlashFile(path)
    assert again.fuses == bench.fuses()
    assert Board(again, again.fuses).version == "1.1.0"
    again.close()


@pytest.mark.parametrize(
    "content",
    [b"", b"tegata-flash 1\n", b"tegata-flash 1\n[]" + b" " * 20000, b"tegata-flash 1\n{}".ljust(1 << 14)],
)
def test_what_is_no_flash_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(InputError, match="cannot be used"):
        FlashFile(tmp_path / "x")


def test_a_flash_file_that_was_cut_off(tmp_path: Path) -> None:
    FlashFile.create(tmp_path / "x", bench.fuses(), bench.factory(OLD)).close()
    whole = (tmp_path / "x").read_bytes()
    for content in (whole[:-1], whole + b"\xff", whole.replace(b'"sector_size": 256', b'"sector_size": 100')):
        (tmp_path / "x").write_bytes(content)
        with pytest.raises(InputError, match="cannot be used"):
            FlashFile(tmp_path / "x")


def test_fuses_and_geometries_that_cannot_be() -> None:
    pem = bench.fuses().keys
    for fault in (
        lambda: Fuses("", pem),
        lambda: Fuses("a\nb", pem),
        lambda: Fuses("x" * 65, pem),
        lambda: Fuses("x", ()),
        lambda: Fuses("x", ("no key",)),
        lambda: Geometry(sector_size=100).check(),
        lambda: Geometry(slot_sectors=2).check(),
        lambda: Geometry(slot_sectors=129).check(),
        lambda: Geometry(write_size=4).check(),
    ):
        with pytest.raises(ValueError):
            fault()
    Geometry().check()
    assert Geometry().largest_image == 62 * 4096


def test_the_vendor_tlv_is_where_the_documentation_says() -> None:
    assert bytes([HARDWARE_ID, 0, len(bench.HARDWARE), 0]) + bench.HARDWARE.encode() in OLD
    assert TRAILER_MAGIC not in OLD
