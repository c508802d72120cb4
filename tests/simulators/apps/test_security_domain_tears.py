"""The power goes at every write of PUT KEY, INSTALL, DELETE and STORE DATA: nothing stays half-done."""

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from tegata.applets.piv import model as piv
from tegata.applets.security_domain import model
from tegata.simulators.card import FileStore, MemoryStore, PowerCut, PowerLost, SimulatedCard
from tegata.simulators.card.device import seeded
from tegata.simulators.link import Phase
from tegata.simulators.presets import memory

from .gp_host import DEFAULT, GpHost, block_with_length, cbc, kcv

OLD = (DEFAULT, DEFAULT, DEFAULT)
NEW = tuple(bytes([n]) * 16 for n in (0x11, 0x22, 0x33))
SSD = bytes.fromhex("F0746567617461AA")
PHASES = get_args(Phase)
Work = Callable[[GpHost], tuple[bytes, int]]


def lv(*fields: bytes) -> bytes:
    return b"".join(bytes([len(field)]) + field for field in fields)


def put_key(replace: int) -> Work:
    data = b"\x01" + b"".join(block_with_length(DEFAULT, key) for key in NEW)
    return lambda host: host.send(0x80, 0xD8, replace, 0x81, data)


def install(host: GpHost) -> tuple[bytes, int]:
    fields = lv(piv.PACKAGE_AID, piv.MODULE_AID, piv.INSTANCE_AID, b"\0", b"\xc9\0", b"")
    return host.send(0x80, 0xE6, 0x0C, 0x00, fields)


def delete_package(host: GpHost) -> tuple[bytes, int]:
    return host.send(0x80, 0xE4, 0x00, 0x80, b"\x4f" + lv(piv.PACKAGE_AID))


def delete_key(host: GpHost) -> tuple[bytes, int]:
    return host.send(0x80, 0xE4, 0x00, 0x00, bytes.fromhex("D201FF"))


def store(host: GpHost) -> tuple[bytes, int]:
    return host.send(0x80, 0xE2, 0x90, 0x00, bytes.fromhex("420312345F4502ABCD"))


class Bench:
    """A card whose power goes at the ``write``-th write after the channel was opened."""

    def __init__(self, content: dict[str, bytes], keys: tuple[bytes, ...] = OLD) -> None:
        self.card = SimulatedCard(MemoryStore(content), entropy=seeded(b"tear"), contactless=False)
        self.card.power_up()
        self.host = GpHost(self.card.transmit, keys).open(0x33)  # type: ignore[arg-type]
        self.begun = self.card.writes_done

    def cut(self, write: int, phase: Phase) -> None:
        self.card.cut = PowerCut(self.begun + write, phase)


def points(content: dict[str, bytes], work: Work, keys: tuple[bytes, ...] = OLD) -> list[tuple[int, Phase]]:
    bench = Bench(content, keys)
    assert work(bench.host)[1] == 0x9000
    count = bench.card.writes_done - bench.begun
    assert count > 0
    return [(write, phase) for write in range(count) for phase in PHASES]


def torn(
    content: dict[str, bytes], work: Work, point: tuple[int, Phase], keys: tuple[bytes, ...] = OLD
) -> Bench:
    """After the tear and the card's own recovery."""
    bench = Bench(content, keys)
    bench.cut(*point)
    with pytest.raises(PowerLost):
        work(bench.host)
    bench.card.power_up()
    return bench


def opens(card: SimulatedCard, keys: tuple[bytes, ...], version: int) -> bool:
    host = GpHost(card.transmit, keys)  # type: ignore[arg-type]
    answer = host.initialize_update(version)
    if answer[-2:] != b"\x90\x00" or answer[21:29] != host.channel.card_cryptogram:
        return False
    return host.external_authenticate(0x33) == b"\x90\x00"


@pytest.mark.parametrize("replace", [0x00, 0xFF])
def test_put_key_leaves_the_old_or_the_new_set(replace: int) -> None:
    content, work = memory("company-card", 7), put_key(replace)
    seen = set()
    for point in points(content, work):
        card = torn(content, work, point).card
        old, new = opens(card, OLD, 0xFF), opens(card, NEW, 0x01)
        assert new or old, point
        if replace:
            assert old != new, point
        else:
            assert old, point
        first = GpHost(card.transmit).initialize_update()[10]
        assert first == (0x01 if new else 0xFF), point
        seen.add((old, new))
    assert len(seen) == 2


def test_put_key_of_the_same_version_leaves_the_old_or_the_new_set() -> None:
    bench = Bench(memory("company-card", 7))
    assert put_key(0xFF)(bench.host)[1] == 0x9000
    content = bench.card.store.content
    other = tuple(bytes([n]) * 16 for n in (0x44, 0x55, 0x66))
    data = b"\x01" + b"".join(block_with_length(NEW[2], key) for key in other)

    def work(host: GpHost) -> tuple[bytes, int]:
        return host.send(0x80, 0xD8, 0x01, 0x81, data)

    for point in points(content, work, NEW):
        card = torn(content, work, point, NEW).card
        assert opens(card, NEW, 0x01) != opens(card, other, 0x01), point


def test_delete_key_leaves_the_set_whole_or_gone() -> None:
    bench = Bench(memory("company-card", 7))
    assert put_key(0x00)(bench.host)[1] == 0x9000
    content = bench.card.store.content
    for point in points(content, delete_key, NEW):
        card = torn(content, delete_key, point, NEW).card
        assert opens(card, NEW, 0x01), point
        told = b"\xff\x88" in card.transmit(bytes.fromhex("00CA00E000"))
        assert opens(card, OLD, 0xFF) == told, point


def test_install_leaves_the_instance_whole_or_absent() -> None:
    content = memory("company-card", 7)
    select = bytes.fromhex("00A40400") + lv(piv.INSTANCE_AID) + b"\0"
    for point in points(content, install):
        card = torn(content, install, point).card
        whole = card.transmit(select)[-2:] == b"\x90\x00"
        left = [key for key in card.store.content if piv.INSTANCE_AID.hex() in key.split("/")]
        assert whole == bool(left), point
        card.transmit(bytes.fromhex("00A4040000"))
        again = install(GpHost(card.transmit).open(0x33))[1]
        assert again == (0x6A80 if whole else 0x9000), point
        assert card.transmit(select)[-2:] == b"\x90\x00", point


def test_delete_is_finished_by_sending_it_again() -> None:
    bench = Bench(memory("company-card", 7))
    assert install(bench.host)[1] == 0x9000
    content = bench.card.store.content
    for point in points(content, delete_package):
        card = torn(content, delete_package, point).card
        assert delete_package(GpHost(card.transmit).open(0x33))[1] in (0x9000, 0x6A88), point
        left = [key for key in card.store.content if piv.INSTANCE_AID.hex() in key.split("/")]
        assert left == [], point


def test_store_data_is_all_or_nothing() -> None:
    content = memory("company-card", 7)
    for point in points(content, store):
        card = torn(content, store, point).card
        iin = card.transmit(bytes.fromhex("80CA004200"))[-2:] == b"\x90\x00"
        cin = card.transmit(bytes.fromhex("80CA004500"))[2:-2] == b"\xab\xcd"
        assert iin == cin, point


def test_keys_of_a_supplementary_domain_are_all_or_nothing() -> None:
    bench = Bench(memory("company-card", 7))
    fields = lv(model.SSD_PACKAGE, model.SSD_MODULE, SSD, b"\x80", b"\xc9\0", b"")
    assert bench.host.send(0x80, 0xE6, 0x0C, 0x00, fields)[1] == 0x9000
    content = bench.card.store.content
    described = b"".join(
        b"\xb9"
        + lv(bytes.fromhex("950138800188810110") + bytes([0x82, 1, n, 0x83, 1, 0x20, 0x84, 3]) + kcv(key))
        for n, key in enumerate(NEW, start=1)
    )
    values = b"".join(bytes.fromhex("811310") + cbc(DEFAULT, bytes(16), key) for key in NEW)

    def work(host: GpHost) -> tuple[bytes, int]:
        assert host.send(0x80, 0xE6, 0x20, 0x00, lv(b"", b"", SSD, b"", b"", b""))[1] == 0x9000
        return host.send(0x80, 0xE2, 0xA8, 0x00, bytes.fromhex("00B9") + lv(described) + values)

    for point in points(content, work):
        card = torn(content, work, point).card
        card.transmit(bytes.fromhex("00A40400") + lv(SSD) + b"\0")
        told = card.transmit(bytes.fromhex("00CA00E000"))[-2:] == b"\x90\x00"
        assert opens(card, NEW, 0x20) == told, point


def test_the_counter_of_a_channel_is_spent_before_the_answer_leaves() -> None:
    bench = Bench(memory("company-card", 7))
    before = bench.host.transmit(bytes.fromhex("00CA00C100"))[:3]
    bench.card.cut = PowerCut(bench.card.writes_done, "after")
    with pytest.raises(PowerLost):
        bench.host.initialize_update()
    bench.card.power_up()
    after = bench.card.transmit(bytes.fromhex("00CA00C100"))[:3]
    assert int.from_bytes(after, "big") == int.from_bytes(before, "big") + 1


def test_a_card_file_recovers_as_the_memory_does(tmp_path: Path) -> None:
    content, work = memory("company-card", 7), put_key(0xFF)
    for number, point in enumerate(points(content, work)):
        store_ = FileStore.create(tmp_path / f"{number}.card", content)
        card = SimulatedCard(store_, entropy=seeded(b"tear"), contactless=False)
        card.power_up()
        host = GpHost(card.transmit).open(0x33)
        card.cut = PowerCut(card.writes_done + point[0], point[1])
        with pytest.raises(PowerLost):
            work(host)
        store_.close()
        again = SimulatedCard(FileStore(tmp_path / f"{number}.card"), contactless=False)
        again.power_up()
        assert opens(again, OLD, 0xFF) != opens(again, NEW, 0x01), point
        again.store.close()
