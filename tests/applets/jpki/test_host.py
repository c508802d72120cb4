"""The host side of JPKI: on a simulated card, and against cards that lie."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from tegata.apdu import (
    CardError,
    Command,
    InputError,
    MalformedResponse,
    PinBlocked,
    PinError,
    Response,
    Secret,
    StatusError,
)
from tegata.apdu.card import Card, CardProfile
from tegata.applets.jpki.host import Jpki, JpkiKey
from tegata.simulators.card import MemoryStore, SimulatedCard
from tegata.simulators.card.policy import MY_NUMBER_CARD
from tegata.simulators.link import SimulatedLink

Lie = Callable[[Command, bytes], bytes]
LONG_WAY = partial(CardProfile, extended=False, sfi=False, reference_by_sfi=False)
PINS = {JpkiKey.AUTHENTICATION: b"1234", JpkiKey.SIGNATURE: b"abc123"}


class LyingLink(SimulatedLink):
    """A card whose answers somebody changes on their way, and who counts VERIFY commands with a PIN."""

    def __init__(self, card: SimulatedCard, lie: Lie) -> None:
        super().__init__(card)
        self._lie = lie
        self.pins_sent = 0
        self.commands = 0

    def transmit(self, command: bytes) -> bytes:
        parsed = Command.parse(command)
        self.commands += 1
        self.pins_sent += parsed.ins == 0x20 and bool(parsed.data)
        return self._lie(parsed, super().transmit(command))


def _open(card: SimulatedCard, lie: Lie = lambda command, answer: answer) -> tuple[Jpki, LyingLink]:
    link = LyingLink(card, lie)
    jpki = Jpki(Card(link))
    jpki.select()
    return jpki, link


@pytest.mark.parametrize("key", list(JpkiKey))
@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "sha384", "sha512"])
def test_signatures_verify_in_openssl(
    my_number_card: SimulatedCard, tmp_path: Path, key: JpkiKey, algorithm: str
) -> None:
    jpki, _ = _open(my_number_card)
    jpki.verify(key, Secret(PINS[key]))
    (tmp_path / "signature").write_bytes(jpki.sign(key, b"message", algorithm))
    command = ["openssl", "x509", "-inform", "der", "-noout", "-pubkey"]
    public = subprocess.run(command, input=jpki.certificate(key), capture_output=True, check=True).stdout
    (tmp_path / "public.pem").write_bytes(public)
    command = ["openssl", "dgst", f"-{algorithm}", "-verify", "public.pem", "-signature", "signature"]
    done = subprocess.run(command, cwd=tmp_path, input=b"message", capture_output=True, check=False)
    assert done.stdout == b"Verified OK\n"


def test_the_commands_are_those_of_other_clients(my_number_card: SimulatedCard) -> None:
    seen: list[str] = []

    class Recorder:
        def record(self, command: Command, response: Response) -> None:
            seen.append(bytes(command).hex().upper())

    jpki = Jpki(Card(SimulatedLink(my_number_card), profile=LONG_WAY(), recorder=Recorder()))
    jpki.select()
    jpki.verify(JpkiKey.AUTHENTICATION, Secret(b"1234"))
    assert seen == [
        "00A4040C0AD392F000260100000001",
        "00A4020C020018",
        "00200080",
        "002000800431323334",
    ]
    jpki.sign(JpkiKey.AUTHENTICATION, b"abc")
    assert seen[4:6] == ["00A4020C02000A", "00B0000000"]
    assert seen[-2:] == [
        "00A4020C020017",
        "802A0080333031300D060960864801650304020105000420"
        "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD00",
    ]


def test_the_short_way_is_five_commands(my_number_card: SimulatedCard) -> None:
    seen: list[str] = []

    class Recorder:
        def record(self, command: Command, response: Response) -> None:
            seen.append(bytes(command).hex().upper())

    jpki = Jpki(Card(SimulatedLink(my_number_card), recorder=Recorder()))
    jpki.select()
    jpki.verify(JpkiKey.AUTHENTICATION, Secret(b"1234"))
    jpki.sign(JpkiKey.AUTHENTICATION, b"abc")
    assert seen == [
        "00A4040C0AD392F000260100000001",
        "00200098",
        "002000980431323334",
        "00B08A00000000",
        "802A0097333031300D060960864801650304020105000420"
        "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD00",
    ]


def test_what_is_read_is_what_the_card_holds(
    my_number_card: SimulatedCard, my_number_memory: dict[str, bytes]
) -> None:
    jpki, _ = _open(my_number_card)
    files = "app/d392f000260100000001/ef/"
    assert jpki.token_info().label == "JPKIAPICCTOKEN2"
    assert jpki.certificate(JpkiKey.AUTHENTICATION) == my_number_memory[files + "000a"]
    assert jpki.ca_certificate(JpkiKey.AUTHENTICATION) == my_number_memory[files + "000b"]
    assert jpki.ca_certificate(JpkiKey.SIGNATURE) == my_number_memory[files + "0002"]
    with pytest.raises(StatusError) as caught:
        jpki.certificate(JpkiKey.SIGNATURE)
    assert caught.value.sw == 0x6982
    jpki.verify(JpkiKey.SIGNATURE, Secret(b"ABC123"))
    assert jpki.certificate(JpkiKey.SIGNATURE) == my_number_memory[files + "0001"]


def test_a_card_without_jpki(my_number_memory: dict[str, bytes]) -> None:
    without = {key: value for key, value in my_number_memory.items() if "d392f0002601" not in key}
    with pytest.raises(CardError) as caught:
        Jpki(Card(SimulatedLink(SimulatedCard(MemoryStore(without))))).select()
    assert caught.value.code == "jpki.not_here"


def test_a_card_without_a_signature_certificate(my_number_memory: dict[str, bytes]) -> None:
    child = my_number_memory | {"app/d392f000260100000001/ef/0001": b""}
    jpki, _ = _open(SimulatedCard(MemoryStore(child)))
    jpki.verify(JpkiKey.SIGNATURE, Secret(b"ABC123"))
    with pytest.raises(CardError) as caught:
        jpki.certificate(JpkiKey.SIGNATURE)
    assert caught.value.code == "jpki.no_certificate"


def test_no_signature_without_pin(my_number_card: SimulatedCard) -> None:
    jpki, _ = _open(my_number_card)
    with pytest.raises(StatusError) as caught:
        jpki.sign(JpkiKey.AUTHENTICATION, b"message")
    assert caught.value.sw == 0x6982


def test_asking_spends_nothing(my_number_card: SimulatedCard) -> None:
    jpki, link = _open(my_number_card)
    assert [jpki.tries(key) for key in JpkiKey for _ in range(5)] == [3] * 5 + [5] * 5
    assert link.pins_sent == 0


@pytest.mark.parametrize("pin", [b"123", b"12345", b"abcd", b"", b"12 4"])
def test_a_pin_of_the_wrong_form_never_reaches_the_card(my_number_card: SimulatedCard, pin: bytes) -> None:
    jpki, link = _open(my_number_card)
    before = link.commands
    with pytest.raises(InputError) as caught:
        jpki.verify(JpkiKey.AUTHENTICATION, Secret(pin))
    assert caught.value.code == "pin.format"
    assert link.commands == before
    assert not pin or pin.decode() not in str(caught.value)


def test_the_last_try_is_the_holders_decision(my_number_card: SimulatedCard) -> None:
    jpki, link = _open(my_number_card)
    for left in (2, 1):
        with pytest.raises(PinError) as caught:
            jpki.verify(JpkiKey.AUTHENTICATION, Secret(b"0000"))
        assert (caught.value.code, caught.value.retries_left) == ("pin.wrong", left)
    sent = link.pins_sent
    with pytest.raises(PinError) as caught:
        jpki.verify(JpkiKey.AUTHENTICATION, Secret(b"1234"))
    assert caught.value.code == "pin.last_try"
    assert link.pins_sent == sent
    with pytest.raises(PinBlocked):
        jpki.verify(JpkiKey.AUTHENTICATION, Secret(b"0000"), allow_last_try=True)
    with pytest.raises(PinBlocked):
        jpki.verify(JpkiKey.AUTHENTICATION, Secret(b"1234"), allow_last_try=True)
    assert jpki.tries(JpkiKey.AUTHENTICATION) == 0
    assert link.pins_sent == sent + 1


def test_the_last_try_is_kept_on_a_card_that_answers_9000_once_verified(
    my_number_memory: dict[str, bytes],
) -> None:
    policy = replace(MY_NUMBER_CARD, verified_query_answers_9000=True, failed_verify_clears_status=False)
    jpki, link = _open(SimulatedCard(MemoryStore(my_number_memory | {"card/policy": policy.to_bytes()})))
    jpki.verify(JpkiKey.AUTHENTICATION, Secret(b"1234"))
    for _ in range(2):
        with pytest.raises(PinError):
            jpki.verify(JpkiKey.AUTHENTICATION, Secret(b"0000"))
    sent = link.pins_sent
    with pytest.raises(PinError) as caught:
        jpki.verify(JpkiKey.AUTHENTICATION, Secret(b"0000"))
    assert caught.value.code == "pin.last_try"
    assert link.pins_sent == sent


def test_a_right_last_try_gives_all_back(my_number_card: SimulatedCard) -> None:
    jpki, _ = _open(my_number_card)
    for _ in range(2):
        with pytest.raises(PinError):
            jpki.verify(JpkiKey.AUTHENTICATION, Secret(b"0000"))
    jpki.verify(JpkiKey.AUTHENTICATION, Secret(b"1234"), allow_last_try=True)
    assert jpki.tries(JpkiKey.AUTHENTICATION) == 3


@pytest.mark.parametrize(("sw", "tries"), [("9000", 3), ("6983", 0), ("6984", 0), ("63C0", 0), ("63C2", 2)])
def test_ways_to_tell_the_tries(my_number_card: SimulatedCard, sw: str, tries: int) -> None:
    jpki, _ = _open(my_number_card, _instead(0x20, bytes.fromhex(sw)))
    assert jpki.tries(JpkiKey.AUTHENTICATION) == tries


@pytest.mark.parametrize("sw", ["6300", "6700", "6A88", "6F00"])
def test_other_answers_to_the_question_are_errors(my_number_card: SimulatedCard, sw: str) -> None:
    jpki, link = _open(my_number_card, _instead(0x20, bytes.fromhex(sw)))
    with pytest.raises(StatusError):
        jpki.verify(JpkiKey.AUTHENTICATION, Secret(b"1234"))
    assert link.pins_sent == 0


def test_a_signature_that_does_not_verify_never_leaves(my_number_card: SimulatedCard) -> None:
    flipped = _changing(0x2A, lambda answer: bytes((answer[0] ^ 1,)) + answer[1:])
    jpki, _ = _open(my_number_card, flipped)
    jpki.verify(JpkiKey.AUTHENTICATION, Secret(b"1234"))
    with _malformed():
        jpki.sign(JpkiKey.AUTHENTICATION, b"message")


@pytest.mark.parametrize("length", [0, 1, 255])
def test_a_short_signature_never_leaves(my_number_card: SimulatedCard, length: int) -> None:
    jpki, _ = _open(my_number_card, _changing(0x2A, lambda answer: answer[:length] + answer[-2:]))
    jpki.verify(JpkiKey.AUTHENTICATION, Secret(b"1234"))
    with _malformed():
        jpki.sign(JpkiKey.AUTHENTICATION, b"message")


@pytest.mark.parametrize(
    "answer",
    [
        "9000",  # nothing
        "309000",  # a tag alone
        "30829000",
        "3080" + "00" * 20 + "9000",  # indefinite length
        "3084FFFFFFFF" + "00" * 20 + "9000",  # four gigabytes
        "30822001" + "00" * 252 + "9000",  # more than a certificate has
        "308200FC" + "00" * 252 + "9000",  # not a certificate
        "300100" + "9000",
        "FF" * 256 + "9000",
    ],
)
def test_a_file_that_lies_about_itself(my_number_card: SimulatedCard, answer: str) -> None:
    jpki, link = _open(my_number_card, _instead(0xB0, bytes.fromhex(answer)))
    with _malformed():
        jpki.certificate(JpkiKey.AUTHENTICATION)
    assert link.commands < 300


def test_a_card_that_drips_bytes(my_number_card: SimulatedCard) -> None:
    jpki, link = _open(my_number_card, _changing(0xB0, lambda answer: answer[:6] + answer[-2:]))
    with _malformed():
        jpki.certificate(JpkiKey.AUTHENTICATION)
    assert link.commands < 300


def test_a_length_written_longer_than_needed(my_number_card: SimulatedCard) -> None:
    jpki, _ = _open(my_number_card)
    der = jpki.certificate(JpkiKey.AUTHENTICATION)
    long = bytes.fromhex("3083") + (len(der) - 4).to_bytes(3, "big") + der[4:]
    path = "app/d392f000260100000001/ef/000a"
    changed = SimulatedCard(MemoryStore({**my_number_card.store.content, path: long + b"\xff" * 40}))
    reread, link = _open(changed)
    reread.card.profile.extended = False
    # the reader of the file takes the length as it stands; a strict DER parser may then refuse the content
    with pytest.raises(MalformedResponse, match="not a certificate"):
        reread.certificate(JpkiKey.AUTHENTICATION)
    assert link.commands > len(long) // 256


def test_token_info_of_a_liar(my_number_card: SimulatedCard) -> None:
    jpki, _ = _open(my_number_card, _changing(0xB0, lambda answer: b"\xff" * (len(answer) - 2) + answer[-2:]))
    with _malformed():
        jpki.token_info()


def test_digests_that_do_not_fit(my_number_card: SimulatedCard) -> None:
    jpki, link = _open(my_number_card)
    before = link.commands
    with pytest.raises(ValueError, match="32 or 48 bytes"):
        jpki.sign_digest(JpkiKey.AUTHENTICATION, hashlib.sha1(b"").digest())  # noqa: S324 - its length matters
    with pytest.raises(ValueError, match="hash algorithms"):
        jpki.sign(JpkiKey.AUTHENTICATION, b"", "md5")
    assert link.commands == before


def test_recorders_never_see_a_pin_or_the_signature_certificate(my_number_card: SimulatedCard) -> None:
    seen: list[tuple[Command, Response]] = []

    class Recorder:
        def record(self, command: Command, response: Response) -> None:
            seen.append((command, response))

    jpki = Jpki(Card(SimulatedLink(my_number_card), profile=LONG_WAY(), recorder=Recorder()))
    jpki.select()
    jpki.verify(JpkiKey.SIGNATURE, Secret(b"abc123"))
    jpki.certificate(JpkiKey.SIGNATURE)
    shown = "".join(command.marked(command.data) for command, _ in seen)
    assert b"ABC123".hex().upper() not in shown
    reads = [command for command, _ in seen if command.ins == 0xB0]
    assert len(reads) > 5
    assert all(command.secret_answer == ((0, None),) for command in reads)


def _instead(ins: int, answer: bytes) -> Lie:
    return lambda command, true: answer if command.ins == ins else true


def _changing(ins: int, change: Callable[[bytes], bytes]) -> Lie:
    return lambda command, true: change(true) if command.ins == ins and true[-2:] == b"\x90\x00" else true


@contextmanager
def _malformed() -> Iterator[None]:
    with pytest.raises(MalformedResponse):
        yield
