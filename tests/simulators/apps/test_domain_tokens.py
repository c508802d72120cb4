"""Tokens, receipts and load file signatures on the card: published vectors, binding, numbers, tears."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import cache
from typing import get_args

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tegata.simulators.card import PowerCut, PowerLost, SimulatedCard
from tegata.simulators.link import Phase

from ...foreign.gpp.host import SSD_MODULE, SSD_PACKAGE, lv
from ...foreign.gpp.registry import tlv
from .gp_bench import (
    MODULE,
    PACKAGE,
    SSD,
    SSD_KEYS,
    cap,
    card_of,
    domain,
    gp_card,
    install,
    put_aes,
    send_long,
    session,
)
from .gp_host import DEFAULT, ISD, GpHost, cbc, cmac

# Facts §3.5: AES-128 key 40..4F; each token is over the command as it stands there.
REFERENCE = bytes.fromhex("B6124203112233450200015F2002A1B293020007")
DELETE = bytes.fromhex("4F07A0000000010101") + REFERENCE
DELETE_TOKEN = bytes.fromhex("05324714CDE770F9FF97F581F3AC48C7")
INSTALL_TOKEN = bytes.fromhex("C06960072E061CACDF332FFC0B50C065")
DELETE_RECEIPT = "1D10198935673013FB664B42074C6A3B378B020005051122330001020007"
PARAMETERS = "C900" + REFERENCE.hex()
TOKEN, RECEIPT, DAP = 0x70, 0x71, 0x73


def numbered_card(**changes: bytes) -> SimulatedCard:
    """The card of the vectors: its numbers, keys for tokens and receipts, five receipts made so far, and the
    package of the vectors loaded."""
    card = gp_card()
    host = session(card)
    host.expect("STORE DATA", 0xE2, 0x90, 0x00, bytes.fromhex("4203112233") + b"\x45\x02\x00\x01")
    put_aes(host, TOKEN)
    put_aes(host, RECEIPT)
    host.load(cap())
    own = f"app/{ISD.hex()}/"
    return card_of(card.store.content | {own + "receipt-counter": b"\x00\x05"} | changes)


def token_of(p1: int, p2: int, data: bytes) -> bytes:
    return cmac(DEFAULT, bytes([p1, p2, len(data)]) + data)


def delete(host: GpHost, data: bytes, token: bytes) -> tuple[bytes, int]:
    return host.send(0x80, 0xE4, 0x00, 0x00, data + b"\x9e" + lv(token))


def test_the_published_vectors() -> None:
    card = numbered_card()
    assert install(session(card), PACKAGE, MODULE, MODULE)[1] == 0x9000
    host = session(card)
    answer, sw = delete(host, DELETE, DELETE_TOKEN)
    assert (answer.hex().upper(), sw) == (DELETE_RECEIPT, 0x9000)
    assert host.send(0x80, 0xCA, 0x00, 0xC2) == (bytes.fromhex("C2020006"), 0x9000)
    host = session(numbered_card())
    answer, sw = install(host, PACKAGE, MODULE, MODULE, parameters=PARAMETERS, token=INSTALL_TOKEN)
    confirmation = bytes.fromhex("020005051122330001020007")
    receipt = cmac(DEFAULT, confirmation + lv(PACKAGE, MODULE))
    assert (answer, sw) == (lv(lv(receipt) + confirmation), 0x9000)


def test_a_number_is_accepted_once_for_whatever_it_is_used() -> None:
    card = numbered_card()
    assert (
        install(session(card), PACKAGE, MODULE, MODULE, parameters=PARAMETERS, token=INSTALL_TOKEN)[1]
        == 0x9000
    )
    assert delete(session(card), DELETE, DELETE_TOKEN)[1] == 0x6985
    card.power_down()
    card.power_up()
    assert delete(session(card), DELETE, DELETE_TOKEN)[1] == 0x6985
    other = DELETE.replace(bytes.fromhex("93020007"), bytes.fromhex("93020008"))
    assert delete(session(card), other, token_of(0, 0, other))[1] == 0x9000


@pytest.mark.parametrize(("tag", "value"), [("42", "112234"), ("45", "0002")])
def test_a_token_for_another_card_is_refused(tag: str, value: str) -> None:
    card = numbered_card()
    assert install(session(card), PACKAGE, MODULE, MODULE)[1] == 0x9000
    host = session(card)
    host.expect("STORE DATA", 0xE2, 0x90, 0x00, bytes.fromhex(tag) + lv(bytes.fromhex(value)))
    assert delete(host, DELETE, DELETE_TOKEN)[1] == 0x6985


def test_a_wrong_token_and_one_for_another_command_do_nothing() -> None:
    card = numbered_card()
    host = session(card)
    assert install(host, PACKAGE, MODULE, MODULE)[1] == 0x9000
    wrong = DELETE_TOKEN[:-1] + b"\x00"
    for token in (wrong, DELETE_TOKEN[:8], INSTALL_TOKEN):
        assert delete(host, DELETE, token)[1] == 0x6982
    changed = DELETE.replace(b"\x93\x02\x00\x07", b"\x93\x02\x00\x09")
    assert delete(host, changed, DELETE_TOKEN)[1] == 0x6982
    assert host.send(0x80, 0xE4, 0x00, 0x80, DELETE + b"\x9e" + lv(DELETE_TOKEN))[1] == 0x6982
    assert delete(host, DELETE, DELETE_TOKEN)[1] == 0x9000


def test_a_card_without_the_key_or_the_domain_for_tokens_takes_none() -> None:
    host = session(gp_card())
    assert delete(host, DELETE, DELETE_TOKEN)[1] == 0x6985


def test_the_provider_is_kept_and_nothing_is_remembered_of_what_failed() -> None:
    card = numbered_card()
    host = session(card)
    # The token verifies; the module is unknown. Its number is still good afterwards.
    fields = lv(PACKAGE, MODULE + b"\x09", MODULE, b"\0", bytes.fromhex(PARAMETERS))
    token = token_of(0x0C, 0x00, fields)
    assert host.send(0x80, 0xE6, 0x0C, 0x00, fields + lv(token))[1] == 0x6A88
    assert install(host, PACKAGE, MODULE, MODULE, parameters=PARAMETERS, token=INSTALL_TOKEN)[1] == 0x9000
    assert b'"provider":"a1b2"' in card.store.content[f"registry/{MODULE.hex()}"]


def delegated() -> SimulatedCard:
    """The card of the vectors with a domain that manages by tokens alone."""
    card = numbered_card()
    assert domain(card, privileges="A0") == 0x9000
    return card


def test_delegated_management_needs_a_token_for_everything() -> None:
    card = delegated()
    host = session(card, SSD)
    other = bytes.fromhex("F07465676174611000")
    file = cap(other, other + b"\x01", 150)
    digest = hashlib.sha256(file.code).digest()
    load = lv(other, SSD, digest, b"", b"")[:-1]
    assert host.send(0x80, 0xE6, 0x02, 0x00, load + b"\0")[1] == 0x6985
    bare = lv(other, SSD, b"", b"")
    assert host.send(0x80, 0xE6, 0x02, 0x00, bare + lv(token_of(2, 0, bare)))[1] == 0x6A80
    assert host.send(0x80, 0xE6, 0x02, 0x00, load + lv(token_of(2, 0, load))) == (b"\0", 0x9000)
    stream = tlv(0xC4, file.code)
    answer, sw = host.send(0x80, 0xE8, 0x80, 0x00, stream)
    confirmation = bytes.fromhex("0200050511223300 01".replace(" ", ""))
    assert (answer, sw) == (lv(lv(cmac(DEFAULT, confirmation + lv(other, SSD))) + confirmation), 0x9000)
    fields = lv(other, other + b"\x01", other + b"\x02", b"\0", b"\xc9\0")
    assert host.send(0x80, 0xE6, 0x0C, 0x00, fields + b"\0")[1] == 0x6985
    assert host.send(0x80, 0xE6, 0x0C, 0x00, fields + lv(token_of(0x0C, 0, fields)))[1] == 0x9000
    doomed = b"\x4f" + lv(other)
    assert host.send(0x80, 0xE4, 0x00, 0x80, doomed)[1] == 0x6985
    assert host.send(0x80, 0xE4, 0x00, 0x80, doomed + b"\x9e" + lv(token_of(0, 0x80, doomed)))[1] == 0x9000
    # Out of its reach, with a token or without: what belongs to the issuer.
    issuers = b"\x4f" + lv(PACKAGE)
    assert host.send(0x80, 0xE4, 0x00, 0x00, issuers + b"\x9e" + lv(token_of(0, 0, issuers)))[1] == 0x6985


def test_extradition_and_registry_update_have_receipts_of_their_own() -> None:
    card = delegated()
    assert install(session(card), PACKAGE, MODULE, MODULE)[1] == 0x9000
    host = session(card)
    fields = lv(SSD, b"", MODULE, b"", b"")
    answer, sw = host.send(0x80, 0xE6, 0x10, 0x00, fields + lv(token_of(0x10, 0, fields)))
    confirmation = bytes.fromhex("020005051122330001")
    assert (answer, sw) == (lv(lv(cmac(DEFAULT, confirmation + lv(ISD, MODULE, SSD))) + confirmation), 0x9000)
    fields = lv(ISD, b"", MODULE, bytes.fromhex("000000"), b"\xef\x04\xc8\x02\x10\x00")
    answer, sw = host.send(0x80, 0xE6, 0x40, 0x00, fields + lv(token_of(0x40, 0, fields)))
    confirmation = bytes.fromhex("020006051122330001")
    context = lv(SSD, MODULE, ISD, bytes(3), b"\xef\x04\xc8\x02\x10\x00")
    assert (answer, sw) == (lv(lv(cmac(DEFAULT, confirmation + context)) + confirmation), 0x9000)


def test_one_token_covers_load_install_and_make_selectable() -> None:
    card = delegated()
    host = session(card, SSD)
    other = bytes.fromhex("F07465676174611000")
    file = cap(other, other + b"\x01", 150)
    first = lv(other, SSD, hashlib.sha256(file.code).digest(), b"")
    last = lv(other, other + b"\x01", other + b"\x02", b"\0", b"\xc9\0")
    token = cmac(DEFAULT, bytes([0x0E, 1, len(first)]) + first + bytes([0x0E, 3, len(last)]) + last)
    for given, expected in ((b"", 0x6985), (token[::-1], 0x6982), (token, 0x9000)):
        assert host.send(0x80, 0xE6, 0x0E, 0x01, first + b"\0")[1] == 0x9000
        assert host.send(0x80, 0xE8, 0x80, 0x00, tlv(0xC4, file.code))[1] == 0x9000
        answer, sw = host.send(0x80, 0xE6, 0x0E, 0x03, last + lv(given))
        assert sw == expected
    confirmation = bytes.fromhex("020005051122330001")
    assert answer == lv(lv(cmac(DEFAULT, confirmation + lv(other, other + b"\x02", SSD))) + confirmation)


def test_the_receipt_counter_stops_and_receipts_with_it() -> None:
    own = f"app/{ISD.hex()}/receipt-counter"
    card = numbered_card(**{own: b"\xff\xff"})
    host = session(card)
    assert install(host, PACKAGE, MODULE, MODULE, parameters=PARAMETERS, token=INSTALL_TOKEN) == (
        b"\0",
        0x9000,
    )
    assert host.send(0x80, 0xCA, 0x00, 0xC2)[0].hex() == "c202ffff"


PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
ASYMMETRIC = ["RSA 1024", "RSA 2048", "P-256", "P-384"]


@cache
def private_key(name: str) -> PrivateKey:
    """The key of that name, made once."""
    match name.split():
        case ["RSA", size]:
            return rsa.generate_private_key(65537, int(size))
        case ["P-256"]:
            return ec.generate_private_key(ec.SECP256R1())
    return ec.generate_private_key(ec.SECP384R1())


def public_block(key: PrivateKey) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        modulus = key.public_key().public_numbers().n.to_bytes(key.key_size // 8, "big")
        return tlv(0xA1, modulus) + bytes.fromhex("A003010001") + b"\0"
    point = key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    return tlv(0xB0, point) + bytes([0xF0, 1, 0 if key.key_size == 256 else 1, 0])


def signature(key: PrivateKey, data: bytes, *, der: bool = False) -> bytes:
    if isinstance(key, ec.EllipticCurvePrivateKey):
        raw = key.sign(data, ec.ECDSA(hashes.SHA256() if key.key_size == 256 else hashes.SHA384()))
        size = key.key_size // 8
        return raw if der else b"".join(part.to_bytes(size, "big") for part in decode_dss_signature(raw))
    if key.key_size <= 1024:
        return key.sign(data, padding.PKCS1v15(), hashes.SHA1())  # noqa: S303 - the standard's scheme
    pss = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    return key.sign(data, pss, hashes.SHA256())


@pytest.mark.parametrize("name", ASYMMETRIC)
@pytest.mark.parametrize("segmented", [True, False])
def test_tokens_of_public_keys(name: str, segmented: bool) -> None:
    card, key = gp_card(), private_key(name)
    host = session(card, level=0x01)
    host.load(cap())
    put_key_of(card, TOKEN, key, segmented=segmented)
    host = session(card, level=0x01)
    fields = lv(PACKAGE, MODULE, MODULE, b"\0", b"\xc9\0")
    signed = bytes([0x0C, 0, len(fields)]) + fields
    good, bad = signature(key, signed), signature(key, signed + b"\0")
    assert install_long(host, fields, bad, segmented=segmented) == 0x6982
    assert install_long(host, fields, good, segmented=segmented) == 0x9000


def install_long(host: GpHost, fields: bytes, token: bytes, *, segmented: bool) -> int:
    return send_long(host, 0xE6, 0x0C, 0x00, fields + tlv(0x00, token)[1:], segmented=segmented)


def put_key_of(card: SimulatedCard, version: int, key: PrivateKey, *, segmented: bool = False) -> None:
    host = session(card, level=0x01)
    data = bytes([version]) + public_block(key)
    assert send_long(host, 0xD8, 0x00, 0x01, data, segmented=segmented) == 0x9000


def dap_block(aid: bytes, raw: bytes) -> bytes:
    return tlv(0xE2, b"\x4f" + lv(aid) + tlv(0xC3, raw))


def load(host: GpHost, blocks: bytes, *, domain_aid: bytes = b"", hashed: bool = True) -> int:
    """The status word that ends the load of the package of the vectors."""
    file = cap()
    digest = hashlib.sha256(file.code).digest() if hashed else b""
    sw = host.send(0x80, 0xE6, 0x02, 0x00, lv(PACKAGE, domain_aid, digest, b"", b""))[1]
    stream = blocks + tlv(0xC4, file.code)
    for at in range(0, len(stream), 200):
        if sw != 0x9000:
            return sw
        last = 0x80 if at + 200 >= len(stream) else 0x00
        sw = host.send(0x80, 0xE8, last, at // 200, stream[at : at + 200])[1]
    return sw


HASH = hashlib.sha256(cap().code).digest()


def verifying_domain(key: PrivateKey | bytes, privileges: str) -> SimulatedCard:
    card = gp_card()
    assert domain(card, privileges=privileges) == 0x9000
    host = session(card, SSD, level=0x01)
    if isinstance(key, bytes):
        put_aes(host, DAP, key, SSD_KEYS[2])
    else:
        data = bytes([DAP]) + public_block(key)
        assert send_long(host, 0xD8, 0x00, 0x01, data, segmented=False) == 0x9000
    return card


@pytest.mark.parametrize("name", [*ASYMMETRIC, "AES-128", "AES-256"])
def test_a_mandated_signature_is_needed_for_every_load(name: str) -> None:
    symmetric = {"AES-128": DEFAULT, "AES-256": DEFAULT + DEFAULT}
    key = symmetric[name] if name in symmetric else private_key(name)
    card = verifying_domain(key, "C1")
    good = cmac(key, HASH) if isinstance(key, bytes) else signature(key, HASH)
    host = session(card, level=0x01)
    assert load(host, b"") == 0x6985
    assert load(host, b"", hashed=False) == 0x6A80
    assert load(host, dap_block(SSD, good[:-1] + bytes([good[-1] ^ 1]))) == 0x6982
    assert load(host, dap_block(SSD, b"")) == 0x6982
    assert load(host, dap_block(ISD, good)) == 0x6985
    assert load(host, dap_block(SSD + b"\x01", good)) == 0x6985
    assert [entry for entry in host.list() if entry.aid == PACKAGE] == []
    assert load(host, dap_block(SSD, good)) == 0x9000


def test_one_signature_does_not_stand_for_another() -> None:
    """The mandated domain's is asked for beside that of the domain that the package goes to."""
    card = verifying_domain(DEFAULT, "C1")
    other = SSD[:-1] + b"\xbb"
    assert domain(card, other, privileges="C0") == 0x9000
    host = GpHost(card.transmit, SSD_KEYS)  # type: ignore[arg-type]
    host.select(other)
    host.open(0x03)
    put_aes(host, DAP, DEFAULT, SSD_KEYS[2])
    ours, theirs = (dap_block(aid, cmac(DEFAULT, HASH)) for aid in (SSD, other))
    for blocks, sw in ((ours, 0x6985), (theirs, 0x6985), (ours + theirs, 0x9000)):
        assert load(session(card), blocks, domain_aid=other) == sw


def test_ecdsa_may_come_in_der() -> None:
    key = private_key("P-256")
    card = verifying_domain(key, "C1")
    assert load(session(card), dap_block(SSD, signature(key, HASH, der=True))) == 0x9000


def test_a_domain_that_verifies_signatures_asks_for_its_own_packages_alone() -> None:
    card = verifying_domain(DEFAULT, "C0")
    assert load(session(card), b"", hashed=False) == 0x9000
    host = session(card)
    host.delete(PACKAGE)
    assert load(host, b"", domain_aid=SSD) == 0x6985
    assert load(host, dap_block(SSD, cmac(DEFAULT, bytes(32))), domain_aid=SSD) == 0x6982
    assert load(host, dap_block(SSD, cmac(DEFAULT, HASH)), domain_aid=SSD) == 0x9000


def test_a_stranger_manages_content_with_a_token_and_nothing_else() -> None:
    card = numbered_card()
    assert install(session(card), PACKAGE, MODULE, MODULE)[1] == 0x9000
    host = session(card)
    assert card._ram is not None
    basic = card._ram.channels[0]
    assert basic.secure is not None
    owner, channel = basic.secure
    # A host that the card knows and that is not the owner of the domain (GPC 2.3.1 §10.6).
    basic.secure = (owner, replace(channel, authentication=0x40))
    assert host.send(0x80, 0xE4, 0x00, 0x00, DELETE)[1] == 0x6985
    assert host.send(0x80, 0xE4, 0x00, 0x00, bytes.fromhex("D20170"))[1] == 0x6982
    assert host.send(0x80, 0xD8, 0x00, 0x01, b"\x01")[1] == 0x6982
    assert host.send(0x80, 0xE6, 0x20, 0x00, lv(b"", b"", MODULE, b"", b"", b""))[1] == 0x6982
    assert delete(host, DELETE, DELETE_TOKEN)[1] == 0x9000


PHASES = get_args(Phase)


def test_a_token_is_spent_exactly_when_its_operation_was_done() -> None:
    start = dict(numbered_card().store.content)

    def work(card: SimulatedCard) -> int:
        host = session(card)
        return install(host, PACKAGE, MODULE, MODULE, parameters=PARAMETERS, token=INSTALL_TOKEN)[1]

    whole = card_of(start)
    assert work(whole) == 0x9000
    seen = set()
    for write in range(whole.writes_done):
        for phase in PHASES:
            card = card_of(start)
            card.cut = PowerCut(write, phase)
            with pytest.raises(PowerLost):
                work(card)
            card.power_up()
            done = f"registry/{MODULE.hex()}" in card.store.content
            spent = any("token-number" in name for name in card.store.content)
            counter = card.store.content[f"app/{ISD.hex()}/receipt-counter"]
            assert (done, done) == (spent, counter == b"\x00\x06"), (write, phase)
            assert work(card) == (0x6985 if done else 0x9000), (write, phase)
            seen.add(done)
    assert seen == {True, False}


def test_what_the_first_command_binds_a_common_token_to_binds_it() -> None:
    """``B6`` may stand in either INSTALL: a number in the first is spent as well."""
    card = delegated()
    other = bytes.fromhex("F07465676174611000")
    file = cap(other, other + b"\x01", 150)

    def attempt(reference: str, instance: bytes, more: bytes = b"") -> int:
        host = session(card, SSD)
        bound = bytes.fromhex(reference)
        first = lv(other, SSD, hashlib.sha256(file.code).digest(), b"\xb6" + lv(bound))
        last = lv(other, other + b"\x01", instance, b"\0", b"\xc9\0" + more)
        token = cmac(DEFAULT, bytes([0x0E, 1, len(first)]) + first + bytes([0x0E, 3, len(last)]) + last)
        assert host.send(0x80, 0xE6, 0x0E, 0x01, first + b"\0")[1] == 0x9000
        assert host.send(0x80, 0xE8, 0x80, 0x00, tlv(0xC4, file.code))[1] == 0x9000
        return host.send(0x80, 0xE6, 0x0E, 0x03, last + lv(token))[1]

    assert attempt("4203112234", other + b"\x02") == 0x6985
    assert attempt("93020009", other + b"\x02", bytes.fromhex("B60493020008")) == 0x6A80
    assert attempt("93020009", other + b"\x02") == 0x9000
    host = session(card, SSD)
    doomed = b"\x4f" + lv(other)
    assert host.send(0x80, 0xE4, 0x00, 0x80, doomed + b"\x9e" + lv(token_of(0, 0x80, doomed)))[1] == 0x9000
    assert attempt("93020009", other + b"\x02") == 0x6985


@pytest.mark.parametrize(
    "block",
    [
        b"\x80\x21\x18" + cbc(DEFAULT, bytes(16), bytes(range(24)) + bytes(8)),
        b"\xa1\x81\x80" + b"\x80" + bytes(126) + b"\x01\xa0\x01\x01",
        b"\xa1\x81\x80" + b"\x80" + bytes(126) + b"\x02\xa0\x01\x03",
        b"\xa1\x81\x80" + b"\x80" + bytes(126) + b"\x01\xa0\x01\x03",
    ],
    ids=["DES of three parts", "exponent 1", "even modulus", "no product of primes"],
)
def test_a_key_that_verifies_nothing_is_refused_or_verifies_nothing(block: bytes) -> None:
    host = session(gp_card(), level=0x01)
    sw = send_long(host, 0xD8, 0x00, 0x01, bytes([TOKEN]) + block + b"\0", segmented=False)
    assert sw in (0x9000, 0x6A80)
    for length in (8, 128):
        token = b"\x9e" + (b"\x81" if length > 127 else b"") + lv(bytes(length))
        answer = host.send(0x80, 0xE4, 0x00, 0x00, b"\x4f" + lv(PACKAGE) + token)[1]
        assert answer == (0x6982 if sw == 0x9000 else 0x6985)


def test_a_domain_grants_no_more_than_it_has() -> None:
    """One that manages its own content would be the issuer's equal by one command."""
    card = gp_card()
    assert domain(card, privileges="804000") == 0x9000
    host = session(card, SSD)
    below = SSD[:-1] + b"\xbb"
    far = ("900000", "880000", "840000", "820000", "C10000", "802000", "801000", "800800", "800400", "800080")
    for privileges in far:
        update = lv(b"", b"", SSD, bytes.fromhex(privileges), b"", b"")
        assert host.send(0x80, 0xE6, 0x40, 0x00, update)[1] == 0x6985
        assert install(host, SSD_PACKAGE, SSD_MODULE, below, privileges=privileges)[1] == 0x6985
    for number, privileges in enumerate(("804000", "A00000", "C00000")):
        assert (
            install(host, SSD_PACKAGE, SSD_MODULE, below + bytes([number]), privileges=privileges)[1]
            == 0x9000
        )


@pytest.mark.parametrize("privileges", ["A02000", "A00080", "A04000"])
def test_delegated_management_excludes_verifying_its_own_tokens(privileges: str) -> None:
    """GPC 2.3.1 §6.6.2."""
    assert domain(gp_card(), privileges=privileges) == 0x6A80
