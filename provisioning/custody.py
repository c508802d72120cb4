"""The ledger as the keeper of cards under management: the other side of ``tegata gp`` (design §5).

Implements :class:`tegata.applets.security_domain.manager.Custody` on the tables that badge issuance uses, so
that both see the same cards, keys and quarantine. Only references of keys are stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..apdu.errors import CardError, Words
from ..apdu.ports import KeySet
from ..applets.security_domain.manager import Intent, Pending, printable
from .issuance.work import UNUSABLE
from .keyring import FIXED
from .ledger import Books, Card, Key, Ledger

__all__ = ["LedgerCustody"]

ORDER = {"intended": 0, "live": 1, "previous": 2}
CHANNEL = ("enc", "mac", "dek")
OUTCOME, DOMAIN, HOLDER, KEYS = "outcome", "domain", "holder", "keys"
OURS = (OUTCOME, DOMAIN, HOLDER, KEYS)


class LedgerCustody:
    """Cards of one ledger, each known by its CPLC identity or CIN."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def out_of_use(self, identity: bytes) -> tuple[Words, str] | None:
        with self._ledger.read() as books:
            card = books.find_card(identity)
        if card is None or card.state not in UNUSABLE:
            return None
        return UNUSABLE[card.state], card.reason

    def candidates(self, identity: bytes, domain: bytes) -> list[KeySet]:
        with self._ledger.read() as books:
            card = books.find_card(identity)
            known = [] if card is None else books.keys(card.id, domain=_name(domain))
        channel = [key for key in known if key.ref.usage in CHANNEL]
        channel.sort(key=lambda key: ORDER[key.state])
        # Two sets of one version, one to replace the other: each state is gathered by itself.
        return [
            keys
            for state in ORDER
            for keys in KeySet.gather(key.ref for key in channel if key.state == state)
        ]

    def pending(self, identity: bytes, domain: bytes) -> list[Pending]:
        with self._ledger.read() as books:
            card = books.find_card(identity)
            found = [] if card is None else books.intents(card.id)
        return [
            Pending(intent.id, intent.step, _plain(intent.data), _outcome(intent.data))
            for intent in found
            if intent.data.get(DOMAIN) == _name(domain)
        ]

    def record(self, identity: bytes, domain: bytes, intent: Intent, *, again: Sequence[int] = ()) -> int:
        """Raises CardError ``badge.no_identity`` for a card that cannot be told from others, and
        ``gp.others_keys`` when the keys to put are another card's: a card says itself what its keys are made
        from."""
        if not identity:
            raise CardError("badge.no_identity")
        name = _name(domain)
        with self._ledger.begin() as books:
            card = books.add_card(identity)
            if intent.held is not None:
                for ref in intent.held.refs:
                    books.put_key(card.id, name, ref, "live")
            holder = _name(intent.holder) or name
            known = [key.ref for key in books.keys(card.id, domain=holder)]
            data = {
                **intent.data,
                DOMAIN: name,
                HOLDER: holder,
                OUTCOME: {f"{version:02X}": state for version, state in intent.outcome.items()},
                KEYS: [ref.kcv for ref in intent.keys],
            }
            keys = [(holder, ref) for ref in intent.keys if ref not in known]
            for _, ref in keys:
                other = books.also_held(card.id, ref) if ref.scheme != FIXED else None
                if other is not None:
                    raise CardError(
                        "gp.others_keys", card=printable(identity), other=printable(other.identity)
                    )
            for torn in again:
                books.settle_intent(torn, "abandoned")  # its keys stay intended: this intent names them too
            return books.record_intent(card.id, intent.step, data, keys=keys).id

    def settle(
        self, identity: bytes, domain: bytes, number: int, *, done: bool, outcome: Mapping[int, str]
    ) -> None:
        with self._ledger.begin() as books:
            card = self._card(books, identity)
            data = books.intent(number).data
            for key in books.keys(card.id, domain=data[HOLDER]):
                state = _fate(key, data[KEYS], outcome) if done else _given_up(key, data[KEYS])
                if state not in ("", key.state):
                    books.put_key(card.id, data[HOLDER], key.ref, state)
            books.settle_intent(number, "done" if done else "abandoned")

    def found(self, identity: bytes, domain: bytes, keys: KeySet) -> None:
        """A card that the ledger does not know is not made known by this."""
        with self._ledger.begin() as books:
            card = books.find_card(identity)
            if card is None:
                return
            name, shown = _name(domain), [ref.kcv for ref in keys.refs]
            for key in books.keys(card.id, domain=name, version=keys.version, states=("live", "previous")):
                if key.ref.usage in CHANNEL and key.ref.kcv not in shown:
                    books.put_key(card.id, name, key.ref, "gone")
            for ref in keys.refs:
                books.put_key(card.id, name, ref, "live")

    def quarantine(self, identity: bytes, why: str) -> bool:
        with self._ledger.begin() as books:
            card = books.find_card(identity)
            if card is None or card.state in UNUSABLE:
                return False
            books.move_card(card.id, "quarantine", why)
            return True

    def close(self) -> None:
        self._ledger.close()

    @staticmethod
    def _card(books: Books, identity: bytes) -> Card:
        card = books.find_card(identity)
        if card is None:
            raise RuntimeError("an intent is settled for a card that has one")
        return card


def _name(domain: bytes) -> str:
    return domain.hex().upper()


def _plain(data: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in data.items() if name not in OURS}


def _outcome(data: Mapping[str, Any]) -> dict[int, str]:
    return {int(version, 16): state for version, state in data.get(OUTCOME, {}).items()}


def _fate(key: Key, written: list[str], outcome: Mapping[int, str]) -> str:
    """What a step that was done makes of a key: another key of a version just written is overwritten."""
    state = outcome.get(key.ref.version, "")
    overwritten = state == "live" and bool(written) and key.ref.kcv not in written
    return "gone" if overwritten else state


def _given_up(key: Key, written: list[str]) -> str:
    return "gone" if key.state == "intended" and key.ref.kcv in written else ""
