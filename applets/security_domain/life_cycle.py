"""SET STATUS: the life cycles of card, domains and applications (GPC 2.3.1 §5, §9.6, §11.10)."""

from __future__ import annotations

from ...apdu.command import Command
from .domain import Domain
from .model import Ins, StatusScope
from .registry import lines_inside
from .results import RegisteredKind

__all__ = [
    "CARD_INITIALIZED",
    "CARD_LOCKED",
    "CARD_SECURED",
    "CARD_TERMINATED",
    "set_application_state",
    "set_card_state",
    "set_locked",
]

CARD_INITIALIZED, CARD_SECURED, CARD_LOCKED, CARD_TERMINATED = 0x07, 0x0F, 0x7F, 0xFF
LOCKED, UNLOCKED = 0x80, 0x00
DOMAIN_AND_APPLICATIONS = 0x60
"""P1: a security domain and all that is associated with it (GPC 2.3.1 table 11-85)."""


def set_locked(domain: Domain, aid: bytes, *, locked: bool, with_applications: bool = False) -> None:
    """Lock or unlock an application or supplementary domain; ``with_applications`` with all that it owns."""
    scope = DOMAIN_AND_APPLICATIONS if with_applications else StatusScope.APPLICATIONS
    _changed(domain, aid, with_applications=with_applications)
    _set_status(domain, scope, LOCKED if locked else UNLOCKED, aid)


def set_application_state(domain: Domain, aid: bytes, state: int) -> None:
    """Put an application into a state of its own, or a domain into PERSONALIZED (0F)."""
    _changed(domain, aid, with_applications=False)
    _set_status(domain, StatusScope.APPLICATIONS, state, aid)


def set_card_state(domain: Domain, state: int) -> None:
    """The card: 07 initialized, 0F secured, 7F locked, FF terminated (for ever)."""
    for line in domain.contents.known():
        if line.kind is RegisteredKind.ISSUER_DOMAIN:
            domain.contents.changed(line.aid)
    _set_status(domain, StatusScope.ISSUER_DOMAIN, state, b"")


def _set_status(domain: Domain, scope: int, state: int, aid: bytes) -> None:
    domain.card.expect(Command(0x80, Ins.SET_STATUS, scope, state, aid))


def _changed(domain: Domain, aid: bytes, *, with_applications: bool) -> None:
    domain.contents.changed(aid)
    if with_applications:
        for line in lines_inside(domain.contents.known(), aid):
            domain.contents.changed(line.aid)
