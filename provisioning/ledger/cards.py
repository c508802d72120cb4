"""Cards, the intents and keys on them, badges, and the bindings of holders' own cards."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from ...apdu.errors import InputError
from ...apdu.ports import KeyRef
from ...reader_bridge.store import now
from .base import Part, dumps, loads
from .records import Badge, Binding, Card, Intent, Key
from .tables import BADGES, BINDINGS, CARDS, INTENTS, KEYS, LINES

__all__ = ["CardPart"]

ON_CARD = ("intended", "live", "previous")


class CardPart(Part):
    """Methods of a ledger transaction about cards and what is on them."""

    def card(self, card_id: int) -> Card:
        """Raises InputError ``order.unknown``."""
        row = self._connection.execute(select(CARDS).where(CARDS.c.id == card_id)).one_or_none()
        if row is None:
            raise InputError("order.unknown", what="card", id=card_id)
        return _card(row)

    def find_card(self, identity: bytes) -> Card | None:
        """The card with this CPLC or CIN."""
        row = self._connection.execute(select(CARDS).where(CARDS.c.identity == identity.hex())).one_or_none()
        return None if row is None else _card(row)

    def add_card(self, identity: bytes) -> Card:
        """The card with this identity, taken into stock when it is new."""
        known = self.find_card(identity)
        if known is not None:
            return known
        card_id = self._connection.scalar(
            insert(CARDS)
            .values(identity=identity.hex(), state="stock", reason="", updated=now())
            .returning(CARDS.c.id)
        )
        self.audit("card.stock", id=card_id)
        return self.card(card_id or 0)

    def cards(self, *, states: Sequence[str] = ()) -> list[Card]:
        query = select(CARDS).order_by(CARDS.c.id)
        return [
            _card(row)
            for row in self._connection.execute(query.where(CARDS.c.state.in_(states)) if states else query)
        ]

    def move_card(self, card_id: int, new: str, reason: str = "") -> str:
        """Returns the old state, which the card remembers (``prior_state``)."""
        old = self._move("card", CARDS, card_id, new, reason=reason, updated=now())
        self._connection.execute(update(CARDS).where(CARDS.c.id == card_id).values(prior_state=old))
        return old

    def record_intent(
        self,
        card_id: int,
        step: str,
        data: dict[str, Any] | None = None,
        *,
        line_id: int | None = None,
        keys: Sequence[tuple[str, KeyRef]] = (),
    ) -> Intent:
        """An irreversible step, to be durable before its first APDU: commit before sending.

        ``keys`` are (domain, KeyRef) that the card may hold from now on.
        """
        intent_id = self._connection.scalar(
            insert(INTENTS)
            .values(
                line_id=line_id,
                card_id=card_id,
                step=step,
                data=dumps(data or {}),
                state="open",
                created=now(),
            )
            .returning(INTENTS.c.id)
        )
        self.audit("intent.open", id=intent_id, card=card_id, line=line_id, step=step, data=data or {})
        for domain, ref in keys:
            self.put_key(card_id, domain, ref, "intended", intent_id=intent_id)
        return self.intent(intent_id or 0)

    def intent(self, intent_id: int) -> Intent:
        """Raises InputError ``order.unknown``."""
        row = self._connection.execute(select(INTENTS).where(INTENTS.c.id == intent_id)).one_or_none()
        if row is None:
            raise InputError("order.unknown", what="intent", id=intent_id)
        return _intent(row)

    def intents(self, card_id: int, *, step: str = "", states: Sequence[str] = ("open",)) -> list[Intent]:
        """Intents on a card, oldest first; open ones unless said otherwise."""
        query = select(INTENTS).where(INTENTS.c.card_id == card_id, INTENTS.c.state.in_(states))
        if step:
            query = query.where(INTENTS.c.step == step)
        return [_intent(row) for row in self._connection.execute(query.order_by(INTENTS.c.id))]

    def settle_intent(self, intent_id: int, outcome: str = "done") -> None:
        """``done`` (the card shows it) or ``abandoned`` (the card shows that it was not done).

        Raises InputError ``ledger.intent`` when it is settled already.
        """
        intent = self.intent(intent_id)
        if intent.state != "open":
            raise InputError("ledger.intent", id=intent_id, state=intent.state)
        self._move("intent", INTENTS, intent_id, outcome, settled=now())

    def put_key(
        self, card_id: int, domain: str, ref: KeyRef, state: str, *, intent_id: int | None = None
    ) -> Key:
        """Remember that a card may hold this key; a key that is known is moved to ``state``.

        Raises InputError ``ledger.transition``.
        """
        text = dumps(ref.to_json())
        query = select(KEYS).where(KEYS.c.card_id == card_id, KEYS.c.domain == domain, KEYS.c.ref == text)
        row = self._connection.execute(query).one_or_none()
        if row is None:
            self._connection.execute(
                insert(KEYS).values(
                    card_id=card_id,
                    domain=domain,
                    usage=ref.usage,
                    version=ref.version,
                    ref=text,
                    state=state,
                    intent_id=intent_id,
                )
            )
            row = self._connection.execute(query).one()
            self.audit(f"key.{state}", id=row.id, card=card_id, usage=ref.usage, version=ref.version)
        elif row.state != state:
            self._move("key", KEYS, row.id, state)
            row = self._connection.execute(query).one()
        return _key(row)

    def keys(
        self, card_id: int, *, domain: str = "", version: int | None = None, states: Sequence[str] = ON_CARD
    ) -> list[Key]:
        """Every key the card may hold at this moment (or those in ``states``)."""
        query = select(KEYS).where(KEYS.c.card_id == card_id, KEYS.c.state.in_(states)).order_by(KEYS.c.id)
        if domain:
            query = query.where(KEYS.c.domain == domain)
        if version is not None:
            query = query.where(KEYS.c.version == version)
        return [_key(row) for row in self._connection.execute(query)]

    def also_held(self, card_id: int, ref: KeyRef) -> Card | None:
        """Another card that may hold this very key."""
        query = select(KEYS.c.card_id).where(
            KEYS.c.ref == dumps(ref.to_json()), KEYS.c.card_id != card_id, KEYS.c.state.in_(ON_CARD)
        )
        found = self._connection.scalar(query.limit(1))
        return None if found is None else self.card(found)

    def move_keys(self, card_id: int, domain: str, version: int, new: str) -> int:
        """Move the keys of one version to ``live``, ``previous`` or ``gone``; returns how many."""
        keys = [key for key in self.keys(card_id, domain=domain, version=version) if key.state != new]
        for key in keys:
            self._move("key", KEYS, key.id, new)
        return len(keys)

    def open_badge(
        self,
        line_id: int,
        card_id: int,
        application: str,
        identifier: str,
        *,
        valid_from: date,
        valid_until: date,
    ) -> Badge:
        """The badge this line makes on this card, in state ``issuing``; the same one when asked again.

        Raises InputError ``ledger.one_badge`` when employee or card have a live one already.
        """
        query = select(BADGES).where(
            BADGES.c.line_id == line_id,
            BADGES.c.card_id == card_id,
            BADGES.c.application == application,
            BADGES.c.state != "retired",
        )
        row = self._connection.execute(query).one_or_none()
        if row is not None:
            return _badge(row)
        employee = self._employee_of(line_id)
        try:
            with self._connection.begin_nested():
                badge_id = self._connection.scalar(
                    insert(BADGES)
                    .values(
                        employee=employee,
                        application=application,
                        identifier=identifier,
                        line_id=line_id,
                        card_id=card_id,
                        valid_from=valid_from,
                        valid_until=valid_until,
                        state="issuing",
                        reason="",
                        updated=now(),
                    )
                    .returning(BADGES.c.id)
                )
        except IntegrityError as error:
            raise InputError("ledger.one_badge", employee=employee, application=application) from error
        self.audit("badge.issuing", id=badge_id, line=line_id, card=card_id, application=application)
        return _badge(self._connection.execute(query).one())

    def badges(
        self, *, employee: str = "", card_id: int | None = None, states: Sequence[str] = ()
    ) -> list[Badge]:
        query = select(BADGES).order_by(BADGES.c.id)
        if employee:
            query = query.where(BADGES.c.employee == employee)
        if card_id is not None:
            query = query.where(BADGES.c.card_id == card_id)
        if states:
            query = query.where(BADGES.c.state.in_(states))
        return [_badge(row) for row in self._connection.execute(query)]

    def move_badge(self, badge_id: int, new: str, reason: str = "") -> str:
        """issuing → live ↔ suspended → retired. Returns the old state."""
        return self._move("badge", BADGES, badge_id, new, reason=reason, updated=now())

    def bind(
        self, line_id: int, application: str, subject: str, *, valid_from: date, valid_until: date
    ) -> Binding:
        """Tie a holder's own card to the line's employee; the same binding when asked again.

        ``subject`` is pairwise: a code that only this company knows the card by, never a certificate's
        serial number. Raises InputError ``ledger.one_badge`` when employee or card are bound already.
        """
        query = select(BINDINGS).where(
            BINDINGS.c.line_id == line_id,
            BINDINGS.c.application == application,
            BINDINGS.c.subject == subject,
            BINDINGS.c.ended.is_(None),
        )
        row = self._connection.execute(query).one_or_none()
        if row is not None:
            return _binding(row)
        employee = self._employee_of(line_id)
        try:
            with self._connection.begin_nested():
                self._connection.execute(
                    insert(BINDINGS).values(
                        employee=employee,
                        application=application,
                        subject=subject,
                        line_id=line_id,
                        valid_from=valid_from,
                        valid_until=valid_until,
                        created=now(),
                    )
                )
        except IntegrityError as error:
            raise InputError("ledger.one_badge", employee=employee, application=application) from error
        row = self._connection.execute(query).one()
        self.audit("binding.created", id=row.id, line=line_id)
        return _binding(row)

    def bindings(self, *, subject: str = "", employee: str = "") -> list[Binding]:
        """Bindings that are not ended."""
        query = select(BINDINGS).where(BINDINGS.c.ended.is_(None)).order_by(BINDINGS.c.id)
        if subject:
            query = query.where(BINDINGS.c.subject == subject)
        if employee:
            query = query.where(BINDINGS.c.employee == employee)
        return [_binding(row) for row in self._connection.execute(query)]

    def end_binding(self, binding_id: int) -> None:
        """The holder's card is no longer this employee's badge (it was renewed, or the person left)."""
        query = update(BINDINGS).where(BINDINGS.c.id == binding_id, BINDINGS.c.ended.is_(None))
        if self._connection.execute(query.values(ended=now())).rowcount != 1:
            raise InputError("order.unknown", what="binding", id=binding_id)
        self.audit("binding.ended", id=binding_id)

    def _employee_of(self, line_id: int) -> str:
        employee = self._connection.scalar(select(LINES.c.employee).where(LINES.c.id == line_id))
        if employee is None:
            raise InputError("order.unknown", what="line", id=line_id)
        return str(employee)


def _card(row: Row[Any]) -> Card:
    return Card(row.id, bytes.fromhex(row.identity), row.state, row.prior_state, row.reason)


def _intent(row: Row[Any]) -> Intent:
    return Intent(row.id, row.line_id, row.card_id, row.step, loads(row.data), row.state)


def _key(row: Row[Any]) -> Key:
    ref = KeyRef.from_json(loads(row.ref))
    return Key(row.id, row.card_id, row.domain, ref, row.state, row.intent_id)


def _badge(row: Row[Any]) -> Badge:
    return Badge(
        id=row.id,
        employee=row.employee,
        application=row.application,
        identifier=row.identifier,
        line_id=row.line_id,
        card_id=row.card_id,
        valid_from=row.valid_from,
        valid_until=row.valid_until,
        state=row.state,
    )


def _binding(row: Row[Any]) -> Binding:
    return Binding(
        id=row.id,
        employee=row.employee,
        application=row.application,
        subject=row.subject,
        line_id=row.line_id,
        valid_from=row.valid_from,
        valid_until=row.valid_until,
        ended=row.ended,
    )
