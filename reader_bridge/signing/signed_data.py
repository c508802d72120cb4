"""CMS SignedData (RFC 5652) before it is believed: read it, and refuse what could be read in two ways.

Refused are more than one SignerInfo, no or doubled signed attributes, and hashes that are broken.
"""

from __future__ import annotations

from datetime import datetime

from asn1crypto import cms, core, pem
from pyhanko.sign.general import CMSExtractionError, CMSStructuralError, extract_certificate_info
from pyhanko.sign.validation import errors as validation_errors

from ...apdu.errors import Words
from .path import MOST_OTHERS, Refused, check_key, load_certificate

__all__ = [
    "BROKEN",
    "certificates_of",
    "check_signed_data",
    "claimed_time",
    "mismatch",
    "read_signed_data",
    "structure",
]

HASHES = frozenset({"sha256", "sha384", "sha512", "sha3_256", "sha3_384", "sha3_512"})
PARTS = ("digest_algorithms", "certificates", "crls", "signer_infos")
MAX_PART = 1024 * 1024
BROKEN = (
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    RecursionError,
    NotImplementedError,
    CMSExtractionError,
    CMSStructuralError,
    validation_errors.SignatureValidationError,
)
"""What the libraries raise for bytes that somebody damaged or forged."""


def structure(en: str, ja: str) -> Refused:
    return Refused("verify.structure", what=Words(en, ja))


def mismatch() -> Refused:
    """For bytes that a library stumbled over."""
    return structure("its parts do not fit each other", "各部分が互いに合いません")


def read_signed_data(raw: bytes) -> cms.SignedData:
    """SignedData from DER or PEM, with nothing behind it. Raises Refused ``verify.structure``."""
    try:
        der = pem.unarmor(raw)[2] if pem.detect(raw) else raw
        content = cms.ContentInfo.load(der, strict=True)
        if content["content_type"].native != "signed_data":
            raise structure("it is CMS, but not SignedData", "CMS ですが SignedData ではありません")
        signed: cms.SignedData = content["content"]
        _check_amount(signed)
        _ = signed.native
        return signed
    except BROKEN as error:
        raise structure("it cannot be read as CMS", "CMS として読めません") from error


def check_signed_data(signed: cms.SignedData) -> None:
    """One signer with a key of a known kind, signed attributes, sound hashes. Raises Refused ``verify.*``,
    and what is in BROKEN."""
    _check_amount(signed)
    info = signed["signer_infos"][0]
    _check_hashes(info)
    if info["signed_attrs"] is core.VOID or not len(info["signed_attrs"]):
        raise structure("it has no signed attributes", "署名対象の属性がありません")
    kinds = [attribute["type"].dotted for attribute in info["signed_attrs"]]
    if len(kinds) != len(set(kinds)):
        raise structure("a signed attribute stands there twice", "署名対象の属性が重複しています")
    certificate, _ = certificates_of(signed)
    check_key(load_certificate(certificate))


def _check_amount(signed: cms.SignedData) -> None:
    """Before anything is taken apart: each element costs time, and a forger has millions for free."""
    if any(len(signed[part].contents or b"") > MAX_PART for part in PARTS):
        raise structure("a part of it is larger than 1 MiB", "1 MiB を超える部分があります")
    count = len(signed["signer_infos"])
    if count != 1:
        raise structure(f"it has {count} SignerInfos instead of one", f"SignerInfo が {count} 個あります")
    certificates = len(signed["certificates"])
    if certificates > MOST_OTHERS + 1:
        raise structure(
            f"it carries {certificates} certificates", f"証明書が {certificates} 個も含まれています"
        )


def _check_hashes(info: cms.SignerInfo) -> None:
    algorithm = info["signature_algorithm"]
    names = {info["digest_algorithm"]["algorithm"].native}
    try:
        names.add(algorithm.hash_algo)
        if algorithm.signature_algo == "rsassa_pss":
            names.add(algorithm["parameters"]["mask_gen_algorithm"]["parameters"]["algorithm"].native)
    except ValueError:
        pass  # plain RSA names no hash of its own: the digest algorithm says it
    if weak := sorted(str(name) for name in names - HASHES):
        raise Refused("verify.weak", what=Words(*[", ".join(weak).upper()] * 2))


def certificates_of(signed: cms.SignedData) -> tuple[bytes, tuple[bytes, ...]]:
    """The signer's certificate, which SignerInfo names, and the others, in DER form. Raises as BROKEN."""
    found = extract_certificate_info(signed)
    return found.signer_cert.dump(), tuple(other.dump() for other in found.other_certs)


def claimed_time(signed: cms.SignedData) -> datetime | None:
    """The signing time that the signer claims."""
    for attribute in signed["signer_infos"][0]["signed_attrs"]:
        if attribute["type"].native == "signing_time":
            moment = attribute["values"][0].native
            return moment if isinstance(moment, datetime) else None
    return None
