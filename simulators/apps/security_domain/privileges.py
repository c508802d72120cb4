"""Which privileges an application may be given (GPC 2.3.1 §6.6, tables 6-1 and 6-2; §9.1.3).

Some are held by one application of the card at most. Those that the issuer's domain has from its maker it
lends: it loses them when another application gets them, and has them again when that one is deleted.
"""

from __future__ import annotations

from ...card.application import CardStatus, DomainContext
from ...card.registry import Kind, LifeCycle, Privilege, RegistryEntry

__all__ = [
    "DAP",
    "DELEGATED",
    "FOR_APPLICATIONS",
    "FOR_DOMAINS",
    "MANDATED",
    "check",
    "check_granted",
    "give_back",
    "holder",
    "parse",
    "take_over",
]

OF_DOMAINS = (
    Privilege.DAP_VERIFICATION
    | Privilege.MANDATED_DAP
    | Privilege.DELEGATED_MANAGEMENT
    | Privilege.AUTHORIZED_MANAGEMENT
    | Privilege.TRUSTED_PATH
    | Privilege.TOKEN_VERIFICATION
    | Privilege.RECEIPT_GENERATION
    | Privilege.CIPHERED_LOAD_FILE
)
FOR_APPLICATIONS = Privilege.CARD_RESET | Privilege.CVM_MANAGEMENT
FOR_DOMAINS = (
    OF_DOMAINS & ~Privilege.CIPHERED_LOAD_FILE
    | FOR_APPLICATIONS
    | Privilege.CARD_LOCK
    | Privilege.CARD_TERMINATE
    | Privilege.GLOBAL_DELETE
    | Privilege.GLOBAL_LOCK
    | Privilege.GLOBAL_REGISTRY
)
"""What this card knows. The others need ciphered load files, services among applications or a terminal of
payment; an application uses only what the OPEN does for it."""
DAP = Privilege.DAP_VERIFICATION & ~Privilege.SECURITY_DOMAIN
MANDATED = Privilege.MANDATED_DAP & ~Privilege.DAP_VERIFICATION
DELEGATED = Privilege.DELEGATED_MANAGEMENT & ~Privilege.SECURITY_DOMAIN
LENT = Privilege.CARD_RESET | Privilege.TOKEN_VERIFICATION | Privilege.RECEIPT_GENERATION
"""One holder on the card at most; the issuer's domain makes way."""
NOT_WITH_DELEGATED = (
    Privilege.AUTHORIZED_MANAGEMENT | Privilege.TOKEN_VERIFICATION | Privilege.RECEIPT_GENERATION
)
"""Exclude Delegated Management (GPC 2.3.1 §6.6.2)."""
FAR_REACHING = (
    NOT_WITH_DELEGATED
    | FOR_APPLICATIONS
    | MANDATED
    | Privilege.CARD_LOCK
    | Privilege.CARD_TERMINATE
    | Privilege.GLOBAL_DELETE
    | Privilege.GLOBAL_LOCK
    | Privilege.GLOBAL_REGISTRY
)
"""What reaches beyond the content below its holder: a domain grants no more of it than it has."""
SINGLE = LENT | MANDATED
BORROWED = "lent"


def parse(raw: bytes) -> int:
    """One byte, as older cards have it, or three. Raises CardStatus 6A80."""
    if len(raw) not in (0, 1, 3):
        raise CardStatus(0x6A80)
    return int.from_bytes(raw.ljust(3, b"\x00"), "big")


def holder(ctx: DomainContext, privilege: int, *, but: bytes = b"") -> RegistryEntry | None:
    """The application that holds any of these privileges."""
    return next(
        (entry for entry in ctx.registry() if entry.privileges & privilege and entry.aid != but), None
    )


def check(ctx: DomainContext, entry: RegistryEntry) -> None:
    """Whether ``entry`` may hold what it asks for. Raises CardStatus 6A80 for privileges that no application
    can have together, 6985 for one that another application holds."""
    privileges = entry.privileges
    domain = bool(privileges & Privilege.SECURITY_DOMAIN)
    known = FOR_DOMAINS if domain else FOR_APPLICATIONS
    if domain != entry.kind.is_domain or privileges & ~known:
        raise CardStatus(0x6A80)
    if privileges & MANDATED and not privileges & DAP:
        raise CardStatus(0x6A80)
    if privileges & DELEGATED and privileges & NOT_WITH_DELEGATED:
        raise CardStatus(0x6A80)
    for bit in range(24):
        single = privileges & SINGLE & 1 << bit
        other = holder(ctx, single, but=entry.aid) if single else None
        if other is not None and not (single & LENT and other.kind is Kind.ISSUER_DOMAIN):
            raise CardStatus(0x6985)


def check_granted(ctx: DomainContext, entry: RegistryEntry, before: int = 0) -> None:
    """Whether this domain, without a token, may give ``entry`` its privileges beyond those it had ``before``:
    a supplementary one only what it holds itself (Amd F 1.4 table B-1). Raises CardStatus 6985."""
    if ctx.entry.kind is Kind.ISSUER_DOMAIN:
        return
    if entry.privileges & ~before & FAR_REACHING & ~ctx.entry.privileges:
        raise CardStatus(0x6985)


def take_over(ctx: DomainContext, entry: RegistryEntry) -> None:
    """Inside the transaction that gives ``entry`` its privileges: the issuer's domain loses what it lends."""
    issuer = next(other for other in ctx.registry() if other.kind is Kind.ISSUER_DOMAIN)
    lent = issuer.privileges & entry.privileges & LENT
    if lent and entry.aid != issuer.aid:
        ctx.put_entry(issuer.with_(privileges=issuer.privileges & ~lent))
        ctx.card_put(f"{BORROWED}/{entry.aid.hex()}", lent.to_bytes(3, "big"))


def give_back(ctx: DomainContext, entry: RegistryEntry, kept: int = 0) -> None:
    """Inside the transaction that takes privileges from ``entry``: back to the issuer's domain."""
    name = f"{BORROWED}/{entry.aid.hex()}"
    lent = int.from_bytes(ctx.card_get(name), "big")
    back = lent & ~kept
    if not back:
        return
    issuer = next(other for other in ctx.registry() if other.kind is Kind.ISSUER_DOMAIN)
    if issuer.life_cycle != LifeCycle.CARD_TERMINATED:
        ctx.put_entry(issuer.with_(privileges=issuer.privileges | back))
    ctx.card_put(name, (lent & kept).to_bytes(3, "big") if lent & kept else None)
