"""Hosts that mean harm: what was not allowed is not allowed by way of another logical channel, domain or
instance either; and whatever bytes come, the card answers with a status word of its own, never 6F00."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tegata.apdu import Secret
from tegata.apdu.command import Command, Response
from tegata.apdu.errors import StatusError
from tegata.apdu.layers import is_piece
from tegata.apdu.ports import ChannelDek, KeySet
from tegata.applets.entry_badge import model as badge
from tegata.applets.piv import model as piv
from tegata.applets.piv.host import Piv
from tegata.applets.security_domain.host import SecurityDomain, key_set_groupings
from tegata.applets.security_domain.model import SSD_MODULE, SSD_PACKAGE, Install, Privilege, lv
from tegata.applets.security_domain.model.dgi import Dgi
from tegata.simulators.card import MemoryStore, SimulatedCard

from ...applets.desk import PIN, RECORD, Desk, key_ring

SSD = bytes.fromhex("F054454741544151")
JPKI, TEXT = "00A4040C0AD392F000260100000001", "00A4040C0AD3921000310001010408"
DIGEST_INFO = "3031300D060960864801650304020105000420" + "11" * 32


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A finished badge, its issuer's domain not opened."""
    ring = key_ring(tmp_path)
    desk = Desk(ring)
    desk.issue_piv()
    desk.issue_badge()
    desk.repower()
    yield desk
    ring.close()


def domain_keys(desk: Desk, version: int = 1) -> KeySet:
    return KeySet(
        version,
        *(
            desk.ring.refer(
                "badges", scheme="sp800-108-cmac", diversification=b"ssd", version=version, usage=usage
            )
            for usage in ("enc", "mac", "dek")
        ),
    )


def refused(sw: int, error: pytest.ExceptionInfo[StatusError]) -> bool:
    return error.value.sw == sw


# Logical channels


def test_an_application_selected_on_another_channel_is_not_deleted(desk: Desk) -> None:
    """Else the PIN and 9B verified there would open the next instance with the same AID."""
    other = desk.card.open_channel()
    holder = Piv(other)
    holder.select()
    holder.authenticate_management(desk.ring, desk.piv_key("piv-9b"))
    holder.verify(Secret(PIN))
    desk.open()
    for aid, related in ((piv.INSTANCE_AID, False), (piv.PACKAGE_AID, True)):
        with pytest.raises(StatusError) as caught:
            desk.domain.delete(aid, related=related)
        assert refused(0x6985, caught)
    other.close()
    desk.domain.delete(piv.INSTANCE_AID)
    desk.install_piv()
    desk.personalize(piv.INSTANCE_AID, desk.piv_groupings())
    assert desk.piv().tries() == piv.DEFAULT_PIN_TRIES


def test_what_was_verified_on_one_channel_is_not_on_another(desk: Desk) -> None:
    here = desk.piv()
    here.verify(Secret(PIN))
    here.authenticate_management(desk.ring, desk.piv_key("piv-9b"))
    there = Piv(desk.card.open_channel())
    there.select()
    assert there.tries() == piv.DEFAULT_PIN_TRIES
    for attempt in (lambda: there.put_object(0x5FC109, b"x"), lambda: there.sign_digest(0x9A, bytes(32))):
        with pytest.raises(StatusError) as caught:
            attempt()
        assert refused(0x6982, caught)


def test_a_target_given_away_over_another_channel_takes_nothing_more(desk: Desk) -> None:
    desk.open()
    desk.domain.install(SSD_PACKAGE, SSD_MODULE, SSD, privileges=Privilege.SECURITY_DOMAIN)
    desk.domain.install_for_personalization(badge.INSTANCE_AID)
    other = SecurityDomain(desk.card.open_channel())
    other.select()
    other.open(desk.ring, desk.maker_keys)
    other.extradite(badge.INSTANCE_AID, SSD)
    with pytest.raises(StatusError) as caught:
        desk.domain.store_data([Dgi(badge.DGI_RECORD | 1, bytes(RECORD))])
    assert refused(0x6985, caught)


def test_get_response_has_nothing_of_the_application_before(desk: Desk) -> None:
    transmit = desk.link.transmit
    desk.piv()
    assert transmit(bytes.fromhex("00CB3FFF055C035FC10508"))[-2] == 0x61
    transmit(bytes.fromhex("00A4040008A000000151000000"))
    assert transmit(bytes.fromhex("00C0000000")) == bytes.fromhex("6985")


# Personalisation and keys


def test_personalisation_needs_the_domain_of_the_application_and_its_channel(desk: Desk) -> None:
    target = bytes.fromhex("0000") + lv(badge.INSTANCE_AID) + bytes(3)
    record = bytes(Dgi(badge.DGI_RECORD | 1, bytes(RECORD)))
    install = Command(0x80, 0xE6, Install.FOR_PERSONALIZATION, 0x00, target)
    store = Command(0x80, 0xE2, 0x88, 0x00, record)
    desk.domain.select()
    for command in (install, store, store.with_(cla=0x00)):
        assert desk.card.send(command).sw == 0x6982
    # The target does not outlive the channel that named it.
    desk.open()
    desk.domain.install_for_personalization(badge.INSTANCE_AID)
    desk.domain.initialize_update()
    assert desk.card.send(store).sw == 0x6982
    desk.open()
    assert desk.card.send(store).sw == 0x6A80
    # A channel at level 00 proves the host but not its commands.
    desk.domain.select()
    desk.domain.open(desk.ring, desk.maker_keys, level=0x00)
    for command in (install, store):
        assert desk.card.send(command).sw == 0x6982


@pytest.mark.parametrize("length", [0x18, 0x20])
def test_keys_of_another_length_than_described_are_refused(desk: Desk, length: int) -> None:
    desk.open()
    desk.domain.install(SSD_PACKAGE, SSD_MODULE, SSD, privileges=Privilege.SECURITY_DOMAIN)
    desk.domain.install_for_personalization(SSD)
    described, *values = desk.domain.key_set_groupings(desk.ring, domain_keys(desk))
    wrong = described.value.replace(b"\x81\x01\x10", bytes((0x81, 1, length)))
    with pytest.raises(StatusError) as caught:
        desk.domain.store_data([Dgi(described.tag, wrong), *values])
    assert refused(0x6A80, caught)


def test_what_waits_for_the_last_block_is_bounded(desk: Desk) -> None:
    desk.open()
    statuses = [desk.card.send(Command(0x80, 0xE2, 0x10, n, bytes(200))).sw for n in range(22)]
    assert statuses.index(0x6A84) == 20


def test_a_refused_command_too_stands_between_pin_and_signature_key(desk: Desk) -> None:
    application = desk.piv()
    application.authenticate_management(desk.ring, desk.piv_key("piv-9b"))
    key = application.generate(0x9C)
    for refused_command in ("00FF000000", "04CB3FFF00", "80CB3FFF00"):
        application.verify(Secret(PIN))
        desk.link.transmit(bytes.fromhex(refused_command))
        with pytest.raises(StatusError) as caught:
            application.sign_digest(0x9C, bytes(32), key)
        assert refused(0x6982, caught)
    application.verify(Secret(PIN))
    assert application.sign_digest(0x9C, bytes(32), key)


# My Number Card


def test_no_way_to_a_jpki_signature_without_its_pin(my_number_card: SimulatedCard) -> None:
    def transmit(*commands: str) -> str:
        return [my_number_card.transmit(bytes.fromhex(command)).hex().upper() for command in commands][-1]

    sign = f"802A008033{DIGEST_INFO}00"
    by_short_id, authentication_pin = sign.replace("802A0080", "802A009A"), "00A4020C020018"
    # The authentication PIN opens its own key only, however the signature key is named.
    assert transmit(JPKI, authentication_pin, "002000800431323334") == "9000"
    assert transmit("00A4020C02001A", sign) == "6982"
    assert transmit(by_short_id) == "6982"
    assert transmit(authentication_pin, sign) == "6981"
    assert transmit("802A008033", "00A4020C020017", sign).endswith("9000")
    # A VERIFY of the other application, a chained, secured or default-key command do not help.
    assert transmit(TEXT, "00A4020C020011", "002000800431323334", JPKI, "00A4020C020017", sign) == "6982"
    assert transmit("902A008010" + DIGEST_INFO[:32], f"802A008023{DIGEST_INFO[32:]}00") == "6982"
    assert transmit(sign.replace("802A", "8C2A")) == "6982"
    assert transmit(sign.replace("802A0080", "802A0000")) == "6A86"
    assert transmit("00B0810000") == "6982"


# Any bytes


@pytest.mark.parametrize("level", [0x01, 0x33])
def test_no_plain_command_inside_a_channel_breaks_the_card(desk: Desk, level: int) -> None:
    """The other fuzzers stop at the MAC; this one has it right."""
    rng = random.Random(level)  # noqa: S311 - to be repeated
    corpus = _commands(desk)
    assert isinstance(desk.store, MemoryStore)
    whole = desk.store.fork()
    for _ in range(60):
        desk = Desk(desk.ring, whole.fork())
        desk.domain.select()
        desk.domain.open(desk.ring, desk.maker_keys, level=level)
        for _ in range(25):
            command = _mutated(rng, rng.choice(corpus))
            response = _sent(desk, command)
            assert response.sw != 0x6F00, command
            if desk.card.secure_channel is None or not desk.card.secure_channel.alive:
                break


def _sent(desk: Desk, command: Command) -> Response:
    """Pieces of a chained command have no MAC, nor have their answers: one goes beside the host's channel,
    and the next command, of another kind, goes through it as if there had been none."""
    if is_piece(command):
        piece = command.with_(cla=command.cla | 0x04)
        assert Response.parse(desk.link.transmit(bytes(piece))) == Response()
        command = Command(0x80, 0xCA, 0x00, 0x66, le=256)
    return desk.card.send(command)


def _commands(desk: Desk) -> list[Command]:
    dek = ChannelDek(static=desk.maker_key("dek"))
    keys = key_set_groupings(desk.ring, domain_keys(desk), dek)
    groupings = [bytes(Dgi(tag, value)) for tag, value, _ in desk.badge_groupings()]
    package, module, instance = lv(SSD_PACKAGE), lv(SSD_MODULE), lv(SSD)
    install = package + module + instance + lv(b"\x80\x00\x00") + lv(bytes.fromhex("C900")) + lv(b"")
    named = bytes(2)
    return [
        Command(0x80, 0xE6, 0x0C, 0x00, install, le=256),
        *(
            Command(0x80, 0xE6, 0x20, 0x00, named + lv(aid) + bytes(3))
            for aid in (SSD, badge.INSTANCE_AID, piv.INSTANCE_AID)
        ),
        Command(0x80, 0xE6, 0x10, 0x00, lv(SSD) + lv(b"") + lv(badge.INSTANCE_AID) + bytes(3)),
        Command(0x80, 0xE6, 0x08, 0x00, named + instance + bytes(3)),
        Command(0x80, 0xE2, 0x88, 0x00, b"".join(map(bytes, keys))[:220]),
        Command(0x80, 0xE2, 0x88, 0x00, b"".join(groupings)[:220]),
        *(Command(0x80, 0xE2, 0x88, 0x00, grouping) for grouping in groupings),
        *(Command(0x80, 0xE2, 0x88, 0x00, bytes(grouping)) for grouping in keys),
        Command(0x80, 0xE2, 0x90, 0x00, bytes.fromhex("4503414243")),
        Command(0x80, 0xE2, 0x88, 0x00, bytes.fromhex("0070054503414243")),
        Command(
            0x80, 0xD8, 0x00, 0x81, b"\x02" + 3 * (bytes.fromhex("881110") + bytes(16) + b"\x00"), le=256
        ),
        Command(0x80, 0xE4, 0x00, 0x00, b"\x4f" + instance, le=256),
        Command(0x80, 0xE4, 0x00, 0x80, b"\x4f" + package, le=256),
        Command(0x80, 0xE4, 0x00, 0x00, bytes.fromhex("D20102"), le=256),
        Command(0x80, 0xF0, 0x40, 0x80, SSD),
        *(Command(0x80, 0xF2, scope, 0x02, b"\x4f\x00", le=256) for scope in (0x80, 0x40, 0x20, 0x10)),
        *(Command(0x80, 0xCA, tag >> 8, tag & 0xFF, le=256) for tag in (0x42, 0x66, 0xE0, 0xC1, 0x9F7F)),
        Command(0x00, 0x70, 0x00, 0x00, le=1),
    ]


def _mutated(rng: random.Random, command: Command) -> Command:
    data = bytearray(command.data)
    match rng.randrange(7):
        case 0:
            return command.with_(p1=rng.choice((0, 1, 0x08, 0x10, 0x20, 0x80, 0x88, 0xFF)))
        case 1:
            return command.with_(p2=rng.choice((0, 1, 2, 3, 0x80, 0x81, 0xFF)))
        case 2 if data:
            data[rng.randrange(len(data))] = rng.choice((0x00, 0x01, 0x7F, 0x80, 0x81, 0x84, 0xFF))
        case 3:
            del data[rng.randrange(len(data) + 1) :]
        case 4:
            data = bytearray(rng.randbytes(rng.randrange(40)))
        case 5:
            data *= 2
        case _:
            return command
    return command.with_(data=bytes(data[:230]))
