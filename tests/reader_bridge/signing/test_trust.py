from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from tegata.apdu.errors import InputError, RequestError
from tegata.reader_bridge.signing import Anchors, CrlFolder, Purpose, Trust

from .pki import Authority, Holder, full_name


def refused(trust: Trust, holder: Holder, purpose: Purpose = Purpose.SIGNATURE) -> str:
    with pytest.raises(RequestError) as error:
        trust.judge(holder.certificate, purpose)
    return error.value.code


def test_a_certificate_of_a_known_root_is_accepted(trust: Trust, signer: Holder, client: Holder) -> None:
    assert trust.judge(signer.certificate, Purpose.SIGNATURE).subject
    assert trust.judge(client.certificate, Purpose.AUTHENTICATION).subject


def test_no_anchors_trust_nobody(signer: Holder) -> None:
    assert refused(Trust(Anchors(), revocation_needed=False), signer) == "signature.untrusted"


def test_a_stranger_of_the_same_name_is_refused(trust: Trust) -> None:
    twin = Authority("JPKI-TEST root").issue("digital_signature", "content_commitment")
    assert refused(trust, twin) == "signature.untrusted"


def test_usage_is_judged(trust: Trust, client: Holder, signer: Holder) -> None:
    assert refused(trust, client, Purpose.SIGNATURE) == "signature.untrusted"
    assert refused(trust, signer, Purpose.AUTHENTICATION) == "signature.untrusted"


def test_validity_is_judged(trust: Trust, authority: Authority, signer: Holder) -> None:
    expired = authority.issue("digital_signature", "content_commitment", life=timedelta(days=-1))
    assert refused(trust, expired) == "signature.untrusted"
    for days in (-60, 800):
        with pytest.raises(RequestError):
            trust.judge(signer.certificate, Purpose.SIGNATURE, datetime.now(UTC) + timedelta(days=days))


def test_a_missing_answer_is_a_failure(trust: Trust, signer: Holder, tmp_path: Path) -> None:
    assert refused(Trust(trust.anchors), signer) == "signature.revocation"
    assert refused(Trust(trust.anchors, CrlFolder(tmp_path)), signer) == "signature.revocation"


def test_a_revocation_list_answers(
    authority: Authority, trust: Trust, signer: Holder, tmp_path: Path
) -> None:
    asking = Trust(trust.anchors, CrlFolder(tmp_path))
    (tmp_path / "a.crl").write_bytes(authority.revocation_list())
    assert asking.judge(signer.certificate, Purpose.SIGNATURE)
    (tmp_path / "b.crl").write_bytes(authority.revocation_list(signer))
    assert refused(asking, signer) == "signature.revoked"


def test_an_old_or_foreign_list_says_nothing(
    authority: Authority, trust: Trust, signer: Holder, tmp_path: Path
) -> None:
    asking = Trust(trust.anchors, CrlFolder(tmp_path))
    old = authority.revocation_list(change=lambda now: now - timedelta(days=9))
    (tmp_path / "old.crl").write_bytes(old)
    (tmp_path / "foreign.crl").write_bytes(Authority("JPKI-TEST root").revocation_list())
    assert refused(asking, signer) == "signature.revocation"


HERE, THERE = "http://crl.example/tokyo.crl", "http://crl.example/osaka.crl"


def part(point: str | None = None, **only: bool) -> x509.IssuingDistributionPoint:
    """The scope of a partial list; the JPKI has one list for each municipality."""
    flags = {
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
        **only,
    }
    return x509.IssuingDistributionPoint(
        full_name(point) if point else None, None, only_some_reasons=None, **flags
    )


def test_a_list_of_another_part_says_nothing(authority: Authority, trust: Trust, tmp_path: Path) -> None:
    """RFC 5280 §6.3.3 (b) (2): who is not in Osaka's list may well be revoked in Tokyo's."""
    holder = authority.issue("digital_signature", "content_commitment", points=(HERE,))
    plain = authority.issue("digital_signature", "content_commitment")
    asking = Trust(trust.anchors, CrlFolder(tmp_path))
    (tmp_path / "there.crl").write_bytes(authority.revocation_list(scope=part(THERE)))
    assert refused(asking, holder) == "signature.revocation"
    assert refused(asking, plain) == "signature.revocation"
    (tmp_path / "here.crl").write_bytes(authority.revocation_list(scope=part(HERE)))
    assert asking.judge(holder.certificate, Purpose.SIGNATURE)
    (tmp_path / "here.crl").write_bytes(authority.revocation_list(holder, scope=part(HERE)))
    assert refused(asking, holder) == "signature.revoked"


@pytest.mark.parametrize(
    "scope",
    [
        part(only_contains_ca_certs=True),
        part(only_contains_attribute_certs=True),
        part(indirect_crl=True),
        x509.DeltaCRLIndicator(1),
        x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.392.200149.9"), b"\x05\x00"),
    ],
    ids=["authorities", "attributes", "indirect", "delta", "unknown"],
)
def test_a_list_of_other_things_says_nothing(
    authority: Authority, trust: Trust, signer: Holder, tmp_path: Path, scope: x509.ExtensionType
) -> None:
    (tmp_path / "a.crl").write_bytes(authority.revocation_list(scope=scope))
    assert refused(Trust(trust.anchors, CrlFolder(tmp_path)), signer) == "signature.revocation"


def test_a_list_for_holders_alone_answers(
    authority: Authority, trust: Trust, signer: Holder, tmp_path: Path
) -> None:
    scope = part(only_contains_user_certs=True)
    (tmp_path / "a.crl").write_bytes(authority.revocation_list(scope=scope))
    assert Trust(trust.anchors, CrlFolder(tmp_path)).judge(signer.certificate, Purpose.SIGNATURE)


def test_anchors_are_read_from_a_folder(authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "a.pem").write_bytes(authority.pem)
    (tmp_path / "b.cer").write_bytes(authority.der)
    (tmp_path / "notes.txt").write_text("not a certificate")
    assert Anchors.read(tmp_path).roots == (authority.der, authority.der)
    assert Anchors.read(tmp_path / "missing").roots == ()
    (tmp_path / "c.pem").write_text("junk")
    with pytest.raises(InputError) as error:
        Anchors.read(tmp_path)
    assert error.value.code == "bridge.anchors"
