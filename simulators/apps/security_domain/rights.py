"""Who may change the content of the card, and the proof of it (GPC 2.3.1 §9.1.3, §9.2, §11.1.6, §C.4, §C.5).

A domain with Authorized Management may do so when its own provider is authenticated; everybody else needs a
token, which the domain with Token Verification checks, and gets a receipt from the one with Receipt
Generation. Status words: 6985 where a token is missing, used before, or bound to another card; 6982 where it
does not verify.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from ....applets.security_domain.model import Tag
from ....applets.security_domain.model.receipts import COUNTER_MAX, Confirmation, Receipt, receipt_input
from ....applets.security_domain.model.tokens import ControlReference
from ...card.application import CardStatus, DomainContext
from ...card.registry import Kind, Privilege, RegistryEntry, ancestors
from .access import ANYBODY, AUTHENTICATED, require
from .keystore import RECEIPT_KVN, TOKEN_KVN
from .privileges import DELEGATED, holder
from .suites import sign_with_version, verify_with_version

__all__ = [
    "COUNTER",
    "NO_RECEIPT",
    "Authorization",
    "Request",
    "authorize",
    "domain_context",
    "require_home",
    "require_manager",
    "require_reach",
]

COUNTER = "receipt-counter"
NO_RECEIPT = b"\x00"
USED = "token-number"


@dataclass(frozen=True, slots=True)
class Request:
    """What a token has to have signed, and the token; ``signed`` begins with P1 and P2."""

    signed: bytes = field(repr=False)
    token: bytes = field(default=b"", repr=False)
    reference: ControlReference = field(default_factory=ControlReference)


@dataclass(frozen=True, slots=True)
class Authorization:
    """What was found to allow an operation. ``verifier`` is the domain that checked a token, or nothing."""

    reference: ControlReference = field(default_factory=ControlReference)
    verifier: bytes = b""

    def commit(self, ctx: DomainContext, context: bytes) -> bytes:
        """Inside the transaction of the operation: remember the token's number, and make the receipt over
        ``context``; the data of the answer. Raises CardStatus 6985 for a number that was used meanwhile."""
        if not self.verifier:
            return NO_RECEIPT
        if self.reference.number:
            # A load over another logical channel may have used it since it was checked.
            verifier = domain_context(ctx, self.verifier)
            _require_unused(verifier, self.reference.number)
            verifier.nv.put(_used(self.reference.number), b"\x01")
        return _receipt(ctx, self.reference.number, context)


def authorize(ctx: DomainContext, request: Request, *, globally: int = 0) -> Authorization:
    """Raises CardStatus 6982 or 6985 unless the host may change the card's content through this domain.

    ``globally`` is a privilege that gives the right as well (Global Delete).
    """
    require_manager(ctx, globally=globally)
    if request.token:
        return _check_token(ctx, request)
    if not _authorized(ctx, globally) or not ctx.security_level & AUTHENTICATED:
        raise CardStatus(0x6985)
    return Authorization(request.reference)


def require_manager(ctx: DomainContext, *, globally: int = 0) -> None:
    """Raises CardStatus 6982 or 6985 for a domain that manages no content, with a token or without."""
    require(ctx, by=ANYBODY)
    if not _authorized(ctx, globally) and not ctx.entry.privileges & DELEGATED:
        raise CardStatus(0x6985)


def _authorized(ctx: DomainContext, globally: int) -> bool:
    manages = ctx.entry.privileges & (Privilege.AUTHORIZED_MANAGEMENT | globally)
    return ctx.entry.kind is Kind.ISSUER_DOMAIN or bool(manages)


def _check_token(ctx: DomainContext, request: Request) -> Authorization:
    entry = holder(ctx, Privilege.TOKEN_VERIFICATION)
    if entry is None or entry.locked:
        raise CardStatus(0x6985)
    verifier = domain_context(ctx, entry.aid)
    if not verify_with_version(verifier, TOKEN_KVN, request.signed, request.token):
        raise CardStatus(0x6982)
    reference = request.reference
    for tag, bound in ((Tag.IIN, reference.issuer), (Tag.CIN, reference.image)):
        if bound and bound != verifier.nv.get(f"data/{tag:x}"):
            raise CardStatus(0x6985)
    _require_unused(verifier, reference.number)
    return Authorization(reference, entry.aid)


def _used(number: bytes) -> str:
    return f"{USED}/{number.hex()}"


def _require_unused(verifier: DomainContext, number: bytes) -> None:
    if number and _used(number) in verifier.nv:
        raise CardStatus(0x6985)


def _receipt(ctx: DomainContext, number: bytes, context: bytes) -> bytes:
    """The receipt, if a domain of this card makes them and has a key for it; when its counter has come to its
    maximum there are no more."""
    entry = holder(ctx, Privilege.RECEIPT_GENERATION)
    if entry is None or entry.locked:
        return NO_RECEIPT
    maker = domain_context(ctx, entry.aid)
    counter = int.from_bytes(maker.nv.get(COUNTER), "big")
    if counter >= COUNTER_MAX:
        return NO_RECEIPT
    unique = maker.nv.get(f"data/{Tag.IIN:x}") + maker.nv.get(f"data/{Tag.CIN:x}")
    confirmation = Confirmation(counter, unique, number)
    signature = sign_with_version(maker, RECEIPT_KVN, receipt_input(confirmation, context))
    if not signature:
        return NO_RECEIPT
    maker.nv.put(COUNTER, (counter + 1).to_bytes(2, "big"))
    return bytes(Receipt(signature, confirmation))


def domain_context(ctx: DomainContext, aid: bytes) -> DomainContext:
    """Another domain, or this one, as the card sees it."""
    _, other = ctx.application(aid)
    if not isinstance(other, DomainContext):
        raise CardStatus(0x6A88)
    return other


def require_home(ctx: DomainContext, aid: bytes) -> RegistryEntry:
    """The domain that something is to belong to. Raises CardStatus 6A88 when there is none, 6985 for one that
    is locked (GPC 2.3.1 §5.3.2.4)."""
    domain = ctx.find(aid)
    if domain is None or not domain.kind.is_domain:
        raise CardStatus(0x6A88)
    if domain.locked:
        raise CardStatus(0x6985)
    return domain


def require_reach(ctx: DomainContext, entry: RegistryEntry, *, globally: int = 0) -> None:
    """A domain manages what lies below it; a global privilege reaches over the card.

    Raises CardStatus 6985.
    """
    if ctx.entry.kind is Kind.ISSUER_DOMAIN or ctx.entry.privileges & globally:
        return
    if entry.aid != ctx.aid and ctx.aid not in ancestors(ctx.registry(), entry):
        raise CardStatus(0x6985)
