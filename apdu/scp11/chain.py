"""From a trust anchor to a leaf: certificate chains read and checked (RFC 5280 §6.1, what SCP11 needs).

Used by the host for the card's certificates and by the card for the host's. A card has no clock: it gives no
time, and periods of validity are not looked at then.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric import ec

from . import legacy
from .certificates import Certificate, Role

__all__ = [
    "MAX_CHAIN",
    "Anchor",
    "ChainError",
    "check_link",
    "read_certificate",
    "verify_chain",
    "without_root",
]

X509 = 0x30

MAX_CHAIN = 4
"""Most certificates in one chain; real ones have one or two."""


def read_certificate(raw: bytes) -> Certificate:
    """One certificate of either format. Raises ValueError."""
    if raw[:1] == b"\x30":
        from . import x509  # slow to load, and most cards are opened without certificates

        return x509.read(raw)
    return legacy.read(raw)


class ChainError(ValueError):
    """A chain does not lead from an anchor to a leaf that may be used."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """A key that is trusted, and its identifier when it is known."""

    key: ec.EllipticCurvePublicKey = field(compare=False)
    subject_id: bytes = b""

    @classmethod
    def of_certificate(cls, raw: bytes) -> Anchor:
        """The key of an authority's certificate of either format. Raises ValueError unless it may sign."""
        certificate = read_certificate(raw)
        if not certificate.signs:
            raise ValueError("the certificate is not one of an authority")
        return cls(certificate.key, certificate.subject_id)

    def issued(self, certificate: Certificate) -> bool:
        """Whether ``certificate`` was signed with this key, and does not name another."""
        named = certificate.issuer_id
        if named and self.subject_id and named != self.subject_id:
            return False
        return certificate.signed_by(self.key)


def verify_chain(
    chain: Sequence[Certificate],
    anchors: Sequence[Anchor],
    role: Role,
    *,
    at: datetime.datetime | None = None,
) -> Certificate:
    """The leaf of ``chain``, which stands last, when an anchor vouches for the first and each for the next.

    A root sent along with the chain is passed over. Raises ChainError.
    """
    if len(chain) > MAX_CHAIN:
        raise ChainError(f"a chain of {len(chain)} certificates is too long")
    chain = without_root(chain)
    if not chain:
        raise ChainError("there is no certificate")
    if not any(anchor.issued(chain[0]) for anchor in anchors):
        raise ChainError("no trusted authority signed the first certificate")
    for index, certificate in enumerate(chain):
        _check_period(certificate, at)
        following = chain[index + 1 :]
        if following:
            check_link(certificate, following[0], below=len(following) - 1)
    leaf = chain[-1]
    check_leaf(leaf, role)
    return leaf


def without_root(chain: Sequence[Certificate]) -> Sequence[Certificate]:
    """The chain from what the authority signed on: some hosts send its root along."""
    return chain[1:] if len(chain) > 1 and chain[0].self_issued else chain


def check_link(issuer: Certificate, subject: Certificate, *, below: int = 0) -> None:
    """One step of a chain; ``below`` authorities stand between ``issuer`` and the leaf.

    Raises ChainError.
    """
    if not issuer.signs:
        raise ChainError("a certificate in the middle is not one of an authority")
    if issuer.path_length is not None and below > issuer.path_length:
        raise ChainError("the chain is longer than an authority allows")
    if not subject.names(issuer) or not subject.signed_by(issuer.key):
        raise ChainError("a certificate was not signed by the one before it")


def check_leaf(leaf: Certificate, role: Role) -> None:
    """Whether the leaf's key may agree on keys, for this role. Raises ChainError."""
    if not leaf.agrees or leaf.signs:
        raise ChainError("the key of the last certificate is not for key agreement")
    if leaf.roles and role not in leaf.roles:
        raise ChainError(f"the last certificate is not for a {role.name.lower()}")


def _check_period(certificate: Certificate, at: datetime.datetime | None) -> None:
    if at is None:
        return
    if certificate.not_before is not None and at < certificate.not_before:
        raise ChainError("a certificate is not valid yet")
    if certificate.not_after is not None and at > certificate.not_after:
        raise ChainError("a certificate has expired")
