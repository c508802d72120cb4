"""The employee ID from blank card to signature, over SCP03 and 9B."""

from __future__ import annotations

import hashlib
from datetime import date

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from tegata.apdu import Command, Secret
from tegata.apdu.errors import CardError, CardRemoved, InputError, PinBlocked, PinError, StatusError
from tegata.applets.piv.host import Piv, personalization
from tegata.applets.piv.model import INSTANCE_AID as AID
from tegata.applets.piv.model import Algorithm, Dgi
from tegata.applets.piv.objects import CertificateObject, Chuid, PrintedInformation
from tegata.simulators.card import LifeCycle, MemoryStore, PowerCut

from ..desk import GUID, PIN, PUK, Desk, certify

WRONG = b"999999"


def life_cycle(desk: Desk) -> int | None:
    desk.open()
    return next((entry.life_cycle for entry in desk.domain.registry() if entry.aid == AID), None)


def test_a_whole_issuance_ends_with_a_signature(desk: Desk) -> None:
    certificate = desk.issue_piv()
    application = desk.piv()
    assert application.certificate() == certificate
    assert Chuid.parse(application.get_object(0x5FC102) or b"").guid == GUID
    with pytest.raises(StatusError):
        application.get_object(0x5FC109)
    digest = hashlib.sha256(b"contract").digest()
    with pytest.raises(StatusError):
        application.sign_digest(0x9A, digest)
    assert application.tries() == 5
    application.verify(Secret(PIN))
    assert application.tries() is None
    signature = application.sign_digest(0x9A, digest)
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(signature, digest, ec.ECDSA(Prehashed(SHA256())))
    assert PrintedInformation.parse(application.get_object(0x5FC109) or b"").name == "YAMADA TARO"
    assert life_cycle(desk) == LifeCycle.PERSONALIZED


def test_no_piv_on_a_blank_card(desk: Desk) -> None:
    with pytest.raises(CardError) as absent:
        Piv(desk.card).select()
    assert absent.value.code == "piv.absent"


def test_tries_are_the_holders(desk: Desk) -> None:
    desk.issue_piv()
    application = desk.piv()
    with pytest.raises(InputError):
        application.verify(Secret(b"12345"))
    for left in (4, 3, 2, 1):
        with pytest.raises(PinError) as wrong:
            application.verify(Secret(WRONG))
        assert wrong.value.retries_left == left
    with pytest.raises(PinError) as last:
        application.verify(Secret(PIN))
    assert last.value.code == "pin.last_try"
    assert application.tries() == 1
    with pytest.raises(PinBlocked):
        application.verify(Secret(WRONG), allow_last_try=True)
    with pytest.raises(PinBlocked):
        application.verify(Secret(PIN), allow_last_try=True)
    application.unblock_pin(Secret(PUK), Secret(b"271828"))
    application.verify(Secret(b"271828"))
    application.change_pin(Secret(b"271828"), Secret(PIN))
    desk.repower()
    desk.piv().verify(Secret(PIN))


def test_the_last_try_is_kept_on_a_card_that_is_verified(desk: Desk) -> None:
    desk.issue_piv()
    application = desk.piv()
    application.verify(Secret(PIN))
    # One try left while the PIN still counts as verified, as a lax card could have it.
    desk.store.content[f"app/{AID.hex()}/pin-tries"] = bytes((1, 5))
    assert application.tries() is None
    with pytest.raises(PinError) as last:
        application.verify(Secret(WRONG))
    assert last.value.code == "pin.last_try"
    assert application.tries() == 1


def test_a_wrong_management_key_spends_one_exchange_and_says_so(desk: Desk) -> None:
    desk.issue_piv()
    application = desk.piv()
    with pytest.raises(CardError) as wrong:
        application.authenticate_management(desk.ring, desk.another_management_key())
    assert wrong.value.code == "piv.management_key"
    with pytest.raises(StatusError) as refused:
        application.put_object(0x5FC107, b"\xf0\x00")
    assert refused.value.sw == 0x6982


def test_rsa_in_another_slot(desk: Desk) -> None:
    desk.issue_piv()
    application = desk.piv()
    application.authenticate_management(desk.ring, desk.piv_key("piv-9b"))
    key = application.generate(0x9C, Algorithm.RSA_2048)
    application.put_object(0x5FC10A, bytes(CertificateObject(certify(key).public_bytes(Encoding.DER))))
    application.verify(Secret(PIN))
    certificate = application.certificate(0x9C)
    assert certificate is not None
    application.verify(Secret(PIN))
    digest = hashlib.sha256(b"contract").digest()
    assert len(application.sign_digest(0x9C, digest, key)) == 256
    with pytest.raises(StatusError):
        application.sign_digest(0x9C, digest, key)


def test_a_certificate_of_another_key_is_noticed(desk: Desk) -> None:
    desk.issue_piv()
    application = desk.piv()
    application.authenticate_management(desk.ring, desk.piv_key("piv-9b"))
    application.generate(0x9A)
    application.verify(Secret(PIN))
    with pytest.raises(CardError) as strange:
        application.sign_digest(0x9A, bytes(32))
    assert strange.value.code == "piv.signature"
    with pytest.raises(CardError) as none:
        application.sign_digest(0x9C, bytes(32))
    assert none.value.code == "piv.object"


def test_a_slot_tells_whether_it_holds_a_key(desk: Desk) -> None:
    desk.issue_piv()
    application = desk.piv()
    assert application.has_key(0x9A)
    assert not application.has_key(0x9A, Algorithm.P384)
    assert not application.has_key(0x9C, Algorithm.RSA_2048)
    application.verify(Secret(PIN))
    assert application.has_key(0x9A)


def test_another_guid_in_the_chuid_is_refused(desk: Desk) -> None:
    desk.issue_piv()
    application = desk.piv()
    application.authenticate_management(desk.ring, desk.piv_key("piv-9b"))
    other = type(GUID)(int=GUID.int + 1)
    with pytest.raises(StatusError) as refused:
        application.put_object(0x5FC102, bytes(Chuid(other, date(2030, 1, 1))))
    assert refused.value.sw == 0x6A80
    application.put_object(0x5FC102, bytes(Chuid(GUID, date(2031, 1, 1))))


@pytest.mark.parametrize("missing", list(Dgi))
def test_until_it_is_whole_it_refuses_everything(desk: Desk, missing: Dgi) -> None:
    desk.open()
    desk.install_piv()
    groupings = desk.piv_groupings()
    with pytest.raises(StatusError) as refused:
        desk.personalize(AID, [grouping for grouping in groupings if grouping[0] != missing])
    assert refused.value.sw == 0x6A80
    desk.piv()
    for raw in ("0020008000", "00CB3FFF055C035FC10200", "0047009A05AC03800111", "0087089B047C028000"):
        assert desk.card.send(Command.parse(bytes.fromhex(raw))).sw == 0x6985
    desk.open()
    desk.personalize(AID, groupings)
    assert desk.piv().tries() == 5
    desk.open()
    with pytest.raises(StatusError):
        desk.personalize(AID, groupings)


def test_pin_and_puk_of_the_ring(desk: Desk) -> None:
    desk.open()
    desk.install_piv()
    pin, puk = desk.piv_key("piv-pin", 6), desk.piv_key("piv-puk", 8)
    groupings = personalization(
        desk.ring,
        desk.maker_key("dek"),
        guid=GUID,
        management=desk.piv_key("piv-9b", 32),
        pin=pin,
        puk=puk,
        pin_tries=3,
    )
    desk.personalize(AID, groupings)
    application = desk.piv()
    assert application.tries() == 3
    application.verify(desk.ring.reveal_pin(pin))
    application.unblock_pin(desk.ring.reveal_pin(puk), Secret(PIN))
    application.authenticate_management(desk.ring, desk.piv_key("piv-9b", 32))
    application.generate(0x9D)


PHASES = ("before", "inside", "after")


def test_a_cut_at_every_write_leaves_a_blank_or_a_whole_employee_id(desk: Desk) -> None:
    desk.open()
    desk.install_piv()
    assert isinstance(desk.store, MemoryStore)
    installed = desk.store.fork()
    first = desk.simulated.writes_done
    personalize_once_more(desk)
    writes = desk.simulated.writes_done - first
    outcomes = {cut_at(desk, installed.fork(), write, phase) for write in range(writes) for phase in PHASES}
    assert outcomes == {LifeCycle.SELECTABLE, LifeCycle.PERSONALIZED}


def personalize_once_more(desk: Desk) -> None:
    desk.open()
    desk.personalize(AID, desk.piv_groupings())


def cut_at(desk: Desk, store: MemoryStore, write: int, phase: str) -> int | None:
    torn = Desk(desk.ring, store)
    torn.simulated.cut = PowerCut(write, phase)  # type: ignore[arg-type] # one of the three
    with pytest.raises(CardRemoved):
        personalize_once_more(torn)
    torn.repower()
    found = life_cycle(torn)
    if found == LifeCycle.SELECTABLE:
        assert not [name for name in store.content if name.startswith(f"app/{AID.hex()}/")]
        torn.personalize(AID, torn.piv_groupings())
    application = torn.piv()
    application.verify(Secret(PIN))
    application.authenticate_management(torn.ring, torn.piv_key("piv-9b"))
    return found


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("write", range(2))
def test_a_cut_during_verify_never_gives_a_guess_for_nothing(desk: Desk, write: int, phase: str) -> None:
    desk.issue_piv()
    desk.piv()
    desk.simulated.cut = PowerCut(desk.simulated.writes_done + write, phase)  # type: ignore[arg-type] # as above
    with pytest.raises(CardRemoved):
        Piv(desk.card).verify(Secret(PIN))
    desk.repower()
    spent = (write, phase) not in ((0, "before"), (0, "inside"), (1, "after"))
    assert desk.piv().tries() == (4 if spent else 5)


@pytest.mark.parametrize("phase", PHASES)
def test_a_cut_during_generation_leaves_the_old_key_or_the_new(desk: Desk, phase: str) -> None:
    certificate = desk.issue_piv()
    application = desk.piv()
    application.authenticate_management(desk.ring, desk.piv_key("piv-9b"))
    desk.simulated.cut = PowerCut(desk.simulated.writes_done, phase)  # type: ignore[arg-type] # as above
    with pytest.raises(CardRemoved):
        application.generate(0x9A)
    desk.repower()
    application = desk.piv()
    assert application.certificate() == certificate
    application.verify(Secret(PIN))
    if phase == "after":
        with pytest.raises(CardError):
            application.sign_digest(0x9A, bytes(32))
    else:
        assert application.sign_digest(0x9A, bytes(32))
