"""GlobalPlatformPro's dialogue with our cards: each verb, and the bytes that it sends for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from .cap import build_cap, read_cap
from .channel import ENC, MAC, RENC, RMAC, GpRefused, Scp03
from .conftest import Bench, PutIn
from .crypto import aes_kcv, des_kcv
from .host import ISD, GpHost, KeySet, lv

pytestmark = pytest.mark.foreign

PACKAGE, MODULE = bytes.fromhex("D2760000854701"), bytes.fromhex("D276000085470101")
SSD = bytes.fromhex("D27600008553")
NEW: KeySet = (b"\x11" * 16, b"\x22" * 16, b"\x33" * 16)
OTHER: KeySet = (b"\x44" * 16, b"\x55" * 16, b"\x66" * 16)
CARDS = [("company-card", None), ("gp-card", None), ("gp-scp02", 0x75)]
CAP = read_cap(build_cap(PACKAGE, MODULE, 1200))
MODES = [0, MAC, ENC, RMAC, ENC | RMAC, RENC]


def instructions(bench: Bench) -> str:
    """INS of everything that was sent, and P1 where there are several kinds of one."""
    return " ".join(
        f"{apdu[1]:02X}" + (f"/{apdu[2]:02X}" if apdu[1] in (0xE6, 0xF2) else "") for apdu in bench.sent
    )


@pytest.fixture(params=CARDS, ids=lambda card: card[0])
def bench(request: pytest.FixtureRequest, put_in: PutIn) -> Bench:
    preset, i = request.param
    return put_in(preset, i)


def test_info(bench: Bench) -> None:
    found = bench.connect().info()
    assert [apdu.hex().upper() for apdu in bench.sent] == [
        "00A4040000",
        "80CA9F7F00",
        "80CA004200",
        "80CA004500",
        "80CA00CF00",
        "80CA00C100",
        "80CA006600",
        "80CA006700",
        "80CA00E000",
    ]
    assert found["9F7F"].startswith(bytes.fromhex("9F7F2A"))
    assert found["0066"].startswith(b"\x66")
    assert found["00E0"].startswith(b"\xe0")


@pytest.mark.parametrize("modes", MODES)
def test_list_in_every_mode(bench: Bench, modes: int) -> None:
    listed = bench.open(level=modes).list()
    assert instructions(bench) == "A4 50 82 F2/80 F2/40 F2/10 F2/20"
    assert [entry.aid for entry in listed if entry.kind == "ISD"] == [ISD]
    assert {entry.aid for entry in listed if entry.kind == "PKG"}
    assert bench.sent[2][-1] == 0x00, "Le"
    if modes == MAC:
        assert bench.sent[3].hex().startswith("84f280020a4f00")


@pytest.mark.parametrize("at", [5, 12, 13, 20])
def test_a_changed_byte_of_external_authenticate(bench: Bench, at: int) -> None:
    """Cryptogram or MAC: the card refuses, and there is no channel."""
    host = bench.connect()
    host.initialize_update()
    assert host.channel is not None
    command = bytearray(host.channel.authenticate(MAC))
    command[at] ^= 0x80
    assert host.transmit(bytes(command))[-2:].hex() in ("6300", "6982")
    assert host.transmit(host.secure(0x80, 0xF2, 0x80, 0x02, b"\x4f\0")).hex() in ("6982", "6985")


@pytest.mark.parametrize("modes", [MAC, ENC, RMAC, RENC])
def test_a_changed_byte_of_a_command_ends_the_session(bench: Bench, modes: int) -> None:
    host = bench.open(level=modes)
    for at in (-2, -9, 5):
        command = bytearray(host.secure(0x80, 0xF2, 0x80, 0x02, b"\x4f\0"))
        command[at] ^= 0x01
        assert host.transmit(bytes(command)).hex() in ("6982", "6985", "6988")
        assert host.transmit(host.secure(0x80, 0xF2, 0x80, 0x02, b"\x4f\0")).hex() in ("6982", "6985")
        host = bench.open(level=modes)
    assert host.list()


@pytest.mark.parametrize("modes", [RMAC, RENC])
def test_a_changed_byte_of_an_answer_is_noticed(bench: Bench, modes: int) -> None:
    host = bench.open(level=modes)
    answer = bytearray(host.transmit(host.secure(0x80, 0xF2, 0x80, 0x02, b"\x4f\0")))
    assert host.channel is not None
    for at in (0, len(answer) - 10, len(answer) - 3):
        changed = bytearray(answer)
        changed[at] ^= 0x01
        with pytest.raises(GpRefused, match="R-MAC"):
            host.channel.unwrap(bytes(changed))


def test_wrong_keys_stop_before_anything_is_spent(bench: Bench) -> None:
    with pytest.raises(GpRefused, match="wrong card cryptogram"):
        bench.open(NEW)
    assert instructions(bench) == "A4 50"


def test_lock_and_lock_again(bench: Bench) -> None:
    """The maker's keys (version FF) become version 1; then version 1 is replaced; then deleted is FF."""
    assert bench.open().lock(NEW) == 1
    assert instructions(bench) == "A4 50 82 CA D8"
    assert bench.sent[-2].hex().startswith("84ca00e008")
    locked = bench.open(NEW, level=RENC)
    assert locked.version == 1
    if any(version == 0xFF for _, version, _ in locked.key_template()):
        locked.delete_key(0xFF)
    assert bench.open(NEW).lock(OTHER) == 1
    with pytest.raises(GpRefused, match="wrong card cryptogram"):
        bench.open(NEW)
    assert {version for _, version, _ in bench.open(OTHER).key_template()} == {1}


def key_dgis(host: GpHost, keys: KeySet, version: int) -> bytes:
    """DGI 00B9, which describes a key set of 16 bytes each, and DGI 8113 for each of its keys."""
    assert host.channel is not None
    kind, kcv = (0x80, des_kcv) if host.protocol == 0x02 else (0x88, aes_kcv)
    described = b""
    for number, key in enumerate(keys, start=1):
        head = bytes([0x95, 1, 0x38, 0x80, 1, kind, 0x81, 1, 16, 0x82, 1, number, 0x83, 1, version, 0x84, 3])
        described += b"\xb9" + lv(head + kcv(key))
    values = b"".join(bytes.fromhex("811310") + host.channel.encrypt_key(key) for key in keys)
    return bytes.fromhex("00B9") + lv(described) + values


def test_a_domain_is_made_keyed_and_used(bench: Bench) -> None:
    """``--domain``, ``--personalize`` with keys, ``-c SSD --lock``, ``--move`` into it."""
    host = bench.open()
    host.create_domain(SSD)
    (made,) = [entry for entry in host.list() if entry.kind == "SSD"]
    assert (made.aid, made.domain) == (SSD, ISD)
    host.personalize(SSD, [key_dgis(host, NEW, 0x20)], kind=0x28)
    assert bench.open(NEW, aid=SSD, level=ENC, version=0x20).lock(OTHER) == 0x20
    assert [entry.kind for entry in bench.open(OTHER, aid=SSD).list()] == ["SSD"]
    second = bytes.fromhex("D27600008554")
    issuer = bench.open()
    issuer.create_domain(second)
    issuer.extradite(second, SSD)
    moved = {entry.aid: entry.domain for entry in issuer.list() if entry.kind == "SSD"}
    assert moved == {SSD: ISD, second: SSD}
    issuer.delete(second)
    assert [entry.aid for entry in issuer.list() if entry.kind == "SSD"] == [SSD]


def test_data_is_stored(bench: Bench) -> None:
    bench.open(level=ENC).store_data([bytes.fromhex("42031234 5F")], kind=0x10)
    assert bench.connect().info()["0042"].hex() == "420312345f"


def test_an_application_is_locked_and_unlocked(bench: Bench) -> None:
    bench.open().create_domain(SSD)
    bench.open().set_application(SSD, locked=True)
    with pytest.raises(GpRefused, match="SELECT"):
        bench.connect(aid=SSD)
    bench.open().set_application(SSD, locked=False)
    assert bench.connect(aid=SSD).domain == SSD


def test_the_card_goes_through_its_states(bench: Bench) -> None:
    for state in (0x07, 0x0F, 0x7F):
        bench.open().set_card(state)
        (issuer,) = [entry for entry in bench.open().list() if entry.kind == "ISD"]
        assert issuer.life_cycle == state


def test_what_is_not_there_cannot_be_deleted(bench: Bench) -> None:
    with pytest.raises(GpRefused) as refused:
        bench.open().delete(bytes.fromhex("D27600008500"))
    assert refused.value.sw == 0x6A88


def test_nothing_is_changed_without_a_mac(bench: Bench) -> None:
    """``--mode clr``: listing is all that these cards allow then."""
    with pytest.raises(GpRefused, match="INSTALL for load: 6982"):
        bench.open(level=0).install(CAP)


@pytest.mark.parametrize("modes", MODES[1:])
def test_install_and_delete(bench: Bench, modes: int) -> None:
    """The registry is read before load, before install and before delete, and what was sent is told byte by
    byte: explicit domain, no hash, no parameters, no token; code in blocks of 247 or 239; parameters C900."""
    bench.open(level=modes).install(CAP)
    room = 239 if modes & (ENC | RENC) else 247
    blocks = -(-(len(CAP.code) + 4) // room)
    registry = "F2/80 F2/40 F2/10 F2/20"
    loads = " ".join(["E8"] * blocks)
    assert instructions(bench) == f"A4 50 82 {registry} E6/02 {loads} {registry} E6/0C"
    if modes == MAC:
        install = next(apdu for apdu in bench.sent if apdu[1] == 0xE6)
        assert install[:-9].hex() == "84e602001c" + (lv(PACKAGE, ISD, b"", b"", b"")).hex()
        assert bench.sent[-1][5:-9] == lv(PACKAGE, MODULE, MODULE, b"\0", b"\xc9\0", b"")
    listed = bench.open().list()
    assert [(entry.kind, entry.life_cycle) for entry in listed if entry.aid == MODULE] == [("APP", 0x07)]
    assert [entry.modules for entry in listed if entry.aid == PACKAGE and entry.modules] == [(MODULE,)]
    assert bench.connect(aid=MODULE).domain == MODULE
    with pytest.raises(GpRefused) as refused:
        bench.open().delete(PACKAGE)
    assert refused.value.sw == 0x6985
    bench.open(level=modes).delete(PACKAGE, dependents=True)
    assert bench.sent[-1][1:4].hex() == "e40080"
    assert not [entry for entry in bench.open().list() if entry.aid in (PACKAGE, MODULE)]


def test_the_application_alone_is_deleted_first(bench: Bench) -> None:
    bench.open().install(CAP)
    host = bench.open()
    host.delete(MODULE)
    host.delete(PACKAGE)
    assert not [entry for entry in host.list() if entry.aid in (PACKAGE, MODULE)]


@pytest.mark.parametrize("hash_name", ["sha1", "sha256", "sha384", "sha512"])
def test_the_hash_of_the_code(bench: Bench, hash_name: str) -> None:
    """A right one is taken, a wrong one is not: a changed byte of the code goes with the old hash."""
    host = bench.open()
    host.load(CAP, hash_name=hash_name)
    host.delete(PACKAGE)
    changed = replace(CAP, code=CAP.code[:-1] + bytes([CAP.code[-1] ^ 1]), digests_of=CAP.code)
    with pytest.raises(GpRefused, match="LOAD"):
        host.load(changed, hash_name=hash_name)


def test_a_package_goes_to_another_domain(bench: Bench) -> None:
    """``--load --to``, then an instance that moves as well."""
    host = bench.open()
    host.create_domain(SSD)
    host.load(CAP, to=SSD)
    assert {entry.domain for entry in host.list() if entry.aid == PACKAGE} == {SSD}


def test_what_is_there_is_not_loaded_again(bench: Bench) -> None:
    bench.open().load(CAP)
    host = bench.open()
    body, sw = host.send(0x80, 0xE6, 0x02, 0x00, lv(PACKAGE, ISD, b"", b"", b""))
    assert (body, sw) == (b"", 0x6A80)


def test_a_long_registry_comes_in_pages(bench: Bench) -> None:
    """The card answers 6310 until all is told."""
    host = bench.open()
    domains = [SSD + bytes([number]) for number in range(12)]
    for aid in domains:
        host.create_domain(aid)
    before = len(bench.sent)
    assert [entry.aid for entry in host.list() if entry.kind == "SSD"] == domains
    assert any(apdu[1:4].hex() == "f24003" for apdu in bench.sent[before:])


def test_the_default_application(bench: Bench) -> None:
    """``--make-default``: from then on it is selected after a reset."""
    host = bench.open()
    host.install(CAP)
    host.make_default(MODULE)
    (made,) = [entry for entry in host.list() if entry.aid == MODULE and entry.kind == "APP"]
    assert made.privileges[0] & 0x04


@pytest.mark.parametrize("size", [24, 32])
def test_longer_keys(put_in: PutIn, size: int) -> None:
    """AES-192 and AES-256, in every mode."""
    bench = put_in("company-card")
    keys = (b"\x51" * size, b"\x52" * size, b"\x53" * size)
    bench.open().lock(keys)
    for modes in MODES:
        assert bench.open(keys, level=modes).list()
    bench.open(keys, level=RENC).install(CAP)
    bench.open(keys).lock(NEW)
    assert bench.open(NEW).list()


def test_a_card_of_the_long_form(put_in: PutIn) -> None:
    """S16: the first challenge, of eight bytes, is answered 6700; the second has sixteen."""
    bench = put_in("gp-card", 0x71)
    for modes in MODES:
        assert bench.open(level=modes).list()
    assert [apdu[4] for apdu in bench.sent if apdu[1] == 0x50][:2] == [8, 16]
    bench.open(level=RENC).install(CAP)
    assert bench.open().lock(NEW) == 1
    assert bench.open(NEW, level=ENC).list()


@pytest.mark.parametrize("i", [0x15, 0x55])
def test_the_usual_variants_of_scp02(put_in: PutIn, i: int) -> None:
    """Without R-MAC, which the card refuses, and with the encryption of the ICV or not as i says."""
    bench = put_in("gp-scp02", i)
    for modes in (0, MAC, ENC):
        assert bench.open(level=modes).list()
    with pytest.raises(GpRefused, match="EXTERNAL AUTHENTICATE: 6A86"):
        bench.open(level=RMAC)
    bench.open(level=ENC).install(CAP)


@pytest.mark.parametrize("i", [0x00, 0x10, 0x20, 0x30, 0x60])
def test_the_variants_of_scp03(put_in: PutIn, i: int) -> None:
    """Random challenges and pseudo-random ones; R-MAC and R-ENC where i says so."""
    bench = put_in("gp-card", i)
    for modes in MODES:
        wanted = (modes & RMAC and not i & 0x20) or (modes & RENC and not i & 0x40)
        if wanted:
            with pytest.raises(GpRefused, match="EXTERNAL AUTHENTICATE: 6A86"):
                bench.open(level=modes)
        else:
            assert bench.open(level=modes).list()


def test_the_challenge_is_foretold(put_in: PutIn) -> None:
    """i bit 10: from K-ENC, the counter that the card tells, and the AID of the domain."""
    host = put_in("gp-card").connect()
    for _ in range(3):
        answer = host.initialize_update()[:-2]
        assert isinstance(host.channel, Scp03)
        assert host.channel.challenge_is(host.keys[0], host.domain, answer)


@pytest.mark.parametrize(
    "work",
    [
        test_info,
        partial(test_install_and_delete, modes=RENC),
        test_lock_and_lock_again,
        test_a_domain_is_made_keyed_and_used,
        test_a_long_registry_comes_in_pages,
    ],
)
def test_through_libpcsclite(put_in_reader: PutIn, work: Callable[[Bench], None]) -> None:
    """The same on the way of other programs: pyscard, libpcsclite, ``tegata sim run``."""
    work(put_in_reader("company-card"))
