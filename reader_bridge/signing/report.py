"""What a verification found: for each signature who, when, anchored where, revoked or not, and every fault.

A report is data: sentences come from the catalogue in both languages, and its JSON holds nothing of the
holder unless that is asked for, and never a serial number.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ...apdu.errors import TegataError, Words
from ...applets.jpki.certificate import JpkiCertificate, parse_certificate
from .anchors import Purpose
from .path import Refused
from .revocation import NOT_CHECKED, RevocationAnswer, RevocationStatus
from .trust import Trust

__all__ = ["Form", "Report", "SignatureReport", "Signer", "examine_signer"]

ACCEPTED = 0


class Form(enum.Enum):
    """How a signature is dressed."""

    PDF = "pdf"
    CMS_DETACHED = "cms-detached"
    CMS_ATTACHED = "cms-attached"
    WEB_EID = "web-eid"
    RAW = "raw"


@dataclass(frozen=True, slots=True)
class Signer:
    """The certificate behind a signature. ``holder`` is None for one that is not of the JPKI, ``anchor`` and
    ``revocation`` are None when there is no path or no provider."""

    certificate: bytes = field(repr=False)
    holder: JpkiCertificate | None
    anchor: str | None
    revocation: RevocationAnswer | None
    faults: tuple[TegataError, ...] = ()


@dataclass(frozen=True, slots=True)
class SignatureReport:
    """One signature. ``claimed_at`` is the time that the signer wrote into it: a claim, not a proof.
    ``label`` is the field's name in a PDF."""

    form: Form
    label: str = ""
    signer: Signer | None = None
    claimed_at: datetime | None = None
    hash: str | None = None
    own_faults: tuple[TegataError, ...] = ()

    @property
    def faults(self) -> tuple[TegataError, ...]:
        """Why it is refused: what is wrong with the signature, then with the certificate."""
        return self.own_faults + (self.signer.faults if self.signer else ())

    @property
    def accepted(self) -> bool:
        return self.signer is not None and not self.faults

    @property
    def revocation(self) -> Words:
        """What is known about revocation, for a person."""
        if self.signer is None or self.signer.revocation is None:
            return NOT_CHECKED
        return self.signer.revocation.words

    def to_json(self, *, personal: bool = False) -> dict[str, Any]:
        signer = self.signer
        answer = signer.revocation if signer else None
        unchecked = {"status": "not checked", "en": str(NOT_CHECKED), "ja": NOT_CHECKED.ja}
        return {
            "form": self.form.value,
            "label": self.label,
            "accepted": self.accepted,
            "claimed_at": self.claimed_at.isoformat() if self.claimed_at else None,
            "hash": self.hash,
            "anchor": signer.anchor if signer else None,
            "certificate": signer.holder.to_json(personal=personal) if signer and signer.holder else None,
            "revocation": answer.to_json() if answer else unchecked,
            "faults": [_fault(fault) for fault in self.faults],
        }


@dataclass(frozen=True, slots=True)
class Report:
    """All signatures of one file, judged at one moment. ``content`` is what an attached signature carries."""

    name: str
    at: datetime
    signatures: tuple[SignatureReport, ...]
    content: bytes | None = field(default=None, repr=False)

    @property
    def accepted(self) -> bool:
        """Whether there is a signature and none is refused."""
        return bool(self.signatures) and all(signature.accepted for signature in self.signatures)

    @property
    def faults(self) -> tuple[TegataError, ...]:
        return tuple(fault for signature in self.signatures for fault in signature.faults)

    @property
    def exit_code(self) -> int:
        """0, or the exit code of the first fault."""
        return self.faults[0].exit_code if self.faults else ACCEPTED

    def to_json(self, *, personal: bool = False) -> dict[str, Any]:
        return {
            "name": self.name,
            "at": self.at.isoformat(),
            "accepted": self.accepted,
            "exit_code": self.exit_code,
            "signatures": [signature.to_json(personal=personal) for signature in self.signatures],
        }


def examine_signer(
    trust: Trust, certificate: bytes, purpose: Purpose, at: datetime, others: tuple[bytes, ...] = ()
) -> Signer:
    """Everything about the certificate behind a signature; faults are collected, not raised.

    Raises what the provider of revocation data raises for a mistake in its configuration.
    """
    holder = _holder(certificate)
    try:
        path = trust.path(certificate, purpose, at, others)
    except Refused as fault:
        return Signer(certificate, holder, None, None, (fault,))
    answer = trust.ask(path, at)
    faults = _revocation_faults(answer, trust.revocation_needed)
    return Signer(certificate, holder, path.anchor_name, answer, faults)


def _revocation_faults(answer: RevocationAnswer | None, needed: bool) -> tuple[Refused, ...]:
    """A provider that was asked and does not know is a fault; that nobody was asked only where an answer is
    needed."""
    if answer is None:
        none = Words("none is configured", "設定されていません")
        return (Refused("verify.revocation_unknown", what=none),) if needed else ()
    if answer.status is RevocationStatus.REVOKED:
        return (Refused("verify.revoked", what=answer.words),)
    if answer.status is RevocationStatus.UNKNOWN:
        return (Refused("verify.revocation_unknown", what=answer.words),)
    return ()


def _holder(certificate: bytes) -> JpkiCertificate | None:
    try:
        return parse_certificate(certificate)
    except TegataError:
        return None


def _fault(fault: TegataError) -> dict[str, Any]:
    return {
        "code": fault.code,
        "exit_code": fault.exit_code,
        "en": fault.sentence("en"),
        "ja": fault.sentence("ja"),
        "next_en": fault.next_step("en"),
        "next_ja": fault.next_step("ja"),
    }
