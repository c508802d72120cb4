"""Registry, privileges, domains and life cycles of an empty card, spoken to by an independent host."""

from __future__ import annotations

import json
from typing import get_args

import pytest

from tegata.simulators.apps.global_pin import MODULE_AID as PIN_MODULE
from tegata.simulators.apps.global_pin import PACKAGE_AID as PIN_PACKAGE
from tegata.simulators.card import PowerCut, PowerLost, SimulatedCard
from tegata.simulators.link import Phase
from tegata.simulators.presets import memory

from ...foreign.gpp.host import SSD_MODULE, SSD_PACKAGE, lv
from ...foreign.gpp.registry import ber
from .gp_bench import PACKAGE, SSD, cap, card_of, domain, gp_card, install, session
from .gp_host import DEFAULT, ISD, GpHost, GpRefused, cbc

APP, OTHER = bytes.fromhex("F07465676174611001"), bytes.fromhex("F07465676174611002")
SECOND = bytes.fromhex("F0746567617461BB")
PHASES = get_args(Phase)


@pytest.fixture
def card() -> SimulatedCard:
    return gp_card()


def select(card: SimulatedCard, aid: bytes) -> str:
    return card.transmit(bytes.fromhex("00A40400") + lv(aid) + b"\0").hex().upper()


def put(card: SimulatedCard, aid: bytes = APP, **more: str) -> int:
    """An instance of the PIN application, which stands for any application here."""
    return install(session(card), PIN_PACKAGE, PIN_MODULE, aid, **more)[1]  # type: ignore[arg-type]


def entry(card: SimulatedCard, aid: bytes) -> tuple[int, bytes, bytes]:
    """Life cycle, privileges and domain."""
    data, sw = session(card).send(0x80, 0xF2, 0x80 if aid == ISD else 0x40, 0x02, b"\x4f" + lv(aid))
    assert sw == 0x9000
    fields = dict(ber_of(data))
    return fields[0x9F70][0], fields[0xC5], fields.get(0xCC, b"")


def ber_of(data: bytes) -> list[tuple[int, bytes]]:
    ((_, inner),) = ber(data)
    return list(ber(inner))


def update(host: GpHost, aid: bytes, *, domain: str = "", privileges: str = "", parameters: str = "") -> int:
    fields = lv(bytes.fromhex(domain), b"", aid, bytes.fromhex(privileges), bytes.fromhex(parameters), b"")
    return host.send(0x80, 0xE6, 0x40, 0x00, fields)[1]


def extradite(host: GpHost, aid: bytes, to: bytes) -> int:
    return host.send(0x80, 0xE6, 0x10, 0x00, lv(to, b"", aid, b"", b"", b""))[1]


def set_status(host: GpHost, aid: bytes, state: int, p1: int = 0x40) -> int:
    return host.send(0x80, 0xF0, p1, state, aid)[1]


# Privileges.


@pytest.mark.parametrize(
    ("privileges", "of_domain", "expected"),
    [
        ("00", False, 0x9000),
        ("000000", False, 0x9000),
        ("0000", False, 0x6A80),
        ("04", False, 0x9000),
        ("02", False, 0x9000),
        ("80", False, 0x6A80),
        ("00", True, 0x6A80),
        ("40", False, 0x6A80),
        ("004000", False, 0x6A80),
        ("A0", True, 0x9000),
        ("A04000", True, 0x6A80),
        ("81", True, 0x6A80),
        ("C1", True, 0x9000),
        ("804000", True, 0x9000),
        ("802000", True, 0x9000),
        ("800080", True, 0x9000),
        ("800040", True, 0x6A80),
        ("000200", False, 0x6A80),
    ],
)
def test_privileges_that_go_together(
    card: SimulatedCard, privileges: str, of_domain: bool, expected: int
) -> None:
    package, module = (SSD_PACKAGE, SSD_MODULE) if of_domain else (PIN_PACKAGE, PIN_MODULE)
    assert install(session(card), package, module, APP, privileges=privileges)[1] == expected


@pytest.mark.parametrize(
    ("privileges", "issuers"), [("802000", "9EDC80"), ("800080", "9EFC00"), ("C1", "9EFC80")]
)
def test_a_privilege_of_one_holder(card: SimulatedCard, privileges: str, issuers: str) -> None:
    """What the issuer's domain has it lends and gets back; nobody else is robbed."""
    assert entry(card, ISD)[1].hex().upper() == "9EFC80"
    assert domain(card, SSD, privileges) == 0x9000
    assert entry(card, ISD)[1].hex().upper() == issuers
    assert domain(card, SECOND, privileges) == 0x6985
    session(card).delete(SSD)
    assert entry(card, ISD)[1].hex().upper() == "9EFC80"
    assert domain(card, SECOND, privileges) == 0x9000


def test_default_selected(card: SimulatedCard) -> None:
    assert put(card) == 0x9000
    session(card).make_default(APP)
    assert entry(card, APP)[1].hex() == "040000"
    assert entry(card, ISD)[1].hex().upper() == "9AFC80"
    assert put(card, OTHER, privileges="04") == 0x6985
    card.power_up()
    assert card.transmit(bytes.fromhex("0020000000")).hex() == "6985"
    assert update(session_by_aid(card), APP, privileges="00") == 0x9000
    assert entry(card, ISD)[1].hex().upper() == "9EFC80"
    card.power_up()
    assert card.transmit(bytes.fromhex("80CA006600"))[-2:].hex() == "9000"


def session_by_aid(card: SimulatedCard) -> GpHost:
    host = GpHost(card.transmit)
    host.select(ISD)
    return host.open(0x03)


def test_implicit_selection_by_interface_and_channel(card: SimulatedCard) -> None:
    """CF: bit 8 contactless, bit 7 contacts, bits 5 to 1 the logical channel (GPC 2.3.1 table 11-50)."""
    assert put(card, parameters="C900EF03CF0142") == 0x9000
    card.power_up()
    assert card.transmit(bytes.fromhex("0070000001")).hex() == "019000"
    assert card.transmit(bytes.fromhex("0120000000")).hex() == "6d00"
    assert card.transmit(bytes.fromhex("0070000001")).hex() == "029000"
    assert card.transmit(bytes.fromhex("0220000000")).hex() == "6985"
    data, _ = session(card).send(0x80, 0xF2, 0x40, 0x02, bytes.fromhex("4F00"))
    assert (0xCF, b"\x42") in ber_of(data)


# Domains.


def test_a_domain_with_content_stays(card: SimulatedCard) -> None:
    assert domain(card) == 0x9000
    assert put(card) == 0x9000
    assert extradite(session(card), APP, SSD) == 0x9000
    host = session(card)
    for p2 in (0x00, 0x80):
        assert host.send(0x80, 0xE4, 0x00, p2, b"\x4f" + lv(SSD))[1] == 0x6985
    host.delete(APP)
    host.delete(SSD)


def test_no_domain_comes_below_itself(card: SimulatedCard) -> None:
    assert domain(card, SSD, "804000") == 0x9000
    assert domain(card, SECOND) == 0x9000
    host = session(card)
    assert extradite(host, SECOND, SSD) == 0x9000
    assert extradite(host, SSD, SECOND) == 0x6985
    assert extradite(host, SECOND, SECOND) == 0x6985
    assert extradite(host, ISD, SSD) == 0x6A88
    assert extradite(host, SECOND, APP) == 0x6A88
    # A domain with Authorized Management may become the top of a hierarchy of its own.
    assert extradite(host, SSD, SSD) == 0x9000
    assert entry(card, SSD)[2] == SSD
    assert extradite(session(card), SSD, ISD) == 0x6985


def test_a_domain_manages_what_is_below_it_and_sees_no_more(card: SimulatedCard) -> None:
    assert domain(card, SSD, "804000") == 0x9000
    assert domain(card, SECOND) == 0x9000
    assert put(card) == 0x9000
    host = session(card, SSD)
    assert install(host, PIN_PACKAGE, PIN_MODULE, OTHER)[1] == 0x9000
    assert entry(card, OTHER)[2] == SSD
    host = session(card, SSD)
    seen = host.send(0x80, 0xF2, 0x40, 0x00, bytes.fromhex("4F00"))[0]
    assert seen == lv(SSD) + b"\x0f\x80" + lv(OTHER) + b"\x07\x00"
    for refused in (
        host.send(0x80, 0xE4, 0x00, 0x00, b"\x4f" + lv(APP))[1],
        host.send(0x80, 0xE6, 0x08, 0x00, lv(b"", b"", APP, b"\x00", b"", b""))[1],
        extradite(host, APP, SSD),
        update(host, APP, privileges="00"),
        set_status(host, APP, 0x80),
        host.send(0x80, 0xE6, 0x02, 0x00, lv(PACKAGE, SECOND, b"", b"", b""))[1],
        host.send(0x80, 0xF0, 0x80, 0x07)[1],
    ):
        assert refused == 0x6985
    assert set_status(host, OTHER, 0x80) == 0x9000
    assert host.send(0x80, 0xE4, 0x00, 0x00, b"\x4f" + lv(OTHER))[1] == 0x9000


@pytest.mark.parametrize(
    ("privileges", "work"),
    [
        ("801000", lambda host: host.send(0x80, 0xE4, 0x00, 0x00, b"\x4f" + lv(APP))[1]),
        ("800800", lambda host: set_status(host, APP, 0x80)),
        ("900000", lambda host: host.send(0x80, 0xF0, 0x80, 0x07)[1]),
        ("880000", lambda host: host.send(0x80, 0xF0, 0x80, 0xFF)[1]),
        ("800400", lambda host: host.send(0x80, 0xF2, 0x40, 0x02, b"\x4f" + lv(APP))[1]),
    ],
    ids=["global delete", "global lock", "card lock", "card terminate", "global registry"],
)
def test_privileges_that_reach_over_the_card(card: SimulatedCard, privileges: str, work: object) -> None:
    assert callable(work)
    assert domain(card, SSD) == 0x9000
    assert domain(card, SECOND, privileges) == 0x9000
    assert put(card) == 0x9000
    assert work(session(card, SSD)) in (0x6985, 0x6A88)
    assert work(session(card, SECOND)) == 0x9000


def test_protocols_of_a_domain(card: SimulatedCard) -> None:
    assert domain(card, SSD, parameters="C90481020360") == 0x9000
    select(card, SSD)
    assert b"\x06\x09\x2a\x86\x48\x86\xfc\x6b\x04\x03\x60" in card.transmit(bytes.fromhex("80CA006600"))
    assert domain(card, SECOND, parameters="C90C810203708202202087022020") == 0x9000
    assert domain(card, APP, parameters="C90481020215") == 0x6A80
    assert domain(card, APP, parameters="C903810103") == 0x6A80


# INSTALL parameters.


def test_what_is_restricted_is_refused(card: SimulatedCard) -> None:
    assert put(card, parameters="C900EF03D90130") == 0x9000
    host = session(card)
    assert host.send(0x80, 0xE6, 0x20, 0x00, lv(b"", b"", APP, b"", b"", b""))[1] == 0x6985
    assert domain(card) == 0x9000
    assert extradite(session(card), APP, SSD) == 0x6985
    assert update(session(card), APP, parameters="EF03D90100") == 0x9000
    assert extradite(session(card), APP, SSD) == 0x9000


@pytest.mark.parametrize(
    "parameters", ["C9", "EF03C80110", "EF02D900", "EF08C8020010D8020020", "B6036E0100", "B60442010142"]
)
def test_malformed_parameters(card: SimulatedCard, parameters: str) -> None:
    assert put(card, parameters=parameters) == 0x6A80
    assert select(card, APP) == "6A82"


def test_registry_update_refuses_what_cannot_be(card: SimulatedCard) -> None:
    assert put(card) == 0x9000
    host = session(card)
    assert update(host, OTHER) == 0x6A88
    assert update(host, b"") == 0x6A88
    assert update(host, APP, privileges="80") == 0x6A80
    assert update(host, PIN_PACKAGE, privileges="00") == 0x6A80
    assert update(host, APP, domain=OTHER.hex()) == 0x6A88
    assert host.send(0x80, 0xE6, 0x40, 0x00, lv(b"", b"\x01", APP, b"", b"", b""))[1] == 0x6A80
    assert host.send(0x80, 0xE6, 0x44, 0x00, lv(b"", b"", APP, b"", b"", b""))[1] == 0x6A86


# Life cycles.


def test_a_domain_is_locked_with_all_that_is_below_it(card: SimulatedCard) -> None:
    assert domain(card) == 0x9000
    assert domain(card, SECOND) == 0x9000
    assert put(card) == 0x9000
    assert put(card, OTHER) == 0x9000
    host = session(card)
    assert extradite(host, SECOND, SSD) == 0x9000
    assert extradite(host, APP, SECOND) == 0x9000
    assert set_status(host, SSD, 0x80, p1=0x60) == 0x9000
    assert [select(card, aid) for aid in (SSD, SECOND, APP)] == ["6A82"] * 3
    assert select(card, OTHER)[-4:] == "9000"
    assert entry(card, SSD)[0] == 0x8F
    host = session(card)
    assert set_status(host, OTHER, 0x80, p1=0x60) == 0x6A88
    assert set_status(host, SSD, 0x00, p1=0x60) == 0x9000
    assert [select(card, aid)[-4:] for aid in (SSD, SECOND, APP)] == ["9000"] * 3


def test_states_that_there_are_not(card: SimulatedCard) -> None:
    assert put(card) == 0x9000
    assert install(session(card), SSD_PACKAGE, SSD_MODULE, SSD, privileges="80")[1] == 0x9000
    host = session(card)
    assert set_status(host, SSD, 0x0F) == 0x6985
    assert set_status(host, APP, 0x03) == 0x6985
    assert set_status(host, APP, 0x0F) == 0x6985
    assert set_status(host, PIN_PACKAGE, 0x80) == 0x6A88
    assert set_status(host, ISD, 0x80) == 0x6A88
    assert set_status(host, APP, 0x80, p1=0x20) == 0x6A86
    assert set_status(host, APP, 0x07) == 0x9000


def test_a_terminated_card_tells_what_it_was_and_does_nothing(card: SimulatedCard) -> None:
    assert put(card, privileges="04") == 0x9000
    session_by_aid(card).set_card(0xFF)
    card.power_up()
    assert card.transmit(bytes.fromhex("80CA9F7F00"))[:3].hex() == "9f7f2a"
    assert card.transmit(bytes.fromhex("8050000008000000000000000000")).hex() == "6985"
    assert select(card, APP) == "6A82"


# GET STATUS and GET DATA.


def test_a_list_of_tags(card: SimulatedCard) -> None:
    assert put(card) == 0x9000
    host = session(card)
    data, sw = host.send(0x80, 0xF2, 0x40, 0x02, bytes.fromhex("4F005C044F9F70C5"))
    assert sw == 0x9000
    assert data.hex().upper() == "E3" + "14" + "4F09F07465676174611001" + "9F700107" + "C503000000"
    data, sw = host.send(0x80, 0xF2, 0x40, 0x02, bytes.fromhex("4F005C02CC4F"))
    assert data.hex().upper() == "E315" + "4F09F07465676174611001" + "CC08A000000151000000"
    assert host.send(0x80, 0xF2, 0x40, 0x02, bytes.fromhex("4F005C019F"))[1] == 0x6A80


def test_a_card_that_lists_in_the_older_way_alone() -> None:
    host = session(gp_card({"modern_status": False}))
    assert host.send(0x80, 0xF2, 0x80, 0x02, bytes.fromhex("4F00"))[1] == 0x6A86
    assert host.send(0x80, 0xF2, 0x80, 0x00, bytes.fromhex("4F00"))[0] == lv(ISD) + b"\x01\x9e"


def test_what_the_card_says_of_itself(card: SimulatedCard) -> None:
    def data(tag: str) -> str:
        return card.transmit(bytes.fromhex("80CA" + tag + "00")).hex().upper()

    assert data("0042") == "42039999999000"
    assert data("004F") == "4F08A0000001510000009000"
    assert data("00C2") == "C20200009000"
    assert data("00D3") == "D301009000"
    assert data("0066").endswith("2A864886FC6B0403709000")
    assert data("FF21").startswith("FF211081020000820400023")
    assert put(card) == 0x9000
    select(card, ISD)
    assert data("2F00") == "610A4F08A000000151000000" + "610B4F09" + APP.hex().upper() + "9000"
    assert session(card).send(0x80, 0xCA, 0x00, 0xD3)[0].hex() == "d30183"
    scp02 = card_of(memory("gp-scp02", 7))
    assert b"\x04\x02\x55\x90\x00" in scp02.transmit(bytes.fromhex("80CA006600"))
    assert scp02.transmit(bytes.fromhex("80CA006700"))[2:10].hex().upper() == "A006800102810155"
    assert scp02.transmit(bytes.fromhex("00CA00E000"))[:6].hex().upper() == "C00401FF8010"


def test_a_card_with_all_protocols_says_so() -> None:
    card = card_of(memory("gp-full", 7))
    assert bytes.fromhex("2A864886FC6B040370640C060A2A864886FC6B04119B02") in card.transmit(
        bytes.fromhex("80CA006600")
    )
    capable = card.transmit(bytes.fromhex("80CA006700")).hex().upper()
    assert capable[4:].startswith("A009800103810170820107" + "A00A8001118102" + "9B02820107")
    told = card.transmit(bytes.fromhex("00CA00E000")).hex().upper()
    assert told.startswith("C00401FF8810") and told.count("01B120F000") == 3
    session(card).load(cap())


def test_the_manager_of_the_card_has_an_address(card: SimulatedCard) -> None:
    session(card).store_data([bytes.fromhex("5F5004") + b"a.bc"], kind=0x10)
    assert card.transmit(bytes.fromhex("80CA5F5000")) == bytes.fromhex("5F5004") + b"a.bc\x90\x00"


def test_whoever_personalised_the_card_is_in_its_production_data(card: SimulatedCard) -> None:
    """As GlobalPlatformPro writes it: ``9F67`` and ``9F66``, eight bytes each (facts §5.3)."""
    before = card.transmit(bytes.fromhex("80CA9F7F00"))
    session(card).store_data([bytes.fromhex("9F6708") + b"PREPERSO"])
    session(card).store_data([bytes.fromhex("9F6608") + b"PERSONAL"])
    after = card.transmit(bytes.fromhex("80CA9F7F00"))
    assert after == before[: 3 + 26] + b"PREPERSOPERSONAL" + b"\x90\x00"
    with pytest.raises(GpRefused, match="6A80"):
        session(card).store_data([bytes.fromhex("9F6607") + b"PERSONA"])


# The global PIN.


PIN = b"1234\xff\xff\xff\xff"


def personalise_pin(
    card: SimulatedCard, aid: bytes = APP, *, limit: int = 3, value: bytes | None = PIN
) -> None:
    groupings = bytes.fromhex("901001") + bytes([limit])
    if value is not None:
        groupings = bytes.fromhex("801010") + cbc(DEFAULT, bytes(16), value + bytes(8)) + groupings
    session_by_aid(card).personalize(aid, [groupings], kind=0x08)


def verify(card: SimulatedCard, value: bytes = b"") -> str:
    return card.transmit(bytes.fromhex("00200000") + (lv(value) if value else b"\0")).hex().upper()


def test_the_global_pin_is_one_for_all_applications(card: SimulatedCard) -> None:
    assert put(card, privileges="02") == 0x9000
    assert put(card, OTHER) == 0x9000
    select(card, OTHER)
    assert verify(card, PIN) == "6985"
    personalise_pin(card)
    with pytest.raises(GpRefused, match="6985"):
        personalise_pin(card, OTHER, value=b"00000000")
    select(card, OTHER)
    assert verify(card) == "63C3"
    assert verify(card, b"0000\xff\xff\xff\xff") == "63C2"
    assert verify(card, PIN) == "9000"
    select(card, APP)
    assert verify(card) == "9000"
    card.power_up()
    select(card, APP)
    assert verify(card) == "63C3"
    for expected in ("63C2", "63C1", "6983"):
        assert verify(card, b"00000000") == expected
    assert verify(card, PIN) == "6983"
    assert verify(card) == "6983"
    personalise_pin(card, limit=5, value=None)
    select(card, OTHER)
    assert verify(card) == "63C5"
    assert verify(card, PIN) == "9000"
    assert verify(card, b"12") == "6700"
    assert card.transmit(bytes.fromhex("8020000000")).hex() == "6e00"


def test_no_tear_gives_a_try_of_the_pin_back(card: SimulatedCard) -> None:
    assert put(card, privileges="02") == 0x9000
    personalise_pin(card)
    start = dict(card.store.content)
    for phase in PHASES:
        torn = card_of(start)
        select(torn, APP)
        torn.cut = PowerCut(torn.writes_done, phase)
        with pytest.raises(PowerLost):
            verify(torn, b"00000000")
        torn.power_up()
        select(torn, APP)
        assert verify(torn) == ("63C2" if phase == "after" else "63C3")


# Tears.


def test_what_lends_and_gives_back_is_done_or_not_at_every_tear() -> None:
    """Installing the default selected application, and deleting it: two entries change, or none."""
    start = dict(gp_card().store.content)

    def lend(card: SimulatedCard) -> None:
        assert put(card, privileges="04") == 0x9000

    whole = card_of(start)
    lend(whole)
    lent = dict(whole.store.content)

    def give_back(card: SimulatedCard) -> None:
        session_by_aid(card).delete(APP)

    for before, work in ((start, lend), (lent, give_back)):
        count = card_of(before)
        work(count)
        for write in range(count.writes_done):
            for phase in PHASES:
                card = card_of(before)
                card.cut = PowerCut(write, phase)
                with pytest.raises(PowerLost):
                    work(card)
                card.power_up()
                holders = [
                    name
                    for name, value in card.store.content.items()
                    if name.startswith("registry/")
                    and b'"privileges":' in value
                    and privileges_of(value) & 0x040000
                ]
                assert len(holders) == 1, (write, phase)


def privileges_of(raw: bytes) -> int:
    return int(json.loads(raw).get("privileges", 0))


def test_a_domain_is_locked_whole_at_every_tear() -> None:
    card = gp_card()
    assert domain(card) == 0x9000
    assert put(card) == 0x9000
    assert extradite(session(card), APP, SSD) == 0x9000
    start = dict(card.store.content)

    def work(card: SimulatedCard) -> None:
        assert set_status(session(card), SSD, 0x80, p1=0x60) == 0x9000

    count = card_of(start)
    work(count)
    for write in range(count.writes_done):
        for phase in PHASES:
            torn = card_of(start)
            torn.cut = PowerCut(write, phase)
            with pytest.raises(PowerLost):
                work(torn)
            torn.power_up()
            assert (select(torn, SSD) == "6A82") == (select(torn, APP) == "6A82"), (write, phase)
