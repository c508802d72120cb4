"""Cards that lie: whatever a card answers to any method of any applet, the host returns or raises a
TegataError, ends soon, and spends no PIN or key try more than it was asked for.

Each run plays a whole conversation with a simulated card and changes answers from a seeded point on. The
slice runs always, ``campaign`` for minutes (``TEGATA_CAMPAIGN_SEEDS`` sets how many seeds).
"""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from functools import cache, partial
from unicodedata import category

import pytest

from tegata.apdu import Secret
from tegata.apdu.authenticity import Verdict
from tegata.apdu.card import Card
from tegata.apdu.errors import TegataError
from tegata.apdu.pin import pin_status
from tegata.apdu.ports import KeySet, LinkInfo
from tegata.apdu.session import HandSession
from tegata.apdu.tlv import Tlv
from tegata.apdu.trace import RecordingLink
from tegata.applets.free_space_id.host import FreeSpaceId
from tegata.applets.jpki import model as jpki_model
from tegata.applets.jpki.host import Jpki
from tegata.applets.jpki.model import JpkiKey
from tegata.applets.juki.host import JukiApplication
from tegata.applets.juki.model import PIN as JUKI_PIN
from tegata.applets.mynumber_common.host import CommonApplication, card_serial, is_my_number_card
from tegata.applets.mynumber_common.model import PIN as COMMON_PIN
from tegata.applets.mynumber_probe import plan, probe
from tegata.applets.mynumber_text import model as text_model
from tegata.applets.mynumber_text.host import TextApplication
from tegata.applets.mynumber_visual import model as visual_model
from tegata.applets.mynumber_visual.host import VisualApplication
from tegata.applets.piv.host import Piv
from tegata.applets.piv.model import Algorithm
from tegata.applets.security_domain.host import SecurityDomain
from tegata.applets.security_domain.model import SSD_MODULE, SSD_PACKAGE, Privilege
from tegata.applets.security_domain.model.dgi import Dgi
from tegata.simulators.card import MemoryStore, SimulatedCard
from tegata.simulators.card.device import seeded
from tegata.simulators.link import SimulatedLink

from .desk import DIVERSIFIER, PIN, PUK, RECORD, Desk, key_ring
from .lying import TEXT, VISUAL, simulated_anchors

SEEDS = 9
MOST_EXCHANGES = 3000
PIN_INSTRUCTIONS = (0x20, 0x24, 0x2C)
SSD = bytes.fromhex("F054454741544151")
Lie = Callable[[random.Random, bytes, bytes], bytes]


# Lies


STATUS_WORDS = (
    *(0x6100, 0x6101, 0x61FF, 0x6200, 0x6282, 0x6283, 0x6300, 0x6310, 0x63C0, 0x63C1, 0x63CF, 0x6700, 0x6881),
    *(0x6982, 0x6983, 0x6984, 0x6985, 0x6A80, 0x6A82, 0x6A86, 0x6A88, 0x6C00, 0x6C01, 0x6CFF, 0x6D00, 0x6F00),
    *(0x9000, 0x9100, 0x0000, 0xFFFF),
)


def _status(rng: random.Random, answer: bytes) -> bytes:
    return answer[:-2] + rng.choice((*STATUS_WORDS, rng.randrange(0x10000))).to_bytes(2, "big")


def _nothing(rng: random.Random, answer: bytes) -> bytes:
    return rng.randbytes(rng.randrange(2))


def _bare(rng: random.Random, answer: bytes) -> bytes:
    return answer[-2:]


def _cut(rng: random.Random, answer: bytes) -> bytes:
    return answer[: rng.randrange(len(answer))][:-2] + answer[-2:]


def _more(rng: random.Random, answer: bytes) -> bytes:
    return answer[:-2] + rng.randbytes(rng.choice((1, 2, 16, 200, 70000))) + answer[-2:]


def _flip(rng: random.Random, answer: bytes) -> bytes:
    changed = bytearray(answer)
    for _ in range(rng.choice((1, 1, 3))):
        place = rng.randrange(max(1, len(changed) - 2))
        changed[place] = rng.choice(
            (0x00, 0x80, 0x81, 0x84, 0xFF, 0x1F, changed[place] ^ 1 << rng.randrange(8))
        )
    return bytes(changed)


def _nested(rng: random.Random, answer: bytes) -> bytes:
    value, tag = b"", rng.choice((0x6F, 0x7C, 0x7F49, 0xE3, 0x53, 0xFF20))
    while len(value) < 3000:
        value = bytes(Tlv(tag, value))
    return value + b"\x90\x00"


def _other_object(rng: random.Random, answer: bytes) -> bytes:
    """A well-formed object where another is expected."""
    inner = Tlv(
        rng.choice((0x80, 0x81, 0x82, 0x84, 0x86, 0x70, 0x9F65, 0x4F)), rng.randbytes(rng.randrange(70))
    )
    outer = rng.choice((0x61, 0x6F, 0x7C, 0x7F49, 0x53, 0xE3, 0xE0, 0x66, 0x9F7F, 0x30, 0xFF20))
    return bytes(Tlv.build(outer, (inner,) * rng.randrange(3))) + b"\x90\x00"


LIES = (_status, _status, _nothing, _bare, _cut, _more, _flip, _flip, _nested, _other_object)


@dataclass
class LyingLink:
    """A card that is honest until exchange ``start`` and lies from there on, once or always."""

    honest: SimulatedLink
    rng: random.Random
    start: int | None = None
    once: bool = True
    memory: dict[str, bytes] = field(default_factory=dict)
    sent: list[bytes] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=lambda: [b"\x90\x00"])

    @property
    def atr(self) -> bytes:
        raw = self.honest.atr
        return raw if self.start is None else _flip(self.rng, raw)

    @property
    def info(self) -> LinkInfo:
        return self.honest.info

    def transmit(self, command: bytes) -> bytes:
        self.sent.append(command)
        assert len(self.sent) <= MOST_EXCHANGES, "the host does not come to an end"
        answer = self.honest.transmit(command)
        number = len(self.sent) - 1
        if self.start is not None and (number == self.start or (number > self.start and not self.once)):
            answer = self._lie(answer)
        self.answers.append(answer)
        return answer

    def _lie(self, answer: bytes) -> bytes:
        if self.rng.random() < 0.1:
            return self.rng.choice(self.answers)
        return self.rng.choice(LIES)(self.rng, answer)

    def reset(self) -> None:
        self.honest.reset()

    def close(self, reset: bool = True) -> None:
        self.honest.close(reset)

    def exclusive(self) -> AbstractContextManager[None]:
        return self.honest.exclusive()

    def spent(self) -> tuple[int, int]:
        """PINs and host cryptograms that went to the card."""
        commands = [raw for raw in self.sent if len(raw) > 5]
        pins = sum(raw[0] & 0xE0 == 0 and raw[1] in PIN_INSTRUCTIONS for raw in commands)
        return pins, sum(raw[0] & 0x84 == 0x84 and raw[1] == 0x82 for raw in commands)


# Conversations


ANCHORS = cache(simulated_anchors)


def jpki(card: Card, desk: Desk) -> None:
    application = Jpki(card)
    application.select()
    application.token_info()
    for key, pin in ((JpkiKey.AUTHENTICATION, "1234"), (JpkiKey.SIGNATURE, "ABC123")):
        application.tries(key)
        application.verify(key, Secret.from_text(pin), allow_last_try=True)
        application.certificate(key)
        application.ca_certificate(key)
        application.sign(key, b"message")


def text(card: Card, desk: Desk) -> None:
    application = TextApplication(card)
    application.select()
    application.tries()
    application.verify(Secret(b"1234"), allow_last_try=True)
    found = application.attributes()
    assert all(category(character) not in ("Cc", "Cf", "Cs") for character in found.name + found.address)


def holder(card: Card) -> dict[str, bytes]:
    """What the card really holds, whatever it says."""
    link = card.link
    while isinstance(link, RecordingLink):
        link = link.recorded
    assert isinstance(link, LyingLink)
    return link.memory


def text_in_full(card: Card, desk: Desk) -> None:
    """What decides whether the text is genuine, and the number."""
    application = TextApplication(card)
    application.select()
    application.verify(Secret(b"1234"), allow_last_try=True)
    found, signed = application.attributes(), application.check_attributes(ANCHORS())
    if signed.verdict is Verdict.ANCHORED:
        assert found == text_model.Attributes.parse(holder(card)[f"{TEXT}/ef/0002"]), "never signed"
    application.basic_info()
    application.check_key(ANCHORS())
    with application.my_number("test") as number:
        checked = application.check_number(number, ANCHORS())
        if checked.verdict is Verdict.ANCHORED:
            assert text_model.my_number_file(number.reveal()) == holder(card)[f"{TEXT}/ef/0001"]


def visual(card: Card, desk: Desk) -> None:
    true, pins = visual_model.CardFace.parse(holder(card)[f"{VISUAL}/ef/0002"]), holder(card)
    application = VisualApplication(card)
    application.select()
    number = Secret(pins[f"{VISUAL}/pin/0012"])
    application.pins.verify(visual_model.CHECK_NUMBER_B, number, allow_last_try=True)
    face = application.card_face()
    if application.check_face(ANCHORS()).verdict is Verdict.ANCHORED:
        assert (face.birth, face.sex, face.photo) == (true.birth, true.sex, true.photo), "never signed"
    application.basic_info()
    application.check_key(ANCHORS())
    birth = Secret(pins[f"{VISUAL}/pin/0011"])
    application.pins.verify(visual_model.BIRTH_PIN, birth, allow_last_try=True)
    application.age_record()
    application.check_age(ANCHORS())


def juki(card: Card, desk: Desk) -> None:
    application = JukiApplication(card)
    application.select()
    application.key_reference()
    application.pins.tries(JUKI_PIN)
    application.pins.verify(JUKI_PIN, Secret(b"1234"), allow_last_try=True)


def common_in_full(card: Card, desk: Desk) -> None:
    application = CommonApplication(card)
    application.select()
    application.serial()
    application.key_reference()
    assert application.check_key().verdict in (Verdict.UNKNOWN, Verdict.INVALID)
    application.pins.tries(COMMON_PIN)


def all_tries(card: Card, desk: Desk) -> None:
    pin_status(card, (*jpki_model.PINS, *text_model.PINS, *visual_model.PINS, JUKI_PIN, COMMON_PIN))


def probing(card: Card, desk: Desk) -> None:
    json.dumps(probe(card, plan((*jpki_model.PINS, *text_model.PINS, *visual_model.PINS))))


def common(card: Card, desk: Desk) -> None:
    if is_my_number_card(card):
        card_serial(card)


def free_space(card: Card, desk: Desk) -> None:
    application = FreeSpaceId(card)
    identity = application.read()
    application.authenticate(bytes(range(32)))
    application.authenticate(bytes(range(32)), identity)


def domain_in_the_open(card: Card, desk: Desk) -> None:
    domain = SecurityDomain(card)
    domain.select()
    domain.cplc()
    domain.cin()
    domain.iin()
    domain.key_versions()
    domain.card_data()


def domain_in_a_channel(card: Card, desk: Desk, *, level: int) -> None:
    """All that a security domain can be asked, on the card of a finished badge."""
    domain = SecurityDomain(card)
    domain.select()
    domain.open(desk.ring, desk.maker_keys, level=level)
    domain.registry()
    domain.install(SSD_PACKAGE, SSD_MODULE, SSD, privileges=Privilege.SECURITY_DOMAIN, selectable=False)
    domain.make_selectable(SSD)
    domain.install_for_personalization(SSD)
    domain.store_data(domain.key_set_groupings(desk.ring, gp_keys(desk, 1)))
    domain.store_objects([Tlv(0x45, b"CARD-0001"), Tlv(0x42, b"ISSUER")])
    domain.store_data([Dgi(0x0070, bytes(Tlv(0x45, b"CARD-0002")))])
    domain.put_key_set(desk.ring, gp_keys(desk, 2))
    domain.delete_key_set(2)
    domain.set_locked(SSD, locked=True)
    domain.delete(SSD)
    domain.set_card_state(0x07)


def gp_keys(desk: Desk, version: int) -> KeySet:
    return KeySet(
        version,
        *(
            desk.ring.refer(
                "badges", scheme="sp800-108-cmac", diversification=b"card", version=version, usage=usage
            )
            for usage in ("enc", "mac", "dek")
        ),
    )


def piv(card: Card, desk: Desk) -> None:
    application = Piv(card)
    application.select()
    application.tries()
    application.has_key(0x9A)
    application.verify(Secret(PIN), allow_last_try=True)
    application.get_object(0x5FC109)
    application.certificate()
    application.sign_digest(0x9A, bytes(32))
    application.change_pin(Secret(PIN), Secret(b"654321"), allow_last_try=True)
    application.unblock_pin(Secret(PUK), Secret(PIN))
    application.authenticate_management(desk.ring, desk.piv_key("piv-9b"))
    application.generate(0x9D, Algorithm.P384)
    application.put_object(0x5FC10B, bytes(600))


def door(card: Card, desk: Desk) -> None:
    assert desk.door().read(card) == RECORD


def layers(card: Card, desk: Desk) -> None:
    other = card.open_channel()
    other.select(bytes.fromhex("A000000151000000"))
    other.close()
    session = HandSession(card.link, simulated=True)
    for line in ("atr", "select ISD", "80CA9F7F00", "80CA006600", "00B0000000", "reset"):
        session.line(line)


MY_NUMBER = {
    "jpki": jpki,
    "text": text,
    "text in full": text_in_full,
    "visual": visual,
    "juki": juki,
    "common": common,
    "common in full": common_in_full,
    "all tries": all_tries,
    "probe": probing,
    "free space": free_space,
}
COMPANY = {
    "domain": domain_in_the_open,
    "domain without R-MAC": partial(domain_in_a_channel, level=0x01),
    "domain with C-ENC": partial(domain_in_a_channel, level=0x03),
    "domain with R-MAC": partial(domain_in_a_channel, level=0x33),
    "PIV": piv,
    "door": door,
    "layers": layers,
}
CONVERSATIONS: dict[str, Callable[[Card, Desk], None]] = {**MY_NUMBER, **COMPANY}


@dataclass
class Stage:
    """Both cards, ready to be forked, and a desk that knows the keys of the company's."""

    my_number: dict[str, bytes]
    company: dict[str, bytes]
    desk: Desk

    def link(self, name: str, rng: random.Random, start: int | None, *, once: bool = True) -> LyingLink:
        memory = self.my_number if name in MY_NUMBER else self.company
        card = SimulatedCard(MemoryStore(memory), entropy=seeded(b"liar"))
        return LyingLink(SimulatedLink(card), rng, start, once, memory)

    def run(self, name: str, seed: int, length: int) -> LyingLink:
        rng = random.Random(f"{name} {seed}")  # noqa: S311 - lies are to be repeated
        link = self.link(name, rng, rng.randrange(length), once=rng.random() < 0.7)
        with suppress(TegataError):
            CONVERSATIONS[name](Card(link), self.desk)
        return link


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, my_number_memory: dict[str, bytes]) -> Stage:
    desk = Desk(key_ring(tmp_path_factory.mktemp("ring")))
    desk.issue_piv()
    desk.issue_badge()
    assert isinstance(desk.store, MemoryStore)
    assert DIVERSIFIER in desk.store.content.values()
    return Stage(my_number_memory, dict(desk.store.content), desk)


def honest(stage: Stage, name: str) -> LyingLink:
    link = stage.link(name, random.Random(0), None)  # noqa: S311 - never used
    CONVERSATIONS[name](Card(link), stage.desk)
    return link


@pytest.mark.parametrize("name", CONVERSATIONS)
def test_a_lying_card_is_told_in_one_sentence(stage: Stage, name: str) -> None:
    truth = honest(stage, name)
    for seed in range(SEEDS):
        link = stage.run(name, seed, len(truth.sent))
        assert all(lied <= asked for lied, asked in zip(link.spent(), truth.spent(), strict=True)), seed


@pytest.mark.campaign
@pytest.mark.parametrize("name", CONVERSATIONS)
def test_lying_cards_for_long(stage: Stage, name: str) -> None:
    truth = honest(stage, name)
    first = 1_000
    for seed in range(first, first + int(os.environ.get("TEGATA_CAMPAIGN_SEEDS", "2000"))):
        link = stage.run(name, seed, len(truth.sent))
        assert all(lied <= asked for lied, asked in zip(link.spent(), truth.spent(), strict=True)), seed
