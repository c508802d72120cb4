"""The card's global PIN: the CVM that the OPEN offers to all applications (GPC 2.3.1 §8.2, annex A.2).

Its value, try limit and tries lie in non-volatile memory; whether it was verified is forgotten at reset.
Every application may verify it. One with the privilege CVM Management may set, unblock and block it.

The tries are written before the comparison, so that a tear never gives one back.
"""

from __future__ import annotations

import enum
import hmac
from typing import TYPE_CHECKING

from .registry import Privilege, RegistryEntry

if TYPE_CHECKING:
    from .application import Storage
    from .kernel import Ram

__all__ = ["CvmRefused", "CvmState", "GlobalPin"]

VALUE, LIMIT, TRIES, BLOCKED = "value", "limit", "tries", "blocked"
SUBMITTED, VERIFIED = "submitted", "verified"


class CvmRefused(Exception):
    """The application has no privilege for that, or the CVM is not in a state for it."""


class CvmState(enum.StrEnum):
    """States of a CVM (GPC 2.3.1 figure 8-1); without a value it is not active yet."""

    INACTIVE = "inactive"
    ACTIVE = "active"
    INVALID_SUBMISSION = "invalid-submission"
    VALIDATED = "validated"
    BLOCKED = "blocked"


class GlobalPin:
    """The service as one application sees it."""

    def __init__(self, nv: Storage, ram: Ram, caller: RegistryEntry) -> None:
        self._nv = nv
        self._ram = ram
        self._caller = caller

    @property
    def state(self) -> CvmState:
        if VALUE not in self._nv:
            return CvmState.INACTIVE
        if BLOCKED in self._nv or not self.tries_remaining:
            return CvmState.BLOCKED
        if self._ram.cvm == VERIFIED:
            return CvmState.VALIDATED
        return CvmState.INVALID_SUBMISSION if self._ram.cvm == SUBMITTED else CvmState.ACTIVE

    @property
    def try_limit(self) -> int:
        return int.from_bytes(self._nv.get(LIMIT), "big")

    @property
    def tries_remaining(self) -> int:
        return int.from_bytes(self._nv.get(TRIES), "big")

    def verify(self, value: bytes) -> bool:
        """Whether ``value`` is the PIN; a wrong one spends a try. Raises CvmRefused: inactive, blocked."""
        if self.state in (CvmState.INACTIVE, CvmState.BLOCKED):
            raise CvmRefused
        self._ram.cvm = SUBMITTED
        self._nv.put(TRIES, bytes((self.tries_remaining - 1,)))
        if not hmac.compare_digest(self._nv.get(VALUE), value):
            return False
        self._nv.put(TRIES, self._nv.get(LIMIT))
        self._ram.cvm = VERIFIED
        return True

    def reset_state(self) -> None:
        """Back to active, as an application does when the holder's consent was for one thing. Raises
        CvmRefused when blocked or inactive."""
        if self.state in (CvmState.INACTIVE, CvmState.BLOCKED):
            raise CvmRefused
        self._ram.cvm = ""

    def update(self, value: bytes | None, limit: int) -> None:
        """A new value (None: the old one) and try limit; it is active and unblocked then. Inside a
        transaction. Raises CvmRefused without the privilege, for no limit, and for no value at all.
        """
        self._manage()
        if not limit or not (value or VALUE in self._nv):
            raise CvmRefused
        if value is not None:
            self._nv.put(VALUE, value)
        self._nv.put(LIMIT, bytes((limit,)))
        self._nv.put(TRIES, bytes((limit,)))
        self._nv.delete(BLOCKED)
        self._ram.cvm = ""

    def block(self) -> None:
        """No PIN counts until it is unblocked. Raises CvmRefused."""
        self._manage()
        if self.state is CvmState.INACTIVE:
            raise CvmRefused
        self._nv.put(BLOCKED, b"\x01")
        self._ram.cvm = ""

    def _manage(self) -> None:
        if not self._caller.privileges & Privilege.CVM_MANAGEMENT:
            raise CvmRefused
