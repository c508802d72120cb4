"""Employees, orders and their lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Row, func, insert, select, update

from ...apdu.errors import InputError
from ...reader_bridge.store import now
from ..roster import Employee
from .base import Part, dumps, loads
from .records import Line, NewLine, Order
from .tables import EMPLOYEES, LINES, ORDERS

__all__ = ["OrderPart"]

_EMPLOYEE_FIELDS = ("number", "name", "romaji", "kana", "department", "department_en", "email", "site")


class OrderPart(Part):
    """Methods of a ledger transaction about what is to be made."""

    def put_employees(self, employees: Iterable[Employee]) -> None:
        """Remember the employees as the newest roster tells them."""
        known = set(self._connection.scalars(select(EMPLOYEES.c.number)))
        for employee in employees:
            everything = asdict(employee)
            values = {field: everything[field] for field in _EMPLOYEE_FIELDS} | {"updated": now()}
            if employee.number in known:
                self._connection.execute(
                    update(EMPLOYEES).where(EMPLOYEES.c.number == employee.number).values(values)
                )
            else:
                self._connection.execute(insert(EMPLOYEES).values(values))

    def employee_name(self, number: str) -> str:
        """The name as HR wrote it; empty when unknown."""
        name = self._connection.scalar(select(EMPLOYEES.c.name).where(EMPLOYEES.c.number == number))
        return name or ""

    def add_order(
        self, label: str, content_hash: str, profile: dict[str, Any], lines: Sequence[NewLine]
    ) -> Order:
        """A new order, its lines ``ready`` (or ``rejected`` with their reason)."""
        order_id = self._connection.scalar(
            insert(ORDERS)
            .values(label=label, content_hash=content_hash, profile=dumps(profile), created=now())
            .returning(ORDERS.c.id)
        )
        for position, line in enumerate(lines, start=1):
            line_id = self._connection.scalar(
                insert(LINES)
                .values(
                    order_id=order_id,
                    position=position,
                    employee=line.employee,
                    card_kind=line.card_kind,
                    payload=dumps(line.payload),
                    state="imported",
                    reason="",
                    updated=now(),
                )
                .returning(LINES.c.id)
            )
            self.move_line(line_id or 0, "rejected" if line.rejected else "ready", line.rejected)
        self.audit("order.created", id=order_id, lines=len(lines), content=content_hash)
        return self.order(order_id or 0)

    def order(self, order_id: int) -> Order:
        """Raises InputError ``order.unknown``."""
        row = self._connection.execute(select(ORDERS).where(ORDERS.c.id == order_id)).one_or_none()
        if row is None:
            raise InputError("order.unknown", what="order", id=order_id)
        return _order(row)

    def order_of(self, content_hash: str) -> Order | None:
        """The order that this content already made, if any."""
        row = self._connection.execute(
            select(ORDERS).where(ORDERS.c.content_hash == content_hash)
        ).one_or_none()
        return None if row is None else _order(row)

    def orders(self) -> list[Order]:
        return [_order(row) for row in self._connection.execute(select(ORDERS).order_by(ORDERS.c.id))]

    def line(self, line_id: int) -> Line:
        """Raises InputError ``order.unknown``."""
        row = self._connection.execute(select(LINES).where(LINES.c.id == line_id)).one_or_none()
        if row is None:
            raise InputError("order.unknown", what="line", id=line_id)
        return _line(row)

    def lines(
        self, order_id: int | None = None, *, states: Sequence[str] = (), card_kind: str = ""
    ) -> list[Line]:
        """Lines in order of their position; of all orders when ``order_id`` is None."""
        query = select(LINES).order_by(LINES.c.order_id, LINES.c.position)
        if order_id is not None:
            query = query.where(LINES.c.order_id == order_id)
        if states:
            query = query.where(LINES.c.state.in_(states))
        if card_kind:
            query = query.where(LINES.c.card_kind == card_kind)
        return [_line(row) for row in self._connection.execute(query)]

    def line_counts(self, order_id: int) -> dict[str, int]:
        """How many lines stand in each state."""
        query = select(LINES.c.state, func.count()).where(LINES.c.order_id == order_id)
        return {row[0]: row[1] for row in self._connection.execute(query.group_by(LINES.c.state))}

    def line_of_card(self, card_id: int) -> Line | None:
        """The line that this card is being made for (``at_station`` or ``failed``), newest first."""
        query = select(LINES).where(LINES.c.card_id == card_id, LINES.c.state.in_(("at_station", "failed")))
        row = self._connection.execute(query.order_by(LINES.c.id.desc()).limit(1)).one_or_none()
        return None if row is None else _line(row)

    def claim_line(self, line_id: int, card_id: int | None) -> Line:
        """A ready or failed line comes to a station, with the card it will be written on.

        A line that is at a station already stays there if the card is the same: that is how work that was
        torn off is taken up. Raises InputError ``ledger.transition`` otherwise.
        """
        line = self.line(line_id)
        if line.state == "at_station" and line.card_id == card_id:
            return line
        if line.state == "failed":
            self.move_line(line_id, "ready")
        self.move_line(line_id, "at_station")
        self._connection.execute(update(LINES).where(LINES.c.id == line_id).values(card_id=card_id))
        return self.line(line_id)

    def move_line(self, line_id: int, new: str, reason: str = "") -> str:
        """imported → rejected | ready → at_station → done | failed | cancelled. Returns the old state."""
        return self._move("line", LINES, line_id, new, reason=reason, updated=now())


def _order(row: Row[Any]) -> Order:
    return Order(row.id, row.label, row.content_hash, loads(row.profile), row.created)


def _line(row: Row[Any]) -> Line:
    return Line(
        id=row.id,
        order_id=row.order_id,
        position=row.position,
        employee=row.employee,
        card_kind=row.card_kind,
        payload=loads(row.payload),
        state=row.state,
        reason=row.reason,
        card_id=row.card_id,
    )
