from __future__ import annotations

import hashlib
import subprocess
import time
from pathlib import Path

import pytest
from asn1crypto import cms, parser
from hypothesis import given, settings
from hypothesis import strategies as st

from tegata.apdu.errors import RequestError
from tegata.reader_bridge.signing import Refused, Trust, sign_detached, verify_detached
from tegata.reader_bridge.signing.cms import sign_detached_digest
from tegata.reader_bridge.signing.signed_data import read_signed_data

from .pki import Authority, Holder


def test_openssl_verifies_a_detached_signature(tmp_path: Path, authority: Authority, signer: Holder) -> None:
    (tmp_path / "data").write_bytes(b"a contract")
    (tmp_path / "root.pem").write_bytes(authority.pem)
    (tmp_path / "sig.der").write_bytes(sign_detached(b"a contract", signer.certificate, signer.sign_digest))
    command = ["openssl", "cms", "-verify", "-binary", "-inform", "DER", "-in", "sig.der", "-content", "data"]
    command += ["-CAfile", "root.pem", "-purpose", "any", "-cades"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == b"a contract"


def test_signed_attributes_are_those_of_cades(signer: Holder) -> None:
    content = cms.ContentInfo.load(sign_detached(b"x", signer.certificate, signer.sign_digest))
    (info,) = content["content"]["signer_infos"]
    names = {attribute["type"].native for attribute in info["signed_attrs"]}
    assert {"content_type", "message_digest", "signing_time", "signing_certificate_v2"} <= names
    assert content["content"]["encap_content_info"]["content"].native is None


@settings(max_examples=10, deadline=None)
@given(data=st.binary(max_size=200))
def test_any_bytes_verify(data: bytes, signer: Holder, trust: Trust) -> None:
    signature = sign_detached(data, signer.certificate, signer.sign_digest)
    assert verify_detached(data, signature, trust) == signer.certificate


def test_a_digest_signs_like_its_document(signer: Holder, trust: Trust) -> None:
    digest = hashlib.sha256(b"far away").digest()
    signature = sign_detached_digest(digest, signer.certificate, signer.sign_digest)
    assert verify_detached(b"far away", signature, trust) == signer.certificate
    with pytest.raises(RequestError) as error:
        sign_detached_digest(digest[:20], signer.certificate, signer.sign_digest)
    assert error.value.code == "request.malformed"


def test_other_bytes_do_not_verify(signer: Holder, trust: Trust) -> None:
    signature = sign_detached(b"one", signer.certificate, signer.sign_digest)
    with pytest.raises(RequestError) as error:
        verify_detached(b"two", signature, trust)
    assert error.value.code == "signature.invalid"


@pytest.mark.parametrize("junk", [b"", b"junk", b"0\x03\x02\x01\x01", b"0" * 100])
def test_junk_is_no_signature(junk: bytes, trust: Trust) -> None:
    with pytest.raises(RequestError) as error:
        verify_detached(b"one", junk, trust)
    assert error.value.code == "signature.invalid"


def test_a_card_that_signs_something_else_is_found_out(authority: Authority, signer: Holder) -> None:
    other = authority.issue("digital_signature", "content_commitment")
    with pytest.raises(RequestError) as error:
        sign_detached(b"x", signer.certificate, other.sign_digest)
    assert error.value.code == "signature.invalid"


def test_an_unknown_hash_is_refused(signer: Holder) -> None:
    """Every place where the signature names SHA-256, in turn, names a hash that does not exist."""
    signature = sign_detached(b"data", signer.certificate, signer.sign_digest)
    sha256, unknown = bytes.fromhex("0609608648016503040201"), bytes.fromhex("060960864801650304027f")
    places = [place for place in range(len(signature)) if signature.startswith(sha256, place)]
    codes = []
    for place in places:
        made = signature[:place] + unknown + signature[place + len(unknown) :]
        try:
            verify_detached(b"data", made, None)  # the list of hashes before the content binds nobody
        except RequestError as error:
            codes.append(error.code)
    assert codes
    assert set(codes) == {"signature.invalid"}


def rebuilt(signature: bytes, **parts: bytes) -> bytes:
    """A signature with other content in some parts of its SignedData."""
    signed = cms.ContentInfo.load(signature)["content"]
    tags = {"certificates": (2, 0), "signer_infos": (0, 17)}
    names = ("version", "digest_algorithms", "encap_content_info", "certificates", "signer_infos")
    inside = b"".join(
        parser.emit(tags[name][0], 1, tags[name][1], parts[name]) if name in parts else signed[name].dump()
        for name in names
    )
    content = parser.emit(2, 1, 0, parser.emit(0, 1, 16, inside))
    return parser.emit(0, 1, 16, cms.ContentType("signed_data").dump() + content)


@pytest.mark.parametrize(
    ("part", "count"), [("certificates", 500_000), ("signer_infos", 500_000), ("certificates", 5_000_000)]
)
def test_a_crowd_inside_is_refused_before_it_is_taken_apart(part: str, count: int, signer: Holder) -> None:
    signature = sign_detached(b"data", signer.certificate, signer.sign_digest)
    crowded = rebuilt(signature, **{part: b"\x30\x00" * count})
    begun = time.process_time()
    with pytest.raises(Refused) as caught:
        read_signed_data(crowded)
    assert caught.value.code == "verify.structure"
    assert time.process_time() - begun < 10
