"""Certificates of the company CA: a serial is reserved before the certificate exists.

A serial that was reserved and whose certificate never reached a card is ``orphaned`` and stands on the
CRL like a revoked one: somebody may have signed it just before the power went.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, insert, select

from ...apdu.errors import InputError
from ...reader_bridge.store import now
from .base import Part
from .records import Certificate
from .tables import CERTIFICATES

__all__ = ["CertificatePart"]

ON_CRL = ("orphaned", "revoked")


class CertificatePart(Part):
    """Methods of a ledger transaction about certificates. Serials are positive integers."""

    def reserve_certificate(
        self,
        serial: int,
        employee: str,
        *,
        line_id: int | None = None,
        card_id: int | None = None,
        intent_id: int | None = None,
    ) -> Certificate:
        self._connection.execute(
            insert(CERTIFICATES).values(
                serial=_text(serial),
                employee=employee,
                line_id=line_id,
                card_id=card_id,
                intent_id=intent_id,
                state="reserved",
                reason="",
                updated=now(),
            )
        )
        self.audit("certificate.reserved", id=_text(serial), line=line_id, card=card_id)
        return self.certificate(serial)

    def certificate(self, serial: int) -> Certificate:
        """Raises InputError ``order.unknown``."""
        query = select(CERTIFICATES).where(CERTIFICATES.c.serial == _text(serial))
        row = self._connection.execute(query).one_or_none()
        if row is None:
            raise InputError("order.unknown", what="certificate", id=_text(serial))
        return _certificate(row)

    def certificates(
        self,
        *,
        line_id: int | None = None,
        card_id: int | None = None,
        employee: str = "",
        states: Sequence[str] = (),
    ) -> list[Certificate]:
        query = select(CERTIFICATES).order_by(CERTIFICATES.c.updated, CERTIFICATES.c.serial)
        if line_id is not None:
            query = query.where(CERTIFICATES.c.line_id == line_id)
        if card_id is not None:
            query = query.where(CERTIFICATES.c.card_id == card_id)
        if employee:
            query = query.where(CERTIFICATES.c.employee == employee)
        if states:
            query = query.where(CERTIFICATES.c.state.in_(states))
        return [_certificate(row) for row in self._connection.execute(query)]

    def issue_certificate(self, serial: int, der: bytes) -> None:
        """The CA signed it. Raises InputError ``ledger.transition`` when the serial is not reserved."""
        self._move("certificate", CERTIFICATES, _text(serial), "issued", der=der, updated=now())

    def deliver_certificate(self, serial: int) -> None:
        """The card was read back and holds it."""
        self._move("certificate", CERTIFICATES, _text(serial), "delivered", updated=now())

    def orphan_certificate(self, serial: int) -> None:
        """It never reached its card: revoked from now on."""
        moment = now()
        self._move(
            "certificate",
            CERTIFICATES,
            _text(serial),
            "orphaned",
            revoked=moment,
            reason="cessation_of_operation",
            updated=moment,
        )

    def revoke_certificate(self, serial: int, reason: str = "unspecified") -> None:
        """``reason`` is a value of x509.ReasonFlags in snake case, e.g. ``key_compromise``."""
        moment = now()
        self._move(
            "certificate",
            CERTIFICATES,
            _text(serial),
            "revoked",
            revoked=moment,
            reason=reason,
            updated=moment,
        )


def _text(serial: int) -> str:
    return f"{serial:040x}"


def _certificate(row: Row[Any]) -> Certificate:
    return Certificate(
        serial=int(row.serial, 16),
        employee=row.employee,
        line_id=row.line_id,
        card_id=row.card_id,
        intent_id=row.intent_id,
        state=row.state,
        der=row.der,
        revoked=row.revoked,
        reason=row.reason,
    )
