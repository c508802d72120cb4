from __future__ import annotations

import random
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from tegata.apdu.errors import RequestError
from tegata.reader_bridge.signing import Trust, sign_pdf, verify_pdf
from tegata.reader_bridge.signing.pdf import check_pdf

from .pki import Authority, Holder


def test_poppler_verifies_the_signature(tmp_path: Path, signer: Holder, document: bytes) -> None:
    path = tmp_path / "signed.pdf"
    path.write_bytes(sign_pdf(document, signer.certificate, signer.sign_digest, reason="application"))
    ran = subprocess.run(["pdfsig", "-nocert", path], capture_output=True, text=True, check=False)
    assert "Signature is Valid." in ran.stdout
    assert "Total document signed" in ran.stdout
    assert "ETSI.CAdES.detached" in ran.stdout


def test_every_byte_of_the_document_stays(signer: Holder, document: bytes, trust: Trust) -> None:
    signed = sign_pdf(document, signer.certificate, signer.sign_digest)
    assert signed.startswith(document)
    assert verify_pdf(signed, trust) == [signer.certificate]


def test_two_people_sign_one_document(
    authority: Authority, signer: Holder, document: bytes, trust: Trust
) -> None:
    second = authority.issue("digital_signature", "content_commitment")
    signed = sign_pdf(document, signer.certificate, signer.sign_digest)
    signed = sign_pdf(signed, second.certificate, second.sign_digest)
    assert verify_pdf(signed, trust) == [signer.certificate, second.certificate]


def test_a_changed_byte_is_noticed(signer: Holder, document: bytes, trust: Trust) -> None:
    signed = bytearray(sign_pdf(document, signer.certificate, signer.sign_digest))
    position = signed.index(b"72 720")
    signed[position] ^= 1
    with pytest.raises(RequestError) as error:
        verify_pdf(bytes(signed), trust)
    assert error.value.code == "signature.invalid"


def test_bytes_after_the_signature_are_noticed(signer: Holder, document: bytes, trust: Trust) -> None:
    signed = sign_pdf(document, signer.certificate, signer.sign_digest)
    with pytest.raises(RequestError) as error:
        verify_pdf(signed + b"\n% more\n%%EOF\n", trust)
    assert error.value.code.startswith("signature.")


def test_a_document_without_signature_does_not_pass(document: bytes, trust: Trust) -> None:
    with pytest.raises(RequestError) as error:
        verify_pdf(document, trust)
    assert error.value.code == "signature.invalid"


@pytest.mark.parametrize(
    "junk", [b"", b"junk", b"%PDF-1.7\n", b"%PDF-1.7\nxref\ntrailer<<>>\nstartxref\n9\n%%EOF"]
)
def test_junk_is_no_document(junk: bytes, signer: Holder) -> None:
    with pytest.raises(RequestError) as error:
        sign_pdf(junk, signer.certificate, signer.sign_digest)
    assert error.value.code == "signature.document"


WORDS = (b"/Root", b"/Size", b"/Prev 9", b"<<", b">>", b"[", b"obj", b"trailer", b"1 0 R", b"0 0 R", b"-1")


def damaged(document: bytes, dice: random.Random) -> bytes:
    made = bytearray(document)
    for _ in range(dice.randint(1, 6)):
        place, length = dice.randrange(len(made)), dice.choice((0, 1, 1, dice.randint(0, 20)))
        made[place : place + length] = dice.choice((*WORDS, dice.randbytes(1)))
    return bytes(made)


def test_damaged_documents_raise_nothing_else(signer: Holder, document: bytes) -> None:
    """People upload what they like: a reader that trips over it must say so in our words."""
    signed = sign_pdf(document, signer.certificate, signer.sign_digest)
    dice = random.Random(3)  # noqa: S311 - the same damage in every run
    codes: Counter[str] = Counter()
    for _ in range(3000):
        for base, use in ((document, check_pdf), (signed, lambda found: verify_pdf(found, None))):
            try:
                use(damaged(base, dice))
            except RequestError as error:
                codes[error.code] += 1
    assert set(codes) == {"signature.document", "signature.invalid"}
    assert codes.total() > 3000


@pytest.mark.parametrize("bomb", [b"[" * 20_000, b"<</A " * 5000 + b">>" * 5000, b"(" * 50_000])
def test_deep_documents_are_refused(bomb: bytes) -> None:
    with pytest.raises(RequestError):
        check_pdf(b"%PDF-1.7\n1 0 obj" + bomb + b"\nendobj\ntrailer<</Root 1 0 R>>\nstartxref\n9\n%%EOF")
