"""Verifying a file, whatever kind of signature it is: PDF, CMS, Web eID token, or a raw signature.

The kind is told from the bytes, not from the file's name. What is asked of a certificate follows from the
kind: a document needs the signature certificate, a login the authentication certificate.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from asn1crypto import pem
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from ...apdu.errors import InputError, RequestError, TegataError, Words
from ...applets.jpki.model import DIGEST_INFO
from .anchors import Purpose, read_certificates
from .cms_check import verify_cms
from .path import Refused, load_certificate
from .pdf_check import verify_pdf_signatures
from .report import Form, Report, SignatureReport, examine_signer
from .signed_data import read_signed_data, structure
from .trust import Trust
from .webeid import Token, verify_signature

__all__ = ["Beside", "verify_bytes", "verify_file"]

MAX_BYTES = 256 * 1024 * 1024
PDF_HEADER_WITHIN = 1024
SOUND: dict[str, hashes.HashAlgorithm] = {
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}


@dataclass(frozen=True, slots=True)
class Beside:
    """What belongs to a signature and is not in it.

    ``content``: of a detached or raw signature. ``certificate`` (DER or PEM) and ``purpose``: of a raw one.
    ``origin`` and ``nonce``: of a token.
    """

    content: bytes | None = None
    certificate: bytes | None = None
    purpose: Purpose = Purpose.SIGNATURE
    origin: str | None = None
    nonce: str | None = None


def verify_file(
    path: Path,
    trust: Trust,
    *,
    content: Path | None = None,
    certificate: Path | None = None,
    purpose: Purpose = Purpose.SIGNATURE,
    origin: str | None = None,
    nonce: str | None = None,
    at: datetime | None = None,
) -> Report:
    """Verify every signature in a file, at a moment (now).

    Raises InputError ``verify.unreadable`` for a file that is missing, too large or no signature at all, and
    ``verify.missing`` when something that belongs to the signature was not given; everything else is in the
    report.
    """
    beside = Beside(
        content=_read(content) if content else None,
        certificate=_read(certificate) if certificate else None,
        purpose=purpose,
        origin=origin,
        nonce=nonce,
    )
    return verify_bytes(_read(path), path.name, trust, beside, at=at)


def verify_bytes(
    raw: bytes, name: str, trust: Trust, beside: Beside | None = None, *, at: datetime | None = None
) -> Report:
    """As :func:`verify_file`, for bytes; ``name`` stands in the report and in errors."""
    moment = at or datetime.now(UTC)
    given = beside or Beside()
    content = None
    try:
        if b"%PDF-" in raw[:PDF_HEADER_WITHIN]:
            signatures = verify_pdf_signatures(raw, name, trust, moment)
        elif _looks_like_token(raw, given):
            signatures = (_token(raw, name, given, trust, moment),)
        elif _looks_like_cms(raw):
            report, content = _cms(raw, name, given, trust, moment)
            signatures = (report,)
        elif given.certificate is not None:
            signatures = (_raw(raw, name, given, trust, moment),)
        else:
            what = Words("it is no kind of signature that is known", "対応している署名の形式ではありません")
            raise InputError("verify.unreadable", name=name, what=what)
    except Refused as fault:
        signatures = (SignatureReport(_form(raw, given), own_faults=(fault,)),)
    attached = signatures[0].form is Form.CMS_ATTACHED
    return Report(name, moment, signatures, content if attached else None)


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > MAX_BYTES:
            what = Words("it is larger than 256 MiB", "256 MiB を超えています")
            raise InputError("verify.unreadable", name=path.name, what=what)
        return path.read_bytes()
    except OSError as error:
        what = Words("the file cannot be opened", "ファイルを開けません")
        raise InputError("verify.unreadable", name=path.name, what=what) from error


def _form(raw: bytes, given: Beside) -> Form:
    if b"%PDF-" in raw[:PDF_HEADER_WITHIN]:
        return Form.PDF
    if _looks_like_token(raw, given):
        return Form.WEB_EID
    return Form.CMS_DETACHED if _looks_like_cms(raw) else Form.RAW


def _looks_like_token(raw: bytes, given: Beside) -> bool:
    """A JSON object; one raw signature in 256 begins like one too."""
    return raw.lstrip()[:1] == b"{" and (given.certificate is None or b"unverifiedCertificate" in raw)


def _looks_like_cms(raw: bytes) -> bool:
    """A SEQUENCE that begins with an object identifier of PKCS #7, or PEM of it."""
    if pem.detect(raw):
        return b"-----BEGIN CMS-----" in raw or b"-----BEGIN PKCS7-----" in raw
    return raw[:1] == b"\x30" and bytes.fromhex("06092A864886F70D0107") in raw[:20]


def _cms(
    raw: bytes, name: str, given: Beside, trust: Trust, at: datetime
) -> tuple[SignatureReport, bytes | None]:
    signed = read_signed_data(raw)
    detached = signed["encap_content_info"]["content"].native is None
    if detached and given.content is None:
        raise _missing(name, "the content that was signed", "署名された内容")
    return verify_cms(signed, given.content, trust, at)


def _token(raw: bytes, name: str, given: Beside, trust: Trust, at: datetime) -> SignatureReport:
    if given.origin is None or given.nonce is None:
        raise _missing(name, "the portal's origin and the nonce of the login", "ポータルのオリジンとナンス")
    try:
        token = Token.parse(raw.decode("utf-8"))
        key = load_certificate(token.certificate).public_key()
    except (UnicodeDecodeError, RequestError) as error:
        raise structure("it is no Web eID token", "Web eID トークンではありません") from error
    faults: tuple[TegataError, ...] = ()
    try:
        verify_signature(key, token.algorithm, token.signature, given.origin, given.nonce)
    except RequestError as error:
        if error.code != "signature.invalid":
            raise
        what = Words(
            "it is not for this origin, nonce and key", "このオリジン、ナンス、鍵の署名ではありません"
        )
        faults = (Refused("verify.signature", what=what),)
    signer = examine_signer(trust, token.certificate, Purpose.AUTHENTICATION, at)
    return SignatureReport(Form.WEB_EID, "", signer, None, token.algorithm, faults)


def _raw(raw: bytes, name: str, given: Beside, trust: Trust, at: datetime) -> SignatureReport:
    if given.content is None:
        raise _missing(name, "the content that was signed", "署名された内容")
    certificate = _certificate(given.certificate or b"")
    key = load_certificate(certificate).public_key()
    found, fault = None, None
    if isinstance(key, rsa.RSAPublicKey):
        found, fault = _rsa(key, raw, given.content)
    elif isinstance(key, ec.EllipticCurvePublicKey):
        found, fault = _ecdsa(key, raw, given.content)
    else:
        fault = structure("keys of this kind are not supported", "この種類の鍵には対応していません")
    signer = examine_signer(trust, certificate, given.purpose, at)
    return SignatureReport(Form.RAW, "", signer, None, found, (fault,) if fault else ())


def _certificate(raw: bytes) -> bytes:
    try:
        certificates = read_certificates(raw)
    except (ValueError, TypeError) as error:
        what = Words("it is no certificate", "証明書ではありません")
        raise Refused("verify.certificate", what=what) from error
    return certificates[0]


def _rsa(key: rsa.RSAPublicKey, signature: bytes, content: bytes) -> tuple[str | None, Refused | None]:
    """The hash, or the fault. Only the key's owner can make a value that opens to a DigestInfo, so one with
    another digest is a signature over other content."""
    for name, sound in SOUND.items():
        pss = padding.PSS(padding.MGF1(sound), padding.PSS.AUTO)
        if any(_fits(key, signature, content, scheme, sound) for scheme in (padding.PKCS1v15(), pss)):
            return name, None
    try:
        opened = key.recover_data_from_signature(signature, padding.PKCS1v15(), None)
    except (InvalidSignature, ValueError):
        opened = b""
    for name, prefix in DIGEST_INFO.items():
        if opened.startswith(prefix) and len(opened) == len(prefix) + prefix[-1]:
            if name not in SOUND:
                return name, Refused("verify.weak", what=Words(name.upper(), name.upper()))
            what = Words("its digest is another", "ダイジェストが一致しません")
            return name, Refused("verify.content", what=what)
    if opened == hashlib.md5(content, usedforsecurity=False).digest() or MD5_INFO in opened:
        return "md5", Refused("verify.weak", what=Words("MD5", "MD5"))
    return None, _unfit()


MD5_INFO = bytes.fromhex("06082A864886F70D0205")


def _fits(
    key: rsa.RSAPublicKey,
    signature: bytes,
    content: bytes,
    scheme: padding.AsymmetricPadding,
    algorithm: hashes.HashAlgorithm,
) -> bool:
    try:
        key.verify(signature, content, scheme, algorithm)
    except (InvalidSignature, ValueError):
        return False
    return True


def _ecdsa(
    key: ec.EllipticCurvePublicKey, signature: bytes, content: bytes
) -> tuple[str | None, Refused | None]:
    for name, sound in SOUND.items():
        try:
            key.verify(signature, content, ec.ECDSA(sound))
        except (InvalidSignature, ValueError):
            continue
        return name, None
    return None, _unfit()


def _unfit() -> Refused:
    what = Words("it fits neither this content nor this key", "この内容と鍵の署名ではありません")
    return Refused("verify.signature", what=what)


def _missing(name: str, en: str, ja: str) -> InputError:
    return InputError("verify.missing", name=name, what=Words(en, ja))
