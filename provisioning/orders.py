"""Orders: a roster and a profile become lines in which everything that will be written is frozen.

GUIDs, diversifiers, dates and texts are settled here and not at the station: a card that is torn away and
finished tomorrow gets the same contents. The same roster with the same profile makes no second order.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from dataclasses import asdict
from datetime import datetime, time, timedelta, timezone
from typing import Any

from ..applets.entry_badge.model import DIVERSIFIER_LENGTH, BadgeRecord
from ..reader_bridge.store.audit import canonical_json
from .ledger import Ledger, NewLine, Order
from .profile import PRINTED_LIMITS, EmployeeId, EntryBadge, Profile, render
from .roster import Employee, Roster

__all__ = ["content_hash", "create_order", "render_line"]


class _Unfit(Exception):
    """What a line is rejected for, in words without personal data."""


def create_order(ledger: Ledger, roster: Roster, profile: Profile, label: str = "") -> tuple[Order, bool]:
    """The order for this roster and profile, and whether it is new.

    Employees are remembered in the same transaction. Lines that the profile cannot serve (unknown site or
    access class, text that does not fit the badge) are stored as ``rejected`` with the reason.
    """
    fingerprint = content_hash(roster, profile)
    with ledger.begin() as books:
        known = books.order_of(fingerprint)
        if known is not None:
            return known, False
        books.put_employees(roster.employees)
        lines = [render_line(employee, profile) for employee in roster.employees]
        return books.add_order(label or profile.name, fingerprint, profile.to_json(), lines), True


def content_hash(roster: Roster, profile: Profile) -> str:
    """SHA-256 in hex over what was ordered, not over how the file was written."""
    employees = [
        _employee_json(employee) for employee in sorted(roster.employees, key=lambda one: one.number)
    ]
    return hashlib.sha256(canonical_json([employees, profile.to_json()]).encode()).hexdigest()


def render_line(employee: Employee, profile: Profile) -> NewLine:
    """One line, frozen. Its payload:

    ``employee`` the roster's fields; ``valid_from``, ``valid_until`` ISO dates;
    ``employee_id``: ``guid`` (hex), ``printed`` and ``certificate`` (texts by the profile's field names);
    ``entry_badge``: ``number``, ``site`` (number), ``site_code``, ``access`` (codes), ``record`` (hex of the
    whole BadgeRecord), ``diversifier`` (hex).
    """
    payload: dict[str, Any] = {
        "employee": _employee_json(employee),
        "valid_from": employee.valid_from.isoformat(),
        "valid_until": employee.valid_until.isoformat(),
    }
    try:
        if profile.employee_id is not None and employee.card == "company":
            payload["employee_id"] = _employee_id(employee, profile.employee_id)
        if profile.entry_badge is not None:
            payload["entry_badge"] = _entry_badge(employee, profile.entry_badge)
    except _Unfit as unfit:
        return NewLine(employee.number, employee.card, payload, rejected=str(unfit))
    return NewLine(employee.number, employee.card, payload)


def _employee_id(employee: Employee, section: EmployeeId) -> dict[str, Any]:
    printed = {name: render(text, employee) for name, text in section.printed.model_dump().items()}
    for name, text in printed.items():
        if not text.isascii() or len(text) > PRINTED_LIMITS[name]:
            raise _Unfit(f"printed.{name} must be ASCII of at most {PRINTED_LIMITS[name]} characters")
    certificate = {
        name: render(text, employee)
        for name, text in section.certificate.model_dump().items()
        if name != "key"
    }
    if not certificate["common_name"] or any(
        len(certificate[name]) > 64
        for name in ("common_name", "organization", "organizational_unit", "serial_number")
    ):
        raise _Unfit("certificate names must have at most 64 characters, and the common name at least one")
    return {"guid": uuid.uuid4().hex, "printed": printed, "certificate": certificate}


def _entry_badge(employee: Employee, section: EntryBadge) -> dict[str, Any]:
    site = employee.site or section.default_site
    if site not in section.sites:
        raise _Unfit("the site is not in the profile")
    if not set(employee.access) <= set(section.access_classes):
        raise _Unfit("an access class is not in the profile")
    zone = timezone(timedelta(hours=section.utc_offset))
    try:
        record = BadgeRecord(
            badge_number=render(section.number, employee),
            site=section.sites[site],
            valid_from=datetime.combine(employee.valid_from, time(), zone),
            # the end is exclusive: the last day counts whole
            valid_until=datetime.combine(employee.valid_until, time(), zone) + timedelta(days=1),
            access_classes=frozenset(section.access_classes[code] for code in employee.access),
        )
        raw = bytes(record)
    except (ValueError, OverflowError) as error:
        raise _Unfit(f"the entry badge cannot hold it: {error}") from error
    return {
        "number": record.badge_number,
        "site": record.site,
        "site_code": site,
        "access": list(employee.access),
        "record": raw.hex(),
        "diversifier": secrets.token_hex(DIVERSIFIER_LENGTH),
    }


def _employee_json(employee: Employee) -> dict[str, Any]:
    values = asdict(employee)
    values["valid_from"] = employee.valid_from.isoformat()
    values["valid_until"] = employee.valid_until.isoformat()
    values["access"] = list(employee.access)
    return values
