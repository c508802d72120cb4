from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tegata.apdu.errors import InputError, RequestError
from tegata.reader_bridge.signing import Anchors, CrlFolder, Purpose, Trust

from .pki import Authority, Holder


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
