"""The simulated security domain, spoken to by a host of its own make and by literal bytes."""

from collections.abc import Callable

import pytest

from tegata.applets.entry_badge import model as entry_badge
from tegata.applets.piv import model as piv
from tegata.applets.security_domain import model
from tegata.simulators.card import MemoryStore, SimulatedCard
from tegata.simulators.card.device import seeded
from tegata.simulators.presets import memory

from .gp_host import DEFAULT, ISD, GpHost, GpRefused, block_with_length, block_without_length, cbc, kcv

Transmit = Callable[[bytes], bytes]
NEW = tuple(bytes([n]) * 16 for n in (0x11, 0x22, 0x33))
SSD = bytes.fromhex("F0746567617461AA")


def make_card() -> SimulatedCard:
    card = SimulatedCard(MemoryStore(memory("company-card", 7)), entropy=seeded(b"gp"), contactless=False)
    card.power_up()
    return card


@pytest.fixture
def card() -> SimulatedCard:
    return make_card()


@pytest.fixture
def transmit(card: SimulatedCard) -> Transmit:
    card.transmit(bytes.fromhex("00A4040000"))
    return card.transmit


def lv(*fields: bytes) -> bytes:
    return b"".join(bytes([len(field)]) + field for field in fields)


def install(
    host: GpHost, instance: bytes, package: bytes = piv.PACKAGE_AID, module: bytes = piv.MODULE_AID
) -> int:
    return host.send(0x80, 0xE6, 0x0C, 0x00, lv(package, module, instance, b"\0", b"\xc9\0", b""))[1]


def test_bare_select_and_select_by_name_give_the_most_common_answer(card: SimulatedCard) -> None:
    fci = "6F108408A000000151000000A5049F6501FF9000"
    for select in ("00A4040000", "00A4040008A00000015100000000", "00A4040005A00000015100"):
        assert card.transmit(bytes.fromhex(select)).hex().upper() == fci
    assert card.transmit(bytes.fromhex("00A4040009A0000001674130 00FF".replace(" ", ""))).hex() == "6a82"


def test_information_before_any_channel(transmit: Transmit) -> None:
    cplc = transmit(bytes.fromhex("80CA9F7F00"))
    assert cplc[:3].hex() == "9f7f2a"
    assert transmit(bytes.fromhex("00CA9F7F00"))[:-2] == cplc[3:-2]
    assert transmit(bytes.fromhex("80CA004200")).hex() == "6a88"
    assert transmit(bytes.fromhex("80CA004500"))[:2].hex() == "4506"
    assert transmit(bytes.fromhex("80CA00CF00"))[:2].hex() == "cf0a"
    assert transmit(bytes.fromhex("80CA00C100")).hex() == "c1030000009000"
    assert transmit(bytes.fromhex("80CA006600")).hex().upper() == (
        "6631732F06072A864886FC6B01600C060A2A864886FC6B02020301630906072A864886FC6B03640B06092A864886FC6B0403709000"
    )
    assert transmit(bytes.fromhex("80CA006700")).hex().upper() == (
        "672FA0098001038101708201078103FFFC808203060000"
        "8304010203048502FF038602FC038702FF0388060001020305079000"
    )
    assert (
        transmit(bytes.fromhex("80CA00E000")).hex().upper() == "E012C00401FF8810C00402FF8810C00403FF88109000"
    )
    assert transmit(bytes.fromhex("00CA00E000")).hex().upper() == "C00401FF8810C00402FF8810C00403FF88109000"


def test_initialize_update_has_the_form_of_i_70(transmit: Transmit) -> None:
    host = GpHost(transmit)
    answer = host.initialize_update()
    assert len(answer) == 29 + 3 + 2
    assert answer[10:13].hex() == "ff0370"
    assert answer[29:32].hex() == "000001"
    assert answer[21:29] == host.channel.card_cryptogram
    again = host.initialize_update()
    assert again[29:32].hex() == "000002"
    assert again[13:21] != answer[13:21]


def test_list_as_globalplatformpro_does(transmit: Transmit) -> None:
    host = GpHost(transmit).open(0x01)
    data, sw = host.send(0x80, 0xF2, 0x80, 0x02, bytes.fromhex("4F00"))
    assert sw == 0x9000
    assert data.hex().upper() == "E3134F08A0000001510000009F700101C5039EDC00"
    assert host.send(0x80, 0xF2, 0x40, 0x02, bytes.fromhex("4F00"))[1] == 0x6A88
    data, sw = host.send(0x80, 0xF2, 0x10, 0x02, bytes.fromhex("4F00"))
    assert sw == 0x9000
    assert b"\x4f" + lv(piv.PACKAGE_AID) in data
    assert b"\x84" + lv(entry_badge.MODULE_AID) in data
    data, sw = host.send(0x80, 0xF2, 0x20, 0x02, bytes.fromhex("4F00"))
    assert sw == 0x9000
    assert b"\x84" + lv(piv.MODULE_AID) not in data


def test_the_older_list_and_a_search_by_the_beginning_of_an_aid(transmit: Transmit) -> None:
    host = GpHost(transmit).open(0x01)
    data, sw = host.send(0x80, 0xF2, 0x20, 0x00, b"\x4f" + lv(piv.PACKAGE_AID[:5]))
    assert (data, sw) == (lv(piv.PACKAGE_AID) + b"\x01\x00", 0x9000)
    data, _ = host.send(0x80, 0xF2, 0x10, 0x00, b"\x4f" + lv(piv.PACKAGE_AID))
    assert data == lv(piv.PACKAGE_AID) + b"\x01\x00\x01" + lv(piv.MODULE_AID)
    assert host.send(0x80, 0xF2, 0x20, 0x02, bytes.fromhex("4F02A1A2"))[1] == 0x6A88
    assert host.send(0x80, 0xF2, 0x20, 0x02)[1] == 0x6A80
    assert host.send(0x80, 0xF2, 0x33, 0x02, bytes.fromhex("4F00"))[1] == 0x6A86


def test_a_long_list_comes_in_pages(transmit: Transmit) -> None:
    host = GpHost(transmit).open(0x33)
    names = [SSD + bytes([n]) for n in range(9)]
    for name in names:
        fields = lv(model.SSD_PACKAGE, model.SSD_MODULE, name, b"\x80", b"\xc9\0", b"")
        assert host.send(0x80, 0xE6, 0x0C, 0x00, fields)[1] == 0x9000
    whole, sw = host.send(0x80, 0xF2, 0x40, 0x02, bytes.fromhex("4F00"))
    assert sw == 0x6310
    pages = 1
    while sw == 0x6310:
        data, sw = host.send(0x80, 0xF2, 0x40, 0x03, bytes.fromhex("4F00"))
        whole, pages = whole + data, pages + 1
    assert sw == 0x9000
    assert pages >= 2
    assert all(whole.count(b"\x4f" + lv(name)) == 1 for name in names)
    assert host.send(0x80, 0xF2, 0x40, 0x03, bytes.fromhex("4F00"))[1] == 0x6985


def test_install_and_delete(transmit: Transmit) -> None:
    host = GpHost(transmit).open(0x01)
    assert install(host, piv.INSTANCE_AID) == 0x9000
    assert install(host, piv.INSTANCE_AID) == 0x6A80
    assert install(host, entry_badge.INSTANCE_AID, entry_badge.PACKAGE_AID, piv.MODULE_AID) == 0x6A88
    assert install(host, entry_badge.INSTANCE_AID, SSD) == 0x6A88
    delete = b"\x4f" + lv(piv.PACKAGE_AID)
    assert host.send(0x80, 0xE4, 0x00, 0x00, delete)[1] == 0x6985
    assert host.send(0x80, 0xE4, 0x00, 0x80, delete)[1] == 0x9000
    assert host.send(0x80, 0xE4, 0x00, 0x00, b"\x4f" + lv(piv.INSTANCE_AID))[1] == 0x6A88
    assert host.send(0x80, 0xE4, 0x00, 0x00, b"\x4f" + lv(ISD))[1] == 0x6985


def test_an_application_that_is_only_installed_is_not_selectable(transmit: Transmit) -> None:
    host = GpHost(transmit).open(0x01)
    fields = lv(piv.PACKAGE_AID, piv.MODULE_AID, piv.INSTANCE_AID, b"\0", b"\xc9\0", b"")
    assert host.send(0x80, 0xE6, 0x04, 0x00, fields)[1] == 0x9000
    select = bytes.fromhex("00A40400") + lv(piv.INSTANCE_AID) + b"\0"
    assert transmit(select).hex() == "6a82"
    host = GpHost(transmit).open(0x01)
    assert host.send(0x80, 0xE6, 0x08, 0x00, lv(b"", b"", piv.INSTANCE_AID, b"\0", b"", b""))[1] == 0x9000
    assert transmit(select)[-2:].hex() == "9000"


@pytest.mark.parametrize("form", [block_with_length, block_without_length])
def test_put_key_in_both_forms(transmit: Transmit, form: Callable[[bytes, bytes], bytes]) -> None:
    host = GpHost(transmit).open(0x01)
    data = b"\x01" + b"".join(form(DEFAULT, key) for key in NEW)
    answer, sw = host.send(0x80, 0xD8, 0x00, 0x81, data)
    assert (answer, sw) == (b"\x01" + b"".join(kcv(key) for key in NEW), 0x9000)
    after = GpHost(transmit, NEW).open(0x33)
    assert after.initialize_update()[10] == 0x01
    GpHost(transmit).open(0x01, version=0xFF)
    with pytest.raises(GpRefused, match="wrong card cryptogram"):
        GpHost(transmit).open(0x01)


@pytest.mark.parametrize("size", [24, 32])
def test_put_key_of_longer_keys(transmit: Transmit, size: int) -> None:
    keys = tuple(bytes([n]) * size for n in (0x51, 0x52, 0x53))
    host = GpHost(transmit).open(0x33)
    data = b"\x30" + b"".join(block_with_length(DEFAULT, key) for key in keys)
    assert host.send(0x80, 0xD8, 0xFF, 0x81, data)[1] == 0x9000
    assert transmit(bytes.fromhex("00CA00E000"))[:6] == bytes([0xC0, 4, 1, 0x30, 0x88, size])
    GpHost(transmit, keys).open(0x33)
    assert GpHost(transmit).initialize_update(0xFF).hex() == "6a88"


def test_put_key_refuses_what_is_wrong(transmit: Transmit) -> None:
    host = GpHost(transmit).open(0x01)
    blocks = [block_with_length(DEFAULT, key) for key in NEW]
    bad_kcv = blocks[0][:-1] + bytes([blocks[0][-1] ^ 1])
    cases = [
        (0x00, 0x81, b"\x01" + bad_kcv + blocks[1] + blocks[2], 0x6982),
        (0x00, 0x81, b"\x01" + blocks[0] + blocks[1], 0x6A80),
        (0x00, 0x81, b"\x00" + b"".join(blocks), 0x6A80),
        (0x00, 0x81, b"\xff" + b"".join(blocks), 0x6A80),
        (0x30, 0x81, b"\x01" + b"".join(blocks), 0x6A88),
        (0x00, 0x01, b"\x01" + blocks[0], 0x6A80),
        (0x00, 0x81, b"\x01" + b"".join(blocks)[:-1], 0x6A80),
        (0x00, 0x81, b"", 0x6A80),
    ]
    for p1, p2, data, expected in cases:
        assert host.send(0x80, 0xD8, p1, p2, data)[1] == expected
    assert transmit(bytes.fromhex("00CA00E000")).hex().upper().startswith("C00401FF8810")
    assert host.send(0x80, 0xE4, 0x00, 0x00, bytes.fromhex("D20130"))[1] == 0x6A88
    assert host.send(0x80, 0xE4, 0x00, 0x00, bytes.fromhex("D201FF"))[1] == 0x6985


def test_commands_that_need_a_channel_are_refused_without(transmit: Transmit) -> None:
    for command in (
        "80F28002024F0000",
        "80E40000034F01A0",
        "80E60C0006000000000000",
        "80E280000342010100",
        "80D8008101",
        "80F0807F",
    ):
        raw = bytes.fromhex(command)
        if len(raw) == 5:
            raw = raw[:4] + b"\x01\x01"
        assert transmit(raw).hex() == "6982"
    assert transmit(bytes.fromhex("84F280020A4F00A1A2A3A4A5A6A7A800")).hex() == "6982"
    assert transmit(bytes.fromhex("84820100100000000000000000000000000000000000")).hex() == "6985"
    assert transmit(bytes.fromhex("80FF0000")).hex() == "6d00"


def test_a_wrong_host_cryptogram_and_a_wrong_mac_end_the_opening(transmit: Transmit) -> None:
    host = GpHost(transmit)
    host.initialize_update()
    host.channel.host_cryptogram = bytes(8)
    assert host.external_authenticate(0x33).hex() == "6300"
    assert host.external_authenticate(0x33).hex() == "6985"
    host.initialize_update()
    good = host.channel.s_mac
    host.channel.s_mac = bytes(16)
    assert host.external_authenticate(0x33).hex() == "6982"
    host.channel.s_mac = good
    assert host.external_authenticate(0x33).hex() == "6985"
    host.initialize_update()
    assert host.external_authenticate(0x02).hex() == "6a86"


@pytest.mark.parametrize("fault", ["mac", "data", "truncated", "replay", "plain after"])
def test_a_message_that_does_not_verify_ends_the_channel(transmit: Transmit, fault: str) -> None:
    host = GpHost(transmit).open(0x33)
    first = host.secure(0x80, 0xF2, 0x80, 0x02, bytes.fromhex("4F00"))
    if fault in ("replay", "plain after"):
        assert transmit(first)[-2:].hex() == "9000"
        bad = first
    elif fault == "mac":
        bad = first[:-2] + bytes([first[-2] ^ 1]) + first[-1:]
    elif fault == "data":
        bad = first[:5] + bytes([first[5] ^ 1]) + first[6:]
    else:
        bad = first[:4] + b"\x04" + first[5:9]
    assert transmit(bad).hex() == "6982"
    if fault == "plain after":
        assert transmit(bytes.fromhex("80F28002024F0000")).hex() == "6982"
    later = host.secure(0x80, 0xF2, 0x80, 0x02, bytes.fromhex("4F00"))
    assert transmit(later).hex() == "6982"
    GpHost(transmit).open(0x33)


def test_selection_and_reset_end_the_channel(card: SimulatedCard, transmit: Transmit) -> None:
    host = GpHost(transmit).open(0x01)
    transmit(bytes.fromhex("00A4040000"))
    assert host.send(0x80, 0xF2, 0x80, 0x02, bytes.fromhex("4F00"))[1] == 0x6982
    host = GpHost(transmit).open(0x01)
    card.power_down()
    card.power_up()
    assert host.send(0x80, 0xF2, 0x80, 0x02, bytes.fromhex("4F00"))[1] == 0x6982


def test_store_data_for_the_domain_itself(transmit: Transmit) -> None:
    host = GpHost(transmit).open(0x33)
    assert host.send(0x80, 0xE2, 0x90, 0x00, bytes.fromhex("420312345F4502ABCD"))[1] == 0x9000
    assert transmit(bytes.fromhex("80CA004200")).hex().upper() == "420312345F9000"
    # The same in data groupings of two blocks, cut in the middle of a value.
    assert host.send(0x80, 0xE2, 0x08, 0x00, bytes.fromhex("007004 4502".replace(" ", "")))[1] == 0x9000
    assert host.send(0x80, 0xE2, 0x88, 0x01, bytes.fromhex("1234"))[1] == 0x9000
    assert transmit(bytes.fromhex("80CA004500")).hex() == "450212349000"
    assert host.send(0x80, 0xE2, 0x90, 0x00, bytes.fromhex("C10101"))[1] == 0x6A80
    assert host.send(0x80, 0xE2, 0x90, 0x00, bytes.fromhex("4203"))[1] == 0x6A80


def test_blocks_out_of_order_start_the_count_anew(transmit: Transmit) -> None:
    host = GpHost(transmit).open(0x01)
    assert host.send(0x80, 0xE2, 0x10, 0x00, bytes.fromhex("4203"))[1] == 0x9000
    assert host.send(0x80, 0xE2, 0x90, 0x02, bytes.fromhex("12345F"))[1] == 0x6A86
    assert host.send(0x80, 0xE2, 0x90, 0x01, bytes.fromhex("12345F"))[1] == 0x6A86
    assert host.send(0x80, 0xE2, 0x90, 0x00, bytes.fromhex("420112"))[1] == 0x9000


def test_personalisation_is_for_applications_of_this_domain(transmit: Transmit) -> None:
    host = GpHost(transmit).open(0x33)

    def target(aid: bytes) -> int:
        return host.send(0x80, 0xE6, 0x20, 0x00, lv(b"", b"", aid, b"", b"", b""))[1]

    assert target(piv.INSTANCE_AID) == 0x6A88
    assert install(host, piv.INSTANCE_AID) == 0x9000
    assert target(piv.INSTANCE_AID) == 0x9000
    create_domain(host)
    assert host.send(0x80, 0xE6, 0x10, 0x00, lv(SSD, b"", piv.INSTANCE_AID, b"", b"", b""))[1] == 0x9000
    assert target(piv.INSTANCE_AID) == 0x6985
    assert target(piv.PACKAGE_AID) == 0x6A88


def create_domain(host: GpHost) -> None:
    fields = lv(model.SSD_PACKAGE, model.SSD_MODULE, SSD, b"\x80", b"\xc9\0", b"")
    assert host.send(0x80, 0xE6, 0x0C, 0x00, fields)[1] == 0x9000


def test_a_supplementary_domain_gets_keys_of_its_own(transmit: Transmit) -> None:
    host = GpHost(transmit).open(0x33)
    create_domain(host)
    select = bytes.fromhex("00A40400") + lv(SSD) + b"\0"
    assert transmit(select)[-2:].hex() == "9000"
    assert GpHost(transmit).initialize_update().hex() == "6a88"
    transmit(bytes.fromhex("00A4040000"))
    host = GpHost(transmit).open(0x33)
    assert host.send(0x80, 0xE6, 0x20, 0x00, lv(b"", b"", SSD, b"", b""))[1] == 0x9000
    described = b"".join(
        b"\xb9"
        + lv(bytes.fromhex("950138800188810110") + bytes([0x82, 1, n, 0x83, 1, 0x20, 0x84, 3]) + kcv(key))
        for n, key in enumerate(NEW, start=1)
    )
    values = b"".join(bytes.fromhex("811310") + cbc(DEFAULT, bytes(16), key) for key in NEW)
    stream = bytes.fromhex("00B9") + lv(described) + values
    assert host.send(0x80, 0xE2, 0x28, 0x00, stream[:100])[1] == 0x9000
    assert host.send(0x80, 0xE2, 0xA8, 0x01, stream[100:])[1] == 0x9000
    assert transmit(select)[-2:].hex() == "9000"
    GpHost(transmit, NEW).open(0x33)
    own = GpHost(transmit, NEW).open(0x33)
    data, sw = own.send(0x80, 0xF2, 0x40, 0x02, bytes.fromhex("4F00"))
    assert sw == 0x9000
    assert b"\x9f\x70\x01\x0f" in data
    # It manages no content: it has no Authorized Management.
    assert install(own, piv.INSTANCE_AID) == 0x6985


def test_life_cycle_of_the_card(transmit: Transmit) -> None:
    host = GpHost(transmit).open(0x01)
    assert host.send(0x80, 0xF0, 0x80, 0x7F)[1] == 0x6985
    assert host.send(0x80, 0xF0, 0x80, 0x0F)[1] == 0x9000
    assert install(host, piv.INSTANCE_AID) == 0x9000
    assert host.send(0x80, 0xF0, 0x80, 0x7F)[1] == 0x9000
    assert transmit(bytes.fromhex("00A40400") + lv(piv.INSTANCE_AID) + b"\0").hex() == "6a82"
    assert transmit(bytes.fromhex("00A4040000"))[-2:].hex() == "6283"
    host = GpHost(transmit).open(0x01)
    assert host.send(0x80, 0xE4, 0x00, 0x00, b"\x4f" + lv(piv.INSTANCE_AID))[1] == 0x6985
    assert host.send(0x80, 0xF0, 0x80, 0x0F)[1] == 0x9000


def test_locking_an_application(transmit: Transmit) -> None:
    host = GpHost(transmit).open(0x01)
    assert install(host, piv.INSTANCE_AID) == 0x9000
    assert host.send(0x80, 0xF0, 0x40, 0x80, piv.INSTANCE_AID)[1] == 0x9000
    assert transmit(bytes.fromhex("00A40400") + lv(piv.INSTANCE_AID) + b"\0").hex() == "6a82"
    host = GpHost(transmit).open(0x01)
    assert host.send(0x80, 0xF0, 0x40, 0x00, piv.INSTANCE_AID)[1] == 0x9000
    assert transmit(bytes.fromhex("00A40400") + lv(piv.INSTANCE_AID) + b"\0")[-2:].hex() == "9000"
