"""The transaction core: takes requests in, leads each through its states, gives results out once.

Everything here is synchronous and under one lock; the talk with the card runs in the reader's worker
thread and comes back through :meth:`Core.ask_pin` and :meth:`Core.state`.
"""

from __future__ import annotations

import hmac
import logging
import queue
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from datetime import UTC, datetime, timedelta

from ...apdu.errors import InputError, PinError, RequestError, TegataError
from ...apdu.secret import Secret
from ..readers import ReaderWorker
from .auto import Persona
from .conversation import converse
from .identity import Identity
from .journal import Journal
from .outcome import Judge, claims
from .portals import Portal, Portals
from .requests import Authenticate, Request, read_assertion, read_request
from .results import encrypt, encryption_key
from .states import FINAL, TRANSITIONS, State
from .transaction import Arrival, Notice, PinEntry, Signed, Transaction

__all__ = ["Core"]

log = logging.getLogger(__name__)
SLICE = 0.25
KEPT = timedelta(minutes=10)
"""How long an ended transaction and its result stay in memory."""
MOST_OPEN = 100
MOST_ENDED = 200
"""So many ended ones are kept; the oldest, and with it a result that nobody fetched, goes first."""


class Core:
    """All transactions of one bridge. ``persona`` consents and types PINs itself (simulated cards)."""

    def __init__(
        self,
        *,
        identity: Identity,
        portals: Portals,
        journal: Journal,
        worker: ReaderWorker,
        judge: Judge,
        persona: Persona | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.identity = identity
        self.portals = portals
        self.persona = persona
        self._journal = journal
        self._worker = worker
        self.judge = judge
        self._clock = clock
        self._lock = threading.RLock()
        self._transactions: dict[str, Transaction] = {}
        journal.abandon(clock())

    # Requests come in.

    def accept(self, request: str, arrival: Arrival, *, origin: str | None = None) -> Transaction:
        """A portal's request (compact JWS) becomes a transaction.

        ``origin`` is that of the page which carried it. Raises RequestError.
        """
        now = self._clock()
        portal, asked = read_request(request, self.portals, self.identity.id, now)
        if origin is not None and origin not in portal.origins:
            raise RequestError("request.origin")
        if arrival is Arrival.CARRIED:
            encryption_key(portal)
            if not portal.gets_certificates:
                # Only a bridge's word stands behind a pairwise subject, and this bridge is the holder's.
                raise RequestError("request.not_allowed", what="carried requests without certificates")
        with self._lock:
            self._purge(now)
            if sum(found.state not in FINAL for found in self._transactions.values()) >= MOST_OPEN:
                raise RequestError(what="too many transactions are open")
            self._journal.use(portal.id, asked.jti, datetime.fromtimestamp(asked.exp, UTC), now)
            return self._create(portal, asked, arrival, now)

    def _create(self, portal: Portal, asked: Request, arrival: Arrival, now: datetime) -> Transaction:
        made = Transaction(portal, asked, arrival, created=now, changed=now)
        self._journal.create(made.id, portal.id, asked.verb, arrival, now)
        self._transactions[made.id] = made
        if self.persona is not None:
            self._move(made, State.AWAITING_CONSENT)
            self._begin(made)
        return made

    # The holder's browser.

    def visit(self, number: str, browser: str | None) -> Transaction:
        """The transaction for its browser; the first one to come is the one.

        Raises RequestError ``request.unknown_transaction`` or ``request.browser``.
        """
        with self._lock:
            found = self._get(number)
            if found.browser is None:
                found.browser = secrets.token_urlsafe(32)
                if found.state is State.CREATED:
                    self._move(found, State.AWAITING_CONSENT)
            elif browser is None or not hmac.compare_digest(browser.encode(), found.browser.encode()):
                raise RequestError("request.browser")
            return found

    def decide(self, number: str, browser: str | None, csrf: str, *, consent: bool) -> Transaction:
        """The holder agrees or declines; declining is possible until the card is at work."""
        with self._lock:
            found = self._own(number, browser, csrf)
            if not consent:
                self._move(found, State.DECLINED, RequestError("request.declined"))
            else:
                self._begin(found)
            return found

    def enter_pin(
        self, number: str, browser: str | None, csrf: str, pin: Secret, *, question: str, last_try: bool
    ) -> Transaction:
        """The holder typed the PIN. Its form is checked before the card is asked.

        ``question`` is the number of the PIN page that it was typed on: each page counts once, so a second
        click or the back button changes nothing. ``last_try`` counts only where the page asked for it.
        Raises InputError ``pin.format`` and PinError ``pin.last_try``; then no try was spent.
        """
        with self._lock:
            found = self._own(number, browser, csrf)
            if found.state is not State.AWAITING_PIN or question != str(found.question):
                pin.wipe()
                return found
            rule = found.key.pin_rule
            if not rule.allows(pin.reveal() if len(pin) else b""):
                found.notice = Notice("pin.format", found.tries)
                raise InputError("pin.format", pin=rule.name, rule=rule.rule)
            if found.tries == 1 and not last_try:
                found.notice = Notice("pin.last_try", 1)
                raise PinError(1, rule.name, code="pin.last_try")
            self._move(found, State.SIGNING)
            found.pins.put(PinEntry(pin, last_try and found.tries == 1))
            return found

    # The talk with the card (worker thread).

    def state(self, transaction: Transaction) -> State:
        """Where it stands now, its time limits applied."""
        with self._lock:
            self._expire(transaction, self._clock())
            return transaction.state

    def ask_pin(self, transaction: Transaction, notice: Notice) -> PinEntry | None:
        """Wait for the holder to type the PIN; None when the transaction ends first."""
        with self._lock:
            if self.state(transaction) in FINAL:
                return None
            transaction.tries = notice.tries
            transaction.question += 1
            transaction.notice = notice if notice.code else None
            if self.persona is not None:
                return self._automatic(transaction, self.persona)
            self._move(transaction, State.AWAITING_PIN)
        while self.state(transaction) in (State.AWAITING_PIN, State.SIGNING):
            try:
                return transaction.pins.get(timeout=SLICE)
            except queue.Empty:
                continue
        transaction.forget_pins()
        return None

    def _automatic(self, transaction: Transaction, persona: Persona) -> PinEntry:
        if transaction.notice is not None or transaction.tries == 1:
            code = transaction.notice.code if transaction.notice is not None else "pin.last_try"
            raise PinError(transaction.tries, transaction.key.pin_rule.name, code=code)
        self._move(transaction, State.AWAITING_PIN)
        self._move(transaction, State.SIGNING)
        return PinEntry(persona.pin(transaction.key))

    def _begin(self, transaction: Transaction) -> None:
        self._move(transaction, State.AWAITING_CARD)
        future = self._worker.submit(
            lambda reader: self._work(transaction, converse(reader, transaction, self))
        )
        future.add_done_callback(lambda done: self._ended(transaction, done))

    def _work(self, transaction: Transaction, signed: Signed | None) -> None:
        """Judge what the card made; only then does it become a result."""
        if signed is None:
            return
        body = self.judge.body(transaction, signed)
        with self._lock:
            if self.state(transaction) in FINAL:
                return
            result = self._dress(transaction, State.DONE, body)
            self._move(transaction, State.DONE)  # first the record, then the result
            transaction.result = result
            if isinstance(transaction.request, Authenticate) and transaction.arrival is Arrival.PUSHED:
                transaction.code = secrets.token_urlsafe(32)

    def _ended(self, transaction: Transaction, done: Future[None]) -> None:
        try:
            error = done.exception()
        except CancelledError:
            error = RequestError(what="the bridge was stopped")
        if error is None:
            return
        if not isinstance(error, TegataError):
            log.error("card work failed", exc_info=error)
            error = TegataError()
        with self._lock:
            if transaction.state not in FINAL:
                self._move(transaction, State.FAILED, error)

    # Results go out.

    def status(self, number: str, assertion: str) -> Transaction:
        """For the portal's back end: where the transaction stands, never its result."""
        with self._lock:
            return self._of_portal(number, assertion)

    def redeem(self, number: str, assertion: str, code: str | None) -> str:
        """The result (JWS), once. A login's result only against the code that the browser carried."""
        with self._lock:
            found = self._of_portal(number, assertion)
            if found.arrival is not Arrival.PUSHED:
                raise RequestError("request.not_allowed", what="the browser carries this result")
            if found.state not in FINAL:
                raise RequestError("request.state", state=found.state)
            if found.state in (State.DECLINED, State.EXPIRED):
                raise found.problem or RequestError("request.state", state=found.state)
            if found.state is State.FAILED:  # why is told by code alone: sentences may name a reader
                raise RequestError("request.state", state=found.state)
            if found.result is None:
                raise RequestError("request.released")
            if found.code is not None and not _same(code, found.code):
                raise RequestError("request.code")
            result, found.result = found.result, None
            return result

    def carry(self, transaction: Transaction) -> str:
        """The answer (JWE) that the holder's browser carries back: a result, or why there is none."""
        with self._lock:
            if transaction.result is None:
                transaction.result = self._dress(transaction, transaction.state, {})
            return transaction.result

    def _dress(self, transaction: Transaction, state: State, body: dict[str, object]) -> str:
        result = self.identity.sign(claims(transaction, state, body, self.identity.id, self._clock()))
        return encrypt(transaction.portal, result) if transaction.arrival is Arrival.CARRIED else result

    # Finding, moving, ending.

    def _get(self, number: str) -> Transaction:
        found = self._transactions.get(number)
        if found is None:
            raise RequestError("request.unknown_transaction")
        self._expire(found, self._clock())
        return found

    def _own(self, number: str, browser: str | None, csrf: str) -> Transaction:
        found = self._get(number)
        if found.browser is None or not _same(browser, found.browser) or not _same(csrf, found.csrf):
            raise RequestError("request.browser")
        if found.state is State.EXPIRED:
            raise RequestError("request.expired")
        return found

    def _of_portal(self, number: str, assertion: str) -> Transaction:
        now = self._clock()
        portal, proof = read_assertion(assertion, self.portals, self.identity.id, now)
        self._journal.use(portal.id, proof.jti, datetime.fromtimestamp(proof.exp, UTC), now)
        found = self._get(number)
        if proof.sub != number or found.portal.id != portal.id:
            raise RequestError("request.unknown_transaction")
        return found

    def _move(self, transaction: Transaction, state: State, problem: TegataError | None = None) -> None:
        if state not in TRANSITIONS[transaction.state]:
            raise RequestError("request.state", state=transaction.state)
        now = self._clock()
        self._journal.change(transaction.id, state, problem.code if problem else None, now)
        transaction.state, transaction.changed, transaction.problem = state, now, problem
        if state in FINAL:
            transaction.forget_documents()

    def _expire(self, transaction: Transaction, now: datetime) -> None:
        if transaction.state not in FINAL and now >= transaction.deadline:
            self._move(transaction, State.EXPIRED, RequestError("request.expired"))

    def _purge(self, now: datetime) -> None:
        for found in self._transactions.values():
            self._expire(found, now)
        ended = [found for found in self._transactions.values() if found.state in FINAL]
        for place, found in enumerate(sorted(ended, key=lambda one: one.changed, reverse=True)):
            if place >= MOST_ENDED or now >= found.changed + KEPT:
                del self._transactions[found.id]

    def close(self) -> None:
        """End what is open and let the reader go."""
        with self._lock:
            for found in self._transactions.values():
                if found.state not in FINAL:
                    self._move(found, State.FAILED, RequestError(what="the bridge was stopped"))
        self._worker.close()
        self._journal.close()


def _same(given: str | None, expected: str) -> bool:
    return given is not None and hmac.compare_digest(given.encode(), expected.encode())
