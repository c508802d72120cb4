"""Loading and installing: LOAD in all its ways, what it leaves behind, memory, tears."""

import hashlib
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from tegata.applets.piv import model as piv
from tegata.simulators.card import MemoryStore, PowerCut, PowerLost, SimulatedCard
from tegata.simulators.card.device import seeded
from tegata.simulators.card.memory import memory_record
from tegata.simulators.link import Phase
from tegata.simulators.presets import memory, with_quirks

from ...foreign.gpp.cap import CapFile, build_cap, read_cap
from ...foreign.gpp.host import lv
from .gp_host import GpHost, GpRefused

PACKAGE, MODULE = bytes.fromhex("F07465676174611000"), bytes.fromhex("F0746567617461100001")
INSTANCE = bytes.fromhex("F0746567617461100002")
ISD = bytes.fromhex("A000000151000000")
PHASES = get_args(Phase)
NV, RAM = 40000, 2000
VECTORS = "applets/security_domain/vectors/load_files.toml"
DESCRIPTOR = 0x0B


def cap(size: int = 600, package: bytes = PACKAGE, module: bytes = MODULE) -> CapFile:
    return read_cap(build_cap(package, module, size))


def content(**quirks: bool) -> dict[str, bytes]:
    return with_quirks(memory("company-card", 7), dict(quirks)) | memory_record(NV, RAM)


def powered(store: dict[str, bytes]) -> SimulatedCard:
    card = SimulatedCard(MemoryStore(store), entropy=seeded(b"load"), contactless=False)
    card.power_up()
    return card


def opened(card: SimulatedCard, level: int = 0x03) -> GpHost:
    host = GpHost(card.transmit)
    host.select()
    return host.open(level)


@pytest.fixture
def host() -> GpHost:
    return opened(powered(content()))


def begin(host: GpHost, *fields: bytes, p1: int = 0x02, p2: int = 0x00) -> int:
    return host.send(0x80, 0xE6, p1, p2, lv(*fields))[1]


def block(host: GpHost, number: int, data: bytes, *, last: bool = False) -> tuple[bytes, int]:
    return host.send(0x80, 0xE8, 0x80 if last else 0x00, number, data)


def stream(file: CapFile) -> bytes:
    return b"\xc4\x82" + len(file.code).to_bytes(2, "big") + file.code


def install(
    host: GpHost, package: bytes = PACKAGE, module: bytes = MODULE, instance: bytes = INSTANCE
) -> int:
    return host.send(0x80, 0xE6, 0x0C, 0x00, lv(package, module, instance, b"\0", b"\xc9\0", b""))[1]


def select(host: GpHost, aid: bytes) -> str:
    return host.transmit(bytes.fromhex("00A40400") + lv(aid) + b"\0").hex().upper()


def free(host: GpHost) -> int:
    answer = host.transmit(bytes.fromhex("80CAFF2100"))
    assert answer[:3] == bytes.fromhex("FF2110")
    assert answer[3:5] == bytes.fromhex("8102")
    return int.from_bytes(answer[9:13], "big")


def packages(host: GpHost) -> list[bytes]:
    return [entry.aid for entry in host.list() if entry.kind == "PKG"]


@pytest.mark.parametrize("size", [100, 250, 600, 65000])
def test_a_package_of_any_size_is_loaded_installed_and_answers_as_a_placeholder(size: int) -> None:
    host = opened(powered(memory("company-card", 7)))
    host.load(cap(size), hash_name="sha256")
    entry = next(entry for entry in host.list() if entry.aid == PACKAGE)
    assert entry.modules == (MODULE,)
    assert install(host) == 0x9000
    assert select(host, INSTANCE) == "6F0C840AF07465676174611000029000"
    assert host.transmit(bytes.fromhex("00B0000000")).hex() == "6d00"
    host = opened_again(host)
    assert host.send(0x80, 0xE6, 0x20, 0x00, lv(b"", b"", INSTANCE, b"", b"", b""))[1] == 0x6985


def opened_again(host: GpHost) -> GpHost:
    again = GpHost(host._transmit)
    again.select()
    return again.open(0x03)


def test_a_package_with_a_model_comes_alive(host: GpHost) -> None:
    host.expect("DELETE", 0xE4, 0x00, 0x80, b"\x4f" + lv(piv.PACKAGE_AID))
    host = opened_again(host)
    host.load(cap(900, piv.PACKAGE_AID, piv.MODULE_AID))
    assert install(host, piv.PACKAGE_AID, piv.MODULE_AID, piv.INSTANCE_AID) == 0x9000
    assert select(host, piv.INSTANCE_AID).startswith("61")


@pytest.mark.parametrize("domain", [b"", ISD])
@pytest.mark.parametrize("name", ["", "sha1", "sha256", "sha384", "sha512"])
def test_hash_and_domain_may_be_given_or_not(host: GpHost, domain: bytes, name: str) -> None:
    file = cap(200)
    digest = hashlib.new(name, file.code).digest() if name else b""
    assert begin(host, PACKAGE, domain, digest, b"", b"") == 0x9000
    assert block(host, 0, stream(file)[:100]) == (b"", 0x9000)
    assert block(host, 1, stream(file)[100:], last=True) == (b"\0", 0x9000)
    assert PACKAGE in packages(host)


def test_a_wrong_hash_is_noticed_at_the_last_block(host: GpHost) -> None:
    assert begin(host, PACKAGE, b"", bytes(32), b"", b"") == 0x9000
    assert block(host, 0, stream(cap(200)), last=True)[1] == 0x6A80
    assert PACKAGE not in packages(host)


def test_blocks_out_of_order_and_other_commands_end_the_load(host: GpHost) -> None:
    whole = stream(cap(600))
    for fault in ("order", "p1", "other command", "install"):
        assert begin(host, PACKAGE, b"", b"", b"", b"") == 0x9000
        assert block(host, 0, whole[:200])[1] == 0x9000
        if fault == "order":
            assert block(host, 2, whole[200:400])[1] == 0x6A86
        elif fault == "p1":
            assert host.send(0x80, 0xE8, 0x01, 1, whole[200:400])[1] == 0x6A86
        elif fault == "install":
            assert install(host, piv.PACKAGE_AID, piv.MODULE_AID, piv.INSTANCE_AID) == 0x9000
        else:
            assert host.send(0x80, 0xCA, 0x00, 0x66)[1] == 0x9000
        assert block(host, 1, whole[200:400])[1] == 0x6985
        assert PACKAGE not in packages(host)
    assert block(host, 0, whole[:200])[1] == 0x6985


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x4f\x01\x00",
        b"\xc4\x03\x01\x02\x03",
        b"\xc4\x82\x01",
        b"\xd4" + stream(cap(200))[1:],
        stream(cap(200)) + b"\x00",
        stream(cap(200, package=INSTANCE)),
        stream(cap(200))[:-1],
    ],
    ids=["empty", "another tag", "no load file", "cut length", "ciphered", "more", "another package", "less"],
)
def test_what_is_no_load_file_is_refused(host: GpHost, raw: bytes) -> None:
    assert begin(host, PACKAGE, b"", b"", b"", b"") == 0x9000
    assert block(host, 0, raw, last=True)[1] == 0x6A80
    assert PACKAGE not in packages(host)


def test_an_import_that_the_card_lacks_is_not_resolved(host: GpHost) -> None:
    file = cap(200)
    framework = bytes.fromhex("A0000000620101")
    foreign = file.code.replace(framework, bytes.fromhex("F0000000620101"))
    assert foreign != file.code
    assert begin(host, PACKAGE, b"", b"", b"", b"") == 0x9000
    assert block(host, 0, b"\xc4\x81" + bytes([len(foreign)]) + foreign, last=True)[1] == 0x6A88


def test_a_package_that_is_imported_stays_until_its_user_goes(host: GpHost) -> None:
    library = bytes.fromhex("F0000000620101")
    host.load(cap(200, library, library + b"\x01"))
    using = (
        cap(200)
        .code.replace(bytes.fromhex("A0000000620101"), library)
        .replace(bytes.fromhex("0102 01 07".replace(" ", "")), bytes.fromhex("01000107"))
    )
    assert begin(host, PACKAGE, b"", b"", b"", b"") == 0x9000
    assert block(host, 0, b"\xc4\x81" + bytes([len(using)]) + using, last=True)[1] == 0x9000
    delete = b"\x4f" + lv(library)
    assert host.send(0x80, 0xE4, 0x00, 0x80, delete)[1] == 0x6985
    assert host.send(0x80, 0xE4, 0x00, 0x00, b"\x4f" + lv(PACKAGE))[1] == 0x9000
    assert host.send(0x80, 0xE4, 0x00, 0x00, delete)[1] == 0x9000


def test_what_is_wrong_with_install_for_load(host: GpHost) -> None:
    host.load(cap(200))
    assert begin(host, PACKAGE, b"", b"", b"", b"") == 0x6A80
    assert begin(host, INSTANCE, PACKAGE, b"", b"", b"") == 0x6A88
    assert begin(host, b"\xf0", b"", b"", b"", b"") == 0x6A80
    assert begin(host, INSTANCE, b"", b"", b"\xef\x05\xc6\x01\x00", b"") == 0x6A80
    assert begin(host, INSTANCE, b"", b"", b"", b"", p2=0x01) == 0x6A86


def test_memory_is_counted_and_given_back(host: GpHost) -> None:
    before = free(host)
    host.load(cap(20000))
    after = free(host)
    assert 20000 <= before - after < 20400
    minimum = b"\xef\x06\xc6\x04" + (NV).to_bytes(4, "big")
    assert begin(host, INSTANCE, b"", b"", minimum, b"") == 0x6A84
    assert begin(host, INSTANCE, b"", b"", b"\xef\x04\xc7\x02\xff\xff", b"") == 0x6A84
    with pytest.raises(GpRefused, match="6A84"):
        host.load(cap(after + 100, INSTANCE, INSTANCE + b"\x01"))
    assert free(host) == after
    assert install(host) == 0x9000
    reserved = b"\xc9\0\xef\x08\xd7\x02\x01\x00\xd8\x02\x10\x00"
    fields = lv(PACKAGE, MODULE, INSTANCE + b"\x01", b"\0", reserved, b"")
    assert host.send(0x80, 0xE6, 0x0C, 0x00, fields)[1] == 0x9000
    assert after - free(host) >= 0x1000
    too_much = lv(PACKAGE, MODULE, INSTANCE + b"\x02", b"\0", b"\xc9\0\xef\x04\xd7\x02\xff\xff", b"")
    assert host.send(0x80, 0xE6, 0x0C, 0x00, too_much)[1] == 0x6A84
    host.expect("DELETE", 0xE4, 0x00, 0x80, b"\x4f" + lv(PACKAGE))
    assert free(host) == before


def test_cards_without_the_object_of_free_memory() -> None:
    host = opened(powered(content(extended_resources=False)))
    assert host.transmit(bytes.fromhex("80CAFF2100")).hex() == "6a88"


def test_load_install_and_make_selectable_in_one(host: GpHost) -> None:
    file = cap(300)
    assert begin(host, PACKAGE, b"", b"", b"", b"", p1=0x0E, p2=0x01) == 0x9000
    whole = stream(file)
    assert block(host, 0, whole[:150])[1] == 0x9000
    assert block(host, 1, whole[150:], last=True)[1] == 0x9000
    fields = lv(PACKAGE, MODULE, INSTANCE, b"\0", b"\xc9\0", b"")
    assert host.send(0x80, 0xE6, 0x0E, 0x03, fields) == (b"\0", 0x9000)
    assert host.send(0x80, 0xE6, 0x0E, 0x03, fields)[1] == 0x6985
    assert select(host, INSTANCE).endswith("9000")


def test_a_combined_load_that_is_not_finished_leaves_nothing(host: GpHost) -> None:
    assert begin(host, PACKAGE, b"", b"", b"", b"", p1=0x0E, p2=0x01) == 0x9000
    assert block(host, 0, stream(cap(200)), last=True)[1] == 0x9000
    assert PACKAGE not in packages(host)
    assert begin(host, PACKAGE, MODULE, INSTANCE, b"\0", b"\xc9\0", b"", p1=0x0E, p2=0x03) == 0x6985


def test_the_quirk_of_a_load_that_leaves_garbage() -> None:
    card = powered(content(load_leaves_garbage=True))
    host = opened(card)
    before = free(host)
    assert begin(host, PACKAGE, b"", b"", b"", b"") == 0x9000
    assert block(host, 0, stream(cap(600))[:200])[1] == 0x9000
    card.power_up()
    host = opened(card)
    assert before - free(host) >= 200
    assert PACKAGE in packages(host)
    assert install(host) == 0x6A88
    assert begin(host, PACKAGE, b"", b"", b"", b"") == 0x6A80
    host.delete(PACKAGE)
    assert free(host) == before
    host.load(cap(600))
    assert install(host) == 0x9000


REAL = tomllib.loads((Path(__file__).parents[2] / VECTORS).read_text(encoding="utf-8"))["load_file"]


SENT = [
    (vector, way) for vector in REAL for way in ("with_descriptor", "without_descriptor") if way in vector
]


@pytest.mark.parametrize(("vector", "way"), SENT, ids=[f"{vector['name']} {way}" for vector, way in SENT])
def test_files_of_a_real_converter_with_descriptor_and_without(
    host: GpHost, vector: dict[str, Any], way: str
) -> None:
    """The hashes are those that others computed from these files (facts §C7)."""
    code = bytes.fromhex("".join(vector["raw"].split()))
    package = bytes.fromhex(vector["package"])
    if way == "without_descriptor":
        code = b"".join(component for component in components(code) if component[0] != DESCRIPTOR)
    digest = bytes.fromhex(vector[way]["sha256"])
    assert begin(host, package, b"", digest, b"", b"") == 0x9000
    whole = b"\xc4\x82" + len(code).to_bytes(2, "big") + code
    for number in range(0, len(whole), 200):
        last = number + 200 >= len(whole)
        assert block(host, number // 200, whole[number : number + 200], last=last)[1] == 0x9000
    for module in vector["applets"]:
        assert install(host, package, bytes.fromhex(module), INSTANCE) == 0x9000


def components(code: bytes) -> Iterator[bytes]:
    while code:
        size = 3 + int.from_bytes(code[1:3], "big")
        yield code[:size]
        code = code[size:]


def test_two_channels_load_the_same_package_and_one_of_them_wins(host: GpHost) -> None:
    card = host._transmit
    assert begin(host, PACKAGE, b"", b"", b"", b"") == 0x9000
    assert card(bytes.fromhex("0070000001")).hex() == "019000"

    def on_the_other(command: bytes) -> bytes:
        return card(bytes([command[0] | 0x01]) + command[1:])

    other = GpHost(on_the_other)
    other.select()
    other.open(0x03)
    assert begin(other, PACKAGE, b"", b"", b"", b"") == 0x9000
    assert block(other, 0, stream(cap(200)), last=True)[1] == 0x9000
    assert block(host, 0, stream(cap(200)), last=True)[1] == 0x6A80


def points(card: SimulatedCard, begun: int) -> list[tuple[int, Phase]]:
    return [(write, phase) for write in range(begun, card.writes_done) for phase in PHASES]


@pytest.mark.parametrize("quirk", [False, True])
def test_a_load_is_whole_or_gone_at_every_tear(quirk: bool) -> None:
    start = content(load_leaves_garbage=quirk)
    file = cap(300)

    def work(card: SimulatedCard, host: GpHost) -> None:
        host.load(file)
        assert install(host) == 0x9000

    card = powered(start)
    host = opened(card)
    begun = card.writes_done
    work(card, host)
    seen = set()
    for point in points(card, begun):
        torn = powered(start)
        host = opened(torn)
        torn.cut = PowerCut(*point)
        with pytest.raises(PowerLost):
            work(torn, host)
        torn.power_up()
        host = opened(torn)
        there = PACKAGE in packages(host)
        whole = there and install(host) in (0x9000, 0x6A80)
        seen.add((there, whole))
        if not quirk:
            assert whole == there, point
        if there:
            host.expect("DELETE", 0xE4, 0x00, 0x80, b"\x4f" + lv(PACKAGE))
        assert not [name for name in torn.store.content if PACKAGE.hex() in name], point
        work(torn, opened(torn))
    assert len(seen) == (3 if quirk else 2)
