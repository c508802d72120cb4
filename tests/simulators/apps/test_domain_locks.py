"""What happens over one logical channel to what is selected, or has a secure channel, on another; what a
locked domain still does, which is nothing (GPC 2.3.1 §5.3.2.4, §9.4.1, §9.6.2)."""

from __future__ import annotations

import hashlib
import json

from tegata.apdu import Command, Secret, scp03
from tegata.apdu.card import Card
from tegata.applets.piv import model as piv
from tegata.applets.security_domain import model
from tegata.simulators.card import SimulatedCard
from tegata.simulators.card.registry import Kind, LifeCycle, RegistryEntry
from tegata.simulators.link import SimulatedLink

from ...foreign.gpp.host import lv
from ...foreign.gpp.registry import tlv
from .gp_bench import MODULE, PACKAGE, SSD, SSD_KEYS, cap, card_of, domain, gp_card, install, put_aes, session
from .gp_host import DEFAULT, ISD, GpHost

DAP_DOMAIN = "C0"


def on_channel(card: SimulatedCard, number: int, keys: tuple[bytes, ...], aid: bytes) -> GpHost:
    """A host of the domain or application ``aid``, authenticated on a logical channel that it opens."""
    assert card.transmit(bytes.fromhex("0070000001")) == bytes((number,)) + b"\x90\x00"
    host = GpHost(lambda raw: card.transmit(bytes((raw[0] | number,)) + raw[1:]), keys)  # type: ignore[arg-type]
    host.select(aid)
    return host.open(0x03)


def lock(card: SimulatedCard, aid: bytes, *, locked: bool = True) -> None:
    session(card).expect("SET STATUS", 0xF0, 0x40, 0x80 if locked else 0x00, aid)


def test_a_locked_domain_rejects_everything_where_it_is_selected() -> None:
    card = gp_card()
    assert domain(card) == 0x9000
    owner = on_channel(card, 1, SSD_KEYS, SSD)
    name = bytes.fromhex("5F500161")
    assert owner.send(0x80, 0xE2, 0x90, 0x00, name)[1] == 0x9000
    lock(card, SSD)
    assert owner.send(0x80, 0xE2, 0x90, 0x00, name)[1] == 0x6985
    for command in ("8150000008" + "00" * 8, "81CA006600", "01A4040008" + SSD.hex()):
        assert card.transmit(bytes.fromhex(command)) in (b"\x69\x85", b"\x6a\x82")
    lock(card, SSD, locked=False)
    # What was open before the lock is not open after it.
    assert owner.send(0x80, 0xE2, 0x90, 0x00, name)[1] == 0x6982
    owner.select(SSD)
    owner.open(0x03)
    assert owner.send(0x80, 0xE2, 0x90, 0x00, name)[1] == 0x9000


def test_nothing_comes_to_a_locked_domain_and_it_verifies_nothing() -> None:
    card = gp_card()
    assert domain(card, privileges=DAP_DOMAIN) == 0x9000
    host = session(card)
    host.load(cap())
    assert install(host, PACKAGE, MODULE, MODULE)[1] == 0x9000
    lock(card, SSD)
    host = session(card)
    for_load = lv(PACKAGE + b"\x09", SSD, bytes(32), b"", b"")
    assert host.send(0x80, 0xE6, 0x02, 0x00, for_load)[1] == 0x6985
    extradition = lv(SSD, b"", MODULE, b"", b"", b"")
    assert host.send(0x80, 0xE6, 0x10, 0x00, extradition)[1] == 0x6985
    lock(card, SSD, locked=False)
    host = session(card)
    assert host.send(0x80, 0xE6, 0x02, 0x00, for_load)[1] == 0x9000
    assert host.send(0x80, 0xE6, 0x10, 0x00, extradition)[1] == 0x9000


def test_a_load_that_began_before_the_lock_does_not_end_after_it() -> None:
    card = gp_card()
    assert domain(card) == 0x9000
    loading = on_channel(card, 1, (DEFAULT, DEFAULT, DEFAULT), ISD)
    assert loading.send(0x80, 0xE6, 0x02, 0x00, lv(PACKAGE, SSD, b"", b"", b""))[1] == 0x9000
    lock(card, SSD)
    code = cap(size=150).code
    assert loading.send(0x80, 0xE8, 0x80, 0x00, b"\xc4\x81" + lv(code))[1] == 0x6985
    assert f"registry/{PACKAGE.hex()}" not in card.store.content


def test_a_token_verified_by_a_locked_domain_is_none() -> None:
    card = gp_card()
    verifier = SSD[:-1] + b"\xbb"
    assert domain(card, verifier, privileges="802000") == 0x9000
    host = GpHost(card.transmit, SSD_KEYS)  # type: ignore[arg-type]
    host.select(verifier)
    host.open(0x03)
    put_aes(host, 0x70, dek=SSD_KEYS[2])
    data = b"\x4f" + lv(PACKAGE) + b"\x9e" + lv(bytes(16))
    assert session(card).send(0x80, 0xE4, 0x00, 0x00, data)[1] == 0x6982
    lock(card, verifier)
    assert session(card).send(0x80, 0xE4, 0x00, 0x00, data)[1] == 0x6985


def test_a_signature_verified_by_a_locked_domain_is_none() -> None:
    card = gp_card()
    assert domain(card, privileges=DAP_DOMAIN) == 0x9000
    host = GpHost(card.transmit, SSD_KEYS)  # type: ignore[arg-type]
    host.select(SSD)
    host.open(0x03)
    put_aes(host, 0x73, dek=SSD_KEYS[2])
    code = cap(size=100).code
    digest = hashlib.sha256(code).digest()
    for word in (0x6982, 0x6985):
        host = session(card)
        assert host.send(0x80, 0xE6, 0x02, 0x00, lv(PACKAGE, b"", digest, b"", b""))[1] == 0x9000
        stream = tlv(0xE2, b"\x4f" + lv(SSD) + tlv(0xC3, bytes(16))) + tlv(0xC4, code)
        assert host.send(0x80, 0xE8, 0x80, 0x00, stream)[1] == word
        lock(card, SSD)


def test_an_unsigned_package_does_not_come_to_a_domain_that_wants_signatures_by_extradition() -> None:
    card = gp_card()
    assert domain(card, privileges=DAP_DOMAIN) == 0x9000
    host = session(card)
    host.load(cap())
    for p1, fields in (
        (0x10, (SSD, b"", PACKAGE, b"", b"", b"")),
        (0x40, (SSD, b"", PACKAGE, b"", b"", b"")),
    ):
        assert host.send(0x80, 0xE6, p1, 0x00, lv(*fields))[1] == 0x6985
    assert domain(card, SSD[:-1] + b"\xbb") == 0x9000
    host = session(card)
    assert host.send(0x80, 0xE6, 0x10, 0x00, lv(SSD[:-1] + b"\xbb", b"", PACKAGE, b"", b"", b""))[1] == 0x9000


def test_a_channel_ends_when_the_application_comes_to_another_domain() -> None:
    """Its former domain's host would go on as if it were the new one's, also once that domain has gone."""
    card = gp_card()
    assert domain(card) == 0x9000
    applet = RegistryEntry(
        piv.INSTANCE_AID, Kind.APPLICATION, LifeCycle.PERSONALIZED, domain=SSD, model="piv", order=90
    )
    content = card.store.content | {f"registry/{applet.aid.hex()}": applet.to_bytes()}
    card = card_of(content)
    host = on_channel(card, 1, SSD_KEYS, applet.aid)
    get = bytes.fromhex("5C035FC102")
    assert host.send(0x00, 0xCB, 0x3F, 0xFF, get)[1] == 0x6A82
    owner = session(card)
    assert owner.send(0x80, 0xE6, 0x10, 0x00, lv(ISD, b"", applet.aid, b"", b"", b""))[1] == 0x9000
    assert owner.send(0x80, 0xE4, 0x00, 0x00, b"\x4f" + lv(SSD))[1] == 0x9000
    assert domain(card) == 0x9000
    assert host.send(0x00, 0xCB, 0x3F, 0xFF, get)[1] == 0x6882


def test_pieces_of_a_command_do_not_outlive_their_channel() -> None:
    card = gp_card()
    for between in ("00A4040000", "80CA006600", "0070800100"):
        session(card)
        assert card.transmit(bytes.fromhex("84E4800008") + bytes(8)) == b"\x90\x00"
        card.transmit(bytes.fromhex(between))
        assert session(card).send(0x80, 0xE4, 0x00, 0x00, b"\x4f" + lv(PACKAGE))[1] == 0x6A88


def test_the_last_part_of_a_long_answer_has_the_status_word_that_its_mac_covers() -> None:
    card = gp_card()
    host = session(card)
    host.load(cap())
    host.load(cap(PACKAGE + b"\x01", MODULE + b"\x01"))
    name = f"registry/{PACKAGE.hex()}"
    entry = json.loads(card.store.content[name])
    entry["modules"] = [[(MODULE + bytes(8) + bytes((n,))).hex(), "placeholder"] for n in range(16)]
    link = SimulatedLink(card_of(card.store.content | {name: json.dumps(entry).encode()}))
    own = Card(link)
    own.select(model.AID)
    keys = scp03.StaticKeys(Secret(DEFAULT), Secret(DEFAULT), Secret(DEFAULT))
    own.secure(scp03.Scp03Host.open(own.send, scp03.static_session(keys), level=0x33))
    words = [own.send(Command(0x80, 0xF2, 0x10, p2, b"\x4f\x00", le=256)).sw for p2 in (2, 3, 3)]
    assert words == [0x6310, 0x6310, 0x9000]
