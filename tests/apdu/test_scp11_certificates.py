"""Certificates of SCP11: those of others, chains of every bad kind, and the data objects around keys."""

from __future__ import annotations

import datetime
import hashlib
from dataclasses import replace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from tegata.apdu.scp11 import (
    Anchor,
    CaIdentifier,
    ChainError,
    KeyNumber,
    Role,
    curve_of,
    curve_reference,
    legacy,
    point,
    private_key,
    read_certificate,
    read_point,
    scalar,
    verify_chain,
)
from tegata.apdu.scp11.objects import (
    Stored,
    allow_list,
    certificate_store,
    key_reference,
    parse_ca_identifiers,
    parse_certificate_store,
    parse_key_reference,
    parse_stored,
)
from tegata.apdu.scp11.x509 import serial_content
from tegata.apdu.tlv import Tlv

from .scp11_authority import FROM, UNTIL, Authority, new_key, plain_signature
from .test_scp11 import P256, VECTORS, klcc, own_certificate, raw

NOW = datetime.datetime(2026, 6, 1, tzinfo=datetime.UTC)
LEAF = new_key("leaf")
ROOT = Authority("root")


@pytest.mark.parametrize("name", VECTORS["openings"])
def test_certificates_of_others(name: str) -> None:
    """Both formats, three curves, two authorities: signatures cover what we think that they cover."""
    found = VECTORS["authorities"]
    opening = VECTORS["openings"][name]["exchanges"]
    answers = b"".join(raw(answer)[:-2] for command, answer in opening if raw(command)[1] in (0xCA, 0xC0))
    (card,) = (read_certificate(der) for der in parse_certificate_store(answers))
    host = read_certificate(own_certificate({"opening": name}))
    kloc = Anchor(read_point(P256, raw(found["kloc"])), raw(found["kloc_id"]))
    assert verify_chain([card], [klcc()], Role.CARD, at=found["at"]).key == card.key
    assert verify_chain([host], [kloc], Role.HOST, at=found["at"]).key == host.key
    for chain, anchor in (([card], kloc), ([host], klcc())):
        with pytest.raises(ChainError, match="no trusted authority"):
            verify_chain(chain, [replace(anchor, subject_id=b"")], Role.CARD)
    keys = VECTORS["curves"][name.partition("-")[2]]
    assert (point(card.key), point(host.key)) == (raw(keys["pk_sd"]), raw(keys["pk_oce"]))
    assert hashlib.sha1(raw(found["kloc"])).digest() == host.issuer_id  # noqa: S324 - what a key identifier is
    if name != "gp-p256":
        with pytest.raises(ChainError, match="not for a host"):
            verify_chain([card], [klcc()], Role.HOST)


def test_the_older_format_is_written_as_others_write_it() -> None:
    """All but the date, which they code in another way, and the signature, which is not repeatable."""
    theirs = own_certificate({"opening": "gp-p256"})
    parsed = read_certificate(theirs)
    rebuilt = legacy.build(
        serial=parsed.serial,
        issuer_id=parsed.issuer_id,
        subject_id=parsed.subject_id,
        usage=legacy.KEY_AGREEMENT,
        expiry=datetime.date(2028, 12, 31),
        key=parsed.key,
        sign=lambda body: parsed.signature,
    )
    assert rebuilt == theirs.replace(raw("5F2404141C0C1F"), raw("5F240420281231"))
    assert read_certificate(rebuilt).not_after == parsed.not_after


@pytest.mark.parametrize("plain", [False, True], ids=["DER", "r and s"])
def test_both_forms_of_signatures(plain: bool) -> None:
    certificate = ROOT.legacy(LEAF.public_key(), plain=plain)
    assert certificate.signed_by(ROOT.key.public_key())
    assert not certificate.signed_by(LEAF.public_key())
    assert verify_chain([certificate], [Anchor(ROOT.key.public_key())], Role.HOST, at=NOW) == certificate


def test_a_chain_of_the_older_format() -> None:
    middle = new_key("middle")
    upper = ROOT.legacy(middle.public_key(), subject=b"middle", usage=legacy.SIGNATURE_VERIFICATION)
    lower = read_certificate(
        legacy.build(
            serial=b"\x02",
            issuer_id=b"middle",
            subject_id=b"leaf",
            usage=legacy.KEY_AGREEMENT,
            expiry=UNTIL.date(),
            key=LEAF.public_key(),
            sign=lambda body: plain_signature(middle.sign(body, ec.ECDSA(SHA256()))),
        )
    )
    anchor = Anchor(ROOT.key.public_key(), ROOT.identifier)
    assert verify_chain([upper, lower], [anchor], Role.CARD) == lower
    with pytest.raises(ChainError, match="signed by the one before"):
        verify_chain([upper, replace(lower, issuer_id=b"other")], [anchor], Role.CARD)


def test_a_root_in_the_chain_is_passed_over() -> None:
    middle = Authority("middle", ROOT)
    leaf = middle.leaf("leaf", LEAF.public_key(), role=10)
    anchor = Anchor.of_certificate(ROOT.certificate.raw)
    for chain in ([ROOT.certificate, middle.certificate, leaf], [middle.certificate, leaf]):
        assert verify_chain(chain, [anchor], Role.CARD, at=NOW) == leaf
    with pytest.raises(ChainError, match="no trusted authority"):
        verify_chain([leaf], [anchor], Role.CARD)
    assert verify_chain([leaf], [Anchor.of_certificate(middle.certificate.raw)], Role.CARD) == leaf


def chain_of(depth: int) -> list[object]:
    above, chain = ROOT, []
    for level in range(depth):
        above = Authority(f"level {level}", above)
        chain.append(above.certificate)
    return [*chain, above.leaf("leaf", LEAF.public_key())]


def test_a_chain_that_is_too_long() -> None:
    anchor = Anchor.of_certificate(ROOT.certificate.raw)
    verify_chain(chain_of(3), [anchor], Role.HOST)  # type: ignore[arg-type]
    with pytest.raises(ChainError, match="too long"):
        verify_chain(chain_of(4), [anchor], Role.HOST)  # type: ignore[arg-type]


def test_an_authority_that_allows_no_other_below() -> None:
    narrow = Authority("narrow", ROOT, path_length=0)
    below = Authority("below", narrow)
    anchor = Anchor.of_certificate(ROOT.certificate.raw)
    verify_chain([narrow.certificate, narrow.leaf("leaf", LEAF.public_key())], [anchor], Role.HOST)
    with pytest.raises(ChainError, match="longer than an authority allows"):
        verify_chain(
            [narrow.certificate, below.certificate, below.leaf("leaf", LEAF.public_key())],
            [anchor],
            Role.HOST,
        )


def test_chains_that_lead_nowhere() -> None:
    anchor = Anchor.of_certificate(ROOT.certificate.raw)
    leaf = ROOT.leaf("leaf", LEAF.public_key())
    under_leaf = Authority("root")
    under_leaf.key = LEAF
    cases = {
        "no certificate": [],
        "middle is not one of an authority": [leaf, under_leaf.leaf("x", new_key("x").public_key())],
        "not for key agreement": [ROOT.leaf("leaf", LEAF.public_key(), agreement=False)],
        "no trusted authority": [Authority("other").leaf("leaf", LEAF.public_key())],
        "not valid yet": [ROOT.leaf("leaf", LEAF.public_key(), start=NOW + datetime.timedelta(days=1))],
        "has expired": [
            ROOT.leaf("leaf", LEAF.public_key(), start=FROM, until=NOW - datetime.timedelta(days=1))
        ],
        "not for a host": [ROOT.leaf("leaf", LEAF.public_key(), role=10)],
    }
    for what, chain in cases.items():
        with pytest.raises(ChainError, match=what):
            verify_chain(chain, [anchor], Role.HOST, at=NOW)
    authority = Authority("middle", ROOT).certificate
    with pytest.raises(ChainError, match="not for key agreement"):
        verify_chain([authority], [anchor], Role.HOST)
    wrong_name = Authority("middle", ROOT)
    stranger = wrong_name.leaf("leaf", LEAF.public_key(), issuer="somebody")
    with pytest.raises(ChainError, match="signed by the one before"):
        verify_chain([wrong_name.certificate, stranger], [anchor], Role.HOST)


def test_a_changed_certificate_is_not_signed() -> None:
    certificate = ROOT.leaf("leaf", LEAF.public_key())
    der = certificate.raw.replace(b"\x0c\x04leaf", b"\x0c\x04fael")
    with pytest.raises(ChainError, match="no trusted authority"):
        verify_chain([read_certificate(der)], [Anchor(ROOT.key.public_key())], Role.HOST)


def test_an_anchor_is_an_authority() -> None:
    with pytest.raises(ValueError, match="not one of an authority"):
        Anchor.of_certificate(ROOT.leaf("leaf", LEAF.public_key()).raw)


def test_x509_certificates_that_are_refused() -> None:
    rsa_key = rsa.generate_private_key(65537, 2048)
    other_curve = ec.generate_private_key(ec.SECP256K1())
    name_constraint = x509.NameConstraints([x509.DNSName("example.org")], None)
    refused = {
        "not one of an elliptic curve": ROOT.issue("leaf", rsa_key.public_key()),  # type: ignore[arg-type]
        "not a curve of SCP11": ROOT.issue("leaf", other_curve.public_key()),
        "not understood": ROOT.issue("leaf", LEAF.public_key(), extra=name_constraint),
    }
    for what, certificate in refused.items():
        with pytest.raises(ValueError, match=what):
            read_certificate(certificate.public_bytes(Encoding.DER))
    weak = (
        x509.CertificateBuilder()
        .subject_name(ROOT.x509.subject)
        .issuer_name(ROOT.x509.subject)
        .public_key(LEAF.public_key())
        .serial_number(1)
        .not_valid_before(FROM)
        .not_valid_after(UNTIL)
    )
    with pytest.raises(ValueError, match="not signed with ECDSA and SHA-2"):
        read_certificate(weak.sign(rsa_key, SHA256()).public_bytes(Encoding.DER))
    der = weak.sign(ROOT.key, SHA256()).public_bytes(Encoding.DER)
    bare = read_certificate(der)
    assert (bare.agrees, bare.signs, bare.subject_id, bare.issuer_id) == (False, False, b"", b"")
    for cut in range(len(der)):
        with pytest.raises(ValueError, match=r"."):
            read_certificate(der[:cut])
    assert SHA1  # the library refuses to make one, so none is read here


@pytest.mark.parametrize("form", ["x509", "legacy"])
def test_whatever_byte_is_wrong_it_is_a_value_error(form: str) -> None:
    """Of a signature algorithm that it does not know, the library raises of a family of its own."""
    good = (ROOT.leaf("leaf", LEAF.public_key()) if form == "x509" else ROOT.legacy(LEAF.public_key())).raw
    for place, byte in enumerate(good):
        for other in (0x00, 0x7F, 0xFF, byte ^ 0x01):
            try:
                read_certificate(good[:place] + bytes((other,)) + good[place + 1 :])
            except ValueError:
                continue


def test_damaged_certificates_of_the_older_format() -> None:
    good = ROOT.legacy(LEAF.public_key()).raw
    content = Tlv.parse(good).children

    def built(*parts: Tlv) -> bytes:
        return bytes(Tlv.build(legacy.CERTIFICATE, parts))

    def swapped(tag: int, value: bytes) -> bytes:
        return built(*(Tlv(part.tag, value) if part.tag == tag else part for part in content))

    assert built(*content) == good
    damaged = [good[:cut] for cut in range(len(good))]
    damaged += [
        built(*(part for part in content if part is not gone)) for gone in content if gone.tag != 0x5F25
    ]
    damaged += [
        built(content[0], *content),
        built(*reversed(content)),
        built(*content, Tlv(0xBF20, b"")),
        swapped(0x93, b""),
        swapped(0x93, bytes(21)),
        swapped(0x95, b"\x01"),
        swapped(0x5F24, b"\x20\x28\x13\x31"),
        swapped(0x5F24, b"\x20\x28\x02\x30"),
        swapped(0x5F24, b"\x20\x28\x12"),
        swapped(0x7F49, b""),
        swapped(0x7F49, bytes(Tlv(0xB0, point(LEAF.public_key()))) + bytes(Tlv(0xF0, b"\x01"))),
        swapped(0x7F49, bytes(Tlv(0xB0, point(LEAF.public_key()))) + bytes(Tlv(0xF0, b"\x04"))),
        swapped(0x7F49, bytes(Tlv(0xB0, b"\x04" + bytes(64))) + bytes(Tlv(0xF0, b"\x00"))),
    ]
    for number, raw_certificate in enumerate(damaged):
        try:
            read_certificate(raw_certificate)
        except ValueError:
            continue
        pytest.fail(f"damage number {number} was not noticed")


def test_serial_numbers_are_compared_as_der_integers() -> None:
    assert serial_content(0x7F) == b"\x7f"
    assert serial_content(0x80) == b"\x00\x80"
    assert ROOT.leaf("leaf", LEAF.public_key(), serial=0x8001).serial == b"\x00\x80\x01"


def test_curves_have_references() -> None:
    assert [curve_of(reference).name for reference in (0, 1, 2, 3, 5, 7)] == [
        "secp256r1", "secp384r1", "secp521r1", "brainpoolP256r1", "brainpoolP384r1", "brainpoolP512r1",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="04 is not offered"):
        curve_of(4)
    with pytest.raises(ValueError, match="not a curve of SCP11"):
        curve_reference(ec.SECP256K1())
    assert scalar(private_key(ec.SECP521R1(), b"\x01")) == bytes(65) + b"\x01"


# data objects


KEY = KeyNumber(0x13, 0x01)


def test_objects_as_others_send_them() -> None:
    """GET DATA and FF33 of kaoh's scp11Test; STORE DATA of yubikit is in the foreign tests."""
    assert key_reference(KeyNumber(0x11, 0x20)) == raw("A60483021120")
    assert parse_key_reference(raw("A60483021120")) == KeyNumber(0x11, 0x20)
    assert parse_key_reference(raw("A6054203A1A2A3")) == raw("A1A2A3")
    found = CaIdentifier(KeyNumber(0x10, 0x20), raw("A1A2A3"))
    assert parse_ca_identifiers(raw("FF33094203A1A2A383021020")) == (found,)
    assert parse_ca_identifiers(raw("4203A1A2A383021020")) == (found,)
    assert bytes(found) == raw("4203A1A2A383021020")
    assert found.stored() == raw("A60C8001004203A1A2A383021020")
    assert CaIdentifier(KEY, raw("A1")).stored() == raw("A60A8001014201A183021301")


def test_what_store_data_says_of_a_key() -> None:
    certificate = ROOT.certificate.raw
    assert parse_stored(certificate_store(KEY, [certificate])) == Stored(KEY, certificates=(certificate,))
    assert parse_stored(allow_list(KEY, [b"\x01", b"\x00\x80"])) == Stored(
        KEY, serials=(b"\x01", b"\x00\x80")
    )
    assert parse_stored(raw("A604830213017000")) == Stored(KEY, serials=())
    assert parse_stored(raw("A60483021301920101 70039301 05")) == Stored(KEY, serials=(b"\x05",))
    assert parse_stored(raw("A6074201A183021301")) == Stored(KEY, identifier=b"\xa1")
    assert parse_stored(CaIdentifier(KEY, b"\xa1").stored()) == Stored(KEY, identifier=b"\xa1")


@pytest.mark.parametrize(
    "text",
    [
        "", "00", "A600", "A60483021301", "A603830113", "A6058303130100", "A60A83021301830213014201A1",
        "A60A8001004201A183021301", "A6074200 83021301", "A60983021301 4201A1 9900", "A604830213017000 7000",
        "A604830213019900", "A60483021301700199", "A604830213017002 9300", "A60783021301 4201A1 7000",
        "A60483021301BF2103040100", "7000", "A60483021301700393",
    ],
)  # fmt: skip
def test_store_data_that_makes_no_sense(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_stored(raw(text))


@pytest.mark.parametrize(
    "text", ["", "A600", "A60483021301 00", "A70483021301", "A60483021301 4201A1", "A6034201"]
)
def test_a_key_that_is_not_named(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_key_reference(raw(text))


@pytest.mark.parametrize("text", ["4201A1", "83021301 4201A1", "4201A1 830113", "4200 83021301", "FF330100"])
def test_lists_of_authorities_that_make_no_sense(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_ca_identifiers(raw(text))
