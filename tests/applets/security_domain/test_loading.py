"""Loading onto the simulated card: whole, signed, with tokens and receipts, torn and taken up again."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tegata.apdu import Secret
from tegata.apdu.card import Card
from tegata.apdu.command import Command
from tegata.apdu.errors import CardError, InputError, StatusError
from tegata.apdu.ports import KeyRef, KeySet
from tegata.apdu.tlv import Tlv
from tegata.applets.security_domain import (
    Authority,
    ControlReference,
    Load,
    LoadParameters,
    LoadState,
    Privilege,
    RegisteredKind,
    SecurityDomain,
    discover,
    loading,
)
from tegata.applets.security_domain.keys import PUT_KEY_BARE
from tegata.applets.security_domain.model.cap import CapDraft, read_cap, write_cap
from tegata.applets.security_domain.model.signatures import SigningKey, SymmetricKey, signer
from tegata.provisioning.keyring import FileKeyRing
from tegata.simulators.card import MemoryStore, SimulatedCard
from tegata.simulators.card.device import seeded
from tegata.simulators.presets import memory, with_quirks

from .conftest import CountingLink, key_set

AID = bytes.fromhex("F05445474154415401")
APPLET = AID + b"\x01"
SSD = bytes.fromhex("F0746567617461AA")
TOKEN_KVN, RECEIPT_KVN, DAP_KVN = 0x70, 0x71, 0x73
DEFAULT_KEY = SymmetricKey(Secret(bytes(range(0x40, 0x50))))
REFERENCE = ControlReference(issuer=bytes.fromhex("999999"), number=b"\x00\x01")


def cap(size: int = 250, **changes: Any) -> Load:
    draft = CapDraft(aid=AID, applets=(APPLET,), size=size, **changes)
    return Load.of(read_cap(write_cap(draft)).load_file())


class Bench:
    """A GlobalPlatform card with nothing on it, its issuer's domain open."""

    def __init__(
        self, ring: FileKeyRing, keys: KeySet, preset: str = "gp-card", *, i: int | None = None, **quirks: int
    ) -> None:
        self.ring, self.keys = ring, keys
        content = with_quirks(memory(preset, 7, **({} if i is None else {"i": i})), quirks)
        self.simulated = SimulatedCard(MemoryStore(content), entropy=seeded(b"load"), contactless=False)
        self.link = CountingLink(self.simulated)
        self.domain = self.open(s16=bool(i and i & 0x01))

    def open(self, level: int = 0x01, *, s16: bool = False) -> SecurityDomain:
        self.domain = SecurityDomain(Card(self.link))
        self.domain.select()
        handshake = self.domain.initialize_update(self.keys.version, s16=s16)
        self.domain.authenticate(handshake, self.ring, self.keys, level)
        return self.domain

    def other(self, aid: bytes, keys: KeySet) -> SecurityDomain:
        domain = SecurityDomain(Card(self.link), aid)
        domain.select()
        domain.open(self.ring, keys)
        return domain

    def key(self, version: int, usage: str = "enc") -> KeyRef:
        return self.ring.refer(
            "gp-default", scheme="fixed", diversification=b"", version=version, usage=usage
        )


@pytest.fixture
def bench(ring: FileKeyRing, factory: KeySet) -> Bench:
    return Bench(ring, factory)


@pytest.mark.parametrize("level", [0x01, 0x03, 0x33])
def test_a_package_is_loaded_in_full_blocks_and_installed(bench: Bench, level: int) -> None:
    domain, what = bench.open(level), cap(20_480)
    before = len(bench.link.sent)
    domain.load(what)
    blocks = [command for command in bench.link.sent[before:] if command[1] == 0xE8]
    room = {0x01: 247, 0x03: 239, 0x33: 239}[level]
    assert len(blocks) == -(-len(what.stream()) // room)
    domain.install(AID, APPLET, APPLET)
    line = domain.find(APPLET)
    assert line is not None and (line.package, line.state) == (AID, "selectable")
    package = domain.find(AID)
    assert package is not None and package.modules == (APPLET,)
    assert loading.load_state(domain, what) is LoadState.COMPLETE
    assert loading.load_state(domain, replace(what, version=b"\x09\x09")) is LoadState.OTHER
    domain.delete(AID, related=True)
    assert loading.load_state(domain, what) is LoadState.ABSENT


def test_a_verb_reads_at_most_half_of_what_others_read(bench: Bench) -> None:
    """Four GET STATUS before and four after is what GlobalPlatformPro sends (facts B2)."""
    what = cap(300)
    assert loading.load_state(bench.domain, what) is LoadState.ABSENT
    bench.domain.load(what)
    bench.domain.install(AID, APPLET, APPLET)
    assert bench.domain.find(APPLET) is not None
    assert sum(command[1] == 0xF2 for command in bench.link.sent) <= 4


@pytest.mark.parametrize("name", ["sha1", "sha256", "sha384", "sha512"])
def test_the_card_checks_the_hash(bench: Bench, name: str) -> None:
    bench.domain.load(replace(cap(), hash_name=name))

    class Wrong(Load):
        def digest(self, *, needed: bool = False) -> bytes:
            return bytes(32)

    bench.domain.delete(AID)
    what = cap()
    with pytest.raises(StatusError):
        bench.domain.load(Wrong(what.code, what.aid))


def test_a_package_goes_to_another_domain_with_memory_asked_for(bench: Bench) -> None:
    bench.domain.create_domain(SSD)
    bench.domain.load(replace(cap(), domain=SSD, parameters=LoadParameters(code=100)))
    line = bench.domain.find(AID)
    assert line is not None and line.domain == SSD
    with pytest.raises(StatusError) as caught:
        bench.domain.load(Load(cap().code, AID + b"\x77", parameters=LoadParameters(code=10**7)))
    assert caught.value.sw == 0x6A84


def test_all_in_one(bench: Bench) -> None:
    loading.load_install(bench.domain, cap(1000), APPLET, APPLET, parameters=b"\x01\x02")
    line = bench.domain.find(APPLET)
    assert line is not None and line.kind is RegisteredKind.APPLICATION


# tokens, receipts, signatures


def signing_keys() -> dict[str, Callable[[], SigningKey]]:
    return {
        "aes": lambda: DEFAULT_KEY,
        "rsa-1024": lambda: rsa.generate_private_key(65537, 1024),  # noqa: S505 - what the standard has for PKCS#1
        "rsa-2048": lambda: rsa.generate_private_key(65537, 2048),
        "p-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    }


def put_verifier(bench: Bench, domain: SecurityDomain, key: SigningKey, version: int) -> None:
    if isinstance(key, SymmetricKey):
        domain.put_key(bench.ring, bench.key(version), 1)
    else:
        domain.put_public_key(key.public_key(), version, 1)


@pytest.mark.parametrize("scheme", signing_keys())
def test_who_may_not_manage_the_card_needs_a_token(bench: Bench, scheme: str) -> None:
    """A domain with delegated management loads, installs and deletes by tokens of the issuer, once each."""
    key = signing_keys()[scheme]()
    put_verifier(bench, bench.domain, key, TOKEN_KVN)
    bench.domain.put_key(bench.ring, bench.key(RECEIPT_KVN), 1)
    own = key_set(bench.ring, "badges", 0x20)
    bench.domain.create_domain(SSD, privileges=Privilege.DELEGATED_MANAGEMENT)
    bench.domain.install_for_personalization(SSD)
    bench.domain.store_data(bench.domain.key_set_groupings(bench.ring, own))
    lower = bench.other(SSD, own)
    with pytest.raises(StatusError):
        lower.load(cap())
    authority = Authority(signer(key), REFERENCE, DEFAULT_KEY)
    numbers = iter(range(1, 9))

    def allow() -> None:
        number = next(numbers).to_bytes(2, "big")
        lower.authority = replace(authority, reference=replace(REFERENCE, number=number))

    allow()
    loaded = lower.load(cap())
    allow()
    installed = lower.install(AID, APPLET, APPLET)
    allow()
    (deleted,) = lower.delete(APPLET)
    receipts = (loaded, installed, deleted)
    assert [receipt.verified for receipt in receipts if receipt] == [True] * 3
    counters = [receipt.receipt.confirmation.counter for receipt in receipts if receipt]
    assert counters == [counters[0], counters[0] + 1, counters[0] + 2]
    with pytest.raises(StatusError):
        lower.delete(AID)  # the token's number was used
    allow()
    lower.delete(AID)
    bench.open()
    told = discover(bench.domain.card)
    assert told.receipt_counter == 4


def test_one_token_allows_all_in_one(bench: Bench) -> None:
    bench.domain.put_key(bench.ring, bench.key(TOKEN_KVN), 1)
    bench.domain.put_key(bench.ring, bench.key(RECEIPT_KVN), 1)
    bench.domain.authority = Authority(signer(DEFAULT_KEY), None, DEFAULT_KEY)
    receipt = loading.load_install(bench.domain, cap(), APPLET, APPLET)
    assert receipt is not None and receipt.verified


@pytest.mark.parametrize("scheme", signing_keys())
def test_a_domain_that_verifies_signatures(bench: Bench, scheme: str) -> None:
    key = signing_keys()[scheme]()
    own = key_set(bench.ring, "badges", 0x20)
    bench.domain.create_domain(SSD, privileges=Privilege.MANDATED_DAP)
    bench.domain.install_for_personalization(SSD)
    bench.domain.store_data(bench.domain.key_set_groupings(bench.ring, own))
    put_verifier(bench, bench.other(SSD, own), key, DAP_KVN)
    domain = bench.open()
    with pytest.raises(StatusError):
        domain.load(cap())
    with pytest.raises(StatusError):
        domain.load(replace(cap(), dap_signers={SSD: lambda digest: signer(key)(digest + b"\x00")}))
    assert domain.find(AID) is None
    domain.load(replace(cap(), dap_signers={SSD: signer(key)}))
    assert domain.find(AID) is not None


# torn loads


class Stop(Exception):
    """The test stops the load here."""


def stop_at(block: int) -> Callable[[int, int], None]:
    def progress(done: int, _: int) -> None:
        if done == block:
            raise Stop

    return progress


@pytest.mark.parametrize("leaves", [False, True])
def test_a_torn_load_is_cleaned_up_and_loaded_again(ring: FileKeyRing, factory: KeySet, leaves: bool) -> None:
    bench, what = Bench(ring, factory, load_leaves_garbage=leaves), cap(2000)
    with pytest.raises(Stop):
        bench.domain.load(what, progress=stop_at(3))
    bench.simulated.power_down()
    bench.simulated.power_up()
    domain = bench.open()
    assert loading.load_state(domain, what) is (LoadState.TORN if leaves else LoadState.ABSENT)
    deleted = loading.cleanup(domain, what)
    assert (deleted is not None) == leaves
    assert loading.cleanup(domain, what) is None
    domain.load(what)
    assert loading.load_state(domain, what) is LoadState.COMPLETE
    assert loading.cleanup(domain, what) is None


def test_a_load_goes_on_from_the_beginning_in_the_same_channel(bench: Bench) -> None:
    with pytest.raises(Stop):
        bench.domain.load(cap(2000), progress=stop_at(2))
    bench.domain.load(cap(2000))
    assert loading.load_state(bench.domain, cap(2000)) is LoadState.COMPLETE


# keys


def test_the_bytes_of_a_key_set(bench: Bench) -> None:
    """Facts C5: 40…4F under itself in CBC; check value 504A77."""
    block = "88111080D2A5B08FA0EE51143B459E638106DF03504A77"
    keys = KeySet(0x01, *(bench.key(1, usage) for usage in ("enc", "mac", "dek")))
    bench.domain.put_key_set(bench.ring, keys)
    assert bench.link.sent[-1][:-9].hex().upper() == "84D800814E" + "01" + block * 3
    bench.domain.card.profile.quirks.add(PUT_KEY_BARE)
    bench.domain.put_key_set(bench.ring, replace(keys, version=2))
    assert bench.link.sent[-1][5:-9].hex().upper() == "02" + block.replace("881110", "8810") * 3
    bench.domain.put_key(bench.ring, bench.key(TOKEN_KVN), 1)
    assert bench.link.sent[-1][:-9].hex().upper() == "84D800011F70" + block.replace("881110", "8810")
    versions = bench.domain.key_versions()
    assert set(versions) == {1, 2, 0x70, 0xFF}


def test_keys_are_marked_as_secret(bench: Bench) -> None:
    bench.domain.put_key(bench.ring, bench.key(TOKEN_KVN), 1)
    wrapped = bytes.fromhex("80D2A5B08FA0EE51143B459E638106DF")
    assert wrapped in bench.link.sent[-1]
    records: list[str] = []

    class Shown:
        def record(self, command: Any, response: Any) -> None:
            records.append(repr(command))

    bench.domain.card = Card(bench.link, recorder=Shown())
    bench.domain.open(bench.ring, bench.keys, level=0x01)
    bench.domain.put_key(bench.ring, bench.key(0x72), 1)
    assert "88111080D2" not in records[-1]
    assert "881110" + "**" * 16 in records[-1] or "8811" + "**" * 17 in records[-1]


@pytest.mark.parametrize("level", [0x01, 0x03])
def test_scp02_and_its_keys(ring: FileKeyRing, level: int) -> None:
    factory = key_set(ring, "gp-default", 0xFF, scheme="fixed", algorithm="3des")
    bench = Bench(ring, factory, preset="gp-scp02")
    domain = bench.open(level)
    domain.load(cap(500))
    domain.install(AID, APPLET, APPLET)
    new = key_set(ring, "gp-default", 0x01, scheme="fixed", algorithm="3des")
    domain.put_key_set(ring, new)
    domain.put_key(ring, replace(new.enc, version=0x71), 1)
    domain.select()
    assert domain.open(ring, new, level=level).version == 1
    assert [entry.aid for entry in domain.registry()][-1] == AID
    domain.delete_key_set(0xFF)
    assert 0xFF not in domain.key_versions()


def test_another_range_of_versions(bench: Bench) -> None:
    with pytest.raises(InputError):
        bench.domain.put_key(bench.ring, replace(bench.key(1), version=0), 1)
    bench.domain.card.unsecure()
    with pytest.raises(CardError) as caught:
        bench.domain.put_key(bench.ring, bench.key(TOKEN_KVN), 1)
    assert caught.value.code == "gp.no_channel"


# extended length


def _loads(bench: Bench) -> list[Command]:
    return [Command.parse(raw) for raw in bench.link.sent if raw[1] == 0xE8]


@pytest.mark.parametrize(
    ("level", "i", "carried"),
    [
        (0x01, 0x70, 1024 - 8),
        (0x33, 0x70, (1024 - 8) // 16 * 16 - 1),
        (0x01, 0x71, 1024 - 16),
        (0x33, 0x71, 1024 - 16 - 1),
    ],
)
def test_blocks_fill_what_the_card_announces(
    ring: FileKeyRing, factory: KeySet, level: int, i: int, carried: int
) -> None:
    """Four cases by hand: 9F65 less a MAC of 8 or 16 bytes, in whole cipher blocks less one of padding."""
    bench = Bench(ring, factory, i=i, max_command_data=1024)
    domain = bench.open(level, s16=bool(i & 1))
    assert domain.room == carried
    what = cap(3000)
    domain.load(what)
    domain.install(AID, APPLET, APPLET)
    *full, last = _loads(bench)
    assert {command.extended for command in full} == {True}
    assert {len(command.data) for command in full} == {1024 if level == 0x01 or i & 1 else 1016}
    assert len(full) + 1 == -(-(len(what.code) + 4) // carried)
    assert last.extended == (len(last.data) > 255)
    over = Command(0x80, 0xE8, 0x80, 0, bytes(carried + 1), extended=True)
    assert domain.card.send(over).sw == 0x6700


@pytest.mark.parametrize("announced", [100, 200, 255])
def test_a_card_that_announces_less_gets_less(ring: FileKeyRing, factory: KeySet, announced: int) -> None:
    bench = Bench(ring, factory, max_command_data=announced)
    domain = bench.open(0x33)
    domain.load(cap(700))
    assert not any(command.extended for command in _loads(bench))
    longest = max(len(command.data) for command in _loads(bench))
    assert announced - 16 < longest <= announced


@pytest.mark.parametrize(("extended", "max_command"), [(False, 65544), (None, 65544), (True, 261)])
def test_short_blocks_where_card_or_link_take_no_longer_ones(
    ring: FileKeyRing, factory: KeySet, extended: bool | None, max_command: int
) -> None:
    bench = Bench(ring, factory, max_command_data=1024)
    bench.domain.card.profile.extended = extended
    bench.domain.card.profile.max_command = max_command
    bench.domain.load(cap(700))
    assert {len(command.data) for command in _loads(bench)[:-1]} == {255}
    assert not any(command.extended for command in _loads(bench))


def test_the_link_bounds_an_extended_block(ring: FileKeyRing, factory: KeySet) -> None:
    bench = Bench(ring, factory, max_command_data=0x0FFF)
    bench.domain.card.profile.max_command = 600
    bench.domain.load(cap(1500))
    assert max(len(raw) for raw in bench.link.sent if raw[1] == 0xE8) == 600


def test_store_data_in_extended_blocks(ring: FileKeyRing, factory: KeySet) -> None:
    """A card keeps 127 bytes of an object here: what comes whole in one command is one block."""
    bench = Bench(ring, factory, max_command_data=1024)
    numbers = [Tlv(0x42, bytes((value,)) * 100) for value in (1, 2, 3)]
    bench.domain.store_objects(numbers)
    (command,) = [Command.parse(raw) for raw in bench.link.sent if raw[1] == 0xE2]
    assert (command.extended, len(command.data)) == (True, 3 * 102 + 8)
    assert bench.domain.iin() == b"\x03" * 100
