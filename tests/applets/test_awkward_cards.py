"""Cards with one well-chosen oddity each: certificates that nobody can read, texts that steer a terminal,
lengths that cannot be kept."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from tegata.apdu import Secret
from tegata.apdu.card import Card
from tegata.apdu.certificate import read_certificate
from tegata.apdu.errors import CardError, MalformedResponse, PinError
from tegata.apdu.ports import LinkInfo, TransmissionProtocol
from tegata.apdu.tlv import Tlv
from tegata.applets.jpki.host import Jpki
from tegata.applets.jpki.model import JpkiKey
from tegata.applets.mynumber_common.model import CardSerial
from tegata.applets.mynumber_text.host import TextApplication
from tegata.applets.mynumber_text.model import Attributes
from tegata.applets.piv.host import Piv
from tegata.applets.piv.objects import CertificateObject
from tegata.applets.security_domain.host import SecurityDomain
from tegata.applets.security_domain.model.dgi import Dgi
from tegata.simulators.card import MemoryStore, SimulatedCard
from tegata.simulators.card.kernel import Outcome, Ram, Write
from tegata.simulators.link import SimulatedLink

from .desk import PIN, Desk, certify, key_ring

EC_PUBLIC_KEY = bytes.fromhex("06072A8648CE3D0201")


def der(key: object) -> bytes:
    certificate: x509.Certificate = certify(key)
    return certificate.public_bytes(Encoding.DER)


def p256() -> bytes:
    return der(ec.generate_private_key(ec.SECP256R1()).public_key())


def version_two() -> bytes:
    return p256().replace(bytes.fromhex("A003020102"), bytes.fromhex("A003020103"), 1)


def no_serial_number() -> bytes:
    return p256().replace(bytes.fromhex("02021267"), bytes.fromhex("02020000"), 1)


def unknown_key_type() -> bytes:
    return p256().replace(EC_PUBLIC_KEY, EC_PUBLIC_KEY[:-1] + b"\x77")


def other_curve() -> bytes:
    return der(ec.generate_private_key(ec.SECP521R1()).public_key())


def edwards() -> bytes:
    return der(ed25519.Ed25519PrivateKey.generate().public_key())


def short_rsa() -> bytes:
    return der(rsa.generate_private_key(65537, 1024).public_key())  # noqa: S505 - the point


AWKWARD = (version_two, no_serial_number, unknown_key_type, other_curve, edwards, short_rsa)


def test_whatever_is_wrong_with_a_certificate_is_a_value_error() -> None:
    for make in (version_two, no_serial_number, unknown_key_type, lambda: p256()[:-9], lambda: b""):
        with pytest.raises(ValueError):
            read_certificate(make())
    certificate, key = read_certificate(p256())
    assert certificate.public_key() == key


@pytest.mark.parametrize("make", AWKWARD)
def test_piv_certificate_that_does_not_fit(make: Callable[[], bytes], tmp_path: object) -> None:
    desk = Desk(key_ring(tmp_path))  # type: ignore[arg-type] # a Path
    desk.issue_piv()
    desk.piv().authenticate_management(desk.ring, desk.piv_key("piv-9b"))
    Piv(desk.card).put_object(0x5FC105, bytes(CertificateObject(make())))
    application = desk.piv()
    application.verify(Secret(PIN))
    with pytest.raises(MalformedResponse):
        application.sign_digest(0x9A, bytes(32))


@pytest.mark.parametrize("make", AWKWARD)
def test_jpki_certificate_that_does_not_fit(
    make: Callable[[], bytes], my_number_memory: dict[str, bytes]
) -> None:
    names = [name for name in my_number_memory if name.endswith("d392f000260100000001/ef/000a")]
    memory = {**my_number_memory, names[0]: make()}
    application = Jpki(Card(SimulatedLink(SimulatedCard(MemoryStore(memory)))))
    application.select()
    with pytest.raises(MalformedResponse):
        application.certificate(JpkiKey.AUTHENTICATION)


@pytest.mark.parametrize("name", ["仮名\x1b]0;owned\x07", "a\r\nb", "\u202egnp.exe", "\ud800"])
def test_names_that_steer_a_terminal_are_refused(name: str) -> None:
    birth = datetime.date(1996, 5, 2)
    raw = bytes(Attributes("仮名　花子", "東京都", birth, "2"))
    good = Tlv.parse(raw)
    parts = [
        Tlv(0xDF22, name.encode("utf-8", "surrogatepass")) if part.tag == 0xDF22 else part
        for part in good.children
    ]
    assert Attributes.parse(raw).name == "仮名　花子"
    with pytest.raises(ValueError):
        Attributes.parse(bytes(Tlv.build(good.tag, parts)))


def test_a_sex_that_is_none_is_refused() -> None:
    attributes = Attributes("a", "b", datetime.date(1996, 5, 2), "<b>")
    with pytest.raises(ValueError, match="sex"):
        Attributes.parse(bytes(attributes))


class Script:
    """A card that answers by instruction, the last answer of each again and again."""

    atr = b""
    info = LinkInfo("script", TransmissionProtocol.T1)

    def __init__(self, **answers: list[str]) -> None:
        self.answers = {int(ins[1:], 16): list(values) for ins, values in answers.items()}

    def transmit(self, command: bytes) -> bytes:
        values = self.answers.get(command[1], ["9000"])
        return bytes.fromhex(values.pop(0) if len(values) > 1 else values[0])

    def reset(self) -> None: ...
    def close(self, reset: bool = True) -> None: ...
    def exclusive(self) -> AbstractContextManager[None]:
        return nullcontext()


def test_a_domain_that_takes_one_byte_a_block_is_told() -> None:
    domain = SecurityDomain(Card(Script(xA4=["6F06A5049F6501019000"])))
    assert domain.select().max_data == 1
    with pytest.raises(CardError) as caught:
        domain.store_data([Dgi(0x0101, bytes(300))])
    assert caught.value.code == "gp.too_many_blocks"


def test_the_last_try_of_the_text_application_is_not_spent_on_a_card_that_hides_it() -> None:
    """It answers 9000 to the question for tries once a PIN was right, whatever was wrong since."""
    verify = ["63C3", "9000", "9000", "63C2", "9000", "63C1", "9000"]
    application = TextApplication(Card(Script(x20=verify)))
    application.verify(Secret(b"1234"))
    for left in (2, 1):
        with pytest.raises(PinError) as caught:
            application.verify(Secret(b"4321"))
        assert (caught.value.retries_left, caught.value.code) == (left, "pin.wrong")
    with pytest.raises(PinError) as caught:
        application.verify(Secret(b"4321"))
    assert caught.value.code == "pin.last_try"


def test_personal_data_is_not_printed_with_its_object() -> None:
    attributes = Attributes("仮名", "東京都", datetime.date(1996, 5, 2), "2")
    serial = CardSerial("123456789012345", "13101", "20340502")
    assert "仮名" not in repr(attributes)
    assert "1996" not in repr(attributes)
    assert "12345" not in repr(serial)
    assert "1234" not in repr(Write("pin/0018", b"1234")) + repr(Outcome(b"1234", Ram(), (), Counter()))
