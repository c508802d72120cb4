"""``verify``: read a finished badge back and compare it with what was ordered. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec

from ...apdu.certificate import read_certificate
from ...apdu.errors import Words
from ...applets.piv.model import ObjectTag
from ...applets.piv.objects import CertificateObject
from .door import read_record
from .plan import unlock
from .steps import badge_record, steps_for
from .work import Work

__all__ = ["Check", "verify"]


@dataclass(frozen=True, slots=True)
class Check:
    """One comparison."""

    what: Words
    ok: bool
    detail: str = ""


def verify(work: Work) -> list[Check]:
    """All comparisons, in a readable order. Raises CardError ``badge.keys`` when nothing known opens it."""
    unlock(work)
    return list(_checks(work))


def _checks(work: Work) -> Iterator[Check]:
    for step in steps_for(work):
        yield Check(step.describe(work), step.done(work))
    with work.desk.ledger.read() as books:
        state = "unknown" if work.card is None else books.card(work.card.id).state
    what = Words("the ledger says the card is active", "台帳ではカードが使用中である")
    yield Check(what, state == "active", state)
    if work.profile.employee_id is not None:
        yield _certificate(work)
    if work.profile.entry_badge is not None:
        record = read_record(work)
        what = Words("a door reads the ordered record", "扉が依頼どおりの内容を読む")
        yield Check(what, record == badge_record(work), record.badge_number)


def _certificate(work: Work) -> Check:
    what = Words(
        "the certificate of 9A is the company CA's and not revoked",
        "9A の証明書は社内認証局のもので、失効していない",
    )
    content = work.piv_object(ObjectTag.AUTHENTICATION_CERTIFICATE)
    if content is None:
        return Check(what, False, "no certificate")
    try:
        certificate, _ = read_certificate(CertificateObject.parse(content).certificate)
        algorithm = certificate.signature_hash_algorithm
    except (ValueError, UnsupportedAlgorithm) as error:
        return Check(what, False, str(error))
    issuer_key = work.desk.ca.issuer.public_key()
    if not isinstance(issuer_key, ec.EllipticCurvePublicKey) or algorithm is None:
        return Check(what, False, "unexpected algorithm")
    try:
        issuer_key.verify(certificate.signature, certificate.tbs_certificate_bytes, ec.ECDSA(algorithm))
    except InvalidSignature:
        return Check(what, False, "signed by somebody else")
    delivered = {serial for serial, _ in work.certificates("delivered")}
    return Check(what, certificate.serial_number in delivered, "revoked or unknown to the ledger")
