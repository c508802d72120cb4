from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from tegata.apdu.errors import RequestError
from tegata.reader_bridge.signing import Trust, authentication_digest, make_token, verify_token
from tegata.reader_bridge.signing.webeid import Token, check_origin, verify_signature

from .pki import Authority, Holder

ORIGIN = "https://portal.example"
NONCE = base64.b64encode(bytes(range(48))).decode()

# Key and signature of the token that web-eid-authtoken-validation-java tests with (ES384).
PUBLISHED_POINT = base64.b64decode(
    "BF4KAPtXxtOmDLvZ8v0XPH3N03ZCWuf5RVmfBm20HnAnKE4FpcejDppqgP61796ng+kYxPElmn8UObw/"
    "AdTsw7poW4BPnD/SUsN+XUode89Hlx/9Es/WqLhFR8zCMkjkNg=="
)
PUBLISHED_SIGNATURE = base64.b64decode(
    "pHkO+vRxBkP/zZLFvXcwR9kme/HT/DBRLk5RJDp7lPrfr6Qlb5Fu3/C3Up6Qw8P0KE2992as1lG9L3tbvqwa"
    "3dUCUz0osfRNEUXgkx1oPJrfII50/6L3mNnmexRnVSl2"
)
PUBLISHED_NONCE = "12345678123456781234567812345678912356789123"


def login(holder: Holder, origin: str = ORIGIN, nonce: str = NONCE) -> str:
    key = x509.load_der_x509_certificate(holder.certificate).public_key()
    signature = holder.sign_digest(authentication_digest(key, origin, nonce))
    return json.dumps(make_token(holder.certificate, signature))


def test_the_published_token_verifies() -> None:
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), PUBLISHED_POINT)
    verify_signature(key, "ES384", PUBLISHED_SIGNATURE, "https://ria.ee", PUBLISHED_NONCE)
    with pytest.raises(RequestError):
        verify_signature(key, "ES384", PUBLISHED_SIGNATURE, "https://ria.ee.evil", PUBLISHED_NONCE)


def test_openssl_verifies_what_the_card_signed(tmp_path: Path, client: Holder) -> None:
    fields = json.loads(login(client))
    key = x509.load_der_x509_certificate(client.certificate).public_key()
    (tmp_path / "key.pem").write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    (tmp_path / "sig").write_bytes(base64.b64decode(fields["signature"]))
    hashing = ["openssl", "dgst", "-sha256", "-binary"]
    parts = b"".join(
        subprocess.run(hashing, input=text.encode(), capture_output=True, check=True).stdout
        for text in (ORIGIN, NONCE)
    )
    (tmp_path / "data").write_bytes(parts)
    command = ["openssl", "dgst", "-sha256", "-verify", "key.pem", "-signature", "sig", "data"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "Verified OK"


def test_a_token_verifies_for_its_origin_and_nonce(client: Holder, trust: Trust) -> None:
    certificate = verify_token(login(client), origin=ORIGIN, nonce=NONCE, trust=trust)
    assert certificate.public_bytes(Encoding.DER) == client.certificate
    assert "nonce" not in login(client)
    assert ORIGIN not in login(client)


def test_an_elliptic_curve_key_works_as_well(authority: Authority, trust: Trust) -> None:
    holder = authority.issue("digital_signature", client=True, key=ec.generate_private_key(ec.SECP384R1()))
    token = login(holder)
    assert json.loads(token)["algorithm"] == "ES384"
    assert len(base64.b64decode(json.loads(token)["signature"])) == 96
    verify_token(token, origin=ORIGIN, nonce=NONCE, trust=trust)


@pytest.mark.parametrize(
    ("origin", "nonce"), [("https://portal.example.evil", NONCE), (ORIGIN, NONCE[:-4] + "AAAA")]
)
def test_it_verifies_nowhere_else(client: Holder, trust: Trust, origin: str, nonce: str) -> None:
    with pytest.raises(RequestError) as error:
        verify_token(login(client), origin=origin, nonce=nonce, trust=trust)
    assert error.value.code == "signature.invalid"


@pytest.mark.parametrize("algorithm", ["none", "", "ES256", "RS1", "HS256", "PS256"])
def test_another_algorithm_name_is_refused(client: Holder, trust: Trust, algorithm: str) -> None:
    token = json.dumps({**json.loads(login(client)), "algorithm": algorithm})
    with pytest.raises(RequestError) as error:
        verify_token(token, origin=ORIGIN, nonce=NONCE, trust=trust)
    assert error.value.code == "signature.invalid"


@pytest.mark.parametrize("field", ["unverifiedCertificate", "algorithm", "signature", "format"])
def test_every_field_is_needed(client: Holder, trust: Trust, field: str) -> None:
    fields = json.loads(login(client))
    del fields[field]
    with pytest.raises(RequestError) as error:
        verify_token(json.dumps(fields), origin=ORIGIN, nonce=NONCE, trust=trust)
    assert error.value.code == "request.malformed"


def test_a_signature_certificate_logs_nobody_in(signer: Holder, trust: Trust) -> None:
    with pytest.raises(RequestError) as error:
        verify_token(login(signer), origin=ORIGIN, nonce=NONCE, trust=trust)
    assert error.value.code == "signature.untrusted"


@pytest.mark.parametrize(
    "origin",
    [
        "portal.example",
        "https://portal.example/",
        "https://a@b",
        "ftp://x",
        "null",
        "",
        "https://",
        "https://x?y",
    ],
)
def test_an_origin_is_scheme_host_and_port(origin: str) -> None:
    with pytest.raises(RequestError):
        check_origin(origin)


@given(st.text(min_size=0, max_size=300))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    with pytest.raises(RequestError):
        Token.parse(text)
